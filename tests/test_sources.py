"""docs/sources.md names commands and benchmarks that there are."""

from __future__ import annotations

import re
from pathlib import Path

from searchdemo.bench.table import BENCHMARKS
from searchdemo.cli import COMMANDS

ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in (Path(__file__).parents[1] / "docs" / "sources.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| Experiment"))
]


def test_every_experiment_has_a_command_a_card_and_a_state():
    assert len(ROWS) == 96 and all(len(row) == 4 and all(row) for row in ROWS)
    for experiment, command, _, done in ROWS:
        assert re.match(r"(yes|part|no)\b", done), experiment
        assert command != "–" or done.startswith("no: "), experiment


def test_the_commands_and_benchmarks_are_there():
    for experiment, commands, cards, _ in ROWS:
        for words in (command.split() for command in re.findall(r"`([^`]+)`", commands)):
            if words[0] == "bench":
                named = [
                    word for word in words[1:] if re.fullmatch(r"[a-z]+\d*", word) and not words[1].startswith("-")
                ]
                assert named[0] in BENCHMARKS, experiment
            elif not words[0].startswith(("-", "searchdemo/")) and len(words) > 1:
                assert words[0] in COMMANDS, experiment
        for card in cards.split(", "):
            assert card in (*BENCHMARKS, "–", "all of these"), experiment
