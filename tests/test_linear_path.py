"""The start of shipped networks: PCA, whatever their layers are."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from torch import nn
from torch.nn.modules.conv import _ConvNd

from skae import (
    AutoencoderTransformer,
    Conv,
    ConvAutoencoder,
    Dense,
    SparseAutoencoder,
)
from skae._data.statistics import compute_statistics
from skae._networks.layers import LinearPath
from skae._networks.linear_path import compute_principal_axes

DIGITS = (load_digits().data[:200] / 16).astype(np.float32)
FROZEN = {"lr": 1e-30, "max_epochs": 1, "early_stopping": False, "random_state": 0}


def low_rank(n_rows, n_features, rank=5, noise=0.1, seed=0):
    """Return rows near a subspace, along whose axes the deviation differs."""
    rng = np.random.RandomState(seed)
    axes = np.random.RandomState(7).normal(size=(rank, n_features))
    scores = rng.normal(size=(n_rows, rank)) * np.linspace(2, 1, rank)
    return scores @ axes + noise * rng.normal(size=(n_rows, n_features))


EXACT = low_rank(80, 30, rank=4, noise=0)


def by_pca(X, n_components, rows=None):
    """Return what PCA of X reconstructs from rows, those of X by default."""
    pca = PCA(n_components, svd_solver="full").fit(X.reshape(len(X), -1))
    rows = X if rows is None else rows
    flat = pca.inverse_transform(pca.transform(rows.reshape(len(rows), -1)))
    return flat.reshape(rows.shape)


def assert_starts_as_pca(ae, X, n_components=4):
    found = ae.set_params(**FROZEN).fit(X).reconstruct(X)
    expected = by_pca(X.astype(float), n_components)
    assert_allclose(found, expected, atol=1e-5 * X.std())


ENCODERS = [
    "dense",
    Dense(()),
    Dense((9,), activation="relu"),
    Dense((9, 7), activation="tanh"),
    Dense((9,), activation="sigmoid"),
    Dense((9,), activation="hardsigmoid"),
    Dense((9,), activation="gelu", batch_norm=True),
    "conv",
    Conv((3, 5), activation="tanh"),
    Conv((3,), batch_norm=True, pooling="average"),
]


@pytest.mark.parametrize("encoder", ENCODERS, ids=str)
def test_networks_start_as_pca(encoder):
    X = DIGITS.reshape(-1, 8, 8)
    assert_starts_as_pca(AutoencoderTransformer(4, encoder=encoder), X)


@pytest.mark.parametrize("n_rows", [30, 80])
def test_wide_rows_start_as_pca(n_rows):
    assert_starts_as_pca(AutoencoderTransformer(4), low_rank(n_rows, 400, rank=4))


def test_rows_of_bytes_start_as_pca():
    X = (DIGITS * 255).astype(np.uint8)
    assert_starts_as_pca(AutoencoderTransformer(4), X)


def test_rows_far_from_zero_start_as_pca():
    assert_starts_as_pca(AutoencoderTransformer(3), low_rank(80, 9) + 1e6, 3)


def test_an_encoder_and_a_decoder_may_differ():
    ae = AutoencoderTransformer(4, encoder="conv", decoder=Dense((9,)))
    assert_starts_as_pca(ae, DIGITS.reshape(-1, 8, 8))


@pytest.mark.parametrize(
    ("n_units", "X"),
    [(8, DIGITS), (8, low_rank(80, 30)), *((n, EXACT) for n in (8, 9, 20))],
    ids=["digits", "table", "exact", "one unit more", "many units more"],
)
def test_two_units_of_relu_hold_an_axis(n_units, X):
    ae = SparseAutoencoder(n_units, sparsity=0.0)
    assert_starts_as_pca(ae, X, 4)
    codes = ae.transform(X)
    assert codes.min() == 0
    # One of both is zero, and each has its turn.
    assert not (codes[:, 0:8:2] * codes[:, 1:8:2]).any()
    assert codes[:, :8].any(axis=0).all()


@pytest.mark.parametrize("init", ["random", "glorot"])
def test_other_networks_start_at_random(init):
    ae = AutoencoderTransformer(4, encoder=Dense((9,), init=init), **FROZEN)
    assert ae.fit(DIGITS).score(DIGITS) < 0.3
    assert not any(isinstance(x, LinearPath) for x in ae.net_.module_.modules())


@pytest.mark.parametrize(
    "ae", [AutoencoderTransformer(4), ConvAutoencoder(4, channels=(3, 5))], ids=str
)
def test_the_last_layers_are_zero_and_learn(ae):
    X = DIGITS.reshape(-1, 8, 8)

    def last_layers():
        paths = [x for x in ae.net_.module_.modules() if isinstance(x, LinearPath)]
        assert len(paths) == 2
        for path in paths:
            layers = [x for x in path.modules() if isinstance(x, (nn.Linear, _ConvNd))]
            yield layers[-1]

    ae.set_params(**FROZEN).fit(X)
    for layer in last_layers():
        assert all(x.abs().max() < 1e-20 for x in layer.parameters())
    ae.set_params(lr="auto").fit(X)
    for layer in last_layers():
        assert layer.weight.abs().max() > 1e-3


# Axes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "X",
    [DIGITS, 1e3 + low_rank(200, 50), low_rank(60, 3000), low_rank(80, 400, 12)],
    ids=["digits", "table", "wide", "more axes than found"],
)
def test_axes_are_those_of_sklearn(X):
    X = X.astype(float)
    statistics = compute_statistics(X)
    axes = compute_principal_axes(
        X, np.arange(len(X)), 4, statistics=statistics, seed=0
    )
    pca = PCA(4, svd_solver="full").fit(X)
    assert axes.share == pytest.approx(pca.explained_variance_ratio_.sum(), abs=1e-4)
    assert_allclose(axes.directions @ axes.directions.T, np.eye(4), atol=1e-8)
    deviations = np.sqrt(pca.explained_variance_ * (len(X) - 1) / len(X))
    assert_allclose(axes.deviations * statistics.scale, deviations, rtol=1e-3)
    overlap = np.abs((axes.directions * pca.components_).sum(axis=1))
    assert_allclose(overlap, 1, atol=1e-3)


def test_axes_are_of_the_chosen_rows_and_no_more_than_vary():
    X = low_rank(100, 8, rank=2, noise=0)
    X[50:] = np.random.RandomState(0).normal(size=(50, 8))
    axes = compute_principal_axes(
        X, np.arange(50), 5, statistics=compute_statistics(X), seed=0
    )
    assert axes.directions.shape == (2, 8)
    assert axes.share == pytest.approx(1)


@pytest.mark.parametrize("value", [0.0, 3.5])
def test_constant_rows_have_no_axes(value):
    X = np.full((20, 6), value)
    ae = AutoencoderTransformer(2, random_state=0).fit(X)
    assert_allclose(ae.reconstruct(X), X, atol=1e-6)


# Never below PCA ----------------------------------------------------------------------


@pytest.mark.parametrize("n_features", [500, 5000])
def test_few_wide_rows_are_reconstructed_no_worse_than_by_pca(n_features):
    X, held = (low_rank(150, n_features, noise=1.0, seed=seed) for seed in (0, 1))
    ae = AutoencoderTransformer(5, random_state=0).fit(X)
    error = np.square(held - by_pca(X, 5, held)).sum()
    pca = 1 - error / np.square(held - X.mean(axis=0)).sum()
    assert ae.score(held) >= pca - 0.005
