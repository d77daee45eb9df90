"""The text tower of the bundled encoder in NumPy, so that words need no torch. training/text_tower.py is its twin."""

from __future__ import annotations

import math

import numpy as np

from searchdemo.encoders.quantised import dequantise
from searchdemo.encoders.weights import Weights, check_shapes, part_of
from searchdemo.encoders.words import NGRAM_ROWS, table_rows
from searchdemo.errors import BadArtifact, BadQuery

VOCABULARY = "text.vocabulary"  # uint8: the words in the order of the table's rows, separated by blanks

_erf = np.vectorize(math.erf, otypes=[np.float32])


class TextTower:
    """A bag of words: the sum of the words' rows, and a small network on top. Safe for several threads."""

    def __init__(self, name: str, dim: int, weights: Weights):
        """Raises BadArtifact for the file of another encoder. The tensors tell the size of the hidden layer."""
        if VOCABULARY not in weights.tensors:
            raise BadArtifact(
                f"{weights.path} is not a file of the bundled encoder, which has {VOCABULARY!r}; "
                "make one with python -m training."
            )
        self._name, tensors = name, dequantise(part_of(weights.tensors, "text."))
        words, hidden = bytes(weights.tensors[VOCABULARY]).decode().split(" "), len(tensors.get("expand.bias", ()))
        self.shapes = {
            "table.weight": (len(words) + NGRAM_ROWS, dim),
            "expand.weight": (hidden, dim),
            "expand.bias": (hidden,),
            "contract.weight": (dim, hidden),
            "contract.bias": (dim,),
        }
        check_shapes(self.shapes, tensors, name=name, path=weights.path)
        self._vocabulary = {word: row for row, word in enumerate(words)}
        self._table, self._expand, self._expand_bias, self._contract, self._contract_bias = (
            tensors[key] for key in self.shapes
        )

    def row(self, text: str) -> np.ndarray:
        """(dim,) float32, of length 1. Raises BadQuery for a text without words."""
        rows, weights = table_rows(text, self._vocabulary)
        if not rows:
            raise BadQuery(
                f"The encoder {self._name!r} finds no word in {text!r}: it reads English, in letters and digits."
            )
        bag = _unit(np.asarray(weights, np.float32) @ self._table[rows])
        wide = self._expand @ bag + self._expand_bias
        gelu = wide * (0.5 + 0.5 * _erf(wide * 0.5**0.5))
        return _unit(bag + self._contract @ gelu + self._contract_bias)


def _unit(row: np.ndarray) -> np.ndarray:
    return row / max(np.linalg.norm(row), 1e-12)
