"""Image encoders from timm. Their embedding is the features before the classifier's head."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data import create_transform, resolve_data_config
from torch import nn

from searchdemo.encoders import transforms
from searchdemo.encoders.base import EncoderSpec
from searchdemo.encoders.torch_encoder import TorchEncoder
from searchdemo.encoders.transforms import Transform
from searchdemo.encoders.weights import empty_net, fit, read_weights


def load(spec: EncoderSpec, path: Path, *, transform: str, **options: str | None) -> TorchEncoder:
    """The encoder with the weights of a safetensors file. Raises BadArtifact when they do not fit."""
    net, weights = empty_net(lambda: build(spec)), read_weights(path)
    # Where checkpoints of an architecture come in several layouts, timm has a function beside its class that converts
    # them. For a vision transformer the function also resamples the position embedding to the input size.
    convert = getattr(sys.modules[type(net).__module__], "checkpoint_filter_fn", None)
    tensors = convert(weights.tensors, net) if convert else weights.tensors
    fit(net, tensors, name=spec.name, path=path)
    to_input = transform_of(spec, transform)
    encoder = TorchEncoder(spec, weights, folded(net), to_input, transform=transform, **options)
    if (encoder.device, encoder.precision) == ("cpu", "bfloat16"):
        # There torch's fused attention takes twice as long as the two products and the softmax by themselves.
        for module in encoder.net.modules():
            if hasattr(module, "fused_attn"):
                module.fused_attn = False
    return encoder


def folded(net: nn.Module) -> nn.Module:
    """The network, each plain BatchNorm2d merged into the convolution before it: ResNet-18 takes a tenth less time."""
    if not any(type(module) is nn.BatchNorm2d for module in net.modules()):
        return net
    from torch.fx.experimental.optimization import fuse

    return fuse(net.eval())


def build(spec: EncoderSpec) -> nn.Module:
    """The network with random weights: pixels (n, 3, input_px, input_px) -> (n, dim)."""
    # Only a transformer takes a size, and DINOv2 needs it: its own configuration says 518 px, 1,370 tokens.
    fixed = timm.get_pretrained_cfg_value(spec.model, "fixed_input_size")
    size: dict[str, Any] = {"img_size": spec.input_px} if fixed else {}
    return timm.create_model(spec.model, pretrained=False, num_classes=0, **size)


def layout(spec: EncoderSpec) -> dict[str, tuple[int, ...]]:
    """Name -> shape of all tensors of the network with its classifier's head, in order."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in timm.create_model(spec.model).state_dict().items()}


def transform_of(spec: EncoderSpec, transform: str) -> Transform:
    px = spec.input_px
    config = resolve_data_config({"input_size": (3, px, px)}, vars(timm.get_pretrained_cfg(spec.model)))
    if transform == "full":
        return transforms.full(px, config["mean"], config["std"])
    return transforms.central(create_transform(**config).transforms)
