"""The processes that train one network, and what they exchange.

They are those of torch.distributed, whoever has started them. A fit has a group of its
own, so that a process that fails can leave it, which ends the wait of the others, and
leaves the groups of the user alone.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

_LOST = (
    "Another process of torch.distributed has failed, has ended, or did not take part "
    "in time, while process {rank} of {size} trained with it. Its own output has the "
    "reason. fit is to be called in all processes alike: to train in one, call it "
    "before torch.distributed.init_process_group."
)
_AT_ONCE = (
    "Two fits at once share the processes of torch.distributed, which could not tell "
    "them apart. Fit one after another, without threads (n_jobs=None)."
)
_LOCK = threading.RLock()  # reentrant: a part of a network may itself be fitted


class Group:
    """The processes that train one network.

    Parameters
    ----------
    default : torch.distributed.ProcessGroup
        The group of all processes.
    """

    def __init__(self, default: Any) -> None:
        self.default = default
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        with self._waiting():
            self._on_cpu: Any = dist.new_group(backend="gloo")
        self._on_cuda: Any = None
        self.own_stream: Any = None  # of user-defined code, in a fit

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Say what it means that torch cannot reach the others."""
        try:
            yield
        except RuntimeError as error:
            message = _LOST.format(rank=self.rank, size=self.size)
            raise ConnectionError(message) from error

    def leave(self) -> None:
        """Leave the group, which ends the wait of the others with an error."""
        if dist.is_initialized():
            for handle in (self._on_cpu, self._on_cuda):
                if handle is not None:
                    with suppress(Exception):  # the user may have ended all
                        dist.destroy_process_group(handle)

    def sum(self, x: Tensor) -> Tensor:
        """Return the sum of a tensor over the processes."""
        x = x.detach().clone(memory_format=torch.contiguous_format)
        if x.device.type == "cuda" and self._has_nccl():
            with self._waiting():
                if self._on_cuda is None:
                    self._on_cuda = dist.new_group(backend="nccl")
                dist.all_reduce(x, group=self._on_cuda)
            return x
        found = x if x.device.type in ("cpu", "cuda") else x.cpu()
        with self._waiting():
            dist.all_reduce(found, group=self._on_cpu)
        return found.to(x.device)

    def _has_nccl(self) -> bool:
        return dist.is_nccl_available() and "nccl" in str(dist.get_backend_config())

    def any(self, is_so: bool) -> bool:
        """Tell whether something is so in any process."""
        return bool(self.sum(torch.tensor(float(is_so))) > 0)

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all processes, which are pickled."""
        found: list[Any] = [None] * self.size
        with self._waiting():
            dist.all_gather_object(found, value, group=self._on_cpu)
        return found

    def from_first(self, value: Any) -> Any:
        """Return the value of the first process, which is pickled."""
        values = [value]
        with self._waiting():
            dist.broadcast_object_list(values, src=0, group=self._on_cpu)
        return values[0]

    @torch.no_grad()
    def copy_first(self, tensors: Sequence[Tensor]) -> None:
        """Overwrite tensors with those of the first process."""
        for x in tensors:
            found = x.cpu().contiguous()
            with self._waiting():
                dist.broadcast(found, src=0, group=self._on_cpu)
            x.copy_(found)


_ACTIVE: ContextVar[Group | None] = ContextVar("group", default=None)
_KEPT: list[Group] = []  # the last one, for the next fit


def current_group() -> Group | None:
    """Return the group of the fit that runs, None where one process trains alone."""
    return _ACTIVE.get()


def is_first() -> bool:
    """Tell whether this process is the one that shows progress and warns."""
    group = _ACTIVE.get()
    return group is None or group.rank == 0


def are_many() -> bool:
    """Tell whether torch.distributed has started several processes."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


@contextmanager
def joined() -> Iterator[Group]:
    """Train together with the other processes inside the block.

    All have to enter it and to reach its end. Whoever leaves it by an error leaves the
    group, too, so that the others end with one.
    """
    if not _LOCK.acquire(blocking=False):
        raise RuntimeError(_AT_ONCE)
    try:
        outer = _ACTIVE.get()
        group = _kept_or_new() if outer is None else outer
        token = _ACTIVE.set(group)
        try:
            with _without_warnings() if group.rank else nullcontext():
                yield group
            group.any(False)  # all have come to the end
        except BaseException:
            if outer is None:
                _KEPT.clear()
                group.leave()
            raise
        finally:
            _ACTIVE.reset(token)
    finally:
        _LOCK.release()


@contextmanager
def _without_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _kept_or_new() -> Group:
    default = dist.group.WORLD
    if not (_KEPT and _KEPT[0].default is default):
        _KEPT[:] = [Group(default)]
    return _KEPT[0]


@contextmanager
def stopping_alike(error: type[Exception]) -> Iterator[None]:
    """Raise an error that ends training in all processes, if one of them does.

    Parameters
    ----------
    error : type
        The error.
    """
    group, stops = _ACTIVE.get(), False
    if group is None:
        yield
        return
    try:
        yield
    except error:
        stops = True
    if group.any(stops):
        raise error


def from_first(value: Any) -> Any:
    """Return the value of the first process, if several train together."""
    group = _ACTIVE.get()
    return value if group is None else group.from_first(value)


def refuse_many(what: str) -> None:
    """Refuse what is not divided over processes.

    Parameters
    ----------
    what : str
        What it is, and what to do instead.
    """
    if are_many():
        raise RuntimeError(
            f"{what} Or call it before torch.distributed.init_process_group."
        )
