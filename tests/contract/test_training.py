"""Training: chunks, the history, penalties, noise and custom parts."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from cases import (
    ALL,
    IMAGES,
    NAMED,
    OTHERS,
    ROWS,
    N,
    every,
    every_named,
    instance,
    reconstruction_penalty,
)
from helpers import weights_equal
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from torch import nn

import skae
from skae import (
    AutoencoderTransformer,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)


@every
def test_partial_fit_is_one_epoch_over_its_chunk(name):
    ae = ALL[name](early_stopping=True, validation_fraction=0.5)
    assert ae.partial_fit(IMAGES) is ae
    assert ae.n_iter_ == 1
    assert not any(key.startswith("valid") for key in ae.history_[0])
    scale = ae.scale_
    before = ae.transform(IMAGES)
    ae.partial_fit(2 * OTHERS if "cross-entropy" not in name else OTHERS)
    assert ae.n_iter_ == 2
    assert ae.scale_ == scale
    assert not np.array_equal(ae.transform(IMAGES), before)


@pytest.mark.parametrize("cuts", [(10, 11, 48), (1, 30, 48)])
@every_named
def test_partial_fit_updates_the_mean_as_StandardScaler_does(name, cuts):
    ae, scaler = NAMED[name](), StandardScaler()
    for start, stop in itertools.pairwise([0, *cuts]):
        ae.partial_fit(IMAGES[start:stop])
        scaler.partial_fit(ROWS[start:stop].astype(float))
        assert_allclose(ae.mean_, scaler.mean_, rtol=1e-12)
    error = ((OTHERS - ae.reconstruct(OTHERS)) ** 2).sum(dtype=float)
    total = ((OTHERS.reshape(N, 64) - scaler.mean_) ** 2).sum()
    assert math.isclose(ae.score(OTHERS), 1 - error / total, rel_tol=1e-5)


@every
def test_terms_of_the_history_sum_to_the_loss(name):
    ae = ALL[name](validation_fraction=0.3).fit(IMAGES)
    for epoch in ae.history_:
        assert all(type(v) is float for key, v in epoch.items() if key != "epoch")
        for prefix in ("train_", "valid_"):
            terms = {k: v for k, v in epoch.items() if k.startswith(prefix)}
            total = terms.pop(f"{prefix}loss")
            assert f"{prefix}reconstruction" in terms
            assert math.isclose(sum(terms.values()), total, rel_tol=1e-5)


@pytest.mark.parametrize(
    ("ae", "terms"),
    [
        (AutoencoderTransformer(), []),
        (AutoencoderTransformer(sparsity=0.1), ["sparsity"]),
        (ContractiveAutoencoder(sparsity=0.1), ["contraction", "sparsity"]),
        (SparseAutoencoder(method="topk"), []),
        (SparseAutoencoder(method="lifetime"), []),
        (SparseAutoencoder(penalty=skae.L1Sparsity()), ["sparsity", "penalty"]),
        (
            VariationalAutoencoder(penalty=[("one", reconstruction_penalty)]),
            ["kl", "one"],
        ),
        (
            AutoencoderTransformer(
                penalty=[("a", skae.L1Sparsity()), ("best", skae.L1Sparsity())]
            ),
            ["a", "best"],
        ),
    ],
    ids=lambda value: None if isinstance(value, BaseEstimator) else str(value),
)
def test_history_has_a_term_for_each_penalty(ae, terms):
    expected = {"loss", "reconstruction", *terms}
    for early_stopping, parts in [(False, ["train"]), ("auto", ["train", "valid"])]:
        ae = clone(ae).set_params(max_epochs=1, early_stopping=early_stopping)
        (epoch,) = ae.fit(IMAGES).history_
        names = {f"{part}_{term}" for part in parts for term in expected}
        assert set(epoch) == {"epoch", *names}


def test_second_penalty_of_a_class_does_not_replace_the_first():
    penalty = [("a", skae.L1Sparsity(0.1)), ("b", skae.L1Sparsity(0.2))]
    ae = AutoencoderTransformer(4, penalty=penalty, max_epochs=1).fit(IMAGES)
    epoch = ae.history_[0]
    assert math.isclose(epoch["train_b"], 2 * epoch["train_a"], rel_tol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "AutoencoderTransformer",
        "ConvAutoencoder",
        "ContractiveAutoencoder",
        "SparseAutoencoder",
        "VariationalAutoencoder",
    ],
)
def test_the_objective_is_the_same_at_every_scale_of_X(name):
    one = NAMED[name]()
    other = clone(one).fit(1024 * IMAGES)
    one.fit(IMAGES)
    # Linear codes have the units of X.
    scale = 1024 if one.net_.module_.coordinates is not None else 1
    assert_allclose(
        other.transform(1024 * IMAGES) / scale,
        one.transform(IMAGES),
        rtol=1e-3,
        atol=1e-4,
    )
    last, of_other = one.history_[-1], other.history_[-1]
    if name == "VariationalAutoencoder":
        # A density: the logarithm of the scale is added in neither.
        assert math.isclose(last["train_kl"], of_other["train_kl"], rel_tol=1e-3)
    for term in last:
        assert math.isclose(last[term], of_other[term], rel_tol=1e-3), term


def test_corruption_is_fresh_in_training_and_fixed_in_validation():
    seen = []

    def spy(x, generator):
        noise = torch.randn(x.shape, generator=generator)
        seen.append(noise)
        return x + noise

    DenoisingAutoencoder(
        2,
        noise=spy,
        validation_fraction=0.5,
        early_stopping=False,
        batch_size=100,
        max_epochs=3,
    ).fit(ROWS)
    train, valid = seen[0::2], seen[1::2]
    assert len(train) == len(valid) == 3
    assert not torch.equal(train[0], train[1])
    assert not torch.equal(train[1], train[2])
    assert torch.equal(valid[0], valid[1])
    assert torch.equal(valid[1], valid[2])


@pytest.mark.parametrize("name", ["AutoencoderTransformer", "VariationalAutoencoder"])
def test_arguments_of_corruption_loss_and_penalty(name):
    seen = []

    def corruption(x, generator):
        assert isinstance(generator, torch.Generator)
        seen.append(x)
        return x + 1

    def loss(reconstruction, x):
        assert reconstruction.shape == x.shape
        assert torch.equal(x, seen[-1])  # the target is clean, in the units of X
        return (reconstruction - x) ** 2

    def penalty(x, output, module):
        assert torch.equal(x, seen[-1])
        assert output.code is output["code"]
        assert output["code"].shape == (len(x), 4)
        assert output["reconstruction"].shape == x.shape
        if name == "VariationalAutoencoder":
            assert output["mean"].shape == output["log_var"].shape == (len(x), 4)
        assert isinstance(module, nn.Module)
        return output["code"].sum(1)

    NAMED[name](corruption=corruption, loss=loss, penalty=penalty).fit(IMAGES)
    assert seen


def test_module_instances_are_templates():
    encoder, decoder = instance(64, 4), instance(4, 64)
    before = copy.deepcopy(encoder.state_dict())
    ae = AutoencoderTransformer(
        4, encoder=encoder, decoder=decoder, max_epochs=3, random_state=0
    )
    codes = ae.fit(IMAGES).transform(IMAGES)
    assert weights_equal(encoder, before)  # never trained in place
    assert all(p.grad is None for p in encoder.parameters())
    assert_array_equal(ae.fit(IMAGES).transform(IMAGES), codes)
    # And training starts from their weights.
    unchanged = clone(ae).set_params(lr=1e-12, max_epochs=1).fit(IMAGES)
    expected = encoder(torch.from_numpy(ROWS)).detach().numpy()
    assert_allclose(unchanged.transform(IMAGES), expected, atol=1e-5)


def test_kl_warmup_starts_at_zero():
    ae = VariationalAutoencoder(4, kl_warmup=2, max_epochs=3, random_state=0)
    terms = [epoch["train_kl"] for epoch in ae.fit(IMAGES).history_]
    assert terms[0] == 0
    assert 0 < terms[1] < terms[2]


@every
def test_last_batch_of_one_row_trains(name):
    ae = ALL[name](batch_size=16, max_epochs=1)
    assert np.isfinite(ae.fit(IMAGES[:33]).transform(IMAGES)).all()


@every_named
def test_verbose_shows_a_bar_or_prints_lines(name, capsys):
    NAMED[name](verbose=0).fit(IMAGES)
    assert capsys.readouterr() == ("", "")
    NAMED[name](verbose=1).fit(IMAGES)
    shown = capsys.readouterr()
    assert shown.out == ""
    last = shown.err.rsplit("\r", 1)[-1]
    assert last.startswith(name)
    assert "2/2" in last
    assert "loss " in last
    NAMED[name](verbose=2).fit(IMAGES)
    shown = capsys.readouterr()
    assert shown.err == ""
    lines = shown.out.strip().splitlines()
    assert "train_loss" in lines[0]
    assert len(lines) == 4  # names, a rule and two epochs


def test_a_column_that_is_constant_in_the_first_chunk_is_learned_later():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(400, 2)) @ rng.normal(size=(2, 6))
    first = X[:50].copy()
    first[:, 2] = 0.0
    ae = AutoencoderTransformer(2, random_state=0).partial_fit(first)
    for _ in range(60):
        ae.partial_fit(X)
    spread = ae.reconstruct(X)[:, 2].std() / X[:, 2].std()
    assert 0.8 < spread < 1.2


class CountEpochs(Callback):
    """Count epochs over the whole life of the net."""

    def initialize(self):
        self.n_epochs_ = 0
        return self

    def on_epoch_end(self, net, **kwargs):
        self.n_epochs_ += 1


def test_callbacks_keep_their_state_from_chunk_to_chunk():
    """A callback still knows its count in the next call of partial_fit."""
    ae = AutoencoderTransformer(4, callbacks=[CountEpochs()], random_state=0)
    for _ in range(3):
        ae.partial_fit(ROWS)
    assert dict(ae.net_.callbacks_)["CountEpochs"].n_epochs_ == 3
