"""How high is the likelihood of unseen digits under a variational autoencoder?

``python -m benchmarks.published.vae_likelihood [--mnist PATH] [--keep FOLDER]``

Burda, Grosse & Salakhutdinov (ICLR 2016, table 1, one layer, k = 1): 784-200-200-50,
tanh, digits binarised anew in every epoch, 86.76 nats by importance sampling with 5000
samples; two replications found 86.35 and 87.78. As published: the data, the network,
the metric and the number of samples. The test images are binarised once, by a seed.
Ours: Adam with one cycle of the learning rate up to 2e-3 over fewer epochs than their
3280, batches of 100, the divergence warmed up over a twentieth of the epochs, and
bfloat16 where that is faster (`precision="auto"`).

A run takes hours. ``--keep`` saves the weights after every stage, and another run
resumes from them. Measuring takes as long as some hundred epochs: ``--draws`` shortens
it.
"""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.common import load_images
from benchmarks.published._reproduction import (
    BY_ADAM,
    Stopwatch,
    figure,
    options,
    parse,
    save_plot,
    train_in_stages,
    write_figures,
)
from skae import Dense, DynamicBinarization, VariationalAutoencoder

SOURCE = "Burda et al. 2016"


def make(seed, epochs):
    """Return the unfitted autoencoder of the paper."""
    return VariationalAutoencoder(
        50,
        encoder=Dense((200, 200), activation="tanh", init="random"),
        augmentation=DynamicBinarization(),
        loss="binary_cross_entropy",
        kl_warmup=max(1, epochs // 20),
        batch_size=100,
        lr=2e-3,
        precision="auto",
        random_state=seed,
        **BY_ADAM,
    )


def main():
    """Train in stages, then measure the likelihood of the test images."""
    parser = options(__doc__, seeds=1, epochs=1000)
    parser.add_argument("--every", type=int, default=25, help="epochs of a stage")
    parser.add_argument("--keep", type=Path, default=Path("kept"), metavar="FOLDER")
    parser.add_argument("--draws", type=int, default=5000, help="of each code")
    args = parse(parser)
    if args.quick:
        args.epochs, args.every, args.draws = 1, 1, 10
    X_train, X_test, _, _ = load_images(args)
    X_test = (np.random.default_rng(0).random(X_test.shape) < X_test).astype(np.float32)
    values, bounds, minutes = [], [], []
    for seed in range(args.seeds):
        stages = train_in_stages(
            make(seed, args.epochs),
            X_train,
            epochs=args.epochs,
            every=args.every,
            file=args.keep / f"vae_likelihood_{args.epochs}_epochs_seed_{seed}.joblib",
            label=f"seed {seed}",
        )
        for trained, so_far in stages:
            vae, taken = trained, so_far
            print(f"epoch {vae.n_iter_}: {vae.history_[-1]}", flush=True)
        with Stopwatch() as watch:
            found = [
                vae.log_likelihood(X, args.draws, random_state=0)
                for X in tqdm(np.array_split(X_test, 50), desc="likelihood")
            ]
        values.append(-np.concatenate(found).mean(dtype=np.float64))
        bounds.append(-vae.log_likelihood(X_test, 1, random_state=0).mean())
        minutes.append(taken + watch.minutes)
    about = {"epochs": args.epochs, "minutes": np.mean(minutes)}
    rows = [
        figure(
            f"784-200-200-50, {args.draws} draws",
            values,
            metric="negative log-likelihood, nats",
            target=86.76,
            source=SOURCE,
            note="replications found 86.35 and 87.78",
            **about,
        ),
        figure(
            "784-200-200-50, 1 draw", bounds, metric="negative bound, nats", **about
        ),
    ]
    write_figures("vae_likelihood", rows, args)

    def plot(canvas):
        samples = vae.sample(30, random_state=0).reshape(2, 15, 28, 28)
        for axes, row in zip(canvas.subplots(2, 15), samples, strict=True):
            for ax, x in zip(axes, row, strict=True):
                ax.imshow(x, cmap="gray_r", vmin=0, vmax=1)
                ax.axis("off")

    save_plot("vae_likelihood", plot, args, size=(8, 1.3))


if __name__ == "__main__":
    main()
