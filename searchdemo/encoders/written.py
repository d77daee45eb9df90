"""Writing that looks the same is made the same before a text is read: invisible signs, several forms of one letter."""

from __future__ import annotations

import unicodedata

_SAME = {
    **dict.fromkeys("\u2018\u2019\u201b\u02bc\u02b9\u2032\u0060\u00b4", "'"),  # apostrophes of every kind
    **dict.fromkeys("\u2010\u2011\u2043\ufe63", "-"),  # hyphens
}
_JOINERS = "\u200c\u200d"  # in Persian and in scripts of India they are part of a word, and they join emoji
_LETTERS = {"ø": "o", "ł": "l", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ı": "i", "ŋ": "ng"}
_TO_SAME, _TO_LETTERS = str.maketrans(_SAME), str.maketrans(_LETTERS)


def tidy(text: str) -> str:
    """For every text tower: one apostrophe and one hyphen, ligatures and full-width forms as usual letters, and neither
    soft hyphens nor zero-width signs."""
    return visible(unicodedata.normalize("NFKC", text.translate(_TO_SAME)).translate(_TO_SAME))


def visible(text: str) -> str:
    """Without soft hyphens, zero-width signs and marks of direction, which come along when a text is copied."""
    return "".join(c for c in text if unicodedata.category(c) != "Cf" or c in _JOINERS)


def plain(text: str) -> str:
    """For a tower that reads English: as `tidy`, in lower case and without accents, "Straße" -> "strasse"."""
    bare = unicodedata.normalize("NFKD", tidy(text).casefold().translate(_TO_LETTERS))
    return "".join(c for c in bare if not unicodedata.combining(c) and c not in _JOINERS)
