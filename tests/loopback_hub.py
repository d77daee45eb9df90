"""A Hugging Face hub on loopback: the part of its protocol that fetches files, and the ways that can fail.

`serve` points searchdemo to it. As on the real hub the address of a large file answers with its SHA-256, its
size and a redirection to another host, which knows ranges.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from searchdemo.files import sha256_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BRANCH_COMMIT = "89abcdef0123456789abcdef0123456789abcdef"


@contextlib.contextmanager
def nobody() -> Iterator[str]:
    """An address where every connection is refused: its port is taken, and nobody listens there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextlib.contextmanager
def serve(files: dict[str, dict[str, Path]], monkeypatch) -> Iterator[LoopbackHub]:
    """A hub that answers, and is waited for however long a busy machine takes."""
    with LoopbackHub(files) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.setattr("searchdemo.hub.REACH_S", 60.0)
        yield hub


class LoopbackHub:
    """Serves {repo: {filename: path}}, data sets as "datasets/org/name"; `requests` lists what was asked for.

    "datasets/org/name@refs/convert/parquet" is a branch of a data set.
    """

    def __init__(self, files: dict[str, dict[str, Path]]):
        self.files = files
        self.requests: list[tuple[str, str, str]] = []  # (method, path, range)
        self.drop_after: int | None = None  # bytes of a body after which the line goes dead, each time
        self.refuse: int | None = None  # the status of every answer instead of the right one
        self.silent = threading.Event()  # set: connections are accepted and never answered
        self.delay = 0.0  # seconds before each answer
        self.corrupt = False  # bodies are not what their SHA-256 says
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self.elsewhere = f"http://localhost:{self._server.server_port}"  # another host, as the hub's storage is

    def __enter__(self) -> LoopbackHub:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.silent.clear()
        self._server.shutdown()
        self._server.server_close()

    @property
    def starts(self) -> list[int]:
        """The first byte of each request for bytes, in order."""
        ranges = [wanted for method, path, wanted in self.requests if method == "GET" and path.startswith("/bytes/")]
        return [int(wanted.removeprefix("bytes=").partition("-")[0] or 0) for wanted in ranges]

    @property
    def downloads(self) -> list[str]:
        """The files that were fetched whole, in order."""
        asked = [path for method, path, wanted in self.requests if method == "GET" and wanted.endswith("-")]
        return [path.partition("/resolve/")[2].partition("/")[2] for path in asked if path.startswith("/bytes/")]

    def find(self, path: str) -> Path | None:
        """/org/name/resolve/revision/file, or /bytes/org/name/resolve/revision/file -> the file on this disk."""
        repo, _, rest = path.removeprefix("/bytes").strip("/").partition("/resolve/")
        revision, _, filename = rest.partition("/")
        held = self.files.get(repo, {})
        if revision == BRANCH_COMMIT:
            held = next((files for name, files in self.files.items() if name.startswith(f"{repo}@")), {})
        return held.get(filename) if revision in ("main", COMMIT, BRANCH_COMMIT) else None

    def commit_of(self, path: str) -> str:
        """The revision that an address of a file means."""
        return BRANCH_COMMIT if BRANCH_COMMIT in path else COMMIT

    def post(self, path: str, body: bytes) -> dict | None:
        """What the hub answers to something that is sent to it; None: it knows no such address. See PushedHub."""
        return None

    def about(self, path: str) -> bytes | None:
        """/api/datasets/org/name... -> what the hub says of a repository, as JSON."""
        repo, _, revision = unquote(path.removeprefix("/api/").partition("?")[0]).partition("/revision/")
        held = self.files.get(f"{repo}@{revision}" if revision.startswith("refs/") else repo)
        if not path.startswith("/api/") or held is None:
            return None
        siblings = [{"rfilename": name, "size": file.stat().st_size} for name, file in held.items()]
        commit = BRANCH_COMMIT if revision.startswith("refs/") else COMMIT
        return json.dumps({"id": repo, "sha": commit, "siblings": siblings, "tags": []}).encode()


class PushedHub(LoopbackHub):
    """Takes commits of data sets, each whole or not at all, and serves every revision of them. `folder`: for files."""

    def __init__(self, folder: Path):
        super().__init__({})
        self.folder = folder
        self.commits: dict[str, list[tuple[str, dict[str, Path]]]] = {}  # repo -> (revision, files), newest last
        self.refuse_commits = False
        self.in_between: Callable[[], None] = lambda: None  # what somebody else does before a commit is taken

    def post(self, path: str, body: bytes) -> dict | None:
        if path == "/api/validate-yaml":
            return {"errors": [], "warnings": []}
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = "/".join(filter(None, (asked.get("organization") or asked.get("namespace"), asked["name"])))
            self.commits.setdefault(f"datasets/{name}", [("0" * 40, {})])
            return {"url": f"{self.endpoint}/datasets/{name}"}
        repo, _, what = path.removeprefix("/api/").partition("/preupload/")
        if what:
            names = [file["path"] for file in json.loads(body)["files"]]
            return {"files": [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]}
        repo, _, what = path.removeprefix("/api/").partition("/commit/")
        self.in_between()
        return None if not what or self.refuse_commits else self._commit(repo, body)

    def _commit(self, repo: str, body: bytes) -> dict | None:
        files, number = dict(self.commits[repo][-1][1]), len(self.commits[repo])
        for line in map(json.loads, body.splitlines()):
            said = line["value"]
            if line["key"] == "header" and said.get("parentCommit") not in (None, self.commits[repo][-1][0]):
                return None  # somebody else's commit came in between
            if line["key"] == "file":
                path = self.folder / f"{number}" / said["path"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(base64.b64decode(said["content"]))
                files[said["path"]] = path
            elif line["key"] == "deletedFile":
                del files[said["path"]]
        revision = f"{number:040x}"
        self.commits[repo].append((revision, files))
        return {"success": True, "commitOid": revision, "commitUrl": f"{self.endpoint}/{repo}/commit/{revision}"}

    def _at(self, repo: str, revision: str) -> tuple[str, dict[str, Path]] | None:
        there = self.commits.get(repo, [])
        if revision in ("", "main"):
            return there[-1] if there else None
        return next((one for one in there if one[0].startswith(revision)), None)

    def find(self, path: str) -> Path | None:
        repo, _, rest = path.removeprefix("/bytes").strip("/").partition("/resolve/")
        revision, _, filename = rest.partition("/")
        held = self._at(repo, revision)
        return held[1].get(filename) if held else None

    def commit_of(self, path: str) -> str:
        repo, _, rest = path.strip("/").partition("/resolve/")
        held = self._at(repo, rest.partition("/")[0])
        return held[0] if held else COMMIT

    def about(self, path: str) -> bytes | None:
        repo, _, revision = unquote(path.removeprefix("/api/").partition("?")[0]).partition("/revision/")
        held = self._at(repo, revision)
        if not path.startswith("/api/") or held is None:
            return None
        siblings = [{"rfilename": name, "size": file.stat().st_size} for name, file in held[1].items()]
        return json.dumps({"id": repo, "sha": held[0], "siblings": siblings, "tags": []}).encode()


def _handler(hub: LoopbackHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self):
            self._answer()

        def do_GET(self):
            self._answer()

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            hub.requests.append((self.command, self.path, ""))
            said = None if hub.refuse else hub.post(self.path.partition("?")[0], body)
            answer = json.dumps(said or {}).encode()
            self._head(200 if said is not None else hub.refuse or 404, {"Content-Length": len(answer)})
            self.wfile.write(answer)

        def log_message(self, *_):
            """Silent."""

        def _answer(self) -> None:
            wanted = self.headers.get("Range", "")
            hub.requests.append((self.command, self.path, wanted))
            self.path = re.sub(r"^http://[^/]+", "", self.path)  # of who asks a proxy
            time.sleep(hub.delay)
            while hub.silent.is_set():
                threading.Event().wait(0.05)
            path, about = hub.find(self.path), hub.about(self.path)
            if about and not hub.refuse:
                self._head(200, {"Content-Length": len(about), "Content-Type": "application/json"})
                self.wfile.write(about)
            elif hub.refuse or path is None:
                missing = {} if hub.refuse else {"X-Error-Code": "EntryNotFound"}
                self._head(hub.refuse or 404, {"Content-Length": 0, **missing})
            elif not self.path.startswith("/bytes/"):
                linked = {"X-Linked-Etag": f'"{sha256_of(path)}"', "X-Linked-Size": path.stat().st_size}
                location = {"Location": f"{hub.elsewhere}/bytes{self.path}", "Content-Length": 0}
                self._head(302, linked | location | {"X-Repo-Commit": hub.commit_of(self.path)})
            else:
                self._bytes(path, wanted)

        def _bytes(self, path: Path, wanted: str) -> None:
            size = path.stat().st_size
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, stop = int(first or 0), min(size, int(last) + 1) if last else size
            reach = {"Content-Range": f"bytes {start}-{stop - 1}/{size}"} if wanted else {}
            self._head(206 if wanted else 200, {"Content-Length": stop - start, **reach})
            if self.command == "HEAD":
                return
            end = stop if hub.drop_after is None else min(stop, start + hub.drop_after)
            with path.open("rb") as file:
                file.seek(start)
                while start < end:
                    chunk = file.read(min(1 << 20, end - start))
                    self.wfile.write(bytes(len(chunk)) if hub.corrupt else chunk)
                    start += len(chunk)
            self.close_connection = end < stop  # fewer bytes than were promised

        def _head(self, status: int, headers: dict) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, str(value))
            self.end_headers()

    return Handler
