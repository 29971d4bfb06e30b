"""Defaults alone beat PCA of equal size, on digits, tables and signals."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import skae


def r_squared(X, reconstructed, mean):
    return 1 - ((X - reconstructed) ** 2).sum() / ((X - mean) ** 2).sum()


def mean_r_squared_of_columns(X, reconstructed, mean):
    errors = ((X - reconstructed) ** 2).sum(axis=0)
    return np.mean(1 - errors / ((X - mean) ** 2).sum(axis=0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "margin"),
    [
        (skae.AutoencoderTransformer, 0.0),
        (skae.ConvAutoencoder, 0.0),
        (skae.SparseAutoencoder, 0.0),
        (skae.DenoisingAutoencoder, -0.05),
        (skae.ContractiveAutoencoder, -0.15),
        (skae.VariationalAutoencoder, -0.15),
    ],
)
def test_sixteen_components_of_digits(digits, estimator, margin):
    X_train, X_test, *_ = digits
    pca = PCA(16).fit(X_train)
    floor = r_squared(X_test, pca.inverse_transform(pca.transform(X_test)), pca.mean_)
    ae = estimator(16, random_state=0).fit(X_train.reshape(-1, 8, 8))
    print(f"{estimator.__name__} {ae.score(X_test):.3f}, PCA {floor:.3f}")
    assert ae.score(X_test) > floor + margin


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:column 12 holds 99:skae.FitWarning")
@pytest.mark.parametrize(
    ("load", "standardise", "measure"),
    [
        (load_breast_cancer, True, r_squared),
        (load_wine, False, mean_r_squared_of_columns),
    ],
)
def test_five_components_of_a_table(load, standardise, measure):
    differences = []
    for seed in range(5):
        X_train, X_test = train_test_split(load().data, random_state=seed)
        if standardise:
            scaler = StandardScaler().fit(X_train)
            X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
        pca = PCA(5).fit(X_train)
        ae = skae.AutoencoderTransformer(5, random_state=seed).fit(X_train)
        by_pca = pca.inverse_transform(pca.transform(X_test))
        differences.append(
            measure(X_test, ae.reconstruct(X_test), pca.mean_)
            - measure(X_test, by_pca, pca.mean_)
        )
    print(load.__name__, np.round(differences, 4), np.mean(differences).round(4))
    assert np.mean(differences) > -0.01


@pytest.mark.slow
def test_convolution_learns_sines_of_random_phase_and_frequency():
    def draw(n_rows, seed):
        rng = np.random.RandomState(seed)
        frequency = rng.uniform(1, 5, size=(n_rows, 1))
        phase = rng.uniform(0, 2 * np.pi, size=(n_rows, 1))
        waves = np.sin(2 * np.pi * frequency * np.linspace(0, 1, 64) + phase)
        return waves[:, np.newaxis].astype(np.float32)

    X_train, X_test = draw(1000, 0), draw(300, 1)
    pca = PCA(4).fit(X_train[:, 0])
    by_pca = pca.inverse_transform(pca.transform(X_test[:, 0]))
    ae = skae.ConvAutoencoder(4, layout="signal", max_epochs=20, random_state=0)
    error = ((ae.fit(X_train).reconstruct(X_test) - X_test) ** 2).mean()
    print(f"convolution {error:.4f}, PCA {((by_pca - X_test[:, 0]) ** 2).mean():.4f}")
    assert error < ((by_pca - X_test[:, 0]) ** 2).mean() / 2


def test_a_linear_autoencoder_spans_the_principal_axes(digits):
    """Baldi & Hornik 1989: the optimum of a linear autoencoder is PCA."""
    X_train, X_test, *_ = digits
    pca = PCA(8).fit(X_train)
    ae = skae.AutoencoderTransformer(8, hidden_layer_sizes=(), random_state=0)
    ae.fit(X_train)
    by_pca = pca.inverse_transform(pca.transform(X_test))
    assert ae.score(X_test) == pytest.approx(
        r_squared(X_test, by_pca, pca.mean_), abs=0.01
    )
