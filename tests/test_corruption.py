"""The noise of a batch: levels, draws, extremes."""

import pickle

import pytest
import torch
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

from skae._data.transforms import (
    NOISES,
    GaussianNoise,
    MaskingNoise,
    SaltAndPepperNoise,
    SwapNoise,
)

FRACTIONS = [MaskingNoise, SaltAndPepperNoise, SwapNoise]
LARGE = (400, 500)  # a standard error of 0.0011 for a fraction


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _positive(shape=(40, 30), seed=3):
    """Distinct values in (1, 2): none is 0, none is repeated."""
    return 1 + torch.rand(shape, generator=_generator(seed), dtype=torch.float64)


@pytest.mark.parametrize("name", sorted(NOISES))
def test_noise_is_fresh_in_each_call(name):
    generator, noise, x = _generator(), NOISES[name](0.5), _positive()
    assert not torch.equal(noise(x, generator), noise(x, generator))


@pytest.mark.parametrize("name", sorted(NOISES))
def test_noise_is_decided_by_its_generator(name):
    noise, x = NOISES[name](0.5), _positive()
    torch.testing.assert_close(
        noise(x, _generator(7)), noise(x, _generator(7)), rtol=0, atol=0
    )
    assert not torch.equal(noise(x, _generator(7)), noise(x, _generator(8)))


@pytest.mark.parametrize("name", sorted(NOISES))
def test_noise_leaves_the_global_generator_alone(name):
    before = torch.random.get_rng_state()
    NOISES[name](0.5)(_positive(), _generator())
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("name", sorted(NOISES))
def test_noise_does_not_change_its_input(name):
    x = _positive()
    before = x.clone()
    NOISES[name](0.9)(x, _generator())
    assert torch.equal(x, before)


@pytest.mark.parametrize("name", sorted(NOISES))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (7, 1), (4, 6)])
def test_noise_keeps_shape_and_type(name, dtype, shape):
    noisy = NOISES[name](0.4)(torch.ones(shape, dtype=dtype), _generator())
    assert noisy.shape == shape
    assert noisy.dtype == dtype


@pytest.mark.parametrize("name", sorted(NOISES))
def test_level_zero_is_no_noise(name):
    x = _positive()
    assert torch.equal(NOISES[name](0.0)(x, _generator()), x)


@pytest.mark.parametrize("name", sorted(NOISES))
def test_noise_takes_expanded_rows(name):
    # One row seen as many: the draws must still differ from row to row.
    x = _positive((1, 30)).expand(50, 30)
    noisy = NOISES[name](0.5)(x, _generator())
    assert noisy.shape == x.shape
    if name != "swap":  # all donors are the same row
        assert not torch.equal(noisy[0], noisy[1])


@pytest.mark.parametrize("noise", FRACTIONS)
@pytest.mark.parametrize("level", [0.1, 0.3, 0.75])
def test_level_is_the_fraction_of_entries_that_change(noise, level):
    x = _positive(LARGE)
    changed = (noise(level)(x, _generator()) != x).double().mean().item()
    # A swap with 400 rows draws the row itself once in 400 times. Four errors.
    assert changed == pytest.approx(level, abs=0.0044 + level / 400)


@pytest.mark.parametrize("noise", [MaskingNoise, SaltAndPepperNoise])
def test_level_one_changes_every_entry(noise):
    x = _positive(LARGE)
    low, high = x.amin(), x.amax()
    changed = noise(1.0)(x, _generator()) != x
    assert bool((changed | (x == low) | (x == high)).all())


@pytest.mark.parametrize("level", [0.1, 2.0])
def test_level_of_gaussian_noise_is_its_standard_deviation(level):
    x = _positive(LARGE)
    noise = GaussianNoise(level)(x, _generator()) - x
    # 200 000 draws: errors of 0.0022 for the mean and 0.0016 for the deviation.
    assert noise.mean().item() / level == pytest.approx(0, abs=0.009)
    assert noise.std().item() / level == pytest.approx(1, abs=0.0065)
    kurtosis = ((noise / level) ** 4).mean().item()
    assert kurtosis == pytest.approx(3, abs=0.09)  # normal; an error of 0.022


def test_clip_bounds_the_result_and_nothing_else():
    x = torch.full((200, 50), 0.5)
    clipped = GaussianNoise(1.0, clip=(0, 1))(x, _generator())
    free = GaussianNoise(1.0)(x, _generator())
    assert torch.equal(clipped, free.clamp(0, 1))
    assert (clipped.min().item(), clipped.max().item()) == (0.0, 1.0)


def test_masked_entries_are_zero_and_the_others_untouched():
    x = _positive()
    masked = MaskingNoise(0.5)(x, _generator())
    hidden = masked == 0
    assert torch.equal(masked[~hidden], x[~hidden])
    assert 0 < hidden.sum().item() < x.numel()


def test_salt_and_pepper_takes_the_extremes_of_the_batch():
    x = _positive()
    noisy = SaltAndPepperNoise(0.5)(x, _generator())
    changed = noisy != x
    found = set(noisy[changed].tolist())
    assert found == {x.min().item(), x.max().item()}


@pytest.mark.parametrize(
    ("given", "expected"), [({"low": -1.0}, -1.0), ({"high": 9.0}, 9.0)]
)
def test_salt_and_pepper_takes_the_extremes_it_is_given(given, expected):
    x = _positive()
    noisy = SaltAndPepperNoise(1.0, **given)(x, _generator())
    other = x.max().item() if "low" in given else x.min().item()
    assert set(noisy.flatten().tolist()) == {expected, other}


def test_salt_is_as_frequent_as_pepper():
    noisy = SaltAndPepperNoise(1.0, low=0, high=1)(torch.ones(LARGE), _generator())
    assert noisy.mean().item() == pytest.approx(0.5, abs=0.0045)


def test_swapped_entries_stay_in_their_column():
    x = torch.arange(60.0).reshape(10, 6)
    swapped = SwapNoise(0.7)(x, _generator())
    assert not torch.equal(swapped, x)
    for column in range(6):
        assert set(swapped[:, column].tolist()) <= set(x[:, column].tolist())


def test_swap_draws_each_entry_on_its_own():
    # A swap of whole rows would keep the columns together.
    x = torch.arange(20.0)[:, None].expand(20, 8)
    swapped = SwapNoise(1.0)(x, _generator())
    assert not bool((swapped == swapped[:, :1]).all())


def test_swap_of_one_row_changes_nothing():
    x = _positive((1, 30))
    assert torch.equal(SwapNoise(1.0)(x, _generator()), x)


@pytest.mark.parametrize(
    "noise",
    [
        GaussianNoise(0.2, clip=(0, 1)),
        MaskingNoise(0.2),
        SaltAndPepperNoise(0.2, low=0),
        SwapNoise(0.2),
    ],
    ids=lambda noise: type(noise).__name__,
)
def test_noises_are_cloned_and_pickled_with_their_numbers(noise):
    assert clone(noise).get_params() == noise.get_params()
    assert pickle.loads(pickle.dumps(noise)).get_params() == noise.get_params()


@pytest.mark.parametrize(
    ("noise", "name"),
    [
        (GaussianNoise(-1), "level"),
        (GaussianNoise(clip=1), "clip"),
        (MaskingNoise(1.5), "level"),
        (SaltAndPepperNoise(1.5), "level"),
        (SaltAndPepperNoise(low="a"), "low"),
        (SaltAndPepperNoise(high="a"), "high"),
        (SwapNoise(1.5), "level"),
    ],
)
def test_parameters_of_noises_are_constrained(noise, name):
    type(noise)()._validate_params()
    assert set(noise._parameter_constraints) == set(noise.get_params())
    match = f"'{name}' parameter of {type(noise).__name__}"
    with pytest.raises(InvalidParameterError, match=match):
        noise._validate_params()


def test_levels_beyond_one_are_allowed_where_they_are_no_fraction():
    GaussianNoise(2.0, clip=(0, 1))._validate_params()
    SaltAndPepperNoise(1, low=0, high=1)._validate_params()
