"""A filter as an expression of Milvus, which means what sql.py means. Not every filter can be one: see Inexpressible.

Milvus knows true and false, and no "unknown" before its version 2.5. So each row has an array `known` with the names of
the columns that have a value there, a "not" is moved down to the comparisons, and every comparison asks `known` too.
Texts and labels are stored as sql.py compares them, folded; numbers as doubles; dates as texts.
"""

from __future__ import annotations

import json

from searchdemo.metadata.columns import COLUMNS, DATE, LABEL, NUMBER, Column
from searchdemo.metadata.grammar import Both, Compare, Condition, Either, In, Like, Not, Unknown, Value
from searchdemo.metadata.sql import folded

KNOWN = "known"
LAST = "~"  # sorts behind every character of a date
OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


class Inexpressible(Exception):
    """Milvus has no expression for this filter; the reason, for a log."""


def field(column: str) -> str:
    """The name of a column's field: apart from the words of Milvus's own language."""
    return f"of_{column}"


def expression(condition: Condition, true: bool = True) -> str:
    """What is met by the rows that meet the condition, or with `true` False, its opposite. Raises Inexpressible."""
    if isinstance(condition, Not):
        return expression(condition.part, not true)
    if isinstance(condition, Both | Either):
        word = " and " if isinstance(condition, Both) == true else " or "
        return word.join(f"({expression(part, true)})" for part in condition.parts)
    column = COLUMNS[condition.column]
    known = f'array_contains({KNOWN}, "{column.name}")'
    if isinstance(condition, Unknown):
        return f"not {known}" if true else known
    if column.kind == LABEL:  # it is never unknown whether a picture has a label
        held = _label(condition, column)
        return held if true else f"not ({held})"
    return f"{known} and ({_test(condition, column, true)})"


def _label(condition: Condition, column: Column) -> str:
    if isinstance(condition, Compare):
        has = f"array_contains({field(column.name)}, {_text(condition.value)})"
        return has if condition.sign == "=" else f"not ({has})"
    if isinstance(condition, In):
        values = ", ".join(map(_text, condition.values))
        return f"array_contains_any({field(column.name)}, [{values}])"
    raise Inexpressible("'like' among labels")


def _test(condition: Condition, column: Column, true: bool) -> str:
    if isinstance(condition, Like):
        stem = (folded(condition.pattern) or "").removesuffix("%")
        if not condition.pattern.endswith("%") or any(sign in stem for sign in "%_"):
            raise Inexpressible("'like' other than for a beginning")
        held = f'{field(column.name)} like {_text(stem)[:-1]}%"'
        return held if true else f"not ({held})"
    if isinstance(condition, In):
        word, sign = (" or ", "=") if true else (" and ", "!=")
        return word.join(f"({_compared(column, sign, value)})" for value in condition.values)
    assert isinstance(condition, Compare)
    return _compared(column, condition.sign if true else OPPOSITE[condition.sign], condition.value)


def _compared(column: Column, sign: str, value: Value) -> str:
    name = field(column.name)
    if column.kind == NUMBER:
        return f"{name} {'==' if sign == '=' else sign} {float(value)!r}"
    if column.kind != DATE:
        return f"{name} {'==' if sign == '=' else sign} {_text(value)}"
    said = str(value).replace("T", " ")  # '2020-05' is the whole month: all that begins with it
    first, behind = json.dumps(said), json.dumps(said + LAST)
    return {
        "=": f"{name} >= {first} and {name} < {behind}",
        "!=": f"{name} < {first} or {name} >= {behind}",
        "<": f"{name} < {first}",
        ">=": f"{name} >= {first}",
        "<=": f"{name} < {behind}",
        ">": f"{name} >= {behind}",
    }[sign]


def _text(value: Value) -> str:
    """In quotes. Versions differ in what they make of escapes, so what needs one is not expressed."""
    text = folded(str(value)) or ""
    if any(sign in text for sign in "\"'\\%") or not text.isprintable():
        raise Inexpressible("quotes, backslashes, % and control characters in a text")
    return f'"{text}"'
