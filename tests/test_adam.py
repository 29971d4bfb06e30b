"""Our step of Adam against torch's own: equal bits, and its own where in doubt."""

import copy

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import StepLR
from torch.optim.optimizer import register_optimizer_step_pre_hook

from skae._training.fused_adam import make_step


def _network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 5))


def _run(network, optimizer, step, n_steps=6, change=None):
    x = torch.linspace(-1, 1, 30).reshape(6, 5)
    for i in range(n_steps):
        if change is not None:
            change(i, optimizer, network)
        optimizer.zero_grad()
        ((network(x) - x) ** 2).sum().backward()
        step()


def _assert_same_bits(make_optimizer, change=None):
    one = _network()
    other = copy.deepcopy(one)
    optimizers = [make_optimizer(network) for network in (one, other)]
    _run(one, optimizers[0], optimizers[0].step, change=change)
    _run(other, optimizers[1], make_step(optimizers[1]), change=change)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
    states = [optimizer.state_dict()["state"] for optimizer in optimizers]
    for i, state in states[0].items():
        assert state.keys() == states[1][i].keys()
        assert all(torch.equal(state[name], states[1][i][name]) for name in state)


@pytest.mark.parametrize("kind", [Adam, AdamW])
@pytest.mark.parametrize(
    "settings",
    [{}, {"weight_decay": 0.1}, {"betas": (0.5, 0.6), "eps": 1e-3}, {"lr": 0.2}],
)
def test_plain_fused_adam_has_the_same_bits(kind, settings):
    def make(network):
        return kind(network.parameters(), **{"fused": True, **settings})

    assert make_step(make(_network())).__qualname__.startswith("make_step")
    _assert_same_bits(make)


@pytest.mark.parametrize("kind", [Adam, AdamW])
def test_groups_of_older_torch_have_the_same_bits(kind):
    def make(network):
        return kind(network.parameters(), weight_decay=0.1, fused=True)

    def forget(i, optimizer, network):
        optimizer.param_groups[0].pop("decoupled_weight_decay", None)

    one = _network()
    other = copy.deepcopy(one)
    theirs, ours = make(one), make(other)
    _run(one, theirs, theirs.step)
    _run(other, ours, make_step(ours), n_steps=1)  # torch's own, which makes the state
    _run(other, ours, make_step(ours), n_steps=5, change=forget)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_groups_keep_their_settings():
    def make(network):
        groups = [
            {"params": network[0].parameters(), "lr": 0.1},
            {"params": network[2].parameters(), "weight_decay": 0.5},
        ]
        return Adam(groups, lr=0.01, fused=True)

    _assert_same_bits(make)


def test_a_rate_that_changes_is_followed():
    def change(i, optimizer, network):
        optimizer.param_groups[0]["lr"] = 0.1 / (1 + i)

    _assert_same_bits(lambda net: Adam(net.parameters(), fused=True), change)


def test_parameters_without_gradient_are_left_alone():
    def change(i, optimizer, network):
        network[0].weight.requires_grad_(i % 3 != 1)

    _assert_same_bits(lambda net: Adam(net.parameters(), fused=True), change)


def test_a_state_from_before_is_gone_on_with():
    network = _network()
    optimizer = Adam(network.parameters(), fused=True)
    _run(network, optimizer, optimizer.step, n_steps=2)
    _run(network, optimizer, make_step(optimizer), n_steps=3)
    assert {state["step"].item() for state in optimizer.state.values()} == {5.0}


@pytest.mark.parametrize(
    "make",
    [
        lambda p: SGD(p, lr=0.1),
        lambda p: Adam(p, fused=False),
        lambda p: Adam(p, foreach=True),
        lambda p: Adam(p, fused=True, amsgrad=True),
        lambda p: Adam(p, fused=True, maximize=True),
        lambda p: type("Mine", (Adam,), {})(p, fused=True),
        lambda p: Adam([*p, nn.Parameter(torch.ones(2).double())], fused=True),
    ],
)
def test_another_optimizer_makes_its_own_steps(make):
    optimizer = make(list(_network().parameters()))
    assert make_step(optimizer) == optimizer.step


def test_hooks_are_called():
    network, seen = _network(), []
    optimizer = Adam(network.parameters(), fused=True)
    handle = optimizer.register_step_post_hook(lambda *args: seen.append("own"))
    _run(network, optimizer, make_step(optimizer), n_steps=2)
    handle.remove()
    handle = register_optimizer_step_pre_hook(lambda *args: seen.append("global"))
    try:
        _run(network, optimizer, make_step(optimizer), n_steps=2)
    finally:
        handle.remove()
    assert seen == ["own"] * 2 + ["global"] * 2


@pytest.mark.filterwarnings("error")
def test_a_scheduler_of_torch_sees_the_steps():
    network = _network()
    optimizer = Adam(network.parameters(), fused=True)
    scheduler = StepLR(optimizer, step_size=1)
    _run(network, optimizer, make_step(optimizer), n_steps=1)
    scheduler.step()  # warns where it has seen no step
