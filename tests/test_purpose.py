"""What each class is for, on real digits and several seeds, with numbers."""

import copy

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

import skae

SEEDS = [0, 1, 2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fitted(digits):
    """Fit an estimator once for all tests of this file; give a copy of it."""
    cache = {}

    def fit(estimator):
        key = repr(estimator)
        if key not in cache:
            cache[key] = clone(estimator).fit(digits[0])
        return copy.deepcopy(cache[key])

    return fit


@pytest.fixture(scope="module")
def pairs(digits):
    """200 pairs of held-out digits of different classes."""
    _, X, _, y = digits
    rng = np.random.RandomState(0)
    left, right = rng.randint(len(X), size=(2, 2000))
    differ = y[left] != y[right]
    return X[left[differ][:200]], X[right[differ][:200]]


def nearest_distances(X, others):
    """Distance of each row of X to the nearest of other rows."""
    finder = NearestNeighbors(n_neighbors=1).fit(others)
    return finder.kneighbors(X)[0][:, 0]


@pytest.mark.parametrize("seed", SEEDS)
def test_sparse_code_has_few_active_units_and_loses_little(digits, fitted, seed):
    X_test = digits[1]
    sparse = fitted(skae.SparseAutoencoder(64, random_state=seed))
    free = fitted(skae.SparseAutoencoder(64, sparsity=0, random_state=seed))
    active = (sparse.transform(X_test) != 0).mean()
    print(
        f"seed {seed}: active {active:.3f}, R² {sparse.score(X_test):.3f}, "
        f"with λ=0 {free.score(X_test):.3f}"
    )
    assert active < 0.5
    assert sparse.score(X_test) > free.score(X_test) - 0.05


@pytest.mark.filterwarnings("ignore::skae.CollapsedCodeWarning")  # over half are dead
@pytest.mark.parametrize("seed", SEEDS)
def test_fewer_units_are_active_as_sparsity_grows(digits, fitted, seed):
    X_test = digits[1]
    active = []
    for sparsity in (0.0, 0.1, 0.3, 1.0):
        ae = fitted(skae.SparseAutoencoder(64, sparsity=sparsity, random_state=seed))
        active.append((ae.transform(X_test) != 0).mean())
    print(f"seed {seed}: active", np.round(active, 3))
    assert all(np.diff(active) < 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_kl_brings_mean_activations_to_the_target(digits, fitted, seed):
    X_test = digits[1]
    weak, strong = (
        fitted(
            skae.SparseAutoencoder(
                64, method="kl", sparsity=sparsity, max_epochs=60, random_state=seed
            )
        )
        for sparsity in (0.1, 3.0)
    )
    far, near = (
        np.abs(ae.transform(X_test).mean(axis=0) - 0.05).mean() for ae in (weak, strong)
    )
    zeros = (strong.transform(X_test) == 0).mean()
    print(
        f"seed {seed}: distance to the target {far:.3f} and {near:.3f}, "
        f"zeros {zeros:.3f}, R² {weak.score(X_test):.3f} {strong.score(X_test):.3f}"
    )
    assert near < 0.02 < far
    assert zeros > 0.2


@pytest.mark.parametrize("seed", SEEDS)
def test_top_k_keeps_exactly_a_quarter(digits, fitted, seed):
    X_train, X_test, *_ = digits
    ae = fitted(skae.SparseAutoencoder(64, method="topk", random_state=seed))
    pca = PCA(16).fit(X_train)
    by_pca = pca.inverse_transform(pca.transform(X_test))
    error = ((by_pca - X_test) ** 2).sum() / ((X_test - pca.mean_) ** 2).sum()
    print(f"seed {seed}: R² {ae.score(X_test):.3f}, PCA-16 {1 - error:.3f}")
    assert ((ae.transform(X_test) != 0).sum(axis=1) <= 16).all()
    assert ae.score(X_test) > 1 - error


@pytest.mark.parametrize("seed", SEEDS)
def test_contraction_makes_the_code_less_sensitive_at_equal_reconstruction(
    digits, fitted, seed
):
    X_test = digits[1]
    plain = fitted(skae.AutoencoderTransformer(16, random_state=seed))
    calm = fitted(skae.ContractiveAutoencoder(16, random_state=seed))

    def relative_sensitivity(ae):
        return ae.sensitivity(X_test).mean() / ae.transform(X_test).std()

    print(
        seed,
        f"plain {relative_sensitivity(plain):.3f} R² {plain.score(X_test):.3f}",
        f"contractive {relative_sensitivity(calm):.3f} R² {calm.score(X_test):.3f}",
    )
    assert relative_sensitivity(calm) < 0.95 * relative_sensitivity(plain)
    assert calm.score(X_test) > plain.score(X_test) - 0.02


@pytest.mark.parametrize("seed", SEEDS)
def test_denoising_removes_more_noise_than_plain_and_pca(digits, fitted, seed):
    X_train, X_test, *_ = digits
    noise = np.random.RandomState(seed).normal(scale=0.5, size=X_test.shape)
    noisy = np.clip(X_test + noise, 0, 1)
    plain = fitted(skae.AutoencoderTransformer(16, random_state=seed))
    denoiser = fitted(skae.DenoisingAutoencoder(16, noise_level=0.5, random_state=seed))
    pca = PCA(16).fit(X_train)

    def error(X):
        return ((X - X_test) ** 2).mean()

    by_pca = error(pca.inverse_transform(pca.transform(noisy)))
    print(
        seed,
        f"noisy {error(noisy):.4f} pca {by_pca:.4f}",
        f"plain {error(plain.reconstruct(noisy)):.4f}",
        f"denoising {error(denoiser.denoise(noisy)):.4f}",
    )
    assert error(denoiser.denoise(noisy)) < 0.8 * error(plain.reconstruct(noisy))
    assert error(denoiser.denoise(noisy)) < by_pca


@pytest.mark.parametrize("seed", SEEDS)
def test_representation_blend_stays_nearer_to_the_data_than_overlaying(
    digits, fitted, pairs, seed
):
    X_test = digits[1]
    for ae in (
        fitted(skae.AutoencoderTransformer(16, random_state=seed)),
        fitted(skae.VariationalAutoencoder(16, random_state=seed)),
    ):
        by_code = nearest_distances(ae.blend(*pairs), X_test)
        by_content = nearest_distances(ae.blend(*pairs, kind="content"), X_test)
        print(
            seed,
            type(ae).__name__,
            f"representation {np.median(by_code):.3f}",
            f"content {np.median(by_content):.3f}",
        )
        assert np.median(by_code) < np.median(by_content)


@pytest.mark.parametrize("seed", SEEDS)
def test_variational_samples_look_like_data(digits, fitted, seed):
    X_train, X_test, y_train, _ = digits
    vae = fitted(skae.VariationalAutoencoder(16, random_state=seed))
    samples = vae.sample(500, random_state=seed)
    ratio = np.median(nearest_distances(samples, X_train)) / np.median(
        nearest_distances(X_test, X_train)
    )
    classifier = LogisticRegression(max_iter=1000).fit(X_train, y_train)
    shares = np.bincount(classifier.predict(samples), minlength=10) / len(samples)
    print(
        seed,
        f"distance ratio {ratio:.3f}, classes {(shares >= 0.02).sum()}",
        f"R² {vae.score(X_test):.3f}",
    )
    assert 0.7 < ratio < 1.3
    assert (shares >= 0.02).sum() >= 8


@pytest.mark.parametrize("seed", SEEDS)
def test_variational_interpolations_stay_nearer_to_the_data_than_plain_ones(
    digits, fitted, pairs, seed
):
    X_train, X_test, *_ = digits
    plain = fitted(skae.AutoencoderTransformer(16, random_state=seed))
    vae = fitted(skae.VariationalAutoencoder(16, random_state=seed))
    middle = {
        name: np.median(nearest_distances(ae.interpolate(*pairs, 7)[:, 3], X_train))
        for name, ae in (("plain", plain), ("variational", vae))
    }
    print(seed, middle, f"R² {plain.score(X_test):.3f} {vae.score(X_test):.3f}")
    assert middle["variational"] < middle["plain"]
