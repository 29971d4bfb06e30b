"""Formulas as MathML: readable offline, without a script and without LaTeX."""

import re

from docutils import nodes
from docutils.utils.math import latex2mathml

# docutils sets the subscript of an accented letter below it: braces keep it beside.
_ACCENTED = re.compile(r"(\\(?:hat|bar|tilde)\s*(?:\\[a-z]+|\w))(?=[_^])")
# It takes the 12 of \tfrac12 for one number, above whatever follows.
_FRACTION = re.compile(r"(\\[dt]?frac)(\d)(\w)")
# Bars of a norm as high as letters: without a font for formulas one bar grows only.
_BAR = re.compile("<mo>(?=‖)")


def _inline(translator, node):
    translator.body.append(_to_mathml(node, as_block=False))
    raise nodes.SkipNode


def _block(translator, node):
    translator.body.append(f"<div class='math'>{_to_mathml(node, as_block=True)}</div>")
    raise nodes.SkipNode


def _to_mathml(node, *, as_block):
    # docutils knows \textstyle at the beginning of a group only.
    formula = node.astext().replace(r"\textstyle", "")
    formula = _ACCENTED.sub(r"{\1{}}", formula)
    formula = _FRACTION.sub(r"\1{\2}{\3}", formula)
    mathml = latex2mathml.tex2mathml(formula, as_block=as_block)
    return _BAR.sub('<mo stretchy="false">', mathml)


def setup(app):
    """Register the renderer under the name ``mathml``."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
