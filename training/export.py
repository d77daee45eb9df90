"""The last stage puts both towers into one file of 8-bit weights, measures that file, and writes its two cards.

`python -m training.export --wordnet DIR` measures the files in weights/ and indexes/ again, and writes both cards.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from searchdemo import assets
from searchdemo.collection.library import Library
from searchdemo.collection.store import Key, Store
from searchdemo.encoders.quantised import quantise
from searchdemo.encoders.table import ENCODERS, fetch_weights
from searchdemo.files import replacing
from searchdemo.galleries.class_names import CLASS_NAMES
from training import data
from training.data import Say, Split
from training.evaluate import knn_top1, names_top1, scenes_figures, shipped_top1, words_to_pictures
from training.image_tower import DEVICE, PX
from training.model_card import render
from training.network import ImageTower
from training.photographs import right_first
from training.pictures import standardise, whole

FORMAT = "searchdemo bundled encoder, 1"


def embed(image: ImageTower, pixels: np.ndarray, say: Say) -> np.ndarray:
    """Pixels (n, 64, 64, 3) uint8 -> unit rows (n, 128) float32, with weights and autocast as in training."""
    image = image.eval().to(DEVICE, memory_format=torch.channels_last)
    rows = []
    for start in range(0, len(pixels), 250):
        batch = standardise(whole(torch.from_numpy(np.asarray(pixels[start : start + 250])).to(DEVICE), PX))
        with torch.inference_mode(), torch.autocast(DEVICE.type, torch.bfloat16):
            found = image(batch)
        rows.append(found.float().cpu().numpy())
        if start and start % 25_000 == 0:
            say(f"embedded {start} of {len(pixels)}")
    return np.concatenate(rows)


def reference_knn(image: ImageTower, rows: np.ndarray, labels: np.ndarray, valid_set: Split, say: Say) -> float:
    """kNN top-1 in percent before the weights become 8-bit. rows: of train (n, 128), as the image stage left them."""
    gallery = rows.astype(np.float32)
    gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
    return knn_top1(gallery, labels, embed(image, valid_set[0], say), valid_set[1])


def build(weights: Path, data_dir: Path, folder: Path, say: Say) -> Library:
    """Embeds both galleries by these weights into folder, as `python -m searchdemo build` does."""
    library = Library(Store(own=folder, shipped=folder), data_dir=data_dir, weights={"bundled": weights})
    for gallery in ("tiny-imagenet", "scenes"):
        say(f"embedding {gallery}")
        library.build(Key(gallery, "bundled"))
    return library


def figures(library: Library, first_names: list[str]) -> dict:
    """The figures of the model card, measured on the vectors that the library has stored.

    first_names: the first WordNet name of each class of tiny-ImageNet, in the order of CLASS_NAMES.
    """
    collection, scenes = (library.open(gallery, "bundled") for gallery in ("tiny-imagenet", "scenes"))
    encoder, (queries, truth) = collection.encoder(), collection.held_out()
    by_words = {"train": (collection.vectors.all(), collection.labels()), "valid": (queries, truth)}
    return {
        "knn_top1": shipped_top1(collection),
        "names_top1": names_top1(collection.class_name_rows(), queries, truth),
        "words_precision_at_12": {
            split: words_to_pictures(encoder, rows, labels, first_names) for split, (rows, labels) in by_words.items()
        },
        "scenes": scenes_figures(scenes),
        "photographs": right_first(encoder),
        "precision": collection.artifact.manifest.precision.split()[0],  # "bfloat16 on cpu"
    }


def first_names(wordnet: Path) -> list[str]:
    """The argument of `figures`."""
    nouns, synsets = data.load_nouns(wordnet), data.class_synsets(wordnet)
    return [nouns[synsets[label]]["names"][0] for label in CLASS_NAMES]


def image_tensors(image: ImageTower) -> dict[str, np.ndarray]:
    """The tower's tensors as the encoder names them: timm's names, and `project`."""
    return {
        name.removeprefix("net."): value.cpu().numpy()
        for name, value in image.state_dict().items()
        if not name.startswith("net.classifier.") and not name.endswith("num_batches_tracked")
    }


def size(image: ImageTower) -> int:
    """Parameters that ship; running means and variances of batch norms are none."""
    shipped = image_tensors(image)
    return sum(value.size for name, value in shipped.items() if not name.endswith(("running_mean", "running_var")))


def pack(image: ImageTower, text: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Both towers as the arrays of one file. text: the arrays of the text stage, which are in 4 and 8 bits already."""
    quantised = quantise({f"image.{name}": value for name, value in image_tensors(image).items()})
    return quantised | {f"text.{name}": value for name, value in text.items()}


def write(image: ImageTower, text: dict[str, np.ndarray], folder: Path, recipe: dict) -> Path:
    """Writes bundled.safetensors and returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bundled.safetensors"
    with replacing(path) as partial:
        save_file(pack(image, text), partial, metadata={"format": FORMAT, "recipe": json.dumps(recipe)})
        partial.chmod(0o644)  # safetensors lets only the owner read
    return path


def write_cards(path: Path, card: dict) -> None:
    """Writes run-card.json and MODEL_CARD.md beside the weights."""
    card = {
        "format": FORMAT,
        "weights_bytes": path.stat().st_size,
        "torch": torch.__version__.split("+")[0],
        "threads": torch.get_num_threads(),
    } | card
    path.with_name("run-card.json").write_text(json.dumps(card, indent=2) + "\n")
    path.with_name("MODEL_CARD.md").write_text(render(card))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the weights that ship again, and write both their cards.")
    parser.add_argument("--wordnet", type=Path, required=True, help="nouns.jsonl and tiny_imagenet_synsets.json")
    names = first_names(parser.parse_args().wordnet)
    library = Library(Store(own=assets.INDEXES))  # without a person's own builds
    weights = fetch_weights(ENCODERS["bundled"])
    card = json.loads(weights.with_name("run-card.json").read_text())
    write_cards(weights, card | {"figures": figures(library, names)})


if __name__ == "__main__":
    main()
