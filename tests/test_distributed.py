"""Several processes of torch.distributed train as one does."""

import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import ranks
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

import skae
from skae import AutoencoderTransformer, L1Sparsity, SparseAutoencoder
from skae._data.batches import Batch
from skae._distributed.agreement import describe
from skae._distributed.group import current_group, from_first, is_first, stopping_alike
from skae._distributed.share import Share, current_share, mean_over_batch

spawns = pytest.mark.slow


# Parts, in one process ----------------------------------------------------------------


class OneOf:
    """A group that exchanges nothing."""

    own_stream = None

    def __init__(self, rank, size):
        self.rank = rank
        self.size = size

    def sum(self, x):
        return x.clone()


@pytest.mark.parametrize("n_rows", [1, 2, 3, 7, 12])
def test_each_row_is_in_one_share(n_rows):
    shares = [Share(OneOf(rank, 3), n_rows, None) for rank in range(3)]
    rows = torch.arange(n_rows)
    found = [x for share in shares if share.n_rows for x in rows[share.rows].tolist()]
    assert found == list(range(n_rows))
    assert sum(share.fraction for share in shares) == pytest.approx(1)
    assert max(x.n_rows for x in shares) - min(x.n_rows for x in shares) <= 1


def test_a_process_without_rows_computes_one_that_does_not_count():
    share = Share(OneOf(0, 3), 1, None)
    batch = share.of(Batch(torch.ones(1, 2)))
    assert len(batch.x) == 1
    assert (share.n_rows, share.fraction, share.total_weight) == (0, 0, 0)


def test_the_mean_of_a_share_counts_by_its_weight():
    weight = torch.tensor([1.0, 2.0, 3.0, 2.0])
    first, second = (Share(OneOf(rank, 2), 4, weight) for rank in (0, 1))
    assert (first.fraction, second.fraction) == (3 / 8, 5 / 8)
    assert first.mean(torch.tensor(8.0)) == 3  # the other process adds its own


def test_nothing_is_divided_without_processes():
    assert current_group() is None
    assert current_share() is None
    assert is_first()
    assert from_first("own") == "own"
    x = torch.ones(3, requires_grad=True)
    assert mean_over_batch(x) is x
    with pytest.raises(KeyError), stopping_alike(KeyError):
        raise KeyError


def test_values_are_described_alike_in_each_process():
    ae = SparseAutoencoder(3, penalty=L1Sparsity(0.2), callbacks=[print])
    assert describe(ae) == describe(SparseAutoencoder(**ae.get_params(deep=False)))
    assert describe(ae) != describe(SparseAutoencoder(3, penalty=L1Sparsity(0.3)))
    for one, other in [
        (0.1, 0.2),
        (None, 0),
        ("a", "b"),
        ([1, 2], [2, 1]),
        ({"a": 1}, {"a": 2}),
        (np.zeros(3), np.ones(3)),
        (np.zeros(3), np.zeros(4)),
        (np.random.RandomState(0), np.random.RandomState(1)),
        (nn.Tanh, nn.ReLU),
        (partial(nn.Linear, bias=True), partial(nn.Linear, bias=False)),
        (torch.nn.functional.relu, torch.nn.functional.gelu),
    ]:
        assert describe(one) != describe(other)
        assert describe(one) == describe(one)
        assert " at 0x" not in describe(one)
    torch.manual_seed(0)
    assert describe(nn.Linear(2, 2)) != describe(nn.Linear(2, 2))
    assert describe(np.random.RandomState(3)) == describe(np.random.RandomState(3))
    assert describe(object()) == "object"
    assert describe(torch.zeros(2, 3)) == "Tensor of shape torch.Size([2, 3])"
    assert describe(np.array([None])) == "object of shape (1,) "


# Two processes ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one():
    return ranks.all_cases()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    found = ranks.start(ranks.all_cases, tmp_path_factory.mktemp("two"))
    assert sorted(found) == [0, 1]
    for result in found.values():
        assert isinstance(result, dict), result
    return found


def compare(found, first, expected):
    """Compare the results of one process with those of the first, and of one alone."""
    for name, values in expected.items():
        size = np.abs(values).max()  # relative to the largest of all numbers
        assert_allclose(found[name], values, rtol=0, atol=1e-9 * size, err_msg=name)
        assert_array_equal(found[name], first[name])


@spawns
@pytest.mark.parametrize("case", ranks.CASES)
def test_two_processes_give_the_results_of_one(case, one, two):
    for rank in (0, 1):
        compare(two[rank][case], two[0][case], one[case])


@spawns
def test_four_processes_give_the_results_of_one(one, tmp_path):
    found = ranks.start(ranks.some_cases, tmp_path, size=4)
    assert sorted(found) == [0, 1, 2, 3]
    for results in found.values():
        for case, result in results.items():
            compare(result, found[0][case], one[case])


@spawns
def test_cases_stop_early_or_end_with_all_rows(one):
    assert one["patience"]["n_iter"] < 20
    assert one["final epochs"]["n_iter"] == 20
    assert len(one["final epochs"]["history"]) == 16 * 5 + 4 * 3


def _of_two(function, folder):
    """Return what a function returns in each of two processes."""
    found = ranks.start(function, folder)
    assert sorted(found) == [0, 1]
    for result in found.values():
        assert isinstance(result, dict), result
    return found


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    return _of_two(ranks.errors, tmp_path_factory.mktemp("errors"))


@spawns
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("other rows", "differ in the rows of X: 203 rows, checksum .* in process 1"),
        ("other shape", r"differ in the shape of X: \(203, 12\) in process 0, \(202,"),
        ("other parameter", "differ in max_epochs: 3 in process 0, 4 in process 1. Pa"),
        ("other seed", "differ in random_state: 0 in process 0, 1 in process 1. Pass"),
        ("other weights", "differ in sample_weight: float64 of shape"),
        ("batch norm", "The layer 'encoder.* takes statistics of a batch, of which"),
        ("fit_many", "trained as one in one process, but torch.distributed"),
        ("stacked search", "Use GridSearchCV or RandomizedSearchCV, or fit one"),
        ("divergence", "DivergenceError: The training loss stopped being finite"),
        ("no divergence", "no error"),
    ],
)
def test_errors_are_raised_in_all_processes(name, message, errors):
    for rank in (0, 1):
        assert re.search(message, errors[rank][name]), errors[rank][name]


@spawns
def test_the_error_of_one_process_ends_the_wait_of_the_other(errors):
    lost = "ConnectionError: Another process of torch.distributed has failed"
    assert errors[1]["infinite value in one"].startswith("ValueError")
    assert errors[0]["infinite value in one"].startswith(lost)
    assert errors[1]["bug of one"] == "ZeroDivisionError: a bug of one process"
    assert errors[0]["bug of one"].startswith(lost)
    assert errors[0]["longest"] < 30  # seconds, far below the timeout of torch
    assert_array_equal(errors[0]["codes"], errors[1]["codes"])


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    return _of_two(ranks.alike, tmp_path_factory.mktemp("alike"))


@spawns
@pytest.mark.parametrize("name", ["no seed", "dropout", "callback of one"])
def test_all_processes_have_the_same_weights(name, alike):
    assert_array_equal(alike[0][name], alike[1][name])


@spawns
def test_a_callback_that_stops_one_process_stops_all(alike):
    assert alike[0]["stopped by one"] == alike[1]["stopped by one"] == 2


@spawns
def test_one_process_shows_progress_and_warns(alike):
    assert alike[0]["shown"] == (True, True)
    assert alike[1]["shown"] == (False, False)
    assert alike[0]["warnings"] == 1
    assert alike[1]["warnings"] == 0


@spawns
def test_a_process_that_is_killed_ends_the_fit_of_the_others(tmp_path):
    found = ranks.start(ranks.killed, tmp_path)
    message, is_fitted, seconds = found.pop(0)
    assert found == {}
    assert message.startswith("Another process of torch.distributed has failed, has")
    assert not is_fitted
    assert seconds < 30


@spawns
def test_torchrun(tmp_path):
    path = tmp_path / "ae.skae"
    options = ["--standalone", "--nproc-per-node", "2"]
    script = Path(ranks.__file__)
    command = [sys.executable, "-m", "torch.distributed.run", *options, script, path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    expected = ranks.make(AutoencoderTransformer, 3, **ranks.HIDDEN).fit(ranks.X)
    codes = expected.transform(ranks.X)
    assert_allclose(skae.load(path).transform(ranks.X), codes, rtol=0, atol=1e-9)
