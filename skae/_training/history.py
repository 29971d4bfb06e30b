"""The terms of the objective in an epoch: summed up as it runs, and read again."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class EpochTerms:
    """Means of the objective and its terms over an epoch, weighted by rows."""

    def __init__(self) -> None:
        self.n_rows = 0
        self.sums: dict[str, Tensor] = {}

    def add(self, n_rows: int, loss: Tensor, terms: dict[str, Tensor]) -> None:
        self.n_rows += n_rows
        if len(terms) > 1:  # one term alone is the loss
            self._add("loss", n_rows, loss)
        for name, value in terms.items():
            self._add(name, n_rows, value)

    def _add(self, name: str, n_rows: int, value: Tensor) -> None:
        if name not in self.sums:
            self.sums[name] = torch.zeros_like(value)
        self.sums[name].add_(value.detach(), alpha=n_rows)

    def means(self) -> dict[str, float]:
        means = {name: float(x) / self.n_rows for name, x in self.sums.items()}
        loss = means.pop("loss", None)
        return {"loss": sum(means.values()) if loss is None else loss, **means}


def terms_of(epoch: dict[str, Any]) -> dict[str, Any]:
    """Return the number of an epoch and its terms of the objective.

    Parameters
    ----------
    epoch : dict
        What skorch's history holds of the epoch.
    """
    return {
        name: value if name == "epoch" else float(value)
        for name, value in epoch.items()
        if name == "epoch" or _is_term(name, epoch)
    }


def _is_term(name: str, epoch: dict[str, Any]) -> bool:
    marks_best = name.endswith("_best") and name.removesuffix("_best") in epoch
    counts = name.endswith(("_batch_size", "_batch_count"))
    return name.startswith(("train_", "valid_")) and not (marks_best or counts)
