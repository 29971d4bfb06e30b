"""bfloat16 in training alone, and when "auto" chooses it."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

import skae
from skae._training import precision as _precision

X = (load_digits().data[:300] / 16).astype(np.float32)
SMALL = {"n_components": 4, "max_epochs": 3, "random_state": 0}
CLASSES = [
    skae.AutoencoderTransformer,
    skae.ConvAutoencoder,
    skae.SparseAutoencoder,
    skae.DenoisingAutoencoder,
    skae.ContractiveAutoencoder,
    skae.VariationalAutoencoder,
]
every_class = pytest.mark.parametrize("Estimator", CLASSES)


@pytest.fixture
def has_amx(monkeypatch):
    monkeypatch.setattr(
        torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False
    )


@every_class
@pytest.mark.filterwarnings("ignore::skae.LayoutWarning")
def test_bfloat16_learns_what_float32_learns(Estimator):
    full, half = (
        Estimator(**SMALL, precision=precision).fit(X)
        for precision in ("float32", "bfloat16")
    )
    one, other = full.transform(X), half.transform(X)
    assert other.dtype == np.float32
    assert not np.array_equal(one, other)
    assert full.score(X) == pytest.approx(half.score(X), abs=0.01)
    for name, value in full.history_[-1].items():
        assert half.history_[-1][name] == pytest.approx(value, rel=0.05), name


@every_class
@pytest.mark.filterwarnings("ignore::skae.LayoutWarning")
def test_weights_moments_and_results_stay_in_float32(Estimator):
    ae = Estimator(**SMALL, precision="bfloat16").fit(X)
    module = ae.net_.module_
    tensors = [*module.parameters(), *module.buffers()]
    for state in ae.net_.optimizer_.state.values():
        tensors += state.values()
    assert {x.dtype for x in tensors} == {torch.float32}
    for found in (ae.transform(X), ae.reconstruct(X), ae.score_samples(X)):
        assert found.dtype == np.float32
    # A fitted estimator gives what its layers give in float32.
    with torch.no_grad():
        codes = ae.encoder_(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(ae.transform(X), codes, rtol=1e-4, atol=1e-5)


def test_layers_get_bfloat16_in_training_only():
    seen = []

    class Spy(nn.Linear):
        def forward(self, x):
            out = super().forward(x)
            seen.append((self.training, torch.is_grad_enabled(), out.dtype))
            return out

    ae = skae.AutoencoderTransformer(
        **SMALL, encoder=Spy, decoder=Spy, precision="bfloat16"
    ).fit(X)
    trained = {dtype for training, grad, dtype in seen if training and grad}
    assert trained == {torch.bfloat16}
    seen.clear()
    ae.transform(X)
    assert {dtype for *_, dtype in seen} == {torch.float32}


def test_losses_and_penalties_get_float32():
    seen = []

    def loss(reconstruction, x):
        seen.append(reconstruction.dtype)
        return (reconstruction - x) ** 2

    def penalty(x, output, module):
        seen.extend(value.dtype for value in output.values())
        return output["code"].abs().sum(1)

    skae.AutoencoderTransformer(
        **SMALL, loss=loss, penalty=penalty, precision="bfloat16"
    ).fit(X)
    assert set(seen) == {torch.float32}


@pytest.mark.parametrize(
    ("batch_size", "expected"),
    # The widest layer takes 64 * 256 = 16384 products for a row; X has 300 rows.
    [(99, "float32"), (100, "bfloat16"), (1000, "bfloat16")],
)
def test_auto_counts_the_products_of_a_batch(
    has_amx, monkeypatch, batch_size, expected
):
    monkeypatch.setattr(_precision, "_LEAST_PRODUCTS", 16384 * 100)
    ae = skae.AutoencoderTransformer(**SMALL, batch_size=batch_size, precision="auto")
    assert ae.fit(X).net_.precision == expected


def test_a_batch_is_no_larger_than_the_data(has_amx, monkeypatch):
    monkeypatch.setattr(_precision, "_LEAST_PRODUCTS", 16384 * 301)
    ae = skae.AutoencoderTransformer(**SMALL, batch_size=1000, precision="auto")
    assert ae.fit(X).net_.precision == "float32"


def test_auto_counts_the_positions_of_a_convolution(has_amx, monkeypatch):
    # 8 x 8 images: 16 channels of 3 x 3 at 4 x 4 places take 2304 products, and
    # 32 of 16 x 3 x 3 at 2 x 2 take 18432; the layer after them 128 * 4.
    ae = skae.ConvAutoencoder(**SMALL, image_shape=(8, 8), precision="auto")
    for least, expected in ((18432 * 32, "bfloat16"), (18432 * 32 + 1, "float32")):
        monkeypatch.setattr(_precision, "_LEAST_PRODUCTS", least)
        assert ae.fit(X).net_.precision == expected


def test_auto_stays_in_float32_elsewhere(monkeypatch):
    monkeypatch.setattr(_precision, "_LEAST_PRODUCTS", 1)
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    ae = skae.AutoencoderTransformer(**SMALL, precision="auto").fit(X)
    assert ae.net_.precision == "float32"


def test_auto_stays_in_float32_where_torch_does_not_describe_the_cpu(monkeypatch):
    monkeypatch.setattr(_precision, "_LEAST_PRODUCTS", 1)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)  # as in torch 2.5
    ae = skae.AutoencoderTransformer(**SMALL, precision="auto").fit(X)
    assert ae.net_.precision == "float32"


def test_auto_does_not_change_float64(has_amx, monkeypatch):
    monkeypatch.setattr(_precision, "_LEAST_PRODUCTS", 1)
    ae = skae.AutoencoderTransformer(**SMALL, precision="auto", dtype="float64").fit(X)
    assert ae.net_.precision == "float32"
    assert ae.transform(X).dtype == np.float64


@every_class
@pytest.mark.filterwarnings("ignore::skae.LayoutWarning")
def test_auto_draws_nothing(has_amx, monkeypatch, Estimator):
    chosen = Estimator(**SMALL, precision="auto").fit(X)  # too few products
    given = Estimator(**SMALL, precision="float32").fit(X)
    np.testing.assert_array_equal(chosen.transform(X), given.transform(X))


def test_bfloat16_and_float64_contradict_each_other():
    ae = skae.AutoencoderTransformer(**SMALL, precision="bfloat16", dtype="float64")
    with pytest.raises(ValueError, match=r"precision='bfloat16'.*dtype='float32'"):
        ae.fit(X)
    assert not hasattr(ae, "net_")


def test_precision_may_change_when_training_is_resumed():
    ae = skae.AutoencoderTransformer(**SMALL, warm_start=True).fit(X)
    ae.set_params(precision="bfloat16").fit(X)
    assert ae.net_.precision == "bfloat16"
    assert ae.n_iter_ == 6
    ae.set_params(precision="float32").partial_fit(X)
    assert ae.net_.precision == "float32"
