"""The public copy of tiny-ImageNet, in the Hugging Face cache of this machine or downloaded into it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from searchdemo import hub
from searchdemo.errors import NoPictures
from searchdemo.galleries.copies import Copy, DatasetCopy
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
    """Downloads the main revision into the Hugging Face cache. It goes on where a broken download stopped.

    Raises NoPictures, within 3 s when the hub is out of reach.
    """
    try:
        from huggingface_hub import HfApi

        api = HfApi(endpoint=hub.endpoint())
        info = hub.within(hub.REACH_S, lambda: api.dataset_info(REPO, files_metadata=True, timeout=hub.REACH_S))
        revision, files = str(info.sha), info.siblings or []
        wanted = {file.rfilename: file.size or 0 for file in files if re.fullmatch(FILES, file.rfilename)}
        before, total = 0, sum(wanted.values())
        for name, size in wanted.items():
            report = partial(_report, progress, before, total)
            hub.fetch(REPO, name, report, kind="dataset", revision=revision)
            before += size
    except Exception as error:  # httpx's and the library's errors share no base, and change names with their versions
        raise NoPictures(
            f"The pictures of tiny-ImageNet could not be fetched from {hub.endpoint()}/datasets/{REPO}: "
            f"{hub.reason(error)}; go online and try again, or give a copy with --data DIR."
        ) from error
    return _copy(hub.repo_folder(REPO, "dataset") / "snapshots" / revision, revision)


def _report(progress: Count | None, before: int, total: int, done: int, _: int) -> None:
    """Tells the progress of one file as that of all files."""
    if progress is not None:
        progress(before + done, total)


def _copy(folder: Path, revision: str) -> Copy:
    return DatasetCopy(folder, f"{REPO} at revision {revision}", revision)


def _is_whole(names: set[str]) -> bool:
    """Whether all parts of both splits are there ("train-00000-of-00002.parquet"). A broken download lacks some."""
    parts = [re.fullmatch(r"(train|valid).*?-\d+-of-(\d+).*\.parquet", name) for name in names]
    counts = {split: [int(p[2]) for p in parts if p and p[1] == split] for split in ("train", "valid")}
    return all(count and len(count) == count[0] for count in counts.values())


def _newest_first(folders: Iterable[Path]) -> list[Path]:
    return sorted(folders, key=lambda path: -path.stat().st_mtime)
