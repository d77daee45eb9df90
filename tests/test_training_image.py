"""The image stage in small: scenes, the last step, and training that goes on after a kill."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import nn

from searchdemo.galleries.drawing.scene import sample
from tests.small_training import Small, generator, noise, silent
from training import coach, image_stage, image_tower, network, scene_lessons, settle
from training.recipe import Phase, Recipe
from training.scene_data import ATTRIBUTES
from training.scene_lessons import SceneLessons

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = ["n01443537", "n02124075", "n02795169", "n07920052"]  # a goldfish, a cat, a barrel, an espresso
SCENES = sample(5, 150)


# Scenes


def test_a_caption_is_the_sum_of_what_it_says():
    lessons = SceneLessons(SCENES, "cpu")
    vectors = torch.randn(lessons.count, 128, generator=generator())
    said = lessons.codes[:3].copy()
    said[1, 1:] = said[2] = -1
    found = lessons.captions(vectors, said)
    numbers = said[0] + lessons.first
    assert len(set(numbers)) == len(ATTRIBUTES) and numbers.max() < lessons.count
    assert torch.allclose(found[0], F.normalize(vectors[numbers].sum(0), dim=0), atol=1e-6)
    assert torch.allclose(found[1], F.normalize(vectors[said[1, 0]], dim=0), atol=1e-6)
    assert torch.equal(found[2], torch.zeros(128))


def test_captions_are_of_their_scenes_and_say_something_that_counts():
    lessons = SceneLessons(SCENES, "cpu")
    chosen, said = lessons.draw(40, np.random.default_rng(0))
    assert len(set(chosen)) == 40 and len(said) == 40 + scene_lessons.CAPTIONS
    assert ((said[:40] == -1) | (said[:40] == lessons.codes[chosen])).all()
    main = [ATTRIBUTES.index(name) for name in ("thing", "colour", "setting")]
    assert (said[:, main] >= 0).any(axis=1).all()
    assert all(0.02 < share < 0.98 for share in (said >= 0).mean(axis=0))


def test_the_loss_of_scenes_is_low_where_captions_and_pictures_agree(monkeypatch):
    monkeypatch.setattr(scene_lessons, "REMEMBERED", 100)
    lessons = SceneLessons(SCENES, "cpu")
    vectors = torch.eye(128)[: lessons.count]
    chosen, said = lessons.draw(40, np.random.default_rng(0))
    codes, texts = lessons.codes[chosen], lessons.captions(vectors, said)
    rows = lessons.captions(vectors, codes)
    right, wrong = [], []
    for given, found in ((rows, right), (rows.roll(7, 0), wrong)):
        lessons.forget()
        for expected in (40, 80, 100):
            found.append(float(lessons.loss(given, codes, texts, said)))
            assert len(lessons.rows) == len(lessons.row_codes) == expected
            assert torch.equal(lessons.rows[:40], given) and (lessons.row_codes[:40] == codes).all()
    assert max(right) < 5 and min(wrong) > 15  # measured: 2.7 to 3.8, and 17.6 to 18.7


# The last step


def test_neighbours_vote():
    rows, labels = torch.eye(4)[[0, 0, 0, 1, 1, 1]], torch.tensor([0, 0, 0, 1, 1, 1])
    assert float(settle.neighbours_loss(rows, labels, 0.07)) == pytest.approx(0, abs=1e-4)
    assert float(settle.neighbours_loss(rows, labels[[0, 3, 1, 4, 2, 5]], 0.07)) > 5
    one_of_three = settle.neighbours_loss(torch.eye(4), torch.tensor([0, 0, 1, 1]), 0.07)
    assert float(one_of_three) == pytest.approx(np.log(3))


class Known:
    """In place of Knowledge: features lie around 3, and each of the first four speaks for one class of 1,000."""

    def imagine(self, count, random):
        return 3 + torch.randn(count, 16, generator=random)

    def decide(self, features):
        return F.pad(3 * (features[:, :4] - 3), (0, 996), value=-9)


def test_settling_spreads_the_rows_and_neighbours_find_more():
    torch.manual_seed(1)
    known, lessons, net = Known(), SceneLessons(SCENES, "cpu"), nn.Module()
    net.num_features = 16
    model, labels = network.Classifier(net, lessons.count), torch.arange(120) % 4
    sharp, drawn = (known.imagine(150, generator(seed)) for seed in (1, 2))
    blur = torch.tensor([0.7] * 4 + [1.5] * 12)  # of each feature; the first four tell the classes
    features, fresh = (3 + 2 * torch.eye(16)[labels] + blur * torch.randn(120, 16) for _ in range(2))

    @torch.no_grad()
    def measured() -> list[float]:
        """Length of the rows' mean; shares of right neighbours, right class vectors, and kept decisions."""
        rows, asked, kept = (model.tower.rows(given) for given in (features, fresh, sharp))
        nearest = labels[(asked @ rows.T).argmax(1)] == labels
        named = model.logits(asked, torch.arange(4)).argmax(1) == labels
        agreed = model.logits(kept).argmax(1) == known.decide(sharp).argmax(1)
        return [float(rows.mean(0).norm()), *(float(right.float().mean()) for right in (nearest, named, agreed))]

    mean, top1, *_ = measured()
    recipe = settle.SettleRecipe(steps=40, batch=100, lr=1e-2, mosaics=0.05, imagined=0.05)
    given = (features, labels), torch.arange(4), (sharp, known.decide(sharp)), (drawn, lessons)
    settle.settle(model, known, *given, recipe, 0, silent)
    settled_mean, settled_top1, named, agreed = measured()
    assert settled_mean < mean - 0.2  # measured: 0.91, then 0.55
    assert settled_top1 > top1  # 0.65, then 0.78
    assert named > 0.8 and agreed > 0.7  # 0.92 and 0.84


# Training


SMALL = Recipe(phases=(Phase(1, 8), Phase(1, 16)), photos=49, mosaics=4, scenes=8, imagined=16, peak_lr=1e-2)
COACHED = replace(SMALL, coach="lite2", coach_px=24, coach_epochs=1, coach_batch=64)
DEVICE = torch.device("cpu")


@pytest.fixture
def small(monkeypatch):
    """Every network is the same small one, and pictures are small."""
    torch.manual_seed(0)
    net = Small().eval()
    for module in (image_tower, coach):
        monkeypatch.setattr(module, "pretrained", lambda size: deepcopy(net))
    for module in (image_tower, image_stage):
        monkeypatch.setattr(module, "PX", 16)
        monkeypatch.setattr(module, "DEVICE", DEVICE)


def train_set(count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    return noise(count, 16, 16).numpy(), np.arange(count) * 4 // count


def lessons(recipe: Recipe = SMALL) -> image_tower.Lessons:
    scenes, classes = SceneLessons(SCENES, DEVICE), network.class_numbers(NAMES)
    return image_tower.Lessons(recipe, train_set(), classes, noise(150, 16, 16).numpy(), scenes, DEVICE)


def test_ten_pictures_of_each_class_are_never_trained_on(small):
    assert (image_tower.held_out(100_000).reshape(200, 500).sum(1) == 10).all()
    found, (pixels, labels) = lessons(), train_set()
    held = [25, 75, 125, 175]
    kept = np.setdiff1d(np.arange(200), held)
    assert (found.held[0].numpy() == pixels[held]).all() and found.held[1].tolist() == [0, 1, 2, 3]
    assert (found.pixels.numpy() == pixels[kept]).all() and (found.labels.numpy() == labels[kept]).all()
    assert len(found.knowledge.features) == 196


def trainer(recipe: Recipe = SMALL, seed: int = 0) -> image_tower.Trainer:
    return image_tower.Trainer(recipe, 5, 10, seed, DEVICE)


def test_the_averaged_weights_follow_the_present_ones(small):
    found = trainer()
    for step, expected in ((0, 0.9), (10, 0.45), (10**6, 0.001)):
        for model, number in ((found.average, 0.0), (found.model, 1.0)):
            for value in model.state_dict().values():
                value.fill_(number)
        found.step = step
        found.follow()
        floats = [value for value in found.average.state_dict().values() if value.is_floating_point()]
        assert all(torch.allclose(value, torch.full_like(value, expected)) for value in floats)


def test_a_checkpoint_of_another_recipe_or_seed_is_refused(small, tmp_path):
    path, made = tmp_path / "checkpoint.safetensors", trainer()
    made.epoch, made.step = 1, 7
    made.save(path)
    for other in (
        trainer(seed=1),
        trainer(replace(SMALL, mosaics=8)),
        trainer(replace(SMALL, phases=SMALL.phases[:1])),
    ):
        with pytest.raises(ValueError, match="another recipe or seed"):
            other.resume(path)
    same = trainer()
    same.resume(path)
    assert (same.epoch, same.step) == (1, 7)


def test_weights_of_matrices_alone_decay(small):
    made = trainer()
    names = {id(p): name for name, p in made.model.named_parameters()}
    decayed, others = ({names[id(p)] for p in group["params"]} for group in made.optimizer.param_groups)
    assert decayed == {f"tower.net.{n}.weight" for n in ("layers.0", "layers.3", "classifier")} | {
        "tower.project.weight"
    }
    assert decayed | others == set(names.values())


def dies_at(start: str):
    def say(line: str) -> None:
        if line.startswith(start):
            raise Killed

    return say


class Killed(Exception):
    """In place of a signal."""


def tensors(path) -> dict[str, torch.Tensor]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)


@pytest.mark.parametrize("recipe", [SMALL, COACHED], ids=["alone", "coached"])
def test_training_goes_on_after_a_kill_as_if_nothing_had_happened(recipe, small, tmp_path):
    whole = image_tower.train(recipe, lessons(recipe), tmp_path / "whole.safetensors", 3, silent)
    (tmp_path / "killed").mkdir()
    path = tmp_path / "killed" / "killed.safetensors"
    with pytest.raises(Killed):
        image_tower.train(recipe, lessons(recipe), path, 3, dies_at("epoch 2:"))
    said = []
    resumed = image_tower.train(recipe, lessons(recipe), path, 3, said.append)
    assert said[0] == "image: resumed after epoch 1 of 2"
    expected, found = tensors(tmp_path / "whole.safetensors"), tensors(path)
    assert found.keys() == expected.keys()
    assert [name for name, value in expected.items() if not torch.equal(found[name], value)] == []
    assert any(name.startswith("adam.exp_avg_sq.tower.net.") for name in expected)
    steps = ["start", *["coach"] * bool(recipe.coach), "epoch", "epoch"]
    assert [next(iter(point)) for point in resumed.curve] == steps
    assert [point["px"] for point in resumed.curve[-2:]] == [8, 16]
    assert [p | {"seconds": 0} for p in resumed.curve] == [p | {"seconds": 0} for p in whole.curve]


def test_a_stage_that_was_killed_before_its_last_step_leaves_the_same_files(small, tmp_path, monkeypatch):
    monkeypatch.setattr(image_stage, "load_scenes", lambda work, say: (noise(150, 16, 16).numpy(), SCENES))

    def run(folder: str, say) -> Path:
        work = tmp_path / folder
        work.mkdir(exist_ok=True)
        image_stage.run(SMALL, settle.SettleRecipe(steps=3, batch=32), train_set(), NAMES, work, 3, say)
        return work

    with pytest.raises(Killed):
        run("killed", dies_at("image: features"))
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(image_stage, "save_file", lambda *_, **__: dies_at("")(""))
        run("killed", silent)
    assert not (tmp_path / "killed" / "picture-rows.npz").exists()  # where it is, the stage is done
    whole, resumed = run("whole", silent), run("killed", silent)
    with np.load(whole / "picture-rows.npz") as expected, np.load(resumed / "picture-rows.npz") as found:
        shapes = {"prototypes": (1000, 128), "rows": (200, 128), "scene_rows": (150, 128)}
        assert {name: found[name].shape for name in found} == shapes
        assert all((found[name] == expected[name]).all() for name in shapes)
        assert all(np.linalg.norm(found[name].astype(float), axis=1) == pytest.approx(1, abs=2e-3) for name in shapes)
    expected, found = (tensors(work / "image-tower.safetensors") for work in (whole, resumed))
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    with safe_open(resumed / "image-tower.safetensors", "pt") as file:
        about = {name: json.loads(value) for name, value in file.metadata().items()}
    assert [next(iter(point)) for point in about["curve"]] == ["start", "epoch", "epoch", "settled"]
    assert (about["recipe"]["photos"], about["settling"]["steps"]) == (49, 3)
