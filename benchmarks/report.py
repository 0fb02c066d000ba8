"""The results as rows, as JSON and as Markdown tables."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.registry import REASONS, YARDSTICKS, Case

Row = dict

NOISE = 0.03
"""How far below 1 a goal of 1.0 may fall where torch's own kernels serve us too: both run the same code."""


def make_row(case: Case, entries: dict[str, dict], gflop: float) -> Row:
    """Return what is recorded of a case.

    Args:
        entries: By contestant: its `peer` (the name the case lists it by, "holdfast" for ours), and either `ms` and
            more or the `reason` why it has no time.
        gflop: Useful work in 1e9 floating point operations.
    """
    timed = {name: entry for name, entry in entries.items() if "ms" in entry}
    rivals = {name: entry["ms"] for name, entry in timed.items() if entry["peer"] not in ("holdfast", *YARDSTICKS)}
    fastest = min(rivals, key=lambda name: rivals[name]) if rivals else None
    ours = timed.get("holdfast", {}).get("ms")
    return {
        "name": case.name,
        "suite": case.suite,
        "gflop": round(gflop, 6),
        "contestants": entries,
        "fastest_peer": fastest,
        "times_as_fast": round(rivals[fastest] / ours, 3) if fastest and ours else None,
        "goals": [row for goal in case.goals for row in goal_rows(goal, timed, entries)],
        **({"why_short": REASONS[case.name]} if case.name in REASONS else {}),
    }


def goal_rows(goal, timed: dict[str, dict], entries: dict[str, dict]) -> list[Row]:
    """Return one row for each door that the goal binds; `met` is None where either side has no time."""
    named = [entry["ms"] for entry in timed.values() if entry["peer"] in goal.against]
    missing = sorted(set(goal.against) - {entry["peer"] for entry in timed.values()})
    rows = []
    for door in goal.doors:
        ours = timed.get(door, {}).get("ms")
        got = min(named) / ours if named and ours else None
        shared = goal.at_least == 1 and timed.get(door, {}).get("backend") == "vendor"
        least = 1 - NOISE if shared else goal.at_least
        rows.append(
            {
                "door": door,
                "against": list(goal.against),
                "missing": missing,
                "at_least": round(goal.at_least, 3),
                "got": None if got is None else round(got, 3),
                "met": None if got is None else got >= least,
            }
        )
    return rows


def write_report(path: Path, record: dict) -> None:
    """Write `path` (JSON) and the tables beside it (.md), each whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for target, text in ((path, json.dumps(record, indent=1) + "\n"), (path.with_suffix(".md"), markdown(record))):
        part = target.with_name(target.name + ".part")
        part.write_text(text, encoding="utf-8")
        part.replace(target)


def markdown(record: dict) -> str:
    machine, limit, rows = record["machine"], record["limit"], record["cases"]
    lines = ["# Holdfast's layers against their peers", "", f"`{record['command']}`", ""]
    lines += [f"- {name}: {value}" for name, value in machine.items()]
    lines += [f"- limit: {limit['gflops']} GFLOP/s, {limit['read_gb_per_s']} GB/s read ({limit['how']})"]
    lines += [f"- {name}: {text}" for name, text in record["peers"].items()]
    lines += ["", NOTES.format(**record["settings"]), ""]
    bound = [row for row in rows if row["goals"]]
    if bound:
        lines += ["## Goals", "", *table(GOAL_HEAD, [cells for row in bound for cells in goal_cells(row)]), ""]
        lines += [shortfall(bound), ""]
    lines += ["## Every contestant", "", *table(ALL_HEAD, [cells for row in rows for cells in entry_cells(row)])]
    absent = [[row["name"], name, entry["reason"]] for row in rows for name, entry in absences(row)]
    if absent:
        lines += ["", "## No time", "", *table(["case", "contestant", "why"], absent)]
    return "\n".join(lines) + "\n"


NOTES = """Sizes are B,T,I,H in float32. Every contestant has {threads} threads, equal weights and inputs, and was
compared with the reference in float64 before it was timed. Contestants run in turns, {rounds} rounds; times are medians
in milliseconds. Training has a dense random gradient of the output, and its weights are changed in place before every
call. Of the limit: useful operations (2 T B G H (I + H) forward, three times that for training; padding not counted)
a second, as a share of the machine's measured multiply-adds. "x times" is the time of the fastest contestant named,
over ours; "loop" and "sb3" are the usual Python loops, "padded" and "plain" our own padded run and our own plain cell.
A goal of 1.0 where the vendor backend serves us is met from 0.97, the noise of timing the same code twice.
Threads were set so: {threads_set_by}."""

GOAL_HEAD = ["case", "door", "backend", "ms", "of the limit", "against", "ms", "x times", "goal", "met"]
ALL_HEAD = ["case", "contestant", "call", "ms", "best ms", "of the limit", "holdfast is x times as fast"]


def goal_cells(row: Row) -> list[list[str]]:
    entries, cells = row["contestants"], []
    for goal in row["goals"]:
        ours = entries.get(goal["door"], {})
        rivals = [(entry["ms"], name) for name, entry in entries.items() if rival(entry, goal["against"])]
        ms, name = min(rivals) if rivals else ("", ", ".join(goal["against"]))
        met = {True: "yes", False: "**no**", None: "no time"}[goal["met"]]
        note = f" (without {', '.join(goal['missing'])})" if goal["missing"] and rivals else ""
        share = percent(ours.get("of_limit"))
        values = (
            row["name"],
            f"`{ours.get('door', goal['door'])}`",
            ours.get("backend", ""),
            ours.get("ms", ""),
            share,
        )
        cells.append([*map(str, values), name + note, *map(str, (ms, goal["got"] or "", goal["at_least"], met))])
    return cells


def rival(entry: dict, against: list[str]) -> bool:
    return "ms" in entry and entry["peer"] in against


def entry_cells(row: Row) -> list[list[str]]:
    ours = row["contestants"].get("holdfast", {}).get("ms")
    cells = []
    for name, entry in row["contestants"].items():
        if "ms" in entry:
            ratio = f"{entry['ms'] / ours:.2f}" if ours and name != "holdfast" else ""
            label = f"{name} ({entry['backend']})" if entry.get("backend") else name
            values = (row["name"], label, f"`{entry['door']}`", entry["ms"], entry["best_ms"])
            cells.append([*map(str, values), percent(entry["of_limit"]), ratio])
    return cells


def absences(row: Row) -> list[tuple[str, dict]]:
    return [(name, entry) for name, entry in row["contestants"].items() if "ms" not in entry]


def shortfall(rows: list[Row]) -> str:
    goals = [(row, goal) for row in rows for goal in row["goals"]]
    short = [(row, goal) for row, goal in goals if not goal["met"]]
    lines = [f"{len(goals) - len(short)} of {len(goals)} goals met."]
    for row, goal in short:
        got = "no time" if goal["got"] is None else f"{goal['got']} of {goal['at_least']}"
        lines.append(f"- {row['name']} ({goal['door']}): {got}. {row.get('why_short', 'Reason not found yet.')}")
    return "\n".join(lines)


def percent(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.1f} %"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]
