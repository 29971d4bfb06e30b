"""What several test files share, apart from fixtures."""

import copy

import torch
from skorch.callbacks import Callback


class KeepWeights(Callback):
    """Keep the weights of each epoch of the last training, in ``weights_``."""

    def on_train_begin(self, net, **kwargs):
        self.weights_ = []

    def on_epoch_end(self, net, **kwargs):
        self.weights_.append(copy.deepcopy(net.module_.state_dict()))


def weights_of_epochs(estimator):
    """Return what ``KeepWeights``, one of the callbacks, has kept."""
    return dict(estimator.net_.callbacks_)["KeepWeights"].weights_


def weights_equal(module, state):
    return all(torch.equal(p, state[k]) for k, p in module.state_dict().items())
