"""Turns text into word pieces (Wu et al. 2016, as in BERT), and tells which words are not known.

A known word is a whole piece ("banana"), or it is in a list of words that are read in several ("tarantula" = "tara",
"##nt", "##ula"). Any letters at all can be cut into pieces, so without the list gibberish would pass for a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from searchdemo.encoders.written import plain

FIRST, LAST = "[CLS]", "[SEP]"  # pieces around every text
MAX_PIECES = 128  # of a text; the rest is left out
MIN_CORRECTED = 4  # letters of a word that is taken for a misspelt one
MIN_PART = 3  # letters of each of two words that are written as one
LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SILENT = """
a about an and any are as at be been but by can could did do does for from had has have he her hers him his how i if in
into is it its me mine my no nor not of on or our ours s she should so some such t than that the their theirs them then
there these they this those to too us very was we were what when where which while who whom whose why will with would
you your yours
"""
STOP_WORDS = frozenset(_SILENT.split())  # they say nothing about a picture on their own


@dataclass
class Reading:
    """A text as pieces, and what a person should know of it."""

    pieces: list[int] = field(default_factory=list)  # FIRST, those of the known words and the punctuation, LAST
    unknown: list[str] = field(default_factory=list)  # words that were left out
    corrected: dict[str, str] = field(default_factory=dict)  # misspelt word -> the known word, or two, it was read as
    left_out: int = 0  # words after the first MAX_PIECES pieces
    says_something: bool = False  # it has a known word beside STOP_WORDS


def split_words(text: str) -> list[str]:
    """Lower-case words and single signs, without accents: "Café-Tür!" -> ["cafe", "-", "tur", "!"].

    In Hindi or Thai signs of vowels stand within a word, which Python's \\w does not tell.
    """
    words: list[str] = []
    end = 0
    for part in re.finditer(r"\w+|[^\w\s]", plain(text)):
        goes_on = words and (_is_mark(part[0]) or (_is_mark(words[-1][-1]) and words[-1][0].isalpha()))
        if goes_on and part.start() == end:
            words[-1] += part[0]
        else:
            words.append(part[0])
        end = part.end()
    return words


def _is_mark(part: str) -> bool:
    return unicodedata.category(part[0])[0] == "M"


class WordPieces:
    """Reads texts with a vocabulary of pieces. Safe for several threads."""

    def __init__(self, pieces: Sequence[str], words: Sequence[str]):
        """pieces: in the order of their numbers, the more frequent first; words: known ones that are no pieces."""
        self.pieces, self._words = {piece: number for number, piece in enumerate(pieces)}, frozenset(words)
        self._longest = max(map(len, pieces))

    def knows(self, word: str) -> bool:
        return word in self.pieces or word in self._words

    def read(self, text: str) -> Reading:
        reading = Reading([self.pieces[FIRST]])
        for word in split_words(text):
            if not self.knows(word) and unicodedata.category(word[0])[0] in "PS" and word[0].isascii():
                continue  # punctuation that the vocabulary lacks is no word
            if not self.knows(word):
                word = self.singular(word) or word
            words = [word]
            if not self.knows(word) and (other := self.corrected(word) or self.parted(word)):
                reading.corrected[word] = other
                words = other.split(" ")
            elif not self.knows(word):
                reading.unknown.append(word)
                continue
            numbers = [number for known in words for number in self.cut(known)]
            if len(reading.pieces) + len(numbers) >= MAX_PIECES or reading.left_out:
                reading.left_out += 1
                continue
            reading.pieces += numbers
            reading.says_something |= any(known.isalnum() and known not in STOP_WORDS for known in words)
        reading.pieces.append(self.pieces[LAST])
        reading.unknown = list(dict.fromkeys(reading.unknown))
        return reading

    def cut(self, word: str) -> Iterator[int]:
        """A known word as numbers of pieces, the longest first."""
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            ends = range(min(len(word), start + self._longest), start, -1)
            end = next(end for end in ends if prefix + word[start:end] in self.pieces)
            yield self.pieces[prefix + word[start:end]]
            start = end

    def singular(self, word: str) -> str | None:
        """The known word that this is the plural of; None without one."""
        for ending, instead in (("ies", "y"), ("ves", "f"), ("es", ""), ("s", "")):
            base = word.removesuffix(ending) + instead
            if word.endswith(ending) and len(base) >= MIN_PART and self.knows(base):
                return base
        return None

    def corrected(self, word: str) -> str | None:
        """The most frequent known word that differs by one letter, or by two that changed places; None without one."""
        if len(word) < MIN_CORRECTED or not word.isascii() or not word.isalpha():
            return None
        known = sorted(other for other in one_edit(word) if self.knows(other) and len(other) >= MIN_CORRECTED)
        return min(known, key=lambda other: self.pieces.get(other, len(self.pieces)), default=None)

    def parted(self, word: str) -> str | None:
        """Two known words that are written as one, "cashpoint" -> "cash point"; None without such a pair.

        Of several pairs, that whose rarer word is the most frequent.
        """
        cuts = ((word[:end], word[end:]) for end in range(MIN_PART, len(word) - MIN_PART + 1))
        known = [pair for pair in cuts if all(part.isalpha() and part in self.pieces for part in pair)]
        return " ".join(min(known, key=lambda pair: max(self.pieces[part] for part in pair))) if known else None


def one_edit(word: str) -> set[str]:
    """All strings that one letter left out, put in, replaced, or two neighbours swapped make of a word."""
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    return {
        *(left + right[1:] for left, right in cuts if right),
        *(left + right[1] + right[0] + right[2:] for left, right in cuts if len(right) > 1),
        *(left + letter + right[1:] for left, right in cuts if right for letter in LETTERS),
        *(left + letter + right for left, right in cuts for letter in LETTERS),
    }
