"""What makes of a batch another one of the same kind: input and target alike."""

import torch
from sklearn.base import BaseEstimator
from torch import Tensor


class DynamicBinarization(BaseEstimator):
    r"""Draw each entry from a Bernoulli distribution, :math:`x_i \sim B(x_i)`.

    Grey pixels are read as probabilities of ink, and in every epoch other dots are
    drawn. It is how likelihoods of binary pictures are trained and compared [1]_. X
    lies in [0, 1].

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
