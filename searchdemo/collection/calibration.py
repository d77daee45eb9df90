"""How probably a gallery shows what a text says: a logistic curve over how near the nearest pictures lie.

A cosine alone says nothing: what is near differs with encoder and gallery. So a build asks the gallery for everyday
words (vocabulary.py). A word whose nearest pictures all lie nearer to it than to any other word is taken for one that
the gallery shows, a word whose nearest pictures nearly all belong to others for one that it does not, unless it says
nearly the same as a word that is shown. No label is needed. The curve is fitted to the mean cosine of the m nearest
(Platt 1999, "Probabilistic outputs for support vector machines"), both kinds of words weighing alike: PRIOR is the
share of queries whose pictures are there. For another share q, the odds are q / (1 - q) times those of the curve.

Some texts are misread. A misread text finds what a text that is not shown finds, whether or not its pictures are
there. So with L = p(cosine | shown) / p(cosine | not shown) of texts that are read well, the likelihood ratio of a text
is (1 - misread) L + misread: far pictures may come of misreading, near ones do not. How probably a text is misread
follows from how steadily it is read (steadiness.py), compared with the words that the gallery shows. The curve is
fitted with the same formula, by expectation and maximisation. `bench calibration` measures it with names that it has
not seen.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from searchdemo.errors import BadArtifact
from searchdemo.files import write_json
from searchdemo.scratch import DAMAGE, check_format, remedy

FILE = "calibration.json"
FORMAT = 2
FORMATS = (1, FORMAT)  # those that are read; the first did not know how steadily words are read
MOST_NEAREST, FEWEST_NEAREST = 50, 5
OTHERS = 1  # of the nearest pictures of a word that is shown, at most: one may belong to another word
SHARE_OF_ABSENT = 0.1  # of the nearest pictures of a word that is not shown, at most: they belong to it
AKIN = 0.995  # the share of pairs of words that are less alike than two that say nearly the same
PRIOR = 0.5  # the share of queries whose pictures are there, as the fit has it
# A text that is less steady than a share u of the words that the gallery shows is misread with the probability
# logistic(slope u + intercept). Fitted by maximum likelihood to `bundled` on tiny-ImageNet, to those free texts of
# training/asked.py that are for tuning and every second class name: 0.4 % at u = 0, 10 % at 0.5, 73 % at 1.
MISREAD_SLOPE, MISREAD_INTERCEPT = 6.5, -5.5
QUANTILES = 21  # of the steadiness of shown words that are kept
MOST_ROUNDS = 100  # of expectation and maximisation
FEWEST_WORDS = 8  # of each kind; fewer give no curve
FOLDS = 5
RIDGE = 1e-3  # keeps the slope finite where the two kinds of words do not overlap
AT_ONCE = 8192  # pictures that are compared with all words at a time


@dataclass(frozen=True)
class Curve:
    """1 / (1 + exp(-(slope x + intercept))) for texts that are read well; x: mean cosine of the `nearest` nearest."""

    nearest: int
    slope: float
    intercept: float
    error: float  # share of known words on the wrong side of 0.5, cross-validated, both kinds weighing alike
    shown: int  # words of the vocabulary that the gallery was taken to show
    absent: int  # those that it was taken not to
    steady: tuple[float, ...] = ()  # quantiles of how steadily shown words are read, ascending; () where unknown
    format: int = FORMAT

    def probability(self, mean_cosine: float, misread: float = 0.0) -> float:
        """P(the gallery shows it). misread: how probably the encoder misreads the text."""
        return float(mixed(np.array(self.slope * mean_cosine + self.intercept), np.array(misread)))

    def misread(self, steady: float) -> float:
        """How probably a text is misread whose steadiness is this cosine. 0 where that of words is unknown."""
        return float(misread_by(np.array([steady]), np.array(self.steady))[0]) if self.steady else 0.0


def nearest_for(pictures: int) -> int:
    """m: how many of a gallery's pictures have to agree on a word. More in a larger one, where chance finds a few."""
    return int(min(max(round(math.sqrt(pictures / 20)), FEWEST_NEAREST), MOST_NEAREST))


def fewest_pictures() -> int:
    """A smaller gallery has no curve: a picture belongs to one word, and a shown word has all but OTHERS of its m."""
    return FEWEST_WORDS * (FEWEST_NEAREST - OTHERS)


def calibrate(words: np.ndarray, vectors: np.ndarray, each: int = 1, steady: np.ndarray | None = None) -> Curve | None:
    """words (w, dim), vectors (n, dim): unit rows, `each` of a picture. None where too few words are shown, or too few
    are not.

    steady: (w,) cosines, how steadily each word is read; None takes every text for one that is read well
    """
    pictures = len(vectors) // each
    m = nearest_for(pictures)
    if len(words) < 2 * FEWEST_WORDS or pictures < m:
        return None
    means, agreeing = nearest_means(words, vectors, m, each)
    shown = agreeing >= m - OTHERS
    absent = (agreeing <= SHARE_OF_ABSENT * m) & ~akin(words, shown)
    if min(int(shown.sum()), int(absent.sum())) < FEWEST_WORDS:
        return None
    used = np.concatenate([np.flatnonzero(shown), np.flatnonzero(absent)])
    x, y = means[used], shown[used].astype(float)
    quantiles = np.empty(0) if steady is None else rounded(np.quantile(steady[shown], np.linspace(0, 1, QUANTILES)))
    misread = np.zeros(len(x)) if steady is None else misread_by(steady[used], quantiles)
    slope, intercept = fitted(x, y, misread)
    error = round(cross_validated(x, y, misread), 4)
    return Curve(m, slope, intercept, error, int(shown.sum()), int(absent.sum()), tuple(quantiles.tolist()))


def akin(words: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """(w,) bool: whether a word of unit rows (w, dim) says nearly the same as another one that is shown, (w,) bool.

    Which of two such words a picture belongs to says nothing. Rows of some encoders are all alike, so that pairs of
    words tell what is near.
    """
    cosines = words @ words.T
    near = np.quantile(cosines[np.triu_indices(len(words), 1)], AKIN)
    np.fill_diagonal(cosines, -1)
    return cosines[:, shown].max(axis=1, initial=-1) > near


def misread_by(steady: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """(n,) probabilities that texts of this steadiness (n,) are misread; shown: quantiles of that of shown words."""
    above, below = (len(shown) - np.searchsorted(shown, rounded(steady), side) for side in ("right", "left"))
    return logistic(MISREAD_SLOPE * (above + below) / (2 * len(shown)) + MISREAD_INTERCEPT)


def rounded(cosines: np.ndarray) -> np.ndarray:
    """To what float32 rows tell apart: many a known word is as steady as can be, and so is a text with the same row."""
    return np.round(cosines.astype(np.float64), 6)


def mixed(log_odds: np.ndarray, misread: np.ndarray) -> np.ndarray:
    """Probabilities of texts that are misread with a probability, from the log-odds when they are read well, (n,)."""
    odds = (1 - misread) * odds_of(log_odds) + misread * PRIOR / (1 - PRIOR)
    return odds / (1 + odds)


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


def fitted(x: np.ndarray, y: np.ndarray, misread: np.ndarray | None = None) -> tuple[float, float]:
    """(slope, intercept) of a logistic curve over x (n,) for y (n,) of 0 and 1, which weigh alike.

    misread: (n,) how probably each is misread; of those that are shown, the farther then count less
    """
    weight = np.where(y == 1, PRIOR / max(y.sum(), 1), (1 - PRIOR) / max((1 - y).sum(), 1))
    slope, intercept = weighted(x, y, weight)
    if misread is None or not misread.any():
        return slope, intercept
    for _ in range(MOST_ROUNDS):
        before = slope
        near = (1 - misread) * odds_of(slope * x + intercept)
        read_well = np.where(y == 1, near / (near + misread * PRIOR / (1 - PRIOR)), 1)
        share = float(weight[y == 1] @ read_well[y == 1]) / PRIOR  # both kinds still weigh alike
        slope, intercept = weighted(x, y, weight * np.where(y == 1, read_well / share, 1))
        if abs(slope - before) <= 1e-6 * abs(slope):
            break
    return slope, intercept


def weighted(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """(slope, intercept) of the curve where each weighs so much, (n,); Newton's method."""
    middle, scale = float(x.mean()), float(x.std()) or 1.0
    z = (x - middle) / scale
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


def cross_validated(x: np.ndarray, y: np.ndarray, misread: np.ndarray | None = None) -> float:
    """Share of x on the wrong side of 0.5 of curves that were fitted without them; both kinds weigh alike."""
    fold, wrong = np.empty(len(x), int), np.empty(len(x), bool)
    for kind in (0, 1):
        fold[y == kind] = np.arange(int((y == kind).sum())) % FOLDS
    for number in range(FOLDS):
        out = fold == number
        slope, intercept = fitted(x[~out], y[~out], None if misread is None else misread[~out])
        wrong[out] = (slope * x[out] + intercept > 0) != (y[out] == 1)
    return float((wrong[y == 1].mean() + wrong[y == 0].mean()) / 2)


def logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + odds_of(-x))


def odds_of(log_odds: np.ndarray) -> np.ndarray:
    return np.exp(np.clip(log_odds, -500, 500))


def save(curve: Curve, path: Path) -> None:
    write_json(path, asdict(curve))


def load(path: Path) -> Curve:
    """path: verified. Raises BadArtifact for a file that holds no curve of this version."""
    try:
        content = json.loads(path.read_text())
        check_format(content["format"], *FORMATS)
        curve = Curve(**content | {"steady": tuple(content.get("steady", ()))})
        if not np.isfinite([curve.slope, curve.intercept, *curve.steady]).all() or curve.nearest < 1:
            raise ValueError("its figures are no curve's")
    except DAMAGE as error:
        fix = remedy(error, "build it again")
        raise BadArtifact(f"{path} is no calibration that this version reads ({error}); {fix}.") from error
    return curve
