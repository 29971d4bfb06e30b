"""From the slots of an estimator to one module that can be trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from skae._data.layout import Layout
from skae._data.statistics import Statistics
from skae._networks.architectures import (
    ACTIVATIONS,
    Dense,
    build_decoder,
    build_encoder,
    is_shipped,
    is_tied,
)
from skae._networks.modules import (
    AutoencoderModule,
    Standardize,
    ToImage,
    TransposedLinear,
    Unstandardize,
)
from skae._networks.pca_start import PrincipalAxes, start_at_pca
from skae._objective.losses import Loss
from skae._random import RandomStream

# One over the slope at 0, for the activations that would stop a signal otherwise.
_GLOROT_GAINS = {"hardsigmoid": 6.0, "sigmoid": 4.0}


@dataclass(frozen=True)
class Assembly:
    """All that is needed to build the module; calling it does.

    The shipped architectures get standardised rows and give standardised
    reconstructions: the layers that scale are part of the module, so that encoder and
    decoder speak in the units of X. Modules of the user's own get and give those
    units themselves.

    Parameters
    ----------
    module_class : type
        :class:`~skae._networks.modules.AutoencoderModule` or its variational kind.
    encoder, decoder : Dense, Conv, torch.nn.Module or callable
        Resolved slots.
    layout : Layout
        The shape of a sample.
    n_components : int
        Size of the code.
    code_layer : callable or None
        Makes the last layer of the encoder.
    loss : Loss
        Whose link ends the decoder.
    statistics : Statistics
        Of the training rows: what rows and reconstructions are standardised with.
    axes : PrincipalAxes or None
        Where a dense network starts from; None leaves its random weights.
    seed : int
        Seed of the stream that training draws from.
    dtype : str
        Name of the floating type of the weights.
    """

    module_class: type[AutoencoderModule]
    encoder: Any
    decoder: Any
    layout: Layout
    n_components: int
    code_layer: Callable[[], nn.Module] | None
    loss: Loss
    statistics: Statistics
    axes: PrincipalAxes | None
    seed: int
    dtype: str

    def __call__(self) -> AutoencoderModule:
        dtype = getattr(torch, self.dtype)
        mean = torch.as_tensor(self.statistics.mean, dtype=dtype)
        n_out = self.n_components * self.module_class.n_columns_per_unit
        encoder = build_encoder(self.encoder, self.layout, n_out)
        decoder = build_decoder(self.decoder, self.n_components, self.layout)
        output_scale = self._output_scale()
        if is_tied(self.encoder):
            _tie(encoder, decoder)
        for slot, network in ((self.encoder, encoder), (self.decoder, decoder)):
            if isinstance(slot, Dense) and slot.init == "glorot":
                _start_at_unit_gain(network, slot.activation)
        if isinstance(self.decoder, Dense):
            _silence(decoder, self.statistics.variance == 0)
        if self.axes is not None:
            start_at_pca(
                encoder,
                decoder,
                self.axes,
                activation=self.encoder.activation,
                input_scale=self.statistics.scale,
                output_scale=output_scale,
            )
        if is_shipped(self.encoder):
            shift = Standardize(mean, torch.tensor(self.statistics.scale, dtype=dtype))
            encoder = nn.Sequential(shift, encoder)
        if self.code_layer is not None:
            encoder = nn.Sequential(encoder, self.code_layer())
        if is_shipped(self.decoder):
            start = torch.as_tensor(self.loss.start(self.statistics.mean), dtype=dtype)
            scale = torch.as_tensor(output_scale, dtype=dtype)
            decoder = nn.Sequential(decoder, Unstandardize(start, scale))
        module = self.module_class(
            encoder,
            decoder,
            link=self.loss.link(),
            scale=self.statistics.scale,
            stream=RandomStream(self.seed),
        ).to(dtype)
        x = mean.expand(2, -1).clone()
        code = check_width(module.encoder, x, n_out, "encoder")
        check_width(module.decoder, code[:, : self.n_components], len(mean), "decoder")
        return module

    def _output_scale(self) -> np.ndarray:
        """Return what the output of a shipped decoder is multiplied by.

        A dense decoder has weights of their own for each feature, and gets its
        deviation: a step of the optimizer then means as much for a column of tiny
        values as for one of large. A convolution draws all features with the same
        weights, and gets the scale of X, as does a tied decoder, whose weights are
        those that read X in units of its scale.
        """
        n_features = self.layout.n_features
        if self.loss.link is not nn.Identity:
            return np.ones(n_features)
        if isinstance(self.decoder, Dense) and not is_tied(self.decoder):
            deviation = np.sqrt(self.statistics.variance)
            return np.where(deviation > 0, deviation, self.statistics.scale)
        return np.full(n_features, self.statistics.scale)


def _linear_layers(network: nn.Module) -> list[Any]:
    kinds = (nn.Linear, TransposedLinear)
    return [layer for layer in network.modules() if isinstance(layer, kinds)]


def _matrix(layer: Any) -> torch.Tensor:
    """Return what a linear layer multiplies with, a row for each output."""
    return layer.weight.T if isinstance(layer, TransposedLinear) else layer.weight


def _tie(encoder: nn.Module, decoder: Any) -> None:
    """Give the linear layers of a dense decoder the weights of its encoder."""
    weights = [layer.weight for layer in _linear_layers(encoder)]
    for position, layer in enumerate(decoder):
        if isinstance(layer, nn.Linear):
            decoder[position] = TransposedLinear(weights.pop(), layer.bias)


def _start_at_unit_gain(network: nn.Module, activation: str) -> None:
    """Draw weights that let signals through, and center what each layer gets."""
    center = float(ACTIVATIONS[activation]()(torch.zeros(1)))
    with torch.no_grad():
        for position, layer in enumerate(_linear_layers(network)):
            gain = _GLOROT_GAINS.get(activation, 1.0) if position else 1.0
            if not isinstance(layer, TransposedLinear):
                nn.init.xavier_uniform_(layer.weight, gain)
            offset = center if position else 0.0
            layer.bias.copy_(-offset * _matrix(layer).sum(1))


def _silence(decoder: nn.Module, features: np.ndarray) -> None:
    """Let a dense decoder start at the mean of features that have not varied yet."""
    last = _linear_layers(decoder)[-1]
    constant = torch.from_numpy(features)
    with torch.no_grad():
        _matrix(last)[constant] = 0.0
        last.bias[constant] = 0.0


def check_width(
    module: nn.Module, x: torch.Tensor, n_out: int, name: str
) -> torch.Tensor:
    """Run a module on two rows and compare the width of what it gives."""
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            out = module(x)
    except RuntimeError as error:
        raise ValueError(
            f"The {name} cannot take {_seen(module, x, name)}: {error}. {_WAY_IN[name]}"
        ) from error
    finally:
        module.train(was_training)
    if not torch.is_tensor(out) or out.ndim != 2 or len(out) != len(x):
        is_tensor = torch.is_tensor(out)
        got = f"shape {tuple(out.shape)}" if is_tensor else type(out).__name__
        raise ValueError(
            f"The {name} gives {got} for {len(x)} rows, but a tensor of shape "
            f"{(len(x), n_out)} is expected."
        )
    if out.shape[1] != n_out:
        raise ValueError(
            f"The {name} gives {out.shape[1]} values for a row, but {n_out} are "
            f"expected{_WHY_WIDTH[name]}."
        )
    return out


def _seen(module: nn.Module, x: torch.Tensor, name: str) -> str:
    """Name what the first layer of a module gets for the rows ``x``."""
    if name == "decoder":
        return f"codes of shape {tuple(x.shape[1:])}"
    first = module
    while isinstance(first, nn.Sequential) and len(first) > 0:
        first = first[0]
    if not isinstance(first, ToImage):
        return f"rows of shape {tuple(x.shape[1:])}"
    if len(first.image_shape) == 2:
        return f"signals of shape (channels, length) = {first.image_shape}"
    return f"pictures of shape (channels, height, width) = {first.image_shape}"


_WAY_IN = {
    "encoder": (
        "A module of your own gets samples as fit saw them; let its first layer take "
        "that shape, begin it with torch.nn.Flatten() to get rows, or pass a builder "
        "(n_in, n_out) -> torch.nn.Module."
    ),
    "decoder": (
        "Let its first layer take n_components values, or pass a builder (n_in, "
        "n_out) -> torch.nn.Module."
    ),
}
_WHY_WIDTH = {
    "encoder": ": n_components, or 2 * n_components for a variational autoencoder",
    "decoder": ": the number of features of a sample of X",
}
