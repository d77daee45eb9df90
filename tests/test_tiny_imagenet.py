"""tiny-ImageNet's rows are the same with every copy of the data: of any layout and order, encoded again, or none.

The copies here are small and made by the test, and so is the file of rows they are matched to. What ships is tested as
far as it goes without pictures; where SEARCHDEMO_TEST_TINY_IMAGENET names a copy of the real data, also with them.
"""

from __future__ import annotations

import io
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image, ImageFilter

from searchdemo import hub as hub_module
from searchdemo.errors import BadArtifact, NoPictures
from searchdemo.galleries import tiny_imagenet
from searchdemo.galleries.class_names import CLASS_NAMES
from searchdemo.galleries.content_keys import ABSENT, look_key, match_keys, match_looks
from searchdemo.galleries.copies import DatasetCopy
from searchdemo.galleries.table import open_gallery
from tests.loopback_hub import COMMIT, nobody, serve

COPY = os.environ.get("SEARCHDEMO_TEST_TINY_IMAGENET")  # of the real data; the checkout's surroundings have no say
REAL = Path(COPY or ".")
with_real_data = pytest.mark.skipif(not COPY, reason="SEARCHDEMO_TEST_TINY_IMAGENET names no copy of the real data")
NAMES = sorted(CLASS_NAMES)
TRAIN, VALID = 30, 12  # pictures of 6 classes
CLASSES = 6


@pytest.fixture(autouse=True)
def no_other_copy(monkeypatch, tmp_path):
    """No test sees the data or the caches of the machine it runs on."""
    for variable in ("SEARCHDEMO_DATA", "HF_HUB_CACHE", "HF_DATASETS_CACHE", "HF_ENDPOINT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf" / "datasets")


def blotches(seed: int) -> Image.Image:
    """A smooth picture that is unlike the next one, as photographs are."""
    noise = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    smooth = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(6))
    spread = np.asarray(smooth, dtype=np.float32)
    return Image.fromarray(np.clip((spread - spread.mean()) * 6 + 128, 0, 255).astype(np.uint8))


def encode(image: Image.Image, format: str = "JPEG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def splits() -> dict[str, tuple[list[bytes], list[int]]]:
    """Pictures and labels; as in the real data, two rows of different classes hold one and the same file."""
    pictures = [encode(blotches(seed), quality=95) for seed in range(TRAIN + VALID)]
    labels = [seed % CLASSES for seed in range(TRAIN + VALID)]
    pictures[7] = pictures[2]
    return {"train": (pictures[:TRAIN], labels[:TRAIN]), "valid": (pictures[TRAIN:], labels[TRAIN:])}


def write_parquet(folder: Path, splits: dict, names: list[str] = NAMES) -> Path:
    for split, (pictures, labels) in splits.items():
        path = folder / "data" / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        as_dataset(pictures, labels, names).to_parquet(path)
    return folder


def as_dataset(pictures: list[bytes], labels: list[int], names: list[str]) -> datasets.Dataset:
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=names))
    numbers = [names.index(NAMES[label]) for label in labels]
    return datasets.Dataset.from_dict({"image": [{"bytes": p} for p in pictures], "label": numbers}, features)


def shuffled(splits: dict) -> dict:
    order = {split: np.random.default_rng(3).permutation(len(labels)) for split, (_, labels) in splits.items()}
    return {s: ([p[i] for i in order[s]], [n[i] for i in order[s]]) for s, (p, n) in splits.items()}


@pytest.fixture
def rows(monkeypatch, tmp_path, splits) -> None:
    """The rows of the small data take the place of those that ship."""
    path = tmp_path / "rows" / "gallery.npz"
    tiny_imagenet.write_rows(write_parquet(tmp_path / "original", splits), path)
    monkeypatch.setattr(tiny_imagenet, "ROWS_PATH", path)


def assert_same_pictures(gallery, splits: dict) -> None:
    for pictures, (files, labels) in ((gallery.pictures, splits["train"]), (gallery.queries, splits["valid"])):
        assert [pictures.encoded(row) for row in range(len(pictures))] == files
        assert pictures.labels.tolist() == labels
    assert gallery.missing == ""


# What ships, without any pictures


def test_without_pictures_all_but_the_pictures_is_there(monkeypatch):
    """Of what ships one file is read; `bench floors` holds the seconds."""
    read, load = [], np.load
    monkeypatch.setattr(np, "load", lambda path, **options: read.append(path) or load(path, **options))
    gallery = open_gallery("tiny-imagenet")
    assert read == [tiny_imagenet.ROWS_PATH]
    assert (len(gallery.pictures), len(gallery.queries)) == (100_000, 10_000)
    assert np.bincount(gallery.pictures.labels).tolist() == [500] * 200
    assert np.bincount(gallery.queries.labels).tolist() == [50] * 200
    assert gallery.pictures.encoded(0) is None and gallery.queries.encoded(9_999) is None
    assert "--data DIR" in gallery.missing and "SEARCHDEMO_DATA" in gallery.missing
    assert len(gallery.fingerprint) == 64


def test_class_names():
    assert len(CLASS_NAMES) == 200 == len(set(CLASS_NAMES.values()))
    assert list(CLASS_NAMES) == NAMES  # sorted: the number of a label is its place
    assert (CLASS_NAMES["n01443537"], CLASS_NAMES["n03126707"]) == ("goldfish", "construction crane")


def test_the_file_of_rows_is_small():
    assert tiny_imagenet.ROWS_PATH.stat().st_size < 2 << 20


def test_a_damaged_file_of_rows_is_refused(monkeypatch, tmp_path):
    damaged = tmp_path / "gallery.npz"
    monkeypatch.setattr(tiny_imagenet, "ROWS_PATH", damaged)
    with pytest.raises(BadArtifact, match=r"gallery\.npz is missing or damaged"):
        open_gallery("tiny-imagenet")
    damaged.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(BadArtifact, match=r"gallery\.npz is missing or damaged"):
        open_gallery("tiny-imagenet")


# Copies of every kind


@pytest.mark.parametrize("names", [NAMES, NAMES[::-1]], ids=["sorted-labels", "reversed-labels"])
def test_parquet_in_another_order(rows, splits, tmp_path, names):
    copy = write_parquet(tmp_path / "copy", shuffled(splits), names)
    assert_same_pictures(open_gallery("tiny-imagenet", data_dir=copy), splits)


def test_saved_to_disk(rows, splits, tmp_path):
    content = {split: as_dataset(*held, NAMES) for split, held in shuffled(splits).items()}
    datasets.DatasetDict(content).save_to_disk(tmp_path / "copy")
    assert_same_pictures(open_gallery("tiny-imagenet", data_dir=tmp_path / "copy"), splits)


def test_environment_variable(rows, splits, tmp_path, monkeypatch):
    monkeypatch.setenv("SEARCHDEMO_DATA", str(write_parquet(tmp_path / "copy", splits)))
    assert_same_pictures(open_gallery("tiny-imagenet"), splits)


def write_zip_layout(folder: Path, splits: dict, suffix: str = "JPEG") -> Path:
    """As tiny-imagenet-200.zip unpacks: train by class, val in one folder with a list."""
    lines = []
    for number, (picture, label) in enumerate(zip(*splits["train"], strict=True)):
        path = folder / "train" / NAMES[label] / "images" / f"{NAMES[label]}_{number}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture)
    (folder / "val" / "images").mkdir(parents=True)
    for number, (picture, label) in enumerate(zip(*splits["valid"], strict=True)):
        (folder / "val" / "images" / f"val_{number}.{suffix}").write_bytes(picture)
        lines.append(f"val_{number}.{suffix}\t{NAMES[label]}\t0\t0\t63\t63\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    return folder


def test_unpacked_zip(rows, splits, tmp_path):
    copy = write_zip_layout(tmp_path / "tiny-imagenet-200", splits)
    assert_same_pictures(open_gallery("tiny-imagenet", data_dir=copy), splits)


@pytest.mark.parametrize("layout", [write_parquet, write_zip_layout])
def test_encoded_again_is_recognised_by_look(rows, splits, tmp_path, layout):
    """Every picture is found, and is the right one: nearest to the original of its own row."""
    again = {s: ([encode(Image.open(io.BytesIO(p)), quality=75) for p in held], n) for s, (held, n) in splits.items()}
    gallery = open_gallery("tiny-imagenet", data_dir=layout(tmp_path / "copy", shuffled(again)))
    assert gallery.missing == ""
    found = [gallery.pictures.encoded(row) for row in range(TRAIN)]
    assert found == again["train"][0] != splits["train"][0]
    assert [gallery.queries.encoded(row) for row in range(VALID)] == again["valid"][0]


def test_a_partial_copy_leaves_gaps_and_counts_them(rows, splits, tmp_path):
    pictures, labels = splits["train"]
    copy = write_parquet(tmp_path / "copy", {"train": (pictures[10:], labels[10:])})
    gallery = open_gallery("tiny-imagenet", data_dir=copy)
    assert [gallery.pictures.encoded(row) for row in range(TRAIN)] == [None] * 10 + pictures[10:]
    assert gallery.queries.encoded(0) is None
    assert gallery.missing.startswith(f"{10 + VALID} of {TRAIN + VALID} pictures")


def test_the_fingerprint_is_the_same_with_any_copy_and_with_none(rows, splits, tmp_path):
    copies = [None, write_parquet(tmp_path / "a", shuffled(splits)), write_zip_layout(tmp_path / "b", splits)]
    assert len({open_gallery("tiny-imagenet", data_dir=copy).fingerprint for copy in copies}) == 1


def test_first_use_from_many_threads(rows, splits, tmp_path, monkeypatch):
    """All threads get their pictures, and the copy is gone through once."""
    gallery = open_gallery("tiny-imagenet", data_dir=write_parquet(tmp_path / "copy", shuffled(splits)))
    calls = []
    match = tiny_imagenet._match
    monkeypatch.setattr(tiny_imagenet, "_match", lambda *given: calls.append(1) or match(*given))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(gallery.pictures.encoded, range(TRAIN))) == splits["train"][0]
    assert len(calls) == 1


def test_rows_outside_are_an_error_not_another_picture(rows, splits, tmp_path):
    gallery = open_gallery("tiny-imagenet", data_dir=write_parquet(tmp_path / "copy", splits))
    for row in (-1, TRAIN):  # -1 stands for "not found" in an index's answer
        with pytest.raises(IndexError):
            gallery.pictures.encoded(row)


# Wrong folders


def test_wrong_folders_are_refused_at_once(tmp_path):
    with pytest.raises(NoPictures, match="There is no folder"):
        open_gallery("tiny-imagenet", data_dir=tmp_path / "none")
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(NoPictures, match="holds neither parquet"):
        open_gallery("tiny-imagenet", data_dir=tmp_path)


def test_what_only_reading_shows_is_said_in_missing(rows, tmp_path):
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "train.parquet").write_bytes(b"PAR1 and no more")
    gallery = open_gallery("tiny-imagenet", data_dir=tmp_path / "damaged")
    assert gallery.pictures.encoded(0) is None
    assert "cannot be read as a data set" in gallery.missing and "\n" not in gallery.missing

    (tmp_path / "texts").mkdir()
    datasets.Dataset.from_dict({"text": ["a"]}).to_parquet(tmp_path / "texts" / "train.parquet")
    assert "no column 'image'" in open_gallery("tiny-imagenet", data_dir=tmp_path / "texts").missing


def test_other_peoples_pictures_match_nothing(rows, tmp_path):
    other = {"train": ([encode(blotches(1000 + i)) for i in range(CLASSES)], list(range(CLASSES)))}
    gallery = open_gallery("tiny-imagenet", data_dir=write_parquet(tmp_path / "copy", other))
    assert gallery.missing.startswith(f"{TRAIN + VALID} of {TRAIN + VALID} pictures")


# Matching


def test_match_keys():
    wanted, held = np.array([5, 9, 5, 7, 0], dtype=np.uint64), np.array([7, 5, 8], dtype=np.uint64)
    assert match_keys(wanted, held).tolist() == [1, ABSENT, 1, 0, ABSENT]
    assert match_keys(wanted, held[:0]).tolist() == [ABSENT] * 5


def test_match_looks():
    """Near enough, the only nearest, each other's nearest, and of one class: each rule alone refuses a pair."""
    wanted = np.array([0b1111, 0b11110000, 0b1 << 40], dtype=np.uint64)
    held = np.array([0b11110001, 0b1110, (1 << 40) | 0xFFFFFF00], dtype=np.uint64)
    same = np.zeros(3, dtype=np.int16)
    assert match_looks(wanted, same, held, same).tolist() == [1, 0, ABSENT]  # the third is 24 bits away
    assert match_looks(wanted, same, held, same + 1).tolist() == [ABSENT] * 3
    twice = np.array([0b1110, 0b1101], dtype=np.uint64)  # both 1 bit from the first
    assert match_looks(wanted, same, twice, same[:2]).tolist() == [ABSENT] * 3


def test_look_key_of_known_pictures():
    ramp = np.tile(np.arange(0, 252, 4, dtype=np.uint8)[:63], (56, 1))
    brighter, darker = (look_key(encode(Image.fromarray(grey), "PNG")) for grey in (ramp, ramp[:, ::-1]))
    assert brighter == (1 << 64) - 1 and darker == 0
    assert look_key(b"no picture") == 0 == look_key(None)


# The hub, on loopback


def test_download_then_cache(rows, splits, tmp_path, monkeypatch):
    """Fetched with progress and its revision, found again without a request; a copy that is half there is not taken."""
    whole = write_parquet(tmp_path / "published", shuffled(splits))
    files = {path.relative_to(whole).as_posix(): path for path in whole.rglob("*") if path.is_file()}
    with serve({"datasets/zh-plus/tiny-imagenet": files}, monkeypatch) as hub:
        assert open_gallery("tiny-imagenet").pictures.encoded(0) is None  # nobody asked to go online
        assert hub.requests == []
        seen = []
        gallery = open_gallery("tiny-imagenet", download=True, progress=lambda *step: seen.append(step))
        assert_same_pictures(gallery, splits)
        assert gallery.pictures.source == f"zh-plus/tiny-imagenet at revision {COMMIT}"
        size = sum(path.stat().st_size for path in files.values())
        assert seen and seen[-1] == (size, size)
        hub.requests.clear()
        again = open_gallery("tiny-imagenet", download=True)
        assert_same_pictures(again, splits)
        assert again.pictures.source == gallery.pictures.source and hub.requests == []

    next((tmp_path / "hf" / "hub").glob("*/snapshots/*/data/valid*")).unlink()
    assert "not on this machine" in open_gallery("tiny-imagenet").missing


def test_hub_out_of_reach_is_said_soon(monkeypatch):
    """It is asked once, and waited for no longer than REACH_S."""
    waits, within = [], hub_module.within
    monkeypatch.setattr(hub_module, "within", lambda seconds, ask: waits.append(seconds) or within(seconds, ask))
    with nobody() as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(NoPictures, match=f"could not be fetched from {re.escape(address)}/datasets/"):
            open_gallery("tiny-imagenet", download=True)
    assert waits == [hub_module.REACH_S]


def test_what_load_dataset_keeps_is_found(rows, splits, tmp_path):
    """load_dataset("zh-plus/tiny-imagenet") leaves <cache>/zh-plus___tiny-imagenet/default/0.0.0/<revision>/."""
    copy = write_parquet(tmp_path / "copy", splits)
    datasets.load_dataset(str(copy))
    made = next((tmp_path / "hf" / "datasets" / "copy").rglob("dataset_info.json")).parent
    kept = tmp_path / "hf" / "datasets" / "zh-plus___tiny-imagenet" / "default" / "0.0.0" / ("b" * 40)
    kept.parent.mkdir(parents=True)
    made.rename(kept)
    gallery = open_gallery("tiny-imagenet")
    assert_same_pictures(gallery, splits)
    assert gallery.pictures.source.endswith("b" * 40)


# The real data


@with_real_data
def test_the_real_data_fits_the_rows_that_ship(monkeypatch):
    gallery = open_gallery("tiny-imagenet", data_dir=REAL)
    assert gallery.missing == ""
    random = np.random.default_rng(0).integers(0, 100_000, 24)
    reads, read = [], DatasetCopy.read
    monkeypatch.setattr(DatasetCopy, "read", lambda *given: reads.append(given) or read(*given))
    monkeypatch.setattr(DatasetCopy, "read_all", lambda self: pytest.fail("the copy is gone through again"))
    pictures = [gallery.pictures.encoded(int(row)) for row in random]
    assert len(reads) == 24  # one read per row
    assert all(Image.open(io.BytesIO(data)).size == (64, 64) for data in pictures)
