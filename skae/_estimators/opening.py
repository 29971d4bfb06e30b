"""The model of a fitted autoencoder, and what is no autoencoder."""

from __future__ import annotations

import sys
from typing import Any

from skae._estimators.base import BaseAutoencoder
from skae._model.model import TrainedModel


def is_frozen(estimator: Any) -> bool:
    """Tell whether an estimator is scikit-learn's FrozenEstimator of another one."""
    frozen: Any = sys.modules.get("sklearn.frozen")
    return frozen is not None and isinstance(estimator, frozen.FrozenEstimator)


def open_model(estimator: Any, call: str = "") -> TrainedModel:
    """Return the model of a fitted autoencoder.

    Parameters
    ----------
    estimator : object
        The argument of a function; a TypeError is raised if it is not an autoencoder of
        this package.
    call : str
        The call of the function with the parts of a Pipeline, for the error.
    """
    if is_frozen(estimator):
        return open_model(estimator.estimator, call)
    if not isinstance(estimator, BaseAutoencoder):
        raise TypeError(
            f"{call.partition('(')[0]} takes an autoencoder of skae, but got "
            f"{type(estimator).__name__}. Of a Pipeline, pass the last step and X "
            f"transformed by the others: {call}."
        )
    return estimator._fitted()
