"""A class as a row made from its name: the mean of several sentences about it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from searchdemo.encoders.base import Encoder


def class_rows(encoder: Encoder, class_names: Sequence[str], prompts: Sequence[str]) -> np.ndarray:
    """Unit rows (classes, dim): the mean of each class's unit prompt vectors, made unit again (Radford et al. 2021).

    prompts: sentences with {} for the name, such as EncoderSpec.prompts.
    Raises BadQuery when the encoder has no text tower.
    """
    texts = [prompt.replace("{}", name) for name in class_names for prompt in prompts]
    rows = encoder.encode_texts(texts).reshape(len(class_names), len(prompts), -1).mean(axis=1)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
