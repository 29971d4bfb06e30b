r"""
Anomaly detection
=================

An autoencoder reconstructs samples similar to its training data well, and unusual ones
badly. Its reconstruction error can therefore be used for outlier and novelty detection.

The score of a sample is its negative loss,

.. math:: s(x) = - L( x, g(f(x)) )

summed over pixels. Low scores indicate anomalies.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer, ReconstructionDisplay

digits = load_digits()
X_train, X_rest, _, y_rest = train_test_split(
    digits.images / 16, digits.target, test_size=0.5, random_state=0
)
X_calibration, X_test, _, y_test = train_test_split(
    X_rest, y_rest, test_size=0.5, random_state=0
)
upside_down = X_test[:, ::-1]

# %%
# The training digits are upright. The anomalies are digits turned upside down. They
# consist of the same strokes, with the same brightness.

ae = AutoencoderTransformer(8, max_epochs=60, random_state=0).fit(X_train)
ReconstructionDisplay.from_estimator(ae, np.concatenate([X_test[:5], upside_down[:5]]))

# %%
# A threshold
# -----------
# The scores of training digits are too high, because the network was trained on them.
# The threshold is therefore set on held-out digits: it is the 5 % quantile of *their*
# scores.

threshold = np.quantile(ae.score_samples(X_calibration), 0.05)
scores = {
    "upright": ae.score_samples(X_test),
    "upside down": ae.score_samples(upside_down),
}

_, ax = plt.subplots(figsize=(7, 3), layout="constrained")
for name, values in scores.items():
    ax.hist(values, np.linspace(-4, 0, 60), alpha=0.6, label=name)
    print(f"below the threshold, {name}: {(values < threshold).mean():.0%}")
ax.axvline(threshold, color="0.3", linestyle=":", label="threshold")
ax.set(xlabel="score_samples", ylabel="digits")
ax.legend()
plt.show()

# %%
# Some digits look almost the same upside down and cannot be detected. The table shows
# the fraction detected for each digit.

found = pd.Series(scores["upside down"] < threshold).groupby(y_test).mean()
found.rename_axis("digit").to_frame("fraction detected").T.round(2)

# %%
# The number of components
# ------------------------
# The area under the ROC curve (AUC) does not depend on a threshold: it is the
# probability that an upside-down digit has a lower score than an upright one. The table
# shows it for autoencoders with different numbers of components, and for the
# reconstruction error of PCA with the same number.

images = np.concatenate([X_test, upside_down])
is_anomaly = np.repeat([0, 1], len(X_test))


def error_of_pca(n_components):
    """Return the squared error of each image, reconstructed by PCA."""
    rows = images.reshape(len(images), -1)
    pca = PCA(n_components).fit(X_train.reshape(len(X_train), -1))
    return ((rows - pca.inverse_transform(pca.transform(rows))) ** 2).sum(axis=1)


table = {}
for n in (2, 4, 8, 16, 32, 48):
    ae = AutoencoderTransformer(n, max_epochs=60, random_state=0).fit(X_train)
    table[n] = {
        "R²": ae.score(X_test),
        "AUC of the autoencoder": roc_auc_score(is_anomaly, -ae.score_samples(images)),
        "AUC of PCA": roc_auc_score(is_anomaly, error_of_pca(n)),
    }
table = pd.DataFrame(table).T.rename_axis("components")
table.round(2)

# %%
# The largest code gives the best reconstruction but the lowest AUC, because it also
# reconstructs anomalies well. Do not choose the size of the code by `score`. If you
# have labelled anomalies, use them to choose it; otherwise use a small code.

print("components with the best AUC:", table["AUC of the autoencoder"].idxmax())
print("components with the best R²:", table["R²"].idxmax())
