"""Data sets of a hub: a build downloads the files that it needs, embeds one while the next comes, and goes on later."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from searchdemo import cli
from searchdemo import hub as hub_module
from searchdemo.collection.query import Query
from searchdemo.collection.store import Key
from searchdemo.errors import BadQuery, Cancelled, NoPictures
from searchdemo.galleries.dataset import CONVERTED, open_dataset
from searchdemo.galleries.hub_layout import converted_layout, layout
from tests.cli_tools import colours_for_bundled
from tests.conftest import png
from tests.damage import KINDS, damaged, restored
from tests.damage import files as files_in
from tests.loopback_hub import BRANCH_COMMIT, COMMIT, nobody, serve
from tests.test_dataset import own_caches  # noqa: F401 used by itself

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]
NAMES = ["red", "green", "blue", "yellow"]
FEATURES = {
    "image": {"_type": "Image"},
    "label": {"_type": "ClassLabel", "names": NAMES},
    "text": {"_type": "Value", "dtype": "string"},
}
SCHEMA = pa.schema(
    [("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("label", "int64"), ("text", pa.string())],
    {"huggingface": json.dumps({"info": {"features": FEATURES}})},
)
PAD_BYTES = 100_000  # behind each picture, so that a file is larger than its end, which is fetched to know it


def shard(path: Path, labels: list[int], plain: bool = False) -> Path:
    """plain: without what `datasets` writes into a file's schema."""
    pictures = [
        {"bytes": png(COLOURS[label]) + np.random.default_rng(n).bytes(PAD_BYTES), "path": None}
        for n, label in enumerate(labels)
    ]
    columns = {"image": pictures, "label": labels, "text": [f"{NAMES[label]} {n}" for n, label in enumerate(labels)]}
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = SCHEMA.remove_metadata() if plain else SCHEMA
    pq.write_table(pa.table(columns, schema=schema), path, row_group_size=2, compression="none")
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """A split of four files of four pictures, and one of two."""
    folder = tmp_path_factory.mktemp("colours")
    names = [f"data/train-{n:05}-of-00004.parquet" for n in range(4)]
    found = {name: shard(folder / name, [0, 1, 2, 3]) for name in names}
    valid = "data/validation-00000-of-00001.parquet"
    return found | {valid: shard(folder / valid, [2, 0])}


def build(world, gallery: str, limit: int | None = None, report=lambda progress: None):
    library = world.library()
    library.gallery(gallery, download=True)
    artifact = library.build(Key(gallery, "mean-colour", limit=limit), report)
    return library, artifact


def test_it_is_known_before_any_picture_is_downloaded(files, monkeypatch):
    with serve({"datasets/org/colours": files}, monkeypatch) as hub:
        gallery = open_dataset("org/colours", download=True)
        assert gallery.pictures.labels.tolist() == [0, 1, 2, 3] * 4 and gallery.queries.labels.tolist() == [2, 0]
        assert gallery.label_names == tuple(NAMES) and gallery.captions[5] == "green 1"
        assert gallery.revision == COMMIT and gallery.pictures.has(15) and gallery.pictures.encoded(15) is None
        assert hub.downloads == [] and "0 of the 4 files" in gallery.missing
        whole = sum(path.stat().st_size for path in files.values())
        assert sum(_asked(*request) for request in hub.requests) < 0.6 * whole
    with nobody() as endpoint:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        again = open_dataset("org/colours")
    assert again.fingerprint == gallery.fingerprint and again.captions == gallery.captions
    assert not again.pictures.has(0)  # nothing may be fetched now


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_kept_of_it_is_asked_again_where_it_is_damaged(kind, files, monkeypatch, caplog):
    with serve({"datasets/org/colours": files}, monkeypatch):
        right = open_dataset("org/colours", download=True)
        kept = hub_module.repo_folder("org/colours", "dataset") / "searchdemo"
        left = files_in(kept)
        assert len(left) >= 5  # the layout; the ends and columns of two splits
        for path in left:
            with restored(kept):
                damaged(kept / path, kind)
                caplog.clear()
                try:
                    again = open_dataset("org/colours", download=True)
                except NoPictures as error:  # it cannot be kept where a folder lies
                    assert kind == "folder" and path.name == "layout.json" and "move " in str(error)
                    continue
                assert (again.fingerprint, again.captions) == (right.fingerprint, right.captions)
                assert again.pictures.labels.tolist() == right.pictures.labels.tolist()
                assert [path.name in line for line in caplog.messages] == [True]
                if kind != "folder":
                    caplog.clear()
                    assert open_dataset("org/colours").fingerprint == right.fingerprint and not caplog.messages
                    damaged(kept / path, kind)
                with pytest.raises(NoPictures, match=r"is not on this machine.*fetches it"):
                    open_dataset("org/colours")


def _asked(method: str, path: str, wanted: str) -> int:
    """Bytes of a part of a file."""
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    return int(last) - int(first) + 1 if last and path.startswith("/bytes/") else 0


def test_a_file_is_embedded_while_the_next_one_comes(files, world, monkeypatch):
    fetched, said, real = [], [], hub_module.fetch

    def fetch(repo, name, *rest, **more):
        if name.endswith("00001-of-00004.parquet"):  # the second comes only after the first was embedded
            assert arrived.wait(60)
        fetched.append(name)
        return real(repo, name, *rest, **more)

    arrived = threading.Event()

    def report(progress):
        if progress.stage == "embedding the gallery":
            said.append((progress.done, progress.note))
            if progress.done == 4:
                arrived.set()

    monkeypatch.setattr("searchdemo.hub.fetch", fetch)
    monkeypatch.setattr("searchdemo.collection.embed.PASS_SECONDS", float("inf"))
    monkeypatch.setattr("searchdemo.collection.embed.FIRST_BATCH", 4)  # the pictures of the first file
    with serve({"datasets/org/colours": files}, monkeypatch):
        _, artifact = build(world, "hf:org/colours", report=report)
    assert (artifact.manifest.vectors, artifact.manifest.queries) == (16, 2)
    assert artifact.manifest.built["revision"] == COMMIT
    assert (
        fetched == sorted(files) and said[0][0] == 4 and "file 2 of 4 is coming" in said[0][1] and said[-1] == (16, "")
    )
    with nobody() as endpoint:  # and now without the hub
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        hits = world.library().open("hf:org/colours", "mean-colour").search(Query(text="blue"), "flat", 4).hits
    assert {hit.class_name for hit in hits} == {"blue"} and hits[0].picture.startswith(png(COLOURS[2]))


def test_the_command_fetches_what_was_never_here(files, monkeypatch, tmp_path, capsys):
    colours_for_bundled(monkeypatch)
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "home"))
    words = ["build", "--gallery", "hf:org/colours", "--json"]
    with serve({"datasets/org/colours": files}, monkeypatch) as hub:
        assert cli.main(words) == 0 and json.loads(capsys.readouterr().out)["vectors"] == 16
        assert len(hub.downloads) == len(files)
        assert cli.main(words) == 0 and json.loads(capsys.readouterr().out)["built"] is False
        assert len(hub.downloads) == len(files)


@pytest.mark.parametrize(
    ("gallery", "limit", "wanted"),
    [
        ("hf:org/colours:train", 4, [0]),  # one of each class
        ("hf:org/colours:train", 6, [0, 1]),
        ("hf:org/colours:train[:25%]", None, [0]),
        ("hf:org/colours:train[6:9]", None, [1, 2]),
        ("hf:org/colours:validation", None, [4]),
    ],
)
def test_of_a_part_only_the_files_that_hold_it_are_downloaded(files, world, monkeypatch, gallery, limit, wanted):
    with serve({"datasets/org/colours": files}, monkeypatch) as hub:
        _, artifact = build(world, gallery, limit)
        assert hub.downloads == [[*sorted(files)][number] for number in wanted]
        rest = gallery.partition(":train")[2]
        assert artifact.manifest.vectors == limit or {"[:25%]": 4, "[6:9]": 3, "": 2}[rest] == artifact.manifest.vectors


def test_a_set_in_the_order_of_its_classes_stays_balanced(tmp_path, world, monkeypatch):
    files = {f"data/train-{n:05}-of-00003.parquet": shard(tmp_path / str(n), [n] * 4) for n in range(3)}
    with serve({"datasets/org/sorted": files}, monkeypatch) as hub:
        library, _ = build(world, "hf:org/sorted", 6)
        assert len(hub.downloads) == 3
    labels = library.open("hf:org/sorted", "mean-colour").labels().tolist()
    assert sorted(labels) == [0, 0, 1, 1, 2, 2]


def test_a_build_that_was_cut_off_goes_on_from_there(files, world, monkeypatch):
    let, real = threading.Event(), hub_module.fetch

    def fetch(repo, name, progress=None, *rest, **more):
        if "00000-of" not in name and not let.is_set():
            assert let.wait(60)
            progress(0, 1)  # which says that nobody waits any more
        return real(repo, name, progress, *rest, **more)

    def stop(progress):
        if progress.done >= 4:
            raise Cancelled("enough")

    monkeypatch.setattr("searchdemo.hub.fetch", fetch)
    monkeypatch.setattr("searchdemo.collection.embed.PASS_SECONDS", float("inf"))
    monkeypatch.setattr("searchdemo.collection.embed.FIRST_BATCH", 4)  # the pictures of the first file
    gallery = "hf:org/colours:train"
    with serve({"datasets/org/colours": files}, monkeypatch) as hub:
        with pytest.raises(Cancelled):
            build(world, gallery, report=stop)
        before = hub.downloads
        assert len(before) == 1  # the second file is waited for
        let.set()
        hub.refuse = 503
        with pytest.raises(NoPictures, match="503"):
            build(world, gallery)
        hub.refuse = None
        done = []
        build(world, gallery, report=lambda progress: done.append(progress.done))
        assert done[0] > 4 and sorted(hub.downloads) == [name for name in sorted(files) if "train" in name]


def test_a_data_set_of_a_script_is_taken_from_the_branch_that_the_hub_converts(tmp_path, world, monkeypatch):
    script = tmp_path / "colours.py"
    script.write_text("raise SystemExit('must not run')")
    branch = {
        "plain/train/0000.parquet": shard(tmp_path / "0", [0, 1]),
        "plain/train/0001.parquet": shard(tmp_path / "1", [2]),
        "plain/test/0000.parquet": shard(tmp_path / "2", [3]),
        "bright/partial-train/0000.parquet": shard(tmp_path / "3", [1, 1]),
    }
    held = {"datasets/org/old": {"colours.py": script}, f"datasets/org/old@{CONVERTED}": branch}
    with serve(held, monkeypatch) as hub:
        with pytest.raises(
            BadQuery, match=r"several configurations, bright, plain: name one, hf:org/old\?config=bright"
        ):
            open_dataset("org/old", download=True)
        with pytest.raises(BadQuery, match="no configuration 'dark'; it has bright, plain"):
            open_dataset("org/old?config=dark", download=True)
        assert open_dataset("org/old?config=bright", download=True).pictures.labels.tolist() == [1, 1]
        library, artifact = build(world, "hf:org/old?config=plain")
        assert artifact.manifest.built["revision"] == BRANCH_COMMIT and len(hub.downloads) == 3
    collection = library.open("hf:org/old?config=plain", "mean-colour")
    assert collection.labels().tolist() == [0, 1, 2] and collection.truth.tolist() == [3]


def test_columns_are_overridable_and_pictures_are_found_without_features(tmp_path, monkeypatch):
    held = {"datasets/org/plain": {"pictures.parquet": shard(tmp_path / "0", [2, 0], plain=True)}}
    with serve(held, monkeypatch):
        gallery = open_dataset("org/plain?label=text", download=True)
        assert gallery.label_names == ("blue 0", "red 1") and gallery.pictures.labels.tolist() == [0, 1]
        with pytest.raises(BadQuery, match="no column 'colour' for label; it has image"):
            open_dataset("org/plain?label=colour", download=True)


def test_without_parquet_nothing_is_run(tmp_path, monkeypatch):
    script = tmp_path / "pets.py"
    script.write_text("raise SystemExit('must not run')")
    with serve({"datasets/org/pets": {"pets.py": script}}, monkeypatch), pytest.raises(NoPictures, match="no Parquet"):
        open_dataset("org/pets", download=True)


CARD = """---
configs:
- config_name: small
  data_files:
  - split: train
    path: "a/*.parquet"
  - split: test
    path: ["b/1.parquet", "b/2.parquet"]
- config_name: large
  data_dir: c
  data_files: "**/*.parquet"
---
# A set
"""


NUMBERED = ["data/train-00000-of-00001-ab12.parquet", "data/valid-00000-of-00001.parquet"]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (NUMBERED, {"train": NUMBERED[:1], "valid": NUMBERED[1:]}),
        (["x.parquet", "README.md"], {"train": ["x.parquet"]}),
        (["test/0.parquet", "training/0.parquet"], {"test": ["test/0.parquet"], "train": ["training/0.parquet"]}),
        (["a_dev.parquet", "trainees.parquet"], {"validation": ["a_dev.parquet"], "train": ["trainees.parquet"]}),
    ],
)
@pytest.mark.parametrize("card", ["", "--- no header", "---\nlicense: mit\n---", "---\nconfigs: 3\n---", "---\n[\n---"])
def test_names_tell_which_files_hold_which_split(files, card, found):
    assert layout(files, card) == {"default": found}
    assert layout(["data.py"], card) == {}


def test_a_card_tells_it_before_names_do():
    files = ["a/1.parquet", "b/1.parquet", "b/2.parquet", "b/3.parquet", "c/d/1.parquet"]
    small = {"train": ["a/1.parquet"], "test": ["b/1.parquet", "b/2.parquet"]}
    assert layout(files, CARD) == {"small": small, "large": {"train": ["c/d/1.parquet"]}}


def test_which_files_of_the_converted_branch_hold_which_split():
    files = ["b/test/0000.parquet", "a/partial-train/0001.parquet", "a/partial-train/0000.parquet", "README.md"]
    assert converted_layout(files) == {
        "a": {"train": ["a/partial-train/0000.parquet", "a/partial-train/0001.parquet"]},
        "b": {"test": ["b/test/0000.parquet"]},
    }


def test_a_cache_that_cannot_be_written_is_named(files, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "file" / "hub"))
    with serve({"datasets/org/colours": files}, monkeypatch), pytest.raises(NoPictures, match="set HF_HUB_CACHE"):
        open_dataset("org/colours", download=True)
