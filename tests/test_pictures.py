"""Every kind of file a person may drop on the page: the right pixels, or one sentence."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from searchdemo.errors import BadPicture
from searchdemo.pictures import MAX_ASPECT, open_picture

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow remarks on the damage made here


def encoded(image: Image.Image, format: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def noise(width: int = 64, height: int = 64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims to be this large and holds no pixels: a decompression bomb without the weight."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def near(pixel: tuple[int, ...], wanted: tuple[int, ...], tolerance: int = 4) -> bool:
    return len(pixel) == len(wanted) and all(abs(a - b) <= tolerance for a, b in zip(pixel, wanted, strict=True))


def test_bytes_path_and_image_give_the_same_pixels(tmp_path):
    image = noise()
    path = tmp_path / "a.png"
    image.save(path)
    for source in (path, path.read_bytes(), image):
        opened = open_picture(source)
        assert opened.mode == "RGB"
        assert opened.tobytes() == image.tobytes()


def test_an_open_picture_is_left_as_it_is():
    image = Image.new("L", (4, 4), 7)
    opened = open_picture(image)
    opened.putpixel((0, 0), (255, 0, 0))
    assert image.mode == "L" and image.getpixel((0, 0)) == 7


@pytest.mark.parametrize(
    ("orientation", "corner"),
    [(1, (0, 0)), (2, (1, 0)), (3, (1, 1)), (4, (0, 1)), (5, (0, 0)), (6, (1, 0)), (7, (1, 1)), (8, (0, 1))],
)
def test_exif_orientation_is_applied(orientation, corner):
    """The stored top left corner is red; `corner` is where each of the eight orientations puts it (x, y of 0 | 1)."""
    image = Image.new("RGB", (48, 32), "white")
    image.paste("red", (0, 0, 16, 16))
    exif = Image.Exif()
    exif[0x0112] = orientation
    opened = open_picture(encoded(image, "JPEG", exif=exif, quality=95))
    assert opened.size == ((48, 32) if orientation <= 4 else (32, 48))
    x, y = corner[0] * (opened.width - 1), corner[1] * (opened.height - 1)
    assert near(opened.getpixel((x, y)), (255, 0, 0), 12)


def test_damaged_exif_does_not_matter():
    data = encoded(noise(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff\xff")
    assert open_picture(data).size == (64, 64)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_truncated(format, kept):
    data = encoded(noise(), format)
    with pytest.raises(BadPicture, match="This file"):
        open_picture(data[: int(len(data) * kept)])


def test_huge_is_refused_with_the_numbers_before_it_is_decoded():
    with pytest.raises(BadPicture, match="10000 x 6000 = 60 megapixels, and 50 are allowed"):
        open_picture(png_header(10_000, 6_000))
    with pytest.raises(BadPicture, match="400 megapixels, and 50 are allowed"):  # Pillow itself stops at 179
        open_picture(png_header(20_000, 20_000))


def test_long_and_thin_is_refused():
    assert open_picture(Image.new("RGB", (MAX_ASPECT, 1))).size == (MAX_ASPECT, 1)
    with pytest.raises(BadPicture, match="1 x 10000 pixels"):
        open_picture(Image.new("RGB", (1, 10_000)))


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_animated_gives_the_first_frame(format):
    red, blue = Image.new("RGB", (16, 16), "red"), Image.new("RGB", (16, 16), "blue")
    data = encoded(red, format, save_all=True, append_images=[blue], duration=100, loop=0)
    assert near(open_picture(data).getpixel((8, 8)), (255, 0, 0))


def test_cmyk_of_adobe_is_stored_inverted_and_plain_cmyk_is_not():
    """The same entropy-coded data: cyan with Adobe's marker, and its inverse, black, without."""
    adobe = encoded(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG")
    start = adobe.index(b"\xff\xee")
    plain = adobe[:start] + adobe[start + 2 + int.from_bytes(adobe[start + 2 : start + 4], "big") :]
    assert near(open_picture(adobe).getpixel((8, 8)), (0, 255, 255))
    assert near(open_picture(plain).getpixel((8, 8)), (0, 0, 0))


def test_cmyk_tiff():
    assert open_picture(encoded(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "TIFF")).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(format):
    grey = np.array([[0, 257, 32768, 65535]], dtype=np.uint16)
    opened = np.asarray(open_picture(encoded(Image.fromarray(grey), format)))
    assert opened[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize(
    ("grey", "wanted"),
    [
        (np.array([[0, 32768, 65535]], dtype=np.int32), [0, 128, 255]),  # 16 bits in 32
        (np.array([[-100, 0, 100]], dtype=np.int32), [0, 128, 255]),  # no white is known: stretched
        (np.array([[0, 0.2, 0.4]], dtype=np.float32), [0, 51, 102]),  # 1 is white
        (np.array([[0, 500, 1000]], dtype=np.float32), [0, 128, 255]),
    ],
)
def test_32_bit_grey(grey, wanted):
    opened = np.asarray(open_picture(encoded(Image.fromarray(grey), "TIFF")))
    assert opened[0, :, 0].tolist() == wanted


def test_16_bit_rgb():
    """Written by hand, because Pillow does not write them."""
    rows = b"\0" + struct.pack(">6H", 65535, 32896, 0, 0, 257, 65535)
    png = png_header(2, 1).replace(b"\x08\x02", b"\x10\x02", 1)
    header_crc = struct.pack(">I", zlib.crc32(png[12:29]))
    data = zlib.compress(rows)
    chunk = struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    opened = open_picture(png[:29] + header_crc + chunk + png[-12:])
    assert [opened.getpixel((x, 0)) for x in range(2)] == [(255, 128, 0), (0, 1, 255)]


def test_palette():
    image = Image.new("RGB", (8, 8), (10, 200, 30)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert near(open_picture(encoded(image)).getpixel((0, 0)), (10, 200, 30))


def test_transparent_is_shown_on_white():
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putdata([0, 1])
    grey_alpha = Image.new("LA", (2, 1))
    grey_alpha.putdata([(0, 0), (0, 255)])
    rgba = Image.new("RGBA", (1, 1), (255, 0, 0, 128))
    assert open_picture(encoded(palette, transparency=0)).getpixel((0, 0)) == (255, 255, 255)
    assert open_picture(encoded(palette, transparency=0)).getpixel((1, 0)) == (0, 0, 255)
    assert [open_picture(encoded(grey_alpha)).getpixel((x, 0)) for x in range(2)] == [(255, 255, 255), (0, 0, 0)]
    assert near(open_picture(encoded(rgba)).getpixel((0, 0)), (255, 127, 127), 1)


def test_bilevel_and_one_pixel():
    assert open_picture(encoded(Image.new("1", (3, 3), 1))).getpixel((1, 1)) == (255, 255, 255)
    assert open_picture(encoded(Image.new("RGB", (1, 1), (1, 2, 3)))).getpixel((0, 0)) == (1, 2, 3)


@pytest.mark.parametrize(
    "data",
    [b"hello", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"<svg/>", b"\xff\xd8\xff"],
    ids=["text", "png-signature", "eps", "svg", "jpeg-signature"],
)
def test_not_a_picture(data):
    with pytest.raises(BadPicture, match="is not a picture that can be read"):
        open_picture(data)


def test_empty_missing_and_folder(tmp_path):
    with pytest.raises(BadPicture, match="empty"):
        open_picture(b"")
    with pytest.raises(BadPicture, match=r"none\.jpg.*No such file"):
        open_picture(tmp_path / "none.jpg")
    with pytest.raises(BadPicture, match="directory"):
        open_picture(tmp_path)


def test_random_damage_never_escapes_as_another_error():
    """Flipped bytes give a picture or BadPicture; 200 tries over four formats, the same ones each run."""
    random = np.random.default_rng(1)
    for format in ("JPEG", "PNG", "GIF", "TIFF"):
        data = encoded(noise(24, 24), format)
        for _ in range(50):
            damaged = bytearray(data)
            for place in random.integers(0, len(data), 8):
                damaged[place] = random.integers(0, 256)
            try:
                assert open_picture(bytes(damaged)).mode == "RGB"
            except BadPicture as error:
                assert len(str(error)) < 200
