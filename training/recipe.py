"""The recipes of the image tower, for a CPU and for a CUDA device."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Phase:
    epochs: int
    px: int  # pixels per side
    crop_area: tuple[float, float] = (0.35, 1.0)  # share of the picture that a random crop keeps


@dataclass(frozen=True)
class Recipe:
    """Weights of losses say what counts how much beside the cross-entropy of the labels, which counts `labels`."""

    phases: tuple[Phase, ...]
    photos: int  # per batch
    mosaics: int
    scenes: int
    peak_lr: float  # of AdamW, one cycle
    network: str = "lite0"
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    mixed: float = 0.3  # share of the pictures that get a part of another one
    averaging: float = 0.999  # decay per step of the exponential moving average of the weights
    labels: float = 1.0
    keep_photos: float = 0.1  # its own 1,000-class decisions on pictures of tiny-ImageNet
    keep_mosaics: float = 0.5  # the same on mosaics
    keep_features: float = 1.0  # its features on mosaics
    keep_imagined: float = 0.5  # its decisions on imagined features of all 1,000 classes
    imagined: int = 256  # per step
    scenes_weight: float = 0.3
    coach: str = ""  # the network that is fine-tuned first; none on a CPU
    coach_px: int = 192
    coach_epochs: int = 0
    coach_batch: int = 256
    coach_lr: float = 8e-4
    coach_weight: float = 1.0

    @property
    def epochs(self) -> int:
        return sum(phase.epochs for phase in self.phases)

    def phase(self, epoch: int) -> Phase:
        for phase in self.phases:
            if epoch < phase.epochs:
                return phase
            epoch -= phase.epochs
        return self.phases[-1]

    def facts(self) -> dict:
        return asdict(self)


# Random crops show things larger than whole pictures do. So a network that is used at 128 px trains best at fewer, and
# ends on nearly whole pictures at 128 px (Touvron et al. 2019).
CPU = Recipe(phases=(Phase(3, 96), Phase(1, 128, (0.7, 1.0))), photos=64, mosaics=8, scenes=8, peak_lr=8e-4)
CUDA = Recipe(
    phases=(Phase(10, 112), Phase(2, 128, (0.7, 1.0))),
    photos=448,
    mosaics=64,
    scenes=48,
    imagined=1024,
    peak_lr=2e-3,
    mixed=0.5,
    labels=0.3,
    coach="lite2",
    coach_epochs=6,
)


def learning_rate(step: int, total: int, peak: float, warmup: float = 0.06) -> float:
    """Linear warm-up, then half a cosine down to zero."""
    progress = step / total
    if progress < warmup:
        return peak * (progress / warmup)
    return peak * 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))
