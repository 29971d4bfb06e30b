"""The estimator: fit, transform and the rest, written once for every class."""

from __future__ import annotations

from functools import partial, wraps
from typing import Any

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from skae import _params, blending
from skae._batches import Rows
from skae._callbacks import CallbackSupportMixin, reported_epochs, with_callbacks
from skae._exceptions import DivergenceError
from skae._inference import map_rows
from skae._layout import infer_layout
from skae._rows import check_range, check_rows, first_rows
from skae._statistics import describe
from skae._training import STOPPING, build_net, find_batch_size
from skae.architectures import ACTIVATIONS, Conv, Dense, is_shipped, resolve
from skae.jacobian import exact_squared_norm
from skae.losses import LOSSES, Loss
from skae.modules import AutoencoderModule
from skae.penalties import L1Sparsity


def undone_on_error(method):
    """Let a fit that fails leave the estimator as it was.

    Two failures leave trained weights, which are kept: divergence and Ctrl-C.
    """

    @wraps(method)
    def guarded(self, *args, **kwargs):
        before = dict(vars(self))
        try:
            return method(self, *args, **kwargs)
        except DivergenceError:
            raise
        except Exception:
            vars(self).clear()
            vars(self).update(before)
            raise

    return guarded


class BaseAutoencoder(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """What all autoencoders share. A named class answers one of four questions.

    Which encoder and decoder (`_dense`, :meth:`_slots`, :meth:`_code_layer`), what
    corrupts the input (:meth:`_corruption`), which penalties
    (:meth:`_own_penalties`) and which module joins them (`_module_class`, with the
    losses that it knows in `_losses`).
    """

    _module_class = AutoencoderModule
    _losses = LOSSES
    _dense = Dense()
    net_: Any  # set by fit, as is the next one
    _statistics: Any
    _doc_link_module = "skae"

    def __init__(
        self,
        n_components,
        *,
        decoder,
        penalty,
        loss,
        layout,
        optimizer,
        lr,
        weight_decay,
        lr_schedule,
        max_epochs,
        batch_size,
        validation_fraction,
        early_stopping,
        n_iter_no_change,
        tol,
        warm_start,
        callbacks,
        net_params,
        device,
        dtype,
        random_state,
        verbose,
    ):
        self.n_components = n_components
        self.decoder = decoder
        self.penalty = penalty
        self.loss = loss
        self.layout = layout
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.lr_schedule = lr_schedule
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.net_params = net_params
        self.device = device
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    # The four questions -----------------------------------------------------------

    def _slots(self):
        """Return the encoder and the decoder slot, resolved."""
        _params.check_conflict(self, "hidden_layer_sizes", "encoder")
        _params.check_conflict(self, "activation", "encoder")
        if self.encoder in (None, "dense"):
            names = ("hidden_layer_sizes", "activation")
            given = {name: getattr(self, name) for name in names}
            encoder = clone(self._dense).set_params(
                **{name: value for name, value in given.items() if value is not None}
            )
        else:
            encoder = resolve(self.encoder, "encoder")
        return encoder, self._decoder_slot(encoder)

    def _decoder_slot(self, encoder):
        if self.decoder is not None:
            return resolve(self.decoder, "decoder")
        if not is_shipped(encoder):
            raise ValueError(
                "An encoder of your own cannot be mirrored. Pass a decoder too: "
                "'dense', 'conv', or a builder (n_in, n_out) -> torch.nn.Module."
            )
        return encoder

    def _code_layer(self):
        """Return what makes the last layer of the encoder, or None."""
        name = getattr(self, "code_activation", None)
        return None if name in (None, "identity") else ACTIVATIONS[name]

    def _corruption(self):
        """Return what corrupts a batch, or None."""
        return self.corruption

    def _own_penalties(self):
        """Return the named penalties that the class itself adds."""
        sparsity = getattr(self, "sparsity", 0)
        return [("sparsity", L1Sparsity(sparsity))] if sparsity else []

    # Fitting ----------------------------------------------------------------------

    @undone_on_error
    @with_callbacks
    def fit(self, X, y=None):
        """Train the autoencoder on X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows, pictures ``(n_samples, height, width)``, 4-D pictures with channels,
            or, with ``layout="signal"``, signals ``(n_samples, channels, length)``.

        y : Ignored
            Not used, present for consistency.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        DivergenceError
            If the training loss stops being finite. The estimator keeps the last
            finite weights.
        """
        goes_on = self.warm_start and self.__sklearn_is_fitted__()
        rows = self._prepare(X, goes_on=goes_on, keep_statistics=False)
        return self._train(rows, self.max_epochs)

    @undone_on_error
    @with_callbacks
    def partial_fit(self, X, y=None):
        """Train for one epoch on a chunk of data.

        The scaling is fixed by the first chunk; the training mean that `score`
        compares with is updated. No rows are held out.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            A chunk, in the layout of the first one.

        y : Ignored
            Not used, present for consistency.

        Returns
        -------
        self : estimator
            The estimator itself.
        """
        goes_on = self.__sklearn_is_fitted__()
        rows = self._prepare(X, goes_on=goes_on, keep_statistics=goes_on)
        with self.net_.plain_epochs(STOPPING):
            return self._train(rows, 1)

    def _prepare(self, X, *, goes_on, keep_statistics):
        """Check everything, then set everything, and return the rows to train on."""
        self._validate_params()
        _params.check_net_params(self.net_params or {}, self)
        if goes_on:
            rows = self._check_X(X)
            statistics = describe(rows)
            self._find_loss().check(statistics.low, statistics.high)
            if keep_statistics:
                statistics = self._statistics.merge(statistics)
            net = self.net_
        else:
            rows, sample_shape, named = first_rows(X, self)
            encoder, decoder = self._slots()
            layout = self._find_layout(sample_shape, encoder, decoder)
            dtype = _params.resolve_dtype(self.dtype, rows)
            check_range(rows, dtype)
            statistics = describe(rows)
            self._find_loss().check(statistics.low, statistics.high)
            net = build_net(self, rows, encoder, decoder, layout, statistics, dtype)
            # From here on nothing can fail: the old fit, if any, is replaced.
            validate_data(self, named, reset=True, skip_check_array=True)
            self.net_ = net
            self.image_shape_ = layout.image_shape
            self.scale_ = statistics.scale
            self._layout = layout
            self._dtype = dtype
            self._n_features_out = self.n_components
        self._statistics = statistics
        self.mean_ = statistics.mean
        return rows

    def _find_layout(self, sample_shape, encoder, decoder):
        convolutions = [slot for slot in (encoder, decoder) if isinstance(slot, Conv)]
        shapes = [c.image_shape for c in convolutions if c.image_shape is not None]
        return infer_layout(
            sample_shape,
            layout=self.layout,
            image_shape=shapes[0] if shapes else None,
            needs_image=bool(convolutions),
        )

    def _find_loss(self):
        return (
            self._losses[self.loss] if isinstance(self.loss, str) else Loss(self.loss)
        )

    def _train(self, rows, n_epochs):
        net = self.net_
        net.batch_size = find_batch_size(self.batch_size, len(rows))
        if net.lr != self.lr:
            net.set_params(lr=self.lr)
        with reported_epochs(self, net, rows, n_epochs):
            net.partial_fit(Rows(rows, self._dtype), None, epochs=n_epochs)
        return self

    # What a fitted estimator knows --------------------------------------------------

    def __sklearn_is_fitted__(self):
        return hasattr(self, "net_")

    @property
    def encoder_(self):
        """The trained encoder, from flat rows to what `transform` gives."""
        check_is_fitted(self)
        return self.net_.module_.code_layers()

    @property
    def decoder_(self):
        """The trained decoder, from codes to flat rows, link included."""
        check_is_fitted(self)
        return torch.nn.Sequential(self.net_.module_.decoder, self.net_.module_.link)

    @property
    def history_(self):
        """One dict for each epoch: its number and every term of the objective."""
        check_is_fitted(self)
        return [
            {
                name: value if name == "epoch" else float(value)
                for name, value in epoch.items()
                if name == "epoch" or _is_term(name, epoch)
            }
            for epoch in self.net_.history
        ]

    @property
    def n_iter_(self):
        """Number of epochs trained so far."""
        check_is_fitted(self)
        return len(self.net_.history)

    # Using it -----------------------------------------------------------------------

    def transform(self, X):
        """Encode X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            The code of each sample.
        """
        check_is_fitted(self)
        return self._map(self.net_.module_.encode, self._check_X(X))

    def inverse_transform(self, X):
        """Decode codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, ...)
            A reconstruction for each code, in the units of X and the layout that
            `fit` saw.
        """
        check_is_fitted(self)
        codes = check_array(X, dtype=self._dtype, estimator=self)
        if codes.shape[1] != self._n_features_out:
            raise ValueError(
                f"X has {codes.shape[1]} columns, but {type(self).__name__} was "
                f"fitted with n_components={self._n_features_out}."
            )
        return self._layout.restore(self._map(self.net_.module_.decode, codes))

    def reconstruct(self, X):
        """Encode and decode X in one pass.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, ...)
            ``inverse_transform(transform(X))``.
        """
        check_is_fitted(self)
        module = self.net_.module_
        rows = self._map(lambda x: module.decode(module.encode(x)), self._check_X(X))
        return self._layout.restore(rows)

    def score_samples(self, X):
        """Return minus the loss of each row.

        The loss is summed over features, in the units of X, and penalties do not
        enter: for the squared error it is half the squared distance between a row and
        its reconstruction. Low values mark anomalies.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        Returns
        -------
        ndarray of shape (n_samples,)
            Minus the loss of each sample.
        """
        check_is_fitted(self)
        module = self.net_.module_
        loss = LOSSES[self.loss].function if isinstance(self.loss, str) else self.loss

        def minus_loss(x):
            values = loss(module.decoder(module.encode(x)), x)
            return -values.flatten(1).sum(1) if values.ndim > 1 else -values

        return self._map(minus_loss, self._check_X(X))

    def score(self, X, y=None):
        r"""Return the share of the variance of X that reconstructions keep.

        :math:`R^2 = 1 - \sum (x - \hat x)^2 / \sum (x - \bar x)^2` over all entries,
        with :math:`\bar x` the training mean of each feature: the scale of
        ``PCA(...).explained_variance_ratio_.sum()``. It is not the mean of
        `score_samples`. It only grows with the size of the code and falls with every
        penalty, so weights of penalties are searched by the score of what comes
        after, such as a classifier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        y : Ignored
            Not used, present for consistency.

        Returns
        -------
        float
            At most 1; 0 is what the training mean would get.
        """
        check_is_fitted(self)
        rows = self._check_X(X)
        module = self.net_.module_

        def squares(x):
            return ((module.decode(module.encode(x)) - x) ** 2).sum(1)

        error = self._map(squares, rows).sum(dtype=np.float64)
        seen = describe(rows)
        offset = (seen.mean - self.mean_) ** 2
        total = seen.n_rows * (seen.variance + offset).sum()
        if total == 0:
            return float(error == 0)
        return float(1 - error / total)

    def sensitivity(self, X):
        r"""Return how strongly the code of each sample answers to its input.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        Returns
        -------
        ndarray of shape (n_samples,)
            The Frobenius norm :math:`\|\partial z / \partial x\|_F`, in units of the
            code for one unit of X.
        """
        check_is_fitted(self)
        norm = partial(exact_squared_norm, self.encoder_, create_graph=False)
        return np.sqrt(self._map(norm, self._check_X(X), inference=False))

    def blend(self, X1, X2, alpha=0.5, *, kind="representation"):
        """Blend samples with samples: see :func:`skae.blend`.

        Parameters
        ----------
        X1, X2 : array-like of shape (n_samples, ...) or of the shape of one sample
            What to blend. A sample and a batch are blended with each other.

        alpha : float or array-like of shape (n_samples,), default=0.5
            Share of X2. Outside [0, 1] it extrapolates.

        kind : {"representation", "content"}, default="representation"
            Whether codes or inputs are mixed.

        Returns
        -------
        ndarray of shape (n_samples, ...) or of the shape of one sample
            One blend for each pair.
        """
        return blending.blend(self, X1, X2, alpha, kind=kind)

    def interpolate(self, x1, x2, n_steps=7, *, path="linear"):
        """Walk from one sample to another: see :func:`skae.interpolate`.

        Parameters
        ----------
        x1, x2 : array-like of the shape of one sample or of shape (n_pairs, ...)
            Where the walk begins and ends.

        n_steps : int, default=7
            Number of points of the walk, both ends included.

        path : {"linear", "spherical"}, default="linear"
            The way between the two codes.

        Returns
        -------
        ndarray of shape (n_steps, ...) or (n_pairs, n_steps, ...)
            The decoded walk, or one for each pair.
        """
        return blending.interpolate(self, x1, x2, n_steps, path=path)

    def mix(self, X, weights):
        """Decode weighted sums of codes: see :func:`skae.mix`.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            The samples to mix.

        weights : array-like of shape (n_samples,) or (n_mixtures, n_samples)
            Weights of the codes, used as given.

        Returns
        -------
        ndarray of shape (n_mixtures, ...)
            One mixture for each row of `weights`.
        """
        return blending.mix(self, X, weights)

    def _check_X(self, X):
        """Return the flat rows of X, checked against what `fit` saw."""
        rows = check_rows(X, self, self._layout.sample_shape)
        check_range(rows, self._dtype)
        return rows

    def _draw_source(self, random_state):
        """Return what a method draws from: the estimator's random_state on None."""
        own = self.random_state if random_state is None else random_state
        return check_random_state(own)

    def _torch_generator(self, random_state, device):
        seed = self._draw_source(random_state).randint(np.iinfo(np.int32).max)
        return torch.Generator(device=device).manual_seed(int(seed))

    def _map(self, function, rows, *, inference=True):
        module = self.net_.module_
        if module.training:
            module.eval()
        return map_rows(
            function,
            rows,
            dtype=self._dtype,
            device=self.net_.device,
            inference=inference,
        )

    # Parameters and tags ------------------------------------------------------------

    def get_params(self, deep=True):
        """Return the parameters, nested ones and settings of the net included.

        Parameters
        ----------
        deep : bool, default=True
            Whether to return what is nested, too.

        Returns
        -------
        dict
            Names and values.
        """
        params = super().get_params(deep)
        params.update(_params.nested_penalties(params["penalty"], deep))
        if deep and isinstance(params["net_params"], dict):
            for name, value in params["net_params"].items():
                if _params.is_net_param(name):
                    params.setdefault(name, value)
        return params

    def set_params(self, **params):
        """Set parameters, nested ones and settings of the net included.

        Parameters
        ----------
        **params : dict
            Names and values, such as ``n_components=8``, ``penalty__weight=0.1`` or
            ``optimizer__weight_decay=1e-4``.

        Returns
        -------
        self : estimator
            The estimator itself.
        """
        of_net = {k: params.pop(k) for k in list(params) if _params.is_net_param(k)}
        penalties = params.get("penalty", self.penalty)
        nested = {}
        if isinstance(penalties, list):
            start = "penalty__"
            nested = {
                k.removeprefix(start): params.pop(k)
                for k in list(params)
                if k.startswith(start)
            }
        super().set_params(**params)
        if nested:
            self.penalty = _params.set_nested_penalties(penalties, nested)
        if of_net:
            self.net_params = {**(self.net_params or {}), **of_net}
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.positive_only = self.loss == "poisson"
        kept = ["float64", "float32"] if self.dtype == "auto" else [self.dtype]
        tags.transformer_tags.preserves_dtype = kept
        return tags


def _is_term(name, epoch):
    """Tell whether skorch's history of an epoch holds a term of the objective here."""
    marks_best = name.endswith("_best") and name.removesuffix("_best") in epoch
    counts = name.endswith(("_batch_size", "_batch_count"))
    return name.startswith(("train_", "valid_")) and not (marks_best or counts)
