"""What TraversalDisplay draws."""

import numpy as np
import pandas as pd
import pytest
from drawing import IMAGES, ROWS, SMALL, fitted_plain, images_of, texts_of
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import (
    AnomalyDetector,
    AutoencoderTransformer,
    ConvAutoencoder,
    TraversalDisplay,
)
from skae.tabular import TableEncoder

pytest.importorskip("matplotlib", reason="needs matplotlib")

WINE = load_wine(as_frame=True).data
NAMES = WINE.columns.tolist()


@pytest.fixture
def ae():
    return fitted_plain()


def test_steps_move_one_unit_from_the_mean_code(ae):
    display = TraversalDisplay.from_estimator(ae, IMAGES, n_steps=5)
    codes = ae.transform(IMAGES)
    mean, std = codes.mean(axis=0), codes.std(axis=0)
    images = images_of(display.artists_)
    assert images.shape == (4, 5, 8, 8)
    for line, name in zip(images, display.units, strict=True):
        unit = int(name.removeprefix("unit "))
        for image, offset in zip(line, [-2, -1, 0, 1, 2], strict=True):
            code = mean.copy()
            code[unit] += offset * std[unit]
            expected = ae.inverse_transform(code[np.newaxis])[0]
            assert_allclose(image, expected, atol=1e-5)
    assert texts_of(display.ax_.get_xticklabels()) == ["-2", "-1", "0", "1", "2"]


@pytest.mark.parametrize("whiten", [False, True])
def test_effects_of_a_pca_are_its_explained_variance_ratios(whiten):
    # Whitened units have one deviation, so that the order is not theirs.
    pca = PCA(5, whiten=whiten).fit(ROWS)
    backwards = _Reversed(pca)
    display = TraversalDisplay.from_estimator(backwards, ROWS, image_shape=(8, 8))
    assert_allclose(display.effects, pca.explained_variance_ratio_, rtol=1e-5)
    assert display.units == ["unit 4", "unit 3", "unit 2", "unit 1", "unit 0"]
    labels = texts_of(display.ax_.get_yticklabels())
    share = pca.explained_variance_ratio_[0]
    assert labels[0] == f"unit 4\n{share:.1%}"
    std = np.sqrt(pca.explained_variance_[0] * (len(ROWS) - 1) / len(ROWS))
    ends = pca.mean_ + np.outer([-2, 2], std * pca.components_[0])
    assert_allclose(display.traversals[0, [0, -1]], ends, atol=1e-5)


class _Reversed:
    """A transformer whose units are in the opposite order."""

    def __init__(self, inner):
        self.inner = inner
        self.n_features_in_ = inner.n_features_in_

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return self.inner.transform(X)[:, ::-1]

    def inverse_transform(self, X):
        return self.inner.inverse_transform(X[:, ::-1])

    def __sklearn_tags__(self):
        return self.inner.__sklearn_tags__()


def test_the_strongest_units_are_drawn():
    pca = PCA(5).fit(ROWS)
    display = TraversalDisplay.from_estimator(pca, ROWS, n_units=2)
    assert display.artists_.shape == (2, 7, 1)
    assert display.units == ["unit 0", "unit 1"]
    assert_allclose(display.effects, pca.explained_variance_ratio_[:2], rtol=1e-5)
    # Rows are curves, one in each cell.
    assert len(display.artists_[0, 0, 0].get_xdata()) == 64


def test_a_unit_that_does_not_vary_comes_last():
    X = np.random.default_rng(0).normal(size=(30, 3)) * [1.0, 0.0, 3.0]
    display = TraversalDisplay.from_estimator(PCA(3).fit(X), X)
    assert display.units[-1] == "unit 2"
    assert_allclose(display.effects[-1], 0, atol=1e-12)
    line = np.asarray(display.traversals)[-1]
    assert_allclose(line - line[0], 0, atol=1e-9)


def test_gaps_do_not_count():
    X = ROWS[:, 18:24].copy()
    X[::3, 0] = np.nan
    ae = AutoencoderTransformer(2, missing="mask", **SMALL).fit(X)
    display = TraversalDisplay.from_estimator(ae, X)
    codes = ae.transform(X)
    mean, std = codes.mean(axis=0), codes.std(axis=0)
    j = int(display.units[0].removeprefix("unit "))
    moved = np.tile(mean, (3, 1))
    moved[:, j] += np.array([-1, 0, 1]) * std[j]
    below, centre, above = ae.inverse_transform(moved).astype(float)
    change = ((below - centre) ** 2 + (above - centre) ** 2).sum() / 2
    assert_allclose(display.effects[0], change / np.nanvar(X, axis=0).sum(), rtol=1e-3)


def test_images_are_drawn_in_the_range_of_the_samples(ae):
    display = TraversalDisplay.from_estimator(ae, IMAGES)
    assert display.limits == (0, 1)
    assert all(image.get_clim() == (0, 1) for image in display.artists_.ravel())


def test_signals_have_a_curve_for_each_channel():
    X = np.random.default_rng(0).normal(size=(20, 3, 16)).astype(np.float32)
    ae = ConvAutoencoder(2, layout="signal", max_epochs=1, random_state=0).fit(X)
    display = TraversalDisplay.from_estimator(ae, X)
    assert display.artists_.shape == (2, 7, 3)
    assert [line.get_color() for line in display.artists_[0, 0]] == ["C0", "C1", "C2"]


def test_a_detector_is_drawn_as_its_estimator(ae):
    detector = AnomalyDetector(ae, random_state=0).fit(IMAGES)
    display = TraversalDisplay.from_estimator(detector, IMAGES)
    expected = TraversalDisplay.from_estimator(detector.estimator_, IMAGES)
    assert display.units == expected.units
    assert_array_equal(images_of(display.artists_), images_of(expected.artists_))


def test_named_columns_are_drawn_between_the_ends_of_each_unit():
    pipe = make_pipeline(StandardScaler(), PCA(3)).fit(WINE)
    display = TraversalDisplay.from_estimator(pipe, WINE)
    pca = pipe[-1]
    # In units of the deviations of columns, a step moves by the standardised loadings.
    assert_allclose(display.effects, pca.explained_variance_ratio_, rtol=1e-6)
    std = np.sqrt(pca.explained_variance_ * (len(WINE) - 1) / len(WINE))
    move = 2 * std[:, np.newaxis] * pca.components_
    order = np.argsort(-np.abs(move).sum(axis=0))
    labels = texts_of(display.ax_.get_yticklabels())
    assert labels == [NAMES[j] for j in order]
    assert display.artists_.shape == (3, 3, 1)
    far = np.abs(move).max()
    for unit in range(3):
        low, high = (line.get_xdata() for line in display.artists_[:2, unit, 0])
        middle = unit + 0.5
        assert_allclose(high - middle, 0.44 * move[unit, order] / far, atol=1e-9)
        assert_allclose(low - middle, -0.44 * move[unit, order] / far, atol=1e-9)
        ends = display.artists_[2, unit, 0].get_xdata().reshape(-1, 3)
        assert_allclose(ends[:, :2], np.stack([low, high], axis=1))
    legend = texts_of(display.ax_.get_legend().get_texts())
    assert legend == ["at -2 deviations", "at 2 deviations", "change"]
    assert display.artists_[0, 0, 0].get_markerfacecolor() == "white"
    assert display.artists_[1, 0, 0].get_markerfacecolor() == "C0"
    names = texts_of(display.ax_.get_xticklabels())
    assert names[0] == f"unit 0\n{pca.explained_variance_ratio_[0]:.1%}"
    assert display.ax_.get_ylabel() == "columns, largest change first"


def test_of_many_columns_those_that_change_most_are_drawn():
    X = pd.DataFrame(ROWS).add_prefix("pixel ")
    pca = PCA(2).fit(X)
    display = TraversalDisplay.from_estimator(pca, X)
    assert len(display.ax_.get_yticklabels()) == 15
    expected = "the 15 of 64 columns with the largest changes"
    assert display.ax_.get_ylabel() == expected
    images = TraversalDisplay.from_estimator(pca, X, image_shape=(8, 8))
    assert images.feature_names is None
    assert_allclose(images.effects, pca.explained_variance_ratio_, rtol=1e-5)


def test_traversals_can_be_given():
    traversals = np.arange(12.0).reshape(2, 3, 2)
    display = TraversalDisplay(traversals, [-1, 0, 1]).plot()
    assert texts_of(display.ax_.get_yticklabels()) == ["unit 0", "unit 1"]
    assert "%" not in display.ax_.get_xlabel()
    named = TraversalDisplay(
        traversals, [-1, 0, 1], feature_names=["a", "b"], center=[0, 0], scale=[1, 2]
    ).plot()
    # The values are 0 and 4, 6 and 10; 1 and 5, 7 and 11 are halved: 10 is farthest.
    low, high = (
        np.array([line.get_xdata() for (line,) in named.artists_[k]]) for k in (0, 1)
    )
    middle = np.array([[0.5], [1.5]])
    assert_allclose((low - middle) / 0.44, [[0, 0.05], [0.6, 0.35]], atol=1e-12)
    assert_allclose((high - middle) / 0.44, [[0.4, 0.25], [1, 0.55]], atol=1e-12)


def test_what_cannot_be_traversed_is_refused(ae):
    for X in (IMAGES[0], IMAGES[:1]):
        with pytest.raises(ValueError, match=r"X has 1 sample\(s\), but units have no"):
            TraversalDisplay.from_estimator(ae, X)
    with pytest.raises(ValueError, match="n_units == 0, must be >= 1"):
        TraversalDisplay.from_estimator(ae, IMAGES, n_units=0)
    with pytest.raises(ValueError, match="n_steps == 1, must be >= 2"):
        TraversalDisplay.from_estimator(ae, IMAGES, n_steps=1)
    mixed = WINE[["alcohol"]].assign(kind="red")
    pipe = make_pipeline(TableEncoder(), PCA(1)).fit(mixed)
    with pytest.raises(
        TypeError, match=r"cannot be drawn\. Decode codes by `inverse_t"
    ):
        TraversalDisplay.from_estimator(pipe, mixed)
    with pytest.raises(ValueError, match=r"offsets has 2 entries, but .* 3 steps"):
        TraversalDisplay(np.zeros((1, 3, 4)), [0, 1]).plot()
    with pytest.raises(ValueError, match="feature_names has 1 entries, but the sam"):
        TraversalDisplay(np.zeros((1, 2, 4)), [0, 1], feature_names=["a"]).plot()
