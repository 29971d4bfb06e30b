r"""
Sparse codes and the choice of λ
================================

A sparse autoencoder represents each sample by a few active units. This example shows
how the penalty weight λ controls sparsity and how to choose it with a grid search on a
downstream classifier.

A sparse autoencoder adds a penalty for every active unit of the code:

.. math:: \min_{f, g} \sum_x L(x, g(f(x))) + \lambda \sum_i |z_i|, \qquad z = f(x) \ge 0

The sample is then represented by a few active units, and the others are exactly zero.
"""

# sphinx_gallery_thumbnail_number = 2

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline

from skae import FitWarning, SparseAutoencoder

# Sparse codes explain less variance than PCA, of which a warning tells.
warnings.filterwarnings("ignore", category=FitWarning)

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, test_size=0.25, random_state=0
)

# %%
# The effect of λ
# ---------------
# The encoder is a single layer with 32 units. With a larger :math:`\lambda`, fewer
# units are active for each digit, and the reconstruction explains less variance.

weights = [0.0, 0.03, 0.1, 0.3, 1.0, 3.0]
one_layer = SparseAutoencoder(32, hidden_layer_sizes=(), max_epochs=40, random_state=0)
models = {
    weight: clone(one_layer).set_params(sparsity=weight).fit(X_train)
    for weight in weights
}
table = {}
for weight, model in models.items():
    codes = model.transform(X_test)
    n_active = (codes > 0).sum(axis=1).mean()
    table[weight] = {"R²": model.score(X_test), "active units": n_active}
pd.DataFrame(table).T.rename_axis("λ").round(2)

# %%
# Do not choose :math:`\lambda` by `score`: it measures the reconstruction and always
# favours the smallest penalty. Choose the weight by the score of the *downstream*
# model.
#
# Grid search on a downstream classifier
# --------------------------------------
# Here the downstream model is a linear classifier, trained on 400 labelled digits. In
# the grid, the parameter is named by the step of the pipeline, two underscores and
# ``sparsity``.
#
# We treat accuracies that differ by less than one standard error as equal. Among equal
# accuracies we prefer the sparsest code, so the search selects the largest
# :math:`\lambda` within one standard error of the best.


def sparsest(results):
    """Return the index of the largest λ within one standard error of the best."""
    mean, std = results["mean_test_score"], results["std_test_score"]
    best = mean.argmax()
    good = mean >= mean[best] - std[best] / np.sqrt(n_folds)
    return np.flatnonzero(good)[results["param_ae__sparsity"][good].argmax()]


n_folds = 4
pipe = Pipeline([("ae", one_layer), ("classifier", LogisticRegression(max_iter=1000))])
search = GridSearchCV(pipe, {"ae__sparsity": weights}, cv=n_folds, refit=sparsest)
search.fit(X_train[:400], y_train[:400])

# %%

results = pd.DataFrame(search.cv_results_).set_index("param_ae__sparsity")
chosen = search.best_params_["ae__sparsity"]
error = results["std_test_score"] / np.sqrt(n_folds)
_, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.errorbar(range(len(weights)), results["mean_test_score"], error, marker="o")
ax.axvline(weights.index(chosen), color="0.5", linestyle=":")
ax.set(xlabel="λ", ylabel="accuracy, cross-validated", title=f"chosen: λ = {chosen}")
ax.set_xticks(range(len(weights)), weights)

print(f"accuracy on new digits: {search.score(X_test, y_test):.3f}")

# %%
# Which units are active for which digit
# --------------------------------------
# Each column is a unit and each row is a digit. The colour is the mean activation of
# the unit for this digit, relative to its highest mean activation. Without a penalty,
# most units are active for most digits. With a penalty, each unit is active for only a
# few digits.

_, axes = plt.subplots(2, 1, figsize=(8, 5), layout="constrained", sharex=True)
for ax, weight in zip(axes, (0.0, 1.0), strict=True):
    codes = models[weight].transform(X_test)
    means = np.array([codes[y_test == digit].mean(axis=0) for digit in range(10)])
    means /= means.max(axis=0, initial=1e-9)
    order = np.lexsort((-means.max(axis=0), means.argmax(axis=0)))
    ax.imshow(means[:, order], cmap="Blues", aspect="auto")
    ax.set(ylabel="digit", title=f"λ = {weight}", yticks=range(10))
axes[1].set_xlabel("unit, sorted by the digit for which it is most active")
plt.show()

# %%
# ``method="topk"`` sets the number of active units per sample directly, and
# ``method="lifetime"`` sets the fraction of samples for which each unit is active: see
# :class:`~skae.SparseAutoencoder`.
