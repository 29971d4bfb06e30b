"""Decoding of values from JSON and tensors, without running untrusted code."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skae._persistence.registry import find

# Attributes that torch calls instead of `forward`, if they are set.
_CALLED = ("_compiled_call_impl",)
_SHORT = 1024  # characters, which an array may have room for in any case
_MOST_BYTES_OF_TEXTS = 2**28

# Only these are described once and referred to then: a tower of tuples, each of which
# holds the last one twice, would take for ever to walk.
_SHARED = ("object", "partial", "RandomState")
_MOST_HASHED = 10_000  # values that are no text, whose hashes may be chosen to be equal


def names_in(description: Any) -> Iterator[str]:
    """Yield the names of the classes and functions in a description."""
    if isinstance(description, dict):
        if description.get("type") in ("name", "object"):
            yield description["name"]
        description = list(description.values())
    if isinstance(description, list):
        for part in description:
            yield from names_in(part)


class Reader:
    """Decodes values from their descriptions.

    Parameters
    ----------
    tensors : dict of Tensor
        The tensors that were stored beside the JSON.
    trusted : collection of str
        Dotted names of classes and functions that may be imported.
    """

    def __init__(self, tensors: dict[str, Tensor], trusted: Collection[str]) -> None:
        self.tensors = tensors
        self.trusted = trusted
        self.n_bytes_of_texts = 0
        # Sizes in a description of a layer of torch; constructors may loop over them.
        sizes = [size for x in tensors.values() for size in x.shape]
        self.largest_size = max([_SHORT, *sizes])
        self._made: dict[tuple[str, str], Any] = {}
        self._shared: dict[int, Any] = {}

    def decode_value(self, description: Any) -> Any:
        """Return the value that a description describes."""
        if isinstance(description, list):
            return [self.decode_value(item) for item in description]
        if not isinstance(description, dict):
            return description
        if description.get("type") == "again":
            return self._shared[description["id"]]
        if "type" in description:
            kind = description["type"]
            if "id" in description and kind not in _SHARED:
                raise TypeError(f"a {kind} is not referred to")
            return self.share(description, _READERS[kind](self, description))
        return {key: self.decode_value(value) for key, value in description.items()}

    def find(self, name: str) -> Any:
        """Return the class or the function of a name, if it is known or trusted."""
        return find(name, self.trusted, "The file")

    def share(self, description: Any, made: Any) -> Any:
        """Return a value, and store it if other descriptions refer to it."""
        if "id" in description:
            self._shared[description["id"]] = made
        return made

    def made_once(self, description: Any, make: Callable[[Tensor], Any]) -> Any:
        """Return the value made from a stored tensor, the same object each time."""
        key = description["type"], description["tensor"]
        if key not in self._made:
            self._made[key] = make(self.tensors[key[1]])
        return self._made[key]


def _read_items(make: Callable[[Any], Any], reader: Reader, found: Any) -> Any:
    return make(reader.decode_value(found["items"]))


def _read_hashed(make: Callable[[Any], Any], reader: Reader, found: Any) -> Any:
    if len(found["items"]) > _MOST_HASHED:
        raise ValueError(f"a {found['type']} has more than {_MOST_HASHED} entries")
    return _read_items(make, reader, found)


def _check_sizes(reader: Reader, name: str, values: Iterable[Any]) -> None:
    """Refuse numbers beyond all sizes in a file, for a layer of torch."""
    if ":" in name or not name.startswith("torch."):
        return
    for value in values:
        if isinstance(value, int) and abs(value) > reader.largest_size:
            raise ValueError(f"{value} is no size of {name} in this file")


def _read_text(make: Callable[[Any], Any], reader: Reader, found: Any) -> Any:
    return make(found["value"])


def _to_torch_dtype(text: str) -> torch.dtype:
    dtype = vars(torch).get(text.removeprefix("torch."))  # getattr would import
    if not isinstance(dtype, torch.dtype):
        raise TypeError(f"{text} is not a type of torch")
    return dtype


def _read_scalar(reader: Reader, found: Any) -> Any:
    kind, value = np.dtype(found["dtype"]), reader.decode_value(found["value"])
    if kind.kind not in "biufU" or (kind.kind == "U" and not isinstance(value, str)):
        raise TypeError(f"{kind} is not the type of the value of a scalar")
    if kind.kind in "iu" and not np.iinfo(kind).min <= value <= np.iinfo(kind).max:
        raise OverflowError(f"{value} does not fit into {kind}")  # numpy 1 would wrap
    return kind.type(value)


def _read_texts(reader: Reader, found: Any) -> np.ndarray:
    items, dtype = reader.decode_value(found["items"]), np.dtype(found["dtype"])
    longest = max((len(item) for item in items if isinstance(item, str)), default=0)
    is_short = 0 <= dtype.itemsize <= 4 * max(longest, _SHORT)  # numpy 1 overflows
    if dtype.kind not in "OU" or not is_short:
        raise TypeError(f"{dtype} is not the type of texts of {longest} characters")
    reader.n_bytes_of_texts += len(items) * dtype.itemsize
    if reader.n_bytes_of_texts > _MOST_BYTES_OF_TEXTS:
        raise ValueError("the arrays of text are too large")
    array = np.empty(len(items), dtype=dtype)
    array[:] = items
    return array.reshape(found["shape"])


def _read_array(reader: Reader, found: Any) -> Any:
    return reader.made_once(found, Tensor.numpy)


def _is_dense(shape: Any, stride: Any) -> bool:
    """Tell whether entries of a shape and strides leave no gaps in memory."""
    steps = sorted((by, n) for by, n in zip(stride, shape, strict=True) if n != 1)
    expected = 1
    for by, n in steps:
        if by != expected:
            return False
        expected *= n
    return True


def _read_tensor(reader: Reader, found: Any) -> Any:
    def make(data: Tensor) -> Tensor:
        stride = found.get("stride")
        if stride is not None and _is_dense(data.shape, stride):
            data = torch.empty_strided(data.shape, stride, dtype=data.dtype).copy_(data)
        if found["type"] == "tensor":
            return data
        return nn.Parameter(data, requires_grad=not found.get("frozen", False))

    return reader.made_once(found, make)


def _read_random_state(reader: Reader, found: Any) -> np.random.RandomState:
    state = reader.decode_value(found["state"])
    if not 0 <= state["state"]["pos"] <= 624:  # numpy does not check it
        raise ValueError("a RandomState has no such position")
    random_state = np.random.RandomState(0)
    random_state.set_state(state)
    return random_state


def _read_partial(reader: Reader, found: Any) -> Any:
    function, args, keywords = (
        reader.decode_value(found[part]) for part in ("function", "args", "keywords")
    )
    described = found["function"].get("name", "")
    _check_sizes(reader, described, [*args, *keywords.values()])
    return functools.partial(function, *args, **keywords)


def _read_name(reader: Reader, found: Any) -> Any:
    return reader.find(found["name"])


def check_attributes(cls: type, name: str, attributes: Iterable[str]) -> None:
    """Refuse attributes that would replace methods, unless the class is trusted.

    Callers of a method, including Python when it copies an object, rely on the class.

    Parameters
    ----------
    cls : type
        The class of an object.
    name : str
        The name that the class has in the file.
    attributes : iterable of str
        Names that are to be set.
    """
    for attribute in attributes if ":" not in name else ():
        own = getattr(cls, attribute, None)
        is_method = callable(own) or hasattr(own, "__get__")
        if is_method or attribute.startswith("__") or attribute in _CALLED:
            raise TypeError(f"{attribute} is no attribute that a {name} can have")


def _read_object(reader: Reader, found: Any) -> Any:
    cls = reader.find(found["name"])
    if not isinstance(cls, type):
        raise TypeError(f"{found['name']} is not a class")

    def values(part: str) -> Any:
        values = reader.decode_value(found.get(part, {}))
        check_attributes(cls, found["name"], values)
        return values

    if "parameters" in found:
        if not hasattr(cls, "get_params"):
            raise TypeError(f"{found['name']} has no parameters")
        made = cls(**values("parameters"))
        vars(made).update(values("attributes"))
        return made
    made = reader.share(found, object.__new__(cls))  # its parts may refer to it
    if isinstance(made, nn.Module):
        nn.Module.__init__(made)
    attributes = values("attributes")
    _check_sizes(reader, found["name"], attributes.values())
    if hasattr(made, "__setstate__"):
        made.__setstate__(attributes)
    else:
        vars(made).update(attributes)
    if isinstance(made, nn.Module) and ":" not in found["name"]:
        made.extra_repr()  # fails if an attribute is missing
    return made


_READERS: dict[str, Callable[[Reader, Any], Any]] = {
    "float": functools.partial(_read_text, float),
    "tuple": functools.partial(_read_items, tuple),
    "set": functools.partial(_read_hashed, set),
    "Size": functools.partial(_read_items, torch.Size),
    "dict": functools.partial(_read_hashed, dict),
    "OrderedDict": functools.partial(_read_hashed, OrderedDict),
    "device": functools.partial(_read_text, torch.device),
    "torch.dtype": functools.partial(_read_text, _to_torch_dtype),
    "dtype": functools.partial(_read_text, np.dtype),
    "scalar": _read_scalar,
    "texts": _read_texts,
    "array": _read_array,
    "tensor": _read_tensor,
    "parameter": _read_tensor,
    "RandomState": _read_random_state,
    "partial": _read_partial,
    "name": _read_name,
    "object": _read_object,
}
