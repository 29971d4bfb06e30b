"""Rows, types and memory."""

import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import torch
from cases import (
    ALL,
    ANY_SHAPE,
    CUSTOM_CONVOLUTIONS,
    IMAGES,
    NAMED,
    N,
    codes_of,
    every,
    fitted,
)
from numpy.testing import assert_allclose, assert_array_equal

from skae import AutoencoderTransformer, Dense


@pytest.mark.parametrize("k", [1, 2, 11, 33])
@every
def test_rows_are_independent(name, k):
    ae = fitted(name)
    codes = ae.transform(IMAGES)
    assert_array_equal(ae.transform(IMAGES[:k]), codes[:k])
    assert_array_equal(ae.transform(IMAGES[-k:]), codes[-k:])
    assert_array_equal(ae.inverse_transform(codes[:k]), ae.inverse_transform(codes)[:k])
    assert_array_equal(ae.reconstruct(IMAGES[:k]), ae.reconstruct(IMAGES)[:k])
    assert_array_equal(ae.score_samples(IMAGES[:k]), ae.score_samples(IMAGES)[:k])
    # Norms of Jacobians are sums of products, which round by their order.
    assert_allclose(ae.sensitivity(IMAGES[:k]), ae.sensitivity(IMAGES)[:k], rtol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "given", "expected"),
    [
        ("float32", "float64", "float32"),
        ("float32", "uint8", "float32"),
        ("float64", "float32", "float64"),
        ("auto", "float64", "float64"),
        ("auto", "float32", "float32"),
        ("auto", "float16", "float32"),
        ("auto", "int64", "float32"),
    ],
)
@pytest.mark.parametrize(
    "name", [*NAMED, "variational with builders", "top-k with instances"]
)
def test_dtype_of_computation_and_results(name, dtype, given, expected):
    X = (16 * IMAGES).astype(given)
    ae = ANY_SHAPE[name](dtype=dtype, max_epochs=1).fit(X)
    codes = ae.transform(X)
    weights = [p.dtype for p in ae.net_.module_.parameters()]
    assert set(weights) == {getattr(torch, expected)}
    for out in (
        codes,
        ae.inverse_transform(codes),
        ae.reconstruct(X),
        ae.score_samples(X),
        ae.sensitivity(X),
        ae.blend(X, X),
    ):
        assert out.dtype == expected
    # And for later input of any type.
    assert ae.transform(X.astype(np.float64)).dtype == expected
    assert ae.transform(X.astype(np.uint8)).dtype == expected


def _memmap(X, path):
    X_map = np.memmap(path, dtype=X.dtype, mode="w+", shape=X.shape)
    X_map[:] = X
    X_map.flush()
    return np.memmap(path, dtype=X.dtype, mode="r", shape=X.shape)


@pytest.mark.parametrize("name", [*NAMED, *CUSTOM_CONVOLUTIONS])
def test_the_type_of_X_changes_nothing(name, tmp_path):
    X = (16 * IMAGES).astype(np.float32)  # whole numbers, exact in every type
    codes = codes_of(ALL[name](), X)
    read_only = X.copy()
    read_only.flags.writeable = False
    for other in (
        X.astype(np.float64),
        X.astype(np.uint8),
        X.astype(np.int64),
        X.tolist(),
        np.asfortranarray(X),
        np.repeat(X, 2, axis=0)[::2],
        torch.from_numpy(X),
        read_only,
        _memmap(X, tmp_path / "float32"),
        _memmap(X.astype(np.uint8), tmp_path / "uint8"),
    ):
        assert_array_equal(codes_of(ALL[name](), other), codes)


@pytest.mark.parametrize("kind", ["float32", "uint8", "memmap"])
def test_X_is_not_copied(kind, tmp_path):
    X = np.random.RandomState(0).randint(0, 9, size=(20_000, 500), dtype=np.uint8)
    if kind != "uint8":
        X = X.astype(np.float32)
    if kind == "memmap":
        X = _memmap(X, tmp_path / "X")
    # Finding the axes of PCA takes memory, too, though no more for more rows.
    ae = AutoencoderTransformer(
        2, encoder=Dense((4,), init="random"), max_epochs=1, batch_size=2000
    )
    tracemalloc.start()
    try:
        ae.fit(X)
        ae.transform(X)
        ae.score(X)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A copy as float32 takes 40 MB; describing X takes some chunks of 4 MiB.
    assert peak < 24e6


def test_y_is_ignored_whatever_it_holds():
    codes = codes_of(NAMED["AutoencoderTransformer"]())
    for y in (np.arange(N), ["text"] * 3, object(), np.full(2, np.nan)):
        ae = NAMED["AutoencoderTransformer"]().fit(IMAGES, y)
        assert_array_equal(ae.transform(IMAGES), codes)
        ae.partial_fit(IMAGES, y)
        ae.score(IMAGES, y)


WIDTHS = """
import sys, warnings
import numpy as np, torch
from skae import AutoencoderTransformer

torch.set_num_threads(1)
warnings.simplefilter("ignore")
X = np.random.RandomState(0).randn(70, 64)
weight = torch.randn(3, 9, generator=torch.Generator().manual_seed(0))
product = torch.nn.functional.linear(torch.full((96, 9), 0.3), weight)
# MKL on some processors of AMD rounds rows of 36 bytes by their place in memory.
rounds_by_place = bool((product != product[0]).any())
tolerance = 1e-5 if rounds_by_place else 0

def assert_equal(found, expected):
    np.testing.assert_allclose(found, expected, tolerance, tolerance, err_msg=where)

order = np.random.RandomState(1).permutation(70)
for dtype in ("float32", "float64"):
    for width in range(1, 65):
        for hidden in ((), (width,)):
            k, p = (3, 9) if hidden else (width, max(width, 9))
            rows = X[:, :p].astype(dtype)
            ae = AutoencoderTransformer(
                k,
                hidden_layer_sizes=hidden,
                dtype=dtype,
                max_epochs=1,
                batch_size=70,
                random_state=0,
            ).fit(rows)
            codes, decoded = ae.transform(rows), ae.reconstruct(rows)
            alone = [ae.transform(rows[i : i + 1]) for i in range(0, 70, 7)]
            where = f"{dtype}, {hidden}, code of {k}"
            assert_equal(ae.transform(rows[order]), codes[order])
            assert_equal(ae.reconstruct(rows[order]), decoded[order])
            assert_equal(np.concatenate(alone), codes[::7])
"""


@pytest.mark.slow
@pytest.mark.parametrize("capability", ["AVX2", "AVX512"])
def test_rows_are_independent_of_their_place_for_every_width(capability):
    """Shuffled or alone, behind layers of 1 to 64 units: the same bits.

    Where the products of the processor depend on the place of a row: up to rounding.
    """
    best = torch.backends.cpu.get_cpu_capability()
    if best not in ("AVX512", capability):
        pytest.skip(f"the processor has {best}")
    environment = {
        **os.environ,
        "ATEN_CPU_CAPABILITY": capability.lower(),
        "MKL_ENABLE_INSTRUCTIONS": capability,
        "ONEDNN_MAX_CPU_ISA": {"AVX2": "AVX2", "AVX512": "AVX512_CORE"}[capability],
    }
    subprocess.run([sys.executable, "-c", WIDTHS], env=environment, check=True)
