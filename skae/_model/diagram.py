"""The layers of a network and their sizes, in the diagram that notebooks show."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from skae._model.model import TrainedModel
from skae._networks.tracing import leaves, run
from skae._random import RandomStream

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
    titles, blocks = [], []
    with net.own_global_generator(RandomStream(net.seed)), torch.no_grad():
        for part in ("encoder", "decoder"):
            out, table = _trace(getattr(model, part), x)
            titles.append(f"{part}: {_shape(x)} → {_shape(out)}")
            blocks.append(
                _VisualBlock("single", part, names=titles[-1], name_details=table)
            )
            x = out
    return _VisualBlock("serial", blocks, names=titles)


def _trace(network: nn.Module, x: Tensor) -> tuple[Tensor, str]:
    """Run a network: return its output, and a table of its layers."""
    out, steps = run(network, x, copy=True)
    rows = [("layer", "output", "weights")]
    for layer, _, output in steps:
        n_weights = sum(weight.numel() for weight in layer.parameters())
        shown = f"{n_weights:,}" if n_weights else ""
        name = " + ".join(type(part).__name__ for part in leaves(layer))
        rows.append((name, _shape(output), shown))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"{name:<{widths[0]}}  {shape:>{widths[1]}}  {n_weights:>{widths[2]}}"
        for name, shape, n_weights in rows
    ]
    return out, "\n".join(lines)


def _shape(x: Tensor) -> str:
    return " × ".join(map(str, x.shape[1:]))
