"""Blends and walks tell how much they look like data."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skae import (
    AnomalyDetector,
    AutoencoderTransformer,
    LatentDensity,
    OutOfDomainWarning,
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
    assert DETECTOR.support(centre, space="latent")[0] == 1 / (
        1 + len(DETECTOR.calibration_scores_)
    )
    codes = DETECTOR.estimator_.transform(_circle(500))
    assert abs(DETECTOR.support(codes, space="latent").mean() - 0.5) < 0.1


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
        found.append((detector.support(codes, space="latent") <= 0.1).mean())
    error = np.std(found) / np.sqrt(len(found))
    bound = 0.1 + 3 * error
    assert np.mean(found) <= bound


def test_codes_are_those_of_the_score_by_code():
    detector = AnomalyDetector(PCA(2), score_by="code", random_state=0).fit(X)
    codes = detector.estimator_.transform(X[:20])
    assert_array_equal(
        detector.p_values(X[:20]), detector.support(codes, space="latent")
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
    expected = digits.support((codes[:5] + codes[5:]) / 2, space="latent")
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
    assert (digits.support(codes, space="latent") <= 0.05).mean() > 0.6
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
    expected = pipe[-1].support((codes[:5] + codes[5:]) / 2, space="latent")
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
        DETECTOR.support(X, space="code")
    with pytest.raises(ValueError, match=r"X has 3 columns, .* have 2 units"):
        DETECTOR.support(np.zeros((2, 3)), space="latent")


# The guard ----------------------------------------------------------------------------


def _portrait(shape):
    """Return a face that a model of digits has not seen, of a size that it takes."""
    down, across = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    head = (down**2 / 0.9 + across**2 / 0.5 < 1) * 0.7 + 0.2
    eyes = sum((down + 0.2) ** 2 + (across - x) ** 2 < 0.03 for x in (-0.3, 0.3))
    mouth = (np.abs(down - 0.4) < 0.12) & (np.abs(across) < 0.3)
    return np.where((eyes > 0) | mouth, 0.0, head)


@pytest.fixture(scope="module")
def guard():
    ae = AutoencoderTransformer(8, max_epochs=20, random_state=0)
    return AnomalyDetector(ae, out_of_domain="warn", random_state=0).fit(DIGITS[:1200])


def test_a_portrait_is_caught(guard):
    portrait = _portrait((8, 8)).reshape(1, -1)
    assert guard.support(portrait)[0] < 0.01
    with pytest.warns(OutOfDomainWarning, match=r"1 of 1 rows .* \(rows 0\)"):
        codes = guard.transform(portrait)
    assert_allclose(codes, guard.estimator_.transform(portrait), atol=1e-6)
    strict = clone(guard).set_params(out_of_domain="raise").fit(DIGITS[:1200])
    with pytest.raises(ValueError, match="unlike those of fit"):
        strict.transform(np.repeat(portrait, 20, axis=0))


def test_new_digits_pass_at_the_promised_rate():
    """Of calls with normal rows, at most the rate is stopped; one row or many."""
    pixels = PCA(5).fit(DIGITS)
    n_stopped, n_calls = {1: 0, 30: 0}, dict.fromkeys((1, 30), 0)
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(len(DIGITS))
        guard = AnomalyDetector(
            FrozenEstimator(pixels), out_of_domain="warn", random_state=seed
        ).fit(DIGITS[order[:500]])
        for size in n_stopped:
            for part in DIGITS[order[500:1400]].reshape(-1, 30, 64)[:, :size]:
                with warnings.catch_warnings(record=True) as found:
                    warnings.simplefilter("always")
                    guard.transform(part)
                n_stopped[size] += len(found)
                n_calls[size] += 1
    for size, n in n_stopped.items():
        assert 0 < n / n_calls[size] < 0.05 + 0.02


def test_a_guard_in_a_pipeline(guard):
    y = load_digits().target
    pipe = make_pipeline(clone(guard), LogisticRegression(max_iter=500))
    pipe.fit(DIGITS[:1200], y[:1200])
    with warnings.catch_warnings():
        warnings.simplefilter("error", OutOfDomainWarning)
        assert pipe.score(DIGITS[1200:1260], y[1200:1260]) > 0.7
    with pytest.warns(OutOfDomainWarning, match="30 of 30 rows are unlike those"):
        pipe.predict(np.random.default_rng(0).random((30, 64)))
    names = pipe[:-1].get_feature_names_out()
    assert names.tolist() == [f"anomalydetector{i}" for i in range(8)]


@pytest.mark.parametrize("n", [99, 999])
def test_one_row_of_the_lowest_p_value_is_enough(n):
    rows = np.random.default_rng(0).normal(size=(n + 100, 3))
    pca = FrozenEstimator(PCA(2).fit(rows))
    detector = AnomalyDetector(
        pca, calibration_fraction=n / (n + 100), out_of_domain="raise", random_state=0
    ).fit(rows)
    assert len(detector.calibration_scores_) == n
    with pytest.raises(ValueError, match="1 of 1 rows"):
        detector.transform([[50.0, 50.0, 50.0]])
    some = np.r_[rows, np.full((300, 3), 50.0)]
    with pytest.raises(ValueError, match=r"rows .*, \.\.\.\)"):
        detector.transform(some)


def test_a_guard_is_silent_by_default():
    detector = AnomalyDetector(PCA(2), random_state=0).fit(X)
    assert detector.transform(np.full((9, 2), 50.0)).shape == (9, 2)
    with pytest.raises(ValueError, match="out_of_domain"):
        AnomalyDetector(PCA(2), out_of_domain="stop").fit(X)
