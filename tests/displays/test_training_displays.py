"""What TrainingHistoryDisplay and LatentDiagnosticsDisplay draw."""

import numpy as np
import pytest
from drawing import ROWS, SMALL, fitted_plain, fitted_variational, texts_of
from helpers import ShiftOutput
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

import skae
from skae import (
    AutoencoderTransformer,
    Dense,
    LatentDiagnosticsDisplay,
    SparseAutoencoder,
    TrainingHistoryDisplay,
    VariationalAutoencoder,
)

plt = pytest.importorskip("matplotlib.pyplot", reason="needs matplotlib")


@pytest.fixture
def ae():
    return fitted_plain()


@pytest.fixture
def vae():
    return fitted_variational()


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
    legend = texts_of(display.axes_[0].get_legend().get_texts())
    assert legend == ["training", "validation", "best epoch"]
    assert TrainingHistoryDisplay.from_estimator(ae).best_lines_ == []


def test_no_epoch_is_marked_as_best_after_partial_fit():
    ae = AutoencoderTransformer(
        2,
        max_epochs=2,
        early_stopping=True,
        callbacks=[ShiftOutput()],
        random_state=0,
    )
    assert len(TrainingHistoryDisplay.from_estimator(ae.fit(ROWS)).best_lines_) == 1
    ae.partial_fit(ROWS)
    assert TrainingHistoryDisplay.from_estimator(ae).best_lines_ == []


def test_no_epoch_is_marked_as_best_where_the_start_is_kept():
    noise = np.random.RandomState(0).normal(size=(60, 20))
    ae = AutoencoderTransformer(8, max_epochs=3, early_stopping=True, random_state=0)
    assert TrainingHistoryDisplay.from_estimator(ae.fit(noise)).best_lines_ == []


def test_a_single_term_is_drawn_once():
    ae = AutoencoderTransformer(4, **SMALL, early_stopping=False).fit(ROWS)
    display = TrainingHistoryDisplay.from_estimator(make_pipeline(ae))
    assert [panel.get_title() for panel in display.axes_] == ["reconstruction"]
    legend = display.axes_[0].get_legend()
    assert texts_of(legend.get_texts()) == ["training", "PCA"]


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


def test_the_loss_of_pca_is_that_of_a_linear_autoencoder():
    linear = AutoencoderTransformer(4, hidden_layer_sizes=(), max_epochs=2)
    display = TrainingHistoryDisplay.from_estimator(linear.fit(ROWS))
    error = ROWS - PCA(4).fit(ROWS).inverse_transform(PCA(4).fit_transform(ROWS))
    expected = 0.5 * (error**2).sum(axis=1).mean() / linear.scale_**2
    assert display.pca_loss == pytest.approx(expected, rel=1e-3)
    assert display.pca_line_.get_ydata()[0] == display.pca_loss
    assert "PCA" in texts_of(display.axes_[0].get_legend().get_texts())


def test_other_losses_and_random_starts_have_no_loss_of_pca():
    for given in ({"loss": "huber"}, {"encoder": Dense(init="random")}):
        ae = AutoencoderTransformer(4, max_epochs=1, **given).fit(ROWS)
        display = TrainingHistoryDisplay.from_estimator(ae)
        assert display.pca_loss is None
        assert display.pca_line_ is None


def test_the_loss_of_pca_is_that_of_all_training_rows():
    ae = AutoencoderTransformer(4).partial_fit(ROWS).partial_fit(2 * ROWS)
    assert TrainingHistoryDisplay.from_estimator(ae).pca_loss is None
    ae = AutoencoderTransformer(4, max_epochs=1, warm_start=True).fit(ROWS)
    assert TrainingHistoryDisplay.from_estimator(ae).pca_loss is not None
    ae.fit(ROWS[::-1] ** 2)
    assert TrainingHistoryDisplay.from_estimator(ae).pca_loss is None
    exact = AutoencoderTransformer(4, max_epochs=1).fit(ROWS[:, :4])
    assert TrainingHistoryDisplay.from_estimator(exact).pca_loss is None
    display = TrainingHistoryDisplay([{"epoch": 1, "train_loss": 1.0}], pca_loss=0.3)
    assert display.plot().pca_line_.get_ydata()[0] == 0.3
