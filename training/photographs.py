"""Photographs that the packages scikit-image and scikit-learn carry, and plain words for most of them.

The pictures are of another kind than those of tiny-ImageNet: 150 to 3,000 pixels wide, half of them without a class
there. The texts were written before any was tried.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from searchdemo.encoders.base import Encoder

TEXTS = {  # file -> what a person may type to find it; "" for a picture that is only in the way
    "skimage/data/astronaut.png": "a woman in a space suit",
    "skimage/data/brick.png": "a brick wall",
    "skimage/data/camera.png": "a man with a camera on a tripod",
    "skimage/data/chelsea.png": "a cat",
    "skimage/data/clock_motion.png": "a clock on the wall",
    "skimage/data/coffee.png": "a cup of coffee",
    "skimage/data/coins.png": "ancient coins",
    "skimage/data/grass.png": "grass on a lawn",
    "skimage/data/gravel.png": "",
    "skimage/data/horse.png": "the silhouette of a horse",
    "skimage/data/hubble_deep_field.jpg": "galaxies and stars in space",
    "skimage/data/moon.png": "the surface of the moon",
    "skimage/data/motorcycle_left.png": "a motorbike in a garage",
    "skimage/data/page.png": "a page of printed text",
    "skimage/data/retina.jpg": "",
    "skimage/data/rocket.jpg": "a rocket on the launch pad",
    "sklearn/datasets/images/china.jpg": "a chinese temple",
    "sklearn/datasets/images/flower.jpg": "a flower in bloom",
}


def photographs() -> list[Image.Image]:
    """The pictures of TEXTS, in order. Raises ModuleNotFoundError without a package, FileNotFoundError for a file."""
    found = []
    for name in TEXTS:
        package, _, path = name.partition("/")
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise ModuleNotFoundError(f"the photographs need {package}: pip install -r training/requirements.txt")
        found.append(Image.open(Path(spec.submodule_search_locations[0]) / path).convert("RGB"))
    return found


def right_first(encoder: Encoder) -> dict[str, int | list[str]]:
    """How many of the texts have their own picture first among all: {"right": ..., "of": ..., "wrong": [texts]}."""
    asked = [(place, text) for place, text in enumerate(TEXTS.values()) if text]
    texts = encoder.encode_texts([text for _, text in asked])
    best = (texts @ encoder.encode_images(photographs()).T).argmax(axis=1)
    wrong = [text for (place, text), found in zip(asked, best, strict=True) if found != place]
    return {"right": len(asked) - len(wrong), "of": len(asked), "wrong": wrong}
