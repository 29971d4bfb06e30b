"""Layers of the shipped architectures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skae._data.gaps import Factors
from skae._distributed.share import current_share, n_rows_of_batch


class Standardize(nn.Module):
    """``(x - shift) / scale``, with a shift for each feature.

    Parameters
    ----------
    shift : Tensor of shape (n_features,)
        The subtrahend.
    scale : Tensor of shape () or (n_features,)
        The divisor.
    """

    def __init__(self, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)

    shift: Tensor
    scale: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.shift) / self.scale


class Unstandardize(Standardize):
    """``x * scale + shift``, the reverse of :class:`Standardize`."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.shift, x, self.scale)


class OnFeatures(nn.Module):
    """A layer for the features of rows that end with a condition.

    Parameters
    ----------
    layer : torch.nn.Module
        From rows to rows.
    n_condition : int
        Number of columns of the condition.
    factor : float, default=1.0
        What the condition is multiplied by.
    """

    def __init__(self, layer: nn.Module, n_condition: int, factor: float = 1.0) -> None:
        super().__init__()
        self.layer = layer
        self.n_condition = n_condition
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        features, condition = x[:, : -self.n_condition], x[:, -self.n_condition :]
        out = self.layer(features)
        return torch.cat([out, (self.factor * condition).to(out.dtype)], dim=1)


class BesideCondition(OnFeatures):
    """The output of a layer that takes features and condition, then the condition."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.layer(x), x[:, -self.n_condition :]], dim=1)


class WithKnownColumns(nn.Module):
    """A decoder whose output has the columns of X that are its condition.

    Parameters
    ----------
    decoder : torch.nn.Module
        From codes, followed by their condition, to rows in the units of X.
    columns : sequence of int
        The columns of X.
    mean, scale : ndarray of shape (n_condition,)
        What the condition is a multiple of, and what is added to it.
    """

    def __init__(
        self,
        decoder: nn.Module,
        columns: Sequence[int],
        mean: np.ndarray,
        scale: np.ndarray,
    ) -> None:
        super().__init__()
        self.decoder = decoder
        self.columns = list(columns)
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("scale", torch.from_numpy(scale))

    mean: Tensor
    scale: Tensor

    def forward(self, code: Tensor) -> Tensor:
        rows = self.decoder(code)
        condition = code[:, -len(self.columns) :].to(rows.dtype)
        known = condition * self.scale.to(rows.dtype) + self.mean.to(rows.dtype)
        parts, end = [], 0
        for place, column in sorted(enumerate(self.columns), key=lambda pair: pair[1]):
            parts += [rows[:, end:column], known[:, place : place + 1]]
            end = column + 1
        return torch.cat([*parts, rows[:, end:]], dim=1)


class ShiftByCondition(nn.Module):
    """An encoder of features whose output is shifted by a linear map of the condition.

    The map starts at zero. Since the condition does not enter the encoder itself, codes
    under different conditions have one arrangement.

    Parameters
    ----------
    encoder : torch.nn.Module
        From features to codes.
    n_condition : int
        Number of columns of the condition.
    n_out : int
        Number of columns of a code.
    factor : float
        What the condition is multiplied by.
    """

    def __init__(
        self, encoder: nn.Module, n_condition: int, n_out: int, factor: float
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.shift = nn.Linear(n_condition, n_out, bias=False)
        nn.init.zeros_(self.shift.weight)
        self.n_condition = n_condition
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        features, condition = x[:, : -self.n_condition], x[:, -self.n_condition :]
        return self.encoder(features) + self.shift(self.factor * condition)


class BlockSoftmax(nn.Module):
    """From logits to probabilities in blocks of columns; others stay as they are.

    Parameters
    ----------
    spans : sequence of (int, int)
        For each block its first column and the one after its last, in their order.
    """

    def __init__(self, spans: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.spans = tuple(tuple(span) for span in spans)

    def forward(self, x: Tensor) -> Tensor:
        parts, end = [], 0
        for start, stop in self.spans:
            parts += [x[..., end:start], torch.softmax(x[..., start:stop], dim=-1)]
            end = stop
        return torch.cat([*parts, x[..., end:]], dim=-1)


class PrincipalMap(nn.Linear):
    """A linear layer that starts as PCA."""


class Affine(nn.Module):
    """A fixed affine map, ``weight @ x + bias``, that is measured and not trained.

    Parameters
    ----------
    weight : Tensor of shape (n_out, n_in)
        The matrix.
    bias : Tensor of shape (n_out,)
        The offset.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    weight: Tensor
    bias: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class LinearPath(nn.Module):
    """A linear map beside other layers; the output is the sum of both.

    Parameters
    ----------
    linear : PrincipalMap
        The linear map.
    layers : torch.nn.Module
        Layers with the same input and an output of the same width.
    """

    def __init__(self, linear: PrincipalMap, layers: nn.Module) -> None:
        super().__init__()
        self.linear = linear
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.layers(x)


class ToUnits(nn.Module):
    """``(x - origin) / ratio`` in float64, then in the type of a network.

    Parameters
    ----------
    origin, ratio : Tensor of shape (n_features,)
        The units of a network, in float64.
    dtype : torch.dtype
        The type of the result.
    """

    def __init__(self, origin: Tensor, ratio: Tensor, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("origin", origin)
        self.register_buffer("ratio", ratio)
        self.dtype = dtype

    origin: Tensor
    ratio: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return ((x.to(self.origin.dtype) - self.origin) / self.ratio).to(self.dtype)


class FromUnits(nn.Module):
    """``x * ratio + origin`` in float64, the reverse of :class:`ToUnits`.

    Parameters
    ----------
    origin, ratio : Tensor of shape (n_features,)
        The units of a network, in float64.
    """

    def __init__(self, origin: Tensor, ratio: Tensor) -> None:
        super().__init__()
        self.register_buffer("origin", origin)
        self.register_buffer("ratio", ratio)

    origin: Tensor
    ratio: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return x.to(self.origin.dtype) * self.ratio + self.origin


class FillGaps(nn.Module):
    """Replace NaN by what factor analysis expects there, given the rest of the row.

    Parameters
    ----------
    factors : Factors
        The Gaussian model of rows.
    """

    def __init__(self, factors: Factors) -> None:
        super().__init__()
        for name, value in vars(factors).items():
            self.register_buffer(name, torch.as_tensor(value))

    mean: Tensor
    loadings: Tensor
    noise: Tensor
    low: Tensor
    high: Tensor

    @torch.no_grad()
    def set(self, factors: Factors) -> None:
        """Set another model of rows."""
        for name, value in vars(factors).items():
            getattr(self, name).copy_(torch.as_tensor(value))

    @torch.no_grad()
    def widen(self, low: np.ndarray, high: np.ndarray) -> None:
        """Let expected values reach the extremes of further rows."""
        self.low.copy_(torch.fmin(self.low, torch.as_tensor(low).to(self.low)))
        self.high.copy_(torch.fmax(self.high, torch.as_tensor(high).to(self.high)))

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(1)
        gaps = rows.isnan()
        is_exported = torch.compiler.is_compiling()
        if not is_exported and not gaps.any():
            return x
        solve: Any = _eliminate if is_exported else torch.linalg.solve
        return self.fill(rows, *self.model, solve=solve).reshape(x.shape)

    @property
    def model(self) -> tuple[Tensor, ...]:
        """The Gaussian model of rows."""
        return self.mean, self.loadings, self.noise, self.low, self.high

    @staticmethod
    def fill(
        rows: Tensor,
        mean: Tensor,
        loadings: Tensor,
        noise: Tensor,
        low: Tensor,
        high: Tensor,
        *,
        solve: Any = torch.linalg.solve,
    ) -> Tensor:
        """Return rows with expected values in their gaps, by a Gaussian model."""
        gaps = rows.isnan()
        offset = torch.where(gaps, 0.0, rows - mean)
        scaled = loadings / noise.unsqueeze(1)
        n_factors = loadings.shape[1]
        products = scaled.unsqueeze(2) * loadings.unsqueeze(1)
        precision = (~gaps).to(rows.dtype) @ products.flatten(1)
        precision = precision.unflatten(1, (n_factors, n_factors))
        unit = torch.eye(n_factors, dtype=rows.dtype, device=rows.device)
        precision = precision + unit
        expected = mean + solve(precision, offset @ scaled) @ loadings.T
        return torch.where(gaps, torch.clamp(expected, low, high), rows)


def _eliminate(matrix: Tensor, vector: Tensor) -> Tensor:
    """Solve systems with positive definite matrices, by operations that ONNX has."""
    for i, unit in enumerate(torch.eye(matrix.shape[1], dtype=matrix.dtype)):
        row = matrix[:, i] / matrix[:, i, i].unsqueeze(1)
        value = vector[:, i] / matrix[:, i, i]
        column = matrix[:, :, i] - unit
        matrix = matrix - column.unsqueeze(2) * row.unsqueeze(1)
        vector = vector - column * value.unsqueeze(1)
    return vector


class ToImage(nn.Module):
    """Reshape flat rows to images or signals, channels first.

    Parameters
    ----------
    image_shape : sequence of int
        ``(channels, height, width)`` or ``(channels, length)``.
    channels_last : bool, default=False
        Whether the channels of a pixel are adjacent in a row.
    interleaved : bool, default=False
        Whether to make them adjacent in memory, where convolutions are fastest.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        channels_last: bool = False,
        *,
        interleaved: bool = False,
    ) -> None:
        super().__init__()
        self.image_shape = tuple(image_shape)
        self.channels_last = channels_last
        self.interleaved = interleaved

    def forward(self, x: Tensor) -> Tensor:
        if self.channels_last:
            channels, *size = self.image_shape
            image = x.reshape(-1, *size, channels).movedim(-1, 1)
        else:
            image = x.reshape(-1, *self.image_shape)
        if self.interleaved and image.ndim == 4:
            return image.contiguous(memory_format=torch.channels_last)
        return image


class ToRows(nn.Module):
    """Flatten images or signals, channels first, to rows in the order of X."""

    def __init__(self, channels_last: bool = False) -> None:
        super().__init__()
        self.channels_last = channels_last

    def forward(self, x: Tensor) -> Tensor:
        if self.channels_last and x.ndim > 2:
            x = x.movedim(1, -1)
        return x.flatten(1)


class GELU(nn.GELU):
    """torch's GELU, but as fast on maps with interleaved channels."""

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4:
            return super().forward(x)
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class ClippedReLU(nn.Hardtanh):
    """``x`` clipped to [0, 1]: constant far from the training rows."""

    def __init__(self) -> None:
        super().__init__(0.0, 1.0)


class Hardsigmoid(nn.Module):
    """``x / 6 + 1/2``, clamped to [0, 1]: torch's layer, but twice differentiable."""

    def forward(self, x: Tensor) -> Tensor:
        return (x / 6 + 0.5).clamp(0, 1)


class TransposedLinear(nn.Module):
    """The transpose of a linear layer, with the same weight and a separate bias.

    Parameters
    ----------
    weight : torch.nn.Parameter of shape (n_in, n_out)
        The weight of the linear layer, shared by both.
    bias : torch.nn.Parameter of shape (n_out,)
        The bias.
    """

    def __init__(self, weight: nn.Parameter, bias: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.T, self.bias)


def _require_two_samples(x: Tensor, training: bool) -> Tensor:
    """Refuse to compute the statistics of a single sample."""
    if training and len(x) == 1:
        raise ValueError(
            "batch_norm=True needs two samples or more in each batch of training, but "
            "got one sample. Give more samples or a larger batch_size, or set "
            "batch_norm=False."
        )
    return x


class BatchNorm1d(nn.BatchNorm1d):
    """torch's layer, but with an explanatory error for a single sample."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(_require_two_samples(x, self.training))


class BatchNorm2d(nn.BatchNorm2d):
    """torch's layer, but with an explanatory error for a single sample."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(_require_two_samples(x, self.training))


class TopK(nn.Module):
    """Keep the ``k`` largest entries of each row and set the others to zero."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        values, indices = x.topk(self.k, dim=1, sorted=False)
        return torch.zeros_like(x).scatter(1, indices, values)


class LifetimeTopK(nn.Module):
    """In training set all but the largest entries of each column to zero.

    In evaluation no entry is changed, so that rows are independent.

    Parameters
    ----------
    share : float
        Fraction of the rows that is not set to zero, at least one row.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        k = max(1, round(self.share * n_rows_of_batch(x)))
        share = current_share()
        if share is not None:  # compared with the rows of other processes
            least = share.whole(x).topk(k, dim=0, sorted=False).values.amin(0)
            return torch.where(x >= least, x, 0.0)
        values, indices = x.topk(k, dim=0, sorted=False)
        return torch.zeros_like(x).scatter(0, indices, values)


class FirstHalf(nn.Module):
    """The first half of the columns: the means among ``(mean, log_var)``."""

    def forward(self, x: Tensor) -> Tensor:
        return x.chunk(2, dim=1)[0]
