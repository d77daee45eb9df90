"""Run cards: what one run of a benchmark measured, on what, with what. Tables and plots are drawn from cards only.

    <root>/<gallery>/<encoder>/<benchmark>.json          a full run
                               <benchmark>-quick.json    one with --quick, which never replaces a full one

As in the store, unusual settings (a limit, say) follow the encoder's name, so such a run never replaces a usual one.
There are two roots: `cards/` beside the package, which ships, and the user's own, beside their built indexes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from searchdemo import assets
from searchdemo.collection.store import Key
from searchdemo.errors import BadArtifact
from searchdemo.files import make_folder, own_folder, sha256_of, write_json
from searchdemo.shipped import check

log = logging.getLogger(__name__)

FORMAT = 1
KEY_PARTS = ("transform", "metric", "limit")  # fields of store.Key; the settings of a card hold the unusual ones
VARIANT = (*KEY_PARTS, "weights", "asked")  # asked: what an unusual run asks of each index, "k 100, nprobe 4"


@dataclass(frozen=True)
class Requirement:
    """A bound that the project holds itself to, and the figure that was measured."""

    name: str
    measured: float
    bound: float
    at_least: bool = False  # whether `bound` is a minimum; else it is a maximum
    unit: str = "ratio"  # "ratio" | "ms" | "s"

    @property
    def holds(self) -> bool:
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    @property
    def counted(self) -> bool:
        """Whether it says that there are no faults, which is so on any machine, however busy."""
        return self.bound == 0 and not self.at_least

    def cells(self) -> tuple[str, str, str, str]:
        """("holds" or "FAILS", name, what was measured, what is wanted), for a row of a table."""
        unit = "" if self.unit == "ratio" else f" {self.unit}"
        wanted = f"{'at least' if self.at_least else 'at most'} {self.bound:g}{unit}"
        return "holds" if self.holds else "FAILS", self.name, f"{self.measured:.3g}{unit}", wanted


@dataclass(frozen=True)
class Figures:
    """The result of a benchmark. With the machine and the versions of libraries it becomes a RunCard."""

    subject: dict  # Workload.subject, or a dict like it
    parts: dict[str, list[dict]]
    settings: dict = field(default_factory=dict)
    requirements: list[Requirement] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RunCard:
    """One run of one benchmark on one gallery seen by one encoder."""

    benchmark: str
    gallery: str
    encoder: str
    parts: dict[str, list[dict]]  # name of a table -> its rows; a key ends with its unit: "p50_ms", "size_bytes"
    subject: dict  # vectors, dim, queries, weights_sha256, vectors_sha256, precision, stand_in, synthetic
    settings: dict  # quick, seed, threads, the variant, and the benchmark's own settings
    requirements: list[Requirement] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # parts that did not run, with their errors
    machine: dict = field(default_factory=dict)  # name, cores, memory_bytes, system
    versions: dict[str, str] = field(default_factory=dict)
    at: str = ""  # ISO 8601, UTC
    seconds: float = 0.0  # that the whole run took
    format: int = FORMAT

    @property
    def quick(self) -> bool:
        return bool(self.settings.get("quick"))

    @property
    def variant(self) -> dict:
        """The settings that set this run apart from the usual one of its gallery and encoder, see `variant_of`."""
        return {name: self.settings[name] for name in VARIANT if name in self.settings}

    @property
    def stand_in(self) -> bool:
        """Whether random weights took the place of the encoder's, for the vectors or for any row."""
        rows = (row for part in self.parts.values() for row in part)
        return bool(self.subject.get("stand_in")) or any(row.get("stand_in") for row in rows)

    @property
    def made_up(self) -> list[str]:
        """What about the encoder and its vectors is random, for the title of a table or a panel."""
        synthetic = bool(self.subject.get("synthetic"))
        return ["stand-in weights"] * self.stand_in + ["random vectors"] * synthetic

    @property
    def title(self) -> str:
        """ "scenes × bundled (limit 500, quick run)"."""
        marks = ["stand-in"] * self.stand_in + ["synthetic"] * bool(self.subject.get("synthetic"))
        if left_out := self.subject.get("left_out"):
            marks.append(f"{left_out:,} left out as queries")
        marks += [f"{value}" if name == "asked" else f"{name} {value}" for name, value in self.variant.items()]
        marks += ["quick run"] * self.quick
        return f"{self.gallery} × {self.encoder}" + (f" ({', '.join(marks)})" if marks else "")

    @property
    def source(self) -> str:
        """One line for below a table or a plot: where its figures come from."""
        return source_of([self])

    @property
    def what(self) -> str:
        """ "scenes × bundled · 2,000 × 128": the title, and the shape of the vectors where there are any."""
        shape = f" · {self.subject['vectors']:,} × {self.subject['dim']}" if "vectors" in self.subject else ""
        return self.title + shape

    @property
    def path(self) -> Path:
        """Relative to a root."""
        parts = {name: value for name, value in self.variant.items() if name in KEY_PARTS}
        folder = Key(self.gallery, self.encoder, **parts).folder
        if weights := self.variant.get("weights"):
            folder = folder.with_name(f"{folder.name}-w{weights}")
        if asked := self.variant.get("asked"):
            folder = folder.with_name(f"{folder.name}-{asked.replace(', ', '-').replace(' ', '')}")
        return folder / (f"{self.benchmark}-quick.json" if self.quick else f"{self.benchmark}.json")

    def to_json(self) -> dict:
        """Format 1 calls the requirements "floors"."""
        content = {"floors" if name == "requirements" else name: value for name, value in asdict(self).items()}
        return content | {"floors": [asdict(each) | {"holds": each.holds} for each in self.requirements]}

    @classmethod
    def from_json(cls, content: dict) -> RunCard:
        """Raises TypeError, ValueError or AttributeError for content that is no card of this format."""
        if content.get("format") != FORMAT:
            raise OtherFormat(f"format {content.get('format')}, wanted {FORMAT}")
        facts = {name: value for name, value in content.items() if name != "floors"}
        floors = [
            {name: value for name, value in floor.items() if name != "holds"} for floor in content.get("floors", [])
        ]
        return cls(**facts, requirements=[Requirement(**floor) for floor in floors])


def source_of(cards: Sequence[RunCard]) -> str:
    """One line for below a table or a plot that is drawn from several cards: each subject, machine and day once."""
    days = sorted({card.at[:10] for card in cards})
    subjects = list(dict.fromkeys(card.what for card in cards))
    if len({card.gallery for card in cards}) == 1:  # which is named once
        subjects[1:] = [subject.removeprefix(f"{cards[0].gallery} ") for subject in subjects[1:]]
    facts = [
        "; ".join(subjects),
        "; ".join(dict.fromkeys(card.machine.get("name", "an unknown machine") for card in cards)),
        " to ".join(dict.fromkeys((days[0], days[-1]))),
    ]
    return " · ".join(facts)


def variant_of(key: Key, weights: Path | None = None) -> dict:
    """The unusual settings: transform, metric, limit, and for custom weights the first 8 digits of their SHA-256.

    Random stand-in weights are not custom weights: a run with them is marked, and a run with the real ones replaces it.
    """
    usual = asdict(Key(key.gallery, key.encoder))
    found = {name: value for name, value in asdict(key).items() if value != usual[name]}
    return found | ({"weights": sha256_of(weights)[:8]} if weights else {})


def own_cards(out_dir: Path | None = None) -> Path:
    """The folder for new cards: in the folder of built indexes that was named, else beside the user's own indexes."""
    return out_dir / "cards" if out_dir else own_folder() / "cards"


def save(card: RunCard, root: Path) -> Path:
    """Raises SearchDemoError when its folder cannot be made."""
    path = root / card.path
    make_folder(path.parent)
    write_json(path, card.to_json())
    return path


class OtherFormat(ValueError):
    """A card of another version, which is passed over."""


def load(path: Path) -> RunCard:
    """Raises BadArtifact for a file that is missing, damaged or of another format."""
    try:
        return RunCard.from_json(json.loads(check(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BadArtifact(
            f"{path} is not a run card that this version reads ({error}): measure again, or delete it."
        ) from error


def cards(*roots: Path, benchmark: str | None = None) -> Iterator[RunCard]:
    """All cards that can be read, those of the first root first, by path.

    Cards of other versions are passed over, and so are damaged ones, which are logged; see `damaged`.
    """
    for found in _read(roots, benchmark):
        if isinstance(found, RunCard):
            yield found
        else:
            log.warning("%s", found)


def damaged(*roots: Path, benchmark: str | None = None) -> list[BadArtifact]:
    """What is wrong with those that cannot be read, where another version did not write them."""
    return [found for found in _read(roots, benchmark) if isinstance(found, BadArtifact)]


def _read(roots: Sequence[Path], benchmark: str | None) -> Iterator[RunCard | BadArtifact]:
    for root in roots or (own_cards(), assets.CARDS):
        for path in sorted(root.glob("*/*/*.json")):
            if benchmark is None or path.stem.removesuffix("-quick") == benchmark:
                try:
                    yield load(path)
                except BadArtifact as error:
                    if not isinstance(error.__cause__, OtherFormat):
                        yield error


def find(benchmark: str, key: Key, *roots: Path, variant: dict | None = None) -> RunCard | None:
    """The newest full run, else the newest quick one, of the first root that has any. variant: see `variant_of`.

    Raises BadArtifact where there is none, and one of this benchmark is damaged.
    """
    wanted = (key.gallery, key.encoder, variant_of(key) if variant is None else variant)
    for root in roots:
        found = [c for c in cards(root, benchmark=benchmark) if (c.gallery, c.encoder, c.variant) == wanted]
        if found:
            return max(found, key=lambda card: (not card.quick, card.at))
    for error in damaged(*roots, benchmark=benchmark):
        raise error
    return None
