"""What is wrong with X: the column, how many rows, an example, and the way out.

scikit-learn's checks say that X is wrong; this looks for where, and only after such a
check has failed.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np

_SHOWN = 3  # further columns are counted


@dataclass(frozen=True)
class _Kind:
    """A kind of wrong values.

    Parameters
    ----------
    what : str
        Its name, after "Input X contains".
    way_out : str
        What to do about it in a table.
    way_out_of_samples : str
        What to do about it in images and signals.
    """

    what: str
    way_out: str
    way_out_of_samples: str = "Convert the samples to arrays of numbers."


_TEXT = _Kind(
    "text",
    "Encode it as numbers, for instance with skae.tabular.TableEncoder as the first "
    "step of a Pipeline, or drop it.",
)
_DATES = _Kind(
    "dates",
    "Convert them to numbers, such as the days since the first one, or to the parts "
    "that matter (month, weekday, hour), or drop the column.",
)
_DURATIONS = _Kind(
    "durations",
    "Convert them to numbers, such as seconds (in pandas with .dt.total_seconds()), or "
    "drop the column.",
)
_OBJECTS = _Kind(
    "objects that are no numbers",
    "Convert them to numbers, one for each entry, or drop the column.",
)
_NAN = _Kind(
    "NaN",
    "Set missing='mask', with which an estimator of skae takes gaps and fills them; or "
    "fill them, for instance with SimpleImputer or KNNImputer, or drop these rows.",
    "Set missing='mask', fill the gaps, or leave out these samples.",
)
_INFINITY = _Kind(
    "infinity",
    "Replace it, for instance by NaN and then with SimpleImputer, or drop these rows.",
    "Replace it, or leave out these samples.",
)
# In this order: columns that are no numbers are told before gaps.
_KINDS = (_TEXT, _DATES, _DURATIONS, _OBJECTS, _NAN, _INFINITY)


@contextmanager
def explained(
    X: Any, *, allow_gaps: bool = False, allow_sparse: bool = False
) -> Iterator[None]:
    """Explain the error of a check of X, if the reason is found in its values.

    Parameters
    ----------
    X : object
        The value that is checked inside the block.
    allow_gaps : bool, default=False
        Whether entries may be NaN.
    allow_sparse : bool, default=False
        Whether X may be sparse.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        try:
            reason = find_fault(X, allow_gaps=allow_gaps, allow_sparse=allow_sparse)
        except Exception:  # of a container that is like no other: the error stands
            reason = None
        if reason is None:
            raise
        if _OBJECTS.what in reason:
            reason = f"{reason} ({error})"  # which says what the objects are
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(reason) from error


def check_masked(X: Any) -> None:
    """Refuse masked entries, which scikit-learn takes as what lies under the mask.

    Parameters
    ----------
    X : object
        The value of an argument.
    """
    if isinstance(X, np.ma.MaskedArray) and (n_masked := int(np.ma.count_masked(X))):
        raise ValueError(
            f"X is a masked array with {n_masked} masked entries. Pass "
            f"X.filled(np.nan) to an imputer such as SimpleImputer, or "
            f"X.filled(value)."
        )


def as_numbers(rows: np.ndarray, X: Any) -> np.ndarray:
    """Refuse dates and durations, which scikit-learn lets through as they are.

    Parameters
    ----------
    rows : ndarray
        X, as scikit-learn's check returns it.
    X : object
        The value of an argument.

    Returns
    -------
    ndarray
        The rows; numbers that older versions of scikit-learn leave as text are
        converted.
    """
    if rows.dtype.kind in "biuf" and not _has_dates(X):
        return rows
    fault = find_fault(X)
    if fault is None and rows.dtype.kind in "OU":
        return rows.astype(np.float64)
    raise TypeError(fault or f"X has dtype {rows.dtype}. Convert it to numbers.")


def find_fault(
    X: Any, *, allow_gaps: bool = False, allow_sparse: bool = False
) -> str | None:
    """Return what is wrong with the values of X, or None if nothing is found.

    Parameters
    ----------
    X : object
        The value of an argument.
    allow_gaps : bool, default=False
        Whether entries may be NaN.
    allow_sparse : bool, default=False
        Whether X may be sparse.
    """
    kinds = [kind for kind in _KINDS if not (allow_gaps and kind is _NAN)]
    if hasattr(X, "toarray") and allow_sparse:
        return _fault_of_sparse(X, kinds)
    if hasattr(X, "toarray"):
        return (
            "Sparse data was passed for X, but dense data is required. Use "
            "'X.toarray()'; OneHotEncoder and TfidfVectorizer may have made it: "
            "OneHotEncoder(sparse_output=False) gives an array."
        )
    if any(hasattr(x, "fill_value") for x in getattr(X, "dtypes", ())):
        return (
            "Columns of X are sparse, some of them with another fill value than 0. Use "
            "'X.sparse.to_dense()', or astype for some of the columns."
        )
    if getattr(getattr(X, "dtype", None), "names", None):
        return (
            "X is a structured array. Use "
            "numpy.lib.recfunctions.structured_to_unstructured(X)."
        )
    if isinstance(X, (list, tuple)):
        ragged = _find_ragged(X)
        if ragged is not None:
            return ragged
    if getattr(X, "ndim", 2) > 2 or (
        not _is_frame(X) and np.ndim(np.asarray(X, dtype=object)) > 2
    ):
        return _fault_of_samples(np.asarray(X), kinds)
    found: dict[_Kind, list[_Found]] = {}
    for column, values in _columns(X):
        for kind, wrong in _wrong_entries(values).items():
            at = np.flatnonzero(wrong)
            first = _Found(column, len(at), len(values), int(at[0]), values[at[0]])
            found.setdefault(kind, []).append(first)
    for kind in kinds:
        if kind in found:
            return _tell(kind, found[kind])
    return None


# Tables -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """Wrong values of a column: how many, and the first one."""

    column: Any
    n_wrong: int
    n_rows: int
    row: int
    example: Any


def _tell(kind: _Kind, found: list[_Found]) -> str:
    first = max(found, key=lambda x: x.n_wrong) if kind is _NAN else found[0]
    count = f"{first.n_wrong} of {first.n_rows} rows"
    example = ""
    if kind not in (_NAN, _INFINITY):
        example = f", such as {_shortened(first.example)}"
    text = (
        f"Input X contains {kind.what}: column {_quoted(first.column)}{example} "
        f"({count}, the first is row {first.row})"
    )
    others = [x.column for x in found if x is not first]
    if others:
        shown = ", ".join(_quoted(x) for x in others[:_SHOWN])
        more = len(others) - _SHOWN
        text += f"; also {shown}" + (f" and {more} more columns" if more > 0 else "")
    return f"{text}. {kind.way_out}"


def _quoted(column: Any) -> str:
    return repr(str(column)) if isinstance(column, str) else str(column)


def _shortened(value: Any, length: int = 40) -> str:
    if isinstance(value, np.timedelta64):
        value = value.item()  # reads better
    is_time = isinstance(value, (np.datetime64, datetime.date, datetime.timedelta))
    text = str(value) if is_time else repr(value)
    return text if len(text) <= length else text[: length - 1] + "…"


def _has_dates(X: Any) -> bool:
    """Tell whether a frame of polars has dates, which become numbers of ticks."""
    schema: Any = getattr(X, "schema", None)
    types = schema.values() if hasattr(schema, "values") else ()
    return any(getattr(x, "is_temporal", bool)() for x in types)


def _is_frame(X: Any) -> bool:
    return hasattr(X, "columns") or hasattr(X, "column_names")


def _columns(X: Any) -> Iterator[tuple[Any, np.ndarray]]:
    """Yield the name, or the number, and the values of each column."""
    if hasattr(X, "iloc") and hasattr(X, "columns"):  # pandas
        for i, column in enumerate(X.columns):
            yield column, X.iloc[:, i].to_numpy()
    elif hasattr(X, "column_names"):  # pyarrow
        for column in X.column_names:
            yield column, X.column(column).to_numpy()
    elif hasattr(X, "columns") and hasattr(X, "to_series"):  # polars
        for i, column in enumerate(X.columns):
            yield column, X.to_series(i).to_numpy()
    else:
        array = np.asarray(X)
        if array.dtype.kind in "US":  # of a list with a number and text
            array = np.asarray(X, dtype=object)
        for i in range(array.shape[1]) if array.ndim == 2 else ():
            yield i, array[:, i]


def _wrong_entries(values: np.ndarray) -> dict[_Kind, np.ndarray]:
    """Return for each kind of wrong values which entries are of it, if any."""
    if values.dtype.kind == "f":
        found = {_NAN: np.isnan(values), _INFINITY: np.isinf(values)}
    elif values.dtype.kind == "M":
        found = {_DATES: np.full(len(values), True)}
    elif values.dtype.kind == "m":
        found = {_DURATIONS: np.full(len(values), True)}
    elif values.dtype.kind in "OUS":
        kinds = [_kind_of(x) for x in values.tolist()]
        found = {k: np.array([kind is k for kind in kinds]) for k in _KINDS}
    else:
        found = {}
    return {kind: wrong for kind, wrong in found.items() if wrong.any()}


def _kind_of(value: Any) -> _Kind | None:
    """Return the kind of a wrong entry of a column of objects, None if it is right."""
    if isinstance(value, (bool, Number, decimal.Decimal, np.bool_)):
        return _kind_of_number(value)
    if value is None or str(value) in ("NaT", "<NA>"):
        return _NAN
    if isinstance(value, (str, bytes)):
        try:
            return _kind_of_number(float(value))
        except ValueError:
            return _TEXT
    if isinstance(value, (datetime.timedelta, np.timedelta64)):
        return _DURATIONS
    is_date = isinstance(value, (datetime.date, datetime.time, np.datetime64))
    if is_date or type(value).__name__ == "Period":
        return _DATES
    return _OBJECTS


def _kind_of_number(value: Any) -> _Kind | None:
    if isinstance(value, complex):
        return None  # scikit-learn's own error says it
    if value != value:
        return _NAN
    return _INFINITY if abs(value) == np.inf else None


# Images and signals -------------------------------------------------------------------


def _fault_of_samples(X: np.ndarray, kinds: list[_Kind]) -> str | None:
    found = _wrong_entries(X.ravel())
    for kind in kinds:
        if kind not in found:
            continue
        samples = found[kind].reshape(len(X), -1).any(axis=1)
        first = np.unravel_index(int(np.argmax(found[kind])), X.shape)
        return (
            f"Input X contains {kind.what} in {samples.sum()} of {len(X)} samples "
            f"({found[kind].sum()} entries, the first is X"
            f"[{', '.join(map(str, first))}]). {kind.way_out_of_samples}"
        )
    return None


def _fault_of_sparse(X: Any, kinds: list[_Kind]) -> str | None:
    entries = X.tocoo()
    found = _wrong_entries(entries.data)
    for kind in kinds:
        if kind not in found:
            continue
        at = np.flatnonzero(found[kind])
        row, column = entries.row[at[0]], entries.col[at[0]]
        return (
            f"Input X contains {kind.what}: {len(at)} entries of a sparse matrix, the "
            f"first in row {row} and column {column}. {kind.way_out}"
        )
    return None


def _find_ragged(X: Any) -> str | None:
    """Return what is wrong with a list of samples of different shapes."""
    shapes = [_shape(x) for x in X]
    different = sorted(set(shapes), key=shapes.index)
    if len(different) < 2:
        return None
    first, other = different[:2]
    return (
        f"The samples of X have {len(different)} different shapes: X[0] has "
        f"shape {first}, X[{shapes.index(other)}] has {other}. Pad or cut them to "
        "one length, and pass an array."
    )


def _shape(x: Any) -> Any:
    try:
        return np.shape(x)
    except ValueError:  # ragged itself
        return "of several lengths"
