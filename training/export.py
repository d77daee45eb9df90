"""The last stage: both towers in one file of 8-bit weights, measured as shipped, with a run card and a model card.

`python -m training.export --wordnet DIR` measures again what lies in weights/ and indexes/, and writes both cards.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from searchdemo.assets import INDEXES as SHIPPED
from searchdemo.collection.library import SearchEngine
from searchdemo.collection.store import Store
from searchdemo.encoders.bundled import pack
from searchdemo.encoders.bundled_image import ImageTower
from searchdemo.encoders.table import weights_path
from searchdemo.galleries.class_names import CLASS_NAMES
from training import data
from training.evaluate import knn_top1, names_top1, scenes_figures, shipped_top1, words_to_pictures
from training.image_tower import standardise
from training.model_card import render
from training.text_tower import TextTower

FORMAT = "searchdemo bundled encoder, 1"


def embed(forward: Callable[[torch.Tensor], np.ndarray], pixels: np.ndarray, say) -> np.ndarray:
    """forward: standardised (n, 3, 64, 64) -> rows; pixels (n, 64, 64, 3) uint8 -> (n, 128) float32."""
    rows = []
    for start in range(0, len(pixels), 250):
        rows.append(forward(standardise(torch.from_numpy(np.asarray(pixels[start : start + 250])))))
        if start and start % 25_000 == 0:
            say(f"embedded {start} of {len(pixels)}")
    return np.concatenate(rows)


def reference_knn(image: ImageTower, train_set: tuple, valid_set: tuple, say) -> float:
    """kNN top-1 with weights as trained: float32, autocast as in training."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    image = image.eval().to(device, memory_format=torch.channels_last)

    def forward(pixels: torch.Tensor) -> np.ndarray:
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
            return image(pixels.to(device, memory_format=torch.channels_last)).float().cpu().numpy()

    rows = [embed(forward, pixels, say) for pixels in (train_set[0], valid_set[0])]
    return knn_top1(rows[0], train_set[1], rows[1], valid_set[1])


def build(weights: Path, data_dir: Path, folder: Path, say) -> SearchEngine:
    """Embed both galleries by these weights, as `python -m searchdemo build` does, into folder: it is what ships."""
    engine = SearchEngine(Store(own=folder, shipped=folder), data_dir=data_dir, weights={"bundled": weights})
    for gallery in ("tiny-imagenet", "scenes"):
        say(f"embedding {gallery}")
        engine.build(gallery, "bundled")
    return engine


def figures(engine: SearchEngine, first_names: list[str]) -> dict:
    """What the model card claims, of the vectors that the engine has stored.

    first_names: the first WordNet name of each class of tiny-ImageNet, in the order of CLASS_NAMES.
    """
    prepared, encode_texts = engine.prepared("tiny-imagenet", "bundled"), engine.encoder("bundled").encode_texts
    prepared.artifact.check_weights(engine.encoder("bundled").weights_sha256)
    queries, truth = prepared.queries()
    by_words = {"train": (prepared.vectors.all(), prepared.gallery.pictures.labels), "valid": (queries, truth)}
    return {
        "knn_top1": shipped_top1(engine, "tiny-imagenet"),
        "names_top1": names_top1(engine.class_name_rows("tiny-imagenet", "bundled"), queries, truth),
        "words_precision_at_12": {
            split: words_to_pictures(encode_texts, rows, labels, first_names)
            for split, (rows, labels) in by_words.items()
        },
        "scenes": scenes_figures(engine),
        "precision": prepared.artifact.manifest.precision.split()[0],  # "bfloat16 on cpu"
    }


def first_names(wordnet: Path) -> list[str]:
    """As `figures` wants them."""
    nouns, synsets = data.load_nouns(wordnet), data.class_synsets(wordnet)
    return [nouns[synsets[label]]["names"][0] for label in CLASS_NAMES]


def write(image: ImageTower, text: TextTower, words: list[str], folder: Path, recipe: dict) -> Path:
    """The weights file."""
    folder.mkdir(parents=True, exist_ok=True)
    path, partial = folder / "bundled.safetensors", folder / "bundled.safetensors.partial"
    save_file(pack(image, text, words), partial, metadata={"format": FORMAT, "recipe": json.dumps(recipe)})
    partial.chmod(0o644)  # safetensors lets nobody else read
    partial.replace(path)
    return path


def write_cards(path: Path, card: dict) -> None:
    """run-card.json and MODEL_CARD.md beside the weights."""
    card = {
        "format": FORMAT,
        "weights_bytes": path.stat().st_size,
        "torch": torch.__version__.split("+")[0],
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU ({platform.machine()})",
        "threads": torch.get_num_threads(),
    } | card
    path.with_name("run-card.json").write_text(json.dumps(card, indent=2) + "\n")
    path.with_name("MODEL_CARD.md").write_text(render(card))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure again what ships, and write its run card and model card.")
    parser.add_argument("--wordnet", type=Path, required=True, help="nouns.jsonl and tiny_imagenet_synsets.json")
    names = first_names(parser.parse_args().wordnet)
    engine = SearchEngine(Store(own=SHIPPED))  # a person's own builds are not what ships
    weights = weights_path("bundled")
    card = json.loads(weights.with_name("run-card.json").read_text())
    write_cards(weights, card | {"figures": figures(engine, names)})


if __name__ == "__main__":
    main()
