"""The built site in a browser: ``make site-check`` builds it and looks at every page.

The folder of the site is in the environment variable SKAE_SITE. Without it there is
nothing to look at, as ``make test`` builds no site.
"""

import json
import os
import re
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote, unquote, urljoin, urlsplit

import pytest
from conftest import ESTIMATORS

import skae

SITE = Path(os.environ.get("SKAE_SITE", "docs/_build/html")).resolve()
PAGES = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.html"))
NOT_FOUND = "404.html"  # it is shown in any folder, and links to the site's own address
PAGES = [name for name in PAGES if name != NOT_FOUND]
GALLERY = "generated/gallery/index.html"
WITH_EXPLORER = [
    "index.html",
    "generated/gallery/plot_08_gaps.html",
    "generated/gallery/plot_21_deployment.html",
]
DESKTOP, TELEPHONE = 1280, 360  # pixels across

pytestmark = pytest.mark.skipif(
    "SKAE_SITE" not in os.environ, reason="SKAE_SITE names no site: run make site-check"
)


class Quiet(SimpleHTTPRequestHandler):
    """Serve files and write no log."""

    def log_message(self, *args):
        """Do nothing."""


@pytest.fixture(scope="module")
def address():
    """Serve the site on this machine."""
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=SITE)
    ) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def visit(browser, url, width=DESKTOP):
    """Load a page in a window of some width, with empty logs before."""
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for name in ("browser", "performance"):
        browser.get_log(name)
    browser.get(url)


def wait_for(browser, script):
    """Return what a script gives, as soon as that is true."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, 10).until(
        lambda driver: driver.execute_script(script)
    )


class Page(HTMLParser):
    """The anchors of a page, and all that it refers to."""

    def __init__(self, name):
        super().__init__()
        self.anchors, self.references = set(), set()
        self.feed((SITE / name).read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Note what a tag is called and where it points."""
        attrs = dict(attrs)
        self.anchors |= {attrs[key] for key in ("id", "name") if attrs.get(key)}
        self.references |= {attrs[key] for key in ("href", "src") if attrs.get(key)}
        images = (attrs.get("srcset") or "").split(",")
        self.references |= {each.split()[0] for each in images if each.strip()}


def test_site_has_its_pages():
    assert {"index.html", "guide/index.html", "search.html", GALLERY} <= set(PAGES)


def test_every_link_anchor_and_image_exists():
    pages = {name: Page(name) for name in PAGES}
    broken = []
    for name, page in pages.items():
        for reference in page.references:
            parts = urlsplit(urljoin(name, reference))
            if parts.scheme or parts.netloc:
                continue  # of another site, or written into the page
            target, anchor = unquote(parts.path), unquote(parts.fragment)
            there = (SITE / target).is_file()
            if there and anchor and target in pages:
                there = anchor in pages[target].anchors
            if not there:
                broken.append(f"{name}: {reference}")
    assert not broken, "\n".join(broken)


def test_links_of_the_page_for_what_is_missing():
    references = [urlsplit(x) for x in Page(NOT_FOUND).references]
    local = [x.path for x in references if not x.scheme and x.path]
    assert local
    for path in local:
        assert path.startswith("/skae/")
        assert (SITE / unquote(path).removeprefix("/skae/")).exists(), path


def test_a_half_is_a_one_above_a_two():
    above = re.compile(r"<mfrac[^>]*>\s*<m\w>(.*?)</m\w>\s*<m\w>(.*?)</m\w>")
    first = (SITE / "generated/skae.AutoencoderTransformer.html").read_text("utf-8")
    assert above.search(first).groups() == ("1", "2")  # \tfrac12
    for name in PAGES:
        fractions = above.findall((SITE / name).read_text("utf-8"))
        assert not [x for x in fractions if x[0].isdigit() and len(x[0]) > 1], name


@pytest.mark.parametrize("name", PAGES)
def test_page_loads_without_an_error(browser, address, name):
    visit(browser, address + name)
    errors = [
        x["message"] for x in browser.get_log("browser") if x["level"] == "SEVERE"
    ]
    assert not errors, "\n".join(errors)
    events = [
        json.loads(entry["message"])["message"]
        for entry in browser.get_log("performance")
    ]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    on_a_network = [url for url in asked if url.startswith("http")]
    assert [url for url in on_a_network if not url.startswith(address)] == []
    assert "Network.loadingFailed" not in {event["method"] for event in events}
    blank = "return [...document.images].filter(i => !i.naturalWidth).map(i => i.src)"
    assert browser.execute_script(blank) == []


@pytest.mark.parametrize("name", PAGES)
def test_page_does_not_scroll_sideways_on_a_telephone(browser, address, name):
    visit(browser, address + name, TELEPHONE)
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width <= TELEPHONE


def test_menu_opens_on_a_telephone(browser, address):
    visit(browser, address + "index.html", TELEPHONE)
    is_open = (
        "return document.querySelector('.sidebar-drawer')"
        ".getBoundingClientRect().left === 0"
    )
    assert not browser.execute_script(is_open)
    browser.find_element("css selector", ".mobile-header .nav-overlay-icon").click()
    assert wait_for(browser, is_open)


def test_search_finds_a_class(browser, address):
    visit(browser, address + "index.html")
    browser.find_element("name", "q").send_keys("contractive\n")
    assert wait_for(
        browser,
        "return [...document.querySelectorAll('#search-results li a')]"
        ".some(link => link.href.includes('skae.ContractiveAutoencoder.html'))",
    )


ANSWERS = {
    "embedding": "faq|glossary",
    "dimensionality reduction": "glossary|choosing|basics|index",
    "outlier": "faq|novelty|anomal|AnomalyDetector",
    "novelty detection": "faq|novelty|anomal",
    "missing values": "missing_values|imputation|faq",
    "imputation": "imputation|missing_values|faq",
    "NaN": "missing_values|faq",
    "categorical": "faq|tables|TableEncoder|data|glossary",
    "time series": "faq|networks|signals",
    "bottleneck": "glossary|basics",
    "cite": "faq",
    "install": "install",
    "GPU": "faq",
    "early stopping": "glossary|training|faq|defaults",
    "onnx": "deployment|faq|export",
    "save": "deployment|faq|load|[.]save$",
    "image": "faq|ConvAutoencoder|networks|choosing|glossary",
    "large data": "faq|training|scaling",
    "how many components": "faq|model_selection",
    "reproducible": "faq|training|policy|reliability",
    "interpolation": "blending|glossary|interpolate|walk",
    "sparse": "penalties|SparseAutoencoder|plot_03|glossary",
    "grid search": "model_selection|StackedGridSearchCV|machines|faq",
    "glossary": "glossary",
    "variational autoencoder": "variational|VariationalAutoencoder|glossary|plot_08",
}


@pytest.mark.parametrize("query", ANSWERS)
def test_the_first_three_hits_answer(browser, address, query):
    visit(browser, f"{address}search.html?q={quote(query)}")
    wait_for(browser, "return document.querySelector('#search-results ul.search li a')")
    finished = (
        "return /found/.test(document.querySelector('#search-results').innerText)"
    )
    wait_for(browser, finished)
    hits = browser.execute_script(
        "return [...document.querySelectorAll('#search-results ul.search li > a')]"
        ".slice(0, 3).map(link => link.href)"
    )
    assert any(re.search(ANSWERS[query], hit.split("/", 3)[3]) for hit in hits), hits


def test_code_is_copied_without_prompts(browser, address):
    visit(browser, address + "install.html")
    wait_for(browser, "return document.querySelectorAll('button.copybtn').length > 2")


def test_gallery_shows_a_thumbnail_for_each_lesson(browser, address):
    visit(browser, address + GALLERY)
    widths = browser.execute_script(
        "return [...document.querySelectorAll('.sphx-glr-thumbcontainer img')]"
        ".map(image => image.naturalWidth)"
    )
    lessons = (Path(__file__).parents[1] / "docs" / "gallery").glob("plot_*.py")
    assert len(widths) == len(list(lessons))
    assert min(widths) > 0


def test_the_size_of_the_explorer_is_said():
    size = (SITE / "_static/explorer.html").stat().st_size
    assert f"({size / 1e6:.0f} MB)" in (SITE / "index.html").read_text("utf-8")


@pytest.mark.parametrize("name", WITH_EXPLORER)
def test_the_explorer_is_loaded_on_a_click(browser, address, name):
    visit(browser, address + name)
    wait_for(browser, "return document.querySelector('a.explorer img')?.naturalWidth")
    assert not browser.execute_script("return document.querySelector('iframe')")
    loaded = browser.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    assert not any("explorer.html" in url for url in loaded)
    link = browser.find_element("css selector", "a.explorer")
    browser.execute_script("arguments[0].scrollIntoView(); arguments[0].click()", link)
    ready = (
        "return document.querySelector('iframe.explorer')?.contentWindow.skae?.ready"
    )
    assert wait_for(browser, ready)


def test_the_version_switch_shows_the_version_and_leads_to_others(browser, address):
    visit(browser, address + "generated/skae.load.html")
    wait_for(browser, "return document.querySelector('#version').options.length")
    shown = "return document.querySelector('#version').selectedOptions[0].text"
    assert browser.execute_script(shown) == skae.__version__
    # As if there were an older version, in a folder of its own.
    browser.execute_script(
        "SITE_VERSIONS['0.0.1'] = '0.0.1';"
        "const select = document.querySelector('#version');"
        "select.append(new Option('0.0.1'));"
        "select.value = '0.0.1';"
        "select.onchange();"
    )
    leads_there = f"return location.href === '{address}0.0.1/index.html'"
    assert wait_for(browser, leads_there)


def test_the_list_of_versions_begins_with_this_one():
    text = (SITE / "_static/versions.js").read_text("utf-8")
    names = re.findall(r'^  "([^"]+)": "', text, re.MULTILINE)
    assert names[0] == skae.__version__


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_the_page_of_a_class_has_groups_of_parameters_and_its_methods(cls):
    name = cls.__name__
    page = (SITE / f"generated/skae.{name}.html").read_text("utf-8")
    signature = re.search(r'<dt class="sig sig-object py" id="skae.*?</dt>', page, re.S)
    assert re.sub("<[^>]*>", "", signature[0]).count("=") == 1
    listed = re.findall(r'<p class="parameters rubric">(.*?)</p>', page)
    assert listed == ["Code and network", "Objective", "Training", "Computing"]
    methods = page[page.index(">Methods</p>") : page.index(f'id="skae.{name}.')]
    for method in ("fit", "transform", "inverse_transform", "blend", "interpolate"):
        assert f'href="#skae.{name}.{method}"' in methods
    assert 'Read more in the <a class="reference internal"' in page
