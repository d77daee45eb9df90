"""A race as HTML: the plot, the table, and the pictures that an approximate index missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from searchdemo.collection.collection import Collection
from searchdemo.collection.missed import Missed
from searchdemo.collection.scores import rescored
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.metrics import Latency
from searchdemo.measure.race import Race, Row
from searchdemo.types import MISSING, Blur
from searchdemo.ui.components.plots import Time, time_bars
from searchdemo.ui.components.templates import paragraph, render
from searchdemo.ui.components.thumbnails import row_tile, shown_url


def status_html(doing: str, failures: Sequence[str] = ()) -> str:
    """What the race does now, "" at its end, below the sentences of indexes that were left out."""
    sentences = [*failures, f"{doing} …" if doing else ""]
    return "".join(paragraph(sentence) for sentence in sentences if sentence)


def table_html(rows: Sequence[Row], race: Race, recall_of: str) -> str:
    """One row per index. Times are of one call; a batch of several queries has its time per query below.

    recall_of: what the mean recall is taken over, "200 held-out"
    """
    return render("race_table.html", rows=rows, race=race, recall_of=recall_of) if rows else ""


def plot_html(rows: Sequence[Row], race: Race, encoding: Latency | None, encoder: str, note: str) -> str:
    """Search times, each compared with brute, below the time to encode the query, where it was encoded."""
    times = [Time(row.index, row.latency.p50_ms, row.latency.p95_ms, INDEXES[row.index].family) for row in rows]
    if encoding:
        times.insert(0, Time(f"encode ({encoder})", encoding.p50_ms, encoding.p95_ms, "encode"))
    what = "one query" if race.batch == 1 else f"a call of {race.batch} queries"
    return time_bars(f"Milliseconds of {what}: bar to p50, whisker to p95", times, note)


@dataclass(frozen=True)
class MarkedTile:
    """A picture in one of the two answers."""

    picture: bytes | Blur | None
    name: str  # of the class
    cosine: float | None
    cell: int | None = None  # of a missed picture: the nprobe that visits its cell
    mark: str = ""  # "missed": only in the exact answer; "instead": only in the approximate one; "nothing": no picture

    @property
    def address(self) -> str:
        return shown_url(self.picture)  # without a caption: the class stands below the picture


NOTHING = MarkedTile(None, "nothing", None, mark="nothing")


def missed_tiles(
    collection: Collection, query: np.ndarray, missed: Missed
) -> tuple[list[MarkedTile], list[MarkedTile]]:
    """The exact answer to a query (1, dim) and the approximate one, best first, k tiles each."""
    exact_set = {*missed.exact.tolist()}

    def tile(position: int, row: int, cosine: float) -> MarkedTile:
        name = collection.gallery.class_name(row) or f"row {row}"
        cell = missed.cell_ranks[position] if missed.cell_ranks and position in missed.missed else None
        mark = "missed" if position in missed.missed else "" if position in exact_set else "instead"
        return MarkedTile(*row_tile(collection.gallery, row, name), cosine, cell, mark)

    def tiles(positions: np.ndarray) -> list[MarkedTile]:
        best = rescored(query, collection.vectors, positions[None][:, positions != MISSING])
        rows = collection.gallery_rows(best.positions[0])
        return [
            tile(*one) for one in zip(best.positions[0].tolist(), rows.tolist(), best.scores[0].tolist(), strict=True)
        ]

    exact, found = tiles(missed.exact), tiles(missed.found)
    return exact, found + [NOTHING] * (len(exact) - len(found))


def missed_html(index: str, sentence: str, exact: Sequence[MarkedTile], found: Sequence[MarkedTile]) -> str:
    """Both answers in one grid, the exact one above. The grid scrolls sideways on a narrow page."""
    return render(
        "missed.html",
        index=index,
        sentence=sentence,
        exact=exact,
        marks=sorted({tile.mark for tile in found}),
        params=INDEXES[index].params,
        pairs=zip(exact, found, strict=True),
    )
