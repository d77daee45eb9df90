"""The public copy of tiny-ImageNet: in the Hugging Face cache of this machine, or fetched into it when asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from searchdemo import hub
from searchdemo.errors import NoPictures
from searchdemo.galleries.copies import Copy, DatasetCopy
from searchdemo.hub import Progress

REPO = "zh-plus/tiny-imagenet"
FILES = r"data/.*\.parquet|README\.md"


def cached_copy() -> Copy | None:
    """Found by path, without a request or a heavy import: what was downloaded, or what load_dataset made of it."""
    for snapshot in _newest_first(hub.repo_folder(REPO, "dataset").glob("snapshots/*")):
        if _is_whole({path.name for path in snapshot.glob("data/*.parquet")}):
            return _copy(snapshot, snapshot.name)
    kept = hub.home("HF_DATASETS_CACHE", "datasets") / REPO.replace("/", "___")
    for folder in _newest_first({path.parent for path in kept.glob("*/*/*/*.arrow")}):
        if {"train", "valid"} <= {
            split for path in folder.glob("*.arrow") for split in re.findall("train|valid", path.name)
        }:
            return _copy(folder, folder.name)
    return None


def download_copy(progress: Progress | None = None) -> Copy:
    """Fetches the main revision into the Hugging Face cache. What came before a drop-out stays.

    Raises NoPictures: within 3 s when the hub is out of reach.
    """
    try:
        from huggingface_hub import HfApi

        api = HfApi(endpoint=hub.endpoint())
        info = hub.within(hub.REACH_S, lambda: api.dataset_info(REPO, files_metadata=True, timeout=hub.REACH_S))
        # README.md tells `datasets` which file is which split.
        wanted = {file.rfilename: file.size or 0 for file in info.siblings if re.fullmatch(FILES, file.rfilename)}
        before = 0
        for name, size in wanted.items():

            def report(done: int, total: int, before: int = before) -> None:
                if progress is not None:
                    progress(before + done, sum(wanted.values()))

            hub.fetch(REPO, name, report, kind="dataset", revision=info.sha)
            before += size
    except Exception as error:  # httpx's and the library's errors share no base, and change names with their versions
        raise NoPictures(
            f"The pictures of tiny-ImageNet could not be fetched from {hub.endpoint()}/datasets/{REPO}: "
            f"{hub.reason(error)}; go online and try again, or give a copy with --data DIR."
        ) from error
    return _copy(hub.repo_folder(REPO, "dataset") / "snapshots" / info.sha, info.sha)


def _copy(folder: Path, revision: str) -> Copy:
    copy = DatasetCopy(folder)
    copy.where, copy.revision = f"{REPO} at revision {revision}", revision
    return copy


def _is_whole(names: set[str]) -> bool:
    """All parts of both splits: a download that broke off leaves some ("train-00000-of-00002.parquet")."""
    parts = [re.fullmatch(r"(train|valid).*?-\d+-of-(\d+).*\.parquet", name) for name in names]
    counts = {split: [int(p[2]) for p in parts if p and p[1] == split] for split in ("train", "valid")}
    return all(count and len(count) == count[0] for count in counts.values())


def _newest_first(folders: Iterable[Path]) -> list[Path]:
    return sorted(folders, key=lambda path: -path.stat().st_mtime)
