"""What does a step with the contractive penalty cost, and how noisy is its estimate?

``python -m benchmarks.speed.bench_contraction [CASE ...] [--mnist PATH] [--rounds N]``,
run from the root of the repository, writes ``results/bench_contraction.csv``;
``--quick`` has two cases. A step is forward, backward and the fused Adam on one batch;
the reference is the same step without a penalty. The rival is the simplest handwritten
penalty: it encodes the batch again and runs a backward pass for each unit of the code.

The networks are plain ones, without the linear map that the package adds to its layers
by default; two cases have that map.

The noise is the error of the stochastic penalty (its mean over the batch) and of its
gradient, relative to the exact ones: a root mean square over 20 samples, after two
epochs on 10,000 digits. The row without a penalty holds the noise that the choice of
the batch adds to the exact ones.
"""

import argparse
import copy
import functools

import torch

import skae
from benchmarks.common import (
    add_results_option,
    compare,
    load_images,
    results_folder,
    use_threads,
    write,
)
from skae._data.batches import Batch
from skae._objective.losses import LOSSES
from skae._objective.objective import Objective

STEPS = {"dense": 10, "conv": 2}  # in a timed run
N_SAMPLES = 20


def dense(*hidden, activation):
    return skae.AutoencoderTransformer(
        32, encoder=skae.Dense(hidden, activation=activation, init="random")
    )


CASES = {
    f"{name}, {activation}, batch {batch_size}": (
        dense(*hidden, activation=activation),
        batch_size,
    )
    for name, hidden in (("784-256-32", (256,)), ("784-256-128-32", (256, 128)))
    for activation in ("relu", "tanh", "gelu")
    for batch_size in (128, 512)
}
for batch_size in (128, 512):
    CASES[f"784-256-32, the default, batch {batch_size}"] = (
        skae.AutoencoderTransformer(32, hidden_layer_sizes=(256,)),
        batch_size,
    )
CASES["conv, gelu, batch 128"] = (
    skae.AutoencoderTransformer(
        32,
        encoder=skae.Conv(
            (16, 32), image_shape=(28, 28), activation="gelu", init="random"
        ),
    ),
    128,
)

QUICK = ("784-256-32, relu, batch 128", "784-256-128-32, gelu, batch 128")


def by_loop(x, output, module, weight=0.1):
    """Return the penalty by a backward pass for each unit of the code."""
    x = x.detach().requires_grad_()
    code = module.encode(x)
    norm = 0
    for unit in code.sum(0):
        (row,) = torch.autograd.grad(unit, x, create_graph=True)
        norm = norm + (row**2).sum(1)
    return weight * module.scale**2 * norm / code.var(0).mean()


PENALTIES = {
    "none": None,
    "exact": skae.Contraction(0.1, jacobian="exact"),
    **{
        f"stochastic, n_probes={n}": skae.Contraction(
            0.1, jacobian="stochastic", n_probes=n
        )
        for n in (1, 4, 16)
    },
    "loop over units": by_loop,
}


def steps(module, x, penalty, n_steps):
    """Train for some steps."""
    objective = Objective(
        LOSSES["squared_error"], [("penalty", penalty)] if penalty else []
    )
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, fused=True)
    module.keeps_activations = getattr(
        penalty, "needs_activations", False
    )  # as `fit` does
    for _ in range(n_steps):
        optimizer.zero_grad(set_to_none=True)
        loss, _ = objective(module(x), Batch(x), module)
        loss.backward()
        optimizer.step()


def penalty_and_gradient(module, x, penalty):
    value = penalty(x, module(x), module).mean()
    parameters = list(module.encoder.parameters())
    found = torch.autograd.grad(value, parameters, allow_unused=True)
    return value.item(), torch.cat([g.flatten() for g in found if g is not None])


def relative_error(samples, value, gradient):
    """Return the root mean squares of the relative errors of estimates."""
    values, gradients = zip(*samples, strict=True)
    errors = [((g - gradient).norm() / gradient.norm()) ** 2 for g in gradients]
    squares = sum((v / value - 1) ** 2 for v in values)
    return {
        "value_noise": f"{(squares / N_SAMPLES) ** 0.5:.2g}",
        "gradient_noise": f"{(sum(errors) / N_SAMPLES).item() ** 0.5:.2g}",
    }


def noise(module, X, batch_size):
    """Return the noise of each penalty by name, and the noise of the batch."""
    batches = torch.from_numpy(X[: N_SAMPLES * batch_size]).split(batch_size)
    exact = [penalty_and_gradient(module, x, PENALTIES["exact"]) for x in batches]
    mean = (
        sum(value for value, _ in exact) / N_SAMPLES,
        sum(gradient for _, gradient in exact) / N_SAMPLES,
    )
    found = {"none": relative_error(exact, *mean)}
    for name, penalty in PENALTIES.items():
        if name.startswith("stochastic"):
            samples = [
                penalty_and_gradient(module, batches[0], penalty)
                for _ in range(N_SAMPLES)
            ]
            found[name] = relative_error(samples, *exact[0])
    return found


def run(name, X, rounds):
    """Return the rows of one case."""
    estimator, batch_size = CASES[name]
    estimator = copy.deepcopy(estimator).set_params(
        optimizer="adam",
        lr=1e-3,
        early_stopping=False,
        max_epochs=2,
        random_state=0,
    )
    module = estimator.fit(X[:10_000]).net_.module_.train()
    x = torch.from_numpy(X[:batch_size])
    n_steps = STEPS["conv" if name.startswith("conv") else "dense"]
    contestants = {
        other: functools.partial(steps, copy.deepcopy(module), x, penalty, n_steps)
        for other, penalty in PENALTIES.items()
    }
    noises = noise(module, X, batch_size)
    none = {"value_noise": "0", "gradient_noise": "0"}
    rows = compare(contestants, reference="none", rounds=rounds)
    return [
        {"case": name, **row, **noises.get(row["contestant"], none)} for row in rows
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", help="default: all of " + "; ".join(CASES))
    parser.add_argument("--mnist", help="an .npz file of MNIST; else OpenML")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="two cases, few rows")
    add_results_option(parser)
    args = parser.parse_args()
    use_threads(args.threads)
    X = load_images(args, n_rows=10_000)[0]
    rows = []
    for name in args.cases or (QUICK if args.quick else CASES):
        rows += run(name, X, args.rounds)
    write("bench_contraction", rows, results_folder(args))


if __name__ == "__main__":
    main()
