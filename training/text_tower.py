"""Trains the text tower: a bag of words that starts from the sentence model and finds the image tower's prototypes."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from searchdemo.encoders.bundled_image import DIM
from searchdemo.encoders.words import NGRAM_ROWS, ngrams
from training.data import Say
from training.image_tower import DEVICE
from training.text_data import Lessons


@dataclass(frozen=True)
class TextRecipe:
    steps: int = 1500
    batch_size: int = 768
    table_lr: float = 2e-3  # of Adam, half a cosine down to zero
    head_lr: float = 1e-3
    scale: float = 12.0  # inverse temperature of the cosines to the prototypes
    answers_weight: float = 0.15  # of the answers' loss beside the cosine to the target


class TextTower(nn.Module):
    """A bag of words: the sum of the words' rows and a small network on top.

    One row per word, distilled from a sentence model (as model2vec does); the length of a row is the word's weight.
    It knows no word order. searchdemo/encoders/bundled_text.py runs it in NumPy.
    """

    def __init__(self, rows: int, hidden: int = 512):
        super().__init__()
        self.table = nn.EmbeddingBag(rows, DIM, mode="sum")
        self.expand = nn.Linear(DIM, hidden)
        self.contract = nn.Linear(hidden, DIM)

    def forward(self, rows: torch.Tensor, offsets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Table rows of n texts end to end, each text's start, each row's weight -> unit rows (n, 128), float32."""
        bags = F.normalize(self.table(rows, offsets, per_sample_weights=weights), dim=1)
        return F.normalize(bags + self.contract(F.gelu(self.expand(bags))), dim=1)


def flatten_bags(bags: list[tuple[list[int], list[float]]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The results of words.table_rows for n texts -> the three arguments of TextTower."""
    lengths = torch.tensor([0] + [len(rows) for rows, _ in bags[:-1]], dtype=torch.long)
    rows = torch.tensor([row for rows, _ in bags for row in rows], dtype=torch.long)
    weights = torch.tensor([weight for _, weights in bags for weight in weights], dtype=torch.float32)
    return rows, lengths.cumsum(0), weights


def initial_tower(lessons: Lessons) -> TextTower:
    """Each word lies at its target, the longer the rarer it is. Each n-gram lies at the mean of the words with it."""
    own, words = len(lessons.own), list(lessons.vocabulary)
    rows = np.zeros((len(words) + NGRAM_ROWS, lessons.targets.shape[1]), np.float32)
    rows[:own] = lessons.targets[:own]
    counts: Counter[str] = Counter()
    for subject in lessons.nouns:
        for word in re.findall("[a-z0-9]+", " ".join((*subject.names, subject.gloss)).lower()):
            counts[word] += 1
            if lessons.vocabulary.get(word, 0) >= own:
                rows[lessons.vocabulary[word]] += lessons.targets[subject.target]
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    total = sum(counts.values())
    rarity = np.array([1e-3 / (1e-3 + counts[word] / total) for word in words], np.float32)  # Arora et al. 2017
    rows[: len(words)] *= rarity[:, None]
    for row, word in enumerate(words):
        for piece in ngrams(word):
            rows[len(words) + piece] += rows[row]
    tail = rows[len(words) :]
    tail /= np.maximum(np.linalg.norm(tail, axis=1, keepdims=True), 1e-6)
    tower = TextTower(len(rows))
    with torch.no_grad():
        tower.table.weight.copy_(torch.from_numpy(rows))
        tower.contract.weight.zero_()
        tower.contract.bias.zero_()
    return tower


def words_loss(
    tower: TextTower, lessons: Lessons, count: int, recipe: TextRecipe, random: np.random.Generator
) -> torch.Tensor:
    """1 - cosine to the target, plus weighted -log of the probability that the prototypes give the right classes."""
    bags, targets, answers = lessons.draw(count, random)
    device = tower.table.weight.device
    rows = tower(*(part.to(device) for part in flatten_bags(bags)))
    away = 1 - (rows * torch.from_numpy(targets).to(device)).sum(1)
    known = torch.from_numpy(answers.any(axis=1)).to(device)
    scores = F.log_softmax(rows @ torch.from_numpy(lessons.prototypes).to(device).T * recipe.scale, dim=1)
    right = scores.masked_fill(~torch.from_numpy(answers).to(device), -torch.inf)[known].logsumexp(1)
    return away.mean() - recipe.answers_weight * right.mean()


def optimiser(tower: TextTower, recipe: TextRecipe) -> torch.optim.Adam:
    head = [*tower.expand.parameters(), *tower.contract.parameters()]
    groups = [{"params": tower.table.parameters(), "lr": recipe.table_lr}, {"params": head, "lr": recipe.head_lr}]
    return torch.optim.Adam(groups)


def train(lessons: Lessons, recipe: TextRecipe, seed: int, say: Say) -> TextTower:
    """A trained text tower. It takes a few minutes on one core."""
    torch.manual_seed(seed)
    random, tower = np.random.default_rng(seed), initial_tower(lessons).to(DEVICE)
    steps = optimiser(tower, recipe)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(steps, recipe.steps)
    started, losses = time.perf_counter(), []
    for number in range(recipe.steps):
        loss = words_loss(tower, lessons, recipe.batch_size, recipe, random)
        steps.zero_grad()
        loss.backward()
        steps.step()
        schedule.step()
        losses.append(loss.item())
        if number % 200 == 199:
            left = (time.perf_counter() - started) / (number + 1) * (recipe.steps - number - 1)
            say(f"text: {number + 1}/{recipe.steps}, loss {np.mean(losses[-200:]):.3f}, {left / 60:.1f} min left")
    return tower
