"""Which files are pictures, by their first bytes and not by their names, and Pillow's lazy image of one."""

from __future__ import annotations

import contextlib
import importlib
import re
import struct
from collections.abc import Callable, Iterator
from functools import cache, partial
from io import BytesIO
from pathlib import PurePath
from typing import IO

from PIL import Image, PngImagePlugin

from searchdemo import raw, video
from searchdemo.errors import BadPicture
from searchdemo.extras import is_installed

# Pillow knows more formats. Left out are those that start other programs (EPS) or that no camera, browser or painter
# writes. HEIF and JPEG XL (JXL) come from plug-ins, AVIF and JPEG 2000 are missing from some builds of Pillow.
FORMATS = (
    "JPEG",
    "PNG",
    "WEBP",
    "GIF",
    "HEIF",
    "AVIF",
    "TIFF",
    "BMP",
    "PSD",
    "ICO",
    "JPEG2000",
    "QOI",
    "PPM",
    "DIB",
    "ICNS",
    "PCX",
    "SGI",
    "TGA",
    "JXL",
)
# Told by two to four first bytes, or by none: texts may begin with them as well.
WEAK = {"BMP", "PPM", "ICO", "DIB", "PCX", "SGI", "TGA"}
ICONS = ("ICO", "ICNS")  # each holds pictures of other formats
ICON_PIXELS = 2048 * 2048  # of one of them, at most: icons have up to 1024 x 1024
# Where a PNG, and a JPEG 2000 of either kind, says its width and height
SIZE_WITHIN = re.compile(rb"(?:IHDR|ihdr|\xff\x4f\xff\x51.{4})(.{4})(.{4})", re.DOTALL)
HEIF_PLUGINS = ("pi_heif", "pillow_heif")  # of one author; the first only decodes, so its wheels hold no GPL code
JXL_PLUGIN = "pylibjxl"  # BSD, and tells the size before it decodes; pillow-jxl-plugin is GPL and decodes on opening
HEIF_SUFFIXES = {".heic", ".heif", ".hif"}  # pictures, even where no plug-in opens them: they are named as unreadable
SUFFIXES_TOO = {".jif", ".mpo"} | HEIF_SUFFIXES  # besides those that Pillow knows
START_BYTES = 512  # of a file, enough to tell its kind
TEXT_BYTES = 16 * 2**20  # a text or a colour profile in a PNG may unfold to so much; longer ones are dropped

RAW, JPEG_XL, VIDEO = "camera RAW", "JPEG XL picture", "video"
# Kind -> the package that makes pictures of it
PACKAGES = {
    RAW: raw.PACKAGE,
    JPEG_XL: JXL_PLUGIN,
    VIDEO: video.PACKAGE,
}
RAW_SUFFIXES = {".arw", ".cr2", ".cr3", ".crw", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".srw"}
KINDS = (  # (place, first bytes there, kind) of files that are no pictures to us
    (0, b"\xff\x0a", JPEG_XL),
    (0, b"\0\0\0\x0cJXL ", JPEG_XL),
    (0, b"%PDF", "PDF"),
    (0, b"%!PS", "PostScript"),
    *((8, brand, "audio") for brand in video.SOUND_BRANDS),
    (8, b"WAVE", "audio"),
    (0, b"ID3", "audio"),
    (0, b"fLaC", "audio"),
    (0, b"OggS", "audio"),
    (0, b"PK\x03\x04", "archive or document"),
    (0, b"Rar!", "archive or document"),
    (0, b"7z\xbc\xaf", "archive or document"),
    (257, b"ustar", "archive or document"),
    (0, b"BZh", "archive or document"),
    (0, b"\xfd7zXZ", "archive or document"),
    (0, b"(\xb5/\xfd", "archive or document"),
    (0, b"\x1f\x8b", "archive or document"),
)
LINK = "link to a place elsewhere"
LINK_SUFFIXES = {".lnk", ".url", ".webloc", ".desktop", ".dropbox"}  # files of Windows, macOS, Linux that open another
LFS_POINTER = b"version https://"  # its first 16 bytes
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}

# Pillow stops at 1 MiB, which workflows of picture generators and profiles of printers exceed.
PngImagePlugin.MAX_TEXT_CHUNK = TEXT_BYTES


@cache
def readers() -> dict[str, tuple]:
    """Format -> what Pillow has registered for it: (makes a lazy image, knows the first 16 bytes or None)."""
    Image.init()
    for plugin in HEIF_PLUGINS:
        with contextlib.suppress(ImportError):
            importlib.import_module(plugin).register_heif_opener()
            break
    with contextlib.suppress(ImportError):
        importlib.import_module(JXL_PLUGIN).register_pillow()
    opened = {name: Image.OPEN[name] for name in FORMATS if name in Image.OPEN}
    return opened | {name: (partial(_icon, opened[name][0]), opened[name][1]) for name in ICONS if name in opened}


@cache
def suffixes() -> frozenset[str]:
    """Suffixes of picture files, in lower case. A file that has one is expected to be a picture."""
    opened = readers()  # registers more suffixes
    known = {suffix for suffix, name in Image.registered_extensions().items() if name in opened}
    return frozenset(known | SUFFIXES_TOO)


def is_named_like_a_picture(name: str) -> bool:
    return PurePath(name).suffix.lower() in suffixes() | RAW_SUFFIXES


def reader_version() -> str:
    """What opens pictures here. Another version may read what this one could not."""
    import PIL

    opener = readers().get("HEIF")
    heif = opener[0].__module__.partition(".")[0] if opener else "no HEIF"
    more = [package for package in PACKAGES.values() if is_installed(package)]
    return f"2, Pillow {PIL.__version__}, {' '.join(readers())}, {heif}, {' '.join(more)}"


def kind_of(file: IO[bytes], name: str) -> str:
    """ "" where a file is to be opened as a picture, else its kind: "video", ".txt", "no suffix".

    file: read from its beginning; name: with its suffix. It is to be opened where its content or its name is a
    picture's, so that damaged pictures are told of. What is a video is one under any name.
    """
    start, suffix = file.read(START_BYTES), PurePath(name).suffix.lower()
    formats = list(_possible(start[:16]))
    is_video = WEAK.issuperset(formats) and bool(video.media_type(start))
    if suffix in suffixes() or _is_heif(start):
        return VIDEO if is_video else ""
    begins_as_tiff = {"TIFF", *WEAK}.issuperset(formats)  # as many do, whose first picture is of the size of a stamp
    if (suffix in RAW_SUFFIXES and begins_as_tiff) or raw.is_raw(start):
        return "" if is_installed(raw.PACKAGE) else RAW
    if not WEAK.issuperset(formats):
        return ""
    if any(name in WEAK for name in formats if name != "TGA"):
        with contextlib.suppress(BadPicture):
            lazy_image(file, "It")
            return ""
    if is_video:
        return VIDEO
    for place, wanted, kind in KINDS:
        if start[place:].startswith(wanted):
            return kind
    if b"<svg" in start:
        return "SVG drawing"
    return LINK if suffix in LINK_SUFFIXES else suffix or "no suffix"


def _icon(factory: Callable[..., Image.Image], file: IO[bytes], name: str) -> Image.Image:
    """Pillow decodes a picture in an icon whatever its size, and one of an ICO as soon as it is opened."""
    data = file.read()
    sizes = [struct.unpack(">II", width + height) for width, height in SIZE_WITHIN.findall(data)]
    if data.startswith(b"\0\0"):  # an ICO, which holds BMPs without their first header, twice as high as they are
        (count,) = struct.unpack_from("<H", data, 4)
        places = [struct.unpack_from("<I", data, 6 + 16 * number + 12)[0] for number in range(count)]
        heads = [data[place + 4 : place + 12] for place in places if data[place : place + 4] != b"\x89PNG"]
        sizes += [tuple(map(abs, struct.unpack("<ii", head))) for head in heads if len(head) == 8]
    if any(width * height > 2 * ICON_PIXELS for width, height in sizes):
        raise OSError("an icon holds a picture that is too large")
    file.seek(0)
    return factory(file, name)


def _is_heif(start: bytes) -> bool:
    return start[4:8] == b"ftyp" and start[8:12] in HEIF_BRANDS


def _possible(prefix: bytes) -> Iterator[str]:
    """The formats that a file with these first 16 bytes may have, the likeliest first."""
    whole = prefix.ljust(16, b"\0")  # shorter ones make some of Pillow's functions raise
    for name, (_, accept) in readers().items():
        answer = not accept or accept(whole)
        if answer and not isinstance(answer, str):  # a str says why not
            yield name


def lazy_image(file: IO[bytes], name: str) -> Image.Image:
    """Pillow's lazy image: format and size are known, the pixels are not decoded. Raises BadPicture.

    Image.open itself refuses by size, with one limit for all formats and in words of its own.
    """
    file.seek(0)
    prefix = file.read(16)
    if raw.is_raw(prefix) and (preview := raw.preview(file)):
        return preview
    for format in _possible(prefix):
        try:
            file.seek(0)
            image = readers()[format][0](file, "")
            return (raw.preview(file) if format == "TIFF" and raw.of_tiff(image) else None) or image
        except (SyntaxError, IndexError, TypeError, struct.error):  # not of this format, as Image.open reads them
            if format == "TIFF" and (preview := raw.preview(file)):  # the first picture in it is the sensor's data
                return preview
        except ValueError as error:
            if format == "PNG" and "MAX_TEXT" in str(error):
                file.seek(0)
                return readers()["PNG"][0](BytesIO(_without_texts(file.read())), "")
            raise _unreadable(name, prefix) from error
        except Exception as error:  # bad bytes let Pillow's parsers raise nearly anything: OSError, KeyError
            raise _unreadable(name, prefix) from error
    raise _unreadable(name, prefix)


def _without_texts(png: bytes) -> bytes:
    """The PNG without texts and without a colour profile, neither of which needs to fit into memory to see it."""
    kept, place = [png[:8]], 8
    while place + 8 <= len(png):
        end = place + 12 + int.from_bytes(png[place : place + 4], "big")
        if png[place + 4 : place + 8] not in (b"tEXt", b"zTXt", b"iTXt", b"iCCP"):
            kept.append(png[place:end])
        place = end
    return b"".join(kept)


def _unreadable(name: str, prefix: bytes) -> BadPicture:
    if _is_heif(prefix) and "HEIF" not in readers():
        return BadPicture(f"{name} is a HEIC photograph, which needs a package: run `pip install pi-heif`.")
    if prefix == LFS_POINTER:
        return BadPicture(f"{name} stands for a picture that Git LFS has not fetched: run `git lfs pull`.")
    return BadPicture(f"{name} is not a picture that can be read; bring a JPEG, PNG, WebP or GIF.")
