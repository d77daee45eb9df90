"""The last epochs train both towers together on tiny-ImageNet and on drawn scenes, so that words and pictures meet."""

from __future__ import annotations

import json
import math
import random as python_random
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from searchdemo.galleries.drawing.scene import Scene
from training import text_tower
from training.data import Say, Split
from training.image_tower import Trainer, part_of, random_crops
from training.scene_data import ATTRIBUTES, codes, matches
from training.text_data import Lessons, noisy_rows, write
from training.text_tower import TextTower, flatten_bags


@dataclass(frozen=True)
class JointRecipe:
    epochs: int = 2
    replaces: int = 3  # last epochs of the image stage, whose cycle is cut short; this stage's goes down to zero
    size: int = 64  # pixels per side
    batch_size: int = 128
    scenes: int = 16  # per batch
    image_lr: float = 0.015  # where the image stage's cycle ends; half a cosine down to zero
    table_lr: float = 1e-3
    head_lr: float = 5e-4
    captions: int = 192  # per step, of random scenes, beside one caption of each scene in the batch
    remembered: int = 1024  # embeddings of earlier scenes that captions are also compared with
    crop_area: tuple[float, float] = (0.3, 1.0)  # of tiny-ImageNet
    scene_area: tuple[float, float] = (0.75, 1.0)  # of scenes: a thing on the left must stay on the left
    scene_scale: float = 14.0  # inverse temperature between scenes and captions
    scene_weight: float = 0.3  # of the loss; the cross-entropy of the prototypes weighs 1
    names_weight: float = 0.3
    words_weight: float = 0.5
    words: int = 256  # texts of WordNet per step


class Scenes:
    """Draws scenes with captions, and remembers the latest embeddings (as Wang et al. 2020 do)."""

    def __init__(
        self,
        pixels: np.ndarray,
        scenes: list[Scene],
        vocabulary: dict[str, int],
        recipe: JointRecipe,
        device: torch.device | str,
    ):
        self.pixels, self.scenes, self.vocabulary, self.recipe = pixels, scenes, vocabulary, recipe
        self.codes, _ = codes(scenes)
        self.rows = torch.zeros(0, 128, device=device)
        self.row_codes = np.zeros((0, len(ATTRIBUTES)), np.int16)

    def draw(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, list, np.ndarray]:
        """Pixels and codes of recipe.scenes scenes; bags and codes of captions, theirs first. -1 codes the unsaid."""
        chosen = random.choice(len(self.scenes), self.recipe.scenes, replace=False)
        others = random.integers(len(self.scenes), size=self.recipe.captions)
        rng = python_random.Random(int(random.integers(2**31)))
        bags, said = [], []
        for row in (*chosen, *others):
            text, names = self.scenes[row].varied_caption(rng)
            bags.append(noisy_rows(text, self.vocabulary, random, drop=False))
            said.append([code if name in names else -1 for name, code in zip(ATTRIBUTES, self.codes[row], strict=True)])
        return self.pixels[np.sort(chosen)], self.codes[np.sort(chosen)], bags, np.array(said, np.int16)

    def loss(self, rows: torch.Tensor, row_codes: np.ndarray, texts: torch.Tensor, said: np.ndarray) -> torch.Tensor:
        """Low where each caption finds its pictures, remembered ones too, and each picture its captions."""
        all_rows = torch.cat([rows, self.rows])
        all_codes = np.concatenate([row_codes, self.row_codes])
        true = torch.from_numpy(matches(said, all_codes)).to(rows.device)
        scores = texts @ all_rows.T * self.recipe.scene_scale
        self.rows, self.row_codes = all_rows.detach()[: self.recipe.remembered], all_codes[: self.recipe.remembered]
        return matching_loss(scores, true) + matching_loss(scores[:, : len(rows)].T, true[:, : len(rows)].T)


def matching_loss(scores: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """Mean over rows of the cross-entropy to equal shares of the true columns. Rows without one do not count."""
    counts = true.sum(1)
    each = -(F.log_softmax(scores, dim=1) * true).sum(1) / counts.clamp(min=1)
    return each.sum() / (counts > 0).sum().clamp(min=1)


def names_loss(
    tower: TextTower,
    lessons: Lessons,
    rows: torch.Tensor,
    labels: torch.Tensor,
    scale: torch.Tensor,
    random: np.random.Generator,
) -> torch.Tensor:
    """Pictures (n, 128) against one text about each class."""
    bags = [noisy_rows(write(subject, random), lessons.vocabulary, random) for subject in lessons.classes]
    texts = tower(*(part.to(rows.device) for part in flatten_bags(bags)))
    return F.cross_entropy(rows @ texts.T * scale, labels, label_smoothing=0.1)


class Joint:
    """The image tower's trainer and the text tower, with one checkpoint for both."""

    def __init__(self, trainer: Trainer, tower: TextTower, recipe: JointRecipe, steps: int):
        self.trainer, self.tower, self.recipe, self.total_steps = trainer, tower, recipe, steps * recipe.epochs
        words = text_tower.TextRecipe(table_lr=recipe.table_lr, head_lr=recipe.head_lr)
        self.words_recipe, self.adam = words, text_tower.optimiser(tower, words)
        self.epoch = self.step = 0

    def update(self, loss: torch.Tensor) -> None:
        fall = 0.5 * (1 + math.cos(math.pi * self.step / self.total_steps))
        self.adam.param_groups[0]["lr"] = self.recipe.table_lr * fall
        self.adam.param_groups[1]["lr"] = self.recipe.head_lr * fall
        self.adam.zero_grad()
        self.trainer.update(loss, self.recipe.image_lr * fall)
        self.adam.step()
        self.step += 1

    def save(self, path: Path) -> None:
        tensors = {f"text.{name}": value for name, value in self.tower.state_dict().items()}
        for name, parameter in self.tower.named_parameters():
            state = self.adam.state[parameter]
            tensors |= {f"adam.{name}.{key}": value for key, value in state.items()}
        self.trainer.save(path, tensors, {"joint": [self.epoch, self.step, asdict(self.recipe)]})

    def resume(self, path: Path) -> None:
        """Raises ValueError when the checkpoint was made with another recipe."""
        tensors, about = self.trainer.resume(path)
        self.epoch, self.step, recipe = about["joint"]
        if recipe != json.loads(json.dumps(asdict(self.recipe))):
            raise ValueError(f"{path} was made with another recipe; choose another --work folder or delete it")
        self.tower.load_state_dict(part_of(tensors, "text."))
        for name, parameter in self.tower.named_parameters():
            self.adam.state[parameter] = part_of(tensors, f"adam.{name}.")


def train(
    joint: Joint,
    lessons: Lessons,
    scenes: Scenes,
    train_set: Split,
    valid_set: Split,
    checkpoint: Path,
    seed: int,
    say: Say,
) -> None:
    """Runs the joint epochs that are left."""
    trainer, recipe, device = joint.trainer, joint.recipe, joint.trainer.device
    pixels, labels = (torch.from_numpy(np.asarray(part)).to(device) for part in train_set)
    steps, mine = joint.total_steps // recipe.epochs, recipe.batch_size - recipe.scenes
    while joint.epoch < recipe.epochs:
        crops_random = torch.Generator().manual_seed(seed * 1000 + 500 + joint.epoch)
        random = np.random.default_rng([seed, 500 + joint.epoch])
        order = torch.randperm(len(pixels), generator=crops_random)
        started, losses = time.perf_counter(), []
        for number in range(steps):
            chosen = order[number * mine : (number + 1) * mine].to(device)
            scene_pixels, scene_codes, caption_bags, said = scenes.draw(random)
            drawn = torch.from_numpy(scene_pixels).to(device)
            photos = random_crops(pixels[chosen], recipe.size, recipe.crop_area, crops_random)
            drawings = random_crops(drawn, recipe.size, recipe.scene_area, crops_random, mirrored=0)
            crops = torch.cat([photos, drawings]).contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16):
                rows = trainer.model.tower(crops)
            photo_rows, truth, smoothing = rows[:mine], labels[chosen], trainer.recipe.label_smoothing
            by_class = F.cross_entropy(trainer.model.logits(photo_rows), truth, label_smoothing=smoothing)
            scale = trainer.model.log_scale.exp().detach()
            by_name = names_loss(joint.tower, lessons, photo_rows, truth, scale, random)
            captions = joint.tower(*(part.to(device) for part in flatten_bags(caption_bags)))
            by_scene = scenes.loss(rows[mine:], scene_codes, captions, said)
            by_word = text_tower.words_loss(joint.tower, lessons, recipe.words, joint.words_recipe, random)
            joint.update(
                by_class
                + recipe.names_weight * by_name
                + recipe.scene_weight * by_scene
                + recipe.words_weight * by_word
            )
            losses.append([loss.item() for loss in (by_class, by_name, by_scene, by_word)])
            if number % 25 == 24:
                seconds = (time.perf_counter() - started) / (number + 1)
                latest = zip(("classes", "names", "scenes", "words"), np.mean(losses[-25:], axis=0), strict=True)
                parts = ", ".join(f"{name} {value:.3f}" for name, value in latest)
                say(
                    f"joint epoch {joint.epoch + 1}/{recipe.epochs}: {number + 1}/{steps}, losses: {parts}; "
                    f"{recipe.batch_size / seconds:.0f} pictures/s, {seconds * (steps - number - 1) / 60:.1f} min left"
                )
        joint.epoch += 1
        means = np.mean(losses, axis=0).round(4).tolist()
        trainer.measure("joint_epoch", joint.epoch, recipe.size, valid_set, started, say, losses=means)
        joint.save(checkpoint)
