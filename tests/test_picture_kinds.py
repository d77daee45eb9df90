"""Pictures of every kind that people have: by content, of any depth, in any colours, of any size."""

from __future__ import annotations

import io
import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from searchdemo import decoding, pictures
from searchdemo.errors import BadPicture
from searchdemo.formats import TEXT_BYTES, kind_of
from searchdemo.pictures import SHORTER_SIDE, open_picture
from tests.test_pictures import encoded, near, noise, png_header


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(open_picture(data)).astype(int)


def soft(width: int = 96, height: int = 64) -> Image.Image:
    """A picture without fine detail, which any codec keeps."""
    return noise(6, 4).resize((width, height), Image.Resampling.BICUBIC)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def with_chunk(png: bytes, kind: bytes, content: bytes) -> bytes:
    place = png.index(b"IDAT") - 4
    return png[:place] + chunk(kind, content) + png[place:]


def heic(image: Image.Image, **options) -> bytes:
    pytest.importorskip("pillow_heif").register_heif_opener()
    return encoded(image, "HEIF", quality=90, **options)


# By content


KINDS = {
    "JPEG": {},
    "PNG": {},
    "WEBP": {},
    "AVIF": {},
    "TIFF": {},
    "BMP": {},
    "ICO": {"sizes": [(64, 64)]},
    "JPEG2000": {},
    "PPM": {},
    "MPO": {"save_all": True},
    "ICNS": {},
    "PCX": {},
    "SGI": {},
}


@pytest.mark.parametrize("format", KINDS)
@pytest.mark.parametrize("name", ["IMG_1", "wrong.txt", "photo.mp4"])
def test_a_picture_is_known_by_its_content(format, name):
    assert kind_of(io.BytesIO(encoded(soft(), format, **KINDS[format])), name) == ""


@pytest.mark.parametrize("format", ["PCX", "SGI", "BMP", "PPM", "TIFF"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_what_loses_nothing_keeps_its_pixels(format, mode):
    image = soft(95, 63).convert(mode)
    assert np.array_equal(pixels(encoded(image, format)), np.asarray(image.convert("RGB")))


def test_a_jpeg_that_is_named_like_a_raw_file_is_a_jpeg():
    assert kind_of(io.BytesIO(encoded(soft(), "JPEG")), "IMG.DNG") == ""


def test_a_heic_photograph_is_known_and_read():
    data = heic(soft())
    assert kind_of(io.BytesIO(data), "IMG_0001") == ""
    assert np.abs(pixels(data) - np.asarray(soft())).mean() < 6


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (b"\0\0\0\x18ftypmp42" + bytes(8), "clip.jpg.mp4", "video"),
        (b"\0\0\0\x14ftypqt  " + bytes(8), "no-suffix", "video"),
        (b"\x1aE\xdf\xa3" + bytes(60), "a.webm", "video"),
        (b"%PDF-1.7", "scan.pdf", "PDF"),
        (b"a.jpg" + bytes(252) + b"ustar\x0000", "photos.tar", "archive or document"),
        (b"7z\xbc\xaf\x27\x1c", "photos", "archive or document"),
        (b"BM is how this note begins", "notes.md", ".md"),
        (b"P5 is a kind of PGM, and this is a text", "README", "no suffix"),
        (b"<?xml version='1.0'?><svg/>", "logo.svg", "SVG drawing"),
        (b"", "empty", "no suffix"),
    ],
)
def test_other_files_have_a_kind(content, name, kind):
    assert kind_of(io.BytesIO(content), name) == kind


@pytest.mark.parametrize("name", ["a.jpg", "a.HEIC", "a.jfif", "a.jpe", "a.apng", "a.tif"])
def test_a_file_named_like_a_picture_is_to_be_opened_so_that_damage_is_told(name):
    assert kind_of(io.BytesIO(b"hello"), name) == ""


@pytest.mark.parametrize("format", ["TIFF", "MPO", "PNG"])
def test_of_several_pages_or_frames_the_first_counts(format):
    red, blue = Image.new("RGB", (32, 32), "red"), Image.new("RGB", (32, 32), "blue")
    assert near(open_picture(encoded(red, format, save_all=True, append_images=[blue])).getpixel((8, 8)), (255, 0, 0))


def icon(*pictures: bytes) -> bytes:
    """An ICO of pictures that each are said to have 64 x 64 pixels."""
    entries, place = b"", 6 + 16 * len(pictures)
    for picture in pictures:
        entries += struct.pack("<BBBBHHII", 64, 64, 0, 0, 1, 32, len(picture), place)
        place += len(picture)
    return struct.pack("<HHH", 0, 1, len(pictures)) + entries + b"".join(pictures)


def icns(picture: bytes) -> bytes:
    block = b"ic07" + struct.pack(">I", 8 + len(picture)) + picture  # 128 x 128 pixels
    return b"icns" + struct.pack(">I", 8 + len(block)) + block


BITMAP = struct.pack("<IiiHHIIiiII", 40, 12_000, 24_000, 1, 24, 0, 0, 0, 0, 0, 0)  # of an ICO: twice as high
JPEG_2000 = b"\xff\x4f\xff\x51\0\x29\0\0" + struct.pack(">II", 12_000, 12_000) + bytes(30)


@pytest.mark.parametrize(
    "data",
    [icon(png_header(12_000, 12_000)), icon(BITMAP), icns(png_header(12_000, 12_000)), icns(JPEG_2000)],
    ids=["PNG in an ICO", "bitmap in an ICO", "PNG in an ICNS", "JPEG 2000 in an ICNS"],
)
def test_a_picture_in_an_icon_is_not_decoded_where_it_is_larger_than_icons_are(data, recwarn, monkeypatch):
    """Pillow decodes that of an ICO as soon as it is opened, before its size can be looked at."""
    for name in ("ICO", "ICNS"):
        monkeypatch.setattr(f"PIL.{name.title()}ImagePlugin.{name.title()}ImageFile.load", lambda image: pytest.fail())
    with pytest.raises(BadPicture, match="is not a picture that can be read"):
        open_picture(data)
    assert not recwarn.list


@pytest.mark.filterwarnings("ignore:Image was not the expected size")
def test_icons_of_the_largest_usual_size_are_read():
    large = noise(32, 32).resize((1024, 1024), Image.Resampling.NEAREST)
    assert open_picture(icon(encoded(large, "PNG"), encoded(noise(64, 64), "PNG"))).size in ((1024, 1024), (64, 64))
    assert open_picture(encoded(large, "ICNS")).size == (1024, 1024)


# Depth


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_grey_of_any_depth_in_16_bits_equals_its_8_bit_twin(bits, format):
    twin = np.asarray(noise().convert("L"))
    twin = np.where(twin == twin.max(), 255, twin)
    deep = np.round(twin / 255 * (2**bits - 1)).astype(np.uint16)
    assert np.abs(pixels(encoded(Image.fromarray(deep), format))[..., 0] - twin).max() <= 1


def png_of_16_bits(colours: np.ndarray) -> bytes:
    """(height, width, 3 | 4) uint16 as PNG, by hand, because Pillow does not write them."""
    height, width, channels = colours.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colours)
    header = struct.pack(">IIBBBBB", width, height, 16, 2 if channels == 3 else 6, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_colours_of_any_depth_in_16_bits_equal_their_8_bit_twin(bits):
    twin = np.asarray(noise()).copy()
    twin[0, 0] = 255
    deep = np.round(twin / 255 * (2**bits - 1)).astype(np.uint16)
    assert np.abs(pixels(png_of_16_bits(deep)) - twin).max() <= 1
    opaque = np.full((*deep.shape[:2], 1), 65535, np.uint16)
    assert np.abs(pixels(png_of_16_bits(np.concatenate([deep, opaque], axis=2))) - twin).max() <= 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [12, 16])
def test_colours_of_16_bits_in_a_tiff_of_either_byte_order(bits, order):
    """Written by hand: a header, one directory, the bits of each sample, the pixels."""
    twin = np.asarray(noise()).copy()
    twin[0, 0] = 255
    deep = np.round(twin / 255 * (2**bits - 1)).astype(f"{order}u2")
    after = 8 + 2 + 10 * 12 + 4
    tags = [
        (256, 4, 1, 64),
        (257, 4, 1, 64),
        (258, 3, 3, after),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, after + 6),
    ]
    tags += [(277, 3, 1, 3), (278, 4, 1, 64), (279, 4, 1, deep.nbytes), (284, 3, 1, 1)]
    entries = b"".join(
        struct.pack(f"{order}HHI", tag, kind, count)
        + (struct.pack(f"{order}HH", value, 0) if kind == 3 and count == 1 else struct.pack(f"{order}I", value))
        for tag, kind, count, value in tags
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    tiff = head + entries + bytes(4) + struct.pack(f"{order}3H", 16, 16, 16) + deep.tobytes()
    assert np.abs(pixels(tiff) - twin).max() <= 1


def test_a_dark_picture_of_8_bits_stays_dark():
    dark = Image.fromarray(np.asarray(noise()) // 8)
    assert np.array_equal(pixels(encoded(dark)), np.asarray(dark))


def test_where_a_tiff_says_that_zero_is_white_it_is_so_in_16_bits_too():
    grey = np.linspace(0, 65535, 64).astype(np.uint16)[None].repeat(8, 0)
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[262] = 0
    opened = pixels(encoded(Image.fromarray(grey), "TIFF", tiffinfo=tags))
    assert opened[0, :, 0].tolist() == (255 - np.round(grey[0] / 257)).tolist()


@pytest.mark.parametrize("white", [1, 255, 65535])
def test_floats_of_a_known_range_equal_their_8_bit_twin(white):
    twin = np.asarray(noise().convert("L"))
    floats = (twin / 255 * white * 0.99).astype(np.float32)
    assert np.abs(pixels(encoded(Image.fromarray(floats), "TIFF"))[..., 0] - twin * 0.99).max() <= 1


@pytest.mark.parametrize("mark", [np.nan, np.inf, -np.inf, -3.4e38, 1e38])
def test_a_place_without_a_measurement_is_dark_and_leaves_the_others_as_they_are(mark):
    floats = np.tile(np.float32([200, 300, 400, 500]), (8, 1))
    floats[0] = mark
    seen = pixels(encoded(Image.fromarray(floats), "TIFF"))[..., 0]
    assert seen[0].tolist() == [0] * 4 and seen[1].tolist() == [0, 85, 170, 255]
    assert not pixels(encoded(Image.fromarray(np.full((4, 4), mark, np.float32)), "TIFF")).any()


def test_floats_that_are_whole_numbers_up_to_255_equal_their_twin_however_dark():
    twin = np.asarray(noise().convert("L")) // 4
    assert np.array_equal(pixels(encoded(Image.fromarray(twin.astype(np.float32)), "TIFF"))[..., 0], twin)


# Colours


def profile(name: bytes, red: tuple, green: tuple, blue: tuple, gamma: float) -> bytes:
    """An ICC profile with these primaries (XYZ, D50) and one curve, as the specification ICC.1:2010 lays it out."""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    def xyz(values: tuple) -> bytes:
        return b"XYZ \0\0\0\0" + fixed(*values)

    described = b"desc\0\0\0\0" + struct.pack(">I", len(name) + 1) + name + bytes(1 + 78)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    white = (0.9642, 1, 0.8249)
    tags = [(b"desc", described + bytes(-len(described) % 4)), (b"wtpt", xyz(white)), (b"cprt", b"text\0\0\0\0x\0\0\0")]
    tags += [(b"rXYZ", xyz(red)), (b"gXYZ", xyz(green)), (b"bXYZ", xyz(blue))]
    tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    table, data = struct.pack(">I", len(tags)), b""
    for key, content in tags:
        table += key + struct.pack(">II", 132 + 12 * len(tags) + len(data), len(content))
        data += content
    head = struct.pack(">I4sI4s4s4s", 128 + len(table + data), b"lcms", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    return head + bytes(12) + b"acsp" + bytes(28) + fixed(*white) + bytes(48) + table + data


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PROFILES = {
    "AdobeRGB": ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457), 2.2),
    "ProPhoto": ((0.79767, 0.28804, 0), (0.13519, 0.71188, 0), (0.03134, 0.00009, 0.82491), 1.8),
    "swapped": ((0.14919, 0.06322, 0.74457), (0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), 2.2),
}


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_colour_profile_is_converted_to_srgb(name, mode):
    icc = profile(name.encode(), *PROFILES[name])
    twin = soft()
    wide = ImageCms.profileToProfile(twin, ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(io.BytesIO(icc)))
    wide = Image.fromarray(np.asarray(wide))  # Pillow would save the profile with it
    assert np.abs(pixels(encoded(wide)) - np.asarray(twin)).mean() > 5
    assert np.abs(pixels(encoded(wide.convert(mode), icc_profile=icc)) - np.asarray(twin)).mean() < 2


def test_grey_with_a_profile_of_rgb_is_converted_and_16_bits_keep_theirs():
    icc, grey = profile(b"linear", *PROFILES["AdobeRGB"][:3], 1.0), Image.new("L", (4, 4), 55)
    deep = Image.fromarray(np.array([[55 * 257, 65535]], np.uint16))
    lighter = pixels(encoded(grey, icc_profile=icc))
    assert 125 < lighter[0, 0, 0] < 133  # linear light of 0.216 is 0.5 in sRGB
    assert abs(pixels(encoded(deep, icc_profile=icc))[0, 0, 0] - lighter[0, 0, 0]) <= 1


@pytest.mark.parametrize("icc", [b"no profile", SRGB[:200], SRGB], ids=["garbage", "cut", "sRGB"])
def test_a_bad_profile_or_that_of_srgb_changes_nothing(icc):
    assert np.array_equal(pixels(encoded(noise(), icc_profile=icc)), np.asarray(noise()))


# Large


@pytest.mark.parametrize("size", [2 * 2**20, TEXT_BYTES + 10])
def test_long_texts_and_profiles_in_a_png_do_no_harm(size):
    plain, unfolds = encoded(noise()), zlib.compress(b"x" * size)
    for kind, content in (
        (b"zTXt", b"workflow\0\0" + unfolds),
        (b"iTXt", b"parameters\0\1\0\0\0" + unfolds),
        (b"iCCP", b"camera\0\0" + zlib.compress(SRGB + bytes(size))),
    ):
        assert np.array_equal(pixels(with_chunk(plain, kind, content)), np.asarray(noise()))


def test_a_large_jpeg_is_decoded_at_a_reduced_scale(monkeypatch):
    """20 megapixels stand in for 200: the limit of other formats is lowered with them."""
    monkeypatch.setattr(pictures, "MAX_PIXELS", 5_000_000)
    photo = soft(96, 64).resize((5400, 3600), Image.Resampling.BILINEAR)
    for options in ({}, {"progressive": True}):
        opened = open_picture(encoded(photo, "JPEG", **options))
        assert opened.size == (2700, 1800)  # a third would be 1200, and JPEG knows halves
    assert np.abs(np.asarray(opened.resize((96, 64), Image.Resampling.BOX)).astype(int) - np.asarray(soft())).mean() < 4
    assert open_picture(encoded(noise(64, 64).resize((SHORTER_SIDE * 2 - 2,) * 2), "JPEG")).size == (2046, 2046)
    with pytest.raises(BadPicture, match="19 megapixels, and 5 are allowed"):
        open_picture(png_header(5400, 3600))


def test_a_jpeg_of_200_megapixels_is_taken_without_a_warning(recwarn):
    """A small JPEG whose header says so; what is missing stays grey."""
    small = encoded(noise(), "JPEG")
    frame = small.index(b"\xff\xc0") + 5
    assert open_picture(small[:frame] + struct.pack(">HH", 12_240, 16_320) + small[frame + 4 :]).size == (2040, 1530)
    assert not recwarn.list


def test_pictures_that_take_more_than_all_may_at_once_are_decoded_one_at_a_time(monkeypatch):
    together, most, lock = 0, 0, threading.Lock()
    whole = pictures._upright_rgb

    def decode(*given):
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        barrier.wait(60)
        opened = whole(*given)
        with lock:
            together -= 1
        return opened

    monkeypatch.setattr(pictures, "_upright_rgb", decode)
    for large, expected in ((True, 1), (False, 2)):
        monkeypatch.setattr(decoding, "TOTAL_BYTES", (1 if large else 2) * 64 * 64 * (decoding.WORK_BYTES_EACH + 4))
        data = encoded(noise(64, 64), "JPEG")
        barrier, most = threading.Barrier(1 if large else 2), 0
        threads = [threading.Thread(target=open_picture, args=(data,)) for _ in range(2)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert most == expected
