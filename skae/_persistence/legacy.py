"""What files of older formats describe: networks and noise as they were then."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from sklearn.base import clone

from skae._data.transforms import GaussianNoise, MaskingNoise
from skae._networks.architecture import Architecture
from skae._networks.conv import Conv
from skae._networks.dense import Dense
from skae._training.plan import Plan

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


def with_old_networks(plan: Plan, version: int) -> Plan:
    """Return the plan of a file of an older format, with the networks of its time.

    Parameters
    ----------
    plan : Plan
        The plan, made from the parameters in the file.
    version : int
        1, when networks had no linear paths, or 2, when convolutions of images had the
        activation of signals.
    """
    old = {1: _of_format_1, 2: _of_format_2}[version]
    parameters = plan.parameters
    encoder, decoder = parameters.get("encoder"), parameters.get("decoder")
    networks = replace(
        plan.networks,
        encoder=old(plan.networks.encoder, encoder, parameters),
        decoder=old(
            plan.networks.decoder, encoder if decoder is None else decoder, parameters
        ),
    )
    return replace(plan, networks=networks)


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


def _of_format_2(network: Any, given: Any, parameters: dict[str, Any]) -> Any:
    """Return a shipped network with the defaults of format 2."""
    if isinstance(network, Conv) and network.activation is None:
        return clone(network).set_params(activation="clipped_relu")
    return network


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
