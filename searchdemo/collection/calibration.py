"""How probably a gallery shows what a text says: a logistic curve over how near the nearest pictures lie.

A cosine alone says nothing: what is near differs with encoder and gallery. So a build asks the gallery for everyday
words (vocabulary.py). A word whose nearest pictures all lie nearer to it than to any other word is taken for one that
the gallery shows, a word whose nearest pictures nearly all belong to others for one that it does not. No label is
needed. The curve is fitted to the mean cosine of the m nearest (Platt 1999, "Probabilistic outputs for support vector
machines"), both kinds of words weighing alike. `bench calibration` measures it with names that it has not seen.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from searchdemo.errors import BadArtifact
from searchdemo.files import write_json

FILE = "calibration.json"
FORMAT = 1
MOST_NEAREST, FEWEST_NEAREST = 50, 5
OTHERS = 1  # of the nearest pictures of a word that is shown, at most: one may belong to another word
SHARE_OF_ABSENT = 0.1  # of the nearest pictures of a word that is not shown, at most: they belong to it
FEWEST_WORDS = 8  # of each kind; fewer give no curve
FOLDS = 5
RIDGE = 1e-3  # keeps the slope finite where the two kinds of words do not overlap
AT_ONCE = 8192  # pictures that are compared with all words at a time


@dataclass(frozen=True)
class Curve:
    """P(the gallery shows it) = 1 / (1 + exp(-(slope x + intercept))), x = the mean cosine of the `nearest` nearest."""

    nearest: int
    slope: float
    intercept: float
    error: float  # share of known words on the wrong side of 0.5, cross-validated, both kinds weighing alike
    shown: int  # words of the vocabulary that the gallery was taken to show
    absent: int  # those that it was taken not to
    format: int = FORMAT

    def probability(self, mean_cosine: float) -> float:
        return float(logistic(np.array(self.slope * mean_cosine + self.intercept)))


def nearest_for(pictures: int) -> int:
    """m: how many of a gallery's pictures have to agree on a word. More in a larger one, where chance finds a few."""
    return int(min(max(round(math.sqrt(pictures / 20)), FEWEST_NEAREST), MOST_NEAREST))


def fewest_pictures() -> int:
    """A smaller gallery has no curve: a picture belongs to one word, and a shown word has all but OTHERS of its m."""
    return FEWEST_WORDS * (FEWEST_NEAREST - OTHERS)


def calibrate(words: np.ndarray, vectors: np.ndarray, each: int = 1) -> Curve | None:
    """words (w, dim), vectors (n, dim): unit rows, `each` of a picture. None where too few words are shown, or too few
    are not."""
    pictures = len(vectors) // each
    m = nearest_for(pictures)
    if len(words) < 2 * FEWEST_WORDS or pictures < m:
        return None
    means, agreeing = nearest_means(words, vectors, m, each)
    shown, absent = agreeing >= m - OTHERS, agreeing <= SHARE_OF_ABSENT * m
    if min(int(shown.sum()), int(absent.sum())) < FEWEST_WORDS:
        return None
    x = np.concatenate([means[shown], means[absent]])
    y = np.repeat([1.0, 0.0], [int(shown.sum()), int(absent.sum())])
    slope, intercept = fitted(x, y)
    return Curve(m, slope, intercept, round(cross_validated(x, y), 4), int(shown.sum()), int(absent.sum()))


def nearest_means(words: np.ndarray, vectors: np.ndarray, m: int, each: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """(w,) mean cosines of each word's m nearest pictures, and (w,) how many of these are nearest to this word.

    each: vectors of a picture, which is as near as the nearest of them
    """
    cosines = np.full((len(words), 0), 0, np.float32)
    own = np.zeros((len(words), 0), bool)
    for start in range(0, len(vectors), AT_ONCE * each):
        part = words @ vectors[start : start + AT_ONCE * each].T
        if each > 1:
            part = part.reshape(len(words), -1, each).max(axis=2)
        belongs = np.arange(len(words))[:, None] == part.argmax(axis=0)
        cosines, own = np.concatenate([cosines, part], axis=1), np.concatenate([own, belongs], axis=1)
        if cosines.shape[1] <= m:
            continue
        best = np.argpartition(-cosines, m - 1, axis=1)[:, :m]
        cosines, own = np.take_along_axis(cosines, best, axis=1), np.take_along_axis(own, best, axis=1)
    return cosines.mean(axis=1, dtype=np.float64), own.sum(axis=1)


def fitted(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """(slope, intercept) of a logistic curve over x (n,) for y (n,) of 0 and 1, which weigh alike; Newton's method."""
    middle, scale = float(x.mean()), float(x.std()) or 1.0
    z = (x - middle) / scale
    weight = np.where(y == 1, 0.5 / max(y.sum(), 1), 0.5 / max((1 - y).sum(), 1))
    a, b = 1.0, 0.0
    for _ in range(100):
        p = logistic(a * z + b)
        off, bend = weight * (p - y), weight * p * (1 - p)
        gradient = np.array([(off * z).sum() + RIDGE * a, off.sum()])
        hessian = np.array([[(bend * z * z).sum() + RIDGE, (bend * z).sum()], [(bend * z).sum(), bend.sum() + 1e-9]])
        step = np.linalg.solve(hessian, gradient)
        a, b = a - float(np.clip(step[0], -2, 2)), b - float(np.clip(step[1], -2, 2))
        if np.abs(step).max() < 1e-9:
            break
    return a / scale, b - a * middle / scale


def cross_validated(x: np.ndarray, y: np.ndarray) -> float:
    """Share of x on the wrong side of 0.5 of curves that were fitted without them; both kinds weigh alike."""
    fold, wrong = np.empty(len(x), int), np.empty(len(x), bool)
    for kind in (0, 1):
        fold[y == kind] = np.arange(int((y == kind).sum())) % FOLDS
    for number in range(FOLDS):
        out = fold == number
        slope, intercept = fitted(x[~out], y[~out])
        wrong[out] = (slope * x[out] + intercept > 0) != (y[out] == 1)
    return float((wrong[y == 1].mean() + wrong[y == 0].mean()) / 2)


def logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -500, 500)))


def save(curve: Curve, path: Path) -> None:
    write_json(path, asdict(curve))


def load(path: Path) -> Curve:
    """path: verified. Raises BadArtifact for a file that holds no curve of this version."""
    try:
        curve = Curve(**json.loads(path.read_text()))
        if curve.format != FORMAT or not math.isfinite(curve.slope + curve.intercept) or curve.nearest < 1:
            raise ValueError(f"format {curve.format}, wanted {FORMAT}")
    except (OSError, ValueError, TypeError) as error:
        raise BadArtifact(f"{path} is no calibration that this version reads ({error}); build it again.") from error
    return curve
