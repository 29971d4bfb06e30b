"""Samples are drawn as images or curves, in cells."""

import numpy as np
import pytest
from drawing import IMAGES, ROWS, SMALL, fitted_plain, images_of, texts_of
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA

from skae import AutoencoderTransformer, ConvAutoencoder, ReconstructionDisplay

pytest.importorskip("matplotlib", reason="needs matplotlib")


@pytest.fixture
def ae():
    return fitted_plain()


def test_images_are_above_their_reconstructions_and_errors(ae):
    display = ReconstructionDisplay.from_estimator(ae, IMAGES, n_samples=5)
    X, reconstructed = IMAGES[:5], ae.reconstruct(IMAGES[:5])
    images = images_of(display.artists_)
    assert images.shape == (3, 5, 8, 8)
    assert_array_equal(images[0], X)
    assert_array_equal(images[1], reconstructed)
    assert_allclose(images[2], np.abs(X - reconstructed), atol=1e-6)
    for image in display.artists_[:2].ravel():
        assert image.get_clim() == (X.min(), X.max())
    for image in display.artists_[2].ravel():
        assert_allclose(image.get_clim(), (0, images[2].max()))


def test_lines_have_names_and_samples_their_errors():
    X = np.array([[[0.0, 1.0], [2.0, 3.0]]])
    reconstructed = X + np.array([[0.0, 0.0], [0.0, 4.0]])
    display = ReconstructionDisplay(X, reconstructed).plot()
    names = texts_of(display.ax_.get_yticklabels())
    assert names == ["original", "reconstruction", "absolute error\n0 to 4"]
    # 4² over four pixels
    assert texts_of(display.ax_.get_xticklabels()) == ["4"]
    assert display.ax_.get_xlabel() == "mean squared error"


def test_large_errors_are_written_without_exponents():
    X = np.zeros((2, 2, 2))
    errors = np.array([64.0, 0.1])[:, np.newaxis, np.newaxis]
    display = ReconstructionDisplay(X, X + errors).plot()
    assert texts_of(display.ax_.get_xticklabels()) == ["4100", "0.01"]


def test_cells_do_not_overlap_and_have_square_pixels():
    X = np.random.default_rng(0).uniform(size=(3, 4, 8))
    display = ReconstructionDisplay(X, X).plot()
    boxes = np.array([[x.get_extent() for (x,) in line] for line in display.artists_])
    left, right, bottom, top = np.moveaxis(boxes, -1, 0)
    assert (right[:, :-1] < left[:, 1:]).all()
    assert (bottom[:-1] < top[1:]).all()  # the axis points down
    assert display.ax_.get_aspect() == 0.5
    assert display.ax_.get_ylim()[0] > display.ax_.get_ylim()[1]


def test_flat_rows_are_images_where_a_shape_is_given(ae):
    flat = AutoencoderTransformer(4, **SMALL).fit(ROWS)
    drawn = ReconstructionDisplay.from_estimator(flat, ROWS, image_shape=(8, 8))
    expected = ReconstructionDisplay.from_estimator(ae, IMAGES)
    assert_array_equal(images_of(drawn.artists_), images_of(expected.artists_))


def test_flat_rows_without_a_shape_are_curves():
    X = np.array([[0.0, 2.0, 1.0], [1.0, 1.0, 4.0]])
    reconstructed = np.array([[0.0, 2.0, 1.0], [1.0, 1.0, 2.0]])
    display = ReconstructionDisplay(X, reconstructed).plot()
    assert display.artists_.shape == (3, 2, 1)
    heights = np.array([[x.get_ydata() for (x,) in line] for line in display.artists_])
    # All originals and reconstructions are on one scale, which points up in the cell.
    values = (heights[0].max() - heights[0]) / np.ptp(heights[0]) * 4
    assert_allclose(values, X, atol=1e-12)
    below = 1 + heights[0].max() - heights[1]
    assert_allclose(below / np.ptp(heights[0]) * 4, reconstructed, atol=1e-12)
    # An error of zero lies at the bottom of its cell, the largest one at the top.
    assert_allclose(heights[2].max() - heights[2, 1, 2], np.ptp(heights[0]))


def test_curves_stay_in_their_cells():
    X = np.random.default_rng(0).normal(size=(3, 10))
    display = ReconstructionDisplay(X, 5 * X).plot()
    for (i, column, _), line in np.ndenumerate(display.artists_):
        assert (line.get_xdata() > column).all()
        assert (line.get_xdata() < column + 1).all()
        assert (line.get_ydata() > i).all()
        assert (line.get_ydata() < i + 1).all()


def test_a_signal_has_a_curve_for_each_channel():
    X = np.random.default_rng(0).normal(size=(20, 3, 16)).astype(np.float32)
    ae = ConvAutoencoder(2, layout="signal", max_epochs=1, random_state=0).fit(X)
    display = ReconstructionDisplay.from_estimator(ae, X, n_samples=2)
    assert display.artists_.shape == (3, 2, 3)
    colors = [line.get_color() for line in display.artists_[0, 0]]
    assert colors == ["C0", "C1", "C2"]
    assert len(display.artists_[0, 0, 0].get_xdata()) == 16


def test_a_row_of_one_feature_is_a_point():
    X = np.arange(3.0)[:, np.newaxis]
    display = ReconstructionDisplay(X, X).plot()
    assert len(display.artists_[0, 0, 0].get_xdata()) == 1
    assert display.artists_[0, 0, 0].get_marker() == "o"


COLOURS = np.random.default_rng(0).integers(0, 256, size=(5, 6, 4, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (COLOURS, COLOURS / 255),
        (COLOURS.astype(float), COLOURS / 255),
        (COLOURS / 255, COLOURS / 255),
        (COLOURS / 25.5 - 5, (COLOURS - float(COLOURS.min())) / np.ptp(COLOURS)),
    ],
    ids=["bytes", "floats to 255", "floats to 1", "other floats"],
)
def test_colours_are_scaled_for_display(X, expected):
    display = ReconstructionDisplay(X, X).plot()
    assert_allclose(images_of(display.artists_[:2])[0], expected, atol=1e-12)


def test_both_layouts_of_channels_are_drawn_alike():
    first = np.moveaxis(COLOURS, -1, 1)
    layouts = {"channels_last": COLOURS, "channels_first": first}
    drawn = []
    for layout, X in layouts.items():
        ae = ConvAutoencoder(2, layout=layout, max_epochs=1).fit(X)
        flattened = X.reshape(len(X), -1)
        for given in (X, flattened):
            display = ReconstructionDisplay.from_estimator(ae, given)
            drawn.append(images_of(display.artists_[:1])[0])
    for images in drawn:
        assert_allclose(images, COLOURS / 255)


def test_colours_of_a_reconstruction_are_clipped_to_the_range_of_the_originals():
    display = ReconstructionDisplay(COLOURS / 255, COLOURS / 255 + 0.5).plot()
    images = images_of(display.artists_[1:2])[0]
    assert_allclose(images, np.minimum(COLOURS / 255 + 0.5, 1))


def test_the_error_of_a_colour_image_is_the_mean_over_its_channels():
    # Bytes: a difference of theirs would wrap around.
    display = ReconstructionDisplay(COLOURS, COLOURS[::-1].astype(float)).plot()
    error = np.abs(COLOURS.astype(float) - COLOURS[::-1]).mean(axis=-1)
    assert_allclose(images_of(display.artists_[2:])[0], error)


def test_two_channels_are_drawn_as_their_mean():
    X = np.random.default_rng(0).uniform(size=(3, 8, 6, 2))
    display = ReconstructionDisplay(X, X).plot()
    assert_allclose(images_of(display.artists_[:1])[0], X.mean(axis=-1))


def test_a_constant_image_is_drawn():
    X = np.ones((2, 3, 3))
    display = ReconstructionDisplay(X, X).plot()
    assert display.artists_[0, 0, 0].get_clim() == (1, 2)


def test_flat_rows_that_may_be_images_say_how_to_draw_them():
    pca = PCA(2).fit(ROWS)
    hint = "if a row is an image: image_shape=(8, 8)"
    display = ReconstructionDisplay.from_estimator(pca, ROWS)
    assert hint in display.ax_.get_xlabel()
    for given in ({"image_shape": (8, 8)}, {"layout": "signal"}):
        display = ReconstructionDisplay.from_estimator(pca, ROWS, **given)
        assert hint not in display.ax_.get_xlabel()
    few = PCA(2).fit(ROWS[:, :36])
    display = ReconstructionDisplay.from_estimator(few, ROWS[:, :36])
    assert "image_shape" not in display.ax_.get_xlabel()
