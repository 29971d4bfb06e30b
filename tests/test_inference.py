"""Rows give the same bits in batches of any size."""

import numpy as np
import pytest
import torch
from torch import nn

from skae._data.layout import Layout
from skae._model import inference as _inference
from skae._model.inference import apply_in_batches
from skae._networks.conv import Conv
from skae._networks.dense import Dense
from skae._random import RandomStream

LAYOUT = Layout((8, 8), (1, 8, 8))
NETWORKS = {
    "linear": Dense(()),
    "dense": Dense((33,)),
    "deep": Dense((70, 20), activation="tanh"),
    "conv": Conv((4, 8)),
}
ON_CPU = {"dtype": np.dtype("float32"), "device": "cpu"}


def _encoder(name):
    with RandomStream(0).as_global():
        return NETWORKS[name].encoder(LAYOUT, 5).eval()


def _rows(n_rows, dtype=np.float32):
    return np.random.default_rng(0).standard_normal((n_rows, 64)).astype(dtype)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_row_gives_the_same_bits_in_batches_of_any_size(name):
    encoder, rows = _encoder(name), _rows(200)
    together = apply_in_batches(encoder, rows, **ON_CPU)
    assert together.shape == (200, 5)
    for size in range(1, 101):
        alone = apply_in_batches(encoder, rows[:size], **ON_CPU)
        np.testing.assert_array_equal(alone, together[:size], err_msg=f"{size} rows")


@pytest.mark.parametrize("function", [torch.tanh, torch.sigmoid, lambda x: x**0.75])
def test_functions_of_a_single_column_give_the_same_bits(function):
    rows = np.abs(_rows(200))
    together = apply_in_batches(lambda x: function(x[:, :1]), rows, **ON_CPU)
    for size in range(1, 101):
        alone = apply_in_batches(lambda x: function(x[:, :1]), rows[:size], **ON_CPU)
        np.testing.assert_array_equal(alone, together[:size], err_msg=f"{size} rows")


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_row_gives_the_same_at_any_place(name):
    encoder, rows = _encoder(name), _rows(60)
    order = np.random.default_rng(1).permutation(60)
    one = apply_in_batches(encoder, rows, **ON_CPU)[order]
    other = apply_in_batches(encoder, rows[order], **ON_CPU)
    if name == "dense":
        # 33 numbers: not all rows start at a multiple of 16 bytes in memory, and on
        # some processors the last product, with few columns, rounds by that.
        np.testing.assert_allclose(other, one, rtol=0, atol=2e-7)
    else:
        np.testing.assert_array_equal(other, one)


@pytest.mark.parametrize("n_rows", [1, 31, 32, 33, 63, 64, 65, 95, 96, 97, 161])
def test_rows_beyond_a_batch_are_joined_in_order(monkeypatch, n_rows):
    encoder, rows = _encoder("dense"), _rows(n_rows)
    whole = apply_in_batches(encoder, rows, **ON_CPU)
    monkeypatch.setattr(_inference, "_BATCH_SIZE", 96)
    np.testing.assert_array_equal(apply_in_batches(encoder, rows, **ON_CPU), whole)


@pytest.mark.parametrize("n_rows", [1, 31, 32, 33])
@pytest.mark.parametrize("shape", [(), (3,), (2, 5)])
def test_results_of_any_shape_are_kept(n_rows, shape):
    def function(x):
        return x[:, 0].reshape(-1, *(1 for _ in shape)).expand(len(x), *shape)

    rows = _rows(n_rows)
    found = apply_in_batches(function, rows, **ON_CPU)
    assert found.shape == (n_rows, *shape)
    np.testing.assert_array_equal(found.reshape(n_rows, -1)[:, 0], rows[:, 0])


@pytest.mark.parametrize("n_rows", [3, 50])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float64, np.float16, ">f4"])
@pytest.mark.parametrize("wanted", [np.float32, np.float64])
def test_rows_of_any_type_are_cast(n_rows, dtype, wanted):
    rows = np.arange(n_rows * 4).reshape(n_rows, 4).astype(dtype)
    found = apply_in_batches(lambda x: x, rows, dtype=np.dtype(wanted), device="cpu")
    assert found.dtype == wanted
    np.testing.assert_array_equal(found, rows.astype(wanted))


@pytest.mark.parametrize("n_rows", [3, 50])
def test_read_only_and_strided_rows_are_taken(n_rows):
    rows = np.asfortranarray(_rows(2 * n_rows))[::-2]
    rows.flags.writeable = False
    found = apply_in_batches(lambda x: x, rows, **ON_CPU)
    np.testing.assert_array_equal(found, rows)


@pytest.mark.parametrize("n_rows", [3, 50])
def test_results_share_no_memory_with_the_rows(n_rows):
    rows = _rows(n_rows)
    before = rows.copy()
    apply_in_batches(nn.Identity(), rows, **ON_CPU)[:] = 0
    np.testing.assert_array_equal(rows, before)


@pytest.mark.parametrize("n_rows", [3, 50])
def test_layers_that_work_in_place_do_not_change_the_rows(n_rows):
    rows = _rows(n_rows)
    before = rows.copy()
    found = apply_in_batches(nn.ReLU(inplace=True), rows, **ON_CPU)
    np.testing.assert_array_equal(found, np.maximum(before, 0))
    np.testing.assert_array_equal(rows, before)


def test_autograd_is_off_unless_asked_for():
    seen = []

    def function(x):
        seen.append(torch.is_inference_mode_enabled())
        return x

    apply_in_batches(function, _rows(2), **ON_CPU)
    apply_in_batches(function, _rows(2), **ON_CPU, inference=False)
    assert seen == [True, False]
