"""The convolutional autoencoder: one code from a picture or a signal."""

from numbers import Integral

from sklearn.utils._param_validation import Interval, StrOptions

from skae._estimators.base import BaseAutoencoder
from skae._estimators.docs import ACTIVATION_NAMES, document
from skae._estimators.params import constraints
from skae._networks.architectures import ACTIVATIONS, Conv


@document(
    image_shape=(
        "tuple of int or None",
        """Shape of a flat row: ``(height, width)`` or ``(channels, height, width)``,
        with ``layout="channels_last"`` ``(height, width, channels)``, with
        ``layout="signal"`` ``(channels, length)``. None is a square grey picture, or
        else a signal, and a :class:`~skae.LayoutWarning` says which. Not needed where
        X has axes of its own.""",
    ),
    channels=(
        "int or array-like of int",
        """Number of channels after each convolution of the encoder. Each halves the
        picture; large pictures get more layers of the last width.""",
    ),
    activation=(
        ACTIVATION_NAMES,
        """Activation after each convolution. Where a few photographs are all there is,
        ``"identity"``, a linear autoencoder with the sight of a convolution, redraws
        unseen ones best: see the defaults page of the guide for figures.""",
    ),
    decoder=(
        '{"dense", "conv"}, Dense, Conv, callable, torch.nn.Module or None',
        "The network from codes to rows. None mirrors the encoder.",
    ),
)
class ConvAutoencoder(BaseAutoencoder):
    r"""Convolutional autoencoder: one code from a picture or a signal.

    Strided convolutions and one linear layer give the code, their mirror the
    reconstruction; what is minimised is the objective of
    :class:`AutoencoderTransformer`. A convolution draws with the same strokes
    everywhere, and needs fewer weights than a dense layer [1]_.

    Parameters
    ----------
    {parameters}

    {attributes}

    See Also
    --------
    AutoencoderTransformer : The dense autoencoder.
    Conv : The same architecture, for the `encoder` slot of the other classes.

    References
    ----------
    .. [1] Masci, Meier, Ciresan & Schmidhuber, "Stacked convolutional auto-encoders for
       hierarchical feature extraction", ICANN 2011.
       :doi:`10.1007/978-3-642-21735-7_7`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import ConvAutoencoder
    >>> pictures = load_digits().images / 16
    >>> pictures.shape
    (1797, 8, 8)
    >>> ae = ConvAutoencoder(8, max_epochs=5, random_state=0).fit(pictures)
    >>> ae.transform(pictures).shape, ae.reconstruct(pictures).shape
    ((1797, 8), (1797, 8, 8))
    """

    _parameter_constraints = constraints(
        without=("hidden_layer_sizes", "encoder"),
        activation=[StrOptions(set(ACTIVATIONS))],
        image_shape=["array-like", None],
        channels=["array-like", Interval(Integral, 1, None, closed="left")],
    )

    def __init__(
        self,
        n_components=16,
        *,
        image_shape=None,
        channels=(16, 32),
        activation="gelu",
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
        self.image_shape = image_shape
        self.channels = channels
        self.activation = activation
        self.code_activation = code_activation
        self.sparsity = sparsity
        self.corruption = corruption

    def _slots(self):
        encoder = Conv(
            channels=self.channels,
            image_shape=self.image_shape,
            activation=self.activation,
        )
        return encoder, self._decoder_slot(encoder)
