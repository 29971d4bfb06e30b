r"""
Latent gaps and the variational autoencoder
===========================================

Can an autoencoder make new images? Only from codes that lie where its decoder was
trained. This example samples new digits from a plain autoencoder, from a variational
one, and from a mixture of normal distributions that is fitted to the plain codes.

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
"""

# sphinx_gallery_thumbnail_number = 1

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
    LatentSpaceDisplay,
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
# - *recognised*: the share of samples of which it is more than 90 % certain;
# - *rarest digit*: the share of samples that it recognises as the digit that is sampled
#   least, 0.1 at most;
# - *distance*: to the nearest training image, divided by that of held-out images.
#   Copies of training images have a distance near 0.

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
# One normal distribution covers the gaps, too: most of its samples are no digits. Those
# of the variational autoencoder are digits more often. Overlapping has a price: a code
# that belongs to several images cannot reconstruct each of them exactly. The last
# section shows how the weight of the prior changes reconstructions and samples. The
# mixture needs no overlap. Its samples are recognised most often and show all digits.
# They are about as far from the training images as held-out images are, so they are no
# copies. :doc:`/sampling` measures this on MNIST, too, and with a mixture on the
# variational code.
#
# Where are the gaps?
# -------------------
# A code with two components can be drawn. Each point on the left is the code of an
# image, coloured by its digit; on the right, the same plane is decoded. Compare the
# axes: both codes are centred at the origin. Those of the plain autoencoder are in
# units of the reconstruction, those of the variational one have a standard deviation of
# about one.

plain = AutoencoderTransformer(2, max_epochs=10, **settings).fit(X_train)
plain_display = LatentSpaceDisplay.from_estimator(
    plain, X_train, y_train, decode=15, image_shape=(28, 28)
)
plain_display.axes_[0].set_title("plain")

# %%

vae = VariationalAutoencoder(2, lr=0.006, max_epochs=10, **settings).fit(X_train)
vae_display = LatentSpaceDisplay.from_estimator(
    vae, X_train, y_train, decode=15, image_shape=(28, 28)
)
vae_display.axes_[0].set_title("variational")

# %%
# The plane of the variational autoencoder has more pale tiles, but in both planes most
# of them lie near the corners, outside the cloud of codes. A gap is between the codes.
# We count the tiles whose centres lie inside the convex hull of the codes, and let the
# classifier judge what is decoded there:


def look_between(display):
    """Return how many tiles are pale, and how many are recognised between codes."""
    axes = display.axes_[0]
    edges = [np.linspace(*limits, 16) for limits in (axes.get_xlim(), axes.get_ylim())]
    counts, *_ = np.histogram2d(*display.codes.T, bins=edges)
    is_pale = counts.T == 0
    centres = np.stack(np.meshgrid(*[(e[1:] + e[:-1]) / 2 for e in edges]), axis=-1)
    is_between = Delaunay(display.codes).find_simplex(centres) >= 0
    decoded = display.decoded[::-1].reshape(-1, 784)  # from the lower left
    certain = classifier.predict_proba(decoded).max(axis=1).reshape(15, 15) > 0.9
    return {
        "pale": is_pale.sum(),
        "inside the hull": is_between.sum(),
        "inside and pale": (is_between & is_pale).sum(),
        "inside and recognised": (is_between & certain).sum(),
    }


displays = {"plain": plain_display, "variational": vae_display}
table = {name: look_between(display) for name, display in displays.items()}
pd.DataFrame.from_dict(table, orient="index")

# %%
# Between the codes few tiles are pale in either plane: with tiles of this size, the
# variational autoencoder does not have fewer of them. The difference is in what is
# decoded. In the plane of the plain autoencoder this is often no digit: between two
# digits it is an overlay, such as of a 3 and a 2, and where the codes of 0, 6 and 8
# share a region, a mixture of them. In the plane of the variational one, most tiles are
# digits, and the others lie mainly on the borders between digits, such as around the 4.
# Samples differ in the same way:

frozen = FrozenEstimator(plain)
normal = LatentDensity(frozen, GaussianMixture(), random_state=0).fit(X_train)
for name, model in {"plain": normal, "variational": vae}.items():
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
