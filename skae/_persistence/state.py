"""The state of a net in a file: weights, optimizer, generators, callbacks."""

from __future__ import annotations

from typing import Any

import numpy as np
from skorch.callbacks import EpochTimer
from torch import Tensor, nn

from skae._exceptions import warn
from skae._persistence.checks import (
    check_optimizer,
    check_same_kind,
    check_weights_are_finite,
)
from skae._persistence.legacy import with_coordinates
from skae._training.callbacks import PassingCallback, PrintLog
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


# The state of a fit ------------------------------------------------------------------

# Callbacks of a process: what they hold is made anew by the fit that resumes.
_OF_PROCESS = (PassingCallback, EpochTimer, PrintLog)


def state_of_callbacks(callbacks: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return what callbacks hold beside their parameters, in the midst of a fit.

    Those with a method ``state_dict`` are asked for it, and so are the objects that
    they hold, such as schedulers of torch. A TypeError is raised for other objects that
    are no numbers, text, arrays or tensors, unless they can be called.

    Parameters
    ----------
    callbacks : list of (str, Callback)
        The callbacks.
    """
    return {
        name: _state_of(callback, f"the callback {name!r}")
        for name, callback in callbacks
        if not isinstance(callback, _OF_PROCESS)
    }


def _state_of(callback: Any, name: str) -> dict[str, Any]:
    if hasattr(callback, "state_dict"):
        return {"own": callback.state_dict()}
    parameters, plain, objects = callback.get_params(deep=False), {}, {}
    for k, value in vars(callback).items():
        if k in parameters:
            continue
        if _is_storable(value):
            plain[k] = value
        elif hasattr(value, "state_dict") and not isinstance(value, type):
            objects[k] = value.state_dict()
        elif not callable(value):
            raise TypeError(
                f"{name} holds a {type(value).__name__} as {k}, which the file cannot "
                "hold. Give the class of the callback the methods state_dict and "
                "load_state_dict, or leave the callback out"
            )
    return {"plain": plain, "objects": objects}


def load_callbacks(callbacks: list[tuple[str, Any]], state: dict[str, Any]) -> None:
    """Give callbacks what `state_of_callbacks` returned.

    Parameters
    ----------
    callbacks : list of (str, Callback)
        Callbacks of the same parameters, of a fit that has begun.
    state : dict
        Their state.
    """
    for name, callback in callbacks:
        found = state.get(name)
        if found is None:
            continue
        if "own" in found:
            callback.load_state_dict(found["own"])
            continue
        vars(callback).update(found["plain"])
        for k, value in found["objects"].items():
            getattr(callback, k).load_state_dict(value)


def _is_storable(value: Any) -> bool:
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if type(value) in (list, tuple, set):
        return all(map(_is_storable, value))
    return type(value) in (*_PLAIN, np.ndarray, Tensor, nn.Parameter)


def _is_plain(value: Any) -> bool:
    """Tell whether the state of a callback consists of numbers and text."""
    if type(value) is dict:
        value = [*value, *value.values()]
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))
    return type(value) in _PLAIN
