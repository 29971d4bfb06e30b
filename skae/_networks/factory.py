"""From the value of `encoder` or `decoder` to a network."""

from __future__ import annotations

import copy
import functools
from typing import Any

from torch import nn

from skae._data.layout import Layout
from skae._networks.architecture import Architecture
from skae._networks.autoencoder import takes_rows
from skae._networks.conv import Conv
from skae._networks.dense import Dense
from skae._networks.layers import ToImage, ToRows
from skae._networks.recurrent import Recurrent

ARCHITECTURES: dict[str, type[Architecture]] = {
    "dense": Dense,
    "conv": Conv,
    "recurrent": Recurrent,
}


def resolve_network(slot: Any, name: str) -> Any:
    """Return what a slot holds: an architecture, a module or a builder.

    The classes of the shipped architectures stand for their defaults, as their names
    do.

    Parameters
    ----------
    slot : str, Architecture, torch.nn.Module or callable
        The value of the parameter.
    name : str
        The name of the parameter, for the error.
    """
    if isinstance(slot, str):
        if slot not in ARCHITECTURES:
            raise ValueError(
                f"{name}={slot!r} is not a shipped architecture. Choose one of "
                f"{', '.join(map(repr, ARCHITECTURES))}, or pass a builder "
                "(n_in, n_out) -> torch.nn.Module."
            )
        return ARCHITECTURES[slot]()
    if isinstance(slot, type) and issubclass(slot, Architecture):
        return slot()
    if not (isinstance(slot, (Architecture, nn.Module)) or callable(slot)):
        raise TypeError(
            f"{name}={slot!r} is neither a name, a shipped architecture, a "
            "torch.nn.Module nor a builder (n_in, n_out) -> torch.nn.Module."
        )
    return slot


def is_outlined(slot: Any) -> bool:
    """Tell whether a network can be built without memory, on torch's meta device.

    It can if this package or torch builds it: other code may do anything, and a module
    has its memory already.

    Parameters
    ----------
    slot : Architecture, torch.nn.Module or callable
        A resolved slot.
    """
    if isinstance(slot, nn.Module):
        return False
    made_by = slot.func if isinstance(slot, functools.partial) else slot
    kind = made_by if isinstance(made_by, type) else type(made_by)
    return kind.__module__.split(".")[0] in ("skae", "torch")


def build_encoder(slot: Any, layout: Layout, n_out: int) -> nn.Module:
    """Build the encoder that a resolved slot describes, from flat rows to codes."""
    if isinstance(slot, Architecture):
        return slot.encoder(layout, n_out)
    encoder = _custom_module(slot, layout.n_features, n_out, "encoder")
    if layout.image_shape is None or takes_rows(encoder):
        return encoder
    return nn.Sequential(ToImage(layout.image_shape, layout.channels_last), encoder)


def build_decoder(slot: Any, n_in: int, layout: Layout) -> nn.Module:
    """Build the decoder that a resolved slot describes, from codes to flat rows."""
    if isinstance(slot, Architecture):
        return slot.decoder(n_in, layout)
    decoder = _custom_module(slot, n_in, layout.n_features, "decoder")
    if layout.image_shape is None:
        return decoder
    return nn.Sequential(decoder, ToRows(layout.channels_last))


def _custom_module(slot: Any, n_in: int, n_out: int, name: str) -> nn.Module:
    if isinstance(slot, nn.Module):
        return copy.deepcopy(slot)
    module = slot(n_in, n_out)
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"The builder {name}={slot!r} returned {type(module).__name__}, but a "
            "torch.nn.Module is expected."
        )
    return module
