"""The HTML of an estimator: its parameters, then its layers."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import skae
import skae.tabular

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
DOCUMENTATION = PROJECT["project"]["urls"]["Documentation"]
IMAGES = np.random.default_rng(0).random((40, 8, 8)).astype(np.float32)
ROWS = IMAGES.reshape(40, 64)


def tables(estimator):
    """Return the words of each line of each table of layers."""
    found = re.findall(r"<pre>(.*?)</pre>", estimator._repr_html_(), re.DOTALL)
    return [
        [line.split() for line in text.splitlines()]
        for text in found
        if text.startswith("layer")
    ]


def test_unfitted_estimator_shows_its_parameters_alone():
    ae = skae.AutoencoderTransformer(5)
    assert "n_components" in ae._repr_html_()
    assert tables(ae) == []


def test_dense_layers_are_shown_with_sizes_and_weights():
    ae = skae.AutoencoderTransformer(5, hidden_layer_sizes=12, max_epochs=1).fit(ROWS)
    page = ae._repr_html_()
    assert "encoder: 64 → 5" in page
    assert "decoder: 5 → 64" in page
    encoder, decoder = tables(ae)
    assert encoder == [
        ["layer", "output", "weights"],
        ["Standardize", "64"],
        ["Linear", "12", "780"],  # 64 * 12 + 12
        ["ClippedReLU", "12"],
        ["Linear", "5", "65"],
        ["+", "linear", "map", "5", "325"],  # 64 * 5 + 5
        ["Affine", "5"],
    ]
    assert decoder[1:3] == [["Affine", "5"], ["Linear", "12", "72"]]
    assert decoder[5] == ["+", "linear", "map", "64", "384"]  # 5 * 64 + 64
    assert decoder[-1] == ["Unstandardize", "64"]


def test_layers_without_a_linear_path_are_shown_one_by_one():
    dense = skae.Dense((12,), init="random")
    ae = skae.AutoencoderTransformer(5, encoder=dense, max_epochs=1).fit(ROWS)
    encoder, decoder = tables(ae)
    assert encoder == [
        ["layer", "output", "weights"],
        ["Standardize", "64"],
        ["Linear", "12", "780"],  # 64 * 12 + 12
        ["ClippedReLU", "12"],
        ["Linear", "5", "65"],
        ["Affine", "5"],
    ]
    assert decoder[1:3] == [["Affine", "5"], ["Linear", "12", "72"]]
    assert decoder[-1] == ["Unstandardize", "64"]


def test_maps_of_a_convolution_are_shown_with_their_axes():
    conv = skae.Conv((4, 6), init="random")
    ae = skae.AutoencoderTransformer(5, encoder=conv, max_epochs=1).fit(IMAGES)
    encoder, decoder = tables(ae)
    assert ["Conv2d", "4", "×", "4", "×", "4", "40"] in encoder  # 4 * (9 + 1)
    assert ["ConvTranspose2d", "1", "×", "8", "×", "8", "37"] in decoder


def test_layers_are_shown_inside_a_pipeline():
    pipe = make_pipeline(StandardScaler(), skae.VariationalAutoencoder(3, max_epochs=1))
    encoder, decoder = tables(pipe.fit(ROWS))
    assert encoder[-1] == ["FirstHalf", "3"]
    assert decoder[-1] == ["Unstandardize", "64"]


class _Noisy(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.linear = nn.Linear(n_in, n_out)

    def forward(self, x):
        return self.linear(x) + torch.randn(1)


def test_showing_layers_draws_nothing_and_changes_nothing():
    ae = skae.AutoencoderTransformer(
        3, encoder=_Noisy, decoder=_Noisy, max_epochs=1, random_state=0
    ).fit(ROWS)
    state, codes = torch.get_rng_state(), ae.transform(ROWS)
    before = dict(vars(ae))
    assert tables(ae)[0][1:] == [["_Noisy", "3", "195"]]
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(ae.transform(ROWS), codes)
    assert vars(ae).keys() == before.keys()


@pytest.mark.parametrize("name", ["AutoencoderTransformer", "VariationalAutoencoder"])
def test_the_question_mark_leads_to_the_page_of_the_class(name):
    ae = getattr(skae, name)(3, max_epochs=1).fit(ROWS)
    page = f"{DOCUMENTATION}generated/skae.{name}.html"
    assert f'href="{page}"' in ae._repr_html_()


def test_public_estimators_link_to_their_pages_and_those_of_users_do_not():
    class Own(skae.AutoencoderTransformer):
        pass

    estimators = [
        (module, getattr(module, name))
        for module in (skae, skae.tabular)
        for name in module.__all__
        if hasattr(getattr(module, name), "get_params")
    ]
    assert len(estimators) > 25
    for module, cls in estimators:
        page = f"generated/{module.__name__}.{cls.__name__}.html"
        assert cls._get_doc_link(cls.__new__(cls)) == DOCUMENTATION + page
    assert Own()._get_doc_link() == ""


def test_the_size_of_an_image_and_how_the_fit_went_are_shown(tmp_path):
    ae = skae.ConvAutoencoder(5, max_epochs=2, random_state=0).fit(IMAGES)
    page = ae._repr_html_()
    assert "encoder: 1 × 8 × 8 → 5" in page
    assert "decoder: 5 → 1 × 8 × 8" in page
    (r2,) = set(re.findall(r"R² (-?[.\d]+), 2 epochs, [.\d]+ s", page))
    assert float(r2) == pytest.approx(ae.score(IMAGES), abs=6e-4)
    ae.save(tmp_path / "ae.skae")
    assert f"R² {r2}, 2 epochs" in skae.load(tmp_path / "ae.skae")._repr_html_()
    assert all("skae_r2" not in epoch for epoch in ae.history_)


def test_the_r2_of_a_stream_is_not_shown():
    ae = skae.AutoencoderTransformer(5).partial_fit(ROWS)
    assert "R²" not in ae._repr_html_()
    assert "1 epoch, " in ae._repr_html_()


class _LastState(nn.Module):
    def forward(self, pair):
        return pair[1][0]


def test_a_recurrent_layer_stands_with_what_takes_its_pair():
    def recurrent(n_in, n_out):
        gru = nn.GRU(1, n_out, batch_first=True)
        return nn.Sequential(nn.Unflatten(1, (n_in, 1)), gru, _LastState())

    ae = skae.AutoencoderTransformer(
        3, encoder=recurrent, decoder=_Noisy, max_epochs=1
    ).fit(ROWS)
    # 3 gates: 3 * (1 * 3 + 3 * 3 + 2 * 3)
    assert ["GRU", "+", "_LastState", "3", "54"] in tables(ae)[0]


class _Counted(_Noisy):
    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out)
        self.n = nn.Parameter(torch.tensor([n_in]), requires_grad=False)


def test_integers_among_the_weights_do_not_matter():
    ae = skae.AutoencoderTransformer(
        3, encoder=_Counted, decoder=_Noisy, max_epochs=1, dtype="float64"
    ).fit(ROWS)
    assert tables(ae)[0][1:] == [["_Counted", "3", "196"]]


def test_modules_that_are_not_trained_any_more_have_no_epochs():
    first = skae.AutoencoderTransformer(3, max_epochs=1).fit(ROWS)
    ae = skae.AutoencoderTransformer(
        3, encoder=first.encoder_, decoder=first.decoder_, max_epochs=0
    )
    assert "0 epochs" in ae.fit(ROWS)._repr_html_()


def with_gaps():
    """Return rows with gaps, and an autoencoder that takes them."""
    gaps = np.random.default_rng(0).random(ROWS.shape) < 0.2
    ae = skae.AutoencoderTransformer(3, missing="mask", max_epochs=1)
    return ae, np.where(gaps, np.nan, ROWS)


def in_other_units():
    """Return images whose channels have different units, and an autoencoder."""
    scales = np.array([1, 1000], dtype=np.float32)[:, np.newaxis, np.newaxis]
    images = np.random.default_rng(0).random((40, 2, 8, 8), dtype=np.float32) * scales
    return skae.ConvAutoencoder(3, max_epochs=1, layout="channels_first"), images


def of_one_value():
    """Return rows that are constant, and an autoencoder."""
    return skae.AutoencoderTransformer(3, max_epochs=1), np.ones_like(ROWS)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("make", [with_gaps, in_other_units, of_one_value])
def test_r2_of_the_diagram_is_the_score_of_the_training_rows(make):
    ae, X = make()
    page = ae.fit(X)._repr_html_()
    (r2,) = set(re.findall(r"R² (-?[.\d]+), 1 epoch,", page))
    assert float(r2) == pytest.approx(ae.score(X), abs=6e-4)


def test_the_networks_of_a_condition_are_shown():
    vae = skae.VariationalAutoencoder(3, max_epochs=1, condition=[0, 1]).fit(ROWS)
    page = vae._repr_html_()
    assert "encoder: 64 → 3" in page
    labels = np.arange(40) % 4
    page = skae.VariationalAutoencoder(3, max_epochs=1).fit(ROWS, condition=labels)
    assert "decoder: 7 → 64" in page._repr_html_()  # the code and four columns
