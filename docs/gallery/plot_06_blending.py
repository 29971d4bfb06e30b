r"""
Content blending and representation blending
============================================

Does a blend of two images look like one digit, or like two digits overlaid? This
example blends pairs of digits in both ways, and lets a classifier judge the blends.

*Content* blending overlays two images; *representation* blending mixes their codes and
decodes the mixture:

.. math::

   (1 - \alpha) \, x_1 + \alpha \, x_2
   \qquad \text{or} \qquad
   g( (1 - \alpha) \, f(x_1) + \alpha \, f(x_2) )

An overlay shows two digits at once. A decoded mixture should look like *one* digit.

**You learn** how to blend samples with `blend` and `mix`, and how to measure whether
the blends of an autoencoder look like real data.
"""

# sphinx_gallery_thumbnail_number = 1

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.neural_network import MLPClassifier

from skae import (
    AutoencoderTransformer,
    BlendDisplay,
    VariationalAutoencoder,
    blend,
)

# %%
# The images are digits in three fonts of matplotlib, each with another rotation, shear,
# size, position and width of its strokes. To run this example elsewhere, put the file
# :download:`glyphs.npz </gallery/glyphs.npz>` beside it. Pixels are between 0 and 1,
# and most are black or white, so the binary cross-entropy suits them best.

glyphs = np.load("glyphs.npz")
X_train, X_test, y_train, y_test = train_test_split(
    glyphs["images"].reshape(-1, 784) / np.float32(255),
    glyphs["label"],
    test_size=0.25,
    random_state=0,
)
settings = {"loss": "binary_cross_entropy", "random_state": 0}
vae = VariationalAutoencoder(8, lr=0.006, **settings).fit(X_train)

# %%
# Held-out images of each digit and the next are blended with equal weights:

images = np.stack([X_test[y_test == digit][0] for digit in range(8)])
first, second = images[:-1], images[1:]
lines = {
    "first image": first,
    "second image": second,
    "content": vae.blend(first, second, alpha=0.5, kind="content"),
    "representation": vae.blend(first, second, alpha=0.5),
}
fig, ax = plt.subplots(figsize=(8, 4.1), layout="compressed")
ax.imshow(
    np.block([[*line.reshape(-1, 28, 28)] for line in lines.values()]), cmap="gray"
)
ax.set_xticks([])
ax.set_yticks(28 * np.arange(4) + 14, lines)
ax.tick_params(length=0)
plt.show()

# %%
# Four digits
# -----------
# Each grid shows four digits in its corners and their blends between them: overlays on
# the left, and representation blends on the right, where the corners are the
# reconstructions of the digits.

fig, axes = plt.subplots(1, 2, figsize=(11, 5.6), layout="constrained")
for ax, kind in zip(axes, ("content", "representation"), strict=True):
    BlendDisplay.from_estimator(
        vae, images[[1, 3, 6, 7]], kind=kind, image_shape=(28, 28), ax=ax
    )
    ax.set_title(kind)
plt.show()

# %%
# How realistic are the blends?
# -----------------------------
# A classifier is trained on real images. It judges blends of pairs of held-out images
# of different digits:
#
# - *recognised*: the share of blends that it assigns to a digit with a probability
#   above 90 %;
# - *as one of the two*: the share of blends that it assigns to one of the two digits
#   with such a probability;
# - *as a third digit*: the share of blends that it assigns to another digit with such a
#   probability;
# - *distance*: the distance to the nearest training image, divided by that of held-out
#   images.
#
# We also blend with PCA and a plain autoencoder: the function :func:`skae.blend`
# accepts any transformer. They have 16 components. The variational autoencoder has 8,
# because it would leave most of 16 inactive.

classifier = MLPClassifier((128,), max_iter=60, random_state=0).fit(X_train, y_train)
nearest = NearestNeighbors(n_neighbors=1).fit(X_train)
usual = nearest.kneighbors(X_test)[0].mean()
rng = np.random.default_rng(0)
pairs = rng.integers(len(X_test), size=(1000, 2))
pairs = pairs[y_test[pairs[:, 0]] != y_test[pairs[:, 1]]]
X1, X2 = X_test[pairs.T]


def judge(images, labels):
    """Return how realistic images are, given the digits that they come from."""
    chance = classifier.predict_proba(images)
    certain = chance.max(axis=1) > 0.9
    expected = (chance.argmax(axis=1)[:, np.newaxis] == labels).any(axis=1)
    return {
        "recognised": certain.mean(),
        "as one of the two": (certain & expected).mean(),
        "as a third digit": (certain & ~expected).mean(),
        "distance": nearest.kneighbors(images)[0].mean() / usual,
    }


table = {
    "real digits": judge(X_test, y_test[:, np.newaxis]),
    "content": judge((X1 + X2) / 2, y_test[pairs]),
}
for model in (
    PCA(16).fit(X_train),
    AutoencoderTransformer(16, **settings).fit(X_train),
    vae,
):
    table[f"codes of {type(model).__name__}"] = judge(
        blend(model, X1, X2), y_test[pairs]
    )
print(f"accuracy of the classifier: {classifier.score(X_test, y_test):.3f}")
pd.DataFrame(table).T.round(2)

# %%
# PCA is linear: a blend of its codes is an overlay, and the classifier recognises both
# about equally rarely. Blends of the variational autoencoder look like a digit most
# often, because its decoder returns digits more often between the codes of two images,
# see also :doc:`plot_08_gaps`. But many of these are a third digit, such as a 5 between
# a 3 and a 4. Blends of the plain autoencoder look like one of the two digits about as
# often, and hardly ever like a third one. The classifier is not certain of the other
# blends, which are further from the training images.
#
# More than two samples
# ---------------------
# `mix` accepts any weights, here of three digits. The weights ``(1, -1, 1)`` compute an
# analogy: the difference between the first and the second digit is added to the third.

print(vae.mix(images[:3], [[0.4, 0.3, 0.3], [1, -1, 1]]).shape)
