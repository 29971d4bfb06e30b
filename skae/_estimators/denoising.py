"""The denoising autoencoder: corrupted input, clean target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import StrOptions

from skae._data.transforms import NOISES
from skae._estimators.base import BaseAutoencoder
from skae._estimators.checks import check_at_default
from skae._estimators.parameters import AXES, CODE, DENSE, WEIGHT, Network, parameters
from skae._estimators.planning import random_source


@parameters
class DenoisingAutoencoder(BaseAutoencoder):
    r"""Denoising autoencoder: it learns to remove noise.

    In every epoch each row is corrupted anew, :math:`\tilde x \sim q(\tilde x | x)`,
    and its reconstruction is compared with the clean original [1]_:

    .. math:: \tfrac12 \|x - g(f(\tilde x))\|^2 / s^2,

    with :math:`s` the training scale of X. Held-out rows get the same noise in every
    epoch; `transform` adds none.

    Read more in the :ref:`user guide <guide-denoising>`.

    Parameters
    ----------
    n_components : int, default=16
        Size of the code: the number of columns that :meth:`transform` returns.

    noise : str or callable, default="gaussian"
        Corruption of a batch: ``"gaussian"`` adds normal noise; ``"masking"`` sets
        entries to the training mean, ``"salt_and_pepper"`` to the lowest or highest
        value, ``"swap"`` to those of another row. A callable, such as
        :class:`GaussianNoise`, is called ``noise(x, generator)`` and has its own level.

    noise_level : float or None, default=None
        Standard deviation of ``"gaussian"`` noise in units of the training scale of X;
        fraction of the entries that the others change. None is 0.5 for ``"gaussian"``
        and 0.3 for the others.

    hidden_layer_sizes : int, array-like of int or None, default=None
        Widths of the hidden layers of the dense encoder; the decoder mirrors them. An
        int is one layer; ``()`` gives a linear autoencoder. None is one layer of 256
        units, or fewer where X has more than 16384 features. Cannot be given together
        with `encoder`.

    activation : str or None, default=None
        Activation after each hidden layer of a dense network: ``"clipped_relu"``, which
        clips to [0, 1], ``"elu"``, ``"gelu"``, ``"hardsigmoid"``, ``"identity"``,
        ``"leaky_relu"``, ``"relu"``, ``"sigmoid"``, ``"silu"``, ``"softplus"`` or
        ``"tanh"``. None stands for ``"clipped_relu"``: far from the training rows it is
        constant, so that unusual rows are reconstructed as by PCA. Cannot be given
        together with `encoder`.

    encoder : str, Architecture, callable, torch.nn.Module or None, default=None
        The network from rows to codes. ``"dense"``, ``"conv"`` or ``"recurrent"``, or a
        shipped architecture (:class:`Dense`, :class:`Conv`, :class:`Recurrent`); a
        builder ``(n_in, n_out) -> torch.nn.Module``, such as a module class; or a
        module, copied with its weights and never trained in place. Custom modules get
        rows in the units of X, shaped ``(n, channels, height, width)`` where `fit` saw
        images, and ``n_in`` is the number of features of a sample. None is a dense
        network of `hidden_layer_sizes` and `activation`.

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

    decoder : str, Architecture, callable, torch.nn.Module or None, default=None
        The network from codes to rows: ``"dense"``, ``"conv"``, ``"recurrent"`` or
        anything else that `encoder` takes. None mirrors a shipped encoder; beside a
        custom encoder it is required. A decoder gives logits when `loss` is
        ``"binary_cross_entropy"`` and log-rates when it is ``"poisson"``.

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
    >>> ae = DenoisingAutoencoder(32, noise_level=0.8, max_epochs=20, random_state=0)
    >>> X_noisy = ae.fit(X).corrupt(X)
    >>> bool(((ae.denoise(X_noisy) - X) ** 2).mean() < ((X_noisy - X) ** 2).mean() / 3)
    True
    """

    noise: str | Callable = "gaussian"
    noise_level: float | None = None
    hidden_layer_sizes: int | Sequence[int] | None = None
    activation: str | None = None
    encoder: Network = None
    code_activation: str | None = None
    whiten: bool = False
    sparsity: float = 0.0

    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        **DENSE,
        **CODE,
        **AXES,
        "noise": [StrOptions(set(NOISES)), callable],
        "noise_level": [WEIGHT, None],
    }

    def _noise(self) -> Callable | None:
        if not isinstance(self.noise, str):
            check_at_default(self, "noise_level", "noise")
            return self.noise
        if self.noise_level is None:
            return NOISES[self.noise]()
        noise = NOISES[self.noise](self.noise_level)
        if self.noise_level > noise.highest_level:
            raise ValueError(
                f"noise_level={self.noise_level} is the fraction of entries that "
                f"noise={self.noise!r} changes, and cannot exceed 1."
            )
        return noise

    def corrupt(self, X: Any, random_state: Any = None) -> np.ndarray:
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
        model = self._fitted()
        source = random_source(self, random_state)
        return model.to_samples(model.corrupt(self._check_X(X), source))

    def denoise(self, X: Any) -> np.ndarray:
        """Reconstruct noisy samples without their noise.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Noisy samples in the layout that `fit` saw, or flattened.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, ...)
            The reconstructions, as `reconstruct` returns them.
        """
        return self.reconstruct(X)
