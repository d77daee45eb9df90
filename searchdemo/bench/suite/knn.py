"""Classification by neighbours against k and the temperature, beside a linear head trained on the same embeddings.

The protocol is DINO's (see searchdemo/collection/knn.py). The queries are the held-out ones ("valid"), and the gallery
itself, each row without itself ("train", leave-one-out). Can neighbours replace the head?
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from searchdemo.bench import linear_head, plots
from searchdemo.bench.published import beside_ours
from searchdemo.bench.resident import Stages
from searchdemo.bench.tables import Column, Form, Table, columns, encoder_of, fixed, number, table_of, vectors_of
from searchdemo.bench.workload import Bench, Workload
from searchdemo.collection.asked import hopeless, without_themselves
from searchdemo.collection.build import balanced_rows
from searchdemo.collection.classify import training_note
from searchdemo.collection.knn import SEVERAL, TEMPERATURE, Accuracy, evaluate
from searchdemo.encoders.device import pick_device
from searchdemo.indexes.base import ALL_GPUS, Index
from searchdemo.indexes.table import INDEXES
from searchdemo.measure.cards import Figures, RunCard, source_of
from searchdemo.threads import thread_limit
from searchdemo.types import Neighbors

KS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200)
TEMPERATURES = (0.01, 0.02, 0.05, 0.07, 0.1, 0.2, 0.5)
TEMPERATURE_KS = (20, 200)
PROTOCOL_K = 20
MAX_PRODUCTS = 2e12  # multiplications of a leave-one-out search: half a minute to a minute on two cores
MAX_QUERIES = 20_000  # of a leave-one-out search that would need more multiplications
AT_ONCE = 2_000  # queries between two reports


def run(bench: Bench) -> Figures:
    """Raises BadQuery for too few pictures, NotBuilt, NotHere."""
    work, stages = bench.workload().of_labelled(), Stages()
    stages.over("vectors, labels and queries")
    known = np.flatnonzero(work.labels >= 0)
    linear_head.check_enough(len(known), len(work.label_names))  # before minutes of searching
    ks = tuple(k for k in KS if k < len(work.vectors))
    notes = [note] if (note := training_note(bench.encoder_spec, bench.key.gallery)) else []
    asking = train_queries(work, bench.seed)
    if len(asking) < len(known):
        notes.append(f"leave-one-out asks with {len(asking):,} of the {len(known):,} rows, balanced over classes")
    if len(known) < len(work.vectors):
        without = f"{len(work.vectors) - len(known):,} of the {len(work.vectors):,} vectors have no label"
        notes.append(f"{without}: they have no vote, do not ask, and train no head")
    labels, truth = work.every_label()
    alone = {"valid": hopeless(truth, labels, False), "train": hopeless(labels[asking], labels, True)}
    notes += [f"{split}: {said}" for split, said in alone.items() if said]
    if work.all_labels is not None:
        notes.append(f"{SEVERAL}; the head is trained on the first label of each")
    embedded = _embedding(bench, work)

    flat = INDEXES["flat"].build(work.vectors)
    stages.over("FAISS flat, built")
    found, seconds = _search_both(flat, work, asking, max(ks), "flat", bench)
    stages.over("neighbours of train and valid")
    times = [{"what": "kNN, FAISS flat on the CPU", "threads": _threads()} | seconds | embedded]
    if pick_device(bench.library.device).startswith("cuda"):
        try:
            times += [row | embedded for row in _on_gpu(bench, work, asking, max(ks))]
        except RuntimeError as error:  # torch's error when the GPU is out of memory
            notes.append(f"kNN on the GPU: {error}")

    accuracy, temperatures = [], []
    for done, (split, (neighbors, truth)) in enumerate(found.items()):
        bench.tell(f"votes on {split}", done, len(found))
        scored = (neighbors.scores, work.every_label()[0][neighbors.positions], truth, len(work.label_names))
        accuracy += [_row(split, TEMPERATURE, each) for each in evaluate(*scored, ks)]
        temperatures += [
            _row(split, temperature, each)
            for temperature in TEMPERATURES
            for each in evaluate(*scored, tuple(k for k in TEMPERATURE_KS if k in ks), temperature)
            if each.vote == "weighted"
        ]
    stages.over("votes")
    head, head_times, trials = _head(bench, work, asking)
    stages.over("linear head, trained")
    return Figures(
        work.subject,
        {
            "accuracy": accuracy,
            "temperature": temperatures,
            "head": [head],
            "head_trials": trials,
            "times": [*times, head_times | embedded],
            "memory": stages.rows,
        },
        {"temperature": TEMPERATURE, "trained_on_gallery": bench.trained_on_gallery},
        notes=notes,
    )


def _row(split: str, temperature: float, found: Accuracy) -> dict:
    votes = {"split": split, "k": found.k, "vote": found.vote, "temperature": temperature}
    return votes | {"top1": found.top1, "top5": found.top5}


def train_queries(work: Workload, seed: int = 0) -> np.ndarray:
    """The positions of the gallery that are queries too: all with a label where that is affordable, else a balanced
    part of them."""
    n, dim = work.vectors.shape
    known = np.flatnonzero(work.labels >= 0)
    return known[balanced_rows(work.labels[known], None if n * n * dim <= MAX_PRODUCTS else MAX_QUERIES, seed)]


def _search_both(
    index: Index, work: Workload, asking: np.ndarray, k: int, name: str, bench: Bench
) -> tuple[dict[str, tuple[Neighbors, np.ndarray]], dict]:
    """Split -> (neighbours (q, k), truth (q, L)), and seconds, with as many threads as the libraries take."""
    with thread_limit(None):
        train, train_s = _search(index, work.vectors[asking], k + 1, f"{name}: leave-one-out on train", bench)
        valid, valid_s = _search(index, work.queries, k, f"{name}: valid", bench)
    labels, truth = work.every_label()
    found = {"train": (without_themselves(train, asking), labels[asking]), "valid": (valid, truth)}
    return found, {
        "build_s": index.load_ms / 1000,
        "train_queries": len(asking),
        "train_search_s": train_s,
        "valid_queries": len(work.queries),
        "valid_search_s": valid_s,
    }


def _search(index: Index, queries: np.ndarray, k: int, stage: str, bench: Bench) -> tuple[Neighbors, float]:
    index.search(queries[:8], k)
    parts, seconds = [], 0.0
    for start in range(0, len(queries), AT_ONCE):
        bench.tell(stage, start, len(queries), start / seconds if seconds else 0)
        started = time.perf_counter()
        parts.append(index.search(queries[start : start + AT_ONCE], k))
        seconds += time.perf_counter() - started
    rows, scores = [part.positions for part in parts], [part.scores for part in parts]
    return Neighbors(np.concatenate(rows), np.concatenate(scores)), seconds


def _on_gpu(bench: Bench, work: Workload, asking: np.ndarray, k: int) -> Iterator[dict]:
    """By torch; and by FAISS where this is faiss-gpu, on all GPUs where the device says so."""
    device = pick_device(bench.library.device)
    asked_for = ALL_GPUS if bench.library.device == ALL_GPUS else device
    for name, what, where in (("exact-bf16", "brute force", device), ("flat", "FAISS flat", asked_for)):
        index = INDEXES[name].build(work.vectors)
        index.to_gpu(where)
        if not getattr(index, "on_gpu", True):
            continue
        _, seconds = _search_both(index, work, asking, k, f"{what} on {where}", bench)
        yield {"what": f"kNN, {what} on {where}"} | seconds


def _head(bench: Bench, work: Workload, asking: np.ndarray) -> tuple[dict, dict, list[dict]]:
    """The head's accuracies, its times in the columns of the neighbours' times, and its trials.

    Its "build" is choosing the parameters and training.
    """
    known, classes = work.labels >= 0, len(work.label_names)
    fitted = linear_head.fit(
        work.vectors[known], work.labels[known], classes, bench.seed, bench.report, bench.library.device
    )
    labels, truth = work.every_label()
    started = time.perf_counter()
    train = linear_head.accuracy(fitted.head, work.vectors[asking], labels[asking])
    between = time.perf_counter()
    valid = linear_head.accuracy(fitted.head, work.queries, truth)
    times = {
        "what": f"linear head on {fitted.device}",
        "threads": _threads(),
        "build_s": fitted.seconds,
        "train_queries": len(asking),
        "train_search_s": between - started,
        "valid_queries": len(work.queries),
        "valid_search_s": time.perf_counter() - between,
    }
    head = {"train_top1": train[0], "train_top5": train[1], "valid_top1": valid[0], "valid_top5": valid[1]}
    return head | {"weight_decay": fitted.weight_decay, "epochs": fitted.epochs}, times, fitted.trials


def _embedding(bench: Bench, work: Workload) -> dict:
    """The time of embedding, as measured back then, and of how many pictures and queries; {} for synthetic vectors."""
    if work.subject.get("synthetic"):
        return {}
    made = bench.collection().artifact.manifest
    return {"embed_s": made.embed_seconds, "embed_pictures": made.embedded, "embed_precision": made.precision}


def _threads() -> int:
    """The maximum over the libraries in use."""
    from threadpoolctl import threadpool_info

    return max((pool["num_threads"] for pool in threadpool_info()), default=1)


def tables(cards: Sequence[RunCard]) -> list[Table]:
    heads = [
        *columns("encoder"),
        Column("top1", f"kNN top-1, k = {PROTOCOL_K}", fixed(2)),
        Column("top5", "kNN top-5", fixed(2)),
        *columns("best_top1 best valid_top1 valid_top5 train_top1 difference mark"),
    ]
    several = "; one of several labels is right" * any(card.subject.get("several_labels") for card in cards)
    title = f"Neighbours against a linear head: accuracy on valid, % (T = {TEMPERATURE}){several}"
    found = [Table("knn-head", title, heads, [summary(card) for card in cards], source_of(cards))]
    against = "the temperature, weighted vote"
    for card in cards:
        found += [
            _sweep(card, "accuracy", "k", "k", fixed(0), "{vote}", f"k, T = {TEMPERATURE}"),
            _sweep(card, "temperature", "temperature", "T", "{:g}".format, "k = {k}", against),
            _seconds(card),
            *_memory(card),
        ]
    return [*found, beside_ours(cards, PROTOCOL_K)]


def summary(card: RunCard) -> dict:
    """Accuracies of neighbours by the protocol, the best of the sweep, and the head's, in percent."""
    rows = [row for row in card.parts["accuracy"] if row["split"] == "valid"]
    swept = [*rows, *(row for row in card.parts["temperature"] if row["split"] == "valid")]
    best = max(swept, key=lambda row: row["top1"])
    vote = f"T = {best['temperature']:g}" if best["vote"] == "weighted" else "plain vote"
    weighted = [row for row in rows if row["vote"] == "weighted" and row["k"] <= PROTOCOL_K]
    protocol = max(weighted, key=lambda row: row["k"])  # a gallery with fewer vectors has its own largest k
    head = card.parts["head"][0]
    return {
        "encoder": card.encoder,
        "top1": protocol["top1"],
        "top5": protocol["top5"],
        "best_top1": best["top1"],
        "best": f"k = {best['k']}, {vote}",
        "difference": protocol["top1"] - head["valid_top1"],
        "mark": ", ".join(
            [*card.made_up, *["trained on train: its train figures mean nothing"] * card.settings["trained_on_gallery"]]
        ),
    } | head


def _curves(card: RunCard, part: str, label: str) -> dict[str, list[dict]]:
    """The rows of a sweep by curve, "valid, k = 20" -> rows, the held-out queries first. label: "k = {k}"."""
    curves: dict[str, list[dict]] = {}
    for row in sorted(card.parts[part], key=lambda row: row["split"] != "valid"):
        curves.setdefault(f"{row['split']}, {label.format(**row)}", []).append(row)
    return curves


def _sweep(card: RunCard, part: str, x: str, head: str, form: Form, label: str, against: str) -> Table:
    """One row per value of `x`, and two columns per curve."""
    curves = _curves(card, part, label)
    rows: dict[float, dict] = {}
    for curve, found in curves.items():
        for row in found:
            line = rows.setdefault(row[x], {x: row[x]})
            line |= {f"{curve}: top-1": row["top1"], f"{curve}: top-5": row["top5"]}
    keys = [f"{curve}: {top}" for curve in curves for top in ("top-1", "top-5")]
    heads = [Column(x, head, form), *(Column(key, key, fixed(2)) for key in keys)]
    trained = "; the encoder was trained on train, so that column means nothing"
    title = f"kNN accuracy of {encoder_of(card)} against {against}, %" + trained * card.settings["trained_on_gallery"]
    return table_of(card, f"knn-{x}", title, heads, list(rows.values()))


def _seconds(card: RunCard) -> Table:
    row = card.parts["times"][0]
    pictures = ""
    if "embed_s" in row:
        pictures = f"; embedding is of {row['embed_pictures']:,} pictures, {row['embed_precision']}"
    heads = [
        *columns("what threads embed_s"),
        Column("build_s", "build or training s", number()),
        *columns("train_queries train_search_s valid_queries valid_search_s"),
    ]
    title = f"Seconds of neighbours and of the head on {encoder_of(card)}{pictures}"
    return table_of(card, "knn-seconds", title, heads, card.parts["times"])


def _memory(card: RunCard) -> list[Table]:
    """Of the whole process. Cards of earlier versions have none."""
    title = f"Memory of a kNN run by stage on {vectors_of(card)}"
    heads = columns("stage resident_bytes peak_bytes")
    return [table_of(card, "knn-memory", title, heads, rows) for rows in [card.parts.get("memory")] if rows]


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    """Accuracy against k and against T, with the head as a horizontal line."""
    ticks = (1, 2, 5, 10, 20, 50, 100, 200)
    return {
        "knn-k": _chart(cards, "accuracy", "k", ticks, "{vote}"),
        "knn-temperature": _chart(cards, "temperature", "temperature", TEMPERATURES, "k = {k}"),
    }


def _chart(cards: Sequence[RunCard], part: str, x: str, ticks: Sequence[float], label: str) -> plots.Figure:
    def draw(ax: plots.Axes, card: RunCard) -> None:
        shown = ("valid",) if card.settings["trained_on_gallery"] else ("valid", "train")
        curves = [(name, rows) for name, rows in _curves(card, part, label).items() if rows[0]["split"] in shown]
        plots.lines(ax, [(name, [row[x] for row in rows], [row["top1"] for row in rows]) for name, rows in curves])
        plots.level(ax, card.parts["head"][0]["valid_top1"], "linear head, valid")
        ax.set_xscale("log")
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
        ax.set(xlabel=f"{x} (log)", ylabel="top-1, %")
        plots.legend(ax)

    return plots.panel_per_card(cards, f"kNN top-1 against {x}, beside a linear head", draw)
