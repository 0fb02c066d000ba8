"""All five views for those who hear the page, steer it by keys, enlarge it, or set colours and motion themselves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

VIEWS = ("cell", "memory", "gradient", "complete", "game")
READY = {
    "cell": ".cell-picture text",
    "memory": "canvas",
    "gradient": ".chart-line",
    "complete": ".bar-card",
    "game": ".g-field",
}
LOOKS = [
    pytest.param("light", 1280, id="light-1280"),
    pytest.param("dark", 360, id="dark-360"),
    pytest.param("dark", 1280, id="dark-1280", marks=pytest.mark.long),
    pytest.param("light", 360, id="light-360", marks=pytest.mark.long),
]
RUN_AXE = """() => axe.run(document, {resultTypes: ["violations"]}).then((found) => found.violations.map((one) => ({
  impact: one.impact, id: one.id, help: one.help, nodes: one.nodes.map((node) => node.target.join(" ")) })))"""
FOCUSED = """() => {
  const element = document.activeElement;
  const box = element.getBoundingClientRect();
  const style = getComputedStyle(element);
  return { name: element.id || element.className.baseVal || element.className || element.tagName, tag: element.tagName,
    seen: box.width > 0 && box.height > 0, ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 };
}"""
WATCH_TIMES = """() => {
  window.times = [];
  const svg = document.querySelector(".cell-picture");
  new MutationObserver(() => {
    if (window.times.at(-1) !== svg.dataset.time) window.times.push(svg.dataset.time);
  }).observe(svg, {attributes: true, attributeFilter: ["data-time"]});
}"""
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def axe_source() -> str:
    package = pytest.importorskip("axe_playwright_python", reason="axe-core comes with axe-playwright-python")
    (path,) = Path(package.__file__).parent.rglob("axe.min.js")
    return path.read_text(encoding="utf-8")


def open_view(page, studio, view):
    page.goto(studio.url(f"#v={view}"))
    page.wait_for_selector(READY[view], timeout=60_000)
    page.locator(".opening-now").wait_for(state="detached", timeout=60_000)
    page.wait_for_timeout(300)


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_axe_finds_nothing_serious_on_any_view(page, studio, theme, width):
    source = axe_source()
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 800})
    found = []
    for view in VIEWS:
        open_view(page, studio, view)
        page.evaluate(source)
        found += [(view, one) for one in page.evaluate(RUN_AXE) if one["impact"] in ("serious", "critical", "moderate")]
    assert found == []


def test_tab_goes_through_the_page_in_its_order_with_a_ring_and_never_gets_stuck(page, studio):
    open_view(page, studio, "gradient")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED)["name"] == "skip"
    names = []
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused["tag"] == "BODY":
            break
        assert focused["seen"], focused
        assert focused["ring"], focused
        names.append(focused["name"])
    else:
        pytest.fail("Tab does not come out of the page")
    order = ["tab-gradient", "model", "share", "theme", "help", "chart-frame", "gradient-train"]
    places = [next(k for k, name in enumerate(names) if wanted in name) for wanted in order]
    assert places == sorted(places)


def test_skip_link_leads_past_the_header(page, studio):
    open_view(page, studio, "gradient")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate(FOCUSED)["name"] == "view"
    page.keyboard.press("Tab")
    assert "chart-frame" in page.evaluate(FOCUSED)["name"]


def test_arrow_keys_choose_the_view_and_the_title_says_which(page, studio):
    open_view(page, studio, "complete")
    page.locator("#tab-complete").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(READY["game"])
    assert page.title().startswith("Game")
    assert page.locator("#tab-game").get_attribute("aria-selected") == "true"
    assert page.locator("#view").get_attribute("aria-labelledby") == "tab-game"
    page.keyboard.press("Home")
    page.wait_for_selector(READY["cell"])
    assert page.evaluate(FOCUSED)["name"].startswith("tab")


def test_live_region_says_the_word_and_its_gate(page, studio):
    open_view(page, studio, "cell")
    page.locator("#view").focus()
    page.keyboard.press("Shift+ArrowRight")
    live = page.locator("#live")
    live.filter(has_text=re.compile(r"\w")).wait_for(state="attached", timeout=20_000)
    said = live.inner_text()
    assert re.search(r"word 6|Unit|unit", said), said
    assert re.search(r"\d", said)


def test_charts_are_read_value_by_value(page, studio):
    open_view(page, studio, "gradient")
    chart = page.get_by_role("slider", name=re.compile("gradient", re.IGNORECASE)).first
    chart.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert chart.get_attribute("aria-valuetext").startswith("1 step back: LSTM")
    assert chart.get_attribute("aria-valuenow") == "1"


@pytest.mark.parametrize("view", VIEWS)
def test_200_percent_zoom_scrolls_one_way_only(page, studio, view):
    page.set_viewport_size({"width": 640, "height": 400})  # what a window of 1280 x 800 shows at 200 %
    open_view(page, studio, view)
    assert page.evaluate(SIDEWAYS) <= 0


def test_forced_colours_leave_lines_and_texts_to_be_seen(page, studio):
    page.emulate_media(forced_colors="active")
    open_view(page, studio, "gradient")
    ground = page.evaluate("getComputedStyle(document.querySelector('.panel')).backgroundColor")
    for selector, property in ((".chart-line", "stroke"), (".chart-axes text", "fill"), (".gradient-train", "color")):
        assert page.evaluate(f"getComputedStyle(document.querySelector('{selector}')).{property}") != ground
    open_view(page, studio, "cell")
    for text in ("Forget gate", "Input gate"):
        assert page.locator(f".cell-picture [aria-label^='{text}']").first.is_visible()


def test_reduced_motion_changes_phases_without_moving(page, studio):
    page.emulate_media(reduced_motion="reduce")
    open_view(page, studio, "cell")
    page.locator("#view").focus()
    page.evaluate(WATCH_TIMES)
    page.keyboard.press("1")
    page.wait_for_timeout(1000)
    assert page.evaluate("window.times") == ["2"]  # where the phase rests, and nothing on the way there
    assert page.evaluate("document.getAnimations().filter((one) => one.playState === 'running').length") == 0
