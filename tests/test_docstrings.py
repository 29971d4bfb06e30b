"""Docstrings are complete and agree with what they document."""

import doctest
import importlib.util
import inspect
import pkgutil
import re
import runpy
from pathlib import Path

import pytest
from conftest import ESTIMATORS
from sklearn.utils._param_validation import StrOptions

import skae
from skae.tabular import TableEncoder

docscrape = pytest.importorskip("numpydoc.docscrape", reason="needs numpydoc")
validate = pytest.importorskip("numpydoc.validate", reason="needs numpydoc")

MODULES = sorted(
    ["skae", *(x.name for x in pkgutil.walk_packages(skae.__path__, "skae."))]
)


def _has_examples(name):
    path = importlib.util.find_spec(name).origin
    return ">>> " in Path(path).read_text(encoding="utf-8")


WITH_EXAMPLES = [name for name in MODULES if _has_examples(name)]

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
    *(f"skae.AnomalyDetector.{name}" for name in _methods(skae.AnomalyDetector)),
    *(f"skae.{name}.{own}" for name in DISPLAYS for own in ("from_estimator", "plot")),
    *(f"skae.diagnostics.{name}" for name in DIAGNOSTICS),
    "skae.explorer.write",
    "skae.export.register_converters",
    *(f"skae.tabular.{name}" for name in skae.tabular.__all__),
    *(f"skae.tabular.TableEncoder.{name}" for name in _methods(TableEncoder)),
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


def _assert_none(faults):
    """Fail with one line for each fault."""
    faults = list(faults)
    assert not faults, "\n" + "\n".join(faults)


def test_a_docstring_lists_the_parameters_of_the_signature():
    for path in PUBLIC:
        documented = _resolve(path)
        assert inspect.getdoc(documented), path
        names = [name for name, _, _ in _documented(documented)]
        assert names == list(_signature(documented)), path


def test_a_docstring_gives_every_parameter_a_type_and_a_text():
    _assert_none(
        f"{path}: {name} has type {kind!r} and text {text!r}"
        for path in PUBLIC
        for name, kind, text in _documented(_resolve(path))
        if not ((kind or name.startswith("*")) and text.endswith("."))
    )


def _wrong_defaults(path):
    signature = _signature(_resolve(path))
    for name, kind, _ in _documented(_resolve(path)):
        default = signature[name].default
        _, _, documented = kind.partition("default=")
        if default is inspect.Parameter.empty or kind == "Ignored":
            expected = ""
        else:
            expected = repr(default).replace("'", '"')
        if documented != expected:
            yield f"{path}: {name} has default {expected!r}, not {documented!r}"


def test_defaults_agree_with_the_signature():
    _assert_none(fault for path in PUBLIC for fault in _wrong_defaults(path))


def _wrong_types(cls):
    for parameter, kind, text in _documented(cls):
        rules = cls._parameter_constraints[parameter]
        kind = kind.partition(", default=")[0]
        # The rule of scikit-learn for random_state has None in it.
        if parameter != "random_state" and kind.endswith(" or None") != (None in rules):
            yield f"{cls.__name__}: {parameter} is {kind!r}, but takes {rules}"
        options = {
            option
            for rule in rules
            if isinstance(rule, StrOptions)
            for option in rule.options
        }
        if kind.startswith("str"):  # whose text lists the names
            listed = set(re.findall('``"(.*?)"``', text))
            complete = options <= listed or "one of the names that" in text
        else:
            listed = set(re.findall('"(.*?)"', kind))
            complete = listed == options
        if not complete:
            yield f"{cls.__name__}: {parameter} lists {listed}, but takes {options}"


def test_types_agree_with_the_constraints():
    constrained = [
        getattr(skae, name)
        for name in CLASSES
        if hasattr(getattr(skae, name), "_parameter_constraints")
    ]
    assert set(ESTIMATORS) < set(constrained)
    _assert_none(fault for cls in constrained for fault in _wrong_types(cls))


def test_numpydoc_finds_nothing_wrong():
    _assert_none(
        f"{path}: {code}: {message}"
        for path in PUBLIC
        for code, message in validate.validate(path)["errors"]
        if code not in OTHER_STYLE
    )


def test_returned_values_are_described():
    for path in PUBLIC:
        if not inspect.isclass(_resolve(path)):
            docstring = docscrape.NumpyDocString(inspect.getdoc(_resolve(path)))
            assert docstring["Returns"], path
            assert all(part.type for part in docstring["Returns"]), path


def test_classes_list_what_fit_sets():
    for cls in ESTIMATORS:
        attributes = docscrape.NumpyDocString(inspect.getdoc(cls))["Attributes"]
        listed = {name for part in attributes for name in part.name.split(", ")}
        assert set(_properties(cls)) <= listed, cls
        always = {"net_", "n_features_in_", "mean_", "scale_", "image_shape_"}
        assert always <= listed, cls
        assert all(name.endswith("_") for name in listed), cls
        assert all(part.type and part.desc for part in attributes), cls


def test_classes_show_an_example():
    without = {"CollapsedCodeWarning", "DivergenceError", "LayoutWarning"}
    without |= {"OutOfDomainWarning"}
    for name in set(CLASSES) - without:
        docstring = docscrape.NumpyDocString(inspect.getdoc(getattr(skae, name)))
        assert docstring["Examples"], name


@pytest.mark.slow
def test_shared_entries_have_the_same_text():
    tool = Path(__file__).parents[1] / "tools" / "docstrings.py"
    assert runpy.run_path(str(tool))["main"](check=True) == 0


def test_every_class_and_function_has_a_docstring():
    _assert_none(
        f"{name}.{member_name}"
        for name in MODULES
        for member_name, member in inspect.getmembers(importlib.import_module(name))
        if getattr(member, "__module__", None) == name
        and not member_name.startswith("_")
        and callable(member)
        and not inspect.getdoc(member)
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_run(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module)
    assert failed == 0


def test_doctest_finds_every_example():
    # A decorator must not hide one.
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
