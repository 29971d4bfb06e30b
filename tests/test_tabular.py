"""Data frames become numbers and come back, blends and gaps included."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
from skae import (
    AnomalyDetector,
    AutoencoderTransformer,
    DenoisingAutoencoder,
    blend,
    interpolate,
    mix,
)
from skae.tabular import (
    Block,
    BlockSwapNoise,
    TableEncoder,
    column_errors,
    impute,
)

pd = pytest.importorskip("pandas", reason="needs pandas")


def _customers(n=200):
    rng = np.random.default_rng(0)
    age = rng.integers(18, 80, n)
    first = pd.Timestamp("2024-12-31")
    return pd.DataFrame(
        {
            "age": age,
            "income": (700 * age + rng.normal(0, 8000, n)).round(2),
            "plan": pd.Categorical(
                np.where(age > 45, "family", rng.choice(["basic", "plus"], n)),
                ["none", "basic", "plus", "family"],
                ordered=True,
            ),
            "city": rng.choice(["Oslo", "Rome", "Lima"], n),
            "member": rng.random(n) < age / 100,
            "since": first - pd.to_timedelta(rng.integers(0, 60, n) * age, "D"),
        }
    )


CUSTOMERS = _customers()


def _autoencoder(n_components=4, **params):
    params = {"missing": "mask", "max_epochs": 8, "random_state": 0, **params}
    return AutoencoderTransformer(n_components, **params)


@pytest.fixture(scope="module")
def pipe():
    steps = [("table", TableEncoder()), ("ae", _autoencoder())]
    return Pipeline(steps).fit(CUSTOMERS)


def _some_days(n, unit="us", step="D"):
    rng = np.random.default_rng(1)
    days = pd.to_timedelta(rng.integers(0, 900, n), step)
    return pd.Series(pd.Timestamp("2020-02-01") + days).dt.as_unit(unit)


def _columns(n=60):
    """Return one column of each dtype; half of them have gaps."""
    rng = np.random.default_rng(0)
    normal, small = rng.normal(size=n), rng.integers(0, 9, n)
    text, truth = rng.choice(["a", "b", "c"], n).astype(object), normal > 0
    first = np.arange(n) < 1

    def gappy(values):
        return [None, *values[1:].tolist()]

    return {
        "float64": normal,
        "float32": normal.astype(np.float32),
        "float16": normal.astype(np.float16),
        "int8": rng.integers(-100, 100, n).astype(np.int8),
        "uint64": rng.integers(0, 2**50, n).astype(np.uint64),
        "bool": truth,
        "constant": np.full(n, 0.1),
        "far": 1e9 + normal,
        "float_gaps": np.where(first, np.nan, normal),
        "whole_gaps": np.where(first, np.nan, small),
        "Int64": pd.array(gappy(small), dtype="Int64"),
        "UInt8": pd.array(gappy(small), dtype="UInt8"),
        "Float64": pd.array(gappy(normal), dtype="Float64"),
        "boolean": pd.array(gappy(truth), dtype="boolean"),
        "object_bool": pd.Series(gappy(truth), dtype=object),
        "category": pd.Categorical(text, list("cbax")),
        "ordered": pd.Categorical(gappy(text), list("bca"), ordered=True),
        "numbered": pd.Categorical(small),
        "intervals": pd.cut(normal, 4),
        "times": pd.Categorical(
            pd.to_datetime((2020 + small).astype(str)).tz_localize("UTC")
        ),
        "str": pd.Series(gappy(text), dtype="str"),
        "string": pd.array(gappy(text), dtype="string"),
        "object_none": pd.Series(gappy(text), dtype=object),
        "object_nan": pd.Series([np.nan, *text[1:]], dtype=object),
        "days": _some_days(n).mask(first),
        "days_in_zone": _some_days(n).dt.tz_localize("Europe/Berlin"),
        "hours_in_zone": (
            _some_days(n, step="h").dt.tz_localize("UTC").dt.tz_convert("Asia/Kolkata")
        ),
        "seconds": _some_days(n, "s", "s"),
        "nanoseconds": _some_days(n, "ns", "min").mask(first),
    }


COLUMNS = _columns()

# There and back -----------------------------------------------------------------------


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_comes_back_in_its_dtype(name):
    frame = pd.DataFrame({name: COLUMNS[name]})
    encoder = TableEncoder().fit(frame)
    array = encoder.transform(frame)
    assert array.dtype == np.float64
    back = encoder.inverse_transform(array)
    pd.testing.assert_frame_equal(back, frame, rtol=1e-12)
    # Whatever an estimator makes of it, rows are valid: no gaps, within the range.
    rng = np.random.default_rng(0)
    any_rows = encoder.inverse_transform(rng.normal(0, 3, array.shape))
    assert (any_rows.dtypes == frame.dtypes).all()
    assert not any_rows.isna().any(axis=None)
    ordered = frame[name].dropna()
    if getattr(ordered.dtype, "ordered", True) and ordered.dtype != object:
        assert any_rows[name].min() >= ordered.min()
        assert any_rows[name].max() <= ordered.max()
    else:
        assert set(any_rows[name]) <= set(ordered)


def test_dtypes_of_pyarrow_come_back():
    pytest.importorskip("pyarrow", reason="needs pyarrow", exc_type=ImportError)
    frame = pd.DataFrame(
        {
            "i": pd.array([None, 1, 5], dtype="int64[pyarrow]"),
            "f": pd.array([None, 1.5, 5], dtype="float64[pyarrow]"),
            "b": pd.array([None, True, False], dtype="bool[pyarrow]"),
            "s": pd.array([None, "x", "y"], dtype="string[pyarrow]"),
        }
    )
    encoder = TableEncoder().fit(frame)
    back = encoder.inverse_transform(encoder.transform(frame))
    pd.testing.assert_frame_equal(back, frame)
    days = pd.Series(pd.to_datetime(["2020", "2021"])).astype("timestamp[us][pyarrow]")
    with pytest.raises(TypeError, match=r"'x' .*date of pyarrow.*'datetime64\[us\]'"):
        TableEncoder().fit(pd.DataFrame({"x": days}))


def test_sparse_columns_come_back():
    sparse = [pd.arrays.SparseArray(x) for x in ([0, 0, 3], [0.5, 0.0, 0.0])]
    frame = pd.DataFrame(dict(zip("ab", sparse, strict=True)))
    encoder = TableEncoder().fit(frame)
    back = encoder.inverse_transform(encoder.transform(frame))
    assert back["a"].dtype == frame["a"].dtype
    assert_allclose(back.to_numpy(float), frame.to_numpy(float), atol=1e-12)
    assert back["b"].dtype.subtype == np.float64


def test_the_largest_integers_do_not_overflow():
    frame = pd.DataFrame({"u": np.array([0, 2**64 - 1], dtype=np.uint64)})
    encoder = TableEncoder(clip=False).fit(frame)
    low, high = encoder.inverse_transform([[-9.0], [9.0]])["u"].tolist()
    assert low == 0
    assert high >= 2**64 - 2**11  # the largest number of float64 below 2**64


def test_numbers_are_standardised_and_rounded():
    # Mean 4, deviation sqrt((9 + 1 + 16) / 3) of 1, 3, 8.
    frame = pd.DataFrame({"x": [1, 3, 8], "flag": [True, False, True], "c": [7, 7, 7]})
    encoder = TableEncoder().fit(frame)
    array = encoder.transform(frame)
    assert_allclose(array[:, 0], np.array([-3, -1, 4]) / np.sqrt(26 / 3))
    assert_allclose(array[:, 1].std(), 1)
    assert_array_equal(array[:, 2], 0)  # constant: divided by 1
    assert_allclose(encoder.transform(frame.assign(c=9))[:, 2], 2)
    # In between: (1 + 2 * 8) / 3 is 5.67, and two thirds of True are True.
    mixed = encoder.inverse_transform(array[[0]] / 3 + 2 * array[[2]] / 3)
    assert mixed.to_dict("records") == [{"x": 6, "flag": True, "c": 7}]


def test_numbers_are_clipped_unless_asked():
    frame = pd.DataFrame({"x": [0.5, 1.0], "n": np.array([0, 100], dtype=np.int8)})
    far = pd.DataFrame({"x": [9.5], "n": [120]})
    clipped, free = (TableEncoder(clip=clip).fit(frame) for clip in (True, False))
    for encoder, expected in ((clipped, [1, 100]), (free, [9.5, 120])):
        back = encoder.inverse_transform(encoder.transform(far))
        assert back.iloc[0].tolist() == expected
    # But an int8 has at most 127.
    assert free.inverse_transform([[0, 99]])["n"].tolist() == [127]


def test_whole_numbers_in_floats_are_rounded():
    # pandas stores integers with gaps as floats.
    frame = pd.DataFrame({"children": [0, np.nan, 4, 1], "height": [1.5, 2, 1, 1]})
    encoder = TableEncoder().fit(frame)
    assert [block.kind for block in encoder.blocks_] == ["integer", "float"]
    back = encoder.inverse_transform([[0.1, 0.1]])
    assert back["children"].tolist() == [2]  # the mean is 5 / 3
    assert 1.375 < back["height"][0] < 1.5


def test_a_category_is_the_largest_of_its_block():
    frame = pd.DataFrame({"plan": ["b", "a", "c", "a"]})
    encoder = TableEncoder().fit(frame)
    assert_array_equal(
        encoder.transform(frame), [[0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0]]
    )
    array = [[0.2, 0.5, 0.4], [-3.0, -2.0, -1.0], [1.0, 1.0, 0.0]]
    assert encoder.inverse_transform(array)["plan"].tolist() == ["b", "c", "a"]


def test_rare_categories_share_a_column():
    frame = pd.DataFrame({"city": [*"aaa", *"bbb", *"cc", *"dd", "e"]})
    encoder = TableEncoder(max_categories=3).fit(frame)
    (block,) = encoder.blocks_
    assert block.categories == ("a", "b", "infrequent")
    assert encoder.get_feature_names_out().tolist() == [
        *("city_a", "city_b", "city_infrequent")
    ]
    array = encoder.transform(frame)
    assert_array_equal(array.sum(axis=0), [3, 3, 5])
    # c and d are as frequent: the first one stands for all.
    assert encoder.inverse_transform([[0, 0, 1]])["city"].tolist() == ["c"]
    assert TableEncoder(max_categories=5).fit(frame).blocks_[0].width == 5
    assert TableEncoder(max_categories=None).fit(frame).blocks_[0].width == 5


def test_a_new_category_is_zeros_or_an_error():
    frame = pd.DataFrame({"city": ["Oslo", "Rome"]})
    new = pd.DataFrame({"city": ["Rome", "Lima"]})
    assert_array_equal(TableEncoder().fit(frame).transform(new), [[0, 1], [0, 0]])
    strict = TableEncoder(handle_unknown="error").fit(frame)
    with pytest.raises(ValueError, match=r"'city' has the category 'Lima'.*row 1"):
        strict.transform(new)


def test_dates_are_days_since_the_first():
    days = pd.to_datetime(["2020-01-01", "2020-01-03", "2020-01-05"])
    encoder = TableEncoder().fit(pd.DataFrame({"day": days}))
    # The days 0, 2, 4 have deviation sqrt(8 / 3).
    assert_allclose(
        encoder.transform(pd.DataFrame({"day": days})),
        np.array([[-2], [0], [2]]) / np.sqrt(8 / 3),
        atol=1e-12,
    )
    back = encoder.inverse_transform([[0.6]])["day"]  # 2.98 days after the first
    assert back.tolist() == [pd.Timestamp("2020-01-04")]


def test_cycles_are_those_that_dates_span_twice():
    weeks = pd.DataFrame({"day": pd.date_range("2020-01-01", periods=21)})
    encoder = TableEncoder(cycles=True).fit(weeks)
    assert encoder.get_feature_names_out().tolist() == [
        *("day", "day_week_sin", "day_week_cos")
    ]
    array = encoder.transform(weeks)
    assert_allclose(array[:14, 1:], array[7:, 1:], atol=1e-9)  # of 20000 days
    years = pd.DataFrame({"at": pd.date_range("2020-01-01", "2024-01-01", freq="h")})
    names = TableEncoder(cycles=True).fit(years).get_feature_names_out()
    assert names[1::2].tolist() == ["at_year_sin", "at_week_sin", "at_day_sin"]


def test_dates_have_the_resolution_that_fit_saw():
    hours = pd.DataFrame({"at": pd.date_range("2020-01-01 00:30", periods=9, freq="h")})
    encoder = TableEncoder().fit(hours)
    back = encoder.inverse_transform(np.full((1, 1), 0.1))["at"]
    assert back.tolist() == [pd.Timestamp("2020-01-01 04:30")]


def test_whole_days_follow_the_clock_of_their_zone():
    # The clock went forward at the end of March.
    days = pd.date_range("2024-03-01", "2024-04-30", tz="Europe/Berlin")
    frame = pd.DataFrame({"day": days})
    encoder = TableEncoder().fit(frame)
    array = encoder.transform(frame)
    between = encoder.inverse_transform((array[:-1] + 2 * array[1:]) / 3)["day"]
    assert between.tolist() == days[1:].tolist()
    elsewhere = frame.assign(day=days.tz_convert("Asia/Tokyo"))
    assert_array_equal(encoder.transform(elsewhere), array)


def test_gaps_are_nan_in_the_whole_block():
    frame = pd.DataFrame({"x": [1, None, 3.5], "city": ["Rome", "Oslo", None]})
    array = TableEncoder().fit(frame).transform(frame)
    assert_array_equal(np.isnan(array), [[0, 0, 0], [1, 0, 0], [0, 1, 1]])
    # A frame whose column has nothing but gaps may have any dtype.
    empty = frame.assign(city=np.nan)
    assert np.isnan(TableEncoder().fit(frame).transform(empty)[:, 1:]).all()


def test_a_row_of_objects_is_encoded_as_the_row_was():
    frame = pd.DataFrame(COLUMNS)
    encoder = TableEncoder().fit(frame)
    array = encoder.transform(frame)
    for i in (0, 5):
        row = frame.iloc[i].to_frame().T
        assert set(row.dtypes) == {np.dtype(object)}
        assert_allclose(encoder.transform(row), array[[i]])


# An estimator of scikit-learn ---------------------------------------------------------


def test_blocks_name_what_a_column_became():
    encoder = TableEncoder().fit(CUSTOMERS)
    assert encoder.n_features_in_ == 6
    assert encoder.feature_names_in_.tolist() == CUSTOMERS.columns.tolist()
    names = [block.name for block in encoder.blocks_]
    assert names == CUSTOMERS.columns.tolist()
    plan = encoder.blocks_[2]
    assert plan == Block("plan", "category", 2, 5, ("basic", "plus", "family"))
    assert hash(plan)
    assert plan.columns == slice(2, 5)
    assert encoder.blocks_[-1].stop == encoder.transform(CUSTOMERS).shape[1]
    assert len(encoder.get_feature_names_out()) == encoder.blocks_[-1].stop


def test_frames_have_the_index_of_x():
    encoder = TableEncoder().fit(CUSTOMERS).set_output(transform="pandas")
    out = encoder.transform(CUSTOMERS[::-1])
    assert out.columns.tolist() == encoder.get_feature_names_out().tolist()
    back = encoder.inverse_transform(out)
    pd.testing.assert_frame_equal(back, CUSTOMERS[::-1])


def test_copies_encode_alike():
    encoder = TableEncoder(max_categories=2, handle_unknown="error", clip=False)
    assert clone(encoder).get_params() == {
        "max_categories": 2,
        "handle_unknown": "error",
        "cycles": False,
        "clip": False,
    }
    array = encoder.fit(CUSTOMERS).transform(CUSTOMERS)
    copied = pickle.loads(pickle.dumps(encoder))
    assert_array_equal(copied.transform(CUSTOMERS), array)


def test_the_size_of_a_code_is_searched_for_frames():
    pipe = make_pipeline(TableEncoder(), _autoencoder())
    grid = {
        "autoencodertransformer__n_components": [1, 4],
        "tableencoder__max_categories": [2, 20],
    }
    search = GridSearchCV(pipe, grid, cv=2).fit(CUSTOMERS)
    assert search.best_params_["autoencodertransformer__n_components"] == 4
    both = CUSTOMERS.iloc[[0]], CUSTOMERS.iloc[[1]]
    assert (blend(search, *both).dtypes == CUSTOMERS.dtypes).all()


# Blends -------------------------------------------------------------------------------


def _assert_valid(rows):
    assert (rows.dtypes == CUSTOMERS.dtypes).all()
    assert not rows.isna().any(axis=None)
    assert rows["age"].between(18, 79).all()
    assert rows["city"].isin(["Oslo", "Rome", "Lima"]).all()
    assert (rows["since"].dt.normalize() == rows["since"]).all()


@pytest.mark.parametrize("kind", ["representation", "content"])
def test_a_blend_of_customers_is_a_customer(pipe, kind):
    young = CUSTOMERS[CUSTOMERS["age"] < 25].iloc[:3]
    old = CUSTOMERS[CUSTOMERS["age"] > 70].iloc[:3]
    blends = blend(pipe, young, old, 0.5, kind=kind)
    _assert_valid(blends)
    assert blends["age"].between(30, 65).all()
    one = blend(pipe, young.iloc[0], old.iloc[0], kind=kind)
    assert isinstance(one, pd.Series)
    assert one.tolist() == blends.iloc[0].tolist()
    _assert_valid(blend(pipe, young.iloc[0], old, kind=kind))


def test_content_is_blended_column_by_column(pipe):
    a, b = CUSTOMERS.iloc[[0]], CUSTOMERS.iloc[[6]]
    blended = blend(pipe, a, b, 0.25, kind="content")
    age = round(0.75 * a["age"].iloc[0] + 0.25 * b["age"].iloc[0])
    assert blended["age"].tolist() == [age]
    assert blended["plan"].tolist() == a["plan"].tolist()


def test_interpolations_are_frames(pipe):
    a, b = CUSTOMERS.iloc[0], CUSTOMERS.iloc[6]
    path = interpolate(pipe, a, b, 5)
    _assert_valid(path)
    assert len(path) == 5
    ends = pipe.inverse_transform(pipe.transform(CUSTOMERS.iloc[[0, 6]]))
    assert path.iloc[[0, 4]].reset_index(drop=True)["age"].equals(ends["age"])
    several = interpolate(pipe, CUSTOMERS.iloc[:2], b, 3)
    _assert_valid(several)
    assert several.index.names == ["pair", "step"]
    assert several.loc[1].shape == (3, 6)
    _assert_valid(mix(pipe, CUSTOMERS.iloc[:3], [[0.5, 0.25, 0.25]]))
    assert isinstance(mix(pipe, CUSTOMERS.iloc[:3], [0.5, 0.25, 0.25]), pd.Series)


def test_rows_of_frames_are_not_drawn(pipe):
    pytest.importorskip("matplotlib")
    a, b = CUSTOMERS.iloc[0], CUSTOMERS.iloc[6]
    with pytest.raises(TypeError, match=r"cannot be drawn.* Use skae.interpolate"):
        skae.InterpolationDisplay.from_estimator(pipe, a, b)
    with pytest.raises(TypeError, match=r"cannot be drawn.* Use skae.blend"):
        skae.BlendDisplay.from_estimator(pipe, CUSTOMERS.iloc[:2])


# Gaps ---------------------------------------------------------------------------------


def _with_gaps(frame, rate=0.2):
    mask = np.random.default_rng(3).random(frame.shape) < rate
    return frame.astype({"age": "Int64", "member": "boolean"}).mask(mask)


def test_gaps_of_a_frame_are_filled_and_all_else_is_left():
    gappy = _with_gaps(CUSTOMERS).set_index(np.arange(200)[::-1] + 7)
    before = gappy.copy()
    pipe = make_pipeline(TableEncoder(), _autoencoder()).fit(gappy)
    filled = impute(pipe, gappy)
    pd.testing.assert_frame_equal(gappy, before)
    assert not filled.isna().any(axis=None)
    assert (filled.dtypes == gappy.dtypes).all()
    pd.testing.assert_frame_equal(filled.mask(gappy.isna()), gappy)
    # Better than the most frequent plan, and the mean age.
    plans = gappy["plan"].isna().to_numpy()
    right = (filled["plan"].to_numpy() == CUSTOMERS["plan"].to_numpy())[plans].mean()
    assert right > (CUSTOMERS["plan"] == "family").mean()
    ages = gappy["age"].isna().to_numpy()
    error = (filled["age"].to_numpy(float) - CUSTOMERS["age"].to_numpy())[ages]
    assert np.sqrt((error**2).mean()) < 0.8 * CUSTOMERS["age"].std()


def test_steps_between_do_not_hinder():
    gappy = _with_gaps(CUSTOMERS)
    pipe = make_pipeline(TableEncoder(), StandardScaler(), _autoencoder()).fit(gappy)
    assert not impute(pipe, gappy).isna().any(axis=None)
    assert not column_errors(pipe, CUSTOMERS).isna().any(axis=None)


def test_fillings_are_drawn():
    gappy = _with_gaps(CUSTOMERS)
    pipe = make_pipeline(TableEncoder(), _autoencoder()).fit(gappy)
    draws = impute(pipe, gappy, 3, random_state=0)
    assert len(draws) == 3
    for draw in draws:
        assert not draw.isna().any(axis=None)
        pd.testing.assert_frame_equal(draw.mask(gappy.isna()), gappy)
    assert not draws[0].equals(draws[1])
    assert draws[0].equals(impute(pipe, gappy, 3, random_state=0)[0])


def test_a_column_of_gaps_is_filled(pipe):
    new = CUSTOMERS.assign(city=np.nan)
    assert impute(pipe, new)["city"].isin(["Oslo", "Rome", "Lima"]).all()


def test_categories_that_a_frame_lacks_are_added(pipe):
    old = CUSTOMERS[CUSTOMERS["age"] > 60].iloc[:2]
    plans = pd.Categorical(["basic", None], ["basic"])
    filled = impute(pipe, old.assign(plan=plans))
    assert filled["plan"].tolist() == ["basic", "family"]


# Errors by column ---------------------------------------------------------------------


def test_errors_are_summed_over_blocks():
    encoder = TableEncoder()
    pipe = make_pipeline(encoder, PCA(3)).fit(CUSTOMERS)
    gappy = CUSTOMERS.set_index(np.arange(200) + 5)
    errors = column_errors(pipe, gappy)
    assert errors.columns.tolist() == CUSTOMERS.columns.tolist()
    assert errors.index.equals(gappy.index)
    array = pipe[0].transform(CUSTOMERS)
    squares = (array - pipe[1].inverse_transform(pipe[1].transform(array))) ** 2
    assert_allclose(errors["age"], squares[:, 0])
    assert_allclose(errors["plan"], squares[:, 2:5].sum(axis=1))
    assert_allclose(errors.sum(axis=1), squares.sum(axis=1))


def test_the_unusual_column_has_the_largest_error(pipe):
    child = CUSTOMERS.iloc[[6]].assign(income=300_000.0)
    assert column_errors(pipe, child).iloc[0].idxmax() == "income"
    gap = column_errors(pipe, CUSTOMERS.iloc[[0]].assign(city=None))
    assert gap.isna().iloc[0].tolist() == [name == "city" for name in gap]


def test_errors_of_a_detector_are_those_of_blocks_in_units_of_usual_ones():
    detector = AnomalyDetector(PCA(3), random_state=0)
    pipe = make_pipeline(TableEncoder(), detector).fit(CUSTOMERS)
    moved = CUSTOMERS.set_index(np.arange(200) + 5)
    errors = column_errors(pipe, moved)
    assert errors.columns.tolist() == CUSTOMERS.columns.tolist()
    assert errors.index.equals(moved.index)
    # By hand: what PCA leaves of a block, over the sum of the usual squared errors.
    array, pca = pipe[0].transform(CUSTOMERS), detector.estimator_
    squares = (array - pca.inverse_transform(pca.transform(array))) ** 2
    usual = detector.usual_errors_**2
    assert_allclose(errors["age"], squares[:, 0] / usual[0])
    assert_allclose(errors["plan"], squares[:, 2:5].sum(axis=1) / usual[2:5].sum())
    all_rows = AnomalyDetector(PCA(3), calibration_fraction=None)
    all_rows = make_pipeline(TableEncoder(), all_rows).fit(CUSTOMERS)
    assert_allclose(column_errors(all_rows, CUSTOMERS).mean(), 1)


def test_a_detector_blames_the_column_of_the_frame():
    estimator = make_pipeline(StandardScaler(), _autoencoder(max_epochs=30))
    detector = AnomalyDetector(estimator, random_state=0)
    pipe = make_pipeline(TableEncoder(), StandardScaler(), detector).fit(CUSTOMERS)
    child = CUSTOMERS.iloc[[6]].assign(income=300_000.0)
    assert pipe.predict(child) == -1
    assert column_errors(pipe, child).iloc[0].idxmax() == "income"
    gap = column_errors(pipe, CUSTOMERS.iloc[[0]].assign(city=None))
    assert gap.isna().iloc[0].tolist() == [name == "city" for name in gap]


def test_a_detector_of_other_columns_is_refused():
    detector = AnomalyDetector(PCA(1), random_state=0)
    pipe = make_pipeline(TableEncoder(), PCA(3), detector).fit(CUSTOMERS)
    with pytest.raises(TypeError, match=r"sees 3 columns, the encoder makes"):
        column_errors(pipe, CUSTOMERS)
    code = AnomalyDetector(PCA(3), score_by="code", random_state=0)
    pipe = make_pipeline(TableEncoder(), code).fit(CUSTOMERS)
    with pytest.raises(ValueError, match="score_by='both' or 'reconstruction'"):
        column_errors(pipe, CUSTOMERS)


# Noise --------------------------------------------------------------------------------


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


BLOCKS = [Block("x", "float", 0, 1), Block("c", "category", 1, 4, tuple("abc"))]


def test_blocks_are_swapped_as_a_whole():
    x = torch.zeros(500, 4)
    x[:, 0] = torch.arange(500)
    x[torch.arange(500), 1 + torch.arange(500) % 3] = 1
    noise = BlockSwapNoise(BLOCKS, level=[0.1, 0.6])
    swapped = noise(x, _generator())
    assert torch.isin(swapped[:, 0], x[:, 0]).all()
    assert (swapped[:, 1:].sum(1) == 1).all()  # each row has one category
    # A donor is another number with chance 499 / 500, another category with 2 / 3.
    assert abs(float((swapped[:, 0] != x[:, 0]).float().mean()) - 0.1) < 0.05
    assert abs(float((swapped != x)[:, 1:].any(1).float().mean()) - 0.4) < 0.07
    assert torch.equal(swapped, noise(x, _generator()))
    assert not torch.equal(swapped, noise(x, _generator(1)))
    assert torch.equal(BlockSwapNoise(BLOCKS, level=0.0)(x, _generator()), x)


def test_noise_by_blocks_trains_and_is_saved(tmp_path):
    encoder = TableEncoder().fit(CUSTOMERS)
    noise = BlockSwapNoise(encoder.blocks_, level=0.2)
    assert clone(noise).blocks == encoder.blocks_
    dae = DenoisingAutoencoder(3, noise=noise, max_epochs=2, random_state=0)
    pipe = make_pipeline(TableEncoder(), dae).fit(CUSTOMERS)
    pipe[-1].save(tmp_path / "dae.skae")
    loaded = skae.load(tmp_path / "dae.skae")
    assert loaded.noise.blocks == encoder.blocks_
    array = pipe[0].transform(CUSTOMERS)
    assert_array_equal(loaded.transform(array), pipe.transform(CUSTOMERS))
    assert_array_equal(loaded.corrupt(array), pipe[-1].corrupt(array))


def test_rates_are_searched():
    blocks = TableEncoder().fit(CUSTOMERS).blocks_
    dae = DenoisingAutoencoder(3, noise=BlockSwapNoise(blocks), max_epochs=2)
    pipe = make_pipeline(TableEncoder(), dae.set_params(random_state=0))
    grid = {"denoisingautoencoder__noise__level": [0.1, [0.2] * 6]}
    assert hasattr(GridSearchCV(pipe, grid, cv=2).fit(CUSTOMERS), "best_score_")


def test_rates_that_do_not_fit_the_blocks_are_refused():
    with pytest.raises(ValueError, match=r"level .* shape \(3,\), but there are 2"):
        BlockSwapNoise(BLOCKS, level=[0.1, 0.2, 0.3])(torch.zeros(3, 4), _generator())


def test_blocks_of_another_table_are_refused():
    with pytest.raises(ValueError, match=r"have 4 columns, but the rows have 5"):
        BlockSwapNoise(BLOCKS)(torch.zeros(3, 5), _generator())


# Errors -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1 + 2j, 3], r"'x' .* complex values.* Split it"),
        (pd.to_timedelta([1, 2], "D"), r"'x' .* timedelta values.*total_seconds"),
        (pd.period_range("2020", periods=2, freq="Y"), r"period values.*to_timestamp"),
        (
            pd.Series([1, None], dtype=object),
            r"'x'.* integer values, such as 1.*to_n",
        ),
        (pd.Series(["a", 1], dtype=object), r"'x' .*holds mixed.* such as 'a'.*astype"),
        (pd.Series([[1], [2]], dtype=object), r"'x' .*holds mixed.*such as \[1\]"),
        (pd.Series([pd.Timestamp(0).date()] * 2), r"holds date.*pd.to_datetime"),
    ],
)
def test_values_that_cannot_be_encoded_are_named(values, message):
    with pytest.raises(TypeError, match=message):
        TableEncoder().fit(pd.DataFrame({"ok": [1, 2], "x": values}))


@pytest.mark.parametrize(
    ("frame", "error", "message"),
    [
        (np.eye(3), TypeError, r"X is a numpy.ndarray. Pass pd.DataFrame\(X\)"),
        (pd.DataFrame({"x": []}), ValueError, r"X is empty: it has 0 rows and 1"),
        (pd.DataFrame(index=[1]), ValueError, r"X is empty: it has 1 rows and 0"),
        (pd.DataFrame({"x": [None, None]}), ValueError, r"'x' has no value"),
        (pd.DataFrame({"x": [1, np.inf]}), ValueError, r"'x' contains infinity.*row 1"),
        (pd.DataFrame({"x": [-1.7e308, 1.7e308]}), ValueError, r"'x' has values from"),
        (pd.DataFrame({0: [1, 2]}), TypeError, r"column 0 has a name that is no text"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), ValueError, r"one name: 'x'"),
    ],
)
def test_frames_that_cannot_be_encoded(frame, error, message):
    with pytest.raises(error, match=message):
        TableEncoder().fit(frame)


def test_tables_of_arrow_are_referred_to_pandas():
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow", exc_type=ImportError)
    with pytest.raises(TypeError, match=r"pyarrow.Table. Pass X.to_pandas\(\)"):
        TableEncoder().fit(pa.table({"x": [1, 2]}))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda X: X.drop(columns="age"), ValueError, r"lacks columns.*: 'age'\."),
        (lambda X: X.assign(new=1), ValueError, r"did not see: 'new'\. Pass X\["),
        (lambda X: X[X.columns[::-1]], ValueError, r"not in the order that fit saw"),
        (lambda X: X.assign(age="old"), TypeError, r"'age'.*category values, but fit"),
        (lambda X: X.assign(city=1), TypeError, r"'city'.*integer values, but fit saw"),
        (lambda X: X.assign(since=1), TypeError, r"'since'.*integer values, but fit"),
        (
            lambda X: X.assign(since=X["since"].dt.tz_localize("UTC")),
            TypeError,
            r"'since' has the zone UTC, but fit saw none. Use .dt.tz_localize\(None\)",
        ),
    ],
)
def test_frames_that_differ_from_those_of_fit(change, error, message):
    encoder = TableEncoder().fit(CUSTOMERS)
    with pytest.raises(error, match=message):
        encoder.transform(change(CUSTOMERS))


def test_an_array_of_another_width_is_refused():
    encoder = TableEncoder().fit(CUSTOMERS)
    with pytest.raises(ValueError, match=r"X has 3 columns, but the encoder makes"):
        encoder.inverse_transform(np.zeros((2, 3)))


def test_functions_want_a_pipeline_that_starts_with_an_encoder(pipe):
    for function in (impute, column_errors):
        with pytest.raises(TypeError, match=r"but got AutoencoderTransformer. Use"):
            function(pipe[-1], CUSTOMERS)
    by_pca = make_pipeline(TableEncoder(), PCA(1)).fit(CUSTOMERS)
    with pytest.raises(TypeError, match=r"PCA, has no method impute"):
        impute(by_pca, CUSTOMERS)
    predictor = make_pipeline(TableEncoder(), LogisticRegression())
    predictor.fit(CUSTOMERS, CUSTOMERS["member"])
    with pytest.raises(TypeError, match=r"no method inverse_transform.*pipeline\[:"):
        column_errors(predictor, CUSTOMERS)


def test_equal_names_get_numbers():
    frame = pd.DataFrame({"a": ["b_c", "b_c_2"] * 9, "a_b": ["c", "d"] * 9})
    encoder = TableEncoder().set_output(transform="pandas").fit(frame)
    names = ["a_b_c", "a_b_c_2", "a_b_c_3", "a_b_d"]
    assert encoder.get_feature_names_out().tolist() == names
    assert encoder.transform(frame).columns.tolist() == names
