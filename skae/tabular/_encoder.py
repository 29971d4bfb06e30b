"""The transformer from a data frame to an array of numbers, and back."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from skae._data.blocks import Block
from skae._persistence.skops import is_pickled, pickled
from skae.tabular._columns import encode, make_codec
from skae.tabular._frames import as_pandas, as_polars, check_kinds, schema_of
from skae.tabular._plain import from_plain, to_plain

# What `fit` sets that skops would ask to trust.
_NOT_PLAIN = ("_codecs", "_schema", "blocks_")


class TableEncoder(TransformerMixin, BaseEstimator):
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

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the kind, the scale and the categories of each column.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_features)
            A frame of pandas or polars, whose columns have names that are text.

        y : Ignored
            Not used, present for consistency.

        Returns
        -------
        self : TableEncoder
            The fitted encoder.

        Raises
        ------
        TypeError
            If X is no frame of pandas or polars, or a column holds values of a kind
            that cannot be encoded.
        ValueError
            If X is empty, or a column has no value or infinite ones.
        """
        self._validate_params()
        schema, X = schema_of(X), as_pandas(X)
        _check_frame(X)
        codecs = [
            make_codec(
                X[name],
                max_categories=self.max_categories,
                handle_unknown=self.handle_unknown,
                cycles=self.cycles,
                clip=self.clip,
            )
            for name in X.columns
        ]
        validate_data(self, X, skip_check_array=True)
        stops = np.cumsum([len(codec.names) for codec in codecs]).tolist()
        self._codecs, self._schema = codecs, schema
        self.blocks_ = [
            Block(codec.name, codec.kind, start, stop, codec.categories)
            for codec, start, stop in zip(codecs, [0, *stops], stops, strict=False)
        ]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Encode a frame.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_features)
            A frame of pandas or polars with the columns that `fit` saw, in the same
            order. Dtypes may differ if values are of the same kind: a row as a Series
            of objects, made a frame, is encoded as the row was.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            The array, in float64, with NaN at gaps.

        Raises
        ------
        TypeError
            If a column holds values of another kind than `fit` saw.
        ValueError
            If columns differ from those of `fit`, or a category is new and
            `handle_unknown` is ``"error"``.
        """
        check_is_fitted(self)
        if self._schema is not None and schema_of(X) is not None:
            check_kinds(X, self._schema)
        X = as_pandas(X)
        _check_frame(X)
        self._check_columns(list(X.columns))
        return np.hstack([encode(codec, X[codec.name]) for codec in self._codecs])

    def inverse_transform(self, X: Any) -> Any:
        """Decode an array as a frame.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_out)
            What an estimator makes of the array, such as reconstructions.

        Returns
        -------
        DataFrame of shape (n_samples, n_features)
            Rows with the columns and the dtypes that `fit` saw, in a frame of the same
            package. If X is a frame of pandas, rows of pandas have its index. NaN gives
            gaps: null in polars; in pandas, integers and booleans with gaps have the
            dtypes that it has for these.
        """
        import pandas as pd

        check_is_fitted(self)
        index = X.index if isinstance(X, pd.DataFrame) else None
        array = check_array(
            X, dtype=np.float64, ensure_all_finite="allow-nan", estimator=self
        )
        if array.shape[1] != self.blocks_[-1].stop:
            raise ValueError(
                f"X has {array.shape[1]} columns, but the encoder makes "
                f"{self.blocks_[-1].stop} of the {self.n_features_in_} columns of a "
                "frame. Pass an array like that of transform."
            )
        columns = {
            block.name: codec.decode(array[:, block.columns])
            for codec, block in zip(self._codecs, self.blocks_, strict=True)
        }
        frame = pd.DataFrame(columns)
        if self._schema is not None:
            return as_polars(frame, self._schema)
        return frame if index is None else frame.set_axis(index)

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

    def _check_columns(self, names: list[Any]) -> None:
        """Refuse columns other than those of fit, or in another order."""
        expected = self.feature_names_in_.tolist()
        if names == expected:
            return
        missing = [name for name in expected if name not in names]
        new = [name for name in names if name not in expected]
        if missing:
            raise ValueError(f"X lacks columns that fit saw: {_listed(missing)}.")
        if new:
            raise ValueError(
                f"X has columns that fit did not see: {_listed(new)}. Pass "
                "X[encoder.feature_names_in_]."
            )
        raise ValueError(
            "The columns of X are not in the order that fit saw. Pass "
            "X[encoder.feature_names_in_]."
        )

    def __reduce_ex__(self, protocol: Any) -> Any:
        with pickled():
            return super().__reduce_ex__(protocol)

    def __getstate__(self) -> Any:
        state = super().__getstate__()
        if is_pickled():
            return state
        plain = {name: x for name, x in state.items() if name in _NOT_PLAIN}
        others = {name: x for name, x in state.items() if name not in _NOT_PLAIN}
        return {**others, "plain": to_plain(plain)}

    def __setstate__(self, state: Any) -> None:
        if "plain" in state:
            plain = from_plain(state["plain"])
            state = {name: x for name, x in state.items() if name != "plain"} | plain
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _check_frame(X: Any) -> None:
    """Refuse what is not a frame with rows and names."""
    import pandas as pd

    if not isinstance(X, pd.DataFrame):
        kind = f"{type(X).__module__.partition('.')[0]}.{type(X).__name__}"
        methods = [x for x in ("to_pandas", "collect") if hasattr(X, x)]
        way_out = f"X.{methods[0]}()" if methods else "pd.DataFrame(X)"
        raise TypeError(
            f"TableEncoder takes a DataFrame of pandas or polars, but X is a {kind}. "
            f"Pass {way_out}, with names for the columns."
        )
    if 0 in X.shape:
        raise ValueError(
            f"X is empty: it has {X.shape[0]} rows and {X.shape[1]} columns. At least "
            "one of both is needed."
        )
    unnamed = [name for name in X.columns if not isinstance(name, str)]
    if unnamed:
        raise TypeError(
            f"The column {unnamed[0]!r} has a name that is no text. Use X.columns = "
            "X.columns.astype(str)."
        )
    if not X.columns.is_unique:
        twice = X.columns[X.columns.duplicated()].tolist()
        raise ValueError(
            f"X has several columns with one name: {_listed(twice)}. Rename them."
        )


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


def _listed(names: list[Any], shown: int = 3) -> str:
    """Return names as text, of many only the first ones."""
    text = ", ".join(map(repr, names[:shown]))
    more = len(names) - shown
    return f"{text} and {more} more" if more > 0 else text
