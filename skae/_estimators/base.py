"""How every estimator is fitted: written once, and four questions asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from functools import wraps
from numbers import Real
from typing import Any, ClassVar

import torch
from numpy.random import RandomState
from sklearn.base import clone
from sklearn.utils._param_validation import Hidden, Interval, RealNotInt, StrOptions
from sklearn.utils.validation import validate_data
from torch import nn
from torch.optim import Optimizer

from skae._data.batches import Rows
from skae._data.layout import LAYOUTS, infer_layout
from skae._data.rows import check_range, first_rows, resolve_dtype
from skae._data.statistics import describe
from skae._estimators.checks import check_conflict, check_instances, check_net_params
from skae._estimators.fitted import FittedAutoencoder
from skae._estimators.parameters import (
    COUNT,
    NETWORK,
    WEIGHT,
    Network,
    check_nested,
    is_net_param,
    nested_penalties,
    parameters,
    set_nested_penalties,
)
from skae._estimators.planning import OPTIMIZERS, copy_of
from skae._exceptions import DivergenceError
from skae._model.collapse import warn_if_collapsed
from skae._networks.architectures import ACTIVATIONS, Conv, Dense, is_shipped, resolve
from skae._networks.modules import AutoencoderModule, without_link
from skae._objective.losses import LOSSES, Loss
from skae._objective.penalties import L1Sparsity
from skae._training.build import STOPPING, build_net, find_batch_size, refresh_net
from skae._training.callbacks import reported_epochs, with_callbacks
from skae._training.net import LR_SCHEDULES
from skae._training.precision import find_precision
from skae._training.progress import shown_epochs


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


@parameters
class BaseAutoencoder(FittedAutoencoder):
    """What all autoencoders share. A named class answers one of four questions.

    Which encoder and decoder (`_dense`, :meth:`_slots`, :meth:`_code_layer`), what
    corrupts the input (:meth:`_corruption`), which penalties
    (:meth:`_own_penalties`) and which module joins them (`_module_class`, with the
    losses that it knows in `_losses`).
    """

    _module_class = AutoencoderModule
    _losses = LOSSES
    _dense = Dense()
    net_: ClassVar[Any]
    _statistics: ClassVar[Any]

    n_components: int = field(default=16, kw_only=False)
    decoder: Network = None
    penalty: Callable | list | None = None
    augmentation: Callable | None = None
    loss: str | Callable = "squared_error"
    layout: str | None = None
    optimizer: str | type[Optimizer] = "adam"
    lr: float = 1e-3
    weight_decay: float | None = None
    lr_schedule: str | Callable[[float], float] = "one_cycle"
    max_epochs: int = 100
    batch_size: int | str = "auto"
    validation_fraction: float | None = None
    early_stopping: bool = False
    n_iter_no_change: int | None = 10
    tol: float = 1e-4
    warm_start: bool = False
    callbacks: list | None = None
    net_params: dict[str, Any] | None = None
    device: str = "auto"
    dtype: str = "float32"
    precision: str = "float32"
    random_state: int | RandomState | None = None
    verbose: int = 0

    _parameter_constraints: ClassVar = {
        "n_components": [COUNT],
        "decoder": NETWORK,
        "penalty": [callable, list, None],
        "augmentation": [callable, None],
        "loss": [StrOptions(set(LOSSES)), callable],
        "layout": [StrOptions(set(LAYOUTS)), None],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [WEIGHT, None],
        "lr_schedule": [StrOptions(set(LR_SCHEDULES)), callable],
        "max_epochs": [COUNT],
        "batch_size": [COUNT, StrOptions({"auto"})],
        "validation_fraction": [Interval(RealNotInt, 0, 1, closed="neither"), None],
        "early_stopping": ["boolean"],
        "n_iter_no_change": [COUNT, None],
        "tol": [WEIGHT],
        "warm_start": ["boolean"],
        "callbacks": [list, None],
        "net_params": [dict, None],
        "device": [str, Hidden(torch.device)],
        "dtype": [StrOptions({"float32", "float64", "auto"})],
        "precision": [StrOptions({"float32", "bfloat16", "auto"})],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # Parameters -------------------------------------------------------------------

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
        if deep:
            params.update(nested_penalties(params["penalty"]))
        if deep and isinstance(params["net_params"], dict):
            for name, value in params["net_params"].items():
                if is_net_param(name):
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
        check_nested(super().get_params(deep=False), params)
        of_net = {k: params.pop(k) for k in list(params) if is_net_param(k)}
        penalties: Any = params.get("penalty", self.penalty)
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
            self.penalty = set_nested_penalties(penalties, nested)
        if of_net:
            self.net_params = {**(self.net_params or {}), **of_net}
        return self

    # The four questions -----------------------------------------------------------

    def _slots(self):
        """Return the encoder and the decoder slot, resolved."""
        check_conflict(self, "hidden_layer_sizes", "encoder")
        check_conflict(self, "activation", "encoder")
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
            decoder = resolve(self.decoder, "decoder")
            if isinstance(decoder, nn.Module):
                return without_link(decoder, self._find_loss().link)
            return decoder
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

        Warns
        -----
        CollapsedCodeWarning
            If the code holds next to nothing after ten epochs or more.
        """
        goes_on = self.warm_start and self.__sklearn_is_fitted__()
        rows = self._prepare(X, goes_on=goes_on, keep_statistics=False)
        self._train(rows, self.max_epochs)
        warn_if_collapsed(self, rows)
        return self

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
        check_instances(self)
        check_net_params(self)
        if goes_on:
            self._check_unchanged()
            rows = self._check_X(X)
            statistics = describe(rows)
            self._find_loss().check(statistics.low, statistics.high)
            if keep_statistics:  # a chunk more: callbacks go on with what they know
                statistics = self._statistics.merge(statistics)
            else:
                refresh_net(self.net_, self, self.n_features_in_)
                self._trained_with = copy_of(self)
        else:
            rows, sample_shape, named = first_rows(X, self)
            encoder, decoder = self._slots()
            layout = self._find_layout(sample_shape, encoder, decoder)
            dtype = resolve_dtype(self.dtype, rows)
            check_range(rows, dtype)
            statistics = describe(rows)
            self._find_loss().check(statistics.low, statistics.high)
            net = build_net(
                self, encoder, decoder, layout, statistics, dtype, rows=rows
            )
            # From here on nothing can fail: the old fit, if any, is replaced.
            validate_data(self, named, reset=True, skip_check_array=True)
            self.net_ = net
            self.image_shape_ = layout.image_shape
            self.scale_ = statistics.scale
            self._layout = layout
            self._dtype = dtype
            self._n_features_out = self.n_components
            self._fitted_loss = self.loss
            self._built_with = self._trained_with = copy_of(self)
        self._statistics = statistics
        self.mean_ = statistics.mean
        return rows

    def _check_unchanged(self):
        """Refuse to go on from weights that no longer fit the parameters."""
        trained = {"n_components": self._n_features_out, "loss": self._fitted_loss}
        for name, value in trained.items():
            if getattr(self, name) != value:
                raise ValueError(
                    f"{name}={getattr(self, name)!r}, but the weights to go on from "
                    f"were trained with {name}={value!r}. Set it back, or fit a clone."
                )

    def _find_layout(self, sample_shape, encoder, decoder):
        convolutions = [slot for slot in (encoder, decoder) if isinstance(slot, Conv)]
        shapes = [c.image_shape for c in convolutions if c.image_shape is not None]
        if any(tuple(shape) != tuple(shapes[0]) for shape in shapes):
            raise ValueError(
                f"image_shape={shapes[0]!r} of the encoder contradicts image_shape="
                f"{shapes[1]!r} of the decoder. Give one of them."
            )
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
        batch_shape = (min(net.batch_size, len(rows)), rows.shape[1])
        net.precision = find_precision(
            self.precision, net.module_, batch_shape, net.device
        )
        if net.lr != self.lr:
            net.set_params(lr=self.lr)
        with (
            shown_epochs(self, net, n_epochs),
            reported_epochs(self, net, rows, n_epochs),
        ):
            net.partial_fit(Rows(rows, self._dtype), None, epochs=n_epochs)
        return self
