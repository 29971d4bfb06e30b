"""The history of a net: the terms of the objective, averaged over each epoch."""

from __future__ import annotations

from numbers import Number
from typing import Any

import torch
from skorch.history import History
from torch import Tensor

from skae._data.batches import Batch
from skae._distributed.group import current_group
from skae._distributed.share import current_share

# Entries of an epoch that are no term of the objective: its seconds, and in the last
# epoch R² of training rows.
SECONDS = "dur"
R2 = "skae_r2"  # not the name of a scoring callback of a user


class EpochHistory(History):
    """skorch's history, without a copy of the list for each epoch that is read.

    A stream has as many epochs as chunks, and reads the last one many times in each.
    """

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, int):
            return list.__getitem__(self, i)
        return super().__getitem__(i)


class EpochTerms:
    """Means of the objective and its terms over the rows of an epoch."""

    def __init__(self) -> None:
        self.n_rows = 0
        self._weight = 0.0
        self._sums: dict[str, Tensor] = {}

    def add(self, batch: Batch, loss: Tensor, terms: dict[str, Tensor]) -> None:
        """Add the means of a batch."""
        share = current_share()
        self.n_rows += len(batch.x) if share is None else share.n_rows
        weight = batch.total_weight if share is None else share.total_weight
        self._weight += weight
        if len(terms) > 1:  # a single term is the loss
            self._add("loss", weight, loss)
        for name, value in terms.items():
            self._add(name, weight, value)

    def _add(self, name: str, weight: float, value: Tensor) -> None:
        if name in self._sums:
            self._sums[name].add_(value.detach(), alpha=weight)
        else:
            self._sums[name] = value.detach() * weight

    @property
    def sums(self) -> tuple[int, float, dict[str, Tensor]]:
        """Number of rows and their weight so far, and the sums of the terms."""
        return self.n_rows, self._weight, self._sums

    @property
    def are_empty(self) -> bool:
        """Whether no batch was added."""
        return not self._sums

    def sum_up(self) -> None:
        """Add the sums of other processes, if several train together."""
        group = current_group()
        if group is None:
            return
        own = [self.n_rows, self._weight, *map(float, self._sums.values())]
        of_all = group.sum(torch.tensor(own, dtype=torch.float64))
        self.n_rows, self._weight = int(of_all[0]), float(of_all[1])
        self._sums = dict(zip(self._sums, of_all[2:], strict=True))

    def take(self, n_rows: int, weight: float, sums: dict[str, Tensor]) -> None:
        """Take on sums over batches that were run elsewhere."""
        self.n_rows, self._weight, self._sums = n_rows, weight, sums

    def means(self) -> dict[str, float]:
        """Return the means over all batches so far."""
        means = {name: float(x) / self._weight for name, x in self._sums.items()}
        loss = means.pop("loss", None)
        return {"loss": sum(means.values()) if loss is None else loss, **means}


def record_terms(
    history: History, prefix: str, terms: EpochTerms, *, as_batch: bool
) -> dict[str, float]:
    """Record the means of an epoch in a history, and return them.

    Parameters
    ----------
    history : History
        The history, whose last epoch gets them.
    prefix : {"train", "valid"}
        Prefix of the entries.
    terms : EpochTerms
        The terms of all batches.
    as_batch : bool
        Whether to record the epoch as one batch, for callbacks that read batches.
    """
    means, epoch = terms.means(), history[-1]
    epoch.update({f"{prefix}_{name}": value for name, value in means.items()})
    if as_batch:
        batch = {f"{prefix}_loss": means["loss"], f"{prefix}_batch_size": terms.n_rows}
        epoch["batches"].append(batch)
        epoch[f"{prefix}_batch_count"] = 1
    return means


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
    return is_number and not (marks_best or counts or name in (SECONDS, R2))
