"""Measure kNN accuracy: classify the gallery's held-out queries by their nearest neighbours.

The weighted vote of a neighbour is exp(cosine / temperature), the plain vote is 1. Pictures are not needed: the
queries were embedded when the gallery was.

Example:
  python -m searchdemo knn --gallery tiny-imagenet --encoder bundled --index brute -k 1,5,20
"""

from __future__ import annotations

import argparse

from searchdemo.cli.answer import Answer, stand_in_notice, table
from searchdemo.cli.options import add_choice, add_index, make_engine, search_params
from searchdemo.collection.knn import KS, TEMPERATURE


def add_options(parser: argparse.ArgumentParser) -> None:
    shown = ",".join(map(str, KS))
    parser.add_argument("-k", type=whole_numbers, default=KS, metavar="K,K...", help=f"neighbours (default {shown})")
    parser.add_argument("--temperature", type=float, default=TEMPERATURE, metavar="T", help="default %(default)s")
    parser.add_argument("--per-class", action="store_true", help="the top-1 of every class as well")
    add_index(parser)
    add_choice(parser)


def whole_numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers such as 1,5,20") from None


def run(arguments: argparse.Namespace) -> Answer:
    from searchdemo.collection.accuracy import knn_accuracy
    from searchdemo.encoders.table import ENCODERS

    engine = make_engine(arguments)
    choice = (arguments.gallery, arguments.encoder)
    content = knn_accuracy(
        engine,
        *choice,
        arguments.index,
        arguments.k,
        arguments.temperature,
        arguments.per_class,
        **search_params(arguments),
    )
    manifest, note = engine.prepared(*choice).artifact.manifest, ENCODERS.find(arguments.encoder).note
    seconds = content["seconds"]
    lines = [
        f"kNN accuracy of {arguments.encoder}{f' ({note})' if note else ''} on {arguments.gallery}",
        f"{content['queries']:,} held-out queries, {manifest.vectors:,} vectors, index {arguments.index}, "
        f"temperature {arguments.temperature:g}; percent",
        "",
        accuracy_table(content["results"]),
        "",
        f"Search took {seconds['search']:.2f} s for all queries. Embedding took {seconds['embed']:.1f} s when the "
        f"vectors were made ({manifest.built.get('at', 'at a time not recorded')}, {manifest.precision}).",
    ]
    if "notice" in content:
        lines.append(content["notice"])
    if manifest.stand_in:
        lines.append(stand_in_notice(arguments.encoder))
    if arguments.per_class:
        lines += ["", per_class_table(content["results"], engine.gallery(arguments.gallery))]
    return Answer(content, "\n".join(lines))


def accuracy_table(results: list[dict]) -> str:
    """A line for each k: the weighted vote, then the plain one."""
    figures = {(r["k"], r["vote"]): (f"{r['top1']:.2f}", f"{r['top5']:.2f}") for r in results}
    rows = [(k, *figures[k, "weighted"], *figures[k, "plain"]) for k in dict.fromkeys(k for k, _ in figures)]
    header = ("k", "weighted:top-1", "top-5", "plain:top-1", "top-5")
    return table(header, rows, right=" ".join(header))


def per_class_table(results: list[dict], gallery) -> str:
    """The weighted top-1 of each class at each k."""
    weighted = [r for r in results if r["vote"] == "weighted"]
    name_of = dict(zip(gallery.label_names, gallery.class_names, strict=True))
    header = ("label", "class", *(f"k={r['k']}" for r in weighted))
    rows = [
        (label, name_of[label], *(f"{r['per_class'][label]:.1f}" for r in weighted))
        for label in weighted[0]["per_class"]
    ]
    return "Weighted top-1 of each class\n\n" + table(header, rows, right=" ".join(header[2:]))
