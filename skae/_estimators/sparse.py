"""The sparse autoencoder: a code with exact zeros."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from numbers import Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from skae._estimators.base import BaseAutoencoder
from skae._estimators.parameters import CODE, DENSE, Network, parameters
from skae._networks.architecture import ACTIVATIONS, COUNT
from skae._networks.layers import LifetimeTopK, TopK
from skae._objective.penalties import KLSparsity, L1Sparsity
from skae._training.plan import Networks


@parameters
class SparseAutoencoder(BaseAutoencoder):
    r"""Autoencoder with a sparse code: few units are active, the others exactly zero.

    The objective of :class:`AutoencoderTransformer` with one of

    ``"l1"``
        :math:`\lambda \sum_i |z_i|` on a ReLU code, each unit divided by its root mean
        square over the batch; :class:`L1Sparsity` is the same as a penalty.
    ``"kl"``
        :math:`\lambda \sum_i \mathrm{KL}(\rho \| \hat\rho_i)` on a code in [0, 1], with
        :math:`\hat\rho_i` the mean of unit i over the batch [1]_.
    ``"topk"``
        no penalty: all but the `n_active` largest units of a ReLU code are set to
        zero [2]_.
    ``"lifetime"``
        no penalty: in training only the largest values of each unit over the rows of a
        batch remain, a fraction `target_activation` of the rows and at least one, and
        the others are set to zero [3]_. No unit can become inactive, or be active for
        every sample, which suits a code larger than X. `transform` returns the whole
        ReLU code.

    Read more in the :ref:`user guide <guide-sparse-codes>`.

    Parameters
    ----------
    n_components : int, default=16
        Size of the code: the number of columns that :meth:`transform` returns.

    sparsity : float, default=0.1
        Weight :math:`\lambda` of the penalty of `method`. ``"topk"`` and ``"lifetime"``
        have none and ignore it.

    method : {"l1", "kl", "topk", "lifetime"}, default="l1"
        How the code is made sparse.

    target_activation : float, default=0.05
        Target of the mean activation of each unit for ``method="kl"``; fraction of the
        rows of a batch for which each unit is active in training with
        ``method="lifetime"``.

    n_active : int or None, default=None
        Number of active units for each sample with ``method="topk"``. None is a quarter
        of the units, at least 1.

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
        ``"silu"``, ``"softplus"`` or ``"tanh"``. None is ``"relu"``, and
        ``"hardsigmoid"`` for ``method="kl"``, which needs a code in [0, 1]: both give
        exact zeros.

    corruption : callable or None, default=None
        Transformation of the rows of a batch before they are encoded in training,
        ``corruption(x, generator)``; the target stays clean. It can also make the code
        a better input for a classifier: with ``MaskingNoise(0.3)`` a logistic
        regression on 128 convolutional features of MNIST beats one on the pixels.

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

    sparsity: float = 0.1
    method: str = "l1"
    target_activation: float = 0.05
    n_active: int | None = None
    hidden_layer_sizes: int | Sequence[int] | None = None
    activation: str | None = None
    encoder: Network = None
    code_activation: str | None = None
    corruption: Callable | None = None

    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        **DENSE,
        **CODE,
        "method": [StrOptions({"l1", "kl", "topk", "lifetime"})],
        "target_activation": [Interval(Real, 0, 1, closed="neither")],
        "n_active": [COUNT, None],
        "corruption": [callable, None],
    }

    def _networks(self) -> Networks:
        return replace(super()._networks(), code_activation=self._sparse_layer())

    def _sparse_layer(self) -> Callable[[], nn.Module]:
        """Return a factory of the activation of the code and its selection of units."""
        default = "hardsigmoid" if self.method == "kl" else "relu"
        name = self.code_activation or default
        if self.method == "kl" and name not in ("sigmoid", "hardsigmoid"):
            raise ValueError(
                f"method='kl' needs a code in [0, 1], but code_activation={name!r} "
                "gives another range. Choose 'sigmoid', 'hardsigmoid' or None."
            )
        activation = ACTIVATIONS[name]
        if self.method == "topk":
            n_active = self._resolve_n_active()
            return partial(_activate_and_select, activation, TopK, n_active)
        if self.method == "lifetime":
            fraction = self.target_activation
            return partial(_activate_and_select, activation, LifetimeTopK, fraction)
        return activation

    def _resolve_n_active(self) -> int:
        if self.n_active is None:
            return max(1, self.n_components // 4)
        if self.n_active > self.n_components:
            raise ValueError(
                f"n_active={self.n_active} units cannot be active in a code of "
                f"n_components={self.n_components}."
            )
        return self.n_active

    def _penalties(self) -> list[tuple[str, Any]]:
        if self.method in ("topk", "lifetime") or not self.sparsity:
            return []
        if self.method == "l1":
            return [("sparsity", L1Sparsity(self.sparsity))]
        target = self.target_activation
        return [("sparsity", KLSparsity(self.sparsity, target_activation=target))]

    def _remedies(self) -> list[str]:
        if self.method == "topk":
            return ["raise n_active"]
        if self.method == "l1":
            return super()._remedies()
        own = f"raise target_activation={self.target_activation:g}"
        return [*super()._remedies(), own]


def _activate_and_select(
    activation: Callable[[], nn.Module],
    select: Callable[[Any], nn.Module],
    how_much: float,
) -> nn.Module:
    return nn.Sequential(activation(), select(how_much))
