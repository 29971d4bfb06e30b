"""Callbacks of one fit, such as the reporter of epochs to scikit-learn (from 1.9)."""

from __future__ import annotations

from contextlib import contextmanager

from skorch.callbacks import Callback

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn < 1.9 has no callbacks

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stand-in for scikit-learn's mixin: there is nothing to support."""

    def with_callbacks(method):
        """Return the method as it is."""
        return method


class PassingCallback(Callback):
    """A callback of one fit, which copies of the net shall not hold.

    A user's callback may pickle the net while it is trained. This one stays behind,
    with the data and the open files that it knows.
    """

    def __reduce__(self):
        return Callback, ()


class _EpochReporter(PassingCallback):
    """A skorch callback that passes each epoch on to scikit-learn's."""

    def __init__(self, estimator, context, X):
        self.estimator = estimator
        self.context = context
        self.X = X

    def _facts(self):
        # A monitor scores only what has a y: for an autoencoder that is X.
        return {"estimator": self.estimator, "X": self.X, "y": self.X}

    def on_epoch_begin(self, net, **kwargs):
        self.epoch_ = self.context.subcontext(task_name="epoch")
        self.epoch_.call_on_fit_task_begin(**self._facts())

    def on_epoch_end(self, net, **kwargs):
        stop = self.epoch_.call_on_fit_task_end(
            **self._facts(), reconstruction_attributes={}
        )
        if stop:
            raise KeyboardInterrupt  # how a callback of skorch stops training


@contextmanager
def reported_epochs(estimator, net, X, n_epochs):
    """Report the epochs that run inside the block to the estimator's callbacks.

    Parameters
    ----------
    estimator : estimator
        Whose callbacks are told.
    net : AutoencoderNet
        The initialised net that runs the epochs.
    X : ndarray
        The training data, as `transform` takes them.
    n_epochs : int
        Most epochs that will run.
    """
    if not hasattr(estimator, "_init_callback_context"):
        yield
        return
    context = estimator._init_callback_context(max_subtasks=n_epochs)
    context.call_on_fit_task_begin(estimator=estimator, X=X, y=X)
    reporter = ("scikit-learn", _EpochReporter(estimator, context, X))
    net.callbacks_.append(reporter)
    try:
        yield
    finally:
        net.callbacks_.remove(reporter)
    context.call_on_fit_task_end(
        estimator=estimator, X=X, y=X, reconstruction_attributes={}
    )


def check_callback_names(net_params, callbacks):
    """Refuse settings of callbacks that the net does not have."""
    names = [name for name, _ in callbacks]
    for key, value in net_params.items():
        prefix, _, rest = key.partition("__")
        name = rest.partition("__")[0]
        # None takes a callback away.
        if prefix == "callbacks" and rest and value is not None and name not in names:
            raise ValueError(
                f"{key} sets a callback named {name!r}, but the callbacks are "
                f"{', '.join(map(repr, names))}."
            )
