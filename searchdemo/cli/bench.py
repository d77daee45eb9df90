"""Run benchmarks on this machine, and write a run card for each.

Benchmarks: latency, tradeoff, index, knn, classnames, reduce, scale, embed, peers, milvus, hashing, trees, metric,
checkpoints, filter, tiles, calibration, map, floors, hold, table1, table51. Each writes a run card (JSON: figures,
machine, threads, versions, digests, seed), and all tables and plots are drawn from cards. `table1` and `table51`
have one row for each encoder, by default for several.
`latency` asks each index for 10 results by the inner product, or for what -k, --metric and the search parameters say;
the others sweep these by themselves.

Example:
  python -m searchdemo bench latency --quick
  python -m searchdemo bench --all --quick
  python -m searchdemo bench table1 --stand-in --synthetic --quick
  python -m searchdemo bench latency --encoders bundled resnet18 --stand-in --synthetic --threads 1 2
  python -m searchdemo bench latency -k 1000 --metric l2 --index flat hnsw --ef-search 1000
  python -m searchdemo bench checkpoints --gallery folder:~/Pictures --encoder resnet18 --weights mine.safetensors
  python -m searchdemo bench scale --full
  python -m searchdemo bench hold --part load memory
  python -m searchdemo bench --recommend "recall>=0.95,ms<=1,mb<=60"
  python -m searchdemo bench --report docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from searchdemo import assets
from searchdemo.cli.answer import Answer, table
from searchdemo.cli.options import (
    add_choice,
    add_search_params,
    make_key,
    make_library,
    search_params,
    settle_encoder,
    whole_number,
)
from searchdemo.files import expanded

if TYPE_CHECKING:
    from searchdemo.collection.library import Library
    from searchdemo.measure.cards import RunCard
    from searchdemo.measure.recommend import Bounds


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("benchmarks", nargs="*", metavar="BENCHMARK", help="see above")
    parser.add_argument("--all", action="store_true", help="every benchmark")
    parser.add_argument("--quick", action="store_true", help="under a minute each, on a part of the vectors")
    parser.add_argument("--encoders", nargs="+", metavar="E", help="several encoders, in place of --encoder")
    parser.add_argument("--threads", nargs="+", type=whole_number, default=[1], metavar="N", help="(default 1)")
    parser.add_argument(
        "--index", nargs="+", default=[], metavar="I", help="for latency and milvus: only these (default all)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all random choices (default 0)")
    parser.add_argument("--synthetic", action="store_true", help="use random vectors where none are built, and say so")
    parser.add_argument("--stand-in", action="store_true", help="use random weights where none are here, and say so")
    parser.add_argument(
        "--cards",
        type=expanded,
        metavar="DIR",
        help="where run cards are written and read (default: beside built indexes, in --out-dir's DIR/cards)",
    )
    parser.add_argument(
        "--report",
        type=expanded,
        metavar="FILE",
        help="draw tables and plots of this document from cards of --gallery",
    )
    parser.add_argument(
        "--recommend",
        "--want",
        dest="recommend",
        metavar="BOUNDS",
        help="print the fastest setting within them and its code, from this run of tradeoff, else from your newest "
        "full run, your newest quick run, or the one that ships",
    )
    parser.add_argument(
        "--prompt",
        nargs="+",
        type=template,
        default=[],
        metavar="TEXT",
        help='for classnames and table51: sentences of your own, such as "a photo of a [label]"',
    )
    parser.add_argument(
        "--against",
        metavar="E",
        help="for checkpoints: the encoder whose published weights stand beside --weights (default: the same encoder)",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="for index: HNSW's M to 2048, which takes gigabytes; for scale: also inverted files on disk over up to 10 "
        "million synthetic vectors, which takes 6 GB of disk; for milvus: also the largest vectors of scale",
    )
    parser.add_argument(
        "--minutes", type=whole_number, metavar="N", help="for milvus: leave out what would take longer (default 30)"
    )
    parser.add_argument(
        "--part",
        nargs="+",
        default=[],
        metavar="P",
        help="for hold: only load (5 minutes), memory (6), arguments (1), mutations (3), flips (1) or "
        "kills (2); all of them take 18 minutes, and 2 with --quick",
    )
    parser.add_argument(
        "-k", "--k", type=whole_number, default=10, metavar="N", help="for latency: results (default 10)"
    )
    add_search_params(parser)
    add_choice(parser)


def template(text: str) -> str:
    """ "a photo of a [label]" -> "a photo of a {}". Raises ArgumentTypeError."""
    if text.count("[label]") != 1 or "{" in text or "}" in text:
        raise argparse.ArgumentTypeError(f"{text!r} needs [label] once where the name goes, and no braces")
    return text.replace("[label]", "{}")


def run(arguments: argparse.Namespace) -> Answer:
    from searchdemo.bench.table import BENCHMARKS, ONE_TABLE, measure
    from searchdemo.bench.workload import Asked, Bench
    from searchdemo.cli.progress import ProgressLine
    from searchdemo.encoders.table import find as find_encoder
    from searchdemo.errors import BadQuery
    from searchdemo.indexes.table import find as find_index
    from searchdemo.measure import cards as run_card
    from searchdemo.measure.recommend import parse

    names = [name for name in BENCHMARKS if name not in ONE_TABLE] if arguments.all else arguments.benchmarks
    settle_encoder(arguments, make_library(arguments))
    plan = planned(arguments, names)
    encoders = list(plan)
    named = [*encoders, *[arguments.against] * bool(arguments.against)]
    for look_up, wanted in ((BENCHMARKS.find, names), (find_encoder, named), (find_index, arguments.index)):
        for name in wanted:  # a wrong name is refused before an hour of work
            look_up(name)
    check_together(arguments, names)
    asked = Asked(arguments.k, arguments.metric, search_params(arguments))
    arguments.metric = Asked.metric  # which names the stored vectors, the same for both metrics
    bounds = parse(arguments.recommend) if arguments.recommend is not None else None
    root = cards_root(arguments)
    if arguments.report:
        return draw(arguments)
    if bounds and not names:
        return chosen([newest_tradeoff(arguments, encoder) for encoder in encoders], bounds)
    if not names:
        raise BadQuery(f"Name a benchmark, or --all: {', '.join(BENCHMARKS)}.")
    cards: list[RunCard] = []
    written: list[Path] = []
    failures = Failures()
    with tempfile.TemporaryDirectory() as scratch, ProgressLine() as progress:
        for encoder in encoders:
            bench = Bench(
                library_for(arguments, encoder, Path(scratch)),
                replace(make_key(arguments), encoder=encoder),
                weights=arguments.weights,
                quick=arguments.quick,
                synthetic=arguments.synthetic,
                threads=tuple(arguments.threads),
                indexes=tuple(arguments.index),
                seed=arguments.seed,
                report=progress,
                asked=asked,
                options={"prompts": tuple(arguments.prompt), "full": arguments.full, "against": arguments.against}
                | {"parts": tuple(arguments.part), "minutes": arguments.minutes},
            )
            for name, wanted in plan[encoder].items():
                with failures.kept(f"{name} of {encoder} was skipped", wanted):
                    card = measure(name, bench, lambda card: run_card.save(card, root))
                    written.append(run_card.save(card, root))
                    cards.append(card)
    if not cards and failures.error and len(failures.said) == 1:
        raise failures.error  # one line says it all
    measured = answer(cards, written, failures)
    if not bounds:
        return measured
    swept = [card for card in cards if card.benchmark == "tradeoff"]
    found = chosen(swept or [newest_tradeoff(arguments, encoder) for encoder in encoders], bounds)
    return Answer(measured.content | found.content, f"{measured.text}\n\n{found.text}", measured.error)


def planned(arguments: argparse.Namespace, names: list[str]) -> dict[str, dict[str, bool]]:
    """Encoder -> what is measured with it -> whether somebody asked for this very pair: then it must not be skipped.

    Raises UnknownName.
    """
    from searchdemo.bench.table import BENCHMARKS, ONE_TABLE
    from searchdemo.cli.options import USUAL_ENCODER

    named = arguments.encoders or [arguments.encoder] * (arguments.encoder != USUAL_ENCODER)
    plan: dict[str, dict[str, bool]] = {encoder: {} for encoder in named or [arguments.encoder] * (not names)}
    for name in names:
        BENCHMARKS.find(name)
        several = () if named or name not in ONE_TABLE else ONE_TABLE[name].encoders
        for encoder in several or named or [arguments.encoder]:
            plan.setdefault(encoder, {})[name] = not several and not arguments.all
    return plan


class Failures:
    """What went wrong in some benchmarks, while the others went on. It is said, and it decides the exit code.

    What nobody asked for by name and cannot run here (a SearchDemoError) is skipped and no error. What nobody foresaw
    is always one.
    """

    def __init__(self) -> None:
        self.said: list[str] = []
        self.error: Exception | None = None  # the first that nobody foresaw, else the first of the others

    @contextlib.contextmanager
    def kept(self, what: str, wanted: bool = True) -> Iterator[None]:
        """wanted: whether it was asked for by name."""
        from searchdemo.errors import SearchDemoError

        try:
            yield
        except SearchDemoError as error:
            self.said.append(f"{what}: {error}")
            if wanted:
                self.error = self.error or error
        except Exception as error:
            self.said.append(f"{what}: {type(error).__name__}: {error}")
            if self.error is None or isinstance(self.error, SearchDemoError):
                self.error = error


def check_together(arguments: argparse.Namespace, names: list[str]) -> None:
    """Raises BadQuery for options that would have no effect."""
    from searchdemo.errors import BadQuery

    others = [name for name in names if name != "latency"] or ["a run without `latency`"] * ("latency" not in names)
    if arguments.metric != "ip" and others:
        raise BadQuery(
            f"--metric {arguments.metric} has no effect on {', '.join(others)}: they search by the inner product, and "
            "`bench tradeoff` compares it with L2 by itself; leave --metric out, or name `latency` alone."
        )
    given = ["-k"] * (arguments.k != 10) + [f"--{name.replace('_', '-')}" for name in search_params(arguments)]
    if given and others:
        raise BadQuery(
            f"{', '.join(given)} has no effect on {', '.join(others)}, which sweeps such values by itself: "
            "name `latency` alone."
        )
    if arguments.prompt and not {"classnames", "table51"} & {*names}:
        raise BadQuery("--prompt has an effect on classnames and table51 alone: name one of them, or leave it out.")
    if arguments.against and "checkpoints" not in names:
        raise BadQuery("--against has an effect on checkpoints alone: name it, or leave --against out.")
    if arguments.part and "hold" not in names:
        raise BadQuery("--part has an effect on hold alone: name it, or leave --part out.")
    if arguments.minutes and "milvus" not in names:
        raise BadQuery("--minutes has an effect on milvus alone: name it, or leave --minutes out.")
    if arguments.full and not {"index", "scale", "milvus"} & {*names}:
        raise BadQuery("--full has an effect on index, scale and milvus alone: name one of them, or leave --full out.")
    beside = [*arguments.benchmarks, *["--all"] * arguments.all, *["--recommend"] * (arguments.recommend is not None)]
    if arguments.report and beside:
        raise BadQuery(
            f"{', '.join(beside)} cannot stand beside --report {arguments.report}, which measures nothing and only "
            "draws what was measured: run one after the other."
        )


def cards_root(arguments: argparse.Namespace) -> Path:
    from searchdemo.measure.cards import own_cards

    return arguments.cards or own_cards(arguments.out_dir)


def newest_tradeoff(arguments: argparse.Namespace, encoder: str) -> RunCard:
    """A full run before a quick one, and the person's own cards before those that ship. Raises NotHere."""
    from searchdemo.errors import NotHere
    from searchdemo.measure import cards as run_card

    key, roots = replace(make_key(arguments), encoder=encoder), (cards_root(arguments), assets.CARDS)
    card = run_card.find("tradeoff", key, *roots, variant=run_card.variant_of(key, arguments.weights))
    if card is None:
        raise NotHere(
            f"No run of the benchmark tradeoff on {key.gallery!r} × {encoder!r} is here: measure first, with "
            f"`python -m searchdemo bench tradeoff --gallery {key.gallery} --encoder {encoder} --recommend ...`."
        )
    return card


def chosen(cards: list[RunCard], bounds: Bounds) -> Answer:
    """The fastest point of each card within the bounds, and its code. Raises BadQuery when there is none."""
    from searchdemo.measure.recommend import choose, setting, snippet

    content, blocks = [], []
    for card in cards:
        row = choose(card.parts["points"], bounds)
        code = snippet(card, row)
        content.append({"encoder": card.encoder, "source": card.source, "wanted": str(bounds), **row, "snippet": code})
        facts = (
            f"recall@10 {row['recall_10']:.3f}, p50 {row['p50_ms']:.3g} ms, p95 {row['p95_ms']:.3g} ms, "
            f"{row['size_bytes'] / 1e6:.3g} MB, built in {row['build_s']:.2g} s, "
            + ("no labels" if row["knn_top1"] is None else f"kNN top-1 {row['knn_top1']:.1f} %")
        )
        head = f"{bounds}: {row['index']}, {setting(row)}"
        blocks.append(f"{head}\n{facts}\nfrom {card.source}\n\n{code}")
    return Answer({"chosen": content}, "\n".join(blocks).rstrip())


def library_for(arguments: argparse.Namespace, encoder: str, scratch: Path) -> Library:
    """With --stand-in, random weights in `scratch` replace weights that are not on this machine."""
    from searchdemo.encoders.stand_in import write_stand_in

    chosen = argparse.Namespace(**vars(arguments) | {"encoder": encoder})
    library = make_library(chosen)
    if arguments.stand_in and not library.has_weights(encoder):
        chosen.weights = write_stand_in(encoder, scratch / f"{encoder}.safetensors")
        return make_library(chosen)
    return library


NO_ERROR = "FAILS beside a time, a size or a ratio is no error, since a busy machine misses them; counted faults are."


def answer(cards: list[RunCard], written: list[Path], failures: Failures) -> Answer:
    from searchdemo.bench.table import BENCHMARKS

    blocks = []
    for name in dict.fromkeys(card.benchmark for card in cards):  # a table has the rows of all encoders
        mine = [card for card in cards if card.benchmark == name]
        with failures.kept(f"the tables of {name} of {', '.join(card.encoder for card in mine)} cannot be drawn"):
            for drawn in BENCHMARKS[name].tables(mine):
                heads = [column.head for column in drawn.columns]
                right = [column.numeric for column in drawn.columns]
                blocks.append(f"{drawn.title}\n{drawn.source}\n\n{table(heads, drawn.cells(), right)}")
        for card, path in zip(cards, written, strict=True):
            if card.benchmark == name:
                if card.requirements:
                    cells = [one.cells() for one in card.requirements]
                    blocks.append(table(["", "requirement", "measured", "wanted"], cells))
                blocks.append("\n".join([*card.notes, f"{card.seconds:.1f} s. Run card: {path}"]))
    if any(not one.holds and not one.counted for card in cards for one in card.requirements):
        blocks.append(NO_ERROR)
    content = {"cards": [card.to_json() for card in cards], "files": [str(path) for path in written]}
    text = "\n\n".join([*blocks, *failures.said])
    return Answer(content | {"skipped": failures.said}, text, failures.error or faults(cards))


def faults(cards: list[RunCard]) -> Exception | None:
    """For the exit code. Bounds of time do not count: they are this machine's, and it may be busy."""
    from searchdemo.errors import SearchDemoError

    found = [one.name for card in cards for one in card.requirements if one.counted and not one.holds]
    does = "requirement does" if len(found) == 1 else "requirements do"
    return SearchDemoError(f"{len(found)} {does} not hold: {'; '.join(found)}.") if found else None


def draw(arguments: argparse.Namespace) -> Answer:
    """Draws the document from the person's own full runs of these options, else from those that ship.

    Raises BadQuery when there is no such document.
    """
    from searchdemo.bench.report import draw_plots, fill
    from searchdemo.bench.table import BENCHMARKS
    from searchdemo.errors import BadQuery
    from searchdemo.measure import cards as run_card

    document = arguments.report
    wanted = (arguments.gallery, run_card.variant_of(make_key(arguments), arguments.weights), False)
    if not document.is_file():
        raise BadQuery(f"There is no document {str(document)!r} to draw tables into: name a Markdown file with marks.")
    full: list[RunCard] = []
    for root in (cards_root(arguments), assets.CARDS):
        own = [one for one in run_card.cards(root) if one.benchmark in BENCHMARKS]  # a face-off leaves a card, too
        full = full or [one for one in own if (one.gallery, one.variant, one.quick) == wanted]
    drawn, beside = fill(document.read_text(), full, document.name), document.with_suffix("")
    plots = draw_plots(full, document.parent / "plots")
    document.write_text(drawn.text)
    written = {beside / name: page for name, page in drawn.pages.items()}
    for path, page in written.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(page)
    content = {"document": str(document), "pages": list(map(str, written)), "plots": list(map(str, plots))}
    return Answer(content, f"Drew {document}, {len(written)} pages and {len(plots)} plots from {len(full)} run cards.")
