"""Reads vectors and what is said of them from other people's files: .npy, Parquet, CSV, JSON lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from searchdemo.errors import BadQuery
from searchdemo.extras import imported, pip_command
from searchdemo.galleries.table_lines import csv_lines, decoded, json_lines

NAMES = ("vector", "vectors", "embedding", "embeddings", "emb")  # of columns of vectors, the first that there is
AT_ONCE = 20_000  # vectors that are checked and scaled together
NEARLY_ONE = 1e-3  # a length that is off by no more counts as 1: half floats are off by so much


@dataclass
class Table:
    """The columns of a file, n values each, beside a column of vectors where it has one."""

    columns: dict[str, list[Any]] = field(default_factory=dict)
    vectors: np.ndarray | None = None  # (n, dim), not scaled

    def __len__(self) -> int:
        return len(self.vectors) if self.vectors is not None else len(next(iter(self.columns.values()), ()))

    def lines(self) -> Iterator[dict[str, Any]]:
        for values in zip(*self.columns.values(), strict=True):
            yield dict(zip(self.columns, values, strict=True))


def read_vectors(path: Path, column: str = "") -> Table:
    """A .npy file, or a Parquet file with a column of lists. Raises BadQuery with the reason, NotInstalled."""
    kind = there(path)
    if kind == ".npy":
        if column:
            raise BadQuery(f"{path} has no columns, so {column!r} cannot be one: leave --column away.")
        try:
            return Table(vectors=np.load(path, mmap_mode="r", allow_pickle=False))
        except (ValueError, OSError, EOFError) as error:
            raise BadQuery(f"{path} cannot be read as a NumPy array ({error}); write it with numpy.save.") from error
    if kind == ".parquet":
        return _parquet(path, lambda names: _vector_column(path, names, column))
    raise BadQuery(f"{path} is neither .npy nor .parquet: write the vectors with numpy.save, or as a Parquet column.")


def read_metadata(path: Path) -> Table:
    """A CSV, JSON lines or Parquet file, one line for each vector. Raises BadQuery with the reason, NotInstalled."""
    kind = there(path)
    if kind == ".parquet":
        return _parquet(path, lambda names: "")
    if kind not in (".csv", ".jsonl"):
        raise BadQuery(f"{path} is none of .csv, .jsonl and .parquet: give the metadata as one of them.")
    problems: Counter[str] = Counter()
    text, _ = decoded(path.read_bytes())
    lines = list((csv_lines if kind == ".csv" else json_lines)(text, problems))
    if problems:
        said = "; ".join(f"{count:,} lines: {problem}" for problem, count in problems.items())
        raise BadQuery(f"{path} cannot be matched with the vectors line by line ({said}): mend these lines.")
    names = dict.fromkeys(name for line in lines for name in line if isinstance(name, str))
    return Table({name: [line.get(name) for line in lines] for name in names})


def there(path: Path) -> str:
    """The suffix of a file. Raises BadQuery where there is none."""
    if not path.is_file():
        raise BadQuery(f"There is no file {str(path)!r}: give the path of one.")
    return path.suffix.lower()


def _parquet(path: Path, vector_column: Callable[[dict[str, Any]], str]) -> Table:
    parquet = imported("pyarrow.parquet", "A Parquet file", pip_command("encoders"))
    try:
        read = parquet.read_table(path)
    except Exception as error:  # pyarrow has errors of many kinds, some of them of C++
        raise BadQuery(f"{path} cannot be read as Parquet ({' '.join(str(error).split())[:200]}).") from error
    name = vector_column({name: read.schema.field(name).type for name in read.column_names})
    vectors = _rows(path, name, read.column(name).combine_chunks()) if name else None
    others = [
        other for other in read.column_names if other != name and not _holds_vectors(read.schema.field(other).type)
    ]
    return Table({other: read.column(other).to_pylist() for other in others}, vectors)


def _holds_vectors(kind: Any) -> bool:
    types = imported("pyarrow.types", "A Parquet file", pip_command("encoders"))
    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return is_list and types.is_floating(kind.value_type)


def _vector_column(path: Path, kinds: dict[str, Any], wanted: str) -> str:
    if wanted:
        if wanted not in kinds:
            raise BadQuery(f"{path} has no column {wanted!r}; it has {', '.join(kinds)}.")
        return wanted
    found = [name for name, kind in kinds.items() if _holds_vectors(kind)]
    named = [name for name in NAMES if name in found]
    if named or len(found) == 1:
        return (named or found)[0]
    what = f"several columns of vectors ({', '.join(found)})" if found else f"no column of vectors ({', '.join(kinds)})"
    raise BadQuery(f"{path} has {what}: name one with --column.")


def _rows(path: Path, name: str, column: Any) -> np.ndarray:
    if column.null_count:
        first = column.is_null().to_pylist().index(True)
        raise BadQuery(
            f"{column.null_count:,} rows of the column {name!r} of {path} have no vector, row {first} first."
        )
    try:
        values = column.flatten().to_numpy(zero_copy_only=False)
        lengths = np.diff(column.offsets.to_numpy()) if hasattr(column, "offsets") else None
    except Exception as error:  # a column that holds no lists, or lists of words
        raise BadQuery(f"The column {name!r} of {path} holds {column.type}, and no vectors.") from error
    if lengths is not None and len(lengths) and (lengths != lengths[0]).any():
        odd = int(np.flatnonzero(lengths != lengths[0])[0])
        raise BadQuery(
            f"The vectors in the column {name!r} of {path} differ in length: row 0 has {lengths[0]} numbers, row {odd} "
            f"has {lengths[odd]}."
        )
    return values.reshape(len(column), -1)


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
    rows, lengths = np.empty(vectors.shape, np.float32), np.empty(len(vectors))
    bad = {"that are not finite": np.zeros(len(vectors), bool), "of zeros": np.zeros(len(vectors), bool)}
    for start in range(0, len(vectors), AT_ONCE):
        part = slice(start, start + AT_ONCE)
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
