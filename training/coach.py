"""The coach: a larger EfficientNet-Lite at a higher resolution, fine-tuned first, whose opinions the tower learns."""

from __future__ import annotations

import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from searchdemo.files import replacing
from training.data import Say
from training.network import pretrained
from training.pictures import cut, mixed, planes, random_boxes, standardise, varied
from training.recipe import Recipe, learning_rate


class Coach(nn.Module):
    """Standardised pixels (n, 3, h, w) -> logits over tiny-ImageNet's 200 classes."""

    def __init__(self, size: str, classes: torch.Tensor):
        """classes (200,): places of tiny-ImageNet's classes among ImageNet's 1,000."""
        super().__init__()
        self.net = pretrained(size)
        head, classes = self.net.classifier, classes.cpu()
        self.net.classifier = nn.Linear(head.in_features, len(classes))
        with torch.no_grad():
            self.net.classifier.weight.copy_(head.weight[classes])
            self.net.classifier.bias.copy_(head.bias[classes])

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.net(pixels)


def coach(
    recipe: Recipe, pixels: torch.Tensor, labels: torch.Tensor, classes: torch.Tensor, path: Path, seed: int, say: Say
) -> Coach:
    """The coach from its file, or trained now and saved there."""
    device = pixels.device
    torch.manual_seed(seed)
    net = Coach(recipe.coach, classes).to(device, memory_format=torch.channels_last)
    if path.exists():
        net.load_state_dict(load_file(path, str(device)))
        return net.eval().requires_grad_(False)
    steps = len(pixels) // recipe.coach_batch
    total = steps * recipe.coach_epochs
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=0.05)
    average = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998), use_buffers=True
    )
    net.train()
    started = time.perf_counter()
    for epoch in range(recipe.coach_epochs):
        random = torch.Generator().manual_seed(seed * 1000 + 700 + epoch)
        order, losses = torch.randperm(len(pixels), generator=random), []
        for number in range(steps):
            rows = order[number * recipe.coach_batch : (number + 1) * recipe.coach_batch].to(device)
            boxes = random_boxes(len(rows), recipe.phases[0].crop_area, 0.5, random)
            given = varied(cut(planes(pixels[rows]), boxes, recipe.coach_px), random)
            given, kept = mixed(given, recipe.mixed, random)
            with torch.autocast(device.type, torch.bfloat16):
                logits = net(standardise(given))
            loss = mixed_loss(logits.float(), labels[rows], kept, recipe.label_smoothing)
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(epoch * steps + number, total, recipe.coach_lr)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            average.update_parameters(net)
            losses.append(loss.detach())
        rate = (epoch + 1) * steps * recipe.coach_batch / (time.perf_counter() - started)
        say(
            f"coach: epoch {epoch + 1}/{recipe.coach_epochs}, "
            f"loss {torch.stack(losses).mean():.3f}, {rate:.0f} pictures/s"
        )
    net.load_state_dict(average.module.state_dict())
    with replacing(path) as partial:
        save_file({name: value.contiguous() for name, value in net.state_dict().items()}, partial)
    return net.eval().requires_grad_(False)


def mixed_loss(logits: torch.Tensor, labels: torch.Tensor, kept: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Cross-entropy of pictures that are in part the picture before them in the batch, see pictures.mixed."""
    own, other = (
        F.cross_entropy(logits, given, label_smoothing=smoothing, reduction="none")
        for given in (labels, labels.roll(1, 0))
    )
    return (own * kept + other * (1 - kept)).mean()
