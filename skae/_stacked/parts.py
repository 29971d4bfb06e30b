"""Parts of nets and of estimators: whose they are, and which are equal."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import torch
from joblib.hashing import NumpyHasher
from torch import Tensor, nn

# Attributes of modules that training changes.
OF_RUN = {"training", "scale", "n_epochs", "T_destination", "call_super_init"}


class _Hasher(NumpyHasher):
    """joblib's hash, but functions and classes may be defined anywhere."""

    def save(self, obj: Any) -> None:
        """Save an object, or what stands for it."""
        if isinstance(obj, (FunctionType, type)):  # its identity is what counts
            obj = ("identity", id(obj))
        elif isinstance(obj, Tensor) and obj.layout == torch.strided:
            values = obj.detach().cpu()
            obj = ("tensor", str(obj.dtype), obj.requires_grad, values.numpy())
        super().save(obj)


def hash_of(*objects: Any) -> str:
    """Return a hash of objects, equal for copies.

    Functions and classes are equal only to themselves.

    Raises
    ------
    Exception
        Whatever a part raises that cannot be pickled.
    """
    found: str = _Hasher(hash_name="md5").hash(objects)
    return found


def is_own(part: Any) -> bool:
    """Tell whether an object or a function is the user's."""
    kind = part if isinstance(part, FunctionType) else type(part)
    return kind.__module__.partition(".")[0] not in ("skae", "torch")


def attributes_of(layer: nn.Module) -> dict[str, Any]:
    """Return the attributes of a layer that are no weights and no settings of a run."""
    kept = ("_parameters", "_buffers", "_modules", *OF_RUN)
    return {name: value for name, value in vars(layer).items() if name not in kept}
