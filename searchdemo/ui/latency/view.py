"""What the Latency tab shows of a race, as HTML: the table, and the pictures that an approximate index lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from searchdemo.collection.library import SearchEngine
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.metrics import Latency
from searchdemo.measure.missed import Lost
from searchdemo.measure.race import Race, Row, positions_in_gallery
from searchdemo.types import MISSING, Blur
from searchdemo.ui.components.pieces import picture_data
from searchdemo.ui.components.plots import Time, byte_size, milliseconds, time_bars

# Ids where gradio's own rules for tables would win otherwise.
CSS = """
.race { overflow-x: auto; }
.race small, .lost small { display: block; color: var(--body-text-color-subdued); font-weight: 400; font-size: 12px; }
#latency-table table, #latency-table tr { border: 0; }
#latency-table table { border-collapse: collapse; width: 100%; margin: 0; font-size: 14px;
  color: var(--body-text-color); font-variant-numeric: tabular-nums; }
#latency-table th, #latency-table td { text-align: right; padding: 5px 10px; white-space: nowrap; border: 0;
  border-bottom: 1px solid var(--border-color-primary); }
#latency-table th { vertical-align: bottom; }
#latency-table th:first-child, #latency-table td:first-child { text-align: left; position: sticky; left: 0;
  padding-left: 0; background: var(--body-background-fill); }
.lost h4 { margin: 0 0 2px; font-size: 15px; color: var(--body-text-color); }
.lost .rows { overflow-x: auto; padding: 8px 0 6px; }
.lost .grid { display: grid; grid-auto-flow: column; grid-template-rows: auto auto; gap: 12px 6px; width: max-content; }
.lost .side { width: 64px; height: 72px; display: flex; align-items: center; font-size: 14px; font-weight: 600;
  position: sticky; left: 0; z-index: 1; background: var(--body-background-fill); color: var(--body-text-color); }
.lost figure { margin: 0; width: 76px; font-size: 12px; line-height: 1.3; color: var(--body-text-color); }
.lost .frame { position: relative; width: 72px; height: 72px; border: 4px solid transparent; border-radius: 6px; }
.lost .frame img { width: 64px; height: 64px; object-fit: cover; border-radius: 2px; display: block; margin: 0; }
.lost .missed .frame { border-color: #dc2626; }
.lost .missed .frame::after { content: "missed"; position: absolute; left: 0; bottom: 0; padding: 0 5px;
  font-size: 11px; background: #dc2626; color: #fff; border-radius: 0 4px 0 0; }
.lost .instead .frame { border: 4px dashed #d97706; }
.lost .nothing .frame { border: 1px dashed var(--border-color-primary); }
.lost figcaption { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
"""


def table_html(rows: Sequence[Row], race: Race, recall_queries: int) -> str:
    """A row an index; figures of one call, with the share of each query where a call holds several."""
    if not rows:
        return ""
    calls = f"<small>a call of {race.batch}</small>" if race.batch > 1 else ""
    heads = (
        "index",
        f"p50{calls}",
        f"p95{calls}",
        f"recall@{race.k}<small>this query</small>",
        f"recall@{race.k}<small>mean of {recall_queries} held-out</small>",
        "size",
        "load<small>from disk or vectors</small>",
    )
    lines = []
    for row in rows:
        each = f"<small>{milliseconds(row.latency.p50_ms / race.batch)} a query</small>" if race.batch > 1 else ""
        fewer = f"<small>{row.latency.repeats} repeats</small>" if row.latency.repeats < race.repeats else ""
        mean = "–" if np.isnan(row.mean_recall) else f"{row.mean_recall:.3f}"
        cells = (
            f"{escape(row.index)}<small>{escape(row.factory)}</small>",
            milliseconds(row.latency.p50_ms) + each,
            milliseconds(row.latency.p95_ms) + fewer,
            f"{row.recall:.2f}",
            mean,
            byte_size(row.size_bytes),
            milliseconds(row.load_ms),
        )
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{cell}</th>" for cell in heads)
    return f'<div class="race"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def plot_html(rows: Sequence[Row], race: Race, encoding: Latency | None, note: str) -> str:
    """Search times on a log axis; above them the time of encoding the query, where it was encoded."""
    times = [Time(row.index, row.latency.p50_ms, row.latency.p95_ms, INDEXES[row.index].family) for row in rows]
    if encoding:
        times.insert(0, Time(f"encode ({race.encoder})", encoding.p50_ms, encoding.p95_ms, "encode"))
    what = "one query" if race.batch == 1 else f"a call of {race.batch} queries"
    return time_bars(f"Milliseconds of {what}: bar to p50, whisker to p95", times, note)


@dataclass(frozen=True)
class Tile:
    """A picture in the rows of what was lost."""

    picture: bytes | Blur | None
    name: str  # of the class
    cosine: float | None
    cell: int | None = None  # the nprobe that visits its cell; of missed ones
    mark: str = ""  # "missed": the approximate index did not return it; "instead": not of the exact answer; "nothing"


NOTHING = Tile(None, "nothing", None, mark="nothing")


def lost_tiles(engine: SearchEngine, race: Race, query: np.ndarray, lost: Lost) -> tuple[list[Tile], list[Tile]]:
    """The exact answer to a query (1, dim) and the approximate one, best first, k tiles each."""
    exact_set = {*lost.exact.tolist()}

    def tile(position: int, row: int, cosine: float) -> Tile:
        name = prepared.gallery.class_name(row) or f"row {row}"
        cell = lost.cell_ranks[position] if lost.cell_ranks and position in lost.missed else None
        mark = "missed" if position in lost.missed else "" if position in exact_set else "instead"
        shown = prepared.gallery
        return Tile(shown.pictures.encoded(row) or shown.blur(row), name, cosine, cell, mark)

    prepared = engine.prepared(race.gallery, race.encoder)
    answers = []
    for positions in (lost.exact, lost.found[lost.found != MISSING]):
        stored = positions_in_gallery(engine, race, positions)
        cosines = prepared.vectors.take(stored) @ query[0] if len(stored) else np.empty(0)
        order = np.argsort(-cosines, kind="stable")  # quantised indexes order by their own estimate
        rows = prepared.gallery_rows(stored)
        answers.append([tile(int(positions[i]), int(rows[i]), float(cosines[i])) for i in order])
    exact, found = answers
    return exact, found + [NOTHING] * (len(exact) - len(found))


def lost_html(index: str, sentence: str, exact: Sequence[Tile], found: Sequence[Tile]) -> str:
    """Both answers in one grid, the exact one above; it scrolls sideways on narrow pages."""
    pairs = "".join(_figure(above) + _figure(below) for above, below in zip(exact, found, strict=True))
    legend = []
    if any(tile.cell for tile in exact):
        legend.append("Cell 5: the picture lies in the 5th nearest cell, which is visited from nprobe 5 on.")
    if any(tile.mark == "instead" for tile in found):
        legend.append("Dashed: returned, but not of the exact answer.")
    if all(tile.mark == "" for tile in found) and (names := [param.name for param in INDEXES[index].params]):
        legend.append(f"Lower {names[0]} and race again to see what {index} loses.")
    return (
        f'<div class="lost"><h4>{escape(index)}: {escape(sentence)}</h4><small>{" ".join(legend)}</small>'
        f'<div class="rows"><div class="grid"><div class="side">exact</div><div class="side">{escape(index)}</div>'
        f"{pairs}</div></div></div>"
    )


def _figure(tile: Tile) -> str:
    if tile is NOTHING:
        return '<figure class="nothing"><div class="frame"></div><small>nothing</small></figure>'
    name = escape(tile.name, quote=True)
    source = escape(picture_data(tile.picture).url, quote=True)  # the class stands under it
    cell = f"<small>cell {tile.cell}</small>" if tile.cell else ""
    return (
        f'<figure class="{tile.mark}"><div class="frame"><img src="{source}" alt="{name} {tile.mark}"></div>'
        f'<figcaption title="{name}">{name}</figcaption><small>cos {tile.cosine:.3f}</small>{cell}</figure>'
    )
