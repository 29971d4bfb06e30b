"""Learning rates and weight decay for each layer, so that one default suits any width.

The step of a layer is shorter the more inputs it has, as in the maximal update
parametrisation [1]_. A linear path starts at an optimum and takes shorter steps. Beside
dense layers it does not decay. Convolutions share their weights and generalise better
than a linear map of all pixels: beside them it decays faster than they do, so that
training moves from PCA to the convolutions.

References
----------
.. [1] Yang et al., "Tensor Programs V: tuning large neural networks via zero-shot
   hyperparameter transfer", NeurIPS 2021. :arxiv:`2203.03466`
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.optim import Optimizer

from skae._networks.layers import PrincipalMap, TransposedLinear

LR = 0.02  # of a layer with at most as many inputs as these
_N_INPUTS = 64
_LR_CUSTOM = 6e-3  # of layers that are not known
_SHARE_OF_PATH = 0.3  # of its rate, for a linear path
_MOST_DECAY_OF_PATH = 1 / (_SHARE_OF_PATH * LR)  # one step to zero


@dataclass(frozen=True)
class _Regularization:
    """Weight decay of layers, and how much faster linear paths decay."""

    weight_decay: float
    factor_of_path: float


_DENSE = _Regularization(0.3, factor_of_path=0.0)
_OF_SIGNALS = _Regularization(0.3, factor_of_path=20.0)
_OF_IMAGES = _Regularization(1.75, factor_of_path=3.0)


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
        Weight decay of all but linear paths, whose own is proportional to it. None is
        the default.

    Returns
    -------
    list of dict
        With the entry ``lr_factor`` beside those of torch: the share of the learning
        rate that the group gets.
    """
    kind = _regularization(module)
    decay = kind.weight_decay if weight_decay is None else weight_decay
    groups: dict[tuple[float, float, bool], list[nn.Parameter]] = {}
    seen: set[nn.Parameter] = set()
    for layer in module.modules():
        factor, own_decay = _factor(layer), decay
        is_path = isinstance(layer, PrincipalMap)
        if is_path:
            factor *= _SHARE_OF_PATH
            own_decay = min(decay * kind.factor_of_path, _MOST_DECAY_OF_PATH)
        own = [x for x in layer.parameters(recurse=False) if x not in seen]
        seen.update(own)
        if own:
            # A path keeps its own group, whatever its rate: files hold the groups.
            groups.setdefault((factor, own_decay, is_path), []).extend(own)
    return [
        {"params": parameters, "lr_factor": factor, "weight_decay": decay}
        for (factor, decay, _), parameters in groups.items()
    ]


def groups_of(net: Any) -> list[dict[str, Any]]:
    """Return the groups of parameters, and their settings, that an optimizer gets.

    Parameters
    ----------
    net : NeuralNet
        The net, whose optimizer need not exist.
    """
    named = net.get_all_learnable_params()
    (groups,), settings = net.get_params_for_optimizer("optimizer", named)
    groups = list(groups)
    if not isinstance(groups[0], dict):
        groups = [{"params": groups}]
    return [{**settings, **group} for group in groups]


def _regularization(module: nn.Module) -> _Regularization:
    convolutions = [x for x in module.modules() if isinstance(x, _ConvNd)]
    if not convolutions:
        return _DENSE
    n_axes = len(convolutions[0].kernel_size)
    return _OF_SIGNALS if n_axes == 1 else _OF_IMAGES


def _factor(layer: Any) -> float:
    if isinstance(layer, _ConvNd):
        n_outputs = layer.weight.shape[1 if isinstance(layer, _ConvTransposeNd) else 0]
        n_inputs = layer.weight.numel() // n_outputs
    elif isinstance(layer, nn.Linear):
        n_inputs = layer.in_features
    elif isinstance(layer, TransposedLinear):
        n_inputs = layer.weight.shape[0]
    else:
        return _LR_CUSTOM / LR
    return min(1.0, _N_INPUTS / n_inputs)


class LayerwiseNet(NeuralNet):
    """A skorch net with learning rates by layer, whose optimizer may be built late.

    It is then built when it is first needed: for the first one torch imports its
    compiler, which takes a second that inference need not spend.
    """

    # Attributes that skorch sets.
    callbacks_: list[tuple[str, Callback]]
    history_: Any
    train_split: Any
    cuda_dependent_attributes_: list[str]

    lr_by_layer: bool
    has_late_optimizer = False
    state_of_optimizer: dict[str, Any] | None = None  # that it gets then

    def initialize_optimizer(self, *args: Any, **kwargs: Any) -> Any:
        if not self.has_late_optimizer:
            return super().initialize_optimizer(*args, **kwargs)
        self._register_attribute("optimizer_", None)  # its settings are known
        return self

    def __getattr__(self, name: str) -> Any:
        if name != "optimizer_" or not vars(self).get("has_late_optimizer"):
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
        self.has_late_optimizer = False
        self._initialize_optimizer()
        if self.state_of_optimizer is not None:
            self.optimizer_.load_state_dict(self.state_of_optimizer)
            self.state_of_optimizer = None
        return self.optimizer_

    def get_params_for_optimizer(self, prefix: str, named_parameters: Any) -> Any:
        args, kwargs = super().get_params_for_optimizer(prefix, named_parameters)
        is_divided = "param_groups" in self.get_params_for(prefix)
        if self.lr_by_layer and not is_divided:
            decay = kwargs.pop("weight_decay", None)
            if decay is None and self.optimizer is not torch.optim.AdamW:
                decay = 0.0
            args = (group_by_layer(self.module_, decay),)
        return args, kwargs
