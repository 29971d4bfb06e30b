"""Frames of polars become numbers and come back as frames of polars."""

import datetime as dt
import pickle
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skae import AutoencoderTransformer, blend, interpolate, mix
from skae.tabular import TableEncoder, column_errors, impute

pl = pytest.importorskip("polars", reason="needs polars")
pd = pytest.importorskip("pandas", reason="needs pandas")

from polars.testing import assert_frame_equal  # noqa: E402

N = 60
RNG = np.random.default_rng(0)
DAYS = [
    dt.date(2020, 1, 1) + dt.timedelta(days=int(x)) for x in RNG.integers(0, 900, N)
]
TIMES = [
    dt.datetime(2020, 1, 1) + x * dt.timedelta(hours=7, minutes=3) for x in range(N)
]
LETTERS = RNG.choice(["a", "b", "c"], N).tolist()


def _series(values, dtype):
    return pl.Series(values, dtype=dtype)


def _gappy(values):
    return [None, *values[1:]]


SMALL = RNG.integers(0, 9, N).tolist()
NORMAL = RNG.normal(size=N).tolist()
TRUTH = (RNG.random(N) < 0.5).tolist()
COLUMNS = {
    "Int64": _series(SMALL, pl.Int64),
    "Int64_gaps": _series(_gappy(SMALL), pl.Int64),
    "UInt8_gaps": _series(_gappy(SMALL), pl.UInt8),
    "Float64": _series(NORMAL, pl.Float64),
    "Float64_gaps": _series(_gappy(NORMAL), pl.Float64),
    "Float32_gaps": _series(_gappy(NORMAL), pl.Float32),
    "Float64_whole": _series(_gappy(SMALL), pl.Float64),
    "Decimal": _series(_gappy([f"{x}.25" for x in SMALL]), pl.String).cast(
        pl.Decimal(9, 2)
    ),
    "Boolean": _series(TRUTH, pl.Boolean),
    "Boolean_gaps": _series(_gappy(TRUTH), pl.Boolean),
    "String": _series(LETTERS, pl.String),
    "String_gaps": _series(_gappy(LETTERS), pl.String),
    "Categorical": _series(_gappy(LETTERS), pl.Categorical),
    "Enum": _series(_gappy(LETTERS), pl.Enum(list("xcba"))),
    "Date": _series(DAYS, pl.Date),
    "Date_gaps": _series(_gappy(DAYS), pl.Date),
    "ms": _series(TIMES, pl.Datetime("ms")),
    "us": _series(_gappy(TIMES), pl.Datetime("us")),
    "ns": _series(TIMES, pl.Datetime("ns")),
    "zone": _series(TIMES, pl.Datetime("us", "UTC")).dt.convert_time_zone(
        "Asia/Kolkata"
    ),
    "days_in_zone": _series(DAYS, pl.Datetime("ms")).dt.replace_time_zone(
        "Europe/Berlin"
    ),
}
TABLE = pl.DataFrame(
    {
        "age": SMALL,
        "income": [1000.0 * x + 100 * e for x, e in zip(SMALL, NORMAL, strict=True)],
        "plan": _series(["a" if x < 5 else "b" for x in SMALL], pl.Enum(["b", "a"])),
        "city": LETTERS,
        "member": [x > 3 for x in SMALL],
        "since": DAYS,
    }
)


@pytest.fixture(scope="module")
def pipe():
    ae = AutoencoderTransformer(4, missing="mask", max_epochs=8, random_state=0)
    return make_pipeline(TableEncoder(), ae).fit(TABLE)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_polars_comes_back_in_its_dtype(name):
    frame = pl.DataFrame({name: COLUMNS[name]})
    encoder = TableEncoder().fit(frame)
    array = encoder.transform(frame)
    assert_array_equal(np.isnan(array[:, 0]), frame[name].is_null())
    back = encoder.inverse_transform(array)
    assert back.schema == frame.schema
    if frame[name].dtype.is_numeric():
        values = (x[name].cast(pl.Float64).to_numpy() for x in (back, frame))
        assert_allclose(*values, rtol=1e-12)
    else:
        assert_frame_equal(back, frame)
    any_rows = encoder.inverse_transform(RNG.normal(0, 3, array.shape))
    assert any_rows.schema == frame.schema
    assert any_rows[name].null_count() == 0


def test_frames_of_polars_and_pandas_encode_alike():
    encoder = TableEncoder().fit(TABLE)
    of_pandas = pd.DataFrame(
        {name: TABLE[name].to_list() for name in TABLE.columns}
    ).assign(
        plan=pd.Categorical(TABLE["plan"].to_list(), ["b", "a"]),
        since=pd.to_datetime(TABLE["since"].to_list()),
    )
    other = TableEncoder().fit(of_pandas)
    assert other.blocks_ == encoder.blocks_
    array = encoder.transform(TABLE)
    for table in (TABLE, of_pandas):
        assert_allclose(encoder.transform(table), array)
        assert_allclose(other.transform(table), array)
    assert isinstance(encoder.inverse_transform(array), pl.DataFrame)
    assert isinstance(other.inverse_transform(array), pd.DataFrame)


def test_frames_of_polars_need_no_pyarrow(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # its import fails
    frame = pl.DataFrame(COLUMNS)
    encoder = TableEncoder().fit(frame)
    assert encoder.inverse_transform(encoder.transform(frame)).schema == frame.schema


@pytest.mark.parametrize("dtype", [pl.Date, pl.Datetime("ms"), pl.Datetime("us")])
def test_dates_that_are_not_clipped_can_be_shown(dtype):
    days = _series([dt.datetime(2020, 1, 1), dt.datetime(2020, 3, 1)], dtype)
    encoder = TableEncoder(clip=False).fit(pl.DataFrame({"day": days}))
    found = encoder.inverse_transform([[-1e12], [0.0], [1e12]])["day"]
    assert found.dt.year().to_list() == [1, 2020, 9999]
    assert "9999" in str(found)


def test_nan_is_a_gap_and_comes_back_as_null():
    frame = pl.DataFrame({"x": [1.0, float("nan"), 2.5]})
    encoder = TableEncoder().fit(frame)
    back = encoder.inverse_transform(encoder.transform(frame))
    assert back["x"].to_list() == [1.0, None, 2.5]


def test_arrays_may_be_frames_of_polars():
    encoder = TableEncoder().set_output(transform="polars").fit(TABLE)
    array = encoder.transform(TABLE)
    assert array.columns == encoder.get_feature_names_out().tolist()
    assert_frame_equal(encoder.inverse_transform(array), TABLE)


def test_copies_of_an_encoder_give_frames_of_polars():
    encoder = pickle.loads(pickle.dumps(TableEncoder().fit(TABLE)))
    back = encoder.inverse_transform(encoder.transform(TABLE))
    assert_frame_equal(back, TABLE)


def test_a_search_takes_frames_of_polars(pipe):
    grid = {"tableencoder__max_categories": [2, 20]}
    fast = make_pipeline(TableEncoder(), AutoencoderTransformer(2, max_epochs=1))
    search = GridSearchCV(fast.set_params(autoencodertransformer__random_state=0), grid)
    search.set_params(cv=2).fit(TABLE)
    assert blend(search, TABLE[:2], TABLE[2:4]).schema == TABLE.schema


def test_blends_are_frames_of_polars(pipe):
    for kind in ("representation", "content"):
        blends = blend(pipe, TABLE[:3], TABLE[3:6], kind=kind)
        assert blends.schema == TABLE.schema
        assert len(blends) == 3
        assert not blends.null_count().sum_horizontal().item()
        # A frame of one row is a sample.
        by_one = blend(pipe, TABLE[:3], TABLE[4], kind=kind)
        assert_frame_equal(by_one[1], blends[1])
        assert_frame_equal(blend(pipe, TABLE[1], TABLE[4], kind=kind), blends[1])


def test_interpolations_are_frames_of_polars(pipe):
    path = interpolate(pipe, TABLE[0], TABLE[5], 4)
    assert path.schema == TABLE.schema
    assert len(path) == 4
    several = interpolate(pipe, TABLE[:2], TABLE[5], 4)
    assert_frame_equal(several[:4], path)
    assert len(several) == 8
    mixed = mix(pipe, TABLE[:3], [0.5, 0.25, 0.25])
    assert mixed.schema == TABLE.schema
    assert_frame_equal(mix(pipe, TABLE[:3], [[0.5, 0.25, 0.25]]), mixed)


def test_gaps_of_a_frame_of_polars_are_filled(pipe):
    is_gap = np.random.default_rng(1).random((N, TABLE.width)) < 0.2
    gappy = TABLE.with_columns(
        pl.when(pl.Series(~is_gap[:, i])).then(pl.col(name)).alias(name)
        for i, name in enumerate(TABLE.columns)
    )
    assert sum(gappy.null_count().row(0)) == is_gap.sum()
    filled = impute(pipe, gappy)
    assert filled.schema == TABLE.schema
    assert sum(filled.null_count().row(0)) == 0
    for i, name in enumerate(TABLE.columns):
        seen = ~is_gap[:, i]
        assert filled[name].filter(seen).equals(TABLE[name].filter(seen))
    assert [x.schema for x in impute(pipe, gappy, 2)] == [TABLE.schema] * 2


def test_a_column_of_nulls_is_filled_in_the_dtype_that_fit_saw(pipe):
    empty = TABLE.with_columns(since=pl.lit(None), plan=pl.lit(None))
    assert impute(pipe, empty).schema == TABLE.schema


def test_categories_that_an_enum_lacks_are_added(pipe):
    old = TABLE.filter(pl.col("age") > 6)[:2]  # of plan "b"
    lacking = old.with_columns(plan=pl.Series([None, "a"], dtype=pl.Enum(["a"])))
    filled = impute(pipe, lacking)["plan"]
    assert filled.to_list() == ["b", "a"]
    assert filled.dtype == pl.Enum(["a", "b"])


def test_errors_by_column_are_a_frame_of_polars():
    pipe = make_pipeline(TableEncoder(), PCA(3)).fit(TABLE)
    errors = column_errors(pipe, TABLE)
    assert errors.schema == dict.fromkeys(TABLE.columns, pl.Float64)
    array = pipe[0].transform(TABLE)
    squares = (array - pipe[1].inverse_transform(pipe[1].transform(array))) ** 2
    total = errors.sum_horizontal().to_numpy()
    assert_allclose(total, squares.sum(axis=1))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            pl.Series([[1], [2]]),
            r"'x' is List\(Int64\), which cannot.*cast\(pl.String\)",
        ),
        (pl.Series([dt.timedelta(1)]), r"'x' is Duration.*\.dt\.total_seconds"),
        (pl.Series([dt.time(1)]), r"'x' is Time, which.*pl.Int64"),
        (pl.Series([{"a": 1}]), r"'x' is Struct.*X.unnest"),
    ],
)
def test_columns_of_polars_that_cannot_be_encoded(column, message):
    with pytest.raises(TypeError, match=message):
        TableEncoder().fit(pl.DataFrame({"x": column}))


def test_columns_of_polars_that_differ_from_those_of_fit():
    encoder = TableEncoder().fit(TABLE)
    message = r"'age' is String, but fit saw Int64.*pl.col\('age'\).cast\(pl.Int64\)"
    with pytest.raises(TypeError, match=message):
        encoder.transform(TABLE.with_columns(pl.col("age").cast(pl.String)))
    assert_allclose(
        encoder.transform(TABLE.with_columns(pl.col("age").cast(pl.Int8))),
        encoder.transform(TABLE),
    )
    with pytest.raises(ValueError, match="not in the order"):
        encoder.transform(TABLE[:, ::-1])


def test_frames_of_polars_that_are_empty_or_lazy():
    with pytest.raises(ValueError, match="X is empty: it has 0 rows"):
        TableEncoder().fit(TABLE[:0])
    with pytest.raises(ValueError, match="'x' has no value"):
        TableEncoder().fit(pl.DataFrame({"x": [None, None]}))
    with pytest.raises(TypeError, match=r"polars.LazyFrame. Pass X.collect\(\)"):
        TableEncoder().fit(TABLE.lazy())
