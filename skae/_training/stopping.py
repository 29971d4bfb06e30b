"""Early stopping, and the choice between the best epoch and the start."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback, EarlyStopping

from skae._data.batches import RowDataset
from skae._data.statistics import effective_share

STOPPING = "early_stopping"  # name of the callback that ends a fit early

# Attributes of callbacks that hold weights or data, and end with a fit.
_OF_ONE_FIT = {"best_model_weights_", "start_", "held_out_"}

# Share of rows that make up the variance, and how many of them have to be held out.
_LEAST_SHARE = 0.1
_FEWEST_EFFECTIVE = 10

# Attributes of callbacks that hold weights or data, and end with a fit.
_OF_ONE_FIT = {"best_model_weights_", "start_", "held_out_"}


class Stopping(EarlyStopping):
    """Early stopping that compares with the start, and waits while the loss must rise.

    The training loss rises with the weight of a penalty, and with the learning rate:
    such epochs are no reason to stop.

    Parameters
    ----------
    warmup : int
        Number of epochs in which the weight of a penalty rises, to be ignored.
    selects : bool
        Whether the weights of the best epoch are kept. Those before the first epoch are
        a candidate, too, and the one to keep unless the best epoch is better by more
        than one standard error.
    **kwargs : dict
        Parameters of skorch's own class.
    """

    def __init__(self, *, warmup: int, selects: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.warmup = warmup
        self.selects = selects

    @property
    def keeps_start(self) -> bool:
        """Whether the last fit kept the weights from before its first epoch."""
        return bool(self.selects) and getattr(self, "best_epoch_", None) == 0

    def __getstate__(self) -> dict[str, Any]:
        # A copy of the net in training holds neither weights twice nor data.
        return {**super().__getstate__(), "start_": None, "held_out_": None}

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint stores; the data are there when a fit resumes."""
        own = {k: v for k, v in vars(self).items() if k.endswith("_")}
        start = own.pop("start_")
        own.pop("held_out_", None)
        return {**own, "start_": start if start is None else vars(start)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take on what `state_dict` has returned."""
        start = state["start_"]
        self.__dict__.update(
            state, start_=None if start is None else _Candidate(**start)
        )

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        super().on_train_begin(net, **kwargs)
        self.best_model_weights_: dict[str, Any] | None = None
        self.has_stopped_ = False
        self.start_: _Candidate | None = None

    def on_epoch_begin(self, net: Any, dataset_valid: Any = None, **kw: Any) -> None:
        if self.selects and self.start_ is None and dataset_valid is not None:
            self.held_out_ = dataset_valid
            weights = _copy(net.module_.state_dict())
            self.start_ = _Candidate(weights, *net.measure(dataset_valid))
            self.dynamic_threshold_ = self._calc_new_threshold(self.start_.objective)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        is_rising = net.learning_rate_.is_rising
        monitored = self.monitor in net.history[-1]
        ignored = is_rising and not self.selects
        if net.module_.n_epochs <= self.warmup or ignored or not monitored:
            return
        try:
            super().on_epoch_end(net, **kwargs)
        except KeyboardInterrupt:
            self.has_stopped_ = True
            raise
        if self.selects and self.best_epoch_ == net.history[-1, "epoch"]:
            self._keep(net.module_.state_dict())
        if is_rising:
            self.misses_ = 0

    def _keep(self, weights: dict[str, Any]) -> None:
        """Copy weights, into the last copies: skorch copies them anew in each epoch."""
        kept = self.best_model_weights_
        if kept is None:
            self.best_model_weights_ = _copy(weights)
            return
        for name, value in weights.items():
            if torch.is_tensor(value):
                kept[name].copy_(value)
            else:  # of a custom module
                kept[name] = copy.deepcopy(value)

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Do nothing: the net calls `select`, and may train further."""

    def select(self, net: Any) -> bool:
        """Restore the best weights; return whether they are better than the start."""
        if self.start_ is None:
            return True
        best = None
        if self.best_model_weights_ is not None:
            net.module_.load_state_dict(self.best_model_weights_)
            best = _Candidate(self.best_model_weights_, *net.measure(self.held_out_))
        is_better = best is not None and best.is_better_than(self.start_)
        is_better = is_better and not _is_dominated(self.held_out_)
        if not is_better:
            net.module_.load_state_dict(self.start_.state)
            self.best_epoch_ = 0
        self.start_ = self.best_model_weights_ = self.held_out_ = None
        return is_better


def free_callbacks(callbacks: list[tuple[str, Callback]]) -> None:
    """Delete what callbacks hold of the weights and data of one fit."""
    for _, callback in callbacks:
        for name in _OF_ONE_FIT & set(vars(callback)):
            setattr(callback, name, None)


def _copy(weights: dict[str, Any]) -> dict[str, Any]:
    """Copy weights, but not the memory that they share with those of other nets."""
    return {
        name: x.clone() if torch.is_tensor(x) else copy.deepcopy(x)
        for name, x in weights.items()
    }


@dataclass(frozen=True)
class _Candidate:
    """The state of a net, with its objective and losses on held-out rows."""

    state: dict[str, Any]
    objective: float
    losses: np.ndarray
    weights: np.ndarray  # of the rows

    def is_better_than(self, start: _Candidate) -> bool:
        """Tell whether the objective is lower by more than one standard error.

        With few rows it has to be lower by more; from a single row nothing follows.
        """
        gain, weights = start.losses - self.losses, self.weights
        # Rows of unequal weight are worth fewer: Kish's effective number of them.
        n_rows = weights.sum() ** 2 / (weights**2).sum()
        if (n := n_rows - 1) < 1:
            return False
        mean = np.average(gain, weights=weights)
        variance = np.average((gain - mean) ** 2, weights=weights)
        error = np.sqrt(variance / n)
        return bool(start.objective - self.objective > (1 + 3 / n) * error)


def _is_dominated(held_out: Any) -> bool:
    """Tell whether few rows make up the variance, and hardly any of them is held out.

    The others then say nothing of the squared error of new rows.
    """
    source = getattr(held_out, "dataset", None)
    if not isinstance(source, RowDataset):
        return False  # held-out rows of the user's own
    share = effective_share(source.in_memory.rows, source.in_memory.weight)
    return share < _LEAST_SHARE and share * len(held_out) < _FEWEST_EFFECTIVE
