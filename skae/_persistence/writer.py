"""Encoding of values as JSON, with their tensors beside it."""

from __future__ import annotations

import copyreg
import functools
import math
import types
from collections import OrderedDict
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skae._persistence.checks import is_moderate
from skae._persistence.registry import qualified_name


class Writer:
    """Encodes values as JSON, and collects their tensors.

    Attributes
    ----------
    tensors : dict of Tensor
        Tensors to store beside the JSON, on the CPU, each under the name of the first
        value that contains it.
    user_defined : dict
        Classes and functions that a reader has to trust, by name.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.user_defined: dict[str, Any] = {}
        # By id; the values are stored, so that their ids stay valid.
        self._stored: dict[int, tuple[str, Any]] = {}
        self._encoded: dict[int, tuple[dict[str, Any], Any]] = {}
        self._n_shared = 0

    def encode_value(self, value: Any, where: str) -> Any:
        """Return the description of a value; repeated values are encoded once.

        Parameters
        ----------
        value : object
            Any value; a TypeError is raised if it cannot be encoded.
        where : str
            The name of the value, for errors and for tensors.
        """
        if id(value) in self._encoded:
            first, _ = self._encoded[id(value)]
            if "id" not in first:
                self._n_shared += 1
                first["id"] = self._n_shared
            return {"type": "again", "id": first["id"]}
        write = _WRITERS.get(type(value))
        if write is None:
            write = next(w for kind, w in _FAMILIES if isinstance(value, kind))
        return write(self, value, where)

    def name(self, value: Any, where: str) -> str:
        """Return the name of a class or a function, and record it if it needs trust."""
        name = qualified_name(value, where)
        if ":" in name:
            self.user_defined[name] = value
        return name

    def tensor(self, kind: str, value: Any, data: Tensor, where: str) -> dict[str, Any]:
        """Encode a value as a tensor; repeated values are stored once."""
        if id(value) not in self._stored:
            while where in self.tensors:
                where += "_"
            self._stored[id(value)] = where, value
            self.tensors[where] = data.clone(memory_format=torch.contiguous_format)
        return {"type": kind, "tensor": self._stored[id(value)][0]}

    def begin(self, kind: str, value: Any, **parts: Any) -> dict[str, Any]:
        """Start the description of an object, to which its parts may refer."""
        encoded = {"type": kind, **parts}
        self._encoded[id(value)] = encoded, value
        return encoded


def _refuse(where: str, value: Any, reason: str) -> TypeError:
    kind = type(value)
    return TypeError(
        f"{where} is a {kind.__module__}.{kind.__qualname__}, which cannot be saved: "
        f"{reason}."
    )


def _write_plain(writer: Writer, value: Any, where: str) -> Any:
    return value


def _write_int(writer: Writer, value: int, where: str) -> int:
    if not is_moderate(value):
        raise _refuse(where, value, "it is too large")
    return value


def _write_float(writer: Writer, value: float, where: str) -> Any:
    return value if math.isfinite(value) else {"type": "float", "value": repr(value)}


def _write_path(writer: Writer, value: PurePath, where: str) -> str:
    return str(value)  # another system may have other paths


def _write_list(writer: Writer, value: Any, where: str) -> list[Any]:
    return [writer.encode_value(item, f"{where}.{i}") for i, item in enumerate(value)]


def _write_items(
    kind: str, in_order: Callable[[Any], Any], writer: Writer, value: Any, where: str
) -> dict[str, Any]:
    return {"type": kind, "items": _write_list(writer, in_order(value), where)}


def _write_dict(writer: Writer, value: dict[Any, Any], where: str) -> dict[str, Any]:
    if "type" in value or not all(type(key) is str for key in value):
        return _write_pairs("dict", writer, value, where)
    return {k: writer.encode_value(v, f"{where}.{k}") for k, v in value.items()}


def _write_pairs(kind: str, writer: Writer, value: Any, where: str) -> dict[str, Any]:
    pairs = [
        [writer.encode_value(k, where), writer.encode_value(v, f"{where}.{k}")]
        for k, v in value.items()
    ]
    return {"type": kind, "items": pairs}


def _write_as_text(
    kind: str, text: Callable[[Any], str], writer: Writer, value: Any, where: str
) -> dict[str, Any]:
    return {"type": kind, "value": text(value)}


def _write_dtype(writer: Writer, value: np.dtype, where: str) -> dict[str, Any]:
    return {"type": "dtype", "value": value.str}


def _is_number(dtype: np.dtype) -> bool:
    return dtype.kind in "biuf" and dtype.itemsize <= 8


def _write_scalar(writer: Writer, value: np.generic, where: str) -> dict[str, Any]:
    if not (_is_number(value.dtype) or isinstance(value, np.str_)):
        raise _refuse(where, value, "it is not a number of at most 64 bits")
    item = writer.encode_value(value.item(), where)
    return {"type": "scalar", "dtype": value.dtype.str, "value": item}


def _write_array(writer: Writer, value: np.ndarray, where: str) -> dict[str, Any]:
    if value.dtype.kind in "OU":
        items = _write_list(writer, value.ravel().tolist(), where)
        dtype, shape = value.dtype.str, list(value.shape)
        return {"type": "texts", "dtype": dtype, "shape": shape, "items": items}
    if not _is_number(value.dtype):
        reason = f"its type is {value.dtype}, and not one of numbers of at most 64 bits"
        raise _refuse(where, value, reason)
    native = np.array(value, dtype=value.dtype.newbyteorder("="), order="C")
    return writer.tensor("array", value, torch.from_numpy(native), where)


def _write_tensor(
    kind: str, writer: Writer, value: Tensor, where: str
) -> dict[str, Any]:
    if value.layout is not torch.strided or value.is_quantized or value.is_complex():
        raise _refuse(where, value, "it is sparse, quantised or complex")
    data = value.detach().cpu()
    encoded = writer.tensor(kind, value, data, where)
    # An axis of length 1 can have several strides; convolutions depend on them.
    in_order = torch.empty(data.shape, device="meta").stride()
    if data.stride() != in_order:
        encoded["stride"] = list(data.stride())
    if isinstance(value, nn.Parameter) and not value.requires_grad:
        encoded["frozen"] = True
    return encoded


def _write_random_state(
    writer: Writer, value: np.random.RandomState, where: str
) -> dict[str, Any]:
    state = value.get_state(legacy=False)
    if state["bit_generator"] != "MT19937":
        raise _refuse(where, value, f"it draws from {state['bit_generator']}")
    encoded = writer.begin("RandomState", value)
    encoded["state"] = writer.encode_value(state, where)
    return encoded


def _write_partial(
    writer: Writer, value: functools.partial[Any], where: str
) -> dict[str, Any]:
    encoded = writer.begin("partial", value)
    encoded["function"] = writer.encode_value(value.func, where)
    encoded["args"] = writer.encode_value(value.args, f"{where}.args")
    encoded["keywords"] = writer.encode_value(value.keywords, f"{where}.keywords")
    return encoded


def _write_name(writer: Writer, value: Any, where: str) -> dict[str, Any]:
    return {"type": "name", "name": writer.name(value, where)}


def _write_object(writer: Writer, value: Any, where: str) -> dict[str, Any]:
    """Encode an object by its parameters, if it has any, and its attributes."""
    attributes = _object_attributes(value, where)
    encoded = writer.begin("object", value, name=writer.name(type(value), where))
    if hasattr(value, "get_params"):
        parameters = value.get_params(deep=False)
        encoded["parameters"] = writer.encode_value(parameters, where)
        attributes = {k: v for k, v in attributes.items() if k not in parameters}
    if attributes:
        encoded["attributes"] = writer.encode_value(attributes, where)
    return encoded


def _object_attributes(value: Any, where: str) -> dict[str, Any]:
    """Return the attributes of an object that consists of nothing else."""
    reason = (
        "it is more than its attributes. Use numbers, strings, lists, arrays, torch "
        "modules, functions and classes of a module, or an object with get_params"
    )
    try:
        make, args, state, *items = value.__reduce_ex__(2)
    except (RuntimeError, TypeError, ValueError) as error:
        raise _refuse(where, value, reason) from error
    plain = make is copyreg.__newobj__  # type: ignore[attr-defined]
    plain = plain and args == (type(value),)
    if not plain or not isinstance(state, dict | None) or any(items):
        raise _refuse(where, value, reason)
    state = state or {}
    # Empty hooks and other defaults of torch are not stored.
    bare = vars(nn.Module()) if isinstance(value, nn.Module) else {}
    return {k: v for k, v in state.items() if k not in bare or v != bare[k]}


_WRITERS: dict[type, Callable[[Writer, Any, str], Any]] = {
    type(None): _write_plain,
    bool: _write_plain,
    int: _write_int,
    str: _write_plain,
    float: _write_float,
    list: _write_list,
    tuple: functools.partial(_write_items, "tuple", tuple),
    set: functools.partial(_write_items, "set", functools.partial(sorted, key=repr)),
    torch.Size: functools.partial(_write_items, "Size", tuple),
    dict: _write_dict,
    OrderedDict: functools.partial(_write_pairs, "OrderedDict"),
    torch.device: functools.partial(_write_as_text, "device", str),
    torch.dtype: functools.partial(_write_as_text, "torch.dtype", str),
    np.ndarray: _write_array,
    np.memmap: _write_array,
    Tensor: functools.partial(_write_tensor, "tensor"),
    nn.Parameter: functools.partial(_write_tensor, "parameter"),
    np.random.RandomState: _write_random_state,
    functools.partial: _write_partial,
}
_FAMILIES: tuple[tuple[Any, Callable[[Writer, Any, str], Any]], ...] = (
    (np.generic, _write_scalar),
    (PurePath, _write_path),
    (np.dtype, _write_dtype),
    ((type, types.FunctionType, types.BuiltinFunctionType), _write_name),
    (object, _write_object),
)
