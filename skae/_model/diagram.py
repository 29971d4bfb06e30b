"""The diagram that notebooks show: how a fit went, layers and their sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from skae._model.model import TrainedModel
from skae._networks.layers import LinearPath
from skae._networks.tracing import Step, leaves, run
from skae._random import RandomStream
from skae._training.history import R2, SECONDS

try:
    from sklearn.utils._repr_html.estimator import _VisualBlock
except ImportError:  # scikit-learn < 1.7
    from sklearn.utils._estimator_html_repr import _VisualBlock


def draw_plain(value: Any) -> Any:
    """Return the diagram of an estimator that is not fitted."""
    name = type(value).__name__
    return _VisualBlock("single", value, names=name, name_details=str(value))


def draw(model: TrainedModel) -> Any:
    """Return the diagram of a trained encoder and decoder.

    Parameters
    ----------
    model : TrainedModel
        The fitted model.
    """
    net = model.net
    # Two rows: layers that compute statistics of a batch refuse one.
    mean = torch.from_numpy(model.statistics.mean.astype(model.dtype))
    x = mean.to(net.device).expand(2, -1).clone()
    condition = x.new_zeros(2, model.n_condition)
    row, titles = _join(model.layout.input_shape), [_summary(model)]
    blocks = [_block(None, titles[0], _last_epoch(model))]
    with net.own_global_generator(RandomStream(net.seed)), torch.no_grad():
        for part in ("encoder", "decoder"):
            given = torch.cat([x, condition], dim=1)
            out, table = _trace(getattr(model, part), given)
            code = _join((out if part == "encoder" else given).shape[1:])
            sizes = (row, code) if part == "encoder" else (code, row)
            titles.append(f"{part}: {' → '.join(sizes)}")
            blocks.append(_block(part, titles[-1], table))
            x = out
    return _VisualBlock("serial", blocks, names=titles)


def _block(part: Any, title: str, details: str) -> Any:
    return _VisualBlock("single", part, names=title, name_details=details)


def _summary(model: TrainedModel) -> str:
    """Return R² of training rows, the number of epochs, and their time."""
    epochs = model.net.history
    if not epochs:
        return "0 epochs"
    r2, n_epochs = epochs[-1].get(R2), len(epochs)
    parts = [] if r2 is None else [f"R² {r2:.3f}"]
    parts.append(f"{n_epochs} epoch{'s' * (n_epochs != 1)}")
    if all(SECONDS in epoch for epoch in epochs):
        parts.append(f"{sum(epoch[SECONDS] for epoch in epochs):.1f} s")
    return ", ".join(parts)


def _last_epoch(model: TrainedModel) -> str:
    """Return the terms of the objective in the last epoch."""
    last = model.history[-1] if model.history else {}
    width = max(map(len, last), default=0)
    return "\n".join(f"{name:<{width}}  {value:.6g}" for name, value in last.items())


def _trace(network: nn.Module, x: Tensor) -> tuple[Tensor, str]:
    """Run a network: return its output, and a table of its layers."""
    out, steps = run(network, x, copy=True)
    rows = [("layer", "output", "weights"), *_rows(steps)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"{name:<{widths[0]}}  {shape:>{widths[1]}}  {n_weights:>{widths[2]}}"
        for name, shape, n_weights in rows
    ]
    return out, "\n".join(lines)


def _rows(steps: list[Step]) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the output and the number of weights of each layer."""
    for layer, x, output in steps:
        name = " + ".join(type(part).__name__ for part in leaves(layer))
        if isinstance(layer, LinearPath):
            yield from _rows(run(layer.layers, x, copy=True)[1])
            name, layer = "+ linear map", layer.linear
        n_weights = sum(weight.numel() for weight in layer.parameters())
        shown = f"{n_weights:,}" if n_weights else ""
        yield name, _join(output.shape[1:]), shown


def _join(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))
