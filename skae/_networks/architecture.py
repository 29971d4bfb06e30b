"""What an architecture declares, and what the shipped ones share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval
from torch import nn

from skae._data.layout import Layout
from skae._data.statistics import Statistics
from skae._networks.layers import GELU, Hardsigmoid

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "elu": nn.ELU,
    "gelu": GELU,
    "hardsigmoid": Hardsigmoid,
    "identity": nn.Identity,
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
}

COUNT = Interval(Integral, 1, None, closed="left")


class Architecture(BaseEstimator, ABC):
    """How an encoder and its mirror are built, with the numbers that can be tuned.

    A new one is a subclass in a file of its own, and a name in the dictionary of
    `factory`. Its networks get standardised rows and give standardised
    reconstructions.
    """

    # Whether a sample must have the axes of an image or a signal, and which ones flat
    # rows have.
    needs_axes: ClassVar[bool] = False
    image_shape: Sequence[int] | None = None

    # Whether the decoder uses the weights of the encoder.
    tied: bool = False

    @abstractmethod
    def encoder(self, layout: Layout, n_out: int) -> nn.Module:
        """Build the network from rows to ``n_out`` columns."""

    @abstractmethod
    def decoder(self, n_in: int, layout: Layout) -> nn.Module:
        """Build the network from ``n_in`` columns to rows."""

    def tie(self, encoder: nn.Module, decoder: nn.Module) -> None:
        """Let a decoder use the weights of its encoder: see `tied`."""
        raise NotImplementedError

    def draw_weights(self, network: nn.Module) -> None:
        """Draw the weights of an encoder or a decoder otherwise than torch has."""

    def prepare_output(self, decoder: nn.Module, statistics: Statistics) -> None:
        """Adapt the last layer of a decoder to the training rows."""

    def linear_activation(self, n_components: int) -> str | None:
        """Return the activation by which the network can carry a linear map.

        It then starts as PCA. None, where it cannot or should not.
        """
        return None

    def output_scale(self, statistics: Statistics) -> np.ndarray:
        """Return what the output of the decoder is multiplied by, for each feature.

        A network that draws all features with the same weights gets the scale of X.
        """
        return np.full(len(statistics.mean), statistics.scale)


def is_count(value: Any) -> bool:
    """Tell whether a value is a whole number of at least 1, 64.0 included."""
    return isinstance(value, (int, float)) and value >= 1 and float(value).is_integer()


def find_activation(name: str) -> Callable[[], nn.Module]:
    """Return what makes the layer of an activation."""
    if name not in ACTIVATIONS:
        raise ValueError(
            f"activation={name!r} is not known. Choose one of "
            f"{', '.join(map(repr, ACTIVATIONS))}."
        )
    return ACTIVATIONS[name]
