"""Autoencoders as scikit-learn estimators, trained with torch through skorch."""

from skae._autoencoder import AutoencoderTransformer
from skae._contractive import ContractiveAutoencoder
from skae._conv import ConvAutoencoder
from skae._denoising import DenoisingAutoencoder
from skae._exceptions import DivergenceError, LayoutWarning
from skae._sparse import SparseAutoencoder
from skae._variational import VariationalAutoencoder
from skae.architectures import Conv, Dense
from skae.augmentation import DynamicBinarization
from skae.blending import blend, interpolate, mix
from skae.corruption import (
    GaussianNoise,
    MaskingNoise,
    SaltAndPepperNoise,
    SwapNoise,
)
from skae.penalties import Contraction, KLDivergence, KLSparsity, L1Sparsity

__version__ = "0.1.0.dev0"

__all__ = [
    "AutoencoderTransformer",
    "Contraction",
    "ContractiveAutoencoder",
    "Conv",
    "ConvAutoencoder",
    "DenoisingAutoencoder",
    "Dense",
    "DivergenceError",
    "DynamicBinarization",
    "GaussianNoise",
    "KLDivergence",
    "KLSparsity",
    "L1Sparsity",
    "LayoutWarning",
    "MaskingNoise",
    "SaltAndPepperNoise",
    "SparseAutoencoder",
    "SwapNoise",
    "VariationalAutoencoder",
    "blend",
    "interpolate",
    "mix",
]
