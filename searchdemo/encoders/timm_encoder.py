"""Image encoders from timm. Their embedding is the features before the classifier's head."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from searchdemo.encoders.base import EncoderSpec, How
from searchdemo.encoders.network_encoder import NetworkEncoder, image_network
from searchdemo.encoders.weights import Weights, empty_net, fit, read_weights

if TYPE_CHECKING:
    import openvino as ov
    import torch
    from torch import nn

NEEDS = ("torch", "torchvision", "timm")


def load(spec: EncoderSpec, path: Path, how: How, *, transform: str) -> NetworkEncoder:
    """The encoder with the weights of a safetensors file. Raises BadArtifact when they do not fit."""
    weights = read_weights(path)
    graph = partial(lite_graph, spec, path) if spec.model.startswith("tf_efficientnet_lite") else None
    images = image_network(spec, weights, partial(module, spec, weights), graph)
    encoder = NetworkEncoder(spec, weights, how, images, transform=transform)
    encoder.start()
    return encoder


def module(spec: EncoderSpec, weights: Weights) -> nn.Module:
    """The network with these weights. Raises BadArtifact when they do not fit."""
    net, tensors = empty_net(lambda: build(spec)), weights.tensors
    # Where checkpoints of an architecture come in several layouts, timm has a function beside its class that converts
    # them. For a vision transformer the function also resamples the position embedding to the input size. What fits
    # already is left alone: without a classifier's head, Swin's function would take its own layout for an older one.
    as_it_is = shapes(net.state_dict()).items() <= shapes(tensors).items()
    convert = getattr(sys.modules[type(net).__module__], "checkpoint_filter_fn", None)
    if convert and not as_it_is:
        tensors = convert(tensors, net)
    fit(net, tensors, name=spec.name, path=weights.path)
    return folded(net)


def shapes(tensors: dict[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def folded(net: nn.Module) -> nn.Module:
    """The network, each plain BatchNorm2d merged into the convolution before it: ResNet-18 takes a tenth less time."""
    from torch.fx.experimental.optimization import fuse
    from torch.nn import BatchNorm2d

    plain = any(type(module) is BatchNorm2d for module in net.modules())
    return fuse(net.eval()) if plain else net


def build(spec: EncoderSpec) -> nn.Module:
    """The network with random weights: pixels (n, 3, input_px, input_px) -> (n, dim)."""
    import timm

    # Only a transformer takes a size, and DINOv2 needs it: its own configuration says 518 px, 1,370 tokens.
    fixed = timm.get_pretrained_cfg_value(spec.model, "fixed_input_size")
    size: dict[str, Any] = {"img_size": spec.input_px} if fixed else {}
    return timm.create_model(spec.model, pretrained=False, num_classes=0, **size)


def layout(spec: EncoderSpec) -> dict[str, tuple[int, ...]]:
    """Name -> shape of all tensors of the network with its classifier's head, in order."""
    import timm
    import torch

    with torch.device("meta"):
        return shapes(timm.create_model(spec.model).state_dict())


def lite_graph(spec: EncoderSpec, path: Path, precision: str) -> ov.Model:
    """An EfficientNet-Lite, which starts faster without torch. Raises BadArtifact when the weights do not fit."""
    from searchdemo.encoders.efficientnet_lite import checked_graph

    return checked_graph(read_weights(path, "numpy").tensors, spec, precision, path)
