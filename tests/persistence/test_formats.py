"""Files that older versions have written can be loaded."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from saving import ROWS, rewritten, seeded
from sklearn.base import clone
from sklearn.datasets import load_digits
from skorch.callbacks import EarlyStopping
from torch import nn

import skae
from skae import (
    AutoencoderTransformer,
    Conv,
    ConvAutoencoder,
    DenoisingAutoencoder,
    Dense,
    GaussianNoise,
    VariationalAutoencoder,
)
from skae._persistence.format import to_bytes

DATA = Path(__file__).parents[1] / "data"


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
        encoder=seeded(
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


WITH_DEFAULTS = {
    "dense": AutoencoderTransformer,
    "conv": ConvAutoencoder,
    "variational": VariationalAutoencoder,
}


def rows_of(name):
    return ROWS.reshape(-1, 8, 8) if name == "conv" else ROWS[:, 24:32]


def make_files_of_defaults():  # pragma: no cover
    """Write the files with the defaults of format 4; never to be called again."""
    expected = {}
    for name, cls in WITH_DEFAULTS.items():
        X = rows_of(name)
        ae = cls().fit(X)
        ae.save(DATA / f"format_4_{name}.skae", include_optimizer=False)
        expected[f"{name}_codes"] = ae.transform(X)
        expected[f"{name}_reconstructions"] = ae.reconstruct(X)
    np.savez(DATA / "format_4.npz", **expected)


@pytest.mark.parametrize("name", WITH_DEFAULTS)
def test_later_defaults_change_no_file(name, monkeypatch):
    """Whatever a parameter that is not set stands for in a later version."""
    for cls in WITH_DEFAULTS.values():
        for parameter, value in {
            **{"optimizer": "sgd", "lr": 1e-4, "max_epochs": 3},
            **{"lr_schedule": "constant", "weight_decay": 7.0, "tol": 1e-9},
        }.items():
            monkeypatch.setattr(cls, parameter, value)
            monkeypatch.setitem(cls.__init__.__kwdefaults__, parameter, value)
    monkeypatch.setattr("skae._networks.dense._WIDTH", 7)
    monkeypatch.setattr(VariationalAutoencoder, "_dense", Dense((3,), init="random"))
    monkeypatch.setattr("skae._estimators.variational._DECODER", (5,))
    monkeypatch.setattr(Conv, "_activation_for", lambda self, shape: "tanh")
    X, expected = rows_of(name), np.load(DATA / "format_4.npz")
    loaded = skae.load(DATA / f"format_4_{name}.skae")
    close = {"atol": 1e-5, "rtol": 1e-5}
    assert_allclose(loaded.transform(X), expected[f"{name}_codes"], **close)
    drawn = expected[f"{name}_reconstructions"]
    assert_allclose(loaded.reconstruct(X), drawn, **close)
    assert loaded.n_components == 16
    loaded.partial_fit(X)


@pytest.mark.parametrize("name", ["denoising", "variational"])
def test_files_of_format_1_can_be_loaded(name):
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


def test_a_named_network_of_format_2_has_the_activation_of_its_time(tmp_path):
    """Convolutions of images were clipped then; without a name the file says so."""
    expected = np.load(DATA / "format_2.npz")
    X = (load_digits().images[:5] / 16).astype(np.float32)
    ae = skae.load(DATA / "format_2.skae")
    assert ae.encoder == "conv"
    assert_allclose(ae.transform(X), expected["codes"], atol=1e-6)
    assert_allclose(ae.reconstruct(X), expected["reconstructions"], atol=1e-6)
    ae.save(tmp_path / "again.skae")
    again = skae.load(tmp_path / "again.skae")
    assert_allclose(again.transform(X), expected["codes"], atol=1e-6)
    clone(ae).fit(X).save(tmp_path / "new.skae")
    assert "GELU" in str(skae.load(tmp_path / "new.skae").net_.module_)


@pytest.mark.parametrize("slots", [{}, {"encoder": "dense"}, {"decoder": Dense((4,))}])
def test_a_variational_autoencoder_of_format_3_has_an_encoder_of_three_layers(
    slots, tmp_path
):
    settings = {"max_epochs": 1, "random_state": 0}
    X = ROWS[:20, :2]
    network = Dense((256, 128, 128), activation="gelu", init="random")
    old = VariationalAutoencoder(
        1, **settings, encoder=network, decoder=slots.get("decoder")
    ).fit(X)

    def as_format_3(document, tensors):
        document["format"] = 3
        document["parameters"]["encoder"] = slots.get("encoder")
        document["built_with"], document["trained_with"] = {}, {}
        del document["networks"]

    path = tmp_path / "format_3.skae"
    path.write_bytes(rewritten(as_format_3, to_bytes(old._document())[0]))
    for _ in range(2):
        ae = skae.load(path)
        assert ae.encoder == slots.get("encoder")
        assert_array_equal(ae.transform(X), old.transform(X))
        assert_array_equal(ae.reconstruct(X), old.reconstruct(X))
        ae.save(path)  # in the format of today
    assert ae.set_params(warm_start=True).fit(X).n_iter_ == 2


@pytest.mark.parametrize(
    ("make", "image_shape"),
    [
        (lambda h: AutoencoderTransformer(2, hidden_layer_sizes=h, max_epochs=1), None),
        (lambda h: VariationalAutoencoder(2, hidden_layer_sizes=h, max_epochs=1), None),
        (lambda h: ConvAutoencoder(2, channels=h, max_epochs=1), (8, 8)),
    ],
    ids=["dense", "variational", "conv"],
)
def test_a_list_that_is_changed_after_fit_changes_no_file(make, image_shape, tmp_path):
    sizes = [4]
    X = ROWS[:40].reshape(40, *(image_shape or (-1,)))
    ae = make(sizes).fit(X)
    sizes[0] = 9
    ae.save(tmp_path / "a.skae")
    loaded = skae.load(tmp_path / "a.skae")
    assert_array_equal(loaded.transform(X), ae.transform(X))


def test_what_none_stands_for_is_in_the_file(tmp_path, monkeypatch):
    X = ROWS[:40]
    dense = AutoencoderTransformer(2, max_epochs=1).fit(X)
    conv = ConvAutoencoder(2, channels=(2,), image_shape=(8, 8), max_epochs=1).fit(X)
    dense.save(tmp_path / "dense.skae")
    conv.save(tmp_path / "conv.skae")
    monkeypatch.setattr("skae._networks.dense._WIDTH", 7)
    monkeypatch.setattr(Conv, "_activation_for", lambda self, shape: "tanh")
    for name, ae in {"dense": dense, "conv": conv}.items():
        loaded = skae.load(tmp_path / f"{name}.skae")
        assert_array_equal(loaded.transform(X), ae.transform(X))


def test_a_default_that_net_params_overrode_may_change(tmp_path):
    ae = VariationalAutoencoder(
        2, hidden_layer_sizes=4, net_params={"optimizer__lr": 5e-4}, max_epochs=1
    ).fit(ROWS)

    def as_it_was(document, tensors):
        document["parameters"]["lr"] = 1e-3  # the default of format 3

    path = tmp_path / "a.skae"
    path.write_bytes(rewritten(as_it_was, to_bytes(ae._document())[0]))
    loaded = skae.load(path)
    assert_array_equal(loaded.transform(ROWS), ae.transform(ROWS))
    (group,) = loaded.fit(ROWS).net_.optimizer_.param_groups
    assert group["lr"] == 5e-4


def test_an_optimizer_with_merged_groups_is_not_loaded(tmp_path):
    X = ROWS[:40].reshape(-1, 8, 8)
    ae = ConvAutoencoder(2, channels=(2,), weight_decay=0.0, max_epochs=1).fit(X)
    assert len(ae.net_.optimizer_.param_groups) > 1

    state = ae.net_.optimizer_.state_dict()
    first, *others = state["param_groups"]
    first["params"] = sum((g["params"] for g in others), first["params"])
    state["param_groups"] = [first]
    document = ae._document()
    document.model.net.optimizer_.state_dict = lambda: state
    (tmp_path / "a.skae").write_bytes(to_bytes(document)[0])
    with pytest.warns(UserWarning, match="optimizer is of an older version"):
        loaded = skae.load(tmp_path / "a.skae")
    assert_array_equal(loaded.transform(X), ae.transform(X))
    loaded.partial_fit(X)
