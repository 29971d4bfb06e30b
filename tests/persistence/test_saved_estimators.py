"""A loaded estimator equals the one that was saved."""

import os
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from numpy.testing import assert_array_equal
from saving import (
    CASES,
    IMAGES,
    NARROW,
    OTHERS,
    ROWS,
    SMALL,
    TRUSTED,
    N,
    assert_equal,
    every,
    rewritten,
    saved_and_loaded,
)
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Freezer

import skae
from skae import (
    AutoencoderTransformer,
    DenoisingAutoencoder,
    Dense,
    GaussianNoise,
    VariationalAutoencoder,
)
from skae._estimators.base import restored
from skae._persistence.format import from_bytes, to_bytes
from skae._random import RandomStream


@every
def test_a_loaded_estimator_equals_the_one_that_was_saved(name, tmp_path):
    ae = CASES[name]().set_params(warm_start=True).fit(IMAGES)
    other = saved_and_loaded(ae, tmp_path)
    assert_equal(ae, other, IMAGES)
    ae.partial_fit(OTHERS)
    other.partial_fit(OTHERS)
    assert_equal(ae, other, IMAGES)
    assert other.net_.history[-1].keys() == ae.net_.history[-1].keys()
    ae.fit(OTHERS)
    other.fit(OTHERS)
    assert_equal(ae, other, IMAGES)


@pytest.mark.parametrize("name", [name for name in CASES if name != "scheduler"])
def test_saving_again_gives_the_same_bytes(name):
    # skorch makes a new scheduler in every training, so it is not part of a file.
    ae = CASES[name]().fit(IMAGES)
    data, user_defined = to_bytes(ae._document())
    classes = {f"skae.{type(ae).__name__}": type(ae)}
    trusted = {key.replace(":", ".") for key in user_defined}
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
        ((IMAGES * 16).astype(np.uint8), None),
    ],
    ids=["rows", "frame", "channels first", "channels last", "signal", "uint8"],
)
def test_layouts_and_feature_names_are_restored(X, layout, tmp_path):
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
    ae.fit(IMAGES)
    ae.set_params(
        encoder__hidden_layer_sizes=(4, 4),
        noise__level=0.9,
        code_activation="relu",
        optimizer="sgd",
    )
    other = saved_and_loaded(ae, tmp_path)
    assert_equal(ae, other, IMAGES)
    assert other.get_params()["encoder__hidden_layer_sizes"] == (4, 4)
    assert other.get_params()["noise__level"] == 0.9
    ae.partial_fit(OTHERS)
    other.partial_fit(OTHERS)
    assert_equal(ae, other, IMAGES)
    ae.set_params(warm_start=True).fit(IMAGES)  # with the new noise, and the same net
    other = saved_and_loaded(ae, tmp_path)
    assert_equal(ae, other, IMAGES)
    assert other.net_.corruption.level == 0.9
    other.fit(IMAGES)
    assert_equal(ae.fit(IMAGES), other, IMAGES)


def test_nested_parameters_of_a_loaded_estimator_leave_its_net_alone(tmp_path):
    ae = AutoencoderTransformer(**SMALL, encoder=Dense((8,))).fit(IMAGES)
    other = saved_and_loaded(ae, tmp_path).set_params(encoder__hidden_layer_sizes=(4,))
    assert_equal(other, saved_and_loaded(other, tmp_path), IMAGES)


def test_a_loaded_estimator_can_be_cloned_and_pickled(tmp_path):
    ae = CASES["instances"]().fit(IMAGES)
    other = saved_and_loaded(ae, tmp_path)
    assert_equal(ae, pickle.loads(pickle.dumps(other)), IMAGES)
    assert_equal(ae, clone(other).fit(IMAGES), IMAGES)


def test_a_diverged_estimator_is_saved_with_its_last_finite_weights(tmp_path):
    ae = AutoencoderTransformer(**NARROW, optimizer="sgd", lr=1e6)
    with pytest.raises(skae.DivergenceError):
        ae.fit(IMAGES)
    assert_equal(ae, saved_and_loaded(ae, tmp_path), IMAGES)


def test_without_the_optimizer_training_resumes_with_a_new_one(tmp_path):
    ae = AutoencoderTransformer(**SMALL, early_stopping=False, warm_start=True)
    ae.fit(IMAGES).save(tmp_path / "whole.skae")
    other = saved_and_loaded(ae, tmp_path, include_optimizer=False)
    sizes = [os.path.getsize(tmp_path / f"{x}.skae") for x in ("whole", "saved")]
    weights = sum(x.nbytes for x in ae.net_.module_.parameters())
    assert sizes[0] - sizes[1] > 2 * weights
    assert_equal(ae, other, IMAGES)
    assert not other.net_.optimizer_.state
    assert other.fit(IMAGES).n_iter_ == 4


def test_tied_weights_are_stored_once(tmp_path):
    ae = CASES["tied"]().fit(IMAGES)
    tied = to_bytes(ae._document(), include_optimizer=False)[0]
    free = AutoencoderTransformer(**SMALL, encoder=Dense((8,))).fit(IMAGES)
    free = to_bytes(free._document(), include_optimizer=False)[0]
    assert len(free) - len(tied) > 4 * 64 * 8
    other = saved_and_loaded(ae, tmp_path)
    encoder, decoder = (
        other.net_.module_.get_submodule(x) for x in ("encoder", "decoder")
    )
    assert encoder[1][0].weight is decoder[0][2].weight


def test_weights_can_be_read_by_name(tmp_path):
    ae = AutoencoderTransformer(**NARROW).fit(IMAGES)
    ae.save(tmp_path / "saved.skae")
    tensors = safetensors.torch.load_file(tmp_path / "saved.skae")
    for name, weights in ae.net_.module_.state_dict().items():
        assert_array_equal(tensors[f"net_.weights.{name}"], weights)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_file_from_a_gpu_is_loaded_without_one(tmp_path, monkeypatch):
    ae = VariationalAutoencoder(**NARROW).fit(IMAGES).set_params(device="cuda")
    ae._model.built_with.parameters["device"] = "cuda"
    get_state = RandomStream.__getstate__

    def with_cuda(stream):
        state = get_state(stream)
        state["states"]["cuda:0"] = torch.zeros(16, dtype=torch.uint8)
        return state

    with monkeypatch.context() as patch:
        patch.setattr(RandomStream, "__getstate__", with_cuda)
        ae.save(tmp_path / "saved.skae")
    with pytest.warns(UserWarning, match="device='cuda' is not there") as caught:
        other = skae.load(tmp_path / "saved.skae")
    assert caught[0].filename == __file__
    assert_equal(ae, other, IMAGES)
    assert other.device == "cuda"
    other.partial_fit(IMAGES)


def test_loading_does_not_change_global_generators(tmp_path):
    ae = CASES["builders"]().fit(IMAGES)
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


def test_frozen_weights_stay_frozen(tmp_path):
    freezer = Freezer("encoder*")
    ae = AutoencoderTransformer(**SMALL, early_stopping=False, callbacks=[freezer])
    ae.fit(ROWS).save(tmp_path / "a.skae")
    names = ["skorch.callbacks.training.Freezer", "skorch.utils.freeze_parameter"]
    loaded = skae.load(tmp_path / "a.skae", trusted=names)
    before = loaded.transform(ROWS)
    weights = dict(loaded.net_.module_.named_parameters())
    assert not any(x.requires_grad for k, x in weights.items() if "encoder" in k)
    ae.partial_fit(ROWS)
    loaded.partial_fit(ROWS)
    assert_array_equal(loaded.transform(ROWS), ae.transform(ROWS))
    assert before.shape == (len(ROWS), 3)


def test_a_file_of_another_accelerator_is_loaded(tmp_path):
    """Its optimizer has other kernels."""

    def as_on_a_mac(document, tensors):
        document["parameters"]["device"] = "mps"
        for group in document["net_"]["optimizer"]["param_groups"]:
            group["fused"] = None

    (tmp_path / "a.skae").write_bytes(rewritten(as_on_a_mac))
    with pytest.warns(UserWarning, match="device='mps' is not there"):
        loaded = skae.load(tmp_path / "a.skae")
    loaded.partial_fit(ROWS[:, :3]).save(tmp_path / "b.skae")
    with pytest.warns(UserWarning, match="device='mps' is not there"):
        skae.load(tmp_path / "b.skae")
