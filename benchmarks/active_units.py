"""How many units does the weight of a sparse penalty leave active?

``python benchmarks/active_units.py [--mnist PATH] [--epochs N] [--seeds N]``

10,000 MNIST digits, a code of 64 ReLU units behind one hidden layer, and the penalty
λ Σ|z| with λ from 0 to 3, in two forms: that of `SparseAutoencoder`, which divides each
unit by its root mean square over the batch, and the plain formula of the textbooks,
``L1Sparsity(normalize=False)``. On test digits: how many units are not zero for a
digit, how many are not zero for any of them, and R² of the reconstruction.

All of it is ours; there is no published figure. The plain formula can be cheated, by a
small code and a large decoder: what is to be seen is how much of the sparsity that it
asks for is there. Settings are the defaults of the package.
"""

import numpy as np
from published import (
    Stopwatch,
    bar,
    figure,
    load,
    options,
    parse,
    save_picture,
    write_figures,
)

from skae import AutoencoderTransformer, L1Sparsity, SparseAutoencoder

N_UNITS, N_ROWS = 64, 10_000
WEIGHTS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
ACTIVE = "units that are active for a digit"
ALIVE = "units that are active for any digit"
SHARE = "R2"


def normalised(weight, **settings):
    """Return a sparse autoencoder whose units are measured by their own size."""
    return SparseAutoencoder(N_UNITS, sparsity=weight, **settings)


def plain(weight, **settings):
    """Return one with the formula of the textbooks."""
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
    X, X_test, _, _ = load(args)
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
            for metric, values in zip((ACTIVE, ALIVE, SHARE), columns, strict=True):
                better = "higher" if metric == SHARE else "lower"
                case = f"{form}: λ {weight:g}"
                rows.append(figure(case, values, metric=metric, better=better, **about))
                curves.setdefault((form, metric), []).append(values.mean())
    write_figures("active_units", rows, args)

    def draw(picture):
        axes = picture.subplots(1, 3)
        places = np.arange(len(weights))  # λ of 0 has no place on a logarithmic axis
        for ax, metric in zip(axes, (ACTIVE, ALIVE, SHARE), strict=True):
            for form in FORMS:
                ax.plot(places, curves[form, metric], "o-", label=form)
            ax.set_xticks(places, [f"{weight:g}" for weight in weights])
            title = "R² of the reconstruction" if metric == SHARE else metric
            ax.set(xlabel="λ", title=title, ylim=(0, None))
        axes[0].legend()

    save_picture("active_units", draw, args, size=(9.5, 3))


if __name__ == "__main__":
    main()
