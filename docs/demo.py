"""Fit every estimator on the digits of scikit-learn and show what each one does.

Run ``python docs/demo.py FOLDER``: it prints its measurements and writes one image.
"""

import sys
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

import skae

N_COMPONENTS = 16
N_SHOWN = 10


def load():
    """Return digits scaled to [0, 1], split into training and test set."""
    digits = load_digits()
    return train_test_split(
        digits.images / 16, digits.target, test_size=0.25, random_state=0
    )


def r_squared(X, reconstructed, mean):
    """Return R², relative to the variance around the training mean."""
    return 1 - ((X - reconstructed) ** 2).sum() / ((X - mean) ** 2).sum()


def report(title, *lines):
    """Print a title and indented lines."""
    print(f"\n{title}")
    for line in lines:
        print(f"    {line}")


def compare_reconstructions(X_train, X_test):
    """Compare a dense and a convolutional autoencoder with a PCA of equal size."""
    flat_train, flat_test = (X.reshape(len(X), -1) for X in (X_train, X_test))
    pca = PCA(N_COMPONENTS).fit(flat_train)
    by_pca = pca.inverse_transform(pca.transform(flat_test))
    dense = skae.AutoencoderTransformer(N_COMPONENTS, random_state=0).fit(X_train)
    conv = skae.ConvAutoencoder(N_COMPONENTS, random_state=0).fit(X_train)
    report(
        f"Reconstruction from {N_COMPONENTS} dimensions: R² on held-out digits",
        f"PCA                     {r_squared(flat_test, by_pca, pca.mean_):.3f}",
        f"AutoencoderTransformer  {dense.score(X_test):.3f}",
        f"ConvAutoencoder         {conv.score(X_test):.3f}",
    )
    return by_pca.reshape(X_test.shape), dense, conv


def classify(X_train, X_test, y_train, y_test):
    """Train a classifier on a convolutional code."""
    pipe = Pipeline(
        [
            ("ae", skae.ConvAutoencoder(32, random_state=0)),
            ("clf", LogisticRegression(max_iter=2000)),
        ]
    ).fit(X_train, y_train)
    report(
        "Pipeline([('ae', ConvAutoencoder(32)), ('clf', LogisticRegression())])",
        f"accuracy on held-out digits  {pipe.score(X_test, y_test):.3f}",
    )


def show_sparsity(X_train, X_test):
    """Measure how many units are active for each digit."""
    sparse = skae.SparseAutoencoder(32, random_state=0).fit(X_train)
    active = (sparse.transform(X_test) > 0).mean()
    report(
        "SparseAutoencoder(32)",
        f"active units per digit  {active:.0%}",
        f"R²                      {sparse.score(X_test):.3f}",
    )


def show_contraction(X_train, X_test, plain):
    """Compare the sensitivity of the code, relative to its spread."""

    def relative(model):
        return model.sensitivity(X_test).mean() / model.transform(X_test).std()

    ae = skae.ContractiveAutoencoder(N_COMPONENTS, random_state=0).fit(X_train)
    report(
        f"ContractiveAutoencoder({N_COMPONENTS})",
        f"sensitivity / deviation of the code, plain        {relative(plain):.2f}",
        f"sensitivity / deviation of the code, contractive  {relative(ae):.2f}",
        f"R²                                                {ae.score(X_test):.3f}",
    )


def show_denoising(X_train, X_test):
    """Remove noise from digits."""
    noise = skae.GaussianNoise(0.5, clip=(0, 1))
    ae = skae.DenoisingAutoencoder(32, noise=noise, random_state=0).fit(X_train)
    noisy = ae.corrupt(X_test)
    clean = ae.denoise(noisy)
    pca = PCA(32).fit(X_train.reshape(len(X_train), -1))
    flat = noisy.reshape(len(noisy), -1)
    by_pca = pca.inverse_transform(pca.transform(flat)).reshape(X_test.shape)
    report(
        "DenoisingAutoencoder(32, noise=GaussianNoise(0.5, clip=(0, 1)))",
        f"mean squared error, noisy           {((noisy - X_test) ** 2).mean():.4f}",
        f"mean squared error, PCA             {((by_pca - X_test) ** 2).mean():.4f}",
        f"mean squared error, denoised        {((clean - X_test) ** 2).mean():.4f}",
    )
    return noisy, clean


def show_samples(X_train):
    """Fit a generative model, to sample new digits from."""
    vae = skae.VariationalAutoencoder(N_COMPONENTS, random_state=0).fit(X_train)
    report(
        f"VariationalAutoencoder({N_COMPONENTS})",
        f"log-likelihood of a training digit  "
        f"{vae.log_likelihood(X_train[:200], 50).mean():.1f} nats",
    )
    return vae


def main(folder):
    """Print the measurements of each estimator and write the image."""
    warnings.simplefilter("error")
    torch.set_num_threads(1)  # small networks gain nothing from more threads
    X_train, X_test, y_train, y_test = load()
    by_pca, dense, conv = compare_reconstructions(X_train, X_test)
    classify(X_train, X_test, y_train, y_test)
    show_sparsity(X_train, X_test)
    show_contraction(X_train, X_test, dense)
    noisy, denoised = show_denoising(X_train, X_test)
    vae = show_samples(X_train)

    shown = X_test[:N_SHOWN]
    zero, eight = X_test[y_test == 0][0], X_test[y_test == 8][0]
    blanks = np.full((N_SHOWN - 7, *zero.shape), np.nan)
    others = X_test[N_SHOWN : 2 * N_SHOWN]
    rows = {
        "held-out digits": shown,
        "PCA": by_pca[:N_SHOWN],
        "dense": dense.reconstruct(shown),
        "convolutional": conv.reconstruct(shown),
        "noisy": noisy[:N_SHOWN],
        "denoised": denoised[:N_SHOWN],
        "content blend": vae.blend(shown, others, kind="content"),
        "representation blend": vae.blend(shown, others),
        "interpolation": np.concatenate([vae.interpolate(zero, eight, 7), blanks]),
        "sampled from the prior": vae.sample(N_SHOWN),
    }
    path = Path(folder) / "demo.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    plot(rows).savefig(path, dpi=100)
    print(f"\nThe image was written to {path}.")


def plot(rows):
    """Plot rows of images with their names on the left."""
    figure, axes = plt.subplots(
        len(rows), N_SHOWN, figsize=(9, 0.75 * len(rows)), layout="constrained"
    )
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(line, images, strict=True):
            axis.imshow(image, cmap="gray_r", vmin=0, vmax=1)
            axis.axis("off")
        line[0].text(
            -0.3, 0.5, name, transform=line[0].transAxes, ha="right", va="center"
        )
    return figure


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "demo")
