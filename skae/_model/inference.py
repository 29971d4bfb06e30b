"""Run a function over rows in batches, so that no row depends on its neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

# The kernels of torch process blocks of rows, and round remaining rows differently.
# Batches are padded to whole blocks, so that a row gives the same bits in any batch.
# For matrix products these are 16 rows with AVX-512 and 24 with AVX2; for functions
# like tanh, on any number of columns, 32 and 16. A few rows are one block of AVX-512;
# other processors take other kernels for so few.
_BLOCK = 96
_SMALL_BLOCK = 32 if torch.backends.cpu.get_cpu_capability() == "AVX512" else _BLOCK
_BATCH_SIZE = 10 * _BLOCK
_MAX_ENTRIES = 2**22  # of wide rows there are fewer in a batch, but one block


def apply_in_batches(
    function: Callable[[Tensor], Tensor],
    rows: np.ndarray,
    *,
    dtype: np.dtype,
    device: torch.device | str,
    inference: bool = True,
    copy: bool = True,
) -> np.ndarray:
    """Apply ``function`` to batches of rows and concatenate the results.

    Parameters
    ----------
    function : callable
        From a tensor of rows to a tensor of as many rows.
    rows : ndarray of shape (n_rows, width)
        Input of any numeric type; a batch is sliced first and then cast.
    dtype : numpy.dtype
        Type of the computation.
    device : torch.device or str
        Where to compute.
    inference : bool, default=True
        Whether to run without autograd.
    copy : bool, default=True
        Whether to copy the rows, for functions that work in place or return their
        input.

    Returns
    -------
    ndarray of shape (n_rows, ...)
    """
    result = np.empty(0)
    n_blocks = _MAX_ENTRIES // (_BLOCK * math.prod(rows.shape[1:]) or 1)
    size = min(max(1, n_blocks) * _BLOCK, _BATCH_SIZE)
    with torch.inference_mode(inference):
        for start in range(0, len(rows), size):
            batch = rows[start : start + size]
            stop = start + len(batch)
            x = torch.from_numpy(_pad(batch, dtype, copy=copy)).to(device)
            out = function(x)[: len(batch)].detach().cpu().numpy()
            if len(batch) == len(rows):
                return out
            if start == 0:
                result = np.empty((len(rows), *out.shape[1:]), dtype=out.dtype)
            result[start:stop] = out
    return result


def _pad(batch: np.ndarray, dtype: np.dtype, *, copy: bool) -> np.ndarray:
    n_rows = _SMALL_BLOCK
    if len(batch) > _SMALL_BLOCK:
        n_rows = math.ceil(len(batch) / _BLOCK) * _BLOCK
    if n_rows > len(batch):
        padded = np.zeros((n_rows, *batch.shape[1:]), dtype=dtype)
        padded[: len(batch)] = batch
        return padded
    if copy or not batch.flags.writeable:  # torch makes no tensor of it
        return np.array(batch, dtype=dtype, order="C")
    return np.ascontiguousarray(batch, dtype=dtype)
