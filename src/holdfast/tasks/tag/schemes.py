"""How tags mark chunks: BIO, IOB1 and BIOES, found out, checked, read as spans and written again. Needs no torch.

tokens   Ann  Lee  saw  Rome  Paris
bio      B-P  I-P  O    B-L   B-L       every chunk begins with B-
iob1     I-P  I-P  O    I-L   B-L       B- only where a chunk follows one of its own type
bioes    B-P  E-P  O    S-L   S-L       the last token is E-, a chunk of one token S-
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

CHUNK_SCHEMES = ("bio", "iob1", "bioes")
_PREFIXES = {"bio": "BI", "iob1": "BI", "bioes": "BIES"}


@dataclass(frozen=True, order=True)
class Span:
    """Tokens `start` up to `stop`, marked as a chunk of `kind`."""

    start: int
    stop: int
    kind: str


@dataclass(frozen=True)
class Fault:
    """A tag that its scheme does not allow at its place, counted from 0."""

    place: int
    reason: str


def split_tag(tag: str) -> tuple[str, str]:
    """Return prefix and kind: "B-LOC" gives "B", "LOC", and "O" gives "O", ""."""
    prefix, dash, kind = tag.partition("-")
    return (prefix, kind) if dash else (tag, "")


def detect_scheme(sentences: Iterable[Sequence[str]]) -> str:
    """Return the scheme that tags follow: the first of bio, iob1 and bioes that allows them all, or plain.

    Where only the prefixes fit, the scheme that would forgive most is named, for `find_fault` to say what is wrong.
    """
    sentences = list(sentences)
    prefixes = {split_tag(tag) for tags in sentences for tag in tags} - {("O", "")}
    letters = {prefix for prefix, _ in prefixes}
    if not prefixes or not all(kind for _, kind in prefixes) or not letters <= set("BIES") or letters <= set("ES"):
        return "plain"
    if letters & set("ES"):
        return "bioes"
    fits = [scheme for scheme in ("bio", "iob1") if all(find_fault(tags, scheme) is None for tags in sentences)]
    return fits[0] if fits else "bio"


def find_fault(tags: Sequence[str], scheme: str) -> Fault | None:
    """Return the first tag that the scheme does not allow, or None."""
    before, kind_before = "O", ""
    for place, tag in enumerate([*tags, "O"]):
        prefix, kind = split_tag(tag)
        at = min(place, len(tags) - 1)
        if tag != "O" and (prefix not in _PREFIXES[scheme] or not kind):
            return Fault(place, f"the tag {tag!r} is none of {scheme.upper()}'s: O or {', '.join(_PREFIXES[scheme])}-")
        goes_on = kind == kind_before
        if scheme == "bio" and prefix == "I" and not (before in ("B", "I") and goes_on):
            return Fault(place, f"{tag} without its B-{kind} before it")
        if scheme == "iob1" and prefix == "B" and not (before != "O" and goes_on):
            return Fault(place, f"{tag} does not follow a chunk of its own kind, where IOB1 writes I-{kind}")
        if scheme == "bioes":
            is_open = before in ("B", "I")
            if is_open and not (prefix in ("I", "E") and goes_on):
                return Fault(max(at - (tag != "O" or place < len(tags)), 0), f"a chunk of {kind_before} has no E-")
            if not is_open and prefix in ("I", "E"):
                return Fault(place, f"{tag} without its B-{kind} before it")
        before, kind_before = prefix, kind
    return None


def read_spans(tags: Sequence[str]) -> list[Span]:
    """Return the chunks that tags of any scheme mark, as conlleval reads them: what breaks off begins anew."""
    spans: list[Span] = []
    start, open_kind, before = 0, "", "O"
    for place, tag in enumerate([*tags, "O"]):
        prefix, kind = split_tag(tag)
        begins = tag != "O" and (prefix in "BS" or before in ("O", "E", "S") or kind != open_kind)
        if open_kind and (begins or tag == "O"):
            spans.append(Span(start, place, open_kind))
            open_kind = ""
        if begins:
            start, open_kind = place, kind
        before = prefix
    return spans


def write_spans(spans: Iterable[Span], length: int, scheme: str) -> list[str]:
    """Return the tags of `length` tokens that mark the chunks."""
    tags = ["O"] * length
    last = None
    for span in sorted(spans):
        for place in range(span.start, span.stop):
            tags[place] = f"I-{span.kind}"
        touches = last is not None and last.stop == span.start and last.kind == span.kind
        if scheme != "iob1" or touches:
            tags[span.start] = f"B-{span.kind}"
        if scheme == "bioes":
            tags[span.stop - 1] = f"{'S' if span.stop - span.start == 1 else 'E'}-{span.kind}"
        last = span
    return tags


def convert_tags(tags: Sequence[str], scheme: str) -> list[str]:
    """Return tags of any scheme in another one."""
    return write_spans(read_spans(tags), len(tags), scheme)


def may_follow(before: str, after: str) -> bool:
    """Say whether BIO lets a tag stand after another; "" as the first stands for the sentence's beginning."""
    prefix, kind = split_tag(after)
    return prefix != "I" or (split_tag(before)[0] in ("B", "I") and split_tag(before)[1] == kind)
