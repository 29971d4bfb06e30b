"""Is `fit` as fast as a handwritten loop? Whole calls of 15 epochs, in turn.

``python -m benchmarks.speed.bench_training [CASE ...] [--mnist PATH] [--rounds N]``,
run from the root of the repository, writes ``results/bench_training.csv``; ``--quick``
has fewer rows and cases. The loop is what an experienced torch user would write:
batches gathered by ``index_select`` and then cast, the fused Adam, one fused loss. Both
train the module of the estimator, linear maps beside its layers included, from the same
initial weights, with Adam and one learning rate of 1e-3, on batches of the same size;
rows are held out only in the cases with conveniences, where the loop scores them after
each epoch, too. The time of `fit` includes its other work, which the loop does not do:
checking X, measuring its scale, computing the principal axes for the initial weights,
recording each term of the loss, checking for divergence, keeping the best weights where
rows are held out, and at the end the coordinates of the code and R².
"""

import argparse
import contextlib
import copy
import io
import math

import numpy as np
import torch
import torch.nn.functional as F

import skae
from benchmarks.common import (
    add_results_option,
    compare,
    load_images,
    results_folder,
    use_threads,
    write,
)
from skae._networks.autoencoder import VariationalAutoencoderModule
from skae._training.schedules import LR_SCHEDULES

EPOCHS, LR, NOISE = 15, 1e-3, 0.3  # half the epochs of the defaults
N_ROWS = 20_000
QUICK = ("dense, batch 128", "dense, batch 1024", "small table", "variational")


def make_cases(X):
    """Return the cases: rows, the estimator, and changes of its settings."""
    rng = np.random.RandomState(0)
    table = rng.standard_normal((10_000, 20)).astype(np.float32)
    dense = skae.AutoencoderTransformer(32)
    return {
        "dense, batch 128": (X, dense, {}),
        "dense, batch 1024": (X, dense, {"batch_size": 1024}),
        "small table": (
            table,
            skae.AutoencoderTransformer(4, hidden_layer_sizes=(16,)),
            {},
        ),
        "convolutional": (
            X[:10_000],
            skae.ConvAutoencoder(32, image_shape=(28, 28)),
            {},
        ),
        "variational": (
            X,
            skae.VariationalAutoencoder(20, hidden_layer_sizes=(400,)),
            {},
        ),
        "denoising": (
            X,
            skae.DenoisingAutoencoder(
                32, noise=skae.GaussianNoise(NOISE, relative=False)
            ),
            {},
        ),
        "uint8": (np.round(X * 255).astype(np.uint8), dense, {}),
        "float64": (X.astype(np.float64), dense, {}),
        "small table, conveniences": (
            table,
            skae.AutoencoderTransformer(4, hidden_layer_sizes=(16,)),
            CONVENIENCES,
        ),
        "dense, conveniences": (X, dense, CONVENIENCES),
    }


BARE = {
    "optimizer": "adam",
    "lr": LR,
    "max_epochs": EPOCHS,
    "early_stopping": False,
    "batch_size": 128,
    "lr_schedule": "constant",
    "n_iter_no_change": None,
    "random_state": 0,
    "verbose": 0,
}
CONVENIENCES = {
    "lr_schedule": "one_cycle",
    "early_stopping": True,
    "n_iter_no_change": 10,
    "verbose": 1,
}


def build(estimator, X):
    """Return the untrained module of an estimator, from which the loop starts."""
    untrained = copy.deepcopy(estimator).set_params(max_epochs=1, lr=1e-12, verbose=0)
    module = untrained.fit(X[:2000]).net_.module_
    return module


def loop(module, X, batch_size, *, noise=0.0, held_out=0.0, schedule=None):
    """Train a module by a handwritten loop, and return the loss of each epoch."""
    module = copy.deepcopy(module).train()
    generator = torch.Generator().manual_seed(0)
    rows = torch.from_numpy(X)
    if held_out:
        order = torch.randperm(len(rows), generator=generator)
        n_held = round(held_out * len(rows))
        train, held = order[n_held:], order[:n_held]
    else:
        train, held = torch.arange(len(rows)), None
    factor = 0.5 / module.scale**2
    n_steps, step = EPOCHS * math.ceil(len(train) / batch_size), 0
    optimizer = torch.optim.Adam(module.parameters(), lr=LR, fused=True)
    variational = isinstance(module, VariationalAutoencoderModule)

    def loss_of(x):
        x = x.to(torch.float32)
        x_in = x
        if noise:
            sampled = torch.empty_like(x).normal_(generator=generator)
            x_in = torch.add(x, sampled, alpha=noise)
        if not variational:
            reconstruction = module.decoder(module.encoder(x_in))
            return F.mse_loss(reconstruction, x, reduction="sum") * (factor / len(x))
        mean, raw = module.encoder(x_in).chunk(2, dim=1)
        log_var = 10 * torch.tanh(raw / 10)
        sampled = torch.empty_like(mean).normal_(generator=generator)
        code = torch.addcmul(mean, torch.exp(0.5 * log_var), sampled)
        error = F.mse_loss(module.decoder(code), x)
        variance = error.detach()
        nats = 0.5 * (error / variance + torch.log(2 * math.pi * variance))
        kl = 0.5 * (mean**2 + log_var.exp() - log_var - 1).sum() / len(x)
        return nats * x.shape[1] + kl

    losses = []
    for _ in range(EPOCHS):
        module.train()
        total = torch.zeros(())
        order = train[torch.randperm(len(train), generator=generator)]
        for chosen in order.split(batch_size):
            if schedule is not None:
                lr = LR * schedule(step / (n_steps - 1))
                for group in optimizer.param_groups:
                    group["lr"] = lr
            step += 1
            loss = loss_of(rows.index_select(0, chosen))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(chosen)
        losses.append(total.item() / len(train))
        if held is not None:
            module.eval()
            with torch.no_grad():
                for chosen in held.split(batch_size):
                    total += loss_of(rows.index_select(0, chosen)) * len(chosen)
    return losses


def fit(estimator, X):
    """Fit without showing the progress."""
    with contextlib.redirect_stdout(io.StringIO()):
        estimator.fit(X)


def run(name, X, estimator, settings, rounds):
    """Return the rows of one case."""
    settings = {**BARE, **settings}
    estimator = estimator.set_params(**settings)
    module = build(estimator, X)
    options = {"noise": NOISE if hasattr(estimator, "noise") else 0.0}
    if estimator.early_stopping:
        options.update(held_out=0.1, schedule=LR_SCHEDULES["one_cycle"])
    contestants = {
        "loop": lambda: loop(module, X, estimator.batch_size, **options),
        "skae": lambda: fit(estimator, X),
    }
    rows = compare(contestants, reference="loop", rounds=rounds)
    return [{"case": name, "n_rows": len(X), **row} for row in rows]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--mnist", help="an .npz file of MNIST; else OpenML")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="some cases, few rows")
    add_results_option(parser)
    args = parser.parse_args()
    use_threads(args.threads)
    rows = []
    cases = make_cases(load_images(args, n_rows=10_000)[0][:N_ROWS])
    chosen = args.cases or (QUICK if args.quick else cases)
    for name, case in cases.items():
        if name in chosen:
            rows += run(name, *case, args.rounds)
            print(
                name,
                rows[-1]["ratio"],
                rows[-2]["seconds"],
                rows[-1]["seconds"],
                flush=True,
            )
    write("bench_training", rows, results_folder(args))


if __name__ == "__main__":
    main()
