"""Corruptions and augmentations: transformations of a batch in training."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils._param_validation import Interval
from torch import Tensor

from skae._data.layout import Layout
from skae._documented import DocumentedEstimator

FRACTION = Interval(Real, 0, 1, closed="both")


def _chance(x: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Return a mask that is True with ``probability``, for each entry of ``x``."""
    draws = torch.empty_like(x, memory_format=torch.contiguous_format)
    return draws.uniform_(generator=generator) < probability


class Noise(DocumentedEstimator):
    """What the shipped noises share: the highest level, and the units of training."""

    highest_level: ClassVar[float] = 1.0  # a fraction of the entries

    # Of the training rows, set by `in_units`; a noise that is called alone has none.
    mean_: Tensor | float = 0.0
    scale_: float = 1.0

    @property
    def ignores_units(self) -> bool:
        """Whether the noise is the same for rows in any units."""
        return False

    def in_units(self, mean: np.ndarray, scale: float) -> Noise:
        """Return a copy for rows with a training mean and a training scale."""
        copy = clone(self)
        copy.mean_, copy.scale_ = torch.from_numpy(mean), scale
        return copy


class DropEntries:
    """Leave entries out at random, so that a network learns to fill gaps.

    Parameters
    ----------
    rate : float
        Share of the entries.
    first : callable or None
        A corruption that comes before.
    """

    def __init__(self, rate: float, first: Callable[..., Tensor] | None = None) -> None:
        self.rate = rate
        self.first = first

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        if self.first is not None:
            x = self.first(x, generator)
        return x.masked_fill(_chance(x, self.rate, generator), math.nan)


class GaussianNoise(Noise):
    r"""Add normal noise, :math:`\tilde x = x + \sigma s \epsilon`.

    Read more in the :ref:`user guide <guide-denoising>`.

    Parameters
    ----------
    level : float, default=0.5
        Standard deviation :math:`\sigma` of the noise.

    clip : (float, float) or None, default=None
        Lowest and highest value of the result, such as ``(0, 1)`` for pixels.

    relative : bool, default=True
        Whether the level is in units of the training scale s of X, so that it means the
        same for pixels in 0..1 and in 0..255. If False it is in the units of X, and s
        is 1, as it is where the noise is called outside a fit.

    Examples
    --------
    >>> import torch
    >>> from skae import GaussianNoise
    >>> noise = GaussianNoise(0.5, clip=(0, 1))
    >>> x_noisy = noise(torch.zeros(2, 3), torch.Generator().manual_seed(0))
    >>> x_noisy.shape, bool(x_noisy.min() >= 0)
    (torch.Size([2, 3]), True)
    """

    highest_level: ClassVar[float] = math.inf

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "level": [Interval(Real, 0, None, closed="left")],
        "clip": ["array-like", None],
        "relative": ["boolean"],
    }

    def __init__(
        self,
        level: float = 0.5,
        *,
        clip: tuple[float, float] | None = None,
        relative: bool = True,
    ) -> None:
        self.level = level
        self.clip = clip
        self.relative = relative

    @property
    def ignores_units(self) -> bool:
        """Whether the noise is the same for rows in any units."""
        return self.relative and self.clip is None

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        deviation = self.level * (self.scale_ if self.relative else 1.0)
        noise = torch.empty_like(x).normal_(generator=generator)
        noisy = torch.add(x, noise, alpha=deviation)
        return noisy if self.clip is None else noisy.clamp(*self.clip)


class MaskingNoise(Noise):
    """Hide entries: set them to the training mean of their feature, or to a value.

    Read more in the :ref:`user guide <guide-denoising>`.

    Parameters
    ----------
    level : float, default=0.3
        Fraction of the entries that are hidden.

    value : float or None, default=None
        What they are set to, such as 0 for pixels. None is the training mean of each
        feature, or 0 where the noise is called outside a fit.

    References
    ----------
    .. [1] Vincent et al., "Stacked denoising autoencoders", JMLR 11, 2010, p. 3371.
       https://jmlr.org/papers/v11/vincent10a.html

    Examples
    --------
    >>> import torch
    >>> from skae import MaskingNoise
    >>> generator = torch.Generator().manual_seed(0)
    >>> MaskingNoise(0.25)(torch.ones(100, 100), generator).mean().round(decimals=1)
    tensor(0.8000)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "level": [FRACTION],
        "value": [Real, None],
    }

    def __init__(self, level: float = 0.3, *, value: float | None = None) -> None:
        self.level = level
        self.value = value

    @property
    def ignores_units(self) -> bool:
        """Whether the noise is the same for rows in any units."""
        return self.value is None

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        value = self.mean_ if self.value is None else self.value
        hidden = _chance(x, self.level, generator)
        return torch.where(hidden, torch.as_tensor(value).to(x), x)


class SaltAndPepperNoise(Noise):
    """Set entries to the lowest or to the highest value, with equal chance.

    Read more in the :ref:`user guide <guide-denoising>`.

    Parameters
    ----------
    level : float, default=0.3
        Fraction of the entries that are replaced.

    low, high : float or None, default=None
        The two values. None takes the extremes of the batch.

    Examples
    --------
    >>> import torch
    >>> from skae import SaltAndPepperNoise
    >>> generator = torch.Generator().manual_seed(0)
    >>> noisy = SaltAndPepperNoise(1.0, low=0, high=1)(torch.ones(9, 9), generator)
    >>> sorted(set(noisy.flatten().tolist()))
    [0.0, 1.0]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "level": [FRACTION],
        "low": [Real, None],
        "high": [Real, None],
    }

    def __init__(
        self,
        level: float = 0.3,
        *,
        low: float | None = None,
        high: float | None = None,
    ) -> None:
        self.level = level
        self.low = low
        self.high = high

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        low = x.amin() if self.low is None else x.new_tensor(self.low)
        high = x.amax() if self.high is None else x.new_tensor(self.high)
        extremes = torch.where(_chance(x, 0.5, generator), high, low)
        return torch.where(_chance(x, self.level, generator), extremes, x)


class SwapNoise(Noise):
    """Replace entries by those of the same feature in other rows of the batch.

    It keeps the distribution of each feature, which suits tables whose columns
    differ in kind.

    Read more in the :ref:`user guide <guide-denoising>`.

    Parameters
    ----------
    level : float, default=0.3
        Fraction of the entries that are replaced.

    Examples
    --------
    >>> import torch
    >>> from skae import SwapNoise
    >>> x = torch.arange(6.0).reshape(3, 2)
    >>> swapped = SwapNoise(1.0)(x, torch.Generator().manual_seed(0))
    >>> bool(torch.isin(swapped[:, 0], x[:, 0]).all())
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "level": [FRACTION],
    }

    def __init__(self, level: float = 0.3) -> None:
        self.level = level

    @property
    def ignores_units(self) -> bool:
        """Whether the noise is the same for rows in any units."""
        return True

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        donors = torch.randint(
            len(x), x.shape, generator=generator, device=x.device, dtype=torch.int64
        )
        return torch.where(_chance(x, self.level, generator), x.gather(0, donors), x)


class DynamicBinarization(DocumentedEstimator):
    r"""Draw each entry from a Bernoulli distribution, :math:`x_i \sim B(x_i)`.

    Grey values are read as probabilities, and other binary images are drawn in every
    epoch. Likelihoods of binary images are trained and compared in this way [1]_. X
    has to lie in [0, 1].

    Read more in the :ref:`user guide <guide-augmentation>`.

    References
    ----------
    .. [1] Salakhutdinov & Murray, "On the quantitative analysis of deep belief
       networks", ICML 2008. :doi:`10.1145/1390156.1390266`

    Examples
    --------
    >>> import torch
    >>> from skae import DynamicBinarization
    >>> generator = torch.Generator().manual_seed(0)
    >>> draws = DynamicBinarization()(torch.full((100, 100), 0.3), generator)
    >>> sorted(set(draws.flatten().tolist())), draws.mean().round(decimals=1)
    ([0.0, 1.0], tensor(0.3000))
    """

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        try:
            return torch.bernoulli(x, generator=generator)
        except RuntimeError as error:
            raise ValueError(
                "DynamicBinarization reads X as probabilities, but X has entries "
                "outside [0, 1]. Divide pixels by 255, or use MinMaxScaler."
            ) from error


class RandomFlip(DocumentedEstimator):
    """Flip images at random, an augmentation that shows a network more of them.

    Each image of a batch is flipped with a chance of one half along each direction that
    is switched on. PCA, from which the shipped networks start, is computed from flipped
    images, too.

    Read more in the :ref:`user guide <guide-augmentation>`.

    Parameters
    ----------
    horizontal : bool, default=True
        Whether left and right change places; for signals, begin and end.

    vertical : bool, default=False
        Whether top and bottom change places, as in photographs from above. Signals are
        left as they are.

    transpose : bool, default=False
        Whether rows and columns change places. With both flips these are all
        rotations by 90 degrees, and their mirror images. Only for square images.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import ConvAutoencoder, RandomFlip
    >>> images = load_digits().images / 16
    >>> ae = ConvAutoencoder(8, augmentation=RandomFlip(), max_epochs=2)
    >>> ae.fit(images).transform(images).shape
    (1797, 8)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "horizontal": ["boolean"],
        "vertical": ["boolean"],
        "transpose": ["boolean"],
    }

    layout_: Layout | None = None  # of the training rows, set by `in_layout`

    def __init__(
        self,
        *,
        horizontal: bool = True,
        vertical: bool = False,
        transpose: bool = False,
    ) -> None:
        self.horizontal = horizontal
        self.vertical = vertical
        self.transpose = transpose

    def in_layout(self, layout: Layout) -> RandomFlip:
        """Return a copy for rows of a layout, which has to be that of images."""
        shape = layout.image_shape
        if shape is None:
            raise ValueError(
                "RandomFlip takes images or signals, but X has rows. Pass X with axes, "
                "or use ConvAutoencoder(image_shape=...)."
            )
        if self.transpose and (len(shape) == 2 or shape[1] != shape[2]):
            raise ValueError(
                f"transpose=True needs square images, but a sample has shape {shape} "
                "(channels first). Set transpose=False."
            )
        copy = clone(self)
        copy.layout_ = layout
        return copy

    @property
    def n_views(self) -> int:
        """Number of different flips of an image, one of which changes nothing."""
        return 2 ** len(self._flips())

    def view(self, x: Tensor, index: int) -> Tensor:
        """Return all rows flipped in the same way, that of an index below `n_views`."""
        images = self._images(x)
        for position, flip in enumerate(self._flips()):
            if index >> position & 1:
                images = flip(images)
        return images.reshape(x.shape)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        images = self._images(x)
        for flip in self._flips():
            draws = torch.empty(len(x), device=x.device).uniform_(generator=generator)
            is_flipped = (draws < 0.5).view(-1, *[1] * (images.ndim - 1))
            images = torch.where(is_flipped, flip(images), images)
        return images.reshape(x.shape)

    def _images(self, x: Tensor) -> Tensor:
        return x.reshape(-1, *self._axes()[0])

    def _flips(self) -> list[Callable[[Tensor], Tensor]]:
        """Return the flips of a batch of images, each of which is done or not."""
        shape, first = self._axes()
        last = first + len(shape) - 2
        flips = {
            "horizontal": lambda images: images.flip(last),
            "vertical": lambda images: images.flip(first),
            "transpose": lambda images: images.transpose(first, last),
        }
        if first == last:  # signals
            del flips["vertical"]
        return [flip for name, flip in flips.items() if getattr(self, name)]

    def _axes(self) -> tuple[tuple[int, ...], int]:
        """Return the shape of a sample as X has it, and the first axis that flips."""
        layout = self.layout_
        if layout is None or layout.image_shape is None:
            raise ValueError(
                "RandomFlip cannot be called on its own: fit sets the axes of a "
                "sample. Pass it as the parameter `augmentation`."
            )
        channels, *size = layout.image_shape
        return (
            ((*size, channels), 1) if layout.channels_last else ((channels, *size), 2)
        )


NOISES: dict[str, type[Any]] = {
    "gaussian": GaussianNoise,
    "masking": MaskingNoise,
    "salt_and_pepper": SaltAndPepperNoise,
    "swap": SwapNoise,
}
