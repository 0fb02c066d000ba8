"""The ten levels as data: which cards there are, which cells, what the mouth can say, and a rule that solves each.

The page's `levels.js` holds the same data beside its texts; the streams of cards themselves are drawn by `streams.py`.
A rule gives every kind of card its gates: `{row: gates}` with one (f, i, o) for each cell, or a pair (off, on) of those
where the gates may look at whether the level's flag cell spoke (h above 0.4) on the card before.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from holdfast.errors import ConfigError

GATES = "fio"
QUIET = 0  # the first thing every mouth can say; a target of 0 is a card that asks nothing
FLAG_THRESHOLD = 0.4  # h above this, and the mouth speaks: 10 h beats the 4 of staying quiet
COUNTRIES = {"France": (1, 1), "Spain": (1, -1), "Italy": (-1, 1), "Germany": (-1, -1)}
FRANCE_VOCABULARY = (
    *(
        "I",
        "we",
        "my",
        "friends",
        "then",
        "and",
        "visited",
        "saw",
        "worked",
        "loved",
        "lived",
        "up",
        "in",
        "near",
        "so",
    ),
    *("speak", "grew", *COUNTRIES, "fluent"),
)

HOLD = (1.0, 0.0, 0.0)
WRITE = (0.0, 1.0, 0.0)
TELL = (1.0, 0.0, 1.0)
SAY = (0.0, 1.0, 1.0)
WIPE = (0.0, 0.0, 0.0)
ADD = (1.0, 1.0, 1.0)

Triple = tuple[float, float, float]
RowRule = tuple[Triple, ...] | tuple[tuple[Triple, ...], tuple[Triple, ...]]


@dataclass(frozen=True)
class Level:
    """One level: number and name, the kinds of card (rows), the cells, the mouth and a rule that solves it.

    `vocabulary` lists (word, row): a trained player reads words, the rule table reads rows. `flag` is the cell whose h
    the rule may look at, or None. `biases` is a solving (b_f, b_i, b_o) where the level is played by biases.
    """

    number: int
    name: str
    rows: tuple[str, ...]
    rule: dict[int, RowRule]
    cells: tuple[str, ...] = ("A",)
    mouth: str = "sign"
    flag: int | None = None
    biases: tuple[float, float, float] | None = None
    vocabulary: tuple[tuple[str, int], ...] = field(default=())

    def words(self) -> tuple[tuple[str, int], ...]:
        """What a trained player reads: the words with their rows, or the rows themselves."""
        return self.vocabulary or tuple((name, row) for row, name in enumerate(self.rows))


def france_row(word: str) -> int:
    """The rule table's row of a word: other words, grew, country, fluent."""
    if word in COUNTRIES:
        return 2
    return {"grew": 1, "fluent": 3}.get(word, 0)


TRUE_RULES: dict[int, dict[int, RowRule]] = {
    1: {0: (SAY,), 1: (WIPE,)},
    2: {0: (WRITE,), 1: (HOLD,), 2: (TELL,)},
    5: {0: (WRITE,), 1: (HOLD,), 2: (TELL,), 3: (WIPE,)},
    6: {0: (ADD,), 1: (TELL,)},
    7: {0: (WRITE, HOLD), 1: (HOLD, WRITE), 2: (HOLD, HOLD), 3: (TELL, HOLD), 4: (HOLD, TELL)},
    9: {0: ((SAY,), ((0.0, 0.0, 1.0),)), 1: (TELL,)},
    10: {
        0: (HOLD, HOLD, TELL),
        1: (HOLD, HOLD, SAY),
        2: ((HOLD, HOLD, TELL), (WRITE, WRITE, WIPE)),
        3: (TELL, TELL, TELL),
    },
}

LEVELS: tuple[Level, ...] = (
    Level(1, "Echo", ("arrow", "dot"), TRUE_RULES[1]),
    Level(2, "Latch", ("arrow", "dot", "ask"), TRUE_RULES[2]),
    Level(3, "Noise", ("arrow", "dot", "ask"), TRUE_RULES[2]),
    Level(4, "Overwrite", ("arrow", "dot", "ask"), TRUE_RULES[2]),
    Level(5, "Full stop", ("arrow", "dot", "ask", "stop"), TRUE_RULES[5]),
    Level(6, "Brackets", ("bracket", "letter"), TRUE_RULES[6]),
    Level(7, "Two cells", ("arrow", "circle", "dot", "ask arrow", "ask circle"), TRUE_RULES[7], cells=("A", "B")),
    Level(8, "Thirty", ("arrow", "dot", "ask"), TRUE_RULES[2], biases=(6.0, -6.0, -6.0)),
    Level(9, "Parity", ("one", "zero"), TRUE_RULES[9], flag=0),
    Level(
        10,
        "France",
        ("other", "grew", "country", "fluent"),
        TRUE_RULES[10],
        cells=("A", "B", "C"),
        mouth="france",
        flag=2,
        vocabulary=tuple((word, france_row(word)) for word in FRANCE_VOCABULARY),
    ),
)

# What the cards of level 8 add to the three biases before the sigmoid: by row, (f, i, o).
BIAS_PUSH = ((-12.0, 12.0, -12.0), (0.0, 0.0, 0.0), (0.0, 0.0, 12.0))
BIAS_CHOICES = (-9.0, -6.0, -3.0, 0.0, 3.0, 6.0, 9.0)


def level_of(number: int) -> Level:
    """Return a level by its number.

    Raises:
        ConfigError: there is no such level.
    """
    if not 1 <= number <= len(LEVELS):
        raise ConfigError(f"the game has levels 1 to {len(LEVELS)}, got {number}")
    return LEVELS[number - 1]
