"""Run cards: what one run of a benchmark measured, on what, with what. Tables and plots are drawn from cards only.

    <root>/<gallery>/<encoder>/<benchmark>.json          a full run
                               <benchmark>-quick.json    one with --quick, which never replaces a full one

As in the store, what is not the usual (a limit, say) follows the encoder's name, so it never replaces a usual run.
There are two roots: `cards/` beside the package, which ships, and the person's own, beside their built indexes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from searchdemo import assets
from searchdemo.collection.store import Key, own_root
from searchdemo.errors import BadArtifact
from searchdemo.files import make_folder, sha256_of, write_json

FORMAT = 1
KEY_PARTS = ("transform", "metric", "limit")  # of store.Key; settings hold those that are not the usual
VARIANT = (*KEY_PARTS, "weights")


@dataclass(frozen=True)
class Floor:
    """A bound that the project holds itself to, and what was measured."""

    name: str
    measured: float
    bound: float
    at_least: bool = False  # False: measured is to be at most bound
    unit: str = "ratio"  # "ratio" | "ms" | "s"

    @property
    def holds(self) -> bool:
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    def __str__(self) -> str:
        unit = "" if self.unit == "ratio" else f" {self.unit}"
        wanted = f"{'at least' if self.at_least else 'at most'} {self.bound:g}{unit}"
        return f"{'holds' if self.holds else 'FAILS'}: {self.name}: {self.measured:.3g}{unit}, wanted {wanted}"


@dataclass(frozen=True)
class Figures:
    """What a benchmark hands back; with machine and versions it becomes a RunCard."""

    subject: dict  # Workload.subject, or the like
    parts: dict[str, list[dict]]
    settings: dict = field(default_factory=dict)
    floors: list[Floor] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RunCard:
    """One run of one benchmark on one gallery seen by one encoder."""

    benchmark: str
    gallery: str
    encoder: str
    parts: dict[str, list[dict]]  # name of a table -> its rows; keys carry their unit: "p50_ms", "size_bytes"
    subject: dict  # vectors, dim, queries, weights_sha256, vectors_sha256, precision, stand_in, synthetic
    settings: dict  # quick, seed, threads, the variant, and what else the benchmark decided on
    floors: list[Floor] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what did not run, with its error
    machine: dict = field(default_factory=dict)  # name, cores, memory_bytes, system
    versions: dict[str, str] = field(default_factory=dict)
    at: str = ""  # ISO 8601, UTC
    seconds: float = 0.0  # of the whole run
    format: int = FORMAT

    @property
    def quick(self) -> bool:
        return bool(self.settings.get("quick"))

    @property
    def variant(self) -> dict:
        """What sets the run apart from the usual one of its gallery and encoder, see `variant_of`."""
        return {name: self.settings[name] for name in VARIANT if name in self.settings}

    @property
    def title(self) -> str:
        """ "scenes × bundled (limit 500, quick run)"."""
        marks = [name.replace("_", "-") for name in ("stand_in", "synthetic") if self.subject.get(name)]
        marks += [f"{name} {value}" for name, value in self.variant.items()]
        marks = ", ".join([*marks, *["quick run"] * self.quick])
        return f"{self.gallery} × {self.encoder}{f' ({marks})' if marks else ''}"

    @property
    def source(self) -> str:
        """One line under a table or a plot: where its figures come from."""
        facts = [self.title]
        if "vectors" in self.subject:
            facts.append(f"{self.subject['vectors']:,} × {self.subject['dim']}")
        facts += [self.machine.get("name", "an unknown machine"), self.at[:10]]
        return " · ".join(facts)

    @property
    def path(self) -> Path:
        """Relative to a root."""
        parts = {name: value for name, value in self.variant.items() if name in KEY_PARTS}
        folder = Key(self.gallery, self.encoder, **parts).folder
        if weights := self.variant.get("weights"):
            folder = folder.with_name(f"{folder.name}-w{weights}")
        return folder / (f"{self.benchmark}-quick.json" if self.quick else f"{self.benchmark}.json")

    def to_json(self) -> dict:
        return asdict(self) | {"floors": [asdict(floor) | {"holds": floor.holds} for floor in self.floors]}

    @classmethod
    def from_json(cls, content: dict) -> RunCard:
        """Raises TypeError, ValueError or AttributeError for what is no card of this format."""
        if content.get("format") != FORMAT:
            raise ValueError(f"format {content.get('format')}, wanted {FORMAT}")
        floors = [Floor(**{k: v for k, v in floor.items() if k != "holds"}) for floor in content.get("floors", [])]
        return cls(**content | {"floors": floors})


def variant_of(key: Key, weights: Path | None = None) -> dict:
    """What is not the usual: those of transform, metric and limit, and of one's own weights 8 digits of their SHA-256.

    Stand-in weights are none of one's own: a run with them is marked, and makes way for one with the real weights.
    """
    usual = Key(key.gallery, key.encoder)
    found = {name: value for name in KEY_PARTS if (value := getattr(key, name)) != getattr(usual, name)}
    return found | ({"weights": sha256_of(weights)[:8]} if weights else {})


def own_cards(out_dir: Path | None = None) -> Path:
    """Where cards go: into the folder of built indexes that was named, else beside the person's own indexes."""
    return out_dir / "cards" if out_dir else own_root().parent / "cards"


def save(card: RunCard, root: Path) -> Path:
    path = root / card.path
    make_folder(path.parent)
    write_json(path, card.to_json())
    return path


def load(path: Path) -> RunCard:
    """Raises BadArtifact."""
    try:
        return RunCard.from_json(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BadArtifact(
            f"{path} is not a run card that this version reads ({error}): measure again, or delete it."
        ) from error


def cards(*roots: Path, benchmark: str | None = None) -> Iterator[RunCard]:
    """All that can be read, the first root's first, by path. One that another version wrote is passed over."""
    for root in roots or (own_cards(), assets.CARDS):
        for path in sorted(root.glob("*/*/*.json")):
            if benchmark is None or path.stem.removesuffix("-quick") == benchmark:
                try:
                    yield load(path)
                except BadArtifact:
                    continue


def find(benchmark: str, gallery: str, encoder: str, *roots: Path, variant: dict | None = None) -> RunCard | None:
    """The first root's that has one: its newest full run, else its newest quick one. variant: see `variant_of`."""
    wanted = (gallery, encoder, variant or {})
    for root in roots:
        found = [c for c in cards(root, benchmark=benchmark) if (c.gallery, c.encoder, c.variant) == wanted]
        if found:
            return max(found, key=lambda card: (not card.quick, card.at))
    return None


def versions() -> dict[str, str]:
    """Of Python and of all libraries that have a say in a figure, where they are installed."""
    import platform

    from searchdemo.measure.machine import installed

    packages = ("numpy", "torch", "faiss-cpu", "faiss-gpu", "timm", "open_clip_torch", "datasets", "scikit-learn")
    return {"python": platform.python_version()} | installed(packages)


def machine_facts() -> dict:
    import platform

    from searchdemo.measure.machine import machine

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return {
        "name": machine(),
        "cores": os.cpu_count() or 1,
        "memory_bytes": memory,
        "system": f"{platform.system()} {platform.machine()}",
    }
