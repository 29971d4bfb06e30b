"""Are the defaults good ones? Against PCA of equal size, and against their neighbours.

``python benchmarks/defaults.py [QUESTION ...] [--mnist PATH] [--quick]`` answers some
or all of: digits, tables, signals, photographs, choices, variational, sparse, mnist.
Each writes ``results/defaults_QUESTION.csv``. It runs on one torch thread, and seconds
are of processor time.
"""

import argparse
import warnings

import numpy as np
import torch
from common import (
    add_results_option,
    by_pca,
    fit_pca,
    load_mnist,
    mean_r_squared_of_columns,
    mean_squared_error,
    r_squared,
    results_folder,
    timed_fit,
    write,
)
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_sample_images,
    load_wine,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae

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
            floor = r_squared(X_test, by_pca(pca, X_test), pca.mean_)
            for cls in CLASSES:
                ae = cls(16, random_state=seed)
                seconds = timed_fit(ae, X_train.reshape(-1, 8, 8))
                yield {
                    "data": f"digits {scaling}",
                    "estimator": cls.__name__,
                    "seed": seed,
                    "r2": round(ae.score(X_test), 4),
                    "r2_pca": round(floor, 4),
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
            floor = measure(X_test, by_pca(pca, X_test), pca.mean_)
            yield {
                "data": name,
                "seed": seed,
                "r2": round(value, 4),
                "r2_pca": round(floor, 4),
                "difference": round(value - floor, 4),
                "seconds": round(seconds, 1),
            }


def signals(quick, mnist):
    """Held-out error on sines of random phase and frequency."""

    def draw(n_rows, seed):
        rng = np.random.RandomState(seed)
        frequency = rng.uniform(1, 5, size=(n_rows, 1))
        phase = rng.uniform(0, 2 * np.pi, size=(n_rows, 1))
        waves = np.sin(2 * np.pi * frequency * np.linspace(0, 1, 64) + phase)
        return waves[:, np.newaxis].astype(np.float32)

    X_train, X_test = draw(1500, 0), draw(500, 1)
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
        floor = mean_squared_error(X_test, by_pca(pca, X_test))
        for activation in ("gelu", "identity"):
            ae = skae.ConvAutoencoder(64, activation=activation, random_state=seed)
            seconds = timed_fit(ae, X_train)
            yield {
                "estimator": f"ConvAutoencoder(64, activation={activation!r})",
                "seed": seed,
                "error": round(mean_squared_error(X_test, ae.reconstruct(X_test)), 5),
                "error_train": round(
                    mean_squared_error(X_train, ae.reconstruct(X_train)), 5
                ),
                "error_pca": round(floor, 5),
                "seconds": round(seconds, 1),
            }


CHOICES = {
    "defaults": {},
    "init='random'": {"encoder": skae.Dense(init="random")},
    "activation='relu'": {"activation": "relu"},
    "activation='tanh'": {"activation": "tanh"},
    "hidden_layer_sizes=(64,)": {"hidden_layer_sizes": (64,)},
    "hidden_layer_sizes=(512,)": {"hidden_layer_sizes": (512,)},
    "hidden_layer_sizes=(256, 128)": {"hidden_layer_sizes": (256, 128)},
    "lr_schedule='constant'": {"lr_schedule": "constant"},
    "lr_schedule='cosine'": {"lr_schedule": "cosine"},
    "lr=3e-4": {"lr": 3e-4},
    "lr=3e-3": {"lr": 3e-3},
    "batch_size=32": {"batch_size": 32},
    "batch_size=128": {"batch_size": 128},
    "max_epochs=50": {"max_epochs": 50},
    "max_epochs=200": {"max_epochs": 200},
}


def choices(quick, mnist):
    """What the plain class would be with one default changed; R² minus PCA's."""
    for label, change in CHOICES.items():
        gains, seconds = {}, 0.0
        for seed in range(1 if quick else 3):
            X_train, X_test = split_digits("÷16", seed)
            sets = {"digits": (16, X_train, X_test, r_squared)}
            X_train, X_test = train_test_split(load_wine().data, random_state=seed)
            sets["wine"] = (5, X_train, X_test, mean_r_squared_of_columns)
            X_train, X_test = train_test_split(
                load_breast_cancer().data, random_state=seed
            )
            scaler = StandardScaler().fit(X_train)
            X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
            sets["cancer"] = (5, X_train, X_test, r_squared)
            for name, (n_components, X_train, X_test, measure) in sets.items():
                pca = fit_pca(n_components, X_train)
                ae = skae.AutoencoderTransformer(
                    n_components, random_state=seed, **change
                )
                seconds += timed_fit(ae, X_train)
                gain = measure(X_test, ae.reconstruct(X_test), pca.mean_) - measure(
                    X_test, by_pca(pca, X_test), pca.mean_
                )
                gains.setdefault(name, []).append(gain)
        yield {
            "change": label,
            **{name: round(float(np.mean(gain)), 4) for name, gain in gains.items()},
            "seeds": len(gains["digits"]),
            "seconds": round(seconds, 1),
        }


def variational(quick, mnist):
    """Samples, walks and R² of the variational class, for some hidden layers."""
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X / 16, y, test_size=0.25, random_state=0
    )
    finder = NearestNeighbors(n_neighbors=1).fit(X_train)

    def distance(X):
        return np.median(finder.kneighbors(X)[0])

    classifier = LogisticRegression(max_iter=1000).fit(X_train, y_train)
    rng = np.random.RandomState(0)
    left, right = rng.randint(len(X_test), size=(2, 2000))
    pairs = np.flatnonzero(y_test[left] != y_test[right])[:200]
    ends = X_test[left[pairs]], X_test[right[pairs]]
    for label, estimator in {
        "defaults": skae.VariationalAutoencoder(16),
        "one layer from PCA": skae.VariationalAutoencoder(16, encoder=skae.Dense()),
        "one random layer": skae.VariationalAutoencoder(
            16, encoder=skae.Dense(init="random")
        ),
        "two random layers": skae.VariationalAutoencoder(
            16, encoder=skae.Dense((256, 128), init="random")
        ),
        "beta=2": skae.VariationalAutoencoder(16, beta=2),
        "beta=0.5": skae.VariationalAutoencoder(16, beta=0.5),
        "plain autoencoder": skae.AutoencoderTransformer(16),
    }.items():
        for seed in range(1 if quick else 3):
            ae = estimator.set_params(random_state=seed)
            seconds = timed_fit(ae, X_train)
            row = {
                "estimator": label,
                "seed": seed,
                "r2": round(ae.score(X_test), 4),
                "mid_walk_distance": round(
                    distance(ae.interpolate(*ends, 7)[:, 3]) / distance(X_test), 3
                ),
                "sample_distance": "",
                "classes": "",
                "seconds": round(seconds, 1),
            }
            if hasattr(ae, "sample"):
                samples = ae.sample(500)
                counts = np.bincount(classifier.predict(samples), minlength=10)
                row["sample_distance"] = round(distance(samples) / distance(X_test), 3)
                row["classes"] = int((counts >= 10).sum())
            yield row


def sparse(quick, mnist):
    """Active units and R² of the sparse class against its weight."""
    X_train, X_test = split_digits("÷16", 0)
    for n_components in (16, 32, 64):
        for method, weights in {
            "l1": (0.0, 0.03, 0.1, 0.2, 0.3, 1.0),
            "kl": (0.1, 0.3, 1.0, 3.0),
            "topk": (0.0,),
        }.items():
            for weight in weights:
                ae = skae.SparseAutoencoder(
                    n_components, method=method, sparsity=weight, random_state=0
                )
                seconds = timed_fit(ae, X_train)
                code = ae.transform(X_test)
                yield {
                    "n_components": n_components,
                    "method": method,
                    "sparsity": weight,
                    "r2": round(ae.score(X_test), 4),
                    "active": round(float((code != 0).mean()), 3),
                    "dead_units": int((code.max(axis=0) == 0).sum()),
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
    for label, model, drawn, seconds in rows:
        yield {
            "model": label,
            "error": round(mean_squared_error(X_test, drawn), 5),
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


QUESTIONS = {
    function.__name__: function
    for function in (
        digits,
        tables,
        signals,
        photographs,
        choices,
        variational,
        sparse,
        mnist,
    )
}


def main():
    """Answer the questions that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("questions", nargs="*", metavar="QUESTION")
    parser.add_argument("--mnist", help="an .npz file; without it OpenML is asked")
    parser.add_argument(
        "--quick", action="store_true", help="one seed, short ones only"
    )
    add_results_option(parser)
    options = parser.parse_args()
    short = ["digits", "tables", "signals"]
    names = options.questions or (short if options.quick else list(QUESTIONS))
    warnings.filterwarnings("ignore", category=skae.LayoutWarning)
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    torch.set_num_threads(1)
    for name in names:
        print(f"\n{name}: {QUESTIONS[name].__doc__}", flush=True)
        rows = list(QUESTIONS[name](options.quick, options.mnist))
        write(f"defaults_{name}", rows, results_folder(options))


if __name__ == "__main__":
    main()
