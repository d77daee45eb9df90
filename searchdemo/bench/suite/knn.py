"""Classification by neighbours against k and the temperature, beside a linear head trained on the same embeddings.

DINO's protocol (see searchdemo/knn.py): held-out queries ask the gallery, and so does the gallery itself, each row
without itself ("train", leave-one-out). Can neighbours replace the head?
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from searchdemo.bench import linear_head
from searchdemo.bench.plots import SERIES, legend, lines, panels
from searchdemo.bench.points import timed_build
from searchdemo.bench.tables import Column, Table, fixed, number
from searchdemo.bench.workload import Bench, Workload
from searchdemo.collection.build import Progress, balanced_rows
from searchdemo.collection.classify import training_note
from searchdemo.collection.knn import TEMPERATURE, evaluate
from searchdemo.collection.library import exact_index
from searchdemo.encoders.device import pick_device
from searchdemo.encoders.table import ENCODERS
from searchdemo.indexes.base import Index
from searchdemo.measure.cards import Figures, RunCard
from searchdemo.measure.threads import thread_limit
from searchdemo.types import Neighbors

KS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200)
TEMPERATURES = (0.01, 0.02, 0.05, 0.07, 0.1, 0.2, 0.5)
TEMPERATURE_KS = (20, 200)
PROTOCOL_K = 20
MOST_PRODUCTS = 2e12  # multiplications of a leave-one-out search: half a minute to a minute of two cores
FEWER_QUERIES = 20_000
AT_ONCE = 2_000  # queries between two reports


def run(bench: Bench) -> Figures:
    """Raises BadQuery for too few pictures, NotBuilt, NotHere."""
    work = bench.workload()
    linear_head.check_enough(len(work.vectors), len(work.label_names))  # before the neighbours are searched for
    ks = tuple(k for k in KS if k < len(work.vectors))
    notes = [note] if (note := training_note(bench.gallery, bench.encoder)) else []
    asking = train_queries(work, bench.seed)
    if len(asking) < len(work.vectors):
        notes.append(
            f"leave-one-out asks with {len(asking):,} of the {len(work.vectors):,} rows, balanced over classes"
        )
    embedded = _embedding(bench, work)

    flat, build_s = timed_build("flat", work.vectors)
    found, seconds = _search_both(flat, work, asking, max(ks), "flat", bench.report)
    times = [{"what": "kNN, FAISS flat on the CPU", "threads": _threads(), "build_s": build_s} | seconds | embedded]
    if pick_device(bench.engine.device).startswith("cuda"):
        try:
            times.append(_on_gpu(bench, work, asking, max(ks)) | embedded)
        except RuntimeError as error:  # of torch: out of memory
            notes.append(f"kNN on the GPU: {error}")

    accuracy, temperatures = [], []
    for done, (split, (neighbors, truth)) in enumerate(found.items()):
        bench.report(Progress(f"votes on {split}", done, len(found), 0))
        labels = work.labels[neighbors.rows]
        scored = (neighbors.scores, labels, truth, len(work.label_names))
        accuracy += [
            {"split": split, "k": a.k, "vote": a.vote, "temperature": TEMPERATURE, "top1": a.top1, "top5": a.top5}
            for a in evaluate(*scored, ks)
        ]
        temperatures += [
            {"split": split, "k": a.k, "vote": a.vote, "temperature": temperature, "top1": a.top1, "top5": a.top5}
            for temperature in TEMPERATURES
            for a in evaluate(*scored, tuple(k for k in TEMPERATURE_KS if k in ks), temperature)
            if a.vote == "weighted"
        ]
    head, head_times, trials = _head(bench, work, asking)
    return Figures(
        work.subject,
        {
            "accuracy": accuracy,
            "temperature": temperatures,
            "head": [head],
            "head_trials": trials,
            "times": [*times, head_times | embedded],
        },
        {"temperature": TEMPERATURE, "trained_on_gallery": ENCODERS.find(bench.encoder).trained_on == bench.gallery},
        notes=notes,
    )


def train_queries(work: Workload, seed: int = 0) -> np.ndarray:
    """Positions of the gallery that ask for their neighbours: all where that is affordable, else a balanced part."""
    n, dim = work.vectors.shape
    return balanced_rows(work.labels, None if n * n * dim <= MOST_PRODUCTS else FEWER_QUERIES, seed)


def without_themselves(found: Neighbors, own: np.ndarray) -> Neighbors:
    """(q, k+1) neighbours -> (q, k) without the row own[i] of each query, wherever it stands.

    It need not stand first: a duplicate has the same cosine. A row that is not there has k+1 duplicates or more before
    it, and the last of those goes.
    """
    kept = found.rows != own[:, None]
    kept[kept.all(axis=1), -1] = False
    shape = (len(own), found.rows.shape[1] - 1)
    return Neighbors(found.rows[kept].reshape(shape), found.scores[kept].reshape(shape))


def _search_both(
    index: Index, work: Workload, asking: np.ndarray, k: int, name: str, report: Callable
) -> tuple[dict[str, tuple[Neighbors, np.ndarray]], dict]:
    """Split -> (neighbours (q, k), truth (q,)), and seconds, with as many threads as the libraries take."""
    with thread_limit(None):
        train, train_s = _search(index, work.vectors[asking], k + 1, f"{name}: leave-one-out on train", report)
        valid, valid_s = _search(index, work.queries, k, f"{name}: valid", report)
    found = {
        "train": (without_themselves(train, asking), work.labels[asking]),
        "valid": (valid, work.truth),
    }
    return found, {
        "train_queries": len(asking),
        "train_search_s": train_s,
        "valid_queries": len(work.queries),
        "valid_search_s": valid_s,
    }


def _search(index: Index, queries: np.ndarray, k: int, stage: str, report: Callable) -> tuple[Neighbors, float]:
    index.search(queries[:8], k)
    parts, seconds = [], 0.0
    for start in range(0, len(queries), AT_ONCE):
        report(Progress(stage, start, len(queries), start / seconds if seconds else 0))
        started = time.perf_counter()
        parts.append(index.search(queries[start : start + AT_ONCE], k))
        seconds += time.perf_counter() - started
    rows, scores = (np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "scores"))
    return Neighbors(rows, scores), seconds


def _on_gpu(bench: Bench, work: Workload, asking: np.ndarray, k: int) -> dict:
    device = pick_device(bench.engine.device)
    index = exact_index(work.vectors, device)
    _, seconds = _search_both(index, work, asking, k, f"brute force on {device}", bench.report)
    return {"what": f"kNN, brute force on {device}", "build_s": index.load_ms / 1000} | seconds


def _head(bench: Bench, work: Workload, asking: np.ndarray) -> tuple[dict, dict, list[dict]]:
    """Its accuracies, its times in the columns of the neighbours' (build: choose and train), and what it chose from."""
    fitted = linear_head.fit(
        work.vectors, work.labels, len(work.label_names), bench.seed, bench.report, bench.engine.device
    )
    started = time.perf_counter()
    train = linear_head.accuracy(fitted.head, work.vectors[asking], work.labels[asking])
    between = time.perf_counter()
    valid = linear_head.accuracy(fitted.head, work.queries, work.truth)
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
    """Of the whole gallery and its queries, as measured when they were embedded; nothing for synthetic vectors."""
    if work.subject.get("synthetic"):
        return {}
    manifest = bench.engine.prepared(bench.gallery, bench.encoder).artifact.manifest
    pictures = manifest.vectors + manifest.queries
    return {"embed_s": manifest.embed_seconds, "embed_pictures": pictures, "embed_precision": manifest.precision}


def _threads() -> int:
    """The most that a library in use takes."""
    from threadpoolctl import threadpool_info

    return max((pool["num_threads"] for pool in threadpool_info()), default=1)


def tables(cards: Sequence[RunCard]) -> list[Table]:
    summary = Table(
        "knn-head",
        f"Neighbours against a linear head: accuracy on valid, % (T = {TEMPERATURE})",
        (
            Column("encoder", "encoder"),
            Column("top1", f"kNN top-1, k = {PROTOCOL_K}", fixed(2)),
            Column("top5", "kNN top-5", fixed(2)),
            Column("best_top1", "best kNN top-1 of the sweep", fixed(2)),
            Column("best", "at"),
            Column("valid_top1", "head top-1", fixed(2)),
            Column("valid_top5", "head top-5", fixed(2)),
            Column("train_top1", "head top-1 on train", fixed(2)),
            Column("difference", "kNN - head, points", fixed(2)),
            Column("mark", ""),
        ),
        [_summary(card) for card in cards],
        cards[0].source,
    )
    return [summary, *(table for card in cards for table in (_by_k(card), _by_temperature(card), _seconds(card)))]


def _summary(card: RunCard) -> dict:
    rows = [row for row in card.parts["accuracy"] if row["split"] == "valid"]
    swept = [*rows, *(row for row in card.parts["temperature"] if row["split"] == "valid")]
    best = max(swept, key=lambda row: row["top1"])
    vote = f"T = {best['temperature']:g}" if best["vote"] == "weighted" else "plain vote"
    # Galleries with fewer vectors than the protocol's k have the largest that they can.
    protocol = max(
        (row for row in rows if row["vote"] == "weighted" and row["k"] <= PROTOCOL_K), key=lambda row: row["k"]
    )
    head = card.parts["head"][0]
    return {
        "encoder": card.encoder,
        "top1": protocol["top1"],
        "top5": protocol["top5"],
        "best_top1": best["top1"],
        "best": f"k = {best['k']}, {vote}",
        "difference": protocol["top1"] - head["valid_top1"],
        "mark": "trained on train: its train figures mean nothing" if card.settings["trained_on_gallery"] else "",
    } | head


def _title(card: RunCard, what: str) -> str:
    said = (
        "; the encoder was trained on train, so that column means nothing"
        if card.settings["trained_on_gallery"]
        else ""
    )
    return f"kNN accuracy of {card.encoder} against {what}, %{said}"


def _by_k(card: RunCard) -> Table:
    found = {(row["k"], row["vote"], row["split"]): row for row in card.parts["accuracy"]}
    rows = [
        {"k": k}
        | {
            f"{split}_{vote}_{top}": found[k, vote, split][top]
            for split in ("valid", "train")
            for vote in ("weighted", "plain")
            for top in ("top1", "top5")
        }
        for k in dict.fromkeys(k for k, _, _ in found)
    ]
    columns = [
        Column(f"{split}_{vote}_{top}", f"{split}, {vote}: {head}", fixed(2))
        for split in ("valid", "train")
        for vote in ("weighted", "plain")
        for top, head in (("top1", "top-1"), ("top5", "top-5"))
    ]
    title = _title(card, f"k, T = {TEMPERATURE}")
    return Table(f"knn-k-{card.encoder}", title, (Column("k", "k", fixed(0)), *columns), rows, card.source)


def _by_temperature(card: RunCard) -> Table:
    found = {(row["temperature"], row["k"], row["split"]): row for row in card.parts["temperature"]}
    pairs = list(dict.fromkeys((split, k) for _, k, split in found))
    pairs.sort(key=lambda pair: (pair[0] != "valid", pair[1]))
    rows = [
        {"temperature": t}
        | {f"{split}_{k}_{top}": found[t, k, split][top] for split, k in pairs for top in ("top1", "top5")}
        for t in dict.fromkeys(t for t, _, _ in found)
    ]
    columns = [
        Column(f"{split}_{k}_{top}", f"{split}, k = {k}: {head}", fixed(2))
        for split, k in pairs
        for top, head in (("top1", "top-1"), ("top5", "top-5"))
    ]
    title = _title(card, "the temperature, weighted vote")
    first = Column("temperature", "T", "{:g}".format)
    return Table(f"knn-temperature-{card.encoder}", title, (first, *columns), rows, card.source)


def _seconds(card: RunCard) -> Table:
    row = card.parts["times"][0]
    pictures = f"; embedding is of {row['embed_pictures']:,} pictures, {row['embed_precision']}" * ("embed_s" in row)
    return Table(
        f"knn-seconds-{card.encoder}",
        f"Seconds of neighbours and of the head on {card.encoder}{pictures}",
        (
            Column("what", "what"),
            Column("threads", "threads", fixed(0)),
            Column("embed_s", "embedding s", number()),
            Column("build_s", "build or training s", number()),
            Column("train_queries", "train rows", fixed(0)),
            Column("train_search_s", "train s", number()),
            Column("valid_queries", "valid queries", fixed(0)),
            Column("valid_search_s", "valid s", number()),
        ),
        card.parts["times"],
        card.source,
    )


def charts(cards: Sequence[RunCard]) -> dict:
    """Accuracy against k, and against T, with the head as a level line."""
    drawn = {}
    for name, part, x, ticks, series in (
        ("knn-k", "accuracy", "k", (1, 2, 5, 10, 20, 50, 100, 200), lambda row: f"{row['split']}, {row['vote']}"),
        ("knn-temperature", "temperature", "temperature", TEMPERATURES, lambda row: f"{row['split']}, k = {row['k']}"),
    ):
        figure, axes = panels(len(cards), f"kNN top-1 against {x}, beside a linear head", cards[0].source)
        for card, ax in zip(cards, axes, strict=True):
            curves: dict[str, tuple[list, list]] = {}
            for row in card.parts[part]:
                if row["split"] == "train" and card.settings["trained_on_gallery"]:
                    continue
                xs, ys = curves.setdefault(series(row), ([], []))
                xs.append(row[x])
                ys.append(row["top1"])
            lines(ax, [(label, *points) for label, points in curves.items()])
            level = card.parts["head"][0]["valid_top1"]
            ax.axhline(level, color=SERIES[5], linestyle="--", linewidth=1.2, label="linear head, valid")
            ax.set_xscale("log")
            ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            ax.minorticks_off()
            ax.set_xlabel(f"{x} (log)")
            ax.set_ylabel("top-1, %")
            ax.set_title(card.encoder, fontsize=9)
            legend(ax)
        drawn[name] = figure
    return drawn
