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
    {"_documented", "_exceptions", "_random"},
    {"_distributed"},
    {"_sources"},
    {"_data"},
    {"_networks"},
    {"_objective"},
    {"_training"},
    {"_model"},
    {"_persistence"},
    {"_stacked"},
    {"_ahead"},
    {"_estimators"},
    {
        "_anomaly",
        "_blending",
        "_deep_features",
        "_fit_many",
        "_latent_density",
        "_loading",
        "_search",
        "_plot",
        "_versions",
        "diagnostics",
        "explorer",
        "export",
        "tabular",
    },
    {"__init__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


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
    assert up == set()


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


# Rules of the code --------------------------------------------------------------------

# Functions below the estimators that take one: scikit-learn's validation wants it, for
# names and messages, and its callbacks do.
TAKES_ESTIMATORS = {"_data.rows", "_training.callbacks"}

# Attributes with an underscore that are read of another object: hooks of torch, skorch
# and scikit-learn, and the answers of an estimator, which the base class asks for.
PRIVATE_HOOKS = {
    *("_forward_hooks", "_forward_pre_hooks", "_getframe", "_foreach_add_"),
    *("_backward_hooks", "_post_accumulate_grad_hooks"),
    *("_fused_adam_", "_fused_adamw_", "_global_optimizer_pre_hooks"),
    *("_global_optimizer_post_hooks", "_optimizer_step_pre_hooks"),
    *("_optimizer_step_post_hooks", "_init_callback_context", "_validate_params"),
    *("_parameter_constraints",),
}
OWN_HOOKS = {
    "_estimators.checks": {"_plan"},
    "_estimators.base": {"_fitted"},
    "_estimators.files": {"_model", "_plan", "_task"},
    "_estimators.fitting": {"_model"},
    "_estimators.opening": {"_fitted"},
    "explorer._columns": {"_codecs"},
}
MOST_LINES, MOST_FILES = 300, 13


def _functions(path):
    return [
        node
        for node in ast.walk(_tree(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


def test_nothing_below_the_estimators_knows_one():
    for path in FILES:
        name = _name(path)
        is_below = LEVEL[name.split(".")[0]] < LEVEL["_estimators"]
        if is_below and name not in TAKES_ESTIMATORS:
            for function in _functions(path):
                arguments = [
                    a.arg for a in ast.walk(function) if isinstance(a, ast.arg)
                ]
                assert "estimator" not in arguments, f"{name}.{function.name}"


def test_private_attributes_of_other_objects_are_left_alone():
    for path in FILES:
        name = _name(path)
        allowed = PRIVATE_HOOKS | OWN_HOOKS.get(name, set())
        modules = {
            (alias.asname or alias.name).split(".")[0]
            for node in ast.walk(_tree(path))
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        }
        for node in ast.walk(_tree(path)):
            if not isinstance(node, ast.Attribute) or not node.attr.startswith("_"):
                continue
            owner = node.value
            is_own = isinstance(owner, ast.Name) and owner.id in ("self", "cls")
            is_super = (
                isinstance(owner, ast.Call)
                and isinstance(owner.func, ast.Name)
                and owner.func.id == "super"
            )
            is_class = isinstance(owner, ast.Name) and (
                owner.id[0].isupper() or owner.id in modules
            )
            is_dunder = node.attr.startswith("__") and node.attr.endswith("__")
            if not (is_own or is_super or is_class or is_dunder):
                assert node.attr in allowed, f"{name}:{node.lineno} reads {node.attr}"


def test_parameters_are_declared():
    for path in FILES:
        if _name(path).startswith("_estimators."):
            names = [function.name for function in _functions(path)]
            assert "__init__" not in names, path


def _code_lines(path):
    """Count the lines of a file that are neither blank, comment nor docstring."""
    tree = _tree(path)
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                skipped.update(range(first.lineno, first.end_lineno + 1))
    lines = path.read_text(encoding="utf-8").splitlines()
    return sum(
        bool(line.strip())
        and not line.strip().startswith("#")
        and number not in skipped
        for number, line in enumerate(lines, start=1)
    )


def test_files_and_packages_have_a_size_that_can_be_read():
    for path in FILES:
        assert _code_lines(path) <= MOST_LINES, path
    for folder in {path.parent for path in FILES} - {ROOT}:
        files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(files) <= MOST_FILES, folder


def test_paths_without_an_underscore_are_in_the_reference():
    reference = ROOT.parent / "docs" / "api.rst"
    public = {
        name.removesuffix(".__init__")
        for name in GRAPH
        if not any(
            part.startswith("_") for part in name.replace("__init__", "").split(".")
        )
    } - {"__init__"}
    assert public == {"diagnostics", "explorer", "export", "tabular"}
    text = reference.read_text(encoding="utf-8")
    for name in public:
        assert f"{name}." in text, name
