"""Is training faster in bfloat16 or compiled, and what does bfloat16 cost in quality?

``python -m benchmarks.speed.bench_precision [CASE ...] [--mnist PATH] [--rounds N]``,
run from the root of the repository, writes ``results/bench_precision.csv``: seconds of
two more epochs of a fitted estimator, by precision, and R² on held-out rows after five
epochs, for three seeds. ``precision="auto"`` has to choose the faster one. ``compiled``
is ``net_params={"compile": True}``, where `first` holds the seconds of compilation. The
column `amx` holds the capability of the processor that decides. For convolutions,
``contiguous`` is the same network in float32 with feature maps and kernels in torch's
default memory layout.
"""

import argparse
import time

import numpy as np
import torch

import skae
from benchmarks.common import (
    add_results_option,
    compare,
    load_mnist,
    results_folder,
    use_threads,
    write,
)
from skae._networks.layers import ToImage

CASES = {
    "table 20-16-4, batch 128": (skae.AutoencoderTransformer, 4, (16,), 128),
    "784-16-8, batch 32": (skae.AutoencoderTransformer, 8, (16,), 32),
    "784-64-16, batch 64": (skae.AutoencoderTransformer, 16, (64,), 64),
    "784-64-16, batch 128": (skae.AutoencoderTransformer, 16, (64,), 128),
    "784-256-32, batch 32": (skae.AutoencoderTransformer, 32, (256,), 32),
    "784-256-32, batch 64": (skae.AutoencoderTransformer, 32, (256,), 64),
    "784-256-32, batch 128": (skae.AutoencoderTransformer, 32, (256,), 128),
    "784-256-32, batch 1024": (skae.AutoencoderTransformer, 32, (256,), 1024),
    "784-1024-512-32, batch 128": (
        skae.AutoencoderTransformer,
        32,
        (1024, 512),
        128,
    ),
    "variational 784-400-20, batch 128": (
        skae.VariationalAutoencoder,
        20,
        (400,),
        128,
    ),
    "convolutional (16, 32), batch 128": (skae.ConvAutoencoder, 32, None, 128),
}
EPOCHS = 5


def make(case, precision, **settings):
    """Return the estimator of a case."""
    cls, n_components, hidden, batch_size = CASES[case]
    own = (
        {"image_shape": (28, 28)}
        if cls is skae.ConvAutoencoder
        else {"hidden_layer_sizes": hidden}
    )
    return cls(
        n_components,
        batch_size=batch_size,
        n_iter_no_change=None,
        early_stopping=False,
        precision=precision,
        **{"random_state": 0, **own, **settings},
    )


def make_rows(case, mnist):
    """Return training rows and held-out rows."""
    if case.startswith("table"):
        rng = np.random.RandomState(0)
        hidden = rng.standard_normal((6000, 4)) @ rng.standard_normal((4, 20))
        X = np.tanh(hidden).astype(np.float32)
        return X[:5000], X[5000:]
    X, X_test, *_ = mnist
    return X[:5000], X_test[:5000]


def quality(case, precision, rows):
    """Return R² on held-out rows, for three seeds."""
    X, X_test = rows
    scores = [
        make(case, precision, max_epochs=EPOCHS, random_state=seed).fit(X).score(X_test)
        for seed in range(3)
    ]
    return {
        "r2": round(float(np.mean(scores)), 5),
        "r2_by_seed": " ".join(f"{score:.4f}" for score in scores),
    }


def timed_epochs(case, precision, X):
    """Return a function that runs more epochs of a fitted estimator."""
    ae = make(case, precision, max_epochs=2, lr_schedule="constant").fit(X)
    return lambda: ae.set_params(warm_start=True).fit(X)


def timed_contiguous(case, X):
    """Return the same for feature maps whose channels are not interleaved."""
    ae = make(case, "float32", max_epochs=2, lr_schedule="constant").fit(X)
    module = ae.net_.module_.to(memory_format=torch.contiguous_format)
    for layer in module.modules():
        if isinstance(layer, ToImage):
            layer.interleaved = False
    return lambda: ae.set_params(warm_start=True).fit(X)


def timed_compiled(case, X):
    """Return the same for a compiled module, and the seconds of compilation."""
    ae = make(
        case,
        "float32",
        max_epochs=1,
        lr_schedule="constant",
        net_params={"compile": True},
    )
    start = time.perf_counter()
    ae.fit(X)
    first = time.perf_counter() - start
    ae.set_params(max_epochs=2, warm_start=True)
    return lambda: ae.fit(X), first


def run(case, mnist, rounds, *, compiled):
    """Return the rows of one case."""
    rows = make_rows(case, mnist)
    precisions = ("float32", "bfloat16", "auto")
    contestants = {name: timed_epochs(case, name, rows[0]) for name in precisions}
    facts = {name: {"first": "", **quality(case, name, rows)} for name in precisions}
    if case.startswith("convolutional"):
        contestants["contiguous"] = timed_contiguous(case, rows[0])
        facts["contiguous"] = {"first": "", "r2": "", "r2_by_seed": ""}
    if compiled:
        contestants["compiled"], first = timed_compiled(case, rows[0])
        facts["compiled"] = {"first": f"{first:.1f}", "r2": "", "r2_by_seed": ""}
    chosen = make(case, "auto", max_epochs=1).fit(rows[0]).net_.precision
    found = compare(contestants, reference="float32", rounds=rounds)
    return [
        {
            "case": case,
            **row,
            **facts[row["contestant"]],
            "auto": chosen,
            "n_rows": len(rows[0]),
            "amx": bool(torch.cpu.get_capabilities().get("amx_bf16")),
        }
        for row in found
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--mnist", help="an .npz file of MNIST; else OpenML")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compiled", action="store_true", help="compile, too")
    add_results_option(parser)
    args = parser.parse_args()
    use_threads(args.threads)
    mnist = load_mnist(args.mnist)
    rows = []
    for case in args.cases or CASES:
        rows += run(case, mnist, args.rounds, compiled=args.compiled)
    write("bench_precision", rows, results_folder(args))


if __name__ == "__main__":
    main()
