"""The Completion view: it says what the language models and the clamp say in Python, and only of the last text."""

from __future__ import annotations

import threading

import pytest

from holdfast.inside import Clamp, clamp
from holdfast.studio.subject import MODELS
from holdfast.tasks.language.task import LanguageModel
from tests.studio.conftest import ROOT, start_studio, stop_studio
from tests.studio.looking import wait_until
from tests.studio.small_cells import shown

TEXT = "I grew up in Poland. The soup was cold. So I speak fluent"
READY = "document.querySelectorAll('.next-words li').length >= 15"
OFFERED = (
    "document.querySelectorAll('#forget-at option').length > 3 && !document.querySelector('.forget button').disabled"
)


@pytest.fixture(scope="module")
def models():
    return {name: LanguageModel.from_pretrained(MODELS / name) for name in ("lstm", "gru", "rnn")}


def look(page, studio, text: str = TEXT, rest: str = "") -> None:
    """Open the view and type a text."""
    page.goto(studio.url(f"#v=complete{rest}"))
    wait_until(page, READY, 60)  # the first look loads torch
    page.fill("#complete-text", text)
    settled(page, text)


def settled(page, text: str) -> None:
    """Wait until the bars are those of a text."""
    wait_until(page, f"document.querySelector('.bar-cards').dataset.read === {text!r}")


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
    wait_until(page, "document.querySelector('.inserted')?.textContent.split(' ').length > 28")
    put_in = page.inner_text(".inserted")
    assert len(put_in.replace(".", " ").split()) == 30
    read = page.inner_text(".complete-read")
    wanted = [[word, shown(p)] for word, p in models["lstm"].complete(read, top=5)]
    assert bars(page, "lstm")[:5] == wanted


def test_the_curve_is_the_one_that_the_server_measured(page, studio):
    with page.expect_response("**/api/1/curve", timeout=60_000) as answer:
        page.goto(studio.url("#v=complete"))
    curves = answer.value.json()["curves"]
    wait_until(page, "document.querySelector('.claim').textContent.includes('words after “')")
    page.click(".chart-actions >> text=Table")
    rows = page.eval_on_selector_all(".chart-table tr", "nodes => nodes.map((node) => node.textContent)")
    assert any(shown(curves[0]["mean"][-1]) in row for row in rows)
    assert [curve["model"] for curve in curves] == ["lstm", "gru", "rnn"]
    assert "206 words after “France”, “French” gets" in page.inner_text(".claim")  # 200, and those of the question
    assert curves[2]["mean"][0] > 0.5 > curves[2]["mean"][-1]  # the RNN knew it once


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


CURVE = "document.querySelector('.claim').textContent.includes('words after “')"


def right(page, models) -> bool:
    """Whether the bars of the LSTM are those of the text in the field."""
    text = page.input_value("#complete-text")
    settled(page, text)
    return bars(page, "lstm")[:5] == [[word, shown(p)] for word, p in models["lstm"].complete(text, top=5)]


def test_back_to_the_example_and_a_sentence_put_in_bring_their_own_answers(page, studio, models):
    look(page, studio)
    page.click("text=Insert a sentence at the caret")
    wait_until(page, f"document.querySelector('#complete-text').value.length > {len(TEXT) + 10}")
    assert right(page, models)
    page.locator(".complete-input").get_by_text("Back to the example").click()
    wait_until(page, "document.querySelector('#complete-text').value.includes('France')")
    assert right(page, models)
    assert bars(page, "lstm")[0][0] == "French"


def test_typed_text_outlives_every_other_control(page, studio):
    look(page, studio)
    page.fill("#complete-text", TEXT.replace("Poland", "Italy"))
    page.click("text=Other sentences")
    assert "Italy" in page.input_value("#complete-text")
    page.fill("#complete-text", TEXT.replace("Poland", "Greece"))
    page.focus("#distractors")
    page.keyboard.press("ArrowRight")
    wait_until(page, "location.hash.includes('c_d=5')")
    assert "Greece" in page.input_value("#complete-text")
    page.fill("#complete-text", TEXT)
    page.evaluate("document.querySelector('#theme').click()")  # without taking the focus
    assert page.input_value("#complete-text") == TEXT
    page.get_by_role("tab", name="Cell").click()
    wait_until(page, "document.querySelector('#words').textContent.includes('Poland')")


def test_going_back_leaves_the_earlier_state_as_it_was(page, studio):
    page.goto(studio.url("#v=cell&u=3&t=1"))
    wait_until(page, "document.querySelector('svg.cell-picture text')", 60)
    page.get_by_role("tab", name="Completion").click()
    wait_until(page, READY)
    page.fill("#complete-text", TEXT)
    settled(page, TEXT)
    page.locator("#distractors").focus()
    wait_until(page, "location.hash.includes('x=')")
    page.go_back()
    wait_until(page, "document.querySelector('svg.cell-picture text')")
    wait_until(page, "document.querySelector('#words').textContent.includes('France')")
    assert {"u=3", "t=1"} <= set(page.evaluate("location.hash.slice(1)").split("&"))
    assert "x=" not in page.evaluate("location.hash")


def test_forgetting_tells_the_chance_of_a_word_that_the_model_knows(page, studio, models):
    look(page, studio, rest="&c_w=Klingon&c_n=96&c_t=5")
    wait_until(page, OFFERED)
    page.click("text=Forget there")
    wait_until(page, "document.querySelector('.forget-result').textContent")
    with clamp(models["lstm"], [Clamp("modules_by_name.recurrent", 0, "forward", "f", list(range(96)), 5, 0.0)]):
        after = dict(models["lstm"].complete(TEXT, top=200))["Polish"]
    before = dict(models["lstm"].complete(TEXT, top=1))["Polish"]
    assert page.inner_text(".forget-result") == f"Polish {shown(before)} → {shown(after)}"


def test_a_curve_is_told_of_its_own_text_alone(page, studio):
    look(page, studio, rest="&c_w=Polish")
    wait_until(page, CURVE, 60)
    page.route("**/api/1/curve", lambda route: None)  # no answer comes
    page.fill("#complete-text", TEXT.replace("soup", "rain"))
    settled(page, TEXT.replace("soup", "rain"))
    assert page.inner_text(".claim").startswith("Next word: ")
    assert page.locator(".chart-line").count() == 0
    wait_until(page, "document.querySelector('.columns .note').textContent.startsWith('Filling')")
    page.fill("#complete-text", TEXT)
    settled(page, TEXT)
    page.unroute("**/api/1/curve")
    wait_until(page, CURVE, 60)


def test_a_model_of_another_task_leaves_the_completion_its_own_text(page):
    frozen = ROOT / "tests" / "tasks" / "frozen"
    studio = start_studio(frozen / "forecast-1", frozen / "language-1")
    try:
        with page.expect_response("**/api/1/complete", timeout=60_000) as answer:
            page.goto(studio.url("#v=complete&m=forecast-1"))
        assert answer.value.request.post_data_json["text"] == page.input_value("#complete-text")
        assert page.input_value("#complete-text").startswith("I grew up in France.")
        wait_until(
            page, "document.querySelector('.complete').textContent.includes('forecast-1 does not continue texts')"
        )
        assert "language-1 is asked." in page.inner_text(".complete")
        page.fill("#complete-text", "My own")
        page.click("[role=tab] >> nth=0")
        page.click("[role=tab]:has-text('Completion')")
        wait_until(page, "document.querySelector('#complete-text')?.value === 'My own'")
        assert "x=" not in page.url
        page.goto("about:blank")  # so that nothing is asked of a server that is gone
    finally:
        stop_studio(studio)


def test_another_model_forgets_with_its_own_units(page, studio, client, models):
    look(page, studio, rest="&c_w=Polish&u=3&c_n=5&c_t=5")
    wait_until(page, OFFERED)
    page.select_option("#model", "gru")
    wait_until(page, f"document.querySelector('.forget').textContent.includes('update gate') && {OFFERED}")
    page.click("text=Forget there")
    wait_until(page, "document.querySelector('.forget-result').textContent")
    others = [TEXT.replace("Poland", country) for country in ("France", "Germany", "Turkey")]
    reply = client.post("/api/1/trace", json={"model": "gru", "text": TEXT, "alternatives": others}).json()
    units = client.get(f"/api/1/trace/{reply['id']}/order", params={"by": "keeps"}).json()["permutation"][:5]
    before = dict(models["gru"].complete(TEXT, top=1))["Polish"]
    with clamp(models["gru"], [Clamp("modules_by_name.recurrent", 0, "forward", "z", units, 5, 0.0)]):
        after = dict(models["gru"].complete(TEXT, top=200)).get("Polish", 0.0)
    assert page.inner_text(".forget-result") == f"Polish {shown(before)} → {shown(after)}"


@pytest.fixture
def tagger():
    running = start_studio(ROOT / "tests" / "tasks" / "frozen" / "tag-1")
    yield running
    stop_studio(running)


def test_where_no_model_continues_texts_the_own_text_stays(tagger, page):
    page.goto(tagger.url("#v=cell"))
    page.click("#edit", timeout=60_000)
    page.fill("#text", "Alice saw Paris. Bob saw Rome.")
    page.click("#edit")
    page.get_by_role("tab", name="Completion").click()
    wait_until(page, "document.querySelector('.claim').textContent.startsWith('None of the open models')")
    page.get_by_role("tab", name="Cell").click()
    wait_until(page, "document.querySelector('svg.cell-picture text')", 60)
    assert page.inner_text("#words") == "Alice saw Paris. Bob saw Rome."
    assert "x=" in page.evaluate("location.hash")
