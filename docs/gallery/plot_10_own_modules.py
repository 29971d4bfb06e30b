"""
Custom modules
==============

The parameters ``encoder`` and ``decoder`` accept any torch module. Losses, noise,
penalties, training, blending and searches work as with the built-in networks. In this
example, the encoder is a recurrent network that reads an image row by row. For signals
there is a built-in one: see the next example.
"""

import warnings

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from torch import nn

from skae import (
    AutoencoderTransformer,
    DenoisingAutoencoder,
    FitWarning,
    L1Sparsity,
    MaskingNoise,
    ReconstructionDisplay,
    TrainingHistoryDisplay,
    VariationalAutoencoder,
)

# Short training of a custom network ends below PCA, of which a warning tells.
warnings.filterwarnings("ignore", category=FitWarning)

digits = load_digits()
X_train, X_test, y_train, y_test = train_test_split(
    digits.images / 16, digits.target, test_size=0.25, random_state=0
)

# %%
# A builder
# ---------
# A builder is called with the number of inputs and the number of outputs, and returns a
# module. A module class is a builder. If X contains images, the encoder receives arrays
# of shape ``(n, channels, height, width)``.


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
# custom module. No other code is needed. For comparison, a built-in dense network is
# trained with the same settings:

settings = {"decoder": "dense", "lr": 1e-2, "max_epochs": 30, "random_state": 0}
recurrent = AutoencoderTransformer(16, encoder=RecurrentEncoder, **settings)
recurrent.fit(X_train)
dense = AutoencoderTransformer(16, encoder="dense", **settings).fit(X_train)
print(f"R² on new digits, recurrent encoder: {recurrent.score(X_test):.2f}")
print(f"R² on new digits, dense encoder: {dense.score(X_test):.2f}")
ReconstructionDisplay.from_estimator(recurrent, X_test, n_samples=6)

# %%
# In other estimators
# -------------------
# The same module works in other estimators. The variational autoencoder needs means and
# variances, so it calls the builder with twice the number of outputs.

custom = {"encoder": RecurrentEncoder, **settings}
models = [
    DenoisingAutoencoder(16, noise=MaskingNoise(0.3), **custom),
    AutoencoderTransformer(
        16, penalty=L1Sparsity(0.03), code_activation="relu", **custom
    ),
    VariationalAutoencoder(4, **custom),
]
for model in models:
    print(f"{type(model).__name__}: R² {model.fit(X_train).score(X_test):.2f}")

TrainingHistoryDisplay.from_estimator(models[-1])
plt.show()

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
