"""Every level of the game is solved by its rule, and by nothing lazier."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.game_players import LAZY
from holdfast.errors import ConfigError
from holdfast.studio.game.levels import LEVELS, QUIET, Level, level_of
from holdfast.studio.game.play import (
    Policy,
    Score,
    Streams,
    by_biases,
    by_hand,
    by_player,
    by_rule,
    constant,
    gather,
    pad,
    play,
    score,
)
from holdfast.studio.game.streams import Card, stream
from holdfast.studio.game.train import CHECKPOINTS, balanced_loss, train

ROOT = Path(__file__).resolve().parents[2]
PLAYERS = ROOT / "src" / "holdfast" / "studio" / "static" / "game" / "players.json"
RESULTS = ROOT / "benchmarks" / "results" / "game.json"
SEEDS = range(300)
RULE_LOSSES = {1: 0.031, 2: 0.031, 3: 0.031, 4: 0.031, 5: 0.031, 6: 0.026, 7: 0.031, 8: 0.031, 9: 0.031, 10: 0.049}
LEVEL = pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)


def judged(level: Level, policy: Policy, seeds=SEEDS, length: int = 30) -> Score:
    streams = gather(level, seeds, length)
    return score(streams, play(level, streams, policy))


@LEVEL
def test_the_rule_is_right_on_every_stream(level):
    found = judged(level, by_rule(level, level.rule))
    assert found.share == 1
    assert found.loss == pytest.approx(RULE_LOSSES[level.number], abs=6e-4)


@LEVEL
def test_half_shut_and_open_gates_lose(level):
    for value in (0.5, 0.0, 1.0):
        found = judged(level, constant(len(level.cells), value, value, value))
        assert found.share == 0
        assert found.loss > 1


@LEVEL
def test_no_constant_gates_solve_a_level(level):
    grid = np.array(list(itertools.product((0.0, 0.25, 0.5, 0.75, 1.0), repeat=3)))
    streams = gather(level, range(60))
    every = Streams(*(np.tile(part, (len(grid),) + (1,) * (part.ndim - 1)) for part in astuple(streams)))
    gates = np.repeat(np.repeat(grid, 60, axis=0)[:, None], len(level.cells), axis=1)
    right = score(every, play(level, every, lambda t, rows, words, h: gates)).right.reshape(len(grid), 60)
    assert right.mean(1).max() <= {1: 0.45, 6: 0.15}.get(level.number, 0.0)


@pytest.mark.parametrize("number", LAZY, ids=lambda number: f"{level_of(number).name}: {LAZY[number][0]}")
def test_the_laziest_answer_fails(number):
    level = level_of(number)
    found = judged(level, by_rule(level, LAZY[number][1]))
    assert found.share < 0.65
    assert found.loss > 10 * RULE_LOSSES[number]


@LEVEL
def test_every_stream_asks_and_has_quiet_cards(level):
    for seed in SEEDS:
        targets = [card.target for card in stream(level, seed)]
        assert any(target != QUIET for target in targets)
        assert any(target == QUIET for target in targets)


def test_three_biases_carry_thirty_dots_and_a_weaker_forget_bias_does_not():
    level = level_of(8)
    assert level.biases is not None
    solved = judged(level, by_biases(level.biases))
    assert solved.share == 1
    assert solved.loss == pytest.approx(0.037, abs=5e-4)
    assert judged(level, by_biases((3.0, -6.0, -6.0))).share == 0  # σ(3)^30 is 23 %
    assert judged(level, by_biases((6.0, -6.0, -6.0)), range(50), length=300).share < 1


def test_one_card_by_hand_is_the_equation():
    level = level_of(1)
    streams = pad([[Card(0, 0, (0.8,), 2)]], 1)
    played = play(level, streams, by_hand(np.array([[[1.0, 0.5, 0.75]]])))
    c = 0.5 * 0.8
    h = 0.75 * math.tanh(c)
    assert played.c[0, 0, 0] == pytest.approx(c)
    assert played.h[0, 0, 0] == pytest.approx(h)
    total = math.exp(4) + math.exp(-10 * h) + math.exp(10 * h)
    assert score(streams, played).loss == pytest.approx(-math.log(math.exp(10 * h) / total))


@LEVEL
def test_torch_trains_on_the_games_own_loss(level):
    streams = gather(level, range(20))
    torch.manual_seed(3)
    cells = len(level.cells)
    words = torch.randn(len(level.words()), 3 * cells, dtype=torch.float64)
    recurrent = torch.randn(3 * cells, cells, dtype=torch.float64)
    expected = score(streams, play(level, streams, by_player(words.numpy(), recurrent.numpy()))).loss
    assert float(balanced_loss(level, streams, words, recurrent)) == pytest.approx(expected, rel=1e-12)


def test_training_learns_the_first_level_from_half_open_gates():
    level = level_of(1)
    begun, after = train(level, 0, steps=50, checkpoints=(0, 50))
    assert judged(level, by_player(begun.words, begun.recurrent)).share == 0
    assert judged(level, by_player(after.words, after.recurrent)).share == 1


@LEVEL
def test_shipped_players_are_what_the_results_say(level):
    shipped = json.loads(PLAYERS.read_text(encoding="utf-8"))["levels"][str(level.number)]
    assert [int(step) for step in shipped] == list(CHECKPOINTS)
    assert len(json.dumps(shipped, separators=(",", ":"))) < 10_000
    recorded = json.loads(RESULTS.read_text(encoding="utf-8"))["levels"][str(level.number)]["lstm"]["0"]
    for step, weights in shipped.items():
        found = judged(level, by_player(np.array(weights["words"]), np.array(weights["recurrent"])))
        assert found.loss == pytest.approx(recorded[step]["loss"], abs=2e-4)
        assert found.share == pytest.approx(recorded[step]["right"], abs=1e-3)
    assert recorded["800"]["right"] == 1
    assert recorded["0"]["right"] == 0


def test_results_record_the_lesson_of_level_8():
    lesson = json.loads(RESULTS.read_text(encoding="utf-8"))["levels"]["8"]["forget bias"]
    shown = json.loads(PLAYERS.read_text(encoding="utf-8"))["forget bias"]
    assert shown == {bias: lesson[bias]["solved"] for bias in ("1.0", "2.0", "3.4")}
    assert shown["1.0"] < shown["3.4"] == 5


def test_there_is_no_eleventh_level():
    with pytest.raises(ConfigError, match="levels 1 to 10"):
        level_of(11)
