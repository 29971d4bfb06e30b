"""Is `fit` as fast as a loop written by hand? Whole calls of five epochs, in turn.

``python benchmarks/bench_training.py [CASE ...] [--mnist PATH] [--rounds N]`` writes
``results/bench_training.csv``; ``--quick`` has fewer rows and cases. The loop is what
someone who knows torch would write: batches gathered by ``index_select`` and then cast,
the fused Adam, one fused loss, no gradient kept. It trains the same layers from the
same start, on the same batches, and where rows are held out it scores them after each
epoch, too. What `fit` does besides (check the input, measure its scale, find the
principal axes that the weights start from, record each term, watch for divergence) is
in its time, and not in the loop's.
"""

import argparse
import contextlib
import copy
import io
import math

import numpy as np
import torch
import torch.nn.functional as F
from common import (
    add_results_option,
    compare,
    load_pictures,
    results_folder,
    use_threads,
    write,
)

import skae
from skae._networks.autoencoder import VariationalAutoencoderModule
from skae._training.schedules import LR_SCHEDULES

EPOCHS = 5
QUICK = ("dense, batch 128", "dense, batch 1024", "small table", "variational")


def make_cases(X):
    """Return the cases: rows, what they are fed to, and how the loop corrupts."""
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
        "denoising": (X, skae.DenoisingAutoencoder(32), {}),
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
    "max_epochs": EPOCHS,
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
    """Return the untrained layers of an estimator, which the loop starts from."""
    untrained = copy.deepcopy(estimator).set_params(max_epochs=1, lr=1e-12, verbose=0)
    module = untrained.fit(X[:2000]).net_.module_
    return module


def loop(module, X, batch_size, *, noise=0.0, held_out=0.0, schedule=None):
    """Train a module as someone would who writes it by hand, and return the losses."""
    module = copy.deepcopy(module).train()
    generator = torch.Generator().manual_seed(0)
    rows = torch.from_numpy(X)
    if held_out:
        order = torch.randperm(len(rows), generator=generator)
        n_held = round(held_out * len(rows))
        kept, held = order[n_held:], order[:n_held]
    else:
        kept, held = torch.arange(len(rows)), None
    factor = 0.5 / module.scale**2
    n_steps, step = EPOCHS * math.ceil(len(kept) / batch_size), 0
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, fused=True)
    variational = isinstance(module, VariationalAutoencoderModule)

    def loss_of(x):
        x = x.to(torch.float32)
        x_in = x
        if noise:
            drawn = torch.empty_like(x).normal_(generator=generator)
            x_in = torch.add(x, drawn, alpha=noise)
        if not variational:
            reconstruction = module.decoder(module.encoder(x_in))
            return F.mse_loss(reconstruction, x, reduction="sum") * (factor / len(x))
        mean, raw = module.encoder(x_in).chunk(2, dim=1)
        log_var = 10 * torch.tanh(raw / 10)
        drawn = torch.empty_like(mean).normal_(generator=generator)
        code = torch.addcmul(mean, torch.exp(0.5 * log_var), drawn)
        error = F.mse_loss(module.decoder(code), x)
        variance = error.detach()
        nats = 0.5 * (error / variance + torch.log(2 * math.pi * variance))
        kl = 0.5 * (mean**2 + log_var.exp() - log_var - 1).sum() / len(x)
        return nats * x.shape[1] + kl

    losses = []
    for _ in range(EPOCHS):
        module.train()
        total = torch.zeros(())
        order = kept[torch.randperm(len(kept), generator=generator)]
        for chosen in order.split(batch_size):
            if schedule is not None:
                lr = 1e-3 * schedule(step / (n_steps - 1))
                for group in optimizer.param_groups:
                    group["lr"] = lr
            step += 1
            loss = loss_of(rows.index_select(0, chosen))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(chosen)
        losses.append(total.item() / len(kept))
        if held is not None:
            module.eval()
            with torch.no_grad():
                for chosen in held.split(batch_size):
                    total += loss_of(rows.index_select(0, chosen)) * len(chosen)
    return losses


def fit(estimator, X):
    """Fit, with whatever it says of its progress said to nobody."""
    with contextlib.redirect_stdout(io.StringIO()):
        estimator.fit(X)


def run(name, X, estimator, settings, rounds):
    """Return the rows of one case."""
    settings = {**BARE, **settings}
    estimator = estimator.set_params(**settings)
    module = build(estimator, X)
    options = {"noise": getattr(estimator, "noise_level", 0.0)}
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
    cases = make_cases(load_pictures(args))
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
