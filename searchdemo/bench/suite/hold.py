"""Whether it holds: many visitors of the page at once, what it keeps of each call, wrong arguments; flipped bits of
files that ship, mutated pictures and texts, and processes that are killed.

The page runs in a process of its own, visitors in others, all on this machine. Visitors wait for each answer and pause
as people do. Alone and together are measured in one run of the page.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import numpy as np

from searchdemo.bench import plots
from searchdemo.bench.child import RunningApp, watched_app
from searchdemo.bench.hold import arguments, flips, kills, load, memory, mutations
from searchdemo.bench.hold.client import Refused
from searchdemo.bench.tables import Table, columns, rows_of
from searchdemo.bench.workload import Bench
from searchdemo.errors import SearchDemoError
from searchdemo.measure.cards import Figures, Requirement, RunCard, source_of

TEXT_RATIO, PICTURE_RATIO = 4.0, 6.0  # of the p95 of many visitors to the p50 of one alone
MEMORY_MB = 150.0
READY_S = 120.0


class Size:
    """How much is asked of the page."""

    def __init__(self, quick: bool):
        self.alone_s, self.together_s = (5.0, 20.0) if quick else (15.0, 180.0)
        self.few, self.many = (300, 1_500) if quick else (1_000, 20_000)
        self.wrong = 500 if quick else 3_000
        self.scale = 0.1 if quick else 1.0  # of flips, mutations and kills


def run(bench: Bench) -> Figures:
    """Raises NotBuilt, SearchDemoError where the page does not start."""
    collection, size = bench.collection(), Size(bench.quick)
    rows, requirements, notes = [], [], []
    with served(bench) as page:
        ready(page.port, subject(bench))
        for stage, step in STEPS.items():
            bench.tell(stage)
            measured, held, said = step(bench, page, size)
            rows += measured
            requirements += held
            notes += said
        requirements.append(Requirement("stack traces in the log of the page", page.traces(), 0, unit="traces"))
    facts = {"vectors": len(collection), "dim": collection.vectors.dim}
    settings = {"visitors": load.MIX, "pauses_s": load.PAUSES, "alone_pause_s": load.ALONE_PAUSE}
    return Figures(facts | {"stand_in": collection.stand_in}, {"visitors": rows}, settings, requirements, notes)


Outcome = tuple[list[dict], list[Requirement], list[str]]  # rows of the table, requirements, notes


def served(bench: Bench) -> AbstractContextManager[RunningApp]:
    return watched_app(bench.library.data_dir, bench.library.store.own)


def subject(bench: Bench) -> tuple[str, str]:
    return bench.key.gallery, bench.key.encoder


def ready(port: int, asked: tuple[str, str]) -> None:
    """Waits until each kind has been answered once, so that nothing is loaded while a clock runs."""
    ends = time.monotonic() + READY_S
    for kind in load.MIX:
        asker = load.Asker(kind, port, 0, asked)
        while True:
            try:
                asker.ask()
                break
            except (Refused, OSError) as error:
                if time.monotonic() > ends:
                    raise SearchDemoError(f"The page does not answer {kind}: {error}") from error
                time.sleep(0.5)


def many_visitors(bench: Bench, page: RunningApp, size: Size) -> Outcome:
    """Each kind with a requirement alone, then all of them together."""
    rows, p50 = [], {}
    for kind in load.ALONE:
        found = load.visited(page.port, {kind: 1}, size.alone_s, bench.seed, subject(bench), load.ALONE_PAUSE)
        rows.append(row("alone", kind, found["ms"][kind]))
        p50[kind] = rows[-1]["p50_ms"]
    together = load.visited(page.port, load.MIX, size.together_s, bench.seed, subject(bench))
    rows += [row("together", kind, together["ms"].get(kind, [])) for kind in load.MIX]
    p95 = {one["kind"]: one["p95_ms"] for one in rows if one["visitors"] == "together"}
    count, errors = sum(load.MIX.values()), together["errors"]
    name = f"p95 of {count} mixed visitors for {size.together_s:g} s against p50 alone: "
    held = [
        Requirement(f"errors of {count} mixed visitors in {size.together_s:g} s", len(errors), 0, unit="errors"),
        Requirement(name + "texts", p95[load.TEXT] / p50[load.TEXT], TEXT_RATIO),
        Requirement(name + "pictures", p95[load.PICTURE] / p50[load.PICTURE], PICTURE_RATIO),
    ]
    return rows, held, [f"Of {len(errors)} errors: {error}" for error in errors[:3]]


def row(visitors: str, kind: str, times: Sequence[float]) -> dict:
    p50, p95, p99 = np.percentile(times, [50, 95, 99]).tolist() if len(times) else (float("nan"),) * 3
    return {"visitors": visitors, "kind": kind, "asked": len(times), "p50_ms": p50, "p95_ms": p95, "p99_ms": p99}


def memory_kept(bench: Bench, page: RunningApp, size: Size) -> Outcome:
    asked = subject(bench)

    def tell(so_far: int) -> None:
        bench.tell("memory", so_far, size.many)

    errors = memory.called(page.port, size.few, bench.seed, asked, tell)
    few = page.resident_bytes()
    errors += memory.called(page.port, size.many - size.few, bench.seed + size.many, asked, tell)
    many = page.resident_bytes()
    held = [Requirement(f"errors of {size.many:,} calls without a pause", len(errors), 0, unit="errors")]
    notes = [f"Of {len(errors)} errors: {error}" for error in errors[:3]]
    if few is None or many is None:
        return [], held, [*notes, "Memory is measured on Linux alone."]
    name = f"memory of the page after {size.many:,} calls above that after {size.few:,}"
    return [], [*held, Requirement(name, (many - few) / 1e6, MEMORY_MB, unit="MB")], notes


def wrong_arguments(bench: Bench, page: RunningApp, size: Size) -> Outcome:
    """Every endpoint, public and private; then the page still has to answer."""
    found = arguments.attack(page.port, size.wrong, bench.seed)
    load.Asker(load.TEXT, page.port, bench.seed, subject(bench)).ask()
    bad = found.unforeseen + found.silent
    name = f"of {found.asked:,} wrong requests, those without a sentence"
    return [], [Requirement(name, len(bad), 0, unit="requests")], [f"No sentence: {one}" for one in bad[:3]]


def without_page(run: Callable[[float, int], list[Requirement]]) -> Callable[[Bench, RunningApp, Size], Outcome]:
    return lambda bench, page, size: ([], run(size.scale, bench.seed), [])


STEPS: dict[str, Callable[[Bench, RunningApp, Size], Outcome]] = {
    "many visitors": many_visitors,
    "memory": memory_kept,
    "wrong arguments": wrong_arguments,
    "flipped bits": without_page(flips.run),
    "mutated pictures and texts": without_page(mutations.run),
    "kills": without_page(kills.run),
}


def tables(cards: Sequence[RunCard]) -> list[Table]:
    heads = columns("encoder visitors kind asked p50_ms p95_ms p99_ms")
    return [Table("hold-visitors", "Visitors alone and together", heads, rows_of(cards, "visitors"), source_of(cards))]


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    """None: requirements are shown as a table."""
    return {}
