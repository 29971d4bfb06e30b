"""Export of torch modules to ONNX: of a part of a model, or of any from rows."""

from __future__ import annotations

import copy
import json
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, BinaryIO

import torch
from torch import nn

from skae._model.model import TrainedModel
from skae._networks.layers import BesideCondition
from skae._persistence.atomic import write_whole

# Name of the output of each part.
_OUTPUTS = {
    "encoder": "code",
    "decoder": "reconstruction",
    "reconstruct": "reconstruction",
}

# The set of operators that torch translates into; newer ones it converts from there.
_OPSET = 18


def write_onnx(
    model: TrainedModel, name: str, path: str | os.PathLike | BinaryIO, part: str
) -> None:
    """Write a part of a model to a file, given by its path or open.

    Parameters
    ----------
    model : TrainedModel
        A trained model.
    name : str
        Name of its estimator, stored in the file.
    path : str, path-like or binary file
        Where to write.
    part : {"encoder", "decoder", "reconstruct"}
        The part to export.
    """
    write_exported(build_onnx(model, name, part), path)


def write_exported(exported: Any, path: str | os.PathLike | BinaryIO) -> None:
    """Write an ONNX model to a file, given by its path or open.

    Parameters
    ----------
    exported : onnx_ir.Model
        What :func:`translate` returned.
    path : str, path-like or binary file
        Where to write.
    """
    import onnx_ir

    content = onnx_ir.to_proto(exported).SerializeToString()
    if hasattr(path, "write"):
        path.write(content)
    else:
        write_whole(path, content)


def build_onnx(
    model: TrainedModel, name: str, part: str, opset: int | None = _OPSET
) -> Any:
    """Return a part of a model as an ONNX model.

    It computes in float32 even if the model was trained in float64, for which
    onnxruntime has neither convolutions nor the error function of gelu.

    Parameters
    ----------
    model : TrainedModel
        A trained model; it is not changed.
    name : str
        Name of its estimator.
    part : {"encoder", "decoder", "reconstruct"}
        The part to export.
    opset : int or None, default=18
        Version of the operators; None is torch's choice.

    Returns
    -------
    onnx_ir.Model
    """
    if part not in _OUTPUTS:
        raise ValueError(
            f"part={part!r} is not known. Choose one of "
            f"{', '.join(map(repr, _OUTPUTS))}."
        )
    module = copy.deepcopy(_select_part(model, part)).cpu().float().eval()
    width = model.n_components if part == "decoder" else model.n_features
    width += model.n_condition
    exported = translate(module, width, [_OUTPUTS[part]], f"part={part!r}", opset)
    exported.metadata_props.update(
        estimator=name,
        part=part,
        n_components=str(model.n_components),
        sample_shape=json.dumps(model.layout.sample_shape),
    )
    return exported


def _select_part(model: TrainedModel, part: str) -> nn.Module:
    if part == "encoder":
        return model.encoder
    if part == "decoder":
        return model.decoder
    encoder: nn.Module = model.encoder
    if model.n_condition:
        encoder = BesideCondition(encoder, model.n_condition)
    return nn.Sequential(encoder, model.decoder)


def translate(
    module: nn.Module,
    width: int,
    outputs: Sequence[str],
    what: str,
    opset: int | None = _OPSET,
) -> Any:
    """Return a module from rows to as many values as an ONNX model.

    Parameters
    ----------
    module : torch.nn.Module
        It takes float32 rows, and returns a tensor, or a tuple of them.
    width : int
        Number of columns of a row.
    outputs : sequence of str
        Names of the outputs.
    what : str
        What the module is, for errors.
    opset : int or None, default=18
        Version of the operators; None is torch's choice.

    Returns
    -------
    onnx_ir.Model
    """
    try:
        import onnx_ir
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "ONNX models need the packages onnx and onnxscript: pip install skae[onnx]."
        ) from error

    try:
        with _quiet():
            program: Any = torch.onnx.export(
                module,
                (torch.zeros(2, width),),  # torch would specialise on one row
                input_names=["X"],
                output_names=list(outputs),
                dynamic_shapes=({0: torch.export.Dim("n_samples")},),
                opset_version=opset,
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(_root(error)).partition("\n")[0]
        raise ValueError(
            f"torch cannot translate {what} into ONNX: {reason} -- A custom "
            "module has to do the same with every batch, by operations that ONNX "
            "has. Choose between values with torch.where, for instance, not with `if`."
        ) from error
    n_rows = program.model.graph.inputs[0].shape[0]
    if isinstance(n_rows, int):
        raise ValueError(
            f"{what} would become an ONNX model of {n_rows} rows only. A custom "
            "module counts the rows of a batch in Python, with len(x) or in a "
            "loop: let it work on all rows at once."
        )
    # The metadata of torch are lines of code and paths of this machine.
    cleared = onnx_ir.passes.common.ClearMetadataAndDocStringPass()(program.model).model
    cleared.producer_name, cleared.producer_version = "skae", version("skae")
    return cleared


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress warnings and messages of torch about its own export."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    logger.addFilter(_is_news)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.removeFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    return "torchvision is not installed" not in record.getMessage()
