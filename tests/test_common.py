"""scikit-learn's checks, of every class with defaults and of configured instances."""

import re
import warnings
from functools import partial

import pytest
import torch
from conftest import ESTIMATORS
from sklearn.base import BaseEstimator
from sklearn.exceptions import SkipTestWarning
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import (
    check_estimator,
    estimator_checks_generator,
)
from torch import nn

import skae

# The checks change the width of X from fit to fit, so a convolution has to infer its
# layout each time. Some fit noise, on which a posterior collapses.
pytestmark = pytest.mark.filterwarnings(
    "ignore::skae.CollapsedCodeWarning", "ignore::skae.LayoutWarning"
)

# Checks that scikit-learn runs on its own estimators, but not in check_estimator.
EXTRA_CHECKS = [
    "check_dataframe_column_names_consistency",
    "check_estimators_partial_fit_n_features",
    "check_get_feature_names_out_error",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_inplace_ensure_writeable",
    "check_param_validation",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
]


class LogCosh(BaseEstimator):
    """A loss that returns a value for each row."""

    def __call__(self, reconstruction, x):
        error = reconstruction - x
        return (error + nn.functional.softplus(-2 * error)).sum(1)


class Halve(BaseEstimator):
    """A corruption that draws nothing."""

    def __call__(self, x, generator):
        return x / 2


class CustomEncoder(nn.Sequential):
    """An encoder with dropout: it draws from torch's global generator."""

    def __init__(self, n_in, n_out):
        super().__init__(
            nn.Linear(n_in, 8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, n_out)
        )


class CustomDecoder(nn.Sequential):
    """A decoder."""

    def __init__(self, n_in, n_out):
        super().__init__(nn.Linear(n_in, 8), nn.Tanh(), nn.Linear(8, n_out))


Plain = partial(skae.AutoencoderTransformer, max_epochs=3)
Convolutional = partial(skae.ConvAutoencoder, max_epochs=3)
Sparse = partial(skae.SparseAutoencoder, max_epochs=3)
Denoising = partial(skae.DenoisingAutoencoder, max_epochs=3)
Contractive = partial(skae.ContractiveAutoencoder, max_epochs=3)
Variational = partial(skae.VariationalAutoencoder, max_epochs=3)

# No loss="binary_cross_entropy": the checks have no data in [0, 1]. Module instances
# only if they take any width, as the checks change that of X. The tests in contract/
# cover the others.
CONFIGURED = [
    Plain(loss=nn.L1Loss(reduction="none"), lr_schedule="constant"),
    Plain(loss="poisson", encoder="conv"),
    Plain(loss="huber", encoder=skae.Recurrent(4, n_layers=1)),
    Plain(dtype="auto", hidden_layer_sizes=(16, 8), activation="tanh"),
    Plain(encoder=CustomEncoder, decoder=CustomDecoder),
    Plain(n_components=1, encoder=nn.LazyLinear(1), decoder="dense"),
    Plain(
        penalty=[("l1", skae.L1Sparsity(0.01)), ("again", skae.L1Sparsity(0.02))],
        corruption=skae.MaskingNoise(0.3),
    ),
    Plain(
        early_stopping=True,
        validation_fraction=0.3,
        n_iter_no_change=1,
        optimizer="adamw",
        net_params={"optimizer__weight_decay": 1e-3},
    ),
    Convolutional(layout="signal", channels=(4,), code_activation="tanh"),
    Convolutional(
        corruption=Halve(),
        penalty=skae.Contraction(0.01),
        decoder="dense",
        sparsity=0.1,
    ),
    Sparse(method="kl", dtype="float64"),
    Sparse(method="topk", optimizer="sgd", lr=1e-3),
    Sparse(method="lifetime", code_activation="sigmoid"),
    Denoising(noise="masking"),
    Denoising(noise="salt_and_pepper", batch_size=5),
    Denoising(noise="swap", encoder=skae.Dense((16,)), decoder=skae.Dense((4,))),
    Denoising(noise=skae.GaussianNoise(0.2, clip=(-3, 3))),
    Contractive(n_components=2, jacobian="exact", encoder=skae.Conv((4,))),
    Contractive(n_components=2, jacobian="exact", hidden_layer_sizes=(8, 8)),
    Contractive(jacobian="stochastic", n_probes=2, lr_schedule="cosine"),
    Variational(loss=LogCosh(), kl_warmup=2),
    Variational(encoder=skae.Conv((4,)), corruption=skae.SwapNoise(0.1)),
    Variational(loss="poisson", beta=0.5, dtype="auto"),
]


@pytest.mark.parametrize("Estimator", ESTIMATORS)
def test_check_estimator_passes_with_defaults_but_fewer_epochs(Estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("error", SkipTestWarning)  # nothing is left out
        check_estimator(Estimator(max_epochs=5))


def _name(estimator, check):
    options = "".join(f"({k}={v})" for k, v in check.keywords.items())
    return re.sub(r"\s", "", f"{estimator}-{check.func.__name__}{options}")


# As parametrize_with_checks, whose generator pytest 9 refuses in scikit-learn 1.6.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(estimator, check, id=_name(estimator, check))
        for configured in CONFIGURED
        for estimator, check in estimator_checks_generator(configured)
    ],
)
def test_configured_instances_pass(estimator, check):
    if "weight_equivalence" in check.func.__name__ and estimator.batch_size == 5:
        pytest.skip("Copies of a row are in different batches, a weight is in one.")
    check(estimator)


@pytest.mark.filterwarnings(
    # Some of these checks fit on a frame and transform an array, or the reverse.
    "ignore:X does not have valid feature names:UserWarning",
    "ignore:X has feature names:UserWarning",
)
@pytest.mark.parametrize("check", EXTRA_CHECKS)
@pytest.mark.parametrize("Estimator", ESTIMATORS)
def test_checks_of_scikit_learn_itself_pass(Estimator, check):
    getattr(estimator_checks, check)(Estimator.__name__, Estimator(max_epochs=2))


def test_checks_draw_nothing_from_the_global_generator():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    check_estimator(Plain(encoder=CustomEncoder, decoder=CustomDecoder))
    assert torch.equal(torch.get_rng_state(), before)
