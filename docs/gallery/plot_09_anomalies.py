r"""
Anomaly detection
=================

An autoencoder reconstructs samples that resemble its training data well and unusual
samples badly. In addition, the codes of unusual samples are far from those of the
training data. How can both be turned into decisions with a known rate of false
positives?

:class:`~skae.AnomalyDetector` computes a score :math:`s(x)` from the reconstruction
error and from the distance of the code. It compares the score of a new sample with
those of :math:`n` held-out training samples. The p-value is the fraction that is at
least as unusual:

.. math:: p(x) = \frac{1 + |\{ i : s(x_i) \le s(x) \}|}{n + 1}

Samples with :math:`p \le 0.05` are reported as anomalies. About 5 % of the normal
samples are then reported by mistake.

**You learn** how to detect anomalies at a chosen rate of false positives, how to show
which pixels are unusual, and how the size of the code affects the detection.
"""

# sphinx_gallery_thumbnail_number = 3

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from skae import (
    AnomalyDetector,
    AutoencoderTransformer,
    DenoisingAutoencoder,
    FitWarning,
    ReconstructionDisplay,
)

digits = load_digits()
X_train, X_test, _, y_test = train_test_split(
    digits.images / 16, digits.target, test_size=0.25, random_state=0
)
upside_down = X_test[:, ::-1]

# %%
# The training digits are upright. The anomalies are digits turned upside down. They
# consist of the same strokes, with the same brightness.

detector = AnomalyDetector(
    DenoisingAutoencoder(32), false_positive_rate=0.05, random_state=0
).fit(X_train)
examples = np.concatenate([X_test[:5], upside_down[:5]])
ReconstructionDisplay.from_estimator(detector.estimator_, examples)

# %%
# P-values
# --------
# The detector holds out a fifth of the training digits to compute p-values. The
# p-values of upright digits are uniform: one in twenty is below 0.05. Those of
# anomalies are small.

p_values = {
    "upright": detector.p_values(X_test),
    "upside down": detector.p_values(upside_down),
}

_, ax = plt.subplots(figsize=(7, 3), layout="constrained")
for name, p in p_values.items():
    ax.hist(p, np.linspace(0, 1, 21), alpha=0.6, label=name)
    print(f"p <= 0.05, {name}: {(p <= 0.05).mean():.0%}")
ax.set(xlabel="p-value", ylabel="digits")
ax.legend()
plt.show()

# %%
# Some digits look almost the same upside down and cannot be detected. The table shows
# the fraction detected for each digit.

found = pd.Series(detector.predict(upside_down) == -1).groupby(y_test).mean()
found.rename_axis("digit").to_frame("fraction detected").T.round(2)

# %%
# If many samples are tested, `select` bounds the expected fraction of mistakes among
# the selected ones, the false discovery rate (FDR).

images = np.concatenate([X_test, upside_down])
selected = detector.select(images, fdr=0.1)
print(f"selected: {selected.sum()}, of which upright: {selected[: len(X_test)].sum()}")

# %%
# Which pixels are unusual
# ------------------------
# `explain` returns the squared error of each pixel, divided by its usual squared error.

errors = detector.explain(upside_down[:5])
_, axes = plt.subplots(2, 5, figsize=(7, 3), layout="constrained")
for image, error, (top, bottom) in zip(upside_down, errors, axes.T, strict=False):
    top.imshow(image, cmap="gray")
    bottom.imshow(error, cmap="Reds", vmin=0, vmax=20)
    for ax in (top, bottom):
        ax.set(xticks=[], yticks=[])
plt.show()

# %%
# Which score, and how large a code
# ---------------------------------
# The area under the ROC curve (AUC) does not depend on a threshold: it is the
# probability that an upside-down digit has a lower score than an upright one. The table
# shows it for codes of different sizes and for three models: an autoencoder trained
# with noise, one trained without noise, and PCA.

# A code of 48 components ignores pixels that hardly vary. A warning reports this.
warnings.filterwarnings("ignore", category=FitWarning)
is_anomaly = np.repeat([0, 1], len(X_test))


def auc_of(estimator, score_by):
    """Return how well a detector around an estimator separates the two."""
    detector = AnomalyDetector(estimator, score_by=score_by, random_state=0)
    rows = X_train.reshape(len(X_train), -1)
    scores = detector.fit(rows).score_samples(images.reshape(len(images), -1))
    return roc_auc_score(is_anomaly, -scores)


table = {
    n: {
        (name, score_by): auc_of(cls(n), score_by)
        for name, cls in {
            "noise": DenoisingAutoencoder,
            "no noise": AutoencoderTransformer,
            "PCA": PCA,
        }.items()
        for score_by in ("reconstruction", "both")
    }
    for n in (4, 8, 16, 32, 48)
}
table = pd.DataFrame(table).T.rename_axis("components")
table.round(2)

# %%
# Without noise, the reconstruction error alone needs a code of the right size: a large
# code also reconstructs anomalies well. With noise in training, or with both scores,
# the size matters less, so you do not need labelled anomalies to choose it.

print("best minus worst size:")
print((table.max() - table.min()).round(2).to_string())
