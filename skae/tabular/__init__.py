"""Tables: from a data frame of mixed columns to numbers, and back."""

from skae._data.blocks import Block, BlockSwapNoise
from skae._objective.block_loss import BlockLoss
from skae.tabular._encoder import TableEncoder
from skae.tabular._invertible import InvertibleColumnTransformer
from skae.tabular._pipelines import column_errors, impute

__all__ = [
    "Block",
    "BlockLoss",
    "BlockSwapNoise",
    "InvertibleColumnTransformer",
    "TableEncoder",
    "column_errors",
    "impute",
]
