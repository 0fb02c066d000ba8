"""Draw a level's stream of cards from a seed: the page's `streams.js` draws the same streams, bit for bit.

The generator is mulberry32 (public domain, T. Ettinger): 32-bit whole numbers only, so two languages cannot disagree.
Candidates are whole hundredths divided by 100, which both languages round alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from holdfast.studio.game.levels import COUNTRIES, FRANCE_VOCABULARY, QUIET, Level, france_row

MASK = 0xFFFFFFFF
MINUS, PLUS = 1, 2  # what the mouth of signs can say besides QUIET
THIRTY = 30


@dataclass(frozen=True)
class Card:
    """One card: its row in the rule table, its word, a candidate g for each cell, the answer it wants (0: quiet)."""

    row: int
    word: int
    g: tuple[float, ...]
    target: int


class Dice:
    """Mulberry32: a stream of equally likely 32-bit whole numbers from a 32-bit state."""

    def __init__(self, level: int, seed: int):
        self.state = ((seed + 1) * 0x9E3779B1 ^ level * 0x85EBCA6B) & MASK

    def below(self, n: int) -> int:
        """A whole number from 0 to n − 1."""
        self.state = (self.state + 0x6D2B79F5) & MASK
        x = self.state
        x = (x ^ x >> 15) * (x | 1) & MASK
        x ^= x + ((x ^ x >> 7) * (x | 61) & MASK) & MASK
        return ((x ^ x >> 14) * n) >> 32

    def sign(self) -> int:
        return 1 if self.below(2) else -1

    def noise(self) -> float:
        """A candidate that means nothing: ±0.60 to ±0.95."""
        sign = self.sign()
        return sign * (60 + self.below(36)) / 100


def stream(level: Level, seed: int, length: int = THIRTY) -> list[Card]:
    """Return the cards of a level for a seed; `length` is the number of dots of level 8."""
    dice = Dice(level.number, seed)
    if level.number == 8:
        return round_of_noise(dice, length)
    return DRAW[level.number](dice)


def answer(sign: int) -> int:
    """What the mouth of signs should say about a memory of this sign."""
    return PLUS if sign > 0 else MINUS


def arrow(sign: int, target: int = QUIET) -> Card:
    """An arrow up or down."""
    return Card(0, 0, (float(sign),), target)


def dot(g: float) -> Card:
    """A card that says nothing, whatever its candidate."""
    return Card(1, 1, (g,), QUIET)


def ask(target: int) -> Card:
    """A question."""
    return Card(2, 2, (0.0,), target)


def echo(dice: Dice) -> list[Card]:
    """Eight cards, each an arrow to be said at once or a dot with a candidate of its own; the first is an arrow."""
    forced = 1 + dice.below(3)
    cards = []
    for t in range(8):
        if t == forced or (t > 0 and dice.below(3) == 0):
            cards.append(dot(dice.noise()))
        else:
            sign = dice.sign()
            cards.append(arrow(sign, answer(sign)))
    return cards


def latch(dice: Dice) -> list[Card]:
    """An arrow, three to five empty dots, a question."""
    sign = dice.sign()
    return [arrow(sign), *(dot(0.0) for _ in range(3 + dice.below(3))), ask(answer(sign))]


def noise(dice: Dice) -> list[Card]:
    """An arrow, four to six dots with loud candidates, a question."""
    return round_of_noise(dice, 4 + dice.below(3))


def round_of_noise(dice: Dice, dots: int) -> list[Card]:
    """An arrow, dots with loud candidates, a question."""
    sign = dice.sign()
    return [arrow(sign), *(dot(dice.noise()) for _ in range(dots)), ask(answer(sign))]


def dots(dice: Dice, most: int) -> list[Card]:
    """Up to `most` dots."""
    return [dot(dice.noise()) for _ in range(dice.below(most + 1))]


def overwrite(dice: Dice) -> list[Card]:
    """Two questions, each about the last arrow; the second arrow of a pair contradicts the first."""
    cards = []
    for repeat in range(2):
        sign = dice.sign()
        cards += [arrow(sign), *dots(dice, 2)]
        if repeat == 0 or dice.below(2):
            sign = -sign
            cards += [arrow(sign), *dots(dice, 2)]
        cards += [ask(answer(sign)), *dots(dice, 1)]
    return cards


def full_stop(dice: Dice) -> list[Card]:
    """Three questions; after a stop the arrow counts no more. At least one round is stopped, and one is not."""
    stopped = dice.below(3)
    live = (stopped + 1 + dice.below(2)) % 3
    cards = []
    for repeat in range(3):
        sign = dice.sign()
        cards += [arrow(sign), *dots(dice, 1)]
        stop = dice.below(2) == 1
        if repeat == stopped or (stop and repeat != live):
            cards += [Card(3, 3, (dice.noise(),), QUIET), *dots(dice, 1), ask(QUIET)]
        else:
            cards.append(ask(answer(sign)))
    return cards


def brackets(dice: Dice) -> list[Card]:
    """Twelve cards after a letter outside and an opening bracket: say + while inside, up to three deep."""
    cards, depth = [Card(1, 1, (dice.noise(),), QUIET)], 0
    for t in range(12):
        kind = 1 if t == 0 else dice.below(3)
        if kind == 0:
            cards.append(Card(1, 1, (dice.noise(),), PLUS if depth else QUIET))
            continue
        opens = depth == 0 or (kind == 1 and depth < 3)
        depth += 1 if opens else -1
        cards.append(Card(0, 0, (1.0 if opens else -1.0,), PLUS if depth else QUIET))
    return cards


def two_cells(dice: Dice) -> list[Card]:
    """An arrow and a circle in either order, one of them perhaps replaced, then a question about each."""

    def item(row: int, sign: int) -> list[Card]:
        return [Card(row, row, (float(sign), float(sign)), QUIET), *quiet_dots(1)]

    def quiet_dots(most: int) -> list[Card]:
        return [Card(2, 2, (dice.noise(), dice.noise()), QUIET) for _ in range(dice.below(most + 1))]

    first = dice.below(2)
    signs = [dice.sign(), dice.sign()]
    cards = [*item(first, signs[first]), *item(1 - first, signs[1 - first])]
    if dice.below(2):
        again = dice.below(2)
        signs[again] = -signs[again]
        cards += item(again, signs[again])
    asked = dice.below(2)
    for row in (asked, 1 - asked):
        cards += [Card(3 + row, 3 + row, (0.0, 0.0), answer(signs[row])), *quiet_dots(1)]
    return cards


def parity(dice: Dice) -> list[Card]:
    """A 0, a 1, then eight of either: the light is on after an odd number of ones."""
    cards, odd = [], False
    for t in range(10):
        one = dice.below(2) == 1 if t > 1 else t == 1
        odd = odd != one
        cards.append(Card(0 if one else 1, 0 if one else 1, (1.0 if one else dice.noise(),), PLUS if odd else QUIET))
    return cards


VISITS = (("I", "visited"), ("we", "saw"), ("I", "worked", "in"), ("my", "friends", "lived", "in"), ("we", "loved"))
GROWING = (("I", "grew", "up", "in"), ("then", "I", "grew", "up", "near"), ("I", "grew", "up", "in"))


def france(dice: Dice) -> list[Card]:
    """Visits before or after (at least one), one country to grow up in, and a language to speak."""
    names = tuple(COUNTRIES)
    home = dice.below(4)
    sides = 1 + dice.below(3)  # 1: a visit before, 2: after, 3: both
    words: list[str] = []
    for part in range(3):
        if part == 1:
            words += [*GROWING[dice.below(3)], names[home]]
        elif sides & (1 if part == 0 else 2):
            words += [*VISITS[dice.below(5)], names[(home + 1 + dice.below(3)) % 4]]
    words += ["so", "I", "speak", "fluent"]
    return [france_card(dice, word, 1 + home) for word in words]


def france_card(dice: Dice, word: str, language: int) -> Card:
    """The card of a word; cells A and B hear a country's two signs, cell C hears "grew", all else is noise."""
    row, index = france_row(word), FRANCE_VOCABULARY.index(word)
    if word == "fluent":
        return Card(row, index, (0.0, 0.0, 0.0), language)
    if word in COUNTRIES:
        a, b = COUNTRIES[word]
        return Card(row, index, (float(a), float(b), dice.noise()), QUIET)
    a, b = dice.noise(), dice.noise()
    return Card(row, index, (a, b, 1.0 if word == "grew" else dice.noise()), QUIET)


DRAW: dict[int, Callable[[Dice], list[Card]]] = {
    1: echo,
    2: latch,
    3: noise,
    4: overwrite,
    5: full_stop,
    6: brackets,
    7: two_cells,
    9: parity,
    10: france,
}
