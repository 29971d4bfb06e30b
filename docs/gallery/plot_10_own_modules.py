r"""
Custom modules
==============

The parameters `encoder` and `decoder` accept any torch module. When is a module of your
own better than a built-in network, and how is it used?

The objective of an autoencoder holds for any encoder :math:`f` and decoder :math:`g`
with gradients:

.. math:: \min_{f, g} \sum_x L(x, g(f(x)))

If you know how the data arise, :math:`g` can be a formula. The signals in this example
are growth curves. The decoder computes the value at time :math:`t` from the onset
:math:`c`, the rate :math:`r` and the final size :math:`K`, which are the units of the
code:

.. math:: g(z)_t = \frac{K}{1 + e^{-r (t - c)}}, \qquad z = (c, \log r, \log K)

**You learn** how to write an encoder or a decoder, when this is worth the effort, and
how to use a custom module in other estimators, in a grid search and for fine-tuning.
"""

# sphinx_gallery_thumbnail_number = 1

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from torch import nn

from skae import (
    AutoencoderTransformer,
    DenoisingAutoencoder,
    Dense,
    FitWarning,
    L1Sparsity,
    MaskingNoise,
    VariationalAutoencoder,
)

# Short training of a custom network ends below PCA. A warning reports this.
warnings.filterwarnings("ignore", category=FitWarning)

# %%
# A decoder that computes a formula
# ---------------------------------
# A *builder* is called with the number of inputs and the number of outputs, and returns
# a module. A module class is a builder.


class Growth(nn.Module):
    """Compute a growth curve from its onset, and from the log of its rate and size."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.register_buffer("time", torch.linspace(-5, 5, n_out))

    def forward(self, code):
        onset, log_rate, log_size = code.unsqueeze(2).unbind(dim=1)
        growth = torch.sigmoid(torch.exp(log_rate) * (self.time - onset))
        return torch.exp(log_size) * growth


def make_curves(n_samples, rng):
    """Return growth curves with noise, without noise, and their parameters."""
    low, high = [-3, 0.8, 0.5], [3, 3, 2]
    factors = rng.uniform(low, high, (n_samples, 3))
    onset, rate, size = factors.T[..., np.newaxis]
    clean = size / (1 + np.exp(-rate * (np.linspace(-5, 5, 50) - onset)))
    return clean + 0.1 * rng.standard_normal(clean.shape), clean, factors


rng = np.random.default_rng(0)
curves, _, _ = make_curves(200, rng)
new_curves, clean, factors = make_curves(500, rng)

# %%
# The same encoder is combined with the custom decoder and with a built-in one. PCA is
# the baseline. The curves are simulated, so we can compare the reconstructions of new
# noisy curves with the curves without noise. The last three columns show the largest
# correlation of a unit with each parameter.

encoder = Dense((128, 64), activation="gelu", init="random")
settings = {"encoder": encoder, "max_epochs": 300, "random_state": 0}
contestants = {
    "PCA": PCA(3),
    "built-in decoder": AutoencoderTransformer(3, **settings),
    "custom decoder": AutoencoderTransformer(3, decoder=Growth, **settings),
}
reconstructed, table = {}, {}
for name, model in contestants.items():
    codes = model.fit(curves).transform(new_curves)
    reconstructed[name] = model.inverse_transform(codes)
    correlations = np.abs(np.corrcoef(codes.T, factors.T)[:3, 3:]).max(axis=0)
    r2 = r2_score(clean, reconstructed[name], multioutput="variance_weighted")
    table[name] = [r2, *correlations]
columns = ["R²", "onset", "rate", "size"]
pd.DataFrame.from_dict(table, orient="index", columns=columns).round(3)

# %%

_, axes = plt.subplots(1, 2, figsize=(6.4, 4), sharey=True, layout="constrained")
for ax, name in zip(axes, ("built-in decoder", "custom decoder"), strict=True):
    for i in range(3):
        ax.plot(new_curves[i], ".", color=f"C{i}", markersize=4, alpha=0.5)
        ax.plot(reconstructed[name][i], color=f"C{i}", linewidth=3)
    ax.set_title(f"{name}\nR² {table[name][0]:.3f}", fontsize=16)
    ax.set_xlabel("time", fontsize=13)
plt.show()

# %%
# The custom decoder reconstructs new curves best, although it has no weights at all:
# the built-in one has to learn the shape of the curves from 200 noisy examples. In
# addition, its units are the parameters of the formula. It recovers the onset and the
# size almost exactly, and the rate less well, because the noise hides it.
#
# A custom encoder
# ----------------
# If X contains images, the encoder receives arrays of shape
# ``(n, channels, height, width)``. This encoder is a recurrent network that reads the
# rows of an image from top to bottom:

digits = load_digits()
X_train, X_test, y_train, y_test = train_test_split(
    digits.images / 16, digits.target, test_size=0.25, random_state=0
)


class RecurrentEncoder(nn.Module):
    """Read the rows of an image from top to bottom with a GRU."""

    def __init__(self, n_in, n_out, n_rows=8, n_hidden=64):
        super().__init__()
        self.gru = nn.GRU(n_in // n_rows, n_hidden, batch_first=True)
        self.code = nn.Linear(n_hidden, n_out)

    def forward(self, x):
        _, hidden = self.gru(x.flatten(0, 1))  # one channel: (n, rows, pixels)
        return self.code(hidden[-1])


# %%
# With a custom encoder, the decoder has to be specified, too: a built-in one or a
# custom module. For comparison, a built-in dense network is trained with the same
# settings:

settings = {"decoder": "dense", "lr": 1e-2, "max_epochs": 30, "random_state": 0}
recurrent = AutoencoderTransformer(16, encoder=RecurrentEncoder, **settings)
recurrent.fit(X_train)
dense = AutoencoderTransformer(16, encoder="dense", **settings).fit(X_train)
print(f"R² on new digits, recurrent encoder: {recurrent.score(X_test):.2f}")
print(f"R² on new digits, dense encoder: {dense.score(X_test):.2f}")

# %%
# Here the custom encoder is worse: these images have no order in time. Write a module
# if you know something about the data that the built-in networks do not, such as a
# formula or a symmetry. For signals, there is a built-in recurrent network: see
# :doc:`plot_11_signals`.
#
# In other estimators
# -------------------
# The same module works in other estimators. The variational autoencoder needs means and
# variances, so it calls the builder with twice the number of outputs.

custom = {**settings, "encoder": RecurrentEncoder, "max_epochs": 15}
models = [
    DenoisingAutoencoder(16, noise=MaskingNoise(0.3), **custom),
    AutoencoderTransformer(
        16, penalty=L1Sparsity(0.03), code_activation="relu", **custom
    ),
    VariationalAutoencoder(4, **custom),
]
for model in models:
    print(f"{type(model).__name__}: R² {model.fit(X_train).score(X_test):.2f}")

# %%
# In a grid search
# ----------------
# `n_components` is passed to the builder, so it can be searched as usual. The encoder
# itself can also be searched.

pipe = Pipeline([("ae", recurrent), ("classifier", LogisticRegression(max_iter=1000))])
grid = {"ae__n_components": [4, 16], "ae__encoder": ["dense", RecurrentEncoder]}
search = GridSearchCV(pipe, grid, cv=2).fit(X_train[:600], y_train[:600])
results = pd.DataFrame(search.cv_results_)
results[["param_ae__encoder", "param_ae__n_components", "mean_test_score"]].round(3)

# %%
# Pre-trained modules
# -------------------
# A module instance is a template: `fit` copies it with its weights and never trains it
# in place. `encoder_` and `decoder_` of a fitted estimator are plain torch modules, so
# they can be trained further by another estimator, here for a few epochs on noisy
# digits:

pretrained = {"encoder": recurrent.encoder_, "decoder": recurrent.decoder_}
fine_tuned = DenoisingAutoencoder(
    16, noise=MaskingNoise(0.3), max_epochs=5, random_state=0, **pretrained
).fit(X_train)
noisy = fine_tuned.corrupt(X_test)
for name, model in {"before": recurrent, "after": fine_tuned}.items():
    error = ((model.reconstruct(noisy) - X_test) ** 2).mean()
    print(f"mean squared error per pixel, {name}: {error:.3f}")
