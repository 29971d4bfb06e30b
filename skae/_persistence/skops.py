"""How skops stores an estimator: as the bytes of a file of this package.

skops gets the state of an object from ``__getstate__`` and stores each value in it, so
that a reader would have to trust each of their types. pickle and copy call
``__reduce_ex__``, which calls ``__getstate__`` in turn, and need the plain attributes.
``__reduce_ex__`` sets a flag that distinguishes the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from skae._persistence.format import (
    Document,
    Saved,
    estimator_name,
    from_bytes,
    to_bytes,
)

_IS_PICKLED: ContextVar[bool] = ContextVar("_IS_PICKLED", default=False)


@contextmanager
def pickled() -> Iterator[None]:
    """Make :func:`is_pickled` true inside the block."""
    token = _IS_PICKLED.set(True)
    try:
        yield
    finally:
        _IS_PICKLED.reset(token)


def is_pickled() -> bool:
    """Tell whether pickle or copy asks for the state."""
    return _IS_PICKLED.get()


def state_for_skops(document: Document) -> dict[str, Any]:
    """Return the bytes of a file, and the user-defined classes and functions in it."""
    data, user_defined = to_bytes(document)
    return {"skae": data, "names": list(user_defined.values())}


def is_state_of_skops(state: dict[str, Any]) -> bool:
    """Tell whether :func:`state_for_skops` has made a state."""
    return "skae" in state


def estimator_of_skops(
    state: dict[str, Any], cls: type, make: Callable[[Saved], Any]
) -> Any:
    """Return the estimator of a state; skops has checked that its names are trusted."""
    trusted = [f"{x.__module__}.{x.__qualname__}" for x in state["names"]]
    return from_bytes(state["skae"], {estimator_name(cls): cls}, make, trusted)
