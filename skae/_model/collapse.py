"""Detection of a collapsed code: constant units, or little explained variance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from skae._data.statistics import compute_statistics
from skae._data.weights import WeightedRows, total
from skae._model.model import TrainedModel

_FEWEST_EPOCHS = 10  # fewer do not show whether the code collapses
_LEAST_DEVIATION = 0.01  # of that of the unit that varies most
_ROUNDING = 1e-5
_LEAST_R2 = 0.05
_MAX_ROWS = 4096


def active_units(std: np.ndarray) -> np.ndarray:
    """Return whether each unit is active, given the standard deviations."""
    return (std > 0) & (std >= _LEAST_DEVIATION * std.max())


def active_components(model: TrainedModel, std: np.ndarray) -> np.ndarray:
    """Return whether each component of the code is active.

    Components that are ordered by variance may be small; one is inactive only if it
    does not vary beyond rounding.

    Parameters
    ----------
    model : TrainedModel
        The fitted model.
    std : ndarray of shape (n_components,)
        Standard deviation of each component.
    """
    if model.trained_with.has_free_coordinates:
        return std > _ROUNDING * std.max()
    return active_units(std)


@dataclass(frozen=True)
class Collapse:
    """A collapsed code, with the measures that show it.

    Parameters
    ----------
    n_epochs : int
        Epochs trained.
    n_units, n_active : int
        Size of the code, and how many units are active.
    r2 : float
        R² on training rows.
    is_dead : bool
        Whether too few units are active.
    is_lost : bool
        Whether R² is too low.
    """

    n_epochs: int
    n_units: int
    n_active: int
    r2: float
    is_dead: bool
    is_lost: bool

    def message(self, remedies: list[str]) -> str:
        """Return the message of the warning.

        Parameters
        ----------
        remedies : list of str
            Suggestions, the likeliest cause of the collapse first.
        """
        r2 = f"{self.r2:z.3f}" if self.r2 > -10 else f"{self.r2:.2g}"
        found = f"R² is {r2} on training rows, where their mean gets 0"
        if self.is_dead:
            extent = "at all"
            if self.n_active:
                extent = "by 1 % of the deviation of the unit that varies most"
            n_dead = self.n_units - self.n_active
            found = f"{n_dead} of {self.n_units} units do not vary {extent}; {found}"
            if not self.is_lost:
                remedies = [*remedies, "a smaller n_components, if that R² is enough"]
        elif self.r2 > -1:
            remedies = [*remedies, "a larger n_components, if a PCA explains as little"]
        return (
            f"After {self.n_epochs} epochs {found}. Try: {'; '.join(remedies)}. "
            "skae.diagnostics.report(estimator, X) shows each unit, and R² of a PCA."
        )


def detect_collapse(model: TrainedModel, data: WeightedRows) -> Collapse | None:
    """Detect a collapsed code.

    Parameters
    ----------
    model : TrainedModel
        The fitted model.
    data : WeightedRows
        The training rows; at most 4096, evenly spaced, are used.

    Returns
    -------
    Collapse or None
        None if the code has not collapsed, if training was too short, or if the data
        are constant.
    """
    n_epochs = len(model.net.history)
    if n_epochs < _FEWEST_EPOCHS:
        return None
    data = data.every(math.ceil(len(data.rows) / _MAX_ROWS))
    some, weight = data.rows, data.weight
    if not compute_statistics(model.features(some)).variance.any():
        return None
    std, r2 = _measure(model, some, weight)
    n_units, n_active = len(std), int(active_components(model, std).sum())
    # More units than these are not needed, and may be inactive.
    n_needed = min(n_units, model.n_features, len(some) - 1)
    is_dead = n_active < n_needed / 2
    # A custom loss need not make the squared error small.
    is_lost = r2 < _LEAST_R2
    if not (is_dead or (is_lost and not model.loss.is_custom)):
        return None
    return Collapse(n_epochs, n_units, n_active, r2, is_dead, is_lost)


def _measure(
    model: TrainedModel, rows: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, float]:
    """Return the deviation of each unit and R², in one pass."""
    module = model.module

    def code_and_error(x: torch.Tensor) -> torch.Tensor:
        code = module.encode(x)
        error = model.errors(module.decode(code), x, model.scale)
        code = code[:, : model.n_components]
        return torch.cat([code, (error**2).sum(1, keepdim=True)], dim=1)

    both = model.apply(code_and_error, rows)
    std = np.sqrt(compute_statistics(both[:, :-1], weight).variance)
    return std, model.r2_of_error(total(both[:, -1], weight), rows, weight)
