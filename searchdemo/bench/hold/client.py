"""A visitor of the page by plain HTTP, as a script or an attacker is one. It needs nothing but Python."""

from __future__ import annotations

import http.client
import json
import time
import uuid
from collections.abc import Sequence
from functools import cached_property
from typing import Any

PATIENCE_S = 120.0
KEPT_S = 2.0  # a server closes an idle connection after five
API = "/gradio_api"


class Refused(Exception):
    """The page said no: in a sentence, or in none (`sentence` is "")."""

    def __init__(self, status: int, sentence: str):
        super().__init__(f"{status}: {sentence}")
        self.status, self.sentence = status, sentence


class Visitor:
    """One connection after the other to a page on this machine, and one session. For one thread."""

    def __init__(self, port: int, headers: dict[str, str] | None = None):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        self._used_at, self._headers = 0.0, headers or {}
        self.session = uuid.uuid4().hex

    def close(self) -> None:
        self._connection.close()

    def request(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> tuple:
        """(status, bytes). Raises OSError, http.client.HTTPException."""
        if time.monotonic() - self._used_at > KEPT_S:
            self._connection.close()  # the next request opens another one
        self._used_at = time.monotonic()
        try:
            told = {"Content-Type": kind} if body is not None else {}
            self._connection.request(method, path, body, self._headers | told)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise

    def post(self, path: str, content: object) -> Any:
        """What the page answers to JSON. Raises Refused."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        status, answer = self.request("POST", API + path, body)
        said = read(answer)
        if status >= 400:
            raise Refused(status, sentence_of(said))
        return said

    def call(self, name: str, **given: object) -> Any:
        """The answer of an endpoint of the API, with its own defaults for what is not given. Raises Refused."""
        described = self._described[f"/{name}"]["parameters"]
        return self.call_with(name, *(given.get(one["parameter_name"], one["parameter_default"]) for one in described))

    def call_with(self, name: str, *values: object) -> Any:
        """As `call`, with whatever arguments."""
        event = self.post(f"/call/{name}", {"data": values})["event_id"]
        status, stream = self.request("GET", f"{API}/call/{name}/{event}")
        return last_of(status, stream)

    def press(self, component: str, event: str, *values: object) -> Any:
        """What the page does at an event of a component, by its elem_id, past the queue. Raises Refused.

        values: the first arguments; the others are what the page starts with
        """
        return self.post("/run/predict", self._event(component, event, values))["data"]

    def queued(self, component: str, event: str, *values: object) -> Any:
        """As `press`, for an event that stands in a queue. Raises Refused."""
        self.post("/queue/join", self._event(component, event, values))
        _, stream = self.request("GET", f"{API}/queue/data?session_hash={self.session}")
        messages = [json.loads(line[6:]) for line in stream.decode().split("\n") if line.startswith("data: ")]
        last = next(one for one in reversed(messages) if one["msg"] == "process_completed")
        if not last["success"]:
            raise Refused(200, sentence_of(last["output"]))
        told = [one["output"]["data"] for one in messages if one["msg"] == "process_generating"]
        return told[0] if told else last["output"]["data"]

    @cached_property
    def _described(self) -> dict[str, dict]:
        return json.loads(self.request("GET", f"{API}/info")[1])["named_endpoints"]

    def _event(self, component: str, event: str, values: Sequence[object]) -> dict:
        number, usual = self._endpoints[component, event]
        return {"data": [*values, *usual[len(values) :]], "session_hash": self.session, "fn_index": number}

    @cached_property
    def _endpoints(self) -> dict[tuple[str, str], tuple[int, list]]:
        """(elem_id, event) -> number of the first endpoint that it calls on the server, and values of its arguments."""
        config = json.loads(self.request("GET", "/config")[1])
        names = {one["id"]: str(one["props"].get("elem_id")) for one in config["components"]}
        usual = {one["id"]: one["props"].get("value") for one in config["components"]}
        calls = [one for one in reversed(config["dependencies"]) if one["backend_fn"]]
        return {
            (names.get(target, ""), event): (one["id"], [usual.get(given) for given in one["inputs"]])
            for one in calls
            for target, event in one["targets"]
        }

    def upload(self, *files: tuple[str, bytes]) -> list[dict]:
        """(name, content) of each -> the files as arguments of endpoints. Raises Refused."""
        mark = uuid.uuid4().hex
        parts = [
            f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n".encode()
            + content
            + b"\r\n"
            for name, content in files
        ]
        body = b"".join([*parts, f"--{mark}--\r\n".encode()])
        status, answer = self.request("POST", f"{API}/upload", body, f"multipart/form-data; boundary={mark}")
        if status >= 400:
            raise Refused(status, sentence_of(read(answer)))
        return [{"path": path, "meta": {"_type": "gradio.FileData"}} for path in read(answer)]


def read(answer: bytes) -> Any:
    try:
        return json.loads(answer)
    except ValueError:
        return answer.decode(errors="replace")


def sentence_of(said: Any) -> str:
    """In whichever form the page says why it refuses."""
    if isinstance(said, dict):
        said = said.get("error") or said.get("detail") or said.get("message")
    return said if isinstance(said, str) else ""


def last_of(status: int, stream: bytes) -> Any:
    """The values in the last message of a stream of events. Raises Refused."""
    if status >= 400:
        raise Refused(status, sentence_of(read(stream)))
    lines = stream.decode().split("\n")
    events = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    if not events or events[-1] != "complete":
        raise Refused(200, sentence_of(read(data[-1].encode())) if data else "")
    return json.loads(data[-1])
