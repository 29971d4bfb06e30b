"""skorch with a handwritten module."""

import torch
from skorch import NeuralNet
from torch import nn

from benchmarks.speed.rivals._case import EPOCHS, LR, Trained, as_float32
from benchmarks.speed.rivals._network import Autoencoder, divergence


def prepare(case):
    """Prepare a `NeuralNet` with the loss of the case."""

    class Net(NeuralNet):
        def get_loss(self, y_pred, y_true, *args, **kwargs):
            if case.kind != "variational":
                return super().get_loss(y_pred, y_true, *args, **kwargs)
            reconstruction, mean, log_var = y_pred
            error = super().get_loss(reconstruction, y_true, *args, **kwargs)
            return error * y_true.shape[1] / 2 + divergence(mean, log_var)

    def fit():
        torch.manual_seed(0)
        net = Net(
            Autoencoder,
            nn.MSELoss,
            module__case=case,
            optimizer=torch.optim.Adam,
            lr=LR,
            max_epochs=EPOCHS,
            batch_size=case.batch_size,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
        )
        X = as_float32(case.X)
        return Trained(net.fit(X, X).predict)

    return fit
