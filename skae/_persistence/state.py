"""The state of a net in a file: weights, optimizer, generators, callbacks."""

from __future__ import annotations

from typing import Any

import numpy as np

from skae._exceptions import warn
from skae._persistence.legacy import with_coordinates
from skae._training.fused_adam import check_fused

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
            name: {k: v for k, v in vars(callback).items() if _is_plain_data(v)}
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
    if module.coordinates is not None:
        weights = with_coordinates(weights, len(module.coordinates.bias))
        module.match_coordinates(weights)
    module.load_state_dict(weights)
    module.n_epochs = state["n_epochs"]
    module.stream.__setstate__(state["stream"])
    module.eval()
    net.set_params(lr=state["lr"])
    for name, own in _NET.items():
        setattr(net, own, state[name])
    if _has_groups_of(net.optimizer_, state["optimizer"]):
        net.optimizer_.load_state_dict(state["optimizer"])
        check_fused(net.optimizer_)
    for name, callback in net.callbacks_:
        stored = state["callbacks"].get(name, {})
        vars(callback).update({k: v for k, v in stored.items() if _is_plain_data(v)})


def _has_groups_of(optimizer: Any, state: Any) -> bool:
    """Tell whether the state of an optimizer, which may be missing, can be loaded.

    Some files of format 3 and before have a linear path and layers of one rate in one
    group: training then goes on with a new optimizer.
    """
    if state is None:
        return False
    sizes = [len(group["params"]) for group in optimizer.state_dict()["param_groups"]]
    stored = [len(group["params"]) for group in state["param_groups"]]
    is_merged = len(stored) < len(sizes) and sum(stored) == sum(sizes)
    if is_merged:
        warn(
            "The state of the optimizer is of an older version, and is not loaded: "
            "more training starts with a new one.",
            UserWarning,
        )
    return not is_merged


def _is_plain_data(value: Any) -> bool:
    """Tell whether the state of a callback consists of numbers and text."""
    if type(value) is dict:
        value = [*value, *value.values()]
    if type(value) in (list, tuple):
        return all(map(_is_plain_data, value))
    return type(value) in _PLAIN
