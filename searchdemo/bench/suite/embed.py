"""Pictures a second of a gallery's build, against the recipe that people copy and the bare forward pass.

pipeline   what `build` does: pictures made ready before each forward pass (on a GPU: beside it), vectors to a file
recipe     datasets.map(batched=True): decode, transform, float32, default memory format, one after the other
bare       the network alone, on batches that were made ready before

In turns, with as many threads as torch takes by itself, as in a build; medians over the rounds. Everything that would
slow the recipe down beside its work (hashing the network for the cache, writing the cache) is switched off.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from searchdemo.bench.plots import SERIES, panels
from searchdemo.bench.tables import Column, Table, fixed, number
from searchdemo.bench.workload import Bench
from searchdemo.collection.build import BATCH_SIZE, Progress, Report, embed, readable
from searchdemo.encoders import table as encoder_table
from searchdemo.encoders.base import Encoder
from searchdemo.errors import NoPictures
from searchdemo.galleries.base import Pictures
from searchdemo.measure.cards import Figures, Floor, RunCard
from searchdemo.measure.threads import thread_limit
from searchdemo.pictures import open_picture

ROUNDS = 2
MOST, MOST_QUICK = 2048, 512  # pictures a round
SECONDS, SECONDS_QUICK = 240, 35  # in all, as far as at least a batch fits
RECIPE_TIMES = 3  # so many times as long as the bare pass takes the recipe, in planning
READY = 4  # batches that the bare pass goes round and round: more only fill the memory


class Given(Pictures):
    """Encoded pictures as those of a gallery."""

    def __init__(self, encoded: Sequence[bytes]):
        self._encoded, self.labels = encoded, np.zeros(len(encoded), np.int16)

    def encoded(self, row: int) -> bytes:
        return self._encoded[row]


def run(bench: Bench) -> Figures:
    """bench.options: "pictures", how many a round, in place of as many as there is time for.

    Raises NoWeights, NoPictures.
    """
    import torch

    encoder = bench.engine.encoder(bench.encoder)
    with thread_limit(None):
        wanted = bench.options.get("pictures") or _affordable(bench, encoder)
        found, source = bench.pictures(wanted)
        encoded = [picture for picture in found if readable(picture) is not None]
        if not encoded:
            raise NoPictures(
                f"No picture of {bench.gallery!r} can be read on this machine, so nothing can be embedded."
            )
        contestants = {
            "pipeline": (_pipeline(encoder, encoded), encoder.precision),
            "recipe": (_recipe(bench, encoder, encoded), "float32"),
            "bare": (_bare(encoder, encoded), encoder.precision),
        }
        seconds, rows = {name: [] for name in contestants}, {}
        for turn, name in itertools.product(range(1, ROUNDS + 1), contestants):
            stage = f"{name}, round {turn} of {ROUNDS}"
            bench.report(Progress(stage, 0, len(encoded), 0))
            started = time.perf_counter()
            rows[name] = contestants[name][0](stage, bench.report)
            seconds[name].append(time.perf_counter() - started)
    cosines = np.einsum("nd,nd->n", rows["pipeline"], rows["recipe"])
    measured = [
        {
            "contestant": name,
            "precision": f"{precision} on {encoder.device}",
            "pictures": len(encoded),
            "seconds": statistics.median(seconds[name]),
            "per_second": len(encoded) / statistics.median(seconds[name]),
            "of_recipe": _ratio(seconds["recipe"], seconds[name]),
            "of_bare": _ratio(seconds["bare"], seconds[name]),
            "threads": torch.get_num_threads(),
            "stand_in": encoder.stand_in,
        }
        for name, (_, precision) in contestants.items()
    ]
    subject = {
        "dim": encoder.dim,
        "weights_sha256": encoder.weights_sha256,
        "precision": encoder.precision,
        "stand_in": encoder.stand_in,
    }
    settings = {
        "threads": [torch.get_num_threads()],
        "rounds": ROUNDS,
        "batch": BATCH_SIZE,
        "pictures_of": source,
        "lowest_cosine": float(cosines.min()),  # between the pipeline's rows and the recipe's
    }
    notes = []
    if cosines.min() < 0.99:
        notes.append(
            f"The pipeline and the recipe differ: the lowest cosine between their rows of a picture is "
            f"{cosines.min():.4f}, wanted 0.99, so their speeds are not those of the same work."
        )
    return Figures(subject, {"embed": measured}, settings, _floors(encoder, measured[0]), notes)


def _ratio(other: Sequence[float], own: Sequence[float]) -> float:
    """How many times as fast as the other: the median over the rounds, each against its own neighbour in time."""
    return statistics.median(theirs / mine for theirs, mine in zip(other, own, strict=True))


def _floors(encoder: Encoder, pipeline: dict) -> list[Floor]:
    """On a CPU: a GPU is so fast that decoding decides."""
    if encoder.device != "cpu":
        return []
    fast = Floor("build against the recipe that people copy", pipeline["of_recipe"], 3, at_least=True)
    busy = Floor("build against the bare forward pass", pipeline["of_bare"], 0.9, at_least=True)
    return [fast] * (encoder.precision == "bfloat16") + [busy]


def _affordable(bench: Bench, encoder: Encoder) -> int:
    """Pictures a round, a multiple of the batch, from the time of one batch; warms up on the way. Raises NoPictures."""
    bench.report(Progress(f"how fast {bench.encoder} is", 0, 1, 0))
    encoded, _ = bench.pictures(BATCH_SIZE)
    images = [image for picture in encoded if (image := readable(picture)) is not None]
    if not images:
        return BATCH_SIZE  # `run` says so
    pixels = encoder.preprocess(images)
    encoder.encode_pixels(pixels[: len(pixels) // 8 + 1])
    started = time.perf_counter()
    encoder.encode_pixels(pixels)
    a_round = (2 + RECIPE_TIMES) * (time.perf_counter() - started) / len(images)  # seconds a picture
    most, budget = (MOST_QUICK, SECONDS_QUICK) if bench.quick else (MOST, SECONDS)
    batches = int(min(most, budget / ROUNDS / a_round)) // BATCH_SIZE
    return BATCH_SIZE * max(1, batches)


# Each: (stage, report) -> unit rows (n, dim)
Contestant = Callable[[str, Report], np.ndarray]


def _pipeline(encoder: Encoder, encoded: Sequence[bytes]) -> Contestant:
    pictures, rows = Given(encoded), np.arange(len(encoded))

    def go(stage: str, report: Report) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            scratch = Path(folder) / "vectors.npy.partial"
            return np.array(embed(pictures, rows, encoder, scratch, report, stage, BATCH_SIZE))

    return go


def _recipe(bench: Bench, encoder: Encoder, encoded: Sequence[bytes]) -> Contestant:
    """With a network of its own: the encoder's in float32, in the memory format that it is built in.

    One picture after the other through the encoder's transform, which costs what torchvision's Compose does.
    """
    import datasets
    import torch
    import torch.nn.functional as F

    plain = encoder_table.load(
        bench.encoder,
        device=encoder.device,
        transform=encoder.transform,
        weights=bench.engine.weights.get(bench.encoder),
        precision="float32",
    )
    plain.net.to(memory_format=torch.contiguous_format)
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
                pixels = torch.stack([plain.preprocess([image])[0] for image in images]).contiguous()
                features = F.normalize(plain.forward_images(pixels), dim=1).cpu().numpy()
            done += len(images)
            report(Progress(stage, done, len(encoded), done / (time.perf_counter() - started)))
            return {"embedding": features}

        mapped = pictures.map(
            embed_batch,
            batched=True,
            batch_size=BATCH_SIZE,
            keep_in_memory=True,
            load_from_cache_file=False,
            new_fingerprint=f"recipe-{id(pictures)}-{stage}".replace(" ", "-").replace(",", ""),
        )
        return np.asarray(mapped.with_format("numpy")["embedding"][:], dtype=np.float32)

    return _without_bars(go)


def _without_bars(go: Contestant) -> Contestant:
    """datasets draws a bar of its own, through the one that is shown."""
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    def quiet(stage: str, report: Report) -> np.ndarray:
        shown = not are_progress_bars_disabled()
        disable_progress_bars()
        try:
            return go(stage, report)
        finally:
            if shown:
                enable_progress_bars()

    return quiet


def _bare(encoder: Encoder, encoded: Sequence[bytes]) -> Contestant:
    starts = range(0, len(encoded), BATCH_SIZE)
    ready = [
        encoder.preprocess([open_picture(picture) for picture in encoded[start : start + BATCH_SIZE]])
        for start in starts[:READY]
    ]
    # The last batch of the real ones may be smaller: the same number of pictures passes here.
    sizes = [min(BATCH_SIZE, len(encoded) - start) for start in starts]

    def go(stage: str, report: Report) -> np.ndarray:
        turns = zip(itertools.cycle(ready), sizes, strict=False)
        return np.concatenate([encoder.encode_pixels(pixels[:size]) for pixels, size in turns])

    return go


def tables(cards: Sequence[RunCard]) -> list[Table]:
    rows = [
        {"encoder": card.encoder} | row | {"mark": "stand-in weights" if row["stand_in"] else ""}
        for card in cards
        for row in card.parts["embed"]
    ]
    columns = (
        Column("encoder", "encoder"),
        Column("contestant", "contestant"),
        Column("precision", "precision"),
        Column("threads", "threads", fixed(0)),
        Column("pictures", "pictures", fixed(0)),
        Column("per_second", "pictures a second", number()),
        Column("of_recipe", "× the recipe", fixed(2)),
        Column("of_bare", "× the bare pass", fixed(2)),
        Column("mark", ""),
    )
    title = "Embedding a gallery: the build's pipeline, the recipe that people copy, the bare forward pass"
    return [Table("embed", title, columns, rows, cards[0].source)]


def charts(cards: Sequence[RunCard]) -> dict:
    """Pictures a second of each contestant, a panel an encoder: their scales are their own."""
    figure, axes = panels(len(cards), "Pictures embedded a second", cards[0].source, height=2.8)
    for card, ax in zip(cards, axes, strict=True):
        rows = card.parts["embed"]
        bars = ax.barh([r["contestant"] for r in rows], [r["per_second"] for r in rows], color=SERIES[:3], height=0.6)
        ax.bar_label(bars, fmt="%.0f", padding=3, fontsize=8)
        ax.margins(x=0.12)
        ax.invert_yaxis()
        ax.set_xlabel(f"pictures a second, {rows[0]['threads']} threads")
        ax.set_title(card.encoder, fontsize=9)
    return {"embed": figure}
