"""How long does `transform` take, compared with the bare module and with PCA?

``python -m benchmarks.speed.bench_inference [--mnist PATH] [--rounds N]``, run from the
root of the repository, writes ``results/bench_inference.csv``; ``--quick`` has fewer
rows. The bare module runs without autograd and without checks on slices of
the same array, 1024 rows at a time. A single row is compared with ``PCA.transform`` of
the same size, where both check their input.
"""

import argparse

import numpy as np
import torch

import skae
from benchmarks.common import (
    add_results_option,
    compare,
    fit_pca,
    load_images,
    results_folder,
    use_threads,
    write,
)

BATCH_SIZE = 1024


def bare(module, X):
    """Apply a module to X by a handwritten loop."""
    with torch.inference_mode():
        codes = [module(x) for x in torch.from_numpy(X).split(BATCH_SIZE)]
        return torch.cat(codes).numpy()


def repeat(function, times):
    """Return a function that calls `function` several times."""

    def run():
        for _ in range(times):
            function()

    return run


def make_cases(X):
    """Yield a name, the contestants and the name of the reference."""
    for name, ae in (
        ("dense 784-256-32", skae.AutoencoderTransformer(32, max_epochs=1)),
        (
            "convolutional (16, 32)",
            skae.ConvAutoencoder(32, image_shape=(28, 28), max_epochs=1),
        ),
    ):
        yield from make_cases_of(name, ae.set_params(random_state=0).fit(X[:2000]), X)


def make_cases_of(name, ae, X):
    """Yield the cases of one estimator."""
    pca = fit_pca(32, X[:2000])
    codes = ae.transform(X)
    encoder, decoder = ae.encoder_, ae.decoder_
    np.testing.assert_allclose(codes, bare(encoder, X), rtol=1e-4, atol=1e-5)
    yield (
        f"{name}, transform of {len(X)} rows",
        {
            "bare module": lambda: bare(encoder, X),
            "skae": lambda: ae.transform(X),
        },
        "bare module",
    )
    yield (
        f"{name}, inverse_transform of {len(X)} rows",
        {
            "bare module": lambda: bare(decoder, codes),
            "skae": lambda: ae.inverse_transform(codes),
        },
        "bare module",
    )
    row = X[:1]
    yield (
        f"{name}, transform of one row, 200 times",
        {
            "PCA": repeat(lambda: pca.transform(row), 200),
            "skae": repeat(lambda: ae.transform(row), 200),
        },
        "PCA",
    )
    one, two = X[:1000], X[1000:2000]

    def transform_and_back(n_steps):
        ae.transform(one)
        ae.transform(two)
        ae.inverse_transform(np.repeat(codes[:1000], n_steps, axis=0))

    yield (
        f"{name}, 1000 walks of 7 steps",
        {
            "transform and inverse_transform": lambda: transform_and_back(7),
            "interpolate": lambda: ae.interpolate(one, two, 7),
        },
        "transform and inverse_transform",
    )
    yield (
        f"{name}, 1000 blends",
        {
            "transform and inverse_transform": lambda: transform_and_back(1),
            "blend": lambda: ae.blend(one, two),
        },
        "transform and inverse_transform",
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", help="an .npz file of MNIST; else OpenML")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="few rows")
    add_results_option(parser)
    args = parser.parse_args()
    use_threads(args.threads)
    X = load_images(args, n_rows=10_000)[0]
    rows = []
    for name, contestants, reference in make_cases(X):
        found = compare(contestants, reference=reference, rounds=args.rounds)
        rows += [{"case": name, **row} for row in found]
    write("bench_inference", rows, results_folder(args))


if __name__ == "__main__":
    main()
