"""pyod's detectors, without their standardisation."""

import math

import torch
from pyod.models.auto_encoder import AutoEncoder
from pyod.models.vae import VAE

from benchmarks.speed.rivals._case import EPOCHS, LR, LeftOut, Trained, scaled


def prepare(case):
    """Prepare one of the two detectors."""
    if case.kind == "convolutional":
        raise LeftOut("pyod's detectors have dense layers only")
    if case.kind == "denoising":
        raise LeftOut("pyod's detectors add no noise")
    settings = {
        "lr": LR,
        "epoch_num": EPOCHS,
        "batch_size": case.batch_size,
        "preprocessing": False,
        "batch_norm": False,
        "dropout_rate": 0.0,
        "optimizer_params": {"weight_decay": 0.0},
        "device": "cpu",
        "random_state": 0,
        "verbose": 0,
    }
    if case.kind == "variational":
        settings.update(
            encoder_neuron_list=list(case.hidden),
            decoder_neuron_list=list(case.hidden[::-1]),
            latent_dim=case.code,
            beta=2 / case.X.shape[1],
            capacity=math.inf,  # the default switches the divergence off
        )
        return lambda: trained(VAE(**settings).fit(scaled(case.X)))
    settings.update(hidden_neuron_list=[*case.hidden, case.code])
    return lambda: trained(AutoEncoder(**settings).fit(scaled(case.X)))


def trained(detector):
    """Return the reconstructions, which pyod does not offer."""

    @torch.no_grad()
    def reconstruct(X):
        code = detector.model.encoder(torch.from_numpy(X))
        if hasattr(detector.model, "encoder_mu"):
            code = detector.model.encoder_mu(code)
        return detector.model.decoder(code).numpy()

    return Trained(reconstruct)
