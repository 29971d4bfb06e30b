"""The shipped architectures, and how the slots become an encoder and a decoder."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from skae._data.layout import Layout
from skae._networks.modules import (
    GELU,
    BatchNorm1d,
    BatchNorm2d,
    Hardsigmoid,
    ToImage,
    ToRows,
    takes_rows,
)

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

# For signals and for pictures.
_POOLINGS: dict[str, tuple[type[nn.Module], type[nn.Module]]] = {
    "average": (nn.AvgPool1d, nn.AvgPool2d),
    "max": (nn.MaxPool1d, nn.MaxPool2d),
}

_COUNT = Interval(Integral, 1, None, closed="left")

# Most units in the flattened map between the convolutions and the code.
_MAX_FLAT_UNITS = 4096


class Dense(BaseEstimator):
    """Fully connected layers; the decoder mirrors the encoder.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(256,)
        Widths of the hidden layers of the encoder; an int is one layer.

    activation : str, default="gelu"
        Activation after each hidden layer, one of the names that the parameter
        `activation` of :class:`~skae.AutoencoderTransformer` takes.

    init : {"pca", "glorot", "random"}, default="pca"
        How the weights start. With ``"pca"`` a dense encoder and decoder, with a linear
        code, start as PCA of the training rows, with the components whitened, and
        learn from there what is not linear. It takes hidden layers at least twice as
        wide as the code and one of the activations gelu, identity, leaky_relu, relu,
        silu and softplus; other networks, and ``"random"``, start as torch starts
        them. ``"glorot"`` draws weights of variance 2 / (n_in + n_out) [1]_, 16 times
        that after a sigmoid, and biases that center what a layer gets: deep stacks
        of sigmoids learn from there, and not from torch's start.

    batch_norm : bool, default=False
        Whether to normalise each hidden layer over the batch, before its
        activation [2]_. There is no start as PCA then.

    tied : bool, default=False
        Whether the decoder uses the weights of the encoder, transposed, with biases
        of its own [3]_. There is no start as PCA then.

    References
    ----------
    .. [1] Glorot & Bengio, "Understanding the difficulty of training deep feedforward
       neural networks", AISTATS 2010.
    .. [2] Ioffe & Szegedy, "Batch normalization: accelerating deep network training by
       reducing internal covariate shift", ICML 2015. :arxiv:`1502.03167`
    .. [3] Vincent, Larochelle, Lajoie, Bengio & Manzagol, "Stacked denoising
       autoencoders", Journal of Machine Learning Research 11, 2010.

    Examples
    --------
    >>> from skae import AutoencoderTransformer, Dense
    >>> ae = AutoencoderTransformer(8, encoder=Dense((64, 32), activation="tanh"))
    >>> ae.get_params()["encoder__hidden_layer_sizes"]
    (64, 32)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", _COUNT],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "init": [StrOptions({"glorot", "pca", "random"})],
        "batch_norm": ["boolean"],
        "tied": ["boolean"],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (256,),
        *,
        activation: str = "gelu",
        init: str = "pca",
        batch_norm: bool = False,
        tied: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.init = init
        self.batch_norm = batch_norm
        self.tied = tied

    def _layers(self, sizes: Sequence[int]) -> nn.Sequential:
        activation = _activation(self.activation)
        layers: list[nn.Module] = []
        for n_in, n_out in itertools.pairwise(sizes[:-1]):
            layers.append(nn.Linear(n_in, n_out))
            if self.batch_norm:
                layers.append(BatchNorm1d(n_out))
            layers.append(activation())
        return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))

    def encoder(self, layout: Layout, n_out: int) -> nn.Module:
        """Build the network from rows to ``n_out`` columns."""
        return self._layers((layout.n_features, *self.widths(), n_out))

    def decoder(self, n_in: int, layout: Layout) -> nn.Module:
        """Build the network from ``n_in`` columns to rows."""
        return self._layers((n_in, *self.widths()[::-1], layout.n_features))

    def widths(self) -> tuple[int, ...]:
        """Return the widths of the hidden layers, checked."""
        sizes = np.atleast_1d(self.hidden_layer_sizes).tolist()
        if not all(map(_is_count, sizes)):
            raise ValueError(
                f"hidden_layer_sizes={self.hidden_layer_sizes!r} must hold widths of "
                "at least 1, all whole."
            )
        return tuple(int(size) for size in sizes)


class Conv(BaseEstimator):
    """Strided or pooled convolutions; the decoder mirrors the encoder.

    Each layer halves every axis that is longer than one. Layers of the last width
    are added until the map that the code is computed from has at most 4096 units, so
    that a large picture gets a deeper network and not a wider one. Signals are
    convolved along their one axis.

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

    activation : str, default="gelu"
        Activation after each convolution, one of the names that the parameter
        `activation` of :class:`~skae.AutoencoderTransformer` takes.

    batch_norm : bool, default=False
        Whether to normalise each channel over the batch, before the activation.

    pooling : {"max", "average"} or None, default=None
        What halves the maps of the encoder: the largest or the mean of each 2 x 2
        pixels, after the activation. None is a stride of 2, as the decoder has.

    Examples
    --------
    >>> from skae import Conv, VariationalAutoencoder
    >>> vae = VariationalAutoencoder(2, encoder=Conv(channels=(8, 16)))
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "channels": ["array-like", _COUNT],
        "image_shape": ["array-like", None],
        "kernel_size": [_COUNT],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "batch_norm": ["boolean"],
        "pooling": [StrOptions(set(_POOLINGS)), None],
    }

    def __init__(
        self,
        channels: int | Sequence[int] = (16, 32),
        image_shape: Sequence[int] | None = None,
        *,
        kernel_size: int = 3,
        activation: str = "gelu",
        batch_norm: bool = False,
        pooling: str | None = None,
    ) -> None:
        self.channels = channels
        self.image_shape = image_shape
        self.kernel_size = kernel_size
        self.activation = activation
        self.batch_norm = batch_norm
        self.pooling = pooling

    def _shapes(self, layout: Layout) -> list[tuple[int, ...]]:
        """Return the shape of the map before the first and after each convolution."""
        if layout.image_shape is None:
            raise ValueError("a convolution needs a layout with an image_shape")
        channels = np.atleast_1d(self.channels).tolist()
        if not channels or not all(map(_is_count, channels)):
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

    def _bend(self, shape: tuple[int, ...]) -> list[nn.Module]:
        """Return the layers that end a hidden map."""
        activation = _activation(self.activation)()
        if not self.batch_norm:
            return [activation]
        kind = BatchNorm1d if len(shape) == 2 else BatchNorm2d
        return [kind(shape[0]), activation]

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
                *self._bend(after),
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
            # What a length needs to come back to itself exactly, odd or even.
            extra = tuple(
                long - ((short - 1) * stride + 1)
                for long, short, stride in zip(
                    after[1:], before[1:], strides, strict=True
                )
            )
            layers += [
                *self._bend(before),
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


ARCHITECTURES: dict[str, Callable[[], Dense | Conv]] = {"dense": Dense, "conv": Conv}


def _interleaved(network: nn.Sequential) -> nn.Sequential:
    """Lay out the kernels of convolutions as the maps are that they meet."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _is_count(value: object) -> bool:
    """Tell whether a value is a whole number of at least 1, 64.0 included."""
    return isinstance(value, (int, float)) and value >= 1 and float(value).is_integer()


def _activation(name: str) -> Callable[[], nn.Module]:
    if name not in ACTIVATIONS:
        raise ValueError(
            f"activation={name!r} is not known. Choose one of "
            f"{', '.join(map(repr, ACTIVATIONS))}."
        )
    return ACTIVATIONS[name]


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(2 if length > 1 else 1 for length in shape[1:])


def resolve(slot: Any, name: str) -> Any:
    """Return what a slot holds: an architecture, a module or a builder.

    The classes of the shipped architectures stand for their defaults, as their names
    do.

    Parameters
    ----------
    slot : str, Dense, Conv, torch.nn.Module or callable
        The value of the parameter.
    name : str
        The name of the parameter, for the error.
    """
    if isinstance(slot, str):
        if slot not in ARCHITECTURES:
            raise ValueError(
                f"{name}={slot!r} is not a shipped architecture. Choose one of "
                f"{', '.join(map(repr, ARCHITECTURES))}, or pass a builder "
                "(n_in, n_out) -> torch.nn.Module."
            )
        return ARCHITECTURES[slot]()
    if isinstance(slot, type) and issubclass(slot, (Dense, Conv)):
        return slot()
    if not (isinstance(slot, (Dense, Conv, nn.Module)) or callable(slot)):
        raise TypeError(
            f"{name}={slot!r} is neither a name, a shipped architecture, a "
            "torch.nn.Module nor a builder (n_in, n_out) -> torch.nn.Module."
        )
    return slot


def is_shipped(slot: Any) -> bool:
    """Tell whether a resolved slot holds an architecture of ours."""
    return isinstance(slot, (Dense, Conv))


def is_tied(slot: Any) -> bool:
    """Tell whether a resolved slot holds a network whose decoder shares its weights."""
    return isinstance(slot, Dense) and slot.tied


def build_encoder(slot: Any, layout: Layout, n_out: int) -> nn.Module:
    """Build the encoder that a resolved slot describes, from flat rows to codes."""
    if is_shipped(slot):
        return slot.encoder(layout, n_out)
    encoder = _own_module(slot, layout.n_features, n_out, "encoder")
    if layout.image_shape is None or takes_rows(encoder):
        return encoder
    return nn.Sequential(ToImage(layout.image_shape, layout.channels_last), encoder)


def build_decoder(slot: Any, n_in: int, layout: Layout) -> nn.Module:
    """Build the decoder that a resolved slot describes, from codes to flat rows."""
    if is_shipped(slot):
        return slot.decoder(n_in, layout)
    decoder = _own_module(slot, n_in, layout.n_features, "decoder")
    if layout.image_shape is None:
        return decoder
    return nn.Sequential(decoder, ToRows(layout.channels_last))


def _own_module(slot: Any, n_in: int, n_out: int, name: str) -> nn.Module:
    if isinstance(slot, nn.Module):
        return copy.deepcopy(slot)
    module = slot(n_in, n_out)
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"The builder {name}={slot!r} returned {type(module).__name__}, but a "
            "torch.nn.Module is expected."
        )
    return module
