"""Do the defaults hold on data that nobody chose? Every class against PCA, 44 sets.

``python -m benchmarks.generalisation [NAME ...] [--half HALF] [--splits N]``, run from
the root of the repository, fits every class with its defaults alone, and PCA of equal
size, to three splits of every data set. It prints, for each set and class, the held-out
R², what comes after makes of the code, and seconds of processor time, and writes one
row for each fit to ``results/generalisation.csv``.

What comes after, where there are labels: logistic regression and one nearest neighbour
that know the labels of 50 training rows (accuracy on the held-out rows, mean of ten
draws), and k-means with as many clusters as there are classes (adjusted Rand index of
the held-out rows). They get the code as it is, and so do those that follow PCA.
"""

import argparse
import statistics
import time
import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import KNeighborsClassifier

import skae
from benchmarks.common import (
    RESULTS,
    add_results_option,
    by_pca,
    fit_pca,
    r_squared,
    timed_fit,
    use_threads,
    write,
)
from benchmarks.generalisation.datasets import DATASETS, split

N_LABELS = 50
N_DRAWS = 10

# Each class with the defaults of everything but the size of the code, which None leaves
# at that of the data set.
CLASSES = {
    "AutoencoderTransformer": (skae.AutoencoderTransformer, None),
    "ConvAutoencoder": (skae.ConvAutoencoder, None),
    "SparseAutoencoder": (skae.SparseAutoencoder, None),
    "SparseAutoencoder(64)": (skae.SparseAutoencoder, 64),
    "DenoisingAutoencoder": (skae.DenoisingAutoencoder, None),
    "ContractiveAutoencoder": (skae.ContractiveAutoencoder, None),
    "VariationalAutoencoder": (skae.VariationalAutoencoder, None),
}
WITH_AXES = ("image", "signal", "digits")


def draw_labelled(y):
    """Return draws of the rows whose labels are known, of two classes or more each."""
    rng = np.random.RandomState(0)
    draws = []
    while len(draws) < N_DRAWS:
        labelled = rng.permutation(len(y))[:N_LABELS]
        if len(np.unique(y[labelled])) > 1:
            draws.append(labelled)
    return draws


def measure_code(codes, codes_test, y, y_test):
    """Return what logistic regression, a neighbour and k-means make of a code."""
    accuracies = {"lr": [], "nn": []}
    for labelled in draw_labelled(y):
        known = codes[labelled], y[labelled]
        for name, classifier in (
            ("lr", LogisticRegression(max_iter=300)),
            ("nn", KNeighborsClassifier(1)),
        ):
            score = classifier.fit(*known).score(codes_test, y_test)
            accuracies[name].append(score)
    clusters = KMeans(len(np.unique(y)), n_init=10, random_state=0).fit(codes)
    found = {name: float(np.mean(values)) for name, values in accuracies.items()}
    agreement = adjusted_rand_score(y_test, clusters.predict(codes_test))
    return found | {"kmeans": float(agreement)}


def measure_pca(n_components, X, X_test, y, y_test):
    """Return the same figures for PCA, and its seconds."""
    flat, flat_test = X.reshape(len(X), -1), X_test.reshape(len(X_test), -1)
    start = time.process_time()
    pca = fit_pca(min(n_components, *flat.shape), flat)
    seconds = time.process_time() - start
    row = {"r2": r_squared(X_test, by_pca(pca, X_test), pca.mean_)}
    if y is not None:
        row |= measure_code(pca.transform(flat), pca.transform(flat_test), y, y_test)
    return row | {"seconds": seconds}


def measure(cls, n_components, X, X_test, y, y_test, *, seed, **options):
    """Return the figures of one estimator with its defaults."""
    estimator = cls(n_components, random_state=seed, **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        seconds = timed_fit(estimator, X)
    mean = X.reshape(len(X), -1).mean(axis=0)
    row = {"r2": r_squared(X_test, estimator.reconstruct(X_test), mean)}
    if y is not None:
        codes = estimator.transform(X), estimator.transform(X_test)
        row |= measure_code(*codes, y, y_test)
    kinds = sorted({warning.category.__name__ for warning in caught})
    return row | {"seconds": seconds, "warnings": " ".join(kinds)}


def rows_of(dataset, names, seed):
    """Yield a row for each class on one split of a data set."""
    data = split(dataset, seed)
    options = {"layout": "signal"} if dataset.kind == "signal" else {}
    baselines = {}
    for name in names:
        cls, n_components = CLASSES[name]
        if cls is skae.ConvAutoencoder and dataset.kind not in WITH_AXES:
            continue
        n_components = n_components or dataset.n_components
        if n_components not in baselines:
            baselines[n_components] = measure_pca(n_components, *data)
        found = measure(cls, n_components, *data, seed=seed, **options)
        row = {
            "data": dataset.name,
            "kind": dataset.kind,
            "half": dataset.half,
            "rows": len(data[0]),
            "columns": data[0][0].size,
            "estimator": name,
            "n_components": n_components,
            "split": seed,
        }
        for key in ("r2", "lr", "nn", "kmeans"):
            for suffix, values in (("", found), ("_pca", baselines[n_components])):
                row[key + suffix] = round(values[key], 4) if key in values else ""
        row["seconds"] = round(found["seconds"], 2)
        row["warnings"] = found["warnings"]
        yield row


def summary(rows):
    """Yield one line for each set and class: medians over the splits."""
    groups = {}
    for row in rows:
        groups.setdefault((row["estimator"], row["data"], row["half"]), []).append(row)
    for (estimator, data, half), some in groups.items():
        line = {"estimator": estimator, "data": data, "half": half}
        for key in ("r2", "lr", "nn", "kmeans"):
            if some[0][key] != "":
                ours = statistics.median(row[key] for row in some)
                gains = [row[key] - row[f"{key}_pca"] for row in some]
                line |= {
                    key: round(ours, 3),
                    f"{key} gain": f"{statistics.median(gains):+.4f}",
                }
        line["worst r2 gain"] = f"{min(r['r2'] - r['r2_pca'] for r in some):+.4f}"
        line["seconds"] = round(statistics.median(row["seconds"] for row in some), 2)
        yield line


def main():
    """Fit what the command line names; print the table, losses first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a data set")
    parser.add_argument("--half", choices=["choose", "report"])
    parser.add_argument("--kind")
    parser.add_argument("--classes", nargs="*", choices=CLASSES, default=list(CLASSES))
    parser.add_argument("--splits", type=int, default=3)
    add_results_option(parser)
    args = parser.parse_args()
    use_threads(1)
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    chosen = [
        x
        for x in DATASETS
        if (not args.names or x.name in args.names)
        and args.half in (None, x.half)
        and args.kind in (None, x.kind)
    ]
    rows = []
    for dataset in chosen:
        for seed in range(args.splits):
            for row in rows_of(dataset, args.classes, seed):
                rows.append(row)
                print(
                    f"{row['data']:30s} {row['estimator']:24s} {seed} "
                    f"{row['r2']:.4f} {row['r2'] - row['r2_pca']:+.4f} "
                    f"{row['seconds']:.1f} s {row['warnings']}",
                    flush=True,
                )
    rows.sort(key=lambda row: row["r2"] - row["r2_pca"])
    is_full = len(chosen) == len(DATASETS) and len(args.classes) == len(CLASSES)
    is_full = is_full and args.splits == 3
    folder = args.results or (RESULTS if is_full else None)
    if folder is not None:
        write("generalisation", rows, folder)
    for line in sorted(summary(rows), key=lambda line: float(line["worst r2 gain"])):
        print("  ".join(f"{k}={v}" for k, v in line.items()))


if __name__ == "__main__":
    main()
