"""The names that a file may use without trust are a list, which only grows."""

import json
from pathlib import Path

import pytest

from skae._persistence import registry
from skae._persistence.reader import names_in

FILES = sorted((Path(__file__).parents[1] / "data").glob("format_1*.skae"))

# What the first version knew. A name that was once written stays readable for ever.
FIRST = {
    *("AutoencoderModule", "BatchNorm1d", "BatchNorm2d", "Contraction", "Conv"),
    *("Dense", "DynamicBinarization", "Exp", "FirstHalf", "GELU", "GaussianNoise"),
    *("Hardsigmoid", "KLDivergence", "KLSparsity", "L1Sparsity", "Layout"),
    *("LifetimeTopK", "LinkedDecoder", "MaskingNoise", "RowEncoder"),
    *("SaltAndPepperNoise", "Standardize", "Statistics", "SwapNoise", "ToImage"),
    *("ToRows", "TopK", "TransposedLinear", "Unstandardize"),
    *("VariationalAutoencoderModule", "binary_cross_entropy", "poisson"),
    "squared_error",
}


def test_names_of_the_first_version_are_known():
    for name in FIRST:
        found = registry.find_known(f"skae.{name}")
        assert found.__name__ == name


@pytest.mark.parametrize("name", ["run", "resolve", "is_plain", "np", "Any", "Loss"])
def test_helpers_are_no_part_of_the_format(name):
    assert registry.find_known(f"skae.{name}") is None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_files_of_format_1_need_no_other_name(path):
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    document = json.loads(header["__metadata__"]["skae"])
    ours = {name for name in names_in(document) if name.startswith("skae.")}
    assert ours
    assert {name.removeprefix("skae.") for name in ours} <= FIRST
