"""What does the contractive penalty cost, and how noisy is its estimate? Step by step.

``python benchmarks/bench_contraction.py [CASE ...] [--mnist PATH] [--rounds N]`` writes
``results/bench_contraction.csv``; ``--quick`` has two cases. A step is forward,
backward and the fused Adam on one batch; the reference is the same step without
penalty. The rival is what one would write by hand: the code once more, a backward pass
for each of its units. The noise is that of the penalty's mean over the batch and of its
gradient, over the exact ones, as a root mean square of 20 draws, after two epochs on 10
000 digits. The row without penalty has what the choice of the batch does to the exact
ones.
"""

import argparse
import copy
import functools

import torch
from common import (
    add_results_option,
    compare,
    load_pictures,
    results_folder,
    use_threads,
    write,
)

import skae
from skae._objective.losses import LOSSES
from skae._objective.objective import Objective

STEPS = {"dense": 10, "conv": 2}  # in a timed run
DRAWS = 20


def dense(*hidden, activation):
    return skae.AutoencoderTransformer(
        32, encoder=skae.Dense(hidden, activation=activation)
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
CASES["conv, gelu, batch 128"] = (
    skae.ConvAutoencoder(32, image_shape=(28, 28)),
    128,
)

QUICK = ("784-256-32, relu, batch 128", "784-256-128-32, gelu, batch 128")


def by_loop(x, output, module, weight=0.1):
    """Contract as one would by hand: a backward pass for each unit of the code."""
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
    """Take some steps of training."""
    objective = Objective(
        LOSSES["squared_error"], [("penalty", penalty)] if penalty else []
    )
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, fused=True)
    module.keeps_steps = getattr(penalty, "needs_steps", False)  # as `fit` does
    for _ in range(n_steps):
        optimizer.zero_grad(set_to_none=True)
        loss, _ = objective(module(x), x, module)
        loss.backward()
        optimizer.step()


def penalty_and_gradient(module, x, penalty):
    value = penalty(x, module(x), module).mean()
    parameters = list(module.encoder.parameters())
    found = torch.autograd.grad(value, parameters, allow_unused=True)
    return value.item(), torch.cat([g.flatten() for g in found if g is not None])


def relative_error(draws, value, gradient):
    """Return the root mean squares of the errors of draws, over what they estimate."""
    values, gradients = zip(*draws, strict=True)
    errors = [((g - gradient).norm() / gradient.norm()) ** 2 for g in gradients]
    squares = sum((v / value - 1) ** 2 for v in values)
    return {
        "value_noise": f"{(squares / DRAWS) ** 0.5:.2g}",
        "gradient_noise": f"{(sum(errors) / DRAWS).item() ** 0.5:.2g}",
    }


def noise(module, X, batch_size):
    """Return the noise of each penalty by name, and that of the batch."""
    batches = torch.from_numpy(X[: DRAWS * batch_size]).split(batch_size)
    exact = [penalty_and_gradient(module, x, PENALTIES["exact"]) for x in batches]
    mean = (
        sum(value for value, _ in exact) / DRAWS,
        sum(gradient for _, gradient in exact) / DRAWS,
    )
    found = {"none": relative_error(exact, *mean)}
    for name, penalty in PENALTIES.items():
        if name.startswith("stochastic"):
            draws = [
                penalty_and_gradient(module, batches[0], penalty) for _ in range(DRAWS)
            ]
            found[name] = relative_error(draws, *exact[0])
    return found


def run(name, X, rounds):
    """Return the rows of one case."""
    estimator, batch_size = CASES[name]
    estimator = copy.deepcopy(estimator).set_params(max_epochs=2, random_state=0)
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
    X = load_pictures(args)
    rows = []
    for name in args.cases or (QUICK if args.quick else CASES):
        rows += run(name, X, args.rounds)
    write("bench_contraction", rows, results_folder(args))


if __name__ == "__main__":
    main()
