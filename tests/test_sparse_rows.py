"""Sparse X: the same results as dense, and no dense copy of all rows."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from conftest import ESTIMATORS
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import skae
from skae import AutoencoderTransformer, ConvAutoencoder, RandomFlip
from skae._data.sparse import SparseRows, count_outside
from skae._data.statistics import compute_statistics, effective_share

RNG = np.random.default_rng(0)
N_ROWS, N_FEATURES = 150, 40
RATE = np.maximum(RNG.standard_normal((N_ROWS, 3)), 0)
RATE = RATE @ np.maximum(RNG.standard_normal((3, N_FEATURES)), 0)
X = RNG.poisson(0.4 * RATE).astype(float)
CSR = sparse.csr_array(X)
FAST = {"max_epochs": 2, "random_state": 0}
KINDS = [
    sparse.csr_array,
    sparse.csr_matrix,
    sparse.csc_matrix,
    sparse.coo_array,
    lambda x: sparse.csr_array(x.astype(np.int64)),
    lambda x: pd.DataFrame.sparse.from_spmatrix(sparse.csr_matrix(x)),
]
NAMES = ["csr_array", "csr_matrix", "csc_matrix", "coo_array", "int64", "frame"]


def _same_up_to_sign(found, expected, atol):
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found * signs, expected, atol=atol)


@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_sparse_and_dense_rows_give_the_same(kind):
    rows = kind(X)
    if isinstance(rows, pd.DataFrame) and sklearn.__version__ < "1.7":
        pytest.skip("The check of scikit-learn 1.6 finds NaN in it.")
    settings = {"dtype": "float64", "lr": 1e-4, **FAST}
    dense = AutoencoderTransformer(3, **settings).fit(X)
    ae = AutoencoderTransformer(3, **settings).fit(rows)
    np.testing.assert_allclose(ae.reconstruct(X), dense.reconstruct(X), atol=1e-4)
    _same_up_to_sign(ae.transform(X), dense.transform(X), atol=1e-3)
    for method in ("transform", "reconstruct", "score_samples", "score"):
        found, expected = getattr(ae, method)(rows), getattr(ae, method)(X)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(ae.mean_, X.mean(axis=0))


@pytest.mark.parametrize("Estimator", ESTIMATORS)
@pytest.mark.parametrize("loss", ["squared_error", "poisson", "binary_cross_entropy"])
def test_every_class_takes_sparse_rows(Estimator, loss):
    rows = (CSR > 0).astype(float) if loss == "binary_cross_entropy" else CSR
    ae = Estimator(3, loss=loss, **FAST)
    if Estimator is ConvAutoencoder:
        ae.set_params(image_shape=(5, 8))
    ae.fit(rows)
    assert ae.transform(rows).shape == (N_ROWS, 3)
    assert np.isfinite(ae.score(rows))
    ae.partial_fit(rows[:20]).partial_fit(rows[:1])
    assert np.isfinite(ae.score_samples(rows)).all()


def test_the_start_is_pca_of_all_rows():
    ae = AutoencoderTransformer(4, max_epochs=0, dtype="float64").fit(CSR)
    expected = PCA(4).fit(X).explained_variance_ratio_.sum()
    np.testing.assert_allclose(ae.score(CSR), expected, rtol=1e-5)


def test_weights_of_sparse_rows():
    weight = RNG.integers(0, 3, N_ROWS)
    settings = {"max_epochs": 0, "dtype": "float64"}
    ae = AutoencoderTransformer(4, **settings).fit(CSR, sample_weight=weight)
    repeated = AutoencoderTransformer(4, **settings).fit(X.repeat(weight, axis=0))
    np.testing.assert_allclose(ae.mean_, repeated.mean_)
    np.testing.assert_allclose(ae.reconstruct(X), repeated.reconstruct(X), atol=1e-3)
    assert np.isclose(
        ae.score(CSR, sample_weight=weight), ae.score(X.repeat(weight, axis=0))
    )


def test_statistics_without_dense_rows():
    weight = RNG.random(N_ROWS)
    for share in (None, weight):
        found = compute_statistics(SparseRows(CSR), share)
        expected = compute_statistics(X, share)
        for name in ("n_rows", "mean", "variance", "low", "high"):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name))
        np.testing.assert_allclose(
            effective_share(SparseRows(CSR), share), effective_share(X, share)
        )


def test_the_variance_of_sparse_rows_far_from_zero():
    rows = X * 1e-3 + 1e5
    found = compute_statistics(SparseRows(sparse.csr_array(rows)))
    np.testing.assert_allclose(found.variance, rows.var(axis=0), rtol=1e-6, atol=1e-12)


def test_sparse_rows_start_as_dense_ones_do():
    dense, ae = (
        AutoencoderTransformer(3, dtype="float64", random_state=0).fit(rows)
        for rows in (X, CSR)
    )
    np.testing.assert_allclose(ae.transform(X), dense.transform(X), atol=0.05)
    np.testing.assert_allclose(ae.score(X), dense.score(X), atol=0.005)


def test_rows_outside_of_a_range_are_counted():
    for low, high in ((0, 1), (0.5, 3), (-1, 100)):
        expected = ((low > X) & (X != 0) | (high < X)).any(axis=1).sum()
        assert count_outside(SparseRows(CSR), low, high) == expected
    assert count_outside(X, 0, 1) == (X > 1).any(axis=1).sum()


def test_training_never_makes_all_rows_dense(monkeypatch):
    rows = sparse.csr_array(sparse.random(3000, 500, 0.01, random_state=1))
    largest = []
    taken = SparseRows.take, SparseRows.__getitem__

    def note(method):
        def noted(*args, **kwargs):
            found = method(*args, **kwargs)
            largest.append(len(found))
            return found

        return noted

    monkeypatch.setattr(SparseRows, "take", note(taken[0]))
    monkeypatch.setattr(SparseRows, "__getitem__", note(taken[1]))
    ae = AutoencoderTransformer(4, max_epochs=12, random_state=0).fit(rows)
    ae.score(rows)
    assert max(largest) < 1100


def test_held_out_values_beyond_the_range_are_clipped_and_told():
    ae = AutoencoderTransformer(3, loss="binary_cross_entropy", **FAST)
    ae.fit((CSR > 0).astype(float))
    with pytest.warns(UserWarning, match="rows of X have values outside the range"):
        found = ae.score_samples(CSR)
    assert np.isfinite(found).all()
    with pytest.raises(ValueError, match=r"\[0, 1\]|0 to 1|between 0 and 1"):
        ae.fit(CSR)


def test_text_in_a_pipeline():
    words = {0: "sea ship wave sail storm", 1: "flour oven bread yeast salt"}
    labels = RNG.integers(0, 2, 120)
    texts = [" ".join(RNG.choice(words[label].split(), 6)) for label in labels]
    pipe = make_pipeline(
        TfidfVectorizer(), AutoencoderTransformer(2, **FAST), LogisticRegression()
    ).fit(texts, labels)
    assert pipe.score(texts, labels) > 0.95


def test_augmented_sparse_rows_are_made_dense():
    ae = ConvAutoencoder(3, image_shape=(5, 8), augmentation=RandomFlip(), **FAST).fit(
        CSR
    )
    assert ae.score(CSR) > 0


def test_files_know_nothing_of_it(tmp_path):
    ae = AutoencoderTransformer(3, **FAST).fit(CSR)
    ae.save(tmp_path / "ae.skae")
    loaded = skae.load(tmp_path / "ae.skae")
    np.testing.assert_array_equal(loaded.transform(CSR), ae.transform(X))


def test_the_tag_says_so():
    assert sklearn.utils.get_tags(AutoencoderTransformer()).input_tags.sparse


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_entries_that_are_not_finite_are_found(value):
    rows = X.copy()
    rows[7, 5] = value
    kind = "NaN" if np.isnan(value) else "infinity"
    with pytest.raises(ValueError, match=f"{kind}: 1 entries .* row 7 and column 5"):
        AutoencoderTransformer(3).fit(sparse.csr_array(rows))
    ae = AutoencoderTransformer(3, **FAST).fit(CSR)
    with pytest.raises(ValueError, match=f"{kind}: 1 entries"):
        ae.transform(sparse.csr_array(rows))


def test_codes_and_blends_are_dense_still():
    ae = AutoencoderTransformer(3, **FAST).fit(CSR)
    with pytest.raises(TypeError, match="Sparse data was passed"):
        ae.inverse_transform(sparse.csr_array(ae.transform(X)))
