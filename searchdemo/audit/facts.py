"""What decides which of two copies is the better one: size, format, bytes, date."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from searchdemo.errors import BadPicture
from searchdemo.exif import taken
from searchdemo.pictures import open_header

LOSSLESS = {"PNG", "TIFF", "BMP", "PSD", "QOI", "PPM", "DIB", "TGA"}


@dataclass(frozen=True)
class Facts:
    width: int = 0  # pixels, as stored; 0 where the picture is not here
    height: int = 0
    format: str = ""  # Pillow's name, "JPEG"
    bytes: int = 0
    date: str = ""  # "2019-08-24 15:31:02" by EXIF; "" where the file does not say

    @property
    def rank(self) -> tuple:
        """The better copy has the lower: more pixels, a lossless format, more bytes, the earlier date."""
        lossless = self.format in LOSSLESS
        return -self.width * self.height, not lossless, -self.bytes, self.date or "9999"

    def __str__(self) -> str:
        """ "1,200 x 800 JPEG, 340 KB, 2019-08-24 15:31:02"; "" where nothing is known."""
        if not self.width:
            return ""
        size = f"{self.width:,} x {self.height:,} {self.format}, {max(1, round(self.bytes / 1000)):,} KB"
        return f"{size}, {self.date}" if self.date else size


UNKNOWN = Facts()


def facts_of(encoded: bytes | None) -> Facts:
    """Of the header alone; UNKNOWN of what is not here or no picture."""
    if not encoded:
        return UNKNOWN
    try:
        image = open_header(BytesIO(encoded), "This file")
    except BadPicture:
        return UNKNOWN
    return Facts(image.width, image.height, image.format or "", len(encoded), taken(BytesIO(encoded)).date or "")
