"""The images of digits in the gallery: drawn from their factors, and not installed."""

import runpy
import tomllib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
GLYPHS = ROOT / "docs" / "gallery" / "glyphs.npz"


@pytest.fixture(scope="module")
def glyphs():
    with np.load(GLYPHS) as file:
        return dict(file)


@pytest.fixture(scope="module")
def tool():
    pytest.importorskip("matplotlib")
    return runpy.run_path(ROOT / "tools" / "make_glyphs.py")


def test_glyphs_are_white_digits_on_black(glyphs):
    images = glyphs["images"]
    assert images.shape == (4000, 28, 28)
    assert images.dtype == np.uint8
    assert (images.min(axis=(1, 2)) == 0).all()
    assert (images.max(axis=(1, 2)) == 255).all()
    assert images.mean() < 60
    np.testing.assert_array_equal(np.bincount(glyphs["label"]), np.full(10, 400))


def test_glyphs_file_is_small_and_outside_the_wheel():
    assert GLYPHS.stat().st_size < 600_000
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"] == {
        "packages": ["skae"]
    }
    assert not list((ROOT / "skae").rglob("*.npz"))


def test_seed_gives_the_factors_of_the_file(glyphs, tool):
    factors = tool["draw_factors"](4000, np.random.default_rng(0))
    assert set(glyphs) == {"images", *factors}
    for name, values in factors.items():
        np.testing.assert_array_equal(glyphs[name], values)


def test_factors_give_the_images_of_the_file(glyphs, tool):
    some = {name: values[:200] for name, values in glyphs.items() if name != "images"}
    drawn = tool["draw_images"](some).astype(np.float64)
    # Bytes; other versions of matplotlib may round an edge otherwise.
    assert np.abs(drawn - glyphs["images"][:200]).mean() < 1


def test_rotation_is_anticlockwise_and_shift_is_right_and_down(tool):
    factors = {
        "label": 1,
        "family": "DejaVu Sans",
        "rotation": 0.0,
        "shear": 0.0,
        "height": 20.0,
        "weight": 0.0,
        "shift": (0.0, 0.0),
    }

    def find_moments(**changes):
        image = tool["draw_image"](**{**factors, **changes}).astype(np.float64)
        rows, columns = np.indices(image.shape)
        row, column = (np.average(x, weights=image) for x in (rows, columns))
        product = np.average((rows - row) * (columns - column), weights=image)
        return row, column, product, image.sum()

    row, column, _, ink = find_moments()
    moved = find_moments(shift=(2.0, 1.0))
    np.testing.assert_allclose(moved[:2], (row + 1, column + 2), atol=0.05)
    # Turned anticlockwise, the upper part of a 1 (low rows) is on the left.
    assert find_moments(rotation=20.0)[2] > 0 > find_moments(rotation=-20.0)[2]
    assert find_moments(shear=0.3)[2] < find_moments(shear=-0.3)[2]
    assert find_moments(weight=0.8)[3] > 1.3 * ink
