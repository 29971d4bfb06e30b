"""From a plan to a skorch net that is ready to train or to resume."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor

from skae._data.batches import BatchIterator
from skae._data.gaps import fit_factors
from skae._data.layout import Layout
from skae._data.statistics import Statistics
from skae._data.units import Units
from skae._data.weights import WeightedRows
from skae._networks.assembly import Assembly
from skae._training.callbacks import check_callback_names
from skae._training.net import AutoencoderNet
from skae._training.plan import Plan, check_device, resolve_device
from skae._training.precision import resolve_precision
from skae._training.rates import has_layer_rates, resolve_lr
from skae._training.stopping import STOPPING, Stopping


def build_net(
    plan: Plan,
    layout: Layout,
    statistics: Statistics,
    dtype: np.dtype,
    *,
    seed: int,
    data: WeightedRows,
    units: Units | None = None,
    n_condition: int = 0,
) -> AutoencoderNet:
    """Build and initialise a net.

    Parameters
    ----------
    plan : Plan
        The plan.
    layout : Layout
        The shape of a sample.
    statistics : Statistics
        Of the training rows.
    dtype : numpy.dtype
        Type to compute in.
    seed : int
        Seed of the net.
    data : WeightedRows
        The training rows, without their condition.
    units : Units or None
        Units of the rows, None for those of X.
    n_condition : int
        Number of columns that are the condition of a row.

    Returns
    -------
    AutoencoderNet
    """
    assembly = _assemble(plan, layout, statistics, dtype, seed, units, n_condition)
    some, axes = data.in_memory, None
    rows, weight = some.rows, some.weight
    indices = _training_rows(plan, data, seed)
    if assembly.takes_gaps:
        factors = fit_factors(rows, indices, statistics, weight)
        assembly = replace(assembly, factors=factors)
    if assembly.has_linear_paths:
        own = plan.task.transformations(statistics, layout, units)
        axes = assembly.find_axes(rows, indices, own["augmentation"], weight)
    net = _make_net(plan, replace(assembly, axes=axes), seed)
    net.initialize()
    net.take_on(plan.task)
    net.pca_r2_ = None if axes is None else axes.share
    net.module = assembly  # without the axes, which are not to be pickled
    check_callback_names(plan.training.settings, net.callbacks_)
    return net


def rebuild_net(
    plan: Plan,
    layout: Layout,
    statistics: Statistics,
    dtype: np.dtype,
    *,
    seed: int,
    weights: Mapping[str, Tensor],
    units: Units | None,
    n_condition: int,
) -> AutoencoderNet:
    """Build and initialise a net whose weights are known, without running it.

    The weights are not loaded, but their shapes are checked before any memory is taken.
    The optimizer is built when it is first needed.

    Parameters
    ----------
    plan, layout, statistics, dtype, seed, units, n_condition
        As for `build_net`.
    weights : dict of Tensor
        The weights.

    Returns
    -------
    AutoencoderNet
    """
    assembly = _assemble(plan, layout, statistics, dtype, seed, units, n_condition)
    assembly.check_weights(weights)
    net = _make_net(plan, replace(assembly, is_known=True, is_free=False), seed)
    net.has_late_optimizer = True
    net.initialize()
    net.take_on(plan.task)
    net.module = assembly
    return net


def _assemble(
    plan: Plan,
    layout: Layout,
    statistics: Statistics,
    dtype: np.dtype,
    seed: int,
    units: Units | None,
    n_condition: int,
) -> Assembly:
    networks, loss = plan.networks, plan.task.loss
    return Assembly(
        module_class=networks.module_class,
        encoder=networks.encoder,
        decoder=networks.decoder,
        layout=layout,
        n_components=plan.n_components,
        code_activation=networks.code_activation,
        link=loss.link,
        start=loss.start(statistics.mean),
        slope=loss.slope(statistics.mean, statistics.variance),
        statistics=statistics,
        seed=seed,
        dtype=dtype.name,
        is_free=plan.has_free_coordinates,
        units=units,
        takes_gaps=plan.task.takes_gaps,
        n_condition=n_condition,
    )


def _make_net(plan: Plan, assembly: Assembly, seed: int) -> AutoencoderNet:
    check_device(resolve_device(plan.training.device))
    return AutoencoderNet(
        assembly,
        seed=seed,
        has_user_code=plan.networks.have_user_code,
        **_settings(plan, assembly.layout.n_features, seed),
    )


def resume_net(net: AutoencoderNet, plan: Plan, n_features: int) -> None:
    """Apply a new plan of training to a trained net.

    Parameters
    ----------
    net : AutoencoderNet
        A net that resumes with its weights and its optimizer.
    plan : Plan
        The plan whose task and training are applied.
    n_features : int
        Number of features of a sample.
    """
    settings = _settings(plan, n_features, net.seed)
    net.take_on(plan.task)
    names = ("train_split", "lr_schedule", "max_epochs", "callbacks", "final_share")
    for name in names:
        setattr(net, name, settings[name])
    net.initialize_callbacks()


def prepare_net(
    net: AutoencoderNet,
    *,
    batch_size: int | str,
    precision: str,
    lr: float | str,
    shape: tuple[int, int],
) -> None:
    """Set what depends on the current rows, or may change between chunks.

    Parameters
    ----------
    net : AutoencoderNet
        An initialised net.
    batch_size : int or "auto"
        Rows in a batch.
    precision : {"float32", "bfloat16", "auto"}
        Format of the multiplications in training.
    lr : float or "auto"
        Learning rate.
    shape : (int, int)
        Number of rows and features.
    """
    n_rows, n_features = shape
    n_batch = resolve_batch_size(batch_size, n_rows)
    batch_shape = (min(n_batch, n_rows), n_features)
    net.precision = resolve_precision(precision, net.module_, batch_shape, net.device)
    net.batch_size = n_batch
    has_rates = has_layer_rates(net.optimizer_)
    net.lr_by_layer = lr == "auto" and has_rates
    rate = resolve_lr(lr, by_layer=net.lr_by_layer)
    if net.lr != rate:
        net.set_params(lr=rate)


def resolve_batch_size(batch_size: int | str, n_rows: int) -> int:
    """Return the number of rows in a batch, for a number of training rows."""
    if isinstance(batch_size, str):
        return min(max(n_rows // 32, 32), 128)
    return batch_size


def _training_rows(plan: Plan, data: WeightedRows, seed: int) -> np.ndarray:
    """Return the indices of the rows, or the sample, that are not held out."""
    split, n_rows = plan.training.split(seed), len(data.rows)
    if split is None:
        return np.arange(len(data.in_memory.rows))
    if data.places is None:
        return split.split(n_rows)[0]
    return np.flatnonzero(~np.isin(data.places, split.choose(n_rows)))


def _settings(plan: Plan, n_features: int, seed: int) -> dict[str, Any]:
    """Return the arguments of the net, by skorch's names."""
    training = plan.training
    device = resolve_device(training.device)
    settings = {
        "iterator_train": BatchIterator,
        "iterator_valid": BatchIterator,
        "iterator_train__shuffle": True,
        "train_split": training.split(seed),
        "final_share": training.final_share,
        "device": str(device),
        "verbose": 0,  # before training
        "callbacks": _make_callbacks(plan, n_features),
        "criterion": plan.task.criterion,
        **training.settings,
    }
    kernels = ("fused", "foreach", "capturable", "differentiable")
    has_fused = settings["optimizer"] in (torch.optim.Adam, torch.optim.AdamW)
    picks_kernel = any(f"optimizer__{name}" in settings for name in kernels)
    if has_fused and device.type in ("cpu", "cuda") and not picks_kernel:
        settings["optimizer__fused"] = True
    return settings


def _make_callbacks(plan: Plan, n_features: int) -> list[Any]:
    training = plan.training
    callbacks = [clone(callback, safe=False) for callback in training.callbacks]
    if training.early_stopping or training.patience is not None:
        stopping = Stopping(
            warmup=plan.task.warmup,
            monitor="valid_loss" if training.early_stopping else "train_loss",
            patience=training.patience or sys.maxsize,
            # The loss is summed over features, tol is for one of them.
            threshold=training.tol * n_features,
            threshold_mode="abs",
            selects=training.early_stopping,
        )
        callbacks.append((STOPPING, stopping))
    return callbacks
