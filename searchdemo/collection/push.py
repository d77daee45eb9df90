"""Puts a collection into a data set of the Hugging Face hub, in one commit: galleries/packed.py says what is in it."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from searchdemo import hub
from searchdemo.collection import calibration, maps
from searchdemo.collection.collection import Collection
from searchdemo.collection.store import DIGESTS, QUERY_DIGESTS, card_file
from searchdemo.errors import BadQuery, SearchDemoError
from searchdemo.files import sha256_of, write_json
from searchdemo.galleries.base import Gallery, Pictures
from searchdemo.galleries.items import Items
from searchdemo.galleries.packed import BLURS, FORMAT, ITEMS, PACK, PICTURES, QUERIES, parse
from searchdemo.galleries.packed import VECTORS as FOLDER

OTHERS = ("tiny-imagenet", "hf")  # kinds of galleries whose pictures are not ours to hand on
NOT_OURS = {".gitattributes", "README.md"}  # what a repository may hold that no push wrote
KEPT_BACK = (DIGESTS, QUERY_DIGESTS)  # of a person's files, which nobody else can use


@dataclass(frozen=True)
class Pushed:
    repo: str
    revision: str
    files: dict[str, int]  # name -> bytes


def push(
    collection: Collection,
    repo: str,
    licence: str,
    cards: dict[str, dict],
    pictures: bool = False,
    private: bool = False,
) -> Pushed:
    """licence: of what is pushed, for the card; cards: run cards by file name; pictures: the files themselves, too.

    Nothing is there before the one commit that puts all of it there. Raises BadQuery for what may not be pushed, and
    SearchDemoError with the hub's reason.
    """
    named, revision = parse(repo)
    if revision:
        raise BadQuery(f"{repo!r} names a revision, and a push makes a new one: leave away @{revision}.")
    check(collection, pictures)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        packed(collection, root, cards, pictures)
        (root / "README.md").write_text(card(collection, named, licence, pictures))
        files = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}
        return Pushed(
            named, committed(named, files, private), {name: path.stat().st_size for name, path in files.items()}
        )


def check(collection: Collection, pictures: bool) -> None:
    gallery, key = collection.gallery, collection.artifact.key
    if (key.transform, key.metric) != ("own", "ip"):
        raise BadQuery(
            "Only vectors of the usual transform and metric can be pushed: leave --transform and --metric away."
        )
    if collection.behind or len(collection.snapshot.gone):
        raise BadQuery(f"{gallery.name} has changed since it was built: run `{key.build_command}` first.")
    if pictures and gallery.name.partition(":")[0] in OTHERS:
        raise BadQuery(
            f"The pictures of {gallery.name} belong to its makers, and may not be handed on: leave --pictures away."
        )
    if pictures and not all(gallery.pictures.has(row) for row in range(len(gallery.pictures))):
        raise BadQuery(f"Not all pictures of {gallery.name} are on this machine: leave --pictures away, or fetch them.")


def packed(collection: Collection, root: Path, cards: dict[str, dict], pictures: bool) -> None:
    """Writes all files but the card."""
    gallery, artifact = collection.gallery, collection.artifact
    vectors = root / FOLDER
    vectors.mkdir()
    manifest = artifact.manifest
    kept = {name: digest for name, digest in manifest.files.items() if name not in KEPT_BACK}
    for name in kept:
        shutil.copyfile(artifact.file(name), vectors / name)
    built = {name: value for name, value in manifest.built.items() if name != "indexes"}
    write_json(vectors / "manifest.json", asdict(replace(manifest, gallery=shown(gallery), files=kept, built=built)))
    for name in (maps.FILE, calibration.FILE):
        if extra := collection.shelf.store.extra(artifact, name):
            for path in (extra.path, card_file(extra.path)):
                shutil.copyfile(path, vectors / path.name)
    items_of(gallery, gallery.pictures, gallery.captions).write(root / ITEMS)
    items_of(gallery, gallery.queries, ()).write(root / QUERIES)
    rows = range(len(gallery.pictures))
    blurs = [gallery.blur(row) for row in rows] if len(rows) and gallery.blur(0) is not None else []
    if blurs:
        np.save(root / BLURS, np.stack([np.frombuffer(blur or bytes(24), np.uint8) for blur in blurs]))
    if pictures:
        with zipfile.ZipFile(root / PICTURES, "w", zipfile.ZIP_STORED) as archive:
            for row in rows:
                archive.writestr(str(row), gallery.pictures.encoded(row) or b"")
    if cards:
        (root / "cards").mkdir()
        for name, content in cards.items():
            write_json(root / "cards" / name, content | {"gallery": shown(gallery)})
    files = {path.relative_to(root).as_posix(): sha256_of(path) for path in sorted(root.rglob("*")) if path.is_file()}
    write_json(root / PACK, {"format": FORMAT, "encoder": manifest.encoder, "gallery": shown(gallery), "files": files})


def shown(gallery: Gallery) -> str:
    """Its name without a path of somebody's disk."""
    kind, _, argument = gallery.name.partition(":")
    return kind if kind == "folder" or Path(argument).is_absolute() else gallery.name


def items_of(gallery: Gallery, pictures: Pictures, captions: tuple[str, ...]) -> Items:
    rows = range(len(pictures))
    files = tuple(pictures.file(row) for row in rows)
    labels = tuple(pictures.all_labels(row) for row in rows)
    return Items(gallery.label_names, gallery.class_names, labels, captions, files if any(files) else (), "the hub")


def card(collection: Collection, repo: str, licence: str, pictures: bool) -> str:
    """The data set's card, which names the licence, and what made the vectors."""
    manifest, spec = collection.artifact.manifest, collection.encoder_spec
    inside = "The pictures are in it, in `pictures.zip`." if pictures else "The pictures are not in it."
    stand_in = (
        "\nThe vectors were made with stand-in weights of a test, and mean nothing.\n" if manifest.stand_in else ""
    )
    return f"""---
license: {licence}
tags:
- similarity-search
- searchdemo
---

# {repo.rpartition("/")[2]}

{manifest.vectors:,} vectors of {manifest.dim} dimensions: the gallery `{shown(collection.gallery)}`
as the encoder `{spec.name}` sees it. Its weights: licence {spec.licence}, SHA-256
`{manifest.weights_sha256}`. {inside}
{stand_in}
```sh
searchdemo app --gallery hub:{repo}
```

A Space opens on it with the variable `SEARCHDEMO_GALLERY=hub:{repo}`, and embeds nothing.
"""


def committed(repo: str, files: dict[str, Path], private: bool) -> str:
    """The revision. One commit holds all, upon the one that was looked at: of an upload that breaks, nothing is seen.

    Raises BadQuery where the repository holds what no push wrote, and would go.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api = HfApi(endpoint=hub.endpoint())
    try:
        api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        newest = api.dataset_info(repo)
        there = [file.rfilename for file in newest.siblings or []]
        if PACK not in there and (others := sorted({*there} - NOT_OURS)):
            raise BadQuery(
                f"{repo} of the hub holds {len(others):,} files that `searchdemo push` did not write, such as "
                f"{others[0]!r}, and a push replaces all: name another repository."
            )
        operations: list = [CommitOperationAdd(name, str(path)) for name, path in files.items()]
        operations += [CommitOperationDelete(name) for name in there if name not in files and name != ".gitattributes"]
        made = api.create_commit(
            repo,
            operations,
            commit_message="Pushed by searchdemo",
            repo_type="dataset",
            parent_commit=newest.sha,  # the hub refuses it where somebody else's came in between
        )
    except BadQuery:
        raise
    except Exception as error:  # httpx's and the library's errors share no base, and change names with their versions
        raise SearchDemoError(
            f"{repo} could not be pushed to {hub.endpoint()}: {hub.reason(error)}; nothing of it is there. Log in with "
            "`hf auth login`, see that the name is yours, and push again."
        ) from error
    return str(made.oid)
