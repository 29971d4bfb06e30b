r"""
Latent gaps and the variational autoencoder
===========================================

Can an autoencoder generate new images? Yes, but only from codes in regions where its
decoder was trained. This example samples new digits from a plain autoencoder, from a
variational one, and from a mixture of normal distributions that is fitted to the plain
codes.

The objective of a plain autoencoder does not determine how the codes are distributed.
The latent space may have gaps: regions that contain no code of any image, where the
output of the decoder may be meaningless.

A variational autoencoder encodes an image as a distribution, :math:`q(z \mid x) =
\mathcal{N}(\mu, \sigma^2)`, decodes a random sample from it, and pulls all these
distributions towards a standard normal distribution, the prior:

.. math:: \min \; \mathbb{E}_{z \sim q} [ L(x, g(z)) ]
          + \beta \, \mathrm{KL}( q(z \mid x) \,\|\, \mathcal{N}(0, 1) )

The distributions overlap, so the decoder is also trained on the region between the
codes of two images.

**You learn** how to sample from an autoencoder, how to measure whether the samples look
like real data, and how to find gaps in a latent space.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.spatial import Delaunay
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.neural_network import MLPClassifier

from skae import (
    AutoencoderTransformer,
    LatentDensity,
    VariationalAutoencoder,
)

glyphs = np.load("glyphs.npz")
X_train, X_test, y_train, y_test = train_test_split(
    glyphs["images"].reshape(-1, 784) / np.float32(255),
    glyphs["label"],
    test_size=0.25,
    random_state=0,
)
settings = {"loss": "binary_cross_entropy", "random_state": 0}

# %%
# The images are those of :doc:`plot_06_blending`, in
# :download:`glyphs.npz </gallery/glyphs.npz>`.
#
# Three ways to sample
# --------------------
# To sample from a plain autoencoder, the distribution of its codes has to be estimated.
# The simplest estimate is one normal distribution, with the mean and the covariance of
# the training codes. A better one is the default of :class:`~skae.LatentDensity`, a
# mixture of normal distributions, which knows where the gaps are. For the variational
# autoencoder no estimate is needed: `sample` decodes samples from the prior.

plain = AutoencoderTransformer(16, **settings).fit(X_train)
vae = VariationalAutoencoder(8, lr=0.006, max_epochs=35, **settings).fit(X_train)

frozen = FrozenEstimator(plain)
normal = LatentDensity(frozen, GaussianMixture(), random_state=0).fit(X_train)
mixture = LatentDensity(frozen, random_state=0).fit(X_train)
samples = {
    "plain autoencoder, one normal distribution": normal.sample(1000),
    "variational autoencoder, its prior": vae.sample(1000),
    "plain autoencoder, a mixture": mixture.sample(1000),
}
fig, axes = plt.subplots(3, figsize=(9, 5.6), layout="constrained")
for ax, (name, images) in zip(axes, samples.items(), strict=True):
    two_lines = images[:24].reshape(2, 12, 28, 28)
    ax.imshow(np.block([[*line] for line in two_lines]), cmap="gray")
    ax.set_title(name, loc="left", fontsize="medium")
    ax.axis("off")
plt.show()

# %%
# A classifier that is trained on real images judges the samples:
#
# - *recognised*: the share of samples that it assigns to a digit with a probability
#   above 90 %;
# - *rarest digit*: the share of samples that it recognises as the digit that is sampled
#   least often, 0.1 at most;
# - *distance*: the distance to the nearest training image, divided by that of held-out
#   images. Copies of training images have a distance near 0.

classifier = MLPClassifier((128,), max_iter=60, random_state=0).fit(X_train, y_train)
nearest = NearestNeighbors(n_neighbors=1).fit(X_train)
usual = nearest.kneighbors(X_test)[0].mean()


def judge(images):
    """Return how realistic images are, and whether all digits are among them."""
    chance = classifier.predict_proba(images)
    certain = chance.max(axis=1) > 0.9
    digits = np.bincount(chance.argmax(axis=1)[certain], minlength=10)
    return {
        "recognised": certain.mean(),
        "rarest digit": digits.min() / len(images),
        "distance": nearest.kneighbors(images)[0].mean() / usual,
    }


table = {"real digits": judge(X_test)}
table |= {name: judge(images) for name, images in samples.items()}
print(f"normal distributions in the mixture: {mixture.density_.n_components}")
pd.DataFrame(table).T.round(2)

# %%
# One normal distribution also covers the gaps, so most of its samples are not digits.
# Those of the variational autoencoder are digits more often. But overlap has a
# disadvantage: a code that belongs to several images cannot reconstruct each of them
# exactly. The last section shows how the weight of the prior changes reconstructions
# and samples. The mixture needs no overlap. Its samples are recognised most often and
# show all digits. They are about as far from the training images as held-out images
# are, so they are not copies. :doc:`/sampling` measures this on MNIST, too, and with a
# mixture on the variational code.
#
# Where are the gaps?
# -------------------
# A code with two components can be drawn. Each point is the code of an image, coloured
# by its digit; the labels of the digits are at the medians of their codes. The axes are
# in standard deviations of the codes, so the two planes can be compared.
#
# The circles A, B and C mark gaps. Each centre is as far as possible from all codes,
# among the places inside the convex hull of the codes, and its circle reaches to the
# nearest code. The images below each plane are decoded from the three centres.

planes = {
    "plain": AutoencoderTransformer(2, max_epochs=10, **settings).fit(X_train),
    "variational": VariationalAutoencoder(2, lr=0.006, max_epochs=10, **settings),
}
planes["variational"].fit(X_train)


def divide(codes, n_cells):
    """Return the centres of cells between codes, and the number of codes in each."""
    counts, *edges = np.histogram2d(*codes.T, bins=n_cells)
    centres = np.meshgrid(*[(e[1:] + e[:-1]) / 2 for e in edges], indexing="ij")
    centres = np.stack(centres, axis=-1).reshape(-1, 2)
    is_between = Delaunay(codes).find_simplex(centres) >= 0
    return centres[is_between], counts.ravel()[is_between]


def find_gaps(codes):
    """Return the centres and the radii of three large gaps that do not overlap."""
    places, _ = divide(codes, 40)
    gaps, radii = [], []
    while len(gaps) < 3:
        points = np.concatenate([codes, *gaps])
        distances, _ = NearestNeighbors(n_neighbors=1).fit(points).kneighbors(places)
        gaps.append(places[[distances.argmax()]])
        radii.append(distances.max())
    return np.concatenate(gaps), radii


fig, axes = plt.subplots(
    2, 2, figsize=(6.4, 4.7), height_ratios=[3, 1], layout="constrained"
)
for (plane, strip), (name, model) in zip(axes.T, planes.items(), strict=True):
    codes = model.transform(X_train)
    scale = codes.std(axis=0)
    gaps, radii = find_gaps(codes / scale)
    plane.scatter(*(codes / scale).T, c=y_train, cmap="tab10", s=3)
    for digit in range(10):
        place = np.median(codes[y_train == digit] / scale, axis=0)
        plane.text(*place, digit, fontsize=15, weight="bold", ha="center", va="center")
    for letter, gap, radius in zip("ABC", gaps, radii, strict=True):
        plane.add_patch(plt.Circle(gap, radius, fill=False, linewidth=2))
        plane.text(*gap, letter, fontsize=13, ha="center", va="center")
    plane.set(aspect="equal", xlim=(-3.3, 3.3), ylim=(-3.5, 3.5))
    plane.set_title(name, fontsize=18)
    decoded = model.inverse_transform(gaps * scale).reshape(-1, 28, 28)
    strip.imshow(np.hstack(decoded), cmap="gray")
    strip.set_xticks([14, 42, 70], ["A", "B", "C"], fontsize=13)
    strip.set_yticks([])
plt.show()

# %%
# The gaps are about equally large in both planes, but the decoders differ. In the gaps
# of the plain autoencoder, the decoded images are a blot and overlays of two digits. In
# those of the variational one, they look like a 6, a 5 and a 2.
#
# Look for gaps yourself: this is the latent space of a variational autoencoder that is
# trained for longer. A click on an empty place decodes it.
#
# .. explorer::
#
# We measure this for all cells between the codes, with 15 cells along each axis. The
# classifier judges the image that is decoded at the centre of each cell:


def look_between(model):
    """Return how many cells between codes are empty, and how many are recognised."""
    centres, counts = divide(model.transform(X_train), 15)
    chance = classifier.predict_proba(model.inverse_transform(centres))
    certain, is_empty = chance.max(axis=1) > 0.9, counts == 0
    return {
        "cells between codes": len(centres),
        "empty": is_empty.sum(),
        "recognised": certain.mean(),
        "recognised, of the empty ones": certain[is_empty].mean(),
    }


table = {name: look_between(model) for name, model in planes.items()}
pd.DataFrame.from_dict(table, orient="index").round(2)

# %%
# Few cells are empty in either plane: with cells of this size, the variational
# autoencoder does not have far fewer empty ones. The difference is in the decoded
# images. In the plane of the plain autoencoder, far fewer cells show a digit, in
# general and in empty cells: between two digits, its decoder often returns an overlay
# of both. Samples differ in the same way:

frozen = FrozenEstimator(planes["plain"])
normal = LatentDensity(frozen, GaussianMixture(), random_state=0).fit(X_train)
for name, model in {"plain": normal, "variational": planes["variational"]}.items():
    recognised = judge(model.sample(1000))["recognised"]
    print(f"{name}, two components: {recognised:.0%} of the samples recognised")

# %%
# With more components, gaps are a larger part of the space.
#
# The weight β
# ------------
# `beta` is the weight of the KL divergence from the prior. With a smaller `beta`,
# reconstructions are sharper and samples are less realistic; the model becomes more
# similar to a plain autoencoder. With a large `beta`, the code holds little of an
# image, and reconstructions are poor. (These models are trained for fewer epochs.)

for beta in (0.2, 1.0, 5.0):
    vae = VariationalAutoencoder(8, lr=0.006, beta=beta, max_epochs=6, **settings)
    r2 = vae.fit(X_train).score(X_test)
    recognised = judge(vae.sample(1000))["recognised"]
    print(f"beta {beta}: R² {r2:.2f}, {recognised:.0%} of the samples recognised")
