"""No picture that a visitor brings adds more than 200 MB, whatever its format, and the memory goes back."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searchdemo import decoding
from searchdemo.decoding import OWN_BYTES, UPLOAD_BYTES, block_means, bytes_needed, smaller
from searchdemo.errors import BadPicture
from searchdemo.formats import lazy_image
from searchdemo.pictures import open_picture
from tests.test_pictures import png_header

LEFT = 60_000_000  # bytes of resident memory that may stay: code and tables of decoders, loaded with the first picture

MEASURE = """
import gc, io, json, re, sys
import numpy as np
from PIL import Image, features
from searchdemo.decoding import give_back
from searchdemo.pictures import open_picture

def resident(what):
    return int(re.search(what + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024

def saved(mode, side, kind, **options):
    buffer = io.BytesIO()
    Image.new(mode, (side, side), 0 if mode in "1LPF" or mode[0] == "I" else None).save(buffer, kind, **options)
    return buffer.getvalue()

cases = {
    "grey of 16 bits, PNG": lambda: saved("I;16", 7000, "PNG", compress_level=1),
    "RGBA, PNG": lambda: saved("RGBA", 6200, "PNG", compress_level=1),
    "palette, PNG": lambda: saved("P", 7000, "PNG", compress_level=1),
    "black and white, TIFF": lambda: saved("1", 7000, "TIFF", compression="group4"),
    "floats, TIFF in one strip": lambda: saved("F", 3550, "TIFF", compression="tiff_deflate", tiffinfo={278: 3550}),
    "CMYK, TIFF": lambda: saved("CMYK", 6200, "TIFF"),
    "progressive JPEG": lambda: saved("RGB", 4700, "JPEG", progressive=True),
    "GIF": lambda: saved("P", 6000, "GIF"),
}
if features.check("webp"):
    cases["WebP of a phone"] = lambda: saved("RGBA", 3464, "WEBP", quality=60, method=0)
    cases["WebP without loss"] = lambda: saved("RGB", 3350, "WEBP", lossless=True, method=0, quality=0)
if features.check("jpg_2000"):
    cases["JPEG 2000"] = lambda: saved("RGB", 2750, "JPEG2000")
open_picture(saved("RGB", 64, "PNG"))
found = {}
for name, make in cases.items():
    data = make()
    gc.collect()
    give_back()  # what making it took
    before = resident("VmRSS")
    open("/proc/self/clear_refs", "w").write("5")  # the peak counts from here
    size = open_picture(data).size
    peak = resident("VmHWM") - before
    gc.collect()
    found[name] = size, peak, resident("VmRSS") - before
print(json.dumps(found))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak of resident memory")
def test_each_kind_that_is_accepted_stays_below_the_bound_and_gives_back():
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
    )
    for name, (size, peak, left) in json.loads(done.stdout).items():
        assert peak <= UPLOAD_BYTES, (name, size, peak)
        assert left <= LEFT, (name, left)
        assert max(size) <= 8000


def jpeg(side: tuple[int, int] = (64, 64), **options) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", side, (200, 30, 30)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def needed(data: bytes) -> int:
    file = io.BytesIO(data)
    return bytes_needed(lazy_image(file, "This file"), file) - decoding.WORK_BYTES_EACH * 64 * 64


def test_what_is_needed_is_told_from_the_header():
    pixels = 64 * 64
    assert needed(jpeg()) == 4 * pixels
    assert needed(jpeg(progressive=True, subsampling=0)) == (4 + 2 * 3) * pixels
    assert needed(jpeg(progressive=True, subsampling=2)) == (4 + 2 * 1.5) * pixels
    for mode, each in (("L", 1), ("RGB", 4), ("RGBA", 4), ("I;16", 2), ("P", 1), ("LA", 4)):
        buffer = io.BytesIO()
        Image.new(mode, (64, 64)).save(buffer, "PNG")
        assert needed(buffer.getvalue()) == each * pixels
    buffer = io.BytesIO()
    Image.new("F", (64, 64)).save(buffer, "TIFF", compression="tiff_deflate", tiffinfo={278: 64})
    assert needed(buffer.getvalue()) == (4 + 2 * 4) * pixels


def test_webp_without_loss_takes_more_whatever_stands_before_its_pixels():
    for options in ({}, {"icc_profile": bytes(301)}, {"exif": bytes(7)}):
        for lossless in (False, True):
            buffer = io.BytesIO()
            Image.new("RGB", (64, 64), "red").save(buffer, "WEBP", lossless=lossless, **options)
            each = decoding.WEBP_OTHERS if lossless else decoding.DECODERS["WEBP"]
            assert needed(buffer.getvalue()) == int(each * 64 * 64)


def test_what_takes_more_is_refused_before_it_is_decoded():
    with pytest.raises(BadPicture, match=r"7000 x 7000 .* PNG \(RGB\) takes 241 MB of memory, and 200 are allowed"):
        open_picture(png_header(7000, 7000))
    with pytest.raises(BadPicture, match="cannot be decoded"):  # one's own file: there is nothing behind the header
        open_picture(png_header(7000, 7000), OWN_BYTES)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK", "P", "1", "I;16", "F", "I"])
def test_a_large_picture_keeps_its_colours_and_its_kind(mode, monkeypatch):
    monkeypatch.setattr(decoding, "WORK_PIXELS", 20 * 15)
    monkeypatch.setattr(decoding, "STRIP_PIXELS", 300)
    x = np.linspace(0, 60_000 if mode in ("I;16", "I") else 255, 61 * 47).reshape(47, 61)
    rgb = Image.fromarray(np.stack([x, x[::-1], x], -1).astype(np.uint8))
    if mode in ("I;16", "I", "F"):
        image = Image.fromarray(x.astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]))
    else:
        image = rgb.convert("RGB").quantize(256) if mode == "P" else rgb.convert(mode)
    small = smaller(image)
    assert small.size == (16, 12) and small.mode == {"P": "RGB", "1": "L", "I;16": "I"}.get(mode, mode)
    if mode not in ("1", "P"):
        means = block_means(np.asarray(image), 4)
        assert np.abs(np.asarray(small).astype(float) - means).max() <= 1


def test_the_means_of_blocks_and_of_parts_of_blocks():
    assert block_means(np.arange(15).reshape(3, 5), 2).tolist() == [[3, 5, 6.5], [10.5, 12.5, 14]]


def test_an_orientation_is_kept_when_a_picture_is_made_smaller(monkeypatch):
    monkeypatch.setattr(decoding, "WORK_PIXELS", 100)
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("RGB", (40, 20), "red").save(buffer, "PNG", exif=exif)
    assert open_picture(buffer.getvalue()).size == (7, 14)


def test_sixteen_bits_per_colour_are_scaled_by_all_that_they_hold_when_made_smaller(monkeypatch):
    from tests.test_picture_kinds import png_of_16_bits

    monkeypatch.setattr(decoding, "WORK_PIXELS", 100)
    dark = np.full((20, 20, 3), (4095, 2048, 0), np.uint16)  # 12 bits
    opened = np.asarray(open_picture(png_of_16_bits(dark)))
    assert opened.shape == (10, 10, 3) and np.abs(opened.astype(int) - (255, 128, 0)).max() <= 1


def test_photographs_of_mobile_phones_are_accepted():
    for kind, side in (("WEBP", (4032, 3024)), ("HEIF", (6048, 4032)), ("AVIF", (4032, 3024))):
        image = Image.new("RGB", (1, 1))
        image._size, image.format = side, kind  # of its header; nothing is decoded
        assert bytes_needed(image, None) <= UPLOAD_BYTES, kind
