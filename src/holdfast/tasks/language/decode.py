"""Turn a language model's output into text: sampling token by token, and the most likely next words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from holdfast.errors import ConfigError
from holdfast.tasks.language.model import LanguageNetwork
from holdfast.tasks.text import AbstractTokenizer, is_word_text
from holdfast.train.carried import map_tensors

BEAM = 64  # unfinished words followed side by side
LONGEST_WORD = 40  # tokens
CHUNK = 512  # steps of a prime text run at once


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn.

    Raises:
        ConfigError: a value is out of range.
    """

    temperature: float = 1.0
    """Below 1 is safer, above 1 is wilder; 0 always takes the most likely token."""
    top_k: int = 0
    """Draw from the k most likely tokens only. 0: from all."""
    top_p: float = 1.0
    """Draw from the most likely tokens that together have this probability (Holtzman et al. 2020)."""

    def __post_init__(self):
        if not 0 <= self.temperature < float("inf"):
            raise ConfigError(f"temperature must be 0 or more, got {self.temperature!r}.")
        if self.top_k < 0:
            raise ConfigError(f"top_k must be 0 (all tokens) or more, got {self.top_k!r}.")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p must be above 0 and at most 1, got {self.top_p!r}.")

    def draw(self, logits: Tensor, generator: torch.Generator) -> int:
        """Draw one id from logits [V]."""
        if self.temperature == 0:
            return int(logits.argmax())
        logits = logits.double() / self.temperature
        if self.top_k:
            worst_kept = logits.topk(min(self.top_k, len(logits))).values[-1]
            logits = logits.masked_fill(logits < worst_kept, -torch.inf)
        p = logits.softmax(-1)
        if self.top_p < 1:
            sorted_p, order = p.sort(descending=True, stable=True)
            # A token is kept while those before it do not yet reach top_p, so at least one always is.
            p[order[sorted_p.cumsum(0) - sorted_p >= self.top_p]] = 0
        return int(torch.multinomial(p, 1, generator=generator))


def run_prime(network: LanguageNetwork, ids: Any, state: Any = None) -> tuple[Tensor, Any]:
    """Read ids [N] and return the logits [V] of what follows, with the state."""
    device = next(network.parameters()).device
    logits = torch.empty(0)
    for start in range(0, len(ids), CHUNK):
        part = torch.as_tensor(ids[start : start + CHUNK]).to(device)[:, None]
        features, state = network.hidden(part, state)
        logits = network.modules_by_name["output"](features[-1, 0])
    return logits, state


@torch.no_grad()
def generate_ids(
    network: LanguageNetwork, prime: Any, sampling: Sampling, seed: int | None, unknown: int | None
) -> Iterator[int]:
    """Yield ids after `prime` [N >= 1] without end; each costs one step, because the state is carried.

    Args:
        seed: Of the draws. None: another text every time. The same seed gives the same text on the same machine.
        unknown: The id that must never be drawn.
    """
    generator = torch.Generator()
    generator.seed() if seed is None else generator.manual_seed(seed)
    logits, state = run_prime(network, prime)
    while True:
        logits = logits.float().cpu()
        if unknown is not None:
            logits[unknown] = -torch.inf
        index = sampling.draw(logits, generator)
        yield index
        logits, state = run_prime(network, [index], state)


def cut_at_stop(pieces: Iterator[str], stop: str | None) -> Iterator[str]:
    """Pass pieces of text on until `stop` appears; it is not passed on, and text that may begin it is held back."""
    if not stop:
        yield from pieces
        return
    held = ""
    for piece in pieces:
        held += piece
        at = held.find(stop)
        if at >= 0:
            if at:
                yield held[:at]
            return
        keep = next(n for n in range(min(len(stop) - 1, len(held)), -1, -1) if not n or stop.startswith(held[-n:]))
        if len(held) > keep:
            yield held[: len(held) - keep]
            held = held[len(held) - keep :]
    if held:
        yield held


@torch.no_grad()
def next_tokens(
    network: LanguageNetwork, prime: Any, tokenizer: AbstractTokenizer, top: int
) -> list[tuple[str, float]]:
    """Return the `top` most likely next tokens of a word model with their chance, `<unk>` left out."""
    logits, _ = run_prime(network, prime)
    p = logits.double().softmax(-1)
    order = [int(i) for i in p.argsort(descending=True, stable=True)[: top + 1] if int(i) != tokenizer.unknown]
    return [(tokenizer.token(index), float(p[index])) for index in order[:top]]


@dataclass
class _Beam:
    """Unfinished words: their texts, log-probabilities [W], the next token's log-probabilities [W, V], the state."""

    words: list[bytes]
    log_p: Tensor
    next_log_p: Tensor
    state: Any
    finished: dict[bytes, float] = field(default_factory=dict)


@torch.no_grad()
def next_words(network: LanguageNetwork, prime: Any, tokenizer: AbstractTokenizer, top: int) -> list[tuple[str, float]]:
    """Return the `top` most likely whole next words of a character, byte or BPE model.

    A beam search over tokens: 64 unfinished words are followed, and a word is finished by whatever cannot stand in a
    word, so P(word) = P(its tokens) * P(a word ends there). Probabilities are given that a word comes next: the first
    token is drawn from those that can begin one. Words the beam drops are missing, and a word that the tokens can spell
    in several ways counts the ways the beam kept, so the probabilities are lower bounds.

    Args:
        prime: ids [N] up to where the word begins (for BPE, before the space that belongs to the word).
    """
    pieces = [_piece_bytes(tokenizer, index) for index in range(tokenizer.size)]
    inside = torch.tensor([_can_continue(piece) for piece in pieces])
    begins = torch.tensor([_can_begin(piece, tokenizer.units) for piece in pieces])
    logits, state = run_prime(network, prime)
    log_p = logits.double().cpu().log_softmax(-1)
    log_p = log_p.masked_fill(~begins, -torch.inf)
    beam = _Beam([b""], torch.zeros(1, dtype=torch.float64), log_p.log_softmax(-1)[None], state)
    for step in range(LONGEST_WORD):
        if step:
            _finish_words(beam, inside)
        kth = sorted(beam.finished.values(), reverse=True)[top - 1 : top]
        if kth and float(beam.log_p.exp().sum()) <= kth[0]:
            break  # not even all that is unfinished together could enter the list
        if not _extend(network, beam, pieces, inside if step else begins):
            break
    best = sorted(beam.finished.items(), key=lambda item: (-item[1], item[0]))[:top]
    return [(word.decode("utf-8", "replace").strip(), p) for word, p in best]


def _finish_words(beam: _Beam, inside: Tensor) -> None:
    ends = beam.log_p.exp() * beam.next_log_p.exp()[:, ~inside].sum(-1)
    for word, p in zip(beam.words, ends.tolist(), strict=True):
        beam.finished[word] = beam.finished.get(word, 0.0) + p


def _extend(network: LanguageNetwork, beam: _Beam, pieces: list[bytes], allowed: Tensor) -> bool:
    scores = (beam.log_p[:, None] + beam.next_log_p).masked_fill(~allowed, -torch.inf).flatten()
    best = scores.topk(min(BEAM, len(scores)))
    keep = best.values > -torch.inf
    if not keep.any():
        return False
    chosen = best.indices[keep]
    rows, tokens = chosen // len(pieces), chosen % len(pieces)
    device = next(network.parameters()).device
    # State tensors are [L, B, H]: the batch axis picks the words that live on.
    state = map_tensors(beam.state, lambda part: part[:, rows.to(device)].contiguous())
    logits, beam.state = network(tokens[None].to(device), state)
    beam.words = [beam.words[row] + pieces[token] for row, token in zip(rows.tolist(), tokens.tolist(), strict=True)]
    beam.log_p = best.values[keep]
    beam.next_log_p = logits[0].double().cpu().log_softmax(-1)
    return True


def _piece_bytes(tokenizer: AbstractTokenizer, index: int) -> bytes:
    if tokenizer.units == "characters":
        return b"" if index == tokenizer.unknown else tokenizer.token(index).encode("utf-8", "replace")
    return tokenizer.bytes_of(index)  # type: ignore[attr-defined]  # bytes and BPE have it


def _can_continue(piece: bytes) -> bool:
    # Bytes from 0x80 are parts of other scripts' letters; a word is not ended by one of them.
    text = "".join(chr(byte) if byte < 0x80 else "x" for byte in piece)
    return is_word_text(text)


def _can_begin(piece: bytes, units: str) -> bool:
    if units == "bpe":  # a BPE word carries the space before it
        return piece[:1] == b" " and _can_continue(piece[1:])
    return _can_continue(piece)
