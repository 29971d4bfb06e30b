"""Which columns of an array come from which column of a frame, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder
from sklearn.utils._indexing import _get_column_indices

from skae._blending import real_steps
from skae._data.blocks import Block

_OF_VALUES = (OneHotEncoder, OrdinalEncoder)


@dataclass(frozen=True)
class Part:
    """Columns of a frame that are encoded together.

    Parameters
    ----------
    columns : list of str
        Names of the columns.
    start : int
        The first column of the array.
    steps : list of transformer
        What encodes them, one after the other, without steps that change nothing.
    """

    columns: list[str]
    start: int
    steps: list[Any]

    def blocks(self, kinds: list[str]) -> list[Block]:
        """Return the block of each column.

        Parameters
        ----------
        kinds : list of str
            The kind of each column, where it is not one of zeros and ones.
        """
        hot = self.steps[0] if self.steps else None
        widths = [1] * len(kinds)
        categories: list[tuple[Any, ...] | None] = [None] * len(kinds)
        if isinstance(hot, OneHotEncoder):
            is_dropped = _dropped(hot)
            counts = [len(x) for x in hot.categories_]
            widths = [n - x for n, x in zip(counts, is_dropped, strict=True)]
            whole = len(self.steps) == 1  # scaled ones are none
            categories = [
                tuple(x.tolist()) if whole and not dropped else None
                for x, dropped in zip(hot.categories_, is_dropped, strict=True)
            ]
            kinds = ["float" if x is None else "category" for x in categories]
        stops = self.start + np.cumsum(widths)
        starts = [self.start, *stops[:-1]]
        found = zip(self.columns, kinds, starts, stops, categories, strict=True)
        return [Block(name, kind, int(i), int(j), x) for name, kind, i, j, x in found]

    @property
    def values(self) -> list[list[Any]] | None:
        """The values that come back for each column, None for any numbers."""
        found = getattr(self.steps[0], "categories_", None) if self.steps else None
        return None if found is None else [values.tolist() for values in found]

    def decode(self, array: np.ndarray) -> np.ndarray:
        """Return the values of the columns, from the columns of the array.

        Parameters
        ----------
        array : ndarray of shape (n_rows, n_columns)
            All columns of the part.
        """
        for step in reversed(self.steps):
            if isinstance(step, OneHotEncoder):
                array = _nearest_ones(step, array)
            elif isinstance(step, OrdinalEncoder):
                array = _nearest_codes(step, array)
            array = np.asarray(step.inverse_transform(array))
        return array


def parts_of(transformer: Any, X: Any) -> list[Part]:
    """Return the parts of a fitted transformer, in the order of the array.

    Parameters
    ----------
    transformer : ColumnTransformer or TableVectorizer
        The transformer.
    X : DataFrame
        The frame that it was fitted to.
    """
    is_of_skrub = hasattr(transformer, "input_to_outputs_")
    if not is_of_skrub and not hasattr(transformer, "output_indices_"):
        raise TypeError(
            f"transformer is a {type(transformer).__name__}, of which is not known "
            "which columns it makes of which. Pass a ColumnTransformer of scikit-learn "
            "or a TableVectorizer of skrub."
        )
    found = _of_vectorizer(transformer) if is_of_skrub else _of_columns(transformer, X)
    parts = sorted(found, key=lambda part: part.start)
    owners = [name for part in parts for name in part.columns]
    missing = [name for name in X.columns if name not in owners]
    if missing:
        raise ValueError(
            f"The column {missing[0]!r} is dropped by the transformer, and cannot come "
            "back. Drop it from X, or let it pass through: of a ColumnTransformer with "
            "remainder='passthrough'."
        )
    twice = [name for name in X.columns if owners.count(name) > 1]
    if twice:
        raise ValueError(
            f"The column {twice[0]!r} is encoded by several transformers. Choose one, "
            "so that it is known which one it comes back from."
        )
    return parts


def _of_columns(transformer: Any, X: Any) -> list[Part]:
    """Return the parts of a ColumnTransformer."""
    parts = []
    for name, step, columns in transformer.transformers_:
        indices = _get_column_indices(X, columns)
        if len(indices) and not _is_a(step, "drop"):
            names = [X.columns[i] for i in indices]
            start = transformer.output_indices_[name].start
            parts.append(_checked_part(names, start, step))
    return parts


def _of_vectorizer(transformer: Any) -> list[Part]:
    """Return the parts of a TableVectorizer of skrub."""
    places = {x: i for i, x in enumerate(transformer.get_feature_names_out())}
    outputs = transformer.input_to_outputs_
    return [
        _checked_part([name], places[outputs[name][0]], step)
        for name, step in transformer.transformers_.items()
        if outputs.get(name)
    ]


def _checked_part(columns: list[str], start: int, step: Any) -> Part:
    """Return a part, if there is a way back for each of its columns."""
    steps = [] if _is_a(step, "passthrough") else real_steps(step)
    steps = [x for x in steps if not _passes(x)]
    for i, one in enumerate(steps):
        reason = _why_not(one)
        if reason is None and isinstance(one, _OF_VALUES) and i:
            reason = "comes after another step, so that its categories are no values"
        if reason is not None:
            raise TypeError(
                f"The column {columns[0]!r} cannot come back: {type(one).__name__} "
                f"{reason}. Use scalers, OneHotEncoder, OrdinalEncoder or "
                "'passthrough', or skae.tabular.TableEncoder, which inverts categories "
                "and dates, or drop the column from X."
            )
    return Part(columns, start, steps)


def _is_a(step: Any, name: str) -> bool:
    return isinstance(step, str) and step == name


def _passes(step: Any) -> bool:
    """Tell whether a step leaves values as they are."""
    if isinstance(step, FunctionTransformer):
        return step.func is None
    return type(step).__name__ == "PassThrough"  # of skrub


def _why_not(step: Any) -> str | None:
    """Return why a step has no way back for each column, None if it has."""
    if isinstance(step, _OF_VALUES):
        limits = (step.min_frequency, step.max_categories)
        return None if limits == (None, None) else "merges rare categories"
    if not hasattr(step, "inverse_transform"):
        return "has no inverse_transform"
    if isinstance(step, FunctionTransformer):
        return None if step.inverse_func is not None else "has no inverse_func"
    if not isinstance(step, OneToOneFeatureMixin):
        return "does not make one column of each"
    return None


# Whatever an estimator makes of them --------------------------------------------------


def _dropped(hot: OneHotEncoder) -> list[bool]:
    """Tell of which columns a category has no column of zeros and ones."""
    if hot.drop_idx_ is None:
        return [False] * len(hot.categories_)
    return [x is not None for x in hot.drop_idx_]


def _nearest_ones(hot: OneHotEncoder, array: np.ndarray) -> np.ndarray:
    """Return rows with a one in each block at its largest entry.

    A category without a column has what the others lack of a sum of one.
    """
    counts = [len(categories) for categories in hot.categories_]
    blocks, start = [], 0
    for n, is_dropped in zip(counts, _dropped(hot), strict=True):
        block = array[:, start : start + n - is_dropped]
        start += n - is_dropped
        if is_dropped:
            block = np.column_stack([block, 1 - block.sum(axis=1)])
        ones = np.eye(n)[np.nan_to_num(block).argmax(axis=1)]
        blocks.append(ones[:, : n - is_dropped])
    return np.hstack(blocks)


def _nearest_codes(ordinal: OrdinalEncoder, array: np.ndarray) -> np.ndarray:
    """Return the codes of categories that are nearest to some numbers.

    That of gaps is among them, where it is a number.
    """
    n_codes = [_n_codes(categories) for categories in ordinal.categories_]
    codes = np.clip(np.nan_to_num(np.rint(array)), 0, np.array(n_codes) - 1)
    missing = ordinal.encoded_missing_value
    if np.isnan(missing):
        return codes
    has_gaps = [len(x) > n for x, n in zip(ordinal.categories_, n_codes, strict=True)]
    is_gap = has_gaps & (np.abs(array - missing) < np.abs(array - codes))
    return np.where(is_gap, missing, codes)


def _n_codes(categories: np.ndarray) -> int:
    """Return the number of categories with a code: NaN, which is the last, has none."""
    is_nan = isinstance(categories[-1], float) and np.isnan(categories[-1])
    return len(categories) - (len(categories) > 1 and bool(is_nan))
