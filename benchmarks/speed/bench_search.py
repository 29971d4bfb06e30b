"""Does a search with two processes take half the time, and what does each one cost?

``python -m benchmarks.speed.bench_search [--mnist PATH] [--rounds N] [--quick]``, run
from the root of the repository, writes three files.

``results/bench_search.csv``: the wall-clock time of one grid search over a pipeline
(scaler, autoencoder, classifier) with one job and with two. The processes of two jobs
have to be started (cold) or have run before (warm). Each fit has one thread, and the
process that searches has fitted before. The machine needs two cores and should run
nothing else.

``results/bench_search_start.csv``: how the time of a new process is spent until its
second fit.

``results/bench_search_memory.csv``: the peak of the resident memory of a process,
without files, above its memory after a small fit, in a search over an array that each
job gets as a memory map. The rows of a fold are scikit-learn's copy.
"""

import argparse
import gc
import os
import threading
import time
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

import skae
from benchmarks.common import (
    add_results_option,
    load_mnist,
    ratios,
    results_folder,
    spread,
    use_threads,
    write,
)


def make_search(n_jobs, *, quick):
    """Return a search whose fits take some seconds each."""
    ae = skae.AutoencoderTransformer(
        random_state=0, max_epochs=2 if quick else 20, early_stopping=False
    )
    grid = {
        "autoencodertransformer__n_components": [16, 32],
        "autoencodertransformer__corruption": [
            None,
            skae.GaussianNoise(0.2, relative=False),
        ],
        "logisticregression__C": [0.1] if quick else [0.1, 1.0],
    }
    pipeline = make_pipeline(MinMaxScaler(), ae, LogisticRegression(max_iter=200))
    return GridSearchCV(pipeline, grid, n_jobs=n_jobs, cv=2 if quick else 5)


def stop_workers():
    """Stop the processes, so that the next search starts new ones."""
    get_reusable_executor().shutdown(wait=True)


def compare_jobs(X, y, *, quick, rounds):
    """Return a row for each way to run the search."""
    warm = make_search(2, quick=True)
    contestants = {
        "1 job": (1, gc.collect),
        "2 jobs, cold": (2, stop_workers),
        "2 jobs, warm": (2, lambda: warm.fit(X[:500], y[:500])),
    }
    seconds = {name: [] for name in contestants}
    scores = set()
    make_search(1, quick=True).fit(X[:500], y[:500])
    for i in range(rounds):
        for name in list(contestants)[:: 1 if i % 2 else -1]:
            n_jobs, prepare = contestants[name]
            prepare()
            search = make_search(n_jobs, quick=quick)
            start = time.perf_counter()
            search.fit(X, y)
            seconds[name].append(time.perf_counter() - start)
            scores.add(round(search.best_score_, 4))
            print(name, f"{seconds[name][-1]:.1f} s", flush=True)
    rows = []
    for name, values in seconds.items():
        rows.append(
            {
                "contestant": name,
                "n_rows": len(X),
                **spread("seconds", values),
                **spread("speed_up", ratios(seconds["1 job"], values)),
                "best_scores": " ".join(map(str, sorted(scores))),
                "rounds": rounds,
            }
        )
    return rows


def start(submitted):
    """Return the seconds of each stage of a new process, until its second fit."""
    import sys
    import time

    stages, before = {}, submitted

    def passed(name):
        nonlocal before
        now = time.time()
        stages[name] = now - before
        before = now

    passed("start of the process")
    import sklearn.base
    import sklearn.decomposition  # noqa: F401

    passed("import scikit-learn")
    import torch

    passed("import torch")
    import skorch  # noqa: F401

    passed("import skorch")
    import skae

    passed("import skae")
    X = torch.eye(64).numpy()
    loaded = "torch._dynamo" in sys.modules
    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
    name = "first optimizer of torch"
    if not loaded and "torch._dynamo" in sys.modules:
        name += ", which imports torch._dynamo"
    passed(name)
    ae = skae.AutoencoderTransformer(2, max_epochs=1)
    ae.fit(X)
    passed("first fit")
    ae.fit(X)
    passed("second fit")
    return stages


def time_start(rounds):
    """Return a row for each stage of a new process."""
    found = []
    for _ in range(rounds):
        stop_workers()
        found += Parallel(n_jobs=2)([delayed(start)(time.time())])
    found = [{**stages, "all": sum(stages.values())} for stages in found]
    return [
        {
            "stage": name,
            **spread("seconds", [stages[name] for stages in found]),
            "rounds": rounds,
        }
        for name in found[0]
    ]


def find_workers():
    """Return the processes that joblib has started, by number."""
    children = [
        int(pid)
        for task in Path("/proc/self/task").iterdir()
        for pid in (task / "children").read_text().split()
    ]
    return [
        pid
        for pid in children
        if b"LokyProcess" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def anonymous_mb(pid):
    """Return the resident memory of a process that belongs to no file, or 0."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    found = [line.split()[1] for line in lines if line.startswith("RssAnon")]
    return int(found[0]) * 1024 / 1e6 if found else 0.0


def measure_memory(X):
    """Return a row with the peak of each process in a search over X."""
    stop_workers()
    ae = skae.AutoencoderTransformer(32, max_epochs=1, random_state=0)
    search = GridSearchCV(ae, {"n_components": [16, 32]}, n_jobs=2, cv=3, refit=False)
    search.fit(X[:600])
    workers = find_workers()
    before = {pid: anonymous_mb(pid) for pid in workers}
    peak, done = dict(before), threading.Event()

    def watch():
        while not done.wait(2e-3):
            for pid in workers:
                peak[pid] = max(peak[pid], anonymous_mb(pid))

    threading.Thread(target=watch, daemon=True).start()
    search.fit(X)
    done.set()
    data_mb = X.nbytes / 1e6
    worst = max(peak[pid] - before[pid] for pid in workers)
    return [
        {
            "case": "rows of a fold to train on and to score",
            "data_mb": round(data_mb, 1),
            "fold_mb": round(data_mb, 1),
            "peak_mb": round(worst, 1),
            "peak_over_data": round(worst / data_mb, 3),
            "beyond_the_fold_mb": round(worst - data_mb, 1),
        }
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", help="an .npz file of MNIST; else OpenML")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a search of seconds")
    add_results_option(parser)
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that are started
    use_threads(1)
    folder = results_folder(args)
    if args.quick and args.mnist is None:  # nothing is downloaded
        X, y = load_digits(return_X_y=True)
    else:
        X, _, y, _ = load_mnist(args.mnist)
    n_rows = 2000 if args.quick else 8000
    write("bench_search_start", time_start(3 if args.quick else 7), folder)
    write("bench_search_memory", measure_memory(np.array(X)), folder)
    rows = compare_jobs(X[:n_rows], y[:n_rows], quick=args.quick, rounds=args.rounds)
    write("bench_search", rows, folder)


if __name__ == "__main__":
    main()
