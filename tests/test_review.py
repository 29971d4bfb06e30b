"""What a fit warns of, by FitWarning, and that it is silent where all is well."""

import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import ESTIMATORS
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
from skae import (
    AutoencoderTransformer,
    ConvAutoencoder,
    DenoisingAutoencoder,
    Dense,
    FitWarning,
    SparseAutoencoder,
    VariationalAutoencoder,
)

# Short training from random weights: better than the mean, worse than PCA.
RANDOM = AutoencoderTransformer(
    2,
    encoder=Dense((8,), init="random"),
    lr=5e-3,
    max_epochs=10,
    early_stopping=False,
    random_state=0,
)
SHORT = AutoencoderTransformer(3, max_epochs=5, random_state=0)


def table(scales=1.0, n_rows=200, rank=3, noise=0.1):
    """Return ten columns near a subspace, in different units."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n_rows, rank)) @ rng.normal(size=(rank, 10))
    X = X / X.std(axis=0) + noise * rng.normal(size=X.shape)
    return X * scales


def units(column, scale):
    """Return a scale for each of ten columns, one of which has another one."""
    scales = np.ones(10)
    scales[column] = scale
    return scales


def assert_silent(ae, X):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ae.fit(X)


# Below PCA ----------------------------------------------------------------------------


def warned(ae, X, match):
    """Return the message of the one warning that a fit gives."""
    with pytest.warns(FitWarning, match=match) as caught:
        ae.fit(X)
    assert [w.category for w in caught if w.category is FitWarning] == [FitWarning]
    assert caught[0].filename == __file__
    return str(caught[0].message)


def test_less_than_pca_is_warned_of():
    X, ae = table(), clone(RANDOM)
    message = warned(ae, X, "that of PCA with as many components")
    pca = PCA(2).fit(X).explained_variance_ratio_.sum()
    assert f"R² is {ae.score(X):.3f} on training rows" in message
    assert f"components {pca:.3f}. Try more epochs, another lr, or a shipped" in message


def test_few_epochs_and_chunks_show_nothing():
    assert_silent(clone(RANDOM).set_params(max_epochs=9), table())
    ae = clone(RANDOM)
    for _ in range(12):
        ae.partial_fit(table())


@pytest.mark.parametrize(
    ("ae", "remedy"),
    [
        (SparseAutoencoder(4, sparsity=3.0), "weaker penalties, less noise"),
        (DenoisingAutoencoder(3, noise_level=1.5), "weaker penalties, less noise"),
    ],
    ids=["penalty", "noise"],
)
def test_penalties_and_noise_that_cost_much_are_warned_of(ae, remedy):
    ae.set_params(max_epochs=10, early_stopping=False, random_state=0)
    warned(ae, table(), f"Try a larger n_components, {remedy}, or more epochs")


def test_training_that_got_worse_than_its_start_is_warned_of():
    ae = clone(SHORT).set_params(early_stopping=False, max_epochs=10, lr=0.3)
    warned(ae, table(), "Try early_stopping='auto', which keeps the better of both")


def test_other_objectives_than_the_error_are_not_compared():
    for ae in (
        VariationalAutoencoder(2, lr=1e-30, max_epochs=10),
        clone(RANDOM).set_params(
            loss=lambda reconstruction, x: (x - reconstruction).abs()
        ),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", skae.CollapsedCodeWarning)
            warnings.simplefilter("error", FitWarning)
            ae.fit(table())


# Columns ------------------------------------------------------------------------------


def test_a_column_that_holds_nearly_all_variance_is_warned_of():
    X = table(units(4, 200.0), rank=6)
    share = 100 * X[:, 4].var() / X.var(axis=0).sum()
    ae = clone(SHORT).set_params(n_components=2)
    message = warned(ae, X, f"column 4 holds {share:.1f} % of the variance of X")
    assert message.endswith("Scale the columns, for instance with StandardScaler.")
    low = 1 - np.square(X - ae.reconstruct(X)).mean(axis=0) / X.var(axis=0) < 0.5
    assert f"for {low.sum()} of 10 it is below 0.5" in message


def test_a_column_is_named_as_in_a_data_frame():
    X = pd.DataFrame(table(units(4, 200.0)), columns=list("abcdefghij"))
    warned(clone(SHORT), X, "column 'e' holds")


def test_columns_that_are_not_reconstructed_are_warned_of():
    X = table(noise=0.01)
    X[:, [2, 7]] = 0.05 * np.random.RandomState(1).normal(size=(200, 2))
    ae = clone(SHORT)
    message = warned(ae, X, "below 0.5 for 2 of 10 columns, such as column 2: their")
    assert f"R² is {ae.score(X):.3f}" in message


@pytest.mark.parametrize("column", [4, 7])
def test_scaled_and_constant_columns_give_no_warning(column):
    X = table(units(4, 200.0))
    assert_silent(make_pipeline(StandardScaler(), clone(SHORT)), X)
    X = table()
    X[:, column] = 5.0
    assert_silent(clone(SHORT), X)


def test_images_need_no_scaled_columns():
    X = table(units(4, 200.0)).reshape(-1, 2, 5)
    assert_silent(clone(SHORT), X)


# Units --------------------------------------------------------------------------------


def test_channels_in_other_units_are_warned_of_where_they_cost_r2():
    rng = np.random.RandomState(0)
    X = np.cumsum(rng.normal(size=(200, 3, 32)), axis=2)
    X[:, 1] *= 15
    X[:, 2] *= 0.01
    ae = ConvAutoencoder(4, layout="signal", max_epochs=14, random_state=0)
    with pytest.warns(FitWarning, match=r"factor of 1.*PCA.*flat rows") as found:
        ae.fit(X)
    assert len(found) == 1
    flat = X.reshape(200, -1)
    pca = PCA(4).fit(flat).explained_variance_ratio_.sum()
    assert f"is {ae.score(X):.3f} on" in str(found[0].message)
    assert f"{pca:.3f}." in str(found[0].message)
    same = AutoencoderTransformer(4, max_epochs=10, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FitWarning)
        assert same.fit(flat).score(flat) > pca - 1e-3  # the way out
        ae.fit(X / X.std(axis=(0, 2), keepdims=True))


def test_more_units_than_features_are_warned_of():
    ae = clone(SHORT).set_params(n_components=11)
    warned(ae, table(), "n_components=11 for 10 features: a code of 10 holds all of X")
    assert_silent(clone(SHORT).set_params(n_components=10), table())
    # A sparse code may have more.
    assert_silent(SparseAutoencoder(20, max_epochs=2, random_state=0), table())


# All is well --------------------------------------------------------------------------


@pytest.mark.parametrize("Estimator", ESTIMATORS, ids=lambda cls: cls.__name__)
def test_defaults_give_no_warning_on_digits(Estimator, digits):
    X = digits[0][:200].reshape(-1, 8, 8)
    assert_silent(Estimator(8, max_epochs=12, random_state=0), X)


@pytest.mark.parametrize("value", [0.0, 2.5])
def test_constant_rows_give_no_warning(value):
    assert_silent(clone(SHORT).set_params(max_epochs=10), np.full((20, 5), value))


def test_no_finding_changes_a_fit(monkeypatch):
    X = table(units(4, 200.0))
    with pytest.warns(FitWarning):
        found = clone(SHORT).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = clone(SHORT).fit(X)
    assert np.array_equal(found.transform(X), plain.transform(X))
