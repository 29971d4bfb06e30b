"""What surrounds a fit changes nothing: settings of torch, threads, callbacks."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
import skorch.callbacks
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import r2_score
from torch import nn

import skae
from skae import (
    AutoencoderTransformer,
    ConvAutoencoder,
    DivergenceError,
    VariationalAutoencoder,
)

X = (load_digits().data / 16).astype(np.float32)[:200]
ESTIMATORS = [
    AutoencoderTransformer(3, max_epochs=2, random_state=0),
    ConvAutoencoder(3, image_shape=(8, 8), channels=(4,), max_epochs=2, random_state=0),
    VariationalAutoencoder(3, hidden_layer_sizes=8, max_epochs=2, random_state=0),
    AutoencoderTransformer(
        3, encoder=nn.Linear, decoder=nn.Linear, max_epochs=2, random_state=0
    ),
]


# Settings of torch --------------------------------------------------------------------


class Default:
    """A global setting of torch inside a block.

    Parameters
    ----------
    change, restore : callable
        Set it, and what it was.
    """

    def __init__(self, change, restore):
        self.change = change
        self.restore = restore

    def __enter__(self):
        self.change()

    def __exit__(self, *error):
        self.restore()


SETTINGS = {
    "default dtype": lambda: Default(
        lambda: torch.set_default_dtype(torch.float64),
        lambda: torch.set_default_dtype(torch.float32),
    ),
    "half": lambda: Default(
        lambda: torch.set_default_dtype(torch.float16),
        lambda: torch.set_default_dtype(torch.float32),
    ),
    "default device": lambda: Default(
        lambda: torch.set_default_device("meta"),
        lambda: torch.set_default_device(None),
    ),
    "deterministic": lambda: Default(
        lambda: torch.use_deterministic_algorithms(True),
        lambda: torch.use_deterministic_algorithms(False),
    ),
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
    "seed": lambda: Default(lambda: torch.manual_seed(3), lambda: None),
}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("ae", ESTIMATORS, ids=["dense", "conv", "vae", "custom"])
def test_settings_of_torch_change_nothing(ae, setting, tmp_path):
    plain = clone(ae).fit(X)
    expected = plain.transform(X)
    plain.save(tmp_path / "plain.skae")
    trusted = ["torch.nn.Linear"]
    with SETTINGS[setting]():
        other = clone(ae).fit(X)
        assert_array_equal(other.transform(X), expected)
        assert_array_equal(other.reconstruct(X), plain.reconstruct(X))
        loaded = skae.load(tmp_path / "plain.skae", trusted=trusted)
        assert_array_equal(loaded.transform(X), expected)
        more = other.partial_fit(X).transform(X)
    assert_array_equal(plain.partial_fit(X).transform(X), more)
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()


# Threads ------------------------------------------------------------------------------


def test_two_threads_cannot_train_one_estimator():
    """One of them is told, and the settings of the other are not lost."""

    class Wait(skorch.callbacks.Callback):
        def on_epoch_begin(self, net, **kwargs):
            inside.set()
            assert done.wait(60)

    inside, done = threading.Event(), threading.Event()
    ae = AutoencoderTransformer(
        2, max_epochs=2, callbacks=[Wait], early_stopping=True, random_state=0
    )
    thread = threading.Thread(target=ae.fit, args=(X,))
    thread.start()
    try:
        assert inside.wait(60)
        for method in (ae.fit, ae.partial_fit):
            with pytest.raises(RuntimeError, match=r"is being trained, .*clone"):
                method(X)
        # A clone is another estimator.
        clone(ae).set_params(callbacks=None).fit(X)
    finally:
        done.set()
        thread.join()
    assert ae.n_iter_ == 2
    assert "early_stopping" in dict(ae.net_.callbacks_)
    assert ae.net_.train_split is not None
    ae.partial_fit(X)


def test_an_estimator_whose_fit_failed_can_be_trained():
    ae = AutoencoderTransformer(2, max_epochs=1)
    for _ in range(2):
        with pytest.raises(ValueError, match="NaN"):
            ae.fit(X * np.nan)
    assert ae.fit(X).n_iter_ == 1


# Modules ------------------------------------------------------------------------------


class NotFiniteInEvaluation(nn.Linear):
    """A layer that gives NaN only when it is not trained."""

    def forward(self, x):
        return super().forward(x) * (1.0 if self.training else np.nan)


def test_nan_in_evaluation_alone_is_told():
    ae = AutoencoderTransformer(
        2, encoder=nn.Linear, decoder=NotFiniteInEvaluation, max_epochs=1
    )
    with pytest.raises(DivergenceError, match="computes something else in evaluation"):
        ae.set_params(early_stopping=False).fit(X)


# Callbacks of skorch ------------------------------------------------------------------


def _constant(net, X, y):
    return 0.25


def callbacks(folder):
    """Return every callback that skorch ships and that needs no further package."""
    c = skorch.callbacks
    return {
        "BatchScoring": c.BatchScoring("r2", name="batches"),
        "Checkpoint": c.Checkpoint(dirname=folder, monitor="train_loss_best"),
        "EarlyStopping": c.EarlyStopping(),
        "EpochScoring": c.EpochScoring("neg_mean_squared_error", name="epochs"),
        "EpochTimer": c.EpochTimer(),
        "Freezer": c.Freezer("encoder*"),
        "GradientNormClipping": c.GradientNormClipping(1.0),
        "Initializer": c.Initializer("*bias", fn=nn.init.zeros_),
        "LRScheduler": c.LRScheduler("StepLR", step_size=1),
        "ParamMapper": c.ParamMapper("decoder*", fn=lambda x: None),
        "PassthroughScoring": c.PassthroughScoring("train_loss", on_train=True),
        "PrintLog": c.PrintLog(sink=lambda line: None),
        "ProgressBar": c.ProgressBar(),
        "TrainEndCheckpoint": c.TrainEndCheckpoint(dirname=folder),
        "Unfreezer": c.Unfreezer("encoder*", at=2),
    }


@pytest.mark.parametrize("name", callbacks(""))
def test_callbacks_of_skorch(name, tmp_path):
    callback = callbacks(str(tmp_path))[name]
    if name in ("PassthroughScoring", "BatchScoring"):
        callback = ("mine", callback)
    ae = AutoencoderTransformer(
        3, max_epochs=2, validation_fraction=0.2, callbacks=[callback], random_state=0
    ).fit(X)
    assert ae.n_iter_ == 2
    assert np.isfinite(ae.score(X))


def test_scores_of_callbacks_are_in_the_history():
    score = skorch.callbacks.EpochScoring
    ae = AutoencoderTransformer(
        3,
        max_epochs=2,
        early_stopping=False,
        validation_fraction=0.2,
        random_state=0,
        callbacks=[
            ("r2", score("r2", name="r2")),
            ("train", score("r2", name="on_training", on_train=True)),
            ("mine", score(_constant, name="mine")),
        ],
    ).fit(X)
    _, held_out = ae.net_.train_split.split(len(X))
    expected = r2_score(X[held_out], ae.reconstruct(X[held_out]))
    assert ae.history_[-1]["r2"] == pytest.approx(expected, abs=1e-5)
    assert {"r2", "on_training", "mine"} < set(ae.history_[0])
    assert ae.history_[0]["mine"] == 0.25
    skae.TrainingHistoryDisplay.from_estimator(ae)


@pytest.mark.parametrize("on_train", [False, True])
def test_scores_where_a_penalty_needs_activations(on_train):
    callback = skorch.callbacks.EpochScoring("r2", name="r2", on_train=on_train)
    for ae in (
        skae.ContractiveAutoencoder(3, max_epochs=1),
        AutoencoderTransformer(3, max_epochs=1, penalty=skae.Contraction(0.1)),
    ):
        ae.set_params(callbacks=[callback]).fit(X)
        assert np.isfinite(ae.history_[0]["r2"])


class Recorder:
    """A client and a run of MLflow that keep what they get."""

    def __init__(self):
        self.info = SimpleNamespace(run_id="run")
        self.metrics, self.artifacts, self.ended = [], [], []

    def log_metric(self, run_id, key, value, step):
        self.metrics.append((key, value, step))

    def log_artifact(self, run_id, path):
        assert path.stat().st_size > 0
        self.artifacts.append(path.name)

    def set_terminated(self, run_id):
        self.ended.append(run_id)

    def __deepcopy__(self, memo):
        return self  # a connection, of which there is one


def test_mlflow():
    run = Recorder()
    logger = skorch.callbacks.MlflowLogger(run, run)
    AutoencoderTransformer(3, max_epochs=2, callbacks=[logger]).fit(X)
    assert [step for key, _, step in run.metrics if key == "train_loss"] == [1, 2]
    names = ["params.pth", "optimizer.pth", "criterion.pth", "history.json"]
    assert run.artifacts == names
    assert run.ended == ["run"]


def test_the_parameters_of_the_criterion_can_be_saved(tmp_path):
    """As the loggers of skorch do."""
    net = AutoencoderTransformer(3, max_epochs=1).fit(X).net_
    net.save_params(f_params=tmp_path / "p.pt", f_criterion=tmp_path / "c.pt")
    net.load_params(f_params=tmp_path / "p.pt", f_criterion=tmp_path / "c.pt")
