"""`holdfast trace`: what a model did over one text or series, as a sentence, a picture, a web page or plain numbers."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from holdfast.studio.evidence import Evidence
    from holdfast.studio.run import Run
    from holdfast.studio.subject import Subject

PICTURES = (".png", ".pdf", ".svg")
ENDINGS = (*PICTURES, ".html", ".npz", ".csv")
EXAMPLE_GAP = 150
SHOWN_UNITS = 5


@dataclass(frozen=True)
class TraceCommand:
    """Show what a model did inside over one text or series: which units held a word, and every gate.

    Without --out the findings are printed and nothing is written. The words `lstm`, `gru` and `rnn` name the models of
    the long-memory demo that come with the package.

    Example: holdfast trace lstm --beside rnn -o trace.png
    """

    model: tyro.conf.Positional[str]
    """Folder of a saved model of any task, or lstm, gru or rnn."""
    input: tyro.conf.Positional[
        Annotated[str | None, tyro.conf.arg(metavar="[INPUT]", help_behavior_hint="(optional)")]
    ] = None
    """A text, or a text file or CSV. None given: a held-out document of the demo, 150 words long."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = None
    """Where it goes; the ending says what it is: .png, .pdf or .svg a picture, .html the Studio's page for this text in
    one file, .npz every number, .csv a table of one layer."""
    picture: Literal["auto", "kept", "gates", "highway", "half-lives"] = "auto"
    """What to draw. auto: what was kept of a word where one is named or found, else heat maps of the gates."""
    word: Annotated[str | None, tyro.conf.arg(metavar="WORD")] = None
    """The word whose memory is looked for. In texts of the demo the first country, if none is named."""
    instead: Annotated[str | None, tyro.conf.arg(metavar="WORDS")] = None
    """Words that can stand in its place, parted by commas."""
    against: tuple[str, ...] = ()
    """Whole texts to compare with, in place of --word and --instead; they differ in a word."""
    beside: Annotated[str | None, tyro.conf.arg(metavar="MODEL")] = None
    """A second model to hold the same word against."""
    layer: int = 0
    """Which recurrent layer, counted from 0."""
    direction: Literal["forward", "backward"] = "forward"
    """Which direction of it."""
    units: tuple[int, ...] = ()
    """The units to draw or write. None given: all."""
    gates: Annotated[str | None, tyro.conf.arg(metavar="LETTERS")] = None
    """Letters of the gates and states to draw, such as fc. None given: all."""


def run(command: TraceCommand) -> int:
    """Run the model, say what was found, and write what is asked for."""
    _check(command)
    from holdfast.studio.depict import claim_of

    subject = _subject(command.model)
    reading = subject.read(**_given(subject, command.input))
    traced = subject.run(reading)
    print(_heading(subject, traced))
    evidence = _evidence(command, subject, reading.text)
    if evidence:
        print(f"\n{claim_of(*evidence)}\n")
        print(_table(evidence[0]))
    elif command.picture == "kept" or command.beside:
        raise ConfigError("Name the word whose memory is looked for, and others for its place: --word, --instead.")
    for answer in filter(None, (_answer(one) for one in (traced, *(other.run for other in evidence[1:])))):
        print(answer)
    if command.out is not None:
        _write(command, traced, evidence)
        print(f"\nWritten: {command.out}")
    return 0


def _check(command: TraceCommand) -> None:
    if command.out is not None and command.out.suffix.lower() not in ENDINGS:
        raise ConfigError(f"{command.out}: the ending says what is written; it is one of {' '.join(ENDINGS)}.")
    if command.against and (command.word or command.instead):
        raise ConfigError("Give --word with --instead, or --against with whole texts, not both.")
    if bool(command.word) != bool(command.instead):
        raise ConfigError("--word names the word and --instead what can stand in its place: give both, or neither.")


def _subject(name: str) -> Subject:
    from holdfast.studio.subject import open_subject, shipped

    if not Path(name).is_dir():
        for subject in shipped():
            if subject.id == name:
                return subject
    return open_subject(name)


def _given(subject: Subject, given: str | None) -> dict[str, str]:
    """Return what `Subject.read` takes: a path where one is named, else the text."""
    if given is None:
        if subject.reads != "text":
            raise ConfigError(f"{subject.name} reads series: name a CSV to trace.")
        from holdfast.tasks.france.report import example

        return {"text": example(EXAMPLE_GAP).prompt}
    if not given.strip():
        return {"text": given}  # which is refused
    looks_like_path = "\n" not in given and len(given) < 1000
    if looks_like_path and (Path(given).is_file() or subject.reads == "series"):
        return {"path": given}
    return {"text": given}


def _evidence(command: TraceCommand, subject: Subject, text: str | None) -> list[Evidence]:
    """Return what was found of the word in each model; empty where there is no word to look for."""
    from holdfast.studio.depict import countries_in
    from holdfast.studio.evidence import gather, gather_against

    if text is None or command.direction != "forward":
        return []
    subjects = [subject] + ([_subject(command.beside)] if command.beside else [])
    where = {"layer": command.layer, "direction": command.direction}
    if command.against:
        return [gather_against(one, text, command.against, **where) for one in subjects]
    found = countries_in(text) if subject.task == "language" else None
    if command.word and command.instead:
        found = command.word, [word.strip() for word in command.instead.split(",") if word.strip()]
    if found is None:
        return []
    return [gather(one, text, *found, **where) for one in subjects]


def _heading(subject: Subject, traced: Run) -> str:
    facts = subject.description
    layers = ", ".join(f"{place.hidden} units" for place in facts.places)
    unknown = f", {len(traced.reading.unknown)} of them unknown to it" if traced.reading.unknown else ""
    return f"{subject.name}: {facts.task} model, {layers}, {facts.parameters:,} numbers; {len(traced)} steps{unknown}."


def _table(evidence: Evidence) -> str:
    from holdfast.inside.claims import words_between

    kept, labels = evidence.kept, evidence.run.reading.labels
    lines = [f"The units of {evidence.run.subject.name} that kept a difference longest, of {len(evidence.names) - 1} "
             f"words in the place of '{evidence.names[0]}':",
             "  unit   words   told from"]  # fmt: skip
    for unit in kept.order[:SHOWN_UNITS]:
        words = words_between(labels, kept.start, kept.last(unit))
        lines.append(f"  {unit:>4}   {words:>5}   {kept.told[unit]:>9}")
    if evidence.known is not None:
        share = f"{100 * evidence.known[-1]:.0f} %"
        lines.append(
            f"From its whole state the word is told in {share} of other orders of the sentences in between, at"
        )
        lines.append(f"the end; guessing gives {100 * evidence.guessing:.0f} %.")
    return "\n".join(lines)


def _answer(traced: Run) -> str:
    top = traced.top(len(traced) - 1, 5)
    return (
        f"{traced.subject.name}, at the end: "
        + ", ".join(f"{what if what.strip() else repr(what)} {p:.3f}" for what, p in top)
        if top
        else ""
    )


def _write(command: TraceCommand, traced: Run, evidence: list[Evidence]) -> None:
    from holdfast.studio.arrays import csv_bytes, npz_bytes, write_whole
    from holdfast.studio.depict import draw_kept, draw_run

    path, ending = command.out or Path(), (command.out or Path()).suffix.lower()
    if ending == ".html":
        write_whole(path, _page(command, traced, evidence).encode())
        return
    if ending == ".npz":
        write_whole(path, npz_bytes(traced))
    elif ending == ".csv":
        write_whole(path, csv_bytes(traced, command.layer, command.direction, command.units))
    elif evidence and command.picture in ("auto", "kept"):
        draw_kept(evidence, path, note=_note(command, traced))
    else:
        picture = "gates" if command.picture == "auto" else command.picture
        draw_run(traced, path, picture=picture, layer=command.layer, direction=command.direction, units=command.units,
                 gates=command.gates)  # fmt: skip


def _page(command: TraceCommand, traced: Run, evidence: list[Evidence]) -> str:
    from holdfast.studio.bundle import html_of
    from holdfast.studio.depict import claim_of

    subjects = [traced.subject, *(one.run.subject for one in evidence[1:])]
    text = (
        traced.reading.text
        if traced.reading.text is not None
        else Path(command.input or "").read_text(encoding="utf-8")
    )
    state = f"v=memory&m={traced.subject.id}&l={command.layer}&d={command.direction}"
    named = bool(evidence) and not command.against
    if evidence:
        state += f"&u={evidence[0].kept.best}&t={evidence[0].start}"
    word, *instead = evidence[0].names if named else ("",)
    return html_of(
        subjects, text, word=word, instead=instead, state=state, note=claim_of(*evidence[:2]) if evidence else ""
    )


def _note(command: TraceCommand, traced: Run) -> str:
    words = ["holdfast", "trace", command.model] + ([] if command.input is None else ["TEXT"])
    words += ["--beside", command.beside] if command.beside else []
    words += ["--word", command.word, "--instead", command.instead] if command.word and command.instead else []
    score = traced.subject.description.to_dict()["score"]
    return " ".join(map(shlex.quote, words)) + (f"    {traced.subject.name}: {score}" if score else "")
