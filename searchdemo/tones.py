"""What a file's numbers look like on a screen: more than 8 bits, and colours of other profiles, as 8-bit sRGB."""

from __future__ import annotations

import sys
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

INTEGER_WHITES = (255, 1023, 4095, 16383, 65535)  # of 8, 10, 12, 14 and 16 bits
MODE_OF_SPACE = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # colour space of a profile -> Pillow's mode
NO_DATA = 1e30  # of floats: maps mark places without a measurement by -3.4e38, 1e38 or no number at all
ROWS = 128  # of a picture that are made floats at once
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0  # a tag of TIFF, as the next
PLANES, SEPARATE, BITS = 284, 2, 258
# The rawmode that reads the second byte of each sample where this one reads the first: Pillow has no RGB of 16 bits.
OTHER_BYTE = {
    f"{mode};16{one}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA", "RGBX", "RGBa")
    for one, other in (("B", "L"), ("L", "B"), ("N", "B" if sys.byteorder == "little" else "L"))
}

GREY_ALPHA = {"LA;16B": "RGBA"}


def is_deep(image: Image.Image) -> bool:
    """Whether it is grey of more than 8 bits."""
    return image.mode.startswith("I") or image.mode == "F"


def white_is_zero(image: Image.Image) -> bool:
    """Whether an opened TIFF of more than 8 bits says so; Pillow inverts those of 8 bits itself."""
    return is_deep(image) and getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO


def grey_8_bit(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits -> mode L, with its profile. Pillow's own conversion clips all above 255 to white."""
    grey = Image.fromarray(to_8_bit(np.asarray(image), floats=image.mode == "F"))
    grey.info["icc_profile"] = image.info.get("icc_profile")
    return grey


def to_8_bit(values: np.ndarray, floats: bool = False) -> np.ndarray:
    """Numbers of any range -> uint8 of the same shape.

    Integers hold 8, 10, 12, 14 or 16 bits: as many as their largest needs, because cameras and scanners keep 12 bits
    in files of 16. For floats from 0 to 1, white is 1. It is 255 or 65535 where they look like 8 or 16 bits: their
    largest is in the upper half of that range, or all are whole numbers up to 255. Any other range (scientific
    pictures, which define no white) is stretched from its minimum to its maximum. What is no number, or
    beyond NO_DATA, is as dark as the darkest.
    """
    if floats:
        seen = np.abs(values) < NO_DATA
        values = np.where(seen, values, values[seen].min() if seen.any() else 0)
    kind = np.float32 if values.itemsize <= 2 else np.float64
    parts = [slice(start, start + ROWS) for start in range(0, len(values), ROWS)]  # floats of all would take gigabytes

    def numbers(part: slice) -> np.ndarray:
        return values[part].astype(kind)

    black = min(float(numbers(part).min()) for part in parts)
    white = max(float(numbers(part).max()) for part in parts)
    whites: tuple[float, ...] = INTEGER_WHITES
    if floats:
        whole = all(bool((numbers(part) == np.floor(numbers(part))).all()) for part in parts)
        whites = (1.0, *(limit for limit in (255.0, 65535.0) if white > limit / 2 or (whole and limit == 255)))
    known = [limit for limit in whites if white <= limit]
    if black >= 0 and known:
        black, white = 0.0, known[0]
    eight = np.empty(values.shape, np.uint8)
    for part in parts:
        eight[part] = np.round((numbers(part) - black) * 255 / ((white - black) or 1.0))
    return eight


def is_sixteen_bit(image: Image.Image) -> bool:
    """Whether a lazy picture has 16 bits per colour, or grey and alpha of 16 bits."""
    modes = {*OTHER_BYTE, *GREY_ALPHA}
    hows = [how if isinstance(how, str) else (how or ("",))[0] for *_, how in getattr(image, "tile", ())]
    return any(how in modes for how in hows)


def other_bytes(image: Image.Image) -> bool:
    """Sets a lazy picture of 16 bits per colour to give the low bytes, not the high ones. False where it has 8 bits."""
    return _read_as(image, OTHER_BYTE)


def four_bytes(image: Image.Image) -> bool:
    """Sets a lazy picture of grey and alpha in 16 bits, which Pillow opens as RGBA, to give its four bytes as such.

    False for any other picture.
    """
    return image.mode == "RGBA" and _read_as(image, GREY_ALPHA)


def _read_as(image: Image.Image, rawmodes: dict[str, str]) -> bool:
    """Replaces the raw modes in which the file's bytes are read. False where one of them has no replacement."""
    tiles = []
    for codec, extents, offset, how in image.tile:  # type: ignore[attr-defined]
        rawmode, *rest = (how,) if isinstance(how, str) else how
        if rawmode not in rawmodes:
            return False
        other = rawmodes[rawmode]
        tiles.append((codec, extents, offset, other if isinstance(how, str) else (other, *rest)))
    image.tile = tiles  # type: ignore[attr-defined]
    return bool(tiles)


def deep_grey_with_alpha(four: Image.Image) -> np.ndarray:
    """What `four_bytes` gave -> grey and alpha of 16 bits, (h, w, 2) uint16."""
    high, low, alpha, _ = np.moveaxis(np.asarray(four), -1, 0)
    return np.stack([high.astype(np.uint16) << 8 | low, alpha.astype(np.uint16) << 8], axis=-1)


def deep_joined(high: Image.Image, low: Image.Image) -> np.ndarray:
    """16 bits per colour, as two pictures of 8 bits, -> (h, w, 3 or 4) uint16."""
    return np.asarray(high).astype(np.uint16) << 8 | np.asarray(low)


def of_16_bits(deep: np.ndarray) -> Image.Image:
    """(h, w, 2, 3 or 4) of 16 bits -> 8 bits, scaled by what all its colours hold; a second or fourth one is alpha."""
    has_alpha = deep.shape[-1] in (2, 4)
    colours, alpha = (deep[..., :-1], deep[..., -1:]) if has_alpha else (deep, deep[..., :0])
    return Image.fromarray(np.concatenate([to_8_bit(colours), _alpha_8_bit(alpha, colours)], axis=-1))


def _alpha_8_bit(alpha: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Alpha that keeps within the bits of the colours has as many; of 16 bits it would leave nothing to be seen."""
    white = next(limit for limit in INTEGER_WHITES if colours.max(initial=0) <= limit)
    if white == INTEGER_WHITES[-1] or alpha.max(initial=0) > white:
        return (alpha // 256).astype(np.uint8)
    opaque = white & 0xFF00 or white  # of grey with alpha only the high bytes of alpha are known
    return np.minimum(np.round(alpha * (255.0 / opaque)), 255).astype(np.uint8)


def in_planes(image: Image.Image) -> bool:
    """Whether a lazy TIFF has more than 8 bits per colour in separate planes, which Pillow takes for 8 bits."""
    tags = getattr(image, "tag_v2", {})
    return tags.get(PLANES) == SEPARATE and len(image.getbands()) > 1 and max(tags.get(BITS, (8,))) > 8


def as_srgb(image: Image.Image) -> Image.Image:
    """The picture in sRGB where it carries the profile of another colour space; else itself, in its own mode.

    A profile that is damaged, or of another kind than the pixels, is ignored, as browsers do.
    """
    icc = image.info.get("icc_profile")
    if not icc:
        return image
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(icc))
        space = MODE_OF_SPACE.get(profile.profile.xcolor_space.strip(), "")
        if (profile.profile.profile_description or "").startswith("sRGB") or not _fits(space, image.mode):
            return image
        if image.mode in ("P", "PA"):
            image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        srgb = ImageCms.createProfile("sRGB")
        changed = ImageCms.profileToProfile(image.convert(space), profile, srgb, outputMode="RGB")
        assert changed is not None  # None is returned only where it works in place
        if "A" in image.getbands():
            changed.putalpha(image.getchannel("A"))
        return changed
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError):
        return image


def _fits(space: str, mode: str) -> bool:
    """Whether pixels of a mode can be of a profile's colour space. Grey pixels are often saved with one of RGB."""
    if space in ("", "CMYK") or mode == "CMYK":
        return space == mode == "CMYK"
    return space == "RGB" or mode in ("L", "LA", "1")
