"""Pictures per second of a gallery's build, against the recipe that people copy and the bare forward pass.

pipeline   what `build` does: it prepares pictures beside the forward pass and writes a file
recipe     datasets.map(batched=True): decode, torchvision's transform, torch in float32, one after the other
bare       the network alone, on batches that were prepared before; also by every other runtime of this machine

They take turns, with as many threads as each library takes by itself, as in a build; figures are medians over the
rounds. The other runtimes pass over fewer pictures, because some take ten times as long.
Everything else that would slow the recipe down (hashing the network for the cache, writing the cache) is switched off.
"""

from __future__ import annotations

import contextlib
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from searchdemo.bench import plots
from searchdemo.bench.extraction import loaded, ways_of
from searchdemo.bench.points import ratio
from searchdemo.bench.tables import Table, columns, rows_of
from searchdemo.bench.workload import Bench
from searchdemo.collection.embed import BATCH_SIZE, embed, readable
from searchdemo.collection.progress import Progress, Report
from searchdemo.encoders.base import Encoder, EncoderSpec, How
from searchdemo.encoders.runtime.base import Network
from searchdemo.errors import NoPictures
from searchdemo.galleries.base import Pictures
from searchdemo.measure.cards import Figures, Requirement, RunCard, source_of
from searchdemo.pictures import open_picture
from searchdemo.processor import cores
from searchdemo.threads import thread_limit

ROUNDS = 2
MAX_PICTURES, MAX_PICTURES_QUICK = 2048, 512  # per round
MAX_SECONDS, MAX_SECONDS_QUICK = 240, 35  # for all rounds, unless one batch per round takes longer
RECIPE_TIMES = 6  # the plan assumes that the recipe takes this many times as long as the bare pass
OTHERS = 256  # pictures of the other runtimes
READY = 4  # batches that the bare pass uses over and over: more would only fill the memory
LIGHT = ("bundled", "efficientnet-lite0")  # networks that take less than a millisecond per picture
MIN_COSINE = 0.99  # between the rows that the pipeline and the recipe make of a picture


class Given(Pictures):
    """Encoded pictures in the form of a gallery's pictures."""

    def __init__(self, encoded: Sequence[bytes]):
        self._encoded, self.labels = encoded, np.zeros(len(encoded), np.int16)

    def encoded(self, row: int) -> bytes:
        return self._encoded[row]


def run(bench: Bench) -> Figures:
    """bench.options: "pictures", how many per round; without it, as many as there is time for.

    Raises NoWeights, NoPictures.
    """
    encoder = bench.encoder()
    with thread_limit(None):
        wanted = bench.options.get("pictures") or _affordable(bench, encoder)
        found, source = bench.pictures(wanted)
        encoded = [picture for picture in found if readable(picture) is not None]
        if not encoded:
            raise NoPictures(
                f"No picture of {bench.key.gallery!r} can be read on this machine, so nothing can be embedded."
            )
        contestants = {
            "pipeline": (_pipeline(encoder, encoded), encoder.how),
            "recipe": (_recipe(bench, encoder, encoded), How(encoder.how.device, "torch", "float32")),
            "bare": (_bare(encoder, encoded), encoder.how),
        }
        for how in ways_of(bench, encoder)[1:]:
            contestants[f"bare, {how}"] = _bare(loaded(bench, how), encoded[:OTHERS]), how
        seconds: dict[str, list[float]] = {name: [] for name in contestants}
        rows = {}
        for turn, name in itertools.product(range(1, ROUNDS + 1), contestants):
            stage = f"{name}, round {turn} of {ROUNDS}"
            bench.tell(stage, 0, len(encoded))
            started = time.perf_counter()
            rows[name] = contestants[name][0](stage, bench.report)
            seconds[name].append((time.perf_counter() - started) / len(rows[name]))  # per picture
    measured = [
        {
            "contestant": name,
            "precision": str(how),
            "pictures": len(rows[name]),
            "seconds": len(rows[name]) * statistics.median(seconds[name]),
            "per_second": 1 / statistics.median(seconds[name]),
            "of_recipe": ratio(seconds["recipe"], seconds[name]),
            "of_bare": ratio(seconds["bare"], seconds[name]),
            "threads": cores(),
            "stand_in": encoder.stand_in,
        }
        for name, (_, how) in contestants.items()
    ]
    subject = {"dim": encoder.dim, "weights_sha256": encoder.weights_sha256}
    subject |= {"precision": str(encoder.how), "stand_in": encoder.stand_in}
    cosine = float(np.einsum("nd,nd->n", rows["pipeline"], rows["recipe"]).min())
    settings = {"threads": [cores()], "rounds": ROUNDS, "batch": BATCH_SIZE}
    settings |= {"pictures_of": source, "lowest_cosine": cosine}
    note = (
        f"The pipeline and the recipe differ: the lowest cosine between their rows of a picture is {cosine:.4f}, "
        f"wanted {MIN_COSINE:g}, so their speeds are not those of the same work."
    )
    notes = [note] if cosine < MIN_COSINE else []
    return Figures(subject, {"embed": measured}, settings, _requirements(encoder, measured[0]), notes)


def _requirements(encoder: Encoder, pipeline: dict) -> list[Requirement]:
    """Only on a CPU: a GPU is so fast that decoding decides."""
    if encoder.how.device != "cpu":
        return []
    light = encoder.name in LIGHT
    fast = Requirement("build against the recipe that people copy", pipeline["of_recipe"], 5 if light else 3, True)
    busy = Requirement("build against the bare forward pass", pipeline["of_bare"], 0.93, at_least=True)
    # Beside a network that takes less than a millisecond per picture, opening the pictures cannot be hidden.
    return [fast] * (encoder.how.precision != "float32") + [busy] * (not light)


def _affordable(bench: Bench, encoder: Encoder) -> int:
    """The number of pictures per round, a multiple of the batch, from the time of one batch. It also warms up."""
    bench.tell(f"how fast {bench.key.encoder} is")
    encoded, _ = bench.pictures(BATCH_SIZE)
    images = [image for picture in encoded if (image := readable(picture)) is not None]
    if not images:
        return BATCH_SIZE  # `run` raises NoPictures
    encoder.encode_pixels(encoder.preprocess(images[: len(images) // 8 + 1]))
    pixels = encoder.preprocess(images)
    started = time.perf_counter()
    encoder.encode_pixels(pixels)
    seconds = (2 + RECIPE_TIMES) * (time.perf_counter() - started) / len(images)  # of a picture, for all contestants
    maximum, budget = (MAX_PICTURES_QUICK, MAX_SECONDS_QUICK) if bench.quick else (MAX_PICTURES, MAX_SECONDS)
    batches = int(min(maximum, budget / ROUNDS / seconds)) // BATCH_SIZE
    return BATCH_SIZE * max(1, batches)


# Each takes (stage, report) and returns unit rows (n, dim).
Contestant = Callable[[str, Report], np.ndarray]


def _pipeline(encoder: Encoder, encoded: Sequence[bytes]) -> Contestant:
    pictures, rows = Given(encoded), np.arange(len(encoded))

    def go(stage: str, report: Report) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            scratch = Path(folder) / "vectors.partial"
            return embed(pictures, rows, encoder, scratch, report, stage, BATCH_SIZE).vectors

    return go


def _recipe(bench: Bench, encoder: Encoder, encoded: Sequence[bytes]) -> Contestant:
    """The encoder's network in float32, in the memory format that it is built in, after torchvision's transform."""
    import datasets
    import torch
    import torch.nn.functional as F

    network: Network = encoder.images  # type: ignore[attr-defined]  # of all encoders so far; their protocol has none
    net = network.module().eval().to(encoder.how.device)
    to_tensor = _compose(bench.encoder_spec, encoder.transform)
    pictures = datasets.Dataset.from_dict(
        {"image": [{"bytes": picture, "path": None} for picture in encoded]},
        features=datasets.Features({"image": datasets.Image()}),
    )

    def go(stage: str, report: Report) -> np.ndarray:
        started, done = time.perf_counter(), 0

        def embed_batch(batch: dict) -> dict:
            nonlocal done
            images = [image.convert("RGB") for image in batch["image"]]
            with torch.no_grad():
                pixels = torch.stack([to_tensor(image) for image in images]).to(encoder.how.device)
                features = F.normalize(net(pixels), dim=1).cpu().numpy()
            done += len(images)
            report(Progress(stage, done, len(encoded), done / (time.perf_counter() - started)))
            return {"embedding": features}

        with _no_bars():
            mapped = pictures.map(
                embed_batch,
                batched=True,
                batch_size=BATCH_SIZE,
                keep_in_memory=True,
                load_from_cache_file=False,
                new_fingerprint=f"recipe-{id(pictures)}-{stage}".replace(" ", "-").replace(",", ""),
            )
            return np.asarray(mapped.with_format("numpy")["embedding"][:], dtype=np.float32)

    return go


def _compose(spec: EncoderSpec, transform: str) -> Callable[[Image.Image], Any]:
    """What the libraries' own functions return for such an encoder."""
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

    px, way = spec.input_px, InterpolationMode(spec.interpolation)
    steps = [Resize(spec.resize_px or px, way), CenterCrop(px)]
    if transform == "full" or spec.squash:
        steps = [Resize((px, px), InterpolationMode.BICUBIC if transform == "full" else way)]
    return Compose([*steps, ToTensor(), Normalize(spec.mean, spec.std)])


@contextlib.contextmanager
def _no_bars() -> Iterator[None]:
    """The library datasets would draw its own progress bar over ours."""
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    shown = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            enable_progress_bars()


def _bare(encoder: Encoder, encoded: Sequence[bytes]) -> Contestant:
    starts = range(0, len(encoded), BATCH_SIZE)
    ready = [
        encoder.preprocess([open_picture(picture) for picture in encoded[start : start + BATCH_SIZE]])
        for start in starts[:READY]
    ]
    # The last batch of the other contestants may be smaller. With its size, the same number of pictures passes here.
    sizes = [min(BATCH_SIZE, len(encoded) - start) for start in starts]

    def go(stage: str, report: Report) -> np.ndarray:
        turns = zip(itertools.cycle(ready), sizes, strict=False)
        return np.concatenate([encoder.encode_pixels(pixels[:size]) for pixels, size in turns])

    return go


def tables(cards: Sequence[RunCard]) -> list[Table]:
    heads = columns("encoder contestant precision threads pictures per_second of_recipe of_bare mark")
    title = "Embedding a gallery: the build's pipeline, the recipe that people copy, the bare forward pass; "
    title += "ratios are medians over the rounds"
    return [Table("embed", title, heads, rows_of(cards, "embed"), source_of(cards))]


def charts(cards: Sequence[RunCard]) -> dict[str, plots.Figure]:
    """Pictures per second of each contestant. Each encoder has its own panel, because their scales differ."""
    return {"embed": plots.panel_per_card(cards, "Pictures embedded per second", _draw, height=2.8)}


def _draw(ax: plots.Axes, card: RunCard) -> None:
    rows = card.parts["embed"]
    drawn = plots.bars(ax, [row["contestant"] for row in rows], [row["per_second"] for row in rows], plots.SERIES[:3])
    ax.bar_label(drawn, fmt="%.0f", padding=3, fontsize=8)
    ax.margins(x=0.12)
    ax.set_xlabel(f"pictures per second, {rows[0]['threads']} threads")
