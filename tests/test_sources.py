"""Samples that are kept outside memory: read in blocks, and shuffled in a buffer."""

import datetime
import tracemalloc

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler

from skae import (
    AnomalyDetector,
    AutoencoderTransformer,
    ContractiveAutoencoder,
    ConvAutoencoder,
    DeepFeatures,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae._data.batches import BatchIterator, HoldOut, RowDataset
from skae._data.rows import first_rows
from skae._random import RandomStream
from skae._sources.kinds import find_source
from skae._sources.rows import SelectedRows, StoredRows
from skae._sources.source import Source, equal_bounds

N_ROWS, N_FEATURES = 600, 5
SORTED = np.linspace(-1, 1, N_ROWS)[:, None]
X = (SORTED @ np.ones((1, N_FEATURES))).astype(np.float32)
X += np.random.RandomState(0).normal(scale=0.2, size=X.shape).astype(np.float32)
NAMES = [f"column {i}" for i in range(N_FEATURES)]
FAST = {"max_epochs": 4, "random_state": 0, "hidden_layer_sizes": (8,)}
DENSE = [
    AutoencoderTransformer,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
]


class Minimal:
    """All that is asked of an array: a shape, a type, and slices of samples."""

    def __init__(self, samples):
        self.samples, self.shape, self.dtype = samples, samples.shape, samples.dtype
        self.n_read = 0

    def __getitem__(self, index):
        assert isinstance(index, slice)
        some = self.samples[index]
        self.n_read += len(some)
        return some


class Items(torch.utils.data.Dataset):
    """Samples with labels."""

    def __init__(self, samples):
        self.samples = samples

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return torch.from_numpy(self.samples[index]), 0


def _memmap(folder):
    file = np.memmap(folder / "x.raw", X.dtype, mode="w+", shape=X.shape)
    file[:] = X
    return file


def _h5py(folder):
    h5py = pytest.importorskip("h5py")
    return h5py.File(folder / "x.h5", "w").create_dataset("X", data=X, chunks=(70, 2))


def _zarr(folder):
    zarr = pytest.importorskip("zarr")
    array = zarr.open(
        str(folder / "x.zarr"), mode="w", shape=X.shape, chunks=(64, 3), dtype=X.dtype
    )
    array[:] = X
    return array


def _dask(folder):
    return pytest.importorskip("dask.array").from_array(X, chunks=(170, 2))


def _dask_frame(folder):
    dd = pytest.importorskip("dask.dataframe")
    pd = pytest.importorskip("pandas")
    return dd.from_pandas(pd.DataFrame(X, columns=NAMES), npartitions=4)


def _polars(folder):
    polars = pytest.importorskip("polars")
    return polars.DataFrame(dict(zip(NAMES, X.T, strict=True)))


def _lazy(folder):
    return _polars(folder).lazy()


def _arrow(folder):
    pa = pytest.importorskip("pyarrow")
    return pa.table(dict(zip(NAMES, map(np.ascontiguousarray, X.T), strict=True)))


def _parquet(folder):
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(_arrow(folder), folder / "x.parquet", row_group_size=110)
    return parquet.ParquetFile(folder / "x.parquet")


def _arrow_dataset(folder):
    _parquet(folder)
    dataset = pytest.importorskip("pyarrow.dataset")
    return dataset.dataset(folder / "x.parquet")


def _items(folder):
    return Items(X)


def _tensors(folder):
    return torch.utils.data.TensorDataset(torch.from_numpy(X), torch.zeros(N_ROWS))


def _hugging_face(folder):
    datasets = pytest.importorskip("datasets")
    return datasets.Dataset.from_dict(dict(zip(NAMES, X.T, strict=True)))


def _minimal(folder):
    return Minimal(X)


NAMED = [_dask_frame, _polars, _lazy, _arrow, _parquet, _arrow_dataset, _hugging_face]
KINDS = [_memmap, _h5py, _zarr, _dask, _items, _tensors, _minimal, *NAMED]


def _allow(monkeypatch, n_bytes):
    """Let no more bytes be in memory."""
    for name in ("_BUFFER_BYTES", "_READ_BYTES"):
        monkeypatch.setattr(f"skae._data.rows.{name}", n_bytes)


def _id(make):
    return make.__name__.strip("_")


# Kinds --------------------------------------------------------------------------------


@pytest.mark.parametrize("make", KINDS, ids=_id)
def test_blocks_of_each_kind_are_its_samples_in_their_order(make, tmp_path):
    source = find_source(make(tmp_path))
    assert source.shape == X.shape
    np.testing.assert_array_equal(source.read_all(), X)
    blocks = [len(source.read(i)) for i in range(len(source.bounds) - 1)]
    np.testing.assert_array_equal(np.diff(source.bounds), blocks)


@pytest.mark.parametrize("make", KINDS, ids=_id)
def test_a_fit_to_what_fits_in_the_buffer_is_that_to_the_array(make, tmp_path):
    given = make(tmp_path)
    found = AutoencoderTransformer(2, shuffle_buffer=N_ROWS, **FAST).fit(given)
    expected = AutoencoderTransformer(2, **FAST).fit(X)
    np.testing.assert_array_equal(found.transform(given), expected.transform(X))
    assert found.history_ == expected.history_


@pytest.mark.parametrize("make", KINDS, ids=_id)
def test_each_kind_is_trained_in_pieces(make, tmp_path):
    given = make(tmp_path)
    ae = AutoencoderTransformer(2, shuffle_buffer=100, **FAST).fit(given)
    assert ae.score(given) > PCA(2).fit(X).explained_variance_ratio_.sum() - 0.01


@pytest.mark.parametrize("make", NAMED, ids=_id)
@pytest.mark.parametrize("shuffle_buffer", [100, N_ROWS])
def test_columns_of_tables_have_names(make, shuffle_buffer, tmp_path):
    table = make(tmp_path)
    ae = AutoencoderTransformer(2, shuffle_buffer=shuffle_buffer, **FAST).fit(table)
    assert ae.feature_names_in_.tolist() == NAMES
    ae.transform(table)  # without a warning


def test_a_table_with_other_columns_is_refused(tmp_path):
    ae = AutoencoderTransformer(2, **FAST).fit(_lazy(tmp_path))
    with pytest.raises(ValueError, match="feature names should match"):
        ae.transform(_lazy(tmp_path).rename({NAMES[0]: "another"}))


def test_gaps_of_a_table_are_nan(tmp_path):
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": pa.array([1, None, 3]), "b": pa.array([True, False, True])})
    np.testing.assert_array_equal(
        find_source(table).read_all(), [[1, 1], [np.nan, 0], [3, 1]]
    )


@pytest.mark.parametrize(
    "given",
    [X, X.tolist(), torch.from_numpy(X), X[:, 0], object()],
    ids=["array", "list", "tensor", "vector", "object"],
)
def test_what_is_in_memory_is_no_source(given):
    assert find_source(given) is None


def test_images_of_a_data_set_keep_their_shape():
    images = np.random.RandomState(0).uniform(size=(200, 8, 8)).astype(np.float32)
    settings = {"max_epochs": 2, "random_state": 0}
    found = ConvAutoencoder(4, shuffle_buffer=64, **settings).fit(Items(images))
    assert found.reconstruct(images[:3]).shape == (3, 8, 8)
    both = found.transform(Items(images)), found.transform(images)
    np.testing.assert_array_equal(*both)


# Refusals -----------------------------------------------------------------------------


def test_a_data_set_without_a_length_is_refused():
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(X)

    with pytest.raises(TypeError, match=r"Stream, which has no length.*partial_fit"):
        AutoencoderTransformer().fit(Stream())


def test_items_that_are_dicts_are_refused():
    class Named(Items):
        def __getitem__(self, index):
            return {"x": self.samples[index]}

    with pytest.raises(TypeError, match="dicts, with the keys"):
        AutoencoderTransformer().fit(Named(X))


def test_columns_of_arrays_beside_others_are_refused():
    datasets = pytest.importorskip("datasets")
    given = datasets.Dataset.from_dict({"image": X[:9].tolist(), "label": [0] * 9})
    with pytest.raises(ValueError, match=r"select_columns\(\['image'\]\)"):
        AutoencoderTransformer().fit(given)
    only = given.select_columns(["image"])
    np.testing.assert_array_equal(find_source(only).read_all(), X[:9])


def test_a_dask_array_of_unknown_length_is_refused():
    da = pytest.importorskip("dask.array")
    array = da.from_array(X, chunks=100)
    with pytest.raises(ValueError, match="compute_chunk_sizes"):
        AutoencoderTransformer().fit(array[array[:, 0] > 0])


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("method", ["fit", "transform"])
def test_a_wrong_value_names_the_rows_that_were_read(wrong, method, monkeypatch):
    _allow(monkeypatch, 1000)
    monkeypatch.setattr("skae._sources.source._BLOCK_BYTES", 2000)
    samples = X.copy()
    samples[250, 3] = wrong
    ae = AutoencoderTransformer(2, **FAST)
    ae = ae if method == "fit" else ae.fit(X)
    with pytest.raises(ValueError, match=r"(?i)(nan|inf).*row 250.*rows 200 to 299"):
        getattr(ae, method)(Minimal(samples))


def test_values_beyond_float32_are_refused(monkeypatch):
    samples = X.astype(np.float64)
    samples[400, 1] = 1e300
    with pytest.raises(ValueError, match="too large for dtype"):
        AutoencoderTransformer(2, shuffle_buffer=100, **FAST).fit(Minimal(samples))


@pytest.mark.parametrize(
    ("types", "match"),
    [(("i1", "i8"), "int64 from row 300 on"), (("f4", "f8"), "float64 from row 300")],
)
def test_items_of_several_types_are_refused_or_kept(types, match, monkeypatch):
    monkeypatch.setattr("skae._sources.source._BLOCK_BYTES", 1)
    values = np.clip(1000 * X, -100, 100)
    items = [x.astype(types[i >= 300]) for i, x in enumerate(values)]
    with pytest.raises(TypeError, match=match):
        AutoencoderTransformer(2, shuffle_buffer=100, **FAST).fit(Items(items))
    found = find_source(Items(items)).read_all()
    np.testing.assert_array_equal(found, np.stack(items))


class Lists(Items):
    def __getitem__(self, index):
        return self.samples[index]


def test_items_may_be_lists_of_numbers_and_have_one_shape():
    np.testing.assert_array_equal(find_source(Lists(X.tolist())).read_all(), X)
    ragged = Lists([np.zeros(4), np.zeros(3)])
    with pytest.raises(ValueError, match=r"item 1 has shape \(3,\)"):
        find_source(ragged).read_all()


@pytest.mark.parametrize("buffer", [100, N_ROWS])
def test_masked_entries_that_are_read_are_refused(buffer):
    masked = np.ma.masked_array(X, mask=X > 0.5)
    with pytest.raises(ValueError, match="masked entries"):
        AutoencoderTransformer(2, shuffle_buffer=buffer, **FAST).fit(Minimal(masked))


def test_doubles_and_formats_of_hugging_face_are_kept():
    datasets = pytest.importorskip("datasets")
    times = np.array([[1.7e9 + i, i / 3] for i in range(50)])
    table = datasets.Dataset.from_dict({"a": times[:, 0], "b": times[:, 1]})
    np.testing.assert_array_equal(find_source(table).read_all(), times)
    nested = datasets.Dataset.from_dict({"x": times.tolist()})
    np.testing.assert_array_equal(find_source(nested).read_all(), times)
    one = table.with_format("torch", columns=["b"])
    np.testing.assert_array_equal(find_source(one).read_all(), times[:, 1:])
    doubled = table.with_transform(lambda batch: {"a": [2 * x for x in batch["a"]]})
    np.testing.assert_array_equal(find_source(doubled).read_all(), 2 * times[:, :1])
    splits = datasets.DatasetDict({"train": table})
    with pytest.raises(TypeError, match=r"X\['train'\]"):
        AutoencoderTransformer().fit(splits)


def test_a_query_without_an_order_is_refused():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"g": np.arange(20_000) % 5000, "x": np.ones(20_000)})
    query = frame.lazy().group_by("g").agg(pl.col("x").sum())
    with pytest.raises(ValueError, match="another order each time"):
        find_source(query, 100)
    ordered = find_source(query.sort("g"), 100)
    np.testing.assert_array_equal(ordered.read_all()[:, 0], np.arange(5000))


@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize("buffer", [10, "auto"])
def test_dates_of_polars_are_refused_with_the_column(lazy, buffer):
    pl = pytest.importorskip("polars")
    date = datetime.date(2020, 1, 1)
    frame = pl.DataFrame({"a": X[:60, 0], "d": [date] * 60})
    ae = AutoencoderTransformer(1, shuffle_buffer=buffer, **FAST)
    with pytest.raises(TypeError, match="contains dates: column"):
        ae.fit(frame.lazy() if lazy else frame)


@pytest.mark.parametrize("buffer", [50, "auto"])
def test_nullable_columns_have_gaps(buffer):
    pa = pytest.importorskip("pyarrow")
    flags = [True, False] * 299 + [True, None]
    table = pa.table({"a": X[:, 0].copy(), "b": X[:, 1].copy(), "d": flags})
    ae = AutoencoderTransformer(2, missing="mask", shuffle_buffer=buffer, **FAST)
    assert ae.fit(table).impute(table)[-1, 2] == pytest.approx(0.5, abs=0.5)


@pytest.mark.parametrize(
    "make", [_lazy, _arrow_dataset, _items, _hugging_face], ids=_id
)
def test_nothing_is_fitted_to_no_samples(make, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "X", X[:0])
    with pytest.raises(ValueError, match=r"(?i)0 (sample|feature)"):
        AutoencoderTransformer(2, **FAST).fit(make(tmp_path))


def test_objects_that_numpy_converts_are_arrays():
    class Other(Minimal):
        def __array__(self, dtype=None, copy=None):
            return np.asarray(self.samples, dtype=dtype)

    one, other = Other(X), Other(X)
    one.dtype, other.chunks = "a type of another library", 5
    expected = AutoencoderTransformer(2, **FAST).fit_transform(X)
    for given in (one, other):
        found = AutoencoderTransformer(2, **FAST).fit_transform(given)
        np.testing.assert_array_equal(found, expected)


def test_paths_and_groups_are_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    with pytest.raises(TypeError, match=r"X is a path, 'X\.parquet'"):
        AutoencoderTransformer().fit("X.parquet")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["rows"] = X
        with pytest.raises(TypeError, match=r"group of arrays, \['rows'\]"):
            AutoencoderTransformer().fit(file)


# Rows ---------------------------------------------------------------------------------


def _stored(samples=X, n_block=70, n_buffer=200):
    bounds = equal_bounds(len(samples), 2**30, n_block)
    source = Source(
        samples.shape, bounds, lambda i: samples[bounds[i] : bounds[i + 1]], 20
    )
    return StoredRows(source, lambda rows, start: rows, n_buffer)


@pytest.mark.parametrize(
    "index",
    [
        3,
        -1,
        slice(None),
        slice(60, 220),
        slice(70, 140),
        slice(5, 5),
        slice(590, 2, -7),
        slice(0, None, 99),
        [5, 500, 5],
        np.arange(N_ROWS) % 3 == 0,
    ],
    ids=str,
)
def test_rows_are_indexed_as_those_of_an_array(index):
    np.testing.assert_array_equal(_stored()[index], X[index])


@pytest.mark.parametrize("indices", [[], [599, 0, 70, 69, 0], range(600)], ids=str)
def test_rows_are_taken_as_those_of_an_array(indices):
    indices = np.array(indices, dtype=int)
    np.testing.assert_array_equal(_stored().take(indices), X[indices])
    chosen = np.arange(0, N_ROWS, 2)
    some = SelectedRows(_stored(), chosen)
    np.testing.assert_array_equal(some.take(indices // 2), X[chosen][indices // 2])


def test_a_selection_and_a_rest_have_the_blocks_of_all():
    left_out = np.r_[0:70, 75, 300]
    rest, some = _stored().without(left_out), _stored().select(left_out)
    np.testing.assert_array_equal(rest[:], np.delete(X, left_out, axis=0))
    np.testing.assert_array_equal(some[:], X[left_out])
    assert some.bounds.tolist() == [0, 70, 71, 72]


def test_a_small_buffer_holds_many_blocks_unless_chunks_are_large():
    rows, *_ = first_rows(Minimal(X), None, shuffle_buffer=100)
    assert np.diff(rows.bounds).max() == 3
    file = Minimal(X)
    file.chunks = (50, N_FEATURES)
    rows, *_ = first_rows(file, None, shuffle_buffer=100)
    assert np.diff(rows.bounds).max() == 50


def test_rows_that_are_kept_are_not_read_again():
    source = Minimal(X)
    rows, *_ = first_rows(source, None, shuffle_buffer=100)
    chosen = np.array([2, 300, 599])
    rows.keep(chosen)
    assert len(rows[:]) == N_ROWS
    n_read = source.n_read
    np.testing.assert_array_equal(rows.take(chosen), X[chosen])
    assert source.n_read == n_read


# Batches ------------------------------------------------------------------------------


def _numbers(n_rows):
    return np.arange(n_rows, dtype=np.float32)[:, None]


@pytest.mark.parametrize("n_rows", [1, 2, 99, 100, 101, 350])
@pytest.mark.parametrize("batch_size", [1, 2, 7, 50, 1000])
@pytest.mark.parametrize("n_buffer", [1, 30, 100])
@pytest.mark.parametrize("shuffle", [True, False])
def test_every_row_comes_once_in_batches_of_the_usual_size(
    n_rows, batch_size, n_buffer, shuffle
):
    def sizes_and_rows(rows):
        dataset = RowDataset(rows, np.dtype(np.float32))
        iterator = BatchIterator(
            dataset, batch_size, shuffle=shuffle, stream=RandomStream(0)
        )
        batches = [x for x, _ in iterator]
        assert len(batches) == len(iterator)
        return [len(x) for x in batches], torch.cat(batches).numpy()

    samples = _numbers(n_rows)
    sizes, rows = sizes_and_rows(_stored(samples, n_block=20, n_buffer=n_buffer))
    assert sizes == sizes_and_rows(samples)[0]
    assert sorted(rows.ravel()) == samples.ravel().tolist()
    if not shuffle:
        np.testing.assert_array_equal(rows, samples)


def test_a_buffer_holds_rows_from_random_places():
    """Of 100 blocks in order, 10 fill the buffer: their mean is near that of all."""
    rows = _stored(_numbers(1000), n_block=10, n_buffer=100)
    dataset = RowDataset(rows, np.dtype(np.float32))
    iterator = BatchIterator(dataset, 100, shuffle=True, stream=RandomStream(0))
    first, second = (next(iter(iterator))[0] for _ in range(2))
    assert first.std() > 200  # of all: 289; of one block: 3
    assert not torch.equal(first, second)  # another order in each epoch


def test_held_out_rows_are_not_trained_on_and_read_once():
    source = Minimal(_numbers(500))
    rows, *_ = first_rows(source, None, shuffle_buffer=100)
    training, held_out = HoldOut(0.1, 0)(RowDataset(rows, np.dtype(np.float32)))
    seen = torch.cat([x for x, _ in BatchIterator(training, 32, shuffle=True)])
    held = torch.cat([x for x, _ in BatchIterator(held_out, 32)])
    assert len(held) == 50
    assert sorted([*seen.ravel().tolist(), *held.ravel().tolist()]) == list(range(500))
    n_read = source.n_read
    assert torch.equal(held, torch.cat([x for x, _ in BatchIterator(held_out, 32)]))
    assert source.n_read == n_read


# Estimators ---------------------------------------------------------------------------


@pytest.mark.parametrize("cls", DENSE)
def test_results_for_a_source_are_those_for_its_array(cls, monkeypatch):
    ae = cls(2, shuffle_buffer=100, **FAST).fit(Minimal(X))
    _allow(monkeypatch, 1000)
    for method in ("transform", "reconstruct", "score_samples"):
        both = (getattr(ae, method)(x) for x in (Minimal(X), X))
        np.testing.assert_array_equal(*both)
    assert ae.score(Minimal(X)) == pytest.approx(ae.score(X), rel=1e-12)


@pytest.mark.parametrize("cls", DENSE[:-1])  # R² of a VAE varies more with its seed
def test_a_small_buffer_learns_sorted_rows_as_well(cls):
    small, full = (
        cls(2, shuffle_buffer=n, **{**FAST, "max_epochs": 10}).fit(Minimal(X)).score(X)
        for n in (150, N_ROWS)
    )
    assert small == pytest.approx(full, abs=0.02)


def test_settings_of_rows_hold_for_a_source():
    weight = np.r_[np.zeros(300), np.ones(300)]
    ae = AutoencoderTransformer(2, shuffle_buffer=100, **FAST)
    weighted = clone(ae).fit(Minimal(X), sample_weight=weight)
    np.testing.assert_allclose(weighted._model.mean, X[300:].mean(0), rtol=1e-5)
    validated = clone(ae).fit(Minimal(X), X_val=Minimal(X[:50]))
    assert "valid_loss" in validated.history_[0]
    gaps = np.where(np.random.RandomState(0).uniform(size=X.shape) < 0.1, np.nan, X)
    masked = clone(ae).set_params(missing="mask").fit(Minimal(gaps))
    filled = masked.impute(gaps)
    error = np.abs(filled - X)[np.isnan(gaps)].mean()
    assert error < np.abs(np.nanmean(gaps, 0) - X)[np.isnan(gaps)].mean() / 2
    images = clone(ae).set_params(loss="binary_cross_entropy")
    assert images.fit(Minimal((X > 0).astype(np.uint8))).score(X > 0) > 0.2
    conditioned = VariationalAutoencoder(2, shuffle_buffer=100, **FAST)
    conditioned.fit(Minimal(X), condition=X[:, 0] > 0)
    assert conditioned.sample(3, condition=True).shape == (3, N_FEATURES)


def test_a_stream_takes_sources():
    ae = AutoencoderTransformer(2, shuffle_buffer=100, **FAST)
    for _ in range(3):
        ae.partial_fit(Minimal(X))
    assert ae.score(X) > 0.5
    again = clone(ae).set_params(warm_start=True).fit(Minimal(X))
    assert len(again.fit(Minimal(X)).history_) == 8


def test_a_detector_is_fitted_to_a_source(monkeypatch):
    _allow(monkeypatch, 2000)
    detector = AnomalyDetector(random_state=0).fit(Minimal(X))
    both = detector.score_samples(Minimal(X)), detector.score_samples(X)
    np.testing.assert_allclose(*both, rtol=1e-3)
    assert (detector.predict(X) == -1).mean() < 0.1
    noise = np.random.RandomState(0).normal(scale=3, size=X.shape)
    assert (detector.predict(X + noise) == -1).mean() > 0.9
    assert detector.estimator_[0].mean_ == pytest.approx(X.mean(0), abs=0.05)


def test_all_methods_of_a_detector_take_a_source(monkeypatch):
    _allow(monkeypatch, 2000)
    ae = AutoencoderTransformer(2, **FAST)
    detector = AnomalyDetector(ae, random_state=0).fit(Minimal(X))
    for method in ("transform", "explain", "p_values", "select"):
        both = (getattr(detector, method)(x) for x in (Minimal(X), X))
        np.testing.assert_allclose(*both, rtol=1e-3, atol=1e-4)


def test_a_detector_reads_a_source_as_often_as_its_estimator(monkeypatch):
    _allow(monkeypatch, 2000)
    alone, within = Minimal(X), Minimal(X)
    alone.chunks = within.chunks = (100, N_FEATURES)
    ae = AutoencoderTransformer(2, **FAST)
    clone(ae).fit(alone)
    AnomalyDetector(ae, random_state=0).fit(within)
    assert within.n_read < 2 * alone.n_read


def test_a_rate_that_too_few_rows_can_hold_is_refused(monkeypatch):
    _allow(monkeypatch, 2000)
    with pytest.raises(ValueError, match="at most 300 do"):
        AnomalyDetector(false_positive_rate=0.002).fit(Minimal(X))
    detector = AnomalyDetector(calibration_fraction=None).fit(Minimal(X))
    assert detector.calibration_method_ == "split"


def test_a_step_that_needs_all_rows_is_refused(monkeypatch):
    _allow(monkeypatch, 2000)
    pipe = make_pipeline(PowerTransformer(), AutoencoderTransformer(2, **FAST))
    with pytest.raises(TypeError, match="PowerTransformer has no partial_fit"):
        AnomalyDetector(pipe).fit(Minimal(X))


# Lazy results -------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [*DENSE, ConvAutoencoder])
@pytest.mark.parametrize("method", ["transform", "reconstruct", "score_samples"])
def test_results_for_a_dask_array_are_lazy(cls, method):
    da = pytest.importorskip("dask.array")
    settings = {k: v for k, v in FAST.items() if k != "hidden_layer_sizes"}
    samples = X
    if cls is ConvAutoencoder:
        samples = np.random.RandomState(0).uniform(size=(300, 8, 8))
    ae = cls(2, **settings).fit(samples)
    found = getattr(ae, method)(
        da.from_array(samples, chunks=170 if samples.ndim > 2 else (170, 2))
    )
    assert isinstance(found, da.Array)
    expected = getattr(ae, method)(samples)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(found.compute(), expected)


def test_lazy_results_pass_through_steps_and_unknown_lengths():
    da = pytest.importorskip("dask.array")
    ae = AutoencoderTransformer(2, early_stopping=False, **FAST).fit(X)
    array = da.from_array(X, chunks=(100, N_FEATURES))
    some = array[array[:, 0] > 0]
    codes = ae.inverse_transform(ae.transform(some))
    expected = ae.inverse_transform(ae.transform(X[X[:, 0] > 0]))
    np.testing.assert_array_equal(codes.compute(), expected)
    features = DeepFeatures(ae).fit(X)
    np.testing.assert_array_equal(
        features.transform(array).compute(), features.transform(X)
    )
    detector = AnomalyDetector(make_pipeline(StandardScaler(), clone(ae))).fit(X)
    np.testing.assert_array_equal(
        detector.predict(array).compute(), detector.predict(X)
    )


def test_several_results_for_each_sample_are_not_lazy():
    da = pytest.importorskip("dask.array")
    ae = AutoencoderTransformer(2, missing="mask", **FAST).fit(X)
    with pytest.raises(ValueError, match=r"pass X\.compute\(\)"):
        ae.impute(da.from_array(X), 3)


@pytest.mark.parametrize("n_draws", [1, 2, 3, 5])
def test_draws_are_not_lazy(n_draws):
    da = pytest.importorskip("dask.array")
    ae = AutoencoderTransformer(2, missing="mask", **FAST).fit(X)
    with pytest.raises(ValueError, match="one result"):
        ae.impute(da.from_array(X), n_draws)


def test_lazy_results_are_those_of_the_time_of_the_call():
    da = pytest.importorskip("dask.array")
    ae = AutoencoderTransformer(2, **FAST).fit(X)
    expected = ae.transform(X)
    lazy = ae.transform(da.from_array(X, chunks=(100, N_FEATURES)))
    ae.partial_fit(5 * X)
    np.testing.assert_array_equal(lazy.compute(), expected)


def test_a_condition_for_each_sample_is_divided_into_chunks():
    da = pytest.importorskip("dask.array")
    condition = np.arange(N_ROWS) % 3
    array = da.from_array(X, chunks=(170, 2))
    ae = VariationalAutoencoder(2, **FAST)
    codes = ae.fit_transform(array, condition=condition)
    expected = ae.transform(X, condition=condition)
    np.testing.assert_allclose(codes.compute(), expected, rtol=0, atol=1e-6)
    decoded = ae.inverse_transform(codes, condition=condition)
    expected = ae.inverse_transform(expected, condition=condition)
    np.testing.assert_allclose(decoded.compute(), expected, rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="2 values for"):
        ae.transform(da.from_array(X[:4], chunks=(2, -1)), condition=[0, 1])


# Memory -------------------------------------------------------------------------------


class Virtual:
    """Rows that are made when they are read."""

    dtype = np.dtype(np.float32)

    def __init__(self, n_rows):
        self.shape = (n_rows, 50)

    def __getitem__(self, index):
        start, stop, _ = index.indices(self.shape[0])
        t = np.arange(start, stop, dtype=np.float32)[:, None]
        return np.sin(t * np.arange(1, 51, dtype=np.float32) / 50)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows():
    def peak(n_rows):
        settings = {**FAST, "max_epochs": 1, "batch_size": 1024}
        ae = AutoencoderTransformer(2, shuffle_buffer=10_000, **settings)
        tracemalloc.start()
        ae.fit(Virtual(n_rows)).score(Virtual(n_rows))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(20_000)
    assert peak(400_000) < peak(100_000) + 2**22  # 60 MB more rows
