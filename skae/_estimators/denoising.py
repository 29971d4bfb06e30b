"""The denoising autoencoder: corrupted input, clean target."""

from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from skae._data.transforms import NOISES
from skae._estimators.base import BaseAutoencoder
from skae._estimators.docs import document
from skae._estimators.params import check_at_default, constraints, weight


@document(
    noise=(
        '{"gaussian", "masking", "salt_and_pepper", "swap"} or callable',
        """What corrupts a batch: normal noise is added, or entries are set to zero, to
        the lowest or highest value, or to those of another row. A callable, such as
        :class:`GaussianNoise`, is called ``noise(x, generator)`` and brings its own
        level.""",
    ),
    noise_level=(
        "float",
        """Standard deviation of ``"gaussian"`` noise in the units of X; fraction of the
        entries that the others change.""",
    ),
)
class DenoisingAutoencoder(BaseAutoencoder):
    r"""Denoising autoencoder: it learns to undo noise.

    In every epoch each row is corrupted afresh, :math:`\tilde x \sim q(\tilde x | x)`,
    and its reconstruction is compared with the clean original [1]_:

    .. math:: \tfrac12 \|x - g(f(\tilde x))\|^2 / s^2,

    with :math:`s` the training scale of X. Held-out rows see one draw of the noise
    that stays the same in every epoch; `transform` adds none.

    Parameters
    ----------
    {parameters}

    {attributes}

    See Also
    --------
    GaussianNoise, MaskingNoise, SaltAndPepperNoise, SwapNoise : The noises.

    References
    ----------
    .. [1] Vincent, Larochelle, Bengio & Manzagol, "Extracting and composing robust
       features with denoising autoencoders", ICML 2008. :doi:`10.1145/1390156.1390294`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import DenoisingAutoencoder
    >>> X = load_digits().data / 16
    >>> ae = DenoisingAutoencoder(32, noise_level=0.5, max_epochs=20, random_state=0)
    >>> X_noisy = ae.fit(X).corrupt(X)
    >>> bool(((ae.denoise(X_noisy) - X) ** 2).mean() < ((X_noisy - X) ** 2).mean() / 4)
    True
    """

    _parameter_constraints = constraints(
        without=("corruption",),
        noise=[StrOptions(set(NOISES)), callable],
        noise_level=weight(),
    )

    def __init__(
        self,
        n_components=16,
        *,
        noise="gaussian",
        noise_level=0.3,
        hidden_layer_sizes=None,
        activation=None,
        encoder=None,
        decoder=None,
        code_activation=None,
        sparsity=0.0,
        penalty=None,
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
        self.noise = noise
        self.noise_level = noise_level
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.encoder = encoder
        self.code_activation = code_activation
        self.sparsity = sparsity

    def _corruption(self):
        if not isinstance(self.noise, str):
            check_at_default(self, "noise_level", "noise")
            return self.noise
        if self.noise != "gaussian" and self.noise_level > 1:
            raise ValueError(
                f"noise_level={self.noise_level} is the fraction of entries that "
                f"noise={self.noise!r} changes, and cannot exceed 1."
            )
        return NOISES[self.noise](self.noise_level)

    def corrupt(self, X, random_state=None):
        """Add the noise of training to X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Clean samples in the layout that `fit` saw, or flattened.

        random_state : int, RandomState instance or None, default=None
            Draws the noise. None is the `random_state` of the estimator.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, ...)
            Noisy samples, in the layout that `fit` saw.
        """
        check_is_fitted(self)
        return self._corrupt(X, random_state)

    def denoise(self, X):
        """Redraw noisy samples without their noise.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Noisy samples in the layout that `fit` saw, or flattened.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, ...)
            The same as `reconstruct`.
        """
        return self.reconstruct(X)
