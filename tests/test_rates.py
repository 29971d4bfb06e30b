"""Learning rates and weight decay for each layer."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from skae import AutoencoderTransformer, ConvAutoencoder, Dense, VariationalAutoencoder
from skae._networks.layers import LinearPath, PrincipalMap, TransposedLinear
from skae._training.rates import _LR_CUSTOM, LR, group_by_layer, resolve_lr
from skae._training.schedules import steady

X = np.random.RandomState(0).normal(size=(60, 8)).astype(np.float32)
FAST = {"max_epochs": 2, "early_stopping": False, "random_state": 0}


class Rates(Callback):
    """Keep the rates of each epoch, those of its last step, in ``rates_``."""

    def initialize(self):
        self.rates_ = []
        return self

    def on_epoch_end(self, net, **kwargs):
        self.rates_.append([group["lr"] for group in net.optimizer_.param_groups])


def rates_of(ae):
    return dict(ae.net_.callbacks_)["Rates"].rates_


def transposed(n_in, n_out):
    weight, bias = torch.ones(n_in, n_out), torch.ones(n_out)
    return TransposedLinear(nn.Parameter(weight), nn.Parameter(bias))


@pytest.mark.parametrize(
    ("layer", "factor"),
    [
        (nn.Linear(1, 3), 1.0),
        (nn.Linear(64, 3), 1.0),
        (nn.Linear(640, 3), 0.1),
        (nn.Conv1d(64, 3, 5), 0.2),
        (nn.Conv2d(1, 3, 3), 1.0),  # 9 inputs
        (nn.Conv2d(16, 3, 4), 0.25),  # 16 maps of 16 weights
        (nn.Conv2d(16, 4, 4, groups=2), 0.5),
        (nn.ConvTranspose2d(16, 3, 4), 0.25),
        (transposed(640, 3), 0.1),
        (nn.BatchNorm1d(5), _LR_CUSTOM / LR),  # as of layers that are not known
        (nn.GRU(640, 3), _LR_CUSTOM / LR),
    ],
    ids=str,
)
def test_the_rate_of_a_layer_follows_from_its_inputs(layer, factor):
    (group,) = group_by_layer(nn.Sequential(layer), None)
    assert group["lr_factor"] == pytest.approx(factor)
    is_of_images = "2d" in type(layer).__name__
    assert group["weight_decay"] == (1.75 if is_of_images else 0.3)
    assert group["params"] == list(layer.parameters())


@pytest.mark.parametrize(("n_in", "factor"), [(10, 0.3), (64, 0.3), (640, 0.03)])
def test_a_linear_path_has_shorter_steps_and_no_decay(n_in, factor):
    path = LinearPath(PrincipalMap(n_in, 2), nn.Linear(n_in, 2))
    of_path, of_layers = group_by_layer(path, 0.7)
    assert of_path["lr_factor"] == pytest.approx(factor)
    assert of_path["weight_decay"] == 0
    assert of_path["params"] == list(path.linear.parameters())
    assert of_layers["lr_factor"] == pytest.approx(min(1, 64 / n_in))
    assert of_layers["weight_decay"] == 0.7


@pytest.mark.parametrize(
    ("convolution", "decay", "of_layers", "of_path"),
    [
        (nn.Conv1d(1, 2, 3), None, 0.3, 6),
        (nn.Conv2d(1, 2, 3), None, 1.75, 5.25),
        (nn.Conv2d(1, 2, 3), 0.1, 0.1, 0.3),
        (nn.Conv2d(1, 2, 3), 0.0, 0, 0),
        (nn.Conv2d(1, 2, 3), 20.0, 20, 60),
        (nn.Conv2d(1, 2, 3), 99, 99, 1 / (0.3 * LR)),
    ],
)
def test_a_linear_path_beside_convolutions_fades(
    convolution, decay, of_layers, of_path
):
    path = LinearPath(PrincipalMap(640, 2), nn.Sequential(nn.Flatten(), convolution))
    of_linear, of_convolution = group_by_layer(path, decay)
    assert of_linear["params"] == list(path.linear.parameters())
    assert of_linear["lr_factor"] == pytest.approx(0.03)
    assert of_linear["weight_decay"] == pytest.approx(of_path)
    assert of_convolution["weight_decay"] == of_layers


def test_a_linear_path_has_a_group_of_its_own():
    """Its rate and decay may be those of layers by chance, or in one version alone."""
    convolution = nn.Conv2d(55, 2, 2)  # of 220 inputs
    path = LinearPath(PrincipalMap(66, 2), nn.Sequential(nn.Flatten(), convolution))
    of_linear, of_convolution = group_by_layer(path, 0.0)
    assert of_linear["lr_factor"] == of_convolution["lr_factor"]
    assert of_linear["weight_decay"] == of_convolution["weight_decay"] == 0
    assert of_linear["params"] == list(path.linear.parameters())


def test_every_weight_is_in_one_group():
    ae = AutoencoderTransformer(3, encoder=Dense((9, 5), tied=True), **FAST).fit(X)
    grouped = [x for g in ae.net_.optimizer_.param_groups for x in g["params"]]
    assert len(grouped) == len({id(x) for x in grouped})
    assert {id(x) for x in grouped} == {id(x) for x in ae.net_.module_.parameters()}


def test_auto_gives_each_layer_its_rate():
    ae = ConvAutoencoder(3, channels=(4, 32), image_shape=(1, 2, 4), **FAST)
    ae.set_params(lr_schedule="constant", callbacks=[Rates()]).fit(X)
    groups = ae.net_.optimizer_.param_groups
    factors = [group["lr_factor"] for group in groups]
    assert len(set(factors)) > 1
    for rates in rates_of(ae):
        assert rates == pytest.approx([LR * factor for factor in factors])
    # Between fits all groups have the rate itself.
    assert {group["lr"] for group in groups} == {ae.net_.lr} == {LR}


@pytest.mark.parametrize(("decay", "expected"), [(None, 0.3), (0, 0), (0.5, 0.5)])
def test_weight_decay_is_that_of_all_but_the_linear_path(decay, expected):
    ae = AutoencoderTransformer(3, weight_decay=decay, **FAST).fit(X)
    module = ae.net_.module_
    paths = [x for x in module.modules() if isinstance(x, PrincipalMap)]
    on_path = {id(x) for path in paths for x in path.parameters()}
    for group in ae.net_.optimizer_.param_groups:
        for x in group["params"]:
            assert group["weight_decay"] == (0 if id(x) in on_path else expected)


def test_a_number_is_the_rate_of_all_layers():
    ae = AutoencoderTransformer(3, lr=0.01, callbacks=[Rates()], **FAST)
    (group,) = ae.set_params(lr_schedule="constant").fit(X).net_.optimizer_.param_groups
    assert "lr_factor" not in group
    assert rates_of(ae) == [[0.01]] * 2


def identity(n_in, n_out):
    return nn.Linear(n_in, n_out)


@pytest.mark.parametrize(
    ("ae", "rate"),
    [
        (AutoencoderTransformer(3, encoder=identity, decoder=identity), _LR_CUSTOM),
        (AutoencoderTransformer(3, optimizer="sgd"), _LR_CUSTOM),
        (VariationalAutoencoder(3), 3e-3),
    ],
    ids=["custom modules", "sgd", "variational"],
)
def test_other_networks_and_optimizers_have_one_rate(ae, rate):
    (group,) = ae.set_params(**FAST).fit(X).net_.optimizer_.param_groups
    assert group["lr"] == rate
    assert ae.net_.lr == rate


def test_auto_is_a_number_by_the_networks():
    assert resolve_lr("auto", by_layer=True) == LR
    assert resolve_lr("auto", by_layer=False) == _LR_CUSTOM
    assert resolve_lr(0.5, by_layer=True) == 0.5


def test_the_rate_may_change_between_chunks():
    ae = AutoencoderTransformer(3, callbacks=[Rates()], random_state=0)
    for lr in ("auto", 1e-3, LR, "auto"):
        ae.set_params(lr=lr).partial_fit(X)
    # Chunks of a stream take shorter steps, unless a number is given.
    lr, groups = LR * steady(0.0), ae.net_.optimizer_.param_groups
    by_layer = [lr * group["lr_factor"] for group in groups]
    n_groups = len(by_layer)
    assert n_groups > 1
    expected = [by_layer, [1e-3] * n_groups, [LR] * n_groups, by_layer]
    for found, rates in zip(rates_of(ae), expected, strict=True):
        assert found == pytest.approx(rates)


def test_a_number_may_become_auto():
    ae = AutoencoderTransformer(3, lr=0.5e-3, callbacks=[Rates()], random_state=0)
    for lr in (0.5e-3, "auto", 0.25e-3):
        ae.set_params(lr=lr).partial_fit(X)
    assert rates_of(ae) == [[0.5e-3], [pytest.approx(0.1 * _LR_CUSTOM)], [0.25e-3]]
