"""A fit with a checkpoint resumes to the bits of one that was not interrupted."""

import errno
import os
import signal
import sys
from contextlib import suppress

import numpy as np
import pytest
import scipy.sparse
import torch
from checkpoints import fitted as fitted_alone
from checkpoints import tell_and_fit
from conftest import ESTIMATORS
from helpers import ShiftOutput, process_context
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback, EpochScoring, LRScheduler
from skorch.callbacks import EarlyStopping as SkorchStopping
from torch import nn
from torch.utils.data import DataLoader

import skae
from skae import (
    AutoencoderTransformer,
    ConvAutoencoder,
    DivergenceError,
    FitWarning,
    GaussianNoise,
    VariationalAutoencoder,
)
from skae._persistence import checkpoint
from skae._training.schedules import LearningRate

pytestmark = pytest.mark.filterwarnings("ignore::skae.FitWarning")

_Z, _MAP = (
    np.random.RandomState(i).normal(size=n) for i, n in enumerate([(120, 2), (2, 8)])
)
X = np.sin(3 * _Z @ _MAP).astype("f")
WEIGHT = np.random.RandomState(1).uniform(0.5, 2, size=120)
GAPS = np.where(np.random.RandomState(2).uniform(size=X.shape) < 0.2, np.nan, X)
IMAGES = np.random.RandomState(3).uniform(size=(60, 8, 8)).astype("f")
N_BATCHES = 5  # of an epoch of 108 of the 120 rows


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A path, which is written between all batches."""
    monkeypatch.setattr(checkpoint, "_MOST_SHARE", np.inf)
    return tmp_path / "fit.checkpoint"


class Watched(Callback):
    """A callback for batches: with it the loop is that of skorch."""

    def on_train_begin(self, net, **kwargs):
        self.n_batches_ = 0

    def on_batch_end(self, net, training, **kwargs):
        self.n_batches_ += training


class Raises(Callback):
    """Raise at the end of an epoch."""

    def __init__(self, epoch=3):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise OSError("the disk of the callback is full")


def encoder(n_in, n_out):
    return nn.Sequential(
        nn.Linear(n_in, 6), nn.ReLU(), nn.Dropout(0.2), nn.Linear(6, n_out)
    )


def decoder(n_in, n_out):
    return nn.Sequential(nn.Linear(n_in, 6), nn.BatchNorm1d(6), nn.Linear(6, n_out))


def absolute(reconstruction, x):
    return (reconstruction - x).abs()


def jitter(x, generator):
    return x + 0.1 * torch.randn(x.shape, generator=generator)


CASES = {
    "user modules": {"encoder": encoder, "decoder": decoder},
    "user loss": {"loss": absolute},
    "lambda": {"loss": lambda reconstruction, x: (reconstruction - x).square()},
    "noise": {"corruption": GaussianNoise(0.3), "augmentation": jitter},
    "gaps": {"missing": "mask"},
    "sgd": {"optimizer": "sgd", "lr": 0.01, "optimizer__momentum": 0.9},
    "rmsprop": {"optimizer": "rmsprop", "lr": 1e-3},
    "cosine": {"lr_schedule": "cosine"},
    "scheduler": {"callbacks": [LRScheduler("ExponentialLR", gamma=0.8)]},
    "plateau": {"callbacks": [LRScheduler("ReduceLROnPlateau", patience=1)]},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 2, "max_epochs": 12},
    "no stopping": {"early_stopping": False, "n_iter_no_change": None},
    "batch callback": {"callbacks": [Watched()]},
    "scoring": {"callbacks": [EpochScoring("r2", on_train=True)]},
    "skorch's stopping": {
        "callbacks": [SkorchStopping("train_loss", 3, load_best=True)]
    },
    "DataLoader": {
        "net_params": {"iterator_train": DataLoader, "iterator_train__shuffle": True}
    },
    "float64": {"dtype": "float64"},
    "one thread of bfloat16": {"precision": "bfloat16"},
    "penalty": {"sparsity": 0.01, "code_activation": "relu"},
}


def make(cls=AutoencoderTransformer, **params):
    ae = cls(3, max_epochs=6, batch_size=24, random_state=0)
    return ae.set_params(**params)


def interrupt(monkeypatch, n_batches, fit, error=KeyboardInterrupt):
    """Call a function that fits, and raise before one of the batches."""
    advance, calls = LearningRate.advance, []

    def interrupted(self):
        calls.append(0)
        if len(calls) == n_batches + 1:
            raise error
        advance(self)

    with monkeypatch.context() as patch:
        patch.setattr(LearningRate, "advance", interrupted)
        with pytest.raises(error):
            fit()


def without_times(history):
    return [{k: v for k, v in epoch.items() if k != "dur"} for epoch in history]


def assert_tensors_equal(found, expected):
    assert type(found) is type(expected)
    if torch.is_tensor(found):
        assert torch.equal(found, expected)
    elif isinstance(found, dict):
        assert found.keys() == expected.keys()
        for key in found:
            assert_tensors_equal(found[key], expected[key])
    elif isinstance(found, (list, tuple)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_tensors_equal(one, other)
    elif isinstance(found, np.ndarray):
        assert_array_equal(found, expected)
    else:
        assert found == expected or (found != found and expected != expected)


def assert_same_fit(found, expected, rows=X):
    nets = found.net_, expected.net_
    one, other = (dict(net.module_.state_dict()) for net in nets)
    assert_tensors_equal(one, other)
    one, other = (net.optimizer_.state_dict() for net in nets)
    assert_tensors_equal(one, other)
    one, other = (net.module_.stream.__getstate__() for net in nets)
    assert_tensors_equal(one, other)
    one, other = (without_times(net.history) for net in nets)
    assert_tensors_equal(one, other)
    assert found.n_iter_ == expected.n_iter_
    assert nets[0].module_.n_epochs == nets[1].module_.n_epochs
    assert_array_equal(found.transform(rows), expected.transform(rows))
    # What training does next.
    found, expected = (
        x.set_params(callbacks=None).partial_fit(rows) for x in (found, expected)
    )
    assert_array_equal(found.transform(rows), expected.transform(rows))


def check(monkeypatch, path, make, places, rows=X, **given):
    """Interrupt a fit at some batches, one after another, and compare its result."""
    expected = make().fit(rows, **given)
    for place in places:
        ae = make(checkpoint=path)
        interrupt(monkeypatch, place, lambda ae=ae: ae.fit(rows, **given))
        assert path.exists()
    found = make(checkpoint=path).fit(rows, **given)
    assert os.listdir(path.parent) == []
    assert_same_fit(found, expected, rows)


# Bits ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place", [0, 2, N_BATCHES, 2 * N_BATCHES + 3, 5 * N_BATCHES + 1]
)
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_resumed_fit_is_equal_in_every_class(cls, place, monkeypatch, path):
    rows = IMAGES if cls is ConvAutoencoder else X
    n = 3 if cls is ConvAutoencoder else N_BATCHES  # batches of an epoch
    place = place // N_BATCHES * n + min(place % N_BATCHES, n - 1)

    def shifted(**params):  # so that training is better than the start
        return make(cls, callbacks=[ShiftOutput()], **params)

    check(monkeypatch, path, shifted, [place], rows)


@pytest.mark.parametrize("name", CASES)
def test_resumed_fit_is_equal_with_parts_of_all_kinds(name, monkeypatch, path):
    params = CASES[name]
    rows = GAPS if name == "gaps" else X
    # Each is the number of batches after those that were resumed.
    places = [7, 4] if name == "early stopping" else [7, 4, 5]
    check(monkeypatch, path, lambda **k: make(**params, **k), places, rows)


def test_resumed_fit_is_equal_with_weights_and_held_out_rows(monkeypatch, path):
    given = {"sample_weight": WEIGHT, "X_val": X[:30] + 0.1}
    check(monkeypatch, path, make, [7, 6], **given)


def test_resumed_fit_is_equal_with_a_condition(monkeypatch, path):
    def conditioned(**params):
        return make(VariationalAutoencoder, condition=[0], kl_warmup=3, **params)

    check(monkeypatch, path, conditioned, [7, 6])


def test_resumed_fit_is_equal_for_rows_on_disk(monkeypatch, path, tmp_path_factory):
    file = tmp_path_factory.mktemp("rows") / "X.npy"
    np.save(file, X)
    check(monkeypatch, path, make, [7, 6], np.load(file, mmap_mode="r"))


def test_resumed_fit_is_equal_for_sparse_rows(monkeypatch, path):
    rows = scipy.sparse.csr_array(np.where(X > 0.3, X, 0))
    check(monkeypatch, path, make, [7, 6], rows)


def test_progress_begins_where_the_fit_resumes(monkeypatch, path, capsys):
    interrupted(monkeypatch, path)
    make(checkpoint=path, verbose=1).fit(X)
    out, err = capsys.readouterr()
    assert out == ""
    assert "1/6" not in err
    assert "5/6" in err
    assert "6/6" not in err  # the last epoch is not run: the start was better


def test_only_the_first_of_several_processes_writes(monkeypatch, path):
    expected = make().fit(X)
    before = interrupted(monkeypatch, path)
    monkeypatch.setattr(checkpoint, "is_first", lambda: False)
    found = make(checkpoint=path).fit(X)
    assert path.read_bytes() == before
    assert_same_fit(found, expected)


def test_many_interrupts_are_as_good_as_none(monkeypatch, path):
    check(monkeypatch, path, lambda **k: make(callbacks=[ShiftOutput()], **k), [3] * 9)


def test_resume_when_all_rows_are_trained_on(monkeypatch, path):
    # Of 10 epochs, the last two train on held-out rows as well.
    def shifted(**params):
        return make(max_epochs=10, callbacks=[ShiftOutput()], **params)

    check(monkeypatch, path, shifted, [8 * N_BATCHES + 3, 4])


def test_resumed_rows_are_not_read_again(monkeypatch, path):
    ae = make(checkpoint=path, early_stopping=False, max_epochs=1)
    interrupt(monkeypatch, 3, lambda: ae.fit(X))
    read, take = [], skae._data.batches.RowDataset.take

    def counted(self, indices):
        read.append(len(indices))
        return take(self, indices)

    monkeypatch.setattr(skae._data.batches.RowDataset, "take", counted)
    ae.fit(X)
    compared = 1 + len(X)  # with those of the interrupted fit
    assert sum(read) == compared + len(X) - 3 * 24


@pytest.mark.parametrize("random_state", [None, 0, np.random.RandomState(0)])
def test_seed_is_that_of_the_interrupted_fit(random_state, monkeypatch, path):
    ae = make(random_state=random_state, checkpoint=path)
    interrupt(monkeypatch, 7, lambda: ae.fit(X))
    seed = ae.net_.seed
    ae.fit(X)
    assert ae.net_.seed == seed
    expected = make().set_params(random_state=np.random.RandomState(0)).fit(X)
    if random_state is not None:
        assert_array_equal(ae.transform(X), expected.transform(X))


def test_random_state_has_drawn_once(monkeypatch, path):
    draws = []
    for is_new in (False, True):
        source = np.random.RandomState(5)
        ae = make(random_state=source, checkpoint=path)
        interrupt(monkeypatch, 7, lambda ae=ae: ae.fit(X))
        if is_new:  # as in a new process
            source = np.random.RandomState(5)
            ae.set_params(random_state=source)
        ae.fit(X)
        draws.append(source.randint(1000))
    source = np.random.RandomState(5)
    make(random_state=source).fit(X)
    assert draws == [source.randint(1000)] * 2


def test_diverges_to_the_same_weights(monkeypatch, path):
    def diverging(**params):
        given = {"optimizer": "sgd", "lr": 3.0, "lr_schedule": "constant"}
        return make(early_stopping=False, **given, **params)

    expected = diverging()
    with pytest.raises(DivergenceError):
        expected.fit(X)
    found = diverging(checkpoint=path)
    interrupt(monkeypatch, 2, lambda: found.fit(X))
    with pytest.raises(DivergenceError):
        found.fit(X)
    assert_array_equal(found.transform(X), expected.transform(X))
    assert not path.exists()


def test_writing_changes_no_number(path):
    assert_same_fit(make(checkpoint=path).fit(X), make().fit(X))
    assert not path.exists()


def test_path_as_text_and_in_files_of_estimators(path, tmp_path):
    for given in (path, str(path)):
        ae = make(checkpoint=given).fit(X)
        ae.save(tmp_path / "ae.skae")
        assert skae.load(tmp_path / "ae.skae").checkpoint == str(path)


def test_error_of_a_callback_leaves_the_checkpoint(path):
    ae = make(checkpoint=path, callbacks=[Raises()])
    with pytest.raises(OSError, match="disk of the callback"):
        ae.fit(X)
    assert path.exists()
    assert not hasattr(ae, "history_")


def test_partial_fit_uses_no_checkpoint(path):
    make(checkpoint=path).partial_fit(X)
    assert not path.exists()
    path.write_bytes(b"another file")
    make(checkpoint=path).partial_fit(X)
    assert path.read_bytes() == b"another file"


def test_written_seldom_by_default(tmp_path, monkeypatch):
    written, write = [], checkpoint.write_whole
    clock = iter(np.arange(0, 1e6, 1.0))  # a second for each look at it
    monkeypatch.setattr(checkpoint.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(
        checkpoint, "write_whole", lambda *a: (written.append(a), write(*a))
    )
    make(checkpoint=tmp_path / "fit").fit(X)
    # Writing takes one second, and each batch another one.
    assert len(written) == 1 + (6 * N_BATCHES - 1) // 21


# Killed processes ---------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("kind", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_another_process_resumes_for_a_killed_one(kind, tmp_path):
    path = tmp_path / "fit.checkpoint"
    context = process_context()
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=tell_and_fit, args=(path, there.send))
    process.start()
    there.close()
    for _ in range(17):
        assert here.recv() == "batch"
    os.kill(process.pid, getattr(signal, kind))
    with suppress(EOFError):
        while True:
            assert here.recv() == "batch"
    process.join(60)
    assert process.exitcode != 0
    assert path.exists()
    assert_same_fit(fitted_alone(path), fitted_alone(), X[:, :6])
    assert os.listdir(tmp_path) == []


# Refusals -----------------------------------------------------------------------------


def interrupted(monkeypatch, path, rows=X, **params):
    ae = make(checkpoint=path, **params)
    interrupt(monkeypatch, 7, lambda: ae.fit(rows))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"max_epochs": 7}, "max_epochs: 6 there, 7 here"),
        ({"random_state": 1}, "random_state: "),
        ({"loss": absolute}, "loss: 'squared_error' there, <function absolute"),
        ({"corruption": GaussianNoise(0.1)}, "corruption: None there, GaussianNoise"),
        ({"cls": VariationalAutoencoder}, "the class: AutoencoderTransformer there"),
    ],
)
def test_file_of_other_parameters_is_refused(params, message, monkeypatch, path):
    before = interrupted(monkeypatch, path)
    with pytest.raises(ValueError, match=message) as refused:
        make(checkpoint=path, **params).fit(X)
    assert "belongs to another fit" in str(refused.value)
    assert "Delete the file" in str(refused.value)
    assert "or give another path" in str(refused.value)
    assert path.read_bytes() == before


def other_values(rows):
    return rows + np.float32(1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_values, "the training rows of X: 108 of 8 columns there, another here"),
        (lambda x: x[:-10], "108 of 8 columns there, 99 of 8 columns here"),
        (lambda x: x[:, :5], "108 of 8 columns there, 108 of 5 columns here"),
        (lambda x: x[::-1], "the training rows of X"),
    ],
)
def test_file_of_other_data_is_refused(change, message, monkeypatch, path):
    before = interrupted(monkeypatch, path)
    with pytest.raises(ValueError, match=message):
        make(checkpoint=path).fit(change(X))
    assert path.read_bytes() == before


def test_one_changed_row_among_many_is_seen(monkeypatch, path):
    monkeypatch.setattr(skae._persistence.fingerprint, "_MOST_BYTES", 2**10)
    interrupted(monkeypatch, path)
    changed = X.copy()
    changed[1::2] += 1e-2
    with pytest.raises(ValueError, match="belongs to another fit"):
        make(checkpoint=path).fit(changed)


def test_file_of_other_weights_or_held_out_rows_is_refused(monkeypatch, path):
    ae = make(checkpoint=path)
    given = {"sample_weight": WEIGHT, "X_val": X[:20]}
    interrupt(monkeypatch, 7, lambda: ae.fit(X, **given))
    with pytest.raises(ValueError, match="the training rows of X"):
        ae.fit(X, sample_weight=WEIGHT + 0.1, X_val=X[:20])
    with pytest.raises(ValueError, match="the held-out rows"):
        ae.fit(X, sample_weight=WEIGHT, X_val=X[1:21])
    ae.fit(X, **given)


def test_file_of_another_random_state_is_refused(monkeypatch, path):
    interrupted(monkeypatch, path, random_state=np.random.RandomState(1))
    with pytest.raises(ValueError, match="random_state: another there"):
        make(checkpoint=path, random_state=np.random.RandomState(2)).fit(X)


def test_file_of_another_version_is_refused(monkeypatch, path):
    def of_another_torch():
        return {"skae": "0.1", "torch": "1.0"}

    with monkeypatch.context() as patch:
        patch.setattr(skae._persistence.fingerprint, "versions_now", of_another_torch)
        interrupted(patch, path)
    with pytest.raises(ValueError, match=r"the version of torch: 1\.0 there"):
        make(checkpoint=path).fit(X)


def test_edited_function_is_another_one(monkeypatch, path):
    def loss_with(factor):
        return lambda reconstruction, x: factor * (reconstruction - x).square()

    interrupted(monkeypatch, path, loss=loss_with(1.0))
    with pytest.raises(ValueError, match="loss: <function"):
        make(checkpoint=path, loss=loss_with(2.0)).fit(X)
    make(checkpoint=path, loss=loss_with(1.0)).fit(X)


def test_damaged_file_is_refused(monkeypatch, path):
    data = interrupted(monkeypatch, path)
    for damaged in (
        b"",
        data[:100],
        data[:-1],
        bytes([*data[:-999], data[-999] ^ 1, *data[-998:]]),
    ):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"checkpoint=.*damaged.*Delete the file"):
            make(checkpoint=path).fit(X)
        assert path.read_bytes() == damaged


def test_file_of_an_estimator_is_no_checkpoint(monkeypatch, path):
    make().fit(X).save(path)
    with pytest.raises(ValueError, match="no entry 'skae_checkpoint'"):
        make(checkpoint=path).fit(X)
    path.unlink()
    interrupted(monkeypatch, path)
    with pytest.raises(ValueError, match="It is a checkpoint"):
        skae.load(path)


def test_refused_fit_leaves_the_estimator(monkeypatch, path):
    interrupted(monkeypatch, path)
    ae = make(max_epochs=2).fit(X)
    codes = ae.transform(X)
    with pytest.raises(ValueError, match="belongs to another fit"):
        ae.set_params(checkpoint=path).fit(X)
    assert_array_equal(ae.transform(X), codes)


def test_folder_that_does_not_exist_is_refused_before_training(tmp_path):
    ae = make(checkpoint=tmp_path / "none" / "fit", callbacks=[Raises(1)])
    with pytest.raises(FileNotFoundError, match="Nothing is trained"):
        ae.fit(X)


def test_folder_as_path_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError, match="no plain file"):
        make(checkpoint=tmp_path).fit(X)


def test_warm_start_is_refused(path):
    with pytest.raises(ValueError, match="warm_start=True both say"):
        make(checkpoint=path, warm_start=True).fit(X)


class Counter(Callback):
    """A callback that holds what no file can."""

    def on_train_begin(self, net, **kwargs):
        self.seen_ = iter(())


def test_callback_that_cannot_be_stored_is_refused(path):
    with pytest.raises(TypeError, match="'Counter' holds a tuple_iterator as seen_"):
        make(checkpoint=path, callbacks=[Counter()]).fit(X)
    assert not path.exists()


class Counting(Counter):
    """The same, with a state."""

    def on_train_begin(self, net, **kwargs):
        super().on_train_begin(net)
        self.n_ = 0

    def on_epoch_end(self, net, **kwargs):
        self.n_ += 1

    def state_dict(self):
        return {"n": self.n_}

    def load_state_dict(self, state):
        self.n_ = state["n"]


def test_callback_gives_its_state(monkeypatch, path):
    interrupted(monkeypatch, path, callbacks=[Counting()])
    ae = make(checkpoint=path, callbacks=[Counting()]).fit(X)
    assert dict(ae.net_.callbacks_)["Counting"].n_ == len(ae.history_)


class Draws:
    """A corruption with a generator of its own, whose state no file holds."""

    def __init__(self):
        self.rng = np.random.RandomState(0)

    def __call__(self, x, generator):
        return x + torch.from_numpy(self.rng.normal(size=x.shape).astype("f"))


def test_part_with_a_state_of_its_own_is_refused(monkeypatch, path):
    ae = make(checkpoint=path, corruption=Draws())
    with pytest.raises(TypeError, match="what corruption holds changes in training"):
        ae.fit(X)  # the start has been measured
    ae.set_params(early_stopping=False)
    with pytest.warns(FitWarning, match="what corruption holds changes in training"):
        ae.fit(X)


# Full disks and other fits ------------------------------------------------------------


def test_full_disk_at_the_start_is_refused(monkeypatch, path):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_whole", full)
    with pytest.raises(OSError, match=r"No space left on device\. Nothing is trained"):
        make(checkpoint=path).fit(X)


def test_full_disk_ends_no_training(monkeypatch, path):
    expected, write, calls = make().fit(X), checkpoint.write_whole, []

    def full_for_a_while(*args):
        calls.append(path.exists() and path.read_bytes())
        if 3 < len(calls) < 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(*args)

    monkeypatch.setattr(checkpoint, "write_whole", full_for_a_while)
    with pytest.warns(FitWarning, match="No space left on device") as told:
        interrupt(monkeypatch, 7, lambda: make(checkpoint=path).fit(X))
    assert len([x for x in told if "No space" in str(x.message)]) == 1
    assert path.read_bytes() == calls[4] == calls[5]  # the last that was written
    found = make(checkpoint=path).fit(X)
    assert_same_fit(found, expected)
    assert os.listdir(path.parent) == []


def test_two_fits_with_one_path_do_not_mix(monkeypatch, path):
    first = make(checkpoint=path)
    advance, calls = LearningRate.advance, []

    def with_another_fit(self):
        calls.append(0)
        if len(calls) == 7:
            with pytest.raises(ValueError, match="n_components: 3 there, 2 here"):
                clone(first).set_params(n_components=2).fit(X)
        advance(self)

    monkeypatch.setattr(LearningRate, "advance", with_another_fit)
    first.fit(X)
    assert_array_equal(first.transform(X), make().fit(X).transform(X))


def test_file_that_another_fit_has_replaced_is_left_alone(monkeypatch, path):
    advance, calls = LearningRate.advance, []

    def replaced(self):
        calls.append(0)
        if len(calls) == 7:
            path.unlink()
            path.write_bytes(b"of another fit")
        advance(self)

    monkeypatch.setattr(LearningRate, "advance", replaced)
    with pytest.warns(FitWarning, match="another fit writes the same file"):
        make(checkpoint=path).fit(X)
    assert path.read_bytes() == b"of another fit"


def test_search_with_one_path(path):
    grid = {"n_components": [2, 3]}
    found = GridSearchCV(make(checkpoint=path), grid, cv=2, error_score="raise").fit(X)
    expected = GridSearchCV(make(), grid, cv=2).fit(X)
    for name in ("mean_test_score", "std_test_score"):
        assert_array_equal(found.cv_results_[name], expected.cv_results_[name])
    assert not path.exists()


def test_several_fits_at_once_train_those_with_a_checkpoint_alone(path):
    others = [make(n_components=k) for k in (2, 3)]
    own = make(checkpoint=path)
    with pytest.warns(UserWarning, match="1 because of a checkpoint"):
        fitted = skae.fit_many([*others, own], X)
    assert_array_equal(fitted[-1].transform(X), make().fit(X).transform(X))
    assert not path.exists()


class Slices:
    """Samples that are read in slices."""

    def __init__(self, samples):
        self.samples, self.shape, self.dtype = samples, samples.shape, samples.dtype
        self.chunks = (10,)

    def __getitem__(self, index):
        return self.samples[index]


@pytest.mark.parametrize("n_batches", [0, 3, 4, 7, 19])
def test_a_fit_to_rows_past_memory_resumes_to_the_same_bits(
    n_batches, path, monkeypatch
):
    ae = make(corruption=GaussianNoise(0.3), shuffle_buffer=40)
    expected = clone(ae).fit(Slices(X), sample_weight=WEIGHT)
    ae.set_params(checkpoint=path)
    interrupt(monkeypatch, n_batches, lambda: ae.fit(Slices(X), sample_weight=WEIGHT))
    found = ae.fit(Slices(X), sample_weight=WEIGHT)
    assert_array_equal(found.transform(X), expected.transform(X))
    assert_array_equal(found.reconstruct(X), expected.reconstruct(X))


def test_other_rows_past_memory_are_refused(path, monkeypatch):
    ae = make(shuffle_buffer=40, checkpoint=path)
    interrupt(monkeypatch, 7, lambda: ae.fit(Slices(X)))
    with pytest.raises(ValueError, match=r"belongs to another fit.*X"):
        ae.fit(Slices(X[::-1]))


def test_other_blocks_of_the_same_rows_are_refused(path, monkeypatch):
    ae = make(shuffle_buffer=40, checkpoint=path)
    interrupt(monkeypatch, 7, lambda: ae.fit(Slices(X)))
    other = Slices(X)
    other.chunks = (20,)
    with pytest.raises(ValueError, match="belongs to another fit"):
        ae.fit(other)


def test_another_random_state_is_refused_by_its_name(path, monkeypatch):
    first, second = np.random.RandomState(0), np.random.RandomState(1)
    interrupt(monkeypatch, 7, lambda: make(random_state=first, checkpoint=path).fit(X))
    with pytest.raises(ValueError, match=r"another fit \(random_state: another there"):
        make(random_state=second, checkpoint=path).fit(X)


def test_random_states_of_any_kind_resume(path, monkeypatch):
    def new(**params):
        source = np.random.RandomState(np.random.PCG64(0))
        return make(random_state=source, **params)

    expected = new().fit(X)
    interrupt(monkeypatch, 7, lambda: new(checkpoint=path).fit(X))
    found = new(checkpoint=path).fit(X)
    assert_array_equal(found.transform(X), expected.transform(X))


def test_equal_numbers_of_numpy_and_python_are_one_fit(path, monkeypatch):
    fit = make(random_state=np.int64(0), checkpoint=path).fit
    interrupt(monkeypatch, 7, lambda: fit(X))
    make(random_state=0, checkpoint=path).fit(X)


@pytest.mark.filterwarnings("default::skae.FitWarning")
def test_another_number_of_threads_is_told(path, monkeypatch):
    interrupt(monkeypatch, 7, lambda: make(checkpoint=path).fit(X))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    with pytest.warns(FitWarning, match=r"resumes with 3 thread\(s\)"):
        make(checkpoint=path).fit(X)
