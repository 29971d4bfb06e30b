"""What can other packages do that users of skae would look at? Answers by running them.

Run from the root of the repository, in the environment of ``speed/bench_rivals.py``,
whose docstring says how to make it::

    python -m benchmarks.alternatives

It writes ``results/alternatives.csv``. Each cell is the answer of a function below,
which runs the package on 300 digits, or looks for a name among its public ones. In a
framework (Keras, skorch), where a user writes the network and the loss, variants, gaps
and sampling are "by hand". encdr 1.2.0 declares Python 3.12; it was run on 3.11. A dash
means that a question does not apply.
"""

import argparse
import inspect
import os
import pickletools
import pkgutil
import re
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.estimator_checks import check_estimator

from benchmarks.common import add_results_option, results_folder, use_threads, write
from benchmarks.speed.rivals import CONTESTANTS
from benchmarks.speed.rivals._case import Case

os.environ.setdefault("KERAS_BACKEND", "torch")

DIGITS = load_digits()
X, Y = (DIGITS.data[:300] / 16).astype(np.float32), DIGITS.target[:300]


@dataclass(frozen=True)
class Package:
    """A package, and how it is used."""

    name: str
    make: Callable[[], Any]  # an unfitted autoencoder
    parts: tuple[str, ...]  # modules with its autoencoders
    searched: dict[str, list] | None = None  # a grid of one parameter
    is_framework: bool = False
    save: Callable[[Any, Path], Any] | None = None
    saves_weights_only: bool = False

    def names(self):
        """Return the public classes of the parts, and their parameters."""
        found = set()
        for part in self.parts:
            for cls in _public_classes(part):
                init = (
                    inspect.signature(cls.__init__) if "__init__" in vars(cls) else None
                )
                found |= {cls.__name__, *(init.parameters if init else ())}
                found |= {name for name in vars(cls) if not name.startswith("_")}
        return found


def _public_classes(part):
    module = import_module(part)
    paths = getattr(module, "__path__", [])
    below = [f"{part}.{x.name}" for x in pkgutil.iter_modules(paths)]
    for name in [part, *(x for x in below if "._" not in x)]:
        try:
            found = vars(import_module(name)).values()
        except ImportError:  # an extra that is not installed
            continue
        for cls in found:
            if inspect.isclass(cls) and cls.__module__.startswith(part.split(".")[0]):
                yield cls


# How each is made ---------------------------------------------------------------------


def make_skae():
    """Return an estimator of skae."""
    import skae

    return skae.AutoencoderTransformer(8, max_epochs=2)


def make_encdr():
    """Return an estimator of encdr."""
    from encdr.encdr import ENCDR

    return ENCDR(latent_dim=8, max_epochs=2)


def make_pyod():
    """Return a detector of PyOD."""
    from pyod.models.auto_encoder import AutoEncoder

    return AutoEncoder(hidden_neuron_list=[16, 8], verbose=0)


def make_pythae():
    """Return a model of pythae."""
    from pythae.models import AE, AEConfig

    return AE(AEConfig(input_dim=(64,), latent_dim=8))


def make_keras():
    """Return a model of Keras."""
    import keras

    layers = [keras.layers.Dense(8), keras.layers.Dense(64)]
    model = keras.Sequential([keras.Input((64,)), *layers])
    model.compile("adam", "mse")
    return model


def make_skorch():
    """Return a net of skorch."""
    from skorch import NeuralNetRegressor

    layers = torch.nn.Sequential(torch.nn.Linear(64, 8), torch.nn.Linear(8, 64))
    return NeuralNetRegressor(layers, max_epochs=2, verbose=0)


def make_mlp():
    """Return scikit-learn's network."""
    from sklearn.neural_network import MLPRegressor

    return MLPRegressor()


PACKAGES = [
    Package(
        "skae",
        make_skae,
        ("skae", "skae._estimators"),
        searched={"n_components": [4, 8]},
        save=lambda ae, folder: ae.fit(X).save(folder / "file"),
    ),
    Package(
        "encdr",
        make_encdr,
        ("encdr",),
        searched={"latent_dim": [4, 8]},
        save=lambda ae, folder: ae.fit(X).save(folder / "file"),
    ),
    Package(
        "PyOD",
        make_pyod,
        ("pyod.models.auto_encoder", "pyod.models.vae"),
        searched={"hidden_neuron_list": [[16, 4], [16, 8]]},
    ),
    Package(
        "pythae",
        make_pythae,
        ("pythae.models", "pythae.samplers"),
        save=lambda model, folder: model.save(str(folder)),
    ),
    Package(
        "Keras",
        make_keras,
        ("keras",),
        is_framework=True,
        save=lambda model, folder: model.save(folder / "file.keras"),
    ),
    Package(
        "skorch",
        make_skorch,
        ("skorch",),
        searched={"lr": [0.01, 0.1]},
        is_framework=True,
        save=lambda net, folder: net.initialize().save_params(
            folder / "weights", use_safetensors=True
        ),
        saves_weights_only=True,
    ),
    Package(
        "MLPRegressor",
        make_mlp,
        ("sklearn.neural_network",),
        searched={"hidden_layer_sizes": [(4,), (8,)]},
    ),
]
FRAMEWORK = "by hand"
VARIANTS = {
    "sparse": "spars",
    "contractive": "contract",
    "denoising": "denois|^corruption$|^noise_factor$",
    "variational": "variational|vae|vencdr",
}


# Questions ----------------------------------------------------------------------------


def encodes_and_decodes(package):
    """Whether there are `transform` and `inverse_transform`."""
    found = package.make()
    return hasattr(found, "transform") and hasattr(found, "inverse_transform")


def is_searched(package):
    """Whether GridSearchCV searches it as a step before a classifier."""
    if package.searched is None or not hasattr(package.make(), "transform"):
        return False
    steps = [("ae", package.make()), ("clf", LogisticRegression(max_iter=1000))]
    grid = {f"ae__{name}": values for name, values in package.searched.items()}
    search = GridSearchCV(Pipeline(steps), grid, cv=2, error_score="raise")
    return runs(package, lambda: search.fit(X, Y))


def runs(package, function):
    """Tell whether a call raises no error, and print the error."""
    try:
        function()
    except Exception as error:  # of any kind: that is the answer
        print(f"  {package.name}: {type(error).__name__}: {str(error)[:200]}")
        return False
    return True


def passes_checks(package):
    """How many of scikit-learn's checks fail."""
    if package.is_framework or not isinstance(package.make(), BaseEstimator):
        return "–"
    found = []

    def check():
        found[:] = check_estimator(package.make(), on_skip=None, on_fail=None)

    if not runs(package, check):
        return "stops with an error"
    failed = sum(each["status"] == "failed" for each in found)
    return f"{failed} of {len(found)} fail" if failed else True


def finds_variants(package):
    """Which variants of autoencoders are classes, or parameters of a class."""
    if package.is_framework:
        return FRAMEWORK
    names = package.names()
    found = [
        variant
        for variant, pattern in VARIANTS.items()
        if any(re.search(pattern, name, re.IGNORECASE) for name in names)
    ]
    return len(found) == len(VARIANTS) or ", ".join(found)


def counts_generative(package):
    """How many classes are generative autoencoders."""
    if package.is_framework:
        return FRAMEWORK
    names = package.names()
    if package.name == "pythae":  # each model has a configuration
        found = {x for x in names if {f"{x}Config", f"{x}_Config"} & names}
        kinds = [x for x in found if re.search("AE|VAMP", x) and "Sampler" not in x]
        return str(len(set(kinds) - {"AE", "BaseAE"}))
    kinds = {"VariationalAutoencoder", "VENCDR", "VAE"}
    return str(len(kinds & names))


def takes_gaps(package):
    """Whether what is fitted to X with NaN gives finite reconstructions or scores."""
    if package.is_framework:
        return FRAMEWORK
    gaps = np.random.default_rng(0).random(X.shape) < 0.1
    rows = np.where(gaps, np.nan, X)
    found = []
    if not runs(package, lambda: found.append(reconstruct(package, rows))):
        return False
    return bool(np.isfinite(found).all())


def reconstruct(package, rows):
    """Fit to rows, and return reconstructions, or scores where there are none."""
    ae = package.make()
    if package.name == "skae":
        return ae.set_params(missing="mask").fit(rows).reconstruct(rows)
    if package.name == "pythae":
        prepare = import_module("benchmarks.speed.rivals.pythae").prepare
        return prepare(Case(rows, (16,), 8))().reconstruct(rows)
    if package.name == "PyOD":
        return ae.fit(rows).decision_function(rows)
    if package.name == "encdr":
        return ae.fit(rows).predict(rows)
    return ae.fit(rows, rows).predict(rows)


def samples(package):
    """Whether there is a method or a class that samples new rows."""
    if package.is_framework:
        return FRAMEWORK
    return any(re.search("^sample$|Sampler$", name) for name in package.names())


def saves_without_pickle(package):
    """Whether it has a format of its own, without a pickle in it."""
    if package.save is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        package.save(package.make(), Path(folder))
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        if any(holds_pickle(path) for path in files):
            return False
    return "weights only" if package.saves_weights_only else True


def holds_pickle(path):
    """Tell whether a file, or a file within an archive, is a pickle."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return any(is_pickle(archive.read(name)) for name in archive.namelist())
    return is_pickle(path.read_bytes())


def is_pickle(content):
    """Tell whether bytes are a pickle of protocol 2 or later."""
    if content[:1] != b"\x80":
        return False
    try:
        return bool(list(pickletools.genops(content)))
    except ValueError:
        return False


QUESTIONS = {
    "`transform` and `inverse_transform`": encodes_and_decodes,
    "transformer in a `Pipeline`, searched by `GridSearchCV`": is_searched,
    "passes `check_estimator`": passes_checks,
    "sparse, contractive, denoising, variational": finds_variants,
    "generative autoencoders": counts_generative,
    "missing values in X": takes_gaps,
    "samples new rows": samples,
    "file format of its own, without pickle": saves_without_pickle,
}


def ask(question, package):
    """Return the answer as words."""
    found = question(package)
    if isinstance(found, str):
        return found or "no"
    return "yes" if found else "no"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add_results_option(parser)
    args = parser.parse_args()
    use_threads(1)
    warnings.simplefilter("ignore")
    versions = {name.lower(): version(x) for name, (x, _) in CONTESTANTS.items()}
    versions["keras"] = version("keras")
    versions["mlpregressor"] = version("scikit-learn")
    rows = []
    for name, question in QUESTIONS.items():
        for package in PACKAGES:
            answer = ask(question, package)
            of = versions[package.name.lower()]
            rows.append(
                {
                    "question": name,
                    "package": package.name,
                    "version": of,
                    "answer": answer,
                }
            )
            print(name, package.name, answer, flush=True)
    write("alternatives", rows, results_folder(args))


if __name__ == "__main__":
    main()
