"""Losses against their formulas, in numbers worked by hand."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from skae._objective.losses import (
    LIKELIHOODS,
    LOSSES,
    Exp,
    binary_cross_entropy,
    huber,
    mean_gaussian,
    mean_squared_error,
    poisson,
    squared_error,
)


def _pair(seed=0, shape=(5, 3)):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(shape, generator=generator, dtype=torch.float64),
        torch.rand(shape, generator=generator, dtype=torch.float64),
    )


def test_squared_error_is_half_the_square():
    # (3 - 1)^2 / 2 = 2, (0 - 4)^2 / 2 = 8
    values = squared_error(torch.tensor([[3.0, 0.0]]), torch.tensor([[1.0, 4.0]]))
    assert values.tolist() == [[2.0, 8.0]]


def test_gaussian_by_hand():
    # Squares 1 and 9: the variance is 5, so 1/10 and 9/10, plus log(10 pi) / 2; the
    # mean of the two rows is 1/2 and that constant. In units of 2 the variance is 5/4.
    reconstruction = torch.tensor([[1.0], [3.0]])
    for scale, variance in ((1.0, 5.0), (2.0, 1.25)):
        value = mean_gaussian(reconstruction, torch.zeros(2, 1), scale)
        expected = 0.5 + 0.5 * math.log(2 * math.pi * variance)
        assert value.item() == pytest.approx(expected, rel=1e-6)


def test_gaussian_is_the_likelihood_at_its_best_variance():
    reconstruction, x = _pair()
    found = mean_gaussian(reconstruction, x, 1.0)
    squares = (reconstruction - x) ** 2

    def mean_at(variance):
        density = torch.distributions.Normal(reconstruction, variance**0.5)
        return -density.log_prob(x).sum(1).mean()

    best = squares.mean()
    torch.testing.assert_close(found, mean_at(best), rtol=1e-12, atol=0)
    for factor in (0.5, 0.9, 1.1, 2.0):
        assert found < mean_at(factor * best)


def test_gaussian_has_the_gradient_of_its_profile():
    # d/dx of (D/2) log(mean squares): the variance held fixed loses nothing.
    reconstruction, x = _pair()
    reconstruction.requires_grad_()
    (held,) = torch.autograd.grad(mean_gaussian(reconstruction, x, 1.0), reconstruction)
    profile = 0.5 * x.shape[1] * torch.log(((reconstruction - x) ** 2).mean())
    (full,) = torch.autograd.grad(profile, reconstruction)
    torch.testing.assert_close(held, full, rtol=1e-12, atol=1e-15)


def test_gaussian_of_a_perfect_reconstruction_is_finite():
    x = torch.ones(3, 2, requires_grad=True)
    value = mean_gaussian(x, torch.ones(3, 2), 1.0)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(x.grad).all()


def test_cross_entropy_by_hand():
    # Logit 0 is p = 1/2: log 2 whatever x is. Logit log 3 is p = 3/4: at x = 1 the
    # value is log(4/3), at x = 0 it is log 4.
    logits = torch.tensor([[0.0, math.log(3), math.log(3)]])
    values = binary_cross_entropy(logits, torch.tensor([[0.3, 1.0, 0.0]]))
    expected = [math.log(2), math.log(4 / 3), math.log(4)]
    assert values[0].tolist() == pytest.approx(expected, rel=1e-6)


def test_cross_entropy_of_extreme_logits_is_finite():
    logits = torch.tensor([[200.0, -200.0]])
    values = binary_cross_entropy(logits, torch.tensor([[0.0, 1.0]]))
    assert values.tolist() == [[200.0, 200.0]]


def test_poisson_by_hand():
    # Rate e: e - x. At x = 2 that is e - 2, with log(2!) left out.
    values = poisson(torch.ones(1, 2), torch.tensor([[0.0, 2.0]]))
    assert values[0].tolist() == pytest.approx([math.e, math.e - 2], rel=1e-6)


def test_poisson_is_the_likelihood_less_its_constant():
    log_rate, _ = _pair()
    x = torch.randint(0, 9, log_rate.shape).double()
    density = torch.distributions.Poisson(log_rate.exp()).log_prob(x)
    torch.testing.assert_close(
        poisson(log_rate, x), -density - torch.lgamma(x + 1), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("name", sorted(LIKELIHOODS))
def test_losses_give_a_value_for_each_entry(name):
    reconstruction, x = _pair()
    assert LIKELIHOODS[name].function(reconstruction, x, 1.0).shape == x.shape


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_start_is_the_mean_of_the_data_once_linked(name):
    # The bias of a decoder that gives nothing else: its reconstruction is the mean.
    loss = LOSSES[name]
    mean = np.array([0.02, 0.4, 0.97])
    linked = loss.link()(torch.as_tensor(loss.start(mean)))
    np.testing.assert_allclose(linked.numpy(), mean, rtol=1e-12)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_start_is_finite_for_constant_features(name):
    start = LOSSES[name].start(np.array([0.0, 1.0]))
    assert np.isfinite(start).all()
    assert np.abs(start).max() < 5


def test_links_undo_logits_and_log_rates():
    assert LOSSES["squared_error"].link is nn.Identity
    assert LOSSES["binary_cross_entropy"].link is nn.Sigmoid
    x = torch.tensor([0.0, 1.0, -2.0])
    torch.testing.assert_close(Exp()(x), x.exp(), rtol=0, atol=0)


@pytest.mark.parametrize("name", sorted(LOSSES))
@pytest.mark.parametrize("scale", [0.5, 255.0, 1e-10, 1e10])
def test_mean_is_what_the_entries_give(name, scale):
    # Squared errors are taken in units of the scale, likelihoods are not.
    loss = LOSSES[name]
    reconstruction, x = (value.float() for value in _pair())
    unit = scale if loss.degree else 1.0
    expected = loss.function(reconstruction, x, 1.0).sum(1).mean()
    scaled = unit * reconstruction, unit * x, scale
    if loss.fused is not None:
        fused = loss.fused(*scaled)
        torch.testing.assert_close(fused, expected, rtol=1e-5, atol=0)
    entries = loss.for_training(*scaled)
    torch.testing.assert_close(entries.sum(1).mean(), expected, rtol=1e-5, atol=0)


def test_gaussian_in_units_of_any_scale():
    reconstruction, x = (value.float() for value in _pair())
    values = [
        mean_gaussian(scale * reconstruction, scale * x, scale)
        for scale in (1.0, 255.0, 1e-10, 1e10)
    ]
    for value in values[1:]:
        torch.testing.assert_close(value, values[0], rtol=1e-5, atol=0)


@pytest.mark.parametrize("extremes", [(-0.1, 1.0), (0.0, 1.01), (0.0, 255.0)])
def test_cross_entropy_refuses_values_outside_0_to_1(extremes):
    low, high = extremes
    match = f"between 0 and 1, but X runs from {low:g} to {high:g}.*MinMaxScaler"
    with pytest.raises(ValueError, match=match):
        LOSSES["binary_cross_entropy"].checked(np.array([extremes]), low, high)


def test_poisson_refuses_negative_values():
    with pytest.raises(ValueError, match="counts of at least 0, but X holds -1"):
        LOSSES["poisson"].checked(np.array([[-1.0, 5.0]]), -1.0, 5.0)


@pytest.mark.parametrize(
    ("name", "extremes"),
    [
        ("squared_error", (-1e9, 1e9)),
        ("huber", (-1e9, 1e9)),
        ("binary_cross_entropy", (0.0, 1.0)),
        ("poisson", (0.0, 1e6)),
    ],
)
def test_losses_take_their_whole_range(name, extremes):
    rows = np.array([extremes])
    assert LOSSES[name].checked(rows, *extremes) is rows
    assert LOSSES[name].clipped(rows) is rows


def test_the_same_names_are_losses_and_likelihoods():
    assert set(LOSSES) == set(LIKELIHOODS)
    assert LIKELIHOODS["squared_error"].fused is mean_gaussian
    assert LOSSES["squared_error"].fused is mean_squared_error


def test_huber_by_hand():
    # With a scale of 2: an error of 1 costs 1/2, one of 5 costs 2 (5 - 1) = 8.
    values = huber(torch.tensor([[1.0, -5.0]]), torch.zeros(1, 2), 2.0)
    assert values.tolist() == [[0.5, 8.0]]
    trained = LOSSES["huber"].for_training(
        torch.tensor([[1.0, -5.0]]), torch.zeros(1, 2), 2.0
    )
    assert trained.tolist() == [[0.125, 2.0]]  # in units of the scale


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_density_comes_with_draws_or_not_at_all(name):
    loss = LOSSES[name]
    assert (loss.log_density is None) == (loss.draw is None)


@pytest.mark.parametrize(
    ("name", "values", "variance"),
    [
        ("squared_error", np.linspace(-12, 14, 20_001), 2.0),
        ("binary_cross_entropy", np.array([0.0, 1.0]), None),
        ("poisson", np.arange(60.0), None),
    ],
)
def test_densities_integrate_to_one_and_draws_follow_them(name, values, variance):
    loss = LOSSES[name]
    decoded = torch.full((len(values), 1), 0.7, dtype=torch.float64)
    x = torch.as_tensor(values)[:, None]
    density = loss.log_density(decoded, x, variance).exp().numpy()[:, 0]
    step = values[1] - values[0]
    assert (density * step).sum() == pytest.approx(1, rel=1e-6)
    mean = loss.link()(torch.tensor([0.7], dtype=torch.float64)).numpy()
    draws = loss.draw(np.repeat(mean, 20_000), variance, np.random.RandomState(0))
    expected = (density * step * values).sum()
    deviation = np.sqrt((density * step * (values - expected) ** 2).sum())
    assert draws.mean() == pytest.approx(expected, abs=4 * deviation / 20_000**0.5)
    assert draws.std() == pytest.approx(deviation, rel=0.05)
