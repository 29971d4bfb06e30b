"""Inputs, custom modules and functions, and the estimators that keep the contract."""

import copy
import functools
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ESTIMATORS
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from torch import nn

import skae
from skae import (
    AutoencoderTransformer,
    ContractiveAutoencoder,
    Conv,
    ConvAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)

# Inputs ---------------------------------------------------------------------------

N = 48
IMAGES = (load_digits().images[:N] / 16).astype(np.float32)
ROWS = IMAGES.reshape(N, 64)
OTHERS = (load_digits().images[N : 2 * N] / 16).astype(np.float32)

# Forms of X, and the image_shape_ of each.
FORMS = {
    "rows": (ROWS, None),
    "frame": (pd.DataFrame(ROWS, columns=[f"pixel{i}" for i in range(64)]), None),
    "list": (ROWS.tolist(), None),
    "images": (IMAGES, (1, 8, 8)),
    "channels_first": (ROWS.reshape(N, 2, 4, 8), (2, 4, 8)),
    "channels_last": (ROWS.reshape(N, 8, 4, 2), (2, 8, 4)),
    "signal": (ROWS.reshape(N, 2, 32), (2, 32)),
}


# Custom modules, losses, penalties and corruptions --------------------------------


class CustomEncoder(nn.Sequential):
    """An encoder that draws from torch's global generator: it has dropout."""

    def __init__(self, n_in, n_out):
        super().__init__(
            nn.Flatten(),
            nn.Linear(n_in, 12),
            nn.Tanh(),
            nn.Dropout(0.2),
            nn.Linear(12, n_out),
        )


def custom_decoder(n_in, n_out):
    return nn.Sequential(nn.Linear(n_in, 12), nn.Tanh(), nn.Linear(12, n_out))


class CustomConvEncoder(nn.Sequential):
    """An encoder for images of one channel."""

    def __init__(self, n_in, n_out):
        super().__init__(
            nn.Conv2d(1, 4, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(n_in, n_out),
        )


class CustomConvDecoder(nn.Sequential):
    """A decoder that gives images of one channel."""

    def __init__(self, n_in, n_out):
        super().__init__(
            nn.Linear(n_in, n_out),
            nn.Unflatten(1, (4, 4, 4)),
            nn.ConvTranspose2d(4, 1, 4, stride=2, padding=1),
        )


def instance(n_in, n_out):
    """Return a module instance whose weights do not depend on a global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(n_in + n_out)
        return nn.Sequential(nn.Flatten(), nn.Linear(n_in, n_out))


def absolute_error(reconstruction, x):
    """Return a value for each entry."""
    return (reconstruction - x).abs()


def distance(reconstruction, x):
    """Return a value for each row."""
    return ((reconstruction - x) ** 2).sum(1) ** 0.75


class Shift(BaseEstimator):
    """A custom corruption, with a number that can be searched."""

    def __init__(self, by=0.1):
        self.by = by

    def __call__(self, x, generator):
        return x + self.by * torch.rand(len(x), 1, generator=generator, dtype=x.dtype)


def reconstruction_penalty(x, output, module):
    """Return a penalty that asks for small reconstructions."""
    return 0.01 * (output["reconstruction"] ** 2).sum(1)


# Estimators -----------------------------------------------------------------------

SMALL = {"n_components": 4, "max_epochs": 2, "random_state": 0}
NAMED = {cls.__name__: functools.partial(cls, **SMALL) for cls in ESTIMATORS}
COMBINED = {
    "denoising conv": functools.partial(DenoisingAutoencoder, **SMALL, encoder="conv"),
    "variational conv": functools.partial(
        VariationalAutoencoder, **SMALL, encoder=Conv(channels=(8, 16))
    ),
    "convolutional denoising sparse contractive": functools.partial(
        DenoisingAutoencoder,
        **SMALL,
        encoder=Conv(channels=(4, 8)),
        code_activation="relu",
        sparsity=0.05,
        penalty=skae.Contraction(0.05),
    ),
    "conv with slots": functools.partial(
        ConvAutoencoder,
        **SMALL,
        corruption=skae.MaskingNoise(0.3),
        penalty=[("l1", skae.L1Sparsity(1e-3)), ("again", skae.L1Sparsity(2e-3))],
    ),
    "contractive with builders": functools.partial(
        ContractiveAutoencoder, **SMALL, encoder=CustomEncoder, decoder=custom_decoder
    ),
    "variational with builders": functools.partial(
        VariationalAutoencoder, **SMALL, encoder=CustomEncoder, decoder=custom_decoder
    ),
    "top-k with instances": functools.partial(
        SparseAutoencoder,
        **SMALL,
        method="topk",
        encoder=instance(64, 4),
        decoder=instance(4, 64),
    ),
    "kl with custom functions": functools.partial(
        SparseAutoencoder,
        **SMALL,
        method="kl",
        loss=distance,
        corruption=Shift(),
        penalty=reconstruction_penalty,
    ),
    "absolute error": functools.partial(
        AutoencoderTransformer, **SMALL, loss=absolute_error
    ),
    "cross-entropy": functools.partial(
        AutoencoderTransformer, **SMALL, loss="binary_cross_entropy"
    ),
    "conv with cross-entropy": functools.partial(
        ConvAutoencoder, **SMALL, loss="binary_cross_entropy"
    ),
    "variational poisson": functools.partial(
        VariationalAutoencoder, **SMALL, loss="poisson"
    ),
}
CUSTOM_CONVOLUTIONS = {
    "sparse with custom convolutions": functools.partial(
        SparseAutoencoder, **SMALL, encoder=CustomConvEncoder, decoder=CustomConvDecoder
    ),
}
ANY_SHAPE = {**NAMED, **COMBINED}
ALL = {**ANY_SHAPE, **CUSTOM_CONVOLUTIONS}

every = pytest.mark.parametrize("name", ALL)
every_named = pytest.mark.parametrize("name", NAMED)
every_shape = pytest.mark.parametrize("name", ANY_SHAPE)


def fit(estimator, X, **kwargs):
    """Fit without the warning of how a convolution reads flat rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", skae.LayoutWarning)
        return estimator.fit(X, **kwargs)


@functools.cache
def _fitted(name):
    return ALL[name]().fit(IMAGES)


def fitted(name):
    """Return a copy of an estimator that is fitted once, on images."""
    return copy.deepcopy(_fitted(name))


def codes_of(estimator, X=IMAGES):
    return fit(estimator, X).transform(X)
