"""Bounds that no other benchmark holds: an exact query, the path around it, starting, opening what is stored, shaping.

Ratios are of contestants that take turns on this machine; times are medians. Other benchmarks hold their own bounds.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from searchdemo.bench.child import app_seconds, python_seconds
from searchdemo.bench.points import Search, query_latency, search_of, timed_build
from searchdemo.bench.shaping import shaping_ms
from searchdemo.bench.tables import Column, Table, fixed, number
from searchdemo.bench.workload import Bench, Workload
from searchdemo.collection.build import Progress
from searchdemo.collection.library import Query, exact_index
from searchdemo.collection.store import VECTORS
from searchdemo.errors import SearchDemoError
from searchdemo.galleries.table import open_gallery
from searchdemo.indexes.vectors import StoredVectors
from searchdemo.measure.cards import Figures, Floor, RunCard
from searchdemo.measure.metrics import latency
from searchdemo.measure.threads import thread_limit
from searchdemo.pictures import open_picture

K = 10
SHOWN = 24  # results on the page
ROUNDS = 2
TEXT = "a red boat on the sea"
NOISE = 1.05  # "no slower": what two runs of the same thing differ by

Outcome = tuple[list[dict], list[Floor]]  # rows of the table, bounds


def run(bench: Bench) -> Figures:
    """What cannot run here becomes a note. Raises NotBuilt, NotHere."""
    subject = _workload(bench).subject
    rows, floors, notes = [], [], []
    for done, (stage, step) in enumerate(STEPS.items()):
        bench.report(Progress(stage, done, len(STEPS), 0))
        try:
            measured, bounds = step(bench)
        except SearchDemoError as error:
            notes.append(f"{stage}: {error}")
            continue
        rows += [{"measured": stage} | row for row in measured]
        floors += bounds
    return Figures(subject, {"measured": rows}, {"threads": _threads(), "k": K, "rounds": ROUNDS}, floors, notes)


def _workload(bench: Bench) -> Workload:
    """Whole with --quick too: an exact query takes milliseconds, and among fewer vectors it is another question."""
    return bench.workload(quick_size=1_000_000)


def _threads() -> list[int]:
    """One, and all."""
    return sorted({1, os.cpu_count() or 1})


def exact_query(bench: Bench) -> Outcome:
    """Brute force as the engine makes it against the fastest of what is there without us, with one thread and all."""
    work = _workload(bench)
    own = exact_index(work.vectors, bench.engine.device)
    searches = {
        f"exact-bf16 ({own.recipe})": search_of(own),
        "plain NumPy": plain_numpy(work.vectors),
        "FAISS flat": search_of(timed_build("flat", work.vectors)[0]),
    }
    times = {(name, threads): [] for threads in _threads() for name in searches}
    for _ in range(ROUNDS):
        for (name, threads), medians in times.items():
            repeats = 50 if bench.quick else 300
            medians.append(query_latency(searches[name], work.queries, K, threads, repeats).p50_ms)
    rows = [
        {"contestant": name, "threads": threads, "p50_ms": statistics.median(medians)}
        for (name, threads), medians in times.items()
    ]
    ours = next(iter(searches))
    mine = min(row["p50_ms"] for row in rows if row["contestant"] == ours)
    theirs = min(row["p50_ms"] for row in rows if row["contestant"] != ours)
    return rows, [Floor("one exact query against the fastest of NumPy and FAISS flat", mine / theirs, NOISE)]


def plain_numpy(vectors: np.ndarray) -> Search:
    """What one writes without a library: all scores, a partition, a sort of the k best."""

    def search(queries: np.ndarray, k: int) -> np.ndarray:
        scores = vectors @ queries[0]
        best = np.argpartition(scores, len(scores) - k)[-k:]
        return best[np.argsort(-scores[best])][None]

    return search


def outside(bench: Bench) -> Outcome:
    """What a query by picture costs outside encoding and searching, without the page's own shaping."""
    encoded, _ = bench.pictures(16)
    steps = {"preprocess": [], "fetch": [], "shape": []}
    for number_ in range(5 + (20 if bench.quick else 100)):
        query = Query(picture=encoded[number_ % len(encoded)])
        result = bench.engine.search(query, bench.gallery, bench.encoder, "ivf", SHOWN)
        started = time.perf_counter()
        result.to_json()
        steps["shape"].append((time.perf_counter() - started) * 1000)
        steps["preprocess"].append(result.timing.preprocess_ms)
        steps["fetch"].append(result.timing.fetch_ms)
    warm = {name: times[5:] for name, times in steps.items()}
    rows = [{"contestant": name, "p50_ms": statistics.median(times)} for name, times in warm.items()]
    total = statistics.median(map(sum, zip(*warm.values(), strict=True)))
    rows.append({"contestant": "all three", "p50_ms": total})
    return rows, [Floor(f"a query of {SHOWN} results outside encoding and searching", total, 3, unit="ms")]


def import_package(bench: Bench) -> Outcome:
    whole, bare = [], []
    for _ in range(3 if bench.quick else 7):
        bare.append(python_seconds("pass"))
        whole.append(python_seconds("import searchdemo"))
    whole, bare = statistics.median(whole), statistics.median(bare)
    rows = [
        {"contestant": "python -c pass", "p50_ms": bare * 1000},
        {"contestant": "python -c 'import searchdemo'", "p50_ms": whole * 1000},
    ]
    return rows, [
        Floor("import searchdemo, with the interpreter's own start", whole, 0.1, unit="s"),
        Floor("import searchdemo, without it", max(0.0, whole - bare), 0.1, unit="s"),
    ]


def start_page(bench: Bench) -> Outcome:
    """Until the page answers, against importing its two largest libraries."""
    libraries = "import gradio, torch"
    python_seconds(libraries)  # read from the disk once, before anyone's turn
    alone, page = [], []
    for _ in range(1 if bench.quick else ROUNDS):
        alone.append(python_seconds(libraries))
        page.append(app_seconds(bench.engine.data_dir, bench.engine.store.own))
    rows = [
        {"contestant": f"python -c '{libraries}'", "p50_ms": statistics.median(alone) * 1000},
        {"contestant": "python app.py, until it answers", "p50_ms": statistics.median(page) * 1000},
    ]
    ratio = statistics.median(mine / theirs for mine, theirs in zip(page, alone, strict=True))
    return rows, [Floor("start of the page against importing gradio and torch", ratio, 1.5)]


def encode(bench: Bench) -> Outcome:
    """The bounds are those of the encoder that comes with searchdemo."""
    encoder, repeats = bench.engine.encoder(bench.encoder), 20 if bench.quick else 100
    (encoded,), _ = bench.pictures(1)
    calls: dict[str, Callable[[], object]] = {"one picture": lambda: encoder.encode_images([open_picture(encoded)])}
    if encoder.has_text:
        calls["one text"] = lambda: encoder.encode_texts([TEXT])
    with thread_limit(1):
        times = {name: latency(call, repeats).p50_ms for name, call in calls.items()}
    rows = [{"contestant": f"{name} by {bench.encoder}", "threads": 1, "p50_ms": ms} for name, ms in times.items()]
    bounds = {"one picture": 10, "one text": 1} if bench.encoder == "bundled" and encoder.device == "cpu" else {}
    return rows, [Floor(f"encode {name}, one thread", times[name], bound, unit="ms") for name, bound in bounds.items()]


def open_stored(bench: Bench) -> Outcome:
    """Its checksum and its map, as the first query of a process waits for it."""
    artifact = bench.engine.prepared(bench.gallery, bench.encoder).artifact
    with tempfile.TemporaryDirectory() as folder:
        copy = replace(artifact, folder=Path(folder))
        path = Path(shutil.copy(artifact.file(VECTORS), folder))

        def first_opening() -> StoredVectors:
            os.utime(path)  # or the digest would be remembered
            return StoredVectors(copy.file(VECTORS))

        opened = latency(first_opening, 3 if bench.quick else 10, warm_up=1)
    row = {"contestant": f"{artifact.manifest.vectors:,} vectors, checksum included", "p50_ms": opened.p50_ms}
    return [row], [Floor("opening the stored vectors", opened.p50_ms / 1000, 0.3, unit="s")]


def open_rows(bench: Bench) -> Outcome:
    """A gallery's rows, labels and fingerprint; no picture is read. A person's own folder may be of any size."""
    opened = latency(lambda: open_gallery(bench.gallery, bench.engine.data_dir), 3 if bench.quick else 10, warm_up=1)
    row = {"contestant": f"{bench.gallery}, without its pictures", "p50_ms": opened.p50_ms}
    bounded = not bench.gallery.startswith("folder:")
    return [row], [Floor("opening the gallery", opened.p50_ms / 1000, 1, unit="s")] * bounded


def shape(bench: Bench) -> Outcome:
    """A result becomes what the browser is sent: with its pictures, with blurred stand-ins, with neither."""
    times = shaping_ms(SHOWN, 50 if bench.quick else 200)
    rows = [{"contestant": f"{SHOWN} {kind}", "p50_ms": ms} for kind, ms in times.items()]
    return rows, [Floor(f"shaping {SHOWN} {kind} for the page", ms, 3, unit="ms") for kind, ms in times.items()]


STEPS: dict[str, Callable[[Bench], Outcome]] = {
    "one exact query": exact_query,
    "outside encoding and searching": outside,
    "importing the package": import_package,
    "starting the page": start_page,
    "encoding one": encode,
    "opening the stored vectors": open_stored,
    "opening the gallery": open_rows,
    "shaping results for the page": shape,
}


def tables(cards: Sequence[RunCard]) -> list[Table]:
    columns = (
        Column("encoder", "encoder"),
        Column("measured", "measured"),
        Column("contestant", "contestant"),
        Column("threads", "threads", fixed(0)),
        Column("p50_ms", "p50 ms", number()),
    )
    rows = [{"encoder": card.encoder} | row for card in cards for row in card.parts["measured"]]
    return [Table("floors-measured", "What the bounds were held against", columns, rows, cards[0].source)]


def charts(cards: Sequence[RunCard]) -> dict:
    """None: bounds are read as a table, see report.floors."""
    return {}
