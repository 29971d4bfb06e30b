"""Checks of parameters that contradict each other, and of the objects in them."""

from __future__ import annotations

import difflib
import inspect
import sys
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from skorch import NeuralNet
from skorch.callbacks import Callback

from skae._data.blocks import lacks_blocks
from skae._estimators.parameters import has_parameters, is_net_param
from skae._objective.penalties import named_penalties

try:
    from sklearn.callback import FitCallback
except ImportError:  # scikit-learn < 1.9 has no callbacks

    class FitCallback:  # type: ignore[no-redef]
        """Stand-in for scikit-learn's protocol: nothing is one."""


# Parameters of skorch that a user may set; the estimators set the others.
_SKORCH = set(inspect.signature(NeuralNet.__init__).parameters) - {
    *("self", "kwargs", "module", "criterion", "dataset", "predict_nonlinearity")
}

# Settings of skorch that a parameter of an estimator sets, too.
_TWINS = {
    "optimizer__lr": "lr",
    "optimizer__weight_decay": "weight_decay",
    "iterator_train__batch_size": "batch_size",
    "train_split": "validation_fraction",
}


def is_same(value: Any, copy: Any) -> bool:
    """Tell whether a parameter is what it was when it was copied."""
    if has_parameters(value) and type(value) is type(copy):
        if lacks_blocks(value):
            return True  # the copy has those that were found
        value, copy = value.get_params(), copy.get_params()
    return value is copy or np.array_equal(value, copy)


def is_frozen(estimator: Any) -> bool:
    """Tell whether an estimator is scikit-learn's FrozenEstimator of another one."""
    frozen: Any = sys.modules.get("sklearn.frozen")
    return frozen is not None and isinstance(estimator, frozen.FrozenEstimator)


def check_parameters(estimator: Any) -> None:
    """Refuse parameters that `fit` would refuse, whatever X is."""
    estimator._validate_params()
    estimator._plan()


def default_of(estimator: Any, name: str) -> Any:
    """Return the default of a parameter of an estimator."""
    return inspect.signature(type(estimator)).parameters[name].default


def check_net_params(estimator: Any) -> None:
    """Refuse settings that skorch lacks, or that are parameters of the estimator."""
    own = BaseEstimator.get_params(estimator, deep=False)
    for name, value in (estimator.net_params or {}).items():
        if name in own:
            raise ValueError(
                f"net_params={{{name!r}: ...}} and the parameter {name} set the "
                f"same thing. Set {name} itself."
            )
        if name not in _SKORCH and not is_net_param(name):
            close = difflib.get_close_matches(name, _SKORCH, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"net_params holds {name!r}, which skorch lacks.{hint}")
        _check_of_iterator(name, value, estimator.net_params)
        twin = _TWINS.get(name)
        if twin and own[twin] != default_of(estimator, twin):
            raise ValueError(
                f"{twin}={own[twin]!r} and {name}={value!r} set the same "
                "thing. Set one of them."
            )


def _check_of_iterator(name: str, value: Any, net_params: dict[str, Any]) -> None:
    """Refuse settings of a DataLoader where none is used."""
    iterator, _, setting = name.partition("__")
    if iterator not in ("iterator_train", "iterator_valid") or not setting:
        return
    if iterator not in net_params and setting not in ("batch_size", "shuffle"):
        raise ValueError(
            f"net_params={{{name!r}: {value!r}}} is a setting of torch's DataLoader, "
            "but batches are taken from memory, without workers. Leave it out, or set "
            f"{iterator!r} to torch.utils.data.DataLoader as well."
        )


def without_overridden(
    values: dict[str, Any], trained_with: dict[str, Any]
) -> dict[str, Any]:
    """Return parameters of a file without those that `net_params` overrode in `fit`.

    They had their defaults then, which may be others today.

    Parameters
    ----------
    values : dict
        Parameters.
    trained_with : dict
        All parameters that `fit` took.
    """
    overridden = {_TWINS.get(name) for name in trained_with["net_params"] or {}}
    return {
        name: value
        for name, value in values.items()
        if name not in overridden or value != trained_with[name]
    }


def check_at_default(estimator: Any, name: str, other: str) -> None:
    """Refuse a parameter that is set although another one determines its value."""
    value = getattr(estimator, name)
    if value != default_of(estimator, name):
        raise ValueError(
            f"{name}={value!r} and {other}={getattr(estimator, other)!r} contradict "
            f"each other: the value of {other} has its own. Set it there."
        )


def check_conflict(estimator: Any, first: str, second: str) -> None:
    """Refuse two parameters that set the same thing, if both are given."""
    one, other = getattr(estimator, first), getattr(estimator, second)
    if one is not None and other is not None:
        raise ValueError(
            f"{first}={one!r} and {second}={other!r} cannot be given together: "
            f"{second} specifies the network. Set {first} to None, or put it into "
            f"{second}, as in encoder=Dense(hidden_layer_sizes=...)."
        )


def _is_named(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)


def _check_callback(callback: Any) -> None:
    """Refuse what is no callback of skorch, or cannot be cloned."""
    if isinstance(callback, FitCallback):
        raise TypeError(
            f"callbacks are those of skorch, but {callback!r} is one of scikit-learn: "
            "use set_callbacks."
        )
    kind = callback if isinstance(callback, type) else type(callback)
    if not issubclass(kind, Callback):
        raise TypeError(
            f"callbacks holds {callback!r}, which is no callback of skorch. Pass "
            "instances of subclasses of skorch.callbacks.Callback, or pairs (name, "
            "callback); a function can be their method on_epoch_end."
        )
    if isinstance(callback, type):
        return
    taken = inspect.signature(kind).parameters
    is_open = any(x.kind is x.VAR_KEYWORD for x in taken.values())
    own = [x for x in callback.get_params(deep=False) if x not in taken]
    if own and not is_open:
        raise TypeError(
            f"callbacks holds a {kind.__name__}, which cannot be cloned: "
            f"{', '.join(own)} are set in its __init__, but are no arguments of it. "
            "Make them arguments, or set them in its method initialize or "
            "on_train_begin, with names that end in '_'."
        )


def check_instances(estimator: Any) -> None:
    """Check the objects in the parameters of an estimator, and their parameters.

    Parameters
    ----------
    estimator : estimator
        An estimator whose parameters have the right types.
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
        _check_callback(item[1] if _is_named(item) else item)
    networks = [
        (name, getattr(estimator, name, None)) for name in ("encoder", "decoder")
    ]
    for _, value in [*networks, *slots, ("loss", estimator.loss)]:
        if isinstance(value, BaseEstimator) and hasattr(
            value, "_parameter_constraints"
        ):
            value._validate_params()


def _example(cls: type) -> str:
    takes_rows = "reduction" in inspect.signature(cls).parameters  # a loss of torch
    return f"{cls.__name__}({'reduction=' + repr('none') if takes_rows else ''})"
