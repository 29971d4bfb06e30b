r"""
Contractive codes
=================

Can a code stay in place when its picture gets some noise?

A contractive autoencoder pays for every unit of the code that answers to small changes
of its input:

.. math:: \min_{f, g} \sum_x L(x, g(f(x))) + \lambda \sum_i \| \nabla_x z_i \|^2

It still has to redraw digits, so it cannot ignore everything. It learns to ignore what
digits do not do.
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
# Does noise move the code?
# -------------------------
# All networks learnt clean digits. Now each test digit gets some noise. How far does
# its code move, as a share of the spread of all codes? And is it still among the codes
# of its own kind, as a classifier by nearest neighbours sees it?

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
        "way / spread": spread(moved - codes) / spread(codes),
        "accuracy, clean": neighbours.score(codes, y_test),
        "accuracy, noisy": neighbours.score(moved, y_test),
    }
table = pd.DataFrame(table).T.rename_axis("λ")
table.round(3)

# %%
# The way becomes shorter and shorter. The accuracy on noisy digits rises first, and
# falls when so much is ignored that digits look alike: as always, a weight is to be
# searched through what comes after.

print(f"best on noisy digits: λ = {table['accuracy, noisy'].idxmax()}")

# %%
# Which directions are ignored
# ----------------------------
# The singular values of the Jacobian :math:`\partial z / \partial x` say how strongly
# the code answers to each direction of change. `encoder_` is a torch module, so torch
# can differentiate it.


def singular_values(model, X):
    """Return those of the Jacobian, averaged over X, by the spread of codes."""
    jacobian = torch.func.jacrev(lambda row: model.encoder_(row[None])[0])
    of_all = torch.func.vmap(jacobian)(torch.from_numpy(X)).detach()
    values = torch.linalg.svdvals(of_all).mean(dim=0).numpy()
    return values / spread(model.transform(X))


_, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
for weight, model in models.items():
    values = singular_values(model, X_test[:100])
    ax.plot(range(1, 17), values, ".-", label=f"λ = {weight}")
ax.set(xlabel="direction", ylabel="singular value / spread of codes", ylim=(0, None))
ax.legend()
plt.show()

# %%
# With a large weight a few directions stay in use, and the code is deaf to the others.
#
# Why the penalty looks at the spread
# -----------------------------------
# The formula at the top can be cheated: divide the code by a thousand, and let the
# decoder multiply by a thousand. The penalty is gone and nothing else has changed. So
# the shipped penalty measures the Jacobian in units of the spread of codes. The bare
# formula is there as well, and this is what comes of it:

bare = AutoencoderTransformer(
    16, penalty=Contraction(1.0, normalize=False), max_epochs=30, random_state=0
).fit(X_train)
table = {}
cases = {"no penalty": models[0.0], "bare, λ = 1": bare, "shipped, λ = 1": models[1.0]}
for name, model in cases.items():
    jacobian, width = model.sensitivity(X_test).mean(), spread(model.transform(X_test))
    table[name] = {"Jacobian": jacobian, "spread": width, "ratio": jacobian / width}
pd.DataFrame(table, dtype=float).T.round(2)

# %%
# By its Jacobian alone the bare penalty would look best. But it has shrunk the codes as
# well, and in units of their spread the shipped penalty is ahead.
