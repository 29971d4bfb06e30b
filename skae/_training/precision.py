"""The format of the multiplications in training."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from skae._networks.autoencoder import AutoencoderModule
from skae._random import RandomStream

# Multiply-adds of the largest layer, for a batch, above which bfloat16 was measured to
# be faster: see benchmarks/speed/bench_precision.py.
_LEAST_PRODUCTS = 16_000_000

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def resolve_precision(
    precision: str,
    module: AutoencoderModule,
    batch_shape: tuple[int, int],
    device: str,
) -> str:
    """Return the format for a module: ``"float32"`` or ``"bfloat16"``.

    Parameters
    ----------
    precision : {"float32", "bfloat16", "auto"}
        The parameter of the estimator.
    module : AutoencoderModule
        The module that is trained.
    batch_shape : (int, int)
        Rows and features of a batch.
    device : str
        Where the module is trained.
    """
    if precision == "float32":
        return precision
    is_double = any(x.dtype == torch.float64 for x in module.parameters())
    if precision == "bfloat16" and is_double:
        raise ValueError(
            "precision='bfloat16' speeds up a computation in float32, but dtype asks "
            "for float64. Set dtype='float32', or precision='float32'."
        )
    if precision != "auto":
        return precision
    if is_double or not _multiplies_bfloat16(device):
        return "float32"
    n_rows, n_features = batch_shape
    products = n_rows * _count_products(module, n_features)
    return "bfloat16" if products >= _LEAST_PRODUCTS else "float32"


def _multiplies_bfloat16(device: str) -> bool:
    """Tell whether a device was measured to multiply bfloat16 faster."""
    is_cpu = torch.device(device).type == "cpu"
    describe: Any = getattr(torch.cpu, "get_capabilities", dict)  # new after torch 2.9
    return is_cpu and bool(describe().get("amx_bf16"))


def _count_products(module: AutoencoderModule, n_features: int) -> int:
    """Count the multiply-adds of the largest layer, for one row."""
    counts = [0]

    def count(layer: Any, inputs: Any, output: torch.Tensor) -> None:
        positions = output[0].numel() // len(layer.weight)
        counts.append(positions * layer.weight.numel())

    layers = [x for x in module.modules() if isinstance(x, _LAYERS)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    weight = next(module.parameters())
    try:
        # Random layers of the user must not change the random numbers of training.
        with torch.no_grad(), RandomStream(0).as_global(weight.device):
            module.eval()
            module.decode(module.encode(weight.new_zeros(2, n_features)))
    finally:
        for handle in handles:
            handle.remove()
    return max(counts)
