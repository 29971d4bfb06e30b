"""Draw ``docs/images/hero.png``: rows of the figure of ``benchmarks.published.gaps``.

``python tools/make_hero.py``, run from the root of the repository after that benchmark.
"""

import matplotlib.pyplot as plt

SOURCE, TARGET = "docs/images/published_gaps.png", "docs/images/hero.png"
# Rows of tiles, by the height of their middles as a share of the figure.
ROWS = {
    "From one image to another: average of pixels": 0.054,
    "average of PCA codes": 0.162,
    "average of codes of a variational autoencoder": 0.486,
    "New samples: plain autoencoder": 0.732,
    "variational autoencoder": 0.949,
}
LEFT, RIGHT, HALF = 0.108, 0.542, 0.046  # the first seven tiles; half of the height


def main():
    """Draw the figure."""
    image = plt.imread(SOURCE)
    height, width = image.shape[:2]
    fig, axes = plt.subplots(len(ROWS), 1, figsize=(6.4, 4.6), dpi=150)
    for ax, (title, middle) in zip(axes, ROWS.items(), strict=True):
        top, bottom = (int((middle + sign * HALF) * height) for sign in (-1, 1))
        ax.imshow(image[max(top, 0) : bottom, int(LEFT * width) : int(RIGHT * width)])
        ax.set_title(title, fontsize=11, loc="left", pad=2)
        ax.axis("off")
    fig.tight_layout(h_pad=0.4)
    fig.savefig(TARGET, bbox_inches="tight", metadata={"Software": None})


if __name__ == "__main__":
    main()
