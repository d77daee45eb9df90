"""What short codes keep of a vector: distortion, and how soon the true nearest neighbour is found, by bits per code.

Every stored vector is replaced by what its code keeps, and queries in full are held against that: it is what an index
of such codes computes when it visits every cell. Four kinds of product quantisation are told apart:

PQ          one quantiser for all vectors
OPQ         the same after one learned rotation of all vectors
PQ in cells one quantiser of what is left after the mean of a vector's cell
LOPQ        the same after a rotation of its own in each cell, see bench/lopq.py
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from searchdemo.bench import plots
from searchdemo.bench.lopq import decoded, lopq_decoded
from searchdemo.bench.said.words import count
from searchdemo.bench.tables import Column, Table, columns, encoder_of, fixed, table_of
from searchdemo.bench.workload import Bench, Workload
from searchdemo.errors import BadQuery
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.cards import RunCard
from searchdemo.measure.metrics import recall_at_k

QUERIES = 2_000
PARTS = (4, 8, 16, 32, 64)  # sub-quantisers of 8 bits; a quick run takes the first three
RANKS = (1, 5, 10, 100)
PER_CELL = 1_500  # vectors that a cell should have, enough for its own rotation
TARGET = 0.9  # share of queries whose nearest neighbour is among the first 5

Decode = Callable[[np.ndarray], np.ndarray]  # vectors (n, dim) -> what their codes keep (n, dim)


def code_rows(work: Workload, bench: Bench) -> tuple[list[dict], list[str]]:
    """One row per kind and number of bits. Codes that cannot be trained with these vectors become notes.

    distortion: the mean squared distance of a vector from what its code keeps; nearest_<r>: the share of queries whose
    nearest neighbour is among the first r.
    """
    work = work.part(None, QUERIES, bench.seed)
    plan = list(kinds(work.dim, cells_for(len(work.vectors)), PARTS[:3] if bench.quick else PARTS))
    nearest, ten = work.exact(1), work.exact(10)
    rows, notes = [], []
    for done, (method, parts, decode) in enumerate(plan):
        bench.tell(f"codes: {method}, {8 * parts} bits", done, len(plan))
        try:
            kept = np.ascontiguousarray(decode(work.vectors))
        except BadQuery as error:
            notes.append(f"{method}, {8 * parts} bits: {error}")
            continue
        found = INDEXES["flat"].build(kept, "l2").search(work.queries, max(RANKS)).positions
        rows.append(
            {"method": method, "bits": 8 * parts, "bytes": parts}
            | {"distortion": float(((work.vectors - kept) ** 2).sum(axis=1).mean())}
            | {f"nearest_{rank}": float((found[:, :rank] == nearest).any(axis=1).mean()) for rank in RANKS}
            | {"recall_10": recall_at_k(found[:, : ten.shape[1]], ten)}
        )
    return rows, notes


def cells_for(vectors: int) -> int:
    """A power of two."""
    return 2 ** max(0, int(math.log2(max(1.0, vectors / PER_CELL))))


def kinds(dim: int, cells: int, parts: Sequence[int]) -> Iterator[tuple[str, int, Decode]]:
    """(method, bytes per code, how vectors become what their codes keep), where the parts divide the dimension."""
    for m in parts:
        if dim % m:
            continue
        yield "PQ", m, partial(decoded, factory=f"PQ{m}np")
        yield "OPQ", m, partial(decoded, factory=f"OPQ{m},PQ{m}np")
        yield "PQ in cells", m, partial(decoded, factory=f"IVF{cells},PQ{m}np")
        yield "LOPQ", m, partial(lopq_decoded, cells=cells, parts=m)


def code_table(card: RunCard) -> Table:
    heads = [
        *columns("method bits bytes"),
        Column("distortion", "distortion", fixed(4)),
        *(Column(f"nearest_{rank}", f"nearest in first {rank}", fixed(3)) for rank in RANKS),
        *columns("recall_10"),
    ]
    cells = count(cells_for(card.subject["vectors"]), "cell")
    title = (
        f"What short codes keep: {encoder_of(card)}, {card.subject['dim']} dimensions, {cells}; distortion is the mean "
        "squared distance of a row from its code"
    )
    return table_of(card, "codes", title, heads, _sorted(card))


def _sorted(card: RunCard) -> list[dict]:
    methods = list(dict.fromkeys(row["method"] for row in card.parts["codes"]))
    return sorted(card.parts["codes"], key=lambda row: (methods.index(row["method"]), row["bits"]))


def bits_for(rows: Sequence[dict], target: float = TARGET) -> dict[str, int | None]:
    """Method -> the fewest bits with which the nearest is among the first 5 for this share of queries; None: more."""
    found: dict[str, int | None] = {}
    for row in sorted(rows, key=lambda row: row["bits"]):
        before = found.setdefault(row["method"], None)
        if before is None and row["nearest_5"] >= target:
            found[row["method"]] = row["bits"]
    return found


def code_charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    """Distortion, and the share of nearest neighbours among the first 5, against bits per code."""
    return {
        "codes-distortion": plots.panel_per_card(cards, "What short codes lose", partial(_draw, key="distortion")),
        "codes-nearest": plots.panel_per_card(cards, "What short codes find", partial(_draw, key="nearest_5")),
    }


def _draw(ax: plots.Axes, card: RunCard, key: str) -> None:
    lines: dict[str, list[dict]] = {}
    for row in _sorted(card):
        lines.setdefault(row["method"], []).append(row)
    plots.lines(ax, [(m, [row["bits"] for row in rows], [row[key] for row in rows]) for m, rows in lines.items()])
    if key == "nearest_5":
        plots.level(ax, TARGET, f"{TARGET:.0%}")
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter("{x:.0f}")
    ax.set(xlabel="bits per code (log)", ylabel="nearest in first 5" if key == "nearest_5" else "distortion")
    plots.legend(ax)
