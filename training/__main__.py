"""python -m training --data DIR --wordnet DIR: from an empty folder to the bundled encoder.

Example: python -m training --data tiny-imagenet --wordnet wordnet --work training-work
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np


def say(line: str) -> None:
    print(line, flush=True)


def prototypes(data_names: list[str], wordnet: Path, work: Path) -> dict[str, np.ndarray]:
    """Class prototypes (200, 128) and the projection behind them; computed once into the work folder."""
    from training import data
    from training.prototypes import CONCRETE, embed_nouns, fit_projection, load_sentence_model, unit

    path = work / "prototypes.npz"
    if not path.exists():
        say("embedding the class names and a sample of WordNet")
        nouns, synsets = data.load_nouns(wordnet), data.class_synsets(wordnet)
        concrete = [noun for noun in nouns.values() if noun["lexfile"].removeprefix("noun.") in CONCRETE]
        sample = [concrete[i] for i in np.random.default_rng(0).choice(len(concrete), 3000, replace=False)]
        model = load_sentence_model()
        class_rows = embed_nouns(model, [nouns[synsets[name]] for name in data_names], nouns)
        centre, matrix = fit_projection(class_rows, embed_nouns(model, sample, nouns))
        np.savez(path, centre=centre, matrix=matrix, prototypes=unit((class_rows - centre) @ matrix))
    return dict(np.load(path))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m training", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="a folder with tiny-ImageNet that datasets.load_dataset reads"
    )
    parser.add_argument("--wordnet", type=Path, required=True, help="nouns.jsonl and tiny_imagenet_synsets.json")
    parser.add_argument(
        "--work", type=Path, default=Path("training-work"), help="checkpoints and caches (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    import torch

    from training import data, image_tower

    args.work.mkdir(parents=True, exist_ok=True)
    train_pixels, train_labels, names = data.load_split(args.data, "train", args.work)
    valid_pixels, valid_labels, _ = data.load_split(args.data, "valid", args.work)
    words = prototypes(names, args.wordnet, args.work)
    recipe = image_tower.CUDA if torch.cuda.is_available() else image_tower.CPU
    image_tower.train(
        recipe,
        words["prototypes"],
        (train_pixels, train_labels),
        (valid_pixels, valid_labels),
        args.work / "image-tower.safetensors",
        args.seed,
        say,
    )


if __name__ == "__main__":
    main()
