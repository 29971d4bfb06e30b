"""Data, fitted estimators, and functions that read what a display shows."""

import copy
import functools

import numpy as np
from helpers import ShiftOutput
from sklearn.datasets import load_digits

from skae import AutoencoderTransformer, DenoisingAutoencoder, VariationalAutoencoder

N = 48
IMAGES = (load_digits().images[:N] / 16).astype(np.float32)
ROWS = IMAGES.reshape(N, 64)
LABELS = load_digits().target[:N]
SMALL = {"hidden_layer_sizes": (16,), "max_epochs": 1, "random_state": 0}


@functools.cache
def _fitted_plain():
    return AutoencoderTransformer(4, **SMALL).fit(IMAGES)


@functools.cache
def _fitted_variational():
    vae = VariationalAutoencoder(
        2,
        **{**SMALL, "max_epochs": 3},
        early_stopping=True,
        tol=0,
        callbacks=[ShiftOutput()],  # without, no epoch is better than the start
    )
    return vae.fit(ROWS)


@functools.cache
def _fitted_denoising():
    return DenoisingAutoencoder(4, noise="masking", noise_level=0.5, **SMALL).fit(ROWS)


def fitted_plain():
    """Return a copy of an autoencoder that is fitted once, on images."""
    return copy.deepcopy(_fitted_plain())


def fitted_variational():
    """Return a copy of a variational autoencoder that is fitted once, on rows."""
    return copy.deepcopy(_fitted_variational())


def fitted_denoising():
    """Return a copy of a denoising autoencoder that is fitted once, on rows."""
    return copy.deepcopy(_fitted_denoising())


def images_of(artists):
    """Return the arrays of the images of a display, with its grid in front."""
    return np.array([[np.asarray(x.get_array()) for (x,) in line] for line in artists])


def texts_of(labels):
    return [label.get_text() for label in labels]
