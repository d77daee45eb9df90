"""Show the galleries, encoders and indexes there are, and what is built and on this machine.

Example:
  python -m searchdemo list
"""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from searchdemo.cli.answer import Answer, table
from searchdemo.cli.options import add_places
from searchdemo.collection.store import Store
from searchdemo.encoders.table import ENCODERS, weights_path
from searchdemo.errors import SearchDemoError
from searchdemo.galleries.table import GALLERIES, open_gallery
from searchdemo.indexes.table import INDEXES


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
    return [
        {
            "name": name,
            "title": spec.title,
            "size": spec.size,
            "terms": spec.terms,
            "pictures": pictures(name, data_dir),
        }
        for name, spec in GALLERIES.items()
    ]


def pictures(name: str, data_dir: Path | None) -> str | None:
    """Where a gallery's pictures are; "" when they are not on this machine, None when that depends on a path."""
    if GALLERIES[name].accepts_argument:
        return None
    try:
        return open_gallery(name, data_dir).source
    except SearchDemoError:
        return ""


def encoders() -> list[dict]:
    return [
        {
            "name": spec.name,
            "parameters": spec.parameters,
            "dim": spec.dim,
            "input_px": spec.input_px,
            "text": spec.text,
            "download_bytes": spec.download_bytes,
            "licence": spec.licence,
            "note": spec.note,
            "here": weights_path(spec.name) is not None,
        }
        for spec in ENCODERS.values()
    ]


def indexes() -> list[dict]:
    return [
        {
            "name": spec.name,
            "help": spec.help,
            "exact": spec.exact,
            "params": {param.name: param.default for param in spec.params},
        }
        for spec in INDEXES.values()
    ]


def built(store: Store) -> list[dict]:
    """A set of vectors each, as the manifests say; a manifest that cannot be read is `search`'s to complain about."""
    found = []
    for folder in store.folders():
        places = [root / folder for root in store.roots]
        path = next(place for place in places if (place / "manifest.json").is_file())
        try:
            manifest = json.loads((path / "manifest.json").read_text())
            facts = {key: manifest[key] for key in ("gallery", "encoder", "transform", "metric", "vectors", "queries")}
        except (ValueError, TypeError, KeyError):
            continue
        further = sorted({name for place in places for name in further_indexes(place)})
        facts |= {"indexes": ["brute", "flat", "ivf", *further], "stand_in": manifest.get("stand_in", False)}
        found.append(facts | {"folder": str(path)})
    return found


def further_indexes(folder: Path) -> Iterator[str]:
    """By the cards beside them: as in the table, or faiss:STRING. One whose card cannot be read is built again."""
    for card in folder.glob("*.faiss.json"):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            factory = json.loads(card.read_text())["factory"]
            name = card.name.removesuffix(".faiss.json")
            yield name if name in INDEXES else f"faiss:{factory}"


def as_text(content: dict) -> str:
    parts = []
    rows = [
        (g["name"], "any path" if g["pictures"] is None else g["pictures"] or "not on this machine", g["title"])
        for g in content["galleries"]
    ]
    parts += ["Galleries", table(("name", "pictures", "what"), rows)]
    rows = [
        (
            e["name"],
            f"{e['parameters'] / 1e6:.1f} M" if e["parameters"] else "",
            e["dim"],
            f"{e['input_px']} px",
            "yes" if e["text"] else "no",
            "yes" if e["here"] else f"{e['download_bytes'] / 1e6:.0f} MB to load" if e["download_bytes"] else "no",
            e["licence"],
            e["note"],
        )
        for e in content["encoders"]
    ]
    header = ("name", "parameters", "dim", "input", "text", "here", "licence", "note")
    parts += ["Encoders", table(header, rows, right="parameters dim input")]
    rows = [
        (i["name"], " ".join(f"--{n.replace('_', '-')} {v}" for n, v in i["params"].items()), i["help"])
        for i in content["indexes"]
    ]
    rows.append(("faiss:STRING", "", "any other FAISS factory string"))
    parts += ["Indexes", table(("name", "search parameters", "what"), rows)]
    rows = [
        (
            b["gallery"],
            b["encoder"] + " (stand-in weights)" * b["stand_in"],
            b["transform"],
            b["metric"],
            f"{b['vectors']:,}",
            f"{b['queries']:,}",
            " ".join(b["indexes"]),
        )
        for b in content["built"]
    ]
    header = ("gallery", "encoder", "transform", "metric", "vectors", "queries", "indexes")
    nothing = "nothing yet: python -m searchdemo build -h"
    parts += ["Built", table(header, rows, right="vectors queries") if rows else nothing]
    return "\n\n".join(parts)
