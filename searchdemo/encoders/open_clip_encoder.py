"""Image and text encoders from open_clip: two towers into one space."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from searchdemo.encoders.base import EncoderSpec, How
from searchdemo.encoders.network_encoder import NetworkEncoder, image_network
from searchdemo.encoders.runtime.base import Network
from searchdemo.encoders.tokenizer_file import TokenizerFile
from searchdemo.encoders.weights import Weights, empty_net, fit, read_weights

if TYPE_CHECKING:
    from torch import nn

NEEDS = ("torch", "torchvision", "timm", "open_clip")


def load(spec: EncoderSpec, path: Path, how: How, *, transform: str) -> NetworkEncoder:
    """The encoder with the weights of a safetensors file. Raises BadArtifact when they do not fit."""
    weights = read_weights(path)
    texts = Network(
        f"{spec.name}-texts", weights.sha256, spec.dim, (spec.context,), partial(tower, spec, weights, "encode_text")
    )
    encoder = NetworkEncoder(
        spec,
        weights,
        how,
        image_network(spec, weights, partial(tower, spec, weights, "encode_image")),
        transform=transform,
        texts=texts,
        tokenizer=partial(tokens, spec),
    )
    encoder.start()
    return encoder


def tower(spec: EncoderSpec, weights: Weights, part: str) -> nn.Module:
    """One of both towers with these weights. part: "encode_image" | "encode_text". Raises BadArtifact."""
    from torch import nn

    class Tower(nn.Module):
        def __init__(self, pair: Any):
            super().__init__()
            self.pair = pair

        def forward(self, inputs: Any) -> Any:
            return getattr(self.pair, part)(inputs)

    pair = empty_net(lambda: build(spec))
    fit(pair, weights.tensors, name=spec.name, path=weights.path)
    # open_clip keeps one tower's tensors in the pair, and the other's in its `visual`.
    unused = [name for name in ("visual",) if part == "encode_text"]
    unused += [name for name in ("transformer", "token_embedding", "text") if part == "encode_image"]
    for name in unused:
        if hasattr(pair, name):
            delattr(pair, name)
    return Tower(pair)


def build(spec: EncoderSpec) -> nn.Module:
    """Both towers with random weights.

    The library's create_model would warn about random weights through the root logger.
    """
    import open_clip

    config = open_clip.get_model_config(spec.model)
    tower_pair = open_clip.CustomTextCLIP if config.pop("custom_text", False) else open_clip.CLIP
    return tower_pair(**config)


def tokens(spec: EncoderSpec, texts: Sequence[str]) -> np.ndarray:
    """n texts -> (n, spec.context) int64; long ones are cut off. Raises as tokenizer_file.TokenizerFile does."""
    if spec.tokenizer_file:
        return _file(spec).tokens(texts, spec.context)
    return _tokenizer(spec.model)(list(texts)).numpy()


@functools.cache
def _file(spec: EncoderSpec) -> TokenizerFile:
    import open_clip
    from open_clip.tokenizer import get_clean_fn

    said = open_clip.get_model_config(spec.model)["text_cfg"]
    return TokenizerFile(spec, get_clean_fn(said["tokenizer_kwargs"]["clean"]), said["vocab_size"])


@functools.cache
def _tokenizer(model: str) -> Any:
    import open_clip

    return open_clip.get_tokenizer(model)
