"""Our own promises, for every class and for combinations of slots."""

import copy
import functools
import gc
import io
import itertools
import math
import os
import pickle
import random
import subprocess
import sys
import tracemalloc
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ESTIMATORS
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skorch.callbacks import Callback
from torch import nn

import skae
from skae import (
    AutoencoderTransformer,
    ContractiveAutoencoder,
    Conv,
    ConvAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae._data.batches import HoldOut
from skae._random import RandomStream

# Inputs ---------------------------------------------------------------------------

N = 48
PICTURES = (load_digits().images[:N] / 16).astype(np.float32)
ROWS = PICTURES.reshape(N, 64)
OTHERS = (load_digits().images[N : 2 * N] / 16).astype(np.float32)

# What fit may be given, and what image_shape_ says of it.
FORMS = {
    "rows": (ROWS, None),
    "frame": (pd.DataFrame(ROWS, columns=[f"pixel{i}" for i in range(64)]), None),
    "list": (ROWS.tolist(), None),
    "pictures": (PICTURES, (1, 8, 8)),
    "channels_first": (ROWS.reshape(N, 2, 4, 8), (2, 4, 8)),
    "channels_last": (ROWS.reshape(N, 8, 4, 2), (2, 8, 4)),
    "signal": (ROWS.reshape(N, 2, 32), (2, 32)),
}

# Modules, losses, penalties and corruptions of one's own ----------------------------


class Mine(nn.Sequential):
    """An encoder that draws from torch's global generator: it has dropout."""

    def __init__(self, n_in, n_out):
        super().__init__(
            nn.Flatten(),
            nn.Linear(n_in, 12),
            nn.Tanh(),
            nn.Dropout(0.2),
            nn.Linear(12, n_out),
        )


def mine_back(n_in, n_out):
    return nn.Sequential(nn.Linear(n_in, 12), nn.Tanh(), nn.Linear(12, n_out))


class OwnConvolution(nn.Sequential):
    """An encoder for pictures of one channel."""

    def __init__(self, n_in, n_out):
        super().__init__(
            nn.Conv2d(1, 4, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(n_in, n_out),
        )


class OwnDeconvolution(nn.Sequential):
    """A decoder that gives pictures of one channel."""

    def __init__(self, n_in, n_out):
        super().__init__(
            nn.Linear(n_in, n_out),
            nn.Unflatten(1, (4, 4, 4)),
            nn.ConvTranspose2d(4, 1, 4, stride=2, padding=1),
        )


def instance(n_in, n_out):
    """Return a module instance whose weights do not depend on a global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(n_in + n_out)
        return nn.Sequential(nn.Flatten(), nn.Linear(n_in, n_out))


def absolute_error(reconstruction, x):
    """Return a value for each entry."""
    return (reconstruction - x).abs()


def distance(reconstruction, x):
    """Return a value for each row."""
    return ((reconstruction - x) ** 2).sum(1) ** 0.75


class Shift(BaseEstimator):
    """A corruption of one's own, with a number that can be searched."""

    def __init__(self, by=0.1):
        self.by = by

    def __call__(self, x, generator):
        return x + self.by * torch.rand(len(x), 1, generator=generator, dtype=x.dtype)


def of_reconstruction(x, output, module):
    """Return a penalty that asks for small reconstructions."""
    return 0.01 * (output["reconstruction"] ** 2).sum(1)


SMALL = {"n_components": 4, "max_epochs": 2, "random_state": 0}
NAMED = {cls.__name__: functools.partial(cls, **SMALL) for cls in ESTIMATORS}
COMBINED = {
    "denoising conv": functools.partial(DenoisingAutoencoder, **SMALL, encoder="conv"),
    "variational conv": functools.partial(
        VariationalAutoencoder, **SMALL, encoder=Conv(channels=(8, 16))
    ),
    "convolutional denoising sparse contractive": functools.partial(
        DenoisingAutoencoder,
        **SMALL,
        encoder=Conv(channels=(4, 8)),
        code_activation="relu",
        sparsity=0.05,
        penalty=skae.Contraction(0.05),
    ),
    "conv with slots": functools.partial(
        ConvAutoencoder,
        **SMALL,
        corruption=skae.MaskingNoise(0.3),
        penalty=[("l1", skae.L1Sparsity(1e-3)), ("again", skae.L1Sparsity(2e-3))],
    ),
    "contractive with builders": functools.partial(
        ContractiveAutoencoder, **SMALL, encoder=Mine, decoder=mine_back
    ),
    "variational with builders": functools.partial(
        VariationalAutoencoder, **SMALL, encoder=Mine, decoder=mine_back
    ),
    "top-k with instances": functools.partial(
        SparseAutoencoder,
        **SMALL,
        method="topk",
        encoder=instance(64, 4),
        decoder=instance(4, 64),
    ),
    "kl with own functions": functools.partial(
        SparseAutoencoder,
        **SMALL,
        method="kl",
        loss=distance,
        corruption=Shift(),
        penalty=of_reconstruction,
    ),
    "absolute error": functools.partial(
        AutoencoderTransformer, **SMALL, loss=absolute_error
    ),
    "cross-entropy": functools.partial(
        AutoencoderTransformer, **SMALL, loss="binary_cross_entropy"
    ),
    "conv with cross-entropy": functools.partial(
        ConvAutoencoder, **SMALL, loss="binary_cross_entropy"
    ),
    "variational poisson": functools.partial(
        VariationalAutoencoder, **SMALL, loss="poisson"
    ),
}
OWN_CONVOLUTIONS = {
    "sparse with own convolutions": functools.partial(
        SparseAutoencoder, **SMALL, encoder=OwnConvolution, decoder=OwnDeconvolution
    ),
}
ANY_SHAPE = {**NAMED, **COMBINED}
ALL = {**ANY_SHAPE, **OWN_CONVOLUTIONS}
DETERMINISTIC = {name: make for name, make in ALL.items() if "ariational" not in name}

every = pytest.mark.parametrize("name", ALL)
every_named = pytest.mark.parametrize("name", NAMED)
every_shape = pytest.mark.parametrize("name", ANY_SHAPE)


def fit(estimator, X, **kwargs):
    """Fit without being told what a convolution takes flat rows for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", skae.LayoutWarning)
        return estimator.fit(X, **kwargs)


@functools.cache
def fitted(name):
    """Return an estimator fitted on pictures, shared between tests: do not change."""
    return ALL[name]().fit(PICTURES)


def codes_of(estimator, X=PICTURES):
    return fit(estimator, X).transform(X)


# Shapes and layouts -----------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@every_shape
def test_what_comes_out_has_the_layout_that_went_in(name, form):
    X, image_shape = FORMS[form]
    shape = np.shape(X)
    layout = "signal" if form == "signal" else None
    ae = fit(ANY_SHAPE[name](layout=layout), X)
    codes = ae.transform(X)
    assert type(codes) is np.ndarray
    assert codes.shape == (N, 4)
    for out in (
        ae.inverse_transform(codes),
        ae.reconstruct(X),
        ae.blend(X, X),
        ae.blend(X, X, kind="content"),
    ):
        assert type(out) is np.ndarray
        assert out.shape == shape
    few = X.iloc[:2] if form == "frame" else X[:2]
    assert ae.interpolate(few, few, 3).shape == (2, 3, *shape[1:])
    assert ae.mix(X, np.ones((5, N)) / N).shape == (5, *shape[1:])
    assert ae.n_features_in_ == 64
    if image_shape is not None:
        assert ae.image_shape_ == image_shape
    if form != "frame":
        assert_array_equal(ae.transform(ROWS), codes)  # the flattening is accepted
        assert_array_equal(ae.score_samples(ROWS), ae.score_samples(X))


@pytest.mark.parametrize("form", ["pictures", "channels_first", "channels_last"])
def test_modules_of_ones_own_see_channels_first(form):
    shapes = []

    class Spy(nn.Module):
        def __init__(self, n_in, n_out):
            super().__init__()
            self.layer = nn.Linear(n_in, n_out)

        def forward(self, x):
            shapes.append(tuple(x.shape[1:]))
            return self.layer(x.flatten(1))

    X, image_shape = FORMS[form]
    AutoencoderTransformer(2, encoder=Spy, decoder="dense", max_epochs=1).fit(X)
    assert set(shapes) == {image_shape}


def test_modules_of_ones_own_see_flat_rows_where_fit_does():
    ae = AutoencoderTransformer(2, encoder=Mine, decoder=mine_back, max_epochs=1)
    assert ae.fit(ROWS).image_shape_ is None
    assert ae.transform(ROWS).shape == (N, 2)


def test_an_image_shape_makes_a_module_of_ones_own_see_pictures():
    ae = ConvAutoencoder(
        4, image_shape=(8, 8), decoder=OwnDeconvolution, max_epochs=1
    ).fit(ROWS)
    assert ae.reconstruct(ROWS).shape == ROWS.shape


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_channels_may_come_first_or_last(channels):
    X = np.random.RandomState(0).rand(20, channels, 7, 5).astype(np.float32)
    ae = ConvAutoencoder(3, max_epochs=2, random_state=0)
    first, last = clone(ae).fit(X), clone(ae).fit(np.moveaxis(X, 1, -1))
    assert first.image_shape_ == last.image_shape_ == (channels, 7, 5)
    # The same weights and the same pictures; sums over a picture in another order.
    assert_allclose(
        first.transform(X), last.transform(np.moveaxis(X, 1, -1)), atol=1e-4
    )
    assert_allclose(
        np.moveaxis(first.reconstruct(X), 1, -1),
        last.reconstruct(np.moveaxis(X, 1, -1)),
        atol=1e-4,
    )


def test_flat_rows_are_pictures_of_image_shape():
    pictures = ConvAutoencoder(4, max_epochs=2, random_state=0).fit(PICTURES)
    rows = ConvAutoencoder(4, image_shape=(8, 8), max_epochs=2, random_state=0)
    assert_array_equal(rows.fit(ROWS).transform(ROWS), pictures.transform(PICTURES))
    assert rows.reconstruct(PICTURES.reshape(N, 64)).shape == (N, 64)


def test_channels_last_describes_flat_rows_too():
    X = np.random.RandomState(0).rand(20, 5, 6, 3).astype(np.float32)
    ae = ConvAutoencoder(3, max_epochs=2, random_state=0)
    flat = clone(ae).set_params(layout="channels_last", image_shape=(5, 6, 3))
    codes = flat.fit(X.reshape(20, -1)).transform(X.reshape(20, -1))
    assert flat.image_shape_ == (3, 5, 6)
    assert_array_equal(codes, ae.fit(X).transform(X))


@pytest.mark.parametrize(
    ("width", "image_shape", "told"),
    [(64, (1, 8, 8), "8x8 picture"), (60, (1, 60), "signal of length 60")],
)
@pytest.mark.parametrize(
    "ae", [ConvAutoencoder(2), DenoisingAutoencoder(2, encoder="conv")], ids=str
)
def test_an_inferred_layout_is_told_once(ae, width, image_shape, told):
    ae = clone(ae).set_params(max_epochs=1)
    X = ROWS[:, :width]
    with pytest.warns(skae.LayoutWarning, match=told) as record:
        ae.fit(X)
    assert len(record) == 1
    assert ae.image_shape_ == image_shape
    ae.transform(X)  # and not again


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 1), (2, 7), (33, 2)])
@every_named
def test_every_width_and_number_of_samples_works(name, shape):
    X = np.random.RandomState(0).rand(*shape).astype(np.float32)
    ae = fit(NAMED[name](n_components=2), X)
    assert ae.transform(X).shape == (shape[0], 2)
    assert np.isfinite(ae.reconstruct(X)).all()
    assert math.isfinite(ae.score(X))


@pytest.mark.parametrize("shape", [(9, 1), (1, 9), (5, 7), (16, 16), (1, 1)])
def test_pictures_of_any_size_come_back_in_it(shape):
    X = np.random.RandomState(0).rand(6, *shape)
    assert ConvAutoencoder(2, max_epochs=1).fit(X).reconstruct(X).shape == X.shape


def test_a_large_picture_gets_a_deeper_network_and_not_a_wider_one():
    X = np.random.RandomState(0).rand(3, 3, 160, 96).astype(np.float32)
    ae = ConvAutoencoder(2, max_epochs=1).fit(X)
    widths = [m.in_features for m in ae.encoder_.modules() if isinstance(m, nn.Linear)]
    assert len(widths) == 1
    assert widths[0] <= 4096


# What the fitted attributes are -----------------------------------------------------


@every
def test_encoder_is_exactly_transform(name):
    ae = fitted(name)
    with torch.no_grad():
        codes = ae.encoder_(torch.from_numpy(ROWS)).numpy()
    assert isinstance(ae.encoder_, nn.Module)
    assert_array_equal(codes, ae.transform(PICTURES))


@every
def test_decoder_is_exactly_inverse_transform(name):
    ae = fitted(name)
    codes = ae.transform(PICTURES)
    with torch.no_grad():
        rows = ae.decoder_(torch.from_numpy(codes)).numpy()
    assert isinstance(ae.decoder_, nn.Module)
    assert_array_equal(rows.reshape(PICTURES.shape), ae.inverse_transform(codes))


def test_the_link_is_included():
    bounded = fitted("cross-entropy").inverse_transform(100 * np.eye(4))
    assert bounded.min() >= 0
    assert bounded.max() <= 1
    assert fitted("variational poisson").inverse_transform(np.eye(4)).min() > 0


@every
def test_reconstruct_is_inverse_transform_of_transform(name):
    ae = fitted(name)
    expected = ae.inverse_transform(ae.transform(PICTURES))
    assert_array_equal(ae.reconstruct(PICTURES), expected)


@every
def test_fitted_attributes(name):
    ae = fitted(name)
    assert ae.n_iter_ == len(ae.history_) == 2
    assert [epoch["epoch"] for epoch in ae.history_] == [1, 2]
    assert ae.n_features_in_ == 64
    assert ae.image_shape_ == (1, 8, 8)
    assert not hasattr(ae, "feature_names_in_")
    assert_allclose(ae.mean_, ROWS.mean(0, dtype=np.float64))
    # One scale: the root mean squared deviation from the mean of each feature.
    assert math.isclose(ae.scale_, math.sqrt(ROWS.astype(float).var(0).mean()))
    assert ae.fit_transform(PICTURES).shape == (N, 4)


@every_named
def test_feature_names(name):
    ae = fit(NAMED[name](), FORMS["frame"][0])
    assert ae.feature_names_in_.tolist() == [f"pixel{i}" for i in range(64)]
    names = [f"{name.lower()}{i}" for i in range(4)]
    assert ae.get_feature_names_out().tolist() == names
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        ae.transform(ROWS)


# Scores -----------------------------------------------------------------------------


@every
def test_score_is_r2_over_all_entries(name):
    ae = fitted(name)
    X = OTHERS.reshape(N, 64).astype(float)
    error = ((X - ae.reconstruct(OTHERS).reshape(N, 64)) ** 2).sum()
    total = ((X - ROWS.mean(0, dtype=float)) ** 2).sum()  # the training mean
    score = ae.score(OTHERS)
    assert type(score) is float
    assert math.isclose(1 - score, error / total, rel_tol=1e-5)
    assert ae.score(OTHERS, y=np.arange(N)) == score


def test_score_has_the_scale_of_explained_variance():
    pca = PCA(4).fit(ROWS)
    encoder, decoder = nn.Linear(64, 4), nn.Linear(4, 64)
    axes = torch.from_numpy(pca.components_)
    encoder.weight.data, decoder.weight.data = axes.clone(), axes.T.clone()
    decoder.bias.data = torch.from_numpy(pca.mean_)
    encoder.bias.data = -axes @ decoder.bias.data
    ae = AutoencoderTransformer(
        4, encoder=encoder, decoder=decoder, lr=1e-12, max_epochs=1
    ).fit(ROWS)
    expected = pca.explained_variance_ratio_.sum()
    assert math.isclose(ae.score(ROWS), expected, rel_tol=1e-5)


def _minus_loss(name, x, reconstruction):
    if name == "absolute error":
        return -np.abs(x - reconstruction).sum(1)
    if name == "kl with own functions":
        return -(((x - reconstruction) ** 2).sum(1) ** 0.75)
    if "cross-entropy" in name:
        p = reconstruction
        return (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(1)
    if "poisson" in name:
        return (x * np.log(reconstruction) - reconstruction).sum(1)
    return -0.5 * ((x - reconstruction) ** 2).sum(1)


@every
def test_score_samples_is_minus_the_loss_in_the_units_of_X(name):
    ae = fitted(name)
    x = OTHERS.reshape(N, 64).astype(float)
    reconstruction = ae.reconstruct(OTHERS).reshape(N, 64).astype(float)
    scores = ae.score_samples(OTHERS)
    assert scores.shape == (N,)
    assert_allclose(scores, _minus_loss(name, x, reconstruction), rtol=1e-4)


# Rows, types and memory -------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 11, 33])
@every
def test_rows_are_independent(name, k):
    ae = fitted(name)
    codes = ae.transform(PICTURES)
    assert_array_equal(ae.transform(PICTURES[:k]), codes[:k])
    assert_array_equal(ae.transform(PICTURES[-k:]), codes[-k:])
    assert_array_equal(ae.inverse_transform(codes[:k]), ae.inverse_transform(codes)[:k])
    assert_array_equal(ae.reconstruct(PICTURES[:k]), ae.reconstruct(PICTURES)[:k])
    assert_array_equal(ae.score_samples(PICTURES[:k]), ae.score_samples(PICTURES)[:k])
    # Norms of Jacobians are sums of products, which round by their order.
    assert_allclose(
        ae.sensitivity(PICTURES[:k]), ae.sensitivity(PICTURES)[:k], rtol=1e-5
    )


@pytest.mark.parametrize(
    ("dtype", "given", "expected"),
    [
        ("float32", "float64", "float32"),
        ("float32", "uint8", "float32"),
        ("float64", "float32", "float64"),
        ("auto", "float64", "float64"),
        ("auto", "float32", "float32"),
        ("auto", "float16", "float32"),
        ("auto", "int64", "float32"),
    ],
)
@pytest.mark.parametrize(
    "name", [*NAMED, "variational with builders", "top-k with instances"]
)
def test_dtype_of_computation_and_results(name, dtype, given, expected):
    X = (16 * PICTURES).astype(given)
    ae = ANY_SHAPE[name](dtype=dtype, max_epochs=1).fit(X)
    codes = ae.transform(X)
    weights = [p.dtype for p in ae.net_.module_.parameters()]
    assert set(weights) == {getattr(torch, expected)}
    for out in (
        codes,
        ae.inverse_transform(codes),
        ae.reconstruct(X),
        ae.score_samples(X),
        ae.sensitivity(X),
        ae.blend(X, X),
    ):
        assert out.dtype == expected
    # And for later input of any type.
    assert ae.transform(X.astype(np.float64)).dtype == expected
    assert ae.transform(X.astype(np.uint8)).dtype == expected


def _memmap(X, path):
    X_map = np.memmap(path, dtype=X.dtype, mode="w+", shape=X.shape)
    X_map[:] = X
    X_map.flush()
    return np.memmap(path, dtype=X.dtype, mode="r", shape=X.shape)


@pytest.mark.parametrize("name", [*NAMED, *OWN_CONVOLUTIONS])
def test_the_type_of_X_changes_nothing(name, tmp_path):
    X = (16 * PICTURES).astype(np.float32)  # whole numbers, exact in every type
    codes = codes_of(ALL[name](), X)
    read_only = X.copy()
    read_only.flags.writeable = False
    for other in (
        X.astype(np.float64),
        X.astype(np.uint8),
        X.astype(np.int64),
        X.tolist(),
        np.asfortranarray(X),
        np.repeat(X, 2, axis=0)[::2],
        torch.from_numpy(X),
        read_only,
        _memmap(X, tmp_path / "float32"),
        _memmap(X.astype(np.uint8), tmp_path / "uint8"),
    ):
        assert_array_equal(codes_of(ALL[name](), other), codes)


@pytest.mark.parametrize("kind", ["float32", "uint8", "memmap"])
def test_X_is_not_copied(kind, tmp_path):
    X = np.random.RandomState(0).randint(0, 9, size=(20_000, 500), dtype=np.uint8)
    if kind != "uint8":
        X = X.astype(np.float32)
    if kind == "memmap":
        X = _memmap(X, tmp_path / "X")
    # A tanh network starts at random: finding the axes of PCA takes memory, too, though
    # no more for more rows.
    ae = AutoencoderTransformer(
        2, hidden_layer_sizes=(4,), activation="tanh", max_epochs=1, batch_size=2000
    )
    tracemalloc.start()
    try:
        ae.fit(X)
        ae.transform(X)
        ae.score(X)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A copy as float32 takes 40 MB; describing X takes some chunks of 4 MiB.
    assert peak < 24e6


def test_y_is_ignored_whatever_it_holds():
    codes = codes_of(NAMED["AutoencoderTransformer"]())
    for y in (np.arange(N), ["text"] * 3, object(), np.full(2, np.nan)):
        ae = NAMED["AutoencoderTransformer"]().fit(PICTURES, y)
        assert_array_equal(ae.transform(PICTURES), codes)
        ae.partial_fit(PICTURES, y)
        ae.score(PICTURES, y)


# Blending ---------------------------------------------------------------------------


@every
def test_content_blends_are_overlays_and_ask_no_network(name, monkeypatch):
    ae = fitted(name)
    monkeypatch.setattr(ae.net_.module_, "forward", None)
    monkeypatch.setattr(ae.net_.module_, "encode", None)
    blends = ae.blend(PICTURES, OTHERS, 0.25, kind="content")
    assert_allclose(blends, 0.75 * PICTURES + 0.25 * OTHERS, rtol=1e-6)


@pytest.mark.parametrize("kind", ["content", "representation"])
def test_pictures_blend_behind_a_step_that_takes_them(kind):
    ae = ConvAutoencoder(4, max_epochs=1, random_state=0)
    pipeline = make_pipeline(
        FunctionTransformer(np.sqrt, np.square), "passthrough", ae
    ).fit(PICTURES)
    blend = functools.partial(skae.blend, pipeline, kind=kind)
    blends = blend(PICTURES, OTHERS)
    assert blends.shape == PICTURES.shape
    if kind == "content":
        assert_allclose(blends, 0.5 * (PICTURES + OTHERS), rtol=1e-6)
    one = blend(PICTURES[0], OTHERS[0])
    assert_allclose(one, blends[0], rtol=1e-4, atol=1e-5)
    mixed = blend(PICTURES[0], OTHERS)
    assert_allclose(mixed[0], one, rtol=1e-4, atol=1e-5)
    assert skae.interpolate(pipeline, PICTURES[0], OTHERS[0], 3).shape == (3, 8, 8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_content_blends_have_the_type_of_the_estimator(dtype):
    ae = AutoencoderTransformer(2, max_epochs=1, dtype=dtype).fit(ROWS)
    for X in (ROWS, ROWS.astype(np.float64), (16 * ROWS).astype(np.uint8)):
        assert ae.blend(X, X, kind="content").dtype == dtype
    pca = PCA(2).fit(ROWS)
    for given, kept in (("f4", "f4"), ("f8", "f8"), ("f2", "f8"), ("i8", "f8")):
        X = ROWS.astype(given)
        assert skae.blend(pca, X, X, kind="content").dtype == np.dtype(kept)


@every
def test_representation_blends_decode_mixed_codes(name):
    ae = fitted(name)
    z1, z2 = ae.transform(PICTURES), ae.transform(OTHERS)
    for alpha in (0.3, -1.0, 2.5):
        expected = ae.inverse_transform((1 - alpha) * z1 + alpha * z2)
        assert_allclose(
            ae.blend(PICTURES, OTHERS, alpha), expected, rtol=1e-5, atol=1e-6
        )


@every
def test_ends_of_representation_blends_are_the_reconstructions(name):
    ae = fitted(name)
    assert_array_equal(ae.blend(PICTURES, OTHERS, 0), ae.reconstruct(PICTURES))
    assert_array_equal(ae.blend(PICTURES, OTHERS, 1), ae.reconstruct(OTHERS))
    assert_array_equal(
        ae.blend(PICTURES, OTHERS), ae.blend(PICTURES, OTHERS, alpha=0.5)
    )


@pytest.mark.parametrize("kind", ["content", "representation"])
@every_named
def test_alpha_may_be_one_for_each_pair(name, kind):
    ae = fitted(name)
    alphas = np.linspace(-1, 2, N)
    blends = ae.blend(PICTURES, OTHERS, alphas, kind=kind)
    for i in (0, 7, N - 1):
        one = ae.blend(PICTURES[i], OTHERS[i], alphas[i], kind=kind)
        assert one.shape == (8, 8)
        assert_allclose(blends[i], one, rtol=1e-5, atol=1e-6)
    # One pair of samples takes a list of one.
    assert ae.blend(PICTURES[0], OTHERS[0], [0.3], kind=kind).shape == (8, 8)


@pytest.mark.parametrize("kind", ["content", "representation"])
@every_named
def test_a_sample_against_a_batch_broadcasts(name, kind):
    ae = fitted(name)
    repeated = np.repeat(PICTURES[:1], N, axis=0)
    expected = ae.blend(repeated, OTHERS, 0.3, kind=kind)
    for sample in (PICTURES[0], ROWS[0]):
        assert_array_equal(ae.blend(sample, OTHERS, 0.3, kind=kind), expected)
    of_list = ae.blend(ROWS[0].tolist(), OTHERS, 0.3, kind=kind)
    assert_allclose(of_list, expected, rtol=1e-6)  # mixed in float64
    # Mixed the other way round, so rounded differently.
    assert_allclose(
        ae.blend(OTHERS, PICTURES[0], 0.7, kind=kind), expected, rtol=1e-4, atol=1e-6
    )
    alphas = np.linspace(0, 1, N)
    assert ae.blend(PICTURES[0], OTHERS, alphas, kind=kind).shape == OTHERS.shape
    flat = OTHERS.reshape(N, 64)
    assert_array_equal(ae.blend(ROWS[0], flat, 0.3, kind=kind), expected)


@pytest.mark.parametrize("kind", ["content", "representation"])
@every_named
def test_series_and_frames_blend_into_arrays(name, kind):
    frame = FORMS["frame"][0]
    ae = fit(NAMED[name](), frame).set_output(transform="pandas")
    both = ae.blend(frame.iloc[:5], frame.iloc[5:10], kind=kind)
    assert type(both) is np.ndarray
    assert both.shape == (5, 64)
    one = ae.blend(frame.iloc[0], frame.iloc[5], kind=kind)  # two Series
    assert type(one) is np.ndarray
    assert one.shape == (64,)
    assert_array_equal(one, both[0])
    mixed = ae.blend(frame.iloc[0], frame.iloc[5:10], kind=kind)
    assert mixed.shape == (5, 64)
    assert_array_equal(mixed[0], one)
    assert type(ae.interpolate(frame.iloc[0], frame.iloc[5])) is np.ndarray
    assert type(ae.mix(frame.iloc[:2], [0.5, 0.5])) is np.ndarray


@pytest.mark.parametrize("path", ["linear", "spherical"])
@every
def test_walks_include_both_ends(name, path):
    ae = fitted(name)
    walk = ae.interpolate(PICTURES[0], PICTURES[1], path=path)
    assert walk.shape == (7, 8, 8)
    assert_allclose(walk[[0, -1]], ae.reconstruct(PICTURES[:2]), rtol=1e-5, atol=1e-6)
    walks = ae.interpolate(PICTURES[:3], OTHERS[:3], 4, path=path)
    assert walks.shape == (3, 4, 8, 8)
    assert_allclose(walks[:, 0], ae.reconstruct(PICTURES[:3]), rtol=1e-5, atol=1e-6)
    assert_allclose(walks[:, -1], ae.reconstruct(OTHERS[:3]), rtol=1e-5, atol=1e-6)
    one_to_many = ae.interpolate(PICTURES[0], OTHERS[:3], 4, path=path)
    assert_array_equal(one_to_many[0], walks[0])


@every
def test_linear_walks_take_equal_steps_of_the_code(name):
    ae = fitted(name)
    z1, z2 = ae.transform(PICTURES[:2])
    codes = [z1 + t * (z2 - z1) for t in np.linspace(0, 1, 5)]
    assert_allclose(
        ae.interpolate(PICTURES[0], PICTURES[1], 5),
        ae.inverse_transform(codes),
        rtol=1e-5,
        atol=1e-6,
    )


def test_spherical_walks_turn_by_equal_angles():
    # PCA of all components leaves lengths and angles, so the walk shows its codes.
    pca = PCA(64).fit(ROWS.astype(float) if len(ROWS) > 64 else np.vstack([ROWS] * 2))
    walk = skae.interpolate(pca, ROWS[0], ROWS[1], 6, path="spherical")
    codes = pca.transform(walk)
    lengths = np.linalg.norm(codes, axis=1)
    assert_allclose(np.diff(lengths, 2), 0, atol=1e-5)
    unit = codes / lengths[:, np.newaxis]
    angles = np.arccos((unit[1:] * unit[:-1]).sum(1))
    assert_allclose(angles, angles[0], rtol=1e-3)


@every
def test_mix_decodes_weighted_sums_of_codes(name):
    ae = fitted(name)
    weights = np.array([[1, -1, 1], [0.2, 0.3, 0.5], [3, 0, 0]])  # used as given
    expected = ae.inverse_transform(weights @ ae.transform(PICTURES[:3]))
    mixed = ae.mix(PICTURES[:3], weights)
    assert mixed.shape == (3, 8, 8)
    assert_allclose(mixed, expected, rtol=1e-4, atol=1e-5)
    analogy = ae.mix(ROWS[:3], [1, -1, 1])
    assert analogy.shape == (8, 8)
    assert_allclose(analogy, expected[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "transformer",
    [
        PCA(4),
        make_pipeline(StandardScaler(), PCA(4)),
        make_pipeline(StandardScaler(), NAMED["AutoencoderTransformer"]()),
        make_pipeline("passthrough", NAMED["VariationalAutoencoder"]()),
        GridSearchCV(NAMED["SparseAutoencoder"](), {"sparsity": [0.1]}, cv=2),
    ],
    ids=["pca", "pipeline of pca", "pipeline", "passthrough", "search"],
)
def test_functions_take_anything_with_a_code_that_can_be_inverted(transformer):
    transformer = clone(transformer).fit(ROWS)
    z1, z2 = transformer.transform(ROWS[:5]), transformer.transform(ROWS[5:10])
    expected = transformer.inverse_transform(0.7 * z1 + 0.3 * z2)
    blends = skae.blend(transformer, ROWS[:5], ROWS[5:10], 0.3)
    assert_allclose(blends, expected, rtol=1e-4, atol=1e-5)
    content = skae.blend(transformer, ROWS[:5], ROWS[5:10], 0.3, kind="content")
    assert_allclose(content, 0.7 * ROWS[:5] + 0.3 * ROWS[5:10], rtol=1e-6)
    walk = skae.interpolate(transformer, ROWS[0], ROWS[5], 3)
    assert_allclose(
        walk[1], skae.blend(transformer, ROWS[0], ROWS[5]), rtol=1e-4, atol=1e-5
    )
    mixed = skae.mix(transformer, ROWS[:2], [0.7, 0.3])
    assert_allclose(
        mixed, skae.blend(transformer, ROWS[0], ROWS[1], 0.3), rtol=1e-4, atol=1e-5
    )


@every_named
def test_methods_call_the_functions(name):
    ae = fitted(name)
    assert_array_equal(
        skae.blend(ae, PICTURES, OTHERS, 0.2), ae.blend(PICTURES, OTHERS, 0.2)
    )
    assert_array_equal(
        skae.interpolate(ae, PICTURES[0], OTHERS[0], path="spherical"),
        ae.interpolate(PICTURES[0], OTHERS[0], path="spherical"),
    )
    weights = [[0.5, 0.5], [2, -1]]
    assert_array_equal(skae.mix(ae, PICTURES[:2], weights), ae.mix(ROWS[:2], weights))


# Sensitivity ------------------------------------------------------------------------


@every
def test_sensitivity_is_the_norm_of_the_jacobian_in_the_units_of_X(name):
    X = 3 * OTHERS if "cross-entropy" not in name else OTHERS
    ae = ALL[name](dtype="float64").fit(X)
    encoder = ae.encoder_
    rows = torch.from_numpy(X[:4].reshape(4, 64).astype(np.float64))
    jacobians = [
        torch.autograd.functional.jacobian(lambda x: encoder(x[None])[0], row)
        for row in rows
    ]
    expected = [float(torch.linalg.norm(jacobian)) for jacobian in jacobians]
    assert_allclose(ae.sensitivity(X[:4]), expected, rtol=1e-9)
    # And of what transform gives: one column by central differences.
    step = np.zeros(64)
    step[20] = 1e-5
    moved = [ae.transform(X[:4].reshape(4, 64) + sign * step) for sign in (1, -1)]
    column = (moved[0] - moved[1]) / 2e-5
    assert_allclose(column, [j[:, 20].numpy() for j in jacobians], atol=1e-5)


# Training ---------------------------------------------------------------------------


@every
def test_partial_fit_is_one_epoch_over_its_chunk(name):
    ae = ALL[name](early_stopping=True, validation_fraction=0.5)
    assert ae.partial_fit(PICTURES) is ae
    assert ae.n_iter_ == 1
    assert not any(key.startswith("valid") for key in ae.history_[0])
    scale = ae.scale_
    before = ae.transform(PICTURES)
    ae.partial_fit(2 * OTHERS if "cross-entropy" not in name else OTHERS)
    assert ae.n_iter_ == 2
    assert ae.scale_ == scale
    assert not np.array_equal(ae.transform(PICTURES), before)


@pytest.mark.parametrize("cuts", [(10, 11, 48), (1, 30, 48)])
@every_named
def test_partial_fit_updates_the_mean_as_StandardScaler_does(name, cuts):
    ae, scaler = NAMED[name](), StandardScaler()
    for start, stop in itertools.pairwise([0, *cuts]):
        ae.partial_fit(PICTURES[start:stop])
        scaler.partial_fit(ROWS[start:stop].astype(float))
        assert_allclose(ae.mean_, scaler.mean_, rtol=1e-12)
    error = ((OTHERS - ae.reconstruct(OTHERS)) ** 2).sum(dtype=float)
    total = ((OTHERS.reshape(N, 64) - scaler.mean_) ** 2).sum()
    assert math.isclose(ae.score(OTHERS), 1 - error / total, rel_tol=1e-5)


@every
def test_warm_start_goes_on_as_if_there_had_been_no_stop(name):
    split = ALL[name](warm_start=True, lr_schedule="constant").fit(PICTURES)
    split.fit(PICTURES)
    whole = ALL[name](max_epochs=4, lr_schedule="constant").fit(PICTURES)
    assert split.n_iter_ == whole.n_iter_ == 4
    assert_array_equal(split.transform(PICTURES), whole.transform(PICTURES))
    # Without it, fit begins anew.
    assert split.set_params(warm_start=False).fit(PICTURES).n_iter_ == 2


def test_warm_start_takes_a_new_learning_rate():
    ae = AutoencoderTransformer(4, max_epochs=2, warm_start=True, random_state=0)
    ae.fit(PICTURES)
    before = ae.transform(PICTURES)
    ae.set_params(lr=1e-12).fit(PICTURES)
    assert_allclose(ae.transform(PICTURES), before, atol=1e-5)


@every
def test_terms_of_the_history_sum_to_the_loss(name):
    ae = ALL[name](validation_fraction=0.3).fit(PICTURES)
    for epoch in ae.history_:
        assert all(type(v) is float for key, v in epoch.items() if key != "epoch")
        for prefix in ("train_", "valid_"):
            terms = {k: v for k, v in epoch.items() if k.startswith(prefix)}
            total = terms.pop(f"{prefix}loss")
            assert f"{prefix}reconstruction" in terms
            assert math.isclose(sum(terms.values()), total, rel_tol=1e-5)


@pytest.mark.parametrize(
    ("ae", "terms"),
    [
        (AutoencoderTransformer(), []),
        (AutoencoderTransformer(sparsity=0.1), ["sparsity"]),
        (ContractiveAutoencoder(sparsity=0.1), ["contraction", "sparsity"]),
        (SparseAutoencoder(method="topk"), []),
        (SparseAutoencoder(method="lifetime"), []),
        (SparseAutoencoder(penalty=skae.L1Sparsity()), ["sparsity", "penalty"]),
        (VariationalAutoencoder(penalty=[("one", of_reconstruction)]), ["kl", "one"]),
        (
            AutoencoderTransformer(
                penalty=[("a", skae.L1Sparsity()), ("best", skae.L1Sparsity())]
            ),
            ["a", "best"],
        ),
    ],
    ids=lambda value: None if isinstance(value, BaseEstimator) else str(value),
)
def test_history_has_a_term_for_each_penalty(ae, terms):
    (epoch,) = clone(ae).set_params(max_epochs=1).fit(PICTURES).history_
    expected = {"loss", "reconstruction", *terms}
    assert set(epoch) == {"epoch", *(f"train_{term}" for term in expected)}


def test_second_penalty_of_a_class_does_not_replace_the_first():
    penalty = [("a", skae.L1Sparsity(0.1)), ("b", skae.L1Sparsity(0.2))]
    ae = AutoencoderTransformer(4, penalty=penalty, max_epochs=1).fit(PICTURES)
    epoch = ae.history_[0]
    assert math.isclose(epoch["train_b"], 2 * epoch["train_a"], rel_tol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "AutoencoderTransformer",
        "ConvAutoencoder",
        "ContractiveAutoencoder",
        "SparseAutoencoder",
        "VariationalAutoencoder",
    ],
)
def test_the_objective_is_the_same_at_every_scale_of_X(name):
    one = NAMED[name]()
    other = clone(one).fit(1024 * PICTURES)
    one.fit(PICTURES)
    assert_allclose(
        other.transform(1024 * PICTURES), one.transform(PICTURES), rtol=1e-3, atol=1e-4
    )
    last, of_other = one.history_[-1], other.history_[-1]
    if name == "VariationalAutoencoder":
        # A density: the logarithm of the scale is added in neither.
        assert math.isclose(last["train_kl"], of_other["train_kl"], rel_tol=1e-3)
    for term in last:
        assert math.isclose(last[term], of_other[term], rel_tol=1e-3), term


class Keeper(Callback):
    """Keep the weights after each epoch, in a list that clones share."""

    kept = []  # noqa: RUF012

    def on_train_begin(self, net, **kwargs):
        self.kept.clear()

    def on_epoch_end(self, net, **kwargs):
        self.kept.append(copy.deepcopy(net.module_.state_dict()))


def _weights_equal(module, state):
    return all(torch.equal(p, state[k]) for k, p in module.state_dict().items())


@pytest.mark.filterwarnings("ignore::skae.CollapsedCodeWarning")
@every
def test_early_stopping_restores_the_best_epoch(name):
    # Steps so long that the validation loss jumps about.
    ae = ALL[name](
        early_stopping=True,
        validation_fraction=0.4,
        n_iter_no_change=2,
        tol=0,
        lr=0.05,
        lr_schedule="constant",
        max_epochs=40,
        callbacks=[Keeper()],
    ).fit(PICTURES)
    losses = [epoch["valid_loss"] for epoch in ae.history_]
    best = int(np.argmin(losses))
    assert ae.n_iter_ == best + 3 < 40  # two epochs without improvement
    assert _weights_equal(ae.net_.module_, Keeper.kept[best])
    assert not _weights_equal(ae.net_.module_, Keeper.kept[-1])


@every_named
def test_without_early_stopping_the_training_loss_is_watched(name):
    ae = NAMED[name](
        n_iter_no_change=2, tol=1e6, max_epochs=40, callbacks=[Keeper()]
    ).fit(PICTURES)
    assert ae.n_iter_ == 3  # no improvement after the first epoch counts
    assert "valid_loss" not in ae.history_[0]
    assert _weights_equal(ae.net_.module_, Keeper.kept[-1])
    assert (
        NAMED[name](n_iter_no_change=None, tol=1e6, max_epochs=5).fit(PICTURES).n_iter_
        == 5
    )


def test_early_stopping_holds_out_a_tenth():
    seen = []

    def spy(x, generator):
        seen.append(len(x))
        return x

    params = {"corruption": spy, "batch_size": 100, "max_epochs": 1}
    AutoencoderTransformer(2, early_stopping=True, **params).fit(np.eye(40, 5))
    assert seen == [36, 4]
    seen.clear()
    AutoencoderTransformer(2, validation_fraction=0.5, **params).fit(np.eye(40, 5))
    assert seen == [20, 20]


def test_corruption_is_fresh_in_training_and_fixed_in_validation():
    seen = []

    def spy(x, generator):
        noise = torch.randn(x.shape, generator=generator)
        seen.append(noise)
        return x + noise

    DenoisingAutoencoder(
        2, noise=spy, validation_fraction=0.5, batch_size=100, max_epochs=3
    ).fit(ROWS)
    train, valid = seen[0::2], seen[1::2]
    assert len(train) == len(valid) == 3
    assert not torch.equal(train[0], train[1])
    assert not torch.equal(train[1], train[2])
    assert torch.equal(valid[0], valid[1])
    assert torch.equal(valid[1], valid[2])


@pytest.mark.parametrize("name", ["AutoencoderTransformer", "VariationalAutoencoder"])
def test_what_slots_are_called_with(name):
    seen = []

    def corruption(x, generator):
        assert isinstance(generator, torch.Generator)
        seen.append(x)
        return x + 1

    def loss(reconstruction, x):
        assert reconstruction.shape == x.shape
        assert torch.equal(x, seen[-1])  # the target is clean, in the units of X
        return (reconstruction - x) ** 2

    def penalty(x, output, module):
        assert torch.equal(x, seen[-1])
        assert output.code is output["code"]
        assert output["code"].shape == (len(x), 4)
        assert output["reconstruction"].shape == x.shape
        if name == "VariationalAutoencoder":
            assert output["mean"].shape == output["log_var"].shape == (len(x), 4)
        assert isinstance(module, nn.Module)
        return output["code"].sum(1)

    NAMED[name](corruption=corruption, loss=loss, penalty=penalty).fit(PICTURES)
    assert seen


def test_module_instances_are_templates():
    encoder, decoder = instance(64, 4), instance(4, 64)
    before = copy.deepcopy(encoder.state_dict())
    ae = AutoencoderTransformer(
        4, encoder=encoder, decoder=decoder, max_epochs=3, random_state=0
    )
    codes = ae.fit(PICTURES).transform(PICTURES)
    assert _weights_equal(encoder, before)  # never trained in place
    assert all(p.grad is None for p in encoder.parameters())
    assert_array_equal(ae.fit(PICTURES).transform(PICTURES), codes)
    # And training starts from their weights.
    still = clone(ae).set_params(lr=1e-12, max_epochs=1).fit(PICTURES)
    expected = encoder(torch.from_numpy(ROWS)).detach().numpy()
    assert_allclose(still.transform(PICTURES), expected, atol=1e-5)


def test_kl_warmup_starts_at_nothing():
    ae = VariationalAutoencoder(4, kl_warmup=2, max_epochs=3, random_state=0)
    terms = [epoch["train_kl"] for epoch in ae.fit(PICTURES).history_]
    assert terms[0] == 0
    assert 0 < terms[1] < terms[2]


@every
def test_last_batch_of_one_row_trains(name):
    ae = ALL[name](batch_size=16, max_epochs=1)
    assert np.isfinite(ae.fit(PICTURES[:33]).transform(PICTURES)).all()


@every_named
def test_verbose_shows_a_bar_or_prints_lines(name, capsys):
    NAMED[name](verbose=0).fit(PICTURES)
    assert capsys.readouterr() == ("", "")
    NAMED[name](verbose=1).fit(PICTURES)
    shown = capsys.readouterr()
    assert shown.out == ""
    last = shown.err.rsplit("\r", 1)[-1]
    assert last.startswith(name)
    assert "2/2" in last
    assert "loss=" in last
    NAMED[name](verbose=2).fit(PICTURES)
    shown = capsys.readouterr()
    assert shown.err == ""
    lines = shown.out.strip().splitlines()
    assert "train_loss" in lines[0]
    assert len(lines) == 4  # names, a rule and two epochs


# Classes of their own ---------------------------------------------------------------


@pytest.mark.parametrize("noise", ["gaussian", "masking", "salt_and_pepper", "swap"])
@pytest.mark.parametrize("form", ["rows", "pictures", "channels_last"])
def test_corrupt_adds_the_noise_of_training(noise, form):
    X = FORMS[form][0] + 1  # no zeros, which masking leaves as they are
    ae = DenoisingAutoencoder(4, noise=noise, max_epochs=1, random_state=0).fit(X)
    noisy = ae.corrupt(X)
    assert noisy.shape == X.shape
    assert noisy.dtype == np.float32
    changed = (noisy != X).mean()
    if noise == "gaussian":
        assert math.isclose((noisy - X).std(), 0.3, rel_tol=0.05)
    elif noise == "masking":
        assert math.isclose(changed, 0.3, abs_tol=0.03)
        assert (noisy[noisy != X] == 0).all()
    elif noise == "salt_and_pepper":
        assert 0.1 < changed < 0.33
        assert np.isin(noisy[noisy != X], [X.min(), X.max()]).all()
    else:
        assert 0.05 < changed < 0.33
        flat, rows = noisy.reshape(N, -1), X.reshape(N, -1)
        assert all(np.isin(flat[:, j], rows[:, j]).all() for j in range(64))
    assert_array_equal(ae.corrupt(X), noisy)  # the estimator's random_state
    assert_array_equal(ae.corrupt(X, random_state=0), noisy)
    assert not np.array_equal(ae.corrupt(X, random_state=1), noisy)
    assert_array_equal(ae.denoise(noisy), ae.reconstruct(noisy))
    assert ae.corrupt(X.reshape(N, 64)).shape == X.shape


def test_corrupt_leaves_X_alone():
    ae = DenoisingAutoencoder(4, noise=lambda x, generator: x.mul_(0), max_epochs=1)
    X = ROWS.copy()
    assert not ae.fit(X).corrupt(X).any()
    assert_array_equal(X, ROWS)


def test_corrupt_isolates_noise_that_draws_globally():
    ae = DenoisingAutoencoder(
        4, noise=lambda x, generator: x + torch.randn_like(x), max_epochs=1
    ).fit(ROWS)
    before = torch.random.get_rng_state()
    noisy = ae.corrupt(ROWS, random_state=0)
    assert_array_equal(ae.corrupt(ROWS, random_state=0), noisy)
    assert not np.array_equal(ae.corrupt(ROWS, random_state=1), noisy)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_corrupt_adds_what_was_fitted():
    ae = DenoisingAutoencoder(4, max_epochs=1, random_state=0).fit(ROWS)
    noisy = ae.corrupt(ROWS)
    ae.set_params(noise_level=3.0)
    assert_array_equal(ae.corrupt(ROWS), noisy)


def test_noise_may_be_a_callable():
    ae = DenoisingAutoencoder(4, noise=Shift(by=2), max_epochs=1, random_state=0)
    shift = ae.fit(PICTURES).corrupt(PICTURES) - PICTURES
    assert_allclose(shift, shift[:, :1, :1] * np.ones((8, 8)), atol=1e-6)
    assert 0 <= shift.min() < shift.max() <= 2
    assert ae.get_params()["noise__by"] == 2


class NoiseModule(nn.Module):
    def forward(self, x, generator):
        return x + torch.rand(x.shape, generator=generator)


@pytest.mark.parametrize("slot", ["corruption", "augmentation"])
def test_noise_may_be_a_module(slot):
    ae = AutoencoderTransformer(4, max_epochs=1, random_state=0)
    ae.set_params(warm_start=True, **{slot: NoiseModule()})
    assert ae.fit(PICTURES).partial_fit(PICTURES).fit(PICTURES).n_iter_ == 3
    copied = pickle.loads(pickle.dumps(ae))
    assert_array_equal(copied.transform(PICTURES), ae.transform(PICTURES))


@pytest.mark.parametrize("n_active", [None, 1, 3])
def test_topk_keeps_n_active_units(n_active):
    ae = SparseAutoencoder(8, method="topk", n_active=n_active, max_epochs=2)
    codes = ae.fit(PICTURES).transform(PICTURES)
    assert (codes > 0).sum(1).max() <= (n_active or 2)  # a quarter of 8


def test_lifetime_cuts_each_unit_in_training_only():
    ae = SparseAutoencoder(
        8, method="lifetime", target_activation=0.25, max_epochs=5, random_state=0
    )
    codes = ae.fit(PICTURES).transform(PICTURES)
    assert_array_equal(ae.transform(PICTURES[:3]), codes[:3])
    x = torch.tensor(PICTURES.reshape(-1, 64), dtype=torch.float32)
    module = ae.net_.module_.train()
    cut = module(x)["code"].detach().numpy()
    assert (cut > 0).sum(0).max() <= len(x) // 4 < (codes > 0).sum(0).max()
    assert_allclose(cut[cut > 0], codes[cut > 0], rtol=1e-5)
    assert_array_equal(ae.transform(PICTURES), codes)  # evaluation is restored


@pytest.mark.parametrize("method", ["l1", "kl", "topk", "lifetime"])
def test_sparse_codes_have_exact_zeros(method):
    ae = SparseAutoencoder(
        16, method=method, sparsity=1.0, max_epochs=60, random_state=0
    )
    codes = ae.fit(PICTURES).transform(PICTURES)
    assert (codes == 0).mean() > 0.2
    assert codes.min() >= 0
    if method == "kl":
        assert codes.max() <= 1


VARIATIONAL = [name for name in ALL if "ariational" in name]


@pytest.mark.parametrize("name", VARIATIONAL)
def test_samples_have_the_layout_of_X(name):
    vae = fitted(name)
    assert vae.sample().shape == (1, 8, 8)
    samples = vae.sample(5)
    assert samples.shape == (5, 8, 8)
    assert samples.dtype == np.float32
    # Decoder means of draws from the prior.
    codes = np.random.RandomState(0).standard_normal((5, 4)).astype(np.float32)
    assert_array_equal(samples, vae.inverse_transform(codes))
    assert_array_equal(vae.sample(5), samples)  # the estimator's random_state
    assert_array_equal(vae.sample(5, random_state=0), samples)
    assert not np.array_equal(vae.sample(5, random_state=1), samples)
    noisy = vae.sample(5, noise=True)
    assert noisy.shape == samples.shape
    assert not np.array_equal(noisy, samples)
    if name == "variational poisson":
        assert_array_equal(noisy, noisy.round())


@pytest.mark.parametrize("name", VARIATIONAL)
def test_posterior_is_the_mean_that_transform_gives_and_a_deviation(name):
    vae = fitted(name)
    mean, std = vae.posterior(PICTURES)
    assert_array_equal(mean, vae.transform(PICTURES))
    assert std.shape == mean.shape
    assert (std > 0).all()


def test_sample_noise_has_the_variance_of_the_decoder():
    vae = VariationalAutoencoder(2, max_epochs=5, random_state=0).fit(PICTURES)
    noise = vae.sample(500, noise=True) - vae.sample(500)
    assert math.isclose(noise.var(), vae.noise_variance_, rel_tol=0.05)


def test_sample_noise_of_cross_entropy_is_a_coin():
    vae = VariationalAutoencoder(
        2, loss="binary_cross_entropy", max_epochs=5, random_state=0
    ).fit(ROWS)
    draws = vae.sample(2000, noise=True)
    assert set(np.unique(draws)) == {0, 1}
    assert_allclose(draws.mean(0), vae.sample(2000).mean(0), atol=0.05)


@functools.cache
def curve(scale=1.0, dtype="float64"):
    """Return a variational autoencoder of points near a curve, and the points."""
    rng = np.random.RandomState(0)
    t = rng.standard_normal((256, 1))
    X = scale * np.hstack([t, t**2 / 2, np.sin(t)]) + 0.2 * scale * rng.standard_normal(
        (256, 3)
    )
    vae = VariationalAutoencoder(
        1, hidden_layer_sizes=(16,), max_epochs=40, dtype=dtype, random_state=0
    )
    return vae.fit(X), X


def test_log_likelihood_agrees_with_numerical_integration():
    vae, X = curve()
    X = X[:20]
    z = np.linspace(-8, 8, 4001)
    means = vae.inverse_transform(z[:, np.newaxis])
    variance = vae.noise_variance_
    squares = ((X[:, np.newaxis] - means) ** 2).sum(2)
    log_joint = (
        -0.5 * squares / variance
        - 1.5 * np.log(2 * np.pi * variance)
        - 0.5 * z**2
        - 0.5 * np.log(2 * np.pi)
    )
    expected = np.logaddexp.reduce(log_joint, axis=1) + np.log(z[1] - z[0])
    found = vae.log_likelihood(X, 4000)
    assert found.shape == (20,)
    # The spread of ten estimates says what 4,000 draws can tell.
    spread = np.std(
        [vae.log_likelihood(X, 4000, random_state=seed) for seed in range(5)], axis=0
    )
    assert spread.max() < 0.1
    assert_allclose(found, expected, atol=0.2)
    assert abs(np.mean(found - expected)) < 0.02
    # A lower bound in expectation, that tightens with the number of draws.
    means = [vae.log_likelihood(curve()[1], k).mean() for k in (1, 1000)]
    assert means[0] < means[1]


def test_log_likelihood_is_a_density_in_the_units_of_X():
    vae, X = curve()
    other, X_other = curve(scale=16.0)
    shift = other.log_likelihood(X_other, 50) - vae.log_likelihood(X, 50)
    assert_allclose(shift, -3 * math.log(16), atol=1e-6)
    assert math.isclose(other.noise_variance_, 256 * vae.noise_variance_, rel_tol=1e-9)


@pytest.mark.parametrize("value", [0, 5, 1e-20])
def test_constant_data_has_a_density(value):
    X = np.full((40, 3), value)
    vae = VariationalAutoencoder(2, max_epochs=1, random_state=0).fit(X)
    assert vae.noise_variance_ >= 1e-12  # of scale_**2, which is 1
    assert np.isfinite(vae.log_likelihood(X)).all()
    assert np.isfinite(vae.sample(3, noise=True)).all()


@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy", "poisson"])
def test_likelihoods_are_of_the_loss_that_was_fitted(loss):
    vae = VariationalAutoencoder(2, loss=loss, max_epochs=1, random_state=0).fit(ROWS)
    likelihood, sample = vae.log_likelihood(ROWS, 2), vae.sample(3, noise=True)
    for other in ("squared_error", "binary_cross_entropy", nn.L1Loss(reduction="none")):
        vae.set_params(loss=other)
        assert_array_equal(vae.log_likelihood(ROWS, 2), likelihood)
        assert_array_equal(vae.sample(3, noise=True), sample)


@pytest.mark.filterwarnings("ignore::skae.CollapsedCodeWarning")
@pytest.mark.parametrize("loss", ["binary_cross_entropy", "poisson"])
def test_probabilities_of_all_values_sum_to_one(loss):
    if loss == "poisson":
        X = np.random.RandomState(0).poisson(2, size=(64, 2)).astype(float)
        values = np.array(list(itertools.product(range(25), repeat=2)), dtype=float)
    else:
        X = np.random.RandomState(0).randint(0, 2, size=(64, 5)).astype(float)
        values = np.array(list(itertools.product([0, 1], repeat=5)), dtype=float)
    vae = VariationalAutoencoder(2, loss=loss, max_epochs=10, random_state=0).fit(X)
    total = np.exp(vae.log_likelihood(values, 300)).sum()
    assert math.isclose(total, 1, abs_tol=0.03)


def test_log_likelihood_draws_by_random_state():
    vae = fitted("VariationalAutoencoder")
    first = vae.log_likelihood(PICTURES, 3)
    assert_array_equal(vae.log_likelihood(PICTURES, 3), first)
    assert_array_equal(vae.log_likelihood(ROWS, n_samples=3, random_state=0), first)
    assert not np.array_equal(vae.log_likelihood(ROWS, 3, random_state=1), first)


# Randomness -------------------------------------------------------------------------


@every
def test_an_int_seed_gives_equal_bits(name):
    codes = fitted(name).transform(PICTURES)
    ae = ALL[name]()
    assert_array_equal(codes_of(ae), codes)
    assert_array_equal(codes_of(ae), codes)  # refit
    assert_array_equal(codes_of(clone(ae)), codes)
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002
    random.seed(99)
    assert_array_equal(codes_of(ae), codes)
    assert not np.array_equal(codes_of(ALL[name](random_state=1)), codes)


@pytest.mark.parametrize("name", [*NAMED, "contractive with builders"])
def test_random_state_means_what_it_means_in_scikit_learn(name):
    make = ALL[name]
    one, other = np.random.RandomState(5), np.random.RandomState(5)
    first, second = (codes_of(make(random_state=one)) for _ in range(2))
    assert not np.array_equal(first, second)  # an instance is drawn from
    assert_array_equal(codes_of(make(random_state=other)), first)
    assert_array_equal(codes_of(make(random_state=other)), second)
    ae = make(random_state=None)
    if "instance" not in name:
        assert not np.array_equal(codes_of(ae), codes_of(ae))


def test_methods_without_a_seed_differ_from_call_to_call():
    vae = VariationalAutoencoder(2, max_epochs=1).fit(ROWS)
    assert not np.array_equal(vae.sample(2), vae.sample(2))
    ae = DenoisingAutoencoder(2, max_epochs=1).fit(ROWS)
    assert not np.array_equal(ae.corrupt(ROWS), ae.corrupt(ROWS))
    rng = np.random.RandomState(0)
    assert not np.array_equal(
        ae.corrupt(ROWS, random_state=rng), ae.corrupt(ROWS, random_state=rng)
    )


def _global_state():
    return (
        torch.get_rng_state().numpy().tobytes(),
        pickle.dumps(np.random.get_state()),  # noqa: NPY002
        random.getstate(),
        torch.get_num_threads(),
        torch.get_num_interop_threads(),
        torch.get_default_dtype(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_grad_enabled(),
        dict(os.environ),
    )


@every
def test_nothing_global_is_touched(name):
    codes_of(ALL[name]())  # whatever is imported late is imported now
    before = _global_state()
    ae = ALL[name](validation_fraction=0.2).fit(PICTURES)
    ae.partial_fit(PICTURES)
    ae.transform(PICTURES)
    ae.score(PICTURES)
    ae.score_samples(PICTURES)
    ae.sensitivity(PICTURES[:2])
    ae.blend(PICTURES, OTHERS)
    ae.interpolate(PICTURES[0], OTHERS[0], path="spherical")
    if hasattr(ae, "corrupt"):
        ae.corrupt(PICTURES)
    if hasattr(ae, "sample"):
        ae.sample(2, noise=True)
        ae.log_likelihood(PICTURES, 2)
    assert _global_state() == before


class DrawsGlobally(BaseEstimator):
    """A corruption of one's own that asks torch for noise, not the generator."""

    def __call__(self, x, generator):
        return x + torch.randn_like(x)


@pytest.mark.parametrize("slot", ["corruption", "loss", "penalty", "callable"])
def test_parts_of_ones_own_may_draw_from_the_global_generator(slot):
    parts = {
        "corruption": {"corruption": DrawsGlobally()},
        "callable": {"corruption": lambda x, generator: x + torch.randn_like(x)},
        "loss": {"loss": lambda r, x: torch.rand_like(x) * (r - x) ** 2},
        "penalty": {"penalty": lambda x, out, m: (out.code * torch.rand(4)).sum(1)},
    }
    ae = AutoencoderTransformer(**SMALL, **parts[slot], validation_fraction=0.2)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    codes = codes_of(ae)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert_array_equal(codes_of(clone(ae)), codes)
    valid = ae.history_[0]["valid_loss"]
    assert np.isfinite(valid)


_PROCESS = """
import sys
import numpy as np, torch
sys.path.insert(0, {tests!r})
torch.set_num_threads(1)
torch.manual_seed(1234)
from test_contract import NAMED, COMBINED, OWN_CONVOLUTIONS, codes_of
makers = {{**NAMED, **COMBINED, **OWN_CONVOLUTIONS}}
np.savez({path!r}, **{{name: codes_of(make()) for name, make in makers.items()}})
"""


def test_another_process_gives_equal_bits(tmp_path):
    path = str(tmp_path / "codes.npz")
    code = _PROCESS.format(tests=os.path.dirname(__file__), path=path)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
    codes = np.load(path)
    for name in ALL:
        assert_array_equal(codes[name], fitted(name).transform(PICTURES), name)


def test_a_grid_in_two_processes_gives_equal_bits():
    ae = NAMED["DenoisingAutoencoder"]()
    grid = {"noise_level": [0.1, 0.3], "noise": ["gaussian", "swap"]}
    alone = GridSearchCV(ae, grid, cv=2, n_jobs=1).fit(PICTURES)
    both = GridSearchCV(ae, grid, cv=2, n_jobs=2).fit(PICTURES)
    for key in ("split0_test_score", "split1_test_score"):
        assert_array_equal(both.cv_results_[key], alone.cv_results_[key])
    assert_array_equal(both.transform(PICTURES), alone.transform(PICTURES))
    best = clone(ae).set_params(**both.best_params_)
    assert_array_equal(both.transform(PICTURES), codes_of(best))


def test_fits_in_threads_give_equal_bits():
    names = [
        "AutoencoderTransformer",
        "VariationalAutoencoder",
        "denoising conv",
        "contractive with builders",
        "variational with builders",
    ] * 4
    before = torch.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda name: codes_of(ALL[name]()), names))
    for name, code in zip(names, codes, strict=True):
        assert_array_equal(code, fitted(name).transform(PICTURES), name)
    assert torch.equal(torch.get_rng_state(), before)


@every
def test_the_number_of_threads_changes_little(name):
    try:
        torch.set_num_threads(2)
        codes = codes_of(ALL[name]())
    finally:
        torch.set_num_threads(1)
    expected = fitted(name).transform(PICTURES)
    assert_allclose(codes, expected, rtol=1e-5, atol=1e-5)


# Copies -----------------------------------------------------------------------------


def _by_joblib(ae):
    file = io.BytesIO()
    joblib.dump(ae, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize(
    "copied",
    [
        copy.deepcopy,
        lambda ae: pickle.loads(pickle.dumps(ae)),
        lambda ae: cloudpickle.loads(cloudpickle.dumps(ae)),
        _by_joblib,
    ],
    ids=["deepcopy", "pickle", "cloudpickle", "joblib"],
)
@every
def test_copies_are_equal_and_train_on_equally(name, copied):
    ae = ALL[name](warm_start=True).fit(PICTURES)
    other = copied(ae)
    codes = ae.transform(PICTURES)
    assert_array_equal(other.transform(PICTURES), codes)
    assert_array_equal(other.reconstruct(PICTURES), ae.reconstruct(PICTURES))
    assert other.score(PICTURES) == ae.score(PICTURES)
    assert other.history_ == ae.history_
    ae.partial_fit(OTHERS).fit(OTHERS)
    assert_array_equal(other.transform(PICTURES), codes)  # nothing is shared
    other.partial_fit(OTHERS).fit(OTHERS)
    assert_array_equal(other.transform(PICTURES), ae.transform(PICTURES))
    assert not np.array_equal(ae.transform(PICTURES), codes)


def test_functions_without_a_name_pickle_by_value():
    ae = AutoencoderTransformer(
        4,
        encoder=lambda n_in, n_out: nn.Sequential(nn.Flatten(), nn.Linear(n_in, n_out)),
        decoder=lambda n_in, n_out: nn.Linear(n_in, n_out),
        loss=lambda reconstruction, x: (reconstruction - x) ** 2,
        penalty=lambda x, output, module: output["code"].sum(1) * 0,
        corruption=lambda x, generator: x,
        max_epochs=1,
    ).fit(PICTURES)
    other = cloudpickle.loads(cloudpickle.dumps(ae))
    assert_array_equal(other.transform(PICTURES), ae.transform(PICTURES))


@every
def test_a_fitted_estimator_holds_no_data_and_no_gradients(name):
    X = PICTURES.copy()
    ae = ALL[name](validation_fraction=0.2).fit(X)
    ae.partial_fit(X)
    gone = weakref.ref(X)
    del X
    gc.collect()
    assert gone() is None
    module = ae.net_.module_
    assert all(p.grad is None for p in module.parameters())
    assert not module.training
    few, many = (
        len(pickle.dumps(ALL[name]().fit(np.repeat(PICTURES, times, axis=0))))
        for times in (1, 8)
    )
    assert many < few + 2000


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_model_trained_on_a_gpu_loads_where_there_is_none(monkeypatch):
    ae = NAMED["VariationalAutoencoder"]().fit(PICTURES)
    get_state = RandomStream.__getstate__

    def with_cuda(stream):
        state = get_state(stream)
        state["states"]["cuda"] = torch.zeros(16, dtype=torch.uint8)
        return state

    with monkeypatch.context() as patch:
        patch.setattr(RandomStream, "__getstate__", with_cuda)
        dumped = pickle.dumps(ae)
    other = pickle.loads(dumped)
    assert_array_equal(other.transform(PICTURES), ae.transform(PICTURES))
    other.partial_fit(PICTURES)


# Parameters -------------------------------------------------------------------------


@every
def test_parameters_are_never_changed(name):
    ae = ALL[name](net_params={"optimizer__betas": (0.8, 0.99)}, callbacks=[Keeper()])
    before = {k: id(v) for k, v in ae.get_params(deep=False).items()}
    shown = repr(ae)
    ae.fit(PICTURES)
    ae.partial_fit(PICTURES)
    assert {k: id(v) for k, v in ae.get_params(deep=False).items()} == before
    assert repr(ae) == shown


@every_named
def test_settings_reach_the_optimizer(name):
    ae = NAMED[name](
        optimizer="adamw",
        lr=0.002,
        weight_decay=0.03,
        lr_schedule="constant",
        net_params={"optimizer__betas": (0.8, 0.99)},
    ).fit(PICTURES)
    (group,) = ae.net_.optimizer_.param_groups
    assert type(ae.net_.optimizer_) is torch.optim.AdamW
    assert (group["lr"], group["weight_decay"]) == (0.002, 0.03)
    assert group["betas"] == (0.8, 0.99)


@pytest.mark.parametrize(
    "ae",
    [
        AutoencoderTransformer(encoder=skae.Dense((8,)), penalty=skae.L1Sparsity(0.1)),
        ConvAutoencoder(corruption=skae.GaussianNoise(0.1), decoder=Conv((4,))),
        DenoisingAutoencoder(noise=skae.SwapNoise(0.2)),
        SparseAutoencoder(
            penalty=[("a", skae.Contraction(0.1)), ("b", of_reconstruction)],
            net_params={"optimizer__eps": 1e-7},
        ),
    ],
    ids=lambda ae: type(ae).__name__,
)
def test_nested_parameters_survive_clone_and_can_be_set_back(ae):
    params = ae.get_params()
    assert any("__" in name for name in params)
    other = clone(ae)
    assert other.get_params().keys() == params.keys()
    assert repr(other) == repr(ae)
    numbers = {k: v for k, v in params.items() if isinstance(v, (int, float, tuple))}
    other.set_params(**numbers)
    assert repr(other) == repr(ae)


def test_setting_a_nested_penalty_of_a_clone_leaves_the_original():
    ae = SparseAutoencoder(penalty=[("a", skae.L1Sparsity(0.1))])
    other = clone(ae).set_params(penalty__a__weight=0.5)
    assert ae.get_params()["penalty__a__weight"] == 0.1
    assert other.get_params()["penalty__a__weight"] == 0.5
    other.set_params(penalty__a=skae.L1Sparsity(0.7))
    assert other.get_params()["penalty__a__weight"] == 0.7


def test_a_column_that_was_constant_in_the_first_chunk_is_learnt_later():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(400, 2)) @ rng.normal(size=(2, 6))
    first = X[:50].copy()
    first[:, 2] = 0.0
    ae = AutoencoderTransformer(2, random_state=0).partial_fit(first)
    for _ in range(60):
        ae.partial_fit(X)
    spread = ae.reconstruct(X)[:, 2].std() / X[:, 2].std()
    assert 0.8 < spread < 1.2


def test_held_out_rows_are_not_looked_at_by_the_start():
    """On noise nothing is to be learnt: held-out rows cost what their mean does."""
    X = np.random.RandomState(0).normal(size=(60, 200))
    ae = AutoencoderTransformer(8, early_stopping=True, max_epochs=3, random_state=0)
    # Half the squared deviations, in units of the scale: 200 / 2.
    assert ae.fit(X).history_[0]["valid_loss"] > 80


def test_early_stopping_without_patience_keeps_the_best_epoch():
    X = np.random.RandomState(0).normal(size=(60, 20))
    ae = AutoencoderTransformer(
        8, early_stopping=True, n_iter_no_change=None, max_epochs=15, random_state=0
    ).fit(X)
    losses = [epoch["valid_loss"] for epoch in ae.history_]
    assert ae.n_iter_ == 15
    _, held = HoldOut(0.1, ae.net_.seed).split(60)
    errors = ((ae.reconstruct(X[held]) - X[held]) ** 2).sum(1) / ae.scale_**2 / 2
    assert errors.mean() == pytest.approx(min(losses), rel=1e-4)


def test_warm_start_heeds_new_training_settings_and_refuses_a_new_code():
    X = ROWS
    ae = AutoencoderTransformer(4, max_epochs=2, warm_start=True, random_state=0)
    ae.fit(X).set_params(max_epochs=3, early_stopping=True).fit(X)
    assert ae.n_iter_ == 5
    assert "valid_loss" in ae.history_[-1]
    with pytest.raises(ValueError, match="n_components=5, but the weights"):
        ae.set_params(n_components=5).fit(X)
    with pytest.raises(ValueError, match="loss='poisson', but the weights"):
        ae.set_params(n_components=4, loss="poisson").fit(X)


def test_warm_start_heeds_new_penalties_and_noise():
    seen = []

    def corruption(x, generator):
        seen.append(len(x))
        return x

    ae = AutoencoderTransformer(4, max_epochs=1, warm_start=True, random_state=0)
    ae.fit(ROWS).set_params(corruption=corruption, sparsity=0.1).fit(ROWS)
    assert sum(seen) == len(ROWS)
    before, after = ae.history_
    assert "train_sparsity" not in before
    assert after["train_sparsity"] > 0
    assert ae.set_params(corruption=None).fit(ROWS).n_iter_ == 3
    assert sum(seen) == len(ROWS)


def test_methods_use_the_loss_that_was_fitted():
    ae = AutoencoderTransformer(4, max_epochs=1, random_state=0).fit(ROWS)
    before = ae.score_samples(ROWS)
    ae.set_params(loss="binary_cross_entropy")
    assert_array_equal(ae.score_samples(ROWS), before)


def test_a_fitted_domain_is_checked_when_scoring():
    ae = AutoencoderTransformer(
        4, loss="binary_cross_entropy", max_epochs=1, random_state=0
    ).fit(ROWS)
    with pytest.raises(ValueError, match="needs X between 0 and 1"):
        ae.score_samples(16 * ROWS)


def test_two_image_shapes_that_differ_are_refused():
    ae = AutoencoderTransformer(
        4, encoder=Conv(image_shape=(8, 8)), decoder=Conv(image_shape=(4, 16))
    )
    with pytest.raises(ValueError, match="contradicts image_shape"):
        ae.fit(ROWS)


def test_an_inferred_layout_is_told_where_the_user_called():
    with pytest.warns(skae.LayoutWarning) as caught:
        skae.ConvAutoencoder(2, max_epochs=1).fit(ROWS)
    assert caught[0].filename == __file__


def test_a_data_loader_is_reproducible_and_leaves_the_global_generator():
    settings = {"iterator_train": torch.utils.data.DataLoader}
    ae = AutoencoderTransformer(
        4, max_epochs=2, net_params=settings, random_state=0, batch_size=32
    )
    before = torch.default_generator.get_state()
    codes = [clone(ae).fit(ROWS).transform(ROWS) for _ in range(2)]
    assert torch.equal(torch.default_generator.get_state(), before)
    assert_array_equal(*codes)


def test_callbacks_go_on_from_chunk_to_chunk():
    """What a callback has counted is not lost between two calls of partial_fit."""
    ae = AutoencoderTransformer(4, callbacks=[CountEpochs()], random_state=0)
    for _ in range(3):
        ae.partial_fit(ROWS)
    assert dict(ae.net_.callbacks_)["CountEpochs"].n_epochs_ == 3


class CountEpochs(Callback):
    """Counts epochs over the whole life of the net."""

    def initialize(self):
        self.n_epochs_ = 0
        return self

    def on_epoch_end(self, net, **kwargs):
        self.n_epochs_ += 1
