"""The estimator that all classes share: parameters, `fit`, and thin public methods."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.random import RandomState
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted
from torch import nn
from torch.optim import Optimizer

from skae._estimators.fitting import checked_rows, extend, restore, resume, start, train
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
    find_decoder,
    find_encoder,
    make_plan,
    make_task,
)
from skae._exceptions import CollapsedCodeWarning, DivergenceError, warn
from skae._model.blending import Blender
from skae._model.collapse import find_collapse
from skae._model.diagram import draw, draw_plain
from skae._model.model import TrainedModel
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
from skae._training.build import resume_net
from skae._training.callbacks import CallbackSupportMixin, with_callbacks
from skae._training.net import AutoencoderNet
from skae._training.plan import Networks, Plan, Task


@parameters
class BaseAutoencoder(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """What all autoencoders share. A named class answers one of four questions.

    Which encoder and decoder (:meth:`_networks`, with the architecture that None stands
    for in `_dense`), what corrupts the input (:meth:`_noise`), which penalties
    (:meth:`_penalties`) and which loss (:meth:`_likelihood`). What `fit` leaves is one
    :class:`~skae._model.model.TrainedModel`, in `_model`.
    """

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

    _parameter_constraints: ClassVar = SHARED

    _dense = Dense()
    _losses: ClassVar = LOSSES

    # Parameters -------------------------------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
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
        return {**params, **nested_params(params)} if deep else params

    def set_params(self, **params: Any) -> Self:
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
        own = super().get_params(deep=False)
        check_nested(own, params)
        plain, nested = divide_params(own, params)
        super().set_params(**plain)
        for name, values in nested.items():
            setattr(self, name, with_nested(name, getattr(self, name), values))
        return self

    # The four questions -----------------------------------------------------------

    def _networks(self) -> Networks:
        """Return the encoder and the decoder, and what joins them."""
        encoder = find_encoder(self, self._dense)
        return self._mirrored(encoder)

    def _noise(self) -> Callable | None:
        """Return what corrupts a batch."""
        return self.corruption

    def _penalties(self) -> list[tuple[str, Any]]:
        """Return the named penalties that the class itself adds."""
        sparsity = getattr(self, "sparsity", 0)
        return [("sparsity", L1Sparsity(sparsity))] if sparsity else []

    def _likelihood(self) -> Loss:
        """Return how a reconstruction is compared with its row."""
        if isinstance(self.loss, str):
            return self._losses[self.loss]
        return Loss.of(self.loss)

    # What follows from the answers ------------------------------------------------

    def _mirrored(self, encoder: Any) -> Networks:
        """Return an encoder with its decoder, the one given or its mirror."""
        decoder = find_decoder(self, encoder, self._likelihood().link)
        return Networks(encoder, decoder, code_activation_layer(self))

    def _after_fit(self, model: TrainedModel, rows: np.ndarray) -> None:
        """Measure what the class knows of a model that has just been trained."""

    def _remedies(self) -> list[str]:
        """Return what to change where the code has collapsed.

        First of all what this estimator sacrifices its code to.
        """
        return common_remedies(self, self._penalties(), self._noise())

    def _plan(self) -> Plan:
        """Return what the parameters say of the network and its training."""
        return make_plan(self, self._networks(), self._task())

    def _task(self) -> Task:
        """Return what the network is trained to do."""
        return make_task(self, self._likelihood(), self._penalties(), self._noise())

    # Fitting ----------------------------------------------------------------------

    @with_callbacks
    def fit(self, X: Any, y: Any = None) -> Self:
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
        self._validate_params()
        is_resumed = self.warm_start and self.__sklearn_is_fitted__()
        if is_resumed:
            model, rows = resume(X, self, self._model, self._task())
        else:
            model, rows = start(X, self, self._plan())
        with self._holding(model):
            if is_resumed:
                resume_net(model.net, model.trained_with, model.n_features)
            self._train(model, rows, self.max_epochs)
        collapse = find_collapse(model, rows)
        if collapse is not None:
            warn(collapse.message(self._remedies()), CollapsedCodeWarning)
        return self

    @with_callbacks
    def partial_fit(self, X: Any, y: Any = None) -> Self:
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
        self._validate_params()
        is_first = not self.__sklearn_is_fitted__()
        if is_first:
            model, rows = start(X, self, self._plan())
        else:
            model, rows = extend(X, self, self._model)
        with self._holding(model), model.net.without_schedule_and_split():
            self._train(model, rows, 1)
        return self

    @contextmanager
    def _holding(self, model: TrainedModel) -> Iterator[None]:
        """Hold a model while it is trained; if that fails, the one of before.

        Two failures leave trained weights, which are kept: divergence and Ctrl-C.
        """
        before = vars(self).get("_model")
        try:
            with model.net.restored_on_error():
                self._model = model
                yield
        except DivergenceError:
            raise
        except Exception:
            if before is None:
                del self._model
            else:
                self._model = before
            raise

    def _train(self, model: TrainedModel, rows: np.ndarray, n_epochs: int) -> None:
        try:
            train(self, model, rows, n_epochs)
        except (DivergenceError, KeyboardInterrupt):
            self._after_fit(model, rows)
            raise
        self._after_fit(model, rows)

    # What a fitted estimator knows ------------------------------------------------

    def __sklearn_is_fitted__(self) -> bool:
        return "_model" in vars(self)

    def _fitted(self) -> TrainedModel:
        """Return the model, or raise scikit-learn's NotFittedError."""
        check_is_fitted(self)
        return self._model

    @property
    def net_(self) -> AutoencoderNet:
        """The trained skorch net."""
        return self._fitted().net

    @property
    def encoder_(self) -> nn.Module:
        """The trained encoder, from flat rows to what `transform` gives."""
        return self._fitted().encoder

    @property
    def decoder_(self) -> nn.Module:
        """The trained decoder, from codes to flat rows, link included."""
        return self._fitted().decoder

    @property
    def history_(self) -> list[dict[str, Any]]:
        """One dict for each epoch: its number and every term of the objective."""
        return self._fitted().history

    @property
    def n_iter_(self) -> int:
        """Number of epochs trained so far."""
        return len(self._fitted().net.history)

    @property
    def mean_(self) -> np.ndarray:
        """Training mean of each feature."""
        return self._fitted().statistics.mean

    @property
    def scale_(self) -> float:
        """Training scale of X: the root mean squared deviation from `mean_`."""
        return self._fitted().scale

    @property
    def sample_shape_(self) -> tuple[int, ...]:
        """Shape of one sample of X."""
        return self._fitted().layout.sample_shape

    @property
    def image_shape_(self) -> tuple[int, ...] | None:
        """Shape of a sample as a convolution sees it, None for rows."""
        return self._fitted().layout.image_shape

    @property
    def n_features_in_(self) -> int:
        """Number of features of a flattened sample."""
        return self._fitted().n_features

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of the features, where X has names that are all strings."""
        names = self._fitted().feature_names
        if names is None:
            raise AttributeError("feature_names_in_: fit saw no names of features.")
        return names

    @property
    def _n_features_out(self) -> int:
        return self._fitted().n_components

    def _sk_visual_block_(self) -> Any:
        return draw(self._model) if self.__sklearn_is_fitted__() else draw_plain(self)

    # Using it ---------------------------------------------------------------------

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
        codes = check_array(X, dtype=model.dtype, estimator=self)
        if codes.shape[1] != model.n_components:
            raise ValueError(
                f"X has {codes.shape[1]} columns, but {type(self).__name__} was "
                f"fitted with n_components={model.n_components}."
            )
        return model.layout.restore(model.decode(codes))

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
        return model.layout.restore(model.reconstruct(self._check_X(X)))

    def score_samples(self, X: Any) -> np.ndarray:
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
        return -self._fitted().losses(self._check_X(X))

    def score(self, X: Any, y: Any = None) -> float:
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
        return self._fitted().r2(self._check_X(X))

    def sensitivity(self, X: Any) -> np.ndarray:
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
        return self._fitted().jacobian_norms(self._check_X(X))

    def blend(
        self, X1: Any, X2: Any, alpha: Any = 0.5, *, kind: str = "representation"
    ) -> np.ndarray:
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
        return blender_of(self).blend(X1, X2, alpha, kind=kind)

    def interpolate(
        self, x1: Any, x2: Any, n_steps: int = 7, *, path: str = "linear"
    ) -> np.ndarray:
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
        return blender_of(self).interpolate(x1, x2, n_steps, path=path)

    def mix(self, X: Any, weights: Any) -> np.ndarray:
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
        return blender_of(self).mix(X, weights)

    def _check_X(self, X: Any) -> np.ndarray:
        """Return the flat rows of X, checked against what `fit` saw."""
        return checked_rows(X, self, self._fitted())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        if self.loss in self._losses:
            loss = self._losses[self.loss]
            tags.input_tags.positive_only = not loss.can_take(-1.0)
        dtypes = ["float64", "float32"] if self.dtype == "auto" else [self.dtype]
        tags.transformer_tags.preserves_dtype = dtypes
        return tags

    # Files and copies -------------------------------------------------------------

    def save(self, path: Any, *, include_optimizer: bool = True) -> None:
        """Write the fitted estimator to a file, to be read by :func:`skae.load`.

        The file is one of safetensors and JSON, no pickle: it holds the parameters,
        the weights, the history and all else that `fit` has set. Functions and classes
        of your own stand in it by name. It is written as a whole, or not at all.
        scikit-learn's callbacks, set by `set_callbacks`, are not part of it.

        Parameters
        ----------
        path : str or path-like
            Where to write. A file that is there is replaced.

        include_optimizer : bool, default=True
            Whether to write the state of the optimizer, twice as large as the weights
            for Adam, with which `partial_fit` and `warm_start` go on as if there had
            been no stop. Without it they go on with a new optimizer.

        Returns
        -------
        None
            Nothing; the file is one.

        Raises
        ------
        TypeError
            If a parameter holds what cannot be described.
        ValueError
            If a parameter holds a function or a class that cannot be found by name.
        """
        data, _ = to_bytes(self._document(), include_optimizer)
        write_whole(path, data)

    def to_onnx(self, path: Any, part: str = "encoder") -> None:
        """Write a part of the network to an ONNX file.

        The file needs neither skae nor torch to run: onnxruntime and whatever else
        reads ONNX gives the numbers of this estimator up to the rounding of float32.
        Input and output are flat rows of float32, any number of them, named ``"X"``
        and ``"code"`` or ``"reconstruction"``; cast other types first, ``uint8``
        too.

        Parameters
        ----------
        path : str, path-like or binary file
            Where to write.

        part : {"encoder", "decoder", "reconstruct"}, default="encoder"
            What the model computes: `transform`, from rows in the units of X to
            codes; `inverse_transform`, from codes to rows in the units of X; or both
            in one, `reconstruct`.

        Returns
        -------
        None
            Nothing; the file is one, with the weights inside.

        Raises
        ------
        ImportError
            If the packages onnx and onnxscript are missing.
        ValueError
            If torch cannot translate a module of your own.

        See Also
        --------
        skae.export.register_converters : Teach skl2onnx to convert whole pipelines.
        """
        write_onnx(self._fitted(), type(self).__name__, path, part)

    def _document(self) -> Document:
        """Return what a file holds of the estimator."""
        names = self.get_params(deep=False)
        apart = {*names, "_model", "_skl_callbacks"}
        return Document(
            cls=type(self),
            parameters={name: getattr(self, name) for name in names},
            attributes={k: v for k, v in vars(self).items() if k not in apart},
            model=self._fitted(),
        )

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
    """Return what blends samples by the code of a fitted estimator."""
    model = open_model(estimator)

    def check(batch: Any, shape: tuple[int, ...]) -> np.ndarray:
        return checked_rows(batch, estimator, model).astype(model.dtype, copy=False)

    shapes = (model.layout.sample_shape, None)
    return Blender(estimator.transform, estimator.inverse_transform, check, shapes)


def open_model(estimator: Any, call: str = "") -> TrainedModel:
    """Return the model of a fitted autoencoder.

    Parameters
    ----------
    estimator : object
        What a function was given. What is no autoencoder of this package is refused.
    call : str
        How to call the function with parts of a Pipeline.
    """
    if not isinstance(estimator, BaseAutoencoder):
        raise TypeError(
            f"{call.partition('(')[0]} takes an autoencoder of skae, but got "
            f"{type(estimator).__name__}. Of a Pipeline, pass the last step and what "
            f"the others make of X: {call}."
        )
    return estimator._fitted()


# Makes an estimator of what was read from a file.
restored = partial(restore, BaseAutoencoder)
