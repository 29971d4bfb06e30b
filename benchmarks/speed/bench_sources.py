"""What does training on rows that are not in memory take, and what does it cost?

``python -m benchmarks.speed.bench_sources [--part {memory,order}] [--quick]``, run from
the root of the repository, writes two files.

``results/bench_sources.csv``: rows of 1,000 columns that are made as they are read, up
to 20 GB of them. The peak of the resident memory of a new process above what it holds
after it has fitted 2,000 of them, network included, and the time of the processor
for each row of one epoch of `fit`, of `transform` and of `score`, on one thread. Making
the rows is included.

``results/bench_shuffling.csv``: R² of held-out rows, where rows in a file are sorted
along their first principal component, for buffers of several sizes and blocks of a
hundredth of the rows. It is the worst order: a block holds rows of one kind. Beside it,
the same rows in memory, shuffled together.
"""

import argparse
import multiprocessing
import time
import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

import skae
from benchmarks.common import (
    add_results_option,
    results_folder,
    spread,
    use_threads,
    write,
)
from benchmarks.speed.bench_stacked import make_table, memory_mb

N_FEATURES = 1000
SIZES = [312_500, 1_250_000, 5_000_000]  # 1.25, 5 and 20 GB
BUFFER = 20_000  # 80 MB
BUFFERS = [0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0]
SEEDS = range(5)


class Virtual:
    """Rows that are made when they are read: a slow drift, and factors with noise."""

    dtype = np.dtype(np.float32)

    def __init__(self, n_rows):
        self.shape = (n_rows, N_FEATURES)
        rng = np.random.RandomState(0)
        factors = rng.standard_normal((1000, 8)) @ rng.standard_normal((8, N_FEATURES))
        noise = 0.3 * rng.standard_normal(factors.shape)
        self.pool = (factors + noise).astype(np.float32)
        self.drift = rng.standard_normal(N_FEATURES).astype(np.float32)

    def __getitem__(self, index):
        start, stop, _ = index.indices(self.shape[0])
        places = np.arange(start, stop)
        share = (places / self.shape[0]).astype(np.float32)[:, np.newaxis]
        return self.pool[places % len(self.pool)] + share * self.drift


class Stored:
    """An array that is read in slices, in chunks of a file."""

    def __init__(self, samples, n_chunk):
        self.samples = samples
        self.shape, self.dtype, self.chunks = samples.shape, samples.dtype, (n_chunk,)

    def __getitem__(self, index):
        return self.samples[index]


def measure(n_rows, queue):
    """Put peaks of memory and times of one process in a queue."""
    use_threads(1)
    warnings.simplefilter("ignore")
    ae = skae.AutoencoderTransformer(
        8,
        hidden_layer_sizes=64,
        max_epochs=1,
        batch_size=512,
        shuffle_buffer=BUFFER,
        random_state=0,
    )
    ae.fit(Virtual(2000)).transform(Virtual(2000))
    X = Virtual(n_rows)
    before, found = memory_mb("VmRSS"), {}
    for name in ("fit", "transform", "score"):
        start = time.process_time()
        result = getattr(ae, name)(X)
        seconds = time.process_time() - start
        found[f"{name}_us_per_row"] = f"{1e6 * seconds / n_rows:.1f}"
        found[f"{name}_peak_mb"] = f"{memory_mb('VmHWM') - before:.0f}"
        codes_mb = result.nbytes / 1e6 if name == "transform" else 0.0
        found.update({"codes_mb": f"{codes_mb:.0f}"} if codes_mb else {})
        del result
        print(n_rows, name, found, flush=True)
    queue.put(found)


def measure_memory(sizes):
    """Return a row for each number of rows."""
    context = multiprocessing.get_context("spawn")
    rows = []
    for n_rows in sizes:
        queue = context.Queue()
        process = context.Process(target=measure, args=(n_rows, queue))
        process.start()
        found = queue.get()
        process.join()
        size = n_rows * N_FEATURES * 4
        buffer = BUFFER * N_FEATURES * 4
        rows.append(
            {
                "n_rows": n_rows,
                "x_gb": f"{size / 1e9:.2f}",
                "buffer_mb": f"{buffer / 1e6:.0f}",
                **found,
            }
        )
    return rows


def load_glyphs():
    """Return the images that lie beside the gallery, as rows."""
    with np.load("docs/gallery/glyphs.npz") as glyphs:
        images = next(x for x in glyphs.values() if x.ndim == 3)
    return images.reshape(len(images), -1) / 255


CASES = {
    "table 10,000 × 20": (lambda: make_table(10_000), 4),
    "digits": (lambda: load_digits().data / 16, 16),
    "glyphs": (load_glyphs, 32),
}


def compare_buffers(case, buffers, seeds):
    """Return a row for each size of the buffer."""
    load, n_components = CASES[case]
    X = load().astype(np.float32)
    rng = np.random.RandomState(0)
    order = rng.permutation(len(X))
    test, train = X[order[: len(X) // 5]], X[order[len(X) // 5 :]]
    pca = PCA(n_components, random_state=0).fit(train)
    train = train[np.argsort(pca.transform(train)[:, 0])]
    stored = Stored(train, max(1, len(train) // 100))
    scores = {}
    for seed in seeds:
        ae = skae.AutoencoderTransformer(n_components, random_state=seed)
        for share in buffers:
            ae.set_params(shuffle_buffer=max(1, round(share * len(train))))
            scores.setdefault(share, []).append(ae.fit(stored).score(test))
            print(case, seed, share, scores[share][-1], flush=True)
    baseline = ((test - pca.inverse_transform(pca.transform(test))) ** 2).sum()
    r2_pca = 1 - baseline / ((test - train.mean(0)) ** 2).sum()
    return [
        {
            "case": case,
            "n_rows": len(train),
            "buffer_share": share,
            **spread("r2", values),
            **spread("minus_full", np.subtract(values, scores[1.0]).tolist()),
            "r2_pca": f"{r2_pca:.4f}",
            "seeds": len(values),
        }
        for share, values in scores.items()
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=["memory", "order"])
    parser.add_argument("--quick", action="store_true")
    add_results_option(parser)
    args = parser.parse_args()
    use_threads(1)
    warnings.simplefilter("ignore")
    folder = results_folder(args)
    if args.part != "order":
        sizes = [size // 200 for size in SIZES] if args.quick else SIZES
        write("bench_sources", measure_memory(sizes), folder)
    if args.part != "memory":
        rows = []
        for case in ["digits"] if args.quick else CASES:
            buffers = [0.1, 1.0] if args.quick else BUFFERS
            seeds = [0] if args.quick else SEEDS
            rows += compare_buffers(case, buffers, seeds)
        write("bench_shuffling", rows, folder)


if __name__ == "__main__":
    main()
