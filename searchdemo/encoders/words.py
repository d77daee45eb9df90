"""Text -> rows of the text tower's table: whole words where it knows them, character n-grams where not."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Mapping

NGRAM_ROWS = 8192  # shared by hashing
NGRAM_LENGTHS = (3, 4, 5)
LONGEST_WORD = 32  # characters that count
MOST_WORDS = 64  # of a text; the rest is left out


def split_words(text: str) -> list[str]:
    """Lower-case words of ASCII letters and digits; accents are dropped: "Café-Tür" -> ["cafe", "tur"]."""
    plain = unicodedata.normalize("NFKD", text.lower())
    return re.findall(r"[a-z0-9]+", "".join(c for c in plain if not unicodedata.combining(c)).replace("'", ""))


def ngrams(word: str) -> list[int]:
    """Hashed rows of a word's character n-grams (Bojanowski et al. 2016): a misspelt word keeps most of them."""
    marked = f"<{word[:LONGEST_WORD]}>"
    return [
        zlib.crc32(marked[start : start + n].encode()) % NGRAM_ROWS
        for n in NGRAM_LENGTHS
        for start in range(len(marked) - n + 1)
    ]


def table_rows(
    text: str, vocabulary: Mapping[str, int], first_ngram: int | None = None
) -> tuple[list[int], list[float]]:
    """Rows of the table and their weights: a known word weighs 1, and so do the n-grams of an unknown one together.

    The n-grams' rows follow the vocabulary's, from first_ngram (default: the size of the vocabulary) on.
    """
    first_ngram = len(vocabulary) if first_ngram is None else first_ngram
    rows, weights = [], []
    for word in split_words(text)[:MOST_WORDS]:
        if word in vocabulary:
            rows.append(vocabulary[word])
            weights.append(1.0)
        else:
            pieces = ngrams(word)
            rows += [first_ngram + piece for piece in pieces]
            weights += [1 / len(pieces)] * len(pieces)
    return rows, weights
