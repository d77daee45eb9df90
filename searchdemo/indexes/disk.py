"""An inverted file larger than memory: built in shards, merged by FAISS into one file of lists, opened by mapping.

Its folder holds `index.faiss` (centroids, and where each list begins), `lists.bin` (for each list its half floats and
positions) and `card.json` with the SHA-256 of both. FAISS calls such lists on-disk inverted lists.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from searchdemo.errors import BadArtifact, BadQuery, NotHere
from searchdemo.files import make_folder, sha256_of, told_unwritable, unwritable, write_json
from searchdemo.indexes import faiss_index
from searchdemo.indexes.base import IndexSpec, reason
from searchdemo.indexes.factory import from_factory
from searchdemo.indexes.faiss_index import FaissIndex

INDEX, LISTS, CARD = "index.faiss", "lists.bin", "card.json"
SHARD = 1_000_000  # vectors that are in memory as half floats at a time
POSITION_BYTES = 8  # of each vector, beside its code


def build(folder: Path, spec: IndexSpec, sample: np.ndarray, blocks: Iterable[np.ndarray], shard: int = SHARD) -> None:
    """Makes the folder, whole or not at all. It takes the room of the vectors twice until the shards are deleted.

    spec: an inverted file, `IVF...,SQfp16` or another whose codes FAISS can merge
    sample: unit rows (m, dim) float32 that centroids are trained with
    blocks: unit rows (any number, dim) float32; their positions go on from block to block
    shard: a shard is written when it holds so many vectors

    Raises BadQuery for a folder that exists and an index that cannot be built so, NotWritten where the disk is full or
    the place may not be written to, NotHere where FAISS has no on-disk lists.
    """
    _check_platform()
    if folder.exists():
        raise BadQuery(f"{folder} exists already: delete it, or name another folder.")
    work = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".partial", dir=make_folder(folder.parent)))
    try:
        with told_unwritable(folder):
            with spec.refusals(sample):
                index = faiss_index.trained(spec, sample)
                if faiss.try_extract_index_ivf(index) is None:
                    raise ValueError("it has no inverted lists")
            shards = _shards(work, index, blocks, shard)
            _merge(index, shards, work / LISTS)
            faiss_index.write(index, work / INDEX)
            del index  # which maps the lists
            digests = {name: sha256_of(work / name) for name in (INDEX, LISTS)}
            write_json(work / CARD, {"factory": spec.recipe(*sample.shape), "files": digests})
            work.replace(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _check_platform() -> None:
    if not hasattr(faiss, "OnDiskInvertedLists"):
        raise NotHere(
            "FAISS maps no inverted lists on this system (Windows): take the index 'ivf', which lies in memory."
        )


def _shards(work: Path, index: Any, blocks: Iterable[np.ndarray], shard: int) -> list[Path]:
    """Files of the trained, empty index with the vectors of some blocks each. It is empty again at the end."""
    paths: list[Path] = []
    first = 0

    def put() -> None:
        paths.append(work / f"shard{len(paths)}.faiss")
        faiss_index.write(index, paths[-1])
        index.reset()

    for block in blocks:
        index.add_with_ids(block, np.arange(first, first + len(block)))
        first += len(block)
        if index.ntotal >= shard:
            put()
    if index.ntotal:
        put()
    return paths


def _merge(index: Any, shards: list[Path], lists: Path) -> None:
    """Gives the empty index the vectors of all shards, in a file of lists that it maps, and deletes the shards.

    As `faiss.contrib.ondisk.merge_ondisk`, which keeps the shards mapped, and so their room taken, until the process
    ends.
    """
    ivf = faiss.extract_index_ivf(index)
    owners = [faiss.read_index(str(path), faiss.IO_FLAG_MMAP) for path in shards]
    total = sum(owner.ntotal for owner in owners)
    _check_room(lists, total * (ivf.code_size + POSITION_BYTES))
    merged = faiss.OnDiskInvertedLists(ivf.nlist, ivf.code_size, str(lists))
    parts = faiss.InvertedListsPtrVector()
    for owner in owners:
        parts.push_back(faiss.extract_index_ivf(owner).invlists)
    try:
        merged.merge_from_multiple(parts.data(), parts.size(), False)
    except RuntimeError as error:
        raise unwritable(lists, reason(error)) from error
    ivf.replace_invlists(merged, True)
    merged.this.disown()
    index.ntotal = ivf.ntotal = total
    del owners
    for path in shards:
        path.unlink()


def _check_room(path: Path, size: int) -> None:
    """Raises OSError where a file of so many bytes finds no room. FAISS would map one with holes, and a disk that is
    full while it fills them ends the process by a signal."""
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):  # not on macOS
            if size:
                os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)


def load(folder: Path) -> FaissIndex:
    """The index of a folder that `build` made: mapped, after both files were compared with the SHA-256 of the card.

    Raises BadArtifact for a file that is missing, damaged or another's, NotHere where FAISS has no on-disk lists.
    """
    _check_platform()
    again = f"delete {folder}, and build it again."
    try:
        card = json.loads((folder / CARD).read_text())
        factory, digests = str(card["factory"]), {name: card["files"][name] for name in (INDEX, LISTS)}
        for name, digest in digests.items():
            if sha256_of(folder / name) != digest:
                raise BadArtifact(f"{folder / name} is not the file that its card names (SHA-256 differs): {again}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadArtifact(
            f"{folder} is not a whole index on disk ({type(error).__name__}: {error}): {again}"
        ) from error
    started = time.perf_counter()
    owner = faiss_index.read(folder / INDEX, beside=True)
    size = sum((folder / name).stat().st_size for name in digests)
    index = FaissIndex(from_factory(factory, "ivf", "ivf-disk"), owner, size, factory)
    index.load_ms = (time.perf_counter() - started) * 1000
    return index
