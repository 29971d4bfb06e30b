"""Units of training: rows far from zero, and channels in different units."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import skae
from skae import AutoencoderTransformer, ConvAutoencoder, DenoisingAutoencoder
from skae._data.layout import infer_layout
from skae._data.statistics import compute_statistics
from skae._data.units import choose_units

FAST = {"max_epochs": 3, "random_state": 0}
OFFSETS = [5.5e6, 1e7, 1.7e9]


def table(n_rows=200, n_features=8, seed=0):
    """Return rows of rank 3."""
    rng = np.random.RandomState(seed)
    return rng.normal(size=(n_rows, 3)) @ rng.normal(size=(3, n_features))


def r2_by_hand(ae, X):
    X = X.astype(np.longdouble)
    error = np.square(ae.reconstruct(X.astype(float)).astype(np.longdouble) - X)
    return float(1 - error.sum() / np.square(X - X.mean(axis=0)).sum())


def sines(n_rows=120, length=32, units=(1.0, 10.0, 1000.0)):
    """Return signals of three channels, of a random phase each, in different units."""
    rng = np.random.RandomState(0)
    phase = rng.uniform(0, 2 * np.pi, size=(n_rows, 3, 1))
    time = np.linspace(0, 4 * np.pi, length)
    noise = 0.05 * rng.normal(size=(n_rows, 3, length))
    return (np.sin(time + phase) + noise) * np.reshape(units, (3, 1))


def r2_of_channels(ae, X, axis=1):
    error = np.square(X - ae.reconstruct(X)).sum(axis=(0, 3 - axis))
    return 1 - error / np.square(X - X.mean(axis=0)).sum(axis=(0, 3 - axis))


# Rows far from zero -------------------------------------------------------------------


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("ae", [AutoencoderTransformer, ConvAutoencoder])
def test_rows_far_from_zero_are_reconstructed(ae, offset):
    X = table() + offset
    ae = ae(3, **FAST)
    if isinstance(ae, ConvAutoencoder):
        ae.set_params(image_shape=(2, 4))
    ae.fit(X)
    assert ae.score(X) > 0.9999
    assert r2_by_hand(ae, X) > 0.9999
    assert_allclose(ae.mean_, X.mean(axis=0), rtol=1e-14)
    assert ae.scale_ == pytest.approx(table().std(axis=0).mean(), rel=0.3)


def test_ticks_of_a_clock_are_reconstructed():
    X = 1_700_000_000_000_000_000 + (1e9 * table()).astype(np.int64)
    assert X.dtype == np.int64
    ae = AutoencoderTransformer(3, **FAST).fit(X)
    assert ae.score(X) > 0.9999
    assert r2_by_hand(ae, X) > 0.9999
    assert_allclose(ae.mean_ - 1.7e18, (X - 1.7e18).mean(axis=0), atol=1e5)


@pytest.mark.parametrize("offset", [0.0, *OFFSETS])
def test_the_code_does_not_depend_on_the_offset(offset):
    near, far = (
        AutoencoderTransformer(2, **FAST).fit(table() + x) for x in (0, offset)
    )
    assert_allclose(far.transform(table() + offset), near.transform(table()), atol=1e-4)
    grid = np.array([[0, 0], [1, 0], [0, 1]], dtype=np.float32)
    moved = far.inverse_transform(grid) - offset
    assert_allclose(
        moved, near.inverse_transform(grid), atol=1e-5 * (1 + offset * 1e-7)
    )


def test_noise_and_chunks_are_in_the_units_of_x():
    X = table() + 1e7
    ae = DenoisingAutoencoder(3, noise=skae.MaskingNoise(1.0), **FAST).fit(X)
    assert_allclose(ae.corrupt(X) - ae.mean_, 0, atol=1)
    ae = AutoencoderTransformer(3, random_state=0)
    for start in range(0, 200, 50):
        ae.partial_fit(X[start : start + 50])
    assert_allclose(ae.mean_, X.mean(axis=0), rtol=1e-14)
    assert ae.score(X) > 0.99


def test_rows_near_zero_keep_their_units():
    for X in (table(), 1 + table(), 255 * table()):
        statistics = compute_statistics(X)
        assert choose_units(statistics, infer_layout((8,)), np.dtype("float32")) is None
    statistics = compute_statistics(1e7 + table())
    units = choose_units(statistics, infer_layout((8,)), np.dtype("float32"))
    assert_array_equal(units.origin, statistics.mean)
    assert_array_equal(units.ratio, np.ones(8))
    assert choose_units(statistics, infer_layout((8,)), np.dtype("float64")) is None
    assert_allclose(units.restore(units.convert(X := 1e7 + table())), X, rtol=1e-15)


# Channels in different units ----------------------------------------------------------


@pytest.mark.parametrize("layout", ["signal", "channels_last"])
def test_each_channel_is_reconstructed(layout):
    X, axis = sines(), 1
    if layout == "channels_last":
        X, axis = np.moveaxis(X, 1, 2), 2
    ae = ConvAutoencoder(6, layout=layout, max_epochs=10, random_state=0).fit(X)
    assert ae.image_shape_ == (3, 32)
    assert (r2_of_channels(ae, X, axis) > 0.9).all()
    assert ae.mean_.reshape(X.shape[1:]) == pytest.approx(X.mean(axis=0))


def test_units_of_channels_by_hand():
    X, like = sines(), sines(units=(1.0, 2.0, 5.0))
    layout = infer_layout((3, 32), layout="signal")
    dtype = np.dtype("float32")
    statistics = compute_statistics(X.reshape(120, -1))
    units = choose_units(statistics, layout, dtype)
    scales = X.std(axis=0, keepdims=True)
    expected = np.sqrt(np.square(scales).mean(axis=2)[0]) / statistics.scale
    assert_allclose(units.ratio.reshape(3, 32), np.repeat(expected[:, None], 32, 1))
    # Channels that differ by less than a factor of ten have the same units.
    assert (
        choose_units(compute_statistics(like.reshape(120, -1)), layout, dtype) is None
    )


def test_a_constant_channel_is_no_other_unit():
    X = sines(units=(1.0, 10.0, 0.0)) + 3
    ae = ConvAutoencoder(4, layout="signal", max_epochs=10, random_state=0).fit(X)
    assert_allclose(ae.reconstruct(X)[:, 2], 3, rtol=1e-5)


# Results in the units of X ------------------------------------------------------------

CASES = {
    "far": (AutoencoderTransformer(2, **FAST), table() + 1e7),
    "channels": (ConvAutoencoder(6, layout="signal", **FAST), sines()),
}


@pytest.mark.parametrize("name", CASES)
def test_networks_map_rows_in_the_units_of_x(name):
    ae, X = CASES[name]
    codes = ae.fit(X).transform(X)
    rows = torch.from_numpy(X.reshape(len(X), -1))
    with torch.no_grad():
        found = ae.encoder_(rows)
        assert_allclose(found, codes, rtol=1e-4, atol=1e-4 * codes.std())
        assert_allclose(
            ae.decoder_(found).reshape(X.shape), ae.reconstruct(X), rtol=1e-6
        )


@pytest.mark.parametrize("name", CASES)
def test_sensitivity_is_for_one_unit_of_x(name):
    ae, X = CASES[name]
    ae.fit(X)
    x = X[0].ravel()
    steps = 1e-2 * X.reshape(len(X), -1).std(axis=0)
    ahead, behind = (x + sign * np.diag(steps) for sign in (1, -1))
    change = ae.transform(ahead).astype(float) - ae.transform(behind)
    expected = np.linalg.norm(change / (2 * steps[:, np.newaxis]))
    assert ae.sensitivity(X[:1])[0] == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("name", CASES)
def test_copies_keep_the_units(name, tmp_path):
    ae, X = CASES[name]
    ae.fit(X).save(tmp_path / "ae.skae")
    for other in (skae.load(tmp_path / "ae.skae"), pickle.loads(pickle.dumps(ae))):
        assert_array_equal(other.transform(X), ae.transform(X))
        assert_array_equal(other.reconstruct(X), ae.reconstruct(X))
        assert other.score(X) == ae.score(X)
        assert other.partial_fit(X).score(X) > 0.3


@pytest.mark.parametrize(
    ("noise", "is_right"),
    [
        (skae.MaskingNoise(0.5, value=0), lambda new: np.abs(new + 1e6) < 1),
        (skae.SaltAndPepperNoise(0.5), lambda new: np.abs(new - new.round()) < 0.01),
        (
            skae.GaussianNoise(9.0, relative=False, clip=(1e6, 1e6 + 1)),
            lambda new: (new > -0.01) & (new < 1.01),
        ),
    ],
)
def test_noise_is_in_the_units_of_x_far_from_zero(noise, is_right, digits):
    X = digits[0][:100, :32].astype(np.float64) + 1e6
    ae = skae.DenoisingAutoencoder(3, noise=noise, max_epochs=1, random_state=0).fit(X)
    noisy = ae.corrupt(X, random_state=0)
    is_new = np.abs(noisy - X) > 0.01
    assert 0.1 < is_new.mean() < 0.9
    assert is_right(noisy[is_new] - 1e6).all()


@pytest.mark.parametrize("scale", [1e-20, 1e13])
def test_absolute_noise_at_extreme_scales(scale, digits):
    X = digits[0][:100].astype(np.float64) * scale
    noise = skae.GaussianNoise(0.5 * scale, relative=False)
    ae = skae.DenoisingAutoencoder(3, noise=noise, max_epochs=1, random_state=0).fit(X)
    spread = (ae.corrupt(X, random_state=0) - X).std()
    assert spread == pytest.approx(0.5 * scale, rel=0.05)


def test_own_losses_far_from_zero_are_told(digits):
    ae = AutoencoderTransformer(
        3, loss=torch.nn.L1Loss(reduction="none"), max_epochs=1, random_state=0
    )
    with pytest.warns(skae.FitWarning, match="far from zero, .* loss is your own"):
        ae.fit(digits[0][:50] + 1e9)


@pytest.mark.parametrize(("scale", "offset"), [(1e-20, 0), (1e20, 0), (1, 1e9)])
def test_samples_are_in_the_units_of_x(scale, offset, digits):
    X = digits[0][:300].astype(np.float64)
    vae = skae.VariationalAutoencoder(4, max_epochs=5, random_state=0)
    expected = [vae.fit(X).sample(200, noise=noise) for noise in (False, True)]
    spread = [x.std() for x in (*expected, expected[1] - expected[0])]
    vae.fit(X * scale + offset)
    found = [vae.sample(200, noise=noise) for noise in (False, True)]
    assert found[0].dtype == np.float64
    for x, right in zip((*found, found[1] - found[0]), spread, strict=True):
        assert x.std() / scale == pytest.approx(right, rel=0.3)
    noise = np.sqrt(vae.noise_variance_) / scale
    assert (found[1] - found[0]).std() / scale == pytest.approx(noise, rel=0.05)
