"""How does training time compare with other packages? The same network and training.

The rivals live in an environment of their own::

    python -m venv .venv-rivals && . .venv-rivals/bin/activate
    pip install -c constraints.txt -r benchmarks/speed/rivals/requirements.txt -e .
    pip install --no-deps --ignore-requires-python encdr==1.2.0
    python -m benchmarks.speed.bench_rivals [CASE ...] [--mnist PATH] [--rows N]

Run from the root of the repository, it writes ``results/bench_rivals.csv``; a ratio
above 1 says that skae is faster. Times are for the whole call to `fit`, from an array
to a trained model, in seconds of processor time. Before the timing, each contestant
runs once, and the script checks that it trains the number of parameters and of steps of
the case. `error` is the mean squared error of the training rows after that run, in the
units of pixels in [0, 1].

All have the same layers, ReLU, Adam with a constant learning rate of 1e-3, batches,
epochs and rows (whole batches, since pyod drops a short one), one thread, no held-out
rows, batch normalisation, dropout or weight decay, and report nothing. If a rival does
not take uint8, the array is divided by 255 inside the call; if it does not take
float64, or would compute in it, the array is cast inside the call. The variational
rivals weight the divergence so that all minimise half the squared error of a row plus
the divergence, except skae, which estimates the variance of the error.

The networks of skae have no linear map beside their layers, its default. The packages
do different amounts of extra work that cannot be switched off: skae checks X,
standardises it, rotates a linear code and computes R² of some rows; pyod's
AutoEncoder and MLPRegressor have a ReLU on the code, too; pyod scores the training
rows; HyperTools standardises each column, and encodes the training rows; pythae shows a
progress bar, copies the best model and writes it to disk; MLPRegressor computes in
numpy. Caches, clock frequencies and other programs on the machine are not controlled.
"""

import argparse
import contextlib
import io
import logging
import warnings
from importlib import import_module
from importlib.metadata import version

import numpy as np
from torch.optim.optimizer import register_optimizer_step_post_hook

from benchmarks.common import (
    add_results_option,
    compare,
    load_mnist,
    mean_squared_error,
    results_folder,
    use_threads,
    write,
)
from benchmarks.speed.rivals import CONTESTANTS
from benchmarks.speed.rivals._case import EPOCHS, Case, LeftOut, as_float32
from benchmarks.speed.rivals._network import Autoencoder


def make_cases(mnist, n_rows):
    """Return the cases by name."""
    X = load_mnist(mnist)[0][:n_rows]
    table = np.random.RandomState(0).standard_normal((10_000, 20)).astype(np.float32)
    cases = {
        "dense, batch 128": Case(X, (256,), 32),
        "dense, batch 1024": Case(X, (256,), 32, batch_size=1024),
        "small table": Case(table, (16,), 4),
        "convolutional": Case(X[:10_000], (16, 32), 32, kind="convolutional"),
        "variational": Case(X, (400,), 20, kind="variational"),
        "denoising": Case(X, (256,), 32, kind="denoising"),
        "uint8": Case(np.round(X * 255).astype(np.uint8), (256,), 32),
        "float64": Case(X.astype(np.float64), (256,), 32),
    }
    return {name: in_whole_batches(case) for name, case in cases.items()}


def in_whole_batches(case):
    """Cut the rows of a case, so that no batch is short."""
    n_rows = len(case.X) // case.batch_size * case.batch_size
    return Case(**{**vars(case), "X": case.X[:n_rows]})


@contextlib.contextmanager
def quiet():
    """Silence progress, and warnings of training that ends early."""
    logging.disable(logging.WARNING)
    silence = io.StringIO()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(silence),
        contextlib.redirect_stderr(silence),
    ):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


def check(name, fit, case):
    """Train once, check the number of parameters and of steps, and return the error."""
    steps = []

    def count(optimizer, args, kwargs):
        groups = optimizer.param_groups
        steps.append(sum(p.numel() for group in groups for p in group["params"]))

    handle = register_optimizer_step_post_hook(count)
    try:
        trained = fit()
    finally:
        handle.remove()
    n_parameters, n_steps = trained.n_parameters, trained.n_steps
    if n_steps is None:
        n_parameters, n_steps = steps[-1] if steps else 0, len(steps)
    expected = count_parameters(case), EPOCHS * len(case.X) // case.batch_size
    if (n_parameters, n_steps) != expected:
        raise RuntimeError(
            f"{name} trains {n_parameters} parameters for {n_steps} steps, but the "
            f"case asks for {expected[0]} and {expected[1]}."
        )
    if name == "skae" and case.X.dtype == np.uint8:  # it reconstructs bytes
        return mean_squared_error(case.X / 255, trained.reconstruct(case.X) / 255)
    X = as_float32(case.X)
    return mean_squared_error(X, trained.reconstruct(X).reshape(X.shape))


def count_parameters(case):
    """Return the number of parameters that a case asks for."""
    return sum(p.numel() for p in Autoencoder(case).parameters())


def run(name, case, rounds):
    """Return the rows of one case."""
    contestants = {}
    for contestant, (_, module) in CONTESTANTS.items():
        rival = import_module(f"benchmarks.speed.rivals.{module}")
        try:
            contestants[contestant] = rival.prepare(case)
        except LeftOut as reason:
            print(f"{name}: without {contestant}, since {reason}", flush=True)
    with quiet():
        # This is the warm-up, too.
        errors = {key: check(key, fit, case) for key, fit in contestants.items()}
        rows = compare(contestants, reference="skae", rounds=rounds, warm_up=False)
    print(name, {row["contestant"]: row["ratio"] for row in rows}, flush=True)
    return [
        {
            "case": name,
            "n_rows": len(case.X),
            "version": version(CONTESTANTS[row["contestant"]][0]),
            **row,
            "n_parameters": count_parameters(case),
            "error": f"{errors[row['contestant']]:.4g}",
        }
        for row in rows
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--mnist", help="an .npz file of MNIST; else OpenML")
    parser.add_argument("--rows", type=int, default=20_000, help="of MNIST")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    add_results_option(parser)
    args = parser.parse_args()
    use_threads(args.threads)
    rows = []
    for name, case in make_cases(args.mnist, args.rows).items():
        if not args.cases or name in args.cases:
            rows += run(name, case, args.rounds)
    write("bench_rivals", rows, results_folder(args))


if __name__ == "__main__":
    main()
