"""Where the files lie that come with searchdemo: in a checkout beside the package, in a wheel inside it."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent
PACKED = _PACKAGE / "assets"  # where the build of a wheel puts them, see pyproject.toml
ROOT = PACKED if PACKED.is_dir() else _PACKAGE.parent

INDEXES = ROOT / "indexes"  # built vectors: <gallery>/<encoder>/, and what a gallery itself consists of
WEIGHTS = ROOT / "weights"
CARDS = ROOT / "cards"  # run cards of benchmarks
