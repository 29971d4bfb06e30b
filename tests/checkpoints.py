"""A fit with a checkpoint, in a process to be killed: ``python checkpoints.py PATH``.

It writes between all batches, says when a batch begins, and waits a little in each.
"""

import sys
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


if __name__ == "__main__":
    torch.set_num_threads(1)
    checkpoint._MOST_SHARE = np.inf
    advance = LearningRate.advance

    def slow_advance(self):
        print("batch", flush=True)
        time.sleep(0.02)
        advance(self)

    LearningRate.advance = slow_advance
    fitted(sys.argv[1])
    print("end", flush=True)
