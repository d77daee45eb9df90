"""Where the page's query comes from, and the Query that it is below the page."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from searchdemo.collection.box import box_of
from searchdemo.collection.collection import Collection
from searchdemo.collection.query import Query
from searchdemo.collection.terms import HELD_OUT as HELD_OUT_TERM
from searchdemo.collection.terms import PICTURE as PICTURE_TERM
from searchdemo.collection.terms import ROW as ROW_TERM
from searchdemo.collection.terms import TEXT, Term, parse
from searchdemo.encoders.table import IMPORTED, MADE_ELSEWHERE, find
from searchdemo.errors import BadPicture, BadQuery
from searchdemo.galleries.base import Gallery
from searchdemo.types import MISSING
from searchdemo.ui.components.query_picture import readable
from searchdemo.ui.page import Choice, NoQuery

PICTURE, WORDS, ROW, HELD_OUT = "picture", "words", "row", "held_out"
FALLBACK = "bundled"  # an encoder that reads words and comes with searchdemo


@dataclass(frozen=True)
class Origin:
    """Where the query comes from. It holds names and numbers, no picture: sessions keep it.

    Beside it stands the text, in the syntax of collection/terms.py. Words are their text. A picture has a text only
    where it is one term of several, and the text then names it: "#picture - people".
    """

    kind: str  # PICTURE | WORDS | ROW | HELD_OUT
    gallery: str = ""  # of a row or a held-out picture
    number: int = 0  # of the row or the held-out picture
    truth: str = ""  # its class name, where that is known
    terms_of: str = ""  # the gallery whose pictures the text names by number, such as #12

    @property
    def stored(self) -> bool:
        """Whether it is a picture of a gallery."""
        return self.kind in (ROW, HELD_OUT)


def another(rows: np.ndarray, origin: Origin | None, kind: str, gallery: Gallery) -> int:
    """One of the rows at random: not the one that `origin` asks about, unless there is no other."""
    asked = origin.number if origin and (origin.kind, origin.gallery) == (kind, gallery.name) else MISSING
    others = rows[(rows != asked) & (rows != MISSING)]
    return int(random.choice(others)) if len(others) else asked


def query_of(
    origin: Origin | None,
    picture: Image.Image | BadPicture | None,
    text: str,
    template: str,
    chosen: Choice,
    collection: Collection,
    box: str = "",
) -> Query:
    """Raises NoQuery when there is nothing to search with here, BadQuery, BadPicture."""
    if origin is None or (origin.kind == PICTURE and picture is None):
        raise NoQuery("There is no query yet: bring a picture, type words, click an example, or press “Surprise me”.")
    if origin.kind == WORDS:
        query = Query(text=given_words(text))
    else:
        beside = text if text and names_picture(text) else None
        query = replace(picture_query(origin, picture, chosen, collection), text=beside, box=box_of(box or ""))
    terms = parse(query.text) if query.text else ()
    if (named := numbered(terms)) and origin.terms_of not in ("", chosen.gallery):
        raise NoQuery(
            f"{', '.join(sorted(named))} of the query belongs to {origin.terms_of}: choose that gallery again, or "
            "remove what is of it."
        )
    if any(term.kind == TEXT and term.weight for term in terms):
        if (spec := find(chosen.encoder)) is IMPORTED:
            raise NoQuery(MADE_ELSEWHERE)
        if not spec.text:
            raise NoQuery(f"{chosen.encoder} reads no words: choose an encoder that does, such as {FALLBACK}.")
        query = replace(query, prompt=template or "")
    return query


def picture_query(
    origin: Origin, picture: Image.Image | BadPicture | None, chosen: Choice, collection: Collection
) -> Query:
    """Of the picture alone; a stored vector where there is one. Raises NoQuery, BadQuery, BadPicture."""
    here = origin.gallery == chosen.gallery
    if origin.kind == ROW and here:
        return Query(row=origin.number)
    if (opened := readable(picture)) is not None:
        return Query(picture=opened)
    if origin.kind == HELD_OUT and here:
        return Query(held_out=collection.query_number(origin.number))
    raise NoQuery(f"The query is a picture of {origin.gallery} that is not on this machine: choose another one.")


def given_words(words: str | None) -> str:
    """Raises NoQuery for no words."""
    if not words or not words.strip():
        raise NoQuery("The text is empty: type a few words, such as 'a red boat'.")
    return words


def names_picture(text: str) -> bool:
    """Whether the picture beside it is one of its terms. A text that cannot be read says by its error what it means."""
    try:
        return any(term.kind == PICTURE_TERM for term in parse(text))
    except BadQuery:
        return str(Term(PICTURE_TERM)) in text.lower()


def numbered(terms: tuple[Term, ...]) -> set[str]:
    """The terms that are pictures of a gallery, as they are written."""
    return {str(term) for term in terms if term.kind in (ROW_TERM, HELD_OUT_TERM)}
