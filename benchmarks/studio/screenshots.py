"""Take a picture of every view of the Studio, light and dark, on a desk and on a phone, into docs/img.

    python -m benchmarks.studio.screenshots [--views cell memory] [--out FOLDER]

It needs Playwright and a Chromium. The Studio is started on a free port with the models that come with it; each view is
opened at an address, so that the same picture comes out again.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "img"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
SCREENS = {
    "desktop": {"viewport": {"width": 1280, "height": 860}, "device_scale_factor": 1},
    "phone": {"viewport": {"width": 360, "height": 760}, "device_scale_factor": 2, "has_touch": True},
}
THEMES = ("light", "dark")


@dataclass(frozen=True)
class Shot:
    """A view: the fragment that opens it, and what to do and wait for before the picture is taken."""

    fragment: str
    ready: Callable[[Any], None]


def cell(page: Any) -> None:
    page.wait_for_selector("math")


def memory(page: Any) -> None:
    page.wait_for_selector("#view canvas")
    page.wait_for_selector("#view >> text=/held .France/")


def gradient(page: Any) -> None:
    page.wait_for_selector("#view svg path")


def complete(page: Any) -> None:
    page.wait_for_selector("#view >> text=French")
    page.wait_for_selector("#view svg path")


def game(page: Any) -> None:
    """Play the first level by keys, up to the sixth card, an arrow."""
    page.locator(".g-bar").first.focus()
    for number in range(1, 7):
        card = page.inner_text(".g-card")
        value = "1" if "▲" in card or "▼" in card else "0"  # an arrow is let in and said, a dot neither
        for key in ("f", "0", "i", value, "o", value, *(["Enter"] if number < 6 else [])):
            page.keyboard.press(key)
    page.evaluate("() => document.activeElement.blur()")


def top_of_bars(page: Any) -> None:
    """Scroll a narrow page to what the models answer."""
    complete(page)
    if page.viewport_size["width"] < 760:
        page.locator("#view h2, #view h3").filter(has_text="LSTM").first.scroll_into_view_if_needed()
        page.evaluate("() => scrollBy(0, 420)")


SHOTS = {
    "cell": Shot("v=cell&m=lstm&t=4", cell),
    "memory": Shot("v=memory&m=lstm&sort=keeps&t=4&u=48", memory),
    "gradient": Shot("v=gradient", gradient),
    "complete": Shot("v=complete", top_of_bars),
    "game": Shot("v=game", game),
}


@contextmanager
def running() -> Iterator[str]:
    """Start the Studio and yield its first address."""
    command = [sys.executable, "-m", "holdfast.cli", "studio", "--no-browser", "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            found = (re.fullmatch(r"(http://127\.0\.0\.1:\d+/\?token=\S+)\n", line) for line in process.stdout or ())
            yield next(match[1] for match in found if match)
        finally:
            process.terminate()


def take(browser: Any, address: str, name: str, theme: str, screen: str, path: Path) -> None:
    """Open one view in a browser context of its own, wait until it shows its answer, and take the picture."""
    context = browser.new_context(**SCREENS[screen], color_scheme=theme, reduced_motion="reduce", locale="en-GB")
    # The tour has been seen: its offer would stand above the picture.
    context.add_init_script("localStorage.setItem('holdfast.tour', 'seen')")
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(f"{address}#{SHOTS[name].fragment}")
    page.wait_for_selector("body[data-ready=true]")
    SHOTS[name].ready(page)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1500)
    page.screenshot(path=path)
    context.close()


def smaller(path: Path) -> None:
    """Pack the picture as tightly as PNG goes, every colour kept: a palette would shift the pale grounds."""
    from PIL import Image

    with Image.open(path) as image:
        image.convert("RGB").save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--views", nargs="+", choices=SHOTS, default=list(SHOTS), help="which views")
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder of the pictures")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    options.out.mkdir(parents=True, exist_ok=True)
    with running() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for name in options.views:
            for screen in SCREENS:
                for theme in THEMES:
                    path = options.out / f"studio-{name}-{theme}-{screen}.png"
                    take(browser, address, name, theme, screen, path)
                    smaller(path)
                    print(f"{path.name}: {path.stat().st_size // 1000} kB", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
