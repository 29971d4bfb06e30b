"""From the slots of an estimator to one module that can be trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from skae._layout import Layout
from skae._random import RandomStream
from skae.architectures import build_decoder, build_encoder, check_width, is_shipped
from skae.losses import Loss
from skae.modules import (
    AutoencoderModule,
    Standardize,
    Unstandardize,
    VariationalAutoencoderModule,
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
    mean : ndarray of shape (n_features,)
        Training mean of each feature.
    scale : float
        Training scale of X.
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
    mean: np.ndarray
    scale: float
    seed: int
    dtype: str

    def __call__(self) -> AutoencoderModule:
        dtype = getattr(torch, self.dtype)
        mean = torch.as_tensor(self.mean, dtype=dtype)
        module = self.module_class(
            self._build_encoder(mean),
            self._build_decoder(dtype),
            link=self.loss.link(),
            scale=self.scale,
            stream=RandomStream(self.seed),
        ).to(dtype)
        x = mean.expand(2, -1).clone()
        code = check_width(module.encoder, x, self._n_out(), "encoder")
        code = code[:, : self.n_components]
        check_width(module.decoder, code, len(mean), "decoder")
        return module

    def _n_out(self) -> int:
        is_variational = self.module_class is VariationalAutoencoderModule
        return (2 if is_variational else 1) * self.n_components

    def _build_encoder(self, mean: torch.Tensor) -> nn.Module:
        layers = [build_encoder(self.encoder, self.layout, self._n_out())]
        if is_shipped(self.encoder):
            layers.insert(0, Standardize(mean, self.scale))
        if self.code_layer is not None:
            layers.append(self.code_layer())
        return nn.Sequential(*layers)

    def _build_decoder(self, dtype: torch.dtype) -> nn.Module:
        decoder = build_decoder(self.decoder, self.n_components, self.layout)
        if not is_shipped(self.decoder):
            return decoder
        start = torch.as_tensor(self.loss.start(self.mean), dtype=dtype)
        in_units_of_x = self.loss.link is nn.Identity
        scale = self.scale if in_units_of_x else 1.0
        return nn.Sequential(decoder, Unstandardize(start, scale))
