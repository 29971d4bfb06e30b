"""The contractive autoencoder: a code that ignores what does not matter."""

from numbers import Integral

from sklearn.utils._param_validation import Interval, StrOptions

from skae._estimators.base import BaseAutoencoder
from skae._estimators.docs import document
from skae._estimators.params import constraints, weight
from skae._objective.penalties import Contraction


@document(
    contraction=(
        "float",
        r"""Weight :math:`\lambda` of the penalty.""",
    ),
    jacobian=(
        '{"auto", "exact", "stochastic"}',
        """``"exact"`` computes the penalty; ``"stochastic"`` estimates it along random
        directions, without bias. ``"auto"`` is exact for a dense encoder with one
        hidden layer and a linear code, where that is as fast, and else stochastic.""",
    ),
    n_probes=(
        "int",
        "Random directions for each row of the stochastic estimate.",
    ),
)
class ContractiveAutoencoder(BaseAutoencoder):
    r"""Contractive autoencoder: small changes of a sample leave its code in place.

    The objective of :class:`AutoencoderTransformer` with the penalty [1]_

    .. math:: \lambda \textstyle\sum_i \|\nabla_x z_i\|^2

    of the Jacobian of the code, with X in units of its training scale and the code in
    units of its standard deviation over the batch: otherwise a small code and a large
    decoder would do. `sensitivity` measures what is penalised.

    Parameters
    ----------
    {parameters}

    {attributes}

    See Also
    --------
    Contraction : The same as a penalty, for the other classes.

    References
    ----------
    .. [1] Rifai, Vincent, Muller, Glorot & Bengio, "Contractive auto-encoders:
       explicit invariance during feature extraction", ICML 2011.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import ContractiveAutoencoder
    >>> X = load_digits().data / 16
    >>> ae = ContractiveAutoencoder(8, max_epochs=5, random_state=0).fit(X)
    >>> ae.sensitivity(X[:3]).shape
    (3,)
    """

    _parameter_constraints = constraints(
        contraction=weight(),
        jacobian=[StrOptions({"auto", "exact", "stochastic"})],
        n_probes=[Interval(Integral, 1, None, closed="left")],
    )

    def __init__(
        self,
        n_components=16,
        *,
        contraction=0.1,
        jacobian="auto",
        n_probes=1,
        hidden_layer_sizes=None,
        activation=None,
        encoder=None,
        decoder=None,
        code_activation=None,
        sparsity=0.0,
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
        self.contraction = contraction
        self.jacobian = jacobian
        self.n_probes = n_probes
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.encoder = encoder
        self.code_activation = code_activation
        self.sparsity = sparsity
        self.corruption = corruption

    def _own_penalties(self):
        own = Contraction(
            self.contraction, jacobian=self.jacobian, n_probes=self.n_probes
        )
        return [("contraction", own), *super()._own_penalties()]
