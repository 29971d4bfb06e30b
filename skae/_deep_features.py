"""The code and the hidden layers of an autoencoder, side by side, as features."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import MetaEstimatorMixin, TransformerMixin, clone
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.validation import check_is_fitted

from skae._documented import DocumentedEstimator
from skae._estimators.opening import open_model
from skae._sources.lazy import lazy


class DeepFeatures(MetaEstimatorMixin, TransformerMixin, DocumentedEstimator):
    """Code and hidden activations of an autoencoder as features.

    What predicts a target may be among what the code leaves out. The activations of
    the hidden layers are wider, and linear models of them can follow curves. They
    have been used in this way with a denoising autoencoder of a wide table [1]_.

    Read more in the :ref:`user guide <guide-pretraining>`.

    Parameters
    ----------
    estimator : estimator
        An estimator of skae. A clone of it is fitted.

    layers : "all" or list of int, default="all"
        The hidden layers of the encoder whose activations stand beside the code: 0 is
        the first, -1 the last. Those of convolutions are flattened.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator.

    n_features_in_ : int
        Number of features of a flattened sample.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has names that are all strings.

    See Also
    --------
    AutoencoderTransformer.hidden_layer : The activations alone.

    Notes
    -----
    Whether hidden layers help depends on the table: see :doc:`/tables`, where those of
    an untrained network help as much.

    References
    ----------
    .. [1] M. Jahrer, "1st place with representation learning", Porto Seguro's Safe
       Driver Prediction, 2017. https://www.kaggle.com/c/porto-seguro-safe-driver-
       prediction/discussion/44629

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skae import DeepFeatures, DenoisingAutoencoder
    >>> X, y = load_digits(return_X_y=True)
    >>> dae = DenoisingAutoencoder(
    ...     8, hidden_layer_sizes=(64,), max_epochs=5, random_state=0
    ... )
    >>> features = DeepFeatures(dae).fit(X / 16)
    >>> features.transform(X / 16).shape
    (1797, 72)
    """

    _parameter_constraints: ClassVar = {
        "estimator": [HasMethods(["fit", "transform", "hidden_layer"])],
        "layers": [StrOptions({"all"}), "array-like"],
    }

    def __init__(self, estimator: Any, *, layers: str | list[int] = "all") -> None:
        self.estimator = estimator
        self.layers = layers

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the autoencoder to X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            What the estimator takes.

        y : Ignored
            Not used, present for consistency.

        sample_weight : array-like of shape (n_samples,) or float, default=None
            How much each row counts.

        Returns
        -------
        self : estimator
            The fitted transformer.

        Raises
        ------
        ValueError
            If the encoder has no hidden layer of `layers`.
        """
        self._validate_params()
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        estimator = clone(self.estimator).fit(X, y, **weight)
        model = open_model(estimator)
        typical = np.append(model.mean, np.zeros(model.n_condition))
        mean = typical.astype(model.dtype).reshape(1, -1)
        hidden = [model.hidden_layer(mean, layer) for layer in self._chosen_layers()]
        self._n_hidden = sum(x.size for x in hidden)
        self.estimator_, self.n_features_in_ = estimator, estimator.n_features_in_
        if hasattr(estimator, "feature_names_in_"):
            self.feature_names_in_ = estimator.feature_names_in_
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    @lazy
    def transform(self, X: Any) -> np.ndarray:
        """Return code and hidden activations of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            The code, followed by the layers in the order of `layers`.
        """
        check_is_fitted(self)
        ae: Any = self.estimator_
        hidden = [ae.hidden_layer(X, layer) for layer in self._chosen_layers()]
        flat = [x.reshape(len(x), -1) for x in hidden]
        return np.hstack([ae.transform(X), *flat])

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the features.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the features of X, which are known: others are refused.

        Returns
        -------
        ndarray of shape (n_features_out,)
            Those of the code, and ``"hidden0"``, ``"hidden1"``, ... for the units of
            the hidden layers.
        """
        check_is_fitted(self)
        code = self.estimator_.get_feature_names_out(input_features)
        hidden = [f"hidden{i}" for i in range(self._n_hidden)]
        return np.asarray([*code, *hidden], dtype=object)

    def _chosen_layers(self) -> list[Any]:
        return ["all"] if isinstance(self.layers, str) else list(self.layers)

    def __sklearn_tags__(self) -> Any:
        tags, inner = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.input_tags = inner.input_tags
        tags.transformer_tags.preserves_dtype = inner.transformer_tags.preserves_dtype
        return tags
