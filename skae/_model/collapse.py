"""When a code has collapsed, and what to do about it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from skae._data.statistics import describe
from skae._exceptions import CollapsedCodeWarning, warn

_FEWEST_EPOCHS = 10  # a code that is younger says little
_LEAST_DEVIATION = 0.01  # of that of the unit that varies most
_LEAST_R2 = 0.05
_MAX_ROWS = 4096


def find_active(std: np.ndarray) -> np.ndarray:
    """Tell of each unit whether it varies, given the standard deviations."""
    return (std > 0) & (std >= _LEAST_DEVIATION * std.max())


def warn_if_collapsed(estimator: Any, rows: np.ndarray) -> None:
    """Warn if the code of an estimator that was fitted on rows holds next to nothing.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Who has just been fitted.
    rows : ndarray of shape (n_rows, n_features)
        On what. Evenly spaced ones are looked at where there are many.
    """
    if estimator.n_iter_ < _FEWEST_EPOCHS:
        return
    some = rows[:: math.ceil(len(rows) / _MAX_ROWS)]
    if (some == some[0]).all():
        return
    std, r2 = _measure(estimator, some)
    n_units, n_active = len(std), int(find_active(std).sum())
    # More units than these are not needed, and may well be silent.
    n_needed = min(n_units, some.shape[1], len(some) - 1)
    is_dead = n_active < n_needed / 2
    is_lost = r2 < _LEAST_R2
    if not is_dead and not (is_lost and estimator._loss_name is not None):
        return
    found = f"R² is {r2:z.3f} on training rows, where their mean gets 0"
    ways = _ways_out(estimator)
    if is_dead:
        share = "at all"
        if n_active:
            share = "by 1 % of the deviation of the unit that varies most"
        found = f"{n_units - n_active} of {n_units} units do not vary {share}; {found}"
        if not is_lost:
            ways.append("a smaller n_components, if that R² is enough")
    else:
        ways.append("a larger n_components, if a PCA keeps as little")
    warn(
        f"After {estimator.n_iter_} epochs {found}. Ways out: {'; '.join(ways)}. "
        "skae.diagnostics.report(estimator, X) shows each unit, and what a PCA would "
        "keep.",
        CollapsedCodeWarning,
    )


def _measure(estimator: Any, rows: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the deviation of each unit and R², in one pass."""
    module = estimator.net_.module_

    def code_and_error(x: torch.Tensor) -> torch.Tensor:
        code = module.encode(x)
        error = (module.decode(code) - x) / estimator.scale_
        return torch.cat([code, (error**2).sum(1, keepdim=True)], dim=1)

    both = estimator._map(code_and_error, rows)
    std = np.sqrt(describe(both[:, :-1]).variance)
    return std, estimator._share_kept(both[:, -1].sum(dtype=np.float64), rows)


def _ways_out(estimator: Any) -> list[str]:
    """Say what to change: first what this estimator sacrifices its code to."""
    ways = []
    for name, penalty in estimator._own_penalties():
        if penalty.weight:
            parameter = "beta" if name == "kl" else name
            ways.append(f"lower {parameter}={penalty.weight:g}")
    if getattr(estimator, "beta", 0):
        ways.append("let beta rise with kl_warmup")
    if estimator.penalty:
        ways.append("lower the weights of penalty")
    method = getattr(estimator, "method", None)
    if method == "topk":
        ways.append("raise n_active")
    elif method in ("kl", "lifetime"):
        ways.append(f"raise target_activation={estimator.target_activation:g}")
    if estimator._corruption() is not None:
        ways.append("weaken the noise")
    ways.append(
        f"another lr than {estimator.lr:g}, or more epochs; a scaled X, where its "
        "columns differ in units or the modules are your own"
    )
    return ways
