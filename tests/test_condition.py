"""Variational autoencoders whose networks are given what is known of a sample."""

import pickle
from functools import partial

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.fixes import parse_version
from torch import nn

from skae import (
    AnomalyDetector,
    ColumnScoresDisplay,
    Contraction,
    DeepFeatures,
    LatentDensity,
    ReconstructionDisplay,
    VariationalAutoencoder,
    blend,
    diagnostics,
    explorer,
    interpolate,
    load,
)
from skae._model.latent import PATHS
from skae.tabular import TableEncoder

X, Y = load_digits(return_X_y=True)
X = X / 16
TRAIN, TEST = slice(0, 1200), slice(1200, None)
make = partial(VariationalAutoencoder, 8, max_epochs=40, random_state=0)
quick = partial(VariationalAutoencoder, 4, max_epochs=2, random_state=0)


@pytest.fixture(scope="module")
def digits():
    return make().fit(X[TRAIN], condition=Y[TRAIN])


@pytest.fixture(scope="module")
def judge():
    return LogisticRegression(max_iter=2000).fit(X[TRAIN], Y[TRAIN])


@pytest.fixture(scope="module")
def frame():
    """Digits, darker in one of two batches, as a column tells."""
    batch = np.random.default_rng(0).integers(0, 2, len(X))
    columns = {f"p{i}": x * (1 - 0.5 * batch) for i, x in enumerate(X.T)}
    return pd.DataFrame({**columns, "batch": batch.astype(float)})


@pytest.fixture(scope="module")
def of_columns(frame):
    return make(condition=["batch"]).fit(frame[TRAIN])


# What a condition does ----------------------------------------------------------------


def test_samples_are_of_the_class_that_is_asked_for(digits, judge):
    wanted = np.arange(500) % 10
    found = digits.sample(500, condition=wanted)
    assert (judge.predict(found) == wanted).mean() > 0.9
    sevens = digits.sample(100, condition=7)
    assert (judge.predict(sevens) == 7).mean() > 0.9


def test_the_code_does_not_hold_what_the_decoder_is_given(digits):
    def score(estimator, **given):
        codes = [
            estimator.transform(X[part], **{k: y[part] for k, y in given.items()})
            for part in (TRAIN, TEST)
        ]
        classifier = LogisticRegression(max_iter=2000).fit(codes[0], Y[TRAIN])
        return classifier.score(codes[1], Y[TEST])

    assert score(digits, condition=Y) < 0.4
    assert score(make().fit(X[TRAIN])) > 0.8


def test_a_digit_becomes_another_in_the_same_hand(digits, judge):
    threes = X[TEST][Y[TEST] == 3]
    sevens = digits.reconstruct(threes, condition=3, new_condition=7)
    assert (judge.predict(sevens) == 7).mean() > 0.9
    # Of those who write to the right, both lean to the right.
    slants = _slant(threes), _slant(sevens)
    assert np.corrcoef(*slants)[0, 1] > 0.4


def _slant(rows):
    """Return by how much each digit moves to the side from row to row."""
    images = rows.reshape(-1, 8, 8).clip(0)
    down, across = np.mgrid[:8, :8]
    mass = images.sum((1, 2))

    def mean(values):
        return (images * values).sum((1, 2)) / mass

    covariance = mean(down * across) - mean(down) * mean(across)
    return -covariance / (mean(down**2) - mean(down) ** 2)


def test_a_batch_effect_is_taken_out(of_columns, frame):
    test = frame[TEST]
    is_dark = test["batch"] == 1
    bright = of_columns.reconstruct(test, new_condition=[0.0])[:, :-1]
    before = of_columns.reconstruct(test)[:, :-1]
    ratio = bright[is_dark].mean() / bright[~is_dark].mean()
    assert before[is_dark].mean() / before[~is_dark].mean() < 0.7
    assert 0.9 < ratio < 1.1


# Of columns of X ----------------------------------------------------------------------


def test_columns_that_are_known_come_back_as_they_are(of_columns, frame):
    some = frame[TEST][:20]
    assert_allclose(of_columns.reconstruct(some)[:, -1], some["batch"])
    codes = of_columns.transform(some)
    assert codes.shape == (20, 8)
    assert (of_columns.inverse_transform(codes, condition=1.0)[:, -1] == 1).all()
    assert (of_columns.sample(3, condition=0)[:, -1] == 0).all()
    assert (of_columns.reconstruct(some, new_condition=[0.5])[:, -1] == 0.5).all()


def test_names_and_positions_are_the_same(frame):
    by_name = quick(condition=["batch"]).fit(frame[TRAIN])
    by_position = quick(condition=[-1]).fit(frame[TRAIN].to_numpy())
    assert_array_equal(
        by_position.transform(frame[TEST].to_numpy()), by_name.transform(frame[TEST])
    )


def test_blends_mix_the_condition_or_take_a_new_one(of_columns, frame):
    batch = frame["batch"].to_numpy()
    first, second = np.flatnonzero(batch == 0)[:3], np.flatnonzero(batch == 1)[:3]
    ends = frame.iloc[first], frame.iloc[second]
    assert_allclose(of_columns.blend(*ends, alpha=0.25)[:, -1], 0.25)
    assert_allclose(blend(of_columns, *ends, alpha=0.25), of_columns.blend(*ends, 0.25))
    assert (of_columns.blend(*ends, new_condition=1)[:, -1] == 1).all()
    for path in ("linear", "spherical", "projected", "data"):
        through = {"through": frame[:50]} if path == "data" else {}
        walk = of_columns.interpolate(*ends, 5, path=path, new_condition=0, **through)
        assert (walk[..., -1] == 0).all()
    mixture = of_columns.mix(frame[:3], [0.5, 0.5, 0], new_condition=[1])
    assert mixture[-1] == 1


def test_check_estimator_with_a_condition():
    reason = "its inverse_transform needs the condition"
    check_estimator(
        quick(condition=[0]), expected_failed_checks={"check_array_api_input": reason}
    )


def test_what_takes_x_alone_takes_columns(of_columns, frame):
    report = diagnostics.report(of_columns, frame[TEST])
    assert report.r2 == pytest.approx(of_columns.score(frame[TEST]))
    density = LatentDensity(FrozenEstimator(of_columns), random_state=0)
    drawn = density.fit(frame[TRAIN]).sample(300)
    is_dark = drawn[:, -1] > 0.5  # drawn with the code
    assert 0.3 < is_dark.mean() < 0.7
    assert drawn[is_dark, :-1].mean() < 0.8 * drawn[~is_dark, :-1].mean()
    features = DeepFeatures(FrozenEstimator(of_columns)).fit(frame[TRAIN])
    assert features.transform(frame[:3]).shape[0] == 3


def test_what_decodes_x_again_knows_its_columns(frame):
    pytest.importorskip("matplotlib").use("Agg")
    values = frame.to_numpy()
    pipe = make_pipeline(StandardScaler(), quick(condition=[-1])).fit(values)
    walk = interpolate(pipe, values[0], values[1], 3)
    assert_allclose(walk[[0, 2], -1], values[:2, -1], atol=1e-6)
    drawn = ReconstructionDisplay.from_estimator(pipe, values[:2])
    assert_allclose(drawn.reconstructed[:, -1], values[:2, -1], atol=1e-6)
    r2 = ColumnScoresDisplay.from_estimator(pipe, values).r2
    assert r2[-1] == pytest.approx(1)
    detector = AnomalyDetector(quick(condition=[-1]), random_state=0).fit(values)
    blended, support = blend(detector, values[0], values[1], return_support=True)
    assert blended.shape == (65,)
    assert 0 < support <= 1
    assert (detector.predict(values) == 1).mean() > 0.9


def test_what_has_no_place_for_a_condition_refuses_it(of_columns, frame, tmp_path):
    pytest.importorskip("onnxscript", reason="needs onnxscript")
    with pytest.raises(ValueError, match="Fit without one for the explorer"):
        explorer.write(of_columns, frame, tmp_path / "page.html")
    detector = AnomalyDetector(quick(condition=[0]), random_state=0).fit(X[:100])
    with pytest.raises(TypeError, match="condition in columns of X, which to_onnx"):
        detector.to_onnx(tmp_path / "detector.onnx")


@pytest.mark.parametrize("part", ["encoder", "decoder", "reconstruct"])
def test_files_of_onnx_take_the_encoded_condition(digits, tmp_path, part):
    pytest.importorskip("onnxscript", reason="needs onnxscript")
    runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    digits.to_onnx(tmp_path / "part.onnx", part)
    session = runtime.InferenceSession(tmp_path / "part.onnx")
    condition = np.eye(10)[Y[:5]]
    codes = digits.transform(X[:5], condition=Y[:5])
    given = codes if part == "decoder" else X[:5]
    both = np.hstack([given, condition]).astype(np.float32)
    expected = codes
    if part != "encoder":
        expected = digits.inverse_transform(codes, condition=Y[:5])
    name = session.get_inputs()[0].name
    assert_allclose(session.run(None, {name: both})[0], expected, atol=1e-5)


def test_columns_of_a_table():
    frame = pd.DataFrame(
        {
            "sex": np.repeat(["f", "m"], 100),
            "height": np.r_[np.full(100, 165.0), np.full(100, 179.0)]
            + np.random.default_rng(0).normal(0, 5, 200),
        }
    )
    pipe = make_pipeline(
        TableEncoder(),
        VariationalAutoencoder(1, condition=[0, 1], max_epochs=60, random_state=0),
    ).fit(frame)
    sampled = pipe[-1].sample(200, condition=[0, 1], random_state=0)
    found = pipe[0].inverse_transform(sampled)
    assert (found["sex"] == "m").all()
    assert found["height"].mean() == pytest.approx(179, abs=3)


# Beside X -----------------------------------------------------------------------------


def test_blends_of_samples_with_conditions(digits):
    codes = digits.transform(X[:2], condition=Y[:2])
    expected = digits.inverse_transform(codes.mean(0)[None], condition=5)[0]
    pair = (Y[0], Y[1])
    found = digits.blend(X[0], X[1], condition=pair, new_condition=5)
    assert_allclose(found, expected, atol=1e-6)
    walk = digits.interpolate(X[0], X[1], 3, condition=pair)
    assert_allclose(walk[0], digits.reconstruct(X[:1], condition=Y[0])[0], atol=1e-6)
    assert_allclose(walk[1], digits.blend(X[0], X[1], condition=pair), atol=1e-6)
    assert_allclose(digits.mix(X[:2], [0.5, 0.5], condition=Y[:2]), walk[1], atol=1e-6)
    some = digits.interpolate(
        X[:4], X[9], 4, path="data", through=X[:60], condition=(Y[:4], Y[9], Y[:60])
    )
    assert some.shape == (4, 4, 64)
    overlay = digits.blend(X[0], X[1], kind="content", condition=pair)
    assert_allclose(overlay, (X[0] + X[1]) / 2, atol=1e-6)


@pytest.mark.parametrize(
    "encoder", [None, "conv", lambda n_in, n_out: nn.LazyLinear(n_out)]
)
def test_images_keep_their_shape(encoder):
    images = X.reshape(-1, 8, 8)
    decoder = nn.Linear(4 + 10, 64) if callable(encoder) else None
    if callable(encoder):
        images = images.reshape(-1, 64)
    ae = quick(encoder=encoder, decoder=decoder).fit(images[:100], condition=Y[:100])
    assert ae.sample(2, condition=3).shape == (2, *images.shape[1:])
    assert ae.reconstruct(images[:3], condition=Y[:3]).shape == (3, *images.shape[1:])
    both = ae.blend(images[0], images[1], condition=(Y[0], Y[1]))
    assert both.shape == images.shape[1:]


def test_channels_get_the_condition_in_either_order():
    images = np.random.default_rng(0).random((60, 6, 6, 3)).astype(np.float32)
    kind = np.arange(60) % 3
    last = quick(encoder="conv").fit(images, condition=kind)
    first = quick(encoder="conv").fit(images.transpose(0, 3, 1, 2), condition=kind)
    assert_allclose(
        last.transform(images, condition=kind),
        first.transform(images.transpose(0, 3, 1, 2), condition=kind),
        atol=1e-5,
    )


def test_signals_by_a_recurrent_network():
    signals = np.random.default_rng(0).random((60, 2, 12))
    kind = np.arange(60) % 3
    ae = quick(encoder="recurrent", layout="signal").fit(signals, condition=kind)
    assert ae.sample(2, condition=1).shape == (2, 2, 12)


def test_kinds_of_values():
    labels = np.array(["a", "b", "c"])[Y % 3]
    table = pd.DataFrame({"kind": labels, "age": Y.astype(float)})
    for condition in (labels, pd.Series(labels), list(labels), table, Y > 4):
        ae = quick().fit(X, condition=condition)
        assert ae.transform(X, condition=condition).shape == (len(X), 4)
    several = quick().fit(X, condition=table)
    one = several.sample(4, condition=["b", 3.5], random_state=0)
    each = several.sample(4, condition=[["b", 3.5]] * 4, random_state=0)
    assert_array_equal(one, each)
    both = pd.DataFrame({"a": Y, "b": Y.astype(str)})
    assert (
        quick().fit(X, condition=both).sample(2, condition=[[1, "1"], [2, "2"]]).shape
    )
    as_numbers = quick().fit(X, condition=Y.astype(float))
    assert as_numbers.sample(2, condition=[2.5, 11]).shape == (2, 64)


def test_weights_are_numbers_of_rows_with_a_condition():
    some = np.random.default_rng(0).random((20, 5))
    kind = np.arange(20) % 3
    weight = np.arange(20) % 3  # the rows of one class are left out
    full = partial(VariationalAutoencoder, 2, max_epochs=3, random_state=0)
    weighted = full().fit(some, sample_weight=weight, condition=kind)
    repeated = full().fit(np.repeat(some, weight, 0), condition=np.repeat(kind, weight))
    assert_allclose(
        weighted.transform(some[1:3], condition=kind[1:3]),
        repeated.transform(some[1:3], condition=kind[1:3]),
        atol=1e-6,
    )
    with pytest.raises(ValueError, match="condition 0 was not seen in fit"):
        weighted.transform(some[:1], condition=0)


@pytest.mark.parametrize("in_columns", [False, True])
def test_other_methods_and_files(in_columns, tmp_path):
    given = {} if in_columns else {"condition": Y}
    ae = quick(condition=[0, 5] if in_columns else None, dtype="float64")
    ae.fit(X, **given).partial_fit(X, **given)
    rows = slice(0, 30)
    some = {name: y[rows] for name, y in given.items()}
    reference = ae.transform(X[rows], **some)
    assert_array_equal(ae.posterior(X[rows], **some)[0], reference)
    assert np.isfinite(ae.score(X[rows], **some))
    assert ae.score_samples(X[rows], **some).shape == (30,)
    assert np.isfinite(ae.log_likelihood(X[rows], 5, **some)).all()
    ae.save(tmp_path / "ae.skae")
    for copy in (load(tmp_path / "ae.skae"), pickle.loads(pickle.dumps(ae))):
        assert_array_equal(copy.transform(X[rows], **some), reference)
        copy.partial_fit(X, **given)
    rows_and_condition = ae.encoder_(
        torch.from_numpy(np.hstack([X[rows], _encoded(ae, X[rows], some)]))
    )
    assert_allclose(rows_and_condition.detach().numpy(), reference, atol=1e-12)


def _encoded(ae, rows, given):
    if not given:
        values = rows[:, [0, 5]]
        scale = X[:, [0, 5]].std(0)
        return (values - X[:, [0, 5]].mean(0)) / np.where(scale > 0, scale, 1)
    return np.eye(10)[given["condition"]]


@pytest.mark.parametrize("jacobian", ["exact", "stochastic"])
def test_a_contraction_is_that_of_features(jacobian):
    penalty = Contraction(0.1, jacobian=jacobian)
    ae = quick(penalty=penalty).fit(X[:100], condition=Y[:100])
    assert np.isfinite(ae.score(X[:100], condition=Y[:100]))


def test_sensitivity_is_that_to_x():
    ae = quick(dtype="float64", condition=[3]).fit(X[:100])
    x = torch.from_numpy(X[:2]).requires_grad_()
    condition = torch.tensor(_standardized(X[:100, 3], X[:2, 3]))[:, None]
    codes = ae.encoder_(torch.cat([x, condition], dim=1))
    squares = sum(
        torch.autograd.grad(code.sum(), x, retain_graph=True)[0].square().sum(1)
        for code in codes.T
    )
    assert_allclose(ae.sensitivity(X[:2]), squares.sqrt().numpy(), rtol=1e-8)


def _standardized(known, values):
    return (values - known.mean()) / known.std()


def test_gaps_with_a_condition():
    gappy = X[:300].copy()
    gappy[np.random.default_rng(0).random(gappy.shape) < 0.1] = np.nan
    ae = quick(missing="mask").fit(gappy, condition=Y[:300])
    assert np.isfinite(ae.transform(gappy, condition=Y[:300])).all()
    of_column = quick(missing="mask", condition=[10])
    with pytest.raises(ValueError, match="hold NaN"):
        of_column.fit(gappy)
    gappy[:, 10] = X[:300, 10]
    filled = of_column.fit(gappy).impute(gappy)
    assert np.isfinite(filled).all()
    assert np.isfinite(of_column.impute(gappy, 2)).all()


def test_sparse_rows_and_rows_far_from_zero():
    sparse = quick().fit(csr_array(X), condition=Y)
    dense = quick().fit(X, condition=Y)
    assert_allclose(
        sparse.transform(csr_array(X), condition=Y),
        dense.transform(X, condition=Y),
        atol=1e-4,
    )
    far = quick().fit(X + 1e6, condition=Y)
    assert far.reconstruct(X[:5] + 1e6, condition=Y[:5]).min() > 1e6 - 1


def test_routing_through_pipelines_and_searches():
    with sklearn.config_context(enable_metadata_routing=True):
        ae = (
            quick()
            .set_fit_request(condition=True)
            .set_transform_request(condition=True)
            .set_inverse_transform_request(condition=True)
            .set_score_request(condition=True)
        )
        pipe = make_pipeline(StandardScaler(), ae).fit(X, condition=Y)
        codes = pipe.transform(X, condition=Y)
        assert_array_equal(clone(pipe).fit_transform(X, condition=Y), codes)
        assert pipe.inverse_transform(codes, condition=Y).shape == X.shape
        if parse_version(sklearn.__version__) < parse_version("1.8"):
            return  # an older search may not pass it on to the score
        search = GridSearchCV(pipe, {"variationalautoencoder__beta": [0.5, 1]}, cv=2)
        assert np.isfinite(search.fit(X, condition=Y).best_score_)


def test_labels_are_not_taken_in_silence():
    assert_array_equal(quick().fit(X, Y).transform(X), quick().fit(X).transform(X))


def test_strings_are_not_taken_for_integers():
    many = np.arange(len(X)) % 30
    ae = quick().fit(X, condition=many)
    with pytest.raises(ValueError, match="condition '0' was not seen"):
        ae.transform(X, condition=many.astype(str))


def test_a_constant_number_has_a_scale():
    ae = quick().fit(X, condition=np.full(len(X), 0.1))
    assert np.abs(ae.transform(X[:2], condition=0.2)).max() < 100
    stream = quick().partial_fit(X[:30], condition=np.full(30, 55.1))
    assert np.abs(stream.transform(X[:2], condition=60.0)).max() < 1000


def test_frames_are_taken_by_name():
    frame = pd.DataFrame({"a": Y * 1.0, "b": Y[::-1] * 2.0})
    ae = quick().fit(X, condition=frame)
    assert_array_equal(
        ae.transform(X, condition=frame), ae.transform(X, condition=frame[["b", "a"]])
    )
    with pytest.raises(ValueError, match=r"columns \['a', 'c'\], but fit saw"):
        ae.transform(X, condition=frame.rename(columns={"b": "c"}))


def test_known_columns_have_no_error_and_no_noise(of_columns, frame):
    values = frame[TEST].to_numpy()
    made = of_columns.reconstruct(frame[TEST])
    total = ((values - of_columns.mean_) ** 2).sum()
    expected = 1 - ((values - made) ** 2).sum() / total
    assert of_columns.score(frame[TEST]) == pytest.approx(expected, abs=1e-5)
    losses = 0.5 * ((values - made) ** 2).sum(1)
    assert_allclose(-of_columns.score_samples(frame[TEST]), losses, rtol=1e-4)
    drawn = of_columns.sample(4, condition=1, noise=True)
    assert (drawn[:, -1] == 1).all()
    both = np.hstack([of_columns.transform(frame[:3]), [[1], [0], [1]]])
    rows = of_columns.decoder_(torch.from_numpy(both.astype(np.float32)))
    assert_array_equal(rows.detach().numpy()[:, -1], [1, 0, 1])


def test_paths_move_the_code_and_the_condition_apart(digits):
    pair, through = (Y[0], Y[1]), X[:50]
    codes = digits.transform(X[:2], condition=Y[:2])
    between = _rotated(codes)
    expected = digits.inverse_transform(between, condition=3)
    found = digits.interpolate(
        X[0], X[1], 3, path="spherical", condition=pair, new_condition=3
    )
    assert_allclose(found, expected, atol=1e-5)
    same = digits.interpolate(X[0], X[1], 3, path="spherical", condition=(7, 7))
    kept = digits.interpolate(
        X[0], X[1], 3, path="spherical", condition=(7, 7), new_condition=7
    )
    assert_allclose(same, kept, atol=1e-5)
    assert np.isfinite(
        digits.interpolate(
            X[0], X[1], 3, path="data", through=through, condition=(*pair, Y[:50])
        )
    ).all()


def _rotated(codes):
    return PATHS["spherical"](codes[:1], codes[1:], 3)[0]


@pytest.mark.parametrize(
    "values",
    [
        np.ma.masked_array(Y, mask=Y == 3),
        pd.to_datetime(np.where(Y == 3, None, "2020-01-01")),
        pd.Series(np.where(Y == 3, None, "a")).astype("string"),
    ],
)
def test_missing_values_are_no_category(values):
    with pytest.raises(ValueError, match=r"mask|missing values"):
        quick().fit(X, condition=values)


def test_lists_of_rows_keep_the_type_of_each_variable():
    rows = [["ab"[y % 2], float(y)] for y in Y]
    frame = pd.DataFrame({"kind": [row[0] for row in rows], "y": Y.astype(float)})
    found = quick().fit(X, condition=rows).transform(X, condition=rows)
    assert_array_equal(
        found, quick().fit(X, condition=frame).transform(X, condition=frame)
    )


def test_integers_and_dates_of_any_width():
    large = np.uint64(2**63) + (Y % 3).astype(np.uint64)
    assert quick().fit(X, condition=large).transform(X, condition=large).shape
    dates = pd.Series(pd.Timestamp("2020-01-01") + pd.to_timedelta(Y, unit="D"))
    ae = quick().fit(X, condition=dates)
    assert ae.sample(1, condition=dates[0]).shape == (1, 64)
    days = dates.to_numpy().astype("datetime64[D]")
    assert_array_equal(
        ae.transform(X, condition=days), ae.transform(X, condition=dates)
    )


def test_columns_by_a_mask():
    mask = np.zeros(64, bool)
    mask[[5, 20]] = True
    assert_array_equal(
        quick(condition=mask).fit(X).transform(X),
        quick(condition=[5, 20]).fit(X).transform(X),
    )


def test_a_detector_gives_codes_without_the_condition():
    values = np.column_stack([X, Y % 2])
    detector = AnomalyDetector(quick(condition=[-1]), random_state=0).fit(values)
    codes = detector.transform(values[:5])
    assert_allclose(codes, detector.estimator_.transform(values[:5]), atol=1e-6)
    assert detector.support(codes, space="latent").shape == (5,)
    _, support = interpolate(detector, values[0], values[1], 3, return_support=True)
    assert support.shape == (3,)


def test_gaps_are_filled_with_a_condition_beside_x():
    gappy = X[:200].copy()
    gappy[:, 20] = np.where(np.arange(200) % 2, np.nan, gappy[:, 20])
    ae = quick(missing="mask").fit(gappy, condition=Y[:200])
    filled = ae.impute(pd.DataFrame(gappy), condition=Y[:200])
    assert isinstance(filled, pd.DataFrame)
    assert np.isfinite(ae.impute(gappy, 2, condition=Y[:200])).all()
    assert ae.sensitivity(gappy[:2], condition=Y[:2]).shape == (2,)
    assert ae.hidden_layer(gappy[:2], condition=Y[:2]).shape == (2, 128)


def test_rows_far_from_zero_are_encoded_in_their_precision():
    far = X + 1e6
    ae = quick().fit(far, condition=Y)
    both = torch.from_numpy(np.hstack([far[:4], np.eye(10)[Y[:4]]]))
    found = ae.encoder_(both).detach().numpy()
    assert_allclose(found, ae.transform(far[:4], condition=Y[:4]), atol=1e-5)


# Errors -------------------------------------------------------------------------------


def test_a_condition_cannot_change_between_fits(frame):
    ae = quick(condition=["batch"], warm_start=True).fit(frame)
    with pytest.raises(ValueError, match="trained with condition="):
        ae.set_params(condition=["p1"]).fit(frame)


@pytest.mark.parametrize("condition", [[], [1.7], [0, 0], [None], [[0, 1]]])
def test_what_is_no_list_of_columns(condition):
    with pytest.raises(ValueError, match="condition="):
        quick(condition=condition).fit(X)


def test_numbers_that_are_extremely_far_are_refused():
    with pytest.raises(ValueError, match="extremely far from those of fit"):
        quick().fit(X, condition=Y * 1.0).transform(X[:1], condition=1e60)
    with pytest.raises(ValueError, match="Scale them"):
        quick().fit(X, condition=Y * 1e200)
    with pytest.raises(ValueError, match="takes no new_condition"):
        quick().fit(X, condition=Y).blend(X[0], X[1], kind="content", new_condition=3)
    with pytest.raises(TypeError, match="condition is sparse"):
        quick().fit(X, condition=csr_array(Y[:, None]))


def test_a_condition_is_needed_or_not(digits):
    with pytest.raises(ValueError, match="fitted with a condition"):
        digits.transform(X[:3])
    with pytest.raises(ValueError, match="which the decoder needs"):
        digits.sample(2)
    with pytest.raises(ValueError, match="which the decoder needs"):
        digits.inverse_transform(np.zeros((1, 8)))
    with pytest.raises(ValueError, match="fitted with a condition"):
        blend(digits, X[0], X[1])
    bare = quick().fit(X)
    for call in (
        lambda: bare.transform(X[:3], condition=1),
        lambda: bare.sample(2, condition=1),
        lambda: bare.reconstruct(X[:3], new_condition=1),
        lambda: bare.blend(X[0], X[1], condition=(1, 2)),
        lambda: bare.blend(X[0], X[1], new_condition=1),
    ):
        with pytest.raises(ValueError, match="fitted without a condition"):
            call()


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (Y[:5], "condition has 5 values, but X has 1797 samples"),
        (np.where(Y == 1, np.nan, 1.0), "NaN or infinite"),
        ([None, *Y[1:]], "missing values"),
        (np.zeros((len(X), 2, 2)), r"condition has shape \(1797, 2, 2\)"),
    ],
)
def test_values_that_are_no_condition(condition, message):
    with pytest.raises(ValueError, match=message):
        quick().fit(X, condition=condition)


def test_values_that_do_not_fit(digits, frame):
    with pytest.raises(ValueError, match="condition 11 was not seen in fit, which saw"):
        digits.transform(X[:2], condition=11)
    with pytest.raises(ValueError, match="2 values for 3 sample"):
        digits.transform(X[:3], condition=[1, 2])
    with pytest.raises(ValueError, match=r"has 2 variable\(s\), but fit saw 1"):
        digits.sample(3, condition=np.zeros((3, 2)))
    with pytest.raises(ValueError, match="must hold 2 conditions"):
        digits.blend(X[0], X[1], condition=3)
    with pytest.raises(ValueError, match="X_val has no condition"):
        quick().fit(X, condition=Y, X_val=X)
    with pytest.raises(ValueError, match="'age' is no column of X"):
        quick(condition=["age"]).fit(frame)
    with pytest.raises(ValueError, match=r"begin with it are 'p0', 'p1', .*, \.\.\."):
        quick(condition=["p"]).fit(frame)
    with pytest.raises(TypeError, match="condition is a dict"):
        digits.sample(2, condition={"digit": 2})
    with pytest.raises(ValueError, match="its columns have no names"):
        quick(condition=["batch"]).fit(X)
    with pytest.raises(ValueError, match="condition=64 is no column of X, which has"):
        quick(condition=[64]).fit(X)
    with pytest.raises(ValueError, match="condition is in columns of X"):
        quick(condition=[0]).fit(X, condition=Y)
    with pytest.raises(ValueError, match=r"in the columns \[0\] of X"):
        quick(condition=[0]).fit(X).transform(X, condition=Y)
