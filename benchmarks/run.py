"""Time Holdfast's layers against every peer at hand, in turns, and record every case: those lost too.

python -m benchmarks.run [--suite table|grid|both] [--only TEXT] [--seconds 3] [--rounds 15] [--threads 2]
                         [--patience 60] [--out benchmarks/results/cpu.json] [--resume [--again]] [--check]
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import torch

import holdfast
from benchmarks.check import Oracle
from benchmarks.limit import measure_limit
from benchmarks.peers import ours, peer_module
from benchmarks.problem import AbsentError, Contestant, Problem, make_problem
from benchmarks.quiet import Watch
from benchmarks.registry import SUITES, YARDSTICKS, Case
from benchmarks.report import make_row, write_report
from benchmarks.timing import Timing, measure
from holdfast.errors import BackendError
from holdfast.kernels import cpu_level

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "onnxruntime", "onnx", "openvino", "jax", "jaxlib", "numpy")
SETTINGS = ("threads", "seconds", "rounds")
Field = dict[str, dict]


def run_case(case: Case, settings: argparse.Namespace, limit: float) -> dict:
    """Build, check and time the contestants of one case; return its row."""
    problem = make_problem(case)
    entrants, entries = gather(problem, settings.threads)
    oracle = Oracle()
    entrants = [one for one in entrants if passes(one, entries, oracle)]
    if not settings.check:
        timings = measure(entrants, settings.seconds, settings.rounds)
        for one, timing in zip(entrants, timings, strict=True):
            entries[one.name] |= figures(one, timing, limit)
    gc.collect()
    return make_row(case, entries, case.flops(problem.steps) / 1e9)


def run_quietly(case: Case, settings: argparse.Namespace, limit: float, watch: Watch) -> dict:
    """Run a case while the machine is quiet; a case during which it was not is measured again, twice at most."""
    if settings.check:
        return run_case(case, settings, limit)
    for again in reversed(range(3)):
        before = watch.wait(settings.patience)
        row = run_case(case, settings, limit)
        row["quiet"] = before and watch.is_quiet()
        if row["quiet"] or not again or not settings.patience:
            break
    return row


def gather(problem: Problem, threads: int) -> tuple[list[Contestant], Field]:
    """Return the contestants of a case and an entry for each; those that cannot take part have its reason."""
    case, entrants, entries = problem.case, [], {}

    def enter(name: str, peer: str, build: Callable[[], Contestant | list[Contestant]]) -> None:
        try:
            built = build()
        except (AbsentError, BackendError) as error:
            entries[name] = {"peer": peer, "reason": str(error)}
            return
        for one in built if isinstance(built, list) else [built]:
            entrants.append(one)
            entries[one.name] = {"peer": peer, "door": one.door, "backend": one.backend}

    enter("holdfast", "holdfast", lambda: ours.automatic(problem))
    if entries["holdfast"].get("backend", "cpu") != "cpu":
        enter("holdfast cpu", "holdfast", lambda: ours.forced_cpu(problem))
    if case.freeze:
        enter("holdfast freeze", "holdfast", lambda: ours.frozen(problem))
    for name in case.peers:
        if name in YARDSTICKS:
            enter(name, name, lambda name=name: getattr(ours, name)(problem))
        else:
            enter(name, name, lambda name=name: peer_module(name).contestants(problem, threads))
    return entrants, entries


def passes(one: Contestant, entries: Field, oracle: Oracle) -> bool:
    """Check a contestant against the reference; a red one keeps its entry, without a time."""
    verdict = oracle.judge(one)
    entries[one.name]["check"] = {"worst": verdict.worst, "error": float(f"{verdict.error:.2e}")}
    if verdict.red:
        entries[one.name]["reason"] = verdict.red
    return not verdict.red


def figures(one: Contestant, timing: Timing, limit: float) -> dict:
    gflop = one.problem.case.flops(one.problem.steps) / 1e9
    return {
        "ms": round(timing.median_ms, 4),
        "best_ms": round(timing.best_ms, 4),
        "repeats": timing.repeats,
        "of_limit": round(gflop / (timing.median_ms / 1e3) / limit, 4),
    }


def describe(row: dict) -> str:
    """Return a case as one line for the terminal."""
    parts = []
    for name, entry in row["contestants"].items():
        label = f"{name} ({entry['backend']})" if entry.get("backend") else name
        if "reason" in entry:
            parts.append(f"{label}: {entry['reason']}")
        elif "ms" in entry:
            parts.append(f"{label} {entry['ms']} ms, {entry['of_limit']:.1%} of the limit")
        else:
            parts.append(f"{label} right to {entry['check']['error']:.0e} ({entry['check']['worst']})")
    goals = [f"{goal['door']} {goal['got']} of {goal['at_least']}" for goal in row["goals"] if goal["got"]]
    return f"{row['name']}\n  " + "\n  ".join(parts + ([f"goals: {'; '.join(goals)}"] if goals else []))


def machine(threads: int) -> dict[str, object]:
    return {
        "cpu": cpu_level.cpu_name(),
        "level": cpu_level.describe()["level"],
        "threads": threads,
        "system": platform.platform(),
        "python": platform.python_version(),
        "holdfast": holdfast.__version__,
    }


def peer_versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "absent: pip install -r benchmarks/requirements.txt"
    return versions


def limit_threads(threads: int) -> str:
    """Give the process as many processors as threads, and torch as many threads; return what was done.

    The others get their number as they are made. XLA has no such setting: it takes a thread for each processor that
    the process may use, so these are narrowed for all, before JAX is loaded.
    """
    torch.set_num_threads(threads)
    if not hasattr(os, "sched_setaffinity"):
        return "torch, ONNX Runtime and OpenVINO by their settings; this system cannot narrow JAX"
    allowed = sorted(os.sched_getaffinity(0))[:threads]
    os.sched_setaffinity(0, allowed)
    return f"torch, ONNX Runtime and OpenVINO by their settings, JAX and all others by processors {allowed}"


def open_record(settings: argparse.Namespace) -> dict:
    """Return the record to add to: a new one, or the one that an interrupted run left."""
    now = machine(settings.threads)
    if settings.resume and settings.out.exists():
        record = json.loads(settings.out.read_text(encoding="utf-8"))
        # Another kernel or day is let pass: the contestants of a case always ran together.
        same = all(record["machine"][name] == now[name] for name in now if name != "system")
        same = same and record["peers"] == peer_versions()
        if not same or any(record["settings"][name] != getattr(settings, name) for name in SETTINGS):
            raise SystemExit(f"{settings.out} is of another machine, setting or version; choose another --out.")
        return record
    return {
        "command": " ".join(["python -m benchmarks.run", *sys.argv[1:]]),
        "machine": now,
        "limit": measure_limit(settings.threads),
        "peers": peer_versions(),
        "settings": {name: getattr(settings, name) for name in SETTINGS},
        "cases": [],
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", choices=(*SUITES, "both"), default="both")
    parser.add_argument("--only", default="", help="cases whose name has this text: a family, a variant, a size")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each case, all contestants together")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--patience", type=float, default=60.0, help="seconds to wait for a quiet machine, each case")
    parser.add_argument("--out", type=Path, default=RESULTS / "cpu.json")
    parser.add_argument("--resume", action="store_true", help="keep the cases that --out already has")
    parser.add_argument("--again", action="store_true", help="with --resume: measure the chosen cases anew")
    parser.add_argument("--check", action="store_true", help="compare with the reference only; time and write nothing")
    return parser.parse_args()


def choose_cases(suite: str, only: str) -> list[Case]:
    suites = list(SUITES) if suite == "both" else [suite]
    cases = [case for name in suites for case in SUITES[name] if only in case.name]
    if not cases:
        raise SystemExit(f"No case has {only!r} in its name.")
    return cases


def place(row: dict, rows: list[dict]) -> list[dict]:
    """Return the rows with this one added, or put in place of an older one, in the registry's order."""
    order = [case.name for cases in SUITES.values() for case in cases]
    rows = [other for other in rows if other["name"] != row["name"] and other["name"] in order]
    return sorted([*rows, row], key=lambda other: order.index(other["name"]))


def main() -> None:
    settings = parse()
    done_with_threads = limit_threads(settings.threads)
    cases = choose_cases(settings.suite, settings.only)
    record = {"limit": {"gflops": 1.0}, "settings": {}, "cases": []} if settings.check else open_record(settings)
    record["settings"]["threads_set_by"] = done_with_threads
    watch = Watch()
    known = {row["name"] for row in record["cases"]} if not settings.again else set()
    for case in cases:
        if case.name in known:
            continue
        row = run_quietly(case, settings, record["limit"]["gflops"], watch)
        record["cases"] = place(row, record["cases"])
        print(describe(row), flush=True)
        if not settings.check:
            write_report(settings.out, record)
    red = [row["name"] for row in record["cases"] if "reason" in row["contestants"]["holdfast"]]
    goals = [goal["met"] for row in record["cases"] for goal in row["goals"]]
    print(
        f"\n{len(record['cases'])} cases, {len(red)} without a result of ours; "
        f"{goals.count(True)} of {len(goals)} goals met."
    )
    if not settings.check:
        print(f"Written to {settings.out} and {settings.out.with_suffix('.md')}.")


if __name__ == "__main__":
    main()
