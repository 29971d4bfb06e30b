"""Transposed convolutions may leave a checkerboard: energy at the Nyquist frequency."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from skae import AutoencoderTransformer, Conv, ConvAutoencoder

SIZE = 16


def blobs(n, seed):
    """Draw smooth spots of random places and widths, which PCA cannot follow."""
    rng = np.random.RandomState(seed)
    place = rng.uniform(4, 12, size=(n, 2, 1, 1))
    width = rng.uniform(1.5, 3, size=(n, 1, 1))
    rows, columns = np.indices((SIZE, SIZE))
    distance = (rows - place[:, 0]) ** 2 + (columns - place[:, 1]) ** 2
    return np.exp(-distance / (2 * width**2)).astype(np.float32)


def share_at_nyquist(images):
    """Return the share of the energy in stripes and checks of one pixel."""
    energy = np.abs(np.fft.fft2(images - images.mean())) ** 2
    energy = energy.reshape(-1, SIZE, SIZE).sum(axis=0)
    at_nyquist = energy[SIZE // 2].sum() + energy[:, SIZE // 2].sum()
    return at_nyquist / energy.sum()


@pytest.mark.parametrize("init", ["pca", "random"])
def test_reconstructions_have_no_checkerboard(init):
    X, X_test = blobs(500, 0), blobs(200, 1)
    if init == "pca":
        ae = ConvAutoencoder(3, random_state=0)
    else:
        ae = AutoencoderTransformer(3, encoder=Conv(init=init), random_state=0)
    found = ae.fit(X).reconstruct(X_test)
    pca = PCA(3).fit(X.reshape(len(X), -1)).explained_variance_ratio_.sum()
    assert ae.score(X_test) > pca + 0.1  # the convolutions are in use
    # White noise has a share of 0.12.
    assert share_at_nyquist(found) < 1e-3
    assert share_at_nyquist(found.mean(axis=0)) < 1e-3
    assert share_at_nyquist(found - X_test) < 0.06
