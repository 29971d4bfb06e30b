"""Keras on torch, eager as it is by default."""

import math
import os

from benchmarks.speed.rivals._case import EPOCHS, LR, NOISE, SIDE, Trained, scaled

os.environ["KERAS_BACKEND"] = "torch"  # read once, by the import

import keras
from keras import layers, ops


def prepare(case):
    """Prepare a functional model."""

    class Sample(layers.Layer):
        def __init__(self):
            super().__init__()
            self.seeds = keras.random.SeedGenerator(0)

        def call(self, mean, log_var, training=False):
            kl = 0.5 * ops.sum(mean**2 + ops.exp(log_var) - log_var - 1, axis=1)
            self.add_loss(ops.mean(kl) * 2 / case.X.shape[1])
            if not training:
                return mean
            noise = keras.random.normal(ops.shape(mean), seed=self.seeds)
            return mean + ops.exp(0.5 * log_var) * noise

    def convolutions(x):
        options = {
            "strides": 2,
            "padding": "same",
            "data_format": "channels_first",  # torch's own
        }
        first, second = case.hidden
        relu = {"activation": "relu", **options}
        x = layers.Reshape((1, SIDE, SIDE))(x)
        x = layers.Conv2D(first, 3, **relu)(x)
        x = layers.Conv2D(second, 3, **relu)(x)
        code = layers.Dense(case.code)(layers.Flatten()(x))
        x = layers.Dense(second * (SIDE // 4) ** 2, activation="relu")(code)
        x = layers.Reshape((second, SIDE // 4, SIDE // 4))(x)
        x = layers.Conv2DTranspose(first, 3, **relu)(x)
        return layers.Flatten()(layers.Conv2DTranspose(1, 3, **options)(x))

    def dense(x):
        if case.kind == "denoising":
            x = layers.GaussianNoise(NOISE)(x)
        for width in case.hidden:
            x = layers.Dense(width, activation="relu")(x)
        code = layers.Dense(case.code)(x)
        if case.kind == "variational":
            code = Sample()(code, layers.Dense(case.code)(x))
        x = code
        for width in case.hidden[::-1]:
            x = layers.Dense(width, activation="relu")(x)
        return layers.Dense(case.X.shape[1])(x)

    def fit():
        keras.utils.set_random_seed(0)
        x = keras.Input((case.X.shape[1],))
        y = convolutions(x) if case.kind == "convolutional" else dense(x)
        model = keras.Model(x, y)
        model.compile(optimizer=keras.optimizers.Adam(LR), loss="mse")
        X = scaled(case.X)
        model.fit(X, X, batch_size=case.batch_size, epochs=EPOCHS, verbose=0)
        return Trained(
            lambda X: model.predict(X, batch_size=1024, verbose=0),
            sum(math.prod(weight.shape) for weight in model.trainable_weights),
            int(model.optimizer.iterations),
        )

    return fit
