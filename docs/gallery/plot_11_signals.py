r"""
Signals: events at random times
===============================

In many signals the same event occurs at different times. A dense network has to learn
the event at each time separately. Convolutional and recurrent networks use the same
weights at every time. Which of the three reconstructs new signals best?

A convolution computes each value of its output from a short window of the signal,

.. math:: h_t = \sum_k w_k \, x_{t + k}

with the same weights :math:`w_k` at every time :math:`t`. A recurrent network updates a
state at each time step, also with the same weights.

**You learn** how to fit autoencoders to signals with ``layout="signal"``, and how to
choose between a dense, a convolutional and a recurrent network.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from skae import AutoencoderTransformer, ReconstructionDisplay

# %%
# The data
# --------
# Each signal has 64 time steps. It contains one bump of random width and one smooth
# step, both at random times, and a little noise. Three numbers describe a signal, so a
# code of four dimensions is enough.


def make_signals(n_samples, rng, length=64):
    """Return signals with one bump and one step at random times."""
    time = np.arange(length)
    center = rng.uniform(8, length - 8, size=(n_samples, 1))
    width = rng.uniform(2, 5, size=(n_samples, 1))
    onset = rng.uniform(0, length, size=(n_samples, 1))
    bump = np.exp(-0.5 * ((time - center) / width) ** 2)
    step = 0.5 / (1 + np.exp(-(time - onset)))
    return bump + step + 0.02 * rng.standard_normal((n_samples, length))


rng = np.random.default_rng(0)
X_train, X_test = make_signals(400, rng), make_signals(300, rng)
plt.figure(figsize=(6, 2.5), layout="constrained")
plt.plot(X_train[:4].T)
plt.xlabel("time step")
plt.show()

# %%
# Three networks
# --------------
# ``"recurrent"`` cuts a signal into frames and reads them in both directions with an
# LSTM. ``layout="signal"`` specifies that a row is a signal, as 64 values could also be
# an 8 x 8 image.

models, rows = {}, []
for encoder in ("dense", "conv", "recurrent"):
    ae = AutoencoderTransformer(
        4, encoder=encoder, layout="signal", max_epochs=50, random_state=0
    )
    models[encoder] = ae.fit(X_train)
    rows.append((encoder, ae.score(X_train), ae.score(X_test)))
pca = PCA(4).fit(X_train)
missed = X_test - pca.inverse_transform(pca.transform(X_test))
r2 = 1 - (missed**2).sum() / ((X_test - X_train.mean(axis=0)) ** 2).sum()
rows.append(("PCA", pca.explained_variance_ratio_.sum(), r2))
columns = ["encoder", "R² on training signals", "R² on new signals"]
pd.DataFrame(rows, columns=columns).set_index("encoder").round(3)

# %%
# The recurrent network reconstructs new signals best. It takes several times as long to
# train as the others; ``Recurrent(hidden_size=32, n_layers=1)`` is smaller.

ReconstructionDisplay.from_estimator(
    models["recurrent"], X_test, n_samples=5, layout="signal"
)
plt.show()
