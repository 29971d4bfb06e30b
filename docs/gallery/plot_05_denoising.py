r"""
Denoising
=========

A denoising autoencoder learns to remove noise from its input. This example shows how it
is trained, and which noise level to train on.

A denoising autoencoder receives noisy images and is trained to reconstruct the clean
originals. In every epoch, for every image:

1. add new noise, :math:`\tilde x = x + \sigma \varepsilon`,
2. encode and decode the noisy image, :math:`\hat x = g(f(\tilde x))`,
3. compare the reconstruction with the clean image, :math:`L(x, \hat x)`.

Because the noise is different every time, the network cannot memorise it and has to
learn what digits look like.

**You learn** how to train a denoising autoencoder, which noise level to train on, and
how to fill in missing pixels.
"""

# sphinx_gallery_thumbnail_number = 1

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import (
    AutoencoderTransformer,
    DenoisingAutoencoder,
    FitWarning,
    GaussianNoise,
    MaskingNoise,
    ReconstructionDisplay,
)

# Much noise costs variance that PCA explains, of which a warning tells.
warnings.filterwarnings("ignore", category=FitWarning)

glyphs = np.load("glyphs.npz")["images"] / np.float32(255)
X_train, X_test = train_test_split(glyphs, test_size=0.25, random_state=0)

# %%
# The images are digits in three fonts of matplotlib. To run this example elsewhere, put
# the file :download:`glyphs.npz </gallery/glyphs.npz>` beside it.
#
# The noise is an object with parameters, so its level can be searched. `corrupt` adds
# noise to images, and `denoise` removes it.

noise = GaussianNoise(0.5, clip=(0, 1), relative=False)  # in the units of X
settings = {"max_epochs": 25, "random_state": 0}
dae = DenoisingAutoencoder(32, noise=noise, **settings).fit(X_train)

X_noisy = dae.corrupt(X_test)
X_denoised = dae.denoise(X_noisy)

_, ax = plt.subplots(figsize=(8, 5.6), layout="constrained")
rows = (X_noisy[:4], X_denoised[:4], X_test[:4])
ax.imshow(np.block([[*row] for row in rows]), cmap="gray", vmin=0, vmax=1)
ax.set_yticks([14, 42, 70], ["noisy", "denoised", "original"], fontsize=20)
ax.set_xticks([])
ax.tick_params(length=0)
plt.show()

# %%
# Which noise to train on
# -----------------------
# Now the test digits have less or more noise than the network was trained on. We
# compare this network with one that was trained on less noise, one that was trained
# without noise, and PCA. For PCA, the best number of components is chosen for each
# noise level on the test digits, an advantage that it would not have in practice. The
# table and the figure show the mean squared error per pixel.


def by_pca(n_components, X):
    """Return images reconstructed by PCA."""
    pca = PCA(n_components, random_state=0).fit(X_train.reshape(len(X_train), -1))
    return pca.inverse_transform(pca.transform(X.reshape(len(X), -1))).reshape(X.shape)


def error(X):
    """Return the mean squared error per pixel."""
    return ((X - X_test) ** 2).mean()


less_noise = GaussianNoise(0.2, clip=(0, 1), relative=False)
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
        "not denoised": error(noisy),
        "best PCA": min(error(by_pca(n, noisy)) for n in (8, 16, 32, 64, 128)),
    }
    for name, ae in networks.items():
        table[level][f"trained on {name}"] = error(ae.reconstruct(noisy))
table = pd.DataFrame(table).T.rename_axis("noise")
table.T.round(4)

# %%

ax = table.plot(logy=True, marker="o", ylabel="mean squared error per pixel")
ax.set_xticks(table.index)
plt.show()

# %%
# Each network performs well at the noise level it was trained on. At much lower levels
# it removes noise that is not there: the network trained on 0.5 makes almost clean
# images worse, and PCA is better there. At much higher levels too little is removed. So
# train with the noise level that you expect at prediction time.
#
# Inpainting: filling in missing pixels
# -------------------------------------
# Any random corruption can be used for training. Here half of the pixels are masked,
# and the network has to predict them from the others.

masking = DenoisingAutoencoder(32, noise=MaskingNoise(0.5), **settings).fit(X_train)
ReconstructionDisplay.from_estimator(masking, X_test, n_samples=6)
plt.show()

# %%
# The other classes can also be trained with noise, with the parameter ``corruption``.
