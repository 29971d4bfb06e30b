"""The two modules that join an encoder and a decoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from skae._networks.layers import Affine, FillGaps, FirstHalf, ShiftByCondition
from skae._networks.tracing import is_plain, run
from skae._random import RandomStream

# Bounds of log_var: a posterior from 1/150 to 150 standard deviations of the prior.
_MAX_LOG_VAR = 10.0


class RowEncoder(nn.Sequential):
    """An encoder of flat rows in the order of X, whatever shape samples have."""


def takes_rows(module: nn.Module) -> bool:
    """Tell whether a module is, or begins with, an encoder of flat rows."""
    while is_plain(module, nn.Sequential) and not isinstance(module, RowEncoder):
        module = next(module.children(), nn.Identity())
    return isinstance(module, RowEncoder)


class LinkedDecoder(nn.Sequential):
    """A decoder and its link, from codes to the units of X."""


def without_link(decoder: nn.Module, link: Callable[[], nn.Module]) -> nn.Module:
    """Remove the link from a decoder that another estimator has trained.

    A loss with the same link adds it again. A sequence of decoders may end with one.
    """
    if isinstance(decoder, LinkedDecoder) and len(decoder) == 2:
        return (
            decoder[0] if type(decoder[1]) is getattr(link, "func", link) else decoder
        )
    if is_plain(decoder, nn.Sequential) and len(decoder) > 1:  # type: ignore[arg-type]
        *first, last = decoder.children()
        bare = without_link(last, link)
        return decoder if bare is last else nn.Sequential(*first, bare)
    return decoder


class AutoencoderModule(nn.Module):
    """An encoder and a decoder, joined by a deterministic code.

    Parameters
    ----------
    encoder, decoder : torch.nn.Module
        From flat rows in the units of X to codes, and back up to the link.
    link : torch.nn.Module
        From the output of the decoder to the units of X.
    scale : float
        Training scale of X, in its units, which the squared error is divided by.
    stream : RandomStream
        Source of all random numbers of training.
    n_free : int or None, default=None
        Size of a code that gets coordinates after training, None for other codes.
    takes_gaps : bool, default=False
        Whether the encoder takes NaN at gaps.
    n_condition : int, default=0
        Number of columns, behind the features of a row and behind its code, that are
        its condition.
    """

    n_columns_per_unit = 1  # in the output of the encoder

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        *,
        link: nn.Module,
        scale: float,
        stream: RandomStream,
        n_free: int | None = None,
        takes_gaps: bool = False,
        n_condition: int = 0,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.link = link
        self.scale = scale
        self.stream = stream
        self.takes_gaps = takes_gaps
        self.n_condition = n_condition
        # From the code that is trained to that of `transform`, and back.
        self.coordinates: Affine | None = None
        self.inverse_coordinates: Affine | None = None
        if n_free is not None:
            same = torch.eye(n_free), torch.zeros(n_free)
            self.set_coordinates(same, same)
        self.n_epochs = 0  # trained so far, for the warm-up of penalties
        self.keeps_activations = False  # of the encoder, for a penalty that needs them

    @property
    def fill_layer(self) -> Any:
        """The layer that fills gaps."""
        return next(x for x in self.encoder.modules() if isinstance(x, FillGaps))

    def set_coordinates(
        self, forward: tuple[Tensor, Tensor], inverse: tuple[Tensor, Tensor]
    ) -> None:
        """Set the coordinates of the code outside training.

        Parameters
        ----------
        forward, inverse : (Tensor, Tensor)
            Weight and bias of the map from the code that is trained, and of its
            inverse.
        """
        self.coordinates, self.inverse_coordinates = Affine(*forward), Affine(*inverse)

    def match_coordinates(self, state: dict[str, Tensor]) -> None:
        """Take on the shapes of the coordinates in a state, where some were cut off."""
        found = {}
        for name, value in state.items():
            *_, layer, part = name.split(".")
            if layer in ("coordinates", "inverse_coordinates"):
                found[layer, part] = torch.empty_like(value)
        forward, inverse = (
            (found[layer, "weight"], found[layer, "bias"])
            for layer in ("coordinates", "inverse_coordinates")
        )
        device = next(self.buffers()).device
        self.set_coordinates(forward, inverse)
        self.to(device)

    def features(self, x: Tensor) -> Tensor:
        """Return rows without their condition."""
        return x[..., : -self.n_condition] if self.n_condition else x

    def conditioned(self, code: Tensor, x: Tensor) -> Tensor:
        """Return the code of each row with its condition, as the decoder takes it."""
        if not self.n_condition:
            return code
        return torch.cat([code, x[..., -self.n_condition :]], dim=-1)

    def trained_code(self, x: Tensor) -> Tensor:
        """Return the code of each row, in the coordinates of training."""
        return self.encoder(x)

    def encode(self, x: Tensor) -> Tensor:
        """Return the code of each row, with its condition if it has one."""
        code = self.trained_code(x)
        if self.coordinates is not None:
            code = self.coordinates(code)
        return self.conditioned(code, x)

    def decode_unlinked(self, code: Tensor) -> Tensor:
        """Return the output of the decoder for each code, before the link."""
        if self.inverse_coordinates is not None:
            code = self.inverse_coordinates(code)
        return self.decoder(code)

    def decode(self, code: Tensor) -> Tensor:
        """Return the reconstruction of each code, in the units of X."""
        return self.link(self.decode_unlinked(code))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the reconstruction of each row, in the units of X."""
        return self.decode(self.encode(x))

    def training_layers(self) -> nn.Sequential:
        """Return the layers of :meth:`trained_code`."""
        return self.layers_of(self.encoder)

    def feature_layers(self) -> nn.Sequential:
        """Return the layers from features to the code, less a shift by a condition."""
        encoder = self.encoder
        if isinstance(encoder, ShiftByCondition):
            encoder = encoder.encoder
        return self.layers_of(encoder)

    def layers_of(self, encoder: nn.Module) -> nn.Sequential:
        """Return the layers from the input of an encoder to the code of training."""
        return RowEncoder(encoder)

    def encoder_layers(self) -> nn.Sequential:
        """Return the layers of :meth:`encode`."""
        layers = self.training_layers()
        if self.coordinates is None:
            return layers
        return RowEncoder(*layers, self.coordinates)

    def decoder_layers(self) -> nn.Sequential:
        """Return the layers of :meth:`decode`."""
        if self.inverse_coordinates is None:
            return LinkedDecoder(self.decoder, self.link)
        decoder = nn.Sequential(self.inverse_coordinates, self.decoder)
        return LinkedDecoder(decoder, self.link)

    def forward(self, x: Tensor) -> dict[str, Any]:
        if not self.keeps_activations:
            code = self.encoder(x)
            return {"code": code, "reconstruction": self.decoder(code)}
        code, activations = run(self.encoder, x)
        reconstruction = self.decoder(code)
        return {
            "code": code,
            "reconstruction": reconstruction,
            "activations": activations,
        }


class VariationalAutoencoderModule(AutoencoderModule):
    """An encoder of posteriors and a decoder, joined by a sample of the code.

    The encoder gives ``2 * n_components`` columns, the mean and the logarithm of
    the variance of a normal distribution for each unit.
    """

    n_columns_per_unit = 2

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the code of each row.

        The log-variance is bounded smoothly, so that no single row can make the
        objective infinite.
        """
        mean, raw = self.encoder(x).to(x.dtype).chunk(2, dim=-1)
        return mean, _MAX_LOG_VAR * torch.tanh(raw / _MAX_LOG_VAR)

    def trained_code(self, x: Tensor) -> Tensor:
        return self.posterior(x)[0]

    def layers_of(self, encoder: nn.Module) -> nn.Sequential:
        return RowEncoder(encoder, FirstHalf())

    def forward(self, x: Tensor) -> dict[str, Any]:
        mean, log_var = self.posterior(x)
        noise = self.stream.normal_like(mean)
        code = torch.addcmul(mean, torch.exp(0.5 * log_var), noise)
        return {
            "code": code,
            "mean": mean,
            "log_var": log_var,
            "reconstruction": self.decoder(self.conditioned(code, x)),
        }
