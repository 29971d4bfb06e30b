"""The page of the explorer as one file that contains all it needs."""

from __future__ import annotations

import base64
import gzip
import html
import json
from importlib.resources import files
from string import Template

import numpy as np

from skae.explorer._facts import Facts

_SCRIPTS = (
    *("data", "draw", "table", "colours", "map", "pointer"),
    *("neighbours", "blend", "place", "start"),
)


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


def fill_page(
    title: str, facts: Facts, places: np.ndarray, packed: dict[str, bytes]
) -> bytes:
    """Return the page.

    Parameters
    ----------
    title : str
        Title of the page.
    facts : Facts
        Values for the scripts, stored as JSON.
    places : ndarray of shape (n_samples, 2)
        Positions on the map. With the facts, they are all that the map needs, and stand
        before the scripts: it is drawn while the browser still reads the rest.
    packed : dict of bytes
        Compressed data, by the names that the scripts use.
    """
    # A "<" in a string could close the element; JSON allows an escape for it.
    text = json.dumps(facts, allow_nan=False, separators=(",", ":"))
    first = [
        _element("facts", text.replace("<", r"\u003c")),
        _element("places", _encode(places.astype("<f4").tobytes())),
    ]
    others = [_element(name, _encode(content)) for name, content in packed.items()]
    page = Template(_read("page.html")).substitute(
        title=html.escape(title),
        style=_read("page.css"),
        first="\n".join(first),
        script="\n".join(_read(f"{name}.js") for name in _SCRIPTS),
        others="\n".join(others),
    )
    return page.encode()


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _element(name: str, text: str) -> str:
    return f'<script type="text/plain" id="{name}">{text}</script>'


def _read(name: str) -> str:
    return (files("skae.explorer") / "assets" / name).read_text("utf-8")
