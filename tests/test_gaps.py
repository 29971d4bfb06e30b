"""Rows with gaps: what is expected there, and that nothing else changes."""

import io

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from conftest import ESTIMATORS
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
from skae import (
    AutoencoderTransformer,
    ContractiveAutoencoder,
    ConvAutoencoder,
    DenoisingAutoencoder,
    VariationalAutoencoder,
)
from skae._data.gaps import Factors, FilledRows, fit_factors
from skae._data.statistics import compute_statistics, effective_share
from skae._networks.layers import FillGaps

RNG = np.random.default_rng(0)
N_ROWS, N_FEATURES = 120, 8
WHOLE = RNG.standard_normal((N_ROWS, 3)) @ RNG.standard_normal((3, N_FEATURES))
WHOLE += 0.2 * RNG.standard_normal(WHOLE.shape) + 4
GAPS = RNG.random(WHOLE.shape) < 0.25
X = np.where(GAPS, np.nan, WHOLE)
FAST = {"missing": "mask", "max_epochs": 3, "random_state": 0}


def _rmse(filled):
    return np.sqrt(np.mean((filled - WHOLE)[GAPS] ** 2))


# The Gaussian model -------------------------------------------------------------------


def _conditional_mean(factors, row):
    """What a normal distribution expects at gaps: regression on the other columns."""
    covariance = factors.loadings @ factors.loadings.T + np.diag(factors.noise)
    gaps = np.isnan(row)
    filled = row.copy()
    slope = covariance[np.ix_(gaps, ~gaps)] @ np.linalg.inv(
        covariance[np.ix_(~gaps, ~gaps)]
    )
    filled[gaps] = factors.mean[gaps] + slope @ (row - factors.mean)[~gaps]
    return filled


FACTORS = Factors(
    RNG.standard_normal(N_FEATURES),
    RNG.standard_normal((N_FEATURES, 3)),
    RNG.random(N_FEATURES) + 0.1,
    np.full(N_FEATURES, -np.inf),
    np.full(N_FEATURES, np.inf),
)


def test_gaps_take_the_conditional_mean():
    expected = np.array([_conditional_mean(FACTORS, row) for row in X])
    np.testing.assert_allclose(FACTORS.fill(X), expected)
    found = FillGaps(FACTORS)(torch.from_numpy(X))
    np.testing.assert_allclose(found.numpy(), expected)
    with_shape = FillGaps(FACTORS)(torch.from_numpy(X).reshape(-1, 2, 4))
    np.testing.assert_allclose(with_shape.reshape(-1, N_FEATURES).numpy(), expected)


def test_a_row_without_entries_takes_the_mean():
    empty = np.full((2, N_FEATURES), np.nan)
    np.testing.assert_allclose(FACTORS.fill(empty), [FACTORS.mean] * 2)


def test_whole_rows_stay_as_they_are():
    x = torch.from_numpy(WHOLE)
    assert FillGaps(FACTORS)(x) is x
    np.testing.assert_array_equal(FACTORS.fill(WHOLE), WHOLE)


def test_factors_of_many_rows_are_those_they_were_drawn_from():
    rng = np.random.default_rng(1)
    n_rows = 20_000
    rows = rng.standard_normal((n_rows, 3)) @ FACTORS.loadings.T + FACTORS.mean
    rows += rng.standard_normal(rows.shape) * np.sqrt(FACTORS.noise)
    covariance = FACTORS.loadings @ FACTORS.loadings.T + np.diag(FACTORS.noise)
    rows[rng.random(rows.shape) < 0.3] = np.nan
    found = fit_factors(rows, np.arange(n_rows), compute_statistics(rows))
    np.testing.assert_allclose(found.mean, FACTORS.mean, atol=0.05)
    estimate = found.loadings @ found.loadings.T + np.diag(found.noise)
    np.testing.assert_allclose(estimate, covariance, atol=0.05 * covariance.max())


def test_weights_of_factors_are_numbers_of_rows():
    weight = np.random.default_rng(2).integers(0, 3, N_ROWS)
    repeated = X.repeat(weight, axis=0)
    found = fit_factors(X, np.arange(N_ROWS), compute_statistics(X, weight), weight)
    expected = fit_factors(
        repeated, np.arange(len(repeated)), compute_statistics(repeated)
    )
    for name in ("mean", "loadings", "noise"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name))


def test_the_units_of_columns_do_not_matter():
    units = 10.0 ** RNG.integers(-8, 8, N_FEATURES)
    plain = fit_factors(X, np.arange(N_ROWS), compute_statistics(X))
    scaled = fit_factors(X * units, np.arange(N_ROWS), compute_statistics(X * units))
    np.testing.assert_allclose(scaled.fill(X * units) / units, plain.fill(X))


def test_filled_rows_are_filled_as_they_are_taken():
    rows = FilledRows(X, FACTORS)
    whole = FACTORS.fill(X)
    np.testing.assert_allclose(rows[3:9], whole[3:9])
    np.testing.assert_allclose(rows.take(np.array([5, 2])), whole[[5, 2]])
    assert rows.shape == (len(rows), N_FEATURES) == X.shape


# Statistics ---------------------------------------------------------------------------


def test_statistics_are_those_of_observed_entries():
    rows = np.tile(X, (300, 1))  # several chunks
    rows[:500, 2] = np.nan
    found = compute_statistics(rows)
    np.testing.assert_allclose(found.mean, np.nanmean(rows, axis=0))
    np.testing.assert_allclose(found.variance, np.nanvar(rows, axis=0))
    np.testing.assert_allclose(found.counts, (~np.isnan(rows)).sum(axis=0))
    assert (found.low, found.high) == (np.nanmin(rows), np.nanmax(rows))
    parts = compute_statistics(rows[:400]).merge(compute_statistics(rows[400:]))
    np.testing.assert_allclose(parts.mean, found.mean)
    np.testing.assert_allclose(parts.variance, found.variance)
    np.testing.assert_allclose(parts.counts, found.counts)
    assert 0 < effective_share(rows) <= 1


def test_statistics_of_a_single_row_with_a_gap():
    found = compute_statistics(np.array([[1.0, np.nan, 3.0]]))
    np.testing.assert_array_equal(found.mean, [1, 0, 3])
    np.testing.assert_array_equal(found.counts, [1, 0, 1])
    both = found.merge(compute_statistics(np.array([[3.0, 5.0, 3.0]])))
    np.testing.assert_array_equal(both.mean, [2, 5, 3])
    np.testing.assert_array_equal(both.variance, [1, 0, 0])


# Estimators ---------------------------------------------------------------------------


@pytest.mark.parametrize("Estimator", ESTIMATORS)
def test_every_class_fills_gaps_and_leaves_the_rest_to_the_bit(Estimator):
    ae = Estimator(3, **FAST)
    if Estimator is ConvAutoencoder:
        ae.set_params(image_shape=(2, 4))
    ae.fit(X)
    for part in (X, X[:5], X.astype(np.float32), np.asfortranarray(X)):
        filled = ae.impute(part)
        there = ~np.isnan(part)
        np.testing.assert_array_equal(filled[there], part[there])
        assert filled.dtype == part.dtype
        assert np.isfinite(filled).all()
    assert np.isfinite(ae.transform(X)).all()
    assert np.isfinite(ae.reconstruct(X)).all()
    assert np.isfinite(ae.score_samples(X)).all()
    assert ae.score(X) <= 1
    np.testing.assert_allclose(ae.mean_, np.nanmean(X, axis=0))
    limits = np.nanmin(X, axis=0), np.nanmax(X, axis=0)  # no value is beyond them
    expected = np.clip(ae.reconstruct(X), *limits)
    np.testing.assert_allclose(ae.impute(X)[GAPS], expected[GAPS], atol=1e-5)
    assert _rmse(ae.impute(X)) < 0.95 * _rmse(np.broadcast_to(ae.mean_, X.shape))


def test_the_start_expects_what_the_gaussian_model_does():
    ae = AutoencoderTransformer(N_FEATURES, dtype="float64", **FAST | {"max_epochs": 0})
    factors = fit_factors(X, np.arange(N_ROWS), compute_statistics(X))
    np.testing.assert_allclose(ae.fit(X).impute(X), factors.fill(X), atol=1e-6)


def test_breast_cancer_is_filled_better_than_published():
    """MIWAE has .2867 for these gaps, iterative imputation .3334, a forest .3215."""
    data = load_breast_cancer().data
    data = (data - data.mean(axis=0)) / data.std(axis=0)
    gaps = np.zeros(data.size, dtype=bool)
    chosen = np.random.RandomState(1234).choice(
        data.size, data.size // 2, replace=False
    )
    gaps[chosen] = True
    gaps = gaps.reshape(data.shape)
    ae = AutoencoderTransformer(missing="mask", random_state=0)
    filled = ae.fit(np.where(gaps, np.nan, data)).impute(np.where(gaps, np.nan, data))
    assert np.mean((filled - data)[gaps] ** 2) < 0.25


def test_training_improves_on_the_gaussian_model():
    """Columns that are squares of others: linear regression sees nothing."""
    rng = np.random.default_rng(3)
    half = rng.standard_normal((1500, 4))
    whole = np.hstack([half, half**2 - 1, half[:, :2] * half[:, 2:]])
    gaps = rng.random(whole.shape) < 0.15
    rows = np.where(gaps, np.nan, whole)
    settings = {"missing": "mask", "random_state": 0, "hidden_layer_sizes": (128, 64)}
    start = AutoencoderTransformer(8, max_epochs=0, **settings).fit(rows)
    ae = AutoencoderTransformer(8, max_epochs=20, **settings).fit(rows)
    error, before = (np.mean((x.impute(rows) - whole)[gaps] ** 2) for x in (ae, start))
    assert error < 0.9 * before


def test_columns_in_other_units_are_filled_alike():
    data = load_breast_cancer().data
    gaps = np.random.default_rng(0).random(data.shape) < 0.3
    rows = np.where(gaps, np.nan, data)
    for Estimator in (AutoencoderTransformer, DenoisingAutoencoder):
        ae = Estimator(missing="mask", random_state=0).fit(rows)
        error = (ae.impute(rows) - data) / data.std(axis=0)
        assert np.sqrt(np.mean(error[gaps] ** 2)) < 0.5  # 1.02 of the means


def test_gaps_do_not_count_in_the_score():
    ae = AutoencoderTransformer(3, **FAST).fit(X)
    there, errors = ~GAPS, (ae.reconstruct(X) - WHOLE)
    squares = (errors[there] ** 2).sum()
    total = ((WHOLE - ae.mean_)[there] ** 2).sum()
    assert np.isclose(ae.score(X), 1 - squares / total, atol=1e-5)
    losses = 0.5 * np.where(there, errors, 0.0) ** 2
    expected = losses.sum(axis=1) * N_FEATURES / there.sum(axis=1)
    np.testing.assert_allclose(ae.score_samples(X), -expected, rtol=1e-3, atol=1e-4)


def test_the_training_loss_is_that_of_observed_entries():
    """Values under the gaps must not matter, so two fits of the same X are equal."""
    one = AutoencoderTransformer(3, **FAST).fit(X)
    assert np.isfinite(one.history_[-1]["train_loss"])
    assert one.history_[0]["train_loss"] < N_FEATURES


def test_whole_rows_may_be_encoded_after_a_fit_with_gaps():
    ae = AutoencoderTransformer(3, **FAST).fit(X)
    assert ae.score(WHOLE) > ae.score(np.where(GAPS, 0, WHOLE))
    np.testing.assert_array_equal(ae.impute(WHOLE), WHOLE)


def test_gaps_may_come_after_a_fit_without_any():
    ae = AutoencoderTransformer(3, **FAST).fit(WHOLE)
    assert _rmse(ae.impute(X)) < 0.6 * _rmse(np.broadcast_to(ae.mean_, X.shape))


def test_values_far_from_zero_and_columns_in_other_units():
    units = 10.0 ** np.linspace(-2, 2, N_FEATURES)
    for rows in (X + 1e9, X * 1e-25, X * 1e25):
        ae = AutoencoderTransformer(3, **FAST).fit(rows)
        filled = ae.impute(rows)
        assert np.isfinite(filled).all()
        np.testing.assert_array_equal(filled[~GAPS], rows[~GAPS])
        spread = np.nanstd(rows, axis=0)
        error = np.abs(filled - np.nanmean(rows, axis=0)) / spread
        assert error.max() < 10
    start = AutoencoderTransformer(8, dtype="float64", **FAST | {"max_epochs": 0})
    expected = start.fit(X).impute(X)
    found = start.fit(X * units).impute(X * units) / units
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_frames_keep_their_gaps_by_name():
    frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(N_FEATURES)])
    nullable = frame.astype("Float64")
    assert nullable.isna().to_numpy().sum() == GAPS.sum()
    ae = AutoencoderTransformer(3, **FAST).fit(frame)
    expected = AutoencoderTransformer(3, **FAST).fit(X).impute(X)
    np.testing.assert_array_equal(ae.impute(frame), expected)
    np.testing.assert_array_equal(ae.impute(nullable), expected)
    some = frame[10:20]
    pd.testing.assert_frame_equal(
        ae.impute(some), pd.DataFrame(expected, columns=frame.columns)[10:20]
    )
    assert ae.impute(some, n_draws=2).shape == (2, 10, N_FEATURES)
    assert list(ae.feature_names_in_) == list(frame.columns)


def test_images_with_gaps():
    images = load_digits().images[:200] / 16
    gaps = np.random.default_rng(4).random(images.shape) < 0.3
    rows = np.where(gaps, np.nan, images)
    ae = ConvAutoencoder(8, **FAST).fit(rows)
    filled = ae.impute(rows)
    assert filled.shape == images.shape
    mean = np.broadcast_to(np.nanmean(rows, axis=0), images.shape)
    error, expected = (np.mean((x - images)[gaps] ** 2) for x in (filled, mean))
    assert error < 0.6 * expected


def test_cross_entropy_and_poisson_with_gaps():
    share = (X - np.nanmin(X)) / (np.nanmax(X) - np.nanmin(X))
    ae = AutoencoderTransformer(3, loss="binary_cross_entropy", **FAST).fit(share)
    filled = ae.impute(share)
    assert ((filled >= 0) & (filled <= 1)).all()
    counts = np.round(10 * share)
    assert (
        AutoencoderTransformer(3, loss="poisson", **FAST).fit(counts).impute(counts)
        >= 0
    ).all()


def test_noise_comes_before_further_gaps():
    seen = []

    def noise(x, generator):
        seen.append(int(x.isnan().sum()))
        return x

    ae = DenoisingAutoencoder(3, noise=noise, batch_size=N_ROWS, **FAST)
    ae.set_params(early_stopping=False).fit(X)
    assert set(seen) == {int(GAPS.sum())}
    corrupted = ae.net_.corruption(torch.from_numpy(X), torch.Generator())
    assert 0.35 < corrupted.isnan().double().mean() < 0.6


def test_contraction_and_likelihood_with_gaps():
    for jacobian in ("exact", "stochastic"):
        ae = ContractiveAutoencoder(3, jacobian=jacobian, **FAST).fit(X)
        assert np.isfinite(ae.history_[-1]["train_contraction"])
    assert np.isfinite(ae.sensitivity(X)).all()
    vae = VariationalAutoencoder(3, **FAST).fit(X)
    found = vae.log_likelihood(X, n_samples=200, random_state=0)
    whole = vae.log_likelihood(WHOLE, n_samples=200, random_state=0)
    assert np.isfinite(found).all()
    full = ~GAPS.any(axis=1)
    np.testing.assert_allclose(found[full], whole[full], rtol=1e-4)
    assert vae.noise_variance_ > 0


def test_streams_with_gaps():
    ae = AutoencoderTransformer(3, missing="mask", random_state=0)
    for part in np.array_split(X, 6):
        ae.partial_fit(part)
    np.testing.assert_allclose(ae.mean_, np.nanmean(X, axis=0))
    assert np.isfinite(ae.impute(X)).all()
    ae.partial_fit(X[:1])
    assert np.isfinite(ae.impute(X)).all()


def test_files_and_copies_fill_the_same(tmp_path):
    ae = AutoencoderTransformer(3, **FAST).fit(X)
    ae.save(tmp_path / "ae.skae")
    loaded = skae.load(tmp_path / "ae.skae")
    np.testing.assert_array_equal(loaded.impute(X), ae.impute(X))
    for each in (ae, loaded):
        each.partial_fit(X[:40])
    np.testing.assert_array_equal(loaded.impute(X), ae.impute(X))
    np.testing.assert_array_equal(ae.truncate(2).impute(X)[~GAPS], X[~GAPS])


def test_a_pipeline_with_gaps():
    labels = WHOLE[:, 0] > 4
    pipe = make_pipeline(
        StandardScaler(), AutoencoderTransformer(3, **FAST), LogisticRegression()
    ).fit(X, labels)
    assert pipe.score(X, labels) > 0.8


def test_tags_follow_the_parameter():
    for missing, allow in (("error", False), ("mask", True)):
        tags = sklearn.utils.get_tags(AutoencoderTransformer(missing=missing))
        assert tags.input_tags.allow_nan is allow


def test_diagnostics_and_displays_take_gaps(tmp_path):
    pytest.importorskip("matplotlib").use("Agg")
    ae = AutoencoderTransformer(3, **FAST | {"max_epochs": 12}).fit(X)
    report = skae.diagnostics.report(ae, X)
    assert report.r2 == ae.score(X)
    assert 0.5 < report.pca_r2 <= 1
    display = skae.ComponentsDisplay.from_estimator(ae, X)
    assert np.isfinite(display.pca_r2).all()
    skae.LatentDiagnosticsDisplay.from_estimator(ae, X)
    assert ae.blend(X[:2], X[2:4]).shape == (2, N_FEATURES)
    content = ae.blend(X[:2], X[2:4], kind="content")
    np.testing.assert_array_equal(np.isnan(content), GAPS[:2] | GAPS[2:4])


def test_the_explorer_shows_filled_rows(tmp_path):
    pytest.importorskip("onnxscript")
    ae = AutoencoderTransformer(3, **FAST).fit(X)
    skae.explorer.write(ae, X, tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size > 1000


def test_weights_other_than_numbers_of_rows_are_relative():
    weight = np.random.default_rng(7).random(N_ROWS) + 0.5
    settings = FAST | {"max_epochs": 0}
    fits = [
        AutoencoderTransformer(3, **settings).fit(X, sample_weight=factor * weight)
        for factor in (1, 1e-6, 1e6)
    ]
    for fit in fits[1:]:
        np.testing.assert_allclose(fit.impute(X), fits[0].impute(X), atol=1e-4)
        draws = fit.impute(X, n_draws=5, random_state=0)
        expected = fits[0].impute(X, n_draws=5, random_state=0)
        np.testing.assert_allclose(draws, expected, atol=1e-3)


def test_values_may_reach_what_later_chunks_have_shown():
    ae = AutoencoderTransformer(3, missing="mask", random_state=0).partial_fit(0.1 * X)
    for _ in range(20):
        ae.partial_fit(X)
    filled = ae.impute(X)[GAPS]
    assert filled.max() > 2 * np.nanmax(0.1 * X)
    assert filled.max() <= np.nanmax(X) + 1e-5
    warm = AutoencoderTransformer(3, warm_start=True, **FAST).fit(0.1 * X).fit(X)
    assert warm.impute(X)[GAPS].max() > np.nanmax(0.1 * X)


def test_wide_rows_with_gaps_need_no_square_matrix():
    rng = np.random.default_rng(8)
    whole = rng.standard_normal((60, 3)) @ rng.standard_normal((3, 700))
    whole += 0.2 * rng.standard_normal(whole.shape)
    gaps = rng.random(whole.shape) < 0.3
    rows = np.where(gaps, np.nan, whole)
    factors = fit_factors(rows, np.arange(60), compute_statistics(rows))
    error = np.sqrt(np.mean((factors.fill(rows) - whole)[gaps] ** 2))
    assert error < 0.4  # the noise is 0.2, and the deviation of a column 1.7


def test_held_out_rows_without_entries_are_refused():
    ae = AutoencoderTransformer(3, **FAST)
    with pytest.raises(ValueError, match="X_val cannot be used: it holds only NaN"):
        ae.fit(X, X_val=np.full((5, N_FEATURES), np.nan))


def test_sparse_rows_have_no_gaps():
    with pytest.raises(TypeError, match="Sparse data was passed"):
        AutoencoderTransformer(3, **FAST).fit(sparse.csr_array(WHOLE))


# Draws --------------------------------------------------------------------------------


@pytest.mark.parametrize("Estimator", [AutoencoderTransformer, VariationalAutoencoder])
def test_draws_cover_what_was_removed(Estimator):
    rng = np.random.default_rng(5)
    whole = rng.standard_normal((600, 2)) @ rng.standard_normal((2, 6))
    whole += 0.3 * rng.standard_normal(whole.shape)
    gaps = rng.random(whole.shape) < 0.3
    rows = np.where(gaps, np.nan, whole)
    ae = Estimator(2, missing="mask", random_state=0).fit(rows)
    draws = ae.impute(rows, n_draws=40)
    assert draws.shape == (40, *whole.shape)
    assert np.array_equal(draws[:, ~gaps], np.tile(whole[~gaps], (40, 1)))
    low, high = np.quantile(draws, [0.1, 0.9], axis=0)
    covered = ((whole >= low) & (whole <= high))[gaps].mean()
    assert 0.7 < covered < 0.9  # 0.8 is right
    error, once = (
        np.mean((x - whole)[gaps] ** 2) for x in (draws.mean(axis=0), draws[0])
    )
    assert error < 0.75 * once
    np.testing.assert_array_equal(ae.impute(rows, n_draws=40), draws)
    others = ae.impute(rows, n_draws=40, random_state=1)
    assert not np.array_equal(others, draws)


def test_draws_of_a_linear_model_have_its_covariance():
    """Of a row without entries: the covariance of all columns."""
    rng = np.random.default_rng(6)
    whole = rng.standard_normal((4000, 2)) @ rng.standard_normal((2, 5))
    whole += 0.3 * rng.standard_normal(whole.shape)
    ae = AutoencoderTransformer(5, missing="mask", max_epochs=0).fit(whole)
    empty = np.full((1, 5), np.nan)
    draws = ae.impute(empty, n_draws=20_000, random_state=0)[:, 0]
    covariance = np.cov(whole.T)
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.1 * covariance.max())


def test_draws_stay_in_the_domain_and_in_the_units_of_x():
    share = (X - np.nanmin(X)) / (np.nanmax(X) - np.nanmin(X))
    for Estimator in (AutoencoderTransformer, VariationalAutoencoder):
        ae = Estimator(3, loss="binary_cross_entropy", **FAST).fit(share)
        draws = ae.impute(share, n_draws=3)
        assert ((draws >= 0) & (draws <= 1)).all()
        ae = Estimator(3, **FAST).fit(X * 1e20)
        spread = np.std(ae.impute(X * 1e20, n_draws=30), axis=0)[GAPS] / 1e20
        assert 0.05 < np.median(spread) < 3
    images = np.where(GAPS, np.nan, WHOLE).reshape(-1, 2, 4)
    conv = ConvAutoencoder(3, **FAST).fit(images)
    assert conv.impute(images, n_draws=2).shape == (2, N_ROWS, 2, 4)


# Errors -------------------------------------------------------------------------------


def test_gaps_are_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"NaN: column .* Set missing='mask'"):
        AutoencoderTransformer(3).fit(X)
    ae = AutoencoderTransformer(3, max_epochs=1).fit(WHOLE)
    with pytest.raises(ValueError, match="missing='error'"):
        ae.impute(WHOLE)
    with pytest.raises(ValueError, match="n_draws == 0"):
        AutoencoderTransformer(3, **FAST).fit(X).impute(X, n_draws=0)
    with pytest.raises(ValueError, match="NaN"):
        ae.transform(X)


def test_infinity_is_refused_still():
    rows = X.copy()
    rows[7, 2] = np.inf
    with pytest.raises(ValueError, match="infinity: column 2"):
        AutoencoderTransformer(3, **FAST).fit(rows)
    rows[7, 2] = 1e200
    with pytest.raises(ValueError, match="too large for dtype"):
        AutoencoderTransformer(3, **FAST).fit(rows)


def test_a_column_without_a_value_is_named():
    rows = pd.DataFrame(X, columns=list("abcdefgh"))
    rows["c"] = np.nan
    with pytest.raises(ValueError, match="only NaN in column 'c'"):
        AutoencoderTransformer(3, **FAST).fit(rows)
    with pytest.raises(ValueError, match="only NaN in column 0"):
        AutoencoderTransformer(3, **FAST).fit(np.full((20, 3), np.nan))


def test_missing_may_not_change_between_fits():
    ae = AutoencoderTransformer(3, **FAST).fit(X)
    ae.set_params(missing="error")
    with pytest.raises(ValueError, match="missing='error', but the weights"):
        ae.partial_fit(WHOLE)


def test_custom_modules_take_filled_rows():
    seen = []

    class Encoder(torch.nn.Linear):
        def forward(self, x):
            seen.append(bool(x.isnan().any()))
            return super().forward(x)

    ae = AutoencoderTransformer(
        3,
        encoder=Encoder(N_FEATURES, 3),
        decoder=torch.nn.Linear(3, N_FEATURES),
        **FAST,
    ).fit(X)
    assert not any(seen)
    assert np.isfinite(ae.impute(X)).all()


def test_the_network_of_gaps_is_exported(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    ae = AutoencoderTransformer(3, **FAST).fit(X)
    buffer = io.BytesIO()
    ae.to_onnx(buffer, part="reconstruct")
    session = onnxruntime.InferenceSession(buffer.getvalue())
    (found,) = session.run(None, {"X": X.astype(np.float32)})
    np.testing.assert_allclose(found, ae.reconstruct(X), atol=1e-3)
