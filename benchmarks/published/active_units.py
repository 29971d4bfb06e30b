"""How many units does the weight of a sparse penalty leave active?

``python -m benchmarks.published.active_units [--mnist PATH] [--epochs N] [--seeds N]``

10,000 MNIST digits, a code of 64 ReLU units after one hidden layer, and the penalty
λ Σ|z| with λ from 0 to 3, in two forms: that of `SparseAutoencoder`, which divides each
unit by its root mean square over the batch, and the plain formula of the textbooks,
``L1Sparsity(normalize=False)``. Measured on test digits: the number of active units of
a digit, the number of units that are active for any digit, and R² of the
reconstruction.

This is our own experiment without a published figure. The plain formula can be evaded
by a small code and a large decoder; the experiment shows how much of the intended
sparsity remains. Settings are the defaults of the package.
"""

import numpy as np

from benchmarks.common import load_images
from benchmarks.published._reproduction import (
    Stopwatch,
    bar,
    figure,
    options,
    parse,
    save_plot,
    write_figures,
)
from skae import AutoencoderTransformer, L1Sparsity, SparseAutoencoder

N_UNITS, N_ROWS = 64, 10_000
WEIGHTS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
ACTIVE = "units that are active for a digit"
ALIVE = "units that are active for any digit"
R2 = "R2"


def normalised(weight, **settings):
    """Return a sparse autoencoder that measures each unit by its own size."""
    return SparseAutoencoder(N_UNITS, sparsity=weight, **settings)


def plain(weight, **settings):
    """Return an autoencoder with the formula of the textbooks."""
    return AutoencoderTransformer(
        N_UNITS,
        code_activation="relu",
        penalty=L1Sparsity(weight, normalize=False) if weight else None,
        **settings,
    )


FORMS = {"normalised": normalised, "plain formula": plain}


def main():
    """Train with every weight, form and seed."""
    args = parse(options(__doc__, epochs=15))
    weights = WEIGHTS[1:6:2] if args.quick else WEIGHTS
    if args.quick:
        args.epochs = 1
    X, X_test, _, _ = load_images(args)
    X = X[:N_ROWS]
    rows, curves = [], {}
    for form, make in FORMS.items():
        for weight in weights:
            found = []
            with Stopwatch() as watch:
                for seed in range(args.seeds):
                    ae = make(
                        weight,
                        max_epochs=args.epochs,
                        n_iter_no_change=None,
                        random_state=seed,
                        callbacks=bar(f"{form}, λ {weight}, seed {seed}"),
                    ).fit(X)
                    is_active = ae.transform(X_test) > 0
                    found.append(
                        (
                            is_active.sum(axis=1).mean(),
                            is_active.any(axis=0).sum(),
                            ae.score(X_test),
                        )
                    )
            about = {"epochs": args.epochs, "minutes": watch.minutes / args.seeds}
            columns = np.transpose(found)
            for metric, values in zip((ACTIVE, ALIVE, R2), columns, strict=True):
                better = "higher" if metric == R2 else "lower"
                case = f"{form}: λ {weight:g}"
                rows.append(figure(case, values, metric=metric, better=better, **about))
                curves.setdefault((form, metric), []).append(values.mean())
    write_figures("active_units", rows, args)

    def plot(canvas):
        axes = canvas.subplots(1, 3)
        places = np.arange(len(weights))  # λ = 0 is not on a logarithmic axis
        for ax, metric in zip(axes, (ACTIVE, ALIVE, R2), strict=True):
            for form in FORMS:
                ax.plot(places, curves[form, metric], "o-", label=form)
            ax.set_xticks(places, [f"{weight:g}" for weight in weights])
            title = "R² of the reconstruction" if metric == R2 else metric
            ax.set(xlabel="λ", title=title, ylim=(0, None))
        axes[0].legend()

    save_plot("active_units", plot, args, size=(9.5, 3))


if __name__ == "__main__":
    main()
