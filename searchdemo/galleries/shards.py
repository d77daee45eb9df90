"""The files of one split of a data set on the hub: their rows and small columns are known before any is downloaded.

Parquet says at the end of a file how many rows it has and where its columns lie. So labels and captions are fetched
alone, and a file with its pictures only when a build comes to it. What was found out is kept beside the downloads.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np

from searchdemo import hub, scratch
from searchdemo.errors import NoPictures, NotWritten
from searchdemo.files import replacing, write_json
from searchdemo.galleries.dataset_columns import is_picture
from searchdemo.galleries.remote_file import END_BYTES, RemoteFile

AT_ONCE = 8  # files that are asked for their ends or columns
KIND = "dataset"


@dataclass(frozen=True)
class Shard:
    name: str
    size: int  # bytes
    rows: int


class Shards:
    """As datasets.Dataset to those who read features and small columns. Rows are those of all files, in their order."""

    def __init__(self, repo: str, commit: str, names: list[tuple[str, int]], online: bool):
        """names: (file, bytes). online: whether what is not known yet may be asked for.

        Raises NoPictures where the ends of the files are neither known nor can be read.
        """
        self.repo, self.commit, self._online = repo, commit, online
        self._folder = hub.repo_folder(repo, KIND) / "searchdemo" / commit
        mark = hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16]
        self._ends = self._folder / f"{mark}.json"
        known = scratch.read(self._ends, lambda path: _kept_ends(path, len(names))) or self._ask(names)
        self.shards = [Shard(name, size, rows) for (name, size), rows in zip(names, known["rows"], strict=True)]
        self.fingerprint: str = known["ends"]
        self._schema = bytes.fromhex(known["schema"])
        self.starts = np.cumsum([0, *(shard.rows for shard in self.shards)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    @cached_property
    def features(self) -> Any:
        """As `datasets` wrote them into the files, else as it reads their schema; bytes with a path are a picture."""
        import datasets
        import pyarrow

        schema = pyarrow.ipc.read_schema(pyarrow.py_buffer(self._schema))
        found = datasets.Features.from_arrow_schema(schema)
        pictures = [name for name, feature in found.items() if is_picture(feature)]
        return datasets.Features(found | {name: datasets.Image() for name in pictures})

    @property
    def data(self) -> Shards:
        return self

    def column(self, name: str) -> Any:
        """pyarrow.ChunkedArray of a small column, over all rows. Raises NoPictures where it cannot be fetched."""
        import pyarrow
        import pyarrow.parquet as pq

        mark = hashlib.sha256(f"{self.fingerprint} {name}".encode()).hexdigest()[:16]
        kept = self._folder / f"{mark}.parquet"

        def whole(path: Path) -> Any:
            found = pq.read_table(path).column(name)
            if len(found) != len(self):
                raise ValueError(f"{len(found):,} rows, wanted {len(self):,}")
            return found

        if (found := scratch.read(kept, whole)) is None:
            self._check_online(f"the column {name!r}")
            tables = self._of_each(
                self.shards, lambda file, shard: pq.ParquetFile(file).read([name], use_threads=False)
            )
            table = pyarrow.concat_tables(tables)
            with _keeping(self._folder), replacing(kept) as temporary:
                pq.write_table(table, temporary)
            found = table.column(name)
        return found

    def path(self, number: int) -> Path | None:
        """Of a file that is here."""
        return hub.cached(self.repo, self.shards[number].name, KIND, self.commit)

    def of_row(self, row: int) -> tuple[int, int]:
        """The number of the file that holds it, and the row within that."""
        number = int(np.searchsorted(self.starts, row, "right")) - 1
        return number, row - int(self.starts[number])

    def _ask(self, names: list[tuple[str, int]]) -> dict:
        import pyarrow.parquet as pq

        self._check_online("how many pictures it has")

        def end(file: IO[bytes], shard: Shard) -> tuple[int, bytes, bytes]:
            file.seek(max(0, shard.size - END_BYTES))
            tail = file.read(END_BYTES)
            read = pq.ParquetFile(file)
            return read.metadata.num_rows, tail, read.schema_arrow.serialize().to_pybytes()

        found = self._of_each([Shard(*name, 0) for name in names], end)
        digest = hashlib.sha256()
        for (name, size), (_, tail, _) in zip(names, found, strict=True):
            digest.update(f"\0{name}\0{size}\0".encode() + tail)
        known = {"rows": [rows for rows, _, _ in found], "ends": digest.hexdigest(), "schema": found[0][2].hex()}
        with _keeping(self._folder):
            write_json(self._ends, known)
        return known

    def _of_each(self, shards: list[Shard], read: Callable[[IO[bytes], Shard], Any]) -> list[Any]:
        """read(open file, shard) of each, in order; of those that are not here by the parts that are read."""

        def one(shard: Shard) -> Any:
            path = hub.cached(self.repo, shard.name, KIND, self.commit)
            remote = RemoteFile(self.repo, shard.name, self.commit, shard.size)
            with path.open("rb") if path else io.BufferedReader(remote, 1) as file:
                return read(file, shard)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                return list(pool.map(one, shards))
            except Exception as error:  # httpx's and pyarrow's errors share no base
                pool.shutdown(cancel_futures=True)
                raise NoPictures(
                    f"{self.repo} could not be read from {hub.endpoint()}: {hub.reason(error)}; "
                    "go online and try again."
                ) from error

    def _check_online(self, what: str) -> None:
        if not self._online:
            raise NoPictures(
                f"{self.repo} is not on this machine ({what} is not known): "
                f"`python -m searchdemo build --gallery hf:{self.repo}` fetches it."
            )


def _kept_ends(path: Path, files: int) -> dict:
    """As `_ask` found them. Raises what tells `scratch.read` that it is no such file."""
    import pyarrow

    known = json.loads(path.read_text())
    pyarrow.ipc.read_schema(pyarrow.py_buffer(bytes.fromhex(known["schema"])))
    if len(known["rows"]) != files or min(known["rows"]) < 0 or not isinstance(known["ends"], str):
        raise ValueError(f"it is not of {files} files")
    return known


@contextlib.contextmanager
def _keeping(folder: Path) -> Any:
    """Where the hub's cache cannot be written to, it is found out again next time."""
    with contextlib.suppress(OSError, NotWritten):
        folder.mkdir(parents=True, exist_ok=True)
        yield
