"""Do interpolations stay among data, on data of every kind?

``python -m benchmarks.paths [--quick]``, run from the root of the repository with the
packages of the dependency group *suite*, writes ``results/paths.csv``.

Sets are those of ``benchmarks.generalisation`` that have images, signals or classes, by
kind, with their sizes of the code, and a mixed table of ISLP through ``TableEncoder``.
An autoencoder with defaults (convolutional for images and signals) is fitted to three
quarters of the rows. 100 pairs of the others, of different classes if there are some,
are joined in seven steps: by content, and by codes on each path; paths through data
pass the training rows. Of the five steps in between:

- *distance*: to the nearest held-out sample that is no end of a pair, divided by that
  of the reconstructions of the ends. A blur may be near to everything;
- *recognised*: the share of which a classifier (a network of scikit-learn with 100
  hidden units, fitted to the training rows) is more than 90 % certain;
- *largest*: the largest of the six steps, divided by their mean, on average: 1 is even,
  6 a jump;
- *length*: the sum of the steps, divided by the distance of the ends.

``results/paths_penalty.csv`` asks whether a penalty that keeps the codes of neighbours
near, which evens the walks of ``benchmarks.published.interpolation``, helps on digits.

Three splits: the median, the least and the greatest. The number of neighbours of the
path through data was chosen on digits and MNIST.
"""

import argparse
import warnings
from dataclasses import replace

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.common import (
    add_results_option,
    results_folder,
    spread,
    use_threads,
    write,
)
from benchmarks.generalisation.datasets import DATASETS, Dataset, split
from benchmarks.tables import TABLES
from skae import (
    AutoencoderTransformer,
    ConvAutoencoder,
    VariationalAutoencoder,
    interpolate,
)
from skae.tabular import TableEncoder

NAMES = [
    *("digits", "faces or not", "grey tiles 16", "colour tiles 16", "lines"),
    *("sines", "leaf outlines", "motions", "arrowheads"),
    *("leaves", "cell segmentation", "blood cells", "tissues"),
]
N_PAIRS, N_STEPS = 100, 7
PATHS = ["linear", "spherical", "projected", "data"]
METRICS = ["distance", "recognised", "largest", "length"]


def _customers():
    """Return a mixed table as `TableEncoder` makes it, with jobs as its classes."""
    wage = next(table for table in TABLES if table.name == "Wage")
    frame, _ = replace(wage, target="jobclass").load()
    _, jobs = replace(wage, target="jobclass").load()
    return TableEncoder().fit_transform(frame), jobs.astype(int), None


def sets():
    """Return the sets, the mixed table last."""
    chosen = {x.name: x for x in DATASETS if x.name in NAMES}
    mixed = Dataset("wages, mixed", "mixed", "report", 8, _customers)
    return [*(chosen[name] for name in NAMES), mixed]


def pairs_of(X, y, rng):
    """Return both ends of pairs, and the samples that are no end."""
    order = rng.permutation(len(X))
    n_pairs = min(N_PAIRS, len(X) // 4)
    first, rest = order[:n_pairs], order[n_pairs:]
    last, left = [], list(rest)
    for i in first:
        place = next((j for j in left if y is None or y[j] != y[i]), left[0])
        left.remove(place)
        last.append(place)
    return X[first], X[last], X[left]


class Judge:
    """What is measured of walks.

    Parameters
    ----------
    train, y : ndarray
        Training rows, flat, and their classes or None.
    others : ndarray
        Held-out rows that are no ends, flat.
    usual : ndarray
        Reconstructions of the ends, flat.
    """

    def __init__(self, train, y, others, usual):
        self.search = NearestNeighbors(n_neighbors=1).fit(others)
        self.usual = self.search.kneighbors(usual)[0].mean()
        self.classifier = None
        if y is not None:
            network = MLPClassifier((100,), max_iter=200, random_state=0)
            self.classifier = make_pipeline(StandardScaler(), network).fit(train, y)

    def __call__(self, walks):
        """Return a dict of figures of walks of shape (n_pairs, n_steps, ...)."""
        walks = walks.reshape(*walks.shape[:2], -1)
        inner = walks[:, 1:-1].reshape(-1, walks.shape[-1])
        steps = np.linalg.norm(np.diff(walks, axis=1), axis=2)
        straight = np.linalg.norm(walks[:, -1] - walks[:, 0], axis=1)
        found = {
            "distance": float(self.search.kneighbors(inner)[0].mean() / self.usual),
            "recognised": float("nan"),
            "largest": float((steps.max(axis=1) / steps.mean(axis=1)).mean()),
            "length": float(np.median(steps.sum(axis=1) / straight)),
        }
        if self.classifier is not None:
            chance = self.classifier.predict_proba(inner).max(axis=1)
            found["recognised"] = float((chance > 0.9).mean())
        return found


def measure(dataset, seeds):
    """Return a row for each path."""
    found = {}
    for seed in seeds:
        X, X_test, y, y_test = split(dataset, seed)
        rng = np.random.RandomState(seed)
        first, last, others = pairs_of(X_test, y_test, rng)
        is_grid = dataset.kind in ("image", "signal")
        cls = ConvAutoencoder if is_grid else AutoencoderTransformer
        layout = {"signal": "signal"}.get(dataset.kind)
        ae = cls(dataset.n_components, layout=layout, random_state=seed).fit(X)
        usual = ae.reconstruct(np.concatenate([first, last]))
        flat = (x.reshape(len(x), -1) for x in (others, usual))
        judge = Judge(X.reshape(len(X), -1), y, *flat)
        share = np.linspace(0, 1, N_STEPS).reshape(-1, *(1,) * (X.ndim - 1))
        content = (1 - share) * first[:, np.newaxis] + share * last[:, np.newaxis]
        found.setdefault("content", []).append(judge(content))
        for path in PATHS:
            through = X if path == "data" else None
            walks = interpolate(
                ae,
                first,
                last,
                N_STEPS,
                path=path,
                through=through,
            )
            found.setdefault(path, []).append(judge(walks))
    return [
        {
            "data": dataset.name,
            "kind": dataset.kind,
            "path": path,
            **{
                key: value
                for metric in METRICS
                for key, value in spread(metric, [x[metric] for x in values]).items()
            },
            "pairs": len(first),
            "splits": len(seeds),
        }
        for path, values in found.items()
    ]


# A penalty for walks ------------------------------------------------------------------

WEIGHTS = (0.0, 1.0, 10.0, 100.0)


def neighbours_stay_near(weight):
    """Return the penalty of ``benchmarks.published.interpolation``, None for 0."""

    def penalty(x, output, module):
        code = output["mean"]
        n_nearest = min(6, len(x))  # and the row itself
        nearest = torch.cdist(x, x).topk(n_nearest, largest=False).indices[:, 1:]
        apart = (code[:, None] - code[nearest]).square().sum(2).mean(1)
        return weight * apart / code.var(0).sum().clamp_min(1e-6)

    return penalty if weight else None


def measure_penalty(seeds):
    """Return a row for each weight and path of a variational autoencoder of digits."""
    dataset = next(x for x in DATASETS if x.name == "digits")
    found = {}
    for seed in seeds:
        X, X_test, y, y_test = split(dataset, seed)
        X, X_test = X.reshape(len(X), -1), X_test.reshape(len(X_test), -1)
        pairs = pairs_of(X_test, y_test, np.random.RandomState(seed))
        first, last, others = pairs
        for weight in WEIGHTS:
            penalty = neighbours_stay_near(weight)
            vae = VariationalAutoencoder(16, penalty=penalty, random_state=seed).fit(X)
            usual = vae.reconstruct(np.concatenate([first, last]))
            judge = Judge(X, y, others, usual)
            for path in ("linear", "spherical"):
                values = judge(vae.interpolate(first, last, N_STEPS, path=path))
                values["R2"] = vae.score(X_test)
                found.setdefault((weight, path), []).append(values)
    return [
        {"weight": weight, "path": path}
        | {
            key: value
            for metric in (*METRICS, "R2")
            for key, value in spread(metric, [x[metric] for x in values]).items()
        }
        for (weight, path), values in found.items()
    ]


def main():
    """Measure all sets, or two of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two sets, one split")
    add_results_option(parser)
    args = parser.parse_args()
    use_threads(1)
    warnings.simplefilter("ignore")
    rows = []
    for dataset in sets():
        if args.quick and dataset.name not in ("arrowheads", "tissues"):
            continue
        rows += measure(dataset, (0,) if args.quick else (0, 1, 2))
        for row in rows[-len(PATHS) - 1 :]:
            print(row["data"], row["path"], *(row[x] for x in METRICS), flush=True)
    write("paths", rows, results_folder(args))
    if not args.quick:
        write("paths_penalty", measure_penalty((0, 1, 2)), results_folder(args))


if __name__ == "__main__":
    main()
