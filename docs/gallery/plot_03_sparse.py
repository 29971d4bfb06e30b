r"""
Sparse codes and the choice of λ
================================

A sparse code represents each image by a few active units. Does this help a classifier,
or does it only make the code easier to read?

A sparse autoencoder adds a penalty for every active unit of the code:

.. math:: \min_{f, g} \sum_x L(x, g(f(x))) + \lambda \sum_i |z_i|, \qquad z = f(x) \ge 0

Inactive units are exactly zero. With a larger :math:`\lambda`, fewer units are active,
and the reconstruction explains less variance.

**You learn** how to measure and draw what a sparse code represents, how to choose λ by
a grid search on a downstream classifier, and when sparsity helps.
"""

# sphinx_gallery_thumbnail_number = 1

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import FitWarning, SparseAutoencoder

# Sparse codes explain less variance than PCA. A warning reports this.
warnings.filterwarnings("ignore", category=FitWarning)

glyphs = np.load("glyphs.npz")
X_train, X_test, y_train, y_test = train_test_split(
    glyphs["images"].reshape(-1, 784) / np.float32(255),
    glyphs["label"],
    test_size=0.25,
    random_state=0,
)

# %%
# The effect of λ
# ---------------
# The images are digits in three fonts, in
# :download:`glyphs.npz </gallery/glyphs.npz>`. The encoder is a single layer with 32
# units, and so is the decoder. The table shows four measures on new images:
#
# - *R²*: the explained variance;
# - *zeros*: the share of exact zeros in the codes;
# - *active units*: the mean number of active units per image;
# - *best unit*: how well a single unit detects a digit. It is the area under the ROC
#   curve (AUC) of the best unit for each digit, averaged over the digits; 0.5 is
#   chance. The AUC is the statistic of the Mann-Whitney test, divided by the number of
#   pairs.

weights = [0.0, 3.0, 10.0, 30.0, 100.0]
one_layer = SparseAutoencoder(32, hidden_layer_sizes=(), max_epochs=15, random_state=0)


def best_unit(codes):
    """Return how well single units detect a digit: AUC, averaged over the digits."""
    best = []
    for digit in range(10):
        inside, outside = codes[y_test == digit], codes[y_test != digit]
        auc = mannwhitneyu(inside, outside).statistic / (len(inside) * len(outside))
        best.append(auc.max())
    return np.mean(best)


models, table = {}, {}
for weight in weights:
    model = clone(one_layer).set_params(sparsity=weight).fit(X_train)
    codes = model.transform(X_test)
    models[weight] = model
    table[weight] = {
        "R²": model.score(X_test),
        "zeros": (codes == 0).mean(),
        "active units": (codes > 0).sum(axis=1).mean(),
        "best unit": best_unit(codes),
    }
pd.DataFrame(table).T.rename_axis("λ").round(2)

# %%
# Even without a penalty, many units are zero, because the activation of the code is the
# ReLU. A larger penalty makes more of them zero and costs explained variance. Single
# units become slightly better detectors of a digit, but not with the largest penalty.
#
# What the units represent
# ------------------------
# The decoder is a linear map here, so each unit adds a fixed image to the
# reconstruction, its *feature*. The features of the 15 units with the largest mean
# activation are shown without a penalty and with the largest one. White pixels are
# added, black ones are subtracted.


def features(model):
    """Return the images that the 15 most active units add, each scaled to [-1, 1]."""
    one_active, none_active = np.eye(32), np.zeros((1, 32))
    images = model.inverse_transform(one_active) - model.inverse_transform(none_active)
    images /= np.abs(images).max(axis=1, keepdims=True)
    order = np.argsort(-model.transform(X_train).mean(axis=0))
    return images[order[:15]].reshape(5, 3, 28, 28)


_, axes = plt.subplots(1, 2, figsize=(6.4, 5.4), layout="compressed")
for ax, weight in zip(axes, (weights[0], weights[-1]), strict=True):
    tiles = np.pad(features(models[weight]), ((0, 0), (0, 0), (1, 1), (1, 1)))
    ax.imshow(np.block([[*line] for line in tiles]), cmap="gray", vmin=-1, vmax=1)
    ax.set_title(f"λ = {weight:.0f}: {table[weight]['zeros']:.0%} zeros", fontsize=17)
    ax.axis("off")
plt.show()

# %%
# Without a penalty, most features are mixtures of strokes of several digits. With the
# largest penalty, only a few units describe an image, and many features resemble a
# whole digit, such as the 5, the 8 or the 4. This is the main use of a sparse code: it
# can be read more easily.
#
# Grid search: the accuracy is flat in λ
# --------------------------------------
# Do not choose :math:`\lambda` by `score`: it measures the reconstruction and always
# favours the smallest penalty. Choose it by the score of the *downstream* model. Here
# this is a linear classifier, trained on 400 labelled images.
#
# We treat accuracies that differ by less than one standard error as equal. Among equal
# accuracies we prefer the sparsest code, so the search selects the largest
# :math:`\lambda` within one standard error of the best.


def sparsest(results):
    """Return the index of the largest λ within one standard error of the best."""
    mean, std = results["mean_test_score"], results["std_test_score"]
    best = mean.argmax()
    good = np.flatnonzero(mean >= mean[best] - std[best] / np.sqrt(4))
    return good[results["param_sparseautoencoder__sparsity"][good].argmax()]


classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
pipe = make_pipeline(one_layer, *classifier)
grid = {"sparseautoencoder__sparsity": weights}
search = GridSearchCV(pipe, grid, cv=4, refit=sparsest)
search.fit(X_train[:400], y_train[:400])

results = pd.DataFrame(search.cv_results_).set_index(
    "param_sparseautoencoder__sparsity"
)
print(f"chosen: λ = {search.best_params_['sparseautoencoder__sparsity']}")
print(f"accuracy on new images: {search.score(X_test, y_test):.3f}")
results[["mean_test_score", "std_test_score"]].rename_axis("λ").round(3)

# %%
# The accuracy is flat up to the chosen λ: the penalty does not help this classifier,
# and it does no harm. The search selects the sparsest of several equally good codes.
#
# A wide code and few labels
# --------------------------
# Now the code has 128 units instead of 32, and the classifier gets 50 labelled images
# only. The autoencoders are trained on all training images, without labels. The
# accuracy is measured on new images, for 10 random choices of the labelled ones.

wide = {}
for weight in weights:
    model = clone(one_layer).set_params(n_components=128, sparsity=weight)
    wide[weight] = model.fit(X_train)


def accuracy(transform):
    """Return mean and standard deviation of the accuracy with 50 labels."""
    codes, new_codes = transform(X_train), transform(X_test)
    scores = []
    for seed in range(10):
        labelled = np.random.default_rng(seed).permutation(len(codes))[:50]
        classifier.fit(codes[labelled], y_train[labelled])
        scores.append(classifier.score(new_codes, y_test))
    return np.mean(scores), np.std(scores)


_, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
for name, group in {"128 units": wide, "32 units": models}.items():
    means, deviations = np.array([accuracy(m.transform) for m in group.values()]).T
    ax.errorbar(range(len(weights)), means, deviations, marker="o", label=name)
    print(name, dict(zip(weights, means.round(3).tolist(), strict=True)))
baselines = {
    "pixels": lambda X: X,
    "PCA, 32 components": PCA(32, random_state=0).fit(X_train).transform,
}
for style, (name, transform) in zip((":", "--"), baselines.items(), strict=True):
    mean, _ = accuracy(transform)
    ax.axhline(mean, color="0.5", linestyle=style, label=name)
    print(f"{name}: {mean:.3f}")
ax.set_xticks(range(len(weights)), weights)
ax.set(xlabel="λ", ylabel="accuracy with 50 labels")
ax.set_title("λ helps a wide code, but not a narrow one")
ax.legend(loc="lower right")
plt.show()

# %%
# With 128 units and no penalty, the classifier overfits the 50 labelled images and is
# worse than on the pixels. The penalty prevents this: with λ = 30 the wide code is
# better than the pixels and PCA. However, the code of 32 units is as good without any
# penalty. On these images we know of no task in which a sparse code is more accurate
# than a code of the right size. Use a penalty if you want to read the code, or if the
# code has to be wide.
#
# ``method="topk"`` sets the number of active units per sample directly, and
# ``method="lifetime"`` sets the fraction of samples for which each unit is active: see
# :class:`~skae.SparseAutoencoder`.
