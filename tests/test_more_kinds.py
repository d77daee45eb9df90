"""Pictures that take a package of their own: JPEG XL, and camera RAW by its preview; and grey of 16 bits with alpha."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from searchdemo import formats, raw
from searchdemo.errors import BadPicture
from searchdemo.facts import facts_of
from searchdemo.formats import kind_of, reader_version
from searchdemo.galleries import report as report_module
from searchdemo.galleries.table import open_gallery
from searchdemo.pictures import MAX_PIXELS, open_picture
from searchdemo.tones import of_16_bits
from tests.test_picture_kinds import chunk, pixels, soft
from tests.test_pictures import encoded, near

TURNED = 6  # an orientation of EXIF: the camera was held upright

# JPEG XL


@pytest.fixture(scope="module")
def jxl():
    return pytest.importorskip("pylibjxl")


def test_a_jpeg_xl_picture_is_known_by_its_content_and_read(jxl):
    data = jxl.encode(np.asarray(soft()), lossless=True)
    assert kind_of(io.BytesIO(data), "no-suffix") == ""
    assert np.array_equal(pixels(data), np.asarray(soft()))
    with_alpha = jxl.encode(np.dstack([np.asarray(soft()), np.zeros((64, 96), np.uint8)]), lossless=True)
    assert (pixels(with_alpha) == 255).all()  # white behind what is transparent


def test_a_jpeg_xl_photograph_is_turned_once(jxl):
    exif = Image.Exif()
    exif[raw.ORIENTATION] = TURNED
    photograph = encoded(soft(), "JPEG", quality=95, exif=exif)
    packed = jxl.jpeg_to_jxl(photograph)
    assert open_picture(packed).size == open_picture(photograph).size == (64, 96)
    assert np.abs(pixels(packed) - pixels(photograph)).mean() < 2
    assert facts_of(packed)["size"] == "64 × 96 pixels"


def test_a_jpeg_xl_of_too_many_pixels_is_refused_before_it_is_decoded(jxl, monkeypatch):
    monkeypatch.setattr(jxl, "decode", lambda *given, **options: pytest.fail("it was decoded"))
    monkeypatch.setattr("searchdemo.pictures.MAX_PIXELS", 1000)
    with pytest.raises(BadPicture, match="too large: 96 x 64"):
        open_picture(jxl.encode(np.asarray(soft())))
    assert MAX_PIXELS > 1000


def test_a_damaged_jpeg_xl_is_told(jxl):
    whole = jxl.encode(np.asarray(soft()))
    for spoiled in (whole[:20], whole[: len(whole) // 2], b"\xff\x0a" + bytes(30)):
        with pytest.raises(BadPicture):
            open_picture(spoiled)


# Camera RAW


def dng(preview: bytes = b"", orientation: int = 1) -> bytes:
    """A DNG by hand: 96 x 64 pixels of a sensor that sees red alone, and perhaps a JPEG as its preview."""
    height, width = 64, 96
    sensor = np.zeros((height, width), "<u2")
    sensor[::2, ::2] = 12_000  # the red ones of the pattern 0 1 / 1 2
    ones, diagonal = [1] * 6, [1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1]
    formats_of = {1: "B", 2: "B", 3: "H", 4: "I", 5: "I", 10: "i"}  # type of TIFF -> that of struct

    def directory(tags: list[tuple[int, int, list[int]]], at: int) -> bytes:
        entries, beyond = struct.pack("<H", len(tags)), b""
        for tag, kind, values in sorted(tags):
            data = struct.pack(f"<{len(values)}{formats_of[kind]}", *values)
            count = len(values) // 2 if kind in (5, 10) else len(values)
            place = data.ljust(4, b"\0") if len(data) <= 4 else b""
            place = place or struct.pack("<I", at + 2 + 12 * len(tags) + 4 + len(beyond))
            beyond += data.ljust(len(data) + len(data) % 2, b"\0") if len(data) > 4 else b""
            entries += struct.pack("<HHI", tag, kind, count) + place
        return entries + struct.pack("<I", 0) + beyond

    def of_sensor(at: int, below: int) -> bytes:
        tags = [(254, 4, [0]), (256, 4, [width]), (257, 4, [height]), (258, 3, [16]), (259, 3, [1]), (262, 3, [32803])]
        tags += [(271, 2, [*b"Test\0"]), (272, 2, [*b"Camera\0"]), (273, 4, [at]), (274, 3, [orientation])]
        tags += [(277, 3, [1]), (278, 4, [height]), (279, 4, [sensor.nbytes]), (33421, 3, [2, 2])]
        tags += [(33422, 1, [0, 1, 1, 2]), (50706, 1, [1, 4, 0, 0]), (50708, 2, [*b"Test Camera\0"])]
        tags += [(50717, 4, [16383]), (50721, 10, diagonal), (50728, 5, ones), (50778, 3, [21])]
        return directory(tags + [(330, 4, [below])] * bool(preview), 8)

    def of_preview(at: int, own: int) -> bytes:
        size = Image.open(io.BytesIO(preview)).size
        tags = [(254, 4, [1]), (256, 4, [size[0]]), (257, 4, [size[1]]), (258, 3, [8, 8, 8]), (259, 3, [7])]
        tags += [(262, 3, [6]), (273, 4, [at]), (277, 3, [3]), (278, 4, [size[1]]), (279, 4, [len(preview)])]
        return directory(tags, own)

    below = 8 + len(of_sensor(0, 0))
    preview_at = below + (len(of_preview(0, 0)) if preview else 0)
    sensor_at = preview_at + len(preview) + len(preview) % 2
    content = of_sensor(sensor_at, below) + (of_preview(preview_at, below) + preview if preview else b"")
    return b"II*\0" + struct.pack("<I", 8) + content.ljust(sensor_at - 8, b"\0") + sensor.tobytes()


@pytest.mark.parametrize("name", ["IMG.DNG", "no-suffix"])
def test_a_raw_file_is_shown_by_its_preview_as_the_camera_was_held(name):
    pytest.importorskip("rawpy")
    data = dng(encoded(Image.new("RGB", (48, 32), (10, 200, 30)), "JPEG"), TURNED)
    assert kind_of(io.BytesIO(data), name) == ""
    opened = open_picture(data)
    assert opened.size == (32, 48) and near(opened.getpixel((5, 5)), (10, 200, 30), 4)


@pytest.mark.parametrize("stamp", ["", "24 x 16"])
def test_a_raw_file_without_a_preview_or_with_a_stamp_alone_is_developed(stamp):
    pytest.importorskip("rawpy")
    preview = encoded(Image.new("RGB", (24, 16), (10, 200, 30)), "JPEG") if stamp else b""
    opened = open_picture(dng(preview, TURNED))
    red, green, _ = opened.getpixel((16, 24))
    assert opened.size == (32, 48) and red > 200 and green < 50


@pytest.mark.filterwarnings("ignore:Corrupt EXIF:UserWarning", "ignore:Truncated File:UserWarning")
@pytest.mark.parametrize("content", [b"II*\0 and so on", b"FUJIFILMCCD-RAW and so on", dng()[:200]])
def test_a_damaged_raw_file_is_told(content):
    pytest.importorskip("rawpy")
    assert kind_of(io.BytesIO(content), "IMG.NEF") == ""
    with pytest.raises(BadPicture):
        open_picture(content)


def test_a_scan_that_is_no_raw_file_is_read_as_before():
    assert np.array_equal(pixels(encoded(soft(), "TIFF")), np.asarray(soft()))


def test_without_the_packages_files_are_counted_with_the_command_that_takes_them(tmp_path, monkeypatch):
    contents = {"a.NEF": b"II*\0 and so on", "b.raf": b"FUJIFILMCCD-RAW", "c.jxl": b"\xff\x0a" + bytes(9)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    Image.new("RGB", (8, 8)).save(tmp_path / "d.png")
    there = reader_version()
    opened = {name: reader for name, reader in formats.readers().items() if name != "JXL"}
    monkeypatch.setattr(formats, "readers", lambda: opened)
    monkeypatch.setattr(formats, "suffixes", lambda: frozenset({".png"}))
    for module in (formats, raw, report_module):
        monkeypatch.setattr(module, "is_installed", lambda package: False)
    report = open_gallery(f"folder:{tmp_path}").report
    assert report.skipped == {"JPEG XL picture": ("c.jxl",), "camera RAW": ("a.NEF", "b.raf")}
    assert "To take camera RAW files, run `pip install rawpy`." in " ".join(report.lines())
    assert "To take JPEG XL picture files, run `pip install pylibjxl`." in " ".join(report.lines())
    assert raw.preview(io.BytesIO(dng())) is None
    if "rawpy" in there:
        assert reader_version() != there  # once a package is there, what was skipped is looked at again


# 16 bits of grey, with alpha


def png_of_grey_and_alpha(grey: np.ndarray, alpha: np.ndarray, size: int = 16) -> bytes:
    """grey, alpha: (height, width) as PNG of so many bits, by hand, because Pillow does not write 16."""
    both = np.stack([grey, alpha], axis=-1).astype(">u2" if size == 16 else np.uint8)
    lines = b"".join(b"\0" + line.tobytes() for line in both)
    head = struct.pack(">IIBBBBB", grey.shape[1], grey.shape[0], size, 4, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_grey_of_any_depth_with_alpha_equals_its_8_bit_twin(bits):
    twin = np.asarray(soft().convert("L")).astype(int)
    twin[0, 0] = 255
    alpha = np.full(twin.shape, 65_535)
    alpha[:, 48:] = 0
    deep = np.round(twin / 255 * (2**bits - 1))
    shown = pixels(png_of_grey_and_alpha(deep, alpha))
    assert np.abs(shown[:, :48, 0] - twin[:, :48]).max() <= 1
    assert (shown[:, 48:] == 255).all()  # white behind what is transparent
    eight = pixels(png_of_grey_and_alpha(twin, alpha >> 8, 8))
    assert np.array_equal(eight[:, :48, 0], twin[:, :48])


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("bands", [2, 4])
def test_alpha_of_as_many_bits_as_the_colours_hides_nothing(bits, bands):
    twin = np.asarray(soft().convert("L")).astype(int)
    twin[0, 0] = 255
    whole = 2**bits - 1
    deep, alpha = np.round(twin / 255 * whole).astype(np.uint16), np.full(twin.shape, whole, np.uint16)
    alpha[:, 48:] = 0
    if bands == 2:
        shown = pixels(png_of_grey_and_alpha(deep, alpha))
    else:
        image = of_16_bits(np.dstack([deep, deep, deep, alpha]))
        shown = np.asarray(open_picture(image))
    assert np.abs(shown[:, :48, 0].astype(int) - twin[:, :48]).max() <= 1 and (shown[:, 48:] == 255).all()


def test_16_bits_in_planes_which_pillow_misreads_are_refused():
    tifffile = pytest.importorskip("tifffile")
    planes = np.moveaxis(np.asarray(soft()).astype(np.uint16) * 257, -1, 0)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, planes, photometric="rgb", planarconfig="separate")
    with pytest.raises(BadPicture, match="in separate planes; save it with its colours together"):
        open_picture(buffer.getvalue())
    tifffile.imwrite(
        buffer := io.BytesIO(), (planes // 257).astype(np.uint8), photometric="rgb", planarconfig="separate"
    )
    assert np.array_equal(np.asarray(open_picture(buffer.getvalue())), np.asarray(soft()))


def test_dark_grey_of_8_bits_with_alpha_stays_dark():
    dark = np.full((8, 8), 20)
    assert (pixels(png_of_grey_and_alpha(dark, np.full((8, 8), 255), 8)) == 20).all()
