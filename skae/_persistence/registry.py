"""The classes and functions that a file may name, and how they are looked up."""

from __future__ import annotations

import functools
import importlib
import sys
import types
from collections.abc import Collection, Iterable
from typing import Any

import torch
from skorch import callbacks
from torch import nn
from torch.nn import functional
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.optim import Optimizer, lr_scheduler
from torch.utils.data import DataLoader

from skae._data.blocks import Block, BlockSwapNoise
from skae._data.condition import Condition, Variable
from skae._data.layout import Layout
from skae._data.statistics import Statistics
from skae._data.transforms import (
    DynamicBinarization,
    GaussianNoise,
    MaskingNoise,
    RandomFlip,
    SaltAndPepperNoise,
    SwapNoise,
)
from skae._data.units import Units
from skae._networks.autoencoder import (
    AutoencoderModule,
    LinkedDecoder,
    RowEncoder,
    VariationalAutoencoderModule,
)
from skae._networks.conv import Conv
from skae._networks.dense import Dense
from skae._networks.layers import (
    GELU,
    Affine,
    BatchNorm1d,
    BatchNorm2d,
    BlockSoftmax,
    ClippedReLU,
    FirstHalf,
    FromUnits,
    Hardsigmoid,
    LifetimeTopK,
    LinearPath,
    OnFeatures,
    PrincipalMap,
    ShiftByCondition,
    Standardize,
    ToImage,
    TopK,
    ToRows,
    ToUnits,
    TransposedLinear,
    Unstandardize,
)
from skae._networks.recurrent import (
    BidirectionalLSTM,
    FromFrames,
    Recurrent,
    ToFrames,
)
from skae._objective.block_loss import BlockLoss
from skae._objective.losses import (
    Exp,
    binary_cross_entropy,
    huber,
    poisson,
    squared_error,
)
from skae._objective.penalties import (
    Contraction,
    KLDivergence,
    KLSparsity,
    L1Sparsity,
)

# The classes and functions of this package that a file may name. A name stays valid in
# all later versions, wherever the class is defined.
_OURS = (
    *(AutoencoderModule, BatchNorm1d, BatchNorm2d, Contraction, Conv, Dense),
    *(DynamicBinarization, Exp, FirstHalf, GELU, GaussianNoise, Hardsigmoid),
    *(KLDivergence, KLSparsity, L1Sparsity, Layout, LifetimeTopK, LinkedDecoder),
    *(MaskingNoise, RowEncoder, SaltAndPepperNoise, Standardize, Statistics),
    *(SwapNoise, ToImage, ToRows, TopK, TransposedLinear, Unstandardize),
    *(BidirectionalLSTM, FromFrames, Recurrent, ToFrames),
    *(
        Affine,
        ClippedReLU,
        RandomFlip,
        FromUnits,
        LinearPath,
        PrincipalMap,
        ToUnits,
        Units,
    ),
    *(VariationalAutoencoderModule, binary_cross_entropy, huber, poisson),
    *(squared_error, Block, BlockLoss, BlockSoftmax, BlockSwapNoise),
    *(Condition, OnFeatures, ShiftByCondition, Variable),
)

# What a file may name without trust: creating or calling one of these does nothing but
# compute.
_KNOWN: dict[str, Any] = {f"skae.{own.__name__}": own for own in _OURS} | {
    "skorch.callbacks.EarlyStopping": callbacks.EarlyStopping,
    "skorch.callbacks.EpochScoring": callbacks.EpochScoring,
    "skorch.callbacks.GradientNormClipping": callbacks.GradientNormClipping,
    "skorch.callbacks.LRScheduler": callbacks.LRScheduler,
    # Parts of torch's transformers that are not in torch.nn.
    "torch.nn.functional.gelu": functional.gelu,
    "torch.nn.functional.relu": functional.relu,
    "torch.nn.modules.linear.NonDynamicallyQuantizableLinear": (
        NonDynamicallyQuantizableLinear
    ),
    "torch.utils.data.DataLoader": DataLoader,
    "builtins.print": print,
}
_NAMESPACES: dict[str, tuple[types.ModuleType, type]] = {
    "torch.nn": (nn, nn.Module),
    "torch.optim": (torch.optim, Optimizer),
    "torch.optim.lr_scheduler": (lr_scheduler, lr_scheduler.LRScheduler),
}


def find_known(name: str) -> Any:
    """Return the object of a name that needs no trust, None for other names."""
    if name in _KNOWN:
        return _KNOWN[name]
    package, _, own = name.rpartition(".")
    namespace, base = _NAMESPACES.get(package, (None, object))
    found = getattr(namespace, own, None)
    return found if isinstance(found, type) and issubclass(found, base) else None


def _follow(module: Any, path: str) -> Any:
    return functools.reduce(getattr, path.split("."), module)


def _dotted(name: str) -> str:
    """Return a name as a user writes it, ``package.module.Class``."""
    return name.replace(":", ".")


def qualified_name(value: Any, where: str) -> str:
    """Return the name by which a class or a function can be looked up.

    A name that needs trust is written ``module:name``, with a colon.

    Parameters
    ----------
    value : class or function
        The class or the function.
    where : str
        Name of the value that contains it, for the error.
    """
    own = getattr(value, "__qualname__", "")
    for name in (*_KNOWN, *(f"{package}.{own}" for package in _NAMESPACES)):
        if find_known(name) is value:
            return name
    module = str(getattr(value, "__module__", None))
    try:
        is_found = _follow(sys.modules[module], own) is value
    except (AttributeError, KeyError):
        is_found = False
    if not is_found:
        raise ValueError(
            f"{where}={value!r} cannot be saved, as it cannot be found by its name "
            "when it is loaded: a lambda, or something defined inside a function. "
            "Define it at the top level of a module."
        )
    return f"{module}:{own}"


def check_trusted(names: Iterable[str], trusted: Collection[str], source: str) -> None:
    """Refuse names that are neither known nor trusted.

    Parameters
    ----------
    names : iterable of str
        Names in a file.
    trusted : collection of str
        Dotted names that the user trusts.
    source : str
        Name of the file, for the error.
    """
    unknown = {name for name in names if find_known(name) is None}
    missing = sorted(name for name in unknown if ":" not in name)
    if missing:
        raise ValueError(
            f"{source} uses {', '.join(missing)}, which the installed versions of "
            "skae, torch and skorch do not have: upgrade them."
        )
    found = {_dotted(name) for name in unknown}
    if found - set(trusted):
        raise ValueError(
            f"{source} uses {', '.join(sorted(found - set(trusted)))}, not known to "
            "skae: loading it imports those modules and runs the code in them. "
            f"If you trust them and the file, pass trusted={sorted(found)!r}."
        )


def find(name: str, trusted: Collection[str], source: str) -> Any:
    """Return the class or the function of a name, imported if it is trusted."""
    known = find_known(name)
    if known is not None:
        return known
    check_trusted([name], trusted, source)
    module, _, own = name.partition(":")
    try:
        return _follow(importlib.import_module(module), own)
    except (AttributeError, ImportError) as error:
        raise ImportError(
            f"{source} uses {_dotted(name)}, which cannot be imported here: {error}. "
            "Put it where it was when the file was saved."
        ) from error
