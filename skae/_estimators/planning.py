"""From the parameters of an estimator to the plan of a network and its training."""

from __future__ import annotations

import torch
from sklearn.base import clone
from skorch.callbacks import LRScheduler

from skae._estimators.checks import default_of
from skae._estimators.parameters import has_parameters

OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}


def find_lr_schedule(estimator):
    """Return the schedule of an estimator; a scheduler among its callbacks wins.

    Parameters
    ----------
    estimator : estimator
        With the parameters `lr_schedule` and `callbacks`.
    """
    callbacks = [
        item[1] if isinstance(item, (tuple, list)) else item
        for item in estimator.callbacks or []
    ]
    schedulers = [
        item
        for item in callbacks
        if isinstance(item, LRScheduler) or item is LRScheduler
    ]
    if not schedulers:
        return estimator.lr_schedule
    if estimator.lr_schedule not in ("constant", default_of(estimator, "lr_schedule")):
        raise ValueError(
            f"lr_schedule={estimator.lr_schedule!r} and an LRScheduler in callbacks "
            "both set the learning rate. Give one of them."
        )
    return "constant"


def copy_of(estimator):
    """Return the parameters as they are now, whatever is done to nested ones later."""
    return _copy(estimator.get_params(deep=False))


def _copy(value):
    """Copy containers and what holds parameters; the rest stays as it is."""
    if type(value) is dict:
        return {key: _copy(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_copy, value))
    return clone(value, safe=False) if has_parameters(value) else value
