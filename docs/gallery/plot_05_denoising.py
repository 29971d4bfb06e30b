r"""
Denoising
=========

How does a network learn to take noise away, and from which noise should it learn?

A denoising autoencoder sees its pictures through noise, and is compared with the clean
originals. In every epoch, for every picture:

1. add noise afresh, :math:`\tilde x = x + \sigma \varepsilon`,
2. encode and decode what is noisy, :math:`\hat x = g(f(\tilde x))`,
3. compare with what is clean, :math:`L(x, \hat x)`.

It cannot learn noise by heart that is never the same twice. What it can learn is what
digits look like.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import (
    AutoencoderTransformer,
    DenoisingAutoencoder,
    GaussianNoise,
    MaskingNoise,
    ReconstructionDisplay,
)

digits = load_digits().images / 16
X_train, X_test = train_test_split(digits, test_size=0.25, random_state=0)

# %%
# The noise is an object, so that its level can be searched. `corrupt` adds noise to
# pictures, and `denoise` takes it away.

noise = GaussianNoise(0.5, clip=(0, 1))
settings = {"max_epochs": 60, "random_state": 0}
dae = DenoisingAutoencoder(32, noise=noise, **settings).fit(X_train)

X_noisy = dae.corrupt(X_test)
X_clean = dae.denoise(X_noisy)
ReconstructionDisplay.from_estimator(dae, X_test, corrupted=X_noisy, n_samples=6)

# %%
# Which noise to train on
# -----------------------
# Now test digits get less noise than the network was trained on, and more. Beside it
# are one that was trained on less noise, one that never saw any, and PCA with as many
# components as are best *for the level in question*, which it could not know. What is
# printed is the mean squared error of a pixel.


def by_pca(n_components, X):
    """Return pictures as PCA redraws them."""
    pca = PCA(n_components).fit(X_train.reshape(len(X_train), -1))
    return pca.inverse_transform(pca.transform(X.reshape(len(X), -1))).reshape(X.shape)


def error(X):
    """Return the mean squared error of a pixel."""
    return ((X - X_test) ** 2).mean()


less_noise = GaussianNoise(0.2, clip=(0, 1))
networks = {
    "no noise": AutoencoderTransformer(32, **settings).fit(X_train),
    "0.2": DenoisingAutoencoder(32, noise=less_noise, **settings).fit(X_train),
    "0.5": dae,
}
rng = np.random.default_rng(0)
table = {}
for level in (0.1, 0.2, 0.3, 0.5, 0.7):
    noisy = np.clip(X_test + rng.normal(scale=level, size=X_test.shape), 0, 1)
    table[level] = {
        "left alone": error(noisy),
        "best PCA": min(error(by_pca(n, noisy)) for n in (4, 8, 12, 16, 24, 32)),
    }
    for name, ae in networks.items():
        table[level][f"trained on {name}"] = error(ae.reconstruct(noisy))
table = pd.DataFrame(table).T.rename_axis("noise")
table.assign(best=table.idxmin(axis=1)).round(4)

# %%
# A network is good at the noise that it was trained on,
# and taking away noise that is not there costs more than it brings: the one trained on
# 0.5 does harm where there is hardly any. So train on the noise of the data to come.
#
# Filling in what is missing
# --------------------------
# The noise may be anything that is drawn afresh. Here half of the pixels are hidden,
# and the network has to guess them from the others.

hiding = DenoisingAutoencoder(32, noise=MaskingNoise(0.5), **settings).fit(X_train)
ReconstructionDisplay.from_estimator(hiding, X_test, n_samples=6)
plt.show()

# %%
# Any other class takes noise, too, in the slot ``corruption``.
