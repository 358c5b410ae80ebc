"""Report in a browser: it draws everything, asks for nothing, complains of nothing and fits its screen."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from backtest.report.html import write_report
from backtest.report.palette import PALETTE

pytestmark = pytest.mark.browser

ORACLES = Path(__file__).resolve().parents[1] / "oracles"
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
    manifest, tables = oracle("example_run").example_run(names=(HOSTILE, "FB", "GOOG", "IBM", "MSFT"))
    return write_report(manifest, tables, tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture(scope="module")
def liquidity_report(tmp_path_factory):
    manifest, tables = oracle("example_liquidity_run").example_liquidity_run()
    tables["actions"]["reason"] = tables["ranges"]["reason"] = HOSTILE
    return write_report(manifest, tables, tmp_path_factory.mktemp("report") / "liquidity.html")


def oracle(name):
    spec = importlib.util.spec_from_file_location(name, ORACLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def opened(visit, report):
    """Open the report of a run that trades on a screen."""
    return lambda width, scheme: visit(report, width, scheme)


@pytest.fixture
def visit(browser):
    """Open a report on a screen; afterwards nothing may have been complained of or asked for."""
    complaints, requests, contexts, visited = [], [], [], set()

    def open_at(report, width, scheme):
        visited.add(report.as_uri())
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
    assert {url for url in requests if not url.startswith("data:")} == visited


SCREENS = pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (375, "light"), (375, "dark")]
)


@SCREENS
def test_every_chart_is_drawn_and_the_page_never_scrolls_sideways(opened, width, scheme):
    check_drawn(opened(width, scheme), width, charts=13)


@SCREENS
def test_every_chart_of_liquidity_is_drawn_too(visit, liquidity_report, width, scheme):
    page = visit(liquidity_report, width, scheme)
    check_drawn(page, width, charts=7)
    assert page.locator("h1").inner_text() == "No edge shown against holding the same tokens."
    assert page.evaluate("document.querySelectorAll('script').length") == 4


def check_drawn(page, width, charts):
    """Check that this many charts are drawn in the width of the screen."""
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    boxes = page.evaluate(
        "[...document.querySelectorAll('.canvas:not([hidden])')]"
        ".map(e => [e.id, e.getBoundingClientRect().width, e.firstElementChild?.shadowRoot != null])"
    )
    assert len(boxes) == charts
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


def test_pointing_at_a_range_tells_why_it_was_placed(visit, liquidity_report):
    page = visit(liquidity_report, 1280, "light")
    page.locator("#chart-ranges").scroll_into_view_if_needed()
    box = page.locator("#chart-ranges").bounding_box()
    page.mouse.move(box["x"] + 150, box["y"] + 165)
    page.wait_for_selector(".bk-Tooltip", state="attached", timeout=10_000)
    told = page.evaluate(
        "[...document.querySelectorAll('.bk-Tooltip')].map(t => t.shadowRoot.textContent).join()"
    )
    assert "Price" in told or "Why" in told
    assert (
        page.evaluate("document.querySelector('.bk-Tooltip').shadowRoot.querySelector('img, script')") is None
    )


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
