r"""
A walk in seven steps
=====================

What lies between two pictures? A walk through the codes shows it, and where a code has
more room than it should.

The codes of two pictures are two points, and between them is a straight line. Taking
equal steps on it and decoding each is a walk from one picture to the other:

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

walk = ae.interpolate(zero, one)
print(walk.shape)

# %%
# Below each other are the overlays of two digits and the walk between them, twice.

InterpolationDisplay.from_estimator(ae, np.stack([zero, four]), np.stack([one, nine]))

# %%
# Moving a disc
# -------------
# What is half-way between a disc on the left and a disc on the right? An overlay says:
# two grey discs. Who has understood the pictures says: a disc in the middle.


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
# Two numbers are enough to say where a disc is. One autoencoder gets two, another
# three.

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
# With two numbers the disc moves. With three it fades out here and in there, almost as
# an overlay does. Yet by `score` nothing is wrong:

print(f"R² with 2 numbers: {two.score(discs):.4f}")
print(f"R² with 3 numbers: {three.score(discs):.4f}")

# %%
# Where the walks go
# ------------------
# The codes of the discs are a sheet. In two dimensions it lies flat and the walk stays
# on it. In three it may bend, and the straight walk leaves it for a region that the
# decoder has never been asked about.

fig = plt.figure(figsize=(8, 3.8), layout="constrained")
ends = np.stack([left, right])
for position, model in ((121, two), (122, three)):
    codes, (start, stop) = model.transform(discs), model.transform(ends)
    steps = start + np.linspace(0, 1, 7)[:, None] * (stop - start)
    projection = "3d" if codes.shape[1] == 3 else None
    ax = fig.add_subplot(position, projection=projection)
    ax.scatter(*codes.T, c=centres.sum(axis=1), s=3)
    ax.plot(*steps.T, "o-", color="crimson")
    ax.set_title(f"{codes.shape[1]} numbers")

    nearest = NearestNeighbors(n_neighbors=1).fit(codes)
    to_data = nearest.kneighbors(steps)[0][:, 0]
    spacing = nearest.kneighbors()[0].mean()
    print(f"{codes.shape[1]} numbers:", (to_data / spacing).round(1))
plt.show()

# %%
# Printed is, for each step, how far the nearest code of a disc is, as a multiple of how
# far such codes are from each other. So a walk tells more about a code than its score
# does, and a code should not have more room than its data need. What else can be done
# about empty regions is the subject of :doc:`plot_08_gaps`.
#
# ``path="spherical"`` turns the code instead of cutting across, for codes that lie
# around the origin.
