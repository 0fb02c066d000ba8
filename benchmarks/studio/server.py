"""Time the answers of a real Studio in a process of its own, as its page asks for them.

python -m benchmarks.studio.server [--repeats 7]

The limits are those of the design: 300 ms for the first map of 1000 steps by 512 units, 50 ms for an order. Times are
medians over repeats, in milliseconds, from asking to having the whole reply; the load of the machine is noted beside.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx

import holdfast
from benchmarks.run import machine
from holdfast.studio.studio import ALTERNATIVES, KEY, TEXT

OUT = Path(__file__).parents[1] / "results" / "studio.json"
STEPS, UNITS, INPUTS = 1000, 512, 8
TOKENS = 20_000
LIMITS = {"first map, T=1000 H=512, one letter": 300.0, "order by tau, T=1000 H=512": 50.0}


def main() -> None:
    """Measure and write benchmarks/results/studio.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        wide = Path(folder) / "wide"
        holdfast.LSTM(INPUTS, UNITS).save_pretrained(wide)
        models = Path(holdfast.__file__).parent / "studio" / "models"
        times = measure([models / "lstm", models / "gru", models / "rnn", wide], repeats)
    busy = load > 0.5
    report = {
        "command": "python -m benchmarks.studio.server",
        "machine": machine(int(os.environ.get("OMP_NUM_THREADS", "0")) or os.cpu_count() or 1),
        "load": round(load, 2),
        "note": "loaded machine: other work ran beside, so the times are upper bounds" if busy else "quiet machine",
        "milliseconds": times,
        "limits": {name: {"limit": limit, "met": times[name] <= limit} for name, limit in LIMITS.items()},
    }
    OUT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


def measure(folders: list[Path], repeats: int) -> dict[str, float]:
    """Return what each kind of answer takes, in milliseconds."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "holdfast.cli", "studio", "--no-browser", "--port", "0", *map(str, folders)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = next(line.strip() for line in process.stdout or () if "token=" in line)
        base = address.split("/?")[0]
        with httpx.Client(base_url=base, headers={"origin": base}, timeout=120) as client:
            client.get(address.removeprefix(base))
            client.get("/").raise_for_status()
            times = {"start until the page is answered": round(1000 * (time.perf_counter() - begun), 1)}
            return times | ask(client, repeats)
    finally:
        process.kill()
        process.wait()


def ask(client: httpx.Client, repeats: int) -> dict[str, float]:
    """Time each question; what is kept after the first time is asked for once, of a fresh trace each."""
    times: dict[str, float] = {}

    def note(name: str, question: Callable[[], Any], count: int = repeats) -> Any:
        taken, reply = [], None
        for _ in range(count):
            begun = time.perf_counter()
            reply = question()
            taken.append(1000 * (time.perf_counter() - begun))
            reply.raise_for_status()
        times[name] = round(statistics.median(taken), 1)
        return reply

    def post(path: str, **body: Any) -> httpx.Response:
        return client.post(f"/api/1/{path}", json=body)

    others = [TEXT.replace(KEY, country) for country in ALTERNATIVES[:3]]
    note("models", lambda: client.get("/api/1/models"), 1)
    note("first trace, with loading torch", lambda: post("trace", model="lstm", text=TEXT), 1)
    trace = note("trace of 30 tokens with 3 alternatives", lambda: post("trace", model="lstm", text=TEXT,
                 alternatives=others)).json()["id"]  # fmt: skip
    note("64 frames", lambda: client.get(f"/api/1/trace/{trace}/frames", params={"unit": 3, "from": 0, "to": 64}))
    note("next words of three models", lambda: post("complete", models=["lstm", "gru", "rnn"], text=TEXT, k=5))
    note("curve of 7 distances, 20 fillings, one model", lambda: post("curve", models=["lstm"], text=TEXT,
         target="French"), 3)  # fmt: skip
    words = (TEXT.replace(".", "") + " ") * (TOKENS // len(TEXT.split()))
    long = " ".join(words.split()[:TOKENS])
    note(f"trace of {len(long.split())} tokens", lambda: post("trace", model="lstm", text=long), 3)
    rows = "\n".join(",".join(f"{(t * n) % 7 / 7:.2f}" for n in range(1, INPUTS + 1)) for t in range(STEPS))
    fresh = [note("trace, T=1000 H=512", lambda: post("trace", model="wide", series=rows), 1) for _ in range(repeats)]
    # What is asked of a trace for the first time is computed then, and kept: so each time another trace is asked.
    ids = [reply.json()["id"] for reply in fresh]
    for name, question in (
        ("first map, T=1000 H=512, one letter", "maps?what=c"),
        ("six maps, T=1000 H=512", "maps?what=f,i,g,o,c,h"),
        ("lanes of a unit, T=1000 H=512", "unit/5"),
        ("64 frames, T=1000 H=512", "frames?unit=5&from=0&to=64"),
        ("order by tau, T=1000 H=512", "order?by=tau"),
        ("order by cluster, T=1000 H=512", "order?by=cluster"),
        ("order by mean, T=1000 H=512", "order?by=mean"),
    ):
        paths = iter([f"/api/1/trace/{id}/{question}" for id in ids])
        note(name, partial(lambda left: client.get(next(left)), paths))
    return times


if __name__ == "__main__":
    main()
