r"""
Dense and convolutional autoencoders
====================================

An autoencoder squeezes a picture into a few numbers and draws it again from them.
Should its layers be dense or convolutional?

An *encoder* :math:`f` maps a picture :math:`x` to a few numbers, its code
:math:`z = f(x)`. A *decoder* :math:`g` draws the picture again, :math:`\hat x = g(z)`.
Both are trained together to lose little:

.. math:: \min_{f, g} \sum_x \tfrac12 \| x - g(f(x)) \|^2

A dense network gives each pixel weights of its own. A convolution uses the same small
filters at every place.
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
print(f"{len(X_train)} pictures of {X_train.shape[1:]} pixels to learn from")

# %%
# Digits in their frames
# ----------------------
# An autoencoder is fitted as a PCA is. Both networks get 16 numbers for the 64 pixels.

dense = AutoencoderTransformer(16, random_state=0).fit(X_train)
conv = ConvAutoencoder(16, random_state=0).fit(X_train)

# %%
# The code is what `transform` gives, and `inverse_transform` is the way back.
# `reconstruct` goes both ways at once.

codes = dense.transform(X_test)
print(codes.shape, "->", dense.inverse_transform(codes).shape)
ReconstructionDisplay.from_estimator(dense, X_test, n_samples=6)

# %%
# `score` is the share of the variance that is kept, on the scale of PCA's
# ``explained_variance_ratio_``. PCA with as many numbers is what to beat: it is the
# best *linear* code.


def compare(X_train, X_test, **networks):
    """Return what a PCA and some networks keep, and how many weights they have."""
    rows, new_rows = (X.reshape(len(X), -1) for X in (X_train, X_test))
    pca = PCA(16).fit(rows)
    lost = new_rows - pca.inverse_transform(pca.transform(new_rows))
    kept = 1 - (lost**2).sum() / ((new_rows - pca.mean_) ** 2).sum()
    table = {"PCA": {"R² of new pictures": kept, "weights": pca.components_.size}}
    for name, ae in networks.items():
        weights = (*ae.encoder_.parameters(), *ae.decoder_.parameters())
        table[name] = {
            "R² of new pictures": ae.score(X_test),
            "weights": sum(part.numel() for part in weights),
        }
    return pd.DataFrame.from_dict(table, orient="index").round(3)


compare(X_train, X_test, dense=dense, convolutional=conv)

# %%
# Both are ahead of PCA, and the dense network is ahead of the convolution. These digits
# were centred and scaled before we got them: a pixel means the same in all of them, and
# weights for each pixel are well spent.
#
# Digits at any place
# -------------------
# Now each digit is put somewhere into a larger frame. What a pixel means is lost; what
# a stroke looks like is not.


def scatter(pictures, size=16, seed=0):
    """Put each picture at a random place of an empty frame."""
    frames = np.zeros((len(pictures), size, size))
    corners = np.random.default_rng(seed).integers(0, size - 7, (len(pictures), 2))
    for frame, picture, (top, left) in zip(frames, pictures, corners, strict=True):
        frame[top : top + 8, left : left + 8] = picture
    return frames


X_train, X_test = scatter(X_train), scatter(X_test, seed=1)
settings = {"lr": 1e-2, "max_epochs": 30, "validation_fraction": 0.1, "random_state": 0}
dense = AutoencoderTransformer(16, **settings).fit(X_train)
conv = ConvAutoencoder(16, **settings).fit(X_train)
ReconstructionDisplay.from_estimator(conv, X_test, n_samples=6)
compare(X_train, X_test, dense=dense, convolutional=conv)

# %%
# Now the convolution is ahead, with a fraction of the weights: it has learnt strokes
# once and not for every place.
#
# Some rows were held out of training. What is lost on them, as a multiple of what is
# lost on those learnt from, tells how much was learnt by heart. The curves show when.

for name, ae in {"dense": dense, "convolutional": conv}.items():
    display = TrainingHistoryDisplay.from_estimator(ae)
    display.axes_[0].set_title(name)
    last = ae.history_[-1]
    print(f"{name}: {last['valid_loss'] / last['train_loss']:.1f}")
plt.show()

# %%
# So take a dense network for tables and for pictures that are aligned, and a
# convolution for pictures and signals in which things may be anywhere.
