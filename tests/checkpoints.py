"""A fit with a checkpoint, in a process to be killed.

It writes between all batches, says when a batch begins, and waits a little in each.
"""

import time

import numpy as np
import torch

from skae import AutoencoderTransformer, GaussianNoise
from skae._persistence import checkpoint
from skae._training.schedules import LearningRate


def rows():
    return np.random.RandomState(0).normal(size=(150, 6)).astype("f")


def fitted(path=None):
    ae = AutoencoderTransformer(
        2,
        corruption=GaussianNoise(0.3),
        hidden_layer_sizes=(8,),
        batch_size=20,
        max_epochs=6,
        random_state=0,
        checkpoint=path,
    )
    return ae.fit(rows())


def tell_and_fit(path, say):
    """Fit with a checkpoint, and tell of each batch and of the end."""
    torch.set_num_threads(1)
    checkpoint._MOST_SHARE = np.inf
    advance = LearningRate.advance

    def slow_advance(self):
        say("batch")
        time.sleep(0.02)
        advance(self)

    LearningRate.advance = slow_advance
    fitted(path)
    say("end")
