"""The game in Chromium: every level by key presses, the page's numbers against Python's, what is kept."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from holdfast.studio.game.levels import GATES, LEVELS, Level, level_of
from holdfast.studio.game.page import write_game
from holdfast.studio.game.play import by_hand, by_player, by_rule, gather, pad, play, score
from holdfast.studio.game.streams import stream
from tests.studio.game_page import STATIC, play_by_hand, served, write_rule

LEVEL = pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
PLAYS_A_LEVEL = 100  # 1,000 in all


@pytest.fixture(scope="module")
def address():
    with served(STATIC) as root:
        yield root


@pytest.fixture(scope="module")
def shared(chromium, address):
    """One page for what only calculates in it."""
    page = chromium.new_page()
    page.goto(f"{address}/game.html")
    yield page
    page.close()


@pytest.fixture
def page(chromium, address):
    """A fresh page with nothing kept; errors in its console and requests to elsewhere fail the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    opened.on(
        "request",
        lambda request: None if request.url.startswith((address, "data:", "blob:")) else errors.append(request.url),
    )
    opened.address = address
    yield opened
    context.close()
    assert errors == []


def start(page: Any, level: int, mode: str = "hand") -> None:
    page.goto(f"{page.address}/game.html#lv={level}&gm={mode}")
    page.wait_for_selector(".g-chip[aria-current]")
    if mode == "watch":
        page.wait_for_selector(".g-choices button")
    else:
        page.wait_for_function("document.activeElement !== document.body")


def kept(page: Any) -> dict[str, Any]:
    return json.loads(page.evaluate("localStorage.getItem('holdfast.game.1')"))


def gates_by_rule(level: Level, seed: int) -> list[list[tuple[float, ...]]]:
    """What the level's rule does on one stream, card by card, as the solver's hand."""
    streams = gather(level, [seed])
    gates = play(level, streams, by_rule(level, level.rule)).gates[0]
    return [[tuple(cell) for cell in card] for card in gates.tolist()]


@LEVEL
def test_a_solver_earns_three_stars_by_key_presses(page, level):
    start(page, level.number)
    play_by_hand(page, gates_by_rule(level, 1))
    assert page.locator(".g-result").get_attribute("data-right") == "true"
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")  # along the tabs, to the rule
    page.keyboard.press("Tab")
    write_rule(page, level)
    has = kept(page)["stars"][str(level.number)]
    assert (has["hand"], has["rule"], has["fine"]) == (True, True, True), page.locator(".g-verdict").text_content()
    assert page.locator(".g-verdict-main").text_content().startswith("200 of 200")


@LEVEL
def test_gates_that_stay_as_they_are_earn_nothing(page, level):
    start(page, level.number)
    for value in ("", "0", "1"):
        page.keyboard.press("r")
        for cell in range(len(level.cells)):
            if cell:
                page.keyboard.press("Tab")
            for gate in GATES if value else "":
                page.keyboard.press(gate)
                page.keyboard.press(value)
        for _ in level.cells[1:]:
            page.keyboard.press("Shift+Tab")
        page.keyboard.press("h")
        assert page.locator(".g-result").get_attribute("data-right") == "false"
    assert not any(kept(page)["stars"][str(level.number)].values())


@LEVEL
def test_streams_and_losses_are_python_s(shared, level):
    draw = np.random.default_rng(level.number)
    seeds = list(range(PLAYS_A_LEVEL))
    streams = [stream(level, seed) for seed in seeds]
    gates = [draw.integers(0, 21, (len(cards), len(level.cells), 3)) for cards in streams]
    found = shared.evaluate(
        """async ([number, seeds, gates]) => {
          const files = ["./game-streams.js", "./levels.js", "./game-loss.js"];
          const [{ drawStream }, { LEVELS }, loss] = await Promise.all(files.map((name) => import(name)));
          const level = LEVELS[number - 1];
          return seeds.map((seed, n) => {
            const cards = drawStream(number, seed);
            const steps = loss.play(level, cards, loss.byHand(level, gates[n]));
            return { cards, loss: loss.balancedLoss([steps]), right: steps.every((step) => step.right) };
          });
        }""",
        [level.number, seeds, [play_gates.ravel().tolist() for play_gates in gates]],
    )
    for cards, own, theirs in zip(streams, gates, found, strict=True):
        assert theirs["cards"] == [
            {"row": card.row, "word": card.word, "g": list(card.g), "target": card.target} for card in cards
        ]
        batch = pad([cards], len(level.cells))
        expected = score(batch, play(level, batch, by_hand(own / 20)))
        assert theirs["loss"] == pytest.approx(expected.loss, abs=1e-9)
        assert theirs["right"] == bool(expected.right[0])


@LEVEL
def test_the_trained_gates_replay_as_in_python(shared, level):
    players = json.loads((STATIC / "game" / "players.json").read_text(encoding="utf-8"))["levels"][str(level.number)]
    cards = stream(level, 7)
    found = shared.evaluate(
        """async ([number, players]) => {
          const files = ["./game-streams.js", "./levels.js", "./game-loss.js"];
          const [{ drawStream }, { LEVELS }, loss] = await Promise.all(files.map((name) => import(name)));
          const cards = drawStream(number, 7);
          const level = LEVELS[number - 1];
          return Object.fromEntries(Object.entries(players).map(([step, player]) =>
            [step, loss.play(level, cards, loss.byPlayer(level, player)).map((one) => one.gates)]));
        }""",
        [level.number, players],
    )
    batch = pad([cards], len(level.cells))
    assert list(found) == ["0", "10", "50", "200", "800"]
    for step, weights in players.items():
        policy = by_player(np.array(weights["words"]), np.array(weights["recurrent"]))
        np.testing.assert_allclose(found[step], play(level, batch, policy).gates[0], atol=1e-12)


def test_undo_n_times_is_the_start(page):
    start(page, 7)
    begun = page.locator(".g-now").inner_html()
    for key in ("i", "1", "Enter", "Tab", "f", "ArrowUp", "o", "0", "Enter", "h", "r"):
        page.keyboard.press(key)
    assert page.locator(".g-now").inner_html() != begun
    presses = 0
    while page.locator("[data-act=undo]").is_enabled():
        page.keyboard.press("z")
        presses += 1
    assert presses == 7  # three gates, two steps, a hold and a reset
    page.locator(".g-bar").first.focus()
    assert (
        page.evaluate("document.querySelector('.g-strip-list').querySelectorAll('[data-state=hidden]').length")
        == len(stream(level_of(7), 1)) - 1
    )
    assert page.locator(".g-bar-value").all_text_contents() == ["0.50"] * 6


def test_progress_survives_a_reload_and_a_file(page, chromium, tmp_path):
    start(page, 1)
    play_by_hand(page, gates_by_rule(level_of(1), 1))
    page.reload()
    page.wait_for_selector(".g-chip[aria-current]")
    assert page.locator(".g-star[data-on=true]").count() == 1
    assert page.locator(".g-chip:enabled").count() == 3  # level 1 solved, two ahead open
    with page.expect_download() as download:
        page.get_by_role("button", name="Save game").click()
    file = tmp_path / "game.json"
    download.value.save_as(file)
    page.evaluate("localStorage.clear()")
    page.reload()
    assert page.locator(".g-star[data-on=true]").count() == 0
    page.locator(".g-file").set_input_files(file)
    page.wait_for_selector(".g-star[data-on=true]")
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")
    page.locator(".g-file").set_input_files(broken)
    page.wait_for_function("document.querySelector('.g-note').textContent.includes('no saved game')")
    assert page.locator(".g-star[data-on=true]").count() == 1


def test_the_bet_comes_before_the_reveal_and_the_slider_shows_training(page):
    start(page, 5)
    play_by_hand(page, gates_by_rule(level_of(5), 1))
    page.keyboard.press("l")
    assert page.locator("[data-ghost=yes]").count() == 0
    page.get_by_role("button", name="shut").click()
    assert "right" in page.locator(".g-bet-outcome").text_content()
    assert page.locator("[data-ghost=yes]").count() > 0
    assert page.locator("[data-ghost=ignored]").count() > 0  # f of the first card: there is nothing yet to forget
    end = page.locator(".g-stage-loss").text_content()
    slider = page.locator(".g-stages")
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    assert page.locator(".g-stage-text").text_content() == "after 0 steps of training"
    assert page.locator(".g-stage-loss").text_content() != end
    assert page.locator(".g-differences li").count() == 3


def test_tab_leaves_the_field_and_escape_does(page):
    start(page, 7)
    inside = "document.activeElement.closest('.g-now') !== null"
    page.keyboard.press("Tab")
    assert page.evaluate(inside)  # cell B
    page.keyboard.press("Tab")
    assert not page.evaluate(inside)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "tab"


def test_cards_of_ones_own_travel_in_the_address(page):
    start(page, 0)
    page.get_by_role("button", name="Add a card").click()
    page.get_by_label("Face of card 5").fill("<b>")
    page.keyboard.press("Enter")
    page.get_by_label("What card 5 wants").select_option("2")
    link = page.evaluate("location.href")
    page.evaluate("localStorage.clear()")
    page.goto("about:blank")
    page.goto(link)
    assert page.get_by_label("Face of card 5").input_value() == "<b>"
    assert page.locator(".g-col").count() == 5
    page.get_by_role("tab", name="By rule").click()
    assert page.locator(".g-table-card").all_text_contents() == ["▲", "·", "?", "<b>"]


def test_everything_fits_a_phone_and_has_a_name(page):
    page.set_viewport_size({"width": 360, "height": 740})
    for level, mode in ((1, "hand"), (10, "hand"), (10, "rule"), (8, "rule"), (4, "watch")):
        start(page, level, mode)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, (level, mode)
        small = page.evaluate(
            """() => [...document.querySelectorAll(".game button, .game [role=slider], .game summary")]
              .filter((item) => item.checkVisibility() && Math.min(item.offsetHeight, item.offsetWidth) < 44)
              .map((item) => item.textContent)"""
        )
        assert small == [], (level, mode)
        unnamed = page.evaluate(
            """() => [...document.querySelectorAll(".game button, .game [role=slider], .g-col")]
              .filter((item) => !(item.getAttribute("aria-label") || item.textContent.trim())).length"""
        )
        assert unnamed == 0


def test_one_file_plays_from_a_disk_without_a_network(chromium, tmp_path):
    file = tmp_path / "game.html"
    write_game(file)
    assert file.stat().st_size < 300_000
    context = chromium.new_context(offline=True)
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on(
        "request", lambda request: None if request.url.startswith(("file:", "data:")) else errors.append(request.url)
    )
    opened.goto(file.as_uri())
    opened.wait_for_function("document.activeElement !== document.body")
    play_by_hand(opened, gates_by_rule(level_of(1), 1))
    assert opened.locator(".g-result").get_attribute("data-right") == "true"
    opened.keyboard.press("l")
    opened.get_by_role("button", name="shut").click()
    assert "right" in opened.locator(".g-bet-outcome").text_content()
    context.close()
    assert errors == []


def test_the_result_is_plain_text_to_paste(page):
    start(page, 2)
    play_by_hand(page, gates_by_rule(level_of(2), 1))
    page.get_by_role("button", name="Copy result").click()
    page.wait_for_selector(".g-copied:visible")
    lines = page.locator(".g-copied").input_value().splitlines()
    dots = len(stream(level_of(2), 1)) - 2
    assert lines[:2] == ["Holdfast · You are the gates", "2 Latch ★☆☆"]
    assert lines[2:] == [f"f ▁{'█' * (dots + 1)}", f"i █{'▁' * (dots + 1)}", f"o {'▁' * (dots + 1)}█"]


def test_undo_in_the_rule_goes_back_to_where_the_change_was_made(page):
    start(page, 1)
    page.keyboard.press("Enter")
    page.get_by_role("tab", name="By rule").click()
    page.locator(".g-bar").first.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("z")
    assert page.locator(".g-bar-value").first.text_content() == "0.50"
    assert page.get_by_role("tab", name="By rule").get_attribute("aria-selected") == "true"
    page.keyboard.press("z")
    assert page.get_by_role("tab", name="By hand").get_attribute("aria-selected") == "true"


def test_two_tabs_keep_each_other_s_stars(page, chromium):
    start(page, 1)
    other = page.context.new_page()
    other.goto(f"{page.address}/game.html#lv=2")
    other.wait_for_selector(".g-chip[aria-current]")
    play_by_hand(page, gates_by_rule(level_of(1), 1))
    earned = kept(page)["stars"]["1"]
    assert earned["hand"]
    other.keyboard.press("Enter")
    assert kept(other)["stars"]["1"] == earned
    other.wait_for_function("document.querySelector('.g-chip-stars').textContent === '★☆☆'")


@pytest.mark.parametrize("part", ['"stars": null', '"stars": {}, "bets": {"2": {}}, "best": {"1": "no"}'])
def test_a_damaged_game_starts_afresh(page, part):
    start(page, 1)
    page.evaluate("game => localStorage.setItem('holdfast.game.1', game)", f'{{"format": "holdfast game 1", {part}}}')
    page.goto("about:blank")
    start(page, 2, "watch")
    assert page.locator(".g-choices button").count() > 1


def test_keys_count_after_a_click_elsewhere_and_after_a_button_hid_itself(page):
    start(page, 1)
    page.click(".g-goal")
    page.keyboard.press("i")
    page.keyboard.press("1")
    assert page.locator(".g-bar[data-part=i]").first.get_attribute("aria-valuenow") == "20"
    while page.locator("[data-act=step]").is_visible():
        page.locator("[data-act=step]").click()
    page.keyboard.press("r")
    page.locator("[data-act=step]").wait_for()
    assert page.evaluate("document.activeElement.closest('.g-field') !== null")
