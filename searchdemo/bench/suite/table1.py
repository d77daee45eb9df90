"""One table, one row per encoder: dimension, extraction, and a search by brute force, FAISS flat and an inverted file.

It is `latency` for three indexes and one picture, and is drawn from cards of `latency` too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from searchdemo.bench import plots
from searchdemo.bench.suite import latency
from searchdemo.bench.tables import Column, Table, columns, fixed, number
from searchdemo.bench.workload import Bench
from searchdemo.measure.cards import Figures, RunCard, source_of

INDEXES = ("brute", "flat", "ivf")


def run(bench: Bench) -> Figures:
    """Raises NotBuilt, NotHere, BadQuery."""
    return latency.run(replace(bench, indexes=INDEXES))


def tables(cards: Sequence[RunCard]) -> list[Table]:
    heads = [
        *columns("encoder dim"),
        Column("extraction_ms", "extraction, p50 ms", number()),
        *(Column(name, f"{name}, p50 ms", number()) for name in INDEXES),
        Column("recall", "recall@10 of ivf", fixed(3)),
        Column("share", "extraction, % of a query by flat", fixed(0)),
        Column("vectors", "vectors", fixed(0)),
        *columns("mark"),
    ]
    title = "Dimension, extraction of one picture and one search by encoder, one query at a time"
    return [Table("table1", title, heads, [row(card) for card in cards], source_of(cards))] if cards else []


def row(card: RunCard) -> dict:
    """Of the fewest threads on the card. A figure that was not measured is None, and the mark says what is made up."""
    threads = min(card.settings["threads"])
    extraction = next((each for each in card.parts["extraction"] if each["threads"] == threads), {})
    searches = {each["index"]: each for each in card.parts["search"] if each["threads"] == threads}
    if "torch" in searches.get("brute", {}).get("factory", ""):
        del searches["brute"]  # what version 0.1 called so is now `exact-bf16`
    one, flat = extraction.get("one_p50_ms"), searches.get("flat", {}).get("p50_ms")
    ivf, made_up = searches.get("ivf", {}), card.made_up
    marks = [*made_up] + ["recall says nothing"] * bool(card.subject.get("synthetic"))
    marks += [f"{threads} threads"] * (threads > 1) + ["no weights here"] * (not extraction)
    return {
        "encoder": card.encoder,
        "dim": card.subject["dim"],
        "extraction_ms": one,
        **{name: searches.get(name, {}).get("p50_ms") for name in INDEXES},
        "recall": ivf.get("recall_10"),
        "share": 100 * one / (one + flat) if one and flat else None,
        "vectors": card.subject["vectors"],
        "mark": ", ".join(marks),
    }


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    return {}
