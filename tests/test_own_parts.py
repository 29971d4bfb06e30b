"""Trained modules that are wrapped, hidden layers, held-out rows of one's own."""

import pickle

import numpy as np
import pytest
import sklearn
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import skae
from skae import AutoencoderTransformer, ConvAutoencoder, VariationalAutoencoder

NARROW = {"hidden_layer_sizes": (12,), "random_state": 0}


# Trained modules -------------------------------------------------------------------


def test_trained_modules_are_wrapped_without_training(digits, tmp_path):
    X, X_test, *_ = digits
    ae = AutoencoderTransformer(4, max_epochs=3, **NARROW).fit(X)
    with torch.no_grad():
        for weight in ae.encoder_.parameters():  # fine-tuned elsewhere
            weight.mul_(1.01)
    expected = ae.encoder_(torch.from_numpy(X_test)).detach().numpy()
    wrapped = AutoencoderTransformer(
        4, encoder=ae.encoder_, decoder=ae.decoder_, max_epochs=0
    ).fit(X)
    assert wrapped.n_iter_ == 0
    assert wrapped.history_ == []
    assert_allclose(wrapped.transform(X_test), expected, atol=1e-6)
    assert wrapped.score(X_test) == pytest.approx(ae.score(X_test), abs=1e-6)
    wrapped.save(tmp_path / "wrapped.skae")
    for copy in (
        skae.load(tmp_path / "wrapped.skae"),
        pickle.loads(pickle.dumps(wrapped)),
        clone(wrapped).fit(X[:100]),
    ):
        assert_allclose(copy.transform(X_test), expected, atol=1e-6)
    assert wrapped.partial_fit(X).n_iter_ == 1


def test_modules_of_torch_are_wrapped(small):
    torch.manual_seed(0)
    encoder, decoder = nn.Linear(64, 3), nn.Linear(3, 64)
    ae = AutoencoderTransformer(3, encoder=encoder, decoder=decoder, max_epochs=0)
    codes = ae.fit_transform(small)
    expected = encoder(torch.from_numpy(small)).detach().numpy()
    assert_allclose(codes, expected, atol=1e-6)


def test_shipped_networks_without_an_epoch_are_pca(digits):
    X, X_test, *_ = digits
    pca = PCA(5).fit(X)
    for ae, shape in [
        (AutoencoderTransformer(5, max_epochs=0), (-1, 64)),
        (ConvAutoencoder(5, max_epochs=0), (-1, 8, 8)),
    ]:
        codes = ae.fit(X.reshape(shape)).transform(X_test.reshape(shape))
        assert_allclose(np.abs(codes), np.abs(pca.transform(X_test)), atol=1e-4)


def test_a_warm_start_of_no_epoch_changes_nothing(small):
    ae = AutoencoderTransformer(3, max_epochs=2, warm_start=True, **NARROW).fit(small)
    before = ae.transform(small)
    ae.set_params(max_epochs=0).fit(small)
    assert_array_equal(ae.transform(small), before)
    assert ae.n_iter_ == 2


# Hidden layers ---------------------------------------------------------------------


def test_hidden_layers_of_dense_networks(small):
    ae = AutoencoderTransformer(
        3,
        hidden_layer_sizes=(12, 5),
        activation="tanh",
        early_stopping=False,
        max_epochs=1,
    ).fit(small)
    first, second = ae.hidden_layer(small, 0), ae.hidden_layer(small)
    assert (first.shape, second.shape) == ((100, 12), (100, 5))
    assert_array_equal(ae.hidden_layer(small, 1), second)
    module = ae.net_.module_
    layers = module.encoder[1].layers
    x = module.encoder[0](torch.from_numpy(small))
    assert_allclose(first, layers[:2](x).detach(), atol=1e-6)
    assert_allclose(second, layers[:4](x).detach(), atol=1e-6)
    with pytest.raises(ValueError, match=r"layer=2 is not there: .*: 2"):
        ae.hidden_layer(small, 2)
    linear = AutoencoderTransformer(3, hidden_layer_sizes=(), max_epochs=1).fit(small)
    with pytest.raises(ValueError, match="hidden layers of the encoder: 0"):
        linear.hidden_layer(small)


def test_hidden_layers_of_other_networks(small):
    conv = ConvAutoencoder(
        3, channels=(2, 4), image_shape=(8, 8), early_stopping=False, max_epochs=1
    )
    assert conv.fit(small).hidden_layer(small, 0).shape == (100, 2, 4, 4)
    assert conv.hidden_layer(small).shape == (100, 16)
    vae = VariationalAutoencoder(3, hidden_layer_sizes=(7,), max_epochs=1).fit(small)
    assert vae.hidden_layer(small).shape == (100, 7)
    own = AutoencoderTransformer(
        3,
        encoder=nn.Sequential(nn.Linear(64, 9), nn.ReLU(inplace=True), nn.Linear(9, 3)),
        decoder=nn.Linear(3, 64),
        max_epochs=1,
    ).fit(small)
    hidden = own.hidden_layer(small)
    assert hidden.shape == (100, 9)
    assert hidden.min() == 0


def test_hidden_layers_that_were_not_trained_are_told(digits, tmp_path):
    X = digits[0]
    other = np.random.RandomState(0).normal(size=(200, 64))  # nothing of X helps
    ae = AutoencoderTransformer(4, max_epochs=4, **NARROW).fit(X, X_val=other)
    ae.save(tmp_path / "a.skae")
    for one in (ae, skae.load(tmp_path / "a.skae")):
        with pytest.warns(skae.FitWarning, match="hidden layers are random"):
            one.hidden_layer(X)
    ae.fit(X, X_val=X[:200]).hidden_layer(X)


# Held-out rows ---------------------------------------------------------------------


def test_held_out_rows_of_ones_own(digits):
    X, X_test, *_ = digits
    ae = AutoencoderTransformer(4, max_epochs=4, early_stopping=False, **NARROW)
    ae.fit(X[:300], X_val=X_test)
    loss = -ae.score_samples(X_test).mean() / ae.scale_**2
    assert ae.history_[-1]["valid_loss"] == pytest.approx(loss, rel=1e-4)
    # Nothing of X is held out, and the rows are not kept.
    plain = clone(ae).fit(X[:300])
    assert_array_equal(ae.transform(X_test), plain.transform(X_test))
    assert ae.net_.train_split is None
    assert len(pickle.dumps(ae)) < 1.1 * len(pickle.dumps(plain))


def test_they_decide_which_epoch_remains(digits):
    X, X_test, *_ = digits
    other = np.random.RandomState(0).normal(size=(200, 64))  # nothing of X helps
    ae = AutoencoderTransformer(4, max_epochs=8, **NARROW).fit(X, X_val=other)
    assert_allclose(
        np.abs(ae.transform(X_test)), np.abs(PCA(4).fit(X).transform(X_test)), atol=1e-3
    )
    ae.fit(X, X_val=X_test)
    assert ae.score(X_test) > clone(ae).set_params(max_epochs=0).fit(X).score(X_test)


@pytest.mark.parametrize(
    "as_type", [torch.from_numpy, np.asfortranarray, np.ndarray.tolist]
)
def test_they_have_the_layout_of_X(as_type, small):
    ae = ConvAutoencoder(3, channels=(2,), max_epochs=1, random_state=0)
    images = small.reshape(-1, 8, 8)
    ae.fit(images[:60], X_val=as_type(images[60:]))
    assert np.isfinite(ae.history_[0]["valid_loss"])


def test_wrong_ones_name_themselves(small):
    ae = AutoencoderTransformer(3, max_epochs=1, **NARROW)
    for wrong in (small[:, :5], np.where(small > 0.9, np.nan, small)):
        with pytest.raises(ValueError, match="X_val cannot be used"):
            ae.fit(small, X_val=wrong)
    assert not hasattr(ae, "net_")
    with pytest.raises(ValueError, match="X_val and validation_fraction both hold out"):
        clone(ae).set_params(validation_fraction=0.2).fit(small, X_val=small)


def test_pipelines_and_searches_pass_them_on(digits):
    X, X_test, *_ = digits
    ae = AutoencoderTransformer(4, max_epochs=2, **NARROW)
    scaler = StandardScaler().fit(X)
    expected = clone(ae).fit(scaler.transform(X), X_val=scaler.transform(X_test))
    with sklearn.config_context(enable_metadata_routing=True):
        ae.set_fit_request(X_val=True)
        steps = [("scaler", scaler), ("ae", ae)]
        pipe = Pipeline(steps, transform_input=["X_val"]).fit(X, X_val=X_test)
        search = GridSearchCV(ae, {"n_components": [2, 3]}, cv=2)
        search.fit(X[:200], X_val=X_test)
        codes = pipe.transform(X_test)
    assert_array_equal(codes, expected.transform(scaler.transform(X_test)))
    assert "valid_loss" in search.best_estimator_.history_[0]
