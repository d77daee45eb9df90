"""The classifier's head that a weights file brings along: a vector for each of ImageNet's 1,000 classes.

An encoder leaves its head out, because an embedding is what comes before it. Restricted to the classes of a gallery,
the head is what the network itself says of a picture.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from searchdemo.encoders.base import EncoderSpec
from searchdemo.encoders.weights import part_of, read_weights
from searchdemo.errors import BadArtifact, BadQuery
from searchdemo.extras import imported, pip_command

CLASSES = 1000  # of ImageNet-1k


def head_rows(spec: EncoderSpec, path: Path, label_names: Sequence[str]) -> np.ndarray:
    """The weights of the head for these WordNet ids, (classes, dim) float32. Their lengths differ, and matter.

    A unit row times these vectors gives the head's logits, but for their scale and without the bias: a unit row has
    lost the length that the bias is set against. On tiny-ImageNet's 10,000 valid pictures, the whole of each at 224 px,
    that gives EfficientNet-Lite0 54.3 % top-1 in place of 54.6; at 128 px both give 49.3.
    Raises BadQuery when the encoder has no head or a label is no class of ImageNet-1k, BadArtifact when the file has no
    head of that size.
    """
    if not spec.head:
        raise BadQuery(f"{spec.name!r} was not trained on ImageNet's classes and has no head for them.")
    ids = imagenet_ids()
    if unknown := [name for name in label_names if name not in ids]:
        raise BadQuery(
            f"{len(unknown)} of {len(label_names)} labels are no classes of ImageNet-1k (first {unknown[0]!r}), so the "
            f"head of {spec.name!r} does not name them: choose 'tiny-imagenet', or an encoder that reads words."
        )
    weight = part_of(read_weights(path, "numpy").tensors, f"{spec.head}.").get("weight")
    if weight is None or weight.shape != (CLASSES, spec.dim):
        found = "none" if weight is None else f"{spec.head}.weight of shape {weight.shape}"
        raise BadArtifact(
            f"{str(path)!r} has no head for ImageNet's {CLASSES:,} classes ({found}): leave --weights out to use the "
            f"published weights of {spec.name}."
        )
    return np.asarray(weight[[ids[name] for name in label_names]], np.float32)


@functools.cache
def imagenet_ids() -> dict[str, int]:
    """WordNet id -> its number among the classes of ImageNet-1k, as timm lists them. Raises NotInstalled."""
    info = imported("timm.data", "The list of ImageNet's classes", pip_command("encoders")).ImageNetInfo()
    return {info.index_to_label_name(number): number for number in range(CLASSES)}
