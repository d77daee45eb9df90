"""The strip above the tabs: what the page searches with, a chip for each of its terms, and edits of its text."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import Image

from searchdemo.collection.terms import HELD_OUT as HELD_OUT_TERM
from searchdemo.collection.terms import PICTURE as PICTURE_TERM
from searchdemo.collection.terms import ROW as ROW_TERM
from searchdemo.collection.terms import TEXT as TEXT_TERM
from searchdemo.collection.terms import Term, number, parse, written
from searchdemo.errors import BadPicture, BadQuery, SearchDemoError
from searchdemo.jpeg import smaller_jpeg
from searchdemo.types import Blur
from searchdemo.ui.components.templates import render
from searchdemo.ui.components.thumbnails import row_tile, shown_url
from searchdemo.ui.components.tiles import file_name
from searchdemo.ui.origin import HELD_OUT, PICTURE, WORDS, Origin, numbered
from searchdemo.ui.page import Page

STRIP_PX = 96
MOST_WEIGHT = 2.0  # that a chip is dragged to; a weight that was typed may be larger
THE_PICTURE = str(Term(PICTURE_TERM))

_drawings = itertools.count()  # no two are equal: the browser leaves one alone that is equal to the one before


@dataclass(frozen=True)
class Named:
    """A picture or words, for people."""

    name: str
    picture: bytes | Blur | None = None
    what: str = ""  # where it comes from

    @property
    def address(self) -> str:
        return shown_url(self.picture) if self.picture else ""


@dataclass(frozen=True)
class Chip:
    term: Term
    named: Named

    @property
    def weight(self) -> str:
        return number(self.term.weight)

    @property
    def most(self) -> str:
        return number(max(MOST_WEIGHT, abs(self.term.weight)))


def strip_html(
    page: Page,
    origin: Origin | None,
    text: str = "",
    own: Image.Image | BadPicture | None = None,
    encoder: str = "",
    said: str = "",
) -> str:
    """own: the visitor's picture, of such an origin; encoder: the one that numbers held-out queries, where the text
    has some; said: a sentence about the edit that led to it."""
    if origin is None:
        return render("query.html", query=None, said=said, drawing=next(_drawings))
    query = named(page, origin, text, own)
    chips = chips_of(page, origin, text or THE_PICTURE, query, encoder)
    return render("query.html", query=query, text=text or THE_PICTURE, chips=chips, said=said, drawing=next(_drawings))


def named(page: Page, origin: Origin, text: str, own: Image.Image | BadPicture | None) -> Named:
    """What is searched with, without the terms beside it. Raises SearchDemoError of a gallery that went away."""
    if origin.kind == WORDS:
        return Named(f"“{text}”", what="words")
    if origin.kind == PICTURE:
        if isinstance(own, BadPicture):
            return Named("your picture", what="it cannot be read")
        small = smaller_jpeg(own.copy(), STRIP_PX) if own else None
        return Named("your picture", small, "it stays on this page")
    gallery, count = page.library.gallery(origin.gallery), origin.number
    if origin.kind == HELD_OUT:
        picture = gallery.queries.encoded(count)
        return Named(origin.truth, picture, f"held-out picture {count:,} of {gallery.name}")
    picture, name = row_tile(gallery, count, gallery.class_name(count))
    file = gallery.file(count)
    what = (file if page.is_own(gallery.name) else file_name(file)) or f"picture {count:,} of {gallery.name}"
    return Named(name, picture, what)


def chips_of(page: Page, origin: Origin, text: str, query: Named, encoder: str) -> list[Chip]:
    """One for each term; none for a text that cannot be read, which the answer says."""
    try:
        terms = parse(text)
    except BadQuery:
        return []
    chips = []
    for term in terms:
        shown = Named(str(term.value) if term.kind == TEXT_TERM else str(term))
        if term.kind == PICTURE_TERM and origin.kind != WORDS:
            shown = replace(query, name=query.name or "the picture")
        elif term.kind in (ROW_TERM, HELD_OUT_TERM):
            shown = tile_of(page, origin.terms_of, encoder, term)
        chips.append(Chip(term, shown))
    return chips


def tile_of(page: Page, gallery: str, encoder: str, term: Term) -> Named:
    """A picture that a text names by its number. Of one that is not there: the number alone, and the answer says so."""
    try:
        opened, place = page.library.gallery(gallery), int(term.value)
        if term.kind == ROW_TERM and place < len(opened.pictures):
            picture, name = row_tile(opened, place, file_name(opened.file(place)) or opened.class_name(place))
            return Named(f"{name} {term}".strip(), picture)
        if term.kind == HELD_OUT_TERM:
            place = page.library.open(gallery, encoder).query_row(place)
            return Named(f"{opened.truth(place)} {term}".strip(), opened.queries.encoded(place))
    except (SearchDemoError, IndexError):
        pass
    return Named(str(term))


# Edits of the text


def kept_to(gallery: str, proposed: str, text: str, origin: Origin | None) -> tuple[str, str]:
    """(the gallery whose pictures the text then names by number, "") or ("", why this edit is refused).

    text: before the edit. Numbers mean pictures of one gallery: another may have been chosen since.
    """
    new, old = numbers_in(proposed), numbers_in(text)
    before = origin.terms_of if origin else ""
    if not new:
        return "", ""
    if before in ("", gallery) or not new & old:
        return gallery, ""
    if new <= old:
        return before, ""
    named = ", ".join(sorted(new & old))
    return "", f"The query has {named} of {before}: remove that first, or choose {before} again."


def numbers_in(text: str) -> set[str]:
    try:
        return numbered(parse(text))
    except BadQuery:
        return set()


def without_picture(text: str) -> str:
    """The other terms; "" where there are none."""
    try:
        return written(term for term in parse(text) if term.kind != PICTURE_TERM)
    except BadQuery:
        return ""


def beside_own(text: str, origin: Origin, stored: Term | None) -> str:
    """The text with a picture of the visitor's as one more term. Raises BadQuery.

    stored: the picture that was searched with, as a term; None where it has to make way.
    """
    terms: Sequence[Term] = parse(text) if text else [Term(PICTURE_TERM)]
    if origin.kind != WORDS and stored:
        terms = [replace(stored, weight=term.weight) if term.kind == PICTURE_TERM else term for term in terms]
    if all(term.kind != PICTURE_TERM for term in terms):
        terms = [*terms, Term(PICTURE_TERM)]
    text = written(terms)
    return "" if text == THE_PICTURE else text
