"""Encoders of tables in files of skops, which ask for trust in their class alone."""

import datetime as dt
import fractions

import numpy as np
import pytest
import skops.io
from numpy.testing import assert_array_equal
from sklearn.pipeline import make_pipeline

from skae import AutoencoderTransformer
from skae.tabular import TableEncoder

pd = pytest.importorskip("pandas", reason="needs pandas")

from test_tabular import COLUMNS, CUSTOMERS  # noqa: E402

OURS = "skae.tabular._encoder.TableEncoder"


def _stored(estimator, *names):
    """Return what skops reads from the file that it wrote, with some names trusted."""
    data = skops.io.dumps(estimator)
    assert skops.io.get_untrusted_types(data=data) == sorted(names)
    return skops.io.loads(data, trusted=names)


OTHERS = {
    "zone_of_no_name": pd.Series(
        pd.date_range("2020", periods=4, tz=dt.timezone(dt.timedelta(hours=2)))
    ),
    "truths": pd.Series(pd.Categorical([True, False])),
    "floats": pd.Series(pd.Categorical([0.5, 2.0, None])),
    "tuples": pd.Series(
        pd.Categorical(pd.Index([(1, 2), (3, 4)], tupleize_cols=False))
    ),
    "mixed": pd.Series(pd.Categorical(["a", 1, "a"])),
    "sparse": pd.Series(pd.arrays.SparseArray([0, 0, 3])),
}


@pytest.mark.parametrize("name", [*COLUMNS, *OTHERS])
def test_skops_stores_an_encoder_of_each_dtype(name):
    frame = pd.DataFrame({name: {**COLUMNS, **OTHERS}[name]})
    encoder = TableEncoder(max_categories=3, cycles=True).fit(frame)
    loaded = _stored(encoder, OURS)
    array = encoder.transform(frame)
    assert_array_equal(loaded.transform(frame), array)
    back = loaded.inverse_transform(array)
    pd.testing.assert_frame_equal(back, encoder.inverse_transform(array))
    assert loaded.blocks_ == encoder.blocks_
    names = loaded.get_feature_names_out()
    assert_array_equal(names, encoder.get_feature_names_out())


def test_skops_stores_dtypes_of_pyarrow():
    pyarrow = pytest.importorskip(
        "pyarrow", reason="needs pyarrow", exc_type=ImportError
    )
    values = {"int64": [None, 1], "bool": [True, None], "string": ["a", None]}
    frame = pd.DataFrame(
        {name: pd.array(x, dtype=f"{name}[pyarrow]") for name, x in values.items()}
    )
    arrow = pd.ArrowDtype(pyarrow.string())  # what Parquet gives
    frame["arrow"] = pd.array(["a", None], dtype=arrow)
    loaded = _stored(TableEncoder().fit(frame), OURS)
    back = loaded.inverse_transform(loaded.transform(frame))
    pd.testing.assert_frame_equal(back, frame)


def test_skops_stores_encoders_of_polars():
    pl = pytest.importorskip("polars", reason="needs polars")
    from test_tabular_frames import COLUMNS

    frame = pl.DataFrame(COLUMNS)
    encoder = TableEncoder().fit(frame)
    loaded = _stored(encoder, OURS)
    array = encoder.transform(frame)
    assert_array_equal(loaded.transform(frame), array)
    back = loaded.inverse_transform(array)
    assert back.schema == frame.schema
    assert back.equals(encoder.inverse_transform(array))


def test_skops_stores_pipelines_of_tables():
    ae = AutoencoderTransformer(3, max_epochs=2, random_state=0)
    pipe = make_pipeline(TableEncoder(), ae).fit(CUSTOMERS)
    ours = "skae._estimators.autoencoder.AutoencoderTransformer"
    loaded = _stored(pipe, ours, OURS)
    code = pipe.transform(CUSTOMERS)
    assert_array_equal(loaded.transform(CUSTOMERS), code)
    pd.testing.assert_frame_equal(
        loaded.inverse_transform(code), pipe.inverse_transform(code)
    )


def test_skops_stores_encoders_that_are_not_fitted():
    loaded = _stored(TableEncoder(clip=False), OURS)
    assert loaded.get_params() == TableEncoder(clip=False).get_params()
    assert loaded.fit(CUSTOMERS).n_features_in_ == 6


def test_categories_of_other_types_are_not_stored():
    odd = pd.Categorical([fractions.Fraction(1, 3), fractions.Fraction(1, 2)])
    encoder = TableEncoder().fit(pd.DataFrame({"x": odd}))
    with pytest.raises(TypeError, match=r"Fraction\(1, 3\) is a Fraction.*astype\(str"):
        skops.io.dumps(encoder)


def test_times_of_day_are_no_time_zones():
    times = pd.Categorical([dt.time(1), dt.time(2)])
    encoder = TableEncoder().fit(pd.DataFrame({"x": times}))
    with pytest.raises(TypeError, match=r"datetime.time\(1, 0\) is a time"):
        skops.io.dumps(encoder)


def test_dtypes_that_have_no_name_are_refused():
    pytest.importorskip("dateutil", reason="needs dateutil")
    dates = pd.date_range("2020", periods=4, tz="dateutil/Europe/Berlin")
    encoder = TableEncoder().fit(pd.DataFrame({"x": dates}))
    with pytest.raises(TypeError, match=r"does not make from its name.*use pickle"):
        skops.io.dumps(encoder)


@pytest.mark.parametrize(
    "plain",
    [5, [], ["list", []], ["later", 1], ["dtype", "int65"], ["zone", "int64"], [["a"]]],
)
def test_a_state_that_cannot_be_read_is_named(plain):
    state = {**TableEncoder().fit(CUSTOMERS).__getstate__(), "plain": plain}
    with pytest.raises(ValueError, match=r"TableEncoder cannot be read|not enough"):
        TableEncoder().__setstate__(state)


def test_a_file_names_dtypes_of_polars_only():
    pytest.importorskip("polars", reason="needs polars")
    state = TableEncoder().fit(CUSTOMERS).__getstate__()
    state["plain"] = ["dict", [["_schema", ["polars", "Field", []]]]]
    with pytest.raises(ValueError, match="'Field' is no dtype of polars"):
        TableEncoder().__setstate__(state)


def test_arrays_of_numpy_are_stored_in_their_type():
    encoder = TableEncoder(max_categories=2).fit(CUSTOMERS[["city"]])
    loaded = _stored(encoder, OURS)
    unseen = pd.DataFrame({"city": ["Rome", None, "Paris"]})
    expected = encoder.transform(unseen)
    assert np.isnan(expected[1]).all()
    assert_array_equal(loaded.transform(unseen), expected)
