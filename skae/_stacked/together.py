"""Several fits, whose passes over data run in step and stacked where that pays."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from skae._stacked.stack import Stack
from skae._stacked.structure import (
    fills_processor,
    kind_of_pass,
    reason_against,
    structure_of,
)
from skae._training.passes import Pass, Passes, advance
from skae._training.settings import default_torch


class Fit:
    """One of several fits.

    Parameters
    ----------
    passes : generator of Pass
        Trains an estimator, and yields each pass over data.
    around : callable
        Context in which it runs between two passes.
    """

    def __init__(self, passes: Passes, around: Callable[[], Any]) -> None:
        self._passes = passes
        self._around = around
        self.waiting: Pass | None = None
        self.error: Exception | None = None
        self.reason: str | None = None  # why it was not stacked
        self.seconds = 0.0
        self._structure: Any = None
        self._is_large = False

    def advance(self, error: Exception | None = None) -> None:
        """Go on to the next pass.

        Parameters
        ----------
        error : Exception or None, default=None
            What the last pass has raised.
        """
        began, self.waiting = time.perf_counter(), None
        try:
            with self._around():
                self.waiting = advance(self._passes, error)
        except Exception as raised:
            self.error = raised
        self.seconds += time.perf_counter() - began

    @property
    def group(self) -> Any:
        """What the fits of a stack have in common; itself for a fit alone."""
        each: Any = self.waiting
        if self.reason is None and self._structure is None:
            self.reason = reason_against(each)
            if self.reason is None:
                self._structure = structure_of(each.net)
                self._is_large = fills_processor(each)
        if self.reason is not None or self._is_large:
            return id(self)
        return self._structure, kind_of_pass(each)

    def close(self) -> None:
        """Give up."""
        self._passes.close()


def train_together(fits: Sequence[Fit]) -> None:
    """Run several fits to their ends; errors are kept in each of them.

    Parameters
    ----------
    fits : sequence of Fit
        The fits. Passes of nets with one structure run stacked.
    """
    together = _Together()
    try:
        with default_torch():
            for fit in fits:
                fit.advance()
            while waiting := [fit for fit in fits if fit.waiting is not None]:
                together.run(_earliest(waiting))
    except BaseException:
        together.release_all()
        for fit in fits:
            fit.close()
        raise


def _earliest(waiting: list[Fit]) -> list[Fit]:
    """Return the fits that are not in their last epochs, or else all."""
    first: list[Fit] = [x for x in waiting if x.waiting and not x.waiting.is_final]
    return first or waiting


class _Together:
    """The stacks of several fits."""

    def __init__(self) -> None:
        self._stacks: dict[tuple[int, ...], Stack] = {}
        self._checked: set[int] = set()  # nets that compute the same when stacked

    def run(self, fits: list[Fit]) -> None:
        """Run the next pass of each fit."""
        groups: dict[Any, list[Fit]] = {}
        for fit in fits:
            groups.setdefault(fit.group, []).append(fit)
        for group in groups.values():
            began = time.perf_counter()
            errors = self._run_group(group)
            share = (time.perf_counter() - began) / len(group)
            for fit, error in zip(group, errors, strict=True):
                fit.seconds += share
                net = fit.waiting.net if fit.waiting else None
                fit.advance(error)
                if fit.waiting is None:
                    self._release(net)

    def _run_group(self, group: list[Fit]) -> Sequence[Exception | None]:
        passes: list[Any] = [fit.waiting for fit in group]
        if len(group) > 1:
            try:
                stack = self._stack_of(passes)
            except Exception as error:  # of torch's vmap, or a difference
                for fit in group:
                    fit.reason = _text(error)
            else:
                return _run(stack, passes)
        return [_run_alone(each) for each in passes]

    def _stack_of(self, passes: list[Pass]) -> Stack:
        key = tuple(id(each.net) for each in passes)
        stack = self._stacks.get(key)
        if stack is None or not stack.is_valid:
            self._drop_those_of(set(key))
            stack = self._stacks[key] = Stack([each.net for each in passes])
            if not self._checked.issuperset(key):
                try:
                    stack.check(passes)
                except Exception:
                    self._drop_those_of(set(key))
                    raise
                self._checked.update(key)
        return stack

    def _drop_those_of(self, nets: set[int]) -> None:
        for key in [key for key in self._stacks if nets & set(key)]:
            self._stacks.pop(key).release()

    def _release(self, net: Any) -> None:
        """Give the net of an ended fit tensors of its own."""
        for stack in self._stacks.values():
            stack.release(net)

    def release_all(self) -> None:
        """Give all nets tensors of their own."""
        for stack in self._stacks.values():
            stack.release()


def _run(stack: Stack, passes: list[Pass]) -> Sequence[Exception | None]:
    try:
        return stack.run(passes)
    except Exception as error:  # after the first batch
        return [error] * len(passes)


def _run_alone(each: Pass) -> Exception | None:
    try:
        each.run()
    except Exception as error:
        return error
    return None


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
