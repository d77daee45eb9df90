"""The model card: every figure comes from the run card."""

from __future__ import annotations


def render(card: dict) -> str:
    """Markdown. card: what export.write_cards wrote to run-card.json."""
    found, words = card["figures"], card["figures"]["words_precision_at_12"]["train"]["report"]
    drawn = found["scenes"]
    hours = sum(card["seconds"].values()) / 3600
    votes = "\n".join(f"| kNN top-1, k = {k} | {value:.2f} % |" for k, value in found["knn_top1"].items())
    kinds = "\n".join(
        f"| words to pictures, precision@12, {kind} | {value:.3f} |" for kind, value in words.items() if kind != "all"
    )
    stages = ", ".join(f"{stage} {seconds / 60:.0f} min" for stage, seconds in card["seconds"].items())
    return f"""# The bundled encoder

Two towers into one space of 128 dimensions, {card["weights_bytes"] / 2**20:.1f} MiB together in 8-bit weights:
a residual network for pictures of 64x64 ({card["parameters"]["image"] / 1e6:.2f} M parameters) and a bag of words for
English ({card["parameters"]["text"] / 1e6:.2f} M, {card["words"]} words; unknown words by their character n-grams).
Made from nothing but the data below by `python -m training`.

## Read this before you quote a figure

**tiny-ImageNet's train split is both the gallery and the training data.** Leave-one-out accuracy on train means
nothing for this encoder, and retrieval of train pictures is flattered. kNN figures below ask with the valid split,
which was never trained on; it was looked at while the recipe was chosen. Classification by class names is not
"zero-shot": the towers saw these classes.

## Figures, as shipped ({found["precision"]}, 8-bit weights)

tiny-ImageNet: gallery train (100,000), queries valid (10,000), DINO's weighted vote, T = 0.07.

| what | figure |
|---|---|
{votes}
| the same at k = 20 before 8 bits | {card["knn_top1_float32"]:.2f} % |
| top-1 by class names | {found["names_top1"]:.2f} % |
| words to pictures, precision@12, all queries | {words["all"]:.3f} |
{kinds}
| scenes: kNN top-1 by thing, k = 20 | {drawn["knn_top1_by_thing"]:.2f} % |
| scenes: colour + thing + setting, precision@12 | {drawn["precision_at_12"]:.3f} |
| the same by a perfect search (such queries often have fewer than 12 answers) | {drawn["attainable"]:.3f} |

Words to pictures: the reported half of the query set in `training/queries.py`, written by hand, against train.
On the valid pictures the same queries reach {found["words_precision_at_12"]["valid"]["report"]["all"]:.3f}.

## Training

- Data: tiny-ImageNet's train split (100,000 pictures, 200 classes); scenes drawn by this repository from another seed
  than the gallery's; names, kinds and glosses of nouns from Open English WordNet (CC BY 4.0); embeddings of words and
  glosses by all-MiniLM-L6-v2 (Apache-2.0), the teacher of the text tower. No picture and no gloss is in the weights'
  repository.
- {hours:.1f} hours on {card["device"]}, {card["threads"]} threads, torch {card["torch"]}: {stages}.
  Seed {card["seed"]}.
- Curve, recipe and the fingerprint of the data: `run-card.json`.

## Limits

It knows 200 classes well, and the rest of the world only as words near them; no word order ("a dog on a cat" is
"a cat on a dog"), no counting, no reading, no faces. tiny-ImageNet's pictures are for research use.
"""
