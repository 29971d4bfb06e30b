"""onnxruntime computes what a detector computes."""

import io

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from skae import (
    AnomalyDetector,
    AutoencoderTransformer,
    ConvAutoencoder,
    DenoisingAutoencoder,
    VariationalAutoencoder,
)

pytest.importorskip("onnx", reason="needs skae[onnx]")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs skae[onnx]")
pytest.importorskip("onnxscript", reason="needs skae[onnx]")

SCORES = ["both", "reconstruction", "code"]
every_score = pytest.mark.parametrize("score_by", SCORES)

TUMOURS, IS_BENIGN = load_breast_cancer(return_X_y=True)
TRAIN = TUMOURS[IS_BENIGN == 1][:200]
NEW = TUMOURS[~np.isin(TUMOURS[:, 0], TRAIN[:, 0])].astype(np.float32)
IMAGES = (load_digits().images / 16).astype(np.float32)


def session_of(detector):
    file = io.BytesIO()
    detector.to_onnx(file)
    return onnxruntime.InferenceSession(file.getvalue())


def run(detector, X, session=None):
    """Return the three outputs by name."""
    session = session_of(detector) if session is None else session
    names = [output.name for output in session.get_outputs()]
    rows = X.reshape(len(X), -1).astype(np.float32)
    return dict(zip(names, session.run(None, {"X": rows}), strict=True))


def assert_same(detector, X, rtol=1e-4, session=None):
    """Compare all outputs; ranks may differ where two scores are nearly equal."""
    found = run(detector, X, session)
    expected, p = detector.score_samples(X), detector.p_values(X)
    atol = rtol if detector.score_by == "both" else 0
    assert_allclose(found["score"], expected, rtol=rtol, atol=atol)
    apart = np.abs(expected[:, np.newaxis] - detector.calibration_scores_).min(axis=1)
    is_clear = apart > 2 * (rtol * np.abs(expected) + atol)
    assert is_clear.mean() > 0.5
    assert_allclose(found["p_value"][is_clear], p[is_clear], rtol=1e-6)
    assert_array_equal(found["label"][is_clear], detector.predict(X)[is_clear])
    assert (np.abs(found["p_value"] - p) <= 2 / len(detector.calibration_scores_)).all()
    assert found["label"].dtype == np.int64
    assert len(set(found["label"])) == 2
    return found


@every_score
def test_default_gives_the_same_scores_on_breast_cancer(score_by):
    detector = AnomalyDetector(score_by=score_by, random_state=0).fit(TRAIN)
    assert_same(detector, NEW)


@every_score
def test_images_give_the_same_scores(score_by):
    estimator = ConvAutoencoder(4, max_epochs=2)
    detector = AnomalyDetector(estimator, score_by=score_by, random_state=0)
    new = np.concatenate([IMAGES[200:300], IMAGES[200:300, ::-1]])
    assert_same(detector.fit(IMAGES[:200]), new)


ESTIMATORS = {
    "no scaler": AutoencoderTransformer(4, max_epochs=2),
    "float64": make_pipeline(
        StandardScaler(), AutoencoderTransformer(4, max_epochs=2, dtype="float64")
    ),
    "variational": make_pipeline(
        StandardScaler(), VariationalAutoencoder(4, max_epochs=2)
    ),
    "mean alone": make_pipeline(StandardScaler(with_std=False), PCA(4)),
    "deviation alone": make_pipeline(StandardScaler(with_mean=False), PCA(4)),
    "minimum and maximum": make_pipeline(
        MinMaxScaler(feature_range=(-1, 2)), DenoisingAutoencoder(4, max_epochs=2)
    ),
    "clipped": make_pipeline(MinMaxScaler(clip=True), PCA(4)),
    "quantiles": make_pipeline(RobustScaler(), PCA(4, whiten=True)),
    "quantiles, spread alone": make_pipeline(
        RobustScaler(with_centering=False), PCA(4)
    ),
    "nested": make_pipeline(MaxAbsScaler(), make_pipeline("passthrough", PCA(4))),
    "searched": GridSearchCV(
        make_pipeline(StandardScaler(), AutoencoderTransformer(max_epochs=2)),
        {"autoencodertransformer__n_components": [3, 4]},
        cv=2,
    ),
    "PCA": PCA(4),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:R² is:skae.FitWarning")  # without a scaler
@pytest.mark.parametrize("name", ESTIMATORS)
def test_scalers_and_estimators_give_the_same_scores(name):
    detector = AnomalyDetector(ESTIMATORS[name], random_state=0).fit(TRAIN)
    assert_same(detector, NEW, rtol=1e-3)


@every_score
def test_gaps_give_the_same_scores(score_by):
    rng = np.random.default_rng(0)
    # The system that fills gaps is solved step by step: few columns make a small file.
    train, whole = TRAIN[:, :8], NEW[:, :8]
    gaps = np.where(rng.random(train.shape) < 0.1, np.nan, train)
    ae = DenoisingAutoencoder(4, missing="mask", max_epochs=2)
    detector = AnomalyDetector(
        make_pipeline(StandardScaler(), ae), score_by=score_by, random_state=0
    ).fit(gaps)
    new = np.where(rng.random(whole.shape) < 0.1, np.nan, whole).astype(np.float32)
    session = session_of(detector)
    assert_same(detector, new, rtol=1e-3, session=session)
    assert_same(detector, whole, rtol=1e-3, session=session)


def test_a_row_of_gaps_has_the_score_of_no_error():
    X = TRAIN[:, :6].copy()
    X[::5, 2] = np.nan
    ae = AutoencoderTransformer(2, missing="mask", max_epochs=2)
    detector = AnomalyDetector(ae, random_state=0).fit(X)
    row = np.full((1, 6), np.nan)  # nothing to reconstruct: the logarithm of 0
    expected = detector.score_samples(row)
    assert np.isfinite(expected).all()
    assert_allclose(run(detector, row)["score"], expected, rtol=1e-5)


@pytest.fixture(scope="module")
def of_pca():
    """A detector that takes no gaps, and a session of its file."""
    detector = AnomalyDetector(PCA(4), false_positive_rate=0.1, random_state=0)
    return detector.fit(TRAIN), session_of(detector)


def test_a_gap_that_is_not_taken_gives_no_score(of_pca):
    rows = NEW[:2].copy()
    rows[1, 3] = np.nan
    found = run(of_pca[0], rows, of_pca[1])
    assert_array_equal(np.isnan(found["score"]), [False, True])
    assert found["label"][1] == -1


@every_score
def test_tied_rows_are_tied(score_by):
    # Few distinct rows: most have neighbours at distance 0, and equal scores.
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 3, size=(300, 4)).astype(np.float32)
    detector = AnomalyDetector(
        AutoencoderTransformer(2, max_epochs=3), score_by=score_by, random_state=0
    ).fit(rows)
    strange = np.concatenate([rows, rows + 3])
    found = run(detector, strange)
    assert_allclose(found["score"], detector.score_samples(strange), rtol=1e-4)
    assert_allclose(found["p_value"], detector.p_values(strange), rtol=1e-6)
    assert_array_equal(found["label"], detector.predict(strange))


def test_codes_far_from_zero_have_exact_distances():
    # Codes are those of X, near (1000, 1000, 1000), where products of codes cancel.
    rng = np.random.default_rng(0)
    rows = (1000 + rng.normal(size=(200, 3))).astype(np.float32)
    same = StandardScaler(with_mean=False, with_std=False)
    detector = AnomalyDetector(same, score_by="code", random_state=0).fit(rows)
    assert_same(detector, np.concatenate([rows[:50] + 0.5, rows[:50] + 3]))


def test_number_of_rows_is_free_and_label_agrees_with_p(of_pca):
    _, session = of_pca
    all_scores, all_p, all_labels = session.run(None, {"X": NEW})
    for n_rows in (1, 7):
        scores, p, labels = session.run(None, {"X": NEW[:n_rows]})
        assert_allclose(scores, all_scores[:n_rows], rtol=1e-5)
        assert_array_equal(p, all_p[:n_rows])
        assert_array_equal(labels, all_labels[:n_rows])
    assert_array_equal(all_labels == -1, all_p <= np.float32(0.1))
    facts = session.get_modelmeta().custom_metadata_map
    assert facts["estimator"] == "AnomalyDetector"
    assert float(facts["false_positive_rate"]) == 0.1


def test_a_file_is_written_whole(tmp_path):
    detector = AnomalyDetector(PCA(4), random_state=0).fit(TRAIN)
    detector.to_onnx(tmp_path / "detector.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["detector.onnx"]
    with pytest.raises(FileNotFoundError, match="missing"):
        detector.to_onnx(tmp_path / "missing" / "detector.onnx")


class Halved(TransformerMixin, BaseEstimator):
    """A transformer of the user."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X / 2

    def inverse_transform(self, X):
        return X * 2


class ScalerOfMine(StandardScaler):
    """It may do anything."""


@pytest.mark.parametrize("step", [Halved(), ScalerOfMine()])
def test_other_steps_are_refused(step):
    detector = AnomalyDetector(make_pipeline(step, PCA(4)), random_state=0).fit(TRAIN)
    message = f"a step {type(step).__name__}, which to_onnx cannot translate.*skops"
    with pytest.raises(TypeError, match=message):
        detector.to_onnx(io.BytesIO())


def test_an_unfitted_detector_is_refused():
    with pytest.raises(NotFittedError):
        AnomalyDetector().to_onnx(io.BytesIO())
