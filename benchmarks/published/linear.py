"""Is a linear autoencoder PCA?

``python -m benchmarks.published.linear [--mnist PATH] [--seeds N] [--epochs N]``

Baldi & Hornik (1989) proved that a linear autoencoder has no local minima other than
PCA: 784-32-784 with the squared error has to come within 1 % of PCA's error, and its
decoder has to span the same space. It is trained from two initialisations: the
package's own, PCA of some rows, and random weights. Ours: Adam with one cycle of the
learning rate, batches of 512.
"""

import numpy as np
from scipy.linalg import subspace_angles

from benchmarks.common import by_pca, fit_pca, load_images, mean_squared_error
from benchmarks.published._reproduction import (
    BY_ADAM,
    Stopwatch,
    bar,
    figure,
    options,
    parse,
    write_figures,
)
from skae import AutoencoderTransformer, Dense

N_COMPONENTS = 32
ERROR, ANGLE = "mean squared error of a pixel", "largest principal angle, rad"
SOURCE = "theorem: PCA"


def span(ae):
    """Return the directions that the decoder spans, as columns."""
    codes = np.vstack([np.zeros(N_COMPONENTS), np.eye(N_COMPONENTS)])
    decoded = ae.inverse_transform(codes.astype(np.float32)).astype(np.float64)
    return (decoded[1:] - decoded[0]).T


def main():
    """Train from both initialisations, and compare with PCA."""
    args = parse(options(__doc__, epochs=60))
    if args.quick:
        args.epochs = 2
    X_train, X_test, _, _ = load_images(args)
    pca = fit_pca(N_COMPONENTS, X_train)
    error = mean_squared_error(X_test, by_pca(pca, X_test))
    rows = [figure(f"PCA, {N_COMPONENTS} components", [error], metric=ERROR, minutes=0)]
    for init in ("pca", "random"):
        errors, angles = [], []
        with Stopwatch() as watch:
            for seed in range(args.seeds):
                ae = AutoencoderTransformer(
                    N_COMPONENTS,
                    encoder=Dense((), init=init),
                    batch_size=512,
                    lr=3e-3,
                    max_epochs=args.epochs,
                    n_iter_no_change=None,
                    random_state=seed,
                    callbacks=bar(f"{init} start, seed {seed}"),
                    **BY_ADAM,
                ).fit(X_train)
                errors.append(mean_squared_error(X_test, ae.reconstruct(X_test)))
                angles.append(subspace_angles(span(ae), pca.components_.T).max())
        about = {
            "source": SOURCE,
            "epochs": args.epochs,
            "minutes": watch.minutes / args.seeds,
        }
        case = f"784-{N_COMPONENTS}-784, {init} start"
        target = float(f"{1.01 * error:.4g}")
        rows += [
            figure(case, errors, metric=ERROR, target=target, **about),
            figure(case, angles, metric=ANGLE, target=0.01, **about),
        ]
    write_figures("linear", rows, args)


if __name__ == "__main__":
    main()
