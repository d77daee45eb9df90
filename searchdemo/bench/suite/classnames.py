"""Classification by words: the bare class name against sentences about it, and which pairs a threshold accepts.

A query gets the class whose text lies nearest. Each pair (query, class) is also a decision: a threshold on the angular
distance arccos(cos) between picture and text accepts it or not, which gives a ROC curve, its area, and F1. This is
zero-shot only for encoders that never saw the labels.

An encoder without words that was trained on ImageNet's classes has a vector for each of them in its own head. Then the
query gets the class with the largest logit among those of the gallery, and the angle is that to the class's vector.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from searchdemo.bench import plots
from searchdemo.bench.tables import Column, Table, columns, encoder_of, fixed, rows_of, table_of
from searchdemo.bench.workload import Bench, Workload
from searchdemo.collection.classify import training_note
from searchdemo.collection.knn import evaluate, rightly
from searchdemo.encoders.base import Encoder, EncoderSpec
from searchdemo.encoders.own_head import head_rows
from searchdemo.encoders.table import weights_path
from searchdemo.encoders.templates import NAME_ALONE, class_rows, readable, unread_note
from searchdemo.errors import BadQuery
from searchdemo.measure.cards import Figures, RunCard, source_of
from searchdemo.pictures import open_picture

OWN_HEAD = "none: its own head"
CURVE_POINTS = 200  # maximum on a card
FAILING = 10  # classes in the table
KNN_K = 20
TIMED = 64  # pictures that stand for all where no gallery was built


@dataclass(frozen=True)
class ClassSet:
    """A vector for each class, and how it was made."""

    name: str
    rows: np.ndarray  # (classes, dim) float32; of words unit, of a head of any length
    templates: tuple[str, ...] = ()
    texts: int | None = None  # None: it is of no words
    seconds: float | None = None  # of reading the texts


def run(bench: Bench) -> Figures:
    """Raises BadQuery for an encoder without words and without a head for the gallery's classes, NoWeights,
    BadArtifact when the vectors are of other weights."""
    spec = bench.encoder_spec
    if not (spec.text or spec.head):
        raise BadQuery(
            f"{bench.key.encoder!r} reads no words, so no class can be asked for by name; "
            "choose an encoder with a text tower, such as 'bundled'."
        )
    work = bench.workload(
        quick_queries=10_000
    ).of_labelled()  # two or three queries per class would say nothing about a class
    encoder = bench.encoder()
    if not work.subject.get("synthetic"):
        bench.collection().artifact.check_weights(encoder.weights_sha256)
    file = bench.library.weights.get(bench.key.encoder) or weights_path(bench.key.encoder)
    facts = _picture_seconds(bench, work, encoder) | {
        "dim": encoder.dim,
        "parameters": spec.parameters,
        "model_bytes": file.stat().st_size if file else None,
        "precision": str(encoder.how),
        "stand_in": encoder.stand_in,
    }
    classes, unread = read_classes(encoder, work.class_names) if spec.text else (np.arange(len(work.class_names)), [])
    work = work.of_classes(classes)
    names, truth = work.class_names, work.every_label()[1]
    columns_of = np.where(truth >= 0, np.searchsorted(classes, truth), -1)  # of the scores
    sets: list[dict] = []
    curves: list[dict] = []
    for made in class_sets(spec, encoder, file, work, classes, bench.options.get("prompts", ())):
        bench.tell(f"classes by {made.name}", len(sets), 2)
        scores = work.queries @ made.rows.T
        guesses = ranked(scores)
        right = rightly(guesses, columns_of)
        found, curve = pair_figures(*pairs(scores / np.linalg.norm(made.rows, axis=1), columns_of))
        sets.append(
            {"set": made.name, "templates": list(made.templates)}
            | {"top1": 100 * float(right[:, 0].mean()), "top5": 100 * float(right.any(axis=1).mean())}
            | found
            | {"texts": made.texts, "texts_s": made.seconds}
            | {"text_ms": 1000 * made.seconds / made.texts if made.seconds and made.texts else None}
            | facts
        )
        curves += [{"set": made.name} | point for point in curve]
    bench.tell("the classes that words fail on", 1)
    return Figures(
        work.subject,
        {"sets": sets, "curve": curves, "failing": failing(work, classes[guesses])},
        {"trained_on_gallery": bench.trained_on_gallery, "failing_by": made.name, "knn_k": KNN_K}
        | ({"names_left_out": unread} if unread else {}),
        notes=[*filter(None, [training_note(spec, bench.key.gallery), unread_note(spec.name, unread, len(names))])],
    )


def read_classes(encoder: Encoder, names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Numbers (c,) of the classes that are asked for, and the names of the others, which the encoder cannot read.

    Raises BadQuery where it can read none.
    """
    classes = readable(encoder, names)[1]
    unread = [names[number] for number in np.setdiff1d(np.arange(len(names)), classes)]
    if not len(classes):
        raise BadQuery(f"{unread_note(encoder.name, unread, len(names))} Give the classes names that it reads.")
    return classes, unread


def _picture_seconds(bench: Bench, work: Workload, encoder: Encoder) -> dict:
    """{"pictures", "pictures_s", "pictures_timed"}: seconds of embedding the gallery and its queries.

    They are those of its build; where there was none, or it found vectors that were stored already, of TIMED pictures,
    times as many as there are.
    """
    pictures = work.subject["vectors"] + work.subject["queries"]
    if not work.subject.get("synthetic"):
        made = bench.collection().artifact.manifest
        pictures = made.pictures + made.queries
        if made.embedded == pictures:
            return {"pictures": pictures, "pictures_s": made.embed_seconds, "pictures_timed": pictures}
    bench.tell(f"pictures by {bench.key.encoder}")
    images = [open_picture(encoded) for encoded in bench.pictures(TIMED)[0]]
    encoder.encode_images(images[:2])  # a first call sets things up
    started = time.perf_counter()
    encoder.encode_images(images)
    seconds = (time.perf_counter() - started) * pictures / len(images)
    return {"pictures": pictures, "pictures_s": seconds, "pictures_timed": len(images)}


def class_sets(
    spec: EncoderSpec,
    encoder: Encoder,
    file: Path | None,
    work: Workload,
    classes: np.ndarray,
    own: Sequence[str] = (),
) -> Iterator[ClassSet]:
    """The bare name and sentences about it for an encoder that reads words, else its own head.

    file: of the weights. classes: numbers (c,) of those that are asked for. own: templates of the person's, with "{}"
    for the name, a set each. Raises BadQuery, and BadArtifact when the head does not name the classes.
    """
    if not spec.text:
        assert file is not None, "the encoder was loaded from it"
        yield ClassSet(OWN_HEAD, head_rows(spec, file, work.label_names))
        return
    names = [work.class_names[number] for number in classes]
    asked = ((NAME_ALONE,), *((template,) for template in own), spec.prompts)
    for templates in dict.fromkeys(asked):  # an encoder's own may be the bare name
        rows, seconds = timed_rows(encoder, names, templates)
        yield ClassSet(name_of(templates), rows, templates, len(names) * len(templates), seconds)


def timed_rows(encoder: Encoder, names: Sequence[str], templates: Sequence[str]) -> tuple[np.ndarray, float]:
    """class_rows, and the median of the seconds that it takes: of 5 calls, or of fewer when they take over a second."""
    times: list[float] = []
    while not times or (len(times) < 5 and sum(times) < 1):
        started = time.perf_counter()
        rows = class_rows(encoder, names, templates)
        times.append(time.perf_counter() - started)
    return rows, float(np.median(times))


def name_of(templates: Sequence[str]) -> str:
    """("{}",) -> "[label]"; two templates or more -> "7 prompts"."""
    return f"{len(templates)} prompts" if len(templates) > 1 else templates[0].replace("{}", "[label]")


def ranked(cosines: np.ndarray) -> np.ndarray:
    """(q, classes) cosines -> the 5 nearest classes, best first: (q, min(5, classes)). Ties go to the first class."""
    return np.argsort(-cosines, axis=1, kind="stable")[:, :5]


# Pairs of a query and a class: positive when the query is of the class


def pairs(cosines: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(q, classes) cosines -> angular distances in degrees, ascending: of the positive pairs and of the others.

    truth (q,), or (q, L) with -1 for none: a query makes a positive pair with each of its classes."""
    degrees = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    positive, truth = np.zeros(degrees.shape, dtype=bool), truth.reshape(len(truth), -1)
    rows, which = np.nonzero(truth >= 0)
    positive[rows, truth[rows, which]] = True
    return np.sort(degrees[positive]), np.sort(degrees[~positive])


def pair_figures(positive: np.ndarray, negative: np.ndarray) -> tuple[dict, list[dict]]:
    """Both areas and the best F1 of all thresholds, and the curve at no more than CURVE_POINTS thresholds.

    positive, negative: the degrees of these pairs, ascending.
    """
    # F1 is best at the distance of a positive pair: a threshold between it and the next one only adds false pairs.
    all_f1 = at_thresholds(positive, negative, positive)["f1"]
    best = int(np.argmax(all_f1))
    shares = np.linspace(0, 1, CURVE_POINTS // 2 - 1)
    quantiles = [np.quantile(side, shares, method="nearest") for side in (positive, negative)]
    thresholds = np.unique(np.concatenate([*quantiles, positive[best : best + 1]]))
    found = at_thresholds(positive, negative, thresholds)
    curve = [dict(zip(found, map(float, values), strict=True)) for values in zip(*found.values(), strict=True)]
    figures = {
        "auc": auc(positive, negative),
        "pr_auc": average_precision(positive, negative),
        "f1": float(all_f1[best]),
        "f1_degrees": float(positive[best]),
    }
    return figures, curve


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive pair is nearer than a negative one. Ties count half.

    It is exact, by the statistic of Mann and Whitney (1947). negative: ascending.
    """
    nearer = len(negative) - np.searchsorted(negative, positive, side="right")
    tied = len(negative) - np.searchsorted(negative, positive, side="left") - nearer
    return float((nearer + tied / 2).mean() / len(negative))


def average_precision(positive: np.ndarray, negative: np.ndarray) -> float:
    """Area under precision against recall, as steps: the mean of the precisions at the distances of positive pairs.

    Unlike that of ROC it depends on how many pairs are negative: accepting pairs at random gives the share of positive
    ones. positive, negative: ascending.
    """
    return float(at_thresholds(positive, negative, positive)["precision"].mean())


def at_thresholds(positive: np.ndarray, negative: np.ndarray, thresholds: np.ndarray) -> dict[str, np.ndarray]:
    """The figures of accepting every pair up to each threshold in degrees. positive, negative: ascending."""
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
    """Of the classes that words name wrongly now and then, the FAILING with the lowest recall, worst first, and the
    accuracy of neighbours on them.

    guesses: (q, g) the classes whose names lie nearest to each query, best first.
    """
    classes = len(work.label_names)
    k = min(KNN_K, len(work.vectors))
    neighbors = work.exact(k)
    cosines = np.einsum("qd,qkd->qk", work.queries, work.vectors[neighbors])
    labels, truth = work.every_label()
    by_neighbors = evaluate(cosines, labels[neighbors], truth, classes, (k,))[0].per_class
    confusion = np.zeros((classes, classes), dtype=np.int64)
    rows, which = np.nonzero(truth >= 0)  # a query counts for each of its classes, and is right when one is
    right, first = rightly(guesses, truth), guesses[:, 0]
    named = np.where(right[rows, 0], truth[rows, which], first[rows])
    np.add.at(confusion, (truth[rows, which], named), 1)
    counts = confusion.sum(axis=1)
    recall = np.where(counts > 0, np.diag(confusion) / np.maximum(counts, 1), np.inf)
    among = np.bincount(truth[rows, which], right[rows].any(axis=1), minlength=classes)
    others = confusion - np.diag(np.diag(confusion))
    found = []
    for label in np.argsort(recall, kind="stable")[: min(FAILING, int((recall < 1).sum()))]:
        taken_for = int(others[label].argmax())
        wrong = int(others[label, taken_for])
        found.append(
            {
                "label": work.label_names[label],
                "class_name": work.class_names[label],
                "queries": int(counts[label]),
                "top1": 100 * float(recall[label]),
                "top5": 100 * float(among[label]) / int(counts[label]),
                "taken_for": work.class_names[taken_for] if wrong else None,
                "taken_for_percent": 100 * wrong / int(counts[label]),
                "knn_top1": float(by_neighbors[label]),
            }
        )
    return found


def tables(cards: Sequence[RunCard]) -> list[Table]:
    judged = "top1 top5 auc pr_auc f1 f1_degrees f1_radians"
    heads = columns(f"encoder set {judged} texts texts_s text_ms pictures pictures_s model_bytes dim mark")
    title = "Classes by words: accuracy in %; areas, best F1 and its angle over pairs of query and class"
    title += "; one of several labels is right" * any(card.subject.get("several_labels") for card in cards)
    rows = [
        row | {"mark": mark(card, row), "f1_radians": math.radians(row["f1_degrees"])}
        for card in cards
        for row in rows_of([card], "sets")
    ]
    summary = Table("classnames-accuracy", title, heads, rows, source_of(cards))
    return [summary, *(_failing_table(card) for card in cards if card.parts["failing"])]


def mark(card: RunCard, row: dict) -> str:
    """What a reader has to know of a row of the part `sets`."""
    labels = "these labels" * card.settings["trained_on_gallery"] or "ImageNet's labels" * (row["set"] == OWN_HEAD)
    marks = [f"trained on {labels}, not zero-shot" * bool(labels), *card.made_up]
    if row.get("pictures_timed", 0) < row.get("pictures", 0):
        marks.append(f"seconds of pictures from {row['pictures_timed']}")
    return ", ".join(filter(None, marks))


def _failing_table(card: RunCard) -> Table:
    heads = [
        *columns("class_name"),
        Column("top1", "by words", fixed(0)),
        Column("top5", "among five", fixed(0), optional=True),
        *columns("taken_for taken_for_percent"),
        Column("knn_top1", f"by {card.settings['knn_k']} neighbours", fixed(0)),
        *columns("queries"),
    ]
    title = f"The classes that words fail on: {encoder_of(card)}, {card.settings['failing_by']}, top-1 in %"
    return table_of(card, "classnames-failing", title, heads, card.parts["failing"])


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    """ROC, precision against recall, and F1 against the threshold with its best value: one line per set of words."""
    x, y = "false_positive_rate", "true_positive_rate"
    best = "best {f1:.3f} at {f1_degrees:.1f}°"
    return {
        "classnames-roc": _chart(cards, "ROC over pairs of picture and class name", x, y, "AUC {auc:.4f}"),
        "classnames-pr": _chart(
            cards, "Precision against recall, over the same pairs", y, "precision", "area {pr_auc:.3f}"
        ),
        "classnames-f1": _chart(cards, "F1 against the angular distance", "degrees", "f1", best),
    }


def _chart(cards: Sequence[RunCard], title: str, x: str, y: str, figures: str) -> plots.Figure:
    def draw(ax: plots.Axes, card: RunCard) -> None:
        for found, colour in zip(card.parts["sets"], plots.SERIES, strict=False):
            points = [row for row in card.parts["curve"] if row["set"] == found["set"]]
            label = f"{found['set']}: {figures.format(**{'pr_auc': math.nan} | found)}"  # older cards have no pr_auc
            ax.plot([p[x] for p in points], [p[y] for p in points], linewidth=1.4, color=colour, label=label)
            if y == "f1":
                ax.plot(found["f1_degrees"], found["f1"], marker="o", markersize=5, color=colour)
        names = {"degrees": "threshold, degrees", "f1": "F1"}
        if y == "precision":
            names["true_positive_rate"] = "recall"
        ax.set_xlabel(names.get(x, x.replace("_", " ")))
        ax.set_ylabel(names.get(y, y.replace("_", " ")))
        plots.legend(ax)

    return plots.panel_per_card(cards, title, draw)
