"""Extraction of embeddings, raced over the runtimes of this machine.

From a picture's encoded bytes, or a text, to its unit row. The runtimes take turns. Each also starts in a process of
its own, which tells the seconds until its first row and the memory that it takes by then; a quick run starts the chosen
one alone.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from functools import partial

from searchdemo.bench.child import run_python
from searchdemo.bench.points import in_turns, ratio
from searchdemo.bench.workload import Bench
from searchdemo.encoders import table as encoder_table
from searchdemo.encoders.base import Encoder, How
from searchdemo.encoders.runtime.table import RUNTIMES
from searchdemo.extras import is_installed
from searchdemo.measure.cards import Requirement
from searchdemo.measure.metrics import latency
from searchdemo.pictures import open_picture
from searchdemo.threads import thread_limit

BATCH = 16
TEXT = "a photo of a red boat on the sea"
ROUNDS, ROUNDS_QUICK = 3, 1
SECONDS, SECONDS_QUICK = 1.5, 0.3  # of calls per round and figure
MOST_CALLS = 100
TODAY = ("torch", "bfloat16")  # what a CPU ran before there were other runtimes
# A single picture on one thread must take this many times less than there, for networks of each kind.
FASTER = {"bundled": 8, "efficientnet-lite0": 8, "mobilenetv3-large": 8, "resnet18": 2.5, "dino-vits16": 1.4}
NOT_STARTED = {"start_s": None, "resident_bytes": None}

START = """
import json, sys, time
started = time.perf_counter()
from pathlib import Path
from PIL import Image
from searchdemo.bench.resident import resident_bytes
from searchdemo.encoders.table import load
name, weights, device, runtime, precision = sys.argv[1:]
options = {"weights": Path(weights) if weights else None, "device": device, "runtime": runtime, "precision": precision}
load(name, **options).encode_images([Image.new("RGB", (64, 64), "teal")])
print(json.dumps({"start_s": time.perf_counter() - started, "resident_bytes": resident_bytes()}))
"""


def contestants(chosen: How, eight_bits: str = "") -> list[How]:
    """The chosen way first, then every other of this device: each installed runtime, in each precision that is fast.

    eight_bits: of the encoder and its weights, see EncoderSpec
    """
    found = [chosen]
    for spec in RUNTIMES.values():
        if (spec.cpu_only and chosen.device != "cpu") or not is_installed(spec.name):
            continue
        fast = spec.imported().fastest(chosen.device)
        integers = ["int8"] if "int8" in spec.precisions_for(eight_bits) else []
        found += [How(chosen.device, spec.name, precision) for precision in (*integers, fast, "float32")]
    return [*dict.fromkeys(found)]


def ways_of(bench: Bench, encoder: Encoder) -> list[How]:
    """How the bench's encoder can run here, first as it does."""
    name = bench.key.encoder
    return contestants(encoder.how, encoder_table.in_eight_bits(name, bench.library.weights.get(name)))


def loaded(bench: Bench, how: How) -> Encoder:
    """The bench's encoder, run in another way. Raises NoWeights, NotInstalled, BadArtifact."""
    return encoder_table.load(
        bench.key.encoder,
        weights=bench.library.weights.get(bench.key.encoder),
        transform=bench.library.transform,
        device=how.device,
        runtime=how.runtime,
        precision=how.precision,
    )


def race(bench: Bench) -> tuple[list[dict], list[Requirement]]:
    """One row per way and number of threads. Raises NoWeights."""
    first = bench.encoder()
    ways = ways_of(bench, first)
    encoders = {how: first if how == first.how else loaded(bench, how) for how in ways}
    encoded, gallery = bench.pictures(BATCH)
    rows: list[dict] = []
    held: list[Requirement] = []
    started = {how: starting(bench, how) for how in ways[: 1 if bench.quick else None]}
    for threads in bench.threads:
        bench.tell(f"extraction by {bench.key.encoder}, {threads} threads")
        calls: dict[tuple[How, str], Callable[[], object]] = {}
        for how, encoder in encoders.items():
            calls[how, "one"] = partial(embedded, encoder, encoded[:1])
            calls[how, "batch"] = partial(embedded, encoder, encoded)
            if encoder.has_text:
                calls[how, "text"] = partial(encoder.encode_texts, [TEXT])
        with thread_limit(threads):
            timed = {key: partial(p50_ms, call, bench.quick) for key, call in calls.items()}
            found = in_turns(timed, ROUNDS_QUICK if bench.quick else ROUNDS)
        middle = {key: statistics.median(times) for key, times in found.items()}
        today = next((how for how in ways if (how.runtime, how.precision) == TODAY), None)
        for how in ways:
            facts = {"threads": threads, "dim": first.dim, "precision": str(how), "stand_in": first.stand_in}
            measured: dict[str, float | None] = {
                "one_p50_ms": middle[how, "one"],
                "batched_ms": middle[how, "batch"] / len(encoded),
            }
            measured |= {
                "per_second": 1000 * len(encoded) / middle[how, "batch"],
                "one_text_ms": middle.get((how, "text")),
            }
            if today:
                measured["of_today"] = ratio(found[today, "one"], found[how, "one"])
            rows.append(facts | {"pictures": gallery, "batch": len(encoded)} | measured | started.get(how, NOT_STARTED))
        if threads == 1 and today and today != first.how and bench.key.encoder in FASTER:
            name = f"one picture by {bench.key.encoder}, one thread: against torch in bfloat16"
            faster = ratio(found[today, "one"], found[first.how, "one"])
            held.append(Requirement(name, faster, FASTER[bench.key.encoder], at_least=True))
    return rows, held


def embedded(encoder: Encoder, encoded: list[bytes]) -> object:
    return encoder.encode_images([open_picture(picture) for picture in encoded])


def p50_ms(call: Callable[[], object], quick: bool) -> float:
    """The median of as many calls as there is time for, 3 at least."""
    once = latency(call, 1, warm_up=2).p50_ms
    calls = int(1000 * (SECONDS_QUICK if quick else SECONDS) / once)
    return latency(call, min(MOST_CALLS, max(3, calls)), warm_up=0).p50_ms


def starting(bench: Bench, how: How) -> dict:
    """{"start_s", "resident_bytes"} of a new process that encodes one picture: the second that does so, because the
    first may have to convert the network."""
    weights = bench.library.weights.get(bench.key.encoder) or ""
    arguments = (bench.key.encoder, str(weights), how.device, how.runtime, how.precision)
    bench.tell(f"starting {bench.key.encoder}, {how}")
    said = [run_python(START, *arguments, what=f"starting {how}") for _ in range(2)]
    measured: dict = json.loads(said[-1].splitlines()[-1])
    return measured
