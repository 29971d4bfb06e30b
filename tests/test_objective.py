"""The objective: the sum of its terms, and what it refuses."""

import pytest
import torch
from torch import nn

from skae._data.batches import Batch
from skae._networks.autoencoder import AutoencoderModule
from skae._objective.losses import LIKELIHOODS, LOSSES, Loss
from skae._objective.objective import Objective
from skae._objective.penalties import L1Sparsity
from skae._random import RandomStream


def _module(scale=1.0):
    return AutoencoderModule(
        nn.Linear(4, 2),
        nn.Linear(2, 4),
        link=nn.Identity(),
        scale=scale,
        stream=RandomStream(0),
    ).double()


def _rows(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(6, 4, generator=generator, dtype=torch.float64)


def _constant(value):
    return lambda x, output, module: x.new_full((len(x),), value)


def test_objective_by_hand():
    # Squares 4 + 0 and 0 + 16, halved and divided by the squared scale of 2: 0.5 and 2;
    # the mean over rows is 1.25, and the penalties add 3 and 4.
    objective = Objective(
        LOSSES["squared_error"], [("a", _constant(3.0)), ("b", _constant(4.0))]
    )
    output = {"reconstruction": torch.tensor([[2.0, 0.0], [1.0, 4.0]])}
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    total, terms = objective(output, Batch(x), _module(scale=2.0))
    assert {name: term.item() for name, term in terms.items()} == {
        "reconstruction": 1.25,
        "a": 3.0,
        "b": 4.0,
    }
    assert total.item() == 8.25


@pytest.mark.parametrize("n_penalties", [0, 1, 3])
def test_terms_sum_to_the_total(n_penalties):
    penalties = [(f"p{i}", L1Sparsity(0.1 + i)) for i in range(n_penalties)]
    module, x = _module(), _rows()
    objective = Objective(LOSSES["squared_error"], penalties)
    total, terms = objective(module(x), Batch(x), module)
    assert list(terms) == ["reconstruction", *(name for name, _ in penalties)]
    torch.testing.assert_close(total, sum(terms.values()), rtol=1e-14, atol=0)
    total.backward()
    assert module.encoder.weight.grad is not None


def test_second_penalty_is_not_dropped():
    module, x = _module(), _rows()
    output = module(x)
    once, twice = (
        Objective(LOSSES["squared_error"], penalties)(output, Batch(x), module)[0]
        for penalties in (
            [("one", L1Sparsity(0.5))],
            [("one", L1Sparsity(0.5)), ("two", L1Sparsity(0.5))],
        )
    )
    alone = L1Sparsity(0.5)(x, output, module).mean()
    torch.testing.assert_close(twice - once, alone, rtol=1e-12, atol=0)


@pytest.mark.parametrize("scale", [0.01, 1.0, 255.0])
def test_squared_error_does_not_depend_on_the_units_of_x(scale):
    x, reconstruction = _rows(), _rows(seed=1)
    objective = Objective(LOSSES["squared_error"], [])
    one = objective({"reconstruction": reconstruction}, Batch(x), _module())[0]
    output = {"reconstruction": scale * reconstruction}
    other = objective(output, Batch(scale * x), _module(scale=scale))[0]
    torch.testing.assert_close(one, other, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["binary_cross_entropy", "poisson"])
def test_likelihoods_of_discrete_data_are_not_scaled(name):
    x, reconstruction = _rows(), _rows(seed=1)
    objective = Objective(LOSSES[name], [])
    output = {"reconstruction": reconstruction}
    one = objective(output, Batch(x), _module())[0]
    other = objective(output, Batch(x), _module(scale=9.0))[0]
    assert torch.equal(one, other)


def test_variational_error_does_not_depend_on_the_units_of_x():
    x, reconstruction = _rows(), _rows(seed=1)
    objective = Objective(LIKELIHOODS["squared_error"], [])
    one = objective({"reconstruction": reconstruction}, Batch(x), _module())[0]
    output = {"reconstruction": 255 * reconstruction}
    other = objective(output, Batch(255 * x), _module(scale=255.0))[0]
    torch.testing.assert_close(one, other, rtol=1e-12, atol=0)


def test_loss_is_summed_over_features_and_averaged_over_rows():
    # Twice the columns is twice the loss; twice the rows is the same loss.
    x, reconstruction = _rows(), _rows(seed=1)
    objective = Objective(LOSSES["squared_error"], [])

    def of(a, b):
        return objective({"reconstruction": a}, Batch(b), _module())[0]

    once = of(reconstruction, x)
    wide = of(reconstruction.repeat(1, 2), x.repeat(1, 2))
    long = of(reconstruction.repeat(2, 1), x.repeat(2, 1))
    torch.testing.assert_close(wide, 2 * once, rtol=1e-12, atol=0)
    torch.testing.assert_close(long, once, rtol=1e-12, atol=0)


def test_loss_of_rows_and_of_entries_are_the_same():
    x, module = _rows(), _module()
    output = module(x)
    rows = Loss.of(lambda a, b: ((a - b) ** 2).sum(1))
    entries = Loss.of(nn.MSELoss(reduction="none"))
    torch.testing.assert_close(
        Objective(rows, [])(output, Batch(x), module)[0],
        Objective(entries, [])(output, Batch(x), module)[0],
        rtol=1e-12,
        atol=0,
    )


def test_custom_loss_is_called_as_torch_calls_it_in_the_units_of_x():
    seen = []

    def loss(reconstruction, x):
        seen.append((reconstruction, x))
        return (reconstruction - x).abs()

    x, module = _rows(), _module(scale=7.0)
    output = module(x)
    Objective(Loss.of(loss), [])(output, Batch(x), module)
    assert torch.equal(seen[0][0], output["reconstruction"])
    assert torch.equal(seen[0][1], x)


@pytest.mark.parametrize(
    ("loss", "shape"),
    [
        (nn.MSELoss(), r"\(\)"),
        (nn.MSELoss(reduction="sum"), r"\(\)"),
        (lambda a, b: (a - b).abs().mean(0), r"\(4,\)"),
        (lambda a, b: (a - b).abs().mean().reshape(1), r"\(1,\)"),
    ],
)
def test_loss_that_averages_over_rows_is_refused(loss, shape):
    x, module = _rows(), _module()
    match = f"tensor of shape {shape} for a batch of 6 rows.*reduction='none'"
    with pytest.raises(ValueError, match=match):
        Objective(Loss.of(loss), [])(module(x), Batch(x), module)


@pytest.mark.parametrize(
    ("penalty", "shape"),
    [
        (lambda x, output, module: x.mean(), r"\(\)"),
        (lambda x, output, module: x.abs(), r"\(6, 4\)"),
        (lambda x, output, module: x.abs().sum(0), r"\(4,\)"),
        (lambda x, output, module: x.abs().sum(1, keepdim=True), r"\(6, 1\)"),
    ],
)
def test_penalty_of_the_wrong_shape_is_refused(penalty, shape):
    x, module = _rows(), _module()
    objective = Objective(LOSSES["squared_error"], [("custom", penalty)])
    match = f"'custom' returned a tensor of shape {shape}, but one value for each of 6"
    with pytest.raises(ValueError, match=match):
        objective(module(x), Batch(x), module)


def test_penalties_get_the_clean_rows_the_output_and_the_module():
    seen = []

    def penalty(x, output, module):
        seen.append((x, output, module))
        return output.code.abs().sum(1)  # as an attribute, too

    x, module = _rows(), _module()
    output = module(x + 1)
    Objective(LOSSES["squared_error"], [("custom", penalty)])(output, Batch(x), module)
    ((seen_x, seen_output, seen_module),) = seen
    assert seen_x is x
    assert seen_module is module
    assert seen_output["code"] is output["code"]
    assert set(seen_output) == {"code", "reconstruction"}


def test_changes_that_a_penalty_makes_to_its_output_have_no_effect():
    def greedy(x, output, module):
        output["code"] = None
        return x.new_zeros(len(x))

    x, module = _rows(), _module()
    output = module(x)
    Objective(LOSSES["squared_error"], [("custom", greedy)])(output, Batch(x), module)
    assert output["code"] is not None


# Weights and masks --------------------------------------------------------------------


@pytest.mark.parametrize("losses", [LOSSES, LIKELIHOODS], ids=["loss", "likelihood"])
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_equal_weights_and_a_full_mask_change_nothing(losses, name):
    # The fast path of torch against the plain sums.
    x, module = _rows(), _module(scale=3.0)
    objective = Objective(losses[name], [("code", L1Sparsity(0.1, normalize=False))])
    output = module(x)
    plain, _ = objective(output, Batch(x), module)
    ones = torch.ones(len(x), dtype=x.dtype)
    for batch in (
        Batch(x, weight=2 * ones),
        Batch(x, mask=torch.ones_like(x).bool()),
        Batch(x, weight=ones, mask=torch.ones_like(x).bool()),
    ):
        found, _ = objective(output, batch, module)
        torch.testing.assert_close(found, plain, rtol=1e-12, atol=0)


@pytest.mark.parametrize("losses", [LOSSES, LIKELIHOODS], ids=["loss", "likelihood"])
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_weight_of_two_is_the_row_twice_and_of_zero_its_absence(losses, name):
    x, module = _rows(), _module()
    objective = Objective(losses[name], [("code", L1Sparsity(0.1, normalize=False))])
    weight = torch.tensor([2.0, 1.0, 1.0, 0.0, 1.0, 2.0], dtype=x.dtype)
    weighted, _ = objective(module(x), Batch(x, weight=weight), module)
    repeated = x[[0, 0, 1, 2, 4, 5, 5]]
    plain, _ = objective(module(repeated), Batch(repeated), module)
    torch.testing.assert_close(weighted, plain, rtol=1e-12, atol=0)


def test_masked_entries_do_not_count():
    # Squares 4 and 16, halved; that of the masked entry, 9, is left out.
    output = {"reconstruction": torch.tensor([[2.0, 3.0], [1.0, 4.0]])}
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    mask = torch.tensor([[True, False], [True, True]])
    objective = Objective(LOSSES["squared_error"], [])
    total, _ = objective(output, Batch(x, mask=mask), _module())
    assert total.item() == (2.0 + 8.0) / 2


def test_a_mask_needs_a_loss_of_entries():
    x, module = _rows(), _module()
    objective = Objective(Loss.of(lambda a, b: ((a - b) ** 2).sum(1)), [])
    with pytest.raises(ValueError, match="one value for each entry"):
        objective(module(x), Batch(x, mask=torch.ones_like(x).bool()), module)
