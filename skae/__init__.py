"""Autoencoders as scikit-learn estimators, trained with torch through skorch."""

from skae import diagnostics as diagnostics
from skae import explorer as explorer
from skae import export as export
from skae import tabular as tabular
from skae._anomaly.detector import AnomalyDetector
from skae._blending import blend, interpolate, mix
from skae._data.transforms import (
    DynamicBinarization,
    GaussianNoise,
    MaskingNoise,
    RandomFlip,
    SaltAndPepperNoise,
    SwapNoise,
)
from skae._deep_features import DeepFeatures
from skae._estimators.autoencoder import AutoencoderTransformer
from skae._estimators.contractive import ContractiveAutoencoder
from skae._estimators.conv import ConvAutoencoder
from skae._estimators.denoising import DenoisingAutoencoder
from skae._estimators.sparse import SparseAutoencoder
from skae._estimators.variational import VariationalAutoencoder
from skae._exceptions import (
    CollapsedCodeWarning,
    DivergenceError,
    FitWarning,
    LayoutWarning,
    OutOfDomainWarning,
)
from skae._fit_many import fit_many
from skae._latent_density import LatentDensity
from skae._loading import load
from skae._networks.conv import Conv
from skae._networks.dense import Dense
from skae._networks.recurrent import Recurrent
from skae._objective.penalties import Contraction, KLDivergence, KLSparsity, L1Sparsity
from skae._plot.column_scores import ColumnScoresDisplay
from skae._plot.components import ComponentsDisplay
from skae._plot.interpolation import BlendDisplay, InterpolationDisplay
from skae._plot.latent_diagnostics import LatentDiagnosticsDisplay
from skae._plot.latent_space import LatentSpaceDisplay
from skae._plot.reconstruction import ReconstructionDisplay
from skae._plot.training_history import TrainingHistoryDisplay
from skae._plot.traversal import TraversalDisplay
from skae._search import StackedGridSearchCV, StackedRandomizedSearchCV
from skae._versions import show_versions

__version__ = "0.1.0.dev0"

__all__ = [
    "AnomalyDetector",
    "AutoencoderTransformer",
    "BlendDisplay",
    "CollapsedCodeWarning",
    "ColumnScoresDisplay",
    "ComponentsDisplay",
    "Contraction",
    "ContractiveAutoencoder",
    "Conv",
    "ConvAutoencoder",
    "DeepFeatures",
    "DenoisingAutoencoder",
    "Dense",
    "DivergenceError",
    "DynamicBinarization",
    "FitWarning",
    "GaussianNoise",
    "InterpolationDisplay",
    "KLDivergence",
    "KLSparsity",
    "L1Sparsity",
    "LatentDensity",
    "LatentDiagnosticsDisplay",
    "LatentSpaceDisplay",
    "LayoutWarning",
    "MaskingNoise",
    "OutOfDomainWarning",
    "RandomFlip",
    "ReconstructionDisplay",
    "Recurrent",
    "SaltAndPepperNoise",
    "SparseAutoencoder",
    "StackedGridSearchCV",
    "StackedRandomizedSearchCV",
    "SwapNoise",
    "TrainingHistoryDisplay",
    "TraversalDisplay",
    "VariationalAutoencoder",
    "blend",
    "fit_many",
    "interpolate",
    "load",
    "mix",
    "show_versions",
]
