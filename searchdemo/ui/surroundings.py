"""What a machine may have that keeps a page from starting: a proxy, a port that is taken, another user's folder."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import MutableMapping

from searchdemo import temporary
from searchdemo.errors import BadQuery

# Variables that gradio reads as numbers while it is imported
NUMBERS = (
    "GRADIO_SERVER_PORT",
    "GRADIO_NUM_PORTS",
    "GRADIO_NODE_NUM_PORTS",
    "GRADIO_ANALYTICS_MAX_EVENTS",
    "GRADIO_DEBUG",
)
ADDRESSED = 2 * 10**9  # bytes; the page peaked at 1.8 GB on two cores, most of it not resident
HERE = ("localhost", "127.0.0.1", "::1")  # gradio asks its own page once, before it says that it is there


def prepare(environ: MutableMapping[str, str] = os.environ) -> None:
    """Before gradio is imported: this machine is reached without a proxy, and uploads go where they can be written.

    Raises BadQuery for a variable of gradio's that is no number; one that is empty counts as not set.
    """
    for name in NUMBERS:
        if not (given := environ.get(name, "0").strip()):
            del environ[name]
        elif not given.isdecimal():
            raise BadQuery(f"The variable {name} is {given!r}, which is no number: set it to one, or unset it.")
    for name in ("NO_PROXY", "no_proxy"):
        known = [host for host in environ.get(name, "").split(",") if host]
        environ[name] = ",".join([*known, *(host for host in HERE if host not in known)])
    if "GRADIO_TEMP_DIR" not in environ:  # gradio's own is for all users of a machine, and stays
        environ["GRADIO_TEMP_DIR"] = str(temporary.folder() / "gradio")
        tempfile.tempdir = str(temporary.folder())  # parts of uploads, too


def check_memory() -> None:
    """Raises BadQuery for a limit under which libraries crash while they are loaded."""
    limit = memory_limit()
    if limit is not None and limit < ADDRESSED:
        raise BadQuery(
            f"This process may address {limit:,} bytes of memory (ulimit -v), and the page needs {ADDRESSED:,}: "
            "raise the limit."
        )


def memory_limit() -> int | None:
    """Bytes of address space that this process may have; None where the system sets no limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def address(host: str | None) -> str | None:
    """As gradio takes it: IPv6 in brackets, as in a browser. None: GRADIO_SERVER_NAME, else this machine alone."""
    host = host or os.environ.get("GRADIO_SERVER_NAME") or None
    return f"[{host}]" if host and ":" in host and not host.startswith("[") else host


def check_port(host: str | None, port: int | None) -> None:
    """host: of `address`. Raises BadQuery where the port is taken, or is none, or the address is not this machine's."""
    named = os.environ.get("GRADIO_SERVER_PORT", "")
    port = int(named) if port is None and named.isdecimal() else port
    if port is None and host is None:
        return
    port = port or 0  # any that is free, which tells whether the address is this machine's
    if not 0 <= port <= 65_535:
        raise BadQuery(f"{port:,} is no port: choose one from 1,024 to 65,535 with --port N.")
    try:
        found = socket.getaddrinfo((host or HERE[1]).strip("[]"), port, type=socket.SOCK_STREAM)
        family, kind, _, _, place = found[0]
        with socket.socket(family, kind) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, os.name == "posix")
            trial.bind(place)
    except OSError as error:
        where = f"port {port} of {host or 'this machine'}" if port else host
        raise BadQuery(
            f"The page cannot be served at {where} ({error.strerror}): choose another port with --port N, or another "
            "address with --host."
        ) from error
