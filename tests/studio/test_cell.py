"""The Cell view: every number on it equals the trace, and its picture depends on nothing but frame and time."""

from __future__ import annotations

import base64
import json
import zlib

import numpy as np
import pytest

from tests.studio.conftest import RunningStudio, start_studio, stop_studio
from tests.studio.looking import wait_until
from tests.studio.small_cells import CELLS, TEXT, save_small_model, shown, traced_lanes

WIDTHS = {360: 780, 768: 1024, 1440: 900}
UNIT, STEP = 2, 6

DRAW_BOTH_WAYS = """async ([frame, compact]) => {
  const { draw } = await import("/static/cell.js");
  const times = Array.from({ length: 13 }, (_, n) => n / 2);
  const picture = () => document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const one = picture();
  const seen = (svg, time) => { draw(svg, frame, time, { compact }); return svg.outerHTML; };
  const forward = times.map((time) => seen(one, time));
  const backward = times.toReversed().map((time) => seen(one, time)).toReversed();
  const fresh = times.map((time) => seen(picture(), time));
  return { forward, backward, fresh };
}"""

OVERLAPS = """() => {
  const texts = [...document.querySelectorAll("svg.cell-picture text")]
    .filter((node) => node.textContent.trim() && !node.closest(".wait"))
    .map((node) => [node.textContent, node.getBoundingClientRect()]);
  const found = [];
  texts.forEach(([a, p], n) => texts.slice(n + 1).forEach(([b, q]) => {
    const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left);
    const high = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
    if (wide > 0.5 && high > 0.35 * Math.min(p.height, q.height)) found.push([a, b]);
  }));
  return found;
}"""

DRAW_ALONE = """async ([frame, width]) => {
  const { draw } = await import("/static/cell.js");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const box = document.createElement("div");
  box.style.width = width + "px";
  box.append(svg);
  document.body.replaceChildren(box);
  draw(svg, frame, 6, { compact: width < 680 });
}"""

SMALLEST_TEXT = """() => Math.min(...[...document.querySelectorAll("svg.cell-picture text:not(.index)")]
  .filter((node) => node.textContent)
  .map((node) => parseFloat(getComputedStyle(node).fontSize) * node.ownerSVGElement.getScreenCTM().a))"""

LOOSE_ENDS = """() => {
  const svg = document.querySelector("svg.cell-picture");
  const box = svg.viewBox.baseVal;
  const shapes = [...svg.querySelectorAll("rect.layer, .op, .ring, .projection")].map((shape) => shape.getBBox());
  const wires = [...svg.querySelectorAll("path.wire")].filter((wire) => !wire.closest(".ghost"));
  const along = wires.map((wire) => {
    const length = wire.getTotalLength();
    return Array.from({ length: Math.ceil(length) + 1 }, (_, n) => wire.getPointAtLength(Math.min(n, length)));
  });
  const loose = [];
  wires.forEach((wire, k) => {
    for (const end of [along[k][0], along[k].at(-1)]) {
      if (end.x <= 24.5 || end.x >= 929) continue;
      const inShape = shapes.some((b) => end.x > b.x - 2 && end.x < b.x + b.width + 2
        && end.y > b.y - 2 && end.y < b.y + b.height + 2);
      const onWire = along.some((points, n) => n !== k && points.some((p) => Math.hypot(p.x - end.x, p.y - end.y) < 2));
      if (!inShape && !onWire) loose.push([wire.dataset.wire, end.x, end.y]);
    }
  });
  return loose;
}"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return the folder of a small saved model by its cell."""
    root = tmp_path_factory.mktemp("cells")
    made = {cell: root / f"m{n}" for n, cell in enumerate(CELLS)}
    for cell, folder in made.items():
        save_small_model(cell, folder)
    return made


@pytest.fixture(scope="module")
def small_studio(folders):
    """Return a Studio with one small model of each cell."""
    running = start_studio(*folders.values())
    yield running
    stop_studio(running)


@pytest.fixture(scope="module")
def ids(small_studio: RunningStudio, folders):
    """Return each cell's id on the page."""
    with small_studio.client() as client:
        models = client.get("/api/1/models").json()["models"]
    return {cell: models[n]["id"] for n, cell in enumerate(folders)}


def fragment_of(text: str, rest: str) -> str:
    """Return the fragment of the Cell view at a text, as the page writes it."""
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(text.encode()) + packer.flush()
    return f"#v=cell&{rest}&x={base64.urlsafe_b64encode(packed).decode().rstrip('=')}"


def values_on_page(page) -> dict[str, str]:
    """Return what chips, values beside wires, equations and the strip say, by kind and letter."""
    return page.evaluate("""() => Object.fromEntries([
      ...[...document.querySelectorAll("[data-chip]")].map((g) =>
        ["chip " + g.dataset.chip, g.querySelector("text").textContent]),
      ...[...document.querySelectorAll("[data-value]")].map((t) => ["value " + t.dataset.value, t.textContent]),
      ...[...document.querySelectorAll(".equation")].map((row) =>
        ["equation " + row.dataset.line, row.querySelector(".equation-value").textContent]),
      ["strip", document.querySelector("canvas.strip").getAttribute("aria-valuetext")],
    ])""")


def wanted_values(cell: str, lanes: dict[str, np.ndarray], t: int, u: int) -> dict[str, str]:
    """Return what the page must say, from the trace alone."""
    at = {letter: float(values[t, u]) for letter, values in lanes.items()}
    before = {letter: float(lanes[letter][t - 1, u]) for letter in "ch" if letter in lanes}
    family = cell.split("+")[0]
    gates = {"lstm": "figo", "gru": "zrn", "rnn": "h"}[family]
    if "no_forget" in cell:
        gates = "igo"
    want = {f"chip {g}": f"{g} {shown(at[g], signed=g in 'gnh')}" for g in gates}
    want |= {f"equation {g}": shown(at[g], signed=g in "gnh") for g in gates}
    want["value h0"], want["value h"] = shown(before["h"], signed=True), shown(at["h"], signed=True)
    want["equation h"] = shown(at["h"], signed=True)
    if family == "lstm":
        want |= {"value c0": shown(before["c"], signed=True), "value c": shown(at["c"], signed=True)}
        want["value added"] = "i·g " + shown(at["i"] * at["g"], signed=True)
        want["equation c"] = shown(at["c"], signed=True)
        if "no_forget" not in cell:
            want["value kept"] = "f·c " + shown(at["f"] * before["c"], signed=True)
    if family == "gru":
        want["value kept"] = "z·h " + shown(at["z"] * before["h"], signed=True)
        want["value added"] = "(1−z)·n " + shown((1 - at["z"]) * at["n"], signed=True)
    return want


def test_every_number_on_the_page_equals_the_trace(page, small_studio, folders, ids):
    page.emulate_media(reduced_motion="reduce")
    page.goto(small_studio.url(fragment_of(TEXT, f"m={ids['lstm']}&u=0&t=0")))
    page.wait_for_selector("svg.cell-picture text", timeout=30_000)
    for cell, folder in folders.items():
        state = fragment_of(TEXT, f"m={ids[cell]}&u={UNIT}&t={STEP}&ph=6")
        page.evaluate(f"location.hash = '{state}'")
        lanes = traced_lanes(folder, TEXT)
        said = [f"{letter} {shown(float(lanes[letter][STEP, UNIT]))}" for letter in lanes]
        strip = "document.querySelector('canvas.strip').getAttribute('aria-valuetext')"
        wait_until(page, f"{said}.every((part) => {strip}?.includes(part)) && {strip}.startsWith('word {STEP + 1} ')")
        seen, want = values_on_page(page), wanted_values(cell, lanes, STEP, UNIT)
        assert {name: seen.get(name) for name in want} == want, cell


@pytest.fixture(scope="module")
def frames(small_studio, ids):
    """Return one frame by cell."""
    found = {}
    with small_studio.client() as client:
        for cell, name in ids.items():
            trace = client.post("/api/1/trace", json={"model": name, "text": TEXT}).json()
            query = {"layer": 0, "direction": "forward", "unit": UNIT, "from": STEP, "to": STEP + 1}
            found[cell] = client.get(f"/api/1/trace/{trace['id']}/frames", params=query).json()["frames"][0]
    return found


def test_drawing_forward_and_backward_and_afresh_give_the_same_picture(page, studio, frames):
    page.goto(studio.url("#v=game"))
    for cell, frame in frames.items():
        for compact in (False, True):
            drawn = page.evaluate(DRAW_BOTH_WAYS, [frame, compact])
            assert drawn["forward"] == drawn["backward"] == drawn["fresh"], cell
            assert len(set(drawn["forward"])) >= 8


@pytest.mark.long
def test_no_texts_overlap_and_every_wire_ends_at_a_part(page, studio, frames):
    page.goto(studio.url("#v=game"))
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        for cell, frame in frames.items():
            # The picture is as wide as the page leaves it: all of it on small screens, the left column on large ones.
            inner = width - 50 if width < 1100 else round(0.6 * width)
            page.evaluate(DRAW_ALONE, [frame, inner])
            for theme in ("light", "dark"):
                page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
                assert page.evaluate(OVERLAPS) == [], f"{cell}, {width} px, {theme}"
            assert page.evaluate(LOOSE_ENDS) == [], f"{cell}, {width} px"
            assert page.evaluate(SMALLEST_TEXT) >= 10.9, f"{cell}, {width} px"


def test_the_equations_are_those_of_the_variant_on_the_page_and_on_the_card(page, studio, frames):
    page.goto(studio.url("#v=gradient"))
    told = page.evaluate(
        """async (frames) => {
          const { equations } = await import("/static/export.js");
          const { equationsOf } = await import("/static/cell-equations.js");
          return Object.fromEntries(Object.entries(frames).map(([cell, frame]) =>
            [cell, [equations(frame), equationsOf(frame).map(({ letter, numbers }) => [letter, numbers])]]));
        }""",
        frames,
    )
    card = {cell: {letter: formula for letter, formula, _ in rows} for cell, (rows, _) in told.items()}
    assert card["lstm"]["f"] == "f = σ(W x + R hₜ₋₁ + b)"
    assert card["lstm+peephole"]["o"] == "o = σ(W x + R hₜ₋₁ + b + p ⊙ cₜ)"
    assert card["lstm+coupled"]["f"] == "f = 1 − i"
    assert card["lstm+no_forget_gate"]["f"] == "f = 1"
    assert card["lstm+zoneout=0.2"]["c"] == "cₜ = ζ cₜ₋₁ + (1 − ζ) (f ⊙ cₜ₋₁ + i ⊙ g)"
    zoned = dict(told["lstm+zoneout=0.2"][1])
    assert zoned["c"].startswith("0.20 · ")
    assert zoned["h"].startswith("0.20 · ")


def test_playing_shows_what_scrubbing_to_the_same_time_shows(page, studio):
    page.goto(studio.url())
    page.wait_for_selector("svg.cell-picture text", timeout=30_000)
    wait_until(page, "Number(document.querySelector('svg.cell-picture').dataset.time) === 6")
    page.select_option(".speed select", "2")
    page.focus("#view")
    page.keyboard.press(" ")
    samples = page.evaluate("""() => new Promise((resolve) => {
      const svg = document.querySelector("svg.cell-picture");
      const seen = [];
      const watcher = new MutationObserver(() => {
        const time = Number(svg.dataset.time);
        if (time > seen.length + 0.5 && time < 6) seen.push([time, svg.innerHTML]);
        if (seen.length === 5) { watcher.disconnect(); resolve(seen); }
      });
      watcher.observe(svg, { attributes: true, attributeFilter: ["data-time"] });
    })""")
    page.keyboard.press(" ")
    frame = page.evaluate("""async () => {
      const get = async (path) => (await fetch("/api/1/" + path)).json();
      const { text, key, alternatives } = await get("models");
      const others = alternatives.slice(0, 3).map((word) => text.replaceAll(key, word));
      const asked = { model: "lstm", text, alternatives: others };
      const options = { method: "POST", body: JSON.stringify(asked), headers: { "content-type": "application/json" } };
      const trace = await (await fetch("/api/1/trace", options)).json();
      const unit = document.querySelector(".unit-number").value;
      const t = trace.tokens.findIndex(([token]) => token === key);
      const place = `layer=0&direction=forward&unit=${unit}&from=${t}&to=${t + 1}`;
      return (await get(`trace/${trace.id}/frames?${place}`)).frames[0];
    }""")
    for time, picture in samples:
        drawn = page.evaluate(
            """async ([frame, time]) => {
              const { draw } = await import("/static/cell.js");
              const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
              draw(svg, frame, time);
              return svg.innerHTML;
            }""",
            [frame, time],
        )
        assert drawn == picture, f"at {time}"


def test_with_reduced_motion_a_phase_shows_at_once_and_nothing_plays(page, studio):
    page.emulate_media(reduced_motion="reduce")
    page.goto(studio.url("#v=cell&m=lstm&u=3&t=4&ph=6"))
    page.wait_for_selector("svg.cell-picture text", timeout=30_000)
    page.focus("#view")
    page.keyboard.press("2")
    assert page.get_attribute("svg.cell-picture", "data-time") == "3"
    page.wait_for_timeout(200)
    assert page.get_attribute("svg.cell-picture", "data-time") == "3"


def test_what_the_forget_gate_did_at_word_seven_takes_at_most_twelve_keys(page, studio, client):
    page.goto(studio.url())
    page.wait_for_selector("svg.cell-picture text", timeout=30_000)
    keys = ["w", "7", "Enter", "1"]
    for key in keys:
        page.keyboard.press(key)
    assert len(keys) <= 12
    wait_until(page, "document.getElementById('live').textContent.startsWith(\"word 7 '\")")
    unit = int(page.input_value(".unit-number"))
    text = client.get("/api/1/models").json()["text"]
    trace = client.post("/api/1/trace", json={"model": "lstm", "text": text}).json()
    query = {"layer": 0, "direction": "forward", "unit": unit, "from": 6, "to": 7}
    frame = client.get(f"/api/1/trace/{trace['id']}/frames", params=query).json()["frames"][0]
    f = shown(frame["gates"]["f"])
    said = page.text_content("#live")
    assert said.startswith(f"word 7 '{frame['tok']}', unit {unit}, forget {f}: keeps ")
    assert said.endswith(f" of {shown(frame['c0'])}")


def test_something_moves_within_two_seconds_of_a_first_visit_before_the_model_answers(page, studio):
    waiting, released = [], []
    page.route("**/api/1/trace**", lambda route: route.continue_() if released else waiting.append(route))
    page.goto(studio.url())
    page.wait_for_selector("svg.cell-picture text", timeout=2000)
    time = "Number(document.querySelector('svg.cell-picture').dataset.time)"
    wait_until(page, f"{time} > 0 && {time} < 6", seconds=2)
    released.append(True)
    for route in waiting:
        route.continue_()
    wait_until(page, "document.querySelector('canvas.strip').getAttribute('aria-valuetext')?.startsWith('word 5 ')")


def test_the_recorded_first_frame_is_what_the_model_gives_and_its_unit_keeps_the_word(client):
    from benchmarks.studio_first_frame import PATH

    first = json.loads(PATH.read_text(encoding="utf-8"))
    start = client.get("/api/1/models").json()
    assert first["text"] == start["text"]
    others = [first["text"].replace(start["key"], word) for word in start["alternatives"][:3]]
    asked = {"model": first["model"], "text": first["text"], "alternatives": others}
    trace = client.post("/api/1/trace", json=asked).json()
    t, unit = first["frame"]["t"], first["frame"]["unit"]
    place = {"layer": 0, "direction": "forward", "unit": unit, "from": t, "to": t + 1}
    frame = client.get(f"/api/1/trace/{trace['id']}/frames", params=place).json()["frames"][0]
    for name in ("c0", "c", "h0", "h"):
        assert frame[name] == pytest.approx(first["frame"][name], abs=1e-4)
    assert frame["gates"] == pytest.approx(first["frame"]["gates"], abs=1e-4)
    kept = client.get(f"/api/1/trace/{trace['id']}/order", params={"by": "keeps", "layer": 0, "direction": "forward"})
    assert kept.json()["score"][unit] == max(kept.json()["score"])


def test_two_quick_keys_leave_strip_and_file_with_the_unit_that_is_shown(page, studio):
    page.emulate_media(reduced_motion="reduce")
    page.goto(studio.url("#v=cell&u=3&t=1"))
    wait_until(page, "document.querySelector('.story h3')?.textContent.startsWith('Unit 3 ')")
    page.keyboard.press("u")
    page.keyboard.press("Shift+ArrowRight")
    wait_until(page, "document.querySelector('.story h3').textContent.startsWith('Unit 4 ')")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    assert download.value.suggested_filename == "unit-4.csv"
    place = lines[0].split(",").index("c")
    with studio.client() as client:
        text = client.get("/api/1/models").json()["text"]
        trace = client.post("/api/1/trace", json={"model": "lstm", "text": text}).json()["id"]
        query = {"layer": 0, "direction": "forward", "unit": 4, "from": 0, "to": 8}
        frames = client.get(f"/api/1/trace/{trace}/frames", params=query).json()["frames"]
    written = [float(line.rsplit(",", len(lines[0].split(",")) - 2)[place - 1]) for line in lines[1:9]]
    assert written == pytest.approx([frame["c"] for frame in frames], abs=1e-5)


def test_a_gate_held_by_hand_says_so(page, studio):
    page.emulate_media(reduced_motion="reduce")
    page.goto(studio.url("#v=cell&m=lstm&u=3&t=1&ph=1&cl=0,forward,3,f,1,2,0"))
    wait_until(page, "document.querySelector('.sentence')?.textContent.endsWith('f is held by hand here.')", 30)
    assert "f is held at 0.00 by hand; left to its parts it would be 0." in page.text_content(".why")
    page.keyboard.press("Shift+ArrowRight")
    wait_until(page, "!document.querySelector('.sentence').textContent.includes('held by hand')")
