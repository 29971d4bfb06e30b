"""Paths between codes: through codes of data, and by projections."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae._model.data_path as module
from skae import AutoencoderTransformer, InterpolationDisplay, interpolate
from skae._model.data_path import data_path

rng = np.random.default_rng(0)
ANGLES = np.sort(rng.uniform(0, 2 * np.pi, 300))
CIRCLE = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
X = load_digits().data[:300] / 16


def _path(start, end, n_steps, through):
    found = data_path(np.array([start]), np.array([end]), n_steps, np.array(through))
    return found[0]


def test_the_way_round_a_circle_stays_on_it():
    quarter = [1.0, 0.0], [0.0, 1.0]
    path = _path(*quarter, 7, CIRCLE)
    assert_allclose(np.linalg.norm(path, axis=1), 1, atol=0.01)
    assert_array_equal(path[[0, -1]], quarter)
    turns = np.diff(np.arctan2(path[:, 1], path[:, 0]))
    assert_allclose(turns, np.pi / 12, rtol=0.02)  # equal, and by the shorter arc


def test_steps_are_equal_along_the_way():
    path = _path([0.0, 0], [2.0, 2], 5, [[0.0, 0], [2, 0], [2, 1], [2, 2]])
    assert_allclose(path, [[0, 0], [1, 0], [2, 0], [2, 1], [2, 2]])


def test_many_short_edges_are_shorter_than_a_leap():
    through = [[0.0, 0], [1, 1], [2, 1], [3, 0]]
    path = _path([0.0, 0], [3.0, 0], 3, through)
    assert_allclose(path[1], [1.5, 1])  # 2 + 1 + 2 by the others, 9 straight


def test_neighbours_are_joined_at_once():
    path = _path([0.0, 0.0], [0.1, 0.0], 3, CIRCLE)
    assert_allclose(path, [[0, 0], [0.05, 0], [0.1, 0]], atol=1e-12)


def _search(codes):
    return NearestNeighbors().fit(codes)


def _count_parts(graph):
    return connected_components(graph, directed=False)[0]


def test_separate_parts_are_joined_where_they_are_nearest():
    cluster = rng.uniform(-0.5, 0.5, size=(20, 2))
    cluster[:2] = [-1, 0], [1, 0]  # the nearest to the parts on both sides
    through = np.concatenate([cluster + np.array([x, 0]) for x in (0, 10, 20)])
    path = _path(through[5], through[45], 201, through)
    crosses = (np.abs(path[:, 0] - 5) < 3.9) | (np.abs(path[:, 0] - 15) < 3.9)
    assert crosses.any()
    assert_allclose(path[crosses, 1], 0, atol=1e-9)
    graph = module._neighbors(_search(through), through)
    assert _count_parts(graph) >= 3
    whole = module._bridged(graph, _search(through), through)
    assert _count_parts(whole) == 1
    assert whole[1, 20] == whole[20, 1] == 8**2


def test_large_parts_are_joined_alike(monkeypatch):
    circles = [CIRCLE + np.array(shift) for shift in ([0, 0], [5, 0], [0, 7])]
    through = np.concatenate(circles)
    ends = circles[1][:4], circles[2][-4:]
    expected = data_path(*ends, 9, through)
    monkeypatch.setattr(module, "_LARGE", 2)
    assert_allclose(data_path(*ends, 9, through), expected)


def test_a_pair_does_not_depend_on_the_others(monkeypatch):
    start, end = rng.normal(size=(2, 5, 2))
    together = data_path(start, end, 6, CIRCLE)
    monkeypatch.setattr(module, "_N_PAIRS", 2)
    for i in range(5):
        assert_array_equal(_path(start[i], end[i], 6, CIRCLE), together[i])
    assert_array_equal(data_path(start, end, 6, CIRCLE), together)


def test_equal_codes_are_passed():
    through = np.repeat([[0.0, 0], [1, 0], [2, 0]], 5, axis=0)
    path = _path([0.0, 0], [2.0, 0], 3, through)
    assert_allclose(path, [[0, 0], [1, 0], [2, 0]])
    assert_array_equal(_path([1.0, 0], [1.0, 0], 4, through), [[1, 0]] * 4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("exponent", [-100, 100])
def test_codes_may_be_small_or_large(dtype, exponent):
    scale = 2.0**exponent  # whose square is not in the range of float32
    ends, through = CIRCLE[[[0], [80]]].astype(dtype), CIRCLE.astype(dtype)
    expected = data_path(*ends, 9, through)
    scaled = (x.astype(dtype) for x in (scale * ends[0], scale * ends[1]))
    found = data_path(*scaled, 9, (scale * through).astype(dtype))
    assert_array_equal(found, (scale * expected).astype(dtype))


def test_steps_may_be_counted_by_any_integer(ae):
    ends = X[:2], X[2:4]
    assert_array_equal(ae.interpolate(*ends, np.int8(100)), ae.interpolate(*ends, 100))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_types_are_kept(dtype):
    path = data_path(*CIRCLE[:2, np.newaxis].astype(dtype), 3, CIRCLE.astype(dtype))
    assert path.dtype == dtype


# Estimators ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ae():
    return AutoencoderTransformer(8, max_epochs=10, random_state=0).fit(X)


def _far(samples, known):
    return np.linalg.norm(samples[:, np.newaxis] - known, axis=2).min(axis=1)


def test_walks_through_data_stay_near_it(ae):
    ends = X[:20], X[100:120]
    linear = ae.interpolate(*ends, 7)
    by_data = ae.interpolate(*ends, 7, path="data", through=X)
    assert by_data.shape == (20, 7, 64)
    assert_allclose(by_data[:, [0, -1]], linear[:, [0, -1]], atol=1e-6)
    inner = (walk[:, 1:-1].reshape(-1, 64) for walk in (linear, by_data))
    far_linear, far_by_data = (_far(x, X).mean() for x in inner)
    assert far_by_data < 0.9 * far_linear


def test_projections_are_decoded_and_encoded_again(ae):
    found = ae.interpolate(X[0], X[1], 5, path="projected")
    codes = np.linspace(*ae.transform(X[:2]), 5, dtype=np.float32)
    for _ in range(5):
        codes[1:-1] = ae.transform(ae.inverse_transform(codes[1:-1]))
    assert_allclose(found, ae.inverse_transform(codes), atol=1e-5)
    assert ae.interpolate(X[0], X[1], 2, path="projected").shape == (2, 64)


def test_sparse_samples_are_refused_by_name(ae):
    with pytest.raises(TypeError, match=r"Sparse data .* Pass through.toarray\(\)"):
        ae.interpolate(X[0], X[1], 5, path="data", through=csr_array(X))


def test_any_transformer_and_images():
    pipe = make_pipeline(StandardScaler(), PCA(5)).fit(X)
    walk = interpolate(pipe, X[0], X[50], 7, path="data", through=X)
    assert walk.shape == (7, 64)
    images = X.reshape(-1, 8, 8)
    ae = AutoencoderTransformer(4, max_epochs=1, random_state=0).fit(images)
    for path, through in (("data", images), ("projected", None)):
        walk = ae.interpolate(images[0], images[1:3], 4, path=path, through=through)
        assert walk.shape == (2, 4, 8, 8)


def test_rows_of_a_table():
    pd = pytest.importorskip("pandas")
    from skae.tabular import TableEncoder

    frame = pd.DataFrame({"x": np.arange(60.0), "c": ["a", "b", "c"] * 20})
    pipe = make_pipeline(TableEncoder(), PCA(3)).fit(frame)
    for path, through in (("data", frame), ("projected", None)):
        walk = interpolate(
            pipe, frame.iloc[0], frame.iloc[59], 5, path=path, through=through
        )
        assert walk["c"].isin(["a", "b", "c"]).all()
        assert walk["x"].is_monotonic_increasing


def test_displays_show_them(ae):
    pytest.importorskip("matplotlib")
    display = InterpolationDisplay.from_estimator(
        ae, X[0], X[1], 5, path="data", through=X
    )
    expected = ae.interpolate(X[0], X[1], 5, path="data", through=X)
    assert_array_equal(display.walks["representation"][0], expected)


# Refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"path": "data"}, r"path='data' and through=None do not go together"),
        ({"path": "linear", "through": X}, r"path='linear' and through=X do not go"),
        ({"path": "data", "through": X[0]}, r"through needs at least two samples"),
        ({"path": "data", "through": X[:1]}, r"through needs at least two samples"),
        ({"path": "data", "through": X[:, :5]}, r"through has shape \(300, 5\)"),
        ({"path": "graph"}, r"Choose 'linear' or 'spherical' or 'projected' or 'data'"),
    ],
)
def test_what_does_not_fit_is_refused(ae, params, message):
    with pytest.raises(ValueError, match=message):
        ae.interpolate(X[0], X[1], 5, **params)
