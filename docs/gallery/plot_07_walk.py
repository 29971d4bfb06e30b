r"""
Interpolation in seven steps
============================

Do the images between two images still belong to the data? Interpolation between the
codes of two images, also called a latent walk, shows what the decoder has learned. This
example compares paths from one code to another, and tests every step: by the p-value of
its code, by a classifier, and by the known rotation of the images.

The codes of two images are two points in latent space. Interpolation decodes equally
spaced points on a path between them. The default path is *linear*, the straight line:

.. math:: g( (1 - t) \, f(x_1) + t \, f(x_2) ), \qquad
          t = 0, \tfrac16, \tfrac26, \ldots, 1

**You learn** how to interpolate between two samples, how to find the steps that leave
the data, and how to choose a path that stays within them.
"""

# sphinx_gallery_thumbnail_number = 1

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.neural_network import MLPClassifier

from skae import (
    AnomalyDetector,
    AutoencoderTransformer,
    InterpolationDisplay,
    VariationalAutoencoder,
    interpolate,
)

glyphs = np.load("glyphs.npz")
factors = pd.DataFrame({name: glyphs[name] for name in ("label", "family", "rotation")})
X_train, X_test, train, test = train_test_split(
    glyphs["images"] / np.float32(255), factors, test_size=0.25, random_state=0
)

# %%
# The images are those of :doc:`plot_06_blending`, in
# :download:`glyphs.npz </gallery/glyphs.npz>`. A plain autoencoder is trained within an
# :class:`~skae.AnomalyDetector`, which compares the distance of a code to the nearest
# training codes with that of held-out images. The p-value of a code is small if the
# code has left the data.

plain = AutoencoderTransformer(16, loss="binary_cross_entropy")
detector = AnomalyDetector(plain, random_state=0).fit(X_train)

# %%
# From a 6 to a 1
# ---------------
# The figure shows an overlay of the images, and below it three paths between their
# codes. The *linear* path is the straight line, the *spherical* path is an arc around
# the origin, and the path through *data* is the shortest one through the codes of
# training images, from neighbour to neighbour. The p-value of each step is printed
# below it, in bold red if it is less than 0.05.

paths = {"linear": None, "spherical": None, "data": X_train}
overlaid = {"estimator": detector, "kinds": ("content",)}
decoded = {"estimator": detector, "kinds": ("representation",)}
lines = {"overlay": overlaid}
for path, through in paths.items():
    lines[path] = {**decoded, "path": path, "through": through}


def draw_lines(x1, x2, lines):
    """Draw several interpolations between two images below each other."""
    fig, axes = plt.subplots(len(lines), figsize=(8.4, 5.8), layout="constrained")
    fig.get_layout_engine().set(w_pad=0.15)
    for ax, (name, arguments) in zip(axes, lines.items(), strict=True):
        InterpolationDisplay.from_estimator(x1=x1, x2=x2, ax=ax, **arguments)
        ax.set_yticks([0.5], [name])
        if ax is not axes[-1]:
            ax.set(xticks=[], xlabel="")
    plt.show()


six, one = (X_test[test["label"] == digit][0] for digit in (6, 1))
draw_lines(six, one, lines)

# %%
# The overlay shows two digits. The linear and the spherical path cross a region without
# codes, on which the decoder was never trained, and the p-values show where. On the
# path through data every step is a digit, though not always a 6 or a 1.
#
# All pairs
# ---------
# Is this one pair an exception? We measure the steps between 200 pairs of held-out
# images of different digits, without the ends:
#
# - *recognised*: the share of steps that a classifier, trained on real images, assigns
#   to a digit with a probability above 90 %;
# - *p < 0.05*: the share of steps that have left the data;
# - *distance*: the distance to the nearest training image, divided by that of held-out
#   images;
# - *length*: the length of the path from image to image, divided by the distance of its
#   ends.
#
# A variational autoencoder is compared, too.

classifier = MLPClassifier((128,), max_iter=60, random_state=0)
classifier.fit(X_train.reshape(-1, 784), train["label"])
nearest = NearestNeighbors(n_neighbors=1).fit(X_train.reshape(-1, 784))
usual = nearest.kneighbors(X_test.reshape(-1, 784))[0].mean()


def judge(steps, support=None):
    """Return how realistic steps are, and how long the path is."""
    steps = steps.reshape(*steps.shape[:2], 784)
    between = steps[:, 1:-1].reshape(-1, 784)
    lengths = np.linalg.norm(np.diff(steps, axis=1), axis=2).sum(axis=1)
    ends = np.linalg.norm(steps[:, -1] - steps[:, 0], axis=1)
    return {
        "recognised": (classifier.predict_proba(between).max(axis=1) > 0.9).mean(),
        "p < 0.05": np.nan if support is None else (support[:, 1:-1] < 0.05).mean(),
        "distance": nearest.kneighbors(between)[0].mean() / usual,
        "length": (lengths / ends).mean(),
    }


def overlay(X1, X2):
    """Return seven steps of an overlay for each pair."""
    return np.stack([(1 - t) * X1 + t * X2 for t in np.linspace(0, 1, 7)], axis=1)


variational = VariationalAutoencoder(8, lr=0.006, loss="binary_cross_entropy")
models = {
    "plain": detector,
    "variational": AnomalyDetector(variational, random_state=0).fit(X_train),
}
rng = np.random.default_rng(0)
digits = test["label"].to_numpy()
pairs = rng.integers(len(X_test), size=(300, 2))
pairs = pairs[digits[pairs[:, 0]] != digits[pairs[:, 1]]][:200]
X1, X2 = X_test[pairs.T]

table = {"overlay": judge(overlay(X1, X2))}
for name, model in models.items():
    for path, through in paths.items():
        table[f"{name}, {path}"] = judge(
            *interpolate(model, X1, X2, path=path, through=through, return_support=True)
        )
pd.DataFrame(table).T.round(2)

# %%
# The codes of a plain autoencoder leave gaps, and the linear and the spherical path
# cross them. The spherical path is meant for codes that are distributed around the
# origin, and does not help here. The path through data avoids the gaps, but is longer:
# it passes many digits, so each of the seven steps is larger. The codes of the
# variational autoencoder leave fewer gaps: few steps on its linear path leave the data.
# The classifier does not recognise all of them, because the p-value judges a code by
# its neighbours and not by the decoded image. :doc:`plot_08_gaps` shows the codes of
# both models.
#
# The same digit, rotated
# -----------------------
# If two images differ in one known factor, we know which image should be half-way
# between them. Here we interpolate between the 4 that is rotated furthest to the right
# and the one rotated furthest to the left, in the same font:

is_four = (test["label"] == 4) & (test["family"] == "DejaVu Sans")
fours = X_test[is_four][np.argsort(test["rotation"][is_four])]
draw_lines(fours[0], fours[-1], lines)

# %%
# The overlay shows two digits again, the interpolations show one digit that rotates.
# How steadily does it rotate? We take pairs of held-out images of the same digit and
# font whose rotations differ by more than 30 degrees. For each step, the table shows
# the completed fraction of the rotation, measured by the known rotation of the nearest
# training image. For the step half-way it also shows the distance to this image,
# divided by that of held-out images.

rotation, family = test["rotation"].to_numpy(), test["family"].to_numpy()
is_same = (digits[:, None] == digits) & (family[:, None] == family)
turns = np.argwhere(is_same & (rotation - rotation[:, None] > 30))
turns = rng.permutation(turns)[:200]
start, stop = rotation[turns].T
X1, X2 = X_test[turns.T]


def follow(steps):
    """Return the fraction of the rotation, and the distance from real images."""
    distances, rows = nearest.kneighbors(steps.reshape(-1, 784))
    found = train["rotation"].to_numpy()[rows].reshape(-1, 7)
    done = ((found - start[:, None]) / (stop - start)[:, None]).mean(axis=0)
    shares = dict(zip(["1/6", "2/6", "3/6", "4/6", "5/6"], done[1:-1], strict=True))
    return shares | {"distance at 3/6": distances.reshape(-1, 7)[:, 3].mean() / usual}


table = {"overlay": follow(overlay(X1, X2))}
for name, model in models.items():
    for path in ("linear", "data"):
        table[f"{name}, {path}"] = follow(
            interpolate(model, X1, X2, path=path, through=paths[path])
        )
pd.DataFrame(table).T.round(2)

# %%
# The overlay has hardly rotated at step 2/6 and almost completely at step 4/6, and
# half-way it is far from all real images. Interpolations between codes rotate steadily,
# although no model was trained on rotations. If there are data between two images, the
# linear path between their codes is sufficient.
#
# Moving a disc
# -------------
# Linear paths leave the data where the code has more dimensions than the data need.
# Discs on an empty background differ only in their position, so two dimensions are
# sufficient. We train one autoencoder with two components and another with three.


def draw_discs(centres, radius=3, size=16):
    """Draw a disc with a soft edge around each centre."""
    grid = np.arange(size)
    rows, columns = centres[:, :1, None], centres[:, 1:, None]
    distances = np.hypot(grid[:, None] - rows, grid - columns)
    return 1 / (1 + np.exp(2 * (distances - radius)))


centres = np.random.default_rng(0).uniform(3, 12, (2000, 2))
discs = draw_discs(centres)
left, right = draw_discs(np.array([[4.0, 3.5], [11.0, 11.5]]))
two, three = (
    AutoencoderTransformer(
        n_components, hidden_layer_sizes=(256, 64), max_epochs=40, random_state=0
    ).fit(discs)
    for n_components in (2, 3)
)
draw_lines(
    left,
    right,
    {
        "overlay": {**overlaid, "estimator": two},
        "2 dimensions": {**decoded, "estimator": two},
        "3 dimensions": {**decoded, "estimator": three},
        "3, data": {**decoded, "estimator": three, "path": "data", "through": discs},
    },
)
print(f"R² with 2 dimensions: {two.score(discs):.4f}")
print(f"R² with 3 dimensions: {three.score(discs):.4f}")

# %%
# With two dimensions the disc moves. With three it fades out in one place and appears
# in the other, almost as in an overlay: the codes form a curved surface, and the linear
# path leaves it. Interpolation shows this problem, but `score` does not. The path
# through data stays on the surface, and the disc moves again.
