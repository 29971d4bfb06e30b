"""Early stopping, and training that is resumed by ``warm_start``."""

import numpy as np
import pytest
from cases import ALL, IMAGES, NAMED, ROWS, every, every_named
from helpers import KeepWeights, ShiftOutput, weights_equal, weights_of_epochs
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA

from skae import AutoencoderTransformer
from skae._data.batches import HoldOut
from skae._data.statistics import effective_share
from skae._training.stopping import _Candidate


@every
def test_warm_start_resumes_as_if_training_had_not_stopped(name):
    ae = ALL[name](lr_schedule="constant", early_stopping=False)
    split = clone(ae).set_params(warm_start=True).fit(IMAGES)
    split.fit(IMAGES)
    whole = clone(ae).set_params(max_epochs=4).fit(IMAGES)
    assert split.n_iter_ == whole.n_iter_ == 4
    assert_array_equal(split.transform(IMAGES), whole.transform(IMAGES))
    # Without it, fit starts again.
    assert split.set_params(warm_start=False).fit(IMAGES).n_iter_ == 2


def test_warm_start_takes_a_new_learning_rate():
    ae = AutoencoderTransformer(4, max_epochs=2, warm_start=True, random_state=0)
    ae.fit(IMAGES)
    before = ae.transform(IMAGES)
    ae.set_params(lr=1e-12).fit(IMAGES)
    assert_allclose(ae.transform(IMAGES), before, atol=1e-5)


@pytest.mark.filterwarnings("ignore::skae.CollapsedCodeWarning")
@every
def test_early_stopping_restores_the_best_epoch(name):
    ae = ALL[name](
        early_stopping=True,
        validation_fraction=0.4,
        n_iter_no_change=2,
        tol=0,
        lr=0.01,
        lr_schedule="constant",
        max_epochs=40,
        callbacks=[ShiftOutput(epoch=4), KeepWeights()],
    ).fit(IMAGES)
    losses = [epoch["valid_loss"] for epoch in ae.history_]
    best = int(np.argmin(losses))
    weights = weights_of_epochs(ae)
    assert ae.n_iter_ == best + 3 < 40  # two epochs without improvement
    assert weights_equal(ae.net_.module_, weights[best])
    assert not weights_equal(ae.net_.module_, weights[-1])


@every_named
def test_without_early_stopping_the_training_loss_is_monitored(name):
    ae = NAMED[name](
        early_stopping=False,
        lr_schedule="constant",
        n_iter_no_change=2,
        tol=1e6,
        max_epochs=40,
        callbacks=[KeepWeights()],
    ).fit(IMAGES)
    assert ae.n_iter_ == 3  # no improvement after the first epoch counts
    assert "valid_loss" not in ae.history_[0]
    assert weights_equal(ae.net_.module_, weights_of_epochs(ae)[-1])
    ae = clone(ae).set_params(n_iter_no_change=None, max_epochs=5, callbacks=None)
    assert ae.fit(IMAGES).n_iter_ == 5


def test_early_stopping_holds_out_a_tenth():
    seen = []

    def spy(x, generator):
        seen.append(len(x))
        return x

    params = {"corruption": spy, "batch_size": 100, "max_epochs": 1}
    AutoencoderTransformer(2, early_stopping=True, **params).fit(np.eye(40, 5))
    assert seen == [4, 36, 4]  # the start is a candidate
    seen.clear()
    AutoencoderTransformer(
        2, validation_fraction=0.5, early_stopping=False, **params
    ).fit(np.eye(40, 5))
    assert seen == [20, 20]


def test_initial_weights_do_not_depend_on_held_out_rows():
    """In noise there is nothing to learn: held-out rows cost as much as their mean."""
    X = np.random.RandomState(0).normal(size=(60, 200))
    ae = AutoencoderTransformer(8, early_stopping=True, max_epochs=3, random_state=0)
    # Half the squared deviations, in units of the scale: 200 / 2.
    assert ae.fit(X).history_[0]["valid_loss"] > 80


def test_early_stopping_without_patience_keeps_the_best_epoch():
    X = np.random.RandomState(0).normal(size=(60, 20))
    ae = AutoencoderTransformer(
        8,
        callbacks=[ShiftOutput(epoch=9)],
        early_stopping=True,
        n_iter_no_change=None,
        max_epochs=15,
        random_state=0,
    ).fit(X)
    losses = [epoch["valid_loss"] for epoch in ae.history_]
    assert ae.n_iter_ == 15
    assert min(losses) < losses[-1]
    _, held = HoldOut(0.1, ae.net_.seed).split(60)
    errors = ((ae.reconstruct(X[held]) - X[held]) ** 2).sum(1) / ae.scale_**2 / 2
    assert errors.mean() == pytest.approx(min(losses), rel=1e-4)


def test_warm_start_uses_new_training_settings_and_refuses_a_new_code():
    X = ROWS
    ae = AutoencoderTransformer(4, max_epochs=2, warm_start=True, random_state=0)
    ae.fit(X).set_params(max_epochs=3, early_stopping=True).fit(X)
    assert ae.n_iter_ == 5
    assert "valid_loss" in ae.history_[-1]
    with pytest.raises(ValueError, match="n_components=5, but the weights"):
        ae.set_params(n_components=5).fit(X)
    with pytest.raises(ValueError, match="loss='poisson', but the weights"):
        ae.set_params(n_components=4, loss="poisson").fit(X)


def test_warm_start_uses_new_penalties_and_noise():
    seen = []

    def corruption(x, generator):
        seen.append(len(x))
        return x

    ae = AutoencoderTransformer(
        4, max_epochs=1, early_stopping=False, warm_start=True, random_state=0
    )
    ae.fit(ROWS).set_params(corruption=corruption, sparsity=0.1).fit(ROWS)
    assert sum(seen) == len(ROWS)
    before, after = ae.history_
    assert "train_sparsity" not in before
    assert after["train_sparsity"] > 0
    assert ae.set_params(corruption=None).fit(ROWS).n_iter_ == 3
    assert sum(seen) == len(ROWS)


def test_the_start_is_kept_unless_an_epoch_is_better():
    """In noise nothing is better than PCA: of the rows that train, then of all."""
    X = np.random.RandomState(0).normal(size=(60, 20))
    ae = AutoencoderTransformer(8, max_epochs=5, lr=0.05, random_state=0)
    stopped = clone(ae).set_params(early_stopping=True, n_iter_no_change=None).fit(X)
    train, _ = HoldOut(0.1, stopped.net_.seed).split(60)
    for one, rows in ((stopped, X[train]), (ae.fit(X), X)):
        axes = PCA(8).fit(rows).components_
        expected = (X - X.mean(0)) @ axes.T @ axes + X.mean(0)
        assert_allclose(one.reconstruct(X), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("gains", "is_better"),
    [
        ([1.0], False),  # nothing follows from one row
        ([1.0, 1.0], True),
        ([1.0, 0.0], False),  # 0.5, and 4 errors of 0.5 are needed
        ([1.9, -0.1] * 2, False),  # 0.9, and 2 errors of 0.58
        ([2.3, 0.3] * 2, True),  # 1.3
        ([-1.0, -1.0], False),
    ],
)
def test_one_standard_error_is_more_with_few_rows(gains, is_better):
    weight = np.ones(len(gains))
    start = _Candidate({}, 5.0, np.full(len(gains), 5.0), weight)
    best = _Candidate({}, 5.0 - np.mean(gains), 5.0 - np.array(gains), weight)
    assert best.is_better_than(start) is is_better


@pytest.mark.parametrize(("factor", "is_pca"), [(1, False), (10, True), (100, True)])
def test_pca_is_kept_where_few_rows_make_up_the_variance(factor, is_pca):
    """The others, and so most held-out rows, say nothing of their errors."""
    rng = np.random.RandomState(0)
    X = np.sin(2 * rng.normal(size=(600, 2)) @ rng.normal(size=(2, 12)))
    X += 0.1 * rng.normal(size=X.shape)
    X[rng.choice(600, 5, replace=False)] *= factor
    ae = AutoencoderTransformer(2, random_state=0).fit(X)
    r2 = PCA(2).fit(X).explained_variance_ratio_.sum()
    assert (abs(ae.score(X) - r2) < 1e-4) == is_pca
    assert ae.score(X) > r2 - 1e-4


def test_the_effective_share_of_rows_is_that_of_kish():
    X = np.zeros((100, 3))
    X[:, 0] = [-1, 1] * 50
    assert effective_share(X) == pytest.approx(1)
    assert effective_share(np.ones((5, 2))) == 1
    X[0, 0], X[1, 0] = -1e3, 1e3
    assert effective_share(X) == pytest.approx(0.02, rel=1e-3)  # two of a hundred


def test_the_last_epochs_train_on_all_rows():
    seen = []

    def spy(x, generator):
        seen.append(len(x))
        return x

    ae = AutoencoderTransformer(
        2,
        corruption=spy,
        callbacks=[ShiftOutput()],
        max_epochs=10,
        batch_size=100,
        random_state=0,
    )
    history = ae.fit(np.random.RandomState(0).normal(size=(40, 5))).history_
    assert ["valid_loss" in epoch for epoch in history] == [True] * 8 + [False] * 2
    assert (seen.count(36), seen.count(40)) == (8, 2)


def test_few_rows_are_not_held_out():
    ae = AutoencoderTransformer(2, max_epochs=5, random_state=0)
    for n_rows, n_validated in [(9, 0), (10, 4)]:
        history = ae.fit(np.random.RandomState(0).rand(n_rows, 5)).history_
        assert sum("valid_loss" in epoch for epoch in history) == n_validated
