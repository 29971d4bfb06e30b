"""Bad input gets a clear error and loses nothing; so do divergence and Ctrl-C."""

import functools
import gc
import inspect
import os
import pickle
import signal
import subprocess
import sys
import time
import weakref

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from conftest import ESTIMATORS
from helpers import KeepWeights, weights_equal, weights_of_epochs
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from torch import nn

import skae
from skae import (
    AutoencoderTransformer,
    Conv,
    ConvAutoencoder,
    DenoisingAutoencoder,
    Dense,
    SparseAutoencoder,
    VariationalAutoencoder,
)

X = (load_digits().images[:40] / 16).astype(np.float32)
FLAT = X.reshape(40, 64)
SMALL = {"n_components": 3, "max_epochs": 2, "random_state": 0}

every_class = pytest.mark.parametrize("Estimator", ESTIMATORS)


@functools.cache
def fitted(Estimator):
    """Return an estimator fitted on images, shared between tests."""
    return Estimator(**SMALL).fit(X)


def _with(array, value):
    array = np.array(array, dtype=np.float64)
    array.flat[7] = value
    return array


class KeepsItsFit:
    """A fitted estimator that must be as it was at the end of the block."""

    def __init__(self, ae):
        self.ae = ae

    def __enter__(self):
        self.codes = self.ae.transform(X)
        self.known = dict(vars(self.ae)).keys()
        self.history = self.ae.history_
        self.means = self.ae.mean_.copy(), self.ae.scale_
        return self.ae

    def __exit__(self, *error):
        ae = self.ae
        assert_array_equal(ae.transform(X), self.codes)
        assert vars(ae).keys() == self.known
        assert ae.history_ == self.history
        assert_array_equal(ae.mean_, self.means[0])
        assert ae.scale_ == self.means[1]
        assert ae.image_shape_ == (1, 8, 8)
        assert ae.n_features_in_ == 64


# What X may be ----------------------------------------------------------------------

BAD_X = [
    (_with(X, np.nan), "contains NaN"),
    (_with(X, np.inf), "contains infinity"),
    (_with(X, 1e300), r"too large for dtype\('float32'\)"),
    (X + 1j, "Complex data not supported"),
    (X.astype(str).astype(object) + "a", "text in 40 of 40 samples"),
    (np.empty((0, 8, 8)), r"0 sample\(s\)"),
    (np.empty((5, 0)), r"0 feature\(s\)"),
    (FLAT[0], "Expected 2D array, got 1D array"),
    (np.float32(3), "Expected 2D array, got scalar"),
    ([[1.0, 2.0], [3.0]], "2 different shapes"),
    (X.reshape(40, 2, 2, 4, 4), "5 axes"),
]


@pytest.mark.parametrize(("bad", "match"), BAD_X, ids=lambda value: str(value)[:20])
@every_class
def test_fit_refuses_what_it_cannot_learn_from(Estimator, bad, match):
    unfitted = Estimator(**SMALL)
    with pytest.raises(ValueError, match=match):
        unfitted.fit(bad)
    assert not hasattr(unfitted, "net_")
    assert not hasattr(unfitted, "n_features_in_")
    ae = fitted(Estimator)
    with KeepsItsFit(ae), pytest.raises(ValueError, match=match):
        ae.fit(bad)


@every_class
def test_sparse_codes_and_blends_are_refused(Estimator):
    with KeepsItsFit(fitted(Estimator)) as ae:
        codes = scipy.sparse.csr_array(ae.transform(FLAT))
        with pytest.raises(TypeError, match="Sparse data was passed"):
            ae.inverse_transform(codes)
        with pytest.raises(TypeError, match=r"Sparse data .* Pass X1.toarray\(\)"):
            ae.blend(scipy.sparse.csr_array(FLAT), FLAT)


@pytest.mark.parametrize("Estimator", ESTIMATORS)
@pytest.mark.parametrize(
    "method",
    [
        "partial_fit",
        "transform",
        "reconstruct",
        "score",
        "score_samples",
        "sensitivity",
    ],
)
def test_methods_refuse_what_fit_did_not_see(Estimator, method):
    with KeepsItsFit(fitted(Estimator)) as ae:
        call = getattr(ae, method)
        with pytest.raises(
            ValueError, match=r"X has 60 features, but .* is expecting 64"
        ):
            call(FLAT[:, :60])
        with pytest.raises(
            ValueError, match=r"samples of shape \(4, 16\), but fit saw .*\(8, 8\)"
        ):
            call(X.reshape(40, 4, 16))
        with pytest.raises(
            ValueError, match=r"samples of shape \(1, 8, 8\), but fit saw"
        ):
            call(X[:, np.newaxis])
        with pytest.raises(ValueError, match="Expected 2D array, got 1D"):
            call(FLAT[0])
        with pytest.raises(ValueError, match="contains NaN"):
            call(_with(X, np.nan))
        with pytest.raises(ValueError, match="contains infinity"):
            call(_with(FLAT, -np.inf))
        with pytest.raises(ValueError, match=r"too large for dtype\('float32'\)"):
            call(_with(FLAT, -1e300))
        with pytest.raises(ValueError, match=r"0 sample\(s\)"):
            call(np.empty((0, 64)))


@every_class
def test_codes_must_have_the_width_of_the_code(Estimator):
    ae = fitted(Estimator)
    with pytest.raises(ValueError, match=r"X has 4 columns, but .* n_components=3"):
        ae.inverse_transform(np.zeros((5, 4)))
    with pytest.raises(ValueError, match="contains NaN"):
        ae.inverse_transform(np.full((5, 3), np.nan))
    with pytest.raises(ValueError, match="Expected 2D array"):
        ae.inverse_transform(np.zeros(3))


def test_frames_must_have_the_columns_that_fit_saw():
    frame = pd.DataFrame(FLAT, columns=[f"pixel{i}" for i in range(64)])
    ae = AutoencoderTransformer(**SMALL).fit(frame)
    codes = ae.transform(frame)
    with pytest.raises(ValueError, match="feature names should match"):
        ae.transform(frame.rename(columns={"pixel3": "other"}))
    with pytest.raises(ValueError, match="feature names should match"):
        ae.partial_fit(frame[frame.columns[::-1]])
    assert_array_equal(ae.transform(frame), codes)


# Layouts ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ae", "bad", "match"),
    [
        (
            ConvAutoencoder(image_shape=(1, 8, 8)),
            FLAT[:, :60],
            r"image_shape=\(1, 8, 8\) describes 64 features, but X has 60. Pass the "
            r"\(channels, height, width\) of one row",
        ),
        (
            DenoisingAutoencoder(encoder=Conv(image_shape=(3, 5))),
            FLAT,
            r"image_shape=\(3, 5\) describes 15 features, but X has 64",
        ),
        (ConvAutoencoder(image_shape=(64,)), FLAT, "has 1 entries. Pass"),
        (ConvAutoencoder(image_shape=(1, 1, 8, 8)), FLAT, "has 4 entries"),
        (
            ConvAutoencoder(image_shape=(8, 8), layout="signal"),
            FLAT[:, :60],
            "describes 64 features, but X has 60",
        ),
        (ConvAutoencoder(image_shape=(4, 16)), X, "does not describe the samples"),
        (ConvAutoencoder(), np.ones((9, 3, 8, 4)), "Both of axes 1 and -1.*layout="),
        (
            AutoencoderTransformer(),
            np.ones((9, 5, 8, 6)),
            "Neither of axes 1 and -1 .*lengths 5 and 6.*layout='channels_first'",
        ),
        (ConvAutoencoder(layout="signal"), np.ones((9, 2, 8, 4)), "channels, length"),
        (SparseAutoencoder(), np.ones((3, 2, 2, 2, 2)), "X has 5 axes"),
    ],
    ids=str,
)
def test_a_layout_that_does_not_fit_is_refused(ae, bad, match):
    ae = clone(ae)
    with pytest.raises(ValueError, match=match):
        ae.fit(bad)
    assert not hasattr(ae, "net_")
    good = type(ae)(**SMALL).fit(X)
    with KeepsItsFit(good):
        params = {k: v for k, v in ae.get_params().items() if k in _OF_LAYOUT}
        good.set_params(**params)
        with pytest.raises(ValueError, match=match):
            good.fit(bad)


_OF_LAYOUT = ("image_shape", "layout", "encoder")


@every_class
def test_an_ambiguous_layout_is_settled_by_layout(Estimator):
    both = np.random.RandomState(0).rand(9, 3, 8, 4)
    with pytest.raises(ValueError, match="Set layout='channels_first' or"):
        Estimator(**SMALL).fit(both)
    first = Estimator(**SMALL, layout="channels_first").fit(both)
    assert first.image_shape_ == (3, 8, 4)
    assert Estimator(**SMALL, layout="channels_last").fit(both).image_shape_ == (
        4,
        3,
        8,
    )


# Custom modules, losses, penalties and corruptions ----------------------------------


class Wide(nn.Module):
    """A network that gives more than it was asked for."""

    def __init__(self, n_in, n_out, extra=2):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(n_in, n_out + extra))

    def forward(self, x):
        return self.layers(x)


class Right(Wide):
    """A network that gives what it was asked for."""

    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out, extra=0)


DENSE = [cls for cls in ESTIMATORS if cls is not ConvAutoencoder]


@pytest.mark.parametrize("Estimator", DENSE)
@pytest.mark.parametrize("instance", [False, True])
def test_a_module_of_the_wrong_width_is_refused_with_both_widths(Estimator, instance):
    n_out = 6 if Estimator is VariationalAutoencoder else 3
    encoder = Wide(64, n_out) if instance else Wide
    decoder = Wide(3, 64) if instance else Wide
    expected = f"encoder gives {n_out + 2} values for a row, but {n_out} are expected"
    with KeepsItsFit(Estimator(**SMALL).fit(X)) as ae:
        ae.set_params(encoder=encoder, decoder="dense")
        with pytest.raises(ValueError, match=expected):
            ae.fit(X)
        ae.set_params(encoder=Right, decoder=decoder)
        with pytest.raises(ValueError, match=r"decoder gives 66 values .* but 64 are"):
            ae.fit(X)


@pytest.mark.parametrize("Estimator", DENSE)
def test_an_encoder_of_ones_own_needs_a_decoder(Estimator):
    with pytest.raises(ValueError, match=r"cannot be mirrored. Pass a decoder too"):
        Estimator(**SMALL, encoder=Right).fit(X)


def test_a_builder_must_build_a_module():
    ae = AutoencoderTransformer(encoder=lambda n_in, n_out: 3, decoder="dense")
    with pytest.raises(TypeError, match=r"builder encoder=.* returned int"):
        ae.fit(FLAT)


def _scalar(reconstruction, x):
    return ((reconstruction - x) ** 2).mean()


def _too_few(reconstruction, x):
    return ((reconstruction - x) ** 2).sum(1)[1:]


def _mean_penalty(x, output, module):
    return output["code"].abs().mean()


def _broken(*args):
    raise ZeroDivisionError("of the user")


BROKEN_PARTS = [
    ({"loss": _scalar}, ValueError, r"shape \(\) for a batch .*reduction='none'"),
    ({"loss": nn.MSELoss()}, ValueError, "one value for each row or each entry"),
    ({"loss": _too_few}, ValueError, "one value for each row or each entry"),
    ({"loss": _broken}, ZeroDivisionError, "of the user"),
    ({"penalty": _mean_penalty}, ValueError, r"penalty 'penalty' returned .* \(\)"),
    (
        {"penalty": [("mine", _mean_penalty)]},
        ValueError,
        "penalty 'mine' returned a tensor of shape .* Sum over the units",
    ),
    ({"penalty": _broken}, ZeroDivisionError, "of the user"),
]


@pytest.mark.parametrize(("params", "error", "match"), BROKEN_PARTS)
@every_class
def test_a_broken_part_is_refused_and_loses_nothing(Estimator, params, error, match):
    unfitted = Estimator(**SMALL, **params)
    with pytest.raises(error, match=match):
        unfitted.fit(X)
    with pytest.raises(NotFittedError):
        unfitted.transform(X)
    with pytest.raises(error, match=match):
        unfitted.partial_fit(X)
    assert not hasattr(unfitted, "net_")
    with KeepsItsFit(Estimator(**SMALL).fit(X)) as ae:
        ae.set_params(**params)
        with pytest.raises(error, match=match):
            ae.fit(X)


@every_class
def test_a_broken_corruption_loses_nothing(Estimator):
    slot = "noise" if Estimator is DenoisingAutoencoder else "corruption"
    ae = Estimator(**SMALL).fit(X)
    with KeepsItsFit(ae), pytest.raises(ZeroDivisionError, match="of the user"):
        ae.set_params(**{slot: _broken}).fit(X)


class FailsInEpoch(Callback):
    """A callback that fails late."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise ZeroDivisionError("of a callback")


@every_class
def test_a_callback_that_fails_loses_no_earlier_fit(Estimator):
    ae = Estimator(**SMALL).fit(X)
    with KeepsItsFit(ae), pytest.raises(ZeroDivisionError, match="of a callback"):
        ae.set_params(callbacks=[FailsInEpoch(2)]).fit(X)


@every_class
def test_a_single_row_cannot_be_split(Estimator):
    with KeepsItsFit(Estimator(**SMALL).fit(X)) as ae:
        ae.set_params(early_stopping=True)
        with pytest.raises(ValueError, match=r"n_samples=1.*early_stopping=False"):
            ae.fit(X[:1])


# Losses that have a domain ----------------------------------------------------------


@every_class
def test_cross_entropy_needs_values_between_0_and_1(Estimator):
    for bad in (2 * X, X - 0.5):
        with KeepsItsFit(Estimator(**SMALL, loss="binary_cross_entropy").fit(X)) as ae:
            for method in ("fit", "partial_fit"):
                with pytest.raises(
                    ValueError, match="needs X between 0 and 1, but X runs"
                ):
                    getattr(ae, method)(bad)


@every_class
def test_poisson_needs_counts_of_at_least_0(Estimator):
    with KeepsItsFit(Estimator(**SMALL, loss="poisson").fit(X)) as ae:
        for method in ("fit", "partial_fit"):
            with pytest.raises(
                ValueError, match="needs counts of at least 0, but X holds"
            ):
                getattr(ae, method)(X - 0.5)


# Divergence -------------------------------------------------------------------------


@pytest.mark.parametrize("lr", [1e2, 1e4, 1e7])
@every_class
def test_divergence_says_when_and_why_and_what_to_do(Estimator, lr):
    ae = Estimator(**{**SMALL, "max_epochs": 60}, optimizer="sgd", lr=lr)
    with pytest.raises(
        skae.DivergenceError,
        match=r"stopped being finite in epoch \d+ .*lower lr \(now [^ ]+\) or "
        "weight_decay, or scale X.*keeps the last finite weights",
    ) as caught:
        ae.fit(X)
    assert isinstance(caught.value, ValueError)
    assert f"in epoch {ae.n_iter_} " in str(caught.value)
    assert np.isfinite(ae.transform(X)).all()
    assert np.isfinite(ae.reconstruct(X)).all()
    assert all(torch.isfinite(p).all() for p in ae.net_.module_.state_dict().values())


class TurnsInfinite:
    """A loss that is finite for a number of calls and then is not."""

    def __init__(self, calls, value=float("nan")):
        self.calls, self.value = calls, value

    def __call__(self, reconstruction, x):
        values = (reconstruction - x) ** 2
        self.calls -= 1
        return values if self.calls >= 0 else values * self.value


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@every_class
def test_divergence_keeps_the_weights_of_the_last_finite_epoch(Estimator, value):
    ae = Estimator(
        **{**SMALL, "max_epochs": 9},
        loss=TurnsInfinite(3, value),
        early_stopping=False,
        batch_size=40,
        callbacks=[KeepWeights()],
    )
    with pytest.raises(skae.DivergenceError, match="in epoch 4"):
        ae.fit(X)
    weights = weights_of_epochs(ae)
    assert len(weights) == 3
    assert weights_equal(ae.net_.module_, weights[-1])


@pytest.mark.filterwarnings("ignore::skae.CollapsedCodeWarning")
@pytest.mark.filterwarnings("ignore::skae.FitWarning")
@every_class
def test_training_can_go_on_after_divergence(Estimator):
    ae = Estimator(
        **{**SMALL, "max_epochs": 30}, warm_start=True, optimizer="adam", lr=1e30
    )
    with pytest.raises(skae.DivergenceError, match=r"lower lr \(now 1e\+30\)"):
        ae.fit(X)
    ae.set_params(lr=1e-3).fit(X)  # the way out that the message names
    assert np.isfinite(ae.history_[-1]["train_loss"])
    ae.partial_fit(X)
    assert np.isfinite(ae.transform(X)).all()


@pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")
def test_divergence_in_a_search_is_a_failed_fit():
    search = GridSearchCV(
        AutoencoderTransformer(**{**SMALL, "max_epochs": 20}, optimizer="sgd"),
        {"lr": [1e-3, 1e4]},
        cv=2,
    )
    with pytest.warns(FitFailedWarning, match=r"(?s)2 fits failed.*DivergenceError"):
        search.fit(FLAT)
    assert search.best_params_ == {"lr": 1e-3}


# Before fit -------------------------------------------------------------------------


@every_class
def test_every_method_of_an_unfitted_estimator_says_so(Estimator):
    ae = Estimator()
    calls = {
        "transform": (X,),
        "inverse_transform": (np.zeros((2, 16)),),
        "reconstruct": (X,),
        "score_samples": (X,),
        "score": (X,),
        "blend": (X, X),
        "interpolate": (X[0], X[1]),
        "mix": (X[:2], [0.5, 0.5]),
        "sensitivity": (X,),
        "hidden_layer": (X,),
        "impute": (X,),
        "truncate": (2,),
        "get_feature_names_out": (),
        "corrupt": (X,),
        "denoise": (X,),
        "sample": (),
        "posterior": (X,),
        "log_likelihood": (X,),
    }
    public = {
        name
        for name, _ in inspect.getmembers(Estimator, inspect.isfunction)
        if not name.startswith(("_", "get_params", "set_", "get_metadata", "fit"))
    } - {"partial_fit", "save", "to_onnx"}
    assert public <= calls.keys()
    for name in public:
        with pytest.raises(NotFittedError, match="not fitted yet"):
            getattr(ae, name)(*calls[name])
    for name in ("encoder_", "decoder_", "history_", "n_iter_"):
        assert not hasattr(ae, name)
        with pytest.raises(NotFittedError, match="not fitted yet"):
            getattr(ae, name)
    for name in ("net_", "image_shape_", "n_features_in_", "mean_", "scale_"):
        assert not hasattr(ae, name)


@pytest.mark.parametrize("unfitted", [AutoencoderTransformer(), PCA()], ids=str)
def test_functions_say_that_a_transformer_is_not_fitted(unfitted):
    for kind in ("content", "representation"):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            skae.blend(unfitted, X, X, kind=kind)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        skae.interpolate(unfitted, X[0], X[1])
    with pytest.raises(NotFittedError, match="not fitted yet"):
        skae.mix(unfitted, X[:2], [1, 0])


# Blending ---------------------------------------------------------------------------


@every_class
def test_blends_that_make_no_sense_are_refused(Estimator):
    ae = fitted(Estimator)
    for kind in ("content", "representation"):
        blend = functools.partial(ae.blend, kind=kind)
        with pytest.raises(ValueError, match=r"alpha of shape \(3,\) does not fit 40"):
            blend(X, X, [0.1, 0.2, 0.3])
        with pytest.raises(ValueError, match=r"alpha of shape \(2,\) does not fit 1"):
            blend(X[0], X[1], [0.1, 0.2])
        with pytest.raises(ValueError, match=r"alpha of shape \(40, 1\)"):
            blend(X, X, np.ones((40, 1)))
        with pytest.raises(ValueError, match="alpha=nan must be finite"):
            blend(X, X, float("nan"))
        with pytest.raises(ValueError, match="X1 has 5 samples and X2 has 6"):
            blend(X[:5], X[:6])
        with pytest.raises(
            ValueError, match=r"X2 has shape \(40, 60\), but a sample has"
        ):
            blend(X, FLAT[:, :60])
        with pytest.raises(ValueError, match=r"X1 has shape \(8,\), but a sample has"):
            blend(X[0, 0], X)
    with pytest.raises(ValueError, match=r"kind='other' is not known. Choose 'repres"):
        ae.blend(X, X, kind="other")
    with pytest.raises(ValueError, match=r"path='other' is not known. Choose 'linear'"):
        ae.interpolate(X[0], X[1], path="other")
    for n_steps in (1, 0, -3, 2.5, "7"):
        with pytest.raises(
            ValueError, match=r"n_steps=.* must be an integer of at least"
        ):
            ae.interpolate(X[0], X[1], n_steps)
    for weights in ([1, 2], [[1, 2]], 1.0, np.ones((2, 2, 3)), [[1], [2], [3]]):
        with pytest.raises(
            ValueError, match=r"weights of shape .* do not fit 3 sample"
        ):
            ae.mix(X[:3], weights)
    with pytest.raises(ValueError, match="Pass a batch of samples"):
        ae.mix(X[0], [1.0])
    with pytest.raises(ValueError, match="contains NaN"):
        ae.blend(_with(X, np.nan), X)


@pytest.mark.parametrize("kind", ["content", "representation"])
def test_blends_refuse_frames_of_the_wrong_width(kind):
    frame = pd.DataFrame(FLAT)
    ae = AutoencoderTransformer(**SMALL).fit(frame)
    with pytest.raises(ValueError, match="60"):
        ae.blend(frame.iloc[:, :60], frame, kind=kind)
    with pytest.raises(ValueError, match="60"):
        ae.blend(frame.iloc[0, :60], frame.iloc[1], kind=kind)


@pytest.mark.parametrize("bad", [0, -1, 1.5, "2"])
def test_numbers_of_draws_are_checked(bad):
    vae = fitted(VariationalAutoencoder)
    error = TypeError if isinstance(bad, (str, float)) else ValueError
    with pytest.raises(error, match="n_samples"):
        vae.sample(bad)
    with pytest.raises(error, match="n_samples"):
        vae.log_likelihood(X, bad)


def test_likelihoods_need_a_loss_that_is_one():
    vae = VariationalAutoencoder(**SMALL, loss=nn.L1Loss(reduction="none")).fit(X)
    with pytest.raises(ValueError, match="log_likelihood needs a loss that is a likel"):
        vae.log_likelihood(X)
    with pytest.raises(ValueError, match=r"sample\(noise=True\) needs a loss"):
        vae.sample(noise=True)
    assert vae.sample().shape == (1, 8, 8)


@pytest.mark.parametrize("kind", ["content", "representation"])
@pytest.mark.parametrize("of", ["ae", "pca", "pipeline"])
def test_blends_check_values_and_names(of, kind):
    frame = pd.DataFrame(FLAT, columns=[f"pixel{i}" for i in range(64)])
    transformer = {
        "ae": AutoencoderTransformer(**SMALL),
        "pca": PCA(2),
        "pipeline": make_pipeline(StandardScaler(), AutoencoderTransformer(**SMALL)),
    }[of].fit(frame)
    with pytest.raises(ValueError, match="contains infinity"):
        skae.blend(
            transformer, frame, frame.replace(frame.iloc[0, 3], np.inf), kind=kind
        )
    with pytest.raises(ValueError, match="must be in the same order"):
        skae.blend(transformer, frame, frame.iloc[:, ::-1], kind=kind)


def test_blends_refuse_pipelines_that_encode_nothing():
    pipeline = make_pipeline("passthrough").fit(FLAT)
    with pytest.raises(ValueError, match="no step that encodes"):
        skae.blend(pipeline, FLAT, FLAT)


def test_content_of_images_of_two_sizes_is_refused():
    pipeline = make_pipeline(
        FunctionTransformer(), skae.ConvAutoencoder(2, max_epochs=1)
    ).fit(X)
    with pytest.raises(ValueError, match=r"\(8, 8\) and \(6, 6\) cannot be blended"):
        skae.blend(pipeline, X, X[:, :6, :6], kind="content")


def test_one_sample_is_not_a_batch():
    ae = AutoencoderTransformer(**SMALL).fit(X)
    with pytest.raises(ValueError, match=r"one sample of shape \(8, 8\).*np\.newaxis"):
        ae.transform(X[0])
    # A flat row of one channel has the shape of a signal: it is a batch of one.
    signals = FLAT[:, np.newaxis]
    ae = AutoencoderTransformer(**SMALL, layout="signal").fit(signals)
    assert_array_equal(ae.transform(signals[0]), ae.transform(FLAT[:1]))


@pytest.mark.parametrize("bad", ["a", -1, 1.5])
def test_random_state_is_checked(bad):
    with pytest.raises(ValueError, match=r"random_state|cannot be used to seed|Seed"):
        fitted(VariationalAutoencoder).sample(random_state=bad)
    with pytest.raises(ValueError, match=r"random_state|cannot be used to seed|Seed"):
        fitted(DenoisingAutoencoder).corrupt(X, random_state=bad)


# Parameters -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"n_components": 0}, "'n_components' parameter"),
        ({"n_components": 2.5}, "'n_components' parameter"),
        ({"sparsity": -1}, "'sparsity' parameter"),
        ({"loss": "squared"}, "'loss' parameter"),
        ({"layout": "channels"}, "'layout' parameter"),
        ({"optimizer": "adamm"}, "'optimizer' parameter"),
        ({"lr": 0}, "'lr' parameter"),
        ({"weight_decay": -1}, "'weight_decay' parameter"),
        ({"lr_schedule": "step"}, "'lr_schedule' parameter"),
        ({"max_epochs": -1}, "'max_epochs' parameter"),
        ({"batch_size": 0}, "'batch_size' parameter"),
        ({"batch_size": "all"}, "'batch_size' parameter"),
        ({"validation_fraction": 1.0}, "'validation_fraction' parameter"),
        ({"early_stopping": "yes"}, "'early_stopping' parameter"),
        ({"n_iter_no_change": 0}, "'n_iter_no_change' parameter"),
        ({"tol": -1e-3}, "'tol' parameter"),
        ({"callbacks": "all"}, "'callbacks' parameter"),
        ({"net_params": [1]}, "'net_params' parameter"),
        ({"dtype": "float16"}, "'dtype' parameter"),
        ({"random_state": "a"}, "'random_state' parameter"),
        ({"code_activation": "swish"}, "'code_activation' parameter"),
        ({"decoder": "mlp"}, "'decoder' parameter"),
        ({"penalty": "l1"}, "'penalty' parameter"),
        ({"corruption": 0.3}, "'corruption' parameter"),
        ({"noise": "pink"}, "'noise' parameter"),
        ({"noise_level": -1}, "'noise_level' parameter"),
        ({"method": "l2"}, "'method' parameter"),
        ({"target_activation": 1}, "'target_activation' parameter"),
        ({"n_active": 0}, "'n_active' parameter"),
        ({"contraction": -1}, "'contraction' parameter"),
        ({"jacobian": "numeric"}, "'jacobian' parameter"),
        ({"n_probes": 0}, "'n_probes' parameter"),
        ({"beta": -1}, "'beta' parameter"),
        ({"kl_warmup": -1}, "'kl_warmup' parameter"),
        ({"encoder": "mlp"}, "'encoder' parameter"),
        ({"activation": "swish"}, "'activation' parameter"),
        ({"hidden_layer_sizes": 0}, "'hidden_layer_sizes' parameter"),
        ({"hidden_layer_sizes": (0,)}, r"hidden_layer_sizes=\(0,\) must hold widths"),
        (
            {"encoder": Dense((8,), activation="swish")},
            "'activation' parameter of Dense|activation='swish' is not known",
        ),
        ({"encoder": Conv(())}, r"channels=\(\) must hold at least one"),
        ({"encoder": Conv(kernel_size=2)}, "kernel_size=2 must be odd"),
        ({"encoder": Conv(pooling="min")}, "'pooling' parameter of Conv"),
        # A tied decoder is the mirror image of its encoder.
        (
            {"encoder": Dense((8,), tied=True), "decoder": "dense"},
            "tied=True.* makes the decoder, but decoder='dense' makes one, too",
        ),
        (
            {"decoder": Dense((8,), tied=True)},
            "decoder=Dense.* has no encoder to share its weights with",
        ),
        ({"channels": ()}, r"channels=\(\) must hold at least one"),
        ({"channels": (4, 0)}, r"channels=\(4, 0\) must hold"),
        # Two parameters that set the same, or that contradict each other.
        (
            {"hidden_layer_sizes": (8,), "encoder": "dense"},
            r"hidden_layer_sizes=\(8,\) and encoder='dense' cannot be given together",
        ),
        (
            {"activation": "relu", "encoder": Conv()},
            r"activation='relu' and encoder=Conv\(\) cannot be given together",
        ),
        (
            {"weight_decay": 0.1, "net_params": {"optimizer__weight_decay": 0.2}},
            "weight_decay=0.1 and optimizer__weight_decay=0.2 set the same",
        ),
        (
            {"lr": 0.1, "net_params": {"optimizer__lr": 0.2}},
            "lr=0.1 and optimizer__lr=0.2 set the same",
        ),
        (
            {"batch_size": 5, "net_params": {"iterator_train__batch_size": 6}},
            "batch_size=5 and iterator_train__batch_size=6 set the same",
        ),
        ({"net_params": {"max_epochs": 3}}, "max_epochs set the same thing"),
        (
            {
                "lr_schedule": "cosine",
                "callbacks": [LRScheduler("StepLR", step_size=1)],
            },
            "lr_schedule='cosine' and an LRScheduler in callbacks both set",
        ),
        (
            {"method": "topk", "n_active": 9},
            "n_active=9 units cannot be active in a code of n_components=3",
        ),
        (
            {"method": "kl", "code_activation": "relu"},
            r"method='kl' needs a code in \[0, 1\], but code_activation='relu'",
        ),
        (
            {"noise": "masking", "noise_level": 1.5},
            "noise_level=1.5 is the fraction .* cannot exceed 1",
        ),
        # Typos among skorch's settings, found by prefix and by argument.
        ({"net_params": {"warm_stat": True}}, "'warm_stat', which skorch lacks"),
        ({"net_params": {"optimiser__eps": 1}}, "'optimiser__eps', which skorch lacks"),
        ({"net_params": {"optimizer__epss": 1}}, "epss"),
        (
            {"net_params": {"callbacks__es__patience": 1}},
            "callbacks__es__patience sets a callback named 'es', but the callbacks are",
        ),
        # Penalties are distinguished by their names.
        (
            {"penalty": [("a", skae.L1Sparsity()), ("a", skae.L1Sparsity())]},
            "cannot be named 'a'",
        ),
        ({"penalty": [("loss", skae.L1Sparsity())]}, "cannot be named 'loss'"),
        ({"penalty": [("a__b", skae.L1Sparsity())]}, "cannot be named 'a__b'"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else str(value),
)
def test_parameters_that_make_no_sense_are_refused(params, match):
    takers = [cls for cls in ESTIMATORS if set(params) <= set(cls().get_params())]
    assert takers
    for cls in takers:
        with KeepsItsFit(cls(**SMALL).fit(X)) as ae:
            ae.set_params(**params)
            with pytest.raises((ValueError, TypeError), match=match):
                ae.fit(X)
        unfitted = cls(**{**SMALL, **params})
        with pytest.raises((ValueError, TypeError), match=match):
            unfitted.fit(X)
        assert not hasattr(unfitted, "net_")


def test_a_variational_autoencoder_cannot_be_tied():
    vae = VariationalAutoencoder(encoder=Dense((8,), tied=True))
    with pytest.raises(ValueError, match=r"cannot be tied: .* 2 \* n_components"):
        vae.fit(FLAT)


@pytest.mark.parametrize("kind", [Dense, Conv])
def test_a_batch_of_one_cannot_be_normalised(kind):
    match = "batch_norm=True needs two samples or more .* one sample"
    params = {**SMALL, "encoder": kind(8, batch_norm=True)}
    with pytest.raises(ValueError, match=match):
        AutoencoderTransformer(**params).fit(X[:1])
    with pytest.raises(ValueError, match=match):
        AutoencoderTransformer(**params, batch_size=1).fit(X)
    with KeepsItsFit(AutoencoderTransformer(**params).fit(X)) as ae:
        with pytest.raises(ValueError, match=match):
            ae.partial_fit(X[:1])
        assert ae.transform(X[:1]).shape == (1, 3)


@pytest.mark.parametrize("jacobian", ["auto", "exact", "stochastic"])
@pytest.mark.parametrize("kind", [Dense, Conv])
def test_normalised_encoders_are_not_contracted(kind, jacobian):
    ae = skae.ContractiveAutoencoder(
        **SMALL, encoder=kind(8, batch_norm=True), jacobian=jacobian
    )
    with pytest.raises(ValueError, match=r"rows that do not .* Set batch_norm=False"):
        ae.fit(X)


def test_penalties_must_be_pairs():
    ae = AutoencoderTransformer(penalty=[skae.L1Sparsity()])
    with pytest.raises(TypeError, match=r"a list of \(name, callable\), but holds"):
        ae.fit(X)


@every_class
def test_a_device_that_is_not_there_is_refused(Estimator):
    ae = Estimator(**SMALL).fit(X)
    with KeepsItsFit(ae), pytest.raises(ValueError, match="device='abacus' is not"):
        ae.set_params(device="abacus").fit(X)


@every_class
def test_set_params_refuses_names_that_do_not_exist(Estimator):
    ae = Estimator(penalty=[("a", skae.L1Sparsity())])
    with pytest.raises(ValueError, match="Invalid parameter 'n_component'"):
        ae.set_params(n_component=3)
    with pytest.raises(ValueError, match="Invalid parameter 'penalty__b__weight'"):
        ae.set_params(penalty__b__weight=3)
    with pytest.raises(ValueError, match="Invalid parameter 'wieght'"):
        ae.set_params(penalty__a__wieght=3)
    with pytest.raises(ValueError, match="Invalid parameter 'optimiser'"):
        ae.set_params(optimiser__eps=3)
    with pytest.raises(TypeError, match="n_component"):
        Estimator(n_component=3)
    with pytest.raises(TypeError, match="positional"):
        Estimator(3, 4)


# Ctrl-C -----------------------------------------------------------------------------


class Interrupts:
    """What raises KeyboardInterrupt at a call, as Ctrl-C does wherever it lands."""

    def __init__(self, calls):
        self.calls = calls

    def __call__(self, x, *args):
        self.calls -= 1
        if self.calls < 0:
            raise KeyboardInterrupt
        return args[0]["code"].abs().sum(1) if len(args) == 2 else x


class InterruptsBatch(Callback):
    """A callback that is interrupted between batches."""

    def on_batch_end(self, net, **kwargs):
        if len(net.history) == 3:
            raise KeyboardInterrupt


INTERRUPTED = {
    "penalty": lambda: {"penalty": Interrupts(5)},
    "corruption": lambda: {"corruption": Interrupts(5)},
    "callback": lambda: {"callbacks": [InterruptsBatch()]},
}


@pytest.mark.parametrize("where", INTERRUPTED)
@every_class
def test_ctrl_c_raises_and_leaves_a_usable_estimator(Estimator, where):
    params = INTERRUPTED[where]()
    if Estimator is DenoisingAutoencoder and where == "corruption":
        params = {"noise": params["corruption"]}
    ae = Estimator(
        **{**SMALL, "max_epochs": 50}, early_stopping=False, batch_size=20, **params
    )
    with pytest.raises(KeyboardInterrupt):
        ae.fit(X)
    assert ae.n_iter_ == 2  # whole epochs
    assert all(np.isfinite(epoch["train_loss"]) for epoch in ae.history_)
    assert np.isfinite(ae.transform(X)).all()
    assert ae.reconstruct(X).shape == X.shape
    assert not ae.net_.module_.training
    assert all(p.grad is None for p in ae.net_.module_.parameters())
    assert isinstance(repr(ae), str)
    if Estimator is VariationalAutoencoder:
        assert np.isfinite(ae.sample(3, noise=True)).all()


@pytest.mark.parametrize("early_stopping", [True, False, "auto"])
def test_a_fit_that_was_interrupted_holds_no_data(early_stopping):
    rows = X.copy()
    ae = AutoencoderTransformer(
        **{**SMALL, "max_epochs": 50},
        penalty=Interrupts(5),
        early_stopping=early_stopping,
        batch_size=20,
    )
    with pytest.raises(KeyboardInterrupt):
        ae.fit(rows)
    gone = weakref.ref(rows)
    del rows
    gc.collect()
    assert gone() is None


def test_ctrl_c_is_not_swallowed_by_a_search():
    search = GridSearchCV(
        AutoencoderTransformer(**SMALL, penalty=Interrupts(3)),
        {"n_components": [2, 3]},
        cv=2,
        error_score=0.0,
    )
    with pytest.raises(KeyboardInterrupt):
        search.fit(FLAT)


_LONG_FITS = """
import numpy as np
from skorch.callbacks import Callback
import skae

class Tells(Callback):
    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            print("is training", flush=True)

X = np.random.RandomState(0).rand(50, 6, 6)
for cls in (skae.AutoencoderTransformer, skae.ConvAutoencoder):
    ae = cls(
        3, max_epochs=10**6, n_iter_no_change=None, callbacks=[Tells()], random_state=0
    )
    try:
        ae.fit(X)
    except KeyboardInterrupt:
        assert np.isfinite(ae.transform(X)).all()
        assert ae.n_iter_ >= 2
        ae.partial_fit(X)
        print("usable", flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_a_real_ctrl_c_raises():
    with subprocess.Popen(
        [sys.executable, "-c", _LONG_FITS], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            for _ in range(2):
                assert process.stdout.readline() == "is training\n"
                time.sleep(0.2)
                process.send_signal(signal.SIGINT)
                assert process.stdout.readline() == "usable\n"
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert out == ""
    assert process.returncode == 0


@every_class
def test_early_stopping_of_skorch_just_stops(Estimator):
    stopping = EarlyStopping(monitor="train_loss", patience=2, threshold=1e9)
    ae = Estimator(
        **{**SMALL, "max_epochs": 20},
        n_iter_no_change=None,
        callbacks=[("es", stopping)],
    )
    assert ae.fit(X).n_iter_ < 20
    assert np.isfinite(ae.transform(X)).all()


class Stops(Callback):
    """A custom callback that stops training as skorch's do."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 3:
            raise KeyboardInterrupt


@every_class
def test_a_callback_of_ones_own_may_stop_at_the_end_of_an_epoch(Estimator):
    ae = Estimator(**{**SMALL, "max_epochs": 20}, callbacks=[Stops()]).fit(X)
    assert ae.n_iter_ == 3


def test_a_noise_of_ones_own_and_a_noise_level_are_refused():
    ae = skae.DenoisingAutoencoder(4, noise=skae.GaussianNoise(0.1), noise_level=0.9)
    with pytest.raises(ValueError, match=r"noise_level=0\.9 and noise="):
        ae.fit(np.zeros((10, 4)))


# A warm start that fails ------------------------------------------------------------


def _states(net):
    """Return what a net would train with, and its weights."""
    task = {
        "terms": [name for name, _ in net.criterion_.penalties],
        "corruption": net.corruption,
        "precision": net.precision,
        "batch_size": net.batch_size,
        "lr": [group["lr"] for group in net.optimizer_.param_groups],
        "callbacks": [callback for _, callback in net.callbacks_],
    }
    return task, {k: v.clone() for k, v in net.module_.state_dict().items()}


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"precision": "bfloat16"}, ValueError, "precision='bfloat16' speeds up"),
        ({"penalty": [("sparsity", len)]}, ValueError, "cannot be named 'sparsity'"),
    ],
)
def test_a_refused_warm_start_leaves_the_net_as_it_was(changes, error, match):
    ae = AutoencoderTransformer(**SMALL, warm_start=True, dtype="float64").fit(FLAT)
    twin = pickle.loads(pickle.dumps(ae))
    before = _states(ae.net_)
    parameters = ae.get_params(deep=False)
    ae.set_params(sparsity=5.0, lr=0.5, batch_size=7, **changes)
    with pytest.raises(error, match=match):
        ae.fit(FLAT)
    after = _states(ae.net_)
    assert after[0] == before[0]
    assert all(torch.equal(after[1][name], x) for name, x in before[1].items())
    ae.set_params(**parameters)
    for one in (ae, twin):
        one.partial_fit(FLAT)
    assert_array_equal(ae.transform(FLAT), twin.transform(FLAT))
    assert "train_sparsity" not in ae.history_[-1]


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_warm_start_that_fails_while_it_trains_keeps_its_settings(method):
    ae = AutoencoderTransformer(**SMALL, warm_start=True).fit(FLAT)
    (task, _), mean = _states(ae.net_), ae.mean_.copy()
    parameters = ae.get_params(deep=False)

    def explode(x, output, module):
        raise ZeroDivisionError("of the user")

    if method == "fit":
        ae.set_params(penalty=explode, lr=0.5)
        with pytest.raises(ZeroDivisionError, match="of the user"):
            ae.fit(2 * FLAT)
    else:
        ae.set_params(lr=0.5)
        ae.net_.criterion_.penalties.append(("explode", explode))
        with pytest.raises(ZeroDivisionError, match="of the user"):
            ae.partial_fit(2 * FLAT)
        ae.net_.criterion_.penalties.pop()
    ae.set_params(**parameters)
    assert _states(ae.net_)[0] == task
    assert_array_equal(ae.mean_, mean)
    assert np.isfinite(ae.fit(FLAT).transform(FLAT)).all()


def test_a_strangers_attributes_are_not_taken_for_ours():
    class Stranger(PCA):
        _layout = _check_X = _dtype = _slots = None

    pca = Stranger(2).fit(FLAT)
    blends = skae.blend(pca, FLAT[:3], FLAT[3:6], kind="content")
    assert_array_equal(blends, 0.5 * FLAT[:3] + 0.5 * FLAT[3:6])


def test_a_loss_without_a_density_refuses_what_needs_one():
    vae = skae.VariationalAutoencoder(**SMALL, loss="huber").fit(FLAT)
    assert np.isfinite(vae.sample(3)).all()
    for call in (lambda: vae.sample(noise=True), lambda: vae.log_likelihood(FLAT)):
        with pytest.raises(
            ValueError, match=r"loss='huber'\. Use 'squared_error', 'bin"
        ):
            call()
    with pytest.raises(AttributeError, match="noise_variance_"):
        vae.noise_variance_  # noqa: B018


class Weighted(BaseEstimator):
    """A loss with a number that can be searched; equal ones are other objects."""

    __hash__ = None

    def __init__(self, weight=1.0):
        self.weight = weight

    def __call__(self, reconstruction, x):
        return self.weight * (reconstruction - x) ** 2


def test_a_loss_with_parameters_can_be_resumed_and_not_exchanged(tmp_path):
    ae = AutoencoderTransformer(**SMALL, loss=Weighted(2.0)).partial_fit(FLAT)
    for copied in (ae, clone(ae).fit(FLAT), pickle.loads(pickle.dumps(ae))):
        copied.partial_fit(FLAT)
    ae.set_params(loss=Weighted(3.0))
    with pytest.raises(ValueError, match=r"trained with loss=Weighted\(weight=2.0\)"):
        ae.partial_fit(FLAT)
