"""The encoder that comes with searchdemo: pictures and words into one space of 128 dimensions, made by training/.

One safetensors file holds both towers in 8 bits ("image.*", "text.*") and the words that the text tower knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from searchdemo import assets
from searchdemo.encoders import transforms
from searchdemo.encoders.bundled_net import (
    DIM,
    INPUT_SIZE,
    PIXEL_MEAN,
    PIXEL_STD,
    ImageTower,
    TextTower,
    flatten_bags,
)
from searchdemo.encoders.quantised import dequantise, quantise
from searchdemo.encoders.torch_encoder import TorchEncoder
from searchdemo.encoders.transforms import Transform
from searchdemo.encoders.weights import fit, read_weights
from searchdemo.encoders.words import NGRAM_ROWS, table_rows
from searchdemo.errors import BadArtifact, BadQuery, NoWeights

FILE = assets.WEIGHTS / "bundled.safetensors"
VOCABULARY = "text.vocabulary"  # uint8: the words, with a blank between them, in the order of the table's rows


class BundledEncoder(TorchEncoder):
    """See base.py. The text tower always runs on the CPU in float32: a text takes less time than a copy to a device.

    weights: another file of the same make; Raises NoWeights when the file is missing, BadArtifact when it does not fit.
    """

    has_text = quick_texts = True

    def __init__(
        self,
        device: str | None = None,
        transform: str = "own",
        weights: Path | None = None,
        precision: str | None = "auto",
    ):
        path = Path(weights or FILE)
        if not weights and not path.is_file():
            raise NoWeights(f"The bundled encoder's weights {path} are not there; make them with python -m training.")
        read = read_weights(path)
        image, text, words = towers(dequantise(read.tensors), path)
        super().__init__(
            "bundled",
            DIM,
            image,
            transform_of(transform),
            weights_sha256=read.sha256,
            stand_in=read.stand_in,
            transform=transform,
            device=device,
            precision=precision,
        )
        self._text = text.eval().requires_grad_(False)
        self._vocabulary = {word: row for row, word in enumerate(words)}

    def forward_texts(self, texts: Sequence[str]) -> torch.Tensor:
        bags = [table_rows(text, self._vocabulary) for text in texts]
        for text, (rows, _) in zip(texts, bags, strict=True):
            if not rows:
                raise BadQuery(
                    f"The encoder 'bundled' finds no word in {text!r}: it reads English, in letters and digits."
                )
        with torch.autocast("cpu", enabled=False):
            return self._text(*flatten_bags(bags))


def towers(tensors: dict[str, torch.Tensor], path: Path) -> tuple[ImageTower, TextTower, list[str]]:
    """Both towers and the text tower's words; their sizes are read off the tensors. Raises BadArtifact."""

    def part(prefix: str) -> dict[str, torch.Tensor]:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    image_part, text_part = part("image."), part("text.")
    try:
        words = bytes(tensors[VOCABULARY].tolist()).decode().split(" ")
        channels = [image_part[f"body.{i}.conv1.weight"].shape[0] for i in range(_count_blocks(image_part))]
        widths = tuple(dict.fromkeys(channels))
        image = ImageTower(widths, len(channels) // len(widths), stem=image_part["stem.0.weight"].shape[0])
        text = TextTower(len(words) + NGRAM_ROWS, hidden=text_part["expand.bias"].shape[0])
    except (KeyError, ZeroDivisionError) as error:
        raise BadArtifact(
            f"{path} is not a file of the bundled encoder ({error}); make one with python -m training."
        ) from error
    fit(image, image_part, name="bundled", path=path)
    fit(text, text_part, name="bundled", path=path)
    return image, text, words


def _count_blocks(image_part: dict[str, torch.Tensor]) -> int:
    return sum(name.startswith("body.") and name.endswith(".conv1.weight") for name in image_part)


def pack(image: ImageTower, text: TextTower, words: Sequence[str]) -> dict[str, torch.Tensor]:
    """Both towers as the tensors of one file, in 8 bits; `towers(dequantise(...))` reads them."""
    tensors = {f"image.{name}": value for name, value in image.state_dict().items()}
    tensors |= {f"text.{name}": value for name, value in text.state_dict().items()}
    tensors = {name: value.cpu() for name, value in tensors.items() if not name.endswith("num_batches_tracked")}
    return quantise(tensors) | {VOCABULARY: torch.tensor(list(" ".join(words).encode()), dtype=torch.uint8)}


def transform_of(transform: str) -> Transform:
    """ "own" keeps the shape and cuts out the middle."""
    mean, std = [PIXEL_MEAN] * 3, [PIXEL_STD] * 3
    if transform == "full":
        return transforms.full(INPUT_SIZE, mean, std)
    from torchvision.transforms import Normalize, ToTensor

    return transforms.central([transforms.square(INPUT_SIZE), ToTensor(), Normalize(mean, std)])
