"""Blocks, which stand for one column of a table, and noise that leaves them whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from skae._data.transforms import FRACTION, Noise


@dataclass(frozen=True)
class Block:
    """The columns of an array that stand for one column of a table.

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


class BlockSwapNoise(Noise):
    """Replace columns of a table by those of other rows, each with its whole block.

    The noise of :class:`~skae.SwapNoise` in the columns of a table instead of those of
    an array: a category is replaced by a category, and a gap may be swapped as well.

    Parameters
    ----------
    blocks : list of Block
        The blocks of the array, such as `blocks_` of a fitted
        :class:`~skae.tabular.TableEncoder`. In a pipeline the encoder is fitted after
        the noise is made: fit one before, on the same frame.

    level : float or array-like of shape (n_blocks,), default=0.3
        Fraction of the entries that are replaced, one for all columns of the table or
        one for each.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.pipeline import make_pipeline
    >>> from skae import DenoisingAutoencoder
    >>> from skae.tabular import BlockSwapNoise, TableEncoder
    >>> frame = pd.DataFrame({"animal": ["cat", "dog"] * 50, "weight": [4, 20] * 50})
    >>> noise = BlockSwapNoise(TableEncoder().fit(frame).blocks_, level=[0.1, 0.5])
    >>> dae = DenoisingAutoencoder(2, noise=noise, max_epochs=2, random_state=0)
    >>> pipe = make_pipeline(TableEncoder(), dae).fit(frame)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "blocks": [list],
        "level": [FRACTION, "array-like"],
    }

    def __init__(
        self, blocks: Sequence[Block], level: float | Sequence[float] = 0.3
    ) -> None:
        self.blocks = blocks
        self.level = level

    @property
    def ignores_units(self) -> bool:
        """Whether the noise is the same for rows in any units."""
        return True

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        if x.ndim != 2 or x.shape[1] != self.blocks[-1].stop:
            raise ValueError(
                f"The blocks of BlockSwapNoise have {self.blocks[-1].stop} columns, "
                f"but the rows have shape {tuple(x.shape[1:])}. Pass the blocks of an "
                "encoder that was fitted to the same frame, and no step between it "
                "and the estimator that changes the columns."
            )
        n_blocks = len(self.blocks)
        level = torch.as_tensor(np.asarray(self.level, dtype=np.float32)).to(x.device)
        if level.ndim and level.shape != (n_blocks,):
            raise ValueError(
                f"level of BlockSwapNoise has shape {tuple(level.shape)}, but there "
                f"are {n_blocks} blocks. Pass one number, or one for each block."
            )
        size = (len(x), n_blocks)
        block_of = torch.repeat_interleave(
            torch.tensor([block.width for block in self.blocks], device=x.device)
        )
        donors = torch.randint(len(x), size, generator=generator, device=x.device)
        draws = torch.rand(size, generator=generator, device=x.device)
        is_swapped = (draws < level)[:, block_of]
        return torch.where(is_swapped, x.gather(0, donors[:, block_of]), x)
