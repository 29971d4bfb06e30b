r"""
Sparse codes, and the search for λ
==================================

Which few parts is a sample made of? A sparse code answers. How sparse it should be is
searched through what comes after it.

A sparse autoencoder pays for every unit of the code that speaks:

.. math:: \min_{f, g} \sum_x L(x, g(f(x))) + \lambda \sum_i |z_i|, \qquad z = f(x) \ge 0

A few units then say what the sample is, and the others are exactly zero.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline

from skae import SparseAutoencoder

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, test_size=0.25, random_state=0
)

# %%
# What λ does
# -----------
# The code has 32 units, one layer after the picture. The larger :math:`\lambda`, the
# fewer of them speak for a digit, and the less of the digit is kept.

weights = [0.0, 0.03, 0.1, 0.3, 1.0, 3.0]
one_layer = SparseAutoencoder(32, hidden_layer_sizes=(), max_epochs=40, random_state=0)
models = {
    weight: clone(one_layer).set_params(sparsity=weight).fit(X_train)
    for weight in weights
}
table = {}
for weight, model in models.items():
    codes = model.transform(X_test)
    table[weight] = {"R²": model.score(X_test), "units": (codes > 0).sum(axis=1).mean()}
pd.DataFrame(table).T.rename_axis("λ").round(2)

# %%
# So `score` cannot choose :math:`\lambda`: it measures what is kept, and always asks
# for less of a penalty. A weight is chosen by what comes *after* the autoencoder.
#
# A search through what comes after
# ---------------------------------
# Here that is a linear classifier, which learns from 400 labelled digits. The name of
# the parameter in the search is that of the step, two underscores, and ``sparsity``.
#
# Accuracies that differ by less than their error are equal. Among equals we want the
# sparsest code, so the search takes the largest :math:`\lambda` within one standard
# error of the best.


def sparsest(results):
    """Return the index of the largest λ that is as good as the best."""
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
# Who speaks for what
# -------------------
# Each column is a unit, each row a digit, and the darkness is how much the unit says on
# average, as a share of what it says at most. Without a penalty most units have
# something to say to most digits. With one, units become specialists.

_, axes = plt.subplots(2, 1, figsize=(8, 5), layout="constrained", sharex=True)
for ax, weight in zip(axes, (0.0, 1.0), strict=True):
    codes = models[weight].transform(X_test)
    means = np.array([codes[y_test == digit].mean(axis=0) for digit in range(10)])
    means /= means.max(axis=0, initial=1e-9)
    order = np.lexsort((-means.max(axis=0), means.argmax(axis=0)))
    ax.imshow(means[:, order], cmap="Blues", aspect="auto")
    ax.set(ylabel="digit", title=f"λ = {weight}", yticks=range(10))
axes[1].set_xlabel("unit, sorted by the digit that it speaks for most")
plt.show()

# %%
# ``method="topk"`` sets the number of speaking units outright, and
# ``method="lifetime"`` how seldom each unit speaks: see
# :class:`~skae.SparseAutoencoder`.
