"""Callbacks of scikit-learn are called in every epoch."""

import io
from contextlib import redirect_stdout

import numpy as np
import pytest
from conftest import ESTIMATORS
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer

callback = pytest.importorskip("sklearn.callback", reason="new in scikit-learn 1.9")

X = np.random.default_rng(0).standard_normal((40, 6)).astype(np.float32)


def _score(estimator, X, y=None):
    return estimator.score(X)


def _estimator(cls=AutoencoderTransformer, **params):
    small = {"n_components": 2, "max_epochs": 3, "random_state": 0}
    if "hidden_layer_sizes" in cls().get_params():
        small["hidden_layer_sizes"] = (4,)
    else:
        small["image_shape"] = (2, 3)
    return cls(**{**small, **params})


class Recorder:
    """Record every call, and stop after a number of epochs."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.begun = []
        self.ended = []
        self.seen = []

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(context.task_name)

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.ended.append(context.task_name)
        if context.task_name != "epoch":
            return False
        self.seen.append(
            (fitted_estimator.n_iter_, fitted_estimator.reconstruct(X), X, y)
        )
        return len(self.seen) == self.stop_after

    def teardown(self, estimator, context):
        pass


def _recorded(estimator, stop_after=None, X=X):
    recorder = Recorder(stop_after)
    estimator.set_callbacks(recorder).fit(X)
    return recorder


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_every_class_takes_callbacks(cls):
    recorder = _recorded(_estimator(cls))
    assert recorder.begun.count("epoch") == 3
    assert recorder.ended.count("epoch") == 3
    assert len(recorder.begun) == len(recorder.ended) == 4  # the fit, too


def test_the_estimator_can_be_used_after_each_epoch():
    estimator = _estimator(early_stopping=False)
    recorder = _recorded(estimator)
    n_iter, results, seen_X, seen_y = zip(*recorder.seen, strict=True)
    assert n_iter == (1, 2, 3)
    assert not np.array_equal(results[0], results[1])
    # The coordinates of the code are set at the end, which costs a rounding.
    np.testing.assert_allclose(results[-1], estimator.reconstruct(X), atol=1e-5)
    for rows, target in zip(seen_X, seen_y, strict=True):
        np.testing.assert_array_equal(rows, X)
        np.testing.assert_array_equal(target, X)  # a monitor scores only what has a y


def test_a_callback_can_stop_the_training():
    estimator = _estimator(max_epochs=9)
    _recorded(estimator, stop_after=2)
    assert estimator.n_iter_ == 2
    assert not estimator.net_.module_.training


def test_callbacks_do_not_change_the_training():
    estimator = _estimator()
    _recorded(estimator)
    plain = _estimator().fit(X)
    np.testing.assert_array_equal(estimator.transform(X), plain.transform(X))


def test_callbacks_leave_the_net_when_the_fit_is_over():
    estimator, plain = _estimator(), _estimator().fit(X)
    recorder = _recorded(estimator)
    names = [name for name, _ in estimator.net_.callbacks_]
    assert names == [name for name, _ in plain.net_.callbacks_]
    estimator.set_params(warm_start=True).fit(X)
    assert recorder.ended.count("epoch") == 6


def test_callbacks_leave_the_net_after_an_error():
    class Failing(Recorder):
        def on_fit_task_end(self, estimator, context):
            raise RuntimeError("in the callback")

    estimator = _estimator(warm_start=True).fit(X)
    with pytest.raises(RuntimeError, match="in the callback"):
        estimator.set_callbacks(Failing()).fit(X)
    assert "scikit-learn" not in dict(estimator.net_.callbacks_)


def test_partial_fit_reports_its_epoch():
    recorder = Recorder()
    estimator = _estimator().set_callbacks(recorder)
    for _ in range(2):
        estimator.partial_fit(X)
    assert recorder.ended.count("epoch") == 2


def test_progress_bar_runs(capsys):
    pytest.importorskip("rich")
    with redirect_stdout(io.StringIO()):
        estimator = _estimator().set_callbacks(callback.ProgressBar()).fit(X)
    assert estimator.n_iter_ == 3


def test_progress_bar_runs_in_a_pipeline_and_in_a_search():
    # Without support for callbacks, scikit-learn warns: an error here.
    pytest.importorskip("rich")
    bar = callback.ProgressBar(max_propagation_depth=None)
    pipe = make_pipeline(StandardScaler(), _estimator())
    with redirect_stdout(io.StringIO()):
        clone(pipe).set_callbacks(bar).fit(X)
        grid = {"autoencodertransformer__lr": [1e-3, 1e-2]}
        search = GridSearchCV(pipe, grid, cv=2).set_callbacks(bar).fit(X)
    assert search.best_score_ > -10


def test_scoring_monitor_logs_every_epoch():
    monitor = callback.ScoringMonitor(scoring={"kept": _score})
    estimator = _estimator(early_stopping=False).set_callbacks(monitor).fit(X)
    rows = monitor.get_logs().data
    scores = [row["kept"] for row in rows if row["task_name"] == "epoch"]
    assert len(scores) == 3
    assert scores[-1] == pytest.approx(estimator.score(X), rel=1e-5)
    assert len(set(scores)) == 3
