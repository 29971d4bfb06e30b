"""Initialisation of weights: by their variance, shared by networks, or zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from skae._networks.layers import TransposedLinear

# One over the slope at 0, for the activations that would weaken a signal otherwise.
GLOROT_GAINS = {"hardsigmoid": 6.0, "sigmoid": 4.0}


def tie_weights(encoder: nn.Module, decoder: Any) -> None:
    """Give the linear layers of a dense decoder the weights of its encoder."""
    weights = [layer.weight for layer in _linear_layers(encoder)]
    for position, layer in enumerate(decoder):
        if isinstance(layer, nn.Linear):
            decoder[position] = TransposedLinear(weights.pop(), layer.bias)


def draw_glorot_weights(
    network: nn.Module, make_activation: Callable[[], nn.Module], activation: str
) -> None:
    """Draw weights that preserve signals, and biases that centre the input."""
    center = float(make_activation()(torch.zeros(1)))
    with torch.no_grad():
        for position, layer in enumerate(_linear_layers(network)):
            gain = GLOROT_GAINS.get(activation, 1.0) if position else 1.0
            if not isinstance(layer, TransposedLinear):
                nn.init.xavier_uniform_(layer.weight, gain)
            offset = center if position else 0.0
            layer.bias.copy_(-offset * _matrix(layer).sum(1))


def zero_constant_features(decoder: nn.Module, features: np.ndarray) -> None:
    """Make a dense decoder start at the mean of features that are constant so far."""
    last = _linear_layers(decoder)[-1]
    constant = torch.from_numpy(features)
    with torch.no_grad():
        _matrix(last)[constant] = 0.0
        last.bias[constant] = 0.0


def _linear_layers(network: nn.Module) -> list[Any]:
    kinds = (nn.Linear, TransposedLinear)
    return [layer for layer in network.modules() if isinstance(layer, kinds)]


def _matrix(layer: Any) -> torch.Tensor:
    """Return the matrix of a linear layer, with a row for each output."""
    return layer.weight.T if isinstance(layer, TransposedLinear) else layer.weight
