"""Autoencoders as scikit-learn estimators, trained with torch through skorch."""

from skae import diagnostics as diagnostics
from skae import explorer as explorer
from skae import export as export
from skae._autoencoder import AutoencoderTransformer
from skae._contractive import ContractiveAutoencoder
from skae._conv import ConvAutoencoder
from skae._denoising import DenoisingAutoencoder
from skae._exceptions import CollapsedCodeWarning, DivergenceError, LayoutWarning
from skae._plot.latent_diagnostics import LatentDiagnosticsDisplay
from skae._plot.latent_space import LatentSpaceDisplay
from skae._plot.learning_curve import LearningCurveDisplay
from skae._plot.reconstruction import ReconstructionDisplay
from skae._plot.walks import BlendDisplay, InterpolationDisplay
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
from skae.saving import load

__version__ = "0.1.0.dev0"

__all__ = [
    "AutoencoderTransformer",
    "BlendDisplay",
    "CollapsedCodeWarning",
    "Contraction",
    "ContractiveAutoencoder",
    "Conv",
    "ConvAutoencoder",
    "DenoisingAutoencoder",
    "Dense",
    "DivergenceError",
    "DynamicBinarization",
    "GaussianNoise",
    "InterpolationDisplay",
    "KLDivergence",
    "KLSparsity",
    "L1Sparsity",
    "LatentDiagnosticsDisplay",
    "LatentSpaceDisplay",
    "LayoutWarning",
    "LearningCurveDisplay",
    "MaskingNoise",
    "ReconstructionDisplay",
    "SaltAndPepperNoise",
    "SparseAutoencoder",
    "SwapNoise",
    "VariationalAutoencoder",
    "blend",
    "interpolate",
    "load",
    "mix",
]
