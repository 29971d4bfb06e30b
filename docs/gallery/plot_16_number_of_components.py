r"""
Choosing the number of components
=================================

How many components should a code have? If the code is for reconstruction, choose the
number by the curve of the explained variance, as with PCA. If it is for a downstream
model, choose it by the score of that model. This example shows both.

The explained variance of held-out rows :math:`x` with reconstructions :math:`\hat x`
and training mean :math:`\bar x` is

.. math:: R^2(k) = 1 - \frac{\sum_x \|x - \hat x_k\|^2}{\sum_x \|x - \bar x\|^2}

for a code of :math:`k` components. It rises with :math:`k`, because each component also
explains some of the noise, so its maximum is not informative. Look for the *elbow*,
beyond which it rises little. For rows on a curved surface of dimension :math:`d`, PCA
needs as many components as the flat space around the surface has dimensions. An
autoencoder can follow the surface with :math:`d` components.

**You learn** how to read the elbow of an autoencoder beside that of PCA, and how to
choose the number of components by a downstream score with the one-standard-error rule.
"""

# sphinx_gallery_thumbnail_number = 1

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from skae import (
    AutoencoderTransformer,
    StackedGridSearchCV,
    VariationalAutoencoder,
    diagnostics,
)

# %%
# A surface whose dimension is known
# ----------------------------------
# Each row has 20 columns. All of them are smooth functions of the same two numbers,
# with a little noise. The noise is known, and with it the highest possible R² of a code
# of two components.

rng = np.random.default_rng(0)
hidden = rng.uniform(-1, 1, size=(1500, 2))
directions = rng.normal(scale=1.5, size=(2, 20))
surface = np.sin(hidden @ directions + rng.uniform(0, 2 * np.pi, 20))
X = surface + 0.1 * rng.normal(size=surface.shape)
print(f"R² without the noise: {1 - 0.1**2 / X.var(axis=0).mean():.3f}")


def r2_of(model, X):
    """Return R² of the reconstruction, for an autoencoder or a PCA."""
    reconstruction = model.inverse_transform(model.transform(X))
    return r2_score(X, reconstruction, multioutput="variance_weighted")


X_train, X_test = train_test_split(X, random_state=0)
curves = {}
for n_components in (1, 2, 3, 4, 6):
    pca = PCA(n_components).fit(X_train)
    ae = AutoencoderTransformer(n_components, random_state=0).fit(X_train)
    curves[n_components] = {
        "PCA": r2_of(pca, X_test),
        "autoencoder": r2_of(ae, X_test),
    }
curves = pd.DataFrame(curves).T.rename_axis("components")
curves.T.round(3)

# %%

_, ax = plt.subplots(figsize=(6, 4), layout="constrained")
ax.plot(curves["PCA"], "s--", color="0.5", label="PCA")
ax.plot(curves["autoencoder"], "o-", color="C0", label="autoencoder")
ax.set_title("A surface of dimension 2 in 20 columns", fontsize="x-large")
ax.set_xlabel("number of components", fontsize="x-large")
ax.set_ylabel("R² on held-out rows", fontsize="x-large")
ax.tick_params(labelsize="large")
ax.legend(fontsize="x-large", loc="lower right")
plt.show()

enough = (curves["PCA"] >= curves["autoencoder"][2]).idxmax()
print(f"as good as 2 components of the autoencoder: {enough} of PCA")

# %%
# The autoencoder has its elbow at two, the dimension of the surface, and is close to R²
# of the surface without noise. Further components add mostly noise. PCA needs several
# times as many components to explain as much. To see both curves from a single fit, use
# :class:`~skae.ComponentsDisplay`: its first :math:`k` components explain less than an
# autoencoder that is fitted with :math:`k`.
#
# What the units say
# ------------------
# :func:`skae.diagnostics.report` describes a code that is already fitted. In a plain
# autoencoder all units are active, because each explains at least some noise. The
# objective of a variational autoencoder has a cost for each unit, and units that
# explain less than their cost become inactive.

for model in (AutoencoderTransformer, VariationalAutoencoder):
    found = diagnostics.report(model(8, random_state=0).fit(X_train), X_test)
    print(
        f"{found.estimator}: {found.n_active} of {found.n_components} units active, "
        f"effective rank {found.effective_rank:.1f}, R² {found.r2:.2f}"
    )

# %%
# The number of active units of the variational autoencoder is much closer to the
# dimension of the surface. It is a hint and not an estimate: it also depends on `beta`
# and on the number of epochs.
#
# Digits, and a classifier on the code
# ------------------------------------
# The dimension of images of digits is not known. Here the code is the input of a
# nearest-neighbour classifier, so its accuracy is the criterion. The grid also contains
# the weight of a sparsity penalty. The search uses 600 digits and also measures R²; the
# other digits are for the final test.
#
# Accuracies that differ by less than one standard error are treated as equal. Among
# them the search selects the smallest code.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, train_size=600, random_state=0
)
n_folds = 4


def smallest(results):
    """Return the index of the smallest code within one standard error of the best."""
    mean, std = results["mean_test_accuracy"], results["std_test_accuracy"]
    best = mean.argmax()
    is_good = mean >= mean[best] - std[best] / np.sqrt(n_folds)
    sizes = results["param_code__n_components"].astype(int)
    return np.where(is_good & (sizes == sizes[is_good].min()), mean, 0).argmax()


def pipe_of(code):
    """Return a classifier on a code."""
    return Pipeline([("code", code), ("classifier", KNeighborsClassifier(3))])


sizes = {"code__n_components": [4, 8, 16, 32]}
settings = {
    "scoring": {"accuracy": "accuracy", "R²": lambda pipe, X, y: r2_of(pipe[:-1], X)},
    "refit": smallest,
    "cv": n_folds,
}
by_pca = GridSearchCV(pipe_of(PCA()), sizes, **settings)
by_ae = StackedGridSearchCV(
    pipe_of(
        AutoencoderTransformer(hidden_layer_sizes=64, max_epochs=20, random_state=0)
    ),
    sizes | {"code__sparsity": [0.0, 0.1]},
    **settings,
)
searches = {"PCA": by_pca, "autoencoder": by_ae}
for name, search in searches.items():
    search.fit(X_train, y_train)
    accuracy = search.best_estimator_.score(X_test, y_test)
    print(f"{name}: {search.best_params_}, accuracy on new digits {accuracy:.3f}")
pixels = KNeighborsClassifier(3).fit(X_train, y_train)
print(f"all 64 pixels: accuracy on new digits {pixels.score(X_test, y_test):.3f}")

# %%

_, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
styles = {
    "PCA": {"fmt": "s--", "color": "0.5"},
    "autoencoder": {"fmt": "o-", "color": "C0"},
}
for name, style in styles.items():
    results = pd.DataFrame(searches[name].cv_results_)
    if name == "autoencoder":
        results = results[results["param_code__sparsity"] == 0]
    for ax, score in zip(axes, ("R²", "accuracy"), strict=True):
        numbers = results["param_code__n_components"]
        values = results[f"mean_test_{score}"]
        error = results[f"std_test_{score}"] / np.sqrt(n_folds)
        ax.errorbar(numbers, values, error, label=name, **style)
axes[0].set_title("R² rises with every component")
axes[1].set_title("accuracy levels off")
for ax in axes:
    ax.set_xlabel("number of components")
axes[0].set_ylabel("cross-validated")
axes[1].legend(loc="lower right")
plt.show()

# %%
# R² rises with every component for both models. The accuracy levels off: beyond 16
# components it gains hardly more than a standard error. With few components the
# autoencoder is clearly more accurate than PCA. With 16 or more PCA is as good, and
# takes a fraction of the time. No code is clearly better than all pixels: on these
# digits, a code reduces the number of columns, but not the number of errors. The
# penalty makes little difference here; :doc:`plot_03_sparse` is about codes that should
# be sparse.
#
# In summary, for reconstruction take the elbow, and compare it with that of PCA. For
# prediction, search the number of components by the score of the downstream model, and
# prefer the smallest code among those that are equally good.
