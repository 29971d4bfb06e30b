"""What sphinx needs to know to build this site; nothing is fetched while it builds."""

import inspect
import os
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import torch

import skae

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "_ext")]

PROJECT = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
URLS = PROJECT["urls"]

project = "skae"
author = "The skae developers"
project_copyright = "The skae developers"
version = release = skae.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "sphinx.ext.extlinks",
    "sphinx.ext.intersphinx",
    "sphinx.ext.linkcode",
    "notfound.extension",
    "numpydoc",
    "_tables",
    "class_pages",
    "defaults",
    "explorer_page",
    "mathml",
    "measured",
    "reference",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinx_llms_txt",
    "sphinx_sitemap",
    "sphinxext.opengraph",
]

exclude_patterns = ["_build", "gallery", "generated/backreferences"]
templates_path = ["_templates"]
nitpicky = True
nitpick_ignore_regex = [  # in docstrings that are inherited
    (r"py:.*", r"(joblib|sklearn|skorch|torch|numpy|collections|typing)\..*"),
    ("term", "fit"),
]

# Links to what others document. The inventories are lists that are kept here, of the
# names that these pages use, so that the build needs no network.
_SITES = {
    "joblib": "https://joblib.readthedocs.io/en/stable/",
    "numpy": "https://numpy.org/doc/stable/",
    "sklearn": "https://scikit-learn.org/stable/",
    "torch": "https://docs.pytorch.org/docs/stable/",
}
intersphinx_mapping = {
    name: (site, f"_inventories/{name}.txt") for name, site in _SITES.items()
}

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


def linkcode_resolve(domain, info):
    """Return the address of the source of an object."""
    found = sys.modules.get(info["module"])
    for name in info["fullname"].split("."):
        found = getattr(found, name, None)
    try:
        found = inspect.unwrap(getattr(found, "fget", found))
        path = Path(inspect.getsourcefile(found)).relative_to(HERE.parent)
        lines, start = inspect.getsourcelines(found)
    except (TypeError, ValueError, OSError):
        return None  # of scikit-learn, or a value
    stop = start + len(lines) - 1
    return f"{URLS['Source']}/blob/main/{path.as_posix()}#L{start}-L{stop}"


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
html_title = "skae"
html_baseurl = URLS["Documentation"]
html_theme_options = {
    "source_repository": URLS["Source"],
    "source_branch": "main",
    "source_directory": "docs/",
    "footer_icons": [
        {"name": name, "url": URLS[name], "html": name, "class": ""}
        for name in ("Source", "Issues")
    ],
}
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/versions.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
sitemap_url_scheme = "{link}"
sitemap_show_lastmod = False
notfound_urls_prefix = urlsplit(html_baseurl).path
ogp_site_url = html_baseurl
ogp_site_name = "skae"
ogp_image = "_images/hero.png"
ogp_social_cards = {"enable": False}
ogp_enable_meta_description = True
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
llms_txt_title = "skae"
llms_txt_summary = PROJECT["description"]
llms_txt_exclude = ["genindex", "search", "changes", "decisions/*"]
html_static_path = ["_static"]
html_search_scorer = str(HERE / "_static" / "scorer.js")
html_favicon = "_static/icon.svg"
html_css_files = ["skae.css"]
html_math_renderer = "mathml"
html_copy_source = True  # llms.txt is made of them
html_show_sourcelink = False
pygments_style = "friendly"
pygments_dark_style = "monokai"
