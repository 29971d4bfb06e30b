"""Learning rates and weight decay for each layer, so that one default suits any width.

The step of a layer is shorter the more inputs it has, as in the maximal update
parametrisation [1]_; weights of a linear path, which start at an optimum, take shorter
steps and do not decay.

References
----------
.. [1] Yang et al., "Tensor Programs V: tuning large neural networks via zero-shot
   hyperparameter transfer", NeurIPS 2021. :arxiv:`2203.03466`
"""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.optim import Optimizer

from skae._networks.layers import PrincipalMap, TransposedLinear

LR = 0.02  # of a layer with at most as many inputs as these
_N_INPUTS = 64
_LR_CUSTOM = 6e-3  # of layers that are not known
_FACTOR_OF_PATH = 0.3
_WEIGHT_DECAY = 0.3


def resolve_lr(lr: float | str, *, by_layer: bool) -> float:
    """Return the learning rate as a number; "auto" depends on the networks.

    Parameters
    ----------
    lr : float or "auto"
        The parameter `lr`.
    by_layer : bool
        Whether it is the rate of layers with few inputs, and others have lower ones.
    """
    if isinstance(lr, str):
        return LR if by_layer else _LR_CUSTOM
    return lr


def has_layer_rates(optimizer: Optimizer) -> bool:
    """Tell whether the groups of an optimizer are those of `group_by_layer`."""
    return any("lr_factor" in group for group in optimizer.param_groups)


def group_by_layer(module: nn.Module, weight_decay: float | None) -> list[dict]:
    """Return groups of parameters for an optimizer, by their rate and decay.

    Parameters
    ----------
    module : torch.nn.Module
        The module that is trained.
    weight_decay : float or None
        Weight decay of all but linear paths. None is the default.

    Returns
    -------
    list of dict
        With the entry ``lr_factor`` beside those of torch: the share of the learning
        rate that the group gets.
    """
    decay = _WEIGHT_DECAY if weight_decay is None else weight_decay
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    seen: set[nn.Parameter] = set()
    for layer in module.modules():
        is_path = isinstance(layer, PrincipalMap)
        key = _factor(layer, is_path), 0.0 if is_path else decay
        own = [x for x in layer.parameters(recurse=False) if x not in seen]
        seen.update(own)
        if own:
            groups.setdefault(key, []).extend(own)
    return [
        {"params": parameters, "lr_factor": factor, "weight_decay": decay}
        for (factor, decay), parameters in groups.items()
    ]


def _factor(layer: Any, is_path: bool) -> float:
    if isinstance(layer, _ConvNd):
        n_outputs = layer.weight.shape[1 if isinstance(layer, _ConvTransposeNd) else 0]
        n_inputs = layer.weight.numel() // n_outputs
    elif isinstance(layer, nn.Linear):
        n_inputs = layer.in_features
    elif isinstance(layer, TransposedLinear):
        n_inputs = layer.weight.shape[0]
    else:
        return _LR_CUSTOM / LR
    return min(1.0, _N_INPUTS / n_inputs) * (_FACTOR_OF_PATH if is_path else 1.0)
