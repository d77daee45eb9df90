"""Does the same thing again and again, while the disk gets full one change later each time: LD_PRELOAD has full_disk.c.

    LD_PRELOAD=full_disk.so python -m tests.full_disk FOLDER KIND [STEP]

Prints JSON: how many changes of the disk there were, how many tries, and what went wrong.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from searchdemo import hub as hub_module
from searchdemo.collection.export import export_parquet
from searchdemo.collection.library import Library
from searchdemo.collection.maps import keep
from searchdemo.collection.push import push
from searchdemo.collection.query import Query
from searchdemo.collection.store import Store
from searchdemo.errors import SearchDemoError
from searchdemo.galleries import catalog
from searchdemo.indexes.table import INDEXES
from searchdemo.told import sentence
from tests.conftest import World, placed
from tests.damage import restored
from tests.living import LivingFolder
from tests.loopback_hub import LoopbackHub, PushedHub

DISK = ctypes.CDLL(None)
KEPT = ("vectors.partial", "queries.partial")  # journals, from which the same build goes on
SAVED = [name for name in ("hnsw", "hnswlib", "usearch", "nmslib", "annoy", "sq8") if INDEXES[name].installed]


def folder_of(root: Path, world: World) -> LivingFolder:
    folder = LivingFolder(root.with_name("pictures"), world)
    folder.add_many(12)
    for number in range(3):
        folder.add(f"same/{number}.png", 200, 10, 10)
    Image.effect_noise((600, 400), 200).convert("RGB").save(folder.root / "large.png")
    return folder


def answers(folder: LivingFolder) -> dict[str, Any]:
    """Of a process that starts now."""
    folder.build()
    collection = folder.open()
    found = {
        name: [(hit.file, hit.label) for hit in collection.search(Query(text="red"), name, 5).hits] for name in SAVED
    }
    where = collection.search(Query(text="red"), "flat", 40, where="label = 'same' and size > 0").hits
    (row,) = (row for row, path in enumerate(collection.gallery.pictures.paths) if path == "large.png")
    keep(collection, np.zeros((len(collection), 2)), "by hand")
    return found | {"where": len(where), "shown": bool(collection.gallery.pictures.shown(row))}


def first_time(root: Path, world: World, patch: pytest.MonkeyPatch) -> Callable[[], Any]:
    folder = folder_of(root, world)
    return lambda: answers(folder)


def update(root: Path, world: World, patch: pytest.MonkeyPatch) -> Callable[[], Any]:
    folder = folder_of(root, world)
    answers(folder)
    folder.add("new.png", 250, 5, 5)
    (folder.root / "same" / "0.png").unlink()
    return lambda: answers(folder)


def export(root: Path, world: World, patch: pytest.MonkeyPatch) -> Callable[[], Any]:
    folder = folder_of(root, world)
    answers(folder)
    return lambda: export_parquet(folder.open(), root / "out.parquet", 3).rows


def push_and_open(root: Path, world: World, patch: pytest.MonkeyPatch) -> Callable[[], Any]:
    collection = world.built().open("colours", "mean-colour")
    hub = PushedHub(root.with_name("hub")).__enter__()
    patch.setenv("HF_ENDPOINT", hub.endpoint)
    for name in ("tmp", "cache"):
        (root / name).mkdir()
    patch.setattr(tempfile, "tempdir", str(root / "tmp"))

    def act() -> Any:
        revision = push(collection, "me/colours", "mit", {}, pictures=True).revision
        theirs = Library(Store(own=root / "theirs", shipped=root / "nothing"))
        hits = theirs.open(f"hub:me/colours@{revision}", "bundled").search(Query(row=1), "ivf", 3).hits
        return [(hit.row, hit.picture) for hit in hits], sorted(path.name for path in (root / "tmp").iterdir())

    return act


def fetch(root: Path, world: World, patch: pytest.MonkeyPatch) -> Callable[[], Any]:
    payload = root.with_name("payload")
    payload.write_bytes(os.urandom(3_500_000))
    hub = LoopbackHub({"org/weights": {"a.bin": payload}}).__enter__()
    patch.setenv("HF_ENDPOINT", hub.endpoint)
    return lambda: hub_module.fetch("org/weights", "a.bin").read_bytes() == payload.read_bytes()


ACTIONS = {"first time": first_time, "update": update, "export": export, "push": push_and_open, "fetch": fetch}


def tried(root: Path, act: Callable[[], Any], changes: int, once: bool) -> tuple[Any, str, int]:
    """What came of it, or why nothing did, and how many changes there were."""
    catalog._memory.clear()
    said, result = "", None
    DISK.full_disk_arm(os.fsencode(root), ctypes.c_long(changes), int(once))
    try:
        result = act()
    except SearchDemoError as error:
        said = str(error)
    except Exception as error:
        said = sentence(error) or ""
        if "room" not in said:
            said = f"TRACE {traceback.format_exc()}"
    finally:
        total = DISK.full_disk_disarm()
    return result, said, total


def differing(result: Any, right: Any) -> str:
    if not isinstance(right, dict):
        return f"{result} in place of {right}"
    return "; ".join(
        f"{name}: {result[name]} in place of {right[name]}" for name in right if result[name] != right[name]
    )


def sweep(root: Path, act: Callable[[], Any], step: int) -> dict[str, Any]:
    with restored(root):
        right, said, total = tried(root, act, -1, False)
    wrong, tries = [said] * bool(said), 0
    for once in (False, True):
        for changes in range(0, total, step):
            tries += 1
            with restored(root):
                result, said, _ = tried(root, act, changes, once)
                if said.startswith("TRACE") or (said and "room" not in said):
                    wrong.append(f"{changes} {once}: {said}")
                elif not said and result != right:
                    wrong.append(f"{changes} {once}: {differing(result, right)}")
                if left := [path.name for path in root.rglob("*.partial") if path.name not in KEPT]:
                    wrong.append(f"{changes} {once}: {left} stay")
                result, said, _ = tried(root, act, -1, False)
                if result != right:
                    wrong.append(f"{changes} {once}: the next try said {said or result}")
    return {"changes": total, "tries": tries, "wrong": wrong}


def main() -> None:
    place, kind, step = Path(sys.argv[1]), sys.argv[2], int([*sys.argv, "1"][3])
    root = place / "root"
    root.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEARCHDEMO_HOME", str(root / "home"))
        patch.setenv("HF_HUB_CACHE", str(root / "cache"))
        patch.setenv("HF_TOKEN", "hf_made_up")
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        patch.setattr("searchdemo.hub.REACH_S", 60.0)
        world = placed(World(Store(own=root / "home" / "indexes", shipped=root / "nothing")), patch)
        act = ACTIONS[kind](root, world, patch)
        print(json.dumps(sweep(root, act, step)))


if __name__ == "__main__":
    main()
