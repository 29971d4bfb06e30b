"""The model of a fitted autoencoder, and what is no autoencoder."""

from __future__ import annotations

import sys
from typing import Any

from skae._model.model import TrainedModel


def is_frozen(estimator: Any) -> bool:
    """Tell whether an estimator is scikit-learn's FrozenEstimator of another one."""
    frozen: Any = sys.modules.get("sklearn.frozen")
    return frozen is not None and isinstance(estimator, frozen.FrozenEstimator)


def open_model(estimator: Any) -> TrainedModel:
    """Return the model of a fitted autoencoder, which may be frozen."""
    return (
        open_model(estimator.estimator) if is_frozen(estimator) else estimator._fitted()
    )
