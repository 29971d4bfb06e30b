"""A fitted encoder as numbers, text and lists, which skops stores without trust."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

import numpy as np

from skae._data.blocks import Block
from skae.tabular._columns import Categories, Dates, Numbers, Scale

# A value of another type becomes a list: one of these names, and what it is made of.
_OURS: dict[str, Any] = {
    "Block": Block,
    "Categories": Categories,
    "Dates": Dates,
    "Numbers": Numbers,
    "Scale": Scale,
}
_PLAIN = (type(None), bool, int, float, str, np.bool_, np.integer, np.floating)
_SEQUENCES = {"list": list, "tuple": tuple, "set": set}
# Arguments of the dtypes of polars that have some.
_ARGUMENTS = {
    "Datetime": ("time_unit", "time_zone"),
    "Decimal": ("precision", "scale"),
    "Enum": ("categories",),
}


def to_plain(value: Any) -> Any:
    """Return a value as numbers, text, and lists that begin with a name.

    Parameters
    ----------
    value : object
        A column's encoder, a dtype or a value of a column, or a list or a dict of such.

    Raises
    ------
    TypeError
        If a category is a value of a type that is not known.
    """
    import pandas as pd

    if value is pd.NA or value is pd.NaT:
        return ["NA" if value is pd.NA else "NaT"]
    if isinstance(value, _PLAIN):
        return value
    name = type(value).__name__
    if name in _SEQUENCES:
        return [name, [to_plain(entry) for entry in value]]
    if isinstance(value, dict):
        return ["dict", [[key, to_plain(entry)] for key, entry in value.items()]]
    if _OURS.get(name) is type(value):
        return [name, to_plain(vars(value))]
    if isinstance(value, np.ndarray):
        return ["array", str(value.dtype), [to_plain(x) for x in value.tolist()]]
    if isinstance(value, pd.Index):
        return ["Index", to_plain(value.dtype), [to_plain(entry) for entry in value]]
    if isinstance(value, pd.CategoricalDtype):
        return ["category", to_plain(value.categories), bool(value.ordered)]
    if isinstance(value, pd.Interval):
        limits = to_plain(value.left), to_plain(value.right)
        return ["Interval", *limits, value.closed]
    if isinstance(value, pd.Timestamp):
        zone = to_plain(value.tz)
        return ["Timestamp", value.asm8.astype(np.int64).item(), value.unit, zone]
    if isinstance(value, tzinfo):
        return ["zone", _name_of(pd.DatetimeTZDtype("ns", value))]
    if type(value).__module__.startswith("polars"):
        kind = value.base_type().__name__
        arguments = [_argument(value, key) for key in _ARGUMENTS.get(kind, ())]
        return ["polars", kind, arguments]
    if isinstance(value, pd.StringDtype) and str(value) != "str":
        return ["string", value.storage, to_plain(value.na_value)]
    if isinstance(value, pd.ArrowDtype) and str(value) == "string[pyarrow]":
        return ["arrow_string"]  # the name is also that of a StringDtype
    if isinstance(value, np.dtype) or hasattr(value, "construct_from_string"):
        return ["dtype", _name_of(value)]
    raise TypeError(
        f"The category {value!r} is a {name}, which skops cannot store here. Convert "
        "the column with astype(str) before fit, or use pickle."
    )


def from_plain(value: Any) -> Any:
    """Return what :func:`to_plain` was given.

    Parameters
    ----------
    value : object
        What it returned.
    """
    import pandas as pd

    if not isinstance(value, list):
        return value
    name, *parts = value
    if name in _SEQUENCES:
        return _SEQUENCES[name](map(from_plain, parts[0]))
    if name in _OURS:
        found = _OURS[name].__new__(_OURS[name])
        vars(found).update(from_plain(parts[0]))
        return found
    if name == "polars":
        import polars as pl

        kind, arguments = parts
        dtype = getattr(pl.datatypes, kind)
        if not issubclass(dtype, pl.DataType):
            raise ValueError(f"{kind!r} is no dtype of polars.")
        return dtype(*map(from_plain, arguments))
    makers: dict[str, Any] = {
        "NA": lambda: pd.NA,
        "NaT": lambda: pd.NaT,
        "dict": lambda pairs: {key: from_plain(entry) for key, entry in pairs},
        "array": lambda dtype, entries: np.fromiter(
            map(from_plain, entries), dtype, len(entries)
        ),
        "Index": lambda dtype, entries: pd.Index(
            list(map(from_plain, entries)), dtype=from_plain(dtype), tupleize_cols=False
        ),
        "category": lambda values, ordered: pd.CategoricalDtype(
            from_plain(values), ordered=ordered
        ),
        "Interval": lambda left, right, closed: pd.Interval(
            from_plain(left), from_plain(right), closed
        ),
        "Timestamp": lambda ticks, unit, zone: _timestamp(ticks, unit, zone),
        "zone": lambda dtype: pd.api.types.pandas_dtype(dtype).tz,
        "string": lambda storage, gap: _string_dtype(storage, from_plain(gap)),
        "arrow_string": lambda: _arrow_string(),
        "dtype": pd.api.types.pandas_dtype,
    }
    return makers[name](*parts)


def _name_of(dtype: Any) -> str:
    """Return the name from which pandas makes a dtype again."""
    import pandas as pd

    try:
        is_same = pd.api.types.pandas_dtype(str(dtype)) == dtype
    except (NotImplementedError, TypeError, ValueError):
        is_same = False
    if not is_same:
        raise TypeError(
            f"A column has the dtype {dtype}, which pandas does not make from its "
            "name, so that skops cannot store it here. Convert the column with astype "
            "before fit, or use pickle."
        )
    return str(dtype)


def _argument(dtype: Any, name: str) -> Any:
    found = getattr(dtype, name)
    return to_plain(found.to_list() if hasattr(found, "to_list") else found)


def _string_dtype(storage: str, gap: Any) -> Any:
    import pandas as pd

    if gap is pd.NA:
        return pd.StringDtype(storage)
    return pd.StringDtype(storage, na_value=gap)


def _arrow_string() -> Any:
    import pandas as pd
    import pyarrow

    return pd.ArrowDtype(pyarrow.string())


def _timestamp(ticks: int, unit: str, zone: Any) -> Any:
    import pandas as pd

    found = pd.Timestamp(np.int64(ticks).astype(f"datetime64[{unit}]"))
    return (
        found if zone is None else found.tz_localize("UTC").tz_convert(from_plain(zone))
    )
