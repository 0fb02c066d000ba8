"""The Gradient view in Chromium: what it draws is what was streamed, and no process outlives its reader."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

import holdfast
from holdfast.studio.gradient_settings import GradientSettings
from holdfast.studio.gradient_training import Training

EXAMPLE = Path(holdfast.__file__).parent / "studio" / "static" / "gradient-example.json"
QUICK = "#v=gradient&g_T=12&g_H=4&g_n=1&g_k=40&g_b=2"
FONT_HEIGHT = 14
ENDLESS = "#v=gradient&g_k=5000"


def workers(studio) -> list[int]:
    """The processes that the server has started."""
    found = Path(f"/proc/{studio.process.pid}/task").glob("*/children")
    return [int(pid) for path in found for pid in path.read_text().split()]


def wait_until(happened, seconds):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


def open_view(page, studio, fragment="#v=gradient"):
    page.goto(studio.url())
    page.goto(studio.base + "/" + fragment)
    page.reload()
    page.wait_for_selector(".chart-line")


def downloaded(page, chart, label):
    with page.expect_download() as waiting:
        chart.get_by_role("button", name=label, exact=True).click()
    return Path(waiting.value.path()).read_text(encoding="utf-8")


def test_recorded_runs_are_shown_at_once_with_their_numbers(page, studio):
    before, now = json.loads(EXAMPLE.read_text(encoding="utf-8"))["runs"]
    last, earlier = now["events"][-1], before["events"][-1]
    open_view(page, studio)
    assert page.get_by_text("Recorded", exact=True).is_visible()
    assert last["sentence"].startswith(page.locator(".gradient-said .big").inner_text())
    assert earlier["sentence"].startswith(page.locator(".gradient-before").inner_text())
    solved = {run: [f"{n} of {of}" for n, of in event["solved"].values()] for run, event in ((1, last), (0, earlier))}
    assert page.locator(".gradient-solved tbody tr").all_inner_texts() == [
        "\t".join([f"bias {now['settings']['bias']:g}", *solved[1]]),
        "\t".join([f"bias {before['settings']['bias']:g}", *solved[0][:2], "not affected"]),  # an RNN has no such bias
    ]
    rows = list(csv.DictReader(io.StringIO(downloaded(page, page.locator(".chart").first, "CSV"))))
    assert len(rows) == now["settings"]["length"]
    for name, curve in (("LSTM, bias 4.6", last["flow_c"]["lstm"]), ("GRU, bias 1", earlier["flow"]["gru"])):
        assert [float(row[name]) for row in rows] == pytest.approx([value / curve[0] for value in curve])
    assert EXAMPLE.stat().st_size < 40_000


def test_a_run_draws_what_training_in_this_process_gives(page, studio):
    open_view(page, studio, QUICK)
    page.get_by_role("button", name="Train", exact=True).click()
    page.locator(".gradient-status", has_text="Done after 40 updates.").wait_for(timeout=90_000)
    wait_until(lambda: not workers(studio), 10)
    training = Training(GradientSettings(length=12, hidden=4, seeds=1, steps=40, bias=2))
    while not training.done:
        training.step()
    event = training.event()
    assert event["sentence"].startswith(page.locator(".gradient-said .big").inner_text())
    assert page.locator(".gradient-recorded").is_hidden()
    page.get_by_role("button", name="Scale").click()
    page.wait_for_url("**g_scale=norm*")
    flow = list(csv.DictReader(io.StringIO(downloaded(page, page.locator(".chart").first, "CSV"))))
    assert [float(row["LSTM"]) for row in flow] == event["flow_c"]["lstm"]
    assert [float(row["RNN"]) for row in flow] == event["flow"]["rnn"]
    loss = list(csv.DictReader(io.StringIO(downloaded(page, page.locator(".chart").nth(1), "CSV"))))
    assert float(loss[-1]["GRU"]) == event["loss"]["gru"]
    assert loss[-1]["updates"] == "40"
    # Back to the start, and then along the curve, by keys alone.
    page.get_by_role("slider", name="After update").focus()
    page.keyboard.press("Home")
    page.locator(".chart-frame").first.focus()
    page.keyboard.press("End")
    start = Training(training.settings).event()
    told = page.locator(".chart-frame").first.get_attribute("aria-valuetext")
    assert told.startswith("11 steps back: LSTM ")
    assert float(told.split("LSTM ")[1].split(",")[0]) == pytest.approx(start["flow_c"]["lstm"][-1], rel=1e-2)


def test_stop_and_another_view_and_back(page, studio):
    open_view(page, studio, ENDLESS)
    page.get_by_role("button", name="Train", exact=True).click()
    page.locator(".gradient-status", has_text="Update ").wait_for(timeout=90_000)
    assert len(workers(studio)) == 1
    page.get_by_role("tab", name="Game").click()
    page.get_by_role("tab", name="Gradient").click()
    page.get_by_role("button", name="Stop", exact=True).click()
    wait_until(lambda: not workers(studio), 5)
    page.locator(".gradient-status", has_text="Stopped after").wait_for()
    assert page.get_by_role("button", name="Stop", exact=True).is_disabled()
    page.get_by_role("button", name="Keep for comparison").click()
    assert page.get_by_role("button", name="Let go").get_attribute("aria-pressed") == "true"


@pytest.mark.parametrize("then", ["wait", "stop"])
def test_a_run_begun_in_an_earlier_visit_is_heard(page, studio, then):
    open_view(page, studio, QUICK if then == "wait" else ENDLESS)
    held = []
    page.route("**/api/1/gradient", lambda route: held.append(route))
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_role("tab", name="Game").click()
    page.get_by_role("tab", name="Gradient").click()
    page.locator(".gradient-status", has_text="Starting").wait_for()
    if then == "stop":
        page.get_by_role("button", name="Stop", exact=True).click()
    held[0].continue_()
    said = "Done after 40 updates." if then == "wait" else "Stopped after"
    page.locator(".gradient-status", has_text=said).wait_for(timeout=90_000)
    wait_until(lambda: not workers(studio), 10)


def test_a_line_that_ends_in_no_number_is_named_where_it_was_seen_last(page, studio):
    open_view(page, studio)
    places = page.evaluate("""async () => {
      const { lineChart } = await import("/static/chart.js");
      const root = document.querySelector("#view").appendChild(document.createElement("div"));
      const chart = lineChart(root, { title: "t", xLabel: "x", log: true });
      const line = { name: "broken", colour: "--part-c", values: [1, 0.5, NaN, NaN] };
      chart.update([line, { ...line, name: "none", values: [NaN] }]);
      const labels = [...root.querySelectorAll(".chart-labels text")];
      return labels.map((text) => [text.textContent, Number(text.getAttribute("y"))]);
    }""")
    ((name, height),) = places
    assert name == "broken"
    assert 0 < height < 300


@pytest.mark.long
def test_what_tells_two_runs_apart_is_drawn_and_said_first(page, studio):
    open_view(page, studio, "#v=gradient&g_T=12&g_H=4&g_n=1&g_k=3&g_b=1")
    for name in ("1 · Forget bias 1", "3 · RNN with large weights"):
        page.get_by_role("button", name=name).click()
        page.locator(".gradient-status", has_text="Done after 3 updates.").wait_for(timeout=90_000)
    assert page.locator(".chart").first.locator(".chart-key").all_inner_texts() == [
        "LSTM", "GRU", "RNN, weights × 1.5", "product of f", "RNN, usual weights",
    ]  # fmt: skip
    assert page.locator(".gradient-said .big").inner_text().startswith("The RNN's signal")
    assert page.locator(".gradient-before").inner_text().startswith("The RNN's signal")


@pytest.mark.long
def test_leaving_ends_the_run_within_its_grace(page, studio):
    open_view(page, studio, ENDLESS)
    page.get_by_role("button", name="Train", exact=True).click()
    wait_until(lambda: workers(studio), 10)
    page.goto("about:blank")
    wait_until(lambda: not workers(studio), 14)


def test_reload_ends_the_run_and_a_new_one_need_not_wait(page, studio):
    open_view(page, studio, ENDLESS)
    page.get_by_role("button", name="Train", exact=True).click()
    wait_until(lambda: workers(studio), 10)
    (first,) = workers(studio)
    page.reload()
    page.wait_for_selector(".chart-line")
    assert page.get_by_text("Recorded", exact=True).is_visible()
    assert "Your own run ended" in page.locator(".gradient-recorded").inner_text()
    page.get_by_role("button", name="Train", exact=True).click()
    wait_until(lambda: workers(studio) and first not in workers(studio), 5)
    assert len(workers(studio)) == 1
    page.get_by_role("button", name="Stop", exact=True).click()
    wait_until(lambda: not workers(studio), 5)


def test_settings_stand_in_the_address_and_come_back(page, studio):
    open_view(page, studio)
    bias = page.get_by_role("slider", name="Forget bias")
    bias.focus()
    page.keyboard.press("End")
    page.get_by_label("Task").select_option("adding")
    page.wait_for_url("**g_b=8*")
    page.wait_for_url("**g_task=adding*")
    page.reload()
    page.wait_for_selector(".chart-line")
    assert bias.input_value() == "8"
    assert page.get_by_label("Task").input_value() == "adding"
    assert bias.get_attribute("aria-valuetext") == "8.0: f starts near 1.000"


def test_sliders_start_at_the_recorded_run_and_a_chart_of_other_settings_is_marked(page, studio):
    _, now = json.loads(EXAMPLE.read_text(encoding="utf-8"))["runs"]
    open_view(page, studio)
    assert float(page.get_by_role("slider", name="Forget bias").input_value()) == now["settings"]["bias"]
    assert int(page.get_by_role("slider", name="Length").input_value()) == now["settings"]["length"]
    assert page.locator(".gradient-stale").is_hidden()
    page.get_by_role("slider", name="Length").focus()
    page.keyboard.press("Home")
    page.locator(".gradient-stale", has_text="Of the recorded run: T = 100.").wait_for()
    page.get_by_role("slider", name="Length").evaluate(
        "node => { node.value = 100; node.dispatchEvent(new Event('input')); }"
    )
    page.locator(".gradient-stale").wait_for(state="hidden")


def test_what_is_beyond_the_limits_is_refused_with_the_limit(client):
    answer = client.post("/api/1/gradient", json={"length": 501})
    assert answer.status_code == 422
    assert answer.json() == {
        "title": "This does not fit", "detail": "length is 501.", "status": 422, "limit": 500,
        "hint": "The Gradient view takes a length from 4 to 500.",
    }  # fmt: skip
    assert client.get("/api/1/gradient/0123/events").status_code == 404
    assert client.delete("/api/1/gradient/0123").status_code == 404


@pytest.mark.parametrize("width", [1280, 768, 360])
def test_charts_fit_and_their_labels_do_not_overlap(page, studio, width):
    page.set_viewport_size({"width": width, "height": 800})
    open_view(page, studio)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for chart in page.locator(".chart").all():
        boxes = [text.bounding_box() for text in chart.locator(".chart-labels text").all()]
        assert len(boxes) >= 3
        frame = chart.locator(".chart-frame").bounding_box()
        for k, box in enumerate(boxes):
            assert box["x"] + box["width"] <= frame["x"] + frame["width"] + 1
            for other in boxes[:k]:
                apart_across = box["x"] >= other["x"] + other["width"] or other["x"] >= box["x"] + box["width"]
                apart_down = abs(box["y"] - other["y"]) >= FONT_HEIGHT  # a box has room for letters that are not there
                assert apart_across or apart_down


def test_charts_can_be_saved_and_read_as_tables(page, studio):
    open_view(page, studio)
    chart = page.locator(".chart").first
    picture = ElementTree.fromstring(downloaded(page, chart, "SVG"))
    paths = picture.findall(".//{http://www.w3.org/2000/svg}path")
    assert len([path for path in paths if path.get("stroke", "").startswith("rgb")]) == 6
    assert all("class" not in one.attrib and "style" not in one.attrib for one in picture.iter())
    button = chart.get_by_role("button", name="Table")
    button.click()
    assert chart.locator("tbody tr").count() == 100
    assert chart.locator("tbody tr").first.inner_text().startswith("0\t1\t1")
    chart.get_by_role("button", name="Hide table").click()
    assert chart.locator("table").is_hidden()
