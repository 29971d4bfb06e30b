"""The network of a case in plain torch, for rivals that take a module."""

import itertools

import torch
from torch import nn

from benchmarks.speed.rivals._case import NOISE, SIDE


class Noise(nn.Module):
    """Gaussian noise, in training."""

    def forward(self, x):
        return x + NOISE * torch.randn_like(x) if self.training else x


def make_encoder(case):
    """Return the layers from flat rows to codes; twice as many where variational."""
    n_out = case.code * (2 if case.kind == "variational" else 1)
    if case.kind == "convolutional":
        first, second = case.hidden
        return nn.Sequential(
            nn.Unflatten(1, (1, SIDE, SIDE)),
            nn.Conv2d(1, first, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(second * (SIDE // 4) ** 2, n_out),
        )
    layers = dense_layers(case.X.shape[1], *case.hidden, n_out)
    return nn.Sequential(*([Noise()] if case.kind == "denoising" else []), *layers)


def make_decoder(case):
    """Return the layers from codes to flat rows."""
    if case.kind == "convolutional":
        first, second = case.hidden
        options = {"stride": 2, "padding": 1, "output_padding": 1}
        return nn.Sequential(
            nn.Linear(case.code, second * (SIDE // 4) ** 2),
            nn.Unflatten(1, (second, SIDE // 4, SIDE // 4)),
            nn.ReLU(),
            nn.ConvTranspose2d(second, first, 3, **options),
            nn.ReLU(),
            nn.ConvTranspose2d(first, 1, 3, **options),
            nn.Flatten(),
        )
    return nn.Sequential(*dense_layers(case.code, *case.hidden[::-1], case.X.shape[1]))


def dense_layers(*sizes):
    """Return linear layers with ReLU between them."""
    layers = []
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return layers[:-1]


class Autoencoder(nn.Module):
    """The network of a case; the variational one gives mean and log-variance too."""

    def __init__(self, case):
        super().__init__()
        self.is_variational = case.kind == "variational"
        self.encoder = make_encoder(case)
        self.decoder = make_decoder(case)

    def forward(self, x):
        if not self.is_variational:
            return self.decoder(self.encoder(x))
        mean, log_var = self.encoder(x).chunk(2, dim=1)
        code = mean
        if self.training:
            code = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        return self.decoder(code), mean, log_var


def divergence(mean, log_var):
    """Return the divergence from the prior, the mean over rows."""
    return 0.5 * (mean**2 + log_var.exp() - log_var - 1).sum() / len(mean)
