"""A transformer of columns of other packages, with a way back from its arrays."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted

from skae._data.blocks import Block
from skae.tabular._base import BaseTableEncoder
from skae.tabular._columns import Categories, Numbers
from skae.tabular._frames import as_pandas
from skae.tabular._kinds import kind_to_encode
from skae.tabular._parts import parts_of


class InvertibleColumnTransformer(BaseTableEncoder):
    """Give a ColumnTransformer, or a TableVectorizer of skrub, a way back.

    Arrays are those of the transformer, in float64 and without sparse matrices.
    `inverse_transform` gives frames of valid rows, with the columns and the dtypes that
    `fit` saw: each column is decoded by the ``inverse_transform`` of what encoded it.
    Numbers come back within the range that `fit` saw, and integers and booleans are
    rounded. Of one-hot categories the largest is taken, a dropped one having what the
    others lack of a sum of one; of ordinal ones the nearest.

    There is a way back from scalers and other transformers that make one column of
    each, from :class:`~sklearn.preprocessing.OneHotEncoder`,
    :class:`~sklearn.preprocessing.OrdinalEncoder`, and from pipelines of these, and for
    columns that pass through. `fit` refuses others, before anything is trained.

    Gaps are what the transformer makes of them: most scalers pass NaN on, and the
    encoders of categories make them a category. A :class:`TableEncoder` encodes all
    gaps as NaN, which :func:`impute` needs.

    Read more in the :ref:`user guide <guide-tables>`.

    Parameters
    ----------
    transformer : ColumnTransformer or TableVectorizer
        The transformer. `fit` fits a copy of it. A fitted one can be passed in a
        :class:`~sklearn.frozen.FrozenEstimator`; `fit` then learns the dtypes and the
        ranges of columns.

    Attributes
    ----------
    transformer_ : ColumnTransformer or TableVectorizer
        The fitted transformer.

    blocks_ : list of Block
        For each column of the frame its name, its kind, the columns of the array, and
        the categories, in the order of the array. Categories of which one is dropped
        are of kind ``"float"``, ordinal ones of kind ``"integer"``.

    n_features_in_ : int
        Number of columns of the frame.

    feature_names_in_ : ndarray of shape (n_features,)
        Their names.

    See Also
    --------
    TableEncoder : Encodes any frame, with gaps, rare categories and dates.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.compose import make_column_transformer
    >>> from sklearn.preprocessing import OneHotEncoder, StandardScaler
    >>> from skae.tabular import InvertibleColumnTransformer
    >>> frame = pd.DataFrame({
    ...     "plan": ["basic", "family", "basic"],
    ...     "age": [31, 45, 62],
    ... })
    >>> encoder = InvertibleColumnTransformer(make_column_transformer(
    ...     (StandardScaler(), ["age"]), (OneHotEncoder(), ["plan"]),
    ... )).fit(frame)
    >>> X = encoder.transform(frame)
    >>> encoder.inverse_transform(X).equals(frame)
    True
    >>> encoder.inverse_transform((X[:1] + 2 * X[1:2]) / 3)
         plan  age
    0  family   40
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "transformer": [HasMethods(["fit", "transform"])],
    }

    def __init__(self, transformer: Any) -> None:
        self.transformer = transformer

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns of the array, which the transformer gives.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            The names of the columns of the frame, which are known: others are refused.

        Returns
        -------
        ndarray of shape (n_features_out,)
            The names.
        """
        check_is_fitted(self)
        if input_features is not None:
            self._check_columns(list(input_features))
        return np.asarray(self.transformer_.get_feature_names_out(), dtype=object)

    def _fitted(self, X: Any, frame: Any, y: Any) -> dict[str, Any]:
        transformer = clone(self.transformer).fit(X, y)
        codecs: dict[str, Numbers | Categories] = {}
        blocks: list[Block] = []
        for part in parts_of(transformer, frame):
            columns = [frame[name] for name in part.columns]
            made = [
                _codec(column, None if part.values is None else part.values[i])
                for i, column in enumerate(columns)
            ]
            codecs |= dict(zip(part.columns, made, strict=True))
            is_coded = part.values is not None
            blocks += part.blocks(["integer" if is_coded else x.kind for x in made])
        return {"transformer_": transformer, "_codecs": codecs, "blocks_": blocks}

    def _encode(self, X: Any, frame: Any) -> np.ndarray:
        found = self.transformer_.transform(X)
        found = found.toarray() if hasattr(found, "toarray") else as_pandas(found)
        return np.asarray(found, dtype=np.float64)

    def _decode(self, array: np.ndarray) -> dict[str, Any]:
        import pandas as pd

        names, found = self.feature_names_in_, {}
        for part in parts_of(self.transformer_, pd.DataFrame(columns=names)):
            blocks = [block for block in self.blocks_ if block.name in part.columns]
            values = part.decode(array[:, blocks[0].start : blocks[-1].stop])
            for block, column in zip(blocks, values.T, strict=True):
                gaps = np.isnan(array[:, block.columns]).any(axis=1)
                if gaps.any():
                    column = column.astype(object)
                    column[gaps] = np.nan
                found[block.name] = _valid(self._codecs[block.name], column)
        return {name: found[name] for name in names}


def _codec(series: Any, values: list[Any] | None) -> Numbers | Categories:
    """Return what makes values valid entries of a column.

    Parameters
    ----------
    series : Series
        The column that fit saw.
    values : list or None
        The categories of what encodes it, None for numbers.
    """
    import pandas as pd

    kind = kind_to_encode(series)
    if values is None:
        if kind not in Numbers.accepts:
            raise TypeError(
                f"The column {series.name!r} holds {kind} values, which cannot come "
                "back from numbers. Encode it with OneHotEncoder, or use "
                "skae.tabular.TableEncoder, or drop it from X."
            )
        return Numbers(series, kind, clip=True)
    known = [value for value in values if not pd.isna(value)]
    both = pd.concat([series, pd.Series(known, dtype=object).astype(series.dtype)])
    codec = Categories(
        both.rename(series.name), max_categories=None, handle_unknown="ignore"
    )
    new = [value for value in known if value not in codec.seen]
    if new:
        raise TypeError(
            f"The column {series.name!r} of dtype {series.dtype} cannot hold the "
            f"category {new[0]!r}, which the transformer makes of it. Convert it "
            "before, as with astype(str)."
        )
    return codec


def _valid(codec: Numbers | Categories, values: np.ndarray) -> Any:
    """Return the Series of some values, in the dtype that fit saw."""
    import pandas as pd

    if isinstance(codec, Numbers):
        values = np.clip(values.astype(np.float64), codec.scale.low, codec.scale.high)
    return codec.decode(codec.encode(pd.Series(values)))
