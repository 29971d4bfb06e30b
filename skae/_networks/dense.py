"""Fully connected networks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import StrOptions
from torch import nn

from skae._data.layout import Layout
from skae._data.statistics import Statistics
from skae._networks.architecture import (
    ACTIVATIONS,
    COUNT,
    Architecture,
    find_activation,
    is_count,
)
from skae._networks.initialization import (
    draw_glorot_weights,
    tie_weights,
    zero_constant_features,
)
from skae._networks.layers import BatchNorm1d

# Width of the default hidden layer, and the weights that wide rows limit it to.
_WIDTH = 256
_LEAST_WIDTH = 16
_MAX_WEIGHTS = 2**22


class Dense(Architecture):
    r"""Fully connected layers; the decoder mirrors the encoder.

    Read more in the :ref:`user guide <guide-networks>`.

    Parameters
    ----------
    hidden_layer_sizes : int, array-like of int or None, default=None
        Widths of the hidden layers of the encoder; an int is one layer. None is one
        layer of 256 units, or fewer where X has more than 16384 features.

    activation : str, default="clipped_relu"
        Activation after each hidden layer, one of the names that the parameter
        `activation` of :class:`~skae.AutoencoderTransformer` takes.

    init : {"pca", "glorot", "random"}, default="pca"
        Initialisation of the weights. With ``"pca"`` a linear map is added to the
        hidden layers, :math:`z = W x + f(x)` and :math:`\hat x = V z + g(z)` [4]_,
        with the principal axes of the training rows in W and V and zeros in the last
        layers of f and g: training starts at PCA and adds what is not linear.
        ``"random"`` uses the initialisation of torch, without a linear map.
        ``"glorot"`` draws weights of variance 2 / (n_in + n_out) [1]_, 16 times that
        after a sigmoid, and biases that centre the input of each layer: deep stacks of
        sigmoids learn with it, but not with the initialisation of torch.

    batch_norm : bool, default=False
        Whether to normalise each hidden layer over the batch, before its
        activation [2]_.

    tied : bool, default=False
        Whether the decoder uses the transposed weights of the encoder, with separate
        biases [3]_. There is no linear map beside the layers then.

    References
    ----------
    .. [1] Glorot & Bengio, "Understanding the difficulty of training deep feedforward
       neural networks", AISTATS 2010.
    .. [2] Ioffe & Szegedy, "Batch normalization: accelerating deep network training by
       reducing internal covariate shift", ICML 2015. :arxiv:`1502.03167`
    .. [3] Vincent, Larochelle, Lajoie, Bengio & Manzagol, "Stacked denoising
       autoencoders", Journal of Machine Learning Research 11, 2010.
    .. [4] Kärkkäinen & Hänninen, "Additive autoencoder for dimension estimation",
       Neurocomputing 551, 2023. :doi:`10.1016/j.neucom.2023.126520`

    Examples
    --------
    >>> from skae import AutoencoderTransformer, Dense
    >>> ae = AutoencoderTransformer(8, encoder=Dense((64, 32), activation="tanh"))
    >>> ae.get_params()["encoder__hidden_layer_sizes"]
    (64, 32)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", COUNT, None],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "init": [StrOptions({"glorot", "pca", "random"})],
        "batch_norm": ["boolean"],
        "tied": ["boolean"],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] | None = None,
        *,
        activation: str = "clipped_relu",
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
        activation = find_activation(self.activation)
        layers: list[nn.Module] = []
        for n_in, n_out in itertools.pairwise(sizes[:-1]):
            layers.append(nn.Linear(n_in, n_out))
            if self.batch_norm:
                layers.append(BatchNorm1d(n_out))
            layers.append(activation())
        return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))

    @property
    def depth(self) -> int:
        """A number of layers that each network has at least."""
        return 1 + np.atleast_1d(self.hidden_layer_sizes).size  # type: ignore[arg-type]

    def encoder(self, layout: Layout, n_out: int) -> nn.Module:
        """Build the network from rows to ``n_out`` columns."""
        widths = self.widths(layout.n_features)
        return self._layers((layout.n_features, *widths, n_out))

    def decoder(self, n_in: int, layout: Layout) -> nn.Module:
        """Build the network from ``n_in`` columns to rows."""
        widths = self.widths(layout.n_features)
        return self._layers((n_in, *widths[::-1], layout.n_features))

    def widths(self, n_features: int) -> tuple[int, ...]:
        """Return the widths of the hidden layers, checked."""
        if self.hidden_layer_sizes is None:
            return (int(np.clip(_MAX_WEIGHTS // n_features, _LEAST_WIDTH, _WIDTH)),)
        sizes = np.atleast_1d(self.hidden_layer_sizes).tolist()
        if not all(map(is_count, sizes)):
            raise ValueError(
                f"hidden_layer_sizes={self.hidden_layer_sizes!r} must hold widths of "
                "at least 1, all whole."
            )
        return tuple(int(size) for size in sizes)

    def resolved(self, layout: Layout) -> Self:
        """Return a copy with the widths of its hidden layers."""
        widths = self.widths(layout.n_features)
        return clone(self).set_params(hidden_layer_sizes=widths)

    def tie(self, encoder: nn.Module, decoder: nn.Module) -> None:
        """Share the weights of an encoder with the linear layers of its decoder."""
        tie_weights(encoder, decoder)

    def draw_weights(self, network: nn.Module) -> None:
        """Draw weights that preserve signals, with ``init="glorot"``."""
        if self.init == "glorot":
            draw_glorot_weights(
                network, find_activation(self.activation), self.activation
            )

    def prepare_output(self, decoder: nn.Module, statistics: Statistics) -> None:
        """Start at the mean of features that are constant so far."""
        zero_constant_features(decoder, statistics.variance == 0)

    @property
    def starts_at_pca(self) -> bool:
        """Whether a linear map that starts as PCA is added to each network."""
        return self.init == "pca" and not self.tied

    def output_scale(self, statistics: Statistics) -> np.ndarray:
        """Return the deviation of each feature.

        Each feature has separate weights, so that a step of the optimizer has the same
        effect on columns of small and of large values. A tied decoder uses weights that
        multiply X in units of its scale, and gets that scale.
        """
        if self.tied:
            return super().output_scale(statistics)
        deviation = np.sqrt(statistics.variance)
        return np.where(deviation > 0, deviation, statistics.scale)
