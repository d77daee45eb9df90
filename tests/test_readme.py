"""The documents' tables say what the tables of the code and the run cards that ship say."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from searchdemo import assets
from searchdemo.bench.report import Drawn, fill
from searchdemo.bench.table import BENCHMARKS, ONE_TABLE, UNDRAWN
from searchdemo.encoders.base import EncoderSpec
from searchdemo.encoders.table import ENCODERS
from searchdemo.galleries.table import GALLERIES
from searchdemo.indexes.table import INDEXES
from searchdemo.measure import cards as card

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
MEASURED = (ROOT / "docs" / "benchmarks.md").read_text()


def encoder_line(spec: EncoderSpec) -> str:
    download = f"{spec.download_bytes / 1e6:,.0f} MB" if spec.download_bytes else "in the clone"
    words = "yes" if spec.text else "no"
    return (
        f"| `{spec.name}` | {spec.dim} | {spec.input_px} px | {words} | {spec.parameters / 1e6:.1f} M | {download} | "
        f"{spec.licence} |"
    )


def test_every_encoder_has_its_line():
    lines = [line for line in README.splitlines() if re.match(r"\| `[\w-]+` \| \d+ \| \d+ px", line)]
    assert lines == [encoder_line(spec) for spec in ENCODERS.values()]


def rows_below(header: str, text: str = README) -> list[str]:
    """The lines of the table with this header, in order."""
    below = text.split(f"\n{header}\n")[1].splitlines()[1:]  # without the rule
    return list(itertools.takewhile(lambda line: line.startswith("|"), below))


def test_every_index_has_its_line():
    assert rows_below("| Index | What it does |") == [f"| `{spec.name}` | {spec.help} |" for spec in INDEXES.values()]


def test_every_gallery_is_named():
    named = set(re.findall(r"`([\w-]+)(?::[^`\s]*)?`", README))
    assert set(GALLERIES) <= named


def test_it_says_from_which_version_of_the_client_the_api_can_be_called():
    """1.7.2 ended in a TypeError, 1.8.0 answered."""
    before = README.split("from gradio_client import Client")[0]
    assert "(from `gradio_client` 1.8 on;" in before.split("```python")[-2]


def test_the_space_starts_what_is_there():
    front_matter = README.split("---")[1]
    assert "app_file: app.py" in front_matter
    assert (ROOT / "app.py").exists()


def test_every_benchmark_has_its_line_and_its_tables():
    names = [re.match(r"\| `([\w-]+)` \| \S", line)[1] for line in rows_below("| Benchmark | What it measures |")]
    assert names == list(BENCHMARKS)
    chapters = re.findall(r"^## .*\(`([\w-]+)`\)$", MEASURED, re.MULTILINE)
    assert sorted(chapters) == sorted(BENCHMARKS.keys() - ONE_TABLE.keys() - {*UNDRAWN})


def test_the_measured_tables_are_drawn_from_the_cards_that_ship():
    cards = [found for found in card.cards(assets.CARDS) if not found.quick]
    drawn = BENCHMARKS.keys() - ONE_TABLE.keys() - {*UNDRAWN}  # those of ONE_TABLE are drawn from others
    assert {found.benchmark for found in cards} == drawn
    found = fill(MEASURED, cards)
    assert found.text == MEASURED
    beside = {path.name: path.read_text() for path in (ROOT / "docs" / "benchmarks").iterdir()}
    assert found.pages == beside  # none is old, none is missing


def test_the_steps_are_drawn_from_the_cards_that_ship():
    cards = [found for found in card.cards(assets.CARDS) if not found.quick]
    text = (ROOT / "docs" / "steps.md").read_text()
    assert fill(text, cards, "steps.md") == Drawn(text, {})


def test_each_table_has_figures_in_its_line():
    lines = re.findall(r"^- \*\*.*\]\(benchmarks/[\w.-]+\).*$", MEASURED, re.MULTILINE)
    assert len(lines) > 30 and all(re.search(r"\)(: .*\d.*)\.$", line) for line in lines)
    assert len(MEASURED.splitlines()) < 400


DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document):
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        place, _, heading = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = document.parent / place if place else document
        assert target.exists(), f"{document.name} links {link}"
        if heading:
            titles = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, link


def test_every_plot_of_the_document_lies_beside_it():
    plots = re.findall(r"!\[.*?\]\((plots/[\w.-]+)\)", MEASURED)
    assert plots and all((ROOT / "docs" / plot).is_file() for plot in plots)
