"""The connection of this process to Milvus, and sentences in place of what it raises.

SEARCHDEMO_MILVUS says where: PATH.db, or a server's URI, then SEARCHDEMO_MILVUS_TOKEN its token ("user:password").
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from pymilvus import MilvusClient

from searchdemo.errors import BadQuery, NotHere, SearchDemoError

PLACE, TOKEN = "SEARCHDEMO_MILVUS", "SEARCHDEMO_MILVUS_TOKEN"
ANSWER_S, LOAD_S = 20.0, 1800.0  # that a search, and a load or the making of an index, may take
PASSING = "searchdemo_passing_"  # begins the names of collections that nobody can find again

T = TypeVar("T")
logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it writes whole tracebacks of what is raised as well


class _Heard(logging.Handler):
    """Why Milvus Lite did not start: it writes that into its log, and raises nothing."""

    said = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1]:
            self.said = str(record.exc_info[1])


_heard = _Heard()
_lite = logging.getLogger("milvus_lite.server_manager")
_lite.addHandler(_heard)
_lite.propagate = False
_clients: dict[tuple[str, str], MilvusClient] = {}
_opening = threading.RLock()


def place() -> str:
    """What SEARCHDEMO_MILVUS says. Raises NotHere without it, BadQuery for what is neither a file nor a URI."""
    said = os.environ.get(PLACE, "").strip()
    if not said:
        raise NotHere(
            f"Milvus needs a place, and {PLACE} is not set: set it to PATH.db for Milvus Lite in this process, or to a "
            f"server's URI such as http://localhost:19530, and {TOKEN} to its token if it has one."
        )
    if "://" in said or said.endswith(".db"):
        return said if "://" in said else str(Path(said).expanduser().resolve())
    raise BadQuery(f"{PLACE} = {said!r} is neither a file PATH.db nor a URI such as http://localhost:19530.")


def client() -> MilvusClient:
    """The connection that this process has. Raises what `place` does, and NotHere where nobody answers."""
    where, token = place(), os.environ.get(TOKEN, "")
    with _opening:
        if (where, token) not in _clients:
            with _told():
                if "://" not in where:
                    Path(where).parent.mkdir(parents=True, exist_ok=True)
                made = MilvusClient(where, token=token, timeout=ANSWER_S)
                if "://" not in where:  # no other process has the file open
                    for name in filter(lambda name: name.startswith(PASSING), made.list_collections()):
                        made.drop_collection(name)
                _clients[where, token] = made
        return _clients[where, token]


def disconnected() -> None:
    """Closes the connection that this process has, if it has one. Milvus Lite lets go of its file."""
    with _opening, contextlib.suppress(Exception):
        _clients.pop((place(), os.environ.get(TOKEN, ""))).close()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turns whatever pymilvus, gRPC and Milvus Lite raise into a sentence. The next call connects anew."""
    _heard.said = ""
    try:
        yield
    except SearchDemoError:
        raise
    except Exception as error:
        _clients.pop((place(), os.environ.get(TOKEN, "")), None)
        words = _heard.said or str(getattr(error, "message", "") or error)
        said = " ".join(words.split())[:200].rstrip(".") or type(error).__name__
        fix = (
            f"see that it runs and that {TOKEN} is right"
            if "://" in place()
            else "end the other process that has it open, or name a place that is free or that Milvus Lite made"
        )
        raise NotHere(
            f"Milvus at {place()} did not answer ({said}): {fix}, then try again; the index 'hnsw' needs no server."
        ) from error


def asked(what: Callable[[MilvusClient], T]) -> T:
    """The answer of Milvus. Raises NotHere. A connection that was lost since the last call is made again, once."""
    known = (place(), os.environ.get(TOKEN, "")) in _clients
    try:
        with _told():
            return what(client())
    except NotHere:
        if not known:
            raise
    with _told():
        return what(client())
