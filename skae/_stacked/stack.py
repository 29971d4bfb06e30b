"""Several nets of one structure, and a pass over data with all of them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from skae._data.batches import Batch, split_batch
from skae._stacked.alone import objective_alone
from skae._stacked.layers import Bank
from skae._stacked.objective import StackedObjective
from skae._stacked.optimizer import have_fused_steps, make_steps
from skae._stacked.weights import StackedWeights
from skae._training.divergence import check_start
from skae._training.history import EpochTerms
from skae._training.passes import Pass
from skae._training.settings import validation_noise

_TOLERANCE = 1e-3  # of the first objectives, beside those of each net alone


class _Part(NamedTuple):
    """The next batches of some nets, which have as many rows.

    Parameters
    ----------
    nets : list of int or None
        Positions of the nets. None is all.
    batch : Batch
        Their batches, along a leading axis.
    """

    nets: list[int] | None
    batch: Batch


class Stack:
    """Several nets of one structure, whose weights become views of stacked ones.

    Parameters
    ----------
    nets : list of AutoencoderNet
        The nets.
    """

    def __init__(self, nets: list[Any]) -> None:
        self.nets = nets
        modules = [net.module_ for net in nets]
        self.device = next(modules[0].parameters()).device
        template = _outline(modules[0])
        self.weights = StackedWeights(modules, turned=have_fused_steps(nets))
        buffers = [dict(x.named_buffers()) for x in modules]
        fixed = {name: torch.stack([b[name] for b in buffers]) for name in buffers[0]}
        self._bank = Bank(template, self.weights, fixed)
        self._template = template
        try:
            self._objective = StackedObjective(nets, template, self._bank)
            self._steps = make_steps(nets, self.weights)
        except Exception:
            self.release()
            raise

    @property
    def is_valid(self) -> bool:
        """Whether the weights of all nets are still views of the stacked ones."""
        first = next(iter(self.weights.leaves.values()))
        return all(
            next(net.module_.parameters()).data_ptr() == view.data_ptr()
            for net, view in zip(self.nets, first, strict=True)
        )

    def release(self, net: Any = None) -> None:
        """Give a net, or all, weights and averages of an optimizer of their own."""
        for each in self.nets:
            if net is not None and each is not net:
                continue
            states = each.optimizer_.state.values()
            averages = [x for state in states for x in state.values()]
            for x in [*each.module_.parameters(), *averages]:
                if torch.is_tensor(x) and x.untyped_storage().nbytes() > x.nbytes:
                    x.data = x.data.clone(memory_format=torch.contiguous_format)

    # A pass over data -------------------------------------------------------------

    def run(self, passes: list[Pass]) -> list[Exception | None]:
        """Run the passes of all nets, and return what each has raised.

        Parameters
        ----------
        passes : list of Pass
            A pass of each net, all of training or all of validation.
        """
        training = passes[0].training
        errors: list[Exception | None] = [None] * len(passes)
        with ExitStack() as stack, torch.set_grad_enabled(training):
            for each in passes:
                stack.enter_context(each.begun())
            self._template.train(training)
            self._template.n_epochs = self.nets[0].module_.n_epochs
            if training:
                self._steps.begin()
            sums = _Sums(len(passes))
            for step, parts in enumerate(_stacked_batches(passes)):
                self._run_step(parts, training, sums, errors if step == 0 else None)
            if training:
                self._steps.end()
        for k, each in enumerate(passes):
            sums.give(k, each.net.epoch_terms_)
            if errors[k] is None:
                try:
                    each.record()
                except Exception as error:
                    errors[k] = error
        return errors

    def _run_step(
        self,
        parts: list[_Part],
        training: bool,
        sums: _Sums,
        errors: list[Exception | None] | None,
    ) -> None:
        """Run one batch of each net; the first of an epoch finds errors."""
        losses = []
        for part in parts:
            total, terms, reconstruction = self._measure(part)
            sums.add(part, total.detach(), terms)
            losses.append(total)
            if errors is not None and training:
                for i, k in enumerate(part.nets or range(len(self.nets))):
                    own = {name: x[i] for name, x in terms.items()}
                    errors[k] = _check_first(
                        self.nets[k], total[i], own, reconstruction[i]
                    )
        if training:
            torch.cat(losses).sum().backward()
            self._steps.step()
            self._drop_gradients()

    def _measure(self, part: _Part) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Return the objective of some nets, its terms, and the reconstructions."""
        chosen = self.nets if part.nets is None else [self.nets[k] for k in part.nets]
        self._bank.chosen = None if part.nets is None else torch.tensor(part.nets)
        rows, weight = part.batch.x.to(self.device), part.batch.weight
        n_condition = self._template.n_condition
        features = self._template.features(rows)
        data = {"x": features}
        if n_condition:
            data["condition"] = rows[..., -n_condition:]
        if weight is not None:
            data["weight"] = weight.to(self.device)
        streams = [net.module_.stream for net in chosen]
        data["x"] = _each(data["x"], chosen, "augmentation")
        if self._template.takes_gaps:
            data["mask"] = ~data["x"].isnan()
        x = _each(data["x"], chosen, "corruption")
        if chosen[0].has_user_code:
            x = x.clone()  # it may work in place, and x is the target as well
        if n_condition:
            x = torch.cat([x, data["condition"]], dim=-1)
        return self._objective(x, data, streams)

    # Does it do the same? ---------------------------------------------------------

    def check(self, passes: list[Pass]) -> None:
        """Compare objectives of the first rows with those of each net alone.

        Where the user's code is run, gradients are compared as well, and it may have no
        state that a call changes.

        Parameters
        ----------
        passes : list of Pass
            A pass of each net.

        Raises
        ------
        Exception
            If the networks cannot be stacked, or compute something else then.
        """
        batches = [Batch.of(_first_batch(each)) for each in passes]
        n_rows = min(len(batch.x) for batch in batches)
        first = [_map(lambda x: x[:n_rows], batch) for batch in batches]
        modes = {passes[0].training}
        if any(net.has_user_code for net in self.nets):
            modes = {True, False}
        for training in modes:
            self._check_mode(training, first)
        self._drop_gradients()

    def _check_mode(self, training: bool, batches: list[Batch]) -> None:
        """Compare the objectives of some batches in one mode of layers."""
        with_gradients = any(net.has_user_code for net in self.nets)
        expected = [  # at first: what would change a net is found on a copy
            objective_alone(net, _map(torch.clone, batch), training, with_gradients)
            for net, batch in zip(self.nets, batches, strict=True)
        ]
        with ExitStack() as stack, torch.set_grad_enabled(with_gradients):
            for net in self.nets:
                stack.enter_context(validation_noise(net))
            self._template.train(training)
            self._template.n_epochs = self.nets[0].module_.n_epochs
            found, *_ = self._measure(_Part(None, _stacked(batches)))
        self._drop_gradients()
        if with_gradients:
            found.sum().backward()
        for k, (objective, gradients) in enumerate(expected):
            _assert_close(found[k].detach(), objective)
            for name, gradient in gradients.items():
                mine = self.weights.leaves[name].grad
                of_net = torch.zeros_like(gradient)
                if mine is not None:
                    of_net = self.weights.as_in_layer(name, mine[k])
                _assert_close(of_net, gradient)

    def _drop_gradients(self) -> None:
        for x in self.weights.leaves.values():
            x.grad = None


def _assert_close(found: Tensor, expected: Tensor) -> None:
    largest = float(expected.abs().max())
    torch.testing.assert_close(
        found, expected, rtol=_TOLERANCE, atol=_TOLERANCE * max(largest, _TOLERANCE)
    )


class _Sums:
    """The sums of the terms of all nets over the batches of a pass."""

    def __init__(self, n_nets: int) -> None:
        self._n_nets = n_nets
        self._rows = np.zeros(n_nets, dtype=int)
        self._weights: Any = np.zeros(n_nets)
        self._sums: dict[str, Tensor] = {}

    def add(self, part: _Part, total: Tensor, terms: Mapping[str, Tensor]) -> None:
        """Add the means of a batch of some nets."""
        n_rows, own_weight = part.batch.x.shape[1], part.batch.weight
        where = slice(None) if part.nets is None else part.nets
        self._rows[where] += n_rows
        found = {name: x.detach() for name, x in terms.items()}
        if len(terms) > 1:
            found["loss"] = total
        if not self._sums:
            self._sums = {k: x.new_zeros(self._n_nets) for k, x in found.items()}
        if own_weight is None and part.nets is None:
            self._weights += n_rows
            torch._foreach_add_(
                [self._sums[name] for name in found], [*found.values()], alpha=n_rows
            )
            return
        weight = torch.full((len(total),), float(n_rows))
        if own_weight is not None:
            weight = own_weight.sum(1)
        self._weights[where] += weight.double().numpy()
        for name, x in found.items():
            self._sums[name][where] += x * weight.to(x)

    def give(self, k: int, terms: EpochTerms) -> None:
        """Give a net its own sums."""
        own = {name: x[k] for name, x in self._sums.items()}
        terms.take(int(self._rows[k]), float(self._weights[k]), own)


def _check_first(
    net: Any, loss: Tensor, terms: Mapping[str, Tensor], reconstruction: Tensor
) -> Exception | None:
    """Return what the first batch of an epoch raises; keep weights if it is finite."""
    try:
        if net.module_.n_epochs == 0:
            check_start(loss, terms)
        net.finite_weights_.update(reconstruction)
    except Exception as error:
        return error
    return None


def _each(x: Tensor, nets: Sequence[Any], name: str) -> Tensor:
    """Transform the rows of each net, where one has a transformation."""
    if all(getattr(net, name) is None for net in nets):
        return x
    parts = []
    for part, net in zip(x, nets, strict=True):
        function = getattr(net, name)
        if function is not None:
            part = part.clone() if net.has_user_code else part
            with net.own_global_generator():
                part = function(part, net.module_.stream.on(x.device))
        parts.append(part)
    return torch.stack(parts)


def _outline(module: nn.Module) -> Any:
    """Return a copy of a module whose weights are known by their names alone."""
    memo: dict[int, Any] = {}
    for weight in module.parameters():
        outline = weight.detach().to("meta")
        memo[id(weight)] = nn.Parameter(outline, requires_grad=weight.requires_grad)
    for x in module.buffers():
        memo[id(x)] = x.to("meta")
    return copy.deepcopy(module, memo)


def _first_batch(each: Pass) -> Any:
    """Return the first rows of a pass, without drawing an order."""
    iterator = copy.copy(each.iterator)
    iterator.shuffle = False
    return next(iter(iterator))


def _stacked_batches(passes: list[Pass]) -> Iterator[list[_Part]]:
    """Yield the next batches of all nets, those with as many rows stacked."""
    for taken in zip(*(each.iterator.parts() for each in passes), strict=True):
        sizes = [of_net for _, of_net in taken]
        if all(of_net == sizes[0] for of_net in sizes):
            whole = _stacked([batch for batch, _ in taken])
            for batch in split_batch(whole, sizes[0], dim=1):
                yield [_Part(None, batch)]
            continue
        for step in zip(*(split_batch(*of_net) for of_net in taken), strict=True):
            by_size: dict[int, list[int]] = {}
            for k, batch in enumerate(step):
                by_size.setdefault(len(batch.x), []).append(k)
            yield [
                _Part(nets, _stacked([step[k] for k in nets]))
                for nets in by_size.values()
            ]


def _stacked(batches: Sequence[Batch]) -> Batch:
    """Return batches of as many rows as one with a leading axis."""
    return _map(lambda *same: torch.stack(same), *batches)


def _map(function: Callable[..., Tensor], *batches: Batch) -> Batch:
    """Apply a function to the same part of batches, where they have it."""
    parts: Any = zip(*batches, strict=True)
    found: Any = (None if same[0] is None else function(*same) for same in parts)
    return Batch(*found)
