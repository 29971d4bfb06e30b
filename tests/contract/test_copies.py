"""Copies and pickles of fitted estimators."""

import copy
import functools
import gc
import io
import pickle
import weakref

import cloudpickle
import joblib
import numpy as np
import pytest
import torch
from cases import ALL, IMAGES, NAMED, OTHERS, every
from numpy.testing import assert_array_equal
from torch import nn

from skae import AutoencoderTransformer
from skae._random import RandomStream


def _by_joblib(ae):
    file = io.BytesIO()
    joblib.dump(ae, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize(
    "copied",
    [
        copy.deepcopy,
        lambda ae: pickle.loads(pickle.dumps(ae)),
        lambda ae: cloudpickle.loads(cloudpickle.dumps(ae)),
        _by_joblib,
    ],
    ids=["deepcopy", "pickle", "cloudpickle", "joblib"],
)
@every
def test_copies_are_equal_and_train_equally(name, copied):
    ae = ALL[name](warm_start=True).fit(IMAGES)
    other = copied(ae)
    codes = ae.transform(IMAGES)
    assert_array_equal(other.transform(IMAGES), codes)
    assert_array_equal(other.reconstruct(IMAGES), ae.reconstruct(IMAGES))
    assert other.score(IMAGES) == ae.score(IMAGES)
    assert other.history_ == ae.history_
    ae.partial_fit(OTHERS).fit(OTHERS)
    assert_array_equal(other.transform(IMAGES), codes)  # nothing is shared
    other.partial_fit(OTHERS).fit(OTHERS)
    assert_array_equal(other.transform(IMAGES), ae.transform(IMAGES))
    assert not np.array_equal(ae.transform(IMAGES), codes)


def test_lambdas_pickle_by_value():
    ae = AutoencoderTransformer(
        4,
        encoder=lambda n_in, n_out: nn.Sequential(nn.Flatten(), nn.Linear(n_in, n_out)),
        decoder=lambda n_in, n_out: nn.Linear(n_in, n_out),
        loss=lambda reconstruction, x: (reconstruction - x) ** 2,
        penalty=lambda x, output, module: output["code"].sum(1) * 0,
        corruption=lambda x, generator: x,
        max_epochs=1,
    ).fit(IMAGES)
    other = cloudpickle.loads(cloudpickle.dumps(ae))
    assert_array_equal(other.transform(IMAGES), ae.transform(IMAGES))


@every
def test_a_fitted_estimator_holds_no_data_and_no_gradients(name):
    X = IMAGES.copy()
    ae = ALL[name](validation_fraction=0.2).fit(X)
    ae.partial_fit(X)
    gone = weakref.ref(X)
    del X
    gc.collect()
    assert gone() is None
    module = ae.net_.module_
    assert all(p.grad is None for p in module.parameters())
    assert not module.training
    # Both with the state of their optimizers, which a fit without training lacks.
    trained = functools.partial(ALL[name], early_stopping=False)
    few, many = (
        len(pickle.dumps(trained().fit(np.repeat(IMAGES, times, axis=0))))
        for times in (1, 8)
    )
    assert many < few + 2000


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_model_trained_on_a_gpu_loads_without_one(monkeypatch):
    ae = NAMED["VariationalAutoencoder"]().fit(IMAGES)
    get_state = RandomStream.__getstate__

    def with_cuda(stream):
        state = get_state(stream)
        state["states"]["cuda"] = torch.zeros(16, dtype=torch.uint8)
        return state

    with monkeypatch.context() as patch:
        patch.setattr(RandomStream, "__getstate__", with_cuda)
        dumped = pickle.dumps(ae)
    other = pickle.loads(dumped)
    assert_array_equal(other.transform(IMAGES), ae.transform(IMAGES))
    other.partial_fit(IMAGES)
