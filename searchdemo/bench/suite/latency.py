"""What a query costs: extraction of its embedding by each runtime, then each index, by threads.

Extraction: see bench/extraction.py. A search is one query per call; the queries per second are of all queries in one
call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from searchdemo.bench import plots
from searchdemo.bench.extraction import race
from searchdemo.bench.points import build_figures, quality, queries_per_second, query_latency, search_of
from searchdemo.bench.tables import Column, Table, columns, fixed, rows_of, table_of, vectors_of
from searchdemo.bench.workload import Asked, Bench
from searchdemo.errors import BadQuery, NoWeights
from searchdemo.indexes.table import INDEXES, find
from searchdemo.measure.cards import Figures, Requirement, RunCard, source_of


def run(bench: Bench) -> Figures:
    """Without weights there is no extraction, and with too few vectors for an index not that one: notes say so.

    Raises NotBuilt, NotHere, and BadQuery for an index that was named."""
    work, asked = bench.workload(), bench.asked
    extraction: list[dict] = []
    requirements: list[Requirement] = []
    searches, notes = [], []
    try:
        extraction, requirements = race(bench)
    except NoWeights as error:
        notes.append(f"extraction: {error}")
    own = [name for name, entry in INDEXES.items() if not entry.package]  # `bench peers` measures the others
    chosen = {name: find(name) for name in bench.indexes or own}
    known = {param.name for entry in chosen.values() for param in entry.params}
    for name in asked.params.keys() - known:
        raise BadQuery(f"None of the indexes {', '.join(chosen)} has the search parameter {name!r}: leave it out.")
    for done, (name, entry) in enumerate(chosen.items()):
        bench.tell(f"{name} on {len(work.vectors):,} vectors", done, len(chosen))
        try:
            index = entry.build(work.vectors, asked.metric)
        except BadQuery as error:  # too few vectors for its training
            if name in bench.indexes:
                raise
            notes.append(f"{name}: {error}")
            continue
        params = {param.name: asked.params[param.name] for param in entry.params if param.name in asked.params}
        search = search_of(index, **params)
        found = quality(search, work, asked.k)
        for threads in bench.threads:
            measured = query_latency(search, work.queries, asked.k, threads, repeats=100 if bench.quick else 500)
            searches.append(
                {"index": name, "family": entry.family, "factory": index.recipe, "threads": threads}
                | asdict(measured)
                | {"qps": queries_per_second(search, work.queries[:500], asked.k, threads)}
                | found
                | build_figures(index)
            )
    settings = {"k": asked.k} | ({"asked": str(asked)} if str(asked) else {})
    return Figures(work.subject, {"extraction": extraction, "search": searches}, settings, requirements, notes)


def tables(cards: Sequence[RunCard]) -> list[Table]:
    title = "Extraction of one embedding, from a picture's bytes to its unit row; ratios are medians over the rounds"
    measured = "one_p50_ms of_today batched_ms per_second one_text_ms start_s resident_bytes"
    heads = columns(f"encoder dim precision threads {measured} mark")
    rows = rows_of(cards, "extraction")
    extraction = [Table("latency-extraction", title, heads, rows, source_of(cards))] * bool(rows)
    return extraction + [_searches(card) for card in cards]


def _searches(card: RunCard) -> Table:
    k = card.settings.get("k", Asked.k)
    heads = [
        *columns("index factory threads p50_ms p95_ms p99_ms qps"),
        Column(f"recall_{k}", f"recall@{k}", fixed(3)),
        Column(f"words_recall_{k}", "of class names", fixed(3), optional=True),
        *columns("size_bytes build_s"),
    ]
    asked = f"; {card.settings['asked']}" if "asked" in card.settings else ""
    title = f"One search among {vectors_of(card)}{asked}"
    return table_of(card, "latency-search", title, heads, card.parts["search"])


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    """Extraction beside search on a log axis, which shows where a query spends its time."""
    return {"latency": plots.panel_per_card(cards, "Where the time of one query goes", _draw)}


def _draw(ax: plots.Axes, card: RunCard) -> None:
    threads = card.settings["threads"][0]
    extraction, searches = (
        [row for row in card.parts[part] if row["threads"] == threads] for part in ("extraction", "search")
    )
    drawn = [("extract", "encode", row["one_p50_ms"]) for row in extraction[:1]]  # by the runtime that was chosen
    drawn += [(row["index"], row["family"], row["p50_ms"]) for row in searches]
    names, families, times = zip(*drawn, strict=True)
    plots.bars(ax, names, times, [plots.COLOURS[family] for family in families])
    ax.set(xscale="log", xlabel=f"ms, p50, {threads} thread{'s' if threads > 1 else ''} (log)")
