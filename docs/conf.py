"""What sphinx needs to know to build this site; nothing is fetched while it builds."""

import os
import sys
from pathlib import Path

import torch

import skae

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "_ext")]

project = "skae"
author = "The skae developers"
project_copyright = "The skae developers"
version = release = skae.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "sphinx.ext.extlinks",
    "numpydoc",
    "_tables",
    "defaults",
    "mathml",
    "measured",
    "reference",
    "sphinx_gallery.gen_gallery",
]

exclude_patterns = ["_build", "gallery", "generated/backreferences"]
templates_path = ["_templates"]
nitpicky = True
# What others document is named and not linked: the build needs no network.
nitpick_ignore_regex = [
    (r"py:.*", r"(joblib|sklearn|skorch|torch|numpy|collections|typing)\..*"),
    ("term", "fit"),  # of scikit-learn's glossary, in docstrings that are inherited
]

# Code -------------------------------------------------------------------------------

smartquotes = False  # types such as {"l1", "kl"} are code
default_role = "literal"  # in docstrings a single backtick marks a name
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say more
autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
doctest_global_setup = "import torch; torch.set_num_threads(1)"

extlinks = {
    "arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s"),
    "doi": ("https://doi.org/%s", "doi:%s"),
}
extlinks_detect_hardcoded_links = False

# Gallery ----------------------------------------------------------------------------

# Networks as small as these gain nothing from a second thread, and lessons run beside
# each other, in processes that do not read this file.
os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(1)

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "generated/gallery",
    "parallel": min(4, os.cpu_count() or 1),
    "backreferences_dir": "generated/backreferences",
    "within_subsection_order": "FileNameSortKey",
    "doc_module": ("skae",),
    "capture_repr": ("_repr_html_",),  # tables and estimators, no handles of figures
    "image_srcset": ["2x"],
    "thumbnail_size": (640, 448),
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
}

# Pages ------------------------------------------------------------------------------

html_theme = "furo"
html_title = f"skae {release}"
html_static_path = ["_static"]
html_favicon = "_static/icon.svg"
html_css_files = ["skae.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
pygments_style = "friendly"
pygments_dark_style = "monokai"
