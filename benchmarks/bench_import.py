"""What does `import skae` cost beside importing what it builds on?

``python benchmarks/bench_import.py [--rounds N]`` writes ``results/bench_import.csv``.
Each import runs in a fresh process, in turn with the others, and its processor time is
taken inside that process. All have run once before, so that files are cached and
compiled.
"""

import argparse
import statistics
import subprocess
import sys

from common import add_results_option, results_folder, write

BASE = (
    "numpy, torch, torch.utils.data, skorch, skorch.callbacks, "
    "sklearn.base, sklearn.utils.validation"
)
REFERENCE = "torch, scikit-learn, skorch"
CONTESTANTS = {
    f"{REFERENCE} without decomposition": BASE,
    REFERENCE: f"{BASE}, sklearn.decomposition",
    "skae": "skae",
}
PROGRAM = """
import time
start = time.process_time()
import {modules}
print(time.process_time() - start)
"""


def seconds_of(modules):
    """Return the processor time of an import in a fresh process."""
    command = [sys.executable, "-c", PROGRAM.format(modules=modules)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    add_results_option(parser)
    args = parser.parse_args()
    seconds = {name: [] for name in CONTESTANTS}
    for i in range(-1, args.rounds):
        for name in list(CONTESTANTS)[:: 1 if i % 2 else -1]:
            found = seconds_of(CONTESTANTS[name])
            if i >= 0:
                seconds[name].append(found)
    rows = []
    for name, values in seconds.items():
        ratios = [a / b for a, b in zip(values, seconds[REFERENCE], strict=True)]
        row = {"contestant": name}
        for column, numbers in (("seconds", values), ("ratio", ratios)):
            row[column] = f"{statistics.median(numbers):.4g}"
            row[f"{column}_min"] = f"{min(numbers):.4g}"
            row[f"{column}_max"] = f"{max(numbers):.4g}"
        # Minima are what the rest of the machine disturbs least.
        row["ratio_of_minima"] = f"{min(values) / min(seconds[REFERENCE]):.4g}"
        rows.append({**row, "rounds": args.rounds})
    write("bench_import", rows, results_folder(args))


if __name__ == "__main__":
    main()
