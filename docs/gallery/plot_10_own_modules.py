"""
Bringing your own modules
=========================

The slots ``encoder`` and ``decoder`` take any torch module. The loss, the noise, the
penalties, the training, the blends and the searches stay as they are. Here an encoder
reads a picture as one reads a page, line by line, with a recurrent network, which skae
does not ship.
"""

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
    L1Sparsity,
    MaskingNoise,
    ReconstructionDisplay,
    TrainingHistoryDisplay,
    VariationalAutoencoder,
)

digits = load_digits()
X_train, X_test, y_train, y_test = train_test_split(
    digits.images / 16, digits.target, test_size=0.25, random_state=0
)

# %%
# A builder
# ---------
# What goes into a slot is called with two numbers, those that come in and those that go
# out, and returns a module. A module class is such a builder. Where `fit` saw pictures,
# the encoder gets ``(n, channels, height, width)``.


class LineReader(nn.Module):
    """Read the lines of a picture from top to bottom, and remember."""

    def __init__(self, n_in, n_out, n_lines=8, n_memory=64):
        super().__init__()
        self.memory = nn.GRU(n_in // n_lines, n_memory, batch_first=True)
        self.code = nn.Linear(n_memory, n_out)

    def forward(self, x):
        _, memory = self.memory(x.flatten(0, 1))  # one channel: (n, lines, pixels)
        return self.code(memory[-1])


# %%
# Beside an encoder of your own stands a decoder, one that ships with skae or another
# module of yours. This is all that is new. The network that ships learns the same
# digits for as long:

settings = {"decoder": "dense", "lr": 1e-2, "max_epochs": 30, "random_state": 0}
reader = AutoencoderTransformer(16, encoder=LineReader, **settings).fit(X_train)
dense = AutoencoderTransformer(16, encoder="dense", **settings).fit(X_train)
print(f"R² of new digits: line by line {reader.score(X_test):.2f}, ", end="")
print(f"all at once {dense.score(X_test):.2f}")
ReconstructionDisplay.from_estimator(reader, X_test, n_samples=6)

# %%
# In every class
# --------------
# The same module, one line for each class. The variational one needs means and
# variances, and so asks the builder for twice as many numbers.

slots = {"encoder": LineReader, **settings}
models = [
    DenoisingAutoencoder(16, noise=MaskingNoise(0.3), **slots),
    AutoencoderTransformer(
        16, penalty=L1Sparsity(0.03), code_activation="relu", **slots
    ),
    VariationalAutoencoder(4, **slots),
]
for model in models:
    print(f"{type(model).__name__}: R² {model.fit(X_train).score(X_test):.2f}")

TrainingHistoryDisplay.from_estimator(models[-1])
plt.show()

# %%
# In a search
# -----------
# `n_components` is handed to the builder, so that it can be searched as ever, and so
# can the modules themselves.

pipe = Pipeline([("ae", reader), ("classifier", LogisticRegression(max_iter=1000))])
grid = {"ae__n_components": [4, 16], "ae__encoder": ["dense", LineReader]}
search = GridSearchCV(pipe, grid, cv=2).fit(X_train[:600], y_train[:600])
results = pd.DataFrame(search.cv_results_)
results[["param_ae__encoder", "param_ae__n_components", "mean_test_score"]].round(3)

# %%
# A module that was trained elsewhere
# -----------------------------------
# An instance is a template: `fit` copies it with its weights and never trains it in
# place. `encoder_` and `decoder_` of a fitted estimator are plain torch modules. So
# they may go on in the slots of another, here for a few epochs on noisy digits:

slots = {"encoder": reader.encoder_, "decoder": reader.decoder_}
going_on = DenoisingAutoencoder(
    16, noise=MaskingNoise(0.3), max_epochs=5, random_state=0, **slots
).fit(X_train)
noisy = going_on.corrupt(X_test)
for name, model in {"before": reader, "after": going_on}.items():
    error = ((model.reconstruct(noisy) - X_test) ** 2).mean()
    print(f"mean squared error of a pixel, {name}: {error:.3f}")
