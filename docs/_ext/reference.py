"""The API reference: complete, and without links into other projects' pages."""

import re
from pathlib import Path

from sphinx.util import logging

import skae

logger = logging.getLogger(__name__)

# A role of sphinx with a title, ``:ref:`title <target>```, or without, ``:term:`x```.
_ROLE = re.compile(r":(?:ref|term|func|class|meth|mod):`~?([^`<]*?)(?:\s*<[^`]*>)?`")
_EXAMPLE = re.compile(r":ref:`sphx_glr_\w+\.py`")


def _make_inherited_plain(app, what, name, obj, options, lines):
    """Take the links out of docstrings that a class inherits from scikit-learn."""
    module = getattr(obj, "__module__", None) or ""
    if module.startswith("sklearn"):
        text = _EXAMPLE.sub("the gallery of scikit-learn", "\n".join(lines))
        lines[:] = _ROLE.sub(r"*\1*", text).split("\n")


def _check_complete(app):
    """Complain of public names that the reference leaves out."""
    listed = set((Path(app.srcdir) / "api.rst").read_text(encoding="utf-8").split())
    missing = sorted(set(skae.__all__) - listed)
    if missing:
        logger.warning("api.rst leaves out %s", ", ".join(missing))


def setup(app):
    """Connect both to the build."""
    app.connect("builder-inited", _check_complete)
    # Before numpydoc, which rewrites the sections.
    app.connect("autodoc-process-docstring", _make_inherited_plain, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
