"""What several test files share, apart from fixtures."""

import copy
import multiprocessing

import torch
from skorch.callbacks import Callback

COORDINATES = ("coordinates.", "inverse_coordinates.")


class KeepWeights(Callback):
    """Keep the weights of each epoch of the last training, in ``weights_``."""

    def on_train_begin(self, net, **kwargs):
        self.weights_ = []

    def on_epoch_end(self, net, **kwargs):
        self.weights_.append(copy.deepcopy(net.module_.state_dict()))


class ShiftOutput(Callback):
    """Shift the output before the first epoch, by little, and before a later one.

    Training has to be better than at the start then, and worse after that epoch.
    """

    def __init__(self, epoch=None):
        self.epoch = epoch

    def on_train_begin(self, net, **kwargs):
        self._shift(net, 0.5)

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            self._shift(net, 2.0)

    def _shift(self, net, by):
        *_, bias = net.module_.decoder.parameters()
        with torch.no_grad():
            bias.add_(by)


def weights_of_epochs(estimator):
    """Return what ``KeepWeights``, one of the callbacks, has kept."""
    return dict(estimator.net_.callbacks_)["KeepWeights"].weights_


def trained_state(module):
    """Return the state of a module without the coordinates that are set after it."""
    state = module.state_dict()
    return {k: x for k, x in state.items() if not k.startswith(COORDINATES)}


def weights_equal(module, state):
    return all(torch.equal(p, state[k]) for k, p in trained_state(module).items())


def process_context():
    """Return a context of multiprocessing whose processes are clean, and start fast.

    Where there is a server of forks, it imports the package once for all of them.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["skae", "skae.tabular", "sklearn.datasets"])
    return context
