"""The README's tables say what the tables of the code say."""

from __future__ import annotations

import re
from pathlib import Path

from searchdemo.encoders.base import EncoderSpec
from searchdemo.encoders.table import ENCODERS
from searchdemo.galleries.table import GALLERIES
from searchdemo.indexes.table import INDEXES

README = (Path(__file__).parents[1] / "README.md").read_text()


def encoder_line(spec: EncoderSpec) -> str:
    download = f"{spec.download_bytes / 1e6:,.0f} MB" if spec.download_bytes else "in the clone"
    words = "yes" if spec.text else "no"
    return (
        f"| `{spec.name}` | {spec.dim} | {spec.input_px} px | {words} | {spec.parameters / 1e6:.1f} M | {download} | "
        f"{spec.licence} |"
    )


def test_every_encoder_has_its_line():
    lines = [line for line in README.splitlines() if re.match(r"\| `[\w-]+` \| \d+ \| \d+ px", line)]
    assert lines == [encoder_line(spec) for spec in ENCODERS.values()]


def test_every_index_has_its_line():
    for spec in INDEXES.values():
        assert f"| `{spec.name}` | {spec.help} |" in README


def test_every_gallery_is_named():
    for name in GALLERIES:
        assert f"`{name}" in README


def test_the_space_starts_what_is_there():
    front_matter = README.split("---")[1]
    assert "app_file: app.py" in front_matter
    assert (Path(__file__).parents[1] / "app.py").exists()
