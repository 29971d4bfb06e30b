"""How do time and memory grow, and how close does training get to the machine's rate?

``python -m benchmarks.speed.bench_growth [--quick]``, run from the root of the
repository, writes two files.

``results/bench_growth.csv``: one of four quantities grows (rows, features, units of the
code, rows of a batch) and the others are fixed. Each point runs in a new process, after
a fit of the same network to one batch. `seconds` is the processor time of an epoch, the
median over five fits of two epochs, or over two fits where one takes more than five
seconds, and no rows are held out; `seconds_before` is the time of a fit outside its
epochs: checks, the scale of X, the principal axes for the initial weights, the
coordinates of the code and R². `peak_mb` is the peak of the resident
memory of the first fit minus the memory before the fit, which includes X. An exponent
is the slope in log-log over the upper decade, where constant terms matter least. 1 MB
is 1e6 bytes.

``results/bench_growth_share.csv``: the floating-point operations per second of an
epoch, divided by those of a product of two 2048x2048 matrices in the same process, in
turn. A layer takes two operations for each weight and row in the forward pass and four
in the backward pass, but the first layer two, as the gradient of X is not needed; the
linear maps from X to the code and back are layers, too. Only
these operations are counted, so that all other work of an epoch lowers the share.

X is random, and one thread is used. Caches, clock frequencies and other programs on the
machine are not controlled.
"""

import argparse
import ctypes
import gc
import itertools
import math
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from skorch.callbacks import Callback

import skae
from benchmarks.common import (
    add_results_option,
    ratios,
    results_folder,
    spread,
    use_threads,
    write,
)

EPOCHS = 2
HIDDEN = 256
SIDE = 2048  # of the matrices whose product is the machine's rate
HELD = {"n_rows": 20_000, "n_features": 128, "n_components": 16, "batch_size": 128}
GROWING = {
    "n_rows": (1000, 3162, 10_000, 31_623, 100_000, 316_228),
    "n_features": (8, 32, 128, 512, 2048, 4096, 8192),
    "n_components": (1, 4, 16, 64, 128, 256),
    "batch_size": (8, 32, 128, 512, 1024, 4096),
}
QUICK = {
    "n_rows": (1000, 3162, 10_000),
    "n_features": (8, 128, 512),
    "n_components": (4, 16, 128),
    "batch_size": (32, 128, 1024),
}
# Name of a network: its sizes from X to the code, and rows and batch to train it on.
NETWORKS = {
    "784-256-32, batch 128": ((784, 256, 32), 20_000, 128),
    "784-256-32, batch 1024": ((784, 256, 32), 20_000, 1024),
    "784-1024-512-32, batch 128": ((784, 1024, 512, 32), 5000, 128),
    "4096-2048-256, batch 128": ((4096, 2048, 256), 2000, 128),
    "20-16-4, batch 128": ((20, 16, 4), 20_000, 128),
}


class Clock(Callback):
    """Record the processor time of each epoch, without hooks for batches."""

    def on_train_begin(self, net, **kwargs):
        self.seconds = []

    def on_epoch_begin(self, net, **kwargs):
        self.start = time.process_time()

    def on_epoch_end(self, net, **kwargs):
        self.seconds.append(time.process_time() - self.start)


def make_rows(n_rows, n_features):
    """Return random rows."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((n_rows, n_features), dtype=np.float32)


def fit(X, n_components, hidden, batch_size):
    """Return the seconds of each epoch, and of the rest of the fit."""
    ae = skae.AutoencoderTransformer(
        n_components,
        hidden_layer_sizes=hidden,
        batch_size=batch_size,
        max_epochs=EPOCHS,
        early_stopping=False,
        callbacks=[("clock", Clock())],
        random_state=0,
    )
    start = time.process_time()
    ae.fit(X)
    seconds = time.process_time() - start
    epochs = dict(ae.net_.callbacks_)["clock"].seconds
    return epochs, seconds - sum(epochs)


# Growth -------------------------------------------------------------------------------


def status(name):
    """Return an entry of this process's status, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024 / 1e6


def reset_peak():
    """Free unused memory, reset the peak of the process and return its memory."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return status("VmRSS")


def measure_point(n_rows, n_features, n_components, batch_size, n_fits):
    """Return the time and the memory of one point."""
    use_threads(1)
    X = make_rows(n_rows, n_features)
    settings = (n_components, (HIDDEN,), batch_size)
    fit(X[:batch_size], *settings)
    resident = reset_peak()
    fits = [fit(X, *settings)]
    peak_mb = status("VmHWM") - resident
    if sum(fits[0][0]) + fits[0][1] > 5:
        n_fits = min(n_fits, 2)
    fits += [fit(X, *settings) for _ in range(n_fits - 1)]
    epochs = [seconds for epochs, _ in fits for seconds in epochs]
    return {
        **spread("seconds", epochs),
        "seconds_before": f"{statistics.median(before for _, before in fits):.4g}",
        "peak_mb": f"{peak_mb:.4g}",
        "data_mb": f"{X.nbytes / 1e6:.4g}",
        "fits": n_fits,
    }


def exponent(values, measured):
    """Return the slope in log-log over the upper decade, empty without two points."""
    points = [
        (math.log(value), math.log(y))
        for value, y in zip(values, map(float, measured), strict=True)
        if value > max(values) / 10.01 and y > 0
    ]
    return f"{np.polyfit(*zip(*points, strict=True), 1)[0]:.2f}" if points[1:] else ""


def grow(name, values, held, n_fits, in_new_process):
    """Return the rows of one quantity that grows."""
    rows = []
    for value in values:
        point = {**held, name: value}
        found = in_new_process(measure_point, **point, n_fits=n_fits)
        rows.append({"grows": name, **point, "hidden": HIDDEN, "seed": 0, **found})
        print(name, value, found, flush=True)
    exponents = {
        f"{column}_exponent": exponent(values, [row[column] for row in rows])
        for column in ("seconds", "peak_mb")
    }
    return [{**row, **exponents} for row in rows]


# Share of the machine's rate ----------------------------------------------------------


def count_operations(sizes, n_rows):
    """Return the floating-point operations of the layers in an epoch."""
    layers = [a * b for a, b in itertools.pairwise(sizes)]
    linear_map = sizes[0] * sizes[-1]
    # The decoder is the mirror of the encoder.
    forward = 2 * 2 * (sum(layers) + linear_map)
    without_gradient_of_X = 2 * (layers[0] + linear_map)
    return n_rows * (3 * forward - without_gradient_of_X)


def multiply(a, b):
    """Return the floating-point operations a second of a matrix product."""
    start = time.process_time()
    a @ b
    return 2 * SIDE**3 / (time.process_time() - start)


def measure_share(sizes, n_rows, batch_size, n_fits):
    """Return the rate of an epoch, and its ratio to the rate of a matrix product."""
    use_threads(1)
    X = make_rows(n_rows, sizes[0])
    settings = (sizes[-1], sizes[1:-1], batch_size)
    a, b = torch.randn(2, SIDE, SIDE)
    multiply(a, b)
    fit(X[:batch_size], *settings)
    machine, reached = [], []
    for _ in range(n_fits):
        machine.append(multiply(a, b))
        epochs, _ = fit(X, *settings)
        reached.append(count_operations(sizes, n_rows) / statistics.mean(epochs))
    shares = ratios(reached, machine)
    return {
        "n_rows": n_rows,
        "operations": count_operations(sizes, n_rows),
        "gflops": f"{statistics.median(reached) / 1e9:.4g}",
        "machine_gflops": f"{statistics.median(machine) / 1e9:.4g}",
        "share": f"{statistics.median(shares):.3g}",
        "share_min": f"{min(shares):.3g}",
        "share_max": f"{max(shares):.3g}",
        "fits": n_fits,
        "seed": 0,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few points, two fits")
    add_results_option(parser)
    args = parser.parse_args()
    use_threads(1)
    n_fits = 2 if args.quick else 5
    held = {**HELD, "n_rows": 5000} if args.quick else HELD
    growing = QUICK if args.quick else GROWING
    with ProcessPoolExecutor(
        1, mp_context=get_context("spawn"), max_tasks_per_child=1
    ) as pool:

        def in_new_process(function, **kwargs):
            return pool.submit(function, **kwargs).result()

        rows = []
        for name, values in growing.items():
            rows += grow(name, values, held, n_fits, in_new_process)
        shares = []
        for name, (sizes, n_rows, batch_size) in NETWORKS.items():
            found = in_new_process(
                measure_share,
                sizes=sizes,
                n_rows=n_rows,
                batch_size=batch_size,
                n_fits=n_fits,
            )
            shares.append({"network": name, **found})
            print(name, found, flush=True)
    write("bench_growth", rows, results_folder(args))
    write("bench_growth_share", shares, results_folder(args))


if __name__ == "__main__":
    main()
