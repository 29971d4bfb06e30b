"""Checks of what a file holds: types, shapes and ranges, before it is used."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW

from skae._data.condition import Condition, Variable
from skae._data.layout import Layout
from skae._data.statistics import Statistics
from skae._data.units import Units
from skae._networks.factory import ARCHITECTURES

_MOST_DIGITS = 100

# Settings of an optimizer that depend on the device, or on the version of torch.
_KERNELS = {"foreach", "fused"}
# Their state consists of tensors of the shape of a weight, and a step.
_ADAM = (Adam, AdamW)

_Test = Callable[[Any], bool]


# JSON ---------------------------------------------------------------------------------


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text; repeated keys and huge numbers are refused."""
    return json.loads(
        text,
        object_pairs_hook=_unique,
        parse_int=_whole_number,
        parse_constant=_no_constant,
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object of the JSON has a key twice")
    return found


def is_moderate(value: int) -> bool:
    """Tell whether a whole number, and its product with a size, is also a float."""
    return abs(value) < 10**_MOST_DIGITS


def _whole_number(text: str) -> int:
    value = int(text) if len(text) <= _MOST_DIGITS else 10**_MOST_DIGITS
    if not is_moderate(value):
        raise ValueError(f"a number of the JSON has more than {_MOST_DIGITS} digits")
    return value


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


# Values -------------------------------------------------------------------------------


def _is_flag(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_))


def _is_number(value: Any, least: float = -math.inf) -> bool:
    is_real = isinstance(value, Real) and not _is_flag(value)
    return is_real and math.isfinite(value) and value >= least


def _is_count(value: Any, least: int = 0) -> bool:
    is_whole = isinstance(value, (int, np.integer)) and not _is_flag(value)
    return is_whole and int(value) >= least


def _is_shape(value: Any, lengths: tuple[int, ...]) -> bool:
    is_tuple = isinstance(value, tuple) and len(value) in lengths
    return is_tuple and all(_is_count(size, 1) for size in value)


def _is_vector(value: Any, n: int, least: float = -math.inf) -> bool:
    is_array = isinstance(value, np.ndarray) and value.dtype == np.float64
    return (
        is_array
        and value.shape == (n,)
        and bool(np.isfinite(value).all())
        and (bool((value >= least).all()))
    )


def _is_layout(value: Any) -> bool:
    if not (isinstance(value, Layout) and _is_shape(value.sample_shape, (1, 2, 3))):
        return False
    image_shape = value.image_shape
    return _is_flag(value.channels_last) and (
        image_shape is None
        or (
            _is_shape(image_shape, (2, 3))
            and math.prod(image_shape) == value.n_features
        )
    )


def _is_statistics(value: Any, n: int) -> bool:
    return (
        isinstance(value, Statistics)
        and _is_number(value.n_rows, np.finfo(np.float64).tiny)
        and _is_vector(value.mean, n)
        and _is_vector(value.variance, n, least=0.0)
        and _is_number(value.low)
        and _is_number(value.high, value.low)
        and (value.observed is None or _is_vector(value.observed, n, least=0.0))
    )


def _is_units(value: Any, n: int) -> bool:
    return (
        isinstance(value, Units)
        and _is_vector(value.origin, n)
        and _is_vector(value.ratio, n, least=np.finfo(np.float64).tiny)
    )


def _is_condition(value: Any, n: int) -> bool:
    if not (isinstance(value, Condition) and isinstance(value.variables, tuple)):
        return False
    columns = value.columns
    are_columns = columns is None or (
        isinstance(columns, tuple)
        and len(columns) == len(value.variables)
        and all(_is_count(x) and x < n for x in columns)
    )
    names = value.names
    are_named = names is None or (
        isinstance(names, tuple)
        and len(names) == len(value.variables)
        and all(isinstance(name, str) for name in names)
    )
    return (
        are_columns
        and are_named
        and bool(value.variables)
        and all(
            isinstance(x, Variable)
            and _is_number(x.mean)
            and _is_number(x.scale, np.finfo(np.float64).tiny)
            and (x.categories is None or _are_categories(x.categories))
            for x in value.variables
        )
    )


def _are_categories(value: Any) -> bool:
    is_vector = isinstance(value, np.ndarray) and value.ndim == 1 and value.size > 0
    return is_vector and value.dtype.kind in "biuU"


def _is_type_of_weights(value: Any) -> bool:
    return isinstance(value, np.dtype) and value in (np.float32, np.float64)


def _are_names(value: Any, n: int) -> bool:
    is_array = isinstance(value, np.ndarray) and value.shape == (n,)
    return is_array and all(isinstance(name, str) for name in value)


def _are_tensors(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str) and isinstance(x, Tensor) for name, x in value.items()
    )


def _are_states(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str) and isinstance(state, dict)
        for name, state in value.items()
    )


def _is_stream(value: Any) -> bool:
    keys = {"seed", "states"}
    return (
        isinstance(value, dict)
        and value.keys() == keys
        and _is_count(value["seed"])
        and _are_tensors(value["states"])
    )


def _is_state_of_optimizer(value: Any) -> bool:
    if value is None:
        return True
    keys = {"state", "param_groups"}
    return (
        isinstance(value, dict)
        and value.keys() == keys
        and all(isinstance(group, dict) for group in value["param_groups"])
    )


def _is_history(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(epoch, dict)
        and _is_count(epoch.get("epoch"), 1)
        and isinstance(epoch.get("train_loss"), Real)
        for epoch in value
    )


# Parts of a file ----------------------------------------------------------------------


def check_known(known: Mapping[str, Any]) -> None:
    """Refuse results of `fit` of wrong type or shape.

    Parameters
    ----------
    known : dict
        The results, by the names of format 1.
    """
    _refuse_others(known, {"_layout": ("the layout of a sample", _is_layout)})
    n = known["_layout"].n_features
    tests: dict[str, tuple[str, _Test]] = {
        "_statistics": (f"statistics of {n} features", lambda x: _is_statistics(x, n)),
        "_dtype": ("float32 or float64", _is_type_of_weights),
    }
    optional: dict[str, tuple[str, _Test]] = {
        "_units": (f"units of {n} features", lambda x: _is_units(x, n)),
        "_condition": ("a condition", lambda x: _is_condition(x, n)),
        "feature_names_in_": (f"{n} names", lambda x: _are_names(x, n)),
        "noise_variance_": ("a variance", lambda x: _is_number(x, 0.0)),
    }
    tests |= {name: test for name, test in optional.items() if name in known}
    _refuse_others(known, tests)


def check_derived(known: Mapping[str, Any], derived: Mapping[str, Any]) -> None:
    """Refuse results of `fit` that contradict the model made from the others.

    Parameters
    ----------
    known : dict
        The results in a file.
    derived : dict
        Those of the model.
    """
    for name in ("n_features_in_", "image_shape_", "scale_", "_n_features_out"):
        if type(known[name]) is not type(derived[name]) or known[name] != derived[name]:
            raise ValueError(
                f"{name} is {_shown(known[name])}, and not {derived[name]!r}"
            )
    mean = derived["mean_"]
    if not (_is_vector(known["mean_"], len(mean)) and (known["mean_"] == mean).all()):
        raise ValueError("mean_ is not the mean of the statistics")


def check_state(state: Mapping[str, Any], n_features: int) -> None:
    """Refuse a state of a net of wrong types.

    Parameters
    ----------
    state : dict
        The state of a net.
    n_features : int
        Number of features.
    """
    formats = ("float32", "bfloat16")
    _refuse_others(
        state,
        {
            "seed": ("a seed", lambda x: _is_count(x) and x < 2**32),
            "lr": ("a learning rate", lambda x: _is_number(x, 0)),
            "batch_size": ("a number of rows", lambda x: _is_count(x, 1) or x == -1),
            "precision": (" or ".join(formats), lambda x: x in formats),
            "runs_foreign_code": ("True or False", _is_flag),
            "statistics": (
                f"the statistics of {n_features} features",
                lambda x: _is_statistics(x, n_features),
            ),
            "weights": ("tensors by name", _are_tensors),
            "n_epochs": ("a number of epochs", _is_count),
            "stream": ("the state of a generator", _is_stream),
            "callbacks": ("states by name", _are_states),
            "optimizer": ("the state of an optimizer", _is_state_of_optimizer),
        },
    )


def check_networks(networks: Any) -> None:
    """Refuse anything but shipped architectures with valid parameters, by slot."""
    if not (isinstance(networks, dict) and networks.keys() <= {"encoder", "decoder"}):
        raise ValueError(f"the networks are {', '.join(map(str, networks))}")
    for name, network in networks.items():
        if type(network) not in ARCHITECTURES.values():
            raise ValueError(f"the {name} is {_shown(network)}, and not shipped")
        network._validate_params()


def check_attributes_of_scikit_learn(attributes: Mapping[str, Any]) -> None:
    """Refuse a configuration of `set_output` that scikit-learn cannot have set."""
    config = attributes.get("_sklearn_output_config", {})
    kinds = (None, "default", "pandas", "polars")
    is_config = isinstance(config, dict) and config.keys() <= {"transform"}
    if not is_config or config.get("transform") not in kinds:
        raise ValueError(f"the configuration of set_output is {_shown(config)}")
    if "_skl_callbacks" in attributes:
        raise ValueError("callbacks of scikit-learn are not in files")


def check_history(history: Any) -> None:
    """Refuse a history without the number and the loss of each epoch."""
    _refuse_others({"history": history}, {"history": ("one of epochs", _is_history)})


def _shown(value: Any) -> str:
    """Return a value for an error; the repr of a strange object may fail."""
    is_plain = value is None or isinstance(value, (str, Real))
    return f"{value!r:.100}" if is_plain else f"a {type(value).__name__}"


def _refuse_others(
    values: Mapping[str, Any], tests: Mapping[str, tuple[str, _Test]]
) -> None:
    for name, (expected, is_right) in tests.items():
        if not is_right(values[name]):
            raise ValueError(f"{name} is {_shown(values[name])}, and not {expected}")


# What was loaded ----------------------------------------------------------------------


def check_weights_are_finite(module: nn.Module) -> None:
    """Refuse weights that are not finite; buffers of custom modules may be."""
    for name, weight in module.named_parameters():
        if not torch.isfinite(weight).all():
            raise ValueError(f"the weights {name} are not finite")


def check_same_kind(name: str, stored: Any, own: Any) -> None:
    """Refuse a stored setting of another type than the own one.

    Parameters
    ----------
    name : str
        Name of the setting.
    stored, own : object
        Its value in the file, and that of a new object. Where this is None, any is
        taken.
    """
    if own is None:
        return
    kinds = (bool, Real, str, tuple, list, dict, Tensor)
    kind = next((kind for kind in kinds if isinstance(own, kind)), object)
    is_same = isinstance(stored, kind) and (kind is not Real or not _is_flag(stored))
    if kind is tuple and is_same:
        is_same = len(stored) == len(own)
        for one, other in zip(stored, own, strict=False):
            check_same_kind(name, one, other)
    if not is_same:
        raise ValueError(f"{name} is {_shown(stored)}, and not of the type of {own!r}")


def check_optimizer(
    stored: Mapping[str, Any], groups: Sequence[Mapping[str, Any]], optimizer: Any
) -> None:
    """Refuse a state that an optimizer cannot have, of wrong shapes or not finite.

    The fused kernels of Adam would read beyond tensors of wrong shape.

    Parameters
    ----------
    stored : dict
        The state that it will load.
    groups : list of dict
        The groups that it will be made with.
    optimizer : type
        Its class.
    """
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(optimizer).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    for given, own in zip(stored["param_groups"], groups, strict=True):
        if len(given["params"]) != len(own["params"]):
            raise ValueError("the groups of the optimizer have other sizes")
        settings = {**defaults, **own, "params": []}
        for name in settings.keys() - _KERNELS:
            if name in given or _is_needed(name, settings[name], optimizer):
                check_same_kind(f"{name} of the optimizer", given[name], settings[name])
        for name in ("capturable", "differentiable"):
            if given.get(name, False) != settings.get(name, False):
                raise ValueError(f"{name} of the optimizer is {_shown(given[name])}")
        numbers = [*given.values(), *given.get("betas", ())]
        if any(isinstance(x, Real) and not math.isfinite(x) for x in numbers):
            raise ValueError("a setting of the optimizer is not finite")
    weights = [weight for group in groups for weight in group["params"]]
    indices = [x for group in stored["param_groups"] for x in group["params"]]
    if indices != list(range(len(weights))):
        raise ValueError("the groups of the optimizer have other parameters")
    amsgrad = [
        bool(group.get("amsgrad"))
        for group in stored["param_groups"]
        for _ in group["params"]
    ]
    for index, of_weight in stored["state"].items():
        if optimizer in _ADAM:
            _check_moments(of_weight, weights[index].shape, amsgrad=amsgrad[index])
        for name, value in of_weight.items():
            if isinstance(value, Tensor) and not torch.isfinite(value).all():
                raise ValueError(f"{name} of the optimizer is not finite")


def _is_needed(name: str, default: Any, optimizer: type) -> bool:
    """Tell whether a setting is in every state: later ones of torch may be missing."""
    is_of_torch = optimizer.__module__.startswith("torch.")
    is_hyperparameter = isinstance(default, tuple) or _is_number(default)
    return name in ("lr", "params") or (is_of_torch and is_hyperparameter)


def _check_moments(
    found: Mapping[str, Any], shape: Sequence[int], *, amsgrad: bool
) -> None:
    names = ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if amsgrad else ()))
    expected = {"step": (), **dict.fromkeys(names, tuple(shape))}
    if found.keys() != expected.keys():
        raise ValueError(f"a state of the optimizer holds {', '.join(found)}")
    for name, value in found.items():
        is_tensor = isinstance(value, Tensor) and value.is_floating_point()
        got = tuple(value.shape) if is_tensor else _shown(value)
        if got != expected[name]:
            raise ValueError(
                f"{name} of the optimizer has shape {got}, but {expected[name]} is "
                "expected"
            )
