"""Training in small: measures with known answers, lessons from a tiny WordNet, and going on after a kill."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch

from searchdemo import assets
from searchdemo.galleries.drawing.scene import THINGS, sample
from training import evaluate, image_tower, joint, scene_data, text_data
from training.model_card import render
from training.prototypes import follow, unit
from training.queries import QUERIES, Query, read_queries
from training.text_data import Subject
from training.text_tower import TextTower, flatten_bags


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other make tiny networks slow on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_knn_counts_the_weighted_vote():
    gallery = np.eye(4, dtype=np.float32)[[0, 1, 1, 3]]
    labels = np.array([0, 1, 1, 2])
    queries = unit(np.array([[1.0, 0.9, 0, 0], [0, 1, 0, 0]], np.float32))
    assert evaluate.knn_top1(gallery, labels, queries, np.array([1, 1]), k=3, temperature=10) == 100
    assert evaluate.knn_top1(gallery, labels, queries, np.array([0, 1]), k=3, temperature=0.02) == 100
    assert evaluate.knn_top1(gallery, labels, queries, np.array([0, 0]), k=3, temperature=0.02) == 50


def test_precision_is_the_share_of_right_classes_among_the_nearest():
    gallery = np.array([[1, 0], [0.9, 0.1], [0.8, 0.2], [0, 1]], np.float32)
    labels = np.array([0, 1, 0, 2])
    query = [Query("anything", "kinds", ("dog",), "tune")]
    names = ["dog", "cat", "bus"]
    for k, wanted in ((1, 1), (2, 0.5), (3, 2 / 3)):
        found = evaluate.precision_at(np.array([[1, 0]], np.float32), query, gallery, labels, names, k)
        assert found == pytest.approx([wanted])


def test_queries_are_a_hundred_or_more_in_each_half_and_kind_evenly():
    assert len({query.text for query in QUERIES}) == len(QUERIES) >= 100
    for kind in ("other names", "kinds", "descriptions"):
        halves = [query.half for query in QUERIES if query.kind == kind]
        assert abs(halves.count("tune") - halves.count("report")) <= 1


@pytest.mark.parametrize(
    "line",
    ["kinds\tdogs", "breeds\tdogs\tpug", "kinds\t\tpug", "kinds\tdogs\t", "kinds\tdogs\tpug | ", "", "a\tb\tc\td"],
)
def test_a_line_that_is_no_query_is_refused(line, tmp_path):
    path = tmp_path / "queries.tsv"
    path.write_text(f"kinds\tdogs\tpug | beagle\n{line}\n")
    with pytest.raises(ValueError, match=r"queries\.tsv, line 2: "):
        read_queries(path)
    path.write_text("kinds\tdogs\tpug | beagle\nkinds\tcats\ttabby\n")
    assert read_queries(path) == (
        Query("dogs", "kinds", ("pug", "beagle"), "tune"),
        Query("cats", "kinds", ("tabby",), "report"),
    )


def test_the_model_card_that_ships_has_the_figures_of_its_run_card():
    card = json.loads((assets.WEIGHTS / "run-card.json").read_text())
    assert render(card) == (assets.WEIGHTS / "MODEL_CARD.md").read_text()
    card["figures"]["names_top1"] = 12.25
    assert "| top-1 by class names | 12.25 % |" in render(card)


NOUNS = {
    "dog": {"hypernyms": ["animal"]},
    "poodle": {"hypernyms": ["dog"]},
    "pug": {"hypernyms": ["dog"]},
    "beagle": {"hypernyms": ["dog"]},
    "cat": {"hypernyms": ["animal"]},
    "animal": {"hypernyms": []},
    "stone": {"hypernyms": []},
}


def test_a_noun_is_answered_by_the_classes_below_it_or_below_its_nearest_kind():
    answers = text_data.class_answers(NOUNS, ["poodle", "pug", "cat"], max_answers=2)
    assert answers == {"dog": (0, 1), "poodle": (0,), "pug": (1,), "beagle": (0, 1), "cat": (2,)}  # animal: too many


def test_a_misspelt_word_differs_in_few_letters():
    rng = np.random.default_rng(0)
    for _ in range(100):
        wrong = text_data.misspell("tarantula", rng)
        assert abs(len(wrong) - len("tarantula")) <= 1
        assert len(set(wrong) ^ set("tarantula")) <= 2


def test_hidden_words_become_ngrams_of_the_same_weight():
    vocabulary = {"yellow": 0, "bus": 1}
    seen = [text_data.noisy_rows("yellow bus", vocabulary, np.random.default_rng(seed)) for seed in range(40)]
    assert all(sum(weights) == pytest.approx(2) for _, weights in seen)
    assert any(max(rows) > 1 for rows, _ in seen)
    assert any(rows == [0, 1] for rows, _ in seen)


def test_a_subject_is_written_in_many_ways_that_all_name_or_explain_it():
    subject = Subject(("lemon", "citron"), 0, "citrus", "yellow oval fruit")
    rng = np.random.default_rng(0)
    texts = {text_data.write(subject, rng) for _ in range(200)}
    assert {"lemon", "citron", "a photo of a lemon", "lemon, a kind of citrus", "yellow oval fruit"} <= texts
    assert all(any(name in text for name in (*subject.names, subject.gloss)) for text in texts)


def test_rows_follow_the_class_they_are_nearest_to():
    class_rows, learned = np.eye(4)[:2], np.eye(4)[[2, 1]]
    moved = follow(class_rows, class_rows, learned)
    assert moved[1] == pytest.approx(learned[1], abs=1e-6)  # stood still
    assert moved[0] @ learned[0] > 0.999  # went along
    aside = follow(unit(np.array([[0.5, 0.0, 0.0, 0.5]])), class_rows, learned)[0]
    assert aside[2] > 0.8


def test_captions_are_true_of_their_scene_and_truth_knows_the_others():
    scenes = sample(5, 60)
    codes, numbers = scene_data.codes(scenes)
    said = np.full((1, len(scene_data.ATTRIBUTES)), -1)
    said[0, scene_data.ATTRIBUTES.index("thing")] = numbers["thing", THINGS[0]]
    assert scene_data.matches(said, codes)[0].tolist() == [scene.thing == THINGS[0] for scene in scenes]
    text, names = scenes[0].varied_caption(random.Random(1))
    assert names
    assert names <= set(scene_data.ATTRIBUTES)
    assert text.strip() == text


def test_matching_loss_by_hand():
    scores = torch.log(torch.tensor([[1.0, 1.0, 2.0], [3.0, 1.0, 1.0]]))
    true = torch.tensor([[False, False, True], [False, False, False]])  # the second row has none and does not count
    assert float(joint.matching_loss(scores, true)) == pytest.approx(-np.log(0.5))
    both = torch.tensor([[True, True, False]])
    assert float(joint.matching_loss(scores[:1], both)) == pytest.approx(-np.log(0.25))


def test_crops_of_the_whole_picture_change_only_its_brightness():
    pixels = torch.randint(0, 256, (4, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    whole = image_tower.standardise(pixels)
    for mirrored in (0, 1):
        crops = image_tower.random_crops(pixels, 16, (16.0, 16.0), torch.Generator().manual_seed(1), mirrored)
        expected = whole.flip(3) if mirrored else whole
        for crop, picture in zip(crops, expected, strict=True):
            assert np.corrcoef(crop.flatten(), picture.flatten())[0, 1] > 0.9999


def test_training_goes_on_after_a_kill_as_if_nothing_had_happened(tmp_path):
    recipe = image_tower.Recipe(resolutions=((1, 8), (1, 16)), batch_size=8, widths=(4, 8), blocks=1)
    rng = np.random.default_rng(0)
    data = rng.integers(0, 256, (16, 16, 16, 3), np.uint8), np.arange(16) % 4
    prototypes = unit(rng.normal(size=(4, 128)))

    def run(name: str, until: int):
        return image_tower.train(recipe, prototypes, data, data, tmp_path / name, 3, lambda line: None, until)

    run("killed.safetensors", 1)
    resumed, whole = run("killed.safetensors", 2), run("whole.safetensors", 2)
    assert [point["px"] for point in resumed.curve] == [8, 16]
    for name, value in whole.model.state_dict().items():
        assert torch.allclose(resumed.model.state_dict()[name].float(), value.float(), atol=1e-4), name


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    data = rng.integers(0, 256, (8, 16, 16, 3), np.uint8), np.arange(8) % 4
    prototypes = unit(rng.normal(size=(4, 128)))
    for batch_size in (4, 8):
        recipe = image_tower.Recipe(resolutions=((1, 8),), batch_size=batch_size, widths=(4,), blocks=1)
        if batch_size == 8:
            with pytest.raises(ValueError, match="another recipe"):
                image_tower.train(recipe, prototypes, data, data, tmp_path / "c.safetensors", say=lambda line: None)
        else:
            image_tower.train(recipe, prototypes, data, data, tmp_path / "c.safetensors", say=lambda line: None)


def small_joint(seed: int) -> joint.Joint:
    recipe = image_tower.Recipe(resolutions=((1, 8),), widths=(4,), blocks=1)
    prototypes = unit(np.random.default_rng(seed).normal(size=(4, 128)))
    trainer = image_tower.Trainer(recipe, prototypes, 10, 0, torch.device("cpu"))
    torch.manual_seed(seed)
    return joint.Joint(trainer, TextTower(6, hidden=4), joint.JointRecipe(), 10)


def test_the_joint_stage_goes_on_after_a_kill_as_if_nothing_had_happened(tmp_path):
    pixels = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    bags = flatten_bags([([row], [1.0]) for row in range(4)])

    def step(run: joint.Joint) -> None:
        run.update(-(run.trainer.model.tower(pixels) * run.tower(*bags)).sum())

    whole, resumed = small_joint(1), small_joint(2)
    step(whole)
    whole.save(tmp_path / "joint.safetensors")
    resumed.resume(tmp_path / "joint.safetensors")
    step(whole)
    step(resumed)
    assert (whole.step, resumed.step) == (2, 2)
    for one, other in ((whole.tower, resumed.tower), (whole.trainer.average, resumed.trainer.average)):
        for name, value in one.state_dict().items():
            assert torch.allclose(value.float(), other.state_dict()[name].float(), atol=1e-6), name


def test_scenes_remember_the_latest_and_pull_true_pairs_together():
    scenes = sample(5, 60)
    recipe = joint.JointRecipe(scenes=8, captions=20, remembered=12)
    drawn = joint.Scenes(np.zeros((60, 64, 64, 3), np.uint8), scenes, {}, recipe, "cpu")
    pixels, codes, bags, said = drawn.draw(np.random.default_rng(0))
    assert (len(pixels), len(codes), len(bags), len(said)) == (8, 8, 28, 28)
    assert scene_data.matches(said, codes).any(axis=0).all()  # every picture has a caption that is true of it
    true = scene_data.matches(said, codes).astype(np.float32)
    rows = torch.eye(8)
    drawn.rows = torch.zeros(0, 8)
    good = drawn.loss(rows, codes, torch.from_numpy(true), said)
    assert len(drawn.rows) == len(drawn.row_codes) == 8
    bad = drawn.loss(rows, codes, torch.from_numpy(1 - true), said)
    assert good < bad
    assert len(drawn.rows) == len(drawn.row_codes) == 12
