"""The steps of several optimizers as one."""

from __future__ import annotations

from itertools import compress
from typing import Any

import torch

from skae._stacked.weights import StackedWeights
from skae._training.fused_adam import (
    call_kernel,
    is_plain_fused_adam,
    kernel_of,
    make_step,
)

_AVERAGES = ("exp_avg", "exp_avg_sq")


def make_steps(nets: list[Any], weights: StackedWeights) -> Any:
    """Return the steps of the optimizers of several nets.

    Parameters
    ----------
    nets : list of AutoencoderNet
        The nets.
    weights : StackedWeights
        Their weights.
    """
    return (AdamSteps if have_fused_steps(nets) else OwnSteps)(nets, weights)


def have_fused_steps(nets: list[Any]) -> bool:
    """Tell whether all optimizers are torch's fused Adam and nothing else."""
    return all(is_plain_fused_adam(net.optimizer_) for net in nets)


def names_in_groups(net: Any) -> list[list[str]]:
    """Return the names of the weights in each group of an optimizer."""
    names = {x: name for name, x in net.module_.named_parameters()}
    return [[names[x] for x in g["params"]] for g in net.optimizer_.param_groups]


class OwnSteps:
    """The step of each optimizer, one after another.

    Parameters
    ----------
    nets, weights
        As for `make_steps`.
    """

    def __init__(self, nets: list[Any], weights: StackedWeights) -> None:
        self.nets = nets
        self.weights = weights
        self._own = [dict(net.module_.named_parameters()) for net in nets]

    def begin(self) -> None:
        """Prepare the steps of a pass."""
        self._steps = [make_step(net.optimizer_) for net in self.nets]

    def step(self) -> None:
        """Make a step with the gradients of the stacked weights."""
        for k, (net, step) in enumerate(zip(self.nets, self._steps, strict=True)):
            own = self._own[k]
            for name, x in self.weights.leaves.items():
                if x.grad is not None:
                    own[name].grad = self.weights.as_in_layer(name, x.grad[k])
            net.learning_rate_.advance()
            step()
            for x in own.values():
                x.grad = None

    def end(self) -> None:
        """Leave each optimizer as after steps of its own."""


class AdamSteps:
    """Steps of torch's fused Adam: one call for neighbours with equal settings.

    The averages of each optimizer become views of stacked ones.

    Parameters
    ----------
    nets, weights
        As for `make_steps`.
    """

    def __init__(self, nets: list[Any], weights: StackedWeights) -> None:
        self.nets = nets
        self.weights = weights
        self._names = names_in_groups(nets[0])
        self._own = [dict(net.module_.named_parameters()) for net in nets]
        self.used: set[str] = set()  # weights that had a gradient
        self._averages = {
            kind: {name: torch.zeros_like(x) for name, x in weights.leaves.items()}
            for kind in _AVERAGES
        }

    def begin(self) -> None:
        """Take over the averages, and find neighbours with equal settings."""
        for k, net in enumerate(self.nets):
            self._take_over(k, net)
        facts = [self._facts(net) for net in self.nets]
        starts = [k for k, x in enumerate(facts) if k == 0 or x != facts[k - 1]]
        stops = [*starts[1:], len(facts)]
        self._runs = [
            _Run(self, slice(*span)) for span in zip(starts, stops, strict=True)
        ]

    def step(self) -> None:
        """Make a step with the gradients of the stacked weights."""
        for run in self._runs:
            run.step()

    def end(self) -> None:
        """Leave each optimizer as after steps of its own."""
        for run in self._runs:
            for k, net in enumerate(self.nets[run.span], run.span.start):
                if net is not run.first:
                    net.learning_rate_.follow(run.first.learning_rate_)
                for name, x in self._own[k].items():
                    if name in self.used:
                        net.optimizer_.state[x]["step"].fill_(run.n_steps)
                    else:
                        del net.optimizer_.state[x]

    @torch.no_grad()
    def _take_over(self, k: int, net: Any) -> None:
        """Make the averages of an optimizer views of the stacked ones."""
        for name, x in self._own[k].items():
            state = net.optimizer_.state[x]
            if not state:
                state["step"] = torch.zeros((), device=x.device)
            for kind in _AVERAGES:
                view = self.weights.as_in_layer(name, self._averages[kind][name][k])
                found = state.get(kind)
                if found is None:
                    view.zero_()
                elif found.data_ptr() != view.data_ptr():
                    view.copy_(found)
                state[kind] = view

    @staticmethod
    def _facts(net: Any) -> Any:
        """Return what the step of an optimizer depends on, beside the gradients."""
        optimizer = net.optimizer_
        settings = [
            {k: v for k, v in group.items() if k not in ("params", "lr")}
            for group in optimizer.param_groups
        ]
        counts = {float(state["step"]) for state in optimizer.state.values()}
        return type(optimizer), settings, counts, net.learning_rate_.facts

    def of_group(self, i: int, span: slice) -> tuple[Any, ...]:
        """Return names and weights in a group of some nets, and their averages."""
        names = self._names[i]
        weights = [self.weights.leaves[name] for name in names]
        views = [x.detach()[span] for x in weights]
        means, squares = (
            [self._averages[kind][name][span] for name in names] for kind in _AVERAGES
        )
        return names, weights, views, means, squares


class _Run:
    """Steps of neighbouring nets with equal settings."""

    def __init__(self, steps: AdamSteps, span: slice) -> None:
        self.span = span
        self.first = steps.nets[span.start]
        self.is_all = span == slice(0, len(steps.nets))
        optimizer = self.first.optimizer_
        counts = [state["step"] for state in optimizer.state.values()]
        self._count = max(counts, key=float).clone()
        self._steps = steps
        self._groups = [
            (kernel_of(optimizer, group), group, *steps.of_group(i, span))
            for i, group in enumerate(optimizer.param_groups)
        ]

    @property
    def n_steps(self) -> float:
        """Number of steps that each net has made."""
        return float(self._count)

    @torch.no_grad()
    def step(self) -> None:
        """Make a step."""
        self.first.learning_rate_.advance()
        self._count += 1
        for kernel, group, names, weights, *lists in self._groups:
            used = [x.grad is not None for x in weights]
            self._steps.used.update(compress(names, used))
            if not all(used):
                weights, *lists = (list(compress(x, used)) for x in (weights, *lists))
            views, means, squares = lists
            gradients = [x.grad if self.is_all else x.grad[self.span] for x in weights]
            counts = [self._count] * len(views)
            call_kernel(kernel, group, views, gradients, means, squares, counts)
