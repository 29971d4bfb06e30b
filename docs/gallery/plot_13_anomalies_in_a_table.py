r"""
Anomalies in a table
====================

Which rows of a table contain a wrong entry, and in which column is it? In this example,
each wrong entry has a usual value, but it does not fit the other columns of its row.

A denoising autoencoder learns how the columns depend on each other. It predicts each
column from the others, so a wrong entry has a large reconstruction error. Column
:math:`j` is blamed if its error is the largest, relative to its usual error:

.. math:: \arg\max_j \; \frac{(x_j - \hat x_j)^2}{\sigma_j^2}

**You learn** how to combine :class:`~skae.tabular.TableEncoder` and
:class:`~skae.AnomalyDetector` to find wrong rows at a known rate of false alarms, and
how to find the wrong column.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from skae import AnomalyDetector, DenoisingAutoencoder
from skae.tabular import BlockSwapNoise, TableEncoder, column_errors

SHIPPING = {"letter": (0.1, 2.0), "parcel": (3.0, 6.0), "freight": (60.0, 90.0)}
PRICE = {"books": 15, "clothes": 45, "furniture": 400}


def make_orders(n_rows, rng):
    """Return orders, whose columns depend on each other."""
    goods = rng.choice(["books", "clothes", "furniture"], n_rows, p=[0.4, 0.4, 0.2])
    quantity = 1 + rng.poisson(np.where(goods == "furniture", 0.3, 1.5))
    by_letter = (goods == "books") & (quantity == 1)
    shipping = np.where(by_letter, "letter", "parcel")
    shipping = np.where(goods == "furniture", "freight", shipping)
    kilograms = np.array([SHIPPING[x][0] for x in shipping]) + 0.4 * quantity
    kilograms *= rng.lognormal(sigma=0.1, size=n_rows)
    country = rng.choice(["Norway", "Italy", "Peru"], n_rows, p=[0.5, 0.3, 0.2])
    is_far = country == "Peru"
    fee = np.array([SHIPPING[x][1] for x in shipping]) * np.where(is_far, 3, 1)
    fee *= rng.lognormal(sigma=0.05, size=n_rows)
    price = quantity * np.array([PRICE[x] for x in goods])
    price = price * rng.lognormal(sigma=0.2, size=n_rows)
    days = np.where(is_far, 12, 3) + np.where(shipping == "freight", 6, 0)
    return pd.DataFrame(
        {
            "goods": goods,
            "quantity": quantity,
            "price": price.round(2),
            "shipping": shipping,
            "kilograms": kilograms.round(2),
            "country": country,
            "fee": fee.round(2),
            "days": days + rng.integers(0, 3, n_rows),
        }
    )


rng = np.random.default_rng(0)
orders, new = make_orders(2000, rng), make_orders(1000, rng)
orders.head()

# %%
# In every tenth new order, one entry is replaced by that of another order. Each value
# alone is usual, but it does not fit the rest of its row.

tampered, replaced = new.copy(), {}
for row in range(0, len(new), 10):
    column = rng.choice(["shipping", "kilograms", "country", "fee", "days"])
    values = new[column].to_numpy()
    if values.dtype == object:
        others = values[values != values[row]]
    else:  # more than twice as large, or less than half
        others = values[np.abs(np.log(values / values[row])) > np.log(2)]
    tampered.loc[row, column] = rng.choice(others)
    replaced[row] = column
replaced = pd.Series(replaced)
is_wrong = tampered.index.isin(replaced.index)
tampered[is_wrong].head()

# %%
# A threshold
# -----------
# The encoder converts the table to numbers, and the detector is trained on correct
# orders. The noise in training has the form of the errors: it replaces entries by those
# of other rows, and all columns of a category together. `predict` flags rows whose
# p-value is at most 0.05.

blocks = TableEncoder().fit(orders).blocks_
autoencoder = DenoisingAutoencoder(7, noise=BlockSwapNoise(blocks), max_epochs=60)
pipe = make_pipeline(
    TableEncoder(),
    AnomalyDetector(autoencoder, false_positive_rate=0.05, random_state=0),
).fit(orders)

flagged = pipe.predict(tampered) == -1
print(f"wrong rows that are found: {flagged[is_wrong].mean():.0%}")
print(f"normal rows that are flagged: {flagged[~is_wrong].mean():.1%}")

# %%
# The last step of the pipeline computes p-values. Those of normal rows are uniform.

encoder, detector = pipe
p_values = detector.p_values(encoder.transform(tampered))

_, ax = plt.subplots(figsize=(7, 3), layout="constrained")
for name, rows in {"normal": ~is_wrong, "wrong": is_wrong}.items():
    weights = np.full(rows.sum(), 1 / rows.sum())
    ax.hist(
        p_values[rows], np.linspace(0, 1, 21), weights=weights, alpha=0.6, label=name
    )
ax.set(xlabel="p-value", ylabel="fraction of the rows")
ax.legend()
plt.show()

# %%
# `select` bounds the fraction of mistakes among all selected rows instead.

selected = detector.select(encoder.transform(tampered), fdr=0.1)
print(f"selected: {selected.sum()}, of which normal: {selected[~is_wrong].sum()}")

# %%
# The column to blame
# -------------------
# :func:`~skae.tabular.column_errors` returns the error of each column of the frame,
# relative to its usual error. A category has one error for all of its values. We blame
# the column with the largest error.

errors = column_errors(pipe, tampered[is_wrong])
is_found, is_right = flagged[is_wrong], errors.idxmax(axis=1) == replaced
print(f"right column, of the rows that are found: {is_right[is_found].mean():.0%}")
print(f"right column, of all wrong rows: {is_right.mean():.0%}")
print(f"by chance: {1 / errors.shape[1]:.0%}")

some = errors[is_found][:10]
_, ax = plt.subplots(figsize=(7, 4), layout="constrained")
image = ax.imshow(np.log10(some.clip(lower=1)), cmap="Reds", aspect="auto")
for i, row in enumerate(some.index):
    ax.plot(some.columns.get_loc(replaced[row]), i, "o", mfc="none", mec="black", ms=14)
ax.set_xticks(range(len(some.columns)), some.columns, rotation=30)
ax.set_yticks(range(len(some)), [f"order {row}" for row in some.index])
ax.figure.colorbar(image, label="error relative to the usual error, log10")
plt.show()

# %%
# Circles mark the replaced entries. Some errors cannot be detected: in these orders,
# nothing depends on whether the country is Norway or Italy. Others cannot be assigned
# to a column: if the country and the days do not fit, either of them may be wrong.

table = pd.DataFrame({"found": is_found, "right column": is_right})
summary = table.groupby(replaced).mean()
summary.insert(0, "rows", replaced.value_counts())
summary.rename_axis("replaced").round(2)

# %%
# A replaced country can be detected only if one of the two countries is Peru:

countries = replaced.index[replaced == "country"]
is_peru = (new["country"] == "Peru") != (tampered["country"] == "Peru")
print(table.loc[countries].groupby(is_peru[countries].rename("Peru or not")).mean())
