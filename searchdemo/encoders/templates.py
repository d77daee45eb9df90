"""A class as a row made from its name: the mean of several sentences about it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from searchdemo.encoders.base import Encoder
from searchdemo.errors import BadQuery

NAME_ALONE = "{}"
NAMED = 5  # names in a sentence; lists in JSON are whole


@dataclass(frozen=True)
class ClassRows:
    """Classes by their names, without those whose names the encoder cannot read."""

    rows: np.ndarray  # (c, dim) float32 unit rows
    classes: np.ndarray  # (c,) int64, ascending: the number of the class that each row is of
    unread: tuple[str, ...] = ()  # the names of the other classes


def readable(encoder: Encoder, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows (r, dim) of those texts that the encoder reads, and their numbers (r,) int64.

    Raises BadQuery when the encoder has no text tower.
    """
    try:
        return encoder.encode_texts(texts), np.arange(len(texts))
    except BadQuery:
        if not encoder.has_text:
            raise
    rows = {}
    for number, text in enumerate(texts):
        with contextlib.suppress(BadQuery):
            rows[number] = encoder.encode_texts([text])
    return np.concatenate([np.empty((0, encoder.dim), np.float32), *rows.values()]), np.array([*rows], np.int64)


def class_rows(encoder: Encoder, class_names: Sequence[str], prompts: Sequence[str]) -> np.ndarray:
    """Unit rows (classes, dim): the mean of each class's unit prompt vectors, made unit again (Radford et al. 2021).

    prompts: sentences with {} for the name, such as EncoderSpec.prompts.
    Raises BadQuery when the encoder has no text tower, or cannot read one of the sentences.
    """
    texts = [prompt.replace("{}", name) for name in class_names for prompt in prompts]
    rows = encoder.encode_texts(texts).reshape(len(class_names), len(prompts), -1).mean(axis=1)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def readable_classes(encoder: Encoder, class_names: Sequence[str], prompts: Sequence[str]) -> ClassRows:
    """`class_rows` of the classes whose names the encoder reads. Raises BadQuery when it has no text tower.

    The name alone decides: of "a photo of a 猫" an encoder may read the first words, which say nothing about the class.
    """
    rows, classes = readable(encoder, class_names)
    names = [class_names[number] for number in classes]
    if tuple(prompts) != (NAME_ALONE,) and names:
        rows = class_rows(encoder, names, prompts)
    unread = np.setdiff1d(np.arange(len(class_names)), classes)
    return ClassRows(rows, classes, tuple(class_names[number] for number in unread))


def unread_note(encoder_name: str, unread: Sequence[str], classes: int) -> str:
    """One sentence that names the classes that were left out, of so many in all; "" where there are none."""
    if not unread:
        return ""
    named = ", ".join(repr(name) for name in unread[:NAMED])
    more = f" and {len(unread) - NAMED:,} more" if len(unread) > NAMED else ""
    return (
        f"{encoder_name} cannot read {len(unread):,} of the {classes:,} class names, and what it cannot read is left "
        f"out: {named}{more}."
    )
