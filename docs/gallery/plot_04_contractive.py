r"""
Contractive codes
=================

A contractive autoencoder learns a code that hardly changes when noise is added to the
input. This example shows how the penalty weight λ affects robustness, and why the
penalty has to be normalised.

A contractive autoencoder penalises the sensitivity of each unit of the code to small
changes of the input:

.. math:: \min_{f, g} \sum_x L(x, g(f(x))) + \lambda \sum_i \| \nabla_x z_i \|^2

The code still has to reconstruct digits, so it cannot be insensitive to every change.
It becomes insensitive to changes that do not occur between digits.

**You learn** how to choose the weight of the contractive penalty by the score of a
downstream classifier, how to find the directions that a code is sensitive to, and why
the penalty has to be normalised.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skae import AutoencoderTransformer, Contraction, ContractiveAutoencoder

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    (X / 16).astype(np.float32), y, test_size=0.25, random_state=0
)

weights = [0.0, 0.1, 1.0, 10.0]
models = {
    weight: ContractiveAutoencoder(
        16, contraction=weight, max_epochs=30, random_state=0
    ).fit(X_train)
    for weight in weights
}

# %%
# Robustness to noise
# -------------------
# All networks were trained on clean digits. Now noise is added to each test digit. We
# measure how far its code moves, relative to the spread of all codes, and whether a
# nearest-neighbour classifier still recognises the digit by its code.

noise = np.random.default_rng(0).normal(scale=0.3, size=X_test.shape)
X_noisy = (X_test + noise).astype(np.float32)


def spread(codes):
    """Return the root mean squared distance of codes from their mean."""
    return np.sqrt(codes.var(axis=0).sum())


table = {}
for weight, model in models.items():
    codes, moved = model.transform(X_test), model.transform(X_noisy)
    neighbours = KNeighborsClassifier(3).fit(model.transform(X_train), y_train)
    table[weight] = {
        "R²": model.score(X_test),
        "shift / spread": spread(moved - codes) / spread(codes),
        "accuracy, clean": neighbours.score(codes, y_test),
        "accuracy, noisy": neighbours.score(moved, y_test),
    }
table = pd.DataFrame(table).T.rename_axis("λ")
table.round(3)

# %%
# The shift decreases with :math:`\lambda`. The accuracy on noisy digits first
# increases, then decreases when the code is so insensitive that different digits become
# similar. As with every penalty, choose the weight by the score of the downstream
# model.

print(f"best on noisy digits: λ = {table['accuracy, noisy'].idxmax()}")

# %%
# Sensitive directions
# --------------------
# The singular values of the Jacobian :math:`\partial z / \partial x` measure how
# strongly the code responds to changes in different directions. `encoder_` is a torch
# module, so torch can differentiate it.


def singular_values(model, X):
    """Return mean singular values of the Jacobian, divided by the spread of codes."""
    jacobian = torch.func.jacrev(lambda row: model.encoder_(row[None])[0])
    jacobians = torch.func.vmap(jacobian)(torch.from_numpy(X)).detach()
    values = torch.linalg.svdvals(jacobians).mean(dim=0).numpy()
    return values / spread(model.transform(X))


_, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
for weight, model in models.items():
    values = singular_values(model, X_test[:100])
    ax.plot(range(1, 17), values, ".-", label=f"λ = {weight}")
ax.set(xlabel="direction", ylabel="singular value / spread of codes", ylim=(0, None))
ax.legend()
plt.show()

# %%
# With a large weight, the code is sensitive to a few directions and insensitive to the
# others.
#
# Why the penalty is normalised
# -----------------------------
# The penalty in the formula at the top can be reduced without changing the
# reconstruction: divide the code by a thousand and let the decoder multiply by a
# thousand. The penalty of skae therefore measures the Jacobian in units of the spread
# of codes. The plain formula is available with ``normalize=False``. This table compares
# the two:

plain = AutoencoderTransformer(
    16, penalty=Contraction(1.0, normalize=False), max_epochs=30, random_state=0
).fit(X_train)
table = {}
cases = {
    "no penalty": models[0.0],
    "plain, λ = 1": plain,
    "normalised, λ = 1": models[1.0],
}
for name, model in cases.items():
    jacobian, width = model.sensitivity(X_test).mean(), spread(model.transform(X_test))
    table[name] = {"Jacobian": jacobian, "spread": width, "ratio": jacobian / width}
pd.DataFrame(table, dtype=float).T.round(2)

# %%
# Judged by the Jacobian alone, the plain penalty would look best. However, it has also
# shrunk the codes: relative to their spread, the normalised penalty gives the less
# sensitive code.
