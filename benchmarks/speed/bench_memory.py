"""How much memory do `fit`, `transform` and others need in addition to the data?

``python -m benchmarks.speed.bench_memory [CASE ...] [--mnist PATH] [--quick]``, run
from the root of the repository, writes ``results/bench_memory.csv``. Each case runs in
a new process, after a fit of a small network to few rows, so that imports and the
one-time allocations of torch are not counted. 1 MB is 1e6 bytes.

``peak_mb`` is the peak of the resident memory that belongs to no file, read every
millisecond; memory maps do not count, since the system may free them.
``high_water_mb`` is the peak that the system itself records, memory maps included.
``in_use_mb`` is the peak in a second process that returns blocks of 64 KiB and more to
the system as soon as they are unused; the rest of ``peak_mb`` is memory that the
allocator reserves for later.

``expected_mb`` is, in a fit, five times the weights (the weights, gradients, two
moments of Adam and a copy of the last finite weights), or seven times with early
stopping, the default (the best weights, and those before the first epoch); elsewhere it
is the result. An array in Fortran order adds its copy
in C order. ``beyond_in_batches`` is the difference of ``in_use_mb`` and ``expected_mb``
in batches, where a batch is the bytes of its rows in the widest layer.
"""

import argparse
import ctypes
import gc
import json
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import skae
from benchmarks.common import (
    add_results_option,
    load_images,
    results_folder,
    use_threads,
    write,
)
from skae._model.inference import _BATCH_SIZE

MODULE = "benchmarks.speed.bench_memory"
MB = 1e6
WARM_UP_ROWS = 500
COLUMNS = (
    "data_mb",
    "weights_mb",
    "batch_mb",
    "expected_mb",
    "in_use_mb",
    "beyond_in_batches",
    "peak_mb",
    "peak_over_data",
    "high_water_mb",
    "after_mb",
    "gradients_mb",
    "state_mb",
    "pickle_mb",
)


def make_cases():
    """Return the type of X, whether X is mapped, rows and estimator of each case."""
    plain = {"early_stopping": False}
    dense = skae.AutoencoderTransformer(32, **plain)
    wide = skae.AutoencoderTransformer(32, hidden_layer_sizes=(4096, 1536), **plain)
    conv = skae.ConvAutoencoder(32, image_shape=(28, 28), **plain)
    variational = skae.VariationalAutoencoder(20, **plain)
    stopped = skae.AutoencoderTransformer(32)
    wide_stopped = skae.AutoencoderTransformer(32, hidden_layer_sizes=(4096, 1536))
    return {
        "float32": ("float32", False, 60_000, dense),
        "memory-mapped float32": ("float32", True, 60_000, dense),
        "uint8": ("uint8", False, 60_000, dense),
        "memory-mapped uint8": ("uint8", True, 60_000, dense),
        "float64": ("float64", False, 60_000, dense),
        "pictures": ("float32", False, 60_000, conv),
        "Fortran order": ("F", False, 60_000, dense),
        "float32, early stopping": ("float32", False, 60_000, stopped),
        "variational": ("float32", False, 60_000, variational),
        "wide": ("float32", False, 6_000, wide),
        "wide, early stopping": ("float32", False, 6_000, wide_stopped),
    }


def load(kind, mapped, n_rows, args, folder):
    """Return the first rows of MNIST as an array of some kind."""
    X = np.ascontiguousarray(load_images(args, n_rows=10_000)[0][:n_rows])
    if kind == "uint8":
        X = np.round(X * 255).astype(np.uint8)
    elif kind == "F":
        X = np.asfortranarray(X)
    else:
        X = X.astype(kind, copy=False)
    if mapped:
        np.save(Path(folder) / "X.npy", X)
        X = np.load(Path(folder) / "X.npy", mmap_mode="r")
    return X


def status(name):
    """Return an entry of this process's status, in MB."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024 / MB
    raise ValueError(name)


def settle():
    """Return unused memory to the system."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)


@contextmanager
def watched(row):
    """Enter the peaks of the block, minus the memory before it, into a row."""
    settle()
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    resident, anonymous = status("VmRSS"), status("RssAnon")
    seen, done = [anonymous], threading.Event()

    def watch():
        while not done.is_set():
            seen.append(status("RssAnon"))
            time.sleep(1e-3)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    row["peak_mb"] = max(seen) - anonymous
    row["high_water_mb"] = status("VmHWM") - resident
    settle()
    row["after_mb"] = status("RssAnon") - anonymous


def widest_layer(ae, X):
    """Return the number of entries of a row in the widest layer."""
    sizes = []
    hooks = [
        layer.register_forward_hook(lambda _, x, out: sizes.append(out[0].numel()))
        for layer in ae.net_.module_.modules()
        if not list(layer.children())
    ]
    ae.reconstruct(X[:2])
    for hook in hooks:
        hook.remove()
    return max(sizes)


def n_bytes(tensors):
    """Return the megabytes of some tensors."""
    return sum(x.numel() * x.element_size() for x in tensors) / MB


def warm_up(ae, X):
    """Call the measured methods of a small network of the same kind."""
    small = skae.AutoencoderTransformer(8)
    if isinstance(ae, skae.ConvAutoencoder):
        small = skae.ConvAutoencoder(8, image_shape=(28, 28), channels=(8,))
    small.set_params(max_epochs=1, early_stopping=True)
    small.fit(X[:WARM_UP_ROWS]).score(X[:WARM_UP_ROWS])


def measure(name, args):
    """Return the rows of one case."""
    kind, mapped, n_rows, ae = make_cases()[name]
    ae.set_params(max_epochs=2, random_state=0)
    with tempfile.TemporaryDirectory() as folder:
        X = load(kind, mapped, n_rows, args, folder)
        warm_up(ae, X)
        row = {"call": "fit"}
        with watched(row):
            ae.fit(X)
        module, optimizer = ae.net_.module_, ae.net_.optimizer_
        weights = [*module.parameters(), *module.buffers()]
        moments = [x for state in optimizer.state.values() for x in state.values()]
        gradients = [x.grad for x in module.parameters() if x.grad is not None]
        row["state_mb"] = n_bytes(weights) + n_bytes(moments)
        row["gradients_mb"] = n_bytes(gradients)
        row["pickle_mb"] = len(pickle.dumps(ae)) / MB
        row["expected_mb"] = (7 if ae.early_stopping else 5) * n_bytes(weights)
        width = widest_layer(ae, X) * weights[0].element_size() / MB
        row["batch_mb"] = ae.net_.batch_size * width
        rows = [row]
        for call in ("transform", "score", "score_samples", "reconstruct"):
            row = {"call": call, "batch_mb": _BATCH_SIZE * width}
            with watched(row):
                result = getattr(ae, call)(X)
            row["expected_mb"] = getattr(result, "nbytes", 0) / MB
            rows.append(row)
            del result
        for row in rows:
            row["data_mb"] = X.nbytes / MB
            row["weights_mb"] = n_bytes(weights)
            if kind == "F":
                row["expected_mb"] += X.nbytes / MB
        del X
    return rows


def in_own_process(name, *, returns_blocks):
    """Measure a case in a new process."""
    environment = dict(os.environ)
    if returns_blocks:
        environment["MALLOC_MMAP_THRESHOLD_"] = str(2**16)
    done = subprocess.run(
        [sys.executable, "-m", MODULE, *sys.argv[1:], "--only", name],
        check=True,
        stdout=subprocess.PIPE,
        env=environment,
    )
    return json.loads(done.stdout.splitlines()[-1])


def run(name):
    """Return the rows of one case, as they are written."""
    rows = in_own_process(name, returns_blocks=False)
    for row, other in zip(rows, in_own_process(name, returns_blocks=True), strict=True):
        row["in_use_mb"] = other["peak_mb"]
        beyond = row["in_use_mb"] - row["expected_mb"]
        row["beyond_in_batches"] = beyond / row["batch_mb"]
        row["peak_over_data"] = row["peak_mb"] / row["data_mb"]
    return [
        {"case": name, "call": row["call"]}
        | {column: round(row[column], 3) if column in row else "" for column in COLUMNS}
        for row in rows
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--mnist", help="an .npz file of MNIST; else OpenML")
    parser.add_argument("--quick", action="store_true", help="few rows")
    add_results_option(parser)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", help=argparse.SUPPRESS)  # the case of a process
    args = parser.parse_args()
    use_threads(args.threads)
    if args.only:
        print(json.dumps(measure(args.only, args)))
        return
    rows = []
    for name in args.cases or make_cases():
        rows += run(name)
        print(name, rows[-5]["peak_mb"], flush=True)
    write("bench_memory", rows, results_folder(args))


if __name__ == "__main__":
    main()
