"""Words in a language that an encoder does not read: recognised where that is sure, and told with who reads it.

A short query says little of its language, so a text is suspected only where it has a word that is not among the known
English ones (those of the encoder `bundled`, which ship), or four words and none of English grammar. py3langid
(BSD-3-Clause) then has to be sure. It is imported for the first such text: who writes English hardly ever loads it.

Measured: 177 of 220 queries in eleven languages are recognised, none is taken for another language, and 161 for one
alone. The thresholds were chosen on these queries, so they were chosen anew on ten languages and half of 1,130 English
texts, and tried on the eleventh and the other half, each language in turn: 184 recognised, 163 for one alone, none
taken for another, no English suspected; five folds of the queries give the same. Those that ship are a little stricter.
Of 124,223 English names of WordNet 3 are suspected, of 71,873 beginnings of its glosses none
(tests/test_languages.py has the queries; the words of `bundled` are partly WordNet's own).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from searchdemo import assets
from searchdemo.encoders.table import ENCODERS
from searchdemo.encoders.wordpiece import STOP_WORDS, WordPieces, split_words
from searchdemo.shipped import check

# ISO 639-1, as the recogniser calls them; that there are few makes it surer of each.
NAMES = {
    "en": "English", "fr": "French", "de": "German", "es": "Spanish", "it": "Italian", "nl": "Dutch",
    "pt": "Portuguese", "pl": "Polish", "ru": "Russian", "uk": "Ukrainian", "zh": "Chinese", "ja": "Japanese",
    "ko": "Korean", "ar": "Arabic", "fa": "Persian", "he": "Hebrew", "el": "Greek", "hi": "Hindi", "th": "Thai",
    "sv": "Swedish", "da": "Danish", "fi": "Finnish", "cs": "Czech", "hu": "Hungarian", "ro": "Romanian",
    "tr": "Turkish", "vi": "Vietnamese", "id": "Indonesian", "no": "Norwegian",
}  # fmt: skip
SCRIPTS = {  # the first word of the Unicode names of their letters
    "CJK": ("zh", "ja"), "HIRAGANA": ("ja",), "KATAKANA": ("ja",), "HANGUL": ("ko",), "CYRILLIC": ("ru", "uk"),
    "ARABIC": ("ar", "fa"), "HEBREW": ("he",), "GREEK": ("el",), "DEVANAGARI": ("hi",), "THAI": ("th",),
}  # fmt: skip
MOST_READ = 300  # characters of a text
SURE, BOTH_SURE, NOT_ENGLISH = 0.6, 0.8, 0.05  # of the likeliest language, of the two likeliest; of English, at most
CLEAR, CLEARLY_NOT, CLEAR_WORDS = (
    0.97,
    0.01,
    4,
)  # the likeliest, and English, of a text whose words are all known, of so many words
ENGLISH_WORDS = frozenset(("the", "and", "with", "from"))  # of no other of these languages: the rest is a name


def foreign(name: str, text: str) -> str:
    """What to tell of a text that the encoder of this name does not read; "" where it does, or that is not sure."""
    spec = ENCODERS.get(name)
    if spec is None or not spec.text:
        return ""
    found = [code for code in language_of(text) if code not in spec.languages]
    if not found:
        return ""
    read = " and ".join(NAMES[code] for code in spec.languages)
    others = [one.name for one in ENCODERS.values() if one.text and {*found} <= {*one.languages}]
    remedy = f"{' and '.join(others)} read{'s' if len(others) == 1 else ''} it" if others else f"write it in {read}"
    return f"this looks like {' or '.join(NAMES[code] for code in found)}, and {name} reads {read}: {remedy}"


def language_of(text: str) -> tuple[str, ...]:
    """The language of a text, or the two that it may be; () for English, and where that is not sure."""
    text = text[:MOST_READ].lower()
    words = [word for word in split_words(text) if word[0].isalpha()]
    if not words or ENGLISH_WORDS.intersection(words):
        return ()
    letters = [unicodedata.name(letter, "").split(" ")[0] for letter in text if letter.isalpha()]
    if 2 * letters.count("LATIN") < len(letters):
        return _by_letters(text, letters)
    unknown = [word for word in words if not knows(word)]
    if not unknown and (len(words) < CLEAR_WORDS or STOP_WORDS.intersection(words)):
        return ()
    (first, p), (second, q), *_ = ranked = chances(text)
    english = dict(ranked)["en"]
    if first == "en" or english > NOT_ENGLISH:
        return ()
    if not unknown:
        return (first,) if p >= CLEAR and english <= CLEARLY_NOT else ()
    if p >= SURE:
        return (first,)
    return (first, second) if p + q >= BOTH_SURE else ()


def _by_letters(text: str, scripts: Sequence[str]) -> tuple[str, ...]:
    """No English is written in other letters than Latin ones; scripts: of each letter."""
    script = next((kana for kana in ("HIRAGANA", "KATAKANA") if kana in scripts), max(scripts, key=scripts.count))
    written = SCRIPTS.get(script, ())
    if len(written) < 2:
        return written
    shares = {code: share for code, share in chances(text) if code in written}
    best = max(shares, key=lambda code: shares[code])
    return (best,) if shares[best] >= SURE * sum(shares.values()) else written


def chances(text: str) -> list[tuple[str, float]]:
    """(language, probability), the likeliest first."""
    return [(code, float(share)) for code, share in _recogniser().rank(text)]


@cache
def _recogniser() -> Any:
    """Of these languages alone: with all that it knows it takes 100 MB."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    whole = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    whole.set_languages(list(NAMES))
    part = (np.ascontiguousarray(whole.nb_ptc), np.ascontiguousarray(whole.nb_pc), whole.nb_classes)
    return LanguageIdentifier(*part, whole.tk_nextmove, whole.tk_output, norm_probs=True, tk_row=whole.tk_row)


def knows(word: str) -> bool:
    """Whether it is an English word, or the plural of one; every word is where the list does not ship."""
    reader = _english()
    return reader is None or reader.knows(word) or reader.singular(word) is not None


@cache
def _english() -> WordPieces | None:
    from safetensors import safe_open

    from searchdemo.encoders.bundled_text import PIECES, WORDS, unpack_strings  # which looks into this file

    path = assets.WEIGHTS / (ENCODERS["bundled"].shipped)
    if not path.is_file():
        return None
    with safe_open(check(path), "numpy") as file:
        lists: Sequence[list[str]] = [unpack_strings(file.get_tensor(key)) for key in (PIECES, WORDS)]
    return WordPieces(*lists)
