"""A face-off as HTML: columns of pictures that are marked by a click, classes in three ways, and the figures."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass

from searchdemo.galleries.base import names_right
from searchdemo.measure.cards import RunCard
from searchdemo.measure.faceoff.accuracy import Accuracies
from searchdemo.measure.faceoff.compared import Column, FaceOff
from searchdemo.measure.faceoff.fusion import K
from searchdemo.measure.faceoff.judged import FUSION, Figure, Judged, Rate, counted, duel, figures
from searchdemo.types import Hit
from searchdemo.ui.components.templates import render
from searchdemo.ui.components.thumbnails import shown_url
from searchdemo.ui.components.tiles import explained, named

FUSED = "All together"  # the title of the column that is made of the others


@dataclass(frozen=True)
class Marked:
    """A picture in a column."""

    hit: Hit
    rank: int
    score: str
    explained: str
    others: tuple[str, ...]  # encoders of other columns that have it, too
    of: int  # columns that answered
    right: bool

    @property
    def address(self) -> str:
        return shown_url(self.hit.picture or self.hit.blur)

    @property
    def caption(self) -> str:
        return f"{self.rank}. {named(self.hit)}"

    @property
    def shared(self) -> str:
        return f"{len(self.others) + 1} of {self.of}" if self.of > 1 else ""

    @property
    def spoken(self) -> str:
        also = f"also found by {' and '.join(self.others)}" if self.others else ""
        return ", ".join(filter(None, (self.caption, self.score, also)))


@dataclass(frozen=True)
class Shown:
    """A column as the page shows it."""

    title: str
    said: str
    pictures: tuple[Marked, ...]


def columns_html(found: FaceOff, right: Sequence[int], identity: str) -> str:
    columns = [shown_column(column, found, right) for column in found.columns]
    return render("faceoff.html", columns=[*columns, *fused_column(found, right)], asked=identity)


def shown_column(column: Column, found: FaceOff, right: Sequence[int]) -> Shown:
    if column.result is None:
        return Shown(column.encoder, column.said, ())
    pictures = tuple(
        Marked(
            hit,
            hit.rank,
            f"{hit.score:.3f}",
            explained(hit.score),
            tuple(name for name in found.shared[hit.row] if name != column.encoder),
            len(found.answered),
            hit.row in right,
        )
        for hit in column.result.hits
    )
    return Shown(column.encoder, column.result.notice, pictures)


def fused_column(found: FaceOff, right: Sequence[int]) -> list[Shown]:
    pictures = []
    for one in found.fusion:
        ranks = ", ".join(f"number {rank} of {name}" for name, rank in one.ranks.items())
        said = f"Reciprocal rank fusion: {ranks}; its score is the sum of 1 / ({K} + number)."
        others = tuple(one.ranks)[1:]  # it is in as many columns as there are ranks
        pictures.append(
            Marked(
                found.hits[one.row], one.rank, f"{one.score:.4f}", said, others, len(found.answered), one.row in right
            )
        )
    return [Shown(FUSED, "", tuple(pictures))] if pictures else []


@dataclass(frozen=True)
class Way:
    """The first guess of one way to name the class."""

    name: str = ""
    share: float = 0.0
    right: bool = False


def classes_html(found: FaceOff, truth: str) -> str:
    """By neighbours, by class names and by both, per encoder; "" where the gallery has no classes."""
    lines = []
    for column in found.answered:
        if column.classes:
            ways = (column.classes.guesses, column.classes.by_class_names, column.classes.both)
            first = [guesses[0] if guesses else None for guesses in ways]
            told = [Way(g.class_name, g.share, names_right(g.class_name, truth)) if g else Way() for g in first]
            lines.append((column.encoder, told))
    notices = [column.classes.names_notice for column in found.answered if column.classes]
    said = dict.fromkeys(filter(None, notices))
    return render("faceoff_classes.html", lines=lines, k=found.k, truth=truth, notices=said) if lines else ""


def accuracy_html(gallery: str, found: Accuracies) -> str:
    """How many pictures each encoder names rightly when all held-out ones ask."""
    lines = [(one, with_ends(one.rate)) for one in found.named]
    return render(
        "faceoff_accuracy.html", gallery=gallery, k=found.k, lines=lines, pair=found.pair, notices=found.notices
    )


@dataclass(frozen=True)
class Line:
    """The figures of one encoder."""

    title: str
    queries: int
    rates: tuple[tuple[Rate, float, float], ...]  # recall and precision, each with its interval in percent


def figures_html(judged: Sequence[Judged], k: int, card: RunCard | None = None) -> str:
    """card: that the visitor may download."""
    if not judged:
        return render("faceoff_figures.html", lines=(), k=k, queries=0, left_out=0, duel="", address="")
    count = len(counted(judged, k))
    content = json.dumps(card.to_json(), indent=1).encode() if card else b""
    return render(
        "faceoff_figures.html",
        lines=[line_of(figure) for figure in figures(judged, k)],
        k=k,
        queries=count,
        left_out=len(judged) - count,
        duel=str(duel(judged, k) or ""),
        address=f"data:application/json;base64,{base64.b64encode(content).decode()}" if content else "",
    )


def line_of(figure: Figure) -> Line:
    title = FUSED if figure.name == FUSION else figure.name
    return Line(title, figure.queries, (with_ends(figure.recall), with_ends(figure.precision)))


def with_ends(rate: Rate) -> tuple[Rate, float, float]:
    low, high = rate.interval or (0.0, 0.0)
    return rate, 100 * low, 100 * high


def said_of(found: FaceOff, advice: str, shortened: bool) -> list[str]:
    """What a person should know, in sentences. shortened: k was larger than the page shows."""
    told = [advice] * bool(advice)
    if len(found.answered) > 1:
        several = len(found.answered)
        told.append(
            f"{len(found.in_all)} of the first {found.k} stand in all {several} columns; all were searched exactly."
        )
    told += [f"At most {found.k} pictures per column are shown here."] * shortened
    return told + [f"{notice}." for notice in found.notices]
