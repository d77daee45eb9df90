"""Fills the model card, model_card.template.md, with the figures of a run card."""

from __future__ import annotations

from pathlib import Path

TEMPLATE = Path(__file__).with_suffix(".template.md")


def render(card: dict) -> str:
    """Markdown. card: the content of run-card.json, see export.write_cards."""
    figures, seconds = card["figures"], card["seconds"]
    train, valid = (figures["words_precision_at_12"][split]["report"] for split in ("train", "valid"))
    votes = [f"| kNN top-1, k = {k} | {value:.2f} % |" for k, value in figures["knn_top1"].items()]
    kinds = [
        f"| words to pictures, precision@12, {kind} | {value:.3f} |" for kind, value in train.items() if kind != "all"
    ]
    curve = card["curve"]
    coaches = [point for point in curve if "coach" in point]  # none in the recipe for a CPU
    return TEMPLATE.read_text().format(
        card=card,
        figures=figures,
        train=train,
        held_out=card["held_out_names"]["report"],
        valid=valid,
        start=curve[0],
        end=[point for point in curve if "epoch" in point][-1],
        coach="".join(map(coaching, coaches)),
        votes="\n".join(votes),
        kinds="\n".join(kinds),
        mib=card["weights_bytes"] / 2**20,
        image_millions=card["parameters"]["image"] / 1e6,
        text_millions=card["parameters"]["text"] / 1e6,
        hours=sum(seconds.values()) / 3600,
        stages=", ".join(f"{stage} {taken / 60:.0f} min" for stage, taken in seconds.items()),
    )


def coaching(point: dict) -> str:
    return (
        f"\n  EfficientNet-{point['coach'].capitalize()}, a larger network, was fine-tuned first, until it named "
        f"{point['held_top1']:.1f} % of the\n  pictures that are kept out; the tower learned its opinions, too."
    )
