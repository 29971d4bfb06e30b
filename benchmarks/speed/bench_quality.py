"""How long does it take to be as good as PCA, and as the defaults before?

``python -m benchmarks.speed.bench_quality [CASE ...] [--splits N]``, run from the root
of the repository in the environment of ``bench_rivals.py``, writes
``results/bench_quality.csv``. Each contestant is fitted to three splits of a data set
with its own defaults, given nothing but the rows and the size of the code, and a row
holds medians: R² of held-out rows after the fit, seconds of processor time of the fit,
and seconds until R² was that of PCA of equal size, less 0.001, and that of "before".

"Before" are the defaults that skae had until linear maps were added: GELU layers that
start as PCA, Adam and 100 epochs on all rows. The loop is what an experienced torch
user would write for one data set: standardised rows, layers of the same widths, fused
Adam, a cycle of the learning rate over 100 epochs, and the best of three rates for each
case, found by trying all three on the held-out rows that are reported, which favours
it. For these and for skae R² is computed after each epoch, and the clock stands
meanwhile; of the other packages only the whole fit is known, and a time is its own if
the fit ends at or above the R² in question. Packages without a default network are left
out.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from importlib.metadata import version

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.neural_network import MLPRegressor
from skorch.callbacks import Callback
from torch import nn

import skae
from benchmarks.common import (
    add_results_option,
    by_pca,
    fit_pca,
    r_squared,
    results_folder,
    use_threads,
    write,
)
from benchmarks.published._reproduction import dense_from_pca
from benchmarks.speed.bench_rivals import quiet

CASES = ("digits", "breast cancer", "rank 5 of 1500, middle noise")
RATES = (1e-3, 3e-3, 1e-2)
TOLERANCE = 1e-3  # of R², below PCA
HIDDEN = 256
BEFORE = "skae, before"


class Watch:
    """Processor time since the beginning, and R² at some points of it.

    Parameters
    ----------
    score : callable
        From a function that reconstructs to R² of the held-out rows.
    """

    def __init__(self, score):
        self.score = score
        self.points = []
        self.start = time.process_time()

    def __deepcopy__(self, memo):
        """Return itself: callbacks are copied for a fit, but share the watch."""
        return self

    def note(self, reconstruct):
        """Measure R², while the clock stands."""
        now = time.process_time()
        self.points.append((now - self.start, self.score(reconstruct)))
        self.start += time.process_time() - now

    def seconds_to(self, r2):
        """Return the seconds until an R² was reached, infinity if it never was."""
        return next((s for s, found in self.points if found >= r2), float("inf"))


class AfterEpochs(Callback):
    """Notes R² before the first epoch and after each one."""

    def __init__(self, watch):
        self.watch = watch

    def on_train_begin(self, net, **kwargs):
        self.on_epoch_end(net)

    def on_epoch_end(self, net, **kwargs):
        is_training = net.module_.training
        net.module_.eval()
        self.watch.note(in_torch(net.module_.reconstruct))
        net.module_.train(is_training)


def in_torch(function):
    """Return a function of arrays for one of float32 tensors."""

    @torch.no_grad()
    def reconstruct(X):
        return function(torch.from_numpy(X.astype(np.float32))).numpy()

    return reconstruct


# Contestants: each fits, and notes R² at least at the end. ----------------------------


def fit_skae(X, k, seed, watch, **settings):
    """Fit with the defaults."""
    ae = skae.AutoencoderTransformer(
        k, random_state=seed, callbacks=[AfterEpochs(watch)], **settings
    )
    watch.note(ae.fit(X).reconstruct)


def fit_before(X, k, seed, watch):
    """Fit as the defaults did before."""
    networks = dense_from_pca(X, (HIDDEN,), k, seed=seed)
    settings = {"optimizer": "adam", "lr": 1e-3, "max_epochs": 100}
    fit_skae(X, k, seed, watch, early_stopping=False, **networks, **settings)


def fit_loop(lr):
    """Return the handwritten loop with a learning rate."""

    def fit(X, k, seed, watch):
        torch.manual_seed(seed)
        x = torch.from_numpy(X.astype(np.float32))
        mean, scale = x.mean(0), (x - x.mean(0)).square().mean().sqrt()
        rows = (x - mean) / scale
        widths = (X.shape[1], HIDDEN, k, HIDDEN, X.shape[1])
        layers = [nn.Linear(*pair) for pair in itertools.pairwise(widths)]
        first, code, third, last = layers
        model = nn.Sequential(first, nn.GELU(), code, third, nn.GELU(), last)
        batch_size = int(np.clip(len(X) // 32, 32, 128))
        n_steps = 100 * -(-len(X) // batch_size)
        optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, n_steps)
        for _ in range(100):
            for chosen in torch.randperm(len(rows)).split(batch_size):
                batch = rows.index_select(0, chosen)
                F.mse_loss(model(batch), batch).backward()
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                schedule.step()
            watch.note(in_torch(lambda x: model((x - mean) / scale) * scale + mean))

    return fit


def fit_encdr(X, k, seed, watch):
    """Fit encdr's estimator, which divides each column by its deviation."""
    from encdr.encdr import ENCDR

    quiet_trainer = {"enable_progress_bar": False, "enable_model_summary": False}
    ae = ENCDR(latent_dim=k, random_state=seed, trainer_kwargs=quiet_trainer)
    watch.note(ae.fit(X).predict)


def fit_pyod(X, k, seed, watch):
    """Fit pyod's detector, whose last hidden layer is the code."""
    from pyod.models.auto_encoder import AutoEncoder

    ae = AutoEncoder(hidden_neuron_list=[64, k], random_state=seed, verbose=0).fit(X)
    ae.model.eval()
    mean, deviation = ae.X_mean, ae.X_std + np.finfo(float).eps
    reconstruct = in_torch(ae.model)
    watch.note(lambda X: reconstruct((X - mean) / deviation) * deviation + mean)


def fit_hypertools(X, k, seed, watch):
    """Fit HyperTools' reducer."""
    from hypertools.reduce.autoencoders import DeepAutoencoder

    ae = DeepAutoencoder(n_components=k, random_state=seed).fit(X)
    watch.note(lambda X: ae.inverse_transform(ae.transform(X)))


def fit_pythae(X, k, seed, watch):
    """Fit pythae's pipeline with its own network, which ends with a sigmoid."""
    from pythae.models import AE, AEConfig
    from pythae.pipelines import TrainingPipeline
    from pythae.trainers import BaseTrainerConfig

    torch.manual_seed(seed)
    X = X.astype(np.float32)
    model = AE(AEConfig(input_dim=(X.shape[1],), latent_dim=k))
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(output_dir=folder)
        TrainingPipeline(model=model, training_config=config)(X)
    model.eval()
    watch.note(
        in_torch(lambda x: model.decoder(model.encoder(x).embedding).reconstruction)
    )


def fit_mlp(X, k, seed, watch):
    """Fit scikit-learn's MLPRegressor from X to X."""
    sizes = (HIDDEN, k, HIDDEN)
    watch.note(
        MLPRegressor(hidden_layer_sizes=sizes, random_state=seed).fit(X, X).predict
    )


# Name of the contestant: its distribution and its function.
CONTESTANTS = {
    "skae": ("skae", fit_skae),
    BEFORE: ("skae", fit_before),
    **{f"loop, {lr:g}": ("torch", fit_loop(lr)) for lr in RATES},
    "encdr": ("encdr", fit_encdr),
    "pyod": ("pyod", fit_pyod),
    "HyperTools": ("hypertools", fit_hypertools),
    "pythae": ("pythae", fit_pythae),
    "MLPRegressor": ("scikit-learn", fit_mlp),
}


def run(case, n_splits):
    """Return the rows of one data set."""
    from benchmarks.generalisation.datasets import DATASETS, split

    (dataset,) = [x for x in DATASETS if x.name == case]
    k = dataset.n_components
    watches, of_pca = {name: [] for name in CONTESTANTS}, []
    for seed in range(n_splits):
        X, X_test = (x.reshape(len(x), -1) for x in split(dataset, seed)[:2])
        pca = fit_pca(k, X)
        of_pca.append(r_squared(X_test, by_pca(pca, X_test), pca.mean_))

        def score(reconstruct, X_test=X_test, mean=pca.mean_):
            return r_squared(X_test, reconstruct(X_test), mean)

        for name, (_, fit) in CONTESTANTS.items():
            with quiet():
                watch = Watch(score)
                fit(X, k, seed, watch)
            watches[name].append(watch)
            print(case, seed, name, watch.points[-1], flush=True)
    before = [watch.points[-1][1] for watch in watches[BEFORE]]

    def to(name, targets):
        pairs = zip(watches[name], targets, strict=True)
        return statistics.median(watch.seconds_to(r2) for watch, r2 in pairs)

    goals = {"to_pca": [r2 - TOLERANCE for r2 in of_pca], "to_before": before}
    loops = [name for name in CONTESTANTS if name.startswith("loop")]

    def speed_and_quality(name):
        end = statistics.median(watch.points[-1][1] for watch in watches[name])
        return to(name, before), -end

    left_out = set(loops) - {min(loops, key=speed_and_quality)}
    rows = []
    for name, (distribution, _) in CONTESTANTS.items():
        if name in left_out:
            continue
        seconds, r2 = np.median([watch.points[-1] for watch in watches[name]], axis=0)
        row = {
            "case": case,
            "contestant": name,
            "version": version(distribution),
            "r2": f"{r2:.4f}",
            "r2_pca": f"{statistics.median(of_pca):.4f}",
            "seconds": f"{seconds:.3g}",
        }
        for goal, targets in goals.items():
            found = to(name, targets)
            row[goal] = f"{found:.3g}" if np.isfinite(found) else ""
        rows.append(row | {"splits": n_splits})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    add_results_option(parser)
    args = parser.parse_args()
    use_threads(args.threads)
    rows = []
    for case in CASES:
        if not args.cases or case in args.cases:
            rows += run(case, args.splits)
    write("bench_quality", rows, results_folder(args))


if __name__ == "__main__":
    main()
