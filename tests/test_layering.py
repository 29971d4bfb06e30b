"""An import goes to a lower floor only, and names the file that defines the thing."""

import ast
from pathlib import Path

import pytest

import skae

ROOT = Path(skae.__file__).parent

# What a file may import: files of a lower floor. A file stands as low as its imports
# allow. One that is new or moved is entered here, which is the moment to ask whether
# its imports are as they should be.
FLOORS = {
    # Files that import nothing of ours.
    "_adam": 0,
    "_callbacks": 0,
    "_docs": 0,
    "_exceptions": 0,
    "_files": 0,
    "_history": 0,
    "_inference": 0,
    "_page": 0,
    "_plot.__init__": 0,
    "_plot.codes": 0,
    "_plot.style": 0,
    "_plot.words": 0,
    "_random": 0,
    "_rows": 0,
    "_statistics": 0,
    "_store.__init__": 0,
    "augmentation": 0,
    "corruption": 0,
    "latent": 0,
    "losses": 0,
    # What a sample is, what trains it, what joins two networks.
    "_batches": 1,
    "_collapse": 1,
    "_layout": 1,
    "_net": 1,
    "_onnx": 1,
    "_pca_start": 1,
    "blending": 1,
    "modules": 1,
    # The networks, and what is measured on them; pictures of what any estimator gives.
    "_plot.learning_curve": 2,
    "_plot.samples": 2,
    "_precision": 2,
    "_progress": 2,
    "_summary": 2,
    "architectures": 2,
    "jacobian": 2,
    "objective": 2,
    # What the slots of an estimator may hold, and how they become one module.
    "_assembly": 3,
    "_params": 3,
    "_plot.latent_space": 3,
    "_plot.reconstruction": 3,
    "_plot.walks": 3,
    "penalties": 3,
    # From the parameters of an estimator to a net ...
    "_store.names": 4,
    "_training": 4,
    "_tunable": 4,
    # ... from both to a file and back, and what asks a trained one.
    "_store.describe": 5,
    "_store.restore": 5,
    "_store.files": 6,
    "_kept": 7,
    "_fitted": 8,
    # How every estimator is fitted, written once ...
    "_base": 9,
    "diagnostics": 9,
    "explorer": 9,
    # ... and the named ones, of which none knows another.
    "_autoencoder": 10,
    "_contractive": 10,
    "_conv": 10,
    "_denoising": 10,
    "_sparse": 10,
    "_variational": 10,
    # What is built on the base.
    "_plot.latent_diagnostics": 10,
    "export": 10,
    # What knows them all.
    "saving": 11,
    # Names only.
    "__init__": 12,
}


def _files():
    return sorted(ROOT.rglob("*.py"))


def _name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _imports(path):
    """Yield the file of ours and the name that each import of a file takes from it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "skae":
                    yield alias.name.partition(".")[2], None
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import"
            package, _, module = (node.module or "").partition(".")
            for alias in node.names if package == "skae" else ():
                if module:
                    yield module, alias.name
                else:  # from skae import file
                    yield alias.name, None


def _defined(path):
    """Return the names that a file defines itself, as opposed to imports."""
    found = set()
    body = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while body:
        node = body.pop()
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {x.id for x in node.targets if isinstance(x, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, ast.Try):  # what an optional dependency may lack
            body += node.body + [x for handler in node.handlers for x in handler.body]
            for inner in node.body:
                if isinstance(inner, ast.ImportFrom):
                    found |= {alias.asname or alias.name for alias in inner.names}
    return found


def test_every_file_has_a_floor():
    names = {_name(path) for path in _files()}
    assert names - set(FLOORS) == set(), "enter the new files into FLOORS"
    assert set(FLOORS) - names == set(), "take the files that are gone out of FLOORS"


@pytest.mark.parametrize("path", _files(), ids=_name)
def test_imports_go_to_a_lower_floor(path):
    name = _name(path)
    for imported, _ in _imports(path):
        assert imported in FLOORS, f"{name} imports {imported or 'skae itself'}"
        assert FLOORS[imported] < FLOORS[name], f"{name} imports {imported}"


@pytest.mark.parametrize("path", _files(), ids=_name)
def test_a_name_is_imported_from_the_file_that_defines_it(path):
    for imported, name in _imports(path):
        source = ROOT.joinpath(*imported.split(".")).with_suffix(".py")
        assert source.exists(), f"{imported} is not a file of skae"
        if name is not None:
            assert name in _defined(source), f"{imported} does not define {name}"


@pytest.mark.parametrize("path", _files(), ids=_name)
def test_a_file_stands_as_low_as_its_imports_allow(path):
    name = _name(path)
    floors = [FLOORS[imported] for imported, _ in _imports(path)]
    lowest = 1 + max(floors, default=-1)
    assert FLOORS[name] == lowest


def test_the_package_is_imported_by_its_names_only():
    exported = {name for _, name in _imports(ROOT / "__init__.py") if name}
    assert exported == set(skae.__all__)
    assert list(skae.__all__) == sorted(skae.__all__)


@pytest.mark.parametrize("path", _files(), ids=_name)
def test_a_file_opens_with_what_it_knows(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring
    first = docstring.splitlines()[0]
    assert first.endswith("."), f"{path.name}: {first}"
