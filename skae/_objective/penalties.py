"""Penalties: further terms of the objective, one weighted value for each row."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from skae._data.weights import mean_over_rows, variance_over_rows
from skae._distributed.share import n_rows_of_batch
from skae._documented import DocumentedEstimator
from skae._networks.jacobian import (
    exact_squared_norm,
    has_closed_form,
    stochastic_squared_norm,
)

_TINY = 1e-12
_WEIGHT = Interval(Real, 0, None, closed="left")


class L1Sparsity(DocumentedEstimator):
    r"""The sum of the absolute values of the code, :math:`\lambda \sum_i |z_i|`.

    On its own this penalty could be reduced to zero by shrinking the code and enlarging
    the decoder weights. Each unit is therefore divided by its root mean square over the
    batch (gradients flow through the divisor), so that only sparsity lowers the
    penalty: units that are rarely active.

    Read more in the :ref:`user guide <guide-sparse-codes>`.

    Parameters
    ----------
    weight : float, default=0.1
        The weight :math:`\lambda`.

    normalize : bool, default=True
        Whether to divide each unit by its root mean square over the batch.

    References
    ----------
    .. [1] Olshausen & Field, "Emergence of simple-cell receptive field properties by
       learning a sparse code for natural images", Nature 381, 1996.
       :doi:`10.1038/381607a0`

    Examples
    --------
    >>> import torch
    >>> from skae import L1Sparsity
    >>> code = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    >>> L1Sparsity(0.5, normalize=False)(None, {"code": code}, None)
    tensor([1.5000, 2.0000])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "weight": [_WEIGHT],
        "normalize": ["boolean"],
    }

    def __init__(self, weight: float = 0.1, *, normalize: bool = True) -> None:
        self.weight = weight
        self.normalize = normalize

    def __call__(self, x: Tensor, output: Any, module: nn.Module) -> Tensor:
        size = output["code"].abs()
        if self.normalize:
            squares = mean_over_rows(size**2, output.get("weight"))
            size = size / squares.clamp_min(_TINY).sqrt()
        return (self.weight * size.sum(-1, keepdim=True)).squeeze(-1)


class KLSparsity(DocumentedEstimator):
    r"""The divergence of the mean activation of each unit from a small target.

    :math:`\lambda \sum_i \rho \log\frac{\rho}{\hat\rho_i} + (1 - \rho)
    \log\frac{1 - \rho}{1 - \hat\rho_i}`, where :math:`\hat\rho_i` is the mean of unit
    i over the batch and :math:`\rho` the target. The code has to lie in [0, 1].

    Read more in the :ref:`user guide <guide-sparse-codes>`.

    Parameters
    ----------
    weight : float, default=0.1
        The weight :math:`\lambda`.

    target_activation : float, default=0.05
        The target :math:`\rho`.

    References
    ----------
    .. [1] Ng, "Sparse autoencoder", CS294A lecture notes, Stanford, 2011.

    Examples
    --------
    >>> import torch
    >>> from skae import KLSparsity
    >>> code = torch.full((4, 3), 0.05)
    >>> KLSparsity(1.0)(None, {"code": code}, None).abs().max() < 1e-6
    tensor(True)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "weight": [_WEIGHT],
        "target_activation": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(self, weight: float = 0.1, *, target_activation: float = 0.05) -> None:
        self.weight = weight
        self.target_activation = target_activation

    def __call__(self, x: Tensor, output: Any, module: nn.Module) -> Tensor:
        code = output["code"]
        target = self.target_activation
        active = mean_over_rows(code, output.get("weight")).clamp(1e-6, 1 - 1e-6)
        divergence = target * torch.log(target / active) + (1 - target) * torch.log(
            (1 - target) / (1 - active)
        )
        value = self.weight * divergence.sum(-1, keepdim=True)
        return value.squeeze(-1).expand(code.shape[:-1])


class Contraction(DocumentedEstimator):
    r"""The squared Jacobian of the code, :math:`\lambda \sum_i \|\nabla_x z_i\|^2`.

    X is taken in units of its training scale. On its own this penalty could be reduced
    to zero by shrinking the code and enlarging the decoder weights. The code is
    therefore divided by its standard deviation over the batch (gradients flow through
    the divisor), so that only invariance lowers the penalty: a code that ignores
    directions in which the data do not vary.

    Read more in the :ref:`user guide <guide-contractive-codes>`.

    Parameters
    ----------
    weight : float, default=0.1
        The weight :math:`\lambda`.

    jacobian : {"auto", "exact", "stochastic"}, default="auto"
        ``"exact"`` computes the sum itself; ``"stochastic"`` estimates it along random
        directions, without bias. ``"auto"`` is exact where there is a closed form, for
        a dense encoder with one hidden layer and a linear code, and otherwise
        stochastic.

    n_probes : int, default=1
        Random directions for each row of the stochastic estimate, m. Its variance for
        a row with the Jacobian J is :math:`\frac2m \frac{K - m}{K - 1} \sum_{i \ne j}
        (J J^\top)_{ij}^2`, with K the power of two from the number of units. With as
        many directions as units it is exact.

    normalize : bool, default=True
        Whether to divide the code by its standard deviation over the batch.

    References
    ----------
    .. [1] Rifai, Vincent, Muller, Glorot & Bengio, "Contractive auto-encoders:
       explicit invariance during feature extraction", ICML 2011.

    Examples
    --------
    >>> from skae import Contraction, ConvAutoencoder
    >>> ae = ConvAutoencoder(16, penalty=Contraction(0.1, n_probes=2))
    """

    needs_activations = True  # of the encoder, in the output of the module
    ignores_axes = True  # the sum over units is that of a rotated code

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "weight": [_WEIGHT],
        "jacobian": [StrOptions({"auto", "exact", "stochastic"})],
        "n_probes": [Interval(Integral, 1, None, closed="left")],
        "normalize": ["boolean"],
    }

    def __init__(
        self,
        weight: float = 0.1,
        *,
        jacobian: str = "auto",
        n_probes: int = 1,
        normalize: bool = True,
    ) -> None:
        self.weight = weight
        self.jacobian = jacobian
        self.n_probes = n_probes
        self.normalize = normalize

    def __call__(self, x: Tensor, output: Any, module: Any) -> Tensor:
        encoder = module.feature_layers()
        exact = self.jacobian == "exact" or (
            self.jacobian == "auto" and has_closed_form(encoder)
        )
        if any(isinstance(layer, _BatchNorm) for layer in encoder.modules()):
            raise ValueError(
                "A contraction needs rows that do not depend on each other, but the "
                "encoder holds batch normalisation. Set batch_norm=False, or use layer "
                "normalisation in a custom module."
            )
        options: dict[str, Any] = {
            "steps": output.get("activations"),
            "create_graph": torch.is_grad_enabled(),
        }
        if exact:
            norm = exact_squared_norm(encoder, x, **options)
        else:
            norm = stochastic_squared_norm(
                encoder, x, n_probes=self.n_probes, stream=module.stream, **options
            )
        norm = norm * module.scale**2
        code = output.get("mean", output["code"])  # never a sample of the posterior
        if self.normalize and n_rows_of_batch(code) > 1:
            spread = variance_over_rows(code, output.get("weight")).mean()
            norm = norm / spread.clamp_min(_TINY)
        return self.weight * norm


class KLDivergence(DocumentedEstimator):
    r"""The divergence of the posterior of each row from the standard normal prior.

    :math:`\beta \sum_i \tfrac12 (\mu_i^2 + \sigma_i^2 - \log\sigma_i^2 - 1)`.

    Read more in the :ref:`user guide <guide-variational>`.

    Parameters
    ----------
    weight : float, default=1.0
        The weight :math:`\beta`.

    warmup : int, default=0
        Number of epochs of training over which the weight rises to its full value.

    References
    ----------
    .. [1] Kingma & Welling, "Auto-encoding variational Bayes", ICLR 2014, appendix B.
       :arxiv:`1312.6114`

    Examples
    --------
    >>> import torch
    >>> from skae import KLDivergence
    >>> prior = {"mean": torch.zeros(2, 3), "log_var": torch.zeros(2, 3)}
    >>> KLDivergence()(None, prior, None)
    tensor([0., 0.])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "weight": [_WEIGHT],
        "warmup": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(self, weight: float = 1.0, *, warmup: int = 0) -> None:
        self.weight = weight
        self.warmup = warmup

    def __call__(self, x: Tensor, output: Any, module: Any) -> Tensor:
        mean, log_var = output["mean"], output["log_var"]
        each = mean**2 + log_var.exp() - log_var - 1
        divergence = 0.5 * each.sum(-1, keepdim=True)
        weight = self.weight
        if self.warmup and module.training:
            weight = weight * min(1.0, module.n_epochs / self.warmup)
        return (weight * divergence).squeeze(-1)


def named_penalties(penalty: Any) -> list[tuple[str, Any]]:
    """Return the value of `penalty` as a list of ``(name, penalty)``."""
    if penalty is None:
        return []
    if not isinstance(penalty, list):
        return [("penalty", penalty)]
    for item in penalty:
        is_pair = isinstance(item, (tuple, list)) and len(item) == 2
        if not (is_pair and isinstance(item[0], str) and callable(item[1])):
            raise TypeError(
                f"penalty={penalty!r} must be a callable or a list of (name, "
                f"callable), but holds {item!r}."
            )
    return [(name, item) for name, item in penalty]


def check_unique(names: list[str]) -> None:
    """Refuse two penalties of one name, which the history could not distinguish."""
    reserved = {"loss", "reconstruction", "batch_size", "batch_count"}
    for name in names:
        if names.count(name) > 1 or name in reserved or "__" in name:
            raise ValueError(
                f"A penalty cannot be named {name!r}: the name is taken, or holds "
                "'__'. Give each penalty a name of its own."
            )
