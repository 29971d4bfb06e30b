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
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
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


def compare(X_train, X_test, **networks):
    """Return R² and the number of weights of a PCA and some networks."""
    rows, new_rows = (X.reshape(len(X), -1) for X in (X_train, X_test))
    pca = PCA(16).fit(rows)
    error = new_rows - pca.inverse_transform(pca.transform(new_rows))
    r2 = 1 - (error**2).sum() / ((new_rows - pca.mean_) ** 2).sum()
    table = {"PCA": {"R² on new images": r2, "weights": pca.components_.size}}
    for name, ae in networks.items():
        weights = (*ae.encoder_.parameters(), *ae.decoder_.parameters())
        table[name] = {
            "R² on new images": ae.score(X_test),
            "weights": sum(part.numel() for part in weights),
        }
    return pd.DataFrame.from_dict(table, orient="index").round(3)


compare(X_train, X_test, dense=dense, convolutional=conv)

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
ReconstructionDisplay.from_estimator(conv, X_test, n_samples=6)
compare(X_train, X_test, dense=dense, convolutional=conv)

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
