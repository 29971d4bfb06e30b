"""Bytes of safetensors with one JSON document in their metadata, and a checksum."""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import torch
from skorch.exceptions import SkorchException
from torch import Tensor

from skae._persistence.checks import parse_json

_NO_DIGEST = b"0" * 64
_REMEDY = {
    "skae_checkpoint": " It is a checkpoint: `fit` with checkpoint=path resumes it."
}


def versions_now() -> dict[str, str]:
    """Return the versions of the packages that decide what a file means."""
    names = ("skae", "torch", "scikit-learn", "skorch")
    return {name: version(name) for name in names}


def pack(key: str, document: Mapping[str, Any], tensors: dict[str, Tensor]) -> bytes:
    """Return the bytes of a file.

    Parameters
    ----------
    key : str
        Entry of the metadata that holds the document: what kind of file it is.
    document : dict
        The document, of values of JSON; the checksum is added to it.
    tensors : dict of Tensor
        The tensors.
    """
    import safetensors.torch

    text = json.dumps({"sha256": _NO_DIGEST.decode(), **document})
    data = safetensors.torch.save(tensors, {key: text})
    return data.replace(_NO_DIGEST, _digest(data), 1)


def unpack(data: bytes, key: str, newest: int, source: str) -> dict[str, Any]:
    """Return the document of a file, after checking its origin and its checksum.

    Parameters
    ----------
    data : bytes
        The bytes of the file.
    key : str
        Entry of the metadata that holds the document.
    newest : int
        The highest number of the format that is read.
    source : str
        Name of the file, for errors.
    """
    length = 8 + int.from_bytes(data[:8], "little")
    try:
        metadata = parse_json(data[8:length]).get("__metadata__")
    except (AttributeError, RecursionError, ValueError) as error:
        raise ValueError(
            f"{source} is not a file of skae, or is damaged: it does not begin as "
            "safetensors do."
        ) from error
    if not isinstance(metadata, dict) or key not in metadata:
        other = _REMEDY.keys() & set(metadata or ())
        raise ValueError(
            f"{source} holds safetensors, but skae has not written them: their "
            f"metadata have no entry {key!r}.{''.join(_REMEDY[x] for x in other)}"
        )
    try:
        document = parse_json(metadata[key])
        version_of_format = operator.index(document["format"])
        if version_of_format < 1 or isinstance(document["format"], bool):
            raise ValueError("there is no such format")
        digest = document["sha256"].encode()
    except (
        *(AttributeError, KeyError, RecursionError, TypeError, ValueError),
    ) as error:
        raise ValueError(f"{source} is damaged: its JSON cannot be read.") from error
    if version_of_format > newest:
        raise ValueError(
            f"{source} has format {version_of_format}, written by "
            f"{_versions(document)}, and this skae reads formats up to {newest}: "
            "upgrade skae."
        )
    if _digest(data.replace(digest, _NO_DIGEST, 1)) != digest:
        raise ValueError(f"{source} is damaged: its checksum is not what it was.")
    return document


def as_tensor(value: Any) -> Tensor:
    """Return a long value of JSON as a tensor of bytes: metadata have to be short."""
    return torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)


def from_tensor(tensor: Tensor) -> Any:
    """Return the value of JSON in a tensor of bytes."""
    return parse_json(tensor.numpy().tobytes())


@contextmanager
def refused(source: str, document: dict[str, Any]) -> Iterator[None]:
    """Raise a ValueError that names the file if its content cannot be made again."""
    from safetensors import SafetensorError

    try:
        yield
    except (
        *(ArithmeticError, AttributeError, IndexError, KeyError, MemoryError),
        *(RuntimeError, SafetensorError, SkorchException, TypeError, ValueError),
    ) as error:
        raise ValueError(
            f"{source} was written by {_versions(document)}, and what it describes "
            f"cannot be made again: {type(error).__name__}: {error}"
        ) from error


def _versions(document: dict[str, Any]) -> str:
    """Return the versions that a file was written by, as text."""
    written_by = document.get("written_by")
    if not isinstance(written_by, dict):
        return "an unknown version"
    return ", ".join(f"{name} {number}" for name, number in written_by.items())


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()
