"""Requirements that no other benchmark holds: an exact query, the path around it, starting, opening stored vectors.

Ratios are of contestants that take turns on this machine; times are medians. Other benchmarks hold their own
requirements. On the command line and in documents this benchmark is called `floors`.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from searchdemo.bench import plots
from searchdemo.bench.child import app_seconds, python_seconds
from searchdemo.bench.copied import copied
from searchdemo.bench.points import Search, in_turns, query_latency, ratio, search_of
from searchdemo.bench.shaping import NEW, own_share_ms, shaping_ms
from searchdemo.bench.tables import Column, Table, columns, rows_of
from searchdemo.bench.workload import Bench, Workload
from searchdemo.collection.query import Query
from searchdemo.collection.store import VECTORS
from searchdemo.errors import SearchDemoError
from searchdemo.extras import is_installed
from searchdemo.galleries.table import open_gallery
from searchdemo.indexes.table import INDEXES
from searchdemo.indexes.vectors import StoredVectors
from searchdemo.measure.cards import Figures, Requirement, RunCard, source_of
from searchdemo.measure.metrics import latency
from searchdemo.pictures import open_picture
from searchdemo.threads import thread_limit

K = 10
SHOWN = 24  # results on the page
ROUNDS = 2
WARM_UP = 5
TEXT = "a red boat on the sea"
COPIED = "as tutorials do it: cosines, a dict, a sort"
NOISE = 1.05  # two runs of the same thing differ by this much, so it still counts as "no slower"

Outcome = tuple[list[dict], list[Requirement]]  # rows of the table, and the requirements on them


def run(bench: Bench) -> Figures:
    """A step that cannot run here becomes a note. Raises NotBuilt, NotHere."""
    subject = _workload(bench).subject
    rows, requirements, notes = [], [], []
    for done, (stage, step) in enumerate(STEPS.items()):
        bench.tell(stage, done, len(STEPS))
        try:
            measured, held = step(bench)
        except SearchDemoError as error:
            notes.append(f"{stage}: {error}")
            continue
        rows += [{"measured": stage} | row for row in measured]
        requirements += held
    settings = {"threads": _threads(), "k": K, "rounds": ROUNDS}
    return Figures(subject, {"measured": rows}, settings, requirements, notes)


def _workload(bench: Bench) -> Workload:
    """All of it with --quick too: an exact query takes milliseconds, and among fewer vectors it is another question."""
    return bench.workload(quick_size=1_000_000)


def _threads() -> list[int]:
    """One, and all."""
    return sorted({1, os.cpu_count() or 1})


def exact_query(bench: Bench) -> Outcome:
    """Our own exact search against the fastest search without it, with one thread and with all."""
    work = _workload(bench)
    own = INDEXES["exact-bf16"].build(work.vectors)
    ours = f"exact-bf16 ({own.recipe})"
    searches = {
        ours: search_of(own),
        "plain NumPy": plain_numpy(work.vectors),
        "FAISS flat": search_of(INDEXES["flat"].build(work.vectors)),
    }

    if is_installed("sklearn"):
        searches[COPIED] = copied(work.vectors, work.labels)

    def p50_ms(name: str, threads: int) -> float:
        return query_latency(searches[name], work.queries, K, threads, 50 if bench.quick else 300).p50_ms

    contestants = {(name, threads): partial(p50_ms, name, threads) for threads in _threads() for name in searches}
    rows: list[dict] = [
        {"contestant": name, "threads": threads, "p50_ms": statistics.median(times)}
        for (name, threads), times in in_turns(contestants, ROUNDS).items()
    ]
    mine = min(row["p50_ms"] for row in rows if row["contestant"] == ours)
    theirs = min(row["p50_ms"] for row in rows if row["contestant"] != ours)
    return rows, [Requirement("one exact query against the fastest of NumPy and FAISS flat", mine / theirs, NOISE)]


def plain_numpy(vectors: np.ndarray) -> Search:
    """The search that people write without a library: all scores, a partition, a sort of the k best."""

    def search(queries: np.ndarray, k: int) -> np.ndarray:
        scores = vectors @ queries[0]
        best = np.argpartition(scores, len(scores) - k)[-k:]
        return best[np.argsort(-scores[best])][None]

    return search


def outside(bench: Bench) -> Outcome:
    """The cost of a query by picture outside encoding and searching, without the page's own shaping."""
    encoded, _ = bench.pictures(16)
    collection = bench.collection()
    steps: dict[str, list[float]] = {"preprocess": [], "fetch": [], "shape": []}
    for turn in range(WARM_UP + (20 if bench.quick else 100)):
        query = Query(picture=encoded[turn % len(encoded)])
        result = collection.search(query, "ivf", SHOWN)
        started = time.perf_counter()
        result.to_json()
        steps["shape"].append((time.perf_counter() - started) * 1000)
        steps["preprocess"].append(result.timing.preprocess_ms)
        steps["fetch"].append(result.timing.fetch_ms)
    warm = {name: times[WARM_UP:] for name, times in steps.items()}
    warm["all three"] = [sum(times) for times in zip(*warm.values(), strict=True)]
    name = f"a query of {SHOWN} results outside encoding and searching"
    return _rows(warm), [Requirement(name, statistics.median(warm["all three"]), 3, unit="ms")]


def _rows(times: dict[str, list[float]], scale: float = 1.0) -> list[dict]:
    """One row per contestant, with its median. scale: milliseconds per unit of its times."""
    return [{"contestant": name, "p50_ms": statistics.median(found) * scale} for name, found in times.items()]


def import_package(bench: Bench) -> Outcome:
    contestants = {
        "python -c pass": partial(python_seconds, "pass"),
        "python -c 'import searchdemo'": partial(python_seconds, "import searchdemo"),
    }
    seconds = in_turns(contestants, 3 if bench.quick else 7)
    bare, whole = map(statistics.median, seconds.values())
    return _rows(seconds, 1000), [
        Requirement("import searchdemo, with the interpreter's own start", whole, 0.1, unit="s"),
        Requirement("import searchdemo, without it", max(0.0, whole - bare), 0.1, unit="s"),
    ]


def start_page(bench: Bench) -> Outcome:
    """The time until the page answers, against importing its two largest libraries."""
    libraries = "import gradio, torch"
    python_seconds(libraries)  # reads them from the disk, so that no contestant has to
    contestants = {
        f"python -c '{libraries}'": partial(python_seconds, libraries),
        "python app.py, until it answers": partial(app_seconds, bench.library.data_dir, bench.library.store.own),
    }
    seconds = in_turns(contestants, 1 if bench.quick else ROUNDS)
    alone, page = seconds.values()
    name = "start of the page against importing gradio and torch"
    return _rows(seconds, 1000), [Requirement(name, ratio(page, alone), 1.5)]


def encode(bench: Bench) -> Outcome:
    """From a picture's bytes to its unit row. Only the encoder that comes with searchdemo has requirements."""
    encoder, repeats = bench.encoder(), 20 if bench.quick else 100
    (encoded,), _ = bench.pictures(1)
    calls: dict[str, Callable[[], object]] = {"one picture": lambda: encoder.encode_images([open_picture(encoded)])}
    if encoder.has_text:
        calls["one text"] = lambda: encoder.encode_texts([TEXT])
    with thread_limit(1):
        times = {name: latency(call, repeats).p50_ms for name, call in calls.items()}
    rows = [{"contestant": f"{name} by {bench.key.encoder}", "threads": 1, "p50_ms": ms} for name, ms in times.items()]
    ours = bench.key.encoder == "bundled" and encoder.how.device == "cpu"
    bounds = {"one picture": 2.5, "one text": 1} if ours else {}
    return rows, [Requirement(f"encode {name}, one thread", times[name], ms, unit="ms") for name, ms in bounds.items()]


def why_matched(bench: Bench) -> Outcome:
    """Which parts of a hit carry its score, asked with a picture. Only the encoder that ships has a requirement."""
    (encoded,), name = bench.pictures(1)
    collection = bench.collection() if name == bench.key.gallery else bench.library.open(name, bench.key.encoder)
    row = int(collection.gallery_rows(np.arange(1))[0])
    query = Query(picture=encoded)
    passes = collection.why(query, row).passes
    with thread_limit(1):
        ms = latency(lambda: collection.why(query, row), 3 if bench.quick else 20).p50_ms
    rows = [{"contestant": f"{passes} passes by {bench.key.encoder}, {name}", "threads": 1, "p50_ms": ms}]
    ours = bench.key.encoder == "bundled" and collection.encoder().how.device == "cpu"
    return rows, [Requirement("why a picture matched, one thread", ms / 1000, 1, unit="s")] * ours


def open_stored(bench: Bench) -> Outcome:
    """Checking the checksum of the stored vectors and mapping them, which the first query of a process waits for."""
    artifact = bench.collection().artifact
    with tempfile.TemporaryDirectory() as folder:
        copy = replace(artifact, folder=Path(folder))
        path = Path(shutil.copy(artifact.file(VECTORS), folder))

        def first_opening() -> StoredVectors:
            os.utime(path)  # or the digest would be remembered
            return StoredVectors(copy.file(VECTORS))

        opened = latency(first_opening, 3 if bench.quick else 10, warm_up=1)
    row = {"contestant": f"{artifact.manifest.vectors:,} vectors, checksum included", "p50_ms": opened.p50_ms}
    return [row], [Requirement("opening the stored vectors", opened.p50_ms / 1000, 0.3, unit="s")]


def open_rows(bench: Bench) -> Outcome:
    """A gallery's rows, labels and fingerprint; no picture is read. A user's own folder may be of any size."""
    name, repeats = bench.key.gallery, 3 if bench.quick else 10
    opened = latency(lambda: open_gallery(name, bench.library.data_dir), repeats, warm_up=1)
    row = {"contestant": f"{name}, without its pictures", "p50_ms": opened.p50_ms}
    held = not name.startswith("folder:")
    return [row], [Requirement("opening the gallery", opened.p50_ms / 1000, 1, unit="s")] * held


def shape(bench: Bench) -> Outcome:
    """From a result to the message for the browser: with its pictures, with blurred stand-ins, with neither."""
    times = shaping_ms(SHOWN, 50 if bench.quick else 200)
    rows = [{"contestant": f"{SHOWN} {kind}", "p50_ms": ms} for kind, ms in times.items()]
    return rows, [Requirement(f"shaping {SHOWN} {kind} for the page", ms, 3, unit="ms") for kind, ms in times.items()]


def own_share(bench: Bench) -> Outcome:
    """All that the page adds to encoding and searching: decoding, the comparison with exact search, tiles and lines."""
    library = bench.library
    times = own_share_ms(bench.key, library.data_dir, library.store.own, 20 if bench.quick else 200)
    rows = [{"contestant": part, "p50_ms": ms} for part, ms in times.items()]
    return rows, [Requirement("the page's own share of a query, compared with exact search", times[NEW], 3, unit="ms")]


STEPS: dict[str, Callable[[Bench], Outcome]] = {
    "one exact query": exact_query,
    "outside encoding and searching": outside,
    "importing the package": import_package,
    "starting the page": start_page,
    "encoding one": encode,
    "why a picture matched": why_matched,
    "opening the stored vectors": open_stored,
    "opening the gallery": open_rows,
    "shaping results for the page": shape,
    "the page's own share of a query": own_share,
}


def tables(cards: Sequence[RunCard]) -> list[Table]:
    heads = [Column("measured", "measured"), *columns("contestant threads p50_ms")]
    title = "What the bounds were held against"
    return [
        Table("floors-measured", title, [*columns("encoder"), *heads], rows_of(cards, "measured"), source_of(cards))
    ]


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    """None: requirements are shown as a table, see report.requirements."""
    return {}
