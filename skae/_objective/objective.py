"""What training minimises: the loss and the penalties, averaged over rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sklearn.utils import Bunch
from torch import Tensor

from skae._networks.modules import AutoencoderModule
from skae._objective.losses import Loss

Penalty = Callable[[Tensor, Any, Any], Tensor]


class Objective:
    r"""The mean over rows of :math:`L(x, \hat x) + \sum_k P_k(x)`.

    Parameters
    ----------
    loss : Loss
        How a reconstruction is compared with its row.
    penalties : sequence of (str, callable)
        Named terms, each called ``penalty(x, output, module)``.
    """

    def __init__(self, loss: Loss, penalties: Sequence[tuple[str, Penalty]]) -> None:
        self.loss = loss
        self.penalties = list(penalties)

    def __call__(
        self, output: dict[str, Tensor], x: Tensor, module: AutoencoderModule
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the objective of a batch and each of its terms.

        Parameters
        ----------
        output : dict of Tensor
            What the module gave for the batch, corrupted or not.
        x : Tensor of shape (n, n_features)
            The clean rows, in the units of X.
        module : AutoencoderModule
            The module that is trained.

        Returns
        -------
        total : Tensor of shape ()
        terms : dict of Tensor of shape ()
            ``reconstruction`` and one term for each penalty, weights included.
        """
        total = self._reconstruction(output["reconstruction"], x, module.scale)
        terms = {"reconstruction": total}
        if self.penalties:
            seen = Bunch(**output)
            for name, penalty in self.penalties:
                terms[name] = _check_rows(penalty(x, seen, module), len(x), name).mean()
                total = total + terms[name]
        return total, terms

    def _reconstruction(
        self, reconstruction: Tensor, x: Tensor, scale: float
    ) -> Tensor:
        if self.loss.mean is not None:
            return self.loss.mean(reconstruction, x, scale)
        values = self.loss.function(reconstruction, x)
        if values.ndim == 0 or len(values) != len(x):
            raise ValueError(
                f"The loss returned a tensor of shape {tuple(values.shape)} for a "
                f"batch of {len(x)} rows. It must return one value for each row or "
                "each entry; for a loss of torch, pass reduction='none'."
            )
        return values.sum() / len(x)


def _check_rows(values: Tensor, n_rows: int, name: str) -> Tensor:
    if tuple(values.shape) != (n_rows,):
        raise ValueError(
            f"The penalty {name!r} returned a tensor of shape {tuple(values.shape)}, "
            f"but one value for each of {n_rows} rows is expected. Sum over the units "
            "of a row, and do not average over rows."
        )
    return values
