"""From a plan to a skorch net that is ready to train or to resume."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from torch import nn

from skae._data.batches import BatchIterator
from skae._data.layout import Layout
from skae._data.statistics import Statistics
from skae._networks.assembly import Assembly
from skae._networks.initialization import PrincipalAxes, compute_principal_axes
from skae._training.callbacks import STOPPING, Stopping, check_callback_names
from skae._training.net import AutoencoderNet
from skae._training.plan import Plan, resolve_device
from skae._training.precision import resolve_precision


def build_net(
    plan: Plan,
    layout: Layout,
    statistics: Statistics,
    dtype: np.dtype,
    *,
    seed: int,
    rows: np.ndarray | None = None,
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
    rows : ndarray of shape (n_rows, n_features) or None
        The training rows, or None if the weights will be loaded.

    Returns
    -------
    AutoencoderNet
    """
    axes = None
    if rows is not None and _starts_at_pca(plan):
        axes = _principal_axes(plan, rows, statistics, seed)
    networks, loss = plan.networks, plan.task.loss
    assembly = Assembly(
        module_class=networks.module_class,
        encoder=networks.encoder,
        decoder=networks.decoder,
        layout=layout,
        n_components=plan.n_components,
        code_activation=networks.code_activation,
        link=loss.link,
        start=loss.start(statistics.mean),
        statistics=statistics,
        axes=axes,
        seed=seed,
        dtype=dtype.name,
    )
    net = AutoencoderNet(
        assembly,
        seed=seed,
        has_user_code=networks.have_user_code,
        **_settings(plan, layout.n_features, seed),
    )
    net.initialize()
    net.take_on(plan.task)
    net.module = replace(assembly, axes=None)  # no longer needed, and not to be pickled
    check_callback_names(plan.training.settings, net.callbacks_)
    return net


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
    for name in ("train_split", "lr_schedule", "max_epochs", "callbacks"):
        setattr(net, name, settings[name])
    net.initialize_callbacks()


def prepare_net(
    net: AutoencoderNet,
    *,
    batch_size: int | str,
    precision: str,
    lr: float,
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
    lr : float
        Learning rate.
    shape : (int, int)
        Number of rows and features.
    """
    n_rows, n_features = shape
    n_batch = resolve_batch_size(batch_size, n_rows)
    batch_shape = (min(n_batch, n_rows), n_features)
    net.precision = resolve_precision(precision, net.module_, batch_shape, net.device)
    net.batch_size = n_batch
    if net.lr != lr:
        net.set_params(lr=lr)


def resolve_batch_size(batch_size: int | str, n_rows: int) -> int:
    """Return the number of rows in a batch, for a number of training rows."""
    if isinstance(batch_size, str):
        return int(np.clip(n_rows // 32, 32, 128))
    return batch_size


def _starts_at_pca(plan: Plan) -> bool:
    """Tell whether both networks can start as PCA, with the same activation."""
    networks = plan.networks
    is_linear = networks.code_activation is None and plan.task.loss.link is nn.Identity
    if not (is_linear and networks.are_architectures):
        return False
    encoder, decoder = (
        network.linear_activation(plan.n_components)
        for network in (networks.encoder, networks.decoder)
    )
    return encoder is not None and encoder == decoder


def _principal_axes(
    plan: Plan, rows: np.ndarray, statistics: Statistics, seed: int
) -> PrincipalAxes:
    split = plan.training.split(seed)  # held-out rows must not be used
    trained_on = np.arange(len(rows))
    if split is not None:
        trained_on, _ = split.split(len(rows))
    return compute_principal_axes(
        rows, trained_on, plan.n_components, statistics=statistics, seed=seed
    )


def _settings(plan: Plan, n_features: int, seed: int) -> dict[str, Any]:
    """Return the arguments of the net, by skorch's names."""
    training = plan.training
    device = resolve_device(training.device)
    settings = {
        "iterator_train": BatchIterator,
        "iterator_valid": BatchIterator,
        "iterator_train__shuffle": True,
        "train_split": training.split(seed),
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
            load_best=training.early_stopping,
        )
        callbacks.append((STOPPING, stopping))
    return callbacks
