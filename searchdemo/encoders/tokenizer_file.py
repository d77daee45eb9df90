"""Texts as tokens by a tokenizer.json of the hub, for text towers of open_clip that bring no tokenizer of their own.

open_clip reads such a file by `transformers`. Its own tokenizer is the package `tokenizers` (Apache-2.0), which is all
that is needed here: a text without a beginning, cut off, an end, and zeros up to the length of the tower.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from searchdemo.encoders import pins
from searchdemo.encoders.base import EncoderSpec
from searchdemo.errors import BadArtifact, NoWeights
from searchdemo.extras import imported, pip_command

PADDING, END = (0, "<pad>"), (1, "<eos>")  # as in Gemma's vocabulary, which SigLIP 2 reads with


class TokenizerFile:
    """Safe for several threads."""

    def __init__(self, spec: EncoderSpec, clean: Callable[[str], str], vocabulary: int):
        """clean: what the tower's training did to each text; vocabulary: tokens that the tower knows.

        Raises NotInstalled, NoWeights when the file is neither here nor within reach, BadArtifact when it is another
        one than that which is pinned, or none for this tower.
        """
        library = imported("tokenizers", f"The text tower of {spec.name!r}", pip_command(spec.extra))
        try:
            path = pins.fetched(spec, spec.tokenizer_file)
        except OSError as error:
            raise NoWeights(
                f"{spec.tokenizer_file} of {spec.name}, which reads words, is not on this machine and could not be "
                f"fetched: {error}; go online and try again, or search with a picture."
            ) from error
        try:
            self._library = library.Tokenizer.from_file(str(path))
        except Exception as error:  # the binding raises no other class
            raise BadArtifact(f"{path} is not a tokenizer ({error}); delete it, and it is fetched again.") from error
        size = self._library.get_vocab_size(with_added_tokens=True)
        others = [name for number, name in (PADDING, END) if self._library.token_to_id(name) != number]
        if size > vocabulary or others:
            why = f"its tokens {' and '.join(others)} have other numbers" if others else f"it has {size:,} tokens"
            raise BadArtifact(
                f"{path} does not fit {spec.name}, whose text tower knows {vocabulary:,} tokens: {why}; give the file "
                f"of {spec.weights}."
            )
        self._library.no_truncation()
        self._library.no_padding()
        self._clean = clean

    def tokens(self, texts: Sequence[str], context: int) -> np.ndarray:
        """n texts -> (n, context) int64."""
        rows = np.full((len(texts), context), PADDING[0], np.int64)
        cleaned = [self._clean(text) for text in texts]
        for row, read in zip(rows, self._library.encode_batch(cleaned, add_special_tokens=False), strict=True):
            numbers = [*read.ids[: context - 1], END[0]]
            row[: len(numbers)] = numbers
        return rows
