"""What has to be the same in all processes that train together, and is compared."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Number
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from skae._distributed.group import Group, are_many, current_group, joined
from skae._random import RandomStream

# Parameters that each process may have of its own.
_OWN = {"callbacks", "device", "verbose"}
_N_COMPARED = 256  # rows of X


@contextmanager
def together(
    owner: Any, X: Any = None, y: Any = None, sample_weight: Any = None, **given: Any
) -> Iterator[None]:
    """Train together with other processes inside the block, if there are any.

    Parameters
    ----------
    owner : BaseEstimator
        What is trained, whose parameters have to be the same in all processes.
    X, y, sample_weight, **given : object
        Arguments of its `fit`. `y` is ignored.
    """
    if not are_many():
        yield
        return
    parameters = owner.get_params(deep=False)
    facts = {
        "the class": type(owner).__name__,
        **{k: describe(v) for k, v in parameters.items() if k not in _OWN},
        "the shape of X": str(getattr(X, "shape", None) or _length(X)),
        "sample_weight": describe(sample_weight),
        **{name: describe(value) for name, value in given.items()},
    }
    with joined() as group:
        compare(group, facts)
        yield


@contextmanager
def divided_training(net: Any, dataset: Any, n_epochs: int) -> Iterator[None]:
    """Train a net in all processes that train together, from and to equal weights.

    Parameters
    ----------
    net : AutoencoderNet
        The net.
    dataset : Dataset
        The training rows, all of them in each process.
    n_epochs : int
        Number of epochs.
    """
    group = current_group()
    if group is None:
        yield
        return
    module = net.module_
    _check_layers(module)
    is_new = module.n_epochs == 0 and not net.optimizer_.state
    compare(
        group,
        {
            "the seed": str(net.seed),
            "the rows of X": _rows(dataset),
            "the number of epochs": f"{module.n_epochs} + {n_epochs}",
            "batch_size": str(net.batch_size),
            "the share of final epochs": str(net.final_share),
            "the stream of random numbers": _stream(module.stream),
            "the weights to resume from": "" if is_new else _weights(module),
        },
    )
    if is_new:
        _equalize(group, module)
    seed = net.seed + group.rank + group.size * (module.n_epochs + 1)
    before, group.own_stream = group.own_stream, RandomStream(seed)
    try:
        yield
    finally:
        group.own_stream = before
    _equalize(group, module)


def check_same(name: str, value: str) -> None:
    """Raise an error if a fact is another in one of the processes that train together.

    Parameters
    ----------
    name, value : str
        The fact.
    """
    group = current_group()
    if group is not None:
        compare(group, {name: value})


def compare(group: Group, facts: Mapping[str, str]) -> None:
    """Raise an error in all processes if a fact is another in one of them."""
    found = group.gather(facts)
    for name in sorted({name for each in found for name in each}):
        values = [each.get(name, "none") for each in found]
        for rank, value in enumerate(values):
            if value != values[0]:
                raise ValueError(
                    "The processes of torch.distributed train one network together, "
                    f"but differ in {name}: {values[0]} in process 0, {value} in "
                    f"process {rank}. Pass the same parameters and all rows of X in "
                    "each of them: fit divides the batches itself. To train apart, "
                    "call fit before torch.distributed.init_process_group."
                )


def _check_layers(module: nn.Module) -> None:
    """Refuse layers that would take statistics of a share for those of a batch."""
    for name, layer in module.named_modules():
        is_tracking = getattr(layer, "track_running_stats", False)
        if isinstance(layer, _BatchNorm) or is_tracking:
            raise ValueError(
                f"The layer {name!r}, {layer}, takes statistics of a batch, of which "
                "each process of torch.distributed has a share only. Set "
                "batch_norm=False, or use layer normalisation in a custom module."
            )


def _equalize(group: Group, module: nn.Module) -> None:
    """Give all processes the weights of the first, where some differ.

    They do by the rounding of different processors, or by a builder without a seed.
    """
    if len(set(group.gather(_weights(module)))) > 1:
        group.copy_first(list(_tensors(module).values()))


def _tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    return {k: v for k, v in module.state_dict().items() if torch.is_tensor(v)}


def _weights(module: nn.Module) -> str:
    found = 0
    for x in _tensors(module).values():
        found = zlib.crc32(x.cpu().numpy().tobytes(), found)
    return f"checksum {found:08x}"


def _stream(stream: RandomStream) -> str:
    state: dict[str, Any] = stream.__getstate__()
    values = [x.numpy().tobytes() for x in state["states"].values()]
    return f"seed {state['seed']}, {_checksum(b''.join(values))}"


def _rows(dataset: Any) -> str:
    n_rows = len(dataset)
    if not hasattr(dataset, "in_memory"):
        return f"{n_rows} rows"
    rows, weight = dataset.in_memory.rows, dataset.weight
    some = np.unique(np.linspace(0, len(rows) - 1, _N_COMPARED).astype(int))
    values = np.ascontiguousarray(rows.take(some, axis=0)).tobytes()
    weights = b"" if weight is None else np.ascontiguousarray(weight).tobytes()
    return f"{n_rows} rows, {_checksum(values + weights)}"


# Values as text that is the same in other processes ----------------------------------


def describe(value: Any) -> str:
    """Return a text for a value, the same in each process that has an equal one."""
    if value is None or isinstance(value, (str, bytes, Number)):
        return repr(value)
    if isinstance(value, np.random.RandomState):
        state: Any = value.get_state()
        _, keys, *position = state
        return f"RandomState, {_checksum(keys.tobytes() + repr(position).encode())}"
    if isinstance(value, np.ndarray):
        values: np.ndarray = np.ascontiguousarray(value)
        known = values.dtype.kind not in "OV"
        of_values = _checksum(values.tobytes()) if known else ""
        return f"{value.dtype} of shape {value.shape} {of_values}"
    if isinstance(value, Mapping):
        items = (f"{k}: {describe(v)}" for k, v in sorted(value.items(), key=str))
        return "{" + ", ".join(items) + "}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(describe, value))}]"
    if isinstance(value, functools.partial):
        return describe([value.func, *value.args, value.keywords])
    if isinstance(value, nn.Module):
        return f"{type(value).__name__}, {_weights(value)}"
    if isinstance(value, type) or hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "get_params"):
        return f"{type(value).__name__}({describe(value.get_params(deep=False))})"
    if hasattr(value, "shape"):
        return f"{type(value).__name__} of shape {value.shape}"
    return type(value).__name__


def _length(X: Any) -> int | None:
    return len(X) if hasattr(X, "__len__") else None


def _checksum(values: bytes) -> str:
    return f"checksum {zlib.crc32(values):08x}"
