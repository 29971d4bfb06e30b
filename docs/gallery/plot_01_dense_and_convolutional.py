r"""
Dense and convolutional autoencoders
====================================

An autoencoder compresses an image to a few dimensions and reconstructs it from them.
Should its layers be dense or convolutional?

An *encoder* :math:`f` maps an image :math:`x` to a low-dimensional vector, its latent
representation or *code* :math:`z = f(x)`. A *decoder* :math:`g` reconstructs the image,
:math:`\hat x = g(z)`. Both are trained together to minimise the reconstruction error:

.. math:: \min_{f, g} \sum_x \tfrac12 \| x - g(f(x)) \|^2

A dense network has separate weights for each pixel. A convolutional network applies the
same small filters at every position.

**You learn** how to fit an autoencoder like a PCA, how to compare the two by the
explained variance (R²) on new images, and when to use a convolutional network.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from skae import (
    AutoencoderTransformer,
    ConvAutoencoder,
    ReconstructionDisplay,
    TrainingHistoryDisplay,
)

digits = load_digits().images / 16
X_train, X_test = train_test_split(digits, test_size=0.25, random_state=0)
print(f"{len(X_train)} training images of {X_train.shape[1:]} pixels")

# %%
# Centred digits
# --------------
# An autoencoder is fitted like a PCA. Both networks compress the 64 pixels to 16
# dimensions.

dense = AutoencoderTransformer(16, random_state=0).fit(X_train)
conv = ConvAutoencoder(16, random_state=0).fit(X_train)

# %%
# `transform` encodes, and `inverse_transform` decodes. `reconstruct` does both in one
# pass.

codes = dense.transform(X_test)
print(codes.shape, "->", dense.inverse_transform(codes).shape)
ReconstructionDisplay.from_estimator(dense, X_test, n_samples=6)

# %%
# `score` is the explained variance (R²), on the same scale as the
# ``explained_variance_ratio_`` of PCA. The baseline is a PCA with the same number of
# components: it is the best *linear* code.


def score_pca(X_train, X_test):
    """Return R² of a PCA with 16 components on new images."""
    rows, new_rows = (X.reshape(len(X), -1) for X in (X_train, X_test))
    pca = PCA(16, random_state=0).fit(rows)
    reconstructed = pca.inverse_transform(pca.transform(new_rows))
    return r2_score(new_rows, reconstructed, multioutput="variance_weighted")


scores = pd.DataFrame(
    {
        "PCA": {"centred": score_pca(X_train, X_test)},
        "dense": {"centred": dense.score(X_test)},
        "convolutional": {"centred": conv.score(X_test)},
    }
)
scores.round(3)

# %%
# Both explain more variance than PCA, and the dense network explains more than the
# convolutional one. The digits in this dataset are centred and have the same size. Each
# pixel has the same meaning in every image, so separate weights for each pixel are
# useful.
#
# Digits at random positions
# --------------------------
# Now each digit is placed at a random position in a larger, empty image. A pixel no
# longer has a fixed meaning, but the strokes look the same as before.


def scatter(images, size=16, seed=0):
    """Put each image at a random position in a larger, empty image."""
    frames = np.zeros((len(images), size, size))
    corners = np.random.default_rng(seed).integers(0, size - 7, (len(images), 2))
    for frame, image, (top, left) in zip(frames, images, corners, strict=True):
        frame[top : top + 8, left : left + 8] = image
    return frames


X_train, X_test = scatter(X_train), scatter(X_test, seed=1)
settings = {"lr": 1e-2, "max_epochs": 30, "validation_fraction": 0.1, "random_state": 0}
dense = AutoencoderTransformer(16, **settings).fit(X_train)
conv = ConvAutoencoder(16, **settings).fit(X_train)

panels = {
    "new images": X_test,
    f"dense\nR² {dense.score(X_test):.2f}": dense.reconstruct(X_test),
    f"convolutional\nR² {conv.score(X_test):.2f}": conv.reconstruct(X_test),
}
_, axes = plt.subplots(1, 3, figsize=(7.5, 3.7), layout="compressed")
for ax, (title, images) in zip(axes, panels.items(), strict=True):
    nine = np.pad(images[:9], ((0, 0), (1, 1), (1, 1)), constant_values=0.4)
    ax.imshow(
        np.block([[*row] for row in nine.reshape(3, 3, 18, 18)]),
        cmap="gray",
        vmin=0,
        vmax=1,
    )
    ax.set_title(title, fontsize=18)
    ax.axis("off")
plt.show()

# %%

scores.loc["scattered"] = [
    score_pca(X_train, X_test),
    dense.score(X_test),
    conv.score(X_test),
]
scores.round(3)

# %%
# The dense network needs many weights, because it has to learn each stroke at every
# position:

for name, ae in {"dense": dense, "convolutional": conv}.items():
    n_weights = sum(weights.numel() for weights in ae.net_.module_.parameters())
    print(f"{name}: {n_weights} weights")

# %%
# Now the convolutional network explains more variance, with a fraction of the weights:
# it learns each stroke once and not separately for every position.
#
# Some training rows were held out for validation. The ratio of validation loss to
# training loss measures overfitting. The curves show when it starts.

for name, ae in {"dense": dense, "convolutional": conv}.items():
    display = TrainingHistoryDisplay.from_estimator(ae)
    display.axes_[0].set_title(name)
    last = ae.history_[-1]
    print(f"{name}: {last['valid_loss'] / last['train_loss']:.1f}")
plt.show()

# %%
# In summary, use a dense network for tables and aligned images, and a convolutional
# network for images and signals in which patterns may appear at any position.
