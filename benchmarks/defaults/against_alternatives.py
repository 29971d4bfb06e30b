"""The defaults against alternatives: other settings, other priors, other weights."""

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

import skae
from benchmarks.common import (
    by_pca,
    fit_pca,
    mean_r_squared_of_columns,
    r_squared,
    timed_fit,
)
from benchmarks.defaults.against_pca import split_digits

CHOICES = {
    "defaults": {},
    "init='random'": {"encoder": skae.Dense(init="random")},
    "activation='relu'": {"activation": "relu"},
    "activation='gelu'": {"activation": "gelu"},
    "activation='tanh'": {"activation": "tanh"},
    "hidden_layer_sizes=()": {"hidden_layer_sizes": ()},
    "hidden_layer_sizes=(64,)": {"hidden_layer_sizes": (64,)},
    "hidden_layer_sizes=(512,)": {"hidden_layer_sizes": (512,)},
    "hidden_layer_sizes=(256, 128)": {"hidden_layer_sizes": (256, 128)},
    "lr_schedule='constant'": {"lr_schedule": "constant"},
    "lr_schedule='cosine'": {"lr_schedule": "cosine"},
    "lr=1e-3": {"lr": 1e-3},
    "weight_decay=0": {"weight_decay": 0.0},
    "early_stopping=False": {"early_stopping": False},
    "early_stopping=True": {"early_stopping": True},
    "max_epochs=15": {"max_epochs": 15},
    "max_epochs=60": {"max_epochs": 60},
    "batch_size=32": {"batch_size": 32},
    "batch_size=128": {"batch_size": 128},
}


def choices(quick, mnist):
    """R² minus that of PCA, with one default of the plain class changed."""
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
    """Samples, interpolations and R² of the variational class, for some settings."""
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
        "one layer from PCA": skae.VariationalAutoencoder(
            16, encoder=skae.Dense(activation="gelu")
        ),
        "one random layer": skae.VariationalAutoencoder(
            16, encoder=skae.Dense(activation="gelu", init="random")
        ),
        "two random layers": skae.VariationalAutoencoder(
            16, hidden_layer_sizes=(256, 128)
        ),
        "three random layers": skae.VariationalAutoencoder(
            16, hidden_layer_sizes=(256, 128, 128)
        ),
        "three random layers, lr=1e-3, 100 epochs": skae.VariationalAutoencoder(
            16, hidden_layer_sizes=(256, 128, 128), lr=1e-3, max_epochs=100
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
    """Active units and R² of the sparse class, by the weight of its penalty."""
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
