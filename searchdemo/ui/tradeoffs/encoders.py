"""The encoders side by side: what was measured of each on a gallery, what it weighs, and what it takes to have it."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from searchdemo import assets
from searchdemo.collection.classify import training_note
from searchdemo.collection.library import Library
from searchdemo.collection.store import Key
from searchdemo.encoders.base import EncoderSpec
from searchdemo.encoders.table import find, weights_path
from searchdemo.errors import BadArtifact
from searchdemo.files import sha256_of
from searchdemo.measure import cards as run_card
from searchdemo.measure.cards import RunCard
from searchdemo.measure.machine import machine
from searchdemo.shipped import check
from searchdemo.ui.components.templates import render

log = logging.getLogger(__name__)

HALF_FLOAT = 2  # bytes per dimension of a stored vector
BENCHMARKS = ("knn", "tradeoff", "classnames", "latency")  # whose cards have figures for the table
K, VOTE = 20, "weighted"  # the protocol of all kNN figures, see collection/knn.py


@dataclass(frozen=True)
class Figure:
    value: float
    notes: tuple[str, ...] = ()  # what it belongs to, where that is not the usual
    quick: bool = False  # of a quick run


@dataclass(frozen=True)
class Line:
    """One encoder in the table. A figure that was not measured on this gallery with these weights is None."""

    spec: EncoderSpec
    knn: Figure | None  # top-1 in percent
    words: Figure | None  # top-1 in percent
    ms: Figure | None  # per picture
    vectors_bytes: int  # of the whole gallery as it is stored
    built: bool  # whether the gallery's vectors are there
    weights_bytes: int  # of the file that is here, else of the download
    here: bool


def lines(library: Library, keys: dict[str, Key]) -> list[Line]:
    """One per encoder, in the order of keys. keys: encoder -> the build that the page would search in."""
    roots = run_card.own_cards(), assets.CARDS
    cards = [card for benchmark in BENCHMARKS for card in run_card.cards(*roots, benchmark=benchmark)]
    return [line(library, find(name), key, cards) for name, key in keys.items()]


def line(library: Library, spec: EncoderSpec, key: Key, cards: list[RunCard]) -> Line:
    file, built = library.weights.get(spec.name) or weights_path(spec.name), library.built(key)
    if built and not spec.dim:  # vectors that were made elsewhere have a dimension of their own
        spec = replace(spec, dim=library.artifact(built).manifest.dim)
    usual = run_card.variant_of(key, library.weights.get(spec.name))

    @functools.cache
    def weights() -> str:
        """The digest of the weights in use; "" when neither they nor vectors are here."""
        if built:
            return library.artifact(built).manifest.weights_sha256
        return sha256_of(file) if file else ""

    def same_weights(card: RunCard) -> bool:
        return not weights() or card.subject.get("weights_sha256") == weights()

    def same_gallery(card: RunCard) -> bool:
        return card.gallery == key.gallery and card.variant == usual and not card.subject.get("synthetic")

    def same_network(card: RunCard) -> bool:
        """Stand-in weights take the time of the real ones, and so do vectors that were made up."""
        return bool(card.subject.get("stand_in") or card.subject.get("synthetic")) or same_weights(card)

    def figures(benchmark: str, read: Callable[[RunCard], Figure | None]) -> list[Figure]:
        """Of this gallery by these weights."""
        there = [card for card in cards if (card.benchmark, card.encoder) == (benchmark, spec.name)]
        found = [read(card) for card in there if same_gallery(card) and same_weights(card)]
        return [figure for figure in found if figure]

    knn = figures("knn", knn_of_knn) + figures("tradeoff", knn_of_tradeoff)
    words = figures("classnames", words_of_classnames)
    card = model_card() if spec.shipped and spec.trained_on == key.gallery else {}
    if card and card["weights_sha256"] == weights():
        knn.append(Figure(card["figures"]["knn_top1"][str(K)], ("model card",)))
        words.append(Figure(card["figures"]["names_top1"], ("model card",)))
    timed = [card for card in cards if (card.benchmark, card.encoder) == ("latency", spec.name) and same_network(card)]
    times = [figure for card in timed if (figure := ms_of_latency(card))]
    return Line(
        spec,
        full_first(knn),
        full_first(words),
        full_first(times),
        (key.limit or len(library.gallery(key.gallery).pictures)) * spec.dim * HALF_FLOAT,
        built is not None,
        file.stat().st_size if file else spec.download_bytes,
        library.has_weights(spec.name),
    )


def full_first(figures: list[Figure]) -> Figure | None:
    return min(figures, key=lambda figure: figure.quick, default=None)


def of_card(card: RunCard, value: float, *notes: str) -> Figure:
    quick = [f"quick run, {card.subject['vectors']:,} vectors"] * card.quick
    return Figure(value, (*["stand-in weights"] * bool(card.subject.get("stand_in")), *quick, *notes), card.quick)


def knn_of_knn(card: RunCard) -> Figure | None:
    rows = [row for row in card.parts["accuracy"] if (row["split"], row["k"], row["vote"]) == ("valid", K, VOTE)]
    return of_card(card, rows[0]["top1"]) if rows else None


def knn_of_tradeoff(card: RunCard) -> Figure | None:
    rows = [row for row in card.parts["points"] if row["family"] == "exact"]
    return of_card(card, rows[0]["knn_top1"], f"{card.subject['queries']:,} queries") if rows else None


def words_of_classnames(card: RunCard) -> Figure | None:
    """By sentences about the classes; of an encoder without words by its own classifier, which is said."""
    if not (sets := card.parts["sets"]):
        return None
    notes = ["its own classifier"] * (not sets[-1]["texts"])
    notes += [f"without {len(names):,} classes" for names in [card.settings.get("names_left_out", ())] if names]
    return of_card(card, sets[-1]["top1"], *notes)


def ms_of_latency(card: RunCard) -> Figure | None:
    """A single picture on the first number of threads, by the runtime that the machine chose."""
    if not (rows := card.parts["extraction"]):
        return None
    stand_in = ["stand-in weights"] * bool(rows[0].get("stand_in"))
    elsewhere = [there for there in [card.machine.get("name", "another machine")] if there != machine()]
    return Figure(rows[0]["one_p50_ms"], (*stand_in, *["quick run"] * card.quick, *elsewhere), card.quick)


def model_card() -> dict:
    """What the training of the bundled encoder measured; {} where its file is missing or damaged, which is logged."""
    path = assets.WEIGHTS / "run-card.json"
    try:
        return json.loads(check(path).read_text()) if path.is_file() else {}
    except BadArtifact as error:
        log.warning("%s", error)
        return {}


def encoders_html(gallery: str, pictures: int, chosen: str, table: list[Line]) -> str:
    notes = [note for each in table if (each.knn or each.words) and (note := training_note(each.spec, gallery))]
    return render("encoders.html", gallery=gallery, pictures=pictures, chosen=chosen, table=table, notes=notes, k=K)
