"""Tables that people write, as one dictionary per line: CSV of spreadsheets and JSON lines, in several encodings."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator

FILE_NAME = "file_name"
# Values of a CSV that stand for none, as pandas reads and writes them, by which `datasets` reads CSV
NONE = {
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-1.#QNAN",
    "-NaN",
    "-nan",
    "1.#IND",
    "1.#QNAN",
    "<NA>",
    "N/A",
    "NA",
    "NULL",
}
NONE |= {"NaN", "None", "n/a", "nan", "null"}


def decoded(content: bytes) -> tuple[str, int]:
    """The text, and how many of its lines are no UTF-8 and were read as Windows-1252.

    Spreadsheets save in the code page of their machine, or as UTF-16, with a mark or without.
    """
    encoding = json.detect_encoding(content)
    if not encoding.startswith("utf-8"):
        return content.decode(encoding, errors="replace"), 0
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


def names_files(column: object) -> bool:
    """`file_name`, `image_file_name`, and in the plural for several files, as `datasets` knows them."""
    return isinstance(column, str) and any(
        column == name or column.endswith(f"_{name}") for name in (FILE_NAME, f"{FILE_NAME}s")
    )


def csv_lines(text: str, problems: Counter[str], known: Callable[[str], bool] = names_files) -> Iterator[dict]:
    """known: whether a column is one of those that are looked for, see `delimiter`.

    Spaces around the names of columns, and before values, count for nothing, and so do lines before the first.

    A line of more values than there are columns is left out: most often a text has a comma and no quotes.
    """
    stream = io.StringIO(_from_heading(text), newline="")
    ended: list[bool] = []  # once the reader has asked for more than there is
    pieces = itertools.chain(stream, iter(lambda: ended.append(True), None))
    reader = csv.DictReader(pieces, delimiter=delimiter(text, known), skipinitialspace=True)
    try:
        if reader.fieldnames is not None:
            reader.fieldnames = [name.strip() for name in reader.fieldnames]
            for name, count in Counter(filter(None, reader.fieldnames)).items():
                if count > 1:
                    problems[f"{count} columns are called {name}, of which the last is read"] += count - 1
        after = reader.line_num
        for line in reader:
            if ended:
                problems[f"the rest after line {after} is no CSV (a quote is never closed)"] += 1
            elif any(line.pop(None, ())):
                problems["they have more values than columns (a text with a comma needs quotes)"] += 1
            else:
                yield {name: "" if value in NONE and not names_files(name) else value for name, value in line.items()}
            after = reader.line_num
    except csv.Error as error:
        problems[f"the rest after line {reader.line_num} is no CSV ({error})"] += 1


def _from_heading(text: str) -> str:
    """Without empty lines before it, and without the line "sep=;" that Excel puts there."""
    text = text.lstrip("\r\n")
    return re.sub(r"\Asep=.[\r\n]+", "", text)


def delimiter(text: str, known: Callable[[str], bool]) -> str:
    """Between the columns: the one that sets a known one apart in the first line. Many spreadsheets write ";"."""
    heading = io.StringIO(_from_heading(text), newline="").readline()
    for one in (",", ";", "\t"):
        if any(known(name.strip().strip('"')) for name in heading.split(one)):
            return one
    return ","


def json_lines(text: str, problems: Counter[str]) -> Iterator[dict]:
    for line in text.split("\n"):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
            if r"\ud" in line.lower():  # half of a character, which cannot be written anywhere, stays as it stood there
                written = json.dumps(content, ensure_ascii=False)
                content = json.loads(re.sub("[\ud800-\udfff]", lambda half: rf"\\u{ord(half[0]):04x}", written))
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict):
            yield content
        else:
            problems["they are no JSON objects"] += 1
