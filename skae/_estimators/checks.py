"""What parameters may not say together, and what the objects in them may not be."""

from __future__ import annotations

import difflib
import inspect
from typing import Any

from sklearn.base import BaseEstimator
from skorch import NeuralNet

from skae._estimators.parameters import is_net_param
from skae._objective.penalties import named_penalties

try:
    from sklearn.callback import FitCallback
except ImportError:  # scikit-learn < 1.9 has no callbacks

    class FitCallback:  # type: ignore[no-redef]
        """Stand-in for scikit-learn's protocol: nothing is one."""


# What skorch takes that a user may set; the rest of its signature is ours to fill.
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


def default_of(estimator: Any, name: str) -> Any:
    """Return the default of a parameter of an estimator."""
    return inspect.signature(type(estimator)).parameters[name].default


def check_net_params(estimator: Any) -> None:
    """Refuse settings that skorch does not have, or that the estimator has itself."""
    own = BaseEstimator.get_params(estimator, deep=False)
    for name, value in (estimator.net_params or {}).items():
        if name in own:
            raise ValueError(
                f"net_params={{{name!r}: ...}} and the parameter {name} say the same "
                f"thing. Set {name} itself."
            )
        if name not in _SKORCH and not is_net_param(name):
            close = difflib.get_close_matches(name, _SKORCH, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"net_params holds {name!r}, which skorch lacks.{hint}")
        twin = _TWINS.get(name)
        if twin and own[twin] != default_of(estimator, twin):
            raise ValueError(
                f"{twin}={own[twin]!r} and {name}={value!r} say the same "
                "thing. Set one of them."
            )


def check_at_default(estimator: Any, name: str, other: str) -> None:
    """Refuse a parameter that is set although another one brings its value."""
    value = getattr(estimator, name)
    if value != default_of(estimator, name):
        raise ValueError(
            f"{name}={value!r} and {other}={getattr(estimator, other)!r} contradict "
            f"each other: what is passed as {other} brings its own. Set it there."
        )


def check_conflict(estimator: Any, first: str, second: str) -> None:
    """Refuse two parameters that say the same thing, if both are given."""
    one, other = getattr(estimator, first), getattr(estimator, second)
    if one is not None and other is not None:
        raise ValueError(
            f"{first}={one!r} and {second}={other!r} cannot be given together: "
            f"{second} says what the network is. Set {first} to None, or put it into "
            f"{second}, as in encoder=Dense(hidden_layer_sizes=...)."
        )


def check_instances(estimator: Any) -> None:
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
    networks = [
        (name, getattr(estimator, name, None)) for name in ("encoder", "decoder")
    ]
    for _, value in [*networks, *slots]:
        if isinstance(value, BaseEstimator) and hasattr(
            value, "_parameter_constraints"
        ):
            value._validate_params()


def _example(cls: type) -> str:
    takes_rows = "reduction" in inspect.signature(cls).parameters  # a loss of torch
    return f"{cls.__name__}({'reduction=' + repr('none') if takes_rows else ''})"
