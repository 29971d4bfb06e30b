"""The layers of a module, with their inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import Tensor, nn


class Step(NamedTuple):
    """A layer with its input and its output."""

    layer: nn.Module
    x: Tensor
    out: Tensor


def is_plain(module: nn.Module | None, *kinds: type[nn.Module]) -> bool:
    """Tell whether a module is of one of some kinds, with the same ``forward``.

    A subclass that overrides ``forward``, such as a sequence with a shortcut, may
    compute anything.
    """
    return any(
        isinstance(module, kind) and type(module).forward is kind.forward
        for kind in kinds
    )


def leaves(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers of nested sequences; any other module is one layer."""
    hooked = module._forward_hooks or module._forward_pre_hooks
    if is_plain(module, nn.Sequential) and not hooked:
        for child in module.children():
            yield from leaves(child)
    elif not is_plain(module, nn.Identity):
        yield module


def run(
    module: nn.Module, x: Tensor, *, copy: bool = False
) -> tuple[Tensor, list[Step]]:
    """Return the output of a module, and the step of each layer.

    A layer that works in place would overwrite the output of the step before. It gets a
    copy if its attribute ``inplace`` is true; with ``copy=True`` every layer does. A
    layer whose output is not a tensor, such as a recurrent one, makes one step with the
    next layer.
    """
    steps: list[Step] = []
    begun: list[nn.Module] = []
    out: Any = x
    for layer in leaves(module):
        copies = copy or getattr(layer, "inplace", False)
        out = layer(out.clone() if copies and isinstance(out, Tensor) else out)
        begun.append(layer)
        if isinstance(out, Tensor):
            whole = layer if len(begun) == 1 else nn.Sequential(*begun)
            steps.append(Step(whole, x, out))
            x, begun = out, []
    return out, steps
