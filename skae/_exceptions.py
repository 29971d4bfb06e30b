"""The error and the warnings that are skae's own, and where a warning points."""

import sys
import warnings

_OURS = ("skae.", "sklearn.", "joblib.")


class DivergenceError(ValueError):
    """The training loss stopped being finite.

    The estimator that raises it is fitted with the last finite weights, so
    ``transform`` and the other methods can be called afterwards.
    """


class CollapsedCodeWarning(UserWarning):
    """A code holds next to nothing at the end of a `fit` of ten epochs or more.

    Either over half of the units vary by less than 1 % of the deviation of the unit
    that varies most, where no more are counted than X has features, or `score` is
    below 0.05; both on 4096 training rows at most. A loss of one's own need not make
    the squared error small, so `score` is not asked there. Constant data gives no
    warning.
    """


class LayoutWarning(UserWarning):
    """The shape of a picture was inferred from the width of flat rows."""


def warn(message: str, category: type[Warning]) -> None:
    """Warn, and point at the line that called scikit-learn or skae."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(_OURS):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
