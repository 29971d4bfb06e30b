"""Code and hidden layers as features."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from skae import AutoencoderTransformer, ConvAutoencoder, DeepFeatures

X, y = load_digits(return_X_y=True)
X, y = X[:200] / 16, y[:200]
AE = AutoencoderTransformer(
    4, hidden_layer_sizes=(16, 8), early_stopping=False, max_epochs=2, random_state=0
)


def test_check_estimator_passes():
    check_estimator(DeepFeatures(AE))


def test_all_layers_stand_beside_the_code():
    features = DeepFeatures(AE).fit(X)
    ae = features.estimator_
    found = features.transform(X)
    assert found.shape == (200, 4 + 16 + 8)
    np.testing.assert_array_equal(found[:, :4], ae.transform(X))
    np.testing.assert_array_equal(found[:, 4:20], ae.hidden_layer(X, 0))
    np.testing.assert_array_equal(found[:, 20:], ae.hidden_layer(X, 1))


def test_some_layers_come_in_the_order_asked_for():
    features = DeepFeatures(AE, layers=[-1, 0]).fit(X)
    ae = features.estimator_
    expected = np.hstack(
        [ae.transform(X), ae.hidden_layer(X, 1), ae.hidden_layer(X, 0)]
    )
    np.testing.assert_array_equal(features.transform(X), expected)
    assert DeepFeatures(AE, layers=[]).fit(X).transform(X).shape == (200, 4)


def test_a_layer_that_is_not_there_is_refused_in_fit():
    with pytest.raises(ValueError, match=r"layer=2 .* hidden layers of the encoder: 2"):
        DeepFeatures(AE, layers=[2]).fit(X)


def test_a_code_without_hidden_layers_stands_alone():
    linear = AutoencoderTransformer(4, hidden_layer_sizes=(), max_epochs=1)
    assert DeepFeatures(linear).fit(X).transform(X).shape == (200, 4)


def test_names_tell_code_from_hidden_units():
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(64)])
    features = DeepFeatures(AE).set_output(transform="pandas").fit(frame)
    names = features.transform(frame).columns
    assert list(names[[0, 4, -1]]) == ["autoencodertransformer0", "hidden0", "hidden23"]
    assert list(features.feature_names_in_) == list(frame.columns)
    assert not hasattr(features.fit(X), "feature_names_in_")


def test_maps_of_convolutions_are_flattened():
    conv = ConvAutoencoder(4, early_stopping=False, max_epochs=1, random_state=0)
    images = X.reshape(-1, 8, 8)
    features = DeepFeatures(conv).fit(images)
    assert features.transform(images).shape == (
        200,
        len(features.get_feature_names_out()),
    )


def test_a_search_sets_parameters_of_the_autoencoder():
    pipe = make_pipeline(DeepFeatures(AE), LogisticRegression(max_iter=5000))
    grid = {
        "deepfeatures__estimator__n_components": [2, 6],
        "deepfeatures__layers": [[0]],
    }
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_estimator_[0].transform(X).shape[1] in (2 + 16, 6 + 16)


def test_a_frozen_autoencoder_is_not_fitted_again():
    ae = AutoencoderTransformer(4, early_stopping=False, max_epochs=2).fit(X)
    features = DeepFeatures(FrozenEstimator(ae)).fit(X[:50])
    np.testing.assert_array_equal(features.transform(X)[:, :4], ae.transform(X))


def test_weights_reach_the_autoencoder():
    weight = np.r_[np.ones(100), np.zeros(100)]
    weighted = DeepFeatures(AE).fit(X, sample_weight=weight)
    half = DeepFeatures(AE).fit(X[:100])
    np.testing.assert_allclose(
        weighted.transform(X), half.transform(X), rtol=0, atol=1e-5
    )
