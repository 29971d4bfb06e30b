"""Draw the images of several lessons of the gallery: digits in fonts of matplotlib.

``python tools/make_glyphs.py`` writes ``docs/gallery/glyphs.npz``, which holds 4000
`images` of 28x28 bytes, white on black, and for each of them the factors that it was
drawn from:

- `label`, the digit, and `family`, the name of the font;
- `rotation`, in degrees, anticlockwise;
- `shear`, to the right at the top, as a fraction of the height;
- `height`, in pixels, before rotation;
- `weight`, pixels that are added to each side of a stroke;
- `shift`, pixels to the right and downwards.
"""

from functools import cache
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

TARGET = Path(__file__).parents[1] / "docs" / "gallery" / "glyphs.npz"
FAMILIES = ("DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono")
SIDE = 28  # pixels
STEPS = 15  # from black to white: few of them make a small file


def draw_factors(n_samples, rng):
    """Return random factors: an array for each, with an entry for each image."""
    ranges = {
        "rotation": (-20, 20),
        "shear": (-0.1, 0.1),
        "height": (18, 21),
        "weight": (0, 0.8),
    }
    numbers = {name: rng.uniform(*ends, n_samples) for name, ends in ranges.items()}
    numbers["shift"] = rng.uniform(-0.75, 0.75, (n_samples, 2))
    return {
        "label": (np.arange(n_samples) % 10).astype(np.uint8),
        "family": rng.choice(FAMILIES, n_samples),
        **{name: values.astype(np.float32) for name, values in numbers.items()},
    }


@cache
def find_outline(label, family):
    """Return the outline of a digit, and its bounding box."""
    font = FontProperties(family=family)
    outline = TextPath((0, 0), str(label), size=100, prop=font)
    return outline, outline.get_extents()


def draw_image(label, family, rotation, shear, height, weight, shift):
    """Return the image of one digit, in bytes."""
    outline, box = find_outline(int(label), str(family))
    affine = (
        Affine2D()
        .translate(-(box.x0 + box.x1) / 2, -(box.y0 + box.y1) / 2)
        .scale(height / box.height)
        .skew(np.arctan(shear), 0)
        .rotate_deg(rotation)
        .translate(SIDE / 2 + shift[0], SIDE / 2 - shift[1])
    )
    renderer = RendererAgg(SIDE, SIDE, dpi=72)
    pen = renderer.new_gc()
    pen.set_foreground("white")
    pen.set_linewidth(2 * weight)  # one half is on each side of the outline
    renderer.draw_path(pen, outline, affine, rgbFace=(1.0, 1.0, 1.0))
    opacity = np.asarray(renderer.buffer_rgba())[..., 3] / 255
    return (np.round(opacity * STEPS) * (255 // STEPS)).astype(np.uint8)


def draw_images(factors):
    """Return the images of all entries of the factors."""
    rows = zip(*factors.values(), strict=True)
    return np.stack(
        [draw_image(**dict(zip(factors, row, strict=True))) for row in rows]
    )


if __name__ == "__main__":
    factors = draw_factors(4000, np.random.default_rng(0))
    np.savez_compressed(TARGET, images=draw_images(factors), **factors)
