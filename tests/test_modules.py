"""The module that joins encoder and decoder, and its layers."""

import pickle

import pytest
import torch
from torch import nn

from skae._networks.autoencoder import AutoencoderModule, VariationalAutoencoderModule
from skae._networks.layers import (
    GELU,
    FirstHalf,
    Hardsigmoid,
    LifetimeTopK,
    Standardize,
    ToImage,
    TopK,
    ToRows,
    Unstandardize,
)
from skae._networks.tracing import run
from skae._random import RandomStream


def _rows(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator)


def _module(cls=AutoencoderModule, n_components=2, **kwargs):
    n_out = n_components * cls.n_columns_per_unit
    settings = {"link": nn.Identity(), "scale": 1.0, "stream": RandomStream(0)}
    return cls(
        nn.Linear(4, n_out), nn.Linear(n_components, 4), **{**settings, **kwargs}
    )


def test_standardize_by_hand():
    # ((5, 0) - (1, 2)) / 4 = (1, -1/2)
    layer = Standardize(torch.tensor([1.0, 2.0]), torch.tensor(4.0))
    assert layer(torch.tensor([[5.0, 0.0]])).tolist() == [[1.0, -0.5]]


@pytest.mark.parametrize("scale", [torch.tensor(4.0), torch.tensor([1.0, 2.0, 4.0])])
def test_unstandardize_is_the_reverse(scale):
    shift, x = torch.tensor([1.0, -2.0, 0.5]), _rows(6, 3)
    there = Standardize(shift, scale)(x)
    torch.testing.assert_close(Unstandardize(shift, scale)(there), x)


def test_scaling_is_saved_with_the_weights_and_not_trained():
    layer = Standardize(torch.zeros(3), torch.tensor(2.0))
    assert set(layer.state_dict()) == {"shift", "scale"}
    assert list(layer.parameters()) == []
    assert layer.double()(torch.zeros(1, 3, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize("image_shape", [(1, 2, 3), (3, 2, 2), (2, 5)])
def test_channels_first_is_a_reshape(image_shape):
    rows = _rows(4, torch.Size(image_shape).numel())
    images = ToImage(image_shape)(rows)
    assert torch.equal(images, rows.reshape(4, *image_shape))
    assert torch.equal(ToRows()(images), rows)


def test_channels_last_by_hand():
    # A 1x2 image of 3 channels: (r0, g0, b0, r1, g1, b1) becomes three maps.
    rows = torch.tensor([[0.0, 10.0, 20.0, 1.0, 11.0, 21.0]])
    images = ToImage((3, 1, 2), channels_last=True)(rows)
    assert images.tolist() == [[[[0.0, 1.0]], [[10.0, 11.0]], [[20.0, 21.0]]]]


@pytest.mark.parametrize("image_shape", [(1, 4, 3), (3, 2, 5), (2, 7)])
def test_rows_are_returned_in_the_order_of_the_user(image_shape):
    rows = _rows(4, torch.Size(image_shape).numel())
    images = ToImage(image_shape, channels_last=True)(rows)
    assert images.shape == (4, *image_shape)
    assert torch.equal(ToRows(channels_last=True)(images), rows)


def test_flat_rows_are_not_changed():
    rows = _rows(4, 6)
    assert torch.equal(ToRows(channels_last=True)(rows), rows)


def test_top_k_by_hand():
    code = torch.tensor([[3.0, 1.0, 2.0, 0.0], [-1.0, -4.0, -2.0, -3.0]])
    assert TopK(2)(code).tolist() == [[3.0, 0.0, 2.0, 0.0], [-1.0, 0.0, -2.0, 0.0]]


@pytest.mark.parametrize("k", [1, 3, 5])
def test_top_k_keeps_k_and_its_gradient_only(k):
    code = _rows(7, 5).requires_grad_()
    kept = TopK(k)(code)
    assert bool(((kept != 0).sum(1) == k).all())
    kept.sum().backward()
    assert torch.equal(code.grad, (kept != 0).float())


def test_lifetime_top_k_by_hand():
    # Half of four rows: the two largest of each column.
    code = torch.tensor([[3.0, 0.0], [1.0, 4.0], [2.0, 5.0], [0.0, 6.0]])
    layer = LifetimeTopK(0.5)
    assert layer(code).tolist() == [[3.0, 0.0], [0.0, 0.0], [2.0, 5.0], [0.0, 6.0]]
    assert torch.equal(layer.eval()(code), code)


@pytest.mark.parametrize(("n_rows", "k"), [(1, 1), (7, 1), (20, 2), (36, 4)])
def test_lifetime_top_k_keeps_a_fraction_of_the_rows_and_its_gradient_only(n_rows, k):
    # A tenth of 7 rows is less than one, of 36 it rounds to 4.
    code = _rows(n_rows, 5).requires_grad_()
    kept = LifetimeTopK(0.1)(code)
    assert bool(((kept != 0).sum(0) == k).all())
    assert bool((kept.detach().max(0).values == code.detach().max(0).values).all())
    kept.sum().backward()
    assert torch.equal(code.grad, (kept != 0).float())


def test_hardsigmoid_is_that_of_torch_with_a_second_derivative():
    x = torch.linspace(-5, 5, 41, dtype=torch.float64, requires_grad=True)
    ours, theirs = Hardsigmoid()(x), nn.Hardsigmoid()(x)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-15)
    assert bool((ours[x < -3] == 0).all())
    (slope,) = torch.autograd.grad(ours.sum(), x, create_graph=True)
    (slope * x).sum().backward()  # torch's has no second derivative


def test_first_half_is_the_means():
    assert FirstHalf()(torch.arange(4.0)[None]).tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize("cls", [AutoencoderModule, VariationalAutoencoderModule])
def test_encoder_layers_give_what_encode_gives(cls):
    module, x = _module(cls), _rows(5, 4)
    torch.testing.assert_close(module.encoder_layers()(x), module.encode(x))
    assert module.encode(x).shape == (5, 2)


@pytest.mark.parametrize("cls", [AutoencoderModule, VariationalAutoencoderModule])
def test_encoder_layers_hold_the_weights_themselves(cls):
    module = _module(cls)
    theirs = {id(p) for p in module.encoder_layers().parameters()}
    assert theirs == {id(p) for p in module.encoder.parameters()}


@pytest.mark.parametrize("cls", [AutoencoderModule, VariationalAutoencoderModule])
def test_decode_ends_with_the_link_and_training_without(cls):
    module, x = _module(cls, link=nn.Sigmoid()), _rows(5, 4)
    output = module(x)
    torch.testing.assert_close(
        module.decode(output["code"]), torch.sigmoid(output["reconstruction"])
    )


def test_forward_gives_code_and_reconstruction():
    module, x = _module(), _rows(5, 4)
    output = module(x)
    assert set(output) == {"code", "reconstruction"}
    assert torch.equal(output["code"], module.encode(x))
    assert torch.equal(output["reconstruction"], module.decoder(output["code"]))


def test_variational_forward_draws_around_the_mean():
    module = _module(VariationalAutoencoderModule)
    x = _rows(1, 4).expand(20000, 4)
    with torch.no_grad():
        output = module(x)
    assert set(output) == {"code", "mean", "log_var", "reconstruction"}
    noise = (output["code"] - output["mean"]) / torch.exp(0.5 * output["log_var"])
    # 20 000 draws: errors of 0.007 and 0.005.
    assert noise.mean(0).abs().max() < 0.03
    assert (noise.std(0) - 1).abs().max() < 0.02


def test_variational_draws_come_from_the_stream():
    module, x = _module(VariationalAutoencoderModule), _rows(5, 4)
    before = torch.random.get_rng_state()
    first, second = module(x)["code"], module(x)["code"]
    module.stream = RandomStream(0)
    again = module(x)["code"]
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert torch.equal(before, torch.random.get_rng_state())


def test_variational_code_is_differentiable_in_both_parts():
    module, x = _module(VariationalAutoencoderModule), _rows(5, 4)
    module(x)["code"].sum().backward()
    assert bool((module.encoder.bias.grad != 0).all())


@pytest.mark.parametrize("raw", [-1e6, -20.0, 0.0, 20.0, 1e6])
def test_log_variance_is_bounded(raw):
    module = _module(VariationalAutoencoderModule)
    with torch.no_grad():
        module.encoder.weight.zero_()
        module.encoder.bias.copy_(torch.tensor([0.0, 0.0, raw, raw]))
    log_var = module.posterior(torch.zeros(1, 4))[1]
    assert log_var.abs().max() <= 10
    assert torch.isfinite(module(torch.zeros(1, 4))["code"]).all()


def test_log_variance_is_almost_free_in_the_middle():
    # 10 tanh(1 / 10) = 0.99668
    module = _module(VariationalAutoencoderModule)
    with torch.no_grad():
        module.encoder.weight.zero_()
        module.encoder.bias.copy_(torch.tensor([0.0, 0.0, 1.0, 1.0]))
    log_var = module.posterior(torch.zeros(1, 4))[1]
    torch.testing.assert_close(log_var, torch.full((1, 2), 0.996680), rtol=1e-5, atol=0)


@pytest.mark.parametrize("cls", [AutoencoderModule, VariationalAutoencoderModule])
def test_modules_pickle(cls):
    module, x = _module(cls), _rows(5, 4)
    again = pickle.loads(pickle.dumps(module))
    assert torch.equal(again.encode(x), module.encode(x))
    assert torch.equal(again(x)["reconstruction"], module(x)["reconstruction"])


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("image_shape", [(3, 4, 5), (1, 4, 4), (2, 7)])
def test_interleaved_images_hold_the_same_values(image_shape, channels_last):
    x = _rows(6, torch.Size(image_shape).numel())
    plain = ToImage(image_shape, channels_last)(x)
    image = ToImage(image_shape, channels_last, interleaved=True)(x)
    assert torch.equal(plain, image)
    if image.ndim == 4:
        assert image.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(ToRows(channels_last)(image), x)


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 5), (6, 3, 5, 4)])
@pytest.mark.parametrize("interleaved", [False, True])
def test_gelu_is_that_of_torch(shape, interleaved):
    x = _rows(*shape).double().requires_grad_()
    given = x
    if interleaved and len(shape) == 4:
        given = x.contiguous(memory_format=torch.channels_last)
    out, expected = GELU()(given), nn.GELU()(x)
    torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-14)
    (slope,) = torch.autograd.grad(out.sum(), x, retain_graph=True)
    (known,) = torch.autograd.grad(expected.sum(), x)
    torch.testing.assert_close(slope, known, rtol=1e-12, atol=1e-14)


class _LastState(nn.Module):
    def forward(self, pair):
        return pair[1][0]


@pytest.mark.parametrize("copy", [False, True])
def test_a_layer_that_gives_a_pair_makes_one_step_with_the_next(copy):
    gru, last, linear = nn.GRU(2, 3, batch_first=True), _LastState(), nn.Linear(3, 1)
    x = _rows(4, 5, 2)
    out, steps = run(nn.Sequential(gru, last, linear), x, copy=copy)
    assert list(steps[0].layer) == [gru, last]
    assert steps[1].layer is linear
    state = gru(x)[1][0]
    torch.testing.assert_close(steps[0].out, state)
    torch.testing.assert_close(out, linear(state))
