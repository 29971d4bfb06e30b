"""Shapes and layouts of what goes in and of what comes out."""

import math

import numpy as np
import pytest
from cases import (
    ANY_SHAPE,
    FORMS,
    IMAGES,
    NAMED,
    ROWS,
    CustomConvDecoder,
    CustomEncoder,
    N,
    custom_decoder,
    every_named,
    every_shape,
    fit,
)
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from torch import nn

import skae
from skae import AutoencoderTransformer, Conv, ConvAutoencoder, DenoisingAutoencoder


@pytest.mark.parametrize("form", FORMS)
@every_shape
def test_output_has_the_layout_of_the_input(name, form):
    X, image_shape = FORMS[form]
    shape = np.shape(X)
    layout = "signal" if form == "signal" else None
    ae = fit(ANY_SHAPE[name](layout=layout), X)
    codes = ae.transform(X)
    assert type(codes) is np.ndarray
    assert codes.shape == (N, 4)
    for out in (
        ae.inverse_transform(codes),
        ae.reconstruct(X),
        ae.blend(X, X),
        ae.blend(X, X, kind="content"),
    ):
        assert type(out) is np.ndarray
        assert out.shape == shape
    few = X.iloc[:2] if form == "frame" else X[:2]
    assert ae.interpolate(few, few, 3).shape == (2, 3, *shape[1:])
    assert ae.mix(X, np.ones((5, N)) / N).shape == (5, *shape[1:])
    assert ae.n_features_in_ == 64
    if image_shape is not None:
        assert ae.image_shape_ == image_shape
    if form != "frame":
        assert_array_equal(ae.transform(ROWS), codes)  # the flattening is accepted
        assert_array_equal(ae.score_samples(ROWS), ae.score_samples(X))


@pytest.mark.parametrize("form", ["images", "channels_first", "channels_last"])
def test_custom_modules_get_channels_first(form):
    shapes = []

    class Spy(nn.Module):
        def __init__(self, n_in, n_out):
            super().__init__()
            self.layer = nn.Linear(n_in, n_out)

        def forward(self, x):
            shapes.append(tuple(x.shape[1:]))
            return self.layer(x.flatten(1))

    X, image_shape = FORMS[form]
    AutoencoderTransformer(2, encoder=Spy, decoder="dense", max_epochs=1).fit(X)
    assert set(shapes) == {image_shape}


def test_custom_modules_get_flat_rows_where_fit_does():
    ae = AutoencoderTransformer(
        2, encoder=CustomEncoder, decoder=custom_decoder, max_epochs=1
    )
    assert ae.fit(ROWS).image_shape_ is None
    assert ae.transform(ROWS).shape == (N, 2)


def test_image_shape_gives_images_to_custom_modules():
    ae = ConvAutoencoder(
        4, image_shape=(8, 8), decoder=CustomConvDecoder, max_epochs=1
    ).fit(ROWS)
    assert ae.reconstruct(ROWS).shape == ROWS.shape


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_channels_may_come_first_or_last(channels):
    X = np.random.RandomState(0).rand(20, channels, 7, 5).astype(np.float32)
    # Not PCA: in noise, axes by iteration depend on the order of the features.
    conv = Conv(init="random")
    ae = AutoencoderTransformer(3, encoder=conv, max_epochs=2, random_state=0)
    first, last = clone(ae).fit(X), clone(ae).fit(np.moveaxis(X, 1, -1))
    assert first.image_shape_ == last.image_shape_ == (channels, 7, 5)
    # The same weights and the same images; sums over an image in another order.
    assert_allclose(
        first.transform(X), last.transform(np.moveaxis(X, 1, -1)), atol=1e-4
    )
    assert_allclose(
        np.moveaxis(first.reconstruct(X), 1, -1),
        last.reconstruct(np.moveaxis(X, 1, -1)),
        atol=1e-4,
    )


def test_flat_rows_are_images_of_image_shape():
    images = ConvAutoencoder(4, max_epochs=2, random_state=0).fit(IMAGES)
    rows = ConvAutoencoder(4, image_shape=(8, 8), max_epochs=2, random_state=0)
    assert_array_equal(rows.fit(ROWS).transform(ROWS), images.transform(IMAGES))
    assert rows.reconstruct(IMAGES.reshape(N, 64)).shape == (N, 64)


def test_channels_last_describes_flat_rows_too():
    X = np.random.RandomState(0).rand(20, 5, 6, 3).astype(np.float32)
    ae = ConvAutoencoder(3, max_epochs=2, random_state=0)
    flat = clone(ae).set_params(layout="channels_last", image_shape=(5, 6, 3))
    codes = flat.fit(X.reshape(20, -1)).transform(X.reshape(20, -1))
    assert flat.image_shape_ == (3, 5, 6)
    assert_array_equal(codes, ae.fit(X).transform(X))


@pytest.mark.parametrize(
    ("width", "image_shape", "message"),
    [(64, (1, 8, 8), "8x8 image"), (60, (1, 60), "signal of length 60")],
)
@pytest.mark.parametrize(
    "ae", [ConvAutoencoder(2), DenoisingAutoencoder(2, encoder="conv")], ids=str
)
def test_an_inferred_layout_is_warned_of_once(ae, width, image_shape, message):
    ae = clone(ae).set_params(max_epochs=1)
    X = ROWS[:, :width]
    with pytest.warns(skae.LayoutWarning, match=message) as record:
        ae.fit(X)
    assert len(record) == 1
    assert ae.image_shape_ == image_shape
    ae.transform(X)  # and not again


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 1), (2, 7), (33, 2)])
@every_named
def test_every_width_and_number_of_samples_works(name, shape):
    X = np.random.RandomState(0).rand(*shape).astype(np.float32)
    ae = fit(NAMED[name](n_components=2), X)
    assert ae.transform(X).shape == (shape[0], 2)
    assert np.isfinite(ae.reconstruct(X)).all()
    assert math.isfinite(ae.score(X))


@pytest.mark.parametrize("shape", [(9, 1), (1, 9), (5, 7), (16, 16), (1, 1)])
def test_images_of_any_size_are_reconstructed_in_it(shape):
    X = np.random.RandomState(0).rand(6, *shape)
    assert ConvAutoencoder(2, max_epochs=1).fit(X).reconstruct(X).shape == X.shape


def test_a_large_image_gets_a_deeper_network_and_not_a_wider_one():
    X = np.random.RandomState(0).rand(3, 3, 160, 96).astype(np.float32)
    ae = ConvAutoencoder(2, max_epochs=1).fit(X)
    widths = [m.in_features for m in ae.encoder_.modules() if type(m) is nn.Linear]
    assert len(widths) == 1  # beside the linear path
    assert widths[0] <= 4096


def test_two_image_shapes_that_differ_are_refused():
    ae = AutoencoderTransformer(
        4, encoder=Conv(image_shape=(8, 8)), decoder=Conv(image_shape=(4, 16))
    )
    with pytest.raises(ValueError, match="contradicts image_shape"):
        ae.fit(ROWS)


def test_the_warning_of_an_inferred_layout_points_to_the_caller():
    with pytest.warns(skae.LayoutWarning) as caught:
        skae.ConvAutoencoder(2, max_epochs=1).fit(ROWS)
    assert caught[0].filename == __file__
