"""The detector: p-values, its rate of false positives, and what it blames."""

import io
import pickle
import re
import warnings

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator

from skae import AnomalyDetector, AutoencoderTransformer, ConvAutoencoder
from skae._anomaly import detector as detector_module
from skae._anomaly.conformal import (
    highest_normal,
    n_rows_needed,
    n_rows_to_hold,
    p_values,
)
from skae._anomaly.scores import encode, usual_errors

SCORES = ["both", "reconstruction", "code"]
every_score = pytest.mark.parametrize("score_by", SCORES)

rng = np.random.default_rng(0)
MIXING = rng.normal(size=(3, 6))
X = rng.normal(size=(200, 3)) @ MIXING + 0.1 * rng.normal(size=(200, 6))
NEW = rng.normal(size=(300, 3)) @ MIXING + 0.1 * rng.normal(size=(300, 6))
STRANGE = NEW + 3 * rng.normal(size=NEW.shape)


def fitted(X=X, estimator=None, **params):
    estimator = PCA(3) if estimator is None else estimator
    return AnomalyDetector(estimator, random_state=0, **params).fit(X)


# By hand ------------------------------------------------------------------------------


def test_p_value_counts_calibration_rows_that_are_as_unusual():
    calibration = np.array([1.0, 2.0, 2.0, 5.0])
    # As unusual as 6: none, as 5: one, as 2: three, as 1.5: three, as 0: all four.
    found = p_values(np.array([6.0, 5.0, 2.0, 1.5, 0.0]), calibration)
    assert_allclose(found, [1 / 5, 2 / 5, 4 / 5, 4 / 5, 5 / 5])


def test_threshold_is_the_score_above_which_p_is_low():
    calibration = np.arange(1.0, 20.0)  # 19 rows: p is 1/20 above 19, then 2/20
    assert highest_normal(calibration, 0.05) == 19
    assert highest_normal(calibration, 0.0999) == 19
    assert highest_normal(calibration, 0.1) == 18


@pytest.mark.parametrize(
    ("rate", "n_rows"), [(0.05, 19), (0.1, 9), (0.01, 99), (0.3, 3), (0.9, 1)]
)
def test_rows_that_a_rate_needs(rate, n_rows):
    assert n_rows_needed(rate) == n_rows
    assert 1 / (n_rows + 1) <= rate < 1 / n_rows


@pytest.mark.parametrize("rate", [0.05, 0.07, 0.013, 0.3])
@pytest.mark.parametrize("n_wanted", [5, 60, 777])
def test_calibration_rows_come_close_to_the_rate(rate, n_wanted):
    n_rows = n_rows_to_hold(rate, n_wanted, 2000)
    held = np.floor(rate * (n_rows + 1) + 1e-9) / (n_rows + 1)
    assert held <= rate + 1e-12
    assert rate - held < rate / (n_rows + 1) + 1e-12  # one row fewer is above the rate
    assert abs(n_rows - n_wanted) <= max(0.5 / rate + 1, n_rows_needed(rate) - n_wanted)


def test_usual_errors_are_never_zero():
    rows = np.array([[1.0, 0.0, 5.0], [3.0, 0.0, 5.0]])
    errors = np.array([[1.0, 0.0, 0.0], [3.0, 0.0, 0.0]])
    # sqrt(2); a column of zeros counts in its units; a constant in 1e-6 of its size.
    assert_allclose(usual_errors(rows, errors), [np.sqrt(2), 1, 5e-6])
    errors[:, 1] = 1e-60  # of a pixel that is never used: rounding
    assert_allclose(usual_errors(rows, errors), [np.sqrt(2), 1, 5e-6])
    errors[:, 1] = 4.0
    assert_allclose(usual_errors(rows, errors), [np.sqrt(2), 2, 5e-6])


def test_a_code_next_to_a_training_code_counts_as_near_not_as_infinitely_near():
    training = np.array([[3.0, 0.0], [-3.0, 0.0], [5.0, 0.0]] * 4)
    row = np.array([[3.0, 0.0], [3.0 + 1e-9, 0.0], [4.0, 0.0]])
    detector = AnomalyDetector(
        Halves(), score_by="code", n_neighbors=2, calibration_fraction=None
    ).fit(training)
    # The root mean square of the codes is sqrt((9 + 9 + 25) / 3).
    least = 1e-5 * np.sqrt(43 / 3)
    assert_allclose(detector.score_samples(row), [-least, -least, -1])


class Halves(TransformerMixin, BaseEstimator):
    """The first half of the columns is the code, and the second is decoded as 0."""

    def fit(self, X, y=None):
        self.n_ = X.shape[1] // 2
        return self

    def transform(self, X):
        return X[:, : self.n_]

    def inverse_transform(self, X):
        return np.hstack([X, np.zeros_like(X)])


def test_scores_are_those_of_the_docstring():
    training = np.array([[0.0, 1.0], [1.0, -1.0], [3.0, 1.0]])
    row = np.array([[4.0, 2.0]])
    codes, errors = encode(Halves().fit(training), row, (2,))
    assert_array_equal(codes, [[4.0]])
    assert_array_equal(errors, [[0.0, 4.0]])  # the second column is decoded as 0
    more = np.concatenate([training, training + np.array([10.0, 0.0])])
    detector = AnomalyDetector(
        Halves(), score_by="reconstruction", calibration_fraction=None
    ).fit(more)
    # Errors of the second column are 1 for all training rows: 2**2 / 1.
    assert_allclose(detector.score_samples(row), [-4])
    assert_allclose(detector.explain(row), [[0, 4]])
    detector.set_params(score_by="code", n_neighbors=2)
    detector.fit(more)
    assert_allclose(detector.score_samples(row), [-(1 + 3) / 2])  # to 3 and to 1


def test_a_gap_has_no_error_and_the_others_count_more():
    rows = np.array([[1.0, 2.0, np.nan, 3.0]])

    class Zero(Halves):
        def transform(self, X):
            return np.zeros((len(X), 1))

        def inverse_transform(self, X):
            return np.zeros((len(X), 4))

    _, errors = encode(Zero(), rows, (4,))
    assert_allclose(errors, np.array([[1, 4, 0, 9]]) * 4 / 3)


# The rate -----------------------------------------------------------------------------


def _draw(kind, rng, n_rows):
    """Return rows: of a normal distribution, or of few integers, with many ties."""
    rows = rng.normal(size=(n_rows, 4)) @ np.triu(np.ones((4, 4)))
    return rows if kind == "normal" else np.clip(np.round(rows[:, :2] / 2), -1, 1)


@pytest.mark.slow
@every_score
@pytest.mark.parametrize("kind", ["normal", "tied"])
def test_p_values_are_uniform_or_larger(kind, score_by):
    rng = np.random.default_rng(1)
    n_fits, n_new, levels = 150, 60, np.array([0.05, 0.1, 0.2, 0.5])
    p = np.empty((n_fits, n_new))
    detector = AnomalyDetector(PCA(1), score_by=score_by, random_state=0)
    for i in range(n_fits):
        rows = _draw(kind, rng, 95)  # of which 19 calibrate: p is a multiple of 1/20
        p[i] = detector.fit(rows).p_values(_draw(kind, rng, n_new))
    found = (p[..., np.newaxis] <= levels + 1e-12).mean(axis=(0, 1))
    # The share below a level in one fit has a Beta distribution, of rank and 20 - rank:
    # its variance is a 21st of that of one row. Many rows of a fit add little to that.
    error = 2 * np.sqrt(levels * (1 - levels) * (1 / 21 + 20 / 21 / n_new) / n_fits)
    assert (found <= levels + error).all()
    if kind == "normal":
        assert (found >= levels - error).all()


@pytest.mark.slow
@pytest.mark.parametrize("n_rows", [20, 60])
def test_cross_fitted_rate_is_about_what_was_asked(n_rows):
    rng = np.random.default_rng(2)
    detector = AnomalyDetector(PCA(1), calibration_fraction=None, random_state=0)
    p = np.empty((40, 40))
    for fit_p in p:
        fit_p[:] = detector.fit(_draw("normal", rng, n_rows)).p_values(
            _draw("normal", rng, 40)
        )
    assert detector.calibration_method_ == "cross-fit"
    for rate in (0.05, 0.1, 0.2):
        error = (p <= rate).mean(axis=1).std() / np.sqrt(len(p))  # of fits, not of rows
        assert (p <= rate).mean() <= rate + 2 * error


@pytest.mark.slow
def test_cross_fitted_rate_holds_where_fits_differ_in_their_spreads():
    # Few rows of many columns: how much training rows vary is an accident of each fit.
    # When each fold had its own spreads, a third of the threes was flagged.
    threes = load_digits().data[load_digits().target == 3]
    rates = []
    for seed in range(3):
        train, test = train_test_split(threes, test_size=0.5, random_state=seed)
        detector = AnomalyDetector(calibration_fraction=None, random_state=seed)
        rates.append((detector.fit(train).predict(test) == -1).mean())
    assert np.mean(rates) < 0.1


@every_score
@pytest.mark.parametrize("rate", [0.05, 0.1, 1 / 3])
@pytest.mark.parametrize("calibration_fraction", [0.2, None])
def test_predict_agrees_with_p_values_and_decision(
    score_by, rate, calibration_fraction
):
    for train, new in ((X, STRANGE), (np.round(X), np.round(STRANGE / 2))):
        detector = fitted(
            train,
            score_by=score_by,
            false_positive_rate=rate,
            calibration_fraction=calibration_fraction,
        )
        new = np.concatenate([train, new])
        is_outlier = detector.predict(new) == -1
        assert 0 < is_outlier.mean() < 1
        assert_array_equal(is_outlier, detector.p_values(new) <= rate)
        decision = detector.decision_function(new)
        assert_array_equal(is_outlier, decision < 0)
        assert_array_equal(decision, detector.score_samples(new) - detector.offset_)


def test_unusual_rows_have_low_scores_and_small_p_values():
    for score_by in SCORES:
        detector = fitted(score_by=score_by)
        assert (
            detector.score_samples(STRANGE).mean() < detector.score_samples(NEW).mean()
        )
        assert detector.p_values(STRANGE).mean() < detector.p_values(NEW).mean() / 2


@pytest.mark.slow
def test_breast_cancer_has_about_the_rate_that_was_asked():
    data, y = load_breast_cancer(return_X_y=True)
    rates, found = [], []
    for seed in range(10):
        train, test = train_test_split(data[y == 1], test_size=0.4, random_state=seed)
        detector = AnomalyDetector(false_positive_rate=0.05, random_state=0).fit(train)
        rates.append((detector.predict(test) == -1).mean())
        found.append((detector.predict(data[y == 0]) == -1).mean())
    # One rate has the deviation of Beta(2, 38), 0.034, beside that of 143 test rows,
    # 0.018; the mean of ten is within two of its deviations.
    assert abs(np.mean(rates) - 0.05) < 2 * np.hypot(0.034, 0.018) / np.sqrt(10)
    assert np.mean(found) > 0.5


@pytest.mark.slow
def test_select_controls_the_false_discovery_rate():
    rng = np.random.default_rng(3)
    shares, found = [], []
    for i in range(200):
        train = rng.normal(size=(250, 3)) @ MIXING + 0.1 * rng.normal(size=(250, 6))
        new = rng.normal(size=(60, 3)) @ MIXING + 0.1 * rng.normal(size=(60, 6))
        new[:15] += rng.normal(size=(15, 6))
        chosen = AnomalyDetector(PCA(3), random_state=i).fit(train).select(new, 0.2)
        shares.append(chosen[15:].sum() / max(chosen.sum(), 1))
        found.append(chosen[:15].mean())
    # The bound is 0.2 times 45 / 60, the part that is normal.
    assert np.mean(shares) <= 0.15 + 2 * np.std(shares) / np.sqrt(200)
    assert np.mean(found) > 0.8


def test_select_is_the_procedure_of_benjamini_and_hochberg():
    detector = fitted()
    new = np.concatenate([NEW[:80], STRANGE[:20]])
    p = detector.p_values(new)
    # The largest k with the k-th smallest p at most k / 100 * fdr.
    below = np.flatnonzero(np.sort(p) <= np.arange(1, 101) / 100 * 0.3)
    expected = p <= np.sort(p)[below[-1]]
    assert 0 < expected.sum() < 100
    selected = detector.select(new, fdr=0.3)
    assert selected.dtype == bool
    assert_array_equal(selected, expected)


# Which rows calibrate -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_rows", "params", "n_calibration"),
    [
        (200, {}, 39),  # of 40 wanted, so that 2 / 40 is the rate
        (214, {}, 39),  # of 43
        (200, {"calibration_fraction": 0.5}, 99),
        (200, {"calibration_fraction": 0.5, "false_positive_rate": 0.07}, 99),  # 7/100
        (30, {"calibration_fraction": 0.8}, 19),  # of 24, though more than half
        (41, {"calibration_fraction": 0.95}, 39),
        (40, {"calibration_fraction": 0.95}, 19),  # 39 would leave one row
        (200, {"false_positive_rate": 0.01}, 99),  # as many as the rate needs
        (198, {"false_positive_rate": 0.01}, 99),
        (197, {"false_positive_rate": 0.01}, 197),  # more than half: cross-fitted
        (38, {}, 19),
        (37, {}, 37),
        (200, {"calibration_fraction": None}, 200),
        (10, {}, 10),
    ],
)
def test_number_of_calibration_rows(n_rows, params, n_calibration):
    detector = fitted(X[:n_rows], PCA(1), **params)
    assert len(detector.calibration_scores_) == n_calibration
    is_split = n_calibration < n_rows
    assert detector.calibration_method_ == ("split" if is_split else "cross-fit")
    assert (np.diff(detector.calibration_scores_) >= 0).all()


def test_rate_of_few_rows_is_the_least_possible():
    assert fitted(X[:12]).false_positive_rate_ == 1 / 13
    assert fitted(X[:19]).false_positive_rate_ == 0.05
    assert fitted(X).false_positive_rate_ == 0.05
    assert fitted(X, false_positive_rate=0.2).false_positive_rate_ == 0.2


def test_calibration_rows_are_not_trained_on():
    seen = []

    class Watching(Halves):
        def fit(self, X, y=None):
            seen.append(X)
            return super().fit(X)

    AnomalyDetector(Watching(), random_state=0).fit(X)
    assert [len(rows) for rows in seen] == [161]
    seen.clear()
    AnomalyDetector(Watching(), calibration_fraction=None).fit(X)
    assert [len(rows) for rows in seen] == [200] + [160] * 5
    left_out = [{*X[:, 0]} - {*rows[:, 0]} for rows in seen[1:]]
    assert set().union(*left_out) == {*X[:, 0]}


def test_one_seed_one_detector():
    estimator = AutoencoderTransformer(2, max_epochs=3)
    first, again = (fitted(X, estimator).score_samples(NEW) for _ in range(2))
    assert_array_equal(first, again)
    other = AnomalyDetector(estimator, random_state=1).fit(X).score_samples(NEW)
    assert (other != first).any()
    assert estimator.random_state is None
    own = fitted(X, AutoencoderTransformer(2, max_epochs=1, random_state=7))
    assert own.estimator_.random_state == 7


# Explanations -------------------------------------------------------------------------


def test_explain_blames_the_column_that_was_changed():
    changed = NEW.copy()
    columns = np.arange(len(NEW)) % 6
    changed[np.arange(len(NEW)), columns] += 5
    detector = AnomalyDetector(
        make_pipeline(StandardScaler(), PCA(3)), random_state=0
    ).fit(X * [1, 10, 100, 1, 1, 1e-3])
    blamed = detector.explain(changed * [1, 10, 100, 1, 1, 1e-3]).argmax(axis=1)
    assert (blamed == columns).mean() > 0.75


def test_explanations_add_up_to_the_score():
    detector = fitted(score_by="reconstruction")
    parts = detector.explain(NEW)
    assert parts.shape == NEW.shape
    assert_allclose(parts.sum(axis=1), -detector.score_samples(NEW))
    assert_array_equal(fitted(score_by="both").explain(NEW), parts)


def test_usual_contributions_of_training_rows_are_one():
    detector = fitted(X, calibration_fraction=None)
    assert_allclose(detector.explain(X).mean(axis=0), 1)


def test_scores_do_not_depend_on_the_units_of_columns():
    units = [1, 1e3, 1e-3, 1, 10, 1]
    scaled = make_pipeline(StandardScaler(), PCA(3))
    for score_by in SCORES:
        first = fitted(X, scaled, score_by=score_by).score_samples(NEW)
        other = fitted(X * units, scaled, score_by=score_by).score_samples(NEW * units)
        assert_allclose(first, other, rtol=1e-6)


# Estimators and containers ------------------------------------------------------------


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), AutoencoderTransformer(2, max_epochs=2)),
        make_pipeline(StandardScaler(), PCA(2)),
        AutoencoderTransformer(2, max_epochs=2),
    ],
)
def test_estimator_is_cloned_and_fitted(estimator):
    detector = fitted(X, estimator)
    assert type(detector.estimator_) is type(estimator)
    assert detector.estimator_ is not estimator
    assert not hasattr(estimator, "n_features_in_")
    assert detector.predict(NEW).shape == (300,)


def test_images_are_scored_in_their_shape(digits):
    images = digits[0][:120].reshape(-1, 8, 8)
    conv = ConvAutoencoder(4, max_epochs=2)
    detector = fitted(images, conv)
    assert detector.sample_shape_ == (8, 8)
    assert detector.n_features_in_ == 64
    assert detector.estimator_.sample_shape_ == (8, 8)
    assert detector.explain(images).shape == images.shape
    flat = images.reshape(len(images), -1)
    assert_array_equal(detector.score_samples(flat), detector.score_samples(images))
    plain = AnomalyDetector(random_state=0).fit(images)  # the default takes flat rows
    assert plain.explain(images).shape == images.shape


def test_gaps_are_for_estimators_that_take_them():
    gaps = X.copy()
    gaps[::3, 1] = np.nan
    taker = fitted(gaps, AutoencoderTransformer(2, missing="mask", max_epochs=2))
    assert np.isfinite(taker.score_samples(gaps)).all()
    assert (taker.explain(gaps)[::3, 1] == 0).all()
    with pytest.raises(ValueError, match="contains NaN"):
        fitted(gaps)
    with pytest.raises(ValueError, match="contains NaN"):
        fitted().predict(gaps)


def test_frames_keep_their_names():
    pd = pytest.importorskip("pandas")
    names = list("abcdef")
    detector = fitted(pd.DataFrame(X, columns=names))
    assert_array_equal(detector.feature_names_in_, names)
    frame = pd.DataFrame(NEW, columns=names)
    assert_array_equal(detector.p_values(frame), fitted().p_values(NEW))
    parts = detector.explain(frame.set_index(np.arange(300) + 7))
    assert_array_equal(parts.columns, names)
    assert_array_equal(parts.index, np.arange(300) + 7)
    assert_array_equal(parts.to_numpy(), fitted().explain(NEW))
    changed = frame.assign(d=frame["d"] + 9)
    assert (detector.explain(changed).idxmax(axis=1) == "d").mean() > 0.75
    with pytest.raises(ValueError, match="feature names"):
        detector.predict(frame[names[::-1]])
    assert not hasattr(detector.fit(X), "feature_names_in_")


def test_usual_errors_are_what_explanations_are_measured_in():
    detector = fitted(X, calibration_fraction=None)
    decoded = detector.estimator_.inverse_transform(detector.estimator_.transform(X))
    assert_allclose(detector.usual_errors_, np.sqrt(((decoded - X) ** 2).mean(axis=0)))


def _by_pickle(detector):
    return pickle.loads(pickle.dumps(detector))


def _by_joblib(detector):
    file = io.BytesIO()
    joblib.dump(detector, file)
    file.seek(0)
    return joblib.load(file)


def _by_skops(detector):
    skops_io = pytest.importorskip("skops.io")
    data = skops_io.dumps(detector)
    listed = skops_io.get_untrusted_types(data=data)
    assert all(name.startswith("skae.") for name in listed)  # nothing but our classes
    return skops_io.loads(data, trusted=listed)


@every_score
@pytest.mark.parametrize("copy", [_by_pickle, _by_joblib, _by_skops])
@pytest.mark.parametrize(
    "estimator",
    [
        PCA(3),
        make_pipeline(StandardScaler(), AutoencoderTransformer(2, max_epochs=1)),
        AutoencoderTransformer(2, max_epochs=1),
    ],
    ids=["PCA", "pipeline", "autoencoder"],
)
def test_files_keep_the_scores(estimator, copy, score_by):
    detector = fitted(X, estimator, score_by=score_by)
    again = copy(detector)
    assert_array_equal(again.score_samples(NEW), detector.score_samples(NEW))
    assert_array_equal(again.p_values(NEW), detector.p_values(NEW))
    assert_array_equal(again.usual_errors_, detector.usual_errors_)


def test_clones_and_pickles():
    detector = fitted(score_by="code", false_positive_rate=0.1)
    copied = clone(detector)
    assert copied.score_by == "code"
    assert not hasattr(copied, "offset_")
    again = pickle.loads(pickle.dumps(detector))
    assert_array_equal(again.p_values(NEW), detector.p_values(NEW))
    assert_array_equal(again.predict(NEW), detector.predict(NEW))


def test_output_of_an_estimator_may_be_a_frame():
    pd = pytest.importorskip("pandas")
    expected = fitted().score_samples(NEW)
    scaled = fitted(X, PCA(3).set_output(transform="pandas")).score_samples(NEW)
    assert_allclose(scaled, expected)
    codes = fitted().set_output(transform="pandas").transform(pd.DataFrame(NEW))
    assert codes.columns[-1] == "anomalydetector2"


def test_a_refused_fit_changes_nothing():
    detector = fitted()
    before = detector.p_values(NEW)
    detector.set_params(estimator=PCA(10))
    with pytest.raises(ValueError, match="n_components=10"):
        detector.fit(X)
    assert_array_equal(detector.p_values(NEW), before)


def test_columns_without_an_error_do_no_harm():
    constant = np.column_stack([X, np.full(len(X), 7.0), np.zeros(len(X))])
    for score_by in SCORES:
        detector = AnomalyDetector(score_by=score_by, random_state=0).fit(constant)
        assert np.isfinite(detector.score_samples(constant)).all()
        alone = fitted(np.ones((50, 4)), Halves(), score_by=score_by)
        assert (alone.predict(np.ones((5, 4))) == 1).all()  # tied with all
        assert (alone.predict(np.full((5, 4), 2.0)) == -1).all()


# Errors -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "rows", "message"),
    [
        (
            {"false_positive_rate": 0.01},
            X[:50],
            "false_positive_rate=0.01 needs X of at least 99 rows, but X has 50",
        ),
        ({"false_positive_rate": 0.05}, X[:18], "at least 19 rows, but X has 18"),
        ({}, X[:3], "n_samples=3, but to fit and to calibrate takes at least 4"),
        ({"score_by": "codes"}, X, "The 'score_by' parameter"),
        ({"false_positive_rate": 0}, X, "The 'false_positive_rate' parameter"),
        ({"calibration_fraction": 1.0}, X, "The 'calibration_fraction' parameter"),
        ({"n_neighbors": 0}, X, "The 'n_neighbors' parameter"),
        (
            {"estimator": object()},
            X,
            "implementing 'fit', 'transform' and 'inverse_transform'",
        ),
        ({}, np.full((50, 2), np.inf), "infinity"),
    ],
)
def test_what_fit_refuses(params, rows, message):
    detector = AnomalyDetector(PCA(1)).set_params(**params)
    with pytest.raises(ValueError, match=re.escape(message)):
        detector.fit(rows)


def _frame_of(rows):
    pd = pytest.importorskip("pandas")
    return pd.DataFrame(rows, columns=[f"column {i}" for i in range(rows.shape[1])])


@pytest.mark.parametrize("calibration_fraction", [0.2, None])
@pytest.mark.parametrize(
    "estimator", [PCA(1), AutoencoderTransformer(2), None], ids=["PCA", "own", "None"]
)
def test_errors_of_fit_name_column_and_row_of_X(estimator, calibration_fraction):
    detector = AnomalyDetector(estimator, calibration_fraction=calibration_fraction)
    for wrong, kind in ((np.nan, "NaN"), (np.inf, "infinity")):
        for row in (0, 73, 199):
            rows = X.copy()
            rows[row, 2] = wrong
            place = rf"contains {kind}: column {{}} \(1 of 200 rows.*is row {row}\)"
            with pytest.raises(ValueError, match=place.format("2")):
                detector.fit(rows)
            with pytest.raises(ValueError, match=place.format("'column 2'")):
                detector.fit(_frame_of(rows))
    text = _frame_of(X).astype({"column 3": object})
    text.loc[5, "column 3"] = "high"
    match = "text: column 'column 3', such as 'high' .*is row 5"
    with pytest.raises(ValueError, match=match):
        detector.fit(text)


def test_errors_of_fit_name_values_that_are_too_large():
    rows = X.copy()
    rows[151, 4] = 1e200
    detector = AnomalyDetector(AutoencoderTransformer(2), calibration_fraction=None)
    match = "too large for .*'column 4' holds 1e\\+200 in row 151"
    with pytest.raises(ValueError, match=match):
        detector.fit(_frame_of(rows))


def test_errors_of_fit_name_columns_without_a_value():
    rows = X.copy()
    rows[:, 1] = np.nan
    detector = AnomalyDetector(
        AutoencoderTransformer(2, missing="mask", max_epochs=1), random_state=0
    )
    with pytest.raises(ValueError, match="only NaN in column 'column 1' \\(1 such"):
        detector.fit(_frame_of(rows))
    draw = np.random.RandomState(0)  # as in fit: a seed, and then the order
    draw.randint(2**31 - 1)
    rows[draw.permutation(200)[0], 1] = 0.0  # one value, in a row that calibrates
    match = "column 'column 1' in only 1 of 200 rows, and in none of those that train"
    with pytest.raises(ValueError, match=match):
        detector.fit(_frame_of(rows))


def test_errors_of_methods_name_columns():
    detector = fitted(_frame_of(X))
    new = NEW.copy()
    new[11, 5] = np.nan
    match = "NaN: column 'column 5' \\(1 of 300 rows, the first is row 11\\)"
    for method in (detector.predict, detector.explain, detector.p_values):
        with pytest.raises(ValueError, match=match):
            method(_frame_of(new))


def test_what_a_fitted_detector_refuses():
    with pytest.raises(NotFittedError):
        AnomalyDetector().predict(X)
    with pytest.raises(ValueError, match="fdr=2 is no false discovery rate"):
        fitted().select(NEW, fdr=2)
    with pytest.raises(ValueError, match="score_by='both' or 'reconstruction'"):
        fitted(score_by="code").explain(NEW)
    with pytest.raises(ValueError, match="6 features"):
        fitted().predict(NEW[:, :5])


@pytest.mark.slow
@pytest.mark.filterwarnings(  # some checks set no seed, and fit noise
    "ignore::skae.CollapsedCodeWarning", "ignore::skae.FitWarning"
)
@pytest.mark.parametrize(
    "detector",
    [AnomalyDetector(), AnomalyDetector(PCA(1), calibration_fraction=None)],
)
def test_check_estimator_passes(detector, monkeypatch):
    make = detector_module._default_estimator

    def make_for_few_epochs(n_features):
        return make(n_features).set_params(denoisingautoencoder__max_epochs=5)

    monkeypatch.setattr(detector_module, "_default_estimator", make_for_few_epochs)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SkipTestWarning)  # nothing is left out
        check_estimator(detector)


@pytest.mark.filterwarnings(
    "ignore::skae.CollapsedCodeWarning",
    "ignore::skae.FitWarning",
    "ignore:X does not have valid feature names:UserWarning",
    "ignore:X has feature names:UserWarning",
)
@pytest.mark.parametrize(
    "check",
    [
        "check_dataframe_column_names_consistency",
        "check_inplace_ensure_writeable",
        "check_param_validation",
    ],
)
def test_checks_of_scikit_learn_itself_pass(check):
    getattr(estimator_checks, check)("AnomalyDetector", AnomalyDetector(PCA(1)))


@every_score
def test_an_estimator_that_is_frozen_is_not_fitted_again(score_by):
    pca = PCA(3).fit(X)
    detector = AnomalyDetector(
        FrozenEstimator(pca), score_by=score_by, random_state=0
    ).fit(X[:100])
    assert_array_equal(detector.estimator_.transform(NEW), pca.transform(NEW))
