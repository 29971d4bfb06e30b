"""Estimators that are fitted in one process, or in two that train together."""

import io
import os
import queue
import sys
import tempfile
import time
import traceback
import warnings
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from helpers import process_context
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, GradientNormClipping
from torch import nn

from skae import (
    AutoencoderTransformer,
    ContractiveAutoencoder,
    ConvAutoencoder,
    DenoisingAutoencoder,
    Dense,
    RandomFlip,
    SparseAutoencoder,
    StackedGridSearchCV,
    VariationalAutoencoder,
    fit_many,
)
from skae.tabular import BlockLoss

DEADLINE = 120  # seconds


def start(function, folder, *args, size=2):
    """Call a function in several processes; return the results of those that lived.

    Parameters
    ----------
    function : callable
        Called as ``function(*args)`` after torch.distributed was initialised. What it
        raises is its result.
    folder : Path
        Where the processes find each other.
    """
    context = process_context()
    results, place = context.Queue(), folder / f"rendezvous {function.__name__}"
    processes = [
        context.Process(target=_work, args=(function, args, rank, size, place, results))
        for rank in range(size)
    ]
    for process in processes:
        process.start()
    found, until = {}, time.monotonic() + DEADLINE
    while len(found) < size and time.monotonic() < until:
        try:
            rank, result = results.get(timeout=0.2)
            found[rank] = result
        except queue.Empty:
            if all(process.exitcode is not None for process in processes):
                break
    for process in processes:
        process.join(5)
        process.kill()
    return found


def _work(function, args, rank, size, place, results):
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", message="n_components=.* holds all of X")
    dist.init_process_group(
        "gloo", init_method=f"file://{place}", rank=rank, world_size=size
    )
    try:
        result = function(*args)
    except Exception:
        result = traceback.format_exc()
    results.put((rank, result))
    results.close()
    results.join_thread()
    os._exit(0)  # without waiting for processes that may have been killed


# The same in one process and in several -----------------------------------------------

RNG = np.random.RandomState(0)
X = RNG.normal(size=(203, 4)) @ RNG.normal(size=(4, 12)) + 0.3 * RNG.normal(
    size=(203, 12)
)
IMAGES = load_digits().images[:150] / 16
LABELS = load_digits().target[:150]
CURVE = np.sin(np.linspace(0, 3, 203)[:, np.newaxis] * np.arange(1, 13))
UNIT = 1 / (1 + np.exp(-X))
WEIGHT = RNG.uniform(0.1, 3, len(X))
GAPS = np.where(RNG.uniform(size=X.shape) < 0.2, np.nan, X)
TABLE = np.hstack([np.eye(3)[RNG.randint(3, size=len(X))], X[:, :3]])
COMMON = {
    "dtype": "float64",
    "max_epochs": 4,
    "random_state": 0,
    "early_stopping": False,
    "batch_size": 17,
    "lr": 0.01,
}


def make(cls, *args, **params):
    return cls(*args, **{**COMMON, **params})


def results_of(ae, rows, **given):
    """Return numbers that depend on all that a fit has done."""
    terms = [list(epoch.values()) for epoch in ae.history_]
    return {
        "codes": ae.transform(rows, **given),
        "history": np.concatenate(terms),
        "score": ae.score(rows),
        "n_iter": ae.n_iter_,
    }


def fitting(cls, rows, *args, sample_weight=None, **params):
    """Return a function that fits a new estimator, and returns its results."""

    def run():
        ae = make(cls, *args, **params).fit(rows, sample_weight=sample_weight)
        return results_of(ae, rows)

    return run


def in_chunks():
    ae = make(AutoencoderTransformer, 3, penalty=_OwnPenalty())
    for part in (slice(0, 60), slice(60, 61), slice(61, 203)):
        ae.partial_fit(X[part])
    return results_of(ae, X)


def resumed():
    ae = make(SparseAutoencoder, 4, sparsity=0.1, warm_start=True).fit(X)
    return results_of(ae.set_params(max_epochs=2, lr=0.002).fit(X), X)


def with_held_out_rows():
    ae = make(AutoencoderTransformer, 2, early_stopping=True, max_epochs=15, **HIDDEN)
    return results_of(ae.fit(CURVE[::2], X_val=CURVE[1::2]), CURVE)


def conditioned():
    ae = make(VariationalAutoencoder, 4, hidden_layer_sizes=(16,))
    rows = IMAGES.reshape(150, -1)
    ae.fit(rows, condition=LABELS)
    return {"codes": ae.transform(rows, condition=LABELS), "n_iter": ae.n_iter_}


def searched():
    pipe = make_pipeline(StandardScaler(), make(SparseAutoencoder, 3, max_epochs=2))
    grid = {"sparseautoencoder__sparsity": [0.0, 0.3]}
    search = GridSearchCV(pipe, grid, cv=2).fit(X)
    return {"scores": search.cv_results_["mean_test_score"]}


class _Slices:
    """Samples that are read in slices."""

    shape, dtype = X.shape, X.dtype

    def __getitem__(self, index):
        return X[index]


class _Interrupt(Callback):
    """Interrupt the first fit at the beginning of the third epoch."""

    is_next = True

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 3 and _Interrupt.is_next:
            _Interrupt.is_next = False
            raise KeyboardInterrupt


def from_checkpoint():
    """Return the results of a fit to rows past memory that was interrupted."""
    path = Path(tempfile.gettempdir()) / f"ranks-{os.getppid()}.checkpoint"
    params = {"shuffle_buffer": 40, "callbacks": [_Interrupt()]}
    ae = make(DenoisingAutoencoder, 3, checkpoint=path, **params, **HIDDEN)
    _Interrupt.is_next = True
    with suppress(KeyboardInterrupt):
        ae.fit(_Slices())
    return results_of(ae.fit(_Slices()), X)


class _OwnPenalty:
    """A user's penalty, with a value for each row."""

    def __call__(self, x, output, module):
        return 0.01 * output["code"].abs().sum(1)


class _OwnEncoder(nn.Module):
    """A user's encoder, with a layer that is not used."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(n_in, 8), nn.Tanh(), nn.Linear(8, n_out))
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        return self.layers(x)


class _Decoder(_OwnEncoder):
    """A user's decoder."""


# Adam enlarges gradients that are zero but for rounding.
LARGE_EPS = {"optimizer__eps": 1e-3}
HIDDEN = {"hidden_layer_sizes": (8,)}
CASES = {
    "rows past memory": fitting(
        AutoencoderTransformer, _Slices(), 3, shuffle_buffer=40, **HIDDEN
    ),
    "checkpoint": from_checkpoint,
    "plain": fitting(AutoencoderTransformer, X, 3, **HIDDEN),
    "one row in each batch": fitting(AutoencoderTransformer, X[:9], 2, batch_size=1),
    "one batch": fitting(AutoencoderTransformer, X[:5], 2, batch_size=64),
    "as images": fitting(
        ConvAutoencoder, IMAGES, 4, max_epochs=2, net_params=LARGE_EPS
    ),
    "flipped": fitting(
        ConvAutoencoder,
        IMAGES,
        4,
        max_epochs=2,
        augmentation=RandomFlip(),
        net_params=LARGE_EPS,
    ),
    "l1": fitting(SparseAutoencoder, X, 4, sparsity=0.3, **HIDDEN),
    "l1, weights": fitting(SparseAutoencoder, X, 4, sparsity=0.3, sample_weight=WEIGHT),
    "kl": fitting(SparseAutoencoder, X, 4, method="kl", sparsity=0.5),
    "kl, weights": fitting(
        SparseAutoencoder, X, 4, method="kl", sparsity=0.5, sample_weight=WEIGHT
    ),
    "top-k": fitting(SparseAutoencoder, X, 6, method="topk"),
    "lifetime": fitting(SparseAutoencoder, X, 6, method="lifetime"),
    "gaussian noise": fitting(DenoisingAutoencoder, X, 3, noise="gaussian"),
    "masking noise": fitting(DenoisingAutoencoder, X, 3, noise="masking"),
    "salt and pepper": fitting(DenoisingAutoencoder, X, 3, noise="salt_and_pepper"),
    "swap noise": fitting(DenoisingAutoencoder, X, 3, noise="swap"),
    "contractive": fitting(ContractiveAutoencoder, X, 3, contraction=0.1, **HIDDEN),
    "contractive, random directions": fitting(
        ContractiveAutoencoder, X, 3, contraction=0.1, hidden_layer_sizes=(8, 8)
    ),
    "contractive, weights": fitting(
        ContractiveAutoencoder, X, 3, contraction=0.1, sample_weight=WEIGHT
    ),
    "contractive, counts": fitting(
        ContractiveAutoencoder, X, 3, contraction=0.1, sample_weight=WEIGHT.round() + 1
    ),
    "contractive, one row in each batch": fitting(
        ContractiveAutoencoder, X[:9], 2, contraction=0.1, batch_size=1
    ),
    "variational": fitting(VariationalAutoencoder, X, 3, kl_warmup=2, **HIDDEN),
    "variational, weights": fitting(VariationalAutoencoder, X, 3, sample_weight=WEIGHT),
    "variational, gaps": fitting(VariationalAutoencoder, GAPS, 3, missing="mask"),
    "variational, table": fitting(VariationalAutoencoder, TABLE, 3, loss=BlockLoss()),
    "variational, probabilities": fitting(
        VariationalAutoencoder, UNIT, 3, loss="binary_cross_entropy"
    ),
    "gaps": fitting(AutoencoderTransformer, GAPS, 3, missing="mask", **HIDDEN),
    "gaps, weights": fitting(
        AutoencoderTransformer, GAPS, 3, missing="mask", sample_weight=WEIGHT
    ),
    "table": fitting(AutoencoderTransformer, TABLE, 3, loss=BlockLoss()),
    "huber": fitting(AutoencoderTransformer, X, 3, loss="huber"),
    "counts": fitting(AutoencoderTransformer, X.round() ** 2, 3, loss="poisson"),
    "condition": conditioned,
    "tied": fitting(AutoencoderTransformer, X, 3, encoder=Dense((8,), tied=True)),
    "sgd": fitting(AutoencoderTransformer, X, 3, optimizer="sgd", lr=1e-3),
    "clipping, in skorch's loop": fitting(
        AutoencoderTransformer,
        X,
        3,
        callbacks=[GradientNormClipping(0.1)],
        validation_fraction=0.1,
    ),
    "a closure": fitting(
        AutoencoderTransformer,
        X,
        3,
        optimizer=torch.optim.LBFGS,
        lr=0.1,
        max_epochs=1,
        net_params={"optimizer__max_iter": 3},
    ),
    "own modules": fitting(
        AutoencoderTransformer, X, 3, encoder=_OwnEncoder, decoder=_Decoder
    ),
    "early stopping": fitting(
        VariationalAutoencoder, X, 3, early_stopping=True, max_epochs=12, tol=0.05
    ),
    "final epochs": fitting(
        AutoencoderTransformer,
        CURVE,
        2,
        early_stopping="auto",
        max_epochs=20,
        net_params=LARGE_EPS,
        **HIDDEN,
    ),
    "held-out rows": with_held_out_rows,
    "patience": fitting(
        AutoencoderTransformer, X, 3, n_iter_no_change=1, tol=1.0, max_epochs=20
    ),
    "chunks": in_chunks,
    "resumed": resumed,
    "search": searched,
}


def all_cases():
    return {name: run() for name, run in CASES.items()}


def some_cases():
    names = ["one row in each batch", "one batch", "kl, weights", "variational"]
    return {name: CASES[name]() for name in names}


# In several processes only ------------------------------------------------------------


class _AtEpoch(Callback):
    """Do something at the end of the second epoch, in one process."""

    def __init__(self, action=None, rank=1):
        self.action = action
        self.rank = rank

    def on_epoch_end(self, net, **kwargs):
        if dist.get_rank() == self.rank and len(net.history) == 2:
            if self.action == "kill":
                os.kill(os.getpid(), 9)
            if self.action == "stop":
                raise KeyboardInterrupt
            raise ZeroDivisionError("a bug of one process")


class _EachBatch(Callback):
    def on_batch_end(self, net, **kwargs):
        self.seen_ = True


class _Dropout(_OwnEncoder):
    def forward(self, x):
        return nn.functional.dropout(super().forward(x), 0.5, self.training)


def errors():
    """Return the message of each error, and what is the case after them."""
    rank, found = dist.get_rank(), {}
    ae = AutoencoderTransformer(2, max_epochs=3, random_state=0)

    def attempt(name, function):
        began = time.perf_counter()
        try:
            function()
            found[name] = "no error"
        except (Exception, KeyboardInterrupt) as error:
            found[name] = f"{type(error).__name__}: {error}"
        found["longest"] = max(found.get("longest", 0), time.perf_counter() - began)

    def fit(rows=X, **params):
        ae.set_params(max_epochs=3, random_state=0, **params).fit(rows)

    attempt("other rows", lambda: fit(X + rank))
    attempt("other shape", lambda: fit(X[rank:]))
    attempt("other parameter", lambda: _set(rank))
    attempt("other seed", lambda: ae.set_params(random_state=rank).fit(X))
    attempt("other weights", lambda: _weighted(WEIGHT + rank))
    bad = X.copy()
    bad[3, 2] = np.inf if rank else bad[3, 2]
    attempt("infinite value in one", lambda: fit(bad))
    attempt(
        "batch norm",
        lambda: AutoencoderTransformer(2, encoder=Dense((8,), batch_norm=True)).fit(X),
    )
    attempt("fit_many", lambda: fit_many([ae, ae], X))
    stacked = StackedGridSearchCV(ae, {"n_components": [2]}, cv=2)
    attempt("stacked search", lambda: stacked.fit(X))
    attempt("bug of one", lambda: fit(callbacks=[_AtEpoch("raise")]))
    attempt("no divergence", lambda: fit(callbacks=None))
    attempt("divergence", lambda: ae.set_params(lr=1e30, optimizer="sgd").fit(X))
    found["fitted after"] = hasattr(ae, "net_")
    found["codes"] = make(AutoencoderTransformer, 2).fit(X).transform(X)
    return found


def _set(rank):
    AutoencoderTransformer(2, max_epochs=3 + rank, random_state=0).fit(X)


def _weighted(weight):
    make(AutoencoderTransformer, 2).fit(X, sample_weight=weight)


def alike():
    """Return what has to be the same in all processes, and what has not."""
    found = {}
    ae = make(AutoencoderTransformer, 2, random_state=None)
    found["no seed"] = ae.fit(X).transform(X)
    own = {"encoder": _Dropout, "decoder": _Decoder, "random_state": None}
    ae = make(AutoencoderTransformer, 2, batch_size=64, **own)
    found["dropout"] = ae.fit(X[:200]).partial_fit(X[:7]).transform(X)
    ae = make(AutoencoderTransformer, 2, callbacks=[_AtEpoch("stop", rank=0)])
    found["stopped by one"] = ae.fit(X).n_iter_
    own = [_EachBatch()] if dist.get_rank() == 0 else None
    ae = make(AutoencoderTransformer, 2, callbacks=own, validation_fraction=0.2)
    found["callback of one"] = ae.fit(X).transform(X)
    out, error = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(error):
        make(AutoencoderTransformer, 2, verbose=1).fit(X)
        make(AutoencoderTransformer, 2, verbose=2).fit(X)
    found["shown"] = bool(out.getvalue()), bool(error.getvalue())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make(AutoencoderTransformer, 13, max_epochs=1).fit(X)
    found["warnings"] = len(caught)
    return found


def killed():
    ae = make(AutoencoderTransformer, 2, callbacks=[_AtEpoch("kill")])
    began = time.perf_counter()
    try:
        ae.fit(X)
    except ConnectionError as error:
        seconds = time.perf_counter() - began
        return str(error), hasattr(ae, "net_"), seconds
    return "no error", True, 0.0


if __name__ == "__main__":  # for torchrun
    dist.init_process_group("gloo")
    ae = make(AutoencoderTransformer, 3, **HIDDEN).fit(X)
    if dist.get_rank() == 0:
        ae.save(sys.argv[1])
    dist.destroy_process_group()
