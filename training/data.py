"""tiny-ImageNet as arrays, and WordNet as dicts, for training."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

Say = Callable[[str], None]  # is told what goes on, one line at a time
Split = tuple[np.ndarray, np.ndarray]  # pixels (n, 64, 64, 3) uint8, labels (n,) int64


def load_split(data_dir: Path, split: str, cache_dir: Path) -> tuple[Split, list[str]]:
    """One split of tiny-ImageNet and the class names of its labels. It is decoded once and then mapped into memory."""
    cache_dir.mkdir(parents=True, exist_ok=True)
    pixels_path, labels_path = cache_dir / f"{split}-pixels.npy", cache_dir / f"{split}-labels.json"
    if not labels_path.exists():
        from datasets import Image as ImageFeature
        from datasets import load_dataset

        data = load_dataset(str(data_dir), split=split).cast_column("image", ImageFeature(decode=False))

        def decode(row: dict) -> np.ndarray:
            return np.asarray(Image.open(io.BytesIO(row["bytes"])).convert("RGB"))

        with ThreadPoolExecutor() as pool:
            pixels = np.stack(list(pool.map(decode, data["image"])))
        np.save(pixels_path, pixels)
        labels_path.write_text(json.dumps({"labels": list(data["label"]), "names": data.features["label"].names}))
    content = json.loads(labels_path.read_text())
    return (np.load(pixels_path, mmap_mode="r"), np.array(content["labels"])), content["names"]


def fingerprint(pixels: np.ndarray, labels: np.ndarray) -> str:
    """SHA-256 over the decoded pixels and labels. The run card tells by it which data the towers were trained on."""
    digest = hashlib.sha256(labels.tobytes())
    for start in range(0, len(pixels), 10_000):
        digest.update(pixels[start : start + 10_000].tobytes())
    return digest.hexdigest()


def load_nouns(wordnet_dir: Path) -> dict[str, dict]:
    """Noun synsets by id: {"names", "gloss", "hypernyms", "lexfile", ...}."""
    with (wordnet_dir / "nouns.jsonl").open() as lines:
        return {noun["id"]: noun for noun in map(json.loads, lines)}


def class_synsets(wordnet_dir: Path) -> dict[str, str]:
    """WordNet id of each tiny-ImageNet class (n01443537) -> synset id (01446178-n)."""
    return json.loads((wordnet_dir / "tiny_imagenet_synsets.json").read_text())
