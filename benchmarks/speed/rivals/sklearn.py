"""scikit-learn's MLPRegressor from X to X, computed in numpy."""

import numpy as np
from sklearn.neural_network import MLPRegressor

from benchmarks.speed.rivals._case import (
    EPOCHS,
    LR,
    NOISE,
    LeftOut,
    Trained,
    as_float32,
)


def prepare(case):
    """Prepare a regressor, for the denoising case an epoch at a time."""
    if case.kind == "convolutional":
        raise LeftOut("MLPRegressor has dense layers only")
    if case.kind == "variational":
        raise LeftOut("MLPRegressor has no random units")

    def fit():
        regressor = MLPRegressor(
            hidden_layer_sizes=(*case.hidden, case.code, *case.hidden[::-1]),
            activation="relu",
            solver="adam",
            alpha=0.0,
            batch_size=case.batch_size,
            learning_rate_init=LR,
            max_iter=EPOCHS,
            random_state=0,
        )
        X = as_float32(case.X)
        if case.kind == "denoising":  # new noise in every epoch
            rng = np.random.default_rng(0)
            for _ in range(EPOCHS):
                noise = rng.standard_normal(X.shape, dtype=np.float32)
                regressor.partial_fit(X + np.float32(NOISE) * noise, X)
        else:
            regressor.fit(X, X)
        return Trained(
            regressor.predict,
            sum(array.size for array in regressor.coefs_ + regressor.intercepts_),
            regressor.t_ // case.batch_size,
        )

    return fit
