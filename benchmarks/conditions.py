"""Does a condition keep the hand when the digit changes, and take a batch effect out?

``python -m benchmarks.conditions [--mnist PATH] [--quick]``, run from the root of the
repository, writes ``conditions_digits.csv`` and ``conditions_batch.csv`` in
``results``. Without MNIST it uses scikit-learn's digits alone, and only prints.

*Digits.* Each held-out image is changed into the nine other digits. Reported are:

- *recognised*: the share that a classifier of the training images (a network of
  scikit-learn with one hidden layer) takes for the digit that was asked for;
- *slant*, *ink*: the correlation, over held-out images, of the slant and of the
  amount of ink before and after. The mean of each pair of digits is subtracted first,
  so that a method which draws each digit in one way only has about 0;
- *nearest*: the distance to the nearest training image, divided by that of held-out
  images: above 1 they are no digits, far below copies.

The condition is given with the default weight of the divergence from the prior, and
with a larger one, ``beta=4``, which leaves less in the code. Other contestants add the
difference of the mean codes of two digits: for PCA, for an autoencoder, and for a
variational one without a condition. The nearest training image of the new digit is the
last one.

*Batch.* The data are made here, since no package that we may depend on has cells of
several batches: 3,000 cells of five types in two batches, 300 genes, counts of a
negative binomial distribution, logarithms of them. A batch multiplies each gene by a
factor of its own, and one type is missing in each batch, so that the batches differ in
what should stay as well. Reported of held-out cells:

- *batch*: how well a logistic regression on the codes tells the batch, of cells of
  those types that both batches have (balanced accuracy; 0.5 is chance, and best);
- *forest*: the same by a random forest, which finds what is not linear, too;
- *type*: how well a classifier of types, fitted to the codes of one batch, does on
  cells of the other, for the same types.

Contestants are PCA, PCA of genes whose mean in each batch was subtracted, the
variational class without and with the condition, and PCA of cells that it has decoded
as if all were of the first batch. Codes have ten units.

All else is default. How long a condition is beside a row was chosen on the first 9,000
images of MNIST, on seed 0 of digits, and on other seeds of cells; here MNIST begins at
image 20,000, and seeds are 21 to 23: the median, the least and the greatest.
"""

import argparse
import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import NearestNeighbors
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.common import (
    add_results_option,
    load_mnist,
    results_folder,
    spread,
    use_threads,
    write,
)
from skae import AutoencoderTransformer, VariationalAutoencoder

N_COMPONENTS = 16
N_CELLS, N_GENES, N_TYPES = 3000, 300, 5


# Digits -------------------------------------------------------------------------------


def slant(rows):
    """Return by how much each image moves to the side from row to row."""
    side = round(rows.shape[1] ** 0.5)
    images = rows.reshape(-1, side, side).clip(0)
    down, across = np.mgrid[:side, :side]
    mass = images.sum((1, 2)) + 1e-9

    def mean(values):
        return (images * values).sum((1, 2)) / mass

    covariance = mean(down * across) - mean(down) * mean(across)
    return -covariance / (mean(down**2) - mean(down) ** 2)


def changes_of_digits(train, y, seed):
    """Yield a name and a function from images, their digit and a new one to images."""

    def by_difference(model):
        codes = model.fit(train).transform(train)
        means = np.stack([codes[y == digit].mean(0) for digit in range(10)])

        def change(rows, old, new):
            moved = model.transform(rows) + means[new] - means[old]
            return model.inverse_transform(moved.astype(codes.dtype))

        return change

    def nearest(rows, old, new):
        known = train[y == new]
        search = NearestNeighbors(n_neighbors=1).fit(known)
        return known[search.kneighbors(rows)[1][:, 0]]

    def by_condition(model):
        model.fit(train, condition=y)
        return lambda rows, old, new: model.reconstruct(
            rows, condition=old, new_condition=new
        )

    for beta in (1.0, 4.0):
        label = "VariationalAutoencoder, condition" + (", beta=4" if beta > 1 else "")
        model = VariationalAutoencoder(N_COMPONENTS, beta=beta, random_state=seed)
        yield label, by_condition(model)
    for label, model in (
        (
            "VariationalAutoencoder, difference of codes",
            VariationalAutoencoder(N_COMPONENTS, random_state=seed),
        ),
        (
            "AutoencoderTransformer, difference of codes",
            AutoencoderTransformer(N_COMPONENTS, random_state=seed),
        ),
        ("PCA, difference of codes", PCA(N_COMPONENTS)),
    ):
        yield label, by_difference(model)
    yield "nearest training image", nearest


def measure_digits(name, X, y, n_train, n_held_out, seeds):
    """Return a row for each contestant."""
    found = {}
    for seed in seeds:
        order = np.random.RandomState(seed).permutation(len(X))
        train, test = order[:n_train], order[n_train : n_train + n_held_out]
        judge = MLPClassifier((128,), max_iter=60, random_state=seed)
        judge.fit(X[train], y[train])
        search = NearestNeighbors(n_neighbors=1).fit(X[train])
        for label, change in changes_of_digits(X[train], y[train], seed):
            values = _changed(X[test], y[test], change, judge, search)
            found.setdefault(label, []).append(values)
            print(name, seed, label, {k: round(v, 3) for k, v in values.items()})
    return _rows({"images": name, "rows": n_train}, found)


def _changed(X, y, change, judge, search):
    recognised, traits, nearest = [], {"slant": [], "ink": []}, []
    for old in range(10):
        rows = X[y == old]
        for new in set(range(10)) - {old}:
            changed = change(rows, old, new)
            recognised.append(judge.predict(changed) == new)
            some = changed[::9]  # nine times as many as held-out images
            nearest.append(search.kneighbors(some)[0][:, 0])
            pairs = {
                "slant": (slant(rows), slant(changed)),
                "ink": (rows.sum(1), changed.sum(1)),
            }
            for trait, pair in pairs.items():
                traits[trait].append([x - x.mean() for x in pair])
    correlations = {
        trait: float(np.corrcoef(*np.concatenate(pairs, axis=1))[0, 1])
        for trait, pairs in traits.items()
    }
    return {
        "recognised": float(np.concatenate(recognised).mean()),
        **correlations,
        "nearest": float(
            np.concatenate(nearest).mean() / search.kneighbors(X)[0].mean()
        ),
    }


# A batch effect -----------------------------------------------------------------------


def make_cells(seed):
    """Return logarithms of counts, types and batches of cells."""
    rng = np.random.default_rng(seed)
    types, batches = rng.integers(0, N_TYPES, (2, N_CELLS))
    batches = batches % 2
    is_missing = ((types == 0) & (batches == 0)) | ((types == 1) & (batches == 1))
    types[is_missing] = rng.integers(2, N_TYPES, is_missing.sum())
    profiles = rng.normal(0, 0.5, (N_TYPES, N_GENES))
    programs = rng.normal(0, 0.3, (3, N_GENES))  # that vary within each type
    effects = rng.normal(0, 0.5, (2, N_GENES))
    depth = rng.normal(0, 0.2, (N_CELLS, 1))
    level = profiles[types] + rng.normal(size=(N_CELLS, 3)) @ programs
    mean = np.exp(1 + level + effects[batches] + depth)
    counts = rng.poisson(rng.gamma(2, mean / 2))
    return np.log1p(counts), types, batches


def codes_of_cells(X, batches, train, seed):
    """Yield a name and the codes of all cells."""
    n_codes = 10
    yield "PCA", PCA(n_codes).fit(X[train]).transform(X)
    means = np.stack([X[train][batches[train] == k].mean(0) for k in (0, 1)])
    centred = X - means[batches]
    yield "PCA, batches centred", PCA(n_codes).fit(centred[train]).transform(centred)
    bare = VariationalAutoencoder(n_codes, random_state=seed).fit(X[train])
    yield "VariationalAutoencoder", bare.transform(X)
    ae = VariationalAutoencoder(n_codes, random_state=seed)
    ae.fit(X[train], condition=batches[train])
    codes = ae.transform(X, condition=batches)
    yield "VariationalAutoencoder, condition", codes
    decoded = ae.inverse_transform(codes, condition=0)
    yield (
        "PCA of cells decoded as of one batch",
        PCA(n_codes).fit(decoded[train]).transform(decoded),
    )


def measure_batches(seeds):
    """Return a row for each contestant."""
    found = {}
    for seed in seeds:
        X, types, batches = make_cells(seed)
        is_train = np.random.RandomState(seed).random_sample(N_CELLS) < 2 / 3
        is_shared = types >= 2
        for label, codes in codes_of_cells(X, batches, is_train, seed):
            values = _kept(codes, types, batches, is_train, is_shared)
            found.setdefault(label, []).append(values)
            print(seed, label, {k: round(v, 3) for k, v in values.items()})
    return _rows({"rows": N_CELLS}, found)


def _kept(codes, types, batches, is_train, is_shared):
    def accuracy(train, test, y, classifier=None):
        if classifier is None:
            linear = LogisticRegression(max_iter=2000)
            classifier = make_pipeline(StandardScaler(), linear)
        predicted = classifier.fit(codes[train], y[train]).predict(codes[test])
        return float(balanced_accuracy_score(y[test], predicted))

    fitted, held_out = is_shared & is_train, is_shared & ~is_train
    across = [
        accuracy(fitted & (batches == k), held_out & (batches != k), types)
        for k in (0, 1)
    ]
    return {
        "batch": accuracy(fitted, held_out, batches),
        "forest": accuracy(
            fitted, held_out, batches, RandomForestClassifier(random_state=0)
        ),
        "type": float(np.mean(across)),
    }


def _rows(facts, found):
    return [
        {
            **facts,
            "contestant": label,
            **{
                key: value
                for metric in values[0]
                for key, value in spread(metric, [x[metric] for x in values]).items()
            },
            "seeds": len(values),
        }
        for label, values in found.items()
    ]


def main():
    """Measure both, or digits alone with one seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", metavar="PATH", help="an .npz file or IDX files")
    parser.add_argument("--quick", action="store_true", help="digits and one seed")
    add_results_option(parser)
    args = parser.parse_args()
    use_threads(1)
    warnings.simplefilter("ignore")
    seeds = (21,) if args.quick else (21, 22, 23)
    digits = load_digits()
    rows = measure_digits("digits", digits.data / 16, digits.target, 1200, 597, seeds)
    folder = results_folder(args) if args.mnist else args.results
    if args.quick:
        write("conditions_digits", rows, folder)
        return
    write("conditions_batch", measure_batches(seeds), folder)
    if args.mnist:
        X, _, y, _ = load_mnist(args.mnist)
        X, y = X.reshape(len(X), -1)[20_000:], y[20_000:]
        rows += measure_digits("MNIST", X, y, 10_000, 3_000, seeds)
    write("conditions_digits", rows, folder)


if __name__ == "__main__":
    main()
