"""Errors of settings name the parameter, the value and the way out."""

import os

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from skorch.callbacks import Callback, EarlyStopping
from skorch.dataset import Dataset
from skorch.helper import predefined_split

from skae import AutoencoderTransformer, DivergenceError, MaskingNoise

X = (load_digits().data / 16).astype(np.float32)[:300]


def make(**settings):
    return AutoencoderTransformer(4, max_epochs=1, random_state=0, **settings)


@pytest.mark.parametrize(
    ("device", "match"),
    [
        ("gpu", r"device='gpu' is not known to torch. Use 'auto'"),
        ("cuda:7", r"device='cuda:7' cannot be used: .*device='auto'"),
        ("mps", r"device='mps' cannot be used"),
        ("meta", r"device='meta' cannot be used"),
    ],
)
def test_devices(device, match):
    with pytest.raises(ValueError, match=match):
        make(device=device).fit(X)


class WithState(Callback):
    """A callback whose own state is set where a clone cannot set it."""

    def __init__(self):
        self.seen = []


class WithStateAtStart(Callback):
    """The way out that the message names."""

    def initialize(self):
        self.seen_ = []
        return self

    def on_epoch_end(self, net, **kwargs):
        self.seen_.append(net.history[-1]["train_loss"])


@pytest.mark.parametrize("callback", [print, "EarlyStopping", MaskingNoise(), int, 3])
@pytest.mark.parametrize("named", [False, True])
def test_what_is_no_callback(callback, named):
    callbacks = [("mine", callback) if named else callback]
    with pytest.raises(TypeError, match=r"callbacks holds .*no callback of skorch"):
        make(callbacks=callbacks).fit(X)


@pytest.mark.parametrize("named", [False, True])
def test_callbacks_with_a_state_of_their_own(named):
    callback = WithState()
    callbacks = [("mine", callback) if named else callback]
    with pytest.raises(TypeError, match=r"a WithState, .*seen are set in its __init__"):
        make(callbacks=callbacks).fit(X)
    ae = make(callbacks=[("mine", WithStateAtStart())]).fit(X)
    assert len(dict(ae.net_.callbacks_)["mine"].seen_) == 1


@pytest.mark.parametrize(
    "rows", [X[200:], torch.from_numpy(X[200:])], ids=["arrays", "tensors"]
)
def test_validation_rows_of_the_user(rows):
    split = predefined_split(Dataset(rows, rows))
    ae = make(net_params={"train_split": split}, early_stopping=False).fit(X[:200])
    R = ae.reconstruct(X[200:])
    expected = 0.5 * ((R - X[200:]) ** 2).sum(1).mean() / ae.scale_**2
    (epoch,) = [x for x in ae.history_ if "valid_loss" in x]
    assert epoch["valid_loss"] == pytest.approx(expected, rel=1e-4)


def test_settings_of_a_loader_that_is_not_used():
    workers = {"iterator_train__num_workers": 0}
    with pytest.raises(ValueError, match=r"num_workers': 0.*DataLoader.*as well"):
        make(net_params=workers).fit(X)
    loader = {"iterator_train": torch.utils.data.DataLoader}
    make(net_params={**workers, **loader}).fit(X)  # the way out


def test_a_loss_that_is_not_finite_before_any_step():
    ae = make(loss=lambda reconstruction, x: (reconstruction - 9).log())
    with pytest.raises(DivergenceError, match=r"first batch .*terms: reconstruction"):
        ae.fit(X)
    penalty = [("mine", lambda x, output, module: x.sum(1) * np.nan)]
    with pytest.raises(DivergenceError, match=r"first batch .*terms: mine.*penalty"):
        make(penalty=penalty).fit(X)


def test_early_stopping_of_skorch_holds_rows_out():
    ae = make(callbacks=[EarlyStopping()]).fit(X)
    assert "valid_loss" in ae.history_[-1]


# Paths --------------------------------------------------------------------------------


def test_a_folder_that_does_not_exist(tmp_path):
    path = tmp_path / "nowhere" / "m.skae"
    with pytest.raises(FileNotFoundError, match=r"folder.*create it first.*nowhere"):
        make().fit(X).save(path)


def test_what_is_no_plain_file_is_not_replaced(tmp_path):
    ae = make().fit(X)
    with pytest.raises(IsADirectoryError, match="is not replaced"):
        ae.save(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(OSError, match="no plain file"):
            ae.save(tmp_path / "pipe")
        assert not (tmp_path / "pipe").is_file()


def test_an_unfinished_file_says_what_it_is(tmp_path, monkeypatch):
    def killed(one, other):
        names.extend(os.listdir(tmp_path))
        raise KeyboardInterrupt

    names = []
    ae = make().fit(X)
    monkeypatch.setattr("skae._persistence.atomic.os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        ae.save(tmp_path / "m.skae")
    (name,) = names
    assert name.startswith(".m.skae.unfinished-")
    assert os.listdir(tmp_path) == []
