"""The columns of a table: how a browser decodes them, and their values in samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.preprocessing import OrdinalEncoder

from skae._data.blocks import Block
from skae._plot.projection import natural_order
from skae.explorer._facts import Column
from skae.explorer._steps import find_probes, fit_affine
from skae.tabular._base import BaseTableEncoder
from skae.tabular._columns import Categories, Dates, Numbers
from skae.tabular._frames import as_pandas
from skae.tabular._invertible import InvertibleColumnTransformer
from skae.tabular._parts import Part, parts_of

_DAY = 86_400_000  # milliseconds
_TICKS = {"s": 1e-3, "ms": 1.0, "us": 1e3, "ns": 1e6}  # in a millisecond
_PRECISIONS = {"minute": 60_000, "second": 1000}  # milliseconds


def number_columns(names: list[str], rows: np.ndarray) -> list[Column]:
    """Return the columns of a frame of numbers, which are decoded as they are.

    Parameters
    ----------
    names : list of str
        Their names.
    rows : ndarray of shape (n_samples, n_features)
        The samples.
    """
    spans = np.ptp(rows, axis=0)
    return [
        _column(name, "float", j, j + 1, span=float(span))
        for j, (name, span) in enumerate(zip(names, spans, strict=True))
    ]


def encoded_columns(
    encoder: BaseTableEncoder, X: Any
) -> tuple[list[Column], np.ndarray]:
    """Return the columns that an encoder makes an array of, and their values.

    Parameters
    ----------
    encoder : BaseTableEncoder
        A fitted encoder.
    X : DataFrame
        The samples.

    Returns
    -------
    columns : list of Column
        How each column is decoded.
    cells : ndarray of shape (n_samples, n_columns)
        Numbers, indices of categories, and dates in milliseconds after 1970; NaN at
        gaps.
    """
    frame, array = as_pandas(X), encoder.transform(X)
    if isinstance(encoder, InvertibleColumnTransformer):
        return _of_transformer(encoder, frame, array)
    columns, cells = [], []
    for codec, block in zip(encoder._codecs, encoder.blocks_, strict=True):
        describe = _DESCRIBE[type(codec)]
        column, values = describe(codec, block, frame[block.name], array)
        columns.append(column)
        cells.append(values)
    return columns, np.stack(cells, axis=1).astype(np.float64)


def _of_numbers(
    codec: Numbers, block: Block, series: Any, array: np.ndarray
) -> tuple[Column, np.ndarray]:
    scale = codec.scale
    values = scale.undo(array[:, block.start], clip=False)
    if codec.kind != "float":  # which rounding may have moved
        values = np.where(
            np.abs(values - np.rint(values)) < 1e-6, np.rint(values), values
        )
    column = _column(
        block.name,
        codec.kind,
        block.start,
        block.stop,
        mean=scale.mean,
        deviation=scale.deviation,
        limits=[scale.low, scale.high] if codec.clip else None,
        span=scale.high - scale.low,
    )
    return column, values


def _of_categories(
    codec: Categories, block: Block, series: Any, array: np.ndarray
) -> tuple[Column, np.ndarray]:
    values, names, decoded = _find_categories(codec, series, codec.values)
    column = _column(
        block.name,
        "category",
        block.start,
        block.stop,
        categories=names,
        decoded=decoded,
    )
    return column, values


def _find_categories(
    codec: Categories, series: Any, decoded: Any
) -> tuple[np.ndarray, list[str], list[int]]:
    """Return the index of the category of each sample, the names, and other indices.

    Those that fit did not see come after the others. Text is in natural order instead.
    Gaps of samples are NaN. The last indices are those of what is decoded; -1: a gap.
    """
    import pandas as pd

    entries = pd.Index(series.astype(object), dtype=object)
    values = codec.seen.get_indexer(entries).astype(np.float64)
    is_gap = series.isna().to_numpy()
    new = (values < 0) & ~is_gap
    numbers, others = pd.factorize(entries[new])
    values[new] = len(codec.seen) + numbers
    values[is_gap] = np.nan
    names = [str(x) for x in (*codec.seen, *others)]
    order = np.arange(len(names))
    is_text = all(isinstance(x, str) for x in codec.seen)
    if is_text and not isinstance(codec.dtype, pd.CategoricalDtype):
        order = natural_order(names)
    ranks = np.append(np.argsort(order), -1)  # -1, of gaps, stays
    values[~is_gap] = ranks[values[~is_gap].astype(int)]
    indices = ranks[codec.seen.get_indexer(pd.Index(decoded, dtype=object))]
    return values, [names[k] for k in order], indices.tolist()


def _of_dates(
    codec: Dates, block: Block, series: Any, array: np.ndarray
) -> tuple[Column, np.ndarray]:
    scale, ticks = codec.scale, _TICKS[codec.unit]
    first, step = codec.first / ticks, codec.step / ticks
    days = scale.undo(array[:, block.start], clip=False)
    fitting = [
        name for name, x in _PRECISIONS.items() if first % x == 0 and step % x == 0
    ]
    column = _column(
        block.name,
        "date",
        block.start,
        block.stop,
        mean=scale.mean,
        deviation=scale.deviation,
        limits=[scale.low, scale.high] if codec.clip else None,
        span=(scale.high - scale.low) * _DAY,
        first=first,
        step=step,
        steps_in_day=_DAY / step,
        precision="day" if codec.is_whole else [*fitting, "millisecond"][0],
        is_utc=codec.zone is not None and not codec.is_whole,
    )
    return column, first + np.rint(days * _DAY)


_DESCRIBE: dict[type, Any] = {
    Numbers: _of_numbers,
    Categories: _of_categories,
    Dates: _of_dates,
}


# Of transformers of scikit-learn and skrub --------------------------------------------


def _of_transformer(
    encoder: InvertibleColumnTransformer, frame: Any, array: np.ndarray
) -> tuple[list[Column], np.ndarray]:
    """Return what :func:`encoded_columns` does, by the parts of a transformer."""
    columns: dict[str, Column] = {}
    cells: dict[str, np.ndarray] = {}
    for part in parts_of(encoder.transformer_, frame[:0]):
        blocks = [block for block in encoder.blocks_ if block.name in part.columns]
        for i, block in enumerate(blocks):
            codec, series = encoder._codecs[block.name], frame[block.name]
            if isinstance(codec, Numbers):
                found = _of_scaled(codec, part, blocks, i, series, array)
            else:
                found = _of_coded(codec, part, block, i, series)
            columns[block.name], cells[block.name] = found
    names = [str(name) for name in encoder.feature_names_in_]
    values = np.stack([cells[name] for name in names], axis=1)
    return [columns[name] for name in names], values.astype(np.float64)


def _of_scaled(
    codec: Numbers,
    part: Part,
    blocks: list[Block],
    i: int,
    series: Any,
    array: np.ndarray,
) -> tuple[Column, np.ndarray]:
    block, scale = blocks[i], codec.scale
    own = array[:, blocks[0].start : blocks[-1].stop]
    probes = own[np.isfinite(own).all(axis=1)]
    undo = fit_affine(part.decode, find_probes(probes)) if len(probes) else None
    if undo is None or undo.is_matrix:
        raise TypeError(
            _refusal(block, part, "is not undone by a factor and an offset")
        )
    column = _column(
        block.name,
        codec.kind,
        block.start,
        block.stop,
        mean=float(undo.offset[i]),
        deviation=float(undo.factor[i]),
        limits=[scale.low, scale.high],
        span=scale.high - scale.low,
    )
    return column, series.to_numpy(dtype=np.float64, na_value=np.nan)


def _of_coded(
    codec: Categories, part: Part, block: Block, i: int, series: Any
) -> tuple[Column, np.ndarray]:
    import pandas as pd

    known = (part.values or [])[i]
    is_hot, first = block.categories is not None, part.steps[0]
    if not is_hot:
        known = [value for value in known if not pd.isna(value)]
        is_plain = isinstance(first, OrdinalEncoder) and len(part.steps) == 1
        if not is_plain or not np.isnan(first.encoded_missing_value):
            reason = "drops a category, encodes gaps, or is followed by another step"
            raise TypeError(_refusal(block, part, reason))
    values, names, decoded = _find_categories(codec, series, known)
    column = _column(
        block.name,
        "category",
        block.start,
        block.stop,
        categories=names,
        decoded=decoded,
        is_ordinal=not is_hot,
    )
    return column, values


def _refusal(block: Block, part: Part, reason: str) -> str:
    step = type(part.steps[0]).__name__ if part.steps else "passthrough"
    return (
        f"The column {block.name!r} cannot be decoded by a browser: {step} {reason}. "
        "Use skae.tabular.TableEncoder."
    )


def _column(name: str, kind: str, start: int, stop: int, **others: Any) -> Column:
    """Return a column, as JSON has it, that is decoded as it is but for some facts."""
    column: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "start": start,
        "stop": stop,
        "mean": 0.0,
        "deviation": 1.0,
        "limits": None,
        "span": 0.0,
        "categories": None,
        "decoded": None,
        "is_ordinal": False,
        "first": None,
        "step": None,
        "steps_in_day": None,
        "precision": None,
        "is_utc": False,
    }
    column.update(others)
    return column  # type: ignore[return-value]
