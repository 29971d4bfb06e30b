"""A fitted estimator as the bytes of one file of safetensors and JSON, and back.

The file is one of safetensors. Its metadata hold one text of JSON, under the key
"skae", with

- ``format``, the version of the format, and ``written_by``, those of the packages;
- ``sha256``, the digest of the whole file with zeros in this place;
- ``estimator``, the name of the class, and ``parameters``, their current values;
- ``built_with`` and ``trained_with``, the parameters when the network was built and
  when training last began, without plain ones that have not changed;
- ``networks``, the shipped architectures of encoder and decoder, with what None stood
  for, so that later defaults change no file;
- ``attributes``, what else `fit` has set, and what earlier versions set;
- ``compiled_by``, where `net_params` ask for it: it needs trust, as user-defined code;
- ``net_``, the state of the net: weights, optimizer, generators.

The history is separate JSON, as it is long, and stored as a tensor of bytes.
"""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import torch
from skorch.exceptions import SkorchException

from skae._exceptions import warn
from skae._model.model import TrainedModel
from skae._networks.factory import ARCHITECTURES
from skae._persistence.checks import (
    check_attributes_of_scikit_learn,
    check_derived,
    check_history,
    check_known,
    check_networks,
    check_state,
    parse_json,
)
from skae._persistence.legacy import as_they_were, networks_of_format
from skae._persistence.reader import Reader, check_attributes, names_in
from skae._persistence.registry import check_trusted
from skae._persistence.state import load_state, state_of
from skae._persistence.writer import Writer
from skae._training.build import rebuild_net, resume_net
from skae._training.plan import Plan, check_device, resolve_device
from skae._training.settings import default_torch, one_thread

_FORMAT = 4
_NO_DIGEST = b"0" * 64

# What format 1 stores as attributes of the estimator.
_KNOWN = {
    *("n_features_in_", "feature_names_in_", "image_shape_", "scale_", "mean_"),
    *("_layout", "_dtype", "_n_features_out", "_fitted_loss", "_statistics"),
    *("noise_variance_", "_units", "_condition"),
}


# To bytes ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Document:
    """The content of a file: a fitted estimator.

    Parameters
    ----------
    cls : type
        Its class.
    parameters : dict
        Its current parameters.
    attributes : dict
        Its other attributes, such as the configuration of `set_output`.
    model : TrainedModel
        What `fit` left.
    """

    cls: type
    parameters: dict[str, Any]
    attributes: dict[str, Any]
    model: TrainedModel


def to_bytes(
    document: Document, include_optimizer: bool = True
) -> tuple[bytes, dict[str, Any]]:
    """Return a fitted estimator as the bytes of a file.

    Parameters
    ----------
    document : Document
        The estimator.
    include_optimizer : bool, default=True
        Whether to include the state of the optimizer.

    Returns
    -------
    data : bytes
        The bytes of the file.
    user_defined : dict
        The user-defined classes and functions in it, by name.
    """
    import safetensors.torch

    writer = Writer()
    model = document.model
    parameters = _encode_each(writer, document.parameters)
    written = {
        "sha256": _NO_DIGEST.decode(),
        "format": _FORMAT,
        "written_by": {
            name: version(name) for name in ("skae", "torch", "scikit-learn", "skorch")
        },
        "estimator": _written_name(document.cls, writer),
        "parameters": parameters,
    }
    plans = {"built_with": model.built_with, "trained_with": model.trained_with}
    for kind, plan in plans.items():
        encoded = _encode_each(writer, plan.parameters)
        written[kind] = {
            name: value
            for name, value in encoded.items()
            if isinstance(value, (dict, list)) or value != parameters[name]
        }
    written["networks"] = _encode_each(writer, _architectures_of(model))
    attributes = {**document.attributes, **_attributes_of(model)}
    written["attributes"] = _encode_each(writer, attributes)
    if _is_compiled(document.parameters, *(p.parameters for p in plans.values())):
        written["compiled_by"] = writer.encode_value(
            torch.compile, "net_params.compile"
        )
    written["net_"] = writer.encode_value(
        state_of(model.net, include_optimizer), "net_"
    )
    history = writer.encode_value(list(model.net.history), "net_.history")
    text = bytearray(json.dumps(history).encode())
    writer.tensors["net_.history"] = torch.frombuffer(text, dtype=torch.uint8)
    metadata = {"skae": json.dumps(written)}
    data = safetensors.torch.save(writer.tensors, metadata)
    return data.replace(_NO_DIGEST, _digest(data), 1), writer.user_defined


def estimator_name(cls: type) -> str:
    """Return the name of an estimator of this package in a file."""
    return f"skae.{cls.__name__}"


def _written_name(cls: type, writer: Writer) -> str:
    is_ours = cls.__module__.startswith("skae.")
    return (
        estimator_name(cls)
        if is_ours
        else writer.name(cls, "the class of the estimator")
    )


def _encode_each(writer: Writer, values: dict[str, Any]) -> dict[str, Any]:
    return {name: writer.encode_value(value, name) for name, value in values.items()}


def _architectures_of(model: TrainedModel) -> dict[str, Any]:
    """Return the shipped architectures of a model; the user's are parameters."""
    networks = model.built_with.networks
    slots = {"encoder": networks.encoder, "decoder": networks.decoder}
    return {
        name: slot.resolved(model.layout)
        for name, slot in slots.items()
        if type(slot) in ARCHITECTURES.values()
    }


def _attributes_of(model: TrainedModel) -> dict[str, Any]:
    """Return what format 1 stores of a model as attributes of the estimator."""
    found = {
        "n_features_in_": model.n_features,
        "image_shape_": model.layout.image_shape,
        "scale_": model.scale,
        "_layout": model.layout,
        "_dtype": model.dtype,
        "_n_features_out": model.n_components,
        "_fitted_loss": model.built_with.parameters["loss"],
        "_statistics": model.statistics,
        "mean_": model.mean,
    }
    if model.units is not None:
        found["_units"] = model.units
    if model.feature_names is not None:
        found["feature_names_in_"] = model.feature_names
    if model.condition is not None:
        found["_condition"] = model.condition
    if model.noise_variance is not None:
        found["noise_variance_"] = model.noise_variance
    return found


def _is_compiled(*kinds: Mapping[str, Any]) -> bool:
    """Tell whether the module is compiled, with options that can name any program."""
    return any((values.get("net_params") or {}).get("compile") for values in kinds)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


# From bytes -------------------------------------------------------------------------


@dataclass(frozen=True)
class Saved:
    """The content of a file, before the network is built.

    Parameters
    ----------
    cls : type
        The class of the estimator.
    parameters : dict
        Its parameters.
    built_with, trained_with : dict
        Those that the network was built with, and last trained with, if they differ
        from `parameters`.
    networks : dict
        The architectures of encoder and decoder. Empty in older formats.
    device : torch.device
        The device of the network, or the CPU if that is not available.
    attributes : dict
        Other attributes of the estimator.
    known : dict
        What `fit` had set, by the names of format 1.
    state : dict
        The state of the net.
    history : list of dict
        skorch's record of each epoch.
    format : int
        Version of the format.
    """

    cls: type
    parameters: dict[str, Any]
    built_with: dict[str, Any]
    trained_with: dict[str, Any]
    networks: dict[str, Any]
    device: torch.device
    attributes: dict[str, Any]
    known: dict[str, Any]
    state: dict[str, Any]
    history: list[Any]
    format: int

    def rebuild(self, built_with: Plan, trained_with: Plan) -> TrainedModel:
        """Return the model: built as `fit` did, with the stored state.

        Parameters
        ----------
        built_with, trained_with : Plan
            The plans made from the parameters of these names.
        """
        known, state = self.known, self.state
        networks = replace(built_with.networks, **self.networks)
        if self.format < _FORMAT:
            networks = networks_of_format(self.format, built_with)
        built_with = replace(built_with, networks=networks)
        trained_with = replace(trained_with, networks=networks)
        layout, dtype = known["_layout"], known["_dtype"]
        condition = known.get("_condition")
        net = rebuild_net(
            built_with,
            layout,
            state["statistics"],
            dtype,
            seed=state["seed"],
            weights=state["weights"],
            units=known.get("_units"),
            n_condition=0 if condition is None else condition.width,
        )
        resume_net(net, trained_with, layout.n_features)
        load_state(net, state)
        net.history_.extend(self.history)
        model = TrainedModel(
            net=net,
            layout=layout,
            statistics=known["_statistics"],
            dtype=dtype,
            feature_names=known.get("feature_names_in_"),
            built_with=built_with,
            trained_with=trained_with,
            units=known.get("_units"),
            noise_variance=known.get("noise_variance_"),
            condition=condition,
        )
        check_derived(known, _attributes_of(model))
        return model


def _read_document(data: bytes, source: str) -> dict[str, Any]:
    """Return the JSON of a file, after checking its origin and its digest."""
    length = 8 + int.from_bytes(data[:8], "little")
    try:
        metadata = parse_json(data[8:length]).get("__metadata__")
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
        document = parse_json(metadata["skae"])
        version_of_format = operator.index(document["format"])
        if version_of_format < 1 or isinstance(document["format"], bool):
            raise ValueError("there is no such format")
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
    """Return the versions that a file was written by, as text."""
    written_by = document.get("written_by")
    if not isinstance(written_by, dict):
        return "an unknown version"
    return ", ".join(f"{name} {number}" for name, number in written_by.items())


def from_bytes(
    data: bytes,
    classes: Mapping[str, type],
    make: Callable[[Saved], Any],
    trusted: Collection[str] = (),
    source: str = "The file",
) -> Any:
    """Return the estimator of a file.

    Parameters
    ----------
    data : bytes
        The bytes of the file.
    classes : dict
        Estimators that need no trust, by their names in a file.
    make : callable
        Makes an estimator from what was read.
    trusted : collection of str
        Dotted names of other classes and functions that may be imported.
    source : str
        Name of the file, for errors.
    """
    import safetensors.torch

    document = _read_document(data, source)
    with _refused(source, document):
        names = {str(name) for name in (document["estimator"], *names_in(document))}
    check_trusted(names - set(classes), trusted, source)
    with _refused(source, document), default_torch(), one_thread():
        reader = Reader(safetensors.torch.load(data), trusted)
        return make(_read(document, reader, classes))


def _read(
    document: dict[str, Any], reader: Reader, classes: Mapping[str, type]
) -> Saved:
    name = document["estimator"]
    # In the order of writing: later parts refer to earlier ones.
    parameters = reader.decode_value(document["parameters"])
    built_with = reader.decode_value(document["built_with"])
    trained_with = reader.decode_value(document["trained_with"])
    networks = {}
    if document["format"] > 3:
        networks = reader.decode_value(document["networks"])
    check_networks(networks)
    attributes = reader.decode_value(document["attributes"])
    state = reader.decode_value(document["net_"])
    if document["format"] == 1:
        parameters = as_they_were(parameters)
        full = [as_they_were({**parameters, **x}) for x in (built_with, trained_with)]
        built_with, trained_with = full
    history = reader.decode_value(
        parse_json(reader.tensors["net_.history"].numpy().tobytes())
    )
    known = {k: v for k, v in attributes.items() if k in _KNOWN}
    check_known(known)
    check_state(state, known["_layout"].n_features)
    check_attributes_of_scikit_learn(attributes)
    check_history(history)
    for values in (parameters, built_with, trained_with):
        if any(x is print for x in values.values()):  # known for PrintLog alone
            raise ValueError("print is the value of a parameter")
    cls = classes.get(name) or reader.find(name)
    check_attributes(cls, name, set(attributes) - _KNOWN)
    if _is_compiled(parameters, built_with, trained_with):
        reader.find("torch:compile")
    return Saved(
        cls=cls,
        parameters=parameters,
        built_with=built_with,
        trained_with=trained_with,
        networks=networks,
        device=_available_device(built_with.get("device", parameters["device"])),
        attributes={k: v for k, v in attributes.items() if k not in _KNOWN},
        known=known,
        state=state,
        history=history,
        format=document["format"],
    )


@contextmanager
def _refused(source: str, document: dict[str, Any]) -> Iterator[None]:
    """Raise a ValueError that names the file if an estimator cannot be made from it."""
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


def _available_device(device: Any) -> torch.device:
    """Return the device of a parameter, or the CPU if it is not available."""
    found = resolve_device(device)
    try:
        check_device(found)
    except ValueError:
        if found.type in ("cpu", "meta"):  # which cannot be missing
            raise
        warn(f"device={device!r} is not there: the network is on the CPU.", UserWarning)
        return torch.device("cpu")
    return found
