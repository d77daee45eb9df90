"""Builds in the background: seen by all, one at a time, and a failure is a sentence."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from searchdemo.collection import jobs as jobs_module
from searchdemo.collection.jobs import Builds, Job, counter
from searchdemo.collection.query import Query
from searchdemo.collection.store import Key
from searchdemo.errors import BadQuery
from tests.conftest import colour_gallery

WHERE = ("colours", "mean-colour")
PATIENCE_S = 60  # nothing here takes a second; a busy machine may take long all the same


@pytest.fixture
def gate(world):
    """The encoder waits here, so that a test sees a build while it runs."""
    opened, reached, whole = threading.Event(), threading.Event(), world.encoder.encode_pixels

    def encode_pixels(pixels):
        reached.set()
        assert opened.wait(PATIENCE_S)
        return whole(pixels)

    world.encoder.encode_pixels = encode_pixels
    opened.reached = reached
    yield opened
    opened.set()


def finished(builds: Builds, job: Job) -> Job:
    """The job when its thread is over."""
    for thread in threading.enumerate():
        if thread.name == f"build {job.key.folder}":
            thread.join(PATIENCE_S)
    assert builds.job(job.key).finished
    return builds.job(job.key)


def test_a_build_from_start_to_search(world, gate):
    library = world.library()
    builds = Builds(library)
    assert builds.jobs() == [] and builds.job(Key(*WHERE)) is None
    job = builds.start(Key(*WHERE))
    assert not job.finished and not job.error
    assert gate.reached.wait(PATIENCE_S)
    assert builds.running() and not library.store.has(job.key)
    gate.set()
    done = finished(builds, job)
    assert done.error == "" and done.progress.stage == "built" and builds.running() == []
    assert len(library.open(*WHERE).search(Query(row=0), "flat", 3).hits) == 3


def test_progress_is_seen_while_it_runs(world, steady):
    library, seen = world.library(), []
    builds = Builds(library)
    build = library.build

    def watched(key, report):
        def look(progress) -> None:
            report(progress)
            seen.append(builds.job(Key(*WHERE)).progress)

        return build(key, look, batch_size=100)

    library.build = watched
    finished(builds, builds.start(Key(*WHERE)))
    assert [(p.stage, p.done) for p in seen][:3] == [("embedding the gallery", n) for n in (100, 200, 300)]


def test_a_second_start_joins_the_running_build(world, gate):
    builds = Builds(world.library())
    first = builds.start(Key(*WHERE))
    assert gate.reached.wait(PATIENCE_S)
    assert builds.start(Key(*WHERE)).key == first.key
    assert len(builds.jobs()) == 1
    gate.set()
    finished(builds, first)
    assert world.encoder.encoded == 330  # once


def test_builds_queue(world, gate):
    builds = Builds(world.library())
    first = builds.start(Key(*WHERE))
    assert gate.reached.wait(PATIENCE_S)
    asked, turn = threading.Event(), builds._turn

    class Turn:
        """The lock that the first build holds; tells that the second one asks for it."""

        def __enter__(self):
            asked.set()
            turn.acquire()

        def __exit__(self, *error):
            turn.release()

    builds._turn = Turn()
    second = builds.start(Key(*WHERE, limit=30))
    assert asked.wait(PATIENCE_S)
    assert builds.job(second.key).progress.stage == "waiting for its turn"
    assert [job.key for job in builds.running()] == [first.key, second.key]
    gate.set()
    assert finished(builds, first).error == finished(builds, second).error == ""


def test_a_failure_is_a_sentence_and_can_be_tried_again(world):
    whole, world.gallery = world.gallery, colour_gallery(10, absent=range(10), missing="The pictures are on the moon.")
    library = world.library()
    builds = Builds(library)
    failed = finished(builds, builds.start(Key(*WHERE)))
    assert failed.error == "The pictures are on the moon."
    library._galleries.put("colours", whole)
    other = finished(builds, builds.start(Key("colours", "mean-colour", limit=20)))
    assert finished(builds, builds.start(Key(*WHERE))).error == ""
    assert [job.key for job in builds.jobs()] == [other.key, failed.key]  # the latest last


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_is_told_too(world):
    world.encoder.encode_pixels = lambda pixels: 1 / 0
    builds = Builds(world.library())
    failed = finished(builds, builds.start(Key(*WHERE)))
    assert "ZeroDivisionError" in failed.error and failed.error.endswith("start it again to go on from there.")
    del world.encoder.encode_pixels
    assert finished(builds, builds.start(Key(*WHERE))).error == ""


def test_unknown_names_fail_as_sentences(world):
    builds = Builds(world.library())
    assert "no gallery 'colour'" in finished(builds, builds.start(Key("colour", "mean-colour"))).error


LEAVE = """
import threading
from types import SimpleNamespace
from searchdemo.collection.jobs import Builds
from searchdemo.collection.store import Key
from searchdemo.errors import BadQuery

started = threading.Event()

def build(*arguments):
    started.set()
    threading.Event().wait()

library = SimpleNamespace(holds=lambda gallery: False, encoder=print, build=build)
builds = Builds(library)
builds.start(Key("colours", "mean-colour"))
started.wait()
"""


def test_leaving_the_program_does_not_wait_for_a_build():
    subprocess.run([sys.executable, "-c", LEAVE], cwd=Path(__file__).parents[1], check=True, timeout=100)


def test_a_download_is_told_in_megabytes_and_earlier_ones_are_no_speed(monkeypatch, clock):
    monkeypatch.setattr(jobs_module, "time", clock)
    told = []
    progress = counter("fetching x, MB", told.append, 10**6)
    clock.now = 2.0
    progress(40_000_000, 100_000_000)
    clock.now = 4.0
    progress(60_000_000, 100_000_000)
    assert [(step.done, step.total, step.rate) for step in told] == [(40, 100, 0), (60, 100, 5)]
    assert "60 of 100" in str(told[1])


def test_builds_and_their_failures_are_logged(world, caplog):
    caplog.set_level("INFO", logger="searchdemo")
    builds = Builds(world.library())
    finished(builds, builds.start(Key(*WHERE)))
    finished(builds, builds.start(Key("colour", "mean-colour")))
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in said] == ["INFO", "INFO", "WARNING"]
    assert said[0][1].startswith("loaded the encoder mean-colour, float32 by numpy on cpu, in ")
    assert said[1][1].startswith("built colours/mean-colour: 300 vectors in ")
    assert said[2][1].startswith("building colour/mean-colour stopped: There is no gallery 'colour'.")


def test_a_visitor_has_one_build_at_a_time_and_all_of_them_so_many(world, gate, monkeypatch):
    monkeypatch.setattr(jobs_module, "MOST_WAITING", 2)
    builds, (first, second, third) = Builds(world.library()), (Key(*WHERE, limit=limit) for limit in (None, 10, 20))
    job = builds.start(first, by="one")
    assert builds.start(first, by="one").key == first  # it is the same build
    assert builds.started_by(first) == "one"
    with pytest.raises(BadQuery, match="A build that you started still runs"):
        builds.start(second, by="one")
    waiting = builds.start(second, by="another")
    with pytest.raises(BadQuery, match="2 builds run or wait already"):
        builds.start(third, by="a third")
    own = builds.start(third)  # the person at the command line, so to say
    for key in (second, third):
        builds.cancel(key)
    gate.set()
    for started in (job, waiting, own):
        finished(builds, started)


def test_a_build_that_is_forgotten_or_started_anew_before_its_thread_begins_builds_nothing(world, monkeypatch):
    late: list[threading.Thread] = []
    builds = Builds(world.library())
    with monkeypatch.context() as held:
        held.setattr(threading.Thread, "start", lambda thread: late.append(thread))
        builds.start(Key(*WHERE))
        builds.forget("colours")
        builds.start(Key(*WHERE))
        builds.cancel(Key(*WHERE))
        builds.start(Key(*WHERE))
    for thread in late[:2]:
        thread.run()
        assert not world.library().store.has(Key(*WHERE)) and builds.job(Key(*WHERE)).progress == jobs_module.WAITING
    late[2].run()
    assert builds.job(Key(*WHERE)).progress.stage == "built"
