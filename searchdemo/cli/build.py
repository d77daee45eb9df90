"""Embed the pictures of a gallery, and build indexes over the vectors.

A killed build goes on where it stopped when the same command runs again. Of a folder that was built before, only
pictures that are new are embedded, and what became of every file is told. The vectors are stored as the index 'ivf',
and 'brute' and 'flat' need no build; --index adds others. --map lays the gallery out in two dimensions, for the tab
"Map". --tiles stores vectors of parts of each picture beside that of the whole, which finds small things in large
settings, for more vectors and a longer build; later builds keep to it. --ray has the workers of a Ray cluster embed:
pictures are read and vectors written here, and a worker that is killed loses one block of pictures. tiny-ImageNet's
pictures are downloaded when they are not on this machine.

Example:
  python -m searchdemo build --gallery scenes --encoder bundled --index hnsw pq --map
  python -m searchdemo build --gallery folder:~/Pictures --encoder clip-vit-b32
  python -m searchdemo build --gallery folder:~/Pictures --exclude "drafts/*" "*.gif"
  python -m searchdemo build --gallery folder:~/Pictures --class-level 1
  python -m searchdemo build --gallery folder:~/Pictures --tiles
  python -m searchdemo build --gallery list:pictures.txt
  python -m searchdemo build --gallery hf:food101 --encoder clip-vit-b32 --ray auto
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from searchdemo.cli.answer import Answer, stand_in_notice, table
from searchdemo.cli.options import add_choice, make_key, make_library, settle_encoder, whole_number
from searchdemo.collection.tiles import SIZES, USUAL
from searchdemo.extras import imported, pip_command, require

if TYPE_CHECKING:
    from searchdemo.cli.progress import ProgressLine
    from searchdemo.collection.embed import Passes
    from searchdemo.collection.library import Library
    from searchdemo.collection.store import Artifact
    from searchdemo.galleries.base import Gallery


def add_options(parser: argparse.ArgumentParser) -> None:
    add_choice(parser)
    parser.add_argument(
        "--index", nargs="+", default=[], metavar="I", help="further indexes: see `list`, or faiss:STRING"
    )
    parser.add_argument(
        "--batch-size", type=whole_number, metavar="N", help="pictures in one forward pass (default 64)"
    )
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="embed on the workers of a Ray cluster: HOST:PORT, `auto` for the one that this machine is part of, "
        "`local` for one that is started here until the end",
    )
    parser.add_argument(
        "--ray-workers",
        type=whole_number,
        metavar="N",
        help="at most so many workers (default: what there is room for; one per GPU where the encoder runs on one)",
    )
    parser.add_argument(
        "--ray-cores", type=whole_number, metavar="N", help="cores of each worker without a GPU (default 4, or fewer)"
    )
    parser.add_argument("--map", action="store_true", help="lay the gallery out in two dimensions, for the tab Map")
    parser.add_argument(
        "--exclude",
        nargs="+",
        metavar="GLOB",
        help="files and folders of a folder to leave out, remembered for it; --exclude '' takes all again",
    )
    parser.add_argument(
        "--class-level",
        type=class_level,
        metavar="N",
        help="which folders of a folder are the classes, remembered for it: 1 for those in it, 2 for those in these, "
        "`deepest` (the default) for the one that each picture lies in; embeds nothing",
    )
    parser.add_argument(
        "--tiles",
        nargs="?",
        type=tiles,
        const=USUAL,
        metavar="N",
        help="N x N parts of each picture, which overlap by half, get vectors, too, and a hit says which part matched "
        f"(2 to {SIZES[-1]}, {USUAL} where no N is given); 0: none any more",
    )
    parser.add_argument("--rebuild", action="store_true", help="build again, even where vectors are already stored")


def run(arguments: argparse.Namespace) -> Answer:
    from searchdemo.cli.progress import ProgressLine
    from searchdemo.encoders.table import find as find_encoder
    from searchdemo.indexes.table import find

    if arguments.ray:
        require("ray", "--ray", pip_command("ray"))
    find_encoder(arguments.encoder)  # a wrong name is refused before hours of work
    for index in arguments.index:
        find(index)
    library = make_library(arguments)
    settle_encoder(arguments, library)
    with ProgressLine() as progress, kept_choices(arguments):
        try:
            artifact = None if arguments.rebuild else up_to_date(library, arguments, progress)
            found = artifact is not None
            artifact = artifact or embed(library, arguments, progress)
            artifact = library.retrain(make_key(arguments), progress) or artifact
            indexes = [build_index(library, arguments, index, progress) for index in arguments.index]
            drawn = draw_map(library, arguments, progress) if arguments.map else {}
        except KeyboardInterrupt:
            print("\nThe embedded pictures are kept: the same command goes on from there.", file=sys.stderr)
            raise
    return answer(artifact, found, indexes, drawn, library.gallery(arguments.gallery))


@contextlib.contextmanager
def kept_choices(arguments: argparse.Namespace) -> Iterator[None]:
    """What --exclude and --class-level say of a folder is remembered, but not where they leave no picture."""
    from searchdemo.errors import NoPictures
    from searchdemo.galleries.catalog import Catalog

    catalog, before = Catalog(), []
    if arguments.exclude is not None:
        root = folder_of(arguments, "--exclude leaves out files")
        before.append(partial(catalog.exclude, root, catalog.excluded(root)))
        catalog.exclude(root, arguments.exclude)
    if arguments.class_level is not None:
        root = folder_of(arguments, "--class-level names classes")
        before.append(partial(catalog.choose_level, root, catalog.class_level(root)))
        catalog.choose_level(root, arguments.class_level or None)
    try:
        yield
    except NoPictures:
        for undo in before:
            undo()
        raise


def folder_of(arguments: argparse.Namespace, what: str) -> Path:
    """The folder that the gallery is. Raises BadQuery for a gallery that is none."""
    from searchdemo.errors import BadQuery
    from searchdemo.files import folder_named

    kind, _, path = arguments.gallery.partition(":")
    if kind != "folder" or not path:
        raise BadQuery(f"{what} of a folder, and {arguments.gallery!r} is none: leave it away.")
    return folder_named(path)


def tiles(text: str) -> int:
    if text not in map(str, SIZES):
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(map(str, SIZES))}")
    return int(text)


def class_level(text: str) -> int:
    """A whole number from 1 on, or 0 for "deepest". Raises ArgumentTypeError."""
    return 0 if text == "deepest" else whole_number(text)


def open_gallery(library: Library, arguments: argparse.Namespace, progress: ProgressLine, download: bool) -> Gallery:
    from searchdemo.collection.jobs import counter

    stage, unit = "downloading pictures, MB", 10**6
    if arguments.gallery.startswith(("folder:", "list:")):
        stage, unit = "looking at the files", 1
    return library.gallery(arguments.gallery, download=download, progress=counter(stage, progress, unit))


def up_to_date(library: Library, arguments: argparse.Namespace, progress: ProgressLine) -> Artifact | None:
    """The vectors that are stored already, or None where there are none, or a folder has changed since.

    Raises BadArtifact when they are damaged, or belong to other pictures or weights.
    """
    from searchdemo.collection.store import DIGESTS
    from searchdemo.encoders.table import weights_path
    from searchdemo.files import sha256_of
    from searchdemo.galleries.base import LivingPictures

    key = make_key(arguments)
    if not library.store.has(key):  # before the gallery is opened: of a data set of the hub nothing may be here yet
        return None
    gallery = open_gallery(library, arguments, progress, download=False)
    artifact = library.store.open(key)
    if arguments.tiles not in (None, artifact.manifest.tiles):
        return None
    living = isinstance(gallery.pictures, LivingPictures)
    if living and not artifact.has(DIGESTS):  # of a version that knew folders as a whole
        return None
    if not living:
        artifact.check_gallery(gallery.fingerprint)
    if weights := arguments.weights or weights_path(arguments.encoder):
        artifact.check_weights(sha256_of(weights))
    for name in artifact.manifest.files:
        artifact.file(name)
    return None if living and library.open(arguments.gallery, arguments.encoder).behind else artifact


def embed(library: Library, arguments: argparse.Namespace, progress: ProgressLine) -> Artifact:
    from searchdemo.collection import layout
    from searchdemo.collection.jobs import counter

    gallery = open_gallery(library, arguments, progress, download=True)
    if arguments.map:
        layout.check_installed(min(gallery.pictures.count, arguments.limit or gallery.pictures.count))
    library.encoder(arguments.encoder, counter("downloading weights, MB", progress, 10**6))
    options = {"batch_size": arguments.batch_size} if arguments.batch_size else {}
    if arguments.tiles is not None:
        options["tiles"] = arguments.tiles
    with workers(arguments, library) as passes:
        return library.build(make_key(arguments), progress, rebuild=arguments.rebuild, passes=passes, **options)


@contextlib.contextmanager
def workers(arguments: argparse.Namespace, library: Library) -> Iterator[Passes]:
    """Where pictures are embedded: in this process, or by workers of Ray who load the same encoder in the same way."""
    from searchdemo.collection.embed import here
    from searchdemo.encoders.table import load

    if not arguments.ray:
        yield here
        return
    module = imported("searchdemo.collection.ray_workers", "--ray", pip_command("ray"))
    how = library.encoder(arguments.encoder).how
    asked = {"transform": arguments.transform, "weights": arguments.weights and arguments.weights.resolve()}
    same = partial(load, arguments.encoder, device=how.device, runtime=how.runtime, precision=how.precision, **asked)
    size = arguments.ray_workers, arguments.ray_cores
    with module.connected(arguments.ray, same, how.device.startswith("cuda"), *size) as passes:
        yield passes


def build_index(library: Library, arguments: argparse.Namespace, index: str, progress: ProgressLine) -> dict:
    from searchdemo.collection.progress import Progress
    from searchdemo.errors import BadArtifact

    collection = library.open(arguments.gallery, arguments.encoder)
    known = collection.has_index(index)
    progress(Progress(f"{'loading' if known else 'building'} {index}", 0, 1, 0))
    started = time.perf_counter()
    try:
        built = collection.index(index)
    except BadArtifact:  # of a database that holds other vectors by now: this command is what replaces them
        known, built = False, collection.index(index, anew=True)
    seconds = round(time.perf_counter() - started, 2)
    return {"index": index, "built": not known, "seconds": seconds, "size_bytes": built.size_bytes}


def draw_map(library: Library, arguments: argparse.Namespace, progress: ProgressLine) -> dict:
    from searchdemo.collection.maps import build_map

    collection = library.open(arguments.gallery, arguments.encoder)
    known, started = collection.map(), time.perf_counter()
    drawn = known or build_map(collection, progress)
    return {"built": known is None, "made": drawn.made, "seconds": round(time.perf_counter() - started, 1)}


def answer(artifact: Artifact, found: bool, indexes: list[dict], drawn: dict, gallery: Gallery) -> Answer:
    from searchdemo.collection.carry import sentences

    manifest, missing = artifact.manifest, gallery.missing
    content = {
        "gallery": manifest.gallery,
        "encoder": manifest.encoder,
        "folder": str(artifact.folder),
        "built": not found,
        "vectors": manifest.vectors,
        "pictures": manifest.pictures,
        "tiles": manifest.tiles,
        "queries": manifest.queries,
        "dim": manifest.dim,
        "embed_seconds": manifest.embed_seconds,
        "indexes": indexes,
    } | ({"map": drawn} if drawn else {})
    parts = f" ({manifest.pictures:,} pictures, each with {manifest.each - 1} parts)" if manifest.tiles else ""
    lines = [
        f"{'Up to date' if found else 'Built'}: {manifest.vectors:,} vectors{parts} and {manifest.queries:,} queries "
        f"of {manifest.dim} dimensions, embedded in {manifest.embed_seconds:.1f} s, in {artifact.folder}"
    ]
    if found:
        lines.append("--rebuild builds them again.")
    if missing:
        content["missing"] = missing
    if gallery.name.startswith(("folder:", "list:")):
        # Of the build before, where nothing was built now
        counts = {what: 0 if found else manifest.built.get(what, 0) for what in ("embedded", "reused", "removed")}
        rest = 0 if found else manifest.pictures + manifest.queries - counts["embedded"] - counts["reused"]
        content |= counts | {"known": rest, "report": gallery.report.to_json()}
        told = ", ".join(f"{count:,} {what}" for what, count in counts.items())
        known = f" {rest:,} more are copies of these, or were embedded before a build was cut off." if rest else ""
        lines.append(f"{told} pictures.{known}")
        lines += gallery.report.lines()
        if not found and (in_place := sentences(artifact)):
            content["in_place"] = manifest.built["indexes"]
            lines += in_place
    else:
        taken, unreadable = manifest.pictures + manifest.queries, manifest.unreadable
        report = replace(gallery.report, taken=taken, unreadable=unreadable, noun="row")
        content |= {"report": report.to_json()}
        lines += [missing] * bool(missing) + report.lines()
    if manifest.stand_in:
        content["stand_in"] = True
        lines.append(stand_in_notice(manifest.encoder))
    if indexes:
        rows = [
            (i["index"], "built" if i["built"] else "loaded", f"{i['seconds']:.2f}", f"{i['size_bytes'] / 1e6:,.1f}")
            for i in indexes
        ]
        lines += ["", table(("index", "", "seconds", "MB"), rows, right="seconds MB")]
    if drawn:
        state = f"built in {drawn['seconds']:.1f} s" if drawn["built"] else "up to date"
        lines += ["", f"Map: {drawn['made']}, {state}"]
    return Answer(content, "\n".join(lines))
