"""Plans of a network and its training: plain values, independent of estimators."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from skae._data.batches import HoldOut
from skae._data.blocks import find_blocks, lacks_blocks
from skae._data.layout import Layout, infer_layout
from skae._data.statistics import Statistics
from skae._data.transforms import DropEntries
from skae._data.units import InUnitsOfX, Units
from skae._exceptions import FitWarning, warn
from skae._networks.architecture import Architecture
from skae._networks.autoencoder import AutoencoderModule
from skae._objective.losses import Loss
from skae._objective.objective import Objective

_NO_CATEGORIES = (
    "BlockLoss has found no categories in X, and is half the squared error of all "
    "columns. Pass one-hot columns, zeros and ones, without a step that scales them, "
    "or use loss='squared_error'."
)
_DROPPED = 0.3  # share of the entries of a batch, where rows may have gaps


def _is_ours(slot: Any) -> bool:
    """Tell whether a part is None or defined in this package."""
    kind = slot if inspect.isfunction(slot) else type(slot)
    return slot is None or kind.__module__.startswith("skae.")


@dataclass(frozen=True)
class Networks:
    """The encoder, the decoder and the module that joins them.

    Parameters
    ----------
    encoder, decoder : Architecture, torch.nn.Module or callable
        Architectures, modules that are copied, or builders.
    code_activation : callable or None
        Factory of the last layer of the encoder.
    module_class : type
        The module that joins them.
    """

    encoder: Any
    decoder: Any
    code_activation: Callable[[], nn.Module] | None = None
    module_class: type[AutoencoderModule] = AutoencoderModule

    @property
    def are_architectures(self) -> bool:
        """Whether both are architectures, shipped or the user's."""
        return all(isinstance(x, Architecture) for x in (self.encoder, self.decoder))

    @property
    def have_user_code(self) -> bool:
        """Whether either is the user's, and may draw from the global generator."""
        return not (_is_ours(self.encoder) and _is_ours(self.decoder))

    def resolve_layout(
        self, sample_shape: tuple[int, ...], layout: str | None
    ) -> Layout:
        """Return the layout of samples, with the axes that an architecture needs.

        Parameters
        ----------
        sample_shape : tuple of int
            Shape of a sample of X.
        layout : str or None
            The parameter `layout`, the meaning of its axes.
        """
        slots = (self.encoder, self.decoder)
        shipped = [slot for slot in slots if isinstance(slot, Architecture)]
        shapes = [x.image_shape for x in shipped if x.image_shape is not None]
        if layout is None and len(sample_shape) < 3:
            layout = next((x.default_layout for x in shipped if x.default_layout), None)
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
    """The task of a network: loss, penalties and transformations.

    Parameters
    ----------
    loss : Loss
        How a reconstruction is compared with its row.
    penalties : list of (str, callable)
        Named terms of the objective beside it.
    augmentation, corruption : callable or None
        Transformations of a batch.
    takes_gaps : bool
        Whether rows may have gaps.
    """

    loss: Loss
    penalties: list[tuple[str, Any]]
    augmentation: Any = None
    corruption: Any = None
    takes_gaps: bool = False

    @property
    def criterion(self) -> Callable[[], Objective]:
        """Factory of the objective."""
        return partial(Objective, self.loss, self.penalties)

    def transformations(
        self, statistics: Statistics, layout: Layout, units: Units | None
    ) -> dict[str, Any]:
        """Return augmentation and corruption, shipped ones for the training rows."""
        slots = {"augmentation": self.augmentation, "corruption": self.corruption}
        for name, slot in slots.items():
            own = None if getattr(slot, "ignores_units", False) else units
            given = statistics if own is None else own.describe_x(statistics)
            if hasattr(slot, "in_units"):
                slots[name] = slot.in_units(given.mean, given.scale)
            if hasattr(slot, "in_layout"):
                slots[name] = slot.in_layout(layout)
            if own is not None and slot is not None:
                slots[name] = InUnitsOfX(slots[name], own)
        if self.takes_gaps:
            slots["corruption"] = DropEntries(_DROPPED, slots["corruption"])
        return slots

    @property
    def warmup(self) -> int:
        """Number of epochs in which the weight of a penalty rises."""
        return max((getattr(p, "warmup", 0) for _, p in self.penalties), default=0)

    @property
    def needs_activations(self) -> bool:
        """Whether a penalty needs the intermediate activations of the encoder."""
        return any(getattr(p, "needs_activations", False) for _, p in self.penalties)

    @property
    def has_user_code(self) -> bool:
        """Whether any part is user-defined, and may use the global generator."""
        slots = [self.loss.function, self.augmentation, self.corruption]
        slots += [penalty for _, penalty in self.penalties]
        return not all(map(_is_ours, slots))


@dataclass(frozen=True)
class Training:
    """How the objective is minimised.

    Parameters
    ----------
    settings : dict
        Arguments of the skorch net, by skorch's names. They include ``lr_schedule``,
        the factor of the learning rate for each fraction of the training.
    callbacks : list
        skorch callbacks, to be cloned for each net.
    hold_out : float or None
        Fraction of the rows on which the objective is measured after each epoch.
    early_stopping : bool
        Whether the loss on those rows decides when to stop and which weights to use.
    final_share : float
        Share of the epochs, the last ones, that train on those rows as well.
    patience : int or None
        Epochs without an improvement before training stops.
    tol : float
        The improvement of the loss, divided by the number of features, that counts.
    device : str or torch.device
        Device to compute on.
    """

    settings: dict[str, Any]
    callbacks: list[Any]
    hold_out: float | None
    early_stopping: bool
    final_share: float
    patience: int | None
    tol: float
    device: Any

    def split(self, seed: int) -> HoldOut | None:
        """Return the split that holds rows out, or None."""
        if self.hold_out is None:
            return None
        return HoldOut(self.hold_out, seed, is_optional=self.final_share > 0)


@dataclass(frozen=True)
class Plan:
    """The network of an estimator and its training.

    Parameters
    ----------
    parameters : dict
        The parameters of the estimator at that time, which are saved in files.
    n_components : int
        Size of the code.
    networks : Networks
        The networks.
    layout : str or None
        The parameter `layout`, the meaning of the axes of X.
    dtype : {"float32", "float64", "auto"}
        Type to compute in.
    task : Task
        The task that they are trained for.
    training : Training
        How they are trained.
    """

    parameters: dict[str, Any]
    n_components: int
    networks: Networks
    layout: str | None
    dtype: str
    task: Task
    training: Training

    def validated(self) -> Plan:
        """Return the plan for held-out rows of the user's own: none of X are."""
        training = replace(self.training, hold_out=None, final_share=0.0)
        return replace(self, training=training)

    def for_rows(self, rows: Any, names: Any = None) -> Plan:
        """Return the plan with the blocks of rows, if a part waits for them.

        Parameters
        ----------
        rows : Rows of shape (n_rows, n_features)
            The training rows.
        names : sequence of str or None, default=None
            Names of their columns.
        """
        task, parameters = self.task, self.parameters
        if not any(map(lacks_blocks, [*parameters.values(), task.corruption])):
            return self
        blocks = find_blocks(rows, names)
        found = {
            name: value.with_blocks(blocks) if lacks_blocks(value) else value
            for name, value in parameters.items()
        }
        loss, corruption = task.loss, task.corruption
        if lacks_blocks(parameters["loss"]):
            if all(block.kind != "category" for block in blocks):
                warn(_NO_CATEGORIES, FitWarning)
            loss = Loss.of(found["loss"], as_likelihood=loss.profile is not None)
        if lacks_blocks(corruption):
            corruption = corruption.with_blocks(blocks)
        task = replace(task, loss=loss, corruption=corruption)
        return replace(self, parameters=found, task=task)

    @property
    def has_free_coordinates(self) -> bool:
        """Whether the code may be rotated and scaled after training.

        It may if the networks are shipped, the code is linear, and no term of the
        objective depends on its axes.
        """
        networks, penalties = self.networks, self.task.penalties
        is_linear = networks.are_architectures and networks.code_activation is None
        is_prior = networks.module_class.n_columns_per_unit > 1
        return (
            is_linear
            and not is_prior
            and all(getattr(penalty, "ignores_axes", False) for _, penalty in penalties)
        )


def resolve_device(device: Any) -> torch.device:
    """Return the torch device of a name; "auto" is CUDA if it is available."""
    if str(device) == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device={device!r} is not known to torch. Use 'auto', 'cpu', or 'cuda' "
            "with a GPU of NVIDIA and 'mps' with one of Apple."
        ) from error


def check_device(device: torch.device) -> None:
    """Refuse a device that this machine, or this build of torch, does not have.

    Parameters
    ----------
    device : torch.device
        The device to compute on.
    """
    try:
        if device.type == "cpu" and device.index:
            raise RuntimeError("there is one device of this type")
        torch.zeros(1, device=device).sum().item()
    except (AssertionError, ImportError, NotImplementedError, RuntimeError) as error:
        raise ValueError(
            f"device={str(device)!r} cannot be used: {str(error).splitlines()[0]}. Use "
            "device='auto', which takes a GPU only where there is one, or 'cpu'."
        ) from error
