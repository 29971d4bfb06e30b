"""One HTML file in which a browser explores a latent space, offline."""

from skae.explorer._write import write

__all__ = ["write"]
