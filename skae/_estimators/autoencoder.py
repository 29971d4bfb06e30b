"""The plain autoencoder, with every slot open."""

from skae._estimators.base import BaseAutoencoder
from skae._estimators.docs import document
from skae._estimators.params import constraints


@document()
class AutoencoderTransformer(BaseAutoencoder):
    r"""Autoencoder: a code from which each sample can be redrawn.

    An encoder :math:`z = f(x)` and a decoder :math:`\hat x = g(z)` minimise the mean
    over rows of

    .. math:: \tfrac12 \|x - \hat x\|^2 / s^2 + \lambda \textstyle\sum_i |z_i|,

    where :math:`s` is the training scale of X, so that weights of penalties mean the
    same at every scale. With linear layers it spans the space of the principal
    components [1]_; with hidden layers it can follow curved ones [2]_.

    Parameters
    ----------
    {parameters}

    {attributes}

    See Also
    --------
    ConvAutoencoder : For pictures and signals.
    SparseAutoencoder : Codes with exact zeros.
    VariationalAutoencoder : A latent space to sample from.
    sklearn.decomposition.PCA : The linear case, in closed form.

    References
    ----------
    .. [1] Baldi & Hornik, "Neural networks and principal component analysis: learning
       from examples without local minima", Neural Networks 2 (1), 1989.
       :doi:`10.1016/0893-6080(89)90014-2`
    .. [2] Hinton & Salakhutdinov, "Reducing the dimensionality of data with neural
       networks", Science 313, 2006. :doi:`10.1126/science.1127647`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer
    >>> X = load_digits().data / 16
    >>> ae = AutoencoderTransformer(8, max_epochs=20, random_state=0).fit(X)
    >>> ae.transform(X).shape
    (1797, 8)
    >>> bool(ae.score(X) > 0.7)
    True
    """

    _parameter_constraints = constraints()

    def __init__(
        self,
        n_components=16,
        *,
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
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.encoder = encoder
        self.code_activation = code_activation
        self.sparsity = sparsity
        self.corruption = corruption
