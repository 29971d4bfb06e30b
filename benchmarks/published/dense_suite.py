"""Four dense autoencoders: how well do they reconstruct, how useful are their codes?

``python -m benchmarks.published.dense_suite [--mnist PATH] [--epochs N] [--seeds N]``

Krokotsch ("The great autoencoder bake off", 2021) trained several kinds on MNIST,
padded with zeros to 32x32: 1024-341-113-20 and its mirror, batch normalisation and
ReLU, 55,000 images, Adam, batches of 256, 60 epochs. The figures are the binary
cross-entropy of a test image, summed over its 1024 pixels, and the accuracy of a linear
classifier on codes of 550 labelled images.

As published: all of that; noise has a standard deviation of 0.5, is clipped to [0, 1]
and is added in training only. Ours: one cycle of the learning rate up to 1e-2 instead
of a constant 1e-3, chosen by the loss of the remaining 5,000 training images; the
sparse code is that of ``method="l1"`` with λ of 0.01. The classifier is a logistic
regression on standardised codes. For the variational kind, reconstructions are given
from the means of the code and from samples; the publication does not say which it used.
Training multiplies in bfloat16 where that is faster (`precision="auto"`).
"""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
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
    rows_of_images,
    save_plot,
    write_figures,
)

SOURCE = "Krokotsch 2021"
METRIC = "cross-entropy of a picture"
N_COMPONENTS = 20
ENCODER = skae.Dense((341, 113), activation="relu", batch_norm=True, init="random")
KINDS = {
    "plain": (skae.AutoencoderTransformer, {}, 63.92),
    "sparse": (skae.SparseAutoencoder, {"sparsity": 0.01}, 64.27),
    "denoising": (
        skae.DenoisingAutoencoder,
        {"noise": skae.GaussianNoise(0.5, clip=(0, 1), relative=False)},
        75.15,
    ),
    "variational": (skae.VariationalAutoencoder, {}, 76.12),
}


def pad(X):
    """Return rows of 28x28 pixels with two rows of zeros around them."""
    return np.pad(X.reshape(-1, 28, 28), ((0, 0), (2, 2), (2, 2)))


def make(kind, seed, epochs, **changes):
    """Return an unfitted autoencoder of a kind."""
    cls, own, _ = KINDS[kind]
    settings = {
        **BY_ADAM,
        "encoder": ENCODER,
        "loss": "binary_cross_entropy",
        "batch_size": 256,
        "lr": 1e-2,
        "precision": "auto",
        "n_iter_no_change": None,
        "max_epochs": epochs,
        "random_state": seed,
        "callbacks": bar(f"{kind}, seed {seed}"),
        **own,
        **changes,
    }
    return cls(N_COMPONENTS, **settings)


def probe(transformer, X, y, X_test, y_test, seed, n_labels=550):
    """Return the accuracy of a linear classifier on codes of few labelled images."""
    chosen = np.random.default_rng(seed).permutation(len(X))[:n_labels]
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    classifier.fit(transformer.transform(X[chosen]), y[chosen])
    return classifier.score(transformer.transform(X_test), y_test)


def main():
    """Train every kind with every seed, and PCA."""
    parser = options(__doc__, epochs=60)
    args = parse(parser)
    if args.quick:
        args.epochs = 2
    X, X_test, y, y_test = load_images(args)
    X, X_test = pad(X), pad(X_test)
    chosen = np.random.default_rng(0).permutation(len(X))[: 55 * len(X) // 60]
    X, y = X[chosen], y[chosen]
    rows, images = [], {"original": X_test[:12]}
    for kind, (_, _, target) in KINDS.items():
        values, sampled, accuracies = [], [], []
        with Stopwatch() as watch:
            for seed in range(args.seeds):
                ae = make(kind, seed, args.epochs).fit(X)
                values.append(cross_entropy(X_test, ae.reconstruct(X_test)))
                accuracies.append(probe(ae, X, y, X_test, y_test, seed))
                if kind == "variational":
                    sampled.append(
                        cross_entropy(
                            X_test, from_samples(ae, *ae.posterior(X_test), seed)
                        )
                    )
        images[kind] = ae.reconstruct(X_test[:12])
        about = {"epochs": args.epochs, "minutes": watch.minutes / args.seeds}
        against = {"target": target, "source": SOURCE, **about}
        note = "from means of the code" if sampled else ""
        if kind == "sparse":
            note = f"{(ae.transform(X_test) == 0).mean():.0%} of the codes are zeros"
        rows.append(figure(kind, values, metric=METRIC, note=note, **against))
        if sampled:
            note = "from draws of the code"
            rows.append(figure(kind, sampled, metric=METRIC, note=note, **against))
        rows.append(
            figure(
                kind,
                accuracies,
                metric="accuracy, 550 labels",
                target=0.835,
                better="higher",
                source="PCA",
                **about,
            )
        )
    flat, flat_test = X.reshape(len(X), -1), X_test.reshape(len(X_test), -1)
    pca = PCA(N_COMPONENTS, random_state=0).fit(flat)
    by_pca = [probe(pca, flat, y, flat_test, y_test, s) for s in range(args.seeds)]
    note = f"{N_COMPONENTS} components"
    about = {"better": "higher", "minutes": 0, "note": note}
    rows.append(figure("PCA", by_pca, metric="accuracy, 550 labels", **about))
    write_figures("dense_suite", rows, args)
    save_plot("dense_suite", rows_of_images(images, (32, 32)), args, size=(8, 3.4))


if __name__ == "__main__":
    main()
