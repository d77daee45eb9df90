"""The bundled encoder: 8-bit weights, words to rows, its contract, and that both precisions agree."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from searchdemo.encoders.bundled import FILE, BundledEncoder, pack
from searchdemo.encoders.bundled_net import ImageTower, TextTower, flatten_bags
from searchdemo.encoders.quantised import dequantise, quantise
from searchdemo.encoders.table import ENCODERS
from searchdemo.encoders.templates import class_rows
from searchdemo.encoders.words import NGRAM_ROWS, ngrams, split_words, table_rows
from searchdemo.errors import BadArtifact, BadQuery, NoWeights
from searchdemo.galleries.scenes import open_scenes

WORDS = ["dog", "cat", "red"]

shipped = pytest.mark.skipif(not FILE.is_file(), reason="the weights are not made yet: python -m training")


@pytest.fixture(scope="module")
def encoder() -> BundledEncoder:
    return BundledEncoder(device="cpu")


@pytest.fixture
def small_file(tmp_path):
    """A whole weights file of random towers."""
    torch.manual_seed(0)
    image, text = ImageTower(widths=(8, 16), blocks=1, stem=8), TextTower(len(WORDS) + NGRAM_ROWS, hidden=8)
    save_file(pack(image, text, WORDS), tmp_path / "small.safetensors")
    return tmp_path / "small.safetensors", image.eval(), text


def test_quantising_is_exact_where_rows_are_multiples_of_their_scale():
    weights = torch.tensor([[127.0, -1.0, 0.0], [-12.7, 0.1, 6.4]])
    bias = torch.tensor([0.123])
    stored = quantise({"w": weights, "b": bias})
    assert stored["w"].tolist() == [[127, -1, 0], [-127, 1, 64]]
    assert torch.allclose(stored["w.scale"], torch.tensor([1.0, 0.1]))
    back = dequantise(stored)
    assert back.keys() == {"w", "b"}
    assert torch.allclose(back["w"], weights, atol=1e-5)
    assert torch.equal(back["b"], bias)


def test_quantising_is_off_by_at_most_half_a_scale():
    weights = torch.randn(5, 4, 3, 3, generator=torch.Generator().manual_seed(1))
    stored = quantise({"w": weights})
    off = (dequantise(stored)["w"] - weights).abs().flatten(1).amax(1)
    assert (off <= stored["w.scale"] / 2 + 1e-6).all()
    assert stored["w"].dtype == torch.int8


def test_a_row_of_zeros_stays_zero():
    assert dequantise(quantise({"w": torch.zeros(2, 3)}))["w"].abs().max() == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A yellow BUS!", ["a", "yellow", "bus"]),
        ("café-tür", ["cafe", "tur"]),
        ("potter's wheel", ["potters", "wheel"]),
        ("🎈 ??", []),
        ("", []),
    ],
)
def test_words_of_a_text(text, words):
    assert split_words(text) == words


def test_a_known_word_is_one_row_and_an_unknown_one_its_ngrams_of_weight_one():
    vocabulary = {"dog": 0, "cat": 1}
    assert table_rows("dog cat", vocabulary) == ([0, 1], [1.0, 1.0])
    rows, weights = table_rows("dogg", vocabulary)
    assert len(rows) == len(ngrams("dogg")) == 4 + 3 + 2  # of "<dogg>": 3, 4 and 5 letters
    assert min(rows) >= 2
    assert max(rows) < 2 + NGRAM_ROWS
    assert sum(weights) == pytest.approx(1)


def test_a_misspelt_word_shares_most_ngrams():
    right, wrong, other = (set(ngrams(word)) for word in ("tarantula", "tarantulla", "refrigerator"))
    assert len(right & wrong) > 0.5 * len(right)
    assert len(right & other) < 0.2 * len(right)


def test_texts_in_one_batch_do_not_mix():
    tower = TextTower(10 + NGRAM_ROWS)
    bags = [([1, 2], [1.0, 1.0]), ([], []), ([3], [1.0])]
    together = tower(*flatten_bags(bags))
    alone = torch.cat([tower(*flatten_bags([bag])) for bag in bags])
    assert torch.allclose(together, alone, atol=1e-6)


def test_a_file_of_towers_of_any_size_is_read_back(small_file):
    path, image, text = small_file
    encoder = BundledEncoder(weights=path, device="cpu", precision="float32")
    picture = Image.effect_noise((64, 64), 60).convert("RGB")
    pixels = encoder.preprocess([picture])
    with torch.inference_mode():
        cosine = float((torch.from_numpy(encoder.encode_pixels(pixels)) * image(pixels)).sum())
        wanted = text(*flatten_bags([table_rows("red dog", {word: row for row, word in enumerate(WORDS)})]))
    assert cosine > 0.999  # 8 bits
    assert float((torch.from_numpy(encoder.encode_texts(["red dog"])) * wanted).sum()) > 0.999


def test_preprocessing_leaves_a_picture_of_64_px_as_it_is(small_file):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for transform in ("own", "full"):
        encoder = BundledEncoder(weights=small_file[0], device="cpu", precision="float32", transform=transform)
        seen = encoder.preprocess([Image.fromarray(pixels)])[0].permute(1, 2, 0).numpy()
        assert np.allclose(seen, (pixels / 255 - 0.45) / 0.27, atol=1e-5)


def test_own_cuts_out_the_middle_and_full_keeps_all(small_file):
    wide = Image.new("RGB", (256, 64), "black")
    wide.paste("white", (0, 0, 64, 64))  # only the left end
    own, full = (
        BundledEncoder(weights=small_file[0], device="cpu", transform=transform).preprocess([wide])
        for transform in ("own", "full")
    )
    assert own.float().std() == 0
    assert full.float().std() > 0.5
    assert own.shape == full.shape == (1, 3, 64, 64)


def test_missing_and_foreign_files_are_said_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("searchdemo.encoders.bundled.FILE", tmp_path / "bundled.safetensors")
    with pytest.raises(NoWeights, match="python -m training"):
        BundledEncoder()
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(BadArtifact, match="not a file of the bundled encoder"):
        BundledEncoder(weights=tmp_path / "other.safetensors")


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
def test_any_text_gives_a_unit_row(encoder):
    rows = encoder.encode_texts(["🎈 a", "qzxv", "a " * 5000, "dog"])
    assert rows.shape == (4, 128)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(4), abs=1e-5)


@shipped
def test_both_precisions_agree_on_scenes():
    gallery = open_scenes()
    pictures = [Image.open(io.BytesIO(gallery.pictures.encoded(row))).convert("RGB") for row in range(0, 2000, 40)]
    rows = [BundledEncoder(device="cpu", precision=p).encode_images(pictures) for p in ("bfloat16", "float32")]
    assert (rows[0] * rows[1]).sum(axis=1).min() >= 0.999


def test_visitors_leave_the_number_of_threads_as_it_is(small_file):
    """A thread that first touches torch while another computes on one core must not take that for the usual."""
    small = BundledEncoder(device="cpu", weights=small_file[0])
    before, together = torch.get_num_threads(), threading.Barrier(4)
    torch.set_num_threads(2)

    def visit() -> None:
        together.wait()
        for _ in range(20):
            small.encode_images([Image.new("RGB", (64, 64))])

    try:
        for _ in range(5):
            visitors = [threading.Thread(target=visit) for _ in range(4)]
            [visitor.start() for visitor in visitors]
            [visitor.join() for visitor in visitors]
            with ThreadPoolExecutor(1) as new:
                assert new.submit(torch.get_num_threads).result() == 2
    finally:
        torch.set_num_threads(before)


class Passes(list):
    """(thread that called, cores that torch may use, texts or pictures) of each forward pass of a tower."""

    def of(self, tower: torch.nn.Module, size):
        def look(module, given) -> None:
            self.append((threading.get_ident(), torch.get_num_threads(), size(given)))

        return tower.register_forward_pre_hook(look)


@pytest.fixture
def two_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


def operations(call) -> int:
    """Floating-point operations of matrix products and convolutions."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


@shipped
def test_one_text_is_one_small_pass_on_one_core(encoder, two_threads):
    """Two products of 128 x 512; `bench floors` holds the millisecond that it may take."""
    passes, text = Passes(), "a yellow bus full of children"
    with passes.of(encoder._text, lambda given: len(given[1])):
        assert operations(lambda: encoder.encode_texts([text])) == 2 * 2 * 128 * 512
    assert passes == [(threading.get_ident(), 1, 1)]


@shipped
def test_one_picture_is_one_pass_on_one_core_and_many_share_a_pass_on_all(encoder, two_threads):
    """0.6 billion operations for a picture; `bench floors` holds the ten milliseconds that they may take."""
    passes, picture = Passes(), Image.effect_noise((64, 64), 60).convert("RGB")
    with passes.of(encoder.net, lambda given: len(given[0])):
        one = operations(lambda: encoder.encode_images([picture]))
        many = operations(lambda: encoder.encode_images([picture] * 8))
    assert one == pytest.approx(0.615e9, rel=0.01) and many == 8 * one
    assert passes == [(threading.get_ident(), 1, 1), (threading.get_ident(), 2, 8)]


@shipped
def test_the_table_counts_the_parameters_that_ship():
    from searchdemo.encoders.bundled import towers
    from searchdemo.encoders.quantised import dequantise
    from searchdemo.encoders.weights import read_weights

    image, text, _ = towers(dequantise(read_weights(FILE).tensors), FILE)
    counted = sum(parameter.numel() for tower in (image, text) for parameter in tower.parameters())
    assert counted == ENCODERS["bundled"].parameters


@shipped
@pytest.mark.parametrize("text", ["\N{SLIGHTLY SMILING FACE}", "!?", "\u732b"])
def test_a_text_without_words_is_refused(text):
    with pytest.raises(BadQuery, match="finds no word"):
        BundledEncoder(device="cpu").encode_texts(["a dog", text])
