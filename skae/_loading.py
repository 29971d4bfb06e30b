"""Loading of estimators from the files that `save` has written."""

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
from skae._persistence.atomic import read_whole
from skae._persistence.format import estimator_name, from_bytes

_CLASSES = {
    estimator_name(cls): cls
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
    path: str | os.PathLike,
    *,
    trusted: str | Collection[str] = (),
    max_bytes: int = 4_000_000_000,
) -> BaseAutoencoder:
    """Read a fitted estimator from a file that its method `save` has written.

    All that was saved is restored: parameters, weights, history, the state of the
    optimizer and of the random generators, so that training resumes as if it had not
    been interrupted. The network is on the device of the parameter `device`, or on the
    CPU, with a warning, if that is not available.

    The file contains no code, and nothing that it names is imported unless it is
    trusted. Custom modules, losses, penalties and callbacks are stored by the names of
    their functions and classes; the error lists those that are not trusted.

    Read more in the :ref:`user guide <guide-saving>`.

    Parameters
    ----------
    path : str or path-like
        The file.

    trusted : str or collection of str, default=()
        Full names of the functions and classes that may be imported and called, such
        as ``["mypackage.networks.Encoder"]``.

    max_bytes : int, default=4000000000
        Size of the largest file that is read. Loading takes a few times the memory of
        the file, whatever it describes: shapes are compared with those of the stored
        weights before a network is built. Trusted code can take more.

    Returns
    -------
    estimator
        The fitted estimator, of the class that was saved.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If the path leads to something else than a file, such as a folder or a device.
    ImportError
        If a trusted function or class cannot be imported.
    TypeError
        If `trusted` contains anything but names.
    ValueError
        If the file is damaged, of a newer version, not written by skae or larger than
        `max_bytes`, or if it names functions or classes that are not trusted.

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
    data = read_whole(source, max_bytes)
    return from_bytes(data, _CLASSES, restored, names, source)
