"""The image stage: the network is trained, then its projection settles. What the text stage needs is left in files."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from searchdemo.files import replacing
from training.data import Say, Split
from training.image_tower import DEVICE, PX, Lessons, device_name, held_out, measure, train
from training.network import Classifier, ImageTower, class_numbers
from training.pictures import mosaics, planes, resized, standardise, whole
from training.recipe import Recipe
from training.scene_data import load_scenes
from training.scene_lessons import SceneLessons
from training.settle import SettleRecipe, settle

MOSAICS = 4000


def run(
    recipe: Recipe, settling: SettleRecipe, train_set: Split, names: list[str], work: Path, seed: int, say: Say
) -> None:
    """Leaves image-tower.safetensors and picture-rows.npz in the folder `work`.

    names: WordNet ids of tiny-ImageNet's classes, in label order. The first file has the tower, its metadata the curve
    and recipes; the second has `prototypes` (1000, 128), `rows` of train (n, 128) and `scene_rows` of the drawn scenes.
    """
    scene_pixels, scenes = load_scenes(work, say)
    told = SceneLessons(scenes, DEVICE)
    lessons = Lessons(recipe, train_set, class_numbers(names), scene_pixels, told, DEVICE)
    trainer = train(recipe, lessons, work / "image-checkpoint.safetensors", seed, say)
    model, started = trainer.average.requires_grad_(True), time.perf_counter()
    say("image: features for the last step")
    features = seen_by(model.tower, np.asarray(train_set[0]), whole_pictures)
    drawn = seen_by(model.tower, np.asarray(scene_pixels), whole_pictures)
    some = np.random.default_rng(seed).permutation(len(lessons.labels))[: 4 * MOSAICS]
    four = lessons.pixels[torch.from_numpy(some).to(DEVICE)].cpu().numpy()
    sharp = seen_by(model.tower, four, mosaic_pictures)
    decisions = lessons.knowledge.decide(seen_by(lessons.knowledge.tower, four, mosaic_pictures))
    labels = torch.from_numpy(train_set[1]).to(DEVICE)
    trained = torch.from_numpy(~held_out(len(labels))).to(DEVICE)
    settle(
        model,
        lessons.knowledge,
        (features[trained], labels[trained]),
        lessons.classes,
        (sharp, decisions),
        (drawn, told),
        settling,
        seed,
        say,
    )
    seconds = round(time.perf_counter() - started, 1)
    trainer.curve.append({"settled": True, **measure(model, lessons), "seconds": seconds})
    say(f"settled: {trainer.curve[-1]}")
    made = {"curve": trainer.curve, "recipe": recipe.facts(), "settling": vars(settling), "device": device_name()}
    leave(model, features, drawn, work, made)


def whole_pictures(pixels: torch.Tensor) -> torch.Tensor:
    return whole(pixels, PX)


def mosaic_pictures(pixels: torch.Tensor) -> torch.Tensor:
    return resized(mosaics(planes(pixels)), PX)


@torch.inference_mode()
def seen_by(tower: ImageTower, pixels: np.ndarray, prepared: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Features (n, 1280) float32 of uint8 pictures."""
    tower.eval()
    features = []
    for start in range(0, len(pixels), 400):
        given = standardise(prepared(torch.from_numpy(pixels[start : start + 400]).to(DEVICE)))
        with torch.autocast(DEVICE.type, torch.bfloat16):
            features.append(tower.features(given).float())
    return torch.cat(features)


@torch.no_grad()
def leave(model: Classifier, features: torch.Tensor, drawn: torch.Tensor, work: Path, about: dict) -> None:
    rows, scene_rows = (model.tower.rows(part).cpu().numpy().astype(np.float16) for part in (features, drawn))
    prototypes = F.normalize(model.prototypes, dim=1).cpu().numpy()
    tensors = {name: value.cpu().contiguous() for name, value in model.tower.state_dict().items()}
    with replacing(work / "image-tower.safetensors") as partial:
        save_file(tensors, partial, metadata={name: json.dumps(value) for name, value in about.items()})
    # The last file: where it is, the stage is done.
    with replacing(work / "picture-rows.npz") as partial, partial.open("wb") as file:
        np.savez(file, prototypes=prototypes, rows=rows, scene_rows=scene_rows)
