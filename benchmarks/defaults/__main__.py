"""Are the defaults good ones? Against PCA of equal size, and against alternatives.

``python -m benchmarks.defaults [QUESTION ...] [--mnist PATH] [--quick]``, run from the
root of the repository, answers some or all of: digits, tables, signals, photographs,
choices, variational, sparse, mnist. Each writes ``results/defaults_QUESTION.csv``. It
runs on one torch thread, and seconds are of processor time.
"""

import argparse
import warnings

import torch
from sklearn.exceptions import ConvergenceWarning

import skae
from benchmarks.common import add_results_option, results_folder, write
from benchmarks.defaults import against_alternatives, against_pca

QUESTIONS = {
    function.__name__: function
    for function in (
        against_pca.digits,
        against_pca.tables,
        against_pca.signals,
        against_pca.photographs,
        against_alternatives.choices,
        against_alternatives.variational,
        against_alternatives.sparse,
        against_pca.mnist,
    )
}


def main():
    """Answer the questions that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("questions", nargs="*", metavar="QUESTION")
    parser.add_argument("--mnist", help="an .npz file; without it MNIST is downloaded")
    parser.add_argument(
        "--quick", action="store_true", help="one seed, short ones only"
    )
    add_results_option(parser)
    options = parser.parse_args()
    short = ["digits", "tables", "signals"]
    names = options.questions or (short if options.quick else list(QUESTIONS))
    warnings.filterwarnings("ignore", category=skae.LayoutWarning)
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    torch.set_num_threads(1)
    for name in names:
        print(f"\n{name}: {QUESTIONS[name].__doc__}", flush=True)
        rows = list(QUESTIONS[name](options.quick, options.mnist))
        write(f"defaults_{name}", rows, results_folder(options))


if __name__ == "__main__":
    main()
