"""encdr's estimators for Lightning, without their standardisation."""

from encdr.encdr import DENCDR, ENCDR, VENCDR

from benchmarks.speed.rivals._case import EPOCHS, LR, NOISE, LeftOut, Trained, scaled


def prepare(case):
    """Prepare one of the three estimators."""
    if case.kind == "convolutional":
        raise LeftOut("encdr has dense layers only")
    kind, extra = {
        "dense": (ENCDR, {}),
        "variational": (VENCDR, {"beta": 2.0}),
        "denoising": (DENCDR, {"noise_factor": NOISE, "noise_type": "gaussian"}),
    }[case.kind]

    def fit():
        estimator = kind(
            hidden_dims=list(case.hidden),
            latent_dim=case.code,
            learning_rate=LR,
            activation="relu",
            batch_size=case.batch_size,
            max_epochs=EPOCHS,
            validation_split=0.0,
            standardize=False,
            random_state=0,
            trainer_kwargs={
                "accelerator": "cpu",
                "enable_progress_bar": False,
                "enable_model_summary": False,
            },
            **extra,
        )
        return Trained(estimator.fit(scaled(case.X)).predict)

    return fit
