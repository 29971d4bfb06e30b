"""The progress bar of a fit: what it shows, and that callbacks work beside it."""

import pickle
import re
from types import SimpleNamespace

import numpy as np
import pytest
import tqdm.auto
from skorch.callbacks import Callback, EpochScoring, PrintLog
from skorch.callbacks import ProgressBar as BatchBar

import skae
from skae._training import callbacks

X = np.random.default_rng(0).normal(size=(64, 6)).astype(np.float32)


@pytest.fixture
def terminal(capsys, monkeypatch):
    """Somebody is at a terminal of 80 columns."""
    monkeypatch.setattr(callbacks, "is_at_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    return capsys


def last_line(text):
    return text.rsplit("\r", 1)[-1].strip()


def test_bar_shows_the_loss_once_where_it_has_one_term(terminal):
    skae.AutoencoderTransformer(2, max_epochs=3, verbose=1, random_state=0).fit(X)
    line = last_line(terminal.readouterr().err)
    assert "reconstruction" not in line
    assert "3/3" in line


def test_losses_and_the_time_left_fit_into_80_columns(terminal, monkeypatch):
    vae = skae.VariationalAutoencoder(
        2, max_epochs=3, validation_fraction=0.25, verbose=1, random_state=0
    ).fit(X)
    lines = re.split("[\r\n]", terminal.readouterr().err)
    epoch = vae.history_[-1]
    losses = f"left, loss {epoch['train_loss']:.4g}, val {epoch['valid_loss']:.4g}"
    assert losses in "".join(lines)
    assert max(map(len, lines)) <= 80
    assert all(line.count("█") > 4 for line in lines if "3/3" in line)
    monkeypatch.setenv("COLUMNS", "160")
    vae.fit(X)
    assert f"kl {epoch['train_kl']:.4g}" in terminal.readouterr().err


def test_lines_where_nobody_is_at_a_terminal(capsys):
    ae = skae.AutoencoderTransformer(2, max_epochs=40, verbose=1, random_state=0)
    ae.set_params(early_stopping=False).fit(X)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert re.fullmatch(
        r"AutoencoderTransformer: 4/40, loss [\d.e-]+, \d+ s left", lines[0]
    )
    ae.set_params(early_stopping=True, n_iter_no_change=2, tol=1e3).fit(X)
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"{ae.n_iter_}/{ae.n_iter_}" in last


def test_lines_of_epochs_have_no_colours_in_a_file(capsys):
    ae = skae.AutoencoderTransformer(2, max_epochs=3, verbose=2, random_state=0).fit(X)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert f"{ae.history_[-1]['train_loss']:.4f}" in shown


def test_bar_ends_where_training_does(terminal):
    ae = skae.AutoencoderTransformer(
        2, max_epochs=50, n_iter_no_change=2, tol=1e3, verbose=1, random_state=0
    ).fit(X)
    assert 1 < ae.n_iter_ < 50
    line = last_line(terminal.readouterr().err)
    assert re.search(rf": {ae.n_iter_}/{ae.n_iter_} \|█+\| ", line)


def test_bar_of_a_warm_start_counts_its_own_epochs(capsys):
    ae = skae.AutoencoderTransformer(2, max_epochs=3, warm_start=True, random_state=0)
    ae.fit(X).set_params(verbose=1, max_epochs=2).fit(X)
    assert ae.n_iter_ == 5
    assert "2/2" in last_line(capsys.readouterr().err)


def test_bar_is_closed_when_training_diverges(capsys):
    ae = skae.AutoencoderTransformer(
        2, optimizer="sgd", lr=1e8, max_epochs=9, verbose=1, random_state=0
    )
    with pytest.raises(skae.DivergenceError):
        ae.fit(X)
    assert "/9" in last_line(capsys.readouterr().err)
    assert [name for name, _ in ae.net_.callbacks_ if name == "progress"] == []


class _Counter(Callback):
    def __init__(self, seen=None):
        self.seen = seen

    def on_epoch_end(self, net, **kwargs):
        print(f"epoch {len(net.history)}")


def test_callbacks_of_skorch_work_beside_the_bar(capsys):
    own = [
        _Counter(),
        BatchBar(batches_per_epoch=2, detect_notebook=False),
        EpochScoring(lambda net, X, y: 0.5, name="valid_half", use_caching=False),
        PrintLog(sink=lambda *args: None),
    ]
    ae = skae.AutoencoderTransformer(
        2,
        max_epochs=3,
        validation_fraction=0.25,
        callbacks=own,
        verbose=1,
        random_state=0,
    ).fit(X)
    shown = capsys.readouterr()
    assert shown.out.split("\n")[:3] == ["epoch 1", "epoch 2", "epoch 3"]
    assert "3/3" in shown.err
    assert ae.history_[-1]["valid_half"] == 0.5


def test_callbacks_of_scikit_learn_work_beside_the_bar(capsys):
    callback = pytest.importorskip("sklearn.callback")  # from 1.9
    ae = skae.AutoencoderTransformer(2, max_epochs=3, verbose=1, random_state=0)
    ae.set_callbacks(callback.ProgressBar()).fit(X)
    shown = capsys.readouterr()
    assert "100%" in shown.out  # scikit-learn's, by rich
    assert "3/3" in last_line(shown.err)


def test_a_fitted_estimator_keeps_no_bar():
    ae = skae.AutoencoderTransformer(2, max_epochs=2, verbose=1, random_state=0).fit(X)
    assert "progress" not in [name for name, _ in ae.net_.callbacks_]


class _Pickler(Callback):
    def on_epoch_end(self, net, **kwargs):
        data = pickle.dumps(net)
        assert X.tobytes() not in data
        assert len(pickle.loads(data).history) == len(net.history)


@pytest.mark.parametrize("verbose", [0, 1])
def test_a_net_is_pickled_while_it_is_trained(verbose):
    ae = skae.AutoencoderTransformer(2, max_epochs=2, verbose=verbose)
    assert ae.set_params(callbacks=[_Pickler()]).fit(X).n_iter_ == 2


def test_partial_fit_obeys_a_change_of_verbose(capsys):
    ae = skae.AutoencoderTransformer(2, random_state=0).partial_fit(X)
    shown = []
    for verbose in (2, 1, 0):
        ae.set_params(verbose=verbose).partial_fit(X)
        out, err = capsys.readouterr()
        shown.append((bool(out), "1/1" in err))
    assert shown == [(True, False), (False, True), (False, False)]


def test_the_bar_of_a_notebook_is_full_where_training_ends(monkeypatch):
    widget = SimpleNamespace(max=50)

    class NotebookBar(tqdm.auto.tqdm):
        container = SimpleNamespace(children=(None, widget, None))

    NotebookBar.__module__ = "tqdm.notebook"
    monkeypatch.setattr(tqdm.auto, "tqdm", NotebookBar)
    ae = skae.AutoencoderTransformer(
        2, max_epochs=50, n_iter_no_change=2, tol=1e3, verbose=1, random_state=0
    ).fit(X)
    assert widget.max == ae.n_iter_ < 50
