"""A small run card of the trade-off benchmark whose answers are known, for the tests of the tab that draws it."""

from __future__ import annotations

from searchdemo.measure.cards import RunCard

SUBJECT = {"vectors": 10_000, "dim": 48, "queries": 200, "vectors_sha256": "ab"}


NAMES = {"exact": "flat", "graph": "hnsw", "hash": "lsh"}  # family -> an index of it


def row(factory: str, family: str, p50_ms: float, recall: float, megabytes: float, top1: float = 50.0, **params: int):
    return {
        "index": NAMES.get(family, family),
        "family": family,
        "factory": factory,
        "build_params": {"efConstruction": 200} if family == "graph" else {},
        "params": params,
        "metric": "ip",
        "p50_ms": p50_ms,
        "p95_ms": 2 * p50_ms,
        "p99_ms": 3 * p50_ms,
        "repeats": 100,
        "recall_1": recall,
        "recall_10": recall,
        "recall_100": recall,
        "precision_10": 0.4,
        "knn_top1": top1,
        "size_bytes": int(megabytes * 1e6),
        "build_s": 1.5,
    }


EXACT = row("Flat", "exact", 8.0, 1.0, 50, 52.5)
FAST = row("IVF64,SQfp16", "ivf", 0.1, 0.7, 26, 50.0, nprobe=1)
MIDDLE = row("IVF64,SQfp16", "ivf", 0.4, 0.96, 26, 52.4, nprobe=8)
GRAPH = row("HNSW32", "graph", 0.5, 0.99, 78, 52.5, ef_search=64)
BEATEN = row("LSH192rt", "hash", 1.0, 0.6, 0.5, 41.0)
ROWS = [EXACT, FAST, MIDDLE, GRAPH, BEATEN]  # by time, the front is FAST, MIDDLE, GRAPH, EXACT


def tradeoff_card(
    gallery: str = "tiny-imagenet", machine: str = "Some CPU, 2 cores", at: str = "2026-01-02", **changed
):
    fields = {
        "benchmark": "tradeoff",
        "gallery": gallery,
        "encoder": "bundled",
        "parts": {"points": ROWS},
        "subject": SUBJECT,
        "settings": {"quick": False, "threads": [1]},
        "machine": {"name": machine},
        "at": f"{at}T03:04:05+00:00",
    }
    return RunCard(**fields | changed)
