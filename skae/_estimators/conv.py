"""The convolutional autoencoder, for images and signals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from sklearn.utils._param_validation import StrOptions

from skae._estimators.base import BaseAutoencoder
from skae._estimators.parameters import AXES, CODE, parameters
from skae._networks.architecture import ACTIVATIONS, COUNT
from skae._networks.conv import Conv
from skae._training.plan import Networks


@parameters
class ConvAutoencoder(BaseAutoencoder):
    r"""Convolutional autoencoder for images and signals.

    Strided convolutions and one linear layer compute the code, and their mirror the
    reconstruction; the objective is that of :class:`AutoencoderTransformer`.
    Convolutions share their weights across positions and therefore need far fewer
    parameters than dense layers [1]_. As there, linear maps that start as PCA are added
    to encoder and decoder, so that the convolutions learn what PCA leaves.

    Read more in the :ref:`user guide <guide-networks>`.

    Parameters
    ----------
    n_components : int, default=16
        Size of the code: the number of columns that :meth:`transform` returns.

    image_shape : tuple of int or None, default=None
        Shape of a flat row: ``(height, width)`` or ``(channels, height, width)``, with
        ``layout="channels_last"`` ``(height, width, channels)``, with
        ``layout="signal"`` ``(channels, length)``. None is a square grey image, or else
        a signal, with a :class:`~skae.LayoutWarning`. Not needed if the samples of X
        have these axes.

    channels : int or array-like of int, default=(16, 32)
        Number of channels after each convolution of the encoder. Each halves the image;
        large images get more layers of the last width.

    activation : str or None, default=None
        Activation after each convolution: ``"clipped_relu"``, which clips to [0, 1],
        ``"elu"``, ``"gelu"``, ``"hardsigmoid"``, ``"identity"``, ``"leaky_relu"``,
        ``"relu"``, ``"sigmoid"``, ``"silu"``, ``"softplus"`` or ``"tanh"``. None stands
        for ``"gelu"`` for images, whose pixels have a range, and for
        ``"clipped_relu"`` for signals: far from the training rows it is constant.

    code_activation : str or None, default=None
        Activation of the code: ``"clipped_relu"``, ``"elu"``, ``"gelu"``,
        ``"hardsigmoid"``, ``"identity"``, ``"leaky_relu"``, ``"relu"``, ``"sigmoid"``,
        ``"silu"``, ``"softplus"`` or ``"tanh"``. None is a linear code.

    whiten : bool, default=False
        Whether to divide each component of the code by its standard deviation. If
        False, the distance between two codes is that between their reconstructions, to
        first order, in the units of X. Either way components are ordered by variance,
        as those of PCA, and reconstructions are the same. Only for a linear code
        without `sparsity` and custom penalties, whose axes are free; other codes are
        those of the network.

    sparsity : float, default=0.0
        Weight :math:`\lambda` of the penalty :math:`\sum_i |z_i|` on the code, with
        each unit divided by its root mean square over the batch.

    corruption : callable or None, default=None
        Transformation of the rows of a batch before they are encoded in training,
        ``corruption(x, generator)``; the target stays clean. It can also make the code
        a better input for a classifier: with ``MaskingNoise(0.3)`` a logistic
        regression on 128 convolutional features of MNIST beats one on the pixels.

    decoder : str, Architecture, callable, torch.nn.Module or None, default=None
        The network from codes to rows: ``"dense"``, ``"conv"``, ``"recurrent"``, a
        shipped architecture, a builder or a module. None mirrors the encoder.

    penalty : callable, list of (str, callable) or None, default=None
        A further term of the objective, or several named ones, called ``penalty(x,
        output, module)`` and returning one value for each row.

    augmentation : callable or None, default=None
        Transformation of the rows of a batch in training, in every epoch and before any
        other step, ``augmentation(x, generator)``. Its result is both input and target.
        :class:`DynamicBinarization` is one; so are flips and shifts of images.

    loss : str or callable, default="squared_error"
        How a reconstruction is compared with its row: ``"squared_error"``, ``"huber"``
        (squared up to one training scale, then linear: outliers count less),
        ``"binary_cross_entropy"`` or ``"poisson"``; a :class:`~skae.tabular.BlockLoss`
        for numbers beside one-hot columns. Any other callable is called as torch calls
        it, ``loss(reconstruction, x)``, in the units of X, and returns one value for
        each row or each entry.

    layout : {"channels_first", "channels_last", "signal"} or None, default=None
        Meaning of the axes of X. With None, a 3-D X holds grey images, and the channels
        of a 4-D X are on whichever of the axes 1 and -1 has length 1 to 4.
        ``"signal"`` is ``(n_samples, channels, length)``, and a 3-D X with
        ``"channels_last"`` ``(n_samples, length, channels)``.

    missing : {"error", "mask"}, default="error"
        What NaN in X is. With ``"mask"`` it is a gap: the encoder takes what a linear
        Gaussian model of the rows expects there, given the rest of the row; a further
        30 % of the entries are left out in each batch, so that the network learns to
        fill them; and the loss, the statistics and the scores count observed entries
        only. `impute` fills the gaps.

    optimizer : {"adam", "adamw", "sgd", "rmsprop"} or Optimizer class, default="adamw"
        The optimizer. Its further arguments are set with `net_params`.

    lr : float or "auto", default="auto"
        Learning rate; the highest one, if `lr_schedule` changes it. ``"auto"`` gives
        each layer of a shipped network the rate 0.02 / max(1, n / 64), where n is its
        number of inputs, and 0.3 times that to linear maps that start as PCA; custom
        modules and optimizers other than Adam and AdamW get 0.006.

    weight_decay : float or None, default=None
        Weight decay of the optimizer. None leaves it at the optimizer's default, but
        for shipped networks with ``"adamw"`` and ``lr="auto"``: 0.3, or 1.75 with
        convolutions of images. With ``lr="auto"`` linear maps that start as PCA do not
        decay beside dense layers; beside convolutions their decay is 3 times that of
        these for images, and 20 times for signals. With a number for `lr` all layers
        decay alike.

    lr_schedule : {"constant", "cosine", "one_cycle"} or callable, default="one_cycle"
        Schedule of the learning rate over the steps of a fit; with
        ``early_stopping="auto"`` it ends before the last fifth of the epochs. A
        callable returns the factor of `lr` for a fraction between 0 and 1.

    max_epochs : int, default=30
        Maximum number of passes over the training rows in one `fit`. With 0, `fit`
        trains nothing: modules that are trained already, given as `encoder` and
        `decoder`, keep their weights, and shipped networks are PCA.

    batch_size : int or "auto", default="auto"
        Rows in a batch. ``"auto"`` is a 32nd of the training rows, at least 32 and at
        most 128, so that small data gets enough steps.

    shuffle_buffer : int or "auto", default="auto"
        Rows in memory at a time, where X is not: a file, a lazy table or a data set of
        more rows than these. They are read from random places and shuffled together;
        with at least as many as X has, all of X is. ``"auto"`` is as many as 256 MiB
        hold. Rows of arrays in memory are always shuffled together.

    validation_fraction : float or None, default=None
        Fraction of the rows held out of training, on which the objective is measured
        after each epoch. None is 0.1 with `early_stopping`, else 0.

    early_stopping : bool or "auto", default="auto"
        Whether the loss on held-out rows decides which weights remain: those of the
        best epoch, if it is better than the start by more than one standard error, else
        those of the start, which is PCA with the shipped networks. Training stops after
        `n_iter_no_change` epochs without an improvement. With ``"auto"`` and no
        `validation_fraction`, at most 1000 rows are held out, none of fewer than 10
        rows, and the last fifth of the epochs trains on all rows (or PCA is computed
        from all rows). If False, the training loss is monitored and the last weights
        remain.

    n_iter_no_change : int or None, default=10
        Epochs without an improvement of `tol` before training stops; epochs in which
        the learning rate rises do not count. With None it never stops early.

    tol : float, default=0.0001
        Smallest improvement of the loss, divided by the number of features, that
        counts.

    warm_start : bool, default=False
        If True, `fit` resumes from the current weights and optimizer state and trains
        for `max_epochs` more epochs. Penalties, corruption, learning rate, batch size,
        validation and stopping take their current values. The network, the optimizer
        with its weight decay, and `net_params` stay as they were built.

    checkpoint : str, path-like or None, default=None
        A file in which `fit` keeps its state, within epochs too, as often as takes 5 %
        of the time. After Ctrl-C, a kill or a full disk, the same call resumes there:
        the result is equal, bit for bit, to that of a fit without interruption. The
        file is removed when the fit ends. That of another fit is refused. `partial_fit`
        does not use it.

    callbacks : list or None, default=None
        skorch callbacks, cloned before use. Not scikit-learn's: see `set_callbacks`.

    net_params : dict or None, default=None
        Further settings of the skorch net, such as ``{"optimizer__betas": (0.8,
        0.99)}``. Each can be searched as a separate parameter.

    device : str, default="auto"
        Device to compute on, as torch names it. ``"auto"`` is ``"cuda"`` if it is
        available, else ``"cpu"``.

    dtype : {"float32", "float64", "auto"}, default="float32"
        Type of the weights, of the computation and of the results. ``"auto"`` is
        float64 if X is, else float32.

    precision : {"float32", "bfloat16", "auto"}, default="float32"
        Format of the multiplications in training, with `dtype` float32. ``"bfloat16"``
        rounds each factor to 8 bits; the weights, the loss, the optimizer and all
        results of a fitted estimator stay in float32. ``"auto"`` is bfloat16 where that
        was measured to be faster: on CPUs with AMX, for networks whose largest layer
        takes sixteen million products for a batch. It is not the default, since results
        then depend on the machine.

    random_state : int, RandomState instance or None, default=None
        Seeds the initial weights, the order of rows, held-out rows and all noise. Pass
        an int for reproducible results.

    verbose : int, default=0
        0 prints nothing; 1 shows a progress bar with the epochs, the time left and the
        losses, or about ten lines where nobody is at a terminal; 2 prints a line for
        each epoch.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The trained net; ``net_.module_`` is the torch module.

    encoder_, decoder_ : torch.nn.Module
        The encoder maps flat rows in the units of X to exactly what `transform`
        returns, the decoder maps codes to flat rows in the units of X.

    history_ : list of dict
        For each epoch its number and every term of the objective, ``train_loss``,
        ``train_reconstruction``, ... and in epochs with held-out rows ``valid_loss``,
        ...

    n_iter_ : int
        Number of epochs trained, also where the weights before the first one, PCA,
        were kept.

    mean_ : ndarray of shape (n_features,)
        Training mean of each feature.

    scale_ : float
        Training scale of X: the root mean squared deviation from `mean_`.

    image_shape_ : tuple of int or None
        ``(channels, height, width)`` or ``(channels, length)`` of a sample, None for
        rows.

    sample_shape_ : tuple of int
        Shape of one sample of X, and of what `inverse_transform` returns for one code.

    n_features_in_ : int
        Number of features of a flattened sample.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    AutoencoderTransformer : The dense autoencoder.
    Conv : The same architecture, for the parameter `encoder` of the other classes.

    References
    ----------
    .. [1] Masci, Meier, Ciresan & Schmidhuber, "Stacked convolutional auto-encoders for
       hierarchical feature extraction", ICANN 2011.
       :doi:`10.1007/978-3-642-21735-7_7`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import ConvAutoencoder
    >>> images = load_digits().images / 16
    >>> images.shape
    (1797, 8, 8)
    >>> ae = ConvAutoencoder(8, max_epochs=5, random_state=0).fit(images)
    >>> ae.transform(images).shape, ae.reconstruct(images).shape
    ((1797, 8), (1797, 8, 8))
    """

    image_shape: Sequence[int] | None = None
    channels: int | Sequence[int] = (16, 32)
    activation: str | None = None
    code_activation: str | None = None
    whiten: bool = False
    sparsity: float = 0.0
    corruption: Callable | None = None

    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        **CODE,
        **AXES,
        "activation": [StrOptions(set(ACTIVATIONS)), None],
        "image_shape": ["array-like", None],
        "channels": ["array-like", COUNT],
        "corruption": [callable, None],
    }

    def _networks(self) -> Networks:
        encoder = Conv(
            channels=self.channels,
            image_shape=self.image_shape,
            activation=self.activation,
        )
        return self._mirrored(encoder)
