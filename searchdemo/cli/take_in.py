"""Take in vectors that were made elsewhere, as the gallery vectors:NAME.

Indexes, the race, what an index missed, kNN and trade-offs then run on them. No encoder here made them, so a query is a
row of the gallery. Vectors are checked, and brought to length 1. Labels, captions and ids come from columns of the
Parquet file or of --metadata, which has one line for each vector, or an id that both have.

Example:
  python -m searchdemo import --vectors embeddings.npy --metadata about.csv --name mine
  python -m searchdemo search --gallery vectors:mine --row 17 --index hnsw --compare
  python -m searchdemo knn --gallery vectors:mine
"""

from __future__ import annotations

import argparse

from searchdemo.cli.answer import Answer
from searchdemo.cli.options import add_places
from searchdemo.files import expanded


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--vectors",
        type=expanded,
        required=True,
        metavar="FILE",
        help=".npy of shape (number, dimensions), or Parquet with a column of lists",
    )
    parser.add_argument("--name", required=True, metavar="NAME", help="the gallery is vectors:NAME")
    parser.add_argument("--metadata", type=expanded, metavar="FILE", help="CSV, JSON lines or Parquet")
    parser.add_argument("--column", default="", metavar="C", help="of a Parquet file: the one that holds the vectors")
    parser.add_argument("--replace", action="store_true", help="take the place of the vectors of this name")
    add_places(parser)


def run(arguments: argparse.Namespace) -> Answer:
    from searchdemo.collection.store import Store
    from searchdemo.collection.taken_in import take_in

    store = Store(own=arguments.out_dir)
    done = take_in(
        store,
        arguments.name,
        arguments.vectors,
        arguments.metadata,
        arguments.column,
        arguments.replace,
    )
    manifest = done.artifact.manifest
    content = {
        "gallery": manifest.gallery,
        "vectors": manifest.vectors,
        "dim": manifest.dim,
        "labels": done.labels,
        "notes": list(done.notes),
        "folder": str(done.artifact.folder),
    }
    said = f"{done.labels:,} labels" if done.labels else "no labels"
    lines = [f"{manifest.gallery}: {manifest.vectors:,} vectors of {manifest.dim} dimensions, {said}.", *done.notes]
    lines.append(f"Search with a row: `python -m searchdemo search --gallery {manifest.gallery} --row 0`.")
    return Answer(content, "\n".join(lines))
