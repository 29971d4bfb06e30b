"""What a network is and how it is trained: plain values, which know no estimator."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from skae._data.batches import HoldOut
from skae._data.layout import Layout, infer_layout
from skae._networks.architecture import Architecture
from skae._networks.autoencoder import AutoencoderModule
from skae._objective.losses import Loss
from skae._objective.objective import Objective


@dataclass(frozen=True)
class Networks:
    """Which encoder and decoder, and what joins them.

    Parameters
    ----------
    encoder, decoder : Architecture, torch.nn.Module or callable
        Architectures, modules that are copied, or builders.
    code_layer : callable or None
        Makes the last layer of the encoder.
    module_class : type
        The module that joins them.
    """

    encoder: Any
    decoder: Any
    code_layer: Callable[[], nn.Module] | None = None
    module_class: type[AutoencoderModule] = AutoencoderModule

    @property
    def are_shipped(self) -> bool:
        """Whether both are architectures of this package."""
        return all(isinstance(x, Architecture) for x in (self.encoder, self.decoder))

    def find_layout(self, sample_shape: tuple[int, ...], layout: str | None) -> Layout:
        """Return the layout of samples, with the axes that an architecture needs.

        Parameters
        ----------
        sample_shape : tuple of int
            Shape of a sample of X.
        layout : str or None
            What the user says of its axes.
        """
        slots = (self.encoder, self.decoder)
        shipped = [slot for slot in slots if isinstance(slot, Architecture)]
        shapes = [x.image_shape for x in shipped if x.image_shape is not None]
        if any(tuple(shape) != tuple(shapes[0]) for shape in shapes):
            raise ValueError(
                f"image_shape={shapes[0]!r} of the encoder contradicts image_shape="
                f"{shapes[1]!r} of the decoder. Give one of them."
            )
        return infer_layout(
            sample_shape,
            layout=layout,
            image_shape=shapes[0] if shapes else None,
            needs_image=any(x.needs_axes for x in shipped),
        )


@dataclass(frozen=True)
class Task:
    """What a network is trained to do.

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
    penalties: list[tuple[str, Any]]
    augmentation: Any = None
    corruption: Any = None

    @property
    def criterion(self) -> Callable[[], Objective]:
        """Makes the objective."""
        return partial(Objective, self.loss, self.penalties)

    @property
    def warmup(self) -> int:
        """Epochs in which the weight of a penalty rises."""
        return max((getattr(p, "warmup", 0) for _, p in self.penalties), default=0)

    @property
    def needs_steps(self) -> bool:
        """Whether a penalty asks for what each layer of the encoder got and gave."""
        return any(getattr(p, "needs_steps", False) for _, p in self.penalties)

    @property
    def has_user_code(self) -> bool:
        """Whether any part is the user's, and may draw from the global generator."""
        slots = [self.loss.function, self.augmentation, self.corruption]
        slots += [penalty for _, penalty in self.penalties]
        return not all(map(_is_ours, slots))


def _is_ours(slot: Any) -> bool:
    """Tell whether a slot is empty or holds what this package ships."""
    kind = slot if inspect.isfunction(slot) else type(slot)
    return slot is None or kind.__module__.startswith("skae.")


@dataclass(frozen=True)
class Training:
    """How the objective is minimised.

    Parameters
    ----------
    settings : dict
        What the skorch net is given, by skorch's names. It includes ``lr_schedule``,
        the factor of the learning rate for each fraction of the training.
    callbacks : list
        Callbacks of skorch, to be cloned for each net.
    hold_out : float or None
        Fraction of the rows on which the objective is measured after each epoch.
    early_stopping : bool
        Whether the loss on those decides when to stop, and which weights to keep.
    patience : int or None
        Epochs without an improvement before training stops.
    tol : float
        The improvement of the loss, divided by the number of features, that counts.
    device : str or torch.device
        Where to compute.
    """

    settings: dict[str, Any]
    callbacks: list[Any]
    hold_out: float | None
    early_stopping: bool
    patience: int | None
    tol: float
    device: Any

    def split(self, seed: int) -> HoldOut | None:
        """Return what holds rows out, if any are to be."""
        return None if self.hold_out is None else HoldOut(self.hold_out, seed)


@dataclass(frozen=True)
class Plan:
    """All that an estimator says of its network and of its training.

    Parameters
    ----------
    parameters : dict
        The parameters of the estimator, as they were: files hold them.
    n_components : int
        Size of the code.
    networks : Networks
        What is trained.
    layout : str or None
        What the user says of the axes of X.
    dtype : {"float32", "float64", "auto"}
        Type to compute in.
    task : Task
        What it is trained to do.
    training : Training
        How.
    """

    parameters: dict[str, Any]
    n_components: int
    networks: Networks
    layout: str | None
    dtype: str
    task: Task
    training: Training


def resolve_device(device: Any) -> torch.device:
    """Return the torch device that `device` names; CUDA where there is one on auto."""
    if str(device) == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)
