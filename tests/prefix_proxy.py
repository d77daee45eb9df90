"""A proxy that serves a page below a path of its own, "/demo", as web servers do for several programs on one host."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PREFIX = "/demo"
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@contextlib.contextmanager
def below_a_prefix(port: int, strays: list[str], strips: bool = True) -> Iterator[str]:
    """The address of the page there. strays: gets the paths that were asked for outside the prefix; strips: whether the
    page is asked without the prefix."""

    class Passing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if not self.path.startswith(PREFIX):
                strays.append(self.path)
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            path = self.path.removeprefix(PREFIX) or "/" if strips else self.path
            behind = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            headers = dict(self.headers.items()) | {
                "X-Forwarded-Host": self.headers["host"],
                "X-Forwarded-Proto": "http",
            }
            headers["Accept-Encoding"] = "identity"
            behind.request(self.command, path, body or None, headers)
            answer = behind.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP:
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            while part := answer.read1(65536):  # streams of events are passed on as they come
                self.wfile.write(part)
                self.wfile.flush()
            behind.close()
            self.close_connection = True

        do_POST = do_HEAD = do_GET  # noqa: N815 names that the server looks for

        def log_message(self, *said: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A browser that leaves a stream is no error."""

    server = Server(("127.0.0.1", 0), Passing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
    finally:
        server.shutdown()
        server.server_close()
