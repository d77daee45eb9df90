"""Classes as rows by their names: the mean over a set of sentences about each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from searchdemo.encoders.base import Encoder

BUNDLED = ("{}", "a photo of a {}.", "a picture of a {}.")
# The seven that Radford et al. chose for ImageNet from eighty, published with CLIP's code.
CLIP = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)


def templates_of(encoder: Encoder) -> tuple[str, ...]:
    return BUNDLED if encoder.name == "bundled" else CLIP


def class_rows(encoder: Encoder, class_names: Sequence[str], templates: Sequence[str] | None = None) -> np.ndarray:
    """Unit rows (classes, dim): the mean of each class's unit prompt vectors, made unit again (Radford et al. 2021).

    templates: sentences with {} for the name; None: the set of this encoder.
    Raises BadQuery for an encoder without text.
    """
    templates = templates or templates_of(encoder)
    texts = [template.replace("{}", name) for name in class_names for template in templates]
    rows = encoder.encode_texts(texts).reshape(len(class_names), len(templates), -1).mean(axis=1)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
