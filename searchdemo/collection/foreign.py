"""Reads vectors and what is said of them from other people's files: .npy, Parquet, CSV, JSON lines.

Nothing in these files is believed: arrays of objects are not unpickled, and what is announced has to fit into memory.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from searchdemo.errors import BadQuery
from searchdemo.extras import imported, pip_command
from searchdemo.galleries.described import CAPTIONS, LABELS
from searchdemo.galleries.table_lines import csv_lines, decoded, json_lines
from searchdemo.processor import free_bytes

NAMES = ("vector", "vectors", "embedding", "embeddings", "emb")  # of columns of vectors, the first that there is
IDS = ("id", "ids", "file", "file_name", "path", "key", "name", "url")  # of columns that name a row, likewise
CLASS_NAME = "class_name"  # of the label, for people
KEPT = {*CAPTIONS, *LABELS, *IDS, CLASS_NAME}  # columns that are read
AT_ONCE = 20_000  # vectors that are read, checked and scaled together, or fewer where they are wide
PART_BYTES = 64 * 2**20  # of them, as float64
MOST_DIM = 65_536
AS_TEXT = 12  # times the bytes of a CSV or JSON lines file, as Python's strings
NEARLY_ONE = 1e-3  # a length that is off by no more counts as 1: half floats are off by so much


@dataclass
class Table:
    """The columns of a file, n values each, beside a column of vectors where it has one."""

    columns: dict[str, list[Any]] = field(default_factory=dict)
    vectors: np.ndarray | None = None  # (n, dim), not scaled
    left: tuple[str, ...] = ()  # columns that nothing is kept of

    def __len__(self) -> int:
        return len(self.vectors) if self.vectors is not None else len(next(iter(self.columns.values()), ()))


def read_vectors(path: Path, column: str = "") -> Table:
    """A .npy file, or a Parquet file with a column of lists. Raises BadQuery with the reason, NotInstalled."""
    kind = there(path)
    if kind == ".npy":
        if column:
            raise BadQuery(f"{path} has no columns, so {column!r} cannot be one: leave --column away.")
        try:
            with np.errstate(all="ignore"):  # a shape whose product overflows is refused
                return Table(vectors=np.lib.format.open_memmap(path, mode="r"))
        except (ValueError, OSError, EOFError) as error:
            raise BadQuery(
                f"{path} cannot be read as a NumPy array ({error}); write it as numbers, such as "
                "array.astype(numpy.float32), with numpy.save."
            ) from error
    if kind == ".parquet":
        return _parquet(path, vectors=True, wanted=column)
    raise BadQuery(f"{path} is neither .npy nor .parquet: write the vectors with numpy.save, or as a Parquet column.")


def read_metadata(path: Path) -> Table:
    """A CSV, JSON lines or Parquet file, one line for each vector. Raises BadQuery with the reason, NotInstalled."""
    kind = there(path)
    if kind == ".parquet":
        return _parquet(path, vectors=False)
    if kind not in (".csv", ".jsonl"):
        raise BadQuery(f"{path} is none of .csv, .jsonl and .parquet: give the metadata as one of them.")
    afford(AS_TEXT * path.stat().st_size, f"The lines of {path}")
    problems: Counter[str] = Counter()
    text, _ = decoded(path.read_bytes())
    lines = list(csv_lines(text, problems, KEPT.__contains__) if kind == ".csv" else json_lines(text, problems))
    if not lines and not problems:
        raise BadQuery(f"{path} has no lines: give one for each vector, below the names of the columns.")
    if problems:
        said = "; ".join(f"{count:,} lines: {problem}" for problem, count in problems.items())
        raise BadQuery(f"{path} cannot be matched with the vectors line by line ({said}): mend these lines.")
    names = dict.fromkeys(name for line in lines for name in line if isinstance(name, str))
    left = tuple(name for name in names if name not in KEPT)
    return Table({name: [line.get(name) for line in lines] for name in names if name in KEPT}, left=left)


def afford(needed: int, what: str) -> None:
    """Raises BadQuery where so many bytes of memory are not free."""
    free = free_bytes()
    if free is not None and needed > free:
        raise BadQuery(
            f"{what} need {needed / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB are free: take a part of them, or "
            "a machine with more memory."
        )


def there(path: Path) -> str:
    """The suffix of a file. Raises BadQuery where there is none."""
    if not path.is_file():
        raise BadQuery(f"There is no file {str(path)!r}: give the path of one.")
    return path.suffix.lower()


def _parquet(path: Path, vectors: bool, wanted: str = "") -> Table:
    """Read in parts. wanted: the column of vectors, where somebody named it."""
    parquet = imported("pyarrow.parquet", "A Parquet file", pip_command("encoders"))
    with _readable(path):
        file = parquet.ParquetFile(path)
        kinds = [(each.name, each.type) for each in file.schema_arrow]
    names = [name for name, _ in kinds]
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise BadQuery(f"{path} has more than one column {twice[0]!r}: give each a name of its own.")
    name = _vector_column(path, dict(kinds), wanted) if vectors else ""
    kept = [other for other in names if other in KEPT and other != name]
    columns: dict[str, list[Any]] = {other: [] for other in kept}
    count, start, rows = file.metadata.num_rows, 0, None
    empty: list[int] = []  # rows without a vector
    batches = file.iter_batches(AT_ONCE, columns=[*kept, *[name] * vectors])
    while True:
        with _readable(path):
            batch = next(batches, None)
            values = {other: batch.column(other).to_pylist() for other in kept} if batch is not None else {}
        if batch is None:
            break
        for other in kept:
            columns[other] += values[other]
        if vectors and batch.column(name).null_count:
            empty += (start + np.flatnonzero(batch.column(name).is_null())).tolist()
        elif vectors and not empty:
            part = _rows(path, name, batch.column(name), start)
            if rows is None:
                check_size(count, part.shape[1], part.itemsize, path)
                rows = np.empty((count, part.shape[1]), part.dtype)
            if part.shape[1] != rows.shape[1]:
                raise _differ(path, name, rows.shape[1], start, part.shape[1])
            rows[start : start + len(part)] = part
        start += batch.num_rows
    if empty:
        raise BadQuery(
            f"{len(empty):,} rows of the column {name!r} of {path} have no vector, row {empty[0]:,} first: "
            "leave them out."
        )
    if start != count:
        raise BadQuery(f"{path} says that it has {count:,} rows, and has {start:,}: write it again.")
    if vectors and rows is None:
        rows = np.empty((0, 0), np.float32)
    return Table(columns, rows, tuple(other for other in names if other not in (*kept, name)))


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # pyarrow has errors of many kinds, some of them of C++
        raise BadQuery(
            f"{path} cannot be read as Parquet ({' '.join(str(error).split())[:200]}): write it again."
        ) from error


def _vector_column(path: Path, kinds: dict[str, Any], wanted: str) -> str:
    if wanted:
        if wanted not in kinds:
            raise BadQuery(f"{path} has no column {wanted!r}; it has {', '.join(kinds)}.")
        return wanted
    types = imported("pyarrow.types", "A Parquet file", pip_command("encoders"))
    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    found = [
        name for name, kind in kinds.items() if any(one(kind) for one in lists) and types.is_floating(kind.value_type)
    ]
    named = [name for name in NAMES if name in found]
    if named or len(found) == 1:
        return (named or found)[0]
    if found:
        raise BadQuery(f"{path} has several columns of vectors ({', '.join(found)}): name one with --column.")
    held = ", ".join(f"{name}: {kind}" for name, kind in kinds.items())
    raise BadQuery(f"{path} has no column of vectors ({held}): name one of lists of numbers with --column.")


def _rows(path: Path, name: str, column: Any, start: int) -> np.ndarray:
    """(n, dim) of the part of a column that begins in row `start`."""
    try:
        values = column.flatten().to_numpy(zero_copy_only=False)
        fixed = getattr(column.type, "list_size", None)
        lengths = np.diff(column.offsets.to_numpy()) if fixed is None else np.full(len(column), fixed)
    except Exception as error:  # a column that holds no lists
        raise BadQuery(f"The column {name!r} of {path} holds {column.type}, and no vectors.") from error
    if values.dtype.kind not in "fiu":  # lists of words, or of lists
        raise BadQuery(f"The column {name!r} of {path} holds {column.type}, and no vectors.")
    if (other := lengths != lengths[0]).any():
        odd = int(other.argmax())
        raise _differ(path, name, lengths[0], start + odd, lengths[odd])
    return values.reshape(len(column), lengths[0])


def _differ(path: Path, name: str, first: int, row: int, length: int) -> BadQuery:
    return BadQuery(
        f"The vectors in the column {name!r} of {path} differ in length: row 0 has {first} numbers, row {row:,} "
        f"has {length}."
    )


def check_size(count: int, dim: int, itemsize: int, path: Path | str) -> None:
    """itemsize: bytes of a number that are in memory beside what is made of it. Raises BadQuery for too many."""
    if dim > MOST_DIM:
        raise BadQuery(
            f"{path} holds vectors of {dim:,} numbers, and at most {MOST_DIM:,} are taken: give one vector per row."
        )
    # Beside it unit rows in float32, and the index with its half floats and positions.
    afford(count * (dim * (itemsize + 4 + 2) + 24), f"{count:,} vectors of {dim:,} numbers, as {path} announces,")


def checked(vectors: np.ndarray, place: str) -> tuple[np.ndarray, str]:
    """(n, dim) of any numbers -> float32 unit rows, and what a person should know: "" where they were unit rows.

    place: where they come from, for a sentence. Raises BadQuery for what has no direction, or is no (n, dim).
    """
    if vectors.ndim != 2:
        raise BadQuery(f"{place} holds an array of shape {vectors.shape}: vectors are needed as (number, dimensions).")
    if not vectors.size:
        raise BadQuery(f"{place} holds no vectors: its shape is {vectors.shape}.")
    if vectors.dtype.kind not in "fiu":
        raise BadQuery(f"{place} holds {vectors.dtype}: numbers are needed, such as float32.")
    check_size(len(vectors), vectors.shape[1], 0, place)
    at_once = max(1, min(AT_ONCE, PART_BYTES // (8 * vectors.shape[1])))
    rows, lengths = np.empty(vectors.shape, np.float32), np.empty(len(vectors))
    bad = {"that are not finite": np.zeros(len(vectors), bool), "of zeros": np.zeros(len(vectors), bool)}
    for start in range(0, len(vectors), at_once):
        part = slice(start, start + at_once)
        some = np.asarray(vectors[part], np.float64)
        largest = np.abs(some).max(axis=1)
        bad["that are not finite"][part] = ~np.isfinite(largest)
        bad["of zeros"][part] = largest == 0
        with np.errstate(all="ignore"):  # of bad rows, which are refused below
            scaled = some / largest[:, None]  # so that no square overflows, or vanishes
            length = np.linalg.norm(scaled, axis=1)
            rows[part], lengths[part] = scaled / length[:, None], length * largest
    for what, found in bad.items():
        if found.any():
            raise BadQuery(
                f"{place} has {np.count_nonzero(found):,} vectors {what}, row {int(found.argmax()):,} first: they have "
                "no direction, so leave them out."
            )
    low, high = lengths.min(), lengths.max()
    if max(1 - low, high - 1) <= NEARLY_ONE:
        return rows, ""
    return (
        rows,
        f"The vectors had lengths from {low:.4g} to {high:.4g}: each was divided by its own, so all have 1 now.",
    )
