"""Trains the image tower: EfficientNet-Lite learns tiny-ImageNet and drawn scenes, and keeps what it knew."""

from __future__ import annotations

import json
import platform
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file

from searchdemo.encoders.weights import part_of
from searchdemo.files import replacing
from training.coach import Coach, coach, mixed_loss
from training.data import Say, Split
from training.network import Classifier, Knowledge, pretrained
from training.pictures import cut, mixed, mosaics, planes, random_boxes, resized, standardise, varied, whole
from training.recipe import Recipe, learning_rate
from training.scene_lessons import SceneLessons

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU ({platform.machine()})"


PX = 128  # of the encoder's input; the recipe's last phase has it too
HELD = 50  # every 50th picture of train is never trained on: the recipe is chosen by these, 10 of each class
SEEN = 20_000  # pictures from which Knowledge learns what the pretrained network's features look like


def held_out(count: int) -> np.ndarray:
    """Which rows of train are not trained on, (count,) bool."""
    return np.arange(count) % HELD == HELD // 2


class Trainer:
    """The state of a training. Its checkpoint holds all of it, so a killed training goes on as if never stopped."""

    def __init__(self, recipe: Recipe, attributes: int, steps_per_epoch: int, seed: int, device: torch.device):
        torch.manual_seed(seed)
        self.recipe, self.seed, self.device = recipe, seed, device
        self.total_steps = steps_per_epoch * recipe.epochs
        self.model, self.average = (
            Classifier(pretrained(recipe.network), attributes).to(device, memory_format=torch.channels_last)
            for _ in range(2)
        )
        self.average.load_state_dict(self.model.state_dict())
        self.average.requires_grad_(False)
        free = (self.model.prototypes, self.model.attributes)
        decayed = [p for p in self.model.parameters() if p.ndim > 1 and all(p is not other for other in free)]
        others = [p for p in self.model.parameters() if p.ndim <= 1 or any(p is other for other in free)]
        groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.peak_lr)
        self.epoch = self.step = 0
        self.curve: list[dict] = []

    def start(self, knowledge: Knowledge) -> None:
        """Both models at the pretrained network's own decisions."""
        knowledge.start(self.model, torch.Generator().manual_seed(self.seed))
        self.average.load_state_dict(self.model.state_dict())

    @torch.no_grad()
    def follow(self) -> None:
        """Moves the averaged weights towards the present ones, at first faster."""
        weight = 1 - min(self.recipe.averaging, (1 + self.step) / (10 + self.step))
        mean, new = (list(model.state_dict().values()) for model in (self.average, self.model))
        floats = [at for at, value in enumerate(mean) if value.is_floating_point()]
        torch._foreach_lerp_([mean[at] for at in floats], [new[at] for at in floats], weight)

    def update(self, loss: torch.Tensor) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.total_steps, self.recipe.peak_lr)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.step += 1
        self.follow()

    def save(self, path: Path) -> None:
        names = {id(parameter): name for name, parameter in self.model.named_parameters()}
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        for parameter, state in self.optimizer.state.items():
            tensors |= {f"adam.{key}.{names[id(parameter)]}": value for key, value in state.items()}
        about = {
            "epoch": self.epoch,
            "step": self.step,
            "seed": self.seed,
            "curve": self.curve,
            "recipe": self.recipe.facts(),
        }
        with replacing(path) as partial:
            save_file({k: v.contiguous() for k, v in tensors.items()}, partial, metadata={"state": json.dumps(about)})

    def resume(self, path: Path) -> None:
        """Raises ValueError when the checkpoint was made with another recipe or seed."""
        with safe_open(path, "pt", device=str(self.device)) as file:
            about = json.loads(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        wanted = json.loads(json.dumps({"recipe": self.recipe.facts(), "seed": self.seed}))
        if {"recipe": about["recipe"], "seed": about["seed"]} != wanted:
            raise ValueError(f"{path} was made with another recipe or seed; choose another --work folder or delete it")
        self.model.load_state_dict(part_of(tensors, "model."))
        self.average.load_state_dict(part_of(tensors, "average."))
        for name, parameter in self.model.named_parameters():
            keys = ("step", "exp_avg", "exp_avg_sq")
            if f"adam.step.{name}" in tensors:
                self.optimizer.state[parameter] = {key: tensors[f"adam.{key}.{name}"] for key in keys}
        self.epoch, self.step, self.curve = about["epoch"], about["step"], about["curve"]


class Lessons:
    """What the tower trains on, on its device: pictures with labels, scenes, what it knew, and perhaps a coach."""

    def __init__(
        self,
        recipe: Recipe,
        train_set: Split,
        classes: np.ndarray,
        scene_pixels: np.ndarray,
        scenes: SceneLessons,
        device: torch.device,
    ):
        """classes (200,): places of tiny-ImageNet's classes among ImageNet's 1,000; scene_pixels (n, h, w, 3) uint8."""
        held = torch.from_numpy(held_out(len(train_set[1])))
        pixels, labels = (torch.from_numpy(np.asarray(part)) for part in train_set)
        self.pixels, self.labels = pixels[~held].to(device), labels[~held].to(device)
        self.held = pixels[held].to(device), labels[held].to(device)
        self.classes = torch.from_numpy(classes).to(device)
        self.scene_pixels, self.scenes = torch.from_numpy(np.asarray(scene_pixels)).to(device), scenes
        chosen = torch.from_numpy(np.random.default_rng(0).permutation(len(self.labels))[:SEEN]).to(device)
        seen = torch.cat([whole(self.pixels[part], PX) for part in chosen.split(1000)])
        net = pretrained(recipe.network).to(device, memory_format=torch.channels_last)
        self.knowledge = Knowledge(net, seen, self.labels[chosen], self.classes)
        self.coach: Coach | None = None


def keep_loss(logits: torch.Tensor, decisions: torch.Tensor) -> torch.Tensor:
    """Kullback-Leibler divergence from the pretrained network's decisions to the tower's, both (n, 1000) logits."""
    return F.kl_div(F.log_softmax(logits, 1), F.log_softmax(decisions, 1), log_target=True, reduction="batchmean")


LOSSES = ("labels", "coach", "keep photos", "keep mosaics", "keep features", "keep imagined", "scenes")


def losses(
    model: Classifier, lessons: Lessons, recipe: Recipe, rows: torch.Tensor, epoch: int, random: torch.Generator
) -> list[torch.Tensor]:
    """One batch's losses, in the order of LOSSES, not yet weighted. rows: of the photos (recipe.photos,)."""
    phase, device, photos = recipe.phase(epoch), lessons.pixels.device, recipe.photos
    labels, knowledge = lessons.labels[rows], lessons.knowledge
    size = recipe.coach_px if lessons.coach else phase.px
    given = cut(planes(lessons.pixels[rows]), random_boxes(photos, phase.crop_area, 0.5, random), size)
    given, kept = mixed(varied(given, random), recipe.mixed, random)
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
        opinions = lessons.coach(standardise(given)) if lessons.coach else None
    given = resized(given, phase.px) if size != phase.px else given
    some = torch.randint(len(lessons.pixels), (4 * recipe.mosaics,), generator=random).to(device)
    canvas = mosaics(planes(lessons.pixels[some]))
    sharp = varied(cut(canvas, random_boxes(recipe.mosaics, (0.4, 1.0), 0.5, random), phase.px), random)
    chosen, said = lessons.scenes.draw(
        recipe.scenes, np.random.default_rng(int(torch.randint(2**31, (1,), generator=random)))
    )
    drawn = planes(lessons.scene_pixels[torch.from_numpy(chosen).to(device)])
    drawn = cut(drawn, random_boxes(recipe.scenes, (0.75, 1.0), 0, random), phase.px)  # left must stay left
    pictures = standardise(torch.cat([given, sharp, drawn]))
    known, decisions = knowledge.see(pictures[: photos + recipe.mosaics])
    with torch.autocast(device.type, torch.bfloat16):
        features = model.tower.features(pictures)
    features = features.float()
    units = model.tower.rows(features)
    mine = model.logits(units[: photos + recipe.mosaics])
    by_label = mine[:photos, lessons.classes]
    imagined = knowledge.imagine(recipe.imagined, random)
    return [
        mixed_loss(by_label, labels, kept, recipe.label_smoothing),
        keep_loss(by_label, opinions.float()) if opinions is not None else torch.zeros((), device=device),
        keep_loss(mine[:photos], decisions[:photos]),
        keep_loss(mine[photos:], decisions[photos:]),
        1 - F.cosine_similarity(features[photos : photos + recipe.mosaics], known[photos:], dim=1).mean(),
        keep_loss(model.logits(model.tower.rows(imagined)), knowledge.decide(imagined)),
        lessons.scenes.loss(
            units[photos + recipe.mosaics :],
            lessons.scenes.codes[chosen],
            lessons.scenes.captions(model.attributes, said),
            said,
        ),
    ]


@torch.inference_mode()
def measure(model: Classifier, lessons: Lessons) -> dict[str, float]:
    """In percent, on pictures that were not trained on: top-1 among the 200 classes, and how often the tower's first
    of the 1,000 classes is the pretrained network's, on these pictures and on mosaics of them."""
    pixels, labels = lessons.held
    model.eval()

    def asked(pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.autocast(pictures.device.type, torch.bfloat16):
            rows = model.tower(standardise(pictures))
        return model.logits(rows), lessons.knowledge.see(standardise(pictures))[1]

    photos = [asked(whole(part, PX)) for part in pixels.split(250)]
    sharp = [asked(resized(mosaics(planes(part)), PX)) for part in pixels.split(1000)]
    model.train()
    right = [
        mine[:, lessons.classes].argmax(1) == truth for (mine, _), truth in zip(photos, labels.split(250), strict=True)
    ]
    agreed, agreed_sharp = ([mine.argmax(1) == own.argmax(1) for mine, own in pairs] for pairs in (photos, sharp))
    parts = {"held_top1": right, "agreement": agreed, "agreement_mosaics": agreed_sharp}
    return {name: round(100 * float(torch.cat(values).float().mean()), 2) for name, values in parts.items()}


@torch.inference_mode()
def held_top1(coach: Coach, px: int, lessons: Lessons) -> float:
    """Percent of the pictures kept out of training that the coach names right."""
    right = []
    for pixels, labels in zip(*(part.split(250) for part in lessons.held), strict=True):
        with torch.autocast(pixels.device.type, torch.bfloat16):
            right.append(coach(standardise(whole(pixels, px))).argmax(1) == labels)
    return round(100 * float(torch.cat(right).float().mean()), 2)


def train(recipe: Recipe, lessons: Lessons, checkpoint: Path, seed: int, say: Say) -> Trainer:
    """Runs the recipe's epochs, and resumes from the checkpoint when it exists."""
    device, steps = lessons.pixels.device, len(lessons.labels) // recipe.photos
    trainer = Trainer(recipe, lessons.scenes.count, steps, seed, device)
    if checkpoint.exists():
        trainer.resume(checkpoint)
        say(f"image: resumed after epoch {trainer.epoch} of {recipe.epochs}")
    else:
        trainer.start(lessons.knowledge)
        trainer.curve.append({"start": True, **measure(trainer.average, lessons), "seconds": 0.0})
        say(f"image: {trainer.curve[0]}")
    if recipe.coach and trainer.epoch < recipe.epochs:
        file, started = checkpoint.with_name("coach.safetensors"), time.perf_counter()
        lessons.coach = coach(recipe, lessons.pixels, lessons.labels, lessons.classes, file, seed, say)
        if trainer.epoch == 0:
            point = {"coach": recipe.coach, "held_top1": held_top1(lessons.coach, recipe.coach_px, lessons)}
            trainer.curve.append(point | {"seconds": round(time.perf_counter() - started, 1)})
    weights = torch.tensor(
        [
            recipe.labels if recipe.coach else 1.0,
            recipe.coach_weight,
            recipe.keep_photos,
            recipe.keep_mosaics,
            recipe.keep_features,
            recipe.keep_imagined,
            recipe.scenes_weight,
        ],
        device=device,
    )
    trainer.model.train()
    while trainer.epoch < recipe.epochs:
        random = torch.Generator().manual_seed(seed * 1000 + trainer.epoch)
        order = torch.randperm(len(lessons.labels), generator=random)
        lessons.scenes.forget()
        started, seen = time.perf_counter(), []
        for number in range(steps):
            rows = order[number * recipe.photos : (number + 1) * recipe.photos].to(device)
            each = torch.stack(losses(trainer.model, lessons, recipe, rows, trainer.epoch, random))
            trainer.update((each * weights).sum())
            seen.append(each.detach())
            if number % 50 == 49:
                parts = torch.stack(seen[-50:]).mean(0).tolist()
                rate = (number + 1) * recipe.photos / (time.perf_counter() - started)
                told = ", ".join(f"{name} {value:.3f}" for name, value in zip(LOSSES, parts, strict=True))
                left = (steps - number - 1) * recipe.photos / rate / 60
                say(
                    f"epoch {trainer.epoch + 1}/{recipe.epochs}: {number + 1}/{steps}, {told}; "
                    f"{rate:.0f} pictures/s, {left:.1f} min left in this epoch"
                )
        trainer.epoch += 1
        seconds = time.perf_counter() - started
        point = {"epoch": trainer.epoch, "px": recipe.phase(trainer.epoch - 1).px, **measure(trainer.average, lessons)}
        means = torch.stack(seen).mean(0).tolist()
        point["losses"] = {name: round(value, 4) for name, value in zip(LOSSES, means, strict=True)}
        trainer.curve.append(point | {"seconds": round(seconds, 1)})
        say(f"epoch {trainer.epoch}: {point}")
        trainer.save(checkpoint)
    return trainer
