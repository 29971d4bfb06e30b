"""The result of `fit`: a trained network and its computations on arrays."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor, nn

from skae._data.layout import Layout
from skae._data.statistics import Statistics, compute_statistics
from skae._model.inference import apply_in_batches
from skae._networks.autoencoder import AutoencoderModule, LinkedDecoder
from skae._networks.jacobian import exact_squared_norm
from skae._objective.losses import Loss, sum_entries
from skae._random import RandomStream, draw_seed
from skae._training.history import terms_of
from skae._training.net import AutoencoderNet
from skae._training.plan import Plan


@dataclass
class TrainedModel:
    """A trained network with its data and plans, independent of the estimator.

    Parameters
    ----------
    net : AutoencoderNet
        The skorch net.
    layout : Layout
        The shape of a sample.
    statistics : Statistics
        Of the training rows.
    dtype : numpy.dtype
        Type of the computation and of the results.
    feature_names : ndarray of shape (n_features,) or None
        Names of the features, where X has names.
    built_with, trained_with : Plan
        The plans that the network was built with, and last trained with.
    noise_variance : float or None
        Variance of a Gaussian decoder, in squared units of X.
    """

    net: AutoencoderNet
    layout: Layout
    statistics: Statistics
    dtype: np.dtype
    feature_names: np.ndarray | None
    built_with: Plan
    trained_with: Plan
    noise_variance: float | None = None

    @property
    def module(self) -> AutoencoderModule:
        """The torch module that joins encoder and decoder."""
        return self.net.module_

    @property
    def loss(self) -> Loss:
        """How a reconstruction is compared with its row."""
        return self.built_with.task.loss

    @property
    def n_components(self) -> int:
        """Size of the code."""
        return self.built_with.n_components

    @property
    def n_features(self) -> int:
        """Number of features of a flattened sample."""
        return self.layout.n_features

    @property
    def scale(self) -> float:
        """Training scale of X, which the first chunk fixes."""
        return self.module.scale

    @property
    def encoder(self) -> nn.Module:
        """The encoder, from flat rows in the units of X to codes."""
        return self.module.encoder_layers().eval()

    @property
    def decoder(self) -> nn.Module:
        """The decoder, from codes to flat rows in the units of X."""
        return LinkedDecoder(self.module.decoder, self.module.link).eval()

    @property
    def history(self) -> list[dict[str, Any]]:
        """One dict for each epoch: its number and every term of the objective."""
        return [terms_of(epoch) for epoch in self.net.history]

    # Rows in batches --------------------------------------------------------------

    def apply(
        self,
        function: Callable[[Tensor], Tensor],
        rows: np.ndarray,
        *,
        inference: bool = True,
    ) -> np.ndarray:
        """Apply a function of tensors to rows in batches, in evaluation mode.

        Parameters
        ----------
        function : callable
            From a tensor of rows to a tensor of as many rows.
        rows : ndarray of shape (n_rows, width)
            Of any numeric type.
        inference : bool, default=True
            Whether to run without autograd.

        Returns
        -------
        ndarray of shape (n_rows, ...)
        """
        module = self.module
        if any(layer.training for layer in module.modules()):
            module.eval()
        with self.net.own_global_generator(RandomStream(self.net.seed)):
            return apply_in_batches(
                function,
                rows,
                dtype=self.dtype,
                device=self.net.device,
                inference=inference,
                copy=self.net.has_user_code,
            )

    def encode(self, rows: np.ndarray) -> np.ndarray:
        """Return the codes of rows, of shape (n_rows, n_components)."""
        return self.apply(self.module.encode, rows)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return the reconstructions of codes, of shape (n_codes, n_features)."""
        return self.apply(self.module.decode, codes)

    def reconstruct(self, rows: np.ndarray) -> np.ndarray:
        """Return the reconstructions of rows, in one pass."""
        module = self.module
        return self.apply(lambda x: module.decode(module.encode(x)), rows)

    def losses(self, rows: np.ndarray) -> np.ndarray:
        """Return the loss of each row, summed over features, in the units of X."""
        self.check_domain(rows)
        module, loss, scale = self.module, self.loss, self.scale

        def of_rows(x: Tensor) -> Tensor:
            return sum_entries(
                loss.function(module.decoder(module.encode(x)), x, scale)
            )

        return self.apply(of_rows, rows)

    def r2(self, rows: np.ndarray) -> float:
        """Return R² of the reconstructions of rows, against the training mean."""
        module = self.module

        def squares(x: Tensor) -> Tensor:
            error = (module.decode(module.encode(x)) - x) / self.scale
            return (error**2).sum(1)

        error = self.apply(squares, rows).sum(dtype=np.float64)
        return self.r2_of_error(float(error), rows)

    def r2_of_error(self, error: float, rows: np.ndarray) -> float:
        """Return R² of rows, from the sum of their squared errors.

        These are in units of the training scale: squares of X leave the range of
        float32 if its values exceed 1e19, or are all below 1e-22.
        """
        found = compute_statistics(rows)
        offset = (found.mean - self.statistics.mean) ** 2
        total = found.n_rows * (found.variance + offset).sum() / self.scale**2
        if total == 0:
            return float(error == 0)
        return float(1 - error / total)

    def jacobian_norms(self, rows: np.ndarray) -> np.ndarray:
        """Return the Frobenius norm of the Jacobian of the code of each row."""
        norm = partial(exact_squared_norm, self.encoder, create_graph=False)
        return np.sqrt(self.apply(norm, rows, inference=False))

    def corrupt(self, rows: np.ndarray, source: np.random.RandomState) -> np.ndarray:
        """Return rows with the noise of training, drawn from a random state."""
        stream = RandomStream(draw_seed(source))
        corruption = clone(self.net.corruption, safe=False)
        # User-defined code may use torch's global generator, too.
        own_global: Any = nullcontext()
        if self.net.has_user_code:
            own_global = RandomStream(draw_seed(source)).as_global()
        with own_global:
            x = torch.from_numpy(np.array(rows, dtype=self.dtype))
            return corruption(x, stream.on("cpu")).numpy()

    def check_domain(self, rows: np.ndarray) -> None:
        """Refuse rows outside the domain of the loss."""
        self.loss.check(float(rows.min()), float(rows.max()))
