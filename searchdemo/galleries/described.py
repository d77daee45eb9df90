"""Captions and labels from metadata.csv and metadata.jsonl beside pictures, as ImageFolder of `datasets` reads them.

Each line names a picture by `file_name`, relative to the file that it stands in, or several by `file_names`; more may
stand before it, as in `image_file_name`. Captions are looked for in the columns of CAPTIONS, labels in those of LABELS.
Several labels are a list in JSON, in CSV too; or ";" or "|" stands between them.
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from searchdemo.cache import Cache
from searchdemo.files import open_regular, printable
from searchdemo.galleries.class_labels import in_words
from searchdemo.galleries.report import named
from searchdemo.galleries.table_lines import FILE_NAME, csv_lines, decoded, json_lines, names_files
from searchdemo.galleries.walk import File

NAMES = ("metadata.csv", "metadata.jsonl")
CAPTIONS = ("caption", "captions", "text", "description")  # the first that a line has
LABELS = ("labels", "label", "categories", "category", "classes", "class", "tags", "objects")
MAX_BYTES = 200 * 2**20  # of one such file, which is read whole
MAX_LIST = 100_000  # characters of a list within a text


@dataclass
class Lines:
    """One file, as it was read: for each line that names a file, that name, a caption and labels; None: it has none."""

    digest: str
    found: list[tuple[str, str | None, tuple[str, ...] | None]] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)  # what is wrong -> with how many lines
    no_utf_8: int = 0  # lines


_read: Cache[Lines] = Cache(8)


@dataclass
class Described:
    """By the path of the picture within the folder."""

    captions: dict[str, str] = field(default_factory=dict)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    digest: str = ""  # SHA-256 over all that was read; "" where there is nothing
    files: dict[str, str] = field(default_factory=dict)  # the files that were read -> what came of each, for people


def described(root: Path, files: Iterable[File]) -> Described:
    """What the metadata files among these say of the others. The file nearest to a picture has the last word."""
    files = list(files)
    beside = [file for file in files if is_metadata(file.path)]
    tables = {file.path: _read.get((root, file), partial(_lines, root, file)) for file in beside}
    return said_by(tables, [file.path for file in files])


def said_by(tables: Mapping[str, Lines], paths: Iterable[str]) -> Described:
    """What these files say of those with these paths."""
    if not tables:
        return Described()
    here = _Named(paths)
    said, digest = Described(), hashlib.sha256()
    for table, lines in sorted(tables.items(), key=lambda item: item[0].count("/")):
        unknown, matched, again = [], set(), 0
        for name, caption, labels in lines.found:
            path = here.find(posixpath.join(posixpath.dirname(table), name))
            if path is None or is_metadata(path):
                unknown.append(name)
                continue
            again += path in matched
            matched.add(path)
            if caption is not None:
                said.captions[path] = caption
            if labels is not None:
                said.labels[path] = labels
        digest.update(f"{table}\0{lines.digest}\n".encode(errors="surrogateescape"))
        said.files[printable(table)] = _sentence(len(matched), again, unknown, lines)
    said.digest = digest.hexdigest()
    return said


def is_metadata(path: str) -> bool:
    return posixpath.basename(path).lower() in NAMES


class _Named:
    """Finds the file that a line means: the one of just that path, else the only one that it may mean."""

    def __init__(self, paths: Iterable[str]):
        self._exact = set(paths)
        count = Counter(map(_comparable, self._exact))
        self._alike = {alike: path for path in self._exact if count[alike := _comparable(path)] == 1}

    def find(self, path: str) -> str | None:
        plain = posixpath.normpath(path)
        return plain if plain in self._exact else self._alike.get(_comparable(path))


def _comparable(path: str) -> str:
    """Without "./" and spaces around it, in small letters as Windows tells them apart, and composed: macOS decomposes
    the letters of file names, and editors do not."""
    return unicodedata.normalize("NFC", posixpath.normpath(path.strip().replace("\\", "/")).casefold())


def _sentence(matched: int, again: int, unknown: list[str], lines: Lines) -> str:
    said = [f"pictures described: {matched:,}"]
    said += [f"lines that describe a picture again, of which the last counts: {again:,}"] * bool(again)
    if unknown:
        said.append(f"lines that name no file here: {len(unknown):,} ({named(unknown)})")
    said += [f"left out: {count:,}, because {problem}" for problem, count in sorted(lines.problems.items())]
    said += [f"read as Windows-1252, because they are no UTF-8: {lines.no_utf_8:,}"] * bool(lines.no_utf_8)
    return "; ".join(said)


def _lines(root: Path, file: File) -> Lines:
    try:
        if file.size > MAX_BYTES:
            return Lines("", problems=Counter({f"the file is larger than {MAX_BYTES // 2**20} MiB": 1}))
        with open_regular(root / file.path) as opened:
            content = opened.read()
    except OSError as error:
        return Lines("", problems=Counter({f"the file cannot be read ({error.strerror})": 1}))
    return lines_of(file.path, content)


def lines_of(name: str, content: bytes) -> Lines:
    """Never raises for what is in it: what cannot be used is counted."""
    text, no_utf_8 = decoded(content)
    lines = Lines(hashlib.sha256(content).hexdigest(), no_utf_8=no_utf_8)
    read = csv_lines if name.lower().endswith(".csv") else json_lines
    nameless, columns = 0, ""
    for line in read(text, lines.problems):
        if names := files_of(line):
            lines.found += [(name, caption_of(line), labels_of(line)) for name in names]
        else:
            nameless, columns = nameless + 1, columns or named(line)
    if nameless:
        lines.problems[f"they have no {FILE_NAME}" + f", but {columns}" * (not lines.found)] = nameless
    return lines


def files_of(line: dict) -> list[str]:
    values = (value for column, value in line.items() if names_files(column))
    listed = (value if isinstance(value, list) else [value] for value in values)
    return [name for those in listed for name in those if isinstance(name, str) and name]


def caption_of(line: dict) -> str | None:
    for column in CAPTIONS:
        value = line.get(column)
        if isinstance(value, list):
            value = " ".join(part for part in value if isinstance(part, str))
        if isinstance(value, str) and value.strip():
            return " ".join(value.split())
    return None


def labels_of(line: dict) -> tuple[str, ...] | None:
    """Each once, in order; None where the line has no such column."""
    for column in LABELS:
        if line.get(column) is not None:
            return tuple(dict.fromkeys(filter(None, _names(line[column]))))
    return None


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, str) and (those := _list_in(value)) is not None:
        yield from _names(those)
    elif isinstance(value, str):
        yield from (" ".join(part.split()) for part in re.split("[;|]", value))
    elif isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        yield in_words(value)
    elif isinstance(value, list):
        for part in value:
            yield from ([" ".join(part.split())] if isinstance(part, str) else _names(part))
    elif isinstance(value, dict):  # of objects in the picture: {"bbox": [...], "categories": [...]}
        yield from _names(next((value[column] for column in LABELS if value.get(column) is not None), ""))


def _list_in(text: str) -> list | dict | None:
    """The list that a text is, in JSON or as Python and pandas write it: '["cat", "dog"]' in a column of CSV."""
    text = text.strip()
    if not (text.startswith(("[", "{")) and text.endswith(("]", "}")) and len(text) <= MAX_LIST):
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
        return found if isinstance(found, list | dict) else None
    return None
