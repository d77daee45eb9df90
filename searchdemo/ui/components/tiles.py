"""A grid of pictures, each a button: its caption, its score explained, and a mark where an index missed it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from searchdemo.collection.terms import ROW, Term
from searchdemo.types import Blur, Hit, SearchResult
from searchdemo.ui.components.templates import render
from searchdemo.ui.components.thumbnails import shown_url


@dataclass(frozen=True)
class Share:
    """What a term adds to a score."""

    term: str  # "less: people" of one that is taken away
    adds: str  # "+0.320"
    lowers: bool


@dataclass(frozen=True)
class Tile:
    picture: bytes | Blur | None  # None: a drawn tile with the caption
    caption: str
    score: str = ""
    explained: str = ""  # a sentence, shown on hover and on focus
    mark: str = ""  # "missed": an approximate index did not return it
    folder: str = ""  # of a person's own file
    shares: tuple[Share, ...] = ()  # of the score, by each term
    term: str = ""  # as which it can be added to the query: "#12"
    dimmed: bool = False  # probably nothing shows what was asked for
    of: Mapping[str, object] | None = None  # see `stored`

    @property
    def address(self) -> str:
        return shown_url(self.picture)  # without a caption: the name stands below the picture

    @property
    def spoken(self) -> str:
        """What a screen reader says."""
        return ", ".join(filter(None, (self.caption, self.score, self.mark)))


class Tiles(gr.HTML):
    """A grid of tiles. `select` tells what the tile that was clicked is `of`, and `enlarge`, where `enlarges`, what the
    tile is of whose corner was: by its place in the grid it would be another picture once the next answer is there.

    One answer holds all pictures as `data:` URLs: no request per picture, and no file is exposed. It is not a
    gr.Gallery, whose tiles can be neither marked nor explained.
    """

    def __init__(self, label: str = "", elem_classes: str = "", enlarges: bool = False, **options: Any) -> None:
        self.heading, self.enlarges = label, enlarges
        options = {"js_on_load": render("tiles.js"), "elem_classes": ["tiles", *elem_classes.split()]} | options
        super().__init__(label=label, **options)

    def postprocess(self, value: Sequence[Tile] | None) -> str:
        return render("tiles.html", tiles=value or (), heading=self.heading, enlarges=self.enlarges)


def stored(gallery: str, number: int, held_out: bool = False, box: str = "") -> dict[str, object]:
    """A picture of a gallery, as a script tells it: its row, or its number among the held-out ones.

    box: the part that matched, "x,y,width,height"; "": the whole
    """
    return {"gallery": gallery, "picture" if held_out else "row": number} | ({"box": box} if box else {})


def shown_hits(result: SearchResult) -> list[Hit]:
    """The hits, best first, and in their places those that the index missed."""
    missed = result.comparison.hits if result.comparison else ()
    return sorted((*result.hits, *missed), key=lambda hit: -hit.score)


def result_tiles(result: SearchResult, gallery: str, own: bool = False) -> list[Tile]:
    """own: whether the visitor may see in which folders the files lie."""
    cells = result.comparison.cells if result.comparison else {}
    missed = {hit.row for hit in result.comparison.hits} if result.comparison else set()
    unlikely, tiles = bool(result.presence and result.presence.unlikely), []
    for rank, hit in enumerate(shown_hits(result), 1):
        caption, said = f"{rank}. {named(hit)}", explained(hit.score)
        if hit.shares:
            said = f"{by_terms(result.terms, hit.shares)} {said}"
        if hit.box:
            said = f"{part_named(hit.box)} {said}"
        if hit.file and hit.unsaid:
            said = f"Labels: {hit.unsaid}. {said}"
        if hit.row in missed:
            cell = cells.get(hit.row)
            why = f"It lies in the cell visited as number {cell}. " if cell else ""
            said = f"The index did not return this picture. {why}{said}"
        mark = "missed" if hit.row in missed else ""
        picture, shares, term = hit.picture or hit.blur, shares_of(result.terms, hit), str(Term(ROW, hit.row))
        score, folder, of = f"{hit.score:.3f}", folder_of(hit, own), stored(gallery, hit.row, box=hit.box)
        tiles.append(Tile(picture, caption, score, said, mark, folder, shares, term, unlikely, of))
    return tiles


def shares_of(terms: Sequence[tuple[str, float]], hit: Hit) -> tuple[Share, ...]:
    """None of a query of one term, whose share is all of the score."""
    return tuple(
        Share(f"less: {term}" if weight < 0 else term, f"{share:+.3f}", share < 0)
        for (term, weight), share in zip(terms, hit.shares, strict=False)
    )


def by_terms(terms: Sequence[tuple[str, float]], shares: Sequence[float]) -> str:
    """What each term adds to the score, and which way one works that is taken away."""
    each = []
    for (term, weight), share in zip(terms, shares, strict=True):
        said = f"{share:+.3f} by {weight:g}: {term}"
        if weight < 0:
            way = "like it, which lowers" if share < 0 else "unlike it, which raises"
            said += f" (taken away: the picture is {way} the score)"
        each.append(said)
    return f"The score is {', '.join(each)}."


def part_named(box: str) -> str:
    return f"Its part {part_read(box)}, matched best."


def part_read(box: str) -> str:
    """ "0.5,0,0.5,0.5" as people read it."""
    x, y, width, height = (float(number) for number in box.split(","))
    return f"from {x:.0%} to {x + width:.0%} of the width, and {y:.0%} to {y + height:.0%} of the height"


def named(hit: Hit) -> str:
    """The name of a person's own file, which tells more than its class; else the class."""
    return file_name(hit.file) or hit.class_names or f"row {hit.row}"


def file_name(path: str) -> str:
    return path.rpartition("/")[2]


def folder_of(hit: Hit, own: bool) -> str:
    """own: whether the visitor may see it."""
    return hit.file.rpartition("/")[0] if own else ""


def explained(cosine: float) -> str:
    """What a cosine says, for people who never met one."""
    degrees = math.degrees(math.acos(min(max(cosine, -1.0), 1.0)))
    return (
        f"Cosine {cosine:.3f}: this picture's vector and the query's are {degrees:.0f}° apart. "
        "1 is the same direction (0°), 0 has nothing in common (90°)."
    )
