"""Pictures of a data set on the hub: a build embeds those of one file while the next one is on its way."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from searchdemo import hub
from searchdemo.cache import Cache
from searchdemo.galleries.base import Arriving
from searchdemo.galleries.copies import picture_bytes
from searchdemo.galleries.dataset_columns import Columns
from searchdemo.galleries.dataset_pictures import DatasetPictures
from searchdemo.galleries.hub_files import unfetched
from searchdemo.galleries.shards import KIND, Shards

GROUPS = 4  # groups of rows that are kept in memory: Parquet reads no less of a file at once
WAKE_S = 0.5  # a thread that waits for a file looks so often whether the download was given up


class HubPictures(DatasetPictures):
    """Nothing is downloaded but during a build, and then only files that hold rows of it."""

    def __init__(self, shards: Shards, columns: Columns, rows: range, source: str, online: bool):
        super().__init__(shards, columns, hub.repo_folder(shards.repo, KIND), rows, source)
        self.revision, self._shards, self._online = shards.commit, shards, online
        self._groups: Cache[tuple[np.ndarray, Any]] = Cache(GROUPS)
        self._coming: _Coming | None = None

    @property
    def missing(self) -> str:
        if not len(self):
            return ""
        first, last = (self._shards.of_row(self._at(row))[0] for row in (0, len(self) - 1))
        files = range(first, last + 1)
        here = sum(map(self._here, files))
        if here == len(files):
            return ""
        return f"{here} of the {len(files)} files of {self.source} are on this machine; a build fetches those it needs."

    def has(self, row: int) -> bool:
        return self._online or self._here(self._shards.of_row(self._at(row))[0])

    def encoded(self, row: int) -> bytes | None:
        number, place = self._shards.of_row(self._at(row))
        if not self._here(number):
            coming = self._coming
            if coming is None or not coming.wait_for(number):
                return None
        return picture_bytes(self._read(number, place), self._folder)

    def within(self, limit: int) -> int:
        """The first files hold a balanced part of so many: those behind them are not asked for."""
        share = -(-limit // max(len(set(self.labels.tolist())), 1))  # of each class
        wanted = {
            label: min(share, int(count))
            for label, count in zip(*np.unique(self.labels, return_counts=True), strict=True)
        }
        for end in self._shards.starts[1:].tolist():
            count = max(0, min(end - self._rows.start, len(self)))
            here = dict(zip(*np.unique(self.labels[:count], return_counts=True), strict=True))
            if count >= min(limit, len(self)) and all(here.get(label, 0) >= n for label, n in wanted.items()):
                return count
        return len(self)

    def arriving(self, rows: np.ndarray) -> Arriving:
        numbers = sorted({self._shards.of_row(self._at(row))[0] for row in rows.tolist()})
        wanted = [number for number in numbers if not self._here(number)]
        self._coming = _Coming(self._shards, wanted) if wanted and self._online else None
        return self._coming or Arriving()

    def _here(self, number: int) -> bool:
        return self._shards.path(number) is not None

    def _read(self, number: int, place: int) -> dict | None:
        import pyarrow.parquet as pq

        path = self._shards.path(number)
        if path is None:
            return None
        starts = self._groups.get((number, -1), lambda: (_group_starts(pq.ParquetFile(path)), None))[0]
        group = int(np.searchsorted(starts, place, "right")) - 1

        def read() -> tuple[np.ndarray, Any]:
            return starts, pq.ParquetFile(path).read_row_group(group, [self._column], use_threads=False).column(0)

        return self._groups.get((number, group), read)[1][place - int(starts[group])].as_py()


def _group_starts(file: Any) -> np.ndarray:
    counts = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    return np.cumsum([0, *counts])[:-1]


class _Coming(Arriving):
    """Downloads files one after the other in a thread."""

    def __init__(self, shards: Shards, numbers: list[int]):
        self._shards, self._numbers = shards, numbers
        self._done, self._bytes = 0, (0, 0)
        self._error: Exception | None = None
        self._ended, self._changed = threading.Event(), threading.Condition()
        threading.Thread(target=self._run, name=f"fetching {shards.repo}", daemon=True).start()

    def said(self) -> str:
        """ "file 2 of 30 is coming, 120 of 410 MB"."""
        if self._done == len(self._numbers) or self._ended.is_set():
            return ""
        here, total = (count / 1e6 for count in self._bytes)
        return f"file {self._done + 1} of {len(self._numbers)} is coming, {here:,.0f} of {total:,.0f} MB"

    def wait_for(self, number: int) -> bool:
        """Whether it came. Raises NoPictures where it cannot."""
        with self._changed:
            while self._shards.path(number) is None and not self._ended.is_set():
                if self._error is not None:
                    raise unfetched(self._shards.repo, self._error) from self._error
                self._changed.wait(WAKE_S)
        return self._shards.path(number) is not None

    def end(self) -> None:
        self._ended.set()

    def _run(self) -> None:
        shards = self._shards
        try:
            for number in self._numbers:
                self._bytes = 0, shards.shards[number].size
                hub.fetch(shards.repo, shards.shards[number].name, self._count, KIND, shards.commit)
                self._done += 1
                with self._changed:
                    self._changed.notify_all()
        except _Given:
            pass
        except Exception as error:  # told by whoever waits for the file
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _count(self, done: int, total: int) -> None:
        self._bytes = done, total
        if self._ended.is_set():
            raise _Given


class _Given(Exception):
    """The download is given up; what came of the file stays."""
