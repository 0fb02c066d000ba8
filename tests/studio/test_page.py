"""The page around the views: the address as state, the text line, the tour, and what it says when things go wrong."""

from __future__ import annotations

import json

import pytest

from holdfast.studio.pages import STATIC
from tests.studio.conftest import start_studio, stop_studio
from tests.studio.looking import wait_until

HELD = "Number((document.querySelector('.held').textContent.match(/\\d+|One/) ?? ['0'])[0].replace('One', '1'))"
VIEWS = ["cell", "memory", "gradient", "complete", "game"]
TOUR = json.loads((STATIC / "tours" / "france.json").read_text(encoding="utf-8"))
STRIP = "(document.querySelector('canvas.strip').getAttribute('aria-valuetext') ?? '')"


def open_cell(page, studio, fragment: str = "v=cell&u=3&t=1") -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(studio.url("#" + fragment))
    page.wait_for_selector("svg.cell-picture text", timeout=30_000)


def edit_text(page, text: str) -> None:
    page.click("#edit")
    page.fill("#text", text)
    page.click("#edit")


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_opens_by_its_address(view, page, studio):
    page.goto(studio.url("#v=" + view))
    page.wait_for_selector(f"main .view-{view}", state="attached", timeout=30_000)
    page.wait_for_timeout(500)  # for what the view asks of the server, whose failure would fail the test
    assert page.get_attribute(f"#tab-{view}", "aria-selected") == "true"
    assert "token" not in page.url


def test_tabs_are_walked_by_arrow_keys_and_the_way_back_leads_to_the_last_view(page, studio):
    open_cell(page, studio)
    page.focus("#tab-cell")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("main .view-memory")
    assert page.evaluate("document.activeElement.id") == "tab-memory"
    page.go_back()
    page.wait_for_selector("main .view-cell")


def test_the_game_s_keys_count_as_soon_as_its_tab_is_chosen(page, studio):
    open_cell(page, studio)
    page.click("#tab-game")
    page.wait_for_selector("main .g-bar[data-part=i]")
    page.keyboard.press("i")
    page.keyboard.press("1")
    bar = page.locator("main .g-bar[data-part=i]").first
    assert bar.get_attribute("aria-valuenow") == "20"
    page.click("#tab-game")
    page.keyboard.press("ArrowDown")
    assert bar.get_attribute("aria-valuenow") == "15"
    assert page.get_attribute("#tab-game", "aria-selected") == "true"


def test_the_game_s_bars_are_above_its_button_on_a_phone(page, studio):
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(studio.url("#v=game"))
    page.wait_for_selector("main .g-bar")
    ends = "Math.max(...[...document.querySelectorAll('.g-bar')].map((bar) => bar.getBoundingClientRect().bottom))"
    wait_until(page, f"{ends} <= document.querySelector('.g-go').getBoundingClientRect().top")


@pytest.mark.parametrize("text", ["Tell me 🙂 where naïve cats <script>alert(1)</script> sleep", "كان يا ما كان cat"])
def test_an_edited_text_lives_in_the_address_and_survives_a_reload(text, page, studio):
    open_cell(page, studio)
    edit_text(page, text)
    wait_until(page, "location.hash.includes('x=')")
    wait_until(page, "document.querySelector('#words .word.unknown')")
    page.reload()
    page.wait_for_selector("#words .word", timeout=30_000)
    assert page.text_content("#words") == text
    words = page.eval_on_selector_all("#words .word", "spans => spans.map((span) => span.textContent)")
    assert "cat" in " ".join(words)
    assert text.replace(" ", "").startswith("".join(words[:3]))
    page.click("#reset")
    wait_until(page, "!location.hash.includes('x=') && document.querySelector('#words').textContent.includes('France')")


@pytest.mark.long
def test_a_long_text_stays_in_the_tab_and_is_one_text_node_with_highlights(page, studio):
    words = [f"w{n * n % 9973}" for n in range(3200)]
    open_cell(page, studio)
    edit_text(page, " ".join(words))
    wait_until(page, "CSS.highlights.has('word-now')", seconds=30)
    assert page.evaluate("document.querySelector('#words').childNodes.length") == 1
    wait_until(page, "location.hash.includes('x=~') || location.hash.includes('x=%7E')")
    assert len(page.evaluate("location.hash")) < 300
    assert page.text_content("#words") == " ".join(words)


def test_a_click_on_a_word_and_on_the_strip_move_the_cursor(page, studio):
    open_cell(page, studio)
    page.click("#words .word >> nth=7")
    wait_until(page, f"{STRIP}.startsWith('word 8 ')")
    page.focus("canvas.strip")
    page.keyboard.press("ArrowLeft")
    wait_until(page, f"{STRIP}.startsWith('word 7 ')")


def test_the_tour_shows_what_it_says(page, studio):
    open_cell(page, studio, "v=cell")
    page.click("#tour-start")
    values = {}
    for number, step in enumerate(TOUR["steps"]):
        assert len(step["text"].split()) <= 45
        wait_until(page, f"document.querySelector('.tour h2')?.textContent.endsWith({json.dumps(step['title'])})")
        t = int(step["fragment"].split("&t=")[1].split("&")[0])
        clamps = step["fragment"].count(",f,")
        wait_until(page, f"{STRIP}.startsWith('word {t + 1} ')")
        wait_until(page, f"{HELD} === {clamps}")
        chips = {
            one[0]: float(one[2:].replace("\u2212", "-"))
            for one in page.locator("[data-chip] text").all_text_contents()
        }
        best = page.text_content(".next-row .next-word")
        values[number] = chips | {"best": best, "share": page.text_content(".next-row .number")}
        if number < len(TOUR["steps"]) - 1:
            page.click("#tour-next")
    assert values[0]["i"] > 0.8
    assert values[1]["f"] > 0.99
    assert values[1]["i"] < 0.05
    assert values[2]["o"] < 0.05
    assert values[3]["i"] < 0.05
    assert values[4]["o"] > 0.9
    assert values[4]["best"] == "French"
    assert values[5]["best"] == "French"
    assert values[6]["best"] != "French"
    page.click("#tour-next")
    wait_until(page, "!document.querySelector('.tour') && !location.hash.includes('cl=')")


def test_the_theme_is_remembered_and_help_lists_the_keys(page, studio):
    open_cell(page, studio)
    before = page.evaluate("document.documentElement.dataset.theme")
    page.click("#theme")
    page.reload()
    page.wait_for_selector("#theme")
    assert page.evaluate("document.documentElement.dataset.theme") != before
    page.wait_for_selector("svg.cell-picture text", timeout=30_000)
    page.keyboard.press("?")
    assert "play or pause" in page.text_content("dialog[open]")
    page.keyboard.press("Escape")


def test_the_system_s_theme_is_told_to_all(page, studio):
    page.emulate_media(reduced_motion="reduce", color_scheme="light")
    page.goto(studio.url("#v=cell&u=3&t=1"))
    page.wait_for_selector("#theme[aria-label='Dark colours']")
    page.emulate_media(reduced_motion="reduce", color_scheme="dark")
    page.wait_for_selector("#theme[aria-label='Light colours']")


@pytest.mark.parametrize("fragment", ["v=constructor&u=1.5&t=1.5", "l=-2&t=-7&u=9999&ph=77", "v=toString&l=0.5&d=up"])
def test_a_fragment_of_nonsense_opens_the_cell(fragment, page, studio):
    open_cell(page, studio, fragment)
    assert page.get_attribute("#tab-cell", "aria-selected") == "true"
    assert page.locator(".problem").count() == 0


def test_share_says_when_the_text_is_not_in_the_address_and_the_address_when_it_is_missing(page, studio):
    open_cell(page, studio)
    edit_text(page, " ".join(f"w{n * n}" for n in range(1500)))
    wait_until(page, "decodeURIComponent(location.hash).includes('x=~')")
    page.click("#share")
    page.wait_for_selector("text=copied, without the text >> visible=true")
    page.evaluate("sessionStorage.clear()")
    page.reload()
    wait_until(page, "document.querySelector('.reader-note')?.textContent.includes('kept in another tab')")


def test_the_tour_leaves_the_focus_in_the_page_and_is_not_in_an_exported_file(page, studio):
    open_cell(page, studio, "v=cell")
    page.click("#tour-start")
    page.wait_for_selector("#tour-next")
    page.click("#tour-next")
    wait_until(page, "!document.querySelector('#tour-back').disabled")
    page.click("#tour-back")
    wait_until(page, "document.activeElement.id === 'tour-next'")
    page.focus("#view")
    with page.expect_download(timeout=60_000) as download:
        page.keyboard.press("x")
    assert "tour=france" not in download.value.path().read_text(encoding="utf-8")
    page.click("#tour-end")
    wait_until(page, "document.activeElement.id === 'view'")


def test_a_lost_server_shows_a_banner_and_what_was_fetched_stays_usable(page, studio, expected):
    expected.append("ERR_FAILED|Failed to load resource")
    open_cell(page, studio, "v=cell&u=3&t=1")
    wait_until(page, f"{STRIP}.startsWith('word 2 ')")
    page.route("**/api/**", lambda route: route.abort())
    page.focus("#view")
    page.keyboard.press("Shift+ArrowRight")
    wait_until(page, f"{STRIP}.startsWith('word 3 ')")
    page.keyboard.press("u")
    page.wait_for_selector("#banner:not([hidden])")
    page.unroute("**/api/**")
    page.wait_for_selector("#banner", state="hidden")
    wait_until(page, "document.querySelector('.unit-number').value === '4'")


def test_a_server_that_was_started_anew_leaves_the_picture_and_says_where_the_new_address_is(page, studio, expected):
    expected.append("403")
    open_cell(page, studio, "v=cell&u=3&t=1")
    cookies = page.context.cookies()
    page.context.clear_cookies()  # as good as another server on the same port, which has another pass
    edit_text(page, "I grew up in Spain . It rained .")
    page.wait_for_selector("#banner:not([hidden])")
    assert "started anew" in page.text_content("#banner")
    assert "terminal" in page.text_content("#banner")
    assert page.query_selector("svg.cell-picture text") is not None
    assert page.query_selector(".problem") is None
    page.context.add_cookies(cookies)  # the new address was opened in another tab
    page.wait_for_selector("#banner", state="hidden")
    wait_until(page, "document.querySelector('#words').textContent.includes('Spain')")
    wait_until(page, "document.querySelector('canvas.strip').getAttribute('aria-valuemax') === '9'")


@pytest.mark.long
def test_a_broken_model_is_listed_and_the_others_work(chromium, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}", encoding="utf-8")
    running = start_studio(broken, STATIC.parent / "models" / "rnn")
    try:
        context = chromium.new_context()
        opened = context.new_page()
        opened.goto(running.url("#v=cell"))
        opened.wait_for_selector("svg.cell-picture text", timeout=30_000)
        assert opened.locator("#model option:disabled").count() == 1
        assert opened.locator("#model option:not(:disabled)").count() == 1
        context.close()
    finally:
        stop_studio(running)
