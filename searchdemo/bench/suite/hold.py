"""Whether it holds: many visitors of the page at once, what it keeps of each call, wrong arguments, damaged pictures
and texts, flipped bits of files that ship, and processes that are killed.

The page runs in a process of its own, visitors in others, all on this machine. Each part runs alone with `--part`.
Where one ends before its time, the others run all the same, and what they found is told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from searchdemo.bench import plots
from searchdemo.bench.hold import arguments, crowd, flips, kills, load, memory, mutations
from searchdemo.bench.hold.outcome import FULL, QUICK, Outcome, Size
from searchdemo.bench.hold.pages import Pages
from searchdemo.bench.tables import Table as Drawn
from searchdemo.bench.tables import columns, rows_of
from searchdemo.bench.workload import Bench
from searchdemo.collection.progress import clock
from searchdemo.measure.cards import Figures, RunCard, source_of
from searchdemo.table import Table

log = logging.getLogger(__name__)


class Part(NamedTuple):
    """One thing that has to hold."""

    run: Callable[[Bench, Pages, Size], Outcome]
    full_s: int  # about, on two idle cores
    quick_s: int


PARTS: Table[Part] = Table(
    "part of hold",
    {
        "load": Part(crowd.run, 260, 31),
        "memory": Part(memory.run, 300, 10),
        "arguments": Part(arguments.run, 60, 6),
        "mutations": Part(mutations.run, 180, 8),
        "flips": Part(flips.run, 60, 4),
        "kills": Part(kills.run, 300, 30),
    }.items(),
)


def run(bench: Bench) -> Figures:
    """Raises NotBuilt, UnknownName."""
    collection, size, found = bench.collection(), QUICK if bench.quick else FULL, Outcome()
    chosen = {name: PARTS.find(name) for name in bench.options.get("parts") or PARTS}
    named = {name: part for name, part in PARTS.items() if name in chosen}
    with Pages(bench) as pages:
        for number, (name, part) in enumerate(named.items(), 1):
            about = clock(part.quick_s if bench.quick else part.full_s)
            bench.tell(f"part {number} of {len(named)}: {name}, about {about} on two idle cores")
            try:
                found.add(part.run(bench, pages, size))
            except Exception as error:  # whatever it is, what the other parts found is told
                log.exception("the part %s of hold ended before its time", name)
                found.none_of(f"{name} to its end", [f"{type(error).__name__}: {error}"], "failures")
        if (traces := pages.traces()) is not None:
            found.require("stack traces in the log of the page", traces, 0, "traces")
            found.require("pages that ended by themselves", pages.ended(), 0, "pages")
    facts = {"vectors": len(collection), "dim": collection.vectors.dim, "stand_in": collection.stand_in}
    settings: dict = {"visitors": load.MIX, "pauses_s": load.PAUSES, "alone_pause_s": load.ALONE_PAUSE}
    if len(named) < len(PARTS):
        settings["asked"] = f"part {', '.join(named)}"
    return Figures(facts, {"visitors": found.rows}, settings, found.requirements, found.notes)


def tables(cards: Sequence[RunCard]) -> list[Drawn]:
    heads = columns("encoder visitors kind asked p50_ms p95_ms p99_ms cpu_ms?")
    if not any(card.parts["visitors"] for card in cards):  # other parts ran
        return []
    return [Drawn("hold-visitors", "Visitors alone and together", heads, rows_of(cards, "visitors"), source_of(cards))]


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    """None: requirements are shown as a table."""
    return {}
