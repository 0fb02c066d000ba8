"""The Completion view: it says what the language models and the clamp say in Python, and only of the last text."""

from __future__ import annotations

import threading

import pytest

from holdfast.inside import Clamp, clamp
from holdfast.studio.subject import MODELS
from holdfast.tasks.language.task import LanguageModel
from tests.studio.looking import wait_until
from tests.studio.small_cells import shown

TEXT = "I grew up in Poland. The soup was cold. So I speak fluent"
READY = "document.querySelectorAll('.next-words li').length >= 15"
OFFERED = "document.querySelectorAll('#forget-at option').length > 3"


@pytest.fixture(scope="module")
def models():
    return {name: LanguageModel.from_pretrained(MODELS / name) for name in ("lstm", "gru", "rnn")}


def look(page, studio, text: str = TEXT, rest: str = "") -> None:
    """Open the view and type a text."""
    page.goto(studio.url(f"#v=complete{rest}"))
    wait_until(page, READY, 60)  # the first look loads torch
    page.fill("#complete-text", text)
    wait_until(page, f"document.querySelector('#complete-text').value === {text!r}")
    page.wait_for_timeout(300)
    settled(page)


def settled(page) -> None:
    """Wait until the bars stand still."""
    last = None
    for _ in range(50):
        now = page.inner_text(".bar-cards")
        if now == last:
            return
        last = now
        page.wait_for_timeout(250)


def bars(page, model: str) -> list[list[str]]:
    return page.eval_on_selector_all(
        f"[data-model='{model}'] li:not(.next-gap)",
        """nodes => nodes.map((node) =>
          [node.querySelector(".next-word").textContent, node.querySelector(".number").textContent])""",
    )


def test_bars_are_what_each_model_says(page, studio, models):
    look(page, studio)
    for name, model in models.items():
        wanted = [[word, shown(p)] for word, p in model.complete(TEXT, top=5)]
        assert bars(page, name)[:5] == wanted
    assert bars(page, "lstm")[0][0] == "Polish"
    assert page.inner_text("[data-model='lstm'] .marked .next-word") == "Polish"
    assert page.inner_text("[data-model='rnn'] .marked .next-word") == "Polish"


def test_forgetting_changes_the_chance_as_the_clamp_says(page, studio, models):
    look(page, studio)
    wait_until(page, OFFERED)
    page.wait_for_timeout(1200)
    page.select_option("#forget-units", "96")
    page.select_option("#forget-at", "5")
    page.click("text=Forget there")
    wait_until(page, "document.querySelector('.forget-result').textContent")
    model = models["lstm"]
    before = dict(model.complete(TEXT, top=5))["Polish"]
    units = list(range(96))
    with clamp(model, [Clamp("modules_by_name.recurrent", 0, "forward", "f", units, 5, 0.0)]):
        after = dict(model.complete(TEXT, top=200)).get("Polish", 0.0)
    assert page.inner_text(".forget-result") == f"Polish {shown(before)} → {shown(after)}"
    assert after < before


def test_late_replies_are_dropped(page, studio):
    look(page, studio)
    held = threading.Event()

    def hold(route) -> None:
        if "Greece" in (route.request.post_data or "") and not held.is_set():
            held.set()
            page.wait_for_timeout(10)
            waiting.append(route)
        else:
            route.continue_()

    waiting: list = []
    page.route("**/api/1/complete", hold)
    page.fill("#complete-text", TEXT.replace("Poland", "Greece"))
    page.wait_for_timeout(600)
    page.fill("#complete-text", TEXT.replace("Poland", "Italy"))
    wait_until(page, "document.querySelector('[data-model=lstm] .next-word').textContent === 'Italian'")
    for route in waiting:
        route.continue_()
    page.wait_for_timeout(500)
    assert bars(page, "lstm")[0][0] == "Italian"
    page.unroute("**/api/1/complete")


def test_the_question_goes_out_at_once_when_typing_stops(page, studio):
    page.add_init_script("""
      window.asked = [];
      const ask = window.fetch;
      window.fetch = (...given) => {
        if (String(given[0]).includes("/complete")) window.asked.push(performance.now());
        return ask(...given);
      };
      addEventListener("input", () => { window.typed = performance.now(); window.asked.length = 0; }, true);
    """)
    look(page, studio)
    page.focus("#complete-text")
    page.keyboard.press("Control+End")
    page.keyboard.type(" and", delay=20)
    waited = wait_until(page, "window.asked.length && window.asked[0] - window.typed")
    assert 100 <= waited <= 300  # 150 on a machine with nothing else to do


def test_distractors_lengthen_the_text_and_unknown_words_are_named(page, studio, models):
    look(page, studio, TEXT.replace("soup", "zorp"))
    assert "zorp" in page.inner_text(".complete-unknown")
    page.focus("#distractors")
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    wait_until(page, "document.querySelector('.inserted')?.textContent.length > 20")
    settled(page)
    put_in = page.inner_text(".inserted")
    assert len(put_in.replace(".", " ").split()) == 30
    read = page.inner_text(".complete-read")
    wanted = [[word, shown(p)] for word, p in models["lstm"].complete(read, top=5)]
    assert bars(page, "lstm")[:5] == wanted


def test_the_curve_is_the_one_that_the_server_measured(page, studio):
    with page.expect_response("**/api/1/curve", timeout=60_000) as answer:
        page.goto(studio.url("#v=complete"))
    curves = answer.value.json()["curves"]
    wait_until(page, "document.querySelector('.claim').textContent.startsWith('With 200')")
    page.click(".chart-actions >> text=Table")
    rows = page.eval_on_selector_all(".chart-table tr", "nodes => nodes.map((node) => node.textContent)")
    assert any(shown(curves[0]["mean"][-1]) in row for row in rows)
    assert [curve["model"] for curve in curves] == ["lstm", "gru", "rnn"]
    assert "“French”" in page.inner_text(".claim")


def test_an_empty_text_asks_for_one(page, studio):
    look(page, studio)
    page.fill("#complete-text", "")
    wait_until(page, "document.querySelector('.claim').textContent.startsWith('Write the beginning')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_room_for_it(page, studio, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(studio.url("#v=complete"))
    wait_until(page, READY, 60)  # the first look loads torch
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_every_word_has_the_weight_that_the_attribution_gives_it(page, studio, client):
    look(page, studio)
    page.click("text=Show what the answer rests on")
    wait_until(page, "document.querySelectorAll('.rest-word').length > 0", 60)
    found = client.post("/api/1/attribute", json={"model": "lstm", "text": TEXT, "target": "Polish"}).json()
    said = page.eval_on_selector_all(".rest-word", "nodes => nodes.map((node) => node.title)")
    assert said == [
        f"{token}: {shown_signed(weight)}"
        for (token, *_), weight in zip(found["tokens"], found["weights"], strict=True)
    ]
    assert page.inner_text(".rest h2") == "What “Polish” rests on (LSTM)"


def shown_signed(value: float) -> str:
    """Write a weight as the page does: three decimals, with its sign."""
    text = f"{abs(value):.3f}"
    return text if float(text) == 0 else ("+" if value > 0 else "\u2212") + text
