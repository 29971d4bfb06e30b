"""One torch thread for the whole suite, and data that the tests share."""

import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import skae

torch.set_num_threads(1)

ESTIMATORS = [
    skae.AutoencoderTransformer,
    skae.ConvAutoencoder,
    skae.ContractiveAutoencoder,
    skae.DenoisingAutoencoder,
    skae.SparseAutoencoder,
    skae.VariationalAutoencoder,
]


@pytest.fixture(scope="session")
def digits():
    """Digits in [0, 1], a quarter held out: X_train, X_test, y_train, y_test."""
    X, y = load_digits(return_X_y=True)
    return train_test_split(
        (X / 16).astype(np.float32), y, test_size=0.25, random_state=0
    )


@pytest.fixture(scope="session")
def small(digits):
    """The first 100 training digits."""
    return digits[0][:100]
