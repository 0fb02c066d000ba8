"""Train the players of the game's ten levels; record how they, the rules and the laziest answers fare.

python -m benchmarks.game_players [--levels 1 2 ...] [--players FILE] [--out FILE]

Each level is trained from two seeds; the page gets the first one's weights at every checkpoint, rounded to three
decimals, and those rounded weights are what is measured here, on 300 streams that no training saw. Level 8 is trained
once more from five seeds with forget biases of 1, 2 and 3.4 = ln 30: how many of them solve it is the level's lesson.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from holdfast.studio.game.levels import BIAS_CHOICES, LEVELS, TRUE_RULES, Level, RowRule, level_of
from holdfast.studio.game.play import (
    Policy,
    Score,
    by_biases,
    by_player,
    by_rule,
    constant,
    gather,
    play,
    score,
)
from holdfast.studio.game.train import CHECKPOINTS, RATE, STREAMS_A_STEP, Player, train

ROOT = Path(__file__).resolve().parent
PLAYERS = ROOT.parent / "src" / "holdfast" / "studio" / "static" / "game" / "players.json"
RESULTS = ROOT / "results" / "game.json"
JUDGED = range(300)
SEEDS = (0, 1)
LONG_FORGET_BIAS = 3.4  # ln 30, the time constant that level 8 asks for
LESSON_BIASES = (1.0, 2.0, LONG_FORGET_BIAS)
LESSON_SEEDS = range(5)
LESSON_STEPS = 400
GRID = (0.0, 0.25, 0.5, 0.75, 1.0)

# The answer that solved the level before, or that looks as if it should do: what the level is there to break.
LAZY: dict[int, tuple[str, dict[int, RowRule]]] = {
    2: ("level 1's rule", {0: ((0, 1, 1),), 1: ((0, 0, 0),), 2: ((0, 1, 1),)}),
    3: ("i open on dots", {**TRUE_RULES[2], 1: ((1, 1, 0),)}),
    4: ("f = 1 on arrows", {**TRUE_RULES[2], 0: ((1, 1, 0),)}),
    5: ("level 4's rule", {**TRUE_RULES[2], 3: ((1, 0, 0),)}),
    6: ("f = 0.9 throughout", {0: ((0.9, 1, 1),), 1: ((0.9, 0, 1),)}),
    7: (
        "both cells alike",
        {row: ((f, i, o),) * 2 for row, (f, i, o) in enumerate([(0, 1, 0)] * 2 + [(1, 0, 0)] + [(1, 0, 1)] * 2)},
    ),
    8: ("f = 0.95 on dots", {**TRUE_RULES[2], 1: ((0.95, 0, 0),)}),
    9: ("o = 0 on 0", {**TRUE_RULES[9], 1: ((1, 0, 0),)}),
    10: ("no flag", {**TRUE_RULES[10], 2: ((0, 1, 0), (0, 1, 0), (0, 0, 0))}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--levels", nargs="+", type=int, default=[level.number for level in LEVELS])
    parser.add_argument("--players", type=Path, default=PLAYERS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    players = read(arguments.players) or {"levels": {}, "forget bias": {}}
    results = read(arguments.out) or {"versions": versions(), "conditions": conditions(), "levels": {}}
    for number in arguments.levels:
        level = level_of(number)
        trained = {seed: train(level, seed, forget_bias=forget_bias(level)) for seed in SEEDS}
        players["levels"][str(number)] = shipped(trained[SEEDS[0]])
        row = figures(level) | {"lstm": {str(seed): history(level, run) for seed, run in trained.items()}}
        if number == 8:
            row |= {"forget bias": lesson(level), "settings of biases that pass": passing(level)}
            players["forget bias"] = {bias: row["forget bias"][bias]["solved"] for bias in map(str, LESSON_BIASES)}
        results["levels"][str(number)] = row
        players["levels"], results["levels"] = in_order(players["levels"]), in_order(results["levels"])
        write(arguments.players, players, None)
        write(arguments.out, results, 1)
        print(
            f"{number} {level.name}: rule {row['rule']}, LSTM {row['lstm'][str(SEEDS[0])][str(CHECKPOINTS[-1])]}",
            flush=True,
        )


def in_order(levels: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(levels.items(), key=lambda pair: int(pair[0])))


def forget_bias(level: Level) -> float:
    return LONG_FORGET_BIAS if level.number == 8 else 0.0


def judged(level: Level, policy: Policy, length: int = 30) -> Score:
    streams = gather(level, JUDGED, length)
    return score(streams, play(level, streams, policy))


def plain(judgement: Score) -> dict[str, float]:
    return {"loss": round(judgement.loss, 4), "right": round(judgement.share, 4)}


def figures(level: Level) -> dict[str, Any]:
    """What the rule, the constants and the laziest answer come to."""
    cells = len(level.cells)
    constants = [judged(level, constant(cells, *gates)) for gates in itertools.product(GRID, repeat=3)]
    row: dict[str, Any] = {
        "name": level.name,
        "rule": plain(judged(level, by_rule(level, level.rule))),
        "half": plain(judged(level, constant(cells, 0.5, 0.5, 0.5))),
        "closed": plain(judged(level, constant(cells, 0.0, 0.0, 0.0))),
        "open": plain(judged(level, constant(cells, 1.0, 1.0, 1.0))),
        "best constant": plain(min(constants, key=lambda judgement: judgement.loss)),
        "most right by a constant": max(round(judgement.share, 4) for judgement in constants),
    }
    if level.biases:
        row["biases"] = plain(judged(level, by_biases(level.biases)))
    if level.number in LAZY:
        name, rule = LAZY[level.number]
        row["laziest"] = {"answer": name} | plain(judged(level, by_rule(level, rule)))
    return row


def history(level: Level, run: list[Player]) -> dict[str, dict[str, float]]:
    return {str(player.step): plain(judged(level, by_player(player.words, player.recurrent))) for player in run}


def lesson(level: Level) -> dict[str, Any]:
    """Level 8 from five seeds and three forget biases: how many solve it (99 % of streams right)."""
    out: dict[str, Any] = {"steps": LESSON_STEPS}
    for bias in LESSON_BIASES:
        runs = [
            train(level, seed, forget_bias=bias, steps=LESSON_STEPS, checkpoints=(LESSON_STEPS,))
            for seed in LESSON_SEEDS
        ]
        scores = [judged(level, by_player(run[-1].words, run[-1].recurrent)) for run in runs]
        solved = sum(judgement.share >= 0.99 for judgement in scores)
        out[str(bias)] = {"solved": solved, "of": len(LESSON_SEEDS), "losses": [round(s.loss, 4) for s in scores]}
        print(f"  forget bias {bias}: {solved} of {len(LESSON_SEEDS)} in {LESSON_STEPS} steps", flush=True)
    return out


def passing(level: Level) -> dict[str, int]:
    """How many of the 343 settings of three biases get 200 of 200 streams right, by the number of dots."""
    counts = {}
    for length in (30, 100, 300):
        streams = gather(level, range(200), length)
        settings = itertools.product(BIAS_CHOICES, repeat=3)
        counts[str(length)] = sum(score(streams, play(level, streams, by_biases(b))).share == 1 for b in settings)
    return counts


def shipped(run: list[Player]) -> dict[str, Any]:
    return {str(p.step): {"words": p.words.tolist(), "recurrent": p.recurrent.tolist()} for p in run}


def conditions() -> dict[str, Any]:
    return {
        "streams judged": len(JUDGED),
        "steps": CHECKPOINTS[-1],
        "streams a step": STREAMS_A_STEP,
        "Adam's rate": RATE,
        "forget bias of level 8": LONG_FORGET_BIAS,
    }


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__}


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write(path: Path, content: dict[str, Any], indent: int | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    separators = (",", ":") if indent is None else None
    path.write_text(json.dumps(content, indent=indent, separators=separators) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
