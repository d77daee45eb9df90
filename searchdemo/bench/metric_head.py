"""Metric learning on frozen embeddings: a linear map that draws pictures of a class together and pushes others away.

Triplet loss with semi-hard negatives (Schroff et al. 2015, FaceNet): for each pair of one class in a batch, the nearest
row of another class that is further away than the pair, or else the furthest. Rows are unit rows before and after, so
their squared distances are 2 - 2 cos. The map starts as the identity: without a step it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from searchdemo.errors import BadQuery
from searchdemo.indexes.vectors import unit

if TYPE_CHECKING:
    import torch

MARGIN = 0.2  # of squared distances, as in FaceNet
CLASSES, EACH = 16, 8  # in a batch, and rows of each class
STEPS = 600
LEARNING_RATE = 1e-3
KEEP = 1e-2  # pull towards the identity, so that few classes do not bend the space for all others


@dataclass(frozen=True)
class MetricHead:
    """unit(A x) of unit rows x."""

    matrix: np.ndarray  # (dim, dim) float32

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """(n, dim) -> (n, dim) unit rows."""
        return unit(np.ascontiguousarray(rows @ self.matrix.T))


def fit(
    rows: np.ndarray,
    labels: np.ndarray,
    seed: int = 0,
    steps: int = STEPS,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> MetricHead:
    """Trains on unit rows (n, dim) with labels (n,). Raises BadQuery without two classes of two rows."""
    import torch

    classes = [np.flatnonzero(labels == label) for label in np.unique(labels[labels >= 0])]
    classes = [members for members in classes if len(members) > 1]
    if len(classes) < 2:
        raise BadQuery(
            "Metric learning needs two classes or more with two pictures each: label more pictures, or take a gallery "
            "with classes, such as 'scenes'."
        )
    rng = np.random.default_rng(seed)
    inputs = torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32))
    start = torch.eye(rows.shape[1])
    matrix = start.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([matrix], lr=LEARNING_RATE)
    for step in range(steps):
        tell(step, steps)
        chosen = rng.permutation(len(classes))[: min(CLASSES, len(classes))]
        members = [rng.choice(classes[number], min(EACH, len(classes[number])), replace=False) for number in chosen]
        batch = torch.nn.functional.normalize(inputs[np.concatenate(members)] @ matrix.T, dim=1)
        owner = torch.from_numpy(np.repeat(chosen, [len(each) for each in members]))
        optimiser.zero_grad()
        (triplet_loss(batch, owner) + KEEP * ((matrix - start) ** 2).sum()).backward()
        optimiser.step()
    return MetricHead(matrix.detach().numpy().copy())


def triplet_loss(batch: torch.Tensor, owner: torch.Tensor) -> torch.Tensor:
    """The mean over all pairs of one class of max(0, d(a, p) - d(a, n) + MARGIN), n semi-hard. (b, dim) and (b,)."""
    import torch

    squared = 2 - 2 * batch @ batch.T
    same = owner[:, None] == owner[None]
    pairs = same & ~torch.eye(len(owner), dtype=torch.bool)
    positive = squared.unsqueeze(2)  # (anchor, positive, 1)
    negative = squared.unsqueeze(1)  # (anchor, 1, negative)
    others = ~same.unsqueeze(1)
    beyond = torch.where(others & (negative > positive), negative, torch.inf).amin(dim=2)
    furthest = torch.where(~same, squared, -torch.inf).amax(dim=1, keepdim=True).expand_as(beyond)
    chosen = torch.where(torch.isinf(beyond), furthest, beyond)
    return torch.relu(squared - chosen + MARGIN)[pairs].mean()
