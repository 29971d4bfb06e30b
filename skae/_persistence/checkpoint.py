"""The state of a fit in a file, from which an equal fit resumes to the same bits.

The file is one of safetensors, written like those of estimators. It holds no code, and
no names of any: all of it is numbers and text. The fit that resumes builds its net
anew, from the same parameters and data, and takes on what training has changed since.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import joblib
import torch
from numpy.random import RandomState

from skae._data.batches import BatchIterator
from skae._distributed.agreement import check_same
from skae._distributed.group import current_group, is_first
from skae._exceptions import DivergenceError, FitWarning, warn
from skae._persistence.atomic import read_whole, remove_whole, write_whole
from skae._persistence.checks import check_optimizer
from skae._persistence.container import (
    as_tensor,
    from_tensor,
    pack,
    refused,
    unpack,
    versions_now,
)
from skae._persistence.fingerprint import (
    are_close,
    differences,
    marks_of_call,
    marks_of_data,
    moments_of,
    state_of_parts,
)
from skae._persistence.reader import Reader
from skae._persistence.state import load_callbacks, state_of_callbacks
from skae._persistence.writer import Writer
from skae._training.passes import FROM_START, Course, Pass
from skae._training.rates import groups_of

_KEY, _FORMAT = "skae_checkpoint", 1
_MOST_SHARE = 0.05  # of the time of a fit, for writing
_WAY_OUT = "Delete the file to train from the start, or give another path."


@contextmanager
def checkpointed(
    path: Any, cls: type, parameters: Mapping[str, Any]
) -> Iterator[Course]:
    """Resume the fit inside the block from a file, and keep its state there.

    The file is removed when the fit has ended, and stays after any interrupt. After
    divergence it is removed as well: the same fit would diverge again.

    Parameters
    ----------
    path : str or path-like, or None
        The file. None is no file, and a fit from the start.
    cls : type
        The class that is fitted.
    parameters : dict
        Its parameters.
    """
    if path is None:
        yield FROM_START
        return
    checkpoint = Checkpoint(os.fspath(path), cls, parameters)
    try:
        yield checkpoint
    except DivergenceError:
        checkpoint.remove()
        raise
    checkpoint.remove()


class _Plain(Writer):
    """Encodes numbers, text and tensors, and nothing that has to be looked up."""

    def name(self, value: Any, where: str) -> str:
        """Refuse a class or a function."""
        raise TypeError(
            f"{where} holds {getattr(value, '__qualname__', value)}, and only numbers, "
            "text, arrays and tensors can be in the file"
        )


class Checkpoint(Course):
    """The course of a fit whose state is written to a file, or read from it.

    It is written between two batches, before the first one and then as often as that
    takes at most 5 % of the time. The state says how far the fit is: in which phase, of
    the first epochs or those on all rows, after how many epochs of it, and after how
    many batches of the next one. To resume within an epoch, the order of its rows is
    drawn again, and batches that were run are not read.

    Parameters
    ----------
    path : str or bytes
        The file.
    cls : type
        The class that is fitted.
    parameters : dict
        Its parameters.
    """

    def __init__(self, path: Any, cls: type, parameters: Mapping[str, Any]) -> None:
        # A callback may change the folder that a relative path belongs to.
        self._path = os.path.abspath(path)
        self._name = f"checkpoint={os.fsdecode(path)!r}"
        try:
            self._marks = marks_of_call(cls, parameters)
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"{self._name} cannot tell this fit from others, since a parameter "
                f"cannot be described: {error}"
            ) from error
        self._found = self._read()
        self._phase, self._n_epochs = -1, 0
        self._callbacks: list[tuple[str, Any]] = []
        self._parts: dict[str, Any] = {}
        self._draws: tuple[str, str] | None = None  # by a RandomState of the user
        self._written = self._facts()  # of the file, which others may replace
        self._next_write = 0.0
        self._has_failed = False

    def __reduce__(self) -> Any:
        return Course, ()  # a copy of a net that a callback makes writes nothing

    # The file -------------------------------------------------------------------------

    def _facts(self) -> tuple[int, ...] | None:
        """Return facts that change when the file is replaced, None without a file."""
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> dict[str, Any] | None:
        """Return the state in the file, None if there is no file."""
        import safetensors.torch

        if self._facts() is None:
            return None
        data = read_whole(self._path, sys.maxsize)
        try:
            document = unpack(data, _KEY, _FORMAT, self._name)
            with refused(self._name, document):
                reader = Reader(safetensors.torch.load(data), trusted=())
                state = reader.decode_value(from_tensor(reader.tensors["state"]))
                then = state["marks"]
        except ValueError as error:
            raise ValueError(f"{error} {_WAY_OUT}") from error
        self._check(then)
        return state

    def _check(self, then: Mapping[str, Any], *own: str) -> None:
        """Refuse the file of another fit."""
        found = [*differences(self._marks, then), *own]
        if found:
            raise self._of_another("; ".join(found))

    def _of_another(self, what: str) -> ValueError:
        """Return the error for the file of another fit."""
        return ValueError(f"{self._name} belongs to another fit ({what}). {_WAY_OUT}")

    def remove(self) -> None:
        """Remove the file, unless another fit has replaced it."""
        if is_first() and self._facts() in (self._written, None):
            with suppress(OSError):
                remove_whole(self._path)

    # The course of a fit --------------------------------------------------------------

    def draw_seed(self, random_state: Any) -> int:
        """Return the seed of a fit: the one in the file, if there is one.

        A RandomState is left as the interrupted fit has left it.
        """
        found = self._found
        is_given = isinstance(random_state, RandomState)
        before = _digest(random_state) if is_given else ""
        if found is not None and is_given and before == found["draws"][1]:
            self._draws = found["draws"]
            return found["seed"]
        seed = super().draw_seed(random_state)
        self._draws = (before, _digest(random_state) if is_given else "")
        if found is None:
            return seed
        if self._draws != found["draws"]:
            raise self._of_another("random_state: another there")
        return found["seed"]

    def epochs(self, net: Any, data: dict[str, Any], n_epochs: int) -> range:
        """Return which epochs of the next phase are left, after checks of the data."""
        self._phase += 1
        found, self._n_epochs = self._found, 0
        place = found and (found["phase"], found["n_epochs"], found["n_batches"])
        check_same(f"the place in {self._name}", str(place))
        if self._phase == 0:
            self._callbacks = list(net.callbacks_)
            self._marks = {**self._marks, **marks_of_data(net, data)}
            self._parts = state_of_parts(net)
        if found is not None:
            if self._phase == 0:
                is_same = are_close(moments_of(net.module.statistics), found["moments"])
                others = () if is_same else ("X: other values there",)
                self._check(found["marks"], *others)
            is_done = self._phase < found["phase"]
            self._n_epochs = n_epochs if is_done else found["n_epochs"]
        return range(self._n_epochs, n_epochs)

    def batches(self, each: Pass) -> Iterator[Any]:
        """Yield the batches of a pass, and write the state between them."""
        net, found = each.net, self._found
        stream = net.module_.stream
        each.n_resumed = 0
        if found is not None:
            try:
                with refused(self._name, {"written_by": versions_now()}):
                    self._restore(each, found)
            except ValueError as error:
                raise ValueError(f"{error}. {_WAY_OUT}") from error
            self._found = None
        # The order is drawn from here, other draws follow.
        start = stream.__getstate__()
        for n_batches, batch in enumerate(_after(each), each.n_resumed):
            if found is not None:
                stream.restore(found["stream"])
                found = None
            # Within an epoch, each of several processes has its own part of the terms.
            can_write = n_batches == 0 or current_group() is None
            if can_write and time.perf_counter() >= self._next_write:
                self._save(each, n_batches, start)
            yield batch
        self._n_epochs += 1

    # The state ------------------------------------------------------------------------

    def _save(self, each: Pass, n_batches: int, start: dict[str, Any]) -> None:
        """Write the state: later failures are told once, and do not end the fit."""
        began = time.perf_counter()
        try:
            if not is_first():
                return
            if self._facts() not in (self._written, None):
                raise FileExistsError("another fit writes the same file")
            write_whole(self._path, self._packed(each, n_batches, start))
            self._written = self._facts()
        except (OSError, TypeError) as error:
            text = getattr(error, "strerror", None) or str(error)
            if self._written is None:
                raise _renewed(
                    error,
                    f"{self._name} cannot be written: {text}. Nothing is trained.",
                ) from error
            if not self._has_failed:
                warn(self._failed(text), FitWarning)
            self._has_failed = True
        finally:
            took = time.perf_counter() - began
            self._next_write = began + took + took / _MOST_SHARE

    def _failed(self, text: str) -> str:
        return (
            f"{self._name} could not be written: {text}. Training goes on, and tries "
            "to write it later; until then the last state that was written remains."
        )

    def _packed(self, each: Pass, n_batches: int, start: dict[str, Any]) -> bytes:
        """Return the state as the bytes of a file."""
        net, writer = each.net, _Plain()
        for part in differences(state_of_parts(net), self._parts):
            raise TypeError(
                f"what {part.partition(':')[0]} holds changes in training, and is not "
                "part of the file. Draw from the generator that is passed or torch's "
                "global one, and register tensors as buffers of a module"
            )
        module, terms = net.module_, net.epoch_terms_
        state = {
            "marks": self._marks,
            "moments": moments_of(net.module.statistics),
            "runs_in": _circumstances(),
            "seed": net.seed,
            "draws": self._draws,
            "phase": self._phase,
            "n_epochs": self._n_epochs,
            "n_batches": n_batches,
            "n_epochs_of_module": module.n_epochs,
            "n_steps": net.learning_rate_.n_done,
            "weights": dict(module.state_dict()),
            "last_finite": net.finite_weights_.copies,
            "optimizer": net.optimizer_.state_dict(),
            "start": start,
            "stream": module.stream.__getstate__(),
            "terms": terms.sums,
            "history": list(net.history),
            "callbacks": state_of_callbacks(self._callbacks),
        }
        encoded = writer.encode_value(state, "state")
        document = {"format": _FORMAT, "written_by": versions_now()}
        return pack(_KEY, document, {**writer.tensors, "state": as_tensor(encoded)})

    def _restore(self, each: Pass, found: dict[str, Any]) -> None:
        """Take on the state of a file."""
        net, module = each.net, each.net.module_
        if found["runs_in"] != _circumstances():
            warn(
                f"{self._name} was written with {found['runs_in']}, and the fit "
                f"resumes with {_circumstances()}: rounding differs, so that its "
                "result is not the same to the last bit.",
                FitWarning,
            )
        each.n_resumed = found["n_batches"]
        module.load_state_dict(found["weights"])
        module.n_epochs = found["n_epochs_of_module"]
        module.stream.restore(found["start"])
        check_optimizer(found["optimizer"], groups_of(net), net.optimizer)
        net.optimizer_.load_state_dict(found["optimizer"])
        net.learning_rate_.n_done = found["n_steps"]
        net.finite_weights_.take(found["last_finite"])
        n_rows, weight, sums = found["terms"]
        sums = {name: x.to(net.device) for name, x in sums.items()}
        net.epoch_terms_.take(n_rows, weight, sums)
        net.history[:] = found["history"]
        load_callbacks(self._callbacks, found["callbacks"])


def _after(each: Pass) -> Iterator[Any]:
    """Return the batches of a pass after those that were run."""
    iterator: Any = each.iterator
    if isinstance(iterator, BatchIterator):
        return iterator.after(each.n_resumed)
    return itertools.islice(iterator, each.n_resumed, None)


def _digest(random_state: RandomState) -> str:
    return joblib.hash(random_state.get_state(legacy=False))


def _circumstances() -> str:
    """Return what rounding depends on, beside versions and the device."""
    group = current_group()
    n_processes = 1 if group is None else group.size
    return f"{torch.get_num_threads()} thread(s) and {n_processes} process(es)"


def _renewed(error: Exception, message: str) -> Exception:
    """Return an error of the same kind with another message."""
    number = getattr(error, "errno", None)
    if number is None:
        return type(error)(message)
    return OSError(number, message)
