"""The page of the explorer in a browser, and what is written into it."""

import base64
import copy
import gzip
import hashlib
import json
import re
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from conftest import ESTIMATORS
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from torch import nn

import skae
from skae import explorer, interpolate
from skae._estimators.base import BaseAutoencoder
from skae.explorer._facts import find_start, label_facts
from skae.tabular import InvertibleColumnTransformer, TableEncoder

pytest.importorskip("onnxscript", reason="needs onnxscript")

MARKUP = "</script><script>window.harm = 1</script><img src=x onerror='harm = 1'>"


def _unpack(path):
    """Return what a page holds: its facts, and the other elements inflated."""
    found = re.findall(
        r'<script type="text/plain" id="(.*?)">(.*?)</script>', path.read_text("utf-8")
    )
    packed = dict(found)
    facts = json.loads(packed.pop("facts"))
    places = np.frombuffer(base64.b64decode(packed.pop("places")), "<f4")
    inflate = {k: gzip.decompress(base64.b64decode(v)) for k, v in packed.items()}
    return facts, {**inflate, "places": places.reshape(-1, 2)}


# Driven by a browser ------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits_page_once(tmp_path_factory):
    X, y = load_digits(return_X_y=True)
    X = (X[:200] / 16).astype(np.float32).reshape(-1, 8, 8)
    vae = skae.VariationalAutoencoder(2, max_epochs=5, random_state=0).fit(X)
    path = tmp_path_factory.mktemp("explorer") / "digits.html"
    explorer.write(vae, X, path, labels=y[:200])
    return vae, X, path


@pytest.fixture
def digits_page(digits_page_once):
    """A small variational autoencoder, 200 digits, and the page of both."""
    return copy.deepcopy(digits_page_once)


@pytest.fixture(scope="module")
def page(browser):
    """A function that opens a page, or resets one that is open."""
    opened = None

    def open_page(path, width=1280, height=1500, scheme="light"):
        nonlocal opened
        for name in ("browser", "performance"):
            browser.get_log(name)
        wanted = (path, width, height, scheme)
        if wanted != opened:
            size = {"width": width, "height": height, "deviceScaleFactor": 1}
            size["mobile"] = width < 500
            media = {"name": "prefers-color-scheme", "value": scheme}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [media]})
            browser.get(path.as_uri())
            _wait(browser, "window.skae && skae.ready")
            opened = wanted
        browser.execute_script(
            "choose(facts.start); inspect(facts.start[0]); moveTo(facts.mean, MIDDLE);"
            "$('colour').value = 0; $('colour').onchange(); $('fit').click();"
            "hoverOver(null); scrollTo(0, 0)"
        )
        _settle(browser)
        return browser

    yield open_page
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.get("about:blank")


def _wait(browser, condition, *arguments):
    from selenium.webdriver.support.wait import WebDriverWait

    script = f"return Boolean({condition})"
    wait = WebDriverWait(browser, 30, poll_frequency=0.05)
    wait.until(lambda driver: driver.execute_script(script, *arguments), condition)


def _settle(browser):
    _wait(browser, "skae.busy === 0")


def _find(browser, selector):
    return browser.find_element("css selector", selector)


def _choose(browser, *names):
    """Choose samples by typing their names."""
    browser.execute_script("$('clear').click()")
    for name in names:
        _find(browser, "#name").send_keys(f"{name}\n")
    _settle(browser)


def _drag(browser, *stations):
    """Drag the handle of the pad along stations, shares of its width and height."""
    from selenium.webdriver import ActionChains

    pad = _find(browser, "#pad")
    box = pad.rect
    at = [
        (round((u - 0.5) * (box["width"] - 2)), round((v - 0.5) * (box["height"] - 2)))
        for u, v in stations
    ]
    actions = ActionChains(browser, duration=20)
    actions.move_to_element_with_offset(pad, *at[0]).click_and_hold()
    for place in at[1:]:
        actions.move_to_element_with_offset(pad, *place)
    actions.release().perform()
    _settle(browser)


def _shown(browser, what):
    """Return numbers that are drawn: arrays of JavaScript as lists."""
    numbers = f"JSON.stringify({what}, (_, x) => ArrayBuffer.isView(x) ? [...x] : x)"
    return np.array(json.loads(browser.execute_script(f"return {numbers}")))


def _pixels(browser, canvas):
    """Return what is on a canvas: shape (height, width, 4)."""
    width, height, values = browser.execute_script(
        "const {width, height} = arguments[0];"
        "const image = arguments[0].getContext('2d').getImageData(0, 0, width, height);"
        "return [width, height, [...image.data]];",
        _find(browser, canvas),
    )
    return np.array(values).reshape(height, width, 4)


def _whereabouts(browser, i):
    """Return where the point of a sample is drawn."""
    return _pixel_of(browser, _shown(browser, f"row(places, {i})").tolist())


def _pixel_of(browser, place):
    """Return where a place of the map is in the window."""
    return browser.execute_script(
        "scrollTo(0, 0);"
        "const {left, top} = $('map').getBoundingClientRect();"
        "const [x, y] = toPixel(arguments[0]);"
        "return [left + x, top + y].map(Math.round);",
        place,
    )


def _point_at(browser, i, *, click=False):
    """Move the pointer to the point of a sample on the map."""
    _use_pointer(browser, _whereabouts(browser, i), click=click)


def _use_pointer(browser, pixel, *, click=False, drag_to=None):
    from selenium.webdriver.common.actions.action_builder import ActionBuilder

    actions = ActionBuilder(browser, duration=20)
    pointer = actions.pointer_action
    pointer.move_to_location(*pixel)
    if click:
        pointer.click()
    if drag_to is not None:
        pointer.pointer_down().move_to_location(*drag_to).pointer_up()
    actions.perform()
    _settle(browser)


def _texts(browser, table):
    """Return the head of a table and its lines, as texts."""
    head, *lines = browser.execute_script(
        "return [...arguments[0].rows].map(r => [...r.cells].map(c => c.textContent))",
        _find(browser, table),
    )
    return head, lines


def _loneliest(codes):
    """Return the sample that is farthest from its nearest neighbour."""
    distances = np.linalg.norm(codes[:, np.newaxis] - codes, axis=2)
    np.fill_diagonal(distances, np.inf)
    return int(distances.min(1).argmax())


def test_a_page_opens_from_a_disk_and_fetches_nothing(page, digits_page):
    browser = page(digits_page[-1])
    assert browser.current_url.startswith("file://")
    assert browser.get_log("browser") == []
    events = [
        json.loads(x["message"])["message"] for x in browser.get_log("performance")
    ]
    urls = {
        event["params"]["request"]["url"].partition(":")[0]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    assert urls <= {"file", "blob", "data"}


def test_the_page_forbids_the_network(page, digits_page):
    browser = page(digits_page[-1])
    browser.set_script_timeout(10)
    outcome = browser.execute_async_script(
        "fetch('http://127.0.0.1:9/').then(arguments[0], () => arguments[0]('refused'))"
    )
    assert outcome == "refused"
    assert "Content Security Policy" in browser.get_log("browser")[0]["message"]


def test_the_page_opens_with_typical_samples_of_classes_far_apart(page, digits_page):
    vae, X, path = digits_page
    browser = page(path)
    y = load_digits().target[:200]
    codes = vae.transform(X)
    distances = [
        np.linalg.norm(codes - codes[y == k].mean(0), axis=1) for k in range(10)
    ]
    typical = [int(np.where(y == k, distances[k], np.inf).argmin()) for k in range(10)]
    chosen = _shown(browser, "skae.chosen").tolist()
    assert len(chosen) == 4
    assert set(chosen) <= set(typical)
    from_first = np.linalg.norm(codes[typical] - codes[chosen[0]], axis=1)
    assert chosen[1] == typical[from_first.argmax()]
    expected = vae.mix(X[chosen], [0.25] * 4).ravel()
    shown = _shown(browser, "skae.shown.representation")
    np.testing.assert_allclose(shown, expected, atol=1e-4)


def test_hovering_shows_the_sample_and_its_reconstruction(page, digits_page):
    vae, X, path = digits_page
    browser = page(path)
    i = _loneliest(vae.transform(X))
    assert not _find(browser, "#card").is_displayed()
    _point_at(browser, i)
    _wait(browser, "!$('card').hidden && $('card-reconstruction').width === 8")
    label = load_digits().target[i]
    assert _find(browser, "#card-text").text == f"sample {i}, label {label}"
    sample = _pixels(browser, "#card-sample")
    np.testing.assert_allclose(sample[..., 0], 255 * X[i], atol=0.51)
    low, high = X.min(), X.max()
    expected = ((vae.reconstruct(X[[i]])[0] - low) / (high - low)).clip(0, 1) * 255
    shown = _pixels(browser, "#card-reconstruction")
    np.testing.assert_allclose(shown[..., 0], expected, atol=1)


def test_clicking_chooses_a_sample_and_clicking_again_removes_it(page, digits_page):
    vae, X, path = digits_page
    browser = page(path)
    _choose(browser, 3, 4)
    i = _loneliest(vae.transform(X))
    _point_at(browser, i, click=True)
    _settle(browser)
    assert _shown(browser, "skae.chosen").tolist() == [3, 4, i]
    _point_at(browser, i, click=True)
    _settle(browser)
    _find(browser, ".corner").click()
    assert _shown(browser, "skae.chosen").tolist() == [4]


def test_tapping_shows_the_sample_that_is_chosen(page, digits_page):
    vae, X, path = digits_page
    browser = page(path, 390, 844)
    _choose(browser, 3, 4)
    i = _loneliest(vae.transform(X))
    browser.execute_script("scrollTo(0, 0)")
    x, y = _whereabouts(browser, i)
    for event, fingers in (("touchStart", [{"x": x, "y": y}]), ("touchEnd", [])):
        touch = {"type": event, "touchPoints": fingers}
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", touch)
    _wait(browser, "skae.chosen.length === 3 && !$('card').hidden")
    assert _shown(browser, "skae.chosen").tolist() == [3, 4, i]
    assert _find(browser, "#card-text").text.startswith(f"sample {i}, label")
    card = _find(browser, "#card").rect
    assert card["x"] >= 0
    assert card["x"] + card["width"] <= 390


def test_removing_a_sample_by_a_key_moves_the_focus_to_the_pad(page, digits_page):
    browser = page(digits_page[-1])
    _find(browser, ".corner").send_keys("\n")
    _settle(browser)
    assert len(_shown(browser, "skae.chosen")) == 3
    assert browser.switch_to.active_element == _find(browser, "#pad")


def test_dragging_between_two_samples_changes_both_images(page, digits_page):
    vae, X, path = digits_page
    browser = page(path)
    _choose(browser, 10, 25)
    kinds = ("representation", "content")
    before = [_pixels(browser, f"#{kind}") for kind in kinds]
    _drag(browser, (0.5, 0.5), (0.6, 0.5), (0.8, 0.5))
    alpha = _shown(browser, "skae.u").item()
    assert 0.75 < alpha < 0.85
    for kind, old in zip(kinds, before, strict=True):
        assert (_pixels(browser, f"#{kind}") != old).any()
        expected = vae.blend(X[10], X[25], alpha, kind=kind).ravel()
        shown = _shown(browser, f"skae.shown.{kind}")
        np.testing.assert_allclose(shown, expected, atol=1e-4)
    assert _find(browser, "#weights").text == (
        f"A {100 - round(100 * alpha)} % · B {round(100 * alpha)} %"
    )


def test_the_strip_shows_seven_steps_of_both_kinds(page, digits_page):
    vae, X, path = digits_page
    browser = page(path)
    _choose(browser, 10, 25)
    for kind in ("representation", "content"):
        assert (
            len(browser.find_elements("css selector", f"#interpolation-{kind} canvas"))
            == 7
        )
    alphas = np.linspace(0, 1, 7)
    content = [vae.blend(X[10], X[25], alpha, kind="content") for alpha in alphas]
    path = vae.interpolate(X[10], X[25], 7)
    for kind, expected in (("representation", path), ("content", np.array(content))):
        shown = _shown(browser, f"skae.shown.interpolation.{kind}")
        np.testing.assert_allclose(shown, expected.reshape(7, -1), atol=1e-4)
    last = _pixels(browser, "#interpolation-content canvas:last-of-type")[..., 0]
    np.testing.assert_allclose(last, 255 * X[25], atol=0.51)


def test_four_samples_stand_at_the_corners_of_a_square(page, digits_page):
    vae, X, path = digits_page
    browser = page(path)
    chosen = [10, 25, 31, 44]
    _choose(browser, *chosen)
    assert len(browser.find_elements("css selector", ".corner")) == 4
    for k, corner in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        _drag(browser, (0.5, 0.5), corner)
        weights = _shown(browser, "skae.shown.weights")
        assert weights.argmax() == k
        assert weights[k] > 0.95
        shown = _shown(browser, "skae.shown.representation")
        expected = vae.mix(X[chosen], weights).ravel()
        np.testing.assert_allclose(shown, expected, atol=1e-4)
        shown = _shown(browser, "skae.shown.content")
        expected = weights @ X[chosen].reshape(4, -1)
        np.testing.assert_allclose(shown, expected, atol=1e-4)


def test_three_samples_start_with_equal_weights_and_the_third_is_below(
    page, digits_page
):
    browser = page(digits_page[-1])
    _choose(browser, 10, 25, 31)
    np.testing.assert_allclose(_shown(browser, "skae.shown.weights"), [1 / 3] * 3)
    _drag(browser, (0.5, 0.5), (0.3, 1))
    assert _shown(browser, "skae.shown.weights")[2] > 0.95


def test_the_pad_follows_the_keys(page, digits_page):
    browser = page(digits_page[-1])
    right, up = "\ue014", "\ue013"
    _find(browser, "#pad").send_keys(right, right, up)
    _settle(browser)
    np.testing.assert_allclose(_shown(browser, "[skae.u, skae.v]"), [0.6, 0.45])
    assert "B 33 %" in _find(browser, "#pad").get_attribute("aria-valuetext")


def test_the_status_says_what_cannot_be_chosen(page, digits_page):
    browser = page(digits_page[-1])
    _find(browser, "#name").send_keys("7\n")
    assert _find(browser, "#choose-answer").text == "Four are chosen. Remove one first."
    assert _find(browser, "#status").text.startswith("Drag between the four.")


def test_answers_stand_beside_the_field_that_was_used(page, digits_page):
    browser = page(digits_page[-1])
    answers = {"name": "#choose-answer", "find-name": "#find-answer"}
    for field, used in answers.items():
        _find(browser, f"#{field}").send_keys("seven\n")
        for answer in answers.values():
            expected = "No sample seven on this map." if answer == used else ""
            assert _find(browser, answer).text == expected
        box, below = _find(browser, f"#{field}").rect, _find(browser, used).rect
        assert 0 < below["y"] - box["y"] < 60
        _find(browser, f"#{field}").send_keys("7\n")
        _settle(browser)
        browser.execute_script("choose([1, 2])")
        assert _find(browser, used).text == ""


def _is_touched(browser):
    return browser.execute_script("return matchMedia('(hover: none)').matches")


def test_the_introduction_names_what_the_pointer_can_do(page, digits_page):
    browser = page(digits_page[-1])
    text = _find(browser, "header p").text
    assert ("Tap" in text) == _is_touched(browser)
    assert ("Hover" in text) != _is_touched(browser)


def test_nothing_but_one_sentence_is_shown_where_no_sample_is_chosen(page, digits_page):
    browser = page(digits_page[-1])
    _choose(browser)
    verb = "Tap" if _is_touched(browser) else "Click"
    text = f"{verb} two to four points of the map to blend them"
    assert _find(browser, "#status").text.startswith(text)
    for part in ("#pair", "#pad", "#pad-frame", "#weights", "#clear"):
        assert not _find(browser, part).is_displayed()
    assert _find(browser, "#name").is_displayed()
    _find(browser, "#name").send_keys("5\n")
    _settle(browser)
    assert not _find(browser, "#pad").is_displayed()
    assert _find(browser, ".corner").is_displayed()
    _find(browser, ".corner").click()
    assert browser.switch_to.active_element == _find(browser, "#name")


def test_a_phone_scrolls_down_only_and_may_be_dark(page, digits_page):
    browser = page(digits_page[-1], 390, 844, "dark")
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width == 390
    colours = browser.execute_script(
        "const style = getComputedStyle(document.body);"
        "return [style.backgroundColor, style.color].map(x => Number(x.match(/\\d+/)))"
    )
    assert colours[0] < 50
    assert colours[1] > 200


def test_labels_and_names_are_text_and_never_run(page, tmp_path, rng):
    X = pd.DataFrame(
        rng.normal(size=(30, 5)), index=[f"{MARKUP} {i}" for i in range(30)]
    )
    X.columns = [f"x{j}" for j in range(5)]
    ae = skae.AutoencoderTransformer(1, max_epochs=2, random_state=0).fit(X)
    labels = np.where(np.arange(30) % 2, MARKUP, "<b>b</b> & $c$")
    explorer.write(ae, X, tmp_path / "page.html", labels)
    browser = page(tmp_path / "page.html")
    _choose(browser, f"{MARKUP} 3", f"{MARKUP} 4")
    assert _shown(browser, "skae.chosen").tolist() == [3, 4]
    browser.execute_script("showCard(3, {clientX: 0, clientY: 0})")
    assert _find(browser, "#card-text").text == f"sample {MARKUP} 3, label {MARKUP}"
    legend = browser.find_elements("css selector", "#legend [data-style]")
    assert [x.get_attribute("textContent") for x in legend] == [
        MARKUP,
        "<b>b</b> & $c$",
    ]
    assert browser.execute_script("return window.harm") is None
    assert browser.get_log("browser") == []
    shown = _shown(browser, "skae.shown.representation")
    expected = ae.blend(X.iloc[3], X.iloc[4])
    np.testing.assert_allclose(shown, expected, atol=1e-4)
    place = _empty_corner(browser)  # of a code of one unit
    _use_pointer(browser, _pixel_of(browser, place), click=True)
    one_pixel = _shown(browser, "scales().map(x => 1 / x)")
    np.testing.assert_allclose(
        _shown(browser, "skae.code"), place[:1], atol=one_pixel[0]
    )
    there = _shown(browser, "placeOf(skae.code)")
    assert (np.abs(there - place) <= one_pixel).all()


def test_a_table_shows_the_values_of_its_columns(page, tmp_path, rng):
    X = pd.DataFrame(rng.normal(size=(40, 3)) * [1, 1000, 10] + 5)
    X.columns = ["<b>size</b>", "price", "age"]
    ae = skae.AutoencoderTransformer(2, max_epochs=1, random_state=0)
    with pytest.warns(skae.FitWarning):  # of columns in other units
        ae.fit(X)
    path = tmp_path / "table.html"
    explorer.write(ae, X, path)
    browser = page(path)
    _choose(browser, 1, 2)

    head, lines = _texts(browser, "#pair-values")
    assert head == ["", "codes mixed", "inputs mixed"]
    assert [line[0] for line in lines] == X.columns.tolist()
    middle, step = X.iloc[[1, 2]].mean(), np.ptp(X, axis=0) / 200
    found = np.array([line[1:] for line in lines], dtype=float)
    assert (np.abs(found[:, 1] - middle) <= step).all()
    decoded = ae.inverse_transform(ae.transform(X.iloc[[1, 2]]).mean(0, keepdims=True))
    assert (np.abs(found[:, 0] - np.ravel(decoded)) <= step).all()
    _point_at(browser, 5)
    _wait(browser, "$('card-values').rows[1].cells[2].textContent")
    head, lines = _texts(browser, "#card-values")
    assert head == ["", "sample", "reconstruction"]
    found = np.array([line[1:] for line in lines], dtype=float)
    assert (np.abs(found[:, 0] - X.iloc[5]) <= step).all()


def test_of_many_columns_the_fifteen_that_differ_most_are_shown(page, tmp_path, rng):
    X = pd.DataFrame(rng.normal(size=(40, 20)).astype(np.float32)).add_prefix("x")
    ae = skae.AutoencoderTransformer(2, max_epochs=1, random_state=0).fit(X)
    explorer.write(ae, X, tmp_path / "wide.html")
    browser = page(tmp_path / "wide.html")
    _choose(browser, 1, 2)
    _, lines = _texts(browser, "#pair-values")
    codes = ae.transform(X.iloc[[1, 2]]).mean(0, keepdims=True)
    gap = X.iloc[[1, 2]].mean() - ae.inverse_transform(codes).ravel()
    order = np.argsort(-np.abs(gap) / (X.max() - X.min()).to_numpy())
    assert [line[0] for line in lines] == [f"x{j}" for j in order[:15]]


@pytest.mark.parametrize("axis", [1, -1], ids=["channels_first", "channels_last"])
def test_colours_are_drawn_as_they_are(page, tmp_path, rng, axis):
    images = rng.uniform(size=(20, 6, 5, 3)).astype(np.float32)  # height 6, width 5
    X = np.moveaxis(images, -1, axis)
    ae = skae.ConvAutoencoder(
        3, loss="binary_cross_entropy", dtype="float64", max_epochs=1, random_state=0
    ).fit(X)
    explorer.write(ae, X, tmp_path / "page.html")
    browser = page(tmp_path / "page.html")
    _choose(browser, 7)
    content = _pixels(browser, "#content")
    np.testing.assert_allclose(content[..., :3], 255 * images[7], atol=0.51)
    _choose(browser, 7, 8)
    shown = _shown(browser, "skae.shown.representation")
    np.testing.assert_allclose(shown, ae.blend(X[7], X[8]).ravel(), atol=1e-4)
    if axis == 1:
        return
    drawn = _pixels(browser, "#representation")[..., :3]
    np.testing.assert_allclose(drawn, 255 * ae.blend(X[7], X[8]), atol=1)


# Any place of the map -----------------------------------------------------------------


def _empty_corner(browser):
    """Return a place at the left of the map, from above, where no sample is near."""
    return browser.execute_script(
        "for (let across = 0.06; across < 1; across += 0.1) {"
        "  for (let down = 0.06; down < 1; down += 0.1) {"
        "    const place = [view.left + across * (view.right - view.left),"
        "                   view.upper - down * (view.upper - view.lower)];"
        "    if (findPoint(toPixel(place), 20) === null) return place;"
        "  }"
        "}"
    )


def test_clicking_an_empty_place_decodes_exactly_that_code(page, digits_page):
    vae, _, path = digits_page
    browser = page(path)
    place = _empty_corner(browser)
    _use_pointer(browser, _pixel_of(browser, place), click=True)
    code = _shown(browser, "skae.code")
    one_pixel = _shown(browser, "scales().map(x => 1 / x)")
    assert (np.abs(code - place) <= one_pixel).all()
    shown = _shown(browser, "skae.shown.place")
    expected = vae.inverse_transform(code[np.newaxis].astype(np.float32))
    np.testing.assert_allclose(shown, expected.ravel(), atol=1e-4)
    assert _shown(browser, "skae.chosen").tolist() == _unpack(path)[0]["start"]


def test_a_gap_is_recognised_by_the_distances_of_neighbours(page, digits_page):
    vae, X, path = digits_page
    browser = page(path)
    codes = vae.transform(X)
    among = np.linalg.norm(codes[:, np.newaxis] - codes, axis=2)
    np.fill_diagonal(among, np.inf)
    spacing = among.min(1)
    _use_pointer(browser, _pixel_of(browser, _empty_corner(browser)), click=True)
    distances = np.linalg.norm(codes - _shown(browser, "skae.code"), axis=1)
    assert _shown(browser, "skae.shown.nearest.i").item() == distances.argmin()
    assert distances.min() > spacing.max()
    assert _shown(browser, "skae.shown.support").item() == pytest.approx(0, abs=1e-9)
    text = _find(browser, "#distance").text
    assert text.startswith("In a gap: no sample is as far from its nearest neighbour.")
    assert f"sample {distances.argmin()}, at " in text
    browser.execute_script("moveTo(codeRow(5))")
    _settle(browser)
    assert _find(browser, "#distance").text == "This is the code of sample 5."
    assert _shown(browser, "skae.shown.nearest.distance").item() == 0
    code = codes[5] + [np.median(spacing), 0]
    browser.execute_script("moveTo(arguments[0])", code.tolist())
    _settle(browser)
    nearest = np.linalg.norm(codes - code, axis=1).min()
    support = _shown(browser, "skae.shown.support").item()
    assert support == pytest.approx((spacing >= nearest).mean(), abs=0.02)
    expected = f"Near the data: {round(100 * support)}\xa0% of the samples are as far"
    text = _find(browser, "#distance").text.replace(" %", "\xa0%")
    assert text.startswith(expected)


def test_the_cross_is_dragged_and_follows_the_keys(page, digits_page):
    browser = page(digits_page[-1])
    place = _empty_corner(browser)
    start = _pixel_of(browser, _shown(browser, "placeOf(skae.code)").tolist())
    _use_pointer(browser, start, drag_to=_pixel_of(browser, place))
    one_pixel = _shown(browser, "scales().map(x => 1 / x)")
    code = _shown(browser, "skae.code")
    assert (np.abs(code - place) <= 1.5 * one_pixel).all()
    right, up = "\ue014", "\ue013"
    cross = _find(browser, "#cross")
    assert browser.switch_to.active_element == cross
    cross.send_keys(right, right, up)
    _settle(browser)
    width, height = _shown(browser, "[view.right - view.left, view.upper - view.lower]")
    moved = code + np.array([2 * width / 50, height / 50])
    np.testing.assert_allclose(_shown(browser, "skae.code"), moved, rtol=1e-6)
    assert cross.aria_role == "slider"
    text = cross.get_attribute("aria-valuetext")
    assert re.fullmatch(r"unit 0: -?[\d.]+, unit 1: -?[\d.]+", text)
    values = [float(x) for x in re.findall(r"-?\d+\.\d+", text)]
    np.testing.assert_allclose(values, moved, atol=0.01 * width)


def test_moving_the_map_and_enlarging_it_keep_the_cross_at_its_code(page, digits_page):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    browser = page(digits_page[-1])
    place = _empty_corner(browser)
    pixel = _pixel_of(browser, place)
    _use_pointer(browser, pixel, drag_to=[pixel[0] + 40, pixel[1] + 30])
    _wait(browser, "!isScheduled")
    np.testing.assert_allclose(
        _pixel_of(browser, place), [pixel[0] + 40, pixel[1] + 30], atol=1
    )
    before = _shown(browser, "[view.right - view.left, view.upper - view.lower]")
    _find(browser, "#closer").click()
    _wait(browser, "!isScheduled")
    after = _shown(browser, "[view.right - view.left, view.upper - view.lower]")
    np.testing.assert_allclose(after, before / 1.5)
    box = browser.execute_script("return $('cross').getBoundingClientRect().toJSON()")
    centre = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
    expected = _pixel_of(browser, _shown(browser, "placeOf(skae.code)").tolist())
    np.testing.assert_allclose(centre, expected, atol=1)
    _find(browser, "#fit").click()
    np.testing.assert_allclose(_pixel_of(browser, place), pixel, atol=1)
    origin = ScrollOrigin.from_viewport(*pixel)
    ActionChains(browser).scroll_from_origin(origin, 0, -300).perform()
    _wait(browser, "!isScheduled && view.right - view.left < arguments[0]", before[0])
    np.testing.assert_allclose(_pixel_of(browser, place), pixel, atol=1)


# Samples and colours ------------------------------------------------------------------


def test_a_sample_has_its_five_nearest_neighbours(page, digits_page):
    vae, X, path = digits_page
    browser = page(path)
    codes = vae.transform(X)
    i = _loneliest(codes)
    _point_at(browser, i)
    _wait(browser, "!$('card').hidden")
    distances = np.linalg.norm(codes - codes[i], axis=1)
    near = np.argsort(distances)[1:6].astype(str).tolist()
    names = "$('{}').querySelectorAll('.thumbnail span')"
    texts = f"return [...{names}].map(x => x.textContent)"
    assert browser.execute_script(texts.format("card-neighbours")) == near
    _point_at(browser, i, click=True)
    assert browser.execute_script(texts.format("neighbours")) == near
    assert _shown(browser, "skae.inspected").item() == i
    _find(browser, "#neighbours button").send_keys("\n")
    _settle(browser)
    assert _shown(browser, "skae.inspected").item() == int(near[0])
    label = load_digits().target[int(near[0])]
    text = _find(browser, "#sample-text").text
    error = -vae.score_samples(X[[int(near[0])]])[0]
    assert text.startswith(f"sample {near[0]}, label {label}, reconstruction error ")
    assert float(text.split()[-1]) == pytest.approx(error, rel=0.01)
    assert browser.switch_to.active_element.get_attribute("class") == "thumbnail"
    shown = _shown(browser, "skae.shown.reconstruction")
    expected = vae.reconstruct(X[[int(near[0])]]).ravel()
    np.testing.assert_allclose(shown, expected, atol=1e-4)


def test_a_sample_is_found_by_its_name_and_visited_by_the_cross(page, digits_page):
    vae, X, path = digits_page
    browser = page(path)
    _find(browser, "#find-name").send_keys("77\n")
    _settle(browser)
    assert _shown(browser, "skae.inspected").item() == 77
    _find(browser, "#visit").click()
    _settle(browser)
    np.testing.assert_allclose(_shown(browser, "skae.code"), vae.transform(X[[77]])[0])
    shown = _shown(browser, "skae.shown.place")
    np.testing.assert_allclose(shown, vae.reconstruct(X[[77]]).ravel(), atol=1e-4)
    _choose(browser, 1)
    _find(browser, "#member").click()
    _settle(browser)
    assert _shown(browser, "skae.chosen").tolist() == [1, 77]
    assert _find(browser, "#member").text == "Remove from the blend"


def test_the_legend_hides_and_shows_classes(page, digits_page):
    vae, X, path = digits_page
    browser = page(path)
    buttons = browser.find_elements("css selector", "#legend [data-style]")
    assert [button.text for button in buttons] == [str(k) for k in range(10)]
    i = _loneliest(vae.transform(X))
    label = int(load_digits().target[i])
    before = _pixels(browser, "#map")
    buttons[label].click()
    _wait(browser, "!isScheduled")
    assert buttons[label].get_attribute("aria-pressed") == "false"
    assert (_pixels(browser, "#map") != before).any()
    _point_at(browser, i)
    assert not _find(browser, "#card").is_displayed()
    others = _pixels(browser, "#map")
    browser.execute_script("light(arguments[0])", label)
    _wait(browser, "!isScheduled")
    assert (_pixels(browser, "#map") == others).all()
    browser.execute_script("light(null)")
    _find(browser, "#legend .all").click()
    _wait(browser, "!isScheduled")
    assert buttons[label].get_attribute("aria-pressed") == "true"
    _point_at(browser, i)
    _wait(browser, "!$('card').hidden")


def test_colours_may_be_the_reconstruction_error(page, digits_page):
    from selenium.webdriver.support.select import Select

    vae, X, path = digits_page
    browser = page(path)
    select = Select(_find(browser, "#colour"))
    assert [x.text for x in select.options] == ["label", "reconstruction error"]
    select.select_by_visible_text("reconstruction error")
    errors = -vae.score_samples(X)
    shades = _shown(browser, "[...paint.of]")
    order = np.argsort(errors)
    assert (np.diff(shades[order]) >= 0).all()
    assert (shades.min(), shades.max()) == (0, 63)
    ends = _find(browser, ".scale").text.split("\n")
    found = [float(re.sub("[≤≥ ]", "", x)) for x in ends]
    np.testing.assert_allclose(found, np.sort(errors)[[2, 197]], rtol=0.01)
    parts = ("#colour", "#legend", "#sample-text abbr", "#colour option:last-child")
    for part in parts:
        assert "half the summed" in _find(browser, part).get_attribute("title")
    select.select_by_visible_text("label")
    assert _find(browser, "#legend").get_attribute("title") == ""


# Pipelines and tables -----------------------------------------------------------------


@pytest.fixture(scope="module")
def wine_page(tmp_path_factory):
    """A pipeline with a code of three units, fitted to a frame, and its page."""
    X = load_wine(as_frame=True).data.iloc[:, [0, 3, 4, 12]]
    ae = skae.AutoencoderTransformer(3, max_epochs=20, random_state=0)
    pipe = make_pipeline(StandardScaler(), ae).fit(X)
    path = tmp_path_factory.mktemp("explorer") / "wine.html"
    explorer.write(pipe, X, path, title="Wines & <b>colours</b>")
    return pipe, X, path


def test_a_pipeline_is_shown_in_the_units_of_its_input(page, wine_page):
    pipe, X, path = wine_page
    browser = page(path)
    assert browser.title == _find(browser, "h1").text == "Wines & <b>colours</b>"
    scale = X.std().to_numpy()
    i, j = _shown(browser, "skae.chosen").tolist()[:2]
    shown = _shown(browser, "skae.shown.interpolation")
    shown = shown.item()
    expected = interpolate(pipe, X.iloc[i], X.iloc[j])
    found = np.array(shown["representation"])
    np.testing.assert_allclose(found / scale, np.asarray(expected) / scale, atol=1e-4)
    content = np.array(shown["content"])
    np.testing.assert_allclose(content[[0, -1]], X.iloc[[i, j]], rtol=1e-5)
    reconstruction = _shown(browser, "skae.shown.reconstruction")
    expected = pipe.inverse_transform(pipe.transform(X.iloc[[i]]))[0]
    np.testing.assert_allclose(reconstruction / scale, expected / scale, atol=1e-4)


def test_a_place_on_the_plane_of_a_larger_code_is_decoded(page, wine_page):
    pipe, X, path = wine_page
    browser = page(path)
    codes = pipe.transform(X)
    pca = PCA(2).fit(codes)
    facts = _unpack(path)[0]
    signs = np.sign((pca.components_ * facts["directions"]).sum(1))
    place = _empty_corner(browser)
    _use_pointer(browser, _pixel_of(browser, place), click=True)
    place = _shown(browser, "placeOf(skae.code)")
    code = codes.mean(0) + (place * signs) @ pca.components_
    np.testing.assert_allclose(_shown(browser, "skae.code"), code, atol=1e-5)
    expected = pipe.inverse_transform(code[np.newaxis])[0]
    shown = _shown(browser, "skae.shown.place")
    np.testing.assert_allclose(shown / X.std(), expected / X.std(), atol=1e-4)
    head, lines = _texts(browser, "#place-values")
    assert head == ["", "decoded"]
    assert [line[0] for line in lines] == X.columns.tolist()
    found = [float(line[1]) for line in lines]
    assert (np.abs(found - expected) <= np.ptp(X, axis=0) / 200).all()


def test_sliders_move_the_units_that_a_traversal_finds_strongest(page, wine_page):
    pipe, X, path = wine_page
    browser = page(path)
    display = skae.TraversalDisplay.from_estimator(pipe, X)
    sliders = browser.find_elements("css selector", "#sliders input")
    names = [f"unit {x.get_attribute('data-unit')}" for x in sliders]
    assert names == display.units
    text = _find(browser, "#units").text
    assert text == "Units of the code, strongest first"
    effects = [unit["effect"] for unit in _unpack(path)[0]["units"]]
    np.testing.assert_allclose(effects, display.effects, rtol=1e-4)
    unit = int(sliders[0].get_attribute("data-unit"))
    before = _shown(browser, "placeOf(skae.code)")
    sliders[0].send_keys("\ue014" * 5)
    _settle(browser)
    code = pipe.transform(X).mean(0)
    code[unit] = float(sliders[0].get_attribute("value"))
    np.testing.assert_allclose(_shown(browser, "skae.code"), code, atol=1e-6)
    shown = _shown(browser, "skae.shown.place")
    expected = pipe.inverse_transform(code[np.newaxis])[0]
    np.testing.assert_allclose(shown / X.std(), expected / X.std(), atol=1e-4)
    assert (_shown(browser, "placeOf(skae.code)") != before).any()
    _find(browser, "#reset").click()
    _settle(browser)
    mean = pipe.transform(X).mean(0)
    np.testing.assert_allclose(_shown(browser, "skae.code"), mean, atol=1e-6)


def test_only_the_way_from_a_to_b_is_drawn(page, wine_page):
    browser = page(wine_page[-1])
    assert len(_shown(browser, "skae.chosen")) == 4
    ends = browser.execute_script(
        "const way = []; const skip = () => {}; const note = (...at) => way.push(at);"
        "drawWalk({setLineDash: skip, beginPath: skip, stroke: skip,"
        "          moveTo: note, lineTo: note});"
        "return way"
    )
    first_two = "skae.chosen.slice(0, 2).map(i => toPixel(row(places, i)))"
    np.testing.assert_allclose(ends, _shown(browser, first_two))


def test_colours_may_be_a_column_of_a_table(page, wine_page):
    from selenium.webdriver.support.select import Select

    _, X, path = wine_page
    browser = page(path)
    select = Select(_find(browser, "#colour"))
    assert [x.text for x in select.options] == ["reconstruction error", *X.columns]
    select.select_by_visible_text("alcohol")
    shades = _shown(browser, "[...paint.of]")
    assert (np.diff(shades[np.argsort(X["alcohol"])]) >= 0).all()


@pytest.fixture(scope="module")
def mixed_page(tmp_path_factory):
    """A frame with all kinds of columns, a pipeline that encodes it, and its page."""
    rng = np.random.RandomState(0)
    n = 120
    age = rng.randint(18, 80, n)
    X = pd.DataFrame(
        {
            "age": age,
            "plan": np.where(age > 45, "family", "<b>basic</b>"),
            "since": pd.Timestamp("2020-01-31") + pd.to_timedelta(3 * age, "D"),
            "seen": pd.Timestamp("2024-01-01 08:30", tz="Europe/Berlin")
            + pd.to_timedelta(rng.randint(0, 90_000, n), "min"),
            "paid": rng.uniform(size=n) < age / 80,
            "spend": np.exp(rng.normal(size=n)) * age,
            "town": [f"town {k}" for k in rng.randint(0, 40, n)],
        },
        index=[f"person {i}" for i in range(n)],
    )
    X.loc["person 3", ["plan", "spend", "since"]] = None
    ae = skae.AutoencoderTransformer(3, missing="mask", max_epochs=20, random_state=0)
    pipe = make_pipeline(TableEncoder(), MaxAbsScaler(), ae).fit(X)
    new = X.copy()
    new.loc["person 4", "town"] = "elsewhere"
    path = tmp_path_factory.mktemp("explorer") / "mixed.html"
    explorer.write(pipe, new, path, labels=X["town"])
    return pipe, new, path


def test_decoded_rows_of_a_table_are_those_of_python(page, mixed_page):
    pipe, X, path = mixed_page
    browser = page(path)
    encoder = pipe[0]
    rng = np.random.RandomState(1)
    arrays = encoder.transform(X.iloc[5:45])
    arrays = np.concatenate([arrays, arrays + rng.normal(size=arrays.shape)])
    texts = np.array(
        browser.execute_script(
            "return arguments[0].map(values => [...undoColumns(values)]"
            ".map((value, j) => cellText(value, facts.columns[j])))",
            arrays.tolist(),
        )
    )
    expected = encoder.inverse_transform(arrays)
    for j, name in enumerate(X.columns):
        column = expected[name]
        if name == "seen":
            column = column.dt.tz_convert("UTC").dt.strftime("%Y-%m-%d %H:%M UTC")
        if name == "spend":
            found = texts[:, j].astype(float)
            assert (np.abs(found - column) <= np.ptp(X["spend"].dropna()) / 200).all()
        elif name == "since":
            assert texts[:, j].tolist() == column.dt.strftime("%Y-%m-%d").tolist()
        else:
            assert texts[:, j].tolist() == column.astype(str).tolist()


def test_decoded_rows_of_a_transformer_of_columns_are_those_of_python(
    page, mixed_page, tmp_path
):
    X = mixed_page[1][["age", "plan", "paid", "spend", "town"]].fillna({"spend": 7.0})
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["plan"]),
        (make_pipeline(StandardScaler(), MinMaxScaler()), ["spend", "age"]),
        (OrdinalEncoder(), ["town"]),
        ("passthrough", ["paid"]),
    )
    encoder = InvertibleColumnTransformer(columns)
    ae = skae.AutoencoderTransformer(3, max_epochs=1, random_state=0)
    pipe = make_pipeline(encoder, StandardScaler(), ae).fit(X)
    explorer.write(pipe, X, tmp_path / "page.html")
    browser = page(tmp_path / "page.html")
    arrays = encoder.transform(X)
    noise = np.random.RandomState(1).normal(size=arrays.shape)
    arrays = np.concatenate([arrays, arrays + noise * arrays.std(0)])
    script = "return arguments[0].map(values => [...undoColumns(values)]"
    texts = script + ".map((value, j) => cellText(value, facts.columns[j])))"
    found = np.array(browser.execute_script(texts, arrays.tolist()))
    expected = encoder.inverse_transform(arrays)
    for j, name in enumerate(X.columns):
        if name == "spend":
            apart = np.abs(found[:, j].astype(float) - expected[name])
            assert (apart <= np.ptp(X[name]) / 200).all()
        else:
            column = (
                expected[name].astype(object).where(expected[name].notna(), "missing")
            )
            assert found[:, j].tolist() == column.astype(str).tolist()
    _, lines = _texts(browser, "#panel-values")
    i = _shown(browser, "skae.inspected").item()
    row = X.iloc[i]
    shown = {line[0]: line[1] for line in lines}
    plan = "missing" if pd.isna(row["plan"]) else row["plan"]
    assert shown["plan"] == plan
    assert (shown["town"], shown["age"]) == (row["town"], str(row["age"]))


def test_a_table_shows_names_of_categories_dates_and_gaps(page, mixed_page):
    pipe, X, path = mixed_page
    browser = page(path)
    for i in (3, 4):
        browser.execute_script("inspect(arguments[0])", i)
        _settle(browser)
        head, lines = _texts(browser, "#panel-values")
        assert head == ["", "sample", "reconstruction"]
        found = {name: sample for name, sample, _ in lines}
        row = X.iloc[i]
        assert found["age"] == str(row["age"])
        assert found["paid"] == str(row["paid"])
        assert found["town"] == row["town"]
        seen = row["seen"].tz_convert("UTC").strftime("%Y-%m-%d %H:%M UTC")
        assert found["seen"] == seen
        if i == 3:
            assert [found[x] for x in ("plan", "spend", "since")] == ["missing"] * 3
        else:
            assert found["plan"] == row["plan"]
            assert found["since"] == f"{row['since']:%Y-%m-%d}"
        reconstruction = _shown(browser, "skae.shown.reconstruction")
        decoded = pipe[0].inverse_transform(reconstruction[np.newaxis])
        assert lines[0][2] == str(decoded["age"][0])
        expected = pipe.inverse_transform(pipe.transform(X.iloc[[i]]))
        assert lines[1][2] == expected["plan"][0]
        array = pipe[1:].inverse_transform(pipe.transform(X.iloc[[i]]))
        np.testing.assert_allclose(reconstruction, array[0], atol=1e-4)
    assert browser.get_log("browser") == []


@pytest.mark.parametrize(("width", "n_cut"), [(1280, 0), (390, 2)])
def test_tables_of_steps_are_whole_or_say_that_they_scroll(
    page, mixed_page, width, n_cut
):
    browser = page(mixed_page[-1], width, 900)
    frames = "[...$('strip').querySelectorAll('.scroller')]"
    cut = f"{frames}.filter(x => x.classList.contains('cut') && x.tabIndex === 0)"
    _wait(browser, f"{cut}.length === {n_cut}")
    tops = _shown(browser, f"{frames}.map(x => x.getBoundingClientRect().top)")
    assert tops[1] > tops[0] + 100
    for table in ("#panel-values", "#pair-values"):
        names = f"[...document.querySelectorAll('{table} th:first-child')]"
        heights = _shown(
            browser, f"{names}.slice(1).map(x => x.getClientRects().length)"
        )
        assert (heights == 1).all()
    assert _shown(browser, "document.documentElement.scrollWidth").item() == width


def test_a_frame_of_polars_is_shown(light, tmp_path):
    polars = pytest.importorskip("polars")
    X = polars.DataFrame(
        {"age": [30, 40, None, 60], "plan": ["a", "b", "a", None], "paid": [True] * 4}
    )
    ae = skae.AutoencoderTransformer(2, missing="mask", max_epochs=1, random_state=0)
    pipe = make_pipeline(TableEncoder(), ae).fit(X)
    explorer.write(pipe, X, tmp_path / "page.html", max_samples=3, random_state=0)
    facts, parts = _unpack(tmp_path / "page.html")
    cells = np.frombuffer(parts["cells"], "<f8").reshape(3, 3)
    chosen = [int(name) for name in facts["names"]]
    expected = np.array([[30, 0, 1], [40, 1, 1], [np.nan, 0, 1], [60, np.nan, 1]])
    np.testing.assert_array_equal(cells, expected[chosen])
    assert [x["kind"] for x in facts["columns"]] == ["integer", "category", "boolean"]


def test_forty_classes_have_a_legend_and_35_different_marks(page, mixed_page):
    browser = page(mixed_page[-1], 390, 844)
    buttons = browser.find_elements("css selector", "#legend [data-style]")
    assert len(buttons) == mixed_page[1]["town"].drop("person 4").nunique()
    marks = browser.execute_script("return paint.styles.map(x => x.colour + x.shape)")
    assert len(set(marks[:35])) == 35
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width == 390
    browser.execute_script("light(3)")
    _wait(browser, "!isScheduled")
    browser.execute_script("light(null)")


def test_colours_may_be_a_column_of_categories_or_dates(page, mixed_page):
    from selenium.webdriver.support.select import Select

    _, X, path = mixed_page
    browser = page(path)
    select = Select(_find(browser, "#colour"))
    names = ["label", "reconstruction error", *X.columns]
    assert [x.text for x in select.options] == names
    for name, expected in [
        ("plan", ["<b>basic</b>", "family", "missing"]),
        ("paid", ["False", "True"]),
    ]:
        select.select_by_visible_text(name)
        buttons = browser.find_elements("css selector", "#legend [data-style] span")
        assert [x.text for x in buttons] == expected
    select.select_by_visible_text("since")
    assert re.search(r"20\d\d-\d\d-\d\d", _find(browser, ".scale").text)


def test_signals_that_are_compared_share_a_range(page, tmp_path, rng):
    sizes = np.exp(rng.normal(size=(30, 1, 1)) * 3)  # some a thousand times larger
    X = (sizes * rng.normal(size=(30, 1, 16))).astype(np.float32)
    ae = skae.AutoencoderTransformer(
        2, layout="signal", max_epochs=1, random_state=0
    ).fit(X)
    explorer.write(ae, X, tmp_path / "page.html")
    browser = page(tmp_path / "page.html")
    i = int(np.ptp(X, axis=2).ravel().argmin())
    browser.execute_script("inspect(arguments[0])", i)
    _settle(browser)
    both = np.stack([X[i].ravel(), _shown(browser, "skae.shown.reconstruction")])
    limits = browser.execute_script(
        "return limitsOf([[null, sampleRow(arguments[0])],"
        "                 [null, skae.shown.reconstruction]])",
        i,
    )
    assert limits["low"] == [pytest.approx(both.min(), rel=1e-6)]
    assert limits["high"] == [pytest.approx(both.max(), rel=1e-6)]
    browser.execute_script(
        "drawTogether([$('panel-sample'), sampleRow(arguments[0])])", i
    )
    heights = np.flatnonzero(_pixels(browser, "#panel-sample")[..., 3].any(axis=1))
    assert np.ptp(heights) > 80  # of 96 pixels


def test_the_map_needs_nothing_that_stands_after_it(page, digits_page):
    text = digits_page[-1].read_text("utf-8")
    order = [text.index(f'id="{name}"') for name in ("facts", "places")]
    order += [text.index("function drawMap()"), text.index('id="runtime"')]
    assert order == sorted(order)
    browser = page(digits_page[-1])
    drawn, ready = _shown(browser, "[skae.drawnAt, skae.readyAt]")
    assert drawn < ready
    parts = ("#cross", "#pad", "#sliders", "#neighbours")
    assert all(_find(browser, part).is_displayed() for part in parts)
    before = "skae.ready = false; document.body.classList.remove('ready'); drawMap()"
    browser.execute_script(before)  # as until the decoder runs
    assert not any(_find(browser, part).is_displayed() for part in parts)
    assert _find(browser, "#legend button").is_displayed()
    after = "skae.ready = true; document.body.classList.add('ready'); drawMap()"
    browser.execute_script(after)


# What is written ----------------------------------------------------------------------


@pytest.fixture
def rng():
    return np.random.RandomState(0)


@pytest.fixture
def light(monkeypatch):
    """Pages without decoder, where no browser looks at them."""
    monkeypatch.setattr(BaseAutoencoder, "to_onnx", lambda self, file, part: None)


@pytest.fixture(scope="module")
def flat_once():
    X, y = load_digits(return_X_y=True)
    X, y = X[:60], y[:60]
    ae = skae.AutoencoderTransformer(3, max_epochs=1, random_state=0).fit(X)
    return ae, X, y


@pytest.fixture
def flat(flat_once):
    """Digits as flat rows, and a plain autoencoder with a code of three units."""
    return copy.deepcopy(flat_once)


@pytest.mark.slow
def test_equal_arguments_give_equal_files(flat, tmp_path):
    ae, X, y = flat
    first, second = tmp_path / "1.html", tmp_path / "2.html"
    explorer.write(ae, X, first, y, max_samples=20)
    explorer.write(ae, X.copy(), str(second), list(y), max_samples=20)
    assert first.read_bytes() == second.read_bytes()
    assert 4e6 < first.stat().st_size < 6e6


@pytest.mark.slow
@pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)
def test_the_decoder_of_every_class_is_in_the_page(tmp_path, small, cls):
    runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    X = small.reshape(-1, 8, 8)[:30]
    ae = cls(4, max_epochs=1, random_state=0).fit(X)
    explorer.write(ae, X, tmp_path / "page.html")
    facts, parts = _unpack(tmp_path / "page.html")
    codes = np.frombuffer(parts["codes"], "<f4").reshape(-1, 4)
    np.testing.assert_allclose(codes, ae.transform(X), atol=1e-5)
    session = runtime.InferenceSession(parts["decoder"])
    (rows,) = session.run(None, {session.get_inputs()[0].name: codes})
    np.testing.assert_allclose(rows, ae.reconstruct(X).reshape(30, -1), atol=1e-4)
    assert facts["kind"] == "image"
    assert facts["shape"] == [1, 8, 8]


def test_a_custom_module_is_in_the_page(light, tmp_path, rng):
    def build(n_in, n_out):
        return nn.Sequential(nn.Linear(n_in, 8), nn.Tanh(), nn.Linear(8, n_out))

    X = torch.tensor(rng.normal(size=(20, 5)))
    ae = skae.AutoencoderTransformer(2, encoder=build, decoder=build, max_epochs=1)
    explorer.write(ae.fit(X), X, tmp_path / "page.html")
    facts, parts = _unpack(tmp_path / "page.html")
    places = parts["places"]
    np.testing.assert_allclose(places, ae.transform(X), rtol=1e-6)
    assert facts["axes"] == ["unit 0", "unit 1"]


def test_many_samples_are_drawn_from(light, flat, tmp_path):
    ae, X, y = flat
    path = tmp_path / "page.html"
    explorer.write(ae, X, path, y, max_samples=20, random_state=3)
    facts, parts = _unpack(path)
    drawn = [int(name) for name in facts["names"]]
    assert len(drawn) == 20
    title = "<h1>Latent space of an AutoencoderTransformer: 20 of 60 samples</h1>"
    assert title in path.read_text("utf-8")
    assert drawn == sorted(set(drawn))
    classes = np.array(facts["labels"]["classes"])
    found = classes[facts["labels"]["values"]]
    np.testing.assert_array_equal(found, y[drawn].astype(str))
    explorer.write(ae, X, path, y, max_samples=20, random_state=4)
    assert _unpack(path)[0]["names"] != facts["names"]
    levels = np.array(facts["levels"])
    samples = levels[np.frombuffer(parts["samples"], np.uint8)].reshape(20, 64)
    np.testing.assert_array_equal(samples, X[drawn])


def test_values_of_many_levels_are_kept_as_numbers(light, tmp_path, rng):
    X = rng.normal(size=(50, 6))
    ae = skae.AutoencoderTransformer(2, max_epochs=1).fit(X)
    explorer.write(ae, X, tmp_path / "page.html")
    facts, parts = _unpack(tmp_path / "page.html")
    assert facts["levels"] is None
    samples = np.frombuffer(parts["samples"], "<f4").reshape(50, 6)
    np.testing.assert_array_equal(samples, X.astype(np.float32))


def test_each_feature_of_a_table_has_its_own_range(light, tmp_path, rng):
    X = pd.DataFrame(rng.normal(size=(20, 3)) * [1, 10, 0], columns=["a", "b", "c"])
    X.index = [f"row {i}" for i in range(20)]
    ae = skae.AutoencoderTransformer(1, max_epochs=1).fit(X)
    explorer.write(ae, X, tmp_path / "page.html")
    facts, _ = _unpack(tmp_path / "page.html")
    assert facts["kind"] == "row"
    np.testing.assert_allclose(facts["low"], X.min())
    np.testing.assert_allclose(facts["high"], X.max())
    assert facts["names"] == list(X.index)
    assert [column["name"] for column in facts["columns"]] == ["a", "b", "c"]
    np.testing.assert_allclose([x["span"] for x in facts["columns"]], np.ptp(X, axis=0))
    assert facts["axes"] == ["unit 0", ""]


def test_gaps_of_a_frame_of_numbers_are_shown_as_gaps(light, tmp_path, rng):
    X = pd.DataFrame(rng.normal(size=(100, 3)), columns=["a", "b", "c"])
    X = X.convert_dtypes()
    X.iloc[3, 1] = pd.NA
    ae = skae.AutoencoderTransformer(2, missing="mask", max_epochs=1, random_state=0)
    pipe = make_pipeline(StandardScaler(), ae)
    for estimator in (ae, pipe):
        estimator.fit(X)
        explorer.write(estimator, X, tmp_path / "page.html")
        facts, parts = _unpack(tmp_path / "page.html")
        assert facts["has_cells"]
        cells = np.frombuffer(parts["cells"], "<f8").reshape(100, 3)
        np.testing.assert_array_equal(cells, X.to_numpy(float, na_value=np.nan))
        samples = np.frombuffer(parts["samples"], np.float32).reshape(100, 3)
        assert np.isfinite(samples).all()


def test_sparse_rows_can_be_shown(light, tmp_path):
    X = scipy.sparse.random(30, 8, density=0.3, format="csr", random_state=0)
    ae = skae.AutoencoderTransformer(2, max_epochs=1, random_state=0)
    for estimator in (ae, make_pipeline(MaxAbsScaler(), ae)):
        explorer.write(estimator.fit(X), X, tmp_path / "page.html", max_samples=20)
        facts, parts = _unpack(tmp_path / "page.html")
        chosen = [int(name) for name in facts["names"]]
        if facts["levels"] is None:
            samples = np.frombuffer(parts["samples"], np.float32)
        else:
            levels = np.array(facts["levels"])
            samples = levels[np.frombuffer(parts["samples"], np.uint8)]
        expected = X[chosen].toarray().ravel()
        np.testing.assert_allclose(samples, expected, rtol=1e-6)


def test_signals_share_one_range(light, tmp_path, rng):
    X = rng.normal(size=(20, 2, 16))
    ae = skae.AutoencoderTransformer(2, layout="signal", max_epochs=1).fit(X)
    explorer.write(ae, X, tmp_path / "page.html")
    facts, _ = _unpack(tmp_path / "page.html")
    assert (facts["kind"], facts["shape"]) == ("signal", [2, 16])
    assert facts["low"] == [X.min()]
    assert facts["high"] == [X.max()]


def test_flat_rows_can_be_declared_as_images(light, flat, tmp_path):
    ae, X, _ = flat
    explorer.write(ae, X, tmp_path / "page.html")
    assert _unpack(tmp_path / "page.html")[0]["kind"] == "row"
    explorer.write(ae, X, tmp_path / "page.html", image_shape=(8, 8))
    facts, _ = _unpack(tmp_path / "page.html")
    assert (facts["kind"], facts["shape"]) == ("image", [1, 8, 8])
    explorer.write(
        ae, X, tmp_path / "page.html", layout="channels_last", image_shape=(4, 4, 4)
    )
    facts, _ = _unpack(tmp_path / "page.html")
    assert (facts["shape"], facts["channels_last"]) == ([4, 4, 4], True)
    with pytest.raises(ValueError, match=r"image_shape=\(8, 9\) describes 72 features"):
        explorer.write(ae, X, tmp_path / "page.html", image_shape=(8, 9))


def test_a_larger_code_is_shown_by_its_principal_components(light, flat, tmp_path):
    ae, X, _ = flat
    explorer.write(ae, X, tmp_path / "page.html")
    facts, parts = _unpack(tmp_path / "page.html")
    places = parts["places"]
    codes = ae.transform(X).astype(np.float64)
    pca = PCA().fit(codes)
    np.testing.assert_allclose(places, pca.transform(codes)[:, :2], atol=1e-5)
    share = pca.explained_variance_ratio_[0]
    assert facts["axes"][0] == f"principal component 1 of the code ({share:.0%})"


_GRADES = pd.CategoricalDtype(["b", "a"])


@pytest.mark.parametrize(
    ("labels", "classes", "expected"),
    [
        (["b", "a", "b"], ["a", "b"], [1, 0, 1]),
        ([10, 9, 10], ["9", "10"], [1, 0, 1]),
        ([1.0, 0.0, 1.0], ["0", "1"], [1, 0, 1]),
        ([True, False, True], ["False", "True"], [1, 0, 1]),
        (pd.Series(["b", None, "b"], dtype=object), ["b"], [0, None, 0]),
        (["a 10", "a 2", "b"], ["a 2", "a 10", "b"], [1, 0, 2]),
        (["10", "-1", "2"], ["-1", "2", "10"], [2, 0, 1]),
        ([[5], [4], [5]], ["4", "5"], [1, 0, 1]),
        ([10000001, 10000002, 10000001], ["10000001", "10000002"], [0, 1, 0]),
        ([0.5, np.nan, np.inf], None, [0.5, None, None]),
        (pd.Series(["b", None, "a"], dtype=_GRADES), ["b", "a"], [0, None, 1]),
    ],
)
def test_labels_are_classes_or_numbers(light, tmp_path, rng, labels, classes, expected):
    X = rng.normal(size=(3, 4))
    ae = skae.AutoencoderTransformer(2, max_epochs=1).fit(X)
    explorer.write(ae, X, tmp_path / "page.html", labels)
    facts, _ = _unpack(tmp_path / "page.html")
    assert facts["labels"] == {"classes": classes, "values": expected}


def test_the_first_samples_are_far_apart_without_outliers(rng):
    codes = np.sort(rng.uniform(size=(100, 1)), axis=0)
    codes[99] = 50
    a, b, c, d = find_start(codes, None)
    np.testing.assert_allclose(
        np.sort(np.ravel(codes[[a, b]])), np.ravel(codes[[4, 98]]), atol=0.1
    )
    assert 0.3 < codes[c, 0] < 0.7
    assert min(abs(codes[d] - codes[[a, b, c]])) > 0.15
    assert find_start(np.repeat(codes[:2], 50, axis=0), None) == [0, 50]


def test_categories_of_columns_are_in_natural_order(light, tmp_path, rng):
    names = [f"number {k % 12}" for k in range(60)]
    sizes = pd.Categorical(np.resize(["s", "m", "l"], 60), ["s", "m", "l"])
    X = pd.DataFrame({"name": names, "size": sizes, "x": rng.normal(size=60)})
    X.loc[3, "name"] = None
    ae = skae.AutoencoderTransformer(2, missing="mask", max_epochs=1, random_state=0)
    pipe = make_pipeline(TableEncoder(), ae).fit(X)
    X.loc[4, "name"] = "number 3b"
    explorer.write(pipe, X, tmp_path / "page.html")
    facts, parts = _unpack(tmp_path / "page.html")
    name, size, _ = facts["columns"]
    known = [f"number {k}" for k in range(12)]
    assert name["categories"] == [*known[:4], "number 3b", *known[4:]]
    assert size["categories"] == ["s", "m", "l"]
    found = np.frombuffer(parts["cells"], "<f8").reshape(60, 3)[:, 0]
    assert np.isnan(found[3])
    texts = [name["categories"][int(k)] for k in np.delete(found, 3)]
    assert texts == X["name"].drop(3).tolist()
    decoded = [name["categories"][k] for k in name["decoded"]]
    assert decoded == list(pipe[0].blocks_[0].categories)


def test_many_integers_are_numbers_and_not_classes():
    assert label_facts(np.arange(21))["classes"] is None
    assert len(label_facts(np.arange(20))["classes"]) == 20


def test_a_constant_code_can_be_shown(light, tmp_path, rng):
    X = np.ones((5, 4))
    ae = skae.AutoencoderTransformer(3, max_epochs=1, random_state=0).fit(X)
    explorer.write(ae, X, tmp_path / "page.html")
    facts, parts = _unpack(tmp_path / "page.html")
    assert facts["start"] == [0, 1]
    assert np.isfinite(parts["places"]).all()
    assert facts["spacing"] == [0] * 101


def _halve(X):
    return X / 2


def _double(X):
    return 2 * X


@pytest.mark.parametrize(
    "step",
    [
        StandardScaler(),
        MinMaxScaler((-1, 1)),
        MaxAbsScaler(),
        RobustScaler(),
        FunctionTransformer(_halve, _double),
        PCA(20, whiten=True),
        make_pipeline(StandardScaler(), PCA(10)),
    ],
    ids=lambda step: type(step).__name__,
)
def test_steps_before_the_autoencoder_are_undone(light, tmp_path, flat, step):
    _, X, _ = flat
    X = X + 1e4  # far from zero
    ae = skae.AutoencoderTransformer(2, max_epochs=1, random_state=0)
    pipe = make_pipeline(step, ae).fit(X)
    explorer.write(pipe, X, tmp_path / "page.html")
    facts, parts = _unpack(tmp_path / "page.html")
    rows = pipe[:-1].transform(X)
    if facts["back"]["is_matrix"]:
        matrix = np.frombuffer(parts["matrix"], "<f4").reshape(rows.shape[1], 64)
        found = rows @ matrix + facts["back"]["offset"]
    else:
        found = rows * facts["back"]["scale"] + facts["back"]["offset"]
    expected = pipe[:-1].inverse_transform(rows)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    levels = np.array(facts["levels"])
    samples = levels[np.frombuffer(parts["samples"], np.uint8)].reshape(60, 64)
    np.testing.assert_allclose(samples, X)
    units = [unit["effect"] for unit in facts["units"]]
    display = skae.TraversalDisplay.from_estimator(pipe, X)
    np.testing.assert_allclose(units, display.effects, rtol=1e-4)


def test_a_pipeline_of_images_keeps_their_layout(light, tmp_path, rng):
    X = rng.randint(0, 255, size=(20, 6, 5, 3)).astype(np.uint8)
    ae = skae.ConvAutoencoder(2, layout="channels_last", max_epochs=1, random_state=0)
    pipe = make_pipeline(FunctionTransformer(_halve, _double), ae).fit(X)
    explorer.write(pipe, X, tmp_path / "page.html")
    facts, parts = _unpack(tmp_path / "page.html")
    assert (facts["kind"], facts["shape"]) == ("image", [3, 6, 5])
    assert facts["channels_last"]
    np.testing.assert_allclose(facts["back"]["scale"], 2)
    samples = np.array(facts["levels"])[np.frombuffer(parts["samples"], np.uint8)]
    np.testing.assert_array_equal(samples, X.ravel())


def test_a_pca_before_the_autoencoder_is_undone_by_the_browser(page, tmp_path):
    X = load_wine(as_frame=True).data
    ae = skae.AutoencoderTransformer(2, max_epochs=5, random_state=0)
    steps = StandardScaler(), PCA(6, whiten=True), ae
    pipe = make_pipeline(*steps).fit(X)
    explorer.write(pipe, X, tmp_path / "page.html")
    browser = page(tmp_path / "page.html")
    browser.execute_script("moveTo([0.5, -0.3])")
    _settle(browser)
    shown = _shown(browser, "skae.shown.place")
    expected = pipe.inverse_transform(np.array([[0.5, -0.3]]))[0]
    np.testing.assert_allclose(shown / X.std(), expected / X.std(), atol=1e-4)


def test_detectors_and_densities_are_shown_as_their_estimator(light, tmp_path):
    X = load_wine(as_frame=True).data
    ae = skae.AutoencoderTransformer(2, max_epochs=1, random_state=0)
    scaled = make_pipeline(StandardScaler(), ae)
    detector = make_pipeline(StandardScaler(), skae.AnomalyDetector(ae)).fit(X)
    density = skae.LatentDensity(scaled, random_state=0).fit(X)
    inner = detector[-1].estimator_, density.estimator_[-1]
    for estimator, shown in zip((detector, density), inner, strict=True):
        explorer.write(estimator, X, tmp_path / "page.html")
        facts, parts = _unpack(tmp_path / "page.html")
        codes = shown.transform(StandardScaler().fit_transform(X))
        np.testing.assert_allclose(parts["places"], codes, atol=1e-5)
        names = [column["name"] for column in facts["columns"]]
        assert names == X.columns.tolist()
        np.testing.assert_allclose(facts["back"]["offset"], X.mean())


def test_steps_that_a_browser_cannot_undo_are_refused_by_name(flat, tmp_path):
    _, X, _ = flat
    ae = skae.AutoencoderTransformer(2, max_epochs=1)
    path = tmp_path / "page.html"
    bent = QuantileTransformer(n_quantiles=10)
    pipe = make_pipeline(StandardScaler(), bent, ae).fit(X)
    with pytest.raises(TypeError, match=r"QuantileTransformer cannot be undone by a"):
        explorer.write(pipe, X, path)
    columns = ColumnTransformer([("all", StandardScaler(), slice(0, 64))])
    pipe = make_pipeline(columns, ae).fit(X)
    with pytest.raises(TypeError, match="ColumnTransformer has no inverse_transform"):
        explorer.write(pipe, X, path)
    pipe = make_pipeline(ae, StandardScaler()).fit(X)
    with pytest.raises(TypeError, match=r"got StandardScaler\. If a Pipeline"):
        explorer.write(pipe, X, path)
    frame = pd.DataFrame(X[:, :3], columns=["a", "b", "c"])
    encoder = InvertibleColumnTransformer(
        make_column_transformer((bent, ["a", "b", "c"]))
    )
    pipe = make_pipeline(encoder, ae).fit(frame)
    with pytest.raises(TypeError, match=r"'a' cannot be decoded .* QuantileTr"):
        explorer.write(pipe, frame, path)
    assert not path.exists()


# What is refused ----------------------------------------------------------------------


def test_only_an_autoencoder_that_is_fitted_is_shown(flat, tmp_path):
    ae, X, _ = flat
    path = tmp_path / "page.html"
    pipe = make_pipeline(StandardScaler(), PCA(2)).fit(X)
    with pytest.raises(TypeError, match=r"but got PCA\. If a Pipeline has steps after"):
        explorer.write(pipe, X, path)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        explorer.write(make_pipeline(skae.AutoencoderTransformer(2)), X, path)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        explorer.write(skae.AutoencoderTransformer(2), X, path)
    with pytest.raises(ValueError, match=r"X has 63 features, but .* 64"):
        explorer.write(ae, X[:, :63], path)
    with pytest.raises(ValueError, match=r"X has 1 sample, but a blend takes two"):
        explorer.write(ae, X[:1], path)
    assert not path.exists()


def test_labels_of_another_length_are_refused(flat, tmp_path):
    ae, X, y = flat
    with pytest.raises(ValueError, match=r"labels has shape \(59,\), but X has 60"):
        explorer.write(ae, X, tmp_path / "page.html", y[:59])
    with pytest.raises(ValueError, match=r"shape \(60, 2\).*Pass one label for each"):
        explorer.write(ae, X, tmp_path / "page.html", np.stack([y, y], 1))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_samples": 1}, r"'max_samples' .* int in the range \[2, inf\). Got 1"),
        ({"max_samples": 2.5}, r"'max_samples' .* must be an int"),
        ({"layout": "image"}, r"'layout' .* must be a str among {.*'signal'"),
        ({"random_state": "a"}, r"'random_state' parameter of write must be an int"),
    ],
)
def test_parameters_of_other_kinds_are_refused(flat, tmp_path, wrong, message):
    ae, X, _ = flat
    with pytest.raises(ValueError, match=message):
        explorer.write(ae, X, tmp_path / "page.html", **wrong)


def test_labels_in_the_place_of_the_path_are_refused(flat):
    ae, X, y = flat
    with pytest.raises(ValueError, match=r"'path' parameter of write must be .*'str'"):
        explorer.write(ae, X, y, "page.html")


def test_the_runtime_is_the_one_that_its_readme_names():
    folder = files("skae.explorer") / "vendor" / "onnxruntime_web"
    recorded = dict(
        re.findall(r"\| `(.+?)` \| `(\w{64})` \|", (folder / "README.md").read_text())
    )
    assert len(recorded) == 2
    for name, digest in recorded.items():
        is_whole = (folder / name).is_file()
        stored = (folder / (name if is_whole else f"{name}.gz")).read_bytes()
        content = stored if is_whole else gzip.decompress(stored)
        assert hashlib.sha256(content).hexdigest() == digest
