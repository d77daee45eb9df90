"""What a filter says, as a tree of conditions. Nothing of a visitor's text reaches the database but as a value.

    filter     = all {"or" all}
    all        = condition {"and" condition}
    condition  = "not" condition | "(" filter ")" | column test
    test       = ("=" | "!=" | "<" | "<=" | ">" | ">=") value | ["not"] "in" "(" value {"," value} ")"
               | ["not"] "between" value "and" value | ["not"] "like" text | "is" ["not"] "null"

Words may be written in either case. `like` takes % for any text and _ for any character.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from searchdemo.metadata.columns import COLUMNS, DATE, LABEL, NUMBER, TEXT, Column
from searchdemo.metadata.tokens import END, EXAMPLE, SIGN, WORD, BadFilter, Token, tokens
from searchdemo.metadata.tokens import NUMBER as A_NUMBER
from searchdemo.metadata.tokens import TEXT as A_TEXT

MAX_DEPTH = 30  # of brackets and of "not"
ORDER = ("=", "!=", "<", "<=", ">", ">=")
SAME = {"==": "=", "<>": "!="}
DATE_FORM = re.compile(r"\d{4}(-\d\d(-\d\d([ T]\d\d:\d\d(:\d\d)?)?)?)?", re.ASCII)

Value = str | int | float


@dataclass(frozen=True)
class Compare:
    column: str
    sign: str  # one of ORDER
    value: Value


@dataclass(frozen=True)
class In:
    column: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Like:
    column: str
    pattern: str


@dataclass(frozen=True)
class Unknown:
    """The picture has no such fact."""

    column: str


@dataclass(frozen=True)
class Not:
    part: Condition


@dataclass(frozen=True)
class Both:
    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Either:
    parts: tuple[Condition, ...]


Condition = Compare | In | Like | Unknown | Not | Both | Either


def parse(text: object) -> Condition:
    """Raises BadFilter, which names the place, and for a column that there is not, those that there are."""
    parser = _Parser(tokens(text))
    found = parser.either(0)
    if parser.now.kind != END:
        raise BadFilter(parser.now.place, f"{parser.now} stands after a whole condition; join conditions with and, or.")
    return found


def columns_of(condition: Condition) -> Iterator[Column]:
    """The columns that it asks for."""
    if isinstance(condition, Not):
        yield from columns_of(condition.part)
    elif isinstance(condition, Both | Either):
        for part in condition.parts:
            yield from columns_of(part)
    else:
        yield COLUMNS[condition.column]


def _is_date(text: str) -> bool:
    """A year, or a month, a day or a minute of one, that there is."""
    if not DATE_FORM.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text + "0000-01-01"[len(text) :])
    except ValueError:
        return False
    return True


class _Parser:
    def __init__(self, found: list[Token]):
        self._tokens, self._number = found, 0

    @property
    def now(self) -> Token:
        return self._tokens[self._number]

    def _next(self) -> Token:
        token = self.now
        self._number += token.kind != END
        return token

    def _takes(self, *words: str) -> str:
        """The word or sign that stands here, where it is one of these, and goes on; else ""."""
        said = str(self.now.value).lower()
        if self.now.kind in (WORD, SIGN) and said in words:
            self._next()
            return said
        return ""

    def _expect(self, word: str, where: str) -> None:
        if not self._takes(word):
            raise BadFilter(self.now.place, f"{word!r} is missing {where}; {self.now} stands there.")

    def either(self, depth: int) -> Condition:
        parts = [self._both(depth)]
        while self._takes("or"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _both(self, depth: int) -> Condition:
        parts = [self._condition(depth)]
        while self._takes("and"):
            parts.append(self._condition(depth))
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _condition(self, depth: int) -> Condition:
        if depth > MAX_DEPTH:
            raise BadFilter(self.now.place, f"brackets and nots are deeper than {MAX_DEPTH} here; write it flatter.")
        if self._takes("not"):
            return Not(self._condition(depth + 1))
        if self._takes("("):
            inside = self.either(depth + 1)
            self._expect(")", "after the condition in brackets")
            return inside
        return self._test(self._column())

    def _column(self) -> Column:
        token = self._next()
        name = str(token.value).lower()
        if token.kind == WORD and name in COLUMNS:
            return COLUMNS[name]
        known = f"the columns are {', '.join(COLUMNS)}"
        if token.kind != WORD:
            raise BadFilter(token.place, f"a column is missing, {token} stands there; {known}.")
        near = difflib.get_close_matches(name[:50], COLUMNS, n=1)
        hint = f"did you mean {near[0]!r}? {known.capitalize()}" if near else known
        raise BadFilter(token.place, f"there is no column {token}; {hint}.")

    def _test(self, column: Column) -> Condition:
        place = self.now.place
        if self._takes("is"):
            turned = self._takes("not")
            self._expect("null", f"after '{column.name} is'")
            return Not(Unknown(column.name)) if turned else Unknown(column.name)
        if sign := self._takes(*ORDER, *SAME):
            sign = SAME.get(sign, sign)
            if column.kind == LABEL and sign not in ("=", "!="):
                raise BadFilter(place, f"a label has no order; {sign!r} stands there, write =, !=, in or like.")
            return Compare(column.name, sign, self._value(column))
        turned, test = self._takes("not"), self._part(column)
        return Not(test) if turned else test

    def _part(self, column: Column) -> Condition:
        """in, between, like: what may follow a "not"."""
        place = self.now.place
        if self._takes("in"):
            self._expect("(", "after 'in'")
            values = [self._value(column)]
            while self._takes(","):
                values.append(self._value(column))
            self._expect(")", "after the values of 'in'")
            return In(column.name, tuple(values))
        if self._takes("between"):
            if column.kind == LABEL:
                raise BadFilter(place, "a label has no order; write =, !=, in or like.")
            low = self._value(column)
            self._expect("and", "after the first value of 'between'")
            return Both((Compare(column.name, ">=", low), Compare(column.name, "<=", self._value(column))))
        if self._takes("like"):
            if column.kind == NUMBER:
                raise BadFilter(place, f"{column.name} is a number, and 'like' is for texts; compare it with =, <, >.")
            token = self._next()
            if token.kind != A_TEXT:
                raise BadFilter(token.place, f"'like' takes a text in quotes, as '%dog%'; {token} stands there.")
            return Like(column.name, str(token.value))
        raise BadFilter(
            place, f"a comparison is missing after {column.name}, {self.now} stands there; write for example {EXAMPLE}."
        )

    def _value(self, column: Column) -> Value:
        token = self._next()
        if token.kind not in (A_TEXT, A_NUMBER):
            hint = "; texts stand in quotes" if token.kind == WORD else ""
            raise BadFilter(token.place, f"a value for {column.name} is missing, {token} stands there{hint}.")
        if column.kind == NUMBER and token.kind != A_NUMBER:
            raise BadFilter(token.place, f"{column.name} is a number, and {token} is none; write it without quotes.")
        if column.kind in (TEXT, LABEL) and token.kind != A_TEXT:
            raise BadFilter(token.place, f"{column.name} is a text; write {token} in quotes, as '{token.value}'.")
        if column.kind == DATE and not (token.kind == A_TEXT and _is_date(str(token.value))):
            raise BadFilter(
                token.place,
                f"{column.name} is a date, and {token} is none; write '2020', '2020-05', '2020-05-31' or "
                "'2020-05-31 12:30', in quotes.",
            )
        return token.value
