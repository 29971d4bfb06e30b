"""Parameters are never changed, and reach what they set."""

import pytest
import torch
from cases import ALL, IMAGES, NAMED, every, every_named, reconstruction_penalty
from helpers import KeepWeights
from sklearn.base import clone

import skae
from skae import (
    AutoencoderTransformer,
    Conv,
    ConvAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
)


@every
def test_parameters_are_never_changed(name):
    ae = ALL[name](
        net_params={"optimizer__betas": (0.8, 0.99)}, callbacks=[KeepWeights()]
    )
    before = {k: id(v) for k, v in ae.get_params(deep=False).items()}
    shown = repr(ae)
    ae.fit(IMAGES)
    ae.partial_fit(IMAGES)
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
    ).fit(IMAGES)
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
            penalty=[("a", skae.Contraction(0.1)), ("b", reconstruction_penalty)],
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
