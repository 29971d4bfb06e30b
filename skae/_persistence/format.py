"""A fitted estimator as the bytes of one file of safetensors and JSON, and back.

The file is one of safetensors. Its metadata hold one text of JSON, under the key
"skae", with

- ``format``, the version of the format, and ``written_by``, those of the packages;
- ``sha256``, of the whole file with zeros in this place;
- ``estimator``, the name of the class, and ``parameters``, as they are now;
- ``built_with`` and ``trained_with``, the parameters when the network was built and
  when training last began, less plain ones that are the same now;
- ``attributes``, whatever else `fit` has set;
- ``compiled_by``, where `net_params` ask for it: what needs trust like foreign code;
- ``net_``, the state of the net: weights, optimizer, generators.

The history is JSON too, of its own as it is long, and stored as a tensor of bytes.
"""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from skorch.exceptions import SkorchException

from skae._exceptions import warn
from skae._persistence.reader import Reader, check_attributes, names_in
from skae._persistence.registry import check_trusted
from skae._persistence.writer import Writer
from skae._training.build import build_net, refresh_net
from skae._training.plan import resolve_device

_FORMAT = 1
_NO_DIGEST = b"0" * 64

# What is described in a way of its own, or, as scikit-learn's callbacks, not at all.
_APART = ("net_", "_built_with", "_trained_with", "_skl_callbacks")

# What is kept of the state of callbacks.
_PLAIN = (type(None), bool, int, float, str, np.bool_, np.float32, np.float64, np.int64)

# What training tells the net beside its parameters.
_NET = ("seed", "lr", "batch_size", "precision", "runs_foreign_code")


# To bytes ---------------------------------------------------------------------------


def to_bytes(
    estimator: Any, include_optimizer: bool = True
) -> tuple[bytes, dict[str, Any]]:
    """Return a fitted estimator as the bytes of a file.

    Parameters
    ----------
    estimator : BaseAutoencoder
        The fitted estimator.
    include_optimizer : bool, default=True
        Whether the state of the optimizer is part of it.

    Returns
    -------
    data : bytes
        What a file holds.
    foreign : dict
        Names of the classes and functions that are not skae's, and they themselves.
    """
    import safetensors.torch

    writer = Writer()
    names = estimator.get_params(deep=False)
    values = {name: getattr(estimator, name) for name in names}
    parameters = _describe_each(writer, values)
    document = {
        "sha256": _NO_DIGEST.decode(),
        "format": _FORMAT,
        "written_by": {
            name: version(name) for name in ("skae", "torch", "scikit-learn", "skorch")
        },
        "estimator": _name_of(type(estimator), writer),
        "parameters": parameters,
    }
    for kind in ("built_with", "trained_with"):
        described = _describe_each(writer, getattr(estimator, f"_{kind}"))
        document[kind] = {
            name: value
            for name, value in described.items()
            if isinstance(value, (dict, list)) or value != parameters[name]
        }
    attributes = {
        name: value
        for name, value in vars(estimator).items()
        if name not in names and name not in _APART
    }
    document["attributes"] = _describe_each(writer, attributes)
    if _is_compiled(estimator):
        document["compiled_by"] = writer.describe(torch.compile, "net_params.compile")
    document["net_"] = writer.describe(
        _state_of(estimator.net_, include_optimizer), "net_"
    )
    history = writer.describe(list(estimator.net_.history), "net_.history")
    text = bytearray(json.dumps(history).encode())
    writer.tensors["net_.history"] = torch.frombuffer(text, dtype=torch.uint8)
    metadata = {"skae": json.dumps(document)}
    data = safetensors.torch.save(writer.tensors, metadata)
    return data.replace(_NO_DIGEST, _digest(data), 1), writer.foreign


def name_of(cls: type) -> str:
    """Return the name that a class of ours has in a file."""
    return f"skae.{cls.__name__}"


def _name_of(cls: type, writer: Writer) -> str:
    is_ours = cls.__module__.startswith("skae.")
    return name_of(cls) if is_ours else writer.name(cls, "the class of the estimator")


def _describe_each(writer: Writer, values: dict[str, Any]) -> dict[str, Any]:
    return {name: writer.describe(value, name) for name, value in values.items()}


def _is_compiled(estimator: Any) -> bool:
    """Tell whether a compiler is asked for, with options that can name any program."""
    kinds = (vars(estimator), estimator._built_with, estimator._trained_with)
    return any((values["net_params"] or {}).get("compile") for values in kinds)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


def _state_of(net: Any, include_optimizer: bool) -> dict[str, Any]:
    module = net.module_
    return {
        **{name: getattr(net, name) for name in _NET},
        "statistics": net.module.statistics,
        "weights": dict(module.state_dict(keep_vars=True)),
        "n_epochs": module.n_epochs,
        "stream": module.stream.__getstate__(),
        "callbacks": {
            name: {k: v for k, v in vars(callback).items() if _is_plain(v)}
            for name, callback in net.callbacks_
        },
        "optimizer": net.optimizer_.state_dict() if include_optimizer else None,
    }


def _is_plain(value: Any) -> bool:
    """Tell whether what a callback keeps is made of numbers and text alone."""
    if type(value) is dict:
        value = [*value, *value.values()]
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))
    return type(value) in _PLAIN


# And back ---------------------------------------------------------------------------


def _read_document(data: bytes, source: str) -> dict[str, Any]:
    """Return the JSON of a file, once it is known to be ours and whole."""
    length = 8 + int.from_bytes(data[:8], "little")
    try:
        metadata = json.loads(data[8:length]).get("__metadata__")
    except (AttributeError, RecursionError, ValueError) as error:
        raise ValueError(
            f"{source} is not a file of skae, or is damaged: it does not begin as "
            "safetensors do."
        ) from error
    if not isinstance(metadata, dict) or "skae" not in metadata:
        raise ValueError(
            f"{source} holds safetensors, but skae has not written them: their "
            "metadata have no entry 'skae'."
        )
    try:
        document = json.loads(metadata["skae"])
        version_of_format = operator.index(document["format"])
        digest = document["sha256"].encode()
    except (
        *(AttributeError, KeyError, RecursionError, TypeError, ValueError),
    ) as error:
        raise ValueError(f"{source} is damaged: its JSON cannot be read.") from error
    if version_of_format > _FORMAT:
        raise ValueError(
            f"{source} has format {version_of_format}, written by "
            f"{_versions(document)}, and this skae reads formats up to {_FORMAT}: "
            "upgrade skae."
        )
    if _digest(data.replace(digest, _NO_DIGEST, 1)) != digest:
        raise ValueError(f"{source} is damaged: its checksum is not what it was.")
    return document


def _versions(document: dict[str, Any]) -> str:
    """Return what a file was written by, in words."""
    written_by = document.get("written_by")
    if not isinstance(written_by, dict):
        return "an unknown version"
    return ", ".join(f"{name} {number}" for name, number in written_by.items())


def from_bytes(
    data: bytes,
    classes: Mapping[str, type],
    trusted: Collection[str] = (),
    source: str = "The file",
) -> Any:
    """Return the estimator of a file.

    Parameters
    ----------
    data : bytes
        What the file holds.
    classes : dict
        Estimators that it may hold without being trusted, by the names they have there.
    trusted : collection of str
        Dotted names of what else it may import.
    source : str
        What the file is called, for errors.
    """
    import safetensors.torch

    document = _read_document(data, source)
    with _refused(source, document):
        names = {str(name) for name in (document["estimator"], *names_in(document))}
    check_trusted(names - set(classes), trusted, source)
    with _refused(source, document):
        reader = Reader(safetensors.torch.load(data), trusted)
        # In the order of writing: later parts refer to what came before.
        parameters = reader.restore(document["parameters"])
        built_with = reader.restore(document["built_with"])
        trained_with = reader.restore(document["trained_with"])
        attributes = reader.restore(document["attributes"])
        state = reader.restore(document["net_"])
        text = reader.tensors["net_.history"].numpy().tobytes()
        cls = classes.get(document["estimator"]) or reader.find(document["estimator"])
        if not hasattr(cls, "_slots"):
            raise TypeError(f"{document['estimator']} is no autoencoder")
        estimator = cls(**parameters)
        check_attributes(cls, document["estimator"], attributes)
        vars(estimator).update(attributes)
        parameters = estimator.get_params(deep=False)  # those that are new since, too
        estimator._built_with = {**parameters, **built_with}
        estimator._trained_with = {**parameters, **trained_with}
        if _is_compiled(estimator):
            reader.find("torch:compile")
        estimator.net_ = _rebuild_net(estimator, state)
        estimator.net_.history_.extend(reader.restore(json.loads(text)))
    return estimator


@contextmanager
def _refused(source: str, document: dict[str, Any]) -> Iterator[None]:
    """Say of a file which estimator it is that cannot be made again, and why."""
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


def _rebuild_net(estimator: Any, state: dict[str, Any]) -> Any:
    """Build the net as `fit` did, and give it what it had learnt."""
    cls = type(estimator)
    device = _find_device(estimator._built_with["device"])
    builder = cls(**{**estimator._built_with, "device": device})
    trainer = cls(**estimator._trained_with)
    for each in (builder, trainer):
        each._validate_params()
    encoder, decoder = builder._slots()
    net = build_net(
        builder,
        encoder,
        decoder,
        estimator._layout,
        state["statistics"],
        estimator._dtype,
        seed=state["seed"],
    )
    refresh_net(net, trainer, estimator.n_features_in_)
    module = net.module_
    module.load_state_dict(state["weights"])
    module.n_epochs = state["n_epochs"]
    module.stream.__setstate__(state["stream"])
    module.eval()
    net.set_params(lr=state["lr"])
    for name in _NET:
        setattr(net, name, state[name])
    if state["optimizer"] is not None:
        net.optimizer_.load_state_dict(state["optimizer"])
        _check_fused(net.optimizer_)
    for name, callback in net.callbacks_:
        kept = state["callbacks"].get(name, {})
        vars(callback).update({k: v for k, v in kept.items() if _is_plain(v)})
    return net


def _check_fused(optimizer: torch.optim.Optimizer) -> None:
    """Refuse a state that the fused kernels, which look at no shape, would overrun."""
    for group in optimizer.param_groups:
        for x in group["params"] if group.get("fused") else ():
            for name, value in optimizer.state.get(x, {}).items():
                expected = () if name == "step" else x.shape
                if torch.is_tensor(value) and value.shape != expected:
                    raise ValueError(
                        f"{name} of the optimizer has shape {tuple(value.shape)}, but "
                        f"{tuple(expected)} is expected"
                    )


def _find_device(device: Any) -> torch.device:
    """Return the device of a parameter, the CPU where that is not there."""
    found = resolve_device(device)
    try:
        torch.empty(0, device=found)
    except (AssertionError, ImportError, RuntimeError):  # of torch without the device
        warn(f"device={device!r} is not there: the network is on the CPU.", UserWarning)
        return torch.device("cpu")
    return found
