"""Metric learning by a triplet loss, before and after: on classes that it was trained on, and on classes it never saw.

Half of the classes train a linear map of the stored embeddings (see bench/metric_head.py), the other half are unseen.
Seen classes are judged by pictures that were held out of the training: the held-out queries, else a fifth of the
pictures. Unseen ones are judged by their own pictures, each left out of its own answer. Every seed draws other classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from searchdemo.bench import plots
from searchdemo.bench.by_class import found_by_class
from searchdemo.bench.metric_head import KEEP, MARGIN, STEPS, MetricHead, fit
from searchdemo.bench.tables import Column, Table, encoder_of, fixed, table_of
from searchdemo.bench.workload import Bench, Workload
from searchdemo.collection.build import balanced_rows
from searchdemo.collection.knn import TEMPERATURE
from searchdemo.errors import BadQuery
from searchdemo.measure.cards import Figures, RunCard

K = 20
SEEDS = 3
MOST = 5_000  # pictures that ask, balanced over classes; a quick run takes fewer pictures in all
HELD_BACK = 5  # where no queries are held out, one picture in so many is kept out of the training
PAIRS = 200_000  # drawn for a histogram
BINS = np.linspace(0, 2, 51)  # of the Euclidean distance of unit rows
VIEWED, EACH = 10, 40  # classes of the flat view, and pictures of each
WHEN, FIGURES = ("before", "after"), ("top1", "top5", "found_1", "found_10", "within", "between", "auc")


@dataclass(frozen=True)
class Asking:
    """Pictures of some classes, and those of them that ask."""

    vectors: np.ndarray
    labels: np.ndarray
    queries: np.ndarray
    truth: np.ndarray
    own: np.ndarray | None  # the position of each query among the vectors; None: it is not among them


def run(bench: Bench) -> Figures:
    """Raises BadQuery for fewer than four classes of two pictures, NotBuilt, NotHere."""
    work = bench.workload(quick_queries=2_000)
    steps = bench.options.get("steps", STEPS)
    rows: list[dict] = []
    histograms: list[dict] = []
    view: list[dict] = []
    for seed in range(bench.seed, bench.seed + SEEDS):
        seen, unseen = halves(work, seed)
        trained = np.flatnonzero(np.isin(work.labels, seen))
        sets = {"seen": held_out(work, seen, seed), "unseen": among(work, unseen, seed)}
        trained = trained[~np.isin(trained, sets["seen"].own)] if sets["seen"].own is not None else trained
        head = fit(
            work.vectors[trained],
            work.labels[trained],
            seed,
            steps,
            tell=partial(bench.tell, f"triplets, seed {seed}"),
        )
        for name, asking in sets.items():
            for when, changed in zip(WHEN, (asking, mapped(asking, head)), strict=True):
                bench.tell(f"{name} classes {when}, seed {seed}")
                found, histogram = judged(changed, len(work.label_names), seed)
                facts = {"set": name, "when": when, "seed": seed}
                classes = len(seen if name == "seen" else unseen)
                rows.append(facts | {"classes": classes, "queries": len(asking.queries)} | found)
                histograms += [facts | each for each in histogram] if seed == bench.seed else []
                if name == "unseen" and seed == bench.seed:
                    view += [{"when": when} | each for each in flat(changed, work)]
    settings = {"k": K, "temperature": TEMPERATURE, "margin": MARGIN, "keep": KEEP, "steps": steps, "seeds": SEEDS}
    trained_on = {"trained_on_gallery": bench.trained_on_gallery}
    notes = ["the encoder itself saw all of these classes with their labels"] * bench.trained_on_gallery
    notes += ["of several labels, the first is the class of a picture"] * (work.all_labels is not None)
    parts = {"metric": rows, "histograms": histograms, "view": view}
    return Figures(work.subject, parts, settings | trained_on, notes=notes)


def halves(work: Workload, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The classes that train, and the others; only classes with two pictures or more. Raises BadQuery."""
    labels, counts = np.unique(work.labels[work.labels >= 0], return_counts=True)
    able = labels[counts > 1]
    if len(able) < 4:
        raise BadQuery(
            f"Metric learning with unseen classes needs four classes of two pictures or more, here {len(able)}: label "
            "more pictures, or take a gallery with classes, such as 'scenes'."
        )
    drawn = np.random.default_rng(seed).permutation(able)
    return np.sort(drawn[: len(able) // 2]), np.sort(drawn[len(able) // 2 :])


def held_out(work: Workload, classes: np.ndarray, seed: int) -> Asking:
    """The held-out queries of these classes against their pictures, else a part of these pictures."""
    asking = np.flatnonzero(np.isin(work.truth, classes))
    if len(asking) and "left_out" not in work.subject:
        mine = np.flatnonzero(np.isin(work.labels, classes))
        return Asking(work.vectors[mine], work.labels[mine], work.queries[asking], work.truth[asking], None)
    inside = np.flatnonzero(np.isin(work.labels, classes))
    some = inside[balanced_rows(work.labels[inside], max(len(classes), len(inside) // HELD_BACK), seed)]
    return Asking(work.vectors, work.labels, work.vectors[some], work.labels[some], some)


def among(work: Workload, classes: np.ndarray, seed: int) -> Asking:
    """The pictures of these classes, each left out of its own answer."""
    mine = np.flatnonzero(np.isin(work.labels, classes))
    some = balanced_rows(work.labels[mine], min(MOST, len(mine)), seed)
    vectors, labels = work.vectors[mine], work.labels[mine]
    return Asking(vectors, labels, vectors[some], labels[some], some)


def mapped(asking: Asking, head: MetricHead) -> Asking:
    return Asking(head(asking.vectors), asking.labels, head(asking.queries), asking.truth, asking.own)


def judged(asking: Asking, classes: int, seed: int) -> tuple[dict, list[dict]]:
    """FIGURES and the histogram.

    Beside those of found_by_class: within, between: the mean distance of a pair of one class, and of two. auc: how
    often the first is the smaller one.
    """
    k = min(K, len(asking.vectors) - 1)
    labels, truth = asking.labels[:, None], asking.truth[:, None]
    figures, _ = found_by_class(asking.vectors, labels, asking.queries, truth, asking.own, classes, k)
    within, between = distances(asking, seed)
    counts = [np.histogram(side, BINS)[0] / max(1, len(side)) for side in (within, between)]
    ranks = np.argsort(np.argsort(np.concatenate([within, between]), kind="stable"))[: len(within)].sum()
    auc = 1 - (ranks - len(within) * (len(within) - 1) / 2) / max(1, len(within) * len(between))
    middles = (BINS[:-1] + BINS[1:]) / 2
    histogram = [
        {"distance": round(float(middle), 3), "within": float(one), "between": float(other)}
        for middle, one, other in zip(middles, *counts, strict=True)
    ]
    return figures | {
        "within": float(within.mean()) if len(within) else float("nan"),
        "between": float(between.mean()) if len(between) else float("nan"),
        "auc": float(auc),
    }, histogram


def distances(asking: Asking, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Euclidean distances of pairs of a query and a vector, drawn at random: of one class, and of two."""
    rng = np.random.default_rng(seed)
    query = rng.integers(0, len(asking.queries), PAIRS)
    order = np.argsort(asking.labels, kind="stable")
    first = np.searchsorted(asking.labels[order], asking.truth, "left")
    size = np.searchsorted(asking.labels[order], asking.truth, "right") - first
    own = query[size[query] > 0]
    mate = order[first[own] + rng.integers(0, size[own])]
    other = rng.integers(0, len(asking.vectors), PAIRS)
    apart = asking.labels[other] != asking.truth[query]
    apart &= asking.labels[other] >= 0
    if asking.own is not None:
        there = mate != asking.own[own]  # not the distance to itself
        own, mate = own[there], mate[there]

    def euclidean(some: np.ndarray, others: np.ndarray) -> np.ndarray:
        cosines = np.einsum("nd,nd->n", asking.queries[some], asking.vectors[others])
        return np.sqrt(np.maximum(0, 2 - 2 * cosines))

    return euclidean(own, mate), euclidean(query[apart], other[apart])


def flat(asking: Asking, work: Workload) -> list[dict]:
    """Some pictures of a few classes in their first two principal components."""
    classes = np.unique(asking.labels)[:VIEWED]
    rows = np.concatenate([np.flatnonzero(asking.labels == label)[:EACH] for label in classes])
    vectors = asking.vectors[rows] - asking.vectors[rows].mean(axis=0)
    axes = np.linalg.svd(vectors, full_matrices=False)[2][:2]
    places = np.round(vectors @ axes.T, 3).tolist()
    names = [work.class_names[label] for label in asking.labels[rows]]
    return [{"x": x, "y": y, "class_name": name} for (x, y), name in zip(places, names, strict=True)]


def summary(card: RunCard) -> list[dict]:
    """Per set, before and after: the mean over the seeds, and <figure>_spread, their sample standard deviation."""
    found = []
    for name in ("unseen", "seen"):
        for when in WHEN:
            rows = [row for row in card.parts["metric"] if (row["set"], row["when"]) == (name, when)]
            means = {key: float(np.mean([row[key] for row in rows])) for key in FIGURES}
            spread = {"top1_spread": float(np.std([row["top1"] for row in rows], ddof=1)) if len(rows) > 1 else None}
            found.append({"set": name, "when": when, "classes": rows[0]["classes"]} | means | spread)
    return found


def tables(cards: Sequence[RunCard]) -> list[Table]:
    heads = [
        Column("set", "classes are"),
        Column("when", "when"),
        Column("classes", "classes", fixed(0)),
        Column("top1", "kNN top-1 %", fixed(2)),
        Column("top1_spread", "±", fixed(2)),
        Column("top5", "top-5 %", fixed(2)),
        Column("found_1", "one of its class first", fixed(3)),
        Column("found_10", "among the first 10", fixed(3)),
        Column("within", "distance within", fixed(3)),
        Column("between", "between", fixed(3)),
        Column("auc", "a pair of one class is nearer", fixed(4)),
    ]
    found = []
    for card in cards:
        known = "; the encoder was trained on all of them" * card.settings["trained_on_gallery"]
        title = f"Metric learning by triplets: {encoder_of(card)}, k = {card.settings['k']}, the mean of "
        title += f"{card.settings['seeds']} draws of classes ± their standard deviation{known}"
        found.append(table_of(card, "metric", title, heads, summary(card)))
    return found


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    """Of the first card: distances within and between unseen classes, before and after; and some of their pictures."""
    card = cards[0]
    figure, axes = plots.panels(2, "Distances of pairs of unseen classes, before and after triplets", card.source)
    for ax, when in zip(axes, WHEN, strict=True):
        rows = [row for row in card.parts["histograms"] if (row["set"], row["when"]) == ("unseen", when)]
        at = [row["distance"] for row in rows]
        for key, colour in zip(("within", "between"), plots.SERIES, strict=False):
            ax.fill_between(at, [row[key] for row in rows], alpha=0.45, color=colour, label=f"{key} classes")
        ax.set_title(when, fontsize=9)
        ax.set(xlabel="Euclidean distance", ylabel="share of pairs")
        plots.legend(ax)
    seen, axes = plots.panels(2, "Some unseen classes in two dimensions (PCA), before and after", card.source)
    for ax, when in zip(axes, WHEN, strict=True):
        points = [row for row in card.parts["view"] if row["when"] == when]
        for name, colour in zip(dict.fromkeys(row["class_name"] for row in points), plots.SERIES * 2, strict=False):
            mine = [row for row in points if row["class_name"] == name]
            ax.scatter([r["x"] for r in mine], [r["y"] for r in mine], s=9, color=colour, label=name, linewidths=0)
        ax.set_title(when, fontsize=9)
    plots.legend(axes[1], loc="upper left", bbox_to_anchor=(1, 1))
    return {"metric": figure, "metric-view": seen}
