"""Do clusters appear in the code of sparse rows, and what does a fit take?

``python -m benchmarks.sparse_rows [--quick]``, run from the root of the repository,
writes ``results/sparse_rows.csv``: cells of eight generated types, by counts of genes,
and documentation strings of four packages, by words. KMeans with the true number of
clusters is run on the code; the score is the adjusted mutual information with the
truth, the median of three seeds. ``TruncatedSVD`` gets the same matrix. Then, in
``results/sparse_memory.csv``, the peak of the memory of a process, for a random matrix
of 20,000 x 20,000 with 0.5 % of its entries: that of the process before the fit, and
after. All settings but the size of the code, 32, and the loss are defaults.
"""

import argparse
import importlib
import inspect
import multiprocessing
import pathlib
import resource
import statistics
import tempfile
import time
import warnings

import numpy as np
import torch
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.metrics import adjusted_mutual_info_score

import skae
from benchmarks.common import add_results_option, results_folder, use_threads, write

N_COMPONENTS = 32
PACKAGES = ("numpy", "scipy.stats", "sklearn.metrics", "torch.nn.functional")


def cells(seed):
    """Return counts of genes in cells of eight types, and the types."""
    rng = np.random.default_rng(seed)
    n_cells, n_genes, n_types = 2000, 1500, 8
    base = rng.gamma(0.3, 1.0, n_genes)
    change = np.where(
        rng.random((n_types, n_genes)) < 0.05,
        rng.lognormal(0.5, 0.7, (n_types, n_genes)),
        1,
    )
    types = rng.integers(0, n_types, n_cells)
    rate = base * change[types]
    rate *= 300 * rng.lognormal(0, 0.4, (n_cells, 1)) / rate.sum(axis=1, keepdims=True)
    return sparse.csr_array(rng.poisson(rate).astype(np.float64)), types


def documents():
    """Return the documentation strings of functions and classes, and their packages."""
    texts, labels = [], []
    for label, name in enumerate(PACKAGES):
        module = importlib.import_module(name)
        for attribute in sorted(dir(module)):
            if attribute.startswith("_"):
                continue
            value = getattr(module, attribute)
            text = inspect.getdoc(value) if callable(value) else None
            if text and len(text) > 200:
                texts.append(text[:2000])
                labels.append(label)
    return texts, np.array(labels)


def matrices(seed):
    """Return matrices by name, with the losses that suit them, and true clusters."""
    counts, types = cells(seed)
    logs = counts.copy()
    logs.data = np.log1p(logs.data)
    texts, packages = documents()
    words = CountVectorizer(min_df=3, stop_words="english").fit_transform(texts)
    weights = TfidfVectorizer(min_df=3, stop_words="english").fit_transform(texts)
    return {
        "cells, counts": (counts, types, ("squared_error", "poisson")),
        "cells, log(1 + counts)": (logs, types, ("squared_error",)),
        "documents, counts": (words, packages, ("squared_error", "poisson")),
        "documents, TF-IDF": (weights, packages, ("squared_error",)),
    }


def contestants(losses, seed):
    """Return the estimators that are compared."""
    found = {"TruncatedSVD": TruncatedSVD(N_COMPONENTS, random_state=seed)}
    for loss in losses:
        ae = skae.AutoencoderTransformer(N_COMPONENTS, loss=loss, random_state=seed)
        found[f"skae, {loss}"] = ae
    return found


def measure(seed):
    """Yield the matrix, the contestant, the score of clusters and the seconds."""
    for name, (X, truth, losses) in matrices(seed).items():
        for contestant, estimator in contestants(losses, seed).items():
            start = time.process_time()
            codes = estimator.fit_transform(X)
            seconds = time.process_time() - start
            clusters = KMeans(len(np.unique(truth)), n_init=10, random_state=0)
            found = clusters.fit_predict(codes)
            yield name, contestant, adjusted_mutual_info_score(truth, found), seconds


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _memory(path, contestant, queue):
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    X = sparse.load_npz(path)
    before = _peak()
    if contestant == "TruncatedSVD":
        TruncatedSVD(N_COMPONENTS, random_state=0).fit(X).transform(X)
        network = 0.0
    else:
        ae = skae.AutoencoderTransformer(N_COMPONENTS, max_epochs=1, random_state=0)
        ae.fit(X).transform(X)
        network = sum(x.nbytes for x in ae.net_.module_.state_dict().values()) / 2**20
    queue.put((before, _peak(), network))


def memory(folder):
    """Yield the contestant, and megabytes: before, the peak, and of the network."""
    rng = np.random.default_rng(0)
    n, n_entries = 20_000, 2_000_000
    places = rng.integers(0, n, (2, n_entries))
    values = rng.random(n_entries, dtype=np.float32) + 0.1
    path = folder / "rows.npz"
    sparse.save_npz(path, sparse.csr_array((values, places), (n, n)), compressed=False)
    context = multiprocessing.get_context("spawn")
    for contestant in ("TruncatedSVD", "skae"):
        queue = context.Queue()
        process = context.Process(target=_memory, args=(path, contestant, queue))
        process.start()
        yield contestant, *queue.get()
        process.join()


def main():
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed, no memory")
    parser.add_argument("--threads", type=int, default=1)
    add_results_option(parser)
    options = parser.parse_args()
    use_threads(options.threads)
    warnings.simplefilter("ignore")
    found = {}
    for seed in range(1 if options.quick else 3):
        for name, contestant, score, seconds in measure(seed):
            found.setdefault((name, contestant), []).append((score, seconds))
            print(
                seed, name, contestant, round(score, 3), round(seconds, 2), flush=True
            )
    rows = [
        {
            "contestant": f"{name}: {contestant}",
            "information": round(statistics.median(x for x, _ in pairs), 3),
            "spread": round(max(pairs)[0] - min(pairs)[0], 3),
            "seconds": round(statistics.median(x for _, x in pairs), 2),
        }
        for (name, contestant), pairs in found.items()
    ]
    write("sparse_rows", rows, results_folder(options))
    if options.quick:
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            {
                "contestant": contestant,
                "before_mb": round(before),
                "peak_mb": round(peak),
                "network_mb": round(network),
            }
            for contestant, before, peak, network in memory(pathlib.Path(folder))
        ]
    write("sparse_memory", rows, results_folder(options))


if __name__ == "__main__":
    main()
