"""Wrong arguments for every endpoint of the page, public and private: each has to get a sentence, and start nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from searchdemo.bench.hold.client import API, Visitor, read, sentence_of
from searchdemo.bench.hold.load import TEXT, Asker
from searchdemo.bench.hold.outcome import Outcome, Size
from searchdemo.bench.hold.pages import Pages
from searchdemo.bench.workload import Bench

UNFORESEEN = "nobody foresaw"  # what the page says where it fails itself

FILE = {"_type": "gradio.FileData"}
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**30, -(10**400), 1e308, float("nan"), float("inf"), "", "12", "x", "\x00",
    "\ud800", "<img src=x onerror=alert(1)>", "../../etc/passwd", "x" * 30_000, [], [[]], [None], {},
    {"number": 10**9}, {"number": "x"}, {"path": "/etc/passwd", "meta": FILE}, {"path": "/etc/passwd"}, {"path": 7},
    {"url": "data:,x"}, {"url": "http://127.0.0.1:9/x.png", "meta": FILE}, {"__type__": "update", "value": 3},
)  # fmt: skip
BODIES: tuple[bytes, ...] = (
    b"", b"{", b"null", b"[]", b"7", b'"x"', b"\xff\xfe", b"[" * 5_000, b'{"data": 7}', b'{"data": null}', b"{}",
    b'{"data": {}}', b'{"data": [], "fn_index": -1}', b'{"data": [], "fn_index": 1e3}',
    b'{"data": [], "fn_index": true}', b'{"data": [], "fn_index": "0"}',
    b'{"data": [], "fn_index": 1, "session_hash": 7}', b'{"data": [], "fn_index": 1, "session_hash": []}',
    b'{"data": [], "fn_index": 1, "trigger_id": "x"}',
    b'{"data": [[]], "fn_index": 1, "batched": true}',
)  # fmt: skip
PLACES = ("/run/predict", "/api/search_by_text", "/call/search_by_text", "/call/v2/search_by_text", "/queue/join",
          "/call/no_such", "/run/no_such", "/call/v2/no_such", "/component_server", "/cancel", "/reset")  # fmt: skip
ADDRESSES = (
    "/queue/data", "/queue/data?session_hash=x", "/call/search_by_text/x", "/call/v2/search_by_text/x",
    "/upload_progress", "/file=/etc/passwd", "/file=", "/stream/x/1/2/playlist.m3u8", "/vibe-code", "/deep_link",
    "/proxy=http://127.0.0.1:9/",
)  # fmt: skip


@dataclass
class Found:
    """What came back."""

    asked: int = 0
    answered: int = 0  # an endpoint may work with a value that was taken for wrong here
    silent: list[str] = field(default_factory=list)  # refusals without a sentence
    unforeseen: list[str] = field(default_factory=list)  # where the page itself failed


def run(bench: Bench, pages: Pages, size: Size) -> Outcome:
    """Then the page still has to answer."""
    page, outcome = pages.page(), Outcome()
    found = attack(page.port, size.wrong, bench.seed)
    Asker(TEXT, page.port, bench.seed, pages.subject).ask()
    bad = found.unforeseen + found.silent
    outcome.none_of(f"of {found.asked:,} wrong requests, those without a sentence", bad, "requests")
    return outcome


def endpoints(visitor: Visitor) -> list[dict]:
    """Those that run on the server, as the page describes them to browsers."""
    _, answer = visitor.request("GET", "/config")
    return [one for one in json.loads(answer)["dependencies"] if one["backend_fn"]]


def attack(port: int, count: int, seed: int) -> Found:
    """`count` calls of all endpoints in turn, each with arguments of VALUES, then each of BODIES at each place."""
    visitor, found, rng = Visitor(port), Found(), random.Random(seed)
    for name, body in calls(endpoints(visitor), count, rng):
        look(found, visitor, "POST", f"{API}/run/predict", json.dumps(body).encode(), name)
    for place in PLACES:
        for content in BODIES:
            look(found, visitor, "POST", API + place, content, f"{place} with {content[:40]!r}")
    for address in ADDRESSES:
        look(found, visitor, "GET", API + address, None, address)
    visitor.close()
    return found


def calls(described: list[dict], count: int, rng: random.Random) -> Iterator[tuple[str, dict]]:
    """(what is tried, the body of the request)."""
    for number in range(count):
        endpoint = described[number % len(described)]
        inputs = len(endpoint["inputs"])
        wanted = rng.choice((inputs, inputs, inputs, inputs - 1, inputs + 1))
        data = [rng.choice(VALUES) for _ in range(max(0, wanted))]
        body: dict = {"data": data, "fn_index": endpoint["id"], "session_hash": f"s{rng.randrange(3)}"}
        if rng.random() < 0.5:
            body["event_data"] = rng.choice(VALUES)  # the page sends objects, and what was typed
        yield f"{endpoint['api_name']}({', '.join(f'{value!r:.40}' for value in data)})", body


def look(found: Found, visitor: Visitor, method: str, path: str, body: bytes | None, name: str) -> None:
    status, answer = visitor.request(method, path, body)
    found.asked += 1
    if status < 400:
        found.answered += 1
        return
    said = sentence_of(read(answer)) if answer else ""
    if UNFORESEEN in said:
        found.unforeseen.append(name)
    elif not said.strip():
        found.silent.append(f"{name}: {status} {answer[:80]!r}")
