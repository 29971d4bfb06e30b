"""Fits that are trained as one network end as those that are trained alone."""

import copy
import pickle
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    PredefinedSplit,
    RandomizedSearchCV,
    ShuffleSplit,
    cross_val_score,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Freezer, Unfreezer
from torch import nn

from skae import (
    AutoencoderTransformer,
    ContractiveAutoencoder,
    ConvAutoencoder,
    DenoisingAutoencoder,
    Dense,
    DivergenceError,
    KLSparsity,
    L1Sparsity,
    RandomFlip,
    SparseAutoencoder,
    StackedGridSearchCV,
    StackedRandomizedSearchCV,
    VariationalAutoencoder,
    _ahead,
    _search,
    fit_many,
)
from skae._stacked import together
from skae._stacked.stack import Stack

X = np.random.RandomState(0).standard_normal((203, 4)) @ np.random.RandomState(
    1
).standard_normal((4, 9)) + 0.3 * np.random.RandomState(2).standard_normal((203, 9))
UNIT = (X - X.min()) / (X.max() - X.min())
DIGITS, LABELS = load_digits(return_X_y=True)
DIGITS, LABELS = DIGITS[:240] / 16, LABELS[:240]
FAST = {"hidden_layer_sizes": (12,), "max_epochs": 8, "random_state": 0}
FAST |= {"dtype": "float64", "batch_size": 32}


pytestmark = pytest.mark.filterwarnings("ignore::skae._exceptions.FitWarning")


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    assert not _ahead._FITTED
    assert _ahead._GATHERING.get() is None


@pytest.fixture
def stacks(monkeypatch):
    """The number of nets in each stack that is built."""
    sizes = []

    class Counted(Stack):
        def __init__(self, nets):
            sizes.append(len(nets))
            super().__init__(nets)

    monkeypatch.setattr(together, "Stack", Counted)
    return sizes


def _state(ae):
    return {k: x.numpy() for k, x in ae.net_.module_.state_dict().items()}


def _assert_equal_fits(found, expected, rows, rtol=1e-7):
    for one, other in zip(found, expected, strict=True):
        assert_allclose(one.transform(rows), other.transform(rows), rtol, rtol)
        for name, values in _state(other).items():
            assert_allclose(_state(one)[name], values, rtol, rtol, err_msg=name)
        assert len(one.history_) == len(other.history_)
        for epoch, own in zip(one.history_, other.history_, strict=True):
            assert epoch.keys() == own.keys()
            for name in own:
                assert_allclose(epoch[name], own[name], rtol, rtol, err_msg=name)
        state, own = (x.net_.optimizer_.state_dict()["state"] for x in (one, other))
        assert state.keys() == own.keys()
        for index, averages in own.items():
            for name, x in averages.items():
                assert_allclose(state[index][name], x, rtol, rtol)


def _both(make, values, rows=X, **fit_params):
    estimators = [make(value) for value in values]
    found = fit_many(estimators, rows, **fit_params)
    expected = [clone(x).fit(rows, **fit_params) for x in estimators]
    return found, expected


def _made(cls, name, **settings):
    return lambda value: cls(3, **{**FAST, **settings, name: value})


CASES = {
    "lr": (_made(AutoencoderTransformer, "lr"), [1e-3, 5e-3, 0.02]),
    "weight decay": (_made(AutoencoderTransformer, "weight_decay"), [0.0, 0.1, 0.5]),
    "seed": (_made(AutoencoderTransformer, "random_state"), [0, 1, 2]),
    "schedule": (
        _made(AutoencoderTransformer, "lr_schedule"),
        ["cosine", "constant", "one_cycle"],
    ),
    "patience": (_made(AutoencoderTransformer, "n_iter_no_change"), [1, 2, 9]),
    "epochs": (_made(AutoencoderTransformer, "max_epochs"), [2, 5, 8]),
    "sgd": (_made(AutoencoderTransformer, "lr", optimizer="sgd"), [1e-3, 5e-3]),
    "rmsprop": (
        _made(AutoencoderTransformer, "lr", optimizer="rmsprop"),
        [1e-3, 2e-3],
    ),
    "huber": (_made(AutoencoderTransformer, "random_state", loss="huber"), [0, 1]),
    "no stopping": (
        _made(AutoencoderTransformer, "lr", early_stopping=False),
        [1e-3, 2e-3],
    ),
    "held out": (
        _made(AutoencoderTransformer, "lr", validation_fraction=0.2),
        [1e-3, 2e-3],
    ),
    "tied": (
        lambda seed: AutoencoderTransformer(
            3, encoder=Dense((12,), tied=True), **_without(random_state=seed)
        ),
        [0, 1],
    ),
    "sparsity": (_made(SparseAutoencoder, "sparsity"), [0.01, 0.1, 1.0]),
    "top-k": (
        _made(SparseAutoencoder, "random_state", method="topk", n_active=2),
        [0, 1],
    ),
    "lifetime": (_made(SparseAutoencoder, "random_state", method="lifetime"), [0, 1]),
    "KL": (
        lambda target: SparseAutoencoder(
            3,
            **FAST,
            sparsity=0,
            code_activation="sigmoid",
            penalty=KLSparsity(0.5, target_activation=target),
        ),
        [0.05, 0.1, 0.2],
    ),
    "two penalties": (
        lambda weight: AutoencoderTransformer(
            3, **FAST, penalty=[("a", L1Sparsity(weight)), ("b", L1Sparsity(0.1))]
        ),
        [0.1, 0.5],
    ),
    "contraction": (_made(ContractiveAutoencoder, "contraction"), [0.01, 0.1]),
    "noise": (_made(DenoisingAutoencoder, "noise_level"), [0.1, 0.3, 0.5]),
    "beta": (_made(VariationalAutoencoder, "beta"), [0.5, 1, 2]),
    "warm-up": (_made(VariationalAutoencoder, "beta", kl_warmup=3), [0.5, 1]),
}


def _without(**own):
    settings = {**FAST, **own}
    del settings["hidden_layer_sizes"]
    return settings


@pytest.mark.parametrize("case", CASES)
def test_fits_end_as_alone(case, stacks):
    make, values = CASES[case]
    found, expected = _both(make, values)
    _assert_equal_fits(found, expected, X)
    assert len(values) in stacks


def test_rows_weights_and_gaps_are_those_of_each_fit(stacks):
    weight = np.random.RandomState(0).uniform(0, 2, len(X))
    weight[:9] = 0
    make = _made(SparseAutoencoder, "sparsity")
    _assert_equal_fits(*_both(make, [0.1, 1], sample_weight=weight), X)
    gaps = np.where(np.random.RandomState(1).uniform(size=X.shape) < 0.2, np.nan, X)
    make = _made(AutoencoderTransformer, "random_state", missing="mask")
    found, expected = _both(make, [0, 1, 2], gaps)
    _assert_equal_fits(found, expected, gaps)
    for one, other in zip(found, expected, strict=True):
        assert_allclose(one.impute(gaps), other.impute(gaps), 1e-7)
    make = _made(VariationalAutoencoder, "beta", missing="mask")
    _assert_equal_fits(*_both(make, [1, 2], gaps), gaps)
    assert stacks == [2, 3, 2]


def test_values_in_a_range_and_counts(stacks):
    make = _made(AutoencoderTransformer, "random_state", loss="binary_cross_entropy")
    _assert_equal_fits(*_both(make, [0, 1], UNIT), UNIT)
    make = _made(VariationalAutoencoder, "beta", loss="binary_cross_entropy")
    _assert_equal_fits(*_both(make, [1, 2], UNIT), UNIT)
    counts = np.random.RandomState(0).poisson(np.exp(X / 4))
    make = _made(AutoencoderTransformer, "random_state", loss="poisson")
    _assert_equal_fits(*_both(make, [0, 1], counts), counts)
    assert stacks == [2, 2, 2]


def test_conditions_and_augmentation(stacks):
    labels = np.where(X[:, 0] > 0, "a", "b")
    aes = [VariationalAutoencoder(3, **FAST, beta=beta) for beta in (1, 2)]
    found = fit_many(aes, X, condition=labels)
    for one, ae in zip(found, aes, strict=True):
        other = ae.fit(X, condition=labels)
        codes = [x.transform(X, condition=labels) for x in (one, other)]
        assert_allclose(*codes, 1e-7, 1e-7)
    images = DIGITS.reshape(-1, 8, 8)
    make = _made(AutoencoderTransformer, "lr", augmentation=RandomFlip())
    found, expected = _both(make, [1e-3, 2e-3], images)
    _assert_equal_fits(found, expected, images)
    assert stacks == [2, 2]


def _penalty(x, output, module, weight=0.1):
    return weight * output["code"].abs().sum(1)


class _Smooth:
    """A penalty of the user's with a weight."""

    def __init__(self, weight=0.1):
        self.weight = weight

    def __call__(self, x, output, module):
        change = module.encoder(x + 1) - output["code"]
        return self.weight * (change**2).sum(1)


class _Warming(_Smooth):
    """A penalty that counts its calls."""

    n_calls = 0

    def __call__(self, x, output, module):
        self.n_calls += 1
        return self.n_calls * super().__call__(x, output, module)


class _Branching(_Smooth):
    """A penalty that looks at values."""

    def __call__(self, x, output, module):
        large = output["code"].abs().sum() > 1
        return self.weight * output["code"].abs().sum(1) if large else 0 * x.sum(1)


def _loss(reconstruction, x):
    return (reconstruction - x).abs()


def _detached(x, output, module):
    return 0.1 * output["code"].detach().abs().sum(1)


class _InPlace(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.layer = nn.Linear(n_in, n_out)
        self.shift = torch.linspace(0, 1, n_in, dtype=torch.float64)

    def forward(self, x):
        return self.layer(x.add_(self.shift).relu_())


def _masked(n_in, n_out):
    layer = nn.Linear(n_in, n_out)
    layer.weight.register_hook(lambda gradient: gradient * 0)
    return layer


class _Counts(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.layer, self.n_calls = nn.Linear(n_in, n_out), 0

    def forward(self, x):
        self.n_calls += self.training
        return self.layer(x) * (1 + 0.1 * self.n_calls * self.training)


class _Shrinking(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.layer = nn.Linear(n_in, n_out)

    def forward(self, x):
        with torch.no_grad():
            self.layer.weight.mul_(0.999)
        return self.layer(x)


class _Aliased(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.layer = nn.Linear(n_in, n_out)
        self.alias = self.layer.weight.data

    def forward(self, x):
        return x @ self.alias.T.to(x) + self.layer(x)


def _drawing(x, output, module):
    if not module.training:
        return 0 * x.sum(1)
    return 0.1 * module.stream.normal_like(x[:1]).sum() ** 2 + 0 * x.sum(1)


def _instance_norm(n_in, n_out):
    norm = nn.InstanceNorm1d(1, track_running_stats=True)
    return nn.Sequential(
        nn.Linear(n_in, n_out), nn.Unflatten(1, (1, n_out)), norm, nn.Flatten()
    )


class _EvaluatedByValue(nn.Linear):
    def forward(self, x):
        if not self.training and x.abs().max() > 100:
            return super().forward(x / 2)
        return super().forward(x)


class _Running(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.layer = nn.Linear(n_in, n_out)
        self.register_buffer("mean", torch.zeros(n_in, dtype=torch.float64))

    def forward(self, x):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
        return self.layer(x - self.mean)


def _dropping(n_in, n_out):
    return nn.Sequential(nn.Dropout(0.2), nn.Linear(n_in, n_out))


def _jitter(x, generator):
    return x + 0.1 * torch.randn(x.shape, generator=generator, dtype=x.dtype)


def _jitter_globally(x, generator):
    return x.mul_(1 + 0.1 * torch.randn_like(x))


def _normed(n_in, n_out):
    layers = [nn.Linear(n_in, 7), nn.LayerNorm(7), nn.GELU(), nn.Linear(7, n_out)]
    return nn.Sequential(*layers)


class _Hinge:
    __slots__ = ("at",)

    def __init__(self, at):
        self.at = at

    def __call__(self, x, output, module):
        return (output["code"].abs() - self.at).clamp(min=0).sum(1)


def _rising(x, output, module):
    weight = 0.3 * min(1, module.n_epochs / 12)
    return weight * output["code"].abs().sum(1)


def _repeating(n_in, n_out):
    twice = nn.Hardtanh(-1.2, 1.2)
    return nn.Sequential(nn.Linear(n_in, 6), twice, nn.Linear(6, n_out), twice)


class _Bounded(nn.Module):
    """A network of the user's with weights that are not used, or fixed."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.first, self.last = nn.Linear(n_in, 10), nn.Linear(10, n_out)
        self.spare = nn.Linear(2, 2)
        self.first.bias.requires_grad_(False)

    def forward(self, x):
        return self.last(self.first(x).tanh())


OWN_PARTS = {
    "weights without gradient": {"encoder": _Bounded, "decoder": _Bounded},
    "a layer twice": {"encoder": _repeating, "decoder": _repeating},
    "a penalty that rises": {"penalty": _rising, "n_iter_no_change": 2},
    "loss": {"loss": _loss},
    "a loss of torch": {"loss": nn.SmoothL1Loss(reduction="none")},
    "penalty": {"penalty": _penalty},
    "a penalty without gradient": {"penalty": _detached},
    "a penalty of the module": {"penalty": _Smooth(0.5)},
    "two penalties": {"penalty": [("own", _penalty), ("l1", L1Sparsity(0.1))]},
    "a module": {"encoder": nn.Linear(9, 3), "decoder": nn.Linear(3, 9)},
    "builders": {"encoder": _normed, "decoder": _normed},
    "work in place": {"encoder": _InPlace, "decoder": nn.Linear},
    "augmentation": {"augmentation": _jitter},
    "augmentation in place": {"augmentation": _jitter_globally},
    "with loss": {"augmentation": _jitter, "loss": _loss, "penalty": _Smooth(0.5)},
}


@pytest.mark.parametrize("part", OWN_PARTS)
def test_parts_of_a_user_are_stacked(part, stacks):
    settings = {**OWN_PARTS[part]}
    if "encoder" in settings:
        settings["hidden_layer_sizes"] = None
    make = _made(AutoencoderTransformer, "lr", **settings)
    _assert_equal_fits(*_both(make, [1e-3, 2e-3]), X)
    assert set(stacks) == {2}


@pytest.mark.parametrize("kind", [_Smooth, lambda x: partial(_penalty, weight=x)])
def test_weights_of_a_penalty_of_the_user_differ(kind, stacks):
    settings = {**FAST, "early_stopping": False}
    aes = [
        AutoencoderTransformer(3, penalty=kind(x), **settings) for x in (0.1, 1.0, 9.0)
    ]
    found = fit_many(aes, X)
    _assert_equal_fits(found, [clone(ae).fit(X) for ae in aes], X)
    assert stacks[0] == 3
    assert found[0].score(X) > found[2].score(X) + 1e-3


OWN_ALONE = {
    "weights that a call changes": {"encoder": _Shrinking, "decoder": nn.Linear},
    "an alias of a weight": {
        "encoder": _Aliased,
        "decoder": nn.Linear,
        "dtype": "float32",
    },
    "running statistics": {"encoder": _instance_norm, "decoder": nn.Linear},
    "a penalty that draws": {"penalty": _drawing},
    "a branch in evaluation": {"encoder": _EvaluatedByValue, "decoder": nn.Linear},
    "a hook on gradients": {"encoder": _masked, "decoder": nn.Linear},
    "a counter": {"encoder": _Counts, "decoder": nn.Linear},
    "a buffer that changes": {"encoder": _Running, "decoder": nn.Linear},
    "random layers": {"encoder": _dropping, "decoder": nn.Linear},
    "a penalty that counts": {"penalty": _Warming()},
    "a penalty that branches": {"penalty": _Branching()},
    "a callback": {"callbacks": [Freezer("encoder*"), Unfreezer("encoder*", at=4)]},
}


@pytest.mark.parametrize("part", OWN_ALONE)
def test_what_would_differ_is_trained_alone(part, stacks):
    settings = {**_without(early_stopping=False), **OWN_ALONE[part]}
    aes = [AutoencoderTransformer(3, **settings, lr=lr) for lr in (1e-3, 2e-3)]
    with pytest.warns(UserWarning, match="2 because of "):
        found = fit_many(aes, X)
    for one, ae in zip(found, aes, strict=True):
        assert_array_equal(one.transform(X), clone(ae).fit(X).transform(X))


def test_folds_with_and_without_weights():
    weight = np.ones(len(X))
    weight[:70] = 2.5
    folds = PredefinedSplit(np.repeat([0, 1, 2], [70, 70, 63]))
    ae = AutoencoderTransformer(3, **FAST)
    for own in (weight, weight[::-1]):
        options = {"cv": folds, "fit_params": {"sample_weight": own}, "refit": False}
        _assert_equal_searches(*_searched(ae, {"lr": [1e-3, 0.02]}, **options))


def test_a_second_fit_resumes():
    class Twice(AutoencoderTransformer):
        def fit(self, X, y=None):
            super().fit(X)
            return super().fit(X)

    make = _made(Twice, "lr", warm_start=True)
    found, expected = _both(make, [1e-3, 2e-3])
    for one, other in zip(found, expected, strict=True):
        assert len(one.history_) == len(other.history_)
        assert_allclose(one.transform(X), other.transform(X), 1e-6)


def test_a_generator_is_left_where_training_left_it():
    ae = AutoencoderTransformer(3, **{**FAST, "random_state": np.random.RandomState(0)})
    (found,), expected = fit_many(ae, X), clone(ae).fit(X)
    assert_allclose(found.fit(X).transform(X), expected.fit(X).transform(X), 1e-7)


def test_groups_of_different_shape(stacks):
    aes = [
        AutoencoderTransformer(n, **FAST, lr=lr) for n in (2, 3) for lr in (1e-3, 2e-3)
    ]
    found = fit_many(aes, X)
    _assert_equal_fits(found, [clone(ae).fit(X) for ae in aes], X)
    assert stacks == [2, 2]


def test_float32_differs_by_rounding_alone():
    make = _made(SparseAutoencoder, "sparsity", dtype="float32", early_stopping=False)
    found, expected = _both(make, [0.1, 1])
    for one, other in zip(found, expected, strict=True):
        assert abs(one.score(X) - other.score(X)) < 1e-3


ALONE = {
    "batch normalisation": lambda: AutoencoderTransformer(
        3, encoder=Dense((8,), batch_norm=True), **_without()
    ),
    "convolutions": lambda: ConvAutoencoder(3, **_without()),
    "precision": lambda: AutoencoderTransformer(
        3, **{**FAST, "dtype": "float32"}, precision="bfloat16"
    ),
}


@pytest.mark.parametrize("reason", ALONE)
def test_what_cannot_be_stacked_is_trained_alone_and_named(reason, stacks):
    aes = [ALONE[reason]().set_params(random_state=seed) for seed in (0, 1)]
    rows = DIGITS.reshape(-1, 8, 8) if reason == "convolutions" else DIGITS
    with pytest.warns(UserWarning, match=f"(?s)one by one.*2 because of.*{reason}"):
        found = fit_many(aes, rows)
    for one, ae in zip(found, aes, strict=True):
        assert_array_equal(one.transform(rows), clone(ae).fit(rows).transform(rows))


def test_wide_networks_are_trained_alone_in_silence(stacks):
    rows = np.random.RandomState(0).standard_normal((60, 700))
    aes = [AutoencoderTransformer(3, max_epochs=1, random_state=0) for _ in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_many(aes, rows, n_repeats=2)
    assert stacks == []


def _nan_allowed():
    return pytest.warns(UserWarning, match="non-finite")


def test_one_that_diverges_leaves_the_others_alone():
    aes = [
        AutoencoderTransformer(3, **FAST, optimizer="sgd", lr=lr) for lr in (1e-3, 1e6)
    ]
    with pytest.raises(DivergenceError):
        fit_many(aes, X)
    grid = {"lr": [1e-3, 1e6]}
    search = StackedGridSearchCV(aes[0], grid, cv=3, refit=False)
    with pytest.warns(FitFailedWarning, match="3 fits failed"), _nan_allowed():
        found = search.fit(X).cv_results_["mean_test_score"]
    expected = cross_val_score(aes[0], X, cv=3).mean()
    assert_allclose(found, [expected, np.nan], 1e-7)


def test_a_fit_has_nothing_of_the_others():
    make = _made(SparseAutoencoder, "sparsity")
    found, expected = _both(make, [0.1, 0.2, 0.5, 1.0])
    for one, other in zip(found, expected, strict=True):
        sizes = [len(pickle.dumps(x)) for x in (one, other)]
        assert sizes[0] < 1.1 * sizes[1]
        for x in one.net_.module_.parameters():
            assert x.untyped_storage().nbytes() == x.nbytes
        for ae in (one, other):
            ae.partial_fit(X[:50])
            ae.set_params(warm_start=True).fit(X)
    _assert_equal_fits(found, expected, X, rtol=1e-6)


def test_repeats_have_seeds_of_their_own():
    ae = AutoencoderTransformer(3, **FAST)
    pipe = Pipeline([("scale", StandardScaler()), ("ae", ae)])
    found = fit_many([ae, pipe], X, n_repeats=3)
    assert [type(x) for x in found] == [AutoencoderTransformer] * 3 + [Pipeline] * 3
    seeds = [x.random_state for x in found[:3]]
    assert seeds == [x["ae"].random_state for x in found[3:]]
    assert len(set(seeds)) == 3
    alone = clone(ae).set_params(random_state=seeds[1]).fit(X)
    _assert_equal_fits(found[1:2], [alone], X)
    assert not hasattr(ae, "net_")
    with pytest.raises(ValueError, match="n_repeats=0 must be at least 1"):
        fit_many(ae, X, n_repeats=0)
    with pytest.raises(TypeError, match=r"n_repeats=2\.5 must be an integer"):
        fit_many(ae, X, n_repeats=2.5)
    for wrong in ({"ae": ae}, [ae, "ae"]):
        with pytest.raises(TypeError, match="must be an estimator or a list of them"):
            fit_many(wrong, X)


# Searches -----------------------------------------------------------------------------


def _assert_equal_searches(found, expected, rtol=1e-7):
    assert found.cv_results_.keys() == expected.cv_results_.keys()
    for name, values in expected.cv_results_.items():
        if "score" in name and "time" not in name and "rank" not in name:
            assert_allclose(found.cv_results_[name], values, rtol, err_msg=name)
    assert found.cv_results_["params"] == expected.cv_results_["params"]
    assert found.n_splits_ == expected.n_splits_
    for name in ("best_params_", "best_index_"):
        assert getattr(found, name, None) == getattr(expected, name, None)


GRID = {"sparsity": [0.01, 0.1, 1.0]}


@pytest.fixture
def ae():
    return SparseAutoencoder(3, **FAST)


def _searched(ae, grid, rows=X, y=None, **options):
    fit_params = options.pop("fit_params", {})
    return [
        search(ae, grid, **{"cv": 3, **options}).fit(rows, y, **fit_params)
        for search in (StackedGridSearchCV, GridSearchCV)
    ]


def test_a_search_scores_as_scikit_learn_does(ae, stacks):
    found, expected = _searched(ae, GRID, cv=4, return_train_score=True)
    _assert_equal_searches(found, expected)
    assert stacks[0] == 12
    assert_array_equal(found.transform(X), expected.transform(X))
    assert type(found.best_estimator_) is SparseAutoencoder
    assert found.cv_results_["mean_fit_time"].min() > 0.001
    assert {k for k in vars(found) if k.startswith("_")} == {
        k for k in vars(expected) if k.startswith("_")
    }
    pickle.loads(pickle.dumps(found)).transform(X)
    clone(found)


def test_a_pipeline_with_steps_before_and_after(stacks):
    steps = [("scale", StandardScaler()), ("ae", SparseAutoencoder(6, **FAST))]
    pipe = Pipeline([*steps, ("classify", LogisticRegression())])
    grid = {"ae__sparsity": [0.1, 1.0], "classify__C": [0.1, 1.0]}
    found, expected = _searched(pipe, grid, DIGITS, LABELS)
    _assert_equal_searches(found, expected)
    assert stacks[0] == 6  # each once for both classifiers
    assert_array_equal(found.predict(DIGITS), expected.predict(DIGITS))


def test_whole_estimators_as_candidates(stacks):
    pipe = Pipeline([("ae", "passthrough"), ("classify", LogisticRegression())])
    aes = [SparseAutoencoder(6, **FAST), VariationalAutoencoder(6, **FAST)]
    grid = {"ae": [*aes, StandardScaler()]}
    found, expected = _searched(pipe, grid, DIGITS, LABELS, refit=False)
    scores = [x.cv_results_["mean_test_score"] for x in (found, expected)]
    assert_allclose(*scores, 1e-7)
    assert stacks[:2] == [3, 3]


def test_several_metrics_and_a_rule_to_refit(ae):
    def error(estimator, X, y=None):
        return -np.abs(estimator.reconstruct(X) - X).mean()

    def simplest(results):
        return int(np.argmax(results["param_sparsity"]))

    options = {"scoring": {"error": error}, "refit": simplest}
    found, expected = _searched(ae, GRID, **options)
    _assert_equal_searches(found, expected)
    assert found.best_params_ == {"sparsity": 1.0}


def test_splits_that_are_drawn_are_drawn_once(ae, stacks):
    cv = ShuffleSplit(3, random_state=np.random.RandomState(0))
    found = StackedGridSearchCV(ae, GRID, cv=copy.deepcopy(cv), refit=False).fit(X)
    expected = GridSearchCV(ae, GRID, cv=copy.deepcopy(cv), refit=False).fit(X)
    _assert_equal_searches(found, expected)
    unseeded = clone(ae).set_params(random_state=None)
    StackedGridSearchCV(unseeded, GRID, cv=ShuffleSplit(2), refit=False).fit(X)
    assert stacks[0] == 9
    assert 6 in stacks[1:]


def test_weights_are_split(ae):
    weight = np.random.RandomState(0).uniform(size=len(X))
    options = {"fit_params": {"sample_weight": weight}, "refit": False}
    _assert_equal_searches(*_searched(ae, GRID, **options))


def test_a_search_that_draws_candidates(ae):
    distributions = {"sparsity": [0.01, 0.1, 0.5, 1.0]}
    options = {"n_iter": 3, "cv": 3, "random_state": 0}
    found, expected = (
        search(ae, distributions, **options).fit(X)
        for search in (StackedRandomizedSearchCV, RandomizedSearchCV)
    )
    _assert_equal_searches(found, expected)


def test_a_search_within_cross_validation(ae):
    found = cross_val_score(StackedGridSearchCV(ae, GRID, cv=2), X, cv=2)
    assert_allclose(found, cross_val_score(GridSearchCV(ae, GRID, cv=2), X, cv=2), 1e-7)


def test_invalid_candidates_fail_as_in_scikit_learn(ae):
    search = StackedGridSearchCV(ae, {"sparsity": [0.1, -1.0]}, cv=2, refit=False)
    with pytest.warns(FitFailedWarning, match="2 fits failed"), _nan_allowed():
        scores = search.fit(X).cv_results_["mean_test_score"]
    assert np.isnan(scores).tolist() == [False, True]


def _numpy_state():
    return np.random.get_state()[1]  # noqa: NPY002


def test_global_state_is_left_alone(ae):
    before = torch.get_rng_state(), _numpy_state(), list(warnings.filters)
    StackedGridSearchCV(ae, GRID, cv=2).fit(X)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert_array_equal(_numpy_state(), before[1])
    assert warnings.filters == before[2]


@pytest.mark.slow
def test_processes_share_the_training(ae):
    found, expected = _searched(ae, GRID, n_jobs=2)
    _assert_equal_searches(found, expected)


@pytest.mark.slow
def test_a_search_takes_a_fraction_of_the_time():
    import time

    ae = SparseAutoencoder(4, hidden_layer_sizes=(16,), max_epochs=10, random_state=0)
    rows = np.tile(X, (3, 1))

    def seconds(search):
        began = time.perf_counter()
        search(ae, {"sparsity": [0.01, 0.03, 0.1, 0.3, 1.0]}, cv=3).fit(rows)
        return time.perf_counter() - began

    seconds(StackedGridSearchCV)
    ratios = [seconds(GridSearchCV) / seconds(StackedGridSearchCV) for _ in range(3)]
    assert np.median(ratios) > 1.2


def test_folds_are_trained_in_turn_where_their_rows_are_many(monkeypatch, stacks):
    monkeypatch.setattr(_search, "_MOST_BYTES", 2 * X.nbytes)
    ae = SparseAutoencoder(3, **FAST)
    grid = {"sparsity": [0.01, 0.1]}
    _assert_equal_searches(*_searched(ae, grid, cv=3, refit=False))
    assert stacks[0] == 4
    assert 2 in stacks


@pytest.mark.parametrize("kind", [_Hinge, lambda at: _Hinge(at).__call__])
def test_penalties_that_hide_their_numbers_are_not_mixed_up(kind):
    settings = {**FAST, "early_stopping": False}
    aes = [AutoencoderTransformer(3, penalty=kind(at), **settings) for at in (0.5, 2.0)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = fit_many(aes, X)
    _assert_equal_fits(found, [clone(ae).fit(X) for ae in aes], X)


@pytest.mark.parametrize(
    "cls", [VariationalAutoencoder, DenoisingAutoencoder, ContractiveAutoencoder]
)
def test_noise_of_networks_of_the_user(cls):
    own = {"encoder": _Bounded, "decoder": _Bounded, "hidden_layer_sizes": None}
    _assert_equal_fits(*_both(_made(cls, "lr", **own), [1e-3, 2e-3]), X)


OPTIMIZERS = {
    "amsgrad": {"net_params": {"optimizer__amsgrad": True}},
    "momentum": {
        "optimizer": "sgd",
        "net_params": {"optimizer__momentum": 0.9, "optimizer__fused": True},
    },
    "adam": {},
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_as_after_an_ordinary_fit(name):
    make = _made(AutoencoderTransformer, "lr", early_stopping=False, **OPTIMIZERS[name])
    found, expected = _both(make, [1e-3, 2e-3])
    for ae in (*found, *expected):
        assert all(x.is_contiguous() for x in ae.net_.module_.parameters())
        for _ in range(3):
            ae.partial_fit(X)
    _assert_equal_fits(found, expected, X, 1e-6)
