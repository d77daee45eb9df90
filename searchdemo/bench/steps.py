"""What each step of docs/steps.md needs and costs: from the cards of `scale` and `milvus`, and from two prices.

Memory and disk per vector are those of the largest number of vectors that was measured. A machine has the smallest
power of two of gigabytes that holds SPARE times the index and PROCESS_GB beside it. The prices are assumptions: a
reader replaces them by the rule that `arithmetic` shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from searchdemo.bench.said.words import NotMeasured, measured, part, real, three
from searchdemo.bench.tables import Column, Table, columns, fixed, number
from searchdemo.measure.cards import RunCard, source_of

MEMORY_PRICE, DISK_PRICE = 0.005, 0.0001  # assumed dollars per GB and hour
HOURS = 730  # of a month
SPARE, PROCESS_GB = 1.3, 1.0
LEAST_GB = 2.0
MILLIONS = (1, 10, 100)
AS_MUCH_MORE = 10
# Step -> (indexes of `scale` in memory, those on disk). Stored vectors are those of `ivf`, which all others need for
# true scores; mapped, they are read from the disk's cache.
STEPS = {
    "one file, exact": (("flat",), ("ivf",)),
    "one file, mapped, cells": (("ivf",), ("ivf",)),
    "one file, mapped, graph": (("hnsw", "ivf"), ("hnsw", "ivf")),
    "one file, mapped, codes in memory": (("ivfpq",), ("ivfpq", "ivf")),
}
SHOWN = ("flat", "ivf", "hnsw")


def tables(cards: Sequence[RunCard]) -> list[Table]:
    """The measurements that the steps rest on, and what they cost; none without a card of `scale`."""
    grown = [card for card in cards if card.benchmark == "scale"]
    if not grown:
        return []
    card = real(grown)
    heads = columns("index vectors p50_ms recall_10 build_s size_bytes")
    rows = [row for name in SHOWN for row in card.parts["scale"] if row["index"] == name and row["vectors"] >= 100_000]
    base = Table("steps-measured", "The steps of one file, one query at a time, one thread", heads, rows, card.source)
    heads = [
        Column("step", "step"),
        Column("index", "index"),
        *columns("vectors"),
        Column("memory_gb", "GB of memory", number()),
        Column("disk_gb", "GB of disk", number()),
        Column("machine_gb", "machine, GB", fixed(0)),
        Column("month", "dollars per month", fixed(0)),
    ]
    title = (
        f"What the steps cost in 128 dimensions, at an assumed {MEMORY_PRICE:g} dollars per GB of memory and hour, and "
        f"{DISK_PRICE:g} per GB of disk"
    ).replace("128", str(card.subject["dim"]))
    from_cards = [one for one in cards if one.benchmark in ("scale", "milvus") and not one.made_up]
    return [base, Table("steps-cost", title, heads, costs(cards), source_of(from_cards or [card]))]


def costs(cards: Sequence[RunCard]) -> list[dict]:
    """One row for each step and number of vectors."""
    rows = []
    for step, index, memory, disk, fixed_gb, most in needs(cards):
        for millions in [each for each in MILLIONS if each * 10**6 <= most]:
            gb = memory * millions / 1000 + fixed_gb
            machine = machine_gb(gb)
            disk_gb = disk * millions / 1000
            facts = {"step": step, "index": index, "vectors": millions * 10**6, "memory_gb": gb, "disk_gb": disk_gb}
            rows.append(facts | {"machine_gb": machine, "month": per_month(machine, disk_gb)})
    return rows


def needs(cards: Sequence[RunCard]) -> list[tuple[str, str, float, float, float, float]]:
    """(step, index, MB of memory per million vectors, MB of disk per million, GB whatever the number, most vectors).

    A server's memory holds buffers too, which do not grow with the vectors: it is no guide beyond AS_MUCH_MORE times
    what was measured.
    """
    card = real([card for card in cards if card.benchmark == "scale"])
    most = max(row["vectors"] for row in card.parts["scale"])
    sizes = {row["index"]: row["size_bytes"] / most for row in card.parts["scale"] if row["vectors"] == most}
    found = []
    for step, (memory, disk) in STEPS.items():
        if {*memory, *disk} <= sizes.keys():
            parts = (sum(sizes[name] for name in names) for names in (memory, disk))
            found.append((step, memory[0], *parts, 0.0, math.inf))
    for row in card.parts.get("disk", [])[-1:]:
        if row.get("search_peak_bytes"):
            each = row["size_bytes"] / row["vectors"]
            found.append(
                ("one process, lists on disk", "ivf-disk", 0.0, each, row["search_peak_bytes"] / 1e9, math.inf)
            )
    held = [row for one in cards if one.benchmark == "milvus" for row in one.parts["milvus"]]
    for row in [row for row in held if row["index"] == "milvus" and row.get("resident_bytes")][-1:]:
        each, idle = (row["resident_bytes"] - row["idle_bytes"]) / row["vectors"], row["idle_bytes"] / 1e9
        most = AS_MUCH_MORE * row["vectors"]
        found.append(("Milvus server", "milvus", each, sizes["hnsw"] + sizes["ivf"], idle, most))
    return found


def machine_gb(gb: float) -> float:
    """The smallest power of two that holds SPARE times an index and the process."""
    return max(LEAST_GB, 2.0 ** math.ceil(math.log2(SPARE * gb + PROCESS_GB)))


def per_month(machine: float, disk: float) -> float:
    """Dollars."""
    return HOURS * (machine * MEMORY_PRICE + disk * DISK_PRICE)


def arithmetic(cards: Sequence[RunCard]) -> str:
    """One row of the cost table worked out in words."""
    try:
        (row,) = (row for row in costs(cards) if (row["index"], row["vectors"]) == ("hnsw", 10**7))
        memory = next(each for each in needs(cards) if each[1] == "hnsw")[2]
    except (LookupError, StopIteration, ValueError) as error:
        raise NotMeasured("hnsw") from error
    wanted = SPARE * row["memory_gb"] + PROCESS_GB
    return (
        f"The row of `hnsw` for 10 million vectors, worked out: 10 x {three(memory)} MB = {three(row['memory_gb'])} GB."
        f" With {SPARE:g} times that and {PROCESS_GB:g} GB for process and system it is {three(wanted)} GB, so a "
        f"machine of {row['machine_gb']:.0f} GB: {row['machine_gb']:.0f} x {MEMORY_PRICE:g} x {HOURS} = "
        f"{row['machine_gb'] * MEMORY_PRICE * HOURS:.2f} dollars per month, and {three(row['disk_gb'])} GB of disk: "
        f"{three(row['disk_gb'])} x {DISK_PRICE:g} x {HOURS} = {row['disk_gb'] * DISK_PRICE * HOURS:.2f}. Put your own "
        f"prices in the places of {MEMORY_PRICE:g} and {DISK_PRICE:g}."
    )


def coarse(card: RunCard) -> str:
    """What the cheapest row does not give."""
    rows = [row for row in part(card, "scale") if row["index"] == "ivfpq"]
    largest = max(rows, key=lambda row: row["vectors"], default={})
    (recall,) = measured(largest, "recall_10")
    return f"The cheapest is coarse: `ivfpq` finds {recall:.2f} of the ten nearest of {largest['vectors']:,} vectors."
