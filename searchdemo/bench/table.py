"""The BENCHMARKS table, and the one way from a benchmark to its run card.

A benchmark is a module in suite/: its docstring's first line is its help, and it has

    run(bench: Bench) -> Figures               measure
    tables(cards: Sequence[RunCard]) -> list[Table]       drawn from cards of this benchmark, one an encoder
    charts(cards: Sequence[RunCard]) -> dict[str, Figure]  the same, name -> matplotlib figure
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from types import ModuleType

from searchdemo.bench.suite import classnames, embed, floors, index, knn, latency, peers, reduce, scale, tradeoff
from searchdemo.bench.workload import Bench
from searchdemo.errors import UnknownName
from searchdemo.measure import cards as run_card
from searchdemo.measure.cards import RunCard

BENCHMARKS: dict[str, ModuleType] = {
    "latency": latency,
    "tradeoff": tradeoff,
    "index": index,
    "knn": knn,
    "classnames": classnames,
    "reduce": reduce,
    "scale": scale,
    "embed": embed,
    "peers": peers,
    "floors": floors,
}


def find(name: str) -> ModuleType:
    """Raises UnknownName."""
    if name not in BENCHMARKS:
        raise UnknownName("benchmark", name, BENCHMARKS)
    return BENCHMARKS[name]


def measure(name: str, bench: Bench) -> RunCard:
    """Run one benchmark. Raises SearchDemoError of every kind."""
    module, started = find(name), time.perf_counter()
    figures = module.run(bench)
    return RunCard(
        benchmark=name,
        gallery=bench.gallery,
        encoder=bench.encoder,
        parts=figures.parts,
        subject=figures.subject,
        settings={"quick": bench.quick, "seed": bench.seed, "threads": list(bench.threads)}
        | run_card.variant_of(bench.engine.key(bench.gallery, bench.encoder), bench.weights)
        | figures.settings,
        floors=figures.floors,
        notes=figures.notes,
        machine=run_card.machine_facts(),
        versions=run_card.versions(),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - started, 1),
    )
