r"""
Filling gaps in a table
=======================

Half of the entries of a table are missing. How well does an autoencoder fill them, and
how certain is each value?

With ``missing="mask"``, :class:`~skae.AutoencoderTransformer` is trained on the
observed entries only. For a row :math:`x` with the set :math:`O` of observed entries,
it minimises

.. math:: \sum_{j \in O} \tfrac12 (x_j - \hat x_j)^2

In addition, it hides some observed entries in each batch, so that the network learns to
predict them from the others.

**You learn** how to fill gaps with `impute`, how to get an interval for each value, and
how to use rows with gaps in a classifier.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer

tumours = load_breast_cancer(as_frame=True)
whole = tumours.data
gaps = np.random.default_rng(0).random(whole.shape) < 0.5
table = whole.mask(gaps)
table.iloc[:5, :4].round(2)

# %%
# The columns describe cell nuclei in thirty ways that depend on each other: radius,
# perimeter and area, each as a mean, an error and a worst value. A missing radius can
# be predicted well from the area. With ``missing="mask"``, columns in different units
# need no scaling.

ae = AutoencoderTransformer(missing="mask", random_state=0).fit(table)
filled = ae.impute(table)
filled.iloc[:5, :4].round(2)

# %%
# The figure shows the error of each column, in units of its standard deviation. Filling
# in the mean has an error of about 1.


def error_of(other):
    """Return the root mean squared error at the gaps of each column."""
    errors = ((other - whole) / whole.std()).where(gaps)
    return np.sqrt((errors**2).mean())


def filled_by(imputer):
    """Return the table filled by an imputer of scikit-learn, on scaled columns."""
    scaler = StandardScaler().fit(table)
    values = imputer.fit_transform(scaler.transform(table))
    return pd.DataFrame(scaler.inverse_transform(values), columns=whole.columns)


errors = pd.DataFrame(
    {
        "mean": error_of(filled_by(SimpleImputer())),
        "nearest neighbours": error_of(filled_by(KNNImputer())),
        "autoencoder": error_of(filled),
    }
).sort_values("autoencoder")
print(errors.mean().round(2).to_string())

_, ax = plt.subplots(figsize=(7, 6), layout="constrained")
for name, style in zip(errors, ("x", "+", "o"), strict=True):
    ax.plot(errors[name], errors.index, style, label=name)
ax.set(xlabel="error in standard deviations", xlim=(0, None))
ax.legend()
plt.show()

# %%
# How certain each value is
# -------------------------
# With `n_draws`, each gap is filled several times with random values. If these values
# are close to each other, the other columns determine the missing value. If they
# differ, the value is uncertain.

draws = ae.impute(table, n_draws=100, random_state=0)
low, high = np.quantile(draws, [0.1, 0.9], axis=0)
inside = (whole.to_numpy() >= low) & (whole.to_numpy() <= high)
print(f"values inside of their 80 % interval: {inside[gaps].mean():.0%}")

_, axes = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained")
for ax, name in zip(axes, ("mean area", "mean symmetry"), strict=True):
    column = whole.columns.get_loc(name)
    at = np.flatnonzero(gaps[:, column])[:60]
    true, guess = whole[name].iloc[at], filled[name].iloc[at]
    limits = [guess - low[at, column], high[at, column] - guess]
    ax.errorbar(true, guess, yerr=np.clip(limits, 0, None), fmt=".", alpha=0.6)
    ax.axline((true.mean(), true.mean()), slope=1, color="grey", linewidth=1)
    ax.set(xlabel=f"{name}, true", ylabel="filled in")
plt.show()

# %%
# Classification of rows with gaps
# --------------------------------
# The codes of rows with gaps can be used as features of a classifier. The accuracy is
# measured on rows that neither the autoencoder nor the classifier has seen.

classifiers = {
    "mean": make_pipeline(
        SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=2000)
    ),
    "autoencoder, the code": make_pipeline(
        AutoencoderTransformer(missing="mask", random_state=0),
        StandardScaler(),
        LogisticRegression(max_iter=2000),
    ),
}
for name, pipe in classifiers.items():
    scores = cross_val_score(pipe, table, tumours.target, cv=5)
    print(f"{name}: {scores.mean():.3f}")
