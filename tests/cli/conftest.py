"""`run` a command for its JSON, or for its `complaint`; `built` is a small part of `scenes`."""

from __future__ import annotations

import contextlib
import io
import json

import pytest

from searchdemo import assets, cli
from searchdemo.galleries import scenes, tiny_imagenet  # noqa: F401 they find what ships before INDEXES is replaced
from tests.cli_tools import SCENES, colours_for_bundled


@pytest.fixture(autouse=True)
def colours(monkeypatch, tmp_path):
    colours_for_bundled(monkeypatch)
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(assets, "INDEXES", tmp_path / "nothing-ships")
    monkeypatch.delenv("SEARCHDEMO_DATA", raising=False)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> list[str]:
    """The options that find LIMIT scenes, built once."""
    out_dir = ["--out-dir", str(tmp_path_factory.mktemp("built"))]
    with pytest.MonkeyPatch.context() as monkeypatch, contextlib.redirect_stdout(io.StringIO()):
        colours_for_bundled(monkeypatch)
        assert cli.main(["build", *SCENES, *out_dir]) == 0
    return [*SCENES, *out_dir]


@pytest.fixture
def run(capsys):
    """run("knn", ...) -> the JSON it prints."""

    def run(*words: str) -> dict:
        assert cli.main([*words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def complaint(capsys):
    """complaint("knn", ...) -> the one line on stderr of a command that fails."""

    def complaint(*words: str) -> str:
        capsys.readouterr()
        assert cli.main(words) == 2
        said = capsys.readouterr()
        assert said.out == ""
        last = said.err.splitlines()[-1]
        assert last.startswith("searchdemo: ")
        assert "Traceback" not in said.err
        return last

    return complaint
