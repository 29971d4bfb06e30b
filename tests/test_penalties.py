"""Penalties in numbers worked by hand, and what they do not depend on."""

import math

import pytest
import torch
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError
from torch import nn

from skae._networks.autoencoder import AutoencoderModule, VariationalAutoencoderModule
from skae._objective.penalties import Contraction, KLDivergence, KLSparsity, L1Sparsity
from skae._random import RandomStream


def _rows(n_rows=8, n_features=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_rows, n_features, generator=generator, dtype=torch.float64)


def _module(*hidden, n_components=3, scale=1.0, cls=AutoencoderModule, code=None):
    with RandomStream(0).as_global():
        layers, n_in = [], 5
        for width in hidden:
            layers += [nn.Linear(n_in, width), nn.Tanh()]
            n_in = width
        layers.append(nn.Linear(n_in, n_components * cls.n_columns_per_unit))
        layers += [] if code is None else [code]
        decoder = nn.Linear(n_components, 5)
    return cls(
        nn.Sequential(*layers),
        decoder,
        link=nn.Identity(),
        scale=scale,
        stream=RandomStream(1),
    ).double()


def _stretched(module, factor):
    """Multiply the code by a factor, behind the last layer of the encoder."""
    last = nn.Linear(3, 3, bias=False).double()
    last.weight.data = factor * torch.eye(3, dtype=torch.float64)
    return AutoencoderModule(
        nn.Sequential(module.encoder, last),
        module.decoder,
        link=module.link,
        scale=module.scale,
        stream=RandomStream(1),
    )


# Sparsity -----------------------------------------------------------------------------


def test_plain_l1_by_hand():
    code = torch.tensor([[3.0, -1.0], [0.0, -4.0]])
    values = L1Sparsity(0.5, normalize=False)(None, {"code": code}, None)
    assert values.tolist() == [2.0, 2.0]


def test_normalized_l1_by_hand():
    # Root mean squares of the units: sqrt(8) and sqrt(18), so 4 / sqrt(8) = sqrt(2)
    # and 6 / sqrt(18) = sqrt(2), times 10.
    code = torch.tensor([[4.0, 0.0], [0.0, -6.0]])
    values = L1Sparsity(10.0)(None, {"code": code}, None)
    assert values.tolist() == pytest.approx([10 * 2**0.5] * 2, rel=1e-6)


@pytest.mark.parametrize("factor", [1e-3, 7.0, (1e-3, 0.1, 1.0, 7.0, 1e4)])
def test_normalized_l1_does_not_depend_on_the_scale_of_a_unit(factor):
    code = _rows()
    scaled = code * torch.tensor(factor, dtype=code.dtype)
    one, other = (L1Sparsity(1.0)(None, {"code": c}, None) for c in (code, scaled))
    torch.testing.assert_close(one, other, rtol=1e-12, atol=0)


def test_normalized_l1_gains_nothing_from_a_smaller_code():
    # Its gradient along each unit is zero; that of the plain sum is the sum itself.
    code = _rows().requires_grad_()
    for normalize in (True, False):
        total = L1Sparsity(1.0, normalize=normalize)(None, {"code": code}, None).sum()
        (gradient,) = torch.autograd.grad(total, code)
        along = (gradient * code).sum(0)
        expected = torch.zeros(5).double() if normalize else code.abs().sum(0)
        torch.testing.assert_close(along, expected, rtol=1e-12, atol=1e-12)


def test_normalized_l1_prefers_units_that_are_rarely_active():
    # Four rows of a unit that is 1 each time, and of one that is 2 once: the root
    # mean squares are 1, the sums 4 and 2.
    often = torch.ones(4, 1)
    seldom = torch.tensor([[2.0], [0.0], [0.0], [0.0]])
    one, other = (L1Sparsity(1.0)(None, {"code": c}, None) for c in (often, seldom))
    assert (one.sum().item(), other.sum().item()) == (4.0, 2.0)


@pytest.mark.parametrize("normalize", [True, False])
def test_l1_of_a_dead_code_is_zero_with_a_finite_gradient(normalize):
    code = torch.zeros(4, 3, requires_grad=True)
    values = L1Sparsity(1.0, normalize=normalize)(None, {"code": code}, None)
    values.sum().backward()
    assert values.tolist() == [0.0] * 4
    assert torch.isfinite(code.grad).all()


def test_kl_sparsity_by_hand():
    # Means 0.1 and 0.5 for a target of 0.1: the first unit costs nothing, the second
    # 0.1 log(0.1 / 0.5) + 0.9 log(0.9 / 0.5).
    code = torch.tensor([[0.0, 0.25], [0.2, 0.75]])
    values = KLSparsity(2.0, target_activation=0.1)(None, {"code": code}, None)
    expected = 2 * (0.1 * math.log(0.2) + 0.9 * math.log(1.8))
    assert values.tolist() == pytest.approx([expected, expected], rel=1e-5)


@pytest.mark.parametrize("target", [0.01, 0.05, 0.5, 0.9])
def test_kl_sparsity_is_smallest_at_its_target(target):
    penalty = KLSparsity(1.0, target_activation=target)

    def at(mean):
        code = torch.full((2, 3), mean, dtype=torch.float64)
        return penalty(None, {"code": code}, None)[0].item()

    assert at(target) == pytest.approx(0, abs=1e-12)
    assert at(target * 0.9) > 0
    assert at(target + 0.1 * (1 - target)) > 0


@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_kl_sparsity_of_a_saturated_unit_is_finite(mean):
    code = torch.full((3, 2), mean, requires_grad=True)
    values = KLSparsity(1.0)(None, {"code": code}, None)
    values.sum().backward()
    assert values.shape == (3,)
    assert torch.isfinite(values).all()
    assert torch.isfinite(code.grad).all()


# Contraction --------------------------------------------------------------------------


def test_plain_contraction_of_a_linear_encoder_by_hand():
    # Sum of the squared weights, 1 + 4 + 9 = 14, times the scale squared and lambda.
    module = _module(n_components=1, scale=3.0)
    module.encoder[0].weight.data = torch.tensor([[1.0, 2.0, 3.0, 0.0, 0.0]]).double()
    x = _rows(4)
    values = Contraction(0.5, normalize=False)(x, module(x), module)
    assert values.tolist() == pytest.approx([0.5 * 14 * 9] * 4, rel=1e-12)


def test_normalized_contraction_by_hand():
    # z = 2 x1 with x1 = -1, 1: a variance of 8 (two rows), a squared slope of 4.
    module = _module(n_components=1)
    module.encoder[0].weight.data = torch.tensor([[2.0, 0, 0, 0, 0]]).double()
    x = torch.tensor([[-1.0, 0, 0, 0, 0], [1.0, 0, 0, 0, 0]]).double()
    values = Contraction(1.0)(x, module(x), module)
    assert values.tolist() == pytest.approx([0.5, 0.5], rel=1e-12)


@pytest.mark.parametrize("jacobian", ["exact", "stochastic"])
@pytest.mark.parametrize("hidden", [(), (4,), (4, 4)])
@pytest.mark.parametrize("factor", [1e-3, 0.1, 7.0, 1e3])
def test_contraction_does_not_depend_on_the_scale_of_the_code(jacobian, hidden, factor):
    module, x = _module(*hidden), _rows()
    stretched = _stretched(module, factor)
    penalty = Contraction(1.0, jacobian=jacobian)
    one = penalty(x, module(x), module)
    other = penalty(x, stretched(x), stretched)
    torch.testing.assert_close(one, other, rtol=1e-10, atol=0)


def test_contraction_gains_nothing_from_a_smaller_code():
    module, x = _module(4), _rows()
    for normalize in (True, False):
        last = module.encoder[-1]
        penalty = Contraction(1.0, normalize=normalize)
        total = penalty(x, module(x), module).sum()
        grads = torch.autograd.grad(total, [last.weight, last.bias], allow_unused=True)
        along = sum(
            (gradient * parameter).sum().item()
            for gradient, parameter in zip(grads, last.parameters(), strict=True)
            if gradient is not None
        )
        # A norm of degree two grows by twice itself.
        expected = 0.0 if normalize else 2 * total.item()
        assert along == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("hidden", [(), (4,), (4, 4)])
@pytest.mark.parametrize("factor", [1e-3, 100.0])
def test_contraction_does_not_depend_on_the_units_of_x(hidden, factor):
    # In units of its scale, 100 x with 1/100 of the weights is the same problem.
    module, x = _module(*hidden), _rows()
    other = _module(*hidden, scale=factor)
    other.encoder[0].weight.data /= factor
    penalty = Contraction(0.3, jacobian="exact")
    torch.testing.assert_close(
        penalty(x, module(x), module),
        penalty(factor * x, other(factor * x), other),
        rtol=1e-10,
        atol=0,
    )


def test_stochastic_contraction_is_right_on_average():
    module = _module(4, 4)
    x = _rows(4).repeat(3000, 1)
    exact, estimate = (
        Contraction(1.0, jacobian=jacobian)(x, module(x), module).mean().item()
        for jacobian in ("exact", "stochastic")
    )
    # 12 000 draws; one is off by less than its own size.
    assert estimate == pytest.approx(exact, rel=0.03)


def test_auto_is_exact_where_that_is_cheap_and_stochastic_elsewhere():
    x = _rows()
    for hidden, code, same in (((4,), None, "exact"), ((4, 4), None, "stochastic")):
        values = {
            jacobian: Contraction(1.0, jacobian=jacobian)(x, module(x), module)
            for jacobian in ("auto", "exact", "stochastic")
            for module in [_module(*hidden, code=code)]  # with a fresh stream
        }
        assert torch.equal(values["auto"], values[same])
        other = "stochastic" if same == "exact" else "exact"
        assert not torch.equal(values["auto"], values[other])


def test_n_probes_reach_the_estimate():
    # The rows of a batch share their directions up to signs, so it takes many batches.
    x, module = _rows(1).expand(50, 5), _module(4, 4)
    few, many = (
        torch.stack(
            [
                Contraction(1.0, jacobian="stochastic", n_probes=n, normalize=False)(
                    x, {"code": x}, module
                )
                for _ in range(100)
            ]
        ).var()
        for n in (1, 2)
    )
    # 3 units, so K = 4: (3 / 3) / (2 / 3 / 2).
    assert (few / many).item() == pytest.approx(3, rel=0.2)


def test_contraction_is_at_the_clean_rows():
    # The steps of a corrupted batch may not be used again.
    module, x = _module(4), _rows()
    clean, noisy = module(x), module(x + 1)
    penalty = Contraction(1.0, normalize=False)
    torch.testing.assert_close(
        penalty(x, noisy, module), penalty(x, clean, module), rtol=1e-12, atol=0
    )


@pytest.mark.parametrize("jacobian", ["exact", "stochastic"])
def test_contraction_of_held_out_rows_needs_no_graph(jacobian):
    module, x = _module(4, 4), _rows()
    with torch.no_grad():
        values = Contraction(1.0, jacobian=jacobian)(x, module(x), module)
    assert not values.requires_grad
    assert torch.isfinite(values).all()


def test_contraction_of_a_single_row_is_finite():
    module, x = _module(4), _rows(1)
    values = Contraction(1.0)(x, module(x), module)
    assert values.shape == (1,)
    assert torch.isfinite(values).all()


def test_contraction_of_a_dead_code_is_finite():
    module, x = _module(4), _rows()
    module.encoder[-1].weight.data.zero_()
    values = Contraction(1.0)(x, module(x), module)
    values.sum().backward()
    assert torch.isfinite(values).all()


def test_contraction_of_a_variational_encoder_is_that_of_the_mean():
    module = _module(4, cls=VariationalAutoencoderModule)
    x = _rows()
    mean = AutoencoderModule(
        module.encoder_layers(),
        module.decoder,
        link=module.link,
        scale=1.0,
        stream=module.stream,
    )
    penalty = Contraction(1.0, jacobian="exact", normalize=False)
    torch.testing.assert_close(
        penalty(x, module(x), module), penalty(x, mean(x), mean), rtol=1e-12, atol=0
    )


# The divergence from the prior --------------------------------------------------------


def test_kl_divergence_by_hand():
    # mu = (1, 0), sigma^2 = (1, e): (1 + 0) / 2 + (e - 1 - 1) / 2.
    output = {
        "mean": torch.tensor([[1.0, 0.0]]),
        "log_var": torch.tensor([[0.0, 1.0]]),
    }
    values = KLDivergence(3.0)(None, output, None)
    assert values.tolist() == pytest.approx([1.5 + 1.5 * (math.e - 2)], rel=1e-6)


def test_kl_divergence_is_that_of_torch():
    mean, log_var = _rows(), _rows(seed=1)
    values = KLDivergence()(None, {"mean": mean, "log_var": log_var}, None)
    posterior = torch.distributions.Normal(mean, torch.exp(0.5 * log_var))
    prior = torch.distributions.Normal(torch.zeros_like(mean), 1)
    expected = torch.distributions.kl_divergence(posterior, prior).sum(1)
    torch.testing.assert_close(values, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("n_epochs", "share"), [(0, 0.0), (1, 0.25), (2, 0.5), (4, 1.0), (9, 1.0)]
)
def test_warm_up_raises_the_weight_in_training(n_epochs, share):
    module = _module(cls=VariationalAutoencoderModule)
    module.n_epochs = n_epochs
    output = {"mean": torch.ones(2, 3), "log_var": torch.zeros(2, 3)}
    values = KLDivergence(2.0, warmup=4)(None, output, module)
    assert values.tolist() == [share * 3.0] * 2


def test_warm_up_does_not_change_validation():
    # Otherwise the validation loss of two epochs could not be compared.
    module = _module(cls=VariationalAutoencoderModule).eval()
    output = {"mean": torch.ones(2, 3), "log_var": torch.zeros(2, 3)}
    assert KLDivergence(2.0, warmup=4)(None, output, module).tolist() == [3.0, 3.0]


# Every penalty ------------------------------------------------------------------------


ALL = [
    L1Sparsity(0.2, normalize=False),
    KLSparsity(0.2, target_activation=0.1),
    Contraction(0.2, jacobian="stochastic", n_probes=2, normalize=False),
    KLDivergence(0.2, warmup=3),
]


@pytest.mark.parametrize("penalty", ALL, ids=lambda penalty: type(penalty).__name__)
def test_penalties_give_one_value_for_each_row(penalty):
    module = _module(4, cls=VariationalAutoencoderModule, code=nn.Sigmoid())
    x = _rows()
    assert penalty(x, module(x), module).shape == (len(x),)


@pytest.mark.parametrize("penalty", ALL, ids=lambda penalty: type(penalty).__name__)
def test_penalties_are_proportional_to_their_weight(penalty):
    x = _rows()
    values = []
    for weight in (0.2, 0.6):
        module = _module(4, cls=VariationalAutoencoderModule, code=nn.Sigmoid())
        module.n_epochs = 1
        values.append(clone(penalty).set_params(weight=weight)(x, module(x), module))
    torch.testing.assert_close(3 * values[0], values[1], rtol=1e-12, atol=0)


@pytest.mark.parametrize("penalty", ALL, ids=lambda penalty: type(penalty).__name__)
def test_penalties_are_cloned_with_their_numbers(penalty):
    assert clone(penalty).get_params() == penalty.get_params()


@pytest.mark.parametrize(
    ("penalty", "name"),
    [
        (L1Sparsity(-1), "weight"),
        (L1Sparsity(normalize="no"), "normalize"),
        (KLSparsity(-1), "weight"),
        (KLSparsity(target_activation=1), "target_activation"),
        (Contraction(-1), "weight"),
        (Contraction(jacobian="numeric"), "jacobian"),
        (Contraction(n_probes=0), "n_probes"),
        (Contraction(normalize=None), "normalize"),
        (KLDivergence(-1), "weight"),
        (KLDivergence(warmup=1.5), "warmup"),
    ],
)
def test_parameters_of_penalties_are_constrained(penalty, name):
    type(penalty)()._validate_params()
    assert set(penalty._parameter_constraints) == set(penalty.get_params())
    match = f"'{name}' parameter of {type(penalty).__name__}"
    with pytest.raises(InvalidParameterError, match=match):
        penalty._validate_params()
