"""The state of a net in a file: weights, optimizer, generators, callbacks."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from skae._exceptions import warn
from skae._persistence.checks import (
    check_optimizer,
    check_same_kind,
    check_weights_are_finite,
)
from skae._persistence.legacy import with_coordinates
from skae._training.rates import groups_of

# Types of the state of callbacks that is stored.
_PLAIN = (type(None), bool, int, float, str, np.bool_, np.float32, np.float64, np.int64)

# Attributes of the net beside its parameters, by the names of format 1.
_NET = {
    "seed": "seed",
    "lr": "lr",
    "batch_size": "batch_size",
    "precision": "precision",
    "runs_foreign_code": "has_user_code",
}


def state_of(net: Any, include_optimizer: bool) -> dict[str, Any]:
    """Return the state of a net.

    Parameters
    ----------
    net : AutoencoderNet
        The net.
    include_optimizer : bool
        Whether to include the state of the optimizer.
    """
    module = net.module_
    return {
        **{name: getattr(net, own) for name, own in _NET.items()},
        "statistics": net.module.statistics,
        "weights": dict(module.state_dict(keep_vars=True)),
        "n_epochs": module.n_epochs,
        "stream": module.stream.__getstate__(),
        "callbacks": {
            name: _plain_state(callback, vars(callback))
            for name, callback in net.callbacks_
        },
        "optimizer": net.optimizer_.state_dict() if include_optimizer else None,
    }


def load_state(net: Any, state: dict[str, Any]) -> None:
    """Give a net its weights, its optimizer, its generators and its callbacks.

    Parameters
    ----------
    net : AutoencoderNet
        A net of the same parameters.
    state : dict
        What `state_of` returned.
    """
    module, weights = net.module_, state["weights"]
    if net.module.is_free:
        weights = with_coordinates(weights, net.module.n_components)
        module.match_coordinates(weights)
    module.load_state_dict(weights)
    check_weights_are_finite(module)
    for name, weight in module.named_parameters():
        stored_weight = weights[name]
        if isinstance(stored_weight, nn.Parameter):
            weight.requires_grad_(stored_weight.requires_grad)
    module.n_epochs = state["n_epochs"]
    module.stream.__setstate__(state["stream"])
    module.eval()
    for name, own in _NET.items():
        setattr(net, own, state[name])
    stored, groups = state["optimizer"], groups_of(net)
    if stored is not None and not _has_merged_groups(stored, groups):
        check_optimizer(stored, groups, net.optimizer)
        net.state_of_optimizer = stored
    for name, callback in net.callbacks_:
        plain = _plain_state(callback, state["callbacks"].get(name, {}))
        for k, value in plain.items():
            if callable(getattr(type(callback), k, None)):
                raise ValueError(f"{k} is a method of the callback {name}")
            check_same_kind(f"{name}.{k}", value, vars(callback).get(k))
        vars(callback).update(plain)


def _has_merged_groups(stored: Any, groups: list[dict[str, Any]]) -> bool:
    """Tell whether the state of an optimizer has other groups, as older files have.

    Some files of format 3 and before have a linear path and layers of one rate in one
    group: training then goes on with a new optimizer.
    """
    own = [len(group["params"]) for group in groups]
    given = [len(group["params"]) for group in stored["param_groups"]]
    is_merged = len(given) < len(own) and sum(given) == sum(own)
    if is_merged:
        warn(
            "The state of the optimizer is of an older version, and is not loaded: "
            "more training starts with a new one.",
            UserWarning,
        )
    return is_merged


def _plain_state(callback: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a callback that are plain data, and no parameters."""
    parameters = callback.get_params(deep=False)
    return {k: v for k, v in values.items() if k not in parameters and _is_plain(v)}


def _is_plain(value: Any) -> bool:
    """Tell whether the state of a callback consists of numbers and text."""
    if type(value) is dict:
        value = [*value, *value.values()]
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))
    return type(value) in _PLAIN
