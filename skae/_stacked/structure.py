"""Which nets can be stacked: those of one structure, that differ in numbers only."""

from __future__ import annotations

from typing import Any

import torch
from skorch.callbacks import EpochTimer
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from skae._data.batches import BatchIterator, RowDataset
from skae._stacked.objective import fixed_of
from skae._stacked.optimizer import names_in_groups
from skae._stacked.parts import OF_RUN, attributes_of, hash_of, is_own
from skae._training.passes import FROM_START, Pass

# Floats that the weights and the widest activation of a net may have, for a batch. Nets
# with more were measured to take as long stacked as one after another.
_MOST_FLOATS = 2**18
_SIMPLE = (int, float, str, bool, tuple, type(None))


def reason_against(each: Pass) -> str | None:
    """Return why the net of a pass is to be trained alone, None if it is not.

    Parameters
    ----------
    each : Pass
        The next pass of the net.
    """
    net = each.net
    layers = list(net.module_.modules())
    if net.course_ is not FROM_START:
        return "a checkpoint"
    if not net.is_fast_:
        return "a callback for batches, or an optimizer that needs a closure"
    if any(isinstance(x, _BatchNorm) for x in layers):
        return "batch normalisation"
    if any(isinstance(x, _ConvNd) for x in layers):
        return "convolutions, which fill the processor by themselves"
    if net.precision != "float32":
        return f"precision={net.precision!r}"
    if not _is_ours(each.iterator):
        return "rows that are not in memory, or batches of your own"
    if net.has_user_code and any(map(_has_hooks, layers)):
        return "a hook of your own"
    if net.has_user_code and any(map(_has_alias, layers)):
        return "a tensor of your own that shares memory with a weight"
    if any(not _only_watches(callback) for _, callback in net.callbacks_):
        return "a callback of your own"
    return None


def _has_hooks(layer: nn.Module) -> bool:
    """Tell whether code is called when a layer, or a gradient, is computed."""
    weights = layer.parameters(recurse=False)
    found = [v for k, v in vars(layer).items() if k.endswith("_hooks") and v]
    return bool(found) or any(
        x._backward_hooks or x._post_accumulate_grad_hooks for x in weights
    )


def _has_alias(layer: nn.Module) -> bool:
    """Tell whether a tensor that is no weight lies in the memory of one."""
    weights = {x.untyped_storage().data_ptr() for x in layer.parameters()}
    return any(
        torch.is_tensor(x) and x.untyped_storage().data_ptr() in weights
        for x in attributes_of(layer).values()
    )


def _only_watches(callback: Any) -> bool:
    """Tell whether a callback is one of those that change nothing in a net."""
    is_ours = type(callback).__module__.startswith("skae.")
    return is_ours or type(callback) is EpochTimer


def fills_processor(each: Pass) -> bool:
    """Tell whether one net of a pass fills the processor by itself."""
    net = each.net
    n_weights = sum(x.numel() for x in net.module_.parameters())
    width = max(
        [x.shape[0] for x in net.module_.parameters() if x.ndim > 1]
        + [net.module.layout.n_features]
    )
    return n_weights + each.iterator.batch_size * width > _MOST_FLOATS


def structure_of(net: Any) -> tuple[Any, ...]:
    """Return what all nets of a stack have in common, but for their next passes.

    Parameters
    ----------
    net : AutoencoderNet
        A net.
    """
    module, criterion = net.module_, net.criterion_
    weights = tuple(
        (name, tuple(x.shape), x.dtype, str(x.device), x.requires_grad)
        for name, x in module.state_dict(keep_vars=True).items()
    )
    return (
        tuple((name, *_kind(layer)) for name, layer in module.named_modules()),
        weights,
        _kind_of_loss(criterion.loss),
        tuple((name, hash_of(fixed_of(p))) for name, p in criterion.penalties),
        type(net.optimizer_),
        str(names_in_groups(net)),
    )


def kind_of_pass(each: Pass) -> tuple[Any, ...]:
    """Return what the next passes of all nets of a stack have in common."""
    penalties = each.net.criterion_.penalties
    warmup = max((getattr(p, "warmup", 0) for _, p in penalties), default=0)
    n_epochs = each.net.module_.n_epochs
    if not each.net.has_user_code:
        n_epochs = min(n_epochs, warmup)
    iterator = each.iterator
    has_weights = _source_of(iterator).weight is not None
    sizes = iterator.batch_size, len(iterator)
    return n_epochs, each.training, has_weights, *sizes


def _source_of(iterator: BatchIterator) -> Any:
    """Return the data set whose rows, perhaps some of them, an iterator takes."""
    dataset = iterator.dataset
    while isinstance(dataset, torch.utils.data.Subset):
        dataset = dataset.dataset
    return dataset


def _is_ours(iterator: Any) -> bool:
    is_known = type(iterator) is BatchIterator
    return is_known and isinstance(_source_of(iterator), RowDataset)


def _kind(layer: nn.Module) -> tuple[Any, ...]:
    """Return the type of a layer and its settings."""
    settings = {
        name: value
        for name, value in vars(layer).items()
        if isinstance(value, _SIMPLE) and name not in OF_RUN
    }
    others = hash_of(attributes_of(layer)) if is_own(layer) else None
    return type(layer), str(sorted(settings.items(), key=lambda item: item[0])), others


def _kind_of_loss(loss: Any) -> Any:
    """Return what two equal losses share; those of one function may be equal."""
    function = loss.function
    parts = ("func", "args", "keywords")
    own = [getattr(function, name, None) for name in parts]
    return hash_of(own if own[0] else function), loss.degree, loss.profile, loss.fused
