"""The base class of all estimators: parameters, `fit` and the public methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from functools import partial
from numbers import Integral
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
from numpy.random import RandomState
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted
from torch.optim import Optimizer

from skae._ahead import fitted
from skae._data.rows import as_frame, check_rows
from skae._data.weights import WeightedRows, check_weight
from skae._documented import DocumentedEstimator
from skae._estimators.checks import check_parameters
from skae._estimators.files import document_of, restore
from skae._estimators.fitting import (
    checked_codes,
    checked_rows,
    course_of,
    extend,
    holding,
    later,
    resume,
    settled,
    start,
    train,
    validated,
)
from skae._estimators.parameters import (
    SHARED,
    Network,
    check_nested,
    divide_params,
    nested_params,
    parameters,
    with_nested,
)
from skae._estimators.planning import (
    code_activation_layer,
    common_remedies,
    lower_weights,
    make_plan,
    make_task,
    random_source,
    resolve_decoder,
    resolve_encoder,
)
from skae._model.attributes import FittedAttributes
from skae._model.blending import Blender, conditioned
from skae._model.coordinates import set_coordinates, truncated
from skae._model.diagram import draw, draw_plain
from skae._model.imputation import draw_fillings, impute
from skae._model.model import TrainedModel
from skae._model.review import warn_of_fit
from skae._networks.dense import Dense
from skae._objective.losses import LOSSES, Loss
from skae._objective.penalties import L1Sparsity
from skae._persistence.atomic import write_whole
from skae._persistence.format import Document, to_bytes
from skae._persistence.onnx import write_onnx
from skae._persistence.skops import (
    estimator_of_skops,
    is_pickled,
    is_state_of_skops,
    pickled,
    state_for_skops,
)
from skae._sources.lazy import lazy
from skae._training.callbacks import CallbackSupportMixin, with_callbacks
from skae._training.passes import Passes, run_alone
from skae._training.plan import Networks, Plan, Task
from skae._training.settings import as_stream, trains


@parameters
class BaseAutoencoder(
    FittedAttributes,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    DocumentedEstimator,
):
    """Base class of all autoencoders. A subclass overrides one or more of four hooks.

    They return the encoder and the decoder (:meth:`_networks`, with the encoder
    that None stands for in `_dense`), the corruption of the input (:meth:`_noise`), the
    penalties (:meth:`_penalties`) and the loss (:meth:`_likelihood`). `fit` stores one
    :class:`~skae._model.model.TrainedModel` in `_model`.
    """

    n_components: int = field(default=16, kw_only=False)
    decoder: Network = None
    penalty: Callable | list | None = None
    augmentation: Callable | None = None
    loss: str | Callable = "squared_error"
    layout: str | None = None
    missing: str = "error"
    optimizer: str | type[Optimizer] = "adamw"
    lr: float | str = "auto"
    weight_decay: float | None = None
    lr_schedule: str | Callable[[float], float] = "one_cycle"
    max_epochs: int = 30
    batch_size: int | str = "auto"
    shuffle_buffer: int | str = "auto"
    validation_fraction: float | None = None
    early_stopping: bool | str = "auto"
    n_iter_no_change: int | None = 10
    tol: float = 1e-4
    warm_start: bool = False
    checkpoint: str | PathLike | None = None
    callbacks: list | None = None
    net_params: dict[str, Any] | None = None
    device: str = "auto"
    dtype: str = "float32"
    precision: str = "float32"
    random_state: int | RandomState | None = None
    verbose: int = 0

    _parameter_constraints: ClassVar = SHARED

    _dense = Dense()

    # Parameters -------------------------------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, including nested ones and settings of the net.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include nested parameters.

        Returns
        -------
        dict
            Names and values.
        """
        params = super().get_params(deep)
        return {**params, **nested_params(params)} if deep else params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, including nested ones and settings of the net.

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
        own = super().get_params(deep=False)
        check_nested(own, params)
        plain, nested = divide_params(own, params)
        super().set_params(**plain)
        for name, values in nested.items():
            setattr(self, name, with_nested(name, getattr(self, name), values))
        return self

    # The four hooks ---------------------------------------------------------------

    def _networks(self) -> Networks:
        """Return the encoder, the decoder and the module that joins them."""
        return self._mirrored(resolve_encoder(self, self._dense))

    def _noise(self) -> Callable | None:
        """Return the corruption of a batch."""
        return self.corruption

    def _penalties(self) -> list[tuple[str, Any]]:
        """Return the named penalties of the class itself."""
        sparsity = getattr(self, "sparsity", 0)
        return [("sparsity", L1Sparsity(sparsity))] if sparsity else []

    def _likelihood(self) -> Loss:
        """Return how a reconstruction is compared with its row."""
        loss = self.loss
        return LOSSES[loss] if isinstance(loss, str) else Loss.of(loss)

    # Plans made from the hooks ----------------------------------------------------

    def _mirrored(self, encoder: Any) -> Networks:
        """Return an encoder with its decoder, which is given or mirrors it."""
        decoder = resolve_decoder(self, encoder, self._likelihood().link)
        return Networks(encoder, decoder, code_activation_layer(self))

    def _after_fit(self, model: TrainedModel, data: WeightedRows) -> None:
        """Measure further attributes of a model that has just been trained."""

    def _remedies(self) -> list[str]:
        """Return suggestions against a collapsed code that only the class can make."""
        return lower_weights(self._penalties())

    def _plan(self) -> Plan:
        """Return the plan of the network and its training, from the parameters."""
        return make_plan(self, self._networks(), self._task())

    def _task(self) -> Task:
        """Return the task of the network: loss, penalties and transformations."""
        return make_task(self, self._likelihood(), self._penalties(), self._noise())

    # Fitting ----------------------------------------------------------------------

    @with_callbacks
    @trains
    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, X_val: Any = None
    ) -> Self:
        """Train the autoencoder on X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows, images ``(n_samples, height, width)``, 4-D images with channels, or,
            with ``layout="signal"``, signals ``(n_samples, channels, length)``.

        y : Ignored
            Not used, present for consistency.

        sample_weight : array-like of shape (n_samples,) or float, default=None
            How much each row counts, in the loss, the penalties, the scaling and the
            code: 2 is the row twice, and 0 leaves it out. None is 1 for each.

        X_val : array-like of shape (n_val, n_features) or (n_val, ...), default=None
            Rows of your own to hold out, in the layout of X, instead of a part of X:
            the objective is measured on them after each epoch, and with
            `early_stopping` they decide which weights remain. They are not trained on.
            A Pipeline passes them on, transformed, with metadata routing and
            ``transform_input=["X_val"]``.

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
            If R² is below that of PCA, columns of a table hardly count, or the code has
            more units than X has features.
        """
        return fitted(self, self._fitting, X, sample_weight=sample_weight, X_val=X_val)

    def _fitting(self, X: Any, sample_weight: Any = None, X_val: Any = None) -> Passes:
        """Fit, and yield each pass over data, to be run outside."""
        self._validate_params()
        is_resumed = self.warm_start and self.__sklearn_is_fitted__()
        with course_of(self) as course:
            if is_resumed:
                model, data = resume(X, self, self._model, self._task(), sample_weight)
                model.net.is_continued_ = True
            else:
                plan = self._plan() if X_val is None else self._plan().validated()
                model, data = start(X, self, plan, sample_weight, course)
            with holding(self, model, is_resumed), validated(self, model, X_val):
                n_epochs, describe = self.max_epochs, self._describe
                yield from train(self, model, data, n_epochs, describe, course)
        warn_of_fit(model, data, common_remedies(self, self._remedies(), self._noise()))

    @with_callbacks
    @trains
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train for one epoch on a chunk of data.

        The scaling is fixed by the first chunk; the training mean that `score`
        compares with is updated. No rows are held out. Later chunks are trained with
        the penalties, the corruption and the optimizer of the first; `lr`,
        `batch_size` and `precision` may change.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            A chunk, in the layout of the first one.

        y : Ignored
            Not used, present for consistency.

        sample_weight : array-like of shape (n_samples,) or float, default=None
            How much each row counts, as in `fit`.

        Returns
        -------
        self : estimator
            The estimator itself.
        """
        is_first = not self.__sklearn_is_fitted__()
        if is_first:
            self._validate_params()
            model, data = start(X, self, self._plan(), sample_weight)
        else:
            model, data = extend(X, self, self._model, sample_weight)
            model.net.is_continued_ = True
        is_auto = self.lr == "auto"
        with holding(self, model, False), as_stream(model.net, is_auto=is_auto):
            run_alone(train(self, model, data, 1, later(self._describe)))
        return self

    def _describe(self, model: TrainedModel, data: WeightedRows) -> None:
        """Measure what a model that has just been trained needs beside its weights."""
        set_coordinates(model, data, whiten=getattr(self, "whiten", False))
        self._after_fit(model, data)

    # The model --------------------------------------------------------------------

    def __sklearn_is_fitted__(self) -> bool:
        return "_model" in vars(self)

    def _trained(self) -> TrainedModel:
        """Return the model, or raise scikit-learn's NotFittedError."""
        if not self.__sklearn_is_fitted__():
            check_is_fitted(self)  # which takes longer than to encode a row
        return self._model

    def _fitted(self) -> TrainedModel:
        """Return the model, with what it needs beside its weights."""
        return settled(self._trained(), self._describe)

    def _sk_visual_block_(self) -> Any:
        return draw(self._model) if self.__sklearn_is_fitted__() else draw_plain(self)

    # Methods of a fitted estimator ------------------------------------------------

    @lazy
    def transform(self, X: Any) -> np.ndarray:
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
        return self._fitted().encode(self._check_X(X))

    @lazy
    def inverse_transform(self, X: Any) -> np.ndarray:
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
        model = self._fitted()
        return model.to_samples(model.decode(checked_codes(X, self, model)))

    @lazy
    def reconstruct(self, X: Any) -> np.ndarray:
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
        model = self._fitted()
        return model.to_samples(model.reconstruct(self._check_X(X)))

    @lazy
    def impute(
        self, X: Any, n_draws: int | None = None, *, random_state: Any = None
    ) -> Any:
        r"""Fill the gaps of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened, with NaN at gaps.

        n_draws : int or None, default=None
            Number of fillings that are drawn, to see how certain they are. None fills
            each gap with what is expected there, the value of `reconstruct`. Draws add
            deviations from the Gaussian model that training starts from, given the
            observed entries. Those of a variational autoencoder are decoded codes, with
            the noise of the decoder: 100 for each sample, weighted by how well they fit
            its observed entries.

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
        model = self._fitted()
        if not model.takes_gaps:
            raise ValueError(
                "The estimator was fitted with missing='error', so that its network "
                "has not learnt to fill gaps. Set missing='mask', and fit it again."
            )
        rows = self._check_X(X)
        if n_draws is None:
            return as_frame(impute(model, rows), X)
        check_scalar(n_draws, "n_draws", Integral, min_val=1)
        return draw_fillings(model, rows, n_draws, random_source(self, random_state))

    @lazy
    def score_samples(self, X: Any) -> np.ndarray:
        """Return the negative loss of each row.

        The loss is summed over features, in the units of X, without penalties: for the
        squared error it is half the squared distance between a row and its
        reconstruction. Low values indicate anomalies.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        Returns
        -------
        ndarray of shape (n_samples,)
            The negative loss of each sample.
        """
        return -self._fitted().losses(self._check_X(X))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        r"""Return :math:`R^2`, the fraction of the variance of X that is explained.

        :math:`R^2 = 1 - \sum (x - \hat x)^2 / \sum (x - \bar x)^2` over all entries,
        with :math:`\hat x` the reconstruction and :math:`\bar x` the training mean of
        each feature. It is comparable to ``PCA(...).explained_variance_ratio_.sum()``,
        and is not the mean of `score_samples`. It grows with the size of the code, and
        every penalty lowers it: choose the weights of penalties by the score of the
        downstream model, such as a classifier. It is in the units of X, also where
        training divides channels in different units by a scale of their own.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        y : Ignored
            Not used, present for consistency.

        sample_weight : array-like of shape (n_samples,) or float, default=None
            How much each sample counts.

        Returns
        -------
        float
            At most 1; the training mean as reconstruction gets 0.
        """
        rows = self._check_X(X)
        return self._fitted().r2(rows, check_weight(sample_weight, len(rows)))

    def truncate(self, n_components: int) -> Self:
        """Return a fitted copy with the first components of the code only.

        They are ordered by variance. The first k reconstruct about as much as those of
        PCA, or more, but less than an autoencoder that was fitted with k components,
        since this one was trained for all of its own.

        Parameters
        ----------
        n_components : int
            How many components remain.

        Returns
        -------
        estimator
            A copy; its `n_components` is the argument, and a later `fit` trains such a
            code anew.

        Raises
        ------
        ValueError
            If the code has fewer components, or is not ordered by variance: it is
            with shipped networks, a linear code, and no penalty on single units.
        """
        model = truncated(self._fitted(), n_components)
        copied = clone(self).set_params(n_components=n_components)
        own = copied.get_params(deep=False)
        vars(copied).update({**vars(self), **own, "_model": model})
        return copied

    def sensitivity(self, X: Any) -> np.ndarray:
        r"""Return the sensitivity of the code of each sample to its input.

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
        return self._fitted().jacobian_norms(self._check_X(X))

    @lazy
    def hidden_layer(self, X: Any, layer: int | str = -1) -> np.ndarray:
        """Return the activations of a hidden layer of the encoder.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        layer : int or "all", default=-1
            Which of the hidden layers: 0 is the first one, -1 the last one, whose
            activations the layer of the code takes. ``"all"`` is all of them, side by
            side.

        Returns
        -------
        ndarray of shape (n_samples, n_units) or (n_samples, channels, ...)
            The activations. Those of a convolution are maps, flat before the code.

        Raises
        ------
        ValueError
            If the encoder has no such layer.

        Warns
        -----
        FitWarning
            If early stopping has kept the weights from before training: of the shipped
            networks these are PCA beside hidden layers with random weights.

        See Also
        --------
        skae.DeepFeatures : The code and hidden layers as a transformer.
        """
        return self._fitted().hidden_layer(self._check_X(X), layer)

    def blend(
        self, X1: Any, X2: Any, alpha: Any = 0.5, *, kind: str = "representation"
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

        Returns
        -------
        ndarray of shape (n_samples, ...) or of the shape of one sample
            One blend for each pair.
        """
        return blender_of(self).blend(X1, X2, alpha, kind=kind)

    def interpolate(
        self,
        x1: Any,
        x2: Any,
        n_steps: int = 7,
        *,
        path: str = "linear",
        through: Any = None,
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

        Returns
        -------
        ndarray of shape (n_steps, ...) or (n_pairs, n_steps, ...)
            The decoded points, for one pair or for each.
        """
        blender = blender_of(self)
        return blender.interpolate(x1, x2, n_steps, path=path, through=through)

    def mix(self, X: Any, weights: Any) -> np.ndarray:
        """Decode weighted sums of codes: see :func:`skae.mix`.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            The samples to mix.

        weights : array-like of shape (n_samples,) or (n_mixtures, n_samples)
            Weights of the codes, not normalised.

        Returns
        -------
        ndarray of shape (n_mixtures, ...)
            One mixture for each row of `weights`.
        """
        return blender_of(self).mix(X, weights)

    def _check_X(self, X: Any) -> np.ndarray:
        """Return the flat rows of X, checked against what `fit` saw."""
        return checked_rows(X, self, self._fitted())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.sparse = self.missing == "error"
        tags.input_tags.allow_nan = self.missing == "mask"
        if isinstance(self.loss, str) and self.loss in LOSSES:
            tags.input_tags.positive_only = not LOSSES[self.loss].can_take(-1.0)
        dtypes = ["float64", "float32"] if self.dtype == "auto" else [self.dtype]
        tags.transformer_tags.preserves_dtype = dtypes
        return tags

    # Files and copies -------------------------------------------------------------

    def save(self, path: Any, *, include_optimizer: bool = True) -> None:
        """Write the fitted estimator to a file, to be read by :func:`skae.load`.

        The file consists of safetensors and JSON, without pickle. It contains the
        parameters, the weights, the history and all other results of `fit`; custom
        functions and classes are stored by name. It is written completely or not at
        all. scikit-learn's callbacks, set by `set_callbacks`, are not saved.

        Parameters
        ----------
        path : str or path-like
            Where to write. An existing file is replaced.

        include_optimizer : bool, default=True
            Whether to write the state of the optimizer, twice as large as the weights
            for Adam. With it, `partial_fit` and `warm_start` resume as if training had
            not been interrupted; without it, they resume with a new optimizer.

        Returns
        -------
        None
            The file is written.

        Raises
        ------
        TypeError
            If a parameter contains an object that cannot be stored.
        ValueError
            If a parameter is not valid, or contains a function or a class that cannot
            be imported by name.
        """
        data, _ = to_bytes(self._document(), include_optimizer)
        check_parameters(self)  # as loading does
        write_whole(path, data)

    def to_onnx(self, path: Any, part: str = "encoder") -> None:
        """Write a part of the network to an ONNX file.

        Running the file needs neither skae nor torch: onnxruntime and other runtimes
        return the results of this estimator up to the rounding of float32.
        Input and output are flat rows of float32, any number of them, named ``"X"``
        and ``"code"`` or ``"reconstruction"``; cast other types first, ``uint8``
        too.

        Parameters
        ----------
        path : str, path-like or binary file
            Where to write.

        part : {"encoder", "decoder", "reconstruct"}, default="encoder"
            The computation: `transform`, from rows in the units of X to
            codes; `inverse_transform`, from codes to rows in the units of X; or both
            in one, `reconstruct`.

        Returns
        -------
        None
            One file is written, including the weights.

        Raises
        ------
        ImportError
            If the packages onnx and onnxscript are missing.
        ValueError
            If torch cannot translate a custom module.

        See Also
        --------
        skae.export.register_converters : Convert whole pipelines with skl2onnx.
        """
        write_onnx(self._fitted(), type(self).__name__, path, part)

    def _document(self) -> Document:
        """Return the content of a file of the estimator."""
        return document_of(self, self._fitted())

    def __reduce_ex__(self, protocol: Any) -> Any:
        with pickled():
            return super().__reduce_ex__(protocol)

    def __getstate__(self) -> Any:
        if is_pickled() or not self.__sklearn_is_fitted__():
            return super().__getstate__()
        return state_for_skops(self._document())

    def __setstate__(self, state: Any) -> None:
        if is_state_of_skops(state):
            state = vars(estimator_of_skops(state, type(self), restored))
        super().__setstate__(state)


def blender_of(estimator: BaseAutoencoder) -> Blender:
    """Return the blender of a fitted estimator."""
    model = estimator._fitted()

    def check(batch: Any, shape: tuple[int, ...]) -> np.ndarray:
        own = model.layout.sample_shape
        rows = check_rows(batch, estimator, own, allow_gaps=model.takes_gaps)
        return rows if model.units else rows.astype(model.dtype, copy=False)

    shapes = (model.layout.sample_shape, None)
    blender = Blender(estimator.transform, estimator.inverse_transform, check, shapes)
    if model.condition is None:
        return blender
    rows = partial(checked_rows, estimator=estimator, model=model)
    return conditioned(blender, model, rows)


# Makes an estimator from the content of a file.
restored = partial(restore, BaseAutoencoder)
