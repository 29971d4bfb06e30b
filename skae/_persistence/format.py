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

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

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
)
from skae._persistence.container import (
    as_tensor,
    from_tensor,
    pack,
    refused,
    unpack,
    versions_now,
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
    writer = Writer()
    model = document.model
    parameters = _encode_each(writer, document.parameters)
    written = {
        "format": _FORMAT,
        "written_by": versions_now(),
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
    writer.tensors["net_.history"] = as_tensor(history)
    return pack("skae", written, writer.tensors), writer.user_defined


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

    document = unpack(data, "skae", _FORMAT, source)
    with refused(source, document):
        names = {str(name) for name in (document["estimator"], *names_in(document))}
    check_trusted(names - set(classes), trusted, source)
    with refused(source, document), default_torch(), one_thread():
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
    history = reader.decode_value(from_tensor(reader.tensors["net_.history"]))
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
