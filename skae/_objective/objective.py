"""The objective of training: loss and penalties, averaged over rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sklearn.utils import Bunch
from torch import Tensor, nn

from skae._data.batches import Batch
from skae._distributed.share import current_share
from skae._networks.autoencoder import AutoencoderModule
from skae._objective.losses import Loss, average, sum_entries

Penalty = Callable[[Tensor, Any, Any], Tensor]


class Objective(nn.Module):
    r"""The mean over rows of :math:`L(x, \hat x) + \sum_k P_k(x)`.

    A batch may carry a weight for each row, and a mask of the entries that count.

    Parameters
    ----------
    loss : Loss
        How a reconstruction is compared with its row.
    penalties : sequence of (str, callable)
        Named terms, each called ``penalty(x, output, module)``.
    """

    def __init__(self, loss: Loss, penalties: Sequence[tuple[str, Penalty]]) -> None:
        super().__init__()
        self.loss = loss
        self.penalties = list(penalties)

    def forward(
        self, output: dict[str, Tensor], batch: Batch, module: AutoencoderModule
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the objective of a batch and each of its terms.

        Parameters
        ----------
        output : dict of Tensor
            The output of the module for the batch, corrupted or not.
        batch : Batch
            The clean rows, in the units of X.
        module : AutoencoderModule
            The module that is trained.

        Returns
        -------
        total : Tensor of shape ()
        terms : dict of Tensor of shape ()
            ``reconstruction`` and one term for each penalty, weights included.
        """
        total = self._reconstruction(output["reconstruction"], batch, module.scale)
        terms = {"reconstruction": total}
        if self.penalties:
            bunch = Bunch(**output)
            if batch.weight is not None:
                bunch["weight"] = batch.weight
            for name, penalty in self.penalties:
                values = penalty(batch.x, bunch, module)
                terms[name] = average(_check_rows(values, len(batch.x), name), batch)
                total = total + terms[name]
        return total, terms

    def measure(
        self, output: dict[str, Tensor], batch: Batch, module: AutoencoderModule
    ) -> tuple[float, Tensor]:
        """Return the objective of a batch, and the loss of each row in its units."""
        total, _ = self(output, batch, module)
        values = self.loss.for_training(
            output["reconstruction"], batch.target, module.scale
        )
        if batch.mask is not None:
            values = values * batch.mask
        return float(total), sum_entries(values)

    def _reconstruction(
        self, reconstruction: Tensor, batch: Batch, scale: float
    ) -> Tensor:
        loss = self.loss
        is_mean = loss.profile is None or current_share() is None
        if loss.fused is not None and batch.is_plain and is_mean:
            return loss.fused(reconstruction, batch.x, scale)
        values = loss.for_training(reconstruction, batch.target, scale)
        if values.ndim == 0 or len(values) != len(batch.x):
            raise ValueError(
                f"The loss returned a tensor of shape {tuple(values.shape)} for a "
                f"batch of {len(batch.x)} rows. It must return one value for each row "
                "or each entry; for a loss of torch, pass reduction='none'."
            )
        if batch.mask is not None:
            if values.shape != batch.x.shape:
                raise ValueError(
                    f"The loss returned a tensor of shape {tuple(values.shape)}, but "
                    "only some entries of a row count. It must return one value for "
                    "each entry."
                )
            values = values * batch.mask
        if loss.profile is None:
            return average(values, batch)
        return loss.profile(values, batch)


def _check_rows(values: Tensor, n_rows: int, name: str) -> Tensor:
    if tuple(values.shape) != (n_rows,):
        raise ValueError(
            f"The penalty {name!r} returned a tensor of shape {tuple(values.shape)}, "
            f"but one value for each of {n_rows} rows is expected. Sum over the units "
            "of a row, and do not average over rows."
        )
    return values
