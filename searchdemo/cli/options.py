"""Options that several commands share, and the Library that they ask for."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from searchdemo.encoders.runtime.table import RUNTIMES
from searchdemo.encoders.transforms import TRANSFORMS
from searchdemo.files import expanded, folder_named, printable, real
from searchdemo.indexes.base import METRICS, SEARCH_PARAMS

if TYPE_CHECKING:
    from searchdemo.collection.collection import Collection
    from searchdemo.collection.library import Library
    from searchdemo.collection.store import Key


USUAL_ENCODER = "bundled"


def add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=existing_folder,
        metavar="DIR",
        help="a copy of tiny-ImageNet (else SEARCHDEMO_DATA, else the Hugging Face cache)",
    )
    parser.add_argument(
        "--out-dir",
        type=expanded,
        metavar="DIR",
        help="where vectors and indexes are written and read (else SEARCHDEMO_HOME, else the user's cache)",
    )


def add_choice(parser: argparse.ArgumentParser, gallery: bool = True, encoder: bool = True) -> None:
    """Options that choose a set of vectors: gallery, encoder, and what else tells two sets apart.

    encoder: False for a command that takes several.
    """
    said = "see `list`, or folder:PATH, list:FILE (default %(default)s)"
    if gallery:
        parser.add_argument("--gallery", type=gallery_name, default="tiny-imagenet", metavar="G", help=said)
    if encoder:
        parser.add_argument("--encoder", default=USUAL_ENCODER, metavar="E", help="see `list` (default %(default)s)")
        parser.add_argument("--weights", type=existing_file, metavar="FILE", help="your own weights, safetensors")
    else:
        parser.set_defaults(encoder=USUAL_ENCODER, weights=None)
    parser.add_argument("--transform", choices=TRANSFORMS, default="own", help="full: without cropping (default own)")
    parser.add_argument("--metric", choices=METRICS, default="ip", help="of the indexes (default %(default)s)")
    parser.add_argument("--limit", type=whole_number, metavar="N", help="only N pictures, balanced over the classes")
    parser.add_argument(
        "--device", metavar="D", help="cuda, cuda:1, cuda:all, mps or cpu (default: the fastest there is)"
    )
    parser.add_argument(
        "--runtime",
        choices=[*RUNTIMES],
        help="the library that runs the encoder (else SEARCHDEMO_RUNTIME, else the fastest there is)",
    )
    add_places(parser)


def add_index(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--index", default="ivf", metavar="I", help="see `list`, or faiss:STRING (default %(default)s)")
    add_search_params(parser)


def add_search_params(parser: argparse.ArgumentParser) -> None:
    for param in SEARCH_PARAMS:
        option = f"--{param.name.replace('_', '-')}"
        parser.add_argument(option, type=int, metavar="N", help=f"{param.help} (default {param.default})")


def search_params(arguments: argparse.Namespace) -> dict[str, int]:
    """Those that were given: the index has its own defaults, and refuses what it does not know."""
    given = {param.name: getattr(arguments, param.name) for param in SEARCH_PARAMS}
    return {name: value for name, value in given.items() if value is not None}


def make_library(arguments: argparse.Namespace) -> Library:
    from searchdemo.collection.library import Library
    from searchdemo.collection.store import Store

    return Library(
        Store(own=arguments.out_dir),
        data_dir=arguments.data,
        device=arguments.device,
        runtime=arguments.runtime,
        transform=arguments.transform,
        metric=arguments.metric,
        weights={arguments.encoder: arguments.weights} if arguments.weights else None,
        limit=arguments.limit,
    )


def settle_encoder(arguments: argparse.Namespace, library: Library) -> None:
    """A gallery that lies beside its vectors was seen by one encoder, whichever was chosen."""
    from searchdemo.galleries.table import GALLERIES

    spec = GALLERIES.get(arguments.gallery.partition(":")[0])
    if spec is not None and spec.in_store:
        arguments.encoder = library.gallery(arguments.gallery).encoder or arguments.encoder


def open_collection(arguments: argparse.Namespace) -> Collection:
    """Raises UnknownName, NotBuilt, NoPictures, BadArtifact."""
    return make_library(arguments).open(arguments.gallery, arguments.encoder)


def make_key(arguments: argparse.Namespace) -> Key:
    from searchdemo.collection.store import Key

    return Key(arguments.gallery, arguments.encoder, arguments.transform, arguments.metric, arguments.limit)


def gallery_name(text: str) -> str:
    """folder:PATH, list:FILE and hf:PATH with the whole path: they name the same pictures wherever a command runs."""
    base, _, place = text.partition(":")
    if base in ("folder", "list") and place:
        return f"{base}:{printable(str(real(folder_named(place))))}"
    path = re.sub(r"(:[^:/\[]*(\[.*\])?)?(\?.*)?$", "", place)  # without the split and what is asked for
    if base == "hf" and path and (folder := expanded(path)).is_dir():
        return f"{base}:{real(folder)}{place[len(path) :]}"
    return text


def whole_number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def existing_file(text: str) -> Path:
    path = expanded(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text!r}")
    return path


def existing_folder(text: str) -> Path:
    path = expanded(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {text!r}")
    return path
