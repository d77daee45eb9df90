"""The text tower of the bundled encoder: which words it reads, what it says of others, and its arithmetic."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from text_arrays import PIECES, WIDTH, WORDS, small_arrays
from torch import nn

from searchdemo.encoders.base import How
from searchdemo.encoders.bundled_text import SentenceModel, TextTower, gelu, head_rows, layer_norm, listed, unit
from searchdemo.encoders.network_encoder import left_out
from searchdemo.encoders.quantised import GROUP, dequantise, quantise_4bit
from searchdemo.encoders.weights import part_of, read_weights
from searchdemo.encoders.wordpiece import MAX_PIECES, WordPieces, one_edit, split_words
from searchdemo.encoders.written import tidy
from searchdemo.errors import BadArtifact, BadQuery


@pytest.fixture(scope="module")
def reader() -> WordPieces:
    return WordPieces(PIECES, WORDS)


@pytest.fixture(scope="module")
def tower(tmp_path_factory) -> TextTower:
    path = tmp_path_factory.mktemp("text") / "small.safetensors"
    save_file({f"text.{name}": value for name, value in small_arrays(16).items()}, path)
    return TextTower("small", 16, read_weights(path, "numpy"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A yellow BUS!", ["a", "yellow", "bus", "!"]),
        ("café-tür", ["cafe", "-", "tur"]),
        ("potter's wheel", ["potter", "'", "s", "wheel"]),
        ("🎈 猫", ["🎈", "猫"]),
        ("नाव, काली รถสีแดง", ["नाव", ",", "काली", "รถสีแดง"]),
        ("\u2764\ufe0fdog", ["\u2764\ufe0f", "dog"]),
        ("potter\u2019s wheel", ["potter", "'", "s", "wheel"]),
        ("dog\u02bcs \uff07 \u2032 \u00b4", ["dog", "'", "s", "'", "'", "'"]),
        ("t\u2011shirt t\u2010shirt", ["t", "-", "shirt", "t", "-", "shirt"]),
        ("\ufb01sh \uff24\uff2f\uff27 do\u200bg do\u00adg d\ufeffo\u2060g", ["fish", "dog", "dog", "dog", "dog"]),
        ("Straße smørrebrød Łódź æon œuvre", ["strasse", "smorrebrod", "lodz", "aeon", "oeuvre"]),
        ("cafe\u0301 na\u0308ive", ["cafe", "naive"]),
        ("", []),
    ],
)
def test_words_of_a_text(text, words):
    assert split_words(text) == words


def test_a_word_is_one_piece_or_the_longest_ones_in_turn(reader):
    numbers = {piece: number for number, piece in enumerate(PIECES)}
    wanted = ["[CLS]", "a", "tar", "##ant", "##ula", ",", "red", "[SEP]"]
    reading = reader.read("A tarantula, red!")
    assert reading.pieces == [numbers[piece] for piece in wanted]  # "!" is punctuation that it lacks
    assert (reading.unknown, reading.corrected, reading.left_out, reading.says_something) == ([], {}, 0, True)


def test_words_that_are_not_known_are_named_once_and_left_out(reader):
    reading = reader.read("zxqv dog 猫 zxqv 🎈")
    assert reading.unknown == ["zxqv", "猫", "🎈"]
    assert reading.pieces == reader.read("dog").pieces
    assert reader.read("tarant").unknown == ["tarant"]  # pieces alone make no word


def test_a_plural_is_read_as_the_known_word(reader):
    for many in ("tarantulas", "dogs", "TARANTULAS"):
        reading = reader.read(many)
        assert (reading.unknown, reading.corrected) == ([], {})
        assert reading.pieces == reader.read(many.lower().removesuffix("s")).pieces
    assert reader.read("zxqvs").unknown == ["zxqvs"]


def test_words_past_the_length_of_a_tower_are_counted():
    def letters(texts):  # one token per letter, 8 of them
        return np.array([[ord(c) for c in text.replace(" ", "")[:8].ljust(8, "\0")] for text in texts])

    assert [left_out(letters, text) for text in ("red boat", "red boats", "red boats at sea", "a")] == [0, 0, 2, 0]


def test_what_every_text_tower_gets():
    assert tidy("\u201cA\u201d\u00a0dog\u2019s \ufb01n\u200b, Ünal\u00ad") == "\u201cA\u201d dog's fin, Ünal"
    assert tidy("می\u200cخواهم 👩\u200d🚀") == "می\u200cخواهم 👩\u200d🚀"  # joiners are part of these


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("tarantulla", "tarantula"), ("photto", "photo"), ("phtoo", "photo"), ("phoyo", "photo"), ("phot", "photo")],
)
def test_one_wrong_letter_is_put_right_and_told(reader, wrong, right):
    assert reader.read(wrong).corrected == {wrong: right}
    assert reader.read(wrong).pieces == reader.read(right).pieces


def test_short_words_and_words_with_two_wrong_letters_stay_unknown(reader):
    for word in ("dgo", "ct", "phooooto", "b0at"):
        assert reader.read(word).unknown == [word]


def test_of_several_corrections_the_more_frequent_word_is_taken():
    reader = WordPieces(["[CLS]", "[SEP]", "label", "table"], [])
    assert reader.read("tabel").corrected == {"tabel": "label"}


def test_one_edit_counts():
    assert len(one_edit("ab") - {"ab"}) == 2 + 1 + 2 * 25 + 3 * 26 - 2  # the two doubled letters come twice


def test_what_lies_behind_the_last_piece_is_counted(reader):
    reading = reader.read("dog " * 200)
    assert len(reading.pieces) == MAX_PIECES
    assert reading.left_out == 200 - (MAX_PIECES - 2)


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        ("a red dog, the cat", ""),
        ("zxqv dog", 'I do not know the word "zxqv"; it was left out'),
        ("zxqv dog 猫", 'I do not know the words "zxqv" and "猫"; they were left out'),
        ("a photto of a boat", 'I read "photto" as "photo"; I do not know the word "of"; it was left out'),
        ("dog " * 130, "the text is too long: its last 4 words were left out"),
    ],
)
def test_the_notice_tells_what_was_not_read_as_it_stands(tower, text, notice):
    assert tower.notice(text) == notice


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("the", "'the' says nothing about a picture: add a word"),
        ("!?", "says nothing about a picture"),
        ("猫", 'does not know "猫", and nothing else is said: it reads English'),
        ("the zxqv", 'does not know "zxqv"'),
        ("tarrantulla", "did you mean 'tarantula'"),
    ],
)
def test_a_text_that_says_nothing_known_is_refused(tower, text, said):
    with pytest.raises(BadQuery, match=said.replace("?", r"\?")):
        tower.rows(["a dog", text])


def test_what_is_left_out_does_not_change_the_row(tower):
    rows = tower.rows(["red dog", "red zxqv dog", "red dog 猫"])
    assert np.array_equal(rows[0], rows[1]) and np.array_equal(rows[0], rows[2])


def test_rows_are_unit_and_do_not_depend_on_the_other_texts(tower):
    texts = ["a red boat", "dog", "the tarantula, a red cat", "a red dog", "cat"]
    rows = tower.rows(texts)
    assert rows.shape == (5, 16) and rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    assert np.array_equal(rows, np.concatenate([tower.rows([text]) for text in texts]))
    assert tower.rows([]).shape == (0, 16)


def test_the_order_of_words_counts(tower):
    one, other = tower.rows(["red dog", "dog red"])
    assert not np.allclose(one, other, atol=1e-3)


def test_the_sentence_model_is_that_of_torch():
    """torch's own encoder layers with the same weights, on one text."""
    arrays = small_arrays(16)
    model, weights = SentenceModel(arrays), {key: torch.from_numpy(v) for key, v in dequantise(arrays).items()}
    names = {
        "self_attn.in_proj_": "attention.",
        "self_attn.out_proj.": "output.",
        "linear1.": "expand.",
        "linear2.": "contract.",
        "norm1.": "norm1.",
        "norm2.": "norm2.",
    }
    reading = model.reader.read("a red tarantula, the boat")
    state = weights["pieces.weight"][reading.pieces] + weights["places.weight"][: len(reading.pieces)]
    state = nn.functional.layer_norm(state, (WIDTH,), weights["norm.weight"], weights["norm.bias"], 1e-12)[None]
    for number in range(2):
        layer = nn.TransformerEncoderLayer(WIDTH, WIDTH // 32, 128, activation="gelu", batch_first=True, dropout=0)
        layer.norm1.eps = layer.norm2.eps = 1e-12
        given = part_of(weights, f"layers.{number}.")
        layer.load_state_dict({a + part: given[b + part] for a, b in names.items() for part in ("weight", "bias")})
        with torch.inference_mode():
            state = layer.train()(state)  # train: not the fused path; dropout is 0
    wanted = nn.functional.normalize(state[0].mean(0), dim=0).numpy()
    assert model.features([reading])[0] == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(("precision", "least"), [("float32", 1 - 1e-5), ("bfloat16", 0.999)])
def test_openvino_reads_as_numpy_does(precision, least):
    pytest.importorskip("openvino")
    arrays, texts = small_arrays(16), ["dog", "a red tarantula, the boat", "a photo, dog cat dog"]
    readings = [SentenceModel(arrays).reader.read(text) for text in texts]
    model = SentenceModel(arrays, How("cpu", "openvino", precision))
    rows = model.features(readings)
    assert (rows * SentenceModel(arrays).features(readings)).sum(axis=1).min() > least
    with ThreadPoolExecutor(4) as visitors:  # alone or beside others, a text has the same row in every bit
        found = list(visitors.map(lambda number: model.features(readings[number % 3 :][:1])[0], range(60)))
    assert all(np.array_equal(row, rows[number % 3]) for number, row in enumerate(found))


def test_a_graph_holds_its_numbers_of_four_bits_itself():
    """Its sources are overwritten before it is compiled, as other threads do to memory that was given back."""
    pytest.importorskip("openvino")
    from searchdemo.encoders.runtime.openvino_runtime import on_one_core
    from searchdemo.encoders.sentence_graph import graph

    tensors = SentenceModel(small_arrays(dim=4)).__dict__["_tensors"]
    made = graph(tensors, 2, 32, 1e-12, "bfloat16")
    rows = np.random.default_rng(0).normal(size=(1, 3, WIDTH)).astype(np.float32)
    wanted = on_one_core(graph(tensors, 2, 32, 1e-12, "bfloat16"), "float32")(rows)
    for array in tensors.values():
        array[...] = 0
    zeros = [np.full(1, 0x77, np.uint8) for _ in range(1_000)]  # of the size of the zero point
    assert (on_one_core(made, "float32")(rows) == wanted).all() and len(zeros) == 1_000


def test_gelu_and_layer_norm_by_their_definitions():
    x = np.linspace(-6, 6, 1001, dtype=np.float32)
    exact = np.array([v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in x.tolist()])
    assert np.abs(gelu(x) - exact).max() < 2e-6
    row = layer_norm(np.array([[1.0, 3.0]]), np.array([2.0, 2.0]), np.array([0.5, 0.5]))
    assert row.tolist() == [[pytest.approx(-1.5), pytest.approx(2.5)]]


def test_the_head_weighs_things_by_likeness_and_gives_scenes_to_the_network():
    head = {
        "keys.weight": np.eye(3, dtype=np.float32) * 100,
        "keys.bias": np.zeros(3, np.float32),
        "values.weight": np.array([[0, 1], [1, 0]], np.float32),  # of two things; the third key is that of scenes
        "skip.weight": np.array([[0, 0, -5], [0, 0, 0]], np.float32),
        "expand.weight": np.zeros((1, 3), np.float32),
        "expand.bias": np.zeros(1, np.float32),
        "contract.weight": np.zeros((2, 1), np.float32),
        "contract.bias": np.zeros(2, np.float32),
    }
    rows = head_rows(unit(np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]], np.float32)), head)
    both = np.array([0.5 - 5, 0.5]) / np.hypot(
        4.5, 0.5
    )  # the scene beside what known things, all alike, leave in place
    assert rows == pytest.approx(np.array([[0, 1], [1, 0], [0.5**0.5, 0.5**0.5], both]), abs=1e-6)


def test_four_bits_are_exact_for_multiples_of_a_scale_and_near_for_others():
    steps = np.resize(np.arange(-7, 8), (3, GROUP)).astype(np.float32) * np.float32([[0.5], [2], [8]])
    stored = quantise_4bit({"w": steps, "b": np.ones(3)})
    assert stored["w"].shape == (3, GROUP // 2) and stored["w"].dtype == np.uint8
    assert stored["w.scales"].shape == (3, 1)
    back = dequantise(stored)
    assert back.keys() == {"w", "b"}
    assert np.array_equal(back["w"], steps)
    some = np.random.default_rng(0).normal(size=(20, 4 * GROUP)).astype(np.float32)
    back = dequantise(quantise_4bit({"w": some}))["w"]
    assert np.square(back - some).mean() < 0.013 * np.square(some).mean()  # a normal distribution: 1.2 % of its power
    with pytest.raises(ValueError, match="multiple of 64 columns"):
        quantise_4bit({"w": np.ones((2, 65))})


def test_a_file_of_another_encoder_is_refused(tmp_path):
    arrays = {f"text.{name}": value for name, value in small_arrays(16).items()}
    save_file(arrays, tmp_path / "whole.safetensors")
    with pytest.raises(BadArtifact, match="does not fit small"):
        TextTower("small", 32, read_weights(tmp_path / "whole.safetensors", "numpy"))
    save_file({"x": np.ones(3)}, tmp_path / "other.safetensors")
    with pytest.raises(BadArtifact, match="not a file of the bundled encoder"):
        TextTower("small", 16, read_weights(tmp_path / "other.safetensors", "numpy"))


def test_lists_of_words():
    assert listed(["a"]) == '"a"'
    assert listed(["a", "b", "c"]) == '"a", "b" and "c"'
