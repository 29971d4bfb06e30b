"""The attributes of a fitted estimator, which its model knows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from torch import nn

from skae._model.model import TrainedModel
from skae._training.net import AutoencoderNet


class FittedAttributes(ABC):
    """Attributes that end with an underscore, as those of scikit-learn do."""

    @abstractmethod
    def _trained(self) -> TrainedModel:
        """Return the model, or raise scikit-learn's NotFittedError."""

    @abstractmethod
    def _fitted(self) -> TrainedModel:
        """Return the model, with what it needs beside its weights."""

    @property
    def net_(self) -> AutoencoderNet:
        """The trained skorch net."""
        return self._fitted().net

    @property
    def encoder_(self) -> nn.Module:
        """The trained encoder, from flat rows to the codes of `transform`."""
        return self._fitted().encoder

    @property
    def decoder_(self) -> nn.Module:
        """The trained decoder, from codes to flat rows, including the link."""
        return self._fitted().decoder

    @property
    def history_(self) -> list[dict[str, Any]]:
        """One dict for each epoch: its number and every term of the objective."""
        return self._trained().history

    @property
    def n_iter_(self) -> int:
        """Number of epochs trained so far."""
        return len(self._trained().net.history)

    @property
    def mean_(self) -> np.ndarray:
        """Training mean of each feature."""
        return self._trained().mean

    @property
    def scale_(self) -> float:
        """Training scale of X: the root mean squared deviation from `mean_`."""
        return self._trained().scale * self._trained().unit

    @property
    def sample_shape_(self) -> tuple[int, ...]:
        """Shape of one sample of X."""
        return self._trained().layout.sample_shape

    @property
    def image_shape_(self) -> tuple[int, ...] | None:
        """Shape of a sample as the input of a convolution, None for rows."""
        return self._trained().layout.image_shape

    @property
    def n_features_in_(self) -> int:
        """Number of features of a flattened sample."""
        return self._trained().n_features

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of the features, where X has names that are all strings."""
        names = self._trained().feature_names
        if names is None:
            raise AttributeError("feature_names_in_: fit saw no names of features.")
        return names

    @property
    def _n_features_out(self) -> int:
        return self._trained().n_components
