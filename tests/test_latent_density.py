"""Samples are drawn from a density of codes, and decoded."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import skae._latent_density as module
from skae import AutoencoderTransformer, LatentDensity, VariationalAutoencoder

DIGITS, Y = load_digits(return_X_y=True)
X = DIGITS / 16
# A circle: its centre is a gap.
ANGLES = np.random.default_rng(0).uniform(0, 2 * np.pi, 600)
CIRCLE = np.stack([np.cos(ANGLES), np.sin(ANGLES), 0.1 * np.cos(2 * ANGLES)], axis=1)
LINEAR = PCA(2)


@pytest.mark.parametrize(
    "estimator", [PCA(1), AutoencoderTransformer(2, max_epochs=1)], ids=str
)
def test_check_estimator_passes(estimator):
    check_estimator(LatentDensity(estimator))


# Samples ------------------------------------------------------------------------------


def test_samples_avoid_the_gap():
    density = LatentDensity(LINEAR, random_state=0).fit(CIRCLE)
    codes = density.sample_codes(1000)
    lengths = np.linalg.norm(codes, axis=1)
    expected = np.linalg.norm(density.estimator_.transform(CIRCLE), axis=1)
    # Of one Gaussian, a fifth would be nearer to the centre than half the radius.
    assert (lengths < 0.5 * expected.mean()).mean() < 0.02
    decoded = density.sample(1000)
    assert_allclose(decoded, density.estimator_.inverse_transform(codes))


def test_samples_are_as_near_to_training_rows_as_held_out_ones():
    train, held_out = X[:1200], X[1200:]
    ae = AutoencoderTransformer(8, max_epochs=15, random_state=0)
    density = LatentDensity(ae, random_state=0).fit(train)
    nearest = NearestNeighbors(n_neighbors=1).fit(train)
    found = nearest.kneighbors(density.sample(500))[0].mean()
    expected = nearest.kneighbors(held_out)[0].mean()
    assert 0.8 * expected < found < 1.3 * expected  # neither copies nor noise
    vae = VariationalAutoencoder(8, max_epochs=15, random_state=0).fit(train)
    of_prior = density.score_samples(vae.sample(500)).mean()
    assert density.score(held_out) > of_prior


def test_components_are_as_many_as_the_criterion_asks_for():
    rng = np.random.default_rng(1)
    for n_groups in (1, 4):
        centres = 20 * rng.normal(size=(n_groups, 3))
        rows = centres[rng.integers(n_groups, size=500)] + rng.normal(size=(500, 3))
        density = LatentDensity(PCA(3), random_state=0).fit(rows)
        assert density.density_.n_components == n_groups


def test_seeds_draw_the_same():
    density = LatentDensity(LINEAR, random_state=0).fit(CIRCLE)
    assert_array_equal(density.sample(5), density.sample(5))
    assert_array_equal(
        density.sample(5, random_state=3), density.sample(5, random_state=3)
    )
    assert not np.array_equal(density.sample(5), density.sample(5, random_state=3))
    again = clone(density).fit(CIRCLE)
    assert_array_equal(density.sample(5), again.sample(5))
    free = LatentDensity(LINEAR).fit(CIRCLE)
    assert not np.array_equal(free.sample(5), free.sample(5))


def test_components_come_in_random_order():
    density = LatentDensity(LINEAR, GaussianMixture(8), random_state=0).fit(CIRCLE)
    angles = np.arctan2(*density.sample_codes(400).T)
    halves = angles[:200], angles[200:]
    counts = [np.histogram(half, bins=4, range=(-np.pi, np.pi))[0] for half in halves]
    assert np.abs(counts[0] - counts[1]).max() < 40


@pytest.mark.parametrize(
    "density",
    [
        KernelDensity(bandwidth=0.1),
        GaussianMixture(5),
        BayesianGaussianMixture(n_components=5, max_iter=500),
    ],
    ids=lambda x: type(x).__name__,
)
def test_any_density_of_scikit_learn(density):
    found = LatentDensity(LINEAR, density, random_state=0).fit(CIRCLE)
    assert type(found.density_) is type(density)
    assert not hasattr(density, "n_features_in_")  # a clone was fitted
    assert found.sample(7).shape == (7, 3)
    codes = found.estimator_.transform(CIRCLE)
    assert_allclose(found.score_samples(CIRCLE), found.density_.score_samples(codes))
    assert found.score(CIRCLE) == found.score_samples(CIRCLE).mean()


def test_samples_may_be_tensors():
    class Flow(BaseEstimator):
        def fit(self, codes):
            self.mean_ = codes.mean(axis=0)
            return self

        def sample(self, n_samples):
            noise = torch.zeros(n_samples, len(self.mean_), requires_grad=True)
            return noise + torch.as_tensor(self.mean_)

    sample = LatentDensity(LINEAR, Flow()).fit(CIRCLE).sample(4)
    assert_allclose(sample, np.tile(CIRCLE.mean(axis=0), (4, 1)), atol=1e-6)


# Estimators ---------------------------------------------------------------------------


def test_a_fitted_estimator_is_kept():
    ae = AutoencoderTransformer(2, max_epochs=2, random_state=0).fit(X)
    density = LatentDensity(FrozenEstimator(ae), random_state=0).fit(X[:300])
    assert_array_equal(density.estimator_.transform(X), ae.transform(X))
    assert density.sample(2).shape == (2, 64)


def test_pipelines_give_samples_in_the_units_of_x():
    rows = 100 + 50 * CIRCLE
    pipe = make_pipeline(StandardScaler(), PCA(2))
    sample = LatentDensity(pipe, random_state=0).fit(rows).sample(500)
    assert_allclose(sample.mean(axis=0), rows.mean(axis=0), atol=10)


def test_images_keep_their_shape():
    images = X[:200].reshape(-1, 8, 8)
    ae = AutoencoderTransformer(4, max_epochs=1, random_state=0)
    assert LatentDensity(ae).fit(images).sample(3).shape == (3, 8, 8)


def test_samples_of_a_table_are_rows_of_it():
    pd = pytest.importorskip("pandas")
    from skae.tabular import TableEncoder

    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"x": rng.normal(size=80), "c": rng.choice(["a", "b"], 80), "n": range(80)}
    )
    pipe = make_pipeline(TableEncoder(), PCA(3))
    density = LatentDensity(pipe, random_state=0).fit(frame)
    sample = density.sample(10)
    assert (sample.dtypes == frame.dtypes).all()
    assert sample["c"].isin(["a", "b"]).all()
    assert list(density.feature_names_in_) == ["x", "c", "n"]


def test_sizes_are_searched_by_held_out_density():
    density = LatentDensity(PCA(2), GaussianMixture(random_state=0), random_state=0)
    grid = {"density__n_components": [1, 8]}
    search = GridSearchCV(density, grid, cv=3).fit(CIRCLE)
    assert search.best_params_ == {"density__n_components": 8}


def test_few_rows_and_many(monkeypatch):
    assert LatentDensity(PCA(1)).fit(CIRCLE[:2]).sample(3).shape == (3, 3)
    monkeypatch.setattr(module, "_MOST_ROWS", 50)
    density = LatentDensity(LINEAR, random_state=0).fit(CIRCLE)
    assert density.density_.n_components <= 25


def test_codes_in_small_units_have_a_mixture_too():
    for scale in (1e-6, 1e6):
        density = LatentDensity(LINEAR, random_state=0).fit(scale * CIRCLE)
        assert density.density_.n_components > 1


def test_pickles_draw_the_same():
    density = LatentDensity(
        AutoencoderTransformer(2, max_epochs=1), random_state=0
    ).fit(X)
    assert_array_equal(pickle.loads(pickle.dumps(density)).sample(4), density.sample(4))


# Refusals -----------------------------------------------------------------------------


def test_what_cannot_decode_or_sample_is_refused():
    with pytest.raises(ValueError, match="'estimator' parameter of LatentDensity"):
        LatentDensity(KernelDensity()).fit(X)
    with pytest.raises(ValueError, match="'density' parameter of LatentDensity"):
        LatentDensity(PCA(2), PCA(2)).fit(X)
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        LatentDensity(FrozenEstimator(PCA(2).fit(X))).fit(X[:1])
    density = LatentDensity(PCA(2)).fit(X)
    with pytest.raises(ValueError, match="n_samples"):
        density.sample(0)
    with pytest.raises(TypeError, match="n_samples"):
        density.sample(2.5)


# Codes in any units -------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_samples_have_the_units_of_codes(scale):
    # Two far apart, which one Gaussian does not describe.
    codes = np.random.default_rng(0).normal(size=(400, 2)) + [[0], [20]] * 200
    density = LatentDensity(LINEAR, random_state=0).fit(scale * codes)
    assert_allclose(
        density.sample_codes(4000).std(axis=0),
        density.estimator_.transform(scale * codes).std(axis=0),
        rtol=0.05,
    )


def test_a_small_unit_beside_a_large_one_has_its_own_deviation():
    codes = np.random.default_rng(0).normal(size=(1000, 2)) * [1e5, 100]
    density = LatentDensity(LINEAR, random_state=0).fit(codes)
    # A millionth of the mean variance would be a deviation of 70 more.
    assert_allclose(density.sample_codes(4000).std(axis=0), [1e5, 100], rtol=0.05)


@pytest.mark.parametrize("value", [0.0, 1.0, 1e6])
def test_equal_codes_are_sampled_again(value):
    constant = FunctionTransformer(
        lambda X: np.full((len(X), 3), value), lambda codes: codes, check_inverse=False
    )
    density = LatentDensity(constant, random_state=0).fit(X[:50])
    assert_allclose(density.sample(20), value, rtol=1e-6, atol=1e-6)


def test_a_density_may_be_frozen():
    codes = LINEAR.fit(X).transform(X)
    mixture = GaussianMixture(3, random_state=0).fit(codes)
    density = LatentDensity(LINEAR, FrozenEstimator(mixture), random_state=0).fit(X)
    assert density.density_ is mixture
    assert_array_equal(density.sample(9), density.sample(9))
    assert not np.array_equal(density.sample(9), density.sample(9, random_state=1))
    assert mixture.random_state == 0


def test_fit_of_a_density_need_not_return_it():
    class Copies(BaseEstimator):
        def fit(self, X):
            self.codes_ = X

        def sample(self, n_samples):
            return self.codes_[:n_samples]

    density = LatentDensity(LINEAR, Copies()).fit(X)
    assert density.sample_codes(5).shape == (5, 2)


@pytest.mark.parametrize("method", ["sample", "sample_codes"])
def test_an_unfitted_density_gives_no_samples(method):
    with pytest.raises(NotFittedError, match="LatentDensity instance is not fitted"):
        getattr(LatentDensity(LINEAR), method)()
