"""Blocks, which stand for one column of a table, and noise that leaves them whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor

from skae._data.transforms import FRACTION, Noise
from skae._documented import TABULAR_PAGES

_ENTRIES = 2**22  # of rows that are looked at together


@dataclass(frozen=True)
class Block:
    """The columns of an array that stand for one column of a table.

    Read more in the :ref:`user guide <guide-tables>`.

    Parameters
    ----------
    name : str
        Name of the column of the table.

    kind : {"float", "integer", "boolean", "category", "date"}
        How the column was encoded.

    start, stop : int
        The first column of the array, and the one after the last.

    categories : tuple or None, default=None
        The category of each column of the array, of kind ``"category"``. The last one
        is ``"infrequent"`` where rare categories share it.

    Examples
    --------
    >>> from skae.tabular import Block
    >>> block = Block("Region", "category", 2, 4, ("East", "South"))
    >>> block.columns, block.width
    (slice(2, 4, None), 2)
    """

    name: str
    kind: str
    start: int
    stop: int
    categories: tuple[Any, ...] | None = None

    @property
    def columns(self) -> slice:
        """The columns of the array, as a slice."""
        return slice(self.start, self.stop)

    @property
    def width(self) -> int:
        """Number of columns of the array."""
        return self.stop - self.start


def lacks_blocks(part: Any) -> bool:
    """Tell whether a part of training waits for the blocks of the training rows."""
    return hasattr(part, "with_blocks") and part.blocks is None


def check_blocks(blocks: Sequence[Block], n_columns: int, whose: str) -> None:
    """Refuse blocks with holes, and rows of another width than theirs."""
    starts, stops = [x.start for x in blocks], [x.stop for x in blocks]
    if starts != [0, *stops[:-1]]:
        raise ValueError(
            f"The blocks of {whose} do not follow one another from column 0: they "
            f"start at {starts} and stop at {stops}. Pass all blocks_ of an encoder, "
            "in their order."
        )
    if n_columns != blocks[-1].stop:
        raise ValueError(
            f"The blocks of {whose} have {blocks[-1].stop} columns, but the rows have "
            f"{n_columns}. Pass blocks=None, or those of an encoder that was fitted to "
            "the same frame, and no step between it and the estimator that changes the "
            "columns."
        )


def find_blocks(rows: Any, names: Sequence[str] | None = None) -> list[Block]:
    """Return the blocks of rows: of categories, and of single columns for the others.

    A category is the shortest run of columns of zeros and ones, each of which occurs,
    of which every row has a single one, or NaN in all.

    Parameters
    ----------
    rows : Rows of shape (n_rows, n_columns)
        Training rows.
    names : sequence of str or None, default=None
        Names of the columns.
    """
    n_columns = rows.shape[1]
    is_binary = np.ones(n_columns, dtype=bool)
    for part in _parts(rows):
        is_binary &= ((part == 0) | (part == 1) | np.isnan(part)).all(axis=0)
    binary = np.flatnonzero(is_binary)
    together = np.zeros((len(binary), len(binary)))  # rows with a one in both columns
    n_observed = np.zeros(len(binary))
    same_gaps = np.ones(len(binary), dtype=bool)  # as the binary column before
    for part in _parts(rows):
        there = ~np.isnan(part[:, binary])
        ones = (part[:, binary] == 1).astype(np.float32)
        together += ones.T @ ones
        n_observed += there.sum(axis=0)
        same_gaps[1:] &= (there[:, 1:] == there[:, :-1]).all(axis=0)
    stops = _stops_of_categories(binary, together, n_observed, same_gaps)
    blocks, start = [], 0
    while start < n_columns:
        name = f"column {start}" if names is None else names[start]
        kind = "category" if start in stops else "float"
        stop = stops.get(start, start + 1)
        blocks.append(Block(name, kind, start, stop))
        start = stop
    return blocks


def _parts(rows: Any) -> Iterator[np.ndarray]:
    """Yield some rows at a time, as arrays."""
    n_rows = max(1, _ENTRIES // rows.shape[1])
    for start in range(0, len(rows), n_rows):
        yield np.asarray(rows[start : start + n_rows])


def _stops_of_categories(
    binary: np.ndarray,
    together: np.ndarray,
    n_observed: np.ndarray,
    same_gaps: np.ndarray,
) -> dict[int, int]:
    """Return the column after a category, for each column that can start one."""
    n_ones = np.diag(together)
    first, earliest = [], 0  # from which a category can reach each binary column
    for i, column in enumerate(binary):
        if i and (column > binary[i - 1] + 1 or not same_gaps[i]):
            earliest = i
        shared = np.flatnonzero(together[i, :i])
        earliest = max(earliest, *shared[-1:] + 1, 0 if n_ones[i] else i + 1)
        first.append(earliest)
    total = n_ones.cumsum()
    wanted = total - n_ones + n_observed  # when each row has a one
    last = np.searchsorted(total, wanted)
    return {
        int(binary[i]): int(binary[j]) + 1
        for i, j in enumerate(last)
        if i < j < len(binary) and total[j] == wanted[i] and first[j] <= i
    }


class BlockSwapNoise(Noise):
    """Replace columns of a table by those of other rows, each with its whole block.

    The noise of :class:`~skae.SwapNoise` in the columns of a table instead of those of
    an array: a category is replaced by a category, and a gap may be swapped as well.

    Read more in the :ref:`user guide <guide-tables>`.

    Parameters
    ----------
    blocks : list of Block or None, default=None
        The blocks of X, such as `blocks_` of a fitted
        :class:`~skae.tabular.TableEncoder`. With None, `fit` finds them in X: the
        neighbouring columns of zeros and ones of which each row has exactly one, and
        each other column alone.

    level : float or array-like of shape (n_blocks,), default=0.3
        Fraction of the entries that are replaced, one for all columns of the table or,
        if the blocks are given, one for each.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.pipeline import make_pipeline
    >>> from skae import DenoisingAutoencoder
    >>> from skae.tabular import BlockSwapNoise, TableEncoder
    >>> frame = pd.DataFrame({"animal": ["cat", "dog"] * 50, "weight": [4, 20] * 50})
    >>> dae = DenoisingAutoencoder(2, noise=BlockSwapNoise(level=0.1), max_epochs=2)
    >>> pipe = make_pipeline(TableEncoder(), dae).fit(frame)
    """

    _doc_link_template = TABULAR_PAGES

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "blocks": [list, None],
        "level": [FRACTION, "array-like"],
    }

    def __init__(
        self,
        blocks: list[Block] | None = None,
        level: float | Sequence[float] = 0.3,
    ) -> None:
        self.blocks = blocks
        self.level = level

    @property
    def ignores_units(self) -> bool:
        """Whether the noise is the same for rows in any units."""
        return True

    def with_blocks(self, blocks: list[Block]) -> BlockSwapNoise:
        """Return a copy with the blocks of training rows."""
        return clone(self).set_params(blocks=blocks)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        if self.blocks is None:
            raise ValueError(
                "BlockSwapNoise(blocks=None) finds its blocks in a fit. To call it "
                "alone, pass blocks, such as blocks_ of a fitted TableEncoder."
            )
        check_blocks(self.blocks, x[0].numel(), "BlockSwapNoise")
        n_blocks = len(self.blocks)
        levels = np.asarray(self.level, dtype=np.float32)
        if levels.ndim and levels.shape != (n_blocks,):
            raise ValueError(
                f"level of BlockSwapNoise has shape {levels.shape}, but there are "
                f"{n_blocks} blocks. Pass one number, or one for each block."
            )
        if not ((levels >= 0) & (levels <= 1)).all():
            raise ValueError(
                f"level={self.level!r} of BlockSwapNoise must be between 0 and 1: "
                "fractions of the entries."
            )
        level = torch.as_tensor(levels).to(x.device)
        size = (len(x), n_blocks)
        block_of = torch.repeat_interleave(
            torch.tensor([block.width for block in self.blocks], device=x.device)
        )
        donors = torch.randint(len(x), size, generator=generator, device=x.device)
        draws = torch.rand(size, generator=generator, device=x.device)
        is_swapped = (draws < level)[:, block_of]
        return torch.where(is_swapped, x.gather(0, donors[:, block_of]), x)
