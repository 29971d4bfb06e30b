"""Schedules of the learning rate over the steps of a fit."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

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


def final(t: float) -> float:
    """Return the factor in the last epochs of a fit, on all rows."""
    return 0.1 * _cosine(t)


def steady(t: float) -> float:
    """Return the factor for chunks of a stream, whose end is not known."""
    return 0.1


class LearningRate:
    """The learning rates of an optimizer during one fit.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        The optimizer; its current rates are the highest.
    schedule : callable or None
        Factor of these for each fraction of the fit. None leaves them unchanged.
    by_layer : bool, default=False
        Whether to multiply the rate of each group by its ``lr_factor``.
    """

    def __init__(
        self, optimizer: Optimizer, schedule: Schedule | None, by_layer: bool = False
    ) -> None:
        self.optimizer = optimizer
        self.schedule = schedule
        self.by_layer = by_layer
        self.highest = [group["lr"] for group in optimizer.param_groups]
        self.n_steps: int | None = None
        self.n_done = 0

    @property
    def is_rising(self) -> bool:
        """Whether the next step will be longer than the last one."""
        step = self.n_done
        return step > 0 and self._factor(step) > self._factor(step - 1)

    def advance(self) -> None:
        """Set the rate of the next step."""
        if self.schedule is None and not self.by_layer:
            return
        factor = self._factor(self.n_done)
        for group, lr in zip(self.optimizer.param_groups, self.highest, strict=True):
            share = group.get("lr_factor", 1.0) if self.by_layer else 1.0
            group["lr"] = factor * share * lr
        self.n_done += 1

    @property
    def facts(self) -> tuple[Any, ...]:
        """What all further rates depend on."""
        return self.schedule, self.by_layer, self.highest, self.n_steps, self.n_done

    def follow(self, other: LearningRate) -> None:
        """Take on the current step and rates of another one with the same facts."""
        self.n_done = other.n_done
        both = zip(
            self.optimizer.param_groups, other.optimizer.param_groups, strict=True
        )
        for group, leading in both:
            group["lr"] = leading["lr"]

    def reset(self) -> None:
        """Set the highest rates again."""
        if self.schedule is None and not self.by_layer:
            return
        for group, lr in zip(self.optimizer.param_groups, self.highest, strict=True):
            group["lr"] = lr

    def _factor(self, step: int) -> float:
        if self.schedule is None:
            return 1.0
        return self.schedule(min(step / max((self.n_steps or 1) - 1, 1), 1.0))
