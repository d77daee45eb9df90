"""Many visitors at once: how much longer they wait than one alone, who is measured just before and just after."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from searchdemo.bench.hold import load
from searchdemo.bench.hold.outcome import Outcome, Size
from searchdemo.bench.hold.pages import Pages
from searchdemo.bench.workload import Bench

BOUNDS = {load.TEXT: ("texts", 4.0), load.PICTURE: ("pictures", 6.0)}  # of p95 together to p50 alone


def run(bench: Bench, pages: Pages, size: Size) -> Outcome:
    page, found = pages.page(), Outcome()
    count, seconds = sum(load.MIX.values()), size.together_s
    alone: dict[str, list[float]] = {kind: [] for kind in BOUNDS}

    def ask(when: str, mix: dict[str, int], seconds: float, pause: float | None = None) -> dict[str, list[float]]:
        bench.tell(f"load: {when}, {', '.join(mix)} for {seconds:g} s")
        before = page.cpu_seconds()
        answers = load.visited(page.port, mix, seconds, bench.seed, pages.subject, pause)
        spent = page.cpu_seconds() - before
        found.rows += [row(when, kind, answers["ms"].get(kind, [])) for kind in mix]
        found.none_of(f"errors of {when}, {', '.join(mix)}", answers["errors"], "errors")
        if len(mix) == 1:
            found.rows[-1]["cpu_ms"] = 1000 * spent / max(1, found.rows[-1]["asked"])
        else:
            found.notes.append(f"{when}: the page kept {spent / seconds:.2f} cores busy")
        return answers["ms"]

    for when in ("before", "after"):
        for kind in BOUNDS:
            alone[kind] += ask(f"one alone, {when}", {kind: 1}, size.alone_s, load.ALONE_PAUSE)[kind]
        if when == "before":
            together = ask(f"{count} together", load.MIX, seconds)
    for kind, (named, bound) in BOUNDS.items():
        name = f"{named}: p95 of {count} mixed visitors for {seconds:g} s, by the p50 of one alone"
        found.require(name, percentile(together[kind], 95) / percentile(alone[kind], 50), bound)
    return found


def row(visitors: str, kind: str, times: Sequence[float]) -> dict:
    figures = {f"p{one}_ms": percentile(times, one) for one in (50, 95, 99)}
    return {"visitors": visitors, "kind": kind, "asked": len(times)} | figures


def percentile(times: Sequence[float], which: int) -> float:
    """NaN of none."""
    return float(np.percentile(times, which)) if times else float("nan")
