"""A Hugging Face hub on loopback that serves one data set: the real download path, without a network."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@contextmanager
def serve(repo: str, folder: Path, revision: str) -> Iterator[tuple[str, list[str]]]:
    """Yields the endpoint and the list of requested paths, which grows."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    requests: list[str] = []
    info = {"id": repo, "sha": revision, "siblings": [{"rfilename": name} for name in files], "tags": []}
    tree = [{"type": "file", "path": n, "size": len(b), "oid": hashlib.sha1(b).hexdigest()} for n, b in files.items()]

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(with_body=False)

        def do_GET(self):
            self.answer(with_body=True)

        def answer(self, with_body: bool) -> None:
            path = self.path.split("?")[0]
            requests.append(path)
            prefix = f"/datasets/{repo}/resolve/{revision}/"
            if path.startswith(f"/api/datasets/{repo}/tree/"):
                body, headers = json.dumps(tree).encode(), {"Content-Type": "application/json"}
            elif path.startswith(f"/api/datasets/{repo}"):
                body, headers = json.dumps(info).encode(), {"Content-Type": "application/json"}
            elif path.startswith(prefix) and path.removeprefix(prefix) in files:
                body = files[path.removeprefix(prefix)]
                headers = {"ETag": f'"{hashlib.sha256(body).hexdigest()}"', "X-Repo-Commit": revision}
            else:
                self.send_error(404)
                return
            self.send_response(200)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, *_):
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()
