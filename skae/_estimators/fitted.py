"""What a fitted estimator gives: codes, reconstructions, scores, blends."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

import numpy as np
import torch
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from skae._data.rows import check_range, check_rows
from skae._data.statistics import describe
from skae._estimators import blending
from skae._estimators.html import draw
from skae._estimators.kept import KeptEstimator
from skae._model.inference import map_rows
from skae._networks.jacobian import exact_squared_norm
from skae._networks.modules import LinkedDecoder
from skae._objective.losses import LOSSES
from skae._random import RandomStream
from skae._training.callbacks import CallbackSupportMixin
from skae._training.history import terms_of


class FittedAutoencoder(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    KeptEstimator,
):
    """All that asks a trained net.

    The base class sets what is used here: `net_`, `mean_`, the private `_layout`,
    `_dtype` and `_n_features_out`.
    """

    # What a fitted estimator knows --------------------------------------------------

    def __sklearn_is_fitted__(self):
        return hasattr(self, "net_")

    @property
    def encoder_(self):
        """The trained encoder, from flat rows to what `transform` gives."""
        check_is_fitted(self)
        return self.net_.module_.code_layers().eval()

    @property
    def decoder_(self):
        """The trained decoder, from codes to flat rows, link included."""
        check_is_fitted(self)
        module = self.net_.module_
        return LinkedDecoder(module.decoder, module.link).eval()

    @property
    def history_(self):
        """One dict for each epoch: its number and every term of the objective."""
        check_is_fitted(self)
        return [terms_of(epoch) for epoch in self.net_.history]

    @property
    def n_iter_(self):
        """Number of epochs trained so far."""
        check_is_fitted(self)
        return len(self.net_.history)

    def _sk_visual_block_(self):
        return draw(self)

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
        fitted = self._fitted_loss
        loss = LOSSES[fitted].function if self._loss_name else fitted

        def minus_loss(x):
            values = loss(module.decoder(module.encode(x)), x)
            return -values.flatten(1).sum(1) if values.ndim > 1 else -values

        rows = self._check_X(X)
        self._check_domain(rows)
        return self._map(minus_loss, rows)

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
            error = (module.decode(module.encode(x)) - x) / self.scale_
            return (error**2).sum(1)

        error = self._map(squares, rows).sum(dtype=np.float64)
        return self._share_kept(error, rows)

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

    def _share_kept(self, error, rows):
        """Return R² of rows, from the sum of their squared errors.

        These are in units of the training scale: float32 holds no squares of X where
        its values are beyond 1e19, or all below 1e-22.
        """
        seen = describe(rows)
        offset = (seen.mean - self.mean_) ** 2
        total = seen.n_rows * (seen.variance + offset).sum() / self.scale_**2
        if total == 0:
            return float(error == 0)
        return float(1 - error / total)

    @property
    def _loss_name(self):
        """Name of the loss that was fitted, None for a callable."""
        return self._fitted_loss if isinstance(self._fitted_loss, str) else None

    def _check_domain(self, rows):
        """Refuse rows that the fitted loss cannot take."""
        if self._loss_name:
            LOSSES[self._loss_name].check(float(rows.min()), float(rows.max()))

    def _draw_source(self, random_state):
        """Return what a method draws from: the estimator's random_state on None."""
        own = self.random_state if random_state is None else random_state
        return check_random_state(own)

    def _torch_generator(self, random_state, device):
        seed = _draw_seed(self._draw_source(random_state))
        return torch.Generator(device=device).manual_seed(seed)

    def _corrupt(self, X, random_state):
        """Return X with the noise of training, in the layout that `fit` saw."""
        rows = np.array(self._check_X(X), dtype=self._dtype)
        source = self._draw_source(random_state)
        stream = RandomStream(_draw_seed(source))
        corruption = clone(self.net_.corruption, safe=False)
        # Code that is not ours may draw from torch's global generator, too.
        foreign = self.net_.runs_foreign_code
        own = RandomStream(_draw_seed(source)).as_global() if foreign else nullcontext()
        with own:
            noisy = corruption(torch.from_numpy(rows), stream.on("cpu"))
        return self._layout.restore(noisy.numpy())

    def _map(self, function, rows, *, inference=True):
        module = self.net_.module_
        if any(layer.training for layer in module.modules()):
            module.eval()
        with self.net_.isolated(RandomStream(self.net_.seed)):
            return map_rows(
                function,
                rows,
                dtype=self._dtype,
                device=self.net_.device,
                inference=inference,
                copy=self.net_.runs_foreign_code,
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.positive_only = self.loss == "poisson"
        kept = ["float64", "float32"] if self.dtype == "auto" else [self.dtype]
        tags.transformer_tags.preserves_dtype = kept
        return tags


def _draw_seed(source):
    return int(source.randint(np.iinfo(np.int32).max))


def check_autoencoder(ae, call):
    """Refuse what is no fitted autoencoder, and say how to pass one of a Pipeline.

    Parameters
    ----------
    ae : object
        What a function was given.
    call : str
        How to call the function with parts of a Pipeline.
    """
    if not isinstance(ae, FittedAutoencoder):
        raise TypeError(
            f"{call.partition('(')[0]} takes an autoencoder of skae, but got "
            f"{type(ae).__name__}. Of a Pipeline, pass the last step and what the "
            f"others make of X: {call}."
        )
    check_is_fitted(ae)
