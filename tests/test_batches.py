"""Batches hold every row once, and are sliced before they are cast."""

import itertools

import numpy as np
import pytest
import torch
from torch.utils.data import Subset, TensorDataset

from skae._data.batches import Batch, BatchIterator, HoldOut, RowDataset
from skae._random import RandomStream

FLOAT32 = np.dtype("float32")


def _numbered(n_rows, dtype=FLOAT32):
    """RowDataset whose first entry is their number."""
    return np.stack([np.arange(n_rows), np.ones(n_rows)], axis=1).astype(dtype)


def _seen(iterator):
    """Return the numbers of the rows of each batch."""
    return [x[:, 0].int().tolist() for x, _ in iterator]


def _in_turn(iterator):
    """Return the numbers of all rows, in the order they come in."""
    return list(itertools.chain.from_iterable(_seen(iterator)))


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("batch_size", [1, 2, np.int64(3), 7, 64])
@pytest.mark.parametrize("n_rows", [1, 2, 3, 6, 7, 8, 15])
def test_every_row_comes_exactly_once(n_rows, batch_size, shuffle):
    iterator = BatchIterator(
        RowDataset(_numbered(n_rows), FLOAT32),
        batch_size,
        shuffle=shuffle,
        stream=RandomStream(0),
    )
    batches = _seen(iterator)
    assert sorted(itertools.chain.from_iterable(batches)) == list(range(n_rows))
    assert len(batches) == len(iterator)


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "sizes"),
    [
        (7, 3, [3, 4]),  # 3, 3 and 1: the last joins
        (8, 3, [3, 3, 2]),
        (9, 3, [3, 3, 3]),
        (10, 3, [3, 3, 4]),
        (4, 3, [4]),
        (3, 4, [3]),
        (2, 1, [2]),
        (3, 1, [1, 2]),
        (1, 1, [1]),
        (1, 9, [1]),
    ],
)
def test_last_batch_of_one_row_joins_the_one_before(n_rows, batch_size, sizes):
    iterator = BatchIterator(RowDataset(_numbered(n_rows), FLOAT32), batch_size)
    assert [len(batch) for batch in _seen(iterator)] == sizes


def test_rows_come_in_order_without_shuffling():
    batches = _seen(BatchIterator(RowDataset(_numbered(7), FLOAT32), 3))
    assert batches == [[0, 1, 2], [3, 4, 5, 6]]


def test_input_is_the_target():
    for x, target in BatchIterator(RowDataset(_numbered(5), FLOAT32), 2):
        assert target is x


def test_order_is_drawn_from_the_stream_afresh_in_each_pass():
    def passes(seed):
        iterator = BatchIterator(
            RowDataset(_numbered(20), FLOAT32),
            6,
            shuffle=True,
            stream=RandomStream(seed),
        )
        return _seen(iterator), _seen(iterator)

    before = torch.random.get_rng_state()
    first, second = passes(3)
    assert first != second
    assert (first, second) == passes(3)
    assert first != passes(4)[0]
    assert torch.equal(before, torch.random.get_rng_state())


def test_every_order_is_equally_likely():
    # 6 orders of 3 rows, 1200 passes: 200 each with a deviation of 13.
    iterator = BatchIterator(
        RowDataset(_numbered(3), FLOAT32), 3, shuffle=True, stream=RandomStream(0)
    )
    orders = [tuple(_seen(iterator)[0]) for _ in range(1200)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6
    assert min(counts) > 140


@pytest.mark.parametrize("shuffle", [False, True])
def test_views_give_the_rows_that_they_select(shuffle):
    rows = RowDataset(_numbered(10), FLOAT32)
    inner = Subset(rows, [9, 7, 5, 3, 1, 0])
    outer = Subset(inner, np.array([0, 2, 4]))  # rows 9, 5, 1
    for view, expected in ((inner, [9, 7, 5, 3, 1, 0]), (outer, [9, 5, 1])):
        found = _in_turn(
            BatchIterator(view, 2, shuffle=shuffle, stream=RandomStream(0))
        )
        assert sorted(found) == sorted(expected)
        assert shuffle or found == expected


@pytest.mark.parametrize(
    "dataset",
    [
        TensorDataset(torch.as_tensor(_numbered(5))),
        [torch.as_tensor(row) for row in _numbered(5)],
        [(torch.as_tensor(row), 0) for row in _numbered(5)],
        Subset(TensorDataset(torch.as_tensor(_numbered(9))), range(5)),
    ],
    ids=["tensors", "list", "pairs", "view"],
)
def test_other_datasets_are_read_row_by_row(dataset):
    assert _in_turn(BatchIterator(dataset, 2)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("dtype", [np.uint8, np.float64, np.float16, np.int64, ">f4"])
@pytest.mark.parametrize("wanted", ["float32", "float64"])
def test_a_batch_is_cast_and_the_array_is_not(dtype, wanted):
    array = _numbered(6, dtype)
    rows = RowDataset(array, np.dtype(wanted))
    assert rows.rows is array
    for x, _ in BatchIterator(rows, 2):
        assert x.dtype == getattr(torch, wanted)
    assert _in_turn(BatchIterator(rows, 2)) == list(range(6))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_memory_maps_are_not_copied(tmp_path, dtype):
    np.save(tmp_path / "rows.npy", _numbered(50, dtype))
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    rows = RowDataset(mapped, FLOAT32)
    assert rows.rows is mapped
    iterator = BatchIterator(rows, 8, shuffle=True, stream=RandomStream(0))
    for x, _ in iterator:
        x.zero_()  # a batch is a copy: the map is read-only
    assert sorted(_in_turn(iterator)) == list(range(50))


def test_a_batch_can_be_written_to_without_touching_the_array():
    array = _numbered(6)
    for x, _ in BatchIterator(RowDataset(array, FLOAT32), 6):
        x.zero_()
    np.testing.assert_array_equal(array, _numbered(6))


def test_rows_are_a_dataset_of_pairs():
    rows = RowDataset(_numbered(4, np.uint8), FLOAT32)
    row, target = rows[2]
    assert len(rows) == 4
    assert row is target
    assert row.dtype == torch.float32
    assert row.tolist() == [2.0, 1.0]


@pytest.mark.parametrize(
    ("n_rows", "fraction", "n_held"),
    [
        (2, 0.1, 1),
        (2, 0.9, 1),
        (10, 0.1, 1),
        (10, 0.25, 2),  # half to even
        (10, 0.31, 3),
        (100, 0.2, 20),
        (5, 0.01, 1),
        (5, 0.99, 4),
    ],
)
def test_held_out_rows_are_as_many_as_asked(n_rows, fraction, n_held):
    kept, held = HoldOut(fraction, seed=0)(RowDataset(_numbered(n_rows), FLOAT32))
    assert (len(kept), len(held)) == (n_rows - n_held, n_held)
    assert sorted([*kept.indices, *held.indices]) == list(range(n_rows))


def test_held_out_rows_are_decided_by_the_seed():
    rows = RowDataset(_numbered(40), FLOAT32)
    held = [HoldOut(0.25, seed)(rows)[1].indices.tolist() for seed in (0, 0, 1)]
    assert held[0] == held[1]
    assert held[0] != held[2]
    assert held[0] != list(range(30, 40))  # not simply the last ones


def test_held_out_rows_are_views():
    rows = RowDataset(_numbered(40), FLOAT32)
    for part in HoldOut(0.25, seed=0)(rows):
        assert part.dataset is rows


def test_a_single_row_cannot_be_held_out():
    match = "n_samples=1. Set early_stopping=False and validation_fraction=None"
    with pytest.raises(ValueError, match=match):
        HoldOut(0.1, seed=0)(RowDataset(_numbered(1), FLOAT32))


# Weights ------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [False, True])
def test_weights_stay_with_their_rows(shuffle):
    rows = RowDataset(_numbered(7), FLOAT32, weight=10.0 * np.arange(7))
    view = Subset(rows, [6, 4, 5, 1, 0])
    iterator = BatchIterator(view, 2, shuffle=shuffle, stream=RandomStream(0))
    seen = []
    for x, target in iterator:
        assert isinstance(target, Batch)
        assert target.x is x
        number = x[:, 0]
        seen += number.tolist()
        assert torch.equal(target.weight, 10 * number)
        assert target.total_weight == target.weight.sum()
    assert sorted(seen) == [0, 1, 4, 5, 6]
    if not shuffle:
        assert seen == [6, 4, 5, 1, 0]


def test_a_plain_batch_is_a_pair_of_rows():
    x = torch.ones(3, 2)
    assert Batch.of(Batch(x).pair()).is_plain
    assert Batch(x).pair() == (x, x)
    assert Batch(x).total_weight == 3


def test_rows_with_weights_are_not_taken_one_by_one():
    rows = RowDataset(_numbered(3), FLOAT32, weight=np.ones(3))
    with pytest.raises(TypeError, match="in batches only"):
        rows[0]
