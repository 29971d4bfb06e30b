r"""
More rows than memory
=====================

How do you train an autoencoder on a file that does not fit in memory, and how much
worse is it than with data in memory?

Training in batches needs only a few rows at a time, but these should be a random sample
of all rows. Many files are sorted, for example by time. If a batch contains only
neighbouring rows, the network forgets the others. skae reads blocks of rows from random
places of the file into a *shuffle buffer* of :math:`b` rows, and takes each batch at
random from this buffer. The buffer needs the memory

.. math:: b \times n_\text{features} \times \text{bytes per value}

regardless of the number of rows in the file.

**You learn** how to fit to a file with `shuffle_buffer` and what `partial_fit` is for,
how to search for parameters on a part of the file and encode all of it, and how to
resume training after an interruption.
"""

# sphinx_gallery_thumbnail_number = 1

import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap
from sklearn.base import clone
from sklearn.decomposition import IncrementalPCA
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from skorch.callbacks import Callback

from skae import AutoencoderTransformer, StackedGridSearchCV

# %%
# A sorted file
# -------------
# Each row is a signal of 64 time steps with one peak. The position of the peak drifts
# slowly, so neighbouring rows are similar, as in many recordings. The file is written
# in blocks, and then opened as a memory map: rows are read when they are used. It has
# only 200,000 rows, so that this example runs in seconds. The code is the same for a
# file of any size.

folder = TemporaryDirectory()
path = Path(folder.name)
n_rows, n_steps = 200_000, 64
blocks = [slice(start, start + 10_000) for start in range(0, n_rows, 10_000)]


def make_signals(positions, rng):
    """Return signals with a peak of random width at each position."""
    width = rng.uniform(2, 6, (len(positions), 1))
    distance = np.arange(n_steps) - positions[:, np.newaxis]
    peak = np.exp(-0.5 * (distance / width) ** 2)
    return (peak + 0.05 * rng.standard_normal(peak.shape)).astype(np.float32)


rng = np.random.default_rng(0)
positions = np.linspace(5, 58, n_rows)
file = open_memmap(path / "X.npy", "w+", np.float32, (n_rows, n_steps))
for block in blocks:
    file[block] = make_signals(positions[block], rng)
file.flush()

X = np.load(path / "X.npy", mmap_mode="r")
test_positions = rng.uniform(5, 58, 3000)
X_test = make_signals(test_positions, rng)
print(f"{type(X).__name__} of shape {X.shape}, {X.nbytes / 1e6:.0f} MB")

# %%
# Search on a part of the file
# ----------------------------
# A search does not need all rows. We take 2000 random rows into memory, where
# :class:`~skae.StackedGridSearchCV` trains candidates with layers of the same size
# together. The rows are still sorted, so the folds have to be shuffled.

sample = X[np.sort(rng.choice(n_rows, 2000, replace=False))]
search = StackedGridSearchCV(
    AutoencoderTransformer(4, max_epochs=10, random_state=0),
    {"hidden_layer_sizes": [32, 128], "lr": [0.01, 0.03]},
    cv=KFold(3, shuffle=True, random_state=0),
).fit(sample)
results = pd.DataFrame(search.cv_results_)
results[["param_hidden_layer_sizes", "param_lr", "mean_test_score"]].round(3)

# %%
# Fit to the file
# ---------------
# A memory map is passed to `fit` like an array. With ``shuffle_buffer=10_000``, one row
# in twenty is in memory at a time. By default, the buffer holds as many rows as fit in
# 256 MiB. If this is enough for the whole file, the result is the same as for an array.

ae = AutoencoderTransformer(
    4,
    max_epochs=2,
    batch_size=1024,
    shuffle_buffer=10_000,
    random_state=0,
    **search.best_params_,
)


def from_file():
    """Fit to the memory map."""
    return clone(ae).fit(X)


def in_memory():
    """Load the file, and fit to the array."""
    return clone(ae).fit(np.load(path / "X.npy"))


# %%
# `partial_fit` trains for one epoch on the rows that it receives. It is meant for rows
# that arrive one block after the other. Here it receives the blocks of the file in
# their order, twice. :class:`~sklearn.decomposition.IncrementalPCA` is the
# baseline; it also reads the file in blocks.


def by_blocks():
    """Train on the blocks in the order of the file."""
    streamed = clone(ae)
    for block in 2 * blocks:
        streamed.partial_fit(X[block])
    return streamed


def by_pca():
    """Fit a linear code to the blocks."""
    pca = IncrementalPCA(4)
    for block in blocks:
        pca.partial_fit(X[block])
    return pca


# %%
# We measure R² on new signals, and the peak of the memory that NumPy arrays take during
# the fit.

fitted, table = {}, {}
contestants = {
    "in memory": in_memory,
    "shuffle_buffer": from_file,
    "partial_fit, sorted": by_blocks,
    "IncrementalPCA": by_pca,
}
for name, fit in contestants.items():
    tracemalloc.start()
    fitted[name] = fit()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    decoded = fitted[name].inverse_transform(fitted[name].transform(X_test))
    r2 = r2_score(X_test, decoded, multioutput="variance_weighted")
    table[name] = {"R²": r2, "peak memory, MB": peak / 1e6}
table = pd.DataFrame(table).T
table.round(3)

# %%

_, ax = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
edges = np.linspace(5, 58, 12)
centres = (edges[1:] + edges[:-1]) / 2
groups = np.digitize(test_positions, edges) - 1
for (name, model), width in zip(fitted.items(), (8, 2, 2, 2), strict=True):
    decoded = model.inverse_transform(model.transform(X_test))
    error = pd.Series(((decoded - X_test) ** 2).mean(axis=1))
    ax.plot(centres, error.groupby(groups).mean(), label=name, linewidth=width)
ax.set_title("Sorted blocks: partial_fit forgets", fontsize=17)
ax.set_xlabel("position of the peak, and place in the file", fontsize=14)
ax.set_ylabel("mean squared error", fontsize=14)
ax.set(yscale="log", xlim=(5, 58))
ax.legend(fontsize=13, ncols=2, loc=(0.02, 0.12))
plt.show()

# %%
# The fit to the file is about as good as the fit in memory, although the file is
# sorted. Its peak memory is smaller, and does not grow with the file: besides the
# buffer, it includes a sample of rows for computing the initial PCA. IncrementalPCA and
# `partial_fit` need even less. But in sorted blocks, `partial_fit` learns the last rows
# of the file and forgets all others, and is worse than predicting the mean. Shuffle the
# rows before you split them into blocks, or use `fit`.
#
# Encode the file
# ---------------
# `transform` reads a memory map in pieces and returns the codes as an array. If the
# codes do not fit in memory either, write them to a second file block by block:

model = fitted["shuffle_buffer"]
codes = open_memmap(path / "codes.npy", "w+", np.float32, (n_rows, 4))
for block in blocks:
    codes[block] = model.transform(X[block])
codes.flush()
print(f"codes: {codes.shape}, {codes.nbytes / 1e6:.0f} MB")

# %%
# Resume after an interruption
# ----------------------------
# Training on a large file takes long, and may be interrupted. With ``checkpoint=path``,
# `fit` writes its state to a file while it trains. The same call resumes there, in the
# same process or in a new one. Here a callback simulates a power cut after the first
# epoch:


class PowerCut(Callback):
    """Interrupt the first fit after one epoch."""

    comes = True

    def on_epoch_end(self, net, **kwargs):
        if PowerCut.comes and len(net.history) == 1:
            PowerCut.comes = False
            raise RuntimeError("power cut")


checkpoint = path / "fit.checkpoint"
resumed = clone(ae).set_params(checkpoint=checkpoint, callbacks=[PowerCut()])
try:
    resumed.fit(X)
except RuntimeError as error:
    print(f"{error}; checkpoint: {checkpoint.stat().st_size / 1000:.0f} kB")

resumed.fit(X)
is_equal = np.array_equal(resumed.transform(X_test), model.transform(X_test))
print(f"codes as without the interruption: {is_equal}")
print(f"checkpoint after the fit: {checkpoint.exists()}")

# %%
# The result is equal, bit for bit, to that of a fit without interruption.
# :doc:`/guide/training` lists the other kinds of files and tables that `fit` reads,
# such as Parquet, HDF5 and arrays of dask, and :doc:`/performance` has memory and times
# for up to 20 GB.

folder.cleanup()
