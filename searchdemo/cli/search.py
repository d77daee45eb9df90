"""Find the pictures of a gallery nearest to a picture or to words.

Scores are cosine similarities, computed from the stored vectors.

A text may have several terms, joined by + and - with a blank on both sides: "a beach + sunset - people". A number, a
colon and a blank before a term weigh it, "2: dog". #12 is a picture of the gallery by its row, #held-out-3 a held-out
one, #picture the one that --image or --row gives, which is the first term otherwise. Terms in double quotes, and all
that has no such sign ("t-shirt", "C++", "16:9 view"), are plain text. The query is the weighted sum of the terms' unit
vectors, made unit again, so each term's share of a score is exact, and the shares sum to the score.

--why N tells which parts of the hit of rank N carry its score: the encoder sees it with one part after the other
covered in grey, and what matched is where the score falls most.

For a single text it is said how probably the gallery shows it, where its build could calibrate that.

Example:
  python -m searchdemo search --gallery scenes --text "a red boat on the sea at night" -k 5
  python -m searchdemo search --image cat.jpg --index hnsw --ef-search 128 --json
  python -m searchdemo search --text "a red boat" --index ivf --nprobe 2 --compare
  python -m searchdemo search --text "a fish" --where "label in ('goldfish', 'bullfrog')"
  python -m searchdemo search --gallery folder:~/Pictures --text "a dog" --where "year >= 2020"
  python -m searchdemo search --gallery scenes --text "a boat + 0.5: sunset - people"
  python -m searchdemo search --gallery vectors:mine --row 17 --index hnsw --compare
  python -m searchdemo search --gallery scenes --text "a red boat" --why 1
  python -m searchdemo search --gallery scenes --row 12 --box 0.5,0,0.5,1 --text "+ snow - #40"
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from searchdemo.cli.answer import Answer, stand_in_notice, table
from searchdemo.cli.options import add_choice, add_index, open_collection, search_params, whole_number
from searchdemo.collection.box import EXAMPLE as BOX
from searchdemo.collection.box import Box, box_of
from searchdemo.errors import BadQuery
from searchdemo.files import expanded
from searchdemo.metadata.columns import COLUMNS
from searchdemo.metadata.tokens import EXAMPLE

if TYPE_CHECKING:
    from searchdemo.collection.query import Query
    from searchdemo.collection.why import Why


def add_query(parser: argparse.ArgumentParser) -> None:
    """Options that a query is made of, see `query_of`."""
    parser.add_argument("--image", type=expanded, metavar="FILE", help="a picture to search with; --text adds to it")
    parser.add_argument("--row", type=int, metavar="N", help="a picture of the gallery to search with")
    parser.add_argument("--text", nargs="+", metavar="WORDS", help="words to search with, see above")
    parser.add_argument("--box", type=box, metavar="X,Y,W,H", help=f"the part of the picture, such as {BOX}")


def query_of(arguments: argparse.Namespace, held_out: int | None = None) -> Query:
    """Raises BadQuery for what is wrong with it, before anything is opened."""
    from searchdemo.collection.query import Query

    query = Query(
        arguments.image,
        " ".join(arguments.text) if arguments.text else None,
        row=arguments.row,
        held_out=held_out,
        box=arguments.box,
    )
    query.counting  # noqa: B018
    return query


def add_options(parser: argparse.ArgumentParser) -> None:
    add_query(parser)
    parser.add_argument("-k", "--k", type=int, default=10, help="how many pictures (default %(default)s)")
    add_index(parser)
    parser.add_argument(
        "--where",
        default="",
        metavar="FILTER",
        help=f'only pictures that meet it, such as "{EXAMPLE}"; columns: {", ".join(COLUMNS)}',
    )
    parser.add_argument(
        "--min-probability",
        type=float,
        default=0.0,
        metavar="P",
        help="show no picture where the gallery shows what the text says with less than that, from 0 to 1",
    )
    parser.add_argument("--compare", action="store_true", help="say what the index missed of the exact answer")
    parser.add_argument("--why", type=whole_number, metavar="N", help="which parts of hit N carry its score")
    add_choice(parser)


def box(text: str) -> Box | None:
    try:
        return box_of(text)
    except BadQuery as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(arguments: argparse.Namespace) -> Answer:
    from searchdemo.collection.query import check_k
    from searchdemo.metadata.grammar import parse

    query = query_of(arguments)
    check_k(arguments.k)
    if arguments.where:
        parse(arguments.where)  # before anything is opened
    if arguments.why and arguments.why > arguments.k:
        raise BadQuery(f"--why {arguments.why} names no hit of {arguments.k}: choose from 1 to {arguments.k}.")
    collection = open_collection(arguments)
    result = collection.search(
        query,
        arguments.index,
        arguments.k,
        pictures=False,
        compare=arguments.compare,
        where=arguments.where,
        min_probability=arguments.min_probability,
        **search_params(arguments),
    )
    content = result.to_json()
    files = any(hit.file for hit in result.hits)  # a folder of the person's own: its folder may say its class
    unsaid = any(hit.unsaid for hit in result.hits)
    said = [(hit.file, *[hit.class_names] * unsaid) if files else (hit.label, hit.class_names) for hit in result.hits]
    parts = any(hit.box for hit in result.hits)  # of a gallery that was built with --tiles
    said = [(hit.box or "whole", *words) if parts else words for hit, words in zip(result.hits, said, strict=True)]
    rows = [
        (hit.rank, hit.row, f"{hit.score:.4f}", *(f"{share:+.4f}" for share in hit.shares), *words)
        for hit, words in zip(result.hits, said, strict=True)
    ]
    names = (*["part"] * parts, *(("file", *["labels"] * unsaid) if files else ("label", "class")))
    terms = [f"{weight:g}: {term}" for term, weight in result.terms]
    lines = [
        table(("rank", "row", "score", *terms, *names), rows, [True] * (3 + len(terms)) + [False] * len(names)),
        "",
        f"{result.timing} (the first query of a process is the slowest)",
    ]
    if result.matching is not None:
        lines.append(f"The filter is met by {result.matching:,} of {len(collection):,} pictures.")
    if result.presence:
        said_so = str(result.presence)
        lines.append(f"{said_so[0].upper()}{said_so[1:]}.")
    if result.terms:
        lines.append(result.without_probability)
    if result.comparison:
        which = ", ".join(str(hit.row) for hit in result.comparison.hits)
        lines.append(f"Against exact search: {result.comparison.missed}" + (f" (rows {which})." if which else "."))
    if result.notice:
        lines.append(result.notice)
    if arguments.why:
        if arguments.why > len(result.hits):
            raise BadQuery(f"--why {arguments.why} names no hit: {len(result.hits)} were found.")
        why = collection.why(query, result.hits[arguments.why - 1].row)
        content["why"] = why.to_json()
        lines += ["", *drawn(why, arguments.why)]
    if collection.stand_in:
        content["stand_in"] = True
        lines.append(stand_in_notice(arguments.encoder))
    return Answer(content, "\n".join(lines))


def drawn(why: Why, rank: int) -> list[str]:
    """The map as lines of whole numbers, as the picture lies: its top is the first line."""
    cells = [[f"{round(1000 * drop):5d}" for drop in row] for row in why.drops.tolist()]
    part = f", part {why.box}" if why.box else ""
    head = (
        f"Why hit {rank} matched (row {why.row}{part}): thousandths of the score that are lost where a part is covered."
    )
    return [head, *("".join(row) for row in cells), f"{why} {why.passes} passes of the encoder."]
