"""How much of the time of a grid search remains if its fits are trained as one?

``python -m benchmarks.speed.bench_stacked [CASE ...] [--rounds N] [--quick]``, run from
the root of the repository, writes two files.

``results/bench_stacked.csv``: the wall-clock time of a search over the sparsity, for
scikit-learn's GridSearchCV with one and with two jobs and StackedGridSearchCV, and of
two other searches: HalvingGridSearchCV, with rows as its resource, and Optuna with its
default sampler and as many trials as the grid has candidates (left out where it is not
installed). One thread for each process. The
column `difference` is the largest difference of a mean score to that of GridSearchCV.

``results/bench_stacked_memory.csv``: the peak of the resident memory of a new process
above that before the search, over 200,000 rows of 20 columns in float64.
"""

import argparse
import multiprocessing
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_score,
)

import skae
from benchmarks.common import (
    add_results_option,
    ratios,
    results_folder,
    spread,
    use_threads,
    write,
)

try:
    import optuna
except ImportError:
    optuna = None

GRID = [0.001, 0.01, 0.1, 0.3, 1.0]
FOLDS = 3


def make_table(n_rows):
    """Return rows of 20 columns that are five factors and noise."""
    rng = np.random.RandomState(0)
    factors = rng.standard_normal((n_rows, 5)) @ rng.standard_normal((5, 20))
    return factors + 0.3 * rng.standard_normal((n_rows, 20))


def load_glyphs():
    """Return 1,200 images of 28 by 28 that lie beside the gallery, as rows."""
    with np.load("docs/gallery/glyphs.npz") as glyphs:
        images = next(x for x in glyphs.values() if x.ndim == 3)
    return images[:1200].reshape(1200, -1) / 255


CASES = {
    "table 10,000 × 20, 20-16-4": (
        lambda: make_table(10_000),
        {"n_components": 4, "hidden_layer_sizes": 16},
    ),
    "digits, defaults": (lambda: load_digits().data / 16, {}),
    "glyphs 1,200 × 784, 784-256-32, 5 epochs": (
        load_glyphs,
        {"n_components": 32, "hidden_layer_sizes": 256, "max_epochs": 5},
    ),
}


def make_contestants(ae, X):
    """Return functions that search, each returning mean scores of the grid or None."""
    grid = {"sparsity": GRID}

    def search(cls, **options):
        found = cls(ae, grid, cv=FOLDS, refit=False, **options).fit(X)
        return found.cv_results_["mean_test_score"]

    def by_optuna():
        def objective(trial):
            weight = trial.suggest_float("sparsity", GRID[0], GRID[-1], log=True)
            return cross_val_score(ae.set_params(sparsity=weight), X, cv=FOLDS).mean()

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(seed=0)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(objective, n_trials=len(GRID))

    def by_halving():
        HalvingGridSearchCV(ae, grid, cv=FOLDS, refit=False, random_state=0).fit(X)

    contestants = {
        "GridSearchCV": lambda: search(GridSearchCV),
        "GridSearchCV, 2 jobs": lambda: search(GridSearchCV, n_jobs=2),
        "StackedGridSearchCV": lambda: search(skae.StackedGridSearchCV),
        "StackedGridSearchCV, 2 jobs": lambda: search(
            skae.StackedGridSearchCV, n_jobs=2
        ),
        "HalvingGridSearchCV": by_halving,
    }
    return contestants if optuna is None else {**contestants, "Optuna": by_optuna}


def compare_searches(case, *, rounds, quick):
    """Return a row for each way to search."""
    load, settings = CASES[case]
    X = load()
    if quick:
        X, settings = X[:200], {**settings, "max_epochs": 2}
    ae = skae.SparseAutoencoder(random_state=0, **settings)
    contestants = make_contestants(ae, X)
    seconds = {name: [] for name in contestants}
    scores = {}
    contestants["GridSearchCV, 2 jobs"]()  # starts the processes
    for i in range(rounds):
        for name in list(contestants)[:: 1 if i % 2 else -1]:
            start = time.perf_counter()
            found = contestants[name]()
            seconds[name].append(time.perf_counter() - start)
            if found is not None:
                scores[name] = found
            print(case, name, f"{seconds[name][-1]:.1f} s", flush=True)
    reference = scores["GridSearchCV"]
    return [
        {
            "case": case,
            "contestant": name,
            **spread("seconds", values),
            **spread("speed_up", ratios(seconds["GridSearchCV"], values)),
            "difference": f"{np.abs(scores[name] - reference).max():.1g}"
            if name in scores
            else "",
            "rounds": rounds,
        }
        for name, values in seconds.items()
    ]


def memory_mb(entry):
    """Return the resident memory of this program, VmRSS, or its peak, VmHWM."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (size,) = (line.split()[1] for line in lines if line.startswith(entry))
    return int(size) * 1024 / 1e6


def search_once(cls, n_rows, queue):
    """Put the peak of the memory of one search in a queue, beyond what was before."""
    use_threads(1)
    warnings.simplefilter("ignore")
    X = make_table(n_rows)
    ae = skae.SparseAutoencoder(
        4, hidden_layer_sizes=16, max_epochs=1, random_state=0, batch_size=4096
    )
    search = cls(ae, {"sparsity": GRID}, cv=FOLDS, refit=False)
    search.fit(X[:500])
    before = memory_mb("VmHWM")
    search.fit(X)
    queue.put((memory_mb("VmHWM") - before, X.nbytes / 1e6))


def measure_memory(n_rows):
    """Return a row for each of two searches."""
    context = multiprocessing.get_context("spawn")
    rows = []
    for cls in (GridSearchCV, skae.StackedGridSearchCV):
        queue = context.Queue()
        process = context.Process(target=search_once, args=(cls, n_rows, queue))
        process.start()
        peak, size = queue.get()
        process.join()
        rows.append(
            {
                "contestant": cls.__name__,
                "n_rows": n_rows,
                "x_mb": f"{size:.0f}",
                "peak_mb": f"{peak:.0f}",
            }
        )
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="beginnings of names of cases")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    add_results_option(parser)
    args = parser.parse_args()
    use_threads(1)
    warnings.simplefilter("ignore")
    chosen = [x for x in CASES if not args.cases or x.startswith(tuple(args.cases))]
    rows = []
    for case in chosen:
        rows += compare_searches(case, rounds=args.rounds, quick=args.quick)
        write("bench_stacked", rows, results_folder(args))
    memory = measure_memory(2_000 if args.quick else 200_000)
    write("bench_stacked_memory", memory, results_folder(args))


if __name__ == "__main__":
    main()
