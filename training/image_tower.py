"""Trains the image tower: cosine classification against prototypes that start where the words lie."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from searchdemo.encoders.bundled_image import PIXEL_MEAN, PIXEL_STD, ImageTower
from searchdemo.encoders.weights import part_of
from searchdemo.files import replacing
from training.data import Say, Split

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Recipe:
    resolutions: tuple[tuple[int, int], ...]  # (epochs, pixels per side), in this order
    batch_size: int = 128
    peak_lr: float = 0.15  # of SGD with Nesterov momentum 0.9, one cycle
    warmup: float = 0.08  # share of the steps
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    crop_area: tuple[float, float] = (0.3, 1.0)  # share of the picture that a random crop keeps
    averaging: float = 0.999  # decay per step of the exponential moving average of the weights
    widths: tuple[int, ...] = (112, 224, 448)
    blocks: int = 2

    @property
    def epochs(self) -> int:
        return sum(epochs for epochs, _ in self.resolutions)

    def resolution(self, epoch: int) -> int:
        for epochs, pixels in self.resolutions:
            if epoch < epochs:
                return pixels
            epoch -= epochs
        return self.resolutions[-1][1]


CPU = Recipe(resolutions=((10, 48), (6, 64)))
CUDA = Recipe(resolutions=((60, 64),), batch_size=256, peak_lr=0.3, widths=(144, 288, 576), blocks=3)


class Classifier(nn.Module):
    """Image tower, prototypes (classes, 128) and the inverse temperature of their cosines."""

    def __init__(self, recipe: Recipe, prototypes: np.ndarray):
        super().__init__()
        self.tower = ImageTower(widths=recipe.widths, blocks=recipe.blocks)
        self.prototypes = nn.Parameter(torch.from_numpy(prototypes.astype(np.float32)))
        self.log_scale = nn.Parameter(torch.tensor(math.log(12.0)))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.logits(self.tower(pixels))

    def logits(self, rows: torch.Tensor) -> torch.Tensor:
        """Unit rows (n, 128) -> scaled cosines (n, classes)."""
        return rows @ F.normalize(self.prototypes, dim=1).T * self.log_scale.exp()


def standardise(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 (n, h, w, 3) -> float32 (n, 3, h, w), channels last in memory."""
    return ((pixels.permute(0, 3, 1, 2).float() / 255) - PIXEL_MEAN) / PIXEL_STD


def random_crops(
    pixels: torch.Tensor, size: int, crop_area: tuple[float, float], random: torch.Generator, mirrored: float = 0.5
) -> torch.Tensor:
    """A random crop, scale, aspect, mirror and brightness for each picture, in one bilinear resampling.

    mirrored: the share of pictures that are mirrored.
    """
    n = len(pixels)

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.rand(n, generator=random) * (high - low) + low

    area, aspect = uniform(*crop_area), uniform(math.log(3 / 4), math.log(4 / 3)).exp()
    width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    left, top = uniform(-1, 1) * (1 - width), uniform(-1, 1) * (1 - height)
    mirror = 1 - 2 * (torch.rand(n, generator=random) < mirrored).float()
    zero = torch.zeros(n)
    affine = torch.stack([torch.stack([width * mirror, zero, left], 1), torch.stack([zero, height, top], 1)], 1)
    grid = F.affine_grid(affine.to(pixels.device), [n, 3, size, size], align_corners=False)
    crops = F.grid_sample(standardise(pixels), grid, padding_mode="reflection", align_corners=False)
    gain, bias = uniform(0.8, 1.2).to(pixels.device), uniform(-0.2, 0.2).to(pixels.device)
    return (crops * gain[:, None, None, None] + bias[:, None, None, None]).contiguous(memory_format=torch.channels_last)


def top1(model: nn.Module, pixels: np.ndarray, labels: np.ndarray, size: int, device: torch.device) -> float:
    """Accuracy in percent of the prototypes' head on whole pictures."""
    model.eval()
    right = 0
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        for start in range(0, len(pixels), 500):
            batch = standardise(torch.from_numpy(pixels[start : start + 500]).to(device))
            if size != batch.shape[-1]:
                batch = F.interpolate(batch, (size, size), mode="bilinear", antialias=True)
            guesses = model(batch.contiguous(memory_format=torch.channels_last)).argmax(1).cpu().numpy()
            right += int((guesses == labels[start : start + 500]).sum())
    model.train()
    return 100 * right / len(pixels)


class Trainer:
    """The state of a training. Its checkpoint holds all of it, so a killed training goes on as if never stopped."""

    def __init__(self, recipe: Recipe, prototypes: np.ndarray, steps_per_epoch: int, seed: int, device: torch.device):
        torch.manual_seed(seed)
        self.recipe, self.seed, self.device = recipe, seed, device
        self.total_steps = steps_per_epoch * recipe.epochs
        self.model = Classifier(recipe, prototypes).to(device, memory_format=torch.channels_last)
        self.average = Classifier(recipe, prototypes).to(device, memory_format=torch.channels_last)
        self.average.load_state_dict(self.model.state_dict())
        decayed = [p for p in self.model.parameters() if p.ndim > 1 and p is not self.model.prototypes]
        others = [p for p in self.model.parameters() if p.ndim <= 1 or p is self.model.prototypes]
        groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.SGD(groups, lr=recipe.peak_lr, momentum=0.9, nesterov=True)
        self.epoch = self.step = 0
        self.curve: list[dict] = []

    def learning_rate(self) -> float:
        """Linear warm-up, then half a cosine down to zero."""
        progress, warmup = self.step / self.total_steps, self.recipe.warmup
        if progress < warmup:
            return self.recipe.peak_lr * progress / warmup
        return self.recipe.peak_lr * 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))

    def update(self, loss: torch.Tensor, learning_rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.step += 1
        with torch.no_grad():
            weight = 1 - min(self.recipe.averaging, (1 + self.step) / (10 + self.step))
            for mean, new in zip(self.average.state_dict().values(), self.model.state_dict().values(), strict=True):
                if mean.is_floating_point():
                    mean.lerp_(new, weight)
                else:
                    mean.copy_(new)

    def measure(self, kind: str, epoch: int, px: int, valid_set: Split, started: float, say: Say, **loss: Any) -> None:
        """Adds a point to the curve after an epoch: the seconds since `started`, and the averaged weights' accuracy."""
        seconds = time.perf_counter() - started
        accuracy = top1(self.average, *valid_set, px, self.device)
        self.curve.append({kind: epoch, "px": px, **loss, "valid_top1": accuracy, "seconds": seconds})
        name = kind.replace("_", " ")
        say(f"{name} {epoch}: valid top-1 {accuracy:.2f} % (averaged weights), {seconds / 60:.1f} min")

    def save(self, path: Path, more: dict[str, torch.Tensor] | None = None, more_about: dict | None = None) -> None:
        """Writes the checkpoint. more, more_about: of another part of the training; `resume` returns them."""
        names = {id(parameter): name for name, parameter in self.model.named_parameters()}
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        for parameter, state in self.optimizer.state.items():
            tensors[f"momentum.{names[id(parameter)]}"] = state["momentum_buffer"]
        tensors |= more or {}
        about = {
            "epoch": self.epoch,
            "step": self.step,
            "seed": self.seed,
            "curve": self.curve,
            "recipe": asdict(self.recipe),
        } | (more_about or {})
        with replacing(path) as partial:
            save_file({k: v.contiguous() for k, v in tensors.items()}, partial, metadata={"state": json.dumps(about)})

    def resume(self, path: Path) -> tuple[dict[str, torch.Tensor], dict]:
        """All tensors and facts of the checkpoint.

        Raises ValueError when the checkpoint was made with another recipe or seed.
        """
        with safe_open(path, "pt", device=str(self.device)) as file:
            about = json.loads(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        wanted = json.loads(json.dumps({"recipe": asdict(self.recipe), "seed": self.seed}))
        if {"recipe": about["recipe"], "seed": about["seed"]} != wanted:
            raise ValueError(f"{path} was made with another recipe or seed; choose another --work folder or delete it")
        self.model.load_state_dict(part_of(tensors, "model."))
        self.average.load_state_dict(part_of(tensors, "average."))
        parameters = dict(self.model.named_parameters())
        for name, value in part_of(tensors, "momentum.").items():
            self.optimizer.state[parameters[name]] = {"momentum_buffer": value}
        self.epoch, self.step, self.curve = about["epoch"], about["step"], about["curve"]
        return tensors, about


def train(
    recipe: Recipe,
    prototypes: np.ndarray,
    train_set: Split,
    valid_set: Split,
    checkpoint: Path,
    seed: int = 0,
    say: Say = print,
    until: int | None = None,
) -> Trainer:
    """Runs the recipe's epochs (or the first `until` of them), and resumes from the checkpoint when it exists."""
    pixels, labels = (torch.from_numpy(np.asarray(part)).to(DEVICE) for part in train_set)
    steps = len(pixels) // recipe.batch_size
    trainer = Trainer(recipe, prototypes, steps, seed, DEVICE)
    if checkpoint.exists():
        trainer.resume(checkpoint)
        say(f"resumed after epoch {trainer.epoch} of {recipe.epochs}")
    while trainer.epoch < (until or recipe.epochs):
        random = torch.Generator().manual_seed(seed * 1000 + trainer.epoch)
        size = recipe.resolution(trainer.epoch)
        order = torch.randperm(len(pixels), generator=random)
        started, losses = time.perf_counter(), []
        for number in range(steps):
            rows = order[number * recipe.batch_size : (number + 1) * recipe.batch_size].to(DEVICE)
            crops = random_crops(pixels[rows], size, recipe.crop_area, random)
            with torch.autocast(DEVICE.type, torch.bfloat16):
                logits = trainer.model(crops)
            loss = F.cross_entropy(logits.float(), labels[rows], label_smoothing=recipe.label_smoothing)
            trainer.update(loss, trainer.learning_rate())
            losses.append(loss.item())
            if number % 50 == 49:
                rate = (number + 1) * recipe.batch_size / (time.perf_counter() - started)
                left = (steps - number - 1) * recipe.batch_size / rate
                say(
                    f"epoch {trainer.epoch + 1}/{recipe.epochs} at {size} px: {number + 1}/{steps}, "
                    f"loss {np.mean(losses[-50:]):.3f}, {rate:.0f} pictures/s, {left / 60:.1f} min left in this epoch"
                )
        trainer.epoch += 1
        trainer.measure("epoch", trainer.epoch, size, valid_set, started, say, loss=float(np.mean(losses)))
        trainer.save(checkpoint)
    return trainer
