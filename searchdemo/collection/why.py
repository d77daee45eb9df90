"""Why a picture matched: which parts of it carry the score, by occlusion, which works with any encoder.

A grey patch slides over the picture, and each place costs one pass of the encoder. Where the cosine with the query
falls, the patch covered what matched (Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", 2014,
section 4.2). A cell of the map is the mean over all patches that cover it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from searchdemo.collection.tiles import boxes
from searchdemo.decoding import OWN_BYTES
from searchdemo.encoders.base import Encoder
from searchdemo.errors import NoPictures
from searchdemo.pictures import open_picture

if TYPE_CHECKING:
    from searchdemo.collection.collection import Collection
    from searchdemo.collection.query import Query

CELLS = 8  # along the shorter side
PATCH = 3  # cells per side of a patch: 6 x 6 places on a square picture
MOST_CELLS = 32  # along the longer side: encoders see no more than 4 : 1
GREY = (127, 127, 127)
DETAIL = 4  # a picture keeps so many times the pixels per side that the encoder takes
BATCH = 64  # pictures per pass


@dataclass(frozen=True)
class Why:
    row: int  # of the gallery
    box: str  # the part of the picture that matched best, whose map it is, "x,y,width,height"; "": the whole
    score: float  # cosine of the query and the picture, as the encoder sees it now
    drops: np.ndarray  # (rows, columns) float64: how much the score falls where a cell is covered; below 0: it rises
    passes: int  # of the encoder
    terms: tuple[tuple[str, float], ...] = ()  # (as it is written, weight) of a query of several
    shares: tuple[float, ...] = ()  # what each of them adds to the score, which is their sum

    @property
    def most(self) -> float:
        """The largest drop; 0 where the score falls nowhere."""
        return max(0.0, float(self.drops.max()))

    def __str__(self) -> str:
        if not self.most:
            return f"No part alone carries the score of {self.score:.3f}: it falls nowhere when a part is covered."
        return f"Covering the part that carries most lowers the score of {self.score:.3f} by {self.most:.3f}."

    def to_json(self) -> dict:
        """The JSON of the command line and of the API. drops: rows of the picture from the top, cells from the left."""
        content: dict = {"row": self.row, "score": self.score, "drops": self.drops.tolist(), "passes": self.passes}
        content |= {"box": self.box} if self.box else {}
        terms = [{"term": term, "weight": weight} for term, weight in self.terms]
        return content | ({"terms": terms, "shares": list(self.shares)} if terms else {})


def why(collection: Collection, query: Query, row: int) -> Why:
    """See Collection.why."""
    position = np.array([collection.position(row)])
    if (encoded := collection.gallery.pictures.encoded(row)) is None:
        raise NoPictures(f"The picture of row {row:,} is not on this machine, so its parts cannot be covered.")
    embedded, encoder = collection.embed(query), collection.encoder()
    which = int(collection.vectors.best(embedded.vector[0], position)[0])
    box = boxes(collection.artifact.manifest.tiles)[which]
    picture = reduced(box.crop(open_picture(encoded, OWN_BYTES)), DETAIL * collection.encoder_spec.input_px)
    itself, drops, passes = occluded(picture, encoder, embedded.vector[0])
    found = Why(row, str(box) if which else "", float(itself @ embedded.vector[0]), drops, passes)
    if not query.composed:
        return found
    terms = tuple((str(term), term.weight) for term in embedded.terms)
    return replace(found, terms=terms, shares=tuple(embedded.shares(itself[None])[0].tolist()))


def reduced(picture: Image.Image, side: int) -> Image.Image:
    """The shorter side at most `side` pixels: a patch on a large photograph is made small with it at each place."""
    share = side / min(picture.size)
    if share >= 1:
        return picture
    return picture.resize((round(picture.width * share), round(picture.height * share)), Image.Resampling.BICUBIC)


def occluded(picture: Image.Image, encoder: Encoder, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """(unit row of the picture itself (dim,), drops of its cosine with the query `vector` (dim,), passes)."""
    across, down = (edges(side, min(picture.size)) for side in picture.size)
    columns, rows = len(across) - 1, len(down) - 1
    wide, high = min(PATCH, columns), min(PATCH, rows)
    whole = encoder.preprocess([picture])
    itself = encoder.encode_pixels(whole)[0]
    places = [(top, left) for top in range(rows - high + 1) for left in range(columns - wide + 1)]
    total, covers, passes = np.zeros((rows, columns)), np.zeros((rows, columns)), 1
    for first in range(0, len(places), BATCH):
        batch, seen = places[first : first + BATCH], []
        for top, left in batch:
            covered = picture.copy()
            covered.paste(GREY, (across[left], down[top], across[left + wide], down[top + high]))
            seen.append(encoder.preprocess([covered])[0])
        # What a transform cuts off is not seen, and covering it costs no pass.
        changed = [number for number, pixels in enumerate(seen) if not np.array_equal(pixels, whole[0])]
        drops = np.zeros(len(batch))
        if changed:
            found = encoder.encode_pixels(np.stack([seen[number] for number in changed]))
            drops[changed] = (itself - found).astype(np.float64) @ vector
        passes += len(changed)
        for (top, left), drop in zip(batch, drops.tolist(), strict=True):
            total[top : top + high, left : left + wide] += drop
            covers[top : top + high, left : left + wide] += 1
    return itself, total / covers, passes


def edges(side: int, shorter: int) -> list[int]:
    """Where the cells along a side begin and end, in pixels. Cells are as good as square up to 4 : 1."""
    per_side = min(CELLS, shorter)
    count = min(round(per_side * side / shorter), MOST_CELLS, side)
    return [round(number * side / count) for number in range(count + 1)]
