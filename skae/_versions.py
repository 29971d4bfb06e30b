"""The versions of skae and of what it builds on, for bug reports."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

import torch

_PACKAGES = (
    "skae",
    "torch",
    "skorch",
    "scikit-learn",
    "numpy",
    "scipy",
    "safetensors",
    "tqdm",
    "pandas",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "skl2onnx",
    "pip",
)


def show_versions() -> None:
    """Print the versions and the hardware that a bug report needs.

    These are the system, the versions of the packages that skae uses, the threads and
    devices that torch finds, and the libraries that compute in parallel. The path of
    the Python executable is among them.

    Returns
    -------
    None
        The versions are printed to the standard output.

    See Also
    --------
    sklearn.show_versions : The same for scikit-learn.

    Examples
    --------
    >>> import skae
    >>> skae.show_versions()  # doctest: +ELLIPSIS
    System:
    ...
    Python packages:
            skae: ...
           torch: ...
    ...
    """
    from threadpoolctl import threadpool_info  # which scikit-learn depends on

    sections: dict[str, Mapping[str, object]] = {
        "System": _system(),
        "Python packages": {name: _version(name) for name in _PACKAGES},
        "torch": _torch(),
    }
    for i, library in enumerate(threadpool_info(), 1):
        sections[f"Thread pool {i}"] = library
    print("\n\n".join(_table(name, facts) for name, facts in sections.items()))


def _system() -> dict[str, object]:
    return {
        "python": sys.version.replace("\n", " "),
        "executable": sys.executable,
        "machine": platform.platform(),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _torch() -> dict[str, object]:
    """Return what decides which kernels run, and where."""
    has_cuda = torch.cuda.is_available()
    return {
        "threads": torch.get_num_threads(),
        "interop threads": torch.get_num_interop_threads(),
        "CPU capability": torch.backends.cpu.get_cpu_capability(),
        "MKL": torch.backends.mkl.is_available(),
        "OpenMP": torch.backends.openmp.is_available(),
        "built for CUDA": torch.version.cuda or "no",
        "CUDA device": torch.cuda.get_device_name() if has_cuda else "none",
        "MPS device": torch.backends.mps.is_available(),
    }


def _table(name: str, facts: Mapping[str, object]) -> str:
    width = max(map(len, facts))
    return "\n".join(
        [f"{name}:", *(f"{key:>{width}}: {value}" for key, value in facts.items())]
    )
