"""The layers of a module, and what each of them got and gave."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import Tensor, nn


class Step(NamedTuple):
    """What one layer got and gave."""

    layer: nn.Module
    x: Tensor
    out: Tensor


def is_plain(module: nn.Module | None, *kinds: type[nn.Module]) -> bool:
    """Tell whether a module is of one of some kinds and computes what it does.

    A subclass with a ``forward`` of its own, such as a sequence with a shortcut, may
    compute anything.
    """
    return any(
        isinstance(module, kind) and type(module).forward is kind.forward
        for kind in kinds
    )


def leaves(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers of nested sequences; whatever else there is, is one layer."""
    hooked = module._forward_hooks or module._forward_pre_hooks
    if is_plain(module, nn.Sequential) and not hooked:
        for child in module.children():
            yield from leaves(child)
    elif not is_plain(module, nn.Identity):
        yield module


def run(
    module: nn.Module, x: Tensor, *, copy: bool = False
) -> tuple[Tensor, list[Step]]:
    """Return what a module gives, and the steps that it took.

    A layer that works in place would overwrite what its step has to keep. It gets a
    copy if it says so of itself; with ``copy=True`` every layer does. A layer that
    gives no tensor, such as a recurrent one, makes one step with the next.
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
