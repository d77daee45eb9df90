"""An encoder that reads many languages: two small towers of its kind, and a tokenizer.json made here, from a hub."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import open_clip
import pytest

from searchdemo.encoders import open_clip_encoder, pins, table
from searchdemo.encoders.stand_in import write_stand_in
from searchdemo.errors import BadArtifact, NoWeights
from tests.loopback_hub import COMMIT, serve

tokenizers = pytest.importorskip("tokenizers")

NAME = "siglip2-vit-b32"
REAL = table.ENCODERS[NAME]
WORDS = ["<pad>", "<eos>", "<bos>", "<unk>", "rotes", "boot", "赤", "い", "船", "red", "boat"]
TOWERS = {
    "embed_dim": 32,
    "init_logit_bias": -10,
    "custom_text": True,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {
        **open_clip.get_model_config(REAL.model)["text_cfg"],
        **{"vocab_size": 16, "width": 32, "heads": 1, "layers": 1},
    },
}


def tokenizer(words=WORDS) -> str:
    """With what a file of the hub may bring and the tower was not trained with: a beginning, truncation, padding."""
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({word: n for n, word in enumerate(words)}, "<unk>"))
    splits = tokenizers.pre_tokenizers
    made.pre_tokenizer = splits.Sequence(
        [splits.WhitespaceSplit(), splits.Split(tokenizers.Regex("[赤い船]"), "isolated")]
    )
    if "<bos>" in words:
        made.post_processor = tokenizers.processors.TemplateProcessing("<bos> $A", special_tokens=[("<bos>", 2)])
    made.enable_truncation(3)
    made.enable_padding(length=5)
    return made.to_str()


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr(open_clip, "get_model_config", lambda model: json.loads(json.dumps(TOWERS)))
    spec = replace(REAL, dim=32, input_px=32)
    monkeypatch.setitem(table.ENCODERS, NAME, spec)
    open_clip_encoder._file.cache_clear()
    words = tmp_path / "tokenizer.json"
    words.write_text(tokenizer())
    held = {REAL.hub_file: write_stand_in(NAME, tmp_path / "weights"), REAL.tokenizer_file: words}
    with serve({REAL.weights: held}, monkeypatch) as hub:
        yield hub
    open_clip_encoder._file.cache_clear()


def load():
    return table.load(NAME, device="cpu", precision="float32", runtime="torch")


def test_both_files_are_fetched_pinned_and_read(hub):
    assert not table.is_here(NAME)
    encoder = load()
    assert hub.downloads == ["tokenizer.json", "open_clip_model.safetensors"] and table.is_here(NAME)
    assert {pins.pin_of(REAL, file).revision for file in pins.files_of(REAL)} == {COMMIT}
    rows = encoder.encode_texts(["Rotes Boot!", "rotes boot", "赤い船", ""])
    assert rows.shape == (4, 32) and np.isfinite(rows).all()
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-5)  # lower case and without signs, as it was trained
    assert rows[0] @ rows[2] < 0.9999
    (weights,) = (path for path in hub.files[REAL.weights].values() if path.name == "weights")
    assert table.load(NAME, weights=weights, device="cpu", runtime="torch").has_text and len(hub.downloads) == 2


def test_a_text_is_its_tokens_an_end_and_zeros(hub):
    spec = table.ENCODERS[NAME]
    found = open_clip_encoder.tokens(spec, ["red boat", "赤い船", "", "boat " * 100])
    assert found.shape == (4, 64) and found.dtype == np.int64
    assert found[0, :4].tolist() == [9, 10, 1, 0] and found[1, :5].tolist() == [6, 7, 8, 1, 0]
    assert found[2, 0] == 1 and not found[2, 1:].any()
    assert found[3].tolist() == [10] * 63 + [1]
    assert load().text_notice("boat " * 70) == "the text is too long: its last 7 words were left out"


def test_another_file_of_tokens_is_refused(hub):
    load()
    path = pins.here(REAL, REAL.tokenizer_file)
    path.resolve().write_text(tokenizer([*WORDS, "sea"]))
    with pytest.raises(BadArtifact, match=f"not the file of tokens that '{NAME}' is pinned to.*--accept {NAME}"):
        load()
    assert pins.main(["--accept", NAME]) == 0
    assert load().encode_texts(["sea"]).shape == (1, 32)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{}", "is not a tokenizer"),
        (tokenizer([*WORDS, *"abcdefgh"]), "knows 16 tokens: it has 19 tokens"),
        (tokenizer(["<unk>", "<eos>", "<pad>"]), "its tokens <pad> have other numbers"),
    ],
    ids=["none", "too many", "another"],
)
def test_a_file_that_is_no_tokenizer_of_this_tower(content, complaint, hub):
    hub.files[REAL.weights][REAL.tokenizer_file].write_text(content)
    encoder = load()
    with pytest.raises(BadArtifact, match=complaint):
        encoder.encode_texts(["boat"])


def test_own_weights_read_pictures_without_a_hub_and_words_say_what_is_missing(hub):
    hub.refuse = 503
    encoder = table.load(
        NAME, weights=hub.files[REAL.weights][REAL.hub_file], device="cpu", runtime="torch", precision="float32"
    )
    with pytest.raises(NoWeights, match=f"tokenizer.json of {NAME}, which reads words.*503.*search with a picture"):
        encoder.encode_texts(["boat"])
