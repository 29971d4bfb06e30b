r"""
Gaps, and the variational cure
==============================

Nobody tells a plain autoencoder how to lay out its codes. There may be regions where no
picture was ever encoded, and what the decoder draws there need not look like anything.

A variational autoencoder encodes a picture as a cloud, :math:`q(z \mid x) =
\mathcal{N}(\mu, \sigma^2)`, decodes a draw from it, and pulls all clouds towards one
standard normal distribution, the prior:

.. math:: \min \; \mathbb{E}_{z \sim q} [ L(x, g(z)) ]
          + \beta \, \mathrm{KL}( q(z \mid x) \,\|\, \mathcal{N}(0, 1) )

Clouds overlap, so the decoder has been asked about the room between two pictures.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skae import AutoencoderTransformer, LatentSpaceDisplay, VariationalAutoencoder

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, test_size=0.25, random_state=0
)

# %%
# Two numbers, to look at
# -----------------------
# Each point is a digit, and its colour says which. Look at the axes: the plain code
# lies wherever it came to lie, the variational one around the origin with a spread of
# about one.

plain = AutoencoderTransformer(2, max_epochs=40, random_state=0).fit(X_train)
vae = VariationalAutoencoder(2, max_epochs=40, random_state=0).fit(X_train)

display = LatentSpaceDisplay.from_estimator(plain, X_train, y_train)
display.ax_.set_title("plain")

# %%

display = LatentSpaceDisplay.from_estimator(vae, X_train, y_train)
display.ax_.set_title("variational")

# %%
# Sixteen numbers, to draw from
# -----------------------------
# With more numbers there is more room for gaps. To draw new digits from a plain
# autoencoder one has to guess how its codes are distributed: here, as a normal
# distribution with the mean and the covariance of the training codes. The variational
# one need not be guessed at; `sample` draws from the prior.

plain = AutoencoderTransformer(16, max_epochs=40, random_state=0).fit(X_train)
vae = VariationalAutoencoder(16, max_epochs=40, random_state=0).fit(X_train)

codes = plain.transform(X_train)
rng = np.random.default_rng(0)
guesses = rng.multivariate_normal(codes.mean(axis=0), np.cov(codes.T), size=500)
draws = {
    "plain": plain.inverse_transform(guesses),
    "variational": vae.sample(500),
}
_, axes = plt.subplots(4, 10, figsize=(8, 3.6), layout="constrained")
for lines, (name, pictures) in zip((axes[:2], axes[2:]), draws.items(), strict=True):
    for ax, picture in zip(lines.flat, pictures, strict=False):
        ax.imshow(picture.reshape(8, 8), cmap="gray", vmin=0, vmax=1)
        ax.axis("off")
    lines[0, 0].set_title(name, loc="left")
plt.show()

# %%
# The same judges as in :doc:`plot_06_blending`: how far is the nearest digit of
# training, and do the ten nearest agree? Besides, what does it cost?

neighbours = KNeighborsClassifier(10).fit(X_train, y_train)


def look(pictures):
    """Return the distance to the nearest digit, and how often the ten nearest agree."""
    distances, _ = neighbours.kneighbors(pictures, n_neighbors=1)
    agree = neighbours.predict_proba(pictures).max(axis=1) == 1
    return {
        "distance to the nearest": distances.mean(),
        "neighbours agree": agree.mean(),
    }


table = {
    "real digits": look(X_test),
    "plain": look(draws["plain"]),
    "variational": look(draws["variational"]),
}
print(f"R² of the plain one {plain.score(X_test):.2f}, ", end="")
print(f"of the variational one {vae.score(X_test):.2f}")
pd.DataFrame(table).T.round(2)

# %%
# Draws from the variational autoencoder are nearer to digits, and more often it is
# clear which digit they are. The price is a blurrier drawing, as R² shows: what is
# shared between overlapping clouds cannot be exact.
#
# The weight β
# ------------
# `beta` says how hard the clouds are pulled. With less of it, pictures are sharper and
# draws are worse, on the way back to the plain autoencoder.

for beta in (0.1, 0.3, 1.0):
    vae = VariationalAutoencoder(16, beta=beta, max_epochs=40, random_state=0)
    kept = vae.fit(X_train).score(X_test)
    agree = look(vae.sample(500))["neighbours agree"]
    print(f"beta {beta}: R² {kept:.2f}, neighbours agree on {agree:.0%} of the draws")
