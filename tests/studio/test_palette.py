"""The page's colours: parts told apart by all kinds of sight, ramps that only grow, ink that can be read."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from holdfast.studio.pages import STATIC
from tests.studio.palette import SIGHTS, contrast, difference, lab

PARTS = "figohc"
SMALLEST = {"light": 23.0, "dark": 21.5}


def custom_properties(theme: str) -> dict[str, str]:
    """Return the colours of style.css in a theme."""
    text = (STATIC / "style.css").read_text(encoding="utf-8")
    blocks = {"light": r":root \{(.*?)\}", "dark": r':root\[data-theme="dark"\] \{(.*?)\}'}
    found = re.search(blocks[theme], text, re.DOTALL)
    assert found is not None
    return dict(re.findall(r"--([a-z-]+): (#[0-9A-Fa-f]{6});", found.group(1)))


def stops(ramp: str, theme: str) -> list[str]:
    """Return the colours that a ramp of colour.js passes."""
    text = (STATIC / "colour.js").read_text(encoding="utf-8")
    found = re.search(rf"{ramp}: \{{.*?{theme}: \[(.*?)\]", text, re.DOTALL)
    assert found is not None
    return re.findall(r"#[0-9A-F]{6}", found.group(1))


def test_difference_gives_the_published_values():
    # Pairs 1, 7, 17 and 25 of Sharma, Wu & Dalal 2005, table 1.
    pairs = [
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ]
    for one, two, wanted in pairs:
        assert difference(np.array(one), np.array(two)) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_parts_are_told_apart_by_all_kinds_of_sight_and_stand_out_from_the_ground(theme):
    colours = custom_properties(theme)
    for a, b in itertools.combinations(PARTS, 2):
        for sight in SIGHTS:
            apart = difference(lab(colours[f"part-{a}"], sight), lab(colours[f"part-{b}"], sight))
            assert apart >= SMALLEST[theme], f"{a} and {b}, {sight}: {apart:.1f}"
    for part in PARTS:
        assert contrast(colours[f"part-{part}"], colours["ground"]) >= 2.95, part


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_ink_can_be_read_on_all_it_stands_on(theme):
    colours = custom_properties(theme)
    for ground in ("page", "ground", "panel", "sunken", "layer", "op", "body"):
        assert contrast(colours["ink"], colours[ground]) >= 7, ground
    for ground in ("page", "panel", "sunken", "body"):
        assert contrast(colours["muted"], colours[ground]) >= 4.5, ground
    assert contrast(colours["accent"], colours["on-accent"]) >= 4.5
    for name in ("focus", "positive", "negative", "good", "bad"):
        assert contrast(colours[name], colours["panel"]) >= 3, name
    for colour in stops("words", theme):
        assert contrast(colours["ink"], colour) >= 6.4


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_ramps_grow_evenly_for_all_kinds_of_sight(theme, page, studio):
    page.goto(studio.url("#v=game"))
    tables = page.evaluate(
        """async (theme) => {
          const { ramp } = await import("/static/colour.js");
          const part = (pixel, n) => ((pixel >> n) & 255).toString(16).padStart(2, "0");
          const hex = (pixel) => "#" + [0, 8, 16].map((n) => part(pixel, n)).join("");
          return { sequential: [...ramp("sequential", theme)].map(hex), signed: [...ramp("signed", theme)].map(hex) };
        }""",
        theme,
    )
    assert [tables["sequential"][0].upper(), tables["sequential"][255].upper()] == [
        stops("sequential", theme)[at] for at in (0, -1)
    ]
    for sight in SIGHTS:
        lightness = np.array([lab(colour, sight)[0] for colour in tables["sequential"][::5]])
        steps = np.diff(lightness) * (-1 if theme == "light" else 1)
        assert steps.min() > 0, f"{sight}: the sequential ramp turns"
        assert abs(lightness[-1] - lightness[0]) >= 70
        ends = [lab(tables["signed"][at], sight) for at in (0, 255)]
        assert difference(*ends) >= 40, f"{sight}: the ends of the signed ramp"
    signed = np.array([lab(colour)[0] for colour in tables["signed"]])
    assert np.abs(signed - signed[::-1]).max() < 6, "both signs are equally light at equal size"
