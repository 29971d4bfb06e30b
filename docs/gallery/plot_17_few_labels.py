r"""
Fine-tuning an encoder with few labels
======================================

There are many samples, but few labels. An encoder is trained without labels on all
samples, and then fine-tuned as a classifier with the available labels. When does this
help, and when is a linear classifier as good?

Training has two steps. The first needs no labels, and minimises the reconstruction
error over all rows, here with a sparsity penalty:

.. math:: \min_{f, g} \sum_{\text{all } x} \| x - g(f(x)) \|^2 + \lambda \|f(x)\|_1

The second keeps the encoder :math:`f`, adds a linear layer with weights :math:`W`, and
minimises the cross-entropy of both over the rows with labels, starting at the encoder
of the first step:

.. math:: \min_{f, W} \sum_{\text{labelled } x} - \log \mathrm{softmax}(W f(x))_{y}

If :math:`W` starts at random values, its first gradients change the encoder before
:math:`W` is of any use. It is better to fit :math:`W` first, with the encoder frozen,
and then train both [1]_.

**You learn** how to put `encoder_` into a skorch classifier, how to start fine-tuning
at a linear classifier, and which baselines to compare it with.

.. [1] Kumar, Raghunathan, Jones, Ma & Liang, "Fine-tuning can distort pretrained
   features and underperform out-of-distribution", ICLR 2022. :arxiv:`2202.10054`
"""

# sphinx_gallery_thumbnail_number = 1

from copy import deepcopy

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from skorch import NeuralNetClassifier
from torch import nn

from skae import Dense, SparseAutoencoder

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

# %%
# Train the encoder without labels
# --------------------------------
# The autoencoder is trained on the pixels of all training digits, without labels. The
# test digits are not used in any step of training. A wide sparse code suits a linear
# classifier.

ae = SparseAutoencoder(64, random_state=0).fit(X_train)
print(f"{len(X_train)} digits without labels, R² on test digits {ae.score(X_test):.2f}")

# %%
# Put it into a classifier
# ------------------------
# skorch trains modules in place, so the network gets a copy of `encoder_`. Its linear
# layer starts at random weights, or at those of a logistic regression on the code.


def network(encoder, max_epochs, linear=None):
    """Return a classifier of a copy of an encoder and a linear layer."""
    torch.manual_seed(0)
    head = nn.Linear(64, 10)
    if linear is not None:
        weights = {"weight": linear.coef_, "bias": linear.intercept_}
        head.load_state_dict({name: torch.tensor(w) for name, w in weights.items()})
    return NeuralNetClassifier(
        nn.Sequential(deepcopy(encoder), head),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        max_epochs=max_epochs,
        batch_size=32,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks="disable",
    )


# %%
# The network from scratch has the same layers, without the linear map that starts as
# PCA. With ``max_epochs=0``, `fit` does not train; with ``init="random"``, all weights
# are random.

untrained = SparseAutoencoder(
    64, encoder=Dense(init="random"), max_epochs=0, random_state=0
).fit(X_train)

# %%
# Compare with few labels
# -----------------------
# The labelled digits are chosen at random, and with few labels the accuracy depends on
# the choice. Each number of labels is sampled three times, stratified by class. With
# few labels an epoch has few steps, so there are more epochs.

rows = []
for n_labels, epochs in {10: 60, 30: 60, 100: 30, 300: 15, 1000: 8}.items():
    for draw in range(3):
        X_few, _, y_few, _ = train_test_split(
            X_train, y_train, train_size=n_labels, stratify=y_train, random_state=draw
        )
        logistic = LogisticRegression(max_iter=1000)
        on_code = LogisticRegression(max_iter=1000).fit(ae.transform(X_few), y_few)
        classifiers = {
            "fine-tuned, random start": network(ae.encoder_, epochs),
            "fine-tuned, linear start": network(ae.encoder_, epochs, on_code),
            "from scratch": network(untrained.encoder_, epochs),
            "linear on pixels": logistic,
            "random forest on pixels": RandomForestClassifier(random_state=0),
        }
        scores = {
            name: classifier.fit(X_few, y_few).score(X_test, y_test)
            for name, classifier in classifiers.items()
        }
        scores["linear on code"] = on_code.score(ae.transform(X_test), y_test)
        rows.append({"labels": n_labels, **scores})
accuracy = pd.DataFrame(rows).groupby("labels").agg(["mean", "std"])
accuracy.T.round(3)

# %%

mean = accuracy.xs("mean", axis=1, level=1)
styles = {
    "from scratch": "C1s--",
    "linear on pixels": "0.5",
    "linear on code": "C2^--",
    "fine-tuned, linear start": "C0o-",
}
_, ax = plt.subplots(figsize=(6.4, 4.8), layout="constrained")
for name, style in styles.items():
    ax.loglog(1 - mean[name], style, label=name, linewidth=2)
ax.set_xticks(mean.index, mean.index)
ax.set_yticks([0.02, 0.05, 0.1, 0.2, 0.4], ["2 %", "5 %", "10 %", "20 %", "40 %"])
ax.minorticks_off()
ax.set_title("Pretraining pays with hundreds of labels", fontsize="x-large")
ax.set_xlabel("number of labels", fontsize="x-large")
ax.set_ylabel("error on test digits", fontsize="x-large")
ax.tick_params(labelsize="large")
ax.legend(fontsize="large")
plt.show()

# %%
# - **With 10 or 30 labels** pretraining hardly helps: the differences between the
#   curves are small compared with the spread over the samples. A logistic regression on
#   pixels is the simplest choice.
# - **With 300 labels or more** it helps: a linear classifier on the code is better than
#   one on pixels. With 1000 labels fine-tuning is better still. It makes about half of
#   the errors of the linear classifier on pixels, and fewer than the network from
#   scratch and the random forest.
# - **The start matters.** From a random linear layer, fine-tuning is no better than
#   training from scratch, and no better than a frozen encoder.
#
# The class, the size of the code and the numbers of epochs were chosen on other random
# splits of these digits, whose rows overlap with those of this one: they may favour the
# network a little.
#
# These digits are easy, and in the largest sample there are only about as many digits
# without labels as with labels. With far more samples without labels, pretraining can
# gain more. It gains less if pixels and classes are hardly related. Compare it with
# these baselines on your own data. :class:`~skae.DeepFeatures` passes the hidden layers
# of the encoder to a classifier, in addition to the code, without fine-tuning.
