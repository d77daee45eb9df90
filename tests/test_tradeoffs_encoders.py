"""The table of encoders in the Trade-offs tab: whose figures it shows, and which it leaves out."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import page_server
import pytest
from tradeoff_card import SUBJECT, tradeoff_card

from searchdemo import assets
from searchdemo.collection.store import Key
from searchdemo.encoders.table import ENCODERS
from searchdemo.files import sha256_of
from searchdemo.measure import cards as run_card
from searchdemo.measure.machine import machine
from searchdemo.ui.tradeoffs.encoders import Figure, Line, encoders_html, lines

WEIGHTS = "c0" * 32  # of Colours, which stands for `bundled`


@pytest.fixture(autouse=True)
def roots(tmp_path, monkeypatch):
    """(own, shipped): empty ones."""
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(assets, "CARDS", tmp_path / "shipped")
    return run_card.own_cards(), assets.CARDS


@pytest.fixture(scope="module")
def library():
    return page_server.library()


def line(library, encoder: str = "bundled", gallery: str = "scenes") -> Line:
    (found,) = lines(library, {encoder: Key(gallery, encoder)})
    return found


def card(benchmark: str, gallery: str = "scenes", **changed):
    subject = SUBJECT | {"weights_sha256": WEIGHTS, "stand_in": False} | changed.pop("subject", {})
    parts = {
        "knn": {"accuracy": [{"split": "train", "k": 20, "vote": "weighted", "top1": 99.0},
                             {"split": "valid", "k": 20, "vote": "plain", "top1": 98.0},
                             {"split": "valid", "k": 20, "vote": "weighted", "top1": 71.4}]},
        "classnames": {"sets": [{"top1": 60.0, "texts": 200}, {"top1": 65.5, "texts": 800}]},
        "latency": {"extraction": [{"one_p50_ms": 5.5, "threads": 1, "stand_in": False}, {"one_p50_ms": 9.0}]},
        "tradeoff": tradeoff_card().parts,
    }[benchmark]  # fmt: skip
    return tradeoff_card(gallery, **{"benchmark": benchmark, "parts": parts, "subject": subject} | changed)


QUICK = {"settings": {"quick": True, "threads": [1]}}


def test_without_cards_nothing_was_measured(library):
    found = line(library)
    assert (found.knn, found.words, found.ms) == (None, None, None)
    assert found.vectors_bytes == 2000 * 128 * 2 and found.built and found.here
    other = line(library, "clip-vit-l14")
    assert not other.built and not other.here and other.weights_bytes == ENCODERS["clip-vit-l14"].download_bytes


def test_figures_come_from_the_cards_of_this_gallery_and_these_weights(library, roots):
    for benchmark in ("knn", "classnames", "latency"):
        run_card.save(card(benchmark, machine=machine()), roots[1])
    found = line(library)
    assert (found.knn, found.words, found.ms) == (Figure(71.4), Figure(65.5), Figure(5.5))


def test_figures_of_another_gallery_are_left_out(library, roots):
    for benchmark in ("knn", "classnames", "latency"):
        run_card.save(card(benchmark, "tiny-imagenet", machine=machine()), roots[1])
    found = line(library)
    assert (found.knn, found.words) == (None, None) and found.ms == Figure(5.5)  # a picture takes as long


def test_figures_of_other_weights_are_left_out(library, roots):
    other = {"weights_sha256": "d1" * 32}
    for benchmark in ("knn", "classnames", "latency", "tradeoff"):
        run_card.save(card(benchmark, subject=other), roots[0])
    found = line(library)
    assert (found.knn, found.words, found.ms) == (None, None, None)


def test_a_full_run_goes_before_a_quick_one_and_each_says_what_it_is(library, roots):
    run_card.save(card("tradeoff", **QUICK), roots[0])
    assert line(library).knn == Figure(52.5, ("quick run, 10,000 vectors", "200 queries"), quick=True)
    run_card.save(card("tradeoff"), roots[1])
    assert line(library).knn == Figure(52.5, ("200 queries",))
    run_card.save(card("knn"), roots[1])
    assert line(library).knn == Figure(71.4)


def test_a_run_with_unusual_settings_is_another_subject(library, roots):
    run_card.save(card("knn", settings={"quick": False, "limit": 500}), roots[0])
    assert line(library).knn is None


def test_stand_ins_tell_the_time_and_say_so(library, roots):
    made_up = {"synthetic": True, "weights_sha256": "e2" * 32}
    rows = {"extraction": [{"one_p50_ms": 38.2, "threads": 1, "stand_in": True}]}
    timed = card("latency", "tiny-imagenet", subject=made_up, parts=rows, machine="Another CPU")
    run_card.save(replace(timed, encoder="clip-vit-b32"), roots[1])
    run_card.save(replace(card("knn", subject=made_up), encoder="clip-vit-b32"), roots[1])
    found = line(library, "clip-vit-b32")
    assert found.ms == Figure(38.2, ("stand-in weights", "Another CPU")) and found.knn is None


def test_a_head_that_names_the_classes_is_not_called_words(library, roots):
    of_head = card("classnames", parts={"sets": [{"top1": 61.0, "texts": None}]})
    run_card.save(replace(of_head, encoder="resnet18"), roots[1])
    assert line(library, "resnet18").words == Figure(61.0, ("its own classifier",))


def test_the_model_card_counts_for_its_own_gallery_and_weights(library, tmp_path, monkeypatch):
    weights = tmp_path / "bundled.safetensors"
    weights.write_bytes(b"weights")
    monkeypatch.setattr(assets, "WEIGHTS", tmp_path)
    content = {"weights_sha256": sha256_of(weights), "figures": {"knn_top1": {"20": 70.5}, "names_top1": 71.5}}
    (tmp_path / "run-card.json").write_text(json.dumps(content))
    found = line(library, gallery="tiny-imagenet")  # not built there: the weights are those of the file
    assert (found.knn, found.words) == (Figure(70.5, ("model card",)), Figure(71.5, ("model card",)))
    assert line(library).knn is None  # `scenes`, built with other weights
    weights.write_bytes(b"others")
    assert line(library, gallery="tiny-imagenet").knn is None


def text(html: str) -> str:
    return " ".join(re.sub("<[^>]+>", " ", html).split())


def test_the_table_has_a_row_and_a_button_for_every_encoder(library, roots):
    run_card.save(card("knn"), roots[1])
    table = lines(library, {name: Key("scenes", name) for name in ENCODERS})
    html = encoders_html("scenes", 2000, "bundled", table)
    assert re.findall(r'data-encoder="([^"]+)" aria-pressed="(\w+)"', html) == [
        (name, "true" if name == "bundled" else "false") for name in ENCODERS
    ]
    rows = {
        name: text(row) for name, row in zip(ENCODERS, re.findall(r"<tr.*?</tr>", html, re.DOTALL)[1:], strict=True)
    }
    assert rows["bundled"].startswith(
        "bundled in use 71.4 % not measured here not measured here 128 512 kB built ready here"
    )
    assert "605 MB to download" in rows["clip-vit-b32"] and "reads no words" in rows["dino-vits16"]
    assert "zero-shot" not in html  # `scenes` was not trained on
    trained = replace(table[0], knn=Figure(70.0))
    assert "this is not zero-shot" in text(encoders_html("tiny-imagenet", 100_000, "bundled", [trained]))
