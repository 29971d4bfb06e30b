"""The one error and the one warning that are skae's own."""


class DivergenceError(ValueError):
    """The training loss stopped being finite.

    The estimator that raises it is fitted with the last finite weights, so
    ``transform`` and the other methods can be called afterwards.
    """


class LayoutWarning(UserWarning):
    """The shape of a picture was inferred from the width of flat rows."""
