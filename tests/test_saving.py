"""What is saved comes back whole, and what is not whole is refused."""

import functools
import json
import os
import pickle
import re
import sys
import threading
import warnings
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import skops.io
import torch
from conftest import ESTIMATORS
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skops.io.exceptions import UntrustedTypesFoundException
from skorch.callbacks import Callback, EarlyStopping, GradientNormClipping, LRScheduler
from torch import nn
from torch.optim.lr_scheduler import StepLR

import skae
from skae import (
    AutoencoderTransformer,
    ContractiveAutoencoder,
    Conv,
    ConvAutoencoder,
    DenoisingAutoencoder,
    Dense,
    GaussianNoise,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae._estimators.base import restored
from skae._persistence.format import _NO_DIGEST, _digest, from_bytes, to_bytes
from skae._persistence.reader import Reader
from skae._persistence.registry import check_trusted
from skae._persistence.writer import Writer
from skae._random import RandomStream

DATA = Path(__file__).parent / "data"
N = 40
PICTURES = (load_digits().images[:N] / 16).astype(np.float32)
ROWS = PICTURES.reshape(N, 64)
OTHERS = (load_digits().images[N : 2 * N] / 16).astype(np.float32)
SMALL = {"n_components": 3, "max_epochs": 2, "random_state": 0}
NARROW = {**SMALL, "hidden_layer_sizes": (8,)}

# Parts of one's own -----------------------------------------------------------------


class Mine(nn.Sequential):
    """A builder whose layers draw from torch's global generator."""

    def __init__(self, n_in, n_out):
        super().__init__(nn.Flatten(), nn.Linear(n_in, n_out), nn.Dropout(0.1))


def mine_back(n_in, n_out, bias=True):
    return nn.Linear(n_in, n_out, bias=bias)


class Instance(nn.Module):
    """A module with weights, a buffer, a number, tied layers and a function."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.first = nn.Linear(n_in, n_out)
        self.again = self.first
        self.register_buffer("shift", torch.full((n_out,), 0.25))
        self.slope = 0.5
        self.bend = torch.nn.functional.relu

    def forward(self, x):
        return self.slope * self.bend(self.again(x.flatten(1))) + self.shift


class Shift(BaseEstimator):
    """A corruption with a number."""

    def __init__(self, by=0.1):
        self.by = by

    def __call__(self, x, generator):
        return x + self.by * torch.rand(len(x), 1, generator=generator, dtype=x.dtype)


def distance(reconstruction, x, power=0.75):
    """Return a value for each row."""
    return ((reconstruction - x) ** 2).sum(1) ** power


def small_code(x, output, module):
    return 0.01 * (output["code"] ** 2).sum(1)


class Counter(Callback):
    """A callback with a memory."""

    def initialize(self):
        self.seen_ = [0, {"first": None}]
        return self

    def on_epoch_end(self, net, **kwargs):
        self.seen_[0] += 1
        net.history.record("counted", self.seen_[0])


def instance(cls, *args):
    """Return a module whose weights do not depend on a global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return cls(*args)


TRUSTED = [
    "test_saving.Counter",
    "test_saving.Instance",
    "test_saving.Mine",
    "test_saving.Shift",
    "test_saving.distance",
    "test_saving.mine_back",
    "test_saving.small_code",
]


@functools.cache
def trained_conv():
    return ConvAutoencoder(**SMALL, channels=(2, 4)).fit(PICTURES)


# Every class, and what slots, losses and the course of training may hold.
CASES = {
    **{
        cls.__name__: lambda cls=cls: cls(**SMALL)
        for cls in ESTIMATORS
        if cls is not VariationalAutoencoder
    },
    "variational": lambda: VariationalAutoencoder(**NARROW, kl_warmup=3),
    "builders": lambda: ContractiveAutoencoder(
        **SMALL, encoder=Mine, decoder=functools.partial(mine_back, bias=False)
    ),
    "instances": lambda: SparseAutoencoder(
        **SMALL,
        method="topk",
        n_active=np.int64(2),
        encoder=instance(Instance, 64, 3),
        decoder=instance(mine_back, 3, 64),
    ),
    "parts of another": lambda: DenoisingAutoencoder(
        **SMALL, encoder=trained_conv().encoder_, decoder=trained_conv().decoder_
    ),
    "module classes": lambda: AutoencoderTransformer(
        **SMALL, encoder=Dense, decoder=Conv
    ),
    "own functions": lambda: AutoencoderTransformer(
        **NARROW, loss=distance, corruption=Shift(), penalty=[("small", small_code)]
    ),
    "partial loss": lambda: VariationalAutoencoder(
        **NARROW, loss=functools.partial(distance, power=0.5)
    ),
    "loss of torch": lambda: AutoencoderTransformer(
        **NARROW, loss=nn.L1Loss(reduction="none")
    ),
    "cross-entropy": lambda: VariationalAutoencoder(
        **NARROW,
        loss="binary_cross_entropy",
        augmentation=skae.DynamicBinarization(),
        dtype="float64",
    ),
    "poisson": lambda: ConvAutoencoder(**SMALL, channels=[2], loss="poisson"),
    "tied": lambda: AutoencoderTransformer(**SMALL, encoder=Dense((8,), tied=True)),
    "pooling": lambda: VariationalAutoencoder(
        **SMALL, encoder=Conv((2,), pooling="max", batch_norm=True)
    ),
    "penalties": lambda: ConvAutoencoder(
        **SMALL,
        channels=(2, 4),
        penalty=[("l1", skae.L1Sparsity(1e-3)), ("jacobian", skae.Contraction(0.1))],
    ),
    "kl": lambda: SparseAutoencoder(**NARROW, method="kl"),
    "lifetime": lambda: SparseAutoencoder(**NARROW, method="lifetime"),
    "noise": lambda: DenoisingAutoencoder(**NARROW, noise=GaussianNoise(clip=(0, 1))),
    "numbers of numpy": lambda: AutoencoderTransformer(
        3, hidden_layer_sizes=np.array([8, 4]), lr=np.float64(1e-3), max_epochs=1
    ),
    "random state": lambda: VariationalAutoencoder(
        3, max_epochs=1, random_state=np.random.RandomState(3)
    ),
    "early stopping": lambda: AutoencoderTransformer(**NARROW, early_stopping=True),
    "callbacks": lambda: AutoencoderTransformer(
        **NARROW,
        callbacks=[
            ("stop", EarlyStopping("train_loss")),
            GradientNormClipping(1.0),
            Counter,
        ],
    ),
    "scheduler": lambda: AutoencoderTransformer(
        **NARROW, callbacks=[("lr", LRScheduler(StepLR, step_size=1))]
    ),
    "settings of the net": lambda: AutoencoderTransformer(
        **NARROW,
        optimizer=torch.optim.Adamax,
        weight_decay=1e-3,
        device=torch.device("cpu"),
        net_params={
            "optimizer__betas": (0.8, 0.9),
            "iterator_train": torch.utils.data.DataLoader,
        },
    ),
    "momentum": lambda: AutoencoderTransformer(
        **NARROW, optimizer="sgd", net_params={"optimizer__momentum": 0.9}
    ),
}
every = pytest.mark.parametrize("name", CASES)


def outputs(ae, X):
    """Return all that a fitted estimator computes."""
    codes = ae.transform(X)
    found = {
        "transform": codes,
        "inverse_transform": ae.inverse_transform(codes),
        "score_samples": ae.score_samples(X),
        "score": ae.score(X),
        "sensitivity": ae.sensitivity(X[:5]),
        "interpolate": ae.interpolate(X[0], X[1]),
    }
    if hasattr(ae, "sample"):
        found["posterior"] = np.stack(ae.posterior(X))
        found["sample"] = ae.sample(4, random_state=0)
    if hasattr(ae, "denoise"):
        found["corrupt"] = ae.corrupt(X, random_state=0)
    return found


def assert_equal(one, other, X):
    assert vars(one).keys() == vars(other).keys()
    assert repr(one.history_) == repr(other.history_)  # not a number is no number
    assert one.n_iter_ == other.n_iter_
    expected, found = outputs(one, X), outputs(other, X)
    for name in expected:
        assert_array_equal(found[name], expected[name], err_msg=name)


def saved_and_loaded(ae, folder, **kwargs):
    path = folder / "saved.skae"
    ae.save(path, **kwargs)
    return skae.load(path, trusted=TRUSTED)


# What comes back --------------------------------------------------------------------


@every
def test_a_loaded_estimator_is_the_one_that_was_saved(name, tmp_path):
    ae = CASES[name]().set_params(warm_start=True).fit(PICTURES)
    other = saved_and_loaded(ae, tmp_path)
    assert_equal(ae, other, PICTURES)
    ae.partial_fit(OTHERS)
    other.partial_fit(OTHERS)
    assert_equal(ae, other, PICTURES)
    assert other.net_.history[-1].keys() == ae.net_.history[-1].keys()
    ae.fit(OTHERS)
    other.fit(OTHERS)
    assert_equal(ae, other, PICTURES)


@pytest.mark.parametrize("name", [name for name in CASES if name != "scheduler"])
def test_what_is_saved_again_has_the_same_bytes(name):
    # skorch's scheduler is made anew in every training, and is no part of a file.
    ae = CASES[name]().fit(PICTURES)
    data, foreign = to_bytes(ae._document())
    classes = {f"skae.{type(ae).__name__}": type(ae)}
    trusted = {key.replace(":", ".") for key in foreign}
    assert trusted <= set(TRUSTED)
    again = from_bytes(data, classes, restored, trusted)
    assert to_bytes(again._document())[0] == data


@pytest.mark.parametrize(
    ("X", "layout"),
    [
        (ROWS, None),
        (pd.DataFrame(ROWS, columns=[f"pixel{i}" for i in range(64)]), None),
        (ROWS.reshape(N, 2, 4, 8), None),
        (ROWS.reshape(N, 8, 4, 2), None),
        (ROWS.reshape(N, 2, 32), "signal"),
        ((PICTURES * 16).astype(np.uint8), None),
    ],
    ids=["rows", "frame", "channels first", "channels last", "signal", "uint8"],
)
def test_layouts_and_names_come_back(X, layout, tmp_path):
    ae = AutoencoderTransformer(**SMALL, encoder="conv", layout=layout)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", skae.LayoutWarning)
        ae.fit(X)
    ae.set_output(transform="pandas")
    other = saved_and_loaded(ae, tmp_path)
    assert vars(other).keys() == vars(ae).keys()
    pd.testing.assert_frame_equal(other.transform(X), ae.transform(X))
    assert_array_equal(other.reconstruct(X), ae.reconstruct(X))
    assert_array_equal(
        getattr(other, "feature_names_in_", []), getattr(ae, "feature_names_in_", [])
    )


def test_parameters_that_changed_since_fit_change_nothing(tmp_path):
    noise = GaussianNoise(0.2)
    ae = DenoisingAutoencoder(**SMALL, encoder=Dense((8,)), noise=noise)
    ae.fit(PICTURES)
    ae.set_params(
        encoder__hidden_layer_sizes=(4, 4),
        noise__level=0.9,
        code_activation="relu",
        optimizer="sgd",
    )
    other = saved_and_loaded(ae, tmp_path)
    assert_equal(ae, other, PICTURES)
    assert other.get_params()["encoder__hidden_layer_sizes"] == (4, 4)
    assert other.get_params()["noise__level"] == 0.9
    ae.partial_fit(OTHERS)
    other.partial_fit(OTHERS)
    assert_equal(ae, other, PICTURES)
    ae.set_params(warm_start=True).fit(PICTURES)  # with the new noise, on the old net
    other = saved_and_loaded(ae, tmp_path)
    assert_equal(ae, other, PICTURES)
    assert other.net_.corruption.level == 0.9
    other.fit(PICTURES)
    assert_equal(ae.fit(PICTURES), other, PICTURES)


def test_nested_parameters_of_a_loaded_estimator_leave_its_net_alone(tmp_path):
    ae = AutoencoderTransformer(**SMALL, encoder=Dense((8,))).fit(PICTURES)
    other = saved_and_loaded(ae, tmp_path).set_params(encoder__hidden_layer_sizes=(4,))
    assert_equal(other, saved_and_loaded(other, tmp_path), PICTURES)


def test_a_loaded_estimator_can_be_cloned_and_pickled(tmp_path):
    ae = CASES["instances"]().fit(PICTURES)
    other = saved_and_loaded(ae, tmp_path)
    assert_equal(ae, pickle.loads(pickle.dumps(other)), PICTURES)
    assert_equal(ae, clone(other).fit(PICTURES), PICTURES)


def test_a_diverged_estimator_is_saved_with_its_last_finite_weights(tmp_path):
    ae = AutoencoderTransformer(**NARROW, optimizer="sgd", lr=1e6)
    with pytest.raises(skae.DivergenceError):
        ae.fit(PICTURES)
    assert_equal(ae, saved_and_loaded(ae, tmp_path), PICTURES)


def test_without_the_optimizer_training_goes_on_with_a_new_one(tmp_path):
    ae = AutoencoderTransformer(**SMALL, warm_start=True).fit(PICTURES)
    ae.save(tmp_path / "whole.skae")
    other = saved_and_loaded(ae, tmp_path, include_optimizer=False)
    sizes = [os.path.getsize(tmp_path / f"{x}.skae") for x in ("whole", "saved")]
    weights = sum(x.nbytes for x in ae.net_.module_.parameters())
    assert sizes[0] - sizes[1] > 2 * weights
    assert_equal(ae, other, PICTURES)
    assert not other.net_.optimizer_.state
    assert other.fit(PICTURES).n_iter_ == 4


def test_tied_weights_are_stored_once(tmp_path):
    ae = CASES["tied"]().fit(PICTURES)
    tied = to_bytes(ae._document(), include_optimizer=False)[0]
    free = AutoencoderTransformer(**SMALL, encoder=Dense((8,))).fit(PICTURES)
    assert (
        len(to_bytes(free._document(), include_optimizer=False)[0]) - len(tied)
        > 4 * 64 * 8
    )
    other = saved_and_loaded(ae, tmp_path)
    encoder, decoder = (
        other.net_.module_.get_submodule(x) for x in ("encoder", "decoder")
    )
    assert encoder[1][0].weight is decoder[0][2].weight


def test_weights_can_be_read_by_name(tmp_path):
    ae = AutoencoderTransformer(**NARROW).fit(PICTURES)
    ae.save(tmp_path / "saved.skae")
    tensors = safetensors.torch.load_file(tmp_path / "saved.skae")
    for name, weights in ae.net_.module_.state_dict().items():
        assert_array_equal(tensors[f"net_.weights.{name}"], weights)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_file_from_a_gpu_is_loaded_where_there_is_none(tmp_path, monkeypatch):
    ae = VariationalAutoencoder(**NARROW).fit(PICTURES).set_params(device="cuda")
    ae._model.built_with.parameters["device"] = "cuda"
    get_state = RandomStream.__getstate__

    def with_cuda(stream):
        state = get_state(stream)
        state["states"]["cuda:0"] = torch.zeros(16, dtype=torch.uint8)
        return state

    with monkeypatch.context() as patch:
        patch.setattr(RandomStream, "__getstate__", with_cuda)
        ae.save(tmp_path / "saved.skae")
    with pytest.warns(UserWarning, match="device='cuda' is not there") as told:
        other = skae.load(tmp_path / "saved.skae")
    assert told[0].filename == __file__
    assert_equal(ae, other, PICTURES)
    assert other.device == "cuda"
    other.partial_fit(PICTURES)


def test_loading_touches_no_global_generator(tmp_path):
    ae = CASES["builders"]().fit(PICTURES)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    saved_and_loaded(ae, tmp_path)
    assert_array_equal(torch.get_rng_state(), before[0])
    assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_callbacks_of_scikit_learn_are_not_saved(tmp_path):
    callback = pytest.importorskip("sklearn.callback")
    pipe = make_pipeline(StandardScaler(), AutoencoderTransformer(**NARROW))
    pipe.set_callbacks(callback.ProgressBar()).fit(ROWS)
    ae = pipe[-1].set_callbacks(callback.ProgressBar())
    other = saved_and_loaded(ae, tmp_path)
    assert vars(ae).keys() - vars(other).keys() == {"_skl_callbacks"}


# Files of the first version ---------------------------------------------------------


def make_files_of_format_1():  # pragma: no cover
    """Write what is committed in tests/data; never to be called again."""
    conv = DenoisingAutoencoder(
        3,
        encoder=Conv((2, 4), image_shape=(8, 8)),
        noise=GaussianNoise(0.2, clip=(0, 1)),
        penalty=[("l1", skae.L1Sparsity(1e-3))],
        callbacks=[("stop", EarlyStopping("train_loss"))],
        max_epochs=3,
        random_state=0,
    )
    variational = VariationalAutoencoder(
        2,
        encoder=instance(
            lambda: nn.Sequential(nn.Linear(64, 8), nn.GELU(), nn.Linear(8, 4))
        ),
        decoder=nn.Linear,
        loss="binary_cross_entropy",
        augmentation=skae.DynamicBinarization(),
        net_params={"optimizer__betas": (0.8, 0.99)},
        max_epochs=3,
        random_state=np.random.RandomState(0),
    )
    frame = pd.DataFrame(ROWS, columns=[f"pixel{i}" for i in range(64)])
    expected = {}
    for name, ae in {"denoising": conv, "variational": variational}.items():
        ae.fit(frame).save(DATA / f"format_1_{name}.skae")
        expected[f"{name}_codes"] = ae.transform(frame[:5])
        expected[f"{name}_reconstructions"] = ae.reconstruct(frame[:5])
    np.savez(DATA / "format_1.npz", **expected)


@pytest.mark.parametrize("name", ["denoising", "variational"])
def test_files_of_format_1_can_be_loaded_for_ever(name):
    path = DATA / f"format_1_{name}.skae"
    assert path.stat().st_size < 100_000
    ae = skae.load(path)
    expected = np.load(DATA / "format_1.npz")
    frame = pd.DataFrame(ROWS, columns=ae.feature_names_in_)
    codes, drawn = ae.transform(frame[:5]), ae.reconstruct(frame[:5])
    assert_allclose(codes, expected[f"{name}_codes"], atol=1e-6, rtol=1e-6)
    assert_allclose(drawn, expected[f"{name}_reconstructions"], atol=1e-6, rtol=1e-6)
    assert ae.n_iter_ == 3
    assert ae.set_params(warm_start=True).fit(frame).n_iter_ == 6


# Trust ------------------------------------------------------------------------------


def test_names_that_are_not_trusted_are_refused_and_listed(tmp_path):
    path = tmp_path / "saved.skae"
    CASES["own functions"]().fit(PICTURES).save(path)
    listed = ["test_saving.Shift", "test_saving.distance", "test_saving.small_code"]
    for trusted in [(), listed[:2], "test_saving.Shift"]:
        with pytest.raises(
            ValueError, match=re.escape(f"pass trusted={listed!r}")
        ) as refused:
            skae.load(path, trusted=trusted)
        assert "to load it is to import those modules and to run" in str(refused.value)
    skae.load(path, trusted=listed)


def test_a_module_that_is_not_trusted_is_not_imported(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "skae_test_code.py").write_text(
        "def far(x, output, module):\n    return output['code'].sum(1)\n"
    )
    from skae_test_code import far

    path = tmp_path / "saved.skae"
    AutoencoderTransformer(**NARROW, penalty=far).fit(PICTURES).save(path)
    monkeypatch.delitem(sys.modules, "skae_test_code")
    with pytest.raises(ValueError, match=r"trusted=\['skae_test_code.far'\]"):
        skae.load(path)
    assert "skae_test_code" not in sys.modules
    skae.load(path, trusted="skae_test_code.far")
    assert sys.modules.pop("skae_test_code").far is not far
    (tmp_path / "skae_test_code.py").write_text("near = None\n")
    with pytest.raises(ImportError, match=r"uses skae_test_code\.far, which cannot"):
        skae.load(path, trusted=["skae_test_code.far"])


@pytest.mark.parametrize("trusted", [True, None, [Shift], 5])
def test_trust_is_given_by_name(trusted, tmp_path):
    with pytest.raises(TypeError, match=r"trusted=.* must hold full names"):
        skae.load(tmp_path / "saved.skae", trusted=trusted)


class Subclass(AutoencoderTransformer):
    """An estimator of one's own, with something more that fit sets."""

    def fit(self, X, y=None):
        super().fit(X)
        self.largest_ = float(np.max(X))
        return self


def test_classes_of_ones_own_need_trust(tmp_path):
    ae = Subclass(**NARROW).fit(PICTURES)
    ae.save(tmp_path / "saved.skae")
    with pytest.raises(ValueError, match=r"trusted=\['test_saving.Subclass'\]"):
        skae.load(tmp_path / "saved.skae")
    other = skae.load(tmp_path / "saved.skae", trusted=["test_saving.Subclass"])
    assert type(other) is Subclass
    assert other.largest_ == ae.largest_


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "builtins:exec",
        "torch:load",
        "skorch.callbacks.training:Checkpoint",
    ],
)
def test_what_could_do_more_than_compute_needs_trust(name):
    with pytest.raises(
        ValueError, match=re.escape(f"uses {name.replace(':', '.')}, not")
    ):
        check_trusted([name], (), "x.skae")
    with pytest.raises(ValueError, match="pass trusted="):
        Reader({}, ()).restore({"type": "name", "name": name})


@pytest.mark.parametrize(
    "name", ["torch.nn.Novelty", "torch.nn.functional", "skae.load", "os.system"]
)
def test_names_that_are_not_there_ask_for_an_upgrade(name):
    with pytest.raises(
        ValueError, match=f"uses {name}, which the installed .* upgrade"
    ):
        check_trusted([name], [name], "x.skae")


def test_compiling_needs_trust(tmp_path):
    # One of its options is the compiler: any program of the machine.
    compiled = {"compile": True, "compile__backend": "eager"}
    ae = AutoencoderTransformer(**NARROW, net_params=compiled).fit(ROWS)
    ae.save(tmp_path / "saved.skae")
    with pytest.raises(ValueError, match=r"trusted=\['torch.compile'\]"):
        skae.load(tmp_path / "saved.skae")
    other = skae.load(tmp_path / "saved.skae", trusted="torch.compile")
    assert_equal(ae, other, ROWS)
    for kind in ("parameters", "built_with", "trained_with"):
        with pytest.raises(ValueError, match=r"trusted=\['torch.compile'\]"):
            load_bytes(rewritten(_with(compiled, kind, "net_params")), tmp_path)


METHOD = {"type": "name", "name": "builtins.print"}


def _object(name, part, attribute):
    return {"type": "object", "name": name, part: {attribute: METHOD}}


@pytest.mark.parametrize(
    ("name", "part", "attribute"),
    [
        ("torch.nn.ReLU", "attributes", "forward"),
        ("torch.nn.ReLU", "attributes", "_compiled_call_impl"),
        ("torch.nn.ReLU", "attributes", "__deepcopy__"),
        ("skae.Conv", "attributes", "encoder"),
        ("skae.Layout", "attributes", "n_features"),
        ("skorch.callbacks.LRScheduler", "parameters", "on_epoch_end"),
        ("skorch.callbacks.LRScheduler", "parameters", "__sklearn_clone__"),
    ],
)
def test_a_file_sets_no_methods(name, part, attribute, tmp_path):
    message = rf"{attribute} is no attribute that a {name} can have"
    change = _with(_object(name, part, attribute), "attributes", "new_")
    with pytest.raises(ValueError, match=message):
        load_bytes(rewritten(change), tmp_path)


def test_a_file_sets_no_methods_of_the_estimator(tmp_path):
    with pytest.raises(
        ValueError, match=r"transform is no attribute that a skae\.Auto"
    ):
        load_bytes(rewritten(_with(METHOD, "attributes", "transform")), tmp_path)


def test_a_file_sets_no_methods_of_callbacks(tmp_path):
    kept = {"on_epoch_end": METHOD, "misses_": 1}
    change = _with({"early_stopping": kept}, "net_", "callbacks")
    callbacks = dict(load_bytes(rewritten(change), tmp_path).net_.callbacks_)
    assert vars(callbacks["early_stopping"])["misses_"] == 1
    assert "on_epoch_end" not in vars(callbacks["early_stopping"])


def test_transformers_of_torch_need_no_trust(tmp_path):
    layer = nn.TransformerEncoderLayer(64, 2, 8, batch_first=True)
    encoder = nn.Sequential(layer, nn.Linear(64, 3))
    ae = AutoencoderTransformer(**SMALL, encoder=encoder, decoder=nn.Linear).fit(ROWS)
    ae.save(tmp_path / "saved.skae")
    assert_equal(ae, skae.load(tmp_path / "saved.skae"), ROWS)


# What cannot be saved ---------------------------------------------------------------


def _local():
    def loss(reconstruction, x):
        return (reconstruction - x) ** 2

    return loss


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"loss": _local()}, ValueError, "loss=<function _local.<locals>.loss at"),
        (
            {"lr_schedule": lambda t: 1 - t},
            ValueError,
            "lr_schedule=.*<lambda>.*Define it at the top level of a module",
        ),
        (
            {"penalty": [("far", Shift(threading.Lock()))]},
            TypeError,
            r"penalty.0.1.by is a _thread.lock, which cannot be saved: it is more than",
        ),
        (
            {"penalty": [("far", Shift(np.zeros(2, dtype=complex)))]},
            TypeError,
            "penalty.0.1.by is a numpy.ndarray, .* its type is complex128",
        ),
        (
            {"penalty": Shift(torch.zeros(2).to_sparse())},
            TypeError,
            "penalty.by is a torch.Tensor, which cannot be saved: it is sparse",
        ),
        (
            {"net_params": {"optimizer__eps": np.longdouble(1e-8)}},
            TypeError,
            "net_params.optimizer__eps is a numpy.longdouble",
        ),
        (
            {"random_state": np.random.RandomState(np.random.PCG64(0))},
            TypeError,
            "random_state is a .*RandomState, which cannot be saved: it draws from",
        ),
        (
            {"encoder": nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))},
            TypeError,
            "encoder is a .*ParametrizedLinear, which cannot be saved: it is more than",
        ),
    ],
)
def test_what_cannot_be_described_is_refused(params, error, message, tmp_path):
    ae = AutoencoderTransformer(**NARROW).fit(PICTURES).set_params(**params)
    path = tmp_path / "saved.skae"
    path.write_text("before")
    with pytest.raises(error, match=message):
        ae.save(path)
    assert path.read_text() == "before"


def test_unfitted_estimators_are_not_saved(tmp_path):
    with pytest.raises(NotFittedError):
        AutoencoderTransformer().save(tmp_path / "saved.skae")


# Files ------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_save_that_fails_leaves_the_old_file_whole(failing, tmp_path, monkeypatch):
    path = tmp_path / "saved.skae"
    ae = AutoencoderTransformer(**NARROW).fit(PICTURES)
    ae.save(str(path))
    before = path.read_bytes()

    def fail(*args):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="the disk is full"):
        ae.fit(OTHERS).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["saved.skae"]


def test_a_link_stays_a_link(tmp_path):
    ae = AutoencoderTransformer(**NARROW).fit(PICTURES)
    (tmp_path / "link.skae").symlink_to(tmp_path / "saved.skae")
    ae.save(tmp_path / "link.skae")
    assert (tmp_path / "link.skae").is_symlink()
    assert_equal(ae, skae.load(tmp_path / "saved.skae"), PICTURES)


def test_a_path_may_be_bytes(tmp_path):
    ae = AutoencoderTransformer(**NARROW).fit(PICTURES)
    path = os.fsencode(tmp_path / "saved.skae")
    ae.save(path)
    assert os.listdir(tmp_path) == ["saved.skae"]
    assert_equal(ae, skae.load(path), PICTURES)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_what_is_replaced_leaves_its_permissions(tmp_path):
    path = tmp_path / "saved.skae"
    path.touch(mode=0o600)
    AutoencoderTransformer(**NARROW).fit(PICTURES).save(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_no_file_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        skae.load(tmp_path / "saved.skae")
    with pytest.raises(OSError, match=re.escape(str(tmp_path))):
        skae.load(tmp_path)
    ae = AutoencoderTransformer(**NARROW).fit(PICTURES)
    with pytest.raises(FileNotFoundError):
        ae.save(tmp_path / "nowhere" / "saved.skae")
    for function in (ae.save, skae.load):
        with pytest.raises(TypeError, match="PathLike"):
            function(5)


@functools.cache
def small_file():
    ae = AutoencoderTransformer(
        1, hidden_layer_sizes=(2,), max_epochs=1, random_state=0
    )
    return to_bytes(ae.fit(ROWS[:, :3])._document())[0]


def load_bytes(data, folder):
    path = folder / "given.skae"
    path.write_bytes(data)
    return skae.load(path)


def rewritten(change):
    """Return a small file with other JSON and tensors, and a valid checksum."""
    data = small_file()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    document = json.loads(header["__metadata__"]["skae"])
    tensors = safetensors.torch.load(data)
    document = change(document, tensors) or document
    document = {**document, "sha256": _NO_DIGEST.decode()}
    data = safetensors.torch.save(tensors, {"skae": json.dumps(document)})
    return data.replace(_NO_DIGEST, _digest(data), 1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not a file of skae, or is damaged"),
        (b"text", "is not a file of skae, or is damaged"),
        (pickle.dumps({"a": np.zeros(1000)}), "is not a file of skae, or is damaged"),
        (b"\x02" + bytes(7) + b"[]", "is not a file of skae, or is damaged"),
        (safetensors.torch.save({"a": torch.zeros(2)}), "skae has not written them"),
        (
            safetensors.torch.save({"a": torch.zeros(2)}, {"format": "pt"}),
            "skae has not written them: their metadata have no entry 'skae'",
        ),
        (
            safetensors.torch.save({"a": torch.zeros(2)}, {"skae": "no JSON"}),
            "is damaged: its JSON cannot be read",
        ),
        (
            safetensors.torch.save({}, {"skae": '{"format": Infinity, "sha256": ""}'}),
            "is damaged: its JSON cannot be read",
        ),
        (
            safetensors.torch.save({}, {"skae": '{"format": 1, "sha256": ""}'}),
            "is damaged: its checksum",
        ),
    ],
)
def test_files_of_others_are_refused(data, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load_bytes(data, tmp_path)


def test_a_newer_format_is_refused(tmp_path):
    def change(document, tensors):
        return {**document, "format": 2, "written_by": {"skae": "9.1"}}

    with pytest.raises(
        ValueError,
        match=r"has format 2, written by skae 9.1, and .* up to 1: upgrade skae",
    ):
        load_bytes(rewritten(change), tmp_path)


def test_every_damaged_byte_is_found(tmp_path):
    data = small_file()
    load_bytes(data, tmp_path)
    rng = np.random.RandomState(0)
    places = {*range(0, 300), *rng.randint(len(data), size=300)}
    for place in sorted(places):
        damaged = bytearray(data)
        damaged[place] ^= 1 << rng.randint(8)
        with pytest.raises(ValueError, match=r"given\.skae (is|has|holds)"):
            load_bytes(bytes(damaged), tmp_path)


def test_every_truncated_or_longer_file_is_found(tmp_path):
    data = small_file()
    for length in [*range(0, len(data), 97), len(data) - 1]:
        with pytest.raises(ValueError, match=r"given\.skae is"):
            load_bytes(data[:length], tmp_path)
    with pytest.raises(ValueError, match=r"given\.skae is damaged: its checksum"):
        load_bytes(data + b"\0", tmp_path)


def _without(*keys):
    def change(document, tensors):
        *inner, last = keys
        functools.reduce(dict.__getitem__, inner, document).pop(last)

    return change


def _with(value, *keys):
    def change(document, tensors):
        *inner, last = keys
        functools.reduce(dict.__getitem__, inner, document)[last] = value

    return change


def _tensor(name, value):
    def change(document, tensors):
        tensors[name] = value
        if value is None:
            del tensors[name]

    return change


STATE = "net_.optimizer.state.0"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without("estimator"), "KeyError: 'estimator'"),
        (_without("parameters"), "KeyError: 'parameters'"),
        (_without("net_", "weights"), "KeyError: 'weights'"),
        (_without("attributes", "_layout"), "_layout"),
        (_with("skae.Novelty", "estimator"), "uses skae.Novelty, .* upgrade them"),
        (_with(1, "parameters", "novelty"), "unexpected keyword argument 'novelty'"),
        (_with("huge", "built_with", "n_components"), "'n_components' parameter of"),
        (_with({"type": "novelty"}, "attributes", "new_"), "KeyError: 'novelty'"),
        (_with({"type": "again", "id": 99}, "attributes", "new_"), "KeyError: 99"),
        (_with(5, "built_with", "n_components"), "size mismatch for encoder"),
        (_with([], "attributes"), "given.skae was written by"),
        (_with(5, "estimator"), "uses 5, which the installed .* upgrade"),
        (_with("skae.Dense", "estimator"), "skae.Dense is no autoencoder"),
        (_with({"type": "name", "name": 5}, "attributes", "new_"), "uses 5, which"),
        (
            _with(
                {"type": "scalar", "dtype": "i1", "value": 500}, "attributes", "new_"
            ),
            "OverflowError",
        ),
        (_with({"type": "object", "name": "torch.nn.ReLU"}, "net_", "lr"), "Skorch"),
        (_tensor("net_.weights.encoder.1.0.bias", None), "KeyError"),
        (_tensor("net_.weights.encoder.1.0.bias", torch.zeros(5)), "size mismatch"),
        (_tensor(f"{STATE}.exp_avg", torch.zeros(1)), r"exp_avg .* shape \(1,\), but"),
        (_tensor(f"{STATE}.step", torch.zeros(0)), r"step .* shape \(0,\), but \(\)"),
        (_tensor("net_.history", torch.zeros(3)), "JSONDecodeError"),
        (_tensor("net_.stream.states.cpu", torch.zeros(3)), "RuntimeError|TypeError"),
    ],
)
def test_what_cannot_be_made_again_is_refused(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load_bytes(rewritten(change), tmp_path)


def test_parameters_that_are_new_since_get_their_defaults(tmp_path):
    ae = load_bytes(rewritten(_without("parameters", "tol")), tmp_path)
    assert ae.tol == AutoencoderTransformer().tol
    ae.partial_fit(ROWS[:, :3])


# pickle -----------------------------------------------------------------------------


class Locked(AutoencoderTransformer):
    """An estimator that keeps something out of its pickles."""

    def fit(self, X, y=None):
        super().fit(X)
        self.lock_ = threading.Lock()
        return self

    def __getstate__(self):
        state = super().__getstate__()
        return {key: value for key, value in state.items() if key != "lock_"}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_hold_what_a_subclass_says(protocol):
    ae = Locked(**NARROW).fit(PICTURES)
    other = pickle.loads(pickle.dumps(ae, protocol))
    assert vars(ae).keys() - vars(other).keys() == {"lock_"}
    assert_array_equal(other.transform(PICTURES), ae.transform(PICTURES))


# skops ------------------------------------------------------------------------------


def test_skops_stores_pipelines_and_asks_for_trust_in_the_class_alone():
    y = np.arange(N) % 3
    for cls in ESTIMATORS:
        pipe = make_pipeline(StandardScaler(), cls(**SMALL), LogisticRegression())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", skae.LayoutWarning)
            pipe.fit(ROWS, y)
        data = skops.io.dumps(pipe)
        listed = skops.io.get_untrusted_types(data=data)
        assert listed == [f"{cls.__module__}.{cls.__name__}"]
        other = skops.io.loads(data, trusted=listed)
        assert_array_equal(other.predict_proba(ROWS), pipe.predict_proba(ROWS))
        assert_equal(pipe[1], other[1], ROWS)


def test_skops_asks_for_trust_in_parts_of_ones_own():
    ae = CASES["builders"]().fit(PICTURES)
    data = skops.io.dumps(ae)
    listed = skops.io.get_untrusted_types(data=data)
    ours = "skae._estimators.contractive.ContractiveAutoencoder"
    assert listed == [ours, "test_saving.Mine", "test_saving.mine_back"]
    with pytest.raises(UntrustedTypesFoundException):
        skops.io.loads(data, trusted=[ours])
    assert_equal(ae, skops.io.loads(data, trusted=listed), PICTURES)


def test_skops_does_not_hide_names_from_its_audit():
    # What the bytes name and skops was not shown is refused by us.
    ae = CASES["builders"]().fit(PICTURES)
    state = {**ae.__getstate__(), "names": []}
    with pytest.raises(
        ValueError, match=r"uses test_saving\.Mine, test_saving\.mine_back"
    ):
        ContractiveAutoencoder().__setstate__(state)


def test_skops_stores_unfitted_estimators():
    data = skops.io.dumps(AutoencoderTransformer(5, encoder=Dense((9,))))
    listed = skops.io.get_untrusted_types(data=data)
    other = skops.io.loads(data, trusted=listed)
    assert other.get_params()["encoder__hidden_layer_sizes"] == (9,)


# Values -----------------------------------------------------------------------------


def again(value):
    """Return a value after a way through JSON and safetensors."""
    writer = Writer()
    text = json.dumps(writer.describe(value, "x"), allow_nan=False)
    tensors = safetensors.torch.load(safetensors.torch.save(writer.tensors))
    return Reader(tensors, TRUSTED).restore(json.loads(text))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -(2**70),
        0.1,
        5e-324,
        float("inf"),
        -float("inf"),
        "Größe \ud800 \0",
        [1, [2.5, None]],
        (1, ("a", ())),
        {"a": 1, "b": (2,)},
        {"type": "again", 1: None, (2, 3): "c"},
        OrderedDict([("z", 1), (0, 2)]),
        {3, "a", None},
        torch.Size([2, 3]),
        torch.device("cuda:1"),
        torch.bfloat16,
        np.dtype("int16"),
        np.float32(0.1),
        np.int8(-3),
        np.bool_(True),
        np.str_("text"),
        np.uint64(2**64 - 1),
        nn.Linear,
        torch.optim.AdamW,
        skae.Conv,
        print,
        distance,
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_come_back_as_they_were(value):
    found = again(value)
    assert found == value
    assert type(found) is type(value)


def test_not_a_number_comes_back():
    assert np.isnan(again(float("nan")))
    assert np.isnan(again(np.float32("nan")))


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6.0).reshape(2, 3).T,
        np.arange(3, dtype=">i4"),
        np.array(2.5),
        np.zeros((0, 3), dtype=np.uint16),
        np.array(["a", "bc"]),
        np.array([["a", None], [1, "b"]], dtype=object),
    ],
    ids=["transposed", "big-endian", "scalar", "empty", "text", "objects"],
)
def test_arrays_come_back(value):
    found = again(value)
    assert_array_equal(found, value)
    assert found.dtype == value.dtype.newbyteorder("=")


@pytest.mark.parametrize("shape", [(4, 1, 3, 3), (4, 2, 3, 3), (2, 2, 1, 1)])
def test_tensors_come_back_with_their_memory_format(shape):
    value = torch.rand(shape).to(memory_format=torch.channels_last)
    found = again(value)
    assert torch.equal(found, value)
    assert found.stride() == value.stride()


def test_strides_that_overrun_memory_are_ignored():
    described = {"type": "tensor", "tensor": "x", "stride": [2**50, 1]}
    assert Reader({"x": torch.ones(2, 2)}, ()).restore(described).stride() == (2, 1)


def test_parameters_stay_frozen():
    weights = [nn.Parameter(torch.ones(2), requires_grad=x) for x in (True, False)]
    assert [x.requires_grad for x in again(weights)] == [True, False]


def test_a_random_state_goes_on():
    value = np.random.RandomState(0)
    value.standard_normal(3)
    found = again(value)
    assert_array_equal(found.standard_normal(5), value.standard_normal(5))


@pytest.mark.parametrize("pos", [-1, 625, 10**9])
def test_a_random_state_reads_its_own_memory_alone(pos):
    writer = Writer()
    described = writer.describe(np.random.RandomState(0), "x")
    described["state"]["state"]["pos"] = pos
    with pytest.raises(ValueError, match="no such position"):
        Reader(writer.tensors, ()).restore(described)


def test_what_is_one_stays_one():
    shift, shared = Shift(), functools.partial(distance, power=2)
    module = instance(Instance, 3, 2)
    found = again([shift, [shift], shared, (shared,), module, module.first])
    assert found[0] is found[1][0]
    assert found[2] is found[3][0]
    assert found[4].first is found[4].again
    assert found[4].first is found[5]
    assert found[2].keywords == {"power": 2}


def test_a_module_may_refer_to_itself():
    module = nn.Linear(2, 2)
    module.whole = [module]
    found = again(module)
    assert found.whole[0] is found


def test_hooks_come_back():
    module = nn.Linear(2, 2)
    module.register_forward_hook(small_code)
    assert list(again(module)._forward_hooks.values()) == [small_code]
