"""Scores of samples, and the sensitivity of codes."""

import math

import numpy as np
import pytest
import torch
from cases import ALL, OTHERS, ROWS, N, every, fitted
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from torch import nn

from skae import AutoencoderTransformer


@every
def test_score_is_r2_over_all_entries(name):
    ae = fitted(name)
    X = OTHERS.reshape(N, 64).astype(float)
    error = ((X - ae.reconstruct(OTHERS).reshape(N, 64)) ** 2).sum()
    total = ((X - ROWS.mean(0, dtype=float)) ** 2).sum()  # the training mean
    score = ae.score(OTHERS)
    assert type(score) is float
    assert math.isclose(1 - score, error / total, rel_tol=1e-5)
    assert ae.score(OTHERS, y=np.arange(N)) == score


def test_score_has_the_scale_of_explained_variance():
    pca = PCA(4).fit(ROWS)
    encoder, decoder = nn.Linear(64, 4), nn.Linear(4, 64)
    axes = torch.from_numpy(pca.components_)
    encoder.weight.data, decoder.weight.data = axes.clone(), axes.T.clone()
    decoder.bias.data = torch.from_numpy(pca.mean_)
    encoder.bias.data = -axes @ decoder.bias.data
    ae = AutoencoderTransformer(
        4, encoder=encoder, decoder=decoder, lr=1e-12, max_epochs=1
    ).fit(ROWS)
    expected = pca.explained_variance_ratio_.sum()
    assert math.isclose(ae.score(ROWS), expected, rel_tol=1e-5)


def _minus_loss(name, x, reconstruction):
    if name == "absolute error":
        return -np.abs(x - reconstruction).sum(1)
    if name == "kl with custom functions":
        return -(((x - reconstruction) ** 2).sum(1) ** 0.75)
    if "cross-entropy" in name:
        p = reconstruction
        return (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(1)
    if "poisson" in name:
        return (x * np.log(reconstruction) - reconstruction).sum(1)
    return -0.5 * ((x - reconstruction) ** 2).sum(1)


@every
def test_score_samples_is_minus_the_loss_in_the_units_of_X(name):
    ae = fitted(name)
    x = OTHERS.reshape(N, 64).astype(float)
    reconstruction = ae.reconstruct(OTHERS).reshape(N, 64).astype(float)
    scores = ae.score_samples(OTHERS)
    assert scores.shape == (N,)
    assert_allclose(scores, _minus_loss(name, x, reconstruction), rtol=1e-4)


def test_methods_use_the_loss_that_was_fitted():
    ae = AutoencoderTransformer(4, max_epochs=1, random_state=0).fit(ROWS)
    before = ae.score_samples(ROWS)
    ae.set_params(loss="binary_cross_entropy")
    assert_array_equal(ae.score_samples(ROWS), before)


def test_values_outside_the_domain_are_scored_at_its_end():
    ae = AutoencoderTransformer(
        4, loss="binary_cross_entropy", max_epochs=1, random_state=0
    ).fit(ROWS)
    beyond = np.where(ROWS > 0.5, ROWS + 1e-3, ROWS)
    with pytest.warns(UserWarning, match="outside the range of the loss, 0 to 1"):
        found = ae.score_samples(np.where(beyond > 1, beyond, ROWS))
    assert_allclose(found, ae.score_samples(ROWS), rtol=1e-4)


@every
def test_sensitivity_is_the_norm_of_the_jacobian_in_the_units_of_X(name):
    X = 3 * OTHERS if "cross-entropy" not in name else OTHERS
    ae = ALL[name](dtype="float64").fit(X)
    encoder = ae.encoder_
    rows = torch.from_numpy(X[:4].reshape(4, 64).astype(np.float64))
    jacobians = [
        torch.autograd.functional.jacobian(lambda x: encoder(x[None])[0], row)
        for row in rows
    ]
    expected = [float(torch.linalg.norm(jacobian)) for jacobian in jacobians]
    assert_allclose(ae.sensitivity(X[:4]), expected, rtol=1e-9)
    # And of what transform gives: one column by central differences.
    step = np.zeros(64)
    step[20] = 1e-5
    moved = [ae.transform(X[:4].reshape(4, 64) + sign * step) for sign in (1, -1)]
    column = (moved[0] - moved[1]) / 2e-5
    assert_allclose(column, [j[:, 20].numpy() for j in jacobians], atol=1e-5)
