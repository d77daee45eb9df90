"""A filter as SQL over the table `pictures`: expressions of our own columns, and the visitor's values as parameters.

A picture without a fact meets no comparison with it, neither `year = 2020` nor `year != 2020`; `year is null` finds it.
Of labels, `label = 'dog'` asks whether one of them is "dog", `label != 'dog'` whether none is.
Texts are compared without regard to case, in any script (NFC, then full case folding, Unicode 3.13).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from searchdemo.metadata.columns import COLUMNS, DATE, LABEL, NUMBER, Column
from searchdemo.metadata.grammar import Both, Compare, Condition, Either, In, Like, Not, Unknown, Value

LABELLED = (
    "row IN (SELECT labelled.row FROM labelled JOIN labels ON labels.number = labelled.number "
    "WHERE folded(labels.label) {0} OR folded(labels.class_name) {0})"
)


def folded(text: str | None) -> str | None:
    """The text as it is compared; a function of the database, too."""
    return None if text is None else unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def where(condition: Condition) -> tuple[str, list[Value]]:
    """(an expression for after WHERE, its parameters in order)."""
    if isinstance(condition, Not):
        inner, values = where(condition.part)
        return f"NOT ({inner})", values
    if isinstance(condition, Both | Either):
        parts = [where(part) for part in condition.parts]
        joined = (" AND " if isinstance(condition, Both) else " OR ").join(f"({inner})" for inner, _ in parts)
        return joined, [value for _, values in parts for value in values]
    column = COLUMNS[condition.column]
    if isinstance(condition, Unknown):
        known = "row IN (SELECT row FROM labelled)"
        return (f"NOT {known}" if column.kind == LABEL else f"{column.sql} IS NULL"), []
    if isinstance(condition, Like):
        return _tested(column, "LIKE ?", [folded(condition.pattern) or ""])
    if isinstance(condition, In):
        if column.kind == DATE:
            return where(Either(tuple(Compare(column.name, "=", value) for value in condition.values)))
        return _tested(column, f"IN ({', '.join('?' * len(condition.values))})", _values(column, condition.values))
    if column.kind == LABEL and condition.sign == "!=":
        return where(Not(Compare(column.name, "=", condition.value)))
    if column.kind == DATE:  # '2020-05' means the whole month: as many characters are compared as were written
        value = str(condition.value).replace("T", " ")
        return f"substr({column.sql}, 1, {len(value)}) {condition.sign} ?", [value]
    return _tested(column, f"{condition.sign} ?", _values(column, [condition.value]))


def _values(column: Column, values: Sequence[Value]) -> list[Value]:
    return [*values] if column.kind == NUMBER else [folded(str(value)) or "" for value in values]


def _tested(column: Column, test: str, values: list[Value]) -> tuple[str, list[Value]]:
    if column.kind == LABEL:
        return LABELLED.format(test), [*values, *values]
    return f"{column.sql if column.kind in (NUMBER, DATE) else f'folded({column.sql})'} {test}", values
