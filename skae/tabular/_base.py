"""What encoders of tables share: frames in, arrays out, and back."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from skae._data.blocks import Block
from skae._documented import DocumentedEstimator
from skae._persistence.skops import is_pickled, pickled
from skae.tabular._frames import as_pandas, as_polars, check_kinds, schema_of
from skae.tabular._plain import from_plain, to_plain

# What `fit` sets that skops would ask to trust.
_NOT_PLAIN = ("_codecs", "_schema", "blocks_")


class BaseTableEncoder(TransformerMixin, DocumentedEstimator):
    """Base of the encoders: a subclass answers how columns are encoded and decoded."""

    blocks_: list[Block]

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn how each column is encoded.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_features)
            A frame of pandas or polars, whose columns have names that are text.

        y : array-like of shape (n_samples,) or None, default=None
            Passed on to the parameter `transformer`, if there is one, and else not
            used.

        Returns
        -------
        self : estimator
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
        frame = as_pandas(X)
        check_frame(frame, type(self).__name__)
        found = self._fitted(X, frame, y)
        validate_data(self, frame, skip_check_array=True)
        for name, value in {**found, "_schema": schema_of(X)}.items():
            setattr(self, name, value)
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
        frame = as_pandas(X)
        check_frame(frame, type(self).__name__)
        self._check_columns(list(frame.columns))
        return self._encode(X, frame)

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
        frame = pd.DataFrame(self._decode(array))
        if self._schema is not None:
            return as_polars(frame, self._schema)
        return frame if index is None else frame.set_axis(index)

    def _fitted(self, X: Any, frame: Any, y: Any) -> dict[str, Any]:
        """Return what `fit` sets, from X and from X as a frame of pandas."""
        raise NotImplementedError

    def _encode(self, X: Any, frame: Any) -> np.ndarray:
        """Return the array of X, which is also given as a frame of pandas."""
        raise NotImplementedError

    def _decode(self, array: np.ndarray) -> dict[str, Any]:
        """Return the Series of each column, in the order of the frame."""
        raise NotImplementedError

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
            others = {name: x for name, x in state.items() if name != "plain"}
            try:
                state = others | from_plain(state["plain"])
            except (AttributeError, LookupError, RecursionError, TypeError) as error:
                raise ValueError(
                    f"The state of this {type(self).__name__} cannot be read: it is "
                    "damaged, or of other versions of skae and pandas."
                ) from error
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def check_frame(X: Any, encoder: str) -> None:
    """Refuse what is not a frame with rows and names.

    Parameters
    ----------
    X : object
        What should be a frame of pandas.
    encoder : str
        Name of the class that takes it, for the error.
    """
    import pandas as pd

    if not isinstance(X, pd.DataFrame):
        kind = f"{type(X).__module__.partition('.')[0]}.{type(X).__name__}"
        methods = [x for x in ("to_pandas", "collect") if hasattr(X, x)]
        way_out = f"X.{methods[0]}()" if methods else "pd.DataFrame(X)"
        raise TypeError(
            f"{encoder} takes a DataFrame of pandas or polars, but X is a {kind}. "
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


def _listed(names: list[Any], shown: int = 3) -> str:
    """Return names as text, of many only the first ones."""
    text = ", ".join(map(repr, names[:shown]))
    more = len(names) - shown
    return f"{text} and {more} more" if more > 0 else text
