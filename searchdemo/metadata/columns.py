"""The columns that a filter knows: one entry for each, with its type and where it lies in the database."""

from __future__ import annotations

from dataclasses import dataclass

from searchdemo.table import Table

TEXT, NUMBER, DATE, LABEL = "text", "number", "date", "label"


@dataclass(frozen=True)
class Column:
    name: str
    kind: str  # TEXT | NUMBER | DATE | LABEL
    sql: str  # the expression, over the table `pictures`; "" for LABEL, which lies in tables of its own
    help: str  # one line
    from_file: bool = False  # whether the header of the picture's file has to be read for it


_COLUMNS = (
    Column("label", LABEL, "", "the class, by its name or by the data set's own; a picture may have several"),
    Column("caption", TEXT, "caption", "the sentence that came with the picture"),
    Column("file", TEXT, "file", "the path within the folder"),
    Column("row", NUMBER, "row", "the number of the picture in the gallery"),
    Column("size", NUMBER, "size", "of the file, in bytes"),
    Column("modified", DATE, "datetime(mtime_ns / 1000000000, 'unixepoch', 'localtime')", "the file's time of change"),
    Column("date", DATE, "taken", "when it was taken, by its EXIF", True),
    Column("year", NUMBER, "CAST(substr(taken, 1, 4) AS INTEGER)", "of that date", True),
    Column("month", NUMBER, "CAST(substr(taken, 6, 2) AS INTEGER)", "of that date, 1 to 12", True),
    Column("camera", TEXT, "camera", "make and model, by its EXIF", True),
    Column("latitude", NUMBER, "latitude", "in degrees, north is positive", True),
    Column("longitude", NUMBER, "longitude", "in degrees, east is positive", True),
    Column("video", TEXT, "video", "the file that a frame comes from"),
    Column("seconds", NUMBER, "video_s", "the time of a frame in its video"),
    Column(
        "hash",
        TEXT,
        "nullif(lower(hex(key)), '')",
        "the first bytes of the SHA-256 of the content, in hexadecimal digits",
    ),
)

COLUMNS: Table[Column] = Table("column", ((column.name, column) for column in _COLUMNS))
