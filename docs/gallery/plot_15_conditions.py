r"""
The same hand, another digit
============================

A variational autoencoder can be told what is known of a sample: its digit, its batch,
the age of a patient. This example shows what that is good for: to change the digit and
keep the hand, and to take out what differs between batches.

A *conditional* variational autoencoder gives the condition :math:`c` to both networks,
:math:`z = f(x, c)` and :math:`\hat x = g(z, c)`. What the condition tells need not be
in the code, which keeps the rest: of a digit, how it is written.
"""

# sphinx_gallery_thumbnail_number = 1

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from skae import VariationalAutoencoder

glyphs = np.load("glyphs.npz")
X = glyphs["images"].reshape(-1, 784) / np.float32(255)
train, test = train_test_split(np.arange(len(X)), test_size=0.25, random_state=0)
digit = glyphs["label"].astype(int)

# %%
# A digit becomes another one
# ---------------------------
# The images are those of :doc:`plot_06_blending`, in
# :download:`glyphs.npz </gallery/glyphs.npz>`. Labels are given to `fit` as a
# condition: they are never taken from `y`. The first column has images that the model
# has not seen; the other ones are decoded from the same code, each with another digit.

vae = VariationalAutoencoder(8, max_epochs=30, random_state=0)
vae.fit(X[train], condition=digit[train])

originals = np.concatenate([test[digit[test] == k][:1] for k in (3, 7, 4, 2, 8)])
table = [X[originals]]
for new in range(10):
    changed = vae.reconstruct(
        X[originals], condition=digit[originals], new_condition=new
    )
    table.append(changed)
grid = np.stack(table, axis=1).reshape(len(originals), 11, 28, 28)
fig, ax = plt.subplots(figsize=(9, 4.2), layout="constrained")
ax.imshow(np.block([[*row] for row in grid]), cmap="gray", vmin=0, vmax=1)
ax.axvline(27.5, color="tab:orange", lw=3)
ax.set_xticks(14 + 28 * np.arange(11), ["original", *range(10)])
ax.set_yticks([])
plt.show()

# %%
# How each image was drawn is known here, so that what is kept can be measured: a linear
# regression on the code finds the rotation and the stroke weight of held-out images.
# What the condition tells has left the code: without a condition, a classifier finds
# the digit in it.


def describe(codes):
    """Return what a code of all images tells, on held-out images."""
    classifier = LogisticRegression(max_iter=1000).fit(codes[train], digit[train])
    found = {"digit": classifier.score(codes[test], digit[test])}
    design = np.column_stack([codes, np.ones(len(codes))])
    for name in ("rotation", "weight"):
        wanted = glyphs[name]
        solution = np.linalg.lstsq(design[train], wanted[train], rcond=None)[0]
        found[name] = np.corrcoef(design[test] @ solution, wanted[test])[0, 1]
    return found


bare = VariationalAutoencoder(8, max_epochs=30, random_state=0).fit(X[train])
pd.DataFrame(
    {
        "with the digit as condition": describe(vae.transform(X, condition=digit)),
        "without": describe(bare.transform(X)),
    }
).round(2)

# %%
# The first row is the accuracy of the classifier, the others are correlations.
#
# Samples of one digit
# --------------------
# `sample` takes the digit that is wanted, one for all samples or one for each:

sampled = vae.sample(20, condition=np.repeat([2, 5], 10), random_state=0)
fig, ax = plt.subplots(figsize=(9, 2), layout="constrained")
rows = sampled.reshape(2, 10, 28, 28)
ax.imshow(np.block([[*row] for row in rows]), cmap="gray", vmin=0, vmax=1)
ax.axis("off")
plt.show()

# %%
# A batch effect
# --------------
# The same takes out what differs between two machines, days or laboratories. Here half
# of the images were taken by a scanner with less contrast and a shadow. A classifier
# tells the scanner from the first components of PCA; beside the condition, the code
# says little of it (0.5 is chance).

scanner = np.random.default_rng(0).integers(0, 2, len(X))
shadow = np.tile(np.linspace(0, 0.4, 28), 28)
scanned = np.where(scanner[:, np.newaxis] == 1, 0.5 * X + shadow, X)

vae = VariationalAutoencoder(8, max_epochs=30, random_state=0)
vae.fit(scanned[train], condition=scanner[train])
codes = {
    "PCA": PCA(8).fit(scanned[train]).transform(scanned),
    "the scanner as condition": vae.transform(scanned, condition=scanner),
}
for name, Z in codes.items():
    classifier = LogisticRegression(max_iter=1000).fit(Z[train], scanner[train])
    accuracy = classifier.score(Z[test], scanner[test])
    print(f"scanner found by a classifier of codes, {name}: {accuracy:.2f}")

# %%
# ``new_condition=0`` decodes all images as of the first scanner:

darker = test[scanner[test] == 1][:10]
mended = vae.reconstruct(scanned[darker], condition=1, new_condition=0)
rows = np.stack([scanned[darker], mended]).reshape(2, 10, 28, 28)
fig, ax = plt.subplots(figsize=(9, 2), layout="constrained")
ax.imshow(np.block([[*row] for row in rows]), cmap="gray", vmin=0, vmax=1)
ax.set_yticks([14, 42], ["as scanned", "as by the first"])
ax.set_xticks([])
plt.show()

# %%
# :doc:`/conditions` measures both on other data, and compares with the addition of the
# difference of two mean codes.
