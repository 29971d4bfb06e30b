"""Estimators in other processes, and signals: ``python processes.py WAY FOLDER``.

It is a process of its own, with two threads of torch, which is to be forked, or to get
signals. It ends with the text "passed".
"""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

import skae
from skae import AutoencoderTransformer

SHAPE = 800, 300
_DEADLINE = 60  # seconds


def data():
    return np.random.RandomState(0).normal(size=SHAPE).astype(np.float32)


# Processes -------------------------------------------------------------------------


def train(folder):
    """Write an estimator with layers that torch spreads over its threads."""
    X = data()
    ae = AutoencoderTransformer(8, hidden_layer_sizes=(400,), random_state=0)
    ae.set_params(max_epochs=1).fit(X)
    ae.save(folder / "a.skae")
    (folder / "a.pickle").write_bytes(pickle.dumps(ae))
    np.save(folder / "codes.npy", ae.transform(X))


def in_a_fork(function):
    """Run a function in a fork of this process; a process that hangs is an error."""
    child = os.fork()
    if child == 0:
        try:
            function()
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
    for _ in range(10 * _DEADLINE):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    raise AssertionError("the fork hangs")


def fork_after(read):
    """Return a way: read an estimator, fork, and use it there on two threads."""

    def way(folder):
        torch.set_num_threads(2)
        ae, X, codes = read(folder), data(), np.load(folder / "codes.npy")

        def use():
            assert np.allclose(ae.transform(X), codes, atol=1e-4)
            ae.score(X)
            ae.partial_fit(X)

        in_a_fork(use)
        in_a_fork(use)  # the first one has changed nothing here
        use()

    return way


def transform(ae, X):
    return ae.transform(X)


def start_by(method):
    """Return a way: send an estimator to processes of a pool."""

    def way(folder):
        ae, X = skae.load(folder / "a.skae"), data()
        expected = ae.transform(X)
        context = multiprocessing.get_context(method)
        context.set_forkserver_preload(["skae"])
        with context.Pool(2) as pool:
            for found in pool.starmap(transform, [(ae, X)] * 4):
                assert np.allclose(found, expected, atol=1e-4)

    return way


# Signals ---------------------------------------------------------------------------


def at(delay, number):
    """Send a signal to this process after some seconds; return the timer."""
    timer = threading.Timer(delay, os.kill, (os.getpid(), number))
    timer.start()
    return timer


def interrupted(function, delay, number):
    """Run a function until a signal; return whether it came in time."""
    timer = at(delay, number)
    try:
        function()
        timer.join()  # or it would come later
        time.sleep(0.05)
    except (KeyboardInterrupt, SystemExit):
        return True
    return False


def use(ae, X):
    """Use an estimator in each way; it is whole, with an epoch at least."""
    assert ae.n_iter_ >= 1
    assert np.isfinite(ae.transform(X)).all()
    assert np.isfinite(ae.score(X))
    pickle.loads(pickle.dumps(ae)).partial_fit(X)


def signals_in_fit(folder):
    """Interrupt first fits and refits by the clock, from their start to their end."""
    signal.signal(signal.SIGTERM, lambda *args: sys.exit(1))
    X, Y = data()[:300, :60], data()[:300, :40]
    one = AutoencoderTransformer(4, max_epochs=15, random_state=0)
    clone(one).fit(X)  # the first fit imports much
    start = time.perf_counter()
    fitted = clone(one).fit(X)
    duration = time.perf_counter() - start
    codes = fitted.transform(X)
    n_in_time = 0
    for number in (signal.SIGINT, signal.SIGTERM):
        for share in np.linspace(0.05, 1.0, 15):
            ae = clone(one)
            came = interrupted(lambda ae=ae: ae.fit(X), share * duration, number)
            n_in_time += came
            if hasattr(ae, "net_"):
                use(ae, X)
            else:
                try:
                    ae.transform(X)
                except NotFittedError:
                    ae.fit(X)
            ae = pickle.loads(pickle.dumps(fitted))
            n_in_time += interrupted(lambda ae=ae: ae.fit(Y), share * duration, number)
            if ae.n_features_in_ == X.shape[1]:
                assert_array_equal(ae.transform(X), codes)
            else:
                use(ae, Y)
    assert n_in_time > 10
    print(n_in_time, "of 60 fits were interrupted")


def signals_in_a_search(n_jobs, signals):
    """Return a way: interrupt searches by the clock, and search again."""

    def way(folder):
        signal.signal(signal.SIGTERM, lambda *args: sys.exit(1))
        X = data()[:300, :40]
        ae = AutoencoderTransformer(max_epochs=10, random_state=0)
        search = GridSearchCV(ae, {"n_components": [2, 3, 4]}, cv=2, n_jobs=n_jobs)
        start = time.perf_counter()
        expected = clone(search).fit(X).cv_results_["mean_test_score"]
        duration = time.perf_counter() - start
        n_in_time = 0
        for number, share in signals:
            one = clone(search)
            n_in_time += interrupted(
                lambda one=one: one.fit(X), share * duration, number
            )
            assert not hasattr(one.estimator, "net_")
        again = clone(search).fit(X)
        assert np.allclose(again.cv_results_["mean_test_score"], expected, atol=1e-4)
        assert n_in_time > 0

    return way


def in_turn(*ways):
    """Return a way: several ones after each other."""

    def way(folder):
        for one in ways:
            one(folder)

    return way


SIGNALS = [
    (number, share)
    for number in (signal.SIGINT, signal.SIGTERM)
    for share in (0.1, 0.5, 0.9)
]
WAYS = {
    "train": train,
    "fork after load": fork_after(lambda folder: skae.load(folder / "a.skae")),
    "fork after a pickle": fork_after(
        lambda folder: pickle.loads((folder / "a.pickle").read_bytes())
    ),
    "spawn and forkserver": in_turn(start_by("spawn"), start_by("forkserver")),
    "signals": in_turn(signals_in_fit, signals_in_a_search(1, SIGNALS)),
    # Each interrupt ends both processes, which take seconds to start again.
    "signals in a search of two processes": signals_in_a_search(2, SIGNALS[::2]),
}

if __name__ == "__main__":
    WAYS[sys.argv[1]](Path(sys.argv[2]))
    print("passed")
