"""The BENCHMARKS table, and the one way from a benchmark to its run card."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from searchdemo.bench import plots, tables
from searchdemo.bench.suite import (
    calibration,
    checkpoints,
    classnames,
    embed,
    filters,
    frames,
    hashing,
    hold,
    index,
    knn,
    latency,
    metric,
    milvus,
    peers,
    reduce,
    requirements,
    scale,
    table1,
    table51,
    tiles,
    tradeoff,
    trees,
)
from searchdemo.bench.workload import Bench
from searchdemo.measure.cards import Figures, RunCard, variant_of
from searchdemo.measure.machine import machine_facts, versions
from searchdemo.table import Table

log = logging.getLogger(__name__)


class Benchmark(Protocol):
    """A module in suite/. The first line of its docstring is its help."""

    def run(self, bench: Bench) -> Figures:
        """Measures. Raises SearchDemoError of every kind."""

    def tables(self, cards: Sequence[RunCard]) -> list[tables.Table]:
        """Drawn from cards of this benchmark, one card per encoder."""

    def charts(self, cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
        """Drawn from the same cards: the name of the file -> the figure."""


BENCHMARKS: Table[Benchmark] = Table(
    "benchmark",
    {
        "latency": latency,
        "tradeoff": tradeoff,
        "index": index,
        "knn": knn,
        "classnames": classnames,
        "reduce": reduce,
        "scale": scale,
        "embed": embed,
        "peers": peers,
        "milvus": milvus,
        "hashing": hashing,
        "trees": trees,
        "metric": metric,
        "checkpoints": checkpoints,
        "filter": filters,
        "tiles": tiles,
        "calibration": calibration,
        "map": frames,
        "floors": requirements,
        "hold": hold,
        "table1": table1,
        "table51": table51,
    }.items(),
)


@dataclass(frozen=True)
class OneTable:
    """A benchmark that puts many encoders into one table."""

    also: str  # the benchmark that measures the same and more, whose cards are drawn too; `--all` runs that one
    encoders: tuple[str, ...]  # where none is named; those that cannot run here are skipped, and that is said


ONE_TABLE = {
    "table1": OneTable("latency", ("bundled", "resnet18", "mobilenetv3-large", "clip-vit-b32")),
    "table51": OneTable(
        "classnames", ("bundled", "clip-rn50", "clip-rn50x4", "clip-vit-b32", "clip-vit-b16", "clip-vit-l14")
    ),
}


# What they measure belongs to the machine that serves, and to how busy that is, or to a person's own weights: no card
# of them ships, no document has them.
UNDRAWN = ("hold", "checkpoints")


def measure(name: str, bench: Bench, keep: Callable[[RunCard], object] = lambda card: None) -> RunCard:
    """Runs one benchmark. Raises SearchDemoError of every kind.

    keep: is given what a long run has so far, as a card, whenever a part of it is done.
    """
    benchmark, started = BENCHMARKS.find(name), time.perf_counter()
    log.info("benchmark %s of %s starts", name, bench.key.folder)
    bench.keep = lambda figures: keep(card_of(name, bench, figures, time.perf_counter() - started))
    card = card_of(name, bench, benchmark.run(bench), time.perf_counter() - started)
    log.info("benchmark %s of %s ended after %.1f s, notes: %d", name, bench.key.folder, card.seconds, len(card.notes))
    return card


def card_of(name: str, bench: Bench, figures: Figures, seconds: float) -> RunCard:
    """The figures with what they belong to: settings, machine, versions, the time now."""
    return RunCard(
        benchmark=name,
        gallery=bench.key.gallery,
        encoder=bench.key.encoder,
        parts=figures.parts,
        subject=figures.subject,
        settings={"quick": bench.quick, "seed": bench.seed, "threads": list(bench.threads)}
        | variant_of(bench.key, bench.weights)
        | figures.settings,
        requirements=figures.requirements,
        notes=list(dict.fromkeys([*bench.notes, *figures.notes])),
        machine=machine_facts(),
        versions=versions(),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(seconds, 1),
    )
