"""Loading imports and runs nothing that is not trusted."""

import re
import sys

import numpy as np
import pytest
from saving import (
    CASES,
    IMAGES,
    NARROW,
    ROWS,
    SMALL,
    Shift,
    assert_equal,
    load_bytes,
    rewritten,
    with_entry,
)
from torch import nn

import skae
from skae import AutoencoderTransformer
from skae._persistence.reader import Reader
from skae._persistence.registry import check_trusted


def test_names_that_are_not_trusted_are_refused_and_listed(tmp_path):
    path = tmp_path / "saved.skae"
    CASES["custom functions"]().fit(IMAGES).save(path)
    listed = ["saving.Shift", "saving.distance", "saving.small_code"]
    for trusted in [(), listed[:2], "saving.Shift"]:
        with pytest.raises(
            ValueError, match=re.escape(f"pass trusted={listed!r}")
        ) as refused:
            skae.load(path, trusted=trusted)
        assert "to load it is to import those modules and to run" in str(refused.value)
    skae.load(path, trusted=listed)


def test_a_module_that_is_not_trusted_is_not_imported(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "skae_test_code.py").write_text(
        "def far(x, output, module):\n    return output['code'].sum(1)\n"
    )
    from skae_test_code import far

    path = tmp_path / "saved.skae"
    AutoencoderTransformer(**NARROW, penalty=far).fit(IMAGES).save(path)
    monkeypatch.delitem(sys.modules, "skae_test_code")
    with pytest.raises(ValueError, match=r"trusted=\['skae_test_code.far'\]"):
        skae.load(path)
    assert "skae_test_code" not in sys.modules
    skae.load(path, trusted="skae_test_code.far")
    assert sys.modules.pop("skae_test_code").far is not far
    (tmp_path / "skae_test_code.py").write_text("near = None\n")
    with pytest.raises(ImportError, match=r"uses skae_test_code\.far, which cannot"):
        skae.load(path, trusted=["skae_test_code.far"])


@pytest.mark.parametrize("trusted", [True, None, [Shift], 5])
def test_trust_is_given_by_name(trusted, tmp_path):
    with pytest.raises(TypeError, match=r"trusted=.* must hold full names"):
        skae.load(tmp_path / "saved.skae", trusted=trusted)


class Subclass(AutoencoderTransformer):
    """A custom estimator whose fit sets one more attribute."""

    def fit(self, X, y=None):
        super().fit(X)
        self.largest_ = float(np.max(X))
        return self


def test_custom_estimators_need_trust(tmp_path):
    ae = Subclass(**NARROW).fit(IMAGES)
    ae.save(tmp_path / "saved.skae")
    with pytest.raises(ValueError, match=r"trusted=\['test_trust.Subclass'\]"):
        skae.load(tmp_path / "saved.skae")
    other = skae.load(tmp_path / "saved.skae", trusted=["test_trust.Subclass"])
    assert type(other) is Subclass
    assert other.largest_ == ae.largest_


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "builtins:exec",
        "torch:load",
        "skorch.callbacks.training:Checkpoint",
    ],
)
def test_names_that_could_do_more_than_compute_need_trust(name):
    with pytest.raises(
        ValueError, match=re.escape(f"uses {name.replace(':', '.')}, not")
    ):
        check_trusted([name], (), "x.skae")
    with pytest.raises(ValueError, match="pass trusted="):
        Reader({}, ()).decode_value({"type": "name", "name": name})


@pytest.mark.parametrize(
    "name", ["torch.nn.Novelty", "torch.nn.functional", "skae.load", "os.system"]
)
def test_missing_names_ask_for_an_upgrade(name):
    with pytest.raises(
        ValueError, match=f"uses {name}, which the installed .* upgrade"
    ):
        check_trusted([name], [name], "x.skae")


def test_compiling_needs_trust(tmp_path):
    # Its options include the compiler, which may be any program of the machine.
    compiled = {"compile": True, "compile__backend": "eager"}
    ae = AutoencoderTransformer(**NARROW, net_params=compiled).fit(ROWS)
    ae.save(tmp_path / "saved.skae")
    with pytest.raises(ValueError, match=r"trusted=\['torch.compile'\]"):
        skae.load(tmp_path / "saved.skae")
    other = skae.load(tmp_path / "saved.skae", trusted="torch.compile")
    assert_equal(ae, other, ROWS)
    for kind in ("parameters", "built_with", "trained_with"):
        with pytest.raises(ValueError, match=r"trusted=\['torch.compile'\]"):
            load_bytes(rewritten(with_entry(compiled, kind, "net_params")), tmp_path)


METHOD = {"type": "name", "name": "builtins.print"}


def _object(name, part, attribute):
    return {"type": "object", "name": name, part: {attribute: METHOD}}


@pytest.mark.parametrize(
    ("name", "part", "attribute"),
    [
        ("torch.nn.ReLU", "attributes", "forward"),
        ("torch.nn.ReLU", "attributes", "_compiled_call_impl"),
        ("torch.nn.ReLU", "attributes", "__deepcopy__"),
        ("skae.Conv", "attributes", "encoder"),
        ("skae.Layout", "attributes", "n_features"),
        ("skorch.callbacks.LRScheduler", "parameters", "on_epoch_end"),
        ("skorch.callbacks.LRScheduler", "parameters", "__sklearn_clone__"),
    ],
)
def test_a_file_sets_no_methods(name, part, attribute, tmp_path):
    message = rf"{attribute} is no attribute that a {name} can have"
    change = with_entry(_object(name, part, attribute), "attributes", "new_")
    with pytest.raises(ValueError, match=message):
        load_bytes(rewritten(change), tmp_path)


def test_a_file_sets_no_methods_of_the_estimator(tmp_path):
    with pytest.raises(
        ValueError, match=r"transform is no attribute that a skae\.Auto"
    ):
        load_bytes(rewritten(with_entry(METHOD, "attributes", "transform")), tmp_path)


def test_a_file_sets_no_methods_of_callbacks(tmp_path):
    kept = {"on_epoch_end": METHOD, "misses_": 1}
    change = with_entry({"early_stopping": kept}, "net_", "callbacks")
    callbacks = dict(load_bytes(rewritten(change), tmp_path).net_.callbacks_)
    assert vars(callbacks["early_stopping"])["misses_"] == 1
    assert "on_epoch_end" not in vars(callbacks["early_stopping"])


def test_transformers_of_torch_need_no_trust(tmp_path):
    layer = nn.TransformerEncoderLayer(64, 2, 8, batch_first=True)
    encoder = nn.Sequential(layer, nn.Linear(64, 3))
    ae = AutoencoderTransformer(**SMALL, encoder=encoder, decoder=nn.Linear).fit(ROWS)
    ae.save(tmp_path / "saved.skae")
    assert_equal(ae, skae.load(tmp_path / "saved.skae"), ROWS)
