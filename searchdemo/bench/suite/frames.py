"""The map: how smoothly it moves in a browser, and how many neighbours survive in two dimensions.

Chromium without a graphics card shows the page of a process of its own. A frame counts when requestAnimationFrame
finds the map drawn anew. On the command line and in documents this benchmark is called `map`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from searchdemo.bench import plots
from searchdemo.bench.child import running_app
from searchdemo.bench.tables import Table, columns, rows_of
from searchdemo.bench.workload import Bench
from searchdemo.collection.collection import Collection
from searchdemo.errors import NotBuilt, NotHere
from searchdemo.extras import imported
from searchdemo.indexes.table import find
from searchdemo.measure.cards import Figures, Requirement, RunCard, source_of

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
SCREEN = {"width": 1440, "height": 900}
SECONDS, QUICK_SECONDS = 4.0, 1.0  # of each motion
K, SAMPLE = 10, 5000  # neighbours, and points whose neighbours are looked at
PATIENCE_MS = 60_000
# One event of the mouse in each frame, from inside the page: a hand from outside would take the processor from it.
MOVE = """([motion, seconds]) => new Promise(done => {
  const map = document.querySelector('.map'), stage = map.querySelector('.map-stage');
  const box = stage.getBoundingClientRect(), x = box.left + box.width / 2, y = box.top + box.height / 2;
  const times = [], began = performance.now();
  const send = (kind, Event, options) => stage.dispatchEvent(new Event(kind,
    {bubbles: true, cancelable: true, pointerId: 1, pointerType: 'mouse', clientX: x, clientY: y, ...options}));
  stage.setPointerCapture = () => {};  // of a pointer that no device has
  let drawn = map.dataset.frames, turn = 0;
  if (motion === 'pan') send('pointerdown', PointerEvent);
  const frame = now => {
    if (map.dataset.frames !== drawn) times.push(now);
    drawn = map.dataset.frames;
    if (now - began > seconds * 1000 && times.length > 1) {
      if (motion === 'pan') send('pointerup', PointerEvent);
      return done(times);
    }
    const swing = Math.abs(turn++ % 40 - 20) - 10;
    if (motion === 'pan') send('pointermove', PointerEvent, {clientX: x + 7 * swing, clientY: y + turn % 2});
    else send('wheel', WheelEvent, {deltaY: turn % 40 < 20 ? -40 : 40});
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})"""
CLOSER = """() => {
  const stage = document.querySelector('.map-stage'), box = stage.getBoundingClientRect();
  const [clientX, clientY] = [box.left + box.width / 2, box.top + box.height / 2];
  for (let i = 0; i < 5; i++) stage.dispatchEvent(new WheelEvent('wheel', {deltaY: -166, clientX, clientY}));
}"""


def run(bench: Bench) -> Figures:
    """Raises NotBuilt without a map, NotInstalled without Playwright, NotHere without Chromium."""
    collection = bench.collection()
    if collection.map() is None:
        raise NotBuilt(f"There is no map yet: run `{collection.artifact.key.map_command}`.")
    bench.tell("neighbours on the map")
    quality = survival(collection)
    frames = moved(bench)
    slowest = min(row["frames_per_second"] for row in frames)
    held = Requirement("frames per second of the map, the slowest motion", slowest, 30, at_least=True, unit="per s")
    manifest = collection.artifact.manifest
    subject = {
        "vectors": len(collection),
        "dim": collection.vectors.dim,
        "vectors_sha256": collection.artifact.vectors_sha256,
        "stand_in": manifest.stand_in,
    }
    return Figures(subject, {"frames": frames, "neighbours": [quality]}, {"k": K, "screen": SCREEN}, [held])


def survival(collection: Collection) -> dict:
    """How many of a point's exact neighbours are among its nearest on the map, and the classes that both name."""
    drawn, labels, vectors = collection.map(), collection.labels(), collection.vectors.all()
    assert drawn is not None
    chosen = np.sort(np.random.default_rng(0).permutation(len(vectors))[:SAMPLE])

    def others(rows: np.ndarray, metric: str) -> np.ndarray:
        found = find("flat").build(rows, metric).search(rows[chosen], K + 1).positions
        keep = found != chosen[:, None]
        keep[keep.all(axis=1), -1] = False  # so many lie on the same place that it was not found itself
        return found[keep].reshape(len(chosen), -1)

    exact, near = others(vectors, "ip"), others(np.ascontiguousarray(drawn.points), "l2")
    kept = (near[:, :, None] == exact[:, None, :]).any(axis=2).mean()

    def top1(found: np.ndarray) -> float:
        votes = np.zeros((len(found), labels.max() + 2), np.int64)
        np.add.at(votes, (np.arange(len(found))[:, None], labels[found]), 1)
        return float((votes.argmax(axis=1) == labels[chosen]).mean() * 100)

    return {"method": drawn.made, "kept_percent": float(kept * 100), "map_top1": top1(near), "knn_top1": top1(exact)}


def moved(bench: Bench) -> list[dict]:
    """One row per motion."""
    playwright = imported("playwright.sync_api", "The benchmark 'map'", "pip install playwright")
    path = os.environ.get("SEARCHDEMO_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        raise NotHere("There is no Chromium here: apt-get install chromium (or set SEARCHDEMO_CHROMIUM to one).")
    bench.tell("starting the page")
    with running_app(bench.library.data_dir, bench.library.store.own) as port, playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_page(viewport=SCREEN)
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"http://127.0.0.1:{port}/?gallery={bench.key.gallery}&encoder={bench.key.encoder}")
        page.get_by_role("tab", name="Map").click()
        page.wait_for_function("document.querySelector('.map')?.dataset.visited > 0")  # with the page's first query
        rows = motions(page, QUICK_SECONDS if bench.quick else SECONDS, bench.tell)
        browser.close()
    return rows


def motions(page: Any, seconds: float, tell: Callable[[str], None] = lambda stage: None) -> list[dict]:
    """Moves the map of Playwright's page, which is open: whole, then 8 times closer. Frames per second that it drew."""
    rows: list[dict] = []
    for where in ("the whole map", "8 times closer"):
        if rows:
            page.evaluate(CLOSER)
        for motion in ("pan", "zoom"):
            tell(f"{motion}, {where}")
            times = np.array(page.evaluate(MOVE, [motion, seconds]))
            between = np.diff(times)
            rows.append(
                {
                    "motion": motion,
                    "where": where,
                    "drawn": len(times),
                    "frames_per_second": float(1000 / between.mean()),
                    "frame_p50_ms": float(np.median(between)),
                    "frame_p95_ms": float(np.percentile(between, 95)),
                }
            )
    return rows


def tables(cards: Sequence[RunCard]) -> list[Table]:
    heads = columns("encoder motion where drawn frames_per_second frame_p50_ms frame_p95_ms")
    title = f"Moving the map in Chromium without a graphics card, {SCREEN['width']} × {SCREEN['height']}"
    frames = Table("map-frames", title, heads, rows_of(cards, "frames"), source_of(cards))
    heads = columns("encoder method kept_percent map_top1 knn_top1")
    title = f"What survives in two dimensions: the {K} nearest of {SAMPLE:,} points, themselves left out"
    return [frames, Table("map-neighbours", title, heads, rows_of(cards, "neighbours"), source_of(cards))]


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    """None: four rows are read faster than a chart."""
    return {}
