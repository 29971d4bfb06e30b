"""Fitted estimators in pickles and in files of skops."""

import pickle
import threading
import warnings

import numpy as np
import pytest
import skops.io
from conftest import ESTIMATORS
from numpy.testing import assert_array_equal
from saving import CASES, IMAGES, NARROW, ROWS, SMALL, N, assert_equal
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skops.io.exceptions import UntrustedTypesFoundException

import skae
from skae import AutoencoderTransformer, ContractiveAutoencoder, Dense


class Locked(AutoencoderTransformer):
    """An estimator that keeps something out of its pickles."""

    def fit(self, X, y=None):
        super().fit(X)
        self.lock_ = threading.Lock()
        return self

    def __getstate__(self):
        state = super().__getstate__()
        return {key: value for key, value in state.items() if key != "lock_"}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_hold_the_state_that_a_subclass_chooses(protocol):
    ae = Locked(**NARROW).fit(IMAGES)
    other = pickle.loads(pickle.dumps(ae, protocol))
    assert vars(ae).keys() - vars(other).keys() == {"lock_"}
    assert_array_equal(other.transform(IMAGES), ae.transform(IMAGES))


def test_skops_stores_pipelines_and_asks_for_trust_in_the_class_alone():
    y = np.arange(N) % 3
    for cls in ESTIMATORS:
        pipe = make_pipeline(StandardScaler(), cls(**SMALL), LogisticRegression())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", skae.LayoutWarning)
            pipe.fit(ROWS, y)
        data = skops.io.dumps(pipe)
        listed = skops.io.get_untrusted_types(data=data)
        assert listed == [f"{cls.__module__}.{cls.__name__}"]
        other = skops.io.loads(data, trusted=listed)
        assert_array_equal(other.predict_proba(ROWS), pipe.predict_proba(ROWS))
        assert_equal(pipe[1], other[1], ROWS)


def test_skops_asks_for_trust_in_custom_parts():
    ae = CASES["builders"]().fit(IMAGES)
    data = skops.io.dumps(ae)
    listed = skops.io.get_untrusted_types(data=data)
    ours = "skae._estimators.contractive.ContractiveAutoencoder"
    assert listed == ["saving.CustomEncoder", "saving.custom_decoder", ours]
    with pytest.raises(UntrustedTypesFoundException):
        skops.io.loads(data, trusted=[ours])
    assert_equal(ae, skops.io.loads(data, trusted=listed), IMAGES)


def test_skops_does_not_hide_names_from_its_audit():
    # Names that stand in the bytes and were not shown to skops are refused by us.
    ae = CASES["builders"]().fit(IMAGES)
    state = {**ae.__getstate__(), "names": []}
    with pytest.raises(
        ValueError, match=r"uses saving\.CustomEncoder, saving\.custom_decoder"
    ):
        ContractiveAutoencoder().__setstate__(state)


def test_skops_stores_unfitted_estimators():
    data = skops.io.dumps(AutoencoderTransformer(5, encoder=Dense((9,))))
    listed = skops.io.get_untrusted_types(data=data)
    other = skops.io.loads(data, trusted=listed)
    assert other.get_params()["encoder__hidden_layer_sizes"] == (9,)
