"""Mixtures of codes and paths between them, against numbers worked by hand."""

import numpy as np
import pytest

from skae._model.latent import PATHS, linear_path, mix_pairs, spherical_path


def _codes(n_pairs=6, n_components=5, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((2, n_pairs, n_components)).astype(dtype)


def test_mixture_by_hand():
    # 0.75 * (4, 0) + 0.25 * (0, 8) = (3, 2); at 2 it is extended: -(4, 0) + 2 (0, 8)
    start = np.array([[4.0, 0.0], [4.0, 0.0]])
    end = np.array([[0.0, 8.0], [0.0, 8.0]])
    mixed = mix_pairs(start, end, np.array([0.25, 2.0]))
    np.testing.assert_array_equal(mixed, [[3.0, 2.0], [-4.0, 16.0]])


def test_each_pair_has_its_own_share_in_any_number_of_axes():
    start, end = np.zeros((3, 2, 4)), np.ones((3, 2, 4))
    mixed = mix_pairs(start, end, np.array([0.0, 0.5, 1.0]))
    for part, share in zip(mixed, (0.0, 0.5, 1.0), strict=True):
        np.testing.assert_array_equal(part, np.full((2, 4), share))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mixture_gives_both_ends_exactly_and_keeps_the_type(dtype):
    start, end = _codes(dtype=dtype)
    n_pairs = len(start)
    first = mix_pairs(start, end, np.zeros(n_pairs))
    last = mix_pairs(start, end, np.ones(n_pairs))
    assert first.dtype == last.dtype == dtype
    np.testing.assert_array_equal(first, start)
    np.testing.assert_array_equal(last, end)


def test_linear_path_by_hand():
    # Five points from (0, 4) to (8, 0): steps of (2, -1).
    path = linear_path(np.array([[0.0, 4.0]]), np.array([[8.0, 0.0]]), 5)
    expected = [[[0, 4], [2, 3], [4, 2], [6, 1], [8, 0]]]
    np.testing.assert_array_equal(path, expected)


@pytest.mark.parametrize("name", sorted(PATHS))
@pytest.mark.parametrize("n_steps", [2, 3, 7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_paths_include_both_ends_exactly(name, n_steps, dtype):
    start, end = _codes(dtype=dtype)
    path = PATHS[name](start, end, n_steps)
    assert path.shape == (len(start), n_steps, start.shape[1])
    assert path.dtype == dtype
    np.testing.assert_array_equal(path[:, 0], start)
    np.testing.assert_array_equal(path[:, -1], end)


@pytest.mark.parametrize("name", sorted(PATHS))
def test_paths_do_not_change_their_input(name):
    start, end = _codes()
    before = start.copy(), end.copy()
    PATHS[name](start, end, 4)
    np.testing.assert_array_equal(start, before[0])
    np.testing.assert_array_equal(end, before[1])


def test_spherical_path_by_hand():
    # From (2, 0) to (0, 4) half way: the direction at 45 degrees, the length 3.
    path = spherical_path(np.array([[2.0, 0.0]]), np.array([[0.0, 4.0]]), 3)
    half = 3 / np.sqrt(2)
    np.testing.assert_allclose(path[0, 1], [half, half], rtol=1e-14)


def test_spherical_path_turns_by_equal_angles_at_an_even_length():
    start, end = _codes()
    n_steps = 9
    path = spherical_path(start, end, n_steps)
    lengths = np.linalg.norm(path, axis=2)
    for pair in range(len(start)):
        expected = np.linspace(lengths[pair, 0], lengths[pair, -1], n_steps)
        np.testing.assert_allclose(lengths[pair], expected, rtol=1e-12)
    unit = path / lengths[..., np.newaxis]
    turns = np.arccos((unit[:, 1:] * unit[:, :-1]).sum(2))
    # arccos of a cosine near 1 loses half of the digits.
    np.testing.assert_allclose(turns, turns[:, :1].repeat(n_steps - 1, 1), rtol=1e-7)


def test_spherical_path_stays_in_the_plane_of_its_ends():
    start, end = _codes(n_components=3)
    path = spherical_path(start, end, 5)
    normal = np.cross(start, end)[:, np.newaxis]
    np.testing.assert_allclose((path * normal).sum(2), 0, atol=1e-13)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ([1.0, 2.0], [3.0, 6.0]),  # parallel
        ([1.0, 2.0], [-2.0, -4.0]),  # opposite
        ([0.0, 0.0], [3.0, 1.0]),  # from the origin
        ([3.0, 1.0], [0.0, 0.0]),  # to the origin
        ([0.0, 0.0], [0.0, 0.0]),
        ([5.0, 5.0], [5.0, 5.0]),  # nowhere
    ],
)
def test_spherical_path_is_straight_where_no_circle_is_defined(start, end):
    start, end = np.array([start]), np.array([end])
    np.testing.assert_array_equal(
        spherical_path(start, end, 5), linear_path(start, end, 5)
    )


def test_straight_and_curved_pairs_share_a_batch():
    start = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    end = np.array([[2.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    together = spherical_path(start, end, 4)
    for pair in range(3):
        alone = spherical_path(start[[pair]], end[[pair]], 4)[0]
        np.testing.assert_array_equal(together[pair], alone)


def test_spherical_path_of_one_component_is_straight():
    start, end = np.array([[2.0], [-1.0]]), np.array([[5.0], [3.0]])
    np.testing.assert_array_equal(
        spherical_path(start, end, 3), linear_path(start, end, 3)
    )


@pytest.mark.parametrize("cosine", [0.999, -0.999])
def test_spherical_path_is_accurate_in_float32_near_its_limits(cosine):
    # 0.05 for a turn of 2.6 or 177.4 degrees: well within float32.
    angle = np.arccos(cosine)
    start = np.array([[1.0, 0.0]], dtype=np.float32)
    end = np.array([[np.cos(angle), np.sin(angle)]], dtype=np.float32)
    exact = spherical_path(start.astype(np.float64), end.astype(np.float64), 5)
    np.testing.assert_allclose(spherical_path(start, end, 5), exact, atol=2e-3)
