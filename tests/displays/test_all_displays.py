"""What every display promises."""

import sys

import pytest
from conftest import ESTIMATORS
from drawing import IMAGES, LABELS, ROWS, fitted_plain, fitted_variational
from numpy.testing import assert_allclose
from sklearn.exceptions import NotFittedError

import skae
from skae import (
    AutoencoderTransformer,
    BlendDisplay,
    ColumnScoresDisplay,
    ComponentsDisplay,
    InterpolationDisplay,
    LatentDiagnosticsDisplay,
    LatentSpaceDisplay,
    ReconstructionDisplay,
    TrainingHistoryDisplay,
    TraversalDisplay,
)

plt = pytest.importorskip("matplotlib.pyplot", reason="needs matplotlib")


@pytest.fixture
def ae():
    return fitted_plain()


@pytest.fixture
def vae():
    return fitted_variational()


def _draw(kind, ae, X, **kwargs):
    """Draw a display of a kind from images."""
    inputs = {
        InterpolationDisplay: (X[0], X[1]),
        BlendDisplay: (X[:4],),
        TrainingHistoryDisplay: (),
    }
    return kind.from_estimator(ae, *inputs.get(kind, (X,)), **kwargs)


DISPLAYS = [
    BlendDisplay,
    ColumnScoresDisplay,
    ComponentsDisplay,
    InterpolationDisplay,
    LatentDiagnosticsDisplay,
    LatentSpaceDisplay,
    ReconstructionDisplay,
    TrainingHistoryDisplay,
    TraversalDisplay,
]


def test_the_list_of_displays_is_complete():
    names = [name for name in skae.__all__ if name.endswith("Display")]
    assert [display.__name__ for display in DISPLAYS] == names


@pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)
def test_every_estimator_is_drawn(cls):
    ae = cls(3, max_epochs=1, random_state=0).fit(IMAGES)
    kinds = list(DISPLAYS)
    if ae.net_.module_.coordinates is None:  # not ordered by variance
        kinds.remove(ComponentsDisplay)
        with pytest.raises(ValueError, match="The code is not ordered by variance"):
            _draw(ComponentsDisplay, ae, IMAGES)
    for kind in kinds:
        display = _draw(kind, ae, IMAGES)
        assert type(display) is kind
        assert display.figure_ is display.ax_.figure
    assert plt.get_fignums() == list(range(1, len(kinds) + 1))


@pytest.mark.parametrize("kind", DISPLAYS, ids=lambda cls: cls.__name__)
def test_a_display_is_drawn_on_axes_that_are_given(ae, kind):
    figure, (ax, other) = plt.subplots(1, 2)
    display = _draw(kind, ae, IMAGES, ax=ax)
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
def test_nothing_is_cut_off_at_the_edge(ae, vae, kind):
    drawn, X = (ae, IMAGES) if kind is ComponentsDisplay else (vae, ROWS)
    figure = _draw(kind, drawn, X).figure_
    figure.draw_without_rendering()
    drawn = figure.get_tightbbox()  # in inches
    assert drawn.x0 >= 0
    assert drawn.y0 >= 0
    assert drawn.x1 <= figure.get_figwidth()
    assert drawn.y1 <= figure.get_figheight()


@pytest.mark.parametrize("kind", DISPLAYS, ids=lambda cls: cls.__name__)
def test_a_display_can_be_drawn_again(ae, kind):
    display = _draw(kind, ae, IMAGES)
    first = display.figure_
    assert display.plot() is display
    assert display.figure_ is not first


@pytest.mark.parametrize("kind", DISPLAYS, ids=lambda cls: cls.__name__)
def test_a_display_says_how_to_install_matplotlib(ae, kind, monkeypatch):
    display = _draw(kind, ae, IMAGES)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"plot needs .* pip install skae\[plot\]"):
        display.plot()
    with pytest.raises(ImportError, match=f"{kind.__name__}.from_estimator needs"):
        _draw(kind, ae, IMAGES)


@pytest.mark.parametrize("kind", DISPLAYS, ids=lambda cls: cls.__name__)
def test_an_unfitted_estimator_is_refused(kind):
    with pytest.raises(NotFittedError):
        _draw(kind, AutoencoderTransformer(2), IMAGES)


@pytest.mark.parametrize("kind", DISPLAYS, ids=lambda cls: cls.__name__)
def test_several_axes_are_refused(ae, kind):
    with pytest.raises(TypeError, match=r"ax must be one matplotlib Axes .* ndarray"):
        _draw(kind, ae, IMAGES, ax=plt.subplots(1, 2)[1])


def test_style_is_merged_over_defaults(ae, vae):
    shown = ReconstructionDisplay.from_estimator(
        ae, IMAGES, sample_kw={"cmap": "gray_r"}, error_kw={"vmax": 2}
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
