"""Drawn scenes and what may be said of them: pictures and captions that must find each other."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from searchdemo.galleries.drawing.captions import SAID
from searchdemo.galleries.drawing.scene import Scene
from training.network import DIM
from training.scene_data import ATTRIBUTES, codes, matches

CAPTIONS = 192  # per step, of random scenes, beside one caption of each scene in the batch
REMEMBERED = 1024  # embeddings of earlier scenes that captions are also compared with (as Wang et al. 2020 do)


class SceneLessons:
    """A caption is the sum of one learned vector for each attribute that it tells: "a red boat" = red + boat."""

    def __init__(self, scenes: list[Scene], device: torch.device | str):
        self.codes, _ = codes(scenes)
        sizes = self.codes.max(axis=0) + 1
        self.first, self.count = np.concatenate([[0], np.cumsum(sizes)[:-1]]), int(sizes.sum())
        self.device = device
        self.forget()

    def forget(self) -> None:
        """Remembers no scene. No checkpoint has the memory, so each epoch and the last step begin without one."""
        self.rows = torch.zeros(0, DIM, device=self.device)
        self.row_codes = np.zeros((0, len(ATTRIBUTES)), np.int16)

    def draw(self, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """`count` scenes, and what captions say (count + CAPTIONS, attributes), theirs first. -1 codes the unsaid."""
        chosen = random.choice(len(self.codes), count, replace=False)
        about = np.concatenate([chosen, random.integers(len(self.codes), size=CAPTIONS)])
        said = random.random((len(about), len(ATTRIBUTES))) < np.array([SAID[name] for name in ATTRIBUTES])
        main = [ATTRIBUTES.index(name) for name in ("thing", "colour", "setting")]
        said[~said[:, main].any(axis=1), main[0]] = True
        return chosen, np.where(said, self.codes[about], -1).astype(np.int16)

    def captions(self, vectors: torch.Tensor, said: np.ndarray) -> torch.Tensor:
        """Unit rows (captions, 128) of what is said, from one vector per attribute and value (count, 128)."""
        numbers = torch.from_numpy(np.where(said < 0, self.count, said + self.first)).to(vectors.device)
        silent = torch.zeros(1, vectors.shape[1], device=vectors.device)
        return F.normalize(torch.cat([vectors, silent])[numbers].sum(1), dim=1)

    def loss(
        self, rows: torch.Tensor, row_codes: np.ndarray, texts: torch.Tensor, said: np.ndarray, scale: float = 14.0
    ) -> torch.Tensor:
        """Low where each caption finds its pictures, remembered ones too, and each picture its captions."""
        all_rows = torch.cat([rows, self.rows])
        all_codes = np.concatenate([row_codes, self.row_codes])
        true = torch.from_numpy(matches(said, all_codes)).to(rows.device)
        scores = texts @ all_rows.T * scale
        self.rows, self.row_codes = all_rows.detach()[:REMEMBERED], all_codes[:REMEMBERED]
        return matching_loss(scores, true) + matching_loss(scores[:, : len(rows)].T, true[:, : len(rows)].T)


def matching_loss(scores: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """Mean over rows of the cross-entropy to equal shares of the true columns. Rows without one do not count."""
    counts = true.sum(1)
    each = -(F.log_softmax(scores, dim=1) * true).sum(1) / counts.clamp(min=1)
    return each.sum() / (counts > 0).sum().clamp(min=1)
