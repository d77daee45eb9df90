"""What is searched with: a picture, words, or a weighted sum of both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral
from pathlib import Path

from PIL import Image

from searchdemo.collection.box import Box
from searchdemo.collection.terms import HELD_OUT, PICTURE, ROW, TEXT, BadTerms, Term, parse
from searchdemo.errors import BadQuery

MAX_K = 1000


@dataclass(frozen=True)
class Query:
    """One picture at most, and a text in the syntax of terms.py. Raises BadQuery for neither, for two pictures, for a
    row that is no whole number, and for a prompt without {}.

    Beside a picture the text says what is added and taken away: Query(row=12, text="- people"). The picture itself is
    its first term, unless the text says where `#picture` stands.
    """

    picture: bytes | Path | Image.Image | None = None
    text: str | None = None
    row: int | None = None  # of the gallery: its stored vector; the row itself is left out of the results
    held_out: int | None = None  # number among the gallery's held-out queries: its stored vector
    box: Box | None = None  # the part of the picture that is searched with
    prompt: str = "{}"  # the sentence that each term of the text is put in, at {}

    def __post_init__(self) -> None:
        pictures = sum(value is not None for value in (self.picture, self.row, self.held_out))
        if pictures > 1 or (not pictures and self.text is None):
            raise BadQuery(
                "Give a picture, a row or a held-out query to search with, a text, or one of them and a text."
            )
        for name in ("row", "held_out"):
            if (value := getattr(self, name)) is not None and (
                isinstance(value, bool) or not isinstance(value, Integral)
            ):
                raise BadQuery(f"{name} = {value!r} is not a whole number: give the number of a picture.")
        if "{}" not in self.prompt:
            raise BadQuery(
                f"The template {self.prompt!r} has no {{}} for the words to go to: write one, or '{{}}' alone."
            )
        if self.box and not pictures:
            raise BadQuery("A box is a part of a picture, and there is none: give a picture beside it.")

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """In the order in which they were given; those of weight 0 too. Raises BadTerms, BadQuery."""
        written, given = parse(self.text) if self.text is not None else (), self._given()
        for term in written:
            if term.kind == PICTURE and given is None:
                raise BadTerms(
                    term.place, "#picture stands for a picture, and none is given; give one beside the text."
                )
        if given is None:
            return written
        named = tuple(replace(given, weight=term.weight) if term.kind == PICTURE else term for term in written)
        return named if any(term.kind == PICTURE for term in written) else (given, *written)

    def _given(self) -> Term | None:
        """The picture that is given beside the text. A part of a stored one has no stored vector."""
        if self.picture is not None or self.box:
            return Term(PICTURE)
        if self.row is not None:
            return Term(ROW, self.row)
        return Term(HELD_OUT, self.held_out) if self.held_out is not None else None

    @cached_property
    def counting(self) -> tuple[Term, ...]:
        """The terms that count: one of weight 0 is as good as absent. Raises BadQuery where none is left."""
        if counting := tuple(term for term in self.terms if term.weight):
            return counting
        raise BadQuery("Every term has the weight 0, so there is nothing to search with: raise one of them.")

    @property
    def rows(self) -> tuple[int, ...]:
        """Rows of the gallery that it is made of, which are left out of the results."""
        named = {int(term.value) for term in self.counting if term.kind == ROW}
        if self.row is not None and any(term.kind == PICTURE for term in self.counting):  # a part of it
            named.add(self.row)
        return tuple(sorted(named))

    @property
    def composed(self) -> bool:
        """Whether it is a sum of several terms."""
        return len(self.counting) > 1

    @property
    def reads_words(self) -> bool:
        """Whether one of its terms is a text."""
        return any(term.kind == TEXT for term in self.counting)

    @property
    def needs_encoder(self) -> bool:
        """False where stored vectors are searched with."""
        return any(term.kind in (TEXT, PICTURE) for term in self.counting)


def check_k(k: object) -> int:
    """The number, as Python's own: FAISS takes no other. Raises BadQuery."""
    if isinstance(k, bool) or not isinstance(k, Integral):
        raise BadQuery(f"k = {k!r} is not a whole number: choose from 1 to {MAX_K:,}.")
    number = int(k)
    if not 1 <= number <= MAX_K:
        raise BadQuery(f"k = {number:,} is out of bounds: choose from 1 to {MAX_K:,}.")
    return number
