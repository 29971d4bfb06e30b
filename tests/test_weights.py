"""Weights of rows: 2 is the row twice, 0 its absence, in all that a fit measures."""

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
from skae import (
    AutoencoderTransformer,
    ContractiveAutoencoder,
    ConvAutoencoder,
    DenoisingAutoencoder,
    KLSparsity,
    RandomFlip,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae._data.statistics import compute_statistics, effective_share
from skae._data.weights import evenly_spaced, variance_over_rows

RNG = np.random.default_rng(0)
N_ROWS, N_FEATURES = 70, 9
X = RNG.standard_normal((N_ROWS, 3)) @ RNG.standard_normal((3, N_FEATURES))
X += 0.3 * RNG.standard_normal(X.shape)
WEIGHT = RNG.integers(0, 4, N_ROWS)
REPEATED = X.repeat(WEIGHT, axis=0)
FULL = {
    "dtype": "float64",
    "batch_size": 1000,
    "early_stopping": False,
    "max_epochs": 9,
    "random_state": 0,
}
KINDS = {
    "plain": AutoencoderTransformer(3),
    "deep": AutoencoderTransformer(3, hidden_layer_sizes=(32, 16)),
    "linear": AutoencoderTransformer(
        3, hidden_layer_sizes=(), whiten=True, optimizer="sgd", lr=1e-3
    ),
    "sparse": SparseAutoencoder(3),
    "contractive": ContractiveAutoencoder(3, jacobian="exact"),
    "contractive, sgd": ContractiveAutoencoder(
        3, jacobian="exact", optimizer="sgd", lr=1e-3
    ),
    "convolutional": ConvAutoencoder(3, image_shape=(3, 3)),
    "kl": AutoencoderTransformer(3, penalty=KLSparsity(), code_activation="sigmoid"),
}


# At the optimum of a linear map the gradient is rounding, which Adam enlarges.
@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_of_2_is_the_row_twice_and_0_its_absence(kind):
    ae = KINDS[kind].set_params(**FULL)
    weighted = sklearn.clone(ae).fit(X, sample_weight=WEIGHT)
    repeated = sklearn.clone(ae).fit(REPEATED)
    size = np.abs(X).max()
    for method in ("transform", "reconstruct"):
        found, expected = (getattr(x, method)(X) for x in (weighted, repeated))
        np.testing.assert_allclose(found, expected, atol=1e-6 * size, rtol=0)
    np.testing.assert_allclose(weighted.mean_, repeated.mean_)
    np.testing.assert_allclose(weighted.scale_, repeated.scale_)
    last, expected = weighted.history_[-1], repeated.history_[-1]
    np.testing.assert_allclose(list(last.values()), list(expected.values()), rtol=1e-6)
    unweighted = sklearn.clone(ae).fit(X)
    assert np.abs(unweighted.reconstruct(X) - found).max() > 1e-3 * size


@pytest.mark.parametrize(
    "ae",
    [
        AutoencoderTransformer(2),
        DenoisingAutoencoder(2),
        VariationalAutoencoder(2),
        SparseAutoencoder(2),
    ],
    ids=lambda ae: type(ae).__name__,
)
def test_in_a_single_batch_it_is_so_to_the_last_bit(ae):
    rows, weight = X[:14], WEIGHT[:14]
    assert weight.sum() <= 32
    ae.set_params(max_epochs=4, random_state=0)
    order = np.random.RandomState(0).permutation(14)
    weighted = sklearn.clone(ae).fit(rows[order], sample_weight=weight[order])
    repeated = sklearn.clone(ae).fit(rows.repeat(weight, axis=0))
    np.testing.assert_array_equal(weighted.transform(X), repeated.transform(X))


def test_distinct_rows_of_a_single_batch_keep_their_order():
    settings = {"max_epochs": 2, "random_state": 0}
    ae = AutoencoderTransformer(2, **settings).fit(X[:20])
    ones = AutoencoderTransformer(2, **settings).fit(X[:20], sample_weight=1.0)
    np.testing.assert_array_equal(ae.transform(X), ones.transform(X))


@pytest.mark.parametrize("width", [N_FEATURES, 150], ids=["covariance", "iteration"])
def test_the_start_is_the_pca_of_repeated_rows(width):
    wide = X @ np.random.default_rng(1).standard_normal((N_FEATURES, width))
    ae = AutoencoderTransformer(3, max_epochs=0, dtype="float64", random_state=0)
    ae.fit(wide, sample_weight=WEIGHT)
    repeated = wide.repeat(WEIGHT, axis=0)
    pca = PCA(3).fit(repeated)
    assert np.isclose(ae.score(wide, sample_weight=WEIGHT), ae.score(repeated))
    expected = pca.explained_variance_ratio_.sum()
    np.testing.assert_allclose(ae.score(repeated), expected, rtol=1e-6)
    codes, scores = ae.transform(wide), pca.transform(wide)
    signs = np.sign((codes * scores).sum(axis=0))
    np.testing.assert_allclose(codes, signs * scores, atol=1e-6 * np.abs(scores).max())


def test_the_start_of_augmented_rows_is_weighted():
    images = load_digits().images[:60] / 16
    weight = np.random.default_rng(2).integers(0, 3, 60)
    settings = {"max_epochs": 0, "dtype": "float64", "augmentation": RandomFlip()}
    weighted = ConvAutoencoder(4, **settings).fit(images, sample_weight=weight)
    repeated = ConvAutoencoder(4, **settings).fit(images.repeat(weight, axis=0))
    np.testing.assert_allclose(
        weighted.reconstruct(images), repeated.reconstruct(images), atol=1e-8
    )


@pytest.mark.parametrize("factor", [0.1, 12.5])
def test_other_weights_are_relative(factor):
    settings = {**FULL, "max_epochs": 6}
    weight = RNG.random(N_ROWS) + 0.1
    one = AutoencoderTransformer(3, **settings).fit(X, sample_weight=weight)
    other = AutoencoderTransformer(3, **settings).fit(X, sample_weight=factor * weight)
    np.testing.assert_allclose(one.transform(X), other.transform(X), atol=1e-6)
    np.testing.assert_allclose(
        one.score(X, sample_weight=weight),
        other.score(X, sample_weight=factor * weight),
    )


def test_chunks_have_weights_of_their_own():
    settings = {**FULL, "max_epochs": 1}
    weighted, repeated = (AutoencoderTransformer(3, **settings) for _ in range(2))
    for part in (slice(0, 40), slice(40, 70)):
        weighted.partial_fit(X[part], sample_weight=WEIGHT[part])
        repeated.partial_fit(X[part].repeat(WEIGHT[part], axis=0))
    np.testing.assert_allclose(weighted.mean_, repeated.mean_)
    np.testing.assert_allclose(weighted.mean_, np.average(X, 0, WEIGHT))
    np.testing.assert_allclose(
        weighted.transform(X), repeated.transform(X), atol=1e-6 * np.abs(X).max()
    )


def test_statistics_of_many_chunks_are_weighted():
    rows = np.random.default_rng(3).standard_normal((5000, 30)) + 5
    weight = np.random.default_rng(4).integers(0, 3, 5000)
    found = compute_statistics(rows, weight)
    expected = compute_statistics(rows.repeat(weight, axis=0))
    np.testing.assert_allclose(found.mean, expected.mean)
    np.testing.assert_allclose(found.variance, expected.variance)
    assert found.n_rows == expected.n_rows == weight.sum()
    rows[0] *= 100
    np.testing.assert_allclose(
        effective_share(rows, weight), effective_share(rows.repeat(weight, axis=0))
    )


@pytest.mark.parametrize("n_chosen", [5, 50, 128, 10_000])
def test_rows_are_chosen_as_if_they_were_repeated(n_chosen):
    values = np.arange(N_ROWS)
    repeated = values.repeat(WEIGHT)
    found = values[evenly_spaced(N_ROWS, WEIGHT, n_chosen)]
    expected = repeated[evenly_spaced(len(repeated), None, n_chosen)]
    np.testing.assert_array_equal(found, expected)
    share = values[evenly_spaced(N_ROWS, RNG.random(N_ROWS), n_chosen)]
    assert 0 < len(share) <= n_chosen


def test_the_variance_of_copies_is_unbiased():
    values, weight = torch.from_numpy(X), torch.from_numpy(WEIGHT)
    found = variance_over_rows(values, weight)
    np.testing.assert_allclose(found, REPEATED.var(axis=0, ddof=1))
    one = torch.ones(N_ROWS) / 3
    np.testing.assert_allclose(variance_over_rows(values, one), X.var(0, ddof=1))


def test_penalties_get_the_weights_of_a_batch():
    seen = []

    def penalty(x, output, module):
        seen.append(output.get("weight"))
        return output["code"].abs().sum(dim=1)

    settings = {"max_epochs": 1, "early_stopping": False, "penalty": penalty}
    AutoencoderTransformer(2, **settings).fit(X)
    assert all(weight is None for weight in seen)
    seen.clear()
    AutoencoderTransformer(2, **settings).fit(X, sample_weight=WEIGHT)
    assert sum(len(weight) for weight in seen) == (WEIGHT > 0).sum()
    assert sum(float(weight.sum()) for weight in seen) == WEIGHT.sum()


def test_rows_that_hardly_count_hardly_change_a_fit():
    weight = np.where(np.arange(400) < 200, 1.0, 1e-6)
    rows = np.random.default_rng(5).standard_normal((400, 6)) * [3, 2, 1, 1, 1, 1]
    rows[200:] += 50
    ae = AutoencoderTransformer(2, random_state=0).fit(rows, sample_weight=weight)
    assert ae.score(rows[:200]) > 0.6
    np.testing.assert_allclose(ae.mean_, rows[:200].mean(axis=0), atol=1e-3)
    assert ae.score(rows, sample_weight=weight) > 0.6


def test_weights_of_a_steep_minority_move_the_fit():
    """Weights work in the default training too, with batches and held-out rows."""
    rng = np.random.default_rng(6)
    many = rng.standard_normal((900, 1)) * np.eye(6)[0]
    few = rng.standard_normal((100, 1)) * np.eye(6)[1]
    rows = np.concatenate([many, few]) + 0.01 * rng.standard_normal((1000, 6))
    weight = np.repeat([1.0, 50.0], [900, 100])
    settings = {"hidden_layer_sizes": (), "random_state": 0}
    plain = AutoencoderTransformer(1, **settings).fit(rows)
    weighted = AutoencoderTransformer(1, **settings).fit(rows, sample_weight=weight)
    assert plain.score(rows[:900]) > 0.9 > 0.2 > plain.score(rows[900:])
    assert weighted.score(rows[900:]) > 0.9 > 0.2 > weighted.score(rows[:900])


# As scikit-learn passes them --------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [list, pd.Series, lambda w: w.astype(np.float32), torch.from_numpy]
)
def test_weights_come_in_many_containers(kind):
    ae = AutoencoderTransformer(2, max_epochs=1, random_state=0)
    expected = ae.fit(X, sample_weight=WEIGHT.astype(float)).transform(X)
    found = ae.fit(X, sample_weight=kind(WEIGHT)).transform(X)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(N_ROWS - 1), r"sample_weight has shape \(69,\), but X has 70 rows"),
        (np.ones((N_ROWS, 1)), "one number for each row"),
        (np.zeros(N_ROWS), "are zero"),
        (np.full(N_ROWS, 1e200), r"sum to 7e\+201.*Divide them by their mean"),
        (np.full(N_ROWS, 1e-200), "sum to 7e-199"),
        (np.arange(N_ROWS) - 3.0, "-3 in row 0"),
        (np.where(np.arange(N_ROWS) == 5, np.nan, 1.0), "sample_weight contains NaN"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "score"])
def test_wrong_weights_name_themselves(method, weight, message):
    ae = AutoencoderTransformer(2, max_epochs=1)
    if method == "score":
        ae.fit(X)
    with pytest.raises(ValueError, match=message):
        getattr(ae, method)(X, sample_weight=weight)


def test_weights_reach_a_step_of_a_pipeline():
    ae = AutoencoderTransformer(2, max_epochs=2, random_state=0)
    scaled = StandardScaler().fit_transform(X)
    expected = sklearn.clone(ae).fit(scaled, sample_weight=WEIGHT).transform(scaled)
    pipe = make_pipeline(StandardScaler(), sklearn.clone(ae))
    pipe.fit(X, autoencodertransformer__sample_weight=WEIGHT)
    np.testing.assert_array_equal(pipe.transform(X), expected)
    codes = sklearn.clone(ae).fit_transform(scaled, sample_weight=WEIGHT)
    np.testing.assert_array_equal(codes, expected)


def test_weights_are_routed():
    with sklearn.config_context(enable_metadata_routing=True):
        ae = AutoencoderTransformer(2, max_epochs=2, random_state=0)
        ae.set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipe = make_pipeline(scaler, ae).fit(X, sample_weight=WEIGHT)
    scaled = StandardScaler().fit_transform(X)
    expected = AutoencoderTransformer(2, max_epochs=2, random_state=0)
    expected = expected.fit(scaled, sample_weight=WEIGHT).transform(scaled)
    np.testing.assert_array_equal(pipe.transform(X), expected)


def test_a_stream_with_weights_goes_on_from_a_file(tmp_path):
    ae = AutoencoderTransformer(2, random_state=0)
    ae.partial_fit(X, sample_weight=WEIGHT + 0.5)
    ae.save(tmp_path / "ae.skae")
    loaded = skae.load(tmp_path / "ae.skae")
    for each in (ae, loaded):
        each.partial_fit(X[:10], sample_weight=2.5)
    np.testing.assert_array_equal(ae.mean_, loaded.mean_)
    np.testing.assert_array_equal(ae.transform(X), loaded.transform(X))
