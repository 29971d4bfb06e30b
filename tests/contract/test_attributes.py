"""What the fitted attributes are."""

import math

import numpy as np
import pytest
import torch
from cases import FORMS, IMAGES, NAMED, ROWS, N, every, every_named, fit, fitted
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn


@every
def test_encoder_is_exactly_transform(name):
    ae = fitted(name)
    with torch.no_grad():
        codes = ae.encoder_(torch.from_numpy(ROWS)).numpy()
    assert isinstance(ae.encoder_, nn.Module)
    assert_array_equal(codes, ae.transform(IMAGES))


@every
def test_decoder_is_exactly_inverse_transform(name):
    ae = fitted(name)
    codes = ae.transform(IMAGES)
    with torch.no_grad():
        rows = ae.decoder_(torch.from_numpy(codes)).numpy()
    assert isinstance(ae.decoder_, nn.Module)
    assert_array_equal(rows.reshape(IMAGES.shape), ae.inverse_transform(codes))


def test_inverse_transform_applies_the_link():
    bounded = fitted("cross-entropy").inverse_transform(100 * np.eye(4))
    assert bounded.min() >= 0
    assert bounded.max() <= 1
    assert fitted("variational poisson").inverse_transform(np.eye(4)).min() > 0


@every
def test_reconstruct_is_inverse_transform_of_transform(name):
    ae = fitted(name)
    expected = ae.inverse_transform(ae.transform(IMAGES))
    assert_array_equal(ae.reconstruct(IMAGES), expected)


@every
def test_fitted_attributes(name):
    ae = fitted(name)
    assert ae.n_iter_ == len(ae.history_) == 2
    assert [epoch["epoch"] for epoch in ae.history_] == [1, 2]
    assert ae.n_features_in_ == 64
    assert ae.image_shape_ == (1, 8, 8)
    assert not hasattr(ae, "feature_names_in_")
    assert_allclose(ae.mean_, ROWS.mean(0, dtype=np.float64))
    # One scale: the root mean squared deviation from the mean of each feature.
    assert math.isclose(ae.scale_, math.sqrt(ROWS.astype(float).var(0).mean()))
    assert ae.fit_transform(IMAGES).shape == (N, 4)


@every_named
def test_feature_names(name):
    ae = fit(NAMED[name](), FORMS["frame"][0])
    assert ae.feature_names_in_.tolist() == [f"pixel{i}" for i in range(64)]
    names = [f"{name.lower()}{i}" for i in range(4)]
    assert ae.get_feature_names_out().tolist() == names
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        ae.transform(ROWS)
