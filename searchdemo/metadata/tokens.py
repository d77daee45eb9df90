"""A filter as words, numbers and signs, each with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass

from searchdemo.errors import BadQuery

MAX_FILTER = 4_000  # characters
EXAMPLE = "label in ('dog', 'cat') and year >= 2020"
SHOWN = 20  # characters of a filter that an error repeats

WORD, TEXT, NUMBER, SIGN, END = "word", "text", "number", "sign", "end"
_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?(?![\w.])", re.ASCII)
_WORD = re.compile(r"[^\W\d]\w*")
_SIGN = re.compile(r"<=|>=|!=|<>|==|[=<>(),]")
_QUOTED = re.compile(r"'((?:[^']|'')*)'|\"((?:[^\"]|\"\")*)\"")


@dataclass(frozen=True)
class Token:
    kind: str
    value: str | int | float
    place: int  # from 1: the character of the filter that it begins with

    def __str__(self) -> str:
        return "the end" if self.kind == END else shown(str(self.value))


class BadFilter(BadQuery):
    """Says the place, what stands there and what is wrong with it."""

    def __init__(self, place: int, reason: str):
        self.place = place
        super().__init__(f"The filter cannot be used, at character {place}: {reason}")


def shown(text: str) -> str:
    """In quotes and on one line; no more than the beginning of it."""
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")


def tokens(text: object) -> list[Token]:
    """All of them, the last one is END. Raises BadFilter."""
    if not isinstance(text, str):
        raise BadFilter(1, f"it is of the type {type(text).__name__} and no text; write for example {EXAMPLE}.")
    if len(text) > MAX_FILTER:
        raise BadFilter(MAX_FILTER + 1, f"it has {len(text):,} characters, and {MAX_FILTER:,} are allowed; shorten it.")
    found, place = [], _space(text, 0)
    while place < len(text):
        token, place = _token(text, place)
        found.append(token)
        place = _space(text, place)
    return [*found, Token(END, "", len(text) + 1)]


def _space(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    return match.end() if match else place


def _token(text: str, place: int) -> tuple[Token, int]:
    """The token that begins at this index, and the index after it."""
    for kind, pattern in ((TEXT, _QUOTED), (NUMBER, _NUMBER), (WORD, _WORD), (SIGN, _SIGN)):
        if match := pattern.match(text, place):
            return Token(kind, _value(kind, match, place), place + 1), match.end()
    here = text[place]
    if here in "'\"":
        raise BadFilter(place + 1, f"the text that begins with {shown(text[place:])} has no end; close it with {here}.")
    if here in "‘’“”‚„«»`´":
        raise BadFilter(place + 1, f"{here} is no quote that a filter knows; write 'dog' or \"dog\".")
    raise BadFilter(place + 1, f"{shown(text[place:])} is nothing that a filter knows; write for example {EXAMPLE}.")


def _value(kind: str, match: re.Match, place: int) -> str | int | float:
    if kind == TEXT:
        quoted = match[1] if match[1] is not None else match[2]
        value = quoted.replace(match[0][0] * 2, match[0][0])
        for number, character in enumerate(value):
            if character == "\0" or "\ud800" <= character <= "\udfff":
                raise BadFilter(place + 2 + number, f"{character!r} is no character of a text; leave it out.")
        return value
    return _number(match[0], place) if kind == NUMBER else match[0]


def _number(written: str, place: int) -> int | float:
    """Whole numbers fit into 64 bits with a sign, as in the database."""
    if re.fullmatch(r"[+-]?\d+", written):
        if len(written) > 20 or not -(2**63) <= int(written) < 2**63:
            raise BadFilter(place + 1, f"{shown(written)} does not fit into 64 bits; write a smaller number.")
        return int(written)
    value = float(written)
    if value in (float("inf"), float("-inf")):
        raise BadFilter(place + 1, f"{shown(written)} is too large for a number; write a smaller one.")
    return value
