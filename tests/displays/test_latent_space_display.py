"""What LatentSpaceDisplay draws."""

import numpy as np
import pandas as pd
import pytest
from drawing import (
    IMAGES,
    LABELS,
    ROWS,
    SMALL,
    N,
    fitted_plain,
    fitted_variational,
    texts_of,
)
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skae import AutoencoderTransformer, LatentSpaceDisplay

plt = pytest.importorskip("matplotlib.pyplot", reason="needs matplotlib")


@pytest.fixture
def ae():
    return fitted_plain()


@pytest.fixture
def vae():
    return fitted_variational()


def test_two_units_are_drawn_without_a_projection(vae):
    display = LatentSpaceDisplay.from_estimator(vae, ROWS)
    assert_allclose(display.scatter_.get_offsets(), vae.transform(ROWS))
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("unit 0", "unit 1")
    assert display.legend_ is None
    assert display.colorbar_ is None
    assert display.explained_variance_ratio_ is None


def test_more_units_are_drawn_by_their_principal_components(ae):
    display = LatentSpaceDisplay.from_estimator(ae, IMAGES)
    codes = ae.transform(IMAGES).astype(float)
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
        (
            np.char.add("class ", (np.arange(N) % 24).astype(str)),
            [f"class {i}" for i in range(24)],
        ),
    ],
    ids=["ints", "floats", "booleans", "strings", "categories", "None", "many"],
)
def test_classes_get_a_legend(vae, y, names):
    display = LatentSpaceDisplay.from_estimator(vae, ROWS, y)
    found = texts_of(display.legend_.get_texts())
    assert found == names
    display.scatter_.update_scalarmappable()
    colors, paths = display.scatter_.get_facecolor(), display.scatter_.get_paths()
    of_class = {
        str(name): (tuple(color), paths[i % len(paths)])
        for i, (name, color) in enumerate(zip(y, colors, strict=True))
    }
    marks = {(color, path.vertices.tobytes()) for color, path in of_class.values()}
    assert len(marks) == len(found)
    handles = display.legend_.legend_handles
    for name, handle in zip(found, handles, strict=True):
        color, path = of_class[name if name in of_class else f"{float(name)}"]
        assert_allclose(color[:3], handle.get_markerfacecolor()[:3])
        mark = handle._marker
        expected = mark.get_path().transformed(mark.get_transform())
        assert_allclose(path.vertices, expected.vertices)


def test_a_legend_leaves_space_for_the_codes():
    codes = np.random.default_rng(0).normal(size=(35, 2))
    names = [f"class {i}" for i in range(35)]
    display = LatentSpaceDisplay(codes, y=names).plot()
    display.figure_.canvas.draw()
    assert texts_of(display.legend_.get_texts()) == names
    assert display.ax_.get_position().width * display.figure_.get_figwidth() > 3


def test_the_rarest_of_many_classes_share_a_mark():
    # 5 samples of class 0, 4 of class 1, 1 of each of 98 others.
    y = ["class 0"] * 5 + ["class 1"] * 4 + [f"class {i}" for i in range(2, 100)]
    codes = np.random.default_rng(0).normal(size=(len(y), 2))
    display = LatentSpaceDisplay(codes, y=y).plot()
    found = texts_of(display.legend_.get_texts())
    assert found == [*(f"class {i}" for i in range(34)), "66 others"]
    display.scatter_.update_scalarmappable()
    colors = display.scatter_.get_facecolor()
    assert len(np.unique(colors[-66:], axis=0)) == 1
    assert not (colors[:-66] == colors[-1]).all(axis=1).any()
    assert display.texts_ == []


def test_names_stand_at_the_medians_of_their_points():
    codes = np.array([[0, 0], [1, 2], [5, 1], [8, 8], [9, 9]], dtype=float)
    display = LatentSpaceDisplay(codes, y=list("aaabb")).plot()
    assert [text.get_text() for text in display.texts_] == ["a", "b"]
    places = [text.get_position() for text in display.texts_]
    assert_allclose(places, [[1, 1], [8.5, 8.5]])
    X = np.zeros((5, 4))
    assert (
        LatentSpaceDisplay(codes, y=list("aaabb"), X=X).plot(thumbnails=1).texts_ == []
    )


def test_colours_of_classes_are_told_apart_with_any_colour_vision():
    # Machado, Oliveira and Fernandes (2009), severity 1, on linear sRGB. Of the first
    # seven colours of matplotlib's tab10, two have a distance of 5 with protanopia.
    simulations = {
        "protanopia": [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        "deuteranopia": [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
    }
    y = [f"class {i}" for i in range(7)]
    codes = np.random.default_rng(0).normal(size=(7, 2))
    display = LatentSpaceDisplay(codes, y=y).plot()
    rgb = display.scatter_.to_rgba(np.arange(7))[:, :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    for matrix in simulations.values():
        lab = _to_lab((linear @ np.transpose(matrix)).clip(0, 1))
        distances = np.linalg.norm(lab[:, None] - lab, axis=2)
        assert distances[~np.eye(7, dtype=bool)].min() > 15


def _to_lab(linear):
    xyz = linear @ np.transpose(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = xyz / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = f.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


@pytest.mark.parametrize("y", [ROWS.mean(axis=1), np.arange(N)], ids=["floats", "ints"])
def test_continuous_targets_get_a_colour_bar(vae, y):
    display = LatentSpaceDisplay.from_estimator(
        vae, ROWS, pd.Series(y, name="how much")
    )
    assert display.legend_ is None
    assert display.colorbar_.ax.get_ylabel() == "how much"
    assert_array_equal(display.scatter_.get_array(), y)


def test_one_unit_is_drawn_against_the_target():
    ae = AutoencoderTransformer(1, **SMALL).fit(ROWS)
    code = ae.transform(ROWS)[:, 0]
    numbers = LatentSpaceDisplay.from_estimator(ae, ROWS, ROWS.mean(axis=1))
    offsets = np.asarray(numbers.scatter_.get_offsets())
    assert_allclose(offsets, np.column_stack([code, ROWS.mean(axis=1)]))
    classes = LatentSpaceDisplay.from_estimator(ae, ROWS, LABELS)
    offsets = np.asarray(classes.scatter_.get_offsets())
    assert_allclose(offsets[:, 0], code)
    assert_array_equal(offsets[:, 1].round(), LABELS)
    assert texts_of(classes.ax_.get_yticklabels()) == [str(i) for i in range(10)]
    alone = LatentSpaceDisplay.from_estimator(ae, ROWS)
    assert list(alone.ax_.get_yticks()) == []


def test_thumbnails_are_at_their_codes(vae):
    display = LatentSpaceDisplay.from_estimator(
        vae, ROWS, LABELS, thumbnails=5, image_shape=(8, 8)
    )
    codes = vae.transform(ROWS)
    assert len(display.thumbnails_) == 5
    for thumbnail in display.thumbnails_:
        (i,) = np.flatnonzero((codes == thumbnail.xy).all(axis=1))
        assert_array_equal(thumbnail.offsetbox.get_data(), IMAGES[i])


def test_thumbnails_are_far_from_each_other():
    codes = np.array([[0.0, 0.0], [0.1, 0.0], [10.0, 0.0], [0.0, 1.0], [0.0, 0.9]])
    display = LatentSpaceDisplay(codes, X=np.eye(5)).plot(thumbnails=3)
    chosen = {tuple(thumbnail.xy) for thumbnail in display.thumbnails_}
    assert chosen == {(10.0, 0.0), (0.0, 0.0), (0.0, 1.0)}
    # There are no more than samples.
    assert len(display.plot(thumbnails=9).thumbnails_) == 5


def test_thumbnails_share_the_range_of_the_samples():
    X = IMAGES[:4]
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


def test_colours_are_set_once(vae):
    for kw in ({"c": "k"}, {"color": "k"}):
        with pytest.raises(ValueError, match="y sets the colours, and so does"):
            LatentSpaceDisplay.from_estimator(vae, ROWS, LABELS, scatter_kw=kw)
    display = LatentSpaceDisplay.from_estimator(vae, ROWS, scatter_kw={"c": "k"})
    assert_array_equal(display.scatter_.get_facecolor(), [[0, 0, 0, 1]])


def test_codes_and_targets_have_to_agree(vae):
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


# The decoded plane --------------------------------------------------------------------


def _cells_of(display, n_cells, shape=(8, 8)):
    """Return the images of the plane, with its grid in front."""
    mosaic = np.asarray(display.plane_.get_array())
    height, width = shape
    cells = mosaic.reshape(n_cells, height, n_cells, width)
    return cells.swapaxes(1, 2)


def _centres(display, n_cells):
    """Return the places of the cells, from the upper left to the lower right."""
    left, right, lower, upper = display.plane_.get_extent()
    across = left + (np.arange(n_cells) + 0.5) / n_cells * (right - left)
    up = upper - (np.arange(n_cells) + 0.5) / n_cells * (upper - lower)
    return np.stack(np.meshgrid(across, up), axis=-1)


def test_a_plane_of_two_units_is_decoded_where_it_is_drawn(vae):
    display = LatentSpaceDisplay.from_estimator(
        vae, ROWS, LABELS, decode=4, image_shape=(8, 8)
    )
    places = _centres(display, 4).reshape(-1, 2).astype(np.float32)
    expected = vae.inverse_transform(places).reshape(4, 4, 8, 8)
    assert_allclose(_cells_of(display, 4), expected, atol=1e-5)
    codes = vae.transform(ROWS)
    left, right, lower, upper = display.plane_.get_extent()
    assert (codes > [left, lower]).all()
    assert (codes < [right, upper]).all()
    # The range of the codes and a margin of 3 % on both sides.
    assert_allclose([right - left, upper - lower], 1.06 * np.ptp(codes, axis=0))
    for panel in display.axes_:
        assert_allclose(
            [*panel.get_xlim(), *panel.get_ylim()], [*(left, right), *(lower, upper)]
        )
    assert_allclose(display.scatter_.get_offsets(), codes)
    assert display.plane_.get_clim() == (0, 1)  # the range of X


def test_a_plane_of_principal_components_goes_through_the_mean_of_the_codes():
    # A PCA has codes along its axes: its plane is mean + z0 v0 + z1 v1.
    pca = PCA(5).fit(ROWS)
    display = LatentSpaceDisplay.from_estimator(pca, ROWS, decode=3, image_shape=(8, 8))
    codes = pca.transform(ROWS)
    signs = np.sign((np.asarray(display.scatter_.get_offsets()) * codes[:, :2]).sum(0))
    places = _centres(display, 3) * signs
    expected = pca.mean_ + places @ pca.components_[:2]
    assert_allclose(_cells_of(display, 3).reshape(3, 3, 64), expected, atol=1e-5)


def test_images_are_pale_where_no_code_lies():
    codes = np.array([[0.0, 0.0], [1.0, 1.0], [0.9, 0.9], [0.5, 1.0]])
    decoded = np.arange(9.0).repeat(4).reshape(3, 3, 2, 2)
    display = LatentSpaceDisplay(codes, decoded=decoded).plot()
    # Cells are a third wide; the first line is the upper one.
    full = np.array([[0, 1, 1], [0, 0, 0], [1, 0, 0]], dtype=bool)
    opacity = display.plane_.get_alpha()
    assert opacity.shape == (6, 6)
    assert_array_equal(opacity == 1, full.repeat(2, axis=0).repeat(2, axis=1))
    assert_array_equal(_cells_of(display, 3, (2, 2)), decoded)
    assert display.axes_[1].get_title() == "decoded, pale where no code lies"


def test_cells_have_the_ratio_of_their_images_and_colours():
    X = np.random.default_rng(0).uniform(size=(6, 4, 8, 3))
    pca = make_pipeline(
        FunctionTransformer(_flatten, _widen, check_inverse=False), PCA(2)
    )
    display = LatentSpaceDisplay.from_estimator(
        pca.fit(X), X, decode=2, layout="channels_last"
    )
    assert [panel.get_box_aspect() for panel in display.axes_] == [0.5, 0.5]
    assert np.asarray(display.plane_.get_array()).shape == (8, 16, 3)


def _flatten(X):
    return X.reshape(len(X), -1)


def _widen(X):
    return X.reshape(len(X), 4, 8, 3)


def test_without_a_decoded_plane_there_is_one_panel(vae):
    display = LatentSpaceDisplay.from_estimator(vae, ROWS)
    assert display.plane_ is None
    assert display.axes_.tolist() == [display.ax_]


def test_a_decoded_plane_is_drawn_on_axes_that_are_given(vae):
    figure, (ax, other) = plt.subplots(1, 2)
    display = LatentSpaceDisplay.from_estimator(
        vae, ROWS, ROWS.mean(axis=1), decode=3, image_shape=(8, 8), ax=ax
    )
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert display.colorbar_ is not None
    assert not other.has_data()


@pytest.mark.parametrize("y", [LABELS, ROWS.mean(axis=1)], ids=["classes", "numbers"])
def test_nothing_of_a_decoded_plane_is_cut_off(vae, y):
    y = pd.Series(y, name="label")
    figure = LatentSpaceDisplay.from_estimator(
        vae, ROWS, y, decode=5, image_shape=(8, 8)
    ).figure_
    figure.draw_without_rendering()
    drawn = figure.get_tightbbox()  # in inches
    assert drawn.x0 >= 0
    assert drawn.y0 >= 0
    assert drawn.x1 <= figure.get_figwidth()
    assert drawn.y1 <= figure.get_figheight()


def test_a_plane_that_cannot_be_decoded_is_refused(ae, vae):
    with pytest.raises(
        ValueError, match=r"shape \(64,\) is no image, .* image_shape=\("
    ):
        LatentSpaceDisplay.from_estimator(vae, ROWS, decode=3)
    with pytest.raises(ValueError, match=r"no image, .*TraversalDisplay draws rows"):
        LatentSpaceDisplay.from_estimator(vae, ROWS, decode=3, layout="signal")
    one_way = make_pipeline(ae, Nystroem(n_components=2, random_state=0)).fit(IMAGES)
    with pytest.raises(TypeError, match="`inverse_transform`, which Pipeline does not"):
        LatentSpaceDisplay.from_estimator(one_way, IMAGES, decode=3)
    with pytest.raises(ValueError, match="decode needs a plane, but the code has one"):
        LatentSpaceDisplay.from_estimator(
            PCA(1).fit(ROWS), ROWS, decode=3, image_shape=(8, 8)
        )
    with pytest.raises(ValueError, match="decode == 1, must be >= 2"):
        LatentSpaceDisplay.from_estimator(ae, IMAGES, decode=1)
    with pytest.raises(ValueError, match=r"decoded has shape \(2, 3, 8, 8\), but"):
        LatentSpaceDisplay(np.eye(2), decoded=np.zeros((2, 3, 8, 8))).plot()


def test_names_need_no_finite_codes_and_no_flat_axes():
    codes = np.random.default_rng(0).normal(size=(20, 2))
    codes[0] = np.nan
    y = ["a", "b"] * 10
    display = LatentSpaceDisplay(codes, y=y).plot()
    assert np.isfinite([text.get_position() for text in display.texts_]).all()
    norm = plt.Normalize(0, 1)
    display = LatentSpaceDisplay(codes, y=y).plot(scatter_kw={"norm": norm})
    assert display.scatter_.norm is norm
    space = plt.figure().add_subplot(projection="3d")
    assert LatentSpaceDisplay(codes[1:], y=y[1:]).plot(space).texts_ == []


def test_long_names_leave_space_for_the_codes():
    codes = np.random.default_rng(0).normal(size=(60, 2))
    y = [f"a very long name of a class: {i % 20}" for i in range(60)]
    display = LatentSpaceDisplay(codes, y=y).plot()
    display.figure_.canvas.draw()
    assert display.ax_.get_position().width * display.figure_.get_figwidth() > 1.5


def test_a_class_of_the_users_is_not_taken_for_the_rarest():
    y = [*(f"class {i}" for i in range(34)), "z 5 others"]
    codes = np.random.default_rng(0).normal(size=(35, 2))
    display = LatentSpaceDisplay(codes, y=y).plot()
    others = LatentSpaceDisplay(codes[:1].repeat(36, 0), y=[*y, "more"]).plot()
    last = others.legend_.legend_handles[-1].get_markerfacecolor()
    assert display.legend_.legend_handles[-1].get_markerfacecolor() != last


def test_classes_of_one_unit_have_a_line_each():
    codes = np.random.default_rng(0).normal(size=(50, 1))
    display = LatentSpaceDisplay(codes, y=[f"class {i}" for i in range(50)]).plot()
    assert len(display.ax_.get_yticks()) == 50
