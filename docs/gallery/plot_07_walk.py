r"""
Interpolation in seven steps
============================

Interpolation between the codes of two images, also called a latent walk, shows what the
decoder has learned, and whether a code has more dimensions than the data need.

The codes of two images are two points in latent space. Interpolation decodes equally
spaced points on the straight line between them:

.. math:: g( (1 - t) \, f(x_1) + t \, f(x_2) ), \qquad
          t = 0, \tfrac16, \tfrac26, \ldots, 1
"""

# sphinx_gallery_thumbnail_number = 4

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors

from skae import AutoencoderTransformer, InterpolationDisplay, VariationalAutoencoder

digits = load_digits()
X_train, X_test, y_train, y_test = train_test_split(
    digits.images / 16, digits.target, test_size=0.25, random_state=0
)
ae = VariationalAutoencoder(8, max_epochs=60, random_state=0).fit(X_train)
zero, one, four, nine = (X_test[y_test == digit][0] for digit in (0, 1, 4, 9))

steps = ae.interpolate(zero, one)
print(steps.shape)

# %%
# For two pairs of digits, the figure shows the overlays and, below them, the
# interpolation in latent space.

InterpolationDisplay.from_estimator(ae, np.stack([zero, four]), np.stack([one, nine]))

# %%
# Moving a disc
# -------------
# What is half-way between a disc on the left and a disc on the right? A pixel-wise
# average shows two grey discs. A model that has captured the geometry shows one disc in
# the middle.


def draw_discs(centres, radius=3, size=16):
    """Draw a disc with a soft edge around each centre."""
    grid = np.arange(size)
    rows, columns = centres[:, :1, None], centres[:, 1:, None]
    distances = np.hypot(grid[:, None] - rows, grid - columns)
    return 1 / (1 + np.exp(2 * (distances - radius)))


centres = np.random.default_rng(0).uniform(3, 12, (2000, 2))
discs = draw_discs(centres)
left, right = draw_discs(np.array([[4.0, 3.5], [11.0, 11.5]]))

# %%
# Two dimensions are sufficient to describe the position of a disc. We train one
# autoencoder with two components and another with three.

two, three = (
    AutoencoderTransformer(
        n_components, hidden_layer_sizes=(256, 64), max_epochs=40, random_state=0
    ).fit(discs)
    for n_components in (2, 3)
)
InterpolationDisplay.from_estimator(two, left, right)

# %%

InterpolationDisplay.from_estimator(three, left, right)

# %%
# With two dimensions the disc moves. With three it fades out in one place and in at the
# other, almost as in an overlay. Yet `score` shows no problem:

print(f"R² with 2 dimensions: {two.score(discs):.4f}")
print(f"R² with 3 dimensions: {three.score(discs):.4f}")

# %%
# The path in latent space
# ------------------------
# The codes of the discs form a surface. In two dimensions the surface is flat, and the
# line between two codes stays on it. In three dimensions it can be curved. The straight
# line then leaves it and crosses a region on which the decoder was never trained.

fig = plt.figure(figsize=(8, 3.8), layout="constrained")
ends = np.stack([left, right])
for position, model in ((121, two), (122, three)):
    codes, (start, stop) = model.transform(discs), model.transform(ends)
    steps = start + np.linspace(0, 1, 7)[:, None] * (stop - start)
    projection = "3d" if codes.shape[1] == 3 else None
    ax = fig.add_subplot(position, projection=projection)
    ax.scatter(*codes.T, c=centres.sum(axis=1), s=3)
    ax.plot(*steps.T, "o-", color="crimson")
    ax.set_title(f"{codes.shape[1]} dimensions")

    nearest = NearestNeighbors(n_neighbors=1).fit(codes)
    to_data = nearest.kneighbors(steps)[0][:, 0]
    spacing = nearest.kneighbors()[0].mean()
    print(f"{codes.shape[1]} dimensions:", (to_data / spacing).round(1))
plt.show()

# %%
# For each step, the distance to the nearest code of a disc is printed, relative to the
# mean distance between neighbouring codes. Interpolation therefore reveals properties
# of a latent code that `score` does not.
#
# The path through data
# ---------------------
# How many dimensions the data need is rarely known. ``path="data"`` avoids the empty
# region instead: it takes equal steps on the shortest path through the codes of other
# discs, from neighbour to neighbour. In three dimensions the disc now moves.

InterpolationDisplay.from_estimator(three, left, right, path="data", through=discs)

# %%

codes = three.transform(discs)
nearest = NearestNeighbors(n_neighbors=1).fit(codes)
spacing = nearest.kneighbors()[0].mean()
for path, through in (("linear", None), ("data", discs)):
    steps = three.interpolate(left, right, path=path, through=through)
    to_data = nearest.kneighbors(three.transform(steps))[0][:, 0]
    print(f"{path}:", (to_data / spacing).round(1))

# %%
# The distances are those of the decoded steps, encoded again. :doc:`plot_08_gaps` is
# about codes that leave no region empty.
#
# ``path="spherical"`` interpolates along an arc around the origin instead of a straight
# line, for codes that are distributed around the origin.
