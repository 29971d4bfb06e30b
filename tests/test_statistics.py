"""Statistics in one pass over the rows, against numpy in two."""

import numpy as np
import pytest

from skae._data import statistics as _statistics
from skae._data.statistics import Statistics, compute_statistics


def _assert_describes(found, rows, rtol=1e-12, atol=0.0):
    rows = np.asarray(rows, dtype=np.float64)
    assert found.n_rows == len(rows)
    np.testing.assert_allclose(found.mean, rows.mean(0), rtol=rtol, atol=atol)
    np.testing.assert_allclose(found.variance, rows.var(0), rtol=rtol, atol=atol)
    assert found.low == rows.min()
    assert found.high == rows.max()


def test_statistics_by_hand():
    # Columns (0, 2, 4) and (1, 1, 1): means 2 and 1, variances 8/3 and 0; the scale is
    # the root of the mean variance, sqrt(4/3).
    found = compute_statistics(np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]]))
    np.testing.assert_allclose(found.mean, [2.0, 1.0], rtol=1e-15)
    np.testing.assert_allclose(found.variance, [8 / 3, 0.0], rtol=1e-15)
    assert found.scale == pytest.approx((4 / 3) ** 0.5, rel=1e-15)
    assert (found.n_rows, found.low, found.high) == (3, 0.0, 4.0)


@pytest.mark.parametrize(
    "dtype", [np.float64, np.float32, np.float16, np.uint8, np.int64, bool, ">f4"]
)
def test_statistics_of_any_numeric_type_are_float64(dtype):
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 200, (50, 3)).astype(dtype)
    found = compute_statistics(rows)
    assert found.mean.dtype == found.variance.dtype == np.float64
    _assert_describes(found, rows)


def test_sums_of_uint8_do_not_overflow():
    found = compute_statistics(np.full((1000, 2), 255, dtype=np.uint8))
    np.testing.assert_array_equal(found.mean, 255.0)
    np.testing.assert_array_equal(found.variance, 0.0)


@pytest.mark.parametrize("n_rows", [1, 2, 7, 8, 9, 63, 64, 65])
def test_chunks_change_nothing(monkeypatch, n_rows):
    monkeypatch.setattr(_statistics, "_CHUNK_BYTES", 8 * 8 * 3)  # 8 rows of 3
    rows = np.random.default_rng(n_rows).standard_normal((n_rows, 3))
    _assert_describes(compute_statistics(rows), rows, rtol=1e-11, atol=1e-14)


def test_a_row_longer_than_a_chunk_is_described(monkeypatch):
    monkeypatch.setattr(_statistics, "_CHUNK_BYTES", 8)
    rows = np.random.default_rng(0).standard_normal((5, 7))
    _assert_describes(compute_statistics(rows), rows, rtol=1e-11)


@pytest.mark.parametrize("cut", [1, 10, 49])
def test_merging_is_describing_together(cut):
    rows = np.random.default_rng(1).normal(3.0, 2.0, (50, 4))
    merged = compute_statistics(rows[:cut]).merge(compute_statistics(rows[cut:]))
    _assert_describes(merged, rows)


def test_merging_does_not_depend_on_the_order():
    rows = np.random.default_rng(2).standard_normal((30, 2))
    one, other = compute_statistics(rows[:10]), compute_statistics(rows[10:])
    there, back = one.merge(other), other.merge(one)
    np.testing.assert_allclose(there.mean, back.mean, rtol=1e-13)
    np.testing.assert_allclose(there.variance, back.variance, rtol=1e-13)


@pytest.mark.parametrize("value", [0.0, 1.0, -7.5, 0.1, 1e9])
@pytest.mark.parametrize("n_rows", [1, 2, 100, 9999])
def test_scale_of_constant_data_is_one(value, n_rows):
    # The sum of a hundred 0.1 is rounded, but a scale of 1e-16 must not come of it.
    found = compute_statistics(np.full((n_rows, 3), value))
    np.testing.assert_array_equal(found.mean, value)
    assert found.scale == 1.0


def test_large_offset_does_not_cancel(monkeypatch):
    # E[x^2] - E[x]^2 would leave no digit of a variance of 1 beside 1e9 squared.
    monkeypatch.setattr(_statistics, "_CHUNK_BYTES", 8 * 16 * 2)
    rows = 1e9 + np.random.default_rng(3).standard_normal((200, 2))
    found = compute_statistics(rows)
    np.testing.assert_allclose(found.variance, rows.var(0), rtol=1e-6)


@pytest.mark.parametrize("variance", [0.0, np.inf, np.nan])
def test_scale_is_one_where_it_cannot_be_divided_by(variance):
    flat = Statistics(2, np.zeros(2), np.full(2, variance), 0.0, 0.0)
    assert flat.scale == 1.0


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="no rows to describe"):
        compute_statistics(np.empty((0, 3)))


def test_describing_does_not_change_the_rows():
    rows = np.random.default_rng(0).standard_normal((9, 2)).astype(np.float32)
    rows.flags.writeable = False
    compute_statistics(rows)
