"""What kind of values a column of a data frame holds, and which can be encoded."""

from __future__ import annotations

from typing import Any

# What pandas finds in a column of objects.
_OF_OBJECTS = {
    "floating": "float",
    "mixed-integer-float": "float",
    "decimal": "float",
    "string": "category",
    "datetime": "date",
    "datetime64": "date",
}
_ENCODED = ("boolean", "integer", "float", "category", "date")
_ENCODED_OBJECTS = ("boolean", "category")
_WAYS_OUT = {
    "integer": "Convert it with pd.to_numeric.",
    "float": "Convert it with pd.to_numeric.",
    "date": "Convert it with pd.to_datetime.",
    "date of pyarrow": "Convert it with astype('datetime64[us]').",
    "timedelta": "Convert it with .dt.total_seconds().",
    "period": "Convert it with .dt.to_timestamp().",
    "complex": "Split it into two columns of numbers.",
}
_OTHER_WAY_OUT = (
    "Convert its entries to numbers, or with astype(str) to categories, or drop the "
    "column."
)


def kind_of(series: Any) -> str:
    """Return the kind of the values of a column, or what else pandas calls them.

    Parameters
    ----------
    series : Series
        A column with at least one value.

    Returns
    -------
    str
        ``"boolean"``, ``"integer"``, ``"float"``, ``"category"`` or ``"date"``; other
        names are of values that cannot be encoded.
    """
    import pandas as pd

    types, dtype = pd.api.types, series.dtype
    if types.is_object_dtype(dtype):
        found = types.infer_dtype(series, skipna=True)
        return _OF_OBJECTS.get(found, found)
    is_of_kind = {
        "category": isinstance(dtype, pd.CategoricalDtype),
        "period": isinstance(dtype, pd.PeriodDtype),
        "date of pyarrow": types.is_datetime64_any_dtype(dtype) and _is_of_arrow(dtype),
        "date": types.is_datetime64_any_dtype(dtype),
        "timedelta": types.is_timedelta64_dtype(dtype),
        "boolean": types.is_bool_dtype(dtype),
        "integer": types.is_integer_dtype(dtype),
        "float": types.is_float_dtype(dtype),
        "complex": types.is_complex_dtype(dtype),
    }
    found = next((kind for kind, is_it in is_of_kind.items() if is_it), None)
    if found is not None:
        return found
    return "category" if types.is_string_dtype(dtype) else str(dtype)


def kind_to_encode(series: Any) -> str:
    """Return the kind of a column, or raise an error if it cannot be encoded.

    Parameters
    ----------
    series : Series
        The column that fit sees.
    """
    if series.isna().all():
        raise ValueError(
            f"Column {series.name!r} has no value: all its {len(series)} entries are "
            "missing. Drop the column."
        )
    kind = kind_of(series)
    is_object = series.dtype == object
    if kind in (_ENCODED_OBJECTS if is_object else _ENCODED):
        return kind
    raise TypeError(
        f"Column {series.name!r} of dtype {series.dtype} holds {kind} values, such as "
        f"{_first_of(series)}. {_WAYS_OUT.get(kind, _OTHER_WAY_OUT)}"
    )


def _is_of_arrow(dtype: Any) -> bool:
    return hasattr(dtype, "pyarrow_dtype")


def _first_of(series: Any) -> str:
    text = repr(series.dropna().iloc[0])
    return text if len(text) <= 40 else f"{text[:39]}…"
