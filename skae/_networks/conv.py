"""Convolutional networks, for images and signals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils._param_validation import StrOptions
from torch import nn

from skae._data.layout import Layout
from skae._networks.architecture import (
    ACTIVATIONS,
    COUNT,
    Architecture,
    find_activation,
    is_count,
)
from skae._networks.layers import BatchNorm1d, BatchNorm2d, ToImage, ToRows

# For signals and for images.
_POOLINGS: dict[str, tuple[type[nn.Module], type[nn.Module]]] = {
    "average": (nn.AvgPool1d, nn.AvgPool2d),
    "max": (nn.MaxPool1d, nn.MaxPool2d),
}

# Most units in the flattened map between the convolutions and the code.
_MAX_FLAT_UNITS = 4096


class Conv(Architecture):
    r"""Strided or pooled convolutions; the decoder mirrors the encoder.

    Each layer halves every axis that is longer than one. Layers of the last width
    are added until the map that the code is computed from has at most 4096 units, so
    that a large image gets a deeper network and not a wider one. Signals are convolved
    along their one axis.

    Read more in the :ref:`user guide <guide-networks>`.

    Parameters
    ----------
    channels : int or array-like of int, default=(16, 32)
        Number of channels after each convolution of the encoder; an int is one
        convolution.

    image_shape : tuple of int or None, default=None
        Shape of a flat row, ``(height, width)`` or ``(channels, height, width)``;
        ``(height, width, channels)`` with ``layout="channels_last"`` and
        ``(channels, length)`` with ``layout="signal"``. Not needed where X has axes.

    kernel_size : int, default=3
        Size of the kernels, odd.

    activation : str or None, default=None
        Activation after each convolution, one of the names that the parameter
        `activation` of :class:`~skae.AutoencoderTransformer` takes. None stands for
        ``"gelu"`` for images, whose pixels have a range, and for ``"clipped_relu"`` for
        signals: far from the training rows it is constant.

    batch_norm : bool, default=False
        Whether to normalise each channel over the batch, before the activation.

    pooling : {"max", "average"} or None, default=None
        Pooling that halves the maps of the encoder: the maximum or the mean of each 2 x
        2 pixels, after the activation. None is a stride of 2, as in the decoder.

    init : {"pca", "random"}, default="pca"
        Initialisation of the weights. With ``"pca"`` a linear map is added to the
        convolutions, :math:`z = W x + f(x)` and :math:`\hat x = V z + g(z)`, with the
        principal axes of the training rows in W and V and zeros in the last layers of f
        and g: training starts at PCA and adds what is not linear. ``"random"`` uses the
        initialisation of torch, without a linear map.

    Examples
    --------
    >>> from skae import Conv, VariationalAutoencoder
    >>> vae = VariationalAutoencoder(2, encoder=Conv(channels=(8, 16)))
    """

    needs_axes = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "channels": ["array-like", COUNT],
        "image_shape": ["array-like", None],
        "kernel_size": [COUNT],
        "activation": [StrOptions(set(ACTIVATIONS)), None],
        "batch_norm": ["boolean"],
        "pooling": [StrOptions(set(_POOLINGS)), None],
        "init": [StrOptions({"pca", "random"})],
    }

    def __init__(
        self,
        channels: int | Sequence[int] = (16, 32),
        image_shape: Sequence[int] | None = None,
        *,
        kernel_size: int = 3,
        activation: str | None = None,
        batch_norm: bool = False,
        pooling: str | None = None,
        init: str = "pca",
    ) -> None:
        self.channels = channels
        self.image_shape = image_shape
        self.kernel_size = kernel_size
        self.activation = activation
        self.batch_norm = batch_norm
        self.pooling = pooling
        self.init = init

    @property
    def starts_at_pca(self) -> bool:
        """Whether a linear map that starts as PCA is added to each network."""
        return self.init == "pca"

    @property
    def depth(self) -> int:
        """A number of layers that each network has at least."""
        return 1 + np.atleast_1d(self.channels).size

    def _shapes(self, layout: Layout) -> list[tuple[int, ...]]:
        """Return the shape of the map before the first and after each convolution."""
        if layout.image_shape is None:
            raise ValueError("a convolution needs a layout with an image_shape")
        channels = np.atleast_1d(self.channels).tolist()
        if not channels or not all(map(is_count, channels)):
            raise ValueError(
                f"channels={self.channels!r} must hold at least one number of "
                "channels, each at least 1 and whole."
            )
        channels = [int(width) for width in channels]
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={self.kernel_size!r} must be odd.")
        shapes = [layout.image_shape]
        while channels or math.prod(shapes[-1]) > _MAX_FLAT_UNITS:
            width = channels.pop(0) if channels else shapes[-1][0]
            size = shapes[-1][1:]
            if not channels and max(size) == 1 and len(shapes) > 1:
                break  # nothing left to halve
            shapes.append((width, *(math.ceil(length / 2) for length in size)))
        return shapes

    def _end_layer(self, shape: tuple[int, ...]) -> list[nn.Module]:
        """Return the last layers of a hidden map: normalisation and activation."""
        activation = find_activation(self._activation_for(shape))()
        if not self.batch_norm:
            return [activation]
        kind = BatchNorm1d if len(shape) == 2 else BatchNorm2d
        return [kind(shape[0]), activation]

    def _activation_for(self, shape: tuple[int, ...]) -> str:
        if self.activation is not None:
            return self.activation
        return "clipped_relu" if len(shape) == 2 else "gelu"

    def resolved(self, layout: Layout) -> Self:
        """Return a copy with the activation of images or signals."""
        shape = self._shapes(layout)[0]
        return clone(self).set_params(activation=self._activation_for(shape))

    def encoder(self, layout: Layout, n_out: int) -> nn.Module:
        """Build the network from rows to ``n_out`` columns."""
        shapes = self._shapes(layout)
        layers: list[nn.Module] = [
            ToImage(shapes[0], layout.channels_last, interleaved=True)
        ]
        for before, after in itertools.pairwise(shapes):
            convolution = nn.Conv1d if len(before) == 2 else nn.Conv2d
            strides = _strides(before)
            layers += [
                convolution(
                    before[0],
                    after[0],
                    self.kernel_size,
                    stride=strides if self.pooling is None else 1,  # type: ignore[arg-type]
                    padding=self.kernel_size // 2,
                ),
                *self._end_layer(after),
            ]
            if self.pooling is not None and max(strides) > 1:
                pooling = _POOLINGS[self.pooling][len(before) - 2]
                layers.append(pooling(strides, ceil_mode=True))
        layers += [nn.Flatten(), nn.Linear(math.prod(shapes[-1]), n_out)]
        return _interleaved(nn.Sequential(*layers))

    def decoder(self, n_in: int, layout: Layout) -> nn.Module:
        """Build the network from ``n_in`` columns to rows."""
        shapes = self._shapes(layout)[::-1]
        layers: list[nn.Module] = [
            nn.Linear(n_in, math.prod(shapes[0])),
            ToImage(shapes[0], interleaved=True),
        ]
        for before, after in itertools.pairwise(shapes):
            convolution = nn.ConvTranspose1d if len(before) == 2 else nn.ConvTranspose2d
            strides = _strides(after)
            # Padding that restores each length exactly, odd or even.
            extra = tuple(
                long - ((short - 1) * stride + 1)
                for long, short, stride in zip(
                    after[1:], before[1:], strides, strict=True
                )
            )
            layers += [
                *self._end_layer(before),
                convolution(
                    before[0],
                    after[0],
                    self.kernel_size,
                    stride=strides,  # type: ignore[arg-type]
                    padding=self.kernel_size // 2,
                    output_padding=extra,  # type: ignore[arg-type]
                ),
            ]
        layers.append(ToRows(layout.channels_last))
        return _interleaved(nn.Sequential(*layers))


def _interleaved(network: nn.Sequential) -> nn.Sequential:
    """Use the memory format of the maps for the kernels of convolutions."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(2 if length > 1 else 1 for length in shape[1:])
