"""Copies in another order, encoded again and with gaps: every row that shows a picture shows the right one.

With the drawn scenes in the layout of tiny-ImageNet, and with real pictures where they lie beside the checkout.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from searchdemo.galleries import tiny_imagenet
from searchdemo.galleries.base import Pictures
from searchdemo.galleries.scenes import open_scenes
from searchdemo.galleries.table import open_gallery
from tests.test_tiny_imagenet import (
    REAL,
    encode,
    no_other_copy,  # noqa: F401  no copy of the machine's own
    with_real_data,
    write_parquet,
    write_zip_layout,
)

LOST = 0.01  # of the pictures are not in the copy


def copy_of(
    pictures: Sequence[bytes], labels: Sequence[int], seed: int, quality: int = 75
) -> tuple[dict[int, bytes], list[int]]:
    """Encoded again, a hundredth left out: {row: picture}, and the rows in an order shuffled within the classes."""

    def again(picture: bytes) -> bytes:
        return encode(Image.open(io.BytesIO(picture)).convert("RGB"), quality=quality)

    rng = np.random.default_rng(seed)
    kept = np.sort(rng.permutation(len(pictures))[round(len(pictures) * LOST) :])
    order = rng.permutation(kept)
    order = order[np.argsort(np.asarray(labels)[order], kind="stable")]
    return {int(row): again(pictures[row]) for row in kept}, order.tolist()


def right_and_wrong(pictures: Pictures, wanted: dict[int, bytes], rows: Sequence[int]) -> tuple[int, int]:
    """How many of the rows show their own picture of the copy, and how many show another."""
    shown = {row: picture for row in rows if (picture := pictures.encoded(row)) is not None}
    right = sum(picture == wanted.get(row) for row, picture in shown.items())
    return right, len(shown) - right


@pytest.mark.parametrize(("layout", "quality"), [(write_parquet, 75), (write_zip_layout, 90)])
def test_scenes_shuffled_encoded_again_and_with_gaps(tmp_path, monkeypatch, layout, quality):
    """Drawings of one thing may look alike: such rows rather go without their picture than show another's."""
    scenes = open_scenes()
    splits = {}
    for split, held in (("train", scenes.pictures), ("valid", scenes.queries)):
        splits[split] = [held.encoded(row) for row in range(len(held))], held.labels.tolist()
    monkeypatch.setattr(tiny_imagenet, "ROWS_PATH", tmp_path / "gallery.npz")
    tiny_imagenet.write_rows(write_parquet(tmp_path / "original", splits), tmp_path / "gallery.npz")

    wanted, copy = {}, {}
    for seed, (split, (pictures, labels)) in enumerate(splits.items()):
        wanted[split], order = copy_of(pictures, labels, seed, quality)
        copy[split] = [wanted[split][row] for row in order], [labels[row] for row in order]
    gallery = open_gallery("tiny-imagenet", data_dir=layout(tmp_path / "copy", copy))

    right, wrong = right_and_wrong(gallery.pictures, wanted["train"], range(2000))
    right_queries, wrong_queries = right_and_wrong(gallery.queries, wanted["valid"], range(200))
    assert wrong == wrong_queries == 0
    assert right >= 0.95 * len(wanted["train"]) and right_queries >= 0.95 * len(wanted["valid"])
    assert gallery.missing.startswith(f"{2200 - right - right_queries:,} of 2,200 pictures of tiny-ImageNet are not in")
    first = next(row for row in range(2000) if gallery.pictures.encoded(row) is None)
    assert f"(row {first}, {gallery.class_name(first)};" in gallery.missing


@with_real_data
def test_real_pictures_shuffled_encoded_again_and_with_gaps(tmp_path):
    """Ten whole classes: only within its class may a picture be taken for another."""
    real = open_gallery("tiny-imagenet", data_dir=REAL)
    labels = real.pictures.labels
    rows = np.flatnonzero(labels % 20 == 7)
    wanted, order = copy_of([real.pictures.encoded(int(row)) for row in rows], labels[rows].tolist(), seed=0)
    copy = {"train": ([wanted[i] for i in order], [int(labels[rows[i]]) for i in order])}
    gallery = open_gallery("tiny-imagenet", data_dir=write_parquet(tmp_path / "copy", copy))
    right, wrong = right_and_wrong(gallery.pictures, {int(rows[i]): picture for i, picture in wanted.items()}, rows)
    assert wrong == 0
    assert right >= 0.999 * len(wanted)  # all 4,950 when this was written
    assert gallery.missing.startswith(f"{110_000 - right:,} of 110,000 pictures")
