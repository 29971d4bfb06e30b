"""Run a function over rows in batches, so that no row depends on its neighbours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

_BATCH_SIZE = 1024

# Matrix products of fewer rows take other kernels, which round differently: smaller
# batches are padded to this many rows, so that a row gives the same bits in any batch.
_MIN_ROWS = 32


def map_rows(
    function: Callable[[Tensor], Tensor],
    rows: np.ndarray,
    *,
    dtype: np.dtype,
    device: torch.device | str,
    inference: bool = True,
) -> np.ndarray:
    """Apply ``function`` to batches of rows and join what it gives.

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

    Returns
    -------
    ndarray of shape (n_rows, ...)
    """
    results = []
    with torch.inference_mode(inference):
        for start in range(0, len(rows), _BATCH_SIZE):
            batch = rows[start : start + _BATCH_SIZE]
            n_rows = len(batch)
            if n_rows < _MIN_ROWS:
                padded = np.zeros((_MIN_ROWS, *batch.shape[1:]), dtype=dtype)
                padded[:n_rows] = batch
                batch = padded
            else:
                # A copy: the function may work in place, or give back what it got.
                batch = np.array(batch, dtype=dtype, order="C")
            out = function(torch.from_numpy(batch).to(device))
            results.append(out[:n_rows].detach().cpu().numpy())
    return results[0] if len(results) == 1 else np.concatenate(results)
