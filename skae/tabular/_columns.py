"""How one column of a data frame becomes numbers, and numbers become the column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skae.tabular._kinds import kind_of, kind_to_encode

INFREQUENT = "infrequent"


@dataclass(frozen=True)
class Scale:
    """Mean and deviation of the values that fit saw, and their range.

    Parameters
    ----------
    mean, deviation : float
        What is subtracted, and what is divided by: 1 for constant values.
    low, high : float
        The range.
    """

    mean: float
    deviation: float
    low: float
    high: float

    @classmethod
    def of(cls, values: np.ndarray, column: str) -> Scale:
        """Return the scale of values, some of which may be NaN.

        Parameters
        ----------
        values : ndarray of shape (n_rows,)
            Values, at least one of which is no gap.
        column : str
            Name of the column, for the error.
        """
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        if low == high:
            return cls(low, 1.0, low, high)
        half = high / 2 - low / 2  # the difference itself may overflow
        relative = (values / 2 - low / 2) / half  # in [0, 1]
        mean = low + 2 * half * float(np.nanmean(relative))
        deviation = 2 * half * float(np.nanstd(relative))
        if not np.isfinite(deviation) or deviation == 0:
            raise ValueError(
                f"Column {column!r} has values from {low:g} to {high:g}, whose "
                "standard deviation is not in the range of float64. Scale the column."
            )
        return cls(mean, deviation, low, high)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return values in units of the deviation, around the mean."""
        return (values - self.mean) / self.deviation

    def undo(self, values: np.ndarray, *, clip: bool) -> np.ndarray:
        """Return scaled values in the units of the column, in its range if clipped."""
        restored = values * self.deviation + self.mean
        return np.clip(restored, self.low, self.high) if clip else restored


def _gap_of(series: Any) -> Any:
    """Return what stands for a gap in a column: of objects, what stands there first."""
    gaps = series[series.isna()]
    return gaps.iloc[0] if series.dtype == object and len(gaps) else np.nan


def _with_gaps(series: Any, gaps: np.ndarray, gap: Any) -> Any:
    """Return a Series with gaps, in the dtype that pandas has for these."""
    if not gaps.any():
        return series
    return series.mask(gaps, gap) if series.dtype == object else series.mask(gaps)


# Numbers ------------------------------------------------------------------------------


class Numbers:
    """Numbers, integers and booleans: one standardised column.

    Parameters
    ----------
    series : Series
        The column that fit saw.
    kind : {"float", "integer", "boolean"}
        Integers and booleans come back as whole numbers.
    clip : bool
        Whether numbers come back within the range that fit saw.
    """

    accepts = frozenset({"boolean", "integer", "float"})
    categories = None

    def __init__(self, series: Any, kind: str, *, clip: bool) -> None:
        self.name, self.dtype = series.name, series.dtype
        self.clip, self.gap = clip or kind == "boolean", _gap_of(series)
        values = self._values(series)
        is_whole = bool((values[~np.isnan(values)] % 1 == 0).all())
        # pandas stores integers with gaps as floats.
        self.kind = "integer" if kind == "float" and is_whole else kind
        self.scale = Scale.of(values, series.name)

    @property
    def names(self) -> list[str]:
        """Names of the columns of the array."""
        return [self.name]

    def encode(self, series: Any) -> np.ndarray:
        """Return the columns of the array, one row for each entry of a Series."""
        return self.scale.apply(self._values(series))[:, np.newaxis]

    def decode(self, columns: np.ndarray) -> Any:
        """Return a Series in the dtype that fit saw, from the columns of the array."""
        import pandas as pd

        gaps = np.isnan(columns[:, 0])
        values = self.scale.undo(columns[:, 0], clip=False)
        if self.kind != "float":
            values = np.rint(values)
        if self.clip:
            values = np.clip(values, self.scale.low, self.scale.high)
        exact: Any = self.dtype
        for name in ("numpy_dtype", "subtype"):  # of nullable types, of sparse ones
            exact = getattr(exact, name, exact)
        if self.kind == "boolean":
            values = np.where(gaps, 0, values) > 0.5
        elif exact.kind in "iu":
            values = _to_integers(np.where(gaps, self.scale.low, values), exact)
        with np.errstate(over="ignore"):
            restored = pd.Series(values).astype(self.dtype)
        return _with_gaps(restored, gaps, self.gap)

    def _values(self, series: Any) -> np.ndarray:
        values = series.to_numpy(dtype=np.float64, na_value=np.nan)
        if np.isinf(values).any():
            row = int(np.flatnonzero(np.isinf(values))[0])
            raise ValueError(
                f"Column {series.name!r} contains infinity, the first in row {row}. "
                "Replace it, for instance by NaN for a gap, or drop these rows."
            )
        return values


def _to_integers(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return whole numbers in an integer type, within its range."""
    limits = np.iinfo(dtype)
    top = float(limits.max)
    if int(top) > limits.max:  # rounded up
        top = float(np.nextafter(top, 0))
    return np.clip(values, float(limits.min), top).astype(dtype)


# Categories ---------------------------------------------------------------------------


class Categories:
    """Categories and text: one column of zeros and ones for each.

    Parameters
    ----------
    series : Series
        The column that fit saw.
    max_categories : int or None
        Most columns. The rarest categories share the last one.
    handle_unknown : {"ignore", "error"}
        What to do with categories that fit did not see.
    """

    kind = "category"

    def __init__(
        self, series: Any, *, max_categories: int | None, handle_unknown: str
    ) -> None:
        import pandas as pd

        self.name, self.dtype = series.name, series.dtype
        self.handle_unknown = handle_unknown
        counts = series.value_counts(sort=False, dropna=True)
        counts = counts[counts > 0]
        seen = series.cat.categories if hasattr(series, "cat") else counts.index
        if not hasattr(series, "cat"):
            seen = seen.sort_values()
        # As objects: times with a zone are not found among categories.
        counts.index, seen = (pd.Index(x, dtype=object) for x in (counts.index, seen))
        self.seen = seen[seen.isin(counts.index)]
        common, rare = _split(counts.reindex(self.seen).to_numpy(int), max_categories)
        self.column_of = np.full(len(self.seen), len(common))
        self.column_of[common] = np.arange(len(common))
        shown = np.append(common, rare[:1]).astype(int)
        self.values = self.seen[shown].to_numpy()
        self.gap = _gap_of(series)
        self.categories = (
            *self.seen[common].tolist(),
            *([INFREQUENT] if len(rare) else ()),
        )

    @property
    def accepts(self) -> frozenset[str]:
        """Kinds of columns whose values can be categories of this one."""
        import pandas as pd

        return frozenset({"category", kind_of(pd.Series(self.seen, dtype=object))})

    @property
    def names(self) -> list[str]:
        """Names of the columns of the array."""
        return [f"{self.name}_{category}" for category in self.categories]

    def encode(self, series: Any) -> np.ndarray:
        """Return the columns of the array, one row for each entry of a Series."""
        import pandas as pd

        gaps = series.isna().to_numpy()
        codes = self.seen.get_indexer(pd.Index(series.astype(object), dtype=object))
        unknown = np.flatnonzero((codes < 0) & ~gaps)
        if self.handle_unknown == "error" and len(unknown):
            row = int(unknown[0])
            raise ValueError(
                f"Column {self.name!r} has the category {series.iloc[row]!r}, which "
                f"fit did not see ({len(unknown)} of {len(series)} rows, the first is "
                f"row {row}). Fit to rows that have it, or set "
                "handle_unknown='ignore'."
            )
        columns = np.zeros((len(series), len(self.categories)))
        known = np.flatnonzero(codes >= 0)
        columns[known, self.column_of[codes[known]]] = 1.0
        columns[gaps] = np.nan
        return columns

    def decode(self, columns: np.ndarray) -> Any:
        """Return a Series in the dtype that fit saw, from the columns of the array."""
        import pandas as pd

        gaps = np.isnan(columns).any(axis=1)
        values = self.values[np.nan_to_num(columns).argmax(axis=1)]
        restored = pd.Series(values, dtype=self.dtype)
        return _with_gaps(restored, gaps, self.gap)


def _split(
    counts: np.ndarray, max_categories: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return which categories get a column, and the others, most frequent first."""
    by_count = np.argsort(-counts, kind="stable")
    if max_categories is None or len(counts) <= max_categories:
        return np.arange(len(counts)), by_count[:0]
    n_common = max_categories - 1
    return np.sort(by_count[:n_common]), by_count[n_common:]


# Dates --------------------------------------------------------------------------------

_DAY = 86400  # seconds
_CYCLES = {"year": 365.2425, "week": 7.0, "day": 1.0}  # days
_STEPS = (86400, 3600, 60, 1, 1e-3, 1e-6)  # seconds
_TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # in a second


def _coarsest_step(ticks: np.ndarray, in_second: int) -> int:
    """Return the longest of some steps, in ticks, of which all times are multiples."""
    steps = [round(step * in_second) for step in _STEPS if step * in_second >= 1]
    return next((step for step in steps if not (ticks % step).any()), 1)


class Dates:
    """Dates: the days since the first one, standardised, and maybe places in cycles.

    Whole days are those of the clock of their zone. Other times are counted in UTC.

    Parameters
    ----------
    series : Series
        The column that fit saw.
    cycles : bool
        Whether to add places in cycles.
    clip : bool
        Whether dates come back within the range that fit saw.
    """

    kind = "date"
    accepts = frozenset({"date"})
    categories = None

    def __init__(self, series: Any, *, cycles: bool, clip: bool) -> None:
        self.name, self.dtype, self.clip = series.name, series.dtype, clip
        self.zone, self.unit = series.dt.tz, series.dt.unit
        known = series.dropna()
        self.is_whole = bool((known.dt.normalize() == known).all())
        ticks, gaps = self._ticks(series)
        self.first = int(ticks[~gaps].min())
        self.step = _coarsest_step(ticks[~gaps] - self.first, _TICKS[self.unit])
        days = self._days(ticks, gaps)
        self.scale = Scale.of(days, series.name)
        spanned = [x for x in _CYCLES if self.scale.high >= 2 * _CYCLES[x]]
        if self.is_whole:
            spanned = [x for x in spanned if x != "day"]
        self.cycles = spanned if cycles else []

    @property
    def names(self) -> list[str]:
        """Names of the columns of the array."""
        return [
            self.name,
            *(f"{self.name}_{c}_{f}" for c in self.cycles for f in ("sin", "cos")),
        ]

    def encode(self, series: Any) -> np.ndarray:
        """Return the columns of the array, one row for each entry of a Series."""
        days = self._days(*self._ticks(series))
        columns = [self.scale.apply(days)]
        since_1970 = days + self.first / (_DAY * _TICKS[self.unit])
        for cycle in self.cycles:
            angle = 2 * np.pi * since_1970 / _CYCLES[cycle]
            columns += [np.sin(angle), np.cos(angle)]
        return np.stack(columns, axis=1)

    def decode(self, columns: np.ndarray) -> Any:
        """Return a Series in the dtype that fit saw, from the columns of the array."""
        import pandas as pd

        in_day = _DAY * _TICKS[self.unit]
        days = self.scale.undo(columns[:, 0], clip=self.clip)
        gaps = np.isnan(days)
        days = np.clip(np.nan_to_num(days), -(2.0**62) / in_day, 2.0**62 / in_day)
        steps = np.rint(days * (in_day / self.step))
        ticks = self.first + steps.astype(np.int64) * self.step
        times = pd.Series(ticks.astype(f"datetime64[{self.unit}]")).mask(gaps)
        if self.zone is None:
            return times
        if not self.is_whole:
            return times.dt.tz_localize("UTC").dt.tz_convert(self.zone)
        at_change = {"ambiguous": np.ones(len(times), dtype=bool)}
        return times.dt.tz_localize(self.zone, nonexistent="shift_forward", **at_change)

    def _ticks(self, series: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the time of each entry in units of the dtype, and which are gaps."""
        import pandas as pd

        times = pd.to_datetime(series) if series.dtype == object else series
        if (times.dt.tz is None) != (self.zone is None):
            has = "no time zone" if times.dt.tz is None else f"the zone {times.dt.tz}"
            saw = "none" if self.zone is None else f"the zone {self.zone}"
            raise TypeError(
                f"Column {self.name!r} has {has}, but fit saw {saw}. Use "
                f".dt.tz_localize({str(self.zone) if self.zone else None!r})."
            )
        if self.zone is not None:
            to_clock = self.zone if self.is_whole else "UTC"
            times = times.dt.tz_convert(to_clock).dt.tz_localize(None)
        gaps = times.isna().to_numpy()
        ticks = times.dt.as_unit(self.unit).to_numpy().astype(np.int64)
        return np.where(gaps, 0, ticks), gaps

    def _days(self, ticks: np.ndarray, gaps: np.ndarray) -> np.ndarray:
        """Return the days since the first date that fit saw, NaN at gaps."""
        days = (ticks - self.first) / (_DAY * _TICKS[self.unit])
        return np.where(gaps, np.nan, days)


# For a table --------------------------------------------------------------------------


def make_codec(
    series: Any,
    *,
    max_categories: int | None,
    handle_unknown: str,
    cycles: bool,
    clip: bool,
) -> Numbers | Categories | Dates:
    """Return what encodes a column.

    Parameters
    ----------
    series : Series
        The column that fit sees.
    max_categories, handle_unknown, cycles, clip
        Parameters of the encoder.
    """
    kind = kind_to_encode(series)
    if kind == "category":
        return Categories(
            series, max_categories=max_categories, handle_unknown=handle_unknown
        )
    if kind == "date":
        return Dates(series, cycles=cycles, clip=clip)
    return Numbers(series, kind, clip=clip)


def encode(codec: Numbers | Categories | Dates, series: Any) -> np.ndarray:
    """Return the columns of the array of a Series, checked against what fit saw.

    Parameters
    ----------
    codec : Numbers, Categories or Dates
        What encodes the column.
    series : Series
        The column.
    """
    if series.isna().all():  # whose dtype says nothing
        return np.full((len(series), len(codec.names)), np.nan)
    kind = kind_of(series)
    if kind not in codec.accepts:
        raise TypeError(
            f"Column {series.name!r} has dtype {series.dtype} and holds {kind} values, "
            f"but fit saw dtype {codec.dtype}. Convert it, as with "
            f"X.astype({{{series.name!r}: {str(codec.dtype)!r}}})."
        )
    return codec.encode(series)
