"""How long does `import skae` take, compared with importing its dependencies?

``python -m benchmarks.speed.bench_import [--rounds N]``, run from the root of the
repository, writes ``results/bench_import.csv``. Each import runs in a new process, in
turn with the others, and its processor time is measured inside that process. Each has
run once before, so that files are cached and compiled.
"""

import argparse
import subprocess
import sys

from benchmarks.common import add_results_option, ratios, results_folder, spread, write

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
    """Return the processor time of an import in a new process."""
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
        rows.append(
            {
                "contestant": name,
                **spread("seconds", values),
                **spread("ratio", ratios(values, seconds[REFERENCE])),
                # Other programs on the machine disturb minima least.
                "ratio_of_minima": f"{min(values) / min(seconds[REFERENCE]):.4g}",
                "rounds": args.rounds,
            }
        )
    write("bench_import", rows, results_folder(args))


if __name__ == "__main__":
    main()
