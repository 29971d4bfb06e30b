"""Does the variational autoencoder of PyTorch's examples reach a lower loss?

``python -m benchmarks.published.quick_vae [--mnist PATH] [--seeds N] [--epochs N]``

pytorch/examples trains 784-400-20 and its mirror for ten epochs and prints the loss of
the test images: cross-entropy summed over pixels plus the divergence from the prior,
with one sample of the code. As published: the data (grey pixels), ReLU, Adam, batches
of 128, the epochs and the metric. Ours: one cycle of the learning rate up to 6e-3
instead of a constant 1e-3, chosen by the loss of 10,000 held-out training images.
"""

import numpy as np

from benchmarks.common import load_images
from benchmarks.published._reproduction import (
    BY_ADAM,
    Stopwatch,
    bar,
    cross_entropy,
    figure,
    from_samples,
    options,
    parse,
    write_figures,
)
from skae import Dense, VariationalAutoencoder

METRIC = "cross-entropy + divergence of a picture"
FLOOR = 45.53  # the least possible cross-entropy, as pixels are grey


def negative_bound(vae, X, seed):
    """Return cross-entropy and divergence of an image, with one sample of the code."""
    mean, std = vae.posterior(X)
    p = from_samples(vae, mean, std, seed).astype(np.float64)
    divergence = (std**2 + mean**2 - 1 - 2 * np.log(std)).sum(axis=1) / 2
    return cross_entropy(X, p), float(divergence.mean(dtype=np.float64))


def make(seed, epochs, lr=6e-3):
    """Return the unfitted autoencoder of the example."""
    return VariationalAutoencoder(
        20,
        encoder=Dense((400,), activation="relu", init="random"),
        loss="binary_cross_entropy",
        batch_size=128,
        lr=lr,
        max_epochs=epochs,
        n_iter_no_change=None,
        random_state=seed,
        callbacks=bar(f"seed {seed}"),
        **BY_ADAM,
    )


def main():
    """Train with every seed."""
    args = parse(options(__doc__, seeds=5, epochs=10))
    if args.quick:
        args.epochs = 1
    X_train, X_test, _, _ = load_images(args)
    with Stopwatch() as watch:
        found = [
            negative_bound(make(seed, args.epochs).fit(X_train), X_test, seed)
            for seed in range(args.seeds)
        ]
    entropies, divergences = np.transpose(found)
    about = {"epochs": args.epochs, "minutes": watch.minutes / args.seeds}
    total = figure(
        "784-400-20",
        entropies + divergences,
        metric=METRIC,
        target=105.59,
        source="pytorch/examples",
        note=f"{entropies.mean() - FLOOR + divergences.mean():.2f} above the floor",
        **about,
    )
    rest = figure("784-400-20", divergences, metric="divergence alone", **about)
    write_figures("quick_vae", [total, rest], args)


if __name__ == "__main__":
    main()
