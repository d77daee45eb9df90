"""Write a collection as one Parquet file: rows, labels, facts, places on the map, neighbours and vectors.

Embedding Atlas and `datasets` open it, and `import` takes it in again. x and y are those of the map, where one is
stored (`build --map`).

Example:
  python -m searchdemo export --gallery scenes --out scenes.parquet
  embedding-atlas scenes.parquet --x x --y y --neighbors neighbors
"""

from __future__ import annotations

import argparse

from searchdemo.cli.answer import Answer, stand_in_notice
from searchdemo.cli.options import add_choice, open_collection
from searchdemo.files import expanded


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=expanded, required=True, metavar="FILE", help="the file that is written")
    parser.add_argument("--format", choices=("parquet",), default="parquet", help="default %(default)s")
    parser.add_argument("--neighbours", type=int, default=10, metavar="N", help="of each row; 0: none (default 10)")
    parser.add_argument("--no-vectors", action="store_true", help="leave the vectors out")
    add_choice(parser)


def run(arguments: argparse.Namespace) -> Answer:
    from searchdemo.cli.progress import ProgressLine
    from searchdemo.collection.export import export_parquet

    collection = open_collection(arguments)
    with ProgressLine() as progress:
        done = export_parquet(collection, arguments.out, arguments.neighbours, not arguments.no_vectors, progress)
    size = done.path.stat().st_size
    notes = list(done.notes)
    if done.gone:
        notes.append(f"{done.gone:,} vectors whose pictures are no more were left out.")
    content = {"file": str(done.path), "rows": done.rows, "columns": list(done.columns), "bytes": size, "notes": notes}
    lines = [f"{done.path}: {done.rows:,} rows of {', '.join(done.columns)}; {size / 1e6:,.1f} MB.", *notes]
    if collection.stand_in:
        content["stand_in"] = True
        lines.append(stand_in_notice(collection.encoder_spec.name))
    return Answer(content, "\n".join(lines))
