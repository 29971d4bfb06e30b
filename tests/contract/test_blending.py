"""Blends, interpolations and mixtures."""

import functools

import numpy as np
import pytest
from cases import FORMS, IMAGES, NAMED, OTHERS, ROWS, N, every, every_named, fit, fitted
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import skae
from skae import AutoencoderTransformer, ConvAutoencoder


@every
def test_content_blends_are_overlays_and_use_no_network(name, monkeypatch):
    ae = fitted(name)
    monkeypatch.setattr(ae.net_.module_, "forward", None)
    monkeypatch.setattr(ae.net_.module_, "encode", None)
    blends = ae.blend(IMAGES, OTHERS, 0.25, kind="content")
    assert_allclose(blends, 0.75 * IMAGES + 0.25 * OTHERS, rtol=1e-6)


@pytest.mark.parametrize("kind", ["content", "representation"])
def test_images_are_blended_behind_a_step_that_takes_them(kind):
    ae = ConvAutoencoder(4, max_epochs=1, random_state=0)
    pipeline = make_pipeline(
        FunctionTransformer(np.sqrt, np.square), "passthrough", ae
    ).fit(IMAGES)
    blend = functools.partial(skae.blend, pipeline, kind=kind)
    blends = blend(IMAGES, OTHERS)
    assert blends.shape == IMAGES.shape
    if kind == "content":
        assert_allclose(blends, 0.5 * (IMAGES + OTHERS), rtol=1e-6)
    one = blend(IMAGES[0], OTHERS[0])
    assert_allclose(one, blends[0], rtol=1e-4, atol=1e-5)
    mixed = blend(IMAGES[0], OTHERS)
    assert_allclose(mixed[0], one, rtol=1e-4, atol=1e-5)
    assert skae.interpolate(pipeline, IMAGES[0], OTHERS[0], 3).shape == (3, 8, 8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_content_blends_have_the_type_of_the_estimator(dtype):
    ae = AutoencoderTransformer(2, max_epochs=1, dtype=dtype).fit(ROWS)
    for X in (ROWS, ROWS.astype(np.float64), (16 * ROWS).astype(np.uint8)):
        assert ae.blend(X, X, kind="content").dtype == dtype
    pca = PCA(2).fit(ROWS)
    for given, kept in (("f4", "f4"), ("f8", "f8"), ("f2", "f8"), ("i8", "f8")):
        X = ROWS.astype(given)
        assert skae.blend(pca, X, X, kind="content").dtype == np.dtype(kept)


@every
def test_representation_blends_decode_mixed_codes(name):
    ae = fitted(name)
    z1, z2 = ae.transform(IMAGES), ae.transform(OTHERS)
    for alpha in (0.3, -1.0, 2.5):
        expected = ae.inverse_transform((1 - alpha) * z1 + alpha * z2)
        assert_allclose(ae.blend(IMAGES, OTHERS, alpha), expected, rtol=1e-5, atol=1e-6)


@every
def test_ends_of_representation_blends_are_the_reconstructions(name):
    ae = fitted(name)
    assert_array_equal(ae.blend(IMAGES, OTHERS, 0), ae.reconstruct(IMAGES))
    assert_array_equal(ae.blend(IMAGES, OTHERS, 1), ae.reconstruct(OTHERS))
    assert_array_equal(ae.blend(IMAGES, OTHERS), ae.blend(IMAGES, OTHERS, alpha=0.5))


@pytest.mark.parametrize("kind", ["content", "representation"])
@every_named
def test_alpha_may_be_one_for_each_pair(name, kind):
    ae = fitted(name)
    alphas = np.linspace(-1, 2, N)
    blends = ae.blend(IMAGES, OTHERS, alphas, kind=kind)
    for i in (0, 7, N - 1):
        one = ae.blend(IMAGES[i], OTHERS[i], alphas[i], kind=kind)
        assert one.shape == (8, 8)
        assert_allclose(blends[i], one, rtol=1e-5, atol=1e-6)
    # One pair of samples takes a list of one.
    assert ae.blend(IMAGES[0], OTHERS[0], [0.3], kind=kind).shape == (8, 8)


@pytest.mark.parametrize("kind", ["content", "representation"])
@every_named
def test_a_sample_against_a_batch_broadcasts(name, kind):
    ae = fitted(name)
    repeated = np.repeat(IMAGES[:1], N, axis=0)
    expected = ae.blend(repeated, OTHERS, 0.3, kind=kind)
    for sample in (IMAGES[0], ROWS[0]):
        assert_array_equal(ae.blend(sample, OTHERS, 0.3, kind=kind), expected)
    of_list = ae.blend(ROWS[0].tolist(), OTHERS, 0.3, kind=kind)
    assert_allclose(of_list, expected, rtol=1e-6)  # mixed in float64
    # Mixed the other way round, so rounded differently.
    assert_allclose(
        ae.blend(OTHERS, IMAGES[0], 0.7, kind=kind), expected, rtol=1e-4, atol=1e-6
    )
    alphas = np.linspace(0, 1, N)
    assert ae.blend(IMAGES[0], OTHERS, alphas, kind=kind).shape == OTHERS.shape
    flat = OTHERS.reshape(N, 64)
    assert_array_equal(ae.blend(ROWS[0], flat, 0.3, kind=kind), expected)


@pytest.mark.parametrize("kind", ["content", "representation"])
@every_named
def test_series_and_frames_are_blended_into_arrays(name, kind):
    frame = FORMS["frame"][0]
    ae = fit(NAMED[name](), frame).set_output(transform="pandas")
    both = ae.blend(frame.iloc[:5], frame.iloc[5:10], kind=kind)
    assert type(both) is np.ndarray
    assert both.shape == (5, 64)
    one = ae.blend(frame.iloc[0], frame.iloc[5], kind=kind)  # two Series
    assert type(one) is np.ndarray
    assert one.shape == (64,)
    assert_array_equal(one, both[0])
    mixed = ae.blend(frame.iloc[0], frame.iloc[5:10], kind=kind)
    assert mixed.shape == (5, 64)
    assert_array_equal(mixed[0], one)
    assert type(ae.interpolate(frame.iloc[0], frame.iloc[5])) is np.ndarray
    assert type(ae.mix(frame.iloc[:2], [0.5, 0.5])) is np.ndarray


@pytest.mark.parametrize("path", ["linear", "spherical"])
@every
def test_interpolations_include_both_ends(name, path):
    ae = fitted(name)
    samples = ae.interpolate(IMAGES[0], IMAGES[1], path=path)
    assert samples.shape == (7, 8, 8)
    assert_allclose(samples[[0, -1]], ae.reconstruct(IMAGES[:2]), rtol=1e-5, atol=1e-6)
    of_pairs = ae.interpolate(IMAGES[:3], OTHERS[:3], 4, path=path)
    assert of_pairs.shape == (3, 4, 8, 8)
    assert_allclose(of_pairs[:, 0], ae.reconstruct(IMAGES[:3]), rtol=1e-5, atol=1e-6)
    assert_allclose(of_pairs[:, -1], ae.reconstruct(OTHERS[:3]), rtol=1e-5, atol=1e-6)
    one_to_many = ae.interpolate(IMAGES[0], OTHERS[:3], 4, path=path)
    assert_array_equal(one_to_many[0], of_pairs[0])


@every
def test_linear_interpolations_take_equal_steps_of_the_code(name):
    ae = fitted(name)
    z1, z2 = ae.transform(IMAGES[:2])
    codes = [z1 + t * (z2 - z1) for t in np.linspace(0, 1, 5)]
    assert_allclose(
        ae.interpolate(IMAGES[0], IMAGES[1], 5),
        ae.inverse_transform(codes),
        rtol=1e-5,
        atol=1e-6,
    )


def test_spherical_interpolations_turn_by_equal_angles():
    # PCA of all components keeps lengths and angles, so the samples show their codes.
    pca = PCA(64).fit(ROWS.astype(float) if len(ROWS) > 64 else np.vstack([ROWS] * 2))
    samples = skae.interpolate(pca, ROWS[0], ROWS[1], 6, path="spherical")
    codes = pca.transform(samples)
    lengths = np.linalg.norm(codes, axis=1)
    assert_allclose(np.diff(lengths, 2), 0, atol=1e-5)
    unit = codes / lengths[:, np.newaxis]
    angles = np.arccos((unit[1:] * unit[:-1]).sum(1))
    assert_allclose(angles, angles[0], rtol=1e-3)


@every
def test_mix_decodes_weighted_sums_of_codes(name):
    ae = fitted(name)
    weights = np.array([[1, -1, 1], [0.2, 0.3, 0.5], [3, 0, 0]])  # used as given
    expected = ae.inverse_transform(weights @ ae.transform(IMAGES[:3]))
    mixed = ae.mix(IMAGES[:3], weights)
    assert mixed.shape == (3, 8, 8)
    assert_allclose(mixed, expected, rtol=1e-4, atol=1e-5)
    analogy = ae.mix(ROWS[:3], [1, -1, 1])
    assert analogy.shape == (8, 8)
    assert_allclose(analogy, expected[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "transformer",
    [
        PCA(4),
        make_pipeline(StandardScaler(), PCA(4)),
        make_pipeline(StandardScaler(), NAMED["AutoencoderTransformer"]()),
        make_pipeline("passthrough", NAMED["VariationalAutoencoder"]()),
        GridSearchCV(NAMED["SparseAutoencoder"](), {"sparsity": [0.1]}, cv=2),
    ],
    ids=["pca", "pipeline of pca", "pipeline", "passthrough", "search"],
)
def test_functions_take_any_transformer_with_an_inverse(transformer):
    transformer = clone(transformer).fit(ROWS)
    z1, z2 = transformer.transform(ROWS[:5]), transformer.transform(ROWS[5:10])
    expected = transformer.inverse_transform(0.7 * z1 + 0.3 * z2)
    blends = skae.blend(transformer, ROWS[:5], ROWS[5:10], 0.3)
    assert_allclose(blends, expected, rtol=1e-4, atol=1e-5)
    content = skae.blend(transformer, ROWS[:5], ROWS[5:10], 0.3, kind="content")
    assert_allclose(content, 0.7 * ROWS[:5] + 0.3 * ROWS[5:10], rtol=1e-6)
    samples = skae.interpolate(transformer, ROWS[0], ROWS[5], 3)
    assert_allclose(
        samples[1], skae.blend(transformer, ROWS[0], ROWS[5]), rtol=1e-4, atol=1e-5
    )
    mixed = skae.mix(transformer, ROWS[:2], [0.7, 0.3])
    assert_allclose(
        mixed, skae.blend(transformer, ROWS[0], ROWS[1], 0.3), rtol=1e-4, atol=1e-5
    )


@every_named
def test_methods_call_the_functions(name):
    ae = fitted(name)
    assert_array_equal(
        skae.blend(ae, IMAGES, OTHERS, 0.2), ae.blend(IMAGES, OTHERS, 0.2)
    )
    assert_array_equal(
        skae.interpolate(ae, IMAGES[0], OTHERS[0], path="spherical"),
        ae.interpolate(IMAGES[0], OTHERS[0], path="spherical"),
    )
    weights = [[0.5, 0.5], [2, -1]]
    assert_array_equal(skae.mix(ae, IMAGES[:2], weights), ae.mix(ROWS[:2], weights))
