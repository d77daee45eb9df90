"""Find the pictures of a gallery nearest to a picture or to words.

Scores are cosine similarities, computed from the stored vectors.

Example:
  python -m searchdemo search --gallery scenes --text "a red boat on the sea at night" -k 5
  python -m searchdemo search --image cat.jpg --index hnsw --ef-search 128 --json
  python -m searchdemo search --text "a red boat" --index ivf --nprobe 2 --compare
"""

from __future__ import annotations

import argparse
from pathlib import Path

from searchdemo.cli.answer import Answer, stand_in_notice, table
from searchdemo.cli.options import add_choice, add_index, open_collection, search_params


def add_options(parser: argparse.ArgumentParser) -> None:
    query = parser.add_mutually_exclusive_group(required=True)
    query.add_argument("--image", type=Path, metavar="FILE", help="a picture to search with")
    query.add_argument("--text", nargs="+", metavar="WORDS", help="words to search with")
    parser.add_argument("-k", type=int, default=10, help="how many pictures (default %(default)s)")
    add_index(parser)
    parser.add_argument("--compare", action="store_true", help="say what the index missed of the exact answer")
    add_choice(parser)


def run(arguments: argparse.Namespace) -> Answer:
    from searchdemo.collection.query import Query, check_k

    query = Query(text=" ".join(arguments.text)) if arguments.text else Query(picture=arguments.image.expanduser())
    check_k(arguments.k)
    collection = open_collection(arguments)
    result = collection.search(
        query, arguments.index, arguments.k, pictures=False, compare=arguments.compare, **search_params(arguments)
    )
    content = result.to_json()
    files = any(hit.file for hit in result.hits)  # a folder of the person's own: the file says more than its class
    said = [(hit.file,) if files else (hit.label, hit.class_name) for hit in result.hits]
    rows = [(hit.rank, hit.row, f"{hit.score:.4f}", *words) for hit, words in zip(result.hits, said, strict=True)]
    names = ("file",) if files else ("label", "class")
    lines = [
        table(("rank", "row", "score", *names), rows, right="rank row score"),
        "",
        f"{result.timing} (the first query of a process is the slowest)",
    ]
    if result.comparison:
        which = ", ".join(str(hit.row) for hit in result.comparison.hits)
        lines.append(f"Against exact search: {result.comparison.missed}" + (f" (rows {which})." if which else "."))
    if result.notice:
        lines.append(result.notice)
    if collection.stand_in:
        content["stand_in"] = True
        lines.append(stand_in_notice(arguments.encoder))
    return Answer(content, "\n".join(lines))
