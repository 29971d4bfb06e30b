"""The layout of a sample: a flat row, an image or a signal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skae._exceptions import LayoutWarning, warn

LAYOUTS = ("channels_first", "channels_last", "signal")


@dataclass(frozen=True)
class Layout:
    """The shape of a sample in X, and its shape for a convolution.

    Parameters
    ----------
    sample_shape : tuple of int
        Shape of one sample of ``X``; ``(n_features,)`` for a flat row.
    image_shape : tuple of int or None
        ``(channels, height, width)`` of an image, ``(channels, length)`` of a
        signal, None for rows without spatial meaning.
    channels_last : bool
        Whether the channels of a pixel are adjacent in the flattened sample.
    """

    sample_shape: tuple[int, ...]
    image_shape: tuple[int, ...] | None = None
    channels_last: bool = False

    @property
    def n_features(self) -> int:
        """Length of a flattened sample."""
        return math.prod(self.sample_shape)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of a sample as the input of a module, channels first."""
        return (self.n_features,) if self.image_shape is None else self.image_shape

    def unflatten(self, rows: np.ndarray) -> np.ndarray:
        """Return flat rows in the shape of the samples that ``fit`` saw."""
        return rows.reshape(len(rows), *self.sample_shape)


def _without_channels(shape: Sequence[int], layout: str | None) -> tuple[int, ...]:
    """Return ``shape`` with its channels first, adding one channel if it has none."""
    shape = tuple(int(size) for size in shape)
    if layout == "signal":
        return shape if len(shape) == 2 else (1, *shape)
    if len(shape) == 2:
        return (1, *shape)
    if layout == "channels_last":
        return (shape[-1], *shape[:-1])
    return shape


def _check_image_shape(
    image_shape: Sequence[int], layout: str | None, n_features: int
) -> tuple[int, ...]:
    shape = tuple(np.atleast_1d(image_shape).tolist())
    if layout == "signal":
        allowed, wanted = (1, 2), "(length,) or (channels, length)"
    else:
        allowed, wanted = (2, 3), "(height, width) or (channels, height, width)"
    if len(shape) not in allowed:
        raise ValueError(
            f"image_shape={image_shape!r} has {len(shape)} entries. Pass {wanted} of "
            "one row of X, or set `layout`."
        )
    if not all(size == int(size) and size >= 1 for size in shape):
        raise ValueError(
            f"image_shape={image_shape!r} must hold whole numbers of at least 1."
        )
    if layout is None and len(shape) == 3 and shape[-1] <= 4 < shape[0]:
        raise ValueError(
            f"image_shape={image_shape!r} looks like (height, width, channels). Set "
            "layout='channels_last', or layout='channels_first' if the first entry "
            "does count channels."
        )
    if math.prod(shape) != n_features:
        names = wanted.split(" or ")[-1]
        raise ValueError(
            f"image_shape={image_shape!r} describes {math.prod(shape)} features, but "
            f"X has {n_features}. Pass the {names} of one row of X."
        )
    return _without_channels(shape, layout)


def _layout_of_four_axes(shape: tuple[int, ...]) -> str:
    first, last = shape[0] <= 4, shape[-1] <= 4
    if first == last:
        which = "Both" if first else "Neither"
        raise ValueError(
            f"{which} of axes 1 and -1 of X, of lengths {shape[0]} and {shape[-1]}, "
            "could hold 1 to 4 channels. Set layout='channels_first' or "
            "layout='channels_last'."
        )
    return "channels_first" if first else "channels_last"


def infer_layout(
    sample_shape: Sequence[int],
    *,
    layout: str | None = None,
    image_shape: Sequence[int] | None = None,
    needs_image: bool = False,
) -> Layout:
    """Infer the layout of samples.

    Parameters
    ----------
    sample_shape : sequence of int
        ``X.shape[1:]`` as passed to ``fit``.
    layout : {"channels_first", "channels_last", "signal"} or None
        The parameter `layout`.
    image_shape : sequence of int or None
        The parameter `image_shape`, the shape of a flat row.
    needs_image : bool
        Whether a shape is needed, as by a convolution. Flat rows without
        ``image_shape`` are then taken as a square image, or else as a signal, with a
        :class:`~skae.LayoutWarning`.

    Returns
    -------
    Layout

    Raises
    ------
    ValueError
        If the axes of X are ambiguous, or ``image_shape`` does not fit.
    """
    sample_shape = tuple(int(size) for size in sample_shape)
    n_features = math.prod(sample_shape)
    if len(sample_shape) > 1:
        found = _from_axes(sample_shape, layout)
        if image_shape is not None and tuple(image_shape) != sample_shape:
            # For the error: a shape is redundant here, but it must not disagree.
            given = _check_image_shape(image_shape, layout, n_features)
            if given != found.image_shape:
                raise ValueError(
                    f"image_shape={tuple(image_shape)!r} does not describe the samples "
                    f"of X, of shape {sample_shape}. Leave it out: X has its own axes."
                )
        return found
    if image_shape is not None:
        shape = _check_image_shape(image_shape, layout, n_features)
        return Layout(sample_shape, shape, layout == "channels_last")
    if layout == "signal":
        return Layout(sample_shape, (1, n_features))
    if not needs_image:
        return Layout(sample_shape)
    side = math.isqrt(n_features)
    if side * side == n_features and side > 1:
        shape, kind = (1, side, side), f"a grey {side}x{side} image"
    else:
        shape, kind = (1, n_features), f"a signal of length {n_features}"
    warn(
        f"A row of {n_features} features is taken for {kind}. Set image_shape=(channels"
        ", height, width), or layout='signal', to specify its shape.",
        LayoutWarning,
    )
    return Layout(sample_shape, shape)


def _from_axes(sample_shape: tuple[int, ...], layout: str | None) -> Layout:
    if len(sample_shape) == 2:
        if layout == "channels_last":  # a signal (length, channels)
            return Layout(sample_shape, sample_shape[::-1], channels_last=True)
        if layout == "channels_first":
            layout = "signal"
        if layout == "signal" and sample_shape[0] > sample_shape[1]:
            channels, length = sample_shape
            warn(
                f"Samples of shape {sample_shape} are signals of {channels} channels "
                f"and {length} steps. Set layout='channels_last' if the last axis "
                "holds the channels.",
                LayoutWarning,
            )
        return Layout(sample_shape, _without_channels(sample_shape, layout))
    if len(sample_shape) == 3 and layout != "signal":
        layout = layout or _layout_of_four_axes(sample_shape)
        shape = _without_channels(sample_shape, layout)
        return Layout(sample_shape, shape, layout == "channels_last")
    expected = "(n_samples, channels, length)" if layout == "signal" else "2 to 4 axes"
    raise ValueError(
        f"X has {len(sample_shape) + 1} axes, of shape (n_samples, "
        f"{', '.join(map(str, sample_shape))}), but {expected} are expected."
    )
