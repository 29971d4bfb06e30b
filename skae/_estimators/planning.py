"""From the parameters of an estimator to the plan of a network and its training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state
from skorch.callbacks import LRScheduler
from torch import nn

from skae._data.blocks import lacks_blocks
from skae._estimators.checks import (
    check_conflict,
    check_instances,
    check_net_params,
    default_of,
)
from skae._estimators.parameters import OPTIMIZERS, has_parameters
from skae._networks.architecture import ACTIVATIONS, Architecture
from skae._networks.autoencoder import without_link
from skae._networks.factory import resolve_network
from skae._networks.initialization import GLOROT_GAINS
from skae._objective.losses import Loss
from skae._objective.penalties import check_unique, named_penalties
from skae._training.plan import Networks, Plan, Task, Training
from skae._training.rates import resolve_lr
from skae._training.schedules import LR_SCHEDULES

# Share of the epochs that train on all rows, with early_stopping="auto".
FINAL_SHARE = 0.2


def make_plan(estimator: Any, networks: Networks, task: Task) -> Plan:
    """Return the plan of the network and the training of an estimator.

    Parameters
    ----------
    estimator : BaseAutoencoder
        An estimator whose parameters are checked.
    networks : Networks
        Its encoder and decoder.
    task : Task
        The task that the network is trained for.
    """
    _check_tied(estimator, networks)
    plan = Plan(
        parameters=copy_of(estimator),
        n_components=estimator.n_components,
        networks=replace(
            networks,
            encoder=_copy(networks.encoder),
            decoder=_copy(networks.decoder),
        ),
        layout=estimator.layout,
        dtype=estimator.dtype,
        task=task,
        training=make_training(estimator, networks),
    )
    if getattr(estimator, "whiten", False) and not plan.has_free_coordinates:
        raise ValueError(
            "whiten=True needs a linear code whose axes are free: set code_activation="
            "None, sparsity=0 and penalty=None, or whiten=False."
        )
    return plan


def renew_plan(plan: Plan, estimator: Any, task: Task) -> Plan:
    """Return the plan of the same network, trained as the parameters say now.

    Parameters
    ----------
    plan : Plan
        The plan that the network was built with.
    estimator : BaseAutoencoder
        An estimator whose parameters have the right types.
    task : Task
        The task that its network is trained for.
    """
    parameters = copy_of(estimator)
    if lacks_blocks(parameters["loss"]):
        parameters["loss"] = plan.parameters["loss"]
        task = replace(task, loss=plan.task.loss)
    return replace(
        plan,
        parameters=parameters,
        task=task,
        training=make_training(estimator, plan.networks),
    )


# Networks -----------------------------------------------------------------------------


def resolve_encoder(estimator: Any, default: BaseEstimator) -> Any:
    """Return the encoder of an estimator that is dense by default.

    Parameters
    ----------
    estimator : BaseAutoencoder
        With the parameters `encoder`, `hidden_layer_sizes` and `activation`.
    default : Dense
        The encoder that None stands for.
    """
    check_conflict(estimator, "hidden_layer_sizes", "encoder")
    check_conflict(estimator, "activation", "encoder")
    if estimator.encoder not in (None, "dense"):
        return resolve_network(estimator.encoder, "encoder")
    names = ("hidden_layer_sizes", "activation")
    given = {name: getattr(estimator, name) for name in names}
    dense: Any = clone(default).set_params(
        **{name: value for name, value in given.items() if value is not None}
    )
    if dense.init == "random" and dense.activation in GLOROT_GAINS:
        dense.set_params(init="glorot")  # or it would not learn
    return dense


def resolve_decoder(estimator: Any, encoder: Any, link: Callable[[], nn.Module]) -> Any:
    """Return the decoder of an estimator: the one given, or the encoder's mirror.

    Parameters
    ----------
    estimator : BaseAutoencoder
        With the parameter `decoder`.
    encoder : architecture, torch.nn.Module or callable
        Its encoder.
    link : callable
        Factory of the layer after the decoder; a trained decoder may end with it.
    """
    if estimator.decoder is not None:
        decoder = resolve_network(estimator.decoder, "decoder")
        return (
            without_link(decoder, link) if isinstance(decoder, nn.Module) else decoder
        )
    if not isinstance(encoder, Architecture):
        raise ValueError(
            "A custom encoder cannot be mirrored. Pass a decoder too: "
            "'dense', 'conv', or a builder (n_in, n_out) -> torch.nn.Module."
        )
    return encoder


def code_activation_layer(estimator: Any) -> Callable[[], nn.Module] | None:
    """Return a factory of the last layer of an encoder, None for a linear code."""
    name = getattr(estimator, "code_activation", None)
    return None if name in (None, "identity") else ACTIVATIONS[name]


def _is_tied(slot: Any) -> bool:
    return isinstance(slot, Architecture) and slot.tied


def _check_tied(estimator: Any, networks: Networks) -> None:
    """Refuse tied weights of networks that do not mirror each other."""
    encoder, decoder = networks.encoder, networks.decoder
    if estimator.decoder is not None and _is_tied(decoder):
        raise ValueError(
            f"decoder={estimator.decoder!r} has no encoder to share its weights with. "
            "Pass encoder=Dense(..., tied=True) and decoder=None, or set tied=False."
        )
    if not _is_tied(encoder):
        return
    if estimator.decoder is not None:
        raise ValueError(
            f"encoder={encoder!r} makes the decoder, but decoder={estimator.decoder!r} "
            "makes one, too. Set decoder=None, or tied=False."
        )
    if networks.module_class.n_columns_per_unit > 1:
        raise ValueError(
            f"encoder={encoder!r} cannot be tied: the encoder of a variational "
            "autoencoder gives 2 * n_components values, and its decoder takes "
            "n_components. Set tied=False."
        )


# Objective and training ---------------------------------------------------------------


def make_task(
    estimator: Any,
    loss: Loss,
    penalties: list[tuple[str, Any]],
    corruption: Callable | None,
) -> Task:
    """Return the task of a network, with copies of its parts.

    Parameters
    ----------
    estimator : BaseAutoencoder
        With the parameters `penalty` and `augmentation`.
    loss : Loss
        How a reconstruction is compared with its row.
    penalties : list of (str, callable)
        Penalties that the class adds to `penalty`.
    corruption : callable or None
        The corruption of a batch.
    """
    check_instances(estimator)
    check_net_params(estimator)
    penalties = [*penalties, *named_penalties(estimator.penalty)]
    check_unique([name for name, _ in penalties])
    return Task(
        loss=loss,
        penalties=[(name, clone(penalty, safe=False)) for name, penalty in penalties],
        augmentation=clone(estimator.augmentation, safe=False),
        corruption=clone(corruption, safe=False),
        takes_gaps=estimator.missing == "mask",
    )


def make_training(estimator: Any, networks: Networks) -> Training:
    """Return the settings of training, from the parameters of an estimator.

    Parameters
    ----------
    estimator : BaseAutoencoder
        The estimator.
    networks : Networks
        The networks that are trained, on which the learning rate may depend.
    """
    optimizer, schedule = estimator.optimizer, _resolve_lr_schedule(estimator)
    if isinstance(optimizer, str):
        optimizer = OPTIMIZERS[optimizer]
    if isinstance(schedule, str):
        schedule = LR_SCHEDULES[schedule]
    is_adaptive = optimizer in (torch.optim.Adam, torch.optim.AdamW)
    given = estimator.net_params or {}
    is_auto = estimator.lr == "auto" and "optimizer__lr" not in given
    by_layer = is_auto and is_adaptive and networks.are_architectures
    settings = {
        "optimizer": optimizer,
        "lr": resolve_lr(estimator.lr, by_layer=by_layer),
        "lr_by_layer": by_layer,
        "lr_schedule": schedule,
        "max_epochs": estimator.max_epochs,
    }
    if estimator.weight_decay is not None:
        settings["optimizer__weight_decay"] = estimator.weight_decay
    hold_out, stops = estimator.validation_fraction, estimator.early_stopping
    uses_all = (
        stops == "auto" and hold_out is None and not _monitors_held_out(estimator)
    )
    if hold_out is None and stops:
        hold_out = 0.1
    return Training(
        settings={**settings, **given},
        callbacks=list(estimator.callbacks or []),
        hold_out=hold_out,
        early_stopping=bool(stops),
        final_share=FINAL_SHARE if uses_all else 0.0,
        patience=estimator.n_iter_no_change,
        tol=estimator.tol,
        device=estimator.device,
    )


def _callbacks_of(estimator: Any) -> list[Any]:
    """Return the callbacks of an estimator without their names."""
    return [
        item[1] if isinstance(item, (tuple, list)) else item
        for item in estimator.callbacks or []
    ]


def _monitors_held_out(estimator: Any) -> bool:
    """Tell whether a callback needs held-out rows in every epoch."""
    monitors = [getattr(x, "monitor", None) for x in _callbacks_of(estimator)]
    return any(isinstance(x, str) and not x.startswith("train") for x in monitors)


def _resolve_lr_schedule(estimator: Any) -> Any:
    """Return the schedule of an estimator, or that of a scheduler in its callbacks."""
    schedulers = [
        item
        for item in _callbacks_of(estimator)
        if isinstance(item, LRScheduler) or item is LRScheduler
    ]
    if not schedulers:
        return estimator.lr_schedule
    if estimator.lr_schedule not in ("constant", default_of(estimator, "lr_schedule")):
        raise ValueError(
            f"lr_schedule={estimator.lr_schedule!r} and an LRScheduler in callbacks "
            "both set the learning rate. Give one of them."
        )
    return "constant"


# Parameters that methods use ----------------------------------------------------------


def random_source(estimator: Any, random_state: Any) -> np.random.RandomState:
    """Return the random state of a method; None is that of the estimator."""
    own = estimator.random_state if random_state is None else random_state
    return check_random_state(own)


def lower_weights(penalties: list[tuple[str, Any]]) -> list[str]:
    """Return the suggestions to lower the weights of penalties, by parameter."""
    return [f"lower {name}={p.weight:g}" for name, p in penalties if p.weight]


def common_remedies(
    estimator: Any, own: list[str], corruption: Callable | None
) -> list[str]:
    """Return suggestions against a collapsed code, those of the class first.

    Parameters
    ----------
    estimator : BaseAutoencoder
        The estimator.
    own : list of str
        Suggestions that only its class can make.
    corruption : callable or None
        The corruption of a batch.
    """
    remedies = list(own)
    if estimator.penalty:
        remedies.append("lower the weights of penalty")
    if corruption is not None:
        remedies.append("weaken the noise")
    remedies.append(
        f"another lr than {estimator.lr}, or more epochs; a scaled X, where its "
        "columns differ in units or the modules are custom"
    )
    return remedies


# Copies -------------------------------------------------------------------------------


def copy_of(estimator: Any) -> dict[str, Any]:
    """Return a copy of the parameters, including nested objects."""
    return _copy(BaseEstimator.get_params(estimator, deep=False))


def _copy(value: Any) -> Any:
    """Copy containers and objects with parameters; other values are returned."""
    if type(value) is dict:
        return {key: _copy(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_copy, value))
    return clone(value, safe=False) if has_parameters(value) else value
