r"""
Content blending and representation blending
============================================

Does a blend of two codes look like one digit, or like two on top of each other?

Two digits can be blended in two ways. *Content* blending overlays the pictures,
*representation* blending mixes their codes and decodes the mixture:

.. math::

   (1 - \alpha) \, x_1 + \alpha \, x_2
   \qquad \text{or} \qquad
   g( (1 - \alpha) \, f(x_1) + \alpha \, f(x_2) )

An overlay shows two digits at once, as two slides on one screen. What comes out of a
decoder should look like *one* digit between the two.
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
# Four digits stand in the corners, and between them are their blends. First the
# overlays:

corners = np.stack([X_test[y_test == digit][0] for digit in (0, 1, 4, 9)])
BlendDisplay.from_estimator(ae, corners, kind="content")

# %%
# Then the decoded mixtures of codes. The corners are reconstructions here.

BlendDisplay.from_estimator(ae, corners)
plt.show()

# %%
# As arrays these are two lines:

overlay = ae.blend(corners[0], corners[1], alpha=0.5, kind="content")
between = ae.blend(corners[0], corners[1], alpha=0.5)
print(overlay.shape, between.shape)

# %%
# It depends on the code
# ----------------------
# Whether a blend looks like a digit, its neighbours among the digits of training can
# tell: how far is the nearest one, and do the ten nearest agree which digit it is?
# Pairs of different unseen digits are blended half and half, by autoencoders of two
# kinds and sizes.

rows = {"train": X_train.reshape(-1, 64), "test": X_test.reshape(-1, 64)}
neighbours = KNeighborsClassifier(10).fit(rows["train"], y_train)
rng = np.random.default_rng(0)
first, second = rng.integers(0, len(X_test), (2, 1000))
differ = y_test[first] != y_test[second]
X1, X2 = rows["test"][first[differ]], rows["test"][second[differ]]


def look(pictures):
    """Return the distance to the nearest digit, and how often the ten nearest agree."""
    distances, _ = neighbours.kneighbors(pictures, n_neighbors=1)
    agree = neighbours.predict_proba(pictures).max(axis=1) == 1
    return {
        "distance to the nearest": distances.mean(),
        "neighbours agree": agree.mean(),
    }


table = {"real digits": look(rows["test"]), "overlays": look((X1 + X2) / 2)}
for kind in (AutoencoderTransformer, VariationalAutoencoder):
    for n_components in (4, 16):
        model = kind(n_components, max_epochs=60, random_state=0).fit(rows["train"])
        name = f"codes of {kind.__name__}({n_components})"
        table[name] = look(model.blend(X1, X2))
pd.DataFrame(table).T.round(2)

# %%
# A mixture of four numbers is much more of a digit than an overlay is. With sixteen, in
# a plain autoencoder, hardly anything is left of that: the more room there is, the less
# it has to know about digits to redraw them, and the more its blends are overlays
# again. The variational one keeps to digits in the larger code, too:
# :doc:`plot_08_gaps` shows why.
#
# More than two
# -------------
# `mix` takes any weights. With ``(1, -1, 1)`` it draws an analogy: from the second
# digit to the first is a way, and the third one goes it as well.

print(ae.mix(corners[:3], [[0.4, 0.3, 0.3], [1, -1, 1]]).shape)
