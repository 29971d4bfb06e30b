"""From the slots of an estimator to one module that can be trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from skae._layout import Layout
from skae._pca_start import PrincipalAxes, start_at_pca
from skae._random import RandomStream
from skae._statistics import Statistics
from skae.architectures import (
    Dense,
    build_decoder,
    build_encoder,
    check_width,
    is_shipped,
)
from skae.losses import Loss
from skae.modules import (
    AutoencoderModule,
    Standardize,
    Unstandardize,
)


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
        :class:`~skae.modules.AutoencoderModule` or its variational kind.
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
        weights, and gets the scale of X.
        """
        n_features = self.layout.n_features
        if self.loss.link is not nn.Identity:
            return np.ones(n_features)
        if isinstance(self.decoder, Dense):
            deviation = np.sqrt(self.statistics.variance)
            return np.where(deviation > 0, deviation, self.statistics.scale)
        return np.full(n_features, self.statistics.scale)


def _silence(decoder: nn.Module, features: np.ndarray) -> None:
    """Let a dense decoder start at the mean of features that have not varied yet."""
    layers = [layer for layer in decoder.modules() if isinstance(layer, nn.Linear)]
    constant = torch.from_numpy(features)
    with torch.no_grad():
        layers[-1].weight[constant] = 0.0
        layers[-1].bias[constant] = 0.0
