"""Show all galleries, encoders and indexes, and what is built and on this machine.

Example:
  python -m searchdemo list
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from searchdemo import scratch
from searchdemo.cli.answer import Answer, table
from searchdemo.cli.options import add_places
from searchdemo.collection.store import Store, read_manifest
from searchdemo.encoders.base import EncoderSpec
from searchdemo.encoders.table import ENCODERS, is_here
from searchdemo.errors import BadArtifact, SearchDemoError
from searchdemo.galleries.base import GallerySpec
from searchdemo.galleries.table import GALLERIES, open_gallery
from searchdemo.indexes.base import IndexSpec
from searchdemo.indexes.table import INDEXES
from searchdemo.shipped import check


def add_options(parser: argparse.ArgumentParser) -> None:
    add_places(parser)


def run(arguments: argparse.Namespace) -> Answer:
    content = {
        "galleries": galleries(arguments.data),
        "encoders": encoders(),
        "indexes": indexes(),
        "built": built(Store(own=arguments.out_dir)),
    }
    return Answer(content, as_text(content))


def galleries(data_dir: Path | None) -> list[dict]:
    names = "name title size terms"
    return [facts(spec, names) | {"pictures": pictures(spec, data_dir)} for spec in GALLERIES.values()]


def facts(spec: GallerySpec | EncoderSpec | IndexSpec, names: str) -> dict:
    return {name: vars(spec)[name] for name in names.split()}


def pictures(spec: GallerySpec, data_dir: Path | None) -> str | None:
    """Where a gallery's pictures are; "" when they are not on this machine, None when that depends on a path."""
    if spec.accepts_argument:
        return None
    try:
        return open_gallery(spec.name, data_dir).source
    except SearchDemoError:
        return ""


def encoders() -> list[dict]:
    names = "name parameters dim input_px text download_bytes licence note"
    return [facts(spec, names) | {"here": is_here(spec.name)} for spec in ENCODERS.values()]


def indexes() -> list[dict]:
    def more(spec: IndexSpec) -> dict:
        params = {param.name: param.default for param in spec.params}
        return {"params": params, "install": "" if spec.installed else spec.pip_command}

    return [facts(spec, "name help exact") | more(spec) for spec in INDEXES.values()]


def built(store: Store) -> list[dict]:
    """One entry per set of vectors. One whose manifest cannot be read is left out; `search` says what is wrong."""
    found = []
    for folder in store.folders():
        places = [root / folder for root in store.roots]
        path = next((place for place in places if (place / "manifest.json").is_file()), None)
        try:
            manifest = scratch.read(path / "manifest.json", lambda file: read_manifest(check(file))) if path else None
        except BadArtifact:
            continue
        if path is None or manifest is None:
            continue
        facts = {
            key: getattr(manifest, key)
            for key in ("gallery", "encoder", "transform", "metric", "vectors", "queries", "tiles")
        }
        further = sorted({name for place in places for name in further_indexes(place)})
        facts |= {"indexes": ["brute", "flat", "ivf", *further], "stand_in": manifest.stand_in}
        found.append(facts | {"folder": str(path)})
    return found


def further_indexes(folder: Path) -> Iterator[str]:
    """Their names, or faiss:STRING, from the cards beside them. An index whose card cannot be read is left out."""
    for card in folder.glob("*.*.json"):  # "hnsw.faiss.json"
        if "factory" in (facts := scratch.json_of(card) or {}):
            name = card.name.partition(".")[0]
            yield name if name in INDEXES else f"faiss:{facts['factory']}"


def as_text(content: dict) -> str:
    blocks = {
        "Galleries": table("name pictures what", map(gallery_row, content["galleries"])),
        "Encoders": table(
            "name parameters dim input text here licence note",
            map(encoder_row, content["encoders"]),
            right="parameters dim input",
        ),
        "Indexes": table(
            ("name", "search parameters", "installed", "what"),
            [*map(index_row, content["indexes"]), ("faiss:STRING", "", "yes", "any other FAISS factory string")],
        ),
        "Built": "nothing yet: python -m searchdemo build -h",
    }
    if content["built"]:
        header = "gallery encoder transform metric vectors queries indexes"
        blocks["Built"] = table(header, map(built_row, content["built"]), right="vectors queries")
    return "\n\n".join(f"{title}\n\n{block}" for title, block in blocks.items())


def gallery_row(gallery: dict) -> tuple:
    here = "any path" if gallery["pictures"] is None else gallery["pictures"] or "not on this machine"
    return gallery["name"], here, gallery["title"]


def encoder_row(e: dict) -> tuple:
    parameters = f"{e['parameters'] / 1e6:.1f} M" if e["parameters"] else ""
    download = f"{e['download_bytes'] / 1e6:.0f} MB to load" if e["download_bytes"] else "no"
    text, here = "yes" if e["text"] else "no", "yes" if e["here"] else download
    return e["name"], parameters, e["dim"], f"{e['input_px']} px", text, here, e["licence"], e["note"]


def index_row(index: dict) -> tuple:
    params = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in index["params"].items())
    return index["name"], params, index["install"] or "yes", index["help"]


def built_row(b: dict) -> tuple:
    encoder, indexes = b["encoder"] + " (stand-in weights)" * b["stand_in"], " ".join(b["indexes"])
    return b["gallery"], encoder, b["transform"], b["metric"], f"{b['vectors']:,}", f"{b['queries']:,}", indexes
