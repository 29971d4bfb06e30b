"""Streams of random numbers do not depend on the global generator."""

import pickle
import random
import threading

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn

from skae import AutoencoderTransformer
from skae._random import RandomStream


def _numpy_state():
    return np.random.get_state()[1]  # noqa: NPY002  the global one is what is watched


def _draw(stream, n=4):
    return torch.rand(n, generator=stream.on("cpu"))


def test_a_stream_is_decided_by_its_seed():
    assert torch.equal(_draw(RandomStream(1)), _draw(RandomStream(1)))
    assert not torch.equal(_draw(RandomStream(1)), _draw(RandomStream(2)))


def test_a_stream_continues():
    stream = RandomStream(1)
    assert not torch.equal(_draw(stream), _draw(stream))
    assert stream.on("cpu") is stream.on(torch.device("cpu"))


def test_global_generators_are_not_changed():
    states = torch.random.get_rng_state(), _numpy_state(), random.getstate()
    stream = RandomStream(1)
    _draw(stream)
    with stream.as_global():
        nn.Linear(3, 3)
        torch.rand(5)
    assert torch.equal(states[0], torch.random.get_rng_state())
    np.testing.assert_array_equal(states[1], _numpy_state())
    assert states[2] == random.getstate()


def test_a_stream_does_not_depend_on_the_global_generator():
    torch_state = torch.random.get_rng_state()
    try:
        drawn = []
        for seed in (0, 1):
            torch.manual_seed(seed)
            with RandomStream(5).as_global():
                drawn.append(torch.rand(4))
    finally:
        torch.random.set_rng_state(torch_state)
    assert torch.equal(*drawn)


def test_a_block_draws_what_the_stream_would_have_drawn():
    inside, outside = RandomStream(3), RandomStream(3)
    with inside.as_global():
        drawn = torch.rand(4)
    assert torch.equal(drawn, _draw(outside))
    # ... and both continue from the same state.
    assert torch.equal(_draw(inside), _draw(outside))


def test_a_second_block_continues_where_the_first_ended():
    stream, whole = RandomStream(3), RandomStream(3)
    drawn = []
    for _ in range(2):
        with stream.as_global():
            drawn.append(torch.rand(4))
    assert torch.equal(torch.cat(drawn), torch.rand(8, generator=whole.on("cpu")))


def test_the_global_generator_is_restored_after_an_exception():
    before, stream = torch.random.get_rng_state(), RandomStream(1)

    def fail():
        with stream.as_global():
            torch.rand(3)
            raise RuntimeError("in the block")

    with pytest.raises(RuntimeError, match="in the block"):
        fail()
    assert torch.equal(before, torch.random.get_rng_state())
    with stream.as_global():  # the lock is free again
        torch.rand(1)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_block_inside_a_block_does_not_wait_for_itself():
    # A builder of a user may fit another autoencoder.
    before, done = torch.random.get_rng_state(), []

    def nested():
        outer, inner = RandomStream(1), RandomStream(2)
        with outer.as_global():
            first = torch.rand(2)
            with inner.as_global():
                torch.rand(7)
            done.append(torch.cat([first, torch.rand(2)]))

    thread = threading.Thread(target=nested, daemon=True)
    thread.start()
    thread.join(timeout=10)
    assert done, "the inner block waits for the outer one"
    assert torch.equal(done[0], _draw(RandomStream(1)))
    assert torch.equal(before, torch.random.get_rng_state())


def test_threads_do_not_disturb_each_other():
    before = torch.random.get_rng_state()
    drawn = {}

    def work(seed):
        stream = RandomStream(seed)
        parts = []
        for _ in range(50):
            with stream.as_global():
                parts.append(torch.rand(3))
        drawn[seed] = torch.cat(parts)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(8):
        expected = torch.rand(150, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(drawn[seed], expected)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("n_drawn", [0, 5])
def test_a_pickled_stream_continues_where_it_was(n_drawn):
    stream = RandomStream(4)
    torch.rand(n_drawn, generator=stream.on("cpu"))
    again = pickle.loads(pickle.dumps(stream))
    assert again.seed == 4
    assert torch.equal(_draw(again), _draw(stream))


def test_a_stream_of_a_gpu_is_loaded_without_one(monkeypatch):
    # What __getstate__ gives on a GPU, with the state of a generator of 16 bytes.
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    cpu = torch.Generator().manual_seed(9).get_state()
    state = {"seed": 4, "states": {"cpu": cpu, "cuda:0": torch.zeros(16).byte()}}
    stream = RandomStream.__new__(RandomStream)
    stream.__setstate__(state)
    expected = torch.rand(4, generator=torch.Generator().manual_seed(9))
    assert torch.equal(_draw(stream), expected)
    again = pickle.loads(pickle.dumps(stream))
    assert not torch.equal(_draw(again), expected)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_augmentations_that_draw_from_the_global_generator_are_seeded(early_stopping):
    X = np.random.RandomState(0).standard_normal((80, 5))
    before = torch.get_rng_state()

    def fit(noise):
        ae = AutoencoderTransformer(
            2, augmentation=noise, max_epochs=2, early_stopping=early_stopping
        )
        return ae.set_params(random_state=0).fit(X).transform(X)

    first = fit(lambda x, generator: x + torch.randn_like(x))
    assert_array_equal(torch.get_rng_state(), before)
    torch.manual_seed(3)
    assert_array_equal(fit(lambda x, generator: x.add_(torch.randn_like(x))), first)


def test_a_block_goes_on_in_the_stream():
    stream, alone = RandomStream(0), RandomStream(0)
    with stream.as_global():
        first = stream.normal_like(torch.zeros(3))
        with stream.as_global():
            second = torch.randn(3)
        third = stream.normal_like(torch.zeros(3))
    drawn = [first, second, third, stream.normal_like(torch.zeros(3))]
    expected = [alone.normal_like(torch.zeros(3)) for _ in range(4)]
    assert_array_equal(torch.stack(drawn), torch.stack(expected))


def test_noise_is_new_in_every_batch_beside_code_of_the_user():
    seen = []

    def penalty(x, output, module):
        seen.append(module.stream.normal_like(x[0, :1]).item())
        return 0 * x.sum(1)

    X = np.random.RandomState(0).standard_normal((300, 5))
    ae = AutoencoderTransformer(2, penalty=penalty, batch_size=20, max_epochs=2)
    ae.set_params(random_state=0, early_stopping=False).fit(X)
    assert len(set(seen)) == len(seen) > 20
