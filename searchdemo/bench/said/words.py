"""What sentences about run cards are made of. A sentence is computed, so it stays true when a card is measured again.

A function here or beside takes one card and returns a sentence. It raises NotMeasured when the card lacks a figure, and
the sentence is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from searchdemo.bench.tables import number
from searchdemo.measure.cards import RunCard

Sentence = Callable[[RunCard], str]
three = number(3)  # 0.0421, 1.23, 12.3, 1,234


class NotMeasured(LookupError):
    """A card has no such row or figure: it is older than the figure, or that part could not run."""


def one(rows: Iterable[dict], **wanted: Any) -> dict:
    """The first row with these values. Raises NotMeasured."""
    for row in rows:
        if all(row.get(key) == value for key, value in wanted.items()):
            return row
    raise NotMeasured(wanted)


def part(card: RunCard, name: str) -> list[dict]:
    """Raises NotMeasured when there is no such part, or it is empty."""
    if not card.parts.get(name):
        raise NotMeasured(name)
    return card.parts[name]


def measured(row: dict, *keys: str) -> list[Any]:
    """The values of these keys. Raises NotMeasured when one was not measured."""
    if missing := [key for key in keys if row.get(key) is None]:
        raise NotMeasured(missing)
    return [row[key] for key in keys]


def real(cards: Sequence[RunCard]) -> RunCard:
    """The first card whose encoder and vectors are real, of several encoders; else the first."""
    return next((card for card in cards if not card.made_up), cards[0])


def paragraph(card: RunCard, *sentences: Sentence) -> str:
    said = []
    for sentence in sentences:
        try:
            said.append(sentence(card))
        except NotMeasured:
            continue
    return " ".join(filter(None, said))


def listed(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def count(number_of: int, word: str, words: str = "") -> str:
    """ "1 setting", "12 settings"."""
    return f"{number_of:,} {word if number_of == 1 else words or word + 's'}"


def times(ratio: float) -> str:
    """ "1.4 times", "90 times"."""
    return f"{ratio:.1f} times" if ratio < 10 else f"{ratio:.0f} times"


def span(values: Sequence[float], form: Callable[[float], str] = three) -> str:
    """ "3.20" of equal values, else "1.89 to 4.37"."""
    return " to ".join(dict.fromkeys((form(min(values)), form(max(values)))))
