"""The variational autoencoder: a latent space to sample from."""

import math
from numbers import Integral

import numpy as np
import torch
from sklearn.utils import check_scalar
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from skae._estimators.base import BaseAutoencoder
from skae._estimators.docs import document
from skae._estimators.params import constraints, weight
from skae._networks.architectures import Dense
from skae._networks.modules import VariationalAutoencoderModule
from skae._objective.losses import LIKELIHOODS
from skae._objective.penalties import KLDivergence

_MAX_ROWS_OF_VARIANCE = 4096

# In units of the squared scale, as in the loss of training: constant data has none.
_LOWEST_VARIANCE = 1e-12


@document(
    beta=(
        "float",
        r"""Weight :math:`\beta` of the divergence from the prior. 1 is the evidence
        lower bound; more makes the code simpler, less the reconstruction better.""",
    ),
    kl_warmup=(
        "int",
        r"""Number of epochs over which :math:`\beta` rises from 0.""",
    ),
    hidden_layer_sizes=(
        "int, array-like of int or None",
        """Widths of the hidden layers of the dense encoder; the decoder mirrors them.
        None stands for ``(256, 128, 128)``: depth makes samples more like data, one
        wide layer makes reconstructions better. Cannot be given together with
        `encoder`.""",
    ),
    encoder=(
        '{"dense", "conv"}, Dense, Conv, callable, torch.nn.Module or None',
        """The network from rows to ``2 * n_components`` columns, the means and the
        logarithms of the variances of the code. A name or a shipped architecture; a
        builder ``(n_in, n_out) -> torch.nn.Module``, such as a module class; or a
        module, copied with its weights and never trained in place. None is a dense
        network of `hidden_layer_sizes` and `activation`.""",
    ),
)
class VariationalAutoencoder(BaseAutoencoder):
    r"""Variational autoencoder: a smooth latent space without gaps.

    The encoder gives a normal distribution :math:`q(z|x) = N(\mu, \sigma^2)` for each
    sample, the decoder draws from it, and the negative evidence lower bound [1]_

    .. math:: -\mathrm{E}_q \log p(x|z) + \beta\, \mathrm{KL}(q(z|x) \| N(0, 1))

    is minimised. With the squared error, :math:`p(x|z)` is a Gaussian of one variance
    at its optimum, the mean squared error [2]_, so that `beta` means the same at every
    scale of X. `transform` gives the mean :math:`\mu`, never a draw.

    Parameters
    ----------
    {parameters}

    {attributes}

    noise_variance_ : float
        Variance of the decoder's Gaussian, in squared units of X: the mean squared
        error of training rows, or ``1e-12 * scale_**2`` where that is more. Only with
        ``loss="squared_error"``.

    See Also
    --------
    AutoencoderTransformer : Better reconstructions, gaps in the latent space.

    References
    ----------
    .. [1] Kingma & Welling, "Auto-encoding variational Bayes", ICLR 2014.
       :arxiv:`1312.6114`
    .. [2] Rybkin, Daniilidis & Levine, "Simple and effective VAE training with
       calibrated decoders", ICML 2021. :arxiv:`2006.13202`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import VariationalAutoencoder
    >>> X = load_digits().data / 16
    >>> vae = VariationalAutoencoder(2, max_epochs=5, random_state=0).fit(X)
    >>> vae.sample(3).shape
    (3, 64)
    """

    _module_class = VariationalAutoencoderModule
    _losses = LIKELIHOODS
    # Three layers from random weights sample better than one that starts at PCA.
    _dense = Dense((256, 128, 128), init="random")
    _parameter_constraints = constraints(
        without=("code_activation", "sparsity"),
        beta=weight(),
        kl_warmup=[Interval(Integral, 0, None, closed="left")],
    )

    def __init__(
        self,
        n_components=16,
        *,
        beta=1.0,
        kl_warmup=0,
        hidden_layer_sizes=None,
        activation=None,
        encoder=None,
        decoder=None,
        penalty=None,
        corruption=None,
        augmentation=None,
        loss="squared_error",
        layout=None,
        optimizer="adam",
        lr=1e-3,
        weight_decay=None,
        lr_schedule="one_cycle",
        max_epochs=100,
        batch_size="auto",
        validation_fraction=None,
        early_stopping=False,
        n_iter_no_change=10,
        tol=1e-4,
        warm_start=False,
        callbacks=None,
        net_params=None,
        device="auto",
        dtype="float32",
        precision="float32",
        random_state=None,
        verbose=0,
    ):
        super().__init__(
            n_components,
            decoder=decoder,
            penalty=penalty,
            augmentation=augmentation,
            loss=loss,
            layout=layout,
            optimizer=optimizer,
            lr=lr,
            weight_decay=weight_decay,
            lr_schedule=lr_schedule,
            max_epochs=max_epochs,
            batch_size=batch_size,
            validation_fraction=validation_fraction,
            early_stopping=early_stopping,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            warm_start=warm_start,
            callbacks=callbacks,
            net_params=net_params,
            device=device,
            dtype=dtype,
            precision=precision,
            random_state=random_state,
            verbose=verbose,
        )
        self.beta = beta
        self.kl_warmup = kl_warmup
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.encoder = encoder
        self.corruption = corruption

    def _own_penalties(self):
        return [("kl", KLDivergence(self.beta, warmup=self.kl_warmup))]

    def _train(self, rows, n_epochs):
        try:
            return super()._train(rows, n_epochs)
        finally:
            if self._loss_name == "squared_error":
                self.noise_variance_ = self._find_noise_variance(rows)

    def _find_noise_variance(self, rows):
        """Return the mean squared error of decoded draws, on a sample of the rows."""
        module = self.net_.module_

        def squares(x):
            return ((module(x)["reconstruction"] - x) ** 2).mean(1)

        step = max(1, len(rows) // _MAX_ROWS_OF_VARIANCE)
        with self.net_.fixed_draw():
            error = self._map(squares, rows[::step])
        lowest = _LOWEST_VARIANCE * self.scale_**2
        return max(float(error.mean(dtype=np.float64)), lowest)

    def posterior(self, X):
        """Return the distribution of the code of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        Returns
        -------
        mean : ndarray of shape (n_samples, n_components)
            What `transform` gives.

        std : ndarray of shape (n_samples, n_components)
            Standard deviation of each unit.
        """
        check_is_fitted(self)
        module = self.net_.module_

        def mean_and_std(x):
            mean, log_var = module.posterior(x)
            return torch.stack([mean, torch.exp(0.5 * log_var)], dim=1)

        both = self._map(mean_and_std, self._check_X(X))
        return both[:, 0], both[:, 1]

    def sample(self, n_samples=1, *, noise=False, random_state=None):
        """Decode draws from the prior: new samples like those of training.

        Parameters
        ----------
        n_samples : int, default=1
            How many.

        noise : bool, default=False
            Whether to draw from the decoder's distribution instead of giving its
            mean: Gaussian noise of variance `noise_variance_`, or with the other
            losses a Bernoulli or Poisson draw.

        random_state : int, RandomState instance or None, default=None
            Draws the samples. None is the `random_state` of the estimator.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the units of X and the layout that `fit` saw.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        if noise and self._loss_name is None:
            raise ValueError(_no_likelihood("sample(noise=True)"))
        rng = self._draw_source(random_state)
        codes = rng.standard_normal((n_samples, self._n_features_out))
        means = self.inverse_transform(codes.astype(self._dtype))
        if not noise:
            return means
        if self._loss_name == "squared_error":
            draws = means + np.sqrt(self.noise_variance_) * rng.standard_normal(
                means.shape
            )
        elif self._loss_name == "poisson":
            draws = rng.poisson(means)
        else:
            draws = rng.uniform(size=means.shape) < means
        return draws.astype(self._dtype)

    def log_likelihood(self, X, n_samples=100, *, random_state=None):
        r"""Estimate the log-density of each sample by importance sampling.

        :math:`\log \frac1K \sum_k p(x|z_k)\, p(z_k) / q(z_k|x)` with :math:`z_k` drawn
        from the posterior [1]_: a lower bound in expectation, that tightens as
        :math:`K` grows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        n_samples : int, default=100
            Number :math:`K` of draws for each sample.

        random_state : int, RandomState instance or None, default=None
            Draws the codes. None is the `random_state` of the estimator.

        Returns
        -------
        ndarray of shape (n_samples,)
            Natural logarithm of the density, in the units of X, or of the
            probability, for the losses of discrete data.

        References
        ----------
        .. [1] Burda, Grosse & Salakhutdinov, "Importance weighted autoencoders",
           ICLR 2016. :arxiv:`1509.00519`
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        if self._loss_name is None:
            raise ValueError(_no_likelihood("log_likelihood"))
        rows = self._check_X(X)
        self._check_domain(rows)
        module = self.net_.module_
        generator = self._torch_generator(random_state, self.net_.device)

        def estimate(x):
            mean, log_var = module.posterior(x)
            log_weights = []
            for _ in range(n_samples):
                noise = torch.empty_like(mean).normal_(generator=generator)
                code = mean + torch.exp(0.5 * log_var) * noise
                # log p(z) - log q(z|x): the constants cancel.
                ratio = 0.5 * (noise**2 + log_var - code**2).sum(1)
                log_weights.append(self._log_density(module.decoder(code), x) + ratio)
            total = torch.logsumexp(torch.stack(log_weights), dim=0)
            return total - math.log(n_samples)

        return self._map(estimate, rows)

    def _log_density(self, decoded, x):
        """Return log p(x|z) of each row, from what the decoder gives."""
        if self._loss_name == "squared_error":
            variance = self.noise_variance_
            # Divided before squaring: the variance itself may vanish in float32.
            distances = ((decoded - x) / math.sqrt(variance)) ** 2
            return -0.5 * (distances + math.log(2 * math.pi * variance)).sum(1)
        values = self._losses[self._loss_name].function(decoded, x)
        if self._loss_name == "poisson":
            values = values + torch.lgamma(x + 1)
        return -values.sum(1)


def _no_likelihood(what):
    return (
        f"{what} needs a loss that is a likelihood, but fit was given a function. "
        "Use 'squared_error', 'binary_cross_entropy' or 'poisson'."
    )
