"""The skorch net: the fast path equals skorch, and a fit leaves nothing behind."""

import itertools
import math
import pickle
import signal
from functools import partial

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping, EpochScoring
from torch import nn
from torch.utils.data import DataLoader

from skae import DivergenceError, GaussianNoise, KLDivergence, L1Sparsity
from skae._data.batches import Batch, BatchIterator, HoldOut, RowDataset
from skae._networks.autoencoder import AutoencoderModule, VariationalAutoencoderModule
from skae._objective.losses import LOSSES, Loss
from skae._objective.objective import Objective
from skae._random import RandomStream
from skae._training.net import AutoencoderNet
from skae._training.passes import can_take_fast_path
from skae._training.schedules import LR_SCHEDULES
from skae._training.settings import as_stream
from skae._training.stopping import STOPPING

N_ROWS, N_FEATURES = 23, 4
X = np.random.default_rng(0).standard_normal((N_ROWS, N_FEATURES)).astype(np.float32)
ROWS = RowDataset(X, np.dtype("float32"))


def _build(cls=AutoencoderModule, first=None):
    n_out = 2 * cls.n_columns_per_unit
    layers = [nn.Linear(N_FEATURES, 6), nn.Tanh(), nn.Linear(6, n_out)]
    return cls(
        nn.Sequential(*([] if first is None else [first()]), *layers),
        nn.Linear(2, N_FEATURES),
        link=nn.Identity(),
        scale=1.0,
        stream=RandomStream(1),
    )


def _net(module=_build, penalties=(), callbacks=(), loss=None, **settings):
    return AutoencoderNet(
        module,
        criterion=partial(Objective, loss or LOSSES["squared_error"], penalties),
        iterator_train__shuffle=True,
        callbacks=list(callbacks),
        **{
            "iterator_train": BatchIterator,
            "iterator_valid": BatchIterator,
            "optimizer": torch.optim.Adam,
            "lr": 0.01,
            "train_split": None,
            "batch_size": 5,
            "verbose": 0,
            **settings,
        },
    ).initialize()


def _trained(epochs=3, **settings):
    return _net(**settings).partial_fit(ROWS, None, epochs=epochs)


def _weights(net):
    return {k: v.clone() for k, v in net.module_.state_dict().items()}


def _assert_same_weights(one, other):
    one, other = (
        net if isinstance(net, dict) else net.module_.state_dict()
        for net in (one, other)
    )
    assert list(one) == list(other)
    for name in one:
        assert torch.equal(one[name], other[name]), name


class Recorder(Callback):
    """Record every hook that is called."""

    def __init__(self):
        self.calls = []

    def count(self, hook):
        return self.calls.count(hook)


class EpochRecorder(Recorder):
    def on_train_begin(self, net, **kwargs):
        self.calls.append("on_train_begin")

    def on_epoch_begin(self, net, **kwargs):
        self.calls.append("on_epoch_begin")

    def on_epoch_end(self, net, **kwargs):
        self.calls.append("on_epoch_end")

    def on_train_end(self, net, **kwargs):
        self.calls.append("on_train_end")


class BatchRecorder(EpochRecorder):
    def on_batch_begin(self, net, training=None, **kwargs):
        self.calls.append(("on_batch_begin", training))

    def on_batch_end(self, net, training=None, **kwargs):
        self.calls.append(("on_batch_end", training))

    def on_grad_computed(self, net, named_parameters=(), **kwargs):
        assert all(parameter.grad is not None for _, parameter in named_parameters)
        self.calls.append("on_grad_computed")


class EachEpoch(Callback):
    """Call a function at the end of each epoch."""

    def __init__(self, function):
        self.function = function

    def on_epoch_end(self, net, **kwargs):
        self.function(net)


# One epoch ----------------------------------------------------------------------------

SETTINGS = {
    "plain": {},
    "sgd": {"optimizer": torch.optim.SGD, "optimizer__momentum": 0.9},
    "fused": {"optimizer__fused": True},
    "schedule": {"lr_schedule": LR_SCHEDULES["one_cycle"]},
    "validation": {"train_split": HoldOut(0.3, 0)},
    "noise": {"corruption": GaussianNoise(0.5), "train_split": HoldOut(0.3, 0)},
    "penalties": {"penalties": [("a", L1Sparsity(0.1)), ("b", L1Sparsity(0.2))]},
    "dropout": {
        "module": partial(_build, first=partial(nn.Dropout, 0.3)),
        "has_user_code": True,
        "train_split": HoldOut(0.3, 0),
    },
    "batch norm": {
        "module": partial(_build, first=partial(nn.BatchNorm1d, N_FEATURES)),
        "batch_size": 11,  # 23 rows: 11 and 12, none of one row
    },
    "variational": {
        "module": partial(_build, cls=VariationalAutoencoderModule),
        "penalties": [("kl", KLDivergence(0.5, warmup=2))],
        "train_split": HoldOut(0.3, 0),
    },
}


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_the_fast_path_gives_the_epoch_of_skorch(name):
    # Bit for bit: a callback that hooks batches takes skorch's loop.
    watcher = BatchRecorder()
    fast = _trained(**SETTINGS[name])
    watched = _trained(**SETTINGS[name], callbacks=[("watcher", watcher)])
    assert watcher.count("on_grad_computed") > 0
    _assert_same_weights(fast, watched)
    for one, other in zip(fast.history, watched.history, strict=True):
        terms = {k for k in one if k.startswith(("train_", "valid_"))}
        assert {k for k in other if k.startswith(("train_", "valid_"))} == terms
        for term in terms - {"train_batch_count", "valid_batch_count"}:
            # skorch averages float32 losses of batches, in another order.
            assert one[term] == pytest.approx(other[term], rel=1e-6), term


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_training_changes_weights_and_repeats_itself(name):
    one, other = _trained(**SETTINGS[name]), _trained(**SETTINGS[name])
    _assert_same_weights(one, other)
    before = _net(**SETTINGS[name]).module_.encoder[-1].weight
    assert not torch.equal(before, one.module_.encoder[-1].weight)


def test_every_hook_is_called_as_often_as_skorch_calls_it():
    watcher = BatchRecorder()
    # 16 rows are trained on in batches of 5, 5 and 6; 7 are held out: 5 and 2.
    _trained(epochs=2, callbacks=[("watcher", watcher)], train_split=HoldOut(0.3, 0))
    counts = {call: watcher.count(call) for call in watcher.calls}
    assert counts == {
        "on_train_begin": 1,
        "on_epoch_begin": 2,
        ("on_batch_begin", True): 6,
        "on_grad_computed": 6,
        ("on_batch_end", True): 6,
        ("on_batch_begin", False): 4,
        ("on_batch_end", False): 4,
        "on_epoch_end": 2,
        "on_train_end": 1,
    }


def test_hooks_of_epochs_are_called_on_the_fast_path():
    recorder = EpochRecorder()
    net = _trained(epochs=2, callbacks=[("recorder", recorder)])
    assert can_take_fast_path(net)
    epochs = ["on_epoch_begin", "on_epoch_end"] * 2
    assert recorder.calls == ["on_train_begin", *epochs, "on_train_end"]


def test_scoring_callbacks_of_skorch_work():
    scoring = EpochScoring(
        lambda net, X, y: 1.5, on_train=True, name="custom", use_caching=False
    )
    net = _trained(epochs=2, callbacks=[("scoring", scoring)])
    assert net.history[:, "custom"] == [1.5, 1.5]


def test_optimizers_that_need_a_closure_work():
    net = _net(
        optimizer=torch.optim.LBFGS,
        lr=0.5,
        batch_size=N_ROWS,
        optimizer__line_search_fn="strong_wolfe",
    )
    assert not can_take_fast_path(net)
    net.partial_fit(ROWS, None, epochs=12)
    # Four features and two components: PCA is the best linear answer.
    centred = X - X.mean(0)
    left = np.linalg.svd(centred, compute_uv=False)[2:] ** 2
    with torch.no_grad():
        output = net.module_(torch.from_numpy(X))
        loss, _ = net.criterion_(output, Batch(torch.from_numpy(X)), net.module_)
    assert loss.item() < 1.1 * 0.5 * left.sum() / N_ROWS


@pytest.mark.parametrize("batch_size", [3, 5, 64])
@pytest.mark.parametrize("watched", [False, True])
def test_terms_of_an_epoch_are_means_over_rows(batch_size, watched):
    # Without steps (lr=0) every epoch is the objective of all rows together, whatever
    # the batches: 23 rows in batches of 5 end with one of 3.
    penalties = [("plain", L1Sparsity(0.3, normalize=False))]
    net = _trained(
        epochs=2,
        penalties=penalties,
        optimizer=torch.optim.SGD,
        lr=0.0,
        batch_size=batch_size,
        callbacks=[("watcher", BatchRecorder())] if watched else [],
    )
    x = torch.from_numpy(X)
    with torch.no_grad():
        total, terms = net.criterion_(net.module_(x), Batch(x), net.module_)
    for epoch in net.history:
        assert epoch["train_loss"] == pytest.approx(total.item(), rel=1e-6)
        for name, value in terms.items():
            assert epoch[f"train_{name}"] == pytest.approx(value.item(), rel=1e-6)


def test_epochs_are_counted_by_the_module_for_a_warm_up():
    net = _trained(epochs=3)
    assert net.module_.n_epochs == 3
    net.partial_fit(ROWS, None, epochs=2)
    assert net.module_.n_epochs == 5
    assert len(net.history) == 5


# Noise --------------------------------------------------------------------------------


def _recorded(**settings):
    """Train three epochs; return what was drawn for training and for validation."""
    drawn = {True: [], False: []}

    def corruption(x, generator):
        noise = torch.empty_like(x).normal_(generator=generator)
        drawn[torch.is_grad_enabled()].append(noise)
        return x + noise

    net = _trained(
        corruption=corruption, train_split=HoldOut(0.3, 0), batch_size=32, **settings
    )
    return drawn[True], drawn[False], net


@pytest.mark.parametrize("watched", [False, True])
def test_validation_noise_is_fixed_and_training_noise_fresh(watched):
    callbacks = [("watcher", BatchRecorder())] if watched else []
    training, validation, _ = _recorded(callbacks=callbacks)
    assert len(training) == len(validation) == 3
    for one, other in itertools.pairwise(validation):
        assert torch.equal(one, other)
    for one, other in itertools.combinations(training, 2):
        assert not torch.equal(one, other)


def test_validation_noise_is_not_that_of_training():
    training, validation, _ = _recorded()
    n_common = min(len(training[0]), len(validation[0]))
    assert not torch.equal(training[0][:n_common], validation[0][:n_common])


def test_validation_does_not_change_the_stream_of_training():
    *_, net = _recorded()
    # Three epochs of an order of 16 rows and 16 rows of noise, and nothing else.
    stream = RandomStream(1)
    for _ in range(3):
        torch.randperm(16, generator=stream.on("cpu"))
        torch.empty(16, N_FEATURES).normal_(generator=stream.on("cpu"))
    expected = stream.on("cpu").get_state()
    assert torch.equal(net.module_.stream.on("cpu").get_state(), expected)


def test_the_target_is_the_cfast_row():
    seen = []

    def loss(reconstruction, x):
        seen.append(x.clone())
        return (reconstruction - x) ** 2

    def corruption(x, generator):
        return x.new_zeros(x.shape)

    _trained(epochs=1, loss=Loss.of(loss), corruption=corruption, batch_size=64)
    assert sorted(seen[0][:, 0].tolist()) == sorted(X[:, 0].tolist())


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("where", ["corruption", "layer"])
def test_code_that_works_in_place_leaves_the_target_cfast(where, watched):
    def in_place(x, generator):
        return x.mul_(0.5)

    def in_a_copy(x, generator):
        return x * 0.5

    class Halve(nn.Module):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def forward(self, x):
            return self.function(x, None)

    nets = []
    for function in (in_place, in_a_copy):
        if where == "corruption":
            settings = {"corruption": function}
        else:
            settings = {"module": partial(_build, first=partial(Halve, function))}
        if watched:
            settings["callbacks"] = [("watcher", BatchRecorder())]
        nets.append(_trained(**settings, has_user_code=True))
    _assert_same_weights(*nets)


# The global generator -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["plain", "dropout", "noise"])
def test_the_global_generator_is_neither_changed_nor_used(name):
    before = torch.random.get_rng_state()
    try:
        nets = []
        for seed in (0, 1):
            torch.manual_seed(seed)
            state = torch.random.get_rng_state()
            nets.append(_trained(**SETTINGS[name]))
            assert torch.equal(state, torch.random.get_rng_state())
    finally:
        torch.random.set_rng_state(before)
    _assert_same_weights(*nets)


def test_seeds_decide_the_weights():
    one, same, other = (_net(seed=seed) for seed in (0, 0, 1))
    _assert_same_weights(one, same)
    assert not torch.equal(one.module_.decoder.weight, other.module_.decoder.weight)


# The learning rate --------------------------------------------------------------------


def test_schedules_begin_and_end_where_they_should():
    # (start, end) of the factor; one_cycle is at its top after a tenth.
    ends = {"cosine": (1.0, 0.0), "one_cycle": (0.05, 0.0)}
    for name, (start, end) in ends.items():
        assert LR_SCHEDULES[name](0.0) == pytest.approx(start, abs=1e-12)
        assert LR_SCHEDULES[name](1.0) == pytest.approx(end, abs=1e-12)
    assert LR_SCHEDULES["one_cycle"](0.1) == 1.0
    assert LR_SCHEDULES["cosine"](0.5) == pytest.approx(0.5)
    assert LR_SCHEDULES["constant"] is None


@pytest.mark.parametrize("name", ["cosine", "one_cycle"])
def test_schedules_are_smooth_and_never_negative(name):
    values = [LR_SCHEDULES[name](t) for t in np.linspace(0, 1, 1001)]
    assert min(values) >= 0
    assert max(values) <= 1
    assert max(abs(a - b) for a, b in itertools.pairwise(values)) < 0.01


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("epochs", [1, 4])
def test_a_schedule_spans_the_whole_fit(epochs, watched):
    # Batches of 5, 5, 5, 5 and 3: the fractions are even and go from 0 to 1.
    asked = []

    def schedule(t):
        asked.append(t)
        return 1.0

    callbacks = [("watcher", BatchRecorder())] if watched else []
    _trained(epochs=epochs, lr_schedule=schedule, callbacks=callbacks)
    np.testing.assert_allclose(asked, np.linspace(0, 1, 5 * epochs), atol=1e-12)


def test_a_fit_of_one_step_has_the_first_factor():
    asked = []

    def schedule(t):
        asked.append(t)
        return 1.0

    _trained(epochs=1, lr_schedule=schedule, batch_size=64)
    assert asked == [0.0]


def test_the_factor_reaches_the_optimizer():
    # Plain gradient descent with a factor of 0 in the second half: that half is idle.
    half = _trained(epochs=1, optimizer=torch.optim.SGD, batch_size=64)
    whole = _trained(
        epochs=2,
        optimizer=torch.optim.SGD,
        batch_size=64,
        lr_schedule=lambda t: float(t < 0.5),
    )
    _assert_same_weights(half, whole)


def test_the_learning_rate_is_restored():
    groups = [("encoder*", {"lr": 0.2}), ("decoder*", {"lr": 0.3})]
    net = _net(optimizer__param_groups=groups, lr_schedule=LR_SCHEDULES["cosine"])
    net.partial_fit(ROWS, None, epochs=2)
    assert [group["lr"] for group in net.optimizer_.param_groups] == [0.2, 0.3]


def test_the_learning_rate_is_restored_after_an_error():
    def schedule(t):
        if t > 0.5:
            raise RuntimeError("half way")
        return 0.1

    net = _net(lr_schedule=schedule)
    with pytest.raises(RuntimeError, match="half way"):
        net.partial_fit(ROWS, None, epochs=2)
    assert [group["lr"] for group in net.optimizer_.param_groups] == [0.01]


def test_a_second_fit_starts_its_schedule_again():
    asked = []

    def schedule(t):
        asked.append(t)
        return 1.0

    net = _net(lr_schedule=schedule, batch_size=64)
    for _ in range(2):
        net.partial_fit(ROWS, None, epochs=3)
    assert asked == [0.0, 0.5, 1.0] * 2


# A whole fit --------------------------------------------------------------------------


def _nan_from(batch):
    """Return a penalty that is not a number from some batch of training on."""
    seen = []

    def penalty(x, output, module):
        seen.extend([x] * module.training)
        factor = math.nan if len(seen) > batch else 0.1
        return output["code"].abs().sum(1) * factor

    return penalty


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize(
    ("batch", "epoch"), [(0, 1), (2, 1), (5, 2), (6, 2), (15, 4), (19, 4)]
)
def test_weights_before_a_nan_are_restored(batch, epoch, watched):
    # Batches are counted from the start of training, 5 in an epoch.
    kept = []
    callbacks = [("keep", EachEpoch(lambda net: kept.append(_weights(net))))]
    if watched:
        callbacks.append(("watcher", BatchRecorder()))
    net = _net(penalties=[("bad", _nan_from(batch))], callbacks=callbacks)
    kept.append(_weights(net))
    match = (
        rf"stopped being finite in epoch {epoch} \(terms: loss, .*bad\).*lower lr "
        r"\(now 0.01\).*StandardScaler.*last finite weights"
    )
    if batch == 0:
        match = r"first batch is not finite \(terms: bad\), before any step"
    with pytest.raises(DivergenceError, match=match):
        net.partial_fit(ROWS, None, epochs=6)
    assert len(kept) == epoch
    _assert_same_weights(net, kept[-1])
    assert all(p.grad is None for p in net.module_.parameters())


def test_finite_weights_that_give_what_is_not_are_not_restored():
    # After the first epoch the weights are finite, but their product is not.
    kept = []

    def explode(net):
        kept.append(_weights(net))
        with torch.no_grad():
            for parameter in net.module_.parameters():
                parameter.fill_(1e38)

    net = _net(callbacks=[("explode", EachEpoch(explode))])
    before = _weights(net)
    with pytest.raises(DivergenceError, match="in epoch 2"):
        net.partial_fit(ROWS, None, epochs=3)
    assert len(kept) == 1
    _assert_same_weights(net, before)


def test_divergence_is_a_value_error():
    assert issubclass(DivergenceError, ValueError)


def test_weights_that_overflow_in_the_last_step_are_not_kept():
    # The loss is taken before the step, so that of the last epoch is still finite.
    net = _net(optimizer=torch.optim.SGD, lr=1e38, batch_size=64)
    before = _weights(net)
    net.partial_fit(RowDataset(1000 * X, ROWS.dtype), None, epochs=1)
    _assert_same_weights(net, before)


def test_a_fit_leaves_no_gradients_no_copies_and_no_training_mode():
    stopping = EarlyStopping(monitor="valid_loss", load_best=True)
    net = _trained(train_split=HoldOut(0.3, 0), callbacks=[("stopping", stopping)])
    assert all(p.grad is None for p in net.module_.parameters())
    assert not net.module_.training
    assert net.finite_weights_ is None
    assert net.learning_rate_ is None
    assert net.epoch_terms_ is None
    assert dict(net.callbacks_)["stopping"].best_model_weights_ is None


def test_the_best_epoch_is_restored():
    kept, losses = [], []

    def keep(net):
        kept.append(_weights(net))
        losses.append(net.history[-1, "valid_loss"])

    # The learning rate grows at the end: the last epoch is not the best one.
    net = _net(
        train_split=HoldOut(0.3, 0),
        lr_schedule=lambda t: 300.0 if t > 0.6 else 1.0,
        callbacks=[
            ("keep", EachEpoch(keep)),
            ("stopping", EarlyStopping(patience=20, load_best=True, threshold=0)),
        ],
    )
    net.partial_fit(ROWS, None, epochs=8)
    best = int(np.argmin(losses))
    assert best < 7
    _assert_same_weights(net, kept[best])


def _interrupt(*args):
    raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["corruption", "penalty", "batch hook"])
def test_an_interrupt_is_not_caught(where):
    class Interrupting(Callback):
        def on_batch_end(self, net, **kwargs):
            _interrupt()

    settings = {
        "corruption": {"corruption": _interrupt},
        "penalty": {"penalties": [("bad", _interrupt)]},
        "batch hook": {"callbacks": [("bad", Interrupting())]},
    }
    net = _net(**settings[where])
    with pytest.raises(KeyboardInterrupt):
        net.partial_fit(ROWS, None, epochs=2)
    assert all(p.grad is None for p in net.module_.parameters())
    assert not net.module_.training


def test_a_callback_can_end_the_training():
    class Enough(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 2:
                raise KeyboardInterrupt

    recorder = EpochRecorder()
    net = _trained(epochs=9, callbacks=[("enough", Enough()), ("recorder", recorder)])
    assert len(net.history) == 2
    assert recorder.calls[-1] == "on_train_end"


def test_epochs_of_a_stream_hold_nothing_out_and_do_not_stop():
    seen = []

    def corruption(x, generator):
        seen.append(len(x))
        return x

    schedule = LR_SCHEDULES["cosine"]
    net = _net(
        train_split=HoldOut(0.3, 0),
        lr_schedule=schedule,
        corruption=corruption,
        batch_size=64,
        callbacks=[(STOPPING, EarlyStopping(patience=1, threshold=1e9))],
    )
    kept = net.train_split, net.lr_schedule, net.callbacks_
    with as_stream(net, is_auto=False):
        net.partial_fit(ROWS, None, epochs=4)
    assert seen == [N_ROWS] * 4
    assert net.optimizer_.param_groups[0]["lr"] == 0.01
    assert (net.train_split, net.lr_schedule, net.callbacks_) == kept


def test_epochs_of_a_stream_end_with_an_error_too():
    net = _net(train_split=HoldOut(0.3, 0))
    kept = net.train_split

    def fail():
        with as_stream(net, is_auto=False):
            raise RuntimeError("in the block")

    with pytest.raises(RuntimeError, match="in the block"):
        fail()
    assert net.train_split is kept


def test_a_pickled_net_is_trained_further_as_the_net_is():
    net = _trained()
    again = pickle.loads(pickle.dumps(net))
    for one in (net, again):
        one.partial_fit(ROWS, None, epochs=2)
    _assert_same_weights(net, again)


def test_other_iterators_of_skorch_can_be_used():
    net = _trained(iterator_train=DataLoader, iterator_valid=DataLoader)
    assert len(net.history) == 3


# Told apart ---------------------------------------------------------------------------


def _stop():
    raise KeyboardInterrupt


@pytest.mark.parametrize("of", ["hook", "helper", "reraised"])
def test_a_callback_may_stop_training_from_wherever_it_raises(of):
    def stop(net):
        if of == "hook":
            raise KeyboardInterrupt
        if of == "helper":
            _stop()
        try:
            _stop()
        except KeyboardInterrupt:
            raise

    net = _trained(epochs=9, callbacks=[("stop", EachEpoch(stop))])
    assert len(net.history) == 1


def _raise(*args):
    raise KeyboardInterrupt


class _Handler:
    def __call__(self, *args):
        _raise()


@pytest.mark.parametrize(
    "handler", [signal.default_int_handler, _raise, _Handler(), lambda *args: _raise()]
)
def test_a_signal_in_a_callback_is_no_early_stopping(handler):
    def on_epoch_end(net):
        signal.raise_signal(signal.SIGINT)
        for _ in range(10_000):  # Python looks for signals between instructions
            pass

    net = _net(callbacks=[("slow", EachEpoch(on_epoch_end))])
    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            net.partial_fit(ROWS, None, epochs=9)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not net.module_.training


@pytest.mark.parametrize("name", ["train_step", "train_step_single", "validation_step"])
def test_a_subclass_with_steps_of_its_own_is_run_by_skorch(name):
    calls = []

    def own(self, *args, **kwargs):
        calls.append(name)
        return getattr(AutoencoderNet, name)(self, *args, **kwargs)

    net = _net(train_split=HoldOut(0.3, 0))
    net.__class__ = type("Own", (AutoencoderNet,), {name: own})
    net.partial_fit(ROWS, None, epochs=2)
    assert calls


def test_weights_of_rows_reach_the_objective():
    weight = np.ones(N_ROWS, np.float32)
    weight[: N_ROWS // 2] = 0
    weighted = RowDataset(X, ROWS.dtype, weight=weight)
    half = RowDataset(X[N_ROWS // 2 :], ROWS.dtype)
    settings = {"optimizer": torch.optim.SGD, "batch_size": 64, "lr": 0.1}
    for callbacks in ([], [("watcher", BatchRecorder())]):
        nets = [_net(**settings, callbacks=callbacks) for _ in range(2)]
        for net, rows in zip(nets, (weighted, half), strict=True):
            net.partial_fit(rows, None, epochs=3)
        one, other = (net.module_.state_dict() for net in nets)
        for name in one:
            torch.testing.assert_close(one[name], other[name], rtol=1e-4, atol=1e-6)
        losses = [net.history[:, "train_loss"] for net in nets]
        np.testing.assert_allclose(*losses, rtol=1e-5)


class _Frozen(nn.Dropout):
    """A layer that never drops anything, in whatever mode the network is."""

    def train(self, mode=True):
        return super().train(False)


class _Noted(nn.Identity):
    def forward(self, x):
        self.modes = {*getattr(self, "modes", ()), self.training}
        return x


@pytest.mark.parametrize("first", [_Frozen, nn.Dropout], ids=["own", "plain"])
def test_layers_train_in_their_own_way(first):
    net = _net(partial(_build, first=first), train_split=HoldOut(0.3, 0))
    net.initialize()
    noted = net.module_.decoder = nn.Sequential(net.module_.decoder, _Noted())
    net.partial_fit(ROWS, epochs=2)
    assert noted[1].modes == {True, False}
    assert not any(layer.training for layer in net.module_.modules())
    weights = net.module_.encoder[0]
    net.module_.train()
    assert weights.training is (first is nn.Dropout)


def test_known_layers_are_in_training_mode_while_they_train():
    modes = []

    class Watch(Callback):
        def on_epoch_end(self, net, **kwargs):
            modes.append({layer.training for layer in net.module_.modules()})

    net = _net(callbacks=[("watch", Watch())], train_split=None)
    net.partial_fit(ROWS, epochs=2)
    assert modes == [{True}, {True}]
    assert not any(layer.training for layer in net.module_.modules())


def test_the_best_losses_are_marked():
    net = _net(train_split=HoldOut(0.3, 0), lr=0.3).partial_fit(ROWS, epochs=30)
    for name in ("train_loss", "valid_loss"):
        losses = np.array(net.history[:, name])
        best = np.minimum.accumulate(np.append(np.inf, losses[:-1]))
        assert net.history[:, f"{name}_best"] == list(losses < best)
        assert 0 < (losses < best).sum() < 30


def test_a_step_of_a_stream_does_not_copy_the_history(monkeypatch):
    net = _net(train_split=None).partial_fit(ROWS, epochs=3)
    copies = []
    monkeypatch.setattr(type(net.history), "to_list", copies.append)
    net.partial_fit(ROWS, epochs=1)
    assert copies == []
    monkeypatch.undo()
    assert net.history[:, "epoch"] == [1, 2, 3, 4]
    assert net.history[-1]["epoch"] == net.history[-1, "epoch"] == 4
