"""The step of torch's fused Adam, with its look-ups done once.

For a small network the look-ups of ``Optimizer.step`` take longer than its arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Adam, AdamW, Optimizer
from torch.optim import optimizer as _shared

_SPECIAL = ("amsgrad", "capturable", "differentiable", "maximize")


def make_step(optimizer: Optimizer) -> Callable[[], Any]:
    """Return a function that makes a step of an optimizer.

    It is the optimizer's own ``step``, except for plain fused Adam without hooks: there
    the same kernel is called on lists that are gathered once, with results equal bit
    for bit. It is valid as long as the optimizer has the same parameters and state.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Parameters may have no state yet, and no gradient in some steps.

    Returns
    -------
    callable
        Called without arguments, after the gradients are computed.
    """
    if not is_plain_fused_adam(optimizer):
        return optimizer.step
    gathered: list[tuple[Any, ...]] = []
    counts: list[torch.Tensor] = []

    @torch.no_grad()
    def step() -> None:
        gradients = [[x.grad for x in g["params"]] for g in optimizer.param_groups]
        if any(gradient is None for group in gradients for gradient in group):
            optimizer.step()
            return
        if not gathered:
            if any(not optimizer.state[x] for x in parameters_of(optimizer)):
                optimizer.step()  # creates the state
                return
            gathered.extend(
                _gather(optimizer, group) for group in optimizer.param_groups
            )
            counts.extend(count for *_, of_group in gathered for count in of_group)
        torch._foreach_add_(counts, 1)
        for group, of_group, (kernel, parameters, means, squares, steps) in zip(
            optimizer.param_groups, gradients, gathered, strict=True
        ):
            call_kernel(kernel, group, parameters, of_group, means, squares, steps)

    return step


def is_plain_fused_adam(optimizer: Optimizer) -> bool:
    """Tell whether the step of an optimizer is that of torch's fused Adam alone."""
    is_watched = (
        "step" in vars(optimizer)  # a scheduler of torch counts steps in this way
        or optimizer._optimizer_step_pre_hooks
        or optimizer._optimizer_step_post_hooks
        or _shared._global_optimizer_pre_hooks
        or _shared._global_optimizer_post_hooks
    )
    return (
        type(optimizer) in (Adam, AdamW)
        and not is_watched
        and all(
            group["fused"] and not any(group[name] for name in _SPECIAL)
            for group in optimizer.param_groups
        )
        and len({(x.device, x.dtype) for x in parameters_of(optimizer)}) == 1
    )


def parameters_of(optimizer: Optimizer) -> list[torch.Tensor]:
    """Return the parameters of all groups of an optimizer."""
    return [x for group in optimizer.param_groups for x in group["params"]]


def kernel_of(optimizer: Optimizer, group: dict[str, Any]) -> Any:
    """Return the kernel of torch for a group of weights."""
    # Before torch 2.7 a group has no such key: AdamW decouples, and Adam does not.
    is_decoupled = group.get("decoupled_weight_decay", isinstance(optimizer, AdamW))
    return torch._fused_adamw_ if is_decoupled else torch._fused_adam_


def call_kernel(kernel: Any, group: dict[str, Any], *tensors: Any) -> None:
    """Make a step with weights, gradients, two lists of averages and counts."""
    weights, gradients, means, squares, counts = tensors
    kernel(
        weights,
        gradients,
        means,
        squares,
        [],
        counts,
        lr=group["lr"],
        beta1=group["betas"][0],
        beta2=group["betas"][1],
        weight_decay=group["weight_decay"],
        eps=group["eps"],
        amsgrad=False,
        maximize=False,
    )


def _gather(optimizer: Optimizer, group: dict[str, Any]) -> tuple[Any, ...]:
    states = [optimizer.state[x] for x in group["params"]]
    return (
        kernel_of(optimizer, group),
        group["params"],
        *([s[name] for s in states] for name in ("exp_avg", "exp_avg_sq", "step")),
    )
