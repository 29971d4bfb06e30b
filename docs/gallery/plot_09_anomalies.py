r"""
Anomaly scores
==============

How unusual is a sample? An autoencoder redraws well what it has seen often, and badly
what it has not.

The score of a sample is minus its loss,

.. math:: s(x) = - L( x, g(f(x)) )

summed over pixels, and low scores mark anomalies.
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
# Digits of training are upright. Those that stand on their heads are the anomalies.
# They are made of the same strokes, with the same brightness.

ae = AutoencoderTransformer(8, max_epochs=60, random_state=0).fit(X_train)
ReconstructionDisplay.from_estimator(ae, np.concatenate([X_test[:5], upside_down[:5]]))

# %%
# A threshold
# -----------
# The scores of training digits are too good, as the network has seen them. So the
# threshold comes from digits that were put aside: it is the score below which 5 % of
# *them* are.

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
# Some digits look much the same on their heads, and cannot be found. Which ones?

found = pd.Series(scores["upside down"] < threshold).groupby(y_test).mean()
found.rename_axis("digit").to_frame("share found").T.round(2)

# %%
# How large a code?
# -----------------
# The area under the ROC curve needs no threshold: it is the probability that an
# upside-down digit has a lower score than an upright one. Here it is for codes of
# several sizes, and for the error of PCA with as many components.

pictures = np.concatenate([X_test, upside_down])
is_anomaly = np.repeat([0, 1], len(X_test))


def error_of_pca(n_components):
    """Return the squared error of each picture, redrawn by PCA."""
    rows = pictures.reshape(len(pictures), -1)
    pca = PCA(n_components).fit(X_train.reshape(len(X_train), -1))
    return ((rows - pca.inverse_transform(pca.transform(rows))) ** 2).sum(axis=1)


table = {}
for n in (2, 4, 8, 16, 32, 48):
    ae = AutoencoderTransformer(n, max_epochs=60, random_state=0).fit(X_train)
    table[n] = {
        "R²": ae.score(X_test),
        "AUC of the autoencoder": roc_auc_score(
            is_anomaly, -ae.score_samples(pictures)
        ),
        "AUC of PCA": roc_auc_score(is_anomaly, error_of_pca(n)),
    }
table = pd.DataFrame(table).T.rename_axis("numbers")
table.round(2)

# %%
# The largest code redraws best and finds least: what can redraw everything is surprised
# by nothing. So the size cannot be chosen by `score`. Choose it by some labelled
# anomalies, if there are any, and small otherwise.

print("best at finding:", table["AUC of the autoencoder"].idxmax(), "numbers")
print("best at redrawing:", table["R²"].idxmax(), "numbers")
