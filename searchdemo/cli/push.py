"""Put what was built of a gallery into a data set of the Hugging Face hub, from where anybody opens it.

Vectors, manifest, map, labels, captions, file names, blurs and run cards are put there in one commit. Pictures only
with --pictures, and only those that may be handed on. `--gallery hub:USER/REPO` then needs no embedding.

Example:
  python -m searchdemo push scenes --to USER/scenes --licence mit
  python -m searchdemo app --gallery hub:USER/scenes
"""

from __future__ import annotations

import argparse

from searchdemo.cli.answer import Answer
from searchdemo.cli.options import add_choice, gallery_name, open_collection


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("gallery", type=gallery_name, metavar="NAME", help="a gallery that is built: see `list`")
    parser.add_argument("--to", required=True, metavar="USER/REPO", help="made where it is not there yet")
    parser.add_argument("--licence", default="unknown", metavar="L", help="for the card, such as mit or cc-by-4.0")
    parser.add_argument("--pictures", action="store_true", help="put the pictures there too, where that is allowed")
    parser.add_argument("--private", action="store_true", help="a new repository is yours alone")
    add_choice(parser, gallery=False)


def run(arguments: argparse.Namespace) -> Answer:
    from searchdemo.collection.push import push
    from searchdemo.measure.cards import cards

    collection = open_collection(arguments)
    name = collection.gallery.name
    own = [one for one in cards() if (one.gallery, one.encoder) == (name, collection.encoder_spec.name)]
    named = {one.path.name: one.to_json() for one in reversed(own)}  # a person's own before those that ship
    done = push(collection, arguments.to, arguments.licence, named, arguments.pictures, arguments.private)
    size = sum(done.files.values())
    content = {"repo": done.repo, "revision": done.revision, "files": done.files}
    lines = [
        f"{done.repo} at {done.revision[:12]}: {len(done.files):,} files, {size / 1e6:,.1f} MB, in one commit.",
        f"Open it with `--gallery hub:{done.repo}@{done.revision[:12]}`.",
    ]
    return Answer(content, "\n".join(lines))
