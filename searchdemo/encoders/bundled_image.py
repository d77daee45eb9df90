"""The image tower of the bundled encoder: an EfficientNet-Lite without its classifier, then a linear layer.

Tensors in the file: "image.<timm's name>", "image.project.weight", "image.project.bias".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from searchdemo.encoders.base import EncoderSpec
from searchdemo.encoders.quantised import dequantise
from searchdemo.encoders.weights import Weights, empty_net, fit, part_of
from searchdemo.extras import imported, pip_command

if TYPE_CHECKING:
    import openvino as ov
    from torch import nn

ARCHITECTURE = "tf_efficientnet_lite0"  # timm's name


def image_tensors(weights: Weights) -> dict[str, np.ndarray]:
    return dequantise(part_of(weights.tensors, "image."))


def graph(spec: EncoderSpec, weights: Weights, precision: str) -> ov.Model:
    """See runtime/base.py. Raises BadArtifact when the weights do not fit."""
    from searchdemo.encoders.efficientnet_lite import checked_graph

    return checked_graph(image_tensors(weights), spec, precision, weights.path)


def module(spec: EncoderSpec, weights: Weights) -> nn.Module:
    """The same in torch. Raises NotInstalled, BadArtifact when the weights do not fit."""
    part = f"The image tower of the encoder {spec.name!r} in torch"
    timm, torch = (imported(library, part, pip_command("encoders")) for library in ("timm", "torch"))
    tensors = {name: torch.from_numpy(value) for name, value in image_tensors(weights).items()}
    net = empty_net(lambda: timm.create_model(ARCHITECTURE, pretrained=False, num_classes=spec.dim))
    named = {name.replace("project.", "classifier."): tensor for name, tensor in tensors.items()}
    fit(net, named, name=spec.name, path=weights.path)
    return net
