"""Frames of polars become frames of pandas, and come back in their own dtypes.

A frame of polars goes through numpy, and needs no pyarrow.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

_IN_DAY = 86400  # seconds
_IN_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
# The years 1 to 9999, which Python and polars can show, in days from 1970.
_DAYS = (-719_162, 2_932_897)
_WAYS_OUT = {
    "Duration": "Convert it with .dt.total_seconds().",
    "Time": "Convert it to seconds, as with .cast(pl.Int64) // 10**9.",
    "Struct": "Use X.unnest to make a column of each of its fields.",
    "Int128": "Cast it to pl.Int64.",
    "UInt128": "Cast it to pl.UInt64.",
}
_OTHER_WAY_OUT = (
    "Convert its entries to numbers, or with .cast(pl.String) to categories, or drop "
    "the column."
)


def is_polars(X: Any) -> bool:
    """Tell whether X is a frame of polars, without loading polars."""
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(X, polars.DataFrame)


def schema_of(X: Any) -> dict[str, Any] | None:
    """Return the dtypes of a frame of polars by column, None for other frames."""
    return dict(X.schema) if is_polars(X) else None


def as_pandas(X: Any) -> Any:
    """Return a frame of polars as one of pandas, and other frames as they are.

    Parameters
    ----------
    X : DataFrame
        A frame whose columns hold numbers, booleans, text, categories or dates.
    """
    if not is_polars(X):
        return X
    import pandas as pd

    columns = {column.name: _to_pandas(column) for column in X.get_columns()}
    return pd.DataFrame(columns, index=pd.RangeIndex(len(X)))


def as_polars(frame: Any, schema: dict[str, Any]) -> Any:
    """Return a frame of pandas as one of polars.

    Parameters
    ----------
    frame : DataFrame
        What :func:`as_pandas` returned, or a frame with its kinds of columns.
    schema : dict of str to DataType
        The dtypes. Columns that are not in it get the dtype that polars finds.
    """
    import polars as pl

    columns = [_to_polars(frame[name], schema.get(name)) for name in frame.columns]
    return pl.DataFrame(columns)


def check_kinds(X: Any, schema: dict[str, Any]) -> None:
    """Refuse a frame of polars with columns of another kind than `fit` saw.

    Parameters
    ----------
    X : DataFrame
        A frame of polars.
    schema : dict of str to DataType
        The dtypes that `fit` saw.
    """
    for name, dtype in X.schema.items():
        expected = schema.get(name, dtype)
        is_empty = X[name].null_count() == len(X)
        if _kind(dtype) != _kind(expected) and not is_empty:
            raise TypeError(
                f"Column {name!r} is {dtype}, but fit saw {expected}. Convert it, as "
                f"with X.with_columns(pl.col({name!r}).cast(pl.{expected!r}))."
            )


def _kind(dtype: Any) -> str:
    if dtype.is_numeric() or dtype.base_type().__name__ == "Boolean":
        return "number"
    return "date" if dtype.base_type().__name__ in ("Date", "Datetime") else "category"


def _to_pandas(column: Any) -> Any:
    """Return a Series of polars as one of pandas."""
    import pandas as pd
    import polars as pl

    dtype, gaps = column.dtype, column.is_null().to_numpy()
    if dtype.is_integer() and dtype.base_type().__name__ not in ("Int128", "UInt128"):
        values = pd.arrays.IntegerArray(column.fill_null(0).to_numpy().copy(), gaps)
    elif dtype.is_float() or dtype.is_decimal():
        is_small = dtype == pl.Float32
        values = column.cast(pl.Float32 if is_small else pl.Float64).to_numpy()
    elif dtype == pl.Boolean:
        truth = column.fill_null(value=False).to_numpy().copy()
        values = pd.arrays.BooleanArray(truth, gaps)
    elif dtype == pl.Enum:
        codes = column.to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
        values = pd.Categorical.from_codes(codes, dtype.categories.to_list())
    elif dtype in (pl.String, pl.Categorical, pl.Null):
        values = column.cast(pl.String).to_list()
        return pd.Series(values, name=column.name, dtype=object)
    elif dtype in (pl.Date, pl.Datetime):
        ticks = column.to_physical().cast(pl.Int64).fill_null(0).to_numpy()
        unit = "s" if dtype == pl.Date else dtype.time_unit
        ticks = ticks * _IN_DAY if dtype == pl.Date else ticks
        times = pd.Series(ticks.astype(f"datetime64[{unit}]")).mask(gaps)
        zone = getattr(dtype, "time_zone", None)
        if zone is not None:
            times = times.dt.tz_localize("UTC").dt.tz_convert(zone)
        return times.rename(column.name)
    else:
        way_out = _WAYS_OUT.get(dtype.base_type().__name__, _OTHER_WAY_OUT)
        raise TypeError(
            f"Column {column.name!r} is {dtype}, which cannot be encoded. {way_out}"
        )
    return pd.Series(values, name=column.name)


def _to_polars(series: Any, dtype: Any) -> Any:
    """Return a Series of pandas as one of polars."""
    import polars as pl

    gaps = series.isna().to_numpy()
    if dtype is None or not (dtype.is_numeric() or dtype.is_temporal()):
        entries = series.astype(object).where(~gaps, None).tolist()
        if dtype == pl.Enum:  # which may have got further categories
            dtype = pl.Enum(series.cat.categories.tolist())
        return pl.Series(series.name, entries, dtype=dtype)
    if dtype.is_temporal():
        times = series if series.dt.tz is None else series.dt.tz_convert("UTC")
        times = times if series.dt.tz is None else times.dt.tz_localize(None)
        unit = "s" if dtype == pl.Date else dtype.time_unit
        values = times.dt.as_unit(unit).to_numpy().astype(np.int64)
        if unit != "ns":  # of which all are in these years
            first, end = (x * _IN_DAY * _IN_SECOND[unit] for x in _DAYS)
            values = values.clip(first, end - 1)
        if dtype == pl.Date:
            values = (values // _IN_DAY).astype(np.int32)
        values = np.where(gaps, 0, values)
    elif dtype.is_integer():
        values = series.fillna(0).to_numpy()
    else:
        values = series.to_numpy(dtype=np.float64, na_value=0.0)
    column = pl.Series(series.name, values).cast(dtype)
    return column.zip_with(pl.Series(~gaps), column.clear(len(column)))
