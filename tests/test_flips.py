"""Flips of images in training, and the start from PCA of flipped images."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from skae import AutoencoderTransformer, ConvAutoencoder, RandomFlip
from skae._data.layout import Layout

IMAGES = (load_digits().images[:200] / 16).astype(np.float32)


def flipped(sample, layout, **options):
    """Return the different results of many draws, as a set of tuples."""
    flip = RandomFlip(**options).in_layout(layout)
    rows = torch.tensor(np.repeat([np.ravel(sample)], 64, axis=0))
    found = flip(rows, torch.Generator().manual_seed(0))
    return set(map(tuple, found.tolist()))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {(1, 2, 3, 4), (2, 1, 4, 3)}),
        ({"horizontal": False, "vertical": True}, {(1, 2, 3, 4), (3, 4, 1, 2)}),
        ({"horizontal": False, "transpose": True}, {(1, 2, 3, 4), (1, 3, 2, 4)}),
    ],
)
def test_pixels_change_places(options, expected):
    layout = Layout((2, 2), (1, 2, 2))
    assert flipped([[1, 2], [3, 4]], layout, **options) == expected


def test_channels_stay_in_their_place():
    layout = Layout((1, 2, 3), (3, 1, 2), channels_last=True)
    found = flipped([[1, 2, 3], [4, 5, 6]], layout)
    assert found == {(1, 2, 3, 4, 5, 6), (4, 5, 6, 1, 2, 3)}
    signal = Layout((2, 3), (2, 3))
    found = flipped([[1, 2, 3], [4, 5, 6]], signal, vertical=True)
    assert found == {(1, 2, 3, 4, 5, 6), (3, 2, 1, 6, 5, 4)}


def test_all_rotations_and_mirror_images_are_drawn():
    options = {"horizontal": True, "vertical": True, "transpose": True}
    assert len(flipped([[1, 2], [3, 4]], Layout((2, 2), (1, 2, 2)), **options)) == 8


def test_rows_and_oblong_images_are_refused():
    with pytest.raises(ValueError, match="takes images or signals, but X has rows"):
        AutoencoderTransformer(2, augmentation=RandomFlip()).fit(np.eye(12))
    with pytest.raises(ValueError, match=r"square images, but .* \(1, 8, 4\)"):
        ConvAutoencoder(2, augmentation=RandomFlip(transpose=True)).fit(
            IMAGES[:, :, :4]
        )


def test_training_starts_at_pca_of_flipped_images():
    ae = ConvAutoencoder(
        8,
        augmentation=RandomFlip(vertical=True),
        lr=1e-9,
        early_stopping=False,
        max_epochs=1,
        random_state=0,
    ).fit(IMAGES)
    views = [IMAGES, IMAGES[:, ::-1], IMAGES[:, :, ::-1], IMAGES[:, ::-1, ::-1]]
    rows = np.concatenate(views).reshape(-1, 64)
    pca = PCA(8).fit(rows)
    expected = pca.inverse_transform(pca.transform(rows))
    scale = rows.std()
    found = ae.reconstruct(rows.reshape(-1, 8, 8)).reshape(-1, 64)
    np.testing.assert_allclose(found / scale, expected / scale, atol=1e-3)
    with_flips = ae.score(rows)
    plain = ae.set_params(augmentation=None).fit(IMAGES)
    assert plain.score(rows) < with_flips - 0.02


def test_training_starts_near_pca_with_any_augmentation():
    def flip(x, generator):
        rows = x.reshape(-1, 8, 8)
        draws = torch.rand(len(x), 1, 1, generator=generator)
        return torch.where(draws < 0.5, rows.flip(2), rows).reshape(x.shape)

    ae = ConvAutoencoder(
        8,
        augmentation=flip,
        lr=1e-9,
        early_stopping=False,
        max_epochs=1,
        random_state=0,
    ).fit(IMAGES)
    rows = np.concatenate([IMAGES, IMAGES[:, :, ::-1]]).reshape(-1, 64)
    pca = PCA(8).fit(rows)

    def excess():
        found = ae.reconstruct(rows.reshape(-1, 8, 8)).reshape(-1, 64)
        by_pca = pca.inverse_transform(pca.transform(rows))
        return ((found - rows) ** 2).sum() / ((by_pca - rows) ** 2).sum() - 1

    assert 1e-6 < excess() < 0.02
    ae.set_params(augmentation=RandomFlip()).fit(IMAGES)
    assert abs(excess()) < 1e-4
