"""A file of the hub as an open one of which only the parts are fetched that are read."""

from __future__ import annotations

import io

from searchdemo import hub

END_BYTES = 64 * 1024  # of a file, fetched at once and kept: Parquet's lists there are read in pieces


class RemoteFile(io.RawIOBase):
    """Reading raises OSError with the reason in words. Not for several threads at once."""

    def __init__(self, repo: str, name: str, revision: str, size: int):
        self._asked, self._size, self._place = (repo, name, revision), size, 0
        self._end = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        return self._place

    def tell(self) -> int:
        return self._place

    def read(self, count: int = -1) -> bytes:
        end = self._size if count < 0 else min(self._size, self._place + count)
        start, last = self._place, max(0, self._size - END_BYTES)
        if start >= end:
            return b""
        self._place = end
        if start < last:
            return hub.part_of(*self._asked, start, end)
        self._end = self._end or hub.part_of(*self._asked, last, self._size)
        return self._end[start - last : end - last]

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)
