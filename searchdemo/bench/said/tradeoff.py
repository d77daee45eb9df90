"""Sentences about `tradeoff`: what recall costs, and whether lost recall costs accuracy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from searchdemo.bench.points import Difference, paired_difference
from searchdemo.bench.said.words import (
    NotMeasured,
    count,
    listed,
    measured,
    one,
    paragraph,
    part,
    real,
    span,
    three,
    times,
)
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.cards import RunCard
from searchdemo.measure.pareto import front

PROBES = (1, 2, 4, 8, 16)
RECALLS = (0.8, 0.95)
CHANCE = 0.025  # of equal searches, those that a 95 % interval calls worse
ALIKE = 1.05  # times as long, of which `times` would tell 1.0, or less on a noisy machine


def said(cards: Sequence[RunCard]) -> str:
    paragraphs = ((cells, above, unpaired), (fastest, words, quantised, refined), (results, thousand, shards, metrics))
    return "\n\n".join(filter(None, (paragraph(real(cards), *each) for each in paragraphs)))


def own(card: RunCard, name: str) -> str:
    """The factory string of an entry of the INDEXES table, for the vectors of this card."""
    return INDEXES[name].recipe(card.subject["vectors"], card.subject["dim"])


def difference(row: dict) -> Difference:
    if "knn_lost" not in row:
        raise NotMeasured("pairs")
    return paired_difference(row["knn_lost"], row["knn_gained"], row["knn_queries"])


def cells(card: RunCard) -> str:
    """The accuracy that an inverted file loses with few cells visited."""
    rows = [row for row in part(card, "points") if row["factory"] == own(card, "ivf")]
    some = []
    for probes in PROBES:
        row = one(rows, params={"nprobe": probes})
        found = difference(row)
        some.append(
            f"{found.points:+.2f} points with nprobe {probes} (recall@10 {row['recall_10']:.2f}; 95 % interval "
            f"{found.interval})"
        )
    asked = rows[0]["knn_queries"]
    return (
        f"Lost recall is held against accuracy in pairs: the same {asked:,} queries, by the index and by exact search. "
        f"`{own(card, 'ivf')}` differs by {listed(some)}."
    )


def above(card: RunCard) -> str:
    sentences = []
    for recall in RECALLS:
        found = [difference(row) for row in part(card, "points") if row["recall_10"] >= recall]
        if not found:
            raise NotMeasured(recall)
        worse = [each for each in found if each.significant and each.points < 0]
        said = f"Of {count(len(found), 'setting')} with a recall@10 of {recall:g} or more, {len(worse):,} "
        said += f"{'is' if len(worse) == 1 else 'are'} less accurate than exact search by more than chance"
        if worse:
            said += f", by up to {-min(each.points for each in worse):.2f} points"
        sentences.append(f"{said} (of equal ones {CHANCE * len(found):.0f} would look so).")
    return " ".join(sentences)


def unpaired(card: RunCard) -> str:
    """Of older cards."""
    exact = one(part(card, "points"), family="exact")
    if "knn_lost" in exact:
        raise NotMeasured("nothing is missing")
    share, queries = exact["knn_top1"] / 100, card.subject["queries"]
    margin = 100 * 1.96 * math.sqrt(2 * share * (1 - share) / queries)
    return (
        f"These accuracies were not measured in pairs: on {queries:,} queries a difference below {margin:.1f} "
        f"points says "
        "nothing, so whether a recall of 0.8 costs accuracy cannot be told from this card."
    )


def words(card: RunCard) -> str:
    """Class names as queries beside pictures."""
    rows = [row for row in part(card, "points") if row["factory"] == own(card, "ivf")]
    said = []
    for probes in (1, 4, 16):
        row = one(rows, params={"nprobe": probes})
        (recall,) = measured(row, "words_recall_10")
        said.append(f"{recall:.2f} against {row['recall_10']:.2f} with nprobe {probes}")
    return f"Class names as queries find another share of their ten neighbours than pictures do: {listed(said)}."


def fastest(card: RunCard) -> str:
    best = front(part(card, "points"))
    kinds = Counter(row["index"] for row in best).most_common()
    names = listed([f"{number} by `{name}`" for name, number in kinds])
    said = f"Of {count(len(best), 'setting')} on the front of time and recall, {names}."
    graphs = [row["recall_10"] for row in best if row["family"] == "graph"]
    if graphs:
        said += f" HNSW stands on it at a recall@10 of {span(graphs, '{:.3f}'.format)}."
    return said


def quantised(card: RunCard) -> str:
    exact, pq = (one(part(card, "points"), factory=own(card, name)) for name in ("flat", "pq"))
    return (
        f"Quantised codes without a second scoring buy memory: `{pq['factory']}` has "
        f"{three(pq['size_bytes'] / 1e6)} MB in "
        f"place of {three(exact['size_bytes'] / 1e6)}, takes {100 * pq['p50_ms'] / exact['p50_ms']:.0f} % of an exact "
        f"search's time and finds {10 * pq['recall_10']:.1f} of ten."
    )


def refined(card: RunCard) -> str:
    """k_factor counts candidates per result."""
    rows = [row for row in part(card, "points") if "k_factor" in row["params"]]
    below = [row for row in rows if row["recall_1"] < row["recall_10"]]
    if not below:
        raise NotMeasured("refined")
    return (
        f"In {len(below):,} of {len(rows):,} settings with a second scoring recall@1 lies below recall@10. That is "
        f"no error: "
        "k_factor counts candidates *per result*, so with k_factor 3 a search for one result scores 3 candidates "
        "again, and a "
        "search for ten scores 30. Ask for ten where the first must be right."
    )


def results(card: RunCard) -> str:
    rows, said = part(card, "k"), []
    for name, words in (("flat", "an exact search"), ("ivf", "an inverted file")):
        few, many = (one(rows, index=name, k=k)["p50_ms"] for k in (10, 1000))
        said.append(f"{words} no longer" if many < ALIKE * few else f"{words} {times(many / few)} as long")
    graph = one(rows, index="hnsw", k=1000)
    return (
        f"Asking for 1,000 results in place of 10 takes {listed(said)}. HNSW keeps no more candidates than its "
        f"ef_search: with {graph['params']['ef_search']} it finds {graph['recall']:.2f} of the 1,000, so ef_search "
        f"must be at "
        "least the number of results."
    )


def thousand(card: RunCard) -> str:
    """Published comparisons ask for 1,000 results."""
    from searchdemo.bench.suite.tradeoff import GROWING

    rows, said = part(card, "k"), []
    for name in ("flat", *GROWING):
        row = one(rows, index=name, k=1000)
        said.append(f"{three(row['p50_ms'])} ms by `{name}` (recall {row['recall']:.3f})")
    return f"1,000 results take {listed(said)}."


def shards(card: RunCard) -> str:
    rows, said = part(card, "shards"), []
    for name in dict.fromkeys(row["index"] for row in rows if row["index"] != "flat"):
        whole, four = (one(rows, index=name, shards=number, threads=1, threaded=False)["p50_ms"] for number in (1, 4))
        said.append(f"{times(four / whole)} as long in `{name}`")
    return f"In four shards on one machine a query takes {listed(said)}, on one thread: each pays the fixed part again."


def metrics(card: RunCard) -> str:
    same = [one(part(card, "metric"), index=name, metric="l2")["same_order"] for name in ("flat", "ivf", "hnsw")]
    exact, cells_, graph = (f"{100 * share:.1f} %" for share in same)
    return (
        f"By L2 in place of the inner product the same ten come in the same order for {exact} of the queries by "
        f"exact search, "
        f"{cells_} by `ivf` and {graph} by `hnsw`: the distances order alike, but k-means and graphs come out "
        f"otherwise."
    )
