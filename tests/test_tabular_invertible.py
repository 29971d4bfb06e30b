"""Transformers of columns of other packages get a way back from their arrays."""

import numpy as np
import pytest
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
)

from skae import AutoencoderTransformer, DenoisingAutoencoder, blend, interpolate
from skae.tabular import (
    Block,
    BlockSwapNoise,
    InvertibleColumnTransformer,
    TableEncoder,
    column_errors,
    impute,
)

pd = pytest.importorskip("pandas", reason="needs pandas")

from test_tabular import CUSTOMERS  # noqa: E402

TABLE = CUSTOMERS.drop(columns="since").assign(
    income=CUSTOMERS["income"].clip(lower=1.0),
    visits=np.arange(len(CUSTOMERS), dtype=np.int16) % 7,
)
NUMBERS, TEXT = ["income", "age"], ["city", "plan"]


def _columns(numbers=None, text=None, **params):
    """Return a transformer of columns whose array is not in the order of the frame."""
    parts = [
        ("num", numbers or StandardScaler(), NUMBERS),
        ("cat", text or OneHotEncoder(), TEXT),
    ]
    return ColumnTransformer(parts, **{"remainder": "passthrough", **params})


def _assert_valid(rows, table=TABLE):
    assert rows.columns.tolist() == table.columns.tolist()
    assert (rows.dtypes == table.dtypes).all()
    assert not rows.isna().any(axis=None)
    for name in ("age", "income", "visits"):
        assert rows[name].between(table[name].min(), table[name].max()).all()
    for name in TEXT:
        assert rows[name].isin(table[name].unique()).all()


@pytest.fixture(scope="module")
def pipe():
    ae = AutoencoderTransformer(4, max_epochs=8, random_state=0)
    return make_pipeline(InvertibleColumnTransformer(_columns()), ae).fit(TABLE)


# There and back -----------------------------------------------------------------------

LOG = FunctionTransformer(
    np.log1p, inverse_func=np.expm1, feature_names_out="one-to-one"
)


@pytest.mark.parametrize(
    "transformer",
    [
        _columns(),
        _columns(numbers=MinMaxScaler()),
        _columns(numbers=PowerTransformer()),
        _columns(numbers=QuantileTransformer(n_quantiles=50)),
        _columns(numbers=make_pipeline(LOG, StandardScaler())),
        _columns(numbers="passthrough", sparse_threshold=1.0),
        _columns(text=OneHotEncoder(drop="first", sparse_output=False)),
        _columns(text=OneHotEncoder(handle_unknown="ignore")),
        _columns(text=OrdinalEncoder()),
        _columns(text=make_pipeline(OrdinalEncoder(), StandardScaler())),
        _columns(
            text=make_pipeline(OneHotEncoder(sparse_output=False), MinMaxScaler())
        ),
        _columns(remainder=MinMaxScaler(), verbose_feature_names_out=False),
        ColumnTransformer(
            [
                ("text", OneHotEncoder(), make_column_selector(dtype_exclude="number")),
                ("numbers", StandardScaler(), slice("age", "income")),
                ("visits", StandardScaler(), [5]),
            ]
        ),
    ],
)
def test_a_frame_comes_back_and_any_array_is_a_frame(transformer):
    encoder = InvertibleColumnTransformer(transformer).fit(TABLE)
    array = encoder.transform(TABLE)
    assert array.dtype == np.float64
    own = clone(transformer).fit_transform(TABLE)
    own = own.toarray() if hasattr(own, "toarray") else own
    assert_array_equal(array, own.astype(np.float64))
    pd.testing.assert_frame_equal(encoder.inverse_transform(array), TABLE, rtol=1e-6)
    noise = np.random.default_rng(0).normal(0, 3, array.shape)
    _assert_valid(encoder.inverse_transform(noise))
    names = [block.name for block in encoder.blocks_]
    assert sorted(names) == sorted(TABLE.columns)
    assert [block.start for block in encoder.blocks_[1:]] == [
        block.stop for block in encoder.blocks_[:-1]
    ]
    assert encoder.blocks_[-1].stop == array.shape[1]
    assert len(encoder.get_feature_names_out()) == array.shape[1]


def test_blocks_are_in_the_order_of_the_array():
    encoder = InvertibleColumnTransformer(_columns()).fit(TABLE)
    assert encoder.blocks_ == [
        Block("income", "float", 0, 1),
        Block("age", "integer", 1, 2),
        Block("city", "category", 2, 5, ("Lima", "Oslo", "Rome")),
        Block("plan", "category", 5, 8, ("basic", "family", "plus")),
        Block("member", "boolean", 8, 9),
        Block("visits", "integer", 9, 10),
    ]
    dropped = _columns(text=OneHotEncoder(drop="first"))
    kinds = InvertibleColumnTransformer(dropped).fit(TABLE).blocks_
    assert kinds[2:4] == [Block("city", "float", 2, 4), Block("plan", "float", 4, 6)]


def test_a_dropped_category_comes_back_where_the_others_are_small():
    frame = pd.DataFrame({"city": ["Lima", "Oslo", "Rome"]})
    dropped = ColumnTransformer([("cat", OneHotEncoder(drop="first"), ["city"])])
    encoder = InvertibleColumnTransformer(dropped).fit(frame)
    # Lima has 0.6, 0.1 and -0.9.
    array = [[0.2, 0.2], [0.5, 0.4], [0.7, 1.2]]
    found = encoder.inverse_transform(array)["city"].tolist()
    assert found == ["Lima", "Oslo", "Rome"]


@pytest.mark.parametrize("dtype", [TABLE["city"].dtype, object])
def test_gaps_come_back_as_they_are_encoded(dtype):
    gappy = TABLE.astype({"age": "Int64", "city": dtype})
    gappy.loc[[0, 3], ["age", "income", "plan", "city"]] = None
    negative = OrdinalEncoder(encoded_missing_value=-1)
    for text in (OneHotEncoder(), OrdinalEncoder(), negative):
        encoder = InvertibleColumnTransformer(_columns(text=text)).fit(gappy)
        back = encoder.inverse_transform(encoder.transform(gappy))
        pd.testing.assert_frame_equal(back, gappy)


@pytest.mark.parametrize(
    "text",
    [OneHotEncoder(), OneHotEncoder(drop="first"), OrdinalEncoder()],
)
def test_nan_in_an_array_gives_gaps(text):
    encoder = InvertibleColumnTransformer(_columns(text=text)).fit(TABLE)
    array = encoder.transform(TABLE.head(6))
    first = {block.name: block.start for block in encoder.blocks_}
    for row, name in enumerate(TABLE):
        array[row, first[name]] = np.nan
    is_gap = encoder.inverse_transform(array).isna().to_numpy()
    assert_array_equal(is_gap, np.eye(6, dtype=bool))


def test_a_fitted_transformer_is_taken_frozen():
    fitted = _columns().fit(TABLE.iloc[:100])
    frozen = InvertibleColumnTransformer(FrozenEstimator(fitted)).fit(TABLE)
    own = fitted.transform(TABLE).astype(float)
    assert_array_equal(frozen.transform(TABLE), own)
    pd.testing.assert_frame_equal(frozen.inverse_transform(own), TABLE)


def test_frames_of_polars_come_back():
    pl = pytest.importorskip("polars", reason="needs polars")
    table = pl.DataFrame({name: TABLE[name].tolist() for name in TABLE})
    encoder = InvertibleColumnTransformer(_columns()).fit(table)
    array = encoder.transform(table)
    back = encoder.inverse_transform(array)
    assert back.schema == table.schema
    assert back["city"].equals(table["city"])
    assert_allclose(back["income"], table["income"])
    errors = column_errors(make_pipeline(encoder, PCA(3)).fit(table), table)
    assert errors.columns == table.columns


# In a pipeline ------------------------------------------------------------------------


def test_a_pipeline_decodes_and_blends(pipe):
    code = pipe.transform(TABLE)
    _assert_valid(pipe.inverse_transform(code))
    for kind in ("representation", "content"):
        _assert_valid(blend(pipe, TABLE[:5], TABLE[5:10], kind=kind))
    ends = blend(pipe, TABLE[:5], TABLE[5:10], 0.0, kind="content")
    pd.testing.assert_frame_equal(ends, TABLE[:5])
    _assert_valid(interpolate(pipe, TABLE.iloc[0], TABLE.iloc[7], 5))


def test_errors_by_column_have_the_order_of_the_frame(pipe):
    errors = column_errors(pipe, TABLE)
    assert errors.columns.tolist() == TABLE.columns.tolist()
    array = pipe[0].transform(TABLE)
    squares = (array - pipe[1].inverse_transform(pipe[1].transform(array))) ** 2
    assert_allclose(errors["city"], squares[:, 2:5].sum(axis=1))
    assert_allclose(errors.sum(axis=1), squares.sum(axis=1))


def test_its_parts_are_searched():
    ae = DenoisingAutoencoder(2, max_epochs=1, random_state=0)
    encoder = InvertibleColumnTransformer(_columns())
    blocks = clone(encoder).fit(TABLE).blocks_
    ae.set_params(noise=BlockSwapNoise(blocks))
    pipe = make_pipeline(encoder, ae)
    grid = {
        "invertiblecolumntransformer__transformer__num": [
            StandardScaler(),
            MinMaxScaler(),
        ]
    }
    search = GridSearchCV(pipe, grid, cv=2).fit(TABLE)
    _assert_valid(search.best_estimator_.inverse_transform(search.transform(TABLE)))


def test_skops_asks_for_trust_in_its_class_alone(pipe):
    data = skops.io.dumps(pipe[0])
    listed = skops.io.get_untrusted_types(data=data)
    assert listed == ["skae.tabular._invertible.InvertibleColumnTransformer"]
    loaded = skops.io.loads(data, trusted=listed)
    array = pipe[0].transform(TABLE)
    assert_array_equal(loaded.transform(TABLE), array)
    back = loaded.inverse_transform(array)
    pd.testing.assert_frame_equal(back, pipe[0].inverse_transform(array))


def test_gaps_are_filled_by_the_other_encoder(pipe):
    with pytest.raises(TypeError, match=r"impute takes a pipeline .* a TableEncoder"):
        impute(pipe, TABLE)


# What has no way back -----------------------------------------------------------------


def _part(step, columns, **params):
    return _columns(**params).set_params(
        transformers=[("cat", OneHotEncoder(), TEXT), ("x", step, columns)]
    )


@pytest.mark.parametrize(
    ("transformer", "error", "message"),
    [
        (
            _part(PCA(2), NUMBERS),
            TypeError,
            "'income' cannot come back: PCA does not make one column of each",
        ),
        (_part(Binarizer(), NUMBERS), TypeError, "'income' .*has no inverse_transform"),
        (
            _part(KBinsDiscretizer(3), ["age"]),
            TypeError,
            "'age' .*KBins.*does not make",
        ),
        (
            _part(FunctionTransformer(np.log1p), NUMBERS),
            TypeError,
            "FunctionTransformer has no inverse_func",
        ),
        (
            _part(OneHotEncoder(max_categories=3), ["age"]),
            TypeError,
            "OneHotEncoder merges rare categories.*skae.tabular.TableEncoder",
        ),
        (
            _part(OrdinalEncoder(min_frequency=9), ["age"]),
            TypeError,
            "OrdinalEncoder merges rare categories",
        ),
        (
            _part(make_pipeline(StandardScaler(), OneHotEncoder()), ["age"]),
            TypeError,
            "OneHotEncoder comes after another step",
        ),
        (
            _columns(remainder="drop"),
            ValueError,
            "'member' is dropped by .*remainder='passthrough'",
        ),
        (
            _columns().set_params(
                transformers=[
                    *_columns().transformers,
                    ("again", StandardScaler(), ["age"]),
                ]
            ),
            ValueError,
            "'age' is encoded by several transformers. Choose one",
        ),
        (
            TableEncoder(),
            TypeError,
            "transformer is a TableEncoder.*Pass a ColumnTransformer",
        ),
    ],
)
def test_what_has_no_way_back_is_named(transformer, error, message):
    with pytest.raises(error, match=message):
        InvertibleColumnTransformer(transformer).fit(TABLE)


def test_dates_do_not_come_back_from_numbers():
    days = FunctionTransformer(
        lambda X: X.astype("int64"), lambda X: X, check_inverse=False
    )
    transformer = ColumnTransformer([("days", days, ["since"])])
    with pytest.raises(TypeError, match=r"'since' holds date values.*TableEncoder"):
        InvertibleColumnTransformer(transformer).fit(CUSTOMERS[["since"]])


def test_text_that_passes_through_is_refused():
    transformer = ColumnTransformer([("x", "passthrough", ["city"])])
    with pytest.raises(TypeError, match=r"'city' holds category values.*OneHotEncoder"):
        InvertibleColumnTransformer(transformer).fit(TABLE[["city"]])


# skrub --------------------------------------------------------------------------------


def test_a_vectorizer_of_skrub_is_inverted():
    skrub = pytest.importorskip("skrub", reason="needs skrub")
    encoder = InvertibleColumnTransformer(skrub.TableVectorizer()).fit(TABLE)
    array = encoder.transform(TABLE)
    back = encoder.inverse_transform(array)  # of float32
    pd.testing.assert_frame_equal(back, TABLE, rtol=1e-6)
    _assert_valid(
        encoder.inverse_transform(
            np.random.default_rng(0).normal(0, 3, array.shape).astype(np.float32)
        )
    )
    pipe = make_pipeline(encoder, PCA(4)).fit(TABLE)
    _assert_valid(blend(pipe, TABLE[:3], TABLE[3:6]))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("since", "'since' cannot come back: DatetimeEncoder has no inverse_transform"),
        ("text", "'text' cannot come back: StringEncoder .*TableEncoder"),
        ("nothing", "'nothing' is dropped"),
    ],
)
def test_a_vectorizer_that_cannot_be_inverted_names_the_column(column, message):
    skrub = pytest.importorskip("skrub", reason="needs skrub")
    table = CUSTOMERS[["age", "since"]].assign(
        text=[f"number {i}" for i in range(len(CUSTOMERS))], nothing=None
    )
    encoder = InvertibleColumnTransformer(skrub.TableVectorizer())
    with pytest.raises((TypeError, ValueError), match=message):
        encoder.fit(table[["age", column]])


def test_numbers_that_skrub_reads_from_text_are_refused():
    skrub = pytest.importorskip("skrub", reason="needs skrub")
    table = pd.DataFrame({"x": ["1.5", "2.5", "4"] * 9})
    encoder = InvertibleColumnTransformer(skrub.TableVectorizer())
    with pytest.raises(TypeError, match="'x' holds category values"):
        encoder.fit(table)
