"""Pictures into vectors on the machines of a Ray cluster, by Ray Data: one worker for each GPU, or for a few cores.

The process that builds is the driver. It reads the pictures and writes the journal, as it does without Ray. Workers
open pictures and run the encoder; they need its weights, and no disk in common. A worker that is killed loses the block
that it has, and the driver keeps each block until its vectors have come.

Ray Data hands out tickets, one per block, and starts a ticket again when its worker was killed. Behind a ticket stands
the block that is next when a worker comes with it. So pictures are read shortly before they are needed, and blocks
wait for no worker that is gone.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import ray
import ray.data
import ray.exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from searchdemo import processor
from searchdemo.collection.desk import NO_BLOCK, Desk
from searchdemo.collection.embed import Batch, Inputs, Item, Rows, Sees, Work, ahead, identity_of, inputs, rows_of
from searchdemo.collection.tiles import TilingEncoder
from searchdemo.encoders.base import Encoder
from searchdemo.errors import BadQuery, SearchDemoError
from searchdemo.threads import thread_limit

CORES = 4  # of a worker without a GPU, where its machine has as many
BLOCK_BYTES = 32 * 2**20  # of files that make a block; fewer pictures, where they are photographs
STORE_BYTES = 400 * 2**20  # of Ray's shared memory, in a cluster that is started here; what is more goes to the disk
REACH_S = 5.0  # Ray itself looks for a cluster that is not there for minutes
SPARE = 2  # blocks that are ready besides those of the workers
COLUMNS = ("ticket", "block", "vectors", "problems", "error")  # of what a worker returns, one line for each ticket

LoadEncoder = Callable[[], Encoder]


@dataclass(frozen=True)
class Team:
    """Workers that a cluster has room for."""

    workers: int
    cores: int  # of each
    gpus: int  # of each, 0 or 1

    @classmethod
    def of(cls, nodes: list[dict[str, float]], gpu: bool, most: int | None = None, cores: int | None = None) -> Team:
        """nodes: the resources of each machine, as Ray names them. most: workers; cores: of each, without a GPU.

        Raises BadQuery where there is no room.
        """
        fit = [node for node in nodes if node.get("CPU", 0) >= (1 if gpu else cores or 1) and node.get("GPU", 0) >= gpu]
        if not fit:
            what = "a GPU" if gpu else "a core" if (cores or 1) == 1 else f"{cores} cores"
            raise BadQuery(
                f"None of the {len(nodes)} machines of the Ray cluster has {what} for a worker: ask for fewer, or "
                f"start one with `ray start --address=HOST:PORT --num-{'g' if gpu else 'c'}pus=N`."
            )
        of_each = [node["CPU"] // node["GPU"] if gpu else node["CPU"] for node in fit]
        each = max(1, int(min(of_each) if gpu else cores or min(CORES, *of_each)))
        count = sum(int(node["GPU"] if gpu else node["CPU"] // each) for node in fit)
        return cls(min(count, most or count), each, int(gpu))


class Worker:
    """An encoder on some cores, or on a GPU. An actor of Ray Data."""

    def __init__(self, load: LoadEncoder, identity: dict[str, str], tiles: int, desk: Any, cores: int):
        """identity: of the driver's encoder; tiles: see tiles.py, 0 for none."""
        self._load, self._identity, self._tiles, self._desk, self._cores = load, identity, tiles, desk, cores

    @cached_property
    def _encoder(self) -> Sees:
        """Raises SearchDemoError where vectors would be others than the driver's own."""
        encoder = self._load()
        if (mine := identity_of(encoder)) != self._identity:
            raise SearchDemoError(
                f"A Ray worker has another encoder ({mine}) than this build ({self._identity}), so its vectors would "
                "not fit: give all machines the same weights and kind of processor, or choose --runtime and --device."
            )
        return TilingEncoder(encoder, self._tiles) if self._tiles else encoder

    def __call__(self, tickets: dict[str, np.ndarray]) -> dict[str, Any]:
        ticket = int(tickets["item"][0])
        number, reference = ray.get(self._desk.take.remote(ticket))
        made, error = Rows(np.empty((0, 0), np.float32), []), ""
        if number != NO_BLOCK:
            try:
                with thread_limit(self._cores):
                    made = rows_of(self._encoder, self._opened(ray.get(reference[0])))
            except SearchDemoError as refused:  # Ray Data would make a page of it
                error = str(refused)
        # Vectors as they lie in memory: Arrow has no matrices of changing height.
        vectors = np.array([made.vectors.tobytes()], object)
        return dict(zip(COLUMNS, ([ticket], [number], vectors, [json.dumps(made.problems)], [error]), strict=True))

    def _opened(self, pictures: list[bytes | None]) -> Inputs:
        """Each core opens a share."""
        share = -(-len(pictures) // self._cores)
        parts = [pictures[start : start + share] for start in range(0, len(pictures), max(share, 1))]
        with ThreadPoolExecutor(self._cores) as pool:
            made = list(pool.map(partial(inputs, self._encoder), parts))
        pixels = [part.pixels for part in made if part.pixels is not None]
        return Inputs([p for part in made for p in part.problems], np.concatenate(pixels) if pixels else None)


class RayPasses:
    """See embed.Passes."""

    def __init__(self, team: Team, load: LoadEncoder):
        self._team, self._load = team, load

    def __call__(
        self, work: Work, items: list[Item], most: int, waits: Callable[[], None], end: Callable[[], None]
    ) -> Generator[tuple[Batch, Rows]]:
        """Raises SearchDemoError, also for what went wrong at a worker."""
        if not (parts := blocks(items, most, work.size)):
            return
        tiles = work.encoder.tiles if isinstance(work.encoder, TilingEncoder) else 0
        beside = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        desk: Any = ray.remote(Desk).options(num_cpus=0, scheduling_strategy=beside).remote()
        tickets = ray.data.from_items(list(range(len(parts))), override_num_blocks=len(parts))
        made = tickets.map_batches(
            Worker,
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(
                min_size=1,
                max_size=self._team.workers,
                initial_size=self._team.workers,
                max_tasks_in_flight_per_actor=2,
            ),
            fn_constructor_args=(self._load, identity_of(work.encoder), tiles, desk, self._team.cores),
            num_cpus=self._team.cores,
            num_gpus=self._team.gpus,
        )
        reader = _Reader(work, parts, desk, self._team.workers + SPARE, waits, end)
        with reader, _sentences():
            for lines in made.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=0):
                for ticket, number, rows, problems, error in zip(*(lines[name] for name in COLUMNS), strict=True):
                    if error:
                        raise SearchDemoError(str(error))
                    if number == NO_BLOCK:
                        continue
                    batch = reader.back(int(number))
                    desk.back.remote(int(ticket))
                    vectors = np.frombuffer(rows, np.float32).reshape(-1, work.encoder.dim)
                    yield batch, Rows(vectors, json.loads(problems))


def blocks(items: list[Item], most: int, size: Callable[[int], int]) -> list[list[Item]]:
    """The items in order, cut into blocks of at most so many, and of at most BLOCK_BYTES or a single one.

    size: bytes of a row's file
    """
    made: list[list[Item]] = []
    full = 0
    for item in items:
        held = size(item[1])
        if not made or len(made[-1]) == most or full + held > BLOCK_BYTES:
            made.append([])
            full = 0
        made[-1].append(item)
        full += held
    return made


class _Reader:
    """Reads blocks and puts them onto the desk, in a thread: so many are there or at workers at a time."""

    def __init__(
        self,
        work: Work,
        parts: list[list[Item]],
        desk: Any,
        ready: int,
        waits: Callable[[], None],
        end: Callable[[], None],
    ):
        self._work, self._parts, self._desk, self._told, self._end = work, parts, desk, waits, end
        self._room, self._stop = threading.Semaphore(ready), threading.Event()
        self._out: dict[int, tuple[Batch, Any]] = {}  # with the references that keep the pictures in memory
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="reading for workers", daemon=True)

    def back(self, number: int) -> Batch:
        """A block whose vectors have come."""
        batch, _ = self._out.pop(number)
        self._room.release()
        return batch

    def _run(self) -> None:
        offered = 0
        try:
            for number, (batch, pictures) in enumerate(
                ahead(self._read, partial(next, iter(self._parts), []), self._waits, self._end)
            ):
                self._room.acquire()
                if self._stop.is_set():
                    raise _Stopped
                reference = ray.put(pictures)
                self._out[number] = batch, reference
                self._desk.offer.remote(number, [reference])
                offered += 1
        except _Stopped:
            pass
        except BaseException as error:  # raised where the results are waited for
            self._error = error
            for _ in self._parts[offered:]:
                self._desk.offer.remote(NO_BLOCK, [])

    def _waits(self) -> None:
        if self._stop.is_set():
            raise _Stopped
        self._told()

    def _read(self, part: list[Item]) -> tuple[Batch, list[bytes | None]]:
        batch = Batch()
        return batch, list(self._work.pictures(part, batch))

    def __enter__(self) -> _Reader:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._room.release()
        self._thread.join()
        if self._error is not None:
            raise self._error


class _Stopped(Exception):
    """Nobody waits for results any more."""


@contextlib.contextmanager
def _sentences() -> Iterator[None]:
    """What goes wrong in the cluster, as an error of ours."""
    try:
        yield
    except ray.exceptions.RayError as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        said = next((line for line in reversed(lines) if re.match(r"[\w.]*(Error|Exception): ", line)), lines[0])
        raise SearchDemoError(
            f"The Ray cluster stopped the build ({said[:300]}): the same command goes on from there."
        ) from error


@contextlib.contextmanager
def connected(
    address: str, load: LoadEncoder, gpu: bool, workers: int | None = None, cores: int | None = None
) -> Iterator[RayPasses]:
    """address: "HOST:PORT" of a cluster that this machine is part of; "auto" for the one that runs here; "local" starts
    one on this machine, for as long as the block lasts. workers: the most; cores: of each, where it has no GPU.

    Raises BadQuery where there is no cluster, or no room in it.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else a cluster that is started here reports to its makers
    mine = not ray.is_initialized()
    if mine:
        start(address)
    try:
        for name in ("ray", "ray.data"):  # what they have to say comes as an error
            logging.getLogger(name).setLevel(logging.CRITICAL)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        yield RayPasses(Team.of(nodes, gpu, workers, cores), load)
    finally:
        if mine:
            ray.shutdown()


def start(address: str) -> None:
    options: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        options |= {"num_cpus": processor.cores(), "object_store_memory": STORE_BYTES, "include_dashboard": False}
        options |= {"_node_ip_address": "127.0.0.1"}  # no other machine may ask it for anything
    if address.startswith("ray://"):
        raise BadQuery(
            f"{address!r} is a server of Ray's client, through which Ray Data does not run: join the cluster with "
            "`ray start --address=HOST:PORT --num-cpus=0`, and take --ray auto."
        )
    host, _, port = address.rpartition(":")
    try:
        if host:
            socket.create_connection((host.strip("[]"), int(port)), REACH_S).close()
        ray.init(**options)
    except (ConnectionError, ValueError, RuntimeError, OSError, OverflowError) as error:
        said = str(error).strip().splitlines()[0]
        raise BadQuery(
            f"There is no Ray cluster at {address!r} ({said}): start one with `ray start --head`, or take --ray local."
        ) from error
