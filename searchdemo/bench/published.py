"""Accuracies that others published, beside ours, with what theirs were measured on."""

from __future__ import annotations

from collections.abc import Sequence

from searchdemo.bench.tables import Column, Table, encoder_of, fixed
from searchdemo.measure.cards import RunCard, source_of

TINY, LARGE = "tiny-ImageNet (talk)", "ImageNet-1k (paper)"
# (network and method, pictures, top-1 on train, on valid), in percent. The talk: kNN in place of a head; train is
# leave-one-out. The paper: Caron et al. 2021, arXiv:2104.14294, table 2. All of these embeddings were learned from
# ImageNet's pictures without labels.
PUBLISHED: tuple[tuple[str, str, float | None, float], ...] = (
    ("DINO ViT-S/16, kNN", TINY, 81.66, 77.73),
    ("DINO ViT-S/16, kNN", LARGE, None, 74.5),
    ("DINO ViT-S/16, linear head", LARGE, None, 77.0),
    ("DINO ViT-S/8, kNN", LARGE, None, 78.3),
    ("DINO ViT-S/8, linear head", LARGE, None, 79.7),
)


def beside_ours(cards: Sequence[RunCard], k: int) -> Table:
    """From cards of the benchmark knn: a row for train and one for valid, ours in the first columns, then published
    ones, whose heads say on what they were measured. k: neighbours that vote."""
    rows: dict[str, dict] = {split: {"split": split} for split in ("train", "valid")}
    heads = [Column("split", "top-1 %")]
    for card in cards:
        most = min(k, max(each["k"] for each in card.parts["accuracy"]))
        weighted = {
            row["split"]: row["top1"]
            for row in card.parts["accuracy"]
            if row["vote"] == "weighted" and row["k"] == most
        }
        trained = " (trained on train)" * card.settings["trained_on_gallery"]
        for what, found in (
            ("kNN", weighted),
            ("linear head", {split: card.parts["head"][0].get(f"{split}_top1") for split in rows}),
        ):
            key = f"{encoder_of(card)}{trained}, {what}, {card.gallery}"
            heads.append(Column(key, f"ours: {key}", fixed(2)))
            for split, row in rows.items():
                row[key] = found.get(split)
    for what, pictures, train, valid in PUBLISHED:
        key = f"{what}, {pictures}"
        heads.append(Column(key, f"published: {key}", fixed(2)))
        rows["train"][key], rows["valid"][key] = train, valid
    title = f"Ours beside what was published; kNN votes with k = {k}, on train leave-one-out"
    return Table("knn-published", title, heads, list(rows.values()), source_of(cards))
