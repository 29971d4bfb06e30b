r"""
Reconstructing a portrait after training on digits
==================================================

An autoencoder trained on digits cannot reconstruct a photograph. Is this because dense
layers ignore which pixels are neighbours, or because of the training data? This example
tests both explanations.

The portrait is cut into tiles of the size of a digit. Each tile :math:`x` is encoded
and decoded, :math:`\hat x = g(f(x))`, and the reconstructed tiles are put together
again. The quality is measured over all pixels by

.. math:: R^2 = 1 - \frac{\sum_x \| x - \hat x \|^2}{\sum_x \| x - \bar x \|^2}

with :math:`\bar x` the mean grey level of the portrait. A negative value is worse than
an image of this grey level.

**You learn** what happens if an autoencoder encodes data unlike its training data, how
to find the cause, and why PCA is a strong baseline for small patches of photographs.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data
from matplotlib.image import imread
from sklearn.datasets import load_digits, load_sample_images
from sklearn.decomposition import PCA
from sklearn.feature_extraction.image import extract_patches_2d

from skae import AutoencoderTransformer, ConvAutoencoder

SIZE = 8  # width and height of a digit and of a tile, in pixels


def shrink(photo):
    """Return a photograph in greyscale, at half its size, cropped to whole tiles."""
    grey = photo @ [0.299, 0.587, 0.114] / 255
    height, width = (length // (2 * SIZE) * SIZE for length in grey.shape)
    return grey[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean((1, 3))


def cut(image):
    """Return the tiles of an image as rows."""
    blocks = image.reshape(-1, SIZE, image.shape[1] // SIZE, SIZE)
    return blocks.swapaxes(1, 2).reshape(-1, SIZE * SIZE)


def put_together(tiles, shape):
    """Return the image that consists of the tiles."""
    blocks = tiles.reshape(-1, shape[1] // SIZE, SIZE, SIZE)
    return blocks.swapaxes(1, 2).reshape(shape)


with get_sample_data("grace_hopper.jpg") as file:
    portrait = shrink(imread(file))
tiles = cut(portrait)
print(f"{portrait.shape} pixels, {len(tiles)} tiles")

# %%
# We compare a dense and a convolutional autoencoder with 8 components, and PCA with the
# same number. The baseline replaces each tile by its mean grey level, a single value. A
# model that does not outperform this baseline has reconstructed nothing *inside* the
# tiles.


def reconstruct(X_train):
    """Return the tiles of the portrait as reconstructed by each model."""
    settings = {"max_epochs": 40, "random_state": 0}
    models = {
        "PCA": PCA(8),
        "dense": AutoencoderTransformer(8, **settings),
        "convolutional": ConvAutoencoder(8, image_shape=(SIZE, SIZE), **settings),
    }
    return {
        name: model.inverse_transform(model.fit(X_train).transform(tiles))
        for name, model in models.items()
    }


def show(ax, rows):
    """Show the portrait made of tiles, with R² over all pixels."""
    image = put_together(rows, portrait.shape)
    ax.imshow(image, cmap="gray", vmin=0, vmax=1)
    r2 = 1 - ((rows - tiles) ** 2).mean() / tiles.var()
    style = {"color": "white", "backgroundcolor": "black", "fontsize": 14}
    ax.text(8, portrait.shape[0] - 12, f"R² {r2:.2f}", **style)
    ax.set(xticks=[], yticks=[])


_, axes = plt.subplots(1, 2, figsize=(5, 3.3), layout="constrained")
axes[0].set_title("portrait", fontsize=16)
axes[0].imshow(portrait, cmap="gray", vmin=0, vmax=1)
axes[0].axis("off")
axes[1].set_title("tile means", fontsize=16)
show(axes[1], np.full(tiles.shape, tiles.mean(axis=1, keepdims=True)))
plt.show()

# %%
# Digits or photographs as training data
# --------------------------------------
# The same models are trained, with the same settings, on digits, and on patches of two
# other photographs.

digits = load_digits().data / 16
patches = [
    extract_patches_2d(shrink(photo), (SIZE, SIZE), max_patches=2000, random_state=0)
    for photo in load_sample_images().images
]
training_data = {
    "digits": digits,
    "photographs": np.concatenate(patches).reshape(-1, SIZE * SIZE),
}

_, axes = plt.subplots(2, 3, figsize=(6.4, 5), layout="constrained")
for line, (source, X_train) in zip(axes, training_data.items(), strict=True):
    for ax, (name, rows) in zip(line, reconstruct(X_train).items(), strict=True):
        show(ax, rows)
        ax.set_title(name, fontsize=16)
    line[0].set_ylabel(f"trained on\n{source}", fontsize=16)
plt.show()

# %%
# Trained on digits, the models reconstruct recognisable outlines of the portrait, but
# every model adds the empty margin of the digits to every tile, and has a lower R² than
# the tile means. This includes the convolutional network: it uses neighbouring pixels,
# but it was trained only on strokes on an empty background. The mean brightness of the
# eight columns of a digit is printed below. The outer columns are almost always empty,
# so no model has learned to reconstruct anything there:

print(digits.reshape(-1, SIZE, SIZE).mean(axis=(0, 1)).round(2))

# %%
# Trained on photographs, all models reconstruct the portrait and outperform the tile
# means, although the training data contained no face. The cause was therefore the
# training data and not the kind of layer: an autoencoder reconstructs only images that
# resemble its training data. Here it is a limitation; anomaly detection relies on it,
# see :doc:`plot_09_anomalies`.
#
# The example also shows how strong a linear baseline can be. Small patches of
# photographs are reconstructed well by a linear map, so check the R² of PCA before you
# train an autoencoder.
