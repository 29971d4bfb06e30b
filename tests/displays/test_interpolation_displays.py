"""What InterpolationDisplay and BlendDisplay draw."""

import numpy as np
import pandas as pd
import pytest
from drawing import IMAGES, ROWS, SMALL, fitted_plain, images_of, texts_of
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA

from skae import (
    AnomalyDetector,
    AutoencoderTransformer,
    BlendDisplay,
    ConvAutoencoder,
    InterpolationDisplay,
    interpolate,
)

pytest.importorskip("matplotlib", reason="needs matplotlib")


@pytest.fixture
def ae():
    return fitted_plain()


def test_interpolations_of_both_kinds_are_drawn(ae):
    display = InterpolationDisplay.from_estimator(ae, IMAGES[0], IMAGES[1], 5)
    images = images_of(display.artists_)
    for i, share in enumerate(np.linspace(0, 1, 5)):
        mixed = (1 - share) * IMAGES[0] + share * IMAGES[1]
        assert_allclose(images[0, i], mixed, atol=1e-6)
    assert_array_equal(images[1], ae.interpolate(IMAGES[0], IMAGES[1], 5))
    assert texts_of(display.ax_.get_yticklabels()) == ["content", "representation"]
    shares = texts_of(display.ax_.get_xticklabels())
    assert shares == ["0", "0.25", "0.5", "0.75", "1"]


def test_interpolations_between_batches_follow_each_other(ae):
    display = InterpolationDisplay.from_estimator(
        ae, IMAGES[:2], IMAGES[2], 3, kinds=("representation", "content")
    )
    images = images_of(display.artists_)
    assert images.shape == (4, 3, 8, 8)
    expected = ae.interpolate(IMAGES[:2], IMAGES[2], 3)
    assert_array_equal(images[[0, 2]], expected)
    assert_allclose(images[3, 0], IMAGES[1])
    assert_allclose(images[[1, 3], 2], IMAGES[[2, 2]])


def test_the_path_of_an_interpolation_can_be_chosen(ae):
    display = InterpolationDisplay.from_estimator(
        ae, ROWS[0], ROWS[1], path="spherical", kinds="representation"
    )
    expected = ae.interpolate(ROWS[0], ROWS[1], path="spherical")
    assert_array_equal(images_of(display.artists_)[0], expected)


def test_the_corners_of_a_grid_are_the_reconstructions(ae):
    display = BlendDisplay.from_estimator(ae, IMAGES[:4], 3)
    images = images_of(display.artists_)
    corners = images[[0, 0, 2, 2], [0, 2, 0, 2]]
    assert_allclose(corners, ae.reconstruct(IMAGES[:4]), atol=1e-6)
    centre = ae.mix(IMAGES[:4], np.full(4, 0.25))
    assert_allclose(images[1, 1], centre, atol=1e-6)
    right = ae.mix(IMAGES[:4], [0, 0.5, 0, 0.5])
    assert_allclose(images[1, 2], right, atol=1e-6)


def test_a_grid_of_content_overlays_the_samples(ae):
    display = BlendDisplay.from_estimator(ae, IMAGES[:4], 3, kind="content")
    images = images_of(display.artists_)
    assert_allclose(images[0, 2], IMAGES[1], atol=1e-7)
    assert_allclose(images[2, 0], IMAGES[2], atol=1e-7)
    assert_allclose(images[1, 1], IMAGES[:4].mean(axis=0), atol=1e-7)


def test_blends_are_drawn_in_the_range_of_the_originals(ae):
    X = IMAGES[:4]
    for display in (
        BlendDisplay.from_estimator(ae, X),
        InterpolationDisplay.from_estimator(ae, X[0], X[1], kinds="representation"),
    ):
        assert display.limits == (0, 1)
        for image in display.artists_.ravel():
            assert image.get_clim() == (0, 1)


def test_frames_are_blended():
    X = pd.DataFrame(ROWS, columns=[f"pixel{i}" for i in range(64)])
    ae = AutoencoderTransformer(4, **SMALL).fit(X)
    drawn = InterpolationDisplay.from_estimator(ae, X.iloc[0], X.iloc[1], 3)
    assert drawn.artists_.shape == (2, 3, 1)
    for kind in ("content", "representation"):
        grid = BlendDisplay.from_estimator(ae, X.iloc[:4], 3, kind=kind)
        assert grid.artists_.shape == (3, 3, 1)


# Support ------------------------------------------------------------------------------

WALKS = {name: np.zeros((2, 3, 4, 4)) for name in ("content", "representation")}
SUPPORT = np.array([[0.5, 0.05, 0.049], [0.0077, 0.123, 1.0]])


def test_p_values_are_below_their_interpolations_and_small_ones_in_bold_red():
    display = InterpolationDisplay(WALKS, support=SUPPORT).plot()
    texts = display.support_texts_
    expected = ["p=0.50", "p=0.05", "p=0.049", "p=0.0077", "p=0.12", "p=1.00"]
    assert texts_of(texts) == expected
    is_red = [text.get_color() == "C3" for text in texts]
    assert is_red == [False, False, True, True, False, False]
    assert [text.get_fontweight() == "bold" for text in texts] == is_red
    assert "in bold red below 0.05" in display.ax_.get_xlabel()
    # Lines 1 and 3 are by representation; the axis points down.
    boxes = np.array([[x.get_extent() for (x,) in line] for line in display.artists_])
    for text, box in zip(texts, boxes[[1, 3]].reshape(6, 4), strict=True):
        across, height = text.get_position()
        assert_allclose(across, box[:2].mean())
        assert height > box[2]
    assert boxes[2, 0, 3] > texts[0].get_position()[1] + 0.1
    assert texts[5].get_position()[1] + 0.1 < display.ax_.get_ylim()[0]


def test_a_detector_writes_its_support():
    detector = AnomalyDetector(fitted_plain(), random_state=0).fit(IMAGES)
    ends = IMAGES[:2], IMAGES[2:4]
    display = InterpolationDisplay.from_estimator(detector, *ends, 4)
    walks, support = interpolate(detector, *ends, 4, return_support=True)
    assert_array_equal(images_of(display.artists_[[1, 3]]), walks)
    assert_array_equal(display.support, support)
    one = InterpolationDisplay.from_estimator(detector, IMAGES[0], IMAGES[2], 4)
    assert_array_equal(one.support, support[:1])
    alone = InterpolationDisplay.from_estimator(detector, *ends, kinds="content")
    assert alone.support_texts_ == []


def test_other_estimators_write_no_support(ae):
    display = InterpolationDisplay.from_estimator(ae, IMAGES[0], IMAGES[1])
    assert display.support is None
    assert display.support_texts_ == []
    assert display.ax_.get_xlabel() == "share of the second sample"


def test_named_columns_have_support_below_their_cells():
    X = pd.DataFrame(ROWS[:, 18:22], columns=list("abcd"))
    detector = AnomalyDetector(PCA(2), random_state=0).fit(X)
    display = InterpolationDisplay.from_estimator(detector, X.iloc[0], X.iloc[1], 3)
    support = interpolate(detector, X.iloc[0], X.iloc[1], 3, return_support=True)[1]
    assert_array_equal(display.support, [support])
    places = [text.get_position() for text in display.support_texts_]
    assert_allclose(places, [[0.5, 3.5], [1.5, 3.5], [2.5, 3.5]])
    assert display.ax_.get_ylim()[0] > 3.5 + 0.5


def test_a_detector_of_colours_knows_their_layout():
    X = np.random.default_rng(0).uniform(size=(30, 8, 6, 3)).astype(np.float32)
    ae = ConvAutoencoder(2, layout="channels_last", max_epochs=1, random_state=0)
    detector = AnomalyDetector(ae, random_state=0).fit(X)
    display = InterpolationDisplay.from_estimator(detector, X[0], X[1], 3)
    assert display.layout == "channels_last"
    assert images_of(display.artists_).shape == (2, 3, 8, 6, 3)


def test_support_has_a_value_for_each_step():
    with pytest.raises(
        ValueError, match=r"support has shape \(3,\), but the .* 2 of 3"
    ):
        InterpolationDisplay(WALKS, support=SUPPORT[0]).plot()


# Refusals -----------------------------------------------------------------------------


def test_kinds_of_interpolations_have_to_be_known(ae):
    for kinds in ("codes", (), ("content", "codes")):
        with pytest.raises(ValueError, match=r"kinds=.* must hold 'content'"):
            InterpolationDisplay.from_estimator(ae, ROWS[0], ROWS[1], kinds=kinds)
    with pytest.raises(ValueError, match=r"kind='codes' is not known. Choose"):
        BlendDisplay.from_estimator(ae, ROWS[:4], kind="codes")
    with pytest.raises(ValueError, match="path='round' is not known"):
        InterpolationDisplay.from_estimator(ae, ROWS[0], ROWS[1], path="round")


def test_there_are_four_corners_and_at_least_two_steps(ae):
    for X, n_samples in ((ROWS[:3], 3), (ROWS[0], 1)):
        with pytest.raises(ValueError, match=rf"X has {n_samples} sample\(s\), but"):
            BlendDisplay.from_estimator(ae, X)
    with pytest.raises(ValueError, match="n_steps == 1, must be >= 2"):
        BlendDisplay.from_estimator(ae, ROWS[:4], 1)
