"""The public copy of tiny-ImageNet, in the Hugging Face cache of this machine or downloaded into it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from searchdemo import hub
from searchdemo.galleries.copies import Copy, DatasetCopy
from searchdemo.galleries.hub_files import download
from searchdemo.types import Count

REPO = "zh-plus/tiny-imagenet"
FILES = r"data/.*\.parquet|README\.md"  # README.md tells `datasets` the split of each file


def cached_copy() -> Copy | None:
    """A whole download, or the copy that load_dataset made of one. It needs no request and no heavy import."""
    for snapshot in _newest_first(hub.repo_folder(REPO, "dataset").glob("snapshots/*")):
        if _is_whole({path.name for path in snapshot.glob("data/*.parquet")}):
            return _copy(snapshot, snapshot.name)
    cache = hub.home("HF_DATASETS_CACHE", "datasets") / REPO.replace("/", "___")
    for folder in _newest_first({path.parent for path in cache.glob("*/*/*/*.arrow")}):
        names = " ".join(path.name for path in folder.glob("*.arrow"))
        if "train" in names and "valid" in names:
            return _copy(folder, folder.name)
    return None


def download_copy(progress: Count | None = None) -> Copy:
    """Downloads the main revision into the Hugging Face cache, see hub_files.download. Raises NoPictures."""
    otherwise = "give a copy with --data DIR"
    folder, revision = download(REPO, lambda name: bool(re.fullmatch(FILES, name)), progress, otherwise=otherwise)
    return _copy(folder, revision)


def _copy(folder: Path, revision: str) -> Copy:
    return DatasetCopy(folder, f"{REPO} at revision {revision}", revision)


def _is_whole(names: set[str]) -> bool:
    """Whether all parts of both splits are there ("train-00000-of-00002.parquet"). A broken download lacks some."""
    parts = [re.fullmatch(r"(train|valid).*?-\d+-of-(\d+).*\.parquet", name) for name in names]
    counts = {split: [int(p[2]) for p in parts if p and p[1] == split] for split in ("train", "valid")}
    return all(count and len(count) == count[0] for count in counts.values())


def _newest_first(folders: Iterable[Path]) -> list[Path]:
    return sorted(folders, key=lambda path: -path.stat().st_mtime)
