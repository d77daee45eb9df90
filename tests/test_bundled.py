"""The bundled encoder: 8-bit weights, words to rows, its contract, and that both precisions agree."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.numpy import save_file
from text_arrays import small_arrays

from searchdemo import assets
from searchdemo.collection.store import VECTORS
from searchdemo.encoders.bundled import BundledEncoder
from searchdemo.encoders.bundled_image import ARCHITECTURE
from searchdemo.encoders.bundled_text import TextTower
from searchdemo.encoders.quantised import dequantise, quantise
from searchdemo.encoders.table import ENCODERS, load, weights_path
from searchdemo.encoders.templates import class_rows
from searchdemo.encoders.weights import read_weights
from searchdemo.errors import BadArtifact, NoWeights
from searchdemo.galleries.scenes import open_scenes
from searchdemo.indexes.vectors import StoredVectors
from searchdemo.processor import multiplies_int8
from training.export import pack
from training.network import ImageTower

shipped = pytest.mark.skipif(not weights_path("bundled"), reason="the weights are not made yet: python -m training")


@pytest.fixture(scope="module")
def encoder() -> BundledEncoder:
    return load("bundled", device="cpu")


@pytest.fixture(scope="module")
def random_file(tmp_path_factory):
    """A whole weights file of random towers, and the image tower as it was in training."""
    torch.manual_seed(0)
    net = timm.create_model(ARCHITECTURE, num_classes=0)
    image, path = ImageTower(net).eval(), tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file(pack(image, small_arrays(ENCODERS["bundled"].dim)), path)
    return path, image


def test_quantising_is_exact_where_rows_are_multiples_of_their_scale():
    weights = np.array([[127, -1, 0], [-12.7, 0.1, 6.4]], np.float32)
    bias = np.array([0.123], np.float32)
    stored = quantise({"w": weights, "b": bias})
    assert stored["w"].tolist() == [[127, -1, 0], [-127, 1, 64]]
    assert np.allclose(stored["w.scale"], [1.0, 0.1])
    back = dequantise(stored)
    assert back.keys() == {"w", "b"}
    assert np.allclose(back["w"], weights, atol=1e-5)
    assert np.array_equal(back["b"], bias)


def test_quantising_is_off_by_at_most_half_a_scale():
    weights = np.random.default_rng(1).standard_normal((5, 4, 3, 3), np.float32)
    stored = quantise({"w": weights})
    off = np.abs(dequantise(stored)["w"] - weights).reshape(5, -1).max(1)
    assert (off <= stored["w.scale"] / 2 + 1e-6).all()
    assert stored["w"].dtype == np.int8


def test_a_row_of_zeros_stays_zero():
    assert dequantise(quantise({"w": np.zeros((2, 3), np.float32)}))["w"].tolist() == [[0] * 3] * 2


WITHOUT_TORCH = """
import contextlib, io, json, sys
sys.modules |= dict.fromkeys(["torch", "torchvision", "timm", "open_clip"])
from searchdemo import cli
done = []
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        done.append([cli.main(words)])
    done[-1] += out.getvalue(), err.getvalue()
print(json.dumps(done))
"""


class Said(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def without_torch(*commands: Sequence[str]) -> list[Said]:
    """Commands of searchdemo, one after the other where the libraries of the encoders are not installed."""
    command = [sys.executable, "-c", WITHOUT_TORCH, json.dumps(commands)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    return [Said(*one) for one in json.loads(done.stdout)]


@shipped
def test_words_and_pictures_need_no_torch_and_the_rest_names_the_command_that_brings_it(tmp_path, encoder):
    words = ("search", "--gallery", "scenes", "--text", "a red boat", "--index", "flat", "--json")
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    search = ("search", "--gallery", "scenes", "--image", str(tmp_path / "red.png"))
    refused = [
        ((*search, "--device", "cuda"), "The device 'cuda'"),
        ((*search, "--runtime", "torch"), "The runtime 'torch'"),
        (("build", "--gallery", "scenes", "--encoder", "resnet18"), "The encoder 'resnet18'"),
        (("build", "--gallery", "scenes", "--encoder", "clip-vit-b32"), "The encoder 'clip-vit-b32'"),
    ]
    read, found, *others = without_torch(words, (*search, "--json"), *(words for words, _ in refused))
    vectors = StoredVectors(assets.INDEXES / "scenes" / "bundled" / VECTORS).all()
    nearest = np.argsort(-(vectors @ encoder.encode_texts(["a red boat"])[0]))[:10]
    assert [hit["row"] for hit in json.loads(read.stdout)["hits"]] == nearest.tolist()
    assert len(json.loads(found.stdout)["hits"]) == 10
    for said, (_, part) in zip(others, refused, strict=True):
        assert said.returncode == 2 and said.stdout == ""
        assert said.stderr.startswith(f"searchdemo: {part} needs the Python package ")
        assert "which is not installed: run `pip install " in said.stderr


@shipped
def test_words_alone_import_no_torch_and_make_no_image_tower():
    code = """
import hashlib, sys
from searchdemo.encoders.table import load, weights_path
encoder = load("bundled")
assert encoder.encode_texts(["a dog"]).shape == (1, encoder.dim) and encoder.has_text and not encoder.stand_in
assert encoder.weights_sha256 == hashlib.sha256(weights_path("bundled").read_bytes()).hexdigest()
assert "torch" not in sys.modules
assert encoder.how.device == "cpu" or "torch" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=True)


def test_a_row_does_not_depend_on_the_other_texts(encoder):
    texts = ["a dog", "a cat on a mat", "a dog on a mat", "a brown horse"]
    alone = np.concatenate([encoder.encode_texts([text]) for text in texts])
    assert np.array_equal(encoder.encode_texts(texts), alone)
    assert encoder.encode_texts([]).shape == (0, 128)


def test_a_file_of_both_towers_is_read_back(random_file):
    path, image = random_file
    encoder = load("bundled", weights=path, device="cpu", precision="float32")
    picture = Image.effect_noise((64, 64), 60).convert("RGB")
    pixels = encoder.preprocess([picture])
    standardised = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127) / 128
    with torch.inference_mode():
        cosine = float((torch.from_numpy(encoder.encode_pixels(pixels)) * image(standardised)).sum())
    assert cosine > 0.999  # 8 bits
    assert encoder.encode_texts(["red dog"]).shape == (1, 128)


def test_preprocessing_leaves_a_picture_of_the_input_size_as_it_is(random_file):
    pixels = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    for transform in ("own", "full"):
        encoder = load("bundled", weights=random_file[0], device="cpu", precision="float32", transform=transform)
        assert np.array_equal(encoder.preprocess([Image.fromarray(pixels)])[0], pixels)


def test_own_cuts_out_the_middle_and_full_keeps_all(random_file):
    wide = Image.new("RGB", (256, 64), "black")
    wide.paste("white", (0, 0, 64, 64))  # only the left end
    own, full = (
        load("bundled", weights=random_file[0], device="cpu", transform=transform).preprocess([wide])
        for transform in ("own", "full")
    )
    assert own.std() == 0
    assert full.std() > 50
    assert own.shape == full.shape == (1, 128, 128, 3)


def test_missing_and_foreign_files_are_said_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(assets, "WEIGHTS", tmp_path)
    with pytest.raises(NoWeights, match=r"bundled\.safetensors.*python -m training"):
        load("bundled")
    save_file({"x": np.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(BadArtifact, match="not a file of the bundled encoder"):
        load("bundled", weights=tmp_path / "other.safetensors")


class TwoWords:
    """Answers that can be computed by hand: texts with "cat" lie on the first axis, others on the second."""

    name = "two-words"

    def encode_texts(self, texts):
        return np.array([[1, 0] if "cat" in text else [0, 1] for text in texts], np.float32)


def test_class_rows_are_the_mean_of_the_prompts_made_unit():
    rows = class_rows(TwoWords(), ["cat", "dog"], ["a photo of a {}.", "{} beside a cat"])
    assert rows == pytest.approx(np.array([[1, 0], [0.5**0.5, 0.5**0.5]]))


@shipped
@pytest.mark.parametrize(
    ("text", "nearer", "farther"),
    [
        ("puppy", "golden retriever", "tiger cat"),
        ("citrus fruit", "lemon", "banana"),
        ("a yellow bus full of children", "school bus", "lemon"),
        ("refridgerator", "refrigerator", "tractor"),
        ("tarantulla", "tarantula", "dragonfly"),
        ("schoolbus", "school bus", "sports car"),
    ],
)
def test_words_lie_where_a_person_expects(encoder, text, nearer, farther):
    query, right, wrong = encoder.encode_texts([text, nearer, farther])
    assert query @ right > query @ wrong


@shipped
def test_a_text_with_a_known_word_gives_a_unit_row(encoder):
    rows = encoder.encode_texts(["🎈 dog", "qzxv of a dog", "dog " * 5000, "dog"])
    assert rows.shape == (4, 128)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert np.array_equal(rows[0], rows[3])


@shipped
def test_all_precisions_agree_on_scenes():
    gallery = open_scenes()
    pictures = [Image.open(io.BytesIO(gallery.pictures.encoded(row))).convert("RGB") for row in range(0, 2000, 40)]
    known = ("float32", "bfloat16", "int8") if multiplies_int8() else ("float32", "bfloat16")
    exact, *others = (
        load("bundled", device="cpu", runtime="openvino", precision=precision).encode_images(pictures)
        for precision in known
    )
    for rows, least in zip(others, (0.995, 0.99), strict=False):
        cosines = (rows * exact).sum(axis=1)
        # Drawings are the worst pictures for its edge filters. How their sums are rounded depends on the processor.
        assert cosines.mean() >= 0.999 and cosines.min() >= least


@shipped
def test_texts_as_they_run_here_are_near_to_those_in_numpy(encoder):
    texts = ["dog", "a red boat on the sea", "a small bird on a branch near the water", "two old chairs and a table"]
    in_numpy = TextTower("bundled", encoder.dim, read_weights(weights_path("bundled"), "numpy")).rows(texts)
    assert (encoder.encode_texts(texts) * in_numpy).sum(axis=1).min() > 0.999


@shipped
def test_the_table_counts_the_parameters_that_ship(encoder):
    tower = encoder.images.module()
    counted = sum(parameter.numel() for parameter in tower.parameters())
    assert counted + encoder.text_tower.parameters == ENCODERS["bundled"].parameters
