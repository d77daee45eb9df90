"""Classification by words: the bare class name against sentences about it, and which pairs a threshold accepts.

A query is of the class whose text lies nearest. As a decision on each pair (query, class), "is it one?", the angular
distance arccos(cos) between picture and text is held against a threshold: ROC curve, its area, and F1. "Zero-shot" only
for encoders that never saw the labels.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from searchdemo.bench.plots import SERIES, legend, panels
from searchdemo.bench.tables import Column, Table, fixed, megabytes, number
from searchdemo.bench.workload import Bench, Workload
from searchdemo.collection.build import Progress
from searchdemo.collection.classify import training_note
from searchdemo.collection.knn import evaluate
from searchdemo.encoders.base import Encoder
from searchdemo.encoders.table import ENCODERS, weights_path
from searchdemo.encoders.templates import class_rows
from searchdemo.errors import BadQuery
from searchdemo.measure.cards import Figures, RunCard

NAME_ALONE = "{}"
CURVE_POINTS = 200  # at most, on a card
FAILING = 10
KNN_K = 20


def run(bench: Bench) -> Figures:
    """Raises BadQuery for an encoder without text, NoWeights, BadArtifact when the vectors are of other weights."""
    spec = ENCODERS.find(bench.encoder)
    if not spec.text:
        raise BadQuery(
            f"{bench.encoder!r} reads no words, so no class can be asked for by name; "
            "choose an encoder with a text tower, such as 'bundled'."
        )
    work = bench.workload(quick_queries=10_000)  # two or three a class would say nothing of a class
    encoder = bench.engine.encoder(bench.encoder)
    if not work.subject.get("synthetic"):
        bench.engine.prepared(bench.gallery, bench.encoder).artifact.check_weights(encoder.weights_sha256)
    file = bench.engine.weights.get(bench.encoder) or weights_path(bench.encoder)
    facts = {
        "dim": encoder.dim,
        "parameters": spec.parameters,
        "model_bytes": file.stat().st_size if file else None,
        "precision": f"{encoder.precision} on {encoder.device}",
        "stand_in": encoder.stand_in,
    }
    encoder.encode_texts([work.class_names[0]])  # a first call sets things up
    sets, curves = [], []
    for templates in ((NAME_ALONE,), spec.prompts):
        words = name_of(templates)
        bench.report(Progress(f"class names by {words}", len(sets), 2, 0))
        rows, seconds = timed_rows(encoder, work.class_names, templates)
        texts = len(work.class_names) * len(templates)
        cosines = work.queries @ rows.T
        guesses = ranked(cosines)
        right = guesses == work.truth[:, None]
        found, curve = pair_figures(*pairs(cosines, work.truth))
        sets.append(
            {"set": words, "templates": list(templates)}
            | {"top1": 100 * float(right[:, 0].mean()), "top5": 100 * float(right.any(axis=1).mean())}
            | found
            | {"texts": texts, "texts_s": seconds, "text_ms": 1000 * seconds / texts}
            | facts
        )
        curves += [{"set": words} | point for point in curve]
    bench.report(Progress("the classes that words fail on", 1, 1, 0))
    return Figures(
        work.subject,
        {"sets": sets, "curve": curves, "failing": failing(work, guesses[:, 0])},
        {"trained_on_gallery": spec.trained_on == bench.gallery, "failing_by": words, "knn_k": KNN_K},
        notes=[note] if (note := training_note(bench.gallery, bench.encoder)) else [],
    )


def timed_rows(encoder: Encoder, names: Sequence[str], templates: Sequence[str]) -> tuple[np.ndarray, float]:
    """class_rows, and the seconds it takes: the median of 5 where they are over within a second, else of fewer."""
    times = []
    while not times or (len(times) < 5 and sum(times) < 1):
        started = time.perf_counter()
        rows = class_rows(encoder, names, templates)
        times.append(time.perf_counter() - started)
    return rows, float(np.median(times))


def name_of(templates: Sequence[str]) -> str:
    """("{}",) -> "[label]"; several are counted."""
    return f"{len(templates)} prompts" if len(templates) > 1 else templates[0].replace("{}", "[label]")


def ranked(cosines: np.ndarray) -> np.ndarray:
    """(q, classes) cosines -> the 5 nearest classes, best first: (q, min(5, classes)). Of equal ones the first."""
    return np.argsort(-cosines, axis=1, kind="stable")[:, :5]


# Pairs of a query and a class: positive when the query is of the class


def pairs(cosines: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(q, classes) cosines -> angular distances in degrees of the positive pairs (q,) and of the others."""
    degrees = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    positive = np.zeros(degrees.shape, dtype=bool)
    positive[np.arange(len(truth)), truth] = True
    return np.sort(degrees[positive]), np.sort(degrees[~positive])


def pair_figures(positive: np.ndarray, negative: np.ndarray) -> tuple[dict, list[dict]]:
    """AUC and the best F1 of all thresholds, and the curve at no more than CURVE_POINTS of them.

    Both ascending: degrees of positive and of negative pairs.
    """
    # F1 is best at the distance of a positive pair: any threshold above it, up to the next one, only adds false ones.
    all_f1 = at_thresholds(positive, negative, positive)["f1"]
    best = int(np.argmax(all_f1))
    shares = np.linspace(0, 1, CURVE_POINTS // 2 - 1)
    quantiles = [np.quantile(side, shares, method="nearest") for side in (positive, negative)]
    thresholds = np.unique(np.concatenate([*quantiles, positive[best : best + 1]]))
    found = at_thresholds(positive, negative, thresholds)
    curve = [dict(zip(found, map(float, values), strict=True)) for values in zip(*found.values(), strict=True)]
    return {"auc": auc(positive, negative), "f1": float(all_f1[best]), "f1_degrees": float(positive[best])}, curve


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive pair is nearer than a negative one, ties count half.

    Exact (the statistic of Mann and Whitney); negative ascending.
    """
    nearer = len(negative) - np.searchsorted(negative, positive, side="right")
    tied = len(negative) - np.searchsorted(negative, positive, side="left") - nearer
    return float((nearer + tied / 2).mean() / len(negative))


def at_thresholds(positive: np.ndarray, negative: np.ndarray, thresholds: np.ndarray) -> dict[str, np.ndarray]:
    """Accepting each pair at most this many degrees apart; positive and negative ascending."""
    true = np.searchsorted(positive, thresholds, side="right")
    false = np.searchsorted(negative, thresholds, side="right")
    return {
        "degrees": thresholds,
        "true_positive_rate": true / len(positive),
        "false_positive_rate": false / len(negative),
        "precision": true / np.maximum(true + false, 1),
        "f1": 2 * true / (true + false + len(positive)),
    }


def failing(work: Workload, guesses: np.ndarray) -> list[dict]:
    """The FAILING classes with the lowest recall by words (q,), worst first, and how neighbours do on them."""
    classes = len(work.label_names)
    k = min(KNN_K, len(work.vectors))
    neighbors = work.exact(k)
    cosines = np.einsum("qd,qkd->qk", work.queries, work.vectors[neighbors])
    by_neighbors = evaluate(cosines, work.labels[neighbors], work.truth, classes, (k,))[0].per_class
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (work.truth, guesses), 1)
    counts = confusion.sum(axis=1)
    recall = np.where(counts > 0, np.diag(confusion) / np.maximum(counts, 1), np.inf)
    others = confusion - np.diag(np.diag(confusion))
    rows = []
    for label in np.argsort(recall, kind="stable")[: min(FAILING, int((counts > 0).sum()))]:
        taken_for = int(others[label].argmax())
        wrong = int(others[label, taken_for])
        rows.append(
            {
                "label": work.label_names[label],
                "class_name": work.class_names[label],
                "queries": int(counts[label]),
                "top1": 100 * float(recall[label]),
                "taken_for": work.class_names[taken_for] if wrong else None,
                "taken_for_percent": 100 * wrong / int(counts[label]),
                "knn_top1": float(by_neighbors[label]),
            }
        )
    return rows


def tables(cards: Sequence[RunCard]) -> list[Table]:
    rows = [{"encoder": card.encoder} | row | {"mark": _mark(card)} for card in cards for row in card.parts["sets"]]
    summary = Table(
        "classnames-accuracy",
        "Classes by words: accuracy in %, AUC over pairs of query and class, best F1 and its angle",
        (
            Column("encoder", "encoder"),
            Column("set", "words"),
            Column("top1", "top-1", fixed(2)),
            Column("top5", "top-5", fixed(2)),
            Column("auc", "AUC", fixed(4)),
            Column("f1", "best F1", fixed(3)),
            Column("f1_degrees", "at, degrees", fixed(1)),
            Column("texts", "texts", fixed(0)),
            Column("texts_s", "their inference s", number()),
            Column("text_ms", "ms a text", number()),
            Column("model_bytes", "model MB", megabytes),
            Column("dim", "dim", fixed(0)),
            Column("mark", ""),
        ),
        rows,
        cards[0].source,
    )
    return [summary, *map(_failing_table, cards)]


def _mark(card: RunCard) -> str:
    marks = ["trained on these labels, not zero-shot"] * card.settings["trained_on_gallery"]
    return ", ".join([*marks, *["stand-in weights"] * card.parts["sets"][0]["stand_in"]])


def _failing_table(card: RunCard) -> Table:
    return Table(
        f"classnames-failing-{card.encoder}",
        f"The classes that words fail on: {card.encoder}, {card.settings['failing_by']}, top-1 in %",
        (
            Column("class_name", "class"),
            Column("top1", "by words", fixed(0)),
            Column("taken_for", "most often taken for", lambda name: name or "–"),
            Column("taken_for_percent", "% of its queries", fixed(0)),
            Column("knn_top1", f"by {card.settings['knn_k']} neighbours", fixed(0)),
            Column("queries", "queries", fixed(0)),
        ),
        card.parts["failing"],
        card.source,
    )


def charts(cards: Sequence[RunCard]) -> dict:
    """ROC curves, and F1 against the threshold with its best value: a line a set of words."""
    return {
        "classnames-roc": _curves(
            cards,
            "ROC over pairs of picture and class name",
            ("false_positive_rate", "true_positive_rate"),
            "AUC {auc:.4f}",
        ),
        "classnames-f1": _curves(
            cards, "F1 against the angular distance", ("degrees", "f1"), "best {f1:.3f} at {f1_degrees:.1f}°"
        ),
    }


def _curves(cards: Sequence[RunCard], title: str, keys: tuple[str, str], said: str):
    figure, axes = panels(len(cards), title, cards[0].source)
    x, y = keys
    for card, ax in zip(cards, axes, strict=True):
        for found, colour in zip(card.parts["sets"], SERIES, strict=False):
            points = [row for row in card.parts["curve"] if row["set"] == found["set"]]
            label = f"{found['set']}: {said.format(**found)}"
            ax.plot([p[x] for p in points], [p[y] for p in points], linewidth=1.4, color=colour, label=label)
            if y == "f1":
                ax.plot(found["f1_degrees"], found["f1"], marker="o", markersize=5, color=colour)
        ax.set_xlabel({"degrees": "threshold, degrees"}.get(x, x.replace("_", " ")))
        ax.set_ylabel({"f1": "F1"}.get(y, y.replace("_", " ")))
        ax.set_title(card.encoder, fontsize=9)
        legend(ax)
    return figure
