"""Tables are compared by cross-entropy of categories and squared error of numbers."""

import math
import pickle
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import skae
from skae import (
    AutoencoderTransformer,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    FitWarning,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae._data.blocks import find_blocks
from skae.tabular import Block, BlockLoss, BlockSwapNoise, TableEncoder

pd = pytest.importorskip("pandas", reason="needs pandas")

BLOCKS = [
    Block("x", "float", 0, 1),
    Block("c", "category", 1, 4, tuple("abc")),
    Block("y", "integer", 4, 5),
    Block("d", "category", 5, 7, ("no", "yes")),
]
CATEGORIES = [slice(1, 4), slice(5, 7)]


def _frame(n=300, seed=0):
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n)
    return pd.DataFrame(
        {
            "x": kind + rng.normal(0, 0.3, n),
            "c": np.array(["a", "b", "c"])[kind],
            "y": rng.integers(0, 50, n),
            "d": np.where(kind + rng.normal(0, 0.5, n) > 1, "yes", "no"),
        }
    )


FRAME = _frame()
ENCODER = TableEncoder().fit(FRAME)
X = ENCODER.transform(FRAME)


def _fitted(cls=AutoencoderTransformer, n_components=2, rows=X, **params):
    params = {"loss": BlockLoss(), "max_epochs": 20, "random_state": 0, **params}
    return cls(n_components, **params).fit(rows)


def _same_blocks(found, expected):
    kinds = [(x.kind == "category", x.start, x.stop) for x in found]
    return kinds == [(x.kind == "category", x.start, x.stop) for x in expected]


# Values -------------------------------------------------------------------------------


def test_entries_are_those_of_torch():
    generator = torch.Generator().manual_seed(0)
    output = torch.randn(5, 7, generator=generator)
    x = torch.as_tensor(X[:5], dtype=torch.float32)
    found = BlockLoss(BLOCKS)(output, x)
    assert found.shape == x.shape
    assert_allclose(found[:, [0, 4]], 0.5 * (output - x)[:, [0, 4]] ** 2, rtol=1e-6)
    for block in CATEGORIES:
        entropy = F.cross_entropy(output[:, block], x[:, block], reduction="none")
        assert_allclose(found[:, block].sum(1), entropy, rtol=1e-6)


def test_a_category_that_is_unknown_costs_nothing():
    x = torch.zeros(1, 7)
    assert BlockLoss(BLOCKS)(torch.randn(1, 7), x)[:, CATEGORIES[0]].sum() == 0


def test_scores_are_the_loss_of_reconstructions():
    ae = _fitted()
    p = ae.reconstruct(X).astype(float)
    expected = 0.5 * ((X - p)[:, [0, 4]] ** 2).sum(1)
    for block in CATEGORIES:
        expected -= (X[:, block] * np.log(p[:, block])).sum(1)
    assert_allclose(-ae.score_samples(X), expected, rtol=1e-3, atol=1e-5)


# Fits ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cls",
    [
        AutoencoderTransformer,
        ContractiveAutoencoder,
        DenoisingAutoencoder,
        SparseAutoencoder,
        VariationalAutoencoder,
    ],
)
def test_every_class_gives_probabilities(cls):
    ae = _fitted(cls)
    for rows in (ae.reconstruct(X), ae.inverse_transform(ae.transform(X[:5]) + 3)):
        for block in CATEGORIES:
            assert_allclose(rows[:, block].sum(1), 1, rtol=1e-5)
            assert rows[:, block].min() >= 0
    assert ae.score(X) > 0.3


def test_training_starts_at_the_frequencies():
    ae = _fitted(VariationalAutoencoder, max_epochs=0)
    p = ae.sample(500, random_state=0)
    assert_allclose(p[:, 1:4].mean(0), X[:, 1:4].mean(0), atol=0.1)


def test_categories_come_back_more_often_than_with_the_squared_error():
    def restored(loss):
        rng = np.random.default_rng(1)
        n = 1500
        group = rng.integers(0, 4, n)
        codes = [(group + rng.binomial(1, 0.1, n) * k) % 4 for k in (1, 2, 3, 1)]
        wide = np.hstack([np.eye(4)[c] for c in codes])
        wide = np.hstack([wide, rng.normal(size=(n, 3))])
        ae = AutoencoderTransformer(3, loss=loss, random_state=0).fit(wide[:1000])
        found = ae.reconstruct(wide[1000:])
        pairs = [(found[:, i : i + 4], wide[1000:, i : i + 4]) for i in (0, 4, 8, 12)]
        return np.mean([(a.argmax(1) == b.argmax(1)).mean() for a, b in pairs])

    assert restored(BlockLoss()) > restored("squared_error") + 0.02


def test_weights_count_as_repeated_rows():
    params = {"dtype": "float64", "batch_size": 1000, "early_stopping": False}
    weight = np.r_[np.full(100, 2.0), np.ones(100), np.zeros(100)]
    ae = AutoencoderTransformer(
        2, loss=BlockLoss(BLOCKS), max_epochs=5, random_state=0, **params
    )
    weighted = clone(ae).fit(X, sample_weight=weight)
    repeated = clone(ae).fit(np.r_[X[:100], X[:200]])
    assert_allclose(weighted.reconstruct(X), repeated.reconstruct(X), atol=1e-6)


def test_gaps_are_filled_by_probabilities():
    gappy = X.copy()
    rng = np.random.default_rng(0)
    for block in (slice(0, 1), *CATEGORIES):
        gappy[rng.random(len(X)) < 0.2, block] = np.nan
    ae = _fitted(rows=gappy, missing="mask")
    filled = ae.impute(gappy)
    gaps = np.isnan(gappy[:, 1])
    assert_allclose(filled[gaps, 1:4].sum(1), 1, rtol=1e-5)
    assert_array_equal(filled[~np.isnan(gappy)], gappy[~np.isnan(gappy)])
    is_right = filled[gaps, 1:4].argmax(1) == X[gaps, 1:4].argmax(1)
    assert is_right.mean() > 0.6  # three categories, told by x and d
    assert _same_blocks(find_blocks(gappy), BLOCKS)


# The variational class ----------------------------------------------------------------


def test_draws_are_rows_of_a_table():
    vae = _fitted(VariationalAutoencoder)
    drawn = vae.sample(4000, noise=True, random_state=0)
    for block in CATEGORIES:
        assert set(np.unique(drawn[:, block])) == {0, 1}
        assert (drawn[:, block].sum(1) == 1).all()
        assert_allclose(drawn[:, block].mean(0), X[:, block].mean(0), atol=0.1)
    assert ENCODER.inverse_transform(drawn)["c"].isin(list("abc")).all()


def test_the_variance_is_that_of_numbers():
    vae = _fitted(VariationalAutoencoder)
    error = (vae.reconstruct(X) - X)[:, [0, 4]]
    # Around reconstructions of drawn codes it is larger than around those of the mean.
    assert (error**2).mean() < vae.noise_variance_ < 2


def test_the_density_of_a_table_sums_to_one():
    only = Block("c", "category", 0, 3, tuple("abc"))
    rows = np.eye(3)[np.random.default_rng(0).integers(0, 3, 200)]
    vae = VariationalAutoencoder(
        1, loss=BlockLoss([only]), max_epochs=3, random_state=0
    ).fit(rows)
    density = vae.log_likelihood(np.eye(3), n_samples=4000, random_state=0)
    assert math.isclose(np.exp(density).sum(), 1, rel_tol=0.02)
    with pytest.raises(AttributeError, match="no variance"):
        vae.noise_variance_  # noqa: B018


def test_rows_without_an_observed_number_train():
    rows = X[:60].copy()
    rows[:, [0, 4]] = np.nan
    rows[0, [0, 4]] = rows[1, [0, 4]] = 1.0, 2.0
    rows[1, 0] = 0.5
    rows[1, 4] = 0.0
    vae = _fitted(VariationalAutoencoder, rows=rows, missing="mask", batch_size=4)
    assert np.isfinite(vae.reconstruct(rows)).all()


def test_rows_without_any_category_are_scored():
    rows = X.copy()
    rows[::7, 1:4] = np.nan
    ae = _fitted(rows=rows, missing="mask")
    gaps = rows[::7]  # of whose categories none is seen
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_array_equal(ae.score_samples(gaps[:1]), ae.score_samples(gaps)[:1])


# Blocks that are found ----------------------------------------------------------------


def test_blocks_are_found_in_rows():
    assert _same_blocks(find_blocks(X), ENCODER.blocks_)
    names = list(ENCODER.get_feature_names_out())
    assert [x.name for x in find_blocks(X, names)] == ["x", "c_a", "y", "d_no"]


@pytest.mark.parametrize(
    ("columns", "spans"),
    [
        ([[1, 0, 1], [0, 1, 0]], [(0, 2)]),  # one flag and its opposite
        ([[1, 0, 1], [0, 1, 1]], []),  # two ones in a row
        ([[1, 0, 0], [0, 1, 0]], []),  # a row of zeros
        ([[1, 1, 1], [1, 0, 1], [0, 1, 0]], [(1, 3)]),  # a constant beside a block
        ([[0, 0, 0], [1, 0, 1], [0, 1, 0]], [(1, 3)]),  # a column that never occurs
        ([[1, 0, 0], [0, 1, 1], [1, 1, 0], [0, 0, 1]], [(0, 2), (2, 4)]),
        ([[1, 0, 1], [0.5, 1, 0]], []),  # no ones and zeros
        ([[1, 0, np.nan], [0, 1, np.nan]], [(0, 2)]),  # a gap
        ([[1, 0, np.nan], [0, 1, 0]], []),  # half a gap
        ([[1, np.nan, 0, 1], [0, 1, np.nan, 0]], []),  # as many gaps, in other rows
        ([[0, 1, 1], [1, 0, 1], [0, 1, 0]], [(1, 3)]),  # a flag before a block
    ],
)
def test_a_block_has_one_one_in_each_row(columns, spans):
    found = find_blocks(np.array(columns, dtype=float).T)
    assert [(x.start, x.stop) for x in found if x.kind == "category"] == spans
    assert found[-1].stop == len(columns)


def _shortest_runs(rows):
    """Return the categories of rows as their definition says, run by run."""
    spans, start = [], 0
    while start < rows.shape[1]:
        for stop in range(start + 2, rows.shape[1] + 1):
            run = rows[:, start:stop]
            is_gap = np.isnan(run).all(axis=1)
            is_hot = (np.isin(run, [0, 1])).all(axis=1) & (run.sum(axis=1) == 1)
            if (is_gap | is_hot).all() and (run == 1).any(axis=0).all():
                spans.append((start, stop))
                start = stop - 1
                break
        start += 1
    return spans


@pytest.mark.parametrize("seed", range(40))
def test_blocks_are_the_shortest_runs(seed):
    rng = np.random.default_rng(seed)
    n_rows, parts = 6, []
    for _ in range(5):
        width = rng.integers(1, 4)
        part = np.eye(width)[rng.integers(0, width, n_rows)]
        if rng.random() < 0.3:
            part[rng.random(part.shape) < 0.1] = rng.choice([0, 1, 0.5, np.nan])
        if rng.random() < 0.3:
            part[rng.integers(0, n_rows)] = np.nan
        parts.append(part)
    rows = np.hstack(parts)
    found = [(x.start, x.stop) for x in find_blocks(rows) if x.kind == "category"]
    assert found == _shortest_runs(rows)


def test_blocks_are_found_in_long_tables(monkeypatch):
    monkeypatch.setattr("skae._data.blocks._ENTRIES", 100)
    assert _same_blocks(find_blocks(X), BLOCKS)


def test_each_fold_of_a_search_has_its_own_blocks():
    frame = FRAME.copy()
    frame.loc[0, "c"] = "rare"  # a column that one fold lacks
    pipe = make_pipeline(
        TableEncoder(), AutoencoderTransformer(2, loss=BlockLoss(), max_epochs=2)
    )
    grid = {"autoencodertransformer__n_components": [1, 2]}
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(frame)
    assert search.best_estimator_[-1].n_features_in_ == 8


def test_blocks_of_a_column_transformer_are_found():
    columns = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["c", "d"]), (StandardScaler(), ["x", "y"])
    )
    ae = AutoencoderTransformer(2, loss=BlockLoss(), max_epochs=5, random_state=0)
    rows = columns.fit_transform(FRAME)
    assert_allclose(ae.fit(rows).reconstruct(rows)[:, :3].sum(1), 1, rtol=1e-5)


def test_noise_finds_its_blocks():
    noise = BlockSwapNoise(level=0.5)
    dae = DenoisingAutoencoder(2, noise=noise, max_epochs=2, random_state=0).fit(X)
    noisy = dae.corrupt(X)
    assert (noisy[:, 1:4].sum(1) == 1).all()
    assert 0.1 < (noisy[:, 1:4] != X[:, 1:4]).any(1).mean() < 0.5
    assert noise.blocks is None
    assert dae.set_params(warm_start=True).fit(X[::-1]).noise.blocks is None
    with pytest.raises(ValueError, match="finds its blocks in a fit"):
        noise(torch.zeros(2, 7), torch.Generator())


# Copies and files ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "loss", [BlockLoss(), BlockLoss(BLOCKS)], ids=["found", "given"]
)
def test_files_and_pickles_keep_the_blocks(tmp_path, loss):
    ae = _fitted(loss=loss)
    ae.save(tmp_path / "ae.skae")
    for copy in (skae.load(tmp_path / "ae.skae"), pickle.loads(pickle.dumps(ae))):
        assert copy.loss.blocks == loss.blocks
        assert_array_equal(copy.reconstruct(X), ae.reconstruct(X))
        assert_array_equal(copy.score_samples(X), ae.score_samples(X))
        copy.partial_fit(X[:40])  # which may lack a category
        copy.set_params(warm_start=True, max_epochs=1).fit(X)
        assert copy.score(X) > 0.3


def test_onnx_gives_the_same_probabilities(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    ae = _fitted()
    ae.to_onnx(tmp_path / "ae.onnx", part="reconstruct")
    session = runtime.InferenceSession(tmp_path / "ae.onnx")
    (found,) = session.run(None, {"X": X.astype(np.float32)})
    assert_allclose(found, ae.reconstruct(X), atol=1e-5)


def test_a_trained_decoder_is_used_without_its_probabilities():
    ae = _fitted()
    other = AutoencoderTransformer(
        2,
        encoder=ae.encoder_,
        decoder=ae.decoder_,
        loss=BlockLoss(),
        max_epochs=0,
        random_state=0,
    ).fit(X)
    assert_allclose(other.reconstruct(X), ae.reconstruct(X), atol=1e-5)


# Refusals -----------------------------------------------------------------------------


def test_rows_of_another_width_are_refused():
    with pytest.raises(ValueError, match=r"BlockLoss have 7 columns, .* have 6"):
        _fitted(rows=X[:, :6], loss=BlockLoss(BLOCKS))


def test_scaled_categories_are_refused():
    scaled = StandardScaler().fit_transform(X)
    with pytest.raises(ValueError, match=r"'c' hold categories.* Leave out the step"):
        _fitted(rows=scaled, loss=BlockLoss(BLOCKS))
    with pytest.warns(FitWarning, match=r"no categories in X"):
        _fitted(rows=scaled)
    with pytest.raises(ValueError, match=r"'c' hold categories"):
        _fitted(loss=BlockLoss(BLOCKS)).score_samples(scaled)


def test_flags_that_look_like_a_category_at_first_are_refused_later():
    ae = AutoencoderTransformer(1, loss=BlockLoss(), random_state=0)
    ae.partial_fit(np.array([[1.0, 0], [0, 1]]))
    ae.partial_fit(np.array([[0.0, 0], [0, 1]]))  # a category that is not known
    with pytest.raises(ValueError, match=r"'column 0' .* has ones in several of them"):
        ae.partial_fit(np.array([[1.0, 0], [1, 1]]))
    assert np.isfinite(ae.score_samples(np.array([[1.0, 1]]))).all()


@pytest.mark.parametrize("level", [[0.1, 2.0, 0.1, 0.1], [0.1, np.nan, 0.1, 0.1]])
def test_levels_of_blocks_are_fractions(level):
    with pytest.raises(ValueError, match="of BlockSwapNoise must be between 0 and 1"):
        _fitted(DenoisingAutoencoder, noise=BlockSwapNoise(level=level))


def test_blocks_are_checked():
    with pytest.raises(ValueError, match="'blocks' parameter of BlockLoss"):
        _fitted(loss=BlockLoss("c"))
    with pytest.raises(TypeError, match=r"has 'c' in it, which is no Block"):
        _fitted(loss=BlockLoss(["c"]))
    with pytest.raises(TypeError, match=r"loss=BlockLoss is a class.*BlockLoss\(\)"):
        _fitted(loss=BlockLoss)
    for blocks in ([], BLOCKS[1:], BLOCKS[::-1], BLOCKS[1::2]):
        with pytest.raises(ValueError, match="of BlockLoss do not follow one another"):
            _fitted(loss=BlockLoss(blocks))
        with pytest.raises(ValueError, match="of BlockSwapNoise do not follow"):
            _fitted(DenoisingAutoencoder, noise=BlockSwapNoise(blocks))
    with pytest.raises(ValueError, match="finds its blocks in a fit"):
        BlockLoss()(torch.zeros(1, 2), torch.zeros(1, 2))
