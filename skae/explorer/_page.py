"""The page of the explorer as one file that contains all it needs."""

from __future__ import annotations

import base64
import gzip
import html
import json
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np

_SCRIPTS = ("data", "draw", "map", "blend", "start")


def load_plotly() -> bytes:
    """Return the source of plotly.js."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ImportError(
            "explorer.write needs the package plotly: pip install skae[explorer]."
        ) from error
    return get_plotlyjs().encode()


def compress(content: bytes) -> bytes:
    """Return content compressed for the browser, equal for equal content."""
    return gzip.compress(content, mtime=0)


def pack(array: np.ndarray) -> bytes:
    """Return the numbers of an array in float32, compressed."""
    return compress(array.astype("<f4").tobytes())


def pack_runtime() -> dict[str, bytes]:
    """Return ONNX Runtime Web, the script and its binary, compressed."""
    folder = files("skae.explorer") / "vendor" / "onnxruntime_web"
    return {
        "runtime": compress((folder / "ort.wasm.bundle.min.mjs").read_bytes()),
        "binary": (folder / "ort-wasm-simd-threaded.wasm.gz").read_bytes(),
    }


def fill_page(title: str, facts: dict[str, Any], packed: dict[str, bytes]) -> bytes:
    """Return the page.

    Parameters
    ----------
    title : str
        Title of the page.
    facts : dict
        Values for the scripts, stored as JSON.
    packed : dict of bytes
        Compressed data, by the names that the scripts use.
    """
    # A "<" in a string could close the element; JSON allows an escape for it.
    text = json.dumps(facts, allow_nan=False, separators=(",", ":"))
    elements = [_element("facts", text.replace("<", r"\u003c"))]
    for name, content in packed.items():
        elements.append(_element(name, base64.b64encode(content).decode()))
    page = Template(_read("page.html")).substitute(
        title=html.escape(title),
        style=_read("page.css"),
        elements="\n".join(elements),
        script="\n".join(_read(f"{name}.js") for name in _SCRIPTS),
    )
    return page.encode()


def _element(name: str, text: str) -> str:
    return f'<script type="text/plain" id="{name}">{text}</script>'


def _read(name: str) -> str:
    return (files("skae.explorer") / "assets" / name).read_text("utf-8")
