"""Tables are drawn with the names of their columns."""

import numpy as np
import pandas as pd
import pytest
from drawing import IMAGES, ROWS, SMALL, fitted_plain, texts_of
from numpy.testing import assert_allclose
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import (
    AnomalyDetector,
    AutoencoderTransformer,
    ColumnScoresDisplay,
    DenoisingAutoencoder,
    InterpolationDisplay,
    ReconstructionDisplay,
)
from skae.tabular import TableEncoder

pytest.importorskip("matplotlib", reason="needs matplotlib")

WINE = load_wine(as_frame=True).data
NAMES = WINE.columns.tolist()


@pytest.fixture(scope="module")
def pipe():
    return make_pipeline(StandardScaler(), PCA(3)).fit(WINE)


def _reconstructed(estimator, X):
    return np.asarray(estimator.inverse_transform(estimator.transform(X)))


# R² of each column --------------------------------------------------------------------


def test_bars_are_r2_by_column_lowest_first(pipe):
    display = ColumnScoresDisplay.from_estimator(pipe, WINE)
    expected = r2_score(WINE, _reconstructed(pipe, WINE), multioutput="raw_values")
    assert display.names == NAMES
    assert_allclose(display.r2, expected)
    order = np.argsort(expected)
    assert_allclose([bar.get_width() for bar in display.bars_], expected[order])
    labels = texts_of(display.ax_.get_yticklabels())
    assert labels == [NAMES[j] for j in order]
    assert display.ax_.yaxis_inverted()  # the first is at the top
    numbers = [text.get_text() for text in display.ax_.texts]
    assert numbers == [f"{x:.2f}" for x in expected[order]]


def test_blocks_of_a_table_have_one_bar():
    X = WINE[["alcohol", "hue"]].assign(
        kind=np.where(WINE["proline"] > 700, "dry", "sweet"), vineyard="north"
    )
    X.loc[3, "hue"] = np.nan
    ae = AutoencoderTransformer(1, missing="mask", **SMALL)
    pipe = make_pipeline(TableEncoder(), ae).fit(X)
    display = ColumnScoresDisplay.from_estimator(pipe, X)
    assert display.names == X.columns.tolist()
    array = pipe[0].transform(X)
    error = (array - ae.inverse_transform(ae.transform(array))) ** 2
    spread = (array - np.nanmean(array, axis=0)) ** 2
    r2 = 1 - np.nansum(error, axis=0) / np.maximum(np.nansum(spread, axis=0), 1e-9)
    kind = 1 - error[:, 2:4].sum() / spread[:, 2:4].sum()
    assert_allclose(display.r2, [*r2[:2], kind, np.nan])
    assert len(display.bars_) == 3  # a constant column has none


def test_tables_that_are_not_reconstructed_have_no_bars():
    frame = WINE.iloc[:40, :3]
    detector = make_pipeline(TableEncoder(), AnomalyDetector(PCA(2))).fit(frame)
    with pytest.raises(TypeError, match=r"AnomalyDetector .*has no inverse_transform"):
        ColumnScoresDisplay.from_estimator(detector, frame)


def test_of_many_columns_the_lowest_are_drawn():
    display = ColumnScoresDisplay.from_estimator(fitted_plain(), IMAGES, max_columns=5)
    known = np.isfinite(display.r2)
    assert display.ax_.get_title() == f"the lowest 5 of {known.sum()} columns"
    widths = [bar.get_width() for bar in display.bars_]
    assert_allclose(widths, np.sort(display.r2[known])[:5])
    assert texts_of(display.ax_.get_yticklabels())[0].startswith("column ")
    again = display.plot(max_columns=2, bar_kw={"color": "red"})
    assert again is display
    assert [bar.get_facecolor()[:3] for bar in display.bars_] == [(1, 0, 0)] * 2


def test_bars_far_below_zero_are_cut():
    display = ColumnScoresDisplay(np.array([-7.0, 0.5]), ["bad", "good"]).plot()
    assert display.ax_.get_xlim()[0] == -1
    assert display.ax_.texts[0].get_text() == "-7.00"
    assert texts_of(display.ax_.get_yticklabels()) == ["bad", "good"]


def test_a_number_of_columns_is_at_least_one():
    with pytest.raises(ValueError, match="max_columns == 0, must be >= 1"):
        ColumnScoresDisplay(np.zeros(2), ["a", "b"]).plot(max_columns=0)


# Samples with named columns -----------------------------------------------------------


def test_named_columns_are_dots_largest_error_first(pipe):
    display = ReconstructionDisplay.from_estimator(pipe, WINE, n_samples=4)
    std = WINE.std(ddof=0).to_numpy()
    error = np.abs(_reconstructed(pipe, WINE[:4]) - WINE[:4].to_numpy()) / std
    order = np.argsort(-error.sum(axis=0))
    labels = texts_of(display.ax_.get_yticklabels())
    assert labels == [NAMES[j] for j in order]
    assert display.artists_.shape == (3, 4, 1)
    legend = texts_of(display.ax_.get_legend().get_texts())
    assert legend == ["original", "reconstruction", "error"]
    # In units of the deviation: the distances of dots are as the errors.
    for i in range(4):
        original, reconstruction = (
            line.get_xdata() for line in display.artists_[:2, i, 0]
        )
        lengths = np.abs(reconstruction - original)
        assert_allclose(lengths / lengths.max(), error[i, order] / error[i].max())
        ends = display.artists_[2, i, 0].get_xdata().reshape(-1, 3)
        assert_allclose(ends[:, :2], np.stack([original, reconstruction], axis=1))
    expected = [f"{float(f'{x:.2g}'):g}" for x in (error**2).mean(axis=1)]
    assert texts_of(display.ax_.get_xticklabels()) == expected


def test_of_many_named_columns_fifteen_are_drawn():
    X = pd.DataFrame(ROWS).add_prefix("pixel ")
    ae = AutoencoderTransformer(4, **SMALL).fit(X)
    display = ReconstructionDisplay.from_estimator(ae, X)
    assert len(display.ax_.get_yticklabels()) == 15
    assert display.ax_.get_ylabel() == "the 15 of 64 columns with the largest errors"
    images = ReconstructionDisplay.from_estimator(ae, X, image_shape=(8, 8))
    assert images.feature_names is None
    assert texts_of(images.ax_.get_yticklabels())[0] == "original"


def test_corrupted_rows_have_marks_of_their_own():
    dae = DenoisingAutoencoder(4, noise_level=0.3, **SMALL).fit(WINE / WINE.std())
    display = ReconstructionDisplay.from_estimator(dae, WINE / WINE.std(), n_samples=2)
    assert display.artists_.shape == (4, 2, 1)
    legend = texts_of(display.ax_.get_legend().get_texts())
    assert legend == ["original", "corrupted", "reconstruction", "error"]


def test_one_named_row_is_drawn(pipe):
    display = ReconstructionDisplay.from_estimator(pipe, WINE.iloc[0])
    assert texts_of(display.ax_.get_yticklabels())[0] in NAMES
    assert display.artists_.shape == (3, 1, 1)


def test_rows_without_names_are_curves():
    ae = AutoencoderTransformer(4, **SMALL).fit(WINE.to_numpy() / WINE.std().to_numpy())
    display = ReconstructionDisplay.from_estimator(ae, WINE.to_numpy())
    assert texts_of(display.ax_.get_yticklabels())[0] == "original"


def test_names_and_units_can_be_given():
    X = np.array([[0.0, 10.0], [2.0, 30.0]])
    display = ReconstructionDisplay(
        X,
        X + np.array([1.0, 5.0]),
        feature_names=["a", "b"],
        center=[1, 20],
        scale=[1, 10],
    ).plot(sample_kw={"color": "red"}, error_kw={"color": "green"})
    assert texts_of(display.ax_.get_yticklabels()) == ["a", "b"]
    # Errors of 1 and 0.5 deviations: (1 + 0.25) / 2.
    assert texts_of(display.ax_.get_xticklabels()) == ["0.62", "0.62"]
    assert display.artists_[0, 0, 0].get_color() == "red"
    assert display.artists_[-1, 0, 0].get_color() == "green"
    with pytest.raises(
        ValueError, match="feature_names has 1 entries, but X has 2 col"
    ):
        ReconstructionDisplay(X, X, feature_names=["a"]).plot()


def test_rows_of_mixed_frames_are_not_drawn():
    X = WINE[["alcohol"]].assign(kind="red")
    mixed = make_pipeline(TableEncoder(), PCA(1)).fit(X)
    with pytest.raises(TypeError, match=r"cannot be drawn. Use skae.ColumnScoresDispl"):
        ReconstructionDisplay.from_estimator(mixed, X)


# Interpolations -----------------------------------------------------------------------


def test_interpolations_name_columns_and_their_ranges(pipe):
    display = InterpolationDisplay.from_estimator(pipe, WINE.iloc[0], WINE.iloc[-1], 5)
    walks = display.walks
    both = np.stack([walks["content"][0], walks["representation"][0]])
    low, high = both.min(axis=(0, 1)), both.max(axis=(0, 1))
    labels = texts_of(display.ax_.get_yticklabels())
    proline = NAMES.index("proline")
    expected = [float(f"{x[proline]:.3g}") for x in (low, high)]
    assert labels[proline] == f"proline  {expected[0]:g} to {expected[1]:g}"
    assert [label.split("  ")[0] for label in labels] == NAMES
    assert display.artists_.shape == (2, 5, 1)
    # From the lowest value at the left of a cell to the highest at the right.
    for k, walk in enumerate(both):
        for step in range(5):
            places = display.artists_[k, step, 0].get_xdata() - step
            share = (walk[step] - low) / (high - low)
            assert_allclose(places, 0.06 + 0.88 * share, atol=1e-9)
    assert texts_of(display.ax_.get_legend().get_texts()) == list(walks)
    shares = texts_of(display.ax_.get_xticklabels())
    assert shares == ["0", "0.25", "0.5", "0.75", "1"]


def test_pairs_of_named_rows_stand_beside_each_other(pipe):
    display = InterpolationDisplay.from_estimator(
        pipe, WINE[:2], WINE[-2:], 3, kinds="representation"
    )
    assert display.artists_.shape == (1, 6, 1)
    shares = texts_of(display.ax_.get_xticklabels())
    assert shares == ["0", "0.5", "1"] * 2


def test_of_many_columns_those_that_differ_most_are_interpolated():
    X = pd.DataFrame(ROWS).add_prefix("pixel ")
    ae = AutoencoderTransformer(4, **SMALL).fit(X)
    display = InterpolationDisplay.from_estimator(ae, X.iloc[0], X.iloc[1])
    assert len(display.ax_.get_yticklabels()) == 15
    assert display.ax_.get_ylabel() == "15 of 64 columns"
    images = InterpolationDisplay.from_estimator(
        ae, X.iloc[0], X.iloc[1], image_shape=(8, 8)
    )
    assert images.feature_names is None


def test_interpolations_have_as_many_names_as_columns():
    walks = {"content": np.zeros((1, 3, 2))}
    with pytest.raises(
        ValueError, match="feature_names has 1 entries, but the samples"
    ):
        InterpolationDisplay(walks, feature_names=["a"]).plot()
    constant = InterpolationDisplay(walks, feature_names=["a", "b"]).plot()
    labels = texts_of(constant.ax_.get_yticklabels())
    assert labels == ["a  0 to 0", "b  0 to 0"]
