"""The Memory view: every colour and number on it is that of the trace, whatever the order, the window or the text."""

from __future__ import annotations

import base64
import time
import zlib

import numpy as np
import pytest

from holdfast.studio.subject import MODELS
from tests.studio.looking import wait_until
from tests.studio.small_cells import shown, traced_lanes

TEXT = "I grew up in France. The soup was cold. So I speak fluent"

READY = """document.querySelector(".heat-map") && document.querySelector(".unit-facts dd")
  && document.querySelector(".coloured")?.style.backgroundColor
  && !document.querySelector(".claim").textContent.includes("…")"""

PIXELS = """([width, height]) => {
  const canvas = document.querySelector(".heat-map").cloneNode();
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(document.querySelector(".heat-map"), 0, 0);
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
  return Array.from({ length: height }, (_, row) => Array.from({ length: width }, (_, t) => {
    const x = Math.floor((t + 0.5) / width * canvas.width), y = Math.floor((row + 0.5) / height * canvas.height);
    return Array.from(data.slice(4 * (y * canvas.width + x), 4 * (y * canvas.width + x) + 3));
  }));
}"""

RAMP = """async (name) => {
  const { colour } = await import("/static/colour.js");
  return Array.from(new Uint8Array(colour.ramp(name).buffer));
}"""


@pytest.fixture(scope="module")
def trace():
    return traced_lanes(MODELS / "lstm", TEXT)


@pytest.fixture(scope="module")
def asked(client):
    """Return a function that gives the orders of the trace that the page asks for."""
    others = [TEXT.replace("France", country) for country in ("Germany", "Poland", "Turkey")]

    def order(by: str) -> dict:
        reply = client.post("/api/1/trace", json={"model": "lstm", "text": TEXT, "alternatives": others}).json()
        return client.get(f"/api/1/trace/{reply['id']}/order", params={"by": by}).json()

    return order


def look(page, studio, rest: str = "") -> None:
    """Open the view at the text, with room enough for all of the map."""
    packer = zlib.compressobj(wbits=-15)
    packed = base64.urlsafe_b64encode(packer.compress(TEXT.encode()) + packer.flush()).decode().rstrip("=")
    page.set_viewport_size({"width": 1280, "height": 1400})
    page.goto(studio.url(f"#v=memory&x={packed}{rest}"))
    wait_until(page, READY, 60)  # the first look loads torch
    page.wait_for_timeout(150)


def ramp(page, name: str) -> np.ndarray:
    return np.array(page.evaluate(RAMP, name)).reshape(256, 4)[:, :3]


def colours(page, name: str, values: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Return the colours [..., 3] of values on a ramp, by way of the bytes that the server sends."""
    code = 128 + np.rint(127 * values / scale) if name == "signed" else np.rint(255 * values)
    return ramp(page, name)[np.clip(code, 0, 255).astype(int)]


def pixels(page, shape: tuple[int, int]) -> np.ndarray:
    return np.array(page.evaluate(PIXELS, [shape[1], shape[0]]))


def near(found: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether colours are equal but for a value that lies between two bytes."""
    return bool((np.abs(found.astype(int) - wanted.astype(int)).max(axis=-1) <= 6).all())


def wait_until_near(page, wanted: np.ndarray, seconds: float = 15) -> None:
    """Wait until the map has these colours."""
    ends = time.monotonic() + seconds
    while not near(pixels(page, wanted.shape[:2]), wanted):
        assert time.monotonic() < ends, "the map has other colours"
        page.wait_for_timeout(20)


def legend_scale(page) -> float:
    return float(page.inner_text(".heat-legend span:last-child").replace("+", ""))


def test_pixels_are_the_values_of_the_trace_in_every_order(page, studio, trace, asked):
    look(page, studio, "&rows=one&sort=tau")
    gate, state = trace["f"].T, trace["c"].T
    for by in ("tau", "keeps", "index", "cluster"):
        page.select_option("select:has(option[value='cluster'])", by)
        page.wait_for_timeout(250)
        order = asked(by)["permutation"]
        assert near(pixels(page, state.shape), colours(page, "signed", state[order], legend_scale(page)))
    assert not np.array_equal(asked("tau")["permutation"], asked("keeps")["permutation"])
    page.click(".letter-tab[data-letter='f']")
    wait_until(page, "document.querySelector('.heat-legend').textContent.includes('forget')")
    page.wait_for_timeout(150)
    assert near(pixels(page, gate.shape), colours(page, "sequential", gate[asked("cluster")["permutation"]]))


def test_each_unit_on_its_own_scale(page, studio, trace, asked):
    look(page, studio, "&sort=index")
    state = trace["c"].T
    own = state / np.abs(state).max(axis=1, keepdims=True)
    assert near(pixels(page, state.shape), colours(page, "signed", own))
    assert "each row" in page.inner_text(".heat-legend")


def test_hover_names_the_value_and_a_click_moves_the_shared_cursor(page, studio, trace):
    look(page, studio, "&sort=index")
    box = page.locator(".heat-over").bounding_box()
    steps, units = trace["c"].shape
    for t, unit in ((4, 17), (12, 80)):
        at = (box["x"] + (t + 0.5) / steps * box["width"], box["y"] + (unit + 0.5) / units * box["height"])
        page.mouse.move(*at)
        wait_until(page, f"document.querySelector('.heat-reading').textContent.includes('unit {unit} ')")
        assert page.inner_text(".heat-reading").endswith(f"c = {shown(trace['c'][t, unit])}")
    page.mouse.click(*at)
    wait_until(page, "location.hash.includes('u=80') && location.hash.includes('t=12')")
    wait_until(page, "document.querySelector('.unit-panel h2').textContent === 'Unit 80'")
    assert page.inner_text(".coloured.here") == "I"


def test_dragging_zooms_and_a_double_click_shows_all(page, studio, trace):
    look(page, studio, "&rows=one&sort=index")
    state, box = trace["c"].T, page.locator(".heat-over").bounding_box()
    units, steps = state.shape
    page.mouse.move(box["x"] + 3.5 / steps * box["width"], box["y"] + 10.5 / units * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 8.5 / steps * box["width"], box["y"] + 29.5 / units * box["height"], steps=4)
    page.mouse.up()
    page.wait_for_timeout(150)
    part = state[10:30, 3:9]
    assert near(pixels(page, part.shape), colours(page, "signed", part, legend_scale(page)))
    page.click("text=Table")
    cells = page.eval_on_selector_all(
        ".heat-buttons ~ .table-wrap td", "nodes => nodes.map((node) => node.textContent)"
    )
    assert cells == [shown(value) for value in part.flat]
    page.locator(".heat-over").dblclick()
    page.wait_for_timeout(150)
    assert near(pixels(page, state.shape), colours(page, "signed", state, legend_scale(page)))


def test_difference_of_two_texts_is_on_a_scale_of_its_own(page, studio, trace):
    look(page, studio, "&rows=one&sort=index")
    page.select_option("select:has(option[value='Germany'])", "Germany")
    wait_until(page, "document.querySelector('.heat-legend').textContent.includes('minus')")
    page.wait_for_timeout(250)
    other = traced_lanes(MODELS / "lstm", TEXT.replace("France", "Germany"))["c"].T
    apart = trace["c"].T - other
    scale = legend_scale(page)
    assert scale == pytest.approx(np.abs(apart).max(), abs=0.006)
    assert near(pixels(page, apart.shape), colours(page, "signed", apart, scale))
    assert (pixels(page, apart.shape)[:, :4] == ramp(page, "signed")[128]).all()  # equal up to the word
    page.select_option("select:has(option[value='own']):has(option[value='one'])", "own")
    wait_until(page, "document.querySelector('.heat-legend').textContent.includes('each row')")
    largest = np.abs(apart).max(axis=1, keepdims=True)
    own = colours(page, "signed", apart / np.where(largest > 0, largest, 1))
    wait_until_near(page, own)
    page.click("[data-side='b']")
    wait_until(page, "document.querySelector('.coloured-text').textContent.includes('Germany')")
    page.wait_for_timeout(250)
    assert near(pixels(page, other.shape), colours(page, "signed", other, legend_scale(page)))


def test_words_have_the_colours_of_the_unit_and_copy_as_plain_text(page, studio, trace):
    look(page, studio, "&u=23&what=c")
    wait_until(page, "document.querySelector('.unit-panel h2').textContent === 'Unit 23'")
    page.wait_for_timeout(200)
    lane = trace["c"][:, 23]
    backs = page.eval_on_selector_all(
        ".coloured", "nodes => nodes.map((node) => getComputedStyle(node).backgroundColor.match(/\\d+/g).map(Number))"
    )
    table = ramp(page, "words")
    wanted = table[np.rint(127.5 * (1 + lane / np.abs(lane).max())).astype(int)]
    assert near(np.array(backs), wanted)
    copied = page.evaluate("""() => {
      getSelection().selectAllChildren(document.querySelector(".coloured-text"));
      return getSelection().toString();
    }""")
    assert copied == TEXT


def test_lanes_say_the_unit_at_the_word(page, studio, trace):
    look(page, studio, "&u=23&t=4")
    wait_until(page, "document.querySelectorAll('.lanes-value').length === 6")
    said = page.eval_on_selector_all(
        ".lanes-value", "nodes => nodes.map((node) => [node.dataset.letter, node.textContent])"
    )
    step = int(page.eval_on_selector(".coloured.here", "node => node.dataset.t"))
    unit = int(page.inner_text(".unit-panel h2").removeprefix("Unit "))
    assert dict(said) == {letter: shown(values[step, unit]) for letter, values in trace.items()}


def test_claim_is_the_sentence_computed_from_the_runs(page, studio, client):
    asked = {"model": "lstm", "text": TEXT, "word": "France", "others": ["Germany", "Poland", "Turkey"]}
    look(page, studio, "&u=3")
    wanted = client.post("/api/1/claim", json=asked).json()
    assert page.inner_text(".claim") == wanted["sentence"]
    assert "does not need long memory" in wanted["sentence"]
    assert (wanted["follow"], wanted["orders"]) == (8, False)
    page.click(".claim-notes button")
    wait_until(page, f"document.querySelector('.unit-panel h2').textContent === 'Unit {wanted['unit']}'")


def test_a_word_without_words_for_its_place_is_asked_for_them(page, studio):
    look(page, studio)
    claim = page.inner_text(".claim")
    page.fill("#find-word", "soup")
    assert page.input_value("#find-others") == ""
    page.click(".memory-find [type=submit]")
    assert "could stand in its place" in page.inner_text(".refused")
    page.fill("#find-word", "banana")
    page.click(".memory-find [type=submit]")
    assert "“banana” does not stand in the text" in page.inner_text(".refused")
    assert page.inner_text(".claim") == claim
    page.fill("#find-word", "France")
    assert page.input_value("#find-others") == "Germany, Poland, Turkey"
    page.click(".memory-find [type=submit]")
    wait_until(page, "location.hash.includes('sort=keeps') && !document.querySelector('.refused')")


def test_claim_sets_another_model_beside_only_where_other_orders_were_read(client):
    asked = {"model": "lstm", "word": "France", "others": ["Germany", "Poland", "Turkey"], "beside": "rnn"}
    few = (
        "I grew up in France. " + "The soup was cold. We saw the sea with Anna and the old dog. " + "So I speak fluent"
    )
    short = client.post("/api/1/claim", json={**asked, "text": few}).json()
    assert "RNN" not in short["sentence"]
    many = few.replace("The soup", "The book was old. Felix had a cat. I read it three times that year. The soup")
    found = client.post("/api/1/claim", json={**asked, "text": many}).json()
    assert found["orders"]
    assert found["sentence"].startswith("One cell of this LSTM (unit ")
    assert "The plain RNN lost it after" in found["sentence"]
    wrong = client.post("/api/1/claim", json={**asked, "text": "Nothing."})
    assert wrong.status_code == 422


def test_everything_is_reached_by_keyboard(page, studio, trace):
    look(page, studio, "&sort=index&u=5&t=3")
    page.focus(".heat-over")
    before = page.inner_text(".heat-reading")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    page.wait_for_timeout(400)
    step = int(page.eval_on_selector(".coloured.here", "node => node.dataset.t"))
    unit = int(page.inner_text(".unit-panel h2").removeprefix("Unit "))
    assert page.inner_text(".heat-reading") != before
    assert page.inner_text(".heat-reading").endswith(f"unit {unit} · c = {shown(trace['c'][step, unit])}")
    assert f"c = {shown(trace['c'][step, unit])}" in page.inner_text("#live")
    page.keyboard.press("+")
    page.keyboard.press("f")
    wait_until(page, "document.querySelector('.heat-legend').textContent.includes('forget')")


def test_thumbnails_stand_in_the_order_of_the_map(page, studio):
    look(page, studio, "&sort=index")
    pictures = "[...document.querySelectorAll('.letter-tab canvas')].map((canvas) => canvas.toDataURL())"
    empty = "document.createElement('canvas').toDataURL()"
    wait_until(page, f"(() => {{ const now = {pictures}; return new Set(now).size === now.length; }})()")
    before = page.evaluate(pictures)
    assert page.evaluate(empty) not in before
    for by, same in (("tau", 0), ("index", len(before))):
        page.select_option("select:has(option[value='cluster'])", by)
        equal = f"{pictures}.filter((picture, n) => picture === {before}[n]).length"
        wait_until(page, f"{equal} === {same}")


def test_a_second_text_may_be_emptied_while_it_is_typed(page, studio):
    look(page, studio)
    page.select_option("select:has(option[value='Germany'])", "own")
    wait_until(page, "location.hash.includes('&b=')")
    field = page.locator(".memory-other textarea")
    field.fill("")
    wait_until(page, "!location.hash.includes('&b=')")
    assert field.is_visible()
    page.keyboard.type("I grew up in Spain.")
    wait_until(page, "location.hash.includes('&b=')")
    assert field.input_value() == "I grew up in Spain."


@pytest.mark.parametrize("model", ["gru", "rnn"])
def test_other_cells_have_their_own_letters(page, studio, model):
    page.goto(studio.url(f"#v=memory&m={model}"))
    wait_until(page, READY, 60)  # the first look loads torch
    letters = page.eval_on_selector_all(".letter-tab", "nodes => nodes.map((node) => node.dataset.letter)")
    assert letters == {"gru": ["h", "z", "r", "n"], "rnn": ["h"]}[model]


def test_a_phone_has_room_for_it(page, studio):
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(studio.url("#v=memory"))
    wait_until(page, READY, 60)  # the first look loads torch
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.eval_on_selector(".heat-stage", "node => node.clientHeight") == 300


@pytest.mark.long
def test_a_text_of_almost_twenty_thousand_words(page, studio):
    text = " ".join(["I grew up in France . The soup was cold ."] * 1800)
    page.goto(studio.url("#v=memory"))
    wait_until(page, READY, 60)  # the first look loads torch
    page.click(".memory-words >> text=Edit text")
    page.evaluate("text => { const field = document.querySelector('#text'); field.value = text; }", text)
    page.click("#edit")
    wait_until(page, "CSS.highlights.has('bin-7') && document.querySelector('.heat-words')", 60)
    sizes = page.evaluate(
        "[...CSS.highlights].filter(([name]) => /bin-\\d/.test(name)).map(([, ranges]) => ranges.size)"
    )
    assert sum(sizes) == 19800
    page.focus(".heat-over")
    page.keyboard.press("End")
    wait_until(page, "document.querySelector('.heat-reading').textContent.startsWith('word 19800 ')")
