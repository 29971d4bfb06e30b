"""Corruptions and augmentations: transformations of a batch in training."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any, ClassVar

import torch
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval
from torch import Tensor

_FRACTION = Interval(Real, 0, 1, closed="both")


def _chance(x: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Return a mask that is True with ``probability``, for each entry of ``x``."""
    draws = torch.empty_like(x, memory_format=torch.contiguous_format)
    return draws.uniform_(generator=generator) < probability


class Noise(BaseEstimator):
    """What the shipped noises share: the highest value that their level may have."""

    highest_level: ClassVar[float] = 1.0  # a fraction of the entries


class GaussianNoise(Noise):
    r"""Add normal noise, :math:`\tilde x = x + \sigma \epsilon`.

    Parameters
    ----------
    level : float, default=0.3
        Standard deviation :math:`\sigma` of the noise, in the units of X.

    clip : (float, float) or None, default=None
        Lowest and highest value of the result, such as ``(0, 1)`` for pixels.

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
    }

    def __init__(
        self, level: float = 0.3, *, clip: tuple[float, float] | None = None
    ) -> None:
        self.level = level
        self.clip = clip

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.empty_like(x).normal_(generator=generator)
        noisy = torch.add(x, noise, alpha=self.level)
        return noisy if self.clip is None else noisy.clamp(*self.clip)


class MaskingNoise(Noise):
    """Set entries to zero.

    Parameters
    ----------
    level : float, default=0.3
        Fraction of the entries that are set to zero.

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
        "level": [_FRACTION],
    }

    def __init__(self, level: float = 0.3) -> None:
        self.level = level

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return x.masked_fill(_chance(x, self.level, generator), 0.0)


class SaltAndPepperNoise(Noise):
    """Set entries to the lowest or to the highest value, with equal chance.

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
        "level": [_FRACTION],
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
        "level": [_FRACTION],
    }

    def __init__(self, level: float = 0.3) -> None:
        self.level = level

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        donors = torch.randint(
            len(x), x.shape, generator=generator, device=x.device, dtype=torch.int64
        )
        return torch.where(_chance(x, self.level, generator), x.gather(0, donors), x)


class DynamicBinarization(BaseEstimator):
    r"""Draw each entry from a Bernoulli distribution, :math:`x_i \sim B(x_i)`.

    Grey values are read as probabilities, and other binary images are drawn in every
    epoch. Likelihoods of binary images are trained and compared in this way [1]_. X
    has to lie in [0, 1].

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


NOISES: dict[str, type[Any]] = {
    "gaussian": GaussianNoise,
    "masking": MaskingNoise,
    "salt_and_pepper": SaltAndPepperNoise,
    "swap": SwapNoise,
}
