"""Conditions: what is known of samples, as columns of numbers beside the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from skae._data.rows import MappedRows, Rows
from skae._data.sparse import SparseRows
from skae._data.weights import WeightedRows, counted

_MOST_SHOWN = 10


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
        if values.dtype.kind in "iu":
            values = values.astype(np.int64)
        if values.dtype.kind != "f":
            return cls(np.unique(values))
        if np.isin(values, (0, 1)).all():
            return cls(None)  # of one-hot columns, which stay as they are
        mean = float(np.average(values, weights=weight))
        scale = float(np.sqrt(np.average((values - mean) ** 2, weights=weight)))
        return cls(None, mean, scale if scale > 0 else 1.0)

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
            return ((numbers - self.mean) / self.scale)[:, np.newaxis]
        if known.dtype.kind == "U":
            values = values.astype(str)
        found = np.isin(values, known)
        if not found.all():
            other = values[~found][0].item()
            shown = ", ".join(map(repr, known[:_MOST_SHOWN].tolist()))
            dots = ", ..." if len(known) > _MOST_SHOWN else ""
            raise ValueError(
                f"condition {other!r} was not seen in fit, which saw {shown}{dots}. "
                "Integers, booleans and strings are categories; for numbers, fit with "
                "floats."
            )
        return (values[:, np.newaxis] == known).astype(np.float64)


@dataclass(frozen=True)
class Condition:
    """The variables of a condition.

    Parameters
    ----------
    variables : tuple of Variable
        The variables, in their order.
    columns : tuple of int or None
        The columns of X that they are. None is a condition that is given beside X.
    """

    variables: tuple[Variable, ...]
    columns: tuple[int, ...] | None = None

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

    def encode_variables(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Return the columns of all variables, from a vector for each."""
        both = zip(self.variables, values, strict=True)
        return np.hstack([variable.encode(x) for variable, x in both])

    def values_in_columns(self, encoded: np.ndarray) -> np.ndarray:
        """Return the values of the columns of X that an encoded condition stands for.

        Parameters
        ----------
        encoded : ndarray of shape (n_rows, width)
            The encoded condition of columns of X.
        """
        mean = np.array([variable.mean for variable in self.variables])
        return encoded * np.array([x.scale for x in self.variables]) + mean


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
    rows, weight = counted(*data)
    if given is None and columns is None:
        return WeightedRows(rows, weight), None
    if given is not None and columns is not None:
        raise ValueError(
            f"The condition is in columns of X: condition={columns!r}. Pass no other, "
            "or set condition=None."
        )
    found = None
    if columns is not None:
        found = _find_columns(columns, rows.shape[1], names)
        values: Any = values_of_columns(rows, found)
        variables = list(values.T)
    else:
        variables = _variables_of(given)
        if len(variables[0]) != len(data.rows):
            raise ValueError(
                f"condition has {len(variables[0])} values, but X has "
                f"{len(data.rows)} samples. Pass one for each."
            )
        if len(rows) < len(data.rows):
            counts: Any = data.weight
            variables = [x[counts > 0] for x in variables]
    condition = Condition(tuple(Variable.fit(x, weight) for x in variables), found)
    encoded = condition.encode_variables(variables)
    return WeightedRows(ConditionedRows(rows, encoded), weight), condition


def attached(rows: Any, condition: Condition | None, given: Any) -> Any:
    """Return rows with their condition behind them.

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
        return rows
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
    return ConditionedRows(rows, condition.encode(given, len(rows)))


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
    columns: Sequence[Any], n_features: int, names: np.ndarray | None
) -> tuple[int, ...]:
    """Return the positions of columns of X."""
    known = [] if names is None else names.tolist()
    found = []
    for column in columns:
        is_name = isinstance(column, str)
        if is_name and column not in known:
            others = _other_columns(column, known)
            raise ValueError(f"condition={column!r} is no column of X: {others}")
        if not is_name and not -n_features <= column < n_features:
            raise ValueError(
                f"condition={column!r} is no column of X, which has {n_features}."
            )
        found.append(known.index(column) if is_name else int(column) % n_features)
    return tuple(found)


def _other_columns(column: str, known: list[str]) -> str:
    """Return what a name may stand for that is no name of a column."""
    if not known:
        return (
            "its columns have no names. Pass positions, or let the step before name "
            "them: set_output(transform='pandas')."
        )
    similar = [name for name in known if name.startswith(column)]
    shown = ", ".join(map(repr, (similar or known)[:_MOST_SHOWN]))
    dots = ", ..." if len(similar or known) > _MOST_SHOWN else ""
    if similar:
        return f"those that begin with it are {shown}{dots}. Pass a list of them."
    return f"they are {shown}{dots}."


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


class ConditionedRows(MappedRows):
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

    def map(self, rows: np.ndarray) -> np.ndarray:
        """Return rows as they are."""
        return rows


def _variables_of(values: Any, n_variables: int | None = None) -> list[np.ndarray]:
    """Return the variables in an argument, each as a vector without gaps."""
    if isinstance(values, dict):
        raise TypeError(
            "condition is a dict. Pass a frame, or values in the order of fit."
        )
    if hasattr(values, "columns") and hasattr(values, "shape"):  # a frame
        found = [np.asarray(values[name]) for name in values.columns]
    else:
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
        found = list(array.reshape(len(array), -1).T) if array.ndim else [array[None]]
    return [_checked(np.asarray(x)) for x in found]


def _checked(values: np.ndarray) -> np.ndarray:
    """Return the values of a variable as numbers, booleans or strings."""
    if values.dtype.kind == "O":
        if any(x is None or x != x for x in values):
            raise ValueError("condition has missing values.")
        kinds = {type(x) for x in values.tolist()}
        is_text = len(kinds) > 1 and not kinds <= {int, float}
        values = values.astype(str) if is_text else np.array(values.tolist())
    if values.dtype.kind not in "biufU":
        values = values.astype(str)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("condition has values that are NaN or infinite.")
    return values
