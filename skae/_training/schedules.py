"""Schedules of the learning rate over the steps of a fit."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch.optim import Optimizer

Schedule = Callable[[float], float]


def _cosine(t: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * t))


def _one_cycle(t: float, rise: float = 0.1) -> float:
    if t < rise:
        return 0.05 + 0.95 * t / rise
    return _cosine((t - rise) / (1 - rise))


LR_SCHEDULES: dict[str, Schedule | None] = {
    "constant": None,
    "cosine": _cosine,
    "one_cycle": _one_cycle,
}


class LearningRate:
    """The learning rate of an optimizer during one fit.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        The optimizer; its current rates are the highest.
    schedule : callable or None
        Factor of these for each fraction of the fit. None leaves them unchanged.
    """

    def __init__(self, optimizer: Optimizer, schedule: Schedule | None) -> None:
        self.optimizer = optimizer
        self.schedule = schedule
        self.highest = [group["lr"] for group in optimizer.param_groups]
        self.n_steps: int | None = None
        self._step = 0

    def advance(self) -> None:
        """Set the rate of the next step."""
        if self.schedule is None:
            return
        n_steps = self.n_steps or 1
        self._scale(self.schedule(min(self._step / max(n_steps - 1, 1), 1.0)))
        self._step += 1

    def reset(self) -> None:
        """Set the highest rates again."""
        if self.schedule is not None:
            self._scale(1.0)

    def _scale(self, factor: float) -> None:
        for group, lr in zip(self.optimizer.param_groups, self.highest, strict=True):
            group["lr"] = factor * lr
