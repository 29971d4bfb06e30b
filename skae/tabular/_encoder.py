"""The transformer from a data frame to an array of numbers, and back."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skae._data.blocks import Block
from skae.tabular._base import BaseTableEncoder
from skae.tabular._columns import encode, make_codec


class TableEncoder(BaseTableEncoder):
    r"""Encode a data frame as an array of numbers, and decode such arrays.

    Each column of the frame becomes a block of columns of the array:

    - numbers, integers and booleans are standardised, :math:`(x - \mu) / \sigma`, with
      the mean and the standard deviation that `fit` saw; constant columns keep
      :math:`\sigma = 1`;
    - categories and text become one column of zeros and ones for each category;
    - dates become the days since the first date, standardised. Whole days, where `fit`
      saw nothing else, are those of the clock of their zone.

    `inverse_transform` gives a frame of valid rows, with the columns and the dtypes
    that `fit` saw, whatever array it is given: a frame of polars if `fit` saw one, else
    of pandas. Integers, booleans and columns of floats in which `fit` saw whole numbers
    only are rounded. Of a block of categories the one with the largest entry is taken.
    Dates are rounded to the coarsest step, from days to microseconds, in which all
    dates of `fit` follow the first one. Numbers and dates are clipped to the range that
    `fit` saw.

    Gaps (NaN, None, NA, NaT, null) are NaN in all columns of the block, which
    estimators take and fill if `missing` is ``"mask"``. Arrays without NaN give frames
    without gaps.

    Read more in the :ref:`user guide <guide-tables>`.

    Parameters
    ----------
    max_categories : int or None, default=20
        Most columns of a block of categories, at least 2. Where a column has more
        categories, the rarest of them share the last column of the block, named
        ``"infrequent"``, which is decoded as the most frequent of them. None is no
        limit.

    handle_unknown : {"ignore", "error"}, default="ignore"
        What to do with a category that `fit` did not see: encode it as zeros, or
        raise an error.

    cycles : bool, default=False
        Whether dates get further columns, for models that know seasons: the sine and
        the cosine of their place in the year, the week and, if they have a time, the
        day; each cycle that the dates of `fit` span at least twice.
        `inverse_transform` does not use them, so that an autoencoder spends a part of
        its code on what is not decoded.

    clip : bool, default=True
        Whether `inverse_transform` clips numbers and dates to the range that `fit` saw.
        If False, numbers outside it come back as they were, as long as the dtype can
        hold them.

    Attributes
    ----------
    blocks_ : list of Block
        For each column of the frame its name, its kind, the columns of the array, and
        the categories.

    n_features_in_ : int
        Number of columns of the frame.

    feature_names_in_ : ndarray of shape (n_features,)
        Their names.

    See Also
    --------
    skae.tabular.InvertibleColumnTransformer : The same by transformers of one's own.
    skae.tabular.impute : Fill the gaps of a frame.
    skae.tabular.column_errors : Which column of which row is unusual.
    skae.blend : Blend rows of a frame, by a pipeline that starts with this encoder.

    Notes
    -----
    Integers beyond 2\ :sup:`53` lose digits, as do times in nanoseconds over months:
    the array is float64. Frames of polars need pandas, too, and NaN in them is a gap
    that comes back as null.

    Examples
    --------
    >>> import pandas as pd
    >>> from skae.tabular import TableEncoder
    >>> frame = pd.DataFrame({
    ...     "age": [31, 45, 62],
    ...     "plan": ["basic", "family", "basic"],
    ...     "since": pd.to_datetime(["2024-01-31", "2023-05-01", "2020-12-24"]),
    ... })
    >>> encoder = TableEncoder().fit(frame)
    >>> encoder.get_feature_names_out()[:3]
    array(['age', 'plan_basic', 'plan_family'], dtype=object)
    >>> X = encoder.transform(frame)
    >>> encoder.inverse_transform(X).equals(frame)
    True
    >>> encoder.inverse_transform((X[:1] + 2 * X[1:2]) / 3)
       age    plan      since
    0   40  family 2023-08-01
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "max_categories": [Interval(Integral, 2, None, closed="left"), None],
        "handle_unknown": [StrOptions({"ignore", "error"})],
        "cycles": ["boolean"],
        "clip": ["boolean"],
    }

    def __init__(
        self,
        *,
        max_categories: int | None = 20,
        handle_unknown: str = "ignore",
        cycles: bool = False,
        clip: bool = True,
    ) -> None:
        self.max_categories = max_categories
        self.handle_unknown = handle_unknown
        self.cycles = cycles
        self.clip = clip

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns of the array.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            The names of the columns of the frame, which are known: others are refused.

        Returns
        -------
        ndarray of shape (n_features_out,)
            The name of a column, followed for a category by that, and for the cycles of
            a date by names such as ``"year_sin"``. Names that would be equal get
            numbers.
        """
        check_is_fitted(self)
        if input_features is not None:
            self._check_columns(list(input_features))
        names = [name for codec in self._codecs for name in codec.names]
        return np.asarray(_distinct(names), dtype=object)

    def _fitted(self, X: Any, frame: Any, y: Any) -> dict[str, Any]:
        codecs = [
            make_codec(
                frame[name],
                max_categories=self.max_categories,
                handle_unknown=self.handle_unknown,
                cycles=self.cycles,
                clip=self.clip,
            )
            for name in frame.columns
        ]
        stops = np.cumsum([len(codec.names) for codec in codecs]).tolist()
        blocks = [
            Block(codec.name, codec.kind, start, stop, codec.categories)
            for codec, start, stop in zip(codecs, [0, *stops], stops, strict=False)
        ]
        return {"_codecs": codecs, "blocks_": blocks}

    def _encode(self, X: Any, frame: Any) -> np.ndarray:
        return np.hstack([encode(codec, frame[codec.name]) for codec in self._codecs])

    def _decode(self, array: np.ndarray) -> dict[str, Any]:
        return {
            block.name: codec.decode(array[:, block.columns])
            for codec, block in zip(self._codecs, self.blocks_, strict=True)
        }


def _distinct(names: list[str]) -> list[str]:
    """Return names of which those that were there before end with a number."""
    taken, found = set(names), set()
    distinct = []
    for name in names:
        unique, number = name, 2
        while unique in found or (unique != name and unique in taken):
            unique, number = f"{name}_{number}", number + 1
        found.add(unique)
        distinct.append(unique)
    return distinct
