"""Do samples look like data, without being copies of it?

``python -m benchmarks.sampling [--mnist PATH] [--quick]``, run from the root of the
repository, writes ``results/sampling.csv``. Without MNIST it uses scikit-learn's digits
alone, and only prints.

A classifier (a network of scikit-learn with one hidden layer of 128 units, fitted to
the training images) looks at 2,000 samples of each contestant:

- *recognised*: the share of which it is more than 90 % certain;
- *classes*: the exponential of the entropy of its answers, 10 if all digits are equally
  frequent;
- *distance*: of its hidden units for samples, to those for one half of the held-out
  images, by the Fréchet distance of two Gaussians. This is no published network, so
  that values compare contestants on one data set only;
- *nearest*: the distance of samples to the nearest training image, divided by that of
  held-out images. Far below 1 they are copies, above they are no digits.

The other half of the held-out images, and their reconstructions, are the first rows.
Each contestant has three seeds, which also split the images: the median, the least and
the greatest. Defaults throughout. The default of ``LatentDensity`` was chosen on seed 0
of MNIST and of digits; seeds here are 1 to 3.
"""

import argparse
import time
import warnings

import numpy as np
from scipy.linalg import sqrtm
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity, NearestNeighbors
from sklearn.neural_network import MLPClassifier

from benchmarks.common import (
    add_results_option,
    load_mnist,
    results_folder,
    spread,
    use_threads,
    write,
)
from skae import (
    AutoencoderTransformer,
    ConvAutoencoder,
    LatentDensity,
    VariationalAutoencoder,
)

N_SAMPLES, N_COMPONENTS = 2000, 16


class Judge:
    """What a classifier and a search of neighbours say of samples.

    Parameters
    ----------
    train, y : ndarray
        Training images, as rows, and their classes.
    held_out : ndarray
        Other images.
    seed : int
        Seeds the classifier.
    """

    def __init__(self, train, y, held_out, seed):
        self.classifier = MLPClassifier((128,), max_iter=60, random_state=seed)
        self.classifier.fit(train, y)
        self.search = NearestNeighbors(n_neighbors=1).fit(train)
        self.usual = self.search.kneighbors(held_out)[0].mean()
        self.moments = self._moments_of(held_out)

    def _moments_of(self, rows):
        weights, bias = self.classifier.coefs_[0], self.classifier.intercepts_[0]
        hidden = np.maximum(rows @ weights + bias, 0)
        return hidden.mean(axis=0), np.cov(hidden.T)

    def __call__(self, rows):
        """Return a dict of figures of samples."""
        chance = self.classifier.predict_proba(rows)
        share = np.bincount(chance.argmax(axis=1), minlength=10) / len(rows)
        share = share[share > 0]
        (mean, covariance), (mean_0, covariance_0) = (
            self._moments_of(rows),
            self.moments,
        )
        cross = sqrtm(covariance @ covariance_0).real
        return {
            "recognised": float((chance.max(axis=1) > 0.9).mean()),
            "classes": float(np.exp(-(share * np.log(share)).sum())),
            "distance": float(
                ((mean - mean_0) ** 2).sum()
                + np.trace(covariance + covariance_0 - 2 * cross)
            ),
            "nearest": float(self.search.kneighbors(rows)[0].mean() / self.usual),
        }


def contestants(train, held_out, seed):
    """Yield a name and samples of each contestant."""
    yield "held-out images", lambda: held_out
    ae = AutoencoderTransformer(N_COMPONENTS, random_state=seed).fit(train)
    yield "reconstructions, AutoencoderTransformer", lambda: ae.reconstruct(held_out)

    def by_density(model, density=None):
        found = LatentDensity(FrozenEstimator(model), density, random_state=seed)
        return found.fit(train).sample(N_SAMPLES)

    yield "AutoencoderTransformer, LatentDensity", lambda: by_density(ae)
    yield (
        "AutoencoderTransformer, one Gaussian",
        lambda: by_density(ae, GaussianMixture()),
    )
    bandwidth = 0.2 * ae.transform(train).std()
    yield (
        "AutoencoderTransformer, KernelDensity",
        lambda: by_density(ae, KernelDensity(bandwidth=bandwidth)),
    )
    conv = ConvAutoencoder(N_COMPONENTS, image_shape=_side(train), random_state=seed)
    yield "ConvAutoencoder, LatentDensity", lambda: by_density(conv.fit(train))
    vae = VariationalAutoencoder(N_COMPONENTS, random_state=seed).fit(train)
    yield "VariationalAutoencoder, prior", lambda: vae.sample(N_SAMPLES)
    yield "VariationalAutoencoder, LatentDensity", lambda: by_density(vae)
    pca = PCA(N_COMPONENTS).fit(train)
    yield "PCA, LatentDensity", lambda: by_density(pca)


def _side(rows):
    side = round(rows.shape[1] ** 0.5)
    return side, side


def measure(name, X, y, n_train, n_held_out, seeds):
    """Return a row for each contestant."""
    found = {}
    for seed in seeds:
        order = np.random.RandomState(seed).permutation(len(X))
        train, rest = order[:n_train], order[n_train : n_train + n_held_out]
        held_out, others = np.array_split(X[rest], 2)
        judge = Judge(X[train], y[train], others, seed)
        for label, sample in contestants(X[train], held_out, seed):
            start = time.perf_counter()
            values = judge(sample())
            values["seconds"] = time.perf_counter() - start
            found.setdefault(label, []).append(values)
            print(name, seed, label, {k: round(v, 3) for k, v in values.items()})
    return [
        {
            "images": name,
            "contestant": label,
            **{
                key: value
                for metric in (
                    "recognised",
                    "classes",
                    "distance",
                    "nearest",
                    "seconds",
                )
                for key, value in spread(metric, [x[metric] for x in rows]).items()
            },
            "rows": n_train,
            "seeds": len(seeds),
        }
        for label, rows in found.items()
    ]


def main():
    """Measure both sets of images, or digits with one seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", metavar="PATH", help="an .npz file or IDX files")
    parser.add_argument("--quick", action="store_true", help="digits and one seed")
    add_results_option(parser)
    args = parser.parse_args()
    use_threads(1)
    warnings.simplefilter("ignore")
    seeds = (1,) if args.quick else (1, 2, 3)
    digits = load_digits()
    rows = measure("digits", digits.data / 16, digits.target, 1200, 597, seeds)
    if args.mnist and not args.quick:
        X, _, y, _ = load_mnist(args.mnist)
        rows += measure("MNIST", X.reshape(len(X), -1), y, 15_000, 5_000, seeds)
    write("sampling", rows, results_folder(args) if args.mnist else args.results)


if __name__ == "__main__":
    main()
