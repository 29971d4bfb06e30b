"""What displays draw: the arrays, the texts and the axes of every picture."""

import sys

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ESTIMATORS
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler

import skae
from skae import (
    AutoencoderTransformer,
    BlendDisplay,
    ConvAutoencoder,
    DenoisingAutoencoder,
    InterpolationDisplay,
    LatentDiagnosticsDisplay,
    LatentSpaceDisplay,
    MaskingNoise,
    ReconstructionDisplay,
    SparseAutoencoder,
    TrainingHistoryDisplay,
    VariationalAutoencoder,
)

plt = pytest.importorskip("matplotlib.pyplot", reason="needs matplotlib")

N = 48
PICTURES = (load_digits().images[:N] / 16).astype(np.float32)
ROWS = PICTURES.reshape(N, 64)
LABELS = load_digits().target[:N]
SMALL = {"hidden_layer_sizes": (16,), "max_epochs": 1, "random_state": 0}


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def ae():
    return AutoencoderTransformer(4, **SMALL).fit(PICTURES)


@pytest.fixture(scope="module")
def vae():
    vae = VariationalAutoencoder(
        2, **{**SMALL, "max_epochs": 3}, early_stopping=True, tol=0
    )
    return vae.fit(ROWS)


@pytest.fixture(scope="module")
def denoising():
    return DenoisingAutoencoder(4, noise="masking", noise_level=0.5, **SMALL).fit(ROWS)


def _images(artists):
    """Return the arrays of the images of a display, with its grid in front."""
    return np.array([[np.asarray(x.get_array()) for (x,) in line] for line in artists])


def _texts(labels):
    return [label.get_text() for label in labels]


# Samples in cells ---------------------------------------------------------------------


def test_pictures_stand_above_their_reconstructions_and_errors(ae):
    display = ReconstructionDisplay.from_estimator(ae, PICTURES, n_samples=5)
    X, reconstructed = PICTURES[:5], ae.reconstruct(PICTURES[:5])
    images = _images(display.artists_)
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
    names = _texts(display.ax_.get_yticklabels())
    assert names == ["original", "reconstruction", "absolute error\n0 to 4"]
    # 4² over four pixels
    assert _texts(display.ax_.get_xticklabels()) == ["4"]
    assert display.ax_.get_xlabel() == "mean squared error"


def test_large_errors_are_written_without_exponents():
    X = np.zeros((2, 2, 2))
    errors = np.array([64.0, 0.1])[:, np.newaxis, np.newaxis]
    display = ReconstructionDisplay(X, X + errors).plot()
    assert _texts(display.ax_.get_xticklabels()) == ["4100", "0.01"]


def test_cells_do_not_overlap_and_have_square_pixels():
    X = np.random.default_rng(0).uniform(size=(3, 4, 8))
    display = ReconstructionDisplay(X, X).plot()
    boxes = np.array([[x.get_extent() for (x,) in line] for line in display.artists_])
    left, right, bottom, top = np.moveaxis(boxes, -1, 0)
    assert (right[:, :-1] < left[:, 1:]).all()
    assert (bottom[:-1] < top[1:]).all()  # the axis points down
    assert display.ax_.get_aspect() == 0.5
    assert display.ax_.get_ylim()[0] > display.ax_.get_ylim()[1]


def test_flat_rows_are_pictures_where_a_shape_is_given(ae):
    flat = AutoencoderTransformer(4, **SMALL).fit(ROWS)
    drawn = ReconstructionDisplay.from_estimator(flat, ROWS, image_shape=(8, 8))
    expected = ReconstructionDisplay.from_estimator(ae, PICTURES)
    assert_array_equal(_images(drawn.artists_), _images(expected.artists_))


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
    assert_allclose(_images(display.artists_[:2])[0], expected, atol=1e-12)


def test_both_layouts_of_channels_look_alike():
    first = np.moveaxis(COLOURS, -1, 1)
    layouts = {"channels_last": COLOURS, "channels_first": first}
    drawn = []
    for layout, X in layouts.items():
        ae = ConvAutoencoder(2, layout=layout, max_epochs=1).fit(X)
        flattened = X.reshape(len(X), -1)
        for given in (X, flattened):
            display = ReconstructionDisplay.from_estimator(ae, given)
            drawn.append(_images(display.artists_[:1])[0])
    for images in drawn:
        assert_allclose(images, COLOURS / 255)


def test_colours_of_a_reconstruction_are_clipped_to_the_range_of_the_originals():
    display = ReconstructionDisplay(COLOURS / 255, COLOURS / 255 + 0.5).plot()
    images = _images(display.artists_[1:2])[0]
    assert_allclose(images, np.minimum(COLOURS / 255 + 0.5, 1))


def test_the_error_of_a_colour_picture_is_the_mean_over_its_channels():
    # Bytes: a difference of theirs would wrap around.
    display = ReconstructionDisplay(COLOURS, COLOURS[::-1].astype(float)).plot()
    error = np.abs(COLOURS.astype(float) - COLOURS[::-1]).mean(axis=-1)
    assert_allclose(_images(display.artists_[2:])[0], error)


def test_two_channels_are_drawn_as_their_mean():
    X = np.random.default_rng(0).uniform(size=(3, 8, 6, 2))
    display = ReconstructionDisplay(X, X).plot()
    assert_allclose(_images(display.artists_[:1])[0], X.mean(axis=-1))


def test_a_constant_picture_is_drawn():
    X = np.ones((2, 3, 3))
    display = ReconstructionDisplay(X, X).plot()
    assert display.artists_[0, 0, 0].get_clim() == (1, 2)


# Reconstructions ----------------------------------------------------------------------


def test_a_denoising_autoencoder_shows_what_it_is_given(denoising):
    display = ReconstructionDisplay.from_estimator(
        denoising, ROWS, n_samples=4, image_shape=(8, 8), random_state=3
    )
    noisy = denoising.corrupt(ROWS[:4], random_state=3)
    images = _images(display.artists_).reshape(4, 4, 64)
    assert_array_equal(images[0], ROWS[:4])
    assert_array_equal(images[1], noisy)
    assert_array_equal(images[2], denoising.denoise(noisy))
    assert _texts(display.ax_.get_yticklabels())[1] == "corrupted"


def test_the_corruption_slot_is_shown_too():
    ae = AutoencoderTransformer(4, corruption=MaskingNoise(1.0), **SMALL).fit(PICTURES)
    display = ReconstructionDisplay.from_estimator(ae, PICTURES, n_samples=2)
    assert (_images(display.artists_)[1] == 0).all()


def test_none_leaves_the_noise_out(denoising):
    display = ReconstructionDisplay.from_estimator(denoising, ROWS, corrupted=None)
    assert display.corrupted is None
    assert len(display.artists_) == 3


def test_corrupted_samples_can_be_given(ae):
    corrupted = np.roll(PICTURES, 1, axis=1)
    display = ReconstructionDisplay.from_estimator(
        ae, PICTURES, corrupted=corrupted, n_samples=3
    )
    images = _images(display.artists_)
    assert_array_equal(images[1], corrupted[:3])
    assert_array_equal(images[2], ae.reconstruct(corrupted[:3]))


@pytest.mark.parametrize("X", [pd.DataFrame(ROWS), ROWS.tolist(), torch.tensor(ROWS)])
def test_frames_lists_and_tensors_are_drawn(X):
    ae = AutoencoderTransformer(4, **SMALL).fit(X)
    display = ReconstructionDisplay.from_estimator(ae, X, image_shape=(8, 8))
    assert_array_equal(_images(display.artists_)[0], PICTURES[:8])


@pytest.mark.parametrize(
    "transformer",
    [
        PCA(4),
        make_pipeline(MinMaxScaler(), AutoencoderTransformer(4, **SMALL)),
        GridSearchCV(PCA(), {"n_components": [2, 4]}, cv=2),
    ],
    ids=["pca", "pipeline", "search"],
)
def test_anything_with_an_inverse_is_drawn(transformer):
    transformer.fit(ROWS)
    display = ReconstructionDisplay.from_estimator(
        transformer, ROWS, image_shape=(8, 8), n_samples=2
    )
    expected = transformer.inverse_transform(transformer.transform(ROWS[:2]))
    assert_allclose(_images(display.artists_)[1].reshape(2, 64), expected)
    for drawn in (
        InterpolationDisplay.from_estimator(transformer, ROWS[0], ROWS[1]),
        BlendDisplay.from_estimator(transformer, ROWS[:4]),
        LatentSpaceDisplay.from_estimator(transformer, ROWS, LABELS),
    ):
        assert drawn.figure_ is drawn.ax_.figure


def test_a_pipeline_knows_the_shape_that_its_autoencoder_knows():
    conv = ConvAutoencoder(4, image_shape=(1, 8, 8), max_epochs=1, random_state=0)
    pipe = make_pipeline(MinMaxScaler(), conv).fit(ROWS)
    display = ReconstructionDisplay.from_estimator(pipe, ROWS)
    assert_array_equal(_images(display.artists_)[0], PICTURES[:8])


def test_pictures_may_pass_a_step_that_flattens_them():
    flatten = FunctionTransformer(lambda X: X.reshape(len(X), -1), validate=False)
    pipe = make_pipeline(flatten, AutoencoderTransformer(4, **SMALL))
    pipe.fit(ROWS)
    display = ReconstructionDisplay.from_estimator(pipe, ROWS, image_shape=(8, 8))
    assert_array_equal(_images(display.artists_)[0], PICTURES[:8])


def test_one_sample_is_drawn_alone(ae):
    for sample in (PICTURES[0], ROWS[0]):
        display = ReconstructionDisplay.from_estimator(ae, sample)
        assert_array_equal(_images(display.artists_)[0], PICTURES[:1])


# Walks and blends ---------------------------------------------------------------------


def test_walks_of_both_kinds_are_drawn(ae):
    display = InterpolationDisplay.from_estimator(ae, PICTURES[0], PICTURES[1], 5)
    images = _images(display.artists_)
    for i, share in enumerate(np.linspace(0, 1, 5)):
        mixed = (1 - share) * PICTURES[0] + share * PICTURES[1]
        assert_allclose(images[0, i], mixed, atol=1e-6)
    assert_array_equal(images[1], ae.interpolate(PICTURES[0], PICTURES[1], 5))
    assert _texts(display.ax_.get_yticklabels()) == ["content", "representation"]
    shares = _texts(display.ax_.get_xticklabels())
    assert shares == ["0", "0.25", "0.5", "0.75", "1"]


def test_walks_between_batches_follow_each_other(ae):
    display = InterpolationDisplay.from_estimator(
        ae, PICTURES[:2], PICTURES[2], 3, kinds=("representation", "content")
    )
    images = _images(display.artists_)
    assert images.shape == (4, 3, 8, 8)
    walks = ae.interpolate(PICTURES[:2], PICTURES[2], 3)
    assert_array_equal(images[[0, 2]], walks)
    assert_allclose(images[3, 0], PICTURES[1])
    assert_allclose(images[[1, 3], 2], PICTURES[[2, 2]])


def test_the_path_of_a_walk_can_be_chosen(ae):
    display = InterpolationDisplay.from_estimator(
        ae, ROWS[0], ROWS[1], path="spherical", kinds="representation"
    )
    walk = ae.interpolate(ROWS[0], ROWS[1], path="spherical")
    assert_array_equal(_images(display.artists_)[0], walk)


def test_the_corners_of_a_grid_are_the_reconstructions(ae):
    display = BlendDisplay.from_estimator(ae, PICTURES[:4], 3)
    images = _images(display.artists_)
    corners = images[[0, 0, 2, 2], [0, 2, 0, 2]]
    assert_allclose(corners, ae.reconstruct(PICTURES[:4]), atol=1e-6)
    centre = ae.mix(PICTURES[:4], np.full(4, 0.25))
    assert_allclose(images[1, 1], centre, atol=1e-6)
    right = ae.mix(PICTURES[:4], [0, 0.5, 0, 0.5])
    assert_allclose(images[1, 2], right, atol=1e-6)


def test_a_grid_of_content_overlays_the_samples(ae):
    display = BlendDisplay.from_estimator(ae, PICTURES[:4], 3, kind="content")
    images = _images(display.artists_)
    assert_allclose(images[0, 2], PICTURES[1], atol=1e-7)
    assert_allclose(images[2, 0], PICTURES[2], atol=1e-7)
    assert_allclose(images[1, 1], PICTURES[:4].mean(axis=0), atol=1e-7)


def test_blends_are_drawn_in_the_range_of_the_originals(ae):
    X = PICTURES[:4]
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
    walk = InterpolationDisplay.from_estimator(ae, X.iloc[0], X.iloc[1], 3)
    assert walk.artists_.shape == (2, 3, 1)
    for kind in ("content", "representation"):
        grid = BlendDisplay.from_estimator(ae, X.iloc[:4], 3, kind=kind)
        assert grid.artists_.shape == (3, 3, 1)


# The space of codes -------------------------------------------------------------------


def test_two_units_are_drawn_as_they_are(vae):
    display = LatentSpaceDisplay.from_estimator(vae, ROWS)
    assert_allclose(display.scatter_.get_offsets(), vae.transform(ROWS))
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("unit 0", "unit 1")
    assert display.legend_ is None
    assert display.colorbar_ is None
    assert display.explained_variance_ratio_ is None


def test_more_units_are_drawn_by_their_principal_components(ae):
    display = LatentSpaceDisplay.from_estimator(ae, PICTURES)
    codes = ae.transform(PICTURES).astype(float)
    pca = PCA(2).fit(codes)
    shares = pca.explained_variance_ratio_
    assert_allclose(display.explained_variance_ratio_, shares, rtol=1e-6)
    drawn = np.asarray(display.scatter_.get_offsets())
    assert_allclose(np.abs(drawn), np.abs(pca.transform(codes)), atol=1e-5)
    assert display.ax_.get_xlabel().endswith(
        f"component 1 of the code ({shares[0]:.0%})"
    )


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (LABELS, [str(digit) for digit in range(10)]),
        (LABELS.astype(float), [str(digit) for digit in range(10)]),
        (LABELS > 4, ["False", "True"]),
        (np.where(LABELS > 4, "high", "low"), ["high", "low"]),
        (pd.Series(np.where(LABELS > 4, "b", "a"), dtype="category"), ["a", "b"]),
        (np.where(LABELS > 4, "high", None), ["None", "high"]),
        (np.char.add("class ", np.arange(N).astype(str)), None),
    ],
    ids=["ints", "floats", "booleans", "strings", "categories", "None", "many"],
)
def test_classes_get_a_legend(vae, y, names):
    display = LatentSpaceDisplay.from_estimator(vae, ROWS, y)
    found = _texts(display.legend_.get_texts())
    assert found == (sorted(set(y)) if names is None else names)
    display.scatter_.update_scalarmappable()
    colors = display.scatter_.get_facecolor()
    of_class = {str(name): tuple(color) for name, color in zip(y, colors, strict=True)}
    assert len(set(of_class.values())) == len(found)
    handles = display.legend_.legend_handles
    for name, handle in zip(found, handles, strict=True):
        key = name if name in of_class else f"{float(name)}"
        assert_allclose(of_class[key][:3], handle.get_markerfacecolor()[:3])


def test_a_legend_leaves_room_for_the_codes():
    codes = np.random.default_rng(0).normal(size=(65, 2))
    names = [f"class {i}" for i in range(65)]
    display = LatentSpaceDisplay(codes[:64], y=names[:64]).plot()
    display.figure_.canvas.draw()
    assert len(display.legend_.get_texts()) == 64
    assert display.ax_.get_position().width * display.figure_.get_figwidth() > 3
    assert LatentSpaceDisplay(codes, y=names).plot().legend_ is None
    assert LatentSpaceDisplay(codes[:, :1], y=names).plot().ax_.get_yticks().size == 0


@pytest.mark.parametrize("y", [ROWS.mean(axis=1), np.arange(N)], ids=["floats", "ints"])
def test_other_numbers_get_a_colour_bar(vae, y):
    display = LatentSpaceDisplay.from_estimator(
        vae, ROWS, pd.Series(y, name="how much")
    )
    assert display.legend_ is None
    assert display.colorbar_.ax.get_ylabel() == "how much"
    assert_array_equal(display.scatter_.get_array(), y)


def test_one_unit_lies_along_what_is_known():
    ae = AutoencoderTransformer(1, **SMALL).fit(ROWS)
    code = ae.transform(ROWS)[:, 0]
    numbers = LatentSpaceDisplay.from_estimator(ae, ROWS, ROWS.mean(axis=1))
    offsets = np.asarray(numbers.scatter_.get_offsets())
    assert_allclose(offsets, np.column_stack([code, ROWS.mean(axis=1)]))
    classes = LatentSpaceDisplay.from_estimator(ae, ROWS, LABELS)
    offsets = np.asarray(classes.scatter_.get_offsets())
    assert_allclose(offsets[:, 0], code)
    assert_array_equal(offsets[:, 1].round(), LABELS)
    assert _texts(classes.ax_.get_yticklabels()) == [str(i) for i in range(10)]
    alone = LatentSpaceDisplay.from_estimator(ae, ROWS)
    assert list(alone.ax_.get_yticks()) == []


def test_thumbnails_stand_at_their_codes(vae):
    display = LatentSpaceDisplay.from_estimator(
        vae, ROWS, LABELS, thumbnails=5, image_shape=(8, 8)
    )
    codes = vae.transform(ROWS)
    assert len(display.thumbnails_) == 5
    for thumbnail in display.thumbnails_:
        (i,) = np.flatnonzero((codes == thumbnail.xy).all(axis=1))
        assert_array_equal(thumbnail.offsetbox.get_data(), PICTURES[i])


def test_thumbnails_are_far_from_each_other():
    codes = np.array([[0.0, 0.0], [0.1, 0.0], [10.0, 0.0], [0.0, 1.0], [0.0, 0.9]])
    display = LatentSpaceDisplay(codes, X=np.eye(5)).plot(thumbnails=3)
    chosen = {tuple(thumbnail.xy) for thumbnail in display.thumbnails_}
    assert chosen == {(10.0, 0.0), (0.0, 0.0), (0.0, 1.0)}
    # There are no more than samples.
    assert len(display.plot(thumbnails=9).thumbnails_) == 5


def test_thumbnails_share_the_range_of_the_samples():
    X = PICTURES[:4]
    display = LatentSpaceDisplay(X[:, 0, :2], X=X).plot(
        thumbnails=2, sample_kw={"vmax": 3}
    )
    for thumbnail in display.thumbnails_:
        norm = thumbnail.offsetbox.image.norm
        assert (norm.vmin, norm.vmax) == (X.min(), 3)


def test_thumbnails_of_signals_are_curves():
    X = np.random.default_rng(0).normal(size=(6, 3, 10))
    display = LatentSpaceDisplay(X[:, 0, :2], X=X, layout="signal").plot(thumbnails=2)
    curves = display.thumbnails_[0].offsetbox.get_children()
    assert [curve.get_color() for curve in curves] == ["C0", "C1", "C2"]


# Training and diagnostics -------------------------------------------------------------


def test_every_term_has_a_panel_with_both_curves(vae):
    display = TrainingHistoryDisplay.from_estimator(vae)
    titles = [panel.get_title() for panel in display.axes_]
    assert titles == ["loss", "reconstruction", "kl"]
    assert set(display.lines_) == {
        f"{part}_{term}" for part in ("train", "valid") for term in titles
    }
    for name, line in display.lines_.items():
        assert_array_equal(line.get_xdata(), [1, 2, 3])
        assert_array_equal(line.get_ydata(), [epoch[name] for epoch in vae.history_])
    assert display.lines_["train_kl"].get_linestyle() == "-"
    assert display.lines_["valid_kl"].get_linestyle() == "--"


def test_early_stopping_marks_the_best_epoch(vae, ae):
    display = TrainingHistoryDisplay.from_estimator(vae)
    losses = [epoch["valid_loss"] for epoch in vae.history_]
    best = 1 + int(np.argmin(losses))
    assert [list(line.get_xdata()) for line in display.best_lines_] == [[best] * 2] * 3
    legend = _texts(display.axes_[0].get_legend().get_texts())
    assert legend == ["training", "validation", "best epoch"]
    assert TrainingHistoryDisplay.from_estimator(ae).best_lines_ == []


def test_no_epoch_is_marked_as_kept_where_partial_fit_went_on():
    ae = AutoencoderTransformer(2, max_epochs=2, early_stopping=True, random_state=0)
    assert len(TrainingHistoryDisplay.from_estimator(ae.fit(ROWS)).best_lines_) == 1
    ae.partial_fit(ROWS)
    assert TrainingHistoryDisplay.from_estimator(ae).best_lines_ == []


def test_a_single_term_is_drawn_once(ae):
    display = TrainingHistoryDisplay.from_estimator(make_pipeline(ae))
    assert [panel.get_title() for panel in display.axes_] == ["reconstruction"]
    assert display.axes_[0].get_legend() is None


def test_a_term_of_some_epochs_is_drawn_for_these():
    history = [
        {"epoch": 1, "train_loss": 3.0, "train_a": 3.0},
        {"epoch": 2, "train_loss": 3.0, "train_a": 1.0, "train_b": 2.0},
    ]
    display = TrainingHistoryDisplay(history).plot()
    assert_array_equal(display.lines_["train_b"].get_ydata(), [np.nan, 2])


def test_a_term_that_falls_far_has_a_logarithmic_axis():
    history = [
        {"epoch": i, "train_loss": x, "train_a": x, "train_b": 2 + x, "train_c": -x}
        for i, x in enumerate([100.0, 10.0, 1.0])
    ]
    display = TrainingHistoryDisplay(history).plot()
    scales = [panel.get_yscale() for panel in display.axes_]
    assert scales == ["log", "log", "log", "linear"]
    history[-1]["train_b"] = 50.0
    assert TrainingHistoryDisplay(history).plot().axes_[2].get_yscale() == "linear"


def test_diagnostics_are_those_of_the_report(vae):
    display = LatentDiagnosticsDisplay.from_estimator(vae, ROWS)
    found = skae.diagnostics.report(vae, ROWS)
    heights = [bar.get_height() for bar in display.std_bars_]
    assert_allclose(heights, found.std)
    assert_allclose([bar.get_height() for bar in display.kl_bars_], found.kl)
    assert_allclose(display.spectrum_line_.get_ydata(), found.spectrum)
    assert_allclose(display.rank_line_.get_xdata(), [found.effective_rank] * 2)
    assert display.zeros_bars_ is None
    assert len(display.axes_) == 3


def test_zeros_are_drawn_where_there_are_any():
    ae = SparseAutoencoder(8, method="topk", n_active=2, **SMALL).fit(ROWS)
    display = LatentDiagnosticsDisplay.from_estimator(ae, ROWS)
    zeros = (ae.transform(ROWS) == 0).mean(axis=0)
    assert_allclose([bar.get_height() for bar in display.zeros_bars_], zeros)
    assert display.kl_bars_ is None
    active = skae.diagnostics.report(ae, ROWS).active
    colors = np.array([bar.get_facecolor() for bar in display.zeros_bars_])
    assert len(np.unique(colors[active], axis=0)) == 1
    assert not (colors[~active] == colors[active][0]).all(axis=1).any()
    assert display.axes_[0].get_title() == f"{active.sum()} of 8 active"


# All of them --------------------------------------------------------------------------


def _draw(kind, ae, X, **kwargs):
    """Draw a display of a kind from pictures."""
    inputs = {
        InterpolationDisplay: (X[0], X[1]),
        BlendDisplay: (X[:4],),
        TrainingHistoryDisplay: (),
    }
    return kind.from_estimator(ae, *inputs.get(kind, (X,)), **kwargs)


DISPLAYS = [
    BlendDisplay,
    InterpolationDisplay,
    LatentDiagnosticsDisplay,
    LatentSpaceDisplay,
    ReconstructionDisplay,
    TrainingHistoryDisplay,
]


def test_the_list_of_displays_is_complete():
    names = [name for name in skae.__all__ if name.endswith("Display")]
    assert [display.__name__ for display in DISPLAYS] == names


@pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)
def test_every_estimator_is_drawn(cls):
    ae = cls(3, max_epochs=1, random_state=0).fit(PICTURES)
    for kind in DISPLAYS:
        display = _draw(kind, ae, PICTURES)
        assert type(display) is kind
        assert display.figure_ is display.ax_.figure
    assert plt.get_fignums() == list(range(1, 7))


@pytest.mark.parametrize("kind", DISPLAYS, ids=lambda cls: cls.__name__)
def test_a_display_is_drawn_on_axes_that_are_given(ae, kind):
    figure, (ax, other) = plt.subplots(1, 2)
    display = _draw(kind, ae, PICTURES, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    assert not other.has_data()
    if hasattr(display, "axes_"):
        bounds = ax.get_position()
        for panel in display.axes_:
            box = panel.get_position()
            assert bounds.x0 - 1e-9 <= box.x0
            assert box.x1 <= bounds.x1 + 1e-9


@pytest.mark.parametrize("kind", DISPLAYS, ids=lambda cls: cls.__name__)
def test_nothing_is_cut_off_at_the_edge(vae, kind):
    figure = _draw(kind, vae, ROWS).figure_
    figure.draw_without_rendering()
    drawn = figure.get_tightbbox()  # in inches
    assert drawn.x0 >= 0
    assert drawn.y0 >= 0
    assert drawn.x1 <= figure.get_figwidth()
    assert drawn.y1 <= figure.get_figheight()


@pytest.mark.parametrize("kind", DISPLAYS, ids=lambda cls: cls.__name__)
def test_a_display_can_be_drawn_again(ae, kind):
    display = _draw(kind, ae, PICTURES)
    first = display.figure_
    assert display.plot() is display
    assert display.figure_ is not first


@pytest.mark.parametrize("kind", DISPLAYS, ids=lambda cls: cls.__name__)
def test_a_display_says_how_to_install_matplotlib(ae, kind, monkeypatch):
    display = _draw(kind, ae, PICTURES)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"plot needs .* pip install skae\[plot\]"):
        display.plot()
    with pytest.raises(ImportError, match=f"{kind.__name__}.from_estimator needs"):
        _draw(kind, ae, PICTURES)


@pytest.mark.parametrize("kind", DISPLAYS, ids=lambda cls: cls.__name__)
def test_an_unfitted_estimator_is_refused(kind):
    with pytest.raises(NotFittedError):
        _draw(kind, AutoencoderTransformer(2), PICTURES)


@pytest.mark.parametrize("kind", DISPLAYS, ids=lambda cls: cls.__name__)
def test_several_axes_are_refused(ae, kind):
    with pytest.raises(TypeError, match=r"ax must be one matplotlib Axes .* ndarray"):
        _draw(kind, ae, PICTURES, ax=plt.subplots(1, 2)[1])


def test_style_is_merged_over_defaults(ae, vae):
    shown = ReconstructionDisplay.from_estimator(
        ae, PICTURES, sample_kw={"cmap": "gray_r"}, error_kw={"vmax": 2}
    )
    assert shown.artists_[0, 0, 0].get_cmap().name == "gray_r"
    assert shown.artists_[2, 0, 0].get_cmap().name == "magma"
    assert shown.artists_[2, 0, 0].get_clim() == (0, 2)
    curves = ReconstructionDisplay(ROWS[:2], ROWS[:2]).plot(
        sample_kw={"c": "k", "lw": 3}, error_kw={"ls": ":"}
    )
    line = curves.artists_[0, 0, 0]
    assert (line.get_color(), line.get_linewidth()) == ("k", 3)
    assert curves.artists_[2, 0, 0].get_linestyle() == ":"
    points = LatentSpaceDisplay.from_estimator(
        vae, ROWS, LABELS, scatter_kw={"s": 7, "alpha": 0.5}
    )
    assert points.scatter_.get_sizes() == [7]
    history = TrainingHistoryDisplay.from_estimator(
        vae, train_kw={"c": "k"}, valid_kw={"ls": ":"}
    )
    assert history.lines_["train_kl"].get_color() == "k"
    assert history.lines_["valid_kl"].get_linestyle() == ":"
    units = LatentDiagnosticsDisplay.from_estimator(
        vae, ROWS, bar_kw={"width": 0.5}, line_kw={"lw": 4}
    )
    assert_allclose(units.std_bars_[0].get_width(), 0.5)
    assert units.spectrum_line_.get_linewidth() == 4


def test_one_property_given_twice_is_refused():
    with pytest.raises(TypeError, match="aliases of one another"):
        ReconstructionDisplay(ROWS, ROWS).plot(sample_kw={"c": "k", "color": "r"})


# Errors -------------------------------------------------------------------------------


def test_samples_of_another_shape_are_refused(ae):
    with pytest.raises(ValueError, match=r"X has shape .*but a sample has shape"):
        ReconstructionDisplay.from_estimator(ae, ROWS[:, :60])
    with pytest.raises(ValueError, match=r"corrupted has shape .*but a sample has"):
        ReconstructionDisplay.from_estimator(ae, ROWS, corrupted=ROWS[:, :60])
    with pytest.raises(ValueError, match=r"image_shape=\(8, 9\) describes 72 features"):
        ReconstructionDisplay.from_estimator(PCA(2).fit(ROWS), ROWS, image_shape=(8, 9))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ReconstructionDisplay.from_estimator(ae, ROWS[:4], corrupted=ROWS[:3])
    with pytest.raises(ValueError, match=r"reconstruction has shape \(3, 64\), but X"):
        ReconstructionDisplay(ROWS[:4], ROWS[:3]).plot()


def test_a_layout_has_to_be_known(ae):
    with pytest.raises(ValueError, match=r"layout='chw' is not known. Choose None, 'c"):
        ReconstructionDisplay.from_estimator(ae, PICTURES, layout="chw")


def test_colours_are_set_once(vae):
    for kw in ({"c": "k"}, {"color": "k"}):
        with pytest.raises(ValueError, match="y sets the colours, and so does"):
            LatentSpaceDisplay.from_estimator(vae, ROWS, LABELS, scatter_kw=kw)
    display = LatentSpaceDisplay.from_estimator(vae, ROWS, scatter_kw={"c": "k"})
    assert_array_equal(display.scatter_.get_facecolor(), [[0, 0, 0, 1]])


def test_what_is_corrupted_has_to_be_known(ae):
    with pytest.raises(ValueError, match=r"corrupted='yes' is not known. Pass 'auto'"):
        ReconstructionDisplay.from_estimator(ae, ROWS, corrupted="yes")


def test_a_number_of_samples_is_at_least_one(ae):
    with pytest.raises(ValueError, match="n_samples == 0, must be >= 1"):
        ReconstructionDisplay.from_estimator(ae, ROWS, n_samples=0)


def test_kinds_of_walks_have_to_be_known(ae):
    for kinds in ("codes", (), ("content", "codes")):
        with pytest.raises(ValueError, match=r"kinds=.* must hold 'content'"):
            InterpolationDisplay.from_estimator(ae, ROWS[0], ROWS[1], kinds=kinds)
    with pytest.raises(ValueError, match=r"kind='codes' is not known. Choose"):
        BlendDisplay.from_estimator(ae, ROWS[:4], kind="codes")
    with pytest.raises(ValueError, match="path='round' is not known"):
        InterpolationDisplay.from_estimator(ae, ROWS[0], ROWS[1], path="round")


def test_corners_are_four_and_steps_two(ae):
    for X, n_samples in ((ROWS[:3], 3), (ROWS[0], 1)):
        with pytest.raises(ValueError, match=rf"X has {n_samples} sample\(s\), but"):
            BlendDisplay.from_estimator(ae, X)
    with pytest.raises(ValueError, match="n_steps == 1, must be >= 2"):
        BlendDisplay.from_estimator(ae, ROWS[:4], 1)


def test_codes_and_what_is_known_of_them_have_to_agree(vae):
    with pytest.raises(ValueError, match="y has 3 values, but there are 48 codes"):
        LatentSpaceDisplay.from_estimator(vae, ROWS, LABELS[:3])
    with pytest.raises(ValueError, match="y should be a 1d array"):
        LatentSpaceDisplay.from_estimator(vae, ROWS, ROWS[:, :2])
    with pytest.raises(ValueError, match=r"codes has shape \(3,\), but"):
        LatentSpaceDisplay(np.zeros(3)).plot()


def test_thumbnails_need_samples_and_a_number(vae):
    with pytest.raises(ValueError, match="thumbnails needs the samples: pass X"):
        LatentSpaceDisplay(np.zeros((3, 2))).plot(thumbnails=2)
    with pytest.raises(TypeError, match="thumbnails must be an instance of"):
        LatentSpaceDisplay.from_estimator(vae, ROWS, thumbnails="all")


def test_a_curve_needs_a_history():
    with pytest.raises(TypeError, match=r"PCA has no history_. Pass an autoencoder"):
        TrainingHistoryDisplay.from_estimator(PCA(2).fit(ROWS))
    with pytest.raises(ValueError, match="history is empty: no epoch"):
        TrainingHistoryDisplay([]).plot()


def test_axes_are_divided_once(ae):
    ax = plt.subplots()[1]
    TrainingHistoryDisplay.from_estimator(ae, ax=ax)
    free = plt.figure().add_axes((0, 0, 1, 1))
    for given in (ax, free):
        with pytest.raises(ValueError, match="ax cannot be divided into panels"):
            TrainingHistoryDisplay.from_estimator(ae, ax=given)


def test_one_unit_and_one_epoch_are_counted_in_whole_numbers():
    ae = VariationalAutoencoder(1, max_epochs=1, random_state=0).fit(ROWS)
    for display in (
        TrainingHistoryDisplay.from_estimator(ae),
        LatentDiagnosticsDisplay.from_estimator(ae, ROWS),
    ):
        for panel in display.axes_:
            low, high = panel.get_xlim()
            shown = [x for x in panel.get_xticks() if low <= x <= high]
            assert shown in ([0], [1])
