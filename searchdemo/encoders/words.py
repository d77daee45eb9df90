"""Turns text into rows of the text tower's table: a row per known word, rows of character n-grams for other words."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Mapping

NGRAM_ROWS = 8192  # n-grams share them by hashing
NGRAM_LENGTHS = (3, 4, 5)
MAX_CHARACTERS = 32  # of a word; the rest does not count
MAX_WORDS = 64  # of a text; the rest is left out


def split_words(text: str) -> list[str]:
    """Lower-case words of ASCII letters and digits, without accents: "Café-Tür" -> ["cafe", "tur"]."""
    plain = unicodedata.normalize("NFKD", text.lower())
    return re.findall(r"[a-z0-9]+", "".join(c for c in plain if not unicodedata.combining(c)).replace("'", ""))


def ngrams(word: str) -> list[int]:
    """Hashed rows of a word's character n-grams (Bojanowski et al. 2016): a misspelt word keeps most of them."""
    marked = f"<{word[:MAX_CHARACTERS]}>"
    return [
        zlib.crc32(marked[start : start + n].encode()) % NGRAM_ROWS
        for n in NGRAM_LENGTHS
        for start in range(len(marked) - n + 1)
    ]


def table_rows(
    text: str, vocabulary: Mapping[str, int], first_ngram: int | None = None
) -> tuple[list[int], list[float]]:
    """Rows of the table and their weights. A known word weighs 1; the n-grams of an unknown word weigh 1 together.

    The rows of n-grams begin at first_ngram, by default right after those of the vocabulary.
    """
    first_ngram = len(vocabulary) if first_ngram is None else first_ngram
    rows, weights = [], []
    for word in split_words(text)[:MAX_WORDS]:
        if word in vocabulary:
            rows.append(vocabulary[word])
            weights.append(1.0)
        else:
            pieces = ngrams(word)
            rows += [first_ngram + piece for piece in pieces]
            weights += [1 / len(pieces)] * len(pieces)
    return rows, weights
