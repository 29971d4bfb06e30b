"""Take the image of the explorer that pages show before it is loaded.

``python tools/make_explorer_image.py`` writes ``docs/_static/explorer.webp`` of the
page that the site has. It needs chromium and its driver.
"""

import base64
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

DOCS = Path(__file__).parents[1] / "docs"
sys.path.insert(0, str(DOCS / "_ext"))

WIDTH, HEIGHT = 1280, 800
# A few samples far from each other, blended, and the cross at the mean code.
CHOOSE = """
const find = (digit) => facts.labels.values.findIndex((value) => value === digit);
choose([2, 8, 0].map(find));
"""

# Without a window chromium has no mouse, and the page would say "tap".
AS_WITH_A_MOUSE = "window.matchMedia = () => ({ matches: false });"


def main():
    from explorer_page import IMAGE, write_explorer

    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars"):
        options.add_argument(argument)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "explorer.html"
        write_explorer(path, DOCS / "gallery")
        browser = webdriver.Chrome(options=options)
        try:
            size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1}
            browser.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride", {**size, "mobile": False}
            )
            script = {"source": AS_WITH_A_MOUSE}
            browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
            browser.get(path.as_uri())
            ready = WebDriverWait(browser, 60)
            ready.until(lambda x: x.execute_script("return window.skae?.ready"))
            browser.execute_script(CHOOSE)
            time.sleep(2)  # the blends are drawn
            shot = browser.execute_cdp_cmd(
                "Page.captureScreenshot", {"format": "webp", "quality": 80}
            )
        finally:
            browser.quit()
    (DOCS / IMAGE).write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    main()
