"""The wording of what several displays share, written once."""

from __future__ import annotations

import re
import textwrap

_LAYOUT = """\
layout : {"channels_first", "channels_last", "signal"} or None, default=None
    What the axes of a sample are, as in the estimators."""

_WORDS = {
    "ax": """\
ax : matplotlib Axes, default=None
    What to draw on. None is a new figure.""",
    "bounds": """\
ax : matplotlib Axes, default=None
    Where to draw: it is switched off and divided into panels. None is a new
    figure.""",
    "estimator": """\
estimator : estimator
    Anything fitted with `transform` and `inverse_transform`: one of skae's, a
    Pipeline, a PCA.""",
    "layout": _LAYOUT,
    "known_layout": f"""\
{_LAYOUT} If it and
    `image_shape` are None, they are those of `estimator`.""",
    "image_shape": """\
image_shape : tuple of int or None, default=None
    Shape of the picture that a flat row holds: ``(height, width)``, or with
    channels where `layout` says, first if it is None. Flat rows without a shape
    are drawn as curves.""",
    "limits": """\
limits : (float, float), default=None
    Lowest and highest value to draw. None is the range of what is drawn; colours
    within [0, 1] or [0, 255] keep that range.""",
    "sample_kw": """\
sample_kw : dict, default=None
    Keywords of matplotlib's `imshow` for pictures, of its `plot` for rows and
    signals.""",
    "ax_": """\
ax_ : matplotlib Axes
    What was drawn on.

figure_ : matplotlib Figure
    The figure around it.""",
    "axes_": """\
axes_ : ndarray of shape (n_panels,)
    The axes of the panels.

ax_ : matplotlib Axes
    What was divided into them.

figure_ : matplotlib Figure
    The figure around it.""",
}


def share_words(cls):
    """Fill the lines ``{name}`` in the docstrings of a display and its methods.

    Parameters
    ----------
    cls : type
        The display.
    """
    for documented in (cls, cls.plot, cls.from_estimator.__func__):
        if documented.__doc__ is not None:  # it is under python -OO
            documented.__doc__ = re.sub(
                r"^( *)\{(\w+)\}$",
                lambda match: textwrap.indent(_WORDS[match[2]], match[1]),
                documented.__doc__,
                flags=re.MULTILINE,
            )
    return cls
