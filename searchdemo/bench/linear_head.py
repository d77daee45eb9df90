"""A linear classifier on frozen embeddings, the usual rival of neighbours: softmax(W x + b), cross-entropy, AdamW.

Its weight decay and number of epochs are chosen on a held-out part of the training rows, then it is trained again on
all of them. The queries play no part in that. Unit rows of d dimensions have components of about 1/sqrt(d), too small
for logits that must become large, so a head sees them standardised: mean 0, variance 1 over all components.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from searchdemo.collection.build import balanced_rows
from searchdemo.collection.knn import rightly
from searchdemo.collection.progress import Progress
from searchdemo.encoders.device import pick_device
from searchdemo.errors import BadQuery

if TYPE_CHECKING:
    import torch

WEIGHT_DECAYS = (0.01, 0.1, 1.0)
EPOCHS = (4, 12)
LEARNING_RATE = 0.01  # the peak, after a tenth of the steps; then it falls to 0 (one cycle)
BATCHES = 100  # per epoch, so that a tenth of the rows does not mean a tenth of the steps
MIN_BATCH = 32
HELD_OUT = 10  # one row in this many is held out


@dataclass(frozen=True)
class Head:
    """logits = slope * (x - mean) @ W.T + b."""

    weights: torch.Tensor  # (classes, dim)
    bias: torch.Tensor  # (classes,)
    mean: torch.Tensor  # (dim,)
    slope: float

    def ranked(self, rows: np.ndarray, k: int = 5) -> np.ndarray:
        """(n, dim) -> the k likeliest classes, best first: (n, min(k, classes))."""
        import torch

        with torch.inference_mode():
            inputs = self.slope * (torch.tensor(rows, device=self.mean.device) - self.mean)
            logits = inputs @ self.weights.T + self.bias
            return logits.topk(min(k, logits.shape[1]), dim=1).indices.cpu().numpy()


@dataclass(frozen=True)
class Fitted:
    head: Head
    weight_decay: float
    epochs: int
    seconds: float  # for choosing the parameters and for the last training
    device: str
    trials: list[dict]  # weight_decay, epochs, held_out_top1 in percent


def fit(
    rows: np.ndarray,
    labels: np.ndarray,
    classes: int,
    seed: int = 0,
    report: Callable[[Progress], None] = lambda progress: None,
    device: str | None = None,
) -> Fitted:
    """Choose and train on unit rows (n, dim) with labels (n,) in 0 ... classes-1. Raises BadQuery, see check_enough.

    device: as for an encoder; None takes CUDA where there is one. Any other device means the CPU.
    """
    check_enough(len(rows), classes)
    device = pick_device(device)
    device = device if device.startswith("cuda") else "cpu"
    started = time.perf_counter()
    held_out = balanced_rows(labels, max(classes, len(rows) // HELD_OUT), seed)
    rest = np.setdiff1d(np.arange(len(rows)), held_out)
    grid = list(itertools.product(WEIGHT_DECAYS, EPOCHS))
    total, done, trials = sum(epochs for _, epochs in grid) + max(EPOCHS), 0, []
    for weight_decay, epochs in grid:
        rate = done / (time.perf_counter() - started)
        report(Progress("epochs of a linear head", done, total, rate))
        head = train(rows[rest], labels[rest], classes, weight_decay, epochs, seed, device)
        right = accuracy(head, rows[held_out], labels[held_out])[0]
        trials.append({"weight_decay": weight_decay, "epochs": epochs, "held_out_top1": right})
        done += epochs
    weight_decay, epochs = grid[int(np.argmax([trial["held_out_top1"] for trial in trials]))]
    report(Progress("epochs of a linear head", done, total, done / (time.perf_counter() - started)))
    head = train(rows, labels, classes, weight_decay, epochs, seed, device)
    return Fitted(head, weight_decay, epochs, time.perf_counter() - started, device, trials)


def check_enough(rows: int, classes: int) -> None:
    """Raises BadQuery when no row would be left for training after one per class is held out."""
    if rows <= classes:
        raise BadQuery(
            f"A linear head needs more pictures than classes, here {rows:,} and {classes:,}, because one per class is "
            f"held out to choose its parameters: take {classes + 1:,} pictures or more, better {2 * classes:,}, with a "
            "higher --limit or another gallery."
        )


def train(
    rows: np.ndarray,
    labels: np.ndarray,
    classes: int,
    weight_decay: float,
    epochs: int,
    seed: int = 0,
    device: str = "cpu",
) -> Head:
    """The loss is convex, so the weights can start at zero. The seed decides the order of the rows."""
    import torch
    from torch.nn.functional import cross_entropy

    inputs, wanted = torch.tensor(rows, device=device), torch.tensor(labels, dtype=torch.int64, device=device)
    mean = inputs.mean(dim=0)
    inputs = inputs - mean
    slope = 1 / max(inputs.std().item(), 1e-12)
    inputs *= slope
    weights = torch.zeros(classes, inputs.shape[1], device=device, requires_grad=True)
    bias = torch.zeros(classes, device=device, requires_grad=True)
    groups = [{"params": [weights], "weight_decay": weight_decay}, {"params": [bias], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=LEARNING_RATE)
    size = max(MIN_BATCH, -(-len(rows) // BATCHES))
    steps = epochs * -(-len(rows) // size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps + 1, pct_start=0.1)
    shuffle = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for batch in torch.randperm(len(rows), generator=shuffle).to(device).split(size):
            optimiser.zero_grad()
            cross_entropy(inputs[batch] @ weights.T + bias, wanted[batch]).backward()
            optimiser.step()
            schedule.step()
    return Head(weights.detach(), bias.detach(), mean, slope)


def accuracy(head: Head, rows: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """top-1 and top-5 in percent. labels (n,), or (n, L) with -1 for none: one of several is right."""
    right = rightly(head.ranked(rows), labels.reshape(len(labels), -1))
    return 100 * float(right[:, 0].mean()), 100 * float(right.any(axis=1).mean())
