"""How an estimator is stored by skops: as the bytes of a file of ours.

skops asks an object for its state by ``__getstate__``, and stores each value in it,
for which a reader has to trust each type. pickle and copy ask by ``__reduce_ex__``,
which calls ``__getstate__`` in turn; they take the attributes as they are. So a flag
that ``__reduce_ex__`` raises tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from skae._persistence.format import Document, Saved, from_bytes, name_of, to_bytes

_IS_PICKLED: ContextVar[bool] = ContextVar("_IS_PICKLED", default=False)


@contextmanager
def pickled() -> Iterator[None]:
    """Let :func:`is_pickled` be true inside the block."""
    token = _IS_PICKLED.set(True)
    try:
        yield
    finally:
        _IS_PICKLED.reset(token)


def is_pickled() -> bool:
    """Tell whether pickle or copy asks for the state."""
    return _IS_PICKLED.get()


def state_for_skops(document: Document) -> dict[str, Any]:
    """Return the bytes of a file, and the classes and functions that they name."""
    data, foreign = to_bytes(document)
    return {"skae": data, "names": list(foreign.values())}


def is_state_of_skops(state: dict[str, Any]) -> bool:
    """Tell whether a state is what :func:`state_for_skops` gives."""
    return "skae" in state


def estimator_of_skops(
    state: dict[str, Any], cls: type, make: Callable[[Saved], Any]
) -> Any:
    """Return the estimator of a state; skops has asked for trust in what it names."""
    trusted = [f"{x.__module__}.{x.__qualname__}" for x in state["names"]]
    return from_bytes(state["skae"], {name_of(cls): cls}, make, trusted)
