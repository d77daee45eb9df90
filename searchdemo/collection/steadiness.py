"""How steadily an encoder reads a text: the cosine between its row and that of the same text in a sentence.

Names that a text tower was trained with keep their place in the sentence; a text that it understands badly moves. So
steadiness tells, without labels, how probably the cosines of a text mean nothing: see Curve.misread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from searchdemo.collection.calibration import Curve
from searchdemo.collection.vocabulary import VOCABULARY
from searchdemo.encoders.base import Encoder
from searchdemo.encoders.templates import readable
from searchdemo.encoders.written import plain

SENTENCE = "this is {}"
UNREAD = -1.0  # of a text that is refused in the sentence
_KNOWN = frozenset(plain(word) for word in VOCABULARY)


@dataclass(frozen=True)
class KnownWords:
    """The words of the vocabulary that an encoder reads."""

    rows: np.ndarray  # (w, dim) float32 unit rows
    steady: np.ndarray  # (w,) cosines


def known_words(encoder: Encoder) -> KnownWords:
    rows, numbers = readable(encoder, VOCABULARY)
    return KnownWords(rows, steadiness(encoder, [VOCABULARY[number] for number in numbers], rows))


def steadiness(encoder: Encoder, texts: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """(n,) cosines of unit rows (n, dim) of texts with the same texts in SENTENCE."""
    found = np.full(len(texts), UNREAD)
    again, numbers = readable(encoder, [SENTENCE.replace("{}", text) for text in texts])
    found[numbers] = np.einsum("nd,nd->n", again.astype(np.float64), rows[numbers].astype(np.float64))
    return found


def misread(curve: Curve, encoder: Encoder, texts: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """(n,) probabilities that an encoder misreads texts whose unit rows are (n, dim).

    0 for the words that curves are made of, whose errors a curve's own error rate counts.
    """
    found = np.zeros(len(texts))
    others = [number for number, text in enumerate(texts) if plain(text).strip() not in _KNOWN]
    if curve.steady and others:
        read = steadiness(encoder, [texts[number] for number in others], rows[others])
        found[others] = [curve.misread(float(cosine)) for cosine in read]
    return found
