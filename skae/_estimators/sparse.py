"""The sparse autoencoder: a code with exact zeros."""

from functools import partial
from numbers import Integral, Real

from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from skae._estimators.base import BaseAutoencoder
from skae._estimators.docs import ACTIVATION_NAMES, document
from skae._estimators.params import constraints
from skae._networks.architectures import ACTIVATIONS
from skae._networks.modules import LifetimeTopK, TopK
from skae._objective.penalties import KLSparsity, L1Sparsity


@document(
    sparsity=(
        "float",
        r"""Weight :math:`\lambda` of the penalty of `method`. ``"topk"`` and
        ``"lifetime"`` have none and ignore it.""",
    ),
    method=(
        '{"l1", "kl", "topk", "lifetime"}',
        """How the code is made sparse.""",
    ),
    target_activation=(
        "float",
        """Mean activation that ``method="kl"`` asks of each unit; share of the rows
        of a batch that ``method="lifetime"`` keeps of each unit in training.""",
    ),
    n_active=(
        "int or None",
        """Units that ``method="topk"`` keeps for each sample. None is a quarter of
        them, at least 1.""",
    ),
    code_activation=(
        f"{ACTIVATION_NAMES} or None",
        """Activation of the code. None is ``"relu"``, and ``"hardsigmoid"`` for
        ``method="kl"``, which needs a code in [0, 1]: both give exact zeros.""",
    ),
)
class SparseAutoencoder(BaseAutoencoder):
    r"""Sparse autoencoder: few units speak for each sample, the others are zero.

    The objective of :class:`AutoencoderTransformer` with one of

    ``"l1"``
        :math:`\lambda \sum_i |z_i|` on a ReLU code, each unit divided by its root mean
        square over the batch; :class:`L1Sparsity` is the same as a penalty.
    ``"kl"``
        :math:`\lambda \sum_i \mathrm{KL}(\rho \| \hat\rho_i)` on a code in [0, 1], with
        :math:`\hat\rho_i` the mean of unit i over the batch [1]_.
    ``"topk"``
        no penalty: the `n_active` largest units of a ReLU code are kept [2]_.
    ``"lifetime"``
        no penalty: in training each unit of a ReLU code keeps its largest values over
        the rows of a batch, a share `target_activation` of them and at least one, and
        learns from these alone [3]_. No unit can fall silent or speak for every
        sample, which suits a code larger than X. `transform` cuts nothing: it gives
        the ReLU code.

    Parameters
    ----------
    {parameters}

    {attributes}

    See Also
    --------
    sklearn.decomposition.DictionaryLearning : Sparse codes by optimisation.

    References
    ----------
    .. [1] Ng, "Sparse autoencoder", CS294A lecture notes, Stanford, 2011.
    .. [2] Makhzani & Frey, "k-sparse autoencoders", ICLR 2014. :arxiv:`1312.5663`
    .. [3] Makhzani & Frey, "Winner-take-all autoencoders", NeurIPS 2015.
       :arxiv:`1409.2752`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import SparseAutoencoder
    >>> X = load_digits().data / 16
    >>> ae = SparseAutoencoder(32, method="topk", n_active=4, max_epochs=5,
    ...                        random_state=0).fit(X)
    >>> int((ae.transform(X) > 0).sum(axis=1).max())
    4
    """

    _parameter_constraints = constraints(
        method=[StrOptions({"l1", "kl", "topk", "lifetime"})],
        target_activation=[Interval(Real, 0, 1, closed="neither")],
        n_active=[Interval(Integral, 1, None, closed="left"), None],
    )

    def __init__(
        self,
        n_components=16,
        *,
        sparsity=0.1,
        method="l1",
        target_activation=0.05,
        n_active=None,
        hidden_layer_sizes=None,
        activation=None,
        encoder=None,
        decoder=None,
        code_activation=None,
        penalty=None,
        corruption=None,
        augmentation=None,
        loss="squared_error",
        layout=None,
        optimizer="adam",
        lr=1e-3,
        weight_decay=None,
        lr_schedule="one_cycle",
        max_epochs=100,
        batch_size="auto",
        validation_fraction=None,
        early_stopping=False,
        n_iter_no_change=10,
        tol=1e-4,
        warm_start=False,
        callbacks=None,
        net_params=None,
        device="auto",
        dtype="float32",
        precision="float32",
        random_state=None,
        verbose=0,
    ):
        super().__init__(
            n_components,
            decoder=decoder,
            penalty=penalty,
            augmentation=augmentation,
            loss=loss,
            layout=layout,
            optimizer=optimizer,
            lr=lr,
            weight_decay=weight_decay,
            lr_schedule=lr_schedule,
            max_epochs=max_epochs,
            batch_size=batch_size,
            validation_fraction=validation_fraction,
            early_stopping=early_stopping,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            warm_start=warm_start,
            callbacks=callbacks,
            net_params=net_params,
            device=device,
            dtype=dtype,
            precision=precision,
            random_state=random_state,
            verbose=verbose,
        )
        self.sparsity = sparsity
        self.method = method
        self.target_activation = target_activation
        self.n_active = n_active
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.encoder = encoder
        self.code_activation = code_activation
        self.corruption = corruption

    def _code_layer(self):
        default = "hardsigmoid" if self.method == "kl" else "relu"
        name = self.code_activation or default
        if self.method == "kl" and name not in ("sigmoid", "hardsigmoid"):
            raise ValueError(
                f"method='kl' needs a code in [0, 1], but code_activation={name!r} "
                "gives another range. Choose 'sigmoid', 'hardsigmoid' or None."
            )
        activation = ACTIVATIONS[name]
        if self.method == "topk":
            return partial(_activate_and_keep, activation, TopK, self._find_n_active())
        if self.method == "lifetime":
            share = self.target_activation
            return partial(_activate_and_keep, activation, LifetimeTopK, share)
        return activation

    def _find_n_active(self):
        if self.n_active is None:
            return max(1, self.n_components // 4)
        if self.n_active > self.n_components:
            raise ValueError(
                f"n_active={self.n_active} units cannot be kept of a code of "
                f"n_components={self.n_components}."
            )
        return self.n_active

    def _own_penalties(self):
        if self.method in ("topk", "lifetime") or not self.sparsity:
            return []
        if self.method == "l1":
            return [("sparsity", L1Sparsity(self.sparsity))]
        target = self.target_activation
        return [("sparsity", KLSparsity(self.sparsity, target_activation=target))]


def _activate_and_keep(activation, keep, how_much):
    return nn.Sequential(activation(), keep(how_much))
