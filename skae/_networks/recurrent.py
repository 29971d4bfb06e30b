"""Recurrent networks, for signals."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from skae._data.layout import Layout
from skae._networks.architecture import COUNT, Architecture


class ToFrames(nn.Module):
    """Cut flat rows of signals into frames, ``(n, n_frames, channels * size)``.

    The last frame is filled up with zeros, the mean of standardised rows.

    Parameters
    ----------
    channels, length : int
        Shape of a signal.
    size : int
        Time steps of a frame.
    """

    def __init__(self, channels: int, length: int, size: int) -> None:
        super().__init__()
        self.channels = channels
        self.length = length
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        signal = x.reshape(-1, self.channels, self.length)
        n_frames = math.ceil(self.length / self.size)
        signal = F.pad(signal, (0, n_frames * self.size - self.length))
        frames = signal.unflatten(2, (n_frames, self.size))
        return frames.movedim(1, 2).flatten(2)


class FromFrames(nn.Module):
    """Join frames into flat rows of signals, the reverse of :class:`ToFrames`.

    Parameters
    ----------
    channels, length : int
        Shape of a signal.
    size : int
        Time steps of a frame.
    """

    def __init__(self, channels: int, length: int, size: int) -> None:
        super().__init__()
        self.channels = channels
        self.length = length
        self.size = size

    def forward(self, frames: Tensor) -> Tensor:
        signal = frames.unflatten(2, (self.channels, self.size)).movedim(2, 1)
        return signal.flatten(2)[..., : self.length].flatten(1)


class BidirectionalLSTM(nn.LSTM):
    """An LSTM in both directions that gives its states at every step, and only them.

    Parameters
    ----------
    n_in : int
        Width of a step.
    n_out : int
        Width of a state, half of it for each direction.
    n_layers : int
        LSTMs on top of each other.
    """

    def __init__(self, n_in: int, n_out: int, n_layers: int) -> None:
        super().__init__(
            n_in, n_out // 2, n_layers, batch_first=True, bidirectional=True
        )

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x)[0]


class Recurrent(Architecture):
    """Long short-term memory [1]_ over a signal; the decoder mirrors the encoder.

    A signal is cut into frames. An LSTM reads them in both directions [2]_, and a
    linear layer computes the code from its states at all frames. It suits signals whose
    events occur at different times, as the same weights see every frame. With fewer
    than some hundreds of signals it overfits, and on aligned signals a dense network is
    as good. Training takes about ten times as long as that of a dense network.

    Read more in the :ref:`user guide <guide-networks>`.

    Parameters
    ----------
    hidden_size : int, default=64
        Width of the state at each frame, half of it for each direction; even.

    n_layers : int, default=2
        Number of LSTMs on top of each other.

    n_frames : int, default=16
        Most frames, of equal size, that a signal is cut into. A frame holds all
        channels.

    References
    ----------
    .. [1] Hochreiter & Schmidhuber, "Long short-term memory", Neural Computation 9 (8),
       1997. :doi:`10.1162/neco.1997.9.8.1735`
    .. [2] Graves & Schmidhuber, "Framewise phoneme classification with bidirectional
       LSTM and other neural network architectures", Neural Networks 18, 2005.
       :doi:`10.1016/j.neunet.2005.06.042`

    Examples
    --------
    >>> import numpy as np
    >>> from skae import AutoencoderTransformer, Recurrent
    >>> X = np.random.default_rng(0).normal(size=(40, 2, 32))  # two channels
    >>> encoder = Recurrent(hidden_size=16)
    >>> ae = AutoencoderTransformer(4, encoder=encoder, max_epochs=2).fit(X)
    >>> ae.transform(X).shape, ae.reconstruct(X).shape
    ((40, 4), (40, 2, 32))
    """

    needs_axes = True
    default_layout = "signal"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_size": [COUNT],
        "n_layers": [COUNT],
        "n_frames": [COUNT],
    }

    def __init__(
        self, hidden_size: int = 64, *, n_layers: int = 2, n_frames: int = 16
    ) -> None:
        self.hidden_size = hidden_size
        self.n_layers = n_layers
        self.n_frames = n_frames

    @property
    def depth(self) -> int:
        """A number of layers that each network has at least."""
        return 1 + self.n_layers

    def encoder(self, layout: Layout, n_out: int) -> nn.Module:
        """Build the network from rows to ``n_out`` columns."""
        channels, length, size = self._shape(layout)
        n_frames = math.ceil(length / size)
        return nn.Sequential(
            ToFrames(channels, length, size),
            BidirectionalLSTM(channels * size, self.hidden_size, self.n_layers),
            nn.Flatten(),
            nn.Linear(n_frames * self.hidden_size, n_out),
        )

    def decoder(self, n_in: int, layout: Layout) -> nn.Module:
        """Build the network from ``n_in`` columns to rows."""
        channels, length, size = self._shape(layout)
        n_frames = math.ceil(length / size)
        return nn.Sequential(
            nn.Linear(n_in, n_frames * self.hidden_size),
            nn.Unflatten(1, (n_frames, self.hidden_size)),
            BidirectionalLSTM(self.hidden_size, self.hidden_size, self.n_layers),
            nn.Linear(self.hidden_size, channels * size),
            FromFrames(channels, length, size),
        )

    def _shape(self, layout: Layout) -> tuple[int, int, int]:
        """Return channels and length of a signal, and the size of a frame."""
        if self.hidden_size % 2:
            raise ValueError(
                f"hidden_size={self.hidden_size} must be even: half of it is for each "
                "direction."
            )
        shape = layout.image_shape
        if shape is None or len(shape) != 2:
            raise ValueError(
                "A recurrent network reads signals (channels, length), but samples are "
                f"images of shape {shape}. Set layout='signal' with X of shape "
                "(n_samples, channels, length), or use 'conv'."
            )
        channels, length = shape
        return channels, length, math.ceil(length / self.n_frames)
