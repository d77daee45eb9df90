"""Measure kNN accuracy: classify the gallery's held-out queries by their nearest neighbours.

Where a gallery holds none out, each picture is classified by the others (leave-one-out), and the answer says so.

The weighted vote of a neighbour is exp(cosine / temperature), the plain vote is 1. Pictures are not needed: the
queries were embedded when the gallery was.

Example:
  python -m searchdemo knn --gallery tiny-imagenet --encoder bundled --index brute -k 1,5,20
  python -m searchdemo knn --gallery tiny-imagenet --max-degrees 58
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

from searchdemo.cli.answer import Answer, stand_in_notice, table
from searchdemo.cli.options import add_choice, add_index, open_collection, search_params
from searchdemo.collection.knn import ANY_ANGLE, KS, TEMPERATURE, Evaluation, check_degrees, check_temperature
from searchdemo.collection.query import check_k
from searchdemo.galleries.base import Gallery


def add_options(parser: argparse.ArgumentParser) -> None:
    shown = ",".join(map(str, KS))
    parser.add_argument(
        "-k", "--k", type=whole_numbers, default=KS, metavar="K,K...", help=f"neighbours (default {shown})"
    )
    parser.add_argument("--temperature", type=float, default=TEMPERATURE, metavar="T", help="default %(default)s")
    parser.add_argument(
        "--max-degrees",
        type=angle,
        default=ANY_ANGLE,
        metavar="A",
        help="neighbours at a larger angle have no vote, such as 58 (default %(default)g: all have one)",
    )
    parser.add_argument("--per-class", action="store_true", help="the top-1 of every class as well")
    add_index(parser)
    add_choice(parser)


def whole_numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers such as 1,5,20") from None


def angle(text: str) -> float:
    """Raises BadQuery, as the API and Python do."""
    try:
        return check_degrees(float(text))
    except ValueError:
        return check_degrees(text)


def run(arguments: argparse.Namespace) -> Answer:
    for k in arguments.k:
        check_k(k)
    check_temperature(arguments.temperature)
    collection = open_collection(arguments)
    found = collection.evaluate(
        arguments.index, arguments.k, arguments.temperature, arguments.max_degrees, **search_params(arguments)
    )
    manifest, note = collection.artifact.manifest, collection.encoder_spec.note
    content = to_json(found, collection.gallery.label_names if arguments.per_class else ())
    if arguments.max_degrees < ANY_ANGLE:
        content["max_degrees"] = arguments.max_degrees
    content["seconds"] = {"embed": manifest.embed_seconds, "search": round(found.search_seconds, 3)}
    asking = "pictures that were left out one by one" if found.leave_one_out else "held-out queries"
    lines = [
        f"kNN accuracy of {collection.encoder_spec.name}{f' ({note})' if note else ''} on {arguments.gallery}",
        f"{found.queries:,} {asking}, {manifest.vectors:,} vectors, index {arguments.index}, "
        f"temperature {arguments.temperature:g}; percent",
        "",
        accuracy_table(content["results"]),
        "",
        f"Search took {found.search_seconds:.2f} s for all queries.",
    ]
    if manifest.embed_seconds:  # vectors that were taken in have none
        lines[-1] += (
            f" Embedding {manifest.embedded:,} pictures took {manifest.embed_seconds:.1f} s when the vectors were made "
            f"({manifest.built.get('at', 'at a time not recorded')}, {manifest.precision})."
        )
    if found.notice:
        content["notice"] = found.notice
        lines.append(found.notice)
    if collection.stand_in:
        content["stand_in"] = True
        lines.append(stand_in_notice(arguments.encoder))
    if arguments.per_class:
        lines += ["", per_class_table(content["results"], collection.gallery)]
    return Answer(content, "\n".join(lines))


def to_json(found: Evaluation, label_names: Sequence[str]) -> dict:
    """{"queries", "leave_one_out", "results": [{"k", "vote", "top1", "top5"}]}, percent; with label names
    {label: top-1} per result."""
    results = []
    for accuracy in found.accuracies:
        result = {"k": accuracy.k, "vote": accuracy.vote, "top1": accuracy.top1, "top5": accuracy.top5}
        if label_names:
            per_class = zip(label_names, accuracy.per_class.tolist(), strict=True)
            result["per_class"] = {label: top1 for label, top1 in per_class if not math.isnan(top1)}
        results.append(result)
    return {"queries": found.queries, "leave_one_out": found.leave_one_out, "results": results}


def accuracy_table(results: list[dict]) -> str:
    """One line per k: the weighted vote, then the plain one."""
    figures = {(r["k"], r["vote"]): (f"{r['top1']:.2f}", f"{r['top5']:.2f}") for r in results}
    rows = [(k, *figures[k, "weighted"], *figures[k, "plain"]) for k in dict.fromkeys(k for k, _ in figures)]
    header = ("k", "weighted:top-1", "top-5", "plain:top-1", "top-5")
    return table(header, rows, right=" ".join(header))


def per_class_table(results: list[dict], gallery: Gallery) -> str:
    """The weighted top-1 of each class at each k."""
    weighted = [r for r in results if r["vote"] == "weighted"]
    name_of = dict(zip(gallery.label_names, gallery.class_names, strict=True))
    header = ("label", "class", *(f"k={r['k']}" for r in weighted))
    rows = [
        (label, name_of[label], *(f"{r['per_class'][label]:.1f}" for r in weighted))
        for label in weighted[0]["per_class"]
    ]
    return "Weighted top-1 of each class\n\n" + table(header, rows, right=" ".join(header[2:]))
