"""The last stage: both towers in one file of 8-bit weights, measured as shipped, with a run card and a model card."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from searchdemo.encoders.bundled import BundledEncoder, pack
from searchdemo.encoders.bundled_net import ImageTower, TextTower
from searchdemo.encoders.templates import class_rows
from training.evaluate import knn_top1, names_top1, scenes_figures, words_to_pictures
from training.image_tower import standardise
from training.model_card import render

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


def figures(
    encoder: BundledEncoder, train_set: tuple, valid_set: tuple, names: list[str], class_names: list[str], say
) -> dict:
    """What the model card claims. names: first WordNet name of each label; class_names: readable ones for prompts."""

    def forward(pixels: torch.Tensor) -> np.ndarray:
        dtype = torch.bfloat16 if encoder.precision == "bfloat16" else torch.float32
        return encoder.encode_pixels(pixels.to(encoder.device, dtype, memory_format=torch.channels_last))

    gallery, queries = embed(forward, train_set[0], say), embed(forward, valid_set[0], say)
    by_words = {"train": (gallery, train_set[1]), "valid": (queries, valid_set[1])}
    return {
        "knn_top1": {str(k): knn_top1(gallery, train_set[1], queries, valid_set[1], k) for k in (1, 5, 20, 50)},
        "names_top1": names_top1(class_rows(encoder, class_names), queries, valid_set[1]),
        "words_precision_at_12": {
            split: words_to_pictures(encoder.encode_texts, rows, labels, names)
            for split, (rows, labels) in by_words.items()
        },
        "scenes": scenes_figures(encoder),
        "precision": encoder.precision,
    }


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
