"""What ReconstructionDisplay draws."""

import numpy as np
import pandas as pd
import pytest
import torch
from drawing import (
    IMAGES,
    LABELS,
    ROWS,
    SMALL,
    fitted_denoising,
    fitted_plain,
    images_of,
    texts_of,
)
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler

from skae import (
    AutoencoderTransformer,
    BlendDisplay,
    ConvAutoencoder,
    InterpolationDisplay,
    LatentSpaceDisplay,
    MaskingNoise,
    ReconstructionDisplay,
)

pytest.importorskip("matplotlib", reason="needs matplotlib")


@pytest.fixture
def ae():
    return fitted_plain()


@pytest.fixture
def denoising():
    return fitted_denoising()


def test_corrupted_samples_of_a_denoising_autoencoder_are_shown(denoising):
    display = ReconstructionDisplay.from_estimator(
        denoising, ROWS, n_samples=4, image_shape=(8, 8), random_state=3
    )
    noisy = denoising.corrupt(ROWS[:4], random_state=3)
    images = images_of(display.artists_).reshape(4, 4, 64)
    assert_array_equal(images[0], ROWS[:4])
    assert_array_equal(images[1], noisy)
    assert_array_equal(images[2], denoising.denoise(noisy))
    assert texts_of(display.ax_.get_yticklabels())[1] == "corrupted"


def test_the_corruption_parameter_is_shown_too():
    corruption = MaskingNoise(1.0, value=0.0)
    ae = AutoencoderTransformer(4, corruption=corruption, **SMALL).fit(IMAGES)
    display = ReconstructionDisplay.from_estimator(ae, IMAGES, n_samples=2)
    assert (images_of(display.artists_)[1] == 0).all()


def test_none_leaves_the_noise_out(denoising):
    display = ReconstructionDisplay.from_estimator(denoising, ROWS, corrupted=None)
    assert display.corrupted is None
    assert len(display.artists_) == 3


def test_corrupted_samples_can_be_given(ae):
    corrupted = np.roll(IMAGES, 1, axis=1)
    display = ReconstructionDisplay.from_estimator(
        ae, IMAGES, corrupted=corrupted, n_samples=3
    )
    images = images_of(display.artists_)
    assert_array_equal(images[1], corrupted[:3])
    assert_array_equal(images[2], ae.reconstruct(corrupted[:3]))


@pytest.mark.parametrize("X", [pd.DataFrame(ROWS), ROWS.tolist(), torch.tensor(ROWS)])
def test_frames_lists_and_tensors_are_drawn(X):
    ae = AutoencoderTransformer(4, **SMALL).fit(X)
    display = ReconstructionDisplay.from_estimator(ae, X, image_shape=(8, 8))
    assert_array_equal(images_of(display.artists_)[0], IMAGES[:8])


@pytest.mark.parametrize(
    "transformer",
    [
        PCA(4),
        make_pipeline(MinMaxScaler(), AutoencoderTransformer(4, **SMALL)),
        GridSearchCV(PCA(), {"n_components": [2, 4]}, cv=2),
    ],
    ids=["pca", "pipeline", "search"],
)
def test_anything_with_an_inverse_is_drawn(transformer):
    transformer.fit(ROWS)
    display = ReconstructionDisplay.from_estimator(
        transformer, ROWS, image_shape=(8, 8), n_samples=2
    )
    expected = transformer.inverse_transform(transformer.transform(ROWS[:2]))
    assert_allclose(images_of(display.artists_)[1].reshape(2, 64), expected)
    for drawn in (
        InterpolationDisplay.from_estimator(transformer, ROWS[0], ROWS[1]),
        BlendDisplay.from_estimator(transformer, ROWS[:4]),
        LatentSpaceDisplay.from_estimator(transformer, ROWS, LABELS),
    ):
        assert drawn.figure_ is drawn.ax_.figure


def test_a_pipeline_has_the_image_shape_of_its_autoencoder():
    conv = ConvAutoencoder(4, image_shape=(1, 8, 8), max_epochs=1, random_state=0)
    pipe = make_pipeline(MinMaxScaler(), conv).fit(ROWS)
    display = ReconstructionDisplay.from_estimator(pipe, ROWS)
    assert_array_equal(images_of(display.artists_)[0], IMAGES[:8])


def test_images_may_pass_a_step_that_flattens_them():
    flatten = FunctionTransformer(lambda X: X.reshape(len(X), -1), validate=False)
    pipe = make_pipeline(flatten, AutoencoderTransformer(4, **SMALL))
    pipe.fit(ROWS)
    display = ReconstructionDisplay.from_estimator(pipe, ROWS, image_shape=(8, 8))
    assert_array_equal(images_of(display.artists_)[0], IMAGES[:8])


def test_one_sample_is_drawn_alone(ae):
    for sample in (IMAGES[0], ROWS[0]):
        display = ReconstructionDisplay.from_estimator(ae, sample)
        assert_array_equal(images_of(display.artists_)[0], IMAGES[:1])


def test_samples_of_another_shape_are_refused(ae):
    with pytest.raises(ValueError, match=r"X has shape .*but a sample has shape"):
        ReconstructionDisplay.from_estimator(ae, ROWS[:, :60])
    with pytest.raises(ValueError, match=r"corrupted has shape .*but a sample has"):
        ReconstructionDisplay.from_estimator(ae, ROWS, corrupted=ROWS[:, :60])
    with pytest.raises(ValueError, match=r"image_shape=\(8, 9\) describes 72 features"):
        ReconstructionDisplay.from_estimator(PCA(2).fit(ROWS), ROWS, image_shape=(8, 9))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ReconstructionDisplay.from_estimator(ae, ROWS[:4], corrupted=ROWS[:3])
    with pytest.raises(ValueError, match=r"reconstruction has shape \(3, 64\), but X"):
        ReconstructionDisplay(ROWS[:4], ROWS[:3]).plot()


def test_a_layout_has_to_be_known(ae):
    with pytest.raises(ValueError, match=r"layout='chw' is not known. Choose None, 'c"):
        ReconstructionDisplay.from_estimator(ae, IMAGES, layout="chw")


def test_corrupted_has_to_be_known(ae):
    with pytest.raises(ValueError, match=r"corrupted='yes' is not known. Pass 'auto'"):
        ReconstructionDisplay.from_estimator(ae, ROWS, corrupted="yes")


def test_a_number_of_samples_is_at_least_one(ae):
    with pytest.raises(ValueError, match="n_samples == 0, must be >= 1"):
        ReconstructionDisplay.from_estimator(ae, ROWS, n_samples=0)
