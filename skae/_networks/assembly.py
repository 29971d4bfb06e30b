"""From an encoder and a decoder to one module that can be trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skae._data.gaps import Factors, FilledRows, fit_factors
from skae._data.layout import Layout
from skae._data.rows import Rows
from skae._data.statistics import Statistics
from skae._data.units import Units
from skae._networks.architecture import Architecture
from skae._networks.autoencoder import AutoencoderModule
from skae._networks.factory import build_decoder, build_encoder, is_outlined
from skae._networks.layers import (
    FillGaps,
    OnFeatures,
    ShiftByCondition,
    Standardize,
    ToImage,
    Unstandardize,
)
from skae._networks.linear_path import (
    Augment,
    AugmentedRows,
    PrincipalAxes,
    add_linear_path,
    compute_principal_axes,
    start_at_pca,
)
from skae._random import RandomStream


@dataclass(frozen=True)
class Assembly:
    """All that is needed to build the module; calling it builds the module.

    The shipped architectures map standardised rows to standardised reconstructions: the
    layers that scale are part of the module, so that encoder and decoder work in the
    units of X. Custom modules work in these units themselves.

    Parameters
    ----------
    module_class : type
        :class:`~skae._networks.autoencoder.AutoencoderModule` or its variational kind.
    encoder, decoder : Architecture, torch.nn.Module or callable
        Architectures, modules or builders.
    layout : Layout
        The shape of a sample.
    n_components : int
        Size of the code.
    code_activation : callable or None
        Factory of the last layer of the encoder.
    link : callable
        Factory of the module from the output of the decoder to the units of X.
    start, slope : ndarray of shape (n_features,)
        Initial output of the decoder, and by how much it changes with a reconstruction
        in the units of X.
    statistics : Statistics
        Statistics of the training rows, with which data are standardised.
    seed : int
        Seed of the random stream of training.
    dtype : str
        Name of the floating type of the weights.
    is_free : bool, default=False
        Whether the code gets coordinates after training.
    axes : PrincipalAxes or None, default=None
        Axes that linear paths start from; None leaves random weights.
    is_known : bool, default=False
        Whether weights will be loaded, so that no network has to be run.
    units : Units or None, default=None
        Units of the training rows, None for those of X.
    takes_gaps : bool, default=False
        Whether rows may have gaps, which a first layer fills.
    factors : Factors or None, default=None
        The model that fills them; None leaves it to be loaded.
    n_condition : int, default=0
        Number of columns that are the condition of a row.
    """

    module_class: type[AutoencoderModule]
    encoder: Any
    decoder: Any
    layout: Layout
    n_components: int
    code_activation: Callable[[], nn.Module] | None
    link: Callable[[], nn.Module]
    start: np.ndarray
    slope: np.ndarray
    statistics: Statistics
    seed: int
    dtype: str
    is_free: bool = False
    axes: PrincipalAxes | None = None
    is_known: bool = False
    units: Units | None = None
    takes_gaps: bool = False
    factors: Factors | None = None
    n_condition: int = 0

    def __call__(self) -> AutoencoderModule:
        dtype = getattr(torch, self.dtype)
        mean = torch.as_tensor(self.statistics.mean, dtype=dtype)
        n_out = self.n_components * self.module_class.n_columns_per_unit
        encoder, decoder = self._scaled(*self._networks(n_out), mean)
        if self.code_activation is not None:
            encoder = nn.Sequential(encoder, self.code_activation())
        if self.takes_gaps:
            factors = self.factors or Factors.outline(self.layout.n_features)
            encoder = nn.Sequential(FillGaps(factors), encoder)
        if self.n_condition:
            encoder, decoder = self._conditioned(encoder, decoder, n_out)
        module = self.module_class(
            encoder,
            decoder,
            link=self.link(),
            scale=self.statistics.scale,
            stream=RandomStream(self.seed),
            n_free=self.n_components if self.is_free else None,
            takes_gaps=self.takes_gaps,
            n_condition=self.n_condition,
        ).to(dtype)
        if self.is_known:
            return module
        module.to(mean.device)  # trained modules may come from a GPU
        x = torch.cat([mean.expand(2, -1), mean.new_zeros(2, self.n_condition)], dim=1)
        code = check_width(module.encoder, x, n_out, "encoder")
        code = module.conditioned(code[:, : self.n_components], x)
        check_width(module.decoder, code, len(mean), "decoder")
        return module

    def _conditioned(
        self, encoder: nn.Module, decoder: nn.Module, n_out: int
    ) -> tuple[nn.Module, nn.Module]:
        """Return networks that take a condition behind a row, or behind a code.

        It is made as long as a standardised row, for shipped decoders half as long. As
        zeros and ones it would be too short to learn from before the code holds the
        same, which the decoder then uses instead.
        """
        length, n = math.sqrt(self.layout.n_features), self.n_condition
        encoder = ShiftByCondition(encoder, n, n_out, length)
        if isinstance(self.decoder, Architecture):
            first = OnFeatures(nn.Identity(), n, length / 2)
            decoder = nn.Sequential(first, *decoder.children())
        return encoder, decoder

    def _networks(self, n_out: int) -> tuple[nn.Module, nn.Module]:
        """Build both networks, with their initial weights."""
        n_features = self.layout.n_features
        encoder = build_encoder(self.encoder, self.layout, n_out)
        n_code = self.n_components + self.n_condition
        decoder = build_decoder(self.decoder, n_code, self.layout)
        if isinstance(self.encoder, Architecture):
            if self.encoder.tied:
                self.encoder.tie(encoder, decoder)
            if self._draws(self.encoder):
                self.encoder.draw_weights(encoder)
            if self._starts_at_pca(self.encoder):
                encoder = add_linear_path(encoder, n_features, n_out)
        if isinstance(self.decoder, Architecture):
            if self._draws(self.decoder):
                self.decoder.draw_weights(decoder)
                self.decoder.prepare_output(decoder, self.statistics)
            if self._starts_at_pca(self.decoder):
                decoder = add_linear_path(decoder, self.n_components, n_features)
        if self.axes is not None:
            self.set_start(encoder, decoder, self.axes)
        return encoder, decoder

    def _draws(self, slot: Architecture) -> bool:
        """Tell whether an architecture draws weights; the user's may do more then."""
        return not (self.is_known and is_outlined(slot))

    def check_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Refuse weights of other shapes than the networks have.

        The networks are built without memory, on torch's meta device. Those whose code
        is the user's are left out.

        Parameters
        ----------
        weights : dict of Tensor
            The state of a module that an equal assembly has built.
        """
        slots = {"encoder": self.encoder, "decoder": self.decoder}
        ours = {name: slot for name, slot in slots.items() if is_outlined(slot)}
        for name, slot in ours.items():
            if isinstance(slot, Architecture) and slot.depth > len(weights):
                raise ValueError(
                    f"the {name} has {slot.depth} layers or more, but there are "
                    f"{len(weights)} arrays of weights"
                )
        left_out: Any = dict.fromkeys(slots.keys() - ours.keys(), nn.Identity())
        outline = replace(self, is_known=True, is_free=False, axes=None, **left_out)
        with torch.device("meta"):
            module = outline()
        # A compiled module, which torch has wrapped, puts a prefix before each name.
        given = {name.removeprefix("_orig_mod."): x for name, x in weights.items()}
        expected = {
            k: (tuple(x.shape), x.dtype) for k, x in module.state_dict().items()
        }
        if self.is_free and "coordinates.bias" in given:
            expected |= self._coordinates(len(given["coordinates.bias"]))
        for name, kind in expected.items():
            x = given.get(name)
            found = None if x is None else (tuple(x.shape), x.dtype)
            if found != kind:
                raise ValueError(
                    f"size mismatch for {name}: {_text(found)} where the networks "
                    f"have {_text(kind)}"
                )

    def _coordinates(self, n_kept: int) -> dict[str, tuple[tuple[int, ...], Any]]:
        """Return shapes and types of coordinates of a code, some cut off."""
        n_all, dtype = self.n_components, getattr(torch, self.dtype)
        return {
            "coordinates.weight": ((n_kept, n_all), dtype),
            "coordinates.bias": ((n_kept,), dtype),
            "inverse_coordinates.weight": ((n_all, n_kept), dtype),
            "inverse_coordinates.bias": ((n_all,), dtype),
        }

    def restart(
        self,
        module: AutoencoderModule,
        rows: Rows,
        augment: Augment | None = None,
        weight: np.ndarray | None = None,
    ) -> float | None:
        """Set the linear paths of a trained module to PCA of all rows; return its R².

        Parameters
        ----------
        module : AutoencoderModule
            A module that this assembly has built, with the weights that it had then.
        rows : ndarray of shape (n_rows, n_features)
            The rows.
        augment : callable or None
            The augmentation of a batch.
        weight : ndarray of shape (n_rows,) or None
            How much each row counts.
        """
        if not self.has_linear_paths:
            return None
        indices = np.arange(len(rows))
        if self.takes_gaps:
            factors = fit_factors(rows, indices, self.statistics, weight)
            module.fill_layer.set(factors)
            self = replace(self, factors=factors)
        axes = self.find_axes(rows, indices, augment, weight)
        self.set_start(module.encoder, module.decoder, axes)
        return axes.share

    @property
    def has_linear_paths(self) -> bool:
        """Whether both networks have linear paths, which start as PCA."""
        return all(map(self._starts_at_pca, (self.encoder, self.decoder)))

    def _starts_at_pca(self, slot: Any) -> bool:
        """Tell whether a network has a linear path; PCA knows of no condition."""
        is_shipped = isinstance(slot, Architecture) and slot.starts_at_pca
        return is_shipped and not self.n_condition

    def find_axes(
        self,
        rows: Rows,
        indices: np.ndarray,
        augment: Augment | None = None,
        weight: np.ndarray | None = None,
    ) -> PrincipalAxes:
        """Return the principal axes of some rows, augmented as in training."""
        source: Any = rows if self.factors is None else FilledRows(rows, self.factors)
        if augment is not None:
            source = AugmentedRows(source, augment, self.seed)
            indices = source.views_of(indices)
            weight = None if weight is None else weight.repeat(source.n_views)
        axes = compute_principal_axes(
            source,
            indices,
            self.n_components,
            statistics=self.statistics,
            seed=self.seed,
            weight=weight,
        )
        if source is rows:  # the mean of all rows is known
            axes = replace(axes, mean=np.zeros_like(axes.mean))
        return axes

    def set_start(
        self, encoder: nn.Module, decoder: nn.Module, axes: PrincipalAxes
    ) -> None:
        """Set the linear paths of both networks, without scaling layers, to PCA."""
        scale = self.statistics.scale
        start_at_pca(
            encoder,
            decoder,
            axes,
            n_components=self.n_components,
            code_activation=self.code_activation,
            whiten=self.module_class.n_columns_per_unit > 1,
            output_scale=self._output_scale() / (self.slope * scale),
        )

    def _scaled(
        self, encoder: nn.Module, decoder: nn.Module, mean: torch.Tensor
    ) -> tuple[nn.Module, nn.Module]:
        """Add scaling layers to shipped networks, which then work in the units of X."""
        if isinstance(self.encoder, Architecture):
            scale = torch.tensor(self.statistics.scale, dtype=mean.dtype)
            encoder = nn.Sequential(Standardize(mean, scale), encoder)
        if isinstance(self.decoder, Architecture):
            start, scale = (
                torch.as_tensor(values, dtype=mean.dtype)
                for values in (self.start, self._output_scale())
            )
            decoder = nn.Sequential(decoder, Unstandardize(start, scale))
        return encoder, decoder

    def _output_scale(self) -> np.ndarray:
        """Return the factor of the output of a shipped decoder, 1 before a link."""
        if self.link is not nn.Identity:
            return np.ones(self.layout.n_features)
        return self.decoder.output_scale(self.statistics)


def _text(kind: tuple[tuple[int, ...], Any] | None) -> str:
    return "nothing" if kind is None else f"{kind[1]} of shape {kind[0]}"


def check_width(
    module: nn.Module, x: torch.Tensor, n_out: int, name: str
) -> torch.Tensor:
    """Run a module on two rows and check the width of its output."""
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            out = module(x)
    except RuntimeError as error:
        raise ValueError(
            f"The {name} cannot take {_input_description(module, x, name)}: {error}. "
            f"{_REMEDIES[name]}"
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
            f"expected{_EXPECTED_WIDTH[name]}."
        )
    return out


def _input_description(module: nn.Module, x: torch.Tensor, name: str) -> str:
    """Return a description of the input of the first layer for the rows ``x``."""
    if name == "decoder":
        return f"codes of shape {tuple(x.shape[1:])}"
    first = module
    while isinstance(first, nn.Sequential) and len(first) > 0:
        first = first[0]
    if not isinstance(first, ToImage):
        return f"rows of shape {tuple(x.shape[1:])}"
    if len(first.image_shape) == 2:
        return f"signals of shape (channels, length) = {first.image_shape}"
    return f"images of shape (channels, height, width) = {first.image_shape}"


_REMEDIES = {
    "encoder": (
        "A custom module gets samples as fit saw them; let its first layer take "
        "that shape, begin it with torch.nn.Flatten() to get rows, or pass a builder "
        "(n_in, n_out) -> torch.nn.Module."
    ),
    "decoder": (
        "Let its first layer take n_components values, or pass a builder (n_in, "
        "n_out) -> torch.nn.Module."
    ),
}
_EXPECTED_WIDTH = {
    "encoder": ": n_components, or 2 * n_components for a variational autoencoder",
    "decoder": ": the number of features of a sample of X",
}
