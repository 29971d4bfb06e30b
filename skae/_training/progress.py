"""A bar for the epochs of a fit, in terminals and in notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from skae._training.callbacks import PassingCallback
from skae._training.history import terms_of
from skae._training.net import AutoencoderNet


class _Bar(PassingCallback):
    """A skorch callback that moves a bar of tqdm at the end of each epoch."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        terms = terms_of(net.history[-1])
        del terms["epoch"]
        if sum(name.startswith("train_") for name in terms) == 2:
            # One term alone is the loss.
            terms = {name: x for name, x in terms.items() if name.endswith("_loss")}
        shown = {name.removeprefix("train_"): f"{x:.4g}" for name, x in terms.items()}
        self.bar.set_postfix(shown, refresh=False)
        self.bar.update()


@contextmanager
def shown_epochs(estimator: Any, net: AutoencoderNet, n_epochs: int) -> Iterator[None]:
    """Show the epochs that run inside the block: by a bar, by lines or not at all.

    Parameters
    ----------
    estimator : estimator
        With the parameter `verbose`.
    net : AutoencoderNet
        The initialised net that runs the epochs.
    n_epochs : int
        Most epochs that will run.
    """
    net.verbose = max(estimator.verbose - 1, 0)  # above 1, skorch prints lines
    if estimator.verbose != 1:
        yield
        return
    # Finds out whether this is a notebook, which takes a moment.
    from tqdm.auto import tqdm

    name = type(estimator).__name__
    with tqdm(total=n_epochs, desc=name, unit="epoch", dynamic_ncols=True) as bar:
        callback = ("progress", _Bar(bar))
        net.callbacks_.insert(0, callback)  # before one that ends training
        try:
            yield
        finally:
            net.callbacks_.remove(callback)
        bar.total = bar.n  # where training stopped before its time, that is all
        if hasattr(bar, "container"):  # the widgets of a notebook
            bar.container.children[1].max = bar.n
        bar.refresh()
