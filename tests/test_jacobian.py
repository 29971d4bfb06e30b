"""Norms of Jacobians against autograd's own Jacobian of each row, in float64."""

import itertools

import pytest
import torch
from sklearn.base import clone
from torch import nn

from skae import ContractiveAutoencoder
from skae._data.layout import Layout
from skae._networks.architecture import ACTIVATIONS
from skae._networks.conv import Conv
from skae._networks.dense import Dense
from skae._networks.jacobian import (
    exact_squared_norm,
    has_closed_form,
    is_known,
    stochastic_squared_norm,
)
from skae._networks.layers import FirstHalf, Hardsigmoid, Standardize, TopK
from skae._networks.tracing import run
from skae._random import RandomStream

SMOOTH = ["Tanh", "Sigmoid", "Softplus", "GELU", "SiLU", "Mish", "Softsign"]
KINKED = ["ReLU", "LeakyReLU", "ELU", "SELU", "Hardtanh"]
OTHERS = ["LogSigmoid", "Identity"]
N_IN, N_ROWS = 5, 6


def _rows(n_features=N_IN, n_rows=N_ROWS, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_rows, n_features, generator=generator, dtype=torch.float64)


def _double(encoder, seed=1):
    """Give an encoder float64 weights large enough for curved activations."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in encoder.double().parameters():
        parameter.data.normal_(0, 0.7, generator=generator)
    return encoder


def _mlp(*sizes, activation=nn.Tanh, code=None):
    layers = []
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), activation()]
    layers.pop()
    if code is not None:
        layers.append(code)
    return nn.Sequential(*layers)


def _brute_force(encoder, x):
    """Sum the squares of autograd's Jacobian, row by row."""
    norms = []
    for row in x:
        jacobian = torch.autograd.functional.jacobian(
            lambda one: encoder(one[None])[0], row, create_graph=True
        )
        norms.append((jacobian**2).sum())
    return torch.stack(norms)


def _gradients(norm, encoder):
    """Differentiate a sum that weights each row in its own way."""
    weights = torch.linspace(0.5, 2, len(norm), dtype=norm.dtype)
    parameters = list(encoder.parameters())
    found = torch.autograd.grad((weights * norm).sum(), parameters, allow_unused=True)
    return [
        torch.zeros_like(p) if g is None else g
        for p, g in zip(parameters, found, strict=True)
    ]


def _assert_exact(encoder, x, tol=1e-10):
    """Compare values and gradients to a relative 1e-10."""
    found, expected = exact_squared_norm(encoder, x), _brute_force(encoder, x)
    assert found.shape == (len(x),)
    torch.testing.assert_close(found, expected, rtol=tol, atol=tol)
    for one, other in zip(
        _gradients(found, encoder), _gradients(expected, encoder), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=tol, atol=tol)


def test_linear_encoder_by_hand():
    # J = [[1, 2], [0, 3]] for every row: 1 + 4 + 9 = 14.
    encoder = nn.Linear(2, 2)
    encoder.weight.data = torch.tensor([[1.0, 2.0], [0.0, 3.0]])
    norm = exact_squared_norm(encoder, torch.randn(3, 2))
    assert norm.tolist() == [14.0, 14.0, 14.0]


def test_one_hidden_unit_by_hand():
    # z = 3 relu(2 x - 1): slope 6 where x > 1/2, else 0.
    encoder = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1))
    encoder[0].weight.data.fill_(2.0)
    encoder[0].bias.data.fill_(-1.0)
    encoder[2].weight.data.fill_(3.0)
    norm = exact_squared_norm(encoder, torch.tensor([[0.0], [1.0]]))
    assert norm.tolist() == [0.0, 36.0]


@pytest.mark.parametrize("name", [*SMOOTH, *KINKED, *OTHERS])
@pytest.mark.parametrize("hidden", [(4,), (7,), (4, 3), (7, 6, 4)])
def test_dense_encoders_are_exact(name, hidden):
    encoder = _double(_mlp(N_IN, *hidden, 3, activation=getattr(nn, name)))
    assert is_known(encoder)
    _assert_exact(encoder, _rows())


@pytest.mark.parametrize("hidden", [(), (6,), (6, 4)])
@pytest.mark.parametrize(
    "code",
    [nn.ReLU(), nn.Sigmoid(), nn.Tanh(), Hardsigmoid(), TopK(2)],
    ids=lambda layer: type(layer).__name__,
)
def test_code_activations_are_exact(hidden, code):
    _assert_exact(_double(_mlp(N_IN, *hidden, 4, code=code)), _rows())


def test_one_layer_takes_no_product_of_matrices(monkeypatch):
    # The contractive autoencoder as it was published: with h = s(W x + b),
    # the norm is sum_i (h_i (1 - h_i))^2 |w_i|^2.
    encoder = _double(nn.Sequential(nn.Linear(N_IN, 4), nn.Sigmoid()))
    x = _rows()
    code = encoder(x)
    expected = ((code * (1 - code)) ** 2) @ (encoder[0].weight ** 2).sum(1)
    monkeypatch.delattr("skae._networks.jacobian._pull_back")
    norm = exact_squared_norm(encoder, x)
    torch.testing.assert_close(norm, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("n_components", [1, 3])
@pytest.mark.parametrize("n_features", [1, 2, 9])
def test_linear_encoders_of_any_width_are_exact(n_features, n_components):
    encoder = _double(nn.Sequential(nn.Linear(n_features, n_components)))
    _assert_exact(encoder, _rows(n_features))


def test_linear_layers_in_a_row_are_exact():
    encoder = nn.Sequential(nn.Linear(5, 6), nn.Linear(6, 4), nn.Linear(4, 3))
    _assert_exact(_double(encoder), _rows())


def test_activations_in_a_row_are_exact():
    encoder = nn.Sequential(
        nn.Linear(5, 6), nn.Tanh(), nn.Softplus(), nn.Linear(6, 4), nn.ReLU(), TopK(2)
    )
    _assert_exact(_double(encoder), _rows())


@pytest.mark.parametrize("hidden", [(), (6,), (6, 4)])
@pytest.mark.parametrize("scale", [2.5, [0.5, 1.0, 2.0, 4.0, 8.0]], ids=["one", "each"])
def test_scaling_inside_the_encoder_counts(hidden, scale):
    shift = torch.linspace(-1, 1, N_IN, dtype=torch.float64)
    first = Standardize(shift, torch.tensor(scale))
    _assert_exact(_double(nn.Sequential(first, _mlp(N_IN, *hidden, 3))), _rows())


@pytest.mark.parametrize("hidden", [(), (6,), (6, 4)])
def test_means_of_a_variational_encoder_are_exact(hidden):
    encoder = nn.Sequential(_mlp(N_IN, *hidden, 4), FirstHalf())
    _assert_exact(_double(encoder), _rows())


def test_nested_sequences_are_exact():
    inner = nn.Sequential(nn.Linear(5, 6), nn.Sequential(nn.Tanh(), nn.Identity()))
    encoder = _double(nn.Sequential(inner, nn.Linear(6, 3)))
    assert has_closed_form(encoder)
    _assert_exact(encoder, _rows())


class _Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class _Halved(nn.Linear):
    def forward(self, x):
        return super().forward(x) / 2


class _Scaled(nn.Tanh):
    def forward(self, x):
        return super().forward(x) * x.sum(1, keepdim=True)


@pytest.mark.parametrize(
    "encoder",
    [
        _Residual(nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 5)),
        nn.Sequential(nn.Linear(5, 4), _Residual(nn.Tanh(), nn.Linear(4, 4))),
        nn.Sequential(_Halved(5, 4), nn.Tanh(), nn.Linear(4, 3)),
        nn.Sequential(nn.Linear(5, 4), _Scaled(), nn.Linear(4, 3)),
    ],
    ids=["residual", "residual inside", "linear", "activation"],
)
def test_layers_with_a_custom_forward_are_exact(encoder):
    # A subclass of a known layer may compute something else.
    encoder = _double(encoder)
    assert not has_closed_form(encoder)
    _assert_exact(encoder, _rows())


def test_parametrized_layers_are_exact():
    linear = nn.Linear(5, 4).double()
    nn.utils.parametrizations.weight_norm(linear)
    encoder = nn.Sequential(linear, nn.Tanh(), nn.Linear(4, 3)).double()
    _assert_exact(encoder, _rows())


@pytest.mark.parametrize("hidden", [(6,), (6, 4)])
@pytest.mark.parametrize("layer", [nn.ReLU, nn.ELU, nn.SiLU, nn.LeakyReLU])
def test_activations_in_place_are_exact(hidden, layer):
    encoder = _mlp(N_IN, *hidden, 3, activation=lambda: layer(inplace=True))
    _assert_exact(_double(encoder), _rows())


@pytest.mark.parametrize("image_shape", [(1, 4, 5), (2, 3, 3), (1, 11), (3, 4)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_convolutions_are_exact(image_shape, channels_last):
    channels, *size = image_shape
    sample_shape = (*size, channels) if channels_last else image_shape
    layout = Layout(sample_shape, image_shape, channels_last)
    encoder = _double(Conv((3, 4)).encoder(layout, 3))
    assert is_known(encoder)
    _assert_exact(encoder, _rows(layout.n_features, n_rows=3))


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
@pytest.mark.parametrize("image_shape", [(2, 5, 4), (2, 7)])
def test_convolutions_are_exact_with_every_activation(name, image_shape):
    layout = Layout(image_shape, image_shape)
    encoder = _double(Conv((3, 4), activation=name).encoder(layout, 3))
    scale = Standardize(_rows(layout.n_features, 1)[0], torch.tensor(2.5))
    _assert_exact(nn.Sequential(scale, encoder), _rows(layout.n_features, n_rows=3))


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("image_shape", [(2, 5, 4), (2, 7)])
def test_pooled_convolutions_are_exact(image_shape, pooling):
    layout = Layout(image_shape, image_shape)
    encoder = _double(Conv((3, 4), pooling=pooling).encoder(layout, 3))
    x = _rows(layout.n_features, n_rows=3)
    _assert_exact(encoder, x)
    # As many probes as units are exact, too.
    found = stochastic_squared_norm(
        encoder, x, n_probes=3, stream=RandomStream(0), steps=run(encoder, x)[1]
    )
    torch.testing.assert_close(found, exact_squared_norm(encoder, x))


@pytest.mark.parametrize("shipped", [Dense((6, 5)), Conv((3, 4)), Conv(3)])
def test_normalised_encoders_are_exact_where_rows_are_apart(shipped):
    layout = Layout((5, 4), (1, 5, 4))
    encoder = _double(clone(shipped).set_params(batch_norm=True).encoder(layout, 3))
    x = _rows(20, n_rows=7)
    encoder(x)  # in training, for the statistics of its batches
    _assert_exact(encoder.eval(), x)


@pytest.mark.parametrize(
    "encoder",
    [Dense((8,), tied=True), Conv(4, pooling="max"), Conv(4, pooling="average")],
)
@pytest.mark.parametrize("jacobian", ["exact", "stochastic"])
def test_tied_and_pooled_encoders_are_contracted(encoder, jacobian):
    X = _rows(20, 60).numpy().reshape(60, 5, 4)
    ae = ContractiveAutoencoder(
        3, encoder=encoder, jacobian=jacobian, dtype="float64", max_epochs=2
    ).fit(X)
    x = torch.from_numpy(X[:4]).flatten(1)
    expected = _brute_force(ae.encoder_, x).detach().sqrt()
    torch.testing.assert_close(torch.from_numpy(ae.sensitivity(X[:4])), expected)


@pytest.mark.parametrize(
    ("layer", "known"),
    [
        (nn.Conv2d(2, 4, (4, 3), stride=(3, 2), padding=(0, 1)), True),
        (nn.Conv2d(2, 4, 2, dilation=2, groups=2, bias=False), True),
        (nn.Conv2d(2, 4, 3, padding="same"), False),
        (nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular"), False),
    ],
    ids=["strides", "dilation and groups", "same", "circular"],
)
def test_convolutions_of_any_geometry_are_exact(layer, known):
    # 7 x 6 has rows and columns that no kernel covers.
    encoder = nn.Sequential(
        nn.Unflatten(1, (2, 7, 6)), layer, nn.Tanh(), nn.Flatten(), nn.LazyLinear(3)
    )
    x = _rows(2 * 7 * 6, n_rows=3)
    encoder.double()(x)
    assert is_known(encoder[1:]) is known
    _assert_exact(_double(encoder), x)


@pytest.mark.parametrize(
    "layer",
    [nn.LayerNorm(6), nn.PReLU(), nn.Softmax(1), nn.Bilinear],
    ids=["LayerNorm", "PReLU", "Softmax", "custom"],
)
def test_layers_that_mix_units_are_exact(layer):
    class Custom(nn.Module):
        def forward(self, x):
            return x * x.roll(1, 1)

    layer = Custom() if layer is nn.Bilinear else layer
    encoder = nn.Sequential(nn.Linear(5, 6), layer, nn.Linear(6, 3))
    assert not is_known(encoder)
    _assert_exact(_double(encoder), _rows())


def test_frozen_layers_are_exact():
    encoder = _double(_mlp(N_IN, 6, 3))
    for parameter in encoder[0].parameters():
        parameter.requires_grad_(False)
    x = _rows()
    torch.testing.assert_close(
        exact_squared_norm(encoder, x), _brute_force(encoder, x), rtol=1e-10, atol=0
    )


@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_exact_norm_can_be_computed_without_a_graph(kind):
    layout = Layout((4, 5), (1, 4, 5))
    shipped = Dense((6,)) if kind == "dense" else Conv((3,))
    encoder = _double(shipped.encoder(layout, 3))
    x = _rows(20)
    with torch.no_grad():
        plain = exact_squared_norm(encoder, x, create_graph=False)
    assert not plain.requires_grad
    torch.testing.assert_close(plain, exact_squared_norm(encoder, x).detach())


@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_input_is_not_changed(kind):
    layout = Layout((4, 5), (1, 4, 5))
    shipped = Dense((6,)) if kind == "dense" else Conv((3,))
    encoder, x = _double(shipped.encoder(layout, 3)), _rows(20)
    before = x.clone()
    exact_squared_norm(encoder, x).sum().backward()
    stochastic_squared_norm(encoder, x, n_probes=1, stream=RandomStream(0))
    assert torch.equal(x, before)
    assert not x.requires_grad
    assert x.grad is None


@pytest.mark.parametrize(
    ("encoder", "expected"),
    [
        (_mlp(5, 3), True),
        (_mlp(5, 3, code=nn.ReLU()), True),
        (_mlp(5, 4, 3), True),
        (_mlp(5, 4, 3, code=nn.ReLU()), False),
        (_mlp(5, 4, 4, 3), False),
        (nn.Sequential(_mlp(5, 4, 6), FirstHalf()), True),
        (nn.Sequential(nn.Conv1d(1, 1, 1), nn.Tanh(), nn.Linear(5, 3)), False),
        (nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.Linear(4, 3)), False),
        (nn.Sequential(nn.Tanh(), nn.Linear(5, 4)), False),
        (nn.Sequential(), False),
        (nn.Sequential(Standardize(torch.zeros(5), torch.ones(()))), False),
        (
            nn.Sequential(Standardize(torch.zeros(5), torch.ones(())), _mlp(5, 4, 3)),
            True,
        ),
    ],
)
def test_closed_form_is_one_hidden_layer_and_a_linear_code(encoder, expected):
    assert has_closed_form(encoder) is expected


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
@pytest.mark.parametrize("hidden", [(6,), (6, 4), (4, 6, 5)])
def test_every_shipped_activation_has_a_fast_path(name, hidden):
    encoder = Dense(hidden, activation=name).encoder(Layout((N_IN,)), 3)
    assert is_known(encoder)
    _assert_exact(_double(encoder), _rows())


@pytest.mark.parametrize("gram", [True, False])
@pytest.mark.parametrize("hidden", [(6,), (6, 4)])
@pytest.mark.parametrize("code", [None, nn.Sigmoid()], ids=["linear", "sigmoid"])
def test_gram_matrix_changes_nothing(monkeypatch, gram, hidden, code):
    monkeypatch.setattr("skae._networks.jacobian._gram_pays", lambda *sizes: gram)
    _assert_exact(_double(_mlp(N_IN, *hidden, 3, code=code)), _rows())


@pytest.mark.parametrize("kind", ["one hidden layer", "deeper", "conv"])
@pytest.mark.parametrize("chunk", [1, 80])
def test_rows_taken_in_parts_are_exact(monkeypatch, kind, chunk):
    # 80 numbers are two to six rows here, which do not divide seven.
    monkeypatch.setattr("skae._networks.jacobian._CHUNK", chunk)
    layout = Layout((4, 5), (1, 4, 5))
    encoder = {
        "one hidden layer": Dense((6,)),
        "deeper": Dense((6, 5)),
        "conv": Conv((2,)),
    }[kind].encoder(layout, 2)
    _assert_exact(_double(encoder), _rows(20, n_rows=7))


@pytest.mark.parametrize("n_rows", [1, 2])
@pytest.mark.parametrize("hidden", [(), (6,), (6, 4)])
def test_few_rows_are_exact(n_rows, hidden):
    _assert_exact(_double(_mlp(N_IN, *hidden, 3)), _rows(n_rows=n_rows))


# Steps of the encoder that are passed -------------------------------------------------


ENCODERS = {
    "one hidden layer": lambda: _mlp(20, 6, 3),
    "deeper, in place": lambda: _mlp(
        20, 6, 4, 3, activation=lambda: nn.ELU(inplace=True)
    ),
    "conv": lambda: Conv((3,)).encoder(Layout((4, 5), (1, 4, 5)), 3),
    "unknown layer": lambda: nn.Sequential(
        nn.Linear(20, 6), nn.LayerNorm(6), nn.Linear(6, 3)
    ),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_steps_of_the_same_rows_give_the_same_norm(name):
    encoder, x = _double(ENCODERS[name]()), _rows(20)
    expected = exact_squared_norm(encoder, x)
    code, steps = run(encoder, x)
    found = exact_squared_norm(encoder, x, steps=steps)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    # The code's own gradient flows through the same steps.
    for one, other in zip(
        _gradients(found + code.sum(1), encoder),
        _gradients(expected + encoder(x).sum(1), encoder),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_steps_save_a_pass_through_the_encoder():
    encoder, x = _mlp(20, 6, 4, 3), _rows(20).float()
    _, steps = run(encoder, x)
    calls = []
    for layer in encoder:
        layer.register_forward_hook(lambda layer, *_: calls.append(layer))
    exact_squared_norm(encoder, x, steps=steps)
    stochastic_squared_norm(encoder, x, steps=steps, n_probes=1, stream=RandomStream(0))
    assert calls == []


def test_hooks_of_a_sequence_are_called():
    # Layers are run one by one, unless the whole sequence has hooks.
    encoder, x = _double(_mlp(20, 6, 3)), _rows(20)
    expected, calls = exact_squared_norm(encoder, x), []
    encoder.register_forward_hook(lambda *args: calls.append(args))
    code, steps = run(encoder, x)
    assert len(calls) == len(steps) == 1
    torch.testing.assert_close(code, encoder(x), rtol=0, atol=0)
    found = exact_squared_norm(encoder, x, steps=steps)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_steps_of_other_rows_are_not_used():
    # Those of a denoising autoencoder come from rows with noise.
    encoder, x = _double(_mlp(20, 6, 3)), _rows(20)
    _, steps = run(encoder, _rows(20, seed=2))
    found = exact_squared_norm(encoder, x, steps=steps)
    torch.testing.assert_close(found, exact_squared_norm(encoder, x), rtol=0, atol=0)


def test_steps_without_a_graph_are_enough():
    encoder, x = _double(_mlp(20, 6, 4, 3)), _rows(20)
    with torch.no_grad():
        _, steps = run(encoder, x)
    found = exact_squared_norm(encoder, x, steps=steps, create_graph=False)
    torch.testing.assert_close(
        found, exact_squared_norm(encoder, x).detach(), rtol=1e-12, atol=0
    )


# The stochastic estimate --------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_stochastic_estimate_is_unbiased_in_value_and_gradient(kind):
    # Rademacher probes: all 2^3 sign vectors together give the exact norm, so the mean
    # of many draws has to come within its own standard error of it.
    layout = Layout((4, 5), (1, 4, 5))
    shipped = Dense((6, 5)) if kind == "dense" else Conv((3,))
    encoder, x = _double(shipped.encoder(layout, 3)), _rows(20, n_rows=3)
    repeated = x.repeat(2000, 1)
    estimate = stochastic_squared_norm(
        encoder, repeated, n_probes=1, stream=RandomStream(0)
    )
    exact = exact_squared_norm(encoder, x)
    draws = estimate.detach().reshape(2000, 3)
    error = draws.std(0) / 2000**0.5
    assert bool(((draws.mean(0) - exact).abs() < 4 * error).all())
    parameters = list(encoder.parameters())
    found = torch.autograd.grad(
        estimate.mean(), parameters, retain_graph=True, allow_unused=True
    )
    expected = torch.autograd.grad(exact.mean(), parameters, allow_unused=True)
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            # 6000 draws, each about as large as what it estimates.
            torch.testing.assert_close(
                one, other, rtol=0, atol=0.1 * other.abs().max().item() + 1e-12
            )


def test_average_over_all_signs_is_the_exact_norm(monkeypatch):
    # E_v |v'J|^2 over the eight vectors of signs, drawn one after the other.
    encoder, x = _double(_mlp(N_IN, 4, 3)), _rows()
    found = torch.zeros(len(x), dtype=x.dtype)
    for signs in itertools.product((0.0, 1.0), repeat=3):
        monkeypatch.setattr(
            torch.Tensor,
            "bernoulli_",
            lambda self, p, generator=None, signs=signs: self.copy_(
                torch.tensor(signs).expand(self.shape)
            ),
        )
        found += (
            stochastic_squared_norm(encoder, x, n_probes=1, stream=RandomStream(0)) / 8
        )
    torch.testing.assert_close(
        found, exact_squared_norm(encoder, x), rtol=1e-12, atol=0
    )


def test_the_estimate_of_one_component_is_exact():
    # The sign of the only unit drops out of the square.
    encoder, x = _double(_mlp(N_IN, 4, 1)), _rows()
    found = stochastic_squared_norm(encoder, x, n_probes=1, stream=RandomStream(0))
    torch.testing.assert_close(
        found, exact_squared_norm(encoder, x), rtol=1e-12, atol=0
    )


@pytest.mark.parametrize("n_probes", [1, 2, 4, 5])
def test_variance_has_its_closed_form(n_probes):
    # 6 units, so K = 8: 2 (8 - m) / (7 m) times the squares beside the diagonal.
    encoder, x = _double(_mlp(N_IN, 4, 6)), _rows(n_rows=1)
    j = torch.autograd.functional.jacobian(encoder, x[0])
    squares = (j @ j.T).fill_diagonal_(0).square().sum()
    draws = torch.cat(
        [
            stochastic_squared_norm(
                encoder,
                x.expand(40, N_IN),
                n_probes=n_probes,
                stream=RandomStream(seed),
            )
            for seed in range(200)
        ]
    ).detach()
    expected = 2 / n_probes * (8 - n_probes) / 7 * squares
    assert draws.var().item() == pytest.approx(expected.item(), rel=0.1)
    error = (expected / len(draws)).sqrt().item()
    exact = exact_squared_norm(encoder, x).item()
    assert draws.mean().item() == pytest.approx(exact, abs=4 * error)


@pytest.mark.parametrize("n_probes", [6, 7, 100])
@pytest.mark.parametrize("name", ENCODERS)
def test_as_many_probes_as_units_are_exact(n_probes, name):
    encoder, x = _double(ENCODERS[name]()), _rows(20)
    found = stochastic_squared_norm(
        encoder, x, n_probes=n_probes, stream=RandomStream(0)
    )
    torch.testing.assert_close(
        found, exact_squared_norm(encoder, x), rtol=1e-12, atol=0
    )


def test_probes_come_from_the_stream_alone():
    encoder, x = _double(_mlp(N_IN, 4, 3)), _rows()
    before = torch.random.get_rng_state()

    def draw(stream):
        return stochastic_squared_norm(encoder, x, n_probes=1, stream=stream)

    stream = RandomStream(0)
    first, second = draw(stream), draw(stream)
    assert not torch.equal(first, second)
    assert torch.equal(first, draw(RandomStream(0)))
    assert torch.equal(before, torch.random.get_rng_state())


def test_stochastic_estimate_works_where_gradients_are_off():
    encoder, x = _double(_mlp(N_IN, 4, 1)), _rows()
    with torch.no_grad():
        found = stochastic_squared_norm(encoder, x, n_probes=1, stream=RandomStream(0))
    torch.testing.assert_close(found.detach(), _brute_force(encoder, x).detach())


def test_a_first_layer_may_work_in_place():
    def encoder(inplace):
        torch.manual_seed(0)
        layers = nn.ReLU(inplace=inplace), nn.Linear(N_IN, 4), nn.Tanh()
        return _double(nn.Sequential(*layers))

    x = _rows()
    before = x.clone()
    found, expected = (exact_squared_norm(encoder(flag), x) for flag in (True, False))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    found, expected = (
        stochastic_squared_norm(encoder(flag), x, n_probes=2, stream=RandomStream(0))
        for flag in (True, False)
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert torch.equal(x, before)


class _LastState(nn.Module):
    def forward(self, pair):
        return pair[1][0]


def test_a_recurrent_layer_is_exact():
    encoder = _double(
        nn.Sequential(
            nn.Unflatten(1, (N_IN, 1)),
            nn.GRU(1, 3, batch_first=True),
            _LastState(),
            nn.Linear(3, 2),
        )
    )
    x = _rows()
    torch.testing.assert_close(exact_squared_norm(encoder, x), _brute_force(encoder, x))
