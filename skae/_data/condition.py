"""Conditions: what is known of samples, as columns of numbers beside the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.sparse import issparse

from skae._data.faults import check_masked
from skae._data.rows import DerivedRows, Rows
from skae._data.sparse import SparseRows
from skae._data.weights import WeightedRows, counted

_MOST_SHOWN = 10
_ROUNDING = 1e-12  # of the largest value: a smaller deviation is that of a constant
_LARGEST = 1e100
_FARTHEST = 1e15  # in deviations; squares of more leave the range of float32
_LARGEST_INTEGER = 2.0**62


@dataclass(frozen=True)
class Given:
    """Samples, and the condition that is given with them.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        The samples.
    condition : array-like of shape (n_samples,) or (n_samples, n_variables)
        What is known of them.
    """

    X: Any
    condition: Any


@dataclass(frozen=True)
class Variable:
    """One variable of a condition: categories, or numbers.

    Parameters
    ----------
    categories : ndarray of shape (n_categories,) or None
        The categories, sorted. None is a variable of numbers.
    mean, scale : float
        Training mean and standard deviation of the numbers.
    """

    categories: np.ndarray | None
    mean: float = 0.0
    scale: float = 1.0

    @classmethod
    def fit(cls, values: np.ndarray, weight: np.ndarray | None) -> Self:
        """Return the variable of which some values, and their weights, are known."""
        if values.dtype.kind != "f":
            return cls(np.unique(values))
        if np.isin(values, (0, 1)).all():
            return cls(None)  # of one-hot columns, which stay as they are
        largest = float(np.abs(values).max())
        if largest > _LARGEST:
            raise ValueError(f"condition has values up to {largest:g}. Scale them.")
        mean = float(np.average(values, weights=weight))
        scale = float(np.sqrt(np.average((values - mean) ** 2, weights=weight)))
        return cls(None, mean, scale if scale > _ROUNDING * largest else 1.0)

    @property
    def width(self) -> int:
        """Number of columns."""
        return 1 if self.categories is None else len(self.categories)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Return values as columns: one-hot, or standardised."""
        known = self.categories
        if known is None:
            try:
                numbers = values.astype(np.float64)
            except ValueError as error:
                raise ValueError(f"condition was numbers in fit: {error}") from None
            encoded = (numbers - self.mean) / self.scale
            if not (np.abs(encoded) < _FARTHEST).all():
                raise ValueError(
                    "condition has values that are extremely far from those of fit, "
                    f"of mean {self.mean:g} and deviation {self.scale:g}."
                )
            return encoded[:, np.newaxis]
        if known.dtype.kind == "U":
            values = values.astype(str)
        found = np.zeros((len(values), len(known)), dtype=bool)
        if (values.dtype.kind == "U") == (known.dtype.kind == "U"):
            found = values[:, np.newaxis] == known
        is_known = found.any(axis=1)
        if not is_known.all():
            other = values[~is_known][0].item()
            seen = _shown(known.tolist())
            raise ValueError(
                f"condition {other!r} was not seen in fit, which saw {seen}. "
                "Integers, booleans and strings are categories; for numbers, fit with "
                "floats."
            )
        return found.astype(np.float64)


@dataclass(frozen=True)
class Condition:
    """The variables of a condition.

    Parameters
    ----------
    variables : tuple of Variable
        The variables, in their order.
    columns : tuple of int or None
        The columns of X that they are. None is a condition that is given beside X.
    names : tuple of str or None
        Their names, where they were a frame beside X.
    """

    variables: tuple[Variable, ...]
    columns: tuple[int, ...] | None = None
    names: tuple[str, ...] | None = None

    @property
    def width(self) -> int:
        """Number of columns that all variables have together."""
        return sum(variable.width for variable in self.variables)

    def encode(self, values: Any, n_rows: int) -> np.ndarray:
        """Return the columns of a condition.

        Parameters
        ----------
        values : array-like
            One value for all rows, or one for each: of shape ``(n_rows,)`` or
            ``(n_rows, n_variables)``. Of several variables, a vector is one for all.
        n_rows : int
            Number of rows.

        Returns
        -------
        ndarray of shape (n_rows, width)
        """
        n_variables = len(self.variables)
        values = self._in_order(values)
        found = _variables_of(values, n_variables)
        if len(found) != n_variables:
            raise ValueError(
                f"condition has {len(found)} variable(s), but fit saw {n_variables}."
            )
        encoded = self.encode_variables(found)
        if len(encoded) not in (1, n_rows):
            raise ValueError(
                f"condition has {len(encoded)} values for {n_rows} sample(s). Pass one "
                "for all, or one for each."
            )
        return np.broadcast_to(encoded, (n_rows, self.width))

    def _in_order(self, values: Any) -> Any:
        """Return the columns of a frame in the order of `fit`; others as they are."""
        names = _names_of(values)
        if names is None or self.names is None or names == self.names:
            return values
        if sorted(names) != sorted(self.names):
            raise ValueError(
                f"condition has the columns {list(names)}, but fit saw "
                f"{list(self.names)}."
            )
        return values[list(self.names)]

    def encode_variables(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Return the columns of all variables, from a vector for each."""
        both = zip(self.variables, values, strict=True)
        return np.hstack([variable.encode(x) for variable, x in both])

    @property
    def columns_of_condition(self) -> tuple[tuple[int, ...], np.ndarray, np.ndarray]:
        """The columns of X, and the mean and the scale of each."""
        mean = np.array([variable.mean for variable in self.variables])
        scale = np.array([variable.scale for variable in self.variables])
        return self.columns or (), mean, scale

    def values_in_columns(self, encoded: np.ndarray) -> np.ndarray:
        """Return the values of the columns of X that an encoded condition stands for.

        Parameters
        ----------
        encoded : ndarray of shape (n_rows, width)
            The encoded condition of columns of X.
        """
        _, mean, scale = self.columns_of_condition
        return encoded * scale + mean


def given_with(X: Any) -> tuple[Any, Any]:
    """Return samples, and the condition that is given with them or None."""
    return (X.X, X.condition) if isinstance(X, Given) else (X, None)


def first_conditioned(
    data: WeightedRows, given: Any, columns: Any, names: np.ndarray | None
) -> tuple[WeightedRows, Condition | None]:
    """Return the training rows that count, with their condition if they have one.

    Parameters
    ----------
    data : WeightedRows
        The training rows, in the units of X.
    given : array-like of shape (n_rows,) or (n_rows, n_variables), or None
        Values beside X. Floats are numbers; integers, booleans and strings are
        categories.
    columns : sequence of str or int, or None
        Columns of X that are the condition.
    names : ndarray of shape (n_features,) or None
        Names of the features.
    """
    rows, weight = counted(data.rows, data.weight)
    if given is None and columns is None:
        return WeightedRows(rows, weight), None
    if given is not None and columns is not None:
        raise ValueError(
            f"The condition is in columns of X: condition={columns!r}. Pass no other, "
            "or set condition=None."
        )
    found, names_of_frame = None, None
    if columns is not None:
        found = _find_columns(columns, rows.shape[1], names)
        values: Any = values_of_columns(rows, found)
        variables = list(values.T)
    else:
        variables, names_of_frame = _variables_of(given), _names_of(given)
        if len(variables[0]) != len(data.rows):
            raise ValueError(
                f"condition has {len(variables[0])} values, but X has "
                f"{len(data.rows)} samples. Pass one for each."
            )
        if len(rows) < len(data.rows):
            counts: Any = data.weight
            variables = [x[counts > 0] for x in variables]
    fitted = tuple(Variable.fit(x, weight) for x in variables)
    condition = Condition(fitted, found, names_of_frame)
    encoded = condition.encode_variables(variables)
    return WeightedRows(ConditionedRows(rows, encoded), weight), condition


def encode_condition(rows: Any, condition: Condition | None, given: Any) -> Any:
    """Return the encoded condition of rows, None if they have none.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        The rows, in the units of X.
    condition : Condition or None
        The condition of the training rows.
    given : array-like or None
        Values beside X.
    """
    if condition is None:
        if given is not None:
            raise ValueError(
                "The estimator was fitted without a condition. Pass none, or fit it "
                "with one."
            )
        return None
    columns = condition.columns
    if columns is not None:
        if given is not None:
            raise ValueError(
                f"The condition is in the columns {list(columns)} of X. Pass no other."
            )
        given = values_of_columns(rows, columns)
    if given is None:
        raise ValueError(
            "The estimator was fitted with a condition. Pass it with X, as in "
            "transform(X, condition=condition)."
        )
    return condition.encode(given, len(rows))


def divided(rows: Any, n_features: int) -> tuple[Any, np.ndarray | None]:
    """Return the features of rows, and their encoded condition or None."""
    if isinstance(rows, ConditionedRows):
        return rows.rows, rows.condition
    if rows.shape[1] == n_features:
        return rows, None
    return rows[:, :n_features], rows[:, n_features:]


def joined(rows: Any, encoded: np.ndarray | None) -> Any:
    """Return rows with an encoded condition, if there is one."""
    return rows if encoded is None else ConditionedRows(rows, encoded)


def _find_columns(
    columns: Any, n_features: int, names: np.ndarray | None
) -> tuple[int, ...]:
    """Return the positions of columns of X."""
    known = [] if names is None else names.tolist()
    columns = np.asarray(columns)
    if columns.dtype == bool and columns.shape == (n_features,):
        columns = np.flatnonzero(columns)
    if columns.ndim != 1 or columns.dtype.kind not in "iuUO" or not columns.size:
        raise ValueError(
            f"condition={columns.tolist()!r} must be a list of names or positions of "
            "columns of X, at least one."
        )
    found: list[int] = []
    for column in columns.tolist():
        is_name = isinstance(column, str)
        if is_name and column not in known:
            others = _other_columns(column, known)
            raise ValueError(f"condition={column!r} is no column of X: {others}")
        is_there = isinstance(column, int) and -n_features <= column < n_features
        if not is_name and not is_there:
            raise ValueError(
                f"condition={column!r} is no column of X, which has {n_features}."
            )
        found.append(known.index(column) if is_name else column % n_features)
        if found.count(found[-1]) > 1:
            raise ValueError(f"condition={column!r} is a column that is named twice.")
    return tuple(found)


def _other_columns(column: str, known: list[str]) -> str:
    """Return what a name may stand for that is no name of a column."""
    if not known:
        return (
            "its columns have no names. Pass positions, or let the step before name "
            "them: set_output(transform='pandas')."
        )
    similar = [name for name in known if name.startswith(column)]
    if similar:
        return f"those that begin with it are {_shown(similar)}. Pass a list of them."
    return f"they are {_shown(known)}."


def _shown(values: Any) -> str:
    dots = ", ..." if len(values) > _MOST_SHOWN else ""
    return ", ".join(map(repr, list(values[:_MOST_SHOWN]))) + dots


def values_of_columns(rows: Rows, columns: tuple[int, ...]) -> np.ndarray:
    """Return some columns of rows, in float64.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Rows, possibly on disk.
    columns : tuple of int
        The columns.
    """
    size = max(1, 2**22 // rows.shape[1])
    parts = [
        np.asarray(rows[start : start + size])[:, list(columns)]
        for start in range(0, len(rows), size)
    ]
    values = np.concatenate(parts).astype(np.float64)
    if np.isnan(values).any():
        raise ValueError("The columns of X that are the condition hold NaN.")
    return values


class ConditionedRows(DerivedRows):
    """Rows, each with its condition behind its features.

    Parameters
    ----------
    rows : Rows
        The features.
    condition : ndarray of shape (n_rows, width)
        The encoded condition.
    """

    def __init__(self, rows: Rows, condition: np.ndarray) -> None:
        super().__init__(rows)
        self.condition = condition

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows, and of features and columns of the condition."""
        return len(self.rows), self.rows.shape[1] + self.condition.shape[1]

    def __getitem__(self, index: Any) -> np.ndarray:
        both = np.asarray(self.rows[index]), self.condition[index]
        return np.concatenate(both, axis=-1)

    def take(self, indices: np.ndarray, axis: int = 0) -> np.ndarray:
        """Return the rows at some indices, in their order."""
        both = self.rows.take(indices, axis=axis), self.condition[indices]
        return np.concatenate(both, axis=1)

    def select(self, chosen: Any) -> ConditionedRows:
        """Return some rows, by a slice or a mask."""
        rows: Any = self.rows
        some = rows.select(chosen) if isinstance(rows, SparseRows) else rows[chosen]
        return ConditionedRows(some, self.condition[chosen])


def _names_of(values: Any) -> tuple[str, ...] | None:
    """Return the names of the columns of a frame, None for others."""
    if not (hasattr(values, "columns") and hasattr(values, "shape")):
        return None
    return tuple(str(name) for name in values.columns)


def _variables_of(values: Any, n_variables: int | None = None) -> list[np.ndarray]:
    """Return the variables in an argument, each as a vector without gaps."""
    if isinstance(values, dict):
        raise TypeError(
            "condition is a dict. Pass a frame, or values in the order of fit."
        )
    if issparse(values):
        raise TypeError("condition is sparse. Pass condition.toarray().")
    check_masked(values)
    names = _names_of(values)
    if names is not None:
        if len(set(names)) < len(names):
            raise ValueError(f"condition has two columns of one name: {list(names)}.")
        return [_checked(np.asarray(values[name])) for name in values.columns]
    is_list = isinstance(values, (list, tuple)) and len(values) > 0
    is_nested = is_list and np.ndim(values[0]) > 0
    array = np.asarray(values, dtype=object if is_nested else None)
    if array.ndim == 1 and n_variables is not None and n_variables > 1:
        array = np.asarray(values, dtype=object)[np.newaxis]
    if array.ndim > 2:
        raise ValueError(
            f"condition has shape {array.shape}. Pass (n_samples,) or (n_samples, "
            "n_variables)."
        )
    columns = array.reshape(len(array), -1).T if array.ndim else [array[np.newaxis]]
    return [_checked(np.asarray(x)) for x in columns]


def _checked(values: np.ndarray) -> np.ndarray:
    """Return the values of a variable as integers, booleans, floats or strings."""
    if values.dtype.kind == "O":
        items = values.tolist()
        if any(map(_is_missing, items)):
            raise ValueError("condition has missing values.")
        if any(isinstance(x, str) for x in items):
            values = values.astype(str)
        elif all(hasattr(x, "isoformat") for x in items):
            values = np.array(items, dtype="datetime64[us]")
        else:
            values = np.array(items)
    if values.dtype.kind == "M":
        if np.isnat(values).any():
            raise ValueError("condition has missing values.")
        values = values.astype("datetime64[us]")
    if values.dtype.kind in "iu" and not (np.abs(values) < _LARGEST_INTEGER).all():
        values = values.astype(str)
    if values.dtype.kind in "iu":
        values = values.astype(np.int64)
    if values.dtype.kind not in "bifU":
        values = values.astype(str)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("condition has values that are NaN or infinite.")
    return values


def _is_missing(value: Any) -> bool:
    try:
        return value is None or bool(value != value)
    except TypeError:  # NA of pandas
        return True
