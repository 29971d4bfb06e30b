"""Files that somebody has made: refused, or whole, and never expensive."""

import json
import os
import pickle
import re
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest
import safetensors.torch
import torch
from saving import (
    IMAGES,
    NARROW,
    ROWS,
    load_bytes,
    outputs,
    rewritten,
    small_file,
    tensor_entry,
    with_entry,
)

import skae
from skae import AutoencoderTransformer, Conv, ConvAutoencoder, Recurrent
from skae._persistence.format import to_bytes

X = ROWS[:, :3]


def bytes_of(ae, X=IMAGES):
    return to_bytes(ae.fit(X)._document())[0]


def assert_refused_at_once(data, message, folder):
    start = time.process_time()
    with pytest.raises(ValueError, match=message):
        load_bytes(data, folder)
    assert time.process_time() - start < 2


# Refusal before memory is taken ----------------------------------------------------


def dense(**parameters):
    """Return a change of a file that gives both networks other parameters."""

    def change(document, tensors):
        for network in document["networks"].values():
            network["parameters"].update(parameters)

    return change


LINEAR = {"type": "name", "name": "torch.nn.Linear"}


def wide_builder(document, tensors):
    """Name a class of torch that would build the decoder, and a wide code."""
    document["networks"].pop("decoder")
    for kind in ("parameters", "built_with", "trained_with"):
        document[kind].update(decoder=LINEAR, n_components=2**28)
    document["attributes"]["_n_features_out"] = 2**28


def _object(name, **parameters):
    return {"type": "object", "name": name, "parameters": parameters}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dense(hidden_layer_sizes=[30_000, 20_000]), "size mismatch"),
        (dense(hidden_layer_sizes=[1] * 100_000), "has 100001 layers or more"),
        (dense(hidden_layer_sizes=2**40), "size mismatch|Storage size|overflow"),
        (with_entry(10**6, "built_with", "n_components"), "size mismatch"),
        (with_entry(10**12, "built_with", "n_components"), "cannot be made again"),
        (wide_builder, "size mismatch"),
        (
            with_entry(
                _object("torch.nn.Linear", in_features=10**5, out_features=10**5),
                *("attributes", "new_"),
            ),
            "torch.nn.Linear has no parameters",
        ),
        (
            with_entry(
                {"type": "texts", "dtype": "<U2000000000", "shape": [1], "items": [""]},
                *("attributes", "new_"),
            ),
            "TypeError",
        ),
        (
            with_entry(
                {"type": "scalar", "dtype": "V4000000000", "value": 4_000_000_000},
                *("attributes", "new_"),
            ),
            "TypeError",
        ),
    ],
)
def test_what_would_take_memory_or_time_is_refused_at_once(change, message, tmp_path):
    assert_refused_at_once(rewritten(change), message, tmp_path)


def make_conv():
    return ConvAutoencoder(3, channels=(2,), max_epochs=1)


def make_recurrent():
    encoder = Recurrent(4, n_layers=1)
    return AutoencoderTransformer(3, encoder=encoder, layout="signal", max_epochs=1)


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (
            lambda: ConvAutoencoder(3, channels=(2,), max_epochs=1),
            {"channels": [9] * 999},
        ),
        (lambda: ConvAutoencoder(3, channels=(2,), max_epochs=1), {"channels": 10**7}),
        (
            lambda: AutoencoderTransformer(
                3, encoder=Recurrent(4, n_layers=1), max_epochs=1, layout="signal"
            ),
            {"n_layers": 10**8},
        ),
        (
            lambda: AutoencoderTransformer(
                3, encoder=Recurrent(4, n_layers=1), max_epochs=1, layout="signal"
            ),
            {"hidden_size": 10**6},
        ),
    ],
    ids=["many channels", "wide channels", "many layers", "wide layers"],
)
def test_so_is_every_other_architecture(make, parameters, tmp_path):
    data = rewritten(dense(**parameters), bytes_of(make()))
    assert_refused_at_once(data, r"size mismatch|layers or more", tmp_path)


def test_the_largest_size_of_a_file_can_be_set(tmp_path):
    path = tmp_path / "saved.skae"
    path.write_bytes(small_file())
    size = path.stat().st_size
    skae.load(path, max_bytes=size)
    with pytest.raises(ValueError, match=f"has {size} bytes, more than max_bytes=1000"):
        skae.load(path, max_bytes=1000)


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices of POSIX")
def test_what_is_no_plain_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(OSError, match="is no plain file, and is not read"):
            skae.load(path)
    with pytest.raises(IsADirectoryError, match="is no plain file"):
        skae.load(tmp_path)


# Types, shapes and ranges ----------------------------------------------------------


def with_group(**settings):
    """Return a change of a file that replaces settings of the optimizer."""

    def change(document, tensors):
        document["net_"]["optimizer"]["param_groups"][0].update(settings)

    return change


NOT_A_NUMBER = {"type": "float", "value": "nan"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_entry(None, "attributes", "mean_"), "mean_ is not the mean"),
        (with_entry(["a"], "attributes", "mean_"), "mean_ is not the mean"),
        (with_entry(0.0, "attributes", "scale_"), "scale_ is 0.0"),
        (with_entry("x", "attributes", "scale_"), "scale_ is 'x'"),
        (with_entry(NOT_A_NUMBER, "attributes", "scale_"), "scale_ is nan"),
        (with_entry(7, "attributes", "n_features_in_"), "n_features_in_ is 7"),
        (with_entry(NOT_A_NUMBER, "attributes", "n_features_in_"), "_in_ is nan"),
        (with_entry(True, "attributes", "n_features_in_"), "_in_ is True"),
        (with_entry(5, "attributes", "image_shape_"), "image_shape_ is 5"),
        (with_entry(2, "attributes", "_n_features_out"), "_n_features_out is 2"),
        (
            with_entry("<i4", "attributes", "_dtype", "value"),
            "_dtype is a .*, and not float32 or float64",
        ),
        (with_entry(5, "attributes", "_layout"), "_layout is 5"),
        (
            with_entry(
                {"type": "tuple", "items": [-3]},
                *("attributes", "_layout", "attributes", "sample_shape"),
            ),
            "_layout is a Layout, and not the layout",
        ),
        (
            with_entry(-1, "attributes", "_statistics", "attributes", "n_rows"),
            "_statistics is a Statistics, and not statistics of 3",
        ),
        (
            with_entry(None, "attributes", "_statistics", "attributes", "variance"),
            "_statistics is a Statistics, and not statistics of 3",
        ),
        (tensor_entry("_statistics.mean", torch.zeros(4).double()), "_statistics is"),
        (tensor_entry("_statistics.mean", torch.zeros(3)), "_statistics is"),
        (
            tensor_entry("_statistics.variance", -torch.ones(3).double()),
            "_statistics is",
        ),
        (with_entry("meta", "parameters", "device"), "device='meta' cannot be used"),
        (with_entry(-1, "format"), "its JSON cannot be read"),
        (with_entry(True, "format"), "its JSON cannot be read"),
        (with_entry(-1, "parameters", "max_epochs"), "'max_epochs' parameter"),
        (with_entry("x", "parameters", "callbacks"), "'callbacks' parameter"),
        (with_entry(-1, "net_", "seed"), "seed is -1"),
        (with_entry("fast", "net_", "lr"), "lr is 'fast'"),
        (with_entry(0.5, "net_", "batch_size"), "batch_size is 0.5"),
        (with_entry("int8", "net_", "precision"), "precision is 'int8'"),
        (with_entry(None, "net_", "runs_foreign_code"), "foreign_code is None"),
        (with_entry([], "net_", "weights"), "weights is a list"),
        (with_entry(1.5, "net_", "n_epochs"), "n_epochs is 1.5"),
        (with_entry("cpu", "net_", "stream", "states"), "stream is a dict"),
        (with_entry([], "net_", "callbacks"), "callbacks is a list"),
        (
            with_entry("x", "net_", "callbacks", "print_log", "first_iteration_"),
            "print_log.first_iteration_ is 'x'",
        ),
        (with_entry([], "net_", "optimizer"), "optimizer is a list"),
        (
            with_group(lr="x"),
            "lr of the optimizer is 'x'",
        ),
        (
            with_group(params=[9]),
            "have other sizes|other parameters",
        ),
        (
            tensor_entry(
                "net_.optimizer.state.0.exp_avg_sq", torch.full((2, 3), torch.nan)
            ),
            "exp_avg_sq of the optimizer",
        ),
        (
            tensor_entry(
                "net_.weights.encoder.1.layers.0.weight", torch.full((2, 3), torch.inf)
            ),
            "weights encoder.1.layers.0.weight are not finite",
        ),
    ],
)
def test_nonsense_is_refused(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load_bytes(rewritten(change), tmp_path)


def tower(depth):
    """Describe tuples, each of which holds the last one twice."""
    found = {"type": "tuple", "id": 1000, "items": ["a", "a"]}
    for k in range(1, depth):
        again = {"type": "again", "id": 999 + k}
        found = {"type": "tuple", "id": 1000 + k, "items": [found, again]}
    return found


def built_by(name, *args, **keywords):
    """Return a change of a file that builds both networks by a class of torch."""
    function = {
        "type": "partial",
        "function": {"type": "name", "name": name},
        "args": {"type": "tuple", "items": list(args)},
        "keywords": keywords,
    }

    def change(document, tensors):
        document["networks"].clear()
        for kind in ("parameters", "built_with", "trained_with"):
            document[kind].update(
                encoder=function, decoder=function, hidden_layer_sizes=None
            )

    return change


RECURRENT = {
    "type": "object",
    "name": "torch.nn.LSTM",
    "attributes": {"_all_weights": [[1]], "num_layers": 10**12, "bidirectional": True},
}
EQUAL_HASHES = [(2**61 - 1) * i for i in range(1, 40_000)]
NEW = ("attributes", "new_")
PRINT_LOG = ("net_", "callbacks", "print_log")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            with_entry(
                {
                    "type": "texts",
                    "dtype": "<U1024",
                    "shape": [10**5],
                    "items": [0] * 10**5,
                },
                *NEW,
            ),
            "arrays of text are too large",
        ),
        (with_entry(tower(40), *NEW), "a tuple is not referred to"),
        (with_entry(tower(40), *PRINT_LOG, "x_"), "a tuple is not referred to"),
        (built_by("torch.nn.Transformer", 2, 1, 10**7), "no size of torch.nn.Tr"),
        (built_by("torch.nn.LSTM", num_layers=10**8), "no size of torch.nn.LSTM"),
        (with_entry(RECURRENT, *NEW), "no size of torch.nn.LSTM"),
        (with_entry({"type": "set", "items": EQUAL_HASHES}, *NEW), "a set has more"),
        (with_entry(5, *PRINT_LOG, "on_epoch_end"), "on_epoch_end is a method of"),
        (with_entry(5, *PRINT_LOG, "get_params"), "get_params is a method of"),
        (
            with_entry({"transform": "x"}, "attributes", "_sklearn_output_config"),
            "configuration of set_output",
        ),
        (
            with_entry(5, "attributes", "_sklearn_output_config"),
            "configuration of set_output is 5",
        ),
        (with_entry([1], "attributes", "_skl_callbacks"), "callbacks of scikit-learn"),
        (with_entry(2**40, "net_", "seed"), "seed is"),
        (with_entry("cpu:3", "parameters", "device"), "device='cpu:3' cannot be used"),
        (
            with_entry(
                {"type": "name", "name": "builtins.print"}, "parameters", "lr_schedule"
            ),
            "print is the value of a parameter",
        ),
    ],
)
def test_what_an_attacker_found_is_refused(change, message, tmp_path):
    assert_refused_at_once(rewritten(change), message, tmp_path)


def test_huge_numbers_are_refused(tmp_path):
    changed = rewritten(with_entry(10**400, "parameters", "max_epochs"))
    with pytest.raises(ValueError, match="its JSON cannot be read"):
        load_bytes(changed, tmp_path)
    ae = AutoencoderTransformer(**NARROW).fit(IMAGES).set_params(max_epochs=10**400)
    with pytest.raises(TypeError, match=r"max_epochs is a .*int, .* it is too large"):
        ae.save(tmp_path / "huge.skae")


def test_repeated_keys_are_refused(tmp_path):
    def repeated(document, tensors):
        return {**document, "format_": 4}

    data = rewritten(repeated).replace(rb"\"format_\"", rb"\"format\" ")
    with pytest.raises(ValueError, match="its JSON cannot be read"):
        load_bytes(data, tmp_path)


def test_parameters_that_cannot_be_loaded_are_not_saved(tmp_path):
    ae = AutoencoderTransformer(**NARROW).fit(IMAGES).set_params(max_epochs=-1)
    with pytest.raises(ValueError, match="'max_epochs' parameter"):
        ae.save(tmp_path / "saved.skae")


# Random changes --------------------------------------------------------------------

VALUES = [
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2,
        7,
        10**6,
        2**63,
        10**30,
        0.0,
        -0.5,
        1e-300,
        1e300,
    ),
    *("", "x", "cpu", "meta", "<f8", "relu", [], [1, 2], {}, {"a": 1}),
    {"type": "tuple", "items": []},
    {"type": "tuple", "items": [2, 3]},
    {"type": "float", "value": "nan"},
    {"type": "float", "value": "-inf"},
    {"type": "name", "name": "torch.nn.ReLU"},
    {"type": "again", "id": 1},
    {"type": "object", "name": "torch.nn.Linear"},
    {"type": "object", "name": "skae.Dense", "parameters": {}},
    {"type": "dtype", "value": "<f8"},
    {"type": "set", "items": [1]},
]


def places_of(value, path=()):
    """Yield the path to each value inside a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, (dict, list)):
            yield from places_of(inner, (*path, key))


def mutated(data, rng):
    """Return a file with one to three random changes, and a valid checksum."""

    def change(document, tensors):
        for _ in range(rng.randint(1, 4)):
            if rng.rand() < 0.25:
                name = sorted(tensors)[rng.randint(len(tensors))]
                tensors[name] = mutated_tensor(tensors[name], rng)
                continue
            places = list(places_of(document))
            *inner, last = places[rng.randint(len(places))]
            parent = document
            for key in inner:
                parent = parent[key]
            kind = rng.randint(3)
            if kind == 0 and isinstance(parent, dict):
                parent.pop(last)
            elif kind == 1 and isinstance(parent, dict):
                parent[f"{last}_"] = parent.pop(last)
            else:
                parent[last] = json.loads(json.dumps(VALUES[rng.randint(len(VALUES))]))

    return rewritten(change, data)


def mutated_tensor(x, rng):
    kind = rng.randint(5)
    if kind == 0:
        return x[:-1].clone() if x.ndim else x.reshape(1)
    if kind == 1:
        return x.reshape(-1).clone()
    if kind == 2:
        return x.to([torch.float64, torch.int8, torch.float16][rng.randint(3)])
    if kind == 3:
        return torch.zeros(rng.randint(1, 4, size=rng.randint(3)).tolist())
    damaged = bytearray(x.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    for place in rng.randint(len(damaged), size=3):
        damaged[place] = rng.randint(256)
    return torch.frombuffer(damaged, dtype=x.dtype).reshape(x.shape)


FILES = {
    "dense": lambda: AutoencoderTransformer(
        2, hidden_layer_sizes=(3,), max_epochs=2, early_stopping=False, random_state=0
    ),
    "sparse": lambda: skae.SparseAutoencoder(2, hidden_layer_sizes=(3,), max_epochs=1),
    "denoising": lambda: skae.DenoisingAutoencoder(
        2, encoder=Conv((2,), image_shape=(2, 2)), max_epochs=1
    ),
    "variational": lambda: skae.VariationalAutoencoder(
        2, hidden_layer_sizes=(3,), max_epochs=1, loss="binary_cross_entropy"
    ),
}
N_CHANGES = int(os.environ.get("SKAE_N_MUTATED_FILES", "500"))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("ignore")
def test_changed_files_are_refused_or_usable(name, tmp_path):
    """What is loaded computes, is saved and pickled, and can be trained on."""
    rows = ROWS[:, :4]
    data = bytes_of(FILES[name](), rows)
    seed = int(os.environ.get("SKAE_SEED_OF_MUTATED_FILES", "0"))
    rng = np.random.RandomState(sorted(FILES).index(name) + 10 * seed)
    n_loaded = 0
    for index in range(N_CHANGES // len(FILES)):
        changed = mutated(data, rng)
        (tmp_path / "changed.skae").write_bytes(changed)
        try:
            ae = skae.load(tmp_path / "changed.skae")
        except ValueError:
            continue
        n_loaded += 1
        if not np.isfinite(ae.transform(rows)).all():
            continue  # of large weights
        try:
            outputs(ae, rows)
            repr(ae)
            pickle.loads(pickle.dumps(ae))
            ae.save(tmp_path / "again.skae")
            with suppress(skae.DivergenceError):  # of large weights
                ae.partial_fit(rows)
        except Exception as error:
            kept = os.environ.get("SKAE_KEEP_MUTATED_FILES")
            if kept:
                with open(f"{kept}/{name}-{index}.skae", "wb") as file:
                    file.write(changed)
            raise AssertionError(f"change {index} of {name} was loaded") from error
    assert n_loaded > 0


def test_random_bytes_are_refused(tmp_path):
    rng = np.random.RandomState(0)
    for length in rng.randint(0, 300, size=100):
        with pytest.raises(ValueError, match=re.escape("given.skae")):
            load_bytes(rng.bytes(length), tmp_path)
    for length in rng.randint(0, 300, size=100):
        header = json.dumps({"__metadata__": {"skae": "{" * length}}).encode()
        data = len(header).to_bytes(8, "little") + header
        with pytest.raises(ValueError, match=re.escape("given.skae")):
            load_bytes(data, tmp_path)


# Loading runs nothing --------------------------------------------------------------


# Memory of the process is measured where the system counts it in KB.
_LOADING = """
import sys, torch, skae
from torch.nn.modules.module import register_module_forward_hook

if sys.platform.startswith("linux"):
    import resource

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = peak()
    try:
        skae.load(sys.argv[1])
    except ValueError:
        assert peak() - before < 50_000
    else:
        raise AssertionError("the wide network was loaded")

n = torch.get_num_threads()
ran = []
register_module_forward_hook(lambda *a: ran.append(a))
skae.load(sys.argv[2])
assert torch.get_num_threads() == n
assert not ran and "torch._dynamo" not in sys.modules
"""


def test_loading_takes_no_memory_imports_no_optimizer_and_runs_no_layer(tmp_path):
    """In a process of its own: a wide network is refused, then a small one is loaded.

    The first optimizer imports torch's compiler, which takes a second.
    """
    wide, small = tmp_path / "wide.skae", tmp_path / "small.skae"
    wide.write_bytes(rewritten(dense(hidden_layer_sizes=[30_000, 20_000])))
    AutoencoderTransformer(**NARROW).fit(IMAGES).save(small)
    subprocess.run([sys.executable, "-c", _LOADING, str(wide), str(small)], check=True)


def test_the_optimizer_of_a_file_is_built_when_it_is_needed(tmp_path):
    ae = AutoencoderTransformer(**NARROW, early_stopping=False).fit(ROWS)
    ae.save(tmp_path / "saved.skae")
    loaded = skae.load(tmp_path / "saved.skae")
    assert "optimizer_" not in vars(loaded.net_)
    again = pickle.loads(pickle.dumps(loaded))
    for one in (loaded, again):
        one.partial_fit(ROWS)
        assert one.net_.optimizer_ is vars(one.net_)["optimizer_"]
    ae.partial_fit(ROWS)
    np.testing.assert_array_equal(loaded.transform(ROWS), ae.transform(ROWS))
    np.testing.assert_array_equal(again.transform(ROWS), ae.transform(ROWS))
    with pytest.raises(AttributeError, match="has no attribute 'optimiser_'"):
        loaded.net_.optimiser_  # noqa: B018
    assert safetensors.torch.load_file(tmp_path / "saved.skae")
