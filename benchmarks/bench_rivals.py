"""Is skae faster than its rivals? The same network and training, whole calls of `fit`.

The rivals live in an environment of their own::

    python -m venv .venv-rivals && . .venv-rivals/bin/activate
    pip install -c constraints.txt -r benchmarks/rivals.txt -e .
    pip install --no-deps --ignore-requires-python encdr==1.2.0
    python benchmarks/bench_rivals.py [CASE ...] [--mnist PATH] [--rows N] [--rounds N]

It writes ``results/bench_rivals.csv``; a ratio above 1 says that skae is faster. Before
anything is timed, each contestant is run once, and it is counted that it trains as many
parameters for as many steps as the case asks. `error` is the mean squared error of the
training rows after that run, in the units of pixels in [0, 1].

All have the same layers, ReLU, Adam with a constant learning rate of 1e-3, batches,
epochs and rows (whole batches, since pyod drops a short one), one thread, no held-out
rows, batch normalisation, dropout or weight decay, and report nothing. The timed call
goes from an array to a trained model, in seconds of processor time. Where a rival does
not take uint8, the array is divided by 255 inside the call; where it does not take
float64, or would compute in it, the array is cast inside the call. The variational
rivals weigh the divergence so that all minimise half the squared error of a row plus
the divergence, but for skae, which fits the variance of the error.

What else differs: skae checks X, standardises it and starts dense networks at PCA, its
default; pyod's AutoEncoder and MLPRegressor have a ReLU on the code, too; pyod scores
the training rows; HyperTools standardises each column, and encodes the training rows;
pythae draws a progress bar, copies the best model and writes it to disk; MLPRegressor
computes in numpy. None of the rivals can switch that off. Not controlled are caches,
clock frequencies, and what else runs on the machine.
"""

import argparse
import contextlib
import io
import itertools
import logging
import math
import os
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import torch
from common import (
    add_results_option,
    compare,
    load_mnist,
    mean_squared_error,
    results_folder,
    use_threads,
    write,
)
from sklearn.neural_network import MLPRegressor
from skorch import NeuralNet
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

import skae

EPOCHS = 3
LR = 1e-3
NOISE = 0.3
SIDE = 28


@dataclass(frozen=True)
class Case:
    """What is trained, and on which rows."""

    X: np.ndarray
    hidden: tuple[int, ...]  # of the encoder: widths, or channels of convolutions
    code: int
    batch_size: int = 128
    kind: str = "dense"  # or "convolutional", "variational", "denoising"


@dataclass(frozen=True)
class Trained:
    """What a contestant hands back. The steps of torch's optimizers are counted."""

    reconstruct: Callable
    n_parameters: int | None = None
    n_steps: int | None = None


class LeftOut(Exception):
    """A rival cannot express a case; the message says why."""


def make_cases(mnist, n_rows):
    """Return the cases by name."""
    X = load_mnist(mnist)[0][:n_rows]
    table = np.random.RandomState(0).standard_normal((10_000, 20)).astype(np.float32)
    cases = {
        "dense, batch 128": Case(X, (256,), 32),
        "dense, batch 1024": Case(X, (256,), 32, batch_size=1024),
        "small table": Case(table, (16,), 4),
        "convolutional": Case(X[:10_000], (16, 32), 32, kind="convolutional"),
        "variational": Case(X, (400,), 20, kind="variational"),
        "denoising": Case(X, (256,), 32, kind="denoising"),
        "uint8": Case(np.round(X * 255).astype(np.uint8), (256,), 32),
        "float64": Case(X.astype(np.float64), (256,), 32),
    }
    return {name: in_whole_batches(case) for name, case in cases.items()}


def in_whole_batches(case):
    """Cut the rows of a case, so that no batch is short."""
    n_rows = len(case.X) // case.batch_size * case.batch_size
    return Case(**{**vars(case), "X": case.X[:n_rows]})


def as_float32(X):
    """Return what a user would pass where float32 is expected."""
    X_float = X.astype(np.float32, copy=False)
    return X_float / 255 if X.dtype == np.uint8 else X_float


def scaled(X):
    """Return pixels in [0, 1], for who takes all but uint8."""
    return as_float32(X) if X.dtype == np.uint8 else X


# The network, for those who want it written by hand -----------------------------------


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


# The contestants ----------------------------------------------------------------------


def fit_skae(case):
    """Prepare skae itself, which takes all types of X."""
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


def fit_skorch(case):
    """Prepare skorch as it comes, with a module written by hand."""

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


def fit_encdr(case):
    """Prepare encdr's estimators for Lightning, without their standardisation."""
    from encdr.encdr import DENCDR, ENCDR, VENCDR

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


def fit_pyod(case):
    """Prepare pyod's detectors, without their standardisation."""
    from pyod.models.auto_encoder import AutoEncoder
    from pyod.models.vae import VAE

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
        return lambda: pyod_trained(VAE(**settings).fit(scaled(case.X)))
    settings.update(hidden_neuron_list=[*case.hidden, case.code])
    return lambda: pyod_trained(AutoEncoder(**settings).fit(scaled(case.X)))


def pyod_trained(detector):
    """Return what gives the reconstructions that pyod keeps to itself."""

    @torch.no_grad()
    def reconstruct(X):
        code = detector.model.encoder(torch.from_numpy(X))
        if hasattr(detector.model, "encoder_mu"):
            code = detector.model.encoder_mu(code)
        return detector.model.decoder(code).numpy()

    return Trained(reconstruct)


def fit_pythae(case):
    """Prepare pythae's pipeline, with an encoder and a decoder written by hand."""
    from pythae.models import AE, VAE, AEConfig, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.pipelines import TrainingPipeline
    from pythae.trainers import BaseTrainerConfig

    is_variational = case.kind == "variational"

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.layers = make_encoder(case)

        def forward(self, x):
            code = self.layers(x)
            if not is_variational:
                return ModelOutput(embedding=code)
            mean, log_var = code.chunk(2, dim=1)
            return ModelOutput(embedding=mean, log_covariance=log_var)

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.layers = make_decoder(case)

        def forward(self, z):
            return ModelOutput(reconstruction=self.layers(z))

    sizes = {"input_dim": (case.X.shape[1],), "latent_dim": case.code}

    def fit():
        if is_variational:
            config = VAEConfig(**sizes, reconstruction_loss="mse")
            model = VAE(config, encoder=Encoder(), decoder=Decoder())
        else:
            model = AE(AEConfig(**sizes), encoder=Encoder(), decoder=Decoder())
        with tempfile.TemporaryDirectory() as folder:
            config = BaseTrainerConfig(
                output_dir=folder,
                per_device_train_batch_size=case.batch_size,
                num_epochs=EPOCHS,
                optimizer_cls="Adam",
                learning_rate=LR,
                no_cuda=True,
            )
            TrainingPipeline(model=model, training_config=config)(scaled(case.X))
        model.eval()

        @torch.no_grad()
        def reconstruct(X):
            code = model.encoder(torch.from_numpy(X)).embedding
            return model.decoder(code).reconstruction.numpy()

        return Trained(reconstruct)

    return fit


def fit_keras(case):
    """Prepare Keras on torch, eager as it is by default."""
    os.environ["KERAS_BACKEND"] = "torch"  # read once, by the import
    import keras
    from keras import layers, ops

    class Draw(layers.Layer):
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
            code = Draw()(code, layers.Dense(case.code)(x))
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


def fit_hypertools(case):
    """Prepare HyperTools' reducers, which standardise."""
    from hypertools.reduce.autoencoders import DeepAutoencoder, VariationalAutoencoder

    if case.kind == "convolutional":
        raise LeftOut("HyperTools convolves over the columns of a row, not pictures")
    if case.kind == "denoising":
        raise LeftOut("HyperTools has no denoising reducer")
    settings = {
        "n_components": case.code,
        "hidden_dims": case.hidden,
        "epochs": EPOCHS,
        "batch_size": case.batch_size,
        "lr": LR,
        "device": "cpu",
        "random_state": 0,
    }
    kind = DeepAutoencoder
    if case.kind == "variational":
        kind = VariationalAutoencoder
        settings.update(kl_weight=2 * case.code / case.X.shape[1])

    def fit():
        reducer = kind(**settings).fit(scaled(case.X))
        return Trained(lambda X: reducer.inverse_transform(reducer.transform(X)))

    return fit


def fit_sklearn(case):
    """Prepare scikit-learn's regressor from X to X."""
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
        if case.kind == "denoising":  # fresh noise needs an epoch at a time
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


# Name of the contestant: its distribution and how it is made ready.
CONTESTANTS = {
    "skae": ("skae", fit_skae),
    "skorch": ("skorch", fit_skorch),
    "encdr": ("encdr", fit_encdr),
    "pyod": ("pyod", fit_pyod),
    "pythae": ("pythae", fit_pythae),
    "Keras on torch": ("keras", fit_keras),
    "HyperTools": ("hypertools", fit_hypertools),
    "MLPRegressor": ("scikit-learn", fit_sklearn),
}


# The measurement ----------------------------------------------------------------------


@contextlib.contextmanager
def quiet():
    """Hear nothing of progress and of training that ends early."""
    logging.disable(logging.WARNING)
    silence = io.StringIO()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(silence),
        contextlib.redirect_stderr(silence),
    ):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


def check(name, fit, case):
    """Train once; refuse another network or number of steps, and return the error."""
    steps = []

    def count(optimizer, args, kwargs):
        groups = optimizer.param_groups
        steps.append(sum(p.numel() for group in groups for p in group["params"]))

    handle = register_optimizer_step_post_hook(count)
    try:
        trained = fit()
    finally:
        handle.remove()
    n_parameters, n_steps = trained.n_parameters, trained.n_steps
    if n_steps is None:
        n_parameters, n_steps = steps[-1] if steps else 0, len(steps)
    expected = count_parameters(case), EPOCHS * len(case.X) // case.batch_size
    if (n_parameters, n_steps) != expected:
        raise RuntimeError(
            f"{name} trains {n_parameters} parameters for {n_steps} steps, but the "
            f"case asks for {expected[0]} and {expected[1]}."
        )
    if name == "skae" and case.X.dtype == np.uint8:  # it knows no other pixels
        return mean_squared_error(case.X / 255, trained.reconstruct(case.X) / 255)
    X = as_float32(case.X)
    return mean_squared_error(X, trained.reconstruct(X).reshape(X.shape))


def count_parameters(case):
    """Return the number of parameters that a case asks for."""
    return sum(p.numel() for p in Autoencoder(case).parameters())


def run(name, case, rounds):
    """Return the rows of one case."""
    contestants = {}
    for contestant, (_, prepare) in CONTESTANTS.items():
        try:
            contestants[contestant] = prepare(case)
        except LeftOut as reason:
            print(f"{name}: without {contestant}, since {reason}", flush=True)
    with quiet():
        # This is the warm-up, too.
        errors = {key: check(key, fit, case) for key, fit in contestants.items()}
        rows = compare(contestants, reference="skae", rounds=rounds, warm_up=False)
    print(name, {row["contestant"]: row["ratio"] for row in rows}, flush=True)
    return [
        {
            "case": name,
            "n_rows": len(case.X),
            "version": version(CONTESTANTS[row["contestant"]][0]),
            **row,
            "n_parameters": count_parameters(case),
            "error": f"{errors[row['contestant']]:.4g}",
        }
        for row in rows
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--mnist", help="an .npz file of MNIST; else OpenML")
    parser.add_argument("--rows", type=int, default=20_000, help="of MNIST")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    add_results_option(parser)
    args = parser.parse_args()
    use_threads(args.threads)
    rows = []
    for name, case in make_cases(args.mnist, args.rows).items():
        if not args.cases or name in args.cases:
            rows += run(name, case, args.rounds)
    write("bench_rivals", rows, results_folder(args))


if __name__ == "__main__":
    main()
