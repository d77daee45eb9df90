"""The encoder that comes with searchdemo: pictures and words into one space of 128 dimensions, made by training/.

One safetensors file holds both towers ("image.*" in 8 bits, "text.*" in 4) and the words that the text tower knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from searchdemo.encoders import bundled_image
from searchdemo.encoders.base import EncoderSpec, How
from searchdemo.encoders.bundled_text import TextTower
from searchdemo.encoders.network_encoder import NetworkEncoder, image_network
from searchdemo.encoders.weights import Weights, read_weights

NEEDS = ()


class BundledEncoder(NetworkEncoder):
    """See base.py. Each tower is started for its first use."""

    def __init__(self, spec: EncoderSpec, weights: Weights, how: How, *, transform: str):
        """Raises BadArtifact for the file of another encoder."""
        module, graph = partial(bundled_image.module, spec, weights), partial(bundled_image.graph, spec, weights)
        images = image_network(spec, weights, module, graph)
        super().__init__(spec, weights, how, images, transform=transform)
        self.text_tower = TextTower(spec.name, spec.dim, weights, how)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32 unit rows. Raises BadQuery for a text that says nothing in words that are known."""
        return self.text_tower.rows(texts)

    def text_notice(self, text: str) -> str:
        """The words that it does not know, and those that it takes for misspelt ones."""
        return self.text_tower.notice(text)


def load(spec: EncoderSpec, path: Path, how: How, *, transform: str) -> BundledEncoder:
    """The encoder with the weights of a safetensors file. Raises BadArtifact when they do not fit."""
    return BundledEncoder(spec, read_weights(path, "numpy"), how, transform=transform)
