"""How much faster do two processes train one network, and what does that depend on?

``python -m benchmarks.speed.bench_distributed [CASE ...] [--rounds N] [--quick]``, run
from the root of the repository, writes ``results/bench_distributed.csv`` and, for a
tensor of some sizes alone, ``results/bench_distributed_sum.csv``.

Three processes with one thread each wait for work: one that trains alone, and two that
train together over gloo on this machine. They work in turn. A step is timed from the
median of the epochs after the first. The columns of a case:

``alone_ms``
    A step of the process that trains alone.
``half_ms``
    Its step with batches of half as many rows: what each of two processes computes.
``sum_ms``
    The sum of a tensor with as many entries as there are weights, over the two.
``predicted_ms``
    ``half_ms + sum_ms``, the model of the page on scaling.
``together_ms``
    A step of the two processes.
``speed_up``, ``speed_up_of_fit``
    Of a step, and of the whole call to `fit`, of which the start is not divided.

The committed results are of a machine with two cores, which other programs used too.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from skorch.callbacks import Callback

import skae
from benchmarks.common import (
    add_results_option,
    results_folder,
    spread,
    use_threads,
    write,
)

N_STEPS = 8  # of an epoch


def dense(*sizes, batch_size, cls=skae.AutoencoderTransformer, **params):
    """Return a case with fully connected layers: widths, from X to the code."""
    n_features, *hidden, n_components = sizes
    ae = cls(n_components, hidden_layer_sizes=hidden, batch_size=batch_size, **params)
    name = f"{'-'.join(map(str, sizes))}, batches of {batch_size:,}"
    return name, ae, (n_features,)


def conv(batch_size):
    """Return a case with convolutions."""
    name = f"convolutions of 28 × 28, batches of {batch_size:,}"
    return name, skae.ConvAutoencoder(16, batch_size=batch_size), (28, 28)


def contractive(*sizes, batch_size):
    """Return a case with a penalty that computes much."""
    name, ae, shape = dense(
        *sizes, batch_size=batch_size, cls=skae.ContractiveAutoencoder
    )
    return f"contractive, {name}", ae, shape


CASES = {
    name: (ae, shape)
    for name, ae, shape in (
        dense(20, 64, 8, batch_size=128),
        dense(784, 256, 32, batch_size=128),
        dense(784, 256, 32, batch_size=1024),
        dense(784, 1024, 64, batch_size=512),
        contractive(784, 256, 128, 32, batch_size=512),
        conv(128),
    )
}
SIZES = (1, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)


class Clock(Callback):
    """Keep the time at the end of each epoch."""

    def on_train_begin(self, net, **kwargs):
        self.ends_ = []

    def on_epoch_end(self, net, **kwargs):
        self.ends_.append(time.perf_counter())


def fit(case, divisor, n_epochs):
    """Return the seconds of a fit and of a step, and the number of weights."""
    ae, shape = CASES[case]
    n_rows = ae.batch_size // divisor * N_STEPS
    X = np.random.RandomState(0).uniform(size=(n_rows, *shape)).astype(np.float32)
    ae.set_params(
        batch_size=ae.batch_size // divisor,
        max_epochs=n_epochs,
        early_stopping=False,
        random_state=0,
        callbacks=[Clock()],
    )
    try:
        start = time.perf_counter()
        ae.fit(X)
        seconds = time.perf_counter() - start
    finally:
        ae.set_params(batch_size=ae.batch_size * divisor)
    ends = dict(ae.net_.callbacks_)["Clock"].ends_
    n_weights = sum(x.numel() for x in ae.net_.module_.parameters())
    return seconds, statistics.median(np.diff(ends)) / N_STEPS, n_weights


def add_up(n, repeats):
    """Return the seconds that a sum of tensors over the processes takes."""
    x = torch.ones(n)
    dist.all_reduce(x)
    dist.barrier()
    start = time.perf_counter()
    for _ in range(repeats):
        dist.all_reduce(x)
    return (time.perf_counter() - start) / repeats


def work(connection, rank, place):
    """Call functions that are sent, until None is."""
    use_threads(1)
    warnings.simplefilter("ignore")
    if rank is not None:
        dist.init_process_group(
            "gloo", init_method=f"file://{place}", rank=rank, world_size=2
        )
    while (call := connection.recv()) is not None:
        function, *args = call
        connection.send(function(*args))


class Workers:
    """Processes that wait for work."""

    def __init__(self, folder):
        context = multiprocessing.get_context("spawn")
        self.connections, self.processes = [], []
        for rank in (None, 0, 1):
            here, there = context.Pipe()
            process = context.Process(
                target=work, args=(there, rank, Path(folder) / "rendezvous")
            )
            process.start()
            self.connections.append(here)
            self.processes.append(process)

    def call(self, which, *call):
        """Return what a function returns in one process, or in the first of two."""
        chosen = self.connections[which]
        for connection in chosen:
            connection.send(call)
        first, *_ = [connection.recv() for connection in chosen]
        return first

    def alone(self, *call):
        """Call a function in the process that works alone."""
        return self.call(slice(0, 1), *call)

    def together(self, *call):
        """Call a function in the two processes."""
        return self.call(slice(1, 3), *call)

    def close(self):
        """End all."""
        for connection in self.connections:
            connection.send(None)
        for process in self.processes:
            process.join()


def compare(workers, case, *, rounds, n_epochs):
    """Return the row of a case."""
    found = {name: [] for name in ("alone", "half", "together", "sum")}
    fits = {"alone": [], "together": []}
    for i in range(-1, rounds):
        alone = workers.alone(fit, case, 1, n_epochs)
        half = workers.alone(fit, case, 2, n_epochs)
        both = workers.together(fit, case, 1, n_epochs)
        n_weights = alone[2]
        in_sum = workers.together(add_up, n_weights, 20)
        if i < 0:
            continue  # the first one warms up
        fits["alone"].append(alone[0])
        fits["together"].append(both[0])
        steps = (alone[1], half[1], both[1], in_sum)
        for name, seconds in zip(found, steps, strict=True):
            found[name].append(seconds)
    ms = {name: [1000 * x for x in values] for name, values in found.items()}
    predicted = [a + b for a, b in zip(ms["half"], ms["sum"], strict=True)]
    return {
        "case": case,
        "n_weights": n_weights,
        "mb": f"{4e-6 * n_weights:.3g}",
        **spread("alone_ms", ms["alone"]),
        **spread("half_ms", ms["half"]),
        **spread("sum_ms", ms["sum"]),
        **spread("predicted_ms", predicted),
        **spread("together_ms", ms["together"]),
        **spread("speed_up", _ratios(ms["alone"], ms["together"])),
        **spread("speed_up_of_fit", _ratios(fits["alone"], fits["together"])),
        "rounds": rounds,
    }


def _ratios(values, others):
    return [a / b for a, b in zip(values, others, strict=True)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="beginnings of names of cases")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    add_results_option(parser)
    args = parser.parse_args()
    use_threads(1)
    chosen = [x for x in CASES if not args.cases or x.startswith(tuple(args.cases))]
    n_epochs, rounds = (3, 1) if args.quick else (5, args.rounds)
    with tempfile.TemporaryDirectory() as folder:
        workers = Workers(folder)
        try:
            rows = []
            for case in chosen[:1] if args.quick else chosen:
                rows.append(compare(workers, case, rounds=rounds, n_epochs=n_epochs))
                print(rows[-1], flush=True)
            write("bench_distributed", rows, results_folder(args))
            sums = [
                {
                    "entries": n,
                    "mb": f"{4e-6 * n:g}",
                    **spread(
                        "ms",
                        [
                            1000 * workers.together(add_up, n, 20 if n < 1e6 else 5)
                            for _ in range(rounds)
                        ],
                    ),
                    "rounds": rounds,
                }
                for n in (SIZES[:2] if args.quick else SIZES)
            ]
            write("bench_distributed_sum", sums, results_folder(args))
        finally:
            workers.close()


if __name__ == "__main__":
    main()
