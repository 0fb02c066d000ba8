"""Models of every kind and cell, looked at: what is shown is what the trace holds, digit for digit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import holdfast
from holdfast.errors import CheckpointError, ConfigError, DataError
from holdfast.inside.clamping import Clamp
from holdfast.nn.trace import record
from holdfast.studio.facts import facts_of
from holdfast.studio.maps import as_bytes
from holdfast.studio.order import order_of
from holdfast.studio.studio import Studio
from holdfast.studio.subject import open_subject, shipped
from holdfast.studio.traces import TraceStore
from holdfast.tasks.memory.task import Memory
from holdfast.train import TrainSettings

FROZEN = Path(__file__).resolve().parents[1] / "tasks" / "frozen"

CELLS = {
    "lstm": lambda: holdfast.LSTM(3, 6),
    "peephole": lambda: holdfast.LSTM(3, 6, peephole=True),
    "coupled": lambda: holdfast.LSTM(3, 6, coupled=True),
    "no forget gate": lambda: holdfast.LSTM(3, 6, forget_gate=False),
    "layer norm": lambda: holdfast.LSTM(3, 6, layer_norm="ba2016", peephole=True),
    "layer norm of the state": lambda: holdfast.LSTM(3, 6, layer_norm="state"),
    "projected": lambda: holdfast.LSTM(3, 6, proj_size=4),
    "learned start": lambda: holdfast.LSTM(3, 6, initial_state="learned"),
    "two layers both ways": lambda: holdfast.LSTM(3, 6, num_layers=2, bidirectional=True),
    "gru": lambda: holdfast.GRU(3, 6),
    "gru before": lambda: holdfast.GRU(3, 6, reset_order="before", bidirectional=True),
    "rnn": lambda: holdfast.RNN(3, 6),
    "rnn relu": lambda: holdfast.RNN(3, 6, nonlinearity="relu", batch_first=True),
}
SERIES = "a,b,c\n" + "\n".join(f"{np.sin(t):.4f},{np.cos(t):.4f},{t / 9:.4f}" for t in range(9))


@pytest.mark.parametrize(
    "layer",
    [holdfast.LSTM(3, 6, zoneout=(0.1, 0.4)), holdfast.GRU(3, 6, zoneout=0.4, bidirectional=True),
     holdfast.RNN(3, 6, zoneout=0.4)], ids=["lstm", "gru", "rnn"],
)  # fmt: skip
def test_what_was_written_and_wiped_makes_up_the_change_under_zoneout_too(layer, tmp_path):
    layer.save_pretrained(tmp_path / "layer")
    subject = open_subject(tmp_path / "layer")
    run = subject.run(subject.read("\n".join(SERIES.splitlines()[:6])))
    direction = "backward" if layer.bidirectional else "forward"
    facts = facts_of(TraceStore().keep(run, []), 0, direction, 2)
    found = np.zeros(5)
    for _, t, change in facts["written"] + facts["wiped"]:
        found[t] += change
    state = run.lanes(0, direction, run.state_letter())[:, 2]
    expected = -np.diff(state, append=0.0) if direction == "backward" else np.diff(state, prepend=0.0)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("name", list(CELLS))
def test_every_number_of_a_frame_is_the_layers_own(tmp_path, name):
    layer = CELLS[name]()
    layer.save_pretrained(tmp_path / "layer")
    subject = open_subject(tmp_path / "layer")
    run = subject.run(subject.read(SERIES))
    x = torch.as_tensor(np.loadtxt(SERIES.splitlines(), delimiter=",", skiprows=1), dtype=torch.float32)
    x = x[None] if layer.batch_first else x[:, None]
    trace = layer.eval().trace(x)
    for number, place in enumerate(subject.description.places):
        for direction in ("forward", "backward")[: place.directions]:
            own = trace["", place.layer, direction]
            for letter, values in own.values.items():
                np.testing.assert_array_equal(run.lanes(number, direction, letter), values[:, 0].detach().numpy())
            for t in range(9):
                check_frame(run.frame(number, direction, t, t % 6), own, t, t % 6)


def check_frame(frame, own, t, unit):
    """Gates and states are the trace's numbers; the parts of each sum give the gate."""
    for letter, value in frame["gates"].items():
        # An RNN's only gate is its state before zoneout.
        assert value == pytest.approx(float(own.values[letter][t, 0, unit]), abs=1e-6)
    projected = own.c0 is not None and own.h.shape[-1] != own.c.shape[-1]
    if not projected:
        assert frame["h"] == float(own.h[t, 0, unit])
    if own.c0 is not None:
        assert frame["c"] == float(own.c[t, 0, unit])
    for letter, parts in frame["pre"].items():
        total = sum(parts.values())
        squash = np.tanh if letter in "gnh" else lambda v: 1 / (1 + np.exp(-v))
        if frame["family"] == "rnn" and "relu" in frame["variant"]:
            squash = lambda v: max(v, 0.0)  # noqa: E731
        assert squash(total) == pytest.approx(frame["gates"][letter], abs=2e-6)


def test_variant_marks_are_told(tmp_path):
    holdfast.LSTM(3, 6, peephole=True, coupled=True).save_pretrained(tmp_path / "layer")
    told = open_subject(tmp_path / "layer").to_dict()
    assert told["variant"] == ["peephole", "coupled"]
    assert told["cell"] == "lstm+peephole+coupled"


@pytest.mark.parametrize(
    ("folder", "given", "steps", "layers"),
    [
        ("language-1", "Bob sees", 8, 2),
        ("tag-1", "Alice saw Paris.", 4, 1),
        ("classify_text-1", "Good thing", 2, 1),
        ("classify-1", "\n".join(f"{t},{-t}" for t in range(30)), None, 1),
        ("forecast-1", "y\n" + "\n".join(str(20 + t % 7) for t in range(40)), 8, 1),
        ("recursive-1", "\n".join(str(20 + t % 7) for t in range(40)), 8, 1),
    ],
)
def test_frozen_models_of_every_task_are_read_and_run(folder, given, steps, layers):
    subject = open_subject(FROZEN / folder)
    assert not subject.to_dict()["error"]
    if folder == "classify-1":
        features = subject.estimator.reader.num_features
        given = "\n".join(",".join(str(t + f) for f in range(features)) for t in range(30))
        steps = 30 // subject.estimator.reader.join
    reading = subject.read(given)
    run = subject.run(reading)
    places = subject.description.places
    assert len(places) == layers
    assert len(run) == len(reading.labels) == steps
    for number, place in enumerate(places):
        for direction in ("forward", "backward")[: place.directions]:
            assert run.lanes(number, direction, "c").shape == (steps, place.hidden)
            frame = run.frame(number, direction, steps - 1, 0)
            assert frame["c"] == pytest.approx(
                frame["gates"]["f"] * frame["c0"] + frame["gates"]["i"] * frame["gates"]["g"], abs=1e-6
            )
    assert run.answer


def test_answers_are_those_of_the_estimators():
    tagger = open_subject(FROZEN / "tag-1")
    run = tagger.run(tagger.read("Alice saw Paris."))
    assert run.answer["tags"] == tagger.estimator.tag(["Alice", "saw", "Paris", "."])
    proba = tagger.estimator.tag(["Alice", "saw", "Paris", "."], proba=True)
    assert dict(run.top(2, 3)) == {tag: p for tag, p in list(proba[2].items())[:3]}
    classifier = open_subject(FROZEN / "classify_text-1")
    run = classifier.run(classifier.read("good thing"))
    chances = classifier.estimator.predict_proba(["good thing"])[0]
    assert dict(run.top(1, 2)) == pytest.approx(dict(zip(classifier.estimator.classes_, chances, strict=True)))


def test_memory_problem_is_read_and_answered(tmp_path):
    train = TrainSettings(max_steps=1, evaluate_every=0)
    memory = Memory(task="adding", length=12, hidden_size=5, train=train).fit(folder=tmp_path / "adding", quiet=True)
    sequence = memory.draw(1)[0][0]
    subject = open_subject(tmp_path / "adding")
    reading = subject.read("\n".join(",".join(repr(float(value)) for value in step) for step in sequence))
    run = subject.run(reading)
    assert run.answer["number"] == pytest.approx(float(memory.recall([sequence])[0]), abs=1e-6)


def test_shipped_models_are_small_and_named():
    subjects = shipped()
    assert [subject.id for subject in subjects] == ["lstm", "gru", "rnn"]
    for subject in subjects:
        files = [path.stat().st_size for path in subject.folder.iterdir()]
        assert sum(files) < 1_000_000
        assert subject.to_dict()["score"]


def test_language_run_equals_the_network_itself():
    subject = shipped()[1]
    reading = subject.read("I grew up in France.")
    run = subject.run(reading)
    with torch.no_grad(), record(subject.network) as trace:
        subject.network(torch.as_tensor(subject.estimator.tokenizer.encode("I grew up in France."))[:, None])
    own = trace["modules_by_name.recurrent", 0, "forward"]
    np.testing.assert_array_equal(run.lanes(0, "forward", "z"), own.z[:, 0].numpy())
    assert run.top(5, 1)[0][1] <= 1


def test_forced_gate_is_forced_and_the_rest_follows():
    subject = shipped()[0]
    reading = subject.read("I grew up in France. The soup was cold.")
    clamps = [Clamp("modules_by_name.recurrent", 0, "forward", "f", [3], range(5, 7), 0.0)]
    run, plain = subject.run(reading, clamps), subject.run(reading)
    assert (run.lanes(0, "forward", "f")[5:7, 3] == 0).all()
    np.testing.assert_allclose(run.lanes(0, "forward", "c")[:5], plain.lanes(0, "forward", "c")[:5], atol=1e-5)
    frame = run.frame(0, "forward", 5, 3)
    assert frame["gates"]["f"] == 0
    assert frame["c"] == pytest.approx(frame["gates"]["i"] * frame["gates"]["g"], abs=1e-6)


def test_keeping_tells_the_lstm_from_the_rnn():
    text = "I grew up in France. The soup was cold. The window was open. So I speak fluent"
    steps = {}
    for subject in (shipped()[0], shipped()[2]):
        runs = [subject.run(subject.read(text.replace("France", word))) for word in ("France", "Germany", "Japan")]
        order = order_of(TraceStore().keep(runs[0], runs[1:]), "keeps", 0, "forward")
        steps[subject.id] = np.array(order["score"])
        scores = [order["score"][unit] for unit in order["permutation"]]
        assert scores == sorted(scores, reverse=True)
    assert steps["lstm"].max() == 16  # from the country to the end of the text
    assert steps["lstm"].mean() > 2 * steps["rnn"].mean()


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"text": ""}, DataError, "nothing to read"),
        ({"text": "a", "path": "b"}, ConfigError, "exactly one"),
        ({"path": "/nowhere/at/all.txt"}, DataError, "no such file"),
    ],
)
def test_what_cannot_be_read_is_refused(given, error, says):
    with pytest.raises(error, match=says):
        shipped()[0].read(**given)


@pytest.mark.parametrize(
    ("text", "says"), [("a,b\n1,2", "reads 3 numbers"), ("a,b,c\n1,2,x", "row 1: 'x' is no number"), ('"', "no CSV")]
)
def test_series_that_do_not_fit_are_refused(tmp_path, text, says):
    CELLS["lstm"]().save_pretrained(tmp_path / "layer")
    with pytest.raises(DataError, match=says):
        open_subject(tmp_path / "layer").read(text)


@pytest.mark.parametrize("broken", ["no folder", "empty", "json", "format", "layers", "weights", "kind"])
def test_broken_folders_say_what_is_wrong(tmp_path, broken):
    folder = tmp_path / "model"
    if broken != "no folder":
        folder.mkdir()
        CELLS["lstm"]().save_pretrained(folder)
        config = (folder / "config.json").read_text()
        changes = {
            "json": config[:-5],
            "format": config.replace('"format": 1', '"format": 99'),
            "layers": config.replace('"recurrent"', '"scaler"'),
            "kind": config.replace('"kind": "layer"', '"kind": "speech"'),
        }
        if broken == "empty":
            (folder / "config.json").unlink()
        elif broken == "weights":
            (folder / "model.safetensors").write_bytes(b"short")
        else:
            (folder / "config.json").write_text(changes[broken])
    with pytest.raises(CheckpointError):
        open_subject(folder)
    studio = Studio.open([folder])
    assert list(studio.models()["models"][0]) == ["id", "name", "shipped", "error"]
    assert studio.errors


def test_store_drops_by_count_and_by_size():
    class Counted:
        def count(self):
            return 60

    store = TraceStore(most_kept=3, most_values=100)
    first = store.keep(Counted(), [])
    second = store.keep(Counted(), [])
    assert len(store) == 1
    assert store.get(second.id) is second
    with pytest.raises(Exception, match="not kept any more"):
        store.get(first.id)


@pytest.mark.parametrize(
    ("letter", "values", "scale", "expected"),
    [
        ("f", [0.0, 0.5, 1.0, 1.0000001], 1.0, [0, 128, 255, 255]),
        ("c", [-2.0, 0.0, 1.0, 2.0], 2.0, [1, 128, 192, 255]),
        ("h", [0.0, 0.0], 0.0, [128, 128]),
    ],
)
def test_bytes_of_a_map(letter, values, scale, expected):
    assert as_bytes(letter, np.array(values, dtype=np.float32), scale).tolist() == expected
