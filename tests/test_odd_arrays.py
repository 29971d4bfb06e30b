"""Any container of the same numbers gives the same fit, at any scale; a life of fits.

``SKAE_N_EXAMPLES`` sets the number of examples, 200 by default.
"""

import copy
import functools
import os
import pickle
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

import skae

N_EXAMPLES = int(os.environ.get("SKAE_N_EXAMPLES", "200"))
quiet = pytest.mark.filterwarnings("ignore")
common = settings(
    max_examples=N_EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

SMALL = {"max_epochs": 1, "random_state": 0}
CLASSES = {
    "dense": lambda k: skae.AutoencoderTransformer(k, hidden_layer_sizes=(3,), **SMALL),
    "conv": lambda k: skae.ConvAutoencoder(k, channels=(2,), layout="signal", **SMALL),
    "sparse": lambda k: skae.SparseAutoencoder(k, hidden_layer_sizes=(3,), **SMALL),
    "denoising": lambda k: skae.DenoisingAutoencoder(
        k, hidden_layer_sizes=(3,), **SMALL
    ),
    "contractive": lambda k: skae.ContractiveAutoencoder(
        k, hidden_layer_sizes=(3,), **SMALL
    ),
    "variational": lambda k: skae.VariationalAutoencoder(
        k, hidden_layer_sizes=(3,), **SMALL
    ),
}


# Containers ------------------------------------------------------------------------


def spaced(X):
    wide = np.zeros((2 * len(X), 3 * X.shape[1]), dtype=X.dtype)
    wide[::2, ::3] = X
    return wide[::2, ::3]


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def mapped(X):
    with tempfile.TemporaryFile() as file:
        array = np.memmap(file, dtype=X.dtype, mode="w+", shape=X.shape)
    array[:] = X
    return array


def unaligned(X):
    raw = np.zeros(X.nbytes + 1, dtype=np.uint8)
    raw[1:] = np.frombuffer(X.tobytes(), dtype=np.uint8)
    return raw[1:].view(X.dtype).reshape(X.shape)


def frame(X):
    return pd.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])])


CONTAINERS = {
    "as it is": np.ascontiguousarray,
    "columns first": np.asfortranarray,
    "backwards": lambda X: np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1],
    "spaced": spaced,
    "read only": read_only,
    "mapped": mapped,
    "unaligned": unaligned,
    "other byte order": lambda X: X.astype(X.dtype.newbyteorder()),
    "objects": lambda X: X.astype(object),
    "lists": np.ndarray.tolist,
    "tuples": lambda X: tuple(map(tuple, X.tolist())),
    "rows": list,
    "frame": frame,
    "nullable frame": lambda X: frame(X).convert_dtypes(),
    "arrow frame": lambda X: frame(X).convert_dtypes(dtype_backend="pyarrow"),
    "polars": lambda X: pl.DataFrame(frame(X)),
}
try:
    CONTAINERS["arrow frame"](np.zeros((1, 1)))
except (ImportError, NameError):  # an old numpy, which pyarrow does not take
    del CONTAINERS["arrow frame"]
TYPES = [
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
]
TENSORS = {
    "tensor": torch.from_numpy,
    "tensor with gradients": lambda X: torch.from_numpy(X).requires_grad_(),
    "transposed tensor": lambda X: torch.from_numpy(X.T.copy()).T,
}


@st.composite
def matrices(draw):
    n, p = draw(st.integers(2, 20)), draw(st.integers(1, 6))
    dtype = np.dtype(draw(st.sampled_from(TYPES)))
    rng = np.random.RandomState(draw(st.integers(0, 2**16)))
    if dtype.kind == "f":
        return rng.normal(size=(n, p)).astype(dtype)
    return rng.randint(0, 2 if dtype.kind == "b" else 100, size=(n, p)).astype(dtype)


def fitted(make, X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(2).fit(X)


@common
@given(
    name=st.sampled_from(list(CLASSES)),
    container=st.sampled_from([*CONTAINERS, *TENSORS]),
    X=matrices(),
)
def test_the_same_numbers_give_the_same_fit(name, container, X):
    if container in TENSORS:
        X = X.astype(np.float32)
    given_X = {**CONTAINERS, **TENSORS}[container](X)
    before = copy.deepcopy(given_X) if container == "mapped" else None
    one, other = fitted(CLASSES[name], X), fitted(CLASSES[name], given_X)
    codes = one.transform(X)
    found = other.transform(given_X)
    assert codes.dtype == found.dtype == np.float32
    assert_array_equal(found, codes)
    assert_array_equal(other.reconstruct(given_X), one.reconstruct(X))
    assert_array_equal(other.score_samples(given_X), one.score_samples(X))
    assert other.score(given_X) == one.score(X)
    if before is not None:
        assert_array_equal(given_X, before)


@functools.cache
def fitted_to_noise(name, dtype, seed):
    X = np.random.RandomState(seed).normal(size=(30, 3)).astype(dtype)
    return fitted(CLASSES[name], X), X


@common
@given(
    name=st.sampled_from(list(CLASSES)),
    exponent=st.integers(-30, 30),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 2),
)
def test_any_scale(name, exponent, dtype, seed):
    one, X = fitted_to_noise(name, dtype, seed)
    other = fitted(CLASSES[name], X * np.asarray(10.0**exponent, dtype=dtype))
    scaled = X * np.asarray(10.0**exponent, dtype=dtype)
    assert other.score(scaled) == pytest.approx(one.score(X), abs=2e-2)
    for found in (
        other.transform(scaled),
        other.reconstruct(scaled),
        other.score_samples(scaled),
        other.sensitivity(scaled),
    ):
        assert np.isfinite(found).all()
    assert (other.sensitivity(scaled) > 0).any() == (one.sensitivity(X) > 0).any()
    if name != "variational":
        expected = one.score_samples(X).astype(float) * 10.0 ** (2 * exponent)
        close = {"rtol": 0.2, "atol": 1e-3 * np.abs(expected).max()}
        assert_allclose(other.score_samples(scaled), expected, **close)
        return
    assert np.isfinite(other.sample(3, random_state=0)).all()
    densities = other.log_likelihood(scaled, n_samples=5, random_state=0)
    expected = one.log_likelihood(X, n_samples=5, random_state=0)
    assert_allclose(densities, expected - 3 * exponent * np.log(10), rtol=0.1, atol=3)


@pytest.mark.parametrize("factor", [1e200, 1e-200])
def test_squares_that_leave_float64_are_refused(factor):
    X = factor * np.random.RandomState(0).normal(size=(30, 3))
    for given_X in (X, X.astype(object)):
        ae = CLASSES["dense"](2).set_params(dtype="float64")
        with pytest.raises(ValueError, match=r"too (close|far apart): .* Scale X"):
            ae.fit(given_X)


# A life ----------------------------------------------------------------------------


class Life(RuleBasedStateMachine):
    """What happens to an estimator; it is whole after each step."""

    def __init__(self):
        super().__init__()
        self.ae = skae.AutoencoderTransformer(2, hidden_layer_sizes=(3,), **SMALL)
        self.p = 4
        self.is_truncated = False  # and can be encoded with, but not trained on

    def rows(self, seed, n=20):
        return np.random.RandomState(seed).normal(size=(n, self.p)).astype("f4")

    is_fitted = property(lambda self: self.ae.__sklearn_is_fitted__())

    @rule(seed=st.integers(0, 9), p=st.integers(3, 6))
    def fit(self, seed, p):
        if self.ae.warm_start and self.is_fitted:
            is_other = self.ae.n_components != self.ae._n_features_out
            if is_other or self.is_truncated:
                self.ae.set_params(warm_start=False)
        if not (self.ae.warm_start and self.is_fitted):
            self.p = p
        self.ae.fit(self.rows(seed))
        self.is_truncated = False
        assert self.ae._n_features_out == self.ae.n_components

    @precondition(lambda self: not self.is_truncated)
    @rule(seed=st.integers(0, 9), n=st.integers(1, 20))
    def partial_fit(self, seed, n):
        if self.is_fitted and self.ae.n_components != self.ae._n_features_out:
            self.ae.set_params(n_components=self.ae._n_features_out)
        before = self.ae.n_iter_ if self.is_fitted else 0
        self.ae.partial_fit(self.rows(seed, n))
        assert self.ae.n_iter_ == before + 1

    @rule(
        params=st.fixed_dictionaries(
            {},
            optional={
                "n_components": st.integers(1, 3),
                "max_epochs": st.integers(0, 3),
                "warm_start": st.booleans(),
                "lr": st.sampled_from(["auto", 1e-3]),
                "early_stopping": st.sampled_from(["auto", True, False]),
                "batch_size": st.sampled_from(["auto", 5]),
            },
        )
    )
    def set_params(self, params):
        codes = self.ae.transform(self.rows(0)) if self.is_fitted else None
        self.ae.set_params(**params)
        if codes is not None:
            assert_array_equal(self.ae.transform(self.rows(0)), codes)

    @precondition(lambda self: self.is_fitted)
    @rule(wrong=st.sampled_from(["nan", "text", "width", "lr", "device", "loss"]))
    def a_call_that_fails(self, wrong):
        X, codes = self.rows(1), self.ae.transform(self.rows(0))
        before = self.ae.get_params()
        changes = {
            "lr": {"lr": -1},
            "device": {"device": "abacus"},
            "loss": {"loss": 5},
        }
        self.ae.set_params(**changes.get(wrong, {}))
        if wrong == "nan":
            X[3, 1] = np.nan
        elif wrong == "text":
            X = X.astype(object)
            X[3, 1] = "x"
        elif wrong == "width":
            X = X[:, :0]
        with pytest.raises((ValueError, TypeError)):
            self.ae.fit(X)
        self.ae.set_params(**before)
        assert_array_equal(self.ae.transform(self.rows(0)), codes)

    @rule(way=st.sampled_from(["pickle", "deepcopy", "file", "small file"]))
    def copy(self, way):
        if way == "pickle":
            other = pickle.loads(pickle.dumps(self.ae))
        elif way == "deepcopy" or not self.is_fitted:
            other = copy.deepcopy(self.ae)
        else:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "a.skae"
                self.ae.save(path, include_optimizer=way == "file")
                other = skae.load(path)
        if self.is_fitted:
            X = self.rows(0)
            assert_array_equal(other.transform(X), self.ae.transform(X))
            assert repr(other.history_) == repr(self.ae.history_)
        assert repr(other) == repr(self.ae)
        self.ae = other

    @rule()
    def clone(self):
        other = clone(self.ae)
        assert not other.__sklearn_is_fitted__()
        assert repr(other) == repr(self.ae)

    @precondition(lambda self: self.is_fitted and self.ae._n_features_out > 1)
    @rule()
    def truncate(self):
        X, k = self.rows(0), self.ae._n_features_out - 1
        codes = self.ae.transform(X)
        self.ae = self.ae.truncate(k)
        self.is_truncated = True
        assert_allclose(self.ae.transform(X), codes[:, :k], atol=1e-5)

    @invariant()
    def is_whole(self):
        if not self.is_fitted:
            return
        X = self.rows(3)
        codes = self.ae.transform(X)
        assert codes.shape == (20, self.ae._n_features_out)
        assert np.isfinite(codes).all()
        assert self.ae.inverse_transform(codes).shape == X.shape
        assert self.ae.n_iter_ == len(self.ae.history_)
        assert self.ae.n_features_in_ == self.p
        assert np.isfinite(self.ae.score(X))


Life.TestCase.settings = settings(
    common, max_examples=max(1, N_EXAMPLES // 10), stateful_step_count=20
)
TestLife = quiet(Life.TestCase)
