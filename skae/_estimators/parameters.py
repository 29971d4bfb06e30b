"""Parameters: how a class declares them, and how nested ones are set."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, TypeVar, dataclass_transform

import torch
from sklearn.utils._param_validation import Hidden, Interval, RealNotInt, StrOptions
from torch import nn

from skae._data.layout import LAYOUTS
from skae._data.transforms import NOISES
from skae._networks.architecture import ACTIVATIONS, COUNT, Architecture
from skae._networks.factory import ARCHITECTURES
from skae._objective.losses import LOSSES
from skae._objective.penalties import named_penalties
from skae._training.schedules import LR_SCHEDULES

OPTIMIZERS: dict[str, Any] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}

_Class = TypeVar("_Class", bound=type)

# What may be passed as an encoder or a decoder.
Network = str | Architecture | nn.Module | Callable[[int, int], nn.Module] | None

WEIGHT = Interval(Real, 0, None, closed="left")
NETWORK = [
    StrOptions(set(ARCHITECTURES)),
    Architecture,
    nn.Module,
    callable,
    None,
]

# Constraints of parameters that most classes declare.
DENSE = {
    "hidden_layer_sizes": ["array-like", COUNT, None],
    "activation": [StrOptions(set(ACTIVATIONS)), None],
    "encoder": NETWORK,
}
AXES = {"whiten": ["boolean"]}
CODE = {
    "code_activation": [StrOptions(set(ACTIVATIONS)), None],
    "sparsity": [WEIGHT],
}


# Constraints of the parameters of all classes.
SHARED: dict[str, list[Any]] = {
    "n_components": [COUNT],
    "decoder": NETWORK,
    "penalty": [callable, list, None],
    "augmentation": [callable, None],
    "loss": [StrOptions(set(LOSSES)), callable],
    "layout": [StrOptions(set(LAYOUTS)), None],
    "missing": [StrOptions({"error", "mask"})],
    "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
    "lr": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
    "weight_decay": [WEIGHT, None],
    "lr_schedule": [StrOptions(set(LR_SCHEDULES)), callable],
    "max_epochs": [Interval(Integral, 0, None, closed="left")],
    "batch_size": [COUNT, StrOptions({"auto"})],
    "shuffle_buffer": [COUNT, StrOptions({"auto"})],
    "validation_fraction": [Interval(RealNotInt, 0, 1, closed="neither"), None],
    "early_stopping": ["boolean", StrOptions({"auto"})],
    "n_iter_no_change": [COUNT, None],
    "tol": [WEIGHT],
    "warm_start": ["boolean"],
    "checkpoint": [str, os.PathLike, None],
    "callbacks": [list, None],
    "net_params": [dict, None],
    "device": [str, Hidden(torch.device)],
    "dtype": [StrOptions({"float32", "float64", "auto"})],
    "precision": [StrOptions({"float32", "bfloat16", "auto"})],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
def parameters(cls: _Class) -> _Class:
    """Make an ``__init__`` that takes and assigns the annotated fields of a class.

    Each field is a parameter with a default; all are keyword-only, but for those that
    declare otherwise. Inherited parameters follow those of the class itself. A name
    without a default, such as ``net_: Any``, would become a parameter, too: attributes
    set by `fit` are not annotated in a class.

    Parameters
    ----------
    cls : type
        An estimator, whose bases may declare parameters as well.
    """
    made: Any = dataclass(eq=False, repr=False, match_args=False, kw_only=True)(cls)
    signature = inspect.signature(made.__init__)
    own = inspect.get_annotations(cls)

    def place(parameter: inspect.Parameter) -> tuple[bool, bool]:
        is_keyword = parameter.kind is inspect.Parameter.KEYWORD_ONLY
        return is_keyword, is_keyword and parameter.name not in own

    ordered = sorted(signature.parameters.values(), key=place)
    made.__init__.__signature__ = signature.replace(parameters=ordered)
    return made


# Names of the settings of the net -----------------------------------------------------

_PREFIXES = ("optimizer", "iterator_train", "iterator_valid", "callbacks", "compile")


def is_net_param(name: str) -> bool:
    """Tell whether a nested name, such as ``optimizer__betas``, belongs to the net."""
    prefix, _, rest = name.partition("__")
    return bool(rest) and prefix in _PREFIXES


# Nested names -------------------------------------------------------------------------

# What a nested name asks for in a slot that holds nothing to tune: the first of these
# that has the parameter.
_TUNABLE = {
    "encoder": tuple(ARCHITECTURES.values()),
    "decoder": tuple(ARCHITECTURES.values()),
    "corruption": tuple(NOISES.values()),
    "noise": tuple(NOISES.values()),
}


def has_parameters(value: Any) -> bool:
    """Tell whether a value is an object with parameters that can be set."""
    return hasattr(value, "set_params") and not isinstance(value, type)


def check_nested(own: Mapping[str, Any], params: Mapping[str, Any]) -> None:
    """Refuse nested parameters of a value without parameters.

    Parameters
    ----------
    own : dict
        Names and values of the parameters of an estimator.
    params : dict
        Names and values to set, as `set_params` takes them.
    """
    values = {**own, **params}
    for key in params:
        name, _, parameter = key.partition("__")
        slots = (*_TUNABLE, "augmentation", "penalty")
        if not parameter or name not in values or name not in slots:
            continue
        value = values[name]
        if name == "penalty" and isinstance(value, list):
            continue  # set_nested_penalties looks into them
        if not has_parameters(value):
            raise ValueError(
                f"{key} cannot be set: {name}={value!r} has no parameters. Set "
                f"{name}={_tunable(name, parameter)} to search {key}."
            )


def _tunable(name: str, parameter: str) -> str:
    """Return the text of a value that has a parameter of that name."""
    if name == "augmentation":
        return "an object with get_params and set_params"
    if name == "penalty":
        listed, _, inner = parameter.partition("__")
        return f"[({listed!r}, L1Sparsity())]" if inner else "L1Sparsity()"
    for cls in _TUNABLE[name]:
        if parameter in inspect.signature(cls).parameters:
            return f"{cls.__name__}()"
    return f"{_TUNABLE[name][0].__name__}()"


def nested_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested parameters, beside those that scikit-learn finds itself.

    These are the members of a list of penalties with their parameters, like the steps
    of a Pipeline, and settings of the net.

    Parameters
    ----------
    params : dict
        Names and values of the parameters.
    """
    found: dict[str, Any] = {}
    penalty = params.get("penalty")
    for item in penalty if isinstance(penalty, list) else ():
        if not (isinstance(item, (tuple, list)) and len(item) == 2):
            continue
        name, inner = item
        found[f"penalty__{name}"] = inner
        if hasattr(inner, "get_params"):
            for key, value in inner.get_params().items():
                found[f"penalty__{name}__{key}"] = value
    settings = params.get("net_params")
    if isinstance(settings, dict):
        for name, value in settings.items():
            if is_net_param(name) and name not in params:
                found[name] = value
    return found


def divide_params(
    own: Mapping[str, Any], params: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Divide parameters: those that scikit-learn sets, and those for `with_nested`.

    Parameters
    ----------
    own : dict
        Names and values of the parameters of an estimator.
    params : dict
        Names and values to set.
    """
    penalty = params.get("penalty", own.get("penalty"))
    plain: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = {}
    for key, value in params.items():
        if is_net_param(key):
            nested.setdefault("net_params", {})[key] = value
        elif key.startswith("penalty__") and isinstance(penalty, list):
            nested.setdefault("penalty", {})[key.removeprefix("penalty__")] = value
        else:
            plain[key] = value
    return plain, nested


def with_nested(name: str, value: Any, nested: Mapping[str, Any]) -> Any:
    """Return the value of `penalty` or `net_params` with nested parameters set."""
    if name == "net_params":
        return {**(value or {}), **nested}
    return set_nested_penalties(value, nested)


def set_nested_penalties(
    penalty: list, params: Mapping[str, Any]
) -> list[tuple[str, Any]]:
    """Return a list of penalties with some replaced and parameters of others set.

    Parameters
    ----------
    penalty : list of (str, callable)
        The value of the slot.
    params : Mapping of str
        ``name`` or ``name__parameter`` to a value.
    """
    named = named_penalties(penalty)
    for key in sorted(params, key=lambda key: "__" in key):
        name, _, parameter = key.partition("__")
        places = [i for i, (known, _) in enumerate(named) if known == name]
        if not places:
            known = ", ".join(repr(known) for known, _ in named)
            raise ValueError(
                f"Invalid parameter {'penalty__' + key!r}: the penalties are "
                f"{known or 'none'}."
            )
        for i in places:  # several of one name are refused by fit
            if not parameter:
                named[i] = (name, params[key])
            elif has_parameters(named[i][1]):
                named[i][1].set_params(**{parameter: params[key]})
            else:
                raise ValueError(
                    f"penalty__{key} cannot be set: {named[i][1]!r} has no "
                    f"parameters. Set penalty__{name}=L1Sparsity() to search "
                    f"penalty__{key}."
                )
    return named
