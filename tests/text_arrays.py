"""A text tower of random weights that reads a few words, for tests."""

from __future__ import annotations

import numpy as np

from searchdemo.encoders.bundled_text import pack_strings
from searchdemo.encoders.quantised import quantise, quantise_4bit

PIECES = ("[CLS]", "[SEP]", ",", "a", "the", "dog", "cat", "red", "boat", "photo", "tar", "##ant", "##ula", "s")
WORDS = ("tarantula",)
WIDTH, WIDE, HIDDEN, THINGS, SCENES, LAYERS = 64, 128, 8, 5, 2, 2


def small_arrays(dim: int, seed: int = 0) -> dict[str, np.ndarray]:
    """The arrays that the text stage of training leaves, without "text."."""
    rng = np.random.default_rng(seed)

    def linear(name: str, rows: int, columns: int) -> dict[str, np.ndarray]:
        weight = rng.normal(size=(rows, columns), scale=columns**-0.5).astype(np.float32)
        return {f"{name}.weight": weight, f"{name}.bias": rng.normal(size=rows, scale=0.1).astype(np.float32)}

    def norm(name: str) -> dict[str, np.ndarray]:
        return {f"{name}.weight": np.ones(WIDTH, np.float32), f"{name}.bias": np.zeros(WIDTH, np.float32)}

    coarse = {"pieces.weight": rng.normal(size=(len(PIECES), WIDTH)).astype(np.float32)}
    for number in range(LAYERS):
        layer = f"layers.{number}."
        coarse |= linear(layer + "attention", 3 * WIDTH, WIDTH) | linear(layer + "output", WIDTH, WIDTH)
        coarse |= linear(layer + "expand", WIDE, WIDTH) | linear(layer + "contract", WIDTH, WIDE)
        coarse |= norm(layer + "norm1") | norm(layer + "norm2")
    fine = {"places.weight": rng.normal(size=(128, WIDTH), scale=0.1).astype(np.float32)} | norm("norm")
    fine |= linear("head.keys", THINGS + SCENES, WIDTH) | linear("head.expand", HIDDEN, WIDTH)
    fine |= linear("head.contract", dim, HIDDEN) | linear("head.values", dim, THINGS) | linear("head.skip", dim, WIDTH)
    del fine["head.values.bias"], fine["head.skip.bias"]
    return quantise_4bit(coarse) | quantise(fine) | {"pieces": pack_strings(PIECES), "words": pack_strings(WORDS)}
