"""The public API and the numbers for one seed do not change by accident.

After a change that is meant, ``PYTHONPATH=tests python tests/contract/test_frozen.py``
writes the expected values again; the difference in ``tests/data`` shows what changed.
"""

import hashlib
import inspect
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import ALL, IMAGES, fit
from conftest import ESTIMATORS
from numpy.testing import assert_allclose, assert_array_equal

import skae
from skae import diagnostics, explorer, export, tabular

DATA = Path(__file__).parents[1] / "data"

# The public API -----------------------------------------------------------------------


def _signature(function):
    """Return name, kind and default of each parameter; keywords in any order."""
    found = [
        [p.name, p.kind.description, repr(p.default)]
        for p in inspect.signature(function).parameters.values()
        if p.name not in ("self", "cls")
    ]
    positional = [p for p in found if p[1] != "keyword-only"]
    return positional + sorted(p for p in found if p[1] == "keyword-only")


def _describe(value):
    if not inspect.isclass(value):
        return _signature(value) if callable(value) else repr(value)
    if issubclass(value, Warning | Exception):
        return [base.__name__ for base in value.__mro__]
    methods = {
        name: _signature(getattr(value, name))
        for name in dir(value)
        if not name.startswith("_")
        and callable(getattr(value, name))
        and getattr(value, name).__module__.startswith("skae")
    }
    return {"signature": _signature(value), "methods": methods}


def _fitted_attributes(cls):
    ae = cls(2, max_epochs=1).fit(IMAGES)
    return sorted(
        name
        for name in dir(ae)
        if name.endswith("_") and not name.startswith("_") and hasattr(ae, name)
    )


def public_api():
    """Return everything that users can call or read, as plain values."""
    return {
        "skae": {name: _describe(getattr(skae, name)) for name in skae.__all__},
        "skae.diagnostics": {"report": _describe(diagnostics.report)},
        "skae.explorer": {"write": _describe(explorer.write)},
        "skae.export": {"register_converters": _describe(export.register_converters)},
        "skae.tabular": {
            name: _describe(getattr(tabular, name)) for name in tabular.__all__
        },
        "fitted": {cls.__name__: _fitted_attributes(cls) for cls in ESTIMATORS},
    }


def test_public_api_is_unchanged():
    expected = json.loads((DATA / "public_api.json").read_text())
    found = json.loads(json.dumps(public_api()))
    assert set(found["skae"]) == set(expected["skae"])
    for module, names in expected.items():
        for name, description in names.items():
            assert found[module][name] == description, f"{module}.{name}"


# Numbers ------------------------------------------------------------------------------


def _machine():
    """Return a text that differs where processors or versions round otherwise."""
    torch.manual_seed(0)
    x, weight = torch.randn(48, 64), torch.randn(64, 256)
    image, kernel = torch.randn(48, 1, 8, 8), torch.randn(16, 1, 3, 3)
    parts = [
        x @ weight,
        torch.nn.functional.gelu(x),
        torch.tanh(x),
        torch.conv2d(image, kernel),
        (x @ weight).T @ x,
    ]
    arrays = [part.numpy() for part in parts]
    square = x.double().numpy().T @ x.double().numpy()
    arrays += [square, *np.linalg.eigh(square)]  # for the start as PCA
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays))
    capability = torch.backends.cpu.get_cpu_capability()
    return f"torch {torch.__version__}, {capability}, {digest.hexdigest()[:16]}"


def _numbers(name):
    """Return codes, scores and the losses of training of a case of the contract."""
    ae = fit(ALL[name](), IMAGES)
    found = {"codes": ae.transform(IMAGES), "scores": ae.score_samples(IMAGES)}
    found["losses"] = np.array([epoch["train_loss"] for epoch in ae.history_])
    ae.partial_fit(IMAGES[:20])
    found["codes after a chunk"] = ae.transform(IMAGES)
    ae.set_params(warm_start=True, validation_fraction=0.25, sparsity=0.1) if hasattr(
        ae, "sparsity"
    ) else ae.set_params(warm_start=True, validation_fraction=0.25)
    fit(ae, IMAGES)
    found["codes after a warm start"] = ae.transform(IMAGES)
    found["validation"] = np.array([e["valid_loss"] for e in ae.history_[-2:]])
    return found


@pytest.mark.parametrize("name", ALL)
def test_numbers_for_one_seed_are_unchanged(name):
    """Bit for bit where the processor is the same, else up to rounding.

    Rounding grows with each step, so that codes that were trained further are alike.
    """
    with np.load(DATA / "frozen_numbers.npz") as frozen:
        is_same = str(frozen["machine"]) == _machine()
        for kind, found in _numbers(name).items():
            expected = frozen[f"{name}/{kind}"]
            if is_same:
                assert_array_equal(found, expected, kind)
            elif "after" in kind:
                assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.98
            else:
                assert_allclose(found, expected, rtol=1e-2, atol=1e-2, err_msg=kind)


if __name__ == "__main__":
    text = json.dumps(public_api(), indent=1, sort_keys=True)
    (DATA / "public_api.json").write_text(text + "\n")
    numbers = {
        f"{name}/{kind}": value
        for name in ALL
        for kind, value in _numbers(name).items()
    }
    np.savez_compressed(DATA / "frozen_numbers.npz", machine=_machine(), **numbers)
