"""The terms of the objective: averaged over an epoch, and read from a history."""

from __future__ import annotations

from numbers import Number
from typing import Any

import torch
from torch import Tensor

from skae._data.batches import Batch


class EpochTerms:
    """Means of the objective and its terms over the rows of an epoch."""

    def __init__(self) -> None:
        self.n_rows = 0
        self._weight = 0.0
        self._sums: dict[str, Tensor] = {}

    def add(self, batch: Batch, loss: Tensor, terms: dict[str, Tensor]) -> None:
        """Add the means of a batch."""
        self.n_rows += len(batch.x)
        weight = batch.total_weight
        self._weight += weight
        if len(terms) > 1:  # a single term is the loss
            self._add("loss", weight, loss)
        for name, value in terms.items():
            self._add(name, weight, value)

    def _add(self, name: str, weight: float, value: Tensor) -> None:
        if name not in self._sums:
            self._sums[name] = torch.zeros_like(value)
        self._sums[name].add_(value.detach(), alpha=weight)

    def means(self) -> dict[str, float]:
        """Return the means over all batches so far."""
        means = {name: float(x) / self._weight for name, x in self._sums.items()}
        loss = means.pop("loss", None)
        return {"loss": sum(means.values()) if loss is None else loss, **means}


def terms_of(epoch: dict[str, Any]) -> dict[str, Any]:
    """Return the number of an epoch, its terms, and the numbers of callbacks.

    Parameters
    ----------
    epoch : dict
        The epoch in skorch's history.
    """
    return {
        name: value if name == "epoch" else float(value)
        for name, value in epoch.items()
        if name == "epoch" or _is_term(name, value, epoch)
    }


def _is_term(name: str, value: Any, epoch: dict[str, Any]) -> bool:
    marks_best = name.endswith("_best") and name.removesuffix("_best") in epoch
    counts = name.endswith(("_batch_size", "_batch_count"))
    is_number = isinstance(value, Number) and not isinstance(value, bool)
    return is_number and not (marks_best or counts or name == "dur")
