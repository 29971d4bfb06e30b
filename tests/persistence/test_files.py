"""Files are written as a whole or not at all, and damaged ones are refused."""

import os
import pickle
import re
import threading

import numpy as np
import pytest
import safetensors.torch
import torch
from saving import (
    IMAGES,
    NARROW,
    OTHERS,
    ROWS,
    Shift,
    assert_equal,
    load_bytes,
    rewritten,
    small_file,
    tensor_entry,
    with_entry,
    without_entry,
)
from sklearn.exceptions import NotFittedError
from torch import nn

import skae
from skae import AutoencoderTransformer


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
def test_what_cannot_be_saved_is_refused(params, error, message, tmp_path):
    ae = AutoencoderTransformer(**NARROW).fit(IMAGES).set_params(**params)
    path = tmp_path / "saved.skae"
    path.write_text("before")
    with pytest.raises(error, match=message):
        ae.save(path)
    assert path.read_text() == "before"


def test_unfitted_estimators_are_not_saved(tmp_path):
    with pytest.raises(NotFittedError):
        AutoencoderTransformer().save(tmp_path / "saved.skae")


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_save_that_fails_leaves_the_old_file_unchanged(
    failing, tmp_path, monkeypatch
):
    path = tmp_path / "saved.skae"
    ae = AutoencoderTransformer(**NARROW).fit(IMAGES)
    ae.save(str(path))
    before = path.read_bytes()

    def fail(*args):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="the disk is full"):
        ae.fit(OTHERS).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["saved.skae"]


def test_saving_to_a_link_keeps_the_link(tmp_path):
    ae = AutoencoderTransformer(**NARROW).fit(IMAGES)
    (tmp_path / "link.skae").symlink_to(tmp_path / "saved.skae")
    ae.save(tmp_path / "link.skae")
    assert (tmp_path / "link.skae").is_symlink()
    assert_equal(ae, skae.load(tmp_path / "saved.skae"), IMAGES)


def test_a_path_may_be_bytes(tmp_path):
    ae = AutoencoderTransformer(**NARROW).fit(IMAGES)
    path = os.fsencode(tmp_path / "saved.skae")
    ae.save(path)
    assert os.listdir(tmp_path) == ["saved.skae"]
    assert_equal(ae, skae.load(path), IMAGES)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_replaced_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "saved.skae"
    path.touch(mode=0o600)
    AutoencoderTransformer(**NARROW).fit(IMAGES).save(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_missing_files_and_folders_raise_errors_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        skae.load(tmp_path / "saved.skae")
    with pytest.raises(OSError, match=re.escape(str(tmp_path))):
        skae.load(tmp_path)
    ae = AutoencoderTransformer(**NARROW).fit(IMAGES)
    with pytest.raises(FileNotFoundError):
        ae.save(tmp_path / "nowhere" / "saved.skae")
    for function in (ae.save, skae.load):
        with pytest.raises(TypeError, match="PathLike"):
            function(5)


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
def test_files_that_skae_has_not_written_are_refused(data, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load_bytes(data, tmp_path)


def test_a_newer_format_is_refused(tmp_path):
    def change(document, tensors):
        return {**document, "format": 5, "written_by": {"skae": "9.1"}}

    with pytest.raises(
        ValueError,
        match=r"has format 5, written by skae 9.1, and .* up to 4: upgrade skae",
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


STATE = "net_.optimizer.state.0"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_entry("estimator"), "KeyError: 'estimator'"),
        (without_entry("parameters"), "KeyError: 'parameters'"),
        (without_entry("networks"), "KeyError: 'networks'"),
        (with_entry([], "networks"), "given.skae was written by"),
        (with_entry(5, "networks", "module_class"), "networks are .*module_class"),
        (without_entry("net_", "weights"), "KeyError: 'weights'"),
        (without_entry("attributes", "_layout"), "_layout"),
        (with_entry("skae.Novelty", "estimator"), "uses skae.Novelty, .* upgrade them"),
        (
            with_entry(1, "parameters", "novelty"),
            "unexpected keyword argument 'novelty'",
        ),
        (
            with_entry("huge", "built_with", "n_components"),
            "'n_components' parameter of",
        ),
        (with_entry({"type": "novelty"}, "attributes", "new_"), "KeyError: 'novelty'"),
        (with_entry({"type": "again", "id": 99}, "attributes", "new_"), "KeyError: 99"),
        (with_entry(5, "built_with", "n_components"), "size mismatch for encoder"),
        (with_entry([], "attributes"), "given.skae was written by"),
        (with_entry(5, "estimator"), "uses 5, which the installed .* upgrade"),
        (with_entry("skae.Dense", "estimator"), "skae.Dense is no autoencoder"),
        (
            with_entry({"type": "name", "name": 5}, "attributes", "new_"),
            "uses 5, which",
        ),
        (
            with_entry(
                {"type": "scalar", "dtype": "i1", "value": 500}, "attributes", "new_"
            ),
            "OverflowError",
        ),
        (
            with_entry({"type": "object", "name": "torch.nn.ReLU"}, "net_", "lr"),
            "'ReLU' object has no attribute 'inplace'",
        ),
        (tensor_entry("net_.weights.encoder.1.layers.0.bias", None), "KeyError"),
        (
            tensor_entry("net_.weights.encoder.1.layers.0.bias", torch.zeros(5)),
            "size mismatch",
        ),
        (
            tensor_entry(f"{STATE}.exp_avg", torch.zeros(1)),
            r"exp_avg .* shape \(1,\), but",
        ),
        (
            tensor_entry(f"{STATE}.step", torch.zeros(0)),
            r"step .* shape \(0,\), but \(\)",
        ),
        (tensor_entry("net_.history", torch.zeros(3)), "JSONDecodeError"),
        (
            tensor_entry("net_.stream.states.cpu", torch.zeros(3)),
            "RuntimeError|TypeError",
        ),
    ],
)
def test_files_that_cannot_be_rebuilt_are_refused(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load_bytes(rewritten(change), tmp_path)


def test_parameters_missing_from_a_file_get_their_defaults(tmp_path):
    ae = load_bytes(rewritten(without_entry("parameters", "tol")), tmp_path)
    assert ae.tol == AutoencoderTransformer().tol
    ae.partial_fit(ROWS[:, :3])
