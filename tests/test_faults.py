"""Errors of X name the column, the rows, an example and the way out."""

import datetime
import decimal
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from conftest import ESTIMATORS
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skae import AutoencoderTransformer, ConvAutoencoder, VariationalAutoencoder
from skae._data.faults import find_fault

FRAME = pd.DataFrame(
    np.random.RandomState(0).uniform(size=(12, 3)), columns=["a", "b", "c"]
)
QUICK = {"max_epochs": 1, "random_state": 0}


def with_column(values):
    return FRAME.assign(odd=values)


def with_gaps(value, rows, column):
    X = FRAME.copy()
    X.loc[rows, column] = value
    return X


def table(values, kind):
    array = np.empty((len(values), 2), dtype=kind)
    array[:, 0], array[:, 1] = values, values
    return array


DAYS = pd.date_range("2024-01-01", periods=12)
HOURS = pd.to_timedelta(range(12), unit="h")
REFUSED = {
    "NaN": (with_gaps(np.nan, [7, 9], "c"), r"NaN: column 'c' \(2 of 12 .* row 7\)"),
    "None": (with_column([None, 1.0] * 6), "NaN: column 'odd' .6 of 12 .*Imputer"),
    "pd.NA": (with_column(pd.array([1, pd.NA] * 6, "Int64")), "NaN: .*'odd'.* row 1"),
    "infinity": (with_gaps(-np.inf, 4, "b"), "infinity: column 'b' .1 of 12 .* row 4"),
    "text": (with_column("x"), "text: column 'odd', such as 'x' .12 .*TableEncoder"),
    "some text": (with_column([1.0, "x"] * 6), "text: .*'odd', such as 'x' .6 .*row 1"),
    "category": (with_column(pd.Categorical(["u", "v"] * 6)), "text: .*'odd'.*'u'"),
    "string": (with_column(pd.Series(["u"] * 12, dtype="string")), "text: .*'odd'"),
    "dates": (with_column(DAYS), "dates: .*'odd', such as 2024-01-01.*weekday"),
    "zone": (with_column(DAYS.tz_localize("UTC")), "dates: .*'odd', such as 2024"),
    "period": (with_column(DAYS.to_period()), "dates: .*'odd'"),
    "date": (with_column([datetime.date(2024, 1, 1)] * 12), "dates: .* 2024-01-01"),
    "durations": (with_column(HOURS), r"durations: .*'odd'.*total_seconds\(\)"),
    "objects": (with_column([{}] * 12), r"objects that are no numbers: .*\{\}"),
    "lists": (with_column([[1]] * 12), r"objects that are no numbers: .*\[1\]"),
    "array of dates": (table(DAYS, "M8[D]"), "dates: column 0, .*; also 1. Convert"),
    "array of durations": (table(HOURS, "m8[s]"), "durations: column 0"),
    "array of text": (table(["u"] * 12, "U1"), "text: column 0, such as 'u'"),
    "list with text": ([[1, "u"]] * 5, "text: column 1, such as 'u' .5 of 5 rows"),
    "rows of two lengths": ([[1, 2], [1]], r"2 different shapes.*\(2,\).*\(1,\). Pad"),
    "sparse": (sp.csr_array(FRAME * np.nan), "NaN: 36 entries .*row 0 and column 0"),
    "sparse columns": (
        FRAME.astype(pd.SparseDtype(float)),
        r"fill value than 0.*sparse.to_dense\(\)",
    ),
    "masked": (np.ma.masked_less(FRAME, 0.5), "masked array with .* masked entries"),
    "structured": (FRAME.to_records(index=False), "structured_to_unstructured"),
    "too large": (with_gaps(1e300, 2, "b"), "'b' holds 1e.300 in row 2.*StandardScal"),
    "tensor": (
        torch.tensor([[0.0, np.nan]] * 3),
        "NaN: column 1 .3 of 3 rows, the first is row 0",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_data_that_is_refused_names_column_rows_and_way_out(name):
    X, message = REFUSED[name]
    with pytest.raises((TypeError, ValueError), match=message):
        AutoencoderTransformer(2, **QUICK).fit(X)


def test_several_columns_are_named_and_counted():
    X = pd.DataFrame(np.full((5, 9), np.nan), columns=list("abcdefghi"))
    X.loc[0] = 0.0
    X.loc[1, "a"] = 0.0
    with pytest.raises(
        ValueError, match=r"'b' .4 of 5.*; also 'a', 'c', 'd' and 5 more columns"
    ):
        AutoencoderTransformer(2, **QUICK).fit(X)


@pytest.mark.parametrize(
    "values",
    [
        ["3"] * 12,
        [decimal.Decimal(1)] * 12,
        pd.Categorical([1, 2] * 6),
        [True, False] * 6,
        pd.array([1, 2] * 6, "Int64"),
    ],
    ids=["text of digits", "decimals", "categories of numbers", "bool", "Int64"],
)
def test_columns_of_numbers_are_accepted(values):
    assert find_fault(with_column(values)) is None
    AutoencoderTransformer(2, **QUICK).fit(with_column(values))


@pytest.mark.parametrize(
    "method",
    [
        *("fit", "partial_fit", "transform", "score", "score_samples"),
        *("reconstruct", "sensitivity"),
    ],
)
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_every_method_names_the_column(cls, method):
    ae = cls(2, **QUICK)
    if cls is ConvAutoencoder:
        ae.set_params(image_shape=(1, 3), layout="signal")
    ae.fit(FRAME)
    with pytest.raises(ValueError, match=r"NaN: column 'b' .1 of 12 rows, .* row 3"):
        getattr(ae, method)(with_gaps(np.nan, 3, "b"))


def test_codes_and_blends_name_the_column():
    ae = AutoencoderTransformer(2, **QUICK).fit(FRAME)
    with pytest.raises(ValueError, match=r"infinity: column 1 .1 of 1 rows"):
        ae.inverse_transform([[1.0, np.inf]])
    with pytest.raises(ValueError, match=r"NaN: column 'c' .1 of 12"):
        ae.blend(FRAME, with_gaps(np.nan, 3, "c"))


@pytest.mark.parametrize("kind", [float, object])
def test_images_name_the_samples(kind):
    X = np.zeros((6, 4, 4), dtype=kind)
    X[2, 1, 3] = X[5, 0, 0] = np.nan
    message = r"NaN in 2 of 6 samples .2 entries, the first is X\[2, 1, 3\].*leave out"
    with pytest.raises(ValueError, match=message):
        ConvAutoencoder(2, **QUICK).fit(X)


def test_signals_of_different_lengths():
    X = [np.zeros((3, 50)), np.zeros((3, 60)), np.zeros((3, 50))]
    with pytest.raises(ValueError, match=r"X\[0\] has .*50.*X\[1\] has .*60.*Pad"):
        ConvAutoencoder(2, layout="signal", **QUICK).fit(X)


def test_polars():
    pl = pytest.importorskip("polars")
    day = datetime.date(2024, 1, 1)
    for column, message in {
        "date": ([day] * 6, "dates: column 'odd'"),
        "text": (["u"] * 6, "text: column 'odd', such as 'u'"),
        "null": ([None, 1.0] * 3, "NaN: column 'odd' .3 of 6 rows"),
    }.values():
        X = pl.DataFrame({"a": [1.0, 2.0] * 3, "odd": column})
        with pytest.raises((TypeError, ValueError), match=message):
            AutoencoderTransformer(1, **QUICK).fit(X)


def test_an_unmasked_array_is_accepted():
    X = np.ma.array(FRAME.to_numpy())
    AutoencoderTransformer(2, **QUICK).fit(X)


# Ranges of losses ---------------------------------------------------------------------


def test_rounding_at_the_ends_of_a_range_is_no_reason_to_refuse():
    X = MinMaxScaler().fit_transform(load_breast_cancer().data)
    assert X.max() > 1
    ae = AutoencoderTransformer(2, loss="binary_cross_entropy", **QUICK)
    same = ae.fit_transform(X.clip(0, 1))
    assert_array_equal(ae.fit_transform(X), same)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(cross_val_score(make_pipeline(MinMaxScaler(), ae), X)).all()
    poisson = AutoencoderTransformer(2, loss="poisson", **QUICK).fit(X - 1e-9)
    assert np.isfinite(poisson.score_samples(X - 1e-9)).all()


@pytest.mark.parametrize("beyond", [-0.5, 1.5])
def test_held_out_values_beyond_the_range_are_scored_at_its_end(beyond):
    X = FRAME.to_numpy()
    vae = VariationalAutoencoder(1, loss="binary_cross_entropy", **QUICK).fit(X)
    T = X.copy()
    T[2, 1] = beyond
    with pytest.warns(
        UserWarning, match="1 of 12 rows .* MinMaxScaler.clip=True."
    ) as w:
        found = vae.score_samples(T)
    assert len(w) == 1
    with pytest.warns(UserWarning, match="0 to 1: X runs from"):
        vae.log_likelihood(T, 2, random_state=0)
    assert np.isfinite(vae.score(T))
    at_the_end = vae.score_samples(T[:2])
    assert_allclose(found[:2], at_the_end)
    assert np.isfinite(found).all()


def test_values_beyond_the_range_cannot_be_trained_on():
    ae = AutoencoderTransformer(2, loss="binary_cross_entropy", **QUICK)
    with pytest.raises(ValueError, match=r"runs from .* to 1.00001. .*clip=True"):
        ae.fit(with_gaps(1.00001, 0, "a"))
