"""From an estimator's parameters to a skorch net that is ready to train."""

import inspect
import sys
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils import check_random_state
from skorch.callbacks import EarlyStopping
from torch import nn

from skae._data.batches import BatchIterator, HoldOut
from skae._estimators.planning import OPTIMIZERS, find_lr_schedule
from skae._networks.architectures import Dense, is_shipped, is_tied
from skae._networks.assembly import Assembly
from skae._networks.pca_start import can_carry, find_principal_axes
from skae._objective.losses import Loss
from skae._objective.objective import Objective
from skae._objective.penalties import check_unique, named_penalties
from skae._training.callbacks import check_callback_names
from skae._training.net import LR_SCHEDULES, AutoencoderNet
from skae._training.plan import resolve_device

STOPPING = "early_stopping"  # name of the callback that ends a fit before its time


class _Stopping(EarlyStopping):
    """skorch's early stopping, deaf to the epochs of a warm-up.

    While the weight of a penalty rises, the training loss does, too.
    """

    def __init__(self, *, warmup, **kwargs):
        super().__init__(**kwargs)
        self.warmup = warmup

    def on_epoch_end(self, net, **kwargs):
        if net.module_.n_epochs > self.warmup:
            super().on_epoch_end(net, **kwargs)


@dataclass(frozen=True)
class Task:
    """What a network is trained to do: all that may change from fit to fit.

    Parameters
    ----------
    loss : Loss
        How a reconstruction is compared with its row.
    penalties : list of (str, callable)
        Named terms of the objective beside it.
    augmentation, corruption : callable or None
        What is done to a batch.
    """

    loss: Loss
    penalties: list
    augmentation: Any
    corruption: Any

    @property
    def criterion(self):
        """Makes the objective."""
        return partial(Objective, self.loss, self.penalties)

    @property
    def warmup(self):
        """Epochs in which the weight of a penalty rises."""
        return max((getattr(p, "warmup", 0) for _, p in self.penalties), default=0)

    def give_to(self, net):
        """Let an initialised net work on this task from now on."""
        net.criterion, net.criterion_ = self.criterion, self.criterion()
        # Not by setattr: there skorch refuses what is a module of torch.
        vars(net).update(augmentation=self.augmentation, corruption=self.corruption)
        penalties = [penalty for _, penalty in self.penalties]
        net.module_.keeps_steps = any(
            getattr(penalty, "needs_steps", False) for penalty in penalties
        )
        if not all(
            _is_ours(slot)
            for slot in (
                self.loss.function,
                self.augmentation,
                self.corruption,
                *penalties,
            )
        ):
            net.runs_foreign_code = True


def _is_ours(slot):
    """Tell whether a slot is empty or holds what this package ships."""
    kind = slot if inspect.isfunction(slot) else type(slot)
    return slot is None or kind.__module__.startswith("skae.")


def build_net(
    estimator, encoder, decoder, layout, statistics, dtype, *, rows=None, seed=None
):
    """Build and initialise the net of an estimator.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Whose parameters and hooks say what to build.
    encoder, decoder : Dense, Conv, torch.nn.Module or callable
        The resolved slots.
    layout : Layout
        The shape of a sample.
    statistics : Statistics
        Of the training rows.
    dtype : numpy.dtype
        Type to compute in.
    rows : ndarray of shape (n_rows, n_features) or None
        The training rows, None where the weights are known and will be loaded.
    seed : int or None
        Seed of the net. None draws it from the `random_state` of the estimator.

    Returns
    -------
    AutoencoderNet
    """
    _check_tied(estimator, encoder, decoder)
    if seed is None:
        random_state = check_random_state(estimator.random_state)
        seed = int(random_state.randint(np.iinfo(np.int32).max))
    loss = estimator._find_loss()
    task = _find_task(estimator)
    code_layer = estimator._code_layer()
    axes = None
    if (
        rows is not None
        and code_layer is None
        and loss.link is nn.Identity
        and _starts_at_pca(encoder, decoder, estimator.n_components)
    ):
        hold_out = _hold_out(estimator, seed)  # those rows must not be looked at
        kept = np.arange(len(rows))
        if hold_out is not None:
            kept, _ = hold_out.split(len(rows))
        axes = find_principal_axes(
            rows, kept, estimator.n_components, statistics=statistics, seed=seed
        )
    assembly = Assembly(
        module_class=estimator._module_class,
        encoder=encoder,
        decoder=decoder,
        layout=layout,
        n_components=estimator.n_components,
        code_layer=code_layer,
        loss=loss,
        statistics=statistics,
        axes=axes,
        seed=seed,
        dtype=dtype.name,
    )
    net = AutoencoderNet(
        assembly,
        seed=seed,
        runs_foreign_code=not (is_shipped(encoder) and is_shipped(decoder)),
        **_settings(estimator, seed, layout.n_features, task),
    )
    net.initialize()
    task.give_to(net)
    net.module = replace(assembly, axes=None)  # of no more use, and not to be pickled
    check_callback_names(estimator.net_params or {}, net.callbacks_)
    return net


def refresh_net(net, estimator, n_features):
    """Give a trained net what may change between two fits: how it is trained.

    Parameters
    ----------
    net : AutoencoderNet
        A net that goes on with its weights and its optimizer.
    estimator : BaseAutoencoder
        Whose parameters may have changed.
    n_features : int
        Number of features of a sample.
    """
    task = _find_task(estimator)
    settings = _settings(estimator, net.seed, n_features, task)
    task.give_to(net)
    for name in ("train_split", "lr_schedule", "max_epochs", "callbacks"):
        setattr(net, name, settings[name])
    net.initialize_callbacks()


def find_batch_size(batch_size, n_rows):
    """Return the number of rows in a batch, for a number of training rows."""
    if batch_size == "auto":
        return int(np.clip(n_rows // 32, 32, 128))
    return batch_size


def _check_tied(estimator, encoder, decoder):
    """Refuse to tie what is no mirror image."""
    if estimator.decoder is not None and is_tied(decoder):
        raise ValueError(
            f"decoder={estimator.decoder!r} has no encoder to share its weights with. "
            "Pass encoder=Dense(..., tied=True) and decoder=None, or set tied=False."
        )
    if not is_tied(encoder):
        return
    if estimator.decoder is not None:
        raise ValueError(
            f"encoder={encoder!r} makes the decoder, but decoder={estimator.decoder!r} "
            "makes one, too. Set decoder=None, or tied=False."
        )
    if estimator._module_class.n_columns_per_unit > 1:
        raise ValueError(
            f"encoder={encoder!r} cannot be tied: the encoder of a variational "
            "autoencoder gives 2 * n_components values, and its decoder takes "
            "n_components. Set tied=False."
        )


def _can_start_at_pca(dense):
    return dense.init == "pca" and not dense.batch_norm and not dense.tied


def _starts_at_pca(encoder, decoder, n_components):
    slots = (encoder, decoder)
    if not all(isinstance(slot, Dense) and _can_start_at_pca(slot) for slot in slots):
        return False
    return encoder.activation == decoder.activation and can_carry(
        (*encoder.widths(), *decoder.widths()), encoder.activation, n_components
    )


def _find_task(estimator):
    penalties = [
        *estimator._own_penalties(),
        *named_penalties(estimator.penalty),
    ]
    check_unique([name for name, _ in penalties])
    return Task(
        loss=estimator._find_loss(),
        penalties=[(name, clone(penalty, safe=False)) for name, penalty in penalties],
        augmentation=clone(estimator.augmentation, safe=False),
        corruption=clone(estimator._corruption(), safe=False),
    )


def _settings(estimator, seed, n_features, task):
    """Return what the net is told of the training: skorch's names and values."""
    device = resolve_device(estimator.device)
    optimizer = estimator.optimizer
    if isinstance(optimizer, str):
        optimizer = OPTIMIZERS[optimizer]
    schedule = find_lr_schedule(estimator)
    if isinstance(schedule, str):
        schedule = LR_SCHEDULES[schedule]
    settings = {
        "optimizer": optimizer,
        "lr": estimator.lr,
        "lr_schedule": schedule,
        "max_epochs": estimator.max_epochs,
        "iterator_train": BatchIterator,
        "iterator_valid": BatchIterator,
        "iterator_train__shuffle": True,
        "train_split": _hold_out(estimator, seed),
        "device": str(device),
        "verbose": 0,  # until it is trained
        "callbacks": _callbacks(estimator, n_features, task.warmup),
        "criterion": task.criterion,
    }
    if estimator.weight_decay is not None:
        settings["optimizer__weight_decay"] = estimator.weight_decay
    extra = dict(estimator.net_params or {})
    kernels = ("fused", "foreach", "capturable", "differentiable")
    has_fused = optimizer in (torch.optim.Adam, torch.optim.AdamW)
    picks_kernel = any(f"optimizer__{name}" in extra for name in kernels)
    if has_fused and device.type in ("cpu", "cuda") and not picks_kernel:
        settings["optimizer__fused"] = True
    return {**settings, **extra}


def _hold_out(estimator, seed):
    fraction = estimator.validation_fraction
    if fraction is None and estimator.early_stopping:
        fraction = 0.1
    return None if fraction is None else HoldOut(fraction, seed)


def _callbacks(estimator, n_features, warmup):
    callbacks = [clone(callback, safe=False) for callback in estimator.callbacks or []]
    if estimator.early_stopping or estimator.n_iter_no_change is not None:
        stopping = _Stopping(
            warmup=warmup,
            monitor="valid_loss" if estimator.early_stopping else "train_loss",
            patience=estimator.n_iter_no_change or sys.maxsize,
            # The loss is summed over features, tol is for one of them.
            threshold=estimator.tol * n_features,
            threshold_mode="abs",
            load_best=estimator.early_stopping,
        )
        callbacks.append((STOPPING, stopping))
    return callbacks
