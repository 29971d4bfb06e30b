"""The loss of a table: cross-entropy for categories, squared error for numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.base import clone
from torch import Tensor

from skae._data.batches import Batch
from skae._data.blocks import Block, check_blocks
from skae._documented import TABULAR_PAGES, DocumentedEstimator
from skae._networks.layers import BlockSoftmax
from skae._objective.losses import (
    Loss,
    average,
    gaussian_profile,
    slope_of_logit,
    squared_error,
)

_ROUNDING = 1e-6
_SUM = 1e-3  # above 1, of a row of probabilities


class BlockLoss(DocumentedEstimator):
    r"""Cross-entropy of categories, and half the squared error of all other columns.

    A category is a block B of columns, of which a row has a one in a single one. The
    decoder gives a probability for each, :math:`p = \operatorname{softmax}(o_B)`, and
    the loss of a row is

    .. math:: \tfrac12 \sum_{j \notin \bigcup B} (x_j - \hat x_j)^2
              - \sum_B \sum_{j \in B} x_j \log p_j.

    It takes numbers that are standardised, as :class:`~skae.tabular.TableEncoder` gives
    them: a number that is not reconstructed at all costs 0.5 then, and a category the
    entropy of its frequencies, 0.69 for two that are equally frequent.
    Reconstructions are probabilities of categories, which sum to one.

    In a :class:`~skae.VariationalAutoencoder` the numbers are Gaussian, with one
    variance that is estimated, and ``sample(noise=True)`` draws one category of each
    block.

    Read more in the :ref:`user guide <guide-tables>`.

    Parameters
    ----------
    blocks : list of Block or None, default=None
        The blocks of X, such as `blocks_` of a fitted
        :class:`~skae.tabular.TableEncoder`. With None, `fit` finds them in X: the
        neighbouring columns of zeros and ones of which each row has exactly one, as
        one-hot encoders make them, in each fold of a search anew.

    See Also
    --------
    skae.tabular.BlockSwapNoise : Noise that leaves blocks whole.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.pipeline import make_pipeline
    >>> from skae import AutoencoderTransformer
    >>> from skae.tabular import BlockLoss, TableEncoder
    >>> frame = pd.DataFrame({"animal": ["cat", "dog"] * 50, "weight": [4, 20] * 50})
    >>> ae = AutoencoderTransformer(1, loss=BlockLoss(), random_state=0)
    >>> pipe = make_pipeline(TableEncoder(), ae).fit(frame)
    >>> probabilities = ae.reconstruct(pipe[0].transform(frame))[:, :2]
    >>> bool(abs(probabilities.sum(axis=1) - 1).max() < 1e-6)
    True
    """

    _doc_link_template = TABULAR_PAGES

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"blocks": [list, None]}

    def __init__(self, blocks: list[Block] | None = None) -> None:
        self.blocks = blocks

    def with_blocks(self, blocks: list[Block]) -> BlockLoss:
        """Return a copy with the blocks of training rows."""
        return clone(self).set_params(blocks=blocks)

    def __call__(self, output: Tensor, x: Tensor, scale: float = 1.0) -> Tensor:
        """Return the loss of each entry.

        Parameters
        ----------
        output : Tensor of shape (n, n_features)
            The output of a decoder, with the logits of categories.

        x : Tensor of shape (n, n_features)
            The rows.

        scale : float, default=1.0
            Not used, present for consistency.

        Returns
        -------
        Tensor of shape (n, n_features)
            Half the squared error of a number, the cross-entropy of a category.
        """
        if self.blocks is None:
            raise ValueError(
                "BlockLoss(blocks=None) finds its blocks in a fit. To call it alone, "
                "pass blocks, such as blocks_ of a fitted TableEncoder."
            )
        parts, end = [], 0
        for start, stop in self._spans:
            numbers, block = slice(end, start), slice(start, stop)
            log_p = F.log_softmax(output[:, block], dim=1)
            parts += [squared_error(output[:, numbers], x[:, numbers])]
            parts += [-x[:, block] * log_p]
            end = stop
        parts.append(squared_error(output[:, end:], x[:, end:]))
        return torch.cat(parts, dim=1)

    def declare(self, *, as_likelihood: bool) -> Loss:
        """Return what training needs to know of this loss.

        Parameters
        ----------
        as_likelihood : bool
            Whether it is for a variational autoencoder.
        """
        self._validate_params()
        for block in self.blocks or []:
            if not isinstance(block, Block):
                raise TypeError(
                    f"blocks of BlockLoss has {block!r} in it, which is no Block. Pass "
                    "blocks_ of a fitted TableEncoder, or blocks=None."
                )
        return _LossOfBlocks(
            self,
            profile=self._negative_log_likelihood if as_likelihood else None,
            link=partial(BlockSoftmax, self._spans),
            start=self._start,
            slope=self._slope,
            log_density=self._log_density,
            draw=self._draw,
            has_variance=bool(self._numbers),
            columns_of_variance=self._numbers,
        )

    @property
    def _spans(self) -> list[tuple[int, int]]:
        """The first column of each category, and the one after its last."""
        blocks = self.blocks or []  # None until there are rows
        return [(x.start, x.stop) for x in blocks if x.kind == "category"]

    @property
    def _numbers(self) -> list[int]:
        """The columns of the others."""
        others = [x for x in self.blocks or [] if x.kind != "category"]
        return [column for x in others for column in range(x.start, x.stop)]

    def _categories(self, n_features: int) -> np.ndarray:
        """Return which columns belong to categories."""
        found = np.ones(n_features, dtype=bool)
        found[self._numbers] = False
        return found

    def _start(self, mean: np.ndarray) -> np.ndarray:
        return np.where(self._categories(len(mean)), np.log(mean.clip(0.01)), mean)

    def _slope(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        slope = slope_of_logit(mean, variance)
        return np.where(self._categories(len(mean)), slope, 1.0)

    def _negative_log_likelihood(self, values: Tensor, batch: Batch) -> Tensor:
        columns = np.flatnonzero(self._categories(values.shape[1])).tolist()
        categories = average(values[:, columns], batch)
        if not self._numbers:
            return categories
        return gaussian_profile(values, batch, self._numbers) + categories

    def _log_density(self, output: Tensor, x: Tensor, variance: float | None) -> Tensor:
        density = -self(output, x)
        if variance is None:
            return density
        numbers = self._numbers
        gaussian = density[:, numbers] / variance - 0.5 * np.log(2 * np.pi * variance)
        density[:, numbers] = gaussian.to(density)
        return density

    def _draw(
        self, means: np.ndarray, variance: float | None, rng: np.random.RandomState
    ) -> np.ndarray:
        drawn = means.copy()
        if variance is not None:
            numbers = self._numbers
            noise = rng.standard_normal((*means.shape[:-1], len(numbers)))
            drawn[..., numbers] += np.sqrt(variance) * noise
        for start, stop in self._spans:
            total = means[..., start:stop].cumsum(axis=-1)
            chance = rng.uniform(size=total.shape[:-1])[..., np.newaxis]
            chosen = (chance * total[..., -1:] >= total[..., :-1]).sum(axis=-1)
            drawn[..., start:stop] = np.eye(stop - start)[chosen]
        return drawn


@dataclass(frozen=True)
class _LossOfBlocks(Loss):
    """The loss of a table, which checks the columns of its categories only."""

    def checked(self, rows: Any, low: float, high: float) -> Any:
        for name, values in self._categories_in(rows):
            if np.nansum(values, axis=1).max() > 1 + _SUM:
                raise ValueError(
                    f"The columns of {name!r} hold a category, of which a row has one, "
                    "but a row of X has ones in several of them. If the first rows of "
                    "a stream looked like a category, pass the blocks of all: "
                    "BlockLoss(encoder.blocks_) of a TableEncoder."
                )
        return rows

    def clipped(self, rows: Any) -> Any:
        self._categories_in(rows)
        return rows

    def _categories_in(self, rows: Any) -> list[tuple[str, np.ndarray]]:
        """Return name and columns of each category, whose range is checked."""
        found: list[tuple[str, np.ndarray]] = []
        loss: Any = self.function
        check_blocks(loss.blocks, rows.shape[1], "BlockLoss")
        for block in [x for x in loss.blocks if x.kind == "category"]:
            values = np.asarray(rows[:, block.columns])
            flat = values.ravel()  # of gaps alone NaN, without a warning
            least, most = np.fmin.reduce(flat), np.fmax.reduce(flat)
            if least < -_ROUNDING or most > 1 + _ROUNDING:
                raise ValueError(
                    f"The columns of {block.name!r} hold categories, which BlockLoss "
                    f"takes between 0 and 1, but they run from {least:.6g} to "
                    f"{most:.6g}. Leave out the step that scales them."
                )
            found.append((block.name, values))
        return found
