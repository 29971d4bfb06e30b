"""The memory that a fit takes beside the data, and what it leaves."""

import gc
import pickle
import tracemalloc
import weakref

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch.overrides import TorchFunctionMode

import skae
from skae._model.inference import _BATCH_SIZE

# Memory is traced, which slows training down.
pytestmark = pytest.mark.slow

WIDTH = 256
FEW, MANY = 8192, 32_768  # both give 2048 rows to the search for principal axes
KINDS = ["float32", "float64", "uint8", "memmap"]
BATCH = 512
ESTIMATORS = [
    skae.AutoencoderTransformer(4, hidden_layer_sizes=(8,)),
    skae.AutoencoderTransformer(4, hidden_layer_sizes=(8,), early_stopping=True),
    skae.ConvAutoencoder(4, channels=(2,), image_shape=(16, 16)),
    skae.VariationalAutoencoder(4, hidden_layer_sizes=(8,)),
]
every = pytest.mark.parametrize(
    "ae", ESTIMATORS, ids=["dense", "early stopping", "convolutional", "variational"]
)
of_every_kind = pytest.mark.parametrize(
    ("ae", "kind"),
    [
        *((ESTIMATORS[1], kind) for kind in KINDS),
        *((ae, "uint8") for ae in ESTIMATORS if ae is not ESTIMATORS[1]),
    ],
    ids=[*KINDS, "dense", "convolutional", "variational"],
)


@pytest.fixture(scope="module", autouse=True)
def _warm_up(tmp_path_factory):
    """Let torch import what it does in a first fit."""
    X = _rows(40, "float32", tmp_path_factory.mktemp("X"))
    for ae in ESTIMATORS:
        _copy_of(ae).fit(X).score(X)


def _rows(n_rows, kind, folder):
    X = np.random.RandomState(0).randint(0, 9, (n_rows, WIDTH), dtype=np.uint8)
    if kind == "memmap":
        np.save(folder / "X.npy", X.astype(np.float32))
        return np.load(folder / "X.npy", mmap_mode="r")
    return X.astype(kind)


def _copy_of(ae, **params):
    settings = {"max_epochs": 1, "batch_size": BATCH, "random_state": 0, **params}
    return clone(ae).set_params(**settings)


def _peak(function, *args):
    """Return the most bytes that numpy held at a time while a function ran."""
    gc.collect()
    tracemalloc.start()
    try:
        function(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class _Sizes(TorchFunctionMode):
    """Note the most entries, beside those of one number for each row."""

    largest = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and result.ndim > 1:
            self.largest = max(self.largest, result.numel())
        return result


def _tensors():
    gc.collect()
    return {id(x): x for x in gc.get_objects() if issubclass(type(x), torch.Tensor)}


def _storages(tensors):
    return {x.untyped_storage().data_ptr(): x.nbytes for x in tensors}


def _state_of(ae):
    """Return the weights of a fitted estimator and the state of its optimizer."""
    module = ae.net_.module_
    states = ae.net_.optimizer_.state.values()
    return [
        *module.parameters(),
        *module.buffers(),
        *(x for state in states for x in state.values()),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_more_rows_take_indices_only(kind, tmp_path):
    few, many = (
        _peak(_copy_of(ESTIMATORS[1]).fit, _rows(n_rows, kind, tmp_path))
        for n_rows in (FEW, MANY)
    )
    # Of a row more: indices of 8 bytes, in one order and in another. As uint8 it has
    # 256 bytes.
    assert many - few < 48 * (MANY - FEW)


@of_every_kind
def test_no_tensor_in_a_fit_holds_more_than_a_batch(ae, kind, tmp_path):
    # Two channels of 16 x 16 are the widest that a row becomes.
    with _Sizes() as sizes:
        _copy_of(ae).fit(_rows(4 * BATCH, kind, tmp_path))
    assert BATCH * WIDTH <= sizes.largest <= 2 * BATCH * WIDTH


@of_every_kind
def test_a_trained_model_takes_a_few_batches_and_its_result(ae, kind, tmp_path):
    X = _rows(5 * _BATCH_SIZE, kind, tmp_path)
    ae = _copy_of(ae).fit(X[:500])
    for call in ("transform", "score", "score_samples", "reconstruct"):
        n_result = np.asarray(getattr(ae, call)(X)).nbytes
        with _Sizes() as sizes:
            peak = _peak(getattr(ae, call), X)
        assert sizes.largest <= 2 * _BATCH_SIZE * WIDTH
        # A batch is cast while the one before is still there.
        assert peak < n_result + 3 * 4 * _BATCH_SIZE * WIDTH


@every
def test_a_fit_leaves_its_weights_and_the_state_of_its_optimizer(ae, tmp_path):
    X = _rows(500, "float32", tmp_path)
    before = _tensors()
    ae = _copy_of(ae, max_epochs=2).fit(X)
    left = _storages(x for key, x in _tensors().items() if key not in before)
    expected = _storages(_state_of(ae))
    assert sum(left.values()) <= sum(expected.values()) + 100  # and a generator
    assert all(x.grad is None for x in ae.net_.module_.parameters())


@of_every_kind
def test_a_fitted_estimator_does_not_keep_its_data(ae, kind, tmp_path):
    X = _rows(500, kind, tmp_path)
    ae = _copy_of(ae).fit(X)
    ae.score(X)
    gone = weakref.ref(X)
    del X
    gc.collect()
    assert gone() is None


@pytest.mark.filterwarnings("ignore::skae.CollapsedCodeWarning")  # X is noise
@every
def test_a_pickle_holds_weights_the_state_of_the_optimizer_and_history(ae, tmp_path):
    ae = _copy_of(ae, max_epochs=20, n_iter_no_change=None)
    if hasattr(ae, "hidden_layer_sizes"):
        ae.set_params(hidden_layer_sizes=(500,))
    ae.fit(_rows(500, "float32", tmp_path))
    n_state = sum(x.nbytes for x in _state_of(ae))
    n_history = len(pickle.dumps(ae.net_.history))
    # Three vectors in float64 describe the features, some kilobytes name what there is.
    n_statistics = 3 * 8 * WIDTH
    assert len(pickle.dumps(ae)) < n_state + n_history + n_statistics + 40_000
    assert n_history < 20 * 500
