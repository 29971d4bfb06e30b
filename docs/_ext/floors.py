"""A directive that draws the floors of the package from its imports.

A file stands one floor above the highest file that it imports. The sentence beside it
is the first of its docstring.
"""

import ast
from pathlib import Path

from sphinx.util.docutils import SphinxDirective

PACKAGE = Path(__file__).resolve().parents[2] / "skae"


def _imports(tree):
    """Return the names of the files of the package that a file imports."""
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        if node.module == "skae":
            found.update(alias.name for alias in node.names)
        elif node.module.startswith("skae."):
            found.add(node.module.removeprefix("skae."))
    return found


def _floors(trees):
    """Return the floor of each file; a cycle of imports is an error."""
    floors = {}

    def floor_of(name, below=()):
        if name in below:
            raise ValueError(f"skae/{name}.py imports itself through {below}")
        if name not in floors:
            lower = (floor_of(n, (*below, name)) for n in _imports(trees[name]))
            floors[name] = 1 + max(lower, default=-1)
        return floors[name]

    for name in trees:
        floor_of(name)
    return floors


class Floors(SphinxDirective):
    """A table of floor, file and what the file knows, the top floor first."""

    def run(self):
        trees = {}
        for path in sorted(PACKAGE.rglob("*.py")):
            self.env.note_dependency(str(path))
            name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
            trees[name] = ast.parse(path.read_text(encoding="utf-8"))
        floors = _floors(trees)
        lines = [
            ".. list-table::",
            "   :header-rows: 1",
            "   :widths: 8 24 68",
            "",
            "   * - floor",
            "     - file",
            "     - what it knows",
        ]
        shown = None
        for name in sorted(floors, key=lambda name: (-floors[name], name)):
            floor = floors[name]
            sentence = (ast.get_docstring(trees[name]) or "").split("\n\n")[0]
            lines += [
                f"   * - {floor if floor != shown else ''}",
                f"     - ``{name.replace('.', '/')}.py``",
                f"     - {' '.join(sentence.split())}",
            ]
            shown = floor
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app):
    """Register the directive."""
    app.add_directive("floors", Floors)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
