"""Put several encoders side by side on one query, and measure which of them suits your pictures.

Each encoder that is built for the gallery has a column. It is marked which pictures other columns have, too, and one
more column fuses all of them by reciprocal rank (Cormack et al. 2009, constant 60). Of a gallery with classes each
encoder also names the class: by the vote of the k neighbours, by class names where it reads words, and by both.

--right says which rows, or files of a folder, are right for this query; --right without any, that none of them is.
--marks does so for many queries. Then precision@k and pooled recall@k come out per encoder: of the pictures that it
put first, how many are right, and how many of all that you marked as right it has. Intervals are Wilson's, at 95 %,
over pictures. Judged queries are kept in a run card, and add up; --forget deletes those of earlier calls.

--accuracy asks with all held-out pictures of a gallery with classes: how many does each encoder name rightly, by
neighbours, by class names, and by both? The two best encoders are compared by a sign test.

Example:
  python -m searchdemo faceoff --gallery scenes --text "a red boat on the sea"
  python -m searchdemo faceoff --gallery scenes --held-out 3 --encoders bundled efficientnet-lite0 --k 5 --right 12 40
  python -m searchdemo faceoff --gallery folder:~/Pictures --image cat.jpg --right cats/1.jpg cats/7.jpg --json
  python -m searchdemo faceoff --gallery scenes --marks marks.json --k 10
  python -m searchdemo faceoff --gallery scenes --accuracy
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from searchdemo.cli.answer import Answer, stand_in_notice, table
from searchdemo.cli.options import add_choice, add_search_params, existing_file, make_key, make_library, search_params
from searchdemo.cli.search import add_query, query_of
from searchdemo.errors import BadQuery
from searchdemo.metadata.columns import COLUMNS
from searchdemo.metadata.tokens import EXAMPLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from searchdemo.collection.library import Library
    from searchdemo.measure.faceoff.asked import Mark
    from searchdemo.measure.faceoff.compared import Column, FaceOff
    from searchdemo.measure.faceoff.judged import Judged
    from searchdemo.measure.faceoff.sides import Side


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--encoders", nargs="+", default=(), metavar="E", help="default: all that are built")
    add_query(parser)
    parser.add_argument("--held-out", type=int, metavar="N", help="a held-out picture to search with, from 0")
    parser.add_argument("-k", "--k", type=int, default=10, help="how many pictures per column (default %(default)s)")
    parser.add_argument("--index", default="brute", metavar="I", help="default %(default)s: exact, so none has a say")
    add_search_params(parser)
    parser.add_argument(
        "--where", default="", metavar="FILTER", help=f'such as "{EXAMPLE}"; columns: {", ".join(COLUMNS)}'
    )
    parser.add_argument("--right", nargs="*", metavar="ROW", help="rows or files that are right for this query")
    parser.add_argument("--marks", type=existing_file, metavar="FILE", help="judged queries, as JSON: see README.md")
    parser.add_argument(
        "--accuracy", action="store_true", help="ask with all held-out pictures: the share of right classes"
    )
    parser.add_argument("--forget", action="store_true", help="first delete what was judged of this gallery before")
    add_choice(parser, encoder=False)


def run(arguments: argparse.Namespace) -> Answer:
    from searchdemo.collection.query import check_k
    from searchdemo.measure.cards import own_cards
    from searchdemo.measure.faceoff import kept
    from searchdemo.measure.faceoff.question import gathered
    from searchdemo.metadata.grammar import parse

    check_k(arguments.k)
    if arguments.where:
        parse(arguments.where)
    library, key, root = make_library(arguments), make_key(arguments), own_cards(arguments.out_dir)
    if arguments.forget and not given(arguments) and arguments.marks is None:
        there = kept.forget(key, root)
        said = "Forgot what was judged" if there else "Nothing was judged"
        return Answer({"forgotten": there}, f"{said} of {arguments.gallery}.")
    if arguments.accuracy:
        return measured(library, arguments)
    marks = wanted(arguments)
    taking_part, said = gathered(library, arguments.gallery, arguments.encoders)
    found, judged = answers(arguments, taking_part, marks)
    if not judged:
        return told(found[0], said)
    if arguments.forget:
        kept.forget(key, root)
    in_all = kept.add(key, judged, arguments.k, root)
    first = found[0] if arguments.marks is None else None
    return told(first, said, judged, in_all, kept.path_of(key, root), arguments.k)


def given(arguments: argparse.Namespace) -> list[str]:
    """Which options of a query were given."""
    return [
        name for name in ("image", "row", "text", "held_out", "box", "right") if getattr(arguments, name) is not None
    ]


def measured(library: Library, arguments: argparse.Namespace) -> Answer:
    """Raises BadQuery where a query is given, too."""
    from searchdemo.measure.faceoff.accuracy import accuracies
    from searchdemo.measure.faceoff.question import gathered
    from searchdemo.measure.faceoff.question import told as advised

    more = given(arguments) + [name for name in ("marks", "where") if getattr(arguments, name)]
    if more:
        raise BadQuery(f"--accuracy asks with all held-out pictures: leave out --{more[0].replace('_', '-')}.")
    taking_part, said = gathered(library, arguments.gallery, arguments.encoders)
    found = accuracies(taking_part, arguments.k)
    rows = [(one.encoder, one.way, f"{one.rate.part:,}/{one.rate.whole:,}", one.rate) for one in found.named]
    lines = [
        f"Right classes of pictures of {arguments.gallery}, by {found.k} neighbours; intervals: Wilson, 95 %",
        table(("encoder", "by", "right/asked", "top-1"), rows, right="right/asked"),
        *([str(found.pair)] if found.pair else []),
        *found.notices,
        *([said] if said else []),
    ]
    return Answer(found.to_json() | advised(said), "\n".join(lines))


def wanted(arguments: argparse.Namespace) -> list[Mark]:
    """The queries, one of the options or those of a file. Raises BadQuery."""
    from searchdemo.measure.faceoff.asked import Mark, marks_of

    if arguments.marks:
        if more := given(arguments):
            raise BadQuery(f"--marks has its own queries: leave out --{more[0].replace('_', '-')}.")
        return marks_of(arguments.marks)
    return [Mark(query_of(arguments, held_out=arguments.held_out), tuple(arguments.right or ()), arguments.where)]


def answers(
    arguments: argparse.Namespace, taking_part: Sequence[Side], marks: Sequence[Mark]
) -> tuple[list[FaceOff], list[Judged]]:
    """Of every query the columns, and what was judged of them, if anything was."""
    from searchdemo.measure.faceoff.asked import rows_named
    from searchdemo.measure.faceoff.question import put

    opened = next(side.collection for side in taking_part if side.collection)
    judging = arguments.marks is not None or arguments.right is not None
    right = [rows_named(opened.gallery, mark.right) for mark in marks]
    found, judged = [], []
    for mark, rows in zip(marks, right, strict=True):
        where, params = mark.where or arguments.where, search_params(arguments)
        answer = put(mark.query, taking_part, arguments.k, where, index=arguments.index, params=params)
        found.append(answer)
        judged += [answer.judged(rows)] if judging else []
    return found, judged


def told(
    found: FaceOff | None,
    said: str,
    judged: Sequence[Judged] = (),
    in_all: Sequence[Judged] = (),
    card: Path | None = None,
    k: int = 10,
) -> Answer:
    """found: of one query. judged: of this call, in_all: with those of earlier ones, which `card` holds."""
    from searchdemo.measure.faceoff.question import told as advised

    content: dict = (found.to_json() if found else {}) | advised(said)
    lines = (columns_text(found) if found else []) + [said] * bool(said)
    if judged:
        content["judged"] = figures_json(judged, k)
        content["card"] = {"file": str(card)} | figures_json(in_all, k)
        lines += ["", *figures_text(judged, k)]
        if len(in_all) > len(judged):
            lines += ["", f"With what was judged in earlier calls ({card}):", *figures_text(in_all, k)]
        else:
            lines.append(f"Kept in {card}.")
    return Answer(content, "\n".join(lines))


def columns_text(found: FaceOff) -> list[str]:
    """For people: the columns one below the other, then their agreement and their fusion."""
    lines = []
    for column in found.columns:
        lines += [*column_lines(column, found), ""]
    several = found.answered
    if len(several) < 2:
        return lines
    rows = [
        (one.rank, one.row, f"{one.score:.5f}", ", ".join(f"{name} {rank}" for name, rank in one.ranks.items()))
        for one in found.fusion
    ]
    lines += ["Fusion by reciprocal rank:", table("rank row score ranks", rows, right="rank row score"), ""]
    pairs = [
        f"{pair['shared']} of {found.k} by {' and '.join(pair['encoders'])}"
        for pair in found.to_json()["agreement"]["pairs"]
    ]
    lines.append(f"Shared: {len(found.in_all)} by all columns; {', '.join(pairs)}.")
    return lines + [f"{notice}." for notice in found.notices]


def column_lines(column: Column, found: FaceOff) -> list[str]:
    if column.result is None:
        return [f"{column.encoder}: {column.said}"]
    rows = []
    for hit in column.result.hits:
        others = [name for name in found.shared[hit.row] if name != column.encoder]
        rows.append((hit.rank, hit.row, f"{hit.score:.4f}", hit.file or hit.class_names, ", ".join(others)))
    lines = [
        f"{column.encoder}, {column.vectors:,} vectors",
        table(("rank", "row", "score", "picture", "also by"), rows, "rank row score"),
    ]
    if column.classes:
        ways = (
            ("neighbours", column.classes.guesses),
            ("class names", column.classes.by_class_names),
            ("both", column.classes.both),
        )
        best = [f"{way} {guesses[0].class_name!r} ({100 * guesses[0].share:.0f} %)" for way, guesses in ways if guesses]
        lines.append(f"Class by {', by '.join(best)}." if best else "No class.")
        lines += [column.classes.names_notice] if column.classes.names_notice else []
    lines += [column.result.notice] if column.result.notice else []
    return lines + ([stand_in_notice(column.encoder)] if column.stand_in else [])


def figures_json(judged: Sequence[Judged], k: int) -> dict:
    from searchdemo.measure.faceoff.judged import counted, duel, figures

    between = duel(judged, k)
    content = {"queries": len(counted(judged, k)), "encoders": [one.to_json() for one in figures(judged, k)]}
    return content | ({"duel": between.to_json()} if between else {})


def figures_text(judged: Sequence[Judged], k: int) -> list[str]:
    from searchdemo.measure.faceoff.judged import counted, duel, figures

    rows = [
        (
            one.name,
            one.queries,
            f"{one.recall.part}/{one.recall.whole}",
            one.recall,
            f"{one.precision.part}/{one.precision.whole}",
            one.precision,
        )
        for one in figures(judged, k)
    ]
    names = ("encoder", "queries", "right/pool", f"pooled recall@{k}", "right/shown", f"precision@{k}")
    few = len(judged) - len(counted(judged, k))
    lines = [f"Judged queries: {len(judged)}; intervals: Wilson, 95 %, over pictures"]
    lines += [f"{few} of them showed fewer than {k} pictures and are left out."] * bool(few)
    between = duel(judged, k)
    return [*lines, table(names, rows), *([str(between)] if between else [])]
