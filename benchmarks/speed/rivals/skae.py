"""skae itself, which takes all types of X."""

import skae
from benchmarks.speed.rivals._case import EPOCHS, LR, NOISE, SIDE, Trained


def prepare(case):
    """Prepare an estimator of skae."""
    settings = {
        "batch_size": case.batch_size,
        "optimizer": "adam",
        "lr": LR,
        "lr_schedule": "constant",
        "max_epochs": EPOCHS,
        "early_stopping": False,
        "n_iter_no_change": None,
        "device": "cpu",
        "random_state": 0,
    }
    plain = {"activation": "relu", "init": "random"}
    if case.kind == "convolutional":
        encoder = skae.Conv(case.hidden, image_shape=(SIDE, SIDE), **plain)
    else:
        encoder = skae.Dense(case.hidden, **plain)
    if case.kind == "denoising":
        settings.update(noise=skae.GaussianNoise(NOISE, relative=False))
    cls = {
        "variational": skae.VariationalAutoencoder,
        "denoising": skae.DenoisingAutoencoder,
    }.get(case.kind, skae.AutoencoderTransformer)
    estimator = cls(case.code, encoder=encoder, **settings)
    return lambda: Trained(estimator.fit(case.X).reconstruct)
