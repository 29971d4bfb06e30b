"""What parameters may hold, and how nested ones are reached in a search."""

from __future__ import annotations

import difflib
import inspect
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.utils._param_validation import Hidden, Interval, RealNotInt, StrOptions
from skorch import NeuralNet
from skorch.callbacks import LRScheduler
from torch import nn

from skae._data.layout import LAYOUTS
from skae._data.transforms import NOISES
from skae._networks.architectures import ACTIVATIONS, ARCHITECTURES, Conv, Dense
from skae._objective.losses import LOSSES
from skae._training.net import LR_SCHEDULES

try:
    from sklearn.callback import FitCallback
except ImportError:  # scikit-learn < 1.9 has no callbacks

    class FitCallback:  # type: ignore[no-redef]
        """Stand-in for scikit-learn's protocol: nothing is one."""


OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}

_POSITIVE = Interval(Real, 0, None, closed="neither")
_WEIGHT = Interval(Real, 0, None, closed="left")
_COUNT = Interval(Integral, 1, None, closed="left")
_SLOT = [StrOptions(set(ARCHITECTURES)), Dense, Conv, nn.Module, callable, None]

_SHARED = {
    "n_components": [_COUNT],
    "hidden_layer_sizes": ["array-like", _COUNT, None],
    "activation": [StrOptions(set(ACTIVATIONS)), None],
    "encoder": _SLOT,
    "decoder": _SLOT,
    "code_activation": [StrOptions(set(ACTIVATIONS)), None],
    "sparsity": [_WEIGHT],
    "penalty": [callable, list, None],
    "corruption": [callable, None],
    "augmentation": [callable, None],
    "loss": [StrOptions(set(LOSSES)), callable],
    "layout": [StrOptions(set(LAYOUTS)), None],
    "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
    "lr": [_POSITIVE],
    "weight_decay": [_WEIGHT, None],
    "lr_schedule": [StrOptions(set(LR_SCHEDULES)), callable],
    "max_epochs": [_COUNT],
    "batch_size": [_COUNT, StrOptions({"auto"})],
    "validation_fraction": [Interval(RealNotInt, 0, 1, closed="neither"), None],
    "early_stopping": ["boolean"],
    "n_iter_no_change": [_COUNT, None],
    "tol": [_WEIGHT],
    "warm_start": ["boolean"],
    "callbacks": [list, None],
    "net_params": [dict, None],
    "device": [str, Hidden(torch.device)],
    "dtype": [StrOptions({"float32", "float64", "auto"})],
    "precision": [StrOptions({"float32", "bfloat16", "auto"})],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


def constraints(*, without=(), **own):
    """Return the constraints of a class: the shared ones, less some, and its own."""
    shared = {name: rule for name, rule in _SHARED.items() if name not in without}
    return {**shared, **own}


def weight():
    """Return the constraint of a weight of a penalty: any number of at least 0."""
    return [_WEIGHT]


# What skorch takes that a user may set; the rest of its signature is ours to fill.
_SKORCH = set(inspect.signature(NeuralNet.__init__).parameters) - {
    *("self", "kwargs", "module", "criterion", "dataset", "predict_nonlinearity")
}
_PREFIXES = ("optimizer", "iterator_train", "iterator_valid", "callbacks", "compile")


def is_net_param(name):
    """Tell whether a nested name, such as ``optimizer__betas``, belongs to the net."""
    prefix, _, rest = name.partition("__")
    return bool(rest) and prefix in _PREFIXES


def check_net_params(net_params, estimator):
    """Refuse settings that skorch does not have, or that the estimator has itself.

    Parameters
    ----------
    net_params : dict
        The settings.
    estimator : estimator
        Whose parameters may say the same.
    """
    own = estimator.get_params(deep=False)
    for name in net_params:
        if name in own:
            raise ValueError(
                f"net_params={{{name!r}: ...}} and the parameter {name} say the same "
                f"thing. Set {name} itself."
            )
        if name not in _SKORCH and not is_net_param(name):
            close = difflib.get_close_matches(name, _SKORCH, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"net_params holds {name!r}, which skorch lacks.{hint}")
        twin = {
            "optimizer__lr": "lr",
            "optimizer__weight_decay": "weight_decay",
            "iterator_train__batch_size": "batch_size",
            "train_split": "validation_fraction",
        }.get(name)
        if twin and own[twin] != _default(estimator, twin):
            raise ValueError(
                f"{twin}={own[twin]!r} and {name}={net_params[name]!r} say the same "
                "thing. Set one of them."
            )


def check_callback_names(net_params, callbacks):
    """Refuse settings of callbacks that the net does not have."""
    names = [name for name, _ in callbacks]
    for key, value in net_params.items():
        prefix, _, rest = key.partition("__")
        name = rest.partition("__")[0]
        # None takes a callback away.
        if prefix == "callbacks" and rest and value is not None and name not in names:
            raise ValueError(
                f"{key} sets a callback named {name!r}, but the callbacks are "
                f"{', '.join(map(repr, names))}."
            )


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
    if estimator.lr_schedule not in ("constant", _default(estimator, "lr_schedule")):
        raise ValueError(
            f"lr_schedule={estimator.lr_schedule!r} and an LRScheduler in callbacks "
            "both set the learning rate. Give one of them."
        )
    return "constant"


def _default(estimator, name):
    return inspect.signature(type(estimator)).parameters[name].default


def check_at_default(estimator, name, other):
    """Refuse a parameter that is set although another one brings its value."""
    value = getattr(estimator, name)
    if value != _default(estimator, name):
        raise ValueError(
            f"{name}={value!r} and {other}={getattr(estimator, other)!r} contradict "
            f"each other: what is passed as {other} brings its own. Set it there."
        )


def check_conflict(estimator, first, second):
    """Refuse two parameters that say the same thing, if both are given."""
    one, other = getattr(estimator, first), getattr(estimator, second)
    if one is not None and other is not None:
        raise ValueError(
            f"{first}={one!r} and {second}={other!r} cannot be given together: "
            f"{second} says what the network is. Set {first} to None, or put it into "
            f"{second}, as in encoder=Dense(hidden_layer_sizes=...)."
        )


def copy_of(estimator):
    """Return the parameters as they are now, whatever is done to nested ones later."""
    return _copy(estimator.get_params(deep=False))


def _copy(value):
    """Copy containers and what holds parameters; the rest stays as it is."""
    if type(value) is dict:
        return {key: _copy(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_copy, value))
    return clone(value, safe=False) if _has_parameters(value) else value


_NETWORKS = ("encoder", "decoder")

# What a nested name asks for in a slot that holds nothing to tune: the first of these
# that has the parameter.
_TUNABLE = {
    "encoder": (Conv, Dense),
    "decoder": (Conv, Dense),
    "corruption": tuple(NOISES.values()),
    "noise": tuple(NOISES.values()),
}


def check_instances(estimator):
    """Check what the slots of an estimator hold, and the numbers that it holds.

    Parameters
    ----------
    estimator : estimator
        Whose parameters are of the right types already.
    """
    names = ("augmentation", "corruption", "noise")
    slots = [(name, getattr(estimator, name, None)) for name in names]
    for name, penalty in named_penalties(estimator.penalty):
        is_listed = isinstance(estimator.penalty, list)
        slots.append((f"penalty__{name}" if is_listed else name, penalty))
    for name, value in [*slots, ("loss", estimator.loss)]:
        if isinstance(value, type):
            raise TypeError(
                f"{name}={value.__name__} is a class: pass an instance, "
                f"{_example(value)}."
            )
    for item in estimator.callbacks or []:
        callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
        if isinstance(callback, FitCallback):
            raise TypeError(
                f"callbacks={estimator.callbacks!r} are those of skorch, but "
                f"{callback!r} is one of scikit-learn: use set_callbacks."
            )
    networks = [(name, getattr(estimator, name, None)) for name in _NETWORKS]
    for _, value in [*networks, *slots]:
        if isinstance(value, BaseEstimator) and hasattr(
            value, "_parameter_constraints"
        ):
            value._validate_params()


def _example(cls):
    takes_rows = "reduction" in inspect.signature(cls).parameters  # a loss of torch
    return f"{cls.__name__}({'reduction=' + repr('none') if takes_rows else ''})"


def _has_parameters(value):
    return hasattr(value, "set_params") and not isinstance(value, type)


def check_nested(estimator, params):
    """Refuse nested parameters of a slot that holds nothing with parameters.

    Parameters
    ----------
    estimator : estimator
        Whose parameters are to be set.
    params : dict
        Names and values, as `set_params` takes them.
    """
    own = {**estimator.get_params(deep=False), **params}
    for key in params:
        name, _, parameter = key.partition("__")
        slots = (*_TUNABLE, "augmentation", "penalty")
        if not parameter or name not in own or name not in slots:
            continue
        value = own[name]
        if name == "penalty" and isinstance(value, list):
            continue  # set_nested_penalties looks into them
        if not _has_parameters(value):
            raise ValueError(
                f"{key} cannot be set: {name}={value!r} has no parameters. Set "
                f"{name}={_tunable(name, parameter)} to search {key}."
            )


def _tunable(name, parameter):
    """Write down what a slot may hold that has a parameter of that name."""
    if name == "augmentation":
        return "an object with get_params and set_params"
    if name == "penalty":
        listed, _, inner = parameter.partition("__")
        return f"[({listed!r}, L1Sparsity())]" if inner else "L1Sparsity()"
    for cls in _TUNABLE[name]:
        if parameter in inspect.signature(cls).parameters:
            return f"{cls.__name__}()"
    return f"{_TUNABLE[name][0].__name__}()"


def named_penalties(penalty):
    """Return the penalties in a slot as a list of ``(name, penalty)``."""
    if penalty is None:
        return []
    if not isinstance(penalty, list):
        return [("penalty", penalty)]
    for item in penalty:
        is_pair = isinstance(item, (tuple, list)) and len(item) == 2
        if not (is_pair and isinstance(item[0], str) and callable(item[1])):
            raise TypeError(
                f"penalty={penalty!r} must be a callable or a list of (name, "
                f"callable), but holds {item!r}."
            )
    return [(name, item) for name, item in penalty]


def check_unique(names):
    """Refuse two penalties of one name: the history could not tell them apart."""
    reserved = {"loss", "reconstruction", "batch_size", "batch_count"}
    for name in names:
        if names.count(name) > 1 or name in reserved or "__" in name:
            raise ValueError(
                f"A penalty cannot be named {name!r}: the name is taken, or holds "
                "'__'. Give each penalty a name of its own."
            )


def nested_penalties(penalty, deep):
    """Return the parameters of a list of penalties, as a Pipeline does of its steps."""
    if not deep or not isinstance(penalty, list):
        return {}
    found = {}
    for item in penalty:
        if not (isinstance(item, (tuple, list)) and len(item) == 2):
            continue
        name, inner = item
        found[f"penalty__{name}"] = inner
        if hasattr(inner, "get_params"):
            for key, value in inner.get_params().items():
                found[f"penalty__{name}__{key}"] = value
    return found


def set_nested_penalties(penalty, params):
    """Return a list of penalties with some replaced, and set parameters of others.

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
            elif _has_parameters(named[i][1]):
                named[i][1].set_params(**{parameter: params[key]})
            else:
                raise ValueError(
                    f"penalty__{key} cannot be set: {named[i][1]!r} has no "
                    f"parameters. Set penalty__{name}=L1Sparsity() to search "
                    f"penalty__{key}."
                )
    return named


def resolve_dtype(dtype, X):
    """Return the numpy type to compute in for an array X."""
    if dtype == "auto":
        dtype = "float64" if X.dtype == np.float64 else "float32"
    return np.dtype(dtype)


def resolve_device(device):
    """Return the torch device that `device` names; CUDA where there is one on auto."""
    if str(device) == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)
