r"""
A network that learnt digits sees a portrait
============================================

Train a dense autoencoder on digits, then show it a photograph. It draws something, but
not the photograph. Are dense layers to blame, which do not know that a picture has
neighbouring pixels? Or is it what they were taught? We give both a fair trial.

The portrait is cut into tiles of the size of a digit. Each tile goes through the code,
and what comes back is put together again.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data
from matplotlib.image import imread
from sklearn.datasets import load_digits, load_sample_images
from sklearn.decomposition import PCA
from sklearn.feature_extraction.image import extract_patches_2d

from skae import AutoencoderTransformer, ConvAutoencoder

SIZE = 8  # pixels, of a digit and of a tile


def shrink(photo):
    """Return a colour photograph in grey, at half its size, cut to whole tiles."""
    grey = photo @ [0.299, 0.587, 0.114] / 255
    height, width = (length // (2 * SIZE) * SIZE for length in grey.shape)
    return grey[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean((1, 3))


def cut(picture):
    """Return the tiles of a picture as rows."""
    blocks = picture.reshape(-1, SIZE, picture.shape[1] // SIZE, SIZE)
    return blocks.swapaxes(1, 2).reshape(-1, SIZE * SIZE)


def put_together(tiles, shape):
    """Return the picture that was cut."""
    blocks = tiles.reshape(-1, shape[1] // SIZE, SIZE, SIZE)
    return blocks.swapaxes(1, 2).reshape(shape)


with get_sample_data("grace_hopper.jpg") as file:
    portrait = shrink(imread(file))
tiles = cut(portrait)
print(f"{portrait.shape} pixels, {len(tiles)} tiles")

# %%
# The learners are a dense and a convolutional autoencoder with codes of 8 numbers, and
# PCA with as many. Beside them stands the simplest drawing of all, each tile as its
# mean grey, which takes one number. What is not better than that has drawn nothing
# *inside* a tile.


def redraw(X_train):
    """Return the tiles of the portrait as each learner draws them."""
    settings = {"max_epochs": 40, "random_state": 0}
    learners = {
        "PCA": PCA(8),
        "dense": AutoencoderTransformer(8, **settings),
        "convolutional": ConvAutoencoder(8, image_shape=(SIZE, SIZE), **settings),
    }
    drawn = {"tile means": np.full(tiles.shape, tiles.mean(axis=1, keepdims=True))}
    for name, learner in learners.items():
        codes = learner.fit(X_train).transform(tiles)
        drawn[name] = learner.inverse_transform(codes)
    return drawn


def show(drawn):
    """Show the portrait and what was drawn, with R² against one grey for all."""
    layout = [
        ["portrait", "portrait", "tile means", "PCA"],
        ["portrait", "portrait", "dense", "convolutional"],
    ]
    _, axes = plt.subplot_mosaic(layout, figsize=(8, 4.8), layout="constrained")
    for name, rows in {"portrait": tiles, **drawn}.items():
        kept = 1 - ((rows - tiles) ** 2).mean() / tiles.var()
        picture = put_together(rows, portrait.shape)
        axes[name].imshow(picture, cmap="gray", vmin=0, vmax=1)
        axes[name].set_title(f"{name}, R² {kept:.2f}", fontsize="medium")
        axes[name].axis("off")


# %%
# Taught digits
# -------------

digits = load_digits().data / 16
show(redraw(digits))

# %%
# Outlines can be guessed, but every learner prints the frame of a digit on every tile,
# and stays behind the tile means. The convolution does so too: it knows of neighbours,
# but it has never seen anything but strokes on an empty ground. These are the mean
# brightnesses of the eight columns of a digit. The outer ones are all but empty, so
# nobody learnt to draw there:

print(digits.reshape(-1, SIZE, SIZE).mean(axis=(0, 1)).round(2))

# %%
# Taught photographs
# ------------------
# The same learners, with the same settings, on patches of two other photographs.

patches = [
    extract_patches_2d(shrink(photo), (SIZE, SIZE), max_patches=2000, random_state=0)
    for photo in load_sample_images().images
]
show(redraw(np.concatenate(patches).reshape(-1, SIZE * SIZE)))
plt.show()

# %%
# All of them draw the portrait, and are ahead of the tile means, though no face was
# among their lessons. So it was what they were taught and not the kind of layer: an
# autoencoder redraws what resembles the pictures it has learnt. That is a weakness
# here, and what :doc:`plot_09_anomalies` lives on.
#
# It is a lesson in modesty, too. Small patches of photographs are close to what a
# linear map can draw: look at what PCA keeps before you train anything.
