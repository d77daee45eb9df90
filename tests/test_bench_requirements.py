"""The benchmark `floors`: the figures that bounds are compared with, with known answers; no process is left behind."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from searchdemo.bench import child, shaping
from searchdemo.bench.copied import copied
from searchdemo.bench.shaping import shaping_ms
from searchdemo.bench.suite import requirements
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench
from searchdemo.collection.store import Key
from searchdemo.errors import NotHere, SearchDemoError
from searchdemo.files import sha256_of
from searchdemo.measure import cards as run_card
from tests.clock import Clock
from tests.conftest import exact_rows, png

SECONDS = {"pass": 0.02, "import searchdemo": 0.05, "import gradio, torch": 2.0}
SHAPING = {"pictures": 0.5, "blurs": 3.5, "plain tiles": 0.25}


@pytest.fixture
def in_this_process(monkeypatch, capsys):
    """The page's share is measured without another process, which does not know the toys of these tests."""

    def run_python(code: str, *arguments: str, what: str = "") -> str:
        monkeypatch.setattr(sys, "argv", ["-c", *arguments])
        exec(code, {})
        return capsys.readouterr().out

    monkeypatch.setattr(shaping, "run_python", run_python)


@pytest.fixture
def bench(world, monkeypatch, in_this_process, hasty) -> Bench:
    monkeypatch.setattr(requirements, "python_seconds", SECONDS.__getitem__)
    monkeypatch.setattr(requirements, "app_seconds", lambda *places: 2.5)
    monkeypatch.setattr(requirements, "shaping_ms", lambda shown, repeats: SHAPING)
    monkeypatch.setattr(requirements, "TEXT", "red")  # what mean-colour reads
    return Bench(world.ready(), Key("colours", "mean-colour"), quick=True)


def test_every_bound_with_the_figures_it_comes_from(bench, tmp_path):
    card = measure("floors", bench)
    assert [note for note in card.notes if "cannot read 3 of the 3 class names" not in note] == []
    rows = {(row["measured"], row["contestant"], row.get("threads")): row["p50_ms"] for row in card.parts["measured"]}
    measured = {held.name: held.measured for held in card.requirements}

    exact = {key: ms for key, ms in rows.items() if key[0] == "one exact query"}
    ours = min(ms for (_, name, _), ms in exact.items() if name.startswith("exact-bf16"))
    theirs = {name for _, name, _ in exact} - {name for _, name, _ in exact if name.startswith("exact-bf16")}
    theirs -= {requirements.COPIED}  # where scikit-learn is installed
    assert theirs == {"plain NumPy", "FAISS flat"} and {threads for *_, threads in exact} == {*requirements._threads()}
    fastest = min(ms for (_, name, _), ms in exact.items() if name in theirs)
    assert measured["one exact query against the fastest of NumPy and FAISS flat"] == pytest.approx(ours / fastest)

    assert measured["import searchdemo, with the interpreter's own start"] == 0.05
    assert measured["import searchdemo, without it"] == pytest.approx(0.03)
    assert measured["start of the page against importing gradio and torch"] == 1.25
    steps = [rows["outside encoding and searching", step, None] for step in ("preprocess", "fetch", "shape")]
    assert min(steps) > 0
    assert measured["a query of 24 results outside encoding and searching"] >= max(steps)
    opened = rows["opening the stored vectors", "300 vectors, checksum included", None]
    assert measured["opening the stored vectors"] == opened / 1000 > 0
    opened = rows["opening the gallery", "colours, without its pictures", None]
    assert measured["opening the gallery"] == opened / 1000 > 0
    shaped = {name: held for held in card.requirements if (name := held.name.removeprefix("shaping 24 ")) != held.name}
    assert {name: (held.measured, held.bound, held.unit, held.holds) for name, held in shaped.items()} == {
        "pictures for the page": (0.5, 3, "ms", True),
        "blurs for the page": (3.5, 3, "ms", False),
        "plain tiles for the page": (0.25, 3, "ms", True),
    }
    assert rows["shaping results for the page", "24 blurs", None] == 3.5
    share = {name: ms for (stage, name, _), ms in rows.items() if stage == "the page's own share of a query"}
    parts = ("open and resize", "fetch", "compare with exact search", "shape", "in all")
    asked = ("a new query", "the same query, nprobe dragged")
    assert share.keys() == {f"{query}: {part}" for query in asked for part in parts} and min(share.values()) > 0
    (held,) = [held for held in card.requirements if "own share" in held.name]
    assert (held.measured, held.bound, held.unit) == (share["a new query: in all"], 3, "ms")
    assert rows["encoding one", "one picture by mean-colour", 1] > 0
    assert not [name for name in measured if name.startswith("encode")]  # those bounds are the bundled encoder's

    (table,) = requirements.tables([run_card.load(run_card.save(card, tmp_path))])
    assert len(table.cells()) == len(rows) and requirements.charts([card]) == {}


def test_the_copied_recipe_finds_the_same(bench):
    pytest.importorskip("sklearn", reason="requirements-bench.txt is not installed")
    work = bench.workload()
    query = work.queries[:1]
    assert copied(work.vectors, work.labels)(query, 5).tolist() == exact_rows(query, work.vectors, 5).tolist()
    rows, _ = requirements.exact_query(bench)
    assert sum(row["contestant"] == requirements.COPIED for row in rows) == len(requirements._threads())


def test_bounds_of_the_bundled_encoder(bench, world, monkeypatch):
    monkeypatch.setattr(bench.library, "encoder", lambda name: world.encoder)
    bench.key = replace(bench.key, encoder="bundled")
    _, bounds = requirements.encode(bench)
    assert {(held.name, held.bound, held.unit) for held in bounds} == {
        ("encode one picture, one thread", 2.5, "ms"),
        ("encode one text, one thread", 1, "ms"),
    }


def test_opening_a_folder_has_no_bound(bench, tmp_path):
    bench.key = replace(bench.key, gallery=f"folder:{tmp_path}")
    (tmp_path / "red.png").write_bytes(png((255, 0, 0)))
    (row,), bounds = requirements.open_rows(bench)
    assert row["p50_ms"] > 0 and bounds == []


def test_shaping_is_measured_of_each_kind(in_this_process):
    assert [ms > 0 for ms in shaping_ms(2, 3).values()] == [True] * 3


def test_shaping_is_measured_in_a_process_whose_failure_is_told():
    with pytest.raises(SearchDemoError, match=r"`python -c 'import io, json, sys'` failed: ValueError"):
        shaping_ms("two", 3)


def test_what_cannot_run_here_is_a_note(bench, monkeypatch):
    def nowhere(*places):
        raise NotHere("app.py is not there.")

    monkeypatch.setattr(requirements, "app_seconds", nowhere)
    figures = requirements.run(bench)
    assert figures.notes == ["starting the page: app.py is not there."]
    assert "opening the stored vectors" in {held.name for held in figures.requirements}


def test_each_opening_reads_the_checksum_again(bench, monkeypatch):
    summed = []
    monkeypatch.setattr("searchdemo.files.hashlib.file_digest", _counting(summed))
    requirements.open_stored(bench)
    assert len(summed) >= 3
    stored = bench.library.open("colours", "mean-colour").artifact
    assert sha256_of(stored.folder / "ivf.faiss") == stored.vectors_sha256  # the artifact itself was left alone


def _counting(calls: list):
    from hashlib import file_digest

    return lambda *args: calls.append(args) or file_digest(*args)


def test_plain_numpy_finds_the_exact_answer(clustered):
    vectors, queries = clustered
    search = requirements.plain_numpy(vectors)
    for query, expected in zip(queries, exact_rows(queries, vectors, 10), strict=True):
        assert search(query[None], 10).tolist() == [expected.tolist()]


def test_seconds_of_a_fresh_python(monkeypatch, clock, tmp_path):
    """From before it starts until after its end."""
    monkeypatch.setattr(child, "time", clock)
    whole = child.subprocess.run

    def run(*given, **options):
        clock.now += 3
        done = whole(*given, **options)
        assert (tmp_path / "here").exists()
        clock.now += 4
        return done

    monkeypatch.setattr(child.subprocess, "run", run)
    assert child.python_seconds(f"open({str(tmp_path / 'here')!r}, 'w')") == 7
    with pytest.raises(SearchDemoError, match="failed: ZeroDivisionError"):
        child.python_seconds("1 / 0")


PAGE = """
    import http.server, os, pathlib, sys
    port = int(sys.argv[sys.argv.index("--port") + 1])
    (folder := pathlib.Path(__file__).parent).joinpath("pid").write_text(str(os.getpid()))
    assert sys.argv[-2:] == ["--data", str(folder / "pictures")], sys.argv

    class Page(http.server.BaseHTTPRequestHandler):
        asked = 0

        def do_GET(self):
            Page.asked += 1
            self.send_response(503 if Page.asked < 3 else 200)
            self.end_headers()

    http.server.HTTPServer(("127.0.0.1", port), Page).serve_forever()
"""


class PageClock(Clock):
    """A page that starts needs real time; by this clock each look for its answer takes POLL_S, however long it took."""

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
        super().sleep(seconds)


def test_seconds_until_the_page_answers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where a relative path is meant from
    app, clock, looks, answers = [sys.executable, str(tmp_path / "page.py")], PageClock(), [], child.answers
    Path(app[-1]).write_text(textwrap.dedent(PAGE))
    monkeypatch.setattr(child, "time", clock)
    monkeypatch.setattr(child, "PATIENCE_S", float("inf"))
    monkeypatch.setattr(child, "answers", lambda port: looks.append(answers(port)) or looks[-1])
    seconds = child.app_seconds(Path("pictures"), app=app)
    assert looks[-1] and not any(looks[:-1]) and clock.slept == len(looks) - 1 >= 2  # it answered 503 twice
    assert seconds == pytest.approx(clock.slept * child.POLL_S)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_where_there_are_no_process_groups_the_page_alone_is_stopped(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "killpg", raising=False)
    test_seconds_until_the_page_answers(tmp_path, monkeypatch)


def test_a_page_that_never_answers(monkeypatch):
    def page(code: str) -> list[str]:
        return [sys.executable, "-c", code]

    with pytest.raises(SearchDemoError, match="ended before it answered: no room for a page"):
        child.app_seconds(app=page("raise SystemExit('no room for a page')"))
    monkeypatch.setattr(child, "time", Clock())
    monkeypatch.setattr(child, "PATIENCE_S", 0.2)
    with pytest.raises(SearchDemoError, match=r"did not answer within 0\.2 s"):
        child.app_seconds(app=page("import time; time.sleep(1000)"))
