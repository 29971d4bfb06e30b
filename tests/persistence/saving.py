"""Custom parts, the estimators that are saved, and ways to save, load and compare."""

import copy
import functools
import json

import numpy as np
import pytest
import safetensors.torch
import torch
from conftest import ESTIMATORS
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
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
from skae._persistence.container import pack
from skae._persistence.format import to_bytes

N = 40
IMAGES = (load_digits().images[:N] / 16).astype(np.float32)
ROWS = IMAGES.reshape(N, 64)
OTHERS = (load_digits().images[N : 2 * N] / 16).astype(np.float32)
SMALL = {"n_components": 3, "max_epochs": 2, "random_state": 0}
NARROW = {**SMALL, "hidden_layer_sizes": (8,)}


# Custom parts ----------------------------------------------------------------------


class CustomEncoder(nn.Sequential):
    """A builder whose layers draw from torch's global generator."""

    def __init__(self, n_in, n_out):
        super().__init__(nn.Flatten(), nn.Linear(n_in, n_out), nn.Dropout(0.1))


def custom_decoder(n_in, n_out, bias=True):
    return nn.Linear(n_in, n_out, bias=bias)


class CustomModule(nn.Module):
    """A module with weights, a buffer, a number, tied layers and a function."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.first = nn.Linear(n_in, n_out)
        self.again = self.first
        self.register_buffer("shift", torch.full((n_out,), 0.25))
        self.slope = 0.5
        self.activation = torch.nn.functional.relu

    def forward(self, x):
        return self.slope * self.activation(self.again(x.flatten(1))) + self.shift


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
    """A callback that counts, and so has a state to be saved."""

    def initialize(self):
        self.seen_ = [0, {"first": None}]
        return self

    def on_epoch_end(self, net, **kwargs):
        self.seen_[0] += 1
        net.history.record("counted", self.seen_[0])


def seeded(cls, *args):
    """Return a module whose weights do not depend on a global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return cls(*args)


TRUSTED = [
    "saving.Counter",
    "saving.CustomEncoder",
    "saving.CustomModule",
    "saving.Shift",
    "saving.custom_decoder",
    "saving.distance",
    "saving.small_code",
]


# Estimators ------------------------------------------------------------------------


@functools.cache
def _trained_conv():
    return ConvAutoencoder(**SMALL, channels=(2, 4)).fit(IMAGES)


def trained_conv():
    return copy.deepcopy(_trained_conv())


# Every class, and what networks, losses and the settings of training may be.
CASES = {
    **{
        cls.__name__: lambda cls=cls: cls(**SMALL)
        for cls in ESTIMATORS
        if cls is not VariationalAutoencoder
    },
    "variational": lambda: VariationalAutoencoder(**NARROW, kl_warmup=3),
    "builders": lambda: ContractiveAutoencoder(
        **SMALL,
        encoder=CustomEncoder,
        decoder=functools.partial(custom_decoder, bias=False),
    ),
    "instances": lambda: SparseAutoencoder(
        **SMALL,
        method="topk",
        n_active=np.int64(2),
        encoder=seeded(CustomModule, 64, 3),
        decoder=seeded(custom_decoder, 3, 64),
    ),
    "networks of another": lambda: DenoisingAutoencoder(
        **SMALL, encoder=trained_conv().encoder_, decoder=trained_conv().decoder_
    ),
    "module classes": lambda: AutoencoderTransformer(
        **SMALL, encoder=Dense, decoder=Conv
    ),
    "custom functions": lambda: AutoencoderTransformer(
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


# Comparisons -----------------------------------------------------------------------


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
    assert repr(one.history_) == repr(other.history_)  # as text, where NaN equals NaN
    assert one.n_iter_ == other.n_iter_
    expected, found = outputs(one, X), outputs(other, X)
    for name in expected:
        assert_array_equal(found[name], expected[name], err_msg=name)


def saved_and_loaded(ae, folder, **kwargs):
    path = folder / "saved.skae"
    ae.save(path, **kwargs)
    return skae.load(path, trusted=TRUSTED)


# Files -----------------------------------------------------------------------------


@functools.cache
def small_file():
    ae = AutoencoderTransformer(
        1, hidden_layer_sizes=(2,), max_epochs=1, early_stopping=False, random_state=0
    )
    return to_bytes(ae.fit(ROWS[:, :3])._document())[0]


def load_bytes(data, folder):
    path = folder / "given.skae"
    path.write_bytes(data)
    return skae.load(path)


def rewritten(change, data=None):
    """Return a file with other JSON and tensors, and a valid checksum."""
    data = small_file() if data is None else data
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    document = json.loads(header["__metadata__"]["skae"])
    tensors = safetensors.torch.load(data)
    document = change(document, tensors) or document
    document = {k: v for k, v in document.items() if k != "sha256"}
    return pack("skae", document, tensors)


def without_entry(*keys):
    """Return a change of a file that removes the value at ``keys`` of its JSON."""

    def change(document, tensors):
        *inner, last = keys
        functools.reduce(dict.__getitem__, inner, document).pop(last)

    return change


def with_entry(value, *keys):
    """Return a change of a file that puts a value at ``keys`` of its JSON."""

    def change(document, tensors):
        *inner, last = keys
        functools.reduce(dict.__getitem__, inner, document)[last] = value

    return change


def tensor_entry(name, value):
    """Return a change of a file that replaces a tensor, or removes it for None."""

    def change(document, tensors):
        tensors[name] = value
        if value is None:
            del tensors[name]

    return change
