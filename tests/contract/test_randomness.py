"""Seeds, generators, processes and threads."""

import os
import pickle
import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from cases import ALL, IMAGES, NAMED, OTHERS, ROWS, SMALL, codes_of, every, fitted
from helpers import process_context
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV

from skae import AutoencoderTransformer, DenoisingAutoencoder, VariationalAutoencoder


@every
def test_an_int_seed_gives_equal_bits(name):
    codes = fitted(name).transform(IMAGES)
    ae = ALL[name]()
    assert_array_equal(codes_of(ae), codes)
    assert_array_equal(codes_of(ae), codes)  # refit
    assert_array_equal(codes_of(clone(ae)), codes)
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002
    random.seed(99)
    assert_array_equal(codes_of(ae), codes)
    assert not np.array_equal(codes_of(ALL[name](random_state=1)), codes)


@pytest.mark.parametrize("name", [*NAMED, "contractive with builders"])
def test_random_state_behaves_as_in_scikit_learn(name):
    make = ALL[name]
    one, other = np.random.RandomState(5), np.random.RandomState(5)
    first, second = (codes_of(make(random_state=one)) for _ in range(2))
    assert not np.array_equal(first, second)  # an instance is drawn from
    assert_array_equal(codes_of(make(random_state=other)), first)
    assert_array_equal(codes_of(make(random_state=other)), second)
    ae = make(random_state=None)
    if "instance" not in name:
        assert not np.array_equal(codes_of(ae), codes_of(ae))


def test_methods_without_a_seed_differ_from_call_to_call():
    vae = VariationalAutoencoder(2, max_epochs=1).fit(ROWS)
    assert not np.array_equal(vae.sample(2), vae.sample(2))
    ae = DenoisingAutoencoder(2, max_epochs=1).fit(ROWS)
    assert not np.array_equal(ae.corrupt(ROWS), ae.corrupt(ROWS))
    rng = np.random.RandomState(0)
    assert not np.array_equal(
        ae.corrupt(ROWS, random_state=rng), ae.corrupt(ROWS, random_state=rng)
    )


def _global_state():
    return (
        torch.get_rng_state().numpy().tobytes(),
        pickle.dumps(np.random.get_state()),  # noqa: NPY002
        random.getstate(),
        torch.get_num_threads(),
        torch.get_num_interop_threads(),
        torch.get_default_dtype(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_grad_enabled(),
        dict(os.environ),
    )


@every
def test_global_state_is_not_changed(name):
    codes_of(ALL[name]())  # whatever is imported late is imported now
    before = _global_state()
    ae = ALL[name](validation_fraction=0.2).fit(IMAGES)
    ae.partial_fit(IMAGES)
    ae.transform(IMAGES)
    ae.score(IMAGES)
    ae.score_samples(IMAGES)
    ae.sensitivity(IMAGES[:2])
    ae.blend(IMAGES, OTHERS)
    ae.interpolate(IMAGES[0], OTHERS[0], path="spherical")
    if hasattr(ae, "corrupt"):
        ae.corrupt(IMAGES)
    if hasattr(ae, "sample"):
        ae.sample(2, noise=True)
        ae.log_likelihood(IMAGES, 2)
    assert _global_state() == before


class DrawsGlobally(BaseEstimator):
    """A custom corruption that draws from torch's global generator."""

    def __call__(self, x, generator):
        return x + torch.randn_like(x)


@pytest.mark.parametrize("slot", ["corruption", "loss", "penalty", "callable"])
def test_custom_parts_may_draw_from_the_global_generator(slot):
    parts = {
        "corruption": {"corruption": DrawsGlobally()},
        "callable": {"corruption": lambda x, generator: x + torch.randn_like(x)},
        "loss": {"loss": lambda r, x: torch.rand_like(x) * (r - x) ** 2},
        "penalty": {"penalty": lambda x, out, m: (out.code * torch.rand(4)).sum(1)},
    }
    ae = AutoencoderTransformer(**SMALL, **parts[slot], validation_fraction=0.2)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    codes = codes_of(ae)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert_array_equal(codes_of(clone(ae)), codes)
    valid = ae.history_[0]["valid_loss"]
    assert np.isfinite(valid)


def _save_codes(path):
    torch.set_num_threads(1)
    torch.manual_seed(1234)
    np.savez(path, **{name: codes_of(make()) for name, make in ALL.items()})


@pytest.mark.slow
def test_another_process_gives_equal_bits(tmp_path):
    path = str(tmp_path / "codes.npz")
    process = process_context().Process(target=_save_codes, args=(path,))
    process.start()
    process.join(300)
    assert process.exitcode == 0
    codes = np.load(path)
    for name in ALL:
        assert_array_equal(codes[name], fitted(name).transform(IMAGES), name)


@pytest.mark.slow
def test_a_grid_in_two_processes_gives_equal_bits():
    ae = NAMED["DenoisingAutoencoder"]()
    grid = {"noise_level": [0.1, 0.3], "noise": ["gaussian", "swap"]}
    alone = GridSearchCV(ae, grid, cv=2, n_jobs=1).fit(IMAGES)
    both = GridSearchCV(ae, grid, cv=2, n_jobs=2).fit(IMAGES)
    for key in ("split0_test_score", "split1_test_score"):
        assert_array_equal(both.cv_results_[key], alone.cv_results_[key])
    assert_array_equal(both.transform(IMAGES), alone.transform(IMAGES))
    best = clone(ae).set_params(**both.best_params_)
    assert_array_equal(both.transform(IMAGES), codes_of(best))


def test_fits_in_threads_give_equal_bits():
    names = [
        "AutoencoderTransformer",
        "VariationalAutoencoder",
        "denoising conv",
        "contractive with builders",
        "variational with builders",
    ] * 4
    before = torch.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda name: codes_of(ALL[name]()), names))
    for name, code in zip(names, codes, strict=True):
        assert_array_equal(code, fitted(name).transform(IMAGES), name)
    assert torch.equal(torch.get_rng_state(), before)


@every
def test_the_number_of_threads_changes_little(name):
    try:
        torch.set_num_threads(2)
        codes = codes_of(ALL[name]())
    finally:
        torch.set_num_threads(1)
    expected = fitted(name).transform(IMAGES)
    assert_allclose(codes, expected, rtol=1e-5, atol=1e-5)


def test_a_data_loader_is_reproducible_and_leaves_the_global_generator():
    settings = {"iterator_train": torch.utils.data.DataLoader}
    ae = AutoencoderTransformer(
        4, max_epochs=2, net_params=settings, random_state=0, batch_size=32
    )
    before = torch.default_generator.get_state()
    codes = [clone(ae).fit(ROWS).transform(ROWS) for _ in range(2)]
    assert torch.equal(torch.default_generator.get_state(), before)
    assert_array_equal(*codes)
