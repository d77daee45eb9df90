"""The text tower of the bundled encoder, without torch: by OpenVINO where the encoder runs by it, else in NumPy.

A sentence model (BERT's architecture, Devlin et al. 2018) in 4 bits, as it came from its own training, and a small
network from its space into that of the pictures, made by training/text_tower.py.
"""

from __future__ import annotations

import difflib
import zlib
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from searchdemo.encoders.base import How
from searchdemo.encoders.languages import foreign
from searchdemo.encoders.quantised import SCALE, SCALES, dequantise, unpacked
from searchdemo.encoders.rows import unit
from searchdemo.encoders.weights import Weights, check_shapes, part_of
from searchdemo.encoders.wordpiece import Reading, WordPieces
from searchdemo.errors import BadArtifact, BadQuery

PIECES, WORDS = "text.pieces", "text.words"  # uint8: compressed strings, see pack_strings and wordpiece.WordPieces
TABLE = "pieces.weight"  # the pieces' rows, which stay in 4 bits in memory
OTHERS = (TABLE, "head.", "pieces", "words")  # tensors that are no float weights of the sentence model
HEAD_DIM = 32  # of a head of attention
EPSILON = 1e-12  # of the layer norms


class SentenceModel:
    """Texts -> sentence embeddings. Safe for several threads."""

    def __init__(self, tensors: dict[str, np.ndarray], how: How | None = None):
        """tensors: as training/sentence_model.py stores them, without "text."; how: None computes in NumPy"""
        pieces, words = (unpack_strings(tensors[key.removeprefix("text.")]) for key in (PIECES, WORDS))
        self.reader = WordPieces(pieces, words)
        self.words = words  # known ones that are no pieces
        self._table, self._scales = tensors[TABLE], tensors[TABLE + SCALES]
        self._tensors = {key: value for key, value in tensors.items() if not key.startswith(OTHERS)}
        self._how, self._place = how, dequantise(part_of(tensors, "places."))["weight"]
        self.parameters = numbers_in(self._tensors) + 2 * self._table.size  # two numbers per byte

    def features(self, readings: Sequence[Reading]) -> np.ndarray:
        """(n, width) float32 unit rows: the mean of the last layer over each text's pieces.

        Each text is computed by itself, so that no row depends on the others, not in its last bit either.
        """
        found = np.empty((len(readings), self._place.shape[1]), np.float32)
        for row, reading in enumerate(readings):
            found[row] = self._mean(self._rows(reading.pieces))
        return unit(found)

    def _rows(self, pieces: Sequence[int]) -> np.ndarray:
        """Numbers of pieces -> (1, length, width): the row of each, and that of its place."""
        numbers = np.asarray(pieces)
        return (unpacked(self._table[numbers], self._scales[numbers]) + self._place[: len(numbers)])[None]

    @cached_property
    def _mean(self) -> Callable[[np.ndarray], np.ndarray]:
        """(1, length, width) -> (1, width): the layers, and the mean over the pieces. Made for the first text."""
        layers = len({key.split(".")[1] for key in self._tensors if key.startswith("layers.")})
        if self._how is not None and self._how.runtime == "openvino":
            from searchdemo.encoders.runtime.openvino_runtime import fastest, on_one_core
            from searchdemo.encoders.sentence_graph import graph

            floats = self._how.precision
            precision = fastest(self._how.device) if floats == "int8" else floats  # these layers have no int8
            return on_one_core(graph(self._tensors, layers, HEAD_DIM, EPSILON, precision), precision)
        weights = dequantise(self._tensors)
        parts = [part_of(weights, f"layers.{number}.") for number in range(layers)]

        def mean(rows: np.ndarray) -> np.ndarray:
            state = layer_norm(rows, weights["norm.weight"], weights["norm.bias"])
            for layer in parts:
                state = layer_norm(state + _attend(state, layer), layer["norm1.weight"], layer["norm1.bias"])
                wide = gelu(state @ layer["expand.weight"].T + layer["expand.bias"])
                changed = state + wide @ layer["contract.weight"].T + layer["contract.bias"]
                state = layer_norm(changed, layer["norm2.weight"], layer["norm2.bias"])
            return state.mean(axis=1)

        return mean


def numbers_in(stored: dict[str, np.ndarray]) -> int:
    """Weights in tensors as quantised.py stores them, without their scales."""
    weights = {name: value.size for name, value in stored.items() if not name.endswith((SCALE, SCALES))}
    return sum(2 * size if name + SCALES in stored else size for name, size in weights.items())


def _attend(state: np.ndarray, layer: dict[str, np.ndarray]) -> np.ndarray:
    """Self-attention over (n, length, width)."""
    n, length, width = state.shape
    mixed = state @ layer["attention.weight"].T + layer["attention.bias"]
    query, key, value = np.moveaxis(mixed.reshape(n, length, 3, -1, HEAD_DIM), (2, 3), (0, 2))  # (n, heads, length, 32)
    scores = query @ key.swapaxes(2, 3) * HEAD_DIM**-0.5
    together = (softmax(scores) @ value).swapaxes(1, 2).reshape(n, length, width)
    return together @ layer["output.weight"].T + layer["output.bias"]


class TextTower:
    """Words -> unit rows in the space of the pictures. Safe for several threads."""

    def __init__(self, name: str, dim: int, weights: Weights, how: How | None = None):
        """how: None computes in NumPy. Raises BadArtifact for the file of another encoder. The tensors tell the size of
        the hidden layer."""
        if PIECES not in weights.tensors:
            raise BadArtifact(
                f"{weights.path} is not a file of the bundled encoder, which has {PIECES!r}; "
                "make one with python -m training."
            )
        tensors = part_of(weights.tensors, "text.")
        head = dequantise(part_of(tensors, "head."))
        width = len(tensors["norm.weight"])
        hidden, keys = (len(head.get(f"{layer}.bias", ())) for layer in ("expand", "keys"))
        things = head["values.weight"].shape[-1] if "values.weight" in head else 0
        shapes = {
            "keys.weight": (keys, width),
            "keys.bias": (keys,),
            "values.weight": (dim, things),
            "skip.weight": (dim, width),
            "expand.weight": (hidden, width),
            "expand.bias": (hidden,),
            "contract.weight": (dim, hidden),
            "contract.bias": (dim,),
        }
        check_shapes(shapes, head, name=name, path=weights.path)
        self._name, self._head, self.sentences = name, head, SentenceModel(tensors, how)
        self.words = len(self.sentences.words) + sum(piece.isalpha() for piece in self.sentences.reader.pieces)
        self.parameters = self.sentences.parameters + sum(value.size for value in head.values())

    def rows(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32 unit rows. Raises BadQuery for a text that says nothing in words that are known."""
        readings = [self.sentences.reader.read(text) for text in texts]
        for text, reading in zip(texts, readings, strict=True):
            if not reading.says_something:
                raise BadQuery(self._refusal(text, reading))
        features = self.sentences.features(readings)[:, None]  # one by one, so that no row depends on the others
        return head_rows(features, self._head)[:, 0]

    def notice(self, text: str) -> str:
        """What a person should know of how a text was read; "" when every word counts."""
        reading, notes = self.sentences.reader.read(text), []
        notes += [f'I read "{word}" as "{other}"' for word, other in reading.corrected.items()]
        if reading.unknown:
            many = len(reading.unknown) > 1
            left_out = "they were left out" if many else "it was left out"
            notes.append(f"I do not know the {'words' if many else 'word'} {listed(reading.unknown)}; {left_out}")
        if reading.left_out:
            notes.append(f"the text is too long: its last {reading.left_out} words were left out")
        return "; ".join(notes)

    def _refusal(self, text: str, reading: Reading) -> str:
        if not reading.unknown:
            return f"The text {text!r} says nothing about a picture: add a word for what it shows, such as 'dog'."
        if told := foreign(self._name, text):
            return f"The encoder {self._name!r} does not know {listed(reading.unknown)}: {told}."
        known = [*self.sentences.reader.pieces, *self.sentences.words]
        near = difflib.get_close_matches(reading.unknown[0], known, 1, cutoff=0.75)
        hint = f"did you mean {near[0]!r}?" if near and near[0].isalpha() else "it reads English."
        return f"The encoder {self._name!r} does not know {listed(reading.unknown)}, and nothing else is said: {hint}"


def head_rows(features: np.ndarray, head: dict[str, np.ndarray]) -> np.ndarray:
    """Sentence embeddings (..., width) -> unit rows (..., dim). training/text_tower.py says why it has this form."""
    things = head["values.weight"].shape[1]
    likeness = features @ head["keys.weight"].T + head["keys.bias"]
    known = softmax(likeness[..., :things])
    wide = gelu(features @ head["expand.weight"].T + head["expand.bias"])
    drawn = features @ head["skip.weight"].T + wide @ head["contract.weight"].T + head["contract.bias"]
    scenes = softmax(likeness)[..., things:].sum(axis=-1, keepdims=True)
    return unit(known @ head["values.weight"].T + drawn * scenes)


def pack_strings(strings: Sequence[str]) -> np.ndarray:
    """Strings without blanks -> (bytes,) uint8, compressed."""
    return np.frombuffer(zlib.compress(" ".join(strings).encode(), 9), np.uint8)


def unpack_strings(packed: np.ndarray) -> list[str]:
    return zlib.decompress(packed.tobytes()).decode().split()


def listed(words: Sequence[str]) -> str:
    """["zxqv", "foo"] -> '"zxqv" and "foo"'."""
    *most, last = [f'"{word}"' for word in words]
    return f"{', '.join(most)} and {last}" if most else last


def softmax(scores: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def layer_norm(state: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    centred = state - state.mean(axis=-1, keepdims=True)
    return centred / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + EPSILON) * weight + bias


def gelu(x: np.ndarray) -> np.ndarray:
    """x times the normal distribution's share below x, off by at most 3e-7 (Abramowitz and Stegun 1964, 7.1.26)."""
    z = np.abs(x) * np.float32(0.5**0.5)
    t = 1 / (1 + np.float32(0.3275911) * z)
    tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * np.float32(1.061405429)))))
    tail *= np.exp(-z * z) * np.float32(0.5)  # the share above |x|
    return np.where(x > 0, x - x * tail, x * tail)
