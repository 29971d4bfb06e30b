"""Values, arrays, tensors and modules are restored as they were described."""

import functools
import json
from collections import OrderedDict

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.testing import assert_array_equal
from saving import TRUSTED, CustomModule, Shift, distance, seeded, small_code
from torch import nn

import skae
from skae._persistence.reader import Reader
from skae._persistence.writer import Writer


def restored(value):
    """Return a value after a way through JSON and safetensors."""
    writer = Writer()
    text = json.dumps(writer.encode_value(value, "x"), allow_nan=False)
    tensors = safetensors.torch.load(safetensors.torch.save(writer.tensors))
    return Reader(tensors, TRUSTED).decode_value(json.loads(text))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -(2**70),
        0.1,
        5e-324,
        float("inf"),
        -float("inf"),
        "Größe \ud800 \0",
        [1, [2.5, None]],
        (1, ("a", ())),
        {"a": 1, "b": (2,)},
        {"type": "again", 1: None, (2, 3): "c"},
        OrderedDict([("z", 1), (0, 2)]),
        {3, "a", None},
        torch.Size([2, 3]),
        torch.device("cuda:1"),
        torch.bfloat16,
        np.dtype("int16"),
        np.float32(0.1),
        np.int8(-3),
        np.bool_(True),
        np.str_("text"),
        np.uint64(2**64 - 1),
        nn.Linear,
        torch.optim.AdamW,
        skae.Conv,
        print,
        distance,
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_are_restored(value):
    found = restored(value)
    assert found == value
    assert type(found) is type(value)


def test_nan_is_restored():
    assert np.isnan(restored(float("nan")))
    assert np.isnan(restored(np.float32("nan")))


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6.0).reshape(2, 3).T,
        np.arange(3, dtype=">i4"),
        np.array(2.5),
        np.zeros((0, 3), dtype=np.uint16),
        np.array(["a", "bc"]),
        np.array([["a", None], [1, "b"]], dtype=object),
    ],
    ids=["transposed", "big-endian", "scalar", "empty", "text", "objects"],
)
def test_arrays_are_restored(value):
    found = restored(value)
    assert_array_equal(found, value)
    assert found.dtype == value.dtype.newbyteorder("=")


@pytest.mark.parametrize("shape", [(4, 1, 3, 3), (4, 2, 3, 3), (2, 2, 1, 1)])
def test_tensors_are_restored_with_their_memory_format(shape):
    value = torch.rand(shape).to(memory_format=torch.channels_last)
    found = restored(value)
    assert torch.equal(found, value)
    assert found.stride() == value.stride()


def test_strides_that_overrun_memory_are_ignored():
    described = {"type": "tensor", "tensor": "x", "stride": [2**50, 1]}
    assert Reader({"x": torch.ones(2, 2)}, ()).decode_value(described).stride() == (
        2,
        1,
    )


def test_parameters_stay_frozen():
    weights = [nn.Parameter(torch.ones(2), requires_grad=x) for x in (True, False)]
    assert [x.requires_grad for x in restored(weights)] == [True, False]


def test_a_restored_random_state_continues():
    value = np.random.RandomState(0)
    value.standard_normal(3)
    found = restored(value)
    assert_array_equal(found.standard_normal(5), value.standard_normal(5))


@pytest.mark.parametrize("pos", [-1, 625, 10**9])
def test_positions_outside_a_random_state_are_refused(pos):
    writer = Writer()
    described = writer.encode_value(np.random.RandomState(0), "x")
    described["state"]["state"]["pos"] = pos
    with pytest.raises(ValueError, match="no such position"):
        Reader(writer.tensors, ()).decode_value(described)


def test_shared_objects_stay_shared():
    shift, shared = Shift(), functools.partial(distance, power=2)
    module = seeded(CustomModule, 3, 2)
    found = restored([shift, [shift], shared, (shared,), module, module.first])
    assert found[0] is found[1][0]
    assert found[2] is found[3][0]
    assert found[4].first is found[4].again
    assert found[4].first is found[5]
    assert found[2].keywords == {"power": 2}


def test_a_module_may_refer_to_itself():
    module = nn.Linear(2, 2)
    module.whole = [module]
    found = restored(module)
    assert found.whole[0] is found


def test_hooks_are_restored():
    module = nn.Linear(2, 2)
    module.register_forward_hook(small_code)
    assert list(restored(module)._forward_hooks.values()) == [small_code]
