"""Tables that people write, as one dictionary per line: CSV of spreadsheets and JSON lines, in several encodings."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections import Counter
from collections.abc import Iterator

FILE_NAME = "file_name"


def decoded(content: bytes) -> tuple[str, int]:
    """The text, and how many of its lines are no UTF-8 and were read as Windows-1252.

    Spreadsheets save in the code page of their machine, or as UTF-16 with a mark.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace"), 0
    try:
        return content.decode("utf-8-sig"), 0
    except UnicodeDecodeError:
        lines = [_line(line) for line in content.removeprefix(codecs.BOM_UTF8).split(b"\n")]
    return "\n".join(line for line, _ in lines), sum(other for _, other in lines)


def _line(content: bytes) -> tuple[str, bool]:
    try:
        return content.decode(), False
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace"), True


def csv_lines(text: str, problems: Counter[str]) -> Iterator[dict]:
    """Spaces around the names of columns, and before values, count for nothing."""
    stream = io.StringIO(text, newline="")
    reader = csv.DictReader(stream, delimiter=delimiter(text), skipinitialspace=True)
    try:
        if reader.fieldnames is not None:
            reader.fieldnames = [name.strip() for name in reader.fieldnames]
        yield from reader
    except csv.Error as error:
        problems[f"the rest after line {reader.line_num} is no CSV ({error})"] += 1


def delimiter(text: str) -> str:
    """Between the columns: the one that sets a column of files apart in the first line. Many spreadsheets write ";"."""
    heading = io.StringIO(text, newline="").readline()
    for one in (",", ";", "\t"):
        if any(names_files(name.strip().strip('"')) for name in heading.split(one)):
            return one
    return ","


def names_files(column: object) -> bool:
    """`file_name`, `image_file_name`, and in the plural for several files, as `datasets` knows them."""
    return isinstance(column, str) and any(
        column == name or column.endswith(f"_{name}") for name in (FILE_NAME, f"{FILE_NAME}s")
    )


def json_lines(text: str, problems: Counter[str]) -> Iterator[dict]:
    for line in text.split("\n"):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict):
            yield content
        else:
            problems["they are no JSON objects"] += 1
