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

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPRegressor

import skae
from benchmarks.common import add_results_option, results_folder, use_threads, write

N_FEATURES, N_COMPONENTS, WIDTH = 64, 2, 256


def cases(X):
    """Yield the name of a call, and the contestants; the first is the reference."""
    ae = skae.AutoencoderTransformer(N_COMPONENTS, random_state=0).partial_fit(X)
    layers = (WIDTH, N_COMPONENTS, WIDTH)
    mlp = MLPRegressor(hidden_layer_sizes=layers, random_state=0).partial_fit(X, X)
    for n_rows in (1, 32, 100):
        chunk = X[:n_rows]
        yield (
            f"partial_fit, {n_rows} rows",
            {
                "MLPRegressor": lambda chunk=chunk: mlp.partial_fit(chunk, chunk),
                "skae": lambda chunk=chunk: ae.partial_fit(chunk),
            },
        )
    pca = PCA(N_COMPONENTS).fit(X)
    fitted = skae.AutoencoderTransformer(N_COMPONENTS, max_epochs=1).fit(X)
    conv = skae.ConvAutoencoder(N_COMPONENTS, image_shape=(8, 8), max_epochs=1).fit(X)
    row = X[:1]
    yield (
        "transform, 1 row",
        {
            "PCA": lambda: pca.transform(row),
            "skae": lambda: fitted.transform(row),
            "skae, convolutional": lambda: conv.transform(row),
        },
    )


def clock(contestants, n_calls):
    """Return the seconds of each call of each contestant, in turn."""
    seconds = {name: [] for name in contestants}
    for call in range(n_calls + 20):
        for name, function in contestants.items():
            start = time.perf_counter()
            function()
            if call >= 20:  # the first ones warm up
                seconds[name].append(time.perf_counter() - start)
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
    for call, contestants in cases(X):
        seconds = clock(contestants, options.calls)
        first = statistics.median(seconds[next(iter(contestants))])
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
