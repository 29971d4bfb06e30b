"""What does a call cost that has hardly anything to compute? Streams, and servers.

``python -m benchmarks.speed.bench_calls [--calls N]``, run from the root of the
repository, writes ``results/bench_calls.csv``: the median and the 99th percentile of
single calls by the clock, contestants in turn. `partial_fit` of few rows is compared
with ``MLPRegressor.partial_fit``, with the same layers and the chunk as its own target;
`transform` of a single row with that of PCA. All check their input.
"""

import argparse
import statistics
import time
from functools import partial

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPRegressor

import skae
from benchmarks.common import add_results_option, results_folder, use_threads, write

N_FEATURES, N_COMPONENTS, WIDTH = 64, 2, 256


def streams(X, n_rows):
    """Return the contestants of `partial_fit`, new ones."""
    ae = skae.AutoencoderTransformer(N_COMPONENTS, random_state=0).partial_fit(X)
    layers = (WIDTH, N_COMPONENTS, WIDTH)
    mlp = MLPRegressor(hidden_layer_sizes=layers, random_state=0).partial_fit(X, X)
    chunk = X[:n_rows]
    return {
        "MLPRegressor": lambda: mlp.partial_fit(chunk, chunk),
        "skae": lambda: ae.partial_fit(chunk),
    }


def encoders(X):
    """Return the contestants of `transform`."""
    pca = PCA(N_COMPONENTS).fit(X)
    ae = skae.AutoencoderTransformer(N_COMPONENTS, max_epochs=1).fit(X)
    conv = skae.ConvAutoencoder(N_COMPONENTS, image_shape=(8, 8), max_epochs=1).fit(X)
    row = X[:1]
    return {
        "PCA": lambda: pca.transform(row),
        "skae": lambda: ae.transform(row),
        "skae, convolutional": lambda: conv.transform(row),
    }


CASES = {
    "partial_fit, 1 row": partial(streams, n_rows=1),
    "partial_fit, 32 rows": partial(streams, n_rows=32),
    "partial_fit, 100 rows": partial(streams, n_rows=100),
    "transform, 1 row": encoders,
}


def clock(make, n_calls):
    """Return the seconds of each call of each contestant, in turn.

    They are made anew every 50 calls: a network that is trained on the same rows for
    thousands of steps multiplies tiny numbers, which takes several times as long.
    """
    seconds = {}
    while len(next(iter(seconds.values()), ())) < n_calls:
        contestants = make()
        for call in range(60):
            for name, function in contestants.items():
                start = time.perf_counter()
                function()
                if call >= 10:  # the first ones warm up
                    took = time.perf_counter() - start
                    seconds.setdefault(name, []).append(took)
    return seconds


def main():
    """Measure each call."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    add_results_option(parser)
    options = parser.parse_args()
    use_threads(options.threads)
    X = np.random.default_rng(0).random((100, N_FEATURES), dtype=np.float32)
    rows = []
    for call, make in CASES.items():
        seconds = clock(partial(make, X), options.calls)
        first = statistics.median(next(iter(seconds.values())))
        for name, found in seconds.items():
            median = statistics.median(found)
            rows.append(
                {
                    "contestant": f"{call}: {name}",
                    "median_ms": round(1e3 * median, 3),
                    "p99_ms": round(1e3 * float(np.quantile(found, 0.99)), 3),
                    "ratio": round(median / first, 2),
                }
            )
            print(rows[-1], flush=True)
    write("bench_calls", rows, results_folder(options))


if __name__ == "__main__":
    main()
