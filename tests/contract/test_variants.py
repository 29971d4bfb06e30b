"""What only some classes promise: noise, sparse codes, samples and likelihoods."""

import copy
import functools
import itertools
import math
import pickle

import numpy as np
import pytest
import torch
from cases import ALL, FORMS, IMAGES, ROWS, N, Shift, fitted
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from skae import (
    AutoencoderTransformer,
    DenoisingAutoencoder,
    Dense,
    SparseAutoencoder,
    VariationalAutoencoder,
)


@pytest.mark.parametrize("noise", ["gaussian", "masking", "salt_and_pepper", "swap"])
@pytest.mark.parametrize("form", ["rows", "images", "channels_last"])
def test_corrupt_adds_the_noise_of_training(noise, form):
    X = FORMS[form][0] + 1
    ae = DenoisingAutoencoder(4, noise=noise, max_epochs=1, random_state=0).fit(X)
    noisy = ae.corrupt(X)
    assert noisy.shape == X.shape
    assert noisy.dtype == np.float32
    changed = (noisy != X).mean()
    if noise == "gaussian":
        assert math.isclose((noisy - X).std(), 0.5 * ae.scale_, rel_tol=0.05)
    elif noise == "masking":
        flat, rows, mean = noisy.reshape(N, 64), X.reshape(N, 64), ae.mean_
        varies = rows.std(0) > 0  # the others are their mean
        masked = (flat != rows)[:, varies]
        assert math.isclose(masked.mean(), 0.3, abs_tol=0.03)
        assert_allclose(
            flat[:, varies][masked],
            np.broadcast_to(mean[varies], masked.shape)[masked],
            rtol=1e-6,
        )
    elif noise == "salt_and_pepper":
        assert 0.1 < changed < 0.33
        assert np.isin(noisy[noisy != X], [X.min(), X.max()]).all()
    else:
        assert 0.05 < changed < 0.33
        flat, rows = noisy.reshape(N, -1), X.reshape(N, -1)
        assert all(np.isin(flat[:, j], rows[:, j]).all() for j in range(64))
    assert_array_equal(ae.corrupt(X), noisy)  # the estimator's random_state
    assert_array_equal(ae.corrupt(X, random_state=0), noisy)
    assert not np.array_equal(ae.corrupt(X, random_state=1), noisy)
    assert_array_equal(ae.denoise(noisy), ae.reconstruct(noisy))
    assert ae.corrupt(X.reshape(N, 64)).shape == X.shape


def test_corrupt_does_not_change_X():
    ae = DenoisingAutoencoder(4, noise=lambda x, generator: x.mul_(0), max_epochs=1)
    X = ROWS.copy()
    assert not ae.fit(X).corrupt(X).any()
    assert_array_equal(X, ROWS)


def test_corrupt_isolates_noise_that_draws_globally():
    ae = DenoisingAutoencoder(
        4, noise=lambda x, generator: x + torch.randn_like(x), max_epochs=1
    ).fit(ROWS)
    before = torch.random.get_rng_state()
    noisy = ae.corrupt(ROWS, random_state=0)
    assert_array_equal(ae.corrupt(ROWS, random_state=0), noisy)
    assert not np.array_equal(ae.corrupt(ROWS, random_state=1), noisy)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_corrupt_adds_the_noise_that_was_fitted():
    ae = DenoisingAutoencoder(4, max_epochs=1, random_state=0).fit(ROWS)
    noisy = ae.corrupt(ROWS)
    ae.set_params(noise_level=3.0)
    assert_array_equal(ae.corrupt(ROWS), noisy)


def test_noise_may_be_a_callable():
    ae = DenoisingAutoencoder(4, noise=Shift(by=2), max_epochs=1, random_state=0)
    shift = ae.fit(IMAGES).corrupt(IMAGES) - IMAGES
    assert_allclose(shift, shift[:, :1, :1] * np.ones((8, 8)), atol=1e-6)
    assert 0 <= shift.min() < shift.max() <= 2
    assert ae.get_params()["noise__by"] == 2


class NoiseModule(nn.Module):
    def forward(self, x, generator):
        return x + torch.rand(x.shape, generator=generator)


@pytest.mark.parametrize("slot", ["corruption", "augmentation"])
def test_noise_may_be_a_module(slot):
    ae = AutoencoderTransformer(4, max_epochs=1, random_state=0)
    ae.set_params(warm_start=True, **{slot: NoiseModule()})
    assert ae.fit(IMAGES).partial_fit(IMAGES).fit(IMAGES).n_iter_ == 3
    copied = pickle.loads(pickle.dumps(ae))
    assert_array_equal(copied.transform(IMAGES), ae.transform(IMAGES))


@pytest.mark.parametrize("n_active", [None, 1, 3])
def test_topk_keeps_n_active_units(n_active):
    ae = SparseAutoencoder(8, method="topk", n_active=n_active, max_epochs=2)
    codes = ae.fit(IMAGES).transform(IMAGES)
    assert (codes > 0).sum(1).max() <= (n_active or 2)  # a quarter of 8


def test_lifetime_cuts_each_unit_in_training_only():
    ae = SparseAutoencoder(
        8, method="lifetime", target_activation=0.25, max_epochs=5, random_state=0
    )
    codes = ae.fit(IMAGES).transform(IMAGES)
    assert_array_equal(ae.transform(IMAGES[:3]), codes[:3])
    x = torch.tensor(IMAGES.reshape(-1, 64), dtype=torch.float32)
    module = ae.net_.module_.train()
    cut = module(x)["code"].detach().numpy()
    assert (cut > 0).sum(0).max() <= len(x) // 4 < (codes > 0).sum(0).max()
    assert_allclose(cut[cut > 0], codes[cut > 0], rtol=1e-5)
    assert_array_equal(ae.transform(IMAGES), codes)  # evaluation is restored


@pytest.mark.filterwarnings("ignore::skae.FitWarning")
@pytest.mark.parametrize("method", ["l1", "kl", "topk", "lifetime"])
def test_sparse_codes_have_exact_zeros(method):
    ae = SparseAutoencoder(
        16,
        method=method,
        encoder=Dense((64,), init="random"),
        sparsity=0.3,
        early_stopping=False,
        max_epochs=60,
        random_state=0,
    )
    codes = ae.fit(IMAGES).transform(IMAGES)
    assert (codes == 0).mean() > 0.2
    assert codes.min() >= 0
    if method == "kl":
        assert codes.max() <= 1


VARIATIONAL = [name for name in ALL if "ariational" in name]


@pytest.mark.parametrize("name", VARIATIONAL)
def test_samples_have_the_layout_of_X(name):
    vae = fitted(name)
    assert vae.sample().shape == (1, 8, 8)
    samples = vae.sample(5)
    assert samples.shape == (5, 8, 8)
    assert samples.dtype == np.float32
    # Decoder means of draws from the prior.
    codes = np.random.RandomState(0).standard_normal((5, 4)).astype(np.float32)
    assert_array_equal(samples, vae.inverse_transform(codes))
    assert_array_equal(vae.sample(5), samples)  # the estimator's random_state
    assert_array_equal(vae.sample(5, random_state=0), samples)
    assert not np.array_equal(vae.sample(5, random_state=1), samples)
    noisy = vae.sample(5, noise=True)
    assert noisy.shape == samples.shape
    assert not np.array_equal(noisy, samples)
    if name == "variational poisson":
        assert_array_equal(noisy, noisy.round())


@pytest.mark.parametrize("name", VARIATIONAL)
def test_posterior_is_the_mean_that_transform_gives_and_a_deviation(name):
    vae = fitted(name)
    mean, std = vae.posterior(IMAGES)
    assert_array_equal(mean, vae.transform(IMAGES))
    assert std.shape == mean.shape
    assert (std > 0).all()


def test_sample_noise_has_the_variance_of_the_decoder():
    vae = VariationalAutoencoder(2, max_epochs=5, random_state=0).fit(IMAGES)
    noise = vae.sample(500, noise=True) - vae.sample(500)
    assert math.isclose(noise.var(), vae.noise_variance_, rel_tol=0.05)


def test_sample_noise_of_cross_entropy_is_binary():
    vae = VariationalAutoencoder(
        2, loss="binary_cross_entropy", max_epochs=5, random_state=0
    ).fit(ROWS)
    draws = vae.sample(2000, noise=True)
    assert set(np.unique(draws)) == {0, 1}
    assert_allclose(draws.mean(0), vae.sample(2000).mean(0), atol=0.05)


@functools.cache
def _curve(scale):
    rng = np.random.RandomState(0)
    t = rng.standard_normal((256, 1))
    X = scale * np.hstack([t, t**2 / 2, np.sin(t)]) + 0.2 * scale * rng.standard_normal(
        (256, 3)
    )
    vae = VariationalAutoencoder(
        1, hidden_layer_sizes=(16,), max_epochs=40, dtype="float64", random_state=0
    )
    return vae.fit(X), X


def curve(scale=1.0):
    """Return a variational autoencoder of points near a curve, and the points."""
    return copy.deepcopy(_curve(scale))


@pytest.mark.slow
def test_log_likelihood_agrees_with_numerical_integration():
    vae, X = curve()
    X = X[:20]
    z = np.linspace(-8, 8, 4001)
    means = vae.inverse_transform(z[:, np.newaxis])
    variance = vae.noise_variance_
    squares = ((X[:, np.newaxis] - means) ** 2).sum(2)
    log_joint = (
        -0.5 * squares / variance
        - 1.5 * np.log(2 * np.pi * variance)
        - 0.5 * z**2
        - 0.5 * np.log(2 * np.pi)
    )
    expected = np.logaddexp.reduce(log_joint, axis=1) + np.log(z[1] - z[0])
    found = vae.log_likelihood(X, 4000)
    assert found.shape == (20,)
    # The spread of estimates from 4,000 draws shows their accuracy.
    spread = np.std(
        [vae.log_likelihood(X, 4000, random_state=seed) for seed in range(5)], axis=0
    )
    assert spread.max() < 0.1
    assert_allclose(found, expected, atol=0.2)
    assert abs(np.mean(found - expected)) < 0.02
    # A lower bound in expectation, that tightens with the number of draws.
    means = [vae.log_likelihood(curve()[1], k).mean() for k in (1, 1000)]
    assert means[0] < means[1]


def test_log_likelihood_is_a_density_in_the_units_of_X():
    vae, X = curve()
    other, X_other = curve(scale=16.0)
    shift = other.log_likelihood(X_other, 50) - vae.log_likelihood(X, 50)
    assert_allclose(shift, -3 * math.log(16), atol=1e-6)
    assert math.isclose(other.noise_variance_, 256 * vae.noise_variance_, rel_tol=1e-9)


@pytest.mark.parametrize("value", [0, 5, 1e-20])
def test_constant_data_has_a_density(value):
    X = np.full((40, 3), value)
    vae = VariationalAutoencoder(2, max_epochs=1, random_state=0).fit(X)
    assert vae.noise_variance_ >= 1e-12  # of scale_**2, which is 1
    assert np.isfinite(vae.log_likelihood(X)).all()
    assert np.isfinite(vae.sample(3, noise=True)).all()


@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy", "poisson"])
def test_likelihoods_are_of_the_loss_that_was_fitted(loss):
    vae = VariationalAutoencoder(2, loss=loss, max_epochs=1, random_state=0).fit(ROWS)
    likelihood, sample = vae.log_likelihood(ROWS, 2), vae.sample(3, noise=True)
    for other in ("squared_error", "binary_cross_entropy", nn.L1Loss(reduction="none")):
        vae.set_params(loss=other)
        assert_array_equal(vae.log_likelihood(ROWS, 2), likelihood)
        assert_array_equal(vae.sample(3, noise=True), sample)


@pytest.mark.filterwarnings("ignore::skae.CollapsedCodeWarning")
@pytest.mark.parametrize("loss", ["binary_cross_entropy", "poisson"])
def test_probabilities_of_all_values_sum_to_one(loss):
    if loss == "poisson":
        X = np.random.RandomState(0).poisson(2, size=(64, 2)).astype(float)
        values = np.array(list(itertools.product(range(25), repeat=2)), dtype=float)
    else:
        X = np.random.RandomState(0).randint(0, 2, size=(64, 5)).astype(float)
        values = np.array(list(itertools.product([0, 1], repeat=5)), dtype=float)
    vae = VariationalAutoencoder(2, loss=loss, max_epochs=10, random_state=0).fit(X)
    total = np.exp(vae.log_likelihood(values, 300)).sum()
    assert math.isclose(total, 1, abs_tol=0.03)


def test_log_likelihood_draws_by_random_state():
    vae = fitted("VariationalAutoencoder")
    first = vae.log_likelihood(IMAGES, 3)
    assert_array_equal(vae.log_likelihood(IMAGES, 3), first)
    assert_array_equal(vae.log_likelihood(ROWS, n_samples=3, random_state=0), first)
    assert not np.array_equal(vae.log_likelihood(ROWS, 3, random_state=1), first)
