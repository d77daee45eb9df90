"""Readable names of the 200 classes of tiny-ImageNet, by WordNet id, in the data set's own (sorted) order.

A name tells which sense is meant where the plain word has several: the crane lifts, the reel is for fishing. The names
also stand in prompts ("a photo of a ..."), so they hold no brackets and no Latin.
"""

from __future__ import annotations

import json
from pathlib import Path

from searchdemo.shipped import check

CLASS_NAMES: dict[str, str] = json.loads(check(Path(__file__).with_suffix(".json")).read_text())
