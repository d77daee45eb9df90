"""The base of all encoders: pictures or words in, one pass of a network by a runtime, float32 unit rows out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from searchdemo.cache import Cache
from searchdemo.encoders.base import EncoderSpec, How
from searchdemo.encoders.rows import unit
from searchdemo.encoders.runtime.base import Network, Pass
from searchdemo.encoders.runtime.table import start
from searchdemo.encoders.transforms import transform_of
from searchdemo.encoders.weights import Weights
from searchdemo.errors import BadQuery

if TYPE_CHECKING:
    import openvino as ov
    from torch import nn

TEXT_BATCH = 256  # texts that are cut into tokens at a time, so that a list of any length fits in memory

Tokenizer = Callable[[Sequence[str]], np.ndarray]  # n texts -> (n, context length) int64; cuts off long ones


def image_network(
    spec: EncoderSpec,
    weights: Weights,
    module: Callable[[], nn.Module],
    graph: Callable[[str], ov.Model] | None = None,
) -> Network:
    """The image tower of an encoder, from its facts in the table. module, graph: see Network."""
    return Network(
        name=f"{spec.name}-images",
        weights_sha256=weights.sha256,
        dim=spec.dim,
        shape=(spec.input_px, spec.input_px, 3),
        module=module,
        mean=tuple(255 * value for value in spec.mean),
        std=tuple(255 * value for value in spec.std),
        graph=graph,
    )


class NetworkEncoder:
    """An Encoder (see base.py). Its networks are started for their first use, or by `start`."""

    def __init__(
        self,
        spec: EncoderSpec,
        weights: Weights,
        how: How,
        images: Network,
        *,
        transform: str,
        texts: Network | None = None,
        tokenizer: Tokenizer | None = None,
    ):
        """tokenizer: for the network `texts`; None for an encoder without one."""
        self.name, self.dim, self.transform, self.has_text = spec.name, spec.dim, transform, spec.text
        self.weights_sha256, self.stand_in = weights.sha256, weights.stand_in
        self.how, self.images, self.texts = how, images, texts
        self._tokenizer, self._to_input = tokenizer, transform_of(spec, transform)
        self._passes: Cache[Pass] = Cache(2)

    def start(self) -> None:
        """Raises NotInstalled, BadArtifact when the weights do not fit."""
        self.passed(self.images)

    def passed(self, network: Network) -> Pass:
        """The network as it runs. Raises as `start` does."""
        return self._passes.get(network.name, lambda: start(network, self.how))

    def preprocess(self, images: Iterable[Image.Image]) -> np.ndarray:
        """Upright RGB pictures, one at least -> (n, px, px, 3) uint8. Safe to call from many threads."""
        return self._to_input.pixels(images)

    def encode_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """The result of `preprocess` for n pictures -> (n, dim) float32 unit rows."""
        return unit(self.passed(self.images)(pixels)) if len(pixels) else np.empty((0, self.dim), np.float32)

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        return self.encode_pixels(self.preprocess(images)) if images else np.empty((0, self.dim), np.float32)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32 unit rows. Raises BadQuery when the encoder has no text tower."""
        if self.texts is None or self._tokenizer is None:
            raise BadQuery(f"{self.name} cannot read words: it has no text tower; choose an encoder that has one.")
        forward, rows = self.passed(self.texts), [np.empty((0, self.dim), np.float32)]
        for first in range(0, len(texts), TEXT_BATCH):
            rows.append(unit(forward(self._tokenizer(texts[first : first + TEXT_BATCH]))))
        return np.concatenate(rows)

    def text_notice(self, text: str) -> str:
        """How many words are past what the tower reads. Otherwise it reads any string, in pieces of words."""
        lost = left_out(self._tokenizer, text) if self._tokenizer else 0
        return f"the text is too long: its last {lost} word{'s were' if lost > 1 else ' was'} left out" if lost else ""


def left_out(tokenizer: Tokenizer, text: str) -> int:
    """Words at the end of a text that change none of its tokens, because the tokenizer has cut them off."""
    words, whole = text.split(), tokenizer([text])
    if not whole.all():  # zeros fill up what a short text leaves
        return 0
    starts = tokenizer([" ".join(words[:count]) for count in range(1, len(words) + 1)])
    return len(words) - 1 - int((starts == whole).all(axis=1).argmax())
