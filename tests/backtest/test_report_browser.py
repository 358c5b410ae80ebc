"""Report in a browser: it draws everything, asks for nothing, complains of nothing and fits its screen."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from backtest.report.html import write_report
from backtest.report.palette import PALETTE

pytestmark = pytest.mark.browser

ORACLE = Path(__file__).resolve().parents[1] / "oracles" / "example_run.py"
DRAWN = "window.Bokeh && Bokeh.documents.length > 0 && Bokeh.documents.every(d => d.is_idle)"
HOSTILE = '<script>alert(1)</script><img src=x onerror=alert(1)>"$$x$$'
QUIET = "setting log level"


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine; install the package chromium to run this")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with api.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=program, args=flags)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("example_run", ORACLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    manifest, tables = module.example_run(names=(HOSTILE, "FB", "GOOG", "IBM", "MSFT"))
    return write_report(manifest, tables, tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture
def opened(browser, report):
    """Open the report on a screen; afterwards nothing may have been complained of or asked for."""
    complaints, requests, contexts = [], [], []

    def open_at(width, scheme):
        is_phone = width < 500
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            has_touch=is_phone,
            is_mobile=is_phone,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(report.as_uri())
        wait_until(page, DRAWN)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert [text for text in complaints if QUIET not in text] == []
    assert {url for url in requests if not url.startswith("data:")} == {report.as_uri()}


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (375, "light"), (375, "dark")]
)
def test_every_chart_is_drawn_and_the_page_never_scrolls_sideways(opened, width, scheme):
    page = opened(width, scheme)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    boxes = page.evaluate(
        "[...document.querySelectorAll('.canvas:not([hidden])')]"
        ".map(e => [e.id, e.getBoundingClientRect().width, e.firstElementChild?.shadowRoot != null])"
    )
    assert len(boxes) == 13
    assert all(250 < size <= width and drawn for _, size, drawn in boxes), boxes


def test_charts_take_the_colours_of_their_surroundings(opened):
    page = opened(1280, "light")
    labels = "Bokeh.documents[0].roots()[0].below[0].major_label_text_color"
    assert page.evaluate(labels) == PALETTE["muted"][0]
    page.emulate_media(color_scheme="dark")
    wait_until(page, f"{DRAWN} && {labels} === '{PALETTE['muted'][1]}'")
    assert page.evaluate("Bokeh.documents.length") == 1


def test_the_scale_switch_shows_the_logarithmic_twin(opened):
    page = opened(1280, "light")
    page.click("button[data-chart=chart-equity-log]")
    assert page.is_visible("#chart-equity-log")
    assert page.is_hidden("#chart-equity")
    assert page.get_attribute("button[data-chart=chart-equity-log]", "aria-pressed") == "true"


def test_pointing_at_a_curve_tells_its_values(opened):
    page = opened(1280, "light")
    page.locator("#chart-equity").scroll_into_view_if_needed()
    box = page.locator("#chart-equity").bounding_box()
    page.mouse.move(box["x"] + 500, box["y"] + 150)
    page.wait_for_selector(".bk-Tooltip", state="attached", timeout=10_000)
    told = page.evaluate("document.querySelector('.bk-Tooltip').shadowRoot.textContent")
    assert "ridge, net" in told


def test_a_hostile_name_is_told_as_text(opened):
    page = opened(1280, "light")
    page.locator("#chart-weights").scroll_into_view_if_needed()
    box = page.locator("#chart-weights").bounding_box()
    page.mouse.move(box["x"] + 500, box["y"] + 60)
    page.wait_for_selector(".bk-Tooltip", state="attached", timeout=10_000)
    assert page.evaluate("document.querySelectorAll('script').length") == 4
    assert (
        page.evaluate("document.querySelector('.bk-Tooltip').shadowRoot.querySelector('img, script')") is None
    )


def test_a_finger_scrolls_the_page_and_never_drags_a_chart(opened):
    page = opened(375, "light")
    assert page.evaluate("Bokeh.documents[0].roots().every(plot => plot.toolbar.active_drag === null)")


def wait_until(page, condition):
    """Wait by asking from outside: a page that may not evaluate text cannot poll itself."""
    for _ in range(600):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"after a minute it was not so: {condition}")
