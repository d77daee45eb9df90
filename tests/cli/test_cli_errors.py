"""Help, errors of one line, and other ways to end."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from unittest.mock import create_autospec

import pytest

import searchdemo
from searchdemo import cli
from tests.cli_tools import ROOT, SCENES, CountingColours


@pytest.mark.parametrize("command", ["", *cli.COMMANDS])
def test_help_has_an_example_that_is_understood(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for named in ("mine.safetensors", "marks.json"):  # by examples
        (tmp_path / named).touch()
    with pytest.raises(SystemExit) as end:
        cli.main([command, "-h"] if command else ["-h"])
    assert end.value.code == 0
    examples = re.findall(r"^  python -m (searchdemo .*)$", capsys.readouterr().out.partition("Example:")[2], re.M)
    assert examples
    for example in examples:
        cli.make_parser().parse_args(shlex.split(example)[1:])


def test_the_first_example_of_the_help_runs(capsys):
    for example in re.findall(r"^  python -m searchdemo (.*)$", cli.__doc__, re.M):
        assert cli.main(shlex.split(example)) == 0
    assert "score" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("search --gallery scenes --text red", "run `python -m searchdemo build --gallery scenes --encoder bundled`"),
        ("search --gallery scene --text red", "no gallery 'scene'. Did you mean 'scenes'?"),
        ("search --gallery scenes --encoder bundle --text red", "no encoder 'bundle'. Did you mean 'bundled'?"),
        ("build --gallery scenes --index hnws", "no index 'hnws'. Did you mean 'hnsw'?"),
        ("build --gallery folder:/nowhere/at/all", "There is no folder '/nowhere/at/all'"),
        ("search --gallery hf:~nobody-of-this-name/x --text red", "There is no folder '~nobody-of-this-name/x', and"),
        ("knn --gallery scenes -k 0", "k = 0 is out of bounds"),
        ("knn --gallery scenes --temperature 0", "temperature = 0.0 is out of bounds"),
        ("knn --gallery scenes --max-degrees 0", "max_degrees = 0.0 is out of bounds: choose above 0 and at most 180"),
        ("knn --gallery scenes --max-degrees nan", "max_degrees = nan is out of bounds"),
        ("knn --gallery scenes --max-degrees wide", "max_degrees = 'wide' is out of bounds"),
    ],
)
def test_mistakes_get_one_sentence(words, said, complaint):
    assert said in complaint(*words.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--text", ""], "The text is empty"),
        (["--text", "a" * 10_000], "10,000 characters"),
        (["--text", "red", "-k", "0"], "k = 0 is out of bounds"),
        (["--text", "red", "-k", str(10**9)], "k = 1,000,000,000 is out of bounds"),
        (["--image", "/nowhere.png"], "nowhere.png"),
        (["--image", "~nobody-of-this-name/x.png"], "~nobody-of-this-name/x.png' cannot be opened (No such file"),
        (["--image", __file__], "is not a picture that can be read"),
        (["--text", "red", "--index", "faiss:Nonsense7"], "cannot be built"),
        ([], "Give a picture, a row or a held-out query to search with, a text, or one of them and a text."),
        (["--image", "b.png", "--row", "3"], "Give a picture, a row or a held-out query"),
        (["--text", "red", "--box", "0,0,0.5,0.5"], "A box is a part of a picture, and there is none"),
    ],
)
def test_queries_that_cannot_be_answered_get_one_sentence(words, said, complaint, built):
    assert said in complaint("search", *built, *words)


@pytest.mark.parametrize(
    "words",
    [
        "search --text red -k ten",
        "knn -k 1,two",
        "build --limit 0",
        "build --batch-size -1",
        "build --weights /nowhere.safetensors",
        "list --data /nowhere",
        "list --data ~nobody-of-this-name/x",
        "bake",
        "",
    ],
)
def test_wrong_usage_is_told_by_the_parser(words, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(words.split())
    assert end.value.code == 2
    assert "usage: python -m searchdemo" in capsys.readouterr().err


def test_ctrl_c_leaves_no_traceback(monkeypatch, capsys):
    def interrupted(self, pixels):
        raise KeyboardInterrupt

    monkeypatch.setattr(CountingColours, "encode_pixels", interrupted)
    assert cli.main(["build", *SCENES]) == 130
    said = capsys.readouterr().err
    assert "the same command goes on from there" in said and "Traceback" not in said


def test_what_nobody_foresaw_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr("searchdemo.cli.list.encoders", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["list"])


def test_a_reader_that_has_seen_enough_is_no_error():
    with subprocess.Popen(
        [sys.executable, "-m", "searchdemo", "list"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_app_hands_its_options_to_the_page(monkeypatch, tmp_path):
    from searchdemo import ui

    page = create_autospec(ui.launch)  # refuses arguments that launch does not take
    monkeypatch.setattr(ui, "launch", page)
    assert cli.main(["app", "--port", "8000", "--gallery", "scenes", "--data", str(tmp_path)]) == 0
    page.assert_called_once_with(port=8000, gallery="scenes", data_dir=tmp_path, out_dir=None, share=False, host=None)


def test_the_version(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"searchdemo {searchdemo.__version__}\n"


@pytest.mark.parametrize(
    ("started", "name"),
    [("/usr/bin/searchdemo", "searchdemo"), ("searchdemo/__main__.py", "python -m searchdemo"), ("app.py", None)],
)
def test_the_help_names_the_program_as_it_was_started(monkeypatch, started, name):
    monkeypatch.setattr(sys, "argv", [started])
    said = cli.make_parser().format_help()
    assert said.startswith(f"usage: {name or 'python -m searchdemo'} [-h]")
    assert f"\n  {name or 'python -m searchdemo'} search --gallery scenes --text" in said


@pytest.mark.parametrize("options", [[], ["--verbose"]], ids=["quiet", "verbose"])
def test_verbose_has_one_line_per_thing_on_stderr_and_nothing_more_on_stdout(tmp_path, options):
    command = [sys.executable, "-m", "searchdemo", "knn", "--gallery", "scenes", "--index", "lsh", "-k", "1", "--json"]
    environment = os.environ | {"SEARCHDEMO_HOME": str(tmp_path)}
    done = subprocess.run(
        [*command, *options], cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=250
    )
    assert json.loads(done.stdout)["queries"] == 200
    lines = [re.sub(r"^[\d-]+ [\d:,]+ ", "", line) for line in done.stderr.splitlines()]
    said = r"searchdemo\.collection\.shelf: built the index lsh over scenes/bundled in \d+\.\d s"
    assert len(lines) == len(options) and all(re.fullmatch(said, line) for line in lines)


def test_an_option_is_not_guessed_from_its_beginning(capsys):
    from searchdemo.cli import make_parser

    assert make_parser().parse_args(["search", "--text", "dog", "--k", "3"]).k == 3  # not --k-factor
    with pytest.raises(SystemExit):
        make_parser().parse_args(["search", "--tex", "dog"])
    assert "unrecognized arguments: --tex" in capsys.readouterr().err


def test_a_path_to_write_to_is_taken_as_it_is_typed():
    """Of names of folders, "\\xda" stands for a byte; on Windows a path may well begin so."""
    typed = r"C:\xdata\mine.parquet"
    taken = cli.make_parser().parse_args(["export", "--out", typed, "--out-dir", typed])
    assert str(taken.out) == str(taken.out_dir) == typed
