"""Image and text encoders from open_clip: two towers into one space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import open_clip
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict
from torch import nn

from searchdemo.encoders import transforms
from searchdemo.encoders.base import EncoderSpec
from searchdemo.encoders.torch_encoder import TorchEncoder
from searchdemo.encoders.transforms import Transform
from searchdemo.encoders.weights import empty_net, fit, read_weights


class OpenClipEncoder(TorchEncoder):
    has_text = True
    tokenizer: Callable[[list[str]], torch.Tensor]  # n texts -> (n, context length) int64; cuts off long ones

    def forward_images(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.net.encode_image(pixels)

    def forward_texts(self, texts: Sequence[str]) -> torch.Tensor:
        return self.net.encode_text(self.tokenizer(list(texts)).to(self.device))


def load(spec: EncoderSpec, path: Path, *, transform: str, **options: str | None) -> OpenClipEncoder:
    """The encoder with the weights of a safetensors file. Raises BadArtifact when they do not fit."""
    net, weights = empty_net(lambda: build(spec)), read_weights(path)
    fit(net, weights.tensors, name=spec.name, path=path)
    encoder = OpenClipEncoder(spec, weights, net, transform_of(spec, transform), transform=transform, **options)
    encoder.tokenizer = open_clip.get_tokenizer(spec.model)
    return encoder


def build(spec: EncoderSpec) -> nn.Module:
    """Both towers with random weights.

    The library's create_model would warn about random weights through the root logger.
    """
    config = open_clip.get_model_config(spec.model)
    tower_pair = open_clip.CustomTextCLIP if config.pop("custom_text", False) else open_clip.CLIP
    return tower_pair(**config)


def pretrained_cfg(spec: EncoderSpec) -> dict:
    """open_clip's entry for these weights, with the mean, std and interpolation of their training.

    When the library itself loads a local file, it uses OpenAI's values without a word.
    """
    tags = open_clip.list_pretrained_tags_by_model(spec.model)
    entries = (open_clip.get_pretrained_cfg(spec.model, tag) for tag in tags)
    return next(entry for entry in entries if entry.get("hf_hub", "").rstrip("/") == spec.weights)


def transform_of(spec: EncoderSpec, transform: str) -> Transform:
    px, cfg = spec.input_px, pretrained_cfg(spec)
    if transform == "full":
        return transforms.full(px, cfg["mean"], cfg["std"])
    own = PreprocessCfg(**merge_preprocess_dict({"size": px}, cfg))
    return transforms.central(image_transform_v2(own, is_train=False).transforms)
