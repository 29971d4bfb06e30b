r"""
Reconstructing a portrait after training on digits
==================================================

An autoencoder trained on digits cannot reconstruct a photograph. Is this because dense
layers ignore which pixels are neighbours, or because of the training data? This example
tests both explanations.

The portrait is cut into tiles of the size of a digit. Each tile is encoded and decoded,
and the reconstructed tiles are put together again.
"""

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
    results = {"tile means": np.full(tiles.shape, tiles.mean(axis=1, keepdims=True))}
    for name, model in models.items():
        codes = model.fit(X_train).transform(tiles)
        results[name] = model.inverse_transform(codes)
    return results


def show(results):
    """Show the portrait and its reconstructions, with R² over all pixels."""
    layout = [
        ["portrait", "portrait", "tile means", "PCA"],
        ["portrait", "portrait", "dense", "convolutional"],
    ]
    _, axes = plt.subplot_mosaic(layout, figsize=(8, 4.8), layout="constrained")
    for name, rows in {"portrait": tiles, **results}.items():
        r2 = 1 - ((rows - tiles) ** 2).mean() / tiles.var()
        image = put_together(rows, portrait.shape)
        axes[name].imshow(image, cmap="gray", vmin=0, vmax=1)
        axes[name].set_title(f"{name}, R² {r2:.2f}", fontsize="medium")
        axes[name].axis("off")


# %%
# Trained on digits
# -----------------

digits = load_digits().data / 16
show(reconstruct(digits))

# %%
# The outlines of the portrait are recognisable, but every model adds the empty margin
# of the digits to every tile, and has a lower R² than the tile means. This includes the
# convolutional network: it uses neighbouring pixels, but it was trained only on strokes
# on an empty background. The mean brightness of the eight columns of a digit is printed
# below. The outer columns are almost always empty, so no model has learned to
# reconstruct anything there:

print(digits.reshape(-1, SIZE, SIZE).mean(axis=(0, 1)).round(2))

# %%
# Trained on photographs
# ----------------------
# Now the same models are trained, with the same settings, on patches of two other
# photographs.

patches = [
    extract_patches_2d(shrink(photo), (SIZE, SIZE), max_patches=2000, random_state=0)
    for photo in load_sample_images().images
]
show(reconstruct(np.concatenate(patches).reshape(-1, SIZE * SIZE)))
plt.show()

# %%
# All models reconstruct the portrait and outperform the tile means, although the
# training data contained no face. The cause was therefore the training data and not the
# kind of layer: an autoencoder reconstructs only images that resemble its training
# data. Here it is a limitation; anomaly detection relies on it, see
# :doc:`plot_09_anomalies`.
#
# The example also shows how strong a linear baseline can be. Small patches of
# photographs are reconstructed well by a linear map, so check the R² of PCA before you
# train an autoencoder.
