"""The result of `fit`: a trained network and its computations on arrays."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_scalar
from torch import Tensor, nn

from skae._data.condition import Condition, ConditionedRows
from skae._data.layout import Layout
from skae._data.statistics import Statistics, compute_statistics
from skae._data.units import Units, converted
from skae._data.weights import WeightedRows, total
from skae._exceptions import FitWarning, warn
from skae._model.inference import apply_in_batches
from skae._networks.autoencoder import AutoencoderModule, RowEncoder
from skae._networks.jacobian import exact_squared_norm
from skae._networks.layers import (
    FromUnits,
    OnFeatures,
    Standardize,
    ToUnits,
    WithKnownColumns,
)
from skae._networks.linear_path import hidden_layers
from skae._objective.losses import Loss, sum_entries
from skae._random import RandomStream, draw_seed
from skae._training.history import terms_of
from skae._training.net import AutoencoderNet
from skae._training.plan import Plan
from skae._training.stopping import STOPPING


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
    units : Units or None
        Units of the rows that the network takes and gives. None is those of X.
    noise_variance : float or None
        Variance of a Gaussian decoder, in squared units of X.
    condition : Condition or None
        What is given to both networks beside a row or a code, whose columns follow
        those of the row or the code.
    pending : WeightedRows or None
        The last rows of a stream, from which what the model needs beside its weights
        has still to be measured.
    checked : dict
        The parameters of the estimator at the last chunk of a stream.
    """

    net: AutoencoderNet
    layout: Layout
    statistics: Statistics
    dtype: np.dtype
    feature_names: np.ndarray | None
    built_with: Plan
    trained_with: Plan
    units: Units | None = None
    noise_variance: float | None = None
    condition: Condition | None = None
    pending: WeightedRows | None = None
    checked: dict[str, Any] = field(default_factory=dict)

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
        coordinates = self.module.coordinates
        if coordinates is None:
            return self.built_with.n_components
        return len(coordinates.bias)

    @property
    def takes_gaps(self) -> bool:
        """Whether rows may have gaps."""
        return self.built_with.task.takes_gaps

    @property
    def n_features(self) -> int:
        """Number of features of a flattened sample."""
        return self.layout.n_features

    @property
    def scale(self) -> float:
        """Training scale of X, which the first chunk fixes."""
        return self.module.scale

    @property
    def unit(self) -> float:
        """Unit of the network in those of X, 1 unless X is extremely large or small."""
        return 1.0 if self.units is None else self.units.common

    @property
    def encoder(self) -> nn.Module:
        """The encoder, from flat rows in the units of X to codes."""
        layers = self.module.encoder_layers()
        if self.units is not None:
            to_units: nn.Module = ToUnits(*self._unit_tensors(), self._dtype)
            if self.n_condition:
                to_units = OnFeatures(to_units, self.n_condition)
            layers = RowEncoder(to_units, *layers)
        return layers.eval()

    @property
    def decoder(self) -> nn.Module:
        """The decoder, from codes to flat rows in the units of X."""
        layers: nn.Module = self.module.decoder_layers()
        if self.units is not None:
            layers = nn.Sequential(layers, FromUnits(*self._unit_tensors()))
        if self.condition is not None and self.condition.columns is not None:
            layers = WithKnownColumns(layers, *self.condition.columns_of_condition)
        return layers.eval()

    @property
    def mean(self) -> np.ndarray:
        """Training mean of each feature, in the units of X."""
        mean = self.statistics.mean
        return mean if self.units is None else self.units.restore(mean)

    @property
    def _dtype(self) -> torch.dtype:
        return getattr(torch, self.dtype.name)

    @property
    def n_condition(self) -> int:
        """Number of columns of the condition, 0 without one."""
        return 0 if self.condition is None else self.condition.width

    def _unit_tensors(self) -> tuple[Tensor, Tensor]:
        units: Any = self.units
        origin, ratio = torch.from_numpy(units.origin), torch.from_numpy(units.ratio)
        return origin.to(self.net.device), ratio.to(self.net.device)

    def decode_to_samples(self, codes: np.ndarray) -> np.ndarray:
        """Return the reconstructions of codes as samples, in the units of X.

        Columns of X that are the condition are as the codes have them.
        """
        samples = self.to_samples(self.decode(codes))
        return self._with_known_columns(samples, codes)

    def _with_known_columns(self, samples: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return samples, in which the columns that are the condition are as given."""
        if self.condition is None or self.condition.columns is None:
            return samples
        samples = np.array(samples)
        given = self.condition.values_in_columns(codes[:, self.n_components :])
        samples.reshape(len(codes), -1)[:, list(self.condition.columns)] = given
        return samples

    def draw_samples(self, codes: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        """Return samples of the decoder's distribution for codes, in the units of X."""
        draw: Any = self.loss.draw
        rows = draw(self.decode(codes), self.noise_variance, rng)
        samples = self.to_samples(rows.astype(self.dtype, copy=False))
        return self._with_known_columns(samples, codes)

    def project(self, codes: np.ndarray) -> np.ndarray:
        """Return codes, decoded and encoded again, both under their condition."""
        samples = self.decode_to_samples(codes).reshape(len(codes), -1)
        rows = np.asarray(converted(samples, self.units))
        return self.encode_conditioned(np.hstack([rows, codes[:, self.n_components :]]))

    def to_samples(self, rows: np.ndarray) -> np.ndarray:
        """Return rows that the network gave as samples of X, in its units."""
        if self.units is not None:
            rows = self.units.restore(rows)
        return self.layout.unflatten(rows)

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
        return self.encode_conditioned(rows)[:, : self.n_components]

    def encode_conditioned(self, rows: np.ndarray) -> np.ndarray:
        """Return the codes of rows as `decode` takes them, with their condition."""
        return self.apply(self.module.encode, rows)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return the reconstructions of codes, of shape (n_codes, n_features).

        A condition follows the columns of the code.
        """
        return self.apply(self.module.decode, codes)

    def reconstruct(self, rows: np.ndarray) -> np.ndarray:
        """Return the reconstructions of rows, in one pass."""
        return self.apply(self.module.reconstruct, rows)

    def without_gaps(self, rows: Any) -> np.ndarray:
        """Return rows as an array, with what the first layer fills in at gaps."""
        rows = np.asarray(rows)
        if not (self.takes_gaps and np.isnan(rows).any()):
            return self.features(rows)
        fill, features = self.module.fill_layer, self.module.features
        return self.apply(lambda x: fill(features(x)), rows)

    def features(self, rows: Any) -> Any:
        """Return rows without their condition."""
        if self.condition is None:
            return rows
        if isinstance(rows, ConditionedRows):
            return rows.rows
        return rows[:, : self.n_features]

    def hidden_layer(self, rows: np.ndarray, layer: int | str) -> np.ndarray:
        """Return the activations of a hidden layer of the encoder for rows, or all."""
        if not isinstance(layer, str):
            check_scalar(layer, "layer", Integral)
        elif layer != "all":
            raise ValueError(f"layer={layer!r} is neither an int nor 'all'.")

        def of_rows(x: Tensor) -> Tensor:
            found = hidden_layers(self.module.encoder, x, copy=self.net.has_user_code)
            if isinstance(layer, str):
                return torch.cat([*(y.flatten(1) for y in found), x[:, :0]], dim=1)
            if not -len(found) <= layer < len(found):
                raise ValueError(
                    f"layer={layer} is not there: hidden layers of the encoder: "
                    f"{len(found)}."
                )
            return found[layer]

        activations = self.apply(of_rows, rows)
        stopping: Any = dict(self.net.callbacks_).get(STOPPING)
        keeps_start = stopping is not None and stopping.keeps_start
        is_shipped = self.built_with.networks.are_architectures
        if activations.size and keeps_start and is_shipped:
            warn(
                "No epoch was better than the start, which is PCA: the weights of the "
                "hidden layers are random. Set early_stopping=False to train them.",
                FitWarning,
            )
        return activations

    def losses(self, rows: np.ndarray) -> np.ndarray:
        """Return the loss of each row, summed over features, in the units of X."""
        rows = self.in_domain(rows)
        module, loss, scale = self.module, self.loss, self.scale
        ratio, unit = self._ratio(), self.unit

        def of_rows(x: Tensor) -> Tensor:
            decoded = module.decode_unlinked(module.encode(x))
            x = module.features(x)
            if not self.takes_gaps:
                entries = loss.function(decoded * ratio, x * ratio, scale)
                return sum_entries(self._unknown(entries))
            # As if the entries at gaps had the mean loss of the others.
            there = ~x.isnan()
            target = torch.where(there, x, 0.0)
            entries = loss.function(decoded * ratio, target * ratio, scale) * there
            entries = self._unknown(entries)
            n_there = there.sum(1).clamp_min(1)
            return sum_entries(entries) * (there.shape[1] / n_there)

        found = self.apply(of_rows, rows)
        return found if unit == 1.0 else found.astype(np.float64) * unit**2

    def log_density(self, decoded: Tensor, x: Tensor) -> Tensor:
        """Return the log-density of the observed entries of rows, given their codes."""
        density: Any = self.loss.log_density
        x = self.module.features(x)
        if not self.takes_gaps:
            return self._unknown(density(decoded, x, self.noise_variance)).sum(1)
        there = ~x.isnan()
        target = torch.where(there, x, 0.0)
        entries = density(decoded, target, self.noise_variance) * there
        return self._unknown(entries).sum(1)

    def _unknown(self, entries: Tensor) -> Tensor:
        """Return entries of rows, 0 in columns that are the condition: they are known.

        A loss of the user's may have one value for each row, in which all columns are.
        """
        condition = self.condition
        if condition is None or condition.columns is None or entries.ndim != 2:
            return entries
        counts = torch.ones(entries.shape[1], dtype=entries.dtype)
        counts[list(condition.columns)] = 0
        return entries * counts.to(entries.device)

    def r2(self, rows: np.ndarray, weight: np.ndarray | None = None) -> float:
        """Return R² of the reconstructions of rows, against the training mean."""
        module, divisor = self.module, self.scale / self._ratio()

        def squares(x: Tensor) -> Tensor:
            return (self.errors(module.reconstruct(x), x, divisor) ** 2).sum(1)

        error = total(self.apply(squares, rows), weight)
        return self.r2_of_error(error, rows, weight)

    def errors(self, reconstruction: Tensor, x: Tensor, divisor: Any = 1.0) -> Tensor:
        """Return the errors of a batch of reconstructions, 0 at gaps."""
        x = self.module.features(x)
        error = self._unknown((reconstruction - x) / divisor)
        return torch.where(x.isnan(), 0.0, error) if self.takes_gaps else error

    def r2_of_error(
        self, error: float, rows: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """Return R² of rows, from the sum of their squared errors.

        These are in units of the training scale: squares of X leave the range of
        float32 if its values exceed 1e19, or are all below 1e-22.
        """
        found = compute_statistics(self.features(rows), weight)
        offset = (found.mean - self.statistics.mean) ** 2
        ratio = 1.0 if self.units is None else self.units.ratio / self.unit
        entries = (found.variance + offset) * (ratio / self.scale) ** 2
        squares = (found.counts * entries).sum()
        if squares == 0:
            return float(error == 0)
        return float(1 - error / squares)

    def jacobian_norms(self, rows: np.ndarray) -> np.ndarray:
        """Return the Frobenius norm of the Jacobian of the code of each row."""
        encoder: nn.Module = self.module.encoder_layers().eval()
        if self.n_condition:
            encoder = self.module.feature_layers().eval()
        ratio, factor = self._ratio(), 1.0
        if self.units is not None:
            to_ratio = Standardize(torch.zeros_like(ratio), ratio)
            encoder = nn.Sequential(to_ratio, encoder)
        if self.unit != 1.0 and self.module.coordinates is not None:
            largest = self.module.coordinates.weight.abs().max()  # the unit of the code
            encoder = nn.Sequential(encoder, Standardize(0 * largest, largest))
            factor = float(largest)
        norm = partial(exact_squared_norm, encoder, create_graph=False)
        rows = self.features(rows)
        found = self.apply(lambda x: norm(x * ratio), rows, inference=False)
        return np.sqrt(found) * (factor / self.unit)

    def _ratio(self) -> Any:
        """Return the units of X in those of the network, a factor of each feature.

        They are divided by `unit`, so that squares stay in the range of the type.
        """
        if self.units is None:
            return 1.0
        return (self._unit_tensors()[1] / self.unit).to(self._dtype)

    def corrupt(self, rows: np.ndarray, source: np.random.RandomState) -> np.ndarray:
        """Return rows with the noise of training, drawn from a random state."""
        stream = RandomStream(draw_seed(source))
        corruption: Any = copy.deepcopy(self.net.corruption)
        # User-defined code may use torch's global generator, too.
        own_global: Any = nullcontext()
        if self.net.has_user_code:
            own_global = RandomStream(draw_seed(source)).as_global()
        with own_global:
            x = torch.from_numpy(np.array(rows).astype(self.dtype))
            return corruption(x, stream.on("cpu")).numpy()

    def in_domain(self, rows: np.ndarray) -> np.ndarray:
        """Return rows in the domain of the loss; others are clipped, and told of."""
        if self.units is not None:  # the loss takes any values then
            return rows
        if isinstance(rows, ConditionedRows):
            return ConditionedRows(self.loss.clipped(rows.rows), rows.condition)
        return self.loss.clipped(rows)
