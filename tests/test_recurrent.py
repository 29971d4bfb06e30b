"""The recurrent architecture: shapes, what it promises, and where it wins."""

import copy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
from skae import AutoencoderTransformer, Recurrent, VariationalAutoencoder
from skae._data.layout import Layout
from skae._networks.recurrent import FromFrames, ToFrames

SMALL = {"n_components": 3, "max_epochs": 2, "random_state": 0}
X = np.random.default_rng(0).normal(size=(40, 2, 21)).astype(np.float32)


def events(n, rng, length=64):
    """One smooth bump and one step at random times, with a little noise."""
    t = np.arange(length)
    centre = rng.uniform(8, length - 8, size=(n, 1))
    width, start = rng.uniform(2, 5, size=(n, 1)), rng.uniform(0, length, size=(n, 1))
    bump = np.exp(-0.5 * ((t - centre) / width) ** 2)
    step = 0.5 / (1 + np.exp(-(t - start)))
    return bump + step + 0.02 * rng.standard_normal((n, length))


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (1, 2), (2, 17), (4, 33), (1, 257)])
def test_signals_of_any_shape_come_back_in_it(shape):
    layout, rows = Layout(shape, shape), torch.randn(5, shape[0] * shape[1])
    network = Recurrent(8, n_layers=1)
    code = network.encoder(layout, 3)(rows)
    assert code.shape == (5, 3)
    assert network.decoder(3, layout)(code).shape == rows.shape


@pytest.mark.parametrize(("length", "size"), [(6, 2), (7, 2), (5, 5), (5, 9)])
def test_frames_hold_all_channels_of_their_time(length, size):
    signal = torch.arange(2.0 * length).reshape(1, 2, length)
    frames = ToFrames(2, length, size)(signal.flatten(1))
    first = frames[0, 0].reshape(2, size)[:, : min(size, length)]
    assert torch.equal(first, signal[0, :, :size])
    assert torch.equal(FromFrames(2, length, size)(frames), signal.flatten(1))


def test_a_frame_of_zeros_fills_up_the_last():
    frames = ToFrames(1, 3, 2)(torch.ones(1, 3))
    assert frames.tolist() == [[[1.0, 1.0], [1.0, 0.0]]]


@pytest.mark.parametrize("encoder", ["recurrent", Recurrent(8), Recurrent])
def test_it_is_an_encoder_of_every_kind(encoder):
    ae = AutoencoderTransformer(**SMALL, encoder=encoder).fit(X)
    assert ae.image_shape_ == (2, 21)
    assert ae.reconstruct(X).shape == X.shape
    assert_array_equal(ae.transform(X), copy.deepcopy(ae).transform(X))


def test_flat_rows_are_signals_of_one_channel():
    with np.testing.assert_no_warnings():
        ae = AutoencoderTransformer(**SMALL, encoder="recurrent").fit(X[:, 0])
    assert ae.image_shape_ == (1, 21)


def test_images_are_refused():
    images = X[:, :, :20].reshape(-1, 2, 4, 5)
    match = r"reads signals \(channels, length\), but samples are images of shape"
    with pytest.raises(ValueError, match=match):
        AutoencoderTransformer(**SMALL, encoder="recurrent").fit(images)


def test_an_odd_width_is_refused():
    with pytest.raises(ValueError, match="hidden_size=7 must be even"):
        AutoencoderTransformer(**SMALL, encoder=Recurrent(7)).fit(X)


@pytest.mark.parametrize("k", [1, 7, 33])
def test_rows_are_independent(k):
    ae = AutoencoderTransformer(**SMALL, encoder=Recurrent(8)).fit(X)
    assert_allclose(ae.transform(X[:k]), ae.transform(X)[:k], atol=1e-6)


def test_numbers_can_be_searched_and_saved(tmp_path):
    vae = VariationalAutoencoder(**SMALL, encoder=Recurrent(8))
    vae.set_params(encoder__n_layers=1, encoder__n_frames=4).fit(X)
    assert vae.net_.module_.encoder[1][1].num_layers == 1
    assert vae.sample(3).shape == (3, 2, 21)
    vae.save(tmp_path / "vae.skae")
    loaded = skae.load(tmp_path / "vae.skae")
    assert_array_equal(loaded.transform(X), vae.transform(X))


def test_sensitivity_is_the_norm_of_differences():
    ae = AutoencoderTransformer(**SMALL, encoder=Recurrent(8), dtype="float64")
    ae.fit(X.astype(np.float64))
    x, step = X[:1].astype(np.float64).reshape(1, -1), 1e-5
    shifted = np.concatenate([x + step * np.eye(42), x - step * np.eye(42)])
    codes = ae.transform(shifted.reshape(-1, 2, 21))
    jacobian = (codes[:42] - codes[42:]) / (2 * step)
    assert_allclose(ae.sensitivity(X[:1]), [np.linalg.norm(jacobian)], rtol=1e-4)


def test_the_encoder_becomes_onnx(tmp_path):
    pytest.importorskip("onnx", reason="needs onnx")
    runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    signals = X[:, :, :6]  # each step makes the file longer
    ae = AutoencoderTransformer(**SMALL, encoder=Recurrent(8)).fit(signals)
    ae.to_onnx(tmp_path / "encoder.onnx")
    session = runtime.InferenceSession(tmp_path / "encoder.onnx")
    for n in (1, 5):
        rows = signals[:n].reshape(n, -1)
        (codes,) = session.run(None, {"X": rows})
        assert_allclose(codes, ae.transform(signals[:n]), atol=1e-5)


def test_pipelines_become_onnx():
    skl2onnx = pytest.importorskip("skl2onnx", reason="needs skl2onnx")
    runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    rows = X.reshape(len(X), -1)
    pipe = make_pipeline(
        StandardScaler(), AutoencoderTransformer(**SMALL, encoder=Recurrent(8))
    ).fit(rows)
    skae.export.register_converters()
    model = skl2onnx.to_onnx(pipe, rows[:1])
    session = runtime.InferenceSession(model.SerializeToString())
    (codes,) = session.run(None, {"X": rows})
    assert_allclose(codes, pipe.transform(rows), atol=1e-5)


@pytest.mark.slow
def test_events_at_random_times_are_reconstructed_better_than_by_a_dense_network():
    rng = np.random.default_rng(1)
    train, test = events(600, rng), events(300, rng)
    ae = AutoencoderTransformer(4, random_state=0)
    dense = ae.fit(train).score(test)
    recurrent = ae.set_params(encoder="recurrent").fit(train).score(test)
    assert recurrent > dense + 0.01
