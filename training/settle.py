"""The last step of the image stage: with the network fixed, the projection and the class vectors are learned again.

In training they follow a network that changes. Learned again on its final features, from their mean on, they spread the
rows over the sphere (before, all cosines lay near 0.8) and let more neighbours vote right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from training.data import Say
from training.image_tower import keep_loss
from training.network import Classifier, Knowledge
from training.scene_lessons import SceneLessons


@dataclass(frozen=True)
class SettleRecipe:
    steps: int = 300  # 900 steps learn the mosaics by heart, and kNN of held-out pictures falls by 0.9 points
    batch: int = 3000
    lr: float = 3e-3  # of Adam, half a cosine down to zero
    label_smoothing: float = 0.1
    neighbours: float = 0.5  # weight of the loss of neighbours beside that of the labels
    temperature: float = 0.07  # of the neighbours' votes
    mosaics: float = 0.5
    imagined: float = 0.5
    scenes: float = 0.3
    decay: float = 1e-4  # of the projection towards where it was


def neighbours_loss(rows: torch.Tensor, labels: torch.Tensor, temperature: float) -> torch.Tensor:
    """-log of the share of votes for the right class, where all others of the batch vote (Goldberger et al. 2004)."""
    shares = (rows @ rows.T / temperature).fill_diagonal_(-torch.inf).softmax(1)
    right = (shares * (labels[:, None] == labels)).sum(1)
    return -right.clamp(min=1e-6).log().mean()


def settle(
    model: Classifier,
    knowledge: Knowledge,
    seen: tuple[torch.Tensor, torch.Tensor],
    classes: torch.Tensor,
    sharp: tuple[torch.Tensor, torch.Tensor],
    scenes: tuple[torch.Tensor, SceneLessons],
    recipe: SettleRecipe,
    seed: int,
    say: Say,
) -> None:
    """Changes the model's projection, prototypes, attributes and scale in place.

    seen: the network's features (n, 1280) and labels (n,) of train; classes (200,): the labels' places among 1,000;
    sharp: features of mosaics and the pretrained network's decisions (m, 1000) on them; scenes: features, lessons.
    """
    (features, labels), device = seen, seen[0].device
    project, random, rng = model.tower.project, torch.Generator().manual_seed(seed + 900), np.random.default_rng(seed)
    with torch.no_grad():
        project.bias.copy_(-(features.mean(0) @ project.weight.T))
        rows = model.tower.rows(features)
        means = torch.zeros(len(classes), rows.shape[1], device=device).index_add(0, labels, rows)
        # The other classes move as these do: prototypes lose what the rows lost, their mean.
        others = model.prototypes - model.prototypes[classes].mean(0)
        model.prototypes.copy_(F.normalize(others, dim=1))
        model.prototypes[classes] = F.normalize(means, dim=1)
        model.log_scale.fill_(math.log(16.0))
        before = project.weight.clone()
    parameters = [*project.parameters(), model.prototypes, model.attributes, model.log_scale]
    optimiser = torch.optim.Adam(parameters, lr=recipe.lr)
    drawn, lessons = scenes
    lessons.forget()  # rows from before
    for step in range(recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe.lr * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
        chosen = torch.randint(len(features), (recipe.batch,), generator=random).to(device)
        some = torch.randint(len(sharp[0]), (256,), generator=random).to(device)
        which, said = lessons.draw(128, rng)
        rows = model.tower.rows(features[chosen])
        imagined = knowledge.imagine(512, random)
        by_label = F.cross_entropy(model.logits(rows, classes), labels[chosen], label_smoothing=recipe.label_smoothing)
        by_neighbour = neighbours_loss(rows, labels[chosen], recipe.temperature) if recipe.neighbours else 0 * by_label
        kept = keep_loss(model.logits(model.tower.rows(sharp[0][some])), sharp[1][some])
        kept_imagined = keep_loss(model.logits(model.tower.rows(imagined)), knowledge.decide(imagined))
        by_scene = lessons.loss(
            model.tower.rows(drawn[torch.from_numpy(which).to(device)]),
            lessons.codes[which],
            lessons.captions(model.attributes, said),
            said,
        )
        loss = (
            by_label
            + recipe.neighbours * by_neighbour
            + recipe.mosaics * kept
            + recipe.imagined * kept_imagined
            + recipe.scenes * by_scene
            + recipe.decay * (project.weight - before).square().sum()
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 250 == 249:
            parts = (by_label, by_neighbour, kept, kept_imagined, by_scene)
            told = ", ".join(f"{float(part.detach()):.3f}" for part in parts)
            say(f"settle: {step + 1}/{recipe.steps}, labels, neighbours, mosaics, imagined, scenes: {told}")
