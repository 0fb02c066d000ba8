"""The Studio as a user starts it: a process of its own on a free port, and a real Chromium that looks at its page.

    def test_something(page, studio):
        page.goto(studio.url("#v=cell&u=3"))
        page.wait_for_selector("...")

A test with `page` fails on whatever the console calls an error, on failed requests, on answers from 400 on, and on any
request that leaves this machine; `expected` is a list to which it adds regular expressions of those that it means to
cause. `client` asks the API without a browser. Without Chromium the tests with `page` are skipped, and fail where
HOLDFAST_REQUIRE_BROWSER=1.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the Studio needs Starlette: pip install 'holdfast[studio]'")
pytest.importorskip("uvicorn", reason="the Studio needs uvicorn: pip install 'holdfast[studio]'")
httpx = pytest.importorskip("httpx", reason="the tests of the Studio's API need httpx")

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class RunningStudio:
    """A Studio in a process of its own: its address with the token, and without."""

    process: subprocess.Popen[str]
    address: str

    @property
    def base(self) -> str:
        return self.address.split("/?")[0]

    def url(self, fragment: str = "") -> str:
        """The first address, with the token, and a state of the page behind it, such as "#v=memory&u=3"."""
        return self.address + fragment

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """Open an HTTP client with the cookie, as the page is."""
        with httpx.Client(base_url=self.base, headers={"origin": self.base}, timeout=60) as client:
            client.get(self.address.removeprefix(self.base))
            yield client


def start_studio(*arguments: str | Path) -> RunningStudio:
    """Start `holdfast studio` on a free port and wait until it has printed its address."""
    command = [sys.executable, "-m", "holdfast.cli", "studio", "--no-browser", "--port", "0", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
    # From this source tree if it has its kernels; an installed package is found as it is.
    if not list((ROOT / "src" / "holdfast").glob("_kernels*")):
        environment.pop("PYTHONPATH")
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=ROOT
    )
    assert process.stdout is not None
    watchdog = threading.Timer(START_SECONDS, process.kill)  # ends the reading below, should nothing be printed
    watchdog.start()
    said = []
    for line in process.stdout:
        said.append(line)
        if re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=\S+\n", line):
            watchdog.cancel()
            return RunningStudio(process, line.strip())
    watchdog.cancel()
    stop_studio(RunningStudio(process, ""))
    raise AssertionError(f"holdfast studio printed no address: {''.join(said)}")


def stop_studio(studio: RunningStudio) -> None:
    """End a Studio as Ctrl-C would not have to: at once."""
    studio.process.kill()
    studio.process.wait()
    if studio.process.stdout is not None:
        studio.process.stdout.close()


@pytest.fixture(scope="session")
def studio() -> Iterator[RunningStudio]:
    """Return the running Studio with the models that come with the package."""
    running = start_studio()
    yield running
    stop_studio(running)


@pytest.fixture(scope="session")
def client(studio: RunningStudio) -> Iterator[httpx.Client]:
    """Return an HTTP client that the Studio has let in."""
    with studio.client() as open_client:
        yield open_client


@pytest.fixture(scope="session")
def chromium():
    """Return a Chromium started by Playwright."""
    required = os.environ.get("HOLDFAST_REQUIRE_BROWSER") == "1"
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        (pytest.fail if required else pytest.skip)("there is no Chromium here (Debian: apt-get install chromium)")
    if required:
        import_module("playwright.sync_api")
    playwright = pytest.importorskip("playwright.sync_api", reason="the tests of the page need Playwright")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=found, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def expected() -> list[str]:
    """Regular expressions of what a test means to go wrong on its page."""
    return []


@pytest.fixture
def page(chromium, expected: list[str]):
    """Return an empty page in a browser context of its own; what goes wrong on it fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    wrong: list[str] = []
    watch(opened, wrong)
    yield opened
    context.close()
    assert [one for one in wrong if not any(re.search(pattern, one) for pattern in expected)] == []


def watch(page, wrong: list[str]) -> None:
    """Write down what goes wrong on a page: console errors, exceptions, failed or refused requests, and strangers."""

    def note_message(message) -> None:
        if message.type in ("error", "warning"):
            wrong.append(f"console {message.type}: {message.text}")

    def note_request(request) -> None:
        if not re.match(r"(http://(127\.0\.0\.1|localhost):\d+/|data:|blob:|file:)", request.url):
            wrong.append(f"request to {request.url}")

    def note_failure(request) -> None:
        # A request that the page itself gave up, because a later one made it useless, is no failure.
        if request.failure != "net::ERR_ABORTED":
            wrong.append(f"request failed: {request.url}: {request.failure}")

    def note_response(response) -> None:
        if response.status >= 400:
            wrong.append(f"answer {response.status}: {response.url}")

    page.on("console", note_message)
    page.on("pageerror", lambda error: wrong.append(f"exception: {error}"))
    page.on("request", note_request)
    page.on("requestfailed", note_failure)
    page.on("response", note_response)
