"""Coordinates of linear codes: those of PCA, as far as a decoder has them."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import pdist
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from torch import nn

import skae
from skae import AutoencoderTransformer, ConvAutoencoder, Dense, SparseAutoencoder

DIGITS = (load_digits().data[:300] / 16).astype(np.float32)


def table(n_rows=200, n_features=6, offset=0.0, seed=0):
    """Return rows whose axes differ in their deviation."""
    rng = np.random.RandomState(seed)
    scores = rng.normal(size=(n_rows, 5)) * [5, 4, 3, 2, 1]
    axes = np.linalg.qr(rng.normal(size=(n_features, 5)))[0].T
    noise = 0.1 * rng.normal(size=(n_rows, n_features))
    return scores @ axes + noise + offset


def linear(n_components=3, **params):
    params = {"hidden_layer_sizes": (), "max_epochs": 5, "random_state": 0, **params}
    return AutoencoderTransformer(n_components, **params)


def curved(**params):
    """Return an autoencoder that is trained, whether or not it is better than PCA."""
    params = {"early_stopping": False, "max_epochs": 8, "random_state": 0, **params}
    return AutoencoderTransformer(4, hidden_layer_sizes=(20,), **params)


def correlations(codes):
    return np.corrcoef(codes, rowvar=False) - np.eye(codes.shape[1])


@pytest.mark.parametrize(
    "X",
    [
        table(),
        table(60, 500),
        table(offset=1e3),
        table(offset=1e7),
        1e-3 * table(),
        table().astype(np.float32),
    ],
    ids=["table", "wide", "1e3", "1e7", "small", "float32"],
)
@pytest.mark.parametrize("whiten", [False, True])
def test_a_linear_code_holds_the_scores_of_pca(X, whiten):
    codes = linear(whiten=whiten).fit(X).transform(X)
    expected = PCA(3, whiten=whiten, svd_solver="full").fit_transform(X.astype(float))
    if whiten:
        expected *= np.sqrt(len(X) / (len(X) - 1))  # to the deviation of these rows
    sign = np.sign((codes * expected).sum(axis=0))
    assert_allclose(
        sign * codes / expected.std(axis=0), expected / expected.std(axis=0), atol=1e-3
    )


SHORT = {"n_components": 4, "early_stopping": False, "max_epochs": 5}
ESTIMATORS = [
    curved(),
    AutoencoderTransformer(**SHORT, encoder=Dense((20,), activation="tanh", tied=True)),
    ConvAutoencoder(**SHORT, channels=(3,)),
    skae.ContractiveAutoencoder(**SHORT),
    skae.DenoisingAutoencoder(**SHORT),
]


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("ae", ESTIMATORS, ids=lambda ae: type(ae).__name__)
def test_units_are_centred_uncorrelated_and_in_the_order_of_variance(ae, whiten):
    X = DIGITS.reshape(-1, 8, 8)
    ae = clone(ae).set_params(whiten=whiten, random_state=0)
    codes = ae.fit(X).transform(X).astype(float)
    deviations = codes.std(axis=0)
    assert np.abs(codes.mean(axis=0)).max() < 1e-4 * deviations.max()
    assert np.abs(correlations(codes)).max() < 1e-3
    if whiten:
        assert_allclose(deviations, 1, rtol=1e-3)
    else:
        assert (np.diff(deviations) <= 0).all()
    # The decoder begins with the inverse.
    assert_array_equal(ae.reconstruct(X), ae.inverse_transform(ae.transform(X)))
    module = ae.net_.module_
    trained = module.decoder(module.trained_code(torch.from_numpy(DIGITS)))
    expected = module.link(trained).detach().reshape(X.shape)
    assert_allclose(ae.reconstruct(X), expected, atol=1e-5)


def test_the_direction_of_a_unit_does_not_depend_on_the_seed():
    one, other = (
        linear(random_state=seed).fit(table()).transform(table()) for seed in (0, 1)
    )
    products = (one * other).sum(axis=0)  # cosines, signs included
    assert (products > 0.99 * np.linalg.norm(one, axis=0) ** 2).all()


def test_distances_between_codes_are_those_between_reconstructions():
    X = table(100, 30)
    ae = linear().fit(X)
    found, expected = pdist(ae.transform(X)), pdist(ae.reconstruct(X))
    assert_allclose(found, expected, rtol=1e-3)
    whitened = linear(whiten=True).fit(X)
    assert not np.allclose(pdist(whitened.transform(X)), expected, rtol=0.1)


def test_small_distances_in_a_curved_code_are_about_those_of_reconstructions():
    ae = curved(max_epochs=20).fit(DIGITS)
    codes, step = ae.transform(DIGITS), 1e-2
    ratios = []
    for unit in np.eye(4, dtype=np.float32):
        moved = ae.inverse_transform(codes + step * unit) - ae.inverse_transform(codes)
        ratios.append(np.square(moved / step).sum(axis=1).mean())
    assert_allclose(ratios, 1, rtol=0.1)


# Codes that have no free coordinates --------------------------------------------------


def test_whitening_a_sparse_code_is_refused():
    with pytest.raises(ValueError, match="whiten"):
        AutoencoderTransformer(3, whiten=True, sparsity=0.1).fit(table())
    with pytest.raises(ValueError, match="whiten"):
        AutoencoderTransformer(3, whiten=True, code_activation="relu").fit(table())


def plain(n_in, n_out):
    return nn.Linear(n_in, n_out)


@pytest.mark.parametrize(
    "ae",
    [
        AutoencoderTransformer(3, encoder=plain, decoder=plain),
        AutoencoderTransformer(3, encoder=plain, decoder="dense"),
        AutoencoderTransformer(3, code_activation="tanh"),
        AutoencoderTransformer(3, penalty=skae.L1Sparsity(0.1)),
        SparseAutoencoder(3),
        skae.VariationalAutoencoder(3),
    ],
    ids=["custom", "custom encoder", "tanh", "penalty", "sparse", "variational"],
)
def test_other_codes_are_as_the_encoder_gives_them(ae):
    X = table().astype(np.float32)
    codes = ae.set_params(max_epochs=2, random_state=0).fit(X).transform(X)
    module = ae.net_.module_
    with torch.no_grad():
        trained = module.trained_code(torch.from_numpy(X)).numpy()
    assert_array_equal(codes, trained)


# Training that goes on, and copies ----------------------------------------------------


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_they_are_computed_again_when_training_goes_on(method):
    X, other = table(seed=0), 3 * table(seed=1)
    ae = linear(whiten=True, warm_start=True, early_stopping=False, max_epochs=2)
    ae.fit(X)
    before = ae.net_.module_.coordinates.weight.clone()
    getattr(ae, method)(other)
    assert not torch.equal(ae.net_.module_.coordinates.weight, before)
    codes = ae.transform(other)
    assert_allclose(codes.std(axis=0), 1, rtol=1e-3)
    assert np.abs(correlations(codes)).max() < 1e-3


def test_training_does_not_depend_on_them():
    whole = curved(warm_start=True, lr_schedule="constant", max_epochs=4).fit(DIGITS)
    split = curved(warm_start=True, lr_schedule="constant", max_epochs=2).fit(DIGITS)
    split.fit(DIGITS)
    assert_array_equal(split.transform(DIGITS), whole.transform(DIGITS))


@pytest.mark.parametrize("ae", [linear(), curved(), linear(whiten=True)], ids=str)
def test_copies_have_the_same_codes(ae, tmp_path):
    codes = ae.fit(DIGITS).transform(DIGITS)
    path = tmp_path / "ae.skae"
    ae.save(path)
    for other in (skae.load(path), pickle.loads(pickle.dumps(ae))):
        assert_array_equal(other.transform(DIGITS), codes)
        assert_array_equal(other.inverse_transform(codes), ae.inverse_transform(codes))
        assert_array_equal(
            other.partial_fit(DIGITS).transform(DIGITS),
            pickle.loads(pickle.dumps(ae)).partial_fit(DIGITS).transform(DIGITS),
        )
