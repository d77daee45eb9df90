"""A checkpoint of your own beside published weights, on the same pictures: accuracy, recall, time and size.

Nothing has to be built: both embed a part of the gallery, balanced over its classes, in turns. The held-out queries
ask, else each picture asks and is left out of its own answer. One of several labels is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from searchdemo.bench import plots
from searchdemo.bench.by_class import found_by_class
from searchdemo.bench.points import paired_difference
from searchdemo.bench.tables import Column, Table, columns, fixed, number, table_of
from searchdemo.bench.workload import Bench
from searchdemo.collection.build import balanced_rows
from searchdemo.collection.embed import BATCH_SIZE, embed
from searchdemo.collection.knn import TEMPERATURE
from searchdemo.collection.labelled import padded
from searchdemo.encoders import table as encoders
from searchdemo.encoders.base import Encoder
from searchdemo.errors import BadQuery, NoPictures, NotHere
from searchdemo.galleries.base import Gallery, Pictures
from searchdemo.measure.cards import Figures, RunCard

K = 20
MOST, MOST_ASKING = 4_000, 1_000  # pictures that are searched, and held-out ones that ask
QUICK = 10  # a quick run takes one in so many
AT_ONCE = 4 * BATCH_SIZE  # pictures of a turn
WARM = 8  # pictures before the first turn


@dataclass
class Read:
    """What the encoders made of the same pictures."""

    vectors: list[np.ndarray]  # (n, dim) of each encoder
    labels: np.ndarray  # (n, L), -1 fills up
    seconds: list[float]  # of each encoder, reading included
    asked: int  # pictures that were to be read; those that no encoder could read are not among the n


def run(bench: Bench) -> Figures:
    """bench.options: "against", the encoder of the published weights. Raises BadQuery without weights of one's own or
    for the published ones in their place, NotHere without labels, NoPictures, NoWeights, BadArtifact."""
    if bench.weights is None:
        raise BadQuery(
            "checkpoints compares weights of your own with published ones: give --weights FILE, which "
            "`python -m training.metric --save FILE` makes."
        )
    library, gallery = bench.library, bench.library.gallery(bench.key.gallery)
    other = bench.options.get("against") or bench.key.encoder
    bench.tell("loading both encoders")
    pair = (
        bench.encoder(),
        encoders.load(other, device=library.device, runtime=library.runtime, transform=library.transform),
    )
    if pair[0].weights_sha256 == pair[1].weights_sha256:
        raise BadQuery(f"{str(bench.weights)!r} has the published weights of {other!r}: name a file of your own.")
    searched = read(bench, pair, gallery.pictures, chosen(gallery, gallery.pictures, bench, MOST), "gallery")
    asking, own = searched, True
    if len(held_out := chosen(gallery, gallery.queries, bench, MOST_ASKING)):
        asking, own = read(bench, pair, gallery.queries, held_out, "queries"), False
    if len(searched.labels) < 2 or not len(asking.labels):
        raise NoPictures(
            f"Fewer than two pictures of {gallery.name!r} with labels can be read here: there is nothing to compare. "
            f"{gallery.pictures.missing}".strip()
        )
    files = (bench.weights, encoders.weights_path(other))
    rows: list[dict] = []
    first_right: list[np.ndarray] = []
    for place, encoder in enumerate(pair):
        figures, right = judged(searched, asking, place, own, len(gallery.label_names))
        first_right.append(right)
        pictures = searched.asked + (0 if own else asking.asked)
        seconds = searched.seconds[place] + (0 if own else asking.seconds[place])
        file = files[place]
        rows.append(
            {"weights": "your checkpoint" if place == 0 else "published", "encoder": (bench.key.encoder, other)[place]}
            | {"digest": encoder.weights_sha256[:8]}
            | figures
            | {"picture_ms": 1000 * seconds / pictures, "model_bytes": file.stat().st_size if file else None}
            | {"dim": encoder.dim, "precision": str(encoder.how), "stand_in": encoder.stand_in}
        )
    lost, gained = (int(side.sum()) for side in (~first_right[0] & first_right[1], first_right[0] & ~first_right[1]))
    paired = {"lost": lost, "gained": gained}
    subject = {
        "vectors": len(searched.labels),
        "dim": pair[0].dim,
        "queries": len(asking.labels),
        "weights_sha256": pair[0].weights_sha256,
        "precision": str(pair[0].how),
        "stand_in": pair[0].stand_in,
        "synthetic": False,
    }
    unread = searched.asked - len(searched.labels) + (0 if own else asking.asked - len(asking.labels))
    settings = {"k": K, "temperature": TEMPERATURE, "against": other, "leave_one_out": own}
    notes = [said(lost, gained, len(asking.labels))]
    notes += [f"pictures left out because they cannot be read here: {unread:,}"] * bool(unread)
    notes += ["if your checkpoint was trained on these pictures, leave-one-out flatters it"] * own
    notes += [f"the published weights of {other!r} have seen this gallery with its labels"] * (
        encoders.find(other).trained_on == bench.key.gallery
    )
    return Figures(subject, {"checkpoints": rows, "paired": [paired]}, settings, notes=notes)


def said(lost: int, gained: int, queries: int) -> str:
    """The difference of both accuracies on the same queries, and its interval."""
    found = paired_difference(lost, gained, queries)
    return (
        f"your checkpoint's kNN top-1 differs from the published weights' by {found.points:+.2f} points (95 %: "
        f"{found.interval}), paired on {queries:,} queries: {gained:,} gained, {lost:,} lost"
    )


def chosen(gallery: Gallery, pictures: Pictures, bench: Bench, most: int) -> np.ndarray:
    """Rows with a label, balanced over the classes. Raises NotHere where the gallery has none."""
    labels = np.asarray(pictures.labels)
    known = np.array([row for row in np.flatnonzero(labels >= 0).tolist() if pictures.listed(row)], np.int64)
    if not len(known) and pictures is gallery.pictures:
        raise NotHere(f"The pictures of {gallery.name!r} have no labels: accuracy needs some that do.")
    limit = min(bench.key.limit or most, most) // (QUICK if bench.quick else 1)
    return known[balanced_rows(labels[known], max(1, limit), bench.seed)]


def read(bench: Bench, pair: Sequence[Encoder], pictures: Pictures, rows: np.ndarray, what: str) -> Read:
    """Both encoders take turns, so that what slows the machine down slows both."""

    def turn(encoder: Encoder, some: np.ndarray) -> tuple[np.ndarray, float]:
        made = embed(pictures, some, encoder, None, lambda progress: None, what, BATCH_SIZE)
        return made.vectors, made.seconds

    for encoder in pair:
        turn(encoder, rows[:WARM])
    parts: list[list[np.ndarray]] = [[] for _ in pair]
    seconds = [0.0 for _ in pair]
    for number_, start in enumerate(range(0, len(rows), AT_ONCE)):
        bench.tell(f"{what}, both encoders in turns", start, len(rows))
        for place in sorted(range(len(pair)), reverse=number_ % 2 == 1):
            vectors, took = turn(pair[place], rows[start : start + AT_ONCE])
            parts[place].append(vectors)
            seconds[place] += took
    whole = [np.concatenate(each) for each in parts]
    there = np.logical_and.reduce([np.isfinite(each).all(axis=1) for each in whole])
    labels = padded([pictures.all_labels(row) for row in rows[there].tolist()])
    return Read([each[there] for each in whole], labels, seconds, len(rows))


def judged(searched: Read, asking: Read, place: int, own: bool, classes: int) -> tuple[dict, np.ndarray]:
    """Of one of both encoders, see found_by_class."""
    vectors, queries = searched.vectors[place], asking.vectors[place]
    positions = np.arange(len(queries)) if own else None
    k = min(K, len(vectors) - own)
    return found_by_class(vectors, searched.labels, queries, asking.labels, positions, classes, k)


def tables(cards: Sequence[RunCard]) -> list[Table]:
    heads = [
        Column("weights", "weights"),
        *columns("encoder"),
        Column("digest", "SHA-256"),
        Column("top1", "kNN top-1 %", fixed(2)),
        Column("top5", "top-5 %", fixed(2)),
        Column("found_1", "recall@1: one of its class first", fixed(3)),
        Column("found_10", "recall@10: among the first 10", fixed(3)),
        Column("picture_ms", "ms per picture, reading included", number()),
        *columns("model_bytes dim"),
        Column("precision", "runs in"),
        *columns("mark"),
    ]
    return [table_of(card, "checkpoints", title(card), heads, rows(card)) for card in cards]


def title(card: RunCard) -> str:
    asking = "each picture without itself" if card.settings["leave_one_out"] else "held-out pictures"
    return (
        f"A checkpoint beside published weights on {card.gallery}: {card.subject['queries']:,} queries ({asking}), "
        f"k = {card.settings['k']}, T = {card.settings['temperature']}; one of several labels is right"
    )


def rows(card: RunCard) -> list[dict]:
    return [{"mark": "stand-in weights" * bool(row["stand_in"])} | row for row in card.parts["checkpoints"]]


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    """None: two rows are read faster than bars."""
    return {}
