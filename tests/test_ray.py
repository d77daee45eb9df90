"""Embedding on the workers of a Ray cluster: the same vectors, and what is killed loses its block alone."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from searchdemo.__main__ import main
from searchdemo.collection.desk import NO_BLOCK, Desk
from searchdemo.collection.store import Key, Store
from searchdemo.errors import BadQuery, SearchDemoError
from searchdemo.indexes.vectors import StoredVectors
from tests.conftest import colour_gallery, colour_pictures
from tests.ray_colours import embedded, load, workers

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install -r requirements-ray.txt")
from searchdemo.collection import ray_workers  # noqa: E402
from searchdemo.collection.ray_workers import Team, blocks, connected  # noqa: E402

ROOT = Path(__file__).parents[1]
BLOCK = 20
STORE = 80 * 2**20  # bytes of shared memory of a machine
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster():
    """Two machines of one core each, and this process as the driver of both."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patched.setenv("RAY_worker_niceness", "0")  # else workers wait for every other test
        patched.setenv("PYTHONPATH", str(ROOT))
        made = Cluster(True, head_node_args={"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False})
        made.second = made.add_node(num_cpus=1, object_store_memory=STORE)
        ray.init(address=made.address, log_to_driver=False, logging_level="error")
        yield made
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def alone(world, tmp_path_factory):
    """What one process makes of the world's gallery: file -> bytes."""

    def build(**options) -> dict[str, bytes]:
        mine, world.store = world.store, Store(own=tmp_path_factory.mktemp("alone"))
        world.built(**{"batch_size": BLOCK} | options)
        made = files(world)
        world.store = mine
        return made

    return build


def files(world) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in world.folder.iterdir() if path.name != "manifest.json"}


def noting(cluster, folder: Path, workers: int | None = None):
    """Workers whose encoder notes in a folder what it does."""
    return connected(cluster.address, partial(load, folder), gpu=False, workers=workers)


def test_two_machines_make_the_bytes_of_one_process_and_a_killed_worker_loses_its_block(
    world, cluster, alone, tmp_path
):
    world.gallery = colour_gallery(absent=[0, 299], broken=[5, 6, 7, 40])
    (tmp_path / "all").write_text("2")
    seen = []

    def report(progress):
        seen.append(progress.done)
        if progress.done == 100:
            (tmp_path / "kill").touch()

    with noting(cluster, tmp_path) as passes:
        world.built(batch_size=BLOCK, passes=passes, report=report)
    assert files(world) == alone() and {"ivf.faiss", "queries.npy", "rows.npy"} <= files(world).keys()
    lost = int((tmp_path / "lost").read_text())
    assert 0 < lost <= BLOCK and embedded(tmp_path) == 330 - 6 + lost
    assert workers(tmp_path) >= 3 and max(seen) == 298  # two of 300 are not there


def test_a_machine_that_goes_away_loses_its_block(world, cluster, alone, tmp_path):
    world.change(queries=colour_pictures(0, seed=1))
    (tmp_path / "all").write_text("2")

    def report(progress):
        if progress.done == 100 and cluster.second:
            cluster.remove_node(cluster.second, allow_graceful=False)
            cluster.second = None

    with noting(cluster, tmp_path) as passes:
        world.built(batch_size=BLOCK, passes=passes, report=report)
    assert cluster.second is None and 300 <= embedded(tmp_path) <= 300 + BLOCK
    assert files(world) == alone()


def test_parts_of_pictures_are_those_of_one_process(world, cluster, alone, tmp_path):
    world.change(queries=colour_pictures(0, seed=1))
    with noting(cluster, tmp_path, 1) as passes:
        world.built(batch_size=5 * BLOCK, tiles=2, passes=passes)
    assert world.store.open(Key("colours", "mean-colour")).manifest.vectors == 5 * 300
    assert files(world) == alone(batch_size=5 * BLOCK, tiles=2)


KILL_ME = """
import os, signal, sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from searchdemo.collection import build
from searchdemo.collection.ray_workers import connected
from searchdemo.collection.desk import NO_BLOCK, Desk
from searchdemo.collection.store import Key, Store
from tests.conftest import MeanColour, colour_gallery
from tests.ray_colours import load

def report(progress):
    if progress.done == 200:
        os.kill(os.getpid(), signal.SIGKILL)

own, folder, address = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
with connected(address, partial(load, folder), gpu=False, workers=1) as passes:
    key = Key("colours", "mean-colour")
    build.build(colour_gallery(), MeanColour(), Store(own=own), key, report, batch_size=20, passes=passes)
"""


def test_after_the_driver_is_killed_only_missing_blocks_are_embedded(world, cluster, alone, tmp_path):
    (first := tmp_path / "first").mkdir()
    words = [sys.executable, "-c", KILL_ME, str(world.store.own), str(first), cluster.address]
    done = subprocess.run(words, cwd=ROOT, env=os.environ)
    assert done.returncode == -signal.SIGKILL and not world.store.has(Key("colours", "mean-colour"))
    world.change(queries=colour_pictures(0, seed=1))
    with noting(cluster, tmp_path, 1) as passes:
        world.built(batch_size=BLOCK, passes=passes)
    assert embedded(tmp_path) == 300 - 200 and embedded(first) >= 200
    assert files(world) == alone()


def test_what_goes_wrong_at_a_worker_is_a_sentence(world, cluster, tmp_path):
    world.encoder.weights_sha256 = "cd" * 32
    wrong = r"A Ray worker has another encoder .*abab.* than this build .*cdcd"
    with noting(cluster, tmp_path, 1) as passes, pytest.raises(SearchDemoError, match=wrong):
        world.built(batch_size=BLOCK, passes=passes)


def test_what_goes_wrong_at_the_driver_ends_the_build(world, cluster, tmp_path, monkeypatch):
    """And workers do not wait for blocks that never come."""
    whole = world.gallery.pictures.encoded

    def encoded(row):
        if row == 150:
            raise BadQuery("The download ended.")
        return whole(row)

    monkeypatch.setattr(world.gallery.pictures, "encoded", encoded)
    with noting(cluster, tmp_path, 1) as passes, pytest.raises(BadQuery, match="The download ended"):
        world.built(batch_size=BLOCK, passes=passes)


def test_the_command(cluster, tmp_path, capsys):
    """A real encoder, with one core in a worker and all of them alone: the same bits."""
    words = ["build", "--gallery", "scenes", "--limit", "40", "--batch-size", "32", "--out-dir"]
    assert main([*words, str(tmp_path / "alone")]) == 0
    assert main([*words, str(tmp_path / "workers"), "--ray", "auto", "--ray-workers", "1"]) == 0
    assert "Built: 40 vectors" in capsys.readouterr().out
    one, other = (next((tmp_path / name).rglob("ivf.faiss")) for name in ("alone", "workers"))
    assert np.array_equal(StoredVectors(one).all(), StoredVectors(other).all())


# Without a cluster


def test_a_team_is_what_the_machines_have_room_for():
    two, six, gpus = {"CPU": 2.0}, {"CPU": 6.0}, {"CPU": 16.0, "GPU": 2.0}
    assert Team.of([two], gpu=False) == Team(workers=1, cores=2, gpus=0)
    assert Team.of([{"CPU": 1.0}, {"CPU": 1.0}], gpu=False) == Team(2, 1, 0)
    assert Team.of([six, gpus, {"memory": 1e9}], gpu=False) == Team(1 + 4, 4, 0)
    assert Team.of([two, six, gpus], gpu=True) == Team(2, 8, 1)
    assert Team.of([six, gpus], gpu=False, most=3) == Team(3, 4, 0)
    assert Team.of([two, six], gpu=False, cores=1) == Team(8, 1, 0)
    assert Team.of([two, six], gpu=False, most=2, cores=3) == Team(2, 3, 0)
    with pytest.raises(BadQuery, match=r"None of the 2 machines .* has 7 cores"):
        Team.of([two, six], gpu=False, cores=7)
    with pytest.raises(BadQuery, match=r"None of the 2 machines .* has a GPU .*--num-gpus=N"):
        Team.of([two, six], gpu=True)
    with pytest.raises(BadQuery, match=r"None of the 1 machines .* has a core .*--num-cpus=N"):
        Team.of([{"memory": 1e9}], gpu=False)


def test_blocks_are_bounded_by_pictures_and_by_bytes(monkeypatch):
    monkeypatch.setattr(ray_workers, "BLOCK_BYTES", 100)
    sizes = [0] * 5 + [60, 60, 30, 500, 10, 90, 1]
    items = list(enumerate(range(len(sizes))))
    made = blocks(items, 4, sizes.__getitem__)
    assert [item for block in made for item in block] == items
    assert [[row for _, row in block] for block in made] == [[0, 1, 2, 3], [4, 5], [6, 7], [8], [9, 10], [11]]
    assert blocks([], 4, sizes.__getitem__) == []


def test_a_ticket_that_comes_again_has_its_block_again():
    async def day() -> None:
        desk = Desk()
        await desk.offer(0, ["a"])
        assert await desk.take(7) == (0, ["a"])
        assert await desk.take(7) == (0, ["a"])
        killed, again = (asyncio.ensure_future(desk.take(3)) for _ in range(2))  # no block is there yet
        await asyncio.sleep(0)
        killed.cancel()
        await desk.offer(1, ["b"])
        assert await again == (1, ["b"]) == await desk.take(3)
        await desk.back(7)
        await desk.offer(2, ["c"])
        assert await desk.take(7) == (NO_BLOCK, [])  # its vectors have come: it takes nobody's block
        assert await desk.take(8) == (2, ["c"])

    with ThreadPoolExecutor(1) as apart:  # a browser test of the same process leaves a loop running in its thread
        apart.submit(asyncio.run, day()).result()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ray://127.0.0.1:10001", "join the cluster with `ray start"),
        ("nonsense", "There is no Ray cluster at 'nonsense'"),
        ("127.0.0.1:9", r"There is no Ray cluster at '127.0.0.1:9' \(.*refused\): start one"),
        ("127.0.0.1:99999", "There is no Ray cluster at '127.0.0.1:99999'"),
        ("localhost:port", "There is no Ray cluster at 'localhost:port'"),
    ],
)
def test_a_cluster_that_is_not_there(address, said, monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(BadQuery, match=said), connected(address, Desk, gpu=False):
        pass
