"""The Milvus server that the Python package `milvus` carries, on loopback in a process of its own.

`milvus-server --data DIR` is the same server as a command.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
from pathlib import Path

from searchdemo.bench.child import resident_bytes_in
from searchdemo.errors import NotHere
from searchdemo.extras import require

# A killed server's parts stay registered for so many seconds, and the one that is started next waits for that.
SESSION_S = 10  # 30 by itself


class MilvusServer:
    """It runs from the start, some 20 s later. It can be killed, and started again with what it had in its folder."""

    def __init__(self, folder: Path):
        """Raises NotInstalled, NotHere where it does not start."""
        require("milvus", "A server of Milvus on this machine", "pip install milvus==2.3.5")
        self._folder, self._port = folder, 0
        self.start()
        self.idle_bytes = self.resident_bytes()  # before it has a collection

    def start(self) -> None:
        from milvus import MilvusServer as Carried

        self._server = Carried(wait_for_started=True)
        self._server.set_base_dir(str(self._folder))
        self._server.config.set("common.session.ttl", SESSION_S)
        if self._port:
            self._server.config.update(proxy_port=self._port)
        try:
            self._server.start()
        except (OSError, RuntimeError) as error:  # a timeout is the first
            self.end()
            raise NotHere(
                f"The server of Milvus did not start ({error}): `milvus-server --data DIR` says more."
            ) from error
        self._port = self._server.listen_port

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def resident_bytes(self) -> int | None:
        """On Linux, else None."""
        return resident_bytes_in(Path(f"/proc/{self._server.server_proc.pid}/statm"))

    def kill(self) -> None:
        self._server.server_proc.send_signal(signal.SIGKILL)
        self._server.server_proc.wait()

    def end(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):  # one with gigabytes is not gone in its 3 s
            self._server.stop()
        if self._server.server_proc is not None and self._server.server_proc.poll() is None:
            self.kill()
