"""The directive ``explorer``: a live latent space, which a page loads on a click.

The page of the explorer is written beside the static files of the site, from the images
of the gallery. It is 6 MB, so that pages show an image of it first.
"""

from pathlib import Path

import numpy as np
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

import skae
from skae import explorer

PAGE = "_static/explorer.html"
IMAGE = "_static/explorer.webp"
_TEXT = "Open this latent space in your browser"
_ALT = (
    "A map of latent codes, coloured by digit, beside the image that a place of it "
    "decodes to, and a blend of two chosen samples."
)


class Explorer(SphinxDirective):
    """Show the image as a link to the page, which a script replaces by the page."""

    has_content = False

    def run(self):
        root = "../" * self.env.docname.count("/")
        link = (
            f'<a class="explorer" href="{root}{PAGE}"><img src="{root}{IMAGE}" '
            f'alt="{_ALT}" width="1280" height="800">'
            f"<span>{_TEXT} (6 MB)</span></a>"
        )
        return [nodes.raw("", link, format="html")]


def write_explorer(path, folder):
    """Fit a variational autoencoder to images of digits, and write its explorer.

    Parameters
    ----------
    path : path-like
        Where to write.
    folder : Path
        Where the images are.
    """
    with np.load(folder / "glyphs.npz") as glyphs:
        images, digits = glyphs["images"] / np.float32(255), glyphs["label"]
    vae = skae.VariationalAutoencoder(
        2, loss="binary_cross_entropy", lr=0.006, random_state=0
    ).fit(images)
    title = "Digits in three fonts: the latent space of a variational autoencoder"
    explorer.write(vae, images, path, digits, title=title, max_samples=2000)


def _write_page(app, error):
    path, gallery = Path(app.outdir) / PAGE, Path(app.srcdir) / "gallery"
    if error is None and app.builder.format == "html" and not path.exists():
        write_explorer(path, gallery)


def setup(app):
    """Register the directive, and write the page when all others are written."""
    app.add_directive("explorer", Explorer)
    app.add_js_file("explorer.js", loading_method="defer")
    app.connect("build-finished", _write_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
