"""Camera RAW files by the preview that the camera put into them, which takes no development of the sensor's data."""

from __future__ import annotations

import contextlib
import importlib
from io import BytesIO
from typing import IO, Any

from PIL import Image, JpegImagePlugin, TiffImagePlugin

from searchdemo.extras import is_installed

PACKAGE = "rawpy"
DNG_VERSION, SUB_IFDS, MAKE = 50706, 330, 271  # tags of TIFF
CR2 = b"CR"  # at 8
# Of cameras whose files are no TIFF: Fujifilm, Olympus, Panasonic, Canon CR3
STARTS = ((0, b"FUJIFILMCCD-RAW"), (0, b"IIRO"), (0, b"IIRS"), (0, b"MMOR"), (0, b"IIU\0"), (4, b"ftypcrx "))
STAMP = 224  # pixels of the longer side: encoders take 128 to 288
ORIENTATION = 0x0112  # a tag of EXIF
ORIENTATION_OF = {3: 3, 5: 8, 6: 6}  # LibRaw's numbers -> those of EXIF


def is_raw(start: bytes) -> bool:
    """By the first bytes, where they tell: many RAW files begin as any TIFF does, see `of_tiff`."""
    return start[8:10] == CR2 or any(start[place:].startswith(wanted) for place, wanted in STARTS)


def of_tiff(image: Image.Image) -> bool:
    """Whether an opened TIFF is a camera's RAW file, whose first picture is a stamp, or the sensor's data."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    return DNG_VERSION in image.tag_v2 or (SUB_IFDS in image.tag_v2 and MAKE in image.tag_v2)


def preview(file: IO[bytes]) -> Image.Image | None:
    """The largest preview, upright as the camera was held, in Pillow's lazy form where it is a JPEG.

    None without the package, and where LibRaw cannot read the file. Where there is no preview in it, or one of the size
    of a stamp, the sensor's data are developed at half their size.
    """
    if not is_installed(PACKAGE):
        return None
    rawpy = importlib.import_module(PACKAGE)
    file.seek(0)
    try:
        with rawpy.imread(BytesIO(file.read())) as raw:
            try:
                found = raw.extract_thumb()
            except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError):
                return _developed(raw)
            is_jpeg = found.format == rawpy.ThumbFormat.JPEG
            image = JpegImagePlugin.jpeg_factory(BytesIO(found.data)) if is_jpeg else Image.fromarray(found.data)
            if max(image.size) < min(STAMP, max(raw.sizes.width, raw.sizes.height) // 2):
                with contextlib.suppress(rawpy.LibRawError):  # of a compression that LibRaw does not know
                    return _developed(raw)
            image.getexif().setdefault(ORIENTATION, ORIENTATION_OF.get(raw.sizes.flip, 1))
            return image
    except (rawpy.LibRawError, OSError, ValueError, SyntaxError):
        return None


def _developed(raw: Any) -> Image.Image:
    return Image.fromarray(raw.postprocess(half_size=True, use_camera_wb=True))
