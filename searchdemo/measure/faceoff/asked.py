"""One query for several collections: as each of them takes it, and what names it in a run card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from PIL import Image

from searchdemo.collection.box import box_of
from searchdemo.collection.collection import Collection
from searchdemo.collection.query import Query
from searchdemo.collection.terms import HELD_OUT, parse, written
from searchdemo.errors import BadQuery
from searchdemo.files import expanded, sha256_of
from searchdemo.galleries.base import Gallery

MARKS = '[{"text": "a red boat", "right": [12, 40]}, {"image": "cat.jpg", "right": ["cats/2.jpg"]}]'
FIELDS = ("text", "image", "row", "held_out", "box", "where", "right")


def asked_of(query: Query, collection: Collection, where: str = "") -> dict:
    """What tells a query of this collection from others, as JSON. A picture is told by its digest."""
    held_out = None if query.held_out is None else collection.query_row(query.held_out)
    told = {
        "text": query.text,
        "row": query.row,
        "held_out": held_out,
        "picture": None if query.picture is None else _digest(query.picture),
        "box": str(query.box) if query.box else None,
        "where": " ".join(where.split()) or None,
    }
    return {name: value for name, value in told.items() if value is not None}


def _digest(picture: bytes | Path | Image.Image) -> str:
    if isinstance(picture, Path):
        return sha256_of(picture)[:16]
    content = picture if isinstance(picture, bytes) else repr((picture.mode, picture.size)).encode() + picture.tobytes()
    return sha256(content).hexdigest()[:16]


def asked_in(query: Query, first: Collection, collection: Collection) -> Query:
    """A query with numbers of held-out pictures as `first` counts them, as `collection` counts them: of a gallery that
    is built in part only some are embedded. Raises BadQuery where this one has not."""
    if collection is first:
        return query

    def number(value: int) -> int:
        if not 0 <= value < len(first.queries):
            raise BadQuery(f"There is no held-out query {value}: choose below {len(first.queries):,}.")
        return collection.query_number(first.query_row(value))

    if query.held_out is not None:
        query = replace(query, held_out=number(query.held_out))
    terms = parse(query.text) if query.text is not None else ()
    if not any(term.kind == HELD_OUT for term in terms):
        return query
    told = [replace(term, value=number(int(term.value))) if term.kind == HELD_OUT else term for term in terms]
    return replace(query, text=written(told))


@dataclass(frozen=True)
class Mark:
    """A query of a file, and which pictures are right for it."""

    query: Query
    right: tuple[str | int, ...]  # rows, or files of the gallery
    where: str = ""


def marks_of(path: Path) -> list[Mark]:
    """The judged queries of a JSON file, such as MARKS. Raises BadQuery."""
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadQuery(f"{path} cannot be read as JSON ({error}): write a list such as {MARKS}.") from error
    if not isinstance(listed, list) or not listed:
        raise BadQuery(f"{path} holds no list of judged queries: write for example {MARKS}.")
    return [_mark(path, number, one) for number, one in enumerate(listed, 1)]


def _mark(path: Path, number: int, one: object) -> Mark:
    def wrong(reason: str) -> BadQuery:
        return BadQuery(f"{path}, query {number}: {reason}; write for example {MARKS}.")

    if not isinstance(one, dict):
        raise wrong(f"{one!r} is no object")
    if unknown := [name for name in one if name not in FIELDS]:
        raise wrong(f"there is no field {unknown[0]!r}, choose from {', '.join(FIELDS)}")
    right = one.get("right")
    if not isinstance(right, list) or not all(
        isinstance(each, int | str) and not isinstance(each, bool) for each in right
    ):
        raise wrong(f"right = {right!r} is no list of rows or files, which may be empty")
    for name in ("text", "image", "box", "where"):
        if not isinstance(one.get(name, ""), str):
            raise wrong(f"{name} = {one[name]!r} is no text")
    for name in ("row", "held_out"):
        if name in one and (not isinstance(one[name], int) or isinstance(one[name], bool)):
            raise wrong(f"{name} = {one[name]!r} is no whole number")
    image = (path.parent / expanded(one["image"])) if "image" in one else None
    try:
        query = Query(image, one.get("text"), one.get("row"), one.get("held_out"), box_of(one.get("box", "")))
        query.counting  # noqa: B018 what is wrong with it is said before anything is opened
    except BadQuery as error:
        raise BadQuery(f"{path}, query {number}: {error}") from error
    return Mark(query, tuple(right), one.get("where", ""))


def rows_named(gallery: Gallery, named: Sequence[str | int]) -> list[int]:
    """Rows of the gallery, given as such or by their files. Raises BadQuery for what is not in it."""
    count, files = len(gallery.pictures), None
    rows = []
    for one in named:
        if isinstance(one, int) or (one.isascii() and one.isdecimal()):
            if not 0 <= int(one) < count:
                raise BadQuery(f"There is no row {one} in {gallery.name!r}: choose from 0 to {count - 1:,}.")
            rows.append(int(one))
            continue
        files = files or {gallery.file(row): row for row in range(count) if gallery.file(row)}
        if one not in files:
            raise BadQuery(f"There is no picture {one!r} in {gallery.name!r}: give its row, or its path in the folder.")
        rows.append(files[one])
    return rows
