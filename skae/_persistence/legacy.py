"""What files of older formats describe: networks and noise as they were then."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from sklearn.base import clone

from skae._data.transforms import GaussianNoise, MaskingNoise
from skae._networks.architecture import Architecture
from skae._networks.autoencoder import VariationalAutoencoderModule
from skae._networks.conv import Conv
from skae._networks.dense import Dense
from skae._training.plan import Networks, Plan

_OLD_NOISES: dict[str, Any] = {
    "gaussian": partial(GaussianNoise, relative=False),
    "masking": partial(MaskingNoise, value=0.0),
}


def as_they_were(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters of format 1 with what their noise was then, in the units of X.

    Parameters
    ----------
    parameters : dict
        All parameters of an estimator, or some of them.
    """
    found = dict(parameters)
    for name in ("noise", "corruption"):
        if isinstance(found.get(name), GaussianNoise):
            found[name] = clone(found[name]).set_params(relative=False)
        elif isinstance(found.get(name), MaskingNoise):
            found[name] = clone(found[name]).set_params(value=0.0)
    if not isinstance(found.get("noise", "gaussian"), str):
        found["noise_level"] = None
    elif found.get("noise") in _OLD_NOISES and "noise_level" in found:
        noise = _OLD_NOISES[found["noise"]](found["noise_level"])
        found |= {"noise": noise, "noise_level": None}
    return found


def networks_of_format(version: int, plan: Plan) -> Networks:
    """Return the networks that a file of an older format describes.

    Parameters
    ----------
    version : int
        1, when networks had no linear paths; 2, when convolutions of images had the
        activation of signals; or 3, when the variational autoencoder had an encoder of
        three layers.
    plan : Plan
        The plan, made from the parameters in the file with the defaults of today.
    """
    parameters, networks = plan.parameters, plan.networks
    if networks.module_class is VariationalAutoencoderModule:
        networks = _of_format_3(networks, parameters)
    encoder, decoder = networks.encoder, networks.decoder
    if version == 2:
        encoder, decoder = _of_format_2(encoder), _of_format_2(decoder)
    if version == 1:
        given = parameters.get("encoder")
        own = parameters.get("decoder")
        mirrored = given if own is None else own
        encoder = _of_format_1(encoder, given, parameters)
        decoder = _of_format_1(decoder, mirrored, parameters)
    return replace(networks, encoder=encoder, decoder=decoder)


def _of_format_1(network: Any, given: Any, parameters: dict[str, Any]) -> Any:
    """Return a shipped network with the defaults of format 1."""
    if not isinstance(network, (Conv, Dense)):
        return network
    old = clone(network)
    if not isinstance(given, Architecture):  # a name, or None
        if parameters.get("activation") is None:
            old.set_params(activation="gelu")
        if isinstance(old, Dense) and old.hidden_layer_sizes is None:
            old.set_params(hidden_layer_sizes=(256,))
    return old if old.init == "glorot" else old.set_params(init="random")


def _of_format_2(network: Any) -> Any:
    """Return a shipped network with the defaults of format 2."""
    if isinstance(network, Conv) and network.activation is None:
        return clone(network).set_params(activation="clipped_relu")
    return network


def _of_format_3(networks: Networks, parameters: dict[str, Any]) -> Networks:
    """Return the networks of a variational autoencoder of format 3."""
    is_given = parameters.get("encoder") not in (None, "dense")
    is_default = not is_given and parameters.get("hidden_layer_sizes") is None
    widths = getattr(networks.encoder, "hidden_layer_sizes", None)
    if not is_default or widths != (256, 128):  # of a subclass
        return networks
    encoder = clone(networks.encoder).set_params(hidden_layer_sizes=(256, 128, 128))
    return replace(networks, encoder=encoder)


def with_coordinates(weights: dict[str, Any], n_components: int) -> dict[str, Any]:
    """Return the weights of format 1 with coordinates that change nothing."""
    if any(name.endswith("coordinates.weight") for name in weights):
        return weights
    like = next(iter(weights.values()))
    same = {
        "weight": torch.eye(n_components, dtype=like.dtype),
        "bias": torch.zeros(n_components, dtype=like.dtype),
    }
    own = {
        f"{name}.{part}": value
        for name in ("coordinates", "inverse_coordinates")
        for part, value in same.items()
    }
    return {**own, **weights}
