"""The report on a code, and the warning where the code has collapsed."""

import json
import math
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ESTIMATORS
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import skae
from skae import (
    AutoencoderTransformer,
    CollapsedCodeWarning,
    ContractiveAutoencoder,
    ConvAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae._data.units import converted
from skae._estimators.opening import open_model
from skae._model import collapse as _collapse
from skae._model.model import TrainedModel
from skae.diagnostics import Report, report

# Four columns without correlation, of the deviations 4, 2, 1 and 0.
X = np.array(
    [[4, 2, 1, 0], [-4, -2, 1, 0], [-4, 2, -1, 0], [4, -2, -1, 0]], dtype=np.float32
)
# The third unit is the first again, the fourth is always zero.
READS = [[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
# The weights stay equal, in all epochs.
FROZEN = {"optimizer": "sgd", "lr": 1e-30, "early_stopping": False, "random_state": 0}


def linear(weight, bias=0.0):
    """Return a linear layer of a given weight."""
    layer = nn.Linear(*np.shape(weight)[::-1])
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(np.array(weight)))
        layer.bias.copy_(torch.as_tensor(bias))
    return layer


def known(reads=READS, writes=None, **params):
    """Return an autoencoder of a known linear code: two units for two features."""
    if writes is None:
        writes = np.eye(4, len(reads))
        writes[2:] = 0
    return AutoencoderTransformer(
        len(reads),
        encoder=linear(reads).requires_grad_(False),
        decoder=linear(writes),
        **{**FROZEN, "max_epochs": 1, **params},
    )


def zero_decoder(n_in, n_out):
    """Return a decoder that gives zeros."""
    return linear(np.zeros((n_out, n_in)))


# The report ---------------------------------------------------------------------------


def test_a_linear_code_is_described_exactly():
    found = report(known().fit(X), X)
    assert_allclose(found.std, [4, 2, 4, 0], rtol=1e-6)
    assert_array_equal(found.active, [True, True, True, False])
    assert (found.n_active, found.n_dead) == (3, 1)
    assert_array_equal(found.zeros, [0, 0, 0, 1])
    assert found.kl is None
    # Units one and three are one direction of the variance 16 + 16.
    assert_allclose(found.spectrum, [32, 4, 0, 0], atol=1e-5)
    p, q = 32 / 36, 4 / 36
    entropy = -(p * math.log(p) + q * math.log(q))
    assert found.effective_rank == pytest.approx(math.exp(entropy), rel=1e-6)
    # The third column, of the variance 1 out of 16 + 4 + 1, is lost.
    assert found.r2 == pytest.approx(20 / 21, rel=1e-6)
    assert found.pca_r2 == pytest.approx(1, abs=1e-6)
    # The weights are the Jacobian.
    assert found.sensitivity == pytest.approx(math.sqrt(3), rel=1e-6)


def test_a_unit_is_active_from_a_hundredth_of_the_largest_deviation():
    reads = np.diag([1, 0.0202, 0.0396, 0])  # deviations of 4, 0.0404 and 0.0396
    found = report(known(reads).fit(X), X)
    assert_array_equal(found.active, [True, True, False, False])


def test_divergences_and_active_units_of_a_posterior():
    # Means of the variances 16 * 0.3**2, 4 * 0.051**2 and 4 * 0.049**2; raw
    # log-variances of 0, 0 and 2, which are bounded by 10 tanh(raw / 10).
    means = [[0.3, 0, 0, 0], [0, 0.051, 0, 0], [0, 0.049, 0, 0]]
    vae = VariationalAutoencoder(
        3,
        encoder=linear(means + 3 * [4 * [0]], [0, 0, 0, 0, 0, 2]).requires_grad_(False),
        decoder=zero_decoder,
        max_epochs=1,
        **FROZEN,
    )
    found = report(vae.fit(X), X)
    squares = np.array([16 * 0.3**2, 4 * 0.051**2, 4 * 0.049**2])
    log_var = 10 * math.tanh(0.2)
    kl = 0.5 * squares + [0, 0, 0.5 * (math.exp(log_var) - log_var - 1)]
    assert_allclose(found.kl, kl, rtol=1e-5)
    assert_allclose(found.std, np.sqrt(squares), rtol=1e-5)
    assert_array_equal(found.active, [True, True, False])


def test_zeros_are_counted_for_each_unit():
    ae = known(code_activation="relu").fit(X)
    assert_array_equal(report(ae, X).zeros, [0.5, 0.5, 0.5, 1])


def test_r2_of_pca_is_the_explained_variance(digits):
    X_train, X_test, *_ = digits
    ae = AutoencoderTransformer(8, max_epochs=1, random_state=0).fit(X_train)
    pca = PCA(8).fit(X_train)
    expected = pca.explained_variance_ratio_.sum()
    found = report(ae, X_train, n_sensitivity_samples=1)
    assert found.pca_r2 == pytest.approx(expected, abs=1e-5)
    assert found.pca_fitted_on == "X"
    found = report(ae, X_test, X_train=X_train, n_sensitivity_samples=1)
    missed = X_test - pca.inverse_transform(pca.transform(X_test))
    expected = 1 - (missed**2).sum() / ((X_test - X_train.mean(axis=0)) ** 2).sum()
    assert found.pca_r2 == pytest.approx(expected, abs=1e-5)
    assert found.pca_fitted_on == "X_train"


def test_pca_explains_most_of_the_data_that_it_is_fitted_on(digits):
    X_train, X_test, *_ = digits
    ae = AutoencoderTransformer(8, max_epochs=1, random_state=0).fit(X_train)
    on_itself = report(ae, X_test, n_sensitivity_samples=1).pca_r2
    assert on_itself > report(ae, X_test, X_train=X_train).pca_r2


def test_r2_of_pca_does_not_depend_on_an_offset():
    far = X + np.float32(1e5)
    assert report(known().fit(far), far).pca_r2 == pytest.approx(1, abs=1e-6)


def test_r2_is_the_score_and_sensitivity_the_mean(small):
    ae = AutoencoderTransformer(4, max_epochs=2, random_state=0).fit(small)
    found = report(ae, small)
    assert found.r2 == ae.score(small)
    assert found.sensitivity == pytest.approx(ae.sensitivity(small).mean(), rel=1e-6)


@pytest.mark.parametrize("scale", [2.0**-110, 2.0**110])
def test_r2_is_right_at_every_scale_of_x(scale, small):
    ae = AutoencoderTransformer(4, max_epochs=2, random_state=0).fit(small)
    expected = report(ae, small)
    scaled = (small * scale).astype(np.float32)
    ae = clone(ae).fit(scaled)
    model = open_model(ae)
    _, r2 = _collapse._measure(model, np.asarray(converted(scaled, model.units)), None)
    # The code is measured in the coordinates of training.
    assert r2 == pytest.approx(ae.score(scaled), rel=1e-6)
    assert r2 == pytest.approx(expected.r2, abs=1e-4)
    found = report(ae, scaled)
    assert found.pca_r2 == pytest.approx(expected.pca_r2, abs=1e-4)
    assert found.sensitivity == pytest.approx(expected.sensitivity, rel=1e-3)


def test_sensitivity_is_of_some_samples_by_random_state(small):
    ae = AutoencoderTransformer(4, max_epochs=2, random_state=0).fit(small)
    some = partial(report, ae, small, n_sensitivity_samples=3)
    chosen = np.random.RandomState(1).permutation(100)[:3]
    expected = ae.sensitivity(small[chosen]).mean()
    assert some(random_state=1).sensitivity == pytest.approx(expected, rel=1e-6)
    assert some().sensitivity == some(random_state=0).sensitivity


FORMS = {
    "images": lambda rows: rows.reshape(-1, 8, 8),
    "channels_last": lambda rows: rows.reshape(-1, 4, 4, 4)[:, :, :, :2],
    "signal": lambda rows: rows.reshape(-1, 2, 32),
    "frame": lambda rows: pd.DataFrame(rows).rename(columns=str),
    "list": lambda rows: rows.tolist(),
    "uint8": lambda rows: (16 * rows).astype(np.uint8).reshape(-1, 8, 8),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("Estimator", ESTIMATORS, ids=lambda cls: cls.__name__)
def test_every_class_is_reported_on_in_every_layout(Estimator, form, small):
    given = FORMS[form](small[:40])
    layout = {"signal": "signal", "channels_last": "channels_last"}.get(form)
    ae = Estimator(4, layout=layout, max_epochs=1, random_state=0)
    if Estimator is ConvAutoencoder and form in ("frame", "list"):
        ae.set_params(image_shape=(8, 8))
    found = report(ae.fit(given), given)
    numbers = [found.effective_rank, found.r2, found.pca_r2, found.sensitivity]
    assert np.isfinite(numbers).all()
    assert found.std.shape == found.zeros.shape == found.spectrum.shape == (4,)
    assert (found.kl is not None) == (Estimator is VariationalAutoencoder)
    assert_allclose(found.spectrum.sum(), (found.std**2).sum(), rtol=1e-5)


@pytest.mark.parametrize(
    "params",
    [
        {"loss": "binary_cross_entropy"},
        {"loss": "poisson"},
        {"loss": nn.L1Loss(reduction="none")},
        {"dtype": "float64"},
        {"encoder": skae.Dense((8,), tied=True)},
        {"encoder": skae.Dense((8,), batch_norm=True)},
        {"encoder": skae.Conv((4,), image_shape=(8, 8), pooling="max")},
        {"encoder": nn.LazyLinear(4), "decoder": "dense"},
    ],
    ids=str,
)
def test_losses_types_and_networks_are_reported_on(params, small):
    ae = AutoencoderTransformer(4, max_epochs=1, random_state=0, **params)
    found = report(ae.fit(small), small)
    assert np.isfinite([found.r2, found.pca_r2, found.sensitivity]).all()


def test_frames_from_transform_change_nothing(small):
    ae = AutoencoderTransformer(4, max_epochs=1, random_state=0)
    plain = report(ae.fit(small), small)
    assert report(ae.set_output(transform="pandas"), small).to_dict() == plain.to_dict()


@pytest.mark.parametrize("Estimator", ESTIMATORS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize(
    "rows",
    [np.ones((1, 3)), np.full((6, 3), 1.1), np.arange(6.0)[:, np.newaxis]],
    ids=["one row", "constant", "one feature"],
)
@pytest.mark.filterwarnings("ignore::skae.LayoutWarning")
def test_small_and_constant_data_give_finite_figures(Estimator, rows):
    ae = Estimator(5, max_epochs=1, dtype="float64", random_state=0).fit(rows)
    found = report(ae, rows)
    json.dumps(found.to_dict(), allow_nan=False)
    if len(np.unique(rows)) == 1:
        assert (found.n_active, found.effective_rank) == (0, 0)
        assert found.pca_r2 == 1


# Its three forms ----------------------------------------------------------------------

BY_HAND = Report(
    estimator="VariationalAutoencoder",
    n_samples=1000,
    n_features=64,
    n_components=3,
    unit_names=("a", "b", "c"),
    std=np.array([1.0, 0.5, 0.001]),
    active=np.array([True, True, False]),
    zeros=np.array([0.0, 0.25, 1.0]),
    kl=np.array([1.5, 0.25, 0.0]),
    spectrum=np.array([1.0, 0.25, 1e-6]),
    effective_rank=1.649,
    r2=0.7512,
    pca_r2=0.6,
    pca_fitted_on="X_train",
    sensitivity=12.34,
)


def test_a_report_prints_as_an_aligned_text():
    expected = """\
VariationalAutoencoder on X of shape (1000, 64)
  active units                  2
  dead units                    1
  exact zeros               41.7%
  effective rank              1.6
  R²                        0.751
  R² of PCA on X_train      0.600
  mean sensitivity           12.3
  KL, nats                   1.75
  3 units                   least   median     most
  deviation                 0.001      0.5        1
  exact zeros                0.0%    25.0%   100.0%
  KL, nats                      0     0.25      1.5"""
    assert str(BY_HAND) == repr(BY_HAND) == expected


def test_a_text_without_a_posterior_has_no_divergence():
    assert "KL" not in str(report(known().fit(X), X))


def test_a_dict_holds_plain_values():
    found = BY_HAND.to_dict()
    assert json.loads(json.dumps(found)) == found
    assert found["std"] == [1.0, 0.5, 0.001]
    assert found["unit_names"] == ["a", "b", "c"]
    assert (found["n_active"], found["n_dead"]) == (2, 1)
    assert set(found) == {*vars(BY_HAND), "n_active", "n_dead"}


def test_a_report_can_be_written_as_json(small):
    vae = VariationalAutoencoder(4, max_epochs=1, random_state=0).fit(small)
    found = report(vae, small).to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_frame_has_a_row_for_each_unit():
    frame = BY_HAND.to_frame()
    assert list(frame.columns) == ["std", "active", "zeros", "kl"]
    assert list(frame.index) == ["a", "b", "c"]
    assert frame.loc["b"].tolist() == [0.5, True, 0.25, 0.25]
    ae = known().fit(X)
    frame = report(ae, X).to_frame()
    assert list(frame.columns) == ["std", "active", "zeros"]
    assert list(frame.index) == list(ae.get_feature_names_out())


def test_a_report_cannot_be_changed():
    with pytest.raises(AttributeError, match="cannot assign"):
        BY_HAND.r2 = 1.0


# Refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize("other", [PCA(2).fit(X), None, AutoencoderTransformer])
def test_only_autoencoders_of_ours_are_reported_on(other):
    with pytest.raises(TypeError, match=r"with one, but got|is a class, not"):
        report(other, X)


def test_of_a_pipeline_the_last_step_is_reported():
    scaler = StandardScaler()
    ae = known().fit(scaler.fit_transform(X))
    pipe = make_pipeline(scaler, FrozenEstimator(ae)).fit(X)
    whole, last = report(pipe, X, X_train=X), report(ae, pipe[0].transform(X))
    for name, value in last.to_dict().items():
        if name != "pca_fitted_on":
            assert whole.to_dict()[name] == value, name


def test_of_a_detector_its_estimator_is_reported():
    frame = pd.DataFrame(np.tile(X, (8, 1))).add_prefix("x")
    pipe = make_pipeline(StandardScaler(), skae.AutoencoderTransformer(2, max_epochs=1))
    detector = skae.AnomalyDetector(pipe, random_state=0).fit(frame)
    assert report(detector, frame).n_components == 2


def test_what_ends_with_no_autoencoder_is_refused():
    pipe = make_pipeline(known(), StandardScaler()).fit(X)
    with pytest.raises(TypeError, match=r"got StandardScaler.*report\(pipe\[:-1\], X"):
        report(pipe, X)
    assert report(pipe[:-1], X).n_samples == 4


def test_an_unfitted_autoencoder_is_refused():
    with pytest.raises(NotFittedError):
        report(AutoencoderTransformer(), X)


def test_wrong_parameters_are_refused():
    ae = known().fit(X)
    with pytest.raises(ValueError, match="n_sensitivity_samples == 0, must be >= 1"):
        report(ae, X, n_sensitivity_samples=0)
    with pytest.raises(ValueError, match="X has 3 features"):
        report(ae, X[:, :3])
    with pytest.raises(ValueError, match="X has 3 features"):
        report(ae, X, X_train=X[:, :3])


# The warning --------------------------------------------------------------------------


def gives_no_warning(estimator, rows, category=Warning):
    """Return whether a fit gives no warning of a category."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", category)
        estimator.fit(rows)
    return True


def test_a_collapsed_posterior_is_warned_of_where_the_user_called(small):
    vae = VariationalAutoencoder(4, beta=1000, max_epochs=10, random_state=0)
    with pytest.warns(CollapsedCodeWarning) as caught:
        vae.fit(small)
    (warning,) = caught
    assert warning.filename == __file__
    message = str(warning.message)
    assert message.startswith("After 10 epochs R² is ")
    assert "Try: lower beta=1000; let beta rise with kl_warmup; another lr" in message
    assert "skae.diagnostics.report(estimator, X)" in message


def test_a_warning_points_past_a_pipeline(small):
    vae = VariationalAutoencoder(4, beta=1000, max_epochs=10, random_state=0)
    with pytest.warns(CollapsedCodeWarning) as caught:
        make_pipeline(StandardScaler(), vae).fit(small)
    assert caught[0].filename == __file__


def test_dead_units_are_warned_of():
    reads = np.diag([1, 0.0001, 0.0001, 0])
    match = "3 of 4 units do not vary by 1 % of the deviation of the unit that varies"
    with pytest.warns(CollapsedCodeWarning, match=match) as caught:
        known(reads, max_epochs=10).fit(X)
    message = str(caught[0].message)
    assert "R² is 0.762 on training rows" in message  # 16 of 16 + 4 + 1
    assert "a smaller n_components, if that R² is enough" in message


def test_a_constant_code_is_warned_of():
    match = "After 10 epochs 4 of 4 units do not vary at all; R² is 0.000 on training"
    with pytest.warns(CollapsedCodeWarning, match=match) as caught:
        known(np.zeros((4, 4)), max_epochs=10).fit(X)
    assert "n_components" not in str(caught[0].message)


def test_the_warning_for_noise_suggests_a_larger_code():
    rare = np.eye(100)  # of which a PCA explains 1 / 99
    with pytest.warns(CollapsedCodeWarning, match="larger n_components, if a PCA"):
        AutoencoderTransformer(1, max_epochs=20, random_state=0).fit(rare)


def test_half_of_the_units_may_be_inactive():
    half = known(np.diag([1, 1, 0, 0]), max_epochs=10)
    assert gives_no_warning(half, X, CollapsedCodeWarning)


def test_units_beyond_the_number_of_features_may_be_inactive():
    # Two of eight units are half of the four that X could need.
    eight = np.vstack([np.diag([1, 1, 0, 0]), np.zeros((4, 4))])
    assert gives_no_warning(known(eight, max_epochs=10), X, CollapsedCodeWarning)
    with pytest.warns(CollapsedCodeWarning, match="7 of 8 units"):
        known(np.vstack([eight[:1], np.zeros((7, 4))]), max_epochs=10).fit(X)


def test_one_small_unit_is_not_dead():
    assert gives_no_warning(
        known([[1e-6, 0, 0, 0]], [[1e6], [0], [0], [0]], max_epochs=10), X
    )


def test_units_that_are_rarely_active_are_not_dead():
    # Three of four units are active in one of a thousand samples.
    rare = np.eye(4, dtype=np.float32)[[0] * 997 + [1, 2, 3]]
    assert gives_no_warning(known(np.eye(4), np.eye(4), max_epochs=10), rare)


def test_few_epochs_give_no_warning():
    dead = np.diag([1, 0, 0, 0])
    assert gives_no_warning(known(dead, max_epochs=9), X)
    ae = known(dead, max_epochs=5, warm_start=True).fit(X)
    with pytest.warns(CollapsedCodeWarning, match="After 10 epochs"):
        ae.fit(X)


def test_chunks_give_no_warning():
    ae = known(np.diag([1, 0, 0, 0]))
    for _ in range(12):
        ae.partial_fit(X)
    assert ae.n_iter_ == 12


@pytest.mark.parametrize("Estimator", ESTIMATORS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("rows", [np.full((6, 4), 1.1), np.ones((1, 4))])
def test_constant_data_give_no_warning(Estimator, rows):
    ae = Estimator(2, max_epochs=10, random_state=0)
    if Estimator is ConvAutoencoder:
        ae.set_params(image_shape=(2, 2))
    assert gives_no_warning(ae, rows)


def cosine(reconstruction, x):
    return 1 - nn.functional.cosine_similarity(reconstruction, x)


def test_a_custom_loss_need_not_give_small_squares():
    ae = known(np.eye(4), 100 * np.eye(4), max_epochs=10, loss=cosine)
    assert gives_no_warning(ae, X)
    assert ae.score(X) < 0
    with pytest.warns(CollapsedCodeWarning, match="4 of 4 units"):
        known(np.zeros((4, 4)), max_epochs=10, loss=cosine).fit(X)


COLLAPSED = {"decoder": zero_decoder, "encoder": "dense", "max_epochs": 10, **FROZEN}


@pytest.mark.parametrize(
    ("ae", "way"),
    [
        (ContractiveAutoencoder(2, contraction=3), "lower contraction=3"),
        (SparseAutoencoder(2, sparsity=0.5), "lower sparsity=0.5"),
        (AutoencoderTransformer(2, sparsity=0.5), "lower sparsity=0.5"),
        (SparseAutoencoder(2, method="topk"), "raise n_active"),
        (SparseAutoencoder(2, method="lifetime"), "raise target_activation=0.05"),
        (SparseAutoencoder(2, method="kl"), "lower sparsity=0.1; raise target_"),
        (VariationalAutoencoder(2), "lower beta=1; let beta rise with kl_warmup"),
        (DenoisingAutoencoder(2), "weaken the noise"),
        (
            AutoencoderTransformer(2, penalty=[("l1", skae.L1Sparsity())]),
            "lower the weights of penalty",
        ),
        (AutoencoderTransformer(2), "another lr than 1e-30, or more epochs; a scaled"),
        (VariationalAutoencoder(2, beta=0), "another lr than 1e-30"),
    ],
    ids=str,
)
def test_the_warning_suggests_what_helps_the_class(ae, way, small):
    ae = clone(ae).set_params(**COLLAPSED)
    with pytest.warns(CollapsedCodeWarning, match=f"Try: {way}"):
        ae.fit(small)


def test_a_convolution_is_warned_of(small):
    ae = ConvAutoencoder(2, decoder=zero_decoder, max_epochs=10, **FROZEN)
    with pytest.warns(CollapsedCodeWarning, match="R² is -"):
        ae.fit(small.reshape(-1, 8, 8))


def test_many_rows_are_sampled(monkeypatch, small):
    seen = []
    monkeypatch.setattr(_collapse, "_MAX_ROWS", 30)
    monkeypatch.setattr(
        TrainedModel,
        "r2_of_error",
        lambda self, error, rows, weight: seen.append(len(rows)) or 1.0,
    )
    AutoencoderTransformer(2, max_epochs=10, random_state=0).fit(small)
    assert seen == [100, 25]  # R² of the diagram, and the check for a collapse


@pytest.mark.slow
@pytest.mark.parametrize("Estimator", ESTIMATORS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("n_components", [1, 16, 40])
def test_ordinary_use_gives_no_warning(Estimator, n_components, digits):
    ae = Estimator(n_components, max_epochs=15, random_state=0)
    assert gives_no_warning(ae, digits[0][:400].reshape(-1, 8, 8))


def test_the_check_of_the_code_changes_no_number(monkeypatch, small):
    def codes():
        ae = DenoisingAutoencoder(2, max_epochs=10, warm_start=True, random_state=0)
        return ae.fit(small).fit(small).transform(small)

    looked = codes()
    monkeypatch.setattr(_collapse, "_FEWEST_EPOCHS", 100)
    assert_array_equal(codes(), looked)
