"""The defaults against PCA of equal size: digits, tables, signals and photographs."""

import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_sample_images,
    load_wine,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
from benchmarks.common import (
    by_pca,
    fit_pca,
    load_mnist,
    mean_r_squared_of_columns,
    mean_squared_error,
    r_squared,
    timed_fit,
)

CLASSES = [
    skae.AutoencoderTransformer,
    skae.ConvAutoencoder,
    skae.SparseAutoencoder,
    skae.DenoisingAutoencoder,
    skae.ContractiveAutoencoder,
    skae.VariationalAutoencoder,
]


def split_digits(scaling, seed):
    """Return training and held-out digits: ``÷16``, ``raw`` or ``standardised``."""
    X_train, X_test = train_test_split(
        load_digits().data, test_size=0.25, random_state=seed
    )
    if scaling == "÷16":
        return X_train / 16, X_test / 16
    if scaling == "standardised":
        scaler = StandardScaler().fit(X_train)
        return scaler.transform(X_train), scaler.transform(X_test)
    return X_train, X_test


def digits(quick, mnist):
    """Held-out R² of 16 components, with defaults alone."""
    for scaling in ("÷16", "raw", "standardised"):
        for seed in range(1 if quick else 3):
            X_train, X_test = split_digits(scaling, seed)
            pca = fit_pca(16, X_train)
            pca_score = r_squared(X_test, by_pca(pca, X_test), pca.mean_)
            for cls in CLASSES:
                ae = cls(16, random_state=seed)
                seconds = timed_fit(ae, X_train.reshape(-1, 8, 8))
                yield {
                    "data": f"digits {scaling}",
                    "estimator": cls.__name__,
                    "seed": seed,
                    "r2": round(ae.score(X_test), 4),
                    "r2_pca": round(pca_score, 4),
                    "seconds": round(seconds, 1),
                }


def tables(quick, mnist):
    """Held-out R² of 5 components of two tables; on raw wine the mean over columns."""
    for name, load, standardise, measure in (
        ("breast cancer, standardised", load_breast_cancer, True, r_squared),
        ("wine, raw", load_wine, False, mean_r_squared_of_columns),
    ):
        for seed in range(5):
            X_train, X_test = train_test_split(load().data, random_state=seed)
            if standardise:
                scaler = StandardScaler().fit(X_train)
                X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
            pca = fit_pca(5, X_train)
            ae = skae.AutoencoderTransformer(5, random_state=seed)
            seconds = timed_fit(ae, X_train)
            value = measure(X_test, ae.reconstruct(X_test), pca.mean_)
            pca_score = measure(X_test, by_pca(pca, X_test), pca.mean_)
            yield {
                "data": name,
                "seed": seed,
                "r2": round(value, 4),
                "r2_pca": round(pca_score, 4),
                "difference": round(value - pca_score, 4),
                "seconds": round(seconds, 1),
            }


def signals(quick, mnist):
    """Held-out error on sines of random phase and frequency."""

    def make_sines(n_rows, seed):
        rng = np.random.RandomState(seed)
        frequency = rng.uniform(1, 5, size=(n_rows, 1))
        phase = rng.uniform(0, 2 * np.pi, size=(n_rows, 1))
        waves = np.sin(2 * np.pi * frequency * np.linspace(0, 1, 64) + phase)
        return waves[:, np.newaxis].astype(np.float32)

    X_train, X_test = make_sines(1500, 0), make_sines(500, 1)
    for n_components in (3, 4, 6):
        pca = fit_pca(n_components, X_train)
        for seed in range(1 if quick else 3):
            ae = skae.ConvAutoencoder(n_components, layout="signal", random_state=seed)
            seconds = timed_fit(ae, X_train)
            yield {
                "n_components": n_components,
                "seed": seed,
                "error": round(mean_squared_error(X_test, ae.reconstruct(X_test)), 4),
                "error_pca": round(mean_squared_error(X_test, by_pca(pca, X_test)), 4),
                "seconds": round(seconds, 1),
            }


def cut_tiles(n_tiles, seed, size=64):
    """Cut colour tiles from the left of two photographs to train, right to test."""
    rng = np.random.RandomState(seed)
    train, test = [], []
    for image in load_sample_images().images:
        image = image.astype(np.float32) / 255
        height, width, _ = image.shape
        for tiles, low, high, count in (
            (train, 0, int(0.6 * width), n_tiles // 2),
            (test, int(0.65 * width), width, 200),
        ):
            for _ in range(count):
                i = rng.randint(height - size + 1)
                j = rng.randint(low, high - size + 1)
                tiles.append(image[i : i + size, j : j + size])
    return np.array(train), np.array(test)


def photographs(quick, mnist):
    """Held-out error on 64x64 colour tiles, 64 components."""
    for seed in range(1 if quick else 3):
        X_train, X_test = cut_tiles(1500, seed)
        pca = fit_pca(64, X_train)
        pca_score = mean_squared_error(X_test, by_pca(pca, X_test))
        for activation in (None, "identity"):
            ae = skae.ConvAutoencoder(64, activation=activation, random_state=seed)
            seconds = timed_fit(ae, X_train)
            yield {
                "estimator": f"ConvAutoencoder(64, activation={activation!r})",
                "seed": seed,
                "error": round(mean_squared_error(X_test, ae.reconstruct(X_test)), 5),
                "error_train": round(
                    mean_squared_error(X_train, ae.reconstruct(X_train)), 5
                ),
                "error_pca": round(pca_score, 5),
                "seconds": round(seconds, 1),
            }


def mnist(quick, mnist):
    """60,000 digits, 10 epochs, defaults otherwise: error, and a linear probe."""
    X_train, X_test, y_train, y_test = load_mnist(mnist)

    def probe(codes, codes_test):
        pipe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
        return pipe.fit(codes, y_train).score(codes_test, y_test)

    pca = fit_pca(32, X_train)
    rows = [("PCA(32)", pca, by_pca(pca, X_test), 0.0)]
    for ae in (
        skae.AutoencoderTransformer(32, max_epochs=10, random_state=0),
        skae.ConvAutoencoder(32, image_shape=(28, 28), max_epochs=10, random_state=0),
    ):
        seconds = timed_fit(ae, X_train)
        rows.append((f"{type(ae).__name__}(32)", ae, ae.reconstruct(X_test), seconds))
    for label, model, found, seconds in rows:
        yield {
            "model": label,
            "error": round(mean_squared_error(X_test, found), 5),
            "probe": round(probe(model.transform(X_train), model.transform(X_test)), 4),
            "seeds": 1,
            "seconds": round(seconds, 1),
        }
    models = {
        "raw pixels": None,
        "ConvAutoencoder(128)": {},
        "ConvAutoencoder(128, corruption=MaskingNoise(0.3))": {
            "corruption": skae.MaskingNoise(0.3)
        },
    }
    for label, options in models.items():
        codes, codes_test, seconds = X_train, X_test, 0.0
        if options is not None:
            ae = skae.ConvAutoencoder(
                128, image_shape=(28, 28), max_epochs=10, random_state=0, **options
            )
            seconds = timed_fit(ae, X_train)
            codes, codes_test = ae.transform(X_train), ae.transform(X_test)
        classifier = LogisticRegression(max_iter=300).fit(codes, y_train)
        yield {
            "model": f"{label}, LogisticRegression",
            "error": "",
            "probe": round(classifier.score(codes_test, y_test), 4),
            "seeds": 1,
            "seconds": round(seconds, 1),
        }
