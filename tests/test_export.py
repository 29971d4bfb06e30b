"""onnxruntime computes what the estimator computes."""

import copy
import functools
import io
import os
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ESTIMATORS
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from torch import nn

import skae
from skae import (
    AutoencoderTransformer,
    Conv,
    ConvAutoencoder,
    Dense,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae._networks.architecture import ACTIVATIONS
from skae.export import register_converters

onnx = pytest.importorskip("onnx", reason="needs skae[onnx]")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs skae[onnx]")
skl2onnx = pytest.importorskip("skl2onnx", reason="needs skae[onnx]")
pytest.importorskip("onnxscript", reason="needs skae[onnx]")

N = 48
IMAGES = (load_digits().images[:N] / 16).astype(np.float32)
ROWS = IMAGES.reshape(N, 64)
LABELS = load_digits().target[:N]
SMALL = {"n_components": 4, "max_epochs": 1, "random_state": 0}

assert_close = functools.partial(assert_allclose, rtol=1e-5, atol=1e-5)


def flat(X):
    return X.reshape(len(X), -1)


def export(ae, part):
    """Return the bytes of the file."""
    file = io.BytesIO()
    ae.to_onnx(file, part)
    return file.getvalue()


def run(model, X):
    return onnxruntime.InferenceSession(model).run(None, {"X": X.astype(np.float32)})[0]


# Custom networks ----------------------------------------------------------------------


def every_activation(n_in, n_out):
    layers = [
        (nn.Linear(n_in, n_in), activation()) for activation in ACTIVATIONS.values()
    ]
    return nn.Sequential(*[x for pair in layers for x in pair], nn.Linear(n_in, n_out))


class Shortcut(nn.Module):
    """A network with dropout and a residual connection."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.residual = nn.Sequential(
            nn.LayerNorm(n_in), nn.Linear(n_in, n_in), nn.Dropout(0.5), nn.ReLU()
        )
        self.end = nn.Linear(n_in, n_out)

    def forward(self, x):
        x = x.flatten(1)
        return self.end(x + self.residual(x))


class Branch(nn.Linear):
    """A layer with two branches, of which torch traces one."""

    def forward(self, x):
        return self.positive(x) if x.sum() > 0 else self.negative(x)

    def positive(self, x):
        return super().forward(x)

    def negative(self, x):
        return -super().forward(x)


class Switch(Branch):
    """A layer with two branches that torch can export."""

    def forward(self, x):
        if not torch.onnx.is_in_onnx_export():
            return super().forward(x)
        return torch.cond(x.sum() > 0, self.positive, self.negative, (x,))


class RowByRow(nn.Linear):
    """A layer with a loop over rows."""

    def forward(self, x):
        return torch.stack([super(RowByRow, self).forward(row) for row in x])


def absolute_error(reconstruction, x):
    return (reconstruction - x).abs()


# Equal numbers ------------------------------------------------------------------------

dense = functools.partial(AutoencoderTransformer, **SMALL)
vae = functools.partial(VariationalAutoencoder, **SMALL)
conv = functools.partial(ConvAutoencoder, **SMALL)
pooled = functools.partial(Conv, channels=(3, 4), batch_norm=True)
COMBINED = {
    "tied and normalised": (
        dense(encoder=Dense((12, 8), tied=True, batch_norm=True)),
        ROWS,
    ),
    "odd images, float64, custom loss": (
        conv(dtype="float64", loss=absolute_error),
        IMAGES[:, :7, :5],
    ),
    "channels last, poisson": (
        vae(encoder="conv", loss="poisson"),
        ROWS.reshape(N, 8, 4, 2),
    ),
    "channels first": (
        dense(encoder=pooled(pooling="max")),
        ROWS[:, :60].reshape(N, 2, 6, 5),
    ),
    "signals": (
        dense(encoder=pooled(pooling="average"), layout="signal"),
        ROWS[:, :62].reshape(N, 2, 31),
    ),
    "builders": (dense(encoder=every_activation, decoder=every_activation), ROWS),
    "instances": (dense(encoder=Shortcut(64, 4), decoder=nn.Linear(4, 64)), IMAGES),
}


@pytest.mark.parametrize("name", COMBINED)
def test_onnxruntime_reconstructs_as_the_estimator_does(name):
    ae, X = COMBINED[name]
    ae.fit(X)
    got = run(export(ae, "reconstruct"), flat(X))
    assert_close(got, flat(ae.reconstruct(X)))


def test_the_encoder_gives_codes_with_their_exact_zeros():
    ae = SparseAutoencoder(**SMALL, method="topk").fit(ROWS)
    got, codes = run(export(ae, "encoder"), ROWS), ae.transform(ROWS)
    assert_close(got, codes)
    assert_array_equal(got == 0, codes == 0)
    assert (codes == 0).sum() >= 3 * N


@pytest.fixture(scope="module")
def fitted_once():
    return conv(loss="binary_cross_entropy").fit(IMAGES)


@pytest.fixture
def fitted(fitted_once):
    return copy.deepcopy(fitted_once)


@pytest.fixture(scope="module")
def decoder(fitted_once):
    return export(fitted_once, "decoder")


@pytest.mark.parametrize("n_rows", [1, 2, 1000])
def test_the_decoder_takes_any_number_of_rows(fitted, decoder, n_rows):
    codes = np.resize(fitted.transform(IMAGES), (n_rows, 4))
    assert_close(run(decoder, codes), flat(fitted.inverse_transform(codes)))


# The file -----------------------------------------------------------------------------


def test_a_file_says_what_is_in_it(decoder):
    session = onnxruntime.InferenceSession(decoder)
    (given,), (got,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape) == ("X", ["n_samples", 4])
    assert (got.name, got.shape) == ("reconstruction", ["n_samples", 64])
    assert given.type == got.type == "tensor(float)"
    facts = session.get_modelmeta()
    assert facts.producer_name == "skae"
    assert facts.custom_metadata_map == {
        "estimator": "ConvAutoencoder",
        "part": "decoder",
        "n_components": "4",
        "sample_shape": "[8, 8]",
    }
    model = onnx.load_from_string(decoder)
    onnx.checker.check_model(model, full_check=True)
    assert model.producer_version == skae.__version__


def test_a_file_has_the_same_bytes_each_time(fitted, decoder, tmp_path):
    fitted.to_onnx(tmp_path / "ae.onnx", part="decoder")
    assert [file.name for file in tmp_path.iterdir()] == ["ae.onnx"]
    assert (tmp_path / "ae.onnx").read_bytes() == decoder


def test_a_file_holds_no_code_and_no_path_of_this_machine(decoder):
    assert b"forward" not in decoder
    assert b".py" not in decoder


def test_an_export_that_fails_leaves_the_old_file_unchanged(
    fitted, tmp_path, monkeypatch
):
    path = tmp_path / "ae.onnx"
    path.write_bytes(b"before")

    def fail(*args):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="the disk is full"):
        fitted.to_onnx(path)
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["ae.onnx"]
    with pytest.raises(TypeError, match="PathLike"):
        fitted.to_onnx(5)


def test_an_export_prints_nothing_and_changes_nothing(capfd):
    ae = dense(encoder=Shortcut, decoder="dense").fit(ROWS)
    module = ae.net_.module_
    before = dict(vars(ae))
    weights = copy.deepcopy(module.state_dict())
    places = [x.data_ptr() for x in module.parameters()]
    generator = torch.get_rng_state()
    export(ae, "reconstruct")
    assert capfd.readouterr() == ("", "")
    assert vars(ae) == before
    assert not any(layer.training for layer in module.modules())
    assert all(x.requires_grad for x in module.parameters())
    assert [x.data_ptr() for x in module.parameters()] == places
    for name, x in module.state_dict().items():
        assert torch.equal(x, weights[name]), name
    assert torch.equal(torch.get_rng_state(), generator)


# Errors -------------------------------------------------------------------------------


def test_an_estimator_must_be_fitted():
    with pytest.raises(NotFittedError, match="not fitted"):
        AutoencoderTransformer().to_onnx("ae.onnx")


def test_a_part_must_be_known(fitted):
    with pytest.raises(ValueError, match=r"part='code' is not known.*'encoder', 'dec"):
        fitted.to_onnx("ae.onnx", part="code")


@pytest.mark.parametrize("package", ["onnx_ir", "onnxscript"])
def test_missing_packages_are_named(fitted, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"onnxscript: pip install skae\[onnx\]"):
        fitted.to_onnx("ae.onnx")


def test_a_branch_on_values_is_refused():
    ae = dense(encoder=Branch, decoder="dense").fit(ROWS)
    with pytest.raises(ValueError, match=r"part='encoder'.*data-dep.*torch\.where"):
        ae.to_onnx("ae.onnx")


def test_a_fixed_number_of_rows_is_refused():
    ae = dense(encoder=RowByRow, decoder="dense").fit(ROWS)
    with pytest.raises(ValueError, match=r"ONNX model of 2 rows only.*at once"):
        ae.to_onnx("ae.onnx")


# Pipelines ----------------------------------------------------------------------------


def convert(pipe, X, **options):
    register_converters()
    return skl2onnx.to_onnx(pipe, X[:1], **options)


def assert_converts(pipe, X, **options):
    """Convert a classifier by skl2onnx and compare its probabilities."""
    options["options"] = {"zipmap": False}  # an array of probabilities, no dicts
    model = convert(pipe.fit(X, LABELS), X, **options)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    for rows in (X, X[:1]):
        labels, probabilities = session.run(None, {"X": rows})
        assert_array_equal(labels, pipe.predict(rows))
        assert_close(probabilities, pipe.predict_proba(rows))
    return model


@pytest.mark.slow
@pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)
@pytest.mark.filterwarnings("ignore:A row of 64 features:skae.LayoutWarning")
def test_a_whole_pipeline_is_converted(cls):
    pipe = make_pipeline(StandardScaler(), cls(**SMALL), LogisticRegression())
    assert_converts(pipe, ROWS)


@pytest.mark.slow
def test_double_precision_and_a_target_opset_are_kept():
    pipe = make_pipeline(StandardScaler(), dense(), LogisticRegression())
    model = assert_converts(pipe, ROWS.astype(np.float64), target_opset=19)
    kinds = [x.type.tensor_type.elem_type for x in model.graph.input]
    assert kinds == [onnx.TensorProto.DOUBLE]
    assert {item.domain: item.version for item in model.opset_import}[""] == 19


@pytest.mark.slow
def test_images_of_eight_bits_are_taken():
    X = (16 * IMAGES).astype(np.uint8)
    classifier = LogisticRegression(max_iter=1000)  # of codes in the units of X
    assert_converts(make_pipeline(dense(), classifier), X)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:column 'b' holds 99:skae.FitWarning")
def test_a_frame_gives_an_input_for_each_column():
    frame = pd.DataFrame(ROWS[:, 2:5], columns=["a", "b", "c"])
    frame["b"] = (16 * frame["b"]).astype(np.int64)
    ae = AutoencoderTransformer(2, max_epochs=1, random_state=0).fit(frame)
    session = onnxruntime.InferenceSession(convert(ae, frame).SerializeToString())
    columns = {name: frame[[name]].to_numpy() for name in frame}
    assert_close(session.run(None, columns)[0], ae.transform(frame))


@pytest.mark.slow
def test_autoencoders_beside_each_other_keep_their_names_apart():
    both = make_union(dense(encoder=Switch, decoder="dense"), vae())
    assert_converts(make_pipeline(both, LogisticRegression()), ROWS)


@pytest.mark.slow
def test_a_custom_subclass_is_converted():
    class Custom(AutoencoderTransformer):
        pass

    assert_converts(make_pipeline(Custom(**SMALL), LogisticRegression()), ROWS)


def test_a_converted_estimator_must_be_fitted():
    with pytest.raises(NotFittedError, match="not fitted"):
        convert(AutoencoderTransformer(), ROWS)


def test_missing_skl2onnx_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match=r"skl2onnx: pip install skae\[onnx\]"):
        register_converters()
