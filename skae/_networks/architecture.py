"""The base class of architectures, and their activations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import Interval
from torch import nn

from skae._data.layout import Layout
from skae._data.statistics import Statistics
from skae._documented import DocumentedEstimator
from skae._networks.layers import GELU, ClippedReLU, Hardsigmoid

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "clipped_relu": ClippedReLU,
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


class Architecture(DocumentedEstimator, ABC):
    """Builds an encoder and its mirror; its parameters can be tuned.

    A new architecture is a subclass in a separate file, and a name in the dictionary of
    `factory`. Its networks map standardised rows to standardised reconstructions.
    """

    # Whether a sample must have the axes of an image or a signal, what its axes mean
    # where the user does not say, and which ones flat rows have.
    needs_axes: ClassVar[bool] = False
    default_layout: ClassVar[str | None] = None
    image_shape: Sequence[int] | None = None

    # Whether the decoder uses the weights of the encoder.
    tied: bool = False

    @property
    def depth(self) -> int:
        """A number of layers that each network has at least."""
        return 1

    def resolved(self, layout: Layout) -> Self:
        """Return a copy in which no parameter stands for a default that may change."""
        return clone(self)

    @abstractmethod
    def encoder(self, layout: Layout, n_out: int) -> nn.Module:
        """Build the network from rows to ``n_out`` columns."""

    @abstractmethod
    def decoder(self, n_in: int, layout: Layout) -> nn.Module:
        """Build the network from ``n_in`` columns to rows."""

    def tie(self, encoder: nn.Module, decoder: nn.Module) -> None:
        """Share the weights of an encoder with its decoder: see `tied`."""
        raise NotImplementedError

    def draw_weights(self, network: nn.Module) -> None:
        """Initialise the weights of an encoder or a decoder, if not as torch does."""

    def prepare_output(self, decoder: nn.Module, statistics: Statistics) -> None:
        """Adapt the last layer of a decoder to the training rows."""

    @property
    def starts_at_pca(self) -> bool:
        """Whether a linear map that starts as PCA is added to each network."""
        return False

    def output_scale(self, statistics: Statistics) -> np.ndarray:
        """Return the factor of the output of the decoder, for each feature.

        It is the scale of X where features share their weights.
        """
        return np.full(len(statistics.mean), statistics.scale)


def is_count(value: Any) -> bool:
    """Tell whether a value is a whole number of at least 1, 64.0 included."""
    return isinstance(value, (int, float)) and value >= 1 and float(value).is_integer()


def find_activation(name: str) -> Callable[[], nn.Module]:
    """Return the factory of the layer of an activation."""
    if name not in ACTIVATIONS:
        raise ValueError(
            f"activation={name!r} is not known. Choose one of "
            f"{', '.join(map(repr, ACTIVATIONS))}."
        )
    return ACTIVATIONS[name]
