"""Image encoders from timm: the features before the classifier's head."""

from __future__ import annotations

import sys
from pathlib import Path

import timm
from timm.data import create_transform, resolve_data_config
from torch import nn

from searchdemo.encoders import transforms
from searchdemo.encoders.base import EncoderSpec
from searchdemo.encoders.torch_encoder import TorchEncoder
from searchdemo.encoders.transforms import Transform
from searchdemo.encoders.weights import empty_net, fit, read_weights


def load(spec: EncoderSpec, path: Path, *, transform: str, device: str | None, precision: str | None) -> TorchEncoder:
    """The encoder with the weights of a safetensors file. Raises BadArtifact when they do not fit."""
    net, weights = empty_net(lambda: build(spec)), read_weights(path)
    # An architecture with checkpoints in several layouts has, beside its class, the function that converts
    # them to its own; for a vision transformer it also resamples the position embedding to the input size.
    convert = getattr(sys.modules[type(net).__module__], "checkpoint_filter_fn", None)
    tensors = convert(weights.tensors, net) if convert else weights.tensors
    fit(net, tensors, name=spec.name, path=path)
    encoder = TorchEncoder(
        spec,
        weights,
        folded(net),
        transform_of(spec, transform),
        transform=transform,
        device=device,
        precision=precision,
    )
    if (encoder.device, encoder.precision) == ("cpu", "bfloat16"):
        # torch's fused attention takes twice as long there as the two products and the softmax by themselves.
        for module in encoder.net.modules():
            if hasattr(module, "fused_attn"):
                module.fused_attn = False
    return encoder


def folded(net: nn.Module) -> nn.Module:
    """The network with each plain BatchNorm2d made part of the convolution before it: a tenth of ResNet-18's time."""
    if not any(type(module) is nn.BatchNorm2d for module in net.modules()):
        return net
    from torch.fx.experimental.optimization import fuse

    return fuse(net.eval())


def build(spec: EncoderSpec) -> nn.Module:
    """The network with random weights: pixels (n, 3, input_px, input_px) -> (n, dim)."""
    # Only a transformer takes a size, and DINOv2 needs it: its own configuration says 518 px, 1,370 tokens.
    size = {"img_size": spec.input_px} if timm.get_pretrained_cfg(spec.model).fixed_input_size else {}
    return timm.create_model(spec.model, pretrained=False, num_classes=0, **size)


def transform_of(spec: EncoderSpec, transform: str) -> Transform:
    px = spec.input_px
    config = resolve_data_config(
        {"input_size": (3, px, px)}, pretrained_cfg=timm.get_pretrained_cfg(spec.model).to_dict()
    )
    if transform == "full":
        return transforms.full(px, config["mean"], config["std"])
    return transforms.central(create_transform(**config).transforms)
