"""What a part of `bench hold` is asked for, and what it found."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from searchdemo.bench.workload import Bench
from searchdemo.measure.cards import Requirement

NAMED = 3  # of many errors


@dataclass(frozen=True)
class Size:
    """How much is asked for."""

    alone_s: float  # of each kind of visitor, once before the others come and once after they left
    together_s: float
    few: int  # calls after which memory is looked at for the first time
    many: int  # calls in all
    wrong: int  # requests with wrong arguments
    mutated: int  # pictures and texts
    flips: int  # of each file that ships
    killed_builds: int
    killed_uses: int  # processes that use an index for the first time
    killed_pages: int  # pages of which a visitor is the first to use an index


FULL = Size(15.0, 180.0, 1_000, 20_000, 3_000, 10_000, 100, 100, 20, 20)
QUICK = Size(2.0, 15.0, 100, 400, 300, 300, 4, 5, 2, 1)


@dataclass
class Outcome:
    """Of one part, or of all together."""

    requirements: list[Requirement] = field(default_factory=list)
    rows: list[dict] = field(default_factory=list)  # of the table of visitors
    notes: list[str] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        self.requirements += other.requirements
        self.rows += other.rows
        self.notes += other.notes

    def require(self, name: str, measured: float, bound: float, unit: str = "ratio") -> None:
        self.requirements.append(Requirement(name, measured, bound, unit=unit))

    def none_of(self, what: str, faults: Sequence[str], unit: str) -> None:
        """Requires that there are none; of those that there are, the first kinds are told."""
        self.require(what, len(faults), 0, unit)
        kinds = list(dict.fromkeys(faults))
        self.notes += [f"{what}: {fault}" for fault in kinds[:NAMED]]
        if len(kinds) > NAMED:
            self.notes.append(f"{what}: {len(kinds) - NAMED:,} other kinds")


def counter(bench: Bench, stage: str, total: int, before: int = 0) -> Callable[[int], None]:
    """Tells of progress: gets how many are done of those after `before`."""
    started = time.perf_counter()

    def tell(done: int) -> None:
        bench.tell(stage, before + done, total, done / max(time.perf_counter() - started, 1e-9))

    return tell
