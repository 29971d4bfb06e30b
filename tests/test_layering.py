"""The package is one column of layers: imports go down it, and never in circles."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import skae

ROOT = Path(skae.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# From the lowest layer to the highest: a file may import from its own layer and from
# those before it.
LAYERS = [
    {"_exceptions", "_random"},
    {"_data"},
    {"_networks"},
    {"_objective"},
    {"_training"},
    {"_model"},
    {"_persistence"},
    {"_estimators"},
    {"_plot", "diagnostics", "explorer", "export"},
    {"__init__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

# Imports that still go up.
STILL_UP = {
    ("_networks.assembly", "_objective.losses"),
    ("_training.build", "_estimators.planning"),
}


def _name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(path):
    """Yield the file of ours and the name that each import of a file takes from it."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            ours = [x.name for x in node.names if x.name.split(".")[0] == "skae"]
            assert not ours, f"{path.name} imports {ours} as a whole"
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import"
            if node.module == "skae" or (node.module or "").startswith("skae."):
                for alias in node.names:
                    parts = [*node.module.split(".")[1:], alias.name]
                    is_file = ROOT.joinpath(*parts).with_suffix(".py").exists()
                    is_package = ROOT.joinpath(*parts, "__init__.py").exists()
                    if is_package:
                        yield ".".join([*parts, "__init__"]), None
                    elif is_file:
                        yield ".".join(parts), None
                    else:
                        yield ".".join(parts[:-1]), alias.name


GRAPH = {_name(path): {file for file, _ in _imports(path)} for path in FILES}


def test_every_file_has_a_layer():
    assert {name.split(".")[0] for name in GRAPH} == set(LEVEL)


def test_imports_go_down():
    up = {
        (importer, imported)
        for importer, all_imported in GRAPH.items()
        for imported in all_imported
        if LEVEL[imported.split(".")[0]] > LEVEL[importer.split(".")[0]]
    }
    assert up == STILL_UP


def test_no_imports_in_circles():
    TopologicalSorter(GRAPH).prepare()  # raises a CycleError


def _defined(path):
    """Return the names that a file defines itself, as opposed to imports."""
    found = set()
    body = list(_tree(path).body)
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


def test_a_name_is_imported_from_the_file_that_defines_it():
    for path in FILES:
        for imported, name in _imports(path):
            source = ROOT.joinpath(*imported.split(".")).with_suffix(".py")
            assert source.exists(), f"{_name(path)} imports {imported}"
            if name is not None:
                place = f"{_name(path)}: {name} of {imported}"
                assert name in _defined(source), place


def test_the_package_is_imported_by_its_names_only():
    exported = {name for _, name in _imports(ROOT / "__init__.py") if name}
    assert exported == set(skae.__all__)
    assert list(skae.__all__) == sorted(skae.__all__)


def test_a_file_opens_with_what_it_knows():
    for path in FILES:
        docstring = ast.get_docstring(_tree(path))
        assert docstring, path
        assert docstring.splitlines()[0].endswith("."), path
