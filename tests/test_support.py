"""Blends and walks tell how much they look like data."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skae import (
    AnomalyDetector,
    AutoencoderTransformer,
    LatentDensity,
    blend,
    interpolate,
    mix,
)
from skae.tabular import TableEncoder

rng = np.random.default_rng(0)


def _circle(n):
    angles = rng.uniform(0, 2 * np.pi, n)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


X = _circle(400)
DETECTOR = AnomalyDetector(PCA(2), random_state=0).fit(X)
LEFT, RIGHT = np.array([-1.0, 0.0]), np.array([1.0, 0.0])
DIGITS = load_digits().data / 16


@pytest.fixture(scope="module")
def digits():
    ae = AutoencoderTransformer(8, max_epochs=20, random_state=0)
    return AnomalyDetector(ae, random_state=0).fit(DIGITS[:1200])


# Codes --------------------------------------------------------------------------------


def test_a_gap_has_no_support_and_the_data_have():
    centre = DETECTOR.estimator_.transform([[0.0, 0.0]])
    assert DETECTOR.p_values(centre, space="latent")[0] == 1 / (
        1 + len(DETECTOR.calibration_scores_)
    )
    codes = DETECTOR.estimator_.transform(_circle(500))
    assert abs(DETECTOR.p_values(codes, space="latent").mean() - 0.5) < 0.1


@pytest.mark.parametrize("score_by", ["both", "reconstruction", "code"])
@pytest.mark.parametrize("fraction", [0.2, None])
def test_p_values_of_codes_hold_their_rate(score_by, fraction):
    found = []
    for seed in range(60):
        detector = AnomalyDetector(
            PCA(2),
            score_by=score_by,
            calibration_fraction=fraction,
            random_state=seed,
        ).fit(_circle(120))
        codes = detector.estimator_.transform(_circle(50))
        found.append((detector.p_values(codes, space="latent") <= 0.1).mean())
    error = np.std(found) / np.sqrt(len(found))
    bound = 0.1 + 3 * error
    assert np.mean(found) <= bound


def test_codes_are_those_of_the_score_by_code():
    detector = AnomalyDetector(PCA(2), score_by="code", random_state=0).fit(X)
    codes = detector.estimator_.transform(X[:20])
    assert_array_equal(
        detector.p_values(X[:20]), detector.p_values(codes, space="latent")
    )


# Functions ----------------------------------------------------------------------------


def test_a_blend_across_the_gap_is_told():
    found, support = blend(DETECTOR, LEFT, RIGHT, return_support=True)
    assert_allclose(found, [0, 0], atol=1e-12)
    assert support < 0.02
    for kind in ("representation", "content"):
        found, support = blend(DETECTOR, X[:50], X[:50], kind=kind, return_support=True)
        assert_allclose(found, X[:50])
        assert support.shape == (50,)
        assert support.mean() > 0.3


def test_walks_through_data_have_support_and_straight_ones_have_not():
    pairs = X[:20], -X[:20]
    straight, little = interpolate(DETECTOR, *pairs, 7, return_support=True)
    through, much = interpolate(
        DETECTOR, *pairs, 7, path="data", through=X, return_support=True
    )
    assert straight.shape == through.shape == (20, 7, 2)
    assert little.shape == much.shape == (20, 7)
    assert little[:, 3].max() < 0.02
    assert (much[:, 3] > 0.05).mean() > 0.8
    _, one = interpolate(DETECTOR, LEFT, RIGHT, 5, return_support=True)
    assert one.shape == (5,)


def test_mixtures_have_support():
    found, support = mix(DETECTOR, X[:3], [1, 0, 0], return_support=True)
    assert_allclose(found, X[0])
    assert np.ndim(support) == 0
    _, support = mix(DETECTOR, X[:3], [[1, 0, 0], [3, 0, 0]], return_support=True)
    assert support[1] < support[0]


def test_a_detector_blends_as_its_estimator_does(digits):
    ends = DIGITS[:5], DIGITS[5:10]
    assert_array_equal(blend(digits, *ends), blend(digits.estimator_, *ends))
    codes = digits.estimator_.transform(DIGITS[:10])
    _, support = blend(digits, *ends, return_support=True)
    expected = digits.p_values((codes[:5] + codes[5:]) / 2, space="latent")
    assert_array_equal(support, expected)


def test_images_of_a_flat_estimator_stay_images():
    images = DIGITS[:300].reshape(-1, 8, 8)
    detector = AnomalyDetector(random_state=0).fit(images)  # of flat rows by default
    found, support = interpolate(
        detector,
        images[0],
        images[1],
        4,
        path="data",
        through=images,
        return_support=True,
    )
    assert found.shape == (4, 8, 8)
    assert support.shape == (4,)
    flat = interpolate(
        detector.estimator_, DIGITS[0], DIGITS[1], 4, path="data", through=DIGITS[:300]
    )
    assert_allclose(found.reshape(4, -1), flat)
    assert blend(detector, images[:2], images[2], kind="content").shape == (2, 8, 8)


def test_rows_of_a_frame_are_blended_without_a_warning():
    frame = pd.DataFrame(X, columns=["across", "up"])
    detector = AnomalyDetector(PCA(2), random_state=0).fit(frame)
    ends = frame.iloc[0], frame.iloc[1]
    found, support = interpolate(detector, *ends, 5, return_support=True)
    expected = interpolate(DETECTOR, X[0], X[1], 5, return_support=True)
    assert_allclose(found, expected[0])
    assert_array_equal(support, expected[1])
    content = blend(detector, *ends, kind="content")
    assert_allclose(content, (X[0] + X[1]) / 2)
    with pytest.raises(ValueError, match="feature names should match"):
        blend(detector, frame.iloc[0, ::-1], frame.iloc[1])


def test_noise_is_told_from_digits(digits):
    noise = rng.uniform(size=(100, 64))
    codes = digits.estimator_.transform(noise)
    assert (digits.p_values(noise) <= 0.05).mean() > 0.95
    # An encoder may send noise to where digits are: its code alone tells less.
    assert (digits.p_values(codes, space="latent") <= 0.05).mean() > 0.6
    assert (digits.p_values(DIGITS[1200:]) <= 0.05).mean() < 0.15


def test_pipelines_that_end_with_a_detector_blend():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"x": X[:, 0], "y": X[:, 1], "c": ["a", "b"] * 200})
    detector = AnomalyDetector(PCA(3), random_state=0)
    pipe = make_pipeline(TableEncoder(), detector).fit(frame)
    ends = frame.iloc[:5], frame.iloc[5:10]
    found, support = blend(pipe, *ends, return_support=True)
    assert found["c"].isin(["a", "b"]).all()
    bare = make_pipeline(pipe[0], pipe[-1].estimator_)
    assert found.equals(blend(bare, *ends))
    codes = bare.transform(pd.concat(ends))
    expected = pipe[-1].p_values((codes[:5] + codes[5:]) / 2, space="latent")
    assert_array_equal(support, expected)
    by_content, support = blend(pipe, *ends, kind="content", return_support=True)
    assert_array_equal(support, pipe[-1].p_values(pipe[0].transform(by_content)))


def test_a_density_blends_by_its_estimator():
    density = LatentDensity(PCA(2), random_state=0).fit(X)
    assert_array_equal(
        interpolate(density, X[0], X[1]), interpolate(density.estimator_, X[0], X[1])
    )


# Refusals -----------------------------------------------------------------------------


def test_support_needs_a_detector():
    pca = PCA(2).fit(X)
    for call in (
        lambda: blend(pca, LEFT, RIGHT, return_support=True),
        lambda: interpolate(pca, LEFT, RIGHT, return_support=True),
        lambda: mix(pca, X[:2], [0.5, 0.5], return_support=True),
    ):
        with pytest.raises(TypeError, match=r"pass a fitted AnomalyDetector"):
            call()


def test_what_only_predicts_is_refused():
    pipe = make_pipeline(PCA(2), KMeans(2, n_init=1)).fit(X)
    with pytest.raises(AttributeError):  # it has a transform, and no way back
        blend(pipe, X[0], X[1])
    pipe = make_pipeline(PCA(2), LogisticRegression()).fit(X, X[:, 0] > 0)
    with pytest.raises(TypeError, match=r"LogisticRegression has no transform"):
        blend(pipe, X[0], X[1])


def test_other_spaces_and_widths_are_refused():
    with pytest.raises(ValueError, match="space='code' is not known"):
        DETECTOR.p_values(X, space="code")
    with pytest.raises(ValueError, match=r"X has 3 columns, .* have 2 units"):
        DETECTOR.p_values(np.zeros((2, 3)), space="latent")
