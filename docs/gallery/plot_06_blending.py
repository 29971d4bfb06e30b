r"""
Content blending and representation blending
============================================

Does a blend of two codes look like one digit, or like two digits overlaid?

Two digits can be blended in two ways. *Content* blending overlays the images;
*representation* blending mixes their codes and decodes the mixture:

.. math::

   (1 - \alpha) \, x_1 + \alpha \, x_2
   \qquad \text{or} \qquad
   g( (1 - \alpha) \, f(x_1) + \alpha \, f(x_2) )

An overlay shows two digits at once. A decoded mixture should look like *one* digit
between the two.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skae import AutoencoderTransformer, BlendDisplay, VariationalAutoencoder

digits = load_digits()
X_train, X_test, y_train, y_test = train_test_split(
    digits.images / 16, digits.target, test_size=0.25, random_state=0
)
ae = VariationalAutoencoder(8, max_epochs=60, random_state=0).fit(X_train)

# %%
# The grid shows four digits in its corners and their blends between them. First,
# content blends:

corners = np.stack([X_test[y_test == digit][0] for digit in (0, 1, 4, 9)])
BlendDisplay.from_estimator(ae, corners, kind="content")

# %%
# Second, representation blends. Here the corners are the reconstructions of the digits.

BlendDisplay.from_estimator(ae, corners)
plt.show()

# %%
# `blend` returns the blends as arrays:

overlay = ae.blend(corners[0], corners[1], alpha=0.5, kind="content")
between = ae.blend(corners[0], corners[1], alpha=0.5)
print(overlay.shape, between.shape)

# %%
# How realistic are the blends?
# -----------------------------
# We use two measures of how much a blend looks like a digit: the distance to the
# nearest training digit, and how often its ten nearest training digits all have the
# same label. Pairs of different test digits are blended with equal weights, by two
# kinds of autoencoders with two sizes of the code.

rows = {"train": X_train.reshape(-1, 64), "test": X_test.reshape(-1, 64)}
neighbours = KNeighborsClassifier(10).fit(rows["train"], y_train)
rng = np.random.default_rng(0)
first, second = rng.integers(0, len(X_test), (2, 1000))
differ = y_test[first] != y_test[second]
X1, X2 = rows["test"][first[differ]], rows["test"][second[differ]]


def realism(images):
    """Return the distance to the nearest digit, and how often the ten nearest agree."""
    distances, _ = neighbours.kneighbors(images, n_neighbors=1)
    agree = neighbours.predict_proba(images).max(axis=1) == 1
    return {
        "distance to the nearest": distances.mean(),
        "neighbours agree": agree.mean(),
    }


table = {"real digits": realism(rows["test"]), "overlays": realism((X1 + X2) / 2)}
for kind in (AutoencoderTransformer, VariationalAutoencoder):
    for n_components in (4, 16):
        model = kind(n_components, max_epochs=60, random_state=0).fit(rows["train"])
        name = f"codes of {kind.__name__}({n_components})"
        table[name] = realism(model.blend(X1, X2))
pd.DataFrame(table).T.round(2)

# %%
# With four components, representation blends look much more like digits than overlays
# do. With sixteen components, a plain autoencoder loses most of this advantage: with a
# larger code, it can reconstruct digits without learning their structure, and its
# blends become similar to overlays. The blends of the variational autoencoder look like
# digits with the larger code, too; :doc:`plot_08_gaps` shows why.
#
# More than two samples
# ---------------------
# `mix` accepts any weights. The weights ``(1, -1, 1)`` compute an analogy: the
# difference between the first and the second digit is added to the third.

print(ae.mix(corners[:3], [[0.4, 0.3, 0.3], [1, -1, 1]]).shape)
