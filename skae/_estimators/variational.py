"""The variational autoencoder: a latent space to sample from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_scalar
from sklearn.utils._param_validation import Interval
from torch.optim import Optimizer

from skae._data.condition import Given
from skae._data.rows import as_frame
from skae._data.weights import WeightedRows
from skae._estimators.base import BaseAutoencoder, blender_of
from skae._estimators.fitting import checked_codes
from skae._estimators.parameters import DENSE, WEIGHT, Network, parameters
from skae._estimators.planning import random_source
from skae._model.blending import Blender, as_batch
from skae._model.model import TrainedModel
from skae._model.posterior import (
    log_likelihood,
    mean_and_std,
    measure_noise_variance,
)
from skae._networks.autoencoder import VariationalAutoencoderModule
from skae._networks.dense import Dense
from skae._objective.losses import LIKELIHOODS, Loss
from skae._objective.penalties import KLDivergence
from skae._sources.lazy import lazy
from skae._training.plan import Networks

# Hidden layers of the encoder whose mirror is the default decoder.
_DECODER = (256, 128, 128)


@parameters
class VariationalAutoencoder(BaseAutoencoder):
    r"""Variational autoencoder: a smooth latent space without gaps.

    The encoder returns a normal distribution :math:`q(z|x) = N(\mu, \sigma^2)` for each
    sample, the decoder decodes a sample of it, and the negative evidence lower
    bound [1]_

    .. math:: -\mathrm{E}_q \log p(x|z) + \beta\, \mathrm{KL}(q(z|x) \| N(0, 1))

    is minimised. With the squared error, :math:`p(x|z)` is a Gaussian of one variance
    at its optimum, the mean squared error [2]_, so that `beta` has the same effect at
    every scale of X. `transform` returns the mean :math:`\mu`, without sampling.

    Read more in the :ref:`user guide <guide-variational>`.

    Parameters
    ----------
    n_components : int, default=16
        Size of the code: the number of columns that :meth:`transform` returns.

    optimizer : {"adam", "adamw", "sgd", "rmsprop"} or Optimizer class, default="adam"
        The optimizer. Its further arguments are set with `net_params`.

    lr : float or "auto", default=0.003
        Learning rate; the highest one, if `lr_schedule` changes it. ``"auto"`` gives
        each layer of a shipped network the rate 0.02 / max(1, n / 64), where n is its
        number of inputs, and 0.3 times that to linear maps that start as PCA; custom
        modules and optimizers other than Adam and AdamW get 0.006.

    max_epochs : int, default=45
        Maximum number of passes over the training rows in one `fit`. With 0, `fit`
        trains nothing: modules that are trained already, given as `encoder` and
        `decoder`, keep their weights, and shipped networks are PCA.

    early_stopping : bool or "auto", default=False
        Whether the loss on held-out rows decides which weights remain: those of the
        best epoch, if it is better than the start by more than one standard error, else
        those of the start, which is PCA with the shipped networks. Training stops after
        `n_iter_no_change` epochs without an improvement. With ``"auto"`` and no
        `validation_fraction`, at most 1000 rows are held out, none of fewer than 10
        rows, and the last fifth of the epochs trains on all rows (or PCA is computed
        from all rows). If False, the training loss is monitored and the last weights
        remain.

    beta : float, default=1.0
        Weight :math:`\beta` of the divergence from the prior. 1 is the evidence lower
        bound; larger values simplify the code, smaller ones improve the
        reconstruction.

    kl_warmup : int, default=0
        Number of epochs over which :math:`\beta` rises from 0.

    condition : array-like of str, array-like of int or None, default=None
        Columns of X that are known when a code is decoded, by name or position, such as
        a batch or an age: the decoder gets them beside the code [3]_, which then need
        not hold them. They are numbers; one-hot columns are, too. For labels beside X,
        pass the argument `condition` of `fit` instead.

    hidden_layer_sizes : int, array-like of int or None, default=None
        Widths of the hidden layers of the dense encoder; the decoder mirrors them. None
        stands for an encoder of ``(256, 128)`` and a decoder of ``(128, 128, 256)``: a
        deeper decoder makes generated samples more realistic, one wide layer improves
        reconstructions. Cannot be given together with `encoder`.

    activation : str or None, default=None
        Activation after each hidden layer of a dense network: ``"clipped_relu"``, which
        clips to [0, 1], ``"elu"``, ``"gelu"``, ``"hardsigmoid"``, ``"identity"``,
        ``"leaky_relu"``, ``"relu"``, ``"sigmoid"``, ``"silu"``, ``"softplus"`` or
        ``"tanh"``. None stands for ``"gelu"``. Cannot be given together with
        `encoder`.

    encoder : str, Architecture, callable, torch.nn.Module or None, default=None
        The network from rows to ``2 * n_components`` columns, the means and the
        logarithms of the variances of the code. ``"dense"``, ``"conv"`` or
        ``"recurrent"``, or a shipped architecture (:class:`Dense`, :class:`Conv`,
        :class:`Recurrent`); a builder ``(n_in, n_out) -> torch.nn.Module``, such as a
        module class; or a module, copied with its weights and never trained in place.
        None is a dense network of `hidden_layer_sizes` and `activation`.

    corruption : callable or None, default=None
        Transformation of the rows of a batch before they are encoded in training,
        ``corruption(x, generator)``; the target stays clean. It can also make the code
        a better input for a classifier: with ``MaskingNoise(0.3)`` a logistic
        regression on 128 convolutional features of MNIST beats one on the pixels.

    decoder : str, Architecture, callable, torch.nn.Module or None, default=None
        The network from codes to rows: ``"dense"``, ``"conv"``, ``"recurrent"`` or
        anything else that `encoder` takes. None mirrors a shipped encoder, but the
        default one: see `hidden_layer_sizes`. Beside a custom encoder it is required. A
        decoder gives logits when `loss` is
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

    noise_variance_ : float
        Variance of the decoder's Gaussian, in squared units of X: the mean squared
        error of training rows, or ``1e-12 * scale_**2`` where that is more. Only with
        ``loss="squared_error"``.

    See Also
    --------
    AutoencoderTransformer : Better reconstructions, but gaps in the latent space.

    References
    ----------
    .. [1] Kingma & Welling, "Auto-encoding variational Bayes", ICLR 2014.
       :arxiv:`1312.6114`
    .. [2] Rybkin, Daniilidis & Levine, "Simple and effective VAE training with
       calibrated decoders", ICML 2021. :arxiv:`2006.13202`
    .. [3] Sohn, Lee & Yan, "Learning structured output representation using deep
       conditional generative models", NeurIPS 2015.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import VariationalAutoencoder
    >>> X = load_digits().data / 16
    >>> vae = VariationalAutoencoder(2, max_epochs=5, random_state=0).fit(X)
    >>> vae.sample(3).shape
    (3, 64)
    """

    # Samples are better from random weights than from PCA, and with a deeper decoder.
    _dense = Dense((256, 128), activation="gelu", init="random")
    beta: float = 1.0
    kl_warmup: int = 0
    condition: Sequence[str | int] | None = None
    hidden_layer_sizes: int | Sequence[int] | None = None
    activation: str | None = None
    encoder: Network = None
    corruption: Callable | None = None
    optimizer: str | type[Optimizer] = "adam"
    lr: float | str = 3e-3
    max_epochs: int = 45
    early_stopping: bool | str = False

    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        **DENSE,
        "beta": [WEIGHT],
        "kl_warmup": [Interval(Integral, 0, None, closed="left")],
        "condition": ["array-like", None],
        "corruption": [callable, None],
    }

    def _networks(self) -> Networks:
        networks = super()._networks()
        is_default = self.encoder in (None, "dense") and self.hidden_layer_sizes is None
        is_own = self._dense is VariationalAutoencoder._dense  # not a subclass's
        if is_default and is_own and self.decoder is None:
            decoder = clone(networks.encoder).set_params(hidden_layer_sizes=_DECODER)
            networks = replace(networks, decoder=decoder)
        return replace(networks, module_class=VariationalAutoencoderModule)

    def _likelihood(self) -> Loss:
        loss = self.loss
        if isinstance(loss, str):
            return LIKELIHOODS[loss]
        return Loss.of(loss, as_likelihood=True)

    def _penalties(self) -> list[tuple[str, Any]]:
        return [("kl", KLDivergence(self.beta, warmup=self.kl_warmup))]

    def _after_fit(self, model: TrainedModel, data: WeightedRows) -> None:
        if model.loss.has_variance:
            model.noise_variance = measure_noise_variance(model, data)

    def _remedies(self) -> list[str]:
        if not self.beta:
            return []
        return [f"lower beta={self.beta:g}", "let beta rise with kl_warmup"]

    @property
    def noise_variance_(self) -> float:
        """Variance of the decoder's Gaussian, in squared units of X."""
        variance = self._fitted().noise_variance
        if variance is None:
            raise AttributeError("noise_variance_: the loss has no variance.")
        return variance * self._fitted().unit ** 2

    # A condition ------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        condition: Any = None,
    ) -> Self:
        """Train the autoencoder on X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows, images ``(n_samples, height, width)``, 4-D images with channels, or,
            with ``layout="signal"``, signals ``(n_samples, channels, length)``.

        y : Ignored
            Not used, present for consistency. Labels are a condition only where they
            are passed as one.

        sample_weight : array-like of shape (n_samples,) or float, default=None
            How much each row counts, in the loss, the penalties, the scaling and the
            code: 2 is the row twice, and 0 leaves it out. None is 1 for each.

        X_val : array-like of shape (n_val, n_features) or (n_val, ...), default=None
            Rows of your own to hold out, in the layout of X, instead of a part of X:
            the objective is measured on them after each epoch, and with
            `early_stopping` they decide which weights remain. They are not trained on.
            A Pipeline passes them on, transformed, with metadata routing and
            ``transform_input=["X_val"]``.

        condition : array-like of shape (n_samples,) or (n_samples, n_variables), \
                default=None
            What is known of each sample, such as labels or batches; both networks get
            it, and other methods need it, too. Integers, booleans and strings are
            categories, floats are numbers. A Pipeline passes it on with metadata
            routing. For what is in columns of X, set the parameter `condition` instead.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        DivergenceError
            If the training loss stops being finite. The estimator keeps the last
            finite weights.

        Warns
        -----
        CollapsedCodeWarning
            If the code has collapsed after ten epochs or more.
        FitWarning
            If columns of a table hardly count.
        """
        if X_val is not None and condition is not None:
            raise ValueError(
                "X_val has no condition. Set validation_fraction instead, or keep the "
                "condition in columns of X."
            )
        return super().fit(_with(X, condition), y, sample_weight, X_val=X_val)

    def partial_fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, condition: Any = None
    ) -> Self:
        """Train for one epoch on a chunk of data.

        The scaling, and the categories of a condition, are fixed by the first chunk;
        the training mean that `score` compares with is updated. No rows are held out.
        Later chunks are trained with the penalties, the corruption and the optimizer of
        the first; `lr`, `batch_size` and `precision` may change.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            A chunk, in the layout of the first one.

        y : Ignored
            Not used, present for consistency.

        sample_weight : array-like of shape (n_samples,) or float, default=None
            How much each row counts, as in `fit`.

        condition : array-like of shape (n_samples,) or (n_samples, n_variables), \
                default=None
            What is known of each sample, as in `fit`.

        Returns
        -------
        self : estimator
            The estimator itself.
        """
        return super().partial_fit(_with(X, condition), y, sample_weight)

    def fit_transform(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        condition: Any = None,
    ) -> np.ndarray:
        """Train the autoencoder on X, and encode X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples, as in `fit`.

        y : Ignored
            Not used, present for consistency.

        sample_weight : array-like of shape (n_samples,) or float, default=None
            How much each row counts, as in `fit`.

        X_val : array-like of shape (n_val, n_features) or (n_val, ...), default=None
            Rows of your own to hold out, as in `fit`.

        condition : array-like of shape (n_samples,) or (n_samples, n_variables), \
                default=None
            What is known of each sample, as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            The code of each sample.
        """
        self.fit(X, y, sample_weight, X_val=X_val, condition=condition)
        return self.transform(X, condition=condition)

    @lazy
    def transform(self, X: Any, *, condition: Any = None) -> np.ndarray:
        """Encode X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        condition : array-like, default=None
            What is known of each sample, if `fit` was given it: one value for all, or
            one for each.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            The code of each sample, without its condition.
        """
        return self._fitted().encode(self._check_X(_with(X, condition)))

    @lazy
    def inverse_transform(self, X: Any, *, condition: Any = None) -> np.ndarray:
        """Decode codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes.

        condition : array-like, default=None
            The condition to decode with, one value for all or one for each, if `fit`
            saw one, also in columns of X.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, ...)
            A reconstruction for each code, in the units of X and the layout that
            `fit` saw.
        """
        model = self._fitted()
        codes = checked_codes(X, self, model)
        return model.decode_to_samples(self._conditioned(codes, condition))

    @lazy
    def reconstruct(
        self, X: Any, *, condition: Any = None, new_condition: Any = None
    ) -> np.ndarray:
        """Encode and decode X in one pass, under another condition if one is given.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        condition : array-like, default=None
            What is known of each sample, if `fit` was given it: one value for all, or
            one for each.

        new_condition : array-like, default=None
            The condition to decode with. None keeps that of the samples.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, ...)
            The reconstructions.
        """
        model = self._fitted()
        codes = model.encode_conditioned(self._check_X(_with(X, condition)))
        if new_condition is not None:
            codes = self._conditioned(codes[:, : model.n_components], new_condition)
        return model.decode_to_samples(codes)

    def score(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        condition: Any = None,
    ) -> float:
        r"""Return :math:`R^2`, the fraction of the variance of X that is explained.

        :math:`R^2 = 1 - \sum (x - \hat x)^2 / \sum (x - \bar x)^2` over all entries,
        with :math:`\hat x` the reconstruction and :math:`\bar x` the training mean of
        each feature. What a condition explains counts, too.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        y : Ignored
            Not used, present for consistency.

        sample_weight : array-like of shape (n_samples,) or float, default=None
            How much each sample counts.

        condition : array-like, default=None
            What is known of each sample, if `fit` was given it: one value for all, or
            one for each.

        Returns
        -------
        float
            At most 1; the training mean as reconstruction gets 0.
        """
        return super().score(_with(X, condition), y, sample_weight)

    @lazy
    def score_samples(self, X: Any, *, condition: Any = None) -> np.ndarray:
        """Return the negative loss of each row.

        The loss is summed over features, in the units of X, without penalties: for the
        squared error it is half the squared distance between a row and its
        reconstruction. Low values indicate anomalies.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        condition : array-like, default=None
            What is known of each sample, if `fit` was given it: one value for all, or
            one for each.

        Returns
        -------
        ndarray of shape (n_samples,)
            The negative loss of each sample.
        """
        return super().score_samples(_with(X, condition))

    @lazy
    def impute(
        self,
        X: Any,
        n_draws: int | None = None,
        *,
        condition: Any = None,
        random_state: Any = None,
    ) -> Any:
        r"""Fill the gaps of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened, with NaN at gaps.

        n_draws : int or None, default=None
            Number of fillings that are drawn, to see how certain they are. None fills
            each gap with what is expected there, the value of `reconstruct`. Draws are
            decoded codes, with the noise of the decoder: 100 for each sample, weighted
            by how well they fit its observed entries.

        condition : array-like, default=None
            What is known of each sample, if `fit` was given it: one value for all, or
            one for each.

        random_state : int, RandomState instance or None, default=None
            Draws the fillings. None is the `random_state` of the estimator.

        Returns
        -------
        ndarray of shape (n_samples, ...) or (n_draws, n_samples, ...)
            X in its own type, with values where it is NaN. Without draws, a frame of
            pandas gives a frame with its index and its columns.

        Raises
        ------
        ValueError
            If `missing` is ``"error"``.
        """
        given = _with(X, condition)
        filled = super().impute(given, n_draws, random_state=random_state)
        return as_frame(filled, X) if n_draws is None else filled

    def sensitivity(self, X: Any, *, condition: Any = None) -> np.ndarray:
        r"""Return the sensitivity of the code of each sample to its input.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        condition : array-like, default=None
            What is known of each sample, if `fit` was given it: one value for all, or
            one for each.

        Returns
        -------
        ndarray of shape (n_samples,)
            The Frobenius norm :math:`\|\partial z / \partial x\|_F`, in units of the
            code for one unit of X.
        """
        return super().sensitivity(_with(X, condition))

    @lazy
    def hidden_layer(
        self, X: Any, layer: int | str = -1, *, condition: Any = None
    ) -> np.ndarray:
        """Return the activations of a hidden layer of the encoder.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        layer : int or "all", default=-1
            Which of the hidden layers: 0 is the first one, -1 the last one, whose
            activations the layer of the code takes. ``"all"`` is all of them, side by
            side.

        condition : array-like, default=None
            What is known of each sample, if `fit` was given it: one value for all, or
            one for each.

        Returns
        -------
        ndarray of shape (n_samples, n_units) or (n_samples, channels, ...)
            The activations. Those of a convolution are maps, flat before the code.

        Raises
        ------
        ValueError
            If the encoder has no such layer.

        See Also
        --------
        skae.DeepFeatures : The code and hidden layers as a transformer.
        """
        return super().hidden_layer(_with(X, condition), layer)

    def blend(
        self,
        X1: Any,
        X2: Any,
        alpha: Any = 0.5,
        *,
        kind: str = "representation",
        condition: Any = None,
        new_condition: Any = None,
    ) -> np.ndarray:
        """Blend samples with samples: see :func:`skae.blend`.

        Parameters
        ----------
        X1, X2 : array-like of shape (n_samples, ...) or of the shape of one sample
            The samples to blend. A single sample is blended with each of a batch.

        alpha : float or array-like of shape (n_samples,), default=0.5
            Weight of X2. Values outside [0, 1] extrapolate.

        kind : {"representation", "content"}, default="representation"
            Whether codes or inputs are mixed.

        condition : (array-like, array-like), default=None
            Of X1 and of X2, what is known of each sample, if `fit` was given it.

        new_condition : array-like, default=None
            The condition to decode with. None keeps those of the samples, mixed as
            their codes are.

        Returns
        -------
        ndarray of shape (n_samples, ...) or of the shape of one sample
            One blend for each pair.
        """
        if kind == "content" and new_condition is not None:
            raise ValueError(
                "A blend of kind='content' is not decoded: it takes no new_condition."
            )
        if kind == "content":
            return super().blend(X1, X2, alpha, kind=kind)
        blender, (X1, X2) = self._for_blending((X1, X2), condition, new_condition)
        return blender.blend(X1, X2, alpha, kind=kind)

    def interpolate(
        self,
        x1: Any,
        x2: Any,
        n_steps: int = 7,
        *,
        path: str = "linear",
        through: Any = None,
        condition: Any = None,
        new_condition: Any = None,
    ) -> np.ndarray:
        """Interpolate between samples: see :func:`skae.interpolate`.

        Parameters
        ----------
        x1, x2 : array-like of the shape of one sample or of shape (n_pairs, ...)
            Start and end of the interpolation.

        n_steps : int, default=7
            Number of points, including both ends.

        path : {"linear", "spherical", "projected", "data"}, default="linear"
            Path between the two codes.

        through : array-like of shape (n_others, ...) or None, default=None
            The samples that path ``"data"`` passes.

        condition : tuple of array-like, default=None
            Of `x1`, of `x2` and of `through`, if that is given, what is known of each
            sample, if `fit` was given it.

        new_condition : array-like, default=None
            The condition to decode with. None keeps those of the samples, which change
            along the path as the codes do.

        Returns
        -------
        ndarray of shape (n_steps, ...) or (n_pairs, n_steps, ...)
            The decoded points, for one pair or for each.
        """
        given = (x1, x2) if through is None else (x1, x2, through)
        blender, given = self._for_blending(given, condition, new_condition)
        x1, x2, *others = given
        return blender.interpolate(
            x1, x2, n_steps, path=path, through=others[0] if others else None
        )

    def mix(
        self,
        X: Any,
        weights: Any,
        *,
        condition: Any = None,
        new_condition: Any = None,
    ) -> np.ndarray:
        """Decode weighted sums of codes: see :func:`skae.mix`.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            The samples to mix.

        weights : array-like of shape (n_samples,) or (n_mixtures, n_samples)
            Weights of the codes, not normalised.

        condition : array-like, default=None
            What is known of each sample, if `fit` was given it: one value for all, or
            one for each.

        new_condition : array-like, default=None
            The condition to decode with. None keeps those of the samples, summed as
            their codes are.

        Returns
        -------
        ndarray of shape (n_mixtures, ...)
            One mixture for each row of `weights`.
        """
        given = None if condition is None else (condition,)
        blender, (X,) = self._for_blending((X,), given, new_condition)
        return blender.mix(X, weights)

    def _conditioned(self, codes: np.ndarray, condition: Any) -> np.ndarray:
        """Return codes with a condition, as the decoder takes them."""
        model = self._fitted()
        known = model.condition
        if (known is None) != (condition is None):
            raise ValueError(_wrong_condition(known is None))
        if known is None:
            return codes
        encoded = known.encode(condition, len(codes))
        return np.hstack([codes, encoded]).astype(model.dtype)

    def _for_blending(
        self, samples: tuple[Any, ...], conditions: Any, new_condition: Any
    ) -> tuple[Blender, tuple[Any, ...]]:
        """Return a blender, and samples as it takes them, with their conditions."""
        model, blender = self._fitted(), blender_of(self)
        if new_condition is not None:

            def decode(codes: np.ndarray) -> np.ndarray:
                bare = codes[:, : model.n_components]
                return model.decode_to_samples(self._conditioned(bare, new_condition))

            blender = replace(blender, decode=decode)
        if conditions is None:
            return blender, samples
        if not isinstance(conditions, (tuple, list)) or len(conditions) != len(samples):
            raise ValueError(
                f"condition={conditions!r} must hold {len(samples)} conditions, one "
                "for each argument with samples."
            )
        joined = []
        for X, condition in zip(samples, conditions, strict=True):
            batch, is_one = as_batch(X, blender.shapes, "X")
            rows = np.asarray(self._check_X(Given(batch, condition)))
            joined.append(rows[0] if is_one else rows)
        shapes = ((model.n_features + model.n_condition,), None)
        blender = replace(blender, encode=model.encode_conditioned, shapes=shapes)
        return blender, tuple(joined)

    # The distribution of codes and samples ----------------------------------------

    def posterior(
        self, X: Any, *, condition: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the distribution of the code of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        condition : array-like, default=None
            What is known of each sample, if `fit` was given it: one value for all, or
            one for each.

        Returns
        -------
        mean : ndarray of shape (n_samples, n_components)
            The code, as `transform` returns it.

        std : ndarray of shape (n_samples, n_components)
            Standard deviation of each unit.
        """
        rows = self._check_X(_with(X, condition))
        both = mean_and_std(self._fitted(), rows)
        return both[:, 0], both[:, 1]

    def sample(
        self,
        n_samples: int = 1,
        *,
        condition: Any = None,
        noise: bool = False,
        random_state: Any = None,
    ) -> np.ndarray:
        """Decode samples of the prior: new samples like the training data.

        Parameters
        ----------
        n_samples : int, default=1
            Number of samples.

        condition : array-like, default=None
            The condition to decode with, one value for all or one for each, if `fit`
            saw one, also in columns of X.

        noise : bool, default=False
            Whether to sample from the decoder's distribution instead of returning its
            mean: Gaussian noise of variance `noise_variance_`, or Bernoulli or Poisson
            samples with the other losses.

        random_state : int, RandomState instance or None, default=None
            Draws the samples. None is the `random_state` of the estimator.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the units of X and the layout that `fit` saw.
        """
        model = self._fitted()
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        draw = model.loss.draw
        if noise and draw is None:
            raise ValueError(_no_likelihood("sample(noise=True)", self.loss))
        rng = random_source(self, random_state)
        codes = rng.standard_normal((n_samples, model.n_components))
        codes = self._conditioned(codes.astype(model.dtype), condition)
        if not noise or draw is None:
            return model.decode_to_samples(codes)
        return model.draw_samples(codes, rng)

    def log_likelihood(
        self,
        X: Any,
        n_samples: int = 100,
        *,
        condition: Any = None,
        random_state: Any = None,
    ) -> np.ndarray:
        r"""Estimate the log-density of each sample by importance sampling.

        :math:`\log \frac1K \sum_k p(x|z_k)\, p(z_k) / q(z_k|x)` with :math:`z_k` drawn
        from the posterior [1]_. In expectation it is a lower bound, which tightens as
        :math:`K` grows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        n_samples : int, default=100
            Number :math:`K` of draws for each sample.

        condition : array-like, default=None
            What is known of each sample, if `fit` was given it: one value for all, or
            one for each.

        random_state : int, RandomState instance or None, default=None
            Draws the codes. None is the `random_state` of the estimator.

        Returns
        -------
        ndarray of shape (n_samples,)
            Natural logarithm of the density, in the units of X, or of the
            probability, for the losses of discrete data.

        References
        ----------
        .. [1] Burda, Grosse & Salakhutdinov, "Importance weighted autoencoders",
           ICLR 2016. :arxiv:`1509.00519`
        """
        model = self._fitted()
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        if model.loss.log_density is None:
            raise ValueError(_no_likelihood("log_likelihood", self.loss))
        source = random_source(self, random_state)
        rows = self._check_X(_with(X, condition))
        return log_likelihood(model, rows, n_samples, source)


def _with(X: Any, condition: Any) -> Any:
    """Return samples with the condition that is given beside them, if any is."""
    return X if condition is None else Given(X, condition)


def _wrong_condition(is_free: bool) -> str:
    if is_free:
        return "The estimator was fitted without a condition. Pass none."
    return (
        "The estimator was fitted with a condition, which the decoder needs. Pass one "
        "value for all samples or one for each: inverse_transform(Z, condition=value) "
        "or sample(10, condition=value)."
    )


def _no_likelihood(what: str, loss: Any) -> str:
    likelihoods = [name for name, loss in LIKELIHOODS.items() if loss.log_density]
    *first, last = map(repr, likelihoods)
    return (
        f"{what} needs a loss that is a likelihood, but fit was given "
        f"{f'loss={loss!r}' if isinstance(loss, str) else 'a function'}. Use "
        f"{', '.join(first)} or {last}."
    )
