"""The share of a batch that one of several processes computes.

Each process has the whole batch, with its noise, and computes a part of it. What is a
mean over rows in one process is the sum over processes of the mean of each share, times
the weight of its rows in the batch: terms of the objective, their gradients, and what
penalties and the variance of a Gaussian take from a batch. So the result is that of one
process up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from skae._distributed.group import Group, current_group
from skae._random import RandomStream


class _Sum(torch.autograd.Function):
    """The sum over processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Group) -> Tensor:
        ctx.group = group
        return group.sum(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.group.sum(gradients[0]), None


class Share:
    """The rows of a batch that this process computes: a contiguous part.

    Of a batch with fewer rows than processes some get none. They compute its first row
    with the weight 0, and so take part in all sums.

    Parameters
    ----------
    group : Group
        The processes.
    n_rows : int
        Number of rows of the batch.
    weight : Tensor of shape (n_rows,) or None
        How much each row of the batch counts.
    """

    def __init__(self, group: Group, n_rows: int, weight: Tensor | None) -> None:
        start = n_rows * group.rank // group.size
        stop = n_rows * (group.rank + 1) // group.size
        self.group = group
        self.n_rows = stop - start
        self.rows = slice(start, stop) if self.n_rows else slice(0, 1)
        self.n_rows_of_batch = n_rows
        self.weight_of_batch = weight
        if weight is None:
            self.total_weight, whole = float(self.n_rows), float(n_rows)
        else:
            whole = float(weight.sum())
            self.total_weight = float(weight[start:stop].sum())
        self.fraction = self.total_weight / whole

    def mean(self, mean: Tensor) -> Tensor:
        """Return the mean over the batch, of the mean over this share."""
        return _Sum.apply(mean * self.fraction, self.group)

    def common(self, x: Tensor) -> Tensor:
        """Return 0, or NaN in all processes where one of them has infinite entries."""
        found = 0.0 if torch.isfinite(x).all() else math.nan
        return self.group.sum(torch.tensor(found))

    def of(self, batch: Any) -> Any:
        """Return the rows of a batch that are in the share."""
        return type(batch)(*(None if x is None else x[self.rows] for x in batch))

    def whole(self, values: Tensor) -> Tensor:
        """Return the values of all rows of the batch, without gradients."""
        found = values.new_zeros(self.n_rows_of_batch, *values.shape[1:])
        if self.n_rows:
            found[self.rows] = values.detach()
        return self.group.sum(found)

    @contextmanager
    def computed(self, module: Any, device: Any, own: RandomStream | None) -> Iterator:
        """Compute the share inside the block, with draws for all rows of the batch.

        Parameters
        ----------
        module : torch.nn.Module
            Draws from its attribute `stream`.
        device : str
            Device of the module.
        own : RandomStream or None
            What user-defined code draws from: it draws for the share alone, so that
            the common stream would not stay the same in all processes.
        """
        before, token = module.stream, _CURRENT.set(self)
        module.stream = _ShareOfStream(before, self, own)
        try:
            if own is None:
                yield
            else:
                with own.as_global(device):
                    yield
        finally:
            module.stream = before
            _CURRENT.reset(token)


class _ShareOfStream:
    """A stream of draws for a batch, of which a share is returned."""

    def __init__(self, stream: Any, share: Share, own: RandomStream | None) -> None:
        self._stream = stream
        self._share = share
        self._own = own

    def _of_batch(self, x: Tensor) -> Tensor:
        return x.new_empty(self._share.n_rows_of_batch, *x.shape[1:])

    def normal_like(self, x: Tensor) -> Tensor:
        """Draw from the standard normal distribution, in the shape of a tensor."""
        return self._stream.normal_like(self._of_batch(x))[self._share.rows]

    def signs_like(self, x: Tensor) -> Tensor:
        """Draw -1 and 1, in the shape of a tensor."""
        return self._stream.signs_like(self._of_batch(x))[self._share.rows]

    def permutation(self, n: int, device: torch.device) -> Tensor:
        """Draw an order of n items, the same in all processes."""
        return self._stream.permutation(n, device)

    def on(self, device: torch.device | str = "cpu") -> torch.Generator:
        """Return a generator for code of the user's."""
        return (self._own or self._stream).on(device)


_CURRENT: ContextVar[Share | None] = ContextVar("share", default=None)


def current_share() -> Share | None:
    """Return the share that is computed, None for a whole batch."""
    return _CURRENT.get()


def mean_over_batch(mean: Tensor) -> Tensor:
    """Return the mean over a batch, of the mean over the rows that are computed."""
    share = _CURRENT.get()
    return mean if share is None else share.mean(mean)


def n_rows_of_batch(x: Tensor) -> int:
    """Return the number of rows of a batch, of which some are computed."""
    share = _CURRENT.get()
    return len(x) if share is None else share.n_rows_of_batch


def finite_in_all(x: Tensor) -> Tensor:
    """Return a tensor that is finite if x is, in all processes that train together."""
    share = _CURRENT.get()
    return x if share is None else share.common(x)


def divided(
    function: Callable[[Tensor, Any], Any], x: Tensor, batch: Any, net: Any
) -> Any:
    """Call a function with a batch, or with the share of it of this process.

    Parameters
    ----------
    function : callable
        Called with the input of the module and the batch.
    x : Tensor of shape (n, width)
        The input of the module.
    batch : Batch
        The whole batch.
    net : AutoencoderNet
        The net.
    """
    group = current_group()
    if group is None:
        return function(x, batch)
    share = Share(group, len(x), batch.weight)
    own = group.own_stream if net.has_user_code else None
    with share.computed(net.module_, net.device, own):
        return function(x[share.rows], share.of(batch))


def backward(loss: Tensor, batch: Any, optimizer: Optimizer) -> Tensor:
    """Compute the gradients of a batch, and return its loss.

    Parameters
    ----------
    loss : Tensor of shape ()
        The mean over the rows that are computed here.
    batch : Batch
        The whole batch.
    optimizer : torch.optim.Optimizer
        Of the parameters.
    """
    group = current_group()
    if group is None:
        loss.backward()
        return loss
    loss = loss * Share(group, len(batch.x), batch.weight).fraction
    loss.backward()
    parameters = [x for some in optimizer.param_groups for x in some["params"]]
    return sum_gradients(group, loss.detach(), parameters)


def sum_gradients(group: Group, loss: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """Sum gradients over processes, in one exchange for each type of numbers.

    Parameters
    ----------
    group : Group
        The processes.
    loss : Tensor of shape ()
        The loss, summed as well.
    parameters : sequence of Tensor
        Whose gradients are set. Those that no process has used get none, as in one
        process.

    Returns
    -------
    Tensor of shape ()
        The sum of the loss.
    """
    kinds: dict[Any, list[Tensor]] = {}
    for x in parameters:
        kinds.setdefault((x.device, x.dtype), []).append(x)
    total = loss
    for some in kinds.values():
        there = [float(x.grad is not None) for x in some]
        each = [torch.zeros_like(x) if x.grad is None else x.grad for x in some]
        facts = some[0].new_tensor([*there, float(loss)])
        flat = group.sum(torch.cat([*(x.flatten() for x in each), facts]))
        *parts, facts = flat.split([*(x.numel() for x in some), len(facts)])
        *n_there, total = facts.tolist()
        for x, gradient, part, n in zip(some, each, parts, n_there, strict=True):
            # In place: the order of its entries in memory is that of the weights, which
            # the kernel of an optimizer relies on.
            x.grad = gradient.copy_(part.view_as(x)) if n else None
        total = loss.new_tensor(total)
    return total
