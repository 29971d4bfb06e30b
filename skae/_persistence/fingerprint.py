"""What tells two fits apart: parameters, versions, data, and the state of parts."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from numpy.random import RandomState
from torch import Tensor, nn
from torch.utils.data import Subset

from skae._data.batches import Batch, BatchIterator, Remaining
from skae._persistence.container import versions_now
from skae._persistence.writer import Writer
from skae._sources.rows import stored_under

# A digest, and a short text for errors.
Mark = tuple[str, str]

_OURS = ("skae.", "torch.", "sklearn.", "skorch.", "numpy.")
_OF_RUN = {"checkpoint", "verbose", "device"}
_ADDRESS = re.compile(r" at 0x[0-9a-f]+", re.IGNORECASE)
_SHOWN = 60  # characters
_N_BLOCKS, _MOST_BYTES = 64, 2**24  # of rows, evenly spaced, that are compared
_ROUNDING = 1e-6  # of moments, which depend on the number of threads


class _Describer(Writer):
    """Describes values to compare them: functions that have no name, too."""

    def encode_value(self, value: Any, where: str) -> Any:
        """Return the description of a value; what is no data is described as text."""
        if isinstance(value, FunctionType) and id(value) not in self._encoded:
            return self._function(value, where)
        if isinstance(value, MethodType):
            return self.encode_value([value.__func__, value.__self__], where)
        try:
            return super().encode_value(value, where)
        except (TypeError, ValueError):
            text = repr(value)
            if _ADDRESS.search(text):
                raise
            return {"type": "repr", "value": text}

    def name(self, value: Any, where: str) -> str:
        """Return the name of a class or a function, wherever it is defined."""
        return f"{value.__module__}:{value.__qualname__}"

    def _function(self, value: FunctionType, where: str) -> dict[str, Any]:
        """Describe what a function does, so that it may be edited under its name."""
        encoded = self.begin("function", value, name=self.name(value, where))
        if not _is_ours(value):
            encoded["code"] = str(_facts_of(value.__code__))
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        given = [value.__defaults__, value.__kwdefaults__, cells]
        encoded["given"] = self.encode_value(given, where)
        return encoded


def _is_ours(value: Any) -> bool:
    return f"{getattr(value, '__module__', '')}.".startswith(_OURS)


def _facts_of(code: CodeType) -> tuple[Any, ...]:
    """Return what code does, but not where it stands."""

    def fact(constant: Any) -> Any:
        if isinstance(constant, CodeType):
            return _facts_of(constant)
        # The order of a set differs between processes.
        is_set = isinstance(constant, frozenset)
        return sorted(constant, key=repr) if is_set else constant

    return code.co_code.hex(), code.co_names, [fact(x) for x in code.co_consts]


def _mark(value: Any, where: str, shown: str | None = None) -> Mark:
    """Return the mark of any value that can be described."""
    if isinstance(value, np.generic):
        value = value.item()
    writer = _Describer()
    text = json.dumps(writer.encode_value(value, where), sort_keys=True)
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(writer.tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    if shown is None:
        shown = " ".join(repr(value).split())
        shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    return digest.hexdigest(), shown


def marks_of_call(cls: type, parameters: Mapping[str, Any]) -> dict[str, Mark]:
    """Return the marks of a fit that are known before its data are.

    Parameters
    ----------
    cls : type
        The class that is fitted.
    parameters : dict
        Its parameters.
    """
    versions = {f"the version of {k}": (v, v) for k, v in versions_now().items()}
    own = {name: x for name, x in parameters.items() if name not in _OF_RUN}
    if isinstance(own["random_state"], RandomState):
        own["random_state"] = RandomState  # which draws later, and is compared then
    return {
        **versions,
        "the class": (cls.__qualname__, cls.__qualname__),
        **{name: _mark(value, name) for name, value in own.items()},
    }


def marks_of_data(net: Any, data: Mapping[str, Any]) -> dict[str, Mark]:
    """Return the marks of the data of a fit, and of the device it runs on.

    Parameters
    ----------
    net : AutoencoderNet
        The net.
    data : dict
        Its data sets, ``dataset_train`` and ``dataset_valid``. Of more than 16 MiB,
        evenly spaced blocks of rows are compared, beside the moments of all.
    """
    device = str(net.device)
    return {
        "the device": (device, device),
        "the training rows of X": _mark_of_rows(data["dataset_train"]),
        "the held-out rows": _mark_of_rows(data["dataset_valid"]),
    }


def _mark_of_rows(dataset: Any) -> Mark:
    if dataset is None:
        return "", "none"
    n_rows = len(dataset)
    source = dataset.dataset if isinstance(dataset, Remaining) else dataset
    if getattr(source, "sample", None) is not None:
        some = source.sample
        shown = f"{n_rows} of {some.rows.shape[1]} columns"
        stored = stored_under(source.rows)
        order = [stored.bounds, stored.n_buffer]
        return _mark([n_rows, some.rows, some.weight, *order], "X", shown)
    indices = np.arange(n_rows)
    taken = _take(dataset, indices[:1])
    per_block = max(1, _MOST_BYTES // _N_BLOCKS // max(taken.x.nbytes, 1))
    if n_rows > per_block * _N_BLOCKS:
        starts = np.linspace(0, n_rows - per_block, _N_BLOCKS).astype(int)
        indices = np.unique(np.add.outer(starts, np.arange(per_block)))
    batch = _take(dataset, indices)
    shown = f"{n_rows} of {batch.x.shape[1]} columns"
    return _mark([n_rows, batch.x, batch.weight], "X", shown)


def _take(dataset: Any, indices: np.ndarray) -> Batch:
    some = Subset(dataset, indices.tolist())
    return next(BatchIterator(some, len(indices)).parts())[0]


def moments_of(statistics: Any) -> Tensor:
    """Return the mean and the variance of each feature, over all rows."""
    return torch.from_numpy(np.stack([statistics.mean, statistics.variance]))


def differences(now: Mapping[str, Mark], then: Mapping[str, Any]) -> Iterator[str]:
    """Yield how two fits differ, by the marks that both have.

    Parameters
    ----------
    now, then : dict
        The marks of this fit, and those in a file.
    """
    for name, (digest, shown) in now.items():
        other, was = then.get(name, ("", "not given"))
        if digest != other:
            yield f"{name}: {was} there, {shown if shown != was else 'another'} here"


def are_close(now: Tensor, then: Tensor) -> bool:
    """Tell whether moments are the same but for rounding."""
    atol = _ROUNDING * float(then.abs().amax()) * _ROUNDING
    return now.shape == then.shape and torch.allclose(
        now, then, rtol=_ROUNDING, atol=atol, equal_nan=True
    )


def state_of_parts(net: Any) -> dict[str, Mark]:
    """Return the marks of what the parts of a net hold beside weights and buffers.

    They are constant, unless a part of the user's counts or draws by itself.

    Parameters
    ----------
    net : AutoencoderNet
        The net, in training.
    """
    if not net.has_user_code:
        return {}
    criterion, bare = net.criterion_, vars(nn.Module())
    parts = {
        "augmentation": net.augmentation,
        "corruption": net.corruption,
        "loss": criterion.loss.function,
        **{f"the penalty {name}": penalty for name, penalty in criterion.penalties},
    }
    for name, module in net.module_.named_modules():
        if not _is_ours(type(module)):
            own = {k: v for k, v in vars(module).items() if k not in bare}
            parts[f"the module {name}"] = own
    return {name: _mark(value, name, "") for name, value in parts.items()}
