"""How well the curve of tiny-ImageNet tells free texts whose pictures are there from the same texts without them.

Each text asks twice, as the names of classes do in `bench calibration`, whose figures these are: over the gallery with
its own curve, and over the held-out pictures with theirs. The constants of the curve were chosen on queries.tsv, by
the half for tuning.

Example: python -m training.asked --wordnet wordnet
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from searchdemo.collection.calibration import Curve
from searchdemo.collection.collection import Collection
from searchdemo.collection.library import Library
from searchdemo.collection.steadiness import misread
from searchdemo.encoders.base import Encoder
from training.evaluate import readable, told_apart
from training.queries import HALVES, MORE_QUERIES, QUERIES, Query

Judged = dict[str, tuple[np.ndarray, np.ndarray, Curve]]  # unit rows (n, dim), labels (n,) and the curve of each set


def judged(collection: Collection) -> Judged:
    """The gallery with the curve that it has, and its held-out pictures with one made of them."""
    queries, truth = collection.held_out()
    curves = (
        collection.shelf.calibration(collection.artifact, collection.snapshot),
        collection.shelf.calibrated(collection.encoder(), queries, 1),
    )
    assert curves[0] and curves[1]
    return {
        "the gallery": (collection.vectors.all(), collection.labels(), curves[0]),
        "held-out pictures": (queries, truth, curves[1]),
    }


def figures(sets: Judged, encoder: Encoder, queries: Sequence[Query], first_names: list[str]) -> dict[str, dict]:
    """Of each set how many texts the encoder reads, and what `told_apart` gives; first_names: of each class."""
    read = [query for query in queries if readable(encoder, query.text)]
    texts = [query.text for query in read]
    rows, found = encoder.encode_texts(texts), {}
    for among, (vectors, labels, curve) in sets.items():
        doubts = misread(curve, encoder, texts, rows)
        found[among] = {"texts": len(read)} | told_apart(rows, read, vectors, labels, first_names, curve, doubts)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m training.asked", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--wordnet", type=Path, required=True, help="nouns.jsonl and tiny_imagenet_synsets.json")
    arguments = parser.parse_args()

    from training.export import first_names  # after the options: --help needs no torch

    collection, names = Library().open("tiny-imagenet", "bundled"), first_names(arguments.wordnet)
    sets = judged(collection)
    for half in HALVES:
        for file, queries in (("queries", QUERIES), ("more_queries", MORE_QUERIES), ("both", QUERIES + MORE_QUERIES)):
            asking = [query for query in queries if query.half == half]
            print(json.dumps({"half": half, "of": file} | figures(sets, collection.encoder(), asking, names)))


if __name__ == "__main__":
    main()
