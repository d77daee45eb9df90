"""The connection of this process to Milvus, and sentences in place of what it raises.

SEARCHDEMO_MILVUS says where: PATH.db, or a server's URI, then SEARCHDEMO_MILVUS_TOKEN its token ("user:password").
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import grpc
from pymilvus import MilvusClient

from searchdemo.errors import BadQuery, NotHere, SearchDemoError
from searchdemo.files import expanded, real
from searchdemo.indexes.milvus_passing import PASSING, left_behind

PLACE, TOKEN = "SEARCHDEMO_MILVUS", "SEARCHDEMO_MILVUS_TOKEN"
ANSWER_S, LOAD_S = 20.0, 1800.0  # that a search, and a load or the making of an index, may take
# pymilvus pings each 10 s. Milvus Lite takes that for an attack during a call of minutes, and breaks the call off.
QUIET = {"grpc.keepalive_time_ms": 2**31 - 1}
NO_COLLECTION = 100  # the code of pymilvus's error
SERVES = "see that it runs"
IS_FREE = "name a place that is free or that Milvus Lite made"
FIXES = (  # what it says when it refuses, and what helps then
    ("auth check|authorization", f'set {TOKEN} to the user and password that it knows, as "user:password"'),
    ("permission deny", f"have that granted to its user, or set {TOKEN} to another one"),
    ("database.*not found", f"end {PLACE} with a database that is there, as in http://localhost:19530/NAME"),
    ("holds the lock", f"end that process, or set {PLACE} to another file or to a server, which answers many of them"),
    ("no space left", "make room where it keeps its data"),
)

T = TypeVar("T")
logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it writes whole tracebacks of what is raised as well


class NoCollection(NotHere):
    """Milvus answers, and has no collection of this name."""


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
        return said if "://" in said else str(real(expanded(said)))
    raise BadQuery(f"{PLACE} = {said!r} is neither a file PATH.db nor a URI such as http://localhost:19530.")


def shown() -> str:
    """The place, for people: without a password that its URI may hold."""
    return re.sub("//[^/@]*@", "//", place())


def client() -> MilvusClient:
    """The connection that this process has. Raises what `place` does, and NotHere where nobody answers."""
    where, token = place(), os.environ.get(TOKEN, "")
    with _opening:
        if (where, token) not in _clients:
            with _told():
                if "://" not in where:
                    Path(where).parent.mkdir(parents=True, exist_ok=True)
                alone = "://" not in where  # no other process has the file open
                made = MilvusClient(where, token=token, timeout=ANSWER_S, grpc_options=QUIET if alone else {})
                names = made.list_collections()  # which asks a server whether it has the database
                passing = (name for name in names if name.startswith(PASSING))
                for name in passing if alone else left_behind(where, names):
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
        if getattr(error, "code", None) == NO_COLLECTION:
            raise NoCollection(f"Milvus at {shown()} does not have it ({error}).") from error
        _clients.pop((place(), os.environ.get(TOKEN, "")), None)
        said = " ".join((_heard.said or _reason(error)).split())[:200].rstrip(".") or type(error).__name__
        fix = next((fix for words, fix in FIXES if re.search(words, said, re.IGNORECASE)), "")
        did = "refused" if fix else "did not answer"
        if not fix:
            fix = SERVES if "://" in place() else IS_FREE
        raise NotHere(
            f"Milvus at {shown()} {did} ({said}): {fix}, then try again; the index 'hnsw' needs no server."
        ) from error


def _reason(error: Exception) -> str:
    """What the server or gRPC said, which pymilvus puts other words upon."""
    chain: list[BaseException] = []  # pymilvus ties it to a ring
    while (link := chain[-1].__cause__ or chain[-1].__context__ if chain else error) and link not in chain:
        chain.append(link)
    details = next((link.details() for link in chain if isinstance(link, grpc.RpcError)), "")
    return str(details or getattr(error, "message", "") or error)


def asked(what: Callable[[MilvusClient], T]) -> T:
    """The answer of Milvus. Raises NotHere, NoCollection. A connection that was lost meanwhile is made again, once."""
    known = (place(), os.environ.get(TOKEN, "")) in _clients
    try:
        with _told():
            return what(client())
    except NoCollection:
        raise
    except NotHere:
        if not known:
            raise
    with _told():
        return what(client())
