"""Estimators from the files that `save` has written."""

from __future__ import annotations

import os
from collections.abc import Collection

from skae._estimators.autoencoder import AutoencoderTransformer
from skae._estimators.base import BaseAutoencoder, restored
from skae._estimators.contractive import ContractiveAutoencoder
from skae._estimators.conv import ConvAutoencoder
from skae._estimators.denoising import DenoisingAutoencoder
from skae._estimators.sparse import SparseAutoencoder
from skae._estimators.variational import VariationalAutoencoder
from skae._persistence.format import from_bytes, name_of

_CLASSES = {
    name_of(cls): cls
    for cls in (
        AutoencoderTransformer,
        ContractiveAutoencoder,
        ConvAutoencoder,
        DenoisingAutoencoder,
        SparseAutoencoder,
        VariationalAutoencoder,
    )
}


def load(
    path: str | os.PathLike, *, trusted: str | Collection[str] = ()
) -> BaseAutoencoder:
    """Read a fitted estimator from a file that its method `save` has written.

    It is the estimator that was saved: parameters, weights, history, the state of the
    optimizer and of the generators, so that training goes on as if there had been no
    stop. The network is on the device that the parameter `device` names, or on the CPU,
    with a warning, where there is none.

    No code is run from the file, and none is imported because it is named there, unless
    it is trusted. Modules, losses, penalties and callbacks of your own are functions
    and classes by name; where they are not trusted, the error lists them.

    Parameters
    ----------
    path : str or path-like
        The file.

    trusted : str or collection of str, default=()
        Full names of the functions and classes that may be imported and called, such
        as ``["mypackage.networks.Encoder"]``.

    Returns
    -------
    estimator
        The fitted estimator, of the class that was saved.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If something trusted is no longer where it was.
    TypeError
        If `trusted` holds something else than names.
    ValueError
        If the file is damaged, of a newer version or not one of skae, or names what
        is not trusted.

    Examples
    --------
    >>> import os, tempfile
    >>> import skae
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data / 16
    >>> ae = skae.AutoencoderTransformer(2, max_epochs=1, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "digits.skae")
    ...     ae.save(path)
    ...     loaded = skae.load(path)
    >>> bool((loaded.transform(X) == ae.transform(X)).all())
    True
    """
    names = [trusted] if isinstance(trusted, str) else trusted
    if not (isinstance(names, Collection) and all(isinstance(x, str) for x in names)):
        raise TypeError(
            f"trusted={trusted!r} must hold full names, such as "
            "['mypackage.networks.Encoder']; the error without it lists them."
        )
    source = os.fspath(path)
    with open(source, "rb") as file:
        data = file.read()
    return from_bytes(data, _CLASSES, restored, names, source)
