"""The language model on small generated text: it learns, scores, generates, completes, and keeps documents apart."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

import holdfast
from holdfast.errors import ConfigError, DataError
from holdfast.tasks.language import LanguageConfig, LanguageModel
from holdfast.tasks.language.data import Batch, pad_documents, read_documents
from holdfast.tasks.language.decode import Sampling, cut_at_stop
from holdfast.tasks.text import UNITS
from tests.tasks.language_samples import small_model, small_text, unigram_nats

TEXT = small_text()
FRESH = small_text(60, seed=9)


@pytest.fixture(scope="module")
def models() -> dict[str, LanguageModel]:
    """A trained model for each kind of units, and one with every other option."""
    made = {units: small_model(250, units=units).fit(TEXT, quiet=True) for units in UNITS}
    made["options"] = small_model(250, num_layers=2, dropout=0.1, tie=True, cell="gru", init="orthogonal").fit(
        TEXT, quiet=True
    )
    return made


@pytest.mark.parametrize("name", [*UNITS, "options"])
def test_training_beats_the_unigram_baseline(models, name):
    lm = models[name]
    report = lm.evaluate(FRESH)
    assert report["loss"] < 0.75 * unigram_nats(lm.tokenizer.encode(FRESH).tolist())
    assert lm.result.steps == 250


@pytest.mark.parametrize("units", UNITS)
def test_figures_are_counted_as_the_literature_does(models, units):
    lm = models[units]
    report = lm.evaluate(FRESH)
    ids = lm.tokenizer.encode(FRESH)
    with torch.no_grad():
        logits, _ = lm.model(torch.as_tensor(ids[:-1])[:, None])
        p = logits[:, 0].double().log_softmax(-1)
    nats = -float(p[torch.arange(len(ids) - 1), torch.as_tensor(ids[1:])].sum())
    characters = len(FRESH) - (1 if len(ids) == len(FRESH) else 0)
    assert report["tokens"] == len(ids) - 1
    assert report["loss"] == pytest.approx(nats / (len(ids) - 1), rel=1e-5)
    assert report["perplexity"] == pytest.approx(math.exp(nats / (len(ids) - 1)), rel=1e-4)
    assert report["bits_per_character"] == pytest.approx(nats / math.log(2) / characters, rel=1e-5)


def test_score_carries_the_state_across_chunks(models, monkeypatch):
    whole = models["characters"].evaluate(FRESH)
    monkeypatch.setattr("holdfast.tasks.language.score.CHUNK", 7)
    assert models["characters"].evaluate(FRESH)["loss"] == pytest.approx(whole["loss"], rel=1e-6)


@pytest.mark.parametrize("name", [*UNITS, "options"])
def test_generation_is_the_same_for_the_same_seed(models, name):
    lm = models[name]
    first = lm.generate("Ann ", length=30, seed=3)
    assert first == lm.generate("Ann ", length=30, seed=3)
    assert first == "".join(lm.generate("Ann ", length=30, seed=3, stream=True))
    assert first != lm.generate("Ann ", length=30, seed=4)
    assert "<unk>" not in first


@pytest.mark.parametrize("name", ["characters", "options"])
def test_carried_state_equals_reading_all_again(models, name):
    lm = models[name]
    written = "Ann "
    for letter in lm.generate(written, length=40, temperature=0, stream=True):
        ids = torch.as_tensor(lm.tokenizer.encode(written))[:, None]
        with torch.no_grad():
            logits, _ = lm.model(ids)
        logits[..., lm.tokenizer.unknown] = -torch.inf
        written += lm.tokenizer.token(int(logits[-1, 0].argmax()))
        if letter:  # the last piece is what the decoder still held: nothing
            assert written[-1] == letter


def test_tokens_appear_as_they_come(models):
    stream = models["characters"].generate("Ann ", length=10**9, seed=0, stream=True)
    assert len("".join(itertools.islice(stream, 25))) == 25


def test_stop_ends_the_text(models):
    text = models["characters"].generate("Ann ", length=400, seed=0)
    assert models["characters"].generate("Ann ", length=400, seed=0, stop=".\nB") == text[: text.index(".\nB")]


@pytest.mark.parametrize("cut", range(1, 5))
def test_stop_is_found_across_pieces(cut):
    text = "ab aab aabc aa"
    pieces = [text[n : n + cut] for n in range(0, len(text), cut)]
    assert "".join(cut_at_stop(iter(pieces), "aabc")) == "ab aab "
    assert "".join(cut_at_stop(iter(pieces), "zzz")) == text
    assert "".join(cut_at_stop(iter(pieces), None)) == text


def test_sampling_keeps_the_likely_tokens_only():
    generator = torch.Generator().manual_seed(0)
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    ways = [{}, {"top_k": 2}, {"top_p": 0.8}, {"top_p": 0.4}, {"temperature": 0}, {"top_k": 9}]
    draws = [{Sampling(**how).draw(logits, generator) for _ in range(300)} for how in ways]
    assert draws == [{0, 1, 2, 3}, {0, 1}, {0, 1}, {0}, {0}, {0, 1, 2, 3}]


@pytest.mark.parametrize(
    "how",
    [
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"top_k": -1},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"length": -1},
    ],
)
def test_sampling_out_of_range_is_refused(models, how):
    with pytest.raises(ConfigError, match=next(iter(how))):
        models["characters"].generate("Ann", **how)


@pytest.mark.parametrize("units", UNITS)
def test_complete_knows_the_grammar(models, units):
    guesses = models[units].complete("Ann sees the cat.\nBob", top=3)
    assert {word for word, _ in guesses} == {"sees", "likes", "finds"}
    assert all(0.1 < p < 0.7 for _, p in guesses)
    assert [p for _, p in guesses] == sorted((p for _, p in guesses), reverse=True)


def test_complete_sums_to_at_most_one_and_is_the_product_of_its_letters(models):
    lm = models["characters"]
    guesses = lm.complete("Bob", top=50)
    assert 0.9 < sum(p for _, p in guesses) <= 1 + 1e-9
    p_word, ids = dict(guesses)["likes"], lm.tokenizer.encode("Bob likes")
    with torch.no_grad():
        p = lm.model(torch.as_tensor(ids)[:, None])[0][:, 0].double().softmax(-1)
    letter = torch.tensor([t.isalnum() or t in "'’-_" for t in lm.tokenizer.symbols])
    letter[0] = False
    expected = float(p[3, ids[4]] / p[3, letter].sum() * math.prod(p[n, ids[n + 1]] for n in range(4, 8)))
    assert p_word == pytest.approx(expected * float(p[8, ~letter].sum()), rel=1e-4)


def test_unknown_words_are_counted_and_scored(models):
    report = models["words"].evaluate("Ann sees the zebra.\n")
    assert report["unknown"] == 1
    assert models["characters"].evaluate("Ann zzz\n")["unknown"] == 3
    assert models["words"].generate("Zebra", length=3, seed=0)


def test_documents_do_not_leak_into_each_other_or_padding():
    lm = small_model(units="words", steps=20)
    documents = ["a b a b", "b b b a a a b b a", "a a"]
    lm.fit(documents=documents * 10, quiet=True)
    prepared = read_documents(documents, None, lm.tokenizer)
    with torch.no_grad():
        together, _ = lm.model(torch.as_tensor(pad_documents(prepared).inputs))
        for row, document in enumerate(prepared):
            steps = len(document.ids) - 1
            alone, _ = lm.model(torch.as_tensor(document.ids[:-1])[:, None])
            torch.testing.assert_close(together[:steps, row], alone[:, 0], rtol=0, atol=1e-6)
        # The loss of the batch is the mean over its real tokens, whatever stands in the padding.
        batch = pad_documents(prepared)
        junk = Batch(np.where(batch.weights > 0, batch.inputs, 1), batch.targets, batch.weights, True)
        assert float(lm.model.loss(batch, None)[0]) == pytest.approx(float(lm.model.loss(junk, None)[0]), rel=1e-6)
        mean = sum(float(lm.evaluate(documents=[d])["loss"]) * (len(d.split()) - 1) for d in documents) / 12
        assert float(lm.model.loss(batch, "a state of before")[0]) == pytest.approx(mean, rel=1e-5)
        assert lm.model.loss(batch, None)[2] == 12
    assert lm.evaluate(documents=documents)["loss"] == pytest.approx(mean, rel=1e-6)


def test_weights_say_what_is_learnt():
    documents = [["q", "x", "1"], ["q", "y", "2"]] * 40
    weights = [[0, 0, 1]] * 80
    lm = small_model(units="tokens", steps=60).fit(documents=documents, weights=weights, quiet=True)
    assert dict(lm.complete("q x", top=5))["1"] > 0.95
    assert dict(lm.complete("q y", top=5))["2"] > 0.95
    assert dict(lm.complete("q", top=9))["x"] < 0.3  # weight 0: never trained
    report = lm.evaluate(documents=documents[:2], weights=weights[:2])
    assert report["loss"] < 0.1 < math.log(report["perplexity"])


def test_validation_may_be_given(tmp_path):
    path = tmp_path / "valid.txt"
    path.write_text(FRESH, encoding="utf-8")
    assert small_model(steps=2).fit(TEXT, validation=[path], quiet=True).result is not None
    assert small_model(steps=2).fit(TEXT, validation=FRESH, quiet=True).result is not None
    pair = (["Ann sees."], [[1.0] * 9])
    assert small_model(steps=2).fit(documents=TEXT.split("\n")[:-1], validation=pair, quiet=True).result is not None


def test_chrono_starts_with_long_memories():
    lm = small_model(steps=1, init="chrono", chunk_size=300).fit(TEXT, quiet=True)
    forget = dict(lm.model.modules_by_name["recurrent"].named_parameters())["bias_ih_l0"][24:48]
    assert 3 < float(forget.detach().mean()) < 6  # log of 1 to 300


def test_network_can_be_traced(models):
    lm = models["characters"]
    with torch.no_grad(), holdfast.record(lm.model) as trace:
        lm.model(torch.as_tensor(lm.tokenizer.encode("Ann sees"))[:, None])
    assert trace["modules_by_name.recurrent", 0, "forward"].f.shape == (8, 1, 24)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ({}, ConfigError, "exactly one"),
        ({"text": "a", "documents": ["a b"]}, ConfigError, "exactly one"),
        ({"text": "abc" * 50, "weights": [[1]]}, ConfigError, "weights belong to documents"),
        ({"text": "abc"}, DataError, "fewer than the 21 of one chunk"),
        ({"text": "abcd" * 50, "validation": "a"}, DataError, "to score has 1 tokens"),
        ({"documents": ["ab cd"]}, DataError, "Two documents are the least"),
        ({"files": ["nowhere.txt"]}, DataError, "no such file"),
    ],
)
def test_wrong_data_is_refused(data, error, message):
    with pytest.raises(error, match=message):
        small_model(steps=1).fit(quiet=True, **data)


def test_untrained_model_says_so():
    with pytest.raises(ConfigError, match="Call fit first"):
        LanguageModel().generate("a")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cell": "elman"}, "no cell .elman.. Known: lstm, gru, rnn"),
        ({"units": "runes"}, "units must be"),
        ({"hidden_size": 0}, "hidden_size must be"),
        ({"dropout": 1.0}, "dropout must be"),
        ({"cell": "rnn", "init": "chrono"}, "rnn has none"),
        ({"hiden_size": 3}, "hiden_size"),
    ],
)
def test_wrong_settings_are_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        LanguageModel(**fields)


def test_config_survives_a_dict():
    config = LanguageConfig(cell="gru", tie=True)
    assert LanguageConfig.from_dict(config.to_dict()) == config
    with pytest.raises(ConfigError, match=r"run.yaml: unknown settings colour"):
        LanguageConfig.from_dict({"colour": 1}, "run.yaml")
    with pytest.raises(ConfigError, match="unknown settings lr"):
        LanguageConfig.from_dict({"train": {"lr": 1}})


def test_several_processes_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="does not divide its data"):
        small_model(10).fit(TEXT, quiet=True)
