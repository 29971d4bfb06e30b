"""Docstrings are complete and agree with what they document."""

import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ESTIMATORS
from sklearn.utils._param_validation import StrOptions

import skae

docscrape = pytest.importorskip("numpydoc.docscrape", reason="needs numpydoc")
validate = pytest.importorskip("numpydoc.validate", reason="needs numpydoc")

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(skae.__path__, "skae.")
)

# What numpydoc asks for and we do not: a second paragraph, an example and a See Also
# for every method, a capital letter before "skorch", and returns without a name.
OTHER_STYLE = {"ES01", "EX01", "PR08", "RT02", "SA01"}


def _methods(cls):
    """Return the names of the public methods that skae itself defines."""
    return sorted(
        name
        for name, member in inspect.getmembers(cls, inspect.isfunction)
        if not name.startswith("_") and member.__module__.startswith("skae")
    )


def _properties(cls):
    return sorted(
        name
        for name, member in inspect.getmembers(cls)
        if not name.startswith("_")
        and isinstance(member, property)
        and member.fget.__module__.startswith("skae")
    )


CLASSES = sorted(name for name in skae.__all__ if inspect.isclass(getattr(skae, name)))
FUNCTIONS = sorted(set(skae.__all__) - set(CLASSES))
DISPLAYS = [name for name in CLASSES if name.endswith("Display")]
DIAGNOSTICS = ["report", "Report", "Report.to_dict", "Report.to_frame"]
PUBLIC = [
    *(f"skae.{name}" for name in [*CLASSES, *FUNCTIONS]),
    *(f"skae.{cls.__name__}.{name}" for cls in ESTIMATORS for name in _methods(cls)),
    *(f"skae.{name}.{own}" for name in DISPLAYS for own in ("from_estimator", "plot")),
    *(f"skae.diagnostics.{name}" for name in DIAGNOSTICS),
    "skae.explorer.write",
    "skae.export.register_converters",
]


def _resolve(path):
    found = skae
    for name in path.split(".")[1:]:
        found = getattr(found, name)
    return found


def _signature(documented):
    """Return the parameters of a signature, as a docstring spells them."""
    if inspect.isclass(documented) and issubclass(documented, BaseException | Warning):
        return {}
    stars = {
        inspect.Parameter.VAR_POSITIONAL: "*",
        inspect.Parameter.VAR_KEYWORD: "**",
    }
    return {
        stars.get(parameter.kind, "") + name: parameter
        for name, parameter in inspect.signature(documented).parameters.items()
        if name != "self"
    }


def _documented(documented):
    """Yield name, type and text of each parameter that a docstring lists."""
    for names, kind, text in docscrape.NumpyDocString(inspect.getdoc(documented))[
        "Parameters"
    ]:
        for name in names.split(", "):
            yield name, kind, " ".join(text)


@pytest.mark.parametrize("path", PUBLIC)
def test_a_docstring_lists_the_parameters_of_the_signature(path):
    documented = _resolve(path)
    assert inspect.getdoc(documented)
    names = [name for name, _, _ in _documented(documented)]
    assert names == list(_signature(documented))


@pytest.mark.parametrize("path", PUBLIC)
def test_a_docstring_gives_every_parameter_a_type_and_a_text(path):
    for name, kind, text in _documented(_resolve(path)):
        assert kind or name.startswith("*"), name
        assert text.endswith("."), name


@pytest.mark.parametrize("path", PUBLIC)
def test_defaults_agree_with_the_signature(path):
    signature = _signature(_resolve(path))
    for name, kind, _ in _documented(_resolve(path)):
        default = signature[name].default
        _, _, said = kind.partition("default=")
        if default is inspect.Parameter.empty or kind == "Ignored":
            assert not said, name
        else:
            assert said, f"{name} has a default"
            assert said == repr(default).replace("'", '"'), name


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in CLASSES
        if hasattr(getattr(skae, name), "_parameter_constraints")
    ],
)
def test_types_agree_with_the_constraints(name):
    cls = getattr(skae, name)
    for parameter, kind, text in _documented(cls):
        rules = cls._parameter_constraints[parameter]
        kind = kind.partition(", default=")[0]
        if parameter != "random_state":  # a rule of scikit-learn's, with None in it
            assert kind.endswith(" or None") == (None in rules), parameter
        options = {
            option
            for rule in rules
            if isinstance(rule, StrOptions)
            for option in rule.options
        }
        if kind.startswith("str"):  # whose text lists the names
            listed = set(re.findall('``"(.*?)"``', text))
            assert options <= listed or "one of the names that" in text, parameter
        else:
            assert set(re.findall('"(.*?)"', kind)) == options, parameter


@pytest.mark.parametrize("path", PUBLIC)
def test_numpydoc_finds_nothing_wrong(path):
    errors = [
        f"{code}: {message}"
        for code, message in validate.validate(path)["errors"]
        if code not in OTHER_STYLE
    ]
    assert errors == []


@pytest.mark.parametrize(
    "path", [path for path in PUBLIC if not inspect.isclass(_resolve(path))]
)
def test_what_is_returned_is_described(path):
    returns = docscrape.NumpyDocString(inspect.getdoc(_resolve(path)))["Returns"]
    assert returns
    assert all(part.type for part in returns)


@pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)
def test_classes_list_what_fit_sets(cls):
    sections = docscrape.NumpyDocString(inspect.getdoc(cls))
    listed = {name for part in sections["Attributes"] for name in part.name.split(", ")}
    assert set(_properties(cls)) <= listed
    assert {"net_", "n_features_in_", "mean_", "scale_", "image_shape_"} <= listed
    assert all(name.endswith("_") for name in listed)
    assert all(part.type and part.desc for part in sections["Attributes"])


@pytest.mark.parametrize(
    "name",
    sorted({*CLASSES} - {"CollapsedCodeWarning", "DivergenceError", "LayoutWarning"}),
)
def test_classes_show_an_example(name):
    cls = getattr(skae, name)
    assert docscrape.NumpyDocString(inspect.getdoc(cls))["Examples"]


def test_shared_entries_are_worded_alike():
    tool = Path(__file__).parents[1] / "tools" / "docstrings.py"
    subprocess.run([sys.executable, tool, "--check"], check=True)


@pytest.mark.parametrize("name", MODULES)
def test_every_class_and_function_has_a_docstring(name):
    module = importlib.import_module(name)
    for own, member in inspect.getmembers(module):
        is_ours = getattr(member, "__module__", None) == name
        if is_ours and not own.startswith("_") and callable(member):
            assert inspect.getdoc(member), own


@pytest.mark.parametrize("name", ["skae", *MODULES])
def test_examples_run(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module)
    assert failed == 0


def test_examples_are_looked_for_where_they_are():
    # A decorator must not hide them: the finder has to see each example we wrote.
    found = sum(
        len(test.examples)
        for name in MODULES
        for test in doctest.DocTestFinder().find(importlib.import_module(name))
    )
    written = sum(
        inspect.getsource(importlib.import_module(name)).count(">>> ")
        for name in MODULES
    )
    assert found == written
