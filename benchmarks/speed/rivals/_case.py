"""What a contestant gets, the case, and what it returns, the trained model."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

EPOCHS = 3
LR = 1e-3
NOISE = 0.3
SIDE = 28


@dataclass(frozen=True)
class Case:
    """What is trained, and on which rows."""

    X: np.ndarray
    hidden: tuple[int, ...]  # of the encoder: widths, or channels of convolutions
    code: int
    batch_size: int = 128
    kind: str = "dense"  # or "convolutional", "variational", "denoising"


@dataclass(frozen=True)
class Trained:
    """What a contestant hands back. The steps of torch's optimizers are counted."""

    reconstruct: Callable
    n_parameters: int | None = None
    n_steps: int | None = None


class LeftOut(Exception):
    """A rival cannot express a case; the message says why."""


def as_float32(X):
    """Return X as float32, and bytes as pixels in [0, 1]."""
    X_float = X.astype(np.float32, copy=False)
    return X_float / 255 if X.dtype == np.uint8 else X_float


def scaled(X):
    """Return bytes as pixels in [0, 1], and other types unchanged."""
    return as_float32(X) if X.dtype == np.uint8 else X
