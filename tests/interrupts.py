"""Interrupt training at random lines: ``python interrupts.py FOLDER``.

It is a process of its own, since an interrupt can leave the contexts of other packages
half closed.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from numpy.testing import assert_array_equal

import skae
from skae import AutoencoderTransformer

X, Y = (np.random.RandomState(0).normal(size=(50, p)).astype("f") for p in (6, 5))


class Interrupt:
    """A trace that counts the lines that run, and raises at one of them.

    Parameters
    ----------
    at : float
        Number of the line.
    error : type
        What is raised.
    """

    def __init__(self, at=np.inf, error=KeyboardInterrupt):
        self.at = at
        self.error = error
        self.n_lines = 0

    def __call__(self, frame, event, arg):
        self.n_lines += 1
        if self.n_lines == self.at:
            sys.settrace(None)
            raise self.error
        return self

    def run(self, function, *args):
        before = sys.gettrace()
        sys.settrace(self)
        try:
            function(*args)
        except self.error:
            pass
        finally:
            sys.settrace(before)


def unfitted():
    return AutoencoderTransformer(
        2, hidden_layer_sizes=(4,), max_epochs=2, random_state=0
    )


def fitted():
    return unfitted().fit(X)


WAYS = {
    "fit": (unfitted, "fit", X),
    "refit": (fitted, "fit", Y),
    "warm start": (lambda: fitted().set_params(warm_start=True), "fit", X),
    "partial_fit": (fitted, "partial_fit", X),
    "first partial_fit": (unfitted, "partial_fit", X),
}


def interrupt(way, folder, n_lines=60):
    """Interrupt one way to train at random lines, and use the estimator each time."""
    make, method, rows = WAYS[way]
    counter = Interrupt()
    counter.run(getattr(make(), method), rows)
    rng = np.random.RandomState(sum(map(ord, way)))
    for place in rng.randint(1, counter.n_lines, size=n_lines):
        ae = make()
        error = KeyboardInterrupt if place % 2 else SystemExit
        Interrupt(place, error).run(getattr(ae, method), rows)
        torch.set_grad_enabled(True)  # torch's own contexts can be cut short, too
        if ae.__sklearn_is_fitted__():
            assert ae.n_iter_ >= 1
            known = rows if ae.n_features_in_ == rows.shape[1] else X
            codes = ae.transform(known)
            assert np.isfinite(codes).all()
            assert np.isfinite(ae.score(known))
            ae.save(folder / "a.skae")
            loaded = skae.load(folder / "a.skae")
            assert_array_equal(loaded.transform(known), codes)
            loaded.partial_fit(known)
            ae.partial_fit(known)
        else:
            assert make is unfitted
        ae.set_params(warm_start=False).fit(rows)
        assert ae.n_iter_ == 2


if __name__ == "__main__":
    torch.set_num_threads(1)
    fitted()  # the first fit imports much, which counts no lines then
    for way in WAYS:
        interrupt(way, Path(sys.argv[1]))
