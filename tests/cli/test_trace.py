"""`holdfast trace`: the sentence comes from the run, and every file it writes holds the trace's own numbers."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch

import holdfast
from holdfast.cli.main import main
from holdfast.studio.evidence import find_word, gather, reordered
from holdfast.studio.subject import shipped
from holdfast.tasks.france.report import example

TEXT = "I grew up in France. Dinner was late. I speak fluent"


@pytest.fixture(scope="module")
def lstm():
    return next(subject for subject in shipped() if subject.id == "lstm")


def traced(lstm, text=TEXT):
    model = lstm.estimator
    ids = torch.as_tensor(model.tokenizer.encode(text))[:, None]
    with torch.no_grad(), holdfast.record(model.model) as trace:
        model.model.hidden(ids)
    return trace["modules_by_name.recurrent", 0, "forward"]


def test_the_claim_about_the_shipped_models_is_made_from_a_held_out_document(capsys, tmp_path):
    pytest.importorskip("matplotlib", reason="the picture needs Matplotlib")
    assert main(["trace", "lstm", "--beside", "rnn", "-o", str(tmp_path / "trace.png")]) == 0
    said = capsys.readouterr().out
    claim = next(line for line in said.splitlines() if "held 'France'" in line)
    assert claim.startswith("One cell of this LSTM (unit ")
    assert "held 'France' for 150 words. The plain RNN lost it after " in claim
    assert int(claim.rsplit(" ", 1)[1].rstrip(".")) < 30
    assert "LSTM, at the end: French 1.0" in said or "LSTM, at the end: French 0.9" in said
    assert "told in 100 % of other orders" in said
    assert (tmp_path / "trace.png").read_bytes().startswith(b"\x89PNG")


def test_a_short_text_is_said_not_to_need_long_memory_and_nothing_is_written(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["trace", "lstm", TEXT]) == 0
    assert "this text does not need long memory" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_text_is_refused(text, capsys):
    assert main(["trace", "lstm", text]) == 2
    assert "There is nothing to read" in capsys.readouterr().err


def test_a_text_without_sentences_to_reorder_boasts_of_no_memory_nor_of_a_second_model(capsys):
    between = "the soup was cold and the old dog saw the sea with Anna " * 3
    assert main(["trace", "rnn", f"I grew up in France. {between}. So I speak fluent", "--beside", "lstm"]) == 0
    said = capsys.readouterr().out
    assert "alternatives to 'France'" in said
    assert "was not tested" in said
    assert "held" not in said


def test_the_npz_loads_without_pickle_and_equals_the_trace(lstm, tmp_path, capsys):
    assert main(["trace", "lstm", TEXT, "-o", str(tmp_path / "t.npz")]) == 0
    expected = traced(lstm)
    with np.load(tmp_path / "t.npz", allow_pickle=False) as found:
        assert found["labels"].tolist() == TEXT.replace(".", " .").split()
        for letter in "ifgoch":
            np.testing.assert_array_equal(found[f"layer0.forward.{letter}"], getattr(expected, letter)[:, 0].numpy())
        assert found["layer0.forward.c0"].shape == (96,)


def test_the_csv_has_a_row_a_step_and_every_digit(lstm, tmp_path, capsys):
    assert main(["trace", "lstm", TEXT, "-o", str(tmp_path / "t.csv"), "--units", "3", "5"]) == 0
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["token"] for row in rows] == TEXT.replace(".", " .").split()
    assert np.float32(rows[4]["f5"]) == traced(lstm).f[4, 0, 5].numpy()
    assert set(rows[0]) == {"step", "token", *(f"{letter}{unit}" for letter in "ifgoch" for unit in (3, 5))}


@pytest.mark.parametrize(
    "flags", [["--picture", "gates", "--gates", "zh"], ["--picture", "highway"], ["--picture", "half-lives"],
              ["--direction", "forward", "--word", "Dinner", "--instead", "Lunch,Bread"],
              ["--against", "I grew up in Spain. Dinner was late. I speak fluent"]]
)  # fmt: skip
def test_each_picture_is_written(flags, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the picture needs Matplotlib")
    assert main(["trace", "gru", TEXT, "-o", str(tmp_path / "new" / "t.svg"), *flags]) == 0, capsys.readouterr().err
    assert (tmp_path / "new" / "t.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_a_text_file_is_read(tmp_path, capsys):
    (tmp_path / "text.txt").write_text("The quick brown fox. " * 5, encoding="utf-8")
    assert main(["trace", "rnn", str(tmp_path / "text.txt")]) == 0
    said = capsys.readouterr().out
    assert "25 steps" in said
    assert "held" not in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lstm", TEXT, "-o", "t.bmp"], "the ending says what is written"),
        (["nothing-here", TEXT], "is no folder"),
        (["lstm", TEXT, "--word", "Paris", "--instead", "Rome"], "does not stand in the text"),
        (["lstm", TEXT, "--word", "France"], "give both"),
        (["lstm", TEXT, "--word", "France", "--instead", "New Zealand"], "14 tokens instead of 13"),
        (["lstm", TEXT, "--against", TEXT], "must differ"),
        (["lstm", "No country.", "--picture", "kept"], "--word, --instead"),
        (["lstm", TEXT, "--layer", "3"], "no layer 3"),
        (["lstm", " "], "nothing to read"),
    ],
)
def test_wrong_input_is_one_message_and_writes_nothing(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["trace", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_other_orders_keep_the_words_sentence_first_and_the_last_one_last():
    text = "I grew up in France. A b. C d! E f? G h.\nI j. So I speak fluent"
    found = reordered(text, text.index("France") + 6, 5)
    assert len(found) == 5
    assert len(set(found)) == 5
    for version in found:
        assert version.startswith("I grew up in France. ")
        assert version.endswith("So I speak fluent")
        assert sorted(version.split()) == sorted(text.split())
    assert reordered("France is far. A b. So I speak fluent", 6, 5) == []
    few = reordered("France is far. A b. C d. E f. So I speak fluent", 6, 12)
    assert len(few) == len(set(few)) == 6


def test_whole_words_are_found():
    assert find_word("Frances and France.", "France") == (12, 18)


def test_states_with_the_word_are_those_of_the_text(lstm):
    text = example(50).prompt
    found = gather(lstm, text, "France", ["Germany", "Poland"])
    assert found.run.reading.labels[found.start] == "France"
    np.testing.assert_array_equal(found.states[0], traced(lstm, text).c[:, 0].numpy())
    np.testing.assert_array_equal(found.states[1], traced(lstm, text.replace("France", "Germany")).c[:, 0].numpy())
    assert found.known is not None
    assert found.known.shape == (len(found.run) - found.start,)
