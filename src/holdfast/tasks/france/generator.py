"""Documents for the long-memory demo: a country, exactly so many words of other things, and the blank.

    I grew up in France . Dinner was late . We once flew to Japan . ... So today I speak fluent [French] .

The gap is the number of words between the country and the blank, neither of them counted, nor the full stops (which
are tokens of their own, so the distance in tokens is longer still).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from holdfast.errors import ConfigError
from holdfast.tasks.france.fillers import FILLERS, MONTHS, PLACES, TEMPLATES
from holdfast.tasks.france.sentences import (
    CLOSINGS,
    COUNTRIES,
    DETOURS,
    LANGUAGE_OF,
    LANGUAGES,
    OPENINGS_I,
    OPENINGS_THEY,
    PEOPLE,
)

SHORTEST_GAP = 5
_NAMES = tuple(PEOPLE)
_SHORTEST_FILLER = 3  # sentences of 3, 4 and 5 words exist in both pools, so any rest from 3 words on can be filled
_EXPANSIONS = 15  # sentences made from each template with slots
_DETOUR_SHARE = 0.12  # of the sentences in the gap, beside the one that every longer gap has
_SURE_DETOUR = 20  # a gap with this many words to fill has at least one distractor


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its tokens, and what the blank asks for.

    `country` is None in a control document, where the sentence that names it is left out.
    """

    tokens: tuple[str, ...]
    country: str | None
    language: str
    gap: int
    detours: tuple[str, ...]

    @property
    def blank(self) -> int:
        """The position of the language in `tokens`; all before it is what the model reads."""
        return len(self.tokens) - 2

    @property
    def prompt(self) -> str:
        """The text up to the blank."""
        return " ".join(self.tokens[: self.blank]).replace(" .", ".")

    def with_country(self, country: str) -> Document:
        """Return the same document about somebody from another country.

        Raises:
            ConfigError: this is a control document, or `country` is unknown or visited on the way.
        """
        if self.country is None or country not in LANGUAGE_OF or country in self.detours:
            raise ConfigError(f"{country!r} cannot take the place of {self.country!r} in this document.")
        tokens = list(self.tokens)
        tokens[tokens.index(self.country)] = country
        tokens[self.blank] = LANGUAGE_OF[country]
        return replace(self, tokens=tuple(tokens), country=country, language=LANGUAGE_OF[country])


@dataclass(frozen=True)
class Pool:
    """The sentences one generator may use between the country and the blank."""

    fillers: tuple[str, ...]
    detours: tuple[str, ...]

    def texts(self) -> list[str]:
        """Return every sentence, those with slots once for each country."""
        travels = [(text, country) for text in self.detours for country in COUNTRIES]
        return [
            *self.fillers,
            *(text.format(country=c, name=_NAMES[n % len(_NAMES)]) for n, (text, c) in enumerate(travels)),
        ]

    def fitting(self, room: int) -> list[str]:
        """Return the fillers after which the rest of `room` words can still be filled exactly."""
        return [text for text in self.fillers if _fits(len(text.split()), room)]


def make_pools(seed: int = 0) -> tuple[Pool, Pool]:
    """Return the training pool and the held-out pool, which share no sentence, template or distractor sentence."""
    rng = random.Random(seed)
    train = ([text for k, text in enumerate(FILLERS) if k % 6 != 5], [t for k, t in enumerate(TEMPLATES) if k % 6 != 5])
    held = ([text for k, text in enumerate(FILLERS) if k % 6 == 5], [t for k, t in enumerate(TEMPLATES) if k % 6 == 5])
    pools = []
    for part, (plain, templates) in enumerate((train, held)):
        expanded = {_expand(template, rng) for template in templates for _ in range(_EXPANSIONS)}
        detours = tuple(text for k, text in enumerate(DETOURS) if (k % 6 == 5) == bool(part))
        pools.append(Pool(tuple(plain) + tuple(sorted(expanded)), detours))
    return pools[0], pools[1]


class Generator:
    """Draws documents from one pool of sentences; equal seeds draw equal documents."""

    def __init__(self, pool: Pool, seed: int):
        self._pool = pool
        self._rng = random.Random(seed)
        self._fitting: dict[int, list[str]] = {}

    def document(self, gap: int, *, country: str | None = None, control: bool = False) -> Document:
        """Draw one document whose gap is exactly `gap` words.

        Args:
            gap: Words between the country and the blank.
            country: The home country; drawn when None.
            control: Leave out the sentence that names the country. The language is then drawn evenly from all of
                them, since nothing in the document tells it.

        Raises:
            ConfigError: the gap is too short for any closing sentence, or the country is unknown.
        """
        if gap < SHORTEST_GAP:
            raise ConfigError(f"The shortest gap is {SHORTEST_GAP} words, got {gap}.")
        if country is not None and country not in LANGUAGE_OF:
            raise ConfigError(f"Unknown country {country!r}. Known: {', '.join(COUNTRIES)}.")
        rng = self._rng
        country = country or rng.choice(COUNTRIES)
        opening, closing, room = self._frame(gap, country)
        middle, detours = self._middle(room, country)
        words = [] if control else [*opening.split(), "."]
        for sentence in middle:
            words += [*sentence.split(), "."]
        language = rng.choice(LANGUAGES) if control else LANGUAGE_OF[country]
        words += [*closing.split(), language, "."]
        return Document(tuple(words), None if control else country, language, gap, detours)

    def filling(self, words: int, home: str | None = None) -> list[str]:
        """Draw sentences of exactly so many words together, such as stand between the country and the blank.

        Args:
            words: How many words in all; 1 and 2 are fewer than any sentence has, and give none.
            home: The country that the text is about; longer fillings also speak of others, with other languages. None:
                no country is mentioned.
        """
        return self._middle(words, home)[0] if words >= _SHORTEST_FILLER else []

    def _frame(self, gap: int, country: str) -> tuple[str, str, int]:
        """Draw an opening and a closing that leave room for whole sentences, and return the words left to fill."""
        rng = self._rng
        while True:
            name = rng.choice(_NAMES)
            first_person = rng.random() < 0.5
            opening = rng.choice(OPENINGS_I if first_person else OPENINGS_THEY).format(name=name, country=country)
            they = "I" if first_person else rng.choice((name, PEOPLE[name]))
            closing = _close(rng.choice(CLOSINGS), they, "speak" if first_person else "speaks")
            words = opening.split()
            room = gap - (len(words) - 1 - words.index(country)) - len(closing.split())
            if room == 0 or room >= _SHORTEST_FILLER:
                return opening, closing, room

    def _middle(self, room: int, home: str | None) -> tuple[list[str], tuple[str, ...]]:
        """Fill exactly `room` words with sentences; return them in random order, and the countries they mention."""
        rng, middle, detours = self._rng, [], []
        if home is not None and room >= _SURE_DETOUR:
            room -= self._detour(room, home, middle, detours)
        while room:
            if home is not None and rng.random() < _DETOUR_SHARE and room >= _SURE_DETOUR:
                room -= self._detour(room, home, middle, detours)
            else:
                if room not in self._fitting:
                    self._fitting[room] = self._pool.fitting(room)
                sentence = rng.choice(self._fitting[room])
                middle.append(sentence)
                room -= len(sentence.split())
        rng.shuffle(middle)
        return middle, tuple(detours)

    def _detour(self, room: int, home: str, middle: list[str], detours: list[str]) -> int:
        """Append one sentence about another country and return its length in words."""
        country = self._rng.choice([other for other in COUNTRIES if LANGUAGE_OF[other] != LANGUAGE_OF[home]])
        sentence = self._rng.choice(self._pool.detours).format(country=country, name=self._rng.choice(_NAMES))
        middle.append(sentence)
        detours.append(country)
        return len(sentence.split())


def _fits(length: int, room: int) -> bool:
    return length == room or room - length >= _SHORTEST_FILLER


def _expand(template: str, rng: random.Random) -> str:
    return template.format(name=rng.choice(_NAMES), place=rng.choice(PLACES), month=rng.choice(MONTHS))


def _close(closing: str, they: str, speak: str) -> str:
    """Fill a closing sentence; pronouns lose their capital inside it."""
    if not closing.startswith("{they}") and they in ("She", "He"):
        they = they.lower()
    return closing.format(they=they, speak=speak)
