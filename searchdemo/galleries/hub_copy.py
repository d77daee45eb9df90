"""The public copy of tiny-ImageNet: in the Hugging Face cache of this machine, or fetched into it when asked for."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

from searchdemo.errors import NoPictures
from searchdemo.galleries.copies import Copy, DatasetCopy

REPO = "zh-plus/tiny-imagenet"
HUB = "https://huggingface.co"
REACH_S = 2.0  # the hub answers within this, or counts as out of reach
Progress = Callable[[int, int], None]  # (bytes here, bytes in all)


def cached_copy() -> Copy | None:
    """Found by path, without a request or a heavy import: what was downloaded, or what load_dataset made of it."""
    repo = _hub_cache() / f"datasets--{REPO.replace('/', '--')}"
    for snapshot in _newest_first(repo / "snapshots", first=repo / "refs" / "main"):
        if _is_whole({path.name for path in snapshot.glob("data/*.parquet")}):
            return _copy(snapshot, snapshot.name)
    kept = _home("HF_DATASETS_CACHE", "datasets") / REPO.replace("/", "___")
    for folder in sorted({path.parent for path in kept.glob("*/*/*/*.arrow")}, key=lambda path: -path.stat().st_mtime):
        if {"train", "valid"} <= {
            split for path in folder.glob("*.arrow") for split in re.findall("train|valid", path.name)
        }:
            return _copy(folder, folder.name)
    return None


def download_copy(progress: Progress | None = None) -> Copy:
    """Fetches the main revision into the Hugging Face cache; HF_ENDPOINT is read now. A file that is there stays.

    Raises NoPictures: within about REACH_S when the hub is out of reach.
    """
    endpoint = os.environ.get("HF_ENDPOINT", HUB).rstrip("/")
    try:
        import huggingface_hub

        api = huggingface_hub.HfApi(endpoint=endpoint)
        revision = _within(REACH_S, lambda: api.dataset_info(REPO, timeout=REACH_S)).sha
        folder = huggingface_hub.snapshot_download(
            REPO,
            repo_type="dataset",
            revision=revision,
            allow_patterns=["data/*.parquet", "README.md"],  # README.md tells `datasets` which file is which split
            cache_dir=_hub_cache(),
            endpoint=endpoint,
            tqdm_class=_reporting_to(progress),
        )
    except Exception as error:  # httpx's and the library's errors share no base, and change names with their versions
        reason = (str(error).splitlines() or [""])[0].rstrip(".") or type(error).__name__
        raise NoPictures(
            f"The pictures of tiny-ImageNet could not be fetched from {endpoint}/datasets/{REPO}: {reason}; "
            "go online and try again, or give a copy with --data DIR."
        ) from error
    ref = _hub_cache() / f"datasets--{REPO.replace('/', '--')}" / "refs" / "main"
    ref.parent.mkdir(parents=True, exist_ok=True)
    ref.write_text(revision)  # the library writes it only for a revision asked for by name
    return _copy(Path(folder), revision)


def _copy(folder: Path, revision: str) -> Copy:
    copy = DatasetCopy(folder)
    copy.where = f"{REPO} at revision {revision}"
    return copy


def _is_whole(names: set[str]) -> bool:
    """All parts of both splits: a download that broke off leaves some ("train-00000-of-00002.parquet")."""
    parts = [re.fullmatch(r"(train|valid).*?-\d+-of-(\d+).*\.parquet", name) for name in names]
    counts = {split: [int(p[2]) for p in parts if p and p[1] == split] for split in ("train", "valid")}
    return all(count and len(count) == count[0] for count in counts.values())


def _newest_first(snapshots: Path, first: Path) -> list[Path]:
    """The main revision before all others."""
    main = first.read_text().strip() if first.is_file() else ""
    folders = [path for path in snapshots.glob("*") if path.is_dir()]
    return sorted(folders, key=lambda path: (path.name != main, -path.stat().st_mtime))


def _hub_cache() -> Path:
    return _home("HF_HUB_CACHE", "hub")


def _home(variable: str, name: str) -> Path:
    """Where the Hugging Face libraries keep things, by the environment as it is now."""
    if folder := os.environ.get(variable):
        return Path(folder).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("HF_HOME", f"{cache}/huggingface")).expanduser() / name


def _within(seconds: float, ask: Callable):
    """ask(), or TimeoutError: no time-out of a socket covers the look-up of a host's name."""
    answer: dict = {}

    def run():
        try:
            answer["value"] = ask()
        except Exception as error:  # handed to the thread that waits
            answer["error"] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not answer:
        raise TimeoutError(f"no answer within {seconds:.0f} s")
    if "error" in answer:
        raise answer["error"]
    return answer["value"]


def _reporting_to(progress: Progress | None) -> type:
    """A silent progress bar that hands on the bytes of all files together; None: the library's own, on the terminal."""
    from tqdm.auto import tqdm

    class Reporting(tqdm):
        def __init__(self, *args, **kwargs):
            kwargs.pop("name", None)  # huggingface_hub's own addition
            super().__init__(*args, **kwargs | {"disable": progress is not None})
            self.bytes = kwargs.get("unit") == "B"
            self.done = 0

        def update(self, n: float | None = 1) -> None:
            self.done += n or 0  # a disabled bar does not count
            super().update(n)
            if progress is not None and self.bytes and self.total:
                progress(int(self.done), int(self.total))

    return Reporting
