"""Accuracies that others published, beside ours, with what theirs were measured on."""

from __future__ import annotations

from collections.abc import Sequence

from searchdemo.bench.tables import Column, Table, columns, encoder_of, fixed
from searchdemo.measure.cards import RunCard, source_of

TALK, PAPER = "a talk on kNN in place of a head", "Caron et al. 2021, arXiv:2104.14294, table 2"
# Top-1 in percent. All of these embeddings were learned from ImageNet's pictures without labels.
KNN: tuple[dict, ...] = (
    {"encoder": "DINO ViT-S/16", "what": "kNN", "train": 81.66, "valid": 77.73, "on": "tiny-ImageNet", "by": TALK},
    {"encoder": "DINO ViT-S/16", "what": "kNN", "valid": 74.5, "on": "ImageNet, 1,000 classes", "by": PAPER},
    {"encoder": "DINO ViT-S/16", "what": "linear head", "valid": 77.0, "on": "ImageNet, 1,000 classes", "by": PAPER},
    {"encoder": "DINO ViT-S/8", "what": "kNN", "valid": 78.3, "on": "ImageNet, 1,000 classes", "by": PAPER},
    {"encoder": "DINO ViT-S/8", "what": "linear head", "valid": 79.7, "on": "ImageNet, 1,000 classes", "by": PAPER},
)


def beside_ours(cards: Sequence[RunCard], k: int) -> Table:
    """From cards of the benchmark knn: our rows first, then the published ones. k: neighbours that vote."""
    rows: list[dict] = []
    for card in cards:
        weighted = {
            row["split"]: row["top1"]
            for row in card.parts["accuracy"]
            if row["vote"] == "weighted" and row["k"] == min(k, max(each["k"] for each in card.parts["accuracy"]))
        }
        head = card.parts["head"][0]
        trained = " (trained on train)" * card.settings["trained_on_gallery"]
        ours = {"encoder": encoder_of(card) + trained, "on": card.gallery, "by": "measured here"}
        rows.append(ours | {"what": "kNN", "train": weighted.get("train"), "valid": weighted.get("valid")})
        rows.append(ours | {"what": "linear head", "train": head["train_top1"], "valid": head["valid_top1"]})
    heads = [
        *columns("encoder what"),
        Column("train", "train top-1", fixed(2)),
        Column("valid", "valid top-1", fixed(2)),
        Column("on", "pictures"),
        Column("by", "source"),
    ]
    title = "Ours beside what was published, top-1 in %; train by neighbours is leave-one-out"
    return Table("knn-published", title, heads, [*rows, *KNN], source_of(cards))
