"""The query syntax, read here alone for the page, the API, the command line and Python.

    a beach + sunset - people         terms are joined by + and -, with a blank on both sides of the sign
    2: dog + 0.5: "rock - paper"      a number, a colon and a blank before a term are its weight; else it is 1
    #12 - #held-out-3 + #picture      a picture of the gallery, a held-out one, and the one given beside the text

What stands between quotes, as any language has them, is plain text. So is everything else: `t-shirt`, `C++`,
`16:9 view`, `2001: a space odyssey` (a whole number of four digits is a year, and no weight). What looks like another
program's syntax is plain text too, and `hint` says how it is written here.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from searchdemo.encoders.written import visible
from searchdemo.errors import BadQuery

MAX_TEXT = 1000  # characters; every text tower here stops reading long before
MAX_TERMS = 16
MAX_SHOWN = 60  # characters of a term that a hint repeats
MAX_WEIGHT = 10.0  # only ratios count, and beyond this one term drowns the others
TEXT, ROW, HELD_OUT, PICTURE = "text", "row", "held_out", "picture"
EXAMPLE = "a beach + sunset - people"

_MINUS = "-\u2212\uff0d"  # hyphen, minus sign, full-width form; dashes are punctuation
_SIGNS = f"+\uff0b{_MINUS}"
_OPERATOR = re.compile(rf"(?:^|(?<=\s))[{re.escape(_SIGNS)}](?=\s|$)")
_WEIGHT = re.compile(r"([+\-\u2212]?(?:\d+(?:\.\d*)?|\.\d+)):(?=\s|$)\s*", re.ASCII)
_UNWRITTEN = {"Cc": " ", "Cs": "\ufffd"}  # control signs, and halves of a sign, which JSON cannot carry
_YEAR = re.compile(r"\d{4}", re.ASCII)
_APOSTROPHE = r"(?<=\w)['’](?=\w)"
_PAIRS = (  # what opens, what closes, and what may stand between; a straight single quote opens no '90s
    ('["“”„]', '["“”]', '[^"“”„]'),
    ("[«»]", "[«»]", "[^«»]"),
    ("[‹›]", "[‹›]", "[^‹›]"),
    ("[‚‘]", "[‘’]", f"(?:{_APOSTROPHE}|[^‚‘’])"),
    (r"'(?=[^\W\d_])", "'", f"(?:{_APOSTROPHE}|[^'])"),
)
_QUOTED = re.compile(
    f"(?:{'|'.join(f'{opens}({between}*){closes}' for opens, closes, between in _PAIRS)})"
    rf"(?=\s*$|\s+[{re.escape(_SIGNS)}](?:\s|$))"
)
_MORE = r"(?P<it>[^\W\d_].*)"
_NUMBER = r"(?P<number>\d{1,2}(?:[.,]\d+)?)"
_AWAY, _WEIGHED = 'what is taken away stands after a minus with blanks: "{it}"', 'a weight is written "{number}: {it}"'
_ADDED = 'terms are joined by a plus with blanks: "{it}"'
_HINTS = (  # what is plain text and may be meant otherwise -> how that is written
    (rf"(?:^|(?<=\s))(?P<is>(?P<sign>[{re.escape(_MINUS)}])(?P<it>[^\W\d_]\S*))", "{sign} {it}", _AWAY),
    (rf"(?:^|(?<=\s))(?P<is>(?:(?i:no|not|without|except|excluding)|AND NOT) {_MORE})", "a street - {it}", _AWAY),
    (rf"(?<=\s)(?P<is>[–—] {_MORE})", "a street - {it}", _AWAY),
    (rf"(?<=\S )(?P<is>(?:AND|OR|&&|\|\|) {_MORE})", "a beach + {it}", _ADDED),
    (r"(?P<is>(?P<first>[^\W\d_]{2,}) ?[+\uff0b] ?(?P<it>[^\W\d_]{2,}.*))", "{first} + {it}", _ADDED),
    (
        rf"^(?P<is>[0-9]{{1,2}}(?:\.[0-9]+)?: {_MORE})",
        "{it}",
        "what stands before it is its weight, and a term has one",
    ),
    (rf"^(?P<is>{_NUMBER} ?[:：*×] ?{_MORE})", "{it}", _WEIGHED),
    (rf"^(?P<is>\((?P<it>[^():]+): ?{_NUMBER}\))", "{it}", _WEIGHED),
    (rf"^(?P<is>(?P<it>[^():^*]+)(?:::|\^| ?\* ?){_NUMBER})$", "{it}", _WEIGHED),
)
_REFERENCE = re.compile(
    r"#(?:(?P<picture>picture)|(?P<held_out>held-out-(\d+))|(?P<row>\d+))", re.ASCII | re.IGNORECASE
)


class BadTerms(BadQuery):
    """Says the place in the text, from 1, and what is wrong there."""

    def __init__(self, place: int, reason: str):
        self.place = place
        super().__init__(f"The query cannot be read, at character {place}: {reason}")


@dataclass(frozen=True)
class Term:
    """One of the things that a query is the sum of."""

    kind: str  # TEXT | ROW | HELD_OUT | PICTURE
    value: str | int = ""  # the words, or the number; "" of a PICTURE
    weight: float = 1.0
    place: int = 1  # from 1: the character of the text that it begins with
    quoted: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        """As it is written, without its weight."""
        if self.kind == TEXT:
            return _in_quotes(str(self.value)) if _reads_otherwise(str(self.value)) else str(self.value)
        return {ROW: f"#{self.value}", HELD_OUT: f"#held-out-{self.value}", PICTURE: "#picture"}[self.kind]


def parse(text: object) -> tuple[Term, ...]:
    """The terms of a text, one at least. Raises BadTerms, and BadQuery for an empty or overlong text."""
    if not isinstance(text, str):
        raise BadQuery(f"text = {text!r} is not a text.")
    text = "".join(_UNWRITTEN.get(unicodedata.category(sign), sign) for sign in visible(text))
    if not text.strip():
        raise BadQuery("The text is empty: type a few words, such as 'a red boat'.")
    if (length := len(" ".join(text.split()))) > MAX_TEXT:
        raise BadQuery(f"The text has {length:,} characters: shorten it to at most {MAX_TEXT:,}.")
    found: list[Term] = []
    sign, place = _sign(text, _blanks(text, 0))
    while True:
        term, place = _term(text, place, sign, found)
        found.append(term)
        if len(found) > MAX_TERMS:
            raise BadTerms(term.place, f"it is term {len(found)}, and {MAX_TERMS} are allowed; leave some out.")
        if (place := _blanks(text, place)) == len(text):
            return tuple(found)
        sign, place = _sign(text, place)


def _term(text: str, place: int, sign: str, before: list[Term]) -> tuple[Term, int]:
    """The term that begins at this index, and the index after it. sign: the one before it, or ""."""
    weight, start = 1.0, place
    written = _WEIGHT.match(text, place)
    if written and not _YEAR.fullmatch(written[1]):
        weight, start = float(written[1].replace("\u2212", "-")), written.end()
        if abs(weight) > MAX_WEIGHT:
            raise BadTerms(
                place + 1,
                f"the weight {written[1]} is out of bounds; choose from {-MAX_WEIGHT:g} to {MAX_WEIGHT:g}, or put "
                "the term in double quotes where it is plain text.",
            )
    if quoted := _QUOTED.match(text, start):
        value, end = quoted[quoted.lastindex or 1], quoted.end()
    else:
        following = _OPERATOR.search(text, start)
        end = following.start() if following else len(text)
        value = text[start:end]
    value = " ".join(value.split())
    if quoted and not value:
        raise BadTerms(start + 1, "there is nothing between the quotes; write a word, or leave them out.")
    if not value:
        after = f"the weight {written[1]}" if start > place and written else f"'{sign}'"
        raise BadTerms(start + 1, f"there is no term after {after}; write for example {EXAMPLE}, or quote plain text.")
    signed = weight * (-1 if sign and sign in _MINUS else 1) + 0.0  # no -0
    reference = None if quoted else _REFERENCE.fullmatch(value)
    if reference is None:
        return Term(TEXT, value, signed, place + 1, bool(quoted)), end
    kind = next(name for name in (PICTURE, HELD_OUT, ROW) if reference[name])
    digits = reference[3] if kind == HELD_OUT else reference[ROW]
    if digits and len(digits) > 12:
        raise BadTerms(start + 1, f"there is no picture {value}; write a smaller number.")
    return Term(kind, int(digits) if digits else "", signed, place + 1), end


def hint(term: Term) -> str:
    """What to tell of a plain text that may be meant as a minus, a plus or a weight; "" for others."""
    if term.kind != TEXT or term.quoted:
        return ""
    for pattern, it, how in _HINTS:
        if found := re.search(pattern, str(term.value)):
            said = {
                name: textwrap.shorten(part, MAX_SHOWN, placeholder=" ...") for name, part in found.groupdict().items()
            }
            if figure := said.get("number"):
                said["number"] = f"{float(figure.replace(',', '.')):g}"  # in the digits that a weight has
            return f'"{said["is"]}" is plain text; {how.format(**said | {"it": it.format(**said)})}'
    return ""


def _sign(text: str, place: int) -> tuple[str, int]:
    """The operator at this index, or "", and the index where its term begins."""
    if match := _OPERATOR.match(text, place):
        return match[0], _blanks(text, match.end())
    return "", place


def _blanks(text: str, place: int) -> int:
    return len(text) - len(text[place:].lstrip())


def _in_quotes(words: str) -> str:
    """In quotes that it has none of, where there are any."""
    pair = next((pair for pair in ('""', "«»", "‹›") if not set(pair) & set(words)), '""')
    return f"{pair[0]}{words}{pair[1]}"


def _reads_otherwise(words: str) -> bool:
    """Whether this plain text would be read as something else without quotes."""
    if _REFERENCE.fullmatch(words) or _OPERATOR.search(words) or _QUOTED.match(words):
        return True
    weight = _WEIGHT.match(words)
    return bool(weight and not _YEAR.fullmatch(weight[1]))


def written(terms: Iterable[Term]) -> str:
    """The text that `parse` reads as these terms, but for one that has to be quoted and holds quotes of every kind."""
    text = ""
    for term in terms:
        minus, size = term.weight < 0, abs(term.weight)
        sign = (" - " if minus else " + ") if text else ("- " if minus else "")
        text += sign + (f"{number(size)}: " if size != 1 else "") + str(term)
    return text


def number(weight: float) -> str:
    """As a text has it: 1e-05 would be no weight."""
    return format(Decimal(str(weight)).normalize(), "f")
