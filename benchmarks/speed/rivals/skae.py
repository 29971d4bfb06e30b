"""skae itself, which takes all types of X."""

import skae
from benchmarks.speed.rivals._case import EPOCHS, LR, NOISE, SIDE, Trained


def prepare(case):
    """Prepare an estimator of skae."""
    settings = {
        "activation": "relu",
        "batch_size": case.batch_size,
        "lr": LR,
        "lr_schedule": "constant",
        "max_epochs": EPOCHS,
        "n_iter_no_change": None,
        "device": "cpu",
        "random_state": 0,
    }
    if case.kind == "convolutional":
        settings.update(channels=case.hidden, image_shape=(SIDE, SIDE))
    else:
        settings.update(hidden_layer_sizes=case.hidden)
    if case.kind == "denoising":
        settings.update(noise="gaussian", noise_level=NOISE)
    estimator = {
        "dense": skae.AutoencoderTransformer,
        "convolutional": skae.ConvAutoencoder,
        "variational": skae.VariationalAutoencoder,
        "denoising": skae.DenoisingAutoencoder,
    }[case.kind](case.code, **settings)
    return lambda: Trained(estimator.fit(case.X).reconstruct)
