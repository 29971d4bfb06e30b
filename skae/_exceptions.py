"""The exception and the warnings of skae, and the line that a warning points to."""

import sys
import warnings

_OURS = ("skae.", "sklearn.", "joblib.")


class DivergenceError(ValueError):
    """The training loss stopped being finite.

    The estimator that raises it is fitted with the last finite weights, so
    ``transform`` and the other methods can be called afterwards.

    Read more in the :ref:`user guide <guide-errors>`.
    """


class CollapsedCodeWarning(UserWarning):
    """The latent code has collapsed: constant units, or little explained variance.

    It is issued at the end of a `fit` of ten epochs or more, if one of these holds on
    at most 4096 training rows:

    - More than half of the units are (nearly) constant: their standard deviation is
      below 1 % of that of the unit that varies most; of components that are ordered by
      variance, 0.001 %. No more units are counted than X has features.
    - The reconstruction explains less than 5 % of the variance: `score` is below 0.05.
      A custom loss need not make the squared error small, so this is not checked there.

    Constant data gives no warning.

    Read more in the :ref:`user guide <guide-errors>`.
    """


class FitWarning(UserWarning):
    """A fit that works, but is likely not what was meant.

    It is issued at the end of a `fit` if one of these holds on training rows:

    - R² is below that of PCA with as many components, after ten epochs or more: by more
      than 0.005, or by more than 0.05 with an activation of the code, penalties, noise
      or another loss than the squared error. A variational autoencoder is not compared.
    - Channels of images or signals have scales that differ by more than ten, so that
      each is divided by its own, and R² in the units of X is below that of PCA by more
      than 0.005.
    - One column of a table holds more than 99 % of the variance; or R² of all entries
      is above 0.999, but that of some column below 0.5.
    - A linear code has more units than X has features.

    It is issued during a `fit` if its `checkpoint` cannot be written any more.

    Read more in the :ref:`user guide <guide-errors>`.

    Examples
    --------
    >>> import warnings
    >>> from skae import FitWarning
    >>> warnings.filterwarnings("ignore", category=FitWarning)
    """


class OutOfDomainWarning(UserWarning):
    """More rows are unlike those of `fit` than normal rows would be by chance.

    Read more in the :ref:`user guide <guide-errors>`.
    """


class LayoutWarning(UserWarning):
    """The axes of images or signals were inferred, or may have been confused.

    Read more in the :ref:`user guide <guide-errors>`.
    """


def warn(message: str, category: type[Warning]) -> None:
    """Issue a warning that points to the line that called scikit-learn or skae."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(_OURS):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
