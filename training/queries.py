"""Queries in words with the tiny-ImageNet classes that answer each: written by hand, before any was tried.

queries.tsv has one query per line: its kind (another name of a thing, a kind of thing, a description in plain words),
its text, and the classes by the first WordNet name of each. Of each kind every second query is for tuning, the others
are for reporting.

more_queries.tsv has more of them, in the same form, for what is mostly chance where few ask: see asked.py.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

KINDS = ("other names", "kinds", "descriptions")
HALVES = ("report", "tune")


@dataclass(frozen=True)
class Query:
    text: str
    kind: str  # one of KINDS
    answers: tuple[str, ...]  # first WordNet names of the classes
    half: str  # one of HALVES


def read_queries(path: Path) -> tuple[Query, ...]:
    """Raises ValueError for a line of another form."""
    queries, seen = [], Counter[str]()
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        kind, text, answers = line.split("\t") if line.count("\t") == 2 else ("", "", "")
        if kind not in KINDS or not text or not all(answers.split(" | ")):
            raise ValueError(f"{path}, line {number}: {line!r} is not kind, text and answers, with tabs between them")
        seen[kind] += 1
        queries.append(Query(text, kind, tuple(answers.split(" | ")), HALVES[seen[kind] % 2]))
    return tuple(queries)


QUERIES = read_queries(Path(__file__).with_suffix(".tsv"))
MORE_QUERIES = read_queries(Path(__file__).with_name("more_queries.tsv"))
