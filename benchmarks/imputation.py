"""How well are gaps filled, beside scikit-learn's imputers, and what follows of it?

``python -m benchmarks.imputation [--quick]``, run from the root of the repository,
prints two tables and writes them to ``results/imputation_published.csv`` and
``results/imputation.csv``. But for the masks and `random_state` all contestants have
their defaults, unless a name in `CONTESTANTS` or `OF_ALL_ROWS` says otherwise; nothing
was chosen by these results.

*Published*: the protocol of the notebook of MIWAE (Mattei & Frellsen, ICML 2019).
Breast cancer, standardised by all rows, half of the entries removed at random; an
imputer is fitted to all rows and fills them, and the figure is the mean squared error
of the removed entries. The forest is that of scikit-learn, with its 100 trees and ten
rounds: about two minutes, and a single seed.

*Unseen rows*: wine, breast cancer and digits, in stratified halves, standardised by
the training half, by four mechanisms that remove entries, each with three masks.
Imputers are fitted to one half with gaps and fill the other. There are the root mean
squared error of removed entries; the 1-D Wasserstein distance between imputed and true
values of a column, averaged over columns; the test accuracy of logistic regression
trained on imputed rows, without and with the mask as further columns; and seconds of
processor time to fit one half and impute the other. Here the forest has ten trees, the
square root of the columns at a split, and three rounds. A value is the median over the
masks. The spread is the greatest minus the least.

Not controlled: the split is the same for all masks, the tables are small, entries are
removed by us, and the classifier is linear and not tuned.
"""

import argparse
import statistics
import time
import warnings
from functools import partial

import numpy as np
from scipy.special import expit
from scipy.stats import wasserstein_distance
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

import skae
from benchmarks.common import (
    add_results_option,
    mean_squared_error,
    results_folder,
    use_threads,
    write,
)

# How entries are removed --------------------------------------------------------------

SLOPE = 2.0  # of the logistic function, per standard deviation
BLOCK = 4  # columns of a group, about


def at_random(X, rng, *, rate):
    """Return a mask of entries that are removed completely at random (MCAR)."""
    return _choose(X.shape, rate, rng)


def by_observed_column(X, rng, *, rate=0.3):
    """Return a mask that depends on one column, which stays complete (MAR).

    Whether one of the other columns is missing has a probability that is a logistic
    function of the observed column, rising or falling, with a mean of `rate`. The
    observed column is drawn from those in which no value fills half of the rows.
    """
    candidates = [i for i, x in enumerate(X.T) if _share_of_commonest(x) < 0.5]
    observed = rng.choice(candidates)
    z = X[:, observed]
    z = (z - z.mean()) / z.std()
    slopes = SLOPE * rng.choice([-1.0, 1.0], X.shape[1])
    missing = np.stack([_probabilities(slope * z, rate) for slope in slopes], axis=1)
    mask = rng.random(X.shape) < missing
    mask[:, observed] = False
    return mask


def in_blocks(X, rng, *, rate=0.3):
    """Return a mask in which groups of adjacent columns are missing together."""
    n_groups = round(X.shape[1] / BLOCK)
    group = np.arange(X.shape[1]) * n_groups // X.shape[1]
    return _choose((len(X), n_groups), rate, rng)[:, group]


def _choose(shape, rate, rng):
    """Return a mask of some shape, of which a share is True."""
    mask = np.zeros(shape, dtype=bool)
    mask.flat[rng.choice(mask.size, round(rate * mask.size), replace=False)] = True
    return mask


def _share_of_commonest(x):
    """Return the share of the value that a column has most often."""
    return np.unique(x, return_counts=True)[1].max() / len(x)


def _probabilities(logits, rate):
    """Return the logistic function, shifted so that its mean is the rate."""
    low, high = -50.0, 50.0
    for _ in range(60):
        shift = (low + high) / 2
        low, high = (
            (shift, high) if expit(logits + shift).mean() < rate else (low, shift)
        )
    return expit(logits + shift)


MECHANISMS = {
    "MCAR 20 %": partial(at_random, rate=0.2),
    "MCAR 50 %": partial(at_random, rate=0.5),
    "MAR 30 %": by_observed_column,
    "blocks 30 %": in_blocks,
}

# Contestants --------------------------------------------------------------------------


def iterative(regressor=None, **options):
    """Return a function of a seed that makes an iterative imputer."""

    def make(seed):
        inner = None if regressor is None else regressor(random_state=seed)
        return IterativeImputer(inner, random_state=seed, **options)

    return make


def autoencoder(cls):
    """Return a function of a seed that makes an estimator of skae."""
    return lambda seed: cls(missing="mask", random_state=seed)


AUTOENCODER = "AutoencoderTransformer"
SIMPLE = {
    "SimpleImputer": lambda seed: SimpleImputer(),
    "KNNImputer": lambda seed: KNNImputer(),
    "IterativeImputer": iterative(),
}
CONTESTANTS = {
    AUTOENCODER: autoencoder(skae.AutoencoderTransformer),
    **SIMPLE,
    "IterativeImputer, forest": iterative(
        partial(RandomForestRegressor, n_estimators=10, max_features="sqrt", n_jobs=1),
        max_iter=3,
    ),
}
OF_ALL_ROWS = {
    AUTOENCODER: autoencoder(skae.AutoencoderTransformer),
    "DenoisingAutoencoder": autoencoder(skae.DenoisingAutoencoder),
    "ContractiveAutoencoder": autoencoder(skae.ContractiveAutoencoder),
    "VariationalAutoencoder": autoencoder(skae.VariationalAutoencoder),
    **SIMPLE,
    "IterativeImputer, forest": iterative(RandomForestRegressor),
}


def impute(imputer, X):
    """Return X without gaps, as a fitted imputer fills it."""
    fill = imputer.impute if hasattr(imputer, "impute") else imputer.transform
    return fill(X)


def timed_imputation(imputer, X, X_new):
    """Fit to rows, fill others, and return them and the seconds of processor time."""
    start = time.process_time()
    filled = impute(imputer.fit(X), X_new)
    return filled, time.process_time() - start


# The published protocol ---------------------------------------------------------------

# Versions of the notebook print different figures.
PUBLISHED = {"MIWAE, published": 0.2867, "MIWAE, published, 601 epochs": 0.3002}
N_SEEDS = 4


def remove_as_published():
    """Return the rows of the notebook, and a copy with gaps."""
    X = load_breast_cancer().data
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    np.random.seed(1234)  # noqa: NPY002, as published
    removed = np.random.choice(X.size, int(0.5 * X.size), replace=False)  # noqa: NPY002
    gappy = X.copy()
    gappy.flat[removed] = np.nan
    return X, gappy


def measure_published(quick=False):
    """Return a row for each contestant, the best first."""
    X, gappy = remove_as_published()
    gaps = np.isnan(gappy)
    rows = [_published_row(name, [mse]) for name, mse in PUBLISHED.items()]
    for name, make in OF_ALL_ROWS.items():
        if quick and "forest" in name:
            continue
        n_seeds = 1 if quick or name not in vars(skae) else N_SEEDS
        found = [timed_imputation(make(seed), gappy, gappy) for seed in range(n_seeds)]
        filled, seconds = zip(*found, strict=True)
        errors = [mean_squared_error(X[gaps], one[gaps]) for one in filled]
        rows.append(_published_row(name, errors, statistics.mean(seconds)))
        if name == AUTOENCODER:
            mean = np.mean(filled, axis=0)
            error = mean_squared_error(X[gaps], mean[gaps])
            mean_of = f"{name}, mean of {n_seeds}"
            rows.append(_published_row(mean_of, [error], sum(seconds)))
        print(rows[-1], flush=True)
    return sorted(rows, key=lambda row: float(row["mse"]))


def _published_row(name, errors, seconds=None):
    return {
        "contestant": name,
        "mse": f"{statistics.mean(errors):.4f}",
        "mse_min": f"{min(errors):.4f}",
        "mse_max": f"{max(errors):.4f}",
        "seeds": len(errors) if seconds is not None else "",
        "seconds": "" if seconds is None else f"{seconds:.3g}",
    }


# Unseen rows --------------------------------------------------------------------------

TABLES = {
    "wine": load_wine,
    "breast cancer": load_breast_cancer,
    "digits": load_digits,
}


def load_halves(table):
    """Return two halves of a table, standardised by the first, and their labels."""
    X, y = TABLES[table](return_X_y=True)
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=0.5, stratify=y, random_state=0
    )
    mean, std = X.mean(axis=0), X.std(axis=0)
    varies = std > 0
    X, X_test = ((x - mean)[:, varies] / std[varies] for x in (X, X_test))
    return X, X_test, y, y_test


def accuracy(X, X_test, y, y_test):
    """Return the test accuracy of logistic regression."""
    return LogisticRegression(max_iter=2000).fit(X, y).score(X_test, y_test)


def mean_distance(X, filled, gaps):
    """Return the mean over columns of the Wasserstein distance at gaps."""
    return np.mean(
        [
            wasserstein_distance(filled[where, i], X[where, i])
            for i, where in enumerate(gaps.T)
            if where.any()
        ]
    )


def measure(make, halves, mask, seed):
    """Return the figures of one contestant and one mask."""
    X, X_test, y, y_test = halves
    gaps, gaps_test = mask[: len(X)], mask[len(X) :]
    gappy, gappy_test = (
        np.where(where, np.nan, x) for x, where in ((X, gaps), (X_test, gaps_test))
    )
    imputer = make(seed)
    filled_test, seconds = timed_imputation(imputer, gappy, gappy_test)
    filled = impute(imputer, gappy)
    error = mean_squared_error(X_test[gaps_test], filled_test[gaps_test])
    with_mask = np.hstack([filled, gaps]), np.hstack([filled_test, gaps_test])
    return {
        "rmse": error**0.5,
        "wasserstein": mean_distance(X_test, filled_test, gaps_test),
        "accuracy": accuracy(filled, filled_test, y, y_test),
        "accuracy_indicator": accuracy(*with_mask, y, y_test),
        "seconds": seconds,
    }


def measure_table(table, n_masks):
    """Yield a row for each mechanism and contestant."""
    halves = load_halves(table)
    X = np.vstack(halves[:2])
    complete = accuracy(*halves)
    for mechanism, remove in MECHANISMS.items():
        masks = [remove(X, np.random.default_rng(seed)) for seed in range(n_masks)]
        for name, make in CONTESTANTS.items():
            found = [measure(make, halves, x, seed) for seed, x in enumerate(masks)]
            values = {key: [one[key] for one in found] for key in found[0]}
            median = {key: statistics.median(x) for key, x in values.items()}
            yield {
                "table": table,
                "mechanism": mechanism,
                "contestant": name,
                "rmse": f"{median['rmse']:.4f}",
                "rmse_spread": f"{max(values['rmse']) - min(values['rmse']):.4f}",
                "wasserstein": f"{median['wasserstein']:.4f}",
                "accuracy": f"{median['accuracy']:.4f}",
                "accuracy_indicator": f"{median['accuracy_indicator']:.4f}",
                "accuracy_complete": f"{complete:.4f}",
                "seconds": f"{median['seconds']:.3g}",
                "masks": n_masks,
            }


def main():
    """Follow the published protocol, then impute unseen rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="one seed, one mask, one table"
    )
    parser.add_argument("--threads", type=int, default=1)
    add_results_option(parser)
    args = parser.parse_args()
    use_threads(args.threads)
    # Of iterative imputers that end after their rounds, which are a default.
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    folder = results_folder(args)
    write("imputation_published", measure_published(args.quick), folder)
    rows = []
    for table in ["wine"] if args.quick else TABLES:
        for row in measure_table(table, 1 if args.quick else 3):
            rows.append(row)
            print(*row.values(), flush=True)
    write("imputation", rows, folder)


if __name__ == "__main__":
    main()
